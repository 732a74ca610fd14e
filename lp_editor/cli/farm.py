"""``job``, and the options of `render` that have other machines do the work: a Ray cluster, or a render farm."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lp_editor.cli.project import add_source, opened
from lp_editor.errors import LpEditorError, OutputError

if TYPE_CHECKING:
    from lp_editor.registry import Registry
    from lp_editor.render.executor import Executor, Part
    from lp_editor.render.program import Settings
    from lp_editor.render.report import Progress
    from lp_editor.timeline.document import Document


def add_cluster(command: argparse.ArgumentParser) -> None:
    """The options that have a render's chunks made by a Ray cluster."""
    command.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS",
        help="render on a Ray cluster: HOST:PORT, or the one of this machine (docs/operations.md); needs lp-editor[ray]",
    )  # fmt: skip
    command.add_argument(
        "--ray-cores", type=int, metavar="N", help="cores of a worker; 4, or what its graphics processor leaves it"
    )


def add_part(command: argparse.ArgumentParser) -> None:
    """The options of a task of a render farm."""
    command.add_argument(
        "--chunks", metavar="WHICH",
        help="for render farms: make only these chunks of two seconds at most and write no file; 3, 3-5, 3+2 (two from "
        "the third on), or none (only analyse). The same command without it makes what is missing, and the file",
    )  # fmt: skip
    command.add_argument("--openjd", action="store_true", help="progress as Open Job Description reads it")


def add(commands: Any) -> None:
    """Add the command ``job``."""
    from lp_editor.cli.rendering import add_common, add_delivery, add_handles

    job = commands.add_parser(
        "job", help="write a render as a job for a render farm (Open Job Description)",
        description="Writes template.json (specification 2023-09) and a copy of the project into a folder that all\n"
        "workers see. Its steps: Analyse, Render (some chunks to a task), Join.",
        epilog="examples:\n  lp-editor job cut.otio -o job/\n"
        "  lp-editor job cut.otio -o job/ --output finished.mov --codec prores --per-task 20\n"
        "  lp-editor job cut.otio -o job/ --clips rendered/ --device cuda\n"
        "  openjd check job/template.json\n  openjd run job/template.json\n",
    )  # fmt: skip
    add_source(job)
    job.add_argument("-o", dest="folder", type=Path, required=True, metavar="DIR", help="the job's folder")
    where = job.add_mutually_exclusive_group()
    where.add_argument("--output", type=Path, metavar="FILE", help="the file to make; finished.mp4 in the job's folder")
    where.add_argument("--clips", type=Path, metavar="DIR", help="a file for each marked stretch instead")
    job.add_argument("--format", metavar="WxH", help="size of the output; without it that of the first clip")
    job.add_argument("--per-task", type=int, default=10, metavar="N", help="chunks of a task; 10, so 20 s of the cut")
    job.add_argument(
        "--cache", type=Path, metavar="DIR",
        help="what all workers share; LP_EDITOR_CACHE where that is set, else cache in the job's folder",
    )  # fmt: skip
    add_handles(job)
    add_delivery(job)
    add_common(job)
    job.set_defaults(run=_job)


def executor_of(asked: argparse.Namespace) -> Executor:
    """Who makes the chunks of a render, as the command line asks."""
    from lp_editor.render.cluster import CORES, RayExecutor
    from lp_editor.render.executor import LocalExecutor

    workers, address, cores = (getattr(asked, name, None) for name in ("workers", "ray", "ray_cores"))
    if workers is not None and workers < 1:
        raise OutputError(f"--workers takes 1 or more, got {workers}")
    if address is None:
        if cores is not None:
            raise OutputError("--ray-cores goes with --ray")
        return LocalExecutor(workers)
    if workers is not None:
        raise OutputError("--workers is for this machine; with --ray say --ray-cores")
    if Path(address).suffix and Path(address).exists():
        raise OutputError(f"--ray takes the address of a cluster, got {address}; put --ray behind the project")
    return RayExecutor(address, asked.device, CORES if cores is None else cores)


def part_of(asked: argparse.Namespace) -> Part | None:
    """Which chunks are asked for; None for all of them and the file."""
    from lp_editor.render.executor import Part

    text = getattr(asked, "chunks", None)
    if text is None:
        return None
    if text == "none":
        return Part(1, 0)
    match = re.fullmatch(r"([1-9]\d{0,8})(?:([-+])([1-9]\d{0,8}))?", text)
    if match is None:
        raise OutputError(f"--chunks takes 3, 3-5, 3+2 or none, got {text!r}")
    first, number = int(match[1]), int(match[3] or match[1])
    last = first + number - 1 if match[2] == "+" else number
    if last < first:
        raise OutputError(f"--chunks ends before it begins: {text}")
    return Part(first, last)


@contextmanager
def watched(asked: argparse.Namespace) -> Iterator[Progress]:
    """A progress as the command line asks; to a farm also what went wrong is told."""
    from lp_editor.cli.progress import OpenJdLines, shown

    if not asked.openjd:
        with shown(asked.quiet, asked.json) as progress:
            yield progress
        return
    try:
        yield OpenJdLines()
    except LpEditorError as error:
        print(f"openjd_fail: {' '.join(str(error).split())}", flush=True)
        raise


def render_part(asked: argparse.Namespace, document: Document, settings: Settings, registry: Registry) -> int:
    """Make some chunks of a render and no file."""
    from lp_editor import verbs
    from lp_editor.cli.progress import tell

    with watched(asked) as progress:
        if asked.clips is None:
            report = verbs.render(
                document, asked.output, settings, matte=asked.matte, registry=registry, progress=progress
            )
        else:
            _, report = verbs.render_stretches(
                document, asked.clips, settings, matte=asked.matte is not None, registry=registry, progress=progress
            )
    tell(report, f"chunks {asked.chunks}", asked.quiet, asked.json)
    return 0


def _job(asked: argparse.Namespace) -> int:
    from lp_editor import verbs
    from lp_editor.cli.progress import shown
    from lp_editor.cli.rendering import settings_of
    from lp_editor.files import make_folder, write_bytes
    from lp_editor.render.job import FarmJob, count_chunks, template
    from lp_editor.render.program import check_output

    if asked.per_task < 1:
        raise OutputError(f"--per-task takes 1 or more, got {asked.per_task}")
    document, settings = opened(asked), settings_of(asked)
    folder: Path = asked.folder.absolute()
    copy, described = folder / document.returned_name, folder / "template.json"
    make_folder(folder)
    for path in (copy, described):
        check_output(path, asked.force)
    with shown(False, False) as progress:
        document = verbs.fit_joints(document, settings, progress=progress)
    project = document.to_render() if asked.clips else document.project
    cache = asked.cache or Path(os.environ.get("LP_EDITOR_CACHE") or folder / "cache")
    job = FarmJob(
        f"lp-editor {document.project.name}".strip(), folder, copy,
        asked.clips or asked.output or folder / f"finished{settings.delivery.codec.suffix}", asked.clips is not None,
        cache, [p.absolute() for p in asked.media], _arguments(asked), count_chunks(project, bool(asked.clips), settings),
        asked.per_task, asked.device.startswith("cuda"),
    )  # fmt: skip
    document.save(copy)
    write_bytes(described, template(job))
    tasks = -(-job.chunks // job.each)
    print(f"{described}: {job.chunks} chunks in {tasks} task{'s' if tasks > 1 else ''}")
    return 0


PASSED_ON = (
    "sequence", "rate", "codec", "codec_profile", "quality", "speed", "depth", "encoder", "sound", "reel", "engine",
    "device", "composite", "format", "handles", "consent",
)  # fmt: skip
"""Options of a job that its tasks are called with."""


def _arguments(asked: argparse.Namespace) -> list[str]:
    """The options of a job as words for `render`."""
    words = []
    for name in PASSED_ON:
        value = getattr(asked, name)
        if name == "consent" and value and value.startswith("@"):  # tasks run in another folder
            value = f"@{Path(value[1:]).absolute()}"
        if value not in (None, ""):
            words.append(f"--{name.replace('_', '-')}={value}")
    return words
