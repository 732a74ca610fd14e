"""Keeps the edit of one face off its neighbours: what belongs to another face stays as filmed, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.engine import FloatImage, Patch
from lp_editor.face import Box, Face

ROOM = 0.04
"""How far around a face its neighbours' edits keep away, in its widths."""

FADE = 0.12
"""Over how many of its widths they fade to nothing."""


def spared(patch: Patch, own: Face, others: Sequence[Face]) -> Patch | None:
    """A patch that leaves the faces of others alone; None where nothing is left of it.

    Theirs is what lies inside their outline, and of the box around it what does not lie inside the own outline.
    """
    mask = patch.mask
    for other in others:
        if other is not own and _touch(patch.box, _reach(other)):
            mask = np.asarray(mask * _away(patch, own, other), np.float32)
    if mask is patch.mask:
        return patch
    return replace(patch, mask=mask) if mask.any() else None


def _reach(face: Face) -> Box:
    """All that a face keeps its neighbours away from, and where they fade."""
    room = round((ROOM + FADE) * face.width) + 2
    return Box(face.box.x0 - room, face.box.y0 - room, face.box.x1 + room, face.box.y1 + room)


def _touch(a: Box, b: Box) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


def _away(patch: Patch, own: Face, other: Face) -> FloatImage:
    """0 on another face to 1 away from it, (h, w) of a patch's mask."""
    height, width = patch.mask.shape
    scale = np.array([width / patch.box.width, height / patch.box.height])
    room = max(round(ROOM * other.width * float(scale.max())), 1 if scale.min() >= 1 else 3)
    low, high = (
        np.round((np.array(at) - [patch.box.x0, patch.box.y0]) * scale).astype(int) for at in _corners(other.box)
    )
    theirs = np.zeros((height, width), np.uint8)
    cv2.rectangle(theirs, tuple(map(int, low - room)), tuple(map(int, high + room)), 1, cv2.FILLED)
    _fill(theirs, own, patch, scale, 0, 0)
    _fill(theirs, other, patch, scale, 1, room)
    distance = cv2.distanceTransform(1 - theirs, cv2.DIST_L2, 3)
    over = max(FADE * other.width * float(scale.min()), 1.0)
    return np.asarray(np.clip(distance / over, 0, 1) * (theirs == 0), np.float32)


def _corners(box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    return (box.x0, box.y0), (box.x1, box.y1)


def _fill(
    drawn: NDArray[np.uint8], face: Face, patch: Patch, scale: NDArray[np.float64], value: int, room: int
) -> None:
    """Draw a face's outline, and so many pixels around it."""
    points = (face.points[:468, :2] - [patch.box.x0, patch.box.y0]) * scale
    hull = cv2.convexHull(np.round(points).astype(np.int32))
    cv2.fillConvexPoly(drawn, hull, value)
    if room:
        cv2.polylines(drawn, [hull], True, value, 2 * room + 1)
