"""Shows how far a render is: a bar with frames, rate and time left, lines of JSON, or nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from types import MappingProxyType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from lp_editor.cli.plain import raw
from lp_editor.render.report import Progress as Show
from lp_editor.render.report import Report, silent

LABELS = {
    "filming": "filming",
    "faces": "finding faces",
    "motion": "reading motion",
    "frames": "rendering",
    "sound": "mixing sound",
    "check": "checking",
}

JSON_EVERY = 0.25
"""Seconds between two lines of JSON."""


@contextmanager
def shown(quiet: bool, as_json: bool) -> Iterator[Show]:
    """A progress to hand to a verb; a bar only where somebody sees it."""
    if as_json:
        yield _JsonLines()
    elif quiet:
        yield silent
    else:
        with _bar() as show:
            yield show


class _JsonLines:
    """One line of JSON on the standard output now and then, and for the last frame."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._last = 0.0
        self._lock = Lock()

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = monotonic()
        with self._lock:
            started = self._started.setdefault(stage, now)
            if done < total and now - self._last < JSON_EVERY:
                return
            self._last = now
        fps = done / (now - started) if now > started else None
        left = (total - done) / fps if fps else None
        line = {"stage": stage, "done": done, "total": total, "fps": fps, "left": left}
        print(json.dumps(line), flush=True)


class OpenJdLines:
    """Lines on the standard output that Open Job Description reads ("How Jobs Are Run", 2023-09): per cent, and what is done."""

    def __init__(self) -> None:
        self._told: tuple[str, int] = ("", -1)
        self._lock = Lock()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """See `Progress`."""
        now = (stage, 100 * done // total if total else 100)
        with self._lock:
            if now == self._told:
                return
            if now[0] != self._told[0]:
                print(f"openjd_status: {LABELS.get(stage, stage)}", flush=True)
            self._told = now
            print(f"openjd_progress: {now[1]}", flush=True)


@contextmanager
def _bar() -> Iterator[Show]:
    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=raw(sys.stderr)), disable=not sys.stderr.isatty()) as bars:
        tasks: dict[str, TaskID] = {}
        lock = Lock()

        def show(stage: str, done: int, total: int) -> None:
            with lock:
                if stage not in tasks:
                    tasks[stage] = bars.add_task(LABELS.get(stage, stage), total=total, rate="")
            speed = bars.tasks[tasks[stage]].speed
            bars.update(tasks[stage], completed=done, total=total, rate=f"{speed:.1f} fps" if speed else "")

        yield show


def costs_table(report: Report) -> Table:
    """Where the time of a render went, as a table: by step, what a core took for a frame and in all."""
    table = Table("step", "ms per frame", "seconds of a core", "share", title="where the time went")
    steps = {name: step for name, step in report.profile.steps.items() if step.seconds}
    whole = sum(step.seconds for step in steps.values())
    for name, step in steps.items():
        each = f"{1000 * step.seconds / step.times:.1f}" if step.times else ""
        table.add_row(name, each, f"{step.seconds:.2f}", f"{100 * step.seconds / whole:.0f} %")
    table.add_section()
    table.add_row(
        "by the clock",
        f"{1000 * report.profile.seconds / max(report.rendered, 1):.1f}",
        f"{report.profile.seconds:.2f}",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def print_costs(report: Report) -> None:
    """Print the table of costs."""
    Console(file=raw(sys.stderr)).print(costs_table(report))


def tell(
    report: Report, what: str, quiet: bool, as_json: bool, more: Mapping[str, object] = MappingProxyType({})
) -> None:
    """Print what a render has to tell; ``more`` of it as JSON."""
    if as_json:
        told = {
            "frames": report.frames,
            "rendered": report.rendered,
            "copied": report.copied,
            "engine": report.engine,
            "notes": report.notes,
        }
        print(json.dumps({"report": {"output": what, **told, **more}}), flush=True)
        return
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    if not quiet:
        kept = max(report.frames - report.rendered - report.copied, 0)
        copied = f"{report.copied} copied, " if report.copied else ""
        counted = f"{report.frames} frames, {report.rendered} rendered, {copied}{kept} kept"
        print(f"{what}: {counted}, engine {report.engine}")
