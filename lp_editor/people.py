"""Says who is in a film, and where a person is seen in a project: faces, when, how large, turned and open; marked everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lp_editor.errors import FaceError, MediaError, ParamError
from lp_editor.face import Face, FaceTrack, Image
from lp_editor.faces import analyse_ahead, analyse_faces, choose, parse_choice
from lp_editor.faces.choice import reference_look
from lp_editor.faces.identity import Appearance, alike
from lp_editor.faces.measure import eye_ratio, gaze_angles, head_pose, lip_ratio
from lp_editor.marking import meant
from lp_editor.media.source import VideoSource
from lp_editor.plan import extents
from lp_editor.registry import Registry
from lp_editor.render.footage import Footage, Sources, bind
from lp_editor.render.report import Progress, silent
from lp_editor.render.sheet import around
from lp_editor.timeline import edit
from lp_editor.timeline.cut import cut, strips
from lp_editor.timeline.document import Document
from lp_editor.timeline.model import Clip, ParamValue, Project, Segment

SAMPLES = 60
"""Frames of a track, spread over it, that its figures are taken from."""

SURELY = 0.8
"""A face that correlates with a reference picture by less is not marked with it in every clip.

Single pictures of one shot of a person correlate by .84 and more; of two people, over the 11 of the given films and
portraits, one pair by .84 and every other by .79 at most.
"""


@dataclass(frozen=True)
class Person:
    """What is listed of a face track. Times in seconds, sizes in pixels, angles in degrees."""

    id: int
    first: float
    last: float
    frames: int
    lost: int
    width: float
    narrowest: float
    widest: float
    pitch: float
    yaw: float
    roll: float
    turned_most: float
    gaze_x: float
    gaze_y: float
    eye_opening_left: float
    eye_opening_right: float
    lip_opening: float


def described(track: FaceTrack, rate: float) -> Person:
    """A track's figures: medians over frames spread over it."""
    there = [i for i in range(len(track.faces)) if track.faces[i] is not None]
    some = [there[int(i)] for i in np.unique(np.linspace(0, len(there) - 1, SAMPLES).astype(int))]
    seen = [face for i in some if (face := track.faces[i]) is not None]
    points = np.stack([face.points for face in seen]).astype(np.float64)
    poses = np.array([head_pose(p) for p in points])
    gazes = np.array([gaze_angles(p) for p in points])
    widths = np.array([face.width for face in seen])
    pitch, yaw, roll = np.median(poses, axis=0)
    x, y = np.median(gazes, axis=0)
    values = (
        np.median(widths), widths.min(), widths.max(), pitch, yaw, roll, poses[np.abs(poses[:, 1]).argmax(), 1], x, y,
        np.median(eye_ratio(points, "left")), np.median(eye_ratio(points, "right")), np.median(lip_ratio(points)),
    )  # fmt: skip
    first, last = track.first + there[0], track.first + there[-1]
    lost = last - first + 1 - len(there)
    return Person(track.id, first / rate, (last + 1) / rate, len(there), lost, *(round(float(v), 3) for v in values))


def people_in(
    media: Path, cache: Path, progress: Callable[[int, int], None] | None = None, pictures: bool = False
) -> tuple[list[Person], list[tuple[str, Image]]]:
    """Everybody in a film or picture, by id; with ``pictures`` also a named RGB picture of each.

    Raises `MediaError` for media without a picture, `FaceError` where nobody is found.
    """
    with VideoSource(media) as source:
        video = source.info.video
        if video is None:
            raise MediaError(f"{media} has no picture; name a film or a picture")
        tracks = analyse_faces(source, 0, video.count, cache, progress)
        if not tracks:
            raise FaceError(f"no face found in {media}; faces must be at least 60 pixels wide and look ahead")
        shown = [(f"id:{track.id}", _portrait(source, track)) for track in tracks] if pictures else []
        return [described(track, float(video.rate)) for track in tracks], shown


def _portrait(source: VideoSource, track: FaceTrack) -> Image:
    """A person where their face is largest and looks ahead most."""
    number = max(range(len(track.faces)), key=lambda i: _showing(track.faces[i]))
    face = track.faces[number]
    assert face is not None
    picture = source.picture(track.first + number)
    return picture.rgb(around(face.box, (picture.format.width, picture.format.height), 1.6))


def _showing(face: Face | None) -> float:
    """How well a face shows: its width, less where it is turned away."""
    if face is None:
        return -1.0
    pitch, yaw, _ = head_pose(face.points)
    return face.width * float(np.cos(np.radians(np.clip(1.5 * yaw, -89, 89))) * np.cos(np.radians(pitch)))


@dataclass(frozen=True)
class Sightings:
    """The clips of a cut in which a face is seen, and the others with the reason; in order of appearance."""

    seen: tuple[Clip, ...]
    unseen: tuple[tuple[Clip, str], ...]


def sightings(project: Project, face: str, cache: Path, progress: Progress = silent) -> Sightings:
    """Look for a face (as in ``face=``) in every clip that the cut shows, over all that it shows of it.

    A clip whose media are missing counts as one without. Raises `FaceError`, `MediaError` for a reference picture
    without a face.
    """
    wanted = parse_choice(face)
    look = reference_look(wanted.file) if wanted.by == "like" else None
    events = cut(project)
    reach, reasons = extents(events), dict[str, str]()
    clips: dict[str, Clip] = {}
    shown: list[tuple[Footage, tuple[int, int]]] = []
    for key, strip in strips(events).items():
        clips.setdefault(strip.clip.place, strip.clip)
        try:
            footage = bind({key: strip})[key]
        except MediaError as error:
            reasons.setdefault(strip.clip.place, str(error))
            continue
        shown.append((footage, footage.extent(*reach[key], project.rate)))
    told = _telling(progress)
    with suppress(FaceError, MediaError):  # whose it is shows below
        analyse_ahead([(footage.info, *span) for footage, span in shown], cache, told)
    for footage, span in shown:
        place = footage.strip.clip.place
        if reasons.get(place) == "":
            continue
        try:
            tracks, size = _looked(footage, span, cache, told)
            found = choose(tracks, face, *span, size, (lambda _: look) if look is not None else None)
            reasons[place] = _doubt(found, look)
        except (FaceError, MediaError) as error:
            reasons[place] = str(error)
    return Sightings(
        tuple(clip for place, clip in clips.items() if not reasons[place]),
        tuple((clip, reasons[place]) for place, clip in clips.items() if reasons[place]),
    )


def _doubt(found: FaceTrack | None, look: Appearance | None) -> str:
    """Why the face that was chosen in a clip is not the one meant; empty where it is."""
    if found is None:
        return "no face is found there"
    if look is None or found.look is None:
        return ""
    likeness = alike(found.look, look)
    return "" if likeness >= SURELY else (
        f"the likest face there, id {found.id}, is like the picture by {likeness:.2f} of 1, and {SURELY:g} is asked of every "
        "clip; mark it by itself if it is the same person"
    )  # fmt: skip


def _telling(progress: Progress) -> Callable[[int, int], None]:
    return lambda done, total: progress("faces", done, total)


def _looked(
    footage: Footage, span: tuple[int, int], cache: Path, told: Callable[[int, int], None]
) -> tuple[list[FaceTrack], tuple[int, int]]:
    """The faces of some media frames (first, stop) of a clip, and the picture's size."""
    video = footage.info.video
    assert video is not None
    with Sources([footage.info]) as sources, sources.lent(footage.info.path, span[0]) as source:
        tracks = analyse_faces(source, *span, cache, told)
    return tracks, (video.format.width, video.format.height)


@dataclass(frozen=True)
class MarkedEverywhere:
    """A document with the same mark on several clips, and the clips that got none, with the reason."""

    document: Document
    marks: tuple[tuple[Clip, Segment], ...]
    unseen: tuple[tuple[Clip, str], ...]


def mark_everywhere(
    document: Document, effect: str, params: Mapping[str, ParamValue | str], registry: Registry, cache: Path,
    progress: Progress = silent,
) -> MarkedEverywhere:  # fmt: skip
    """Mark, whole, every clip of the cut in which the face of ``params`` is seen; needs the media. One step of undo.

    Raises `FaceError` where no clip shows it, `ParamError` for a joint.
    """
    project = document.project
    meaning = meant(effect, params, registry, project.rate)
    name = meaning.effect.name
    if meaning.joins:
        raise ParamError(f"{name} joins two clips, so it cannot go on every clip; mark each cut with --clip or --at")
    found = sightings(project, meaning.face, cache, progress)
    if not found.seen:
        places = "; ".join(f"{clip.name} ({clip.place}): {why}" for clip, why in found.unseen) or "the cut is empty"
        raise FaceError(f"face={meaning.face} is seen in no clip, so nothing was marked: {places}")
    marks = []
    for clip in found.seen:
        span = clip.source_span(clip.record)
        segment = Segment(edit.new_id(project), name, span, meaning.params, meaning.face, meaning.ease)
        project = edit.add_segment(project, clip, segment)
        marks.append((clip, segment))
    return MarkedEverywhere(document.replace(project), tuple(marks), found.unseen)
