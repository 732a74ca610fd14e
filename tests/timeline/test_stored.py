"""JSON of ours is written letter for letter as Python's own does it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lp_editor.timeline import stored

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(TREES, st.none() | st.integers(0, 5))
def test_a_tree_is_written_as_pythons_json_writes_it(tree: Any, indent: int | None) -> None:
    assert stored.written(tree, indent) == json.dumps(tree, indent=indent, ensure_ascii=False)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), -0.0, 1e300, 5e-324, 10**30])
def test_odd_numbers_are_written_as_pythons_json_writes_them(number: float) -> None:
    assert stored.written([number], 2) == json.dumps([number], indent=2)
