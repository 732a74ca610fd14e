"""How well the detail compositor returns a film's own detail, with a network simulated, soft paste measured beside it.

    python benchmarks/detail.py DIR [--pairs N]

DIR holds films of faces. In each, frames that differ most in the mouth and the eyes while the head stays are paired; one
is taken as filmed, the other as the truth that an edit should give. The network is simulated: both frames made small and
soft, paler, shifted in colour, warped a little together and a little each by itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from lp_editor.errors import LpEditorError
from lp_editor.face import Face
from lp_editor.faces.measure import eye_ratio, lip_ratio
from lp_editor.faces.model import Landmarker
from lp_editor.liveportrait.detail import Layers, calibrated, colour_error, composed
from lp_editor.media.probe import probe
from lp_editor.media.source import VideoSource

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

STEP, MOST = 5, 40
"""Every how many frames a film is looked at, and how many at most."""

SHARED, OWN = 0.4, 0.15
"""Pixels (rms) of the simulated network's warps: of both its pictures alike, and of each by itself."""


@dataclass(frozen=True)
class Pair:
    """Two frames of a film cut to one square of the face, and that face in the first."""

    filmed: Pixels
    truth: Pixels
    face: Floats


@dataclass(frozen=True)
class Score:
    """One pair's figures: PSNR in dB of the soft paste, of one in the footage's colours, and of ours; SSIM, and the
    high-frequency energy against the truth's, of the coloured paste and of ours."""

    plain: float
    paste: float
    ours: float
    ssim_paste: float
    ssim_ours: float
    fine_paste: float
    fine_ours: float
    seconds: float


def squares(path: Path, count: int) -> list[Pair]:
    """The strongest pairs of a film."""
    info = probe(path)
    if info.video is None:
        return []
    with VideoSource(path) as source, Landmarker() as landmarker:
        indices = list(range(0, info.video.count, STEP))[:MOST]
        frames = [picture.rgb_all() for picture in source.frames(indices)]
        seen = [(frame, faces[0]) for frame in frames if (faces := landmarker(frame))]
    ranked = sorted(
        ((_change(a[1], b[1]), i, j) for i, a in enumerate(seen) for j, b in enumerate(seen) if i < j), reverse=True
    )
    pairs = (_pair(seen[i], seen[j]) for score, i, j in ranked[: 4 * count] if score > 0)
    return [pair for pair in pairs if pair][:count]


def _change(a: Face, b: Face) -> float:
    """How much expression two frames differ by; 0 where the head moved too far."""
    moved = float(np.linalg.norm(a.points[[1, 33, 263], :2] - b.points[[1, 33, 263], :2], axis=1).max()) / a.width
    if moved > 0.04:
        return 0.0
    pa, pb = a.points.astype(np.float64), b.points.astype(np.float64)
    eyes = max(abs(float(eye_ratio(pa, side) - eye_ratio(pb, side))) for side in ("left", "right"))
    return eyes + 2 * abs(float(lip_ratio(pa) - lip_ratio(pb)))


def _pair(one: tuple[Pixels, Face], other: tuple[Pixels, Face]) -> Pair | None:
    (frame, face), (truth, _) = one, other
    side = int(face.width * 2.1) // 2 * 2
    x, y = (int(v) - side // 2 for v in face.points[:468, :2].mean(0))
    height, width = frame.shape[:2]
    if x < 0 or y < 0 or x + side > width or y + side > height:
        return None
    window = slice(y, y + side), slice(x, x + side)
    return Pair(frame[window], truth[window], (face.points[:468, :2] - [x, y]).astype(np.float32))


def simulated(picture: Pixels, n: int, own: int) -> Pixels:
    """What a network of n pixels would make of a square."""
    small = cv2.resize(picture, (n, n), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(cv2.bilateralFilter(small, 5, 18, 2), (0, 0), 0.6).astype(np.float32)
    pale = (small - small.mean((0, 1))) * 0.95 + small.mean((0, 1)) + np.array([3, -2, 2], np.float32)
    drift = _drift(n, 0, SHARED) + _drift(n, own, OWN)
    x, y = np.meshgrid(np.arange(n, dtype=np.float32), np.arange(n, dtype=np.float32))
    made = cv2.remap(pale, x + drift[..., 0], y + drift[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(made, 0, 255), np.uint8)


def _drift(n: int, seed: int, rms: float) -> Floats:
    coarse = np.random.default_rng(seed).normal(size=(8, 8, 2)).astype(np.float32)
    field = cv2.resize(coarse, (n, n), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field * (rms / np.sqrt((field**2).mean())), np.float32)


def scored(pair: Pair, seed: int) -> Score:
    """Both ways on one pair."""
    side = len(pair.filmed)
    n = min(512, max(side // 2, 96))
    before, after = simulated(pair.filmed, n, 2 * seed + 1), simulated(pair.truth, n, 2 * seed + 2)
    mask = _mask(pair.face * (n / side), n)
    calibration = calibrated(pair.filmed, before, mask)
    start = perf_counter()
    layers = composed(pair.filmed, before, after, mask, calibration)
    ours = applied(pair.filmed, layers) if layers else pair.filmed
    seconds = perf_counter() - start
    feather: Floats = np.asarray(cv2.resize(mask, (side, side)), np.float32)[..., None]
    plain = _pasted(pair.filmed, after.astype(np.float32), feather)
    paste = _pasted(pair.filmed, after + colour_error(pair.filmed, before), feather)
    inside = cv2.erode((feather[..., 0] > 0.99).astype(np.uint8), np.ones((5, 5))) > 0
    levels = [_psnr(one, pair.truth, inside) for one in (plain, paste, ours)]
    return Score(
        levels[0], levels[1], levels[2], _ssim(paste, pair.truth, inside),
        _ssim(ours, pair.truth, inside), _fine(paste, pair.truth, inside), _fine(ours, pair.truth, inside), seconds,
    )  # fmt: skip


def _pasted(picture: Pixels, made: Floats, feather: Floats) -> Pixels:
    """A small picture put over a square as it is."""
    large = cv2.resize(made, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(np.rint(picture + feather * (large - picture.astype(np.float32))), 0, 255), np.uint8)


def applied(picture: Pixels, layers: Layers) -> Pixels:
    """A patch's layers on a square, in RGB."""
    out, box = picture.copy(), layers.box
    moved = picture[box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
    window = moved.copy()
    if layers.flow is not None and layers.tone is not None:
        x = np.arange(box.x0, box.x1, dtype=np.float32)[None] + layers.flow[..., 0]
        y = np.arange(box.y0, box.y1, dtype=np.float32)[:, None] + layers.flow[..., 1]
        moved = (
            cv2.remap(picture.astype(np.float32), x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE) + layers.tone
        )
    made = moved + layers.alpha[..., None] * (layers.paint - moved)
    made = window + layers.mask[..., None] * (made - window)
    out[box.y0 : box.y1, box.x0 : box.x1] = np.clip(np.rint(made), 0, 255).astype(np.uint8)
    return out


def _mask(face: Floats, n: int) -> Floats:
    filled = cv2.fillConvexPoly(np.zeros((n, n), np.uint8), np.round(cv2.convexHull(face)[:, 0]).astype(np.int32), 1)
    return np.asarray(np.clip(cv2.distanceTransform(filled, cv2.DIST_L2, 5) / (0.04 * n), 0, 1), np.float32)


def _psnr(made: Pixels, truth: Pixels, inside: Any) -> float:
    apart = (made[inside].astype(np.float64) - truth[inside]) ** 2
    return float(10 * np.log10(255**2 / max(apart.mean(), 1e-9)))


def _ssim(made: Pixels, truth: Pixels, inside: Any) -> float:
    _, whole = structural_similarity(made, truth, channel_axis=2, full=True)
    return float(whole[inside].mean())


def _fine(made: Pixels, truth: Pixels, inside: Any) -> float:
    """Energy of what is finer than 1.5 pixels, against the truth's."""
    energy = []
    for picture in (made, truth):
        whole = picture.astype(np.float32)
        energy.append(float(((whole - cv2.GaussianBlur(whole, (0, 0), 1.5))[inside] ** 2).mean()))
    return energy[0] / max(energy[1], 1e-9)


def main(arguments: Sequence[str] | None = None) -> int:
    """Score every film of a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--pairs", type=int, default=6)
    asked = parser.parse_args(arguments)
    every: list[Score] = []
    for path in sorted(asked.folder.glob("*.mp4")):
        try:
            scores = [scored(pair, i) for i, pair in enumerate(squares(path, asked.pairs))]
        except LpEditorError as error:
            print(f"detail: {error}", file=sys.stderr)
            return 2
        _show(path.name, scores)
        every += scores
    _show("all", every)
    return 0


def _show(name: str, scores: Sequence[Score]) -> None:
    if not scores:
        print(f"{name:<12} no pair of frames with the head still and another expression")
        return
    mean = np.mean([list(vars(score).values()) for score in scores], axis=0)
    gains = [score.ours - score.paste for score in scores]
    print(f"{name:<12} {len(scores)} pairs  PSNR paste {mean[0]:.2f} in colour {mean[1]:.2f} ours {mean[2]:.2f} "
          f"(least gain {min(gains):+.2f})  "
          f"SSIM {mean[3]:.3f} {mean[4]:.3f}  fine {mean[5]:.2f} {mean[6]:.2f}  {mean[7] * 1000:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
