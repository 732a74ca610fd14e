"""The enhancer: it asks for finishes, each as strong as its curve, and for no movement."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lp_editor import Curve, Edit, ParamError, Registry, Signal, testing


def test_it_asks_for_what_is_set_and_for_nothing_else() -> None:
    enhance = Registry.installed().effect("enhance")
    curve = Curve.parse("0@0,1@1s", Fraction(25))
    edit = enhance.parse({"denoise": 0.4, "sharpen": curve}).edit(testing.scene(seconds=1))
    assert set(edit.finish) == {"denoise", "sharpen"}
    assert edit.finish["denoise"].at(0.7) == pytest.approx(0.4)
    assert edit.finish["sharpen"].at([0.0, 0.5, 1.0]).tolist() == pytest.approx([0, 0.5, 1])
    assert not testing.sample(edit, np.linspace(0, 1, 5)).active.any()
    assert enhance.parse({}).edit(testing.scene()).finish == {}


def test_a_finish_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(ParamError, match="no finish 'gloss'"):
        Edit(finish={"gloss": Signal.constant(1)})  # type: ignore[dict-item]
