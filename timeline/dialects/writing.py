"""Writes a project into a dialect that it did not come in, from the model; every loss is said, clip by clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lp_editor.errors import OutputError
from lp_editor.timeline.dialects import native, otio
from lp_editor.timeline.model import Project
from lp_editor.timeline.relink import Rendered


@dataclass(frozen=True)
class Written:
    """What to write, and what of the project it cannot say."""

    content: bytes
    losses: Sequence[str] = ()


def write(project: Project, rendered: Sequence[Rendered], dialect: str, target: Path) -> Written:
    """A project in a dialect. Raises `OutputError` for one that is not written."""
    if dialect == "otio":
        return _otio(project, rendered, target)
    raise OutputError(f"{target}: a project is written as .otio")


def _otio(project: Project, rendered: Sequence[Rendered], target: Path) -> Written:
    plain = native.viewed(otio.new_tree(project), target)
    marked = plain.marked(plain.project, project)
    return Written((marked.relinked(project, rendered) if rendered else marked).content())
