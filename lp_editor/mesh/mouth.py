"""Draws what an opening mouth shows: the filmed inside, hung on both lips, or teeth, tongue and dark painted for it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lp_editor.engine import FloatImage
from lp_editor.face import Box
from lp_editor.faces import canonical as mesh
from lp_editor.mesh.bases import Array
from lp_editor.mesh.borrowed import Lent
from lp_editor.mesh.layers import Canvas, around, luma, polygon, stroke, swatches

UPPER, LOWER = list(mesh.INNER_LIPS_UPPER), list(mesh.INNER_LIPS_LOWER)

LEAST_GAP, LEAST_CHANGE = 0.006, 0.003
"""A mouth less open than this, or changed by less, is left to the field; in face widths."""

TEETH = 0.135
"""Height of the upper teeth, in mouth widths (mesh_engine notes, 9)."""

TEETH_SHOW = 0.9
"""Painted teeth come as the mouth opens past .025 face widths: in lips just parted they look pasted on."""

SKIN = (50, 280, 205, 425, 4, 195)
LIPS = ((17, 14), (0, 13), (84, 87), (314, 317), (37, 82), (267, 312))
"""Landmarks that the skin's colour is read at, and pairs between which the lips' is."""


SKULL = (168, 6, 197, 195, 5, 4, 2, 98, 327, 129, 358, 133, 362, 33, 263, 127, 356, 234, 454)
"""Landmarks that go with the skull, upper teeth and all."""


@dataclass(frozen=True)
class Opening:
    """A mouth's inside as a frame of its own: for each pixel, how far along and down from the upper lip it lies."""

    along: FloatImage
    down: FloatImage
    upper: FloatImage
    lower: FloatImage
    length: float

    @property
    def height(self) -> FloatImage:
        """The opening at each pixel's place along the mouth."""
        return np.asarray(np.maximum(self.lower - self.upper, 0.5), np.float32)


def draw(
    canvas: Canvas, pixels: FloatImage, around_face: Box, before: Array, after: Array, face_width: float,
    lent: Lent | None,
) -> None:  # fmt: skip
    """Draw the mouth's inside over a canvas, if its opening changed; ``pixels`` (h, w, RGB) of ``around_face`` are as filmed."""
    was, now = (float(np.linalg.norm(p[13, :2] - p[14, :2])) / face_width for p in (before, after))
    part = around(after[list(mesh.INNER_LIPS)], 0.05 * face_width, canvas.box)
    if part is None or abs(now - was) < LEAST_CHANGE:
        return
    palette = _palette(pixels, around_face, before)
    _seal(
        canvas,
        part,
        after,
        palette,
        float(np.clip((was - now) / 0.02, 0, 1) * np.clip(2 - now / LEAST_GAP, 0, 1)),
        face_width,
    )
    if now < LEAST_GAP:
        return
    opening = _opening(after, part)
    inside = _painted(opening, palette, now, before, face_width)
    if lent is not None:
        over = _overlaid(part, after, lent.points)
        borrowed = _filmed(opening, lent.pixels, lent.box, lent.points, inside, palette, face_width / lent.width, over)
        shade = _shade(opening, now, face_width)[..., None]
        inside = borrowed * shade * lent.trust + inside * (1 - lent.trust)
    real = float(np.clip((was - 0.012) / 0.02, 0, 1))
    if real > 0:
        filmed = _filmed(opening, pixels, around_face, before, inside, palette)
        inside = filmed * real + inside * (1 - real)
    shape = polygon(after[list(mesh.INNER_LIPS)], part, max(0.6, 0.006 * face_width))
    come = np.clip(abs(now - was) / (0.010 if was < 0.01 else 0.02), 0, 1)
    canvas.put(part, np.clip(inside, 0, 255).astype(np.float32), np.asarray(shape * come, np.float32))


def _seal(canvas: Canvas, part: Box, after: Array, palette: _Palette, closed: float, face_width: float) -> None:
    """Draw the line where lips that were open meet, over what teeth the field leaves between them."""
    if closed <= 0:
        return
    line = (after[UPPER, :2] + after[LOWER, :2]) / 2
    along = (np.arange(len(line) - 1) + 0.5) / (len(line) - 1)
    widths = 0.020 * face_width * np.sin(np.pi * (0.1 + 0.8 * along))
    shape = stroke(line, widths, part, max(0.6, 0.005 * face_width))
    thin = stroke(line, widths * 0.35, part, max(0.5, 0.003 * face_width))
    colour = palette.lip * (1 - 0.45 * thin[..., None])
    canvas.put(part, np.asarray(colour, np.float32), np.asarray(shape * closed * 0.9, np.float32))


def _axes(points: Array) -> tuple[Array, Array, Array, float]:
    """The mouth's corner, its direction from corner to corner, the one down, and its length."""
    a, b = points[UPPER[0], :2], points[UPPER[-1], :2]
    length = max(float(np.linalg.norm(b - a)), 1e-3)
    along = (b - a) / length
    return a, along, np.array([-along[1], along[0]]), length


def _line(points: Array, indices: list[int], x: FloatImage, axes: tuple[Array, Array, Array, float]) -> FloatImage:
    """How far down a lip's line lies at some places along the mouth: a smooth curve, so that what hangs on it is calm."""
    corner, along, down, length = axes
    off = points[indices, :2] - corner
    curve = np.polynomial.Polynomial.fit(off @ along, off @ down, 4, domain=[0, length])
    return np.asarray(curve(np.clip(x, 0, length)), np.float32)


def _opening(points: Array, part: Box) -> Opening:
    axes = _axes(points)
    corner, along, down, length = axes
    x, y = np.meshgrid(np.arange(part.x0, part.x1, dtype=np.float32), np.arange(part.y0, part.y1, dtype=np.float32))
    u = ((x - corner[0]) * along[0] + (y - corner[1]) * along[1]).astype(np.float32)
    v = ((x - corner[0]) * down[0] + (y - corner[1]) * down[1]).astype(np.float32)
    return Opening(u, v, _line(points, UPPER, u, axes), _line(points, LOWER, u, axes), length)


@dataclass(frozen=True)
class _Palette:
    """Colours of this person in this light, (RGB,)."""

    lip: FloatImage
    dark: FloatImage
    tongue: FloatImage
    teeth: FloatImage


def _palette(pixels: FloatImage, box: Box, before: Array) -> _Palette:
    """Tones of the mouth from lips and skin; grey in black-and-white footage."""
    middles = np.stack([(before[a] + before[b]) / 2 for a, b in LIPS])
    width = float(np.linalg.norm(before[234, :2] - before[454, :2]))
    lip = np.median(swatches(pixels, box, middles, 0.008 * width), 0)
    samples = swatches(pixels, box, before[list(SKIN)], 0.03 * width)
    skin = samples.mean(0)
    light = luma(skin)
    chroma = float(np.clip((samples.max(1) - samples.min(1)).mean() / (0.18 * max(light, 1)), 0, 1))

    def toned(colour: FloatImage) -> FloatImage:
        return np.asarray(colour * chroma + luma(colour) * (1 - chroma), np.float32)

    dark = toned(lip * np.array([0.30, 0.18, 0.20], np.float32))
    tongue = toned(np.minimum(lip * np.array([0.86, 0.72, 0.80], np.float32), skin))
    white = np.array([1.0, 0.97, 0.90], np.float32) * min(light * 1.16 + 14, 240) * 0.86 + skin * 0.147
    return _Palette(lip, dark, tongue, toned(white.astype(np.float32)) * 0.92)


def _painted(opening: Opening, palette: _Palette, now: float, before: Array, face_width: float) -> FloatImage:
    """A mouth's inside painted: dark at the corners, a tongue from below, upper teeth hung on the upper lip."""
    height = opening.height
    side = np.clip(opening.along / max(opening.length, 1), 0, 1) * 2 - 1
    down = opening.down - opening.upper
    part_down = np.clip(down / height, 0, 1)
    room = np.clip((now - 0.03) / 0.09, 0, 1)
    tongue = np.clip(1 - (side / 0.78) ** 2, 0, 1) ** 0.5 * np.clip((part_down - 0.40) / 0.42, 0, 1) * room * 0.85
    inside = palette.dark * (1 - tongue[..., None]) + palette.tongue * tongue[..., None]
    inside = inside * (0.65 + 0.35 * np.clip(1 - np.abs(side) ** 4, 0, 1))[..., None]
    width = float(np.linalg.norm(before[78, :2] - before[308, :2]))
    inside = _with_teeth(inside, palette, side, down, height, now, width, opening)
    shade = np.clip(
        np.minimum(down / max(1, 0.035 * width), (opening.lower - opening.down) / max(1, 0.05 * width)), 0, 1
    )
    inside = inside * (0.5 + 0.5 * shade)[..., None]
    return np.asarray(cv2.GaussianBlur(inside.astype(np.float32), (0, 0), max(0.55, 0.0055 * face_width)), np.float32)


def _with_teeth(
    inside: FloatImage, palette: _Palette, side: FloatImage, down: FloatImage, height: FloatImage, now: float,
    width: float, opening: Opening,
) -> FloatImage:  # fmt: skip
    """Upper teeth over a painted inside, lit in the middle, with faint gaps."""
    tall = np.minimum(TEETH * width * np.clip(0.25 + now / 0.06, 0, 1), 0.50 * height)
    edge = tall * (1 - 0.38 * side**2)
    there = np.clip((edge - down) / max(1, 0.018 * width) + 0.5, 0, 1)
    there = there * np.clip((0.86 - np.abs(side)) / 0.12, 0, 1) * TEETH_SHOW * np.clip((now - 0.025) / 0.04, 0, 1)
    each = (opening.along - opening.length / 2) / max(0.155 * width, 1)
    gaps = np.exp(-(((each - np.round(each)) / 0.055) ** 2)) * np.clip(down / np.maximum(edge, 1) * 1.3, 0, 1)
    light = (1 - 0.14 * gaps) * (1 - 0.55 * np.abs(side) ** 2.2)
    light = light * (0.72 + 0.28 * np.clip(down / np.maximum(0.35 * tall, 1), 0, 1))
    teeth = palette.teeth * light[..., None]
    return np.asarray(inside * (1 - there[..., None]) + teeth * there[..., None], np.float32)


def _filmed(
    opening: Opening, pixels: FloatImage, box: Box, before: Array, painted: FloatImage, palette: _Palette,
    larger: float = 1.0, skull: _Overlay | None = None,
) -> FloatImage:  # fmt: skip
    """The filmed inside: its upper half hung on the upper lip, its lower half on the lower one.

    ``larger`` is how much larger the face is than where ``pixels`` and ``before`` come from. With ``skull`` the upper half
    keeps its shape and its place in the head from side to side: teeth neither swim nor bend with the lips.

    Where the mouth opens much wider than filmed (or, if teeth fill the filmed inside, any wider), the lower copy would
    repeat the teeth, so paint takes its place.
    """
    axes = _axes(before)
    corner, along, down, length = axes
    u = np.clip(opening.along / max(opening.length, 1), 0, 1) * length
    if skull is not None:
        off = skull.x - corner[0], skull.y - corner[1]
        u = np.clip(off[0] * along[0] + off[1] * along[1], 0.03 * length, 0.97 * length).astype(np.float32)
    upper, lower = _line(before, UPPER, u, axes), _line(before, LOWER, u, axes)
    upper, lower = upper * larger, lower * larger
    was = np.maximum(lower - upper, 0.5)
    height = opening.height

    def sample(depth: FloatImage) -> FloatImage:
        x = corner[0] + u * along[0] + depth / larger * down[0] - box.x0
        y = corner[1] + u * along[1] + depth / larger * down[1] - box.y0
        return np.asarray(
            cv2.remap(
                pixels, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            ),
            np.float32,
        )

    from_top = np.clip(opening.down - opening.upper, 0, None)
    place = np.clip(from_top / height, 0, 1)
    if skull is not None:
        lip = (skull.lip - corner) @ np.stack([along, down], 1)  # along and down, there
        edge = lip[:, 1] * larger - _line(before, UPPER, np.asarray(lip[:, 0], np.float32), axes) * larger
        from_top = np.clip((off[0] * down[0] + off[1] * down[1]) * larger - upper - 0.8 * edge.mean(), 0, None)
    from_bottom = np.clip(opening.lower - opening.down, 0, None)
    hung = sample(np.minimum(upper + from_top, lower - 0.22 * was))
    stood = sample(np.maximum(lower - from_bottom, upper + 0.15 * was))
    toothy = _toothy(sample(upper + 0.3 * was), sample(lower - 0.25 * was), opening)
    stays = np.clip((1.7 - 0.5 * toothy - np.clip(height / was, 1, 3)) / (0.5 - 0.3 * toothy), 0, 1)[..., None]
    meet = np.clip((place - 0.5) / 0.16 + 0.5, 0, 1)[..., None]
    ends = np.clip((from_top - 0.62 * was) / np.maximum(0.25 * was, 1) + 0.5, 0, 1)[..., None]
    both = (hung * (1 - meet) + stood * meet) * stays + (hung * (1 - ends) + painted * ends) * (1 - stays)
    extra = np.clip((height - was) / np.maximum(height, 1), 0, 1) * stays[..., 0]
    deeper = (np.exp(-(((place - 0.55) / 0.22) ** 2)) * extra * 0.6)[..., None]
    return np.asarray(both * (1 - deeper) + palette.dark * deeper, np.float32)


def _shade(opening: Opening, now: float, face_width: float) -> FloatImage:
    """How much light reaches an inside from elsewhere, (h, w): less under the lips, less in a mouth that is hardly open."""
    under = np.clip((opening.down - opening.upper) / (0.035 * face_width), 0, 1)
    over = np.clip((opening.lower - opening.down) / (0.025 * face_width), 0, 1)
    open_wide = float(np.clip(now / 0.12, 0, 1))
    return np.asarray((0.62 + 0.38 * under) * (0.75 + 0.25 * over) * (0.8 + 0.2 * open_wide), np.float32)


@dataclass(frozen=True)
class _Overlay:
    """Where a mouth's inside lies in another frame when the two heads are laid over each other.

    ``x``, ``y`` (h, w): each pixel's place there; ``lip`` (5, 2): that of the middle of the upper lip's edge.
    """

    x: FloatImage
    y: FloatImage
    lip: Array


def _overlaid(part: Box, here: Array, there: Array) -> _Overlay:
    a, b = here[list(SKULL), :2], there[list(SKULL), :2]
    from_mean, to_mean = a.mean(0), b.mean(0)
    p, q = (a - from_mean) @ [1, 1j], (b - to_mean) @ [1, 1j]
    turn = complex(np.vdot(p, q) / max(float(np.vdot(p, p).real), 1e-6))
    x = np.arange(part.x0, part.x1, dtype=np.float32)[None, :] - np.float32(from_mean[0])
    y = np.arange(part.y0, part.y1, dtype=np.float32)[:, None] - np.float32(from_mean[1])
    lip = turn * ((here[UPPER[3:8], :2] - from_mean) @ [1, 1j])
    return _Overlay(
        np.asarray(turn.real * x - turn.imag * y + to_mean[0], np.float32),
        np.asarray(turn.imag * x + turn.real * y + to_mean[1], np.float32),
        np.stack([lip.real, lip.imag], 1) + to_mean,
    )


def _toothy(high: FloatImage, low: FloatImage, opening: Opening) -> float:
    """Whether the lower part of an inside shows teeth as the upper does, 0..1: both as bright in the mouth's middle."""
    middle = np.abs(opening.along / max(opening.length, 1) - 0.5) < 0.25
    if not middle.any():
        return 0.0
    bright = luma(low[middle].mean(0)) / max(luma(high[middle].mean(0)), 1.0)
    return float(np.clip((bright - 0.55) / 0.25, 0, 1))
