"""Stages that run ahead of each other: the same items, errors told, threads ended; and the time each step took."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from lp_editor import Registry, hookimpl, testing, verbs
from lp_editor.ahead import ahead
from lp_editor.errors import EngineError
from lp_editor.media.sink import Codec
from lp_editor.media.source import VideoSource
from lp_editor.plugins import expression, stitch
from lp_editor.render.executor import LocalExecutor
from lp_editor.render.profile import Profile
from lp_editor.render.program import Settings


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


class Waiting(testing.FakeEngine):
    """As the fake engine, but away from the processor, and counting."""

    name = "waiting"
    waits = True
    broken = False

    def synthesize(self, *given: object) -> list[object]:  # type: ignore[override]
        if self.broken:
            raise RuntimeError("the card fell off")
        return super().synthesize(*given)  # type: ignore[arg-type, return-value]


class WaitingPlugin:
    engine = Waiting()

    @hookimpl
    def lp_engine(self, name: str, device: str) -> Waiting | None:
        return self.engine if name == "waiting" else None


@pytest.fixture
def registry() -> Registry:
    WaitingPlugin.engine = Waiting()
    return Registry(expression, stitch, testing, WaitingPlugin())


@pytest.fixture
def marked(cut_file: Path, registry: Registry) -> verbs.Document:
    document = verbs.open_project(cut_file, registry=registry)
    document = verbs.mark(
        document, "expression", at="2f", length="20f", params={"smile": 0.7, "ease": "0"}, registry=registry
    ).document
    return verbs.mark(document, "stitch", at="30f", length="8f", registry=registry).document


@pytest.mark.parametrize("workers", [1, 3])
def test_an_engine_that_waits_gives_the_same_pictures(
    marked: verbs.Document, registry: Registry, tmp_path: Path, workers: int
) -> None:
    for engine in ("fake", "waiting"):
        settings = Settings(Codec.FFV1, engine, cache=tmp_path / engine, executor=LocalExecutor(workers))
        verbs.render(marked, tmp_path / f"{engine}.mkv", settings, registry=registry)
    with VideoSource(tmp_path / "fake.mkv") as one, VideoSource(tmp_path / "waiting.mkv") as other:
        everything = range(one.video.count)
        assert len(everything) == 56
        assert all(a.equals(b) for a, b in zip(one.frames(everything), other.frames(everything), strict=True))


def test_an_engine_that_breaks_meanwhile_is_told_and_leaves_no_thread(
    marked: verbs.Document, registry: Registry, tmp_path: Path
) -> None:
    WaitingPlugin.engine.broken = True
    before = threading.active_count()
    with pytest.raises(EngineError, match="fell off"):
        verbs.render(marked, tmp_path / "out.mkv", Settings(Codec.FFV1, "waiting"), registry=registry)
    assert threading.active_count() == before
    assert not (tmp_path / "out.mkv").exists()


def test_a_profile_knows_what_each_step_took(marked: verbs.Document, registry: Registry, tmp_path: Path) -> None:
    settings = Settings(Codec.FFV1, "fake", timings=tmp_path / "t.json", cache=tmp_path / "cache")
    report = verbs.render(marked, tmp_path / "out.mkv", settings, registry=registry)
    steps = report.profile.steps
    assert steps["encode"].times == 56
    assert steps["engine"].times == 20
    assert steps["face picture"].times == 20
    assert all(steps[name].seconds > 0 for name in ("faces", "decode", "engine", "composite", "encode", "write"))
    events = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["traceEvents"]
    assert sum(e["name"] == "encode" for e in events) == 56
    assert sum(e["dur"] for e in events if e["name"] == "encode") == pytest.approx(
        1e6 * steps["encode"].seconds, rel=0.05
    )


def test_a_profile_counts_over_threads() -> None:
    profile = Profile()

    def work() -> None:
        for _ in range(200):
            with profile.step("engine"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert profile.steps["engine"].times == 800
