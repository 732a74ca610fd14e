"""Chunks that no segment marks, made while faces are looked for.

The faces of one stretch of a film are looked for frame after frame, which leaves cores free, and most of what a short edit
makes ``--smart`` encode is the rest of its group of pictures, which nothing but the footage decides.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from threading import Event as Signal
from threading import Lock, Thread, get_native_id

import numpy as np
from numpy.typing import NDArray

from lp_editor.media.codecs import Delivery
from lp_editor.plan import segment_rows
from lp_editor.render.chunks import Chunk, ChunkWork, chunked
from lp_editor.render.report import Report, silent
from lp_editor.render.smart import smart_parts
from lp_editor.render.stage import Stage
from lp_editor.render.stores import ChunkStore
from lp_editor.timeline.cut import Event, Shown, Strip

NICENESS = 10
"""Of the thread that makes them: at full load it gets a tenth of what others get."""


@dataclass
class Unmarked:
    """Makes the unmarked chunks of a smart render in a thread of its own, one after the other."""

    events: Sequence[Event]
    store: ChunkStore
    settled: Callable[[Stage], Delivery]
    """What is written, once it is known what is shown."""
    _report: Report = field(default_factory=Report)
    _counted: int = 0
    _wanted: frozenset[str] = frozenset()
    _making: str = ""
    _enough: bool = False
    _halt: Signal = field(default_factory=Signal)
    _lock: Lock = field(default_factory=Lock)
    _thread: Thread | None = None

    @contextmanager
    def beside(self, stage: Stage) -> Iterator[None]:
        """Make them beside what is done in a ``with``, at the latest until that ends; ``stage`` asks nothing of faces."""
        self._report.profile = stage.report.profile
        own = replace(stage, report=self._report)
        self._thread = Thread(target=self._run, args=(own,), daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            self._halt.set()
            self._thread.join()

    @property
    def wanted(self) -> frozenset[str]:
        """The names of the chunks that it made, makes, or comes to as long as it is let; who asks too early gets none, and
        none is begun after that."""
        with self._lock:
            self._enough = self._enough or not self._wanted
            return self._wanted

    def last(self) -> str:
        """Let no further chunk be begun; the name of the one that is being made, or was made last."""
        with self._lock:
            self._enough = True
            return self._making

    def finish(self) -> None:
        """Wait for the chunk that is being made; what is wrong with it is found out by whoever makes it again."""
        self.last()
        if self._thread is not None:
            self._thread.join()

    def newly_made(self) -> int:
        """How many frames were made since this was asked last."""
        counted, self._counted = self._counted, self._report.rendered
        return self._counted - counted

    def _run(self, stage: Stage) -> None:
        _give_way()
        try:
            delivery = self.settled(stage)
            smart = smart_parts(stage, self.events, delivery, marked)
            work = ChunkWork(stage, self.store, smart.delivery, False, 0, silent, stage.report, self._halt)
            wanted = work.todo([c for part in smart.parts for c in _free(stage, part, smart.delivery)])
            with self._lock:
                self._wanted = frozenset(chunk.key for chunk in wanted)
            for chunk in wanted:
                if not self._begins(chunk):
                    return
                work.make(chunk)
        except Exception:  # the render meets it too, and tells it in its place
            return

    def _begins(self, chunk: Chunk) -> bool:
        with self._lock:
            if not self._enough:
                self._making = chunk.key
            return not self._enough


def _give_way() -> None:
    """Let everybody else go first on the processor: this thread has time until the marked frames are made, which wait for the
    faces. A smart render of one second took a twentieth less (benchmarks/smart.py, two cores). Only Linux has a niceness for
    each thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), NICENESS)


def marked(stage: Stage, strip: Strip, event: Event) -> NDArray[np.bool_]:
    """Which frames of an event lie in a segment, (count,)."""
    found = np.zeros(event.count, bool)
    for segment in strip.clip.segments:
        found[segment_rows(strip, segment, event.first, event.count, stage.plan.rate)] = True
    return found


def _free(stage: Stage, part: object, delivery: Delivery) -> Iterator[Chunk]:
    """The chunks of a part that lie in no segment."""
    if not isinstance(part, Event) or not isinstance(part.picture, Shown):
        return
    found = marked(stage, part.picture.strip, part)
    for chunk in chunked(stage, [part], delivery):
        at = chunk.first - part.first
        if not found[at : at + chunk.count].any():
            yield chunk
