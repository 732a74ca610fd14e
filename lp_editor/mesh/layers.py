"""Layers of paint over a part of a frame, and the shapes they are cut to."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.engine import FloatImage
from lp_editor.face import Box, Image
from lp_editor.mesh.bases import Array

FINE = 4
"""Shapes are drawn this many times larger, then averaged down."""


@dataclass(frozen=True)
class Canvas:
    """Paint over a box: colour times alpha (h, w, RGB), and alpha (h, w); layers are put over each other."""

    box: Box
    colour: FloatImage
    alpha: FloatImage

    @classmethod
    def over(cls, box: Box) -> Canvas:
        """An empty canvas."""
        return cls(box, np.zeros((box.height, box.width, 3), np.float32), np.zeros((box.height, box.width), np.float32))

    def put(self, part: Box, colour: FloatImage, alpha: FloatImage) -> None:
        """Lay a layer, (h, w, RGB) and (h, w) of ``part``, over what is there; ``part`` lies in the box."""
        rows = slice(part.y0 - self.box.y0, part.y1 - self.box.y0)
        columns = slice(part.x0 - self.box.x0, part.x1 - self.box.x0)
        rest = (1 - alpha)[..., None]
        self.colour[rows, columns] = self.colour[rows, columns] * rest + colour * alpha[..., None]
        self.alpha[rows, columns] = 1 - (1 - self.alpha[rows, columns]) * (1 - alpha)

    def paint(self) -> FloatImage:
        """The colours themselves, (h, w, RGB), 0 where there is none."""
        return np.asarray(np.clip(self.colour / np.maximum(self.alpha, 1e-4)[..., None], 0, 255), np.float32)


def polygon(points: Array, part: Box, feather: float = 0.0) -> FloatImage:
    """How much of each pixel of a box lies in a polygon, (h, w), its edge softened by ``feather`` pixels."""
    drawn = np.zeros((part.height * FINE, part.width * FINE), np.uint8)
    cv2.fillPoly(drawn, [_fixed(points, part)], 255, cv2.LINE_8, 4)
    return _down(drawn, part, feather)


def stroke(points: Array, widths: Array, part: Box, feather: float = 0.0) -> FloatImage:
    """How much of each pixel a line through points covers, (h, w); a width in pixels for each stretch."""
    drawn = np.zeros((part.height * FINE, part.width * FINE), np.uint8)
    fixed = _fixed(points, part)
    for a, b, width in zip(fixed[:-1], fixed[1:], widths, strict=True):
        cv2.line(drawn, _pair(a), _pair(b), 255, max(1, round(float(width) * FINE)), cv2.LINE_AA, 4)
    return _down(drawn, part, feather)


def _pair(point: NDArray[np.int32]) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def _fixed(points: Array, part: Box) -> NDArray[np.int32]:
    return np.round(((points[:, :2] - [part.x0, part.y0] + 0.5) * FINE - 0.5) * 16).astype(np.int32)


def _down(drawn: NDArray[np.uint8], part: Box, feather: float) -> FloatImage:
    small = np.asarray(cv2.resize(drawn, (part.width, part.height), interpolation=cv2.INTER_AREA), np.float32) / 255
    return np.asarray(cv2.GaussianBlur(small, (0, 0), feather) if feather > 0 else small, np.float32)


def around(points: Array, pad: float, inside: Box) -> Box | None:
    """The box around points with some room, cut to another; None when it is hardly there."""
    low, high = points[:, :2].min(0) - pad, points[:, :2].max(0) + pad
    box = Box(
        max(int(low[0]), inside.x0), max(int(low[1]), inside.y0),
        min(int(high[0]) + 2, inside.x1), min(int(high[1]) + 2, inside.y1),
    )  # fmt: skip
    return box if box.width >= 6 and box.height >= 4 else None


def swatches(pixels: Image | FloatImage, box: Box, points: Array, radius: float) -> FloatImage:
    """The mean colour around each point, (N, RGB): single pixels would flicker. ``pixels`` are those of ``box``."""
    reach = max(1, round(radius))
    at = np.round(points[:, :2] - [box.x0, box.y0]).astype(int)
    at = np.clip(at, 0, [box.width - 1, box.height - 1])
    rows = [pixels[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] for x, y in at]
    return np.stack([row.reshape(-1, 3).mean(0) for row in rows]).astype(np.float32)


def luma(colour: NDArray[np.float32]) -> float:
    """Brightness of an RGB colour."""
    return float(colour @ np.array([0.299, 0.587, 0.114], np.float32))
