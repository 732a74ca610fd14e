"""What is in a media file: streams, exact rates, start timecode, and an identity that travels with the content."""

from __future__ import annotations

import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from av.error import FFmpegError, InvalidDataError
from av.stream import Disposition
from numpy.typing import NDArray

from lp_editor.errors import MediaError, TimeError
from lp_editor.media.codecs import Mastering
from lp_editor.media.frames import UPRIGHT, Turn, format_of, side_data, turn_of
from lp_editor.media.layout import VideoFormat
from lp_editor.media.sequence import FrameFiles, Numbering
from lp_editor.media.stills import is_still, still_turn
from lp_editor.timeline.model import Numbers
from lp_editor.timeline.timecode import exact_rate, timecode_seconds
from lp_editor.timeline.urls import is_file


@dataclass(frozen=True)
class VideoInfo:
    """A picture stream. ``duration`` runs from the first frame's start to the last one's end, in seconds."""

    format: VideoFormat
    rate: Fraction
    count: int
    duration: Fraction
    codec: str
    variable: bool
    times: Sequence[int]
    """The presentation time of every frame, in order, in ``time_base`` units; the first is the media's zero."""
    keyframes: Sequence[int]
    """Which frames decoding can start at."""
    time_base: Fraction
    turn: Turn = UPRIGHT
    """What brings stored pictures upright; ``format`` is theirs afterwards."""
    hdr: Mastering | None = None
    files: FrameFiles | None = None
    """Of an image sequence, which file each frame is."""
    order: Sequence[int] = ()
    """Which frame each packet is, in decoding order; -1 for one that is not shown. Of an image sequence empty."""

    def frame_at(self, seconds: Fraction) -> int:
        """The last frame with a time ≤ ``seconds`` from the media's zero; the first or last one outside."""
        if not self.variable:
            # timestamps of a constant rate may be rounded (milliseconds in MKV): count instead
            return min(max(int(seconds * self.rate // 1), 0), self.count - 1)
        units = seconds / self.time_base + self.times[0]
        return min(max(bisect_right(self.times, units) - 1, 0), self.count - 1)


@dataclass(frozen=True)
class AudioInfo:
    """A sound stream. ``start`` is when its first sample sounds, in seconds of the media's zero."""

    rate: int
    channels: int
    sample_format: str
    codec: str
    start: Fraction
    duration: Fraction
    bits: int = 32
    """How many bits of a whole-number sample are used."""


@dataclass(frozen=True)
class MediaInfo:
    """A media file. Its zero is its first picture, or its first sample where it has no picture."""

    path: Path
    identity: str
    video: VideoInfo | None
    audio: tuple[AudioInfo, ...]
    timecode: Fraction | None
    drop_frame: bool = False
    """Whether that timecode is drop frame."""
    reel: str = ""
    version: Version | None = None
    """Of a file, what it was when it was looked into."""
    provenance: str = ""
    """What a file that we rendered says was done to it, as it stands there."""


Version: TypeAlias = tuple[int, int]
"""What a changed file can be known by at once: bytes, and nanoseconds of its last change."""


def check_unchanged(info: MediaInfo) -> None:
    """Raise a `MediaError` where a file is not any more what it was when it was looked into: nothing may be made of both."""
    try:
        stat = info.path.stat()
        now = stat.st_size, stat.st_mtime_ns
        if info.version in (None, now) or _identity(info.path, now) == info.identity:
            return
    except OSError as error:
        raise MediaError(
            f"{info.path} is gone ({error.strerror}) while it is worked on; put it back and run the same command again"
        ) from error
    raise MediaError(f"{info.path} was changed while it was worked on; run the same command again")


@lru_cache(maxsize=16)
def _identity(path: Path, version: Version) -> str:
    """The identity of a file as it is now; one that was only touched is looked into once."""
    return identity(path)


RATES = (1000, 1_000_000)
"""Samples a second of sound, the fewest and the most."""

MOST_PIXELS = 50_000_000
"""Of a picture: 8K cameras have 35 million."""

MOST_BYTES = 448 << 20
"""Of a picture in memory: 8K in floating RGB has 425 MiB."""

LIMITS = {"max_pixels": str(MOST_PIXELS)}
"""What FFmpeg is told before it opens a file, for it decodes a picture on its own to see what it is."""

RECORD = "lp-editor provenance "
"""How the comment of a file begins that we rendered."""

RAW = {
    ".braw": "Blackmagic RAW", ".r3d": "REDCODE", ".ari": "ARRIRAW", ".arx": "ARRIRAW", ".crm": "Canon Cinema RAW",
    ".nev": "Nikon N-RAW", ".x3f": "Sigma RAW", ".dng": "CinemaDNG", ".cine": "Phantom Cine",
}  # fmt: skip
"""Camera originals that only their makers' software reads."""


@contextmanager
def opened(path: Path, streams: Sequence[dict[str, str]] = ()) -> Iterator[Any]:
    """An open container, with FFmpeg's options for each of its ``streams``.

    Raises `MediaError` for a file that is missing, no media, or broken.
    """
    if not is_file(path):
        raise MediaError(f"{path} is {'a folder' if os.path.isdir(path) else 'missing'}; relink the project or put it back")
    try:
        asked: Any = list(streams) or None  # PyAV's stubs take it for texts
        with av.open(str(path), options=LIMITS, stream_options=asked) as container:
            yield container
    except (FFmpegError, ValueError, IndexError, UnicodeDecodeError) as error:
        if raw := RAW.get(path.suffix.lower()):
            raise MediaError(
                f"{path} is {raw}, which cannot be decoded here; render it to ProRes or DNxHR first"
            ) from error
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            f"{path} cannot be read as media ({reason}); check that it plays, or export it again"
        ) from error


def decoded(container: Any, stream: Any) -> Iterator[av.VideoFrame]:
    """The frames of a picture stream from where it stands; packets that cannot be decoded (a broken start) give none."""
    if not stream.codec_context.is_open:
        stream.codec_context.options = LIMITS
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except InvalidDataError:
            continue


def probe(path: Path) -> MediaInfo:
    """Look into a media file: its packets are listed, one picture is decoded. Raises `MediaError`.

    A file that did not change since it was last looked into is not looked into again.
    """
    try:
        stat = path.stat()
    except (OSError, ValueError):
        stat = None
    try:
        return _probed(path, (stat.st_size, stat.st_mtime_ns) if stat else None)
    except MediaError as error:
        raise error if str(path) in str(error) else MediaError(f"{path}: {error}") from error
    except (TypeError, AttributeError, ArithmeticError, TimeError) as error:  # fields that damage leaves empty, or absurd
        raise MediaError(f"{path} says of itself what makes no sense ({error}); export it again") from error


@lru_cache(maxsize=256)
def _probed(path: Path, version: Version | None) -> MediaInfo:
    """`probe` of a file as it is now; errors are not remembered."""
    with opened(path) as container:
        video = next((s for s in container.streams.video if not _is_cover(s)), None)
        audio = list(container.streams.audio)
        if video is None and not audio:
            raise MediaError(f"{path} holds neither picture nor sound")
        info = _video(path, container, video) if video is not None else None
        zero = info.times[0] * info.time_base if info else _start(audio[0])
        sounds = tuple(_audio(stream, zero) for stream in audio)
        tags = [s.metadata for s in (video, *container.streams.data) if s is not None] + [container.metadata]
        text = _tag(tags, "timecode") if info else ""
        timecode = _timecode(text, info.rate) if info else None
        reel, comment = _tag(tags, "reel_name"), _tag([container.metadata], "comment")
        told = comment if comment.startswith(RECORD) else ""
        dropping = timecode is not None and ";" in text
        return MediaInfo(path, identity(path), info, sounds, timecode, dropping, reel, version, told)


def comment_of(path: Path) -> str:
    """The comment in a file's metadata, where there is one; nothing is decoded. Raises `MediaError`."""
    with opened(path) as container:
        return _tag([container.metadata], "comment")


def _is_cover(stream: Any) -> bool:
    """Whether a picture stream is only the cover of a sound file."""
    return bool(stream.disposition & Disposition.attached_pic)


def _start(stream: Any) -> Fraction:
    return Fraction(stream.start_time or 0) * Fraction(stream.time_base)


def _video(path: Path, container: Any, stream: Any) -> VideoInfo:
    _check_size(path, stream.codec_context)
    stream.thread_type = "AUTO"
    first = next(decoded(container, stream), None)
    if first is None:
        raise MediaError(
            f"{path} holds no picture that can be decoded, or one of more than {MOST_PIXELS // 10**6} million pixels"
        )
    if first.interlaced_frame and not is_still(container):
        raise MediaError(
            f"{path} is interlaced; deinterlace it to frames first (50i to 50p or 25p) and relink the project"
        )
    try:
        turn = still_turn(path) if is_still(container) else turn_of(first)
        format = format_of(first, Fraction(stream.sample_aspect_ratio or 1), turn)
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from error
    times, keys, order, last_duration = _indexed(container, stream) or _packets(container, stream)
    base = Fraction(stream.time_base)
    rate = exact_rate(Fraction(stream.average_rate or stream.guessed_rate or 25))
    if not times:
        times, keys, order, last_duration = array("q", [0]), array("q", [0]), array("q"), round(1 / rate / base)
    variable = _is_variable(times, base)
    if not variable and stream.guessed_rate:
        rate = exact_rate(Fraction(stream.guessed_rate))
    last = last_duration * base if last_duration else 1 / rate
    duration = (times[-1] - times[0]) * base + last
    if not variable:
        duration = max(duration, len(times) / rate) if len(times) > 1 else 1 / rate
    name = stream.codec_context.name
    return VideoInfo(
        format, rate, len(times), duration, name, variable, times, keys, base, turn, mastering_of(first), order=order
    )  # fmt: skip


def _check_size(path: Path, context: Any) -> None:
    """Refuse pictures that take more memory than any camera's, before one is decoded. Raises `MediaError`."""
    if context is None:
        raise MediaError(f"{path}: its pictures are of a codec that is not known here; export it again")
    sizes = [c.bits for c in context.format.components] if context.format else []
    held = context.width * context.height * sum(1 if bits <= 8 else 2 if bits <= 16 else 4 for bits in sizes)
    if held > MOST_BYTES:
        raise MediaError(
            f"{path} has pictures of {context.width}x{context.height} {context.pix_fmt}, {held >> 20} MiB each, "
            f"{MOST_BYTES >> 20} at most; scale it down first"
        )


def _is_variable(times: array[int], base: Fraction) -> bool:
    """Whether frames come at times that no constant rate explains."""
    steps = np.diff(np.frombuffer(times, np.int64))
    return len(steps) > 0 and int(steps.max() - steps.min()) * base > Fraction(1, 500)


INTRA = ("prores", "dnxhd", "mjpeg", "png", "v210", "rawvideo", "cfhd", "jpeg2000")
"""Codecs whose every frame stands for itself, in order: the index of a file tells all."""


def _indexed(container: Any, stream: Any) -> tuple[array[int], array[int], array[int], int] | None:
    """Like `_packets`, from the file's own index, where there is one that tells all: big files are not read through."""
    entries = stream.index_entries
    if not (
        stream.codec_context.name in INTRA and "mov" in container.format.name and 1 < len(entries) == stream.frames
    ):
        return None
    times = array("q", (e.timestamp for e in entries if not e.flags & DISCARD))
    if not len(times) or times[0] != (stream.start_time or 0):
        return None
    keys = array("q", range(len(times)))
    return times, keys, keys, times[-1] - times[-2] if len(times) > 1 else 0


DISCARD = 2
"""FFmpeg's mark of an index entry that is decoded but not shown (AVINDEX_DISCARD_FRAME)."""


def _packets(container: Any, stream: Any) -> tuple[array[int], array[int], array[int], int]:
    """Presentation times in order, key frames by number, each packet's number, the last one's duration: demuxed only.

    What is shown before the first key frame cannot be decoded (a stream cut from the middle), and is left out.
    """
    if container.duration:
        container.seek(0)  # back to the start: the list of packets must be whole
    times, keyed, hidden, last = array("q"), array("q"), array("b"), (0, 0)
    for packet in container.demux(stream):
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            continue
        if packet.is_keyframe:
            keyed.append(at)
        times.append(at)
        hidden.append(packet.is_discard)  # by an edit list; decoding may still start there
        if not packet.is_discard:
            last = max(last, (at, packet.duration or 0)) if len(times) > 1 else (at, packet.duration or 0)
    every, seen = np.array(times, np.int64), ~np.array(hidden, bool)
    shown = np.unique(every[seen])
    marks = np.array(keyed, np.int64) if keyed else shown[:1]
    shown = shown[shown >= marks[0]] if keyed else shown
    keys = np.searchsorted(shown, np.unique(marks[marks >= marks[0]])) if len(shown) else shown
    order = np.where(seen & np.isin(every, shown), np.searchsorted(shown, every), -1)
    return _longs(shown), _longs(keys), _longs(order), last[1]


def _longs(numbers: NDArray[Any]) -> array[int]:
    return array("q", numbers.astype(np.int64).tobytes())


def _audio(stream: Any, zero: Fraction) -> AudioInfo:
    duration = Fraction(stream.duration or 0) * Fraction(stream.time_base)
    context = stream.codec_context
    if context is None:
        raise MediaError("its sound is of a codec that is not known here; export it again")
    bits = 24 if context.name.startswith(("pcm_s24", "flac", "alac")) else 32
    if not (context.format and context.layout and context.layout.nb_channels and RATES[0] <= stream.rate <= RATES[1]):
        raise MediaError("its sound says no layout, or no rate that makes sense; export it again")
    kind = context.format.name
    return AudioInfo(
        stream.rate, context.layout.nb_channels, kind, context.name, _start(stream) - zero, duration, bits
    )  # fmt: skip


def _tag(tags: Sequence[dict[str, str]], name: str) -> str:
    """The first of some tags that is set, whatever the case of its name."""
    found = (value for tag in tags for key, value in tag.items() if key.lower() == name and value)
    return next(found, "")


def _timecode(text: str, rate: Fraction) -> Fraction | None:
    """A timecode tag in seconds; None for what is none."""
    try:
        return timecode_seconds(text, rate) if text else None
    except TimeError:
        return None


def mastering_of(frame: av.VideoFrame) -> Mastering | None:
    """What a frame says of its mastering display; None where it says nothing."""
    found = side_data(frame)
    stored = found.get("MASTERING_DISPLAY_METADATA")
    if stored is None or len(stored) < 88:
        return None
    numbers = struct.unpack("<22i", stored[:88])  # AVMasteringDisplayMetadata: ten rationals, two flags
    if not (numbers[20] and numbers[21]) or 0 in numbers[1:20:2]:
        return None
    values = [Fraction(n, d) for n, d in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
    pairs = tuple((values[i], values[i + 1]) for i in range(0, 8, 2))
    light = found.get("CONTENT_LIGHT_LEVEL", bytes(8))
    return Mastering(pairs, values[8], values[9], struct.unpack("<2I", light[:8]))


def probe_sequence(common: Path, numbers: Numbers) -> MediaInfo:
    """What the files of an image sequence are, from the first there is to the last. Raises `MediaError`."""
    numbering = Numbering.of(common)
    there = numbering.numbers()
    if not there:
        raise MediaError(f"{common} has no files; put them back or relink the project")
    first = next(n for n in there if (n - numbers.first) % numbers.step == 0 or n == there[-1])
    first -= (first - numbers.first) % numbers.step
    stats = [(n, numbering.file(n).stat()) for n in there]
    versions = {numbering.file(n).name: (s.st_size, s.st_mtime_ns) for n, s in stats}
    files = FrameFiles(numbering, first, numbers.step, numbers.missing, versions)
    start = probe(numbering.file(there[0]))
    if start.video is None:
        raise MediaError(f"{start.path} holds no picture")
    count = (there[-1] - first) // numbers.step + 1
    video = replace(
        start.video, rate=numbers.rate, count=count, duration=count / numbers.rate, variable=False,
        times=range(count), keyframes=range(count), time_base=1 / numbers.rate, files=files,
    )  # fmt: skip
    marks = ",".join(f"{n}:{s.st_size}:{s.st_mtime_ns}" for n, s in stats)
    name = blake2b(f"{start.identity}|{files.first}|{files.step}|{files.missing}|{marks}".encode(), digest_size=16)
    return MediaInfo(common, name.hexdigest(), video, (), None)


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
