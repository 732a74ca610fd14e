"""Image sequences: how their files are numbered, found, and written with a small JSON beside them."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from lp_editor.errors import MediaError
from lp_editor.files import write_bytes
from lp_editor.media.layout import VideoFormat

FIRST = 1001
"""The number of a written sequence's first frame, as effects houses count."""


@dataclass(frozen=True)
class Numbering:
    """The files of a sequence: ``folder / f"{prefix}{number:0{digits}d}{suffix}"``."""

    folder: Path
    prefix: str
    digits: int
    suffix: str

    @classmethod
    def of(cls, path: Path) -> Numbering:
        """What ``shot.%04d.exr`` or ``shot.####.exr`` means; ``shot.exr`` is numbered before its end."""
        if match := re.fullmatch(r"(.*)%0?(\d{0,2})d(.*)", path.name):
            return cls(path.parent, match[1], int(match[2] or 1), match[3])
        if match := re.fullmatch(r"([^#]*)(#+)(.*)", path.name):
            return cls(path.parent, match[1], len(match[2]), match[3])
        return cls(path.parent, f"{path.stem}.", 4, path.suffix)

    def file(self, number: int) -> Path:
        """The file of a number."""
        return self.folder / f"{self.prefix}{number:0{self.digits}d}{self.suffix}"

    @property
    def pattern(self) -> Path:
        """The files' common name."""
        return self.folder / f"{self.prefix}%0{self.digits}d{self.suffix}"

    @property
    def note(self) -> Path:
        """The JSON beside a written sequence."""
        return self.folder / f"{self.prefix.rstrip('._-') or 'sequence'}.json"

    def numbers(self) -> list[int]:
        """The numbers that files are there for, in order."""
        shape = re.compile(re.escape(self.prefix) + r"(\d+)" + re.escape(self.suffix))
        try:
            names = [p.name for p in self.folder.iterdir()]
        except OSError:
            return []
        return sorted(int(m[1]) for name in names if (m := shape.fullmatch(name)) and self.file(int(m[1])).name == name)


@dataclass(frozen=True)
class FrameFiles:
    """Which file each frame of a sequence is."""

    numbering: Numbering
    first: int
    step: int
    missing: Literal["error", "hold", "black"]
    """What a frame without its file is."""
    versions: Mapping[str, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)
    """Bytes and time of change of every file when it was looked at, by its name."""

    def check(self, path: Path) -> None:
        """Raise a `MediaError` where a file is not what it was when it was looked at."""
        try:
            stat = path.stat()
        except OSError as error:
            raise MediaError(
                f"{path} is gone ({error.strerror}) while it is worked on; put it back and run the same command again"
            ) from error
        if self.versions.get(path.name) != (stat.st_size, stat.st_mtime_ns):
            raise MediaError(f"{path} was changed while it was worked on; run the same command again")

    def file(self, index: int) -> Path | None:
        """The file of a frame; of a held one, that of the last frame that has one; None for black.

        Raises `MediaError` naming the file that is missing.
        """
        path = self.named(index)
        if path.is_file():
            return path
        if self.missing == "black":
            return None
        earlier = self._earlier(index) if self.missing == "hold" else None
        if earlier is None:
            raise MediaError(f"{path} is missing from its sequence; put it back")
        return self.numbering.file(earlier)

    def _earlier(self, index: int) -> int | None:
        """The number of the last file before a frame that is there."""
        own = self.first + index * self.step
        there = (n for n in self.numbering.numbers() if self.first <= n < own and (n - self.first) % self.step == 0)
        return max(there, default=None)

    def named(self, index: int) -> Path:
        """The file that a frame should be."""
        return self.numbering.file(self.first + index * self.step)


@dataclass(frozen=True)
class SequenceNote:
    """What a sequence says of itself in its JSON, since its files cannot."""

    format: VideoFormat
    rate: Fraction
    count: int
    timecode: str
    reel: str
    provenance: str = ""
    """What was done to it, as a film's metadata bears it."""

    def text(self, files: Numbering) -> bytes:
        """The JSON."""
        colour = self.format.colour
        said = {
            "files": files.pattern.name,
            "first": FIRST,
            "last": FIRST + self.count - 1,
            "rate": str(self.rate),
            "duration": str(self.count / self.rate),
            "timecode": self.timecode,
            "reel": self.reel,
            "width": self.format.width,
            "height": self.format.height,
            "sample_aspect": str(self.format.sample_aspect),
            "pixel_format": self.format.pix_fmt,
            "colour": {
                "matrix": colour.matrix,
                "primaries": colour.primaries,
                "transfer": colour.transfer,
                "range": "full" if self.format.full_range else "limited",
            },
            "comment": self.provenance,
        }
        return (json.dumps(said, indent=2) + "\n").encode()


def write_sequence(files: Numbering, chunks: Sequence[Path], counts: Sequence[int], note: SequenceNote) -> None:
    """Unpack chunks of stills into numbered files, each whole; the JSON last. Files of a longer earlier one go.

    Raises `MediaError` for a chunk that does not hold its frames.
    """
    number = FIRST
    for path, count in zip(chunks, counts, strict=True):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != count:
                raise MediaError(
                    f"chunk {path.name} holds {len(names)} frames instead of {count}; delete it and run again"
                )
            for name in names:
                write_bytes(files.file(number), archive.read(name))
                number += 1
    for stale in range(number, _last_said(files) + 1):
        with suppress(OSError):
            files.file(stale).unlink()
    write_bytes(files.note, note.text(files))


def _last_said(files: Numbering) -> int:
    """The last number of the sequence that our own JSON tells of; 0 without one."""
    try:
        said = json.loads(files.note.read_text(encoding="utf-8"))
        return int(said["last"]) if said["files"] == files.pattern.name else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0
