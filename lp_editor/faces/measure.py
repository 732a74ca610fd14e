"""Ratios and angles of faces, from landmarks alone: how open eyes and lips are, how the head is turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.face import Face
from lp_editor.faces import canonical as mesh
from lp_editor.faces.canonical import Pose, procrustes, to_local

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


def measured(faces: Sequence[Face | None]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Head poses (N, 3: pitch, yaw, roll) and gazes (N, 2: left, up) of faces, in degrees; NaN where lost."""
    poses, gazes = np.full((len(faces), 3), np.nan), np.full((len(faces), 2), np.nan)
    for i, face in enumerate(faces):
        if face is not None:
            poses[i], gazes[i] = head_pose(face.points), gaze_angles(face.points)
    return poses, gazes


EYEBALL, REST_Y = 0.36, -0.043
"""How far from the eyeball's middle the iris lies, and where, along y (down) from the line between the corners, an iris
that looks straight ahead lies, in eye widths. The first is 10.5 mm of 29.5, and what nine portraits that look into the
lens from -17 to 1 degrees of yaw say (a line through them: .38); the second is their mean."""

EYE_CORNERS = {"left": (263, 362, 473), "right": (33, 133, 468)}
"""Outer corner, inner corner and middle of the iris."""


def gaze_angles(points: Array) -> tuple[float, float]:
    """Where both eyes look, in degrees of the camera's frame: to the person's left, and up; (0, 0) is into the lens.

    One face, (478, 3). In the head's frame an iris that lies (dx, dy) eye widths off the middle of its eye looks along
    (dx, dy - `REST_Y`) / `EYEBALL`; the mean of both eyes is turned by the head's rotation.
    """
    pose = procrustes(points)
    local = to_local(np.asarray(points, np.float64), pose)
    ahead = np.mean([_eye_in_head(local, side) for side in ("left", "right")], axis=0)
    x, y, z = pose.rotation @ ahead
    return float(np.degrees(np.arctan2(x, -z))), float(np.degrees(-np.arcsin(np.clip(y, -1, 1))))


def _eye_in_head(local: Array, side: str) -> Array:
    """The direction one eye looks in, in the head's frame, of length 1."""
    outer, inner, iris = EYE_CORNERS[side]
    width = np.linalg.norm(local[outer] - local[inner])
    off = ((local[iris] - (local[outer] + local[inner]) / 2) / width)[:2] - [0, REST_Y]
    x, y = np.clip(off / EYEBALL, -0.7, 0.7)
    return np.array([x, y, -np.sqrt(max(1 - x * x - y * y, 0.02))])
