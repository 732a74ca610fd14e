"""A face as measured: values that analysis writes and engines and effects read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""RGB, (height, width, 3), display-referred."""

Points: TypeAlias = NDArray[np.float32]
"""Landmarks, (478, xyz): x right and y down in pixels of the frame (the centre of the first pixel is 0, 0), z away
from the camera at the same scale. MediaPipe's face mesh with irises."""


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels: left, top, and the first column and row past it."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Rows."""
        return self.y1 - self.y0

    @property
    def area(self) -> int:
        """Pixels inside; 0 when empty."""
        return max(self.width, 0) * max(self.height, 0)

    def clipped(self, width: int, height: int) -> Box:
        """The part that lies in a frame of this size."""
        return Box(max(self.x0, 0), max(self.y0, 0), min(self.x1, width), min(self.y1, height))

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    @classmethod
    def around(cls, points: NDArray[np.float32] | NDArray[np.float64]) -> Box:
        """The smallest box of whole pixels around points, (N, 2 or 3)."""
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        return cls(int(np.floor(low[0])), int(np.floor(low[1])), int(np.ceil(high[0])) + 1, int(np.ceil(high[1])) + 1)


@dataclass(frozen=True)
class Face:
    """One face in one frame. ``blendshapes`` are MediaPipe's 52 ARKit-named coefficients, 0..1."""

    points: Points
    blendshapes: Mapping[str, float]
    confidence: float = 1.0

    @property
    def box(self) -> Box:
        """The box around the landmarks."""
        return Box.around(self.points)

    @property
    def width(self) -> float:
        """Ear to ear, in pixels: landmarks 234 to 454."""
        return float(np.linalg.norm(self.points[234] - self.points[454]))


class Faces(Sequence[Face | None]):
    """Faces of frames in a row, None where lost, each looked up when it is asked for: long stretches hold no memory."""

    @abstractmethod
    def at(self, index: int) -> Face | None:
        """The face of the frame of this number, from 0 to below the length."""

    @overload
    def __getitem__(self, index: int) -> Face | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Face | None]: ...
    def __getitem__(self, index: int | slice) -> Face | Sequence[Face | None] | None:
        """One face, or some of them, looked up in the same way."""
        if isinstance(index, slice):
            return _SomeFaces(self, range(len(self))[index])
        return self.at(range(len(self))[index])


class _SomeFaces(Faces):
    """A part of other faces."""

    def __init__(self, whole: Faces, which: range) -> None:
        self._whole, self._which = whole, which

    def __len__(self) -> int:
        return len(self._which)

    def at(self, index: int) -> Face | None:
        return self._whole.at(self._which[index])


@dataclass(frozen=True)
class FaceTrack:
    """One person's face through a stretch of media: ``faces[i]`` is in media frame ``first + i``, None where lost."""

    id: int
    first: int
    faces: Sequence[Face | None]
    look: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    """What the person looks like, for comparing with others; None where too little was seen."""

    @property
    def stop(self) -> int:
        """The media frame after the last."""
        return self.first + len(self.faces)

    def at(self, frame: int) -> Face | None:
        """The face in a media frame, or None."""
        return self.faces[frame - self.first] if self.first <= frame < self.stop else None


@dataclass(frozen=True)
class FacePicture:
    """A face with the pixels around it: ``pixels`` are those of ``box``, of a frame of ``size`` (width, height)."""

    face: Face
    pixels: Image
    box: Box
    size: tuple[int, int]
