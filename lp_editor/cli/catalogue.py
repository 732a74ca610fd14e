"""``effects`` and ``presets``: what can be marked."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lp_editor.cli.plain import plain, raw
from lp_editor.effect import Effect, JointEffect, Parameter, parameters
from lp_editor.registry import Preset, Registry
from lp_editor.timeline.curve import value_to_json


def add(commands: Any) -> None:
    """Add the commands."""
    effects = commands.add_parser(
        "effects", help="list the effects, or the parameters of one",
        epilog="examples:\n  lp-editor effects\n  lp-editor effects expression\n  lp-editor effects --json\n",
    )  # fmt: skip
    effects.add_argument("name", nargs="?", help="an effect, to see its parameters")
    effects.add_argument("--json", action="store_true", help="print JSON")
    effects.set_defaults(run=_effects)
    presets = commands.add_parser(
        "presets", help="list the presets",
        epilog="examples:\n  lp-editor presets\n  lp-editor mark cut.otio --at 2s --for 1s preset=warm-smile\n",
    )  # fmt: skip
    presets.add_argument("--json", action="store_true", help="print JSON")
    presets.set_defaults(run=_presets)


def installed() -> Registry:
    """The registry; plugins that did not load are named on the standard error."""
    registry = Registry.installed()
    for problem in registry.problems:
        print(f"note: {problem}", file=sys.stderr)
    return registry


class PlainTable(Table):
    """A table of texts as they are: square brackets in a name are no markup, and control characters show as numbers."""

    def add_row(self, *cells: Any, **settings: Any) -> None:
        """Add a row of texts."""
        super().add_row(*(Text(plain(str(cell))) for cell in cells), **settings)


def plain_table(*columns: str) -> Table:
    """A table that reads well on a terminal and in a file."""
    table = PlainTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def show(table: Table) -> None:
    """Print a table as wide as it needs where nobody's terminal limits it."""
    out = raw(sys.stdout)
    console = Console(file=out)
    console = console if console.is_terminal else Console(file=out, width=160)
    with console.capture() as text:
        console.print(table)
    # not by the console: it ends the program itself where nobody reads on
    print(text.get(), end="", file=out if console.is_terminal else sys.stdout)


def _effects(asked: argparse.Namespace) -> int:
    registry = installed()
    chosen = {asked.name: registry.effect(asked.name)} if asked.name else registry.effects
    if asked.json:
        print(json.dumps([_effect_json(e) for e in chosen.values()], indent=2))
        return 0
    if asked.name:
        effect = chosen[asked.name]
        print(f"{effect.name}: {inspect.getdoc(effect)}\n")
        table = plain_table("parameter", "range", "default", "what it does")
        for p in parameters(effect):
            table.add_row(p.name, _range(p), str(p.default), p.help)
    else:
        table = plain_table("effect", "on", "what it does")
        for name, effect in chosen.items():
            table.add_row(name, _on(effect), _first_line(effect))
    show(table)
    return 0


def _on(effect: type[Effect]) -> str:
    return "a cut" if issubclass(effect, JointEffect) else "a stretch"


def _first_line(effect: type[Effect]) -> str:
    return (inspect.getdoc(effect) or "").split("\n")[0]


def _range(p: Parameter) -> str:
    if p.choices:
        return " | ".join(p.choices)
    if p.low is None or p.high is None:
        return p.kind
    return f"{p.low:g} … {p.high:g} {p.unit}".strip()


def _effect_json(effect: type[Effect]) -> dict[str, Any]:
    return {
        "name": effect.name, "on": _on(effect), "help": inspect.getdoc(effect),
        "parameters": [vars(p) for p in parameters(effect)],
    }  # fmt: skip


def _presets(asked: argparse.Namespace) -> int:
    registry = installed()
    if asked.json:
        print(json.dumps([_preset_json(p) for p in registry.presets.values()], indent=2))
        return 0
    table = plain_table("preset", "effect", "what it does")
    for preset in registry.presets.values():
        table.add_row(preset.name, preset.effect, preset.help)
    show(table)
    return 0


def _preset_json(preset: Preset) -> dict[str, Any]:
    params = {name: value_to_json(value) for name, value in preset.params.items()}
    return {"name": preset.name, "effect": preset.effect, "help": preset.help, "params": params}
