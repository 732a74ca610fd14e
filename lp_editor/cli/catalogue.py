"""``effects`` and ``presets``: what can be marked."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lp_editor import personal
from lp_editor.cli.plain import plain, raw
from lp_editor.effect import Effect, Parameter, parameters
from lp_editor.errors import OutputError, ParamError
from lp_editor.registry import Registry
from lp_editor.summary import effect_json, marked_on, preset_json


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
        "presets", help="list the presets, save a mark as one, remove one of yours",
        epilog="examples:\n  lp-editor presets\n  lp-editor mark cut.otio --at 2s --for 1s preset=warm-smile intensity=0.6\n"
        "  lp-editor presets save cut.otio s1 my-smile --about 'hers, with the left brow'\n  lp-editor presets remove my-smile\n",
    )  # fmt: skip
    presets.add_argument("--json", action="store_true", help="print JSON")
    presets.set_defaults(run=_presets)
    actions = presets.add_subparsers(dest="action", metavar="ACTION")
    save = actions.add_parser(
        "save", help="save a mark's effect and parameters as a preset of yours",
        epilog="example:\n  lp-editor presets save cut.otio s1 my-smile --about 'hers, with the left brow'\n",
    )  # fmt: skip
    save.add_argument("project", type=Path)
    save.add_argument("segment", metavar="ID", help="the id of the mark; `inspect` lists them")
    save.add_argument("name", help="what to call it: small letters, digits, hyphens")
    save.add_argument("--about", default="", metavar="TEXT", help="what it does, for the list")
    save.add_argument("--force", action="store_true", help="in the place of one of yours of this name")
    save.set_defaults(run=_save_preset)
    remove = actions.add_parser(
        "remove", help="remove a preset of yours", epilog="example:\n  lp-editor presets remove my-smile\n"
    )
    remove.add_argument("name")
    remove.set_defaults(run=_remove_preset)


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


LONG = 1000
"""Rows from which on a table is set without a frame, each on one line: laying out twenty thousand took half a minute."""


def _plain_lines(table: Table) -> Iterator[str]:
    """A table's heads and rows, cells padded to the widest of each column."""
    columns = [[str(c).replace("\n", "; ") for c in (column.header, *column.cells)] for column in table.columns]
    widths = [max(map(len, cells)) for cells in columns]
    for row in zip(*columns, strict=True):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def show(table: Table) -> None:
    """Print a table as wide as it needs where nobody's terminal limits it."""
    out = raw(sys.stdout)
    console = Console(file=out)
    console = console if console.is_terminal else Console(file=out, width=160)
    if table.row_count > LONG:
        print("\n".join(_plain_lines(table)), file=out if console.is_terminal else sys.stdout)
        return
    with console.capture() as text:
        console.print(table)
    # not by the console: it ends the program itself where nobody reads on
    print(text.get(), end="", file=out if console.is_terminal else sys.stdout)


def _effects(asked: argparse.Namespace) -> int:
    registry = installed()
    chosen = {asked.name: registry.effect(asked.name)} if asked.name else registry.effects
    if asked.json:
        print(json.dumps([effect_json(e) for e in chosen.values()], indent=2))
        return 0
    if asked.name:
        effect = chosen[asked.name]
        print(f"{effect.name}: {inspect.getdoc(effect)}\n")
        table = plain_table("parameter", "range", "default", "what it does")
        for p in parameters(effect):
            table.add_row(p.name, _range(p), "as filmed" if p.default is None else str(p.default), p.help)
    else:
        table = plain_table("effect", "on", "what it does")
        for name, effect in chosen.items():
            table.add_row(name, marked_on(effect), _first_line(effect))
    show(table)
    return 0


def _first_line(effect: type[Effect]) -> str:
    return (inspect.getdoc(effect) or "").split("\n")[0]


def _range(p: Parameter) -> str:
    if p.choices:
        return " | ".join(p.choices)
    if p.low is None or p.high is None:
        return p.kind
    return f"{p.low:g} … {p.high:g} {p.unit}".strip()


def _presets(asked: argparse.Namespace) -> int:
    registry = installed()
    if asked.json:
        print(json.dumps([preset_json(p) for p in registry.presets.values()], indent=2))
        return 0
    table = plain_table("preset", "effect", "what it does")
    for preset in registry.presets.values():
        table.add_row(preset.name, preset.effect, preset.help)
    show(table)
    return 0


def _save_preset(asked: argparse.Namespace) -> int:
    from lp_editor import verbs

    registry = installed()
    document = verbs.open_project(asked.project, registry=registry)
    path = verbs.save_preset(
        document, asked.segment, asked.name, asked.about, force=asked.force, registry=registry
    )  # fmt: skip
    print(f"saved {path}; use it with: lp-editor mark PROJECT --at TIME preset={asked.name}")
    return 0


def _remove_preset(asked: argparse.Namespace) -> int:
    path = personal.file_of(asked.name)
    try:
        path.unlink()
    except FileNotFoundError:
        raise ParamError(f"you have no preset {asked.name!r}; yours lie in {path.parent}") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be removed ({error.strerror})") from None
    print(f"removed {path}")
    return 0
