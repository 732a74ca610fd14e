"""Runs the chunks of a render on a Ray cluster: an engine for each graphics processor, or for each few cores.

What travels to a worker is the project and the settings; it opens the same stage there, from the same media and the same
cache, and writes its chunks into the same store. A chunk whose worker died goes to another one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from platform import node
from socket import create_connection
from threading import Condition
from time import monotonic, sleep
from typing import Any

from lp_editor.errors import EngineError, LpEditorError, OutputError
from lp_editor.media.codecs import Delivery
from lp_editor.render.chunks import Chunk, ChunkWork, check_name
from lp_editor.render.executor import Costs, next_chunk
from lp_editor.render.profile import Step
from lp_editor.render.report import Report
from lp_editor.render.stage import Stage
from lp_editor.render.stores import ChunkStore

CORES = 4
"""Of a worker without a graphics processor, and at most of one with it: so many chunks it makes at a time."""

PATIENCE = 120.0
"""Seconds in which the first worker must have started."""

LOOK_AGAIN = 5.0
"""Seconds between two looks at how many workers the cluster has room for."""

PAUSE = 0.1
"""Seconds at least between two words of a worker on how far it is."""

TRIES = 3
"""Workers that may die over one chunk."""


@dataclass(frozen=True)
class Order:
    """What a worker needs to know once."""

    open: Callable[[], AbstractContextManager[Stage]]
    store: ChunkStore
    delivery: Delivery
    with_matte: bool
    fingerprint: str
    """The engine's where the render was started."""


@dataclass(frozen=True)
class Made:
    """What became of a chunk: what the worker noted, and how long each step took; or why there is none."""

    notes: Sequence[str] = ()
    steps: dict[str, Step] = field(default_factory=dict)
    rendered: int = 0
    error: LpEditorError | None = None


class Bench:
    """A worker: one engine and one stage, several chunks at a time. Lives in a process of its own, as a Ray actor."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._frames = 0
        self._more = Condition()
        self._work: ChunkWork | None = None

    def open(self, order: Order) -> LpEditorError | None:
        """Open the stage; what is wrong with it here, if anything is."""
        try:
            stage = self._open.enter_context(order.open())
            if stage.engine.fingerprint != order.fingerprint:
                raise EngineError(
                    f"the engine {stage.engine.name} is another on {node()} than where the render was started; every "
                    "machine needs the same lp-editor, weights and --device"
                )
        except LpEditorError as error:
            return error
        self._work = ChunkWork(
            stage, order.store, order.delivery, order.with_matte, 0, self._counted, stage.report
        )  # fmt: skip
        return None

    def _counted(self, stage: str, done: int, total: int) -> None:
        with self._more:
            self._frames += 1
            self._more.notify_all()

    def make(self, chunk: Chunk) -> Made:
        """Make one chunk, see `ChunkWork.make`."""
        assert self._work is not None
        report = Report()
        stage = replace(self._work.stage, report=report)
        try:
            check_name(stage, chunk)
            replace(self._work, stage=stage, report=report).make(chunk)
        except LpEditorError as error:
            return Made(error=error)
        return Made(report.notes, report.profile.steps, report.rendered)

    def frames(self, known: int, seconds: float) -> int:
        """How many frames were made so far: at once where it is more than ``known``, after some seconds else."""
        with self._more:
            self._more.wait_for(lambda: self._frames > known, seconds)
        sleep(PAUSE)
        return self._frames


class RayExecutor:
    """Workers of a Ray cluster; of this machine alone where none is named and none runs here."""

    def __init__(self, address: str = "", device: str = "cpu", cores: int = CORES) -> None:
        if cores < 1:
            raise OutputError(f"a worker needs 1 core or more, got {cores}")
        if device.startswith("cuda:"):
            raise OutputError("the cluster says which graphics processor a worker has; use --device cuda")
        self._address, self._graphics, self._cores = address, device == "cuda", cores
        _ray()  # its absence is told before any work

    def run(self, work: ChunkWork, chunks: Sequence[Chunk]) -> None:
        """See `lp_editor.render.executor.Executor.run`."""
        if not chunks:
            return
        if work.stage.again is None:
            raise ValueError("this stage cannot be opened elsewhere")
        with _connected(self._address) as ray:
            _Shift(ray, work, list(chunks), lambda: room(ray.nodes(), self._graphics, self._cores)).run()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise OutputError("--ray needs Ray here and on every machine: pip install 'lp-editor[ray]'") from None
    return ray


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected: to the cluster named, to that of this machine, or to one started here for as long."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody who was not asked for
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = _ray()
    if ray.is_initialized():  # whoever did so knows which cluster
        yield ray
        return
    if address and not address.startswith("ray://"):
        _check_reachable(address)
    quiet = {"logging_level": "ERROR", "log_to_driver": False, "configure_logging": True}
    try:
        try:
            ray.init(address or "auto", **quiet)
        except ConnectionError:
            if address:
                raise
            ray.init("local", include_dashboard=False, **quiet)
    except Exception as error:  # Ray's own errors share no base
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = f"the Ray cluster at {address}" if address else "Ray"
        raise OutputError(f"{where} cannot be reached ({first}); see `ray status` there") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise an `OutputError` where nobody answers: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise OutputError(
            f"no Ray cluster answers at {address} ({error}); it is HOST:PORT of what `ray start --head` printed"
        ) from error


@dataclass(frozen=True)
class Room:
    """How many workers a cluster has room for, and what each of them takes."""

    workers: int
    cores: int
    graphics: int


def room(nodes: Sequence[dict[str, Any]], graphics: bool, cores: int) -> Room:
    """The room on some machines as Ray lists them. Raises `OutputError` where there is none."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    if graphics:
        cards = [(int(r.get("GPU", 0)), int(r.get("CPU", 0))) for r in alive]
        each = min((max(cpu // gpu, 1) for gpu, cpu in cards if gpu), default=0)
        if not each:
            raise OutputError("no machine of the Ray cluster has a graphics processor; use --device cpu")
        return Room(sum(gpu for gpu, _ in cards), min(cores, each), 1)
    most = max((int(r.get("CPU", 0)) for r in alive), default=0)
    if not most:
        raise OutputError("the Ray cluster has no machine with a core for a worker; see `ray status` there")
    cores = min(cores, most)
    return Room(sum(int(r.get("CPU", 0)) // cores for r in alive), cores, 0)


@dataclass(eq=False)
class _Seat:
    """A worker as the render sees it: the chunks it is at, and the frames it told of."""

    actor: Any
    slots: int
    ready: bool = False
    at: set[int] = field(default_factory=set)
    last: int | None = None
    told: int = 0
    finished: int = 0

    @property
    def underway(self) -> int:
        """Frames of chunks that are not finished yet."""
        return max(self.told - self.finished, 0)


class _Shift:
    """One run of chunks over the workers of a cluster."""

    def __init__(self, ray: Any, work: ChunkWork, chunks: Sequence[Chunk], room: Callable[[], Room]) -> None:
        self._ray, self._work, self._chunks, self._room = ray, work, chunks, room
        self._costs = Costs.of(work, chunks)
        self._left = set(range(len(chunks)))
        self._waiting = set(self._left)
        self._lost = [0] * len(chunks)
        self._seats: list[_Seat] = []
        self._asked: dict[Any, tuple[_Seat, Callable[[Any], None]]] = {}
        assert work.stage.again is not None
        self._order = ray.put(
            Order(work.stage.again, work.store, work.delivery, work.with_matte, work.stage.engine.fingerprint)
        )
        self._began, self._looked = monotonic(), float("-inf")

    def run(self) -> None:
        """Until every chunk is made, or something went wrong. No worker is left behind."""
        try:
            while self._left:
                self._employ()
                self._hand_out()
                self._hear()
        finally:
            for seat in self._seats:
                self._ray.kill(seat.actor)

    def _employ(self) -> None:
        """Start as many workers as there is room and work for; machines may join and leave a cluster."""
        if monotonic() - self._looked < LOOK_AGAIN:
            return
        self._looked = monotonic()
        room = self._room()
        wanted = min(room.workers, -(-len(self._left) // room.cores))
        for _ in range(wanted - len(self._seats)):
            self._start(room)
        if not any(seat.ready for seat in self._seats) and monotonic() - self._began > PATIENCE:
            raise OutputError(f"no worker of the Ray cluster started within {PATIENCE:.0f} s; see `ray status` there")

    def _start(self, room: Room) -> None:
        kind = self._ray.remote(Bench).options(
            num_cpus=room.cores, num_gpus=room.graphics, max_concurrency=room.cores + 1, max_restarts=0
        )
        seat = _Seat(kind.remote(), room.cores)
        self._seats.append(seat)
        self._ask(seat, seat.actor.open.remote(self._order), partial(self._opened, seat))

    def _ask(self, seat: _Seat, answer: Any, then: Callable[[Any], None]) -> None:
        self._asked[answer] = (seat, then)

    def _opened(self, seat: _Seat, problem: LpEditorError | None) -> None:
        if problem is not None:
            raise problem
        seat.ready = True
        self._listen(seat)

    def _listen(self, seat: _Seat) -> None:
        self._ask(seat, seat.actor.frames.remote(seat.told, LOOK_AGAIN), partial(self._told, seat))

    def _told(self, seat: _Seat, frames: int) -> None:
        seat.told = frames
        self._listen(seat)
        self._show()

    def _hand_out(self) -> None:
        for seat in self._seats:
            while seat.ready and self._waiting and len(seat.at) < seat.slots:
                number = next_chunk(self._waiting, seat.last, self._left - self._waiting, self._costs)
                if number is None:
                    break
                self._waiting.discard(number)
                seat.at.add(number)
                seat.last = number
                made = seat.actor.make.remote(self._chunks[number])
                self._ask(seat, made, partial(self._finished, seat, number))

    def _hear(self) -> None:
        """Wait for the next answer, and act on it."""
        ready, _ = self._ray.wait(list(self._asked), num_returns=1, timeout=LOOK_AGAIN)
        for ref in ready:
            seat, then = self._asked.pop(ref)
            try:
                answer = self._ray.get(ref)
            except self._ray.exceptions.RayTaskError as error:
                raise self._told_of(error) from error
            except self._ray.exceptions.RayError as error:
                self._bury(seat, error)
            else:
                then(answer)

    def _told_of(self, error: Any) -> Exception:
        """What a worker raised; where it did not understand the order, what it lacks."""
        cause = error.cause or error
        if isinstance(cause, self._ray.exceptions.RaySystemError):
            first = str(cause).splitlines()[0].removeprefix("System error: ")
            return OutputError(
                f"a worker cannot take the render over ({first}); every machine needs the same lp-editor and plugins"
            )
        return cause if isinstance(cause, Exception) else error

    def _finished(self, seat: _Seat, number: int, made: Made) -> None:
        chunk, report = self._chunks[number], self._work.report
        if made.error is not None:
            raise made.error
        if self._work.missing(chunk):
            raise OutputError(
                f"a worker made a chunk that does not appear in {self._work.store.folder}; every machine must see the "
                "cache folder (LP_EDITOR_CACHE) under the same path"
            )
        seat.at.discard(number)
        self._left.discard(number)
        seat.finished += chunk.count
        for note in made.notes:
            report.note(note)
        report.profile.include(made.steps)
        (report.add_rendered if made.rendered else report.add_found)(chunk.count)
        self._show()

    def _bury(self, seat: _Seat, error: Exception) -> None:
        """A worker is gone: what it was at goes to others."""
        self._seats.remove(seat)
        self._asked = {ref: asked for ref, asked in self._asked.items() if asked[0] is not seat}
        self._looked = float("-inf")
        self._waiting |= seat.at
        for number in seat.at:
            self._lost[number] += 1
            if self._lost[number] == TRIES:
                raise EngineError(
                    f"{TRIES} workers died one after the other over the chunk at frame {self._chunks[number].first} of "
                    "the cut; do their machines run out of memory?"
                ) from error
        self._work.report.note("a worker was lost; what it was at was made by another")

    def _show(self) -> None:
        """Tell how far it is: finished chunks, and what workers have of those they are at."""
        report, total = self._work.report, self._work.total
        done = report.rendered + report.found + sum(seat.underway for seat in self._seats)
        self._work.progress("frames", min(done, total), total)
