"""Writes a project as AAF, as far as the permissive adapter of OpenTimelineIO carries it; every loss is said, clip by clip.

It writes cuts, gaps, dissolves, sound, where media lie and the start timecode. All of it counts in the program's frames.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from hashlib import blake2b
from math import ceil, floor
from pathlib import Path

from lp_editor.errors import OutputError
from lp_editor.timeline.dialects import aaf
from lp_editor.timeline.dialects.otio import Node, external_reference, time_range
from lp_editor.timeline.dialects.planning import Fade, Laid, Losses, laid_out, others_markers, source_at
from lp_editor.timeline.model import Clip, Gap, Item, Nest, Project, Span, Track
from lp_editor.timeline.urls import absolute_text, path_to_url

DISSOLVES = {
    "video": ("Picture", "Video Dissolve", "0c3bea40-fc05-11d2-8a29-0050040ef7d2"),
    "audio": ("Sound", "Mono Audio Dissolve", "0c3bea41-fc05-11d2-8a29-0050040ef7d2"),
}
"""Of each kind of track: the data, the name and the id of its dissolve (AAF's baseline of effects)."""

ZERO = Fraction(0)


def write(project: Project, losses: Losses, target: Path) -> bytes:
    """The whole file. Raises `OutputError` where the extra is missing, or the adapter refuses."""
    tree = tree_of(project, losses)
    opentimelineio = aaf.adapter(target, OutputError)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.aaf"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                timeline = opentimelineio.adapters.read_from_string(json.dumps(tree), "otio_json")
                opentimelineio.adapters.write_to_file(timeline, str(path), adapter_name="AAF")
        except Exception as error:  # the adapter and the library below it raise whatever they meet
            raise OutputError(f"{target} cannot be written as AAF ({type(error).__name__}: {error})") from error
        return path.read_bytes()


def tree_of(project: Project, losses: Losses) -> Node:
    """The timeline that is handed to the adapter: what it cannot write is left out, and said."""
    if project.drop_frame:
        losses.add(project.name, "AAF is written with timecode that drops no frames")
    for marker in others_markers(project.markers):
        losses.add(project.name, f'the marker "{marker.name}" is not written in AAF')
    rows = [row for track in project.tracks if (row := _track(track, project, losses)) is not None]
    if not rows:
        losses.add(project.name, "it holds nothing that AAF could show")
    plain: Node = {"metadata": {}, "effects": [], "markers": [], "enabled": True, "source_range": None}
    start = {"OTIO_SCHEMA": "RationalTime.1", "value": float(round(project.start * project.rate)), "rate": float(project.rate)}
    return {
        "OTIO_SCHEMA": "Timeline.1", "metadata": {}, "name": project.name, "global_start_time": start,
        "tracks": {"OTIO_SCHEMA": "Stack.1", **plain, "name": "tracks", "children": rows},
    }  # fmt: skip


def _track(track: Track, project: Project, losses: Losses) -> Node | None:
    rate = project.rate
    flat = replace(track, items=tuple(_flat(track.items, track.kind, losses)))
    row = laid_out(flat, rate)
    if not any(isinstance(one, Laid) for one in row):
        return None
    if not track.enabled:
        losses.add(track.name, "the track is switched off, which AAF does not say")
    children: list[Node] = []
    at = 0
    for one in row:
        if isinstance(one, Fade):
            children += _gap(one.cut - at, rate)
            at = max(at, one.cut)
            children.append(_dissolve(one, track, rate, losses))
            continue
        children += _gap(one.first - at, rate)
        children.append(_clip(one, project, losses))
        at = one.stop
    return {
        "OTIO_SCHEMA": "Track.1", "metadata": {}, "name": track.name, "source_range": None, "effects": [], "markers": [],
        "enabled": True, "kind": track.kind.capitalize(), "children": children,
    }  # fmt: skip


def _flat(items: Sequence[Item], kind: str, losses: Losses) -> Iterator[Item]:
    """Items with nested sequences taken apart: the clips of their first track stand in their place."""
    for item in items:
        if not isinstance(item, Nest):
            yield item
            continue
        inner = [t for t in item.tracks if t.kind == kind and any(isinstance(i, Clip | Nest) for i in t.items)]
        if item.speed != 1 or not inner or not item.enabled:
            losses.add(item, "the nested sequence is retimed, off or empty; AAF has a gap there")
            yield Gap(item.record)
            continue
        more = f", its other {len(inner) - 1} tracks are left out" if inner[1:] else ""
        losses.add(item, f"the nested sequence is written as the clips that are in it{more}")
        yield from _opened(item, _flat(inner[0].items, kind, losses))


def _opened(nest: Nest, items: Iterator[Item]) -> Iterator[Item]:
    """The clips of a nested sequence as far as it shows them, in the time around it; dissolves inside become cuts."""
    for item in items:
        shared = item.record.intersect(nest.source) if isinstance(item, Clip) else None
        if isinstance(item, Clip) and shared is not None:
            record = shared.moved(nest.record.start - nest.source.start)
            yield replace(item, record=record, source=item.source_span(shared))


def _gap(frames: int, rate: Fraction) -> list[Node]:
    if frames <= 0:
        return []
    plain: Node = {"metadata": {}, "name": "", "effects": [], "markers": [], "enabled": True}
    return [{"OTIO_SCHEMA": "Gap.1", **plain, "source_range": time_range(Span(ZERO, Fraction(frames) / rate), rate)}]


def _dissolve(fade: Fade, track: Track, rate: Fraction, losses: Losses) -> Node:
    if "dissolve" not in fade.item.kind.lower():
        losses.add(track.name, f'the transition "{fade.item.name or fade.item.kind}" is written as a dissolve')
    data, name, id = DISSOLVES[track.kind]
    operation = {
        "Identification": id, "IsTimeWarp": False, "Bypass": 1, "NumberInputs": 2, "Name": name, "Description": name,
        "OperationCategory": "OperationCategory_Effect", "DataDefinition": {"Name": data},
    }  # fmt: skip
    points = [{"Time": 0, "Value": 0}, {"Time": 1, "Value": 1}]
    metadata = {"PointList": points, "CutPoint": fade.cut - fade.first, "OperationGroup": {"Operation": operation}}
    before, behind = (
        time_range(Span(ZERO, Fraction(n) / rate), rate)["duration"] for n in (fade.cut - fade.first, fade.stop - fade.cut)
    )
    return {
        "OTIO_SCHEMA": "Transition.1", "metadata": {"AAF": metadata}, "name": name, "transition_type": "SMPTE_Dissolve",
        "in_offset": before, "out_offset": behind,
    }  # fmt: skip


def _clip(laid: Laid, project: Project, losses: Losses) -> Node:
    """A clip at its own speed, counted in the program's frames."""
    clip, rate = laid.item, project.rate
    assert isinstance(clip, Clip)
    _lost(clip, losses)
    if clip.media.kind == "generator":
        losses.add(clip, "what a generator draws is not written in AAF; there is a gap")
        return _gap(laid.count, rate)[0]
    time = source_at(laid, laid.first, rate)
    start = round(time * rate)
    if Fraction(start) / rate != time:
        losses.add(clip, "its source lies between frames of the program, in which AAF counts; it may be a frame off")
    shown = (start - laid.before, start + laid.count + laid.behind)
    available = clip.media.available
    if available is None:
        losses.add(clip, "the project does not say how long its media are; AAF says as long as it shows")
    first, stop = (floor(available.start * rate), ceil(available.stop * rate)) if available else shown
    covers = Span.between(Fraction(min(first, shown[0])) / rate, Fraction(max(stop, shown[1])) / rate)
    own = Span(Fraction(start) / rate, Fraction(laid.count) / rate)
    return {
        "OTIO_SCHEMA": "Clip.2", "metadata": {"AAF": {"MobID": _mob(clip, covers)}}, "name": clip.name, "effects": [],
        "markers": [], "enabled": True, "source_range": time_range(own, rate),
        "media_references": {"DEFAULT_MEDIA": external_reference(_url(clip), covers, rate, clip.media.name)},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }  # fmt: skip


def _lost(clip: Clip, losses: Losses) -> None:
    """Say what of a clip the adapter has no words for."""
    if clip.speed != 1:
        losses.add(clip, f"its speed of {float(clip.speed) * 100:g} % is not written in AAF; it plays at its own")
    if not clip.enabled:
        losses.add(clip, "it is switched off, which AAF does not say")
    if clip.media.reel:
        losses.add(clip, f"its reel {clip.media.reel} is not written in AAF")
    for marker in (*others_markers(clip.markers), *clip.checks):
        losses.add(clip, f'the marker "{marker.name}" is not written in AAF')


def _url(clip: Clip) -> str:
    path = clip.media.path
    return path_to_url(Path(absolute_text(path))) if path is not None else clip.media.url


def _mob(clip: Clip, covers: Span) -> str:
    """An id of the media, the same for all clips that show them."""
    key = f"{_url(clip) or clip.media.name}|{covers.start}|{covers.duration}|{clip.name if not _url(clip) else ''}"
    digits = blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return "urn:smpte:umid:060a2b34.01010105.01010f20.13000000." + ".".join(digits[i : i + 8] for i in range(0, 32, 8))
