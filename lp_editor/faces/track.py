"""Follows every face through a run of frames: one tracker each, in its own steady crop.

With more than one face MediaPipe's own smoothing is silently off, and a moving crop makes its tracker jump
(mesh_engine notes, 1): so each tracker sees one face, in a crop that moves only when the face leaves its middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.face import Box, Face, Image
from lp_editor.faces.identity import ENOUGH, Appearance, alike, appearance, unit
from lp_editor.faces.model import Landmarker
from lp_editor.faces.search import find_faces, overlap
from lp_editor.media.picture import Picture

MOST_FACES = 8
SEARCH_EVERY = 24
"""Frames between two searches for new faces."""

SEARCH_AGAIN = 8
"""The same for a while after a face was lost: it may only have been hidden."""

NEAR, CLEARLY = 0.1, 0.12
"""Faces whose boxes share this part can be taken for each other; one is another's when it looks like that one by so much
more."""

CROP = 2.0
"""Side of a tracker's crop, in sides of the face's box."""

SEEN_AT = 400
"""Crops larger than this are shrunk to it: the landmark network itself sees 256 pixels."""

DRIFT = 0.18
"""The crop follows when the face's centre, or its size, is off by this part of the crop."""

SETTLE = 4
"""Times a tracker is shown the picture it has just seen in a crop that moved: what it remembers lies in its crop's own
coordinates, and is 14 % of a face's width off after a move, then 9 %, then 1 (measured on a joint of the notes' film s32)."""

KEEP = 0.3
"""A face whose box shares less than this part with the last frame's is another one."""

CUT = 28.0
"""Mean change of small luma, in levels, that is taken for a cut."""

SWIFT = (0.015, 0.04)
"""Face widths a frame: MediaPipe's smoothing lags behind a face that moves by the second, on film d12 of the notes by 1.8 % of
its width (6 at most); what the picture alone says counts instead, up to the first not at all."""

BENT = (0.005, 0.012)
"""Face widths by which smoothing may move a face's points on average: up to the first it takes noise away, from the second it
bends the face's way."""

SAVITZKY_GOLAY = np.array([-3, 12, 17, 12, -3]) / 35
"""Five frames, second order (Savitzky and Golay 1964, table I)."""


@dataclass
class Tracklet:
    """One face's run of frames while it is being followed; ``faces[i]`` is in frame ``first + i``.

    ``looks`` is the sum of the face's appearances over ``looked`` frames.
    """

    first: int
    faces: Sequence[Face | None] = ()
    looks: NDArray[np.float32] | None = None
    looked: int = 0

    def look(self, enough: int = ENOUGH) -> Appearance | None:
        """How the face looks on average; None before so many frames of it were seen."""
        return unit(self.looks) if self.looks is not None and self.looked >= enough else None

    def add(self, face: Face | None) -> None:
        """Go on with the face of the next frame; None where it was not found."""
        self.faces = (*self.faces, face)

    def add_look(self, seen: Appearance) -> None:
        """Count one more frame's appearance."""
        self.looks = seen if self.looks is None else self.looks + seen
        self.looked += 1


@dataclass
class _Follower:
    """A tracker on one face."""

    landmarker: Landmarker
    tracklet: Tracklet
    last: Face
    crop: Box
    missed: int = 0
    before: Picture | None = None
    speed: float = 0.0

    def step(self, picture: Picture, finder: Landmarker, rivals: Sequence[_Follower] = ()) -> None:
        """Look for the face in the next frame; where the tracker slipped, ``finder`` looks afresh in its crop.

        A face that looks like one of the ``rivals`` is theirs.
        """
        size = picture.format.width, picture.format.height
        crop = _steady(self.crop, self.last.box, size)
        if crop != self.crop:
            self.crop = crop
            self._settle()
        self.before = picture
        found = self._look(picture, self.landmarker, rivals) or self._look(picture, finder, rivals)
        if found is None:
            self.missed += 1
            self.tracklet.add(None)
            return
        face, seen = found
        face = self._caught_up(picture, face, finder, rivals)
        self.missed, self.last = 0, face
        self.tracklet.add(face)
        self.tracklet.add_look(seen)

    def _caught_up(self, picture: Picture, face: Face, finder: Landmarker, rivals: Sequence[_Follower]) -> Face:
        """A face that moves fast, or did a frame ago, as the picture alone shows it."""
        part = _between(SWIFT, max(_pace(face, self.last), self.speed))
        still = self._look(picture, finder, rivals) if part > 0 else None
        face = _blended(face, still[0], part) if still is not None else face
        self.speed = _pace(face, self.last)
        return face

    def _settle(self) -> None:
        """Let the tracker find the face of the last picture again where it lies in a crop that moved."""
        if self.before is not None:
            pixels, inside, scale = self._seen(self.before)
            for _ in range(SETTLE):
                self.landmarker(pixels, (inside.x0, inside.y0), scale)

    def _seen(self, picture: Picture) -> tuple[Image, Box, float]:
        """The pixels of the crop, which part of the picture they are, and how much they are shrunk."""
        inside = self.crop.clipped(picture.format.width, picture.format.height)
        pixels = picture.rgb(inside)
        scale = min(1.0, SEEN_AT / max(inside.width, inside.height))
        if scale < 1:
            pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        return pixels, inside, scale

    def _look(
        self, picture: Picture, landmarker: Landmarker, rivals: Sequence[_Follower]
    ) -> tuple[Face, Appearance] | None:
        pixels, inside, scale = self._seen(picture)
        found = landmarker(pixels, (inside.x0, inside.y0), scale)
        face = max(found, key=lambda f: overlap(f.box, self.last.box), default=None)
        if face is None or overlap(face.box, self.last.box) < KEEP:
            return None
        seen = appearance(pixels, inside, face)
        return None if self._is_anothers(face, seen, rivals) else (face, seen)

    def _is_anothers(self, face: Face, seen: Appearance, rivals: Sequence[_Follower]) -> bool:
        """Whether a face looks more like that of another follower who is just there."""
        own = self.tracklet.look()
        for rival in rivals:
            look = rival.tracklet.look()
            if rival is self or look is None or own is None or overlap(face.box, rival.last.box) < NEAR:
                continue
            if alike(seen, look) > alike(seen, own) + CLEARLY:
                return True
        return False


def _between(limits: tuple[float, float], value: float) -> float:
    """0 up to the first limit, 1 from the second."""
    return min(max((value - limits[0]) / (limits[1] - limits[0]), 0.0), 1.0)


def _apart(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """How far the points of two faces lie apart on average, in pixels."""
    return float(np.linalg.norm((a - b)[:, :2], axis=1).mean())


def _pace(face: Face, before: Face) -> float:
    """How far a face moved since it was seen last, in its own widths."""
    return _apart(face.points, before.points) / max(face.width, 1.0)


def _blended(one: Face, other: Face, part: float) -> Face:
    """A face ``part`` (0..1) of the way to another one seen in the same picture."""
    shapes = {n: (1 - part) * v + part * other.blendshapes.get(n, v) for n, v in one.blendshapes.items()}
    points = (1 - part) * one.points + part * other.points
    return replace(one, points=np.asarray(points, np.float32), blendshapes=shapes)


def _steady(crop: Box, face: Box, size: tuple[int, int]) -> Box:
    """The crop for a face: the old one while the face is well inside it."""
    wanted = _crop_around(face)
    side = max(crop.width, 1)
    off = max(abs(crop.x0 + crop.x1 - wanted.x0 - wanted.x1), abs(crop.y0 + crop.y1 - wanted.y0 - wanted.y1)) / 2
    if off < DRIFT * side and abs(wanted.width - side) < DRIFT * side:
        return crop
    return wanted


def _crop_around(face: Box) -> Box:
    side = round(max(face.width, face.height) * CROP)
    x, y = (face.x0 + face.x1 - side) // 2, (face.y0 + face.y1 - side) // 2
    return Box(x, y, x + side, y + side)


def follow(pictures: Iterator[Picture], first: int) -> list[Tracklet]:
    """Follow all faces through pictures, the first of which is frame ``first``; landmarks are not smoothed yet."""
    done: list[Tracklet] = []
    followers: list[_Follower] = []
    before: NDArray[np.float32] | None = None
    lost_at = first - 2 * SEARCH_EVERY
    with Landmarker(faces=MOST_FACES) as finder:
        try:
            for number, picture in enumerate(pictures, first):
                small = _small(picture)
                if before is not None and np.abs(small - before).mean() > CUT:
                    done += _retire(followers)
                before = small
                for follower in followers:
                    follower.step(picture, finder, followers)
                lost = [f for f in followers if f.missed > 2]
                followers = [f for f in followers if f not in lost]
                lost_at = number if lost else lost_at
                done += _retire(lost)
                every = SEARCH_AGAIN if number - lost_at < 2 * SEARCH_EVERY else SEARCH_EVERY
                if number == lost_at or not followers or (number - first) % every == 0:
                    followers += _new(picture, number, followers, finder)
        finally:
            done += _retire(followers)
    return [t for t in (_trimmed(t) for t in done) if t.faces]


def _small(picture: Picture) -> NDArray[np.float32]:
    luma = cv2.resize(picture.luma8(), (64, 36), interpolation=cv2.INTER_AREA)
    return np.asarray(luma, np.float32)


def _retire(followers: list[_Follower]) -> list[Tracklet]:
    """Close some followers and empty the list; their tracklets."""
    tracklets = [f.tracklet for f in followers]
    for follower in followers:
        follower.landmarker.close()
    followers.clear()
    return tracklets


def _trimmed(tracklet: Tracklet) -> Tracklet:
    faces = tracklet.faces
    while faces and faces[-1] is None:
        faces = faces[:-1]
    return replace(tracklet, faces=faces)


def _new(picture: Picture, number: int, followers: Sequence[_Follower], finder: Landmarker) -> list[_Follower]:
    """Followers for the faces of a frame that nobody follows yet."""
    made: list[_Follower] = []
    for face in find_faces(picture.rgb_all(), finder)[:MOST_FACES]:
        if any(overlap(face.box, f.last.box) > 0.1 for f in followers):
            continue
        follower = _Follower(Landmarker(video=True), Tracklet(number), face, _crop_around(face.box))
        follower.step(picture, finder)
        if follower.tracklet.faces == (None,):
            follower.tracklet.faces = (face,)
        made.append(follower)
    return made


def smoothed(faces: Sequence[Face | None]) -> list[Face | None]:
    """The same faces with their landmarks smoothed over time, run by run, unless they move fast; the ends of a run are mirrored."""
    out: list[Face | None] = list(faces)
    start = 0
    while start < len(faces):
        stop = start
        while stop < len(faces) and faces[stop] is not None:
            stop += 1
        run = [f for f in faces[start:stop] if f is not None]
        if len(run) >= 3:
            points = np.stack([f.points for f in run])
            padded = np.concatenate([2 * points[:1] - points[2:0:-1], points, 2 * points[-1:] - points[-2:-4:-1]])
            smooth = sum(w * padded[i : i + len(run)] for i, w in enumerate(SAVITZKY_GOLAY))
            for i, face in enumerate(run):
                bent = _between(BENT, _apart(smooth[i], face.points) / max(face.width, 1.0))
                calm = (1 - bent) * smooth[i] + bent * face.points
                out[start + i] = replace(face, points=np.asarray(calm, np.float32))
        start = max(stop, start + 1)
    return out
