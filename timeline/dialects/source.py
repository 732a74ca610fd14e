"""What every dialect does: a project file is read, marked, relinked and written back through one small protocol."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from lp_editor.errors import ProjectError
from lp_editor.timeline.dialects.otio import FASTEST, derived_id
from lp_editor.timeline.model import Clip, Gap, Item, Nest, Project, Span, Transition
from lp_editor.timeline.relink import Rendered

MOST_CLIPS = 200_000
"""More clips than this, nested ones counted as often as they show, are taken for a hostile file."""

DEEPEST_NEST = 60
"""Sequences inside one another beyond this are no cut."""

NEST = 10
"""Clips that a sequence inside another counts for: it is looked through wherever it shows."""

ZERO = Fraction(0)


class Source(Protocol):
    """A project file as its dialect sees it: a value, whose changes give another one."""

    @property
    def dialect(self) -> str:
        """What the dialect is called."""

    @property
    def project(self) -> Project:
        """The sequence that is shown, with its marks."""

    @property
    def names(self) -> Sequence[str]:
        """The sequences in the file."""

    @property
    def name(self) -> str:
        """The sequence that is shown."""

    @property
    def notes(self) -> Sequence[str]:
        """What could not be taken over, in words."""

    @property
    def stores_marks(self) -> bool:
        """Whether our marks survive inside the file; otherwise a sidecar has them."""

    def understood(self, project: Project, known: bool = True) -> Source:
        """The file that means ``project``; ``known``: the marks it has are all that the file's markers ask for."""

    def marked(self, before: Project, after: Project) -> Source:
        """The file with the marks of ``after``, where those of ``before`` were."""

    def relinked(self, project: Project, rendered: Sequence[Rendered]) -> Source:
        """The file with clips split and linked to what was rendered of them."""

    def layered(self, project: Project, rendered: Sequence[Rendered]) -> Source:
        """The file with what was rendered on new picture tracks over all others; clips stay as they are."""

    def moved(self, here: Path, there: Path) -> Source:
        """The file for another folder: what it names by relative paths stays right."""

    def content(self) -> bytes:
        """What to write."""


@dataclass
class Reading:
    """What is gathered while a file is read: notes, ids given out, how many clips there are."""

    path: Path
    _notes: dict[str, None] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    count: int = 0

    @property
    def notes(self) -> list[str]:
        """What was said, each once."""
        return list(self._notes)

    def note(self, text: str) -> None:
        """Say something once."""
        self._notes[text] = None

    def counted(self, many: int = 1) -> None:
        """Count one more clip, or what takes as long to read. Raises `ProjectError` when there are too many."""
        self.count += many
        if self.count > MOST_CLIPS:
            raise ProjectError(f"{self.path} shows more than {MOST_CLIPS} clips; that is no cut")

    def named(self, clip: Clip) -> Clip:
        """The clip with an id made of what it is, the same every time the file is read."""
        self.counted()
        return replace(clip, id=clip.id or derived_id(clip, self.ids))


def paced(speed: Fraction, where: str) -> Fraction:
    """A clip's speed, where it is one that anybody could mean. Raises `ProjectError` naming ``where``."""
    if abs(speed) > FASTEST:
        raise ProjectError(f"{where} plays at more than {FASTEST:,} times its speed; set its speed again")
    return speed


def laid(items: Iterable[Item]) -> tuple[Item, ...]:
    """Items in order of time, what is empty between them filled with gaps, what overlaps cut at the later one."""
    row: list[Item] = []
    ordered = sorted(items, key=lambda i: (i.record.start, isinstance(i, Transition)))
    solid = [i for i in ordered if not isinstance(i, Transition)]
    at = ZERO
    for i, item in enumerate(solid):
        if item.record.start > at:
            row.append(Gap(Span.between(at, item.record.start)))
        after = solid[i + 1].record.start if i + 1 < len(solid) else item.record.stop
        kept = shortened(item, after) if item.record.stop > after else item
        if kept.record.duration > 0:
            row.append(kept)
        at = max(at, kept.record.stop)
    cuts = [item.record.start for item in row] + [row[-1].record.stop] if row else [ZERO]
    across: dict[int, list[Item]] = {}
    for transition in (i for i in ordered if isinstance(i, Transition)):
        across.setdefault(_nearest(cuts, transition), []).append(transition)
    return tuple(item for i in range(len(cuts)) for item in (*across.get(i, ()), *row[i : i + 1]))


def shortened(item: Item, stop: Fraction) -> Item:
    """An item that ends earlier."""
    record = Span.between(item.record.start, max(stop, item.record.start))
    if isinstance(item, Clip):
        return replace(item, record=record, source=item.source_span(record))
    if isinstance(item, Nest):
        return replace(item, record=record, source=Span(item.source.start, record.duration * item.speed))
    return replace(item, record=record)


def _nearest(cuts: Sequence[Fraction], transition: Transition) -> int:
    """Which of some cuts, in order of time, a transition belongs to: the one nearest to its middle."""
    middle = transition.record.start + transition.record.duration / 2
    at = bisect_left(cuts, middle)
    return min(range(max(at - 1, 0), min(at + 1, len(cuts))), key=lambda i: abs(cuts[i] - middle))


def chosen(names: Sequence[str], wanted: str | None, path: Path) -> int:
    """Which of a file's sequences is asked for; the first if none is. Raises `ProjectError` naming them all."""
    if not names:
        raise ProjectError(f"{path} holds no sequence; export a timeline from your editor")
    if wanted is None:
        return 0
    exact = [i for i, name in enumerate(names) if name == wanted]
    near = exact or [i for i, name in enumerate(names) if name.lower() == wanted.lower()]
    if not near and re.fullmatch(r"\d{1,9}", wanted) and 1 <= int(wanted) <= len(names):
        near = [int(wanted) - 1]
    if not near:
        raise ProjectError(f"{path} has no sequence {wanted!r}; it has {', '.join(map(repr, names))}")
    return near[0]


def by_place(project: Project) -> Mapping[str, Clip]:
    """Every clip by its place."""
    return {clip.place: clip for clip in project.clips()}
