"""Finds the irises in the pixels: landmarks keep them near the middle of an eye, however far up or down it looks.

An iris is a dark disc of known size on something lighter. Its place is where a disc parts the light of the open eye best,
by the between-class variance of N. Otsu, "A threshold selection method from gray-level histograms" (1979).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from lp_editor.engine import FloatImage
from lp_editor.face import FacePicture
from lp_editor.faces import canonical as mesh
from lp_editor.faces.canonical import Pose, to_local
from lp_editor.faces.measure import eye_ratio
from lp_editor.mesh.bases import Array, step

CORNERS = {
    "left": (mesh.LEFT_EYE_UPPER, mesh.LEFT_EYE, mesh.LEFT_IRIS),
    "right": (mesh.RIGHT_EYE_UPPER, mesh.RIGHT_EYE, mesh.RIGHT_IRIS),
}
"""Of each eye: a contour from corner to corner, its whole outline, its iris."""

RADIUS = 0.2
"""An iris's radius in eye widths: 5.9 mm of 29.5."""

SIZE = 64
"""Pixels that an eye's width is looked at with."""

GLINT = 7
"""Of those, bright spots less wide than this are highlights and are taken out of an iris."""

BLACK = 12.0
"""Added to levels, so that the logarithm of black is one."""

ASIDE, ABOVE, BELOW = 0.14, 0.26, 0.16
"""How far from its landmark an iris is looked for, in eye widths."""

USUAL = (0.05, 0.09)
"""How far landmarks usually miss it, to the side and up or down, in eye widths; and what a miss of that much costs:"""

COST = 0.03

AHEAD = np.array([0.0, -0.03])
"""How far off its landmark the disc lies where nothing is misread, in eye widths: about the mean of four faces that look ahead
(d12, d30, s12, s42 of the notes)."""

CLEAR = (0.40, 0.55)
"""Parts of the variance of the light that a disc explains: at the first it is not believed to be the iris, at the second
fully. Looked at on 26 frames of five films and portraits: pale irises, and eyes in shadow, stay below."""

OPEN = (0.12, 0.2)
"""The same, of ratios of the lids: lashes before a closed eye are a dark spot too."""


@dataclass(frozen=True)
class Irises:
    """Where irises are seen: ``centres`` (2,) and ``radii`` by side, in pixels of the frame; ``misread`` (2,) is how far
    the eyes look off where their landmarks say, (x, y) eye widths in the head's frame, y down."""

    centres: Mapping[str, Array]
    radii: Mapping[str, float]
    misread: Array


def marked(points: Array) -> Irises:
    """The irises where landmarks, (478, 3), say that they are."""
    centres = {side: points[iris[0], :2] for side, (_, _, iris) in CORNERS.items()}
    return Irises(centres, {side: _radius(points, side) for side in CORNERS}, np.zeros(2))


def _radius(points: Array, side: str) -> float:
    """An iris's radius by its landmarks, in their unit."""
    across = points[list(CORNERS[side][2][1:]), :2]
    return 0.25 * float(np.linalg.norm(across[0] - across[2]) + np.linalg.norm(across[1] - across[3]))


def seen(picture: FacePicture, points: Array, pose: Pose) -> Irises:
    """The irises of a face whose landmarks are ``points``, (478, 3): as far as pixels tell, elsewhere where those are."""
    found = {side: _found(picture, points, side) for side in CORNERS}
    clear = float(np.mean([share for _, share in found.values()]))
    opened = float(np.mean([eye_ratio(points[None], side)[0] for side in CORNERS]))
    trust = float(step(*CLEAR, np.array(clear)) * step(*OPEN, np.array(opened)))
    local, centres, radii, misread = to_local(points, pose), {}, {}, []
    for side, (upper, _, iris) in CORNERS.items():
        off = trust * found[side][0]
        width = float(np.linalg.norm(local[upper[0]] - local[upper[-1]])) * pose.scale
        centres[side] = points[iris[0], :2] + off
        radii[side] = (1 - trust) * _radius(points, side) + trust * RADIUS * width
        misread.append(off @ pose.rotation[:2, :2] / max(width, 1e-6) - trust * AHEAD)
    return Irises(centres, radii, np.mean(misread, axis=0))


def _found(picture: FacePicture, points: Array, side: str) -> tuple[Array, float]:
    """How far from its landmark the best disc lies, (2,) pixels, and the part of the light's variance that it explains."""
    upper, outline, iris = CORNERS[side]
    matrix, width = _upright(points[upper[0], :2], points[upper[-1], :2])
    there = matrix[:, :2] @ points[iris[0], :2] + matrix[:, 2]
    inside = np.zeros((SIZE, SIZE * 3 // 2), np.uint8)
    around = points[list(outline), :2] @ matrix[:, :2].T + matrix[:, 2]
    cv2.fillPoly(inside, [np.round(around * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    inside = np.asarray(cv2.erode(inside, np.ones((3, 3), np.uint8)), np.uint8)
    if inside.sum() < SIZE or width < 8:
        return np.zeros(2), 0.0
    share = _explained(_light(picture, matrix), inside.astype(np.float32))
    x, y = (np.arange(n) - at for n, at in zip(share.shape[::-1], there, strict=True))
    x, y = np.meshgrid(x / SIZE, y / SIZE)
    cost = COST * ((x / USUAL[0]) ** 2 + (y / USUAL[1]) ** 2)
    allowed = (np.abs(x) <= ASIDE) & (y >= -ABOVE) & (y <= BELOW)
    if not allowed.any():
        return np.zeros(2), 0.0
    score = np.where(allowed, share - cost, -1.0)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    best = np.array([column + _peak(score[row], int(column)), row + _peak(score[:, column], int(row))])
    back = np.linalg.inv(matrix[:, :2])
    return np.asarray(back @ (best - there)), float(share[row, column])


def _upright(a: Array, b: Array) -> tuple[Array, float]:
    """What turns the line between two corners level, `SIZE` pixels long, (2, 3), and its length in pixels of the frame."""
    if a[0] > b[0]:
        a, b = b, a
    width = max(float(np.linalg.norm(b - a)), 1e-3)
    x, y = (b - a) / width * SIZE / width
    turn = np.array([[x, y], [-y, x]])
    return np.column_stack([turn, [SIZE * 0.75, SIZE * 0.5] - turn @ ((a + b) / 2)]), width


def _light(picture: FacePicture, matrix: Array) -> FloatImage:
    """The logarithm of the light of an eye held upright, without highlights."""
    from_box = matrix.copy()
    from_box[:, 2] += matrix[:, :2] @ [picture.box.x0, picture.box.y0]
    size = SIZE * 3 // 2, SIZE
    shrinks = abs(np.linalg.det(matrix[:, :2])) < 0.25
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    held = cv2.warpAffine(picture.pixels, from_box, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    level = held.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    spot = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (GLINT, GLINT))
    return np.asarray(np.log(cv2.morphologyEx(level, cv2.MORPH_OPEN, spot) + BLACK), np.float32)


def _explained(light: FloatImage, inside: FloatImage) -> Array:
    """The part of the variance of the light of an open eye that a dark disc around each pixel explains, (h, w)."""
    reach = round(RADIUS * SIZE) + 1
    x, y = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(RADIUS * SIZE - np.hypot(x, y) + 0.5, 0, 1).astype(np.float32)
    light = light - light[inside > 0].mean()
    count, within = (
        cv2.filter2D(image, cv2.CV_32F, disc, borderType=cv2.BORDER_CONSTANT) for image in (inside, inside * light)
    )
    whole = float(inside.sum())
    rest = np.maximum(whole - count, 1e-3)
    dark, bright = within / np.maximum(count, 1e-3), -within / rest  # the mean of all of it is 0
    variance = float((light[inside > 0] ** 2).mean())
    between = count * rest / whole**2 * (bright - dark) ** 2 / max(variance, 1e-9)
    return np.asarray(np.where(bright > dark, between, 0))


def _peak(line: Array, at: int) -> float:
    """How far beside a pixel the top of a line of values lies, by the parabola through it and those beside it."""
    if at < 1 or at > len(line) - 2:
        return 0.0
    a, b, c = line[at - 1 : at + 2]
    bend = a - 2 * b + c
    return float(np.clip(0.5 * (a - c) / bend, -0.5, 0.5)) if bend < -1e-9 else 0.0
