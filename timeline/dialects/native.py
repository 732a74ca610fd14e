"""OpenTimelineIO files: opened, patched and written as the JSON that they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from lp_editor.errors import LpEditorError, OutputError, ProjectError
from lp_editor.timeline import marks, stored
from lp_editor.timeline.dialects import otio
from lp_editor.timeline.dialects.otio import OURS, Address, Node
from lp_editor.timeline.dialects.source import by_place, chosen
from lp_editor.timeline.edit import cuts
from lp_editor.timeline.metadata import VERSION, joint_to_json, segment_to_json
from lp_editor.timeline.model import Clip, Nest, Project, Span, Track, all_tracks
from lp_editor.timeline.relink import Rendered, is_time_effect, laid_above, original_view, relinked
from lp_editor.timeline.urls import absolute_text


@dataclass(frozen=True)
class NativeFile:
    """An ``.otio`` as its JSON tree; ``addresses`` tells where in it each clip of the project lies, by place."""

    tree: Node
    project: Project
    addresses: Mapping[str, Address]
    indent: int | None
    names: Sequence[str]
    name: str
    top: Address = ()
    notes: Sequence[str] = ()
    dialect: str = "otio"
    stores_marks: bool = True

    def understood(self, project: Project, known: bool = True) -> NativeFile:
        """The same, with the marks that its markers ask for."""
        return replace(self, project=project)

    def marked(self, before: Project, after: Project) -> NativeFile:
        """The file with other marks; nothing else of the tree moves. Markers whose marks were taken back go."""
        tree = self.tree
        old, joints_in, joints_before = by_place(before), _joints_in(after), _joints_in(before)
        for clip in after.clips():
            was, joint_in = old[clip.place], joints_in.get(clip.place)
            changed = (was.segments, was.joint, joints_before.get(clip.place)) != (clip.segments, clip.joint, joint_in)
            if changed or (clip.checks and clip.checks != was.checks):
                tree = otio.copied_at(tree, self.addresses[clip.place])
            if changed:
                node = otio.node_at(tree, self.addresses[clip.place])
                _patch(node, clip, joint_in)
                _unmark(node, set(_ids(was)) - set(_ids(clip)), Fraction(0))
            if clip.checks and clip.checks != was.checks:
                node = otio.node_at(tree, self.addresses[clip.place])
                node["markers"] = [*otio.listed(node, "markers"), *(otio.marker_node(m, clip.rate) for m in clip.checks)]
        gone = {i for c in before.clips() for i in _ids(c)} - {i for c in after.clips() for i in _ids(c)}
        if gone:
            tree = otio.copied(tree)
            start = otio.start_of(otio.node_at(tree, self.top))
            for row in otio.marked_rows(otio.node_at(tree, self.top)):
                _unmark(row, gone, start)
        return replace(self, tree=tree, project=after)

    def relinked(self, project: Project, rendered: Sequence[Rendered]) -> NativeFile:
        """The file with clips split and linked to what was rendered of them."""
        tree = relinked(otio.copied(self.tree), rendered, by_place(project), self.addresses)
        return replace(self, tree=tree)

    def layered(self, project: Project, rendered: Sequence[Rendered]) -> NativeFile:
        """The file with what was rendered on new picture tracks over all others."""
        tree = otio.copied(self.tree)
        node = otio.node_at(tree, self.top)
        stack = node.get("tracks", node)
        if "children" not in stack or str(stack.get("OTIO_SCHEMA", "")).startswith("Track"):
            raise OutputError(f"{self.name!r} is no timeline, so nothing can lie above it; export the timeline")
        laid_above(stack, rendered, by_place(project), project.rate)
        return replace(self, tree=tree)

    def moved(self, here: Path, there: Path) -> NativeFile:
        """The file for another folder: relative references made absolute."""
        return self if here == there else replace(self, tree=_absolute(self.tree, here))

    def restored(self, project: Project, places: Collection[str], path: Path) -> NativeFile:
        """The file with the clips of some places showing what ``project`` says they do: of renders, the originals."""
        tree = otio.copied(self.tree)
        clips = by_place(project)
        for place in places:
            _show(otio.node_at(tree, self.addresses[place]), clips[place])
        seen, addresses = otio.read(tree, path, self.top)
        return replace(self, tree=tree, project=seen, addresses=addresses)

    def pieces(self) -> tuple[Project, Mapping[str, Address]]:
        """The project as the tree has it, split clips as pieces, and where each lies."""
        return otio.read(self.tree, Path(self.name), self.top)

    def content(self) -> bytes:
        """The JSON, indented as it was."""
        text = stored.written(self.tree, self.indent) + "\n"
        return text.encode("utf-8", "surrogatepass")


def opened(content: bytes, path: Path, wanted: str | None = None) -> NativeFile:
    """Read an ``.otio``. Raises `ProjectError` saying what is wrong where."""
    tree = stored.parsed(content, str(path))
    match = re.match(rb"^\s*[{\[]\r?\n( +)", content)
    return viewed(tree, path, wanted, len(match[1]) if match else None)


def viewed(tree: Node, path: Path, wanted: str | None = None, indent: int | None = 4) -> NativeFile:
    """A tree whose project shows originals where pieces of it were rendered, so that every edit stays editable."""
    try:
        seen = original_view(tree)
    except (LpEditorError, LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise ProjectError(f"{path}: the marks of rendered pieces are damaged ({error})") from error
    except RecursionError:
        raise ProjectError(f"{path} is nested too deeply to be a cut") from None
    found = otio.tops(seen, path)
    names = [name for name, _ in found]
    number = chosen(names, wanted, path)
    project, addresses = otio.read(seen, path, found[number][1])
    return NativeFile(seen, project, addresses, indent, names, names[number], found[number][1])


def made(project: Project, path: Path) -> NativeFile:
    """A new file of a project, its marks and checks in it."""
    tree = otio.new_tree(project)
    _say_marks(tree["tracks"]["children"], project.tracks, _joints_in(project))
    return viewed(tree, path)


def _say_marks(nodes: Sequence[Node], tracks: Sequence[Track], joints_in: Mapping[str, str]) -> None:
    """Put marks and checks into the nodes that were just made of some tracks."""
    for node, track in zip(nodes, tracks, strict=True):
        for child, item in zip(node["children"], track.items, strict=True):
            if isinstance(item, Nest):
                _say_marks(child["children"], item.tracks, joints_in)
            elif isinstance(item, Clip):
                _patch(child, item, joints_in.get(item.place))
                child["markers"] += [otio.marker_node(m, item.rate) for m in item.checks]


def _joints_in(project: Project) -> dict[str, str]:
    """The joint id that ends in each clip, by place."""
    found: dict[str, str] = {}
    for track in all_tracks(project.tracks):
        for cut in cuts(track.items):
            if cut.before.joint:
                found[cut.after.place] = cut.before.joint.id
    return found


def _show(node: Node, clip: Clip) -> None:
    """Make a clip's node show a clip's media, its part of them, at its speed."""
    rate = clip.media.rate or clip.rate
    url = absolute_text(clip.media.path) if clip.media.path is not None else clip.media.url
    node.pop("media_reference", None)
    node["OTIO_SCHEMA"] = "Clip.2"
    node["media_references"] = {
        "DEFAULT_MEDIA": otio.external_reference(url, clip.media.available, rate, clip.media.name)
    }
    node["active_media_reference_key"] = "DEFAULT_MEDIA"
    node["source_range"] = otio.time_range(Span(clip.source.start, clip.record.duration), clip.rate)
    kept = [e for e in otio.listed(node, "effects") if not is_time_effect(e)]
    node["effects"] = [*kept, *otio.warp(clip.speed)]


def _ids(clip: Clip) -> list[str]:
    return [s.id for s in clip.segments] + ([clip.joint.id] if clip.joint else [])


def _unmark(node: Node, gone: Collection[str], start: Fraction) -> None:
    """Take away the markers of a node that ask for marks which are no more."""
    markers = node.get("markers")
    if gone and isinstance(markers, list):
        node["markers"] = [m for m in markers if not _asks(m, gone, start)]


def _asks(node: Node, gone: Collection[str], start: Fraction) -> bool:
    marker = otio.marker_of(node, start)
    return marker is not None and any(id in gone for id in marks.ids_of(marker))


def _patch(node: Node, clip: Clip, joint_in: str | None) -> None:
    """Write a clip's marks into its node; a clip without marks carries nothing of ours."""
    if not isinstance(node.get("metadata"), dict):
        node["metadata"] = {}
    metadata = node["metadata"]
    kept = {k: v for k, v in otio.ours(node).items() if k not in ("version", "id", "segments", "joint", "joint_in")}
    if not (clip.segments or clip.joint or joint_in or kept):
        metadata.pop(OURS, None)
        return
    ours: Node = {"version": VERSION, "id": clip.id, **kept}
    if clip.segments:
        ours["segments"] = [segment_to_json(s) for s in clip.segments]
    if clip.joint:
        ours["joint"] = joint_to_json(clip.joint)
    if joint_in:
        ours["joint_in"] = joint_in
    metadata[OURS] = ours


def _absolute(tree: Node, folder: Path) -> Node:
    """A tree whose relative references are absolute."""
    made = otio.copied(tree)

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

    visit(made)
    return made
