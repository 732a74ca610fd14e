"""Where the time of a render goes: seconds by step, and on request every single step in a file for a trace viewer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock, get_ident
from time import perf_counter
from typing import IO, TypeVar

from lp_editor.files import write_whole

ItemT = TypeVar("ItemT")

STEPS = (
    "faces", "copy", "decode", "face picture", "engine", "patch store", "composite", "fit", "encode", "sound", "write",
    "check",
)  # fmt: skip
"""In the order of a frame's way."""


@dataclass
class Step:
    """What one step cost so far, over all threads. ``times`` counts frames, or whatever the step does at once."""

    seconds: float = 0.0
    times: int = 0


class Profile:
    """Sums the time of each step over all threads; costs some microseconds a step.

    The threads work at the same time, so the sums are together longer than the render: they are what a core would take.
    """

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {name: Step() for name in STEPS}
        self._began = perf_counter()
        self._lock = Lock()
        self._trace: IO[str] | None = None
        self._threads: dict[int, int] = {}

    @contextmanager
    def step(self, name: str, times: int = 1) -> Iterator[None]:
        """Time what is done inside a ``with``."""
        began = perf_counter()
        try:
            yield
        finally:
            self.add(name, began, perf_counter(), times)

    def each(self, name: str, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """The same items; time the making of each."""
        source = iter(items)
        while True:
            began = perf_counter()
            try:
                item = next(source)
            except StopIteration:
                return
            self.add(name, began, perf_counter())
            yield item

    def add(self, name: str, began: float, ended: float, times: int = 1) -> None:
        """Count a step that ran between two moments of ``time.perf_counter``, in seconds."""
        with self._lock:
            step = self.steps.setdefault(name, Step())
            step.seconds += ended - began
            step.times += times
            if self._trace is not None:
                thread = self._threads.setdefault(get_ident(), len(self._threads))
                event = {
                    "name": name, "ph": "X", "pid": 0, "tid": thread,
                    "ts": round(1e6 * (began - self._began)), "dur": round(1e6 * (ended - began)),
                }  # fmt: skip
                self._trace.write(",\n" + json.dumps(event))

    def include(self, steps: Mapping[str, Step]) -> None:
        """Add what other threads or machines counted."""
        with self._lock:
            for name, step in steps.items():
                mine = self.steps.setdefault(name, Step())
                mine.seconds += step.seconds
                mine.times += step.times

    def count(self, name: str, times: int) -> None:
        """Count what a step did, where that is known only afterwards."""
        with self._lock:
            self.steps[name].times += times

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return perf_counter() - self._began

    @contextmanager
    def traced(self, path: Path | None) -> Iterator[None]:
        """Write every step into a file of the Trace Event Format (Chromium; Perfetto reads it); whole, or not at all."""
        if path is None:
            yield
            return
        with TemporaryFile("w+", encoding="utf-8") as trace:
            name = {"name": "process_name", "ph": "M", "pid": 0, "args": {"name": "lp-editor"}}
            trace.write('{"displayTimeUnit": "ms", "traceEvents": [\n' + json.dumps(name))
            self._trace = trace
            try:
                yield
            finally:
                with self._lock:
                    self._trace = None
                trace.write("\n]}\n")
                write_whole(path, lambda target: _copy(trace, target))


def _copy(trace: IO[str], target: Path) -> None:
    trace.seek(0)
    with target.open("w", encoding="utf-8") as out:
        for line in trace:
            out.write(line)
