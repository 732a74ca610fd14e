"""A stage of work that runs ahead of the next one, in a thread of its own."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from time import sleep

import pytest

from lp_editor.ahead import ahead


def test_items_come_in_their_order_and_no_more_are_made_than_fit() -> None:
    made: list[int] = []

    def making() -> Iterator[int]:
        for i in range(50):
            made.append(i)
            yield i

    early = ahead(making(), 3)
    assert next(early) == 0
    sleep(0.3)
    assert len(made) == 1 + 3  # taken, and early
    assert list(early) == list(range(1, 50))


def test_making_begins_before_anything_is_taken_and_ends_when_nothing_is() -> None:
    made: list[int] = []
    ended: list[bool] = []

    def making() -> Iterator[int]:
        try:
            for i in range(50):
                made.append(i)
                yield i
        finally:
            ended.append(True)

    early = ahead(making(), 3)
    sleep(0.3)
    assert len(made) == 3
    early.close()
    assert ended == [True]


def test_of_what_was_taken_nothing_is_held() -> None:
    class Item:
        pass

    early = ahead((Item() for _ in range(9)), 2)
    item = weakref.ref(next(early))
    sleep(0.3)  # until the others wait
    assert item() is None


def test_stages_work_at_the_same_time() -> None:
    began = [threading.Event() for _ in range(10)]

    def making() -> Iterator[int]:
        for i, event in enumerate(began):
            event.set()
            yield i

    for i in ahead(making(), 1):
        assert i + 1 == len(began) or began[i + 1].wait(10)  # the next is made while this one is at work


def test_an_error_reaches_whoever_waits_after_what_was_made() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    early = ahead(failing(), 4)
    assert next(early) == 1
    with pytest.raises(ValueError, match="broken"):
        next(early)


def test_closed_early_it_ends_its_thread_and_closes_what_it_read() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    early = ahead(endless(), 2)
    next(early)
    early.close()
    assert closed.is_set()
    assert threading.active_count() == before
