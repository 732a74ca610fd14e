"""The presets that ship: each one loads, is taken by its effect, and does something."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import lp_editor.presets
from lp_editor import Curve, Preset, Registry, testing

FILES = sorted(Path(lp_editor.presets.__file__).parent.glob("*.json"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.installed()


def test_there_are_at_least_sixteen_and_all_are_found(registry: Registry) -> None:
    assert len(FILES) >= 16
    assert {file.stem for file in FILES} <= set(registry.presets)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_preset_is_called_as_its_file_and_says_what_it_does(file: Path) -> None:
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert stored["name"] == file.stem
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", stored["name"])
    assert set(stored) == {"name", "effect", "help", "params"}
    assert len(stored["help"]) > 10


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_preset_is_in_its_effects_bounds_and_changes_the_face(registry: Registry, file: Path) -> None:
    preset = registry.preset(file.stem)
    effect = registry.effect(preset.effect).parse(preset.params)
    asks = testing.sample(effect.edit(testing.scene(seconds=2)), [i / 50 for i in range(100)])
    assert asks.active.any()


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_keyed_preset_ends_where_it_began(registry: Registry, file: Path) -> None:
    for value in _curves(registry.preset(file.stem)):
        assert value.keys[0].time == 0
        assert value.keys[0].value == value.keys[-1].value
        assert len(value.keys) == 1 or value.keys[-1].time <= 2


def _curves(preset: Preset) -> list[Curve]:
    return [value for value in preset.params.values() if isinstance(value, Curve)]
