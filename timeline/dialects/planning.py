"""What writers from the model have in common: items laid on whole program frames, transitions with their cut, losses."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil

from lp_editor.timeline import marks
from lp_editor.timeline.model import Clip, Gap, Item, Marker, Nest, Project, Track, Transition
from lp_editor.timeline.relink import Rendered

ZERO = Fraction(0)


@dataclass
class Losses:
    """What a dialect cannot say, gathered while it is written."""

    _lines: dict[str, None] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """What was noted, each once."""
        return list(self._lines)

    def add(self, item: Item | str, text: str) -> None:
        """Note a loss, with the place and name of the clip it is of."""
        place = getattr(item, "place", "") or getattr(item, "name", item)
        name = getattr(item, "name", "")
        line = f"{place} {name}: {text}" if name and name != place else f"{place}: {text}"
        self._lines[line] = None


@dataclass(frozen=True)
class Laid:
    """An item on whole frames of its composition: those it shows, and how many more lie under transitions.

    ``before`` frames ahead of the first and ``behind`` frames past the last are covered by a transition.
    """

    item: Clip | Nest
    first: int
    stop: int
    before: int = 0
    behind: int = 0
    fades_in: bool = False
    fades_out: bool = False

    @property
    def count(self) -> int:
        """How many frames it shows between its cuts."""
        return self.stop - self.first


@dataclass(frozen=True)
class Fade:
    """A transition on whole frames, and the frame of the cut under it."""

    item: Transition
    first: int
    stop: int
    cut: int


def laid_out(track: Track, rate: Fraction) -> list[Laid | Fade]:
    """The items of a track in order, without its gaps."""
    solid = [i for i in track.items if isinstance(i, Clip | Nest)]
    cuts = sorted(
        {
            _frame(t, rate)
            for i in track.items
            if not isinstance(i, Transition | Gap)
            for t in (i.record.start, i.record.stop)
        }
    )
    fades = [f for i in track.items if isinstance(i, Transition) and (f := _fade(i, cuts, rate)) is not None]
    at_cut: dict[int, Fade] = {}
    for fade in fades:
        at_cut.setdefault(fade.cut, fade)
    found: list[Laid | Fade] = []
    for item in solid:
        first, stop = _frame(item.record.start, rate), _frame(item.record.stop, rate)
        into, out = at_cut.get(first), at_cut.get(stop)
        found.append(
            Laid(
                item,
                first,
                stop,
                first - into.first if into else 0,
                out.stop - stop if out else 0,
                into is not None,
                out is not None,
            )
        )
    return sorted([*found, *fades], key=lambda x: (x.cut, 0) if isinstance(x, Fade) else (x.first, 1))


def _frame(time: Fraction, rate: Fraction) -> int:
    """The first frame at or past a time."""
    return ceil(time * rate)


def _fade(item: Transition, cuts: Sequence[int], rate: Fraction) -> Fade | None:
    first, stop = _frame(item.record.start, rate), _frame(item.record.stop, rate)
    inside = cuts[bisect_left(cuts, first) : bisect_right(cuts, stop)]
    if not inside or stop <= first:
        return None
    return Fade(item, first, stop, min(inside, key=lambda c: abs(2 * c - first - stop)))


def source_at(laid: Laid, frame: int, rate: Fraction) -> Fraction:
    """The source time that an item shows at a frame of its composition, also outside it."""
    item, time = laid.item, Fraction(frame) / rate
    if isinstance(item, Nest):
        return item.source.start + (time - item.record.start) * item.speed
    return item.source_time(time)


def others_markers(markers: Sequence[Marker]) -> Iterator[Marker]:
    """The markers that are not ours; those are written from the marks themselves."""
    return (m for m in markers if not marks.is_ours(m))


def own_markers(clip: Clip, rate: Fraction) -> list[Marker]:
    """The markers that say a clip's marks, their words in their notes too; where the clip shows them, in source time."""
    return [
        replace(m, note=m.name, span=clip.source_span(clip.record_span(m.span)) if m.span.duration else m.span)
        for m in marks.markers_of(replace(clip, checks=()), rate)
    ]  # fmt: skip


def zero_of(clip: Clip, losses: Losses) -> Fraction:
    """The source time of a clip's medium's first frame."""
    if clip.media.available is not None:
        return clip.media.available.start
    if clip.media.kind in ("file", "sequence"):
        losses.add(clip, "the project does not say which timecode its media begin at; 0 is written")
    return ZERO


def counted(project: Project, rendered: Sequence[Rendered]) -> tuple[Project, list[Rendered]]:
    """A project whose clips' places are counted anew: where some lay that are no more, the others close ranks."""
    moved: dict[str, str] = {}
    tracks = tuple(_counted_tracks(project.tracks, "", moved))
    return replace(project, tracks=tracks), [replace(r, place=moved[r.place]) for r in rendered if r.place in moved]


def _counted_tracks(tracks: Sequence[Track], prefix: str, moved: dict[str, str]) -> Iterator[Track]:
    counts = {"video": 0, "audio": 0}
    for track in tracks:
        counts[track.kind] += 1
        place = f"{prefix}{track.kind[0].upper()}{counts[track.kind]}"
        yield replace(track, items=tuple(_counted_items(track.items, place, moved)))


def _counted_items(items: Sequence[Item], track: str, moved: dict[str, str]) -> Iterator[Item]:
    number = 0
    for item in items:
        if isinstance(item, Clip | Nest):
            number += 1
            place = moved[item.place] = f"{track}/{number}"
            item = replace(item, place=place)
        if isinstance(item, Nest):
            item = replace(item, tracks=tuple(_counted_tracks(item.tracks, f"{item.place}>", moved)))
        yield item


def settled(project: Project, rendered: Sequence[Rendered], losses: Losses) -> tuple[Project, list[Rendered]]:
    """A project without what shows at no whole frame and without empty tracks, its clips' places counted anew."""
    moved: dict[str, str] = {}
    tracks = _settled_tracks(project.tracks, "", project.rate, losses, moved)
    there = [replace(r, place=moved[r.place]) for r in rendered if r.place in moved]
    return replace(project, tracks=tracks), there


def _settled_tracks(
    tracks: Sequence[Track], prefix: str, rate: Fraction, losses: Losses, moved: dict[str, str]
) -> tuple[Track, ...]:
    made: list[Track] = []
    counts = {"video": 0, "audio": 0}
    for track in tracks:
        if not any(_shows(item, rate) for item in track.items):
            continue
        counts[track.kind] += 1
        place = f"{prefix}{track.kind[0].upper()}{counts[track.kind]}"
        made.append(replace(track, items=tuple(_settled(track.items, place, rate, losses, moved))))
    return tuple(made)


def _shows(item: Item, rate: Fraction) -> bool:
    solid = isinstance(item, Clip | Nest)
    return solid and _frame(item.record.stop, rate) > _frame(item.record.start, rate)


def _settled(
    items: Sequence[Item], track: str, rate: Fraction, losses: Losses, moved: dict[str, str]
) -> Iterator[Item]:
    number = 0
    for item in items:
        if isinstance(item, Clip | Nest):
            if not _shows(item, rate):
                losses.add(item, "shows at no whole frame of the program; left out")
                continue
            number += 1
            place = moved[item.place] = f"{track}/{number}"
            if isinstance(item, Nest):
                item = replace(item, tracks=_settled_tracks(item.tracks, f"{place}>", item.rate, losses, moved))
            item = replace(item, place=place)
        yield item
