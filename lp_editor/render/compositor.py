"""Puts the patches of any engine into a frame's own planes.

The native Y, U, V (and alpha) samples are moved by the patch's flow; tone and paint come in as differences in the
footage's own coding. So grain, bit depth and untouched pixels are kept by construction: where the mask is 0, or
nothing moves and nothing is added, a sample is the filmed one, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.engine import FloatImage, Patch, strongest
from lp_editor.face import Box
from lp_editor.media import buffers
from lp_editor.media.coding import display_curve, rgb_to_samples, tone_in_samples
from lp_editor.media.picture import Picture, VideoFormat

Plane: TypeAlias = NDArray[Any]

STILL = 0.02
"""Flow below this many pixels copies the source (mesh_engine notes, 6)."""

UNSEEN = 1e-3 / 255
"""A tone below this part of the range is none."""

CHROMA_GUARD = 4
"""Chroma changes only this many pixels inside the mask, so that no decoder's chroma filter carries it out."""


def apply_patches(picture: Picture, patches: Sequence[Patch]) -> Picture:
    """The picture with the patches in it; the same object where there are none."""
    if not patches:
        return picture
    planes = buffers.planes.copies(picture.planes)
    for patch in patches:
        sized = at_frame_size(patch, picture.format)
        if sized is not None:
            _apply(picture, planes, sized)
    return replace(picture, planes=planes)


def matte(patches: Sequence[Patch], format: VideoFormat) -> NDArray[np.uint8]:
    """How much of each pixel the patches may change, (height, width): 0 means to the bit as filmed."""
    out = buffers.planes.zeros((format.height, format.width), np.uint8)
    for patch in patches:
        sized = at_frame_size(Patch(patch.box, patch.mask), format)
        if sized is not None:
            box = sized.box
            window = out[box.y0 : box.y1, box.x0 : box.x1]
            # rounded up, so that whatever changes at all shows in the matte
            np.maximum(window, np.ceil(sized.mask * 255).astype(np.uint8), out=window)
    return out


def at_frame_size(patch: Patch, format: VideoFormat) -> Patch | None:
    """The patch at the frame's own pixels, its box on even chroma samples inside the frame; None if empty."""
    box = patch.box
    wanted = box.clipped(format.width, format.height)
    if wanted.area == 0:
        return None
    sub_x, sub_y = format.subsampling
    aligned = Box(
        wanted.x0 // sub_x * sub_x, wanted.y0 // sub_y * sub_y,
        min(-(-wanted.x1 // sub_x) * sub_x, format.width), min(-(-wanted.y1 // sub_y) * sub_y, format.height),
    )  # fmt: skip
    arrays = (patch.mask, patch.flow, patch.tone, patch.paint, patch.alpha)
    mask, flow, tone, paint, alpha = (_resample(a, box, wanted, aligned) for a in arrays)
    assert mask is not None
    return Patch(aligned, np.clip(mask, 0, 1), flow, tone, paint, alpha)


def _resample(array: FloatImage | None, box: Box, wanted: Box, aligned: Box) -> FloatImage | None:
    """One array of a patch on its box's pixels, cut to the frame, zero outside the patch."""
    if array is None:
        return None
    if array.shape[:2] != (box.height, box.width):
        array = np.asarray(cv2.resize(array, (box.width, box.height), interpolation=cv2.INTER_LINEAR), np.float32)
    array = array[wanted.y0 - box.y0 : wanted.y1 - box.y0, wanted.x0 - box.x0 : wanted.x1 - box.x0]
    if wanted == aligned:
        return np.ascontiguousarray(array, np.float32)
    around = (wanted.y0 - aligned.y0, aligned.y1 - wanted.y1, wanted.x0 - aligned.x0, aligned.x1 - wanted.x1)
    return np.asarray(cv2.copyMakeBorder(array, *around, cv2.BORDER_CONSTANT, value=(0.0,) * 4), np.float32)


@dataclass(frozen=True)
class _Reach:
    """What a box of a plane shows when each pixel shows what lies at its place + flow: where in ``near`` that is."""

    near: Box
    across: FloatImage
    down: FloatImage

    @classmethod
    def within(cls, plane: Plane, box: Box, flow: FloatImage, strength: FloatImage) -> _Reach:
        """A flow over a box of planes of one size, ``strength`` what `strongest` makes of it."""
        height, width = plane.shape[:2]
        # only the part that the flow reaches is handed to remap: its coordinates are 16-bit and it scans what it gets
        reach = int(np.ceil(strength.max(initial=0.0))) + 3
        near = Box(box.x0 - reach, box.y0 - reach, box.x1 + reach, box.y1 + reach).clipped(width, height)
        columns = np.arange(box.x0 - near.x0, box.x1 - near.x0, dtype=np.float32)
        rows = np.arange(box.y0 - near.y0, box.y1 - near.y0, dtype=np.float32)
        return cls(near, flow[..., 0] + columns[None, :], flow[..., 1] + rows[:, None])

    def of(self, plane: Plane) -> Plane:
        """The pixels of one plane; bicubic, (h, w)."""
        near = self.near
        part = np.ascontiguousarray(plane[near.y0 : near.y1, near.x0 : near.x1])
        result: Plane = cv2.remap(part, self.across, self.down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return result


@dataclass(frozen=True)
class _Grid:
    """A patch brought to the samples of one or more planes: ``box`` in those, ``wanted`` where the mask shows anything."""

    box: Box
    mask: FloatImage
    wanted: NDArray[np.bool_]
    reach: _Reach | None
    flows: NDArray[np.bool_] | None
    alpha: FloatImage | None

    @classmethod
    def of(cls, patch: Patch, step: tuple[int, int], plane: Plane, guarded: bool) -> _Grid:
        """The patch on planes of ``plane``'s size, a sample for each ``step`` (across, down) of the patch's pixels."""
        whole, flow = patch.box, _coarser_flow(patch.flow, step)
        mask = _guarded(patch.mask, step) if guarded else patch.mask
        box = Box(whole.x0 // step[0], whole.y0 // step[1], -(-whole.x1 // step[0]), -(-whole.y1 // step[1]))
        alpha = _coarser(patch.alpha, step) if patch.alpha is not None else None
        if flow is None:
            return cls(box, mask, mask > 0, None, None, alpha)
        strength = strongest(flow)
        return cls(box, mask, mask > 0, _Reach.within(plane, box, flow, strength), strength >= STILL, alpha)


def _apply(picture: Picture, planes: Sequence[Plane], patch: Patch) -> None:
    """Change every plane of one frame under one patch, reading from the frame as filmed."""
    format, box = picture.format, patch.box
    below = picture.rgb(box).astype(np.float32) if display_curve(format) and patch.tone is not None else None
    tone = tone_in_samples(patch.tone, format, below) if patch.tone is not None else None
    paint = rgb_to_samples(patch.paint, format) if patch.paint is not None else None
    fine = (1, 1)
    grids = {fine: _Grid.of(patch, fine, picture.planes[0], False)}
    for i, plane in enumerate(planes):
        step = format.subsampling if i in (1, 2) else fine
        if step not in grids:
            grids[step] = _Grid.of(patch, step, plane, True)
        coloured = i < 3
        add = _coarser(tone[..., i], step) if tone is not None and coloured else None
        cover = _coarser(paint[..., i], step) if paint is not None and coloured else None
        _change_plane(picture.planes[i], plane, grids[step], add, cover, format)


def _guarded(mask: FloatImage, step: tuple[int, int]) -> FloatImage:
    """The mask on the chroma grid, zero near the luma mask's edge."""
    if step == (1, 1):
        return mask
    size = 2 * CHROMA_GUARD + 1
    inside = cv2.erode((mask > 0).astype(np.uint8), np.ones((size, size), np.uint8), borderValue=0)
    return _coarser(mask, step) * (_coarser(inside.astype(np.float32), step) >= 1)


def _coarser(array: FloatImage, step: tuple[int, int]) -> FloatImage:
    if step == (1, 1):
        return array
    height, width = array.shape[:2]
    size = (-(-width // step[0]), -(-height // step[1]))
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA), np.float32)


def _coarser_flow(flow: FloatImage | None, step: tuple[int, int]) -> FloatImage | None:
    if flow is None or step == (1, 1):
        return flow
    return np.asarray(_coarser(flow, step) / np.array(step, np.float32), np.float32)


def _change_plane(
    filmed: Plane, out: Plane, grid: _Grid, add: FloatImage | None, cover: FloatImage | None, format: VideoFormat
) -> None:
    """Write one plane's box: moved, toned (``add``) and painted (``cover``), both in its own levels, where the mask says."""
    box = grid.box
    window = filmed[box.y0 : box.y1, box.x0 : box.x1]
    touched = np.zeros(window.shape, bool)
    value = window.astype(np.float32)
    if grid.reach is not None and grid.flows is not None:
        touched |= grid.flows
        np.copyto(value, grid.reach.of(filmed), where=touched)
    if add is not None:
        value += add
        touched |= np.abs(add) >= UNSEEN * min(format.peak, 255)
    if cover is not None and grid.alpha is not None:
        value += grid.alpha * (cover - value)
        touched |= grid.alpha > 0
    touched &= grid.wanted
    value -= window
    value *= grid.mask
    value += window
    target = out[box.y0 : box.y1, box.x0 : box.x1]
    np.copyto(target, format.rounded(value), where=touched)


def moved(plane: Plane, box: Box, flow: FloatImage) -> Plane:
    """The plane's pixels that a box shows when each shows what lies at its place + flow; bicubic, (h, w)."""
    return _Reach.within(plane, box, flow, strongest(flow)).of(plane)
