"""Writes films: runs of frames encoded on their own, and the file they are joined into without encoding them again.

A chunk starts with a key frame and refers to nothing outside, every chunk of a format is encoded with the same
settings on one thread, so a join is a copy of packets with new timestamps, and equal pictures give equal bytes.
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from av.error import ArgumentError, FFmpegError, InvalidDataError
from numpy.typing import NDArray

from lp_editor.errors import MediaError, OutputError
from lp_editor.files import remedy, sweep, write_whole
from lp_editor.media.codecs import (
    CONTAINERS,
    DNXHR_MATRICES,
    TRAITS,
    Codec,
    Delivery,
    check_delivery,
    delivered,
    delivery_of,
    options_of,
)
from lp_editor.media.frames import packed
from lp_editor.media.hardware import hardware_options, layout_for
from lp_editor.media.picture import Picture, VideoFormat, recoded, tag, to_frame
from lp_editor.media.probe import probe
from lp_editor.media.splice import CopiedPictures, SpliceError, chunk_packets, header_of, picture_stream, spliced_header
from lp_editor.media.stills import write_still

__all__ = [
    "Codec",
    "CopiedSound",
    "Delivery",
    "EncodedSound",
    "Slate",
    "Sound",
    "SoundTrack",
    "check_delivery",
    "delivered",
    "encode_chunk",
    "encoding",
    "join_chunks",
    "write_still",
]

BITEXACT = 1 << 10
"""FFmpeg's flag for files without dates and random names (AVFMT_FLAG_BITEXACT)."""

AAC_RATE = 96_000
"""Bits per second for each channel."""

PACKED_AS = {
    (Codec.FFV1, "gbrp"): "bgr0", (Codec.FFV1, "gbrap"): "bgra", (Codec.PNG, "gbrp"): "rgb24",
    (Codec.PNG, "gbrap"): "rgba", (Codec.PNG, "gbrp16le"): "rgb48be", (Codec.PNG, "gbrap16le"): "rgba64be",
    (Codec.PNG, "gray16le"): "gray16be",
}  # fmt: skip
"""Where an encoder takes the same samples in another order only."""


@dataclass(frozen=True)
class SoundTrack:
    """Sound to be written: blocks of (N, channels) float64 samples in -1..1."""

    rate: int
    channels: int
    sample_format: str
    blocks: Iterator[NDArray[np.float64]]


@dataclass(frozen=True)
class CopiedSound:
    """The first ``seconds`` of a sound stream of a file, to be written as it lies there, packet by packet."""

    path: Path
    stream: int
    seconds: Fraction


@dataclass(frozen=True)
class EncodedSound:
    """Sound that is encoded elsewhere: a stream like the one to be written, and its packets with their times in seconds."""

    stream: Any
    packets: Iterator[tuple[Any, float]]


Sound: TypeAlias = SoundTrack | CopiedSound | EncodedSound


@dataclass(frozen=True)
class Slate:
    """What a file says of itself: the timecode of its first frame as text, the reel it stands for, and a record of what
    was done to it, as one text (60,000 bytes at most: MOV takes no more)."""

    timecode: str = ""
    reel: str = ""
    provenance: str = ""


def encode_chunk(
    path: Path, pictures: Iterable[Picture], format: VideoFormat, rate: Fraction, asked: Codec | Delivery
) -> None:
    """Encode a run of pictures, all of ``format``, into a file of its own, whatever its name.

    H.264 and H.265 chunks are MP4, which keeps decoding times exactly; the container of the others is in `TRAITS`.
    """
    delivery = delivery_of(asked)
    taken = delivered(format, delivery)
    frames = (_frame(recoded(picture, taken), delivery) for picture in pictures)
    if delivery.codec.stills:
        return _encode_stills(path, frames, taken, delivery)
    try:
        _encode_film(path, frames, taken, rate, delivery)
    except FFmpegError as error:
        if remedy(error):
            raise  # the disk's fault, told as such
        size = f"{taken.width}x{taken.height} {taken.pix_fmt}"
        raise OutputError(
            f"{delivery.codec.value} cannot be made of {size} ({error.strerror}); use another --codec or --format"
        ) from error
    return None


def _encode_film(
    path: Path, frames: Iterator[av.VideoFrame], format: VideoFormat, rate: Fraction, delivery: Delivery
) -> None:
    with av.open(str(path), "w", format=TRAITS[delivery.codec].container) as file:
        file.flags |= BITEXACT
        stream = _video_stream(file, format, rate, delivery)
        decoding = itertools.count(-TRAITS[delivery.codec].reorder)
        for count, frame in enumerate(_and_flush(frames)):
            if frame is not None:
                frame.pts, frame.time_base = count, 1 / rate
            packets = stream.encode(frame)
            if (
                delivery.codec is Codec.HEVC and not delivery.encoder
            ):  # x265 makes up decoding times of runs shorter than its look-ahead
                for packet in packets:
                    packet.dts = next(decoding)
            file.mux(_named_matrix(packets, format, delivery.codec))


def _and_flush(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame | None]:
    """The frames, then the None that asks an encoder for all it still has."""
    yield from frames
    yield None


DNXHR_COLOUR = 0x2C
"""Where a DNxHR frame names its matrix: bits 1 and 2 of this byte. FFmpeg reads them, but always writes BT.709."""


def _named_matrix(packets: Sequence[Any], format: VideoFormat, codec: Codec) -> Sequence[Any]:
    """The packets, those of DNxHR with their matrix in their header."""
    if codec is Codec.DNXHR and DNXHR_MATRICES[format.matrix]:
        for packet in packets:
            content = bytearray(bytes(packet))
            content[DNXHR_COLOUR] = content[DNXHR_COLOUR] & ~6 | DNXHR_MATRICES[format.matrix] << 1
            packet.update(bytes(content))
    return packets


def _frame(picture: Picture, delivery: Delivery) -> av.VideoFrame:
    """A picture as its encoder takes it."""
    codec = delivery.codec
    if delivery.encoder:
        return to_frame(picture).reformat(format=layout_for(delivery.encoder, picture.format.pix_fmt))
    name = PACKED_AS.get((codec, picture.format.pix_fmt))
    if name == "gray16be":
        swapped = Picture((picture.planes[0].byteswap(),), picture.format)
        frame = av.VideoFrame(picture.format.width, picture.format.height, name)
        view = np.frombuffer(memoryview(frame.planes[0]), np.uint16).reshape(-1, frame.planes[0].line_size // 2)
        view[: picture.format.height, : picture.format.width] = swapped.planes[0]
        tag(frame, picture.format)
        return frame
    return packed(picture, name) if name else to_frame(picture)


def _encode_stills(path: Path, frames: Iterator[av.VideoFrame], format: VideoFormat, delivery: Delivery) -> None:
    """A chunk of stills: an uncompressed archive of finished files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for count, frame in enumerate(frames):
            context: Any = av.CodecContext.create(TRAITS[delivery.codec].encoder, "w")
            context.options = options_of(format, delivery)
            _describe(context, format, delivery.codec)
            context.time_base, frame.pts = Fraction(1, 25), 0
            packets = [*context.encode(frame), *context.encode(None)]
            archive.writestr(zipfile.ZipInfo(f"{count:06d}"), b"".join(bytes(p) for p in packets))


def _video_stream(file: Any, format: VideoFormat, rate: Fraction, delivery: Delivery) -> Any:
    codec = delivery.codec
    if delivery.encoder:
        stream = file.add_stream(delivery.encoder, rate=rate, options=hardware_options(delivery))
    else:
        stream = file.add_stream(TRAITS[codec].encoder, rate=rate, options=options_of(format, delivery))
    _describe(stream.codec_context, format, codec)
    if delivery.encoder:
        stream.codec_context.pix_fmt = layout_for(delivery.encoder, format.pix_fmt)
    stream.codec_context.time_base = 1 / rate
    return stream


def _describe(context: Any, format: VideoFormat, codec: Codec) -> None:
    """Tell an encoder what it gets."""
    context.width, context.height = format.width, format.height
    context.pix_fmt = PACKED_AS.get((codec, format.pix_fmt), format.pix_fmt)
    context.thread_count = 1  # more threads make other bytes
    context.sample_aspect_ratio = format.sample_aspect
    colour = format.colour
    context.color_range = 2 if format.full_range else 1
    context.colorspace, context.color_primaries, context.color_trc = colour.matrix, colour.primaries, colour.transfer


def join_chunks(
    output: Path,
    chunks: Sequence[Path | CopiedPictures],
    counts: Sequence[int],
    rate: Fraction,
    asked: Codec | Delivery,
    sound: Sound | Sequence[Sound] | None = None,
    slate: Slate | None = None,
    check: Callable[[Path], None] | None = None,
) -> None:
    """Copy the packets of chunks of ``counts`` frames into one file, frame n at n / rate, with its sound and slate.

    Among the chunks may be pictures copied from another file. ``check`` sees the file before it gets its name. The file
    appears whole, or not at all. Raises `OutputError`, `MediaError`, `SpliceError`, and what ``check`` raises.
    """
    delivery = delivery_of(asked)
    check_delivery(output, delivery)
    sounds = [] if sound is None else [sound] if isinstance(sound, Sound) else list(sound)
    sweep(output)
    job = _Join(chunks, counts, rate, delivery, sounds, slate or Slate())

    def write(path: Path) -> None:
        job.write(path)
        if check is not None:
            check(path)

    try:
        write_whole(output, write)
    except FFmpegError as error:
        if isinstance(error, InvalidDataError | ArgumentError) and len(job.films):
            raise SpliceError(f"{output.name} does not take its packets ({error.strerror})") from error
        raise OutputError(f"{output} cannot be written ({error.strerror})") from error


@dataclass(frozen=True)
class _Join:
    """What one file is made of."""

    chunks: Sequence[Path | CopiedPictures]
    counts: Sequence[int]
    rate: Fraction
    delivery: Delivery
    sounds: Sequence[Sound]
    slate: Slate

    def write(self, path: Path) -> None:
        """Write it all to a file."""
        container = CONTAINERS[path.suffix.lower()]
        options = {"movflags": "faststart+write_colr"} if container in ("mp4", "mov") else {}
        with av.open(str(path), "w", format=container, options=options) as file:
            file.flags |= BITEXACT
            video = self._stream(file)
            video.time_base, video.codec_context.framerate = 1 / self.rate, self.rate
            if self.delivery.codec is Codec.HEVC and container in ("mp4", "mov"):
                video.codec_context.codec_tag = "hvc1"  # what Apple's players open
            file.flags |= BITEXACT  # the same cut gives the same file
            self._say(file, video)
            heard = [_sounding(file, s, self.delivery.sound_codec) for s in self.sounds]
            for packet, _ in merge(self._video_packets(video), *heard, key=_second):
                file.mux(packet)

    def _stream(self, file: Any) -> Any:
        """The stream to write, like that of the pictures copied, or else of the first chunk."""
        made = [c for c in self.chunks if isinstance(c, Path)][:1]
        with av.open(str((self.films + made)[0])) as like:
            stream = file.add_stream_from_template(picture_stream(like))
            codec = picture_stream(like).codec_context.name
        if self.films:
            headers = [header_of(path) for path in (*self.films, *made)]
            stream.codec_context.extradata = spliced_header(headers, codec)
        return stream

    @property
    def films(self) -> list[Path]:
        """What is copied from, in order."""
        return list(dict.fromkeys(c.path for c in self.chunks if isinstance(c, CopiedPictures)))

    def _say(self, file: Any, video: Any) -> None:
        """Write the slate: a timecode track in MOV and MP4, tags in MKV."""
        for name, value in (("timecode", self.slate.timecode), ("reel_name", self.slate.reel)):
            if value:
                video.metadata[name] = _writable(value)
        if self.slate.provenance:  # of all tags the one that MP4, MOV and MKV keep, and copies of them
            file.metadata["comment"] = _writable(self.slate.provenance)

    def _video_packets(self, video: Any) -> Iterator[tuple[Any, float]]:
        """The packets of all chunks with program frame numbers as timestamps, and their decoding time in seconds."""
        copied = [c.reorder for c in self.chunks if isinstance(c, CopiedPictures)]
        reorder, start = max([TRAITS[self.delivery.codec].reorder, *copied]), 0
        unit, rate = 1 / self.rate, float(self.rate)
        for chunk, count in zip(self.chunks, self.counts, strict=True):
            seen = 0
            packets = chunk.packets() if isinstance(chunk, CopiedPictures) else chunk_packets(chunk, self.rate)
            for packet, number in packets:
                packet.pts = start + number
                # one step a packet over all chunks: a short chunk's own decoding times would run into its neighbours'
                packet.dts = start + seen - reorder
                packet.duration = 1
                packet.time_base = unit
                packet.stream = video
                seen += 1
                yield packet, packet.dts / rate
            if seen != count:
                name = chunk.path.name if isinstance(chunk, CopiedPictures) else chunk.name
                raise MediaError(f"chunk {name} holds {seen} frames instead of {count}; delete it and run again")
            start += count


def _writable(text: str) -> str:
    """A text with question marks for what is no character: halves of surrogate pairs, from damaged names."""
    return text.encode("utf-8", "replace").decode()


def _second(pair: tuple[Any, float]) -> float:
    return pair[1]


def _sounding(file: Any, sound: Sound, codec: str) -> Iterator[tuple[Any, float]]:
    """Add a sound stream to a file; its packets."""
    if isinstance(sound, SoundTrack):
        return _sound_packets(_sound_stream(file, sound, codec), sound)
    if isinstance(sound, EncodedSound):
        return _of_stream(file.add_stream_from_template(sound.stream), sound.packets)
    with av.open(str(sound.path)) as source:
        stream = file.add_stream_from_template(source.streams.audio[sound.stream])
    return _copied_packets(stream, sound)


@contextmanager
def encoding(sound: SoundTrack, output: Path, asked: Codec | Delivery) -> Iterator[EncodedSound]:
    """Sound for an output, to be encoded before that is open: its packets are made as they are taken."""
    with av.open(BytesIO(), "w", format=CONTAINERS[output.suffix.lower()]) as scratch:
        stream = _sound_stream(scratch, sound, delivery_of(asked).sound_codec)
        scratch.start_encoding()  # which writes into the stream what another one needs to be like it
        yield EncodedSound(stream, _sound_packets(stream, sound))


def _of_stream(stream: Any, packets: Iterator[tuple[Any, float]]) -> Iterator[tuple[Any, float]]:
    for packet, at in packets:
        packet.stream = stream
        yield packet, at


def _copied_packets(stream: Any, sound: CopiedSound) -> Iterator[tuple[Any, float]]:
    """The packets of a stream up to its length, counted from the file's first picture."""
    video = probe(sound.path).video
    zero = video.times[0] * video.time_base if video else Fraction(0)
    with av.open(str(sound.path)) as file:
        source = file.streams.audio[sound.stream]
        base = Fraction(source.time_base or 1)
        shift, end = round(zero / base), ceil(sound.seconds / base)
        for packet in file.demux(source):
            if packet.pts is None or packet.dts is None:
                continue
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            if packet.pts >= end:
                return
            packet.stream = stream
            yield packet, packet.dts * base.numerator / base.denominator


PCM = {
    "u8": "pcm_u8", "s16": "pcm_s16le", "s24": "pcm_s24le", "s32": "pcm_s32le", "flt": "pcm_f32le", "dbl": "pcm_f64le",
}  # fmt: skip
"""The PCM codec of each sample format."""


def _sound_stream(file: Any, sound: SoundTrack, codec: str) -> Any:
    name = PCM.get(sound.sample_format, "pcm_f32le") if codec == "pcm" else codec
    stream = file.add_stream(name, rate=sound.rate, layout=_layout(sound.channels))
    if name == "aac":
        stream.bit_rate = AAC_RATE * sound.channels
    if name == "flac":
        stream.codec_context.format = "s16" if sound.sample_format in ("u8", "s16") else "s32"
    return stream


def _layout(channels: int) -> str:
    return {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}.get(channels, f"{channels}c")


def _sound_packets(stream: Any, sound: SoundTrack) -> Iterator[tuple[Any, float]]:
    """Encoded sound with the time of each packet in seconds."""
    kind = stream.codec_context.format.name
    done = 0
    for block in sound.blocks:
        frame = _sound_frame(block, kind, sound)
        frame.pts, frame.time_base, frame.sample_rate = done, Fraction(1, sound.rate), sound.rate
        done += len(block)
        yield from _timed(stream.encode(frame))
    yield from _timed(stream.encode(None))


def _timed(packets: Iterable[Any]) -> Iterator[tuple[Any, float]]:
    for packet in packets:
        yield packet, float((packet.dts or 0) * (packet.time_base or 0))


def _sound_frame(block: NDArray[np.float64], kind: str, sound: SoundTrack) -> av.AudioFrame:
    """Samples as a frame of an encoder's format: integers rounded and held at full scale."""
    values = _coded(block, kind.removesuffix("p"))
    planar = np.ascontiguousarray(values.T) if kind.endswith("p") else values.reshape(1, -1)
    return av.AudioFrame.from_ndarray(planar, format=kind, layout=_layout(sound.channels))


def _coded(block: NDArray[np.float64], kind: str) -> NDArray[Any]:
    if kind in ("flt", "dbl"):
        return np.asarray(block, np.float32 if kind == "flt" else np.float64)
    if kind == "u8":
        return np.asarray(np.clip(np.rint(block * 128) + 128, 0, 255), np.uint8)
    bits = 16 if kind == "s16" else 32
    whole: NDArray[Any] = np.clip(np.rint(block * 2.0 ** (bits - 1)), -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
    kept: NDArray[Any] = whole.astype(np.int16 if bits == 16 else np.int32)
    return kept
