"""The maps between a footage's own samples and display-referred RGB: matrices, ranges, and display curves.

Code values of video (BT.709, log, HLG) are shown as they are: they were made to be looked at, or nobody knows better.
Light (scene-linear) and PQ are brought to the display by a curve, and back by its inverse, so that engines see what
people see and their colours come out at the right brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.media.layout import PQ, VideoFormat

Floats = NDArray[np.float32]
ValueT = TypeVar("ValueT", np.float32, np.float64)

NODES = 4096
"""Samples of a display curve; straight between them."""

SDR_WHITE = 203.0
"""Candela per square metre of diffuse white in PQ (ITU-R BT.2408)."""

KNEE = 0.5
"""Light relative to diffuse white up to which the display curve of PQ is straight."""


@dataclass(frozen=True)
class DisplayCurve:
    """Code values at some display levels, both rising, 0..1 display."""

    code: NDArray[np.float64]
    display: NDArray[np.float64]

    def shown(self, code: Floats) -> Floats:
        """Display levels of code values; both 0..1, brighter ones held at 1."""
        return np.interp(code, self.code, self.display).astype(np.float32)

    def coded(self, display: Floats) -> Floats:
        """Code values of display levels."""
        return np.interp(display, self.display, self.code).astype(np.float32)


def display_curve(format: VideoFormat) -> DisplayCurve | None:
    """The curve between a format's code values and the display; None where they are the same."""
    if format.scene_linear:
        return _linear_curve()
    return _pq_curve() if format.colour.transfer == PQ else None


@lru_cache(maxsize=1)
def _linear_curve() -> DisplayCurve:
    display = np.linspace(0, 1, NODES)
    return DisplayCurve(_light(display), display)


@lru_cache(maxsize=1)
def _pq_curve() -> DisplayCurve:
    """Straight up to `KNEE` of diffuse white, then ever flatter up to 10000 cd/m²."""
    code = np.linspace(0, 1, NODES)
    light = _pq_nits(code) / SDR_WHITE
    soft = KNEE + (1 - KNEE) * (1 - np.exp(-(np.maximum(light, KNEE) - KNEE) / (1 - KNEE)))
    display = _shown(np.where(light <= KNEE, light, soft))
    rising = np.concatenate([[True], np.diff(display) > 1e-9])
    return DisplayCurve(code[rising], display[rising])


def _pq_nits(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """The PQ curve (SMPTE ST 2084, equation 4.1), cd/m²."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = code ** (1 / m2)
    return np.asarray(10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def _shown(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light 0..1 as sRGB (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def _light(display: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)


def rgb_to_ypbpr(format: VideoFormat) -> NDArray[np.float32]:
    """R, G, B in 0..1 to Y in 0..1 and Pb, Pr in -1..1 (ITU-R BT.709 §3)."""
    kr, kb = format.luma_weights
    luma = np.array([kr, 1 - kr - kb, kb])
    blue = (np.array([0, 0, 1]) - luma) / (1 - kb)
    red = (np.array([1, 0, 0]) - luma) / (1 - kr)
    return np.asarray(np.stack([luma, blue, red]), np.float32)


@lru_cache(maxsize=64)
def code_matrix(format: VideoFormat) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What takes RGB code values 0..1 to samples of the first three planes: (3, 3), and what is added, (3,)."""
    black, luma, chroma = format.ranges
    if format.layout.family == "rgb":
        return _shared(np.eye(3, dtype=np.float32)[[1, 2, 0]] * np.float32(luma)), _shared(np.zeros(3, np.float32))
    matrix = rgb_to_ypbpr(format) * np.array([[luma], [chroma], [chroma]], np.float32)
    return _shared(matrix), _shared(np.array([black, format.grey_chroma, format.grey_chroma], np.float32))


@lru_cache(maxsize=64)
def rgb_matrix(format: VideoFormat) -> NDArray[np.float64]:
    """What takes samples to RGB code values 0..1: (3, 4), the last column added."""
    matrix, zero = code_matrix(format)
    _, luma, chroma = format.ranges
    if format.layout.family == "rgb":
        inverse = np.linalg.inv(matrix.astype(np.float64))
    else:
        scale = np.array([1 / luma, 1 / chroma, 1 / chroma])
        inverse = np.linalg.inv(rgb_to_ypbpr(format).astype(np.float64)) * scale
    return _shared(np.column_stack([inverse, -inverse @ zero]))


def _shared(values: NDArray[ValueT]) -> NDArray[ValueT]:
    """The same array, which nobody may write into: it is handed out again."""
    values.flags.writeable = False
    return values


def rgb_to_samples(rgb: Floats, format: VideoFormat) -> Floats:
    """Display RGB in 0..255 levels, (h, w, 3), as samples of the first three planes, not rounded."""
    curve = display_curve(format)
    if curve:
        return _coded(curve.coded(np.asarray(rgb, np.float32) / np.float32(255)), format)
    matrix, zero = code_matrix(format)
    samples = cv2.transform(np.ascontiguousarray(rgb, np.float32), matrix / 255)
    # one call: NumPy takes ten times as long to add three numbers along so short an axis
    return np.asarray(cv2.add(samples, np.array([*zero, 0.0], np.float64)), np.float32)


def _coded(code: Floats, format: VideoFormat) -> Floats:
    matrix, zero = code_matrix(format)
    return np.asarray(cv2.transform(np.ascontiguousarray(code, np.float32), matrix) + zero, np.float32)


def tone_in_samples(tone: Floats, format: VideoFormat, below: Floats | None) -> Floats:
    """A difference of display RGB in 0..255 levels, (h, w, 3), as a difference of samples.

    Where code values meet the display through a curve, it is that of the colours ``below``, (h, w, 3) in 0..255.
    """
    matrix, _ = code_matrix(format)
    curve = display_curve(format)
    if curve is None or below is None:
        return np.asarray(cv2.transform(np.ascontiguousarray(tone, np.float32), matrix / 255), np.float32)
    under, over = (np.asarray(np.clip(v / 255, 0, 1), np.float32) for v in (below, below + tone))
    step = np.ascontiguousarray(curve.coded(over) - curve.coded(under), np.float32)
    return np.asarray(cv2.transform(step, matrix), np.float32)
