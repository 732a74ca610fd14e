"""Reads a motion template for engines that know nothing of its keypoints: as blendshapes and head turns.

Eyes and lips come from the openings that a template may hold, or else eyes from the keypoints that followed those openings
in the published templates d1 and d5 (r .83). The rest is what our controls would have to be to move the keypoints as
they moved: the least squares over the table of `retarget`, each control between its bounds. What the mouth does is told by
how people's own mouths moved the keypoints, not by what an editor's sliders add. Brows and the mouth's corners have no
keypoints of one side, so both sides get the same.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import COLUMN, CONTROLS, Controls
from lp_editor.liveportrait.retarget import bounds, table
from lp_editor.liveportrait.sliders import Entry
from lp_editor.liveportrait.template import Template, arrays_of, read_template
from lp_editor.recording import SHAPE_COLUMN, Recording, read_recording, shapes_of

Array = NDArray[np.float64]

TOLD = (
    "smile_left", "smile_right", "frown_left", "frown_right", "mouth_open", "pucker", "mouth_x",
    "brow_inner_left", "brow_inner_right", "brow_outer_left", "brow_outer_right", "blink_left", "blink_right",
    "gaze_x_left", "gaze_x_right", "gaze_y_left", "gaze_y_right",
)  # fmt: skip
"""Controls that keypoints tell apart, brows but for their parts and sides."""

SMILED: tuple[Entry, ...] = ((14, 1, -0.0167), (20, 1, -0.0298))
FROWNED: tuple[Entry, ...] = ((14, 1, 0.0083), (20, 1, 0.0160))
OPENED: tuple[Entry, ...] = ((14, 1, 0.0197), (17, 1, -0.0049), (19, 1, 0.0928), (20, 1, 0.0067))
"""What a broad smile, a mouth turned down and a dropped jaw add to the height of the mouth's keypoints: means of frames 112 to
127, 42 to 53 and 68 to 75 of the published template d5, off its first one; lengths as in an expression. How their depth
goes with them differs from face to face."""

AS_PEOPLE_DO = {"smile_left": SMILED, "smile_right": SMILED, "frown_left": FROWNED, "frown_right": FROWNED,
                "mouth_open": OPENED}  # fmt: skip
"""Controls that are read by them."""

RIDGE, STEPS = 0.02, 400
"""How much a control must explain to be used, and steps of the descent."""

WIDE_OPEN = 90
"""Percentile of an eye's opening in the template that counts as open."""

CLOSED = 0.08
"""The opening, height over width of the eye, at which lids meet."""

OPENEST = 0.62
"""The opening of the lips, height over their width, at a fully dropped jaw: 0.24 face widths of 0.38."""


LIDS = {"eyeBlinkRight": ((11, 48.0), (13, -104.0)), "eyeBlinkLeft": ((15, 48.0), (16, -104.0))}
"""How far each eye closes for a change of 1 of the y of its keypoints: regressed from d1 and d5."""

ALIKE = (0.2, 0.4)
"""Eyes read less apart than the first are closed alike, from the second on as read: so told, the two eyes of d1 and d5 were
apart by 0.14 more or less than they were (standard deviation)."""

EVEN = (("mouthSmileLeft", "mouthSmileRight"), ("mouthFrownLeft", "mouthFrownRight"))
"""Sides that keypoints do not tell apart."""


def recording_of(template: Template) -> Recording:
    """A template as a recording; what the liveportrait engine needs stays with it."""
    controls = Controls.zeros(len(template))
    change = template.exp.astype(np.float64) - template.exp[:1]
    controls.offsets[:] = _controls(change)
    shapes = shapes_of(controls)
    for pair in EVEN:
        columns = [SHAPE_COLUMN[name] for name in pair]
        shapes[:, columns] = shapes[:, columns].mean(1, keepdims=True)
    shapes[:, [SHAPE_COLUMN[name] for name in LIDS]] = _closings(template, change)
    if template.lips is not None:
        shapes[:, SHAPE_COLUMN["jawOpen"]] = np.clip(template.lips[:, 0] / OPENEST, 0, 1)
    rate = Fraction(template.rate).limit_denominator(1001)
    return Recording(rate, shapes, _angles(template.turn.astype(np.float64)), arrays_of(template), 0)


def recording_in(path: Path) -> Recording:
    """A ``.pkl`` or ``.npz`` file: a template, or what `lp-editor template` recorded without weights. Raises `MediaError`."""
    if path.suffix.lower() == ".npz" and (recorded := read_recording(path)) is not None:
        return recorded
    return recording_of(read_template(path))


def _closings(template: Template, change: Array) -> Array:
    """How far each eye is closed, (N, 2), the left one of the picture first, as in the file."""
    if template.eyes is None:
        read = [sum(amount * change[:, point, 1] for point, amount in entries) for entries in LIDS.values()]
        return _told_apart(np.clip(np.stack(read, axis=1), 0, 1))
    opening = template.eyes.astype(np.float64)
    full = np.maximum(np.percentile(opening, WIDE_OPEN, axis=0), CLOSED + 0.05)
    return np.asarray(np.clip((full - opening) / (full - CLOSED), 0, 1))


def _told_apart(closings: Array) -> Array:
    """Both eyes, (N, 2), closed alike where keypoints do not tell them apart."""
    mean = closings.mean(1, keepdims=True)
    part = np.abs(closings[:, :1] - closings[:, 1:])
    sure = np.clip((part - ALIKE[0]) / (ALIKE[1] - ALIKE[0]), 0, 1)
    return np.asarray(mean + sure * (closings - mean))


def _controls(change: NDArray[Any]) -> Array:
    """The offsets (N, C) whose keypoints come nearest to changes of an expression (N, 21, 3)."""
    weight = 1 / bounds().reshape(63)
    sides = [COLUMN[name] for name in TOLD]
    columns = np.array(sides + [len(CONTROLS) + c for c in sides])
    basis = _table()[columns] * weight  # (2 * told, 63)
    wanted = change.reshape(len(change), 63) * weight
    gram = basis @ basis.T + RIDGE * np.eye(len(basis))
    step = 1 / float(np.linalg.eigvalsh(gram)[-1])
    found = np.zeros((len(change), len(basis)))
    for _ in range(STEPS):
        found = np.clip(found - step * (found @ gram - wanted @ basis.T), 0, 1)
    found = _without_twins(found, basis)
    out = np.zeros((len(change), len(CONTROLS)))
    out[:, sides] = found[:, : len(sides)] - found[:, len(sides) :]
    return out


def _table() -> Array:
    """That of `retarget`, (2 * C, 63), with what people do in its place where that is known."""
    out = table().copy().reshape(2, len(CONTROLS), 21, 3)
    for name, entries in AS_PEOPLE_DO.items():
        out[:, COLUMN[name]] = 0
        for point, axis, amount in entries:
            out[0, COLUMN[name], point, axis] = amount
    return out.reshape(2 * len(CONTROLS), 63)


def _without_twins(found: Array, basis: Array) -> Array:
    """Controls that move exactly the same keypoints each get all of what they share."""
    size = np.linalg.norm(basis, axis=1)
    alike = (basis @ basis.T) / np.maximum(np.outer(size, size), 1e-12) > 1 - 1e-9
    return np.asarray(np.clip(found @ alike, 0, 1))


def _angles(turn: Array) -> Array:
    """Pitch, yaw and roll in degrees, with the signs of the controls, of transposed rotations (N, 3, 3)."""
    pitch = -np.arctan2(turn[:, 1, 2], turn[:, 2, 2])
    yaw = np.arcsin(np.clip(turn[:, 0, 2], -1, 1))
    roll = np.arctan2(turn[:, 0, 1], turn[:, 0, 0])
    return np.asarray(np.degrees(np.stack([pitch, yaw, roll], axis=1)), np.float64)
