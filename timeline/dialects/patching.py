"""What patching any XML project has in common: which clips change, and how an element is taken out or put in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lp_editor.errors import ProjectError
from lp_editor.timeline import marks
from lp_editor.timeline.dialects.markup import Element, Markup, Splice
from lp_editor.timeline.dialects.source import by_place
from lp_editor.timeline.model import Clip, Joint, Marker, Project, Segment, Span
from lp_editor.timeline.relink import Part, Rendered, parts_of


@dataclass(frozen=True)
class Change:
    """What is to happen to one clip's element: marks that came and went, and the pieces it is split into.

    ``raw`` is the clip as the element says it, ``clip`` what it is to the project: of a render that came back its original.
    ``asks`` are the ids of the marks that each of the element's markers asks for.
    """

    element: Element
    clip: Clip
    raw: Clip
    gone: frozenset[str]
    asks: tuple[frozenset[str], ...]
    fresh: tuple[Marker, ...]
    rendered: tuple[Rendered, ...]

    @property
    def parts(self) -> list[Part]:
        """The pieces in order; one of the whole clip where nothing was rendered."""
        return parts_of(self.clip, self.rendered)


def changes(
    raw: Project, before: Project, after: Project, rendered: Sequence[Rendered], elements: Mapping[str, Element], known: bool
) -> list[Change]:  # fmt: skip
    """What changes, in file order; of a nested clip that shows at several places, its first one with a change.

    Marks that stand in markers of the file already are left as they stand there. ``known``: the file's markers were
    understood, so that one whose mark is no more is to go.
    """
    found: dict[Element, Change] = {}
    new, plain, program = by_place(after), by_place(raw), kept_in_program(before, after)
    made: dict[str, list[Rendered]] = {}
    for one in rendered:
        made.setdefault(one.place, []).append(one)
    for place, clip in by_place(before).items():
        if not place.split(">")[-1].startswith("V"):
            continue
        now, element = new[place], elements.get(place)
        mine = tuple(made.get(place, ()))
        asks = tuple(frozenset(marks.ids_of(marker)) for marker in clip.markers)
        written = [id for ids in asks for id in sorted(ids)]
        wanted, had = marks_of(now), marks_of(clip)
        gone = frozenset(i for i in written if known and (i not in wanted or wanted[i] != had.get(i)))
        kept = [i for i in (*written, *(j for j in wanted if base_id(j) in program)) if i not in gone]
        fresh = tuple(marks.markers_of(now, after.rate, kept))
        if gone or fresh or mine:
            if element is None:
                raise ProjectError(f'clip "{clip.name}" ({place}) cannot be written back into this file')
            found.setdefault(element, Change(element, now, plain[place], gone, asks, fresh, mine))
    return [found[e] for e in sorted(found, key=lambda e: e.start)]


def marks_of(clip: Clip) -> dict[str, Segment | Joint]:
    """A clip's marks by id."""
    segments: dict[str, Segment | Joint] = {s.id: s for s in clip.segments}
    return segments | ({clip.joint.id: clip.joint} if clip.joint else {})


def base_id(id: str) -> str:
    """The id of the marker that made a mark: those over several clips number theirs."""
    return re.sub(r"-\d+$", "", id)


def kept_in_program(before: Project, after: Project) -> set[str]:
    """The ids of marks that the program's own markers still say right."""
    written = {id for marker in before.markers for id in marks.ids_of(marker)}
    had = {id: mark for clip in before.clips() for id, mark in marks_of(clip).items() if base_id(id) in written}
    now = {id: mark for clip in after.clips() for id, mark in marks_of(clip).items() if id in had}
    wrong = {base_id(id) for id, mark in had.items() if now.get(id) != mark}
    return {base_id(id) for id in had} - wrong


def removed(markup: Markup, element: Element) -> Splice:
    """The splice that takes an element away with the line it stood on."""
    return Splice(element.start - len(markup.indent(element).encode()), element.end, "")


def after(element: Element, indent: str, *texts: str) -> Splice:
    """The splice that puts elements behind another one, a line each."""
    return Splice(element.end, element.end, "".join(indent + text for text in texts))


def indented(text: str, indent: str, step: str = "\t") -> str:
    """Lines of a new element that stands after ``indent``: each ``\\t`` they begin with is one more step."""
    lines = text.split("\n")
    out = [lines[0]]
    for line in lines[1:]:
        depth = len(line) - len(line.lstrip("\t"))
        out.append(indent + step * depth + line[depth:])
    return "".join(out)


def step_of(markup: Markup, element: Element) -> str:
    """How much further a child stands than its parent in this file."""
    if not element.children:
        return "\t"
    inner, outer = markup.indent(element.children[0]), markup.indent(element)
    return inner[len(outer) :] if inner.startswith(outer) and len(inner) > len(outer) else "\t"


def record_of(clip: Clip, marker: Marker) -> Span:
    """Where in record time a clip's marker lies; a point has no length."""
    if marker.span.duration:
        return clip.record_span(marker.span)
    return Span(clip.record_time(marker.span.start), Fraction(0))


def home(clip: Clip, marker: Marker, parts: Sequence[Part]) -> int:
    """Which piece of a clip a marker lies on; the first where it lies on none."""
    start = record_of(clip, marker).start
    return next((i for i, (span, _) in enumerate(parts) if span.start <= start < span.stop), 0)


def in_file(rendered: Rendered, record: Fraction) -> Fraction:
    """The seconds from a rendered file's first frame to the one shown at a record time."""
    return rendered.source.start - rendered.available.start + record - rendered.record.start
