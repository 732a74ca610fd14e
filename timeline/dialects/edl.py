"""CMX 3600 edit decision lists, read into a project: cuts, dissolves, speeds, names, locators.

A list says no frame rate. Drop frame means 29.97; else the largest frame number of any timecode decides (29 → 30,
24 → 25, otherwise 24), which is said, and ``--rate`` overrides it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from lp_editor.errors import ProjectError, TimeError
from lp_editor.timeline.dialects.encodings import decoded, encoding_of
from lp_editor.timeline.dialects.source import ZERO, Reading, laid, paced
from lp_editor.timeline.model import Clip, Item, Marker, Media, Project, Span, Track, Transition
from lp_editor.timeline.timecode import NTSC, exact_number, nominal, rate_text, timecode_frames
from lp_editor.timeline.urls import file_name, url_to_path

TIMECODE = r"\d{1,2}[:;.]\d{2}[:;.]\d{2}[:;.]\d{2,3}"

LONG_LINE, LONGEST_LINE = 160, 4000
"""Signs of a line; CMX 3600 itself knows 80. Beyond the second number nothing is looked at."""

EVENT = re.compile(
    rf"^\s*(?P<number>\d{{1,6}}[A-Za-z]?)\s+(?P<reel>\S.*?)\s+(?P<channel>[A-Za-z0-9/]+)\s+(?P<kind>C|D|K|KB|KO|W\d+)"
    rf"(?:\s+[BO])?(?:\s+(?P<length>\d{{1,4}}))?\s+(?P<times>{TIMECODE}(?:\s+{TIMECODE}){{3}})\s*$"
)

NAMES = (
    ("name", r"FROM\s+CLIP\s+NAME\s*:\s*(.*)"), ("to", r"TO\s+CLIP\s+NAME\s*:\s*(.*)"), ("url", r"FROM\s+(?:CLIP|FILE)\s*:\s*(.*)"),
    ("file", r"(?:SOURCE|MEDIA)\s+FILE\s*:\s*(.*)"), ("locator", r"LOC(?:ATOR)?\s*:\s*(.*)"), ("freeze", r"(FREEZE\s+FRAME.*)"),
)  # fmt: skip


@dataclass
class Event:
    """One line of the list with the remarks under it. Times are frames."""

    line: int
    number: str
    reel: str
    channel: str
    kind: str
    length: int
    times: tuple[int, int, int, int]
    remarks: dict[str, str] = field(default_factory=dict)
    speed: Fraction | None = None
    markers: list[Marker] = field(default_factory=list)


def _line(text: str) -> str:
    """A line, a long one with single blanks: with more the pattern of an event would look for its words for hours."""
    return text if len(text) <= LONG_LINE else re.sub(r"\s+", " ", text[:LONGEST_LINE].rstrip())


def is_list(content: bytes) -> bool:
    """Whether some bytes read like a list: a title, or an event, among the first lines."""
    head = content[:4000]
    encoding = encoding_of(content) if b"\0" in head else "utf-8-sig"
    lines = list(map(_line, head.decode(encoding, "replace").removeprefix("\ufeff").splitlines()))
    return any(line.upper().startswith(("TITLE:", "FCM:")) or EVENT.match(line) for line in lines[:40])


def read(content: bytes, path: Path, rate: Fraction | None = None) -> tuple[Project, Sequence[str]]:
    """The project of a list, and notes. Raises `ProjectError` naming the line that cannot be read."""
    reading = Reading(path)
    whole, remark = decoded(content)
    if remark:
        reading.note(remark)
    text = "\n".join(map(_line, re.split("\r\n|\r|\n", whole)))
    drop = re.search(r"^FCM:\s*DROP", text, re.MULTILINE | re.IGNORECASE) is not None
    used = rate or _rate(text, drop, reading)
    title = re.search(r"^TITLE:[ \t]*(.*?)[ \t]*$", text, re.MULTILINE | re.IGNORECASE)
    events = list(_events(text, used, drop, reading))
    if not events:
        raise ProjectError(f"{path} holds no event; export the edit list again")
    start = min(e.times[2] for e in events)
    tracks = tuple(_tracks(events, start, used, reading))
    markers = tuple(m for e in events for m in e.markers)
    moved = tuple(Marker(m.name, m.note, m.span.moved(-Fraction(start) / used)) for m in markers)
    name = title[1] if title and title[1] else path.stem
    return Project(name, used, Fraction(start) / used, tracks, drop, moved), reading.notes


def _rate(text: str, drop: bool, reading: Reading) -> Fraction:
    """The rate that the list's timecodes speak for."""
    if drop:
        return NTSC[30]
    highest = max((int(m) for m in re.findall(r"\d\d[:;.]\d\d[:;.]\d\d[:;.](\d\d)\b", text)), default=0)
    rate = Fraction(next((r for r in (24, 25, 30, 50, 60) if highest < r), 100))
    reading.note(f"an edit list says no frame rate; {rate_text(rate)} is taken from its timecodes; --rate sets another")
    return rate


def _events(text: str, rate: Fraction, drop: bool, reading: Reading) -> Iterator[Event]:
    event: Event | None = None
    for number, line in enumerate(text.split("\n"), 1):
        match = EVENT.match(line)
        if match:
            if event:
                yield event
            event = _event(match, number, rate, drop, reading)
        elif event:
            _remark(event, line, rate, drop, reading)
        elif re.match(r"^\s*\d+\s+\S+\s+\S+\s+\S+\s.*\d\d:\d\d", line):
            raise ProjectError(f"{reading.path}, line {number}: no event of a CMX 3600 list: {line.strip()[:60]!r}")
    if event:
        yield event


def _event(match: re.Match[str], line: int, rate: Fraction, drop: bool, reading: Reading) -> Event:
    times = [_frames(t, rate, drop, f"{reading.path}, line {line}") for t in match["times"].split()]
    a, b, c, d = times
    if d < c:
        raise ProjectError(f"{reading.path}, line {line}: event {match['number']} ends before it begins")
    return Event(
        line, match["number"], match["reel"].strip(), match["channel"].upper(), match["kind"], int(match["length"] or 0),
        (a, b, c, d),
    )  # fmt: skip


def _frames(text: str, rate: Fraction, drop: bool, where: str) -> int:
    hours, minutes, seconds, frames = re.split("[:;.]", text)
    mark = ";" if drop else ":"
    try:
        return timecode_frames(f"{hours}:{minutes}:{seconds}{mark}{frames}", rate)
    except TimeError as error:
        raise ProjectError(f"{where}: {error}; another rate is set by --rate") from None


def _remark(event: Event, line: str, rate: Fraction, drop: bool, reading: Reading) -> None:
    """A line under an event: its names, its speed, its markers."""
    motion = re.match(r"^\s*M2\s+(.*?)\s+(-?\d+(?:\.\d+)?)\s+" + TIMECODE, line)
    if motion:
        where = f"{reading.path}, event {event.number}"
        event.speed = paced(_paced(_speed(motion[2], event, reading), rate), where)
        return
    resolve = re.match(r"^\s*\|C:\S*\s*\|M:(.*?)\s*\|D:(\d{1,12})(?!\d)", line)
    if resolve:
        span = Span(Fraction(event.times[2]) / rate, Fraction(int(resolve[2])) / rate)
        event.markers.append(Marker(resolve[1], "", span if span.duration > 1 / rate else Span(span.start, ZERO)))
        return
    text = line.strip().lstrip("*").strip()
    for key, pattern in NAMES:
        found = re.match(pattern, text, re.IGNORECASE)
        if found and line.strip().startswith("*"):
            if key == "locator":
                _locator(event, found[1], rate, drop, reading)
            else:
                event.remarks.setdefault(key, found[1].strip())
            return


def _speed(text: str, event: Event, reading: Reading) -> Fraction:
    try:
        return exact_number(text)
    except ValueError as error:
        raise ProjectError(f"{reading.path}, under event {event.number}: its speed is {error}") from None


def _paced(fps: Fraction, rate: Fraction) -> Fraction:
    """The speed that a motion's frames per second mean: they are rounded, and 24 may stand for 23.976.

    A whole per cent within what they may mean is meant.
    """
    half = Fraction(1, 20)
    least, most = sorted(((abs(fps) - half) / nominal(rate), (abs(fps) + half) / rate))
    near = Fraction(round(abs(fps) / nominal(rate) * 100), 100)
    speed = near if least <= near <= most else abs(fps) / nominal(rate)
    return -speed if fps < 0 else speed


def _locator(event: Event, text: str, rate: Fraction, drop: bool, reading: Reading) -> None:
    found = re.match(rf"({TIMECODE})\s+(\S+)\s*(.*)$", text)
    if found:
        frame = _frames(found[1], rate, drop, f"{reading.path}, under line {event.line}")
        event.markers.append(Marker(found[3].strip() or found[2], "", Span(Fraction(frame) / rate, ZERO)))


def _lanes(channel: str) -> list[str]:
    """The tracks that an event's channel means."""
    found: list[str] = []
    for part in channel.replace("AA", "A/A2").replace("B", "V/A").split("/"):
        match = re.fullmatch(r"([VA])(\d*)", part)
        if match:
            found.append(f"{match[1]}{match[2] or 1}")
    return found


def _tracks(events: Sequence[Event], start: int, rate: Fraction, reading: Reading) -> Iterator[Track]:
    lanes: dict[str, list[Event]] = {}
    for event in events:
        for lane in _lanes(event.channel):
            lanes.setdefault(lane, []).append(event)
        if not _lanes(event.channel):
            reading.note(f"event {event.number} is on the channel {event.channel}, which is no track; left out")
    for place in sorted(lanes, key=lambda p: (p[0] == "A", int(p[1:]))):
        kind = "video" if place[0] == "V" else "audio"
        yield Track(place, kind, laid(_row(_in_order(lanes[place]), place, start, rate, reading)))  # type: ignore[arg-type]


def _in_order(events: Sequence[Event]) -> list[Event]:
    """Events as they come in the record; lists may be sorted by source (C mode)."""
    return sorted(events, key=lambda event: event.times[2])


def _row(events: Sequence[Event], place: str, start: int, rate: Fraction, reading: Reading) -> Iterator[Item]:
    number = 0
    for event in events:
        record = Span(Fraction(event.times[2] - start) / rate, Fraction(event.times[3] - event.times[2]) / rate)
        if event.kind != "C" and event.length and record.duration:
            kind = "SMPTE_Dissolve" if event.kind == "D" else f"CMX {event.kind}"
            yield Transition(Span(record.start, Fraction(event.length) / rate), kind, kind)
        if not record.duration or event.reel.upper() in ("BL", "BLK", "BLACK"):
            continue
        number += 1
        yield _clip(event, record, f"{place}/{number}", rate, reading)


def _clip(event: Event, record: Span, place: str, rate: Fraction, reading: Reading) -> Clip:
    shown = Fraction(event.times[1] - event.times[0]) / rate
    speed = Fraction(1)
    if event.speed is not None or "freeze" in event.remarks:
        speed = event.speed if event.speed is not None and "freeze" not in event.remarks else ZERO
    elif shown != record.duration:
        reading.note(
            f"event {event.number}: its source is {shown * rate} frames long and its record {record.duration * rate}; "
            "the record counts"
        )
    length = record.duration * abs(speed) if speed else 1 / rate
    names = event.remarks
    name = (names.get("to") if event.kind != "C" else None) or names.get("name") or names.get("file") or event.reel
    url = names.get("url") or ""
    file = url or names.get("file") or name
    path = url_to_path(url, reading.path.absolute().parent)
    media = Media("file" if url else "missing", file_name(file), url, path, None, rate, event.reel)
    source = Span(Fraction(event.times[0]) / rate, length)
    return reading.named(Clip("", name, media, source, record, rate, speed, place=place))
