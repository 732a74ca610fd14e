"""Binds the strips of a program to their media: which file, which of its frames at which program frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from os import cpu_count
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from lp_editor.errors import MediaError
from lp_editor.face import Box, Face, FacePicture
from lp_editor.media.picture import Picture
from lp_editor.media.probe import MediaInfo, check_unchanged, probe, probe_sequence
from lp_editor.media.sequence import Numbering
from lp_editor.media.source import VideoSource, open_video
from lp_editor.timeline.cut import Strip
from lp_editor.timeline.model import Clip, Media
from lp_editor.timeline.urls import is_file

CONTEXT = 0.6
"""How much of a face's box, on each side, an engine gets to see around it."""


@dataclass(frozen=True)
class Footage:
    """One strip's media. ``zero`` is the source time of the media's first frame."""

    strip: Strip
    info: MediaInfo
    zero: Fraction

    def indices(self, first: int, count: int, rate: Fraction) -> NDArray[np.intp]:
        """The media frame that each program frame shows, (count,); held at the media's ends."""
        assert self.info.video is not None
        frame_at = self.info.video.frame_at
        return np.array(
            [frame_at(self.strip.source_time(Fraction(f) / rate) - self.zero) for f in range(first, first + count)],
            np.intp,
        )  # fmt: skip

    def extent(self, first: int, count: int, rate: Fraction) -> tuple[int, int]:
        """From the first media frame that some program frames show to behind the last one."""
        # a strip plays one way, so the ends of a stretch show the ends of what it shows
        ends = [int(self.indices(at, 1, rate)[0]) for at in (first, first + count - 1)]
        return min(ends), max(ends) + 1

    def held(self, first: int, count: int, rate: Fraction) -> int:
        """How many of some program frames lie outside the media and hold its first or last frame."""
        assert self.info.video is not None
        if self.info.video.count == 1:
            return 0  # a still is meant to be held
        stop, start = self.info.video.duration, self.strip.source_time(Fraction(0)) - self.zero
        step = self.strip.source_time(1 / rate) - self.zero - start
        if step == 0:
            return 0 if 0 <= start < stop else count
        at_start, at_stop = -start / step, (stop - start) / step  # the frame numbers at which media time is 0 and ends
        low, high = (ceil(at_start), ceil(at_stop)) if step > 0 else (floor(at_stop) + 1, floor(at_start) + 1)
        return count - max(0, min(high, first + count) - max(low, first))


def media_zero(media: Media, source_start: Fraction, info: MediaInfo) -> Fraction:
    """The source time of the media's first frame.

    The project's own word (``available_range``) counts, then the file's timecode, then 0: the first of them by which the
    clip lies in the file. Editing systems do not always mean the same by a clip without timecode.
    """
    if media.numbers is not None and info.video is not None and info.video.files is not None:
        ahead = Fraction(media.numbers.first - info.video.files.first, media.numbers.step) / media.numbers.rate
        return (media.available.start if media.available else Fraction(0)) - ahead
    known = [media.available.start if media.available else None, info.timecode, Fraction(0)]
    zeros = [zero for zero in known if zero is not None]
    duration = info.video.duration if info.video else max((a.duration for a in info.audio), default=Fraction(0))
    return next((zero for zero in zeros if zero <= source_start < zero + duration), zeros[0])


def check_media(clips: Iterable[Clip]) -> None:
    """Raise one `MediaError` that names every missing file, and every kind of media we cannot read."""
    missing: dict[str, dict[str, None]] = {}
    for clip in clips:
        if not _there(clip.media):
            missing.setdefault(str(clip.media.path or clip.media.url), {})[clip.place] = None
    if missing:
        lines = [f"  {path} (clip{'s' * (len(places) > 1)} {', '.join(places)})" for path, places in missing.items()]
        said = "1 media file is missing; put it" if len(lines) == 1 else f"{len(lines)} media files are missing; put them"
        raise MediaError(f"{said} back or relink the project:\n" + "\n".join(lines))


def _there(media: Media) -> bool:
    """Whether a file, or one of a sequence, lies where a clip's media should be; what is no file is always there."""
    if media.kind == "sequence":
        return media.path is not None and bool(Numbering.of(media.path).numbers())
    return media.kind != "file" or (media.path is not None and is_file(media.path))


def check_sources(footage: Iterable[Footage]) -> None:
    """Raise a `MediaError` where a file was changed or deleted since it was bound."""
    for info in {one.info.path: one.info for one in footage}.values():
        if info.video is None or info.video.files is None:
            check_unchanged(info)


def bind(strips: Mapping[str, Strip]) -> dict[str, Footage]:
    """The footage of every strip that shows a picture. Raises `MediaError`, naming all that is missing."""
    check_media(strip.clip for strip in strips.values())
    infos: dict[Path, MediaInfo] = {}
    found = {}
    for key, strip in strips.items():
        path = strip.clip.media.path
        assert path is not None
        if path not in infos:
            numbers = strip.clip.media.numbers
            infos[path] = probe_sequence(path, numbers) if numbers else probe(path)
        info = infos[path]
        if info.video is None:
            raise MediaError(f'{path} has no picture (clip "{strip.clip.name}" at {strip.key})')
        found[key] = Footage(strip, info, media_zero(strip.clip.media, strip.clip.source.start, info))
        _check_files(found[key])
    return found


def _check_files(footage: Footage) -> None:
    """Raise a `MediaError` that names the files missing from what a clip shows of a sequence that must be whole."""
    video, clip = footage.info.video, footage.strip.clip
    if video is None or video.files is None or video.files.missing != "error":
        return
    shown = clip.source.moved(-footage.zero)
    frames = range(max(floor(shown.start * video.rate), 0), min(ceil(shown.stop * video.rate), video.count))
    files, there = video.files, set(video.files.numbering.numbers())
    gone = [files.named(i).name for i in frames if files.first + i * files.step not in there]
    if gone:
        names = ", ".join(gone[:5]) + (" …" if len(gone) > 5 else "")
        said, them = ("1 file is", "it") if len(gone) == 1 else (f"{len(gone)} files are", "them")
        raise MediaError(f'{footage.info.path}: {said} missing ({names}; clip "{clip.name}"); put {them} back')


class Sources:
    """Open video files, lent to one user at a time.

    Of several that are open, one is lent that stands at or shortly before the frame to be read first, so that a worker
    that goes on where it was need not seek.
    """

    def __init__(self, infos: Iterable[MediaInfo] = ()) -> None:
        self._infos = {info.path: info for info in infos}
        self._idle: dict[Path, list[VideoSource]] = {}
        self._lock = Lock()
        self._threads = 0

    def shared_by(self, users: int) -> None:
        """From now on so many read at the same time: what is opened decodes on its part of the cores.

        More threads gain nothing then, and each holds some pictures. What lies open and idle is closed.
        """
        self.close()
        self._threads = max(1, (cpu_count() or 1) // users) if users > 1 else 0

    @contextmanager
    def lent(self, path: Path, at: int = 0) -> Iterator[VideoSource]:
        """An open source of this file, to be read from frame ``at`` on, for the time of a ``with``."""
        with self._lock:
            waiting = self._idle.get(path, [])
            nearest = min(waiting, key=lambda source: (source.next > at, abs(at - source.next)), default=None)
            source = nearest
            if nearest is not None:
                waiting.remove(nearest)
        source = source or open_video(self._infos[path] if path in self._infos else probe(path), self._threads)
        try:
            yield source
        finally:
            with self._lock:
                self._idle.setdefault(path, []).append(source)

    def close(self) -> None:
        """Close every file that nobody uses."""
        with self._lock:
            for waiting in self._idle.values():
                for source in waiting:
                    source.close()
            self._idle.clear()

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def runs(indices: Sequence[int] | NDArray[np.intp]) -> list[list[int]]:
    """Frame numbers as [first, count, step] runs: short to hash and to read."""
    found: list[list[int]] = []
    for index in (int(i) for i in indices):
        if found:
            first, count, step = found[-1]
            if count == 1 or index == first + count * step:
                found[-1] = [first, count + 1, index - first if count == 1 else step]
                continue
        found.append([index, 1, 0])
    return found


def face_picture(picture: Picture, face: Face) -> FacePicture:
    """A face with the pixels around it, `CONTEXT` of its box on each side, cut to the frame."""
    size = picture.format.width, picture.format.height
    box = face.box
    dx, dy = round(box.width * CONTEXT), round(box.height * CONTEXT)
    around = Box(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy).clipped(*size)
    return FacePicture(face, picture.rgb(around), around, size)
