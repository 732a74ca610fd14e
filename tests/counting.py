"""An engine that tells in a file which faces it was asked for, in whatever process: ``counting:FILE:SECONDS``.

It is cheap, and sleeps so long for each face. The names of faces are hashes of their landmarks, which differ on every frame.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import sleep

from lp_editor import FacePicture, Patch, hookimpl, testing


@dataclass(frozen=True)
class Call:
    """One face that was synthesized: by which process, and which it was."""

    pid: int
    face: str


class CountingEngine(testing.FakeEngine):
    """`FakeEngine`, counted."""

    fingerprint = "counting-1"
    keeps_patches = False

    def __init__(self, name: str) -> None:
        self.name, log, seconds = name.split(":")
        self._log, self._seconds = Path(log), float(seconds)

    def synthesize(
        self, look: testing.FakeLook, faces: Sequence[FacePicture],
        filmed: Sequence[testing.FakeMotion], motions: Sequence[testing.FakeMotion],
    ) -> list[Patch | None]:  # fmt: skip
        """A tone over each face, and a line in the file for it."""
        lines = "".join(f"{os.getpid()} {name_of(picture)}\n" for picture in faces)
        descriptor = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, lines.encode())  # at once, so that no process cuts another's short
        os.close(descriptor)
        sleep(self._seconds * len(faces))
        return super().synthesize(look, faces, filmed, motions)


def name_of(picture: FacePicture) -> str:
    """A face by its landmarks."""
    return blake2b(picture.face.points.tobytes(), digest_size=8).hexdigest()


def calls(log: Path) -> list[Call]:
    """What an engine told in its file."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [Call(int(pid), face) for pid, face in (line.split() for line in lines)]


@hookimpl
def lp_engine(name: str, device: str) -> CountingEngine | None:
    """The engine, by a name that says the rest."""
    return CountingEngine(name) if name.startswith("counting:") else None
