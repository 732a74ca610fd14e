"""Pictures and films that tests make on the spot: noise, pictures that bear their number, colour bars."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from lp_editor.media.codecs import Codec
from lp_editor.media.layout import LAYOUTS, Colour, VideoFormat
from lp_editor.media.picture import Picture
from lp_editor.media.sink import SoundTrack, encode_chunk, join_chunks

EVERY = sorted(LAYOUTS)


def format_named(pix_fmt: str, width: int = 90, height: int = 62) -> VideoFormat:
    """A format as decoders tell it: grey and RGB in full range."""
    layout = LAYOUTS[pix_fmt]
    matrix = 0 if layout.family == "rgb" else 2
    return VideoFormat(width, height, pix_fmt, Colour(matrix, 2, 8 if layout.floating else 2, layout.family != "yuv"))


def noise(format: VideoFormat, seed: int = 1, low: float = 0.0, high: float = 1.0) -> Picture:
    """A picture of noise over a part of all samples there are."""
    random = np.random.default_rng(seed)

    def plane(i: int) -> NDArray[np.float64]:
        return random.uniform(low, high, format.plane_shape(i)) * format.peak

    return Picture(tuple(format.rounded(plane(i)) for i in range(format.layout.planes)), format)


BITS = 16


def numbered(number: int, format: VideoFormat) -> Picture:
    """A picture that bears its number in binary, in 16 blocks along its top, over a moving ramp."""
    luma = np.empty((format.height, format.width), np.float32)
    luma[:] = 60 + (np.arange(format.width) + 3 * number) % 100
    block = format.width // BITS
    for bit in range(BITS):
        luma[: format.height // 6, bit * block : (bit + 1) * block] = 220 if number >> bit & 1 else 30
    levels = format.rounded(luma / 255 * format.peak)
    planes = [p.copy() for p in Picture.black(format).planes]
    for i in range(3 if format.layout.family == "rgb" else 1):
        planes[i][:] = levels
    return Picture(tuple(planes), format)


def number_of(picture: Picture) -> int:
    """The number that `numbered` wrote."""
    luma, block, rows = picture.luma8(), picture.format.width // BITS, picture.format.height // 6
    parts = (luma[rows // 4 : rows * 3 // 4, bit * block + 2 : (bit + 1) * block - 2] for bit in range(BITS))
    return sum(1 << bit for bit, part in enumerate(parts) if part.mean() > 125)


def small_head(path: Path, frames: int, sound: bool = False) -> Path:
    """A portrait that drifts, 256x192 at 25 frames a second, H.264, in no time: its face is about 80 pixels wide."""
    rate, format = Fraction(25), VideoFormat(256, 192, "yuv420p", Colour(1, 1, 1))
    image = np.asarray(skimage.data.astronaut(), np.uint8)
    pictures = (Picture.of_rgb(_drifted(image, i), format) for i in range(frames))
    chunk = path.with_suffix(".chunk")
    encode_chunk(chunk, pictures, format, rate, Codec.H264)
    noise = SoundTrack(48000, 1, "flt", (np.full((1920, 1), 0.1 * (-1) ** i) for i in range(frames))) if sound else None
    join_chunks(path, [chunk], [frames], rate, Codec.H264, noise)
    chunk.unlink()
    return path


def _drifted(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """A part of the portrait, a little elsewhere on every frame."""
    x, y = 90 + 12 * np.sin(number / 17), 10 + 8 * np.cos(number / 23)
    move = np.array([[0.8, 0, -0.8 * x], [0, 0.8, -0.8 * y]])
    return np.asarray(cv2.warpAffine(image, move, (256, 192), flags=cv2.INTER_CUBIC), np.uint8)
