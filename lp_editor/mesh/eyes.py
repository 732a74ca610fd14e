"""Draws eyes that look elsewhere or close: a white plate, an iris plate, skin over what the lid hides, and lashes.

What was filmed is taken apart into plates that fit it exactly (what they miss is carried along), so that an eye that
does not move is the filmed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.engine import FloatImage
from lp_editor.face import Box
from lp_editor.faces import canonical as mesh
from lp_editor.faces.occlusion import soft
from lp_editor.mesh.bases import Array, step
from lp_editor.mesh.borrowed import Lent, lid_over
from lp_editor.mesh.layers import Canvas, around, polygon, stroke

LIMBUS = (0.90, 1.14)
"""The iris plate fades out between these parts of the iris radius (mesh_engine notes, 7)."""

SPECULAR = 0.55
"""How much of the gaze a highlight follows: it belongs to the lamp (mesh_engine notes, 7)."""

LENT = 0.6
"""How much of a borrowed lid shows over the painted one: the lash line keeps some of its own strength."""

LASH = 0.045
"""Thickness of the lash line of a closed eye, in eye widths."""

DUSK = 0.45
"""How much of its light the white loses in the deepest shade of the lids: photographs show it at about half there."""

SPREAD, UNEVEN = 0.1, (0.45, 1.08)
"""The light around an eye is seen over this part of its width, and believed between these parts of its median."""

BESIDE_LIDS = 0.04
"""So far outside the lids, in eye widths, what is filmed lighter than the plates stays: lids are not quite where marked."""

NEAR_LIDS = 0.045
"""So near to the lids, in eye widths, what was filmed darker than the plates is shade and lashes: it stays there."""

GREY = 12.0
"""Added to both sides of a ratio of levels, so that black does not divide."""

LEAST_GAZE, LEAST_LID = 0.15, 0.04
"""Iris shifts below this many pixels, and closings below this part of the opening, are left to the field."""


@dataclass(frozen=True)
class Eye:
    """The landmark numbers of one eye."""

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    contour: tuple[int, ...]
    iris: tuple[int, ...]
    crease: tuple[int, ...]
    brow_side: tuple[int, ...]


EYES = {
    "left": Eye(
        mesh.LEFT_EYE_UPPER, mesh.LEFT_EYE_LOWER, mesh.LEFT_EYE, mesh.LEFT_IRIS,
        (467, 260, 259, 257, 258, 286, 414), (342, 445, 444, 443, 442, 441, 413),
    ),
    "right": Eye(
        mesh.RIGHT_EYE_UPPER, mesh.RIGHT_EYE_LOWER, mesh.RIGHT_EYE, mesh.RIGHT_IRIS,
        (247, 30, 29, 27, 28, 56, 190), (113, 225, 224, 223, 222, 221, 189),
    ),
}  # fmt: skip
"""Both eyes, with the two lines of landmarks above each: the lid's crease and the skin over it."""


@dataclass(frozen=True)
class EyeChange:
    """What happens to one eye, measured between its filmed and its new landmarks.

    ``there`` is the similarity (2, 3) from filmed to new pixels; ``gaze`` the iris's own shift in filmed pixels;
    ``closing`` the part of the opening that closes.
    """

    eye: Eye
    there: Array
    gaze: Array
    closing: float
    width: float


def change(side: str, before: Array, after: Array) -> EyeChange:
    """Measure one eye's change; landmarks (≥ 478, 3) in frame pixels."""
    eye = EYES[side]
    a, b = eye.upper[0], eye.upper[-1]
    there = _similarity(before[[a, b], :2], after[[a, b], :2])
    back = cv2.invertAffineTransform(there)
    gaze = back[:, :2] @ after[eye.iris[0], :2] + back[:, 2] - before[eye.iris[0], :2]
    width = float(np.linalg.norm(before[a, :2] - before[b, :2]))
    scale = float(np.sqrt(abs(np.linalg.det(there[:, :2]))))
    gaps = [
        np.linalg.norm((p[list(eye.lower[2:-2])] - p[list(eye.upper[2:-2])])[:, :2], axis=1).mean()
        for p in (before, after)
    ]
    closing = 1 - gaps[1] / max(gaps[0] * scale, 1e-3)
    return EyeChange(eye, there, np.asarray(gaze), float(np.clip(closing, -1, 1)), width)


def _similarity(a: Array, b: Array) -> Array:
    """The turn, scale and shift that take two points to two others, (2, 3)."""
    x, y = a[1] - a[0], b[1] - b[0]
    z = complex(*y) / complex(*x) if np.abs(x).max() > 1e-6 else 1
    turn = np.array([[z.real, -z.imag], [z.imag, z.real]])
    return np.column_stack([turn, b[0] - turn @ a[0]])


@dataclass(frozen=True, eq=False)
class FilmedEye:
    """One eye as filmed, taken apart when it is first drawn: ``pixels`` (h, w, RGB) of ``around_face``, landmarks ``before``;
    ``iris`` is the middle (2,) and the radius that it is seen with, in pixels."""

    eye: Eye
    pixels: FloatImage
    around_face: Box
    before: Array
    iris: tuple[Array, float]

    @cached_property
    def width(self) -> float:
        """Corner to corner, in pixels."""
        corners = self.before[[self.eye.upper[0], self.eye.upper[-1]], :2]
        return float(np.linalg.norm(corners[0] - corners[1]))

    @cached_property
    def source(self) -> Box | None:
        """The box of the eye with some room; None where it is hardly in the picture."""
        return around(self.before[list(self.eye.contour)], 0.3 * self.width + 2, self.around_face)

    @cached_property
    def crop(self) -> FloatImage:
        """The pixels of its box."""
        source, whole = self.source, self.around_face
        assert source is not None
        return self.pixels[source.y0 - whole.y0 : source.y1 - whole.y0, source.x0 - whole.x0 : source.x1 - whole.x0]

    @cached_property
    def blur(self) -> float:
        """See `blur_of`."""
        return blur_of(self.crop, self.width)

    @cached_property
    def plates(self) -> _Plates:
        """What it is made of."""
        assert self.source is not None
        return _plates(self.crop, self.before, self.eye, self.source, self.width, self.blur, self.iris)


def draw(
    canvas: Canvas, seen: FilmedEye, moved: FloatImage, made: EyeChange, before: Array, after: Array, lent: Lent | None
) -> None:  # fmt: skip
    """Draw one eye over a canvas.

    ``seen`` is the eye as filmed; ``moved`` the pixels of the canvas's box, moved by the field; ``lent`` this eye closed in
    another frame.
    """
    eye = made.eye
    points = np.vstack([before[list(eye.contour)], after[list(eye.contour)], after[list(eye.crease)]])
    part = around(points, 0.22 * made.width, canvas.box)
    source = seen.source
    if part is None or source is None:
        return
    crop = seen.crop
    if np.abs(made.gaze).max() > LEAST_GAZE or abs(made.closing) > LEAST_LID:
        ball = _ball(seen.plates, made, source, part, _Lids.between(before, after, made, source))
        ball *= (1 - 0.5 * np.clip(made.closing, 0, 1) * _lid_shadow(after, eye, part, made))[..., None]
        soft_edge = polygon(after[list(eye.contour)], part, max(0.012 * made.width, seen.blur))
        canvas.put(part, ball, np.clip(1.5 * soft_edge - 0.4, 0, 1))  # inside the lids, whose own edge is filmed
    if made.closing > LEAST_LID:
        _close(canvas, crop, source, moved, part, made, before, after)
        if lent is not None:
            lid, reach = lid_over(lent, eye.upper, eye.lower, eye.crease, part, after)
            canvas.put(
                part,
                lid,
                np.asarray(LENT * reach * lent.trust * float(step(0.55, 0.95, np.array(made.closing))), np.float32),
            )


def blur_of(crop: FloatImage, width: float) -> float:
    """How soft the filmed edges are, in pixels: the sigma of a step as high as the picture's contrast whose slope is the
    steepest one found; at most a twelfth of an eye."""
    light = crop @ np.array([0.299, 0.587, 0.114], np.float32)
    slope = np.hypot(np.gradient(light, axis=1), np.gradient(light, axis=0))
    high, low = np.percentile(light, (97, 3))
    sigma = 0.7 * float(high - low) / max(2.5066 * float(np.percentile(slope, 99)), 1e-3)
    return float(np.clip(sigma, 0.5, width / 12))


def _lid_shadow(after: Array, eye: Eye, part: Box, made: EyeChange) -> FloatImage:
    """How near each pixel of the ball is to the lids: a lid that comes down throws its shadow."""
    inside = polygon(after[list(eye.contour)], part)
    return np.asarray(cv2.GaussianBlur(1 - inside, (0, 0), max(0.8, 0.05 * made.width)), np.float32)


@dataclass(frozen=True)
class _Plates:
    """One filmed eye taken apart, all over its own crop."""

    white: FloatImage
    iris: FloatImage
    cover: FloatImage
    specular: FloatImage
    rest: FloatImage
    shade: FloatImage
    edge: FloatImage
    radius: float


def _plates(
    crop: FloatImage, before: Array, eye: Eye, source: Box, width: float, softness: float, iris_seen: tuple[Array, float]
) -> _Plates:  # fmt: skip
    aperture = polygon(before[list(eye.contour)], source)
    middle, radius = iris_seen
    centre = middle - [source.x0, source.y0]
    x, y = np.meshgrid(np.arange(source.width, dtype=np.float32), np.arange(source.height, dtype=np.float32))
    size = 2 * max(1, round(0.025 * width)) + 1
    inner = cv2.erode((aperture > 0.95).astype(np.uint8), np.ones((size, size), np.uint8)) > 0
    away = np.asarray(np.hypot(x - centre[0], y - centre[1]), np.float32)
    radius = _limbus(crop, inner, away, np.abs(x - centre[0]) > 0.6 * away, max(radius, 1.0))
    rho = np.asarray(away / radius, np.float32)
    blur = softness / radius
    dusk = _dusk(before, eye, source, width) * _light(crop, rho, aperture, width)
    white = _white(crop, inner & (rho > 1.18 + 0.5 * blur), aperture, dusk, width)
    iris, specular = _iris(crop, inner, rho, width)
    low, high = LIMBUS[0] - 0.6 * blur, LIMBUS[1] + 0.8 * blur
    reach = rho.astype(np.float64)
    cover = (1 - step(low, high, reach)).astype(np.float32)
    whole = white * (1 - cover[..., None]) + iris * cover[..., None] + specular[..., None]
    kept = np.asarray(cv2.erode(aperture, np.ones((3, 3), np.uint8)), np.float32)
    near = 1 - _inside(aperture, NEAR_LIDS * width)[..., None]
    shade = 1 + near * (np.clip((crop + GREY) / (np.maximum(whole, 0) + GREY), 0.35, 1.25) - 1)
    edge = np.asarray(step(0.85, 1.0, reach) * (1 - step(1.25 + blur, 1.5 + blur, reach)), np.float32)
    missed = crop - whole * shade
    # just outside the lids only what is lighter: their lashes would stay behind when they open
    far = 2 * max(1, round(BESIDE_LIDS * width)) + 1
    beside = np.asarray(cv2.dilate(aperture, np.ones((far, far), np.uint8)), np.float32)
    missed = missed * kept[..., None] + np.maximum(missed, 0) * (beside - kept)[..., None]
    rest = _carried_on(np.asarray(missed, np.float32), beside, width)
    return _Plates(white, iris, cover, specular, rest, np.asarray(shade, np.float32), edge, radius)


def _carried_on(rest: FloatImage, known: FloatImage, width: float) -> FloatImage:
    """What plates miss of an eye, (h, w, RGB), carried on beyond the lids, where it was not seen: lids that open show it."""
    sigma = max(1.0, 0.04 * width)
    weight = cv2.GaussianBlur(known, (0, 0), sigma)[..., None]
    beyond = cv2.GaussianBlur(rest, (0, 0), sigma) / np.maximum(weight, 1e-3)
    return np.asarray(rest + (1 - known[..., None]) * beyond * np.clip(30 * weight, 0, 1), np.float32)


def _inside(aperture: FloatImage, reach: float) -> FloatImage:
    """0 at the lids to 1 so many pixels inside them, smooth."""
    deep = cv2.distanceTransform((aperture > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(step(0.0, max(min(reach, 0.5 * float(deep.max())), 1.0), deep.astype(np.float64)), np.float32)


def _dusk(before: Array, eye: Eye, source: Box, width: float) -> FloatImage:
    """How much light the lids leave the white, (h, w): less below the upper lid and in the corners."""
    x, y = np.meshgrid(np.arange(source.width) + source.x0, np.arange(source.height) + source.y0)
    upper, lower = before[list(eye.upper), :2], before[list(eye.lower), :2]
    order = np.argsort(upper[:, 0])
    under = (y - np.interp(x, upper[order, 0], upper[order, 1])) / width
    order = np.argsort(lower[:, 0])
    over = (np.interp(x, lower[order, 0], lower[order, 1]) - y) / width
    a, b = before[eye.upper[0], :2], before[eye.upper[-1], :2]
    along = ((x - a[0]) * (b[0] - a[0]) + (y - a[1]) * (b[1] - a[1])) / max(width * width, 1e-6)
    corners = step(0.0, 0.3, np.minimum(along, 1 - along))
    # beyond the filmed lids, which may open, it is no darker than at them
    lids = step(-0.06, 0.16, np.maximum(under, 0)) * (0.75 + 0.25 * step(-0.04, 0.08, np.maximum(over, 0)))
    return np.asarray((1 - DUSK) + DUSK * lids * (0.5 + 0.5 * corners), np.float32)


def _light(crop: FloatImage, rho: FloatImage, aperture: FloatImage, width: float) -> FloatImage:
    """How lit each place of an eye is against its middle, (h, w): as lids and skin around it were filmed.

    What an iris uncovers is in the shade or the light that lies there, not in that of the white that showed elsewhere.
    """
    level = crop @ np.array([0.299, 0.587, 0.114], np.float32) + GREY
    beside = np.asarray(step(1.1, 1.3, rho.astype(np.float64)), np.float32) + 0.02
    sigma = max(1.0, SPREAD * width)
    lit = cv2.GaussianBlur(level * beside, (0, 0), sigma) / cv2.GaussianBlur(beside, (0, 0), sigma)
    inside = lit[aperture > 0.5]
    usual = float(np.median(inside)) if inside.size else float(np.median(lit))
    return np.asarray(np.clip(lit / usual, *UNEVEN), np.float32)


def _limbus(
    crop: FloatImage, inner: NDArray[np.bool_], away: FloatImage, beside: NDArray[np.bool_], radius: float
) -> float:  # fmt: skip
    """The iris's radius in pixels: where white begins on either side of it, near the landmarks' own radius."""
    light = crop @ np.array([0.299, 0.587, 0.114], np.float32)
    seen = inner & beside
    rings = np.round(away / radius * 12).astype(np.intp)
    levels = np.array(
        [light[seen & (rings == k)].mean() if (seen & (rings == k)).sum() > 2 else np.nan for k in range(26)]
    )
    if np.isfinite(levels).sum() < 8:
        return radius
    white = 0.8 * np.nanpercentile(levels, 80)
    best, least = 1.0, 12.0
    for k in range(10, 20):
        beyond = np.mean(levels[k + 1 : k + 4])
        rise = (beyond - np.mean(levels[k - 3 : k])) * np.exp(-(((k / 12 - 1) / 0.45) ** 2))
        if beyond > white and rise > least:
            best, least = k / 12, rise
    return radius * best


def _white(
    crop: FloatImage, seen: NDArray[np.bool_], aperture: FloatImage, dusk: FloatImage, width: float
) -> FloatImage:  # fmt: skip
    """The white of the eye everywhere: as filmed where it shows, a smooth fit of it in the lids' shade elsewhere."""
    height, columns = aperture.shape
    u = (np.arange(columns) - columns / 2) / width
    v = (np.arange(height) - height / 2) / width
    u, v = np.meshgrid(u, v)
    terms = np.stack([np.ones_like(u), u, u * u, v], -1)
    if seen.sum() > 25:
        samples, colours = terms[seen], crop[seen].astype(np.float64) / dusk[seen][:, None]
        bright = colours.mean(1)
        low, middle = np.percentile(bright, (20, 50))
        weight = step(low, max(middle, low + 1), bright) + 0.15
        ridge = 1e-2 * len(samples) * np.diag([0, 0.02, 0.3, 0.05])
        weighted = samples * weight[:, None]
        solved = np.linalg.solve(weighted.T @ samples + ridge, weighted.T @ bright)
        levels = np.clip(terms @ solved, np.percentile(bright, 30), np.percentile(bright, 90)) * dusk
        levels = np.minimum(levels, np.percentile(crop[seen].mean(1), 97))  # no brighter than it shows anywhere
        colour = np.average(colours, axis=0, weights=weight - 0.13)  # one for all of it: colours fitted apart would run apart
        fit = levels[..., None] * colour / max(float(colour.mean()), 1e-3)
    else:
        inside = crop[aperture > 0.5] if (aperture > 0.5).sum() > 5 else crop.reshape(-1, 3)
        fit = np.ones_like(crop) * np.percentile(inside, 85, 0) * 0.95 * dusk[..., None]
    known = _softened(seen, width)
    return np.asarray(crop * known + fit * (1 - known), np.float32)


def _softened(seen: NDArray[np.bool_], width: float) -> FloatImage:
    """A mask that fades inwards from its edge, (h, w, 1)."""
    blurred = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), max(0.7, 0.02 * width))
    return np.asarray(np.where(seen, np.clip(blurred * 1.6 - 0.5, 0, 1), 0)[..., None], np.float32)


def _iris(crop: FloatImage, inner: NDArray[np.bool_], rho: FloatImage, width: float) -> tuple[FloatImage, FloatImage]:
    """The whole iris: as filmed where it shows, its radial colours elsewhere; and its highlights, (h, w)."""
    seen = inner & (rho < 1.1)
    rings = np.clip((rho * 20).astype(np.intp), 0, 23)
    profile = np.zeros((24, 3), np.float32)
    last = np.percentile(crop[seen], 10, 0) if seen.any() else crop.min((0, 1))
    for k in range(24):
        here = seen & (rings == k)
        last = np.median(crop[here], 0) if here.sum() > 2 else last
        profile[k] = last
    profile = np.asarray(cv2.GaussianBlur(profile.reshape(24, 1, 3), (1, 5), 1), np.float32).reshape(24, 3)
    at = np.minimum(rho, 1.15) * 20
    radial = np.stack([np.interp(at, np.arange(24) + 0.5, profile[:, c]) for c in range(3)], -1)
    glint = np.where(seen & (rho < 1), np.maximum(np.minimum.reduce(cv2.split(crop - radial)) - 18, 0), 0).astype(
        np.float32
    )
    glint = np.asarray(cv2.GaussianBlur(glint, (0, 0), 0.5), np.float32)
    known = _softened(seen, width)
    iris = (crop - glint[..., None]) * known + radial * (1 - known)
    return np.asarray(iris, np.float32), np.asarray(glint, np.float32)


@dataclass(frozen=True)
class _Lids:
    """How lids move, over a filmed eye's own crop, (h, w): ``rise`` in pixels, how far above each place what lay as near to
    them was filmed; ``dim`` how much of its light a place keeps."""

    rise: FloatImage
    dim: FloatImage

    @staticmethod
    def between(before: Array, after: Array, made: EyeChange, source: Box) -> _Lids:
        """From filmed and new landmarks (≥ 478, 3)."""
        back = cv2.invertAffineTransform(made.there)
        moved = before.copy()
        moved[:, :2] = after[:, :2] @ back[:, :2].T + back[:, 2]
        y = (np.arange(source.height) + source.y0)[:, None]
        (top, bottom), (upper, lower) = (_lines(points, made.eye, source) for points in (moved, before))
        down = np.clip((y - top) / np.maximum(bottom - top, 1.0), 0, 1)
        rise = (1 - down) * (top - upper) + down * (bottom - lower)
        was, is_now = (_dusk(points, made.eye, source, made.width) for points in (before, moved))
        return _Lids(rise.astype(np.float32), np.minimum(is_now / was, 1).astype(np.float32))

    def carried(self, image: FloatImage) -> FloatImage:
        """What lies along the lids goes with them, (h, w, C)."""
        if np.abs(self.rise).max() < LEAST_GAZE:
            return image
        x, y = np.meshgrid(np.arange(image.shape[1], dtype=np.float32), np.arange(image.shape[0], dtype=np.float32))
        return np.asarray(cv2.remap(image, x, y - self.rise, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _lines(points: Array, eye: Eye, source: Box) -> tuple[Array, Array]:
    """The heights of both lids over the columns of a box, (w,) each."""
    x = np.arange(source.width) + source.x0
    found = []
    for line in (eye.upper, eye.lower):
        at = points[list(line), :2]
        order = np.argsort(at[:, 0])
        found.append(np.interp(x, at[order, 0], at[order, 1]))
    return found[0], found[1]


def _ball(plates: _Plates, made: EyeChange, source: Box, part: Box, lids: _Lids) -> FloatImage:
    """The eyeball with its iris moved, drawn into a box of the new picture, (h, w, RGB)."""
    gaze = made.gaze
    cover = _shifted(plates.cover, gaze, 0)[..., None]
    ball = plates.white * (1 - cover) + _shifted(plates.iris, gaze) * cover
    ball = ball * lids.carried(plates.shade) * lids.dim[..., None]
    own = plates.cover[..., None]
    gone = float(np.clip(np.hypot(*gaze) / (0.2 * plates.radius), 0, 1))  # an iris that leaves takes its rim along
    rest = plates.rest - gone * plates.edge[..., None] * np.minimum(plates.rest, 0)  # rims are dark
    ball = ball + _shifted(plates.rest * own, gaze, 0) + rest * (1 - own) * (1 - cover)
    ball = ball + _shifted(plates.specular, SPECULAR * gaze, 0)[..., None]
    there = made.there.copy()
    there[:, 2] += there[:, :2] @ [source.x0, source.y0] - [part.x0, part.y0]
    drawn = cv2.warpAffine(
        ball.astype(np.float32),
        there,
        (part.width, part.height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(np.clip(drawn, 0, 255), np.float32)


def _shifted(image: FloatImage, by: Array, border: float | None = None) -> FloatImage:
    """An image moved by some pixels; what comes in is ``border``, or the edge again."""
    size = image.shape[1], image.shape[0]
    mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float64)
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=mode), np.float32)


def _close(
    canvas: Canvas, crop: FloatImage, source: Box, moved: FloatImage, part: Box, made: EyeChange,
    before: Array, after: Array,
) -> None:  # fmt: skip
    """Lay lid skin over what the lid hides, and lashes along its new edge."""
    eye, width = made.eye, made.width
    rows = slice(part.y0 - canvas.box.y0, part.y1 - canvas.box.y0)
    columns = slice(part.x0 - canvas.box.x0, part.x1 - canvas.box.x0)
    base, lid, crease = moved[rows, columns], after[list(eye.upper)], after[list(eye.crease)]
    top = crease + (after[list(eye.brow_side)] - crease) * 0.18
    low = after[list(eye.lower)]
    outline = np.vstack([lid[:1], top, lid[-1:], (0.5 * low + 0.5 * lid)[::-1][1:-1]])
    shape = polygon(outline, part)
    skin = _skin(base, shape, width) + _grain(crop, before, eye, source, part, width)
    amount = float(step(0.1, 0.85, np.array(made.closing)))
    alpha = cv2.GaussianBlur(shape, (0, 0), max(0.8, 0.035 * width)) * (0.9 * amount)
    canvas.put(part, np.asarray(skin, np.float32), np.asarray(alpha, np.float32))
    along = (np.arange(len(lid) - 1) + 0.5) / (len(lid) - 1)
    widths = LASH * width * np.sin(np.pi * (0.12 + 0.8 * along)) ** 0.6
    lashes = stroke(lid, widths, part, max(0.6, 0.014 * width))
    edge = before[list(eye.upper[1:-1]), :2] - [source.x0, source.y0]
    at = np.clip(edge.astype(np.intp), 0, [source.width - 1, source.height - 1])
    # lashes are never lighter than half the skin, however fair: a closed eye without its line looks unfinished
    dark = np.minimum(np.percentile(crop[at[:, 1], at[:, 0]], 10, axis=0), 0.5 * np.median(crop, axis=(0, 1)))
    colour = np.broadcast_to(dark, (part.height, part.width, 3)).astype(np.float32)
    canvas.put(part, colour, np.asarray(lashes * 0.8 * float(step(0.0, 0.6, np.array(made.closing))), np.float32))


def _skin(base: FloatImage, shape: FloatImage, width: float) -> FloatImage:
    """Skin filled into a shape from around it, coarse to fine, a little lighter on the bulge of the lid."""
    hidden = cv2.dilate((shape > 0.3).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    known = (~hidden).astype(np.float32)
    seen = base * known[..., None]
    filled: NDArray[Any] | None = None
    for reach in (0.4, 0.2, 0.1, 0.05):
        sigma = max(0.8, reach * width)
        weight = soft(known, sigma)
        level = soft(seen, sigma) / np.maximum(weight, 1e-4)[..., None]
        trust = np.clip(weight * 6, 0, 1)[..., None]
        filled = level if filled is None else filled * (1 - trust) + level * trust
    assert filled is not None
    filled = np.where(hidden[..., None], filled, base)
    filled = cv2.GaussianBlur(filled.astype(np.float32), (0, 0), max(0.7, 0.03 * width))
    bulge = cv2.GaussianBlur(shape, (0, 0), max(0.8, 0.06 * width))[..., None]
    return np.asarray(filled * (0.97 + 0.05 * bulge), np.float32)


def _grain(crop: FloatImage, before: Array, eye: Eye, source: Box, part: Box, width: float) -> FloatImage:
    """The fine texture of the skin under the eye, mirrored up over a box, so that the lid is not smooth plastic."""
    fine = np.clip(crop - cv2.GaussianBlur(crop, (0, 0), 1.5), -7, 7)
    start = int(np.clip(before[list(eye.lower), 1].max() - source.y0 + 0.12 * width, 0, source.height - 1))
    strip = fine[start:]
    if len(strip) < 4:
        return np.zeros((part.height, part.width, 3), np.float32)
    tile = np.vstack([strip, strip[::-1]])
    tile = np.hstack([tile, tile[:, ::-1]])
    repeat = (-(-part.height // tile.shape[0]), -(-part.width // tile.shape[1]), 1)
    return np.asarray(0.8 * np.tile(tile, repeat)[: part.height, : part.width], np.float32)
