"""Lets drivers move a face: the driver's own motions, analysed once, transferred region by region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lp_editor.plan import Drive, FacePlan
from lp_editor.render.footage import face_picture

if TYPE_CHECKING:
    from lp_editor.render.stage import Stage


def driven(stage: Stage, plan: FacePlan, filmed: Sequence[Any], rows: Sequence[int]) -> list[Any]:
    """The filmed motions, moved by every driver of a face; frames without a driver stay as filmed."""
    motions = list(filmed)
    for drive in plan.drives:
        busy = [i for i, row in enumerate(rows) if drive.strength[row] > 0 and _has_face(drive, row)]
        if not busy:
            continue
        wanted = [int(drive.frames[rows[i]]) for i in busy]
        first = _first_face(drive)
        performed = _motions(stage, drive, [first, *wanted])
        moved = stage.engine.transfer(
            [motions[i] for i in busy],
            performed[1:],
            performed[0] if drive.relative else None,
            drive.regions,
            [float(drive.strength[rows[i]]) for i in busy],
        )
        for i, motion in zip(busy, moved, strict=True):
            motions[i] = motion
    return motions


def _has_face(drive: Drive, row: int) -> bool:
    return drive.driver.track.at(int(drive.frames[row])) is not None


def _first_face(drive: Drive) -> int:
    """The driver's first frame with a face: what relative motion is measured from."""
    track = drive.driver.track
    return next(track.first + i for i, face in enumerate(track.faces) if face is not None)


def _motions(stage: Stage, drive: Drive, frames: Sequence[int]) -> list[Any]:
    """The driver's motions at some of its frames, in the order asked."""
    track, path = drive.driver.track, Path(drive.driver.path)
    wanted = sorted(set(frames))
    with stage.sources.lent(path) as source:
        read = dict(zip(wanted, source.frames(wanted), strict=True))
    seen = [(face, face_picture(read[i], face)) for i in frames if (face := track.at(i)) is not None]
    look = stage.engine.study(track, lambda at: [p for _, p in seen])
    return list(stage.engine.analyze(look, [p for _, p in seen]))
