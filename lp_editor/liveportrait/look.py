"""Where the networks' square lies on a face, from MediaPipe's landmarks, and what a shot says about a person.

The square stands on the head's rigid pose, not on its features, so that no smile moves it; and where the head keeps its
place one square serves the whole shot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.face import Face
from lp_editor.faces.canonical import canonical_face, procrustes, to_frame
from lp_editor.faces.measure import eye_ratio, gaze_angles, lip_ratio
from lp_editor.faces.occlusion import Usual
from lp_editor.liveportrait.crop import SCALE, UP, Square, square_along
from lp_editor.liveportrait.detail import Calibration
from lp_editor.liveportrait.hold import Person, Seen
from lp_editor.liveportrait.keypoints import Array

UPRIGHT = np.radians(12)
"""A head tilted less is cropped upright: its picture then needs no turning back."""

STRAYED, GROWN = 0.12, 1.15
"""A face so far from the shot's square (of its size), or so much larger or smaller, gets a square of its own."""

BROW = 105
"""A landmark on the brow: the published landmarks begin there, so the forehead does not count for the square."""


@dataclass(frozen=True)
class Look:
    """What a shot says: the square that serves it, the person's openings, how soft and grainy pictures are, what the face
    usually looks like."""

    square: Square | None
    person: Person
    calibration: Calibration | None
    fingerprint: str
    usual: Usual | None = None

    def square_of(self, face: Face) -> Square:
        """The square of a face: the shot's, unless the face has left it."""
        own = square_on(face)
        return self.square if self.square is not None and near(own, self.square) else own

    def seen(self, face: Face) -> Seen:
        """What is seen of a face."""
        points = face.points.astype(np.float64)
        gaze = gaze_angles(points)
        return Seen(self.square_of(face), eye_openings(points), lip_opening(points), gaze, face.width, self.person)


@cache
def _below_the_brows() -> NDArray[np.intp]:
    vertices = canonical_face().vertices
    return np.flatnonzero(vertices[:, 1] >= vertices[BROW, 1])


def square_on(face: Face) -> Square:
    """The square of one face by itself."""
    return placed(square_along(*head_points(face), SCALE, UP))


def head_points(face: Face) -> tuple[Array, Array]:
    """Where a face at rest would have its landmarks from the brows down, (N, xy), and which way is down, (xy,)."""
    pose = procrustes(face.points)
    points = to_frame(canonical_face().vertices[_below_the_brows()], pose)[:, :2].astype(np.float32)
    return points, pose.rotation[:2, 1].astype(np.float32)


def placed(square: Square) -> Square:
    """A square set upright if it nearly is, and then on whole pixels."""
    if abs(square.angle) >= UPRIGHT:
        return square
    size = float(max(round(square.size), 2))
    corner = np.round(square.centre - size / 2)
    return Square(np.asarray(corner + size / 2, np.float32), size, 0.0)


def near(own: Square, shot: Square) -> bool:
    """Whether a face's own square is near enough to the shot's for that one to serve."""
    apart = float(np.abs(own.centre - shot.centre).max()) / shot.size
    return apart <= STRAYED and 1 / GROWN <= own.size / shot.size <= GROWN and abs(own.angle - shot.angle) < UPRIGHT


def shot_square(faces: Sequence[Face]) -> Square | None:
    """The square in the middle of those of some faces; None for no faces, or where most lie elsewhere."""
    squares = [square_on(face) for face in faces]
    if not squares:
        return None
    middle = Square(
        np.median([s.centre for s in squares], axis=0).astype(np.float32),
        float(np.median([s.size for s in squares])), float(np.median([s.angle for s in squares])),
    )  # fmt: skip
    middle = placed(middle)
    return middle if np.mean([near(s, middle) for s in squares]) > 0.5 else None


def person_of(faces: Sequence[Face]) -> Person:
    """The 90th percentile of each opening."""
    if not faces:
        return Person((0.35, 0.35), 0.2)
    points = [face.points.astype(np.float64) for face in faces]
    return replace(person_from([(eye_openings(p), lip_opening(p)) for p in points]), ratios=ratios_of(np.stack(points)))


def ratios_of(points: NDArray[Any]) -> tuple[float, float, float]:
    """The 90th percentile of the measured ratios of faces, (N, 478, 3): left eye, right eye, lips."""
    left, right, lips = (
        float(np.percentile(ratios, 90))
        for ratios in (eye_ratio(points, "left"), eye_ratio(points, "right"), lip_ratio(points))
    )
    return left, right, max(lips, 0.04)


def person_from(openings: Sequence[tuple[tuple[float, float], float]]) -> Person:
    """The 90th percentile of openings: of the left and right eye, and of the lips."""
    eyes = np.percentile([eyes for eyes, _ in openings], 90, axis=0)
    lips = float(np.percentile([lips for _, lips in openings], 90))
    return Person((float(eyes[0]), float(eyes[1])), max(lips, 0.1))


def eye_openings(points: NDArray[Any]) -> tuple[float, float]:
    """Opening over width at the middle of the lids, left and right eye: the ratio of the published landmarks."""
    return _ratio(points, 386, 374, 263, 362), _ratio(points, 159, 145, 33, 133)


def lip_opening(points: NDArray[Any]) -> float:
    """Opening of the inner lips over the width of the outer ones: the ratio of the published landmarks."""
    return _ratio(points, 13, 14, 61, 291)


def _ratio(points: NDArray[Any], top: int, bottom: int, one: int, other: int) -> float:
    high = np.linalg.norm(points[top, :2] - points[bottom, :2])
    return float(high / (np.linalg.norm(points[one, :2] - points[other, :2]) + 1e-6))
