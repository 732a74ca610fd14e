"""``models``: the weights that engines may use, downloaded only when asked for."""

from __future__ import annotations

import argparse
import json
from typing import Any

from lp_editor import models
from lp_editor.cli.catalogue import plain_table, show
from lp_editor.errors import WeightsError


def add(commands: Any) -> None:
    """Add the commands."""
    command = commands.add_parser(
        "models", help="list, download and check network weights",
        epilog="examples:\n  lp-editor models list\n  lp-editor models pull human\n  lp-editor models verify\n"
        "  lp-editor models path\n\nHF_ENDPOINT names a mirror of the hub, LP_EDITOR_MODELS another folder.\n",
    )  # fmt: skip
    verbs = command.add_subparsers(dest="verb", required=True, metavar="VERB")
    listed = verbs.add_parser("list", help="what there is, what of it is here, under which licence")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=_list)
    for name, help, example, run in (
        ("pull", "download a set", "landmarks", _pull),
        ("verify", "check the files against their hashes", "human", _verify),
    ):
        examples = f"examples:\n  lp-editor models {name}\n  lp-editor models {name} {example}\n"
        verb = verbs.add_parser(name, help=help, epilog=examples)
        verb.add_argument("set", nargs="?", default="human", metavar="SET", help="human (without it), animals or landmarks")
        verb.set_defaults(run=run)
    verbs.add_parser("path", help="the folder they lie in").set_defaults(run=_path)


def _list(asked: argparse.Namespace) -> int:
    place = models.folder()
    rows = [(one, len(one.files) - len(models.missing(one, place))) for one in models.SETS.values()]
    if asked.json:
        print(json.dumps([{**vars(one), "here": here} for one, here in rows], indent=2))
        return 0
    table = plain_table("models", "here", "what for", "licence")
    for one, here in rows:
        table.add_row(one.name, f"{here} of {len(one.files)} files", one.help, one.licence)
    show(table)
    return 0


def _pull(asked: argparse.Namespace) -> int:
    chosen = models.chosen(asked.set)
    print(f"licence: {chosen.licence}")
    for path in models.pull(chosen, models.folder()):
        print(f"{path}: there and checked")
    return 0


def _verify(asked: argparse.Namespace) -> int:
    wrong = 0
    for name, complaint in models.verify(models.chosen(asked.set), models.folder()):
        wrong += bool(complaint)
        print(f"{name}: {complaint or 'right'}")
    if wrong:
        raise WeightsError(
            f"{wrong} of the files of {asked.set} are not right; run `lp-editor models pull {asked.set}`"
        )
    return 0


def _path(asked: argparse.Namespace) -> int:
    print(models.folder())
    return 0
