"""Reads pictures from a video file, exact to the frame, straight on or after a seek.

Frames are numbered in presentation order by the packets' timestamps, so variable rates, B-frames and long GOPs need
no guess: a decoded frame is known by its time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from lp_editor.errors import MediaError
from lp_editor.media.frames import from_frame
from lp_editor.media.picture import Picture, recoded
from lp_editor.media.probe import MediaInfo, VideoInfo, check_unchanged, decoded, opened, probe

STRAIGHT_ON = 24
"""A frame at most this far ahead is decoded towards, even where a key frame lies between."""


class VideoSource:
    """A video file open for reading. One reader at a time. ``threads`` decode it; 0: as many as there are cores."""

    def __init__(self, path: Path, info: MediaInfo | None = None, threads: int = 0) -> None:
        self._threads = threads
        self.info = info or probe(path)
        if self.info.video is None:
            raise MediaError(f"{path} has no picture")
        self.video: VideoInfo = self.info.video
        aspect = self.video.format.sample_aspect
        self._aspect = 1 / aspect if self.video.turn.sideways else aspect
        self._container: Any = None
        self._stream: Any = None
        self._decoded: Iterator[Any] | None = None
        self._next = 0
        self._last: tuple[int, Picture] | None = None
        self._open()

    def _open(self) -> None:
        """Open the file, ready to be read from its beginning."""
        self._entered = opened(self.info.path)
        self._container = self._entered.__enter__()
        self._stream = next(iter(self._container.streams.video))
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = self._threads
        self._untouched = True

    def close(self) -> None:
        """Close the file, and let go of its decoder, which holds pictures."""
        self._decoded = self._last = None
        with suppress(FFmpegError):
            self._entered.__exit__(None, None, None)
        self._container = self._stream = None

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def next(self) -> int:
        """The frame that can be read without going back."""
        return self._next

    def time_of(self, index: int) -> Fraction:
        """When a frame starts, in seconds from the media's zero."""
        if not self.video.variable:
            return index / self.video.rate
        return (self.video.times[index] - self.video.times[0]) * self.video.time_base

    def picture(self, index: int) -> Picture:
        """One frame. Raises `MediaError` where it cannot be decoded, `IndexError` where there is none."""
        if not 0 <= index < self.video.count:
            raise IndexError(f"frame {index} of {self.video.count}")
        if self._last and self._last[0] == index:
            return self._last[1]
        try:
            picture = self._read(index)
        except MediaError:
            self._check()  # what became of the file says more than what became of the frame
            raise
        except (FFmpegError, ValueError, TypeError, ArithmeticError) as error:
            # what damage does to a frame: planes that are missing, times that are none
            self._decoded = None
            self._check()
            reason = getattr(error, "strerror", None) or error
            raise MediaError(f"{self.info.path}: frame {index} cannot be decoded ({reason})") from error
        self._check()
        have, meant = picture.format, self.video.format
        if (have.width, have.height, have.pix_fmt) != (meant.width, meant.height, meant.pix_fmt):
            raise MediaError(
                f"{self.info.path}: frame {index} is {have.width}x{have.height} {have.pix_fmt}, the first one "
                f"{meant.width}x{meant.height} {meant.pix_fmt}; export it again in one format"
            )
        self._last = (index, picture)
        return picture

    def _check(self) -> None:
        """After reading: that it was the file that was looked into."""
        check_unchanged(self.info)

    def frames(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Pictures by number, ascending for speed; repeats and jumps are allowed."""
        return (self.picture(index) for index in indices)

    def _read(self, index: int) -> Picture:
        start = self._start_for(index)
        for back in (1, 2, 8, self.video.count):
            if start is not None:
                self._seek(start)
            for number, frame in self._numbered():
                self._next = number + 1
                if number == index and not (frame.is_corrupt and start):
                    return from_frame(frame, self._aspect, self.video.turn)
                if number >= index:
                    break  # the seek went too far: start at an earlier key frame
            start = self._key_before(index, back)
        raise MediaError(
            f"{self.info.path}: frame {index} is listed but cannot be decoded; the file is damaged, export it again"
        )

    def _start_for(self, index: int) -> int | None:
        """Where to seek to for a frame; None to go straight on."""
        if self._decoded is not None and self._next <= index:
            key = self._key_before(index, 0)
            if index - self._next <= STRAIGHT_ON or key <= self._next:
                return None
        return self._key_before(index, 0)

    def _key_before(self, index: int, back: int) -> int:
        at = bisect_right(self.video.keyframes, index) - 1 - back
        return self.video.keyframes[at] if at >= 0 else 0

    def _seek(self, index: int) -> None:
        if index > 0:
            self._container.seek(self.video.times[index], stream=self._stream, backward=True)
        elif not self._untouched:
            self.close()  # some formats (a JPEG) do not seek back to their beginning
            self._open()
        self._untouched = False
        self._decoded = decoded(self._container, self._stream)

    def _numbered(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decoded frames with their numbers; frames the packet list does not know are passed over."""
        if self._decoded is None:
            self._seek(0)
        assert self._decoded is not None
        for frame in self._decoded:
            if frame.pts is None:
                yield self._next, frame
                continue
            number = bisect_left(self.video.times, frame.pts)
            if number < self.video.count and self.video.times[number] == frame.pts:
                yield number, frame
        self._decoded = None


class SequenceSource(VideoSource):
    """An image sequence, read file by file."""

    def _open(self) -> None:
        """Nothing stays open between frames."""

    def close(self) -> None:
        """Nothing is open."""

    def _check(self) -> None:
        """Every file is looked at when it is read."""

    def _read(self, index: int) -> Picture:
        files, format = self.video.files, self.video.format
        assert files is not None
        path = files.file(index)
        if path is None:
            return Picture.black(format)
        with opened(path) as container:
            stream = container.streams.video[0]
            frame = next(decoded(container, stream), None)
            if frame is None:
                raise MediaError(f"{path} holds no picture that can be decoded")
            picture = from_frame(frame, self._aspect, self.video.turn)
        if files.versions:
            files.check(path)
        have = picture.format
        if (have.width, have.height) != (format.width, format.height):
            raise MediaError(
                f"{path} is {have.width}x{have.height}, its sequence {format.width}x{format.height}; export it again"
            )
        return recoded(picture, format)


def open_video(info: MediaInfo, threads: int = 0) -> VideoSource:
    """A file or a sequence, open for reading, decoded by so many threads; 0: as many as there are cores."""
    sequence = info.video is not None and info.video.files is not None
    return (SequenceSource if sequence else VideoSource)(info.path, info, threads)
