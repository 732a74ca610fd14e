"""The faces of media, analysed over fixed windows and remembered.

A window's result depends on the media alone, never on what was asked for: it starts a pre-roll early, because a
tracker needs about 15 frames to settle (mesh_engine notes, 1), and it is kept under the media's identity.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol, overload

import numpy as np

from lp_editor.errors import CacheError
from lp_editor.face import Face, FaceTrack
from lp_editor.faces.identity import ANOTHER, SAME_PERSON, alike
from lp_editor.faces.search import overlap
from lp_editor.faces.track import KEEP, Tracklet, follow, smoothed
from lp_editor.files import make_folder, read_sealed, sealed, write_bytes
from lp_editor.media.picture import Picture
from lp_editor.media.probe import MediaInfo

WINDOW = 96
"""Frames analysed together."""

PRE_ROLL = 20
"""Frames a tracker gets to settle before its window."""

POST_ROLL = 2
"""Frames after a window that smoothing looks ahead to."""

GAP = 3
"""Frames that a face may be lost for and still be known by its place alone."""

VERSION = 5
"""Raised whenever the same media would give other landmarks."""


class PictureSource(Protocol):
    """Media as analysis needs it."""

    @property
    def info(self) -> MediaInfo:
        """Identity, and the number of frames."""
        ...

    def frames(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Pictures by number, ascending."""
        ...


def analyse_faces(
    source: PictureSource,
    first: int,
    stop: int,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> list[FaceTrack]:
    """The face tracks of media frames ``first``..``stop``, linked over windows, numbered by first appearance.

    Windows already in the folder ``cache`` are read from there. ``progress`` gets frames done and frames in all.
    """
    assert source.info.video is not None
    numbers = range(first // WINDOW, -(-stop // WINDOW))
    total = min(numbers.stop * WINDOW, source.info.video.count) - numbers.start * WINDOW
    chains: list[_Chain] = []
    for number in numbers:
        path = cache / f"{source.info.identity}-v{VERSION}" / f"{number:06d}.npz"
        for index, tracklet in enumerate(_window(source, number, path)):
            _link(chains, tracklet, path, index)
        if progress:
            progress(min((number + 1) * WINDOW - numbers.start * WINDOW, total), total)
    return [
        FaceTrack(i, chain.parts[0].first, StoredFaces(chain.parts), chain.known.look(1))
        for i, chain in enumerate(chains, 1)
    ]


@dataclass(frozen=True)
class _Part:
    """Where a run of one face's frames is stored: the window's file, and which of its tracklets."""

    path: Path
    index: int
    first: int
    count: int

    @property
    def stop(self) -> int:
        return self.first + self.count


class StoredFaces(Sequence[Face | None]):
    """The faces of a track, read from the stored windows as they are needed, so that memory stays flat with length."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = tuple(parts)
        self._starts = [part.first for part in parts]

    def __len__(self) -> int:
        return self._parts[-1].stop - self._parts[0].first

    @overload
    def __getitem__(self, index: int) -> Face | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Face | None]: ...
    def __getitem__(self, index: int | slice) -> Face | Sequence[Face | None] | None:
        """The face of a frame counted from the track's first; None in a gap."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        frame = self._parts[0].first + index % len(self)
        part = self._parts[bisect_right(self._starts, frame) - 1]
        if frame >= part.stop:
            return None
        return _stored(part.path)[part.index].faces[frame - part.first]


@lru_cache(maxsize=6)
def _stored(path: Path) -> list[Tracklet]:
    """A stored window; the last few stay at hand. Raises `CacheError` where it is not what was stored any more."""
    content = read_sealed(path)
    if content is None:
        raise CacheError(f"{path} was deleted or damaged while it was needed; run the same command again")
    return _unpack(content)


@dataclass
class _Chain:
    """One face over several windows, how it was seen last, and how it looks."""

    parts: list[_Part]
    last: Face
    known: Tracklet

    def add(self, part: _Part, tracklet: Tracklet, last: Face) -> None:
        """Go on with a tracklet."""
        self.parts.append(part)
        self.last = last
        if tracklet.looks is not None:
            looks = tracklet.looks if self.known.looks is None else self.known.looks + tracklet.looks
            self.known = replace(self.known, looks=looks, looked=self.known.looked + tracklet.looked)


def _link(chains: list[_Chain], tracklet: Tracklet, path: Path, index: int) -> None:
    """Append a tracklet to the chain of the same person, or start a new one."""
    seen = [face for face in tracklet.faces if face is not None]
    part = _Part(path, index, tracklet.first, len(tracklet.faces))
    ended = [(_sameness(c, part, tracklet, seen[0]), c) for c in chains if c.parts[-1].stop <= part.first]
    score, best = max(ended, key=lambda pair: pair[0], default=(0.0, None))
    if best is None or score <= 0:
        chains.append(_Chain([part], seen[-1], Tracklet(0, [], tracklet.looks, tracklet.looked)))
    else:
        best.add(part, tracklet, seen[-1])


def _sameness(chain: _Chain, part: _Part, tracklet: Tracklet, head: Face) -> float:
    """How sure it is that a tracklet goes on with a chain: over 1 in the same place, over 0 by its looks, 0 not at all."""
    ours, theirs = chain.known.look(), tracklet.look()
    known = ours is not None and theirs is not None
    likeness = alike(ours, theirs) if ours is not None and theirs is not None else 0.0
    shared = overlap(chain.last.box, head.box)
    if part.first - chain.parts[-1].stop <= GAP and shared > KEEP and not (known and likeness < ANOTHER):
        return 1 + shared
    return likeness if known and likeness > SAME_PERSON else 0.0


def _window(source: PictureSource, number: int, path: Path) -> list[Tracklet]:
    """The tracklets of one window, from its file or found now."""
    stored = read_sealed(path)
    if stored is not None:
        with suppress(OSError):
            os.utime(path)  # used now: it is not the first to go where the cache grows too large
        return _unpack(stored)
    content = _pack(_analyse(source, number))  # not there yet, or damaged
    make_folder(path.parent)
    write_bytes(path, sealed(content))
    _stored.cache_clear()
    return _unpack(content)


def _analyse(source: PictureSource, number: int) -> list[Tracklet]:
    assert source.info.video is not None
    count = source.info.video.count
    start, stop = number * WINDOW, min((number + 1) * WINDOW, count)
    lead = max(start - PRE_ROLL, 0)
    tracklets = follow(source.frames(range(lead, min(stop + POST_ROLL, count))), lead)
    return sorted((t for t in (_cut(t, start, stop) for t in tracklets) if t), key=_appearance)


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
    tracklets = []
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        for i in range(int(stored["count"])):
            names = [str(n) for n in stored[f"{i}.names"]]
            rows = zip(stored[f"{i}.points"], stored[f"{i}.shapes"], strict=True)
            seen = iter([Face(p, dict(zip(names, map(float, s), strict=True))) for p, s in rows])
            faces = [next(seen) if there else None for there in stored[f"{i}.there"]]
            looks = stored[f"{i}.looks"]
            known = looks if len(looks) else None
            tracklets.append(Tracklet(int(stored[f"{i}.first"]), faces, known, int(stored[f"{i}.looked"])))
    return tracklets
