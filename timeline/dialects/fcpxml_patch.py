"""Writes marks and renders into an FCPXML file that came in: only the nodes of the clips concerned change.

A clip of which a part was rendered becomes several. The rendered one is an audition: our render is the pick, the
original its alternate. What was connected to the clip stays connected to the piece it hangs on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from lp_editor.errors import OutputError
from lp_editor.timeline.dialects import fcpxml
from lp_editor.timeline.dialects.fcpxml import Book, seconds
from lp_editor.timeline.dialects.markup import Element, Markup, Splice, attribute, with_attribute
from lp_editor.timeline.dialects.patching import Change, changes, home, in_file, record_of, removed, step_of
from lp_editor.timeline.dialects.source import by_place
from lp_editor.timeline.model import Marker, Project, Span
from lp_editor.timeline.relink import Part, Rendered, layers
from lp_editor.timeline.urls import absolute_text, path_to_url

BEHIND_MARKERS = (
    "audio-channel-source", "audio-role-source", "sync-source", "mc-source", "filter-video", "filter-video-mask",
    "filter-audio", "metadata", "hidden-clip-marker",
)  # fmt: skip
"""What follows the markers of a clip, by the order of the format's definition."""

TIMED = ("marker", "chapter-marker", "keyword", "rating", "analysis-marker")
"""Children whose ``start`` is a time of the clip."""

PLAIN = ("asset-clip", "clip", "video")
"""Elements of which a part can show a render."""


def time_text(time: Fraction) -> str:
    """Seconds as the format writes them."""
    return f"{time.numerator}s" if time.denominator == 1 else f"{time.numerator}/{time.denominator}s"


@dataclass(frozen=True)
class FcpxmlFile:
    """An FCPXML file: its markup, the project of one sequence as it came, and as it is to be."""

    markup: Markup
    book: Book
    raw: Project
    before: Project
    project: Project
    path: Path
    names: Sequence[str]
    name: str
    rendered: tuple[Rendered, ...] = ()
    known: bool = False
    above: tuple[Rendered, ...] = ()
    dialect: str = "fcpxml"
    stores_marks: bool = False

    @property
    def notes(self) -> Sequence[str]:
        """What could not be taken over."""
        return self.book.reading.notes

    def understood(self, project: Project, known: bool = True) -> FcpxmlFile:
        """The file whose markers ask for the marks that ``project`` has: their absence later means they are to go."""
        return replace(self, before=project, project=project, known=known)

    def marked(self, before: Project, after: Project) -> FcpxmlFile:
        """The file with other marks."""
        return replace(self, project=after)

    def relinked(self, project: Project, rendered: Sequence[Rendered]) -> FcpxmlFile:
        """The file with clips split and linked to what was rendered of them."""
        return replace(self, project=project, rendered=(*self.rendered, *rendered))

    def layered(self, project: Project, rendered: Sequence[Rendered]) -> FcpxmlFile:
        """The file with what was rendered on new picture tracks over all others."""
        return replace(self, project=project, above=(*self.above, *rendered))

    def moved(self, here: Path, there: Path) -> FcpxmlFile:
        """The file for another folder: relative media made absolute."""
        return self

    def content(self) -> bytes:
        """The file's own bytes, but for what changed."""
        return _Patch(self).bytes()


def opened(markup: Markup, path: Path, wanted: str | None) -> FcpxmlFile:
    """Read a parsed file. Raises `ProjectError` saying what is wrong where."""
    project, book, _ = fcpxml.read(markup, path, wanted)
    names = [name for name, _ in fcpxml.tops(markup, path)]
    return FcpxmlFile(markup, book, project, project, project, path, names, project.name)


class _Patch:
    """The splices of one file."""

    def __init__(self, file: FcpxmlFile) -> None:
        self.file, self.markup, self.book = file, file.markup, file.book
        self.rate = file.project.rate
        self.assets: dict[Path, str] = {}
        self.formats: dict[str, str] = {}
        self.fresh: list[str] = []
        self.clips = by_place(file.project)
        used = [re.fullmatch(r"r(\d{1,9})", e.attributes["id"]) for e in self.markup.elements if "id" in e.attributes]
        self.number = max((int(m[1]) for m in used if m), default=0)

    def bytes(self) -> bytes:
        """The whole file."""
        found = changes(
            self.file.raw, self.file.before, self.file.project, self.file.rendered, self.book.clips, self.file.known
        )
        splices = [s for change in found for s in self._changed(change)]
        splices += self._layers({change.element for change in found})
        shelf = self.markup.root.find("resources")
        if self.fresh and shelf is not None:
            last = shelf.children[-1] if shelf.children else None
            at, indent = (last.end, self.markup.indent(last)) if last else (shelf.inner, "\n")
            splices.append(Splice(at, at, "".join(indent + text.replace("\n", indent) for text in self.fresh)))
        return self.markup.encoded(splices)

    def _layers(self, changed: Collection[Element]) -> Iterator[Splice]:
        """Renders connected above everything, each to the storyline's clip that it lies over."""
        lanes = [fcpxml.lane_of(e) for e in self.markup.elements if "lane" in e.attributes]
        highest = max([0, *lanes])
        hung: dict[Element, list[str]] = {}
        for number, row in enumerate(layers(self.file.above), 1):
            for one in row:
                node = self._storyline(self.book.clips[one.place])
                hung.setdefault(node, []).append(self._laid(one, node, highest + number))
        for node, texts in hung.items():
            if node in changed:
                raise OutputError(f"{fcpxml.label(node)} has new marks and a render above it; save one of them first")
            behind = next((c for c in node.children if c.tag in (*fcpxml.MARKERS, *BEHIND_MARKERS)), None)
            yield from self._put(node, behind, texts)

    def _storyline(self, node: Element) -> Element:
        """The element of the main storyline that an element is, or hangs on."""
        here: Element | None = node
        while here is not None:
            home = here.parent.parent if here.parent is not None and here.parent.tag == "spine" else None
            if home is not None and home.tag == "sequence" and here.tag not in ("audition", "transition"):
                return here
            if here.tag == "audition":
                break
            here = here.parent
        raise OutputError(f"{fcpxml.label(node)} lies in no main storyline that something could be connected to")

    def _laid(self, one: Rendered, node: Element, lane: int) -> str:
        """A connected clip that shows a render."""
        assert node.parent is not None
        assert node.parent.parent is not None
        begins = seconds(node, "offset", Fraction(0)) - seconds(node.parent.parent, "tcStart", Fraction(0))
        pace = fcpxml.conform(node, self.rate)
        offset = fcpxml.own_start(node, self.book) + (one.record.start - begins) * pace
        clip = self.clips[one.place]
        change = Change(self.book.clips[one.place], clip, clip, frozenset(), (), (), (one,))
        given = {
            "ref": self._asset(change, one), "lane": lane, "offset": time_text(offset), "name": clip.name,
            "start": time_text(one.timecode + in_file(one, one.record.start)),
            "duration": time_text(one.record.duration), "srcEnable": "video",
        }  # fmt: skip
        return "<asset-clip" + "".join(f" {name}={attribute(value)}" for name, value in given.items()) + "/>"

    def _id(self) -> str:
        self.number += 1
        return f"r{self.number}"

    def _changed(self, change: Change) -> list[Splice]:
        node, parts = change.element, change.parts
        if len(parts) == 1 and parts[0][1] is None:
            return self._markers(change, 0, None)
        if node.tag not in PLAIN:
            raise OutputError(f"{fcpxml.label(node)} is a {node.tag}, so no part of it can show a render")
        if node.parent is not None and node.parent.tag in ("event", "fcpxml"):
            raise OutputError(
                f"{fcpxml.label(node)} lies in the browser, not in a project; put it into one and export that"
            )
        outer = node.parent if node.parent is not None and node.parent.tag == "audition" else node
        gap = self.markup.indent(outer) or "\n"
        texts = [self._piece(change, i, outer) for i in range(len(parts))]
        return [Splice(outer.start, outer.end, gap.join(texts))]

    def _piece(self, change: Change, index: int, outer: Element) -> str:
        """One piece as text, with the audition around it where it has alternates."""
        node, part = change.element, change.parts[index]
        offset = time_text(self._offset(change, part, outer))
        filmed = self._filmed(change, index)
        if part[1] is None:
            text = self._element(node, self._place(change, part, None if outer is not node else offset), filmed)
            if outer is node:
                return text
            return self.markup.source(
                outer, [with_attribute(self.markup, outer, offset=offset), Splice(node.start, node.end, text)]
            )
        return self._audition(change, index, outer, offset)

    def _element(self, node: Element, values: Mapping[str, object], splices: Sequence[Splice]) -> str:
        """An element with other attributes and changes inside; one without children may get some."""
        opening = with_attribute(self.markup, node, **values)
        if node.close == node.end and splices:
            return opening.text[:-2].rstrip() + "".join(s.text for s in splices)
        return self.markup.source(node, [opening, *splices])

    def _audition(self, change: Change, index: int, outer: Element, offset: str) -> str:
        """The render as the pick of an audition, the original behind it."""
        node, (span, rendered) = change.element, change.parts[index]
        assert rendered is not None
        step, gap = step_of(self.markup, outer), self.markup.indent(outer) or "\n"
        pick = self._render(change, index, rendered)
        others = [self.markup.source(c) for c in outer.children if c is not node] if outer is not node else []
        lane = outer.attributes.get("lane")
        stale = outer is not node and change.raw.media != change.clip.media  # an earlier render of the same moments
        own = [pick] if stale else [pick, self._alternate(change, span)]
        lines = [t if outer is not node else t.replace("\n", "\n" + step) for t in own] + others
        opening = f"<audition{f' lane={attribute(lane)}' if lane else ''} offset={attribute(offset)}>"
        return opening + "".join(f"{gap}{step}{line}" for line in lines) + f"{gap}</audition>"

    def _alternate(self, change: Change, span: Span) -> str:
        """What a piece showed before it was rendered, without what hangs on it."""
        node = change.element
        place = self._place(change, (span, None), None) | {"lane": None}
        bare = [removed(self.markup, c) for c in node.children if self._hangs(c) or c.tag in TIMED]
        return self._element(node, place, bare)

    def _offset(self, change: Change, part: Part, outer: Element) -> Fraction:
        """Where a piece lies in what holds it, in its holder's time."""
        clip = change.clip
        start = outer.attributes.get("offset")
        if start is not None:
            return seconds(outer, "offset", Fraction(0)) + self._paced(change, part[0].start - clip.record.start)
        return self._paced(change, part[0].start)

    def _paced(self, change: Change, record: Fraction) -> Fraction:
        """Record seconds as seconds of the clip's holder (they differ where a holder's rate is conformed)."""
        outer = change.element.parent
        while outer is not None and outer.tag in ("audition", "spine"):
            outer = outer.parent
        held = outer is not None and outer.tag in fcpxml.CLIPS
        return record * fcpxml.conform(outer, self.rate) if held and outer is not None else record

    def _place(self, change: Change, part: Part, offset: str | None) -> dict[str, object]:
        """The attributes of a piece as filmed."""
        node, clip = change.element, change.clip
        into = part[0].start - clip.record.start
        pace = fcpxml.conform(node, self.rate)
        start = fcpxml.own_start(node, self.book) + into * pace
        values: dict[str, object] = {"offset": offset, "duration": time_text(self._paced(change, part[0].duration))}
        if into or "start" in node.attributes:
            values["start"] = time_text(start)
        return values | self._heard(change, part[0], start, start)

    def _heard(self, change: Change, span: Span, start: Fraction, shown: Fraction) -> dict[str, object]:
        """Of a clip whose sound is longer or shorter than its picture, the sound of one piece.

        The first piece has what comes before, the last what comes after. ``start`` is the clip's own time where the piece
        begins, ``shown`` that of what the piece shows.
        """
        node, clip = change.element, change.clip
        if "audioStart" not in node.attributes and "audioDuration" not in node.attributes:
            return {}
        begin = seconds(node, "audioStart", fcpxml.own_start(node, self.book))
        end = begin + seconds(node, "audioDuration", seconds(node, "duration", Fraction(0)))
        if span.start > clip.record.start:
            begin = max(begin, start)
        if span.stop < clip.record.stop:
            end = min(end, start + span.duration)
        length = max(end - begin, Fraction(0))
        return {"audioStart": time_text(begin + shown - start), "audioDuration": time_text(length)}

    def _hangs(self, child: Element) -> bool:
        """Whether a child is connected to the clip, not part of what it shows."""
        return child.tag in fcpxml.STORY and bool(fcpxml.lane_of(child))

    def _record(self, change: Change, time: Fraction) -> Fraction:
        """The record time of a time of a clip's own."""
        node, clip = change.element, change.clip
        pace = fcpxml.conform(node, self.rate)
        return clip.record.start + (time - fcpxml.own_start(node, self.book)) / pace

    def _home(self, change: Change, child: Element) -> int:
        """Which piece a connected child hangs on."""
        record = self._record(change, seconds(child, "offset", Fraction(0)))
        parts = change.parts
        at = next((i for i, (span, _) in enumerate(parts) if span.start <= record < span.stop), None)
        return at if at is not None else (0 if record < parts[0][0].start else len(parts) - 1)

    def _filmed(self, change: Change, index: int) -> list[Splice]:
        """The splices inside a piece as filmed: connected clips and markers of other pieces go."""
        node = change.element
        gone = [removed(self.markup, c) for c in node.children if self._hangs(c) and self._home(change, c) != index]
        return [*gone, *self._markers(change, index, None)]

    def _render(self, change: Change, index: int, rendered: Rendered) -> str:
        """The piece that shows a render: the clip's own element with another asset, its times moved along."""
        node = change.element
        start = rendered.timecode + in_file(rendered, rendered.record.start)
        values = self._place(change, (rendered.record, None), None) | {
            "ref": self._asset(change, rendered), "start": time_text(start), "lane": None, "format": None, "srcID": None,
        }  # fmt: skip
        if "role" in node.attributes:  # of a <video>
            values |= {"role": None, "videoRole": node.attributes["role"]}
        into = rendered.record.start - change.clip.record.start
        values |= self._heard(change, rendered.record, fcpxml.own_start(node, self.book) + into, start)
        splices = []
        for child in node.children:
            inner = node.tag == "clip" and child.tag in fcpxml.STORY and not self._hangs(child)
            away = inner or (self._hangs(child) and self._home(change, child) != index)
            if away or child.tag in ("timeMap", "conform-rate"):
                splices.append(removed(self.markup, child))
            elif self._hangs(child):
                splices += self._moved(change, child, "offset", rendered)
            elif child.tag in TIMED and child.tag not in fcpxml.MARKERS:
                splices += self._moved(change, child, "start", rendered)
            elif child.tag not in fcpxml.MARKERS:
                for key in (e for e in child.walk() if e.tag == "keyframe" and "time" in e.attributes):
                    splices += self._moved(change, key, "time", rendered)
        splices += self._markers(change, index, rendered)
        text = self._element(node, values, splices)
        if node.tag == "asset-clip":
            return text
        text = re.sub(rf"^<{node.tag}\b", "<asset-clip", text)
        return re.sub(rf"</{node.tag}>$", "</asset-clip>", text)

    def _moved(self, change: Change, child: Element, name: str, rendered: Rendered) -> Iterator[Splice]:
        """A time inside a clip moved along to its render."""
        record = self._record(change, seconds(child, name, Fraction(0)))
        value = time_text(rendered.timecode + in_file(rendered, record))
        yield with_attribute(self.markup, child, **{name: value})

    def _markers(self, change: Change, index: int, rendered: Rendered | None) -> list[Splice]:
        """The splices of one piece's markers: those of other pieces and of gone marks out, moved ones, new ones."""
        node, clip, parts = change.element, change.clip, change.parts
        existing = node.all(*fcpxml.MARKERS)
        splices: list[Splice] = []
        for marker, asks, inner in zip(change.raw.markers, change.asks, existing, strict=True):
            if change.gone & asks or home(change.raw, marker, parts) != index:
                splices.append(removed(self.markup, inner))
            elif rendered is not None:
                splices += self._moved(change, inner, "start", rendered)
        fresh = [self._marker(change, m, rendered) for m in change.fresh if home(clip, m, parts) == index]
        return [*splices, *self._added(node, fresh)]

    def _marker(self, change: Change, marker: Marker, rendered: Rendered | None) -> str:
        """A marker of ours; the format's last one frame, so the text says how long."""
        clip = change.clip
        record = record_of(clip, marker).start
        if rendered is not None:
            start = rendered.timecode + in_file(rendered, record)
        else:
            pace = fcpxml.conform(change.element, self.rate)
            start = fcpxml.own_start(change.element, self.book) + (record - clip.record.start) * pace
        return (
            f"<marker start={attribute(time_text(start))} duration={attribute(time_text(1 / self.rate))} "
            f"value={attribute(marker.name)}/>"
        )

    def _added(self, node: Element, texts: Sequence[str]) -> Iterator[Splice]:
        """Markers put where the format wants them."""
        if not texts:
            return
        behind = next((c for c in node.children if c.tag in BEHIND_MARKERS), None)
        yield from self._put(node, behind, texts)

    def _put(self, node: Element, behind: Element | None, texts: Sequence[str]) -> Iterator[Splice]:
        """New children in front of one, or last."""
        if behind is not None:
            indent = self.markup.indent(behind) or "\n"
            yield Splice(behind.start, behind.start, "".join(t + indent for t in texts))
        elif node.children:
            last = node.children[-1]
            indent = self.markup.indent(last) or "\n"
            yield Splice(last.end, last.end, "".join(indent + t for t in texts))
        else:
            yield from self._first_children(node, texts)

    def _first_children(self, node: Element, texts: Sequence[str]) -> Iterator[Splice]:
        """Children of an element that has none: an empty tag becomes an opening and a closing one."""
        outer = self.markup.indent(node) or "\n"
        inside = "".join(f"{outer}    {t}" for t in texts) + outer
        if node.close == node.end:
            slash = self.markup.content.rindex(b"/", node.start, node.end)
            yield Splice(slash, node.end, f">{inside}</{node.tag}>")
        else:
            yield Splice(node.inner, node.close, inside)

    def _asset(self, change: Change, rendered: Rendered) -> str:
        """The id of the asset of a rendered file, made where it is new."""
        known = self.assets.get(rendered.path)
        if known:
            return known
        key = self.assets[rendered.path] = self._id()
        original = self._original(change.element)
        values = {"id": key, "name": rendered.path.stem, "start": time_text(rendered.timecode),
                  "duration": time_text(rendered.available.duration), "hasVideo": "1"}  # fmt: skip
        values |= {"format": self._format(original)} if self._format(original) else {}
        for name in ("hasAudio", "videoSources", "audioSources", "audioChannels", "audioRate"):
            if original is not None and name in original.attributes:
                values[name] = original.attributes[name]
        given = "".join(f" {name}={attribute(value)}" for name, value in values.items())
        url = attribute(url_of(rendered.path))
        if self._version() < (1, 9):
            self.fresh.append(f"<asset{given} src={url}/>")
        else:
            self.fresh.append(f'<asset{given}>\n    <media-rep kind="original-media" src={url}/>\n</asset>')
        return key

    def _original(self, node: Element) -> Element | None:
        """The asset that a clip showed."""
        source = self.book.resource(node)
        if source is None:
            content = fcpxml.content_of(node)
            source = self.book.resource(content) if content is not None else None
        return source if source is not None and source.tag == "asset" else None

    def _version(self) -> tuple[int, ...]:
        match = re.match(r"(\d+)\.(\d+)", self.markup.root.attributes.get("version", ""))
        return (int(match[1]), int(match[2])) if match else (1, 9)

    def _format(self, original: Element | None) -> str:
        """The format of a render: the original's size at the program's rate."""
        key = original.attributes.get("format", "") if original is not None else ""
        format = self.book.resources.get(key)
        if format is None or self.book.rate(original, Fraction(0)) == self.rate:
            return key
        if key not in self.formats:
            self.formats[key] = self._id()
            length = time_text(1 / self.rate)
            change = with_attribute(self.markup, format, id=self.formats[key], name=None, frameDuration=length)
            self.fresh.append(self.markup.source(format, [change]))
        return self.formats[key]


def url_of(path: Path) -> str:
    """A path as Final Cut Pro writes it: encoded, ``!'()*`` and the like too."""
    text = path_to_url(Path(absolute_text(path)))
    return re.sub(r"[!'$&()*+,;=]", lambda m: f"%{ord(m[0]):02X}", text)
