"""Writes a project as xmeml, as Premiere reads it (nle notes: what must stand in it, and in which units).

Whole frames of the sequence; source points exact to Premiere's tick, so that no frame moves where rates differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import count

from lp_editor.timeline.dialects.markup import attribute, element
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
from lp_editor.timeline.dialects.xmeml import TICKS
from lp_editor.timeline.dialects.xmeml_patch import rate_text, timecode_text, url_of
from lp_editor.timeline.model import Clip, Marker, Media, Nest, Project, Track

SIZE = (1920, 1080)
"""The picture size of a sequence whose media do not say theirs."""


def write(project: Project, losses: Losses, size: tuple[int, int] | None = None) -> str:
    """The whole file."""
    if size is None:
        losses.add(project.name, f"no media are here to say its picture size; {SIZE[0]}x{SIZE[1]} is written")
    writer = _Writer(project, losses, size or SIZE)
    lines = writer.sequence(project.name, project.tracks, project.rate, project.start, project.markers)
    body = "\n".join("\t" + line for line in lines)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n<xmeml version="4">\n{body}\n</xmeml>\n'


def _deeper(lines: Sequence[str]) -> list[str]:
    return ["\t" + line for line in lines]


def _around(opening: str, lines: Sequence[str]) -> list[str]:
    """Lines inside an element."""
    return [f"<{opening}>", *_deeper(lines), f"</{opening.split()[0]}>"]


class _Writer:
    """Gives out ids, defines each file once."""

    def __init__(self, project: Project, losses: Losses, size: tuple[int, int]) -> None:
        self.project, self.losses, self.size = project, losses, size
        self.numbers = count(1)
        self.files: dict[Media, str] = {}
        self.ids: dict[str, str] = {}
        self.sequences = count(1)

    def sequence(
        self, name: str, tracks: Sequence[Track], rate: Fraction, start: Fraction, markers: Sequence[Marker] = ()
    ) -> list[str]:
        """A sequence element."""
        rows = {kind: [t for t in tracks if t.kind == kind] for kind in ("video", "audio")}
        laid = {id(t): laid_out(t, rate) for t in tracks}
        for track in tracks:
            for one in laid[id(track)]:
                if isinstance(one, Laid):
                    self.ids[one.item.place] = f"clipitem-{next(self.numbers)}"
        ends = [one.stop for row in laid.values() for one in row]
        video, links = [*_around("format", self._format(rate))], _links(rows, laid)
        for track in rows["video"]:
            video += self._track(track, laid[id(track)], rate, links)
        audio = [line for t in rows["audio"] for line in self._track(t, laid[id(t)], rate, links)]
        lines = [
            f"<duration>{max(ends, default=0)}</duration>", *rate_text(rate).split("\n"), element("name", name),
            *_around("media", [*_around("video", video), *_around("audio", audio)]),
            *timecode_text(start, rate, self.project.drop_frame).split("\n"),
            *(line for m in others_markers(markers) for line in _marker(m, rate, Fraction(0))),
        ]  # fmt: skip
        return _around(f'sequence id="sequence-{next(self.sequences)}"', lines)

    def _format(self, rate: Fraction) -> list[str]:
        width, height = self.size
        return _around("samplecharacteristics", [
            *rate_text(rate).split("\n"), f"<width>{width}</width>", f"<height>{height}</height>",
            "<pixelaspectratio>square</pixelaspectratio>", "<fielddominance>none</fielddominance>",
        ])  # fmt: skip

    def _track(
        self, track: Track, laid: Sequence[Laid | Fade], rate: Fraction, links: dict[str, list[_Link]]
    ) -> list[str]:
        lines: list[str] = []
        for one in laid:
            if isinstance(one, Fade):
                lines += self._fade(one, track.kind, rate)
            else:
                lines += self._item(one, track.kind, rate, links.get(one.item.place, []))
        lines += [f"<enabled>{_bool(track.enabled)}</enabled>", "<locked>FALSE</locked>"]
        return _around(f"track MZ.TrackName={attribute(track.name)}", lines)

    def _fade(self, fade: Fade, kind: str, rate: Fraction) -> list[str]:
        if "dissolve" not in fade.item.kind.lower():
            self.losses.add(fade.item.name or "transition", f"{fade.item.kind} is written as a cross dissolve")
        alignment = "start" if fade.cut == fade.first else "end" if fade.cut == fade.stop else "center"
        name = "Cross Dissolve" if kind == "video" else "Cross Fade ( 0dB)"
        ticks = round((fade.cut - fade.first) / rate * TICKS)
        return _around("transitionitem", [
            f"<start>{fade.first}</start>", f"<end>{fade.stop}</end>", f"<alignment>{alignment}</alignment>",
            f"<cutPointTicks>{ticks}</cutPointTicks>", *rate_text(rate).split("\n"),
            *_around("effect", [element("name", name), element("effectid", name),
                                "<effectcategory>Dissolve</effectcategory>", "<effecttype>transition</effecttype>",
                                f"<mediatype>{kind}</mediatype>"]),
        ])  # fmt: skip

    def _item(self, laid: Laid, kind: str, rate: Fraction, links: Sequence[_Link]) -> list[str]:
        item = laid.item
        times = self._times(laid, rate)
        head = [element("name", item.name), f"<enabled>{_bool(item.enabled)}</enabled>"]
        if isinstance(item, Nest):
            shows = self.sequence(item.name, item.tracks, item.rate, Fraction(0))
        elif item.media.kind == "generator":
            return self._generator(item, [*head, *times])
        else:
            shows = self._file(item)
        own = item.rate if isinstance(item, Clip) else rate
        lines = [*head, *times, *shows, *self._speed(laid, own, rate)]
        if isinstance(item, Clip):
            zero = zero_of(item, self.losses)
            ours = own_markers(item, self.project.rate) if kind == "video" else []
            lines += [line for m in (*others_markers(item.markers), *ours) for line in _marker(m, own, zero)]
        lines += [line for link in links for line in link.lines(self.ids)]
        if kind == "audio":
            lines += _around("sourcetrack", ["<mediatype>audio</mediatype>", "<trackindex>1</trackindex>"])
        return _around(f'clipitem id="{self.ids[item.place]}"', lines)

    def _generator(self, clip: Clip, lines: list[str]) -> list[str]:
        self.losses.add(
            clip, "is a generator; what it draws is not in the project, an empty one of its name is written"
        )
        effect = [element("name", clip.media.name), element("effectid", clip.media.name),
                  "<effectcategory>Generator</effectcategory>", "<effecttype>generator</effecttype>",
                  "<mediatype>video</mediatype>"]  # fmt: skip
        return _around(f'generatoritem id="{self.ids[clip.place]}"', [*lines, *_around("effect", effect)])

    def _times(self, laid: Laid, rate: Fraction) -> list[str]:
        """Start and end in the sequence, in and out in the clip's own rate, and both in ticks."""
        item = laid.item
        own = item.rate if isinstance(item, Clip) else rate
        zero = zero_of(item, self.losses) if isinstance(item, Clip) else Fraction(0)
        begin = source_at(laid, laid.first, rate) - zero
        end = source_at(laid, laid.stop, rate) - zero
        pace = abs(item.speed) or Fraction(1)
        first = (self._top(laid, own, zero) - begin if item.speed < 0 else begin) / pace * own
        length = Fraction(laid.count) / rate * own
        before, behind = (Fraction(n) / rate * own for n in (laid.before, laid.behind))
        media = item.media if isinstance(item, Clip) else None
        lasts = media.available.duration * own / pace if media and media.available else first + length
        return [
            f"<duration>{max(1, round(lasts))}</duration>", *rate_text(own).split("\n"),
            f"<start>{-1 if laid.fades_in else laid.first}</start>", f"<end>{-1 if laid.fades_out else laid.stop}</end>",
            f"<in>{round(first - before)}</in>", f"<out>{round(first + length + behind)}</out>",
            f"<pproTicksIn>{round(begin * TICKS)}</pproTicksIn>", f"<pproTicksOut>{round(end * TICKS)}</pproTicksOut>",
        ]  # fmt: skip

    def _top(self, laid: Laid, own: Fraction, zero: Fraction) -> Fraction:
        """The time of a medium that its reversed clip would begin with."""
        item = laid.item
        known = item.media.available if isinstance(item, Clip) else None
        return known.duration - 1 / own if known else item.source.stop - zero

    def _speed(self, laid: Laid, own: Fraction, rate: Fraction) -> list[str]:
        """The filter of a retime."""
        item = laid.item
        if item.speed == 1:
            return []
        zero = zero_of(item, self.losses) if isinstance(item, Clip) else Fraction(0)
        pace = abs(item.speed)
        top = self._top(laid, own, zero) * own
        last = top / pace if pace else top
        none = Fraction(0)
        keys = [(none, top), (last, none)] if item.speed < 0 else [(none, none), (last, top)]
        params = [
            ("variablespeed", ["<value>0</value>"]), ("speed", [f"<value>{_decimal(pace * 100)}</value>"]),
            ("reverse", [f"<value>{_bool(item.speed < 0)}</value>"]), ("frameblending", ["<value>FALSE</value>"]),
            ("graphdict", ["<value>0</value>", *(line for when, value in keys if pace for line in _around(
                "keyframe", [f"<when>{_decimal(when)}</when>", f"<value>{_decimal(value)}</value>"]))]),
        ]  # fmt: skip
        effect = [
            "<name>Time Remap</name>", "<effectid>timeremap</effectid>", "<effectcategory>motion</effectcategory>",
            "<effecttype>motion</effecttype>", "<mediatype>video</mediatype>",
            *(line for name, value in params for line in _around("parameter", [
                f"<parameterid>{name}</parameterid>", f"<name>{name}</name>", *value])),
        ]  # fmt: skip
        return _around("filter", _around("effect", effect))

    def _file(self, clip: Clip) -> list[str]:
        """A file, defined where it is shown first."""
        media = clip.media
        if media in self.files:
            return [f'<file id="{self.files[media]}"/>']
        key = self.files[media] = f"file-{len(self.files) + 1}"
        rate = media.rate or clip.rate
        zero = zero_of(clip, self.losses)
        lines = [element("name", media.path.name if media.path else media.name or clip.name)]
        if media.kind == "file":
            lines.append(element("pathurl", url_of(media.path) if media.path else media.url))
        else:
            self.losses.add(clip, "its media are an image sequence or not known; they are named without a path")
        lasts = media.available.duration if media.available else clip.source.stop - zero
        width, height = self.size
        lines += [
            *rate_text(rate).split("\n"), f"<duration>{max(1, round(lasts * rate))}</duration>",
            *timecode_text(zero, rate, self.project.drop_frame and media.available is not None, media.reel).split("\n"),
            *_around("media", [*_around("video", _around("samplecharacteristics", [
                f"<width>{width}</width>", f"<height>{height}</height>"])),
                *_around("audio", ["<channelcount>2</channelcount>"])]),
        ]  # fmt: skip
        return _around(f'file id="{key}"', lines)


class _Link:
    """A clip that belongs to another: the sound of a picture, or the picture of a sound, or itself."""

    def __init__(self, place: str, kind: str, track: int, number: int) -> None:
        self.place, self.kind, self.track, self.number = place, kind, track, number

    def lines(self, ids: dict[str, str]) -> list[str]:
        """A link element."""
        return _around("link", [
            element("linkclipref", ids[self.place]), f"<mediatype>{self.kind}</mediatype>",
            f"<trackindex>{self.track}</trackindex>", f"<clipindex>{self.number}</clipindex>",
        ])  # fmt: skip


def _links(rows: dict[str, list[Track]], laid: dict[int, list[Laid | Fade]]) -> dict[str, list[_Link]]:
    """The links of every clip that has partners: same media, same time, in picture and in sound."""
    groups: dict[object, list[_Link]] = {}
    for kind, tracks in rows.items():
        for t, track in enumerate(tracks, 1):
            clips = [one for one in laid[id(track)] if isinstance(one, Laid)]
            for number, one in enumerate(clips, 1):
                if isinstance(one.item, Clip) and one.item.media.kind == "file":
                    key = (one.item.media.url, one.first, one.stop, one.item.source.start)
                    groups.setdefault(key, []).append(_Link(one.item.place, kind, t, number))
    return {link.place: group for group in groups.values() if len({g.kind for g in group}) > 1 for link in group}


def _marker(marker: Marker, rate: Fraction, zero: Fraction) -> list[str]:
    start, stop = marker.span.start - zero, marker.span.stop - zero
    out = round(stop * rate) if marker.span.duration else -1
    return _around("marker", [
        element("comment", marker.note), element("name", marker.name), f"<in>{round(start * rate)}</in>", f"<out>{out}</out>",
    ])  # fmt: skip


def _bool(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _decimal(value: Fraction) -> str:
    return f"{float(value):.9f}".rstrip("0").rstrip(".")
