"""Groups of pictures taken from a file as they lie there, packet by packet, beside newly encoded ones in one stream.

A group that nothing refers into from outside (it begins with a picture that every decoder starts anew at, and is shown
before all that follows) can be copied; what lies between such groups is encoded. H.264 keeps its parameter sets beside the
stream (ISO/IEC 14496-15, 5.3.3): those of the source and ours lie there together, under different numbers.
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lp_editor.media.codecs import Codec
from lp_editor.media.frames import from_frame
from lp_editor.media.picture import Picture
from lp_editor.media.probe import MediaInfo, VideoInfo, decoded, opened, probe

SPLICED = {"h264": Codec.H264, "prores": Codec.PRORES, "dnxhd": Codec.DNXHR, "ffv1": Codec.FFV1}
"""The codecs whose packets can lie beside ours, by FFmpeg's names of decoders."""

INTRA = ("prores", "dnxhd", "ffv1")
"""Codecs in which every picture stands by itself (FFV1 where every picture is a key frame)."""

PRORES_TAGS = {"apco": "proxy", "apcs": "lt", "apcn": "422", "apch": "hq", "ap4h": "4444", "ap4x": "4444xq"}
"""ProRes profiles by the four characters that files name them with (Apple ProRes white paper)."""

IDR, SPS, PPS = 5, 7, 8
"""NAL unit types (ITU-T H.264, table 7-1)."""

HIGHEST_ID = 31
"""Of a sequence parameter set (ITU-T H.264, 7.4.2.1.1)."""

EXTENDED = (100, 110, 122, 144)
"""Profiles whose configuration record says chroma and depth too (ISO/IEC 14496-15, 5.3.3.1.2)."""


class SpliceError(Exception):
    """Why packets cannot be copied, as half a sentence. For callers that then encode instead."""


@dataclass(frozen=True)
class Group:
    """Frames that can be copied together; ``reorder``: by how many packets a picture comes after its place."""

    first: int
    count: int
    reorder: int


@dataclass(frozen=True)
class CopiedPictures:
    """Frames of a file, whole groups, to be written as they lie there."""

    path: Path
    first: int
    count: int
    reorder: int

    def packets(self) -> Iterator[tuple[Any, int]]:
        """Each packet in decoding order, and the number of its frame counted from ``first``. Raises `SpliceError`."""
        video = probe(self.path).video
        assert video is not None
        with opened(self.path) as file:
            stream = file.streams.video[0]
            found = 0
            for packet, number in _numbered(file, stream, video.times, self.first):
                if found == 0 and number != self.first:
                    continue
                if not 0 <= number - self.first < self.count:
                    break
                found += 1
                yield packet, number - self.first
                if found == self.count:
                    return
        raise SpliceError(f"frames {self.first + found} and on of {self.path.name} are not where they were listed")


def _numbered(file: Any, stream: Any, times: Sequence[int], first: int) -> Iterator[tuple[Any, int]]:
    """Packets with their frame numbers, from a key frame at or before ``first``; -1 for what is not shown."""
    if first:
        file.seek(times[first], stream=stream, backward=True)
    for packet in file.demux(stream):
        if packet.pts is None and packet.dts is None:
            continue
        yield packet, _number(times, packet)


def _number(times: Sequence[int], packet: Any) -> int:
    at = packet.pts if packet.pts is not None else packet.dts
    number = bisect_left(times, at)
    return number if number < len(times) and times[number] == at and not packet.is_discard else -1


def groups(info: MediaInfo) -> list[Group]:
    """The groups of a file that can be copied, in order. Raises `SpliceError` where that cannot be told."""
    video = info.video
    if video is None or video.codec not in SPLICED:
        raise SpliceError(f"{info.path.name} is {video.codec if video else 'without a picture'}, which is not copied")
    order, starts = array("q"), array("q")
    with opened(info.path) as file:
        stream = file.streams.video[0]
        width = Configuration.of(_header(stream)).width if video.codec == "h264" else 0
        for packet, number in _numbered(file, stream, video.times, 0):
            if packet.is_keyframe and (video.codec in INTRA or _restarts(bytes(packet), width)):
                starts.append(len(order))
            order.append(number)
    return list(_closed(order, starts))


def _closed(order: Sequence[int], starts: Sequence[int]) -> Iterator[Group]:
    """The runs between starts whose frames are shown without a gap and without anybody else's."""
    for start, stop in itertools.pairwise([*starts, len(order)]):
        numbers = order[start:stop]
        first = numbers[0]
        if first >= 0 and sorted(numbers) == list(range(first, first + len(numbers))):
            yield Group(first, len(numbers), max(i - (n - first) for i, n in enumerate(numbers)))


def _restarts(packet: bytes, width: int) -> bool:
    """Whether a packet of H.264 is one that decoding starts anew at, whatever came before."""
    return any(unit[0] & 0x1F == IDR for unit in units(packet, width) if unit)


def units(packet: bytes, width: int) -> Iterator[bytes]:
    """The NAL units of a packet in which each follows its length of ``width`` bytes."""
    at = 0
    while at + width <= len(packet):
        size = int.from_bytes(packet[at : at + width], "big")
        yield packet[at + width : at + width + size]
        at += width + size


def _header(stream: Any) -> bytes:
    return bytes(stream.codec_context.extradata or b"")


def header_of(path: Path) -> bytes:
    """What lies beside a film's stream for its decoder."""
    with opened(path) as file:
        return _header(file.streams.video[0])


def spliced_header(source: Path, chunk: Path | None) -> bytes:
    """What lies beside a stream of a film's packets and a chunk's. Raises `SpliceError` where they do not go together."""
    have = header_of(source)
    if chunk is None or header_of(chunk) == have:
        return have
    video = probe(source).video
    if video is None or video.codec != "h264":
        raise SpliceError("it was encoded with other settings")
    return Configuration.of(have).with_sets_of(Configuration.of(header_of(chunk)))


def prores_profile(path: Path) -> str:
    """The profile of a ProRes film; empty for one without a known name."""
    with opened(path) as file:
        return PRORES_TAGS.get(str(file.streams.video[0].codec_context.codec_tag), "")


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
        if self.ids & other.ids:
            raise SpliceError("its H.264 parameters bear the numbers of ours")
        higher = max(self, other, key=lambda c: (c.profile in EXTENDED, c.profile))
        sps, pps = (*self.sps, *other.sps), (*self.pps, *other.pps)
        made = [1, higher.profile, higher.compatible, max(self.level, other.level), 0xFC | self.width - 1]
        out = bytes([*made, 0xE0 | len(sps)]) + b"".join(len(u).to_bytes(2, "big") + u for u in sps)
        return out + bytes([len(pps)]) + b"".join(len(u).to_bytes(2, "big") + u for u in pps) + higher.rest


def _golomb(content: bytes) -> int:
    """The first number of a string of bits, Exp-Golomb (ITU-T H.264, 9.1)."""
    plain = content.replace(b"\x00\x00\x03", b"\x00\x00")
    bits = "".join(f"{byte:08b}" for byte in plain)
    zeros = bits.find("1")
    if zeros < 0 or 2 * zeros + 1 > len(bits):
        raise SpliceError("its H.264 parameters are damaged")
    return int(bits[zeros : 2 * zeros + 1], 2) - 1


def check_copies(path: Path, pieces: Sequence[tuple[Path | CopiedPictures, int]], thorough: bool) -> None:
    """Compare a finished file with what it was made of. Raises `SpliceError` for any difference.

    Every copied packet is compared with the source's to the byte. What was encoded is decoded again, with the group before
    it and the beginning of what follows, without an error, and every picture of it is the chunk's own; ``thorough``: all of
    the file is decoded, and every copied picture is the source's.
    """
    _check_packets(path, pieces)
    start = 0
    video = probe(path).video
    assert video is not None
    for piece, count in pieces:
        if thorough or isinstance(piece, Path):
            _check_pictures(path, video, start, piece, count)
        start += count


def _check_packets(path: Path, pieces: Sequence[tuple[Path | CopiedPictures, int]]) -> None:
    with opened(path) as file:
        packets = (p for p in file.demux(file.streams.video[0]) if p.pts is not None)
        for piece, count in pieces:
            if isinstance(piece, Path):
                found = sum(1 for _ in itertools.islice(packets, count))
            else:
                pairs = zip(piece.packets(), itertools.islice(packets, count), strict=False)
                found = sum(bytes(mine) == bytes(theirs) for (theirs, _), mine in pairs)
            if found != count:
                raise SpliceError(f"{count - found} packets of {path.name} are not those that were to be copied")
        if next(packets, None) is not None:
            raise SpliceError(f"{path.name} has packets too many")


AFTER = 24
"""Frames decoded behind what was encoded."""


def _check_pictures(path: Path, video: VideoInfo, start: int, piece: Path | CopiedPictures, count: int) -> None:
    """Decode one piece out of a file, from the group before it to some frames behind it."""
    before = video.keyframes[max(bisect_left(video.keyframes, start) - 1, 0)] if start else 0
    own = _pictures(piece.path, piece.first, count) if isinstance(piece, CopiedPictures) else _pictures(piece, 0, count)
    shown = _pictures(path, before, min(start + count + AFTER, video.count) - before)
    for number, picture in enumerate(shown, before):
        if start <= number < start + count and not picture.equals(next(own)):
            raise SpliceError(f"frame {number} of {path.name} does not decode to what was written")


def _pictures(path: Path, first: int, count: int) -> Iterator[Picture]:
    """Some frames, decoded straight on from a key frame. Raises `SpliceError` where one is missing or damaged."""
    video = probe(path).video
    assert video is not None
    with opened(path) as file:
        stream = file.streams.video[0]
        stream.thread_type = "AUTO"
        wanted = first
        if first:
            file.seek(video.times[first], stream=stream, backward=True)
        for frame in decoded(file, stream):
            number = bisect_left(video.times, frame.pts) if frame.pts is not None else -1
            if number < first:
                continue
            if number != wanted or frame.is_corrupt:
                break
            yield from_frame(frame, video.format.sample_aspect, video.turn)
            wanted += 1
            if wanted == first + count:
                return
    raise SpliceError(f"frame {wanted} of {path.name} cannot be decoded")
