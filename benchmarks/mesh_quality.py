"""What the mesh engine does to real faces, judged by MediaPipe run again on its output, and how long it takes.

    python benchmarks/mesh_quality.py [--faces DIR] [--sheet PNG]

Without a folder the portrait of the demo is used. Each control goes from 0 over .5 to 1; *change* is how far its own
blendshape rises, *leak* the mean rise of those of other regions, *monotone* whether it rises all the way.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import skimage.data
from rich.console import Console
from rich.table import Table

from lp_editor.controls import Controls
from lp_editor.errors import LpEditorError
from lp_editor.face import Face, FaceTrack
from lp_editor.faces.measure import eye_ratio, head_pose
from lp_editor.faces.model import Landmarker
from lp_editor.faces.search import find_faces
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.media.sink import write_still
from lp_editor.media.source import VideoSource
from lp_editor.mesh.engine import MeshEngine
from lp_editor.render.compositor import apply_patches
from lp_editor.render.footage import face_picture
from lp_editor.render.sheet import Moment, around, contact_sheet


@dataclass(frozen=True)
class Trial:
    """A control as both sides of it, the blendshapes it should raise, and the region they belong to."""

    name: str
    offsets: Mapping[str, float]
    shapes: Sequence[str]
    region: str


def both(name: str, value: float = 1.0) -> dict[str, float]:
    """A control on both sides."""
    return {f"{name}_left": value, f"{name}_right": value}


BROW_UP = {**both("brow_inner"), **both("brow_outer")}
BROW_DOWN = {name: -1.0 for name in BROW_UP}
TRIALS = (
    Trial("smile", both("smile"), ("mouthSmileLeft", "mouthSmileRight"), "mouth"),
    Trial("mouth open", {"mouth_open": 1.0}, ("jawOpen",), "mouth"),
    Trial("pucker", {"pucker": 1.0}, ("mouthPucker",), "mouth"),
    Trial("brow up", BROW_UP, ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), "brow"),
    Trial("brow down", BROW_DOWN, ("browDownLeft", "browDownRight"), "brow"),
    Trial("blink", both("blink"), ("eyeBlinkLeft", "eyeBlinkRight"), "eye"),
    Trial("wide", both("blink", -1.0), ("eyeWideLeft", "eyeWideRight"), "eye"),
    Trial("gaze left", both("gaze_x"), ("eyeLookOutLeft", "eyeLookInRight"), "eye"),
    Trial("gaze up", both("gaze_y"), ("eyeLookUpLeft", "eyeLookUpRight"), "eye"),
)


def pictures(folder: Path | None) -> Iterator[tuple[str, Picture]]:
    """The pictures of a folder (of a film its first one), or the portrait."""
    if folder is None:
        image = np.asarray(skimage.data.astronaut(), np.uint8)
        yield "astronaut", Picture.of_rgb(image, VideoFormat(512, 512, "yuv444p"))
        return
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".mp4", ".mov"):
            try:
                with VideoSource(path) as source:
                    yield path.name, source.picture(0)
            except LpEditorError as error:
                print(f"skipped: {error}", file=sys.stderr)


@dataclass(frozen=True)
class Subject:
    """One face ready to be edited."""

    name: str
    picture: Picture
    face: Face
    finder: Landmarker
    engine: MeshEngine

    def edited(self, offsets: Mapping[str, float]) -> tuple[Picture, float]:
        """The picture with some offsets, and the milliseconds that took."""
        seen = face_picture(self.picture, self.face)
        look = self.engine.study(FaceTrack(1, 0, [self.face]), lambda at: [])
        start = perf_counter()
        filmed = self.engine.analyze(look, [seen])
        patches = self.engine.synthesize(look, [seen], filmed, self.engine.retarget(filmed, Controls.of(1, **offsets)))
        picture = apply_patches(self.picture, [p for p in patches if p])
        return picture, 1000 * (perf_counter() - start)

    def seen(self, picture: Picture) -> Face | None:
        """The face found in a picture, near where it was."""
        box = around(self.face.box, (picture.format.width, picture.format.height), 2.2)
        return next(iter(self.finder(picture.rgb(box), (box.x0, box.y0))), None)


@dataclass(frozen=True)
class Row:
    """What one trial did to one face."""

    start: float
    end: float
    monotone: bool
    leak: float
    milliseconds: float


def tried(subject: Subject, trial: Trial) -> Row | None:
    """Run one trial."""
    levels, faces, times = (0.0, 0.5, 1.0), [], []
    for level in levels:
        picture, took = subject.edited({n: level * v for n, v in trial.offsets.items()})
        faces.append(subject.seen(picture))
        times.append(took)
    if any(f is None for f in faces):
        return None
    found = [f for f in faces if f is not None]
    values = [float(np.mean([f.blendshapes[s] for s in trial.shapes])) for f in found]
    others = [
        s
        for s in found[0].blendshapes
        if not s.lower().startswith((trial.region, "jaw" if trial.region == "mouth" else "#"))
    ]
    leak = float(np.mean([abs(found[-1].blendshapes[s] - found[0].blendshapes[s]) for s in others]))
    return Row(values[0], values[-1], values[0] <= values[1] + 0.01 and values[1] <= values[2] + 0.01, leak, times[-1])


def table(subjects: Sequence[Subject]) -> None:
    """Print means over all faces."""
    shown = Table("control", "0 → 1", "change", "least", "monotone", "leak", "ms", title=f"{len(subjects)} faces")
    for trial in TRIALS:
        rows = [row for s in subjects if (row := tried(s, trial)) is not None]
        if rows:
            changes = [r.end - r.start for r in rows]
            shown.add_row(
                trial.name, f"{np.mean([r.start for r in rows]):.2f} → {np.mean([r.end for r in rows]):.2f}",
                f"{np.mean(changes):.2f}", f"{min(changes):.2f}", f"{100 * np.mean([r.monotone for r in rows]):.0f} %",
                f"{np.mean([r.leak for r in rows]):.3f}", f"{np.median([r.milliseconds for r in rows]):.0f}",
            )  # fmt: skip
    Console(width=100).print(shown)
    blinks = [f for s in subjects if (f := s.seen(s.edited(both("blink"))[0])) is not None]
    ratios = [float(eye_ratio(f.points[None], side)[0]) for f in blinks for side in ("left", "right")]
    print(f"eye ratio of a full blink: median {np.median(ratios):.3f}, worst {max(ratios):.3f}")
    for name, axis in (("pitch", 0), ("yaw", 1), ("roll", 2)):
        turned = [(s.seen(s.edited({name: 10.0})[0]), s.face) for s in subjects]
        errors = [abs(head_pose(f.points)[axis] - head_pose(b.points)[axis] - 10) for f, b in turned if f is not None]
        print(f"{name} of 10 degrees: mean error {np.mean(errors):.1f}, worst {max(errors):.1f}")


def main() -> None:
    """Read the command line, print the table, write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, help="a folder of portraits or films")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet, one for each face, numbered")
    asked = parser.parse_args()
    with Landmarker(faces=8) as finder:
        engine = MeshEngine()
        subjects = []
        for name, picture in pictures(asked.faces):
            found = find_faces(picture.rgb_all(), finder)
            if found:
                subjects.append(Subject(name, picture, found[0], finder, engine))
            else:
                print(f"no face in {name}", file=sys.stderr)
        table(subjects)
        for number, subject in enumerate(subjects if asked.sheet else (), 1):
            box = around(subject.face.box, (subject.picture.format.width, subject.picture.format.height))
            cells = [
                Moment(
                    t.name,
                    subject.picture.rgb(box),
                    subject.edited({n: 0.8 * v for n, v in t.offsets.items()})[0].rgb(box),
                )
                for t in TRIALS
            ]
            write_still(asked.sheet.with_stem(f"{asked.sheet.stem}{number}"), contact_sheet(cells))


if __name__ == "__main__":
    main()
