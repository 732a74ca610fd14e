"""What is told as JSON: of a project its tracks, clips, media and marks; of effects and presets their parameters."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lp_editor.effect import Effect, JointEffect, parameters
from lp_editor.registry import Preset
from lp_editor.render.report import Report
from lp_editor.timeline.curve import Curve, value_to_json
from lp_editor.timeline.document import Document
from lp_editor.timeline.metadata import joint_to_json, segment_to_json
from lp_editor.timeline.model import Clip, Item, Joint, Media, Nest, Project, Segment, Span, Track
from lp_editor.timeline.timecode import timecode
from lp_editor.timeline.urls import is_file


def summary(document: Document) -> dict[str, Any]:
    """A project as JSON, by the schema of the formats page. Times are seconds, and timecode where editors read it."""
    project = document.project
    return {
        "name": project.name,
        "path": str(document.path),
        "rate": float(project.rate),
        "start": timecode(project.start, project.rate, project.drop_frame),
        "duration": float(project.duration),
        "drop_frame": project.drop_frame,
        "sequences": list(document.sequences),
        "notes": list(document.notes),
        "tracks": [_track(track, project) for track in project.tracks],
    }


def _track(track: Track, project: Project) -> dict[str, Any]:
    return {
        "name": track.name,
        "kind": track.kind,
        "enabled": track.enabled,
        "clips": [_clip(clip, project) for clip in _clips(track.items)],
    }


def _clips(items: tuple[Item, ...]) -> Iterator[Clip]:
    """The clips of a track, those of nested sequences among them."""
    for item in items:
        if isinstance(item, Clip):
            yield item
        elif isinstance(item, Nest):
            for track in item.tracks:
                yield from _clips(track.items)


def _clip(clip: Clip, project: Project) -> dict[str, Any]:
    return {
        "name": clip.name,
        "id": clip.id,
        "place": clip.place,
        "enabled": clip.enabled,
        "media": _media(clip.media),
        "rate": float(clip.rate),
        "speed": float(clip.speed),
        "record": {**_span(clip.record), "timecode": _record_timecode(clip, project)},
        "source": {**_span(clip.source), "timecode": timecode(clip.source.start, clip.rate)},
        "segments": [segment_to_json(segment) for segment in clip.segments],
        "joint": joint_to_json(clip.joint) if clip.joint else None,
        "overlaps": [
            {"segments": [s.id for s in one.segments], "face": one.segments[0].face, **_span(one.span)}
            for one in overlaps(clip)
        ],
    }


@dataclass(frozen=True)
class Overlap:
    """Record time of a clip in which several segments ask something of one face."""

    span: Span
    segments: tuple[Segment, ...]


def overlaps(clip: Clip) -> list[Overlap]:
    """Where effects overlap on a clip, in order of time; segments that choose their face by other words are kept apart."""
    found = []
    for face in dict.fromkeys(s.face for s in clip.segments):
        seen = [(s, span) for s in clip.segments if s.face == face and (span := _visible(s, clip))]
        edges = sorted({t for _, span in seen for t in (span.start, span.stop)})
        for start, stop in itertools.pairwise(edges):
            here = tuple(s for s, span in seen if span.start <= start and stop <= span.stop)
            if len(here) > 1:
                found.append(Overlap(Span.between(start, stop), here))
    return sorted(found, key=lambda one: one.span.start)


def _visible(segment: Segment, clip: Clip) -> Span | None:
    return clip.record_span(segment.span).intersect(clip.record)


def _record_timecode(clip: Clip, project: Project) -> str:
    return timecode(clip.record.start + project.start, project.rate, project.drop_frame)


def _span(span: Span) -> dict[str, float]:
    return {"start": float(span.start), "duration": float(span.duration)}


def _media(media: Media) -> dict[str, Any]:
    return {
        "kind": media.kind,
        "name": media.name,
        "url": media.url,
        "path": None if media.path is None else str(media.path),
        "found": found(media),
        "available": None if media.available is None else _span(media.available),
    }


def found(media: Media) -> bool:
    """Whether a clip's media is there: its file, or of an image sequence its folder."""
    if media.path is None:
        return False
    return is_file(media.path) if media.kind == "file" else os.path.isdir(media.path.parent)


def segment_text(segment: Segment, clip: Clip) -> str:
    """A segment in one line, as an editor would write it: times from the clip's first frame."""
    start = clip.record_span(segment.span).start - clip.record.start
    length = clip.record_span(segment.span).duration
    params = " ".join(f"{n}={_value(v)}" for n, v in segment.params.items())
    face = "" if segment.face == "largest" else f" face={segment.face}"
    return f"{segment.id} {segment.effect} at {_seconds(start)} for {_seconds(length)} {params}{face}".rstrip()


def mark_text(mark: Segment | Joint, clip: Clip, rate: Fraction) -> str:
    """A segment or a joint in one line."""
    if isinstance(mark, Segment):
        return segment_text(mark, clip)
    params = " ".join(f"{n}={_value(v)}" for n, v in mark.params.items())
    frames = f"{float((mark.before + mark.after) * rate):g}f"
    return f"{mark.id} {mark.effect} into the next clip for {frames} {params}".rstrip()


def _seconds(time: Fraction) -> str:
    return f"{float(time):.3f}".rstrip("0").rstrip(".") + "s"


def _value(value: object) -> str:
    if not isinstance(value, Curve):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if value.is_constant:
        return f"{value.keys[0].value:g}"
    return ",".join(f"{k.value:g}@{_seconds(k.time)}" for k in value.keys[:6]) + (",…" if len(value.keys) > 6 else "")


def returned(project: Project, report: Report, losses: Sequence[str]) -> dict[str, Any]:
    """The renders of a round trip, what to look at again and what was lost, in frames of the program from its first on.

    ``offset`` is where in its file a render's first visible frame lies. ``nested`` are the files of renders in nested
    sequences, which are not among the ``renders``.
    """
    rate, clips = project.rate, {c.place: c for c in project.clips()}
    renders = [
        {
            "file": str(one.path.absolute()), "place": one.place, "clip": clips[one.place].name,
            "id": clips[one.place].id, "first": round(one.record.start * rate),
            "frames": round(one.record.duration * rate),
            "offset": round((one.source.start - one.available.start) * rate),
        }
        for one in report.renders
        if ">" not in one.place
    ]  # fmt: skip
    checks = [
        {"name": m.name, "note": m.note, "first": round(span.start * rate), "frames": round(span.duration * rate)}
        for place, made in report.checks.items()
        if ">" not in place
        for m in made
        for span in [clips[place].record_span(m.span)]
    ]
    nested = [str(one.path.absolute()) for one in report.renders if ">" in one.place]
    return {"renders": renders, "nested": nested, "checks": checks, "losses": list(losses)}


def marked_on(effect: type[Effect]) -> str:
    """What an effect is marked on."""
    return "a cut" if issubclass(effect, JointEffect) else "a stretch"


def effect_json(effect: type[Effect]) -> dict[str, Any]:
    """An effect with its parameters, as JSON."""
    return {
        "name": effect.name, "on": marked_on(effect), "help": inspect.getdoc(effect),
        "parameters": [vars(p) for p in parameters(effect)],
    }  # fmt: skip


def preset_json(preset: Preset) -> dict[str, Any]:
    """A preset, as JSON."""
    params = {name: value_to_json(value) for name, value in preset.params.items()}
    return {"name": preset.name, "effect": preset.effect, "help": preset.help, "params": params}
