"""Finds what covers a face in a frame: a hand, hair blown over it, a cup; so that an edit leaves that alone.

A shot knows what each place of the face's mesh usually looks like. In a frame, what a smooth change of light does not
explain, at many neighbouring places at once, lies in front of the face. What looks like the skin it covers cannot be
told from it, and what covers the face all along is taken for a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.engine import FloatImage, Patch
from lp_editor.face import Box, FacePicture
from lp_editor.faces import canonical as mesh
from lp_editor.faces.canonical import canonical_face

Array: TypeAlias = NDArray[np.float64]

SIZE = 96
"""Ear to ear, in pixels, at which colours are read: finer detail is texture."""

WATCHED = 12
"""Frames of a track, spread over it, that say what the face usually looks like."""

LEAST_FRAMES = 4
"""Fewer frames of a shot than this do not tell what is usual."""

CALM = 0.5
"""The part of the places that a change of light is found on."""

STRANGE, TIMES = 0.30, 5.0
"""A place is strange when the logarithm of its colour is off by this much, and by this many times its usual spread."""

TOGETHER = 0.035
"""Strange neighbours that make up this part of the face are something that covers it."""

TOO_MUCH = 0.6
"""When more of the face than this is strange, the light has changed, or it is another face: nothing can be said."""

MARGIN = 0.045
"""How far an edit keeps from what covers the face, in face widths."""


@dataclass(frozen=True)
class Usual:
    """What a shot's face usually looks like: the logarithm of its colours at the places read, and their spread, (N, RGB)."""

    level: Array
    spread: Array


@dataclass(frozen=True)
class _Places:
    """Which landmarks are read, the smooth functions of place that stand for light, (N, 6), who neighbours whom, (N, N), and
    which part of the face each stands for, (N,): they lie closer together around nose and mouth. ``joined`` (468, 468)
    are the landmarks with an edge between them."""

    read: NDArray[np.intp]
    light: Array
    near: NDArray[np.bool_]
    area: Array
    joined: NDArray[np.bool_]


@cache
def _places() -> _Places:
    face = canonical_face()
    moving = {*mesh.LEFT_EYE, *mesh.RIGHT_EYE, *mesh.INNER_LIPS, *mesh.OVAL}  # and the outline shows what is behind
    read = np.array([i for i in range(468) if i not in moving], np.intp)
    x, y = face.vertices[read, 0] / 5, face.vertices[read, 1] / 5
    light = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], 1)
    apart = np.linalg.norm(face.vertices[read, None, :2] - face.vertices[None, read, :2], axis=2)
    area = 1.0 / (apart < 1.1).sum(1)
    joined = np.zeros((468, 468), bool)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        joined[face.triangles[:, a], face.triangles[:, b]] = joined[face.triangles[:, b], face.triangles[:, a]] = True
    near = np.asarray((apart < 1.1) | joined[np.ix_(read, read)])
    return _Places(read, light, near, area / area.sum(), joined)


def _colours(picture: FacePicture) -> Array:
    """The logarithm of a face's colours at the places read, (N, RGB)."""
    scale = SIZE / max(picture.face.width, 1.0)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(picture.pixels, None, fx=scale, fy=scale, interpolation=way)
    small = cv2.GaussianBlur(small, (0, 0), 1.6).astype(np.float32)
    points = picture.face.points[_places().read, :2]
    at = ((points - [picture.box.x0, picture.box.y0] + 0.5) * scale - 0.5).astype(np.float32)
    seen = cv2.remap(small, at[:, :1], at[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
    return np.asarray(np.log(seen.astype(np.float64) + 8))


def _unlit(change: Array) -> Array:
    """A change of colours, (N, RGB), without what a smooth change of light explains.

    First a change of all by one factor, then of one side against the other, then what is rounder: each found on the
    calmest half of the places, so that a thing in front of the face does not pass for light.
    """
    places = _places()
    left = change - np.stack([_quantile(change[:, c], 0.5, places.area) for c in range(3)])
    for terms in (3, 3, 6):
        size = np.abs(left).mean(1)
        kept = size <= _quantile(size, CALM, places.area)
        part = places.light[:, :terms]
        weighted = (part * places.area[:, None])[kept].T
        ridge = 0.02 * places.area[kept].sum() * np.eye(terms)
        fit = np.linalg.solve(weighted @ part[kept] + ridge, weighted @ change[kept])
        left = change - part @ fit
    return np.asarray(left)


def _quantile(values: Array, part: float, weights: Array) -> float:
    """The value that this part of the weights lies below."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    at = int(np.searchsorted(below, part * below[-1]))
    return float(values[order[at]])


def usual(pictures: Sequence[FacePicture]) -> Usual | None:
    """What is usual in a shot, from some of its frames; None where there are too few."""
    if len(pictures) < LEAST_FRAMES:
        return None
    colours = np.stack([_colours(picture) for picture in pictures])
    middle = np.median(colours, axis=0)
    level = np.median([one - _lit(one - middle) for one in colours], axis=0)
    left = np.stack([_unlit(one - level) for one in colours])
    return Usual(level, 1.48 * np.median(np.abs(left), axis=0))


def _lit(change: Array) -> Array:
    return change - _unlit(change)


def covered(picture: FacePicture, known: Usual) -> NDArray[np.bool_]:
    """Which landmarks, (468,), something lies in front of."""
    left = np.abs(_unlit(_colours(picture) - known.level))
    strange = np.asarray(((left > STRANGE) & (left > TIMES * known.spread)).any(1))
    places = _places()
    out = np.zeros(468, bool)
    if places.area[strange].sum() > TOO_MUCH:
        return out
    # one strange place is a blink or a highlight; most of a neighbourhood is a thing
    company = (places.near & strange[None, :]).sum(1) / places.near.sum(1)
    thing = np.asarray(strange & (company > 0.5))
    for group in _groups(thing, places.near):
        if places.area[group].sum() >= TOGETHER:
            out[places.read[group]] = True
    unread = np.setdiff1d(np.arange(468), places.read)
    out[unread] = (places.joined[unread] & out[None, :]).sum(1) >= 2
    return out


def _groups(chosen: NDArray[np.bool_], near: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Connected sets of places."""
    left, out = set(np.flatnonzero(chosen).tolist()), []
    while left:
        group, edge = set(), {left.pop()}
        while edge:
            group |= edge
            edge = {int(n) for i in edge for n in np.flatnonzero(near[i])} & left
            left -= edge
        out.append(np.array(sorted(group), np.intp))
    return out


def open_part(picture: FacePicture, known: Usual | None, box: Box) -> FloatImage | None:
    """How far an edit may show at each pixel of a box, (h, w): 0 where something covers the face; None if nothing does."""
    if known is None:
        return None
    hidden = covered(picture, known)
    if not hidden.any():
        return None
    drawn = np.zeros((box.height, box.width), np.uint8)
    points = picture.face.points[:, :2] - [box.x0, box.y0]
    for triangle in canonical_face().triangles[hidden[canonical_face().triangles].sum(1) >= 2]:
        cv2.fillConvexPoly(drawn, np.round(points[triangle] * 16).astype(np.int32), 255, cv2.LINE_8, 4)
    width = picture.face.width
    size = 2 * max(1, round(MARGIN * width)) + 1
    wide = cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    blurred = soft(np.asarray(wide / 255, np.float32), max(0.8, 0.02 * width))
    # nothing shows on the thing itself; beside it the edit comes back softly
    return np.asarray(np.where(wide > 0, 0, np.clip(1 - 2 * blurred, 0, 1)), np.float32)


def uncovered(patch: Patch | None, picture: FacePicture, known: Usual | None) -> Patch | None:
    """A patch without what it would change of things in front of the face."""
    if patch is None or (part := open_part(picture, known, patch.box)) is None:
        return patch
    height, width = patch.mask.shape
    if part.shape != patch.mask.shape:  # nothing that the thing touches is open
        reach = -(-patch.box.width // width), -(-patch.box.height // height)
        narrow = cv2.erode(part, np.ones(reach[::-1]))
        part = np.asarray(cv2.resize(narrow, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    mask = np.asarray(patch.mask * part, np.float32)
    return replace(patch, mask=mask) if mask.any() else None


def soft(image: FloatImage, sigma: float) -> FloatImage:
    """A Gaussian blur; a wide one is made at a lower resolution, which is many times faster and looks the same."""
    smaller = int(sigma // 3)
    height, width = image.shape[:2]
    if smaller < 2 or min(height, width) < 6 * smaller:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
    low = cv2.resize(image, (-(-width // smaller), -(-height // smaller)), interpolation=cv2.INTER_AREA)
    low = cv2.GaussianBlur(low, (0, 0), sigma / smaller)
    return np.asarray(cv2.resize(low, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
