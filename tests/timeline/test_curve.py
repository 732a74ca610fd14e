"""Curves: sampled, bounded, written and read back."""

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lp_editor.errors import ParamError
from lp_editor.timeline.curve import Curve, Handle, Key, Signal, curve_from_json, value_from_json, value_to_json

RATE = F(25)

times = st.fractions(min_value=-5, max_value=60, max_denominator=1000)
values = st.floats(-100, 100)
handles = st.one_of(st.none(), st.builds(Handle, st.floats(0, 3), st.floats(-50, 50)))


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    keys = []
    for time in draw(st.lists(times, min_size=1, max_size=6, unique=True)):
        left = draw(handles)
        keys.append(Key(
            time, draw(values), draw(st.sampled_from(["hold", "linear", "smooth", "bezier"])),
            Handle(-left.seconds, left.value) if left else None, draw(handles),
        ))  # fmt: skip
    return Curve(tuple(keys))


@given(curves())
def test_no_sample_lies_outside_the_bounds_and_the_bounds_are_reached(curve: Curve) -> None:
    low, high = curve.bounds()
    first, last = float(curve.keys[0].time), float(curve.keys[-1].time)
    samples = curve.at(np.linspace(first - 1, last + 1, 4001))
    room = 1e-6 * (1 + abs(low) + abs(high))
    assert samples.min() >= low - room
    assert samples.max() <= high + room
    at_keys = curve.at([float(k.time) for k in curve.keys])
    if all(k.interpolation != "bezier" for k in curve.keys):
        assert (at_keys.min(), at_keys.max()) == (low, high)


@given(curves())
def test_json_keeps_every_key_exactly(curve: Curve) -> None:
    assert value_from_json(value_to_json(curve)) == curve


@given(curves())
def test_text_keeps_keys_exactly_but_for_handles(curve: Curve) -> None:
    read = Curve.parse(curve.text(), RATE)
    assert [(k.time, k.value, k.interpolation) for k in read.keys[:-1]] == [
        (k.time, k.value, k.interpolation) for k in curve.keys[:-1]
    ]
    assert (read.keys[-1].time, read.keys[-1].value) == (curve.keys[-1].time, curve.keys[-1].value)


def test_a_curve_is_read_as_an_editor_writes_it() -> None:
    curve = Curve.parse("0@0,0.7@10f:smooth, 0@2s", RATE)
    assert [(k.time, k.value, k.interpolation) for k in curve.keys] == [
        (0, 0.0, "linear"), (F(2, 5), 0.7, "smooth"), (2, 0.0, "linear"),
    ]  # fmt: skip
    assert curve.at([-1, 0.2, 0.4, 1.2, 3]).tolist() == pytest.approx([0, 0.35, 0.7, 0.35, 0])


def test_hold_stays_until_the_next_key() -> None:
    curve = Curve.parse("1@0:hold,2@1s", RATE)
    assert curve.at([0, 0.999, 1.0]).tolist() == [1, 1, 2]


def test_a_bezier_overshoot_counts_as_a_bound() -> None:
    curve = Curve((Key(F(0), 0.0, "bezier", right=Handle(0.3, 2.0)), Key(F(1), 0.0, left=Handle(-0.3, 2.0))))
    assert curve.bounds() == pytest.approx((0.0, 1.5))


def test_bezier_time_runs_on_even_with_handles_that_cross() -> None:
    curve = Curve((Key(F(0), 0.0, "bezier", right=Handle(5, 1)), Key(F(1), 1.0, left=Handle(-5, 0))))
    samples = curve.at(np.linspace(0, 1, 200))
    assert np.isfinite(samples).all()
    assert samples[0] == pytest.approx(0, abs=1e-6)
    assert samples[-1] == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "x", "1@", "@1", "1@1q", "1@0,2@0", "inf", "1@1s:wobbly", "1@1/0", "nan@0"])
def test_a_wrong_text_is_explained(text: str) -> None:
    with pytest.raises(ParamError):
        Curve.parse(text, RATE)


@pytest.mark.parametrize(
    "stored",
    [None, {}, [], [1], [[0]], [{"time": 0}], [{"time": "1/0", "value": 1}], [{"time": 0, "value": "x"}],
     [{"time": 1e400, "value": 1}], [{"time": "1e9999", "value": 1}], float("nan"), 10**400, [{"time": 0, "value": True}]],
)  # fmt: skip
def test_hostile_json_is_a_clear_error(stored: object) -> None:
    with pytest.raises(ParamError):
        value_from_json(stored)


def test_short_keys_are_read_too() -> None:
    assert curve_from_json([[0, 1], ["1/2", 0]]) == Curve((Key(F(0), 1.0), Key(F(1, 2), 0.0)))


def test_keys_are_set_moved_and_deleted() -> None:
    curve = Curve.parse("0@0,1@1s", RATE)
    assert curve.with_key(Key(F(1), 0.5)).at(1.0) == 0.5
    assert [k.time for k in curve.moved_key(F(1), F(3)).keys] == [0, 3]
    assert len(curve.without_key(F(0)).keys) == 1
    with pytest.raises(ParamError, match="keys lie at 0s, 1s"):
        curve.without_key(F(2))
    with pytest.raises(ParamError, match="at least one"):
        Curve.constant(1).without_key(F(0))


def test_a_window_is_zero_at_its_ends_and_scales_eases_that_do_not_fit() -> None:
    window = Signal.window(1.0, 2.0, 0.25, 0.25)
    assert window.at([0.9, 1.0, 1.125, 1.5, 2.0, 2.1]).tolist() == [0, 0, 0.5, 1, 0, 0]
    tight = Signal.window(0.0, 1.0, 3.0, 1.0)
    assert tight.at([0.0, 0.75, 1.0]).tolist() == [0, 1, 0]
    hard = Signal.window(0.0, 1.0, 0.0, 0.0)
    assert hard.at([0.0, 0.5, 1.0, 1.01]).tolist() == [1, 1, 1, 0]


def test_signals_add_multiply_and_shift() -> None:
    curve = Curve.parse("0@0,1@1s", RATE)
    mixed = 2 * curve.shifted(1.0) + 0.5 - Signal.constant(0.25)
    assert mixed.at([1.0, 1.5, 2.0]).tolist() == [0.25, 1.25, 2.25]
    assert (-curve).clipped(-0.5, 0).at([0.25, 1.0]).tolist() == [-0.25, -0.5]
