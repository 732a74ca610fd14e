"""Final Cut Pro X XML (FCPXML 1.8 to 1.13), read into a project.

Every element of a storyline has a time of its own: ``start`` is where that begins, ``offset`` is where the element lies
in the time of what holds it. Elements with a ``lane`` are connected above or below; a lane becomes a track, or several
where its clips overlap. A clip's sound is a clip of its own in the sound tracks.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from lp_editor.errors import ProjectError
from lp_editor.timeline.dialects.markup import Element, Markup
from lp_editor.timeline.dialects.source import DEEPEST_NEST, NEST, ZERO, Reading, chosen, laid, paced
from lp_editor.timeline.model import Clip, Item, Marker, Media, Nest, Project, Span, Track, Transition
from lp_editor.timeline.timecode import REMEMBERED, exact_rate
from lp_editor.timeline.urls import SCHEME, file_name, url_to_path

CLIPS = (
    "asset-clip",
    "clip",
    "video",
    "audio",
    "title",
    "ref-clip",
    "sync-clip",
    "mc-clip",
    "audition",
    "live-drawing",
)
"""Elements that show or sound."""

BROWSER = ("asset-clip", "clip", "ref-clip", "sync-clip", "mc-clip", "audition")
"""Elements that may lie in an event by themselves."""

STORY = (*CLIPS, "gap", "spine", "transition")

MARKERS = ("marker", "chapter-marker")

MOST_ROWS = 200
"""Clips of one lane that lie over one another."""

LONGEST_TIME = 100
"""Characters of a time."""

NEAR = 0.06
"""Rates that differ by no more than this share are made one by playing frame for frame."""


@dataclass
class Found:
    """A clip before its track is known: ``make`` gives it once it has a place."""

    kind: str
    lane: int
    record: Span
    make: Callable[[str], Item]
    solid: bool = True
    """Whether it takes time, as everything but a transition does."""


@dataclass
class Book:
    """A file while it is read: its resources by id, and which element each clip of the project is."""

    markup: Markup
    reading: Reading
    resources: dict[str, Element] = field(default_factory=dict)
    clips: dict[str, Element] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)
    media: dict[tuple[Element, Fraction], Media] = field(default_factory=dict)
    """What each asset stands for at a rate."""

    def resource(self, element: Element, name: str = "ref") -> Element | None:
        """The resource that an attribute of an element names."""
        return self.resources.get(element.attributes.get(name, ""))

    def rate(self, element: Element | None, default: Fraction) -> Fraction:
        """The frame rate of the format that an element names."""
        format = self.resource(element, "format") if element else None
        length = seconds(format, "frameDuration", ZERO) if format else ZERO
        return exact_rate(1 / length) if length > 0 else default


@dataclass(frozen=True)
class Place:
    """Where the time of a storyline lies in its composition: ``record`` is where its own ``time`` is."""

    record: Fraction
    time: Fraction
    rate: Fraction
    lane: int = 0
    top: bool = True
    pace: Fraction = Fraction(1)
    """Seconds of the storyline's time in a record second."""

    def at(self, time: Fraction) -> Fraction:
        """The record time of a time of the storyline."""
        return self.record + (time - self.time) / self.pace


def seconds(element: Element | None, name: str, default: Fraction) -> Fraction:
    """A time of an attribute (``1001/24000s``). Raises `ProjectError` for what is none."""
    text = element.attributes.get(name) if element else None
    if text is None:
        return default
    value = _time(text) if len(text) <= LONGEST_TIME else None
    if value is None:
        raise ProjectError(f'{label(element)}: {name}="{text[:40]}" is no time (like 1001/24000s)')
    if abs(value) > 10**8:
        raise ProjectError(f'{label(element)}: {name}="{text[:40]}" is a time beyond all sense')
    return value


@lru_cache(REMEMBERED)
def _time(text: str) -> Fraction | None:
    """A time as FCPXML writes it; None for what is none."""
    match = re.fullmatch(r"\s*(-?\d{1,18}(?:\.\d{1,12})?)(?:/(\d{1,18}))?s?\s*", text)
    below = int(match[2]) if match and match[2] else 1
    return Fraction(match[1]) / below if match and below else None


def label(element: Element | None) -> str:
    """An element as a reader of an error finds it."""
    return f'<{element.tag}> "{element.attributes.get("name", "")[:60]}"' if element else "the file"


def tops(markup: Markup, path: Path) -> list[tuple[str, Element]]:
    """What a file holds to open, with names: its projects; failing those its clips, then its compound clips.

    Raises `ProjectError` for what is no FCPXML.
    """
    root = markup.root
    if root.tag != "fcpxml":
        raise ProjectError(f"{path} is no FCPXML file: it holds a <{root.tag}>; export the project again")
    projects = [(e.attributes.get("name", ""), s) for e in markup.elements if e.tag == "project" for s in e.all("sequence")]
    if not projects:
        homes = [e for e in markup.elements if e.tag in ("fcpxml", "event")]
        projects = [(e.attributes.get("name", ""), e) for home in homes for e in home.all(*BROWSER)]
    if not projects:
        shelf = root.find("resources")
        media = shelf.all("media") if shelf else []
        projects = [(e.attributes.get("name", ""), s) for e in media for s in e.all("sequence")]
    return [(name or f"project {i}", element) for i, (name, element) in enumerate(projects, 1)]


def read(markup: Markup, path: Path, wanted: str | None = None) -> tuple[Project, Book, Element]:
    """The project of one sequence, the book of its clips, and the sequence's element.

    Raises `ProjectError` that names the place for what cannot be read.
    """
    found = tops(markup, path)
    number = chosen([name for name, _ in found], wanted, path)
    name, top = found[number]
    book = Book(markup, Reading(path))
    shelf = markup.root.find("resources")
    for element in shelf.children if shelf else []:
        book.resources.setdefault(element.attributes.get("id", ""), element)
    if top.tag == "sequence":
        rate = book.rate(top, Fraction(25))
        start = seconds(top, "tcStart", ZERO)
        lanes = list(_sequence(top, rate, book, True))
    else:
        rate = _natural_rate(top, book)
        start = ZERO
        lanes = list(_story(top, Place(ZERO, seconds(top, "offset", ZERO), rate), book))
    tracks = tuple(_tracks(lanes, "", book))
    drop = top.attributes.get("tcFormat") == "DF"
    return Project(name, rate, start, tracks, drop, tuple(book.markers)), book, top


def _natural_rate(clip: Element, book: Book) -> Fraction:
    """The rate of a clip that lies in no sequence."""
    for element in clip.walk():
        for source in (element, book.resource(element)):
            rate = book.rate(source, ZERO)
            inner = source.find("sequence") if source else None
            rate = rate or (book.rate(inner, ZERO) if inner else ZERO)
            if rate:
                return rate
    return Fraction(25)


def _sequence(element: Element, rate: Fraction, book: Book, top: bool) -> Iterator[Found]:
    """What a sequence shows, in record time from 0."""
    start = seconds(element, "tcStart", ZERO)
    for spine in element.all("spine"):
        yield from _spine(spine, Place(ZERO, start, rate, 0, top), book)


def _spine(spine: Element, place: Place, book: Book) -> Iterator[Found]:
    """The elements of a storyline, one after the other where they do not say where they lie."""
    at = place.time
    for element in spine.children:
        if element.tag not in STORY:
            continue
        offset = seconds(element, "offset", at)
        if element.tag == "transition":
            yield from _transition(element, place, offset)
            continue
        yield from _story(element, place, book, offset)
        at = offset + _duration(element, book)


def _duration(element: Element, book: Book) -> Fraction:
    """How long an element lies in its parent; of a clip that does not say, what it shows."""
    if "duration" in element.attributes:
        return seconds(element, "duration", ZERO)
    if element.tag == "audition":
        first = element.all(*CLIPS)
        return _duration(first[0], book) if first else ZERO
    source = book.resource(element)
    inner = source.find("sequence") if source else None
    if inner is not None:
        return seconds(inner, "duration", ZERO)
    if source is not None and "duration" in source.attributes:
        start = seconds(element, "start", seconds(source, "start", ZERO))
        return seconds(source, "start", ZERO) + seconds(source, "duration", ZERO) - start
    ends = [
        seconds(c, "offset", ZERO) + _duration(c, book)
        for c in element.all(*STORY)
        if "lane" not in c.attributes and c.tag != "transition"
    ]  # fmt: skip
    return max(ends, default=ZERO)


def _transition(element: Element, place: Place, offset: Fraction) -> Iterator[Found]:
    span = Span(place.at(offset), seconds(element, "duration", ZERO))
    name = element.attributes.get("name", "transition")
    kind = "SMPTE_Dissolve" if "dissolve" in name.lower() else name
    for medium in ("video", "audio") if element.all("filter-audio") else ("video",):
        yield Found(medium, place.lane, span, lambda _: Transition(span, name, kind), False)


def _story(element: Element, place: Place, book: Book, offset: Fraction | None = None) -> Iterator[Found]:
    """An element of a storyline and all that is connected to it."""
    if offset is None:
        offset = seconds(element, "offset", place.time)
    if element.tag == "audition":
        shown = element.all(*CLIPS)
        if shown:
            yield from _story(shown[0], place, book, offset)
        return
    record = Span(place.at(offset), _duration(element, book) / place.pace)
    start = own_start(element, book)
    if element.tag == "spine":
        yield from _spine(element, replace(place, record=record.start, time=ZERO), book)
        return
    pace = conform(element, place.rate)
    if element.tag != "gap":
        yield from _clip(element, record, start, pace, place, book)
    inside = replace(place, record=record.start, time=start, top=place.top, pace=pace)
    for child in element.all(*STORY):
        lane = lane_of(child)
        if lane and not (element.tag == "video" or element.tag == "audio"):
            yield from _story(child, replace(inside, lane=place.lane + lane), book)
    if place.top and (element.tag == "gap" or composed(element)):
        book.markers += [
            _marker(m, inside.at(seconds(m, "start", ZERO)), place.rate) for m in element.all(*MARKERS)
        ]  # fmt: skip


def lane_of(element: Element) -> int:
    """Which lane an element lies in; 0 is the storyline itself."""
    text = element.attributes.get("lane", "0")
    return int(text) if re.fullmatch(r"-?\d{1,4}", text) else 0


def own_start(element: Element, book: Book) -> Fraction:
    """Where an element's own time begins."""
    source = book.resource(element)
    inner = source.find("sequence") if source else None
    natural = ZERO
    if source is not None and source.tag == "asset":
        natural = seconds(source, "start", ZERO)
    elif inner is not None:
        natural = seconds(inner, "tcStart", ZERO)
    return seconds(element, "start", natural)


def conform(element: Element, rate: Fraction) -> Fraction:
    """Media seconds in a record second of a clip whose rate is made the sequence's, frame for frame; 1 for others."""
    said = element.find("conform-rate")
    if said is None or said.attributes.get("scaleEnabled") == "0" or element.find("timeMap"):
        return Fraction(1)
    try:
        own = exact_rate(float(said.attributes.get("srcFrameRate", "")))
    except ValueError:
        return Fraction(1)
    pace = rate / own
    return pace if abs(float(pace) - 1) <= NEAR else Fraction(1)


def _marker(element: Element, time: Fraction, rate: Fraction) -> Marker:
    length = seconds(element, "duration", ZERO)
    length = ZERO if length <= Fraction(3, 2) / rate else length
    return Marker(element.attributes.get("value", ""), element.attributes.get("note", ""), Span(time, length))


def _clip(element: Element, record: Span, start: Fraction, pace: Fraction, place: Place, book: Book) -> Iterator[Found]:
    """The picture and the sound of one element."""
    enabled = element.attributes.get("srcEnable", "all")
    book.reading.counted(NEST if composed(element) else 1)
    inside = tuple(_inside(element, place.rate, book)) if composed(element) else ()
    shape = _Shape(element, record, start, pace, place, book, inside)
    for kind in ("video", "audio"):
        if enabled not in ("all", kind):
            continue
        make = _maker(shape, kind)
        if make is not None:
            yield Found(kind, place.lane, record, make)


@dataclass(frozen=True)
class _Shape:
    """One element on its way to becoming clips."""

    element: Element
    record: Span
    start: Fraction
    pace: Fraction
    place: Place
    book: Book
    inside: tuple[Found, ...] = ()
    """What a composition holds."""

    @property
    def bears(self) -> str:
        """Which of its clips has the element's markers: the picture, where there is one."""
        source = self.book.resource(self.element)
        silent = source is not None and source.tag == "asset" and source.attributes.get("hasVideo") != "1"
        return "audio" if silent or self.element.tag == "audio" or _shows_sound_only(self.element) else "video"


def _shows_sound_only(element: Element) -> bool:
    content = content_of(element) if element.tag == "clip" else None
    return content is not None and content.tag == "audio"


def composed(element: Element) -> bool:
    """Whether an element shows a composition of its own, not one medium."""
    return element.tag in ("ref-clip", "sync-clip", "mc-clip") or (
        element.tag == "clip" and content_of(element) is None
    )


def _maker(shape: _Shape, kind: str) -> Callable[[str], Item] | None:
    """What makes the picture or the sound of an element; None where it has none."""
    element, book = shape.element, shape.book
    source = book.resource(element)
    if composed(element):
        lanes = [found for found in shape.inside if found.kind == kind]
        return (lambda at: _nest(shape, lanes, at)) if any(f.solid for f in lanes) else None
    if element.tag == "clip":
        inner = _sounding(element) if kind == "audio" else content_of(element)
        if inner is None or (kind == "video" and inner.tag != "video"):
            return None
        return lambda at: _filmed(shape, inner, book.resource(inner), kind, at)
    if source is not None and source.tag == "asset":
        has = source.attributes.get("hasVideo" if kind == "video" else "hasAudio") == "1"
        fits = element.tag in ("asset-clip", kind)
        return (lambda at: _filmed(shape, None, source, kind, at)) if has and fits else None
    shows = "audio" if element.tag == "audio" else "video"
    return (lambda at: _filmed(shape, None, source, kind, at)) if kind == shows else None


def content_of(clip: Element) -> Element | None:
    """The only thing inside a ``clip``, where it is one picture or sound; None for a composition."""
    inside = [c for c in clip.all(*STORY) if not lane_of(c)]
    only = inside[0] if len(inside) == 1 else None
    return only if only is not None and only.tag in ("video", "audio") and not only.all("video") else None


def _sounding(clip: Element) -> Element | None:
    """The sound inside a ``clip``: beside the picture, or on it."""
    return next((e for c in clip.all("audio", "video") for e in c.walk() if e.tag == "audio"), None)


def _inside(element: Element, rate: Fraction, book: Book) -> Iterator[Found]:
    """What a compound, synchronised or multicam clip shows of itself, in its own time less `_base`."""
    source = book.resource(element)
    key = element.attributes.get("ref", "")
    if key and key in book.inside:
        raise ProjectError(f"{book.reading.path}: {label(element)} lies inside itself")
    if len(book.inside) >= DEEPEST_NEST:
        raise ProjectError(f"{book.reading.path}: more than {DEEPEST_NEST} clips lie inside one another")
    book.inside.append(key)
    here = Place(ZERO, _base(element, book), rate, 0, False)
    sequence = source.find("sequence") if source else None
    if sequence is not None:
        yield from _sequence(sequence, book.rate(sequence, rate), book, False)
    elif source is not None and source.find("multicam"):
        for kind in ("video", "audio"):
            for angle in _angles(element, source, kind):
                yield from (found for found in _spine(angle, here, book) if found.kind == kind)
    elif element.tag in ("sync-clip", "clip"):
        for child in element.all(*STORY):
            if not lane_of(child):
                yield from _spine(child, here, book) if child.tag == "spine" else _story(child, here, book)
    book.inside.pop()


def _angles(element: Element, media: Element, kind: str) -> list[Element]:
    """The angles of a multicam clip that show, or sound."""
    multicam = media.find("multicam")
    angles = multicam.all("mc-angle") if multicam else []
    sources = element.all("mc-source")
    used = [s.attributes.get("angleID") for s in sources if s.attributes.get("srcEnable", "all") in ("all", kind)]
    return [a for a in angles if a.attributes.get("angleID") in used] if sources else angles[:1]


def _base(element: Element, book: Book) -> Fraction:
    """The time of a composition's own at which its tracks begin."""
    source = book.resource(element)
    inner = source.find("sequence") or source.find("multicam") if source else None
    if inner is not None:
        return seconds(inner, "tcStart", ZERO)
    offsets = [seconds(c, "offset", ZERO) for c in element.all(*STORY) if not lane_of(c)]
    return min(offsets, default=ZERO)


def _nest(shape: _Shape, lanes: Sequence[Found], at: str) -> Nest:
    element, book = shape.element, shape.book
    first, speed = _retimed(shape)
    name = element.attributes.get("name") or at
    source = Span(first - _base(element, book), shape.record.duration * speed)
    tracks = tuple(_tracks(lanes, f"{at}>", book))
    book.clips[at] = element
    return Nest(at, name, source, shape.record, tracks, shape.place.rate, speed or Fraction(1), _on(element), at)


def _on(element: Element) -> bool:
    return element.attributes.get("enabled") != "0"


def _filmed(shape: _Shape, inner: Element | None, source: Element | None, kind: str, at: str) -> Clip:
    """A clip of one medium; ``inner`` is the picture or sound inside a ``clip``."""
    element, book, rate = shape.element, shape.book, shape.place.rate
    media = _media(inner or element, source, kind, book, rate)
    own = media.rate or rate
    first, speed = _retimed(shape)
    shift = own_start(inner, book) - seconds(inner, "offset", ZERO) if inner else ZERO
    length = shape.record.duration * abs(speed) if speed else 1 / own
    begin = first + shift - (length - 1 / own if speed < 0 else 0)
    points = _points(element)
    markers = tuple(
        _marker(m, _slope(points, seconds(m, "start", ZERO))[0] + shift, rate) for m in element.all(*MARKERS)
    ) if kind == shape.bears else ()  # fmt: skip
    name = element.attributes.get("name") or media.name or at
    book.clips[at] = element
    clip = Clip(
        "", name, media, Span(begin, length), shape.record, own, speed, _on(element), place=at,
        markers=markers,
    )  # fmt: skip
    return book.reading.named(clip)


def _media(element: Element, source: Element | None, kind: str, book: Book, rate: Fraction) -> Media:
    if source is None or source.tag != "asset":
        name = source.attributes.get("name") if source else element.attributes.get("name")
        known = source is not None or element.tag in ("title", "live-drawing")
        return Media("generator" if known else "missing", name or element.tag)
    if (source, rate) not in book.media:
        book.media[source, rate] = _asset(source, book, rate)
    return book.media[source, rate]


def _asset(source: Element, book: Book, rate: Fraction) -> Media:
    url = source.attributes.get("src") or next((m.attributes.get("src", "") for m in source.all("media-rep")), "")
    length = seconds(source, "duration", ZERO)
    available = Span(seconds(source, "start", ZERO), length) if length > 0 else None
    path = url_to_path(url if SCHEME.match(url) else f"file:{url}", media_folder(book.reading.path)) if url else None
    name = (path.name if path else file_name(url)) or source.attributes.get("name", "")
    keys = {m.attributes.get("key"): m.attributes.get("value", "") for m in source.walk() if m.tag == "md"}
    reel = keys.get("com.apple.proapps.studio.reel") or ""
    return Media("file" if url else "missing", name, url, path, available, book.rate(source, rate), reel)


def media_folder(path: Path) -> Path:
    """Where relative media of a file lie: beside it, or beside the file inside its bundle."""
    return path.absolute().parent


def _points(element: Element) -> list[tuple[Fraction, Fraction]]:
    """The keys of a clip's time map: its own time, the time of what it shows."""
    found = element.find("timeMap")
    points = [(seconds(p, "time", ZERO), seconds(p, "value", ZERO)) for p in found.all("timept")] if found else []
    return sorted(points)


def _slope(points: Sequence[tuple[Fraction, Fraction]], time: Fraction) -> tuple[Fraction, Fraction]:
    """The value and the slope of a time map at a time; its first and last stretch go on beyond its ends."""
    if not points:
        return time, Fraction(1)
    if len(points) == 1:
        return points[0][1], ZERO
    for (t0, v0), (t1, v1) in pairwise(points):
        if t1 > t0 and (time < t1 or t1 == points[-1][0]):
            slope = (v1 - v0) / (t1 - t0)
            return v0 + slope * (time - t0), slope
    return points[-1][1], ZERO


def _retimed(shape: _Shape) -> tuple[Fraction, Fraction]:
    """The time a clip shows first, and its speed; of one whose speed changes, the average, which is noted."""
    first, speed = _mapped_speed(shape)
    return first, paced(speed, label(shape.element))


def _mapped_speed(shape: _Shape) -> tuple[Fraction, Fraction]:
    points = _points(shape.element)
    if not points:
        return shape.start, shape.pace
    first, slope = _slope(points, shape.start)
    stop = shape.start + shape.record.duration
    rows = [(v1 - v0) / (t1 - t0) for (t0, v0), (t1, v1) in pairwise(points) if t1 > t0 and shape.start < t0 < stop]
    if all(abs(s - slope) < Fraction(1, 500) for s in rows) or not shape.record.duration:
        return first, _round(slope)
    average = (_slope(points, shape.start + shape.record.duration)[0] - first) / shape.record.duration
    shape.book.reading.note(
        f"{label(shape.element)} changes its speed on the way; it plays at its average, {float(average):.3g}"
    )
    return first, average


def _round(slope: Fraction) -> Fraction:
    """A speed without the noise of its rounded keys."""
    near = slope.limit_denominator(1000)
    return near if abs(near - slope) < Fraction(1, 10**7) else slope


def _tracks(lanes: Sequence[Found], prefix: str, book: Book) -> Iterator[Track]:
    """Lanes as tracks: pictures from the lowest up, then sound from the main storyline outwards."""
    for kind in ("video", "audio"):
        of_kind = [f for f in lanes if f.kind == kind]
        number = 0
        for lane in sorted({f.lane for f in of_kind}, key=lambda n: n if kind == "video" else (abs(n), n)):
            for row in _rows([f for f in of_kind if f.lane == lane]):
                number += 1
                place = f"{prefix}{kind[0].upper()}{number}"
                name = place.split(">")[-1] if lane == 0 else f"lane {lane}"
                yield Track(name, kind, laid(_placed(row, place)))


def _placed(row: Sequence[Found], place: str) -> Iterator[Item]:
    number = 0
    for found in sorted(row, key=lambda f: f.record.start):
        item = found.make(f"{place}/{number + 1}")
        number += found.solid
        yield item


def _rows(lane: Sequence[Found]) -> list[list[Found]]:
    """The clips of a lane in rows without overlap; transitions stay in the row whose cut they cover."""
    rows: list[list[Found]] = []
    ends: list[Fraction] = []
    for found in sorted((f for f in lane if f.solid), key=lambda f: (f.record.start, f.record.stop)):
        row = next((i for i, end in enumerate(ends) if end <= found.record.start), len(rows))
        if row == len(rows):
            if row >= MOST_ROWS:
                raise ProjectError(f"more than {MOST_ROWS} clips lie over one another in lane {found.lane}; that is no cut")
            rows.append([])
            ends.append(ZERO)
        rows[row].append(found)
        ends[row] = found.record.stop
    ends_of = [sorted(e for f in cells for e in (f.record.start, f.record.stop)) for cells in rows]
    for found in (f for f in lane if not f.solid and rows):
        middle, reach = found.record.start + found.record.duration / 2, found.record.duration
        far, row = min((_far(edges, middle), i) for i, edges in enumerate(ends_of))
        if far <= reach:  # the sound of a cut between two silent clips fades nothing
            rows[row].append(found)
    return rows


def _far(edges: Sequence[Fraction], middle: Fraction) -> Fraction:
    """How far the nearest end of a row's clips, given in order, lies from the middle of a transition."""
    at = bisect_left(edges, middle)
    return min(abs(edge - middle) for edge in edges[max(at - 1, 0) : at + 1])
