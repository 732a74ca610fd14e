"""How well faces are found, followed and told apart.

    python benchmarks/faces.py [DIR] [--seed N]

Takes the portraits and films of a folder (without one, the portrait of the demo). Each face is cut out, scaled until its
landmarks are so many pixels wide, and pasted at a random place of a 1080p and a 4K frame: *recall* is how many are
found there, *false* how many other faces are. Films are followed from end to end. Two films' faces are then made to
cross, one passing before the other: a *swap* is a frame in which a track is on the other's face.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import skimage.data
from rich.console import Console
from rich.table import Table

from lp_editor.errors import LpEditorError
from lp_editor.face import Box, Face, FaceTrack, Image
from lp_editor.faces import analyse_faces
from lp_editor.faces.model import Landmarker
from lp_editor.faces.search import find_faces, overlap
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.media.probe import MediaInfo
from lp_editor.media.source import VideoSource

PICTURES, FILMS = (".jpg", ".jpeg", ".png"), (".mp4", ".mov", ".mkv")
SIZES = (60, 90, 120, 160, 200, 300)
FRAMES = {"1080p": (1920, 1080), "4K": (3840, 2160)}
FOUND = 0.4
"""A face is found where boxes share this part of their union."""


@dataclass(frozen=True)
class Cutout:
    """A face with some of what is around it; ``box`` is that of its landmarks, in these pixels."""

    name: str
    pixels: Image
    box: Box

    def scaled(self, width: int) -> Cutout:
        """The same with landmarks ``width`` pixels wide."""
        k = width / self.box.width
        way = cv2.INTER_AREA if k < 1 else cv2.INTER_CUBIC
        pixels = np.asarray(cv2.resize(self.pixels, None, fx=k, fy=k, interpolation=way), np.uint8)
        return Cutout(
            self.name, pixels, Box(*(round(v * k) for v in (self.box.x0, self.box.y0, self.box.x1, self.box.y1)))
        )

    def pasted(self, frame: Image, x: int, y: int) -> Box:
        """Put it into a frame at a place; where its landmarks are then."""
        height, width = self.pixels.shape[:2]
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, frame.shape[1]), min(y + height, frame.shape[0])
        if right > left and bottom > top:
            frame[top:bottom, left:right] = self.pixels[top - y : bottom - y, left - x : right - x]
        return Box(self.box.x0 + x, self.box.y0 + y, self.box.x1 + x, self.box.y1 + y)


def cutout(name: str, image: Image, face: Face, room: float = 0.6) -> Cutout:
    """A face cut out of a picture."""
    box, pad = face.box, round(face.box.width * room)
    around = Box(box.x0 - pad, box.y0 - pad, box.x1 + pad, box.y1 + pad).clipped(image.shape[1], image.shape[0])
    part = image[around.y0 : around.y1, around.x0 : around.x1]
    return Cutout(name, part, Box(box.x0 - around.x0, box.y0 - around.y0, box.x1 - around.x0, box.y1 - around.y0))


def cutouts(folder: Path | None, finder: Landmarker) -> Iterator[Cutout]:
    """The largest face of every picture, and of each film's first."""
    if folder is None:
        image = np.asarray(skimage.data.astronaut(), np.uint8)
        yield cutout("astronaut", image, find_faces(image, finder)[0])
        return
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES + FILMS):
        try:
            with VideoSource(path) as source:
                image = source.picture(0).rgb_all()
        except LpEditorError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        found = find_faces(image, finder)
        if found:
            yield cutout(path.stem, image, max(found, key=lambda f: f.width))
        else:
            print(f"no face in {path.name}", file=sys.stderr)


def recall_table(people: Sequence[Cutout], finder: Landmarker, random: np.random.Generator) -> Table:
    """Faces of all sizes pasted into frames."""
    table = Table("frame", "face px", "recall", "missed", "false", "s a search", title=f"{len(people)} faces")
    for name, (width, height) in FRAMES.items():
        background = np.asarray(cv2.resize(skimage.data.coffee(), (width, height)), np.uint8)
        for size in SIZES:
            missed, wrong, start = [], 0, perf_counter()
            for person in people:
                small, frame = person.scaled(size), background.copy()
                free = width - small.pixels.shape[1], height - small.pixels.shape[0]
                at = small.pasted(frame, *(int(random.integers(0, max(f, 0) + 1)) for f in free))
                found = find_faces(frame, finder)
                wrong += sum(overlap(face.box, at) < 0.1 for face in found)
                if not any(overlap(face.box, at) > FOUND for face in found):
                    missed.append(person.name)
            recall = 1 - len(missed) / len(people)
            good = recall >= (0.95 if size >= 90 else 0.8)
            table.add_row(
                name, str(size), f"[{'green' if good else 'red'}]{100 * recall:.0f} %[/]", ", ".join(missed), str(wrong),
                f"{(perf_counter() - start) / len(people):.2f}",
            )  # fmt: skip
    return table


def films_table(folder: Path) -> Table:
    """Every film followed from end to end."""
    table = Table("film", "frames", "tracks", "main face on", "ms a frame")
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in FILMS):
        with VideoSource(path) as source, tempfile.TemporaryDirectory() as cache:
            assert source.info.video is not None
            count, start = source.info.video.count, perf_counter()
            tracks = analyse_faces(source, 0, count, Path(cache), None)
            took = perf_counter() - start
            main = max((sum(face is not None for face in t.faces) for t in tracks), default=0)
            table.add_row(
                path.name, str(count), str(len(tracks)), f"{100 * main / count:.0f} %", f"{1000 * took / count:.0f}"
            )
    return table


@dataclass(frozen=True)
class Crossing:
    """A film in which two faces cross, and where each of them is, frame by frame; the first passes in front."""

    info: MediaInfo
    pictures: list[Picture]
    front: list[Box]
    back: list[Box]

    def frames(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Pictures by number."""
        return (self.pictures[i] for i in indices)


def crossing(one: Path, other: Path, cache: Path, frames: int = 96, width: int = 180) -> Crossing:
    """Make the film: both faces on a plain ground, walking past each other."""
    size, format = (1280, 720), VideoFormat(1280, 720, "yuv420p")
    ground = np.full((size[1], size[0], 3), (96, 104, 112), np.uint8)
    made: list[Picture] = []
    boxes: tuple[list[Box], list[Box]] = ([], [])
    with VideoSource(one) as a, VideoSource(other) as b:
        people = [main_face(source, frames, cache) for source in (a, b)]
        for n, pair in enumerate(zip(a.frames(range(frames)), b.frames(range(frames)), strict=True)):
            frame, share = ground.copy(), n / (frames - 1)
            for k in (1, 0):  # the one behind is put down first
                person = cutout("", pair[k].rgb_all(), people[k][n], 0.35).scaled(width)
                middle = (180 + 920 * share) if k == 0 else (1100 - 920 * share)
                x, y = round(middle - person.pixels.shape[1] / 2), 150 + 30 * k
                boxes[k].append(person.pasted(frame, x, y))
            made.append(Picture.of_rgb(frame, format))
        assert a.info.video is not None
        video = replace(a.info.video, format=format, count=frames)
        return Crossing(replace(a.info, identity=f"{one.stem}-{other.stem}", video=video), made, *boxes)


def main_face(source: VideoSource, frames: int, cache: Path) -> list[Face]:
    """The face of a film's longest track on each of its first frames; where it is lost, as it was before."""
    track = max(analyse_faces(source, 0, frames, cache, None), key=lambda t: sum(face is not None for face in t.faces))
    out: list[Face] = []
    for n in range(frames):
        face = track.at(n) or (out[-1] if out else next(f for f in track.faces if f is not None))
        out.append(face)
    return out


def swaps(film: Crossing, tracks: Sequence[FaceTrack]) -> tuple[int, int]:
    """Frames in which a track is on the other's face, and frames in which the face in front is on its track."""
    wrong = right = 0
    owner: dict[int, int] = {}
    for n, places in enumerate(zip(film.front, film.back, strict=True)):
        for track in tracks:
            face = track.at(n)
            if face is None:
                continue
            shared = [overlap(face.box, place) for place in places]
            who = int(np.argmax(shared))
            if max(shared) < 0.3 or min(shared) > 0.3 * max(shared):
                continue  # neither, or too near to tell
            wrong += owner.setdefault(track.id, who) != who
            right += owner[track.id] == who == 0
    return wrong, right


def crossings_table(folder: Path, work: Path) -> Table:
    """Every film's face crossing the next one's."""
    table = Table("in front", "behind", "tracks", "swaps", "front followed")
    films = sorted(p for p in folder.iterdir() if p.suffix.lower() in FILMS)
    for one, other in [*pairwise(films), (films[-1], films[0])] if len(films) > 1 else []:
        film = crossing(one, other, work)
        tracks = analyse_faces(film, 0, len(film.front), work, None)
        wrong, right = swaps(film, tracks)
        table.add_row(
            one.stem, other.stem, str(len(tracks)), f"[{'green' if wrong == 0 else 'red'}]{wrong}[/]",
            f"{100 * right / len(film.front):.0f} %",
        )  # fmt: skip
    return table


def main() -> None:
    """Read the command line, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="portraits and films")
    parser.add_argument("--seed", type=int, default=0, help="of the places that faces are pasted at")
    asked = parser.parse_args()
    if asked.folder is not None and not asked.folder.is_dir():
        parser.error(f"{asked.folder} is not a folder")
    console = Console(width=110, highlight=False)
    with Landmarker(faces=8) as finder:
        people = list(cutouts(asked.folder, finder))
        console.print(recall_table(people, finder, np.random.default_rng(asked.seed)))
    if asked.folder is not None:
        console.print(films_table(asked.folder))
        with tempfile.TemporaryDirectory() as work:
            console.print(crossings_table(asked.folder, Path(work)))


if __name__ == "__main__":
    main()
