"""Chooses the face that a segment means: by size, place, number, or by what the person looks like."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lp_editor.errors import FaceError
from lp_editor.face import FaceTrack
from lp_editor.faces.identity import Appearance, alike, appearance
from lp_editor.faces.model import Landmarker
from lp_editor.faces.search import find_faces
from lp_editor.media.source import VideoSource

FORMS = "'largest', a number from the left (1 is leftmost), 'id:N', 'at:X,Y' (parts of the picture) or 'like:FILE'"

NUMBER = re.compile(r"\d{1,9}")

LIKE_ENOUGH = 0.5
"""A face that correlates with a reference picture by less than this is somebody else."""


@dataclass(frozen=True)
class Choice:
    """A face as a segment names it: one of `FORMS`."""

    by: Literal["largest", "left", "id", "at", "like"]
    number: int = 0
    x: float = 0.0
    y: float = 0.0
    file: Path = Path()


def parse_choice(text: str) -> Choice:
    """Read a segment's ``face``. Raises `FaceError` for anything but `FORMS`."""
    word, _, rest = text.partition(":")
    if text == "largest":
        return Choice("largest")
    if NUMBER.fullmatch(text) and int(text) > 0:
        return Choice("left", int(text))
    if word == "id" and NUMBER.fullmatch(rest) and int(rest) > 0:
        return Choice("id", int(rest))
    if word == "like" and rest:
        return Choice("like", file=Path(rest))
    if word == "at":
        try:
            x, y = (float(part) for part in rest.split(","))
        except ValueError:
            x = y = -1.0
        if 0 <= x <= 1 and 0 <= y <= 1:
            return Choice("at", x=x, y=y)
        raise FaceError(f"face at:X,Y takes two parts of the picture from 0 to 1, as in at:0.25,0.4; got {text[:60]!r}")
    raise FaceError(f"face is {FORMS}, got {text[:60]!r}")


def choose(
    tracks: Sequence[FaceTrack], choice: str, first: int, stop: int, size: tuple[int, int] = (0, 0),
    look_of: Callable[[Path], Appearance] | None = None,
) -> FaceTrack | None:  # fmt: skip
    """The track that a segment's ``face`` means on media frames ``first``..``stop``; None when there is no face.

    ``size`` is the frame's (width, height), for places; ``look_of`` reads a reference picture, by default
    `reference_look`. Raises `FaceError` for another text, or a face that is not there.
    """
    wanted = parse_choice(choice)
    seen = [track for track in tracks if any(track.at(i) is not None for i in range(first, stop))]
    if not seen:
        return None
    if wanted.by == "largest":
        return max(seen, key=lambda t: sum(f.width**2 for f in map(t.at, range(first, stop)) if f is not None))
    if wanted.by == "left":
        return _numbered(sorted(seen, key=lambda t: _middle(t, first, stop)[0]), wanted.number)
    if wanted.by == "id":
        return _by_id(seen, wanted.number)
    if wanted.by == "at":
        place = np.array([wanted.x * size[0], wanted.y * size[1]])
        return min(seen, key=lambda t: float(np.linalg.norm(np.subtract(_middle(t, first, stop), place))))
    return _likest(seen, wanted.file, (look_of or reference_look)(wanted.file))


def _middle(track: FaceTrack, first: int, stop: int) -> tuple[float, float]:
    """Where a face is on average over some frames, x and y in pixels."""
    boxes = [face.box for face in map(track.at, range(first, stop)) if face is not None]
    middles = np.array([((b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2) for b in boxes])
    return float(middles[:, 0].mean()), float(middles[:, 1].mean())


def _numbered(ranked: Sequence[FaceTrack], number: int) -> FaceTrack:
    if number > len(ranked):
        noun = "face" if len(ranked) == 1 else "faces"
        raise FaceError(f"face {number} was asked for, but only {len(ranked)} {noun} can be seen there")
    return ranked[number - 1]


def _by_id(seen: Sequence[FaceTrack], number: int) -> FaceTrack:
    for track in seen:
        if track.id == number:
            return track
    there = ", ".join(str(track.id) for track in seen)
    raise FaceError(f"face id:{number} cannot be seen there; the faces there are id {there}")


def _likest(seen: Sequence[FaceTrack], file: Path, look: Appearance) -> FaceTrack:
    known = [(alike(track.look, look), track) for track in seen if track.look is not None]
    best, track = max(known, key=lambda pair: pair[0], default=(0.0, None))
    if track is None or best < LIKE_ENOUGH:
        near = f"; the nearest, face id {track.id}, by {best:.2f} of 1" if track is not None else ""
        raise FaceError(f"nobody there looks like {file}{near}; choose the face by number or id instead")
    return track


def reference_look(file: Path) -> Appearance:
    """How the largest face of a picture looks. Raises `MediaError` for a file that is no picture, `FaceError` without a face."""
    with VideoSource(file) as source, Landmarker(faces=8) as finder:
        pixels = source.picture(0).rgb_all()
        found = find_faces(pixels, finder)
        if not found:
            raise FaceError(f"no face in {file}; take a picture in which the person's face is larger and looks ahead")
        box = found[0].box.clipped(pixels.shape[1], pixels.shape[0])
        return appearance(pixels[box.y0 : box.y1, box.x0 : box.x1], box, found[0])
