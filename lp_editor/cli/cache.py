"""``cache``: what is kept from earlier work, and getting rid of it."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(commands: Any) -> None:
    """Add the command."""
    from lp_editor.cli import Parser

    cache = commands.add_parser(
        "cache", help="show, clear or check what is kept from earlier renders",
        description="The cache lies where LP_EDITOR_CACHE says. LP_EDITOR_CACHE_LIMIT (100GB without it, none for no\n"
        "limit) is what it may hold: what was used longest ago goes first, nothing that a running render needs.",
        epilog="examples:\n  lp-editor cache show\n  lp-editor cache clear --only chunks\n  lp-editor cache verify\n",
    )  # fmt: skip
    actions = cache.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=Parser)
    show = actions.add_parser("show", help="what is in it, by kind", epilog="example:\n  lp-editor cache show --json\n")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_show)
    clear = actions.add_parser(
        "clear", help="delete all of it, but for what running renders need",
        epilog="examples:\n  lp-editor cache clear\n  lp-editor cache clear --only patches\n",
    )  # fmt: skip
    clear.add_argument(
        "--only", action="append", choices=("chunks", "patches", "faces", "speech", "voices", "networks"),
        help="only this kind",
    )
    clear.set_defaults(run=_clear)
    verify = actions.add_parser(
        "verify", help="read all of it; delete what is damaged, so that it is made again",
        epilog="example:\n  lp-editor cache verify\n",
    )  # fmt: skip
    verify.add_argument("--quiet", action="store_true", help="no progress")
    verify.set_defaults(run=_verify)


def _show(asked: argparse.Namespace) -> int:
    import json

    from lp_editor.cli.catalogue import plain_table, show
    from lp_editor.render.cache import KINDS, entries, limit
    from lp_editor.render.stores import cache_folder

    folder, most = cache_folder(), limit()
    found = list(entries(folder))
    rows = {kind: [e for e in found if e.kind == kind] for kind in KINDS}
    if asked.json:
        kinds = {kind: {"entries": len(row), "bytes": sum(e.size for e in row)} for kind, row in rows.items()}
        print(json.dumps({"folder": str(folder), "limit": most, "kinds": kinds}, indent=2))
        return 0
    table = plain_table("kind", "entries", "size")
    for kind, row in rows.items():
        table.add_row(kind, str(len(row)), size_text(sum(e.size for e in row)))
    show(table)
    whole = size_text(sum(e.size for e in found))
    print(f"{folder}: {whole} of {size_text(most) if most is not None else 'no limit'}")
    return 0


def _clear(asked: argparse.Namespace) -> int:
    from lp_editor.render.cache import KINDS, check_folder, clear, oldest_running
    from lp_editor.render.stores import cache_folder

    folder = cache_folder()
    check_folder(folder)
    gone = clear(folder, asked.only or KINDS)
    print(f"{folder}: {size_text(gone)} deleted")
    if oldest_running(folder) is not None:
        print("note: a render is running; what it has made and used was left", file=sys.stderr)
    return 0


def _verify(asked: argparse.Namespace) -> int:
    from lp_editor.cli.progress import shown
    from lp_editor.render.cache import SEALED, damaged, entries, sweep_all
    from lp_editor.render.stores import cache_folder

    folder = cache_folder()
    sweep_all(folder)
    total, bad = sum(1 for _ in entries(folder, SEALED)), 0
    with shown(asked.quiet, False) as progress:
        for done, (entry, broken) in enumerate(damaged(folder), 1):
            progress("check", done, max(total, done))
            if broken:
                bad += 1
                entry.path.unlink(missing_ok=True)
                print(f"{entry.path}: damaged, deleted")
    print(f"{folder}: {total} entries, {bad} damaged")
    return 0


def size_text(size: int) -> str:
    """Bytes as people read them."""
    for unit, power in (("GB", 9), ("MB", 6), ("KB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{size} bytes"
