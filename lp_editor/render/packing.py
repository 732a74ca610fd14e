"""Patches as few bytes: quantised, and where a face is large made coarser until they are small enough.

A patch is quantised before it is composited, so that stored and fresh ones give the same bits. Its box and its mask are
never made coarser: what lies outside stays as filmed.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.engine import FloatImage, Patch
from lp_editor.face import Box

LARGEST = 300 * 1024
"""Bytes of a packed patch, at most (the last of `COARSER` is taken whatever its size)."""

SCALES: Mapping[str, tuple[type[np.generic], float]] = {
    "mask": (np.uint8, 255.0),
    "alpha": (np.uint8, 255.0),
    "flow": (np.float16, 1.0),
    "tone": (np.int16, 16.0),
    "paint": (np.uint8, 1.0),
}
"""How each array of a patch is kept: its type, and what it is multiplied by before rounding."""


@dataclass(frozen=True)
class Coarser:
    """A way to keep a large patch: pixels of the longer side of flow, and of tone and alpha; how many parts of a level tone
    is kept in; the JPEG quality of paint."""

    flow: int
    tone: int
    parts: float
    quality: int


COARSER = (
    Coarser(512, 512, 8, 97), Coarser(320, 512, 4, 95), Coarser(256, 384, 2, 92), Coarser(192, 320, 2, 88),
    Coarser(160, 256, 2, 80), Coarser(128, 192, 1, 70),
)  # fmt: skip
"""Tried in this order: flow is smooth, tone less so."""

WIDEST = 2048
"""Pixels of the longer side of paint, at most: it carries grain and teeth."""

FLOW_PARTS = 32.0
"""Of a pixel that a coarser flow is kept in."""


def quantised(patch: Patch | None) -> Patch | None:
    """The patch as a store would give it back, so that stored and fresh ones composite to the same bits."""
    return unpack(pack(patch))


def pack(patch: Patch | None) -> bytes:
    """A patch as bytes: a zip of arrays; empty for None."""
    if patch is None:
        return b""
    arrays = {}
    for name, (kind, scale) in SCALES.items():
        value = getattr(patch, name)
        if value is not None:
            arrays[name] = _quantise(value, kind, scale)
    content = _zipped(patch.box, arrays)
    for way in COARSER:
        if len(content) <= LARGEST:
            break
        content = _zipped(patch.box, {"mask": arrays["mask"], **_coarse(patch, way)})
    return content


def _zipped(box: Box, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, box=np.array([box.x0, box.y0, box.x1, box.y1]), **arrays)
    return buffer.getvalue()


def _coarse(patch: Patch, way: Coarser) -> dict[str, NDArray[Any]]:
    out: dict[str, NDArray[Any]] = {}
    if patch.flow is not None:
        out["flow_steps"] = _steps(_quantise(_smaller(patch.flow, way.flow), np.int16, FLOW_PARTS))
    if patch.tone is not None:
        out["tone_steps"] = _steps(_quantise(_smaller(patch.tone, way.tone), np.int16, way.parts))
        out["tone_parts"] = np.array(way.parts, np.float32)
    if patch.alpha is not None and patch.paint is not None:
        out["alpha"] = _quantise(_smaller(patch.alpha, way.tone), np.uint8, 255.0)
        out.update(_coded(_quantise(_smaller(patch.paint, WIDEST), np.uint8, 1.0), way.quality))
    return out


def _coded(paint: NDArray[np.uint8], quality: int) -> dict[str, NDArray[Any]]:
    """Paint as a JPEG, and how strong the grain is that it loses: the covariance of its colours, (3, 3)."""
    whole_colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, coded = cv2.imencode(".jpg", paint[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality, *whole_colour])
    kept = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert kept is not None
    lost = (paint.astype(np.float32) - kept[..., ::-1]).reshape(-1, 3)
    return {"paint_jpeg": np.asarray(coded, np.uint8), "grain": np.cov(lost.T).astype(np.float32)}


def _decoded(coded: NDArray[np.uint8], grain: NDArray[np.float32]) -> FloatImage:
    """The paint again, with grain as strong as what was lost; the same at every reading."""
    paint = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    if paint is None or grain.shape != (3, 3):
        raise ValueError("a damaged picture")
    strength = np.linalg.cholesky(grain.astype(np.float64) + 1e-6 * np.eye(3))
    noise = np.random.default_rng(0).standard_normal(paint.shape, np.float32)
    return np.asarray(np.clip(paint[..., ::-1] + noise @ strength.T.astype(np.float32), 0, 255), np.float32)


def _smaller(array: FloatImage, longest: int) -> FloatImage:
    height, width = array.shape[:2]
    if max(height, width) <= longest:
        return array
    factor = longest / max(height, width)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA), np.float32)


def _quantise(value: NDArray[np.float32], kind: Any, scale: float) -> NDArray[Any]:
    if kind is np.float16:
        return value.astype(np.float16)
    info = np.iinfo(kind)
    return np.asarray(np.clip(np.rint(value * scale), info.min, info.max), kind)


def _steps(array: NDArray[Any]) -> NDArray[np.int16]:
    """Differences to the left neighbour and of those to the upper one, modulo 2^16: a smooth picture zips far better."""
    out = np.diff(array, axis=1, prepend=np.zeros_like(array[:, :1]))
    return np.asarray(np.diff(out, axis=0, prepend=np.zeros_like(out[:1])), np.int16)


def _summed(steps: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.asarray(steps.cumsum(0, np.int16).cumsum(1, np.int16), np.int16)


def unpack(content: bytes) -> Patch | None:
    """The patch that `pack` wrote. Raises ValueError or KeyError for anything else."""
    if not content:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        box = Box(*(int(v) for v in stored["box"]))
        arrays = {
            name: stored[name].astype(np.float32) / np.float32(scale)
            for name, (_, scale) in SCALES.items()
            if name in stored
        }
        if "flow_steps" in stored:
            arrays["flow"] = _summed(stored["flow_steps"]).astype(np.float32) / np.float32(FLOW_PARTS)
        if "tone_steps" in stored:
            arrays["tone"] = _summed(stored["tone_steps"]).astype(np.float32) / stored["tone_parts"]
        if "paint_jpeg" in stored:
            arrays["paint"] = _decoded(stored["paint_jpeg"], stored["grain"])
    return Patch(box, **arrays)
