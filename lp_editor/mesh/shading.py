"""Creases that come with a smile or a scowl: darker along the fold, lighter on the skin pushed up beside it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lp_editor.engine import FloatImage
from lp_editor.face import Box
from lp_editor.faces.canonical import to_local
from lp_editor.mesh.bases import Array
from lp_editor.mesh.layers import around, luma, stroke, swatches
from lp_editor.mesh.shape import MeshMotion


@dataclass(frozen=True)
class Fold:
    """Where skin folds: points along it, each between two landmarks; and what folds it.

    ``folder`` are landmarks whose move along y (``up``: upwards; else downwards), past ``slack`` cm, makes the fold;
    ``depth`` is how much darker it gets at 1 cm, of the skin's brightness; ``width`` its width in face widths.
    """

    path: tuple[tuple[int, int, float], ...]
    folder: tuple[int, ...]
    up: bool
    depth: float
    width: float
    slack: float = 0.05
    most: float = 1.5


def _through(*landmarks: int) -> tuple[tuple[int, int, float], ...]:
    return tuple((number, number, 0.0) for number in landmarks)


FOLDS: tuple[Fold, ...] = (
    Fold(_through(358, 423, 426, 436, 432), (291,), True, 0.085, 0.010),
    Fold(_through(129, 203, 206, 216, 212), (61,), True, 0.085, 0.010),
    Fold(((9, 336, 0.30), (8, 285, 0.26), (168, 417, 0.34)), (285, 336), False, 0.11, 0.007, 0.08, 1.0),
    Fold(((9, 107, 0.30), (8, 55, 0.26), (168, 193, 0.34)), (55, 107), False, 0.11, 0.007, 0.08, 1.0),
)
"""From the wings of the nose to beside the mouth, when its corners rise; between the brows, when they come down."""


def creases(
    filmed: MeshMotion, motion: MeshMotion, after: Array, pixels: FloatImage, around_face: Box, box: Box, width: float
) -> FloatImage | None:
    """Tone to add to a box, (h, w, RGB) in levels; None where nothing folds."""
    was, now = (to_local(m.points, m.pose) for m in (filmed, motion))
    tone: FloatImage | None = None
    for fold in FOLDS:
        moved = float((was - now)[list(fold.folder), 1].mean()) * (1 if fold.up else -1)
        line = _line(fold, after)
        part = around(line, 0.10 * width, box)
        if moved <= fold.slack or part is None:
            continue
        middle = _line(fold, filmed.points)[[len(line) // 2]]
        level = luma(swatches(pixels, around_face, middle, 0.02 * width)[0])
        if tone is None:
            tone = np.zeros((box.height, box.width, 3), np.float32)
        rows, columns = slice(part.y0 - box.y0, part.y1 - box.y0), slice(part.x0 - box.x0, part.x1 - box.x0)
        strength = fold.depth * min(moved - fold.slack, fold.most) * level
        tone[rows, columns] += (_relief(fold, line, part, width) * strength)[..., None].astype(np.float32)
    return tone


def _line(fold: Fold, points: Array) -> Array:
    return np.stack([points[a, :2] * (1 - w) + points[b, :2] * w for a, b, w in fold.path])


def _relief(fold: Fold, line: Array, part: Box, width: float) -> FloatImage:
    """The fold's own shape over a box: −1 in its depth, a little over 0 beside it."""
    thick = np.full(len(line) - 1, max(1.0, fold.width * width))
    thick[-1] *= 0.5
    fine = stroke(line, thick, part, 1.3 * fold.width * width)
    wide = cv2.GaussianBlur(fine, (0, 0), 3.5 * fold.width * width)
    return np.asarray(-fine * 1.1 + wide * 1.2, np.float32)
