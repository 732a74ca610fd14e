"""Effects: parameters in, or an error that says which one is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import pytest

from lp_editor import Curve, Edit, Effect, Key, ParamError, Scene, Signal, Target, knob, option, testing
from lp_editor.effect import Parameter, parameters
from lp_editor.timeline.curve import Handle
from lp_editor.timeline.model import ParamValue


@dataclass(frozen=True)
class Nod(Effect):
    """Nods."""

    name = "nod"

    depth: Curve = knob(0.5, low=0, high=1, help="how deep", unit="heads")
    times: int = option(2, help="how often")
    side: Literal["left", "right"] = option("left", help="which way first")
    soft: bool = option(True, help="gently")
    note: str = option("", help="for the next editor")
    pace: float = option(1, help="nods a second")

    def edit(self, scene: Scene) -> Edit:
        """Downwards."""
        return Edit(controls={"pitch": self.depth * -30})


def key(at: float, value: float, **more: object) -> Key:
    return Key(Fraction(at).limit_denominator(1000), value, **more)  # type: ignore[arg-type]


def test_without_parameters_an_effect_has_its_defaults() -> None:
    made = Nod.parse({})
    assert made == Nod()
    assert made.depth == Curve.constant(0.5)


def test_numbers_become_curves_and_curves_stay() -> None:
    keyed = Curve((key(0, 0), key(1, 1)))
    assert Nod.parse({"depth": 1}).depth == Curve.constant(1.0)
    assert Nod.parse({"depth": keyed}).depth is keyed


def test_options_take_their_own_kind() -> None:
    made = Nod.parse({"times": 3, "side": "right", "soft": False, "note": "a", "pace": 2})
    assert made == Nod(times=3, side="right", soft=False, note="a", pace=2.0)
    assert isinstance(made.pace, float)


def test_numbers_as_files_store_them_are_taken_by_options_too() -> None:
    made = Nod.parse({"times": Curve.constant(3), "pace": Curve.constant(0.5)})
    assert (made.times, made.pace) == (3, 0.5)
    assert isinstance(made.times, int)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"dept": 1}, "no parameter 'dept'; did you mean depth?"),
        ({"zoom": 1}, "no parameter 'zoom'; there are: depth, times"),
        ({"depth": 1.4}, "depth must stay in 0..1, got 1.4"),
        ({"depth": -0.1}, "depth must stay in 0..1, got -0.1"),
        ({"depth": True}, "depth takes a number or a curve, got True"),
        ({"depth": "deep"}, "depth takes a number or a curve, got 'deep'"),
        ({"times": 2.5}, "times takes a whole number, got 2.5"),
        ({"times": True}, "times takes a whole number, got True"),
        ({"times": "2"}, "times takes a whole number, got '2'"),
        ({"times": Curve.constant(2.5)}, "times takes a whole number, got 2.5"),
        ({"times": Curve((key(0, 1.0), key(1, 2.0)))}, "times takes a whole number, got 1.0@0s,2.0@1s"),
        ({"soft": 1}, "soft takes true or false, got 1"),
        ({"note": 3}, "note takes a text, got 3"),
        ({"side": "up"}, "side must be one of left, right, got 'up'"),
        ({"pace": "quick"}, "pace takes a number, got 'quick'"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_it_takes(params: dict[str, ParamValue], says: str) -> None:
    with pytest.raises(ParamError) as caught:
        Nod.parse(params)
    assert str(caught.value).startswith("nod: ")
    assert says in str(caught.value)


def test_a_value_that_is_no_number_is_out_of_bounds() -> None:
    with pytest.raises(ParamError):
        Nod.parse({"depth": float("nan")})


def test_a_key_out_of_bounds_is_found_between_good_ones() -> None:
    with pytest.raises(ParamError, match=r"got 1\.2"):
        Nod.parse({"depth": Curve((key(0, 0), key(1, 1.2), key(2, 0)))})


def test_a_bezier_that_overshoots_between_its_keys_is_out_of_bounds() -> None:
    keys = (
        key(0, 0, interpolation="bezier", right=Handle(0.3, 2.0)),
        key(1, 1, left=Handle(-0.3, 1.0)),
    )
    # 6s - 6s² + s³ turns at s = 2 - √2, where it is 4√2 - 4
    with pytest.raises(ParamError, match=r"depth must stay in 0\.\.1, got 1\.65685"):
        Nod.parse({"depth": Curve(keys)})


def test_a_bezier_with_handles_out_of_bounds_but_values_inside_is_taken() -> None:
    keys = (key(0, 0.5, interpolation="bezier", right=Handle(0.3, 0.6)), key(1, 0.5, left=Handle(-0.3, -0.1)))
    low, high = Curve(keys).bounds()
    assert 0 <= low <= high < 1  # the handle itself reaches 1.1
    assert Nod.parse({"depth": Curve(keys)}).depth == Curve(keys)


def test_an_edit_of_unknown_names_says_which_there_are() -> None:
    zero = Signal.constant(0)
    with pytest.raises(ParamError, match="no control 'smile'; there are: smile_left"):
        Edit(controls={"smile": zero})
    with pytest.raises(ParamError, match="no target 'lips'; there are: eye_opening_left"):
        Edit(targets={"lips": Target(zero, zero)})
    with pytest.raises(ParamError, match="no region 'chin'; there are: mouth"):
        Edit(neutralise={"chin": zero})  # type: ignore[dict-item]


def test_parameters_are_described_as_they_were_declared() -> None:
    depth, times, side, *_ = parameters(Nod)
    assert depth == Parameter("depth", "curve", 0.5, "how deep", 0, 1, "heads")
    assert times == Parameter("times", "int", 2, "how often")
    assert side == Parameter("side", "choice", "left", "which way first", choices=("left", "right"))


def test_an_edit_is_sampled_in_record_seconds() -> None:
    effect = Nod.parse({"depth": Curve((key(0, 0), key(1, 1)))})
    asked = testing.sample(effect.edit(testing.scene()), [0, 0.5, 1])
    assert asked.column("pitch").tolist() == [0, -15, -30]


def test_a_scene_window_is_closed_at_both_ends() -> None:
    window = testing.scene(seconds=2).window(0.5, 0.5)
    assert window.at([0, 1, 2]).tolist() == [0, 1, 0]


def test_an_effect_marks_nothing_unless_it_knows_better() -> None:
    assert Nod.mark(testing.scene()) == ()
