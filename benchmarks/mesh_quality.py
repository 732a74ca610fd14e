"""What the mesh engine does to real faces, judged by MediaPipe run again on its output, and by the pixels themselves.

    python benchmarks/mesh_quality.py [--faces DIR] [--sheet PNG]

A folder may hold pictures and films; without one the portrait of the demo is used. Each control goes from 0 to 1 in
quarters.

- *change*: how far its own blendshapes rise at 1; *least*: on the face where they rise least
- *gain*: how far the landmarks, found again, moved along the way that was asked, as a part of it
- *monotone*: how many of the steps raise the blendshape (or lower it by less than .01)
- *leak*: the mean change of the blendshapes of other regions; *drift*: of landmarks in the other half of the face, in %
  of the face's width
- *beyond*: the mean change of pixels outside the mask, in levels

The bars hold for faces within 25 degrees of yaw, at least 150 pixels wide, with open eyes; others are marked with a
star and left out. Films are also rendered with a constant edit: *flicker* is the mean change of a pixel from frame to
frame, edited over filmed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lp_editor.controls import Controls
from lp_editor.engine import Patch
from lp_editor.errors import LpEditorError
from lp_editor.face import Box, Face, FacePicture, FaceTrack
from lp_editor.faces import analyse_faces
from lp_editor.faces.canonical import INNER_LIPS, LEFT_EYE, RIGHT_EYE, procrustes, to_local
from lp_editor.faces.measure import eye_ratio, head_pose, lip_ratio
from lp_editor.faces.model import Landmarker
from lp_editor.faces.search import find_faces
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.media.sink import write_still
from lp_editor.media.source import VideoSource
from lp_editor.mesh.bases import rest_points
from lp_editor.mesh.engine import MeshEngine
from lp_editor.mesh.layers import polygon
from lp_editor.render.compositor import apply_patches
from lp_editor.render.footage import face_picture
from lp_editor.render.sheet import Moment, around, contact_sheet

PICTURES, FILMS = (".jpg", ".jpeg", ".png"), (".mp4", ".mov", ".mkv")
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
ROOM = 2.2
"""How much of the picture around a face the judge sees, in sizes of its box."""


@dataclass(frozen=True)
class Trial:
    """Controls at full strength, the blendshapes they should raise, the region of those, and the bars."""

    name: str
    offsets: Mapping[str, float]
    shapes: Sequence[str]
    region: str
    change: float | None = None
    gain: float | None = None


def both(name: str, value: float = 1.0) -> dict[str, float]:
    """A control on both sides."""
    return {f"{name}_left": value, f"{name}_right": value}


def sides(name: str) -> tuple[str, str]:
    """A blendshape of both sides."""
    return f"{name}Left", f"{name}Right"


BROW_UP = {**both("brow_inner"), **both("brow_outer")}
BROW_DOWN = {name: -1.0 for name in BROW_UP}
TRIALS = (
    Trial("smile", both("smile"), sides("mouthSmile"), "mouth", change=0.5),
    Trial("mouth open", {"mouth_open": 1.0}, ("jawOpen",), "mouth", change=0.55),
    Trial("pucker", {"pucker": 1.0}, ("mouthPucker",), "mouth"),
    Trial("funnel", {"funnel": 1.0}, ("mouthFunnel",), "mouth"),
    Trial("press", {"press": 1.0}, sides("mouthPress"), "mouth"),
    Trial("stretch", {"stretch": 1.0}, sides("mouthStretch"), "mouth"),
    Trial("frown", both("frown"), sides("mouthFrown"), "mouth"),
    Trial("lip tuck", {"lip_tuck": 1.0}, ("mouthRollLower",), "mouth"),
    Trial("mouth left", {"mouth_x": 1.0}, ("mouthLeft",), "mouth"),
    Trial("brow up", BROW_UP, ("browInnerUp", *sides("browOuterUp")), "brow", change=0.35),
    Trial("brow down", BROW_DOWN, sides("browDown"), "brow", gain=0.5),
    Trial("blink", both("blink"), sides("eyeBlink"), "eye"),
    Trial("wide", both("blink", -1.0), sides("eyeWide"), "eye"),
    Trial("squint", both("squint"), sides("eyeSquint"), "eye"),
    Trial("gaze left", both("gaze_x"), ("eyeLookOutLeft", "eyeLookInRight"), "eye", gain=0.5),
    Trial("gaze right", both("gaze_x", -1.0), ("eyeLookInLeft", "eyeLookOutRight"), "eye", gain=0.5),
    Trial("gaze up", both("gaze_y"), sides("eyeLookUp"), "eye"),
    Trial("gaze down", both("gaze_y", -1.0), sides("eyeLookDown"), "eye"),
)
BARRED = ("smile", "mouth open", "brow up")
"""Trials that must be monotone and keep their leak low (mesh_engine notes, bars)."""


@dataclass(frozen=True)
class Subject:
    """One face ready to be edited, with a film's other frames to study where there are any."""

    name: str
    picture: Picture
    face: Face
    finder: Landmarker
    engine: MeshEngine
    look: object

    @property
    def in_range(self) -> bool:
        """Whether the bars hold for it."""
        eyes = min(float(eye_ratio(self.face.points[None], side)[0]) for side in ("left", "right"))
        return abs(head_pose(self.face.points)[1]) < 25 and self.face.width >= 150 and eyes > 0.12

    def seen_around(self) -> FacePicture:
        """The face with the pixels around it."""
        return face_picture(self.picture, self.face)

    def edited(self, offsets: Mapping[str, float]) -> Edited:
        """The picture with some offsets."""
        seen = self.seen_around()
        start = perf_counter()
        filmed = self.engine.analyze(self.look, [seen])  # type: ignore[arg-type]
        motions = self.engine.retarget(filmed, Controls.of(1, **offsets))
        patch = self.engine.synthesize(self.look, [seen], filmed, motions)[0]  # type: ignore[arg-type]
        picture = apply_patches(self.picture, [patch] if patch else [])
        took = 1000 * (perf_counter() - start)
        asked = (
            motions[0].points,
            to_local(motions[0].points, motions[0].pose) - to_local(filmed[0].points, filmed[0].pose),
        )
        return Edited(picture, patch, asked[1], took)

    def found(self, picture: Picture) -> Face | None:
        """The face found in a picture, near where it was."""
        box = around(self.face.box, (picture.format.width, picture.format.height), ROOM)
        return next(iter(self.finder(picture.rgb(box), (box.x0, box.y0))), None)


@dataclass(frozen=True)
class Edited:
    """A picture with an edit, and how the landmarks were asked to move in the head's frame, (478, 3) cm."""

    picture: Picture
    patch: Patch | None
    asked: NDArray[np.float64]
    milliseconds: float


@dataclass(frozen=True)
class Row:
    """What one trial did to one face."""

    name: str
    start: float
    end: float
    rising: float
    gain: float
    leak: float
    drift: float
    beyond: float
    milliseconds: float


def local(face: Face) -> NDArray[np.float64]:
    """Landmarks in the head's frame, cm."""
    points = face.points.astype(np.float64)
    return to_local(points, procrustes(points))


def elsewhere(region: str) -> NDArray[np.bool_]:
    """Landmarks of the half of the face that a region does not belong to, (478,)."""
    y = rest_points()[:, 1]
    still = y < -0.5 if region == "mouth" else y > 1.5
    still[468:] = False
    return np.asarray(still)


def tried(subject: Subject, trial: Trial) -> Row | None:
    """Run one trial on one face."""
    made = [subject.edited({n: level * v for n, v in trial.offsets.items()}) for level in LEVELS]
    faces = [face for one in made if (face := subject.found(one.picture)) is not None]
    if len(faces) < len(LEVELS):
        return None
    values = np.array([np.mean([f.blendshapes[s] for s in trial.shapes]) for f in faces])
    got, asked = (local(faces[-1]) - local(faces[0]))[:, :2], made[-1].asked[:, :2]
    size = np.linalg.norm(asked, axis=1)
    along = size > 0.15 * size.max()
    gain = (asked[along] * got[along]).sum() / (asked[along] ** 2).sum()
    strayed = (faces[-1].points - faces[0].points)[:, :2] / faces[0].width
    still = elsewhere(trial.region)
    own = (trial.region, "jaw") if trial.region == "mouth" else (trial.region,)
    others = [s for s in faces[0].blendshapes if not s.lower().startswith(own)]
    leak = float(np.mean([abs(faces[-1].blendshapes[s] - faces[0].blendshapes[s]) for s in others]))
    return Row(
        subject.name, float(values[0]), float(values[-1]), float(np.mean(np.diff(values) >= -0.01)), float(gain), leak,
        100 * float(np.linalg.norm(strayed[still], axis=1).mean()), beyond(subject.picture, made[-1]),
        float(np.median([one.milliseconds for one in made[1:]])),
    )  # fmt: skip


def beyond(filmed: Picture, made: Edited) -> float:
    """The mean change of luma outside the mask, in levels: must be 0."""
    change = np.abs(made.picture.planes[0].astype(np.float32) - filmed.planes[0])
    if made.patch is not None:
        box = made.patch.box
        change[box.y0 : box.y1, box.x0 : box.x1] *= made.patch.mask <= 0
    return float(change.mean())


def shown(what: str, good: bool | None = None) -> str:
    """A figure, green or red where there is a bar."""
    return what if good is None else f"[{'green' if good else 'red'}]{what}[/]"


def controls_table(subjects: Sequence[Subject]) -> Table:
    """Print the means of every trial over all faces."""
    table = Table("control", "0 → 1", "change", "least", "gain", "monotone", "leak", "drift %", "beyond", "ms")
    for trial in TRIALS:
        rows = [row for s in subjects if (row := tried(s, trial)) is not None]
        if not rows:
            continue
        changes = [r.end - r.start for r in rows]
        change, gain = float(np.mean(changes)), float(np.mean([r.gain for r in rows]))
        rising, leak = 100 * float(np.mean([r.rising for r in rows])), float(np.mean([r.leak for r in rows]))
        drift, outside = float(np.mean([r.drift for r in rows])), max(r.beyond for r in rows)
        barred = trial.name in BARRED
        table.add_row(
            trial.name, f"{np.mean([r.start for r in rows]):.2f} → {np.mean([r.end for r in rows]):.2f}",
            shown(f"{change:+.2f}", None if trial.change is None else change >= trial.change),
            f"{min(changes):+.2f} {rows[int(np.argmin(changes))].name}",
            shown(f"{gain:.2f}", None if trial.gain is None else gain >= trial.gain),
            shown(f"{rising:.0f} %", rising >= 95 if barred else None), shown(f"{leak:.3f}", leak <= 0.05 if barred else None),
            shown(f"{drift:.2f}", drift <= 0.8), shown(f"{outside:.3f}", outside == 0),
            f"{np.median([r.milliseconds for r in rows]):.0f}",
        )  # fmt: skip
    return table


def lids_table(subjects: Sequence[Subject]) -> Table:
    """A blink and a wink, by landmarks and by pixels."""
    table = Table("lids", "median", "worst", "bar")
    blinked = [(s, s.edited(both("blink"))) for s in subjects]
    ratios = [
        float(eye_ratio(f.points[None], side)[0])
        for s, made in blinked if (f := s.found(made.picture)) is not None for side in ("left", "right")
    ]  # fmt: skip
    median, worst = float(np.median(ratios)), max(ratios)
    good = median <= 0.08 and worst <= 0.13
    table.add_row("eye ratio of a full blink", f"{median:.3f}", f"{worst:.3f}", shown("≤ .08, worst ≤ .13", good))
    eyes = [eye_pixels(s, made.picture) for s, made in blinked]
    table.add_row("eye still seen in pixels", f"{np.median(eyes):.2f}", f"{max(eyes):.2f}", "of the filmed eye's")
    moved = [m for s in subjects for m in winked(s)]
    table.add_row(
        "wink: the other eye's blink", f"{np.median(moved):.2f}", f"{max(moved):.2f}", shown("< .20", max(moved) < 0.2)
    )
    return table


def winked(subject: Subject) -> list[float]:
    """How far the blink of the other eye rises in a wink of each."""
    out, base = [], subject.found(subject.picture)
    for eye, other in (("left", "eyeBlinkRight"), ("right", "eyeBlinkLeft")):
        face = subject.found(subject.edited({f"blink_{eye}": 1.0}).picture)
        if face is not None and base is not None:
            out.append(abs(face.blendshapes[other] - base.blendshapes[other]))
    return out


def eye_pixels(subject: Subject, picture: Picture) -> float:
    """How much of the filmed eyes is still iris or white: pixels of the opening that are no skin in colour.

    Skin is the median colour of a ring around the eye; what differs from it by more than Otsu's threshold, found on the
    filmed pixels of opening and ring, is eye.
    """
    parts = []
    for contour in (LEFT_EYE, RIGHT_EYE):
        points = subject.face.points[list(contour)].astype(np.float64)
        width = float(np.ptp(points[:, 0]))
        low, high = points[:, :2].min(0) - 0.4 * width, points[:, :2].max(0) + 0.4 * width
        box = Box(*(int(v) for v in (*low, *high))).clipped(picture.format.width, picture.format.height)
        inside = polygon(points, box) > 0.5
        near = (
            cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(2, round(0.22 * width))) > 0
        )
        rim = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(1, round(0.10 * width))) > 0
        ring = near & ~rim
        away = []
        for image in (subject.picture.rgb(box).astype(np.float32), picture.rgb(box).astype(np.float32)):
            away.append(np.linalg.norm(image - np.median(image[ring], 0), axis=2))
        scaled = np.clip(away[0][inside | ring], 0, 255).astype(np.uint8)
        limit, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        seen = [float((one[inside] > limit).sum()) for one in away]
        if seen[0] > 0:
            parts.append(seen[1] / seen[0])
    return float(np.mean(parts)) if parts else 0.0


def teeth_table(subjects: Sequence[Subject]) -> Table:
    """The bright part of the mouth's inside, in % of the face's area."""
    table = Table("teeth seen", *(s.name for s in subjects))
    trials: tuple[tuple[str, dict[str, float]], ...] = (
        ("as filmed", {}), ("smile", both("smile")), ("mouth open .5", {"mouth_open": 0.5}), ("mouth open", {"mouth_open": 1.0}),
    )  # fmt: skip
    for name, offsets in trials:
        table.add_row(name, *(f"{tooth_area(s, s.edited(offsets).picture):.1f} %" for s in subjects))
    return table


def tooth_area(subject: Subject, picture: Picture) -> float:
    """Pixels between the lips that are at least as bright as .8 of the cheeks and hardly coloured, in % of the face's box."""
    face = subject.found(picture)
    if face is None:
        return 0.0
    points = face.points.astype(np.float64)
    low, high = points[list(INNER_LIPS), :2].min(0) - 2, points[list(INNER_LIPS), :2].max(0) + 3
    box = Box(*(int(v) for v in (*low, *high))).clipped(picture.format.width, picture.format.height)
    rgb = picture.rgb(box).astype(np.float32)
    inside = polygon(points[list(INNER_LIPS)], box) > 0.5
    cheek = subject.face.points[[50, 280], :2].astype(int)
    at = Box(int(cheek[:, 0].min()), int(cheek[:, 1].min()), int(cheek[:, 0].max()) + 1, int(cheek[:, 1].max()) + 1)
    light = np.median(subject.picture.rgb(at.clipped(picture.format.width, picture.format.height)))
    bright, colour = rgb.mean(2), np.ptp(rgb, axis=2)
    return 100 * float((inside & (bright > 0.8 * light) & (colour < 0.35 * bright)).sum() / face.box.area)


def pose_table(subjects: Sequence[Subject]) -> Table:
    """Turns of up to 12 degrees, read back."""
    table = Table("pose", "mean error", "worst", "other axes", "worst", "bar")
    for axis, name in enumerate(("pitch", "yaw", "roll")):
        errors, others = [], []
        for subject in subjects:
            base = subject.found(subject.picture)
            for degrees in (-12.0, -6.0, 6.0, 12.0):
                face = subject.found(subject.edited({name: degrees}).picture)
                if face is None or base is None:
                    continue
                turn = np.array(head_pose(face.points)) - head_pose(base.points)
                errors.append(abs(float(turn[axis]) - degrees))
                others.append(float(np.abs(np.delete(turn, axis)).max()))
        mean = float(np.mean(errors))
        table.add_row(
            name, f"{mean:.2f}°", f"{max(errors):.2f}°", f"{np.mean(others):.2f}°", f"{max(others):.2f}°",
            shown("≤ 1°", max(errors) <= 1),
        )  # fmt: skip
    return table


def flicker_table(films: Sequence[Film]) -> Table:
    """Constant edits over whole films."""
    table = Table("flicker", *(film.name for film in films))
    for name, offsets in (("smile .7", both("smile", 0.7)), ("mouth open .4", {"mouth_open": 0.4})):
        values = [flicker(film, offsets) for film in films]
        table.add_row(name, *(shown(f"{v:.2f}", v <= 1.2) for v in values))
    return table


@dataclass(frozen=True)
class Film:
    """A film with its main face."""

    name: str
    path: Path
    track: FaceTrack
    engine: MeshEngine
    look: object


def flicker(film: Film, offsets: Mapping[str, float]) -> float:
    """The mean change of luma from one frame to the next where both are edited: edited over filmed."""
    sums, last = np.zeros(2), None
    with VideoSource(film.path) as source:
        numbers = [film.track.first + i for i, face in enumerate(film.track.faces) if face is not None]
        for number, picture in zip(numbers, source.frames(numbers), strict=True):
            face = film.track.at(number)
            assert face is not None
            seen = [face_picture(picture, face)]
            filmed = film.engine.analyze(film.look, seen)  # type: ignore[arg-type]
            motions = film.engine.retarget(filmed, Controls.of(1, **offsets))
            patch = film.engine.synthesize(film.look, seen, filmed, motions)[0]  # type: ignore[arg-type]
            edited = apply_patches(picture, [patch] if patch else [])
            mask = np.zeros(picture.planes[0].shape, bool)
            if patch is not None:
                mask[patch.box.y0 : patch.box.y1, patch.box.x0 : patch.box.x1] = patch.mask > 0
            now = picture.planes[0].astype(np.float32), edited.planes[0].astype(np.float32), mask
            if last is not None:
                where = mask & last[2]
                sums += [np.abs(now[k][where] - last[k][where]).sum() for k in (0, 1)]
            last = now
    return float(sums[1] / max(sums[0], 1e-9))


def in_pictures(folder: Path | None) -> Iterator[tuple[str, Picture]]:
    """The pictures of a folder, or the portrait."""
    if folder is None:
        image = np.asarray(skimage.data.astronaut(), np.uint8)
        yield "astronaut", Picture.of_rgb(image, VideoFormat(512, 512, "yuv444p"))
        return
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES):
        try:
            with VideoSource(path) as source:
                yield path.stem, source.picture(0)
        except LpEditorError as error:
            print(f"skipped: {error}", file=sys.stderr)


def in_films(folder: Path | None, engine: MeshEngine, cache: Path) -> Iterator[Film]:
    """The films of a folder in which a face is found."""
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in FILMS) if folder else ():
        with VideoSource(path) as source:
            assert source.info.video is not None
            tracks = analyse_faces(source, 0, source.info.video.count, cache, None)
            if not tracks:
                print(f"no face in {path.name}", file=sys.stderr)
                continue
            track = max(tracks, key=lambda t: sum(face.width for face in t.faces if face is not None))
            yield Film(path.stem, path, track, engine, studied(engine, source, track))


def studied(engine: MeshEngine, source: VideoSource, track: FaceTrack) -> object:
    """The engine's look at a film's face."""
    return engine.study(track, lambda at: [face_picture(source.picture(i), _sure(track.at(i))) for i in at])


def calmest(track: FaceTrack) -> int:
    """The frame of a track, from its first, that is most like its median: pose, eyes and lips."""
    numbers = [i for i, face in enumerate(track.faces) if face is not None]
    points = np.stack([_sure(track.faces[i]).points for i in numbers])
    turns = np.array([head_pose(p) for p in points]) / 10
    ratios = np.stack([8 * lip_ratio(points), 4 * eye_ratio(points, "left"), 4 * eye_ratio(points, "right")], 1)
    values = np.hstack([turns, ratios])
    return numbers[int(np.abs(values - np.median(values, axis=0)).sum(1).argmin())]


def _sure(face: Face | None) -> Face:
    assert face is not None
    return face


def subjects_of(
    folder: Path | None, films: Sequence[Film], finder: Landmarker, engine: MeshEngine
) -> Iterator[Subject]:
    """Every picture's largest face, and each film's in the middle of its track."""
    for name, picture in in_pictures(folder):
        found = find_faces(picture.rgb_all(), finder)
        if not found:
            print(f"no face in {name}", file=sys.stderr)
            continue
        face = max(found, key=lambda f: f.width)
        seen = face_picture(picture, face)
        look = engine.study(FaceTrack(1, 0, [face]), lambda at, seen=seen: [seen] * len(at))  # type: ignore[misc]
        yield Subject(name, picture, face, finder, engine, look)
    for film in films:
        number = film.track.first + calmest(film.track)
        with VideoSource(film.path) as source:
            yield Subject(film.name, source.picture(number), _sure(film.track.at(number)), finder, engine, film.look)


def sheets(subjects: Sequence[Subject], path: Path) -> None:
    """A contact sheet for each face, numbered."""
    for number, subject in enumerate(subjects, 1):
        box = around(subject.face.box, (subject.picture.format.width, subject.picture.format.height))
        filmed = subject.picture.rgb(box)
        cells = [
            Moment(t.name, filmed, subject.edited({n: 0.8 * v for n, v in t.offsets.items()}).picture.rgb(box))
            for t in TRIALS
        ]
        write_still(path.with_stem(f"{path.stem}{number}"), contact_sheet(cells, 200))


def main() -> None:
    """Read the command line, print the tables, write the sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, help="a folder of portraits and films")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet, one for each face, numbered")
    asked = parser.parse_args()
    if asked.faces is not None and not asked.faces.is_dir():
        parser.error(f"{asked.faces} is not a folder")
    console, engine = Console(width=132, highlight=False), MeshEngine()
    with Landmarker(faces=8) as finder, tempfile.TemporaryDirectory() as cache:
        films = list(in_films(asked.faces, engine, Path(cache)))
        everyone = list(subjects_of(asked.faces, films, finder, engine))
        subjects = [s for s in everyone if s.in_range] or everyone
        console.print("faces:", ", ".join(
            f"{s.name}{'' if s.in_range else '*'} ({s.face.width:.0f} px, yaw {head_pose(s.face.points)[1]:+.0f}°)" for s in everyone
        ))  # fmt: skip
        tables = [controls_table(subjects), lids_table(subjects), pose_table(subjects), teeth_table(subjects)]
        for table in (*tables, *([flicker_table(films)] if films else [])):
            console.print(table)
        if asked.sheet:
            sheets(everyone, asked.sheet)


if __name__ == "__main__":
    main()
