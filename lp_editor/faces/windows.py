"""Windows of faces: fixed runs of a media's frames, each analysed by itself and kept under the media's identity.

A window's result depends on the media alone, never on what was asked for: it starts a pre-roll early, because a
tracker needs about 15 frames to settle (mesh_engine notes, 1).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lp_editor.errors import CacheError
from lp_editor.face import Face, Faces, Points
from lp_editor.faces.track import Tracklet, follow, smoothed
from lp_editor.files import make_folder, read_sealed, sealed, write_bytes
from lp_editor.media.picture import Picture
from lp_editor.media.probe import MediaInfo

WINDOW = 96
"""Frames analysed together."""

PRE_ROLL = 20
"""Frames a tracker gets to settle before its window."""

POST_ROLL = 2
"""Frames after a window that smoothing looks ahead to."""

VERSION = 5
"""Raised whenever the same media would give other landmarks."""


KEPT = ("first", "looks", "looked", "there", "points", "names", "shapes")
"""What is kept of each tracklet, as arrays."""


class PictureSource(Protocol):
    """Media as analysis needs it."""

    @property
    def info(self) -> MediaInfo:
        """Identity, and the number of frames."""
        ...

    def frames(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Pictures by number, ascending."""
        ...


@dataclass(frozen=True)
class Window:
    """One window of a media, by its number from the media's beginning, and where its faces are kept."""

    info: MediaInfo
    number: int
    path: Path

    @property
    def first(self) -> int:
        """Its first frame."""
        return self.number * WINDOW

    @property
    def stop(self) -> int:
        """The frame behind its last one."""
        return min(self.first + WINDOW, _count(self.info))

    @property
    def count(self) -> int:
        """Frames."""
        return self.stop - self.first

    def kept(self) -> list[Tracklet] | None:
        """Its tracklets as they were kept; None where they were not, or are damaged."""
        content = read_sealed(self.path)
        if content is None:
            return None
        with suppress(OSError):
            os.utime(self.path)  # used now: it is not the first to go where the cache grows too large
        return _unpack(content)

    def made(self, source: PictureSource) -> list[Tracklet]:
        """Its tracklets, found now and kept."""
        content = _pack(_analyse(source, self))
        make_folder(self.path.parent)
        write_bytes(self.path, sealed(content))
        kept_faces.cache_clear()
        return _unpack(content)


def windows(info: MediaInfo, first: int, stop: int, cache: Path) -> list[Window]:
    """The windows that hold media frames ``first``..``stop``, kept below the folder ``cache``."""
    folder = cache / f"{info.identity}-v{VERSION}"
    return [Window(info, n, folder / f"{n:06d}.npz") for n in range(first // WINDOW, -(-stop // WINDOW))]


class KeptFaces(Faces):
    """The faces of a tracklet as they were kept: each is made when it is asked for, from a twentieth of its memory."""

    def __init__(self, there: NDArray[np.bool_], points: Points, names: Sequence[str], shapes: NDArray[np.float32]) -> None:
        self._row = np.where(there, np.cumsum(there) - 1, -1)
        self._points, self._names, self._shapes = points, names, shapes

    def __len__(self) -> int:
        return len(self._row)

    def at(self, index: int) -> Face | None:
        """The face of a frame counted from the tracklet's first; None in a gap."""
        row = self._row[index]
        if row < 0:
            return None
        return Face(self._points[row], dict(zip(self._names, self._shapes[row].tolist(), strict=True)))


@lru_cache(maxsize=(os.cpu_count() or 1) + 2)  # as many as workers read, and the next of some
def kept_faces(path: Path) -> list[Tracklet]:
    """The tracklets of a window that was kept; the last few stay at hand. Raises `CacheError` where it is not any more."""
    content = read_sealed(path)
    if content is None:
        raise CacheError(f"{path} was deleted or damaged while it was needed; run the same command again")
    return _unpack(content)


def _count(info: MediaInfo) -> int:
    assert info.video is not None
    return info.video.count


def _analyse(source: PictureSource, window: Window) -> list[Tracklet]:
    lead, stop = max(window.first - PRE_ROLL, 0), min(window.stop + POST_ROLL, _count(source.info))
    tracklets = follow(source.frames(range(lead, stop)), lead)
    cut = (_cut(tracklet, window.first, window.stop) for tracklet in tracklets)
    return sorted((tracklet for tracklet in cut if tracklet), key=_appearance)


def _cut(tracklet: Tracklet, start: int, stop: int) -> Tracklet | None:
    """A tracklet smoothed, then cut to a window; None where nothing is left."""
    faces = smoothed(tracklet.faces)[max(start - tracklet.first, 0) : max(stop - tracklet.first, 0)]
    first = max(tracklet.first, start)
    while faces and faces[0] is None:
        faces, first = faces[1:], first + 1
    return replace(tracklet, first=first, faces=faces) if any(faces) else None


def _appearance(tracklet: Tracklet) -> tuple[int, float]:
    head = tracklet.faces[0]
    return tracklet.first, -head.width if head else 0.0


def _pack(tracklets: Sequence[Tracklet]) -> bytes:
    arrays: dict[str, np.ndarray] = {"count": np.array(len(tracklets))}
    for i, tracklet in enumerate(tracklets):
        seen = [f for f in tracklet.faces if f is not None]
        names = sorted(seen[0].blendshapes)
        arrays[f"{i}.first"] = np.array(tracklet.first)
        arrays[f"{i}.looks"] = np.zeros(0, np.float32) if tracklet.looks is None else tracklet.looks
        arrays[f"{i}.looked"] = np.array(tracklet.looked)
        arrays[f"{i}.there"] = np.array([f is not None for f in tracklet.faces])
        arrays[f"{i}.points"] = np.stack([f.points for f in seen])
        arrays[f"{i}.names"] = np.array(names)
        arrays[f"{i}.shapes"] = np.array([[f.blendshapes[n] for n in names] for f in seen], np.float32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _unpack(content: bytes) -> list[Tracklet]:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return [_tracklet({name: stored[f"{i}.{name}"] for name in KEPT}) for i in range(int(stored["count"]))]


def _tracklet(kept: Mapping[str, NDArray[Any]]) -> Tracklet:
    faces = KeptFaces(kept["there"], kept["points"], [str(name) for name in kept["names"]], kept["shapes"])
    looks = kept["looks"] if len(kept["looks"]) else None
    return Tracklet(int(kept["first"]), faces, looks, int(kept["looked"]))
