"""Changes the marks of a project: pure functions from one project to the next."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from lp_editor.errors import ParamError, ProjectError, TimeError
from lp_editor.timeline.curve import Curve, Key
from lp_editor.timeline.find import find_segment
from lp_editor.timeline.model import (
    Clip,
    Item,
    Joint,
    Nest,
    ParamValue,
    Project,
    Segment,
    Track,
    Transition,
    all_tracks,
)

__all__ = [
    "Cut", "Project", "add_joint", "add_segment", "add_segments", "all_ids", "clip_at_cut", "clip_before_cut", "cuts",
    "delete_key", "move_key", "new_id", "picture_cuts", "remove_marks", "set_key", "set_params", "without_marks",
]  # fmt: skip


def all_ids(project: Project) -> list[str]:
    """The ids of every mark of a project."""
    return [s.id for c in project.clips() for s in c.segments] + [c.joint.id for c in project.clips() if c.joint]


def new_id(project: Project) -> str:
    """An id that no mark of the project has: s1, s2, …"""
    used = set(all_ids(project))
    number = 1
    while f"s{number}" in used:
        number += 1
    return f"s{number}"


def add_segment(project: Project, clip: Clip, segment: Segment) -> Project:
    """The project with one more segment on a clip."""
    return _changed(project, clip.place, lambda c: replace(c, segments=(*c.segments, segment)))


def add_segments(project: Project, segments: Mapping[str, Sequence[Segment]]) -> Project:
    """The project with more segments on the clips of some places."""

    def on_item(item: Item) -> Item:
        if isinstance(item, Nest):
            return replace(item, tracks=tuple(map(on_track, item.tracks)))
        more = segments.get(item.place, ()) if isinstance(item, Clip) else ()
        return replace(item, segments=(*item.segments, *more)) if isinstance(item, Clip) and more else item

    def on_track(track: Track) -> Track:
        return replace(track, items=tuple(map(on_item, track.items)))

    return replace(project, tracks=tuple(map(on_track, project.tracks))) if segments else project


def add_joint(project: Project, clip: Clip, joint: Joint, over_dissolve: bool = False) -> Project:
    """The project with a joint at a clip's end. Raises `ProjectError` where no clip follows it directly.

    A dissolve on the cut is refused; ``over_dissolve`` puts the joint in its place, at least as long.
    """
    met = (cut for track in all_tracks(project.tracks) for cut in cuts(track.items))
    found = next((cut for cut in met if cut.before.place == clip.place), None)
    if found is None:
        raise ProjectError(f'no clip follows "{clip.name}" ({clip.place}) directly, so there is no cut to join')
    if clip.joint:
        raise ProjectError(f'the cut after "{clip.name}" has joint {clip.joint.id} already; unmark that first')
    if found.dissolve is not None:
        if not over_dissolve:
            name = found.dissolve.name or found.dissolve.kind
            raise ProjectError(
                f'the cut after "{clip.name}" ({clip.place}) has a transition already ({name}); --force puts '
                f"{joint.effect} in its place"
            )
        at, taken = clip.record.stop, found.dissolve.record
        joint = replace(joint, before=max(joint.before, at - taken.start), after=max(joint.after, taken.stop - at))
    return _changed(project, clip.place, lambda c: replace(c, joint=joint))


@dataclass(frozen=True)
class Cut:
    """Two clips of a track that meet, and the dissolve between them if there is one."""

    before: Clip
    after: Clip
    dissolve: Transition | None = None


def cuts(items: Sequence[Item]) -> Iterator[Cut]:
    """Where the clips of a track meet, with or without a dissolve."""
    for i, (a, b) in enumerate(itertools.pairwise(items)):
        if isinstance(a, Clip) and isinstance(b, Clip):
            yield Cut(a, b)
        elif isinstance(a, Clip) and isinstance(b, Transition) and i + 2 < len(items):
            after = items[i + 2]
            if isinstance(after, Clip):
                yield Cut(a, after, b)


def picture_cuts(project: Project) -> list[Cut]:
    """Every cut between two enabled clips of a picture track, those of nested sequences included."""
    rows = [t.items for t in all_tracks(project.tracks) if t.kind == "video" and t.enabled]
    return [cut for row in rows for cut in cuts(row) if cut.before.enabled and cut.after.enabled]


def clip_before_cut(project: Project, record: Fraction) -> Clip:
    """The clip before the cut nearest to a record time, at most a second away. Raises `TimeError`."""
    best: tuple[Fraction, Clip] | None = None
    for track in project.tracks:
        for cut in cuts(track.items) if track.kind == "video" else ():
            off = abs(cut.before.record.stop - record)
            if off <= 1 and (best is None or off < best[0]):
                best = (off, cut.before)
    if best is None:
        raise TimeError("no cut between two clips lies within a second of there")
    return best[1]


def clip_at_cut(project: Project, clip: Clip | None, record: Fraction) -> Clip:
    """The clip before the cut that a place means: of a clip its nearer end, of the program the nearest cut.

    Raises `TimeError` where there is none.
    """
    if clip is None:
        return clip_before_cut(project, record)
    if record - clip.record.start >= clip.record.stop - record:
        return clip
    for track in all_tracks(project.tracks):
        for cut in cuts(track.items):
            if cut.after.place == clip.place:
                return cut.before
    raise TimeError(f'no clip lies directly before "{clip.name}" ({clip.place}), so there is no cut to join')


def remove_marks(project: Project, ids: Collection[str]) -> Project:
    """The project without some segments and joints."""
    out = project
    for clip in project.clips():
        kept = tuple(s for s in clip.segments if s.id not in ids)
        joint = None if clip.joint and clip.joint.id in ids else clip.joint
        if kept != clip.segments or joint != clip.joint:
            out = _changed(out, clip.place, _with_marks(kept, joint))
    return out


def without_marks(
    project: Project, places: Collection[str], others: Collection[str], ids: Collection[str]
) -> Project:  # fmt: skip
    """The project without any marks on the clips of some places, and on others without those of some ids."""
    for place in places:
        project = _changed(project, place, _with_marks((), None))
    for clip in project.clips():
        if clip.place in others and any(s.id in ids for s in clip.segments):
            kept = tuple(s for s in clip.segments if s.id not in ids)
            project = _changed(project, clip.place, _with_marks(kept, clip.joint))
    return project


def _with_marks(segments: tuple[Segment, ...], joint: Joint | None) -> Callable[[Clip], Clip]:
    return lambda clip: replace(clip, segments=segments, joint=joint)


def set_key(project: Project, id: str, param: str, time: Fraction, value: float, interpolation: Any) -> Project:
    """The project with a key of a parameter set; a parameter that had none starts from that key."""

    def change(curve: Curve | None) -> Curve:
        key = Key(time, value, interpolation)
        return Curve((key,)) if curve is None else curve.with_key(key)

    return _curve_changed(project, id, param, change)


def set_params(project: Project, id: str, params: Mapping[str, ParamValue]) -> Project:
    """The project with a segment's parameters changed for these."""

    def on_clip(clip: Clip) -> Clip:
        segments = tuple(replace(s, params=dict(params)) if s.id == id else s for s in clip.segments)
        return replace(clip, segments=segments)

    return _changed(project, find_segment(project, id).place, on_clip)


def move_key(project: Project, id: str, param: str, time: Fraction, to: Fraction) -> Project:
    """The project with a key moved in time."""
    return _curve_changed(project, id, param, lambda c: _there(c, param).moved_key(time, to))


def delete_key(project: Project, id: str, param: str, time: Fraction) -> Project:
    """The project without a key."""
    return _curve_changed(project, id, param, lambda c: _there(c, param).without_key(time))


def _there(curve: Curve | None, param: str) -> Curve:
    if curve is None:
        raise ParamError(f"{param} has no keys; set one first")
    return curve


def _curve_changed(project: Project, id: str, param: str, change: Callable[[Curve | None], Curve]) -> Project:
    clip = find_segment(project, id)

    def changed(params: Any) -> dict[str, Any]:
        stored = params.get(param)
        if stored is not None and not isinstance(stored, Curve | int | float):
            raise ParamError(f"{param} takes no keys: it is {stored!r}")
        curve = Curve.constant(float(stored)) if isinstance(stored, int | float) else stored
        return {**params, param: change(curve)}

    def on_clip(c: Clip) -> Clip:
        segments = tuple(replace(s, params=changed(s.params)) if s.id == id else s for s in c.segments)
        joint = replace(c.joint, params=changed(c.joint.params)) if c.joint and c.joint.id == id else c.joint
        return replace(c, segments=segments, joint=joint)

    return _changed(project, clip.place, on_clip)


def _changed(project: Project, place: str, change: Callable[[Clip], Clip]) -> Project:
    return replace(project, tracks=_changed_tracks(project.tracks, place, change))


def _changed_tracks(tracks: tuple[Track, ...], place: str, change: Callable[[Clip], Clip]) -> tuple[Track, ...]:
    return tuple(replace(t, items=tuple(_changed_item(i, place, change) for i in t.items)) for t in tracks)


def _changed_item(item: Item, place: str, change: Callable[[Clip], Clip]) -> Item:
    if isinstance(item, Clip) and item.place == place:
        return change(item)
    if isinstance(item, Nest) and place.startswith(item.place):
        return replace(item, tracks=_changed_tracks(item.tracks, place, change))
    return item
