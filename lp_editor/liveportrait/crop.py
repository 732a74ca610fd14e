"""Where the networks' square lies on a face: the published geometry, for landmarks of any of its schemes.

Everything is in pixels of the frame, points (N, xy) float32; angles in radians.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.face import Image
from lp_editor.liveportrait.keypoints import Array
from lp_editor.liveportrait.resample import warped

Group: TypeAlias = tuple[int, ...]

NETWORK = 256
"""Pixels of the square that the networks see."""

PICTURE = 512
"""Pixels of the square that they make, and that crops are cut at."""

SCALE, UP, UP_OF_DRIVER, SCALE_OF_DRIVER, SCALE_OF_LANDMARKS = 2.3, -0.125, -0.1, 2.2, 1.5
"""How large a crop is against the landmarks' box, and how far it is moved along the face, of its size."""

LONGEST = 1280
"""Pixels of the longer side that the published code reduces pictures to."""

REFERENCES: Mapping[int, tuple[Group, Group, Group]] = MappingProxyType({
    203: ((0, 6, 12, 18), (24, 30, 36, 42), (48, 66)),
    106: ((33, 35, 40, 39), (87, 89, 94, 93), (52, 61)),
    101: ((39, 42, 45, 48), (51, 54, 57, 60), (75, 81)),
    68: ((36, 39), (42, 45), (48, 54)),
    9: ((2, 3), (0, 1), (5, 6)),
    5: ((0,), (1,), (3, 4)),
})  # fmt: skip
"""Landmarks of the left eye, the right eye and the lips, by how many landmarks a scheme has."""


@dataclass(frozen=True)
class Square:
    """A turned square: ``centre`` (xy), ``size`` in pixels, and the ``angle`` of its x axis."""

    centre: Array
    size: float
    angle: float

    def to_crop(self, pixels: int, turned: bool = True) -> Array:
        """The matrix (3, 3) from the frame to a crop of so many pixels; unturned, the square stands upright."""
        s, half = pixels / self.size, pixels / 2
        cos, sin = (np.cos(self.angle), np.sin(self.angle)) if turned else (1.0, 0.0)
        x, y = self.centre
        return np.array(
            [[s * cos, s * sin, half - s * (cos * x + sin * y)],
             [-s * sin, s * cos, half - s * (cos * y - sin * x)],
             [0, 0, 1]], np.float32,
        )  # fmt: skip

    def same(self, other: Square) -> bool:
        """Whether the two are one."""
        return np.array_equal(self.centre, other.centre) and (self.size, self.angle) == (other.size, other.angle)

    @property
    def upright(self) -> Array:
        """Its corners, (4, xy) clockwise from the upper left, were it not turned."""
        reach = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) * np.float32(self.size / 2)
        return np.asarray(self.centre + reach, np.float32)

    @property
    def corners(self) -> Array:
        """Its corners, (4, xy) clockwise from the upper left."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[cos, sin], [-sin, cos]], np.float32)
        return np.asarray(self.centre + (self.upright - self.centre) @ turn, np.float32)


def reference_points(points: Array, by_lips: bool = True) -> Array:
    """The two points, (2, xy), that say where a face is and which way is down: between the eyes, and the lips.

    Without lips the second lies at right angles to the line between the eyes.
    """
    left, right, lips = (points[list(group)].mean(0) for group in REFERENCES[_scheme(len(points))])
    if not by_lips:
        across = right - left
        return np.stack([left, left + np.array([-across[1], across[0]], np.float32)])
    return np.stack([(left + right) / 2, lips])


def _scheme(count: int) -> int:
    if count in REFERENCES:
        return count
    if count > 101:
        return 101
    raise ValueError(f"no scheme of {count} landmarks")


def square_around(points: Array, scale: float = SCALE, up: float = UP, across: float = 0.0) -> Square:
    """The square around landmarks, upright on the face, ``scale`` times the box that holds them all.

    It is moved by ``across`` and ``up`` of its size along the face's own axes.
    """
    eyes, lips = reference_points(points)
    return square_along(points, lips - eyes, scale, up, across)


def square_along(points: Array, down: Array, scale: float, up: float, across: float = 0.0) -> Square:
    """`square_around` with the face's downward direction (xy) given."""
    length = float(np.linalg.norm(down))
    y = down / length if length > 1e-3 else np.array([0, 1], np.float32)
    x = np.array([y[1], -y[0]], np.float32)
    angle = float(np.arccos(np.clip(x[0], -1, 1)))
    middle = points.mean(0)
    along = (points - middle) @ np.stack([x, y]).T
    low, high = along.min(0), along.max(0)
    size = np.float32((high - low).max() * scale)
    shift = (low + high) / 2 + size * np.array([across, up], np.float32)
    centre = middle + x * shift[0] + y * shift[1]
    return Square(np.asarray(centre, np.float32), float(size), -angle if x[1] < 0 else angle)


def average_square(squares: Sequence[Square]) -> Square:
    """One upright square for a whole film: the mean of the unturned ones."""
    boxes = np.stack([np.concatenate([s.upright[0], s.upright[2]]) for s in squares]).astype(np.float64)
    box: NDArray[np.float64] = boxes.mean(0)
    return Square(np.asarray((box[:2] + box[2:]) / 2, np.float32), float(box[2] - box[0]), 0.0)


def inverse(matrix: Array) -> Array:
    """The inverse of a matrix (3, 3)."""
    return np.asarray(np.linalg.inv(matrix), np.float32)


def moved_points(points: Array, matrix: Array) -> Array:
    """Points (N, xy) under a matrix (3, 3)."""
    return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2], np.float32)


def cut(image: Image, matrix: Array, pixels: int) -> Image:
    """The crop of so many pixels that a matrix from frame to crop describes; black outside the frame."""
    return warped(image, matrix, (pixels, pixels))


def reduced(crop: Image, driver: bool = False) -> Image:
    """A crop as the networks see it, 256 pixels square: averaged; a driver's interpolated, as published."""
    way = cv2.INTER_LINEAR if driver else cv2.INTER_AREA
    return np.asarray(cv2.resize(crop, (NETWORK, NETWORK), interpolation=way), np.uint8)


def limited(image: Image, longest: int = LONGEST, multiple: int = 2) -> Image:
    """A picture no longer than that, its sides cut to multiples; ``longest`` 0 leaves the size."""
    height, width = image.shape[:2]
    if longest > 0 and max(height, width) > longest:
        factor = longest / max(height, width)
        size = (longest, int(height * factor)) if width >= height else (int(width * factor), longest)
        image = np.asarray(cv2.resize(image, size), np.uint8)
        height, width = image.shape[:2]
    tall, wide = (n - n % multiple if n >= multiple else n for n in (height, width))
    return image[:tall, :wide]
