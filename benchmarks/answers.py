"""What MediaPipe reads when a face of the mesh engine shows one expression: how `lp_editor/mesh/answers.npz` was measured.

    python benchmarks/answers.py [DIR] [--faces s0.jpg,d18.mp4] [--drivers d12.mp4,s32.mp4] [-o answers.npz]

Each face follows two moments of each driver, a film of somebody else, with nothing added and with every expression that may be
added, one at a time. Told are, for each face, how well the mean of all the others foretells its answers, and how well its own
at one moment foretell those at another (r over all expressions and blendshapes). ``-o`` writes the mean over faces.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from lp_editor.face import FacePicture, FaceTrack
from lp_editor.faces import analyse_faces, choose
from lp_editor.faces.model import Landmarker
from lp_editor.files import write_whole
from lp_editor.media.source import VideoSource
from lp_editor.mesh.engine import MeshEngine
from lp_editor.mesh.rehearsal import GAZES, Performed, single_expressions
from lp_editor.recording import SHAPES
from lp_editor.render.footage import face_picture

Array = NDArray[np.float64]

FACES = ("s0.jpg", "s7.jpg", "s11.jpg", "d30.jpg", "d12.mp4", "d18.mp4", "s13.mp4", "s32.mp4")
DRIVERS = ("d12.mp4", "s32.mp4")
MOMENTS = 2
LATER = 20
"""Frame of a film from which on its first face is taken."""


def track_of(path: Path, cache: Path) -> FaceTrack:
    """The largest face of a still or a film."""
    with VideoSource(path) as source:
        count = source.video.count
        track = choose(analyse_faces(source, 0, count, cache, None), "largest", 0, count)
    if track is None:
        raise SystemExit(f"answers: no face in {path}")
    return track


def face_of(path: Path, cache: Path) -> FacePicture:
    """One picture of it."""
    track = track_of(path, cache)
    at = next(i for i in range(min(LATER, len(track.faces) - 1), len(track.faces)) if track.at(i) is not None)
    face = track.at(at)
    assert face is not None
    with VideoSource(path) as source:
        return face_picture(next(iter(source.frames([at]))), face)


def answers(engine: MeshEngine, picture: FacePicture, driver: Performed, eye: Landmarker) -> list[Array]:
    """How far each blendshape goes for each expression at full strength, (E, 52), at the first moments of a driver."""
    look = engine.study(FaceTrack(1, 0, [picture.face]), lambda at: [picture] * len(at))
    rehearsals = look.person.rehearsals
    assert rehearsals is not None
    response = rehearsals.of(driver)
    if response is None:
        return []
    return [rehearsals.answers(driver, moment, replace(response, correction=None), eye) for moment in range(MOMENTS)]


def symmetric(found: Array) -> Array:
    """The mean of answers and their mirror image."""
    names = [(name,) for name in single_expressions()] + [tuple(pair) for pair in GAZES]
    sets = [frozenset(name) for name in names]
    rows = [sets.index(other) if (other := frozenset(map(mirrored, name))) in sets else i for i, name in enumerate(names)]
    columns = [SHAPES.index(mirrored(name)) for name in SHAPES]
    return np.asarray((found + found[rows][:, columns]) / 2)


def mirrored(name: str) -> str:
    """The blendshape of the other side."""
    for end, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(end):
            return name.removesuffix(end) + other
    return name


def alike(one: Array, other: Array) -> float:
    """The correlation over all numbers."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the faces of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", default=Path("../shared/liveportrait/media"))
    parser.add_argument("--faces", default=",".join(FACES))
    parser.add_argument("--drivers", default=",".join(DRIVERS))
    parser.add_argument("-o", "--out", type=Path, metavar="NPZ")
    asked = parser.parse_args(arguments)
    engine, found = MeshEngine(), dict[str, list[Array]]()
    with TemporaryDirectory() as name, Landmarker() as eye:
        cache = Path(name)
        drivers = {
            one: engine.study(track_of(asked.folder / one, cache), lambda at: []).person.performed
            for one in asked.drivers.split(",")
        }
        for face in asked.faces.split(","):
            picture = face_of(asked.folder / face, cache)
            for driver, told in drivers.items():
                if driver != face and told is not None:
                    found.setdefault(face, []).extend(answers(engine, picture, told, eye))
            print(face, len(found.get(face, [])), "moments", flush=True)
    means = {face: np.mean(moments, axis=0) for face, moments in found.items() if moments}
    for face, own in means.items():
        others = symmetric(np.mean([mean for other, mean in means.items() if other != face], axis=0))
        apart = [alike(a, b) for a, b in combinations(found[face], 2)]
        print(f"{face:<10} the others foretell {alike(others, own):.2f}, its own at another moment {np.mean(apart):.2f}")
    if asked.out:
        made = BytesIO()
        np.savez_compressed(made, answers=symmetric(np.mean(list(means.values()), axis=0)).astype(np.float32))
        write_whole(asked.out, lambda path: path.write_bytes(made.getvalue()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
