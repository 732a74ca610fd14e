"""There and back: every project file of a folder opened, marked, rendered, saved in its own dialect, and compared.

    python benchmarks/round_trip.py [DIR] [--only NAME]

Of each sequence one clip is marked in its middle and really rendered; its media are a generated stand-in, a portrait at
the clip's rate that bears the clip's timecode. Then the tree that came back is compared with the one that went in: only
the pieces of that clip, and the new media they show, may be there. DIR is the developers' folder of samples without it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from rich.console import Console
from rich.table import Table

from lp_editor import verbs
from lp_editor.demo import film_portrait
from lp_editor.errors import LpEditorError
from lp_editor.registry import Registry
from lp_editor.render.program import Settings
from lp_editor.render.report import silent
from lp_editor.timeline.cut import Shown, cut
from lp_editor.timeline.document import Document, open_document
from lp_editor.timeline.model import Clip, Item, Media, Nest, Project, Track
from lp_editor.timeline.timecode import timecode

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from trees import differences, intended

FRAMES = 60
MARKED = 8
LEAD = 12
"""Frames of the stand-in before the middle of the clip."""


@dataclass(frozen=True)
class Row:
    """What came of one sequence."""

    file: str
    sequence: str
    clip: str
    asked: str
    others: str
    frames: str


def stand_in(film: Path, clip: Clip, at: Fraction, folder: Path) -> Path:
    """A film of a face at a clip's rate, whose timecode is the clip's around a source time."""
    start = Fraction(max(0, round(at * clip.rate) - LEAD)) / clip.rate
    path = folder / "stand-in.mov"
    with av.open(str(film)) as source, av.open(str(path), "w", format="mov") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.metadata["timecode"] = timecode(start, clip.rate)
        for number, packet in enumerate(p for p in source.demux(source.streams.video[0]) if p.pts is not None):
            frame = round((packet.pts or 0) * Fraction(packet.time_base or 0) * 25)
            packet.time_base = 1 / clip.rate
            packet.pts, packet.dts, packet.duration, packet.stream = frame, number - 2, 1, stream
            out.mux(packet)
    return path


def shown(project: Project) -> Iterator[tuple[Clip, int]]:
    """Picture clips that can be marked and rendered, and the clip's frame to mark from."""
    for event in cut(project):
        strip = event.picture.strip if isinstance(event.picture, Shown) else None
        if strip is None or event.count < MARKED + 2 or strip.clip.speed == 0:
            continue
        at = Fraction(event.first + event.count // 2 - MARKED // 2) / project.rate
        yield strip.clip, round((strip.composition_time(at) - strip.clip.record.start) * project.rate)


def with_media(project: Project, path: Path) -> Project:
    """A project in which every clip shows other media."""

    def changed(item: Item) -> Item:
        if isinstance(item, Nest):
            return replace(item, tracks=tuple(map(row, item.tracks)))
        if not isinstance(item, Clip) or item.media.kind == "generator":
            return item
        return replace(item, media=Media("file", path.name, str(path), path, None, item.rate))

    def row(track: Track) -> Track:
        return replace(track, items=tuple(map(changed, track.items)))

    return replace(project, tracks=tuple(map(row, project.tracks)))


def returned(path: Path, name: str | None, film: Path, folder: Path, registry: Registry) -> Row:
    """One sequence there and back."""
    document = open_document(path, name)
    clip, first = next(shown(with_media(document.project, film)), (None, 0))
    if clip is None:
        return Row(path.name, document.source.name, "", "no picture clip that can be rendered", "", "")
    record = clip.record.start + Fraction(first) / document.project.rate
    media = stand_in(film, clip, clip.source_time(record), folder)
    document = replace(document, project=with_media(document.project, media))
    made = verbs.mark(
        document,
        "expression",
        clip=clip.place,
        at=f"{first}f",
        length=f"{MARKED}f",
        params={"smile": "0.6"},
        registry=registry,
    )
    relinked, report = verbs.render_stretches(
        made.document,
        folder / "clips",
        Settings(cache=folder / "cache", force=True),
        registry=registry,
        progress=silent,
    )
    target = folder / path.name
    relinked.save(target)
    return compared(document, path, target, clip, report.frames)


def compared(document: Document, before: Path, after: Path, clip: Clip, frames: int) -> Row:
    """The table's row: nodes that differ as asked, nodes that differ otherwise, frames that show something else."""
    found = differences(before.read_bytes(), after.read_bytes())
    asked = sum(len(d.came) for d in found if intended(d))
    others = [f"{d.where}: {d.gone} → {d.came}" for d in found if not intended(d)]
    again = open_document(after, document.source.name)
    moved = frames_moved(open_document(before, document.source.name).project, again.project, clip)
    return Row(
        before.name, document.source.name, clip.place, f"{asked} nodes, a file of {frames} frames",
        "; ".join(others) or "none", f"{moved} of others moved",
    )  # fmt: skip


def frames_moved(before: Project, after: Project, clip: Clip) -> int:
    """How many frames of other clips show another source frame than before, or lie elsewhere."""

    def rows(project: Project) -> set[tuple[Fraction, Fraction, Fraction, str]]:
        return {
            (c.record.start, c.record.duration, c.source.start, c.place.split("/")[0])
            for c in project.clips() if c.record.intersect(clip.record) is None or c.name != clip.name
        }  # fmt: skip

    return sum(int(d * before.rate) for _, d, _, _ in rows(before) - rows(after))


def main() -> int:
    """Read the command line, print the table; 1 where anything but what was asked for differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parent.parent.parent / "shared" / "nle_samples"
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    parser.add_argument("--only", help="files whose name has this in it")
    asked = parser.parse_args()
    registry = Registry.installed()
    rows: list[Row] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        film = folder / "film.mp4"
        film_portrait(film, silent, FRAMES)
        for path in sorted(p for p in asked.folder.iterdir() if p.suffix in (".otio", ".xml", ".fcpxml")):
            if asked.only and asked.only not in path.name:
                continue
            try:
                for sequence in dict.fromkeys(open_document(path).sequences):
                    print(f"{path.name}: {sequence}", file=sys.stderr, flush=True)
                    rows.append(returned(path, sequence, film, folder, registry))
            except LpEditorError as error:
                rows.append(Row(path.name, "", "", f"refused: {error}".replace(str(path.parent), ""), "", ""))
    table = Table("file", "sequence", "clip", "as asked", "anything else", "frames")
    for row in rows:
        table.add_row(row.file, row.sequence, row.clip, row.asked, row.others, row.frames)
    Console(width=180).print(table)
    return int(any(row.others not in ("", "none") for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
