"""Two content-addressed stores: patches (free of any codec) and encoded chunks.

A name is the hash of all that decides the content, so whatever is found under it is right, whoever wrote it; files
appear under their final name whole or not at all. Workers need share only the folder.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import platformdirs

from lp_editor.engine import Patch
from lp_editor.files import make_folder, write_bytes, write_whole
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

    def put(self, key: str, suffix: str, write: Callable[[Path], None]) -> Path:
        """Let ``write`` fill a temporary file, then give it its name."""
        path = self.path(key, suffix)
        make_folder(path.parent)
        return write_whole(path, write)


@dataclass(frozen=True)
class PatchStore:
    """Patches, one file a frame and face; None (nothing to change) is stored too."""

    folder: Path

    def get(self, key: str) -> Patch | KeyError | None:
        """The patch of this name; a `KeyError` (returned) when it is not there or cannot be read."""
        try:
            return unpack((self.folder / key[:2] / f"{key}.patch").read_bytes())
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            return KeyError(key)

    def put(self, key: str, patch: Patch | None) -> Patch | None:
        """Store a patch; gives it back as it will be read, see `packing`."""
        path = self.folder / key[:2] / f"{key}.patch"
        make_folder(path.parent)
        content = pack(patch)
        write_bytes(path, content)
        return unpack(content)


def media_name(identity: str, indices: Sequence[int]) -> str:
    """Names some frames of some media."""
    return digest(identity, list(indices))
