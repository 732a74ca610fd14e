"""Makes a control mean the same on every face: each one's strength is found by editing a frame of the shot and measuring it.

A mesh of landmarks moved by 1 cm is read back as less, by an amount that differs from face to face (mesh_engine notes,
figures). So each group of controls is tried on one frame of the shot, read back by the landmark model as a
blendshape or an angle, and its strength corrected by secant steps until 1 reads as the table says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

import cv2
import numpy as np

from lp_editor.controls import COLUMN
from lp_editor.face import Box, Face, FacePicture, Image
from lp_editor.faces.measure import EYEBALL, gaze_angles, head_pose
from lp_editor.faces.model import Landmarker
from lp_editor.mesh.bases import GAZE, Array

SMALL = 200
"""A face is tried at no more than this many pixels ear to ear: the landmark model sees no more."""

STEPS = 3
"""Corrections after the first try."""

USED = 3
"""Frames that have their say about one strength."""

GRAIN = 64
"""Strengths are rounded to one of so many parts, so that rounding in the landmark model cannot show."""

SATURATED = 0.55
"""A blendshape that reads more than this before the edit says little about it: such a frame is not used."""

EVEN = 0.04
"""A strength is good enough when the reading is off by less than this part."""


@dataclass(frozen=True)
class Trial:
    """A group of controls of one sign that share a strength.

    ``wants`` is how far the mean of ``shapes`` rises at 1 (or, without shapes, the degrees that ``axis`` turns: of the
    head, or with ``looks`` of the gaze), and ``least``, ``most`` bound the strength.
    """

    controls: tuple[str, ...]
    sign: int
    shapes: tuple[str, ...]
    wants: float
    least: float
    most: float
    at: float = 1.0
    axis: int = 0
    looks: bool = False

    def row(self, strength: float) -> Array:
        """Controls that try it."""
        out = np.zeros(len(COLUMN))
        out[[COLUMN[name] for name in self.controls]] = self.sign * self.at * strength
        return out

    def read(self, face: Face) -> float:
        """What the trial is judged by, on one face."""
        if not self.shapes:
            return self.sign * (gaze_angles if self.looks else head_pose)(face.points)[self.axis]
        return float(np.mean([face.blendshapes.get(name, 0.0) for name in self.shapes]))


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{side}" for name in names for side in ("left", "right"))


BROWS = _sides("brow_inner", "brow_outer")

TRIALS: tuple[Trial, ...] = (
    Trial(_sides("smile"), 1, ("mouthSmileLeft", "mouthSmileRight"), 0.72, 0.75, 1.45),
    Trial(("mouth_open",), 1, ("jawOpen",), 0.72, 0.8, 1.3),
    Trial(("pucker",), 1, ("mouthPucker",), 0.6, 0.8, 1.35),
    Trial(BROWS, 1, ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), 0.5, 0.7, 1.6),
    Trial(BROWS, -1, ("browDownLeft", "browDownRight"), 0.42, 0.7, 1.4),
    Trial(_sides("gaze_x"), 1, ("eyeLookOutLeft", "eyeLookInRight"), 0.65, 0.8, 1.3),
    Trial(_sides("gaze_x"), -1, ("eyeLookInLeft", "eyeLookOutRight"), 0.65, 0.8, 1.3),
    Trial(_sides("gaze_y"), 1, ("eyeLookUpLeft", "eyeLookUpRight"), 0.35, 0.8, 1.4),
    Trial(_sides("gaze_y"), -1, ("eyeLookDownLeft", "eyeLookDownRight"), 0.45, 0.8, 1.4),
    Trial(_sides("squint"), 1, ("eyeSquintLeft", "eyeSquintRight"), 0.35, 0.8, 1.4),
    Trial(("pitch",), 1, (), 12.0, 0.7, 1.5, 12.0, 0),
    Trial(("pitch",), -1, (), 12.0, 0.7, 1.5, 12.0, 0),
    Trial(("yaw",), 1, (), 12.0, 0.7, 1.5, 12.0, 1),
    Trial(("yaw",), -1, (), 12.0, 0.7, 1.5, 12.0, 1),
)
"""What is tried, and what full strength should read as: about what the model reads on people who do it fully."""

AIMED = 0.4
"""The offset of the gaze that is tried for looks at a target."""

AIM_BOUNDS: Mapping[tuple[int, int], tuple[float, float]] = {
    (0, 1): (0.8, 1.25), (0, -1): (0.8, 1.25), (1, 1): (0.8, 2.0), (1, -1): (0.8, 3.5),
}  # fmt: skip
"""Of looks led to a target, by axis (0 to the side, 1 up) and sign (+ to the person's left, up).

To the side the geometry is nearly right: a film's tracker read 9.5 to 14 degrees for 14 asked (.8 to 1.3 of the way; film s32
of the notes), but one small picture by itself as little as half, and eyes led twice as far look past the lens. Up and down the
landmark model reads .2 to .4 of a painted turn (six faces), and of a filmed one no more: of people who look into the lens
while they nod (d18, s13) .2 to .3 of the turn against the head. Looks that are read as too high were led down by up to four
times what is read and looked at (s32): all of them meet the lens. Looks that are read as too low often are but narrowed lids:
led up three times as far, they pass over it (d12)."""


def _aim(axis: int, sign: int) -> Trial:
    """Reads by how many degrees a look turns, against those that the iris's shift on its eyeball stands for."""
    name = ("gaze_x", "gaze_y")[axis]
    degrees = float(np.degrees(np.arcsin(abs(GAZE[axis]) * AIMED / EYEBALL)))
    return Trial(_sides(name), sign, (), degrees, *AIM_BOUNDS[axis, sign], AIMED, axis, looks=True)


AIMS: Mapping[tuple[int, int], Trial] = {(axis, sign): _aim(axis, sign) for axis in (0, 1) for sign in (1, -1)}
"""By axis (0 to the side, 1 up) and sign (+ to the person's left, up)."""

Edit: TypeAlias = Callable[[FacePicture, Array], Image]
"""Draws a face with one row of controls: all RGB pixels of the picture."""


class Strengths:
    """How strong each control has to be on one face, found when it is first asked for.

    What is found depends on the frames given alone, never on the order of asking.
    """

    def __init__(self, frames: Sequence[FacePicture], edit: Edit) -> None:
        self._frames = [reduced(frame) for frame in frames]
        self._edit = edit
        self._lock = Lock()
        self._seen: list[Face | None] | None = None
        self._known: dict[Trial, float] = {}

    def applied(self, offsets: Array) -> Array:
        """A row of offsets with every control at the strength this face needs."""
        if not self._frames:
            return offsets
        out = offsets.copy()
        for trial in TRIALS:
            columns = [COLUMN[name] for name in trial.controls]
            asked = np.array([c for c in columns if offsets[c] * trial.sign > 0], np.intp)
            if len(asked):
                out[asked] = offsets[asked] * self._strength(trial)
        return out

    def aimed(self, axis: int, up_or_left: bool) -> float:
        """How much further than geometry says an iris has to go for a look to turn as far as is asked."""
        return self._strength(AIMS[axis, 1 if up_or_left else -1]) if self._frames else 1.0

    def _strength(self, trial: Trial) -> float:
        with self._lock:
            if trial not in self._known:
                with Landmarker() as eye:
                    self._known[trial] = self._found(trial, eye)
            return self._known[trial]

    def _found(self, trial: Trial, eye: Landmarker) -> float:
        """The mean of what the frames with the most room need."""
        if self._seen is None:
            self._seen = [_only(eye(frame.pixels)) for frame in self._frames]
        rooms = [(trial.read(face), i) for i, face in enumerate(self._seen) if face is not None]
        if trial.shapes:
            rooms = sorted(room for room in rooms if room[0] <= SATURATED)
        needed = [self._needed(trial, eye, i, start) for start, i in rooms[:USED]]
        return _rounded(float(np.mean(needed)), trial) if needed else 1.0

    def _needed(self, trial: Trial, eye: Landmarker, frame: int, start: float) -> float:
        """Secant steps from strength 1 on one frame."""
        wants = min(trial.wants, 0.96 - start) if trial.shapes else trial.wants
        strength, known = 1.0, [(0.0, 0.0)]
        for _ in range(1 + STEPS):
            face = _only(eye(self._edit(self._frames[frame], trial.row(strength))))
            if face is None:
                break
            rise = trial.read(face) - start
            known.append((strength, rise))
            if abs(rise / wants - 1) < EVEN:
                break
            strength = _better(known, wants, trial)
            if strength in [s for s, _ in known]:
                break
        best = min(known[1:] or [(1.0, 0.0)], key=lambda pair: abs(pair[1] - wants))
        return best[0]


def _only(faces: Sequence[Face]) -> Face | None:
    return next(iter(faces), None)


def _better(known: Sequence[tuple[float, float]], wants: float, trial: Trial) -> float:
    """The next strength to try: on the line through the two nearest readings, within the trial's bounds.

    Where a reading no longer rises with the strength, or hardly, it is the bound on the side of what is wanted.
    """
    (a, ra), (b, rb) = sorted(known, key=lambda pair: abs(pair[1] - wants))[:2]
    slope = (rb - ra) / (b - a)
    if slope < 1e-3:
        return trial.most if ra < wants else trial.least
    return _rounded(a + (wants - ra) / slope, trial)


def _rounded(strength: float, trial: Trial) -> float:
    return float(np.clip(round(strength * GRAIN) / GRAIN, trial.least, trial.most))


def reduced(picture: FacePicture, most: float = SMALL) -> FacePicture:
    """A face and its pixels at a size that is quick to try things on, the box's corner at 0, 0."""
    scale = min(1.0, most / max(picture.face.width, 1.0))
    width, height = max(8, round(picture.box.width * scale)), max(8, round(picture.box.height * scale))
    pixels = cv2.resize(picture.pixels, (width, height), interpolation=cv2.INTER_AREA) if scale < 1 else picture.pixels
    points = picture.face.points.astype(np.float64)
    points[:, :2] -= [picture.box.x0, picture.box.y0]
    points[:, :2] = (points[:, :2] + 0.5) * scale - 0.5
    points[:, 2] *= scale
    face = Face(points.astype(np.float32), picture.face.blendshapes, picture.face.confidence)
    return FacePicture(face, np.ascontiguousarray(pixels, np.uint8), Box(0, 0, width, height), (width, height))
