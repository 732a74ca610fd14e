"""Borrows what a frame does not show from other frames of the same shot: the inside of an open mouth, closed lids.

Real teeth and real lids look better than any paint (mesh_engine notes, 9). One frame is chosen for a whole shot, by pose
and light, so that what it lends holds still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import cv2
import numpy as np

from lp_editor.engine import FloatImage, ReadFaces
from lp_editor.face import Box, FacePicture, FaceTrack
from lp_editor.faces import canonical as mesh
from lp_editor.faces.measure import eye_ratio, head_pose, lip_ratio
from lp_editor.mesh.bases import Array
from lp_editor.mesh.layers import around, luma, swatches

Part: TypeAlias = Literal["mouth", "left", "right"]
PARTS: tuple[Part, ...] = ("mouth", "left", "right")

CANDIDATES = 3
"""Frames whose pixels are read for each part."""

OPEN_ENOUGH, WIDE = 0.035, 0.10
"""A mouth lends its inside when it is open by this many face widths; more than the second is no better."""

CLOSED = 0.19
"""Lids are lent when the eye is no more open than this part of the person's own opening: nothing of it shows then."""

ODD = 0.12
"""A lender's light is another one when it is off the usual by more than this part."""

TURN = 12.0
"""Degrees between the poses of lender and shot that are never bridged."""

AROUND = {"mouth": mesh.OUTER_LIPS, "left": mesh.LEFT_EYE, "right": mesh.RIGHT_EYE}
CHEEKS = (50, 280, 205, 425)


@dataclass(frozen=True)
class Lent:
    """Pixels of one part of a face from another frame: RGB of ``box``, and that frame's landmarks (478, 3).

    ``light`` is the brightness of the skin there, in levels; ``width`` the face's, in pixels; ``trust`` 0..1 falls where
    the borrowing face is turned otherwise.
    """

    pixels: FloatImage
    box: Box
    points: Array
    width: float
    light: float
    trust: float = 1.0


Loan: TypeAlias = dict[Part, Lent]


def borrow(track: FaceTrack, some: Sequence[int], eye_open: dict[str, float], read: ReadFaces) -> Loan:
    """What a shot can lend; ``some`` are the numbers, from the track's first, of frames with a face."""
    points = np.stack([face.points for i in some if (face := track.faces[i]) is not None]).astype(np.float64)
    turns = np.array([head_pose(p) for p in points])
    away = np.abs(turns - np.median(turns, axis=0)).max(1)
    out: Loan = {}
    for part in PARTS:
        chosen = [track.first + some[k] for k in _candidates(part, points, away, eye_open)]
        pictures = read(chosen) if chosen else []
        lights = [skin_light(p) for p in pictures]
        if pictures:
            odd = np.abs(np.array(lights) / np.median(lights) - 1)
            best = int(np.argmax(odd < ODD)) if (odd < ODD).any() else int(np.argmin(odd))
            if (lent := _cut(pictures[best], part, lights[best])) is not None:
                out[part] = lent
    if not {"left", "right"} <= out.keys():  # one lid lent and one painted would not match
        out = {part: lent for part, lent in out.items() if part == "mouth"}
    return out


def _candidates(part: Part, points: Array, away: Array, eye_open: dict[str, float]) -> list[int]:
    """The best lenders of a part, best first."""
    if part == "mouth":
        opening = np.minimum(lip_ratio(points), WIDE)
        fit, usable = opening / WIDE - away / 30, opening >= OPEN_ENOUGH
    else:
        opening = eye_ratio(points, part) / max(eye_open[part], 1e-3)
        fit, usable = -opening - away / 30, opening <= CLOSED
    order = np.argsort(-fit, kind="stable")
    return [int(k) for k in order if usable[k] and away[k] <= TURN][:CANDIDATES]


def skin_light(picture: FacePicture) -> float:
    """The brightness of the cheeks, in levels."""
    cheeks = picture.face.points[list(CHEEKS)].astype(np.float64)
    return max(luma(swatches(picture.pixels, picture.box, cheeks, 0.03 * picture.face.width).mean(0)), 4.0)


def _cut(picture: FacePicture, part: Part, light: float) -> Lent | None:
    points = picture.face.points.astype(np.float64)
    box = around(points[list(AROUND[part])], 0.12 * picture.face.width, picture.box)
    if box is None:
        return None
    seen = picture.box
    pixels = picture.pixels[box.y0 - seen.y0 : box.y1 - seen.y0, box.x0 - seen.x0 : box.x1 - seen.x0]
    return Lent(pixels.astype(np.float32), box, points, picture.face.width, light)


def repaid(loan: Loan, picture: FacePicture) -> Loan:
    """The same pixels in the light of a face that borrows them, trusted as far as it is turned the same way."""
    if not loan:
        return loan
    light, pose = skin_light(picture), np.array(head_pose(picture.face.points))[:2]
    out: Loan = {}
    for part, lent in loan.items():
        gain = float(np.clip(light / lent.light, 0.6, 1.6))
        apart = float(np.abs(pose - np.array(head_pose(lent.points))[:2]).max())
        trust = float(np.clip((16.0 - apart) / 6.0, 0, 1))
        if trust > 0:
            pixels = np.asarray(np.clip(lent.pixels * gain, 0, 255), np.float32)
            out[part] = replace(lent, pixels=pixels, light=light, trust=trust)
    return out


def lid_over(lent: Lent, upper: Sequence[int], lower: Sequence[int], crease: Sequence[int], part: Box,
             after: Array) -> tuple[FloatImage, FloatImage]:  # fmt: skip
    """A closed lid drawn into a box: its pixels (h, w, RGB) hung between the eye's corners, and how far it reaches.

    Heights above the lid's edge scale with the distance to the crease, so that a lid that is not quite closed is
    shorter; the lash line itself is the lender's own.
    """
    corners = [upper[0], upper[-1]]
    here, there = after[corners, :2], lent.points[corners, :2]
    x, y = np.meshgrid(np.arange(part.x0, part.x1, dtype=np.float32), np.arange(part.y0, part.y1, dtype=np.float32))
    axes, theirs = _axes(here), _axes(there)
    u = (x - here[0, 0]) * axes[0][0] + (y - here[0, 1]) * axes[0][1]
    v = (x - here[0, 0]) * axes[1][0] + (y - here[0, 1]) * axes[1][1]
    ratio = theirs[2] / axes[2]
    edge, fold = (_heights(after, line, here[0], axes, u) for line in (upper, crease))
    u2 = u * ratio
    edge2, fold2 = (_heights(lent.points, line, there[0], theirs, u2) for line in (upper, crease))
    low2 = _heights(lent.points, lower, there[0], theirs, u2)
    edge2 = 0.5 * (edge2 + low2)
    stretch = np.clip((edge2 - fold2) / np.maximum((edge - fold) * ratio, 0.5), 0.5, 2.0)
    over = np.where(v < edge, (v - edge) * ratio * stretch, (v - edge) * ratio)
    v2 = edge2 + over
    at_x = there[0, 0] + u2 * theirs[0][0] + v2 * theirs[1][0] - lent.box.x0
    at_y = there[0, 1] + u2 * theirs[0][1] + v2 * theirs[1][1] - lent.box.y0
    drawn = cv2.remap(lent.pixels, at_x.astype(np.float32), at_y.astype(np.float32), cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    along = np.clip(u / axes[2], 0, 1)
    inside = np.clip(np.minimum(along, 1 - along) / 0.06, 0, 1)
    height = np.maximum(edge - fold, 1.0)
    reach = (
        inside
        * np.clip((v - fold) / (0.35 * height), 0, 1)
        * np.clip((edge + 0.12 * axes[2] - v) / (0.06 * axes[2]), 0, 1)
    )
    return np.asarray(drawn, np.float32), np.asarray(reach, np.float32)


def _axes(corners: Array) -> tuple[Array, Array, float]:
    """Along an eye from corner to corner, down from it, and its length."""
    along = corners[1] - corners[0]
    length = max(float(np.linalg.norm(along)), 1e-3)
    along = along / length
    down = np.array([-along[1], along[0]])
    return along, down if down[1] > 0 else -down, length


def _heights(
    points: Array, line: Sequence[int], corner: Array, axes: tuple[Array, Array, float], u: FloatImage
) -> FloatImage:
    off = points[list(line), :2] - corner
    at, depth = off @ axes[0], off @ axes[1]
    order = np.argsort(at)
    return np.interp(u, at[order], depth[order]).astype(np.float32)
