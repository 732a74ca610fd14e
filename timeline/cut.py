"""What the program shows and sounds like, moment by moment: a project's tracks resolved into one row of events.

The topmost enabled picture wins, transitions and joints lie over the cut they belong to, nested sequences are seen
through. Program frame n lies at n / rate; what it shows is decided at that moment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil, floor
from typing import TypeAlias

from lp_editor.timeline.model import Clip, Gap, Item, Joint, Nest, Project, Span, Track, Transition, clips_of

ZERO = Fraction(0)

BLACK = ("black", "black video", "slug")
"""Generators that are meant to be black."""

FILES = ("file", "sequence")
"""Kinds of media that lie in files."""


@dataclass(frozen=True)
class Strip:
    """A clip as it plays in the program: its composition's time is ``origin + pace * program time``."""

    clip: Clip
    origin: Fraction = ZERO
    pace: Fraction = Fraction(1)

    @property
    def key(self) -> str:
        """What tells strips of one project apart: the clip's place."""
        return self.clip.place

    def composition_time(self, program: Fraction) -> Fraction:
        """The time in the clip's own composition at a program time."""
        return self.origin + self.pace * program

    def source_time(self, program: Fraction) -> Fraction:
        """The source time shown at a program time, also outside the clip."""
        return self.clip.source_time(self.composition_time(program))

    def program_time(self, composition: Fraction) -> Fraction:
        """The program time of a time in the clip's own composition."""
        return (composition - self.origin) / self.pace

    @property
    def record(self) -> Span:
        """The clip's record span in program time."""
        start = self.program_time(self.clip.record.start)
        return Span(start, self.clip.record.duration / self.pace)


@dataclass(frozen=True)
class Shown:
    """A clip's picture."""

    strip: Strip


@dataclass(frozen=True)
class Black:
    """No picture; ``reason`` is empty for a plain gap."""

    reason: str = ""


@dataclass(frozen=True)
class Dissolve:
    """One picture going over into another during ``span`` of program time."""

    outgoing: Shown | Black | Dissolve | Morph
    incoming: Shown | Black | Dissolve | Morph
    span: Span

    def weight(self, program: Fraction, rate: Fraction) -> float:
        """How much of the incoming picture a frame shows, 0..1, at the frame's centre."""
        return _progress(self.span, program, rate)


@dataclass(frozen=True)
class Morph:
    """A joint: two clips' pictures becoming one another during ``span`` of program time."""

    outgoing: Shown
    incoming: Shown
    joint: Joint
    span: Span


Picture: TypeAlias = Shown | Black | Dissolve | Morph


@dataclass(frozen=True)
class Event:
    """A run of program frames made in one way."""

    first: int
    count: int
    picture: Picture

    @property
    def stop(self) -> int:
        """The frame after the last."""
        return self.first + self.count


@dataclass(frozen=True)
class Heard:
    """A clip's sound during ``span`` of program time, faded over ``rise`` and ``fall`` seconds at its ends."""

    strip: Strip
    span: Span
    rise: Fraction = ZERO
    fall: Fraction = ZERO


def _progress(span: Span, program: Fraction, rate: Fraction) -> float:
    return min(1.0, max(0.0, float((program + Fraction(1, 2) / rate - span.start) / span.duration)))


def cut(project: Project) -> list[Event]:
    """The events of a program, in order, without a hole, from frame 0 to its last."""
    total = frame_count(project)
    lanes = [_Lane(track) for track in project.tracks if track.kind == "video" and track.enabled]
    edges = sorted({ZERO, *_edges(lanes, ZERO, Fraction(1))})
    frames = sorted({min(max(ceil(e * project.rate), 0), total) for e in edges} | {total})
    events: list[Event] = []
    for first, stop in pairwise(frames):
        picture = _resolve(lanes, Fraction(first) / project.rate, ZERO, Fraction(1)) or Black()
        if events and events[-1].picture == picture:
            events[-1] = replace(events[-1], count=stop - events[-1].first)
        else:
            events.append(Event(first, stop - first, picture))
    return events


def frame_count(project: Project) -> int:
    """How many frames the program has: to the end of its last picture, or of sound that outlasts it by a frame."""
    ends = [item.record.stop for track in project.tracks if track.kind == "video" for item in track.items]
    return max(ceil(max(ends, default=ZERO) * project.rate), floor(project.duration * project.rate))


def unrendered(project: Project) -> list[Clip]:
    """The enabled picture clips that cannot be rendered: generators and titles without media."""
    return [
        clip
        for track in project.tracks
        if track.kind == "video" and track.enabled
        for clip in clips_of((track,))
        if clip.enabled
        and isinstance(_clip(clip, ZERO, Fraction(1)), Black)
        and clip.media.name.lower() not in BLACK
    ]


def strips(events: Iterable[Event]) -> dict[str, Strip]:
    """Every strip that some events show, by key, in order of appearance."""
    found: dict[str, Strip] = {}
    for event in events:
        for strip in strips_of(event.picture):
            found.setdefault(strip.key, strip)
    return found


def strips_of(picture: Picture) -> Iterator[Strip]:
    """The strips that one picture is made of."""
    if isinstance(picture, Shown):
        yield picture.strip
    elif isinstance(picture, Dissolve | Morph):
        yield from strips_of(picture.outgoing)
        yield from strips_of(picture.incoming)


class _Spans:
    """Spans, in any order, that may overlap, ready to be looked up by time."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._order = sorted(range(len(spans)), key=lambda i: spans[i].start)
        self._starts = [spans[i].start for i in self._order]
        self._stops = [spans[i].stop for i in self._order]
        self._latest = list(accumulate(self._stops, max))

    def at(self, time: Fraction) -> int | None:
        """The first of them, as they were given, that holds a time; None where none does."""
        found: int | None = None
        i = bisect_right(self._starts, time) - 1
        while i >= 0 and self._latest[i] > time:
            if self._stops[i] > time:
                found = self._order[i] if found is None else min(found, self._order[i])
            i -= 1
        return found


class _Lane:
    """A picture track with its items ready to be looked up by time."""

    def __init__(self, track: Track) -> None:
        self.items: list[Item] = [i for i in track.items if not isinstance(i, Transition)]
        self.starts = [i.record.start for i in self.items]
        self.dissolves = [
            (item, _at(track.items, i - 1), _at(track.items, i + 1))
            for i, item in enumerate(track.items)
            if isinstance(item, Transition)
        ]
        self.joints = _spaced(
            [(a, b) for a, b in pairwise(self.items) if isinstance(a, Clip) and isinstance(b, Clip) and a.joint]
        )
        self._dissolve_spans = _Spans([t.record for t, _, _ in self.dissolves])
        self._joined = [(a, b, a.joint) for a, b in self.joints if a.joint and _shows_media(a) and _shows_media(b)]
        self._joint_spans = _Spans([joint_span(a, joint) for a, _, joint in self._joined])
        self._nested: dict[int, list[_Lane]] = {}

    def item_at(self, time: Fraction) -> Item | None:
        i = bisect_right(self.starts, time) - 1
        return self.items[i] if i >= 0 and time < self.items[i].record.stop else None

    def dissolve_at(self, time: Fraction) -> tuple[Transition, Item | None, Item | None] | None:
        i = self._dissolve_spans.at(time)
        return None if i is None else self.dissolves[i]

    def joint_at(self, time: Fraction) -> tuple[Clip, Clip, Joint] | None:
        i = self._joint_spans.at(time)
        return None if i is None else self._joined[i]

    def within(self, nest: Nest) -> list[_Lane]:
        """The lanes of a nest of this track."""
        if id(nest) not in self._nested:
            self._nested[id(nest)] = _nest_lanes(nest)
        return self._nested[id(nest)]


def _at(items: Sequence[Item], index: int) -> Item | None:
    return items[index] if 0 <= index < len(items) else None


def joint_span(clip: Clip, joint: Joint) -> Span:
    """The record time a joint at the end of a clip takes."""
    return Span(clip.record.stop - joint.before, joint.before + joint.after)


def _spaced(joints: list[tuple[Clip, Clip]]) -> list[tuple[Clip, Clip]]:
    """Joints with what they take of their clips shortened where two would share a clip's time, or one is longer than it."""
    before = [min(a.joint.before, a.record.duration) if a.joint else ZERO for a, _ in joints]
    after = [min(a.joint.after, b.record.duration) if a.joint else ZERO for a, b in joints]
    for i in range(len(joints) - 1):
        shared = joints[i][1]
        asked = after[i] + before[i + 1]
        if shared is joints[i + 1][0] and asked > shared.record.duration:
            after[i] = shared.record.duration * after[i] / asked
            before[i + 1] = shared.record.duration - after[i]
    return [
        (replace(a, joint=replace(a.joint, before=ahead, after=past)) if a.joint else a, b)
        for (a, b), ahead, past in zip(joints, before, after, strict=True)
    ]


def _inner(nest: Nest, origin: Fraction, pace: Fraction) -> tuple[Fraction, Fraction]:
    """The time map of a nest's own composition."""
    speed = nest.speed
    return nest.source.start + (origin - nest.record.start) * speed, pace * speed


def _nest_lanes(nest: Nest) -> list[_Lane]:
    return [_Lane(track) for track in nest.tracks if track.kind == "video" and track.enabled]


def _edges(lanes: list[_Lane], origin: Fraction, pace: Fraction) -> Iterator[Fraction]:
    """Every program time at which the picture may change."""
    for lane in lanes:
        spans = [item.record for item in lane.items] + [t.record for t, _, _ in lane.dissolves]
        spans += [joint_span(a, a.joint) for a, _ in lane.joints if a.joint]
        for span in spans:
            yield (span.start - origin) / pace
            yield (span.stop - origin) / pace
        for item in lane.items:
            if isinstance(item, Nest) and item.speed != 0:
                window = [(e - origin) / pace for e in (item.record.start, item.record.stop)]
                inside = _edges(_nest_lanes(item), *_inner(item, origin, pace))
                yield from (e for e in inside if min(window) <= e <= max(window))


def _resolve(lanes: list[_Lane], program: Fraction, origin: Fraction, pace: Fraction) -> Picture | None:
    """What some lanes show at a program time; None where they show nothing."""
    time = origin + pace * program
    unseen: Picture | None = None
    for depth in range(len(lanes) - 1, -1, -1):
        lane = lanes[depth]
        if morph := _morph(lane, time, origin, pace):
            return morph  # also where a dissolve lies: a joint was put in its place
        if dissolve := lane.dissolve_at(time):
            span = dissolve[0].record
            sides = [
                _show(lane, s, program, origin, pace) or _resolve(lanes[:depth], program, origin, pace) or Black()
                for s in dissolve[1:]
            ]
            start = (span.start - origin) / pace
            return Dissolve(sides[0], sides[1], Span(start, span.duration / pace))
        if shown := _show(lane, lane.item_at(time), program, origin, pace):
            if not (isinstance(shown, Black) and shown.reason):
                return shown
            unseen = shown  # most likely a title: better the picture below without it than black
    return unseen


def _morph(lane: _Lane, time: Fraction, origin: Fraction, pace: Fraction) -> Morph | None:
    found = lane.joint_at(time)
    if found is None:
        return None
    a, b, joint = found
    span = joint_span(a, joint)
    program = Span((span.start - origin) / pace, span.duration / pace)
    sides = Shown(Strip(a, origin, pace)), Shown(Strip(b, origin, pace))
    return Morph(*sides, joint, program)


def _show(lane: _Lane, item: Item | None, program: Fraction, origin: Fraction, pace: Fraction) -> Picture | None:
    """What one item shows; None lets what lies below through."""
    if isinstance(item, Clip) and item.enabled:
        return _clip(item, origin, pace)
    if isinstance(item, Nest) and item.enabled:
        return _resolve(lane.within(item), program, *_inner(item, origin, pace))
    return None


def _shows_media(clip: Clip) -> bool:
    """Whether a clip shows what lies in files: where one of its sides does not, a joint is none."""
    return clip.enabled and clip.media.kind in FILES


def _clip(clip: Clip, origin: Fraction, pace: Fraction) -> Picture:
    """What an enabled clip shows."""
    if clip.media.kind == "generator" and clip.media.name.lower() in BLACK:
        return Black()
    if clip.media.kind == "generator":
        return Black(f"generator {clip.name!r} ({clip.place}) cannot be rendered: black, or what lies below")
    if clip.media.kind == "missing":
        return Black(f"no media for {clip.name!r} ({clip.place}): black, or what lies below")
    return Shown(Strip(clip, origin, pace))


def heard(project: Project) -> list[Heard]:
    """Everything that sounds: the sound tracks, or where a project has none, the sound of the pictures shown."""
    tracks = [t for t in project.tracks if t.kind == "audio" and t.enabled]
    if tracks or any(_has_sound_track(i) for t in project.tracks for i in t.items):
        return list(_heard(project.tracks, ZERO, Fraction(1), None))
    found = []
    for event in cut(project):
        span = Span(Fraction(event.first) / project.rate, Fraction(event.count) / project.rate)
        found += list(_heard_picture(event.picture, span))
    return found


def _has_sound_track(item: Item) -> bool:
    return isinstance(item, Nest) and any(
        t.kind == "audio" or any(_has_sound_track(i) for i in t.items) for t in item.tracks
    )


def _heard_picture(picture: Picture, span: Span) -> Iterator[Heard]:
    if isinstance(picture, Shown):
        yield Heard(picture.strip, span)
    elif isinstance(picture, Morph):
        middle = picture.outgoing.strip.record.stop
        for strip, part in (
            (picture.outgoing.strip, Span.between(span.start, min(middle, span.stop))),
            (picture.incoming.strip, Span.between(max(middle, span.start), span.stop)),
        ):
            if part.duration > 0:
                yield Heard(strip, part)
    elif isinstance(picture, Dissolve):
        for side, rising in ((picture.outgoing, False), (picture.incoming, True)):
            for sound in _heard_picture(side, span):
                if rising:
                    yield replace(sound, rise=span.duration)
                else:
                    yield replace(sound, fall=span.duration)


def _heard(tracks: Iterable[Track], origin: Fraction, pace: Fraction, window: Span | None) -> Iterator[Heard]:
    for track in tracks:
        if not track.enabled:
            continue
        for i, item in enumerate(track.items):
            if isinstance(item, Nest) and item.enabled and item.speed > 0:
                inner = _inner(item, origin, pace)
                yield from _heard(item.tracks, *inner, _program(item.record, origin, pace, window))
            elif isinstance(item, Clip) and item.enabled and track.kind == "audio":
                yield from _heard_clip(track.items, i, item, origin, pace, window)


def _heard_clip(
    items: Sequence[Item], i: int, clip: Clip, origin: Fraction, pace: Fraction, window: Span | None
) -> Iterator[Heard]:
    """A clip on a sound track, reaching under the transitions beside it."""
    if clip.media.kind not in FILES:
        return
    before, after = _at(items, i - 1), _at(items, i + 1)
    start, stop, rise, fall = clip.record.start, clip.record.stop, ZERO, ZERO
    if isinstance(before, Transition):
        start, rise = before.record.start, before.record.duration
    if isinstance(after, Transition):
        stop, fall = after.record.stop, after.record.duration
    span = _program(Span.between(start, stop), origin, pace, window)
    if span:
        yield Heard(Strip(clip, origin, pace), span, rise / pace, fall / pace)


def _program(span: Span, origin: Fraction, pace: Fraction, window: Span | None) -> Span | None:
    """A span of some composition in program time, cut to what its nest shows."""
    moved = Span((span.start - origin) / pace, span.duration / pace)
    return moved.intersect(window) if window else moved


__all__ = [
    "Black", "Dissolve", "Event", "Gap", "Heard", "Morph", "Picture", "Shown", "Strip", "cut", "frame_count",
    "heard", "joint_span", "strips", "strips_of", "unrendered",
]  # fmt: skip
