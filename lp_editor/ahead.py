"""Runs one stage of work ahead of the next, in a thread of its own, by a bounded number of items."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import TypeVar

ItemT = TypeVar("ItemT")


def ahead(items: Iterator[ItemT], depth: int) -> Generator[ItemT, None, None]:
    """The same items in the same order, made up to ``depth`` of them early in another thread, from now on.

    The one that is being made counts among them. Whatever making them raises is raised here. When this is closed early, the
    other thread ends after the item it is making, and closes ``items`` if they can be closed.
    """
    taken = _taken(items, depth)
    next(taken)  # to where the thread runs, and closing ends it
    return taken  # type: ignore[return-value]


def _taken(items: Iterator[ItemT], depth: int) -> Generator[ItemT | None, None, None]:
    """A None, once the other thread runs, then the items."""
    made: SimpleQueue[list[ItemT] | BaseException | None] = SimpleQueue()
    room = _Room(depth)
    maker = Thread(target=_make, args=(items, made, room), daemon=True)
    maker.start()
    try:
        yield None
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            room.grows()
            yield item.pop()  # held no longer than its taker does
    finally:
        room.close()
        maker.join()


class _Room:
    """How many items more may be made early; none any more once it is closed."""

    def __init__(self, depth: int) -> None:
        self._free = Semaphore(depth)
        self._closed = False

    def grows(self) -> None:
        """One that was made has been taken."""
        self._free.release()

    def close(self) -> None:
        """Nothing is wanted any more."""
        self._closed = True
        self._free.release()

    def is_there(self) -> bool:
        """Wait for room for one more; False where none is wanted."""
        self._free.acquire()
        return not self._closed


def _make(items: Iterator[ItemT], made: SimpleQueue[list[ItemT] | BaseException | None], room: _Room) -> None:
    try:
        while room.is_there():
            try:
                item = [next(items)]
            except StopIteration:
                break
            made.put(item)
            del item  # while this waits for room, only whoever took it holds it
        end: BaseException | None = None
    except BaseException as error:  # handed to whoever waits
        end = error
    finally:
        if isinstance(items, Generator):
            items.close()
    made.put(end)
