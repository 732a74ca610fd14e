"""What a format of pictures is: which planes it has, of which samples, and which colours they mean.

Colour codes are those of H.273, as FFmpeg numbers them; names of pixel formats are FFmpeg's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

RGB, BT709, UNSPECIFIED, FCC, BT601_625, BT601_525, SMPTE240, BT2020, BT2020_CL = 0, 1, 2, 4, 5, 6, 7, 9, 10
"""Matrix codes of H.273."""

LINEAR, PQ, HLG = 8, 16, 18
"""Transfer codes of H.273 that are told apart here."""

KR_KB = {
    BT709: (0.2126, 0.0722), FCC: (0.30, 0.11), BT601_625: (0.299, 0.114), BT601_525: (0.299, 0.114),
    SMPTE240: (0.212, 0.087), BT2020: (0.2627, 0.0593), BT2020_CL: (0.2627, 0.0593),
}  # fmt: skip
"""Luma weights of red and blue (H.273, table 4)."""

Family = Literal["grey", "yuv", "rgb"]


@dataclass(frozen=True)
class Layout:
    """How a pixel format lays out its planes: luma and chroma, or G, B, R; alpha comes last."""

    sub_x: int
    sub_y: int
    depth: int
    planes: int
    family: Family = "yuv"
    floating: bool = False

    @property
    def alpha(self) -> bool:
        """Whether the last plane is alpha."""
        return self.planes == 4

    @property
    def dtype(self) -> DTypeLike:
        """The type that samples are held in."""
        if self.floating:
            return np.float32
        return np.uint8 if self.depth == 8 else np.uint16


_ALL = (8, 9, 10, 12, 14, 16)
_KINDS: tuple[tuple[str, int, int, int, Family, tuple[int, ...]], ...] = (
    ("gray", 1, 1, 1, "grey", _ALL),
    ("yuv420p", 2, 2, 3, "yuv", _ALL),
    ("yuv422p", 2, 1, 3, "yuv", _ALL),
    ("yuv444p", 1, 1, 3, "yuv", _ALL),
    ("yuv440p", 1, 2, 3, "yuv", (8, 10, 12)),
    ("yuv411p", 4, 1, 3, "yuv", (8,)),
    ("yuva420p", 2, 2, 4, "yuv", (8, 9, 10, 16)),
    ("yuva422p", 2, 1, 4, "yuv", (8, 9, 10, 12, 16)),
    ("yuva444p", 1, 1, 4, "yuv", (8, 9, 10, 12, 16)),
    ("gbrp", 1, 1, 3, "rgb", _ALL),
    ("gbrap", 1, 1, 4, "rgb", (8, 10, 12, 14, 16)),
)
"""Name, subsampling across and down, planes, family, depths."""


def _layouts() -> Iterator[tuple[str, Layout]]:
    for name, sub_x, sub_y, planes, family, depths in _KINDS:
        for depth in depths:
            yield named(name, depth), Layout(sub_x, sub_y, depth, planes, family)
    for name, planes in (("grayf32le", 1), ("gbrpf32le", 3), ("gbrapf32le", 4)):
        yield name, Layout(1, 1, 32, planes, "grey" if planes == 1 else "rgb", floating=True)


def named(kind: str, depth: int) -> str:
    """The name of a pixel format of a depth: ``yuv420p`` and 10 make ``yuv420p10le``."""
    return kind if depth == 8 else f"{kind}{depth}le"


LAYOUTS = dict(_layouts())
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
        """Bits of a sample; 32 for floating ones."""
        return self.layout.depth

    @property
    def peak(self) -> int:
        """The greatest sample; of floating ones, white."""
        return 1 if self.layout.floating else (1 << self.depth) - 1

    @property
    def full_range(self) -> bool:
        """Whether samples run from 0 to the peak: RGB always does."""
        return self.colour.full_range or self.layout.family == "rgb" or self.layout.floating

    @property
    def ranges(self) -> tuple[float, float, float]:
        """Luma black, and the sample spans of luma (or of each of R, G, B) and of half the chroma."""
        if self.full_range:
            return 0.0, float(self.peak), self.peak / 2
        unit = float(1 << (self.depth - 8))
        return 16.0 * unit, 219.0 * unit, 112.0 * unit

    @property
    def grey_chroma(self) -> float:
        """The chroma sample of no colour."""
        return 0.5 if self.layout.floating else float(1 << (self.depth - 1))

    def plane_shape(self, plane: int) -> tuple[int, int]:
        """Rows and columns of one plane."""
        if plane in (1, 2):
            return -(-self.height // self.layout.sub_y), -(-self.width // self.layout.sub_x)
        return self.height, self.width

    @property
    def bytes(self) -> int:
        """Bytes of a picture's samples."""
        shapes = (self.plane_shape(i) for i in range(self.layout.planes))
        return sum(rows * columns for rows, columns in shapes) * np.dtype(self.layout.dtype).itemsize

    @property
    def matrix(self) -> int:
        """The matrix code; unspecified means BT.601 up to 576 lines and BT.709 above, as players take it."""
        return self.colour.matrix if self.colour.matrix in KR_KB else (BT601_625 if self.height <= 576 else BT709)

    @property
    def luma_weights(self) -> tuple[float, float]:
        """Kr and Kb."""
        return KR_KB[self.matrix]

    @property
    def scene_linear(self) -> bool:
        """Whether samples are light, not code values."""
        unspecified = self.layout.floating and self.colour.transfer == UNSPECIFIED
        return self.colour.transfer == LINEAR or unspecified

    def rounded(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values as samples of this format: rounded and held in range; floating ones as they are."""
        if self.layout.floating:
            return np.asarray(values, np.float32)
        whole = np.rint(values)
        return np.asarray(np.clip(whole, 0, self.peak, out=whole), self.layout.dtype)
