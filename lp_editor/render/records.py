"""Finds the provenance that files bear: films, image sequences, projects with the sidecars of their renders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lp_editor.errors import LpEditorError, MediaError
from lp_editor.media.probe import comment_of
from lp_editor.render.provenance import Provenance, is_record, read, read_beside
from lp_editor.timeline import stored
from lp_editor.timeline.bundles import project_file
from lp_editor.timeline.returned import MANIFEST, key, read_manifest
from lp_editor.timeline.sidecar import SIDECAR, read_sidecar
from lp_editor.timeline.urls import is_file

PROJECTS = (".otio", ".otioz", ".otiod", ".xml", ".fcpxml", ".fcpxmld", ".edl", ".aaf", SIDECAR)
"""Ends of the names of projects, whose sidecars tell of their renders."""

MOST_NOTES = 1000
"""JSON files beside a frame that are looked into for its sequence's."""

Found = list[tuple[str, Provenance]]


def records_of(path: Path) -> Found:
    """The records that a file bears, with the name of the render that each is of; none where it bears none.

    Raises `MediaError` for a file that is missing or no media, or whose record is damaged.
    """
    if path.name.lower().endswith(SIDECAR) and (own := read_beside(path.with_name(path.name[: -len(SIDECAR)]))):
        return [(path.name[: -len(SIDECAR)], own)]
    if path.name.lower().endswith(PROJECTS):
        file = project_file(path)
        return list(_of_project(file.with_name(file.name.removesuffix(SIDECAR))))
    if path.suffix.lower() == ".json" or "%" in path.name or "#" in path.name:
        return _of_note(path)
    comment = comment_of(path)
    if is_record(comment):
        return [(path.name, read(comment, str(path)))]
    if (own := read_beside(path)) is not None:
        return [(path.name, own)]
    listed = [r for r in read_manifest(path.absolute().parent) if key(r.file) == key(path.name) and r.provenance]
    return [(path.name, read(r.provenance, MANIFEST)) for r in listed[:1]] or _of_frame(path)


def _of_project(path: Path) -> Iterator[tuple[str, Provenance]]:
    if not is_file(path.with_name(path.name + SIDECAR)) and not is_file(path):
        raise MediaError(f"{path} is missing; name a file that is there")
    for render in read_sidecar(path).renders:
        if render.provenance:
            yield render.file, read(render.provenance, f"{path}{SIDECAR}")


def _of_note(path: Path) -> Found:
    """The record of a sequence, by its JSON or its pattern."""
    from lp_editor.media.sequence import Numbering

    note = path if path.suffix.lower() == ".json" else Numbering.of(path).note
    if not is_file(note):
        raise MediaError(f"{note} is missing; it tells of its sequence, name a file that is there")
    try:
        kept = stored.read(note)
    except (OSError, LpEditorError) as error:
        raise MediaError(f"{note} cannot be read ({str(error)[:200]})") from None
    return _of_json(note.name, kept, note)


def _of_json(name: str, kept: Any, note: Path) -> Found:
    comment = kept.get("comment") if isinstance(kept, dict) else None
    return [(name, read(comment, str(note)))] if isinstance(comment, str) and is_record(comment) else []


def _of_frame(path: Path) -> Found:
    """The record of the sequence that a frame is of: that of the JSON beside it which names its files."""
    for _, note in zip(range(MOST_NOTES), sorted(path.absolute().parent.glob("*.json")), strict=False):
        try:
            kept = stored.read(note)
        except (OSError, LpEditorError):
            continue
        shape = re.split(r"%0?\d{0,2}d", str(kept.get("files"))) if isinstance(kept, dict) else []
        if len(shape) == 2 and re.fullmatch(re.escape(shape[0]) + r"\d+" + re.escape(shape[1]), path.name):
            return _of_json(str(kept["files"]), kept, note)
    return []
