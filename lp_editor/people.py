"""Says who is in a film: everybody's face, when it shows, how large, turned and open, and a picture of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lp_editor.errors import FaceError, MediaError
from lp_editor.face import Face, FaceTrack, Image
from lp_editor.faces import analyse_faces
from lp_editor.faces.measure import eye_ratio, gaze_angles, head_pose, lip_ratio
from lp_editor.media.source import VideoSource
from lp_editor.render.sheet import around

SAMPLES = 60
"""Frames of a track, spread over it, that its figures are taken from."""


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
