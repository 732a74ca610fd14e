"""Final Cut Pro 7 XML (xmeml), as Premiere, Final Cut Pro 7, Resolve and Hiero write it: read into a project.

``start`` and ``end`` count frames of the sequence, ``in`` and ``out`` frames of the clip's own rate; -1 stands for the
side of a cut that a transition covers. A ``timeremap`` filter's keys go from frames of the retimed clip to frames of
the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

from lp_editor.errors import ProjectError, TimeError
from lp_editor.timeline.dialects.markup import Element, Markup
from lp_editor.timeline.dialects.source import DEEPEST_NEST, NEST, ZERO, Reading, chosen, laid, paced
from lp_editor.timeline.model import Clip, Item, Marker, Media, Nest, Project, Span, Track, Transition
from lp_editor.timeline.timecode import NTSC, drops, exact_number, timecode_seconds
from lp_editor.timeline.urls import file_name, url_to_path

TICKS = 254_016_000_000
"""Premiere's ticks in a second."""

DISSOLVE = "SMPTE_Dissolve"

KINDS: tuple[Literal["video", "audio"], ...] = ("video", "audio")


@dataclass
class Book:
    """A file while it is read: definitions by id, and which element each clip and track of the project is."""

    markup: Markup
    reading: Reading
    files: dict[str, Element] = field(default_factory=dict)
    sequences: dict[str, Element] = field(default_factory=dict)
    clips: dict[str, Element] = field(default_factory=dict)
    inside: list[str] = field(default_factory=list)
    media: dict[tuple[Element, Fraction], tuple[Media, Fraction]] = field(default_factory=dict)
    """What each file is at a rate, and its zero."""

    @classmethod
    def of(cls, markup: Markup, path: Path) -> Book:
        """Index a parsed file."""
        book = cls(markup, Reading(path))
        for element in markup.elements:
            if element.tag in ("file", "sequence") and element.children:
                table = book.files if element.tag == "file" else book.sequences
                table.setdefault(element.attributes.get("id", ""), element)
        return book

    def file(self, element: Element) -> Element | None:
        """The full definition of the file that a clip shows."""
        named = element.find("file")
        if named is None or named.children:
            return named
        return self.files.get(named.attributes.get("id", ""), named)


def sequences(markup: Markup, path: Path) -> list[Element]:
    """The sequences of a file that are not nested in others, in file order.

    Raises `ProjectError` for what is no xmeml.
    """
    if markup.root.tag != "xmeml":
        raise ProjectError(f"{path} is no whole xmeml file: it holds a <{markup.root.tag}>; export the sequence again")
    found: list[Element] = []
    waiting = list(reversed(markup.root.children))
    while waiting:
        element = waiting.pop()
        if element.tag == "sequence" and element.children:
            found.append(element)
        elif element.tag in ("project", "bin", "children"):
            waiting += reversed(element.children)
    return found


def names(found: Sequence[Element]) -> list[str]:
    """What the sequences are called; those without a name by their id or number."""
    return [
        e.value("name") or e.attributes.get("id") or f"sequence {i}" for i, e in enumerate(found, 1)
    ]  # fmt: skip


def read(markup: Markup, path: Path, wanted: str | None = None) -> tuple[Project, Book, Element]:
    """The project of one sequence, the book of its clips, and the sequence's element.

    Raises `ProjectError` that names the place for what cannot be read.
    """
    found = sequences(markup, path)
    titles = names(found)
    number = chosen(titles, wanted, path)
    sequence, book = found[number], Book.of(markup, path)
    rate = rate_of(sequence)
    start, drop = _timecode(sequence, rate)
    tracks = tuple(_tracks(sequence, "", rate, book))
    markers = tuple(_marker(m, rate, ZERO) for m in sequence.all("marker"))
    return Project(titles[number], rate, start, tracks, drop, markers), book, sequence


def rate_of(element: Element) -> Fraction:
    """The rate that an element, or the nearest one around it, says."""
    here: Element | None = element
    while here is not None:
        base = _number(here.value("rate/timebase"))
        if base and 1 <= base <= 1_000_000:
            ntsc = here.value("rate/ntsc").upper() == "TRUE"
            return NTSC.get(int(base), base * 1000 / 1001) if ntsc else base
        here = here.parent
    return Fraction(25)


def _number(text: str) -> Fraction | None:
    """A number of a file: None where there is none that makes sense."""
    try:
        value = exact_number(text)
    except ValueError:
        return None
    return value if abs(value) < 10**12 else None


def frames(element: Element, name: str, default: Fraction | None = None) -> Fraction:
    """A count of frames under an element. Raises `ProjectError` where it is missing and has no default."""
    found = _number(element.value(name))
    if found is None:
        if default is None:
            raise ProjectError(f"{label(element)} has no {name}; export the sequence again")
        return default
    return found


def label(element: Element) -> str:
    """An element as a reader of an error finds it."""
    return f'{element.tag} {element.attributes.get("id", "")[:60]} "{element.value("name")[:60]}"'


def _timecode(element: Element, rate: Fraction) -> tuple[Fraction, bool]:
    """The start timecode under an element in seconds, and whether it counts drop frame."""
    stamp = element.find("timecode")
    if stamp is None:
        return ZERO, False
    own = rate_of(stamp) if stamp.find("rate") else rate
    drop = stamp.value("displayformat").upper() == "DF" and drops(own)
    frame = _number(stamp.value("frame"))
    if frame is None:
        text = stamp.value("string")
        try:
            return (timecode_seconds(text, own) if text else ZERO), drop or ";" in text
        except TimeError:
            return ZERO, drop
    return frame / own, drop


def _tracks(
    sequence: Element, prefix: str, rate: Fraction, book: Book, kinds: Sequence[Literal["video", "audio"]] = KINDS
) -> Iterator[Track]:
    """The tracks of a sequence; of a nested one only pictures in a picture track, and only sound in a sound track."""
    for kind in kinds:
        medium = sequence.find(f"media/{kind}")
        for i, element in enumerate(medium.all("track") if medium else [], 1):
            place = f"{prefix}{kind[0].upper()}{i}"
            items = laid(_items(element, place, rate, book))
            name = element.attributes.get("MZ.TrackName") or element.value("name") or place.split(">")[-1]
            yield Track(name, kind, items, _on(element))


def _on(element: Element) -> bool:
    return element.value("enabled").upper() != "FALSE"


def _items(track: Element, place: str, rate: Fraction, book: Book) -> Iterator[Item]:
    elements = track.all("clipitem", "generatoritem", "transitionitem")
    number = 0
    for i, element in enumerate(elements):
        if element.tag == "transitionitem":
            yield _transition(element, rate)
            continue
        before, after = (_beside(elements, i, step) for step in (-1, 1))
        number += 1
        item = _clip(element, before, after, f"{place}/{number}", rate, book)
        if item.record.duration > 0:
            yield item
        else:
            book.reading.note(f"{label(element)} ({place}/{number}) has no length and is left out")


def _beside(elements: Sequence[Element], i: int, step: int) -> Element | None:
    """The transition directly before or after a clip."""
    near = elements[i + step] if 0 <= i + step < len(elements) else None
    return near if near is not None and near.tag == "transitionitem" else None


def _cut(transition: Element, rate: Fraction) -> Fraction:
    """The frame of the cut under a transition."""
    start, end = frames(transition, "start"), frames(transition, "end")
    ticks = _number(transition.value("cutPointTicks"))
    if ticks is not None:
        at = start + round(ticks / TICKS * rate)
        if start <= at <= end:
            return at
    alignment = transition.value("alignment").lower()
    if alignment.startswith("end"):
        return end
    return start if alignment.startswith("start") else start + (end - start) // 2


def _transition(element: Element, rate: Fraction) -> Transition:
    span = Span.between(frames(element, "start") / rate, max(frames(element, "start"), frames(element, "end")) / rate)
    name = element.value("effect/name") or "transition"
    dissolve = "dissolve" in f"{name} {element.value('effect/effectcategory')}".lower()
    return Transition(span, name, DISSOLVE if dissolve else name)


def record_of(element: Element, before: Element | None, after: Element | None, rate: Fraction) -> tuple[Fraction, ...]:
    """A clip's first record frame, the one after its last, and how many of its first ones a transition covers."""
    start, end = frames(element, "start"), frames(element, "end")
    covered = ZERO
    if start < 0:
        if before is None:
            raise ProjectError(
                f"{label(element)} starts at -1 without a transition before it; export the sequence again"
            )
        start = _cut(before, rate)
        covered = start - frames(before, "start")
    if end < 0:
        if after is None:
            raise ProjectError(f"{label(element)} ends at -1 without a transition after it; export the sequence again")
        end = _cut(after, rate)
    return start, end, covered


def _clip(
    element: Element, before: Element | None, after: Element | None, place: str, rate: Fraction, book: Book
) -> Item:  # fmt: skip
    start, end, covered = record_of(element, before, after, rate)
    record = Span.between(start / rate, max(start, end) / rate)
    own = rate_of(element)
    media, zero = media_of(element, own, book)
    first, speed = _retimed(element, frames(element, "in", ZERO), covered / rate * own, place, book)
    speed = paced(speed, label(element))
    first = _exactly(element, first, own)
    name = element.value("name") or file_name(media.url) or media.name or place
    inner = element.find("sequence")
    if inner is not None:
        inner = inner if inner.children else book.sequences.get(inner.attributes.get("id", ""), inner)
        return _nest(element, inner, Span(first / own, record.duration * speed), record, speed, place, book)
    length = record.duration * abs(speed) if speed else 1 / own
    begin = zero + first / own - (length - 1 / own if speed < 0 else 0)
    markers = tuple(_marker(m, own, zero) for m in element.all("marker"))
    clip = Clip("", name, media, Span(begin, length), record, own, speed, _on(element), place=place, markers=markers)
    book.clips[place] = element
    return book.reading.named(clip)


def _nest(
    element: Element, inner: Element, source: Span, record: Span, speed: Fraction, place: str, book: Book
) -> Nest:
    key = inner.attributes.get("id", str(inner.start))
    if key in book.inside:
        raise ProjectError(f"{book.reading.path}: the sequence {inner.value('name')[:60]!r} lies inside itself")
    if len(book.inside) >= DEEPEST_NEST:
        raise ProjectError(f"{book.reading.path}: more than {DEEPEST_NEST} sequences lie inside one another")
    book.reading.counted(NEST)
    book.inside.append(key)
    rate = rate_of(inner)
    kind: Literal["video", "audio"] = "audio" if place.split(">")[-1].startswith("A") else "video"
    tracks = tuple(_tracks(inner, f"{place}>", rate, book, (kind,)))
    book.inside.pop()
    name = element.value("name") or inner.value("name") or place
    start = source.start - _timecode(inner, rate)[0]
    source = Span(start if start >= 0 else source.start, source.duration)
    return Nest(place, name, source, record, tracks, rate, speed or Fraction(1), _on(element), place)


def _marker(element: Element, rate: Fraction, zero: Fraction) -> Marker:
    start, end = frames(element, "in", ZERO), frames(element, "out", Fraction(-1))
    length = (end - start) / rate if end > start else ZERO
    return Marker(element.value("name"), element.value("comment"), Span(zero + start / rate, length))


def media_of(element: Element, rate: Fraction, book: Book) -> tuple[Media, Fraction]:
    """What a clip item shows, and the source time of its file's first frame."""
    if element.tag == "generatoritem":
        return Media("generator", element.value("effect/name") or element.value("name") or "generator"), ZERO
    multi = element.find("multiclip")
    file = book.file(element) if multi is None else _angle(multi, book)
    if file is None:
        kind = element.find("sequence")
        return Media("missing" if kind is None else "generator", element.value("name")), ZERO
    if (file, rate) not in book.media:
        book.media[file, rate] = _file(file, rate, book.reading.path)
    return book.media[file, rate]


def _file(file: Element, rate: Fraction, project: Path) -> tuple[Media, Fraction]:
    url, source = file.value("pathurl"), file.value("mediaSource")
    name = file.value("name") or file_name(url)
    if not url:
        return Media("generator" if source else "missing", source or name), ZERO
    own = rate_of(file) if file.find("rate") else rate
    zero = _timecode(file, own)[0]
    length = _number(file.value("duration"))
    available = Span(zero, length / own) if length and length > 0 else None
    path = url_to_path(url, project.absolute().parent)
    reel = file.value("timecode/reel/name") or file.value("reel/name")
    return Media("file", name, url, path, available, own, reel), zero


def _angle(multi: Element, book: Book) -> Element | None:
    """The file of a multiclip's active picture angle; of the first where none is said to be."""
    angles = multi.all("angle")
    shown = [a for a in angles if a.value("activevideoangle").upper() == "TRUE"] or angles
    clip = shown[0].find("clip") if shown else None
    for medium in ("media/video/track/clipitem", "media/audio/track/clipitem"):
        item = clip.find(medium) if clip else None
        if item is not None and book.file(item) is not None:
            return book.file(item)
    return book.file(clip) if clip else None


def retime_of(element: Element) -> Element | None:
    """The filter that sets a clip's speed."""
    for filter in element.all("filter"):
        on = filter.value("enabled").upper() != "FALSE"
        if on and filter.value("effect/effectid").replace(" ", "").lower() == "timeremap":
            return filter.find("effect")
    return None


def _retimed(
    element: Element, start: Fraction, covered: Fraction, place: str, book: Book
) -> tuple[Fraction, Fraction]:  # fmt: skip
    """The frame of the file that a clip shows first, and its speed; ``covered`` frames lie under a transition."""
    effect = retime_of(element)
    first = start + covered
    if effect is None:
        return first, Fraction(1)
    given = {p.value("parameterid"): p for p in effect.all("parameter")}
    keys = _keys(given.get("graphdict"))
    constant = "variablespeed" not in given or (_number(given["variablespeed"].value("value")) or 0) == 0
    said = _number(given["speed"].value("value")) if "speed" in given else None
    speed = Fraction(100) if said is None else said
    back = "reverse" in given and given["reverse"].value("value").upper() == "TRUE"
    if constant:
        pace = abs(speed) / 100
        if not pace:
            return first, ZERO
        if not (back or speed < 0):
            return first * pace, pace
        top = keys[0][1] if keys and keys[0][1] > keys[-1][1] else frames(element, "duration", ZERO) * pace
        return max(ZERO, top - first * pace), -pace
    if len(keys) < 2:
        return first, speed / 100
    stop = max(frames(element, "out", first + 1), first + 1)
    a, b = _valued(keys, first), _valued(keys, stop)
    average = (b - a) / (stop - first)
    text = f"changes its speed on the way; it plays at its average, {float(average):.3g}"
    book.reading.note(f"{label(element)} ({place}) {text}")
    return a, average


def _exactly(element: Element, first: Fraction, rate: Fraction) -> Fraction:
    """A clip's first frame by Premiere's ticks, which are exact where ``in`` is rounded; as it is where they disagree."""
    ticks = _number(element.value("pproTicksIn"))
    exact = ticks / TICKS * rate if ticks is not None else first
    return exact if abs(exact - first) <= 1 else first


def _keys(graph: Element | None) -> list[tuple[Fraction, Fraction]]:
    found = []
    for key in graph.all("keyframe") if graph else []:
        when, value = _number(key.value("when")), _number(key.value("value"))
        if when is not None and value is not None:
            found.append((when, value))
    return sorted(found)


def _valued(keys: Sequence[tuple[Fraction, Fraction]], at: Fraction) -> Fraction:
    """The value of a graph of straight lines, held beyond its ends."""
    if at <= keys[0][0]:
        return keys[0][1]
    for (t0, v0), (t1, v1) in pairwise(keys):
        if at <= t1 and t1 > t0:
            return v0 + (v1 - v0) * (at - t0) / (t1 - t0)
    return keys[-1][1]


def unfilmed(element: Element) -> bool:
    """Whether an item is one that cannot be split and relinked: a generator, a nested sequence, a multiclip."""
    return element.tag != "clipitem" or bool(element.all("sequence", "multiclip"))


def with_name(clip: Clip, name: str) -> Clip:
    """A clip called otherwise."""
    return replace(clip, name=name)
