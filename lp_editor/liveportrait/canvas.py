"""The square that the networks see as whole pixels of the frame, and what is made there as a patch of the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lp_editor.engine import FloatImage, Patch
from lp_editor.face import Box, FacePicture, Image
from lp_editor.liveportrait.crop import NETWORK, PICTURE, Square
from lp_editor.liveportrait.detail import Layers
from lp_editor.liveportrait.keypoints import Array
from lp_editor.liveportrait.paste import template

ROOM, FEATHER = 1.12, 0.04
"""How much larger than the face's landmarks a mask is, and how softly it ends, of the square."""


@dataclass(frozen=True)
class Canvas:
    """The upright square of whole pixels of the frame around the networks' square, and its size in their pixels."""

    square: Square
    corner: tuple[int, int]
    size: int
    n: int

    @classmethod
    def over(cls, square: Square) -> Canvas:
        """The canvas of a square of the networks."""
        if square.angle == 0:
            x, y = (round(float(v) - square.size / 2) for v in square.centre)
            return cls(square, (x, y), round(square.size), PICTURE)
        low, high = square.corners.min(0), square.corners.max(0)
        size = int(np.ceil((high - low).max()))
        x, y = (int(np.floor(v)) for v in low)
        return cls(square, (x, y), size, round(PICTURE * size / square.size))

    def cut(self, picture: FacePicture) -> Image:
        """The footage's pixels of it, (size, size, RGB); what lies outside the pixels at hand repeats their edge."""
        box = picture.box
        x = np.clip(np.arange(self.corner[0], self.corner[0] + self.size) - box.x0, 0, box.width - 1)
        y = np.clip(np.arange(self.corner[1], self.corner[1] + self.size) - box.y0, 0, box.height - 1)
        return np.ascontiguousarray(picture.pixels[y[:, None], x[None, :]])

    def turned_back(self, made: Image) -> Image:
        """A picture of the networks (512, 512, RGB) as it lies in the canvas, (n, n, RGB)."""
        if self.square.angle == 0:
            return made
        return np.asarray(
            cv2.warpAffine(made, self._matrix()[:2], (self.n, self.n), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
            np.uint8,
        )  # fmt: skip

    def mask(self) -> FloatImage:
        """The published mask as it lies in the canvas, (n, n) in 0..1."""
        mask = template()
        if self.square.angle != 0:
            mask = np.asarray(cv2.warpAffine(mask, self._matrix()[:2], (self.n, self.n)), np.uint8)
        return np.asarray(mask.astype(np.float32) / np.float32(255))

    def _matrix(self) -> Array:
        """From the networks' picture to the canvas, (3, 3)."""
        ratio = self.n / self.size
        to_frame = np.linalg.inv(self.square.to_crop(PICTURE).astype(np.float64))
        shift = np.array([[ratio, 0, -self.corner[0] * ratio], [0, ratio, -self.corner[1] * ratio], [0, 0, 1]])
        return np.asarray(shift @ to_frame, np.float32)

    def inside(self, points: NDArray[np.float32]) -> NDArray[np.float64]:
        """Points of the frame (N, xy) in the canvas's own pixels."""
        return np.asarray((points[:, :2].astype(np.float64) + 0.5 - self.corner) * (self.n / self.size) - 0.5)


def face_mask(picture: FacePicture, canvas: Canvas) -> FloatImage:
    """Where the face's own landmarks are, a little larger and feathered inwards, (n, n) in 0..1."""
    hull = cv2.convexHull(canvas.inside(picture.face.points[:468]).astype(np.float32))[:, 0]
    middle = hull.mean(0)
    outline = np.round(middle + (hull - middle) * ROOM).astype(np.int32)
    filled = cv2.fillConvexPoly(np.zeros((canvas.n, canvas.n), np.uint8), outline, 1)
    depth = cv2.distanceTransform(filled, cv2.DIST_L2, 5)
    return np.asarray(np.clip(depth / (FEATHER * canvas.n), 0, 1), np.float32)


def network_crop(picture: FacePicture, square: Square) -> Image:
    """What the networks see: 256 pixels square, averaged."""
    canvas = Canvas.over(square)
    pixels = canvas.cut(picture)
    if square.angle != 0:
        to_crop = square.to_crop(PICTURE) @ np.array(
            [[1, 0, canvas.corner[0]], [0, 1, canvas.corner[1]], [0, 0, 1]], np.float32
        )
        pixels = np.asarray(
            cv2.warpAffine(pixels, to_crop[:2], (PICTURE, PICTURE), borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
    return np.asarray(cv2.resize(pixels, (NETWORK, NETWORK), interpolation=cv2.INTER_AREA), np.uint8)


def images_of(crops: Sequence[Image]) -> torch.Tensor:
    """Crops as the networks take them, (B, RGB, 256, 256) in 0..1."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def painted(canvas: Canvas, made: Image, mask: FloatImage) -> Layers:
    """The made picture over the canvas, as it is."""
    size = (canvas.size, canvas.size)
    paint = cv2.resize(made.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    alpha = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR), np.float32)
    return Layers(Box(0, 0, *size), (alpha > 1 / 255).astype(np.float32), None, None, np.clip(paint, 0, 255), alpha)


def clipped(layers: Layers, canvas: Canvas, picture: FacePicture) -> Patch | None:
    """Layers of the canvas as a patch of the frame: what lies in the pixels at hand, ending in nothing."""
    x, y = canvas.corner
    box, seen = layers.box, picture.box
    whole = Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y)
    kept = Box(max(whole.x0, seen.x0), max(whole.y0, seen.y0), min(whole.x1, seen.x1), min(whole.y1, seen.y1))
    if kept.width < 3 or kept.height < 3:
        return None
    window = slice(kept.y0 - whole.y0, kept.y1 - whole.y0), slice(kept.x0 - whole.x0, kept.x1 - whole.x0)

    def part(array: FloatImage) -> FloatImage:
        return np.array(array[window], np.float32)

    mask = part(layers.mask)
    mask[0], mask[-1], mask[:, 0], mask[:, -1] = 0, 0, 0, 0
    if not mask.any():
        return None
    flow, tone = (None if a is None else part(a) for a in (layers.flow, layers.tone))
    return Patch(kept, mask, flow, tone, part(layers.paint), part(layers.alpha))
