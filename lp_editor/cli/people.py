"""``faces``: who is in a film, when, how large, turned how; as a table, JSON, or a picture of each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lp_editor.cli.catalogue import plain_table, show

if TYPE_CHECKING:
    from lp_editor.people import Person


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "faces", help="list the people in a film or picture",
        description="Finds everybody in a film and says who they are by number, for face=id:N in a mark.",
        epilog="examples:\n  lp-editor faces interview.mp4\n  lp-editor faces interview.mp4 --sheet people.png\n"
        "  lp-editor faces interview.mp4 --json\n",
    )  # fmt: skip
    command.add_argument("media", type=Path, help="a film or a picture")
    command.add_argument("--json", action="store_true", help="print JSON, with poses, gaze and openings")
    command.add_argument("--sheet", type=Path, metavar="PNG", help="write a picture of each person")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.set_defaults(run=_faces)


def _faces(asked: argparse.Namespace) -> int:
    from lp_editor.cli.progress import shown
    from lp_editor.media.sink import write_still
    from lp_editor.people import people_in
    from lp_editor.render.sheet import portraits
    from lp_editor.render.stores import cache_folder

    with shown(asked.quiet or asked.json, False) as progress:
        people, pictures = people_in(
            asked.media, cache_folder() / "faces", lambda done, total: progress("faces", done, total), bool(asked.sheet)
        )
    if asked.sheet:
        write_still(asked.sheet, portraits(pictures))
    if asked.json:
        print(json.dumps({"media": str(asked.media), "faces": [asdict(person) for person in people]}, indent=2))
    else:
        _table(people)
    return 0


def _table(people: Sequence[Person]) -> None:
    table = plain_table("face", "from", "to", "frames", "lost", "width", "pitch", "yaw", "roll", "gaze x", "gaze y")
    for p in people:
        size = f"{p.width:.0f} px" if p.widest - p.narrowest < 0.1 * p.width else f"{p.narrowest:.0f}–{p.widest:.0f} px"
        table.add_row(
            f"id:{p.id}", f"{p.first:.2f} s", f"{p.last:.2f} s", str(p.frames), str(p.lost), size,
            f"{p.pitch:+.0f}°", f"{p.yaw:+.0f}°", f"{p.roll:+.0f}°", f"{p.gaze_x:+.0f}°", f"{p.gaze_y:+.0f}°",
        )  # fmt: skip
    show(table)
