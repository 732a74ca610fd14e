"""The control table: one vocabulary, whole and consistent."""

from __future__ import annotations

import numpy as np
import pytest

from lp_editor import CONTROLS, REGIONS, TARGETS, Control, Controls
from lp_editor.controls import COLUMN, HIGH, LOW, TARGET_COLUMN, PackedControls

ARKIT = {
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
}  # fmt: skip
"""Apple's ARFaceAnchor.BlendShapeLocation, all of it."""


def test_there_are_52_arkit_names() -> None:
    assert len(ARKIT) == 52


def test_every_name_is_used_once() -> None:
    names = [control.name for control in (*CONTROLS, *TARGETS)]
    assert len(names) == len(set(names))


def test_columns_follow_the_tables() -> None:
    assert list(COLUMN) == [control.name for control in CONTROLS]
    assert list(TARGET_COLUMN) == [target.name for target in TARGETS]
    assert list(COLUMN.values()) == list(range(len(CONTROLS)))
    assert np.array_equal(LOW, [control.low for control in CONTROLS])
    assert np.array_equal(HIGH, [control.high for control in CONTROLS])


@pytest.mark.parametrize("control", [*CONTROLS, *TARGETS], ids=lambda c: c.name)
def test_a_control_can_be_left_alone_and_moved_and_says_what_it_does(control: Control) -> None:
    assert control.low <= 0 <= control.high
    assert control.low < control.high
    assert control.region in REGIONS
    assert len(control.help) > 5


def test_every_region_has_a_control() -> None:
    assert {control.region for control in CONTROLS} == set(REGIONS)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: c.name)
def test_blendshapes_are_arkits(control: Control) -> None:
    assert {*control.positive, *control.negative} <= ARKIT
    assert all(0 < weight <= 1 for weight in (*control.positive.values(), *control.negative.values()))
    assert not set(control.positive) & set(control.negative)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: c.name)
def test_a_control_without_blendshapes_is_a_pose(control: Control) -> None:
    assert bool(control.positive) == (control.region != "pose")


def test_blendshapes_reach_their_control_at_full_strength() -> None:
    for control in CONTROLS:
        for weights in (control.positive, control.negative):
            assert not weights or sum(weights.values()) == pytest.approx(1)


@pytest.mark.parametrize("left", [c for c in (*CONTROLS, *TARGETS) if c.name.endswith("_left")], ids=lambda c: c.name)
def test_the_right_side_mirrors_the_left(left: Control) -> None:
    right = next(c for c in (*CONTROLS, *TARGETS) if c.name == left.name.removesuffix("left") + "right")
    assert (right.low, right.high, right.unit, right.region) == (left.low, left.high, left.unit, left.region)
    for ours, theirs in ((left.positive, right.positive), (left.negative, right.negative)):
        assert {_mirrored(name, left.name): weight for name, weight in ours.items()} == dict(theirs)


def _mirrored(shape: str, control: str) -> str:
    """A blendshape of the other side; the person's left is outward for one eye and inward for the other."""
    shape = shape.replace("Left", "Right")
    if control.startswith("gaze_x"):
        return shape.replace("In", "*").replace("Out", "In").replace("*", "Out")
    return shape


def test_controls_by_name_are_the_same_on_every_frame() -> None:
    made = Controls.of(3, smile_left=0.5)
    assert len(made) == 3
    assert made.column("smile_left").tolist() == [0.5, 0.5, 0.5]
    assert made.offsets.sum() == 1.5


def test_a_slice_of_controls_keeps_its_rows() -> None:
    made = Controls.zeros(4)
    made.offsets[2] = 1
    assert made[2:3].offsets.tolist() == made.offsets[2:3].tolist()
    assert len(made[1:]) == 3


@pytest.mark.parametrize("part", ["offsets", "weights", "neutral"])
def test_a_frame_is_active_when_anything_is_asked_of_it(part: str) -> None:
    made = Controls.zeros(3)
    getattr(made, part)[1, 0] = 0.5
    assert made.active.tolist() == [False, True, False]


def test_a_target_without_weight_asks_for_nothing() -> None:
    made = Controls.zeros(1)
    made.targets[:] = 1
    assert not made.active.any()


def test_raw_ratios_become_parts_of_a_persons_own_openings() -> None:
    made = Controls.zeros(2)
    for name, value, weight in (("lip_ratio", 0.05, 1.0), ("lip_opening", 1.0, 1.0), ("eye_ratio_left", 0.15, 0.5)):
        made.targets[0, TARGET_COLUMN[name]] = value
        made.weights[0, TARGET_COLUMN[name]] = weight
    told = made.in_openings(np.array([0.3, 0.3]), np.array([0.3, 0.3]), np.array([0.1, 0.1]))
    assert told.targets[0, TARGET_COLUMN["lip_opening"]] == pytest.approx(0.75)  # the mean of a half and a whole
    assert told.targets[0, TARGET_COLUMN["eye_opening_left"]] == pytest.approx(0.5)
    assert told.weights[0].tolist() == [0.5, 0, 1, 0, 0, 0, 0, 0]
    assert not told.active[1]
    assert Controls.zeros(1).in_openings(*np.full((3, 1), 0.3)).weights.sum() == 0


def asked(frames: int) -> Controls:
    """Something asked of some controls, targets and regions, each on some frames only."""
    random = np.random.default_rng(5)
    made = Controls.zeros(frames)
    for whole in (made.offsets, made.targets, made.weights, made.neutral):
        for column in (0, whole.shape[1] - 1):
            whole[:, column] = random.uniform(0.1, 1, frames) * (random.uniform(size=frames) > 0.9)
    return made


@pytest.mark.parametrize("rows", [slice(None), slice(3, 9), [5], [7, 7, 1], np.array([2, 0]), slice(4, 4)])
def test_packed_controls_are_what_they_were_packed_from(rows: slice | list[int]) -> None:
    whole = asked(20)
    packed = PackedControls.of(whole)
    one, other, back = packed[rows], whole[rows], packed[:]
    for name in ("offsets", "targets", "weights", "neutral"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
        assert np.array_equal(getattr(back, name), getattr(whole, name))
    assert len(packed) == len(whole)
    assert np.array_equal(packed.active, whole.active)
    assert 0 < packed.active.sum() < len(packed)
    for control in CONTROLS:
        assert np.array_equal(packed.column(control.name), whole.column(control.name))


def test_packed_controls_hold_only_what_is_asked() -> None:
    long = Controls.of(10_000, smile_left=0.5)
    packed = PackedControls.of(long)
    assert packed._offsets.columns.nbytes == 8 * 10_000
    assert packed._targets.columns.size == packed._weights.columns.size == packed._neutral.columns.size == 0
