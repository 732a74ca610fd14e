"""OpenTimelineIO as DaVinci Resolve wants it: our marks as markers with notes, picture and sound linked (nle notes).

Paths are native already, speeds of 1 are never written. Resolve keeps of a file what it knows and the notes of markers,
so our marks stand there in words too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lp_editor.timeline import marks
from lp_editor.timeline.dialects import otio
from lp_editor.timeline.dialects.otio import Address, Node
from lp_editor.timeline.model import Clip, Marker, Project

SPACE = "Resolve_OTIO"
"""Resolve's own metadata."""


def for_resolve(tree: Node, project: Project, addresses: Mapping[str, Address]) -> Node:
    """A tree with markers of our marks, and with pairs of picture and sound linked."""
    made = otio.copied(tree)
    for clip in project.clips():
        node = otio.node_at(made, addresses[clip.place])
        written = [id for marker in clip.markers for id in marks.ids_of(marker)]
        for marker in marks.markers_of(clip, project.rate, written):
            _list(node, "markers").append(_marker(marker, clip))
    for number, group in enumerate(_pairs(project), 1):
        for place in group:
            node = otio.node_at(made, addresses[place])
            space = _dict(_dict(node, "metadata"), SPACE)
            space.setdefault("Link Group ID", number)
    return made


def _marker(marker: Marker, clip: Clip) -> Node:
    """A marker of ours, its text in its name, its comment, and the note that Resolve keeps."""
    span = marker.span if marker.span.duration else type(marker.span)(marker.span.start, 1 / clip.rate)
    return otio.marker_node(Marker(marker.name, marker.name, span), clip.rate)


def _list(node: Node, key: str) -> list[Node]:
    if not isinstance(node.get(key), list):
        node[key] = []
    found: list[Node] = node[key]
    return found


def _dict(node: Node, key: str) -> Node:
    if not isinstance(node.get(key), dict):
        node[key] = {}
    found: Node = node[key]
    return found


def _pairs(project: Project) -> Iterator[list[str]]:
    """The places of clips that show and sound the same media at the same time."""
    groups: dict[object, list[str]] = {}
    for clip in project.clips():
        if ">" not in clip.place and clip.media.kind == "file":
            groups.setdefault((clip.media.url, clip.record, clip.source.start), []).append(clip.place)
    return (group for group in groups.values() if len({place[0] for place in group}) > 1)
