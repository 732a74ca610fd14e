"""Coming back: random edits of exported projects, a lossy export, and how many frames are rendered again.

    python benchmarks/returned.py [--rounds 34] [--only .xml] [--engine fake]

A film of a face is cut into five clips, the middle of each is marked, one plays at half speed. What is marked is rendered
and the project written, with its renders in it. Then, round by round, an editor trims, slips, splits, doubles, retimes and
draws out the clips, and an application exports them with losses: without our metadata and comments, with other ids, names
and URLs. Every other round the sidecar is gone, in the others the list of renders. What came back is opened and rendered.

- *recognised*: renders that show the same moments of the original again, editable, of all that came back
- *asked again*: faces that the engine was asked for though it had made them before, of all it was asked for
- *encoded*: frames that were encoded in these rounds, and in brackets those of them that a render had shown before
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from lp_editor import Patch, Registry, hookimpl, testing, verbs
from lp_editor.demo import film_portrait
from lp_editor.face import FacePicture
from lp_editor.plugins import expression
from lp_editor.render.chunks import ChunkWork
from lp_editor.render.program import Settings
from lp_editor.render.report import silent
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Item, Media, Project, Span, Track
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.returned import MANIFEST

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "timeline"))
from counting import name_of
from test_returned import came_back, shows_the_original, without_ours

RATE = Fraction(25)
FRAMES, CLIPS, EACH, MARKED = 400, 5, 60, 20


@dataclass
class Engine(testing.FakeEngine):
    """Notes every face it is asked for."""

    asked: list[str] = field(default_factory=list)

    @hookimpl
    def lp_engine(self, name: str, device: str) -> Engine | None:
        """Itself."""
        return self if name == "fake" else None

    def synthesize(
        self, look: testing.FakeLook, faces: Sequence[FacePicture], filmed: Sequence[Any], motions: Sequence[Any]
    ) -> list[Patch | None]:
        """As ever."""
        self.asked += [
            f"{name_of(face)} {motion.held.tobytes()!r}" for face, motion in zip(faces, motions, strict=True)
        ]
        return super().synthesize(look, faces, filmed, motions)

    def synthesize_several(
        self, looks: Sequence[testing.FakeLook], faces: Sequence[FacePicture], filmed: Sequence[Any], motions: Sequence[Any]
    ) -> list[Patch | None]:  # fmt: skip
        """As ever."""
        return self.synthesize(looks[0], faces, filmed, motions)


@dataclass
class Tally:
    """What came of all rounds of a dialect."""

    edits: int = 0
    right: int = 0
    asked: int = 0
    again: int = 0
    encoded: int = 0
    twice: int = 0


def sent_out(film: Path, folder: Path, suffix: str, settings: Settings, registry: Registry) -> tuple[Document, list[Rendered], Path]:
    """The cut, rendered and written; the document before that, what was rendered, the file."""
    items: list[Item] = []
    for n in range(CLIPS):
        speed = Fraction(1, 2) if n == 3 else Fraction(1)
        path = folder / f"A {n}.mov"
        if not path.exists():
            shutil.copy(film, path)
        media = Media("file", path.name, str(path), path, Span(Fraction(0), FRAMES / RATE), RATE)
        source = Span((100 + 7 * n) / RATE, EACH / RATE * speed)
        record = Span(EACH * n / RATE, EACH / RATE)
        items.append(Clip("", f"shot {n}", media, source, record, RATE, speed, place=f"V1/{n + 1}"))
    document = new_document(folder / "cut.otio", Project("cut", RATE, Fraction(0), (Track("V1", "video", tuple(items)),)))
    for n in range(CLIPS):
        document = verbs.mark(
            document, "expression", clip=f"V1/{n + 1}", at="20f", length=f"{MARKED}f",
            params={"smile": 0.1 + 0.1 * n, "ease": "0"}, registry=registry,
        ).document  # fmt: skip
    relinked, report = verbs.render_stretches(document, folder / "renders", settings, registry=registry)
    out = relinked.save(folder / f"sent{suffix}", "", (1280, 720)).path
    return document, list(report.renders), out


def main() -> int:
    """Read the command line, print the table; 1 where too little is recognised or a face is asked for again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=34)
    parser.add_argument("--only", choices=(".xml", ".fcpxml", ".otio"))
    asked = parser.parse_args()
    table = Table("dialect", "renders that came back", "recognised", "asked again", "encoded")
    good = True
    with TemporaryDirectory() as name:
        film = Path(name) / "film.mp4"
        film_portrait(film, silent, FRAMES)
        for suffix in (asked.only,) if asked.only else (".xml", ".fcpxml", ".otio"):
            tally = rounds(film, Path(name) / suffix[1:], suffix, asked.rounds)
            good = good and tally.right >= 0.99 * tally.edits and not tally.again
            table.add_row(
                suffix, str(tally.edits), f"{100 * tally.right / tally.edits:.1f} %", f"{tally.again} of {tally.asked}",
                f"{tally.encoded} ({tally.twice})",
            )  # fmt: skip
    Console(width=120).print(table)
    return int(not good)


def rounds(film: Path, folder: Path, suffix: str, count: int) -> Tally:
    """Some rounds of one dialect; the cache is kept from each to the next, as an editor's is."""
    engine, tally, chance = Engine(), Tally(), random.Random(5)
    registry = Registry(expression, engine)
    folder.mkdir()
    settings = Settings(engine="fake", cache=folder / "cache", handles=8, force=True)
    shown: set[tuple[str, ...]] = set()
    watch(shown)
    document, rendered, sent = sent_out(film, folder, suffix, settings, registry)
    manifest = folder / "renders" / MANIFEST
    listed = manifest.read_bytes()
    if suffix == ".otio":
        sent.write_text(json.dumps(without_ours(json.loads(sent.read_text()))))
    for number in range(count):
        print(f"{suffix} {number + 1}/{count}", end="\r", file=sys.stderr, flush=True)
        manifest.write_bytes(listed)
        (folder / f"back{suffix}.lp.json").unlink(missing_ok=True)
        back, renders = came_back(sent, chance, folder, number % 2 == 0)
        now = {c.place: c for c in back.project.clips()}
        for clip in renders:
            tally.edits += 1
            tally.right += shows_the_original(now[clip.place], clip, document, rendered)
        made = len(engine.asked)
        known = set(engine.asked)
        before = set(shown)
        report = verbs.render_stretches(back, folder / f"again{number}", settings, registry=registry)[1]
        fresh = engine.asked[made:]
        tally.asked += len(fresh)
        tally.again += sum(face in known for face in fresh) + len(fresh) - len(set(fresh))
        tally.encoded += report.rendered
        tally.twice += report.rendered - len(shown - before)
    return tally


def watch(shown: set[tuple[str, ...]]) -> None:
    """Note what every frame that is encoded shows: its moment of the media, at which speed, what is asked of its faces."""
    make = ChunkWork._make

    def noting(self: ChunkWork, chunk: Any) -> None:
        strip, rate = chunk.node.strip, self.stage.plan.rate
        for frame in range(chunk.first, chunk.first + chunk.count):
            moment = strip.source_time(Fraction(frame) / rate), strip.clip.speed * strip.pace
            shown.add(tuple(map(repr, (*moment, *self.stage.describe(chunk.node, frame, 1)))))
        make(self, chunk)

    ChunkWork._make = noting  # type: ignore[method-assign]


if __name__ == "__main__":
    raise SystemExit(main())
