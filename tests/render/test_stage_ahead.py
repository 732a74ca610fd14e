"""Pictures whose stages run ahead of each other: the same ones, errors told, threads ended; and the time each step took."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from lp_editor import Registry, hookimpl, testing, verbs
from lp_editor.errors import EngineError
from lp_editor.media.sink import Codec
from lp_editor.media.source import VideoSource
from lp_editor.plugins import expression, stitch
from lp_editor.render.executor import LocalExecutor
from lp_editor.render.profile import Profile
from lp_editor.render.program import Settings


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
