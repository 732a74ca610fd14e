"""Lets another face lead: a film, a picture or a recorded motion moves the face of a clip or of a photograph."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lp_editor import (
    PARTS,
    SHAPES,
    Curve,
    Edit,
    Effect,
    MediaError,
    ParamError,
    Part,
    Performance,
    Recording,
    Scene,
    Signal,
    hookimpl,
    knob,
    option,
)

WORDS: Mapping[str, tuple[Part, ...]] = {
    "all": PARTS,
    "expression": tuple(part for part in PARTS if part != "pose"),
    "pose": ("pose",),
    "lips": ("mouth",),
    "eyes": ("eye_left", "eye_right", "gaze_left", "gaze_right"),
    "left_eye": ("eye_left", "gaze_left"),
    "right_eye": ("eye_right", "gaze_right"),
    "lids": ("eye_left", "eye_right"),
    "gaze": ("gaze_left", "gaze_right"),
    "brows": ("brows",),
    "cheeks": ("cheeks", "nose"),
}
"""What `regions` may say, and the parts of a face that each word means."""

STEP = 0.01
"""Seconds between the moments at which a changing speed is summed up."""

MOST_BYTES, MOST_FRAMES = 128 << 20, 500_000
"""A recording larger than this is refused: more than two hours."""

HEAD = ("headpitch", "headyaw", "headroll")
"""Columns of a Live Link Face file: radians about ARKit's axes (x to the person's left, y up, z out of the face)."""

SIGNS = (-1.0, 1.0, -1.0)
"""ARKit's pitch turns the nose down, its roll lifts the person's left side; ours are the other way."""


@dataclass(frozen=True)
class FollowDriver(Effect):
    """Follow a driver: a film, a picture, a motion template (.pkl, .npz) or a Live Link Face recording (.csv)."""

    name = "performance"
    needs = frozenset({"driver"})

    driver: str = option("", help="the file that leads")
    driver_face: str = option("largest", help="which face of it: as face=…")
    regions: str = option("all", help=f"what follows: {', '.join(WORDS)}; several with commas")
    motion: Literal["auto", "relative", "absolute"] = option(
        "auto",
        help="relative adds the driver's changes, absolute takes it as it is; auto: head relative, face as it suits",
    )
    strength: Curve = knob(1, low=0, high=1, help="how far the face follows")
    speed: Curve = knob(1, low=-4, high=4, help="of the driver: 0.5 half as fast, negative backwards from its end")
    start: Curve = knob(0, low=0, high=36000, unit="seconds", help="where in the driver it begins")
    fit: Literal["once", "loop", "pingpong", "fit"] = option(
        "once", help="when the driver ends: hold its last frame, begin again, go back, or stretch it to the segment"
    )
    smooth: float = option(0.0, help="seconds over which the driver's motion is averaged")
    mirror: bool = option(False, help="its left is our right")
    rest: str = option("calm", help="where the driver is at rest: calm (found), first, or seconds into it")

    def edit(self, scene: Scene) -> Edit:
        """The driver's moment at every moment of the segment, and which parts follow."""
        if not 0 <= self.smooth <= 5:
            raise ParamError(f"{self.name}: smooth must stay in 0..5 seconds, got {self.smooth:g}")
        relative = {"auto": None, "relative": True, "absolute": False}[self.motion]
        moment, parts = self._moment(scene), parts_named(self.regions)
        return Edit(
            performance=Performance(moment, self.strength, parts, relative, self._rest(), self.smooth, self.mirror)
        )

    def _rest(self) -> float | None:
        if self.rest == "calm":
            return None
        try:
            seconds = 0.0 if self.rest == "first" else float(self.rest.removesuffix("s"))
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < 1e6:
            raise ParamError(f"{self.name}: rest is calm, first or seconds into the driver, got {self.rest!r}")
        return seconds

    def _moment(self, scene: Scene) -> Signal:
        """Driver seconds at record seconds."""
        length, begins = scene.driver_seconds, self.start.bounds()[0]
        left = length - begins
        if length and left <= 0:
            raise ParamError(f"{self.name}: start is {begins:g} s, but the driver lasts {length:.2f} s")
        played = self._played(scene.seconds)
        if self.fit == "fit":
            end = float(played.at(scene.seconds))
            pace, first = left / (abs(end) or 1.0), left if end < 0 else 0.0
            return Signal(lambda t: begins + np.clip(first + played.at(t) * pace, 0, left))
        if self.fit == "pingpong":
            return Signal(lambda t: begins + _back_and_forth(played.at(t), left))
        folded, backwards = {"once": _held, "loop": _looped}[self.fit], self._backwards(scene.seconds)
        return Signal(lambda t: begins + folded(played.at(t), left, backwards))

    def _backwards(self, seconds: float) -> bool:
        """Whether the driver sets out backwards, and so from its last frame."""
        speeds = np.asarray(self.speed.at(np.arange(0, seconds + STEP, STEP)))
        moving = speeds[speeds != 0]
        return bool(len(moving) and moving[0] < 0)

    def _played(self, seconds: float) -> Signal:
        """How much of the driver has gone by: the sum of its speed."""
        if self.speed.is_constant:
            pace = self.speed.bounds()[0]
            return Signal(lambda t: pace * t)
        times = np.arange(0, seconds + STEP, STEP)
        speeds = np.asarray(self.speed.at(times))
        sums = np.concatenate([[0.0], np.cumsum((speeds[1:] + speeds[:-1]) / 2) * STEP])
        return Signal(lambda t: np.interp(t, times, sums))


def parts_named(text: str) -> tuple[Part, ...]:
    """The parts of a face that words name. Raises `ParamError`."""
    found: list[Part] = []
    for word in text.replace("+", ",").split(","):
        if word.strip() not in WORDS:
            raise ParamError(f"performance: no region {word.strip()!r}; there are: {', '.join(WORDS)}")
        found += [part for part in WORDS[word.strip()] if part not in found]
    return tuple(found)


def _held(played: NDArray[np.float64], length: float, backwards: bool) -> NDArray[np.float64]:
    return np.asarray(np.clip(played + (length if backwards else 0), 0, length))


def _looped(played: NDArray[np.float64], length: float, backwards: bool) -> NDArray[np.float64]:
    return np.asarray(length - np.mod(-played, length) if backwards else np.mod(played, length))


def _back_and_forth(played: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    return np.asarray(length - np.abs(np.mod(played, 2 * length) - length))


def read_live_link(path: Path) -> Recording:
    """A Live Link Face recording. Raises `MediaError`, naming the file and what is wrong with it."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise MediaError(f"{path} is too large for a Live Link Face recording; cut it before it is used")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise MediaError(f"{path} is no text; a Live Link Face recording is a .csv") from None
    except ValueError as error:  # a NUL
        raise MediaError(f"{str(path)!r} names no file ({error})") from None
    try:
        rows = list(csv.reader(StringIO(text), strict=True))
    except csv.Error as error:
        raise MediaError(f"{path} is no .csv ({error})") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2 or len(rows) > MOST_FRAMES:
        raise MediaError(
            f"{path} holds {'no frames' if len(rows) < 2 else 'too many frames'} of a Live Link Face recording"
        )
    return _recording(path, [cell.strip().lower() for cell in rows[0]], rows[1:])


def _recording(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Recording:
    columns = {name: i for i, name in enumerate(header)}
    missing = [name for name in SHAPES if name.lower() not in columns]
    if len(missing) > len(SHAPES) // 2:
        raise MediaError(
            f"{path} has no columns of Live Link Face (EyeBlinkLeft, JawOpen, …); export the recording from the app again"
        )
    shapes = np.zeros((len(rows), len(SHAPES)))
    for place, name in enumerate(SHAPES):
        if name.lower() in columns:
            shapes[:, place] = _numbers(path, rows, columns[name.lower()], name)
    poses = np.zeros((len(rows), 3))
    for place, name in enumerate(HEAD):
        if name in columns:
            poses[:, place] = SIGNS[place] * np.degrees(_numbers(path, rows, columns[name], name))
    times = [row[columns["timecode"]] for row in rows] if "timecode" in columns else []
    return Recording(_rate(times), np.clip(shapes, 0, 1), np.clip(poses, -90, 90))


def _numbers(path: Path, rows: Sequence[Sequence[str]], column: int, name: str) -> NDArray[np.float64]:
    values = np.empty(len(rows))
    for number, row in enumerate(rows, 2):
        try:
            values[number - 2] = float(row[column])
        except (ValueError, IndexError):
            values[number - 2] = np.nan
        if not np.isfinite(values[number - 2]):
            cell = row[column] if column < len(row) else "nothing"
            raise MediaError(f"{path}, line {number}: {name} is no number but {cell[:20]!r}; repair or cut that line")
    return values


def _rate(times: Sequence[str]) -> Fraction:
    """Frames a second, from timecodes ``hh:mm:ss:ff.sss``: 60, unless they say otherwise."""
    counts: dict[str, int] = {}
    for time in times:
        second = time.rpartition(":")[0]
        counts[second] = counts.get(second, 0) + 1
    whole = list(counts.values())[1:-1]  # the first and the last second may be cut
    if whole and (often := round(float(np.median(whole)))) in (24, 25, 30, 48, 50, 60, 120):
        return Fraction(often)
    return Fraction(60)


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """The performance."""
    return [FollowDriver]


@hookimpl
def lp_recording(path: Path) -> Recording | None:
    """Live Link Face recordings."""
    return read_live_link(path) if path.suffix.lower() == ".csv" else None
