"""Writes a project as FCPXML 1.10: the first picture track is the storyline, everything else hangs on it.

All times are whole frames of the program as exact fractions; a clip starts exactly at the source time the model says.
A sound that plays with its own picture becomes the picture's; any other is a connected clip below.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count
from typing import TypeGuard

from lp_editor.timeline.dialects.fcpxml_patch import time_text, url_of
from lp_editor.timeline.dialects.markup import attribute
from lp_editor.timeline.dialects.patching import record_of
from lp_editor.timeline.dialects.planning import (
    Fade,
    Laid,
    Losses,
    laid_out,
    others_markers,
    own_markers,
    source_at,
    zero_of,
)
from lp_editor.timeline.model import Clip, Marker, Nest, Project, Track

SIZE = (1920, 1080)
"""The picture size of a project whose media do not say theirs."""

SOLID = ".../Generators.localized/Solids.localized/Custom.localized/Custom.motn"
"""Final Cut Pro's own plain generator, which stands for those that a project only names."""

DISSOLVE = "FxPlug:4731E73A-8DAC-4113-9A30-AE85B1761265"
"""Final Cut Pro's cross dissolve."""


@dataclass
class Node:
    """An element on its way out: what it says, what is in it, and when it lies in record time."""

    tag: str
    given: dict[str, object]
    children: list[Node] = field(default_factory=list)
    first: int = 0
    stop: int = 0
    start: Fraction = Fraction(0)

    def lines(self) -> list[str]:
        """The element as lines of text, a step of four blanks for each level."""
        values = "".join(f" {k}={attribute(v)}" for k, v in self.given.items() if v is not None)
        if not self.children:
            return [f"<{self.tag}{values}/>"]
        ordered = sorted(self.children, key=lambda c: ORDER.index(c.tag) if c.tag in ORDER else 1)
        inside = ["    " + line for child in ordered for line in child.lines()]
        return [f"<{self.tag}{values}>", *inside, f"</{self.tag}>"]


ORDER = ("timeMap", "connected", "marker", "filter-video")
"""Children in the order the format's definition wants them; clips that hang on one come behind its time map."""


def write(project: Project, losses: Losses, size: tuple[int, int] | None = None) -> str:
    """The whole file."""
    if size is None:
        losses.add(project.name, f"no media are here to say its picture size; {SIZE[0]}x{SIZE[1]} is written")
    writer = _Writer(project, losses, size or SIZE)
    sequence = writer.sequence(project.tracks, project.rate, project.start, project.markers)
    top = Node(
        "library", {}, [Node("event", {"name": project.name}, [Node("project", {"name": project.name}, [sequence])])]
    )
    root = Node("fcpxml", {"version": "1.10"}, [])
    body = [Node("resources", {}, writer.resources), top]
    lines = [
        *root.lines()[0].replace("/>", ">").split("\n"),
        *("    " + line for part in body for line in part.lines()),
    ]
    return '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n\n' + "\n".join([*lines, "</fcpxml>"]) + "\n"


class _Writer:
    """Gives out resources."""

    def __init__(self, project: Project, losses: Losses, size: tuple[int, int]) -> None:
        self.project, self.losses, self.size = project, losses, size
        self.resources: list[Node] = []
        self.known: dict[object, str] = {}
        self.numbers = count(1)
        self.heard = {c.media for c in project.clips() if c.place.split(">")[-1].startswith("A")}
        self.off: set[str] = set()
        """Places of clips on tracks that are switched off."""
        self.silent = not any(track.kind == "audio" for track in project.tracks)

    def _resource(self, key: object, tag: str, **given: object) -> tuple[str, Node | None]:
        """The id of a resource, and its element where it is new."""
        if key in self.known:
            return self.known[key], None
        id = self.known[key] = f"r{next(self.numbers)}"
        node = Node(tag, {"id": id, **given})
        self.resources.append(node)
        return id, node

    def _format(self, rate: Fraction) -> str:
        width, height = self.size
        return self._resource(
            ("format", rate), "format", frameDuration=time_text(1 / rate), width=width, height=height
        )[0]

    def sequence(
        self, tracks: Sequence[Track], rate: Fraction, start: Fraction, markers: Sequence[Marker] = ()
    ) -> Node:
        """A sequence element: storyline and what hangs on it."""
        self._named(tracks)
        pictures = [laid_out(t, rate) for t in tracks if t.kind == "video"]
        sounds = [laid_out(t, rate) for t in tracks if t.kind == "audio"]
        ends = [one.stop for row in (*pictures, *sounds) for one in row]
        total = max(ends, default=0)
        joined = self._joined(pictures, sounds)
        spine = Node("spine", {}, self._storyline(pictures[0] if pictures else [], total, rate, start, joined))
        solid = [n for n in spine.children if n.tag != "transition"]
        for lane, row in enumerate(pictures[1:], 1):
            self._hang(row, lane, solid, rate, joined, "video")
        heard = set(joined.values())
        for lane, row in enumerate(sounds, 1):
            left = [one for one in row if isinstance(one, Fade) or one.item.place not in heard]
            self._hang(left, -lane, solid, rate, joined, "audio")
        for marker in others_markers(markers):
            if _mark(solid, marker, rate):
                self.losses.add(self.project.name, f'the marker "{marker.name}" of the timeline hangs on the clip under it')
            else:
                self.losses.add(self.project.name, f'the marker "{marker.name}" lies past the end; left out')
        return Node("sequence", {
            "format": self._format(rate), "duration": time_text(Fraction(total) / rate), "tcStart": time_text(start),
            "tcFormat": "DF" if self.project.drop_frame else "NDF", "audioLayout": "stereo", "audioRate": "48k",
        }, [spine])  # fmt: skip

    def _named(self, tracks: Sequence[Track]) -> None:
        """Note what tracks are that lanes are not: named, and switched off."""
        for track in tracks:
            if not track.enabled:
                self.off |= {i.place for i in track.items if isinstance(i, Clip | Nest)}
                self.losses.add(track.name, "the track is switched off; FCPXML switches each of its clips off")
            if track.name and not re.fullmatch(r"(video|audio|[va])? ?\d*", track.name, re.IGNORECASE):
                self.losses.add(track.name, "names of tracks are not in FCPXML")

    def _joined(self, pictures: Sequence[Row], sounds: Sequence[Row]) -> dict[str, str]:
        """The sound of each picture that plays with it, by the picture's place: same media, same time."""
        free = {self._heard_as(o): o.item for row in reversed(sounds) for o in row if _is_clip(o)}
        found: dict[str, str] = {}
        for o in (one for row in pictures for one in row if _is_clip(one)):
            sound = free.pop(self._heard_as(o), None) if o.item.media.kind == "file" else None
            if sound is not None:
                found[o.item.place] = sound.place
                for marker in (m for m in others_markers(sound.markers) if m not in o.item.markers):
                    self.losses.add(sound, f'the marker "{marker.name}" of its sound is not written in FCPXML')
        return found

    def _heard_as(self, laid: _LaidClip) -> object:
        """What a sound and a picture share that are one clip."""
        clip, on = laid.item, laid.item.enabled and laid.item.place not in self.off
        return clip.media.url, laid.first, laid.stop, clip.source.start, clip.speed, on

    def _storyline(self, row: Row, total: int, rate: Fraction, start: Fraction, joined: dict[str, str]) -> list[Node]:
        """The elements of the spine, gaps in between and to the end."""
        made: list[Node] = []
        at = 0
        for one in row:
            if isinstance(one, Fade):
                made.append(self._fade(one, rate, start, "video"))
                continue
            if one.first > at:
                made.append(_gap(at, one.first, rate, start))
            made.append(self._clip(one, rate, start + Fraction(one.first) / rate, "video", joined))
            at = one.stop
        if total > at:
            made.append(_gap(at, total, rate, start))
        return made

    def _fade(self, fade: Fade, rate: Fraction, start: Fraction, kind: str) -> Node:
        if "dissolve" not in fade.item.kind.lower():
            self.losses.add(fade.item.name or "transition", f"{fade.item.kind} is written as a cross dissolve")
        children = []
        if kind == "video":
            effect = self._resource("dissolve", "effect", name="Cross Dissolve", uid=DISSOLVE)[0]
            children.append(Node("filter-video", {"ref": effect, "name": "Cross Dissolve"}))
        offset = start + Fraction(fade.first) / rate
        lasts = Fraction(fade.stop - fade.first) / rate
        return Node(
            "transition",
            {"name": "Cross Dissolve", "offset": time_text(offset), "duration": time_text(lasts)},
            children,
        )

    def _hang(
        self, row: Row, lane: int, solid: Sequence[Node], rate: Fraction, joined: dict[str, str], kind: str
    ) -> None:
        """Connect a track's clips; runs with transitions as storylines of their own."""
        for run in _runs(row):
            first = next(o for o in run if isinstance(o, Laid))
            parent = _under(solid, first.first) or solid[-1]
            offset = parent.start + Fraction(first.first - parent.first) / rate
            if len(run) == 1:
                node = self._clip(first, rate, offset, kind, joined)
                node.given = {"lane": lane, **node.given}
            else:
                begin = Fraction(first.first) / rate
                inside = [
                    self._fade(o, rate, -begin, kind) if isinstance(o, Fade)
                    else self._clip(o, rate, Fraction(o.first) / rate - begin, kind, joined) for o in run
                ]  # fmt: skip
                node = Node("spine", {"lane": lane, "offset": time_text(offset)}, inside)
            parent.children.append(node)

    def _clip(self, laid: Laid, rate: Fraction, offset: Fraction, kind: str, joined: dict[str, str]) -> Node:
        """One clip's element."""
        item = laid.item
        shown = source_at(laid, laid.first, rate)
        lasts = Fraction(laid.count) / rate
        given: dict[str, object] = {"offset": time_text(offset), "name": item.name, "duration": time_text(lasts)}
        if not item.enabled or item.place in self.off:
            given["enabled"] = "0"
        if isinstance(item, Nest):
            ref, inside = self._resource((item.place, item.name), "media", name=item.name)
            if inside is not None:
                inside.children.append(self.sequence(item.tracks, item.rate, Fraction(0)))
            given |= {"ref": ref, "srcEnable": kind}
            tag = "ref-clip"
        elif item.media.kind == "generator":
            self.losses.add(
                item, "is a generator; what it draws is not in the project, a plain one of its name is written"
            )
            given["ref"] = self._resource(("effect", item.media.name), "effect", name=item.media.name, uid=SOLID)[0]
            tag = "video"
        else:
            given["ref"] = self._asset(item)
            tag = "asset-clip"
            if not (self.silent or item.place in joined):
                given["srcEnable"] = kind
        start, children = self._time(item, shown, lasts)
        given["start"] = time_text(start)
        node = Node(tag, given, children, laid.first, laid.stop, start)
        if isinstance(item, Clip) and kind == "video":
            node.children += [self._marker(m, item, start, rate) for m in others_markers(item.markers)]
            node.children += [self._own_marker(m, item, start, rate) for m in own_markers(item, self.project.rate)]
        elif isinstance(item, Clip):
            for marker in others_markers(item.markers):
                self.losses.add(item, f'the marker "{marker.name}" of its sound is not written in FCPXML')
        return node

    def _marker(self, marker: Marker, clip: Clip, start: Fraction, rate: Fraction) -> Node:
        at = start + clip.record_time(marker.span.start) - clip.record.start
        lasts = max(marker.span.duration, 1 / rate)
        return _marker(marker, at, lasts)

    def _own_marker(self, marker: Marker, clip: Clip, start: Fraction, rate: Fraction) -> Node:
        """A marker that says a mark: a frame long, for its words say how long the mark is."""
        at = start + record_of(clip, marker).start - clip.record.start
        return _marker(replace(marker, note=""), at, 1 / rate)

    def _time(self, item: Clip | Nest, shown: Fraction, lasts: Fraction) -> tuple[Fraction, list[Node]]:
        """The start of a clip's own time, and its time map where it is retimed."""
        if item.speed == 1:
            return shown, []
        if item.speed == 0:
            points = [(Fraction(0), shown), (lasts, shown)]
            return Fraction(0), [_map(points)]
        known = item.media.available if isinstance(item, Clip) else None
        low, high = (
            (known.start, known.stop) if known else (min(shown, item.source.start), max(item.source.stop, shown + 1))
        )
        if item.speed > 0:
            return shown / item.speed, [_map([(low / item.speed, low), (high / item.speed, high)])]
        pace = -item.speed
        return (high - shown) / pace, [_map([(Fraction(0), high), ((high - low) / pace, low)])]

    def _asset(self, clip: Clip) -> str:
        media = clip.media
        if media in self.known:
            return self.known[media]
        zero, rate = zero_of(clip, self.losses), media.rate or clip.rate
        lasts = media.available.duration if media.available else clip.source.stop - zero
        url = url_of(media.path) if media.path is not None and media.kind == "file" else media.url or f"./{media.name}"
        if media.kind != "file":
            self.losses.add(clip, "its media are an image sequence or not known; they are named without a path")
        sound = self.silent or media in self.heard
        given = {"start": time_text(zero), "duration": time_text(lasts), "hasVideo": "1", "format": self._format(rate),
                 "hasAudio": "1" if sound else None, "audioSources": "1" if sound else None,
                 "audioChannels": "2" if sound else None}  # fmt: skip
        id, node = self._resource(media, "asset", name=media.name or clip.name, **given)
        assert node is not None
        node.children.append(Node("media-rep", {"kind": "original-media", "src": url}))
        if media.reel:
            reel = Node("md", {"key": "com.apple.proapps.studio.reel", "value": media.reel})
            node.children.append(Node("metadata", {}, [reel]))
        return id


Row = list["Laid | Fade"]


class _LaidClip(Laid):
    """A clip on whole frames."""

    item: Clip


def _is_clip(one: Laid | Fade) -> TypeGuard[_LaidClip]:
    return isinstance(one, Laid) and isinstance(one.item, Clip)


def _runs(row: Row) -> Iterator[Row]:
    """Clips that transitions hold together, each run in order; all others by themselves."""
    run: Row = []
    held = False
    for one in row:
        if isinstance(one, Fade):
            behind = bool(run) and isinstance(run[-1], Laid) and run[-1].stop == one.cut
            if run and not behind:
                yield run
                run = []
            run.append(one)
            held = True
            continue
        if run and not held:
            yield run
            run = []
        run.append(one)
        held = False
    if any(isinstance(one, Laid) for one in run):
        yield run


def _gap(first: int, stop: int, rate: Fraction, start: Fraction) -> Node:
    node = Node("gap", {"name": "Gap"}, [], first, stop, Fraction(3600))
    times = {"offset": start + Fraction(first) / rate, "start": node.start, "duration": Fraction(stop - first) / rate}
    node.given |= {name: time_text(time) for name, time in times.items()}
    return node


def _map(points: Sequence[tuple[Fraction, Fraction]]) -> Node:
    made = Node("timeMap", {})
    for time, value in points:
        made.children.append(Node("timept", {"time": time_text(time), "value": time_text(value), "interp": "linear"}))
    return made


def _marker(marker: Marker, at: Fraction, lasts: Fraction) -> Node:
    given: dict[str, object] = {
        "start": time_text(at),
        "duration": time_text(lasts),
        "value": marker.name,
        "note": marker.note or None,
    }
    return Node("marker", given)


def _under(solid: Sequence[Node], frame: int) -> Node | None:
    """The element of the storyline, given in order, that lies at a frame."""
    at = bisect_right(solid, frame, key=lambda n: n.first) - 1
    return solid[at] if at >= 0 and frame < solid[at].stop else None


def _mark(solid: Sequence[Node], marker: Marker, rate: Fraction) -> bool:
    """Put a marker of the program on the element of the storyline that lies there; whether one does."""
    frame = round(marker.span.start * rate)
    parent = _under(solid, frame)
    if parent is not None:
        at = parent.start + marker.span.start - Fraction(parent.first) / rate
        parent.children.append(_marker(marker, at, max(marker.span.duration, 1 / rate)))
    return parent is not None
