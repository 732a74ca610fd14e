"""Lets drivers move a face: the driver's own motions, analysed once, transferred part by part."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from lp_editor.controls import REGIONS, Controls, Part, parts_of
from lp_editor.engine import Engine, Look
from lp_editor.errors import MediaError
from lp_editor.face import Face, FacePicture, FaceTrack
from lp_editor.faces.mirror import mirrored_face, mirrored_picture
from lp_editor.media.probe import MediaInfo, check_unchanged, identity, probe
from lp_editor.plan import Drive, Driver, FacePlan
from lp_editor.recording import Recording, controls_of
from lp_editor.registry import Registry
from lp_editor.render.footage import Sources, face_picture

if TYPE_CHECKING:
    from lp_editor.render.stage import Stage

KEPT = 600
"""Motions of a driver that are remembered: 20 seconds of most."""

TOGETHER = 8
"""Pictures of a driver that are held at a time."""

EXPRESSIONS = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker", "mouthFunnel", "browInnerUp",
               "browDownLeft", "browDownRight", "eyeBlinkLeft", "eyeBlinkRight", "mouthFrownLeft", "mouthFrownRight")  # fmt: skip
"""Blendshapes whose sum says how far a face is from rest."""

TURNED = 20.0
"""Degrees off its usual pose that weigh as much as one whole blendshape."""

DRIVERS = "a film, a picture, a motion template (.npz, .pkl) or a Live Link Face recording (.csv)"
"""What may lead a face."""

LOOKED_AT = 400
"""Frames of a driver, spread over it, among which the calmest is looked for."""


def read_driver(path: Path, registry: Registry) -> Recording | MediaInfo:
    """What a driver is: a recording, or media that hold a picture. Raises `MediaError`, which says what would do."""
    if not os.path.exists(path):
        raise MediaError(f"the driver {path} is missing; name {DRIVERS}")
    recording = registry.recording(path)
    if recording is not None:
        return recording
    if os.path.isdir(path):
        raise MediaError(f"the driver {path} is a folder; name {DRIVERS}")
    try:
        info = probe(path)
    except MediaError as error:
        raise MediaError(f"the driver {error}; a driver is {DRIVERS}") from error
    if info.video is None:
        raise MediaError(f"the driver {path} has no picture; a driver is {DRIVERS}")
    return info


def looked_at(path: Path, read: Recording | MediaInfo) -> MediaInfo:
    """What a driver's file is as it was read, to be compared with later."""
    if isinstance(read, MediaInfo):
        return read
    stat = path.stat()
    return MediaInfo(path, identity(path), None, (), None, version=(stat.st_size, stat.st_mtime_ns))


def check_drivers(drivers: Iterable[MediaInfo]) -> None:
    """Raise a `MediaError` where the file of a driver is not any more what was read."""
    for info in drivers:
        try:
            check_unchanged(info)
        except MediaError as error:
            raise MediaError(f"the driver {error}") from error


def driven(stage: Stage, plan: FacePlan, filmed: Sequence[Any], rows: Sequence[int]) -> list[Any]:
    """The filmed motions, moved by every driver of a face; frames without a driver stay as filmed."""
    motions = list(filmed)
    for drive in plan.drives:
        busy = [
            i for i, row in enumerate(rows) if drive.strength[row] > 0 and drive.driver.shows(int(drive.frames[row]))
        ]
        if not busy:
            continue
        frames = [int(drive.frames[rows[i]]) for i in busy]
        strength = [float(drive.strength[rows[i]]) for i in busy]
        moved = _moved(stage, drive, [motions[i] for i in busy], frames, strength)
        for i, motion in zip(busy, moved, strict=True):
            motions[i] = motion
    return motions


def _moved(
    stage: Stage, drive: Drive, motions: Sequence[Any], frames: Sequence[int], strength: Sequence[float]
) -> list[Any]:  # fmt: skip
    performer = stage.performers.of(stage, drive)
    performed = performer.motions(frames)
    engine = stage.engine
    if performed is None:
        assert performer.recording is not None
        return _by_controls(engine, performer.recording, drive, motions, frames, strength)
    out = list(motions)
    for regions, relative in _ways(engine, drive):
        (rest,) = performer.motions([performer.rest]) or [None]
        out = engine.transfer(out, performed, rest if relative else None, regions, strength)
    return out


def _ways(engine: Engine[Any, Any], drive: Drive) -> list[tuple[tuple[Part, ...], bool]]:
    """The parts of a drive, and whether each follows as a change: a head that is not told always does.

    The head comes first: how a face is seen depends on how its head is held.
    """
    if drive.relative is not None or not getattr(engine, "knows_rest", False):
        return [(drive.regions, drive.relative is not False)]
    face = tuple(part for part in drive.regions if part != "pose")
    head = tuple(part for part in drive.regions if part == "pose")
    return [(parts, relative) for parts, relative in ((head, True), (face, False)) if parts]


def _by_controls(
    engine: Engine[Any, Any], recording: Recording, drive: Drive, motions: Sequence[Any], frames: Sequence[int],
    strength: Sequence[float],
) -> list[Any]:  # fmt: skip
    """What a recording asks of an engine that reads controls alone."""
    at, weight = list(frames), np.array(strength)[:, None]
    rest = recording.calm if drive.rest is None else drive.rest
    absolute = drive.relative is False
    made = controls_of(recording.shapes[at], recording.poses[at], drive.regions)
    start = controls_of(recording.shapes[[rest]], recording.poses[[rest]], drive.regions)
    offsets = made.offsets if absolute else made.offsets - start.offsets
    neutral = np.zeros((len(at), len(REGIONS)))
    for column, region in enumerate(REGIONS if absolute else ()):
        neutral[:, column] = float(set(parts_of([region])) <= set(drive.regions))
    return list(
        engine.retarget(motions, replace(Controls.zeros(len(at)), offsets=weight * offsets, neutral=weight * neutral))
    )


@dataclass
class Performer:
    """A driver as an engine sees it; ``motions`` are remembered."""

    engine: Engine[Any, Any]
    driver: Driver
    mirror: bool
    smooth: float
    rest: int
    sources: Sources
    recording: Recording | None = None
    info: MediaInfo | None = None
    """Of a film, what it was when its faces were looked for."""
    _look: Look | None = None
    _known: OrderedDict[int, Any] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def motions(self, frames: Sequence[int]) -> list[Any] | None:
        """The driver's motions at some of its frames, in the order asked; None where the engine takes controls instead.

        Each frame must show the face.
        """
        if self.recording is not None:
            return self._recorded(frames)
        track, there = self.driver.track, self.driver.frames
        assert track is not None
        reach = round(self.smooth * float(self.driver.rate) / 2)
        around = [
            [k for k in range(i - reach, i + reach + 1) if k in there and track.at(k) is not None] for i in frames
        ]
        with self._lock:
            known = self._analysed(track, sorted({k for some in around for k in some}))
        return [_mean([known[k] for k in some]) for some in around]

    def _recorded(self, frames: Sequence[int]) -> list[Any] | None:
        read = getattr(self.engine, "recorded", None)
        if read is None:
            return None
        assert self.recording is not None
        wanted = sorted(set(frames))
        made = read(self.recording.some(wanted))
        if made is None:
            return None
        motions = dict(zip(wanted, made, strict=True))
        return [motions[i] for i in frames]

    def _analysed(self, track: FaceTrack, wanted: Sequence[int]) -> dict[int, Any]:
        """Motions by frame, those that are not known yet read from the file."""
        if self._look is None:
            self._look = self.engine.study(self._track(track), self._read)
        todo = [i for i in wanted if i not in self._known]
        for start in range(0, len(todo), TOGETHER):
            part = todo[start : start + TOGETHER]
            self._known.update(zip(part, self.engine.analyze(self._look, self._read(part)), strict=True))
        found = {i: self._known[i] for i in wanted}
        for i in wanted:
            self._known.move_to_end(i)
        while len(self._known) > max(KEPT, len(wanted)):
            self._known.popitem(last=False)
        return found

    def _track(self, track: FaceTrack) -> FaceTrack:
        return replace(track, faces=_Mirrored(track, self._width())) if self.mirror else track

    def _width(self) -> int:
        with self.sources.lent(Path(self.driver.path)) as source:
            return source.video.format.width

    def _read(self, at: Sequence[int]) -> list[FacePicture]:
        track = self.driver.track
        assert track is not None
        wanted = sorted({i for i in at if track.at(i) is not None})
        with self.sources.lent(Path(self.driver.path), min(wanted, default=0)) as source:
            read = {}
            for i, picture in zip(wanted, source.frames(wanted), strict=True):
                face = track.at(i)
                assert face is not None
                seen = face_picture(picture, face)
                read[i] = mirrored_picture(seen) if self.mirror else seen
        if self.info is not None:
            check_drivers([self.info])
        return [read[i] for i in at if i in read]


class _Mirrored(Sequence[Face | None]):
    """A track's faces, each mirrored when it is asked for."""

    def __init__(self, track: FaceTrack, width: int) -> None:
        self._track, self._width = track, width

    def __len__(self) -> int:
        return len(self._track.faces)

    def __getitem__(self, index: int) -> Face | None:  # type: ignore[override]
        face = self._track.faces[index]
        return None if face is None else mirrored_face(face, self._width)


@dataclass
class Performers:
    """The drivers of a render, each studied once."""

    _known: dict[tuple[str, int, bool, float, int | None], Performer] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, stage: Stage, drive: Drive) -> Performer:
        """The performer that a drive follows."""
        driver = drive.driver
        key = (driver.path, driver.track.id if driver.track else 0, drive.mirror, drive.smooth, drive.rest)
        with self._lock:
            if key not in self._known:
                self._known[key] = _performer(stage, drive)
            return self._known[key]


def _performer(stage: Stage, drive: Drive) -> Performer:
    engine, sources = stage.engine, stage.sources
    driver, recording = drive.driver, drive.driver.recording
    if recording is not None:
        recording = recording.mirrored() if drive.mirror else recording
        recording = recording.smoothed(drive.smooth)
        recording = replace(recording, rest=recording.calm if drive.rest is None else drive.rest)
        return Performer(engine, driver, drive.mirror, drive.smooth, recording.calm, sources, recording)
    assert driver.track is not None
    rest = calmest(driver.track) if drive.rest is None else nearest(driver.track, drive.rest)
    info = stage.cast.drivers.get(driver.path)
    return Performer(engine, driver, drive.mirror, drive.smooth, rest, sources, info=info)


def nearest(track: FaceTrack, frame: int) -> int:
    """The frame nearest to one that shows a track's face."""
    there = [track.first + i for i, face in enumerate(track.faces) if face is not None]
    return min(there, key=lambda i: abs(i - frame))


def calmest(track: FaceTrack) -> int:
    """The frame in which a face is nearest to rest: least expression, head as it usually is."""
    from lp_editor.faces.measure import head_pose

    some = np.unique(np.linspace(0, len(track.faces) - 1, LOOKED_AT).astype(int))
    seen = [(track.first + int(i), face) for i in some if (face := track.faces[int(i)]) is not None]
    if not seen:
        return nearest(track, track.first)
    poses = np.array([head_pose(face.points) for _, face in seen])
    off = np.abs(poses - np.median(poses, axis=0)).max(1) / TURNED
    moved = [sum(face.blendshapes.get(name, 0.0) for name in EXPRESSIONS) for _, face in seen]
    return seen[int(np.argmin(off + moved))][0]


def _mean(motions: Sequence[Any]) -> Any:
    """The motion in the middle of several."""
    mean = motions[0]
    for count, other in enumerate(motions[1:], 2):
        mean = mean.toward(other, 1 / count)
    return mean
