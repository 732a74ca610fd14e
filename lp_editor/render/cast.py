"""Finds out what planning needs to know: which face of which clip each segment means, and what effects ask to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lp_editor.effect import Effect
from lp_editor.errors import FaceError, MediaError, ParamError
from lp_editor.face import Face, Faces, FaceTrack
from lp_editor.faces import analyse_ahead, analyse_faces, choose
from lp_editor.faces.measure import measured
from lp_editor.media.memory import return_free_pages
from lp_editor.media.probe import MediaInfo
from lp_editor.media.source import VideoSource, open_video
from lp_editor.plan import Driver, Finding, extents, finding_key, segment_rows, segment_span
from lp_editor.recording import Recording
from lp_editor.registry import Registry
from lp_editor.render.drive import check_drivers, looked_at, read_driver
from lp_editor.render.footage import Footage, Sources
from lp_editor.render.hearing import clip_sound, speech_of
from lp_editor.render.report import Progress, Report
from lp_editor.timeline.cut import Event, Morph
from lp_editor.timeline.model import Project, Segment
from lp_editor.utterance import Speech

_Stretch: TypeAlias = tuple[Segment | str, tuple[int, int]]
"""What marks some media frames, a segment or a joint by its id, and which: (first, stop)."""


@dataclass(frozen=True)
class Cast:
    """Who is who: findings by segment, face tracks by (strip key, face), the joints' faces by (strip key, joint id), and
    all faces seen by strip key."""

    findings: Mapping[str, Finding]
    tracks: Mapping[tuple[str, str], FaceTrack]
    joints: Mapping[tuple[str, str], FaceTrack | None]
    crowd: Mapping[str, Sequence[FaceTrack]] = field(default_factory=dict)
    drivers: Mapping[str, MediaInfo] = field(default_factory=dict)
    """The files of drivers as they were read, by the names that segments call them."""

    def others(self, strip: str, face: str) -> list[FaceTrack]:
        """Everybody else in a strip."""
        return [track for track in self.crowd.get(strip, ()) if str(track.id) != face]


@dataclass(frozen=True)
class Casting:
    """What casting works with."""

    footage: Mapping[str, Footage]
    sources: Sources
    registry: Registry
    rate: Fraction
    cache: Path
    progress: Progress
    report: Report
    project: Project
    processes: int | None = None
    """How many look for faces at a time; as many as there are cores by default."""
    _drivers: dict[str, MediaInfo] = field(default_factory=dict)

    def cast(self, events: Sequence[Event], handles: int) -> Cast:
        """Analyse the faces of every marked stretch of a program.

        Raises `FaceError` where a segment's whole span shows no face, or not the one asked for.
        """
        findings: dict[str, Finding] = {}
        tracks: dict[tuple[str, str], FaceTrack] = {}
        joints: dict[tuple[str, str], FaceTrack | None] = {}
        crowd: dict[str, Sequence[FaceTrack]] = {}
        marked = self._marked(events, handles)
        self._look_ahead(marked)
        for key, stretches in marked.items():
            footage = self.footage[key]
            with self.sources.lent(footage.info.path) as source:
                crowd[key] = found = self._analyse(source, stretches)
            for name, (lo, hi) in stretches:
                if isinstance(name, str):
                    joints[key, name] = choose(found, "largest", lo, hi)
                    continue
                track = self._segment_track(footage, name, found, lo, hi)
                tracks[key, str(track.id)] = track
                finding = self._finding(footage, name, track)
                findings[finding_key(footage.strip, name)] = finding
        return Cast(findings, tracks, joints, crowd, self._drivers)

    def _marked(self, events: Sequence[Event], handles: int) -> dict[str, list[_Stretch]]:
        """The stretches of media that are marked, by strip key; strips without any are left out."""
        reach = extents(events, handles)
        found = {}
        for key, footage in self.footage.items():
            spans = self._stretches(footage, events, *reach[key])
            if spans:
                found[key] = [(name, footage.extent(start, count, self.rate)) for name, start, count in spans]
        return found

    def _look_ahead(self, marked: Mapping[str, Sequence[_Stretch]]) -> None:
        """Look for the faces of all marked stretches at once."""
        if not marked:
            return
        wanted = [(self.footage[key].info, *_reach(stretches)) for key, stretches in marked.items()]
        with self.report.profile.step("faces", sum(stop - first for _, first, stop in wanted)):
            analyse_ahead(wanted, self.cache, self._analysed, self.processes)

    def _stretches(
        self, footage: Footage, events: Sequence[Event], first: int, count: int
    ) -> list[tuple[Segment | str, int, int]]:
        """The marked program frames of a strip: (segment or joint id, first, count)."""
        found: list[tuple[Segment | str, int, int]] = []
        for segment in footage.strip.clip.segments:
            rows = segment_rows(footage.strip, segment, first, count, self.rate)
            if len(rows):
                found.append((segment, first + int(rows[0]), len(rows)))
        for event in events:
            if isinstance(event.picture, Morph) and footage.strip.key in (
                event.picture.outgoing.strip.key,
                event.picture.incoming.strip.key,
            ):
                # the frames beside a joint say how its faces come and go; outside the media they are its first or last
                found.append((event.picture.joint.id, event.first - 1, event.count + 2))
        return found

    def _analyse(self, source: VideoSource, stretches: Sequence[_Stretch]) -> list[FaceTrack]:
        """Everybody from the first marked frame to the last one."""
        with self.report.profile.step("faces", 0):
            return analyse_faces(source, *_reach(stretches), self.cache, self._analysed)

    def _analysed(self, done: int, total: int) -> None:
        """A window is done."""
        return_free_pages()
        self.progress("faces", done, total)

    def _segment_track(
        self, footage: Footage, segment: Segment, tracks: list[FaceTrack], lo: int, hi: int
    ) -> FaceTrack:
        clip = footage.strip.clip
        where = f'clip "{clip.name}" ({clip.place}), segment {segment.id} {segment.effect}'
        try:
            assert footage.info.video is not None
            format = footage.info.video.format
            track = choose(tracks, segment.face, lo, hi, (format.width, format.height))
        except FaceError as error:
            raise FaceError(f"{error} ({where})") from None
        if track is None:
            video = footage.info.video
            tip = (
                "a face must be at least 60 pixels wide, upright and whole; try a larger or sharper picture, cut to head and shoulders"
                if video is not None and video.count == 1
                else "move the segment to where a face shows, or unmark it"
            )
            raise FaceError(f"no face found in {where}; {tip}")
        lost = sum(track.at(i) is None for i in range(lo, hi))
        if lost:
            self.report.note(f"{where}: no usable face on {lost} of {hi - lo} frames; they pass through")
        return track

    def _finding(self, footage: Footage, segment: Segment, track: FaceTrack) -> Finding:
        effect = self.registry.effect(segment.effect)
        span = segment_span(footage.strip, segment)
        faces: Sequence[Face | None] = ()
        if "face" in effect.needs:
            first, count = ceil(span.start * self.rate), ceil(span.duration * self.rate)
            faces = FacesAt(track, footage.indices(first, count, self.rate))
        sound = clip_sound(footage, self.project, span) if "sound" in effect.needs else None
        speech = self._speech(footage, segment, effect) if "speech" in effect.needs else None
        driver = self._driver(segment, effect) if "driver" in effect.needs else None
        video = footage.info.video
        size = (video.format.width, video.format.height) if video else None
        return Finding(str(track.id), faces, sound, speech, driver, *measured(faces), size)

    def _speech(self, footage: Footage, segment: Segment, effect: type[Effect]) -> Speech:
        said = speech_of(segment, effect, footage, self.project, self.cache.parent)
        clip = footage.strip.clip
        self.report.note(f'clip "{clip.name}" ({clip.place}), segment {segment.id}: speech read by {said.method}')
        for note in said.notes:
            self.report.note(f'clip "{clip.name}" ({clip.place}), segment {segment.id}: {note}')
        return said

    def _driver(self, segment: Segment, effect: type[Effect]) -> Driver:
        named = segment.params.get("driver")
        if not isinstance(named, str) or not named:
            raise ParamError(f"{effect.name} needs driver=FILE, a video of a face (segment {segment.id})")
        if "\0" in named:
            raise ParamError(f"driver={named[:200]!r} names no file: a path holds no NUL (segment {segment.id})")
        try:
            info = read_driver(Path(named), self.registry)
            first = self._drivers.setdefault(named, looked_at(Path(named), info))
            check_drivers([first])
        except MediaError as error:
            raise MediaError(f"{error} (segment {segment.id})") from error
        if isinstance(info, Recording):
            return Driver(named, None, info.rate, info)
        assert info.video is not None
        with open_video(info) as source:
            tracks = analyse_faces(source, 0, info.video.count, self.cache, self._analysed)
        format, whose = info.video.format, str(segment.params.get("driver_face", "largest"))
        try:
            track = choose(tracks, whose, 0, info.video.count, (format.width, format.height))
        except FaceError as error:
            raise FaceError(f"{error} (driver {named}, segment {segment.id})") from None
        if track is None:
            raise FaceError(
                f"no face found in the driver {named} (segment {segment.id}); a driver needs a face at least 60 pixels "
                "wide that looks ahead"
            )
        return Driver(named, track, info.video.rate)


class FacesAt(Faces):
    """The faces of a track in some media frames."""

    def __init__(self, track: FaceTrack, frames: NDArray[np.intp]) -> None:
        self._track, self._frames = track, frames

    def __len__(self) -> int:
        return len(self._frames)

    def at(self, index: int) -> Face | None:
        """The face of the segment's frame of this number; None where lost."""
        return self._track.at(int(self._frames[index]))


def _reach(stretches: Sequence[_Stretch]) -> tuple[int, int]:
    """From the first frame of some stretches to behind the last one."""
    return min(first for _, (first, _) in stretches), max(stop for _, (_, stop) in stretches)
