"""What an editor does with a project, from Python: open, mark, plan, render, save. The CLI is a thin layer over this.

Documents are values: every verb that changes one returns the changed one, and nothing is written before `save`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lp_editor.effect import Effect, JointEffect, parameters
from lp_editor.errors import ParamError, ProjectError, TimeError
from lp_editor.faces import parse_choice
from lp_editor.media.picture import Picture
from lp_editor.media.sink import Codec
from lp_editor.plan import Plan, scene_of
from lp_editor.plan import check as check_edits
from lp_editor.registry import Registry
from lp_editor.render.clips import render_clips
from lp_editor.render.program import Settings, opened, render_program, render_still
from lp_editor.render.report import Progress, Report, silent
from lp_editor.timeline import edit
from lp_editor.timeline.curve import Curve
from lp_editor.timeline.cut import cut, strips_of
from lp_editor.timeline.document import Document, open_document, undo
from lp_editor.timeline.find import find_clip, find_segment, marked_span, topmost_clip_at
from lp_editor.timeline.model import Clip, Ease, Joint, ParamValue, Segment, Span
from lp_editor.timeline.timecode import parse_time

__all__ = [
    "Codec",
    "Document",
    "Marked",
    "Report",
    "Settings",
    "delete_key",
    "mark",
    "move_key",
    "open_project",
    "plan",
    "render",
    "render_stretches",
    "save",
    "set_key",
    "still",
    "undo",
    "unmark",
]  # fmt: skip


def open_project(path: str | Path) -> Document:
    """Open a project file. Raises `ProjectError`, saying where, for what cannot be read."""
    return open_document(Path(path))


def save(document: Document, path: str | Path | None = None) -> Document:
    """Write a project, whole or not at all; without a path over its own file, which `undo` takes back.

    Returns the document as it now lies on the disk: go on with that.
    """
    return document.save(None if path is None else Path(path))


@dataclass(frozen=True)
class Marked:
    """A document with a new mark in it, and the mark."""

    document: Document
    clip: Clip
    mark: Segment | Joint


def mark(
    document: Document,
    effect: str = "",
    *,
    clip: str | None = None,
    at: str | None = None,
    length: str | None = None,
    params: Mapping[str, ParamValue | str] | None = None,
    registry: Registry | None = None,
) -> Marked:
    """Mark a stretch of a clip with an effect, or a cut with a joint effect.

    ``at`` and ``length`` are TIME texts (``2s``, ``12f``, timecode). Without ``clip``, ``at`` is record time and means
    the topmost clip there. ``params`` may be values or texts as on the command line; ``ease``, ``face`` and
    ``preset`` are understood too. Raises `ParamError`, `TimeError`, `ProjectError`.
    """
    registry = registry or Registry.installed()
    project = document.project
    wanted = dict(params or {})
    preset = wanted.pop("preset", None)
    if preset is not None:
        found = registry.preset(str(preset))
        if effect and found.effect != effect:
            raise ParamError(f"preset {found.name!r} is one of {found.effect}, not of {effect}")
        effect, wanted = found.effect, {**found.params, **wanted}
    if not effect:
        raise ParamError(f"name an effect ({', '.join(registry.effects)}) or a preset")
    kind = registry.effect(effect)
    ease = _ease(wanted.pop("ease", None), project.rate)
    face = str(wanted.pop("face", "largest"))
    texts = {p.name for p in parameters(kind) if p.kind in ("str", "choice")}
    values = {n: v if n in texts else _value(v, project.rate) for n, v in wanted.items()}
    kind.parse(values)
    if issubclass(kind, JointEffect):
        return _mark_joint(document, effect, clip, at, length, values)
    found_clip, span = marked_span(project, clip, at, length)
    segment = Segment(edit.new_id(project), effect, span, values, _face(face), ease)
    return Marked(document.replace(edit.add_segment(project, found_clip, segment)), found_clip, segment)


def _mark_joint(
    document: Document, effect: str, clip: str | None, at: str | None, length: str | None,
    params: Mapping[str, ParamValue],
) -> Marked:  # fmt: skip
    """A joint at the end of the clip named, or at the cut nearest to a record time; over ``length``, 8 frames by default."""
    project = document.project
    if clip is not None:
        found = find_clip(project, clip)
    elif at is not None:
        found = edit.clip_before_cut(project, parse_time(at, project.rate, project.start))
    else:
        raise TimeError(f"{effect} joins two clips: say --clip (the one before the cut) or --at (near the cut)")
    frames = round(parse_time(length, project.rate) * project.rate) if length else 8
    if frames < 1:
        raise TimeError(f"{effect} needs at least one frame, got {length}")
    before = frames // 2
    joint = Joint(
        edit.new_id(project), effect, Fraction(before) / project.rate, Fraction(frames - before) / project.rate, params
    )
    return Marked(document.replace(edit.add_joint(project, found, joint)), found, joint)


def _value(value: ParamValue | str, rate: Fraction) -> ParamValue:
    """A parameter as a segment stores it, from a value or from command-line text."""
    if not isinstance(value, str):
        return value
    lowered = value.strip().lower()
    if lowered in ("true", "false", "yes", "no", "on", "off"):
        return lowered in ("true", "yes", "on")
    if "@" in value or _is_number(value):
        return Curve.parse(value, rate)
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _ease(value: object, rate: Fraction) -> Ease | None:
    """``ease=12f`` both ways, ``ease=6f,12f`` in and out, ``ease=0`` none."""
    if value is None:
        return None
    parts = [parse_time(part, rate) for part in str(value).split(",")]
    if len(parts) > 2 or any(p < 0 for p in parts):
        raise ParamError(f"ease is a time, or two: in and out (ease=12f or ease=6f,12f), got {value!r}")
    return Ease(parts[0], parts[-1])


def _face(text: str) -> str:
    """A face as a project keeps it: a reference picture by its whole path."""
    wanted = parse_choice(text)
    if wanted.by != "like":
        return text
    if not wanted.file.is_file():
        raise ParamError(f"face={text}: there is no file {wanted.file}")
    return f"like:{wanted.file.resolve()}"


def propose(
    document: Document,
    effect: str,
    *,
    clip: str,
    settings: Settings | None = None,
    registry: Registry | None = None,
    progress: Progress = silent,
) -> tuple[Document, list[Segment]]:
    """Let an effect mark a clip where it thinks it applies; needs the media. Returns the new marks.

    Raises `ParamError` for an effect that makes no proposals.
    """
    registry = registry or Registry.installed()
    kind = registry.effect(effect)
    if kind.mark.__func__ is Effect.mark.__func__:  # type: ignore[attr-defined]
        raise ParamError(f"{effect} makes no proposals; mark it with --at and --for")
    found = find_clip(document.project, clip)
    whole = Segment("whole", effect, found.source)
    bare = edit.remove_marks(document.project, edit.all_ids(document.project))
    project = edit.add_segment(bare, found, whole)
    events = [e for e in cut(project) if any(s.clip.place == found.place for s in strips_of(e.picture))]
    with opened(project, registry, events, settings or Settings(), progress) as stage:
        ((_, finding),) = stage.cast.findings.items()
    scene = scene_of(float(found.record.duration), project.rate, finding)
    marked, made = document.project, []
    for proposal in kind.mark(scene):
        start = found.record.start + Fraction(proposal.start).limit_denominator(10**6)
        span = Span(start, Fraction(proposal.seconds).limit_denominator(10**6)).intersect(found.record)
        if span is None:
            continue
        kind.parse(proposal.params)
        made.append(Segment(edit.new_id(marked), effect, found.source_span(span), proposal.params))
        marked = edit.add_segment(marked, found, made[-1])
    return document.replace(marked), made


def unmark(
    document: Document, *, segment: str | None = None, clip: str | None = None, at: str | None = None
) -> tuple[Document, list[str]]:
    """Take marks away: one by id, all of a clip, those at a record time, or all; returns the ids that went."""
    project = document.project
    if segment is not None:
        find_segment(project, segment)
        gone = [segment]
    elif clip is not None or at is not None:
        found = find_clip(project, clip) if clip else topmost_clip_at(
            project, parse_time(str(at), project.rate, project.start)
        )  # fmt: skip
        gone = [s.id for s in found.segments] + ([found.joint.id] if found.joint else [])
    else:
        gone = edit.all_ids(project)
    if not gone:
        raise ProjectError("nothing is marked there")
    return document.replace(edit.remove_marks(project, gone)), gone


def set_key(document: Document, segment: str, param: str, at: str, value: float, interpolation: str) -> Document:
    """Set a key of a segment's parameter at a time from the segment's start; registered bounds are kept."""
    project = document.project
    time = parse_time(at, project.rate)
    return _checked(document, edit.set_key(project, segment, param, time, value, interpolation))


def move_key(document: Document, segment: str, param: str, at: str, to: str) -> Document:
    """Move the key at one time to another."""
    rate = document.project.rate
    return _checked(
        document, edit.move_key(document.project, segment, param, parse_time(at, rate), parse_time(to, rate))
    )


def delete_key(document: Document, segment: str, param: str, at: str) -> Document:
    """Delete the key at a time."""
    return _checked(document, edit.delete_key(document.project, segment, param, parse_time(at, document.project.rate)))


def _checked(document: Document, project: edit.Project) -> Document:
    check_edits(project, Registry.installed())
    return document.replace(project)


def plan(
    document: Document, settings: Settings | None = None, *, registry: Registry | None = None,
    progress: Progress = silent,
) -> Plan:  # fmt: skip
    """Analyse the faces and plan every control of every frame, without rendering."""
    registry = registry or Registry.installed()
    project = document.project
    with opened(project, registry, cut(project), settings or Settings(), progress) as stage:
        return stage.plan


def render(
    document: Document, output: str | Path, settings: Settings | None = None, *, matte: str | Path | None = None,
    registry: Registry | None = None, progress: Progress = silent,
) -> Report:  # fmt: skip
    """Render the whole cut into one file. See `Settings` for codec, engine, format and overwriting."""
    return render_program(
        document.project, registry or Registry.installed(), Path(output), settings or Settings(),
        None if matte is None else Path(matte), progress,
    )  # fmt: skip


def render_stretches(
    document: Document, folder: str | Path, settings: Settings | None = None, *, matte: bool = False,
    registry: Registry | None = None, progress: Progress = silent,
) -> tuple[Document, Report]:  # fmt: skip
    """Render each marked stretch as its own file with handles; returns the project relinked to them, not yet saved.

    Files with alpha are to lie over the original: the project then stays as it is.
    """
    rendered, report = render_clips(
        document.project, registry or Registry.installed(), Path(folder), settings or Settings(), progress, matte
    )
    if not rendered:
        raise ProjectError(f"{document.path} has no marks, so no stretch to render; mark one first")
    if settings is not None and settings.delivery.alpha:
        report.note("the files have alpha: lay them on a track over the original, at their timecode")
        return document, report
    return document.relinked(rendered), report


def still(
    document: Document, at: str, settings: Settings | None = None, *,
    registry: Registry | None = None, progress: Progress = silent,
) -> tuple[Picture, Picture, Report]:  # fmt: skip
    """One finished frame at a record time, the same frame as filmed, and the report."""
    project = document.project
    time = parse_time(at, project.rate, project.start)
    finished, filmed, report = render_still(
        project, registry or Registry.installed(), time, settings or Settings(), progress
    )
    return finished.picture, filmed.picture, report
