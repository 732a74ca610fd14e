"""Looks for media that are not where a project says: in other folders, by name, by reel, and by timecode."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from lp_editor.errors import ProjectError
from lp_editor.timeline.model import Clip, Item, Media, Nest, Project, Track
from lp_editor.timeline.urls import is_file

MOST_FILES = 1_000_000
"""More files than this below the search folders are not listed."""

SIDE_FILES = (".xmp", ".json", ".txt", ".xml", ".otio", ".fcpxml", ".edl", ".aaf", ".md5", ".jpg", ".png", ".srt")
"""Files beside media that a reel's name must not find."""


@dataclass(frozen=True)
class Search:
    """Folders to look in. ``covers`` tells whether a file holds the timecode that a clip shows, where that can be asked."""

    folders: tuple[Path, ...]
    covers: Callable[[Path, Clip], bool] | None = field(default=None, compare=False)

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """Every file below the folders, by its name as `_key` writes it. Raises `ProjectError` for no folder."""
        found: dict[str, list[Path]] = {}
        count = 0
        for folder in self.folders:
            if not folder.is_dir():
                raise ProjectError(f"{folder} is no folder to look for media in")
            for root, folders, names in os.walk(folder):
                folders.sort()
                for name in sorted(names):
                    found.setdefault(_key(name), []).append(Path(root) / name)
                    count += 1
                if count > MOST_FILES:
                    raise ProjectError(
                        f"more than {MOST_FILES} files lie below {folder}; name a folder nearer to the media"
                    )
        return found

    def named(self, name: str) -> list[Path]:
        """The files of a name. Raises `ProjectError` for no folder."""
        return self.files.get(_key(name), [])

    @cached_property
    def stems(self) -> dict[str, list[Path]]:
        """The same by name without suffix, files that are no media left out."""
        found: dict[str, list[Path]] = {}
        for paths in self.files.values():
            for path in paths:
                if path.suffix.lower() not in SIDE_FILES:
                    found.setdefault(_key(path.stem), []).append(path)
        return found


def _key(name: str) -> str:
    """A name as it is compared: letters composed (a Mac stores them apart), capitals small."""
    return unicodedata.normalize("NFC", name).casefold()


def found_media(project: Project, search: Search) -> Project:
    """The project with the paths of media that were found elsewhere."""
    known: dict[Media, Media] = {}
    return replace(project, tracks=tuple(_on_track(track, search, known) for track in project.tracks))


def _on_track(track: Track, search: Search, known: dict[Media, Media]) -> Track:
    return replace(track, items=tuple(_on_item(item, search, known) for item in track.items))


def _on_item(item: Item, search: Search, known: dict[Media, Media]) -> Item:
    if isinstance(item, Nest):
        return replace(item, tracks=tuple(_on_track(track, search, known) for track in item.tracks))
    if not isinstance(item, Clip) or item.media.kind not in ("file", "missing"):
        return item
    if item.media not in known:
        known[item.media] = _found(item, search)
    return replace(item, media=known[item.media])


def _found(clip: Clip, search: Search) -> Media:
    """A clip's medium with the path it has, or the best of those that could be it."""
    media = clip.media
    if media.path is not None and is_file(media.path):
        return media
    for candidates in _candidates(clip, search):
        best = _best(candidates, clip, search)
        if best is not None:
            return replace(media, kind="file", path=best, url=media.url or str(best), name=media.name or best.name)
    return media


def _candidates(clip: Clip, search: Search) -> Iterator[list[Path]]:
    """Files that a clip may mean, the surest first: its file's name, its own name, its reel."""
    media = clip.media
    names = dict.fromkeys(n for n in (media.path.name if media.path else "", media.name, clip.name) if n)
    for name in names:
        yield search.files.get(_key(name), [])
    for name in names:
        yield search.stems.get(_key(name), [])
        yield search.stems.get(_key(PurePosixPath(name).stem), [])
    if len(media.reel) >= 3:  # AX, BL and the like are no reels
        reel = _key(media.reel)
        yield search.stems.get(reel, [])
        yield [p for stem, paths in search.stems.items() if stem.startswith(reel) for p in paths]


def _best(candidates: Sequence[Path], clip: Clip, search: Search) -> Path | None:
    """Of several files that which holds the clip's timecode, and of those that whose folders are most like."""
    fitting = list(candidates)
    if len(fitting) > 1 and search.covers is not None:
        fitting = [p for p in fitting if search.covers(p, clip)] or fitting
    wanted = clip.media.path.parts[::-1] if clip.media.path else ()

    def alike(path: Path) -> int:
        count = 0
        for a, b in zip(path.parts[::-1], wanted, strict=False):
            if _key(a) != _key(b):
                break
            count += 1
        return count

    return max(fitting, key=alike, default=None)
