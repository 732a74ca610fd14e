"""Writes files whole or not at all: under a temporary name beside their place, synced, then renamed.

What is kept to be read again bears a seal, so that damage done to it on the disk is seen. And the place of the files that
other packages carry.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from platform import node
from time import time
from typing import BinaryIO
from uuid import uuid4

from lp_editor.errors import OutputError


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file and give it its name; of a failed try nothing is left.

    An existing file keeps its permissions. Raises `OutputError` for whatever the system refuses.
    """
    temporary = path.with_name(f".{_short(path.stem)}.{uuid4().hex[:8]}-{_here()}-{os.getpid()}.part{path.suffix}")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}){remedy(error)}") from error
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
        raise OutputError(f"{path} cannot be made ({error.strerror}){remedy(error)}") from error


def remedy(error: Exception) -> str:
    """What would do about an error of the system or of FFmpeg, where its words do not say it; empty for others."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "; make room and run it again: what was finished is kept"
    if number == errno.ENOENT:
        return "; its folder was deleted meanwhile: run the same command again"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "; choose a folder that you may write to (LP_EDITOR_CACHE for the cache)"
    return ""


def sweep(path: Path) -> None:
    """Delete what writers of this file that were killed left beside it."""
    shape = re.compile(rf"\.{re.escape(_short(path.stem))}{LEFT}{re.escape(path.suffix)}")
    for name in _names(path.parent):
        if (match := shape.fullmatch(name)) and abandoned(path.parent / name, match[1], int(match[2])):
            with suppress(OSError):
                (path.parent / name).unlink()


LEFT = r"\.[0-9a-f]{8}-([0-9a-f]{8})-(\d+)\.part"
"""The middle of a temporary name: which machine and which process it belongs to."""

DAY = 86_400
"""Seconds after which a temporary file of another machine is taken for forgotten."""


def abandoned(path: Path, machine: str, process: int) -> bool:
    """Whether nobody writes a temporary file any more."""
    if os.name == "posix" and machine == _here():
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False
    try:
        return time() - path.stat().st_mtime > DAY
    except OSError:
        return False


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _here() -> str:
    """This machine, as eight digits."""
    return blake2b(node().encode(), digest_size=4).hexdigest()


SEAL = b"LPSEAL01"
"""Begins a seal: this, and the hash of everything before it."""

DIGEST = 32
"""Bytes of the hash."""


def sealed(content: bytes) -> bytes:
    """Some bytes with their seal behind them."""
    return content + SEAL + blake2b(content, digest_size=DIGEST).digest()


def read_sealed(path: Path) -> bytes | None:
    """The bytes that were sealed; None where the file is not there, cannot be read, or is damaged."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    content = stored[: -len(SEAL) - DIGEST]
    return content if sealed(content) == stored else None


def seal(path: Path) -> None:
    """Put a seal behind a finished film or archive, in the words of its container: players pass it over."""
    with path.open("rb+") as file:
        head = file.read(8)
        file.seek(0, os.SEEK_END)
        if head[4:] == b"ftyp":  # a box `free` (ISO/IEC 14496-12, 8.1.2)
            file.write((8 + len(SEAL) + DIGEST).to_bytes(4, "big") + b"free")
        elif head.startswith(b"\x1aE\xdf\xa3"):  # an element `Void` (RFC 8794, 11.3.2)
            file.write(b"\xec" + (0x80 | len(SEAL) + DIGEST).to_bytes(1, "big"))
        file.flush()
        hasher, size = _hashed(file, file.tell())
        file.seek(size)
        file.write(SEAL + hasher)


def unbroken(path: Path) -> bool:
    """Whether a file is as it was when it was sealed. Raises `OSError` where it cannot be read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) - len(SEAL) - DIGEST
        if size < 0:
            return False
        digest, _ = _hashed(file, size)
        return file.read() == SEAL + digest


def _hashed(file: BinaryIO, size: int) -> tuple[bytes, int]:
    """The hash of a file's first bytes, and how many there were; it is left standing behind them."""
    hasher, left = blake2b(digest_size=DIGEST), size
    file.seek(0)
    while left and (block := file.read(min(left, 1 << 20))):
        hasher.update(block)
        left -= len(block)
    return hasher.digest(), size - left


def carried(package: str) -> Path:
    """The folder of an installed package that carries data, found without importing it, which can take a second.

    Raises `ModuleNotFoundError` where it is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    return Path(spec.submodule_search_locations[0])
