"""Renders each marked stretch of a cut as its own file, with handles, for a project that is to be relinked.

A file's own time is the clip's source time where the clip plays at its own speed, so a relinked piece keeps the
numbers it had; a retime is baked into the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

from lp_editor.errors import OutputError
from lp_editor.files import make_folder
from lp_editor.media.codecs import Codec, check_delivery
from lp_editor.media.sink import Slate, join_chunks
from lp_editor.plan import extents, segment_rows
from lp_editor.registry import Registry
from lp_editor.render.cache import trim
from lp_editor.render.checks import checks
from lp_editor.render.chunks import MATTE_SUFFIX, SUFFIX, Chunk, ChunkWork, chunk_paths, chunked, runs
from lp_editor.render.drive import check_drivers
from lp_editor.render.executor import make_missing
from lp_editor.render.footage import Footage, bind, check_sources
from lp_editor.render.hearing import dubbed, dubs, with_sound
from lp_editor.render.program import Settings, check_output, opened, settled
from lp_editor.render.provenance import Telling, told
from lp_editor.render.report import Progress, Report, silent
from lp_editor.render.soundtrack import sound_tracks
from lp_editor.render.stores import ChunkStore
from lp_editor.timeline.cut import Event, Heard, Morph, Shown, Strip, cut, strips
from lp_editor.timeline.model import Project, Span
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.timecode import nominal, timecode

LONGEST_NAME = 100
"""Bytes of a clip's name in a file's; systems take 255 in all."""


@dataclass(frozen=True)
class Stretch:
    """Program frames of one strip to become a file: those that replace the clip's, and those with handles."""

    strip: Strip
    first: int
    stop: int
    lead: int
    tail: int
    path: Path


def render_clips(
    project: Project,
    registry: Registry,
    folder: Path,
    settings: Settings,
    progress: Progress = silent,
    matte: bool = False,
) -> tuple[list[Rendered], Report]:
    """Render every marked stretch into ``folder``, with ``matte`` its matte beside it; returns what to relink.

    Raises `OutputError` when a file of a stretch exists already and ``settings.force`` is not set.
    """
    if settings.delivery.codec.stills:
        raise OutputError("--clips writes movies; png and exr go with -o")
    marked, shown = _marked(project)
    with opened(project, registry, shown, settings, progress, settings.handles) as stage:
        stretches = list(_stretches(stage.footage, project.rate, marked, shown, folder, settings))
        if settings.part is None:
            make_folder(folder)
            _check_outputs(stretches, matte, settings.force)
        store = ChunkStore(settings.cache / "chunks")
        work = ChunkWork(stage, store, settings.delivery, matte, 0, progress, stage.report)
        drop = project.drop_frame
        pieces = [_piece(stretch, work, shown) for stretch in stretches]
        make_missing(work, [chunk for piece in pieces for chunk in piece.chunks], settings.executor, settings.part)
        if settings.part is not None:
            return [], stage.report
        check_sources(stage.footage.values())
        check_drivers(stage.cast.drivers.values())
        _check_outputs(stretches, matte, settings.force)
        telling = Telling(project.name, project.start, drop, settings.consent)
        rendered = [_joined(piece, settings, telling, registry) for piece in pieces]
        stage.report.renders, stage.report.checks = rendered, checks(stage)
        said = {d.strip.key for d in dubs(marked, registry, project.rate, settings.cache)}
        sounding = [one for made in rendered if made.place in said for one in with_sound(made, project)]
    trim(settings.cache)
    return [*rendered, *sounding], stage.report


def count_stretch_chunks(project: Project, settings: Settings) -> int:
    """How many chunks `render_clips` makes. Media are opened, for their handles; nothing is analysed."""
    marked, shown = _marked(project)
    found = _stretches(bind(marked), project.rate, marked, shown, Path(), settings)
    return sum(1 for stretch in found for event in _shown(stretch, shown) for _ in runs(event, project.rate))


def _marked(project: Project) -> tuple[dict[str, Strip], list[Event]]:
    """The strips that anything is asked of, and the events that show them."""
    events = cut(project)
    marked = {k: s for k, s in strips(events).items() if s.clip.segments or _joints(events, k)}
    return marked, [e for e in events if marked.keys() & strips([e]).keys()]


def _check_outputs(stretches: Sequence[Stretch], matte: bool, force: bool) -> None:
    for stretch in stretches:
        check_output(stretch.path, force)
        if matte:
            check_output(_matte_path(stretch.path), force)


def _joints(events: Sequence[Event], key: str) -> list[Event]:
    """The joints that a strip takes part in."""
    return [e for e in events if isinstance(e.picture, Morph) and key in strips([e])]


def _stretches(
    footage: Mapping[str, Footage], rate: Fraction, marked: Mapping[str, Strip], events: Sequence[Event],
    folder: Path, settings: Settings,
) -> Iterator[Stretch]:  # fmt: skip
    """The marked stretches of every strip: segments and joints that touch become one."""
    reach = extents(events)
    for key, strip in marked.items():
        visible = range(ceil(strip.record.start * rate), ceil(strip.record.stop * rate))
        first, count = reach[key]
        spans = [(e.first, e.stop) for e in _joints(events, key)]
        for segment in strip.clip.segments:
            rows = segment_rows(strip, segment, first, count, rate)
            if len(rows):
                spans.append((first + int(rows[0]), first + int(rows[-1]) + 1))
        spans = [(visible.start, visible.stop)] if settings.whole and spans else spans
        spans = [(max(a, visible.start), min(b, visible.stop)) for a, b in spans]
        for number, (a, b) in enumerate(merged([s for s in spans if s[1] > s[0]]), 1):
            lead, tail = _handles(footage[key], a, b, rate, settings.handles)
            name = f"{_safe(strip.clip.name)}_{_safe(key)}_{number}{settings.delivery.codec.suffix}"
            yield Stretch(strip, a, b, lead, tail, folder / name)


def merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of frames in order, those that touch or overlap made one."""
    found: list[tuple[int, int]] = []
    for a, b in sorted(spans):
        if found and a <= found[-1][1]:
            found[-1] = (found[-1][0], max(b, found[-1][1]))
        else:
            found.append((a, b))
    return found


def _safe(name: str) -> str:
    """A name as a part of a file's name: no folders, nothing hidden, no signs that systems do not take, not long."""
    plain = re.sub(r"[^\w.-]+", "-", Path(name[-1000:]).stem if "." in name else name[:1000])
    return plain.encode()[:LONGEST_NAME].decode(errors="ignore").strip("-.") or "clip"


def _handles(footage: Footage, first: int, stop: int, rate: Fraction, most: int) -> tuple[int, int]:
    """How many frames the media has for handles on each side, at most so many."""
    lead = tail = 0
    while lead < most and not footage.held(first - lead - 1, 1, rate):
        lead += 1
    while tail < most and not footage.held(stop + tail, 1, rate):
        tail += 1
    return lead, tail


@dataclass(frozen=True)
class _Piece:
    """A stretch in its clip's own format, and the chunks that it is made of."""

    stretch: Stretch
    work: ChunkWork
    chunks: Sequence[Chunk]


def _piece(stretch: Stretch, work: ChunkWork, events: Sequence[Event]) -> _Piece:
    stage, strip = work.stage, stretch.strip
    video = stage.footage[strip.key].info.video
    assert video is not None
    own = replace(stage, format=video.format)
    check_delivery(stretch.path, work.delivery, own.format)
    work = replace(work, stage=own, delivery=settled(work.delivery, own))
    return _Piece(stretch, work, chunked(own, _shown(stretch, events), work.delivery))


def _joined(piece: _Piece, settings: Settings, telling: Telling, registry: Registry) -> Rendered:
    """Make one file of its chunks."""
    stretch, work, chunks = piece.stretch, piece.work, piece.chunks
    stage, strip = work.stage, stretch.strip
    first, stop = stretch.first - stretch.lead, stretch.stop + stretch.tail
    footage = stage.footage[strip.key]
    stage.report.frames += stop - first
    rate = stage.plan.rate
    span = Span(Fraction(first) / rate, Fraction(stop - first) / rate)
    sounding = Strip(strip.clip, strip.composition_time(span.start), strip.pace)
    said = dubs({strip.key: sounding}, registry, rate, settings.cache)
    heard = dubbed([Heard(sounding, Span(Fraction(0), span.duration))], said, stage.report)
    counts, streams = [c.count for c in chunks], range(max(len(footage.info.audio), len(said) > 0))
    record = told(stage, telling, first, stop - first, (strip.key,))
    slate = _slate(footage, strip.source_time(span.start), rate, settings, telling.drop_frame, record.tag())
    with sound_tracks(heard, work.delivery, span.duration, Report(), streams) as tracks:
        paths = chunk_paths(work.store, chunks, SUFFIX)
        join_chunks(stretch.path, paths, counts, rate, work.delivery, tracks, slate)
    if work.with_matte:
        paths = chunk_paths(work.store, chunks, MATTE_SUFFIX)
        join_chunks(_matte_path(stretch.path), paths, counts, rate, Codec.FFV1, None, slate)
    return replace(_rendered(stretch, span, rate), provenance=record.text())


def _matte_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}_matte.mkv")


def _slate(footage: Footage, start: Fraction, rate: Fraction, settings: Settings, drop: bool, record: str) -> Slate:
    """What a stretch's file says: the source timecode of its first frame, the reel it was cut from, what was done."""
    reel = footage.info.reel or footage.info.path.stem if settings.reel is None else settings.reel
    return Slate(timecode(start, rate, footage.info.drop_frame or drop), reel, record)


def _counted(start: Fraction, rate: Fraction) -> Fraction:
    """A source time as timecode at the program's rate says it: whole frames, from midnight on."""
    return Fraction(floor(start * rate + Fraction(1, 10**6)) % (nominal(rate) * 3600 * 24)) / rate


def _rendered(stretch: Stretch, span: Span, rate: Fraction) -> Rendered:
    """What the project has to know of a file."""
    strip = stretch.strip
    composition = Span.between(
        strip.composition_time(Fraction(stretch.first) / rate), strip.composition_time(Fraction(stretch.stop) / rate)
    )
    record = composition.intersect(strip.clip.record)
    if record is None:
        raise OutputError(f'the marked stretch of "{strip.clip.name}" lies outside the clip')
    start = strip.source_time(span.start)
    into = strip.program_time(record.start) - span.start
    available = Span(start, span.duration)
    shown = Span(start + into, record.duration)
    return Rendered(strip.key, record, stretch.path, available, shown, _counted(start, rate))


def _shown(stretch: Stretch, events: Sequence[Event]) -> list[Event]:
    """A stretch with its handles: its strip shown by itself, but for the joints it takes part in."""
    strip, at, stop = stretch.strip, stretch.first - stretch.lead, stretch.stop + stretch.tail
    found: list[Event] = []
    for joint in _joints(events, strip.key):
        a, b = max(joint.first, at), min(joint.stop, stop)
        if b <= a:
            continue
        if a > at:
            found.append(Event(at, a - at, Shown(strip)))
        found.append(Event(a, b - a, joint.picture))
        at = b
    if stop > at:
        found.append(Event(at, stop - at, Shown(strip)))
    return found
