"""Runs one stage of a render ahead of the next, in a thread of its own, by a bounded number of items."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

ItemT = TypeVar("ItemT")

PATIENCE = 0.1
"""Seconds after which a waiting thread looks whether it is still wanted."""


def ahead(items: Iterator[ItemT], depth: int) -> Generator[ItemT, None, None]:
    """The same items in the same order, made up to ``depth`` of them early in another thread, from now on.

    Whatever making them raises is raised here. When this is closed early, the other thread ends after the item it is
    making, and closes ``items`` if they can be closed.
    """
    taken = _taken(items, depth)
    next(taken)  # to where the thread runs, and closing ends it
    return taken  # type: ignore[return-value]


def _taken(items: Iterator[ItemT], depth: int) -> Generator[ItemT | None, None, None]:
    """A None, once the other thread runs, then the items."""
    made: Queue[tuple[ItemT] | BaseException | None] = Queue(depth)
    stop = Event()
    maker = Thread(target=_make, args=(items, made, stop), daemon=True)
    maker.start()
    try:
        yield None
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        stop.set()
        _drain(made)
        maker.join()


def _make(items: Iterator[ItemT], made: Queue[tuple[ItemT] | BaseException | None], stop: Event) -> None:
    try:
        for item in items:
            if not _handed((item,), made, stop):
                break
        end: BaseException | None = None
    except BaseException as error:  # handed to whoever waits
        end = error
    finally:
        if isinstance(items, Generator):
            items.close()
    _handed(end, made, stop)


def _handed(
    item: tuple[ItemT] | BaseException | None, made: Queue[tuple[ItemT] | BaseException | None], stop: Event
) -> bool:
    """Put an item into the queue as soon as there is room; False where nobody wants it any more."""
    while not stop.is_set():
        try:
            made.put(item, timeout=PATIENCE)
        except Full:
            continue
        return True
    return False


def _drain(made: Queue[tuple[ItemT] | BaseException | None]) -> None:
    while True:
        try:
            made.get_nowait()
        except Empty:
            return
