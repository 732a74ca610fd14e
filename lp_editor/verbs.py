"""What an editor does with a project, from Python: open, mark, plan, render, save. The CLI is a thin layer over this.

Documents are values: every verb that changes one returns the changed one, and nothing is written before `save`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from lp_editor import personal
from lp_editor.effect import Effect, JointEffect, Meeting, Proposal, Scene, parameters
from lp_editor.errors import FaceError, MediaError, ParamError, ProjectError, TimeError
from lp_editor.files import make_folder
from lp_editor.marking import Meaning, joint_length, meant, meant_face, with_markers
from lp_editor.media.picture import Picture
from lp_editor.media.probe import probe
from lp_editor.media.sink import Codec
from lp_editor.plan import Plan, scene_of, segment_span
from lp_editor.plan import check as check_edits
from lp_editor.registry import Registry
from lp_editor.render.checks import with_checks
from lp_editor.render.clips import render_clips
from lp_editor.render.footage import bind
from lp_editor.render.hearing import speech_of
from lp_editor.render.joints import meeting
from lp_editor.render.program import Settings, check_output, opened, render_program, render_still, staged
from lp_editor.render.regained import Regaining
from lp_editor.render.report import Progress, Report, silent
from lp_editor.timeline import clipboard, edit
from lp_editor.timeline.cut import Morph, cut, strips, strips_of
from lp_editor.timeline.document import Document, open_document, undo
from lp_editor.timeline.find import find_clip, find_segment, marked_span, topmost_clip_at
from lp_editor.timeline.media import Search
from lp_editor.timeline.model import Clip, Joint, ParamValue, Project, Segment, Span, clips_of
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.timecode import exact_number, exact_rate, parse_time

__all__ = [
    "Codec",
    "Document",
    "Marked",
    "Report",
    "Settings",
    "copy",
    "delete_key",
    "fit_joint",
    "fit_joints",
    "key_by_scene",
    "mark",
    "move_key",
    "open_project",
    "paste",
    "plan",
    "render",
    "render_stretches",
    "save",
    "save_preset",
    "set_key",
    "still",
    "undo",
    "unmark",
]  # fmt: skip


def open_project(
    path: str | Path, *, sequence: str | None = None, media: Sequence[str | Path] = (), rate: str | None = None,
    registry: Registry | None = None,
) -> Document:  # fmt: skip
    """Open a project file, with the marks that were made in it as markers.

    ``sequence`` picks one of several by name or number, ``media`` are folders to look for files in, ``rate`` (``25``,
    ``29.97``) is for edit lists, which say none. Raises `ProjectError`, saying where, for what cannot be read.
    """
    search = Search(tuple(Path(folder) for folder in media), _holds) if media else None
    registry = registry or Registry.installed()
    regain = Regaining(Path(path).absolute().parent, search, registry).renders
    document = open_document(Path(path), sequence, search, None if rate is None else _rate(rate), regain)
    return with_markers(document, registry)


def _holds(path: Path, clip: Clip) -> bool:
    """Whether a file has, by its own timecode, what a clip shows."""
    try:
        info = probe(path)
    except MediaError:
        return False
    zero = info.timecode or Fraction(0)
    duration = info.video.duration if info.video else max((a.duration for a in info.audio), default=Fraction(0))
    return zero <= clip.source.start and clip.source.stop <= zero + duration + 1 / clip.rate


def _rate(text: str) -> Fraction:
    try:
        return exact_rate(float(exact_number(text)))
    except (ValueError, TimeError):
        raise ParamError(f"a rate is frames per second (25, 29.97), got {text[:40]!r}") from None


def save(document: Document, path: str | Path | None = None) -> Document:
    """Write a project, whole or not at all; without a path over its own file, which `undo` takes back.

    Returns the document as it now lies on the disk: go on with that.
    """
    target = None if path is None else Path(path)
    return document.save(target, size=None if target is None else _size(document.project))


def _size(project: Project) -> tuple[int, int] | None:
    """The picture size of a project's first clip whose media are here: no model has one, and some files must."""
    pictures = (c for c in project.clips() if c.place.split(">")[-1].startswith("V") and c.media.kind == "file")
    for path in dict.fromkeys(c.media.path for c in pictures if c.media.path is not None):
        try:
            video = probe(path).video
        except MediaError:
            continue
        if video is not None:
            return video.format.width, video.format.height
    return None


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
    force: bool = False,
    registry: Registry | None = None,
) -> Marked:
    """Mark a stretch of a clip with an effect, or a cut with a joint effect; ``force`` puts a joint in a dissolve's place,
    and joins what its effect would refuse.

    ``at`` and ``length`` are TIME texts (``2s``, ``12f``, timecode). Without ``clip``, ``at`` is record time and means
    the topmost clip there. ``params`` may be values or texts as on the command line; ``ease``, ``face`` and
    ``preset`` are understood too. Raises `ParamError`, `TimeError`, `ProjectError`.
    """
    registry = registry or Registry.installed()
    project = document.project
    meaning = meant(effect, params or {}, registry, project.rate)
    if meaning.joins:
        return _mark_joint(document, meaning, clip, at, length, force)
    found_clip, span = marked_span(project, clip, at, length)
    name = meaning.effect.name
    segment = Segment(edit.new_id(project), name, span, meaning.params, meaning.face, meaning.ease)
    return Marked(document.replace(edit.add_segment(project, found_clip, segment)), found_clip, segment)


def _mark_joint(
    document: Document, meaning: Meaning, clip: str | None, at: str | None, length: str | None, force: bool
) -> Marked:  # fmt: skip
    """A joint at the end of the clip named, or at the cut nearest to a record time; over ``length``, 8 frames by default."""
    project, effect = document.project, meaning.effect.name
    if clip is not None:
        found = find_clip(project, clip)
    elif at is not None:
        found = edit.clip_before_cut(project, parse_time(at, project.rate, project.start))
    else:
        raise TimeError(f"{effect} joins two clips: say --clip (the one before the cut) or --at (near the cut)")
    before, after = joint_length(length, project.rate, effect)
    params = dict(meaning.params)
    if force and "force" in {p.name for p in parameters(meaning.effect)}:
        params["force"] = True
    over = force or params.get("force") is True
    project = edit.add_joint(project, found, Joint(edit.new_id(project), effect, before, after, params), over)
    marked = find_clip(project, found.place)
    assert marked.joint is not None
    return Marked(document.replace(project), marked, marked.joint)


def key_by_scene(
    document: Document, segment: str, settings: Settings | None = None, *, registry: Registry | None = None
) -> tuple[Document, list[str]]:  # fmt: skip
    """Put the keys into a segment that its effect works out from what is said; needs the media. Returns notes too.

    A segment whose effect works out none stays as it is.
    """
    registry = registry or Registry.installed()
    clip = find_segment(document.project, segment)
    found = next((s for s in clip.segments if s.id == segment), None)
    if found is None:
        return document, []
    effect = registry.effect(found.effect)
    if effect.keyed is Effect.keyed:
        return document, []
    project, settings = document.project, settings or Settings()
    strip = next((s for s in strips(cut(project)).values() if s.clip.place == clip.place), None)
    if strip is None:
        return document, ["the clip is not seen in the cut, so no keys were made"]
    said = speech_of(found, effect, bind({strip.key: strip})[strip.key], project, settings.cache)
    seconds = float(segment_span(strip, found).duration)
    params = effect.parse(found.params).keyed(Scene(seconds, project.rate, speech=said))
    notes = [f"speech read by {said.method}", *said.notes]
    return document.replace(edit.set_params(project, segment, {**found.params, **params})), notes


def propose(
    document: Document,
    effect: str,
    *,
    clip: str | None = None,
    settings: Settings | None = None,
    registry: Registry | None = None,
    progress: Progress = silent,
) -> tuple[Document, list[Segment | Joint]]:
    """Let an effect mark a clip where it thinks it applies; needs the media. Returns the new marks.

    A joint effect marks the cuts at both ends of a clip, without one every cut of the program. Raises `ParamError` for an
    effect that makes no proposals.
    """
    registry = registry or Registry.installed()
    kind = registry.effect(effect)
    if issubclass(kind, JointEffect):
        return _propose_joints(document, kind, clip, settings or Settings(), registry, progress)
    if clip is None:
        raise ParamError(f"say in which clip {effect} is to look: --clip")
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
    marked, made = document.project, list[Segment | Joint]()
    for proposal in kind.mark(scene):
        start = found.record.start + Fraction(proposal.start).limit_denominator(10**6)
        span = Span(start, Fraction(proposal.seconds).limit_denominator(10**6)).intersect(found.record)
        if span is None:
            continue
        kind.parse(proposal.params)
        segment = Segment(edit.new_id(marked), effect, found.source_span(span), proposal.params)
        marked = edit.add_segment(marked, found, segment)
        made.append(segment)
    return document.replace(marked), made


def _propose_joints(
    document: Document, kind: type[JointEffect], clip: str | None, settings: Settings, registry: Registry,
    progress: Progress,
) -> tuple[Document, list[Segment | Joint]]:  # fmt: skip
    """Let a joint effect mark the cuts where it thinks it applies; those that are joined or dissolve are left alone."""
    if not _proposes(kind):
        raise ParamError(f"{kind.name} makes no proposals; mark it with --clip or --at")
    project = document.project
    ends = {find_clip(project, clip).place} if clip else {c.place for c in project.clips()}
    there = [c for c in edit.picture_cuts(project) if {c.before.place, c.after.place} & ends]
    free = [c for c in there if c.dissolve is None and c.before.joint is None]
    bare = edit.remove_marks(project, edit.all_ids(project))
    made: list[Segment | Joint] = []
    for found in free:
        seen = _at_cut(bare, found, kind, settings, registry, progress)
        proposal = kind.mark_cut(seen) if seen else None
        if proposal is None:
            continue
        kind.parse(proposal.params)
        before, after = _halves(proposal, project.rate)
        joint = Joint(edit.new_id(document.project), kind.name, before, after, proposal.params)
        document = document.replace(edit.add_joint(document.project, found.before, joint))
        made.append(joint)
    return document, made


def fit_joint(
    document: Document, joint: str, settings: Settings | None = None, *, registry: Registry | None = None,
    progress: Progress = silent,
) -> Document:  # fmt: skip
    """A joint as long as its effect would propose it there; needs the media. As it was where the effect would not."""
    registry, project = registry or Registry.installed(), document.project
    found = next((c for c in edit.picture_cuts(project) if c.before.joint and c.before.joint.id == joint), None)
    if found is None or found.dissolve is not None or found.before.joint is None:
        return document
    kind, marked = registry.effect(found.before.joint.effect), found.before.joint
    if not issubclass(kind, JointEffect) or not _proposes(kind):
        return document
    bare = edit.remove_marks(project, edit.all_ids(project))
    (there,) = (c for c in edit.picture_cuts(bare) if c.before.place == found.before.place)
    seen = _at_cut(bare, there, kind, settings or Settings(), registry, progress)
    proposal = kind.mark_cut(seen) if seen else None
    if proposal is None:
        return document
    before, after = _halves(proposal, project.rate)
    without = edit.remove_marks(project, [joint])
    clip = find_clip(without, found.before.place)
    return document.replace(edit.add_joint(without, clip, replace(marked, before=before, after=after)))


def fit_joints(
    document: Document, settings: Settings | None = None, *, registry: Registry | None = None,
    progress: Progress = silent,
) -> Document:  # fmt: skip
    """The document with the joints of markers that say no length as long as `fit_joint` makes them, where it can.

    Nothing changes in its file: it is done whenever the document is rendered.
    """
    for joint in sorted(document.loose):
        with suppress(FaceError, MediaError):  # what is wrong with them is told by who renders them
            fitted = fit_joint(document, joint, settings, registry=registry, progress=progress)
            document = document.understood(fitted.project, document.remarks, document.loose)
    return document


def _proposes(kind: type[JointEffect]) -> bool:
    """Whether an effect looks at cuts at all: only then are faces looked for on their sides."""
    return kind.mark_cut.__func__ is not JointEffect.mark_cut.__func__  # type: ignore[attr-defined]


def _halves(proposal: Proposal, rate: Fraction) -> tuple[Fraction, Fraction]:
    """How long a proposed joint is before and after its cut, in whole frames."""
    frames = max(round(proposal.seconds * float(rate)), 1)
    before = Fraction(frames // 2) / rate
    return before, Fraction(frames) / rate - before


def _at_cut(
    bare: edit.Project, found: edit.Cut, kind: type[JointEffect], settings: Settings, registry: Registry, progress: Progress
) -> Meeting | None:  # fmt: skip
    """What two clips look like at their cut; None where the program does not show it, or a side has no picture."""
    before, after = (min(c.record.duration, Fraction(1)) for c in (found.before, found.after))
    looked = edit.add_joint(bare, found.before, Joint("look", kind.name, before, after))
    events = [e for e in cut(looked) if isinstance(e.picture, Morph)]
    if not events:
        return None
    with staged(looked, registry, events, settings, progress) as stage:
        blend = next(iter(stage.plan.blends.values()), None)
        return meeting(stage, blend) if blend else None


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


def copy(document: Document, *segments: str, clip: str | None = None) -> tuple[Segment, ...]:
    """Segments of one clip, by their ids or all of ``clip``, to be pasted elsewhere. Raises `ProjectError`."""
    project = document.project
    return clipboard.of_clip(project, find_clip(project, clip)) if clip else clipboard.copied(project, segments)


@dataclass(frozen=True)
class Pasted:
    """A document with pasted marks, the marks, and what is to be said of them."""

    document: Document
    segments: tuple[Segment, ...]
    notes: tuple[str, ...]


def paste(
    document: Document, segments: Sequence[Segment], *, clip: str, at: str | None = None, face: str | None = None,
    registry: Registry | None = None,
) -> Pasted:  # fmt: skip
    """Put copied segments on a clip: from ``at`` on, or as far from its start as they lay in theirs.

    Raises `ProjectError`, `TimeError`, and `ParamError` for what the installed effects do not take.
    """
    project = document.project
    found, start = find_clip(project, clip), None
    if at is not None:
        found, span = marked_span(project, clip, at, None)
        start = found.record_span(span).start
    if face is not None:
        face = meant_face(face)
    made = clipboard.pasted(project, segments, found, start, face)
    check_edits(made.project, registry or Registry.installed())
    return Pasted(document.replace(made.project), made.segments, made.notes)


def save_preset(
    document: Document,
    segment: str,
    name: str,
    help: str = "",
    *,
    force: bool = False,
    registry: Registry | None = None,
) -> Path:
    """Keep a mark's effect and parameters as a preset of the user's. Raises `ParamError` for a name that is taken."""
    registry = registry or Registry.installed()
    clip = find_segment(document.project, segment)
    marks = [m for m in (*clip.segments, clip.joint) if m is not None and m.id == segment]
    path, taken = personal.file_of(name), name in registry.presets
    if taken and not path.exists():
        raise ParamError(f"a preset {name!r} is there already, and not one of yours; choose another name")
    if taken and not force:
        raise ParamError(f"you have a preset {name!r} already; choose another name or pass --force")
    return personal.save(name, marks[0].effect, help, marks[0].params)


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
    project = fit_joints(document, settings, registry=registry, progress=progress).project
    with opened(project, registry, cut(project), settings or Settings(), progress) as stage:
        return stage.plan


def render(
    document: Document, output: str | Path, settings: Settings | None = None, *, matte: str | Path | None = None,
    registry: Registry | None = None, progress: Progress = silent,
) -> Report:  # fmt: skip
    """Render the whole cut into one file. See `Settings` for codec, engine, format and overwriting."""
    asked, registry = settings or Settings(), registry or Registry.installed()
    if document.loose and asked.part is None:
        check_output(Path(output), asked.force, asked.delivery.codec)  # before any work
    project = fit_joints(document, asked, registry=registry, progress=progress).project
    return render_program(project, registry, Path(output), asked, None if matte is None else Path(matte), progress)


def render_stretches(
    document: Document, folder: str | Path, settings: Settings | None = None, *, matte: bool = False,
    above: bool = False, registry: Registry | None = None, progress: Progress = silent,
) -> tuple[Document, Report]:  # fmt: skip
    """Render each marked stretch as its own file with handles; returns the project relinked to them, not yet saved.

    ``above``: the renders lie on a new track over the untouched clips instead of in their place; renders with alpha
    always do.
    """
    if not edit.all_ids(document.project):
        raise ProjectError(f"{document.path} has no marks, so no stretch to render; mark one first")
    asked, registry = settings or Settings(), registry or Registry.installed()
    document = fit_joints(document, asked, registry=registry, progress=progress)
    project = document.to_render()
    make_folder(Path(folder))
    if not edit.all_ids(project):
        return document.relinked([]), Report(notes=["every mark was rendered before; nothing was to be done"])
    rendered, report = render_clips(project, registry, Path(folder), asked, progress, matte)
    checked = document.replace(with_checks(document.project, report.checks)) if report.checks else document
    above = above or asked.delivery.alpha
    return checked.relinked(_placed(checked, rendered, above, report), above), report


def _placed(document: Document, rendered: Sequence[Rendered], above: bool, report: Report) -> list[Rendered]:
    """What is relinked: sound only where a project's dialect can, and beside pictures in their own place."""
    sounds = {c.place for t in document.project.tracks if t.kind == "audio" for c in clips_of((t,))}
    heard = [r for r in rendered if r.place in sounds]
    if not heard or (not above and document.path.suffix.lower() == ".otio"):
        return list(rendered)
    names = ", ".join(dict.fromkeys(r.path.name for r in heard))
    report.note(f"the new sound is in {names}, but the sound tracks still play the old one; lay it there by hand")
    return [r for r in rendered if r.place not in sounds]


FLAVOURS = {
    "premiere": ".xml", "resolve": ".otio", "fcpxml": ".fcpxml", "otio": ".otio", "edl": ".edl", "aaf": ".aaf",
}  # fmt: skip
"""What a project can be written for, and the end of its file's name."""


@dataclass(frozen=True)
class RoundTrip:
    """What came of there and back: the project to import, as saved, and the render's report."""

    document: Document
    report: Report

    @property
    def path(self) -> Path:
        """The project's file."""
        return self.document.path


def roundtrip(
    document: Document,
    folder: str | Path,
    settings: Settings | None = None,
    *,
    flavour: str = "",
    above: bool = False,
    registry: Registry | None = None,
    progress: Progress = silent,
) -> RoundTrip:
    """Render every marked stretch into a folder, and write the project that shows them beside: as it came, or for one of
    `FLAVOURS`. Raises `OutputError` for a project that is there already, unless ``settings.force``."""
    asked = settings or Settings()
    name = Path(document.returned_name)
    target = Path(folder) / (name.with_suffix(FLAVOURS[flavour]) if flavour else name)
    if target.exists():
        check_output(target, asked.force)
    relinked, report = render_stretches(document, folder, asked, above=above, registry=registry, progress=progress)
    return RoundTrip(relinked.save(target, flavour, _size(document.project)), report)


def still(
    document: Document, at: str, settings: Settings | None = None, *,
    registry: Registry | None = None, progress: Progress = silent,
) -> tuple[Picture, Picture, Report]:  # fmt: skip
    """One finished frame at a record time, the same frame as filmed, and the report."""
    asked, registry = settings or Settings(), registry or Registry.installed()
    project = fit_joints(document, asked, registry=registry, progress=progress).project
    time = parse_time(at, project.rate, project.start)
    finished, filmed, report = render_still(project, registry, time, asked, progress)
    return finished.picture, filmed.picture, report
