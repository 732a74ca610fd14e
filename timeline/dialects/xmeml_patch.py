"""Writes marks and renders into an xmeml file that came in: only the nodes of the clips concerned change.

A clip of which a part was rendered becomes several clip items. The rendered one shows its own file at the program's
rate without the speed filter, every other filter stays, keyframes moved along. Sound is not cut: its links stay with
the first piece. The format knows no alternate takes; the original stays in the other pieces and in the sidecar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from lp_editor.errors import OutputError
from lp_editor.timeline import marks
from lp_editor.timeline.dialects import xmeml
from lp_editor.timeline.dialects.markup import Element, Markup, Splice, attribute, content_of, element, with_attribute
from lp_editor.timeline.dialects.patching import (
    Change,
    after,
    changes,
    home,
    in_file,
    indented,
    kept_in_program,
    record_of,
    removed,
    step_of,
)
from lp_editor.timeline.dialects.source import by_place
from lp_editor.timeline.dialects.xmeml import TICKS, Book, frames, rate_of
from lp_editor.timeline.model import Marker, Project, Span
from lp_editor.timeline.relink import Rendered, layers
from lp_editor.timeline.timecode import drops, is_ntsc, nominal, timecode
from lp_editor.timeline.urls import absolute_text, quoted


@dataclass(frozen=True)
class XmemlFile:
    """An xmeml file: its markup, the project of one sequence as it came, and as it is to be."""

    markup: Markup
    book: Book
    raw: Project
    before: Project
    project: Project
    path: Path
    names: Sequence[str]
    name: str
    top: Element
    rendered: tuple[Rendered, ...] = ()
    known: bool = False
    above: tuple[Rendered, ...] = ()
    dialect: str = "xmeml"
    stores_marks: bool = False

    @property
    def notes(self) -> Sequence[str]:
        """What could not be taken over."""
        return self.book.reading.notes

    def understood(self, project: Project, known: bool = True) -> XmemlFile:
        """The file whose markers ask for the marks that ``project`` has: their absence later means they are to go."""
        return replace(self, before=project, project=project, known=known)

    def marked(self, before: Project, after: Project) -> XmemlFile:
        """The file with other marks."""
        return replace(self, project=after)

    def relinked(self, project: Project, rendered: Sequence[Rendered]) -> XmemlFile:
        """The file with clips split and linked to what was rendered of them."""
        return replace(self, project=project, rendered=(*self.rendered, *rendered))

    def layered(self, project: Project, rendered: Sequence[Rendered]) -> XmemlFile:
        """The file with what was rendered on new picture tracks over all others."""
        return replace(self, project=project, above=(*self.above, *rendered))

    def moved(self, here: Path, there: Path) -> XmemlFile:
        """The same: paths in xmeml are absolute."""
        return self

    def content(self) -> bytes:
        """The file's own bytes, but for what changed."""
        return _Patch(self).bytes()


def opened(markup: Markup, path: Path, wanted: str | None) -> XmemlFile:
    """Read a parsed file. Raises `ProjectError` saying what is wrong where."""
    project, book, sequence = xmeml.read(markup, path, wanted)
    names = xmeml.names(xmeml.sequences(markup, path))
    return XmemlFile(markup, book, project, project, project, path, names, project.name, sequence)


def url_of(path: Path) -> str:
    """A path as Final Cut Pro and Premiere write it: ``file://localhost/``, encoded, the colon of a drive too."""
    text = absolute_text(path)
    if text.startswith("//"):  # a server's share
        return "file:" + quoted(text, "/")
    return "file://localhost" + quoted(text if text.startswith("/") else "/" + text, "/")


def rate_text(rate: Fraction) -> str:
    """A rate element, a tab before each child."""
    return f"<rate>\n\t<timebase>{nominal(rate)}</timebase>\n\t<ntsc>{'TRUE' if is_ntsc(rate) else 'FALSE'}</ntsc>\n</rate>"


def timecode_text(start: Fraction, rate: Fraction, drop: bool = False, reel: str = "") -> str:
    """A timecode element."""
    drop = drop and drops(rate)
    lines = [
        "<timecode>", *_deeper(rate_text(rate)), f"\t<string>{timecode(start, rate, drop)}</string>",
        f"\t<frame>{round(start * rate)}</frame>", f"\t<displayformat>{'DF' if drop else 'NDF'}</displayformat>",
        *([f"\t<reel>{element('name', reel)}</reel>"] if reel else []), "</timecode>",
    ]  # fmt: skip
    return "\n".join(lines)


def _deeper(text: str) -> list[str]:
    return ["\t" + line for line in text.split("\n")]


class _Patch:
    """The splices of one file, gathered in file order."""

    def __init__(self, file: XmemlFile) -> None:
        self.file, self.markup, self.book = file, file.markup, file.book
        self.rate = file.project.rate
        self.made: dict[Path, str] = {}
        self.taken = {e.attributes["id"] for e in self.markup.elements if "id" in e.attributes}
        self.numbers: dict[str, int] = {}
        self.clips = by_place(file.project)
        self.rows: dict[Element, tuple[list[Element], dict[Element, int]]] = {}
        """The items of tracks, and where in their track each lies."""
        self.written: set[str] = set()

    def bytes(self) -> bytes:
        """The whole file."""
        found = changes(
            self.file.raw, self.file.before, self.file.project, self.file.rendered, self.book.clips, self.file.known
        )
        by_element = {c.element: c for c in found}
        splices: list[Splice] = []
        inside = 0
        for node in self.markup.elements:
            if node.start < inside:
                continue
            if node in by_element:
                splices += self._changed(by_element[node])
                inside = node.end
            elif node.tag == "file":
                splices += self._defined(node)
        return self.markup.encoded([*splices, *self._timeline_markers(), *self._layers()])

    def _layers(self) -> Iterator[Splice]:
        """New picture tracks, behind the last one."""
        if not self.file.above:
            return
        video = self.file.top.find("media/video")
        tracks = video.all("track") if video else []
        if not tracks:
            raise OutputError(f"{self.file.path}: a sequence without picture tracks has nothing to lie above")
        indent, step = self.markup.indent(tracks[-1]) or "\n", step_of(self.markup, tracks[-1])
        texts = []
        for row in layers(self.file.above):
            items = [line for one in row for line in _deeper(self._laid(one))]
            lines = ["<track>", *items, "\t<enabled>TRUE</enabled>", "\t<locked>FALSE</locked>", "</track>"]
            texts.append(indented("\n".join(lines), indent, step))
        yield after(tracks[-1], indent, *texts)

    def _laid(self, one: Rendered) -> str:
        """A clip item of a render that lies above."""
        clip = self.clips[one.place]
        first, last = round(one.record.start * self.rate), round(one.record.stop * self.rate)
        start = in_file(one, one.record.start)
        begin = round(start * self.rate)
        values = {
            "duration": round(one.available.duration * self.rate), "start": first, "end": last, "in": begin,
            "out": begin + last - first, "pproTicksIn": round(start * TICKS),
            "pproTicksOut": round((start + one.record.duration) * TICKS),
        }  # fmt: skip
        lines = [
            f"<clipitem id={attribute(self._id('clipitem'))}>", "\t" + element("name", clip.name), "\t<enabled>TRUE</enabled>",
            *_deeper(rate_text(self.rate)), *(f"\t<{name}>{value}</{name}>" for name, value in values.items()),
            *_deeper(self._file(self.book.clips[one.place], one)), "</clipitem>",
        ]  # fmt: skip
        return "\n".join(lines)

    def _timeline_markers(self) -> Iterator[Splice]:
        """Takes away the timeline's markers that no longer say what is marked."""
        if not self.file.known:
            return
        kept = kept_in_program(self.file.before, self.file.project)
        for marker, node in zip(self.file.before.markers, self.file.top.all("marker"), strict=True):
            ids = marks.ids_of(marker)
            if ids and not kept & set(ids):
                yield removed(self.markup, node)

    def _defined(self, node: Element) -> Iterator[Splice]:
        """Defines a file where it is named first, should the place that defined it have gone."""
        key = node.attributes.get("id", "")
        full = self.book.files.get(key)
        if full is not None and not node.children and key not in self.written and full.start < node.start:
            yield Splice(node.start, node.end, self.markup.source(full))
        self.written.add(key)

    def _changed(self, change: Change) -> list[Splice]:
        node, parts = change.element, change.parts
        if any(rendered for _, rendered in parts) and xmeml.unfilmed(node):
            raise OutputError(f"{xmeml.label(node)} is no plain clip, so no part of it can show a render")
        if len(parts) == 1 and parts[0][1] is None:
            for inner in node.walk():
                if inner.tag == "file":
                    self.written.add(inner.attributes.get("id", ""))
            return self._markers(change, 0)
        gap = self.markup.indent(node) or "\n"
        texts = [self.markup.source(node, self._piece(change, i)) for i in range(len(parts))]
        return [Splice(node.start, node.end, gap.join(texts))]

    def _markers(self, change: Change, index: int) -> list[Splice]:
        """The splices of the markers of one piece: those of other pieces and of gone marks out, moved ones, new ones."""
        node, clip, parts = change.element, change.clip, change.parts
        splices: list[Splice] = []
        existing = node.all("marker")
        for marker, asks, inner in zip(change.raw.markers, change.asks, existing, strict=True):
            if change.gone & asks or home(change.raw, marker, parts) != index:
                splices.append(removed(self.markup, inner))
            elif parts[index][1] is not None:
                start, stop = self._local(change, index, record_of(change.raw, marker))
                given = {"in": start} | ({"out": stop} if marker.span.duration else {})
                splices += [content_of(e, given[e.tag]) for e in inner.children if e.tag in given]
        fresh = [m for m in change.fresh if home(clip, m, parts) == index]
        if fresh:
            step = step_of(self.markup, node)
            anchor = (existing or node.all("file") or node.children)[-1]
            indent = self.markup.indent(node.children[0])
            texts = [indented(self._marker(change, index, m), indent, step) for m in fresh]
            splices.append(after(anchor, indent, *texts))
        return splices

    def _marker(self, change: Change, index: int, marker: Marker) -> str:
        span = record_of(change.clip, marker)
        start, stop = self._local(change, index, span)
        inner = [element("comment", marker.note or marker.name), element("name", marker.name),
                 element("in", start), element("out", stop if span.duration else -1)]  # fmt: skip
        return "\n\t".join(["<marker>", *inner]) + "\n</marker>"

    def _local(self, change: Change, index: int, record: Span) -> tuple[int, int]:
        """A record span as marker frames of a piece: frames of the file it shows."""
        rendered, clip = change.parts[index][1], change.raw
        if rendered is not None:
            first = in_file(rendered, record.start) * self.rate
            return round(first), round(first + record.duration * self.rate)
        own = rate_of(change.element)
        _, zero = xmeml.media_of(change.element, own, self.book)
        span = clip.source_span(record) if record.duration else Span(clip.source_time(record.start), Fraction(0))
        return round((span.start - zero) * own), round((span.stop - zero) * own)

    def _piece(self, change: Change, index: int) -> list[Splice]:
        """The splices that make one piece of a clip item."""
        node, parts = change.element, change.parts
        rendered = parts[index][1]
        values = self._times(change, index)
        splices = [content_of(e, values[e.tag]) for e in node.children if e.tag in values]
        if index:
            splices.append(with_attribute(self.markup, node, id=self._id(node.attributes.get("id", "clipitem"))))
            splices += [removed(self.markup, link) for link in node.all("link")]
        splices += self._markers(change, index)
        if rendered is None:
            return [*splices, *(s for f in node.all("file") for s in self._again(f))]
        return [*splices, *self._shown(change, rendered)]

    def _id(self, like: str) -> str:
        """An id that no element has."""
        number = self.numbers.get(like, 1)
        while f"{like}-lp{number}" in self.taken:
            number += 1
        self.taken.add(f"{like}-lp{number}")
        self.numbers[like] = number + 1
        return f"{like}-lp{number}"

    def _beside(self, node: Element, step: int) -> Element | None:
        """The transition directly before or after a clip item."""
        assert node.parent is not None
        if node.parent not in self.rows:
            items = node.parent.all("clipitem", "generatoritem", "transitionitem")
            self.rows[node.parent] = items, {item: at for at, item in enumerate(items)}
        row, places = self.rows[node.parent]
        at = places[node] + step
        near = row[at] if 0 <= at < len(row) else None
        return near if near is not None and near.tag == "transitionitem" else None

    def _again(self, node: Element) -> Iterator[Splice]:
        """The file of a piece as filmed: defined once, named by its id after that."""
        key = node.attributes.get("id", "")
        if node.children and key in self.written:
            yield Splice(
                node.start, node.end, f"{self.markup.content[node.start : node.inner].decode()[:-1].rstrip()}/>"
            )
        else:
            yield from self._defined(node)

    def _times(self, change: Change, index: int) -> dict[str, int]:
        """The numbers of a piece that are not the clip item's own."""
        node, clip, parts = change.element, change.raw, change.parts
        span, rendered = parts[index]
        timeline, own = self._record_rate(node), rate_of(node)
        first, last = index == 0, index == len(parts) - 1
        values: dict[str, int] = {}
        if not first:
            values["start"] = round(span.start * timeline)
        if not last:
            values["end"] = round(span.stop * timeline)
        if rendered is not None:
            return values | self._render_times(change, index, rendered)
        covered = self._covered(node, timeline)
        begin = frames(node, "in", Fraction(0)) + covered / timeline * own
        _, zero = xmeml.media_of(node, own, self.book)
        for name, ticks, at, there in (
            ("in", "pproTicksIn", span.start, first),
            ("out", "pproTicksOut", span.stop, last),
        ):
            if not there:
                values[name] = round(begin + (at - clip.record.start) * own)
                values[ticks] = round((clip.source_time(at) - zero) * TICKS)
        return values

    def _render_times(self, change: Change, index: int, rendered: Rendered) -> dict[str, int]:
        """In and out of a rendered piece, in frames of its file; the side under a transition reaches as far as it does."""
        node, parts = change.element, change.parts
        timeline = self._record_rate(node)
        covered = self._covered(node, timeline) / timeline if index == 0 else Fraction(0)
        trailing = self._trailing(node, timeline) / timeline if index == len(parts) - 1 else Fraction(0)
        start = in_file(rendered, rendered.record.start)
        stop = start + rendered.record.duration
        ends = {"in": start - covered, "out": stop + trailing}
        if ends["in"] < 0 or ends["out"] > rendered.available.duration:
            raise OutputError(
                f"{xmeml.label(node)}: a transition needs more of the render than was rendered; render it with longer handles"
            )
        return {
            "in": round(ends["in"] * self.rate), "out": round(ends["out"] * self.rate),
            "pproTicksIn": round(start * TICKS), "pproTicksOut": round(stop * TICKS),
            "duration": round(rendered.available.duration * self.rate),
        }  # fmt: skip

    def _record_rate(self, node: Element) -> Fraction:
        """The rate that counts a clip item's start and end."""
        here = node.parent
        while here is not None and here.tag != "sequence":
            here = here.parent
        return rate_of(here) if here is not None else self.rate

    def _covered(self, node: Element, rate: Fraction) -> Fraction:
        """How many of a clip's first frames lie under a transition, before its cut."""
        before = self._beside(node, -1)
        return xmeml.record_of(node, before, None, rate)[2] if frames(node, "start") < 0 and before else Fraction(0)

    def _trailing(self, node: Element, rate: Fraction) -> Fraction:
        """How many frames of a clip lie under a transition, past its cut."""
        behind = self._beside(node, 1)
        if frames(node, "end") >= 0 or behind is None:
            return Fraction(0)
        return frames(behind, "end") - xmeml.record_of(_with_start(node), None, behind, rate)[1]

    def _shown(self, change: Change, rendered: Rendered) -> list[Splice]:
        """The splices by which a piece shows its render: file, rate, filters."""
        node = change.element
        splices: list[Splice] = []
        indent, step = self.markup.indent(node.children[0]), step_of(self.markup, node)
        for child in node.children:
            if child.tag == "rate":
                splices.append(Splice(child.start, child.end, indented(rate_text(self.rate), indent, step)))
            elif child.tag == "masterclipid":
                splices.append(content_of(child, self._master(rendered)))
            elif child.tag == "file":
                text = self._file(node, rendered)
                splices.append(Splice(child.start, child.end, indented(text, indent, step)))
            elif child.tag == "filter" and child.find("effect") is xmeml.retime_of(node):
                splices.append(removed(self.markup, child))
            elif child.tag == "filter":
                splices += self._keys(change, child, rendered)
        return splices

    def _master(self, rendered: Rendered) -> str:
        return f"masterclip-{self.made.setdefault(rendered.path, self._id('file'))}"

    def _file(self, node: Element, rendered: Rendered) -> str:
        """The definition of a rendered file, or its name once it is defined."""
        new = rendered.path not in self.made or self.made[rendered.path] not in self.written
        key = self.made.setdefault(rendered.path, self._id("file"))
        if not new:
            return f'<file id="{key}"/>'
        self.written.add(key)
        original = self.book.file(node)
        reel = original.value("timecode/reel/name") if original else ""
        lines = [
            f'<file id="{key}">', "\t" + element("name", rendered.path.name), "\t" + element("pathurl", url_of(rendered.path)),
            *_deeper(rate_text(self.rate)), f"\t<duration>{round(rendered.available.duration * self.rate)}</duration>",
            *_deeper(timecode_text(rendered.timecode, self.rate, self.file.project.drop_frame, reel)),
            *_deeper(self._media(original)), "</file>",
        ]  # fmt: skip
        return "\n".join(lines)

    def _media(self, original: Element | None) -> str:
        """The streams of a rendered file: those of the original, at the program's rate."""
        media = original.find("media") if original else None
        if media is None:
            return "<media>\n\t<video/>\n</media>"
        rates = [e for v in media.all("video") for e in v.walk() if e.tag == "rate"]
        text = self.markup.source(media, [Splice(r.start, r.end, rate_text(self.rate)) for r in rates])
        return _flat(text)

    def _keys(self, change: Change, filter: Element, rendered: Rendered) -> Iterator[Splice]:
        """Keyframes of a filter moved from the frames of the clip to those of the rendered file."""
        clip, own = change.clip, rate_of(change.element)
        timeline = self._record_rate(change.element)
        begin = frames(change.element, "in", Fraction(0)) + self._covered(change.element, timeline) / timeline * own
        for when in (e for e in filter.walk() if e.tag == "when" and re.fullmatch(r"-?\d+(\.\d+)?", e.text)):
            record = clip.record.start + (Fraction(when.text) - begin) / own
            yield content_of(when, round(in_file(rendered, record) * self.rate))


def _with_start(node: Element) -> Element:
    """A clip item of which only the end matters: its start said to be 0 where a transition covers it."""
    start = node.find("start")
    if start is None or frames(node, "start") >= 0:
        return node
    plain = Element("start", {}, node, 0, texts=["0"])
    return Element(
        node.tag, node.attributes, node.parent, 0, children=[plain, *(c for c in node.children if c is not start)]
    )


def _flat(text: str) -> str:
    """A copied element with a tab for each step of depth, so that it can be indented anew."""
    depth, out = 0, []
    for line in (line.strip() for line in text.split("\n")):
        if not line:
            continue
        if line.startswith("</"):
            depth -= 1
        out.append("\t" * max(depth, 0) + line)
        opens = len(re.findall(r"<[^/!?][^>]*[^/]>|<[^/!?]>", line)) - len(re.findall(r"</", line))
        depth += opens if not line.startswith("</") else opens + 1
    return "\n".join(out)
