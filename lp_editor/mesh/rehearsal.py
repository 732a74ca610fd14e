"""Makes a face that follows a driver be seen to do what was asked: some of the driver's moments are tried on it in small.

Landmarks moved in a picture are not found again where they were put: the landmark model sees a smile raise brows, a turned
head squint, and less of nearly everything. Most of that is linear in what is asked and differs from face to face, so it is
learned on a few telling moments of the driver, and then anticipated: asked for the other way. What the blendshapes still
miss of the driver's is corrected by adding a little of the expressions that they answer to: on other faces at first, and as
corrections go on, as this one was seen to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from importlib import resources
from io import BytesIO
from itertools import pairwise
from threading import Lock
from typing import TypeAlias

import numpy as np

from lp_editor.controls import COLUMN, HIGH, LOW
from lp_editor.face import Face, FacePicture, Image
from lp_editor.faces.canonical import LEFT_IRIS, RIGHT_IRIS, Pose, procrustes, to_frame, to_local
from lp_editor.faces.measure import pose_angles
from lp_editor.faces.model import Landmarker
from lp_editor.mesh.bases import Array, eye_window, measured, measured_names
from lp_editor.mesh.calibration import reduced
from lp_editor.recording import SHAPES

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

SMALL = 128
"""A face is tried at no more than this many pixels ear to ear. At 200 px a trial took 1.75 times as long and as many signals
followed, but on one portrait of three fewer of those at rest moved (8 for 11)."""

TRUST = 0.1
"""What holds answers to those of other faces: the variance of what is read over that of answers from face to face."""

ASKED = 0.3
"""How much of an expression is tried, of its full strength: as much as may be added."""

CORRECTIONS = 4
"""Times that moments are seen and corrected. The first time they are those that the response is learned on."""

STEP = 0.7
"""Part of what a correction should bring that is added at once: answers are not quite linear. Within 0.5 to 1 by choice."""

MOST_ADDED = 0.3
"""Of an expression's full strength, either way, so that a face is never made to pull one: what was added on three pairs was
0.04 (root mean square), at most 0.25."""

LEAST_CHANGE = 0.05
"""Of a blendshape, 0 to 1: added to its standard deviation in the driver, by which signals are made to count alike. About what
the landmark model makes of noise."""

UNANSWERED = 0.2
"""What adding an expression costs, against squared answers of signals that count alike: what hardly answers is let be. With
half of that, faces of two pairs did half as much again for no more signals."""

HINTS = 0.1
"""Ridge of what is added by what the driver does, of the mean square of a moment: from 0.05 to 0.2 what was right at moments
left out is foretold alike, on two pairs best so."""

GAZES = (
    ("eyeLookUpLeft", "eyeLookUpRight"), ("eyeLookDownLeft", "eyeLookDownRight"),
    ("eyeLookOutLeft", "eyeLookInRight"), ("eyeLookInLeft", "eyeLookOutRight"),
)  # fmt: skip
"""Expressions that are added together or not at all: eyes do not part."""

SQUINTS = [SHAPES.index("eyeSquintLeft"), SHAPES.index("eyeSquintRight")]
"""A driver that tells these was looked at, its openings not only measured."""

IRISES = [*LEFT_IRIS, *RIGHT_IRIS]

UNMOVED = 0.01
"""Centimetres: an expression whose landmarks all move by less was not seen in the measured film."""


@cache
def usual_answers() -> Array:
    """How far each blendshape goes for each of the `expressions` at full strength, (E, 52): the mean over eight portraits and
    faces of films, each at two to four moments, made symmetric (benchmarks/answers.py).

    Five other portraits' own answers, each at two moments, are foretold by it with r = .59 to .76 (a statue's: .36), their
    answers at one moment by those at the other with .35 to .5 (-.04).
    """
    content = (resources.files("lp_editor.mesh") / "answers.npz").read_bytes()
    with np.load(BytesIO(content)) as stored:
        out: Array = stored["answers"].astype(np.float64)
    out.flags.writeable = False
    return out


@cache
def single_expressions() -> tuple[str, ...]:
    """The names of the first of the `expressions`: blendshapes that are no looks and that the measured film showed."""
    looks, seen = {name for pair in GAZES for name in pair}, np.delete(measured() * SIDEWAYS, IRISES, axis=1)
    largest = dict(zip(measured_names(), np.abs(seen).max((1, 2)), strict=True))
    return tuple(name for name, most in largest.items() if name not in looks and most > UNMOVED)


@cache
def expressions() -> Array:
    """What may be added to a face, (E, 478, 3) cm at full strength: those measured. Irises move in looks alone, both as one."""
    known = dict(zip(measured_names(), measured() * SIDEWAYS, strict=True))
    looks = np.stack([known.pop(one) + known.pop(other) for one, other in GAZES])
    looks[:, IRISES] = looks[:, IRISES].mean(1, keepdims=True)
    for move in known.values():
        move[IRISES] = 0
    out = np.stack([*(known[name] for name in single_expressions()), *looks])
    out.flags.writeable = False
    return out


@dataclass(frozen=True)
class Performed:
    """Moments of a person that differ most: shapes (M, 478, 3) and the one at rest (478, 3), cm, turns off the usual pose,
    (M, 3) degrees within the range of the controls, and blendshapes (M, 52) in the order of `SHAPES`."""

    shapes: Array
    rest: Array
    turns: Array
    blendshapes: Array

    @property
    def name(self) -> bytes:
        """A hash of it."""
        hashed = blake2b(digest_size=16)
        for told in (self.shapes, self.rest, self.turns, self.blendshapes):
            hashed.update(told.tobytes())
        return hashed.digest()


def performed(shapes: Array, poses: Sequence[Pose], rest: Array, blendshapes: Array) -> Performed:
    """The most telling moments of some local shapes (N, 478, 3) cm, their poses and blendshapes (N, 52): each as far from
    all before it as can be, the first the most usual one."""
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
    return Performed(shapes[at], rest, np.clip(turns, LOW[ANGLES], HIGH[ANGLES]), blendshapes[at])


@dataclass(frozen=True)
class Played:
    """One moment tried: the picture that came of it, the shape (478, 3) cm and the pose that were drawn, and the angles that
    it is to be seen at, (3,) degrees: heads are drawn further turned than they are to be seen."""

    pixels: Image
    shape: Array
    pose: Pose
    meant: Array


@dataclass(frozen=True)
class Correction:
    """How much of each of `expressions` to add where a driver's blendshapes are off their mean, ``usual`` (52,): by
    ``weights`` (52, E) for a change of 1.

    ``eyes`` is whether eyes are corrected too. Those of a driver that tells openings alone, as templates do, are drawn as
    told: corrected by what was read of them, the lids of a portrait followed the template d5 by .6 and not by .9.
    """

    usual: Array
    weights: Array
    eyes: bool = True

    def amounts(self, blendshapes: Array) -> Array:
        """Of each expression, (E,), for a driver's blendshapes (52,)."""
        return np.clip((blendshapes - self.usual) @ self.weights, -MOST_ADDED, MOST_ADDED)


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
    correction: Correction | None = None
    """Of what the blendshapes miss when all this is anticipated; None while that is not known."""

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

    def corrected(self, blendshapes: Array | None, start: Array | None) -> Array:
        """What to add to a shape besides, (478, 3) cm, where a driver shows some blendshapes (52,); with ``start``, nothing for
        those."""
        if self.correction is None or blendshapes is None:
            return np.zeros((478, 3))
        amounts = self.correction.amounts(blendshapes)
        if start is not None:
            amounts = amounts - self.correction.amounts(start)
        move = added(amounts)
        return move if self.correction.eyes else move * (1 - np.maximum(eye_window("Left"), eye_window("Right")))[:, None]

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


def added(amounts: Array) -> Array:
    """The move, (478, 3) cm, that amounts of the `expressions` make."""
    return np.asarray(np.tensordot(amounts, expressions(), 1))


def correction(wanted: Array, weight: Array, amounts: Array) -> Correction:
    """What foretells the amounts (M, E) that were right where a driver's blendshapes were ``wanted`` (M, 52), each of which
    counts by its ``weight``: by ridge regression."""
    usual = wanted.mean(0)
    told = (wanted - usual) * weight
    alike = told @ told.T
    cost = HINTS * max(np.trace(alike) / len(alike), 1e-9)
    weights = told.T @ np.linalg.solve(alike + cost * np.eye(len(alike)), amounts)
    return Correction(usual, weight[:, None] * weights, bool(weight[SQUINTS].all()))


def answered(tries: Sequence[tuple[Array, Array]]) -> Array:
    """How far blendshapes go for `expressions`, (E, 52): as usual, but for what trials of the same moments teach, each of
    amounts (M, E) and what was seen of them (M, 52). By ridge regression of the changes from each trial to the next."""
    asked, found = [np.zeros((0, len(expressions())))], [np.zeros((0, len(SHAPES)))]
    for (amounts, seen), (more, after) in pairwise(tries):
        there = ~np.isnan(seen[:, 0] + after[:, 0])
        if there.any():
            for change, changes in ((more - amounts, asked), (after - seen, found)):
                changes.append(change[there] - change[there].mean(0))
    x, y, usual = np.concatenate(asked), np.concatenate(found), usual_answers()
    return np.asarray(usual + x.T @ np.linalg.solve(x @ x.T + TRUST * np.eye(len(x)), y - x @ usual))


def moved_by(wanted: Array, weight: Array, seen: Array, answers: Array) -> Array:
    """What to add of `expressions`, (M, E), where blendshapes were ``seen`` (M, 52), to come nearer to the changes that are
    ``wanted``, each of which counts by its ``weight``; nothing where no face was."""
    there, scaled = ~np.isnan(seen[:, 0]), answers * weight
    out = np.zeros((len(seen), len(answers)))
    if there.any():
        off = wanted[there] - (seen[there] - seen[there].mean(0))
        back = scaled.T @ np.linalg.inv(scaled @ scaled.T + UNANSWERED * np.eye(len(answers)))  # (52, E)
        out[there] = STEP * (off * weight) @ back
    return out


def agreeing(moves: Array, wanted: Array, seen: Array) -> Array:
    """Changes of `expressions`, (M, E), less those that take the blendshape that an expression is named after further from
    the changes that are ``wanted`` than it was ``seen``, (M, 52)."""
    out, there = moves.copy(), ~np.isnan(seen[:, 0])
    own = [SHAPES.index(name) for name in single_expressions()]
    off = wanted[there] - (seen[there] - seen[there].mean(0))
    single = out[there, : len(own)]
    out[there, : len(own)] = np.where(single * off[:, own] < 0, 0, single)
    return out


def counting(blendshapes: Array) -> Array:
    """How much each blendshape counts, (52,), so that those that change little are met too: a mean of 1 over those that a
    driver tells; none that a recording does not tell at all."""
    size = blendshapes.std(0)
    told = size > 1e-9
    weight = np.where(told, 1 / (size + LEAST_CHANGE), 0)
    return np.asarray(weight / max(weight.sum() / max(told.sum(), 1), 1e-9))


Play: TypeAlias = Callable[[FacePicture, Performed, Response | None, Array | None], Sequence[Played]]
"""Draws a face at each of a driver's moments, a response anticipated, amounts of `expressions` added, (M, E)."""


class Rehearsals:
    """How one face responds to each driver, found when it first follows that driver, from the frame given alone."""

    def __init__(self, frames: Sequence[FacePicture], play: Play) -> None:
        self._frames = [reduced(frame, SMALL) for frame in frames[len(frames) // 2 :][:1]]
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

    def answers(self, driver: Performed, moment: int, response: Response, eye: Landmarker) -> Array:
        """How far each blendshape goes for each of `expressions` at full strength, (E, 52), tried one by one at a moment of a
        driver (benchmarks/answers.py); 0 where no face was seen."""
        count = len(expressions())
        amounts = np.vstack([np.zeros((1, count)), ASKED * np.eye(count)])
        at = np.full(len(amounts), moment)
        again = replace(driver, shapes=driver.shapes[at], turns=driver.turns[at], blendshapes=driver.blendshapes[at])
        seen = self._seen(again, response, amounts, eye, [])
        return np.asarray(np.nan_to_num((seen[1:] - seen[0]) / ASKED))

    def _rehearsed(self, driver: Performed) -> Response | None:
        """Learned as asked for, and again with what that taught: it asks for shapes that were not tried yet."""
        pairs: list[tuple[Played, Array, Array]] = []
        response = None
        with Landmarker() as eye:
            for _ in range(ROUNDS):
                seen = self._seen(driver, response, None, eye, pairs)
                if len(pairs) < FEWEST:
                    return None
                tried, found, turned = zip(*pairs, strict=True)
                asked = np.array([played.shape for played in tried])
                response = learned(asked, [played.pose for played in tried], np.array(found), np.array(turned))
            assert response is not None
            return replace(response, correction=self._corrected(driver, response, seen, eye))

    def _corrected(self, driver: Performed, response: Response, seen: Array, eye: Landmarker) -> Correction:
        """Every moment seen, at first as ``seen`` (M, 52), and what its blendshapes miss of the driver's changes added by the
        answers of expressions: as far as the driver's blendshapes foretell it, for so it will be done."""
        weight = counting(driver.blendshapes)
        wanted = driver.blendshapes - driver.blendshapes.mean(0)
        amounts = np.zeros((len(wanted), len(expressions())))
        tries: list[tuple[Array, Array]] = []
        while True:
            tries.append((amounts, seen))
            moves = moved_by(wanted, weight, seen, answered(tries))
            if not weight[SQUINTS].all():  # lips of a portrait followed d5 by .82, not .88
                moves = agreeing(moves, wanted, seen)
            found = correction(driver.blendshapes, weight, np.clip(amounts + moves, -MOST_ADDED, MOST_ADDED))
            if len(tries) == CORRECTIONS:
                return found
            amounts = np.array([found.amounts(row) for row in driver.blendshapes])
            seen = self._seen(driver, response, amounts, eye, [])

    def _seen(
        self, driver: Performed, response: Response | None, amounts: Array | None, eye: Landmarker,
        pairs: list[tuple[Played, Array, Array]],
    ) -> Array:  # fmt: skip
        """The blendshapes that are seen at some moments, (M, 52), not numbers where no face is; ``pairs`` grows by what was
        played, and how it was found."""
        rows = []
        for played in self._play(self._frames[0], driver, response, amounts):
            face = next(iter(eye(played.pixels)), None)
            rows.append([np.nan if face is None else face.blendshapes.get(name, 0.0) for name in SHAPES])
            if face is not None:
                pairs.append((played, *_aligned(face, played)))
        return np.array(rows, np.float64)


def _aligned(face: Face, played: Played) -> tuple[Array, Array]:
    """The shape that is seen, (478, 3) cm, as it lies against the one drawn, and how far off the head is held, (3,) degrees."""
    points, meant = face.points.astype(np.float64), to_frame(played.shape, played.pose)
    pose = procrustes(points)
    off = to_local(points, pose) - to_local(meant, procrustes(meant))
    return np.asarray(played.shape + off), np.array(pose_angles(pose)) - played.meant
