"""Project files in each application's own words, one module each: told apart by what is in them, not by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from lp_editor.errors import OutputError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lp_editor.timeline.dialects.source import Source
    from lp_editor.timeline.model import Project
    from lp_editor.timeline.relink import Rendered

REFUSED = {"mlt": "Kdenlive or Shotcut", "ges": "Pitivi", "PremiereData": "Premiere's own project"}
"""Roots of XML projects that are nobody's interchange format, and whose they are."""


@dataclass(frozen=True)
class Asked:
    """What may be said about how a file is to be read."""

    sequence: str | None = None
    rate: Fraction | None = None


@dataclass(frozen=True)
class ReadOnly:
    """A file that can be read but is not written in its own dialect: edit lists, AAF, packed projects."""

    dialect: str
    project: Project
    names: Sequence[str]
    name: str
    notes: Sequence[str] = ()
    stores_marks: bool = False

    def understood(self, project: Project, known: bool = True) -> ReadOnly:
        """The same, with the marks that its markers ask for."""
        return replace(self, project=project)

    def marked(self, before: Project, after: Project) -> ReadOnly:
        """The file with other marks, which the sidecar keeps."""
        return replace(self, project=after)

    def relinked(self, project: Project, rendered: Sequence[Rendered]) -> ReadOnly:
        """Refused: there is no way back into the file."""
        raise OutputError(f"an {self.dialect} file is not written back; save the project as .otio, .xml or .fcpxml")

    def layered(self, project: Project, rendered: Sequence[Rendered]) -> ReadOnly:
        """Refused: there is no way back into the file."""
        return self.relinked(project, rendered)

    def moved(self, here: Path, there: Path) -> ReadOnly:
        """The same."""
        return self

    def content(self) -> bytes:
        """Refused: there is no way back into the file."""
        raise OutputError(f"an {self.dialect} file is not written back; save the project as .otio, .xml or .fcpxml")


def read(content: bytes, path: Path, asked: Asked) -> Source:
    """Read a project file of any dialect. Raises `ProjectError` that names the file and says what would do."""
    from lp_editor.timeline.dialects import aaf, edl, native

    head = content[:4096].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")
    if head[:1] in (b"{", b"["):
        return native.opened(content, path, asked.sequence)
    if head[:1] == b"<":
        return _xml(content, path, asked)
    if content.startswith(aaf.MAGIC):
        read_only = native.viewed(aaf.tree_of(path), path, asked.sequence)
        return ReadOnly("AAF", read_only.project, read_only.names, read_only.name, read_only.notes)
    if edl.is_list(content):
        project, notes = edl.read(content, path, asked.rate)
        return ReadOnly("EDL", project, [project.name], project.name, notes)
    if path.suffix.lower() == ".otio":
        return native.opened(content, path, asked.sequence)  # says what is wrong with it
    raise ProjectError(
        f"{path} is no project that can be read: OpenTimelineIO (.otio, .otioz, .otiod), XML of Premiere and "
        "Final Cut Pro (.xml, .fcpxml), AAF and CMX 3600 edit lists (.edl) can"
    )


def _xml(content: bytes, path: Path, asked: Asked) -> Source:
    from lp_editor.timeline.dialects import fcpxml_patch, markup, xmeml_patch

    parsed = markup.parse(content, path)
    root = parsed.root.tag
    if root == "fcpxml":
        return fcpxml_patch.opened(parsed, path, asked.sequence)
    if root in REFUSED or not re.search("xmeml|sequence|filter|clip|bin|project", root):
        whose = f" ({REFUSED[root]})" if root in REFUSED else ""
        raise ProjectError(
            f"{path} is a <{root}> file{whose}, which is not read; export OpenTimelineIO or XML from there"
        )
    return xmeml_patch.opened(parsed, path, asked.sequence)
