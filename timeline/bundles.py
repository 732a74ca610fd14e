"""Projects that are folders or archives: where their project file is, and archives unpacked with care."""

from __future__ import annotations

import lzma
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lp_editor.errors import ProjectError

PARTS = {".otiod": ("content.otio",), ".fcpxmld": ("Info.fcpxml",), ".fcpbundle": ()}
"""The project file inside each kind of folder."""

MOST_FILES = 100_000
MOST_PROJECT = 256 << 20
"""Bytes of the project itself."""

MOST_RATIO, SLACK = 50, 256 << 20
"""An archive that unpacks to more than so many times its size, and these bytes, is a bomb: media hardly pack at all."""

LONGEST_NAME = 1000


def project_file(path: Path) -> Path:
    """The file to read for what the user named: of a bundle the project in it. Raises `ProjectError`."""
    if path.is_dir():
        parts = PARTS.get(path.suffix.lower())
        if parts is None:
            parts = ("content.otio", "Info.fcpxml")
        for name in parts:
            if (path / name).is_file():
                return path / name
        raise ProjectError(f"{path} is a folder without a project in it; name a project file")
    return path


def is_archive(content: bytes) -> bool:
    """Whether some bytes begin like an ``.otioz``."""
    return content.startswith(b"PK\x03\x04")


def unpacked(path: Path) -> tuple[bytes, Path]:
    """The ``content.otio`` of an archive, and where its media were unpacked: ``NAME.media`` beside it.

    What is there already in full is not unpacked again. Raises `ProjectError` for archives that are damaged, reach
    outside their folder, or are out of all proportion; nothing is unpacked then.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            size = sum(m.file_size for m in members)
            if len(members) > MOST_FILES or size > MOST_RATIO * path.stat().st_size + SLACK:
                raise ProjectError(f"{path} holds more than an archive of a project would; unpack it yourself")
            if archive.getinfo("content.otio").file_size > MOST_PROJECT:
                raise ProjectError(f"{path}: its content.otio is larger than {MOST_PROJECT >> 20} MiB; that is no cut")
            content = archive.read("content.otio")
            media = [m for m in members if not m.filename.endswith("/") and m.filename not in ("content.otio", "version.txt")]
            folder = path.with_name(path.name + ".media")
            targets = [(m, folder.joinpath(*_inside(m, path))) for m in media]
            _unpack_all(archive, [(m, target) for m, target in targets if not _is_there(m, target)], folder)
            return content, folder
    except KeyError:
        raise ProjectError(f"{path} holds no content.otio, so it is no .otioz") from None
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError, EOFError, zlib.error, lzma.LZMAError,
            struct.error) as error:  # fmt: skip
        raise ProjectError(f"{path} cannot be unpacked ({str(error)[:200]}); export it again") from error


def _inside(member: zipfile.ZipInfo, path: Path) -> tuple[str, ...]:
    """The parts of a member's name. Raises `ProjectError` for one that would lie elsewhere, or nowhere."""
    name = member.filename.replace("\\", "/")
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts or any(":" in part for part in inside.parts):
        raise ProjectError(f"{path} holds {name[:80]!r}, which would lie outside its folder; not unpacked")
    if not inside.parts or len(name) > LONGEST_NAME:
        raise ProjectError(f"{path} holds {name[:80]!r}, which is no name for a file; not unpacked")
    return inside.parts


def _is_there(member: zipfile.ZipInfo, target: Path) -> bool:
    return target.is_file() and target.stat().st_size == member.file_size


def _unpack_all(archive: zipfile.ZipFile, wanted: Sequence[tuple[zipfile.ZipInfo, Path]], folder: Path) -> None:
    """Unpack members, each whole or not at all. A link in an archive is unpacked as the text that it is."""
    if not wanted:
        return
    for parent in {target.parent for _, target in wanted}:
        parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        part = os.path.join(aside, "part")
        for member, target in wanted:
            try:
                with archive.open(member) as packed, open(part, "wb") as out:
                    shutil.copyfileobj(packed, out, 1 << 20)
                os.replace(part, target)
            except BaseException:
                Path(part).unlink(missing_ok=True)
                raise
