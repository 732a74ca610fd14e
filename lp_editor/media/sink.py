"""Writes media: runs of frames encoded on their own, and the file they are joined into without encoding them again.

A chunk starts with a key frame and refers to nothing outside, every chunk of a format is encoded with the same
settings on one thread, so a join is a copy of packets with new timestamps, and equal pictures give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from lp_editor.errors import MediaError, OutputError
from lp_editor.face import Image
from lp_editor.files import write_bytes, write_whole
from lp_editor.media.picture import Picture, VideoFormat, fit, to_frame


class Codec(Enum):
    """What a render is encoded as."""

    H264 = "h264"
    FFV1 = "ffv1"

    @property
    def suffix(self) -> str:
        """The usual file name's end."""
        return ".mp4" if self is Codec.H264 else ".mkv"

    @property
    def lossless(self) -> bool:
        """Whether decoding gives back every sample."""
        return self is Codec.FFV1


CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""The container of each file name's end."""

ENCODERS = {Codec.H264: "libx264", Codec.FFV1: "ffv1"}

OPTIONS = {
    Codec.H264: {"crf": "16", "preset": "veryfast", "x264-params": "mbtree=0"},
    Codec.FFV1: {"level": "3", "g": "1", "slices": "4", "slicecrc": "1"},
}
"""Encoder settings: visually lossless H.264; FFV1 of version 3, every frame for itself, with checksums.

x264's macroblock tree is off: with it, equal pictures gave 12 different files in 60 runs on one machine."""

BITEXACT = 1 << 10
"""FFmpeg's flag for files without dates and random names (AVFMT_FLAG_BITEXACT)."""

AAC_RATE = 96_000
"""Bits per second for each channel."""


@dataclass(frozen=True)
class SoundTrack:
    """Sound to be written: blocks of (N, channels) float64 samples in -1..1."""

    rate: int
    channels: int
    sample_format: str
    blocks: Iterator[NDArray[np.float64]]


def delivered(format: VideoFormat, codec: Codec) -> VideoFormat:
    """The format that a codec takes pictures of this format in."""
    if codec is not Codec.H264:
        return format
    pix_fmt = {"gray": "yuv420p"}.get(format.pix_fmt, format.pix_fmt.replace("yuva", "yuv"))
    return replace(format, pix_fmt=pix_fmt)


def check_delivery(output: Path, codec: Codec, format: VideoFormat | None = None) -> None:
    """Refuse a file name or a size that a codec cannot be written with. Raises `OutputError` with the remedy."""
    container = CONTAINERS.get(output.suffix.lower())
    if container is None:
        raise OutputError(f"{output}: write to .mp4, .mov or .mkv, not {output.suffix or 'a name without an end'}")
    if codec is Codec.FFV1 and container != "matroska":
        raise OutputError(
            f"{output}: ffv1 goes into MKV; name it {output.with_suffix('.mkv').name}, or use --codec h264"
        )
    if format is not None and codec is Codec.H264:
        sub_x, sub_y = delivered(format, codec).subsampling
        if format.width % sub_x or format.height % sub_y:
            even = f"{format.width // 2 * 2}x{format.height // 2 * 2}"
            raise OutputError(
                f"H.264 takes even sizes, not {format.width}x{format.height}; use --format {even} or ffv1"
            )


def encode_chunk(path: Path, pictures: Iterable[Picture], format: VideoFormat, rate: Fraction, codec: Codec) -> None:
    """Encode a run of pictures, all of ``format``, into a file of its own.

    H.264 chunks are MP4, which keeps decoding times exactly; FFV1 ones are MKV; whatever the name.
    """
    taken = delivered(format, codec)
    container = "mp4" if codec is Codec.H264 else "matroska"
    count = 0
    with av.open(str(path), "w", format=container) as file:
        file.flags |= BITEXACT
        stream = _video_stream(file, taken, rate, codec)
        for picture in pictures:
            frame = to_frame(_without_alpha(picture, taken))
            frame.pts, frame.time_base = count, 1 / rate
            file.mux(stream.encode(frame))
            count += 1
        file.mux(stream.encode(None))


def _without_alpha(picture: Picture, format: VideoFormat) -> Picture:
    """The picture in the pixel format that is delivered."""
    if picture.format == format:
        return picture
    if picture.format.pix_fmt.replace("yuva", "yuv") == format.pix_fmt:
        return Picture(picture.planes[:3], format)
    return fit(picture, format)


def _video_stream(file: Any, format: VideoFormat, rate: Fraction, codec: Codec) -> Any:
    stream = file.add_stream(ENCODERS[codec], rate=rate, options=dict(OPTIONS[codec]))
    stream.width, stream.height, stream.pix_fmt = format.width, format.height, format.pix_fmt
    context = stream.codec_context
    context.thread_count = 1  # more threads make other bytes
    context.time_base = 1 / rate
    context.sample_aspect_ratio = format.sample_aspect
    colour = format.colour
    context.color_range = 2 if colour.full_range else 1
    context.colorspace, context.color_primaries, context.color_trc = colour.matrix, colour.primaries, colour.transfer
    return stream


def join_chunks(
    output: Path,
    chunks: Sequence[Path],
    counts: Sequence[int],
    rate: Fraction,
    codec: Codec,
    sound: SoundTrack | None = None,
) -> None:
    """Copy the packets of chunks of ``counts`` frames into one file, frame n at n / rate, with its sound.

    Sound is AAC beside H.264 and PCM in its own sample format beside FFV1. The file appears whole, or not at all.
    """
    check_delivery(output, codec)
    try:
        write_whole(output, lambda temporary: _write_joined(temporary, chunks, counts, rate, codec, sound))
    except FFmpegError as error:
        raise OutputError(f"{output} cannot be written ({error.strerror})") from error


def _write_joined(
    path: Path, chunks: Sequence[Path], counts: Sequence[int], rate: Fraction, codec: Codec, sound: SoundTrack | None
) -> None:  # fmt: skip
    container = CONTAINERS[path.suffix.lower()]
    options = {"movflags": "faststart"} if container in ("mp4", "mov") else {}
    with av.open(str(path), "w", format=container, options=options) as file, av.open(str(chunks[0])) as first:
        video = file.add_stream_from_template(first.streams.video[0])
        video.time_base = 1 / rate
        audio = _sound_stream(file, sound, codec) if sound else None
        heard = _sound_packets(audio, sound) if sound and audio else iter(())
        ahead = next(heard, None)
        for packet, seconds in _video_packets(chunks, counts, rate):
            while ahead is not None and ahead[1] <= seconds:
                file.mux(ahead[0])
                ahead = next(heard, None)
            packet.stream = video
            file.mux(packet)
        while ahead is not None:
            file.mux(ahead[0])
            ahead = next(heard, None)


REORDER = 2
"""How many frames at most a packet is decoded ahead of its turn: x264's B-frames with their pyramid."""


def _video_packets(chunks: Sequence[Path], counts: Sequence[int], rate: Fraction) -> Iterator[tuple[Any, float]]:
    """The packets of all chunks with program frame numbers as timestamps, and their decoding time in seconds."""
    start = 0
    for path, count in zip(chunks, counts, strict=True):
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            base, seen = Fraction(stream.time_base or 1), 0
            for packet in file.demux(stream):
                if packet.pts is None or packet.dts is None:
                    continue
                packet.pts = start + round(packet.pts * base * rate)
                # one step a packet over all chunks: a short chunk's own decoding times would run into its neighbours'
                packet.dts = start + seen - REORDER
                packet.duration = 1
                packet.time_base = 1 / rate
                seen += 1
                yield packet, packet.dts / float(rate)
            if seen != count:
                raise MediaError(f"chunk {path.name} holds {seen} frames instead of {count}; delete it and run again")
        start += count


PCM = {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s32le", "flt": "pcm_f32le", "dbl": "pcm_f64le"}
"""The PCM codec of each sample format."""


def _sound_stream(file: Any, sound: SoundTrack, codec: Codec) -> Any:
    name = "aac" if codec is Codec.H264 else PCM.get(sound.sample_format, "pcm_f32le")
    stream = file.add_stream(name, rate=sound.rate, layout=_layout(sound.channels))
    if name == "aac":
        stream.bit_rate = AAC_RATE * sound.channels
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


def write_still(path: Path, image: Image) -> None:
    """Write an RGB image, (height, width, 3) uint8, as PNG or JPEG by its name, whole or not at all."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise OutputError(f"{path}: a still is .png or .jpg")
    fine, coded = cv2.imencode(path.suffix.lower(), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not fine:
        raise OutputError(f"{path}: the picture cannot be coded as {path.suffix}")
    write_bytes(path, coded.tobytes())
