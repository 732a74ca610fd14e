"""Two content-addressed stores: patches (free of any codec) and encoded chunks.

A name is the hash of all that decides the content, so whatever is found under it is right, whoever wrote it; files
appear under their final name whole or not at all. Workers need share only the folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import time

import numpy as np
import platformdirs

from lp_editor.engine import Patch
from lp_editor.errors import CacheError
from lp_editor.files import make_folder, read_sealed, seal, sealed, sweep, unbroken, write_bytes, write_whole
from lp_editor.render.packing import pack, unpack


def cache_folder() -> Path:
    """Where stores and analyses live: ``LP_EDITOR_CACHE``, else the user's cache folder."""
    named = os.environ.get("LP_EDITOR_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("lp-editor", appauthor=False))


def digest(*parts: object) -> str:
    """A name for everything in ``parts``: JSON-like values, dataclass reprs and arrays, order significant."""
    hasher = blake2b(digest_size=20)
    for part in parts:
        if isinstance(part, np.ndarray):
            text = f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
        else:
            text = json.dumps(part, sort_keys=True, default=str).encode()
        hasher.update(len(text).to_bytes(8, "big") + text)
    return hasher.hexdigest()


@dataclass(frozen=True)
class ChunkStore:
    """Encoded runs of frames, one file each."""

    folder: Path

    def path(self, key: str, suffix: str) -> Path:
        """Where the chunk of this name lies, or will."""
        return self.folder / key[:2] / f"{key}{suffix}"

    def has(self, key: str, suffix: str) -> bool:
        """Whether it is there."""
        return self.path(key, suffix).is_file()

    def keeps(self, key: str, suffix: str) -> bool:
        """Whether it is there and undamaged: all of it is read. A damaged one is deleted, one that is kept counts as used.

        Raises `CacheError` where it cannot be read.
        """
        path = self.path(key, suffix)
        try:
            if not path.is_file():
                return False
            if unbroken(path):
                used(path)
                return True
            path.unlink(missing_ok=True)
        except OSError as error:
            raise CacheError(f"{path} cannot be read ({error.strerror}); check the disk, or clear the cache") from error
        return False

    def put(self, key: str, suffix: str, write: Callable[[Path], None]) -> Path:
        """Let ``write`` fill a temporary file, then seal it and give it its name."""
        path = self.path(key, suffix)
        make_folder(path.parent)
        sweep(path)

        def fill(temporary: Path) -> None:
            write(temporary)
            seal(temporary)

        return write_whole(path, fill)


@dataclass(frozen=True)
class PatchStore:
    """Patches, one file a frame and face; None (nothing to change) is stored too."""

    folder: Path

    def get(self, key: str) -> Patch | KeyError | None:
        """The patch of this name; a `KeyError` (returned) when it is not there or cannot be read."""
        path = self.folder / key[:2] / f"{key}.patch"
        content = read_sealed(path)
        if content is None:
            return KeyError(key)
        used(path)
        return unpack(content)

    def put(self, key: str, patch: Patch | None) -> Patch | None:
        """Store a patch; gives it back as it will be read, see `packing`."""
        path = self.folder / key[:2] / f"{key}.patch"
        make_folder(path.parent)
        content = pack(patch)
        write_bytes(path, sealed(content))
        return unpack(content)


RECENT = 3600
"""Seconds within which an entry of the cache need not be marked as used again."""


def used(path: Path) -> None:
    """Mark an entry of the cache as used now: what was used last goes last, see `lp_editor.render.cache`."""
    with suppress(OSError):  # a folder that may only be read
        if time() - path.stat().st_mtime > RECENT:
            os.utime(path)


def media_name(identity: str, indices: Sequence[int]) -> str:
    """Names some frames of some media."""
    return digest(identity, list(indices))
