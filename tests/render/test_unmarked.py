"""What nobody marked is encoded while faces are looked for."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event, active_count, get_native_id
from typing import Any

import pytest
from test_smart import CLOSED, Stock, portrait, stock

from lp_editor import verbs
from lp_editor.errors import FaceError
from lp_editor.media.codecs import Codec
from lp_editor.render import unmarked
from lp_editor.render.cast import Casting
from lp_editor.render.chunks import ChunkWork
from lp_editor.render.executor import Part
from lp_editor.render.program import Settings
from lp_editor.render.smart import smart_parts

__all__ = ["portrait", "stock"]



@pytest.fixture
def chunks_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lp_editor.render.chunks.CHUNK", 10)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, bool]]:
    """Each chunk that is made from now on: its first frame, how many, and whether faces were known by then."""
    found: list[tuple[int, int, bool]] = []
    make = ChunkWork._make

    def told(self: ChunkWork, chunk: Any) -> None:
        make(self, chunk)
        found.append((chunk.first, chunk.count, bool(self.stage.cast.tracks)))

    monkeypatch.setattr(ChunkWork, "_make", told)
    return found


def casting(monkeypatch: pytest.MonkeyPatch, instead: Callable[[], None]) -> None:
    """Have something done before faces are looked for."""
    cast = Casting.cast

    def later(self: Casting, *asked: Any) -> Any:
        instead()
        return cast(self, *asked)

    monkeypatch.setattr(Casting, "cast", later)


def waiting_for(made: list[tuple[int, int, bool]], count: int) -> Callable[[], None]:
    """Wait until some chunks are made, ten seconds at most."""

    def wait() -> None:
        for _ in range(1000):
            if len(made) >= count:
                return
            Event().wait(0.01)

    return wait


@pytest.fixture
def ready(stock: Stock, tmp_path: Path) -> tuple[Any, Settings]:
    """A film of two groups, the second marked on three frames, and settings with an empty cache."""
    film = stock.theirs("two.mp4", CLOSED.replace("=10", "=30"))
    document = stock.marked(stock.cut(tmp_path, (film, 0, 60)), "c0", 30, 3)
    return document, Settings(Codec.H264, "fake", cache=tmp_path / "cache", smart=True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
@pytest.mark.usefixtures("chunks_of_ten")
def test_who_makes_unmarked_chunks_gives_way_to_all_others(
    stock: Stock, ready: tuple[Any, Settings], made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, settings = ready
    make, nice = ChunkWork._make, {}

    def told(self: ChunkWork, chunk: Any) -> None:
        nice[chunk.first] = os.getpriority(os.PRIO_PROCESS, get_native_id())
        make(self, chunk)

    monkeypatch.setattr(ChunkWork, "_make", told)
    casting(monkeypatch, waiting_for(made, 2))
    own = os.getpriority(os.PRIO_PROCESS, 0)
    verbs.render(document, tmp_path / "out.mp4", settings, registry=stock.registry)
    assert {first for first, found in nice.items() if found > own} == {40, 50}
    assert {first for first, found in nice.items() if found == own} == {30}


@pytest.mark.usefixtures("chunks_of_ten")
def test_chunks_without_a_mark_are_made_before_faces_are_known_and_the_file_is_the_same(
    stock: Stock, ready: tuple[Any, Settings], made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, settings = ready
    with monkeypatch.context() as patch:
        patch.setattr(Settings, "copies_beside", lambda self, matte: False)
        plain = verbs.render(document, tmp_path / "plain.mp4", settings, registry=stock.registry)
    assert [known for *_, known in made] == [True] * 3
    made.clear()
    casting(monkeypatch, waiting_for(made, 2))
    beside = replace(settings, cache=tmp_path / "other")
    report = verbs.render(document, tmp_path / "beside.mp4", beside, registry=stock.registry)
    assert sorted(made) == [(30, 10, True), (40, 10, False), (50, 10, False)]
    assert (report.copied, report.rendered, report.found) == (plain.copied, plain.rendered, 0) == (30, 30, 0)
    assert (tmp_path / "plain.mp4").read_bytes() == (tmp_path / "beside.mp4").read_bytes()


@pytest.mark.usefixtures("chunks_of_ten")
def test_once_faces_are_known_no_chunk_is_begun_beside_and_none_is_made_twice(
    stock: Stock, ready: tuple[Any, Settings], made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, settings = ready
    make, others = ChunkWork._make, Event()

    def slow(self: ChunkWork, chunk: Any) -> None:
        if not self.stage.cast.tracks:
            others.wait(20)  # until the render has made two of its own
        make(self, chunk)
        if sum(known for *_, known in made) == 2:
            others.set()

    monkeypatch.setattr(ChunkWork, "_make", slow)
    report = verbs.render(document, tmp_path / "out.mp4", settings, registry=stock.registry)
    assert sorted(made) == [(30, 10, True), (40, 10, False), (50, 10, True)]
    assert report.rendered == 30


@pytest.mark.usefixtures("chunks_of_ten")
def test_what_fails_beside_is_made_again_and_told_by_the_render(
    stock: Stock, ready: tuple[Any, Settings], made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, settings = ready
    monkeypatch.setattr(unmarked, "smart_parts", _fails)
    report = verbs.render(document, tmp_path / "out.mp4", settings, registry=stock.registry)
    assert (report.copied, report.rendered) == (30, 30)
    assert [known for *_, known in made] == [True] * 3


@pytest.mark.usefixtures("chunks_of_ten")
def test_whoever_knows_too_late_what_is_wanted_begins_nothing(
    stock: Stock, ready: tuple[Any, Settings], made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, settings = ready
    make, begun = ChunkWork._make, Event()

    def late(*asked: Any) -> Any:
        begun.wait(20)
        return smart_parts(*asked)

    def slow(self: ChunkWork, chunk: Any) -> None:
        begun.set()
        Event().wait(0.5)  # while the other finds out
        make(self, chunk)

    monkeypatch.setattr(unmarked, "smart_parts", late)
    monkeypatch.setattr(ChunkWork, "_make", slow)
    report = verbs.render(document, tmp_path / "out.mp4", settings, registry=stock.registry)
    assert sorted(made) == [(30, 10, True), (40, 10, True), (50, 10, True)]
    assert report.rendered == 30


@pytest.mark.usefixtures("chunks_of_ten")
def test_a_chunk_that_fails_beside_is_made_again(
    stock: Stock, ready: tuple[Any, Settings], made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, settings = ready
    make, tried = ChunkWork._make, Event()

    def full(self: ChunkWork, chunk: Any) -> None:
        if not self.stage.cast.tracks:
            tried.set()
            _fails()
        make(self, chunk)

    monkeypatch.setattr(ChunkWork, "_make", full)
    casting(monkeypatch, lambda: _sure(tried.wait(20)))
    report = verbs.render(document, tmp_path / "out.mp4", settings, registry=stock.registry)
    assert (report.copied, report.rendered) == (30, 30)
    assert sorted(made) == [(30, 10, True), (40, 10, True), (50, 10, True)]


def _sure(happened: bool) -> None:
    assert happened


def _fails(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_render_without_its_face_ends_what_is_made_beside(
    stock: Stock, ready: tuple[Any, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, settings = ready
    begun, threads = Event(), active_count()

    def make(self: ChunkWork, chunk: Any) -> None:
        begun.set()
        assert self.halt.wait(10)

    def refused() -> None:
        assert begun.wait(10)
        raise FaceError("nobody there")

    monkeypatch.setattr(ChunkWork, "_make", make)
    casting(monkeypatch, refused)
    with pytest.raises(FaceError, match="nobody there"):
        verbs.render(document, tmp_path / "out.mp4", settings, registry=stock.registry)
    assert active_count() <= threads
    assert not (tmp_path / "out.mp4").exists()


def test_only_smart_renders_of_this_machine_work_beside() -> None:
    smart = Settings(smart=True)
    assert smart.copies_beside(None)
    assert not Settings().copies_beside(None)
    assert not smart.copies_beside(Path("matte.mov"))
    assert not replace(smart, part=Part(1, 2)).copies_beside(None)
