"""Works on the picture of a face: deflickered, denoised, sharpened, as a change of tone inside a feathered mask.

It comes after whatever moves the face, on every engine alike. What a frame gets depends on that frame, and for flicker on
the media's frames around it, never on where a chunk of work begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.effect import FINISHES
from lp_editor.engine import FloatImage, Patch
from lp_editor.face import Box, Face, FaceTrack
from lp_editor.faces.canonical import LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE
from lp_editor.media.picture import Picture
from lp_editor.media.source import VideoSource

Array: TypeAlias = NDArray[np.float64]

VERSION = 1
"""Raised whenever the same frame would come out otherwise."""

WINDOW = 8
"""Media frames on each side of one that say how bright its face should be."""

SPREAD = 3.5
"""σ of the weights of that window, frames: slower changes of light are not flicker."""

MOST_FLICKER = 1.5
"""No face is made brighter, or darker, by more than this factor."""

GROWN, FEATHER = 1.06, 0.07
"""The mask: the face's outline grown by this about its middle, and how softly it ends, in face widths."""

CLOSE = 17.0
"""Levels apart, in each colour, about which pixels still are averaged when denoising fully: more is an edge."""

REACH = 0.012
"""σ of that average in face widths; between 1 and 4 pixels."""

EDGE = 0.006
"""σ in face widths of what sharpening strengthens; between .7 and 3 pixels."""

STRENGTH = 1.6
"""How much of it is added when sharpening fully."""

CORE = 1.0
"""Levels below which nothing is sharpened: noise."""

OVERSHOOT = 0.12
"""How far sharpening may go beyond what is around a pixel, in parts of the contrast there: more is a halo."""


@dataclass(frozen=True)
class Finishing:
    """What is asked of the picture of one face: how much of each finish, 0..1, by `lp_editor.effect.FINISHES`; and the gain of
    R, G, B that takes the flicker away."""

    face: Face
    amounts: Mapping[str, float]
    gain: Array | None
    others: Sequence[Face] = ()
    """Who else is in the picture: their faces are left alone."""


def finished(picture: Picture, asked: Finishing) -> Patch | None:
    """The change that finishes a face in a picture that has every other edit in it; None for none."""
    face, amounts, level = asked.face, asked.amounts, asked.gain
    if not any(amounts[name] > 0 for name in FINISHES):
        return None
    box, mask = _mask(face, picture)
    if box.area == 0 or not mask.any():
        return None
    seen = picture.rgb(box).astype(np.float32)
    out = seen
    if level is not None and amounts["deflicker"] > 0:
        out = out * (1 + amounts["deflicker"] * (level.astype(np.float32) - 1))
    if amounts["denoise"] > 0:
        out = out + np.float32(amounts["denoise"]) * (_denoised(out, face.width) - out)
    if amounts["sharpen"] > 0:
        out = out + _sharper(out, face.width, amounts["sharpen"])[..., None]
    return Patch(box, mask, tone=np.asarray(out - seen, np.float32))


def _mask(face: Face, picture: Picture) -> tuple[Box, FloatImage]:
    """Where a face is finished, 0..1, zero on the edge of its box."""
    outline = face.points[list(OVAL), :2].astype(np.float64)
    middle = outline.mean(0)
    outline = middle + (outline - middle) * GROWN
    soft = max(FEATHER * face.width, 2.0)
    tight = Box.around(outline)
    box = Box(tight.x0 - 2, tight.y0 - 2, tight.x1 + 2, tight.y1 + 2).clipped(
        picture.format.width, picture.format.height
    )
    if box.area == 0:
        return box, np.zeros((0, 0), np.float32)
    inside = np.zeros((box.height, box.width), np.uint8)
    cv2.fillPoly(inside, [np.rint(outline - [box.x0, box.y0]).astype(np.int32)], 1)
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5) / (2 * soft)
    part = np.clip(depth, 0, 1)
    return box, np.asarray(part * part * (3 - 2 * part), np.float32)


def _denoised(image: FloatImage, width: float) -> FloatImage:
    """The picture without its noise: each pixel the mean of those near it that look like it (Tomasi and Manduchi 1998)."""
    reach = float(np.clip(REACH * width, 1.2, 4.0))
    across = 2 * int(np.ceil(1.5 * reach)) + 1
    return np.asarray(cv2.bilateralFilter(image, across, 3 * CLOSE, reach), np.float32)


def _sharper(image: FloatImage, width: float, amount: float) -> FloatImage:
    """What sharpening adds to every channel alike, levels, (h, w); never a halo."""
    luma = np.asarray(image @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)
    sigma = float(np.clip(EDGE * width, 0.7, 3.0))
    fine = luma - cv2.GaussianBlur(luma, (0, 0), sigma)
    fine = np.sign(fine) * np.maximum(np.abs(fine) - CORE, 0)
    size = 2 * int(np.ceil(sigma)) + 1
    kernel = np.ones((size, size), np.uint8)
    low, high = cv2.erode(luma, kernel), cv2.dilate(luma, kernel)
    room = OVERSHOOT * (high - low)
    wanted = luma + np.float32(STRENGTH * amount) * fine
    return np.asarray(np.clip(wanted, low - room * amount, high + room * amount) - luma, np.float32)


class Flicker:
    """The brightness of one face over a media's frames, read as it is asked for; only a window of it is kept."""

    def __init__(self, track: FaceTrack) -> None:
        self._track = track
        self._skins: dict[int, Array] = {}

    def gains(self, source: VideoSource, frames: Sequence[int]) -> dict[int, Array]:
        """What takes the flicker off the face, a gain of R, G, B, for those of some media frames that show it.

        Read from the skin in `WINDOW` frames on each side: it depends on the media and the track alone.
        """
        window = {i for f in frames for i in range(f - WINDOW, f + WINDOW + 1) if self._track.at(i) is not None}
        self._skins = {i: skin for i, skin in self._skins.items() if i in window}
        missing = sorted(window - self._skins.keys())
        for i, picture in zip(missing, source.frames(missing), strict=True):
            face = self._track.at(i)
            assert face is not None
            self._skins[i] = _skin(picture, face)
        return {f: _gain(self._skins, f) for f in frames if f in self._skins}


def _gain(skins: Mapping[int, Array], frame: int) -> Array:
    """Exponent of what the logarithm of a frame's skin lacks to its weighted mean around; a straight trend is kept."""
    near = [i for i in range(frame - WINDOW, frame + WINDOW + 1) if i in skins]
    off = np.array(near, np.float64) - frame
    weight = np.exp(-(off**2) / (2 * SPREAD**2))
    terms = np.stack([np.ones_like(off), off], 1)[:, : 2 if len(near) > 4 else 1]
    values = np.log(np.stack([skins[i] for i in near]))
    fit = np.linalg.lstsq(terms * np.sqrt(weight)[:, None], values * np.sqrt(weight)[:, None], rcond=None)[0]
    return np.asarray(np.clip(np.exp(fit[0] - np.log(skins[frame])), 1 / MOST_FLICKER, MOST_FLICKER))


def _skin(picture: Picture, face: Face) -> Array:
    """How bright a face's skin is, R, G, B: the mean at its landmarks, away from eyes and mouth."""
    moving = {*LEFT_EYE, *RIGHT_EYE, *OUTER_LIPS, *OVAL}
    at = np.rint(face.points[[i for i in range(468) if i not in moving], :2]).astype(np.intp)
    box = face.box.clipped(picture.format.width, picture.format.height)
    inside = (at[:, 0] >= box.x0) & (at[:, 0] < box.x1) & (at[:, 1] >= box.y0) & (at[:, 1] < box.y1)
    if not inside.any():
        return np.full(3, 128.0)
    soft = cv2.blur(picture.rgb(box).astype(np.float32), (5, 5))
    seen = soft[at[inside, 1] - box.y0, at[inside, 0] - box.x0]
    return np.asarray(np.maximum(seen.astype(np.float64).mean(0), 2.0))
