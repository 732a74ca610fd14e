"""The published ways to let a performance move a face: relative or absolute, whole or by region, of a still or a film.

Follows what the official release computes, number by number; the engine's own editing (`retarget`) is simpler.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, Protocol, TypeAlias

import numpy as np

from lp_editor.errors import ParamError
from lp_editor.liveportrait.keypoints import EYES, LIP, Array, motion_multiplier, transform, without_depth
from lp_editor.liveportrait.smoothing import NOISE, smoothed
from lp_editor.liveportrait.template import Template

Area: TypeAlias = Literal["all", "exp", "pose", "lip", "eyes"]

OPEN_LIPS = 0.03
"""Lip ratio from which a face counts as filmed with its mouth open."""

SLEEPY, AWAKE = 0.18, 0.39
"""Eyes filmed less open than the first are held as open as the second."""

LIP_NOISE = 3e-6
"""Observation variance of the lips' changes when a whole film is edited."""


class Heads(Protocol):
    """The keypoint networks on arrays: keypoints (B, 21, 3) and ratios (B, n), float32."""

    def stitch(self, source: Array, driving: Array) -> Array:
        """The driving keypoints with the shoulders held."""
        ...

    def eye_delta(self, source: Array, ratios: Array) -> Array:
        """For (filmed left, filmed right, wanted)."""
        ...

    def lip_delta(self, source: Array, ratios: Array) -> Array:
        """For (filmed, wanted)."""
        ...


@dataclass(frozen=True)
class Source:
    """The face that is moved, N frames (1 of a still): its motion, canonical keypoints and, where landmarks were seen,
    the openings of its ``eyes`` (N, 2) and ``lips`` (N, 1)."""

    kp: Array
    turn: Array
    exp: Array
    scale: Array
    t: Array
    eyes: Array | None = None
    lips: Array | None = None
    film: bool = False

    def __len__(self) -> int:
        return len(self.exp)

    @property
    def points(self) -> Array:
        """Where its keypoints lie, (N, 21, 3)."""
        return transform(self.kp, self.turn, self.exp, self.scale, without_depth(self.t))

    def first(self, count: int) -> Source:
        """Its first frames."""
        eyes, lips = (None if r is None else r[:count] for r in (self.eyes, self.lips))
        kp, turn, exp, scale, t = (a[:count] for a in (self.kp, self.turn, self.exp, self.scale, self.t))
        return Source(kp, turn, exp, scale, t, eyes, lips, self.film)


@dataclass(frozen=True)
class Mode:
    """How a performance is applied; the defaults are those of the published command line."""

    area: Area = "all"
    relative: bool = True
    expression_friendly: bool = True
    multiplier: float = 1.0
    stitching: bool = True
    normalise_lips: bool = False
    eyes_follow: bool = False
    lips_follow: bool = False
    even_eyes: bool = False
    noise: float = NOISE


@dataclass(frozen=True)
class Animated:
    """Keypoints (N, 21, 3): of the source, as the performance moves them, and as they go to the warping module."""

    source: Array
    raw: Array
    driving: Array


def animate(source: Source, driver: Template, mode: Mode, heads: Heads) -> Animated:
    """Move a face by a performance.

    Raises `ParamError` where a mode needs openings of eyes or lips that nobody measured.
    """
    if source.film:
        source = source.first(min(len(source), len(driver)) if len(driver) > 1 else len(source))
    at_rest = source.points
    moved = _film_moved(source, driver, mode) if source.film else _still_moved(source, driver, mode)
    if mode.expression_friendly and mode.relative and not source.film and len(driver) > 1:
        moved = at_rest + (moved - moved[:1]) * np.float32(motion_multiplier(at_rest[0], moved[0]))
    at_rest = np.broadcast_to(at_rest, moved.shape)
    if mode.eyes_follow or mode.lips_follow:
        raw = (at_rest if mode.relative else moved) + _following(source, driver, at_rest, mode, heads)
        held = heads.stitch(at_rest, raw) if mode.stitching else raw
    else:
        raw, held = moved, heads.stitch(at_rest, moved) if mode.stitching else moved
        held = held + _corrections(source, at_rest, mode, heads)
    return Animated(at_rest, raw, at_rest + (held - at_rest) * np.float32(mode.multiplier))


def animate_animal(source: Source, driver: Template, stitching: bool, multiplier: float, heads: Heads) -> Animated:
    """Move an animal's face: absolutely, then as large as its own keypoints are."""
    at_rest = source.points
    moved = transform(source.kp, driver.turn, driver.exp, source.scale, without_depth(driver.t))
    raw = at_rest + (moved - moved[:1]) * np.float32(motion_multiplier(at_rest[0], moved[0]))
    at_rest = np.broadcast_to(at_rest, raw.shape)
    held = heads.stitch(at_rest, raw) if stitching else raw
    return Animated(at_rest, raw, at_rest + (held - at_rest) * np.float32(multiplier))


def lips_edited(source: Source, target: float, heads: Heads) -> tuple[Array, Array]:
    """A film whose lips open to ``target``: the smoothed change (N, 21, 3) and the keypoints before stitching."""
    wanted = np.full((len(source), 1), target, np.float32)
    change = heads.lip_delta(source.points, np.concatenate([_sure(source.lips, "lips"), wanted], axis=1))
    change = smoothed(change, LIP_NOISE)
    return change, source.points + change


def lips_silent(source: Source) -> Array:
    """The keypoints (N, 21, 3), before stitching, of a film that keeps its eyes and poses and rests everything else."""
    exp = np.repeat(resting_expression(), len(source), axis=0)
    exp[:, list(EYES)] = source.exp[:, list(EYES)]
    return transform(source.kp, source.turn, exp, source.scale, source.t)


def _still_moved(source: Source, driver: Template, mode: Mode) -> Array:
    whole, turns = mode.area == "all", mode.area in ("all", "pose")
    exp, turn, scale, t = source.exp, source.turn, source.scale, source.t
    if not mode.relative:
        exp = _placed(source.exp, np.broadcast_to(driver.exp, (len(driver), 21, 3)), mode.area)
        if turns:
            turn, t = driver.turn, driver.t
    else:
        wanted = source.exp + driver.exp - _rest(driver, mode.area)
        exp = wanted if mode.area in ("all", "exp") else _placed(source.exp, wanted, mode.area)
        turn = _turned(source, driver.turn, driver.turn[:1]) if turns else turn
        scale = source.scale * driver.scale / driver.scale[:1] if whole else scale
        t = source.t + driver.t - driver.t[:1] if turns else t
    moved = transform(source.kp, turn, exp, scale, without_depth(t))
    return np.ascontiguousarray(np.broadcast_to(moved, (len(driver), 21, 3)))


def _film_moved(source: Source, driver: Template, mode: Mode) -> Array:
    count, one = len(source), len(driver) == 1
    exp, turn = driver.exp[:count], driver.turn[:count]
    if mode.relative:
        exp = source.exp + exp - (resting_expression() if one else driver.exp[:1])
        turn = source.turn if one else _turned(source, turn, driver.turn[:1])
    exp, turn = (np.broadcast_to(a, (count, *a.shape[1:])) for a in (exp, turn))
    if not one:
        exp, turn = smoothed(exp, mode.noise), smoothed(turn, mode.noise)
    turns = mode.area in ("all", "pose")
    t = driver.t[:count] if turns and not mode.relative else source.t
    exp = _placed(source.exp, exp, mode.area)
    return transform(source.kp, turn if turns else source.turn, exp, source.scale, without_depth(t))


def _turned(source: Source, turn: Array, first: Array) -> Array:
    """The source turned as far as the driver has turned since its first frame, (N, 3, 3)."""
    return np.asarray(turn @ first.transpose(0, 2, 1) @ source.turn, np.float32)


def _placed(own: Array, wanted: Array, area: Area) -> Array:
    """The own expression with the entries of an area taken from the wanted one."""
    return np.where(area_mask(area), wanted, own)


def area_mask(area: Area) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which entries of an expression an area replaces, (21, 3)."""
    mask = np.zeros((21, 3), bool)
    if area in ("all", "exp"):
        mask[[1, 2, 6, *range(11, 21)]] = True
        for point, axes in ((3, [1]), (4, [1]), (5, [2]), (8, [2]), (9, [1, 2])):
            mask[point, axes] = True
    elif area != "pose":
        mask[list(LIP if area == "lip" else EYES)] = True
    return mask


def _rest(driver: Template, area: Area) -> Array:
    """The expression that a still's driver is measured from."""
    if len(driver) > 1:
        return driver.exp[:1]
    return np.zeros((1, 21, 3), np.float32) if area == "eyes" else resting_expression()


@cache
def resting_expression() -> Array:
    """The published resting expression, (1, 21, 3)."""
    with resources.files("lp_editor.liveportrait").joinpath("resting.npz").open("rb") as file:
        return np.asarray(np.load(file)["resting"], np.float32).reshape(1, 21, 3)


def _following(source: Source, driver: Template, at_rest: Array, mode: Mode, heads: Heads) -> Array:
    """What opens eyes and lips as far as the driver's are, (N, 21, 3)."""
    count = len(at_rest)
    change = np.zeros_like(at_rest)
    if mode.eyes_follow:
        own, wanted = _sure(source.eyes, "eyes"), _sure(driver.eyes, "eyes")[:count, :1]  # the left one leads both
        change = change + heads.eye_delta(at_rest, _beside(own, wanted, count))
    if mode.lips_follow:
        own, wanted = _sure(source.lips, "lips"), _sure(driver.lips, "lips")[:count]
        change = change + heads.lip_delta(at_rest, _beside(own, wanted, count))
    return change


def _corrections(source: Source, at_rest: Array, mode: Mode, heads: Heads) -> Array:
    """Lips closed that were filmed open, eyes of a film held evenly open: what to add, (N, 21, 3)."""
    change = np.zeros_like(at_rest)
    if mode.normalise_lips and mode.relative and source.lips is not None:
        closed = heads.lip_delta(source.points, _beside(source.lips, np.zeros((1, 1), np.float32), len(source)))
        change = change + np.where(source.lips[:, :, None] >= OPEN_LIPS, closed, 0)
    if mode.even_eyes and source.film:
        eyes = _sure(source.eyes, "eyes")
        wanted = float(eyes[0].mean())
        level = np.full((1, 1), AWAKE if wanted < SLEEPY else wanted, np.float32)
        change = change + heads.eye_delta(source.points, _beside(eyes, level, len(source)))
    return change


def _beside(own: Array, wanted: Array, count: int) -> Array:
    return np.concatenate([np.broadcast_to(a, (count, a.shape[1])) for a in (own, wanted)], axis=1)


def _sure(ratios: Array | None, what: str) -> Array:
    if ratios is None:
        raise ParamError(f"nobody measured how open the {what} are, which this mode needs; turn it off")
    return ratios
