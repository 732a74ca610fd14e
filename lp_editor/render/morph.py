"""The picture of a joint: two frames become one another without a ghost.

Both are led to one place first: the face, and the head with it, by the landmarks of both sides; hair, shoulders and
background by the optical flow that is left between the two. Then colours are dissolved, but detail is taken from one side
wherever the two do not lie on each other, for an average of two textures is neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.engine import FloatImage
from lp_editor.face import Box
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.render.compositor import moved

Array: TypeAlias = NDArray[np.float64]

WORKED_AT = 640
"""Pixels of the longer side at which motion is looked for: DIS finds parts of a pixel."""

FINE_UP_TO = 560
"""Pixels of the longer side up to which flow is looked for down to single pixels: more costs too much, and is blurred anyway."""

FLOW_BLUR = 0.012
"""Gaussian σ that keeps the flow from tearing, in parts of the worked picture's longer side."""

HEAD = (0.72, 0.95, 0.12)
"""Half axes of what moves with a face, and how far above its middle theirs lies: face widths, hair included."""

FALLS_TO = 2.6
"""So many times those axes off, nothing moves with the face any more: neck and shoulders give way in between."""

NEAR = (0.16, 0.07, 0.03, 0.02, 0.02)
"""Face widths over which a landmark's own way is spread, from coarse to fine."""

TRUSTED = (1.5, 6.0)
"""Pixels of 960 by which flow there and flow back may miss each other: up to the first all right, from the second no flow."""

ENOUGH_PLACES = 24
"""Places of the background that tell how the camera moved, at least."""

PRIOR, SURE = 3.0, 1.0
"""Levels that speak for the head near a face, and against it far off; and that make a choice clear."""

STRAYS = 0.4
"""Levels that a pixel (of 480) counts which only flow found."""

UNLIKE = (5.0, 16.0)
"""Levels between the two sides, once they lie on each other, from which on they begin not to match, and do not at all."""

SWITCH, DETAIL_SWITCH = 8.0, 3.0
"""How many times faster than colours a place goes over that does not match, and detail that does."""

FINE = 0.012
"""σ in face widths (or in parts of the longer side, without a face a tenth of it): what is finer is detail."""

MOST_GAIN = 1.4
"""What two unlike details of half the strength each are strengthened by, at most."""


@dataclass(frozen=True)
class Tie:
    """Where the same points of a face lie in the outgoing and in the incoming picture, (N, xy) each, in pixels."""

    outgoing: Array
    incoming: Array

    def between(self, weight: float) -> Array:
        """Where they lie part of the way, (N, xy)."""
        return np.asarray((1 - weight) * self.outgoing + weight * self.incoming)


@dataclass(frozen=True)
class Match:
    """How the incoming picture's samples look in the outgoing one's light: a gain and an offset for each plane.

    ``gains`` about black (luma, RGB) or about grey (chroma), ``offsets`` in samples.
    """

    gains: tuple[float, ...]
    offsets: tuple[float, ...]

    def towards(self, picture: Picture, part: float) -> Picture:
        """An outgoing picture ``part`` (0..1) of the way to the incoming one's light."""
        return _lit(picture, self.gains, self.offsets, part)

    def back(self, picture: Picture, part: float) -> Picture:
        """An incoming picture ``part`` (0..1) of the way to the outgoing one's light."""
        gains = tuple(1 / g for g in self.gains)
        return _lit(picture, gains, tuple(-o * g for o, g in zip(self.offsets, gains, strict=True)), part)


def _lit(picture: Picture, gains: Sequence[float], offsets: Sequence[float], part: float) -> Picture:
    format, planes = picture.format, list(picture.planes)
    if part <= 0:
        return picture
    for i, (gain, offset) in enumerate(zip(gains, offsets, strict=True)):
        zero = _zero(format, i)
        gain, offset = gain**part, offset * part
        planes[i] = format.rounded((planes[i].astype(np.float32) - zero) * np.float32(gain) + np.float32(zero + offset))
    return replace(picture, planes=tuple(planes))


def _zero(format: VideoFormat, plane: int) -> float:
    return float(format.grey_chroma if format.layout.family == "yuv" and plane in (1, 2) else format.ranges[0])


def morph(outgoing: Picture, incoming: Picture, weight: float, ties: Sequence[Tie] = ()) -> Picture:
    """The picture ``weight`` (0..1) of the way from one to the other; both in one format. 0 and 1 are exact."""
    if weight <= 0 or weight >= 1:
        return incoming if weight >= 1 else outgoing
    small = _worked_at(outgoing.format)
    scale = small[0] / outgoing.format.width
    a, b = (cv2.resize(p.luma8(), small, interpolation=cv2.INTER_AREA) for p in (outgoing, incoming))
    fine = FINE * (float(np.ptp(ties[0].outgoing[:, 0])) if ties else small[0] / scale / 10)
    camera = _camera(a, b, ties, scale)
    met = _met(a, b, camera * np.float32(weight), camera * np.float32(weight - 1), weight)
    out, into, apart = warped(outgoing, met.to_a, scale), warped(incoming, met.to_b, scale), met.unlike
    for tie in (Tie(t.outgoing * scale, t.incoming * scale) for t in ties):
        shared = tie.between(weight)
        own = _met(a, b, led(shared, tie.outgoing, small), led(shared, tie.incoming, small), weight)
        with_face = _goes_with(shared, met, own)
        out = _over(out, warped(outgoing, own.to_a, scale), with_face)
        into = _over(into, warped(incoming, own.to_b, scale), with_face)
        apart = apart + with_face * (own.unlike - apart)
    return blended(out, into, weight, apart, max(fine, 1.2))


def _camera(a: NDArray[Any], b: NDArray[Any], ties: Sequence[Tie], scale: float) -> FloatImage:
    """Where in the outgoing luma each pixel of the incoming one lies, as far as the camera alone moved: (h, w, xy) to add."""
    height, width = a.shape
    back, ahead = _flows(_even(a), _even(b))
    y, x = (g.ravel() for g in np.mgrid[4 : height - 4 : 12, 4 : width - 4 : 12])
    kept = np.linalg.norm(_after(back, ahead), axis=2)[y, x] * (960 / max(a.shape)) < TRUSTED[0]
    for tie in ties:
        for side in (tie.outgoing * scale, tie.incoming * scale):
            kept &= _off_head(side, x.astype(np.float32), y.astype(np.float32)) > 1.2
    here = np.stack([x, y], 1)[kept].astype(np.float32)
    field = np.zeros((height, width, 2), np.float32)
    if len(here) < ENOUGH_PLACES:
        return field
    found, held = cv2.estimateAffinePartial2D(here, here + back[y, x][kept], ransacReprojThreshold=1.0)
    if found is None or held.mean() < 0.4:
        return field
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for i, own in enumerate((columns, rows)):
        field[..., i] = found[i, 0] * columns + found[i, 1] * rows + found[i, 2] - own
    return field


def _goes_with(shared: Array, other: _Met, own: _Met) -> FloatImage:
    """How much each place goes with a face, 0..1: the face does; elsewhere whichever way the two sides agree better."""
    height, width = own.unlike.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    off = _off_head(shared, x, y)
    likely = PRIOR * np.clip((1.15 - off) / 0.3, -1, 1)
    wins = cv2.GaussianBlur(other.cost - own.cost, (0, 0), 0.01 * max(height, width)) + likely
    soft = 1 / (1 + np.exp(-np.clip(wins / SURE, -30, 30)))
    face = _inside(shared, (width, height))
    chosen = cv2.GaussianBlur(np.asarray(np.maximum(soft, face), np.float32), (0, 0), 0.002 * max(height, width))
    return np.asarray(chosen * np.clip(FALLS_TO - off, 0, 1), np.float32)


def _inside(points: Array, size: tuple[int, int]) -> FloatImage:
    """1 inside the outline of a face, (height, width)."""
    out = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(out, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return out.astype(np.float32)


def _over(below: Picture, above: Picture, cover: FloatImage) -> Picture:
    """One picture over another as far as ``cover`` says, (h, w) in 0..1 at any resolution."""
    planes = []
    for p, q in zip(below.planes, above.planes, strict=True):
        own = cv2.resize(cover, p.shape[::-1], interpolation=cv2.INTER_LINEAR)
        first = p.astype(np.float32)
        planes.append(below.format.rounded(first + own * (q.astype(np.float32) - first)))
    return replace(below, planes=tuple(planes))


def _worked_at(format: VideoFormat) -> tuple[int, int]:
    part = min(1.0, WORKED_AT / max(format.width, format.height))
    return max(round(format.width * part), 16), max(round(format.height * part), 16)


def led(shared: Array, side: Array, size: tuple[int, int]) -> FloatImage:
    """Where a side's pixels lie for each pixel of the shared pose, less its own place: (height, width, xy).

    The whole head goes with the face, what is around it less and less; the face's own points go where they belong.
    """
    width, height = size
    turn, shift = _similar(shared, side)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    whole = np.stack(
        [turn[0, 0] * x + turn[0, 1] * y + shift[0] - x, turn[1, 0] * x + turn[1, 1] * y + shift[1] - y], 2
    )
    field = np.asarray(whole * _head(shared, x, y, float(np.abs(side - shared).max()))[..., None], np.float32)
    face = float(np.ptp(shared[:, 0]))
    for part in NEAR:
        missing = (side - shared) - _read(field, shared)
        field = field + _spread(missing, shared, size, max(part * face, 1.0))
    return field


def _similar(start: Array, to: Array) -> tuple[Array, Array]:
    """The turn and scale (2, 2) and shift (2,) that take points nearest to others (Umeyama 1991)."""
    a, b = start.mean(0), to.mean(0)
    left, sizes, right = np.linalg.svd((to - b).T @ (start - a))
    flip = np.diag([1.0, np.sign(np.linalg.det(left @ right))])
    turn = left @ flip @ right * float((sizes * np.diag(flip)).sum() / max(float(((start - a) ** 2).sum()), 1e-9))
    return np.asarray(turn), np.asarray(b - turn @ a)


def _off_head(shared: Array, x: FloatImage, y: FloatImage) -> FloatImage:
    """How far each pixel lies off a head: 1 on its outline, hair included."""
    face = float(np.ptp(shared[:, 0]))
    middle = (shared.min(0) + shared.max(0)) / 2
    across, down = (x - middle[0]) / (HEAD[0] * face), (y - middle[1] + HEAD[2] * face) / (HEAD[1] * face)
    return np.asarray(np.sqrt(across**2 + down**2), np.float32)


def _head(shared: Array, x: FloatImage, y: FloatImage, far: float) -> FloatImage:
    """How much of the head's way each pixel goes, 0..1; nothing comes from beyond the picture's edge."""
    off = _off_head(shared, x, y)
    inside = np.clip((FALLS_TO - off) / (FALLS_TO - 1), 0, 1)
    edge = np.minimum(np.minimum(x, x.max() - x), np.minimum(y, y.max() - y))
    kept = np.clip(edge / max(3 * far, 1.0), 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside) * np.maximum(kept, off < 1), np.float32)


def _read(field: FloatImage, points: Array) -> Array:
    at = points.astype(np.float32)[:, None]
    return np.asarray(cv2.remap(field, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0])


def _spread(ways: Array, points: Array, size: tuple[int, int], near: float) -> FloatImage:
    """Ways of some points as a smooth field that is nothing far from them."""
    width, height = size
    sums, count = np.zeros((height, width, 2), np.float32), np.zeros((height, width), np.float32)
    column, row = (np.rint(points[:, i]).astype(np.intp) for i in (0, 1))
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    np.add.at(sums, (row[inside], column[inside]), ways[inside].astype(np.float32))
    np.add.at(count, (row[inside], column[inside]), 1)
    wide, many = _blurred(sums, near), _blurred(count, near)
    floor = 0.05 * float(many.max()) + 1e-9
    return np.asarray(wide / np.maximum(many, floor)[..., None], np.float32)


def _blurred(image: NDArray[Any], sigma: float) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


@dataclass(frozen=True)
class _Met:
    """Both sides led to one place: where each pixel of the shared picture lies in either, (h, w, xy) to add; how little they
    match there, 0..1; and what that cost: levels still off, and ways that only flow found."""

    to_a: FloatImage
    to_b: FloatImage
    unlike: FloatImage
    cost: FloatImage


def _met(a: NDArray[Any], b: NDArray[Any], to_a: FloatImage, to_b: FloatImage, weight: float) -> _Met:
    """Both sides' fields with what flow still finds between them shared out by the weight."""
    near_a, near_b = _even(_sampled(a, to_a)), _even(_sampled(b, to_b))
    back, ahead = _agreed(*_flows(near_a, near_b))
    to_a, to_b = _after(back * np.float32(weight), to_a), _after(ahead * np.float32(1 - weight), to_b)
    off = _levels_off(_sampled(a, to_a), _sampled(b, to_b))
    far = (np.linalg.norm(back, axis=2) + np.linalg.norm(ahead, axis=2)) * (480 / max(a.shape))
    part = np.asarray(np.clip((off - UNLIKE[0]) / (UNLIKE[1] - UNLIKE[0]), 0, 1), np.float32)
    return _Met(to_a, to_b, part, np.asarray(off + STRAYS * np.minimum(far, 20), np.float32))


def _flows(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[FloatImage, FloatImage]:
    """Where each pixel of the second lies in the first, and the other way."""
    finder: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setFinestScale(0 if max(a.shape) <= FINE_UP_TO else 1)
    return np.asarray(finder.calc(b, a, None), np.float32), np.asarray(finder.calc(a, b, None), np.float32)


def _agreed(back: FloatImage, ahead: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Two flows, smooth, and nothing where they contradict each other: what only one side shows has no way."""
    size = max(back.shape)
    agreed = []
    for one, other in ((back, ahead), (ahead, back)):
        wrong = np.linalg.norm(_after(one, other), axis=2) * (960 / size)
        sure = np.asarray(np.clip((TRUSTED[1] - wrong) / (TRUSTED[1] - TRUSTED[0]), 0, 1), np.float32)
        weight = cv2.GaussianBlur(sure, (0, 0), FLOW_BLUR * size)
        flow = cv2.GaussianBlur(one * sure[..., None], (0, 0), FLOW_BLUR * size) / np.maximum(weight, 0.15)[..., None]
        wide = cv2.GaussianBlur(sure, (0, 0), 3 * FLOW_BLUR * size)
        agreed.append(np.asarray(flow * np.clip(2 * wide, 0, 1)[..., None], np.float32))
    return agreed[0], agreed[1]


def _even(luma: NDArray[Any]) -> NDArray[np.uint8]:
    """Luma with its mean and contrast at one value, so that light does not look like motion."""
    level = luma.astype(np.float32)
    return np.asarray(np.clip((level - level.mean()) * (48 / max(float(level.std()), 4.0)) + 128, 0, 255), np.uint8)


def _after(step: FloatImage, field: FloatImage) -> FloatImage:
    """One field, then another from where that leads."""
    height, width = step.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    further = cv2.remap(field, x + step[..., 0], y + step[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(step + further, np.float32)


def _sampled(plane: NDArray[Any], field: FloatImage) -> NDArray[Any]:
    height, width = plane.shape
    return moved(plane, Box(0, 0, width, height), field)


def _levels_off(a: NDArray[Any], b: NDArray[Any]) -> FloatImage:
    """How far two aligned lumas are apart around each place, in levels of one contrast."""
    size = max(a.shape) / 960
    first, second = (cv2.GaussianBlur(_even(p).astype(np.float32), (0, 0), 1.5 * size + 0.5) for p in (a, b))
    return np.asarray(cv2.GaussianBlur(np.abs(first - second), (0, 0), 6 * size + 1), np.float32)


def warped(picture: Picture, field: FloatImage, scale: float) -> Picture:
    """A picture that shows at each place what lies at that place + field, (h, w, xy); ``scale`` pixels of the field are one of
    the picture's."""
    planes = []
    for plane in picture.planes:
        height, width = plane.shape
        own = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR) * np.array(
            [width / picture.format.width / scale, height / picture.format.height / scale], np.float32
        )
        planes.append(moved(plane, Box(0, 0, width, height), np.asarray(own, np.float32)))
    return replace(picture, planes=tuple(planes))


def blended(out: Picture, into: Picture, weight: float, apart: FloatImage, fine: float) -> Picture:
    """Two pictures that lie on each other as one: colours by the weight, detail of the side that shows it better.

    ``apart`` says where they do not match, 0..1, at any resolution; what is finer than σ ``fine`` pixels is detail.
    """
    format = out.format
    over = weight + apart * (_steeper(weight, SWITCH) - weight)
    planes = []
    for i, (a, b) in enumerate(zip(out.planes, into.planes, strict=True)):
        height, width = a.shape
        own = cv2.resize(over, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        first, second = a.astype(np.float32), b.astype(np.float32)
        if (i and format.layout.family == "yuv") or i == 3:
            planes.append(format.rounded(first + own * (second - first)))
            continue
        base_a, base_b = (cv2.GaussianBlur(p, (0, 0), fine) for p in (first, second))
        unlike_here = cv2.resize(apart, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        like, other = _steeper(weight, DETAIL_SWITCH), _steeper(weight, SWITCH)
        part = np.asarray(like + unlike_here * (other - like), np.float32)
        detail = _detail(first - base_a, second - base_b, part, 4 * fine)
        planes.append(format.rounded(base_a + own * (base_b - base_a) + detail))
    return replace(out, planes=tuple(planes))


def _steeper(weight: float, times: float) -> float:
    return min(max((weight - 0.5) * times + 0.5, 0.0), 1.0)


def _detail(a: FloatImage, b: FloatImage, part: FloatImage, around: float) -> FloatImage:
    """Detail that goes from one side to the other, more of the stronger, as strong as they are where they differ."""
    power_a, power_b, both = (cv2.GaussianBlur(p, (0, 0), around) for p in (a * a, b * b, a * b))
    ratio = np.sqrt(np.clip((power_b + 1) / (power_a + 1), 1 / 9, 9))
    share = part * ratio / (part * ratio + (1 - part))
    like = np.clip(both / np.sqrt(power_a * power_b + 1), 0, 1)
    strength = np.sqrt(share**2 + (1 - share) ** 2 + 2 * share * (1 - share) * like)
    gain = np.clip(1 / np.maximum(strength, 1e-3), 1, MOST_GAIN)
    return np.asarray(((1 - share) * a + share * b) * gain, np.float32)


def match(outgoing: Picture, incoming: Picture, ties: Sequence[Tie] = ()) -> Match:
    """How the light of two pictures differs, told from what both show: by the middle and the spread of each plane."""
    size = (96, max(round(96 * outgoing.format.height / outgoing.format.width), 16))
    scale = size[0] / outgoing.format.width
    to = [np.zeros((size[1], size[0], 2), np.float32)] * 2
    for tie in ties:
        shared = tie.between(0.5) * scale
        to = [f + led(shared, s * scale, size) for f, s in zip(to, (tie.outgoing, tie.incoming), strict=True)]
    gains, offsets = [], []
    for i in range(min(outgoing.format.layout.planes, 3)):
        a, b = (
            _sampled(cv2.resize(p.planes[i].astype(np.float32), size, interpolation=cv2.INTER_AREA), f)
            for p, f in zip((outgoing, incoming), to, strict=True)
        )
        gain, offset = _fitted(a - _zero(outgoing.format, i), b - _zero(outgoing.format, i))
        gains.append(gain)
        offsets.append(offset)
    return Match(tuple(gains), tuple(offsets))


def _fitted(a: NDArray[Any], b: NDArray[Any]) -> tuple[float, float]:
    """The gain and offset that take samples to others, from those that fit best; places that changed do not count."""
    x, y = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    weights = np.ones_like(x)
    gain, offset = 1.0, 0.0
    for _ in range(8):
        mx, my = np.average(x, weights=weights), np.average(y, weights=weights)
        spread = np.average((x - mx) ** 2, weights=weights)
        slope = np.average((x - mx) * (y - my), weights=weights) / max(spread, 1e-9)
        trusted = spread / (spread + 4.0)  # a flat plane says nothing of a gain
        gain = float(np.clip(1 + trusted * (slope - 1), 0.5, 2.0))
        offset = float(my - gain * mx)
        off = np.abs(y - gain * x - offset)
        weights = 1 / (1 + (off / max(2.0 * float(np.median(off)), 1e-3)) ** 2)
    return gain, offset


def dissolve(outgoing: Picture, incoming: Picture, weight: float) -> Picture:
    """A plain cross-dissolve of two pictures in one format, in the footage's own coding."""
    planes = tuple(
        outgoing.format.rounded(a.astype(np.float32) * (1 - weight) + b.astype(np.float32) * weight)
        for a, b in zip(outgoing.planes, incoming.planes, strict=True)
    )
    return replace(outgoing, planes=planes)
