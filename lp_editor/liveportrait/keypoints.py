"""The arithmetic of implicit keypoints (section 3 of the LivePortrait paper): pose, expression and where they put a face.

Keypoints are row vectors, so rotations are stored transposed and stand on the right. Everything is float32 and batched
over its first axis; coordinates run from -1 to 1 over the crop, x right, y down, z away.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from lp_editor.errors import EngineError

Array: TypeAlias = NDArray[np.float32]

LIP: tuple[int, ...] = (6, 12, 14, 17, 19, 20)
EYES: tuple[int, ...] = (11, 13, 15, 16, 18)
"""Keypoints that a region of the published code replaces."""

RATIO_EPS = 1e-6


def rotation(pitch: NDArray[Any], yaw: NDArray[Any], roll: NDArray[Any]) -> Array:
    """(Rz Ry Rx) transposed, (B, 3, 3), of angles in degrees, (B,) or (B, 1)."""
    x, y, z = (np.radians(np.asarray(angle, np.float32).reshape(-1)) for angle in (pitch, yaw, roll))
    zero, one = np.zeros_like(x), np.ones_like(x)
    rx = _matrix(one, zero, zero, zero, np.cos(x), -np.sin(x), zero, np.sin(x), np.cos(x))
    ry = _matrix(np.cos(y), zero, np.sin(y), zero, one, zero, -np.sin(y), zero, np.cos(y))
    rz = _matrix(np.cos(z), -np.sin(z), zero, np.sin(z), np.cos(z), zero, zero, zero, one)
    return np.ascontiguousarray((rz @ ry @ rx).transpose(0, 2, 1), np.float32)


def _matrix(*entries: Array) -> Array:
    return np.stack(entries, axis=1).reshape(-1, 3, 3)


def transform(kp: Array, turn: Array, exp: Array, scale: Array, t: Array) -> Array:
    """Where keypoints come to lie, (B, 21, 3): ``scale * (kp @ turn + exp) + t``, all of whose ``t`` counts.

    ``kp`` (B, 21, 3), ``turn`` (B, 3, 3), ``exp`` (B, 21, 3), ``scale`` (B, 1), ``t`` (B, 3); any B may be 1.
    """
    return np.asarray(scale[:, :, None] * (kp @ turn + exp) + t[:, None], np.float32)


def without_depth(t: Array) -> Array:
    """A translation (B, 3) with its z dropped, as the published code does."""
    return np.asarray(t * np.array([1, 1, 0], np.float32), np.float32)


def motion_multiplier(source: Array, driving: Array) -> float:
    """How much larger a face's keypoints (21, 3) are than the driver's first: the square roots of their hulls' volumes.

    Raises `EngineError` for keypoints that lie in one plane.
    """
    try:
        volumes = [ConvexHull(points.astype(np.float64)).volume for points in (source, driving)]
    except QhullError:
        raise EngineError(
            "the driver's keypoints are flat, so its motion cannot be scaled; use pose-friendly"
        ) from None
    return float(np.sqrt(volumes[0]) / np.sqrt(volumes[1]))


def eye_ratios(points: NDArray[Any]) -> Array:
    """Opening over width of the left and the right eye, (N, 2), of 203 landmarks (N, 203, xy)."""
    return np.concatenate([_ratio(points, 6, 18, 0, 12), _ratio(points, 30, 42, 24, 36)], axis=1)


def lip_ratios(points: NDArray[Any]) -> Array:
    """Opening over width of the lips, (N, 1), of 203 landmarks (N, 203, xy)."""
    return _ratio(points, 90, 102, 48, 66)


def _ratio(points: NDArray[Any], top: int, bottom: int, left: int, right: int) -> Array:
    high = np.linalg.norm(points[:, top] - points[:, bottom], axis=1)
    wide = np.linalg.norm(points[:, left] - points[:, right], axis=1)
    return np.asarray(high / (wide + RATIO_EPS), np.float32)[:, None]
