"""Writes a project as a CMX 3600 edit list: one picture track and its sound; every loss is said."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lp_editor.timeline import marks
from lp_editor.timeline.dialects.planning import ZERO, Fade, Laid, Losses, laid_out, others_markers, source_at
from lp_editor.timeline.model import Clip, Marker, Nest, Project, Track
from lp_editor.timeline.timecode import drops, nominal, timecode


def write(project: Project, losses: Losses) -> str:
    """The whole list: the first picture track, and the first four sound tracks."""
    drop = project.drop_frame and drops(project.rate)
    lines = [f"TITLE: {project.name}", f"FCM: {'DROP FRAME' if drop else 'NON-DROP FRAME'}", ""]
    pictures = [t for t in project.tracks if t.kind == "video"]
    sounds = [t for t in project.tracks if t.kind == "audio"]
    kept = [*((t, "V") for t in pictures[:1]), *((t, "A" if n == 1 else f"A{n}") for n, t in enumerate(sounds[:4], 1))]
    markers = sorted(others_markers(project.markers), key=lambda m: m.span.start)
    writer = _Writer(project, losses, drop, markers)
    for track, channel in kept:
        lines += writer.track(track, channel)
    pictured = sorted(
        (i.record.start, i.record.stop) for i in (pictures[0].items if pictures else ()) if isinstance(i, Clip | Nest)
    )
    for marker in others_markers(project.markers):
        at = bisect_right(pictured, marker.span.start, key=lambda record: record[0]) - 1
        if at >= 0 and marker.span.start < pictured[at][1]:
            losses.add(project.name, f'the marker "{marker.name}" of the timeline hangs on the clip under it')
        else:
            losses.add(project.name, f'the marker "{marker.name}" lies on no clip of the list; left out')
    for track in (*pictures[1:], *sounds[4:]):
        if any(isinstance(i, Clip | Nest) for i in track.items):
            losses.add(track.name, "an edit list has one picture track and four of sound; this one is left out")
    return "\n".join(lines) + "\n"


@dataclass
class _Writer:
    """Counts events. ``markers`` are the timeline's, in order of time."""

    project: Project
    losses: Losses
    drop: bool
    markers: Sequence[Marker]
    events: int = 0

    def track(self, track: Track, channel: str) -> Iterator[str]:
        """The events of a track. A dissolve begins where the one before ends, so that is where a list cuts."""
        row = laid_out(track, self.project.rate)
        fades = {one.cut: one for one in row if isinstance(one, Fade)}
        before: Laid | None = None
        for one in (o for o in row if isinstance(o, Laid)):
            fade, out = fades.get(one.first), fades.get(one.stop)
            stop = out.first if out is not None else one.stop
            yield from self._event(one, before, fade, stop, channel)
            before = one

    def _event(self, laid: Laid, before: Laid | None, fade: Fade | None, stop: int, channel: str) -> Iterator[str]:
        item, rate, losses = laid.item, self.project.rate, self.losses
        first, number = laid.first, self._number()
        if isinstance(item, Nest):
            losses.add(item, "is a nested sequence; the list shows it as one clip of its name")
        reel = _reel(item)
        if fade is not None:
            first = fade.first
            if "dissolve" not in fade.item.kind.lower():
                losses.add(item, f"{fade.item.kind} is written as a dissolve")
            if before is not None and isinstance(before.item, Clip):
                out = self._times(before, fade.first, fade.first)
                yield f"{number:03d}  {_reel(before.item):<8} {channel:<5} C        {out}"
        kind = f"D    {fade.stop - fade.first:03d}" if fade is not None else "C       "
        yield f"{number:03d}  {reel:<8} {channel:<5} {kind} {self._times(laid, first, stop)}"
        if item.speed != 1 and isinstance(item, Clip):
            fps = float(item.speed * nominal(rate))
            source = timecode(max(source_at(laid, first, rate), ZERO), rate, self.drop)
            yield f"M2   {reel:<8} {fps:06.1f}                {source}"
        yield f"* {'TO' if fade is not None else 'FROM'} CLIP NAME: {item.name}"
        if isinstance(item, Clip) and item.media.kind == "file":
            yield f"* FROM CLIP: {item.media.path or item.media.url}"
        _lost(laid, first, reel, rate, losses)
        if channel == "V":
            yield from self._locators(item)

    def _number(self) -> int:
        self.events += 1
        return self.events

    def _locators(self, item: Clip | Nest) -> Iterator[str]:
        """The markers of a clip, and those of the timeline above it: a list has their name and their first frame."""
        project = self.project
        found: list[tuple[Fraction, Marker]] = []
        if isinstance(item, Clip):
            found += [(item.record_time(m.span.start), m) for m in marks.markers_of(item, project.rate)]
            found += [(item.record_time(m.span.start), m) for m in others_markers(item.markers)]
        first, stop = (
            bisect_left(self.markers, at, key=lambda m: m.span.start) for at in (item.record.start, item.record.stop)
        )
        found += [(m.span.start, m) for m in self.markers[first:stop]]
        for at, marker in found:
            if marker.note or (marker.span.duration * project.rate > 1 and not marks.is_ours(marker)):
                self.losses.add(item, f'of the marker "{marker.name}" only the name and the first frame are in the list')
            yield f"* LOC: {timecode(at + project.start, project.rate, self.drop)} GREEN   {marker.name}"

    def _times(self, laid: Laid, first: int, stop: int) -> str:
        """Source in and out, record in and out; the source counted at the program's rate."""
        rate = self.project.rate
        begin = source_at(laid, first, rate)
        end = begin + Fraction(stop - first) / rate * (abs(laid.item.speed) or 0)
        record = [timecode(self.project.start + Fraction(f) / rate, rate, self.drop) for f in (first, stop)]
        source = [timecode(max(t, ZERO), rate, self.drop) for t in (begin, end)]
        return " ".join([*source, *record])


def _lost(laid: Laid, first: int, reel: str, rate: Fraction, losses: Losses) -> None:
    """Say what of a clip a list has no words for."""
    item = laid.item
    if not item.enabled:
        losses.add(item, "is switched off, which a list cannot say")
    if not isinstance(item, Clip):
        return
    if item.media.reel and item.media.reel != reel:
        losses.add(item, f"its reel {item.media.reel} is written as {reel}")
    if (source_at(laid, first, rate) * rate).denominator != 1:
        losses.add(item, "its source lies between frames of the program, in which a list counts; it may be a frame off")
    fps = item.speed * nominal(rate)
    if Fraction(f"{float(fps):.1f}") != fps:
        losses.add(item, f"its speed of {float(item.speed) * 100:g} % is written as {float(fps):.1f} frames a second")
    if item.speed < 0:
        losses.add(item, "plays backwards; few systems read that from a list")


def _reel(item: Clip | Nest) -> str:
    """A reel of at most eight plain characters."""
    reel = (item.media.reel if isinstance(item, Clip) else "") or "AX"
    return "".join(c for c in reel if c.isascii() and (c.isalnum() or c in "_-"))[:8] or "AX"
