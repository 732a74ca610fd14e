"""Two content-addressed stores: patches (free of any codec) and encoded chunks.

A name is the hash of all that decides the content, so whatever is found under it is right, whoever wrote it; files
appear under their final name whole or not at all. Workers need share only the folder.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from lp_editor.engine import Patch
from lp_editor.face import Box
from lp_editor.files import make_folder, write_bytes, write_whole


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

    def put(self, key: str, patch: Patch | None) -> None:
        """Store a patch that went through `quantised`."""
        path = self.folder / key[:2] / f"{key}.patch"
        make_folder(path.parent)
        write_bytes(path, pack(patch))


def quantised(patch: Patch | None) -> Patch | None:
    """The patch as a store would give it back, so that stored and fresh ones composite to the same bits."""
    return unpack(pack(patch))


SCALES: Mapping[str, tuple[type[np.generic], float]] = {
    "mask": (np.uint8, 255.0),
    "alpha": (np.uint8, 255.0),
    "flow": (np.float16, 1.0),
    "tone": (np.int16, 16.0),
    "paint": (np.uint8, 1.0),
}
"""How each array of a patch is kept: its type, and what it is multiplied by before rounding."""


def pack(patch: Patch | None) -> bytes:
    """A patch as bytes: a zip of arrays, quantised; empty for None."""
    if patch is None:
        return b""
    arrays: dict[str, NDArray[Any]] = {"box": np.array([patch.box.x0, patch.box.y0, patch.box.x1, patch.box.y1])}
    for name, (kind, scale) in SCALES.items():
        value = getattr(patch, name)
        if value is not None:
            arrays[name] = _quantise(value, kind, scale)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _quantise(value: NDArray[np.float32], kind: Any, scale: float) -> NDArray[Any]:
    if kind is np.float16:
        return value.astype(np.float16)
    info = np.iinfo(kind)
    return np.asarray(np.clip(np.rint(value * scale), info.min, info.max), kind)


def unpack(content: bytes) -> Patch | None:
    """The patch that `pack` wrote. Raises ValueError or KeyError for anything else."""
    if not content:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        box = Box(*(int(v) for v in stored["box"]))
        arrays = {
            name: stored[name].astype(np.float32) / np.float32(scale)
            for name, (_, scale) in SCALES.items()
            if name in stored
        }
    return Patch(box, **arrays)


def media_name(identity: str, indices: Sequence[int]) -> str:
    """Names some frames of some media."""
    return digest(identity, list(indices))
