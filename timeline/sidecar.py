"""The sidecar beside a project of another application: our marks and renders, for what that file cannot keep.

A clip is found again by its id and place, failing that by its media and the part of it that shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from lp_editor.errors import LpEditorError, ProjectError
from lp_editor.timeline import marks, stored
from lp_editor.timeline.curve import fraction_from_json, fraction_to_json
from lp_editor.timeline.dialects.otio import FASTEST
from lp_editor.timeline.metadata import VERSION, joint_from_json, joint_to_json, segment_from_json, segment_to_json
from lp_editor.timeline.model import Clip, Item, Joint, Media, Nest, Project, Segment, Span, Track
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.timecode import exact_rate
from lp_editor.timeline.urls import is_file

SIDECAR = ".lp.json"
"""The end of a sidecar's name, behind the whole name of its project."""

Marks: TypeAlias = tuple[tuple[Segment, ...], Joint | None]


@dataclass(frozen=True)
class Entry:
    """A clip as the sidecar knows it, and its marks."""

    id: str
    place: str
    name: str
    media: str
    source: Span
    segments: tuple[Segment, ...]
    joint: Joint | None


@dataclass(frozen=True)
class Render:
    """A file that we rendered, and what it shows: ``source`` of the clip's media, at ``speed``, is ``own`` of the file.

    ``record`` is how long that lasts. ``available`` is all of the file, handles included, in its own time.
    """

    file: str
    path: str
    media: Media
    clip: str
    source: Span
    speed: Fraction
    own: Span
    available: Span
    segments: tuple[Segment, ...]
    provenance: str = ""
    """What was done in it, by which effect and engine, as JSON; the file's metadata bears it too."""


@dataclass(frozen=True)
class Sidecar:
    """All that a sidecar holds; ``dropped`` are ids of marks whose markers are still in the file, but were taken back."""

    entries: tuple[Entry, ...] = ()
    dropped: tuple[str, ...] = ()
    renders: tuple[Render, ...] = ()

    def applied(self, project: Project) -> Project:
        """A project with the marks of the sidecar on its clips; the very same one where there are none."""
        given = self._given(project)
        if not given:
            return project
        return replace(project, tracks=tuple(_with_marks(track, given) for track in project.tracks))

    def _given(self, project: Project) -> dict[str, Marks]:
        """The marks by the place of the clip that they belong to now.

        A clip that is what and where it was has all of its own; of others, those that lie in what they show.
        """
        clips = {c.place: c for c in project.clips() if not c.segments and not c.joint}
        found: dict[str, Marks] = {}
        for entry in self.entries:
            exact = clips.get(entry.place)
            if exact is not None and exact.id == entry.id:
                found[entry.place] = (entry.segments, entry.joint)
        exactly = {e.id for e in self.entries if e.place in found}
        for entry in (e for e in self.entries if e.id not in exactly):
            alike = [c for p, c in clips.items() if p not in found and _overlapping(entry, c)]
            last = max(alike, key=lambda c: c.source.stop, default=None)
            for clip in alike:
                segments = tuple(s for s in entry.segments if s.span.intersect(clip.source))
                found[clip.place] = (segments, entry.joint if clip is last else None)
        return found

    def content(self) -> bytes:
        """The sidecar as JSON."""
        made = {
            "version": VERSION,
            "clips": [_entry_to_json(e) for e in self.entries],
            "dropped": list(self.dropped),
            "renders": [render_to_json(r) for r in self.renders],
        }
        return (stored.written(made, 1) + "\n").encode("utf-8", "surrogatepass")


def _overlapping(entry: Entry, clip: Clip) -> bool:
    kind = entry.place.split(">")[-1][:1] == clip.place.split(">")[-1][:1]
    return kind and entry.media == media_key(clip.media) and clip.source.intersect(entry.source) is not None


def media_key(media: Media) -> str:
    """What a medium is called wherever it lies: its file's name, in lower case."""
    return (media.path.name if media.path else media.name).lower()


def _with_marks(track: Track, given: Mapping[str, Marks]) -> Track:
    return replace(track, items=tuple(_marked(item, given) for item in track.items))


def _marked(item: Item, given: Mapping[str, Marks]) -> Item:
    if isinstance(item, Nest):
        return replace(item, tracks=tuple(_with_marks(track, given) for track in item.tracks))
    marked = given.get(item.place) if isinstance(item, Clip) else None
    if marked is None or not isinstance(item, Clip):
        return item
    return replace(item, segments=marked[0], joint=marked[1])


def sidecar_path(path: Path) -> Path:
    """Where the sidecar of a project lies: ``cut.xml.lp.json`` beside ``cut.xml``."""
    return path.with_name(path.name + SIDECAR)


def sidecar_of(
    project: Project, rendered: Sequence[Rendered], before: Sidecar, same: Mapping[str, Render]
) -> Sidecar:  # fmt: skip
    """What the sidecar of a project has to keep, with the renders it knew before.

    ``same`` are renders that came back and were not made again, by place: they stay as they were made, whatever part of
    them a clip shows now.
    """
    entries = tuple(
        Entry(c.id, c.place, c.name, media_key(c.media), c.source, c.segments, c.joint)
        for c in project.clips() if c.segments or c.joint
    )  # fmt: skip
    known = {i for e in entries for i in _ids(e)}
    texts = [m for c in project.clips() for m in c.markers] + list(project.markers)
    dropped = tuple(dict.fromkeys(i for m in texts for i in marks.ids_of(m) if i not in known))
    clips = {c.place: c for c in project.clips()}
    made = [same.get(r.place) or _render(r, clips[r.place]) for r in rendered]
    renders = list({r.path: r for r in made}.values())
    paths = {r.path for r in renders}
    kept = [r for r in before.renders if r.path not in paths]
    return Sidecar(entries, dropped, (*kept, *renders))


def _ids(entry: Entry) -> list[str]:
    return [s.id for s in entry.segments] + ([entry.joint.id] if entry.joint else [])


def _render(rendered: Rendered, clip: Clip) -> Render:
    own = Span(rendered.timecode + rendered.source.start - rendered.available.start, rendered.record.duration)
    return Render(
        rendered.path.name, str(rendered.path.absolute()), clip.media, clip.id, clip.source_span(rendered.record), clip.speed,
        own, Span(rendered.timecode, rendered.available.duration), clip.segments, rendered.provenance,
    )  # fmt: skip


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar of a project file; an empty one where there is none. Raises `ProjectError` for one that is damaged."""
    beside = sidecar_path(path)
    try:
        if not is_file(beside):
            return Sidecar()
        kept = stored.read(beside)
        return Sidecar(
            tuple(_entry(e, f"{beside}: clip {i}") for i, e in enumerate(kept.get("clips", []), 1)),
            tuple(str(i) for i in kept.get("dropped", [])),
            tuple(render_from_json(r, f"{beside}: render {i}") for i, r in enumerate(kept.get("renders", []), 1)),
        )
    except ProjectError as error:
        raise ProjectError(f"{error}; move the sidecar away to open the project without it") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, LpEditorError) as error:
        raise ProjectError(
            f"{beside} is damaged ({type(error).__name__} {error}); move it away to open the project without it"
        ) from None


def _span_to_json(span: Span) -> list[int | str]:
    return [fraction_to_json(span.start), fraction_to_json(span.duration)]


def _span(kept: Any) -> Span:
    start, duration = kept
    return Span(fraction_from_json(start), fraction_from_json(duration))


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id, "place": entry.place, "name": entry.name, "media": entry.media,
        "source": _span_to_json(entry.source), "segments": [segment_to_json(s) for s in entry.segments],
        "joint": joint_to_json(entry.joint) if entry.joint else None,
    }  # fmt: skip


def _entry(kept: Mapping[str, Any], where: str) -> Entry:
    joint = kept.get("joint")
    return Entry(
        str(kept["id"]), str(kept["place"]), str(kept["name"]), str(kept["media"]), _span(kept["source"]),
        tuple(segment_from_json(s, where) for s in kept["segments"]),
        joint_from_json(joint, where) if joint else None,
    )  # fmt: skip


def render_to_json(render: Render) -> dict[str, Any]:
    """A render as JSON."""
    media = render.media
    return {
        "file": render.file, "path": render.path, "clip": render.clip, "source": _span_to_json(render.source),
        "speed": fraction_to_json(render.speed), "own": _span_to_json(render.own),
        "available": _span_to_json(render.available), "segments": [segment_to_json(s) for s in render.segments],
        "media": {
            "name": media.name, "url": media.url, "path": str(media.path) if media.path else None, "reel": media.reel,
            "rate": fraction_to_json(media.rate) if media.rate else None,
            "available": _span_to_json(media.available) if media.available else None,
        },
        **({"provenance": json.loads(render.provenance)} if render.provenance else {}),
    }  # fmt: skip


def render_from_json(kept: Mapping[str, Any], where: str) -> Render:
    """The render that JSON holds. Raises what JSON of another shape gives, and `ProjectError`."""
    shown = kept["media"]
    media = Media(
        "file", str(shown["name"]), str(shown["url"]), Path(shown["path"]) if shown.get("path") else None,
        _span(shown["available"]) if shown.get("available") else None,
        exact_rate(fraction_from_json(shown["rate"])) if shown.get("rate") else None, str(shown.get("reel", "")),
    )  # fmt: skip
    speed, spans = fraction_from_json(kept["speed"]), [_span(kept[name]) for name in ("source", "own", "available")]
    if any(span.duration < 0 for span in spans) or abs(speed) > FASTEST:
        raise ProjectError(f"{where}: a length below nothing, or no speed that anybody set")
    return Render(
        str(kept["file"]), str(kept["path"]), media, str(kept["clip"]), spans[0], speed, spans[1], spans[2],
        tuple(segment_from_json(s, where) for s in kept["segments"]),
        json.dumps(kept["provenance"]) if isinstance(kept.get("provenance"), dict) else "",
    )  # fmt: skip
