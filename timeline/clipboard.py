"""Marks taken from one clip to another: what ``copy`` keeps, and where ``paste`` puts it.

Times on the clipboard are record seconds from the first visible frame of the clip they came from, so that a mark lasts as
long on a clip of another speed, rate or project.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from lp_editor.errors import ProjectError, TimeError
from lp_editor.timeline import edit
from lp_editor.timeline.find import find_segment
from lp_editor.timeline.metadata import segment_from_json, segment_to_json
from lp_editor.timeline.model import Clip, Project, Segment, Span

KIND, VERSION = "lp-editor marks", 1
"""What a clipboard's file says it is."""


@dataclass(frozen=True)
class Pasted:
    """A project with pasted marks, the marks, and what is to be said of them."""

    project: Project
    segments: tuple[Segment, ...]
    notes: tuple[str, ...]


def copied(project: Project, ids: Sequence[str]) -> tuple[Segment, ...]:
    """Some segments of one clip, as a clipboard keeps them. Raises `ProjectError`."""
    clips = {id: find_segment(project, id) for id in ids}
    places = {clip.place: clip.name for clip in clips.values()}
    if len(places) > 1:
        names = ", ".join(f"{name} ({place})" for place, name in places.items())
        raise ProjectError(f"these marks lie on {names}; copy those of one clip at a time")
    for id, clip in clips.items():
        if clip.joint and clip.joint.id == id:
            raise ProjectError(f"{id} is a joint and belongs to its cut; mark the other cut with {clip.joint.effect}")
    return tuple(_kept(s, clip) for id, clip in clips.items() for s in clip.segments if s.id == id)


def of_clip(project: Project, clip: Clip) -> tuple[Segment, ...]:
    """All segments of a clip. Raises `ProjectError` where it has none."""
    if not clip.segments:
        raise ProjectError(f'nothing to copy: no stretch of "{clip.name}" ({clip.place}) is marked')
    return copied(project, [s.id for s in clip.segments])


def _kept(segment: Segment, clip: Clip) -> Segment:
    span = clip.record_span(segment.span)
    return replace(segment, span=span.moved(-clip.record.start))


def pasted(project: Project, segments: Sequence[Segment], clip: Clip, at: Fraction | None, face: str | None) -> Pasted:
    """The project with copied segments on a clip: the first at a record time, or all where they lay in theirs.

    What reaches past the clip's end is shortened; what lies past it is left out; both are said. Raises `TimeError` where
    nothing would be left.
    """
    late = clip.record.start if at is None else at - min(s.span.start for s in segments)
    made, notes = [], []
    for segment in sorted(segments, key=lambda s: s.span.start):
        wanted = segment.span.moved(late)
        span = wanted.intersect(clip.record)
        if span is None:
            notes.append(f"{segment.effect} ({segment.id}) lies outside {clip.name}, so it was left out")
            continue
        if span.duration < wanted.duration:
            lost = f"{float(wanted.duration - span.duration):.3f}s"
            notes.append(f"{segment.effect} ({segment.id}) is {lost} longer than {clip.name} has room for: shortened")
        one = replace(
            segment,
            id=edit.new_id(project),
            span=_source(clip, span, wanted),
            face=segment.face if face is None else face,
        )
        project = edit.add_segment(project, clip, one)
        clip = next(c for c in project.clips() if c.place == clip.place)
        made.append(one)
    if not made:
        raise TimeError(f"nothing of what was copied would lie on {clip.name}; say --at, within its {_length(clip)}")
    return Pasted(project, tuple(made), tuple(notes))


def _source(clip: Clip, span: Span, wanted: Span) -> Span:
    """The source time of a mark; one that begins before the clip keeps its beginning, so that its keys stay in place."""
    if clip.speed == 0 or span.start == wanted.start:
        return clip.source_span(span)
    return clip.source_span(Span.between(wanted.start, span.stop))


def _length(clip: Clip) -> str:
    return f"{float(clip.record.duration):.3f}s"


def to_text(segments: Sequence[Segment]) -> str:
    """A clipboard as the text of its file."""
    return json.dumps({"kind": KIND, "version": VERSION, "segments": [segment_to_json(s) for s in segments]}, indent=1)


def from_text(text: str, where: str) -> tuple[Segment, ...]:
    """The clipboard that a text holds. Raises `ProjectError` naming ``where``."""
    try:
        stored: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProjectError(f"{where} holds no copied marks ({error}); copy some first") from None
    if not isinstance(stored, dict) or stored.get("kind") != KIND or not isinstance(stored.get("segments"), list):
        raise ProjectError(f"{where} holds no copied marks; copy some first")
    if stored.get("version") != VERSION:
        raise ProjectError(f"{where} was written by another version of lp-editor; copy the marks again")
    segments = tuple(segment_from_json(one, where) for one in stored["segments"])
    if not segments:
        raise ProjectError(f"{where} holds no copied marks; copy some first")
    return segments
