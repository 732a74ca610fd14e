"""The face controls: the one vocabulary that effects write and engines read.

0 leaves the face as filmed. Left is the person's own left. + gaze x and + yaw turn towards the person's left, + gaze
y and + pitch up, + roll tilts the head towards the person's left shoulder. Offsets are added to what was filmed;
targets say where a part of the face should be, each with a weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Region: TypeAlias = Literal["mouth", "eyes", "brows", "cheeks", "nose", "gaze", "pose"]
REGIONS: tuple[Region, ...] = ("mouth", "eyes", "brows", "cheeks", "nose", "gaze", "pose")
"""The parts of the face that can be neutralised or driven on their own."""

Part: TypeAlias = Literal[
    "mouth", "eye_left", "eye_right", "brows", "cheeks", "nose", "gaze_left", "gaze_right", "pose"
]
PARTS: tuple[Part, ...] = (
    "mouth", "eye_left", "eye_right", "brows", "cheeks", "nose", "gaze_left", "gaze_right", "pose"
)  # fmt: skip
"""What a driver may move on its own: the regions, with the lids and the gaze of each eye apart."""


def parts_of(regions: Iterable[Region | Part]) -> tuple[Part, ...]:
    """The parts that regions are made of, each once, in the order of `PARTS`."""
    both: Mapping[str, tuple[Part, ...]] = {"eyes": ("eye_left", "eye_right"), "gaze": ("gaze_left", "gaze_right")}
    named = {part for region in regions for part in both.get(region, (region,))}
    return tuple(part for part in PARTS if part in named)


FloatArray: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = slice | Sequence[int] | NDArray[np.intp]
"""Some of the frames that controls are for."""


@dataclass(frozen=True)
class Control:
    """One entry of the vocabulary.

    ``arkit`` gives the ARKit blendshapes that move with a positive value, and with a negative one, each with its
    weight: ``value = Σ weight · coefficient`` reads a performance, the same weights write one.
    """

    name: str
    low: float
    high: float
    unit: str
    region: Region
    help: str
    positive: Mapping[str, float] = field(default_factory=dict)
    negative: Mapping[str, float] = field(default_factory=dict)


def _sides(name: str, low: float, high: float, region: Region, help: str, arkit: str, minus: str = "") -> list[Control]:
    """One control for each side of the face; ``{}`` in a blendshape name takes Left or Right."""
    return [
        Control(
            f"{name}_{side.lower()}", low, high, "", region, f"{help}, {side.lower()} side",
            {arkit.format(side): 1.0} if arkit else {}, {minus.format(side): 1.0} if minus else {},
        )
        for side in ("Left", "Right")
    ]  # fmt: skip


def _gaze(side: str) -> list[Control]:
    """The gaze of one eye: towards the nose is inward for it, whichever side it is on."""
    to_left, to_right = ("Out", "In") if side == "Left" else ("In", "Out")
    eye = side.lower()
    return [
        Control(
            f"gaze_x_{eye}", -1, 1, "", "gaze", f"{eye} eye turns to the person's left",
            {f"eyeLook{to_left}{side}": 1.0}, {f"eyeLook{to_right}{side}": 1.0},
        ),
        Control(
            f"gaze_y_{eye}", -1, 1, "", "gaze", f"{eye} eye turns up",
            {f"eyeLookUp{side}": 1.0}, {f"eyeLookDown{side}": 1.0},
        ),
    ]  # fmt: skip


CONTROLS: tuple[Control, ...] = (
    *_sides("smile", -1, 1, "mouth", "corner of the mouth pulled up and out", "mouthSmile{}"),
    *_sides("frown", -1, 1, "mouth", "corner of the mouth pulled down", "mouthFrown{}"),
    Control("mouth_open", 0, 1, "", "mouth", "jaw dropped", {"jawOpen": 1}),
    Control("funnel", 0, 1, "", "mouth", "lips open and pushed out, as in 'oh'", {"mouthFunnel": 1}),
    Control("pucker", 0, 1, "", "mouth", "lips drawn together, as for a kiss or 'oo'", {"mouthPucker": 1}),
    Control("press", 0, 1, "", "mouth", "lips pressed on each other", {"mouthPressLeft": 0.5, "mouthPressRight": 0.5}),
    Control("stretch", 0, 1, "", "mouth", "corners pulled straight out", {"mouthStretchLeft": 0.5, "mouthStretchRight": 0.5}),
    Control("lip_tuck", 0, 1, "", "mouth", "lower lip tucked under the upper teeth, as in F and V", {"mouthRollLower": 1}),
    Control("mouth_x", -1, 1, "", "mouth", "mouth moves to the person's left", {"mouthLeft": 1}, {"mouthRight": 1}),
    Control("mouth_y", -1, 1, "", "mouth", "mouth moves up", {"mouthShrugLower": 0.5, "mouthShrugUpper": 0.5}, {}),
    Control("brow_inner_left", -1, 1, "", "brows", "inner brow up, negative down, left side", {"browInnerUp": 1}, {"browDownLeft": 1}),
    Control("brow_inner_right", -1, 1, "", "brows", "inner brow up, negative down, right side", {"browInnerUp": 1}, {"browDownRight": 1}),
    *_sides("brow_outer", -1, 1, "brows", "outer brow up, negative down", "browOuterUp{}", "browDown{}"),
    *_sides("blink", -1, 1, "eyes", "lids closed, negative wide open", "eyeBlink{}", "eyeWide{}"),
    *_sides("squint", 0, 1, "eyes", "lower lid tightened", "eyeSquint{}"),
    *_sides("cheek", 0, 1, "cheeks", "cheek raised", "cheekSquint{}"),
    *_sides("sneer", 0, 1, "nose", "nose wrinkled, upper lip raised", "noseSneer{}"),
    *_gaze("Left"),
    *_gaze("Right"),
    Control("pitch", -30, 30, "degrees", "pose", "head looks up"),
    Control("yaw", -30, 30, "degrees", "pose", "head turns to the person's left"),
    Control("roll", -30, 30, "degrees", "pose", "head tilts to the person's left shoulder"),
    Control("shift_x", -0.5, 0.5, "face widths", "pose", "face moves to the right of the picture"),
    Control("shift_y", -0.5, 0.5, "face widths", "pose", "face moves up in the picture"),
    Control("scale", -0.3, 0.3, "", "pose", "face grows by this part of its size"),
)  # fmt: skip
"""Every offset, in the order of the columns of `Controls.offsets`."""

TARGETS: tuple[Control, ...] = (
    Control("eye_opening_left", 0, 1.5, "", "eyes", "left eye: 0 closed, 1 this person's wide-awake opening"),
    Control("eye_opening_right", 0, 1.5, "", "eyes", "right eye: 0 closed, 1 this person's wide-awake opening"),
    Control("lip_opening", 0, 1.5, "", "mouth", "lips: 0 closed, 1 this person's 90th percentile"),
    Control("gaze_direction_x", -40, 40, "degrees", "gaze", "both eyes look this far to the person's left of the camera"),
    Control("gaze_direction_y", -30, 30, "degrees", "gaze", "both eyes look this far above the camera"),
    Control("eye_ratio_left", 0, 0.6, "eye widths", "eyes", "left eye: this gap between the lids, whoever it is"),
    Control("eye_ratio_right", 0, 0.6, "eye widths", "eyes", "right eye: this gap between the lids, whoever it is"),
    Control("lip_ratio", 0, 0.4, "face widths", "mouth", "this gap between the lips, whoever it is"),
)  # fmt: skip
"""Every target, in the order of the columns of `Controls.targets`."""

OPENINGS: Mapping[str, str] = {
    "eye_ratio_left": "eye_opening_left", "eye_ratio_right": "eye_opening_right", "lip_ratio": "lip_opening"
}  # fmt: skip
"""Targets that say the same: a raw ratio (as `lp_editor.faces.measure` has it), and a part of this person's opening."""

COLUMN: Mapping[str, int] = {control.name: i for i, control in enumerate(CONTROLS)}
TARGET_COLUMN: Mapping[str, int] = {target.name: i for i, target in enumerate(TARGETS)}
LOW: FloatArray = np.array([c.low for c in CONTROLS])
HIGH: FloatArray = np.array([c.high for c in CONTROLS])


@dataclass(frozen=True)
class Controls:
    """What is asked of one face over T frames.

    ``offsets`` (T, len(CONTROLS)); ``targets`` and ``weights`` (T, len(TARGETS)), a weight of 0 means no target;
    ``neutral`` (T, len(REGIONS)), 0 as filmed to 1 fully neutral. All float64.
    """

    offsets: FloatArray
    targets: FloatArray
    weights: FloatArray
    neutral: FloatArray

    @classmethod
    def zeros(cls, frames: int) -> Controls:
        """Nothing asked, for this many frames."""
        return cls(
            np.zeros((frames, len(CONTROLS))),
            np.zeros((frames, len(TARGETS))),
            np.zeros((frames, len(TARGETS))),
            np.zeros((frames, len(REGIONS))),
        )

    @classmethod
    def of(cls, frames: int = 1, **offsets: float) -> Controls:
        """The same offsets, by name, on every frame: ``Controls.of(smile_left=0.5)``."""
        made = cls.zeros(frames)
        for name, value in offsets.items():
            made.offsets[:, COLUMN[name]] = value
        return made

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, rows: Rows) -> Controls:
        return Controls(self.offsets[rows], self.targets[rows], self.weights[rows], self.neutral[rows])

    def column(self, name: str) -> FloatArray:
        """The offsets of one control, (T,)."""
        return self.offsets[:, COLUMN[name]]

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which frames ask for anything, (T,)."""
        asked: NDArray[np.bool_] = (self.offsets != 0).any(1) | (self.weights > 0).any(1) | (self.neutral > 0).any(1)
        return asked

    def in_openings(self, left: FloatArray, right: FloatArray, lips: FloatArray) -> Controls:
        """The same with raw ratios told as openings of people whose own ratios these are, (T,) each; both weigh in."""
        if not any(self.weights[:, TARGET_COLUMN[raw]].any() for raw in OPENINGS):
            return self
        targets, weights = self.targets.copy(), self.weights.copy()
        for (raw, opening), own in zip(OPENINGS.items(), (left, right, lips), strict=True):
            a, b = TARGET_COLUMN[opening], TARGET_COLUMN[raw]
            total = weights[:, a] + weights[:, b]
            summed = weights[:, a] * targets[:, a] + weights[:, b] * targets[:, b] / own
            targets[:, a] = np.divide(summed, total, out=targets[:, a].copy(), where=total > 0)
            weights[:, a] = np.maximum(weights[:, a], weights[:, b])
            weights[:, b] = 0
        return Controls(self.offsets, targets, weights, self.neutral)


@dataclass(frozen=True)
class _Packed:
    """An array (T, N), of which only the columns that are not zero throughout are stored, under their numbers."""

    size: int
    numbers: NDArray[np.intp]
    columns: FloatArray

    @classmethod
    def of(cls, whole: FloatArray) -> _Packed:
        numbers = np.flatnonzero(whole.any(0))
        return cls(whole.shape[1], numbers, whole[:, numbers])

    def __getitem__(self, rows: Rows) -> FloatArray:
        found = self.columns[rows]
        whole = np.zeros((len(found), self.size))
        whole[:, self.numbers] = found
        return whole


@dataclass(frozen=True)
class PackedControls:
    """`Controls` of a long run of frames without the columns that no frame asks for, which are most of them.

    ``controls[rows]`` are those of some frames, ``controls[:]`` all of them.
    """

    _offsets: _Packed
    _targets: _Packed
    _weights: _Packed
    _neutral: _Packed

    @classmethod
    def of(cls, whole: Controls) -> PackedControls:
        """The same, packed."""
        return cls(*map(_Packed.of, (whole.offsets, whole.targets, whole.weights, whole.neutral)))

    def __len__(self) -> int:
        return len(self._offsets.columns)

    def __getitem__(self, rows: Rows) -> Controls:
        return Controls(self._offsets[rows], self._targets[rows], self._weights[rows], self._neutral[rows])

    def column(self, name: str) -> FloatArray:
        """The offsets of one control, (T,)."""
        return self[:].column(name)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which frames ask for anything, (T,)."""
        busy = [(part.columns != 0).any(1) for part in (self._offsets, self._weights, self._neutral)]
        asked: NDArray[np.bool_] = busy[0] | busy[1] | busy[2]
        return asked
