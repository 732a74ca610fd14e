"""The published portrait editor's sliders: one table of what each adds to which entry of an expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lp_editor.liveportrait.keypoints import Array, rotation, transform
from lp_editor.liveportrait.modes import Heads, Source

Entry: TypeAlias = tuple[int, int, float]
"""Keypoint, axis (0 x, 1 y, 2 z), and what a slider value of 1 adds there."""

UP: tuple[Entry, ...] = ((20, 1, -0.01), (14, 1, -0.02), (17, 1, 0.0065), (17, 2, 0.003), (13, 1, -0.00275),
                         (16, 1, -0.00275), (3, 1, -0.0035), (7, 1, -0.0035))  # fmt: skip
LOOK: tuple[Entry, ...] = ((11, 1, -0.0005), (15, 1, -0.0005), (13, 1, -0.00015), (16, 1, -0.00015))
WINK: tuple[Entry, ...] = ((11, 1, 0.001), (13, 1, -0.0003), (17, 0, 0.0003), (17, 1, 0.0003), (3, 1, -0.0003))
PURSE: tuple[Entry, ...] = ((14, 1, 0.001), (3, 1, -0.0005), (7, 1, -0.0005), (17, 2, -0.0005))
GRIN: tuple[Entry, ...] = ((20, 2, -0.001), (20, 1, -0.001), (14, 1, -0.001))
OPEN: tuple[Entry, ...] = ((19, 1, 0.001), (19, 2, 0.0001), (17, 1, -0.0001))

SLIDERS: Mapping[str, tuple[tuple[Entry, ...], tuple[Entry, ...]]] = MappingProxyType({
    "gaze_x": (((11, 0, 0.0007), (15, 0, 0.001)), ((11, 0, 0.001), (15, 0, 0.0007))),
    "gaze_y": (LOOK, LOOK),
    "smile": (UP, UP),
    "wink": (WINK, WINK),
    "eyebrow": (((1, 1, 0.001), (2, 1, -0.001)),
                ((1, 0, -0.001), (2, 0, 0.001), (1, 1, 0.0003), (2, 1, -0.0003))),
    "lip0_pout": (((19, 0, 1.0),), ((19, 0, 1.0),)),
    "lip1_purse": (PURSE, PURSE),
    "lip2_grin": (GRIN, GRIN),
    "lip3_open": (OPEN, OPEN),
    "mov_x": (((5, 0, -1.0),), ((5, 0, -1.0),)),
    "mov_y": (((5, 1, 1.0),), ((5, 1, 1.0),)),
})  # fmt: skip
"""By slider: what it adds for each unit above 0, and for each unit below."""


@dataclass(frozen=True)
class Portrait:
    """A setting of the portrait editor: slider values by name, degrees added to the pose, a factor of the scale, and
    wanted openings of eyes and lips where they are to change."""

    values: Mapping[str, float]
    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0
    grow: float = 1.0
    eyes: float | None = None
    lips: float | None = None
    stitching: bool = True


def change(values: Mapping[str, float]) -> NDArray[np.float64]:
    """What slider values add to an expression, (21, 3)."""
    total = np.zeros((21, 3))
    for name, value in values.items():
        for point, axis, amount in SLIDERS[name][0 if value > 0 else 1]:
            total[point, axis] += amount * value
    return total


def edited(source: Source, angles: tuple[float, float, float], setting: Portrait, heads: Heads) -> tuple[Array, Array]:
    """The keypoints (1, 21, 3) of a portrait at a setting: before stitching, and after.

    ``angles`` are the source's pitch, yaw and roll in degrees. Depth is shifted as published: the edited keypoints
    keep all of the translation, the source's only its x and y.
    """
    pitch, yaw, roll = (np.array([a + b], np.float32) for a, b in
                        zip(angles, (setting.pitch, setting.yaw, setting.roll), strict=True))  # fmt: skip
    exp = source.exp + change(setting.values)[None].astype(np.float32)
    raw = transform(source.kp, rotation(pitch, yaw, roll), exp, source.scale * np.float32(setting.grow), source.t)
    at_rest = source.points
    for wanted, own, delta in (
        (setting.eyes, source.eyes, heads.eye_delta),
        (setting.lips, source.lips, heads.lip_delta),
    ):
        if wanted is not None and own is not None:
            raw = raw + delta(at_rest, np.concatenate([own, np.full((1, 1), wanted, np.float32)], axis=1))
    return raw, heads.stitch(at_rest, raw) if setting.stitching else raw
