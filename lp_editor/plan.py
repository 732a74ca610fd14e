"""Turns a project into a plan: what every program frame shows, and what is asked of every face in it.

Pure: it reads no file and decides nothing by looking at pictures. What effects need to see comes in as `Findings`.
How segments on one face combine, whatever their order: filmed, then neutralise (the strongest), then the driver (one
per region), then the sum of the offsets, clamped, then the targets (weighted mean).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import (
    COLUMN,
    HIGH,
    LOW,
    REGIONS,
    TARGET_COLUMN,
    TARGETS,
    Controls,
    FloatArray,
    PackedControls,
    Part,
    parts_of,
)
from lp_editor.effect import FINISHES, Crossing, Edit, JointEffect, Performance, Scene, Sound
from lp_editor.errors import LpEditorError, ParamError, PluginError, UnknownEffectError
from lp_editor.face import Face, FaceTrack
from lp_editor.recording import Recording
from lp_editor.registry import Registry
from lp_editor.timeline.curve import Signal
from lp_editor.timeline.cut import Event, Morph, Strip, cut, strips, strips_of
from lp_editor.timeline.model import Ease, Project, Segment, Span
from lp_editor.utterance import Speech

SLACK = 1e-9
"""What rounding may add to a sum that just reaches its bound."""

MOST_FRAMES = 10_000_000
"""Of a program: four days at 25 a second."""

MOST_MARKED = 1_000_000
"""Of a marked clip, and of a mark: every control of every frame is held. Eleven hours at 25 a second."""

DEFAULT_EASE = Ease(Fraction(1, 5), Fraction(1, 5))
"""How a segment comes and goes unless told: 5 frames at 25 a second."""


@dataclass(frozen=True)
class Driver:
    """A driving performance as found: its face track (or what a file without a picture holds), frames per second, and
    the file it is in."""

    path: str
    track: FaceTrack | None
    rate: Fraction
    recording: Recording | None = None

    @property
    def frames(self) -> range:
        """The numbers of its frames."""
        if self.recording is not None:
            return range(len(self.recording))
        assert self.track is not None
        return range(self.track.first, self.track.stop)

    def shows(self, frame: int) -> bool:
        """Whether a frame says anything."""
        return self.recording is not None or (self.track is not None and self.track.at(frame) is not None)


@dataclass(frozen=True)
class Finding:
    """What the host found out for one segment before planning.

    ``face`` tells the faces of a clip apart (equal means one face); the rest is what the effect ``needs``.
    """

    face: str
    faces: Sequence[Face | None] = ()
    sound: Sound | None = None
    speech: Speech | None = None
    driver: Driver | None = None
    poses: FloatArray = field(default_factory=lambda: np.zeros((0, 3)), compare=False)
    gazes: FloatArray = field(default_factory=lambda: np.zeros((0, 2)), compare=False)
    size: tuple[int, int] | None = None


Findings = Mapping[str, Finding]
"""By `finding_key`."""


def finding_key(strip: Strip, segment: Segment) -> str:
    """Names a segment as it plays in one strip."""
    return f"{strip.key}#{segment.id}"


@dataclass(frozen=True)
class Drive:
    """A driver for some parts of one face: its frame for each frame of the shot (-1 none), and how strongly. The rest is
    as in `Performance`; ``rest`` is a frame."""

    driver: Driver
    frames: NDArray[np.intp]
    strength: FloatArray
    regions: tuple[Part, ...]
    relative: bool | None
    segment: str
    rest: int | None = None
    smooth: float = 0.0
    mirror: bool = False


@dataclass(frozen=True)
class FacePlan:
    """All that is asked of one face of a shot, a row of ``controls`` for each of its frames."""

    face: str
    controls: PackedControls
    drives: tuple[Drive, ...] = ()
    segments: tuple[Segment, ...] = ()
    clipped: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    """Which frames ask for more than a control gives, (T,)."""
    finish: FloatArray = field(default_factory=lambda: np.zeros((0, len(FINISHES))))
    """How much of each finish, 0..1, (T, finish); without rows none."""

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Which frames ask an engine to move the face, (T,)."""
        busy = self.controls.active
        for drive in self.drives:
            busy = busy | (drive.strength > 0)
        return busy

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which frames ask for anything, (T,)."""
        return self.moved | self.finish.any(1) if len(self.finish) else self.moved


@dataclass(frozen=True)
class Shot:
    """A clip ready to render: program frames from ``first``, under transitions, joints and handles too."""

    strip: Strip
    first: int
    count: int
    faces: tuple[FacePlan, ...] = ()


@dataclass(frozen=True)
class Blend:
    """A joint ready to render: how far over to the next clip each of its frames is, 0..1."""

    morph: Morph
    first: int
    weights: FloatArray
    crossing: Crossing


@dataclass(frozen=True)
class Plan:
    """A whole program: its events, the shots they show by strip key, the joints by joint id."""

    rate: Fraction
    events: tuple[Event, ...]
    shots: Mapping[str, Shot]
    blends: Mapping[str, Blend] = field(default_factory=dict)


def check(project: Project, registry: Registry) -> None:
    """Judge every segment's and joint's effect and parameters, without planning anything.

    Raises `ParamError` and `UnknownEffectError`, naming clip and segment.
    """
    for clip in project.clips():
        for segment in clip.segments:
            with _named(f'clip "{clip.name}", segment {segment.id}'):
                if issubclass(registry.effect(segment.effect), JointEffect):
                    raise ParamError(f"{segment.effect} joins two clips; mark it at a cut, not on a span")
                registry.effect(segment.effect).parse(segment.params)
        if clip.joint:
            with _named(f'clip "{clip.name}", joint {clip.joint.id}'):
                if not issubclass(registry.effect(clip.joint.effect), JointEffect):
                    raise ParamError(f"{clip.joint.effect} is no effect for a joint; stitch is one")
                registry.effect(clip.joint.effect).parse(clip.joint.params)


def check_length(project: Project, events: Sequence[Event], handles: int = 0) -> None:
    """Refuse what nobody meant to be so long, before anything is made for every frame of it. Raises `ParamError`."""
    total, shown = sum(event.count for event in events), strips(events)
    if total > MOST_FRAMES:
        raise ParamError(
            f"the program has {total:,} frames ({float(total / project.rate) / 3600:,.0f} hours), {MOST_FRAMES:,} at most; "
            "is a clip's length or a gap's wrong? `inspect` lists them"
        )
    for key, (_, count) in extents(events, handles).items():
        clip = shown[key].clip
        lengths = [(count, "a marked clip")] if clip.segments else []
        lengths += [(round(segment_span(shown[key], s).duration * project.rate), f"segment {s.id}") for s in clip.segments]
        for frames, what in lengths:
            if frames > MOST_MARKED:
                raise ParamError(
                    f'{what} has {frames:,} frames, {MOST_MARKED:,} at most (clip "{clip.name[:60]}", {clip.place}); '
                    "cut it into several"
                )


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Say in every parameter error where it is."""
    try:
        yield
    except (ParamError, UnknownEffectError) as error:
        raise type(error)(f"{error} ({where})") from error
    except LpEditorError:
        raise
    except Exception as error:  # a stranger's code may raise anything
        if os.environ.get("LP_EDITOR_DEBUG"):
            raise
        said = " ".join(str(error).split()) or "no words"
        raise PluginError(f"the effect failed: {type(error).__name__}: {said} ({where})") from error


def plan(
    project: Project,
    registry: Registry,
    findings: Findings | None = None,
    handles: int = 0,
    events: Sequence[Event] | None = None,
) -> Plan:
    """Plan a project (or just some of its events): every control of every face on every frame.

    ``handles`` frames past the cuts are planned too. Raises `ParamError` and `UnknownEffectError`, naming clip and
    segment, for what effects do not take.
    """
    check(project, registry)
    events = cut(project) if events is None else events
    reach = extents(events, handles)
    shots = {
        key: _shot(strip, reach[key], project.rate, registry, findings or {}) for key, strip in strips(events).items()
    }
    return Plan(project.rate, tuple(events), shots, _blends(events, project.rate, registry))


def unmarked(rate: Fraction, events: Sequence[Event], handles: int = 0) -> Plan:
    """The same as if nothing were marked: joints have no place in it."""
    reach = extents(events, handles)
    return Plan(rate, tuple(events), {key: Shot(strip, *reach[key]) for key, strip in strips(events).items()}, {})


def extents(events: Sequence[Event], handles: int = 0) -> dict[str, tuple[int, int]]:
    """First program frame and count of all that the events show of each strip, with handles, by strip key.

    A joint may show its sides' pictures at the cut, which is beside it where it lies on one side of the cut only.
    """
    found: dict[str, tuple[int, int]] = {}
    for event in events:
        beside = 1 if isinstance(event.picture, Morph) else 0
        for strip in strips_of(event.picture):
            first, stop = found.get(strip.key, (event.first, event.stop))
            found[strip.key] = (min(first, event.first - beside), max(stop, event.stop + beside))
    return {k: (first - handles, stop - first + 2 * handles) for k, (first, stop) in found.items()}


def _shot(strip: Strip, extent: tuple[int, int], rate: Fraction, registry: Registry, findings: Findings) -> Shot:
    first, count = extent
    by_face: dict[str, list[_Part]] = {}
    for segment in sorted(strip.clip.segments, key=lambda s: s.id):
        finding = findings.get(finding_key(strip, segment)) or Finding(_face_name(segment))
        part = _part(strip, segment, finding, first, count, rate, registry)
        if len(part.rows):  # a segment may lie beyond the clip's trim
            by_face.setdefault(finding.face, []).append(part)
    faces = tuple(_combine(face, parts, count) for face, parts in sorted(by_face.items()))
    return Shot(strip, first, count, faces)


def _face_name(segment: Segment) -> str:
    return "1" if segment.face == "largest" else segment.face


@dataclass(frozen=True)
class _Part:
    """One segment's edit, sampled on a shot's frames: where it is active, at which seconds, and how strongly (``ease``):
    how far eased in, times its intensity."""

    segment: Segment
    edit: Edit
    finding: Finding
    rows: NDArray[np.intp]
    seconds: FloatArray
    ease: FloatArray

    def share(self, signal: Signal) -> FloatArray:
        """A weight on the part's frames, never above 1."""
        return np.minimum(np.clip(signal.at(self.seconds), 0, 1) * self.ease, 1)


def segment_span(strip: Strip, segment: Segment) -> Span:
    """The program time of a whole segment as its strip plays it, parts beyond the clip's ends included."""
    record = strip.clip.record_span(segment.span)
    return Span(strip.program_time(record.start), record.duration / strip.pace)


def segment_rows(strip: Strip, segment: Segment, first: int, count: int, rate: Fraction) -> NDArray[np.intp]:
    """Which of a shot's frames a segment covers: those whose source time lies in it."""
    if strip.clip.speed == 0:
        inside = segment.span.start <= strip.clip.source.start < segment.span.stop
        return np.arange(count if inside else 0)
    # source time is linear in the frame number, so the covered frames are one run, found exactly
    frames = range(first, first + count)
    step = strip.pace * strip.clip.speed / rate
    origin = strip.source_time(Fraction(0))
    low, high = (segment.span.start - origin) / step, (segment.span.stop - origin) / step
    if step > 0:  # low <= n < high
        start, stop = -(-low // 1), -(-high // 1)
    else:  # high < n <= low
        start, stop = high // 1 + 1, low // 1 + 1
    start, stop = max(int(start), frames.start), min(int(stop), frames.stop)
    return np.arange(start - first, max(stop, start) - first)


def scene_of(seconds: float, rate: Fraction, finding: Finding) -> Scene:
    """What an effect sees of a stretch, with what was found out about it."""
    driver = finding.driver
    return Scene(
        seconds,
        rate,
        finding.faces,
        finding.sound,
        finding.speech,
        driver.track if driver else None,
        driver.rate if driver else None,
        finding.poses,
        finding.gazes,
        finding.size,
        driver.recording if driver else None,
    )


def _part(
    strip: Strip, segment: Segment, finding: Finding, first: int, count: int, rate: Fraction, registry: Registry
) -> _Part:  # fmt: skip
    span = segment_span(strip, segment)
    rows = segment_rows(strip, segment, first, count, rate)
    centre = float((first + Fraction(1, 2)) / rate - span.start)
    seconds = rows / float(rate) + centre
    length = float(span.duration)
    scene = scene_of(length, rate, finding)
    with _named(f'clip "{strip.clip.name}", segment {segment.id}'):
        effect = registry.effect(segment.effect).parse(segment.params)
        edit = effect.edit(scene)
    ease = segment.ease or DEFAULT_EASE
    window = Signal.window(0.0, length, float(ease.rise), float(ease.fall)).at(seconds) * effect.intensity.at(seconds)
    return _Part(segment, edit, finding, rows, seconds, window)


def _combine(face: str, parts: Sequence[_Part], count: int) -> FacePlan:
    """Everything several segments ask of one face. The order of the segments does not matter."""
    controls = Controls.zeros(count)
    total = np.zeros((count, len(TARGETS)))
    drives: list[Drive] = []
    finish = np.zeros((count, len(FINISHES)))
    for part in parts:
        for column, kind in enumerate(FINISHES):
            if kind in part.edit.finish:
                strength = part.share(part.edit.finish[kind])
                finish[part.rows, column] = np.maximum(finish[part.rows, column], strength)
        for name, signal in part.edit.controls.items():
            controls.offsets[part.rows, COLUMN[name]] += signal.at(part.seconds) * part.ease
        for name, target in part.edit.targets.items():
            column = TARGET_COLUMN[name]
            weight = part.share(target.weight)
            controls.targets[part.rows, column] += weight * target.value.at(part.seconds)
            total[part.rows, column] += weight
            controls.weights[part.rows, column] = np.maximum(controls.weights[part.rows, column], weight)
        for region, signal in part.edit.neutralise.items():
            column = REGIONS.index(region)
            strength = part.share(signal)
            controls.neutral[part.rows, column] = np.maximum(controls.neutral[part.rows, column], strength)
        drives += [_drive(part, performance, count) for performance in part.edit.performances]
    _one_driver_per_region(drives)
    over = np.asarray(((controls.offsets < LOW - SLACK) | (controls.offsets > HIGH + SLACK)).any(1))
    np.clip(controls.offsets, LOW, HIGH, out=controls.offsets)
    np.divide(controls.targets, total, out=controls.targets, where=total > 0)
    return FacePlan(face, PackedControls.of(controls), tuple(drives), tuple(p.segment for p in parts), over, finish)


def _drive(part: _Part, performance: Performance, count: int) -> Drive:
    driver = part.finding.driver
    if driver is None:
        raise ParamError(f"{part.segment.effect} follows a driver but none was found (segment {part.segment.id})")
    frames = np.full(count, -1, np.intp)
    there, rate = driver.frames, float(driver.rate)
    moments = np.floor(performance.moment.at(part.seconds) * rate + 1e-6)
    frames[part.rows] = np.clip(moments, there[0], there[-1]).astype(np.intp)
    strength = np.zeros(count)
    strength[part.rows] = part.share(performance.strength)
    rest = None if performance.rest is None else min(max(int(performance.rest * rate), there[0]), there[-1])
    return Drive(
        driver, frames, strength, parts_of(performance.regions), performance.relative, part.segment.id, rest,
        performance.smooth, performance.mirror,
    )  # fmt: skip


def _one_driver_per_region(drives: Sequence[Drive]) -> None:
    for i, one in enumerate(drives):
        for other in drives[:i]:
            shared = set(one.regions) & set(other.regions)
            if shared and one.segment != other.segment and ((one.frames >= 0) & (other.frames >= 0)).any():
                regions = ", ".join(sorted(shared))
                raise ParamError(
                    f"segments {other.segment} and {one.segment} both drive {regions} of one face; "
                    "give them different regions or times"
                )


def _blends(events: Sequence[Event], rate: Fraction, registry: Registry) -> dict[str, Blend]:
    found = {}
    for event in events:
        if isinstance(event.picture, Morph):
            morph = event.picture
            seconds = (np.arange(event.count) + 0.5) / float(rate) + float(
                Fraction(event.first) / rate - morph.span.start
            )
            with _named(f'clip "{morph.outgoing.strip.clip.name}", joint {morph.joint.id}'):
                edit = registry.effect(morph.joint.effect).parse(morph.joint.params).edit(
                    Scene(float(morph.span.duration), rate)
                )  # fmt: skip
                if edit.blend is None:
                    raise ParamError(f"{morph.joint.effect} returned no blend")
            weights = np.clip(edit.blend.at(seconds), 0, 1)
            found[morph.joint.id] = Blend(morph, event.first, weights, edit.crossing)
    return found
