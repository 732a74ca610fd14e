"""What everything that runs chunks promises, tried on threads of this machine, and (slow) on a Ray cluster of two workers."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction as F
from pathlib import Path
from threading import Event, Thread, get_ident
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import counting
import pytest
from conftest import RATE, seconds
from films import small_head

from lp_editor import Registry, verbs
from lp_editor.errors import EngineError, LpEditorError, MediaError
from lp_editor.media.codecs import Codec
from lp_editor.plugins import expression
from lp_editor.render.cluster import RayExecutor, room
from lp_editor.render.executor import Costs, Executor, LocalExecutor, next_chunk
from lp_editor.render.program import Settings
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

CLIPS, EACH = 12, 6  # no clip lies across the 48th frame of its media, so each is one chunk
"""Clips of the cut, and frames of each: every clip is a chunk of its own."""


def start(ray: Any) -> None:
    """Two cores, so two workers of one; they find the plugins of tests."""
    ray.init(
        "local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent.parent)}},
    )  # fmt: skip


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray cluster of two cores, so of two workers of one."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'lp-editor[ray]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    start(ray)
    yield
    ray.shutdown()


@pytest.fixture(params=["one thread", "two threads", pytest.param("ray", marks=pytest.mark.slow)])
def executor(request: pytest.FixtureRequest) -> Executor:
    if request.param == "ray":
        request.getfixturevalue("cluster")
        return RayExecutor(cores=1)
    return LocalExecutor(1 if request.param == "one thread" else 2)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small film of a face."""
    return small_head(tmp_path_factory.mktemp("film") / "head.mp4", CLIPS * EACH)


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The face tracks of the film, found once for all renders."""
    return tmp_path_factory.mktemp("analysed")


def short_clips(head: Path, folder: Path, registry: Registry) -> Document:
    """A cut of many short clips, every second one marked."""
    media = Media("file", head.name, str(head), available=Span(F(0), seconds(CLIPS * EACH)))
    row = tuple(
        Clip("", f"c{i}", media, Span(seconds(i * EACH), seconds(EACH)), Span(seconds(i * EACH), seconds(EACH)), RATE)
        for i in range(CLIPS)
    )
    document = new_document(folder / "cut.otio", Project("cut", RATE, F(0), (Track("V1", "video", row),)))
    for i in range(0, CLIPS, 2):
        document = verbs.mark(
            document, "expression", clip=f"V1/{i + 1}", params={"smile": 0.6, "ease": "0"}, registry=registry
        ).document
    return document


@dataclass
class Heard:
    """A progress that keeps what it was told."""

    told: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage == "frames":
            self.told.append((done, total))


@dataclass(frozen=True)
class Work:
    """A cut and how it is rendered, in a folder of its own."""

    folder: Path
    document: Document
    registry: Registry
    settings: Settings

    @property
    def log(self) -> Path:
        return self.folder / "calls"

    def render(self, name: str, heard: Heard | None = None) -> verbs.Report:
        return verbs.render(
            self.document, self.folder / name, self.settings, registry=self.registry, progress=heard or Heard()
        )


@pytest.fixture
def work(head: Path, analysed: Path, tmp_path: Path, executor: Executor) -> Work:
    return work_in(head, analysed, tmp_path, executor)


def work_in(head: Path, analysed: Path, folder: Path, executor: Executor, slept: float = 0.0) -> Work:
    folder.mkdir(exist_ok=True)
    (folder / "cache").mkdir()
    (folder / "cache" / "faces").symlink_to(analysed, target_is_directory=True)
    registry = Registry(expression, counting)
    settings = Settings(
        Codec.FFV1, f"counting:{folder / 'calls'}:{slept}", cache=folder / "cache", executor=executor
    )  # fmt: skip
    return Work(folder, short_clips(head, folder, registry), registry, settings)


@pytest.fixture(scope="module")
def expected(head: Path, analysed: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The cut as one thread renders it."""
    alone = work_in(head, analysed, tmp_path_factory.mktemp("alone"), LocalExecutor(1))
    alone.render("out.mkv")
    return (alone.folder / "out.mkv").read_bytes()


def test_every_executor_makes_the_same_file_and_every_frame_once(work: Work, expected: bytes) -> None:
    heard = Heard()
    report = work.render("out.mkv", heard)
    assert (work.folder / "out.mkv").read_bytes() == expected
    assert (report.frames, report.rendered, report.found) == (CLIPS * EACH, CLIPS * EACH, 0)
    counted = Counter(call.face for call in counting.calls(work.log))
    assert len(counted) == CLIPS // 2 * EACH
    assert set(counted.values()) == {1}
    assert heard.told[-1] == (CLIPS * EACH, CLIPS * EACH)
    assert [done for done, _ in heard.told] == sorted(done for done, _ in heard.told)
    assert report.profile.steps["encode"].times == CLIPS * EACH


def test_what_is_there_is_not_made_again(work: Work, expected: bytes) -> None:
    work.render("out.mkv")
    made = len(counting.calls(work.log))
    assert work.render("again.mkv").rendered == 0
    chunks = sorted((work.folder / "cache" / "chunks").rglob("*.mkv"))
    assert len(chunks) == CLIPS
    chunks[3].unlink()
    assert work.render("more.mkv").rendered == EACH
    assert len(counting.calls(work.log)) in (made, made + EACH)
    assert (work.folder / "more.mkv").read_bytes() == expected


def test_the_first_error_stops_it_and_is_raised(work: Work, head: Path) -> None:
    copied = work.folder / "film.mp4"
    copied.write_bytes(head.read_bytes())
    broken = short_clips(copied, work.folder, work.registry)
    content = bytearray(head.read_bytes())
    start = len(content) // 3
    content[start:] = bytes(len(content) - start)  # pictures from a third on are zeroes; what lists them may be too
    copied.write_bytes(content)
    with pytest.raises(MediaError, match="film"):
        replace(work, document=broken).render("out.mkv")
    assert not (work.folder / "out.mkv").exists()


def test_nothing_to_make_is_no_error(work: Work) -> None:
    work.render("out.mkv")
    work.settings.executor.run(NotImplemented, ())


def test_marked_stretches_are_made_by_every_executor(work: Work) -> None:
    settings = replace(work.settings, codec=Codec.H264)
    relinked, report = verbs.render_stretches(
        work.document, work.folder / "clips", settings, registry=work.registry
    )  # fmt: skip
    assert report.rendered == report.frames > 0
    assert len(list((work.folder / "clips").glob("*.mp4"))) == CLIPS // 2
    assert len({call.face for call in counting.calls(work.log)}) == CLIPS // 2 * EACH
    assert relinked.project.duration == work.document.project.duration


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_worker_of_ray_that_is_killed_is_replaced_and_the_file_is_the_same(
    head: Path, analysed: Path, tmp_path: Path, expected: bytes
) -> None:
    work = work_in(head, analysed, tmp_path / "a", RayExecutor(cores=1), slept=0.15)
    killed: list[int] = []

    def kill() -> None:
        while len({call.pid for call in counting.calls(work.log)}) < 2:
            sleep(0.02)
        killed.append(counting.calls(work.log)[-1].pid)
        os.kill(killed[0], signal.SIGKILL)

    killer = Thread(target=kill, daemon=True)
    killer.start()
    report = work.render("out.mkv")
    killer.join()
    assert (work.folder / "out.mkv").read_bytes() == expected
    assert report.rendered == CLIPS * EACH
    assert report.notes == ["a worker was lost; what it was at was made by another"]
    pids = {call.pid for call in counting.calls(work.log)}
    assert killed[0] in pids
    assert os.getpid() not in pids
    assert len(pids) >= 2
    again = Counter(call.face for call in counting.calls(work.log) if call.pid != killed[0])
    assert set(again.values()) == {1}  # nobody else made anything twice


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_worker_whose_engine_is_another_says_so(head: Path, analysed: Path, tmp_path: Path) -> None:
    work = work_in(head, analysed, tmp_path / "a", RayExecutor(cores=1))

    class Newer(counting.CountingEngine):
        fingerprint = "counting-2"

    def opened_here(name: str, device: str) -> Newer | None:
        return Newer(name)

    here = Registry(expression, counting)
    here.engine = opened_here  # type: ignore[method-assign, assignment]
    with pytest.raises(EngineError, match=r"is another on .* than where the render was started"):
        verbs.render(work.document, tmp_path / "out.mkv", work.settings, registry=here)


def test_without_ray_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LpEditorError, match=r"pip install 'lp-editor\[ray\]'"):
        RayExecutor()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    import ray

    ray.shutdown()
    try:
        from lp_editor.render.cluster import _connected

        began = monotonic()
        with pytest.raises(LpEditorError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"), _connected(
            "127.0.0.1:1"
        ):  # fmt: skip
            pass
        assert monotonic() - began < 60
    finally:
        start(ray)


NODES = [
    {"Alive": True, "Resources": {"CPU": 16.0, "GPU": 2.0}},
    {"Alive": True, "Resources": {"CPU": 6.0}},
    {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
]


def test_there_is_a_worker_for_each_graphics_processor_or_for_each_few_cores() -> None:
    graphics, cores, few = room(NODES, True, 4), room(NODES, False, 4), room(NODES[1:], False, 32)
    assert (graphics.workers, graphics.cores, graphics.graphics) == (2, 4, 1)
    assert (cores.workers, cores.cores, cores.graphics) == (5, 4, 0)
    assert (few.workers, few.cores) == (1, 6)
    with pytest.raises(LpEditorError, match="--device cpu"):
        room(NODES[1:], True, 4)


def test_workers_take_neighbouring_chunks_and_help_where_most_is_left() -> None:
    waiting, even = set(range(20)), Costs([48] * 21, [0] * 21)
    first = next_chunk(waiting, None, set(), even)
    waiting.discard(0)
    second = next_chunk(waiting, None, {0}, even)
    waiting.discard(10)
    assert (first, second) == (0, 10)
    assert next_chunk(waiting, 10, {0, 10}, even) == 11
    assert next_chunk({1, 2, 15}, 19, {0, 14}, even) == 2
    assert next_chunk(set(), 19, {0}, even) is None


def test_halves_are_counted_in_frames() -> None:
    rest = set(range(1, 11))
    assert next_chunk(rest, None, {0}, Costs([*[48] * 10, 20], [0] * 11)) == 5
    assert next_chunk(rest, None, {0}, Costs([20, *[48] * 10], [0] * 11)) == 6
    assert next_chunk({1}, 5, {0}, Costs([48] * 6, [0] * 6)) == 1


def test_whoever_helps_begins_where_little_is_decoded_in_vain_or_not_at_all() -> None:
    long_groups = Costs([48] * 11, [0.3 * (48 * i % 250) for i in range(11)])  # 250 frames from one key frame to the next
    assert next_chunk(set(range(1, 11)), None, {0}, long_groups) == 6
    assert next_chunk({1}, 5, {0}, Costs([48] * 6, [47] * 6)) == 1
    assert next_chunk({1}, 5, {0}, Costs([48] * 6, [48] * 6)) is None


@dataclass(frozen=True)
class Numbered:
    """Stands for a chunk."""

    number: int
    count: int = 48
    node: Any = None
    first: int = 0


@dataclass
class Slow:
    """Stands for the work of a render whose first chunks take long: notes who makes which."""

    long: int
    stage: Any = field(default_factory=lambda: SimpleNamespace(lead=lambda node, first: 0))
    halt: Event = field(default_factory=Event)
    made: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    others: Event = field(default_factory=Event)

    def make(self, chunk: Numbered) -> None:
        self.made[get_ident()].append(chunk.number)
        if chunk.number < self.long:
            self.others.wait(5)  # until somebody else has made all that is to be had
        if sum(len(made) for made in self.made.values()) == 12:
            self.others.set()


def test_a_thread_that_is_done_helps_the_other() -> None:
    work = Slow(long=1)
    chunks: Any = [Numbered(i) for i in range(12)]
    LocalExecutor(2).run(work, chunks)  # type: ignore[arg-type]
    ends = sorted(work.made.values())
    assert ends[0] == [0]
    assert ends[1][:6] == list(range(6, 12)), "half of it straight on"
    assert sorted(ends[1][6:]) == list(range(1, 6)), "then the rest of the other's"
