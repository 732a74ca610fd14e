"""Plugins: found, named when they break the rules, skipped when they do not load."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from lp_editor import (
    Curve,
    Edit,
    Effect,
    JointEffect,
    ParamError,
    Registry,
    Scene,
    hookimpl,
    knob,
    testing,
)
from lp_editor.errors import EngineError, PluginError, UnknownEffectError


@dataclass(frozen=True)
class Nod(Effect):
    """Nods."""

    name = "nod"

    def edit(self, scene: Scene) -> Edit:
        """Nothing yet."""
        return Edit()


@dataclass(frozen=True)
class OtherNod(Nod):
    """Nods too."""


@dataclass(frozen=True)
class Easy(Nod):
    """Has a parameter that the host keeps for itself."""

    name = "easy"
    ease: Curve = knob(0, low=0, high=1, help="taken")


class Adds:
    """A plugin with some effects."""

    def __init__(self, *effects: type[Effect]) -> None:
        self.effects = effects

    @hookimpl
    def lp_effects(self) -> Iterable[type[Effect]]:
        """These."""
        return self.effects


class Shelf:
    """A plugin with a folder of presets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @hookimpl
    def lp_presets(self) -> Iterable[Path]:
        """This one."""
        return [self.folder]


class Misspelt:
    """A plugin with a slip of the pen."""

    @hookimpl
    def lp_efects(self) -> Iterable[type[Effect]]:
        """Never called."""
        return []


def distribution(folder: Path, name: str, body: str) -> None:
    """An installed distribution with one module, by hand: what pip leaves behind."""
    (folder / f"{name}.py").write_text(body)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[lp_editor]\n{name} = {name}\n")


GOOD = """
from dataclasses import dataclass
from lp_editor import Edit, Effect, hookimpl

@dataclass(frozen=True)
class Bow(Effect):
    '''Bows.'''
    name = "bow"
    def edit(self, scene):
        return Edit()

@hookimpl
def lp_effects():
    return [Bow]
"""


def test_what_ships_is_found_like_any_plugin() -> None:
    registry = Registry.installed()
    assert {"expression", "gaze", "stitch"} <= set(registry.effects)
    assert issubclass(registry.effect("stitch"), JointEffect)
    assert registry.problems == []


def test_a_plugin_of_an_installed_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "lp_test_bow", GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    assert Registry.installed().effect("bow").name == "bow"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('no licence')", "no licence"),
        ("import a_module_that_is_not_there", "a_module_that_is_not_there"),
        ("def broken(:", "invalid syntax"),
        (GOOD.replace("lp_effects", "lp_efects"), "lp_efects"),
    ],
)
def test_a_plugin_that_does_not_load_is_named_and_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    name = f"lp_test_{tmp_path.name}"
    distribution(tmp_path, name, body)
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry.installed()
    [problem] = registry.problems
    assert name in problem
    assert "skipped" in problem
    assert reason in problem
    assert {"expression", "gaze", "stitch"} <= set(registry.effects)
    assert "bow" not in registry.effects


def test_two_effects_of_one_name_are_an_error_that_names_both_plugins() -> None:
    with pytest.raises(PluginError, match="two plugins add an effect 'nod'") as caught:
        _ = Registry(Adds(Nod), Adds(OtherNod)).effects
    assert __name__ in str(caught.value)


def test_a_misspelt_hook_is_an_error_that_lists_the_hooks() -> None:
    with pytest.raises(PluginError, match="lp_efects") as caught:
        Registry(Misspelt())
    assert "lp_effects, lp_engine, lp_presets" in str(caught.value)


def test_a_parameter_may_not_take_a_word_of_the_hosts() -> None:
    with pytest.raises(PluginError, match="effect 'easy': the word 'ease' is taken by mark"):
        _ = Registry(Adds(Easy)).effects


@dataclass(frozen=True)
class Intense(Effect):
    """Has an intensity of its own."""

    name = "intense"
    intensity: Curve = knob(0.5, low=0, high=1, help="its own")

    def edit(self, scene: Scene) -> Edit:
        return Edit()


def test_an_effect_may_not_bring_an_intensity_of_its_own() -> None:
    with pytest.raises(PluginError, match="effect 'intense': every effect has an intensity already"):
        _ = Registry(Adds(Intense)).effects


def test_an_unknown_effect_is_an_error_that_names_the_nearest_or_the_known_ones() -> None:
    with pytest.raises(UnknownEffectError, match=r"no effect 'nodd'; did you mean nod\?"):
        Registry(Adds(Nod)).effect("nodd")
    with pytest.raises(UnknownEffectError, match=r"no effect 'waltz'; there are: nod"):
        Registry(Adds(Nod)).effect("waltz")


def test_engines_are_found_by_name_and_the_automatic_one_runs_everywhere() -> None:
    registry = Registry.installed()
    assert registry.engine("auto").name == registry.engine("mesh").name == "mesh"
    assert Registry(testing).engine("fake").name == "fake"


def test_an_unknown_engine_is_an_error() -> None:
    with pytest.raises(EngineError, match="no engine 'warp' on 'cpu'"):
        Registry(testing).engine("warp")
    with pytest.raises(EngineError, match=r"no engine 'mehs' on 'cpu'; did you mean mesh\?"):
        Registry(testing).engine("mehs")


def test_a_preset_gives_its_effects_parameters(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text(
        '{"name": "deep", "effect": "nod", "help": "h", "params": {"depth": 0.5, "soft": true, "bend": '
        '[{"time": 0, "value": 0, "interpolation": "smooth"}, {"time": "1/2", "value": 1}]}}'
    )
    preset = Registry(Shelf(tmp_path)).preset("deep")
    assert (preset.effect, preset.help) == ("nod", "h")
    assert preset.params["depth"] == Curve.constant(0.5)
    assert preset.params["soft"] is True
    bend = preset.params["bend"]
    assert isinstance(bend, Curve)
    assert bend.at([0.25]).tolist() == [0.5]


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"name": "a"}',
        '{"name": "a", "effect": "b", "params": 3}',
        '{"name": "a", "effect": "b", "params": {"x": null}}',
        "\xff",
    ],
)
def test_a_broken_preset_is_an_error_that_names_its_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(PluginError, match=r"broken\.json: not a preset"):
        _ = Registry(Shelf(tmp_path)).presets


def test_two_presets_of_one_name_are_an_error(tmp_path: Path) -> None:
    for file in ("a.json", "b.json"):
        (tmp_path / file).write_text('{"name": "same", "effect": "nod"}')
    with pytest.raises(PluginError, match="two presets are called 'same'"):
        _ = Registry(Shelf(tmp_path)).presets


def test_an_unknown_preset_is_an_error_that_names_the_nearest_or_the_first_few(tmp_path: Path) -> None:
    for n in range(10):
        (tmp_path / f"{n}.json").write_text(f'{{"name": "deep-{n}", "effect": "nod"}}')
    with pytest.raises(ParamError, match=r"no preset 'deeep-7'; did you mean deep-7\?"):
        Registry(Shelf(tmp_path)).preset("deeep-7")
    with pytest.raises(ParamError, match=r"there are: deep-0, .*deep-7 and 2 more \(`lp-editor presets` lists them\)$"):
        Registry(Shelf(tmp_path)).preset("zzz")


def test_a_plugin_may_be_any_object() -> None:
    plugin = SimpleNamespace(lp_effects=hookimpl(lambda: [Nod]))
    assert Registry(plugin).effect("nod") is Nod
