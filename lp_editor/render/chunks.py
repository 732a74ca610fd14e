"""Chunks: runs of frames, the unit of work and of storage, each named by all that decides its content."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from queue import Queue
from threading import Thread
from time import perf_counter

import numpy as np

from lp_editor.media.codecs import Codec, Delivery, delivered
from lp_editor.media.picture import Picture, VideoFormat, recoded
from lp_editor.media.sink import encode_chunk
from lp_editor.render.memory import return_free_pages
from lp_editor.render.report import Progress, Report
from lp_editor.render.stage import Finished, Stage
from lp_editor.render.stores import ChunkStore, digest
from lp_editor.timeline.cut import Event
from lp_editor.timeline.cut import Picture as Node

CHUNK = 48
"""Frames in a chunk: two seconds, so that a small change costs little and x264 still finds its redundancy."""

VERSION = 2
"""Raised whenever the same description gives other pixels."""

SUFFIX, MATTE_SUFFIX = ".mkv", ".matte.mkv"


@dataclass(frozen=True)
class Chunk:
    """Some frames of one event, with the name of their content."""

    node: Node
    first: int
    count: int
    key: str


def chunked(stage: Stage, events: Sequence[Event], delivery: Delivery) -> list[Chunk]:
    """The events cut into chunks and named."""
    return [
        Chunk(event.picture, first, count, _key(stage, event.picture, first, count, delivery))
        for event in events
        for first, count in _runs(event)
    ]


def _runs(event: Event) -> Iterator[tuple[int, int]]:
    for first in range(event.first, event.stop, CHUNK):
        yield first, min(CHUNK, event.stop - first)


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

    def missing(self, chunk: Chunk) -> bool:
        """Whether a chunk (or its matte, if asked for) is still to be made."""
        if self.with_matte and not self.store.has(chunk.key, MATTE_SUFFIX):
            return True
        return not self.store.has(chunk.key, SUFFIX)

    def make(self, chunk: Chunk) -> None:
        """Render and store one chunk, and its matte."""
        self._make(chunk)
        return_free_pages()

    def _make(self, chunk: Chunk) -> None:
        with closing(self._counted(self.stage.frames(chunk.node, chunk.first, chunk.count))) as frames:
            self._written(chunk, frames)

    def _written(self, chunk: Chunk, frames: Iterator[Finished]) -> None:
        if not self.with_matte:
            self._encode(chunk, (self._shown(f) for f in frames))
            return
        mattes: Queue[Picture | None] = Queue(8)
        writer = _MatteWriter(self.store, chunk.key, self.stage.plan.rate, self.stage.format, mattes)
        writer.start()
        try:
            self._encode(chunk, (self._shown(f) for f in _fork(frames, mattes)))
        finally:
            mattes.put(None)
            writer.join()
        if writer.error:
            raise writer.error

    def _encode(self, chunk: Chunk, pictures: Iterator[Picture]) -> None:
        format, rate = self.stage.format, self.stage.plan.rate
        self.store.put(chunk.key, SUFFIX, lambda p: encode_chunk(p, pictures, format, rate, self.delivery))

    def _shown(self, frame: Finished) -> Picture:
        """What is encoded of a frame: with alpha, opaque wherever a pixel was changed."""
        if not self.delivery.alpha:
            return frame.picture
        opaque = recoded(frame.picture, delivered(frame.picture.format, self.delivery))
        alpha = np.where(frame.matte > 0, opaque.format.peak, 0).astype(opaque.format.layout.dtype)
        return Picture((*opaque.planes[:3], alpha), opaque.format)

    def _counted(self, frames: Iterator[Finished]) -> Generator[Finished, None, None]:
        for frame in frames:
            handed = perf_counter()
            yield frame  # whoever asked for it encodes it, then asks for the next
            self.report.profile.add("encode", handed, perf_counter())
            self.progress("frames", self.report.add_rendered(1), self.total)


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
    """Where the chunks of a program lie, in order."""
    return [store.path(chunk.key, suffix) for chunk in chunks]
