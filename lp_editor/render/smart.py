"""Which frames of a program are copied as they lie in their files, and which are encoded: whole groups nobody touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lp_editor.media.codecs import Codec, Delivery, delivered
from lp_editor.media.frames import UPRIGHT
from lp_editor.media.probe import MediaInfo
from lp_editor.media.splice import (
    SPLICED,
    Configuration,
    CopiedPictures,
    Group,
    SpliceError,
    groups,
    header_of,
    prores_profile,
)
from lp_editor.render.stage import Stage
from lp_editor.timeline.cut import Event, Shown, Strip


@dataclass(frozen=True)
class Smart:
    """A program as runs of copied frames and of events to be encoded, in order, and how the latter are encoded."""

    pieces: tuple[CopiedPictures | Event, ...]
    delivery: Delivery

    @property
    def copied(self) -> int:
        """Frames that are copied."""
        return sum(p.count for p in self.pieces if isinstance(p, CopiedPictures))


def smart_pieces(stage: Stage, events: Sequence[Event], delivery: Delivery) -> Smart:
    """Take a program apart. Raises `SpliceError` where nothing of it can be copied."""
    info = _most_shown(stage, events)
    delivery = _like(info, delivery, stage)
    known = groups(info)
    pieces: list[CopiedPictures | Event] = []
    for event in events:
        pieces += _apart(stage, event, info, known)
    if not any(isinstance(piece, CopiedPictures) for piece in pieces):
        raise SpliceError("every group of pictures is touched")
    return Smart(tuple(_joined(pieces)), delivery)


def _most_shown(stage: Stage, events: Sequence[Event]) -> MediaInfo:
    """The file that most of the program shows: only its packets are copied, for a stream has one set of headers."""
    frames: dict[Path, int] = {}
    for event in events:
        if isinstance(event.picture, Shown):
            path = stage.footage[event.picture.strip.key].info.path
            frames[path] = frames.get(path, 0) + event.count
    if not frames:
        raise SpliceError("no clip is shown by itself")
    most = max(frames, key=lambda path: frames[path])
    return next(f.info for f in stage.footage.values() if f.info.path == most)


def _like(info: MediaInfo, delivery: Delivery, stage: Stage) -> Delivery:
    """The delivery, so that its packets go beside a file's. Raises `SpliceError` where they cannot."""
    video, name = info.video, info.path.name
    assert video is not None
    if SPLICED.get(video.codec) is not delivery.codec:
        raise SpliceError(f"{name} is {video.codec} and {delivery.codec.value} was asked for")
    if delivery.encoder:
        raise SpliceError("a hardware encoder's packets do not go beside others")
    if video.turn != UPRIGHT or video.variable or video.files is not None:
        raise SpliceError(f"{name} is turned, of variable rate, or an image sequence")
    if delivery.codec is Codec.PRORES:
        profile = prores_profile(info.path)
        if delivery.profile not in ("", profile) or not profile:
            raise SpliceError(f"{name} is of another ProRes profile")
        delivery = replace(delivery, profile=profile)
    if video.format != stage.format or delivered(video.format, delivery) != video.format:
        raise SpliceError(f"{name} has another size or coding than the output")
    if video.rate != stage.plan.rate:
        raise SpliceError(f"{name} has another rate than the timeline")
    if video.codec != "h264":
        return delivery
    return replace(delivery, parameter_set=Configuration.of(header_of(info.path)).free_id())


def _apart(stage: Stage, event: Event, info: MediaInfo, known: Sequence[Group]) -> Iterator[CopiedPictures | Event]:
    """One event as copied groups and what is left between them."""
    strip = event.picture.strip if isinstance(event.picture, Shown) else None
    if strip is None or stage.footage[strip.key].info.path != info.path:
        yield event
        return
    shown = stage.indices(stage.footage[strip.key], event.first, event.count)
    free = _untouched(stage, strip, event)
    at = 0
    for group in known:
        start = int(np.searchsorted(shown, group.first))
        stop = start + group.count
        if start < at or stop > event.count or not np.array_equal(shown[start:stop], _frames(group)):
            continue
        if not free[start:stop].all():
            continue
        if start > at:
            yield Event(event.first + at, start - at, event.picture)
        yield CopiedPictures(info.path, group.first, group.count, group.reorder)
        at = stop
    if at < event.count:
        yield Event(event.first + at, event.count - at, event.picture)


def _frames(group: Group) -> NDArray[np.intp]:
    return np.arange(group.first, group.first + group.count)


def _untouched(stage: Stage, strip: Strip, event: Event) -> NDArray[np.bool_]:
    """Which frames of an event no face's edit asks anything of, (count,)."""
    shot = stage.plan.shots[strip.key]
    rows = slice(event.first - shot.first, event.first - shot.first + event.count)
    touched = np.zeros(event.count, bool)
    for plan in shot.faces:
        touched |= plan.active[rows]
    return ~touched


def _joined(pieces: Sequence[CopiedPictures | Event]) -> Iterator[CopiedPictures | Event]:
    """The same, with neighbouring groups of one file as one."""
    waiting: CopiedPictures | None = None
    for piece in pieces:
        if waiting and isinstance(piece, CopiedPictures) and _follows(waiting, piece):
            count, reorder = waiting.count + piece.count, max(waiting.reorder, piece.reorder)
            waiting = replace(waiting, count=count, reorder=reorder)
            continue
        if waiting:
            yield waiting
        waiting = piece if isinstance(piece, CopiedPictures) else None
        if isinstance(piece, Event):
            yield piece
    if waiting:
        yield waiting


def _follows(one: CopiedPictures, other: CopiedPictures) -> bool:
    return one.path == other.path and one.first + one.count == other.first
