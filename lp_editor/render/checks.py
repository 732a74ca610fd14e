"""What an editor should look at again: frames whose edit could not be made, or not all of it, as markers with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lp_editor.face import FaceTrack
from lp_editor.faces.measure import head_pose
from lp_editor.faces.occlusion import WATCHED, covered, usual
from lp_editor.plan import FacePlan, Shot
from lp_editor.render.stage import Stage
from lp_editor.timeline.model import Clip, Item, Marker, Nest, Project, Span, Track

YAW, PITCH = 35.0, 30.0
"""Degrees that a head is turned from which on landmarks are guesses: the range of the engines' bars, and a third more."""

NEAR = 3
"""Frames between two runs of one reason that make them one."""

STEP = 2
"""Media frames from one look for something in front of a face to the next."""

AT_ONCE = 32
"""Pictures of faces held at a time."""

NAME = "QC"
"""What the names of these markers begin with."""


def checks(stage: Stage) -> dict[str, tuple[Marker, ...]]:
    """The markers of every clip of a stage, by place, in source time."""
    found: dict[str, list[Marker]] = {}
    for key, shot in stage.plan.shots.items():
        for face in shot.faces:
            track = stage.cast.tracks.get((key, face.face))
            if track is not None:
                found.setdefault(shot.strip.clip.place, []).extend(_of_face(stage, shot, face, track))
    return {place: tuple(sorted(made, key=lambda m: m.span.start)) for place, made in found.items() if made}


def _of_face(stage: Stage, shot: Shot, plan: FacePlan, track: FaceTrack) -> Iterator[Marker]:
    """One face's markers, where they lie in the visible part of the clip."""
    rate, clip = stage.plan.rate, shot.strip.clip
    for reason, flags in _reasons(stage, shot, plan, track).items():
        for first, stop in runs(flags, NEAR):
            ends = [shot.strip.source_time(Fraction(shot.first + i) / rate) for i in (first, stop)]
            span = Span.between(min(ends), max(ends)) if ends[0] != ends[1] else Span(ends[0], 1 / clip.rate)
            seen = span.intersect(clip.source)
            if seen is not None:
                yield Marker(f"{NAME} {reason}", f"{stop - first} frames", seen)


def _reasons(stage: Stage, shot: Shot, plan: FacePlan, track: FaceTrack) -> dict[str, NDArray[np.bool_]]:
    """For each reason, the frames of a shot that it holds for, (T,)."""
    active = plan.active
    lost, turned = np.zeros(shot.count, bool), np.zeros(shot.count, bool)
    indices = stage.indices(stage.footage[shot.strip.key], shot.first, shot.count)
    for i in np.flatnonzero(active):
        face = track.at(int(indices[i]))
        if face is None:
            lost[i] = True
            continue
        pitch, yaw, _ = head_pose(face.points)
        turned[i] = abs(yaw) > YAW or abs(pitch) > PITCH
    return {
        "no face here: as filmed": lost,
        "head turned far: look at it": turned,
        "something in front of the face": _covered(stage, shot, active & ~lost, indices, track),
        "more asked than a control gives": plan.clipped & active,
    }


def _covered(
    stage: Stage, shot: Shot, active: NDArray[np.bool_], indices: NDArray[np.intp], track: FaceTrack
) -> NDArray[np.bool_]:
    """The frames of a shot, (T,), in which something lies in front of a face; looked at every `STEP` frames of the media."""
    footage = stage.footage[shot.strip.key]
    seen = [track.first + i for i, face in enumerate(track.faces) if face is not None]
    spread = [seen[i] for i in np.unique(np.linspace(0, len(seen) - 1, WATCHED).astype(int))] if seen else []
    known = usual(stage.read_faces(footage, track, spread)) if len(spread) == WATCHED else None
    found = np.zeros(shot.count, bool)
    if known is None:
        return found
    media = np.unique(indices[active])[::STEP]
    for at in range(0, len(media), AT_ONCE):
        some = [int(i) for i in media[at : at + AT_ONCE] if track.at(int(i)) is not None]
        for index, picture in zip(some, stage.read_faces(footage, track, some), strict=True):
            if covered(picture, known).any():
                found |= active & (indices >= index) & (indices < index + STEP)
    return found


def runs(flags: NDArray[np.bool_], near: int) -> list[tuple[int, int]]:
    """First and stop of each run of true values; runs at most ``near`` apart are one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    found: list[tuple[int, int]] = []
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if found and first - found[-1][1] <= near:
            found[-1] = found[-1][0], stop
        else:
            found.append((first, stop))
    return found


def with_checks(project: Project, made: Mapping[str, tuple[Marker, ...]]) -> Project:
    """A project whose clips carry these markers; those that stand in the file already are left out."""

    def item(one: Item) -> Item:
        if isinstance(one, Nest):
            return replace(one, tracks=tuple(map(track, one.tracks)))
        if not isinstance(one, Clip) or one.place not in made:
            return one
        known = {(m.name, m.span.start) for m in one.markers}
        return replace(one, checks=tuple(m for m in made[one.place] if (m.name, m.span.start) not in known))

    def track(one: Track) -> Track:
        return replace(one, items=tuple(map(item, one.items)))

    return replace(project, tracks=tuple(map(track, project.tracks))) if made else project
