"""Looks at a film made of copied and encoded packets again, before it gets its name."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from lp_editor.ahead import ahead
from lp_editor.media.frames import from_frame
from lp_editor.media.probe import decoded, opened, probe
from lp_editor.media.splice import CopiedPictures, SpliceError, chunk_packets, picture_stream

Piece: TypeAlias = Path | CopiedPictures
"""A chunk encoded by us, or pictures copied from a film."""

AFTER = 16
"""Frames that are decoded behind what was encoded, and pictures of a piece that are compared: as many as a stream of H.264 or
H.265 may hold back (ITU-T H.264, A.3.1). A group of pictures may be minutes long, and where these decode as they do alone, so
do the rest of the same packets."""

EARLY = 8
"""Frames of the film that are decoded while those of its pieces are."""


@dataclass(frozen=True)
class Pieces:
    """What a film was made of, in order, and how many frames each piece has."""

    pieces: Sequence[tuple[Piece, int]]
    rate: Fraction

    @property
    def count(self) -> int:
        """Frames of all."""
        return sum(count for _, count in self.pieces)

    def check(self, path: Path, thorough: bool, progress: Callable[[int, int], None]) -> None:
        """Compare the film with its pieces. Raises `SpliceError` for any difference.

        Every packet has to be its piece's to the byte, and at its frame's time. What was encoded is decoded with its
        neighbours, from the key frame before it to the end of the group behind it (of a long one the first `AFTER`
        frames); every picture has to be whole, and the first `AFTER` of each piece those of the piece decoded by itself.
        ``thorough``: so is all of the film, and every picture. ``progress`` is told how many frames of how many are decoded.
        """
        with opened(path) as file:
            listed = self._packets(path, file)
        spans = [(0, self.count)] if thorough else list(self._spans(listed))
        done, total = 0, sum(stop - first for first, stop in spans)
        for first, stop in spans:
            wanted = self._frames(first, stop, self.count if thorough else AFTER)
            with closing(ahead(_frames(path, listed.times, first, stop - first), EARLY)) as shown:
                for number, (mine, theirs) in enumerate(zip(shown, wanted, strict=True), first):
                    if theirs is not None and not from_frame(mine).equals(from_frame(theirs)):
                        raise SpliceError(f"frame {number} of {path.name} does not decode to what was written")
                    done += 1
                    progress(done, total)

    def _packets(self, path: Path, file: Any) -> _Listed:
        """All packets compared; when each frame is shown, and the key frames."""
        stream = picture_stream(file)
        packets = (packet for packet in file.demux(stream) if packet.pts is not None)
        numbers, times, keyed = array("q"), array("q"), array("q")
        start = 0
        for piece, count in self.pieces:
            found = 0
            for (wanted, number), packet in zip(_packets_of(piece, self.rate), islice(packets, count), strict=False):
                if bytes(wanted) != bytes(packet):
                    raise SpliceError(f"frame {start + number} of {path.name} was not copied right")
                numbers.append(start + number)
                times.append(packet.pts)
                if packet.is_keyframe:
                    keyed.append(start + number)
                found += 1
            if found != count:
                raise SpliceError(f"{path.name} lacks {count - found} packets from frame {start} on")
            start += count
        if next(packets, None) is not None:
            raise SpliceError(f"{path.name} has packets too many")
        return _Listed.of(path, np.array(numbers), np.array(times), keyed, self.rate * stream.time_base)

    def _spans(self, listed: _Listed) -> Iterator[tuple[int, int]]:
        """Runs of frames to be decoded: what was encoded, with its neighbours."""
        waiting: tuple[int, int] | None = None
        start = 0
        for piece, count in self.pieces:
            if isinstance(piece, Path):
                first, stop = listed.around(start, start + count)
                if waiting and first > waiting[1]:
                    yield waiting
                    waiting = None
                waiting = (waiting[0] if waiting else first, stop)
            start += count
        if waiting:
            yield waiting

    def _frames(self, first: int, stop: int, most: int) -> Iterator[VideoFrame | None]:
        """What some frames have to show, the first ``most`` of each piece; None for the others."""
        start = 0
        for piece, count in self.pieces:
            low, high = max(first - start, 0), min(stop - start, count)
            if low < high:
                path, before = (piece.path, piece.first) if isinstance(piece, CopiedPictures) else (piece, 0)
                yield from _frames(path, _times(piece, self.rate), before + low, min(most, high - low))
                yield from [None] * max(high - low - most, 0)
            start += count


@dataclass(frozen=True)
class _Listed:
    """The frames of a film: when each is shown, in order, and which are key frames."""

    times: Sequence[int]
    keyframes: Sequence[int]

    @classmethod
    def of(
        cls, path: Path, numbers: NDArray[np.int64], times: NDArray[np.int64], keyed: Sequence[int], unit: Fraction
    ) -> _Listed:
        """Of the packets' times in ``unit`` frames each. Raises `SpliceError` where one is not its frame's."""
        # milliseconds, as in MKV, are rounded
        off = np.abs((times - times.min()) * float(unit) - numbers) > max(float(unit), 1e-3)
        if off.any():
            raise SpliceError(f"frame {numbers[off][0]} of {path.name} is not at its time")
        return cls(np.sort(times).tolist(), sorted(keyed))

    def around(self, start: int, stop: int) -> tuple[int, int]:
        """Some frames with the group before them and the beginning of the one behind."""
        first = self.keyframes[max(bisect_left(self.keyframes, start) - 1, 0)] if start else 0
        behind = bisect_right(self.keyframes, stop)
        end = self.keyframes[behind] if behind < len(self.keyframes) else len(self.times)
        return first, min(end, stop + AFTER)


def _packets_of(piece: Piece, rate: Fraction) -> Iterator[tuple[Any, int]]:
    """A piece's packets in decoding order, with their frames' numbers in it."""
    return piece.packets() if isinstance(piece, CopiedPictures) else chunk_packets(piece, rate)


def _times(piece: Piece, rate: Fraction) -> Sequence[int]:
    """When each frame is shown in a piece's own file, in order."""
    if isinstance(piece, CopiedPictures):
        video = probe(piece.path).video
        assert video is not None
        return video.times
    return sorted(int(packet.pts) for packet, _ in chunk_packets(piece, rate))  # takes a fraction of what probing does


def _frames(path: Path, times: Sequence[int], first: int, count: int) -> Iterator[VideoFrame]:
    """Some frames, decoded straight on from a key frame. Raises `SpliceError` where one is missing or damaged."""
    wanted = first
    with opened(path) as file:
        stream = picture_stream(file)
        stream.thread_type = "AUTO"
        if first:
            file.seek(times[first], stream=stream, backward=True)
        for frame in decoded(file, stream):
            number = bisect_left(times, frame.pts) if frame.pts is not None else -1
            if number < first:
                continue
            if number != wanted or frame.is_corrupt:
                break
            yield frame
            wanted += 1
            if wanted == first + count:
                return
    raise SpliceError(f"frame {wanted} of {path.name} cannot be decoded")
