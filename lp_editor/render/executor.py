"""Runs the chunks of a render on this machine: a few workers, each going straight on through its share of the program."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import cpu_count
from threading import Event, Lock
from typing import Protocol, TypeVar

import cv2

from lp_editor.errors import Cancelled, OutputError
from lp_editor.render.chunks import Chunk, ChunkWork

JobT = TypeVar("JobT")


class Executor(Protocol):
    """Makes chunks, in any order, anywhere. The first error stops the rest and is raised."""

    def run(self, work: ChunkWork, chunks: Sequence[Chunk]) -> None:
        """Make each chunk as ``work.make`` does; returns when all lie in the work's store.

        Whoever makes them tells the work's ``progress`` and ``report``, and stops soon once its ``halt`` is set.
        """
        ...


class LocalExecutor:
    """Threads on this machine. Decoding, OpenCV and encoding all run outside Python's lock."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or max(1, min(cpu_count() or 1, 8))

    def run(self, work: ChunkWork, chunks: Sequence[Chunk]) -> None:
        """See `Executor.run`. Each worker takes neighbouring chunks, so that its files are read straight on, as long as
        there are any; then some of those that another would come to last."""

        def make(some: Iterable[Chunk]) -> None:
            for chunk in some:
                work.make(chunk)

        if self.workers == 1 or len(chunks) <= 1:
            return make(chunks)
        handing_out = _HandingOut(chunks, Costs.of(work, chunks))
        with _cores.shared(self.workers), ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(make, handing_out.to_one()) for _ in range(min(self.workers, len(chunks)))]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                work.halt.set()  # an error, or Ctrl-C: the others end after their frame
        errors = [error for future in done if (error := future.exception())]
        for error in sorted(errors, key=lambda e: isinstance(e, Cancelled)):
            raise error  # what went wrong, not what was stopped for it
        return None


class _Cores:
    """Lets OpenCV use no more threads than each worker has cores: more wait for each other, at full load.

    OpenCV knows one number for the whole process, so the last of several renders at once puts back what was there.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._renders, self._before = 0, 0

    @contextmanager
    def shared(self, workers: int) -> Iterator[None]:
        """Among some workers, for the time of a ``with``."""
        with self._lock:
            if self._renders == 0:
                self._before = cv2.getNumThreads()
            self._renders += 1
            cv2.setNumThreads(max(1, (cpu_count() or 1) // workers))
        try:
            yield
        finally:
            with self._lock:
                self._renders -= 1
                if self._renders == 0:
                    cv2.setNumThreads(self._before)


_cores = _Cores()
"""Of this process."""


DECODED = 0.3
"""What decoding a frame costs of what making one does (benchmarks/pipeline.py: 8 of 28 ms)."""


@dataclass(frozen=True)
class Costs:
    """What chunks cost by their numbers, in frames made: by themselves, and more where one begins with them, because what
    lies before them in their film is decoded first."""

    own: Sequence[float]
    begun: Sequence[float]

    @classmethod
    def of(cls, work: ChunkWork, chunks: Sequence[Chunk]) -> Costs:
        """Of the chunks of a render."""
        leads = [DECODED * work.stage.lead(chunk.node, chunk.first) for chunk in chunks]
        return cls([chunk.count for chunk in chunks], leads)


class _HandingOut:
    """Chunks handed out to workers, who ask from several threads."""

    def __init__(self, chunks: Sequence[Chunk], costs: Costs) -> None:
        self._chunks, self._costs = chunks, costs
        self._waiting, self._busy = set(range(len(chunks))), set[int]()
        self._lock = Lock()

    def to_one(self) -> Iterator[Chunk]:
        """One worker's chunks: each is taken when the one before is done."""
        last: int | None = None
        while (number := self._next(last)) is not None:
            yield self._chunks[number]
            last = number

    def _next(self, last: int | None) -> int | None:
        with self._lock:
            self._busy.discard(-1 if last is None else last)
            number = next_chunk(self._waiting, last, self._busy, self._costs)
            if number is not None:
                self._waiting.discard(number)
                self._busy.add(number)
            return number


def next_chunk(waiting: set[int], last: int | None, busy: set[int], costs: Costs) -> int | None:
    """Which of the chunks that are left a worker takes: the one after its last, so that it goes straight on through its
    files; else the first of the longest run. Of one that another (of ``busy``) is working its way into it takes the part with
    which both are done soonest; None where that other is as soon done alone."""
    if last is not None and last + 1 in waiting:
        return last + 1
    if not waiting:
        return None
    ordered = sorted(waiting)
    breaks = [0, *(i for i, (a, b) in enumerate(itertools.pairwise(ordered), 1) if b != a + 1), len(ordered)]
    start, stop = max(itertools.pairwise(breaks), key=lambda ends: ends[1] - ends[0])
    run = ordered[start:stop]
    if run[0] - 1 not in busy:
        return run[0]
    alone = list(itertools.accumulate(costs.own[number] for number in (run[0] - 1, *run)))  # with what the other is at

    def shared(i: int) -> float:
        return max(alone[i], alone[-1] - alone[i] + costs.begun[run[i]])

    best = min(reversed(range(len(run))), key=shared)
    return run[best] if shared(best) < alone[-1] else None


@dataclass(frozen=True)
class Part:
    """Some neighbouring chunks of a render, counted from 1: ``first`` to ``last``; none where ``last`` is 0."""

    first: int
    last: int

    def of(self, chunks: Sequence[JobT]) -> Sequence[JobT]:
        """These of all chunks. Raises `OutputError` where the first is not there."""
        if self.last and self.first > len(chunks):
            raise OutputError(f"the render has {len(chunks)} chunks, so there is no chunk {self.first}")
        return chunks[max(self.first - 1, 0) : self.last]


def make_missing(work: ChunkWork, chunks: Sequence[Chunk], executor: Executor, part: Part | None = None) -> None:
    """Have an executor make those of some chunks, or of a part of them, that are not there yet."""
    todo = work.todo(chunks if part is None else part.of(chunks))
    done = work.report.rendered + work.report.found
    work.stage.sources.shared_by(min(getattr(executor, "workers", 1), len(todo)))
    executor.run(replace(work, total=done + sum(chunk.count for chunk in todo), halt=Event()), todo)
