"""Writes files whole or not at all: under a temporary name beside their place, synced, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from lp_editor.errors import OutputError


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file and give it its name; of a failed try nothing is left.

    An existing file keeps its permissions. Raises `OutputError` for whatever the system refuses.
    """
    temporary = path.with_name(f".{_short(path.stem)}.{uuid4().hex[:8]}.part{path.suffix}")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return path


def _short(stem: str) -> str:
    """As much of a name as a temporary one bears: systems count bytes, and take 255."""
    return os.fsencode(stem)[:100].decode(errors="ignore")


def write_bytes(path: Path, content: bytes) -> Path:
    """`write_whole` of some bytes."""
    return write_whole(path, lambda temporary: temporary.write_bytes(content))


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless they are there. Raises `OutputError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be made ({error.strerror})") from error
