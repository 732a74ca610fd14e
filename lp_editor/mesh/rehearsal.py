"""Makes a face that follows a driver be seen to do what was asked: some of the driver's moments are tried on it in small.

Landmarks moved in a picture are not found again where they were put: the landmark model sees a smile raise brows, a turned
head squint, and less of nearly everything. Most of that is linear in what is asked and differs from face to face, so it is
learned on a few telling moments of the driver, and then anticipated: asked for the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import TypeAlias

import numpy as np

from lp_editor.controls import COLUMN, HIGH, LOW
from lp_editor.face import Face, FacePicture, Image
from lp_editor.faces.canonical import Pose, procrustes, to_frame, to_local
from lp_editor.faces.measure import pose_angles
from lp_editor.faces.model import Landmarker
from lp_editor.mesh.bases import Array, measured
from lp_editor.mesh.calibration import reduced

ANGLES = [COLUMN[name] for name in ("pitch", "yaw", "roll")]

MOMENTS = 24
"""Moments of a driver that are tried, twice: three or four seconds."""

ROUNDS = 2
"""Times that they are tried. A third one teaches nothing more."""

FEWEST = 8
"""Fewer that show the face teach nothing."""

SHAPES_TOLD_APART = 12
"""Principal shapes of the moments that the response is linear in, beside the three turns."""

TURNS = 3
"""Features that are turns of the head. They explain what is seen of the shape but are not anticipated in it: the face would
be bent sideways."""

RIDGE = 0.2
"""Of the number of moments: what weights cost, features being of size 1. From 0.1 to 0.5 moments left out are foretold alike."""

RIDGE_OF_TURNS = 0.04
"""The same for how the head is held, which is three numbers and not a thousand."""

ANTICIPATED = 0.8
"""How much of what is foretold is. Chosen on two portraits led by two films: with 1.1 as many signals follow, more of those
at rest move, and pitch is read up to 0.8 degrees further off."""

STEPS = 3
"""What is anticipated has a response too: so often it is looked at again."""

MOST_TURNED = 6.0
"""Degrees that a head is turned at most to be seen as it is asked for."""

LEAST = 0.02
"""Added to the size of each feature, so that one that never varies stays small: cm, and tens of degrees."""

SIDEWAYS = np.array([1.0, 1.0, 0.0])
"""Depth is hardly seen, and left alone."""

STIFF = 0.02
"""What expressions cost where moves are told by them: a part of their own mean square."""

DEGREES = 25.0
"""A turn that makes a moment as telling as landmarks that all lie one standard deviation off."""


@dataclass(frozen=True)
class Performed:
    """Moments of a person that differ most: shapes off the rest (M, 478, 3) cm, and turns off the usual pose, (M, 3) degrees
    within the range of the controls."""

    shapes: Array
    turns: Array

    @property
    def name(self) -> bytes:
        """A hash of it."""
        hashed = blake2b(self.shapes.tobytes(), digest_size=16)
        hashed.update(self.turns.tobytes())
        return hashed.digest()


def performed(shapes: Array, poses: Sequence[Pose], rest: Array) -> Performed:
    """The most telling moments of some local shapes (N, 478, 3) cm and their poses: each as far from all before it as can
    be, the first the most usual one."""
    angles = np.array([pose_angles(pose) for pose in poses])
    flat = shapes[..., :2].reshape(len(shapes), -1)
    told = flat / (flat.std(0) + LEAST) / np.sqrt(flat.shape[1])
    told = np.concatenate([told, angles / DEGREES], axis=1)
    usual = np.linalg.norm(told - np.median(told, axis=0), axis=1)
    at = [int(usual.argmin())]
    away = np.linalg.norm(told - told[at[0]], axis=1)
    while len(at) < min(MOMENTS, len(told)) and away.max() > 0:
        at.append(int(away.argmax()))
        away = np.minimum(away, np.linalg.norm(told - told[at[-1]], axis=1))
    level = angles[np.abs(angles - np.median(angles, axis=0)).max(1).argmin()]
    turns = (angles[at] - level + 180) % 360 - 180
    return Performed(shapes[at] - rest, np.clip(turns, LOW[ANGLES], HIGH[ANGLES]))


@dataclass(frozen=True)
class Played:
    """One moment tried: the picture that came of it, the shape (478, 3) cm and the pose that were drawn, and the angles that
    it is to be seen at, (3,) degrees: heads are drawn further turned than they are to be seen."""

    pixels: Image
    shape: Array
    pose: Pose
    meant: Array


@dataclass(frozen=True)
class Response:
    """How far from where they are asked a face's landmarks are seen, off the mean: linear in the shape and the turn.

    ``middle`` (478, 3) is the mean shape; ``axes`` (K, 1434) its principal changes; ``level`` (3,) the mean pose in degrees;
    ``sizes`` (K + 3,) of the features; ``weights`` (K + 3, 1434) cm; ``turning`` (K + 3, 3) degrees.
    """

    middle: Array
    axes: Array
    level: Array
    sizes: Array
    weights: Array
    turning: Array

    def features(self, shape: Array, angles: Array) -> Array:
        """Of a shape (478, 3) cm held at angles (3,) in degrees, about 1 each, (K + 3,)."""
        turned = (angles - self.level) / 10
        return np.concatenate([self.axes @ (shape - self.middle).ravel(), turned]) / self.sizes

    def anticipated(self, shape: Array, pose: Pose, start: tuple[Array, Pose] | None) -> Array:
        """What to add to a shape so that it is seen as it is, (478, 3) cm; with ``start``, nothing for that shape and pose."""
        angles = np.array(pose_angles(pose))
        before = np.zeros_like(self.sizes) if start is None else self.features(start[0], np.array(pose_angles(start[1])))
        move = np.zeros_like(shape)
        for _ in range(STEPS):
            off = (self.features(shape + move, angles) - before)[:-TURNS] @ self.weights[:-TURNS]
            move = -ANTICIPATED * off.reshape(shape.shape)
        return move

    def aimed(self, shape: Array, pose: Pose, start: tuple[Array, Pose]) -> Array:
        """What to add to a head's angles so that it is seen in a pose, (3,) degrees; nothing for the shape and pose ``start``.

        A driver's open mouth was read as a nod, too: a face that follows both is seen to nod twice.
        """
        angles, turn = np.array(pose_angles(pose)), np.zeros(3)
        before = self.features(start[0], np.array(pose_angles(start[1])))
        for _ in range(STEPS):
            off = (self.features(shape, angles + turn) - before) @ self.turning
            turn = np.clip(-off, -MOST_TURNED, MOST_TURNED)
        return turn


def learned(asked: Array, poses: Sequence[Pose], seen: Array, turned: Array) -> Response:
    """The response that explains what was seen of what was asked, (N, 478, 3) cm, and how far from where they were meant
    to be heads were seen ``turned``, (N, 3) degrees, by ridge regression."""
    middle = asked.mean(0)
    flat = (asked - middle).reshape(len(asked), -1)
    axes = np.linalg.svd(flat, full_matrices=False)[2][:SHAPES_TOLD_APART]
    angles = np.array([pose_angles(pose) for pose in poses])
    level = angles.mean(0)
    features = np.concatenate([flat @ axes.T, (angles - level) / 10], axis=1)
    sizes = features.std(0) + LEAST
    features = features / sizes
    off = (seen - asked - (seen - asked).mean(0)).reshape(len(asked), -1)
    turned = turned - turned.mean(0)
    weights, turning = (
        np.linalg.solve(features.T @ features + cost * len(asked) * np.eye(len(sizes)), features.T @ found)
        for cost, found in ((RIDGE, off), (RIDGE_OF_TURNS, turned))
    )
    return Response(middle, axes, level, sizes, _as_expressions(weights), turning)


def _as_expressions(moves: Array) -> Array:
    """The nearest that expressions come to some moves, (N, 1434) cm: a face is neither turned nor bent to be seen right."""
    known = (measured() * SIDEWAYS).reshape(len(measured()), -1)
    size = known @ known.T
    parts = np.linalg.solve(size + STIFF * np.trace(size) / len(size) * np.eye(len(size)), known @ moves.T)
    return np.asarray(parts.T @ known)


Play: TypeAlias = Callable[[FacePicture, Performed, Response | None], Sequence[Played]]
"""Draws a face at each of a driver's moments, a response anticipated."""


class Rehearsals:
    """How one face responds to each driver, found when it first follows that driver, from the frame given alone."""

    def __init__(self, frames: Sequence[FacePicture], play: Play) -> None:
        self._frames = [reduced(frame) for frame in frames[len(frames) // 2 :][:1]]
        self._play = play
        self._lock = Lock()
        self._known: dict[bytes, Response | None] = {}

    def of(self, driver: Performed | None) -> Response | None:
        """None where there is nothing to learn from."""
        if driver is None or len(driver.shapes) < FEWEST or not self._frames:
            return None
        with self._lock:
            if driver.name not in self._known:
                self._known[driver.name] = self._rehearsed(driver)
            return self._known[driver.name]

    def _rehearsed(self, driver: Performed) -> Response | None:
        """Learned as asked for, and again with what that taught: it asks for shapes that were not tried yet."""
        pairs: list[tuple[Played, Array, Array]] = []
        response = None
        with Landmarker() as eye:
            for _ in range(ROUNDS):
                for played in self._play(self._frames[0], driver, response):
                    face = next(iter(eye(played.pixels)), None)
                    if face is not None:
                        pairs.append((played, *_aligned(face, played)))
                if len(pairs) < FEWEST:
                    return None
                tried, seen, turned = zip(*pairs, strict=True)
                asked = np.array([played.shape for played in tried])
                response = learned(asked, [played.pose for played in tried], np.array(seen), np.array(turned))
        return response


def _aligned(face: Face, played: Played) -> tuple[Array, Array]:
    """The shape that is seen, (478, 3) cm, as it lies against the one drawn, and how far off the head is held, (3,) degrees."""
    points, meant = face.points.astype(np.float64), to_frame(played.shape, played.pose)
    pose = procrustes(points)
    off = to_local(points, pose) - to_local(meant, procrustes(meant))
    return np.asarray(played.shape + off), np.array(pose_angles(pose)) - played.meant
