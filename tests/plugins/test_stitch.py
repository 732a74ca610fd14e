"""The stitch: from one shot to the next over the whole joint."""

from __future__ import annotations

import numpy as np
import pytest

from lp_editor import JointEffect, Registry, testing


@pytest.mark.parametrize("pace", ["even", "soft"])
def test_it_goes_from_the_one_shot_to_the_other_and_never_back(pace: str) -> None:
    scene = testing.scene(seconds=0.32)
    blend = Registry.installed().effect("stitch").parse({"pace": pace}).edit(scene).blend
    assert blend is not None
    over = blend.at(np.linspace(0, 0.32, 65))
    assert over[0] == pytest.approx(0)
    assert over[-1] == pytest.approx(1)
    assert over[32] == pytest.approx(0.5)
    assert (np.diff(over) >= -1e-12).all()


def test_soft_is_slower_at_the_ends_than_even() -> None:
    scene = testing.scene(seconds=1)
    stitch = Registry.installed().effect("stitch")
    even, soft = (stitch.parse({"pace": pace}).edit(scene).blend for pace in ("even", "soft"))
    assert even is not None
    assert soft is not None
    assert soft.at(0.1) < even.at(0.1)
    assert soft.at(0.9) > even.at(0.9)


def test_it_is_marked_on_a_cut() -> None:
    assert issubclass(Registry.installed().effect("stitch"), JointEffect)
