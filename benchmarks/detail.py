"""How well the detail compositor returns a film's own detail, with a network simulated, soft paste measured beside it.

    python benchmarks/detail.py DIR [--pairs N]

DIR holds films of faces. In each, frames that differ most in the mouth and the eyes while the head keeps its pose are
paired (a head that moved is followed by whole pixels, so nothing is interpolated); one is taken as filmed, the other as the
truth that an edit should give. The network is simulated: both frames made small and soft, paler, shifted in colour, warped
a little together and a little each by itself. Gains are in dB over a soft paste in the footage's own colours; ``fine`` is
the energy of detail on skin against the truth's, ``right`` how well detail correlates with the truth's, ``ghost`` the
percentage of the face that is more than 5 levels worse than the paste. Bars of detail_compositor notes; 1 where one fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.errors import LpEditorError
from lp_editor.face import Face
from lp_editor.faces.canonical import LEFT_EYE, RIGHT_EYE
from lp_editor.faces.measure import eye_ratio, lip_ratio
from lp_editor.faces.model import Landmarker
from lp_editor.faces.search import find_faces
from lp_editor.liveportrait.detail import Layers, calibrated, colour_error, composed
from lp_editor.media.probe import probe
from lp_editor.media.source import VideoSource

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

MOUTH = (61, 291, 0, 17, 37, 267, 84, 314, 40, 270, 91, 321)
"""Landmarks around the lips."""

STEP, MOST = 3, 70
"""Every how many frames a film is looked at, and how many at most."""

LEAST = 300
"""Pixels of a square from which on a clip counts."""

SHARED, OWN = 0.4, 0.15
"""Pixels (rms) of the simulated network's warps: of both its pictures alike, and of each by itself."""


@dataclass(frozen=True)
class Pair:
    """Two frames of a film cut to one square of the face, and that face's landmarks (468, xy) in both."""

    filmed: Pixels
    truth: Pixels
    face: Floats
    later: Floats


@dataclass(frozen=True)
class Score:
    """One pair's figures: see the head of this file. PSNR in dB, of the soft paste, of one in the footage's colours, of ours;
    gains of ours over the latter on the whole face, its skin, mouth and eyes."""

    plain: float
    paste: float
    ours: float
    whole: float
    skin: float
    mouth: float
    eyes: float
    fine: float
    right_paste: float
    right: float
    ghost: float
    seconds: float
    side: int


BARS: Mapping[str, Callable[[Sequence[Score]], bool]] = {
    "mean gain >= 1.3": lambda scores: _mean(scores, "whole") >= 1.3,
    "no pair below -.5": lambda scores: min(score.whole for score in scores) >= -0.5,
    "skin >= .5": lambda scores: _mean(scores, "skin") >= 0.5,
    "mouth >= -.5": lambda scores: _mean(scores, "mouth") >= -0.5,
    "eyes >= .4": lambda scores: _mean(scores, "eyes") >= 0.4,
    "fine .8 to 1.1": lambda scores: 0.8 <= _mean(scores, "fine") <= 1.1,
    "right >= the paste's + .04": lambda scores: _mean(scores, "right") >= _mean(scores, "right_paste") + 0.04,
    "ghost <= .3 mean": lambda scores: _mean(scores, "ghost") <= 0.3,
    "ghost <= 2 any": lambda scores: max(score.ghost for score in scores) <= 2,
}


def _mean(scores: Sequence[Score], name: str) -> float:
    return float(np.mean([getattr(score, name) for score in scores]))


def squares(path: Path, count: int) -> list[Pair]:
    """The strongest pairs of a film."""
    info = probe(path)
    if info.video is None:
        return []
    with VideoSource(path) as source, Landmarker() as landmarker:
        indices = list(range(0, info.video.count, STEP))[:MOST]
        frames = [picture.rgb_all() for picture in source.frames(indices)]
        seen = [(frame, faces[0]) for frame in frames if (faces := landmarker(frame) or find_faces(frame, landmarker))]
    ranked = sorted(
        ((_change(a[1], b[1]), i, j) for i, a in enumerate(seen) for j, b in enumerate(seen) if i < j), reverse=True
    )
    pairs = (_pair(seen[i], seen[j]) for score, i, j in ranked[: 4 * count] if score > 0)
    return [pair for pair in pairs if pair][:count]


def _shift(a: Face, b: Face) -> Floats:
    """How far the second head lies from the first, in whole pixels (xy)."""
    rigid = [1, 33, 263, 168, 10]
    return np.asarray(np.round((b.points[rigid, :2] - a.points[rigid, :2]).mean(0)), np.float32)


def _change(a: Face, b: Face) -> float:
    """How much expression two frames differ by; 0 where the head is posed otherwise."""
    apart = b.points[[1, 33, 263], :2] - a.points[[1, 33, 263], :2] - _shift(a, b)
    if float(np.linalg.norm(apart, axis=1).max()) > 0.03 * a.width:
        return 0.0
    pa, pb = a.points.astype(np.float64), b.points.astype(np.float64)
    eyes = max(abs(float(eye_ratio(pa, side) - eye_ratio(pb, side))) for side in ("left", "right"))
    return eyes + 2 * abs(float(lip_ratio(pa) - lip_ratio(pb)))


def _pair(one: tuple[Pixels, Face], other: tuple[Pixels, Face]) -> Pair | None:
    (frame, face), (truth, later) = one, other
    height, width = frame.shape[:2]
    middle, shift = face.points[:468, :2].mean(0), _shift(face, later).astype(int)
    low, high = np.minimum(middle, middle + shift), np.maximum(middle, middle + shift)
    room = int(min(low.min(), width - high[0], height - high[1])) * 2
    side = min(int(face.width * 2.1), room) // 2 * 2
    if side < 1.5 * face.width:
        return None
    x, y = (int(v) - side // 2 for v in middle)
    later_x, later_y = x + shift[0], y + shift[1]
    return Pair(
        frame[y : y + side, x : x + side], truth[later_y : later_y + side, later_x : later_x + side],
        (face.points[:468, :2] - [x, y]).astype(np.float32), (later.points[:468, :2] - [later_x, later_y]).astype(np.float32),
    )  # fmt: skip


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
    return _compared(pair, plain, paste, ours, feather[..., 0], seconds)


def _compared(pair: Pair, plain: Pixels, paste: Pixels, ours: Pixels, feather: Floats, seconds: float) -> Score:
    inside = cv2.erode((feather > 0.99).astype(np.uint8), np.ones((5, 5))) > 0
    mouth = inside & _around(pair, MOUTH, 0.05)
    eyes = inside & (_around(pair, LEFT_EYE, 0.04) | _around(pair, RIGHT_EYE, 0.04))
    skin = inside & ~mouth & ~eyes
    gains = [_psnr(ours, pair.truth, part) - _psnr(paste, pair.truth, part) for part in (inside, skin, mouth, eyes)]
    levels = [_psnr(one, pair.truth, inside) for one in (plain, paste, ours)]
    wrong = [np.abs(one.astype(np.float32) - pair.truth).mean(2) for one in (paste, ours)]
    ghost = float((cv2.GaussianBlur(wrong[1] - wrong[0], (0, 0), 1.5) > 5)[inside].mean()) * 100
    right = [_right(one, pair.truth, inside) for one in (paste, ours)]
    fine = _fine(ours, pair.truth, skin)
    return Score(
        levels[0],
        levels[1],
        levels[2],
        gains[0],
        gains[1],
        gains[2],
        gains[3],
        fine,
        right[0],
        right[1],
        ghost,
        seconds,
        len(pair.filmed),
    )


def _around(pair: Pair, points: Sequence[int], room: float) -> Any:
    """Where a feature is in either frame, with so much room around it, of the face's width."""
    side = len(pair.filmed)
    drawn = np.zeros((side, side), np.uint8)
    for face in (pair.face, pair.later):
        cv2.fillConvexPoly(drawn, np.round(cv2.convexHull(face[list(points)])[:, 0]).astype(np.int32), 1)
    reach = 2 * round(room * float(np.ptp(pair.face[:, 0]))) + 1
    return cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))) > 0


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


def _right(made: Pixels, truth: Pixels, inside: Any) -> float:
    """How well detail finer than 1.5 pixels correlates with the truth's."""
    ours, wanted = (
        (whole - cv2.GaussianBlur(whole, (0, 0), 1.5))[inside].ravel()
        for whole in (made.astype(np.float32), truth.astype(np.float32))
    )
    return float((ours * wanted).sum() / max(np.sqrt((ours**2).sum() * (wanted**2).sum()), 1e-9))


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
    failed = False
    for path in sorted(asked.folder.glob("*.mp4")):
        try:
            scores = [scored(pair, i) for i, pair in enumerate(squares(path, asked.pairs))]
        except LpEditorError as error:
            print(f"detail: {error}", file=sys.stderr)
            return 2
        _show(path.name, scores)
        if scores and min(score.side for score in scores) < LEAST:
            print(f"{'':<12} not counted: squares under {LEAST} pixels, of which the network would see all")
            continue
        if scores and _mean(scores, "whole") < 0.3:
            print(f"FAIL  {path.name}: gain >= .3")
            failed = True
        every += scores
    _show("all", every)
    for name, bar in BARS.items():
        if every and not bar(every):
            print(f"FAIL  {name}")
            failed = True
    return 1 if failed or not every else 0


def _show(name: str, scores: Sequence[Score]) -> None:
    if not scores:
        print(f"{name:<12} no pair of frames with one pose of the head and two expressions")
        return
    m = {field.name: _mean(scores, field.name) for field in fields(Score)}
    least = min(score.whole for score in scores)
    print(f"{name:<12} {len(scores)} pairs  PSNR paste {m['plain']:.2f} in colour {m['paste']:.2f} ours {m['ours']:.2f}  "
          f"gain {m['whole']:+.2f} (least {least:+.2f}) skin {m['skin']:+.2f} mouth {m['mouth']:+.2f} eyes {m['eyes']:+.2f}  "
          f"fine {m['fine']:.2f}  right {m['right_paste']:.2f} {m['right']:.2f}  ghost {m['ghost']:.2f}  "
          f"{m['seconds'] * 1000:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
