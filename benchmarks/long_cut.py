"""How long a cut of many clips takes to be exported in every dialect, and to be saved with marks in its own.

    python benchmarks/long_cut.py [--clips 20000] [--marks 5 500] [--profile fcpxml]

Half of the clips are pictures, half their sounds, of one film for every forty of them. Times are a processor's, not the
clock's. ``export`` writes the cut in a dialect that it did not come in; ``open`` reads what was written; ``marked`` opens,
marks and saves it; ``rendered`` does so with every mark rendered, so that clips are split.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Literal

from lp_editor.marking import with_markers
from lp_editor.registry import Registry
from lp_editor.timeline.document import Document, new_document, open_document
from lp_editor.timeline.model import Clip, Item, Media, Project, Segment, Span, Track
from lp_editor.timeline.relink import Rendered

RATE = Fraction(25)
LENGTH = 20
"""Frames of a clip."""

SIZE = (1920, 1080)

NAMES = {"otio": "a.otio", "resolve": "r.otio", "premiere": "p.xml", "fcpxml": "f.fcpxml", "edl": "e.edl"}


def long_cut(clips: int, folder: Path) -> Project:
    """A cut of many clips without marks."""

    def row(kind: Literal["video", "audio"]) -> Track:
        items: list[Item] = []
        for i in range(clips // 2):
            path = folder / f"film{i // 40}.mov"
            media = Media("file", path.name, str(path), path, Span(Fraction(3600), Fraction(600)), RATE, f"A{i // 40:03d}")
            source = Span(3600 + Fraction(i % 40 * 200) / RATE, Fraction(LENGTH) / RATE)
            items.append(Clip("", f"shot {i}", media, source, Span(Fraction(i * LENGTH) / RATE, source.duration), RATE,
                              place=f"{kind[0].upper()}1/{i + 1}"))  # fmt: skip
        return Track(f"{kind[0].upper()}1", kind, tuple(items))

    return Project("long", RATE, Fraction(3600), (row("video"), row("audio")))


def marked(project: Project, marks: int) -> Project:
    """A cut with marks on as many of its pictures, spread over all of it."""
    track = project.tracks[0]
    step = max(1, len(track.items) // max(1, marks))
    items = list(track.items)
    for number, at in enumerate(range(0, len(items), step)):
        clip = items[at]
        assert isinstance(clip, Clip)
        span = Span(clip.source.start + 4 / RATE, 10 / RATE)
        items[at] = replace(clip, segments=(Segment(f"s{number}", "expression", span, {"smile": 0.5}),))
    return replace(project, tracks=(replace(track, items=tuple(items)), *project.tracks[1:]))


def rendered(project: Project, folder: Path) -> list[Rendered]:
    """What the middle of each marked clip would be rendered to."""
    made = []
    for clip in project.clips():
        for segment in clip.segments:
            around = Span(segment.span.start - 2 / RATE, segment.span.duration + 4 / RATE)
            record = clip.record_span(segment.span)
            made.append(Rendered(clip.place, record, folder / f"{segment.id}.mov", around, segment.span))
    return made


def timed(what: str, work: Callable[[], Document], profiled: str) -> Document:
    """Do something, and print how long it took."""
    profile = cProfile.Profile()
    wanted = bool(profiled) and profiled in what
    began = process_time()
    done = profile.runcall(work) if wanted else work()
    print(f"{what:24} {process_time() - began:6.2f} s", flush=True)
    if wanted:
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
    return done


def run(clips: int, marks: int, profiled: str, folder: Path) -> None:
    """All of it with one number of marks."""
    print(f"{clips} clips, {marks} marks")
    registry = Registry.installed()
    plain = long_cut(clips, folder)
    began = new_document(folder / "cut.otio", plain)
    native = began.replace(marked(began.project, marks))
    foreign = began.save(folder / "bare.xml", size=SIZE)
    foreign = foreign.replace(marked(foreign.project, marks))
    for dialect, name in NAMES.items():
        start = foreign if name.endswith(".otio") else native
        timed(f"export {dialect}", partial(start.save, folder / f"{marks}{name}", dialect, SIZE), profiled)
    for dialect, name in NAMES.items():
        if dialect == "edl":
            continue
        bare = began if name.endswith(".otio") else native.replace(began.project)
        path = bare.save(folder / f"bare{name}", dialect, SIZE).path
        there = timed(f"open {dialect}", partial(opened, path, registry), profiled)
        again = there.replace(marked(there.project, marks))
        target = folder / f"again{name}"
        timed(f"marked {dialect}", partial(again.save, target, dialect, SIZE), profiled)
        timed(f"marked, open {dialect}", partial(opened, target, registry), profiled)
        made = rendered(again.project, folder)
        timed(f"rendered {dialect}", lambda d=again, t=target, m=made: d.relinked(m).save(t), profiled)  # type: ignore[misc]
        timed(f"above {dialect}", lambda d=there, t=target, m=made: d.relinked(m, True).save(t), profiled)  # type: ignore[misc]


def opened(path: Path, registry: Registry) -> Document:
    """A project as a user opens it: what its markers ask for is understood."""
    return with_markers(open_document(path, rate=RATE), registry)


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--marks", type=int, nargs="+", default=[5, 500])
    parser.add_argument("--profile", default="", metavar="WORDS", help="of which line to print a profile: 'export fcpxml'")
    asked = parser.parse_args()
    for marks in asked.marks:
        with TemporaryDirectory() as folder:
            run(asked.clips, marks, asked.profile, Path(folder))


if __name__ == "__main__":
    main()
