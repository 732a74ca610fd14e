"""Creases that come with a smile: darker along the fold from nose to mouth, lighter on the cheek over it."""

from __future__ import annotations

import cv2
import numpy as np

from lp_editor.engine import FloatImage
from lp_editor.face import Box
from lp_editor.faces.canonical import to_local
from lp_editor.mesh.bases import Array
from lp_editor.mesh.layers import around, luma, stroke
from lp_editor.mesh.shape import MeshMotion

FOLDS = {"left": (358, 423, 426, 436, 432), "right": (129, 203, 206, 216, 212)}
"""Landmarks along each nasolabial fold, from the wing of the nose down."""

CORNERS = {"left": 291, "right": 61}

DEPTH = 0.085
"""How much darker a fold gets, of the skin's brightness, when the mouth's corner has risen 1 cm."""


def creases(
    filmed: MeshMotion, motion: MeshMotion, after: Array, pixels: FloatImage, around_face: Box, box: Box, width: float
) -> FloatImage | None:
    """Tone to add to a box, (h, w, RGB) in levels; None where no corner rises."""
    was, now = (to_local(m.points, m.pose) for m in (filmed, motion))
    tone: FloatImage | None = None
    for side, fold in FOLDS.items():
        rise = float(was[CORNERS[side], 1] - now[CORNERS[side], 1])
        line = after[list(fold)]
        part = around(line, 0.10 * width, box)
        if rise <= 0.05 or part is None:
            continue
        thick = np.full(len(fold) - 1, max(1.0, 0.010 * width))
        thick[-1] *= 0.5
        fine = stroke(line, thick, part, 0.013 * width)
        wide = cv2.GaussianBlur(fine, (0, 0), 0.035 * width)
        shape = -fine * 1.1 + wide * 1.2
        at = np.clip((filmed.points[fold[2], :2] - [around_face.x0, around_face.y0]).astype(np.intp), 0,
                     [around_face.width - 1, around_face.height - 1])  # fmt: skip
        level = luma(pixels[at[1], at[0]])
        if tone is None:
            tone = np.zeros((box.height, box.width, 3), np.float32)
        rows, columns = slice(part.y0 - box.y0, part.y1 - box.y0), slice(part.x0 - box.x0, part.x1 - box.x0)
        tone[rows, columns] += (shape * (DEPTH * min(rise, 1.5) * level))[..., None].astype(np.float32)
    return tone
