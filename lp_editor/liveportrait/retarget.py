"""Our face controls on LivePortrait's expression: one table of entries, one batched product, bounds that were measured.

The table is made of the published portrait editor's entries (`sliders`), split by side where they can be. The eyes' sides
are measured: in the template d1 keypoints 11 and 13 follow the first eye ratio and 15 and 16 the second (|r| .85 to .96), and
the first ratio's eye is the one on the left of the picture. The cheeks' (3 and 7) are read off the entries alone, brows and
lips have no keypoints of one side: those want a look with trained weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import COLUMN, CONTROLS, Part, Region
from lp_editor.liveportrait.keypoints import Array
from lp_editor.liveportrait.sliders import GRIN, OPEN, PURSE, UP, Entry

Rows: TypeAlias = NDArray[np.floating[Any]]

RIGHT_EYE, LEFT_EYE = (11, 13), (15, 16)
"""Keypoints of the person's right eye (left in the picture) and left one; of each the first also turns with the gaze."""

RIGHT_CHEEK, LEFT_CHEEK = 3, 7


def _times(entries: Sequence[Entry], factor: float) -> tuple[Entry, ...]:
    return tuple((point, axis, amount * factor) for point, axis, amount in entries)


def _smile(cheek: int, lid: int, amount: float) -> tuple[Entry, ...]:
    """Half of the lips' share of the smile, and one side of the rest."""
    lips = [entry for entry in UP if entry[0] in (14, 17, 20)]
    side = [entry for entry in UP if entry[0] in (cheek, lid)]
    return (*_times(lips, amount / 2), *_times(side, amount))


def _frown(cheek: int) -> tuple[Entry, ...]:
    return ((20, 1, 0.0025), (14, 1, 0.005), (17, 1, -0.0016), (cheek, 1, 0.003))


def _blink(eye: tuple[int, int], amount: float) -> tuple[Entry, ...]:
    return ((eye[0], 1, 0.03 * amount), (eye[1], 1, -0.009 * amount))


BROWS_UP: tuple[Entry, ...] = ((1, 1, 0.03), (2, 1, -0.03))
BROWS_DOWN: tuple[Entry, ...] = ((1, 0, 0.03), (2, 0, -0.03), (1, 1, -0.009), (2, 1, 0.009))

TABLE: Mapping[str, tuple[tuple[Entry, ...], tuple[Entry, ...]]] = MappingProxyType({
    "smile_left": (_smile(LEFT_CHEEK, 16, 1.0), _smile(LEFT_CHEEK, 16, -0.3)),
    "smile_right": (_smile(RIGHT_CHEEK, 13, 1.0), _smile(RIGHT_CHEEK, 13, -0.3)),
    "frown_left": (_frown(LEFT_CHEEK), _times(_frown(LEFT_CHEEK), -1)),
    "frown_right": (_frown(RIGHT_CHEEK), _times(_frown(RIGHT_CHEEK), -1)),
    "mouth_open": (_times(OPEN, 90), ()),
    "funnel": ((*_times(PURSE, 10), *_times(OPEN, 35)), ()),
    "pucker": (_times(PURSE, 15), ()),
    "press": (_times(OPEN, -30), ()),
    "stretch": (_times(GRIN, 15), ()),
    "lip_tuck": ((*_times(OPEN, -20), (19, 2, 0.012)), ()),
    "mouth_x": (((19, 0, 0.012), (20, 0, 0.008), (17, 0, 0.005)), ((19, 0, -0.012), (20, 0, -0.008), (17, 0, -0.005))),
    "mouth_y": (((14, 1, -0.01), (19, 1, -0.015), (20, 1, -0.01)), ((14, 1, 0.01), (19, 1, 0.015), (20, 1, 0.01))),
    **{f"brow_{part}_{side}": (_times(BROWS_UP, 0.25), _times(BROWS_DOWN, 0.25))
       for part in ("inner", "outer") for side in ("left", "right")},
    "blink_left": (_blink(LEFT_EYE, 1.0), _blink(LEFT_EYE, -0.4)),
    "blink_right": (_blink(RIGHT_EYE, 1.0), _blink(RIGHT_EYE, -0.4)),
    **{f"squint_{side}": (((lid, 1, -0.004),), ()) for side, lid in (("left", 16), ("right", 13))},
    **{f"cheek_{side}": (((cheek, 1, -0.0035), (lid, 1, -0.00275)), ())
       for side, cheek, lid in (("left", LEFT_CHEEK, 16), ("right", RIGHT_CHEEK, 13))},
    **{f"sneer_{side}": (((cheek, 1, -0.003), (14, 1, -0.003)), ())
       for side, cheek in (("left", LEFT_CHEEK), ("right", RIGHT_CHEEK))},
    # the eye that turns outwards turns further
    "gaze_x_left": (((15, 0, 0.03),), ((15, 0, -0.021),)),
    "gaze_x_right": (((11, 0, 0.021),), ((11, 0, -0.03),)),
    "gaze_y_left": (((15, 1, -0.0315), (16, 1, -0.0095)), ((15, 1, 0.0315), (16, 1, 0.0095))),
    "gaze_y_right": (((11, 1, -0.0315), (13, 1, -0.0095)), ((11, 1, 0.0315), (13, 1, 0.0095))),
})  # fmt: skip
"""By control: what a value of 1 adds to which entry of the expression, and what a value of -1 adds."""

MEASURED: Mapping[int, tuple[float, float, float]] = MappingProxyType({
    0: (0.0097, 0.0259, 0.0001), 1: (0.0108, 0.0156, 0.0), 2: (0.008, 0.0153, 0.0), 3: (0.0098, 0.0118, 0.0),
    4: (0.0144, 0.0194, 0.0), 5: (0.0158, 0.0273, 0.0), 6: (0.0001, 0.0002, 0.0), 7: (0.0254, 0.0255, 0.0),
    8: (0.0001, 0.0001, 0.0), 9: (0.0002, 0.0001, 0.0), 10: (0.0083, 0.0176, 0.0061), 11: (0.004, 0.0176, 0.0),
    12: (0.0, 0.0, 0.0), 13: (0.0052, 0.01, 0.0), 14: (0.0051, 0.0397, 0.0), 15: (0.0082, 0.0174, 0.0),
    16: (0.0032, 0.0085, 0.0), 17: (0.0063, 0.0099, 0.0111), 18: (0.0001, 0.0002, 0.0), 19: (0.0142, 0.098, 0.0203),
    20: (0.0102, 0.0573, 0.0256),
})  # fmt: skip
"""How far each entry (x, y, z) of an expression goes in the published templates wink, laugh, d1 and d5."""

BEYOND = 2.0
"""A change may be so many times what was measured: no template looks far aside or raises its brows as high as it can."""

LEAST = 0.012
"""No bound is tighter: what a template happens not to move may still be moved a little."""

REGION_OF: Mapping[Region, tuple[tuple[int, tuple[int, ...]], ...]] = MappingProxyType({
    "mouth": tuple((point, (0, 1, 2)) for point in (6, 12, 14, 17, 19, 20)),
    "eyes": ((11, (1, 2)), (13, (0, 1, 2)), (15, (1, 2)), (16, (0, 1, 2)), (18, (0, 1, 2))),
    "brows": tuple((point, (0, 1, 2)) for point in (1, 2)),
    "cheeks": tuple((point, (0, 1, 2)) for point in (0, 3, 7, 10)),
    "nose": tuple((point, (0, 1, 2)) for point in (4, 8, 9)),
    "gaze": ((11, (0,)), (15, (0,))),
    "pose": ((5, (0, 1, 2)),),
})  # fmt: skip
"""Which entries of an expression belong to each region."""


@cache
def table() -> NDArray[np.float64]:
    """The table as a matrix: a row for each control's values above 0, then one for each below; (2 * C, 63)."""
    out = np.zeros((2, len(CONTROLS), 21, 3))
    for name, sides in TABLE.items():
        for side, entries in enumerate(sides):
            for point, axis, amount in entries:
                out[side, COLUMN[name], point, axis] += amount
    return out.reshape(2 * len(CONTROLS), 63)


@cache
def bounds() -> NDArray[np.float64]:
    """The largest change of each entry, (21, 3)."""
    measured = np.array([MEASURED[point] for point in range(21)])
    return np.maximum(measured * BEYOND, LEAST)


def changes(offsets: Rows) -> Array:
    """What rows of controls (T, C) add to expressions, (T, 21, 3), guarded."""
    sides = np.concatenate([np.maximum(offsets, 0), np.maximum(-offsets, 0)], axis=1)  # (T, 2 * C)
    change = (sides @ table()).reshape(-1, 21, 3)
    return np.clip(change, -bounds(), bounds()).astype(np.float32)


@cache
def region_mask(region: Region) -> NDArray[np.bool_]:
    """Which entries of an expression belong to a region, (21, 3)."""
    mask = np.zeros((21, 3), bool)
    for point, axes in REGION_OF[region]:
        mask[point, list(axes)] = True
    return mask


def part_mask(part: Region | Part) -> Array:
    """How much each entry of an expression belongs to a region or to one side of it, (21, 3)."""
    name, _, side = part.partition("_")
    if not side:
        return region_mask(part).astype(np.float32)
    return np.asarray(region_mask("gaze" if name == "gaze" else "eyes") * eye_mask(side), np.float32)


def eye_mask(side: str) -> Array:
    """How much of a change of the eyes is one eye's, (21, 1): its own keypoints, half of the shared one."""
    mask = np.zeros((21, 1), np.float32)
    mask[list(LEFT_EYE if side == "left" else RIGHT_EYE)] = 1
    mask[18] = 0.5
    return mask
