"""A performance that was recorded without a picture: blendshapes and head turns, a row a frame."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import COLUMN, CONTROLS, HIGH, LOW, Controls, FloatArray, Part
from lp_editor.errors import MediaError
from lp_editor.files import write_bytes

SHAPES: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthRight", "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The 52 ARKit blendshapes, in the order in which Live Link Face writes them."""

LARGEST = 512 << 20
"""Bytes of the largest file that is read, and of what the largest unpacks to."""

MOST_ROWS, MOST_NAMES = 1_000_000, 200
"""A recording of more frames (over four hours at 60 a second) or more blendshapes is refused."""

_OURS = ("names", "shapes", "poses", "rate", "exact_rate", "rest")
"""Arrays of a stored recording that are not an engine's."""

SHAPE_COLUMN: Mapping[str, int] = {name: i for i, name in enumerate(SHAPES)}


@dataclass(frozen=True)
class Recording:
    """``shapes`` (N, 52) in the order of `SHAPES`, 0 at rest to 1; ``poses`` (N, 3) pitch, yaw, roll in degrees, with
    the signs of the controls; ``rate`` frames a second. ``motions`` are arrays, a row a frame, that one engine knows as they are.

    ``rest`` is the frame that is nearest to a face at rest; ``whole`` the recording that this is some frames of.
    """

    rate: Fraction
    shapes: FloatArray
    poses: FloatArray
    motions: Mapping[str, NDArray[Any]] | None = None
    rest: int | None = None
    whole: Recording | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def calm(self) -> int:
        """The frame of its rest: the one it says, or that of the least expression."""
        return int(np.argmin(self.shapes.sum(1))) if self.rest is None else self.rest

    def some(self, frames: Sequence[int]) -> Recording:
        """Some of its frames, in the order asked; the rest among them is not told."""
        at = list(frames)
        motions = None if self.motions is None else {name: rows[at] for name, rows in self.motions.items()}
        return Recording(self.rate, self.shapes[at], self.poses[at], motions, whole=self.whole or self)

    def mirrored(self) -> Recording:
        """Left for right. What only one engine knows is left out: it cannot be mirrored here."""
        swapped = [SHAPE_COLUMN[_other_side(name)] for name in SHAPES]
        return Recording(self.rate, self.shapes[:, swapped], self.poses * [1, -1, -1], None, self.rest)

    def smoothed(self, seconds: float) -> Recording:
        """Averaged over so many seconds. What only one engine knows stays as it is."""
        reach = round(seconds * float(self.rate) / 2)
        if reach < 1:
            return self
        return Recording(
            self.rate, _averaged(self.shapes, reach), _averaged(self.poses, reach), self.motions, self.rest
        )


def _averaged(rows: FloatArray, reach: int) -> FloatArray:
    """The mean of so many rows on each side, the ends held."""
    padded = np.concatenate([np.repeat(rows[:1], reach, 0), rows, np.repeat(rows[-1:], reach, 0)])
    total = np.cumsum(np.concatenate([np.zeros_like(rows[:1]), padded]), axis=0)
    size = 2 * reach + 1
    return np.asarray((total[size:] - total[:-size]) / size)


def _other_side(name: str) -> str:
    for a, b in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(a):
            return name.removesuffix(a) + b
    return name


def controls_of(shapes: FloatArray, poses: FloatArray, parts: tuple[Part, ...]) -> Controls:
    """Offsets of the controls that belong to some parts, (N rows), read off blendshapes (N, 52) and poses (N, 3)."""
    made = Controls.zeros(len(shapes))
    for control in CONTROLS:
        if part_of(control.name) not in parts:
            continue
        if control.name in ("pitch", "yaw", "roll"):
            made.offsets[:, COLUMN[control.name]] = poses[:, ("pitch", "yaw", "roll").index(control.name)]
            continue
        for weights, sign in ((control.positive, 1), (control.negative, -1)):
            for name, weight in weights.items():
                made.offsets[:, COLUMN[control.name]] += sign * weight * shapes[:, SHAPE_COLUMN[name]]
    np.clip(made.offsets, LOW, HIGH, out=made.offsets)
    return made


def shapes_of(controls: Controls) -> FloatArray:
    """The blendshapes (N, 52), 0..1, that offsets of the controls stand for: `controls_of` the other way."""
    made = np.zeros((len(controls), len(SHAPES)))
    for control in CONTROLS:
        value = controls.column(control.name)
        for weights, amount in ((control.positive, np.maximum(value, 0)), (control.negative, np.maximum(-value, 0))):
            for name, weight in weights.items():
                made[:, SHAPE_COLUMN[name]] = np.maximum(made[:, SHAPE_COLUMN[name]], amount * min(2 * weight, 1.0))
    return np.asarray(np.clip(made, 0, 1))


def part_of(control: str) -> Part | None:
    """The part that a control belongs to."""
    region = next(c.region for c in CONTROLS if c.name == control)
    side: Mapping[str, Part]
    if region in ("eyes", "gaze"):
        side = {
            "eyes_left": "eye_left",
            "eyes_right": "eye_right",
            "gaze_left": "gaze_left",
            "gaze_right": "gaze_right",
        }
        return side[f"{region}_{control.rsplit('_', 1)[1]}"]
    plain: Mapping[str, Part] = {n: n for n in ("mouth", "brows", "cheeks", "nose", "pose")}
    return plain[region]


def write_recording(path: Path, recording: Recording) -> Path:
    """Store a recording as ``.npz``. Raises `OutputError`."""
    buffer = io.BytesIO()
    rest = {} if recording.rest is None else {"rest": np.array(recording.rest)}
    np.savez_compressed(
        buffer, allow_pickle=False, names=np.array(SHAPES), shapes=recording.shapes.astype(np.float32),
        poses=recording.poses.astype(np.float32), rate=np.float64(recording.rate),
        exact_rate=np.array([recording.rate.numerator, recording.rate.denominator]), **rest, **(recording.motions or {}),
    )  # fmt: skip
    return write_bytes(path, buffer.getvalue())


def read_recording(path: Path) -> Recording | None:
    """What `write_recording` stored; None for a file of another kind. Raises `MediaError` for a damaged one."""
    try:
        if path.stat().st_size > LARGEST:
            raise MediaError(f"{path} is too large for a recorded performance; record a shorter one")
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:  # before NumPy makes room for what the file says it holds
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise MediaError(f"{path} unpacks to more than a recorded performance holds; record a shorter one")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return _checked(stored) if "shapes" in stored else None
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror or error})") from None
    except (ValueError, KeyError, TypeError, EOFError, IndexError, AttributeError, MemoryError, OverflowError,
            ZeroDivisionError, zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        why = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise MediaError(f"{path} is no recorded performance ({why}); record it again") from None


def _checked(stored: Mapping[str, NDArray[Any]]) -> Recording:
    """Raises ValueError for arrays that do not fit."""
    said, named = stored["shapes"], stored["names"]
    if len(said) > MOST_ROWS or len(named) > MOST_NAMES:
        raise ValueError(f"it holds more than {MOST_ROWS} frames or {MOST_NAMES} blendshapes")
    shapes, poses = np.asarray(said, np.float64), np.asarray(stored["poses"], np.float64)
    names, rate = [str(name) for name in named], Fraction(*map(int, stored["exact_rate"]))
    if shapes.ndim != 2 or not len(shapes) or shapes.shape[1] != len(names) or poses.shape != (len(shapes), 3):
        raise ValueError("its arrays do not fit each other")
    if not (np.isfinite(shapes).all() and np.isfinite(poses).all() and 0 < rate <= 1000):
        raise ValueError("it holds numbers that are not finite")
    full = np.zeros((len(shapes), len(SHAPES)))
    known = [name for name in names if name in SHAPE_COLUMN]
    full[:, [SHAPE_COLUMN[name] for name in known]] = shapes[:, [names.index(name) for name in known]]
    motions = {key: np.asarray(stored[key]) for key in stored if key not in _OURS}
    if any(len(rows) != len(full) for rows in motions.values()):
        raise ValueError("its arrays do not fit each other")
    rest = int(stored["rest"]) if "rest" in stored else None
    if rest is not None and not 0 <= rest < len(full):
        raise ValueError("its rest lies outside it")
    return Recording(rate, np.clip(full, 0, 1), np.clip(poses, -90, 90), motions or None, rest)
