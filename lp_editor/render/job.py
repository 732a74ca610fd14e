"""A render as a job for a render farm: an Open Job Description template (version 2023-09) of three steps.

Analyse finds the faces and reads the sound; Render makes the chunks, some to a task; Join makes the file of them, and
whatever chunk is not there. All are the same command with the same cache, so that any of them may be run again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lp_editor.errors import OutputError
from lp_editor.render.chunks import runs
from lp_editor.render.clips import count_stretch_chunks
from lp_editor.render.program import Settings
from lp_editor.timeline.cut import cut
from lp_editor.timeline.model import Project

MOST_SIGNS = 1024
"""Of a text that is a parameter of a job."""

VERSION = "jobtemplate-2023-09"

FORMAT = re.compile(r"\{\{|\}\}")
"""Between what names stand that a template fills in; there is no way to write that these signs are meant."""

CHUNKS = "--chunks={{Task.Param.First}}+"
"""What a task is told, before how many chunks it makes."""


@dataclass(frozen=True)
class FarmJob:
    """What is to be rendered. ``output`` is a file, or with ``clips`` a folder; ``arguments`` are further words of `render`."""

    name: str
    folder: Path
    project: Path
    output: Path
    clips: bool
    cache: Path
    media: Sequence[Path]
    arguments: Sequence[str]
    chunks: int
    each: int
    """Chunks of a task."""
    graphics: bool
    """Whether a task needs a graphics processor."""


def count_chunks(project: Project, clips: bool, settings: Settings) -> int:
    """How many chunks a render has; nothing is analysed for that, but media are opened for the handles of ``clips``."""
    if clips:
        return count_stretch_chunks(project, settings)
    return sum(1 for event in cut(project) for _ in runs(event, project.rate))


def template(job: FarmJob) -> bytes:
    """The template, as JSON."""
    made: dict[str, Any] = {
        "specificationVersion": VERSION,
        "name": FORMAT.sub(lambda braces: " ".join(braces[0]), job.name)[:128],
        "description": f"{job.chunks} chunks, {job.each} to a task; every worker needs lp-editor and the same folders",
        "parameterDefinitions": _parameters(job),
        "jobEnvironments": [{"name": "Cache", "variables": {"LP_EDITOR_CACHE": "{{Param.Cache}}"}}],
        "steps": [
            {"name": "Analyse", "script": _script(job, "--chunks=none")},
            {"name": "Render", "dependencies": [{"dependsOn": "Analyse"}], "parameterSpace": _space(job),
             "script": _script(job, f"{CHUNKS}{job.each}"), **_needs(job)},
            {"name": "Join", "dependencies": [{"dependsOn": "Render"}], "script": _script(job, "--force"), **_needs(job)},
        ],
    }  # fmt: skip
    return (json.dumps(made, indent=2, ensure_ascii=False) + "\n").encode()


def _parameters(job: FarmJob) -> list[dict[str, str]]:
    command = {
        "name": "Command", "type": "STRING", "default": "lp-editor", "description": "where lp-editor is on the workers",
    }  # fmt: skip
    kind = "DIRECTORY" if job.clips else "FILE"
    return [
        command,
        _path("Project", job.project, job.folder, "FILE", "IN", "the cut, as it was when the job was made"),
        _path("Output", job.output, job.folder, kind, "OUT", "what is written"),
        _path("Cache", job.cache, job.folder, "DIRECTORY", "INOUT", "shared by all workers: analyses and chunks"),
        *(_path(f"Media{i}", p, job.folder, "DIRECTORY", "IN", "where media are looked for") for i, p in _counted(job)),
        *(_text(f"Text{i}", word) for i, word in enumerate(job.arguments, 1) if FORMAT.search(word)),
    ]


def _text(name: str, word: str) -> dict[str, str]:
    """A word of a command that holds what a template would take for a name of its own: as a parameter it is left alone."""
    if len(word) > MOST_SIGNS:
        raise OutputError(
            f"{word[:40]!r} … is longer than {MOST_SIGNS} signs and holds double braces, which a job's template cannot say; "
            "leave that out, or put the text into a file (--consent @FILE)"
        )
    return {"name": name, "type": "STRING", "default": word, "description": "an option of the render"}


def _word(number: int, word: str) -> str:
    return f"{{{{Param.Text{number}}}}}" if FORMAT.search(word) else word


def _counted(job: FarmJob) -> list[tuple[int, Path]]:
    return list(enumerate(job.media, 1))


def _path(name: str, path: Path, folder: Path, kind: str, flow: str, what: str) -> dict[str, str]:
    """A path that the farm may map where it lies beside the template; by the specification (2.2) no other can be a default."""
    path, folder = path.absolute(), folder.absolute()
    if path.is_relative_to(folder):
        inside = path.relative_to(folder).as_posix()
        return {
            "name": name, "type": "PATH", "objectType": kind, "dataFlow": flow, "default": inside, "description": what
        }  # fmt: skip
    return {"name": name, "type": "STRING", "default": str(path), "description": what}


def _space(job: FarmJob) -> dict[str, Any]:
    last = (job.chunks - 1) // job.each * job.each + 1
    steps = f"1-{last}:{job.each}" if last > 1 else "1"
    return {"taskParameterDefinitions": [{"name": "First", "type": "INT", "range": steps}]}


def _script(job: FarmJob, part: str) -> dict[str, Any]:
    words = [
        "render", "{{Param.Project}}", "--clips" if job.clips else "-o", "{{Param.Output}}",
        *(word for i, _ in _counted(job) for word in ("--media", f"{{{{Param.Media{i}}}}}")),
        *(_word(i, word) for i, word in enumerate(job.arguments, 1)), part, "--openjd",
    ]  # fmt: skip
    return {"actions": {"onRun": {"command": "{{Param.Command}}", "args": words}}}


def _needs(job: FarmJob) -> dict[str, Any]:
    if not job.graphics:
        return {}
    return {"hostRequirements": {"amounts": [{"name": "amount.worker.gpu", "min": 1}]}}
