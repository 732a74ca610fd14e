"""Marks written as the text of a marker, so that an editor can make them inside an NLE, and back again.

``lp expression smile=.6 ease=12f``: ``lp``, an effect or a preset, parameters. The grammar is on the page of markers in
the documentation. Here texts are taken apart and placed on clips; what the words mean, effects and presets know.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from hashlib import blake2b
from itertools import islice

from lp_editor.errors import ProjectError
from lp_editor.timeline.curve import Curve
from lp_editor.timeline.cut import Dissolve, Event, Morph, Picture, Shown, Strip, cut
from lp_editor.timeline.model import Clip, Ease, Item, Joint, Marker, Nest, ParamValue, Project, Segment, Span, Track
from lp_editor.timeline.timecode import parse_time, timecode

OURS = re.compile(r"^\s*lp(?:\s*[:>]\s*|\s+|$)", re.IGNORECASE)
"""How a marker's text begins that is meant for us."""

WORD = re.compile(r'\s*((?:[^\s;"]|"[^"]*")+)')

TIME = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)\s*[sf]", re.IGNORECASE)

UNITS = {"frame": "f", "frames": "f", "fr": "f", "second": "s", "seconds": "s", "sec": "s"}


@dataclass(frozen=True)
class Request:
    """What a marker asks for: an effect or preset, parameters as texts, and the marker and clip it stands on.

    ``clip`` is None for a marker of the timeline. ``where`` names the marker and its timecode, for errors.
    """

    id: str
    word: str
    params: Mapping[str, str]
    length: str | None
    marker: Marker
    clip: Clip | None
    where: str


@dataclass
class _Words:
    """The words of one text on their way to a request."""

    word: str = ""
    params: dict[str, str] = field(default_factory=dict)
    length: str | None = None


def is_ours(marker: Marker) -> bool:
    """Whether a marker's name or note is meant for us."""
    return bool(_lines(marker))


def _lines(marker: Marker) -> list[str]:
    """The texts of a marker that are meant for us, each once: its name, and every line of its note."""
    lines = [marker.name, *marker.note.splitlines()]
    return list(dict.fromkeys(" ".join(OURS.sub("", line, count=1).split()) for line in lines if OURS.match(line)))


def requests(project: Project) -> list[Request]:
    """What all the markers of a project ask for, in file order. Raises `ProjectError` naming the marker it cannot read."""
    found: list[Request] = []
    for clip in project.clips():
        if clip.place.split(">")[-1].startswith("V"):
            found += [r for marker in clip.markers for r in _read(marker, clip, project)]
    for marker in project.markers:
        found += _read(marker, None, project)
    return found


def _read(marker: Marker, clip: Clip | None, project: Project) -> Iterator[Request]:
    where = named(marker, clip, project)
    for line in _lines(marker):
        words = parsed(line, where)
        given = words.params.pop("id", "")
        if given and not re.fullmatch(r"[\w-]{1,40}", given):
            raise ProjectError(f"{where}: id={given[:40]} should be letters and digits")
        yield Request(
            given or request_id(line, marker), words.word, words.params, words.length, marker, clip, where
        )  # fmt: skip


def request_id(line: str, marker: Marker) -> str:
    """An id for what a marker asks, the same as long as the marker stays what and where it is."""
    key = f"{line}|{marker.span.start}"
    return "m" + blake2b(key.encode("utf-8", "replace"), digest_size=3).hexdigest()


def ids_of(marker: Marker) -> list[str]:
    """The ids of the marks that a marker's text makes; unreadable ones make none."""
    found = []
    for line in _lines(marker):
        given = re.search(r"(?:^|\s)id\s*=\s*([\w-]{1,40})(?:\s|$)", line)
        found.append(given[1] if given else request_id(line, marker))
    return found


def named(marker: Marker, clip: Clip | None, project: Project) -> str:
    """A marker as an error names it: its text, timecode, and clip."""
    start = marker.span.start
    text = (marker.name if OURS.match(marker.name) else marker.note).strip().splitlines() or [""]
    if clip is None:
        return f'marker "{text[0][:60]}" at {timecode(start + project.start, project.rate, project.drop_frame)}'
    at = timecode(start, clip.rate)
    return f'marker "{text[0][:60]}" at source {at} of clip "{clip.name}" ({clip.place})'


def parsed(line: str, where: str) -> _Words:
    """The words of a text behind its ``lp``. Raises `ProjectError` naming ``where``."""
    line = "=".join(part.strip() for part in line.split("="))
    line = re.sub(
        r"(\d)\s+(frames?|fr|seconds?|sec)\b", lambda m: m[1] + UNITS[m[2].lower()], line, flags=re.IGNORECASE
    )
    line = re.sub(
        r"(\d)\s*(frames|frame|seconds|second|sec)\b", lambda m: m[1] + UNITS[m[2].lower()], line, flags=re.IGNORECASE
    )
    words = deque(w.strip(",").replace('"', "") for w in WORD.findall(line))
    made = _Words()
    while words:
        word = words.popleft()
        key, sign, value = word.partition("=")
        if word.lower() in ("for", "over", "face", "ease") and words and made.word:
            key, sign, value = word, "=", words.popleft()
        _take(made, word, key.lower().lstrip("-"), sign, value, where)
    if not made.word:
        raise ProjectError(f"{where} says lp but not what: name an effect or a preset (lp smile, lp stitch 12f)")
    return made


def _take(made: _Words, word: str, key: str, sign: str, value: str, where: str) -> None:
    """Put one word where it belongs."""
    if sign and not (key and value):
        raise ProjectError(f"{where}: parameters are key=value, got {word[:40]!r}")
    if sign and key in ("for", "over", "length"):
        made.length = value
    elif sign and key == "preset" and not made.word:
        made.word = value
    elif sign:
        if key in made.params:
            raise ProjectError(f"{where}: {key} is given twice")
        made.params[key] = value
    elif not made.word:
        made.word = word.lower().rstrip(".:!")
    elif TIME.fullmatch(word) and made.length is None:
        made.length = word.lower()
    elif word.strip():
        raise ProjectError(f"{where}: {word[:40]!r} is neither key=value nor a length (12f, 2s)")


def hidden(request: Request, project: Project) -> bool:
    """Whether a marker lies on a part of its clip's media that the clip does not show, so that it is not meant there.

    Applications write all markers of the media on every clip of them.
    """
    clip, span = request.clip, request.marker.span
    if clip is None:
        return False
    length = _length(request, project.rate)
    if length is not None:
        span = Span(span.start, length * (abs(clip.speed) or 1))
    if span.duration:
        return span.intersect(clip.source) is None and span.start != clip.source.stop
    return not clip.source.start <= span.start <= clip.source.stop


@dataclass(frozen=True)
class Placing:
    """Finds out what requests cover in a project; what all of them ask for is looked up once."""

    project: Project

    @cached_property
    def clips(self) -> Mapping[str, Clip]:
        """The clips by place."""
        return {clip.place: clip for clip in self.project.clips()}

    @cached_property
    def _events(self) -> Sequence[Event]:
        return cut(_as_if_there(self.project))

    @cached_property
    def _points(self) -> dict[str, list[Fraction]]:
        """Where the markers of a clip lie, or under ``""`` those of the timeline, in order."""
        return {"": sorted(m.span.start for m in self.project.markers)}

    def placed(self, request: Request) -> list[tuple[Clip, Span]]:
        """The clips and source spans that a request covers: its own clip, or every clip a timeline marker reaches over.

        A point reaches to the next marker beside it, or to its clip's end. Raises `ProjectError` where on the timeline
        nothing is there.
        """
        found = self._on_clip(request) if request.clip else self._on_timeline(request)
        if not found and request.clip is None:
            raise ProjectError(f"{request.where}: no picture lies there")
        return found

    def _next(self, place: str, markers: Sequence[Marker], start: Fraction, stop: Fraction) -> Fraction:
        """Where the next marker lies after ``start``, ``stop`` at most."""
        if place not in self._points:
            self._points[place] = sorted(m.span.start for m in markers)
        points = self._points[place]
        at = bisect_right(points, start)
        return min(points[at], stop) if at < len(points) else stop

    def _on_clip(self, request: Request) -> list[tuple[Clip, Span]]:
        clip, span = request.clip, request.marker.span
        assert clip is not None
        length = _length(request, self.project.rate)
        if length is not None:
            span = Span(span.start, length * (abs(clip.speed) or 1))
        elif not span.duration:
            stop = self._next(clip.place, clip.markers, span.start, clip.source.stop)
            span = Span.between(span.start, max(stop, span.start))
        shared = span.intersect(clip.source)
        return [(clip, shared)] if shared else []

    def _on_timeline(self, request: Request) -> list[tuple[Clip, Span]]:
        project, span = self.project, request.marker.span
        length = _length(request, project.rate)
        point = length is None and not span.duration
        if length is not None:
            span = Span(span.start, length)
        elif point:
            stop = self._next("", project.markers, span.start, max(project.duration, span.start))
            span = Span.between(span.start, stop)
        found: dict[str, tuple[Clip, Span]] = {}
        first = max(bisect_right(self._events, span.start * project.rate, key=lambda e: Fraction(e.first)) - 1, 0)
        for event in islice(self._events, first, None):
            start = Fraction(event.first) / project.rate
            if start >= span.stop:
                break
            shown = Span(start, Fraction(event.count) / project.rate).intersect(span)
            for strip in _strips(event.picture) if shown else []:
                _add(found, strip, span)
            if point and found:
                break
        return [(self.clips[place], part) for place, (_, part) in found.items()]


def _length(request: Request, rate: Fraction) -> Fraction | None:
    """How long the text says the mark is, in record seconds."""
    if request.length is None:
        return None
    length = parse_time(request.length, rate)
    if length <= 0:
        raise ProjectError(f"{request.where}: a mark needs some length, got {request.length}")
    return length


def _as_if_there(project: Project) -> Project:
    """A project in which clips without media show some: a mark may lie on them before they are found."""

    def item(one: Item) -> Item:
        if isinstance(one, Nest):
            return replace(one, tracks=tuple(map(row, one.tracks)))
        lost = isinstance(one, Clip) and one.media.kind == "missing"
        return replace(one, media=replace(one.media, kind="file")) if isinstance(one, Clip) and lost else one

    def row(track: Track) -> Track:
        return replace(track, items=tuple(map(item, track.items)))

    return replace(project, tracks=tuple(map(row, project.tracks)))


def _add(found: dict[str, tuple[Clip, Span]], strip: Strip, span: Span) -> None:
    """Note the part of a strip that a span of program time shows."""
    clip = strip.clip
    local = Span(strip.composition_time(span.start), span.duration * strip.pace).intersect(clip.record)
    if local is not None and clip.media.kind != "generator":
        found.setdefault(clip.place, (clip, clip.source_span(local)))


def _strips(picture: Picture) -> list[Strip]:
    if isinstance(picture, Shown):
        return [picture.strip]
    if isinstance(picture, Dissolve | Morph):
        return [*_strips(picture.outgoing), *_strips(picture.incoming)]
    return []


def at_cut(request: Request, project: Project) -> Fraction:
    """The record time, in its composition, that a request for a joint stands at."""
    clip = request.clip
    return request.marker.span.start if clip is None else clip.record_time(request.marker.span.start)


def segment_text(segment: Segment, clip: Clip, rate: Fraction) -> str:
    """A segment as a marker says it: effect, parameters, ease, face, its length in frames of the program, its id."""
    words = ["lp", segment.effect, *_params(segment.params)]
    if segment.ease is not None:
        words.append(f"ease={_ease(segment.ease, rate)}")
    if segment.face != "largest":
        words.append(f"face={segment.face}")
    words.append(f"for={_time(clip.record_span(segment.span).duration, rate)}")
    return " ".join([*words, f"id={segment.id}"])


def joint_text(joint: Joint, rate: Fraction) -> str:
    """A joint as a marker at its cut says it."""
    length = _time(joint.before + joint.after, rate)
    return " ".join(["lp", joint.effect, *_params(joint.params), length, f"id={joint.id}"])


def _params(params: Mapping[str, ParamValue]) -> list[str]:
    return [f"{name}={_value(value)}" for name, value in params.items()]


def _value(value: ParamValue) -> str:
    if isinstance(value, Curve):
        return value.text()
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.12g}" if isinstance(value, float) else str(value)
    return f'"{text}"' if re.search(r"[\s;]", text) else text


def _ease(ease: Ease, rate: Fraction) -> str:
    rise, fall = _time(ease.rise, rate), _time(ease.fall, rate)
    return rise if rise == fall else f"{rise},{fall}"


def _time(seconds: Fraction, rate: Fraction) -> str:
    """A time in whole frames where it is that, else as exact seconds."""
    count = seconds * rate
    if count.denominator == 1:
        return f"{count}f"
    return f"{seconds}s" if seconds.denominator < 10**9 else f"{float(seconds):.9f}s"


def markers_of(clip: Clip, rate: Fraction, known: Sequence[str] = ()) -> list[Marker]:
    """The markers that say a clip's marks, less those of some ids, and its checks; a joint's is a point at its last frame."""
    made = []
    for segment in clip.segments:
        if segment.id not in known:
            made.append(Marker(segment_text(segment, clip, rate), "", segment.span))
    if clip.joint and clip.joint.id not in known:
        last = clip.source_time(clip.record.stop - 1 / rate)
        made.append(Marker(joint_text(clip.joint, rate), "", Span(last, Fraction(0))))
    return [*made, *clip.checks]
