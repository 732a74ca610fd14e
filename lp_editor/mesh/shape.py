"""Edits the shape of a face: controls applied to its landmarks, in the head's own frame.

Only landmarks move here; the field, the eyes and the mouth are drawn from where they were and where they go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import COLUMN, HIGH, LOW, PARTS, REGIONS, TARGET_COLUMN, Controls, Part, Region, parts_of
from lp_editor.face import Face
from lp_editor.faces import canonical as mesh
from lp_editor.faces.canonical import Pose, procrustes, to_frame, to_local
from lp_editor.faces.measure import EYEBALL, REST_Y, eye_ratio, lip_ratio, pose_angles
from lp_editor.mesh.bases import GAZE, Array, bases, eye_window, measured, measured_names, rest_points, step
from lp_editor.mesh.calibration import Strengths
from lp_editor.mesh.iris import Irises
from lp_editor.mesh.rehearsal import ANGLES, Performed, Rehearsals, Response, added

Row = NDArray[np.float64]

CLOSING_LINE = 0.82
"""Lids meet this far down the opening (mesh_engine notes, 8)."""

MOST_GAZE = 0.36
"""No iris goes further than this, in eye widths, along either axis."""

HARDLY_OPEN = (0.06, 0.14)
"""Ratios of the lids: at the first a look cannot be led at all, from the second on fully."""

MOST_AIMED = 0.24
"""The same where a look is led to a target: about 28 degrees, as far as eyes go with comfort."""

UPPER_FOLLOWS = {"down": 0.78, "up": 0.6}
LOWER_FOLLOWS = {"down": 0.58, "up": 0.3}
"""How much of an iris's way down or up the lids go with it: the upper lid keeps its place on the iris (W. Becker and A. F.
Fuchs, "Lid-eye coordination during vertical gaze changes in man and monkey", 1988). In the measured film (displacements.npz,
eyeLookDown) lids went .78 and .58 of the iris's way down; up .92 and .66, but with so much of it eyes led up were read no
better, only opened wider (d12 of the notes)."""

PITCH_GAIN, YAW_GAIN = 1.17, 1.2
NECK = np.array([0.0, 4.0, 6.5])
"""The head turns about this point, cm, with these gains (mesh_engine notes, 4)."""

EYES = {"left": (mesh.LEFT_EYE_UPPER, mesh.LEFT_EYE_LOWER, mesh.LEFT_IRIS),
        "right": (mesh.RIGHT_EYE_UPPER, mesh.RIGHT_EYE_LOWER, mesh.RIGHT_IRIS)}  # fmt: skip


MOST_OPEN = 0.30
"""No mouth is opened wider than this, in face widths between the lips."""

BROWS = {"left": (285, 295, 282, 283, 276), "right": (55, 65, 52, 53, 46)}
BROW_ROOM = 0.52
"""The lower edge of each brow, and how much of its height over the upper lid it may come down."""


@dataclass(frozen=True)
class Person:
    """What a shot tells about a face: its calibrations, and its shape at rest in the head's frame.

    ``eye_open`` and ``lip_open`` are the 90th percentile of the ratios of `lp_editor.faces.measure`; ``neutral`` the
    median shape, (478, 3) cm; ``strengths`` how strong each control has to be, None for as the bases are.
    """

    eye_open: dict[str, float]
    lip_open: float
    neutral: Array
    strengths: Strengths | None = None
    rest: Array | None = None
    """The shape without any expression, as blendshapes tell, (478, 3) cm; None for the neutral one."""
    performed: Performed | None = None
    """What it is seen to do, for faces that follow it."""
    rehearsals: Rehearsals | None = None
    """How it responds to those it follows; None for one whose landmarks are seen where they are put."""

    @property
    def at_rest(self) -> Array:
        """The best guess at the face without expression, (478, 3) cm."""
        return self.neutral if self.rest is None else self.rest


@dataclass(frozen=True)
class MeshMotion:
    """How a face is held: landmarks in the frame (478, 3), and the pose that the head's frame has."""

    points: Array
    pose: Pose
    person: Person
    unled: Pose | None = None
    """The pose before a driver turned the head; None where none did."""
    blendshapes: Array | None = None
    """What was read of the face in the order of `lp_editor.recording.SHAPES`, (52,), for faces that follow it; None of one
    that was made."""
    irises: Irises | None = None
    """Where the pixels show the irises; None where there are no pixels."""

    def toward(self, other: MeshMotion, weight: float) -> MeshMotion:
        """This motion moved ``weight`` of the way to another; landmarks go straight, the head turns evenly."""
        shapes = self.blendshapes
        if shapes is not None and other.blendshapes is not None:
            shapes = (1 - weight) * shapes + weight * other.blendshapes
        moved = replace(self, points=(1 - weight) * self.points + weight * other.points, blendshapes=shapes)
        if weight <= 0 or self.pose is other.pose:
            return moved
        rotation = (1 - weight) * self.pose.rotation + weight * other.pose.rotation
        left, _, right = np.linalg.svd(rotation)
        pose = Pose(
            self.pose.scale ** (1 - weight) * other.pose.scale**weight,
            left @ right,
            (1 - weight) * self.pose.shift + weight * other.pose.shift,
        )
        return replace(moved, pose=pose)


def retargeted(motion: MeshMotion, offsets: Row, targets: Row, weights: Row, neutral: Row) -> MeshMotion:
    """A motion with one row of controls applied; the very same one where nothing is asked."""
    if not (offsets.any() or (weights > 0).any() or neutral.any()):
        return motion
    person = motion.person
    asked = Controls(offsets[None], targets[None], weights[None], neutral[None])
    asked = asked.in_openings(*np.array([[person.eye_open["left"]], [person.eye_open["right"]], [person.lip_open]]))
    targets, weights = asked.targets[0], asked.weights[0]
    if motion.person.strengths is not None:
        offsets = motion.person.strengths.applied(offsets)
    local = to_local(motion.points, motion.pose)
    local = _neutralised(local, motion.person, neutral)
    local = _with_lips(local, _moved(local, offsets))
    if (pressed := _value(offsets, "press")) > 0:
        local = _lips_at(local, float(lip_ratio(local[None])[0]) * (1 - min(pressed, 1.0)))
    pose = _posed(motion.pose, offsets, float(np.linalg.norm(local[234] - local[454])))
    misread = motion.irises.misread if motion.irises is not None else np.zeros(2)
    blink, gaze = _lids_and_gaze(local, pose, motion.person, offsets, targets, weights, misread)
    local = _to_lip_target(local, motion.person, targets, weights)
    for side in ("left", "right"):
        local = _with_eye(local, side, blink[side], gaze[side])
    return MeshMotion(to_frame(local, pose), pose, motion.person)


def _value(row: Row, name: str) -> float:
    return float(row[COLUMN[name]])


def _moved(local: Array, offsets: Row) -> Array:
    """The sum of all bases."""
    moves, made = np.zeros_like(local), bases()
    for name in made.positive:
        value = _value(offsets, name) * (_room_to_open(local, offsets) if name == "mouth_open" else 1.0)
        if value > 0:
            moves += value * made.positive[name]
        elif value < 0:
            moves -= value * made.negative[name]
    return local + _above_lids(local, moves)


def _room_to_open(local: Array, offsets: Row) -> float:
    """The part of an asked opening of the jaw that a mouth still has room for: 1 for one that is hardly open."""
    asked = _value(offsets, "mouth_open")
    if asked <= 0:
        return 1.0
    have = float(lip_ratio(local[None])[0])
    gain = float(lip_ratio((local + 0.2 * bases().positive["mouth_open"])[None])[0]) - have
    return float(np.clip((MOST_OPEN - have) / max(5 * gain * asked, 1e-6), 0, 1))


def _above_lids(local: Array, moves: Array) -> Array:
    """Moves with no brow lower than `BROW_ROOM` of its way to the eye allows."""
    out = moves
    for side, brow in BROWS.items():
        lid = local[EYES[side][0][4], 1]
        room = BROW_ROOM * (lid - local[list(brow), 1].mean())
        drop = moves[list(brow), 1].mean()
        if drop > room > 0:
            x = rest_points()[:, 0] * (1 if side == "left" else -1)
            here = step(-1.2, 1.2, x) * (1 - step(-3.2, -2.2, rest_points()[:, 1]))
            out = out * (1 - (1 - room / drop) * here)[:, None]
    return out


def _with_lips(before: Array, after: Array) -> Array:
    """Never let the lips cross more than they did."""
    upper, lower = list(mesh.INNER_LIPS_UPPER[1:-1]), list(mesh.INNER_LIPS_LOWER[1:-1])
    least = np.minimum((before[lower] - before[upper])[:, 1], 0.02)
    short = np.maximum(least - (after[lower] - after[upper])[:, 1], 0)
    if not short.any():
        return after
    out = after.copy()
    out[upper, 1] -= short / 2
    out[lower, 1] += short / 2
    return out


def region_weights(region: Region | Part) -> Array:
    """How much each landmark belongs to a region, or to one side of it, (478,)."""
    y = rest_points()[:, 1]
    name, _, side = region.partition("_")
    if side:
        left = rest_points()[:, 0] > 0
        both = region_weights("gaze" if name == "gaze" else "eyes")
        return np.asarray(both * (left if side == "left" else ~left))
    irises = np.zeros(478)
    irises[468:] = 1
    if region == "gaze":
        return irises
    eyes = np.maximum(eye_window("Left"), eye_window("Right")) * (1 - irises)
    brows = (1 - step(-3.6, -2.6, y)) * (1 - irises) * (1 - eyes)
    if region == "eyes":
        return eyes
    if region == "brows":
        return brows
    if region == "mouth":
        return step(0.0, 1.6, y) * (1 - irises)
    between = np.clip(1 - eyes - brows - step(0.0, 1.6, y) - irises, 0, 1)
    nose = step(-3.0, -2.0, y) * (1 - step(1.4, 2.4, np.abs(rest_points()[:, 0])))
    if region == "nose":
        return np.asarray(between * nose)
    if region == "cheeks":
        return np.asarray(between * (1 - nose))
    return np.zeros(478)


def _neutralised(local: Array, person: Person, neutral: Row) -> Array:
    """The shape taken towards the person's rest, region by region."""
    out = local
    for region, strength in zip(REGIONS, neutral, strict=True):
        if strength > 0 and region != "pose":
            out = out + strength * region_weights(region)[:, None] * (person.neutral - local)
    return out


def _lids_and_gaze(
    local: Array, pose: Pose, person: Person, offsets: Row, targets: Row, weights: Row, misread: Array
) -> tuple[dict[str, float], dict[str, Array]]:
    """How far each eye closes (1 closed, negative wider), and where each iris goes, in cm."""
    blink, gaze = {}, {}
    for side in ("left", "right"):
        x, y = _value(offsets, f"gaze_x_{side}"), _value(offsets, f"gaze_y_{side}")
        shift = np.array([x, y, 0]) * GAZE * eye_width(local, side)
        gaze[side] = _to_gaze_target(local, pose, side, shift, person, targets, weights, misread)
        blink[side] = _value(offsets, f"blink_{side}")
        column = TARGET_COLUMN[f"eye_opening_{side}"]
        if weights[column] > 0:
            have = float(eye_ratio(local[None], side)[0])
            want = targets[column] * person.eye_open[side]
            wanted = 1 - want / max(have, 1e-3)
            blink[side] += weights[column] * (wanted - blink[side])
    return blink, gaze


def _to_gaze_target(
    local: Array, pose: Pose, side: str, shift: Array, person: Person, targets: Row, weights: Row, misread: Array
) -> Array:
    """Move an iris so that the eyes look in a direction of the camera's: both by the same, as far as they go with comfort.

    What landmarks say is led as far as it reads as asked; what pixels show besides (``misread``) is led as it is.
    """
    columns = [TARGET_COLUMN[name] for name in ("gaze_direction_x", "gaze_direction_y")]
    if not (weights[columns] > 0).any():
        most = MOST_GAZE * eye_width(local, side)
        return np.asarray(np.clip(shift, -most, most))
    x, y = np.radians(targets[columns])
    ahead = np.array([np.sin(x) * np.cos(y), -np.sin(y), -np.cos(x) * np.cos(y)]) @ pose.rotation  # in the head's frame
    filmed = np.mean([iris_off(local, eye) for eye in EYES], axis=0)
    wanted = np.clip(EYEBALL * ahead[:2], -MOST_AIMED, MOST_AIMED) - filmed
    shown = _open_enough(local)
    width, out = eye_width(local, side), shift.copy()
    for axis, column in enumerate(columns):
        if weights[column] > 0:
            up_or_left = (wanted[axis] > 0) != (axis == 1)  # y is down
            strength = person.strengths.aimed(axis, up_or_left) if person.strengths is not None else 1.0
            way = shown * (strength * wanted[axis] - misread[axis])
            out[axis] += weights[column] * (way * width - out[axis])
    return np.asarray(np.clip(out, -MOST_GAZE * width, MOST_GAZE * width))


def eye_width(local: Array, side: str) -> float:
    """Corner to corner, in the unit of the points."""
    upper, _, _ = EYES[side]
    return float(np.linalg.norm(local[upper[0]] - local[upper[-1]]))


def iris_off(local: Array, side: str) -> Array:
    """Where an iris lies off the place it has when its eye looks straight ahead: (x, y) in eye widths."""
    upper, _, iris = EYES[side]
    middle = (local[upper[0]] + local[upper[-1]]) / 2
    return np.asarray((local[iris[0]] - middle)[:2] / eye_width(local, side) - [0, REST_Y])


def _open_enough(local: Array) -> float:
    """1 for eyes that show where they look, less for lids nearly shut: nothing is painted where nothing was seen."""
    return float(step(*HARDLY_OPEN, np.array(np.mean([eye_ratio(local[None], side)[0] for side in EYES]))))


def _to_lip_target(local: Array, person: Person, targets: Row, weights: Row) -> Array:
    """Open or close the lips towards a target: the jaw first, the lips for the rest."""
    column = TARGET_COLUMN["lip_opening"]
    if weights[column] <= 0:
        return local
    have = float(lip_ratio(local[None])[0])
    want = have + weights[column] * (targets[column] * person.lip_open - have)
    jaw = bases().positive["mouth_open"]
    gain = float(lip_ratio((local + 0.2 * jaw)[None])[0]) - have
    moved = local + np.clip((want - have) / max(gain, 1e-4) * 0.2, -1.0, 1.0) * 0.9 * jaw
    return _lips_at(moved, want)


def _lips_at(local: Array, want: float) -> Array:
    """The lips scaled to an opening: two thirds of the way is the lower lip's."""
    have = float(lip_ratio(local[None])[0])
    upper, lower = list(mesh.INNER_LIPS_UPPER[1:-1]), list(mesh.INNER_LIPS_LOWER[1:-1])
    gap = (local[lower] - local[upper]) * (1 - want / max(have, 1e-3))
    out = local.copy()
    out[upper] += gap * 0.35
    out[lower] -= gap * 0.65
    return out


def _with_eye(local: Array, side: str, blink: float, gaze: Array) -> Array:
    """Turn one eye's iris, let the lids go with it, then close them (or open them wider)."""
    out = local.copy()
    upper, lower, iris = EYES[side]
    out[list(iris)] += gaze
    way = "down" if gaze[1] > 0 else "up"
    top, bottom = local[list(upper)], local[list(lower)]
    arch = np.sin(np.pi * np.linspace(0, 1, len(upper)))  # steeper at the corners, the skin beside them would fold
    down, up = np.zeros_like(top), np.zeros_like(top)
    down[:, 1] = UPPER_FOLLOWS[way] * gaze[1] * arch
    up[:, 1] = -LOWER_FOLLOWS[way] * gaze[1] * arch
    # however far the eye looks, the lids leave a fifth of the opening
    gap = np.maximum(bottom - top, 0) * [0, 1, 0]
    down[:, 1] = np.minimum(down[:, 1], 0.8 * gap[:, 1] - np.minimum(up[:, 1], 0))
    gap = (bottom - up) - (top + down)
    amount = min(blink, 1.0)
    part_down, part_up = (CLOSING_LINE, 1 - CLOSING_LINE) if amount >= 0 else (0.35, 0.12)
    down += gap * part_down * amount
    up += gap * part_up * amount
    if not down.any() and not up.any():
        return out
    skin = bases().blink[side] * eye_window(side.capitalize())[:, None]
    typical = np.abs(skin[list(upper[2:-2]), 1]).mean()
    skin = skin * np.clip(down[2:-2, 1].mean() / max(typical, 1e-6), -2, 3)
    skin[sorted({*upper, *lower, *mesh.LEFT_IRIS, *mesh.RIGHT_IRIS})] = 0
    out += skin
    out[list(upper[1:-1])] += down[1:-1]
    out[list(lower[1:-1])] -= up[1:-1]
    return out


def rotation(pitch: float, yaw: float, roll: float) -> Array:
    """A head's rotation in the camera's frame (x right, y down, z away), degrees with the signs of the controls.

    The nod is the innermost turn: it goes about the head's own axis, however the head is turned.
    """
    a, b, c = np.radians([-pitch, -yaw, roll])
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(rz @ ry @ rx)


def _posed(pose: Pose, offsets: Row, width: float) -> Pose:
    """The head's frame turned about the neck, moved and scaled; ``width`` is the face's, in cm."""
    pitch, yaw, roll = (_value(offsets, n) for n in ("pitch", "yaw", "roll"))
    x, y, scale = (_value(offsets, n) for n in ("shift_x", "shift_y", "scale"))
    if not any((pitch, yaw, roll, x, y, scale)):
        return pose
    angles = pose_angles(pose)
    turned = rotation(angles[0] + PITCH_GAIN * pitch, angles[1] + YAW_GAIN * yaw, angles[2] + roll)
    shift = pose.shift + pose.scale * (pose.rotation @ NECK - turned @ NECK)
    centre = pose.scale * turned @ rest_points()[:468].mean(0) + shift
    shift = centre + (shift - centre) * (1 + scale)
    shift = shift + np.array([x, -y, 0]) * width * pose.scale
    return Pose(pose.scale * (1 + scale), turned, shift)


def transferred(
    source: MeshMotion, driver: MeshMotion, reference: MeshMotion | None, regions: Sequence[Region | Part], strength: float
) -> MeshMotion:  # fmt: skip
    """A face moved as a driver is, part by part: as a change from ``reference``, or, absolutely, as far from its own rest
    as the driver is from the driver's."""
    if strength <= 0:
        return source
    own = to_local(source.points, source.pose)
    theirs = to_local(driver.points, driver.pose)
    base = driver.person.at_rest if reference is None else to_local(reference.points, reference.pose)
    start = source.person.at_rest if reference is None else own
    parts = parts_of(regions)
    pose, unled = source.pose, source.unled
    if "pose" in parts:
        unled = unled or source.pose
        pose = _turned(source, own, _turn(driver.pose, (reference or source).pose), strength)
    if parts == ("pose",):
        return MeshMotion(to_frame(own, pose), pose, source.person, unled)
    reach = _reach(parts, strength)
    moved = _kept(own, own + reach * (_followed(start, base, theirs) - own))
    response = None if source.person.rehearsals is None else source.person.rehearsals.of(driver.person.performed)
    if response is not None:
        still = None if reference is None else (own, source.pose)
        move = response.anticipated(moved, pose, still)
        move += response.corrected(driver.blendshapes, None if reference is None else reference.blendshapes)
        moved = _kept(own, moved + reach * move)
        if unled is not None:
            pose = _aimed(pose, response.aimed(moved, pose, (own, unled)))
    return MeshMotion(to_frame(moved, pose), pose, source.person, unled)


def _followed(start: Array, base: Array, theirs: Array) -> Array:
    """A shape moved as a driver's is off its base, (478, 3) cm; lids that close do so by the same part of their opening."""
    out = start + (theirs - base)
    for upper, lower, _ in EYES.values():
        top, bottom = list(upper[1:-1]), list(lower[1:-1])
        gap, was, now = ((points[bottom] - points[top])[:, 1] for points in (start, base, theirs))
        closed = float(np.clip(1 - now.mean() / max(was.mean(), 1e-6), 0, 1))
        further = closed * (gap - was)
        out[top, 1] += CLOSING_LINE * further
        out[bottom, 1] -= (1 - CLOSING_LINE) * further
    return out


def _aimed(pose: Pose, turn: Array) -> Pose:
    """A head turned by some degrees more about the neck."""
    turned = rotation(*(np.array(pose_angles(pose)) + turn))
    return Pose(pose.scale, turned, pose.shift + pose.scale * (pose.rotation @ NECK - turned @ NECK))


def played(
    filmed: MeshMotion, driver: Performed, response: Response | None, amounts: Array | None
) -> list[tuple[MeshMotion, Array]]:  # fmt: skip
    """A face held as at each of a driver's moments: its shape off its rest, its head turned off how it is held; and the
    angles that it is to be seen at, (3,) degrees. ``amounts`` of expressions are added, (M, E)."""
    own, made = to_local(filmed.points, filmed.pose), []
    reach = _reach(PARTS, 1.0)
    for i, (shape, turn) in enumerate(zip(driver.shapes, driver.turns, strict=True)):
        moved = _kept(own, own + reach * (_followed(filmed.person.at_rest, driver.rest, shape) - own))
        pose = _turned(filmed, own, turn, 1.0)
        if response is not None:
            move = response.anticipated(moved, pose, None) + (0.0 if amounts is None else added(amounts[i]))
            moved = _kept(own, moved + reach * move)
            pose = _aimed(pose, response.aimed(moved, pose, (own, filmed.pose)))
        meant = np.array(pose_angles(filmed.pose)) + turn
        made.append((MeshMotion(to_frame(moved, pose), pose, filmed.person), meant))
    return made


def _reach(parts: Sequence[Part], strength: float) -> Array:
    """How far each landmark follows where some parts do, (478, 1)."""
    weights = [region_weights(part) for part in parts if part != "pose"]
    return np.asarray(strength * np.sum(weights, axis=0))[:, None]


def _kept(before: Array, after: Array) -> Array:
    """Lips and lids kept from crossing."""
    return _with_lids(_with_lips(before, after))


def _turned(source: MeshMotion, local: Array, turn: Array, strength: float) -> Pose:
    """The pose turned by pitch, yaw and roll, (3,) degrees, as far as it reads as asked."""
    offsets = np.zeros(len(COLUMN))
    offsets[ANGLES] = strength * turn
    if source.person.strengths is not None:
        offsets = source.person.strengths.applied(offsets)
    return _posed(source.pose, offsets, float(np.linalg.norm(local[234] - local[454])))


def _turn(pose: Pose, start: Pose) -> Array:
    """Pitch, yaw and roll from one pose to another, (3,) degrees, within the range of the controls.

    They are told apart, not as one rotation: whoever follows a nod nods about the own axis, however the own head is turned.
    """
    turn = np.subtract(pose_angles(pose), pose_angles(start))
    return np.asarray(np.clip((turn + 180) % 360 - 180, LOW[ANGLES], HIGH[ANGLES]))


def _with_lids(local: Array) -> Array:
    """Never let the lids of an eye cross."""
    out = local.copy()
    for upper, lower, _ in EYES.values():
        top, bottom = list(upper[1:-1]), list(lower[1:-1])
        over = np.maximum(out[top, 1] - out[bottom, 1], 0)
        out[top, 1] -= CLOSING_LINE * over
        out[bottom, 1] += (1 - CLOSING_LINE) * over
    return out


def at_rest(faces: Sequence[Face]) -> Array:
    """A person's shape without expression, (478, 3) cm: what is left when the measured displacement of every blendshape
    is taken off, the median over some faces."""
    return np.asarray(np.median([_without_expression(face) for face in faces], axis=0))


def _without_expression(face: Face) -> Array:
    points = face.points.astype(np.float64)
    local = to_local(points, procrustes(points))
    values = np.array([face.blendshapes.get(name, 0.0) for name in measured_names()])
    return np.asarray(local - np.tensordot(values, measured(), 1))


def recorded(
    shapes: Array, poses: Array, names: Sequence[str], performed: Performed | None = None
) -> list[MeshMotion]:  # fmt: skip
    """The average face, held as rows of blendshapes (N, len(names)) and poses (N, 3) in degrees say.

    ``performed`` is what it is seen to do in all.
    """
    rest = rest_points()
    person = Person({"left": 0.3, "right": 0.3}, 0.1, rest, None, rest, performed)
    known = [names.index(name) for name in measured_names()]
    moves = np.tensordot(shapes[:, known], measured(), 1)  # (N, 478, 3)
    made = []
    for row, move, angles in zip(shapes, moves, poses, strict=True):
        pose = Pose(10.0, rotation(*map(float, angles)), np.zeros(3))
        made.append(MeshMotion(to_frame(_kept(rest, rest + move), pose), pose, person, None, row))
    return made
