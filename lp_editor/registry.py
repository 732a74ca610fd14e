"""Finds plugins and looks up what they add, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pluggy import PluginManager, PluginValidationError

from lp_editor import hooks, personal
from lp_editor.effect import RESERVED, Effect, parameters
from lp_editor.engine import Engine
from lp_editor.errors import (
    EngineError,
    LpEditorError,
    ParamError,
    PluginError,
    UnknownEffectError,
    instead,
    nearest,
)
from lp_editor.recording import Recording
from lp_editor.timeline import stored
from lp_editor.timeline.curve import value_from_json
from lp_editor.timeline.model import ParamValue

SHARED = fields(Effect)
"""What every effect on a stretch has."""

AUTOMATIC = ("liveportrait", "mesh")
"""What ``--engine auto`` tries, best first."""


@dataclass(frozen=True)
class Preset:
    """A named set of parameters of one effect."""

    name: str
    effect: str
    help: str
    params: Mapping[str, ParamValue] = field(default_factory=dict)


class Registry:
    """The effects, engines and presets of some plugins; by default of every installed one."""

    def __init__(self, *plugins: object) -> None:
        self._pm = PluginManager(hooks.PROJECT)
        self._pm.add_hookspecs(hooks)
        self.problems: list[str] = []
        """Plugins that did not load, each with its reason; they are skipped."""
        self._remade: tuple[Callable[..., Registry], tuple[object, ...]] = (Registry, plugins)
        self._own: Path | None = None
        for plugin in plugins:
            self._register(plugin, None)

    def __reduce__(self) -> tuple[Callable[..., Registry], tuple[object, ...]]:
        """In another process: its installed plugins, or the same ones again."""
        return self._remade

    @classmethod
    def installed(cls) -> Registry:
        """The plugins installed in this environment, ours and everyone else's alike, and the user's own presets."""
        registry = cls()
        registry._remade = (Registry.installed, ())
        registry._own = personal.folder()
        for entry in sorted(entry_points(group=hooks.PROJECT), key=lambda e: e.name):
            try:
                registry._register(entry.load(), entry.name)
            except Exception as error:  # a stranger's code may raise anything on import
                registry.problems.append(f"plugin {entry.name!r} ({entry.value}) skipped: {error}")
        return registry

    def _register(self, plugin: object, name: str | None) -> None:
        """Add one plugin whole, or leave nothing of it behind."""
        self._pm.register(plugin, name)
        try:
            self._pm.check_pending()
        except PluginValidationError as error:
            self._pm.unregister(plugin)
            raise PluginError(f"{error}; the hooks are: {', '.join(_hook_names())}") from None

    @cached_property
    def effects(self) -> Mapping[str, type[Effect]]:
        """Every effect, by name."""
        found: dict[str, type[Effect]] = {}
        for effect in (e for added in self._pm.hook.lp_effects() for e in added):
            if effect.name in found:
                one, other = found[effect.name].__module__, effect.__module__
                raise PluginError(f"two plugins add an effect {effect.name!r}: {one} and {other}")
            for parameter in parameters(effect):
                if parameter.name in RESERVED:
                    raise PluginError(f"effect {effect.name!r}: the word {parameter.name!r} is taken by mark")
            if any(f.name == own.name and f is not own for f in fields(effect) for own in SHARED):
                raise PluginError(
                    f"effect {effect.name!r}: every effect has an intensity already; call its own otherwise"
                )
            found[effect.name] = effect
        return dict(sorted(found.items()))

    def effect(self, name: str) -> type[Effect]:
        """The effect called ``name``."""
        try:
            return self.effects[name]
        except KeyError:
            raise UnknownEffectError(f"no effect {name[:60]!r}; {instead(name, self.effects, 'lp-editor effects')}") from None

    def engine(self, name: str = "auto", device: str = "cpu") -> Engine[Any, Any]:
        """The engine called ``name``, or the best one that runs here for ``auto``."""
        for wanted in AUTOMATIC if name == "auto" else (name,):
            engine: Engine[Any, Any] | None = self._pm.hook.lp_engine(name=wanted, device=device)
            if engine is not None:
                return engine
        if name.startswith("liveportrait"):
            raise EngineError("the engine liveportrait has no weights here; run `lp-editor models pull`, or take mesh")
        near = "" if name in AUTOMATIC else nearest(name, AUTOMATIC)
        hint = f"did you mean {near}?" if near else "mesh runs everywhere"
        raise EngineError(f"no engine {name[:60]!r} on {device!r}; {hint}")

    def recording(self, path: Path) -> Recording | None:
        """The performance that a file without a picture holds; None for a file that no plugin knows by its name."""
        found: Recording | None = self._pm.hook.lp_recording(path=path)
        return found

    @cached_property
    def presets(self) -> Mapping[str, Preset]:
        """Every preset, by name."""
        found: dict[str, Preset] = {}
        for folder in (Path(f) for added in self._pm.hook.lp_presets() for f in added):
            for file in sorted(folder.glob("*.json")):
                preset = _read_preset(file)
                if preset.name in found:
                    raise PluginError(f"two presets are called {preset.name!r}; one is {file}")
                found[preset.name] = preset
        for file in sorted(self._own.glob("*.json")) if self._own else ():
            preset = _read_preset(file)
            found[preset.name] = preset  # the user's own stands, whatever a plugin calls the same one day
        return dict(sorted(found.items()))

    def preset(self, name: str) -> Preset:
        """The preset called ``name``."""
        try:
            return self.presets[name]
        except KeyError:
            raise ParamError(f"no preset {name[:60]!r}; {instead(name, self.presets, 'lp-editor presets')}") from None


def _hook_names() -> list[str]:
    return [name for name in vars(hooks) if name.startswith("lp_")]


def _read_preset(file: Path) -> Preset:
    try:
        kept = stored.read(file)
        params = {str(k): value_from_json(v) for k, v in kept.get("params", {}).items()}
        return Preset(str(kept["name"]), str(kept["effect"]), str(kept.get("help", "")), params)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, LpEditorError) as error:
        raise PluginError(f"{file}: not a preset ({error}); it needs name, effect and params") from None
