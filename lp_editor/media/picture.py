"""Pictures as the footage holds them: planes of samples, how they look, and how they are brought to another format.

A sample keeps the number it was coded with; RGB is a view for eyes and engines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.face import Box, Image
from lp_editor.media import buffers
from lp_editor.media.coding import Floats, code_matrix, display_curve, rgb_matrix, rgb_to_samples
from lp_editor.media.layout import (
    BT601_525,
    BT601_625,
    BT709,
    BT2020,
    KR_KB,
    LAYOUTS,
    UNSPECIFIED,
    Colour,
    Layout,
    VideoFormat,
)

Plane: TypeAlias = NDArray[Any]

__all__ = [
    "BT601_525",
    "BT601_625",
    "BT709",
    "BT2020",
    "KR_KB",
    "LAYOUTS",
    "UNSPECIFIED",
    "Colour",
    "Layout",
    "Picture",
    "Plane",
    "VideoFormat",
    "fit",
    "planes_of",
    "recoded",
    "to_frame",
]


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture: planes of samples, (rows, columns) each, in the layout's type."""

    planes: tuple[Plane, ...]
    format: VideoFormat

    @staticmethod
    def black(format: VideoFormat) -> Picture:
        """Black, opaque."""
        middle = 0.0 if format.layout.family == "rgb" else format.grey_chroma
        values = (format.ranges[0], middle, middle, format.peak)
        kind = format.layout.dtype
        planes = tuple(np.full(format.plane_shape(i), values[i], kind) for i in range(format.layout.planes))
        return Picture(planes, format)

    @staticmethod
    def grey(levels: NDArray[np.uint8]) -> Picture:
        """A full-range grey picture of (height, width) levels."""
        height, width = levels.shape
        return Picture((levels,), VideoFormat(width, height, "gray", Colour(full_range=True)))

    @staticmethod
    def of_rgb(image: Image, format: VideoFormat) -> Picture:
        """An RGB image, (height, width, 3) uint8 of the format's size, coded in the format; chroma averaged."""
        samples = rgb_to_samples(image.astype(np.float32), format)
        planes = []
        for i in range(format.layout.planes):
            rows, columns = format.plane_shape(i)
            values = np.full((rows, columns), float(format.peak), np.float32) if i == 3 else samples[..., i]
            if values.shape != (rows, columns):
                values = np.asarray(cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
            planes.append(format.rounded(values))
        return Picture(tuple(planes), format)

    def rgb(self, box: Box) -> Image:
        """RGB of a part of the picture as a display shows it, (h, w, 3) uint8, chroma interpolated; costs only the box."""
        format = self.format
        curve = display_curve(format)
        if curve:
            return _bytes(curve.shown(self.code_values(box)) * 255)
        luma = self.planes[0][box.y0 : box.y1, box.x0 : box.x1]
        if format.layout.family == "grey":
            black, span, _ = format.ranges
            same = format.depth == 8 and format.full_range
            levels = luma if same else _bytes((luma.astype(np.float32) - np.float32(black)) * np.float32(255 / span))
            return np.repeat(levels[..., None], 3, axis=2)
        three = cv2.merge([luma, *(_at_luma(self.planes[i], box, format) for i in (1, 2))])
        out = buffers.planes.empty(three.shape, three.dtype)
        shown = cv2.transform(three, rgb_matrix(format) * 255, out)
        return np.asarray(shown, np.uint8) if shown.dtype == np.uint8 else _bytes(shown)

    def rgb_all(self) -> Image:
        """RGB of the whole picture, (height, width, 3) uint8."""
        return self.rgb(Box(0, 0, self.format.width, self.format.height))

    def code_values(self, box: Box) -> Floats:
        """R, G, B of a part of the picture in its own coding, (h, w, 3) float32, black 0 and white 1."""
        format = self.format
        first = self.planes[0][box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
        if format.layout.family == "grey":
            black, span, _ = format.ranges
            return np.repeat(((first - np.float32(black)) / np.float32(span))[..., None], 3, axis=2)
        rest = [_at_luma(self.planes[i].astype(np.float32), box, format) for i in (1, 2)]
        return np.asarray(cv2.transform(cv2.merge([first, *rest]), rgb_matrix(format)), np.float32)

    def luma8(self) -> NDArray[np.uint8]:
        """The first plane (luma, or green) as 8-bit levels: for finding motion, not for showing."""
        plane, format = self.planes[0], self.format
        if format.layout.floating:
            return _bytes(plane * 255)
        return np.asarray(plane if plane.dtype == np.uint8 else plane >> (format.depth - 8), np.uint8)

    def equals(self, other: Picture) -> bool:
        """Whether two pictures are the same to the bit."""
        return self.format == other.format and all(
            _equal(a, b) for a, b in zip(self.planes, other.planes, strict=True)
        )


def _equal(one: Plane, other: Plane) -> bool:
    if one.dtype != np.uint8 or one.shape != other.shape or one.dtype != other.dtype:
        return np.array_equal(one, other)
    return cv2.norm(one, other, cv2.NORM_INF) == 0  # a third of the time, and no plane of answers


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _at_luma(plane: Plane, box: Box, format: VideoFormat) -> Plane:
    """A chroma plane interpolated at the luma samples of a box: left-sited across, centred down (MPEG-2, H.264)."""
    sub_x, sub_y = format.subsampling
    if (sub_x, sub_y) == (1, 1):
        return plane[box.y0 : box.y1, box.x0 : box.x1]
    first_row, first_column = max(box.y0 // sub_y - 1, 0), max(box.x0 // sub_x - 1, 0)
    part = plane[first_row : box.y1 // sub_y + 2, first_column : box.x1 // sub_x + 2]
    if sub_x == 2 and part.shape[1] > 1:
        top, left = box.y0 - first_row * sub_y, box.x0 - first_column * 2
        tall = part if sub_y == 1 else cv2.resize(part, (part.shape[1], part.shape[0] * sub_y))
        return _between(tall)[top : top + box.height, left : left + box.width]
    across = [1 / sub_x, 0, box.x0 / sub_x - first_column]
    down = [0, 1 / sub_y, (box.y0 - (sub_y - 1) / 2) / sub_y - first_row]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        part, np.array([across, down]), (box.width, box.height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def _between(plane: Plane) -> Plane:
    """A plane twice as wide: each column, and the mean of it and the next. A fifth of the time that a warp takes."""
    means = np.empty_like(plane)
    cv2.addWeighted(plane[:, :-1], 0.5, plane[:, 1:], 0.5, 0, means[:, :-1])
    means[:, -1] = plane[:, -1]
    return np.asarray(cv2.merge([plane, means]).reshape(len(plane), -1))


def _coarser(plane: Floats, format: VideoFormat, rows: int, columns: int) -> Floats:
    """A chroma plane at luma size brought to a format's chroma grid, sited as `_at_luma` reads it."""
    sub_x, sub_y = format.subsampling
    if sub_x > 1:
        kernel = np.convolve(np.ones(sub_x), np.ones(sub_x))[None] / sub_x**2
        plane = np.asarray(cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REPLICATE)[:, ::sub_x], np.float32)
    if sub_y > 1:
        plane = np.pad(plane, [(0, rows * sub_y - len(plane)), (0, 0)], mode="edge")
        plane = plane.reshape(rows, sub_y, -1).mean(axis=1)
    return np.asarray(plane[:rows, :columns], np.float32)


def recoded(picture: Picture, format: VideoFormat) -> Picture:
    """The picture in another pixel format, matrix and range, of the same size; the same object if it is in it.

    Black stays black and white white; transfer and primaries are taken over as they are, only named anew.
    """
    have = picture.format
    if replace(format, colour=have.colour) == have and (have.matrix, have.full_range) == (
        format.matrix, format.full_range,
    ):  # fmt: skip
        return picture if format == have else Picture(picture.planes, format)
    alike = have.layout.family == format.layout.family and have.matrix == format.matrix
    values = _own_values(picture, format) if alike else _through_rgb(picture, format)
    planes = [format.rounded(v) for v in values]
    if format.layout.alpha:
        planes.append(_alpha(picture, format))
    return Picture(tuple(planes), format)


def _own_values(picture: Picture, format: VideoFormat) -> list[Floats]:
    """Planes of the same kind, with other ranges, depths or subsampling."""
    have = picture.format
    (black, luma, chroma), (to_black, to_luma, to_chroma) = have.ranges, format.ranges
    whole = Box(0, 0, have.width, have.height)
    values = []
    for i in range(1 if format.layout.family == "grey" else 3):
        plane = picture.planes[i].astype(np.float32)
        if format.layout.family != "yuv" or i == 0:
            values.append((plane - np.float32(black)) * np.float32(to_luma / luma) + np.float32(to_black))
            continue
        if have.subsampling != format.subsampling:
            plane = _coarser(_at_luma(plane, whole, have), format, *format.plane_shape(i))
        scaled = (plane - np.float32(have.grey_chroma)) * np.float32(to_chroma / chroma)
        values.append(scaled + np.float32(format.grey_chroma))
    return values


def _through_rgb(picture: Picture, format: VideoFormat) -> list[Floats]:
    """Planes of another kind: grey, YUV of another matrix, RGB."""
    matrix, zero = code_matrix(format)
    code = picture.code_values(Box(0, 0, format.width, format.height))
    samples = cv2.transform(code, matrix) + zero
    if format.layout.family == "grey":
        return [np.asarray(samples[..., 0], np.float32)]
    first, *rest = (np.ascontiguousarray(samples[..., i], np.float32) for i in range(3))
    return [first, *(_coarser(p, format, *format.plane_shape(1)) for p in rest)]


def _alpha(picture: Picture, format: VideoFormat) -> Plane:
    """The alpha plane in another format; opaque where there was none."""
    have = picture.format
    if not have.layout.alpha:
        return np.full((format.height, format.width), format.peak, format.layout.dtype)
    return format.rounded(picture.planes[3].astype(np.float32) * np.float32(format.peak / have.peak))


def fit(picture: Picture, format: VideoFormat) -> Picture:
    """The picture in another format: scaled to fit with its shape kept, black around it. The same object if it is in it.

    Shape counts sample aspects. Scaling is swscale's, Lanczos.
    """
    have = picture.format
    if have == format:
        return picture
    shape = Fraction(have.width, have.height) * have.sample_aspect / format.sample_aspect
    width = min(format.width, round(format.height * shape))
    height = min(format.height, round(format.width / shape))
    sub_x, sub_y = format.subsampling
    width, height = max(width // sub_x * sub_x, sub_x), max(height // sub_y * sub_y, sub_y)
    if (format.width, format.height) == (have.width, have.height) and have.sample_aspect == format.sample_aspect:
        return recoded(picture, format)  # odd sizes too
    own = recoded(picture, replace(format, width=have.width, height=have.height, sample_aspect=have.sample_aspect))
    scaled = _rescaled(own, width, height)
    if (width, height) == (format.width, format.height):
        return Picture(scaled, format)
    out = Picture.black(format)
    left, top = (format.width - width) // 2 // sub_x * sub_x, (format.height - height) // 2 // sub_y * sub_y
    for i, (plane, part) in enumerate(zip(out.planes, scaled, strict=True)):
        sx, sy = (sub_x, sub_y) if i in (1, 2) else (1, 1)
        plane[top // sy : top // sy + part.shape[0], left // sx : left // sx + part.shape[1]] = part
    return out


def _rescaled(picture: Picture, width: int, height: int) -> tuple[Plane, ...]:
    """Planes in another size, by swscale, in their own format."""
    frame = to_frame(picture).reformat(
        width, height, picture.format.pix_fmt, interpolation="LANCZOS",
        src_colorspace=1, dst_colorspace=1, src_color_range=1, dst_color_range=1,
    )  # fmt: skip
    return planes_of(frame, replace(picture.format, width=width, height=height))


def to_frame(picture: Picture) -> av.VideoFrame:
    """The picture as a PyAV frame, tagged; it may share the picture's memory."""
    format, block = picture.format, _block(picture)
    if block is not None:
        frame = av.VideoFrame.from_numpy_buffer(block, format.pix_fmt)
    else:
        frame = av.VideoFrame(format.width, format.height, format.pix_fmt)
        for plane, samples in zip(frame.planes, picture.planes, strict=True):
            rows, columns = samples.shape
            view = np.frombuffer(memoryview(plane), samples.dtype).reshape(-1, plane.line_size // samples.itemsize)
            view[:rows, :columns] = samples
    tag(frame, format)
    return frame


def _block(picture: Picture) -> NDArray[np.uint8] | None:
    """The planes of a picture as PyAV takes them without a copy, (rows, width); None where they do not lie like that.

    It takes 8-bit 4:2:0 with its planes one behind the other, as `apply_patches` leaves them.
    """
    format, planes = picture.format, picture.planes
    block = planes[0].base
    if format.pix_fmt != "yuv420p" or format.width % 2 or format.height % 2 or not isinstance(block, np.ndarray):
        return None
    address = block.__array_interface__["data"][0]
    for plane in planes:
        if plane.base is not block or plane.__array_interface__["data"][0] != address or not plane.flags.c_contiguous:
            return None
        address += plane.nbytes
    return block.reshape(-1, format.width) if block.nbytes == format.bytes else None


def tag(frame: av.VideoFrame, format: VideoFormat) -> None:
    """Write a format's colour on a frame."""
    colour = format.colour
    frame.colorspace, frame.color_range = colour.matrix, 2 if format.full_range else 1
    frame.color_primaries, frame.color_trc = colour.primaries, colour.transfer


def planes_of(frame: av.VideoFrame, format: VideoFormat) -> tuple[Plane, ...]:
    """The planes of a frame that is in a format's own pixel format: read-only views of the frame's memory, kept by them."""
    kind = np.dtype(format.layout.dtype)
    planes = []
    for i, plane in zip(range(format.layout.planes), frame.planes, strict=True):
        rows, columns = format.plane_shape(i)
        samples = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
        samples.flags.writeable = False
        planes.append(samples[:rows, :columns])
    return tuple(planes)
