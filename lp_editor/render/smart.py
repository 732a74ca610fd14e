"""Which frames of a program are copied as they lie in their files, and which are encoded: runs that nobody touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lp_editor.media.codecs import Codec, Delivery, delivered
from lp_editor.media.frames import UPRIGHT
from lp_editor.media.picture import Picture
from lp_editor.media.sink import encode_chunk
from lp_editor.media.splice import (
    SPLICED,
    Configuration,
    CopiedPictures,
    Film,
    SpliceError,
    header_of,
    profile_in,
    spliced_header,
)
from lp_editor.render.stage import Stage
from lp_editor.timeline.cut import Event, Shown, Strip

SPEED = "superfast"
"""How H.264 is encoded where nothing is asked. Most of it is what lies around an edit in its group of pictures, so its size
counts for little and its time for much: against ``veryfast`` of the same rate factor three fifths of the time and a quarter
more bytes, PSNR from .8 dB higher to .2 lower (1080p, x264 164, three films)."""

Part: TypeAlias = CopiedPictures | Event
"""Frames to be copied, or to be encoded."""

Touched: TypeAlias = Callable[[Stage, Strip, Event], NDArray[np.bool_]]
"""Which frames of an event, shown from a strip, are not as filmed, (count,)."""


@dataclass(frozen=True)
class Smart:
    """A program as runs of copied frames and of events to be encoded, in order, and how the latter are encoded."""

    parts: tuple[Part, ...]
    delivery: Delivery

    @property
    def copied(self) -> int:
        """Frames that are copied."""
        return sum(part.count for part in self.parts if isinstance(part, CopiedPictures))


def touched(stage: Stage, strip: Strip, event: Event) -> NDArray[np.bool_]:
    """Which frames of an event a face's edit asks anything of, (count,)."""
    shot = stage.plan.shots[strip.key]
    rows = slice(event.first - shot.first, event.first - shot.first + event.count)
    found = np.zeros(event.count, bool)
    for plan in shot.faces:
        found |= plan.active[rows]
    return found


def smart_parts(stage: Stage, events: Sequence[Event], delivery: Delivery, changed: Touched = touched) -> Smart:
    """Take a program apart; ``changed`` says what is encoded. Raises `SpliceError` where nothing of it can be copied."""
    films, header, delivery = _films(stage, events, delivery)
    parts = list(_joined([part for event in events for part in _apart(stage, event, films, changed)]))
    if not any(isinstance(part, CopiedPictures) for part in parts):
        raise SpliceError("every group of pictures is touched")
    if any(isinstance(part, Event) for part in parts):
        spliced_header([header, _our_header(stage, delivery)], next(iter(films.values())).codec)
    return Smart(tuple(parts), delivery)


def _films(
    stage: Stage, events: Sequence[Event], delivery: Delivery
) -> tuple[dict[Path, Film], bytes, Delivery]:  # fmt: skip
    """The films whose packets go together with each other and with ours, from the one most shown on; what lies beside
    their stream; how ours are encoded. Raises `SpliceError` where there is none, and notes those left out."""
    films: dict[Path, Film] = {}
    header, refused = b"", []
    for path in _by_length(stage, events):
        info = next(footage.info for footage in stage.footage.values() if footage.info.path == path)
        try:
            film = Film.of(info)
            delivery = _like(film, delivery, stage)
            header = spliced_header([header, film.header], film.codec) if films else film.header
        except SpliceError as error:
            refused.append(f"{path.name}: {error}")
            continue
        films[path] = film
    if not films:
        raise SpliceError(refused[0] if refused else "no clip is shown by itself")
    for reason in refused:
        stage.report.note(f"nothing is copied from {reason}")
    if delivery.codec is Codec.H264:
        delivery = replace(delivery, speed=delivery.speed or SPEED, parameter_set=Configuration.of(header).free_id())
    return films, header, delivery


def _by_length(stage: Stage, events: Sequence[Event]) -> list[Path]:
    """The files that are shown by themselves, the longest first."""
    frames: dict[Path, int] = {}
    for event in events:
        if isinstance(event.picture, Shown):
            path = stage.footage[event.picture.strip.key].info.path
            frames[path] = frames.get(path, 0) + event.count
    return sorted(frames, key=lambda path: -frames[path])


def _like(film: Film, delivery: Delivery, stage: Stage) -> Delivery:
    """The delivery, so that its packets go beside a film's. Raises `SpliceError` where they cannot."""
    video = film.video
    if SPLICED[film.codec] is not delivery.codec:
        raise SpliceError(f"it is {film.codec}, and {delivery.codec.value} was asked for")
    if delivery.encoder:
        raise SpliceError("a hardware encoder's packets do not go beside others")
    if video.turn != UPRIGHT or video.variable:
        raise SpliceError("it is turned, or of variable rate")
    if delivery.codec in (Codec.PRORES, Codec.DNXHR):
        profile = profile_in(film)
        if not profile or delivery.profile not in ("", profile):
            raise SpliceError(f"it is of another profile than {delivery.profile or 'ours'}")
        delivery = replace(delivery, profile=profile)
    if video.format != stage.format or delivered(video.format, delivery) != video.format:
        raise SpliceError("it has another size or coding than the output")
    if video.rate != stage.plan.rate:
        raise SpliceError("it has another rate than the timeline")
    return delivery


def _our_header(stage: Stage, delivery: Delivery) -> bytes:
    """What lies beside the stream of whatever we encode."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trial"
        encode_chunk(path, [Picture.black(stage.format)], stage.format, stage.plan.rate, delivery)
        return header_of(path)


def _apart(stage: Stage, event: Event, films: Mapping[Path, Film], changed: Touched) -> Iterator[Part]:
    """One event as runs to be copied and what is left between them."""
    strip = event.picture.strip if isinstance(event.picture, Shown) else None
    film = films.get(stage.footage[strip.key].info.path) if strip else None
    if strip is None or film is None:
        yield event
        return
    shown = stage.indices(stage.footage[strip.key], event.first, event.count)
    at = 0
    for run in _runs(shown, ~changed(stage, strip, event)):
        for copied in _copies(film, int(shown[run[0]]), int(shown[run[-1]]) + 1):
            start = int(run[0]) + copied.first - int(shown[run[0]])
            if start > at:
                yield Event(event.first + at, start - at, event.picture)
            yield copied
            at = start + copied.count
    if at < event.count:
        yield Event(event.first + at, event.count - at, event.picture)


def _copies(film: Film, first: int, stop: int) -> Iterator[CopiedPictures]:
    """All runs within some frames of a film that can be copied."""
    while first < stop and (found := film.run(first, stop)):
        yield found
        first = found.first + found.count


def _runs(shown: NDArray[np.intp], free: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """The places of free frames, in runs that show one frame of the media after the other."""
    goes_on = free[1:] & free[:-1] & (np.diff(shown) == 1)
    runs = np.split(np.arange(len(shown)), np.flatnonzero(~goes_on) + 1)
    return [run for run in runs if free[run[0]]]


def _joined(parts: Sequence[Part]) -> Iterator[Part]:
    """The same, with neighbouring runs of one film as one."""
    waiting: CopiedPictures | None = None
    for part in parts:
        if waiting and isinstance(part, CopiedPictures) and _follows(waiting, part):
            count, reorder = waiting.count + part.count, max(waiting.reorder, part.reorder)
            waiting = replace(waiting, count=count, reorder=reorder)
            continue
        if waiting:
            yield waiting
        waiting = part if isinstance(part, CopiedPictures) else None
        if isinstance(part, Event):
            yield part
    if waiting:
        yield waiting


def _follows(one: CopiedPictures, other: CopiedPictures) -> bool:
    return one.path == other.path and one.first + one.count == other.first
