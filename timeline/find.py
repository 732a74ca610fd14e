"""Finds what an editor names: a clip by name, place or id, a stretch of it by times, a mark by its id."""

from __future__ import annotations

from difflib import get_close_matches
from fractions import Fraction

from lp_editor.errors import ProjectError, TimeError
from lp_editor.timeline.cut import Dissolve, Morph, Shown, Strip, cut
from lp_editor.timeline.cut import Picture as Node
from lp_editor.timeline.model import Clip, Project, Span
from lp_editor.timeline.timecode import parse_time, timecode, timecode_seconds


def find_clip(project: Project, text: str) -> Clip:
    """The clip of a name, a place (``V1/3``) or an id. Raises `ProjectError` for none, or for several of one name."""
    clips = list(project.clips())
    for match in ([c for c in clips if c.place.lower() == text.lower()], [c for c in clips if c.id == text]):
        if len(match) == 1:
            return match[0]
    named = [c for c in clips if c.name == text] or [c for c in clips if c.name.lower() == text.lower()]
    if len(named) > 1:
        pictures = [c for c in named if c.place.split(">")[-1].startswith("V")]
        if len(pictures) == 1:
            return pictures[0]
        places = ", ".join(f"{c.place} ({c.id})" for c in named)
        raise ProjectError(f"{len(named)} clips are called {text!r}: name one by its place or id: {places}")
    if named:
        return named[0]
    near = get_close_matches(text, [c.name for c in clips], 3, 0.5)
    hint = f"; near: {', '.join(dict.fromkeys(near))}" if near else "; `inspect` lists them"
    raise ProjectError(f"no clip {text!r}{hint}")


def find_segment(project: Project, id: str) -> Clip:
    """The clip that bears a segment or joint. Raises `ProjectError`."""
    ids: list[str] = []
    for clip in project.clips():
        own = [s.id for s in clip.segments] + ([clip.joint.id] if clip.joint else [])
        if id in own:
            return clip
        ids += own
    there = f"there are: {', '.join(ids)}" if ids else "nothing is marked"
    raise ProjectError(f"no segment {id!r}; {there}")


def topmost_clip_at(project: Project, record: Fraction) -> Clip:
    """The clip that the program shows at a record time. Raises `TimeError` where it shows none."""
    return _topmost(project, record).clip


def _topmost(project: Project, record: Fraction) -> Strip:
    frame = int(record * project.rate // 1)
    for event in cut(project):
        if event.first <= frame < event.stop:
            strip = _strip(event.picture, record)
            if strip is None:
                break
            return strip
    raise TimeError(f"no picture is shown at {timecode(record + project.start, project.rate, project.drop_frame)}")


def _strip(picture: Node, record: Fraction) -> Strip | None:
    """The strip a picture belongs to: of a dissolve or joint, the one whose own side of the cut it is."""
    if isinstance(picture, Shown):
        return picture.strip
    if isinstance(picture, Dissolve | Morph):
        sides = [s for s in (_strip(picture.outgoing, record), _strip(picture.incoming, record)) if s]
        return next((s for s in sides if s.record.start <= record < s.record.stop), sides[0] if sides else None)
    return None


def marked_span(project: Project, clip: str | None, at: str | None, length: str | None) -> tuple[Clip, Span]:
    """The clip and the source span that ``--clip``, ``--at`` and ``--for`` mean.

    Without a clip ``at`` is record time. With one, seconds and frames count from its first visible frame, timecode is
    source timecode, or record timecode with ``@rec`` behind it. Without ``length``: to the clip's end; without ``at``:
    from its start. Raises `TimeError` for a stretch that lies outside the clip.
    """
    if clip is None:
        if at is None:
            raise TimeError("say where: --at TIME, or --clip NAME for a whole clip")
        record = parse_time(at.removesuffix("@rec"), project.rate, project.start)
        strip = _topmost(project, record)
        found, start = strip.clip, strip.composition_time(record)
    else:
        found = find_clip(project, clip)
        start = found.record.start if at is None else _start(project, found, at)
    if not found.record.start <= start < found.record.stop:
        raise TimeError(f"{at} lies outside clip {found.name!r}, which shows {_shown(found)}")
    stop = found.record.stop if length is None else start + parse_time(length, project.rate)
    if stop <= start:
        raise TimeError(f"a segment needs some length, got {length}")
    if stop > found.record.stop:
        most = found.record.stop - start
        raise TimeError(
            f"{length} from there reaches past the end of {found.name!r}; at most {float(most):.3f}s, {most * project.rate // 1}f"
        )
    return found, found.source_span(Span.between(start, stop))


def _start(project: Project, clip: Clip, at: str) -> Fraction:
    """The record time, in the clip's composition, of a TIME given with a clip."""
    if at.endswith("@rec"):
        record = parse_time(at.removesuffix("@rec"), project.rate, project.start)
        strips = [s for e in cut(project) for s in _strips(e.picture) if s.clip.place == clip.place]
        return strips[0].composition_time(record) if strips else record
    if ":" in at:
        return clip.record_time(timecode_seconds(at, clip.rate))
    return clip.record.start + parse_time(at, project.rate)


def _strips(picture: Node) -> list[Strip]:
    if isinstance(picture, Shown):
        return [picture.strip]
    if isinstance(picture, Dissolve | Morph):
        return [*_strips(picture.outgoing), *_strips(picture.incoming)]
    return []


def _shown(clip: Clip) -> str:
    first, last = clip.source.start, clip.source.stop - 1 / clip.rate
    return f"{timecode(first, clip.rate)} to {timecode(last, clip.rate)} of its source ({float(clip.record.duration):.3f}s)"
