"""What is in a media file: streams, exact rates, start timecode, and an identity that travels with the content."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.stream import Disposition

from lp_editor.errors import MediaError, TimeError
from lp_editor.media.picture import VideoFormat, format_of
from lp_editor.timeline.timecode import exact_rate, timecode_seconds


@dataclass(frozen=True)
class VideoInfo:
    """A picture stream. ``duration`` runs from the first frame's start to the last one's end, in seconds."""

    format: VideoFormat
    rate: Fraction
    count: int
    duration: Fraction
    codec: str
    variable: bool
    times: tuple[int, ...]
    """The presentation time of every frame, in order, in ``time_base`` units; the first is the media's zero."""
    keyframes: tuple[int, ...]
    """Which frames decoding can start at."""
    time_base: Fraction


@dataclass(frozen=True)
class AudioInfo:
    """A sound stream. ``start`` is when its first sample sounds, in seconds of the media's zero."""

    rate: int
    channels: int
    sample_format: str
    codec: str
    start: Fraction
    duration: Fraction


@dataclass(frozen=True)
class MediaInfo:
    """A media file. Its zero is its first picture, or its first sample where it has no picture."""

    path: Path
    identity: str
    video: VideoInfo | None
    audio: tuple[AudioInfo, ...]
    timecode: Fraction | None


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An open container. Raises `MediaError` for a file that is missing, no media, or broken."""
    if not path.is_file():
        raise MediaError(f"{path} is {'a folder' if path.is_dir() else 'missing'}; relink the project or put it back")
    try:
        with av.open(str(path)) as container:
            yield container
    except (FFmpegError, ValueError, IndexError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            f"{path} cannot be read as media ({reason}); check that it plays, or export it again"
        ) from error


def probe(path: Path) -> MediaInfo:
    """Look into a media file: its packets are listed, one picture is decoded. Raises `MediaError`.

    A file that did not change since it was last looked into is not looked into again.
    """
    try:
        stat = path.stat()
    except OSError:
        stat = None
    return _probed(path, (stat.st_size, stat.st_mtime_ns) if stat else None)


@lru_cache(maxsize=256)
def _probed(path: Path, version: tuple[int, int] | None) -> MediaInfo:
    """`probe` of a file as it is now; errors are not remembered."""
    with opened(path) as container:
        video = next((s for s in container.streams.video if not _is_cover(s)), None)
        audio = list(container.streams.audio)
        if video is None and not audio:
            raise MediaError(f"{path} holds neither picture nor sound")
        info = _video(path, container, video) if video is not None else None
        zero = info.times[0] * info.time_base if info else _start(audio[0])
        sounds = tuple(_audio(stream, zero) for stream in audio)
        timecode = _timecode(container, video, info.rate) if info else None
        return MediaInfo(path, identity(path), info, sounds, timecode)


def _is_cover(stream: Any) -> bool:
    """Whether a picture stream is only the cover of a sound file."""
    return bool(stream.disposition & Disposition.attached_pic)


def _start(stream: Any) -> Fraction:
    return Fraction(stream.start_time or 0) * Fraction(stream.time_base)


def _video(path: Path, container: Any, stream: Any) -> VideoInfo:
    stream.thread_type = "AUTO"
    first = next(container.decode(stream), None)
    if first is None:
        raise MediaError(f"{path} holds no picture that can be decoded")
    if rotation := getattr(first, "rotation", 0):
        raise MediaError(f"{path} is stored turned by {rotation}°; export it upright first")
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    format = format_of(first, aspect)
    if container.duration:
        container.seek(0)  # back to the start: the list of packets must be whole
    times, keys, last_duration = _packets(container, stream)
    base = Fraction(stream.time_base)
    rate = exact_rate(Fraction(stream.average_rate or stream.guessed_rate or 25))
    if not times:
        times, keys, last_duration = (0,), (0,), round(1 / rate / base)
    steps = {b - a for a, b in itertools.pairwise(times)}
    variable = bool(steps) and (max(steps) - min(steps)) * base > Fraction(1, 500)
    if not variable and stream.guessed_rate:
        rate = exact_rate(Fraction(stream.guessed_rate))
    last = last_duration * base if last_duration else 1 / rate
    duration = (times[-1] - times[0]) * base + last
    if not variable:
        duration = max(duration, len(times) / rate) if len(times) > 1 else 1 / rate
    return VideoInfo(
        format, rate, len(times), duration, stream.codec_context.name, variable, tuple(times), tuple(keys), base
    )


def _packets(container: Any, stream: Any) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Presentation times in order, key frames by number, and the last one's duration: demuxed, not decoded."""
    found: list[tuple[int, bool, int]] = []
    for packet in container.demux(stream):
        if packet.pts is not None and not getattr(packet, "is_discard", False):
            found.append((packet.pts, packet.is_keyframe, packet.duration or 0))
    found.sort()
    keys = tuple(i for i, (_, key, _) in enumerate(found) if key) or (0,)
    return tuple(t for t, _, _ in found), keys, found[-1][2] if found else 0


def _audio(stream: Any, zero: Fraction) -> AudioInfo:
    duration = Fraction(stream.duration or 0) * Fraction(stream.time_base)
    context = stream.codec_context
    return AudioInfo(
        stream.rate, context.layout.nb_channels, context.format.name, context.name, _start(stream) - zero, duration
    )


def _timecode(container: Any, video: Any, rate: Fraction) -> Fraction | None:
    """The start timecode in seconds, from the picture stream, a timecode stream or the container."""
    tags = [video.metadata, *(s.metadata for s in container.streams.data), container.metadata]
    for text in (t.get("timecode") for t in tags):
        if text:
            try:
                return timecode_seconds(text, rate)
            except TimeError:
                continue
    return None


def identity(path: Path) -> str:
    """A name for a file's content: its size, and a hash of parts from its start to its end. Cheap at any size."""
    size = path.stat().st_size
    block = 1 << 20
    hasher = blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as file:
        for part in range(8):
            file.seek(max(0, (size - block) * part // 7))
            hasher.update(file.read(block))
    return hasher.hexdigest()
