"""Watches a folder: every project dropped there goes there and back, a result folder each.

A project is taken once its size and date have stood still for a while. What was done is written down in the folder, so a
restart goes on where it stopped; a project that changes is done again, into another folder: nothing an application
may have open is ever overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from lp_editor.errors import LpEditorError, OutputError, ProjectError
from lp_editor.files import write_bytes
from lp_editor.timeline import stored

PROJECTS = (".otio", ".otioz", ".otiod", ".xml", ".fcpxml", ".fcpxmld", ".edl", ".aaf")
"""Ends of the names of what is taken; `.otiod` and `.fcpxmld` are folders."""

DONE = ".lp-watch.json"
"""Where it is written down what was done."""

RESULT, ERROR = ".lp", ".error.txt"
"""Ends of the names of a result's folder, and of the text that says why there is none."""

STILL = 3.0
"""Seconds that a project has to stand still."""

Stamp = tuple[int, int]
"""Bytes in all, and the date of the last change in nanoseconds."""

Convert = Callable[[Path, Path], str]
"""Takes a project there and back into a new folder; returns what to tell of it."""

Tell = Callable[[str], None]


@dataclass
class Watch:
    """A folder under watch. ``convert`` does the work; what happens is told line by line."""

    folder: Path
    convert: Convert
    tell: Tell
    still: float = field(default_factory=lambda: STILL)
    _seen: dict[str, tuple[Stamp, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise OutputError(f"{self.folder} is no folder to watch; make it first")

    def run(self, every: float) -> None:
        """Look again and again, until somebody stops it."""
        while True:
            self.look(monotonic())
            sleep(every)

    def once(self) -> None:
        """Do what lies there now."""
        self.look(monotonic())
        sleep(self.still)
        self.look(monotonic())

    def look(self, now: float) -> int:
        """Do every project that has stood still since an earlier look and is not done yet; returns how many those are."""
        done, count = read_done(self.folder), 0
        present = dict(self._projects())
        self._seen = {name: seen for name, seen in self._seen.items() if name in present}
        for name, stamp in present.items():
            if done.get(name) == stamp:
                continue
            known, since = self._seen.get(name, (None, now))
            if known != stamp:
                self._seen[name] = stamp, now
            elif now - since >= self.still:
                self._do(self.folder / name)
                done = {**read_done(self.folder), name: stamp}
                write_done(self.folder, done)
                count += 1
        return count

    def _projects(self) -> Iterator[tuple[str, Stamp]]:
        for path in sorted(self.folder.iterdir()):
            if path.suffix.lower() in PROJECTS and not path.name.startswith("."):
                try:
                    yield path.name, stamp_of(path)
                except OSError:
                    continue  # gone again, or still locked by who writes it

    def _do(self, path: Path) -> None:
        error = path.with_name(path.name + ERROR)
        self.tell(f"{path.name}: taken")
        try:
            said = self.convert(path, free_folder(path))
        except LpEditorError as problem:
            write_bytes(error, f"{problem}\n".encode())
            self.tell(f"{path.name}: {problem} (also in {error.name})")
        except Exception as problem:
            write_bytes(error, f"{type(problem).__name__}: {problem}\n".encode())
            self.tell(f"{path.name}: failed, {type(problem).__name__}: {problem} (also in {error.name})")
        else:
            error.unlink(missing_ok=True)
            self.tell(f"{path.name}: {said}")


def stamp_of(path: Path) -> Stamp:
    """How much a project holds and when it was changed last; of a folder all that is in it."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    stats = [p.stat() for p in files]
    return sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)


def free_folder(path: Path) -> Path:
    """A result folder that is not there yet: NAME.lp, NAME.2.lp, …"""
    names = (f"{path.stem}{RESULT}" if n == 1 else f"{path.stem}.{n}{RESULT}" for n in range(1, 10**6))
    return next(folder for folder in map(path.with_name, names) if not folder.exists())


def read_done(folder: Path) -> dict[str, Stamp]:
    """What was done in a folder, by name; nothing where the list is missing or damaged."""
    path = folder / DONE
    try:
        kept = stored.read(path)
    except (OSError, ProjectError):
        return {}
    rows = kept.get("done") if isinstance(kept, dict) else None
    if not isinstance(rows, dict):
        return {}
    return {
        name: (row[0], row[1])
        for name, row in rows.items()
        if isinstance(row, list) and len(row) == 2 and all(isinstance(n, int) for n in row)
    }


def write_done(folder: Path, done: Mapping[str, Stamp]) -> None:
    """Write down what was done, whole or not at all."""
    kept = {"version": 1, "done": {name: list(stamp) for name, stamp in sorted(done.items())}}
    write_bytes(folder / DONE, json.dumps(kept, indent=1).encode())
