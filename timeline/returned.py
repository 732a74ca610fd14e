"""Recognises our renders in a project that comes back, and shows the originals with their marks again.

An editor may have trimmed, slipped, split, moved, doubled or retimed a rendered clip, and an application may have given it
another id, path and name. What stays is the name of its file. What that file shows is written in the sidecar of the
project, and again beside the rendered files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

from lp_editor.errors import LpEditorError
from lp_editor.timeline import stored
from lp_editor.timeline.model import Clip, Item, Marker, Nest, Project, Span, Track
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.sidecar import Render, render_from_json, render_to_json
from lp_editor.timeline.urls import is_file

MANIFEST = ".lp-renders.json"
"""The list of renders beside them."""


@dataclass(frozen=True)
class Came:
    """A render that came back on a clip: ``own`` is the file's time that the clip shows first, ``speed`` how fast."""

    render: Render
    own: Fraction
    speed: Fraction

    def still_right(self, clip: Clip, rate: Fraction) -> Rendered | None:
        """What need not be rendered again for a clip: its render, if that still shows what is asked; else None.

        It does while it covers what is marked of the clip, at the clip's own speed, and the marks are those it was made
        with. Where it does not cover all of the clip, the part that is marked shows it, in whole frames at ``rate``.
        """
        render = self.render
        path = Path(render.path)
        marks = tuple(s for s in render.segments if s.span.intersect(clip.source))
        if self.speed != 1 or clip.joint or clip.segments != marks or not is_file(path):
            return None
        before = self.own - render.available.start  # so much of the file lies ahead of the clip
        covered = Span(clip.record.start - before, render.available.duration).intersect(clip.record)
        record = clip.record if covered == clip.record else _marked(clip, rate)
        if covered is None or record is None or covered.intersect(record) != record:
            return None
        start = clip.source_time(clip.record.start)
        available = Span(start - before, render.available.duration)
        shown = Span(start + record.start - clip.record.start, record.duration)  # the file plays at the record's pace
        return Rendered(clip.place, record, path, available, shown, render.available.start, render.provenance)


def _marked(clip: Clip, rate: Fraction) -> Span | None:
    """The part of a clip from its first marked frame to its last, in whole frames of the program."""
    spans = [s for segment in clip.segments if (s := clip.record_span(segment.span).intersect(clip.record))]
    if not spans:
        return None
    first = floor(min(s.start for s in spans) * rate) / rate
    stop = ceil(max(s.stop for s in spans) * rate) / rate
    return Span.between(first, stop).intersect(clip.record)


@dataclass(frozen=True)
class Returned:
    """A project with its originals shown, and the renders that came back, by the places of their clips."""

    project: Project
    places: Mapping[str, Came]


def recognised(project: Project, renders: Sequence[Render]) -> Returned:
    """The project with renders replaced by what they were rendered of; the very same one where there are none."""
    known = {key(render.file): render for render in renders}
    known |= {key(r.file): r for r in beside_media(project) if key(r.file) not in known}
    places: dict[str, Came] = {}
    if not known:
        return Returned(project, {})
    tracks = tuple(_track(track, known, places) for track in project.tracks)
    return Returned(replace(project, tracks=tracks) if places else project, places)


def key(name: str) -> str:
    """A file's name as it is compared."""
    return name.casefold()


def _track(track: Track, known: Mapping[str, Render], places: dict[str, Came]) -> Track:
    return replace(track, items=tuple(_item(item, known, places) for item in track.items))


def _item(item: Item, known: Mapping[str, Render], places: dict[str, Came]) -> Item:
    if isinstance(item, Nest):
        return replace(item, tracks=tuple(_track(track, known, places) for track in item.tracks))
    if not isinstance(item, Clip) or item.media.kind == "generator":
        return item
    name = item.media.path.name if item.media.path else item.media.name
    render = known.get(key(name))
    if render is None:
        return item
    zero = item.media.available.start if item.media.available else render.available.start
    came = places[item.place] = Came(render, item.source.start - zero + render.available.start, item.speed)
    return original_of(item, render, came.own)


def original_of(clip: Clip, render: Render, own: Fraction) -> Clip:
    """A clip of a render, from its time ``own`` on, as a clip of what was rendered: the same moments, marks in them."""
    into = own - render.own.start
    speed = clip.speed * render.speed
    rate = render.media.rate or clip.rate
    length = clip.record.duration * abs(speed) if speed else 1 / rate
    start = render.source.start + into * render.speed
    if render.speed < 0:
        start = render.source.stop - 1 / rate + into * render.speed
        start -= length - 1 / rate
    source = Span(start, length)
    segments = tuple(s for s in render.segments if s.span.intersect(source))
    kept = segments if clip.place.split(">")[-1].startswith("V") else ()
    shown = replace(clip, media=render.media, source=source, speed=speed, rate=rate, segments=kept)
    return replace(shown, markers=tuple(_moved(m, clip, shown) for m in clip.markers))


def _moved(marker: Marker, clip: Clip, shown: Clip) -> Marker:
    """A marker of a render at the same moment of the original."""
    if not marker.span.duration:
        return replace(marker, span=Span(shown.source_time(clip.record_time(marker.span.start)), marker.span.duration))
    return replace(marker, span=shown.source_span(clip.record_span(marker.span)))


def beside_media(project: Project) -> list[Render]:
    """The renders that are listed beside the media of a project."""
    files = dict.fromkeys(str(c.media.path) for c in project.clips() if c.media.path is not None)
    folders = dict.fromkeys(Path(file).parent for file in files)
    return [render for folder in folders for render in read_manifest(folder)]


def read_manifest(folder: Path) -> list[Render]:
    """The renders that a folder lists; none where the list is missing or damaged."""
    path = folder / MANIFEST
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, LpEditorError):
        if is_file(path):
            return [render_from_json(r, str(path)) for r in stored.read(path)["renders"]]
    return []


def manifest(before: Sequence[Render], renders: Sequence[Render]) -> bytes:
    """The list of renders of a folder, new ones in the place of old ones of the same name."""
    names = {key(r.file) for r in renders}
    kept = [*(r for r in before if key(r.file) not in names), *renders]
    return (json.dumps({"version": 1, "renders": [render_to_json(r) for r in kept]}, indent=1) + "\n").encode()
