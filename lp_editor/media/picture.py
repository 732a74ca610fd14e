"""Pictures as the footage holds them: planes of Y, U, V (and alpha) samples, and the maps between them and RGB.

A sample keeps the number it was coded with; RGB is a view for eyes and engines. Colour codes are those of H.273, as
FFmpeg numbers them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.errors import MediaError
from lp_editor.face import Box, Image

Plane: TypeAlias = NDArray[Any]

BT709, UNSPECIFIED, BT601_625, BT601_525, BT2020 = 1, 2, 5, 6, 9
"""Matrix codes of H.273."""

KR_KB = {BT709: (0.2126, 0.0722), BT601_625: (0.299, 0.114), BT601_525: (0.299, 0.114), BT2020: (0.2627, 0.0593)}
"""Luma weights of red and blue (ITU-R BT.709, BT.601, BT.2020)."""


@dataclass(frozen=True)
class Layout:
    """How a pixel format lays out its planes."""

    sub_x: int
    sub_y: int
    depth: int
    planes: int

    @property
    def alpha(self) -> bool:
        """Whether the last plane is alpha."""
        return self.planes == 4


LAYOUTS = {
    "gray": Layout(1, 1, 8, 1),
    "yuv420p": Layout(2, 2, 8, 3),
    "yuv422p": Layout(2, 1, 8, 3),
    "yuv444p": Layout(1, 1, 8, 3),
    "yuva420p": Layout(2, 2, 8, 4),
    "yuva422p": Layout(2, 1, 8, 4),
    "yuva444p": Layout(1, 1, 8, 4),
}
"""The pixel formats that pictures are held in."""


@dataclass(frozen=True)
class Colour:
    """How samples mean colours: H.273 codes, and whether 0..peak or only the studio range is used."""

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False


@dataclass(frozen=True)
class VideoFormat:
    """What every picture of a video has in common."""

    width: int
    height: int
    pix_fmt: str
    colour: Colour = Colour()
    sample_aspect: Fraction = Fraction(1)

    @property
    def layout(self) -> Layout:
        """The planes of this pixel format."""
        return LAYOUTS[self.pix_fmt]

    @property
    def subsampling(self) -> tuple[int, int]:
        """Luma samples for each chroma sample, across and down."""
        return self.layout.sub_x, self.layout.sub_y

    @property
    def depth(self) -> int:
        """Bits of a sample."""
        return self.layout.depth

    @property
    def peak(self) -> int:
        """The greatest sample."""
        return (1 << self.depth) - 1

    def plane_shape(self, plane: int) -> tuple[int, int]:
        """Rows and columns of one plane."""
        if plane in (1, 2):
            return -(-self.height // self.layout.sub_y), -(-self.width // self.layout.sub_x)
        return self.height, self.width

    @property
    def luma_weights(self) -> tuple[float, float]:
        """Kr and Kb; unspecified means BT.601 up to 576 lines and BT.709 above, as players take it."""
        default = BT601_625 if self.height <= 576 else BT709
        return KR_KB.get(self.colour.matrix, KR_KB[default])


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture: planes of samples, (rows, columns) each, uint8."""

    planes: tuple[Plane, ...]
    format: VideoFormat

    @staticmethod
    def black(format: VideoFormat) -> Picture:
        """Black, opaque."""
        low = 0 if format.colour.full_range else 16 << (format.depth - 8)
        values = (low, 1 << (format.depth - 1), 1 << (format.depth - 1), format.peak)
        planes = tuple(np.full(format.plane_shape(i), values[i], np.uint8) for i in range(format.layout.planes))
        return Picture(planes, format)

    @staticmethod
    def grey(levels: NDArray[np.uint8]) -> Picture:
        """A full-range grey picture of (height, width) levels."""
        height, width = levels.shape
        return Picture((levels,), VideoFormat(width, height, "gray", Colour(full_range=True)))

    @staticmethod
    def of_rgb(image: Image, format: VideoFormat) -> Picture:
        """An RGB image, (height, width, 3) uint8 of the format's size, coded in the format; chroma averaged."""
        yuv = rgb_to_yuv(image.astype(np.float32), format, offset=True)
        planes = []
        for i in range(format.layout.planes):
            rows, columns = format.plane_shape(i)
            values = np.full((rows, columns), float(format.peak), np.float32) if i == 3 else yuv[..., i]
            if values.shape != (rows, columns):
                values = np.asarray(cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
            planes.append(np.clip(np.rint(values), 0, format.peak).astype(np.uint8))
        return Picture(tuple(planes), format)

    def rgb(self, box: Box) -> Image:
        """RGB of a part of the picture, (h, w, 3) uint8, chroma interpolated; costs only the box."""
        format = self.format
        luma = self.planes[0][box.y0 : box.y1, box.x0 : box.x1]
        if format.layout.planes == 1:
            levels = luma if format.colour.full_range else _bytes((luma.astype(np.float32) - 16) * (255 / 219))
            return np.repeat(levels[..., None], 3, axis=2)
        chroma = [_chroma_at_luma(self.planes[i], box, format) for i in (1, 2)]
        return np.asarray(cv2.transform(cv2.merge([luma, *chroma]), _to_rgb_matrix(format)), np.uint8)

    def rgb_all(self) -> Image:
        """RGB of the whole picture, (height, width, 3) uint8."""
        return self.rgb(Box(0, 0, self.format.width, self.format.height))

    def equals(self, other: Picture) -> bool:
        """Whether two pictures are the same to the bit."""
        return self.format == other.format and all(
            np.array_equal(a, b) for a, b in zip(self.planes, other.planes, strict=True)
        )


def _bytes(values: NDArray[np.float32]) -> Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _chroma_at_luma(plane: Plane, box: Box, format: VideoFormat) -> Plane:
    """A chroma plane interpolated at the luma samples of a box: left-sited across, centred down (MPEG-2, H.264)."""
    sub_x, sub_y = format.subsampling
    if (sub_x, sub_y) == (1, 1):
        return plane[box.y0 : box.y1, box.x0 : box.x1]
    first_row, first_column = max(box.y0 // sub_y - 1, 0), max(box.x0 // sub_x - 1, 0)
    part = plane[first_row : box.y1 // sub_y + 2, first_column : box.x1 // sub_x + 2]
    across = [1 / sub_x, 0, box.x0 / sub_x - first_column]
    down = [0, 1 / sub_y, (box.y0 - (sub_y - 1) / 2) / sub_y - first_row]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        part, np.array([across, down]), (box.width, box.height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def _ranges(format: VideoFormat) -> tuple[float, float, float]:
    """Luma black, and the sample spans of luma and of half the chroma, at the format's depth."""
    unit = 1 << (format.depth - 8)
    if format.colour.full_range:
        return 0.0, float(format.peak), format.peak / 2
    return 16.0 * unit, 219.0 * unit, 112.0 * unit


def _rgb_to_ypbpr(format: VideoFormat) -> NDArray[np.float32]:
    """R, G, B in 0..1 to Y in 0..1 and Pb, Pr in -1..1 (ITU-R BT.709 §3)."""
    kr, kb = format.luma_weights
    luma = np.array([kr, 1 - kr - kb, kb])
    blue = (np.array([0, 0, 1]) - luma) / (1 - kb)
    red = (np.array([1, 0, 0]) - luma) / (1 - kr)
    return np.asarray(np.stack([luma, blue, red]), np.float32)


def rgb_to_yuv(rgb: NDArray[np.float32], format: VideoFormat, offset: bool) -> NDArray[np.float32]:
    """RGB in 0..255 levels, (h, w, 3), as Y, U, V samples; ``offset=False`` maps differences instead of colours."""
    black, luma, chroma = _ranges(format)
    matrix = _rgb_to_ypbpr(format) * np.array([[luma], [chroma], [chroma]], np.float32) / 255
    zero = np.array([black, 1 << (format.depth - 1), 1 << (format.depth - 1)], np.float32)
    yuv = cv2.transform(np.ascontiguousarray(rgb, np.float32), matrix)
    return np.asarray(yuv + zero if offset else yuv, np.float32)


def _to_rgb_matrix(format: VideoFormat) -> NDArray[np.float64]:
    """Y, U, V samples to RGB in 0..255 levels: (3, 4), the last column added."""
    black, luma, chroma = _ranges(format)
    zero = np.array([black, 1 << (format.depth - 1), 1 << (format.depth - 1)])
    scale = np.array([255 / luma, 255 / chroma, 255 / chroma])
    matrix = np.linalg.inv(_rgb_to_ypbpr(format).astype(np.float64)) * scale
    return np.column_stack([matrix, -matrix @ zero])


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
    scaled = from_frame(_rescaled(picture, replace(format, width=width, height=height)))
    if (width, height) == (format.width, format.height):
        return Picture(scaled.planes, format)
    out = Picture.black(format)
    left, top = (format.width - width) // 2 // sub_x * sub_x, (format.height - height) // 2 // sub_y * sub_y
    for i, (plane, part) in enumerate(zip(out.planes, scaled.planes, strict=True)):
        sx, sy = (sub_x, sub_y) if i in (1, 2) else (1, 1)
        plane[top // sy : top // sy + part.shape[0], left // sx : left // sx + part.shape[1]] = part
    return out


def _rescaled(picture: Picture, format: VideoFormat) -> av.VideoFrame:
    """Scaled and recoded by swscale, matrix and range of both sides honoured."""
    spaces = {BT709: 1, BT2020: 9}
    return to_frame(picture).reformat(
        format.width,
        format.height,
        format.pix_fmt,
        src_colorspace=spaces.get(_matrix(picture.format), 5),
        dst_colorspace=spaces.get(_matrix(format), 5),
        src_color_range=2 if picture.format.colour.full_range else 1,
        dst_color_range=2 if format.colour.full_range else 1,
        interpolation="LANCZOS",
    )


def _matrix(format: VideoFormat) -> int:
    """The matrix code, guessed as `VideoFormat.luma_weights` does where it is unspecified."""
    return format.colour.matrix if format.colour.matrix in KR_KB else (BT709 if format.height > 576 else BT601_625)


def to_frame(picture: Picture) -> av.VideoFrame:
    """The picture as a PyAV frame, tagged."""
    format = picture.format
    frame = av.VideoFrame(format.width, format.height, format.pix_fmt)
    for plane, samples in zip(frame.planes, picture.planes, strict=True):
        rows, columns = samples.shape
        view = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        view[:rows, :columns] = samples
    colour = format.colour
    frame.colorspace, frame.color_range = colour.matrix, 2 if colour.full_range else 1
    frame.color_primaries, frame.color_trc = colour.primaries, colour.transfer
    return frame


def format_of(frame: av.VideoFrame, sample_aspect: Fraction | None = None) -> VideoFormat:
    """The format that `from_frame` holds a decoded frame in."""
    name = frame.format.name
    full = (
        int(frame.color_range) == 2 or name.startswith("yuvj") or name.startswith(("gray", "rgb", "bgr", "gbr", "pal"))
    )
    matrix = int(frame.colorspace)
    colour = Colour(
        matrix if matrix in KR_KB else UNSPECIFIED,
        int(frame.color_primaries), int(frame.color_trc), full,
    )  # fmt: skip
    return VideoFormat(frame.width, frame.height, _held_as(name), colour, sample_aspect or Fraction(1))


RGB_NAMES = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "ya8")


def _held_as(name: str) -> str:
    """The pixel format that frames of a decoder's format are held in."""
    if name in LAYOUTS:
        return name
    plain = name.replace("yuvj", "yuv")
    if plain in LAYOUTS:
        return plain
    if name.startswith("gray") and "1" not in name:
        return "gray"
    if name.startswith(RGB_NAMES):
        return "yuva444p" if "a" in name.replace("gray", "").replace("planar", "") else "yuv444p"
    if name in ("nv12", "nv21", "yuv411p", "yuv410p", "yuv440p"):
        return {"nv12": "yuv420p", "nv21": "yuv420p"}.get(name, "yuv444p")
    raise MediaError(f"pixel format {name} cannot be read yet: 8-bit YUV, RGB and grey can")


def from_frame(frame: av.VideoFrame, sample_aspect: Fraction | None = None) -> Picture:
    """A decoded frame as a picture of its own memory. RGB and odd layouts are converted once, full range."""
    format = format_of(frame, sample_aspect)
    name = frame.format.name
    if name.replace("yuvj", "yuv") != format.pix_fmt:
        frame = frame.reformat(format=format.pix_fmt, dst_color_range=2 if format.colour.full_range else 1)
    planes = []
    for i, plane in zip(range(format.layout.planes), frame.planes, strict=True):
        rows, columns = format.plane_shape(i)
        planes.append(np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:rows, :columns].copy())
    return Picture(tuple(planes), format)
