"""The hooks a plugin may implement. This file is the whole plugin API.

A plugin is a module (or object) registered under the entry-point group ``lp_editor``; it implements any of these as
functions marked ``@hookimpl``. Hooks are broadcast; everything they add is looked up by name in the `Registry`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from lp_editor.effect import Effect
    from lp_editor.engine import Engine
    from lp_editor.recording import Recording

PROJECT = "lp_editor"
"""The pluggy project and the entry-point group."""

hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)


@hookspec
def lp_effects() -> Iterable[type[Effect]]:  # type: ignore[empty-body]
    """Return the effects this plugin adds. Called once for a registry; two effects of one name are an error."""


@hookspec(firstresult=True)
def lp_engine(name: str, device: str) -> Engine[Any, Any] | None:
    """Return the engine called ``name`` on ``device`` ("cpu", "cuda", …), or None to let another plugin answer."""


@hookspec
def lp_presets() -> Iterable[Path]:  # type: ignore[empty-body]
    """Return folders of presets: ``*.json`` files, each ``{"name", "effect", "help", "params"}``."""


@hookspec(firstresult=True)
def lp_recording(path: Path) -> Recording | None:
    """Return the performance that a file without a picture holds, or None where it is of another kind.

    Raise `MediaError` for a file of yours that is damaged.
    """
