"""Reads sound by sample number, counted from the media's zero, exact after any seek."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from lp_editor.errors import MediaError
from lp_editor.media.probe import AudioInfo, opened, probe

FREE = ("pcm_", "flac", "alac", "wavpack")
"""Codecs that decode to the same samples wherever decoding starts. AAC's noise bands, for one, do not: it is always
decoded from its beginning, so that every sample is the one a player hears."""

AHEAD_SECONDS = 2
"""In those, a sample further ahead than this is sought, not decoded towards."""

SCALE = {"u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "flt": 1.0, "dbl": 1.0, "s64": 2.0**63}
"""What a sample of 1.0 is in each format."""


class SoundSource:
    """A sound stream open for reading. One reader at a time."""

    def __init__(self, path: Path, stream: int = 0) -> None:
        media = probe(path)
        if stream >= len(media.audio):
            raise MediaError(f"{path} has no sound stream {stream + 1}")
        self.info: AudioInfo = media.audio[stream]
        self.path = path
        self._number = stream
        self._end: int | None = None
        self._open()
        self._base = Fraction(self._stream.time_base)
        start = Fraction(self._stream.start_time or 0) * self._base
        self._zero = start - self.info.start
        self._free = self.info.codec.startswith(FREE)
        self._blocks: Iterator[Any] | None = None
        self._have = np.zeros((0, self.info.channels))
        self._at = 0

    def _open(self) -> None:
        """Open the file with a decoder that has no past."""
        self._entered = opened(self.path)
        self._container = self._entered.__enter__()
        self._stream = self._container.streams.audio[self._number]

    def close(self) -> None:
        """Close the file."""
        self._blocks = None
        with suppress(FFmpegError):
            self._entered.__exit__(None, None, None)

    def __enter__(self) -> SoundSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, start: int, count: int) -> NDArray[np.float64]:
        """``count`` samples from number ``start`` on, (count, channels), -1..1; silence outside the stream."""
        try:
            return self._read(start, count)
        except (FFmpegError, ValueError, TypeError, LookupError, ArithmeticError) as error:
            # what damage does to a block: no time, another layout, fewer samples than it says
            reason = getattr(error, "strerror", None) or error
            raise MediaError(f"{self.path}: sound cannot be decoded ({reason}); export it again") from error

    def _read(self, start: int, count: int) -> NDArray[np.float64]:
        out = np.zeros((count, self.info.channels))
        if count <= 0 or start + count <= 0:
            return out
        wanted = max(start, 0)
        if self._end is not None and wanted >= self._end:
            return out
        far = self._free and wanted > self._at + len(self._have) + AHEAD_SECONDS * self.info.rate
        if self._blocks is None or wanted < self._at or far:
            self._seek(wanted)
        while True:
            low, high = max(start, self._at), min(start + count, self._at + len(self._have))
            if high > low:
                out[low - start : high - start] = self._have[low - self._at : high - self._at]
            if self._at + len(self._have) >= start + count or not self._advance():
                return out

    def _seek(self, start: int) -> None:
        """Start decoding: at the beginning, or where the codec allows it a little before a sample."""
        if self._free:
            seconds = Fraction(start, self.info.rate) + self._zero - Fraction(1, 4)
            target = max(int(seconds / self._base), min(self._stream.start_time or 0, 0))
            self._container.seek(target, stream=self._stream, backward=True)
        else:
            self.close()
            self._open()
        self._blocks = self._container.decode(self._stream)
        self._have = np.zeros((0, self.info.channels))
        self._at = 0
        while self._advance() and self._at + len(self._have) < start:
            pass

    def _advance(self) -> bool:
        """Decode one more block in the place of the last; False at the end."""
        if self._blocks is None:
            return False
        frame = next(self._blocks, None)
        if frame is None:
            self._blocks, self._end = None, self._at + len(self._have)
            return False
        expected = self._at + len(self._have)
        stamped = round((Fraction(frame.pts) * Fraction(frame.time_base) - self._zero) * self.info.rate)
        # MKV stamps whole milliseconds: within that, blocks follow each other without a seam
        follows = len(self._have) > 0 and abs(stamped - expected) <= self.info.rate // 400
        self._at = expected if follows else stamped
        self._have = _samples(frame)
        return True


def _samples(frame: Any) -> NDArray[np.float64]:
    """A decoded block as (N, channels), -1..1; integers keep every bit."""
    name = frame.format.name
    values = frame.to_ndarray()
    planar = values if name.endswith("p") else values.reshape(-1, frame.layout.nb_channels).T
    kind = name.removesuffix("p")
    shifted = planar.astype(np.float64) - (128 if kind == "u8" else 0)
    return np.ascontiguousarray((shifted / SCALE[kind]).T)
