"""The gaze effect: both eyes together, each eye on top."""

from __future__ import annotations

import pytest

from lp_editor import CONTROLS, TARGETS, Effect, Registry, testing
from lp_editor.controls import TARGET_COLUMN
from lp_editor.effect import parameters


@pytest.fixture(scope="module")
def gaze() -> type[Effect]:
    return Registry.installed().effect("gaze")


def test_x_and_y_turn_both_eyes(gaze: type[Effect]) -> None:
    asks = testing.sample(gaze.parse({"x": 0.5, "y": -0.25}).edit(testing.scene()), 0.0)
    assert [asks.column(f"gaze_x_{side}")[0] for side in ("left", "right")] == [0.5, 0.5]
    assert [asks.column(f"gaze_y_{side}")[0] for side in ("left", "right")] == [-0.25, -0.25]
    assert asks.offsets.sum() == 0.5


def test_one_eye_is_added_to_both(gaze: type[Effect]) -> None:
    asks = testing.sample(gaze.parse({"x": 0.5, "left_x": 0.25, "right_y": 0.125}).edit(testing.scene()), 0.0)
    assert [asks.column(f"gaze_x_{side}")[0] for side in ("left", "right")] == [0.75, 0.5]
    assert [asks.column(f"gaze_y_{side}")[0] for side in ("left", "right")] == [0, 0.125]


def test_the_bounds_are_those_of_the_controls(gaze: type[Effect]) -> None:
    offsets = {(c.low, c.high) for c in CONTROLS if c.region == "gaze"}
    targets = {(c.low, c.high) for c in TARGETS if c.region == "gaze"}
    contact = [p for p in parameters(gaze) if p.name.startswith("contact")]
    assert {(p.low, p.high) for p in parameters(gaze) if p not in contact} == offsets
    assert {(p.low, p.high) for p in contact} == targets | {(0, 1)}


def test_contact_is_the_weight_of_a_direction(gaze: type[Effect]) -> None:
    asks = testing.sample(gaze.parse({"contact": 0.5, "contact_x": 10, "contact_y": -5}).edit(testing.scene()), 0.0)
    at = [TARGET_COLUMN["gaze_direction_x"], TARGET_COLUMN["gaze_direction_y"]]
    assert asks.targets[0, at].tolist() == [10, -5]
    assert asks.weights[0, at].tolist() == [0.5, 0.5]


def test_the_help_says_which_way_is_which() -> None:
    text = Registry.installed().effect("gaze").__doc__ or ""
    assert "person's left" in text
    assert "up" in text
