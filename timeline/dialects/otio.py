"""OpenTimelineIO's JSON: read as it stands, and written for new projects.

The parsed JSON stays the record; this module only looks at it. So newer and unknown schemas cost nothing, and nothing
of a file is lost by being read (OpenTimelineIO itself changes floats and refuses newer markers: nle notes).
"""

from __future__ import annotations

import copy
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, TypeVar, cast

from lp_editor.errors import LpEditorError, ProjectError, TimeError
from lp_editor.timeline.metadata import joint_from_json, segment_from_json
from lp_editor.timeline.model import Clip, Gap, Item, Marker, Media, Nest, Numbers, Project, Span, Track, Transition
from lp_editor.timeline.timecode import REMEMBERED, drops, exact_rate, timecode
from lp_editor.timeline.urls import absolute_text, file_name, url_to_path

Node: TypeAlias = dict[str, Any]
Address: TypeAlias = tuple[str | int, ...]
TreeT = TypeVar("TreeT")

OURS = "lp_editor"
"""The key of our metadata."""

REEL = "cmx_3600"
"""Where a clip's reel stands in its metadata."""

SNAP = Fraction(1, 1_000_000)
"""Values this near to a thousandth of a frame are it: float noise goes, real fractions stay."""

FASTEST = 10_000
"""Media seconds in a record second: more is no speed that anybody set."""

MOST_SECONDS = 10**8
"""Longer times are taken for a broken or hostile file."""


@dataclass
class Reading:
    """What a tree says: the project, and where in the tree each clip and track lies."""

    folder: Path
    clips: dict[str, Address] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)


def tops(tree: Any, path: Path) -> list[tuple[str, Address]]:
    """What a parsed ``.otio`` holds to open, with names and addresses: itself, or the timelines of a collection.

    A collection without timelines gives its stacks, tracks and clips. Raises `ProjectError` for what is no project.
    """
    if not isinstance(tree, dict) or "OTIO_SCHEMA" not in tree:
        raise ProjectError(f"{path} is no OpenTimelineIO file: it has no OTIO_SCHEMA")
    if _is(tree, "Timeline", "Stack", "Track", "Clip"):
        return [(str(tree.get("name") or path.stem), ())]
    if not _is(tree, "SerializableCollection"):
        raise ProjectError(f"{path} holds a {_kind(tree) or 'nothing'}; a Timeline, Stack, Track or Clip can be edited")
    inside = list(_collected(tree, (), path))
    found = [i for i in inside if _is(i[1], "Timeline")] or inside
    return [(str(node.get("name") or f"{_kind(node).lower()} {i}"), at) for i, (at, node) in enumerate(found, 1)]


def _collected(node: Node, address: Address, path: Path) -> Iterator[tuple[Address, Node]]:
    """Everything that can be opened in a collection, nested ones included."""
    for i, child in enumerate(_list(node.get("children"), "the collection")):
        where = (*address, "children", i)
        if _is(child, "SerializableCollection"):
            yield from _collected(child, where, path)
        elif _is(child, "Timeline", "Stack", "Track", "Clip"):
            yield where, child


def node_at(tree: Any, address: Address) -> Node:
    """The node at an address of a tree that was read."""
    for step in address:
        tree = tree[step]
    assert isinstance(tree, dict)
    return tree


def copied_at(tree: Any, address: Address) -> Any:
    """A tree with a copy of its own of the node at an address, and of what that lies in; the rest is shared."""
    if not address:
        return copied(tree)
    made = copy.copy(tree)
    made[address[0]] = copied_at(tree[address[0]], address[1:])
    return made


def copied(tree: TreeT) -> TreeT:
    """A copy of JSON, containers and all: a tenth of what `copy.deepcopy` takes."""
    made: Any = tree
    if isinstance(tree, dict):
        made = {key: copied(value) for key, value in tree.items()}
    elif isinstance(tree, list):
        made = [copied(value) for value in tree]
    return cast(TreeT, made)


def read(tree: Any, path: Path, top: Address = ()) -> tuple[Project, Mapping[str, Address]]:
    """The project at an address of a parsed ``.otio``, and the address of every clip's node by its place.

    Raises `ProjectError` that names the place for what cannot be read.
    """
    if not isinstance(tree, dict) or "OTIO_SCHEMA" not in tree:
        raise ProjectError(f"{path} is no OpenTimelineIO file: it has no OTIO_SCHEMA")
    reading = Reading(path.absolute().parent)
    node = node_at(tree, top)
    try:
        tracks = _tracks_of_top(node, top, reading, path)
        rate = _project_rate(node, path)
        start = start_of(node)
        markers = tuple(m for row in marked_rows(node) for m in _markers(row, start))
    except ProjectError as error:
        raise error if str(path) in str(error) else ProjectError(f"{path}: {error}") from error
    except (LpEditorError, KeyError, TypeError, ValueError, AttributeError, OverflowError, ZeroDivisionError) as error:
        raise ProjectError(f"{path} is damaged: {type(error).__name__} {error}") from error
    except RecursionError:
        raise ProjectError(f"{path} is nested too deeply to be a cut") from None
    drop = _drop_frame(node, start, rate)
    name = str(node.get("name") or path.stem)
    return Project(name, rate, start, tracks, drop_frame=drop, markers=markers), reading.clips


def _kind(node: Any) -> str:
    """A node's schema without its version."""
    return str(node.get("OTIO_SCHEMA", "")).split(".")[0] if isinstance(node, dict) else ""


def _is(node: Any, *kinds: str) -> TypeGuard[Node]:
    return _kind(node) in kinds


def _tracks_of_top(node: Node, at: Address, reading: Reading, path: Path) -> tuple[Track, ...]:
    kind = _kind(node)
    if kind == "Timeline":
        return _tracks(_dict(node.get("tracks"), "the timeline's tracks"), (*at, "tracks"), "", reading)
    if kind == "Stack":
        return _tracks(node, at, "", reading)
    if kind == "Track":
        return (_track(node, at, "V1" if _lane(node) == "video" else "A1", reading),)
    if kind == "Clip":
        return (Track("V1", "video", (_clip(node, at, Fraction(0), "V1/1", reading),)),)
    raise ProjectError(f"{path} holds a {kind or 'nothing'}; a Timeline, Stack, Track or Clip can be edited")


def marker_of(marker: Any, start: Fraction = Fraction(0)) -> Marker | None:
    """A marker of a node, in its own time; None for what is none or cannot be placed.

    What it says may stand in its comment, or where Resolve keeps notes. One of a timeline may be written as timecode:
    ``start`` is taken off. A frame's length is a point.
    """
    window = marker.get("marked_range") if isinstance(marker, dict) else None
    if not _is(window, "TimeRange"):
        return None
    metadata = marker.get("metadata")
    resolve = metadata.get("Resolve_OTIO") if isinstance(metadata, dict) else None
    texts = [marker.get("comment"), resolve.get("Note") if isinstance(resolve, dict) else None]
    note = next((t for t in texts if isinstance(t, str) and t), "")
    try:
        span = _span(window)
        frame = 1 / exact_rate(_number(window["duration"]["rate"]))
    except (LpEditorError, KeyError, TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None  # it says nothing to us; it stays in the file
    span = Span(span.start, span.duration if span.duration > frame else Fraction(0))
    if start and span.start >= start:
        span = span.moved(-start)
    return Marker(str(marker.get("name") or ""), note, span)


def _markers(node: Node, start: Fraction = Fraction(0)) -> Iterator[Marker]:
    """The markers of a node."""
    stored = node.get("markers")
    for one in stored if isinstance(stored, list) else []:
        marker = marker_of(one, start)
        if marker is not None:
            yield marker


def start_of(node: Node) -> Fraction:
    """The start timecode of a timeline, in seconds."""
    start = node.get("global_start_time")
    return _time(start) if _is(start, "RationalTime") else Fraction(0)


def marked_rows(node: Node) -> list[Node]:
    """The nodes that bear a timeline's own markers: its stack, and its tracks."""
    stack = node.get("tracks") if _is(node, "Timeline") else node
    if not isinstance(stack, dict) or _is(stack, "Clip"):
        return []
    children = stack.get("children") if _is(stack, "Stack") else []
    return [stack, *(c for c in children if _is(c, "Track"))] if isinstance(children, list) else [stack]


def _dict(value: Any, what: str) -> Node:
    if not isinstance(value, dict):
        raise ProjectError(f"{what} should be an object, not {type(value).__name__}")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ProjectError(f"the children of {what} should be a list, not {type(value).__name__}")
    return value


def _lane(node: Node) -> str:
    return "audio" if str(node.get("kind", "Video")).lower() == "audio" else "video"


def _tracks(stack: Node, address: Address, prefix: str, reading: Reading) -> tuple[Track, ...]:
    """The tracks of a stack; what lies in it that is no track is a track of one item."""
    made: list[Track] = []
    counts = {"video": 0, "audio": 0}
    for i, child in enumerate(_list(stack.get("children", []), "a stack")):
        if not isinstance(child, dict):
            continue
        kind = _lane(child)
        if _is(child, "Track") and str(child.get("kind", "Video")).lower() not in ("video", "audio"):
            continue
        counts[kind] += 1
        place = f"{prefix}{kind[0].upper()}{counts[kind]}"
        where = (*address, "children", i)
        if _is(child, "Track"):
            made.append(_track(child, where, place, reading))
        else:
            items = tuple(_items([child], where[:-1], place, reading, i))
            made.append(Track(place, "video", items))
    return tuple(made)


def _track(node: Node, address: Address, place: str, reading: Reading) -> Track:
    children = _list(node.get("children", []), f"track {place}")
    items = tuple(_items(children, (*address, "children"), place, reading))
    window = node.get("source_range")
    if _is(window, "TimeRange"):
        items = tuple(_trimmed(items, _span(window)))
    kind = "audio" if _lane(node) == "audio" else "video"
    return Track(str(node.get("name") or place.split(">")[-1]), kind, items, node.get("enabled", True) is not False)  # type: ignore[arg-type]


def _items(children: Sequence[Any], address: Address, place: str, reading: Reading, offset: int = 0) -> Iterator[Item]:
    """The items of a track with their record times; joints count only where both their clips still meet."""
    made: list[Item] = []
    nodes: list[Node] = []
    time, number = Fraction(0), 0
    for i, child in enumerate(children, offset):
        kind, where = _kind(child), (*address, i)
        if kind == "Transition":
            into, out = _time(child["in_offset"]), _time(child["out_offset"])
            name = str(child.get("name", ""))
            item: Item = Transition(Span(time - into, into + out), name, str(child.get("transition_type", "")))
        elif kind == "Gap":
            item = Gap(Span(time, _duration(child)))
        elif kind == "Clip":
            number += 1
            item = _clip(child, where, time, f"{place}/{number}", reading)
        elif kind in ("Stack", "Track"):
            number += 1
            item = _nest(child, where, time, f"{place}/{number}", reading)
        elif isinstance(child, dict) and "source_range" in child:
            item = Gap(Span(time, _duration(child)))  # an unknown schema keeps its place
        else:
            continue
        made.append(item)
        nodes.append(child)
        if not isinstance(item, Transition):
            time = item.record.stop
    yield from _with_joints(made, nodes)


def _with_joints(items: list[Item], nodes: list[Node]) -> Iterator[Item]:
    for i, (item, node) in enumerate(zip(items, nodes, strict=True)):
        if isinstance(item, Clip):
            joint = _joint(node, "out", item.name)
            at = i + 2 if i + 1 < len(items) and isinstance(items[i + 1], Transition) else i + 1  # a joint may lie over one
            after = _joint(nodes[at], "in", item.name) if at < len(items) and isinstance(items[at], Clip) else None
            if joint and after == joint.id:
                yield replace(item, joint=joint)
                continue
        yield item


def _joint(node: Node, side: str, name: str) -> Any:
    stored = ours(node).get("joint" if side == "out" else "joint_in")
    if stored is None:
        return None
    return joint_from_json(stored, f'clip "{name}"') if side == "out" else stored


def ours(node: Node) -> Node:
    """Our metadata of a node; empty where there is none."""
    metadata = node.get("metadata")
    found = metadata.get(OURS) if isinstance(metadata, dict) else None
    if found is not None and not isinstance(found, dict):
        raise ProjectError(f'clip "{node.get("name")}": metadata.{OURS} should be an object')
    return found or {}


def listed(node: Node, name: str) -> list[Any]:
    """What a node holds under a name, where that is a list; nothing otherwise."""
    found = node.get(name)
    return found if isinstance(found, list) else []


def _clip(node: Node, address: Address, time: Fraction, place: str, reading: Reading) -> Clip:
    reference = _dict(active_reference(node), f"the media of clip {place}")
    media = replace(_media(reference, reading.folder), reel=_reel(node))
    window = node.get("source_range")
    if not _is(window, "TimeRange"):
        window = reference.get("available_range")
    if not _is(window, "TimeRange"):
        raise ProjectError(f'clip "{node.get("name")}" ({place}) has neither a source range nor an available range')
    span, rate, speed = _span(window), exact_rate(_number(window["start_time"]["rate"])), _speed(node)
    duration = span.duration * abs(speed) if speed else 1 / rate
    name = str(node.get("name") or file_name(media.url) or place)
    record = Span(time, span.duration)
    clip = Clip(
        "",
        name,
        media,
        Span(span.start, duration),
        record,
        rate,
        speed,
        node.get("enabled", True) is not False,
        place=place,
        markers=tuple(_markers(node)),
    )
    reading.clips[place] = address
    mine = ours(node)
    segments = mine.get("segments", [])
    if not isinstance(segments, list):
        raise ProjectError(f'clip "{name}": metadata.{OURS}.segments should be a list')
    read_segments = tuple(segment_from_json(s, f'clip "{name}"') for s in segments)
    own = mine.get("id")
    if own:
        reading.ids[str(own)] = reading.ids.get(str(own), 0) + 1
    return replace(clip, id=str(own or derived_id(clip, reading.ids)), segments=read_segments)


def _reel(node: Node) -> str:
    """The reel that a clip of an edit list kept, where the adapter of those puts it."""
    metadata = node.get("metadata")
    kept = metadata.get(REEL) if isinstance(metadata, dict) else None
    reel = kept.get("reel") if isinstance(kept, dict) else None
    return reel if isinstance(reel, str) else ""


def derived_id(clip: Clip, seen: dict[str, int]) -> str:
    """An id from what a clip is, the same every time a file is read; of those that are alike, numbered."""
    parts = f"{clip.name}|{clip.media.url}|{clip.source.start}|{clip.source.duration}"
    base = "c" + blake2b(parts.encode("utf-8", "replace"), digest_size=4).hexdigest()
    number = seen[base] = seen.get(base, 0) + 1
    return base if number == 1 else f"{base}-{number}"


def _nest(node: Node, address: Address, time: Fraction, place: str, reading: Reading) -> Nest:
    if _is(node, "Track"):
        tracks: tuple[Track, ...] = (_track({**node, "source_range": None}, address, f"{place}>V1", reading),)
    else:
        tracks = _tracks(node, address, f"{place}>", reading)
    ends = [item.record.stop for track in tracks for item in track.items]
    whole = Span(Fraction(0), max(ends, default=Fraction(0)))
    window = node.get("source_range")
    span = _span(window) if _is(window, "TimeRange") else whole
    rate = exact_rate(_number(window["start_time"]["rate"])) if _is(window, "TimeRange") else Fraction(25)
    name, speed = str(node.get("name") or place), _speed(node)
    enabled = node.get("enabled", True) is not False
    source = Span(span.start, span.duration * speed)
    return Nest(
        str(ours(node).get("id") or place), name, source, Span(time, span.duration), tracks, rate, speed, enabled, place
    )


def _speed(node: Node) -> Fraction:
    """All time warps of a node, multiplied."""
    speed = Fraction(1)
    for effect in node.get("effects") or []:
        if _is(effect, "FreezeFrame"):
            return Fraction(0)
        if _is(effect, "LinearTimeWarp"):
            speed *= Fraction(_number(effect.get("time_scalar", 1))).limit_denominator(100_000)
        if abs(speed) > FASTEST:
            name = str(node.get("name"))[:60]
            raise ProjectError(f'clip "{name}" plays at more than {FASTEST:,} times its speed; set its speed again')
    return speed


def _duration(node: Node) -> Fraction:
    window = node.get("source_range")
    return _span(window).duration if _is(window, "TimeRange") else Fraction(0)


def _number(value: Any) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise TimeError(f"not a number: {str(value)[:40]!r}")
        return float(value)
    except OverflowError:
        raise TimeError(f"a number beyond all sense: {str(value)[:40]!r}") from None


def _time(node: Node) -> Fraction:
    """Exact seconds of a RationalTime."""
    seconds = _seconds(_number(node["value"]), _number(node["rate"]))
    if abs(seconds) > MOST_SECONDS:
        raise TimeError(f"a time beyond all sense: {node['value']} at {node['rate']}")
    return seconds


@lru_cache(REMEMBERED)
def _seconds(value: float, rate: float) -> Fraction:
    exact = Fraction(value)
    near = Fraction(round(exact * 1000), 1000)
    return (near if abs(exact - near) < SNAP else exact.limit_denominator(10**6)) / exact_rate(rate)


def _span(node: Node) -> Span:
    span = Span(_time(node["start_time"]), _time(node["duration"]))
    if span.duration < 0:
        raise TimeError("a range is shorter than nothing")
    return span


def _trimmed(items: Sequence[Item], window: Span) -> Iterator[Item]:
    """The items of a track that its own source range shows, from time 0."""
    for item in items:
        if isinstance(item, Transition):
            yield replace(item, record=item.record.moved(-window.start))
            continue
        shared = item.record.intersect(window)
        if shared is None:
            continue
        record = shared.moved(-window.start)
        if isinstance(item, Clip):
            yield replace(item, record=record, source=item.source_span(shared))
        elif isinstance(item, Nest):
            start = item.source.start + (shared.start - item.record.start) * item.speed
            yield replace(item, record=record, source=Span(start, shared.duration * item.speed))
        else:
            yield replace(item, record=record)


def active_reference(node: Node) -> Any:
    """A clip's media reference: of several, the active one."""
    references = node.get("media_references")
    if isinstance(references, dict):
        key = node.get("active_media_reference_key", "DEFAULT_MEDIA")
        return references.get(key) or {"OTIO_SCHEMA": "MissingReference.1"}
    return node.get("media_reference") or {"OTIO_SCHEMA": "MissingReference.1"}


def _media(node: Node, folder: Path) -> Media:
    """What a media reference stands for; relative ones lie in ``folder``."""
    window: Any = node.get("available_range")
    available = _span(window) if _is(window, "TimeRange") else None
    rate = exact_rate(_number(window["start_time"]["rate"])) if available else None
    name = str(node.get("name") or "")
    if _is(node, "ExternalReference"):
        url = str(node.get("target_url") or "")
        path = url_to_path(url, folder)
        return Media("file" if url else "missing", name or file_name(url), url, path, available, rate)
    if _is(node, "ImageSequenceReference"):
        return _sequence(node, name, folder, available)
    if _is(node, "GeneratorReference"):
        return Media("generator", name or str(node.get("generator_kind") or "generator"), "", None, available, rate)
    return Media("missing", name, "", None, available, rate)


def _sequence(node: Node, name: str, folder: Path, available: Span | None) -> Media:
    """An image sequence: its files' common name, and how they count."""
    base = str(node.get("target_url_base") or "")
    joint = "" if not base or base.endswith(("/", "\\")) else ("\\" if "\\" in base and "/" not in base else "/")
    prefix, suffix = str(node.get("name_prefix") or ""), str(node.get("name_suffix") or "")
    inside = url_to_path(base + joint + "x", folder)  # a folder's own reference may be empty
    digits = min(max(int(_number(node.get("frame_zero_padding", 0))), 1), 20)
    common = f"{prefix}%0{digits}d{suffix}"
    rate = exact_rate(_number(node.get("rate", 24)))
    policy = str(node.get("missing_frame_policy") or "error")
    first, step = int(_number(node.get("start_frame", 1))), int(_number(node.get("frame_step", 1)))
    if step < 1:
        raise TimeError(f"an image sequence counts by {step}; by 1 or more it can")
    numbers = Numbers(first, step, rate, policy if policy in ("hold", "black") else "error")  # type: ignore[arg-type]
    path = inside.parent / common if inside else None
    return Media("sequence", name or common, base + joint + prefix, path, available, rate, numbers=numbers)


def _drop_frame(node: Node, start: Fraction, rate: Fraction) -> bool:
    """Whether a timeline counts in drop-frame timecode, which OpenTimelineIO has no field for.

    Its metadata counts; else how it starts: on a whole minute in one way of counting and not in the other; else drop
    frame, as OpenTimelineIO itself shows such rates.
    """
    if not drops(rate):
        return False
    said = _said_drop(node.get("metadata"))
    if said is not None:
        return said
    whole = [timecode(start, rate, drop)[-5:].replace(";", ":") == "00:00" for drop in (True, False)]
    return not (whole[1] and not whole[0])


def _said_drop(metadata: Any, depth: int = 0) -> bool | None:
    """What metadata says of drop frame, in the words of several applications; None where it says nothing."""
    if not isinstance(metadata, dict) or depth > 4:
        return None
    for key, value in metadata.items():
        name = re.sub(r"[^a-z]", "", str(key).lower())
        if name in ("dropframe", "isdropframe", "timecodedropframe") and isinstance(value, bool | int | str):
            return str(value).lower() in ("true", "1", "yes", "df")
        if name in ("displayformat", "tcformat", "timecodeformat") and str(value).upper() in ("DF", "NDF"):
            return str(value).upper() == "DF"
        found = _said_drop(value, depth + 1)
        if found is not None:
            return found
    return None


def _project_rate(tree: Node, path: Path) -> Fraction:
    """The rate of the start timecode, else that of the first picture's record duration."""
    start: Any = tree.get("global_start_time")
    if _is(start, "RationalTime") and 5 <= _number(start["rate"]) <= 1000:
        return exact_rate(_number(start["rate"]))
    for rate in _rates(tree):
        if 5 <= rate <= 1000:
            return exact_rate(rate)
    return Fraction(25)


def _rates(node: Any) -> Iterator[float]:
    """The rates of all durations, pictures first, in file order."""
    if isinstance(node, dict):
        window = node.get("source_range")
        if _is(node, "Clip", "Gap") and not _is(window, "TimeRange"):
            reference = active_reference(node) if _is(node, "Clip") else {}
            window = reference.get("available_range") if isinstance(reference, dict) else None
        if _is(node, "Clip", "Gap", "Stack") and _is(window, "TimeRange"):
            yield _number(window["duration"]["rate"])
        children = node.get("children") or ([node["tracks"]] if "tracks" in node else [])
        ordered = sorted(children, key=lambda c: isinstance(c, dict) and _lane(c) == "audio")
        for child in ordered:
            yield from _rates(child)


def rational(seconds: Fraction, rate: Fraction) -> Node:
    """A RationalTime node."""
    value = seconds * rate
    return {
        "OTIO_SCHEMA": "RationalTime.1",
        "rate": float(rate),
        "value": float(value),
    }


def time_range(span: Span, rate: Fraction) -> Node:
    """A TimeRange node."""
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "duration": rational(span.duration, rate),
        "start_time": rational(span.start, rate),
    }


def external_reference(path: str, available: Span | None, rate: Fraction, name: str = "") -> Node:
    """An ExternalReference node."""
    return {
        "OTIO_SCHEMA": "ExternalReference.1",
        "metadata": {},
        "name": name,
        "available_range": time_range(available, rate) if available else None,
        "target_url": path,
    }


def new_tree(project: Project) -> Node:
    """A new ``.otio`` of a project, without our marks."""
    counts = {OURS: {"drop_frame": project.drop_frame}} if drops(project.rate) else {}
    return {
        "OTIO_SCHEMA": "Timeline.1",
        "metadata": counts,
        "name": project.name,
        "global_start_time": rational(project.start, project.rate),
        "tracks": _new_stack("tracks", project.tracks, project.rate)
        | {"markers": [marker_node(m, project.rate) for m in project.markers]},
    }


def _new_stack(name: str, tracks: Sequence[Track], rate: Fraction) -> Node:
    return {
        "OTIO_SCHEMA": "Stack.1", "metadata": {}, "name": name, "source_range": None,
        "effects": [], "markers": [], "enabled": True, "children": [_new_track(track, rate) for track in tracks],
    }  # fmt: skip


def _new_track(track: Track, rate: Fraction) -> Node:
    cuts = sorted(item.record.start for item in track.items if not isinstance(item, Transition))
    return {
        "OTIO_SCHEMA": "Track.1", "metadata": {}, "name": track.name, "source_range": None,
        "effects": [], "markers": [], "enabled": track.enabled, "kind": track.kind.capitalize(),
        "children": [_new_item(item, rate, cuts) for item in track.items],
    }  # fmt: skip


def marker_node(marker: Marker, rate: Fraction) -> Node:
    """A Marker node. What it says stands in its name and its comment, and where Resolve keeps notes."""
    return {
        "OTIO_SCHEMA": "Marker.2", "metadata": {"Resolve_OTIO": {"Note": marker.note}} if marker.note else {},
        "name": marker.name, "comment": marker.note, "color": "GREEN", "marked_range": time_range(marker.span, rate),
    }  # fmt: skip


def _new_item(item: Item, rate: Fraction, cuts: Sequence[Fraction]) -> Node:
    if isinstance(item, Clip):
        return _new_clip(item)
    if isinstance(item, Gap):
        lasts = time_range(Span(Fraction(0), item.record.duration), rate)
        plain: Node = {"metadata": {}, "name": "", "effects": [], "markers": [], "enabled": True}
        return {"OTIO_SCHEMA": "Gap.1", **plain, "source_range": lasts}
    if isinstance(item, Transition):
        middle = item.record.start + item.record.duration / 2
        inside = cuts[bisect_left(cuts, item.record.start) : bisect_right(cuts, item.record.stop)]
        cut = min(inside, default=middle, key=lambda c: abs(c - middle))
        return {
            "OTIO_SCHEMA": "Transition.1", "metadata": {}, "name": item.name, "transition_type": item.kind or "Custom_Transition",
            "in_offset": rational(cut - item.record.start, rate), "out_offset": rational(item.record.stop - cut, rate),
        }  # fmt: skip
    stack = _new_stack(item.name, item.tracks, item.rate)
    shown = Span(item.source.start, item.record.duration)
    return stack | {"source_range": time_range(shown, rate), "enabled": item.enabled, "effects": warp(item.speed)}


def _new_clip(clip: Clip) -> Node:
    kept: Node = {REEL: {"reel": clip.media.reel}} if clip.media.reel else {}
    return {
        "OTIO_SCHEMA": "Clip.2", "metadata": kept, "name": clip.name, "enabled": clip.enabled, "effects": warp(clip.speed),
        "source_range": time_range(Span(clip.source.start, clip.record.duration), clip.rate),
        "markers": [marker_node(m, clip.rate) for m in clip.markers],
        "media_references": {"DEFAULT_MEDIA": _new_reference(clip.media, clip.rate)},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }  # fmt: skip


def _new_reference(media: Media, rate: Fraction) -> Node:
    available = time_range(media.available, media.rate or rate) if media.available else None
    plain: Node = {"metadata": {}, "name": media.name, "available_range": available}
    if media.kind == "generator":
        return {"OTIO_SCHEMA": "GeneratorReference.1", **plain, "generator_kind": media.name, "parameters": {}}
    if media.kind == "missing":
        return {"OTIO_SCHEMA": "MissingReference.1", **plain}
    where = absolute_text(media.path) if media.path is not None else media.url
    return external_reference(where, media.available, media.rate or rate, media.name)


def warp(speed: Fraction) -> list[Node]:
    """The time effect of a speed; none for 1, with which Premiere drops every other effect (nle notes)."""
    if speed == 1:
        return []
    if speed == 0:
        return [
            {
                "OTIO_SCHEMA": "FreezeFrame.1",
                "metadata": {},
                "name": "",
                "effect_name": "FreezeFrame",
                "time_scalar": 0.0,
            }
        ]
    return [{
        "OTIO_SCHEMA": "LinearTimeWarp.1", "metadata": {}, "name": "", "effect_name": "LinearTimeWarp",
        "time_scalar": float(speed),
    }]  # fmt: skip
