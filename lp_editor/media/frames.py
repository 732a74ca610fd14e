"""Decoded frames as pictures: upright, planar, in the machine's byte order, every sample the number it was coded with.

Packed, half-planar and big-endian layouts are taken apart; nothing is converted but palettes and a few rare layouts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from lp_editor.errors import MediaError
from lp_editor.media.layout import LAYOUTS, LINEAR, RGB, UNSPECIFIED, Colour, VideoFormat
from lp_editor.media.picture import Picture, Plane, planes_of, tag

PACKED = {
    "rgb24": ("u1", "RGB"), "bgr24": ("u1", "BGR"), "rgba": ("u1", "RGBA"), "bgra": ("u1", "BGRA"),
    "argb": ("u1", "ARGB"), "abgr": ("u1", "ABGR"), "rgb0": ("u1", "RGB-"), "bgr0": ("u1", "BGR-"),
    "0rgb": ("u1", "-RGB"), "0bgr": ("u1", "-BGR"), "ya8": ("u1", "YA"),
    "rgb48le": ("<u2", "RGB"), "rgb48be": (">u2", "RGB"), "bgr48le": ("<u2", "BGR"), "bgr48be": (">u2", "BGR"),
    "rgba64le": ("<u2", "RGBA"), "rgba64be": (">u2", "RGBA"), "bgra64le": ("<u2", "BGRA"), "bgra64be": (">u2", "BGRA"),
    "ya16le": ("<u2", "YA"), "ya16be": (">u2", "YA"),
}  # fmt: skip
"""Layouts of one plane: the type of a sample, and what each sample of a pixel is."""

HALF_PLANAR = {
    "nv12": ("yuv420p", 0, "UV"), "nv21": ("yuv420p", 0, "VU"), "nv16": ("yuv422p", 0, "UV"),
    "nv24": ("yuv444p", 0, "UV"), "p010le": ("yuv420p10le", 6, "UV"), "p210le": ("yuv422p10le", 6, "UV"),
    "p410le": ("yuv444p10le", 6, "UV"), "p012le": ("yuv420p12le", 4, "UV"), "p016le": ("yuv420p16le", 0, "UV"),
    "p216le": ("yuv422p16le", 0, "UV"), "p416le": ("yuv444p16le", 0, "UV"),
}  # fmt: skip
"""Layouts with chroma in one plane: what they are held as, the empty low bits, the order of chroma."""

FALLBACKS = {
    "pal8": "gbrap", "monob": "gray", "monow": "gray", "yuyv422": "yuv422p", "uyvy422": "yuv422p",
    "xyz12le": "gbrp12le", "gbrpf32be": "gbrpf32le", "gbrapf32be": "gbrapf32le", "grayf32be": "grayf32le",
    "yuv410p": "yuv444p", "rgb565le": "gbrp", "rgb555le": "gbrp", "x2rgb10le": "gbrp10le", "x2bgr10le": "gbrp10le",
}  # fmt: skip
"""Rare layouts, and what FFmpeg converts them to."""

HALF_FLOATS = ("gray", "gbrp", "gbrap")


@dataclass(frozen=True)
class Turn:
    """How a stored picture is brought upright: mirrored left to right first, then turned clockwise by quarters."""

    mirrored: bool = False
    quarters: int = 0

    def of(self, plane: Plane) -> Plane:
        """A plane, turned."""
        plane = plane[:, ::-1] if self.mirrored else plane
        return np.ascontiguousarray(np.rot90(plane, -self.quarters))

    @property
    def sideways(self) -> bool:
        """Whether width and height change places."""
        return self.quarters % 2 == 1


UPRIGHT = Turn()

EXIF = {
    2: Turn(True), 3: Turn(False, 2), 4: Turn(True, 2), 5: Turn(True, 3), 6: Turn(False, 1), 7: Turn(True, 1),
    8: Turn(False, 3),
}  # fmt: skip
"""What brings a still of each EXIF orientation upright (CIPA DC-008, orientation)."""


def turn_of(frame: av.VideoFrame) -> Turn:
    """How a film's frame is to be turned, from its display matrix. Raises `MediaError` for other angles."""
    stored = side_data(frame).get("DISPLAYMATRIX")
    if stored is None:
        return Turn(quarters=-round(frame.rotation / 90) % 4)
    a, b, _, c, d, *_ = struct.unpack("<9i", stored[:36])
    return _turn(*(0 if abs(v) < 1 << 12 else (1 if v > 0 else -1) for v in (a, b, c, d)))


def side_data(frame: av.VideoFrame) -> dict[str, bytes]:
    """What comes beside a frame's samples, by FFmpeg's names; nothing where PyAV meets a kind it does not know (EXIF)."""
    try:
        stored: Any = frame.side_data
    except ValueError:
        return {}
    return {data.type.name: bytes(data) for data in stored}


def _turn(a: int, b: int, c: int, d: int) -> Turn:
    """The turn of a matrix that takes stored (x, y) to shown (a x + c y, b x + d y)."""
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    quarters = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (0, -1): 3}.get((a, b))
    if quarters is None:
        raise MediaError("it is stored turned by an odd angle; export it upright first")
    return Turn(mirrored, quarters)


def format_of(frame: av.VideoFrame, sample_aspect: Fraction | None = None, turn: Turn = UPRIGHT) -> VideoFormat:
    """The format that `from_frame` holds a decoded frame in. Raises `MediaError` for a layout nobody reads."""
    name, held = frame.format.name, held_as(frame.format.name)
    layout = LAYOUTS[held]
    full = int(frame.color_range) == 2 or name.startswith("yuvj") or layout.floating or layout.family == "rgb"
    if layout.family == "grey" and int(frame.color_range) != 1:
        full = True
    stated = UNSPECIFIED if int(frame.colorspace) == RGB else int(frame.colorspace)
    matrix = RGB if layout.family == "rgb" else stated
    transfer = LINEAR if layout.floating and int(frame.color_trc) == UNSPECIFIED else int(frame.color_trc)
    colour = Colour(matrix, int(frame.color_primaries), transfer, full)
    aspect = sample_aspect or Fraction(1)
    format = VideoFormat(frame.width, frame.height, held, colour, aspect)
    return turned(format, turn)


def turned(format: VideoFormat, turn: Turn) -> VideoFormat:
    """The format of a picture after it was turned."""
    if not turn.sideways:
        return format
    name = format.pix_fmt
    if format.layout.sub_x != format.layout.sub_y:
        name = name.replace("422p", "44?p").replace("440p", "422p").replace("44?p", "440p")
        if name not in LAYOUTS:
            raise MediaError(f"it is stored on its side as {format.pix_fmt}; export it upright first")
    return replace(
        format, width=format.height, height=format.width, pix_fmt=name, sample_aspect=1 / format.sample_aspect
    )


def held_as(name: str) -> str:
    """The pixel format that frames of a decoder's format are held in."""
    plain = name.replace("yuvj", "yuv")
    swapped = plain.removesuffix("be") + "le" if plain.endswith("be") else plain
    if swapped in LAYOUTS:
        return swapped
    if name in PACKED:
        kind, order = PACKED[name]
        return ("gbrap" if "A" in order else "gbrp") + ("" if kind == "u1" else "16le")
    if name in HALF_PLANAR:
        return HALF_PLANAR[name][0]
    if name.removesuffix("f16le") in HALF_FLOATS and name.endswith("f16le"):
        return name.replace("f16le", "f32le")
    if name in FALLBACKS:
        return FALLBACKS[name]
    raise MediaError(f"pixel format {name} cannot be read; export it as YUV, RGB or grey of 8 to 16 bit")


def from_frame(frame: av.VideoFrame, sample_aspect: Fraction | None = None, turn: Turn = UPRIGHT) -> Picture:
    """A decoded frame as an upright picture; it may share the frame's memory, which a decoder leaves alone."""
    stored = format_of(frame, sample_aspect)
    planes = _planes(frame, stored)
    if turn == UPRIGHT:
        return Picture(planes, stored)
    return Picture(tuple(turn.of(p) for p in planes), turned(stored, turn))


def _planes(frame: av.VideoFrame, format: VideoFormat) -> tuple[Plane, ...]:
    name = frame.format.name
    if name.replace("yuvj", "yuv") == format.pix_fmt:
        return planes_of(frame, format)
    if name in PACKED:
        return _unpacked(frame, *PACKED[name])
    if name in HALF_PLANAR:
        return _separated(frame, format, *HALF_PLANAR[name][1:])
    if name.endswith("f16le"):
        return tuple(_samples(p, "<f2", *format.plane_shape(i)).astype(np.float32) for i, p in enumerate(frame.planes))
    if name.endswith("be") and name not in FALLBACKS:
        return tuple(_samples(p, ">u2", *format.plane_shape(i)).astype(np.uint16) for i, p in enumerate(frame.planes))
    return planes_of(frame.reformat(format=format.pix_fmt), format)


def _samples(plane: Any, kind: str, rows: int, columns: int) -> NDArray[Any]:
    """Samples of a plane as they lie in memory: (rows, columns)."""
    size = np.dtype(kind).itemsize
    return np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // size)[:rows, :columns]


def _unpacked(frame: av.VideoFrame, kind: str, order: str) -> tuple[Plane, ...]:
    """Planes G, B, R (and A) of one plane of pixels; grey goes to all three."""
    samples = _samples(frame.planes[0], kind, frame.height, frame.width * len(order))
    pixels = samples.reshape(frame.height, frame.width, len(order))
    wanted = ("YYYA" if "Y" in order else "GBRA")[: 4 if "A" in order else 3]
    native = np.uint8 if kind == "u1" else np.uint16
    return tuple(np.ascontiguousarray(pixels[..., order.index(c)], native) for c in wanted)


def _separated(frame: av.VideoFrame, format: VideoFormat, shift: int, order: str) -> tuple[Plane, ...]:
    """Planes Y, U, V of a half-planar frame."""
    kind = "u1" if format.depth == 8 else "<u2"
    rows, columns = format.plane_shape(1)
    luma = _samples(frame.planes[0], kind, *format.plane_shape(0)) >> shift
    both = _samples(frame.planes[1], kind, rows, columns * 2).reshape(rows, columns, 2) >> shift
    return tuple(np.ascontiguousarray(p) for p in (luma, both[..., order.index("U")], both[..., order.index("V")]))


def packed(picture: Picture, name: str) -> av.VideoFrame:
    """An RGB picture as a frame of one of the `PACKED` layouts of its depth."""
    kind, order = PACKED[name]
    format = picture.format
    planes = {**dict(zip("GBR", picture.planes, strict=False)), "A": picture.planes[-1]}
    frame = av.VideoFrame(format.width, format.height, name)
    size = np.dtype(kind).itemsize
    row = np.frombuffer(memoryview(frame.planes[0]), kind).reshape(-1, frame.planes[0].line_size // size)
    pixels = row[: format.height, : format.width * len(order)].reshape(format.height, format.width, len(order))
    for i, channel in enumerate(order):
        if channel != "-":
            pixels[..., i] = planes[channel]
    row[: format.height, : format.width * len(order)] = pixels.reshape(format.height, -1)
    tag(frame, format)
    return frame
