"""Writes a project into a dialect that it did not come in, from the model; every loss is said, clip by clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lp_editor.errors import OutputError
from lp_editor.timeline.curve import Curve
from lp_editor.timeline.dialects import (
    aaf_write,
    edl_write,
    fcpxml_patch,
    fcpxml_write,
    markup,
    native,
    resolve,
    xmeml_patch,
    xmeml_write,
)
from lp_editor.timeline.dialects.planning import Losses, counted, settled
from lp_editor.timeline.dialects.source import Source
from lp_editor.timeline.model import Project
from lp_editor.timeline.relink import Rendered, split_model


@dataclass(frozen=True)
class Written:
    """What to write, and what of the project it cannot say."""

    content: bytes
    losses: Sequence[str] = ()
    source: Source | None = None
    """The file as it will be read, where that is known already."""


def write(
    project: Project, rendered: Sequence[Rendered], dialect: str, target: Path, above: bool = False,
    size: tuple[int, int] | None = None,
) -> Written:  # fmt: skip
    """A project in a dialect, its pictures of a size. Raises `OutputError` for one that is not written."""
    losses = Losses()
    if dialect in ("otio", "resolve"):
        return _otio(project, rendered, target, dialect == "resolve", above)
    if dialect not in ("edl", "aaf"):
        project, rendered = settled(project, rendered, losses)
    if dialect == "xmeml":
        text = xmeml_write.write(project, losses, size)
        plain: Source = xmeml_patch.opened(markup.parse(text.encode("utf-8", "replace"), target), target, None)
    elif dialect == "fcpxml":
        text = fcpxml_write.write(project, losses, size)
        plain = fcpxml_patch.opened(markup.parse(text.encode("utf-8", "replace"), target), target, None)
    elif dialect == "edl":
        return Written(edl_write.write(split_model(project, rendered), losses).encode("utf-8", "replace"), losses.lines)
    elif dialect == "aaf":
        return Written(aaf_write.write(split_model(project, rendered), losses, target), losses.lines)
    else:
        raise OutputError(f"{target}: a project is written as .otio, .xml, .fcpxml, .edl or .aaf")
    marked = plain.marked(plain.project, project)
    made = _shown(marked, project, rendered, above)
    content = made.content()
    source = plain if content == text.encode("utf-8", "replace") else None
    return Written(content, [*losses.lines, *_joints(project, dialect)], source)


def _shown(source: Source, project: Project, rendered: Sequence[Rendered], above: bool) -> Source:
    """A file with renders in the place of what they were rendered of, or above it."""
    if not rendered:
        return source
    return source.layered(project, rendered) if above else source.relinked(project, rendered)


def _joints(project: Project, dialect: str) -> list[str]:
    """What becomes of marks: their words go out as markers, no more than that."""
    return [
        f"{c.place} {c.name}: bezier handles of {s.id} are not in its marker's text"
        for c in project.clips() for s in c.segments
        if any(isinstance(v, Curve) and any(k.left or k.right for k in v.keys) for v in s.params.values())
    ]  # fmt: skip


def _otio(project: Project, rendered: Sequence[Rendered], target: Path, for_resolve: bool, above: bool) -> Written:
    project, rendered = counted(project, rendered)
    plain = native.made(project, target)
    shown = _shown(plain, project, rendered, above)
    if for_resolve and isinstance(shown, native.NativeFile):
        pieces = shown.pieces() if rendered else (plain.project, plain.addresses)
        shown = replace(shown, tree=resolve.for_resolve(shown.tree, *pieces))
    return Written(shown.content(), source=plain if shown is plain else None)
