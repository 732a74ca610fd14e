"""Packets taken from films as they lie there, beside newly encoded ones in one stream.

A run of packets can be copied from a picture that every decoder starts anew at up to any packet by which all is shown
that comes before it; what lies between such runs is encoded. H.264 keeps its parameter sets beside the stream (ISO/IEC
14496-15, 5.3.3): those of the films and ours lie there together, under different numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.errors import LpEditorError
from lp_editor.media.codecs import Codec
from lp_editor.media.probe import MediaInfo, VideoInfo, opened, probe

SPLICED = {
    "h264": Codec.H264, "hevc": Codec.HEVC, "prores": Codec.PRORES, "dnxhd": Codec.DNXHR, "ffv1": Codec.FFV1,
}  # fmt: skip
"""The codecs whose packets can lie beside ours, by FFmpeg's names of decoders."""

PRORES_TAGS = {"apco": "proxy", "apcs": "lt", "apcn": "422", "apch": "hq", "ap4h": "4444", "ap4x": "4444xq"}
"""ProRes profiles by the four characters that files name them with (Apple ProRes white paper)."""

DNXHR_IDS = {1270: "444", 1271: "hqx", 1272: "hq", 1273: "sq", 1274: "lb"}
"""DNxHR profiles by the compression ID in a frame's header (SMPTE ST 2019-1)."""

DNXHR_ID = slice(0x28, 0x2C)
"""Where a frame of DNxHR says its compression ID."""

IDR = 5
"""NAL unit type (ITU-T H.264, table 7-1)."""

HEVC_IDR = (19, 20)
"""NAL unit types (ITU-T H.265, table 7-1)."""

HEVC_SETS = (32, 33, 34)
"""NAL unit types of video, sequence and picture parameter sets (ITU-T H.265, table 7-1)."""

HIGHEST_ID = 31
"""Of a sequence parameter set (ITU-T H.264, 7.4.2.1.1)."""

EXTENDED = (100, 110, 122, 144)
"""Profiles whose configuration record says chroma and depth too (ISO/IEC 14496-15, 5.3.3.1.2)."""


class SpliceError(LpEditorError):
    """Why packets cannot be copied, as half a sentence. For callers that then encode instead."""


@dataclass(frozen=True)
class CopiedPictures:
    """Frames of a film, to be written as they lie there; ``reorder``: by how many packets a picture comes after its place."""

    path: Path
    first: int
    count: int
    reorder: int

    def packets(self) -> Iterator[tuple[Any, int]]:
        """Each packet in decoding order, and the number of its frame counted from ``first``. Raises `SpliceError`."""
        video = probe(self.path).video
        assert video is not None
        with opened(self.path) as file:
            found = 0
            for packet, number in _numbered(file, video.times, self.first):
                if found == 0 and number != self.first:
                    continue
                if not 0 <= number - self.first < self.count:
                    break
                found += 1
                yield packet, number - self.first
                if found == self.count:
                    return
        raise SpliceError(f"frame {self.first + found} of {self.path.name} is not where it was listed")


UNSEEN = {"skip_frame": "all"}
"""What keeps FFmpeg from decoding pictures when it opens a file, which takes 12 of 15 ms; a chunk's packets are known."""


def chunk_packets(path: Path, rate: Fraction) -> Iterator[tuple[Any, int]]:
    """A chunk's packets in decoding order, with their frames' numbers."""
    with opened(path, [UNSEEN]) as file:
        stream = picture_stream(file)
        for packet in file.demux(stream):
            if packet.pts is not None and packet.dts is not None:
                yield packet, round(packet.pts * stream.time_base * rate)


def picture_stream(file: Any) -> Any:
    """The stream that a film is: its first of pictures."""
    return file.streams.video[0]


def _numbered(file: Any, times: Sequence[int], first: int) -> Iterator[tuple[Any, int]]:
    """Packets with their frame numbers, from a key frame at or before ``first``; -1 for what is not shown."""
    stream = picture_stream(file)
    if first:
        file.seek(times[first], stream=stream, backward=True)
    for packet in file.demux(stream):
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            continue
        number = bisect_left(times, at)
        yield packet, number if number < len(times) and times[number] == at and not packet.is_discard else -1


@dataclass(frozen=True)
class Film:
    """A film that packets can be copied from."""

    path: Path
    video: VideoInfo
    header: bytes
    """What lies beside its stream for a decoder."""
    order: NDArray[np.int64]
    """The frame that each packet is, in decoding order."""

    @classmethod
    def of(cls, info: MediaInfo) -> Film:
        """Look into it. Raises `SpliceError`."""
        video = info.video
        if video is None or video.codec not in SPLICED or not len(video.order):
            raise SpliceError(f"it is {video.codec if video else 'without a picture'}, which is not copied")
        header = header_of(info.path)
        sets_of(header, video.codec)
        return cls(info.path, video, header, np.array(video.order, np.int64))

    @property
    def codec(self) -> str:
        """FFmpeg's name of its decoder."""
        return self.video.codec

    def run(self, first: int, stop: int) -> CopiedPictures | None:
        """The first run within some frames that can be copied, as long as it gets; None where there is none."""
        keys = self.video.keyframes
        with opened(self.path) as file:
            for key in keys[bisect_left(keys, first) :]:
                if key >= stop:
                    return None
                if self._restarts(file, key) and (found := self._from(key, stop)):
                    return found
        return None

    def _restarts(self, file: Any, key: int) -> bool:
        """Whether every decoder starts anew at a key frame, whatever came before. In an open group none does."""
        if self.codec not in NAL_WIDTHS:
            return True
        packet = next((p for p, number in _numbered(file, self.video.times, key) if number == key), None)
        types = [] if packet is None else _types(bytes(packet), self.header, self.codec)
        return any(kind == IDR if self.codec == "h264" else kind in HEVC_IDR for kind in types)

    def _from(self, key: int, stop: int) -> CopiedPictures | None:
        """The longest run from a key frame by whose end every frame before its last one is shown."""
        at = int(np.flatnonzero(self.order == key)[0])
        ahead = self.order[at : at + stop - key] - key
        below = np.flatnonzero(ahead < 0)
        ahead = ahead[: below[0]] if len(below) else ahead
        places = np.arange(len(ahead))
        whole = np.flatnonzero(np.maximum.accumulate(ahead) == places)
        count = int(whole[-1]) + 1 if len(whole) else 0
        if count == 0 or len(np.unique(ahead[:count])) != count:
            return None
        return CopiedPictures(self.path, key, count, int((places - ahead)[:count].max()))


NAL_WIDTHS = {"h264": 4, "hevc": 21}
"""Where a stream's header says how many bytes tell a NAL unit's length (ISO/IEC 14496-15), by codec."""


def _types(packet: bytes, header: bytes, codec: str) -> Iterator[int]:
    """The types of a packet's NAL units, each of which follows its length."""
    width, at = (header[NAL_WIDTHS[codec]] & 3) + 1, 0
    while at + width < len(packet):
        kind = packet[at + width]
        yield kind & 0x1F if codec == "h264" else kind >> 1 & 0x3F
        at += width + int.from_bytes(packet[at : at + width], "big")


def header_of(path: Path) -> bytes:
    """What lies beside a film's stream for its decoder."""
    with opened(path) as file:
        return bytes(picture_stream(file).codec_context.extradata or b"")


def sets_of(header: bytes, codec: str) -> object:
    """What of a stream's header decoders need: equal means that the streams' packets can lie together. Raises `SpliceError`."""
    if codec == "h264":
        return Configuration.of(header)
    return _hevc_sets(header) if codec == "hevc" else header


def spliced_header(headers: Iterable[bytes], codec: str) -> bytes:
    """What lies beside a stream of several streams' packets. Raises `SpliceError` where they do not go together."""
    return reduce(lambda one, other: _both(one, other, codec), headers)


def _both(one: bytes, other: bytes, codec: str) -> bytes:
    if one == other:
        return one
    if codec == "h264":
        return Configuration.of(one).with_sets_of(Configuration.of(other))
    if sets_of(one, codec) != sets_of(other, codec):
        raise SpliceError(f"it is {codec} with other settings, which do not lie in one stream with ours")
    return one


def _hevc_sets(header: bytes) -> set[bytes]:
    """The parameter sets beside an H.265 stream (ISO/IEC 14496-15, 8.3.3.1). Raises `SpliceError`."""
    if len(header) < 23 or header[0] != 1:
        raise SpliceError("its H.265 lies as in a broadcast stream; only that of MP4, MOV and MKV is copied")
    at, found = 23, set()
    try:
        for _ in range(header[22]):
            kind, count = header[at] & 0x3F, int.from_bytes(header[at + 1 : at + 3], "big")
            at += 3
            if at > len(header):
                raise IndexError
            for _ in range(count):
                size = int.from_bytes(header[at : at + 2], "big")
                found |= {header[at + 2 : at + 2 + size]} if kind in HEVC_SETS else set()
                at += 2 + size
                if at > len(header):
                    raise IndexError
    except IndexError:
        raise SpliceError("its H.265 parameters are damaged") from None
    return found


def profile_in(film: Film) -> str:
    """The profile of a ProRes or DNxHR film, as a `Delivery` names it; empty for one of another name."""
    with opened(film.path) as file:
        stream = picture_stream(file)
        if film.codec == "prores":
            return PRORES_TAGS.get(str(stream.codec_context.codec_tag), "")
        packet = bytes(next(file.demux(stream)))
    return DNXHR_IDS.get(int.from_bytes(packet[DNXHR_ID], "big"), "")


@dataclass(frozen=True)
class Configuration:
    """The parameter sets of an H.264 stream, and how its packets are laid out (ISO/IEC 14496-15, 5.3.3.1)."""

    profile: int
    compatible: int
    level: int
    width: int
    """Bytes of a unit's length."""
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    rest: bytes

    @classmethod
    def of(cls, header: bytes) -> Configuration:
        """Read it. Raises `SpliceError`."""
        if len(header) < 7 or header[0] != 1:
            raise SpliceError("its H.264 lies as in a broadcast stream; only that of MP4, MOV and MKV is copied")
        at, sets = 5, []
        try:
            for mask in (0x1F, 0xFF):
                count, at = header[at] & mask, at + 1
                found = []
                for _ in range(count):
                    size = int.from_bytes(header[at : at + 2], "big")
                    found.append(header[at + 2 : at + 2 + size])
                    at += 2 + size
                    if at > len(header):
                        raise IndexError
                sets.append(tuple(found))
        except IndexError:
            raise SpliceError("its H.264 parameters are damaged") from None
        if not all(len(unit) >= 4 for unit in sets[0]) or not all(len(unit) >= 2 for unit in sets[1]):
            raise SpliceError("its H.264 parameters are damaged")
        return cls(header[1], header[2], header[3], (header[4] & 3) + 1, sets[0], sets[1], header[at:])

    @property
    def ids(self) -> set[int]:
        """The numbers that its parameter sets bear."""
        return {_golomb(unit[4:12]) for unit in self.sps} | {_golomb(unit[1:9]) for unit in self.pps}

    def free_id(self) -> int:
        """A number that none of its parameter sets bears. Raises `SpliceError`."""
        free = set(range(HIGHEST_ID + 1)) - self.ids
        if not free:
            raise SpliceError("its H.264 uses every number for parameter sets")
        return min(free)

    def with_sets_of(self, other: Configuration) -> bytes:
        """The record of both streams in one. Raises `SpliceError` where they do not fit together."""
        if self.width != other.width:
            raise SpliceError("its H.264 packets are laid out in another way")
        sps, pps = _united(self.sps, other.sps, 4), _united(self.pps, other.pps, 1)
        higher = max(self, other, key=lambda c: (c.profile in EXTENDED, c.profile))
        made = [1, higher.profile, higher.compatible, max(self.level, other.level), 0xFC | self.width - 1]
        out = bytes([*made, 0xE0 | len(sps)]) + b"".join(len(u).to_bytes(2, "big") + u for u in sps)
        return out + bytes([len(pps)]) + b"".join(len(u).to_bytes(2, "big") + u for u in pps) + higher.rest


def _united(ours: tuple[bytes, ...], theirs: tuple[bytes, ...], at: int) -> list[bytes]:
    """Parameter sets of two streams; their number comes after ``at`` bytes. Raises `SpliceError` where one means two."""
    known = {_golomb(unit[at : at + 8]): unit for unit in ours}
    for unit in theirs:
        if known.setdefault(_golomb(unit[at : at + 8]), unit) != unit:
            raise SpliceError("its H.264 parameters bear the numbers of another film's")
    return list(known.values())


def _golomb(content: bytes) -> int:
    """The first number of a string of bits, Exp-Golomb (ITU-T H.264, 9.1)."""
    plain = content.replace(b"\x00\x00\x03", b"\x00\x00")
    bits = "".join(f"{byte:08b}" for byte in plain)
    zeros = bits.find("1")
    if zeros < 0 or 2 * zeros + 1 > len(bits):
        raise SpliceError("its H.264 parameters are damaged")
    return int(bits[zeros : 2 * zeros + 1], 2) - 1
