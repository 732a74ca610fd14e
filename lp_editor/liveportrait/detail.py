"""Returns the footage's own detail to an edit that a network made small and soft.

The network makes the frame twice, as filmed and as edited. What moves between the two moves the original's pixels,
what changes in tone is added to them, and only what is new (teeth, eyeballs, lids) is painted, sharpened as the
network softened the original and grained as the footage is. Constants are in pixels of the network's picture and in
levels of 0..255 (detail_compositor notes, "Method").
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from lp_editor.engine import FloatImage
from lp_editor.face import Box, Image
from lp_editor.liveportrait.keypoints import Array

CHANGED = 1.5
"""Levels from which a difference counts."""

MARGIN = 6
"""Pixels around what changed that are looked at."""

FINER = 2.0
"""Flow is searched on pictures so many times larger."""

STILL = 0.05
"""Flow below this many pixels is none."""

DOUBT, ROUGH, TONE, SHEAR = 8.0, 4.0, 0.12, 4.0
"""Residual at which confidence is half; the σ of what counts as residual; weights of tone and of the flow's gradient."""

SHARPER = 1.3
"""The soft layer is sharpened this much more than fits best."""

BANDS = (0.5, 0.9, 1.6, 3.0)
"""σ of the difference-of-Gaussian bands."""

TILE = 48
"""Pixels of the patch that grain is taken from."""

LOST = 0.4
"""Mean confidence below which a frame is painted whole."""


@dataclass(frozen=True)
class Calibration:
    """Once per shot: how much each band is raised (4,) to take the network's picture to the footage, and the footage's
    grain, a tile (96, 96, RGB) that repeats."""

    gains: Array
    grain: FloatImage


@dataclass(frozen=True)
class Layers:
    """The parts of a patch over a box of the picture, at the picture's own resolution; see `lp_editor.engine.Patch`."""

    box: Box
    mask: FloatImage
    flow: FloatImage | None
    tone: FloatImage | None
    paint: FloatImage
    alpha: FloatImage


def _blur(x: Any, sigma: float) -> Any:
    return cv2.GaussianBlur(x, (0, 0), sigma)


def calibrated(picture: Image, made: Image, inside: FloatImage) -> Calibration:
    """Fit the gains and take the grain, from a picture (S, S, RGB) and what the network made of it (n, n, RGB).

    ``inside`` (n, n) is above 0 on the face.
    """
    n = len(made)
    finer = min(2.0, len(picture) / n)
    side = max(round(n * finer), 1)
    sharp = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    soft = cv2.resize(made.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    lost = sharp - soft
    lost = lost - _blur(lost, 3 * finer)
    where = cv2.resize(inside, (side, side), interpolation=cv2.INTER_NEAREST) > 0
    levels = [soft, *(_blur(soft, s * finer) for s in BANDS)]
    bands = np.stack([(a - b)[where].ravel() for a, b in pairwise(levels)], 1).astype(np.float64)
    fit = bands.T @ bands + 1e-3 * max(len(bands), 1) * np.eye(len(BANDS))
    gains = np.linalg.solve(fit, bands.T @ lost[where].ravel().astype(np.float64))
    return Calibration(np.clip(gains, -2, 6).astype(np.float32), _grain(picture, inside))


def _grain(picture: Image, inside: FloatImage) -> FloatImage:
    """The finest detail of the flattest patch of the face, mirrored to repeat without a seam."""
    side = len(picture)
    if side < 3 * TILE:
        return np.zeros((2 * TILE, 2 * TILE, 3), np.float32)
    whole = picture.astype(np.float32)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    busy = cv2.boxFilter(np.abs(grey - _blur(grey, 3)), -1, (TILE, TILE))
    room = cv2.resize((inside > 0).astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    room = cv2.erode(room, np.ones((TILE + 9, TILE + 9), np.uint8), borderValue=0)
    if not room.any():
        return np.zeros((2 * TILE, 2 * TILE, 3), np.float32)
    y, x = np.unravel_index(int(np.where(room > 0, busy, 1e9).argmin()), busy.shape)
    fine = whole - _blur(whole, 1.5)
    tile = fine[y - TILE // 2 : y + TILE // 2, x - TILE // 2 : x + TILE // 2]
    tile = np.concatenate([tile, tile[:, ::-1]], axis=1)
    return np.ascontiguousarray(np.concatenate([tile, tile[::-1]], axis=0), np.float32)


def composed(picture: Image, filmed: Image, edited: Image, mask: FloatImage, calibration: Calibration) -> Layers | None:
    """The layers that take a picture (S, S, RGB) where the network went from ``filmed`` to ``edited`` (n, n, RGB each).

    All three show the same square. ``mask`` (n, n) in 0..1 is where a change may show. None where nothing changes.
    """
    presence, roi = _presence(filmed, edited, mask)
    if presence is None or roi is None:
        return None
    window = slice(roi.y0, roi.y1), slice(roi.x0, roi.x1)
    before, after = filmed[window].astype(np.float32), edited[window].astype(np.float32)
    present = presence[window]
    flow = _flow(filmed[window], edited[window], present)
    tone = after - _moved(before, flow)
    trust = _trust(tone, flow)
    shown = present > 0.5
    whole = bool(shown.any()) and float(trust[shown].mean()) < LOST
    grid = _Grid.over(roi, len(picture), len(filmed))
    soft = _soft(picture, filmed, after, roi, calibration, grid)
    alpha = present if whole else np.clip((1 - trust) * present, 0, 1)
    alpha = np.where(alpha < 0.005, 0, alpha).astype(np.float32)
    showing = grid.up(present, cv2.INTER_LINEAR)
    out_mask = (showing > 1 / 255).astype(np.float32)
    out_mask[0], out_mask[-1], out_mask[:, 0], out_mask[:, -1] = 0, 0, 0, 0
    if not out_mask.any():
        return None
    if whole:
        return Layers(grid.box, out_mask, None, None, soft, grid.up(alpha, cv2.INTER_LINEAR))
    return Layers(
        grid.box, out_mask,
        grid.up(flow, cv2.INTER_LINEAR) * np.float32(grid.ratio),
        grid.up(tone * present[..., None], cv2.INTER_CUBIC),
        soft, np.clip(grid.up(alpha, cv2.INTER_LINEAR), 0, 1),
    )  # fmt: skip


def _presence(filmed: Image, edited: Image, mask: FloatImage) -> tuple[FloatImage | None, Box | None]:
    """How much of the change shows, (n, n): 1 where the two differ, feathered; and the box of it."""
    apart = cv2.absdiff(filmed, edited).max(2).astype(np.float32)
    differs = (_blur(apart, 1.0) > CHANGED) & (mask > 0)
    if not differs.any():
        return None, None
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    n = len(mask)
    roi = Box(
        int(columns[0]) - MARGIN, int(rows[0]) - MARGIN, int(columns[-1]) + 1 + MARGIN, int(rows[-1]) + 1 + MARGIN
    )
    wide = cv2.dilate(differs.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    feathered = np.clip((_blur(wide.astype(np.float32), 1.5) - 0.15) / 0.7, 0, 1)
    return np.asarray(feathered * mask, np.float32), roi.clipped(n, n)


def _flow(filmed: Image, edited: Image, present: FloatImage) -> FloatImage:
    """Where each edited pixel was before, (h, w, xy)."""
    height, width = present.shape
    size = (max(int(width * FINER), 16), max(int(height * FINER), 16))
    grey = [
        cv2.resize(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_CUBIC) for p in (edited, filmed)
    ]
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setFinestScale(0)
    finder.setPatchStride(4)
    finder.setGradientDescentIterations(16)
    finder.setVariationalRefinementAlpha(10.0)
    found = finder.calc(grey[0], grey[1], None)  # type: ignore[call-overload]
    flow = cv2.resize(found, (width, height), interpolation=cv2.INTER_AREA) / FINER
    length = np.linalg.norm(flow, axis=2, keepdims=True)
    return np.asarray(flow * np.clip(length / STILL - 1, 0, 1) * present[..., None], np.float32)


def _moved(image: FloatImage, flow: FloatImage) -> FloatImage:
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    made = cv2.remap(image, flow[..., 0] + x, flow[..., 1] + y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(made, np.float32)


def _trust(tone: FloatImage, flow: FloatImage) -> FloatImage:
    """How well motion and tone explain the edit, (h, w) in 0..1."""
    rough = np.abs(tone - _blur(tone, ROUGH)).mean(2)
    doubt = _blur(rough * rough, 1.2) + TONE**2 * _blur((_blur(tone, 1.0) ** 2).mean(2), 1.5)
    shear = sum(cv2.Sobel(flow[..., i], cv2.CV_32F, *order, scale=0.125) ** 2
                for i in (0, 1) for order in ((1, 0), (0, 1)))  # fmt: skip
    doubt = doubt + SHEAR**2 * _blur(shear, 1.5)
    trust = 1 / (1 + doubt / DOUBT**2)
    trust = cv2.medianBlur((trust * 255).astype(np.uint8), 5).astype(np.float32) / 255
    trust = cv2.erode(trust, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    return np.asarray(_blur(trust, 1.2), np.float32)


@dataclass(frozen=True)
class _Grid:
    """A box of the network's picture in the footage's: ``box`` in pixels of the footage, ``ratio`` of the two."""

    roi: Box
    box: Box
    ratio: float

    @classmethod
    def over(cls, roi: Box, size: int, n: int) -> _Grid:
        ratio = size / n
        return cls(roi, Box(*(round(v * ratio) for v in (roi.x0, roi.y0, roi.x1, roi.y1))), ratio)

    def up(self, array: FloatImage, how: int, finer: float = 1.0) -> FloatImage:
        """An array of the roi (at ``finer`` times its resolution) at every pixel of the box, exactly placed."""
        step = finer / self.ratio
        matrix = np.array([
            [step, 0, (self.box.x0 + 0.5) * step - self.roi.x0 * finer - 0.5],
            [0, step, (self.box.y0 + 0.5) * step - self.roi.y0 * finer - 0.5],
        ])  # fmt: skip
        made = cv2.warpAffine(
            array, matrix, (self.box.width, self.box.height),
            flags=how | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return np.asarray(made, np.float32)


def _soft(
    picture: Image, filmed: Image, after: FloatImage, roi: Box, calibration: Calibration, grid: _Grid
) -> FloatImage:
    """What is painted: the network's picture, sharpened, in the footage's colours and grain. At the box's resolution."""
    finer = min(2.0, max(grid.ratio, 1.0))
    height, width = after.shape[:2]
    size = (round(width * finer), round(height * finer))
    up = cv2.resize(after, size, interpolation=cv2.INTER_CUBIC)
    levels = [up, *(_blur(up, s * finer) for s in BANDS)]
    soft = up.copy()
    for gain, a, b in zip(calibration.gains * SHARPER, levels[:-1], levels[1:], strict=True):
        soft += np.float32(gain) * (a - b)
    broad = cv2.resize(colour_error(picture, filmed)[roi.y0 : roi.y1, roi.x0 : roi.x1], size)
    soft = np.asarray(soft + broad, np.float32)
    made = grid.up(np.asarray(soft, np.float32), cv2.INTER_CUBIC, size[0] / width)
    repeats = -(-grid.box.height // len(calibration.grain)), -(-grid.box.width // len(calibration.grain)), 1
    made += np.tile(calibration.grain, repeats)[: grid.box.height, : grid.box.width]
    return np.clip(made, 0, 255)


def colour_error(picture: Image, filmed: Image) -> FloatImage:
    """What the network got wrong in colour, broadly: (n, n, RGB) of a picture and what it made of it, (n, n, RGB)."""
    n = len(filmed)
    small = max(n // max(1, n // 64), 1)
    parts = [cv2.resize(p, (small, small), interpolation=cv2.INTER_AREA).astype(np.float32) for p in (picture, filmed)]
    broad = _blur(parts[0] - parts[1], 0.05 * small)
    return np.asarray(cv2.resize(broad, (n, n), interpolation=cv2.INTER_LINEAR), np.float32)
