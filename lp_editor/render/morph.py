"""The picture of a joint: two frames, brought to one pose by the engine, become one another without a ghost.

Optical flow between the two finds what the engine left apart (hair, shoulders, background); both are warped
half-way by the blend's weight, symmetrically, and dissolved (mesh_engine notes, "Morph cut").
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.engine import FloatImage
from lp_editor.face import Box
from lp_editor.media.picture import Picture
from lp_editor.render.compositor import moved

FLOW_SCALE = 0.5
"""Flow is searched at half resolution: as good, four times faster (mesh_engine notes)."""

FLOW_BLUR = 4.0
"""Gaussian σ, in half-resolution pixels, that keeps the flow from tearing."""


def morph(outgoing: Picture, incoming: Picture, weight: float) -> Picture:
    """The picture ``weight`` (0..1) of the way from one to the other; both in one format. 0 and 1 are exact."""
    if weight <= 0 or weight >= 1:
        return incoming if weight >= 1 else outgoing
    a, b = _small_luma(outgoing), _small_luma(incoming)
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    size = (outgoing.format.width, outgoing.format.height)
    back, ahead = _flow(finder, b, a, size), _flow(finder, a, b, size)
    # a moved forward by weight and b backward by the rest meet in one place
    out = _warped(outgoing, back * weight)
    into = _warped(incoming, ahead * (1 - weight))
    return dissolve(out, into, weight)


def dissolve(outgoing: Picture, incoming: Picture, weight: float) -> Picture:
    """A plain cross-dissolve of two pictures in one format, in the footage's own coding."""
    planes = tuple(
        outgoing.format.rounded(a.astype(np.float32) * (1 - weight) + b.astype(np.float32) * weight)
        for a, b in zip(outgoing.planes, incoming.planes, strict=True)
    )
    return replace(outgoing, planes=planes)


def _small_luma(picture: Picture) -> NDArray[np.uint8]:
    small = cv2.resize(picture.luma8(), None, fx=FLOW_SCALE, fy=FLOW_SCALE, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _flow(finder: Any, at: NDArray[np.uint8], to: NDArray[np.uint8], size: tuple[int, int]) -> FloatImage:
    """For each pixel of ``at``, where its like lies in ``to``: (height, width, xy) in full-resolution pixels."""
    flow = cv2.GaussianBlur(finder.calc(at, to, None), (0, 0), FLOW_BLUR)
    big = cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR)
    scale = np.array([size[0] / at.shape[1], size[1] / at.shape[0]], np.float32)
    return np.asarray(big * scale, np.float32)


def _warped(picture: Picture, flow: FloatImage) -> Picture:
    planes = []
    for plane in picture.planes:
        height, width = plane.shape
        scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        own = flow if plane.shape == flow.shape[:2] else cv2.resize(
            flow, (width, height), interpolation=cv2.INTER_AREA
        ) * scale  # fmt: skip
        planes.append(moved(plane, Box(0, 0, width, height), np.asarray(own, np.float32)))
    return replace(picture, planes=tuple(planes))
