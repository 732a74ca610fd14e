"""Finds every face in one picture: in the whole of it first, then in overlapping tiles, where small faces show.

MediaPipe misses faces under about 200 px in a 1080p frame; in tiles it finds them down to 60 px (mesh_engine notes).
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from lp_editor.face import Box, Face, Image
from lp_editor.faces.model import Landmarker

TILES = (1080, 540, 270)
"""Sizes of tiles, in pixels of the frame; smaller ones are looked at enlarged to `LOOK` pixels."""

LOOK = 540
OVERLAP = 0.45

CLOSE, CONFIRMED = 320, 0.5
"""A second look is this large, in pixels, and must see a box that shares this part with the first one."""

SAME = 0.3
"""Faces whose boxes share more than this part of their union are one."""

ENOUGH = 0.12
"""A frame whose largest face is at least this wide, of the frame's height, is not searched in the smallest tiles."""


def find_faces(pixels: Image, landmarker: Landmarker) -> list[Face]:
    """All faces in an RGB picture, the largest first. ``landmarker`` is one for several faces on single pictures."""
    height, width = pixels.shape[:2]
    found = _merge([], landmarker(pixels))
    for size in TILES:
        if min(height, width) <= size * 1.2:
            continue
        if size == TILES[-1] and found and found[0].width > ENOUGH * height:
            continue
        for tile in _tiles(width, height, size):
            part = pixels[tile.y0 : tile.y1, tile.x0 : tile.x1]
            scale = LOOK / size
            if scale > 1:
                part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
            seen = _whole(landmarker(part, (tile.x0, tile.y0), max(scale, 1.0)), tile)
            found = _merge(found, [f for f in seen if _confirmed(f, pixels, landmarker)])
    return found


def _confirmed(face: Face, pixels: Image, landmarker: Landmarker) -> bool:
    """Whether a second look, at the face alone, sees it in the same place: hands and folds of cloth do not last."""
    height, width = pixels.shape[:2]
    box = face.box
    for room in (0.35, 0.8):
        dx, dy = round(box.width * room), round(box.height * room)
        near = Box(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy).clipped(width, height)
        part = pixels[near.y0 : near.y1, near.x0 : near.x1]
        scale = CLOSE / max(near.width, near.height)
        part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        again = landmarker(part, (near.x0, near.y0), scale)
        if not any(overlap(face.box, other.box) > CONFIRMED for other in again):
            return False
    return True


def _whole(faces: list[Face], tile: Box) -> list[Face]:
    """The faces that do not touch a tile's edge; those are found whole in the next one."""
    edge = 2
    return [
        f
        for f in faces
        if f.box.x0 > tile.x0 - edge and f.box.y0 > tile.y0 - edge
        and f.box.x1 < tile.x1 + edge and f.box.y1 < tile.y1 + edge
    ]  # fmt: skip


def _tiles(width: int, height: int, size: int) -> Iterator[Box]:
    for y in _starts(height, size):
        for x in _starts(width, size):
            yield Box(x, y, min(x + size, width), min(y + size, height))


def _starts(length: int, size: int) -> list[int]:
    if length <= size:
        return [0]
    steps = -(-(length - size) // round(size * (1 - OVERLAP)))
    return [round(i * (length - size) / steps) for i in range(steps + 1)]


def overlap(a: Box, b: Box) -> float:
    """The part of their union that two boxes share."""
    shared = Box(max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1)).area
    return shared / max(a.area + b.area - shared, 1)


def _merge(found: list[Face], more: list[Face]) -> list[Face]:
    """Both lists in one, each face once, the largest first."""
    out = list(found)
    for face in more:
        if all(overlap(face.box, other.box) < SAME for other in out):
            out.append(face)
    return sorted(out, key=lambda f: -f.width)
