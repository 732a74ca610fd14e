"""Chunks: runs of frames, the unit of work and of storage, each named by all that decides its content."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from queue import Queue
from threading import Event as StopSignal
from threading import Thread
from time import perf_counter

import numpy as np

from lp_editor.errors import CacheError, Cancelled, MediaError
from lp_editor.media.codecs import Codec, Delivery, delivered
from lp_editor.media.memory import return_free_pages
from lp_editor.media.picture import Picture, VideoFormat, recoded
from lp_editor.media.sink import encode_chunk
from lp_editor.render.report import Progress, Report
from lp_editor.render.stage import Finished, Stage
from lp_editor.render.stores import ChunkStore, digest
from lp_editor.timeline.cut import Event, Shown
from lp_editor.timeline.cut import Picture as Node

CHUNK = 48
"""Frames in a chunk: two seconds, so that a small change costs little and x264 still finds its redundancy."""

VERSION = 4
"""Raised whenever the same description gives other pixels."""

SUFFIX, MATTE_SUFFIX = ".mkv", ".matte.mkv"


@dataclass(frozen=True)
class Chunk:
    """Some frames of one event, with the name of their content, and what they are made into."""

    node: Node
    first: int
    count: int
    key: str
    format: VideoFormat
    delivery: Delivery


def chunked(stage: Stage, events: Sequence[Event], delivery: Delivery) -> list[Chunk]:
    """The events cut into chunks and named."""
    return [
        Chunk(
            event.picture, first, count, _key(stage, event.picture, first, count, delivery), stage.format, delivery
        )
        for event in events
        for first, count in runs(event, stage.plan.rate)
    ]  # fmt: skip


def runs(event: Event, rate: Fraction) -> Iterator[tuple[int, int]]:
    """First frame and count of each chunk of an event.

    Chunks of a clip at its own speed begin at the same frames of its media wherever it is trimmed and lies, so that what
    was rendered of it once is found again. A chunk that a trim cuts short is another one and is encoded anew, from patches
    that are there: packets cut out of the longer one would not be those that a render from nothing gives, and shorter chunks
    towards the ends would help small trims only.
    """
    first, until = event.first, CHUNK - _beyond(event, rate) % CHUNK
    while first < event.stop:
        count = min(until, event.stop - first)
        yield first, count
        first, until = first + count, CHUNK


def _beyond(event: Event, rate: Fraction) -> int:
    """How many frames from the zero of its media an event begins, where it shows them one by one; else 0."""
    if not isinstance(event.picture, Shown):
        return 0
    strip = event.picture.strip
    return round(strip.source_time(event.first / rate) * rate) if strip.clip.speed * strip.pace == 1 else 0


def check_name(stage: Stage, chunk: Chunk) -> None:
    """Raise a `MediaError` where a chunk would be another here than where it was named."""
    here = replace(stage, format=chunk.format)
    if _key(here, chunk.node, chunk.first, chunk.count, chunk.delivery) != chunk.key:
        raise MediaError(
            "the media, their analysis or the engine are not the same here as where the render was started; "
            "every machine needs the same files under the same paths, and the same lp-editor"
        )


def _key(stage: Stage, node: Node, first: int, count: int, delivery: Delivery) -> str:
    described = stage.describe(node, first, count)
    return digest("chunk", VERSION, described, repr(stage.format), str(stage.plan.rate), _named(delivery))


def _named(delivery: Delivery) -> str:
    """All of a delivery that decides pictures."""
    return repr(replace(delivery, sound=""))


@dataclass(frozen=True)
class ChunkWork:
    """Makes chunks that are not in the store yet."""

    stage: Stage
    store: ChunkStore
    delivery: Delivery
    with_matte: bool
    total: int
    progress: Progress
    report: Report
    halt: StopSignal = field(default_factory=StopSignal)
    """Set where the chunks that are being made are not wanted any more."""

    def missing(self, chunk: Chunk) -> bool:
        """Whether a chunk (or its matte, if asked for) is still to be made."""
        if self.with_matte and not self.store.has(chunk.key, MATTE_SUFFIX):
            return True
        return not self.store.has(chunk.key, SUFFIX)

    def todo(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chunks that are still to be made, each once."""
        return [chunk for chunk in {chunk.key: chunk for chunk in chunks}.values() if not self._kept(chunk)]

    def _kept(self, chunk: Chunk) -> bool:
        """Whether a chunk and its matte are there as they were written; damaged ones are told of."""
        suffixes = (SUFFIX, MATTE_SUFFIX) if self.with_matte else (SUFFIX,)
        there = [suffix for suffix in suffixes if self.store.has(chunk.key, suffix)]
        kept = [suffix for suffix in there if self.store.keeps(chunk.key, suffix)]
        if kept != there:
            self.report.note("a chunk in the cache was damaged and is made again")
        return len(kept) == len(suffixes)

    def make(self, chunk: Chunk) -> None:
        """Render and store one chunk, and its matte, unless another render of the same did so meanwhile.

        Raises `Cancelled` where ``halt`` is set before it is done.
        """
        if self.missing(chunk):
            self._make(chunk)
        else:
            self.progress("frames", self.report.add_found(chunk.count), self.total)
        return_free_pages()

    def _make(self, chunk: Chunk) -> None:
        stage = replace(self.stage, format=chunk.format)
        with closing(self._counted(stage.frames(chunk.node, chunk.first, chunk.count))) as frames:
            self._written(chunk, frames)

    def _written(self, chunk: Chunk, frames: Iterator[Finished]) -> None:
        if not self.with_matte:
            self._encode(chunk, (_shown(f, chunk.delivery) for f in frames))
            return
        mattes: Queue[Picture | None] = Queue(8)
        writer = _MatteWriter(self.store, chunk.key, self.stage.plan.rate, chunk.format, mattes)
        writer.start()
        try:
            self._encode(chunk, (_shown(f, chunk.delivery) for f in _fork(frames, mattes)))
        finally:
            mattes.put(None)
            writer.join()
        if writer.error:
            raise writer.error

    def _encode(self, chunk: Chunk, pictures: Iterator[Picture]) -> None:
        format, rate = chunk.format, self.stage.plan.rate
        self.store.put(chunk.key, SUFFIX, lambda p: encode_chunk(p, pictures, format, rate, chunk.delivery))

    def _counted(self, frames: Generator[Finished, None, None]) -> Generator[Finished, None, None]:
        with closing(frames):  # at once: an error that somebody holds would keep what reads ahead waiting
            for frame in frames:
                if self.halt.is_set():
                    raise Cancelled("the render was stopped; the same command goes on from there")
                handed = perf_counter()
                yield frame  # whoever asked for it encodes it, then asks for the next
                self.report.profile.add("encode", handed, perf_counter())
                self.progress("frames", self.report.add_rendered(1), self.total)


def _shown(frame: Finished, delivery: Delivery) -> Picture:
    """What is encoded of a frame: with alpha, opaque wherever a pixel was changed."""
    if not delivery.alpha:
        return frame.picture
    opaque = recoded(frame.picture, delivered(frame.picture.format, delivery))
    alpha = np.where(frame.matte > 0, opaque.format.peak, 0).astype(opaque.format.layout.dtype)
    return Picture((*opaque.planes[:3], alpha), opaque.format)


def _fork(frames: Iterator[Finished], mattes: Queue[Picture | None]) -> Iterator[Finished]:
    """Pass frames on, and mattes to another writer."""
    for frame in frames:
        mattes.put(Picture.grey(frame.matte))
        yield frame


class _MatteWriter(Thread):
    """Encodes the mattes of a chunk beside its pictures."""

    def __init__(
        self, store: ChunkStore, key: str, rate: Fraction, format: VideoFormat, mattes: Queue[Picture | None]
    ) -> None:
        super().__init__(daemon=True)
        self.error: Exception | None = None
        self._store, self._key, self._rate, self._mattes = store, key, rate, mattes
        self._format = matte_format(format)

    def run(self) -> None:
        """Until a None comes; after an error the rest is taken and dropped, so that nobody waits."""
        pictures = iter(self._mattes.get, None)
        try:
            self._store.put(
                self._key,
                MATTE_SUFFIX,
                lambda p: encode_chunk(p, _sure(pictures), self._format, self._rate, Codec.FFV1),
            )
        except Exception as error:  # handed to the thread that waits for us
            self.error = error
            for _ in pictures:
                pass


def _sure(pictures: Iterator[Picture | None]) -> Iterator[Picture]:
    return (p for p in pictures if p is not None)


def matte_format(format: VideoFormat) -> VideoFormat:
    """The format of a matte over pictures of this format: grey, full range."""
    return Picture.grey(np.zeros((format.height, format.width), np.uint8)).format


def chunk_paths(store: ChunkStore, chunks: Sequence[Chunk], suffix: str) -> list[Path]:
    """Where the chunks of a program lie, in order. Raises `CacheError` where one is gone."""
    paths = [store.path(chunk.key, suffix) for chunk in chunks]
    if gone := next((path for path in paths if not path.is_file()), None):
        raise CacheError(f"{gone} was deleted while it was needed; run the same command again")
    return paths
