"""Renders of ours that nothing but they themselves remember: what they were made of, by the record in the file.

The record names no folder. The original is looked for beside the render and the project, among the media that the project
shows elsewhere, and below ``--media``; it is it if its content is. Only what the record says in full comes back: plain
marks of one clip at its own speed and the program's rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lp_editor.errors import LpEditorError
from lp_editor.marking import OUR_FILE, meant
from lp_editor.media.probe import MediaInfo, identity, probe
from lp_editor.registry import Registry
from lp_editor.render.provenance import Change, Provenance, read, read_beside
from lp_editor.timeline import marks
from lp_editor.timeline.media import Search
from lp_editor.timeline.model import Media, Project, Segment, Span
from lp_editor.timeline.sidecar import Render
from lp_editor.timeline.timecode import timecode_seconds
from lp_editor.timeline.urls import is_file

NAMED = ("driver=", "sound=", "face=like:")
"""How parameters begin that name files, of which a record has no folder."""


@dataclass(frozen=True)
class Regaining:
    """Where originals may lie, and what marks mean."""

    folder: Path
    search: Search | None
    registry: Registry

    def renders(self, project: Project) -> list[Render]:
        """What is found out about the renders of ours that a project still shows as such."""
        paths = {c.media.path for c in project.clips() if c.media.path is not None and OUR_FILE.search(c.media.path.name)}
        found = []
        for path in sorted(path for path in paths if is_file(path)):
            try:
                render = self._render(path, project)
            except (LpEditorError, OSError):  # a record that is damaged, or says what nobody here understands
                continue
            if render is not None:
                found.append(render)
        return found

    def _render(self, path: Path, project: Project) -> Render | None:
        info = probe(path)
        record = read(info.provenance, str(path)) if info.provenance else read_beside(path)
        if record is None or info.video is None or not _whole(record):
            return None
        first = record.changes[0]
        original = next((p for p in self._alike(first.media, path, project) if identity(p) == first.identity), None)
        source = _source(first, probe(original), info) if original is not None else None
        if original is None or source is None:
            return None
        segments = tuple(self._segment(change, source.start, info.video.rate) for change in record.changes)
        filmed = probe(original)
        assert filmed.video is not None
        media = Media(
            "file", original.name, str(original), original, Span(filmed.timecode or Fraction(0), filmed.video.duration),
            filmed.video.rate, filmed.reel,
        )  # fmt: skip
        own = Span(info.timecode or Fraction(0), info.video.duration)
        return Render(
            path.name, str(path.absolute()), media, "", source, Fraction(1), own, own, segments, record.text()
        )  # fmt: skip

    def _alike(self, name: str, path: Path, project: Project) -> Iterator[Path]:
        """Files of a name that may be the original."""
        shown = [c.media.path for c in project.clips() if c.media.path is not None and c.media.path.name == name]
        below = self.search.named(name) if self.search else []
        for one in dict.fromkeys([path.with_name(name), self.folder / name, *shown, *below]):
            if one.name == name and is_file(one):
                yield one

    def _segment(self, change: Change, start: Fraction, rate: Fraction) -> Segment:
        """The mark that a change was. ``start`` is the source time that the file shows first."""
        words = marks.parsed(change.what, f"the record of {change.mark}")
        given = {name: value for name, value in words.params.items() if name != "id"}
        meaning = meant(words.word, given, self.registry, rate)
        span = Span(start + Fraction(change.frames[0]) / rate, Fraction(change.frames[1]) / rate)
        return Segment(change.mark, meaning.effect.name, span, meaning.params, meaning.face, meaning.ease)


def _whole(record: Provenance) -> bool:
    """Whether a record says all that is needed: marks of one place, in full, which name no files."""
    whole = bool(record.changes) and not record.left_out
    one = len({(c.media, c.identity, c.place) for c in record.changes}) == 1
    plain = not any(c.what.endswith("…") or c.face in ("both", "like a picture") for c in record.changes)
    return whole and one and plain and not any(name in c.what for c in record.changes for name in NAMED)


def _source(change: Change, filmed: MediaInfo, info: MediaInfo) -> Span | None:
    """What a file shows of its original; None where that is not one frame for each of its own."""
    if filmed.video is None or info.video is None or filmed.video.rate != info.video.rate:
        return None
    rate = filmed.video.rate
    begin, end = (timecode_seconds(text, rate) for text in change.source)
    start = begin - Fraction(change.frames[0]) / rate
    zero = filmed.timecode or Fraction(0)
    if (end - begin) * rate != change.frames[1] or not zero <= begin < zero + filmed.video.duration:
        return None
    return Span(start, info.video.duration)
