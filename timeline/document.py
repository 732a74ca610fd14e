"""Opens and saves project files. The file's own tree is the record; a project is a view of it.

A document is a value: changing one gives another. Saving writes the whole file under a temporary name and renames it,
and keeps what was there before, so that `undo` takes it back.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from lp_editor.errors import OutputError, ProjectError
from lp_editor.files import write_bytes
from lp_editor.timeline.dialects import otio
from lp_editor.timeline.dialects.otio import OURS, Address, Node
from lp_editor.timeline.metadata import VERSION, joint_to_json, segment_to_json
from lp_editor.timeline.model import Clip, Project
from lp_editor.timeline.relink import Rendered, original_view, relinked

MOST_BYTES = 256 << 20
"""A project file larger than this is refused."""

HISTORY = 50
"""How many earlier versions of a project are kept for `undo`."""


@dataclass(frozen=True)
class Document:
    """A project file: its path, its tree, and the project that the tree shows.

    ``addresses`` tells where in the tree each clip of the project lies, by place.
    """

    path: Path
    tree: Node
    project: Project
    addresses: Mapping[str, Address]
    digest: str
    indent: int | None

    def replace(self, project: Project) -> Document:
        """The document with the marks of another version of its project; nothing else of the tree moves."""
        tree = copy.deepcopy(self.tree)
        old = {clip.place: clip for clip in self.project.clips()}
        clips = list(project.clips())
        joints_in = _joints_in(project)
        before_in = _joints_in(self.project)
        for clip in clips:
            was = old[clip.place]
            same = (was.segments, was.joint, before_in.get(clip.place)) == (
                clip.segments,
                clip.joint,
                joints_in.get(clip.place),
            )
            if not same:
                _patch(_node(tree, self.addresses[clip.place]), clip, joints_in.get(clip.place))
        return replace(self, tree=tree, project=project)

    def relinked(self, rendered: Sequence[Rendered]) -> Document:
        """The document with clips split and linked to what was rendered of them."""
        clips = {clip.place: clip for clip in self.project.clips()}
        tree = relinked(copy.deepcopy(self.tree), rendered, clips, self.addresses)
        return replace(self, tree=tree)

    def save(self, path: Path | None = None) -> Document:
        """Write the file, over its own one only if nobody else changed that since; returns the document as it now lies.

        Media references stay right when a project is saved into another folder. Raises `OutputError`.
        """
        target = path or self.path
        tree = self.tree if target.absolute().parent == self.path.absolute().parent else _moved(self)
        if target.exists() and target.absolute() == self.path.absolute():
            if self.digest and _digest(target.read_bytes()) != self.digest:
                raise OutputError(f"{target} was changed by another program since it was opened; open it again")
            _remember(target)
        content = (json.dumps(tree, indent=self.indent, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        write_bytes(target, content)
        return replace(self, path=target, tree=tree, digest=_digest(content))


def _viewed(path: Path, tree: Node, digest: str, indent: int | None) -> Document:
    """A document whose project shows originals where pieces of it were rendered, so that every edit stays editable."""
    try:
        seen = original_view(tree)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProjectError(f"{path}: the marks of rendered pieces are damaged ({error})") from error
    except RecursionError:
        raise ProjectError(f"{path} is nested too deeply to be a cut") from None
    project, addresses = otio.read(seen, path)
    return Document(path, seen, project, addresses, digest, indent)


def open_document(path: Path) -> Document:
    """Open an ``.otio`` file. Raises `ProjectError` saying what is wrong where, and what would do."""
    if path.suffix.lower() != ".otio":
        raise ProjectError(f"{path}: only .otio projects can be opened yet; export OpenTimelineIO from your editor")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ProjectError(f"{path} is larger than {MOST_BYTES >> 20} MiB; that is no project")
        content = path.read_bytes()
    except OSError as error:
        raise ProjectError(f"{path} cannot be opened ({error.strerror}); check the path") from None
    try:
        tree = json.loads(content.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} is not JSON, so no .otio project ({error}); export it again") from None
    except RecursionError:
        raise ProjectError(f"{path} is nested too deeply to be a cut") from None
    match = re.match(rb"^\s*[{\[]\r?\n( +)", content)
    return _viewed(path, tree, _digest(content), len(match[1]) if match else None)


def new_document(path: Path, project: Project) -> Document:
    """A new project that is not saved yet; saving it over a file can be undone like any other change."""
    tree = otio.new_tree(project)
    read, addresses = otio.read(tree, path)
    return Document(path, tree, read, addresses, "", 4)


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _node(tree: Node, address: Address) -> Node:
    node: Any = tree
    for step in address:
        node = node[step]
    assert isinstance(node, dict)
    return node


def _joints_in(project: Project) -> dict[str, str]:
    """The joint id that ends in each clip, by place."""
    found: dict[str, str] = {}
    for track in _all_tracks(project.tracks):
        items = [i for i in track.items]
        for a, b in itertools.pairwise(items):
            if isinstance(a, Clip) and isinstance(b, Clip) and a.joint:
                found[b.place] = a.joint.id
    return found


def _all_tracks(tracks: Any) -> Any:
    for track in tracks:
        yield track
        for item in track.items:
            yield from _all_tracks(getattr(item, "tracks", ()))


def _patch(node: Node, clip: Clip, joint_in: str | None) -> None:
    """Write a clip's marks into its node; a clip without marks carries nothing of ours."""
    if not isinstance(node.get("metadata"), dict):
        node["metadata"] = {}
    metadata = node["metadata"]
    kept = {k: v for k, v in otio.ours(node).items() if k not in ("version", "id", "segments", "joint", "joint_in")}
    if not (clip.segments or clip.joint or joint_in or kept):
        metadata.pop(OURS, None)
        return
    stored: Node = {"version": VERSION, "id": clip.id, **kept}
    if clip.segments:
        stored["segments"] = [segment_to_json(s) for s in clip.segments]
    if clip.joint:
        stored["joint"] = joint_to_json(clip.joint)
    if joint_in:
        stored["joint_in"] = joint_in
    metadata[OURS] = stored


def _moved(document: Document) -> Node:
    """The tree for a file in another folder: relative references made absolute."""
    tree = copy.deepcopy(document.tree)
    folder = document.path.absolute().parent

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            for key in ("target_url", "target_url_base"):
                url = node.get(key)
                if isinstance(url, str) and url and not re.match(r"^([A-Za-z][A-Za-z0-9+.-]*:|[\\/])", url):
                    node[key] = str(folder / url)
            for value in node.values():
                visit(value)
        elif isinstance(node, list):
            for value in node:
                visit(value)

    visit(tree)
    return tree


def _history(path: Path) -> Path:
    return path.with_name(f".{path.name}.lp-undo")


def _versions(path: Path) -> list[Path]:
    return sorted(_history(path).glob("[0-9]*.otio"))


def _remember(path: Path) -> None:
    """Keep a file's present content for `undo`."""
    folder = _history(path)
    versions = _versions(path)
    try:
        folder.mkdir(exist_ok=True)
        number = int(versions[-1].stem) + 1 if versions else 1
        shutil.copy2(path, folder / f"{number:06d}.otio")
        for old in versions[: len(versions) + 1 - HISTORY]:
            old.unlink()
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}), so nothing could be undone") from error


def undo(path: Path) -> int:
    """Take back the last save of a project; returns how many more can be. Raises `ProjectError` when none can."""
    versions = _versions(path)
    if not versions:
        raise ProjectError(f"nothing to undo in {path}")
    write_bytes(path, versions[-1].read_bytes())
    versions[-1].unlink()
    if len(versions) == 1:
        with suppress(OSError):
            _history(path).rmdir()
    return len(versions) - 1
