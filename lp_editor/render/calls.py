"""Calls of the engine: whatever is asked of several faces at once goes into as few of them as the engine can take.

A face's result never depends on the others of a call, but for rounding (see `lp_editor.engine.SeveralLooks`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any, TypeVar

import numpy as np

from lp_editor.controls import Controls
from lp_editor.engine import Engine, Look, Patch, SeveralLooks
from lp_editor.face import FacePicture

MadeT = TypeVar("MadeT")


@dataclass(frozen=True)
class Wish:
    """What is asked of one face on some frames: a row of ``controls`` each, after ``drive`` moved it as filmed."""

    look: Look
    faces: Sequence[FacePicture]
    controls: Controls
    drive: Callable[[list[Any]], list[Any]] | None = None


def synthesized(engine: Engine[Any, Any], wishes: Sequence[Wish]) -> list[list[Patch | None]]:
    """The patches of each wish, all in one call where the engine takes several looks."""
    faces = [face for wish in wishes for face in wish.faces]
    if not faces:
        return [[] for _ in wishes]
    looks = [wish.look for wish in wishes for _ in wish.faces]
    filmed = _analyzed(engine, looks, faces)
    moved = [
        motion
        for wish, motions in zip(wishes, _parts(filmed, wishes), strict=True)
        for motion in (wish.drive(motions) if wish.drive else motions)
    ]
    motions = engine.retarget(moved, _rows([wish.controls for wish in wishes]))
    return _parts(_made(engine, looks, faces, filmed, motions), wishes)


def _analyzed(engine: Engine[Any, Any], looks: Sequence[Look], faces: Sequence[FacePicture]) -> list[Any]:
    if isinstance(engine, SeveralLooks):
        return engine.analyze_several(looks, faces)
    return [motion for at in _runs(looks) for motion in engine.analyze(looks[at.start], faces[at])]


def _made(
    engine: Engine[Any, Any], looks: Sequence[Look], faces: Sequence[FacePicture], filmed: Sequence[Any],
    motions: Sequence[Any],
) -> list[Patch | None]:  # fmt: skip
    if isinstance(engine, SeveralLooks):
        return engine.synthesize_several(looks, faces, filmed, motions)
    return [
        patch for at in _runs(looks) for patch in engine.synthesize(looks[at.start], faces[at], filmed[at], motions[at])
    ]


def _runs(looks: Sequence[Look]) -> list[slice]:
    """Where neighbouring faces have one look."""
    runs, start = [], 0
    for _, some in groupby(looks, key=id):
        stop = start + sum(1 for _ in some)
        runs.append(slice(start, stop))
        start = stop
    return runs


def _rows(asked: Sequence[Controls]) -> Controls:
    """The rows of several controls, one after the other."""
    return Controls(*(np.concatenate([getattr(one, field.name) for one in asked]) for field in fields(Controls)))


def _parts(made: Sequence[MadeT], wishes: Sequence[Wish]) -> list[list[MadeT]]:
    """What belongs to each wish, of all faces' results in order."""
    rest = iter(made)
    return [[next(rest) for _ in wish.faces] for wish in wishes]
