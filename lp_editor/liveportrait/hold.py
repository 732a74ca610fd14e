"""How a face is held, as the liveportrait engine sees it, and what controls and drivers make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import COLUMN, REGIONS, TARGET_COLUMN, Controls, Part, Region
from lp_editor.liveportrait.crop import Square
from lp_editor.liveportrait.keypoints import Array, rotation, transform, without_depth
from lp_editor.liveportrait.modes import Heads, resting_expression
from lp_editor.liveportrait.retarget import changes, eye_mask, part_mask, region_mask
from lp_editor.liveportrait.template import Template

SIDES = ("left", "right")
IMAGE_SIDES = ("right", "left")
"""The order of the networks' eye ratios: left in the picture first, which is the person's right."""

LOOK_DEGREES = (40.0, 30.0)
"""What a gaze control of 1 turns the eyes by, sideways and up."""


@dataclass(frozen=True)
class Person:
    """A person's own openings: the 90th percentile of each eye's and of the lips' ratio in the shot.

    ``ratios`` are those of `lp_editor.faces.measure`: left eye, right eye, lips."""

    eyes: tuple[float, float]
    lips: float
    ratios: tuple[float, float, float] = (0.3, 0.3, 0.1)


@dataclass(frozen=True)
class Seen:
    """What was seen of a face in one frame: the networks' square, the openings of its eyes (left, right) and lips, its
    gaze in degrees (to the person's left, up), its width in pixels."""

    square: Square
    eyes: tuple[float, float]
    lips: float
    gaze: tuple[float, float]
    width: float
    person: Person


@dataclass(frozen=True)
class Hold:
    """Pose and expression of one face: see `keypoints.transform`. ``shift`` (21, 3) is added to the keypoints last: what
    targets ask for. Arrays of one face, float32: ``kp`` (21, 3), ``turn`` (3, 3), ``exp`` (21, 3), ``scale`` (1,),
    ``t`` (3,)."""

    kp: Array
    turn: Array
    exp: Array
    scale: Array
    t: Array
    seen: Seen
    shift: Array = field(default_factory=lambda: np.zeros((21, 3), np.float32))

    @property
    def points(self) -> Array:
        """Where its keypoints lie, (21, 3)."""
        at = transform(self.kp[None], self.turn[None], self.exp[None], self.scale[None], without_depth(self.t)[None])
        return np.asarray(at[0] + self.shift, np.float32)

    def toward(self, other: Hold, weight: float) -> Hold:
        """The pose and expression between the two. Size and place change only towards a face of the same crop."""
        if weight <= 0:
            return self
        mixed = replace(
            self,
            turn=turned_between(self.turn, other.turn, weight),
            exp=_between(self.exp, other.exp, weight),
            shift=_between(self.shift, other.shift, weight),
        )
        if not self.seen.square.same(other.seen.square):
            return mixed
        kp, scale, t = (_between(getattr(self, n), getattr(other, n), weight) for n in ("kp", "scale", "t"))
        return replace(mixed, kp=kp, scale=scale, t=t)


def holds_of(template: Template) -> list[Hold]:
    """The motions of a template. It says nothing of a crop or a face: only what is handed to another face counts."""
    seen = Seen(Square(np.zeros(2, np.float32), 1.0, 0.0), (0.3, 0.3), 0.0, (0.0, 0.0), 1.0, Person((0.3, 0.3), 0.1))
    kp = np.zeros((21, 3), np.float32)
    rows = zip(template.turn, template.exp, template.scale, template.t, strict=True)
    return [Hold(kp, turn, exp, scale, t, seen) for turn, exp, scale, t in rows]


def _between(a: Array, b: Array, weight: float) -> Array:
    return np.asarray(a + np.float32(weight) * (b - a), np.float32)


def turned_between(a: Array, b: Array, weight: float) -> Array:
    """The rotation nearest to the mean of two, (3, 3); exactly the second for a weight of 1."""
    if weight >= 1 or np.array_equal(a, b):
        return b
    left, _, right = np.linalg.svd((1 - weight) * a.astype(np.float64) + weight * b)
    return np.asarray(left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right, np.float32)


def retargeted(holds: Sequence[Hold], controls: Controls, heads: Heads) -> list[Hold]:
    """Faces moved by a row of controls each: neutralised, offset, then taken to targets. Zero rows stay the same object."""
    active = [int(i) for i in np.flatnonzero(controls.active)]
    controls = controls.in_openings(*np.array([hold.seen.person.ratios for hold in holds]).reshape(-1, 3).T)
    added = changes(with_gaze_targets(holds, controls))
    out = list(holds)
    for i in active:
        out[i] = _offset(neutralised(holds[i], controls.neutral[i]), controls.offsets[i], added[i])
    aimed = [i for i in active if (controls.weights[i, :3] > 0).any()]
    if aimed:
        _to_openings(out, holds, controls, aimed, heads)
    return out


def with_gaze_targets(holds: Sequence[Hold], controls: Controls) -> NDArray[np.float64]:
    """Offsets (T, C) whose gaze takes the eyes to their targets, as far as those weigh."""
    offsets = controls.offsets.copy()
    for axis, name in enumerate("xy"):
        column = TARGET_COLUMN[f"gaze_direction_{name}"]
        weight = controls.weights[:, column]
        filmed = np.array([hold.seen.gaze[axis] for hold in holds])
        wanted = np.clip((controls.targets[:, column] - filmed) / LOOK_DEGREES[axis], -1.2, 1.2)
        for side in SIDES:
            own = offsets[:, COLUMN[f"gaze_{name}_{side}"]]
            own += np.where(weight > 0, weight * (wanted - own), 0)
    return offsets


def neutralised(hold: Hold, strength: NDArray[Any]) -> Hold:
    """A face taken towards rest, region by region, (R,) in 0..1."""
    if not strength.any():
        return hold
    exp, turn = hold.exp, hold.turn
    for region, weight in zip(REGIONS, strength, strict=True):
        if weight > 0:
            exp = exp + np.float32(weight) * region_mask(region) * (resting_expression()[0] - exp)
            turn = turned_between(turn, np.eye(3, dtype=np.float32), float(weight)) if region == "pose" else turn
    return replace(hold, exp=np.asarray(exp, np.float32), turn=turn)


def _offset(hold: Hold, offsets: NDArray[Any], added: Array) -> Hold:
    pitch, yaw, roll, right, up, grow = (
        float(offsets[COLUMN[name]]) for name in ("pitch", "yaw", "roll", "shift_x", "shift_y", "scale")
    )
    turn, scale, t = hold.turn, hold.scale, hold.t
    if pitch or yaw or roll:
        # z runs away from the camera, so looking up and to the person's left are negative turns
        turn = turn @ rotation(*(np.array([angle]) for angle in (-pitch, -yaw, roll)))[0]
    if grow:
        scale = scale * np.float32(1 + grow)
    if right or up:
        face = hold.seen.width / (hold.seen.square.size / 2)  # the crop runs from -1 to 1
        t = t + np.array([right * face, -up * face, 0], np.float32)
    return replace(hold, turn=turn, scale=scale, t=t, exp=np.asarray(hold.exp + added, np.float32))


def _to_openings(out: list[Hold], filmed: Sequence[Hold], controls: Controls, aimed: list[int], heads: Heads) -> None:
    """Take eyes and lips of some faces to the openings asked for; what offsets did there gives way as far."""
    at_rest = np.stack([filmed[i].points for i in aimed])
    weights, targets = controls.weights[aimed], controls.targets[aimed]
    eyes = np.array([[filmed[i].seen.eyes[SIDES.index(side)] for side in IMAGE_SIDES] for i in aimed], np.float32)
    lips = np.array([[filmed[i].seen.lips] for i in aimed], np.float32)
    for column, side in enumerate(SIDES):
        own = np.array([[filmed[i].seen.person.eyes[column]] for i in aimed])
        wanted = np.asarray(targets[:, column : column + 1] * own, np.float32)
        delta = heads.eye_delta(at_rest, np.concatenate([eyes, wanted], axis=1))
        _give(out, filmed, aimed, weights[:, column], delta, eye_mask(side))
    wanted = np.asarray(targets[:, 2:3] * [[filmed[i].seen.person.lips] for i in aimed], np.float32)
    delta = heads.lip_delta(at_rest, np.concatenate([lips, wanted], axis=1))
    _give(
        out,
        filmed,
        aimed,
        weights[:, 2],
        delta,
        _lip_points(),
        whole=True,
    )


def _lip_points() -> Array:
    """1 for the keypoints of the mouth, (21, 1)."""
    return np.asarray(region_mask("mouth").any(axis=1), np.float32)[:, None]


def _give(
    out: list[Hold], filmed: Sequence[Hold], aimed: list[int], weights: NDArray[Any], delta: Array, mask: Array,
    whole: bool = False,
) -> None:  # fmt: skip
    for i, weight, change in zip(aimed, weights, delta, strict=True):
        if weight > 0:
            part = np.float32(weight) * mask
            exp = np.asarray(out[i].exp + part * (filmed[i].exp - out[i].exp), np.float32)
            moved = np.asarray(np.float32(weight) * (change if whole else mask * change), np.float32)
            out[i] = replace(out[i], exp=exp, shift=np.asarray(out[i].shift + moved, np.float32))


def transferred(
    source: Hold, driver: Hold, reference: Hold | None, regions: Sequence[Region | Part], strength: float
) -> Hold:
    """A face moved as a driver is, region by region: absolutely, or as a change from ``reference``."""
    if strength <= 0:
        return source
    mask = np.zeros((21, 3), np.float32)
    for region in regions:
        mask = np.maximum(mask, part_mask(region))
    if {"eye_left", "eye_right"} <= set(regions):  # what both share counts whole
        mask = np.maximum(mask, part_mask("eyes"))
    wanted = driver.exp if reference is None else source.exp + driver.exp - reference.exp
    part = np.float32(strength) * mask
    exp = source.exp + part * (wanted - source.exp)
    moved = driver.shift if reference is None else driver.shift - reference.shift
    shift = source.shift + part * moved
    turn, t = source.turn, source.t
    if "pose" in regions:
        whole = driver.turn if reference is None else driver.turn @ reference.turn.T @ source.turn
        turn = turned_between(source.turn, np.asarray(whole, np.float32), strength)
        if reference is not None:
            t = t + np.float32(strength) * without_depth((driver.t - reference.t)[None])[0]
    return replace(source, exp=np.asarray(exp, np.float32), shift=np.asarray(shift, np.float32), turn=turn, t=t)
