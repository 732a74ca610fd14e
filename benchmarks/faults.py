"""Renders that are killed, run out of disk, find damaged entries, or run twice at once: what is left, and what a rerun makes.

    python benchmarks/faults.py [--kills 100] [--full 10] [--seed 1] [--json]

A cut of 24 clips of twelve frames, each a chunk of its own, is rendered by an engine that tells in a file which faces it was
asked for. Kills (SIGKILL) fall at random moments from the start of a render to after its end; a render is run again until
it finishes. Its file must equal that of an uninterrupted render, and nothing may be asked of the engine for a chunk that was
finished before. Running out of disk is tried on a tmpfs of ten sizes, from too small for anything to just too small for the
file, which needs root. Processes are forked, so POSIX only; the exit code is 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from lp_editor import Registry, verbs
from lp_editor.errors import LpEditorError
from lp_editor.files import unbroken
from lp_editor.media.codecs import Codec
from lp_editor.plugins import expression
from lp_editor.render.executor import LocalExecutor
from lp_editor.render.program import Settings
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import counting
from films import small_head

CLIPS, EACH = 24, 12
RATE = Fraction(25)
LEFT, FINISHED, REFUSED = -1, 0, 2


@dataclass(frozen=True)
class Row:
    """One kind of fault, how often it was tried, what came of it; ``wrong`` counts what should not be."""

    fault: str
    times: int
    outcome: str
    wrong: int


@dataclass(frozen=True)
class Bench:
    """A cut, and where it is rendered to: everything of one try lies in ``folder``."""

    document: Document
    registry: Registry
    analysed: Path
    folder: Path

    @property
    def output(self) -> Path:
        """The file that is rendered."""
        return self.folder / "finished.mp4"

    @property
    def log(self) -> Path:
        """What the engine was asked for."""
        return self.analysed / "calls" / self.folder.name

    @property
    def chunks(self) -> Path:
        """The store of chunks."""
        return self.folder / "cache" / "chunks"

    def fresh(self) -> Bench:
        """The same with nothing rendered; the faces are known."""
        for path in (self.folder / "cache", self.output):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self.log.parent.mkdir(exist_ok=True)
        self.log.unlink(missing_ok=True)
        (self.folder / "cache").mkdir(parents=True)
        (self.folder / "cache" / "faces").symlink_to(self.analysed / "faces", target_is_directory=True)
        return self

    def render(self, workers: int) -> None:
        """Render it, in this process."""
        settings = Settings(
            Codec.H264, f"counting:{self.log}:0.002", cache=self.folder / "cache", executor=LocalExecutor(workers)
        )
        verbs.render(self.document, self.output, settings, registry=self.registry)

    def finished(self) -> set[str]:
        """The names of the chunks that are there."""
        return {p.stem for p in self.chunks.rglob("*.mkv") if not p.name.startswith(".")}

    def leftovers(self) -> int:
        """Half files, under whatever name."""
        hidden = sum(1 for p in self.folder.rglob(".*.part*"))
        return hidden + sum(not unbroken(p) for p in self.chunks.rglob("*.mkv") if not p.name.startswith("."))


def forked(work: Callable[[], None], said: Path) -> int:
    """Start some work in a process of its own; its number. An error of the user's kind ends it with 2 and lies in a file."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = FINISHED
    except LpEditorError as error:
        code = REFUSED
        said.write_text(str(error), encoding="utf-8")
    except BaseException as error:  # nothing may leave the forked process
        said.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
    finally:
        os._exit(code)


def ended(child: int, seconds: float | None = None) -> int:
    """The exit code of a process; `LEFT` where it was killed after so many seconds."""
    until = time.monotonic() + seconds if seconds is not None else float("inf")
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return LEFT if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if time.monotonic() >= until:
            os.kill(child, signal.SIGKILL)
            until = float("inf")
        time.sleep(0.002)


@dataclass(frozen=True)
class Expected:
    """What an uninterrupted render makes: its file, the chunk of every face, how long it took, and the bytes it needs."""

    content: bytes
    chunk_of: dict[str, str]
    seconds: float
    bytes: int


def expected(bench: Bench, said: Path) -> Expected:
    """Render it alone and undisturbed, once by one worker for its order, once by two for its time."""
    code = ended(forked(lambda: bench.fresh().render(1), said))
    if code:
        raise SystemExit(said.read_text(encoding="utf-8"))
    faces = [call.face for call in counting.calls(bench.log)]
    names = sorted(bench.chunks.rglob("*.mkv"), key=lambda p: p.stat().st_mtime_ns)
    assert len(faces) == len(set(faces)) == CLIPS * EACH, "every frame shows a face of its own"
    assert len(names) == CLIPS
    chunk_of = {face: names[i // EACH].stem for i, face in enumerate(faces)}
    content = bench.output.read_bytes()
    size = sum(p.stat().st_size for p in names) + len(content)
    began = time.monotonic()
    code = ended(forked(lambda: bench.fresh().render(2), said))
    assert code == 0
    assert bench.output.read_bytes() == content
    return Expected(content, chunk_of, time.monotonic() - began, size)


def kills(bench: Bench, known: Expected, times: int, said: Path, chance: random.Random) -> Row:
    """Kill renders at random moments, and run them again until they finish."""
    killed = rounds = twice = unequal = left = 0
    there: list[int] = []
    while killed < times:
        bench.fresh()
        rounds += 1
        while not bench.output.exists():
            finished, told = bench.finished(), len(counting.calls(bench.log))
            there.append(len(finished))
            child = forked(lambda: bench.render(2), said)
            code = ended(child, chance.uniform(0, 1.1 * known.seconds) if killed < times else None)
            killed += code == LEFT
            twice += sum(known.chunk_of[call.face] in finished for call in counting.calls(bench.log)[told:])
            if code not in (LEFT, FINISHED):
                raise SystemExit(f"a rerun failed: {said.read_text(encoding='utf-8')}")
        unequal += bench.output.read_bytes() != known.content
        left += bench.leftovers() if code == FINISHED else 0
    spread = f"{min(there)} to {max(there)} chunks there at a start"
    outcome = f"{rounds - unequal} of {rounds} files equal, {twice} faces of finished chunks asked again, {left} half files"
    return Row("killed at a random moment", killed, f"{outcome}; {spread}", unequal + twice + left)


def full(bench: Bench, known: Expected, points: int, said: Path) -> Row:
    """Render onto disks of so many sizes that are too small, then onto the same ones made larger."""
    place = bench.folder.parent / "full"
    place.mkdir(exist_ok=True)
    tried = refused = equal = wrong = 0
    for point in range(1, points + 1):
        size = max(known.bytes * point // (points + 1), 1 << 16)  # a tmpfs counts in pages: less fits than the sizes say
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            return Row("disk full", 0, "not tried: mounting a tmpfs needs root", 0)
        try:
            small = replace(bench, folder=place).fresh()
            tried += 1
            code = ended(forked(lambda small=small: small.render(2), said))  # type: ignore[misc]
            text = said.read_text(encoding="utf-8") if code else ""
            refused += code == REFUSED and "No space left" in text
            wrong += small.output.exists() or small.leftovers()
            if code != REFUSED or "No space left" not in text:
                print(f"disk of {size} bytes: exit {code}, {text}", file=sys.stderr)
            subprocess.run(["mount", "-o", f"remount,size={known.bytes * 4 + (8 << 20)}", str(place)], check=True)
            code = ended(forked(lambda small=small: small.render(2), said))  # type: ignore[misc]
            equal += code == FINISHED and small.output.read_bytes() == known.content
        finally:
            subprocess.run(["umount", "-l", str(place)], check=True)
    outcome = f"{refused} told so, {wrong} half files, {equal} of {tried} reruns equal"
    return Row("disk full", tried, outcome, wrong + 2 * tried - refused - equal)


def damaged(bench: Bench, known: Expected, said: Path, chance: random.Random) -> Row:
    """Change a byte in each of some chunks, cut others short, and render again."""
    ended(forked(lambda: bench.fresh().render(2), said))
    paths = chance.sample(sorted(bench.chunks.rglob("*.mkv")), 6)
    for number, path in enumerate(paths):
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 0x41
        path.write_bytes(content if number % 2 else content[: len(content) // 2])
    bench.output.unlink()
    before = len(counting.calls(bench.log))
    code = ended(forked(lambda: bench.render(2), said))
    again = {known.chunk_of[call.face] for call in counting.calls(bench.log)[before:]}
    equal = code == FINISHED and bench.output.read_bytes() == known.content
    outcome = f"{len(again)} of 6 made again, the file {'equal' if equal else 'NOT equal'}"
    return Row("damaged chunks", 6, outcome, (again != {p.stem for p in paths}) + (not equal))


def both(bench: Bench, known: Expected, said: Path) -> Row:
    """Two renders of one project into one cache at once."""
    bench.fresh()
    other = replace(bench, folder=bench.folder.parent / "beside")
    other.folder.mkdir(exist_ok=True)
    other.fresh()
    shutil.rmtree(other.folder / "cache")
    (other.folder / "cache").symlink_to(bench.folder / "cache", target_is_directory=True)
    children = [forked(lambda b=b: b.render(2), said) for b in (bench, other)]  # type: ignore[misc]
    codes = [ended(child) for child in children]
    equal = sum(b.output.exists() and b.output.read_bytes() == known.content for b in (bench, other))
    faces = len(counting.calls(bench.log)) + len(counting.calls(other.log))
    (other.folder / "cache").unlink()
    outcome = f"{equal} of 2 files equal; {faces} faces made by both together, {CLIPS * EACH} by one"
    return Row("two renders at once", 1, outcome, sum(map(bool, codes)) + 2 - equal)


def cut_of(film: Path, folder: Path, registry: Registry) -> Document:
    """The film in many short clips, every frame marked."""
    span = Span(Fraction(0), Fraction(CLIPS * EACH) / RATE)
    media = Media("file", film.name, str(film), available=span)

    def row(kind: str) -> Track:
        spans = [Span(Fraction(i * EACH) / RATE, Fraction(EACH) / RATE) for i in range(CLIPS)]
        clips = tuple(Clip("", f"c{i}", media, s, s, RATE) for i, s in enumerate(spans))
        return Track(kind, "audio" if kind == "A1" else "video", clips)

    document = new_document(folder / "cut.otio", Project("cut", RATE, Fraction(0), (row("V1"), row("A1"))))
    for i in range(CLIPS):
        document = verbs.mark(
            document, "expression", clip=f"V1/{i + 1}", params={"smile": 0.6, "ease": "0"}, registry=registry
        ).document
    return document


def main() -> None:
    """Read the command line, try everything, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--full", type=int, default=10, help="sizes of disk that are too small")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    chance, registry = random.Random(asked.seed), Registry(expression, counting)
    with TemporaryDirectory() as name:
        folder, said = Path(name), Path(name) / "said"
        (folder / "tries").mkdir()
        document = cut_of(small_head(folder / "head.mp4", CLIPS * EACH, sound=True), folder, registry)
        (folder / "faces").mkdir()
        bench = Bench(document, registry, folder, folder / "tries" / "one")
        bench.folder.mkdir()
        known = expected(bench, said)
        rows = [kills(bench, known, asked.kills, said, chance)] if asked.kills else []
        rows += [full(bench, known, asked.full, said)] if asked.full else []
        rows += [damaged(bench, known, said, chance), both(bench, known, said)]
    if asked.json:
        print(json.dumps([row.__dict__ for row in rows]))
    else:
        table = Table("fault", "times", "outcome", title=f"{CLIPS} chunks, {known.seconds:.1f} s undisturbed")
        for row in rows:
            table.add_row(row.fault, str(row.times), row.outcome)
        Console(width=140).print(table)
    raise SystemExit(1 if any(row.wrong for row in rows) else 0)


if __name__ == "__main__":
    main()
