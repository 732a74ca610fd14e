"""Makes a photograph or a film follow performances, and records a performance as a motion template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lp_editor.controls import FloatArray
from lp_editor.errors import FaceError, LpEditorError, MediaError, ParamError
from lp_editor.face import Face, FaceTrack
from lp_editor.faces import analyse_faces, choose, parse_choice
from lp_editor.faces.measure import head_pose
from lp_editor.marking import meant
from lp_editor.media.probe import MediaInfo, probe
from lp_editor.media.source import VideoSource
from lp_editor.recording import SHAPES, Recording, write_recording
from lp_editor.registry import Registry
from lp_editor.render.drive import calmest, read_driver
from lp_editor.render.footage import face_picture
from lp_editor.render.program import Settings, check_output, render_program
from lp_editor.render.report import Progress, Report, silent
from lp_editor.timeline import edit
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Ease, Media, ParamValue, Project, Segment, Span, Track
from lp_editor.timeline.timecode import exact_number, exact_rate, parse_time
from lp_editor.timeline.urls import is_file

RATE = Fraction(25)
"""Frames a second of a living picture whose driver says none."""

HELD = 4
"""Seconds that a picture lasts whose driver is a picture too."""

BATCH = 8
"""Frames handed to an engine at once."""


@dataclass(frozen=True)
class Lead:
    """A driver, and the face that follows it: as in ``face=``."""

    driver: Path
    face: str = "largest"

    @classmethod
    def parse(cls, text: str) -> Lead:
        """``FILE``, or ``FACE=FILE``."""
        face, sign, driver = text.partition("=")
        if sign and not Path(text).exists():
            try:
                parse_choice(face)
            except FaceError as error:
                raise ParamError(f"--driver is FILE or FACE=FILE, got {text!r}: {error}") from None
            return cls(Path(driver), face)
        return cls(Path(text))


def living(
    picture: Path,
    leads: Sequence[Lead],
    params: dict[str, ParamValue | str],
    registry: Registry,
    *,
    seconds: Fraction | None = None,
    rate: Fraction | None = None,
    sound: bool = True,
    path: Path | None = None,
) -> Document:  # fmt: skip
    """A project of one clip, not saved yet: a picture (or film) whose faces follow drivers.

    It is as long as the longest driver (or film) and plays at the first driver's rate, with the first one's sound, unless
    told. Raises `MediaError`, `ParamError`.
    """
    info = _seen(picture)
    if not leads:
        raise ParamError("name at least one driver")
    lasting = [_driver(lead.driver, registry) for lead in leads]
    assert info.video is not None
    still = info.video.count == 1
    rate = rate or (next((r for r, _ in lasting if r is not None), RATE) if still else info.video.rate)
    wanted = seconds or (max(s for _, s in lasting) or Fraction(HELD) if still else info.video.duration)
    count = max(round(wanted * rate), 1)
    span = Span(Fraction(0), count / rate)
    media = Media("file", picture.name, str(picture.resolve()), picture.resolve(), span)
    tracks = [Track("V1", "video", (Clip("", picture.stem, media, span, span, rate),))]
    tracks += _sounding(leads[0].driver if still else picture, rate, span) if sound else []
    project = Project(picture.stem, rate, Fraction(0), tuple(tracks))
    document = new_document(path or picture.with_suffix(".otio"), project)
    for number, lead in enumerate(leads, 1):
        clip = next(c for c in document.project.clips() if c.place == "V1/1")
        segment = _segment(number, lead, params, registry, rate, span)
        document = document.replace(edit.add_segment(document.project, clip, segment))
    return document


def animate(
    document: Document, output: Path, settings: Settings, registry: Registry, progress: Progress = silent
) -> Report:  # fmt: skip
    """Render a living picture. A picture of odd size loses its last column or row where the codec needs that."""
    (clip,) = (c for c in document.project.clips() if c.place.startswith("V"))
    assert clip.media.path is not None
    video = probe(clip.media.path).video
    assert video is not None
    size = video.format.width // 2 * 2, video.format.height // 2 * 2
    if settings.format is None and size != (video.format.width, video.format.height):
        settings = replace(settings, format=f"{size[0]}x{size[1]}")
    return render_program(document.project, registry, output, settings, None, progress)


def _seen(path: Path) -> MediaInfo:
    if not is_file(path):
        raise MediaError(f"{path} is no file; name a photograph or a film")
    info = probe(path)
    if info.video is None:
        raise MediaError(f"{path} has no picture; name a photograph or a film")
    return info


def _driver(path: Path, registry: Registry) -> tuple[Fraction | None, Fraction]:
    """A driver's rate (None of a picture) and seconds (0 of a picture)."""
    read = read_driver(path, registry)
    if isinstance(read, Recording):
        return read.rate, len(read) / read.rate
    video = read.video
    assert video is not None
    return (None, Fraction(0)) if video.count == 1 else (video.rate, video.duration)


def _segment(
    number: int, lead: Lead, params: dict[str, ParamValue | str], registry: Registry, rate: Fraction, span: Span
) -> Segment:  # fmt: skip
    asked = {"ease": "0", **params, "driver": str(lead.driver.resolve()), "face": lead.face}
    meaning = meant("performance", asked, registry, rate)
    return Segment(
        f"s{number}", "performance", span, meaning.params, meaning.face, meaning.ease or Ease(Fraction(0), Fraction(0))
    )


def _sounding(path: Path, rate: Fraction, span: Span) -> list[Track]:
    """A track with a file's sound, where it has any."""
    if path.suffix.lower() in (".csv", ".pkl", ".npz"):
        return []
    audio = probe(path).audio
    if not audio:
        return []
    length = min(max(a.duration for a in audio), span.duration)
    length = max(int(length * rate), 1) / rate
    heard = Span(Fraction(0), length)
    media = Media("file", path.name, str(path.resolve()), path.resolve(), heard)
    return [Track("A1", "audio", (Clip("", path.stem, media, heard, heard, rate),))]


def length_and_rate(length: str | None, rate: str | None) -> tuple[Fraction | None, Fraction | None]:
    """A TIME and frames a second as texts. Raises `ParamError`, `TimeError`."""
    try:
        fps = None if rate is None else exact_rate(float(exact_number(rate)))
    except (ValueError, ZeroDivisionError, OverflowError):
        fps = Fraction(0)
    if fps is not None and not 0 < fps <= 1000:
        raise ParamError(f"a rate is frames per second (25, 29.97), got {rate!r}")
    seconds = None if length is None else parse_time(length, fps or RATE)
    if seconds is not None and not 0 < seconds <= 24 * 3600:
        raise ParamError(f"a length is a time over 0 and up to a day (4s, 100f), got {length!r}")
    return seconds, fps


def check_project(path: Path, force: bool) -> None:
    """Refuse a project that is no .otio, or there already."""
    if path.suffix.lower() != ".otio":
        raise ParamError(f"{path}: the project of a living picture is written as .otio")
    check_output(path, force)


@dataclass(frozen=True)
class Recorded:
    """What was recorded: by which engine, of how many frames how many showed no face and hold the one before."""

    recording: Recording
    engine: str
    lost: int


def record(
    video: Path, output: Path, registry: Registry, settings: Settings, face: str = "largest", progress: Progress = silent
) -> Recorded:  # fmt: skip
    """Record a film's performance as a motion template: blendshapes and head turns, and with the weights of the
    liveportrait engine its motions too. Raises `FaceError` where nobody is found."""
    if output.suffix.lower() != ".npz":
        raise ParamError(f"{output}: a motion template is written as .npz")
    check_output(output, settings.force)
    try:
        engine: Any = registry.engine(settings.engine, settings.device)
    except LpEditorError:
        if settings.engine != "auto":
            raise
        engine = None
    with VideoSource(video) as source:
        info = source.info.video
        if info is None:
            raise MediaError(f"{video} has no picture; name a film of a face")
        tracks = analyse_faces(
            source, 0, info.count, settings.cache / "faces", lambda done, total: progress("faces", done, total)
        )
        track = choose(tracks, face, 0, info.count, (info.format.width, info.format.height))
        if track is None:
            raise FaceError(f"no face found in {video}; faces must be at least 60 pixels wide and look ahead")
        shown = _shown(track)
        faces = [one for i in shown if (one := track.at(i)) is not None]
        motions = _motions(engine, source, track, sorted(set(shown)), float(info.rate), progress)
        if motions is not None:
            order = np.searchsorted(sorted(set(shown)), shown)
            motions = {name: rows[order] for name, rows in motions.items()}
    rest = calmest(track) - track.first
    recording = Recording(info.rate, _shapes(faces), _poses(faces), motions, rest)
    write_recording(output, recording)
    lost = sum(one is None for one in track.faces)
    return Recorded(recording, engine.name if motions is not None else "", lost)


def _shown(track: FaceTrack) -> list[int]:
    """For each frame of a track the frame that shows its face: itself, or the last one before that does."""
    found: list[int] = []
    for i, face in enumerate(track.faces):
        found.append(track.first + i if face is not None else found[-1])  # a track begins with a face
    return found


def _shapes(faces: Sequence[Face]) -> FloatArray:
    return np.array([[face.blendshapes.get(name, 0.0) for name in SHAPES] for face in faces], np.float64)


def _poses(faces: Sequence[Face]) -> FloatArray:
    return np.array([head_pose(face.points) for face in faces], np.float64)


def _motions(
    engine: Any, source: VideoSource, track: FaceTrack, frames: Sequence[int], rate: float, progress: Progress
) -> dict[str, Any] | None:
    """The arrays of an engine's own motions; None of one that keeps none."""
    if not hasattr(engine, "record"):
        return None

    def read(at: Sequence[int]) -> list[Any]:
        wanted = sorted(set(at))
        seen = {i: face_picture(p, f) for i, p in zip(wanted, source.frames(wanted), strict=True) if (f := track.at(i))}
        return [seen[i] for i in at if i in seen]

    look, found = engine.study(track, read), []
    for start in range(0, len(frames), BATCH):
        found += engine.analyze(look, read(frames[start : start + BATCH]))
        progress("motion", min(start + BATCH, len(frames)), len(frames))
    made: dict[str, Any] = engine.record(found, rate)
    return made
