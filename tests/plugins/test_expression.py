"""The expression effect: every control but the gaze, within the control's own bounds."""

from __future__ import annotations

import numpy as np
import pytest

from lp_editor import CONTROLS, Control, Controls, Effect, Registry, testing
from lp_editor.controls import TARGET_COLUMN
from lp_editor.effect import parameters
from lp_editor.timeline.model import ParamValue

MOVED = [control for control in CONTROLS if control.region != "gaze"]


@pytest.fixture(scope="module")
def expression() -> type[Effect]:
    return Registry.installed().effect("expression")


def asked(effect: type[Effect], **params: ParamValue) -> Controls:
    """What the effect asks for in the middle of a second."""
    return testing.sample(effect.parse(params).edit(testing.scene()), 0.5)


def changed(controls: Controls) -> dict[str, float]:
    return {c.name: round(float(controls.column(c.name)[0]), 6) for c in CONTROLS if controls.column(c.name).any()}


def test_with_nothing_set_it_asks_for_nothing(expression: type[Effect]) -> None:
    assert not asked(expression).active.any()


@pytest.mark.parametrize("control", MOVED, ids=lambda c: c.name)
def test_every_control_but_the_gaze_has_a_parameter_with_its_bounds(expression: type[Effect], control: Control) -> None:
    [parameter] = [p for p in parameters(expression) if p.name == control.name]
    assert (parameter.low, parameter.high, parameter.unit) == (control.low, control.high, control.unit)
    assert parameter.default == 0
    assert parameter.help


@pytest.mark.parametrize("control", MOVED, ids=lambda c: c.name)
def test_a_parameter_called_as_a_control_moves_that_control_alone(expression: type[Effect], control: Control) -> None:
    assert changed(asked(expression, **{control.name: control.high})) == {control.name: control.high}


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        ("smile", ("smile",)),
        ("frown", ("frown",)),
        ("blink", ("blink",)),
        ("brow", ("brow_inner", "brow_outer")),
        ("brow_inner", ("brow_inner",)),
        ("brow_outer", ("brow_outer",)),
        ("squint", ("squint",)),
        ("cheek", ("cheek",)),
        ("sneer", ("sneer",)),
    ],
)
def test_a_name_without_a_side_moves_both(expression: type[Effect], name: str, moves: tuple[str, ...]) -> None:
    both = {f"{m}_{side}": 0.5 for m in moves for side in ("left", "right")}
    assert changed(asked(expression, **{name: 0.5})) == both


def test_a_side_is_added_to_both(expression: type[Effect]) -> None:
    asks = changed(asked(expression, smile=0.4, smile_left=0.3, brow=0.2, brow_inner=0.1, brow_inner_right=-0.1))
    assert asks == {
        "smile_left": 0.7,
        "smile_right": 0.4,
        "brow_inner_left": 0.3,
        "brow_inner_right": 0.2,
        "brow_outer_left": 0.2,
        "brow_outer_right": 0.2,
    }


def test_closing_the_mouth_is_a_target_of_closed_lips(expression: type[Effect]) -> None:
    asks = asked(expression, close_mouth=0.8)
    assert not asks.offsets.any()
    assert asks.targets.sum() == 0
    assert asks.weights.max() == 0.8
    assert np.count_nonzero(asks.weights) == 1


def target(asked: Controls, name: str) -> tuple[float, float]:
    """Value and weight of a target."""
    column = TARGET_COLUMN[name]
    return round(float(asked.targets[0, column]), 6), round(float(asked.weights[0, column]), 6)


def test_openings_of_eyes_and_lips_are_targets_with_a_weight(expression: type[Effect]) -> None:
    asks = asked(expression, eyes_open=0.5, eyes_open_left=1, eyes_weight=0.8, lips_open=0.3)
    assert not asks.offsets.any()
    assert target(asks, "eye_opening_left") == (1, 0.8)
    assert target(asks, "eye_opening_right") == (0.5, 0.8)
    assert target(asks, "lip_opening") == (0.3, 1)
    assert asks.weights.sum() == pytest.approx(2.6)


def test_openings_can_be_raw_ratios(expression: type[Effect]) -> None:
    asks = asked(expression, eyes_ratio=0.2, lips_ratio=0.1, lips_weight=0.5)
    assert target(asks, "eye_ratio_left") == target(asks, "eye_ratio_right") == (0.2, 1)
    assert target(asks, "lip_ratio") == (0.1, 0.5)
    assert target(asks, "lip_opening") == (0, 0)


def test_a_mouth_that_is_half_closed_and_half_open_is_in_between(expression: type[Effect]) -> None:
    asks = asked(expression, lips_open=0.8, close_mouth=0.5)
    assert target(asks, "lip_opening") == (0.4, 1)


def neutral_of(effect: Effect) -> dict[str, float]:
    return {region: float(signal.at(0.5)) for region, signal in effect.edit(testing.scene()).neutralise.items()}


def test_neutral_leaves_gaze_and_head_where_they_were(expression: type[Effect]) -> None:
    assert neutral_of(expression.parse({"neutral": 0.6})) == dict.fromkeys(
        ("mouth", "eyes", "brows", "cheeks", "nose"), 0.6
    )


def test_one_region_can_be_taken_away_or_left(expression: type[Effect]) -> None:
    neutral = neutral_of(expression.parse({"neutral": 1, "neutral_mouth": -1, "neutral_brows": 1}))
    assert neutral == {"mouth": 0, "eyes": 1, "brows": 1, "cheeks": 1, "nose": 1}
    assert neutral_of(expression.parse({"neutral_mouth": 0.7}))["mouth"] == 0.7
