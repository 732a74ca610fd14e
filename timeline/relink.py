"""Splits clips where a part of them was rendered, and joins the pieces again when the project comes back.

Only the rendered piece gets the rendered file, active, with the original kept as a second reference; all pieces carry
the original's id and marks. What joining needs is kept in our metadata of the pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from lp_editor.timeline.curve import fraction_from_json, fraction_to_json
from lp_editor.timeline.dialects.otio import (
    OURS,
    Address,
    Node,
    active_reference,
    copied,
    external_reference,
    listed,
    ours,
    time_range,
)
from lp_editor.timeline.metadata import VERSION, joint_to_json, segment_to_json
from lp_editor.timeline.model import Clip, Item, Media, Nest, Original, Project, Span, Track

RENDERED_KEY = "lp_editor"
"""The key of our media reference on a clip."""

TIME_EFFECTS = ("LinearTimeWarp", "FreezeFrame")
"""Effects that are baked into rendered media."""


@dataclass(frozen=True)
class Rendered:
    """A part of a clip that was rendered: ``record`` of its composition, and the file's ``available`` time, of which
    the part is ``source``; ``timecode`` is the file's own start timecode, 0 where it has none."""

    place: str
    record: Span
    path: Path
    available: Span
    source: Span
    timecode: Fraction = Fraction(0)
    provenance: str = field(default="", compare=False)
    """What was done in the file, as JSON."""


Part: TypeAlias = tuple[Span, Rendered | None]
"""A piece of a split clip: its record span, and what was rendered of it, if anything was."""


def parts_of(clip: Clip, rendered: Sequence[Rendered]) -> list[Part]:
    """The pieces of a clip in order, rendered ones and those between them."""
    parts: list[Part] = []
    at = clip.record.start
    for one in sorted(rendered, key=lambda r: r.record.start):
        if one.record.start > at:
            parts.append((Span.between(at, one.record.start), None))
        parts.append((one.record, one))
        at = one.record.stop
    if at < clip.record.stop:
        parts.append((Span.between(at, clip.record.stop), None))
    return parts


def relinked(
    tree: Node, rendered: Sequence[Rendered], clips: Mapping[str, Clip], addresses: Mapping[str, Address]
) -> Node:
    """Split the clips of a tree where they were rendered, in place; the tree."""
    by_place: dict[str, list[Rendered]] = {}
    for one in rendered:
        by_place.setdefault(one.place, []).append(one)
    # later siblings first, so that earlier addresses stay true
    for place in sorted(by_place, key=lambda p: _order(addresses[p]), reverse=True):
        address = addresses[place]
        if not address:
            _wrap(tree, _split(tree, clips[place], by_place[place]))
            continue
        siblings: Any = tree
        for step in address[:-1]:
            siblings = siblings[step]
        index = address[-1]
        siblings[index : int(index) + 1] = _split(siblings[index], clips[place], by_place[place])
    return tree


def layers(rendered: Sequence[Rendered]) -> list[list[Rendered]]:
    """Renders in rows without overlap, as few as it takes, each in order of time."""
    rows: list[list[Rendered]] = []
    for one in sorted(rendered, key=lambda r: r.record.start):
        row = next((r for r in rows if r[-1].record.stop <= one.record.start), None)
        if row is None:
            rows.append([one])
        else:
            row.append(one)
    return rows


def laid_above(stack: Node, rendered: Sequence[Rendered], clips: Mapping[str, Clip], rate: Fraction) -> None:
    """Put renders on new picture tracks of a stack, over all others, in place."""
    children = stack.setdefault("children", [])
    pictures = [i for i, c in enumerate(children) if isinstance(c, dict) and str(c.get("kind", "Video")) != "Audio"]
    at = pictures[-1] + 1 if pictures else 0
    for number, row in enumerate(layers(rendered)):
        children.insert(at + number, _layer(row, clips, rate))


def _layer(row: Sequence[Rendered], clips: Mapping[str, Clip], rate: Fraction) -> Node:
    """A new track of renders with gaps between them."""
    plain: Node = {"metadata": {}, "effects": [], "markers": [], "enabled": True}
    children: list[Node] = []
    at = Fraction(0)
    for one in row:
        if one.record.start > at:
            gap = time_range(Span(Fraction(0), one.record.start - at), rate)
            children.append({"OTIO_SCHEMA": "Gap.1", **copied(plain), "name": "", "source_range": gap})
        reference = external_reference(str(one.path.absolute()), one.available, rate, one.path.name)
        children.append({
            "OTIO_SCHEMA": "Clip.2", **copied(plain), "name": clips[one.place].name,
            "source_range": time_range(Span(one.source.start, one.record.duration), rate),
            "media_references": {"DEFAULT_MEDIA": reference}, "active_media_reference_key": "DEFAULT_MEDIA",
        })  # fmt: skip
        at = one.record.stop
    return {
        "OTIO_SCHEMA": "Track.1", **plain, "name": "lp-editor", "source_range": None, "kind": "Video", "children": children,
    }  # fmt: skip


def _wrap(tree: Node, pieces: list[Node]) -> None:
    """Make a tree that is one clip by itself a track of its pieces; `original_view` takes the track off again."""
    name = tree.get("name", "")
    tree.clear()
    tree |= {
        "OTIO_SCHEMA": "Track.1", "metadata": {OURS: {"version": VERSION, "wrapped": True}}, "name": name,
        "source_range": None, "effects": [], "markers": [], "enabled": True, "kind": "Video", "children": pieces,
    }  # fmt: skip


def _order(address: Address) -> tuple[tuple[int, str], ...]:
    return tuple((s, "") if isinstance(s, int) else (-1, s) for s in address)


def _split(node: Node, clip: Clip, rendered: Sequence[Rendered]) -> list[Node]:
    """The pieces of one clip, in order."""
    parts = parts_of(clip, rendered)
    pieces = [_piece(node, clip, span, one) for span, one in parts]
    whole = {key: copied(node.get(key)) for key in ("source_range", "effects", "markers")}
    for i, piece in enumerate(pieces):
        mine = piece["metadata"][OURS]
        mine["piece"] = [i, len(pieces)]
        mine["written"] = copied(piece["source_range"])
        if i == 0:
            mine["whole"] = whole
        if clip.joint and i == len(pieces) - 1:
            mine["joint"] = joint_to_json(clip.joint)
        if i == 0 and "joint_in" in ours(node):
            mine["joint_in"] = ours(node)["joint_in"]
        piece["markers"] = [m for m in listed(node, "markers") if _home(m, parts, clip) == i]
    return pieces


def _home(marker: Any, parts: Sequence[Part], clip: Clip) -> int:
    """Which piece a marker lies on; the first where that cannot be said."""
    try:
        start = marker["marked_range"]["start_time"]
        source = Fraction(start["value"]) / Fraction(start["rate"])
    except (KeyError, TypeError, ZeroDivisionError, ValueError):
        return 0
    record = clip.record_time(source)
    return next((i for i, (span, _) in enumerate(parts) if span.start <= record < span.stop), 0)


def _piece(node: Node, clip: Clip, span: Span, rendered: Rendered | None) -> Node:
    """One piece of a clip: as it was, cut, or linked to its rendered file."""
    piece = copied(node)
    mine: Node = {"version": VERSION, "id": clip.id}
    if clip.segments:
        mine["segments"] = [segment_to_json(s) for s in clip.segments]
    if not isinstance(piece.get("metadata"), dict):
        piece["metadata"] = {}
    piece["metadata"][OURS] = mine
    original = Span(clip.source_span(span).start, span.duration)
    if rendered is None:
        piece["source_range"] = _range(node, original, clip)
        return piece
    references = _references(piece)
    mine["rendered"] = {
        "active": piece.get("active_media_reference_key", "DEFAULT_MEDIA"),
        "source_range": _range(node, original, clip),
        "effects": copied(listed(node, "effects")),
        "speed": fraction_to_json(clip.speed),
    }
    references[RENDERED_KEY] = external_reference(
        str(rendered.path.absolute()), rendered.available, clip.rate, rendered.path.name
    )
    piece["active_media_reference_key"] = RENDERED_KEY
    piece["source_range"] = time_range(rendered.source, clip.rate)
    piece["effects"] = [e for e in listed(piece, "effects") if not is_time_effect(e)]
    return piece


def is_time_effect(effect: Any) -> bool:
    """Whether an effect sets a clip's speed."""
    return isinstance(effect, dict) and str(effect.get("OTIO_SCHEMA", "")).split(".")[0] in TIME_EFFECTS


def _references(piece: Node) -> Node:
    """The references of a clip node, which becomes a Clip.2 where it was older."""
    if not isinstance(piece.get("media_references"), dict):
        piece["media_references"] = {"DEFAULT_MEDIA": active_reference(piece)}
        piece.pop("media_reference", None)
        piece["OTIO_SCHEMA"] = "Clip.2"
        piece["active_media_reference_key"] = "DEFAULT_MEDIA"
    references = piece["media_references"]
    assert isinstance(references, dict)
    return references


def _range(node: Node, span: Span, clip: Clip) -> Node:
    """A range as the clip's own one is written: same rates, same schemas."""
    made = time_range(span, clip.rate)
    own = node.get("source_range")
    if isinstance(own, dict):
        for part, seconds in (("start_time", span.start), ("duration", span.duration)):
            rate = own.get(part, {}).get("rate")
            if isinstance(rate, int | float) and abs(float(clip.rate) - rate) < 1e-2:
                made[part]["rate"] = rate
            made[part]["value"] = float(seconds * clip.rate)
    return made


def original_view(tree: Node) -> Node:
    """The tree as before pieces of it were rendered; the very same one where none were.

    Neighbouring untouched pieces become one clip again; a piece that was trimmed or moved shows its own part of the
    original.
    """
    if not _has_rendered(tree):
        return tree
    restored: Node = _restored(copied(tree))
    children = restored.get("children")
    if _safe_ours(restored).get("wrapped") and isinstance(children, list) and len(children) == 1:
        restored = children[0]
    return restored


def _has_rendered(node: Any) -> bool:
    if isinstance(node, list):
        return any(_has_rendered(child) for child in node)
    if not isinstance(node, dict):
        return False
    if "piece" in _safe_ours(node):
        return True
    return _has_rendered(node.get("children", [])) or _has_rendered(node.get("tracks", []))


def _safe_ours(node: Node) -> Node:
    metadata = node.get("metadata")
    found = metadata.get(OURS) if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def _restored(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("tracks"), dict):
        node["tracks"] = _restored(node["tracks"])
    if isinstance(node.get("children"), list):
        children = [_restored(child) for child in node["children"]]
        node["children"] = _joined(children)
    return node if "piece" not in _safe_ours(node) or "children" in node else _original(node)


def _joined(children: list[Any]) -> list[Any]:
    """Siblings with complete, untouched runs of pieces made one clip each."""
    out: list[Any] = []
    i = 0
    while i < len(children):
        mine = _safe_ours(children[i]) if isinstance(children[i], dict) else {}
        count = _whole_run(children[i:]) if "piece" in mine else 0
        if count:
            out.append(_whole(children[i], children[i + count - 1]))
            i += count
        else:
            out.append(children[i])
            i += 1
    return out


def _whole_run(children: Sequence[Any]) -> int:
    """How many of the next siblings are all the pieces of one clip, as we wrote them; 0 if they are not."""
    mine = _safe_ours(children[0])
    piece = mine.get("piece")
    if not (isinstance(piece, list) and len(piece) == 2 and piece[0] == 0 and isinstance(piece[1], int)):
        return 0
    if len(children) < piece[1] or "whole" not in mine:
        return 0
    for i, child in enumerate(children[: piece[1]]):
        other = _safe_ours(child) if isinstance(child, dict) else {}
        if other.get("id") != mine.get("id") or other.get("piece") != [i, piece[1]]:
            return 0
        written = other.get("rendered", {}).get("source_range") if "rendered" in other else other.get("written")
        if child.get("source_range") != written:
            return 0
    return piece[1]


def _whole(first: Node, last: Node) -> Node:
    """One clip of all its pieces (the first and the last are given, already showing originals)."""
    node = copied(first)
    mine = _safe_ours(node)
    node.update(mine.pop("whole"))
    if "joint" in _safe_ours(last):
        mine["joint"] = _safe_ours(last)["joint"]
    for key in ("piece", "written", "rendered"):
        mine.pop(key, None)
    return node


def _original(node: Node) -> Node:
    """A piece showing its original: the rendered reference put aside, a trim carried over."""
    mine = _safe_ours(node)
    kept = mine.get("rendered")
    if not isinstance(kept, dict) or node.get("active_media_reference_key") != RENDERED_KEY:
        return node
    written, now = mine.get("written"), node.get("source_range")
    source = copied(kept.get("source_range"))
    if now != written and isinstance(now, dict) and isinstance(written, dict) and isinstance(source, dict):
        speed = fraction_from_json(kept.get("speed", 1))
        slip = _seconds(now["start_time"]) - _seconds(written["start_time"])
        source["start_time"]["value"] += float(slip * speed * Fraction(source["start_time"]["rate"]))
        source["duration"]["value"] = float(_seconds(now["duration"]) * Fraction(source["duration"]["rate"]))
    node["source_range"] = source
    node["effects"] = kept.get("effects", [])
    node["active_media_reference_key"] = kept.get("active", "DEFAULT_MEDIA")
    node["media_references"].pop(RENDERED_KEY, None)
    return node


def _seconds(time: Node) -> Fraction:
    return Fraction(time["value"]) / Fraction(time["rate"])


def split_model(project: Project, rendered: Sequence[Rendered]) -> Project:
    """The project with clips split where pieces of them were rendered; those show the rendered file in its own time."""
    by_place: dict[str, list[Rendered]] = {}
    for one in rendered:
        by_place.setdefault(one.place, []).append(one)
    if not by_place:
        return project
    return replace(project, tracks=tuple(_split_track(t, by_place, project.rate) for t in project.tracks))


def _split_track(track: Track, rendered: Mapping[str, Sequence[Rendered]], rate: Fraction) -> Track:
    items: list[Item] = []
    for item in track.items:
        if isinstance(item, Nest):
            items.append(replace(item, tracks=tuple(_split_track(t, rendered, rate) for t in item.tracks)))
        elif isinstance(item, Clip) and item.place in rendered:
            items += [_model_piece(item, part, rate) for part in parts_of(item, rendered[item.place])]
        else:
            items.append(item)
    return replace(track, items=tuple(items))


def _model_piece(clip: Clip, part: Part, rate: Fraction) -> Clip:
    span, one = part
    shown = clip.source_span(span)
    joint = clip.joint if span.stop == clip.record.stop else None
    if one is None:
        return replace(clip, record=span, source=shown, joint=joint)
    available = Span(one.timecode, one.available.duration)
    media = Media(
        "file", one.path.name, str(one.path.absolute()), one.path.absolute(), available, rate, clip.media.reel
    )
    source = Span(one.timecode + one.source.start - one.available.start, span.duration)
    return replace(
        clip, record=span, source=source, media=media, rate=rate, speed=Fraction(1), joint=joint,
        original=Original(clip.media, shown, clip.speed),
    )  # fmt: skip
