"""What a project is, as frozen values.

All times are exact `Fraction` seconds. *Record* time counts from the first frame of the program (0, whatever
timecode it bears); *source* time is the media's own time, so a segment sticks to the picture when its clip is
trimmed or slipped. Units are converted where files and users are read, nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

from lp_editor.timeline.curve import Curve

ParamValue: TypeAlias = Curve | float | int | bool | str
"""What a segment may store for a parameter; effects say which of these they take."""


@dataclass(frozen=True)
class Span:
    """A stretch of time in seconds: from ``start``, up to but without ``stop``."""

    start: Fraction
    duration: Fraction

    @property
    def stop(self) -> Fraction:
        """The first moment after the span."""
        return self.start + self.duration

    @classmethod
    def between(cls, start: Fraction, stop: Fraction) -> Span:
        """The span from ``start`` to ``stop``."""
        return cls(start, stop - start)

    def intersect(self, other: Span) -> Span | None:
        """What two spans share, or None."""
        start, stop = max(self.start, other.start), min(self.stop, other.stop)
        return Span.between(start, stop) if stop > start else None

    def moved(self, by: Fraction) -> Span:
        """The same length, ``by`` seconds later."""
        return Span(self.start + by, self.duration)


@dataclass(frozen=True)
class Ease:
    """How a segment comes and goes: seconds from the untouched original to the full edit, and back."""

    rise: Fraction
    fall: Fraction


@dataclass(frozen=True)
class Segment:
    """An effect with its parameters on a span of one clip, for one face.

    ``span`` is source time. ``face`` is which face: ``"largest"`` or a number, 1 for the largest, 2 for the next.
    ``ease`` None means the default ease; curves run in record seconds from the segment's start.
    """

    id: str
    effect: str
    span: Span
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    face: str = "largest"
    ease: Ease | None = None


@dataclass(frozen=True)
class Joint:
    """An effect where two clips meet: over ``before`` seconds of record time ahead of the cut, ``after`` past it."""

    id: str
    effect: str
    before: Fraction
    after: Fraction
    params: Mapping[str, ParamValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Numbers:
    """How an image sequence's files count: the number at the start of ``available``, and from frame to frame."""

    first: int
    step: int
    rate: Fraction
    missing: Literal["error", "hold", "black"] = "error"
    """What a frame without its file is."""


@dataclass(frozen=True)
class Media:
    """What a clip shows: one media reference of a project file.

    ``path`` is where the file would be here (None for what is no file); whether it exists is not looked at.
    ``available`` is the source time it covers, None where the project does not say. ``rate`` is the frame rate that
    the project counts it in, ``reel`` the name of the tape or card.
    """

    kind: Literal["file", "sequence", "generator", "missing"]
    name: str
    url: str = ""
    path: Path | None = None
    available: Span | None = None
    rate: Fraction | None = None
    reel: str = ""
    numbers: Numbers | None = None
    """Of a sequence, whose ``path`` is the files' common name: ``shot.%04d.exr``."""


@dataclass(frozen=True)
class Marker:
    """A marker somebody made: its name, its note, and where it lies (``duration`` 0: a point).

    ``span`` of a clip's marker is source time, of a program's record time.
    """

    name: str
    note: str
    span: Span


@dataclass(frozen=True)
class Original:
    """What a rendered piece of a clip showed as filmed: the media, its part of it, and how fast."""

    media: Media
    source: Span
    speed: Fraction


@dataclass(frozen=True)
class Clip:
    """Media on the timeline: which part of it, where, how fast, and what is done to the faces in it.

    ``record`` is in the time of the composition the clip lies in. ``source`` is what the record span shows at the
    clip's ``speed`` (source seconds per record second; 0 a freeze of the first frame; negative plays the span
    backwards). ``place`` is ``V1/3``: track and number, as an editor counts.
    """

    id: str
    name: str
    media: Media
    source: Span
    record: Span
    rate: Fraction
    speed: Fraction = Fraction(1)
    enabled: bool = True
    segments: tuple[Segment, ...] = ()
    joint: Joint | None = None
    """The joint at this clip's end, into the next clip of the track."""
    place: str = ""
    markers: tuple[Marker, ...] = ()
    original: Original | None = None
    """Of a piece that shows a render of ours: what it replaced."""
    checks: tuple[Marker, ...] = field(default=(), compare=False)
    """What is to be looked at again; goes out as markers."""

    def source_time(self, record: Fraction) -> Fraction:
        """The source time shown at a record time; also outside the clip, for handles."""
        into = record - self.record.start
        if self.speed >= 0:
            return self.source.start + into * self.speed
        return self.source.stop - 1 / self.rate + into * self.speed

    def record_time(self, source: Fraction) -> Fraction:
        """The record time at which a source time is shown (of a freeze, the clip's start)."""
        if self.speed == 0:
            return self.record.start
        first = self.source.start if self.speed > 0 else self.source.stop - 1 / self.rate
        return self.record.start + (source - first) / self.speed

    def record_span(self, source: Span) -> Span:
        """Where in record time a span of source time is shown; a freeze shows it for all of the clip."""
        if self.speed == 0:
            return self.record
        if self.speed > 0:
            return Span(self.record_time(source.start), source.duration / self.speed)
        return Span(self.record_time(source.stop - 1 / self.rate), source.duration / -self.speed)

    def source_span(self, record: Span) -> Span:
        """The source time that a span of record time shows; of a freeze, its one frame."""
        if self.speed == 0:
            return Span(self.source.start, 1 / self.rate)
        if self.speed > 0:
            return Span(self.source_time(record.start), record.duration * self.speed)
        duration = record.duration * -self.speed
        return Span(self.source_time(record.start) + 1 / self.rate - duration, duration)


@dataclass(frozen=True)
class Gap:
    """Nothing, for a while: what lies below shows through."""

    record: Span


@dataclass(frozen=True)
class Transition:
    """A dissolve between the items before and after it: ``record`` lies across their cut and takes no time itself."""

    record: Span
    name: str = ""
    kind: str = "SMPTE_Dissolve"


@dataclass(frozen=True)
class Nest:
    """A sequence inside a sequence. ``source`` is the stretch of its own time that shows."""

    id: str
    name: str
    source: Span
    record: Span
    tracks: tuple[Track, ...]
    rate: Fraction
    speed: Fraction = Fraction(1)
    enabled: bool = True
    place: str = ""


Item: TypeAlias = Clip | Gap | Transition | Nest


@dataclass(frozen=True)
class Track:
    """One lane of picture or sound, in order of time. Later picture tracks lie over earlier ones."""

    name: str
    kind: Literal["video", "audio"]
    items: tuple[Item, ...]
    enabled: bool = True


@dataclass(frozen=True)
class Project:
    """A cut. ``start`` is the timecode of its first frame, in seconds at ``rate``."""

    name: str
    rate: Fraction
    start: Fraction
    tracks: tuple[Track, ...]
    drop_frame: bool = False
    markers: tuple[Marker, ...] = ()

    def clips(self) -> Iterator[Clip]:
        """Every clip, those of nested sequences included, in file order."""
        yield from clips_of(self.tracks)

    @property
    def duration(self) -> Fraction:
        """Record seconds from the first frame to the end of the longest track."""
        ends = [item.record.stop for track in self.tracks for item in track.items]
        return max(ends, default=Fraction(0))


def clips_of(tracks: tuple[Track, ...]) -> Iterator[Clip]:
    """Every clip of some tracks, those of nested sequences included."""
    for track in tracks:
        for item in track.items:
            if isinstance(item, Clip):
                yield item
            elif isinstance(item, Nest):
                yield from clips_of(item.tracks)


def all_tracks(tracks: Sequence[Track]) -> Iterator[Track]:
    """These tracks and those of the sequences nested in them, each before what is nested in it."""
    for track in tracks:
        yield track
        for item in track.items:
            if isinstance(item, Nest):
                yield from all_tracks(item.tracks)
