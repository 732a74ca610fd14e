"""The faces of media, linked over the windows they are analysed in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lp_editor.face import Face, Faces, FaceTrack
from lp_editor.faces.analysts import analyse_apart
from lp_editor.faces.identity import ANOTHER, SAME_PERSON, alike
from lp_editor.faces.search import overlap
from lp_editor.faces.track import KEEP, Tracklet
from lp_editor.faces.windows import PictureSource, Window, kept_faces, windows
from lp_editor.media.probe import MediaInfo
from lp_editor.media.source import VideoSource

GAP = 3
"""Frames that a face may be lost for and still be known by its place alone."""


def analyse_ahead(
    wanted: Sequence[tuple[MediaInfo, int, int]],
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
    processes: int | None = None,
) -> None:
    """Look for faces in stretches of files, (media, first frame, frame behind the last), so that `analyse_faces` finds them
    in the folder ``cache``.

    All of them are worked at together, in processes of their own (`analyse_apart`). ``progress`` gets frames done and
    frames in all.
    """
    all_of_them = {window.path: window for one in wanted for window in windows(*one, cache)}
    missing = [window for path, window in all_of_them.items() if not path.exists()]
    if len(missing) < 2:
        return  # a process takes as long to start as this takes
    total, left = sum(w.count for w in all_of_them.values()), sum(w.count for w in missing)

    def done(window: Window) -> None:
        nonlocal left
        left -= window.count
        if progress:
            progress(total - left, total)

    analyse_apart(missing, done, processes)


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
    if isinstance(source, VideoSource):
        analyse_ahead([(source.info, first, stop)], cache, progress)
    found = windows(source.info, first, stop, cache)
    done, total = 0, sum(window.count for window in found)
    chains: list[_Chain] = []
    for window in found:
        kept = window.kept()
        for index, tracklet in enumerate(window.made(source) if kept is None else kept):
            _link(chains, tracklet, window.path, index)
        done += window.count
        if progress and (kept is None or window is found[-1]):
            progress(done, total)
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


class StoredFaces(Faces):
    """The faces of a track, read from the stored windows as they are needed, so that memory stays flat with length."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = tuple(parts)
        self._starts = [part.first for part in parts]

    def __len__(self) -> int:
        return self._parts[-1].stop - self._parts[0].first

    def at(self, index: int) -> Face | None:
        """The face of a frame counted from the track's first; None in a gap."""
        frame = self._parts[0].first + index
        part = self._parts[bisect_right(self._starts, frame) - 1]
        if frame >= part.stop:
            return None
        return kept_faces(part.path)[part.index].faces[frame - part.first]


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
