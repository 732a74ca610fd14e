"""``faces``: who is in a film, when, how large, turned how; as a table, JSON, or a picture of each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lp_editor.cli.catalogue import plain_table, show
from lp_editor.cli.progress import shown
from lp_editor.errors import FaceError, MediaError
from lp_editor.face import Face, FaceTrack
from lp_editor.faces import analyse_faces
from lp_editor.faces.measure import eye_ratio, gaze_angles, head_pose, lip_ratio
from lp_editor.media.probe import probe
from lp_editor.media.sink import write_still
from lp_editor.media.source import VideoSource
from lp_editor.render.program import Settings
from lp_editor.render.sheet import around, portraits

SAMPLES = 60
"""Frames of a track, spread over it, that its figures are taken from."""


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "faces", help="list the people in a film or picture",
        description="Finds everybody in a film and says who they are by number, for face=id:N in a mark.",
        epilog="examples:\n  lp-editor faces interview.mp4\n  lp-editor faces interview.mp4 --sheet people.png\n"
        "  lp-editor faces interview.mp4 --json\n",
    )  # fmt: skip
    command.add_argument("media", type=Path, help="a film or a picture")
    command.add_argument("--json", action="store_true", help="print JSON, with poses, gaze and openings")
    command.add_argument("--sheet", type=Path, metavar="PNG", help="write a picture of each person")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.set_defaults(run=_faces)


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


def _faces(asked: argparse.Namespace) -> int:
    info = probe(asked.media)
    if info.video is None:
        raise MediaError(f"{asked.media} has no picture; name a film or a picture")
    with VideoSource(asked.media) as source, shown(asked.quiet or asked.json, False) as progress:
        cache = Settings().cache / "faces"
        tracks = analyse_faces(source, 0, info.video.count, cache, lambda done, total: progress("faces", done, total))
        if not tracks:
            raise FaceError(f"no face found in {asked.media}; faces must be at least 60 pixels wide and look ahead")
        if asked.sheet:
            write_still(asked.sheet, portraits(_pictures(source, tracks)))
    people = [described(track, float(info.video.rate)) for track in tracks]
    if asked.json:
        print(json.dumps({"media": str(asked.media), "faces": [asdict(person) for person in people]}, indent=2))
    else:
        _table(people)
    return 0


def _pictures(source: VideoSource, tracks: Sequence[FaceTrack]) -> list[tuple[str, Any]]:
    """Each person where their face is largest and looks ahead most, with their number."""
    out = []
    for track in tracks:
        number = max(range(len(track.faces)), key=lambda i, t=track: _showing(t.faces[i]))  # type: ignore[misc]
        face = track.faces[number]
        assert face is not None
        picture = source.picture(track.first + number)
        box = around(face.box, (picture.format.width, picture.format.height), 1.6)
        out.append((f"id:{track.id}", picture.rgb(box)))
    return out


def _showing(face: Face | None) -> float:
    """How well a face shows: its width, less where it is turned away."""
    if face is None:
        return -1.0
    pitch, yaw, _ = head_pose(face.points)
    return face.width * float(np.cos(np.radians(np.clip(1.5 * yaw, -89, 89))) * np.cos(np.radians(pitch)))


def _table(people: Sequence[Person]) -> None:
    table = plain_table("face", "from", "to", "frames", "lost", "width", "pitch", "yaw", "roll", "gaze x", "gaze y")
    for p in people:
        size = f"{p.width:.0f} px" if p.widest - p.narrowest < 0.1 * p.width else f"{p.narrowest:.0f}–{p.widest:.0f} px"
        table.add_row(
            f"id:{p.id}", f"{p.first:.2f} s", f"{p.last:.2f} s", str(p.frames), str(p.lost), size,
            f"{p.pitch:+.0f}°", f"{p.yaw:+.0f}°", f"{p.roll:+.0f}°", f"{p.gaze_x:+.0f}°", f"{p.gaze_y:+.0f}°",
        )  # fmt: skip
    show(table)
