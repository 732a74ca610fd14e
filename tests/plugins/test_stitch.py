"""The stitch and the bridge: from one shot to the next over the whole joint, where the two belong together."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lp_editor import JointEffect, Meeting, ParamError, Registry, testing
from lp_editor.effect import parameters

JUMP = Meeting(likeness=0.97, scene=0.9, apart=0.2, pace=0.03, rate=Fraction(25))
"""A jump cut of one person in one scene."""


def joint(name: str, **params: str | float | bool) -> JointEffect:
    made = Registry.installed().effect(name).parse(params)
    assert isinstance(made, JointEffect)
    return made


@pytest.mark.parametrize("effect", ["stitch", "bridge"])
@pytest.mark.parametrize("pace", ["even", "soft"])
def test_it_goes_from_the_one_shot_to_the_other_and_never_back(effect: str, pace: str) -> None:
    blend = joint(effect, pace=pace).edit(testing.scene(seconds=0.32)).blend
    assert blend is not None
    over = blend.at(np.linspace(0, 0.32, 65))
    assert over[0] == pytest.approx(0)
    assert over[-1] == pytest.approx(1)
    assert over[32] == pytest.approx(0.5)
    assert (np.diff(over) >= -1e-12).all()


def test_soft_is_slower_at_the_ends_than_even() -> None:
    scene = testing.scene(seconds=1)
    even, soft = (joint("stitch", pace=pace).edit(scene).blend for pace in ("even", "soft"))
    assert even is not None
    assert soft is not None
    assert soft.at(0.1) < even.at(0.1)
    assert soft.at(0.9) > even.at(0.9)


def test_keys_say_how_far_over_it_is() -> None:
    from lp_editor import Curve

    stitch = Registry.installed().effect("stitch")
    keyed = stitch.parse({"over": Curve.parse("0@0,0.2@4f,1@8f", Fraction(25))}).edit(testing.scene(seconds=0.32)).blend
    assert keyed is not None
    assert keyed.at([0.0, 0.16, 0.32]).tolist() == pytest.approx([0, 0.2, 1])


def test_a_stitch_plays_on_into_the_handles_and_a_bridge_waits_at_the_cut() -> None:
    scene = testing.scene(seconds=0.32, rate=25)
    stitch, bridge = (joint(name, crossfade=6.0).edit(scene).crossing for name in ("stitch", "bridge"))
    assert (stitch.plays_on, bridge.plays_on) == (True, False)
    assert stitch.crossfade == pytest.approx(6 / 25)
    assert joint("stitch", light="keep").edit(scene).crossing.matches_light is False
    with pytest.raises(ParamError, match="crossfade"):
        joint("stitch", crossfade=-1.0).edit(scene)


@pytest.mark.parametrize("effect", ["stitch", "bridge"])
def test_two_people_and_two_scenes_are_refused_unless_forced(effect: str) -> None:
    assert joint(effect).refusal(JUMP) == ""
    assert joint(effect).refusal(replace(JUMP, likeness=None)) == ""  # nobody to compare
    assert "two people" in joint(effect).refusal(replace(JUMP, likeness=0.6))
    assert "two scenes" in joint(effect).refusal(replace(JUMP, scene=0.05))
    assert joint(effect, force=True).refusal(replace(JUMP, likeness=0.1, scene=0.0)) == ""


@pytest.mark.parametrize(
    ("change", "proposed"),
    [
        ({}, True),
        ({"likeness": None}, False),
        ({"likeness": 0.84}, False),
        ({"scene": 0.3}, False),
        ({"apart": 0.01}, False),  # no jump
        ({"apart": 0.025}, False),  # no further than the face moves anyway
        ({"apart": 1.2}, False),
    ],
)
def test_it_proposes_jump_cuts_of_one_person_in_one_scene(change: dict[str, float | None], proposed: bool) -> None:
    stitch = Registry.installed().effect("stitch")
    assert issubclass(stitch, JointEffect)
    assert (stitch.mark_cut(replace(JUMP, **change)) is not None) == proposed  # type: ignore[arg-type]


def test_a_longer_way_takes_longer() -> None:
    stitch = Registry.installed().effect("stitch")
    assert issubclass(stitch, JointEffect)
    lengths = []
    for apart in (0.1, 0.3, 0.5):
        made = stitch.mark_cut(replace(JUMP, apart=apart))
        assert made is not None
        lengths.append(round(made.seconds * 25))
    assert lengths == [8, 14, 22]


@pytest.mark.parametrize(
    ("steps", "frames"),
    [
        ({8: 0.033, 10: 0.02}, 8),  # calm enough: no longer than needed
        ({8: 0.06, 12: 0.05, 24: 0.034, 28: 0.03}, 24),
        ({8: 0.06, 12: 0.05, 20: 0.041, 24: 0.041, 30: 0.0405, 36: 0.044}, 20),  # never calm: the calmest, no longer than worth it
        ({8: 0.2, 48: 0.01}, 8),  # longer than anybody wants
    ],
)
def test_it_is_as_long_as_the_face_needs_to_move_no_faster_than_it_does_anyway(
    steps: dict[int, float], frames: int
) -> None:
    stitch = Registry.installed().effect("stitch")
    assert issubclass(stitch, JointEffect)
    made = stitch.mark_cut(replace(JUMP, steps=steps))
    assert made is not None
    assert round(made.seconds * 25) == frames


@pytest.mark.parametrize("effect", ["stitch", "bridge"])
def test_a_joint_has_no_intensity_as_nothing_of_it_is_scaled(effect: str) -> None:
    assert "intensity" not in [p.name for p in parameters(Registry.installed().effect(effect))]
    with pytest.raises(ParamError, match=f"{effect}: no parameter 'intensity'"):
        joint(effect, intensity=0.5)
