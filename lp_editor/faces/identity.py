"""Tells people apart by how they look: the texture of their skin at the places of the face mesh, light taken out.

Nothing is learned and no weights are needed: brightness is read at the mesh's landmarks, away from eyes and mouth; what
a smooth light explains is taken out of its logarithm, and what is left compared by correlation. Over the portraits and
films measured (benchmarks/faces.py), means over a shot of one person correlate by .93 and more, of two people by .80
at most.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.face import Box, Face, Image
from lp_editor.faces import canonical as mesh
from lp_editor.faces.canonical import canonical_face

Appearance = NDArray[np.float32]
"""How a face looks in one picture, or on average: (N,), of length 1."""

SIZE = 96
"""Ear to ear, in pixels, at which a face is read: finer detail is focus and grain."""

SAME_PERSON = 0.86
"""Means over two runs of frames that correlate by more than this are one person."""

ANOTHER = 0.55
"""Means that correlate by less than this are two people, wherever they stand."""

ENOUGH = 6
"""A mean over fewer frames than this says little."""


@cache
def _read_at() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The landmarks that are read, and the smooth functions of place that stand for light, (N, 6)."""
    shape = canonical_face().vertices
    moving = {*mesh.LEFT_EYE, *mesh.RIGHT_EYE, *mesh.INNER_LIPS, *mesh.OUTER_LIPS, *mesh.OVAL}
    read = np.array([i for i in range(468) if i not in moving and abs(shape[i, 1]) < 7.5], np.intp)
    x, y = shape[read, 0], shape[read, 1]
    return read, np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], 1)


def appearance(pixels: Image, box: Box, face: Face) -> Appearance:
    """How a face looks; ``pixels`` (h, w, RGB) are those of ``box`` of the frame, at any resolution."""
    read, light = _read_at()
    across = pixels.shape[1] / box.width
    scale = SIZE / max(face.width * across, 1.0)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.GaussianBlur(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=way), (0, 0), 2.0)
    at = ((face.points[read, :2] - [box.x0, box.y0] + 0.5) * (across * scale) - 0.5).astype(np.float32)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
    seen = cv2.remap(grey, at[:, :1], at[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
    level = np.log(seen.astype(np.float64) + 8)
    left = level - light @ np.linalg.lstsq(light, level, rcond=None)[0]
    return unit(left)


def unit(vector: NDArray[np.float64] | NDArray[np.float32]) -> Appearance:
    """The same direction, of length 1."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)


def alike(a: Appearance, b: Appearance) -> float:
    """How alike two appearances are: their correlation, -1..1."""
    return float(a @ b)
