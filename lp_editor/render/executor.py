"""Runs the chunks of a render on this machine: a few workers, each going straight on through its share of the program."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from os import cpu_count
from threading import Event
from typing import Protocol, TypeVar

JobT = TypeVar("JobT")


class Executor(Protocol):
    """Runs jobs, in any order, anywhere. The first error stops the rest and is raised."""

    def run(self, work: Callable[[JobT], None], jobs: Sequence[JobT]) -> None:
        """Call ``work`` once for each job; returns when all are done."""
        ...


class LocalExecutor:
    """Threads on this machine. Decoding, OpenCV and encoding all run outside Python's lock."""

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or max(1, min(cpu_count() or 1, 8))

    def run(self, work: Callable[[JobT], None], jobs: Sequence[JobT]) -> None:
        """See `Executor.run`. Each worker takes neighbouring jobs, so that its files are read straight on."""
        stop = Event()

        def share(part: Sequence[JobT]) -> None:
            for job in part:
                if stop.is_set():
                    return
                work(job)

        if self._workers == 1 or len(jobs) <= 1:
            return share(jobs)
        with ThreadPoolExecutor(self._workers) as pool:
            futures = [pool.submit(share, part) for part in shares(jobs, self._workers)]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                stop.set()  # an error, or Ctrl-C: the others end after their chunk
            for future in done:
                future.result()
        return None


def shares(jobs: Sequence[JobT], workers: int) -> list[Sequence[JobT]]:
    """The jobs in as many neighbouring runs as there are workers, of nearly equal length; none empty."""
    edges = [round(i * len(jobs) / workers) for i in range(workers + 1)]
    return [jobs[a:b] for a, b in itertools.pairwise(edges) if b > a]
