"""``provenance``: what was changed in a rendered file, by which effect and engine, where, and with whose consent."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lp_editor.cli.catalogue import plain_table, show

if TYPE_CHECKING:
    from lp_editor.render.provenance import Provenance


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "provenance", help="tell what was changed in a rendered file, by what, where, with whose consent",
        description="Reads what lp-editor wrote into a film it rendered, into the JSON of an image sequence, or of every\n"
        "file of a round trip into the sidecar of its project.",
        epilog="examples:\n  lp-editor provenance finished.mp4\n  lp-editor provenance rendered/cut.otio --json\n"
        '  lp-editor render cut.otio -o finished.mp4 --consent "Anna K., release of 3 May, folder 12"\n',
    )  # fmt: skip
    command.add_argument("file", type=Path, help="a film, a frame or the .json of a sequence, a project or its .lp.json")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_provenance)


def _provenance(asked: argparse.Namespace) -> int:
    from lp_editor.render.records import records_of

    found = records_of(asked.file)
    if asked.json:
        told = [{"file": name, "provenance": record.to_json()} for name, record in found]
        print(json.dumps({"file": str(asked.file), "renders": told}, indent=2, ensure_ascii=False))
        return 0
    if not found:
        print(f"{asked.file} bears no provenance of lp-editor: it was not rendered by it, or its metadata was taken away")
    for number, (name, record) in enumerate(found):
        _tell(name, record, "" if number == 0 else "\n")
    return 0


def _tell(name: str, record: Provenance, before: str = "", word: str = "rendered by") -> None:
    weights = f", weights {record.weights}" if record.weights else ""
    print(f"{before}{name}: {word} lp-editor {record.version}, engine {record.engine}{weights}")
    if record.fingerprint:
        print(f"engine in full: {record.fingerprint}")
    if record.project:
        print(f"project: {record.project}")
    print(f"consent: {record.consent}" if record.consent else "consent: no record was given")
    if record.changes:
        show(_table(record))
    else:
        print("no face was changed")
    if record.left_out:
        print(f"{record.left_out} changes more are not in the file itself, but in the project's sidecar")
    for earlier in record.earlier:
        _tell(name, earlier, "\n", "its footage was rendered by")


def _table(record: Provenance) -> Any:
    table = plain_table("effect", "clip", "source", "record", "frames in file", "face", "footage", "what")
    for change in record.changes:
        table.add_row(
            change.effect, f"{change.clip} ({change.place})", _span(change.source), _span(change.record),
            f"{change.frames[0]} to {sum(change.frames) - 1}", change.face, change.media, change.what,
        )  # fmt: skip
    return table


def _span(codes: Sequence[str]) -> str:
    return f"{codes[0]} to {codes[1]}"
