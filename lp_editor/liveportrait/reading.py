"""Reads a motion template for engines that know nothing of its keypoints: as blendshapes and head turns.

Eyes and lips come from the openings that a template may hold, or else from the keypoints that followed those openings in
the published templates d1 and d5 (r .83 and .80). The rest is what our controls would have to be to move the
keypoints as they moved: the least squares over the table of `retarget`, each control between its bounds. Brows and the
mouth's corners have no keypoints of one side, so both sides get the same.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import COLUMN, CONTROLS, Controls
from lp_editor.liveportrait.retarget import bounds, table
from lp_editor.liveportrait.template import Template, arrays_of, read_template
from lp_editor.recording import SHAPE_COLUMN, Recording, read_recording, shapes_of

Array = NDArray[np.float64]

TOLD = (
    "smile_left", "smile_right", "frown_left", "frown_right", "mouth_open", "pucker", "stretch", "mouth_x",
    "brow_inner_left", "brow_inner_right", "brow_outer_left", "brow_outer_right", "blink_left", "blink_right",
    "gaze_x_left", "gaze_x_right", "gaze_y_left", "gaze_y_right",
)  # fmt: skip
"""Controls that keypoints tell apart, brows but for their parts and sides."""

RIDGE, STEPS = 0.02, 400
"""How much a control must explain to be used, and steps of the descent."""

WIDE_OPEN = 90
"""Percentile of an eye's opening in the template that counts as open."""

CLOSED = 0.08
"""The opening, height over width of the eye, at which lids meet."""

OPENEST = 0.62
"""The opening of the lips, height over their width, at a fully dropped jaw: 0.24 face widths of 0.38."""


LIDS = {"eyeBlinkRight": ((11, 48.0), (13, -104.0)), "eyeBlinkLeft": ((15, 48.0), (16, -104.0))}
"""How far each eye closes for a change of 1 of the y of its keypoints, and"""

LIPS = (19, 5.3)
"""how far the lips open, height over width: regressed from d1 and d5."""

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
    for column, name in enumerate(LIDS):  # the left eye of the picture first, as in the file
        shapes[:, SHAPE_COLUMN[name]] = _closing(template, change, column, LIDS[name])
    point, amount = LIPS
    opening = amount * change[:, point, 1] if template.lips is None else template.lips[:, 0]
    shapes[:, SHAPE_COLUMN["jawOpen"]] = np.clip(opening / OPENEST, 0, 1)
    rate = Fraction(template.rate).limit_denominator(1001)
    return Recording(rate, shapes, _angles(template.turn.astype(np.float64)), arrays_of(template), 0)


def recording_in(path: Path) -> Recording:
    """A ``.pkl`` or ``.npz`` file: a template, or what `lp-editor template` recorded without weights. Raises `MediaError`."""
    if path.suffix.lower() == ".npz" and (recorded := read_recording(path)) is not None:
        return recorded
    return recording_of(read_template(path))


def _closing(template: Template, change: Array, column: int, keypoints: tuple[tuple[int, float], ...]) -> Array:
    """How far an eye is closed, (N,)."""
    if template.eyes is None:
        return np.asarray(np.clip(sum(amount * change[:, point, 1] for point, amount in keypoints), 0, 1))
    opening = template.eyes[:, column].astype(np.float64)
    full = max(float(np.percentile(opening, WIDE_OPEN)), CLOSED + 0.05)
    return np.asarray(np.clip((full - opening) / (full - CLOSED), 0, 1))


def _controls(change: NDArray[Any]) -> Array:
    """The offsets (N, C) whose keypoints come nearest to changes of an expression (N, 21, 3)."""
    weight = 1 / bounds().reshape(63)
    sides = [COLUMN[name] for name in TOLD]
    columns = np.array(sides + [len(CONTROLS) + c for c in sides])
    basis = table()[columns] * weight  # (2 * told, 63)
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
