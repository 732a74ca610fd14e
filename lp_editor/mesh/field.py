"""The displacement field of an edit: landmarks and rings around the face, piecewise affine, smoothed where skin is.

Plain piecewise-affine tears at the silhouette, splines cannot close lids; a piecewise-affine field that is blurred
everywhere but at lids and lips looked best (mesh_engine notes, 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.engine import FloatImage
from lp_editor.face import Box
from lp_editor.faces import canonical as mesh
from lp_editor.faces.canonical import Pose, canonical_face, to_frame, to_local
from lp_editor.faces.occlusion import soft
from lp_editor.mesh.bases import Array, step
from lp_editor.mesh.shape import MeshMotion

RINGS = (1.12, 1.28, 1.5, 1.8, 2.2)
"""Rings outside the face oval, in sizes of it; the top ones are 45 % larger still (mesh_engine notes, 5)."""

RIGID_TOP = (1.0, 0.97, 0.82, 0.42, 0.0)
RIGID_CHIN = (0.85, 0.6, 0.33, 0.12, 0.0)
"""How much each ring turns with the head, at the top and at the chin (mesh_engine notes, 5)."""

STRETCH = (0.6, 0.22, 0.0, 0.0, 0.0)
"""How much each ring follows the oval's own motion (a dropped jaw)."""

FIELD_SIZE = 320
"""The field is rasterised at most this large, in pixels; eyes and mouth at the frame's own."""

BLUR_SKIN, BLUR_OUTSIDE, SHARP = 0.018, 0.06, 0.01
"""Blur inside the face and outside, and the distance from lids and lips without any, in face widths."""

NEAR = 0.01
"""Landmarks that move less than this many pixels stay."""

SLIVER = 2.0
"""Twice the area, in pixels, below which a triangle is too thin to have a slope of its own."""

EDGE = 0.08
"""The field of a turn fades to 0 over this many face widths at its limit; another one over half as many."""


@dataclass(frozen=True)
class Net:
    """Landmarks and rings before and after: (N, 3) frame pixels; inverse fields run from ``after`` to ``before``.

    ``limit`` (M, 2) is the outline beyond which nothing moves.
    """

    before: Array
    after: Array
    face_width: float
    turned: bool
    limit: Array


@cache
def triangles() -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """All triangles of face and rings, and which of them lie outside the face."""
    oval, count = list(mesh.OVAL), len(mesh.OVAL)
    outside: list[list[int]] = []
    inner = oval
    for k in range(len(RINGS)):
        outer = [478 + k * count + i for i in range(count)]
        for i in range(count):
            j = (i + 1) % count
            outside += [[inner[i], inner[j], outer[i]], [inner[j], outer[j], outer[i]]]
        inner = outer
    face = canonical_face().triangles
    flags = np.r_[np.zeros(len(face), bool), np.ones(len(outside), bool)]
    return np.vstack([face, np.array(outside, np.intp)]), flags


def net(filmed: MeshMotion, motion: MeshMotion) -> Net:
    """Where landmarks and rings were filmed, and where the motion takes them."""
    before, after = filmed.points, motion.points.copy()
    local = to_local(before, filmed.pose)
    rings = _rings(local)
    ring_before = to_frame(rings, filmed.pose)
    turned = not same_pose(filmed.pose, motion.pose)
    width = float(np.linalg.norm(before[234] - before[454]))
    rigid = np.zeros_like(ring_before)
    rigid_face = np.zeros_like(before)
    if turned:
        rigid = to_frame(rings, motion.pose) - ring_before
        rigid_face = to_frame(local, motion.pose) - before
        bend_face, bend_rings = _silhouette(before, ring_before, rigid_face, rigid, width)
        after[:, :2] += bend_face
        rigid_face[:, :2] += bend_face
        rigid[:, :2] += bend_rings
    stretch = (after - before - rigid_face)[list(mesh.OVAL)]
    follow = np.concatenate([weight * stretch for weight in STRETCH])
    ring_after = ring_before + rigid * _rigid_weights(local)[:, None] + follow
    limit = _limit(ring_before, _chin(local), turned)
    return Net(np.vstack([before, ring_before]), np.vstack([after, ring_after]), width, turned, limit)


def same_pose(a: Pose, b: Pose) -> bool:
    """Whether two poses are one, but for rounding."""
    return (
        abs(a.scale / b.scale - 1) < 1e-9
        and np.abs(a.rotation - b.rotation).max() < 1e-9
        and np.abs(a.shift - b.shift).max() < 1e-6
    )


def _rings(local: Array) -> Array:
    """The rings in the head's frame, receding behind the oval."""
    oval = local[list(mesh.OVAL)]
    centre = oval.mean(0)
    top = np.clip((centre[1] - oval[:, 1]) / 6, 0, 1)
    made = []
    for k, size in enumerate(RINGS, 1):
        ring = centre + (oval - centre) * (1 + (size - 1) * (1 + 0.45 * top))[:, None]
        ring[:, 2] = oval[:, 2] + 4.5 * k / len(RINGS)
        made.append(ring)
    return np.vstack(made)


def _chin(local: Array) -> Array:
    """How near to the chin each landmark of the oval lies, 0..1."""
    oval = local[list(mesh.OVAL)]
    return np.asarray(np.clip((oval[:, 1] - oval[:, 1].mean()) / 7, 0, 1) ** 2)


def _limit(rings: Array, chin: Array, turned: bool) -> Array:
    """Where the field ends: at the outermost ring for a turn; else close to the face, with room for a dropped jaw.

    So the matte keeps within 1.6 times (5 times) the area of the box around the landmarks.
    """
    near, far, last = (rings[k * len(chin) : (k + 1) * len(chin), :2] for k in (1, 2, len(RINGS) - 1))
    return np.asarray(last if turned else near + (far - near) * chin[:, None])


def _rigid_weights(local: Array) -> Array:
    chin = _chin(local)
    pairs = zip(RIGID_TOP, RIGID_CHIN, strict=True)
    return np.concatenate([top * (1 - chin) + low * chin for top, low in pairs])


def _silhouette(face: Array, rings: Array, move_face: Array, move_rings: Array, width: float) -> tuple[Array, Array]:
    """What to add to a rigid turn near the silhouette so that it does not tear: the way to a cubic fit of it."""
    points = np.vstack([face, rings])[:, :2]
    moves = np.vstack([move_face, move_rings])[:, :2]
    x, y = ((points - face[:468, :2].mean(0)) / width).T
    x, y = np.clip(x, -1.1, 1.1), np.clip(y, -1.1, 1.1)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3], 1)
    count = len(mesh.OVAL)
    used = np.r_[0:468, 478 : 478 + 2 * count]
    weight = np.where(used >= 478, 0.6, 1.0)[:, None]
    fit = np.linalg.lstsq(terms[used] * weight, moves[used] * weight, rcond=None)[0]
    bend = (terms @ fit - moves) * step(0.18, 0.45, np.hypot(x, y * 0.8))[:, None]
    fade = np.r_[np.ones(478 + 2 * count), np.repeat([0.8, 0.4, 0.0], count)]
    bend = bend * fade[:, None]
    return bend[:478], bend[478:]


def opened_lids(made: Net, closing: dict[str, float]) -> Net:
    """The net with the lids' source moved onto the skin beside them, so that a closing lid draws skin, not lashes.

    4.5 % of an eye's width above, 3 % below (mesh_engine notes, 8); ``closing`` by side, 0..1.
    """
    before = made.before.copy()
    for side, upper, lower in (
        ("left", mesh.LEFT_EYE_UPPER, mesh.LEFT_EYE_LOWER),
        ("right", mesh.RIGHT_EYE_UPPER, mesh.RIGHT_EYE_LOWER),
    ):
        amount = float(step(0, 0.6, np.array(closing[side])))
        if amount > 0:
            top, bottom = list(upper[1:-1]), list(lower[1:-1])
            width = np.linalg.norm(made.before[upper[0]] - made.before[upper[-1]])
            across = made.before[bottom] - made.before[top]
            across /= np.maximum(np.linalg.norm(across[:, :2], axis=1), 0.075 * width)[:, None]
            before[top] -= across * amount * width * 0.045
            before[bottom] += across * amount * width * 0.03
    return Net(before, made.after, made.face_width, made.turned, made.limit)


def moving(made: Net) -> NDArray[np.bool_]:
    """Which triangles have a landmark that moves."""
    far = np.abs((made.after - made.before)[:, :2]).max(1) > NEAR
    return np.asarray(far[triangles()[0]].any(1))


def reach(made: Net, size: tuple[int, int]) -> Box | None:
    """The box of everything that moves, with room for the blur, inside a frame of ``size``; None if nothing does."""
    corners = np.unique(triangles()[0][moving(made)])
    for iris, eye in ((mesh.LEFT_IRIS, mesh.LEFT_EYE), (mesh.RIGHT_IRIS, mesh.RIGHT_EYE)):
        if np.abs((made.after - made.before)[iris[0], :2]).max() > NEAR:
            corners = np.union1d(corners, eye)  # an eye that only looks elsewhere
    if not len(corners):
        return None
    points = np.vstack([made.before[corners], made.after[corners]])
    pad = 0.035 * made.face_width + 3
    low = np.maximum(points[:, :2].min(0) - pad, made.limit.min(0) - 1)
    high = np.minimum(points[:, :2].max(0) + pad, made.limit.max(0) + 1)
    box = Box(int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1).clipped(*size)
    return box if box.width > 3 and box.height > 3 else None


def flow(made: Net, box: Box) -> FloatImage:
    """Where each pixel of a box comes from: (h, w, xy), offsets in frame pixels."""
    scale = min(1.0, FIELD_SIZE / max(box.width, box.height))
    size = int(np.ceil(box.width * scale)), int(np.ceil(box.height * scale))
    scales = size[0] / box.width, size[1] / box.height
    coarse, outside = _raster(made, box, size, scales)
    coarse = _smoothed(coarse, outside, made, box, size, scales)
    fine = coarse if scale == 1 else cv2.resize(coarse, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    fine = np.ascontiguousarray(fine, np.float32)
    if scale < 1:
        for part in (mesh.LEFT_EYE, mesh.RIGHT_EYE, mesh.INNER_LIPS):
            _sharpen(fine, made, box, part)
    return np.asarray(fine * _fade(made, box)[..., None], np.float32)


def _raster(made: Net, box: Box, size: tuple[int, int], scales: tuple[float, float]) -> tuple[FloatImage, FloatImage]:
    """The piecewise-affine field at some scale, and how far outside the face each pixel is (0 or 1)."""
    corners, flags = triangles()
    active = np.flatnonzero(moving(made))
    at = made.after[:, :2] - [box.x0, box.y0]
    low, high = at[corners[active]].min(1), at[corners[active]].max(1)
    active = active[(high > -1).all(1) & (low < [box.width + 1, box.height + 1]).all(1)]
    depth = made.after[corners[active]][:, :, 2].mean(1) + 1000.0 * flags[active]
    active = active[np.argsort(-depth)]
    fixed = np.round(((at + 0.5) * scales - 0.5) * 16).astype(np.int32)
    index = np.full((size[1], size[0]), len(active), np.int32)
    for number, triangle in enumerate(fixed[corners[active]]):
        cv2.fillConvexPoly(index, triangle, number, cv2.LINE_8, 4)
    affine = _affines(made.after[:, :2], made.before[:, :2], corners[active])
    x = ((np.arange(size[0], dtype=np.float32) + 0.5) / scales[0] - 0.5 + box.x0).astype(np.float32)[None, :]
    y = ((np.arange(size[1], dtype=np.float32) + 0.5) / scales[1] - 0.5 + box.y0).astype(np.float32)[:, None]
    field = np.empty((size[1], size[0], 2), np.float32)
    for axis in (0, 1):
        along, down, still = (np.ascontiguousarray(affine[:, k, axis]) for k in range(3))
        field[..., axis] = x * along[index] + y * down[index] + still[index]
    return field, np.r_[flags[active], True].astype(np.float32)[index]


def _affines(after: Array, before: Array, corners: NDArray[np.intp]) -> NDArray[np.float32]:
    """For each triangle (and, last, for no triangle), the offset as [x y 1] @ (3, 2).

    Triangles of hardly a pixel, seen from the side, have no slope worth believing: all of one moves as its corners do on
    average.
    """
    a, b = after[corners], before[corners]
    system = np.concatenate([a, np.ones((*a.shape[:2], 1))], axis=2)
    flat = np.abs(np.linalg.det(system)) <= SLIVER
    system[flat] = np.eye(3)
    solved = np.linalg.solve(system, b - a)
    solved[flat, :2] = 0
    solved[flat, 2] = (b - a)[flat].mean(1)
    return np.concatenate([solved, np.zeros((1, 3, 2))]).astype(np.float32)


def _smoothed(
    field: FloatImage, outside: FloatImage, made: Net, box: Box, size: tuple[int, int], scales: tuple[float, float]
) -> FloatImage:  # fmt: skip
    """The field blurred, more outside the face, not at all at lids and lips."""
    width = made.face_width * scales[0]
    distance = _distance(made, box, size, scales, (mesh.LEFT_EYE, mesh.RIGHT_EYE, mesh.INNER_LIPS))
    skin = step(SHARP * width, 0.05 * width, distance.astype(np.float64))[..., None].astype(np.float32)
    blurred = cv2.GaussianBlur(field, (0, 0), max(0.6, BLUR_SKIN * width))
    if outside.any() and (made.turned or outside.min() < 1):
        wide = soft(field, max(0.6, BLUR_OUTSIDE * width))
        beyond = soft(outside, 0.05 * width)[..., None]
        blurred = blurred * (1 - beyond) + wide * beyond
    return np.asarray(field + (blurred - field) * skin, np.float32)


def _distance(
    made: Net, box: Box, size: tuple[int, int], scales: tuple[float, float], parts: tuple[tuple[int, ...], ...]
) -> FloatImage:  # fmt: skip
    """How far each pixel is from some contours, moved."""
    drawn = np.full((size[1], size[0]), 255, np.uint8)
    for part in parts:
        points = (made.after[list(part)][:, :2] - [box.x0, box.y0] + 0.5) * scales - 0.5
        fixed = [np.round(points * 16).astype(np.int32)]
        cv2.fillPoly(drawn, fixed, 0, cv2.LINE_8, 4)
        thick = max(1, int(0.012 * made.face_width * scales[0]))
        cv2.polylines(drawn, fixed, True, 0, thick, cv2.LINE_8, 4)
    return np.asarray(cv2.distanceTransform(drawn, cv2.DIST_L2, 3), np.float32)


def _sharpen(field: FloatImage, made: Net, box: Box, part: tuple[int, ...]) -> None:
    """Rasterise one eye or the mouth again at the frame's own resolution."""
    points = np.vstack([made.after[list(part)], made.before[list(part)]])
    pad = 0.06 * made.face_width
    low, high = points[:, :2].min(0) - pad, points[:, :2].max(0) + pad
    x0, y0 = max(int(low[0]), box.x0), max(int(low[1]), box.y0)
    small = Box(x0, y0, min(int(high[0]) + 1, box.x1), min(int(high[1]) + 1, box.y1))
    if small.width < 4 or small.height < 4:
        return
    fine, _ = _raster(made, small, (small.width, small.height), (1.0, 1.0))
    distance = _distance(made, small, (small.width, small.height), (1.0, 1.0), (part,))
    near = 1 - step(SHARP * made.face_width, 0.035 * made.face_width, distance.astype(np.float64))
    weight = near[..., None].astype(np.float32)
    window = field[small.y0 - box.y0 : small.y1 - box.y0, small.x0 - box.x0 : small.x1 - box.x0]
    window += weight * (fine - window)


def _fade(made: Net, box: Box) -> FloatImage:
    """1 inside, falling to 0 at the limit and at the frame of the box."""
    inside = np.zeros((box.height + 2, box.width + 2), np.uint8)
    cv2.fillPoly(inside, [np.round(made.limit - [box.x0 - 1, box.y0 - 1]).astype(np.int32)], 255)
    inside[0], inside[-1], inside[:, 0], inside[:, -1] = 0, 0, 0, 0
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    over = EDGE if made.turned else EDGE / 2
    return np.asarray(np.clip((distance - 1) / (over * made.face_width), 0, 1), np.float32)
