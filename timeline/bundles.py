"""Projects that are folders or archives: where their project file is, and archives unpacked with care."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from lp_editor.errors import ProjectError

PARTS = {".otiod": ("content.otio",), ".fcpxmld": ("Info.fcpxml",), ".fcpbundle": ()}
"""The project file inside each kind of folder."""

MOST_FILES = 100_000
MOST_UNPACKED = 4 << 40
"""An archive that says it holds more bytes than this is refused."""


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
    outside their folder, or are out of all proportion.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_FILES or sum(m.file_size for m in members) > MOST_UNPACKED:
                raise ProjectError(f"{path} holds more than an archive of a project would; unpack it yourself")
            content = archive.read("content.otio")
            media = [m for m in members if not m.is_dir() and m.filename not in ("content.otio", "version.txt")]
            return content, _unpack(archive, media, path)
    except KeyError:
        raise ProjectError(f"{path} holds no content.otio, so it is no .otioz") from None
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ProjectError(f"{path} cannot be unpacked ({error}); export it again") from error


def _unpack(archive: zipfile.ZipFile, media: list[zipfile.ZipInfo], path: Path) -> Path:
    folder = path.with_name(path.name + ".media")
    for member in media:
        inside = PurePosixPath(member.filename.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0]:
            raise ProjectError(f"{path} holds {member.filename!r}, which would lie outside its folder; not unpacked")
        target = folder.joinpath(*inside.parts)
        if target.is_file() and target.stat().st_size == member.file_size:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as out, archive.open(member) as packed:
            shutil.copyfileobj(packed, out, 1 << 20)
        Path(out.name).replace(target)
    return folder
