"""Renders that were asked for from inside an editing application: one at a time, each a process of its own.

A process, so that it can be stopped at once and takes nothing down with it; what it had rendered is kept, and the same job
goes on from there.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lp_editor.errors import LpEditorError

MOST_WAITING = 16
"""More jobs than this do not wait."""

MOST_KEPT = 64
"""Ended jobs that can still be asked for."""

PATIENCE = 10.0
"""Seconds that a job has to end by itself once it was stopped."""

MOST_ERROR_BYTES = 1 << 20
"""Of what a job says on its error stream, the last this many are read."""

MOST_NAME = 200
"""Bytes of a folder's name."""

State: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")


class TooMany(LpEditorError):
    """More jobs wait already than anyone will wait for."""


@dataclass
class Job:
    """One project to be taken there and back: what was asked, how far it is, what came of it."""

    id: str
    words: Sequence[str]
    """Of the command line, behind the program's name."""
    state: State = "waiting"
    stage: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    report: dict[str, Any] | None = None
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def told(self) -> dict[str, Any]:
        """How far it is, as JSON."""
        return {
            "id": self.id, "state": self.state, "stage": self.stage, "done": self.done, "total": self.total,
            "error": self.error,
        }  # fmt: skip


class Jobs:
    """A queue of jobs and the thread that does them. ``command`` is how lp-editor is started here."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._known: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._count = 0
        self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._worker.start()

    def add(self, words: Sequence[str]) -> Job:
        """Put a job at the end of the queue. Raises `TooMany`."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                raise TooMany(f"{MOST_WAITING} renders wait already; let one end, or cancel one")
            self._count += 1
            job = Job(f"j{self._count}", tuple(words))
            self._known[job.id] = job
            self._waiting.append(job)
            ended = [j.id for j in self._known.values() if j.state in ENDED]
            for old in ended[: max(len(ended) - MOST_KEPT, 0)]:
                del self._known[old]
            self._changed.notify_all()
            return job

    def find(self, id: str) -> Job | None:
        """A job by its id; None for one that was never asked for, or so long ago that it is forgotten."""
        with self._changed:
            return self._known.get(id)

    def busy(self) -> int:
        """How many are waiting or running."""
        with self._changed:
            return sum(job.state not in ENDED for job in self._known.values())

    def cancel(self, job: Job) -> None:
        """Stop a job, or take it out of the queue; one that has ended stays as it is."""
        with self._changed:
            if job.state in ENDED:
                return
            job.state = "cancelled"
            with suppress(ValueError):
                self._waiting.remove(job)
            process = job.process
        if process is not None:
            stop(process)

    def close(self) -> None:
        """Stop everything."""
        with self._changed:
            self._closed = True
            open_jobs = [job for job in self._known.values() if job.state not in ENDED]
            self._changed.notify_all()
        for job in open_jobs:
            self.cancel(job)
        self._worker.join(2 * PATIENCE)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                job = self._waiting.popleft()
                job.state = "running"
            error, report = self._run(job)
            with self._changed:
                job.process = None
                if job.state == "running":
                    job.error, job.report = error, report
                    job.state = "failed" if report is None else "done"

    def _run(self, job: Job) -> tuple[str, dict[str, Any] | None]:
        """Do one job; its report, or in one sentence why there is none."""
        with tempfile.TemporaryFile("w+b") as errors:
            try:
                process = subprocess.Popen(
                    [*self._command, *job.words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                    encoding="utf-8", errors="replace",
                )  # fmt: skip
            except OSError as problem:
                return f"lp-editor could not be started ({problem})", None
            with self._changed:
                job.process = process
                stopped = job.state != "running"
            if stopped:
                stop(process)
            report = self._followed(job, process)
            return ("", report) if report is not None else (_last_words(errors, process.returncode), None)

    def _followed(self, job: Job, process: subprocess.Popen[str]) -> dict[str, Any] | None:
        """Read what a job prints until it ends; its report, where it ended well."""
        report: dict[str, Any] | None = None
        with process:
            for line in process.stdout or ():
                said = _parsed(line)
                if isinstance(said.get("report"), dict):
                    report = said["report"]
                elif "stage" in said:
                    with self._changed:
                        job.stage, job.done, job.total = str(said["stage"]), int(said["done"]), int(said["total"])
        return report if process.returncode == 0 else None


def stop(process: subprocess.Popen[str]) -> None:
    """End a process, by force where it does not listen."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _parsed(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _last_words(errors: Any, code: int) -> str:
    """The last thing a process said on its error stream."""
    errors.seek(0, 2)
    errors.seek(max(errors.tell() - MOST_ERROR_BYTES, 0))
    lines = [line for line in errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("lp-editor: ") if lines else f"lp-editor ended without a word (code {code})"


def results_folder(top: Path, *names: str) -> Path:
    """A new folder below ``top`` for one run, called after a project, a sequence, a time. Raises `OSError`."""
    safe = [_safe(name) for name in names]
    parent = top.joinpath(*safe[:-1])
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 10_000):
        folder = parent / (safe[-1] if number == 1 else f"{safe[-1]} {number}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise FileExistsError(f"{parent} is full")


def _safe(name: str) -> str:
    """A name that every system takes for a folder."""
    plain = "".join(c if c.isalnum() or c in "-_ " else "_" for c in name)
    return plain.encode("utf-8")[:MOST_NAME].decode("utf-8", "ignore").strip() or "unnamed"
