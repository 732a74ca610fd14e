"""Throws damaged and hostile files at every reader, and tells by reader what became of them.

    python benchmarks/fuzz.py --seconds 600 [--seed 1] [--only otio plan] [DIR]

Sound samples are made on the spot; real ones are taken from ``DIR`` too. Files that are hostile as they stand come first,
then samples damaged anew each time: their bytes, and what the bytes mean (trees, members of archives, headers, boxes).
A reader works in a process of its own. A fault is whatever no user should meet: an exception that is none of ours, a
crash, more than ten seconds, more than a gibibyte, a file written or removed outside the output folder, a program or
a connection opened, a control character printed. Each kind is told once, with the file that brings it about in
``fuzz-faults`` and the command to see it again; then it goes on. The exit code is 1 where there were any.

    python benchmarks/fuzz.py --again fuzz-faults/otio-1.otio --only otio
"""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import os
import random
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

MOST_SECONDS = 10.0
MOST_BYTES = 1 << 30
WAITING = 300.0
"""Seconds by the clock, where other work has the processor; `MOST_SECONDS` are the worker's own."""

RENEW = 400
"""Runs after which a worker is replaced, so that what one run leaves behind does not count against another."""

ALLOWED = ("espeak-ng", "ldconfig", "gcc", "cc", "ld", "objdump", "uname", "fc-list")
"""Programs that may be started: the voice, and what Python's own ctypes asks for a library with."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file: ``kind`` is ``clean``, ``refused`` or ``fault``; ``name`` tells faults apart."""

    kind: str
    name: str = ""
    detail: str = ""


@dataclass
class Score:
    """How a reader fared."""

    runs: int = 0
    clean: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    most: int = 0


# --- the worker -----------------------------------------------------------------------------------------------------


class _Watch:
    """Notes what is opened for writing, moved, removed or started where it should not be."""

    def __init__(self, allowed: Sequence[Path]) -> None:
        self.allowed = [str(p) for p in allowed]
        self.broken: list[str] = []
        self.on = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = args
            writes = isinstance(mode, str) and any(c in mode for c in "wax+")
            writes = writes or bool(mode is None and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if writes:
                self._path(event, path)
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.utime"):
            self._path(event, args[0])
        elif event in ("os.rename", "os.link", "os.symlink", "shutil.move", "shutil.copyfile"):
            self._path(event, args[1])
        elif event in ("os.system", "os.exec", "os.posix_spawn", "socket.connect"):
            self.broken.append(f"{event} {args!r}"[:200])
        elif event == "subprocess.Popen" and not any(name in str(args[0]) for name in (*ALLOWED, sys.executable)):
            self.broken.append(f"{event} {args[:2]!r}"[:200])

    def _path(self, event: str, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        self.on = False
        real = os.path.realpath(os.fsdecode(path)) if b"\0" not in os.fsencode(path) else ""
        self.on = True
        if real and not real.startswith(("/dev/null", "/dev/shm", "/proc/self")) and not any(real.startswith(a) for a in self.allowed):
            self.broken.append(f"{event} {real}"[:300])


def serve(connection: Connection, root: str, steps: Any) -> None:
    """Read files until told to stop: ``(reader, file, folder)`` comes, an `Outcome` goes."""
    stack = Path(root, f"stack-{os.getpid()}").open("w+")  # noqa: SIM115 - open as long as the process is
    faulthandler.enable(stack)
    faulthandler.register(signal.SIGUSR1, stack)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(Path(root, "told"), os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    os.environ |= {
        "LP_EDITOR_CACHE": f"{root}/cache", "LP_EDITOR_MODELS": f"{root}/models", "HOME": f"{root}/home",
        "TMPDIR": f"{root}/tmp", "MPLCONFIGDIR": f"{root}/cache",
    }  # fmt: skip
    import tempfile

    tempfile.tempdir = None
    sys.dont_write_bytecode = True
    os.chdir(Path(root, "home"))
    from fuzz_readers import READERS, STEP

    def step() -> None:
        steps.value += 1

    STEP.append(step)
    watch = _Watch([])
    sys.addaudithook(watch)
    connection.send(str(stack.name))
    while (job := connection.recv()) is not None:
        name, file, folder = job
        watch.allowed, watch.broken = [os.path.realpath(p) for p in (folder, f"{root}/cache", f"{root}/tmp", f"{root}/stack-")], []
        connection.send(_run(READERS[name].read, Path(file), Path(folder), watch))


def _run(read: Callable[[Path, Path], None], file: Path, folder: Path, watch: _Watch) -> Outcome:
    from lp_editor.errors import LpEditorError

    watch.on = True
    try:
        read(file, folder)
        outcome = Outcome("clean")
    except LpEditorError as error:
        outcome = Outcome("refused", "", str(error)[:500])
    except BaseException as error:
        outcome = Outcome("fault", _signature(error), "".join(traceback.format_exception(error, limit=-12))[-3000:])
    finally:
        watch.on = False
    if watch.broken:
        return Outcome("fault", "outside: " + watch.broken[0].split()[0], "\n".join(watch.broken[:5]))
    return outcome


def _signature(error: BaseException) -> str:
    """What tells a fault from others: the kind of exception, and the last line of ours it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "site-packages" not in f.filename and "/python3" not in f.filename and "fuzz" not in f.filename] or frames
    last = ours[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.name}"


# --- the parent -----------------------------------------------------------------------------------------------------


class Worker:
    """A process that reads files, and its limits."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = 0
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._steps = context.Value("l", 0)
        self._process = context.Process(target=serve, args=(theirs, str(root), self._steps), daemon=True)
        self._process.start()
        theirs.close()
        self._stack = Path(self._connection.recv())

    def run(self, reader: str, file: Path, folder: Path) -> tuple[Outcome, float, int]:
        """Read one file: the outcome, the seconds it took the worker, and the bytes it took above what it had before."""
        self.runs += 1
        self._reset_peak()
        base, began, spent, step, longest = self._bytes("VmRSS"), monotonic(), self._seconds(), self._steps.value, 0.0
        self._connection.send((reader, str(file), str(folder)))
        try:
            while not self._connection.poll(0.02):
                taken, held = self._seconds() - spent, self._bytes("VmRSS") - base
                if self._steps.value != step:
                    step, began, spent = self._steps.value, monotonic(), self._seconds()
                longest = max(longest, taken)
                if taken > MOST_SECONDS or monotonic() - began > WAITING:
                    return Outcome("fault", "hang: " + self._where(), self._last_stack()), taken, held
                if held > MOST_BYTES:
                    return Outcome("fault", "memory: " + self._where(), self._last_stack()), taken, held
                if not self._process.is_alive() and not self._connection.poll(0):
                    return Outcome("fault", f"crash {self._process.exitcode}", self._last_stack()), taken, held
            outcome: Outcome = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(5)
            return Outcome("fault", f"crash {self._process.exitcode}", self._last_stack()), monotonic() - began, 0
        peak, taken = self._bytes("VmHWM") - base, max(longest, self._seconds() - spent)
        if outcome.kind != "fault" and peak > MOST_BYTES:
            outcome = Outcome("fault", "memory (after the fact)", f"{peak >> 20} MiB; {outcome.kind} {outcome.detail}")
        return outcome, taken, peak

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _reset_peak(self) -> None:
        with suppress(OSError):
            Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def _bytes(self, name: str) -> int:
        try:
            for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
                if line.startswith(name):
                    return int(line.split()[1]) << 10
        except (OSError, ValueError):
            pass
        return 0

    def _seconds(self) -> float:
        """Seconds of a core, the process's children that it waited for included."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            return sum(int(n) for n in fields[11:15]) / float(os.sysconf("SC_CLK_TCK"))
        except (OSError, ValueError, IndexError):
            return 0.0

    def _where(self) -> str:
        """The last line of ours that a worker stands in."""
        with suppress(OSError):
            os.kill(self._process.pid or 0, signal.SIGUSR1)
        sleep(0.3)
        lines = [line for line in self._last_stack().splitlines() if "lp_editor" in line or "/timeline/" in line]
        return Path(lines[0].split('"')[1]).name + ":" + lines[0].rsplit(" ", 1)[-1] if lines else "?"

    def _last_stack(self) -> str:
        return self._stack.read_text(errors="replace")[-3000:] if self._stack.exists() else ""


class Fuzz:
    """One campaign: samples, a worker, the score."""

    def __init__(self, root: Path, faults: Path, rng: random.Random, only: Sequence[str]) -> None:
        from fuzz_readers import READERS

        self.root, self.faults, self.rng = root, faults, rng
        self.readers = {n: r for n, r in READERS.items() if not only or n in only}
        self.scores = {name: Score() for name in self.readers}
        self.seen: set[str] = set()
        self.worker: Worker | None = None
        for name in ("cache", "models", "home", "tmp", "samples", "hostile"):
            (root / name).mkdir()
        self.canaries = self._outside()

    def files_for(self, reader: str, *folders: Path) -> list[Path]:
        """The files that a reader reads; the longest end of a name decides."""
        ends = self.readers[reader].suffixes
        taken = {s for r in self.readers.values() for s in r.suffixes if s.count(".") > 1 and s not in ends}
        files = [p for folder in folders for p in sorted(folder.glob("*")) if p.is_file() and p.name.lower().endswith(ends)]
        return [p for p in files if not any(p.name.endswith(s) for s in taken)]

    def try_file(self, reader: str, name: str, content: bytes) -> Outcome:
        """Hand one file to a reader, and count what became of it."""
        if self.worker is None or self.worker.runs >= RENEW:
            self.renew()
        assert self.worker is not None
        run = self.root / "run"
        work = run / "work"
        work.mkdir(parents=True)
        for companion in COMPANIONS:
            if (self.root / "samples" / companion).exists() and companion != name:
                shutil.copy(self.root / "samples" / companion, work / companion)
        (work / name).write_bytes(content)
        before = self._outside()
        outcome, seconds, held = self.worker.run(reader, work / name, work)
        if outcome.kind == "fault" and outcome.name.startswith(("hang", "memory:", "crash")):
            self.renew()
        if self._outside() != before:
            outcome = Outcome("fault", "outside", f"{sorted(set(self._outside()) ^ set(before))[:5]}")
        shutil.rmtree(run, ignore_errors=True)
        self._count(reader, name, content, outcome, seconds, held)
        return outcome

    def _outside(self) -> list[str]:
        """What lies in the folders above and beside the output folder."""
        here = [p for p in self.root.glob("*") if not p.name.startswith("stack-")]
        return sorted(map(str, [*here, *(self.root / "run").glob("*"), *(self.root / "home").rglob("*")]))

    def _count(self, reader: str, name: str, content: bytes, outcome: Outcome, seconds: float, held: int) -> None:
        score = self.scores[reader]
        score.runs += 1
        score.clean += outcome.kind == "clean"
        score.refused += outcome.kind == "refused"
        score.longest, score.most = max(score.longest, seconds), max(score.most, held)
        if outcome.kind != "fault":
            return
        score.faults[outcome.name] += 1
        if (key := f"{reader} {outcome.name}") not in self.seen:
            self.seen.add(key)
            self.faults.mkdir(parents=True, exist_ok=True)
            kept = self.faults / f"{reader.replace(' ', '-')}-{len(score.faults)}{''.join(Path(name).suffixes)[-20:]}"
            kept.write_bytes(content)
            again = f"python benchmarks/fuzz.py --again {kept} --only {reader!r}"
            what = f"{outcome.name} ({name}, {seconds:.1f} s, {held >> 20} MiB)"
            print(f"\n--- {reader}: {what}\n{outcome.detail}\n{again}\n", flush=True)

    def renew(self) -> None:
        """A fresh worker."""
        if self.worker is not None:
            self.worker.stop()
        self.worker = Worker(self.root)

    def table(self) -> Iterator[str]:
        """What came of it, a line a reader."""
        yield f"{'reader':20} {'runs':>6} {'clean':>6} {'refused':>8} {'faults':>7} {'longest s':>10} {'most MiB':>9}"
        for name, s in self.scores.items():
            yield f"{name:20} {s.runs:6} {s.clean:6} {s.refused:8} {s.faults.total():7} {s.longest:10.1f} {s.most >> 20:9}"
        total = list(self.scores.values())
        yield (
            f"{'all':20} {sum(s.runs for s in total):6} {sum(s.clean for s in total):6} {sum(s.refused for s in total):8} "
            f"{sum(s.faults.total() for s in total):7} {max(s.longest for s in total):10.1f} {max(s.most for s in total) >> 20:9}"
        )


def main() -> int:
    """Fuzz for so many seconds; 1 where there were faults."""
    asked = _asked()
    with TemporaryDirectory(prefix="lp-fuzz-") as folder:
        fuzz = Fuzz(Path(folder), asked.faults, random.Random(asked.seed), asked.only)
        try:
            if asked.again:
                import fuzz_samples

                fuzz_samples.samples(fuzz.root / "samples")  # what lies beside it
                fuzz.renew()
                outcome = fuzz.try_file(asked.only[0], asked.again.name, asked.again.read_bytes())
                print(outcome.kind, outcome.name, outcome.detail, sep="\n")
            else:
                campaign(fuzz, asked)
        finally:
            if fuzz.worker is not None:
                fuzz.worker.stop()
        print("\n".join(fuzz.table()))
        return int(any(s.faults for s in fuzz.scores.values()))


def campaign(fuzz: Fuzz, asked: argparse.Namespace) -> None:
    """What is hostile as it stands, then damaged samples by turns, until the time is over."""
    samples, hostile = fuzz.root / "samples", fuzz.root / "hostile"
    import fuzz_samples

    fuzz_samples.samples(samples)
    fuzz.renew()
    for reader in fuzz.readers:
        for path in fuzz.files_for(reader, samples):  # a sound file must be read, or the rest means nothing
            if (outcome := fuzz.try_file(reader, path.name, path.read_bytes())).kind != "clean":
                print(f"--- {reader}: the sound sample {path.name} is {outcome.kind}: {outcome.name} {outcome.detail}", flush=True)
    if not asked.damaged_only:
        _hostile(fuzz, samples, hostile)
    until = monotonic() + asked.seconds
    known = {reader: fuzz.files_for(reader, samples, *([asked.folder] if asked.folder else [])) for reader in fuzz.readers}
    readers = [name for name, files in known.items() if files]
    while monotonic() < until:
        for reader in readers:
            path = fuzz.rng.choice(known[reader])
            mutate = fuzz.readers[reader].mutate
            if reader == "commands":
                mutate = next(r for r in fuzz.readers.values() if path.name.endswith(r.suffixes)).mutate
            fuzz.try_file(reader, path.name, mutate(path.read_bytes(), fuzz.rng))
            if monotonic() > until:
                break


def _hostile(fuzz: Fuzz, samples: Path, hostile: Path) -> None:
    import fuzz_samples

    for name, content in fuzz_samples.each_hostile(samples):
        (hostile / name).write_bytes(content)
        for reader in fuzz.readers:
            if fuzz.files_for(reader, hostile):
                fuzz.try_file(reader, name, content)
        (hostile / name).unlink()


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="real samples to damage too")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long samples are damaged, after the hostile ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], metavar="READER", help="only some readers")
    parser.add_argument("--faults", type=Path, default=Path("fuzz-faults"), help="where files that bring faults about are kept")
    parser.add_argument("--again", type=Path, metavar="FILE", help="one file only, with --only READER")
    parser.add_argument("--damaged-only", action="store_true", help="leave the hostile ones out")
    return parser.parse_args()


COMPANIONS = ("film.mp4", "plain.otio", "cut.xml")
"""Sound files that lie beside every file under test."""

if __name__ == "__main__":
    sys.exit(main())
