"""Ratios and angles of faces, from landmarks alone: how open eyes and lips are, how the head is turned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.faces import canonical as mesh
from lp_editor.faces.canonical import Pose, procrustes

Array = NDArray[np.floating[Any]]


def _gap(points: Array, upper: tuple[int, ...], lower: tuple[int, ...]) -> Array:
    """The mean distance between two contours that share their corners, (...,)."""
    apart = points[..., upper[2:-2], :2] - points[..., lower[2:-2], :2]
    return np.asarray(np.linalg.norm(apart, axis=-1).mean(-1))


def _length(points: Array, a: int, b: int) -> Array:
    return np.asarray(np.linalg.norm(points[..., a, :2] - points[..., b, :2], axis=-1))


def eye_ratio(points: Array, side: str) -> Array:
    """Lid gap over eye width of ``left`` or ``right``; points (..., 478, 3), result (...,). About .3 open, .05 closed."""
    if side == "left":
        return _gap(points, mesh.LEFT_EYE_UPPER, mesh.LEFT_EYE_LOWER) / _length(points, 263, 362)
    return _gap(points, mesh.RIGHT_EYE_UPPER, mesh.RIGHT_EYE_LOWER) / _length(points, 33, 133)


def lip_ratio(points: Array) -> Array:
    """Gap between the inner lips over the face's width; points (..., 478, 3), result (...,). 0 closed."""
    return _gap(points, mesh.INNER_LIPS_UPPER, mesh.INNER_LIPS_LOWER) / _length(points, 234, 454)


def pose_angles(pose: Pose) -> tuple[float, float, float]:
    """Pitch, yaw, roll in degrees of a pose, with the signs of `lp_editor.controls`."""
    r = pose.rotation
    # x right, y down, z away: a turn about x, then y, then z; looking up and to the left turn the other way
    pitch, yaw = -np.arctan2(r[2, 1], r[2, 2]), np.arcsin(np.clip(r[2, 0], -1, 1))
    roll = np.arctan2(r[1, 0], r[0, 0])
    return float(np.degrees(pitch)), float(np.degrees(yaw)), float(np.degrees(roll))


def head_pose(points: Array) -> tuple[float, float, float]:
    """Pitch, yaw, roll in degrees of one face, (478, 3), with the signs of `lp_editor.controls`."""
    return pose_angles(procrustes(points))
