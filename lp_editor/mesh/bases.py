"""How each control moves the landmarks: displacement bases, made once from measured ones by a table of recipes.

``displacements.npz`` holds, for 51 blendshapes, the mean displacement of 478 landmarks in centimetres of the head's
frame at full strength, regressed from 1602 frames of real video (mesh_engine notes, 3; R² lips .93, eyes .83).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lp_editor.faces import canonical as mesh
from lp_editor.faces.canonical import canonical_face

Array = NDArray[np.float64]
Window = Literal["mouth", "lower", "brow_inner", "brow_outer", "eye"]


GAZE = np.array([0.30, -0.24, 0.0])
"""How far an iris goes at 1, in eye widths: to the side, and (y is down) up (mesh_engine notes, 7)."""

FAINT = (0.03, 0.08)
"""Landmarks that move by less than the first part of what the basis moves most stay; so a mouth's edit costs a mouth."""


@dataclass(frozen=True)
class Recipe:
    """A basis as a weighted sum of measured ones, in a window of the face.

    ``{}`` in a name takes the side. ``sealed`` takes lip parting out, ``sideways`` scales the
    moves along x.
    """

    parts: Mapping[str, float]
    window: Window
    sealed: bool = False
    sideways: float = 1.0


def _both(name: str, weight: float) -> dict[str, float]:
    return {f"{name}Left": weight, f"{name}Right": weight}


PER_SIDE: Mapping[str, Recipe] = {
    "smile": Recipe({"mouthSmile{}": 1.05, "mouthDimple{}": 0.35, "mouthUpperUp{}": 0.1}, "mouth", True),
    "frown": Recipe({"mouthSmile{}": -0.5, "mouthFrown{}": 1.2, "mouthShrugLower": 0.125}, "mouth", True),
    "brow_inner": Recipe({"browInnerUp": 1.2}, "brow_inner"),
    "brow_outer": Recipe({"browOuterUp{}": 0.95}, "brow_outer"),
    "squint": Recipe({"eyeSquint{}": 1.0}, "eye"),
}
"""What a positive value of each two-sided control does."""

PER_SIDE_NEGATIVE: Mapping[str, Recipe] = {
    "brow_inner": Recipe({"browDown{}": 1.9}, "brow_inner", sideways=0.5),
    "brow_outer": Recipe({"browDown{}": 1.4}, "brow_outer", sideways=0.5),
}
"""What a negative value does, where it is not just the opposite."""

WHOLE: Mapping[str, Recipe] = {
    "mouth_open": Recipe({"jawOpen": 1.0}, "lower"),
    "funnel": Recipe({"mouthFunnel": 1.0, "mouthPucker": 0.6}, "lower"),
    "pucker": Recipe({"mouthPucker": 1.4, "mouthFunnel": 0.3}, "mouth", True),
    "press": Recipe(_both("mouthPress", 0.6), "mouth", True),
    "stretch": Recipe(_both("mouthStretch", 0.8), "mouth", True),
    "lip_tuck": Recipe({"mouthRollLower": 1.5}, "mouth"),
    "mouth_x": Recipe({"mouthLeft": 0.4, "mouthRight": -0.4}, "mouth"),
    "mouth_y": Recipe({"mouthShrugLower": 0.8, "mouthShrugUpper": 0.8}, "mouth", True),
}

BUMPS: Mapping[str, tuple[tuple[int, float, float, float], ...]] = {
    "cheek": ((280, 1.8, 0.05, -0.38), (425, 1.6, 0.05, -0.22), (346, 1.0, 0.0, -0.18)),
    "sneer": ((358, 1.0, 0.08, -0.42), (327, 0.9, 0.02, -0.25), (391, 1.0, 0.0, -0.20)),
}
"""Two-sided controls that the measured video hardly shows, by hand: left landmark, radius, and move (x, y), all cm."""


@dataclass(frozen=True)
class Bases:
    """``positive`` and ``negative`` map controls to displacements, (478, 3) cm, at 1 and at −1."""

    positive: Mapping[str, Array]
    negative: Mapping[str, Array]
    blink: Mapping[str, Array]
    """The measured motion of the skin around each eye as it closes, by side."""
    fingerprint: str


def step(low: float, high: float, x: Array) -> Array:
    """A smooth step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


@cache
def rest_points() -> Array:
    """The canonical landmarks, (478, 3) cm, irises in the middle of their eyes."""
    shape = canonical_face().vertices
    eyes = [shape[list(eye)].mean(0) for eye in (mesh.RIGHT_EYE, mesh.LEFT_EYE)]
    return np.vstack([shape, np.repeat(eyes, 5, axis=0)])


@cache
def _stored() -> tuple[tuple[str, ...], Array, str]:
    """The names of the measured displacements, (B, 478, 3) cm of them, and a hash of the file."""
    content = (resources.files("lp_editor.mesh") / "displacements.npz").read_bytes()
    with np.load(io.BytesIO(content)) as stored:
        names = tuple(str(n) for n in stored["names"])
        return names, stored["displacements"].astype(np.float64), blake2b(content, digest_size=8).hexdigest()


def measured_names() -> tuple[str, ...]:
    """The blendshapes whose displacements were measured."""
    return _stored()[0]


@cache
def measured() -> Array:
    """The mean displacement of every landmark at full strength of each of `measured_names`, (B, 478, 3) cm.

    People blink with both eyes, so that the regression gave half of each blink to the other eye: here each closes its own.
    """
    names, displacements, _ = _stored()
    out = displacements.copy()
    both = displacements[names.index("eyeBlinkLeft")] + displacements[names.index("eyeBlinkRight")]
    for own, other in (("Left", "Right"), ("Right", "Left")):
        blink, here, there = names.index(f"eyeBlink{own}"), eye_window(own)[:, None], eye_window(other)[:, None]
        out[blink] = displacements[blink] * (1 - here) * (1 - there) + both * here
    out.flags.writeable = False
    return out


def _windows(side: str) -> dict[str, Array]:
    """Weights of every landmark in each window, (478,); of the two-sided ones, for one side."""
    x, y = rest_points()[:, 0], rest_points()[:, 1]
    half = step(-1.2, 1.2, x if side == "Left" else -x)
    brow = 1 - step(-3.2, -2.2, y)
    lower = step(-1.0, 1.2, y) * (1 - step(5.0, 6.8, np.abs(x)))
    inner, outer = 1 - step(2.6, 5.6, np.abs(x)), step(1.6, 4.0, np.abs(x)) * (1 - 0.2 * step(4.0, 6.0, np.abs(x)))
    return {
        "lower": lower,
        "mouth": lower * (1 - step(0.85, 1.15, np.hypot(x / 5.5, np.maximum(y - 3.9, 0) / 3.6))),
        "brow_inner": brow * half * inner,
        "brow_outer": brow * half * outer,
        "eye": eye_window(side),
    }


def eye_window(side: str) -> Array:
    """An ellipse of 3 x 2.2 cm around an eye (mesh_engine notes, 3), (478,)."""
    centre = rest_points()[list(mesh.LEFT_EYE if side == "Left" else mesh.RIGHT_EYE)].mean(0)
    off = (rest_points() - centre)[:, :2] / [3.0, 2.2]
    return 1 - step(0.65, 1.25, np.linalg.norm(off, axis=1))


@cache
def bases() -> Bases:
    """Every basis, made symmetric: the left and the right one are each other's mirror."""
    names, displacements, content = _stored()
    shapes = dict(zip(names, displacements, strict=True))
    positive: dict[str, Array] = {}
    negative: dict[str, Array] = {}
    for side in ("Left", "Right"):
        for table, out in ((PER_SIDE, positive), (PER_SIDE_NEGATIVE, negative)):
            for name, recipe in table.items():
                out[f"{name}_{side.lower()}"] = _cooked(recipe, shapes, side)
    for name, recipe in WHOLE.items():
        left, right = _cooked(recipe, shapes, "Left"), _cooked(recipe, shapes, "Right")
        positive[name] = (left + right) / 2
    for name, bumps in BUMPS.items():
        positive[f"{name}_left"] = _bumped(bumps)
        positive[f"{name}_right"] = positive[f"{name}_left"][canonical_face().mirror] * [-1, 1, 1]
    negative = {name: negative.get(name, -basis) for name, basis in positive.items()}
    blink = {side.lower(): _symmetric(shapes, {"eyeBlink{}": 1.0}, side) for side in ("Left", "Right")}
    return Bases(positive, negative, blink, content)


def _cooked(recipe: Recipe, shapes: Mapping[str, Array], side: str) -> Array:
    basis = _symmetric(shapes, recipe.parts, side)
    if recipe.sealed:
        basis = _sealed(basis)
    basis = basis * [recipe.sideways, 1, 1]
    basis = basis * _windows(side)[recipe.window][:, None]
    size = np.linalg.norm(basis, axis=1)
    return np.asarray(basis * step(*FAINT, size / size.max())[:, None])


def _bumped(bumps: tuple[tuple[int, float, float, float], ...]) -> Array:
    """Soft bumps around some landmarks."""
    rest = rest_points()
    out = np.zeros((478, 3))
    for landmark, radius, x, y in bumps:
        near = np.exp(-((np.linalg.norm((rest - rest[landmark])[:, :2], axis=1) / radius) ** 2))
        out += near[:, None] * [x, y, 0]
    out[468:] = 0
    return out


def _symmetric(shapes: Mapping[str, Array], parts: Mapping[str, float], side: str) -> Array:
    """A sum of measured displacements, averaged with the mirror image of its other side's."""
    other = "Right" if side == "Left" else "Left"
    mirror = canonical_face().mirror
    here = sum(weight * shapes[name.format(side)] for name, weight in parts.items())
    swapped = {_other_side(name.format(other), name): weight for name, weight in parts.items()}
    there = sum(weight * shapes[name] for name, weight in swapped.items())
    mirrored = np.asarray(there)[mirror] * [-1, 1, 1]
    return np.asarray((here + mirrored) / 2)


def _other_side(name: str, pattern: str) -> str:
    """A one-sided name's partner, where the pattern itself names a side or a direction."""
    if "{}" in pattern:
        return name
    for a, b in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(a):
            return name.removesuffix(a) + b
    return name


def _sealed(basis: Array) -> Array:
    """A basis without its lip parting: the lips, and the skin near their line, move together."""
    rest = rest_points()
    upper, lower = list(mesh.INNER_LIPS_UPPER), list(mesh.INNER_LIPS_LOWER)
    line_x = rest[upper][:, 0]
    line_y = (rest[upper] + rest[lower])[:, 1] / 2
    parting = (basis[lower] - basis[upper])[:, 1]
    order = np.argsort(line_x)
    at = np.interp(rest[:, 0], line_x[order], parting[order], left=0, right=0)
    below = rest[:, 1] - np.interp(rest[:, 0], line_x[order], line_y[order])
    sign = np.where(below < 0, 1.0, -1.0)
    sign[upper], sign[lower] = 1.0, -1.0
    below[upper[1:-1]] = below[lower[1:-1]] = 0
    near = np.exp(-((below / 1.5) ** 2))
    near[468:] = 0
    out = basis.copy()
    out[:, 1] += sign * at * near / 2
    return out
