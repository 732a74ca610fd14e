"""``demo``: a small real project made, marked and rendered on the spot."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "demo", help="make, mark and render a small project",
        description="Makes a clip with sound from a public-domain portrait (or takes yours), cuts it in three with a\n"
        "jump cut, marks it with every effect there is, and renders it. Leaves project.otio, finished.mp4,\n"
        "finished.otio and contact.png.",
        epilog="examples:\n  lp-editor demo --out demo\n  lp-editor demo --out demo --media interview.mov\n",
    )  # fmt: skip
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write it all")
    command.add_argument("--media", type=Path, metavar="VIDEO", help="your own video instead of the portrait")
    command.add_argument("--engine", default="auto", metavar="NAME", help="auto or mesh")
    command.add_argument("--force", action="store_true", help="overwrite what is there")
    command.add_argument("--quiet", action="store_true", help="no progress")
    command.set_defaults(run=_demo)


def _demo(asked: argparse.Namespace) -> int:
    from lp_editor.cli.catalogue import installed
    from lp_editor.cli.progress import shown
    from lp_editor.demo import make_demo

    with shown(asked.quiet, False) as progress:
        made = make_demo(asked.out, asked.media, installed(), asked.engine, asked.force, progress)
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    for path in made.files:
        print(path)
    return 0
