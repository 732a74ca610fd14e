"""Turns the eyes: away from where they were filmed looking, or to where they should look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lp_editor import Curve, Edit, Effect, Proposal, Scene, Signal, Target, hookimpl, knob, option

FULL = 5.0
"""Degrees past ``steady`` from which on a look is turned all the way."""

LEAST_STEP = 3.0
"""Degrees from frame to frame that eyes which are led may always jump, however calmly they were filmed."""

ROOM = 0.9
"""Part of the largest filmed step that eyes are planned to jump at most: what is read of them is not quite what was asked (film
s32 of the notes, 8.9 degrees filmed: planned to the whole of it read as 9.0, to .9 as 8.8, to .8 as 8.7)."""

FIELD = 45.0
"""Degrees that the width of a picture is taken to span: a lens of about 43 mm on a full frame."""

AWAY = 5.0
"""Degrees that a look away goes at most (the limit of NVIDIA's Eye Contact, peers note)."""

AWAY_EVERY, AWAY_FOR = (2.5, 6.0), (0.25, 0.7)
"""Seconds between looks away, and that one lasts."""

BLINK_EVERY, CLOSING, OPENING = (2.5, 5.5), 0.09, 0.2
"""Seconds between blinks (15 to 20 a minute when people listen), and that one takes to close and to open."""

FAST = (0.12, 0.2)
"""Parts of its own width that a face moves from frame to frame at 25 a second: at the first its eyes are still sharp
enough to lead, at the second they are a smear. Looked at on d12 of the notes: sharp at .12 (75, 76) and .13 (28, not 53, which
comes out of a blink), smears from .19 on (174 to 176, 93)."""

BRIEF = 0.16
"""Seconds: eyes do not look away for less; what is read for less is a tracker's mistake while the head swings, or a blink."""

JERK = 0.08
"""Seconds: a head that swings for no longer is led through it, rather than that the eyes leave the aim and come back."""

CLOSED, LIDS_MOVE = 0.4, 0.04
"""A measured blink of this much is one; for so many seconds before and after it the lids are on their way."""

OFF, LONG, APART, AROUND = 8.0, 0.2, 0.5, 0.2
"""Of proposals: degrees off the lens, for so many seconds; looks nearer to each other are one, with so much around it."""


@dataclass(frozen=True)
class Gaze(Effect):
    """Turn the eyes: x to the person's left, y up, 1 is as far as they go; or, by contact, into the lens."""

    name = "gaze"
    needs = frozenset({"face"})

    x: Curve = knob(0, low=-1, high=1, help="both eyes, to the person's left (the picture's right)")
    y: Curve = knob(0, low=-1, high=1, help="both eyes, up")
    left_x: Curve = knob(0, low=-1, high=1, help="added for the left eye")
    left_y: Curve = knob(0, low=-1, high=1, help="added for the left eye")
    right_x: Curve = knob(0, low=-1, high=1, help="added for the right eye")
    right_y: Curve = knob(0, low=-1, high=1, help="added for the right eye")
    contact: Curve = knob(0, low=0, high=1, help="how much of the way the eyes go to where contact_x and contact_y say")
    contact_x: Curve = knob(0, low=-40, high=40, unit="degrees", help="0 into the lens, + past it to the person's left")
    contact_y: Curve = knob(0, low=-30, high=30, unit="degrees", help="0 into the lens, + over it")
    toward: Curve = knob(
        0, low=0, high=1, help="1: contact means the place in the picture that toward_x and toward_y say"
    )
    toward_x: Curve = knob(0.5, low=-1, high=2, unit="picture widths", help="0 the picture's left edge, 1 its right")
    toward_y: Curve = knob(0.5, low=-1, high=2, unit="picture heights", help="0 the picture's upper edge, 1 its lower")
    steady: float = option(3.0, help="degrees: looks this near to the aim of contact are left alone")
    look_away: Curve = knob(
        0.5, low=0, high=1, help="how far the eyes wander off now and then while contact holds them"
    )
    blinks: Curve = knob(
        1, low=0, high=1, help="how often eyes that contact holds blink when they were not filmed blinking"
    )
    eye_full: float = option(20.0, help="degrees: eyes filmed further off the lens than this are held less")
    eye_none: float = option(30.0, help="degrees: and further than this not at all")
    pitch_full: float = option(15.0, help="degrees: a head tilted up or down by more holds less")
    pitch_none: float = option(25.0, help="degrees: and by more than this not at all")
    yaw_full: float = option(25.0, help="degrees: a head turned aside by more holds less")
    yaw_none: float = option(30.0, help="degrees: and by more than this not at all")
    seed: int = option(1, help="another number, other moments of looks away and blinks")

    def edit(self, scene: Scene) -> Edit:
        """Both eyes' offsets, and where contact leads them as a target."""
        aim = self._aim(scene)
        holds = self.contact * self._hold(scene, aim)
        away, lids = self._liveliness(scene, holds)
        return Edit(
            controls={
                "gaze_x_left": self.x + self.left_x,
                "gaze_y_left": self.y + self.left_y,
                "gaze_x_right": self.x + self.right_x,
                "gaze_y_right": self.y + self.right_y,
                "blink_left": lids,
                "blink_right": lids,
            },
            targets={
                "gaze_direction_x": Target((aim[0] + away[0]).clipped(-40, 40), holds),
                "gaze_direction_y": Target((aim[1] + away[1]).clipped(-30, 30), holds),
            },
        )

    @classmethod
    def mark(cls, scene: Scene) -> Sequence[Proposal]:
        """Where the eyes leave the lens and can be led back."""
        effect = cls.parse({"contact": 1})
        off = np.hypot(*_filled(np.where(_shut(scene)[:, None], np.nan, scene.gazes)).T) > OFF
        off &= effect._within(scene) > 0
        found: list[list[float]] = []
        times, frame = scene.moments(), 1 / float(scene.rate)
        for start, stop in _runs(off):
            first, last = times[start] - frame / 2, times[stop - 1] + frame / 2
            if last - first < LONG:
                continue
            if found and first - found[-1][1] < APART:
                found[-1][1] = last
            else:
                found.append([first, last])
        spans = [(max(a - AROUND, 0.0), min(b + AROUND, scene.seconds)) for a, b in found]
        return [Proposal(a, b - a, {"contact": 1}) for a, b in spans]

    def _aim(self, scene: Scene) -> tuple[Signal, Signal]:
        """Where contact leads the eyes, in degrees to the person's left of the lens and above it."""
        if not len(scene.faces) or scene.size is None or not _ever(self.toward):
            return self.contact_x, self.contact_y
        width, height = scene.size
        between = [_between_the_eyes(face.points) if face else (np.nan, np.nan) for face in scene.faces]
        places = _filled(np.array(between, np.float64))
        near = 2 * np.tan(np.radians(FIELD / 2)) / width
        moments = scene.moments()

        def towards(axis: int, place: Signal, size: int, sign: int) -> Signal:
            at = Signal(lambda t: np.interp(t, moments, places[:, axis]))
            return Signal(lambda t: sign * np.degrees(np.arctan((place.at(t) * size - at.at(t)) * near)))

        x, y = towards(0, self.toward_x, width, 1), towards(1, self.toward_y, height, -1)
        return (
            self.contact_x + self.toward * (x - self.contact_x),
            self.contact_y + self.toward * (y - self.contact_y),
        )

    def _hold(self, scene: Scene, aim: tuple[Signal, Signal]) -> Signal:
        """How firmly the eyes are led: not near the aim, less as eyes and head turn away, never with a jump.

        Closed eyes look nowhere, whatever is read: they are left as filmed, and what is between the looks before and
        after counts as theirs.
        """
        if not len(scene.gazes):
            return Signal.constant(1)
        moments, shut = scene.moments(), _shut(scene)
        filmed = _filled(np.where(shut[:, None], np.nan, scene.gazes))
        way = np.stack([aim[i].at(moments) for i in (0, 1)], axis=1) - filmed
        held = np.minimum(_eased((np.hypot(*way.T) - self.steady) / FULL), self._within(scene))
        for start, stop in _runs(np.hypot(*way.T) > self.steady):
            if (stop - start) / float(scene.rate) < BRIEF and start > 0 and stop < len(held):
                held[start:stop] = 0
        held = _without_jumps(held, filmed, way) * ~shut
        return Signal(lambda t: np.interp(t, moments, held))

    def _within(self, scene: Scene) -> NDArray[np.float64]:
        """1 where eyes and head are turned little enough, 0 where too far or the face is lost, (N,).

        What is within for less than eyes rest on anything is not: they would dart to the aim and back.
        """
        limits = (
            (np.abs(scene.gazes[:, 0]), self.eye_full, self.eye_none),
            (np.abs(scene.gazes[:, 1]), self.eye_full, self.eye_none),
            (np.abs(scene.poses[:, 0]), self.pitch_full, self.pitch_none),
            (np.abs(scene.poses[:, 1]), self.yaw_full, self.yaw_none),
        )
        parts = [_eased((none - angle) / max(none - full, 1e-6)) for angle, full, none in limits]
        calm = np.nan_to_num(_eased((FAST[1] - _speeds(scene)) / (FAST[1] - FAST[0])), nan=0.0)
        parts.append(-_opened(-calm, round(JERK * float(scene.rate)) + 1))
        within = np.nan_to_num(np.prod(parts, axis=0), nan=0.0)
        return _opened(within, round(BRIEF * float(scene.rate)))

    def _liveliness(self, scene: Scene, holds: Signal) -> tuple[tuple[Signal, Signal], Signal]:
        """Looks away in degrees, x and y, and added blinks."""
        nothing = Signal.constant(0)
        if not _ever(self.contact):
            return (nothing, nothing), nothing
        random = np.random.default_rng(self.seed)
        looks = _moments(random, scene.seconds, AWAY_EVERY)
        ways = [(s, s + random.uniform(*AWAY_FOR), random.uniform(0, 2 * np.pi), random.uniform(0.5, 1)) for s in looks]
        away = [
            sum((Signal.window(a, b, 0.06, 0.06) * (turn(angle) * far * AWAY) for a, b, angle, far in ways), nothing)
            * self.look_away
            for turn in (np.cos, np.sin)
        ]
        shut = [m for m in _moments(random, scene.seconds, BLINK_EVERY) if not _filmed_blink(scene, m)]
        lids = sum((_blink(moment) for moment in shut), nothing) * self.blinks * holds
        return (away[0], away[1] * 0.5), lids


def _ever(curve: Curve) -> bool:
    """Whether a curve is ever above 0."""
    return curve.bounds()[1] > 0


def _eased(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, smooth between."""
    u = np.clip(u, 0, 1)
    return np.asarray(u * u * (3 - 2 * u))


def _opened(values: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """Values without peaks shorter than some frames, (N,): the greatest of the least of each run of so many."""
    frames = min(max(frames, 1), len(values))
    if frames < 2:
        return values
    least = np.lib.stride_tricks.sliding_window_view(np.pad(values, frames - 1, mode="edge"), frames).min(axis=1)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(least, frames).max(axis=1))


def _without_jumps(
    held: NDArray[np.float64], filmed: NDArray[np.float64], way: NDArray[np.float64]
) -> NDArray[np.float64]:  # fmt: skip
    """Holds lessened until no step of the eyes is larger than the largest that was filmed.

    ``filmed`` (N, 2) is where they look, ``way`` (N, 2) how far from there to the aim, in degrees.
    """
    out = held.copy()
    largest = max(float(np.linalg.norm(np.diff(filmed, axis=0), axis=1).max(initial=0.0)), LEAST_STEP)
    parts = np.linspace(1, 0, 33)
    for _ in range(3):
        for first, towards in ((range(1, len(out)), -1), (range(len(out) - 2, -1, -1), 1)):
            for i in first:
                beside = filmed[i + towards] + out[i + towards] * way[i + towards]
                steps = np.linalg.norm(filmed[i] + (parts * out[i])[:, None] * way[i] - beside, axis=1)
                most = largest * (ROOM if (steps <= ROOM * largest).any() else 1)
                if steps[0] > most and (steps <= most).any():
                    out[i] *= parts[int(np.argmax(steps <= most))]
    return out


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows with those that are NaN taken from their neighbours; 0 where none is known."""
    known = np.flatnonzero(~np.isnan(values[:, 0]))
    if not len(known):
        return np.zeros_like(values)
    every = np.arange(len(values))
    return np.stack([np.interp(every, known, values[known, i]) for i in range(values.shape[1])], axis=1)


def _shut(scene: Scene) -> NDArray[np.bool_]:
    """Where both eyes are closed or about to be, (N,)."""
    if not len(scene.faces):
        return np.zeros(len(scene.gazes), np.bool_)
    shut = np.array([f is not None and _lids(f.blendshapes) > CLOSED for f in scene.faces])
    reach = round(LIDS_MOVE * float(scene.rate))
    return np.asarray(np.convolve(shut, np.ones(2 * reach + 1), "full")[reach : reach + len(shut)] > 0)


def _lids(blendshapes: Mapping[str, float]) -> float:
    """How far both eyes are closed."""
    return (blendshapes.get("eyeBlinkLeft", 0.0) + blendshapes.get("eyeBlinkRight", 0.0)) / 2


def _between_the_eyes(points: NDArray[np.float32]) -> tuple[float, float]:
    """The middle of the outer corners of the eyes, in pixels."""
    x, y = (points[33, :2] + points[263, :2]) / 2
    return float(x), float(y)


def _speeds(scene: Scene) -> NDArray[np.float64]:
    """How far the eyes move with the head, in face widths a 25th of a second, (N,); NaN where lost."""
    between = np.array([_between_the_eyes(f.points) if f else (np.nan, np.nan) for f in scene.faces]).reshape(-1, 2)
    widths = np.array([f.width if f else np.nan for f in scene.faces])
    steps = np.linalg.norm(np.diff(between, axis=0), axis=1) * float(scene.rate) / 25
    steps = np.concatenate([[0.0], steps, [0.0]])
    return np.asarray(np.fmax(steps[:-1], steps[1:]) / widths)


def _moments(random: np.random.Generator, seconds: float, every: tuple[float, float]) -> list[float]:
    """Moments at uneven distances, none near the start."""
    found, at = [], random.uniform(every[0] / 2, every[1] / 2)
    while at < seconds - 0.3:
        found.append(float(at))
        at += random.uniform(*every)
    return found


def _filmed_blink(scene: Scene, moment: float) -> bool:
    """Whether the eyes were filmed blinking within a second of a moment."""
    near = np.abs(scene.moments() - moment) < 1
    faces = [scene.faces[int(i)] for i in np.flatnonzero(near)]
    return any(f is not None and f.blendshapes.get("eyeBlinkLeft", 0) > CLOSED for f in faces)


def _blink(moment: float) -> Signal:
    """Lids that close quickly and open less so."""
    return Signal.window(moment, moment + CLOSING + OPENING, CLOSING, OPENING)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and stop of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """The gaze."""
    return [Gaze]
