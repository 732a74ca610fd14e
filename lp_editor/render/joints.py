"""Makes the pictures of a joint: faces, heads and backgrounds of both sides led to one place, light matched, blended.

No engine is asked: the landmarks of both sides say where a face is to be, and both sides' own pixels are moved there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.effect import JointEffect, Meeting
from lp_editor.errors import FaceError
from lp_editor.face import FaceTrack
from lp_editor.faces.identity import alike
from lp_editor.media.picture import Picture, VideoFormat, fit
from lp_editor.plan import Blend, Plan
from lp_editor.registry import Registry
from lp_editor.render.cast import Cast
from lp_editor.render.footage import Footage
from lp_editor.render.morph import Match, Tie, match, morph
from lp_editor.timeline.cut import Morph, Strip

if TYPE_CHECKING:
    from lp_editor.render.stage import Stage

VERSION = 3
"""Raised whenever the same two pictures become another one."""

FAR = 0.6
"""Face widths between the two sides of a joint from which on arms and what is behind may show it."""

TRIED = 145
"""Weights that are tried for each frame of a joint when it is re-timed."""

STARTS = np.array([0.45, 0.75, 0.95])
"""Parts of its largest step by which a joint sets out, and in reverse order comes to rest: a head has mass."""

LENGTHS, FEW = range(8, 49, 2), 8
"""Frames of the joints whose steps are told to an effect; and every eighth landmark says where a face goes as well as all."""

SHARED_AT = 48
"""Pixels across at which two pictures are compared as wholes."""


def pictures(stage: Stage, node: Morph, first: int, count: int) -> Iterator[Picture]:
    """The frames of a joint."""
    blend = stage.plan.blends[node.joint.id]
    light = _light(stage, node) if blend.crossing.matches_light else None
    a, b = node.outgoing.strip, node.incoming.strip
    sides = _side(stage, node, a, first, count), _side(stage, node, b, first, count)
    for i, (out, into) in enumerate(zip(*sides, strict=True)):
        weight = float(blend.weights[first + i - blend.first])
        shown = _shown(stage, node, a, first + i), _shown(stage, node, b, first + i)
        tie = _tie(stage, node, *shown)
        if light is not None:
            out, into = light.towards(out, weight), light.back(into, 1 - weight)
        yield morph(out, into, weight, [tie] if tie else [])


def _shown(stage: Stage, node: Morph, strip: Strip, frame: int) -> int:
    """The program frame whose picture a side shows: where the shots do not play on, at most to the cut."""
    if stage.plan.blends[node.joint.id].crossing.plays_on:
        return frame
    cut = cut_frame(node, stage.plan.rate)
    return min(frame, cut - 1) if strip is node.outgoing.strip else max(frame, cut)


def cut_frame(node: Morph, rate: Fraction) -> int:
    """The first program frame after the cut of a joint."""
    return ceil(node.outgoing.strip.record.stop * rate)


def _side(stage: Stage, node: Morph, strip: Strip, first: int, count: int) -> Iterator[Picture]:
    """One side's pictures, edited and in the output format; a frame that is held is made once."""
    frames = [_shown(stage, node, strip, first + i) for i in range(count)]
    made = stage.made(strip, frames[0], frames[-1] - frames[0] + 1)
    at, picture = -1, None
    for frame in frames:
        while picture is None or at < frame:
            at = frames[0] if picture is None else at + 1
            picture = fit(next(made)[0], stage.format)
        yield picture


def _tie(stage: Stage, node: Morph, frame_a: int, frame_b: int) -> Tie | None:
    """Where the face's points lie on both sides, in pixels of the output; None where a side shows no face."""
    a = _points(stage, node, node.outgoing.strip, frame_a)
    b = _points(stage, node, node.incoming.strip, frame_b)
    if a is None or b is None:
        return None
    return Tie(a[:, :2], b[:, :2])


def _remark(stage: Stage, blend: Blend) -> None:
    """Report a joint that a face is missing from, or whose faces lie far apart, whether its frames are made or were kept."""
    node, both = blend.morph, (blend.morph.outgoing.strip, blend.morph.incoming.strip)
    where = f'joint {node.joint.id} at the end of "{node.outgoing.strip.clip.name}"'
    for i in range(len(blend.weights)):
        a, b = (_points(stage, node, s, _shown(stage, node, s, blend.first + i)) for s in both)
        if a is None or b is None:
            stage.report.note(f"{where}: a side shows no face on some frames; there it is a morph without it")
        elif _apart(a, b) > FAR:
            stage.report.note(
                f"{where}: the faces lie more than {FAR:g} face widths apart; look at arms and background"
            )


def _format(footage: Footage) -> VideoFormat:
    video = footage.info.video
    assert video is not None
    return video.format


def fitted(points: NDArray[np.float32], have: VideoFormat, want: VideoFormat) -> NDArray[np.float64]:
    """Points of a picture where `lp_editor.media.picture.fit` puts them, (N, xy)."""
    size = np.array([have.width * _aspect(have, want), have.height]) * _scale(have, want)
    corner = (np.array([want.width, want.height]) - size) / 2
    return np.asarray((points.astype(np.float64) + 0.5) * size / [have.width, have.height] + corner - 0.5)


def _aspect(have: VideoFormat, want: VideoFormat) -> float:
    """How many of the other picture's columns a column is wide, where rows are as high."""
    return float(have.sample_aspect / want.sample_aspect)


def _scale(have: VideoFormat, want: VideoFormat) -> float:
    """By how much `lp_editor.media.picture.fit` enlarges a picture's rows."""
    return min(want.width / (have.width * _aspect(have, want)), want.height / have.height)


def _points(stage: Stage, node: Morph, strip: Strip, frame: int) -> NDArray[np.float64] | None:
    """Where the face of one side of a joint lies on a program frame, in pixels of the output, (468, xyz)."""
    footage, track = stage.footage[strip.key], stage.cast.joints.get((strip.key, node.joint.id))
    face, have = track.at(int(stage.indices(footage, frame, 1)[0])) if track else None, _format(footage)
    if face is None:
        return None
    deep = face.points[:468, 2:] * (_scale(have, stage.format))
    return np.hstack([fitted(face.points[:468, :2], have, stage.format), deep])


def _apart(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """How far the landmarks of two faces in one picture lie apart on average, in widths of the first, ear to ear."""
    width = float(np.linalg.norm(a[234] - a[454]))
    return float(np.linalg.norm((a - b)[:, :2], axis=1).mean()) / max(width, 1.0)


def _light(stage: Stage, node: Morph) -> Match:
    """How the light of the two sides differs, told at their cut: the same for every frame of a joint."""
    last, next = _meeting_frames(node, stage.plan.rate)
    a, b = _filmed(stage, node.outgoing.strip, last), _filmed(stage, node.incoming.strip, next)
    tie = _tie(stage, node, last, next)
    return match(a, b, [tie] if tie else [])


def _meeting_frames(node: Morph, rate: Fraction) -> tuple[int, int]:
    """The program frames of the last picture before a cut, and of the first after it."""
    cut = cut_frame(node, rate)
    return cut - 1, cut


def _filmed(stage: Stage, strip: Strip, frame: int) -> Picture:
    """One side's picture of a program frame as filmed, in the output format."""
    footage = stage.footage[strip.key]
    index = int(footage.indices(frame, 1, stage.plan.rate)[0])
    with stage.sources.lent(footage.info.path, index) as source:
        return fit(next(iter(source.frames([index]))), stage.format)


def judge(stage: Stage, registry: Registry) -> None:
    """Report what is wanting in each joint; raise `FaceError`, with the reason, for one that its effect refuses."""
    for blend in stage.plan.blends.values():
        _remark(stage, blend)
        joint, clip = blend.morph.joint, blend.morph.outgoing.strip.clip
        effect = registry.effect(joint.effect).parse(joint.params)
        if not isinstance(effect, JointEffect):
            continue
        if reason := effect.refusal(meeting(stage, blend)):
            raise FaceError(f'{joint.effect} does not join "{clip.name}" ({clip.place}) to the next clip: {reason} '
                            f"(joint {joint.id})")  # fmt: skip


def meeting(stage: Stage, blend: Blend) -> Meeting:
    """The two clips of a joint at their cut."""
    node, rate = blend.morph, stage.plan.rate
    last, next = _meeting_frames(node, rate)
    a, b = (_points(stage, node, s.strip, f) for s, f in ((node.outgoing, last), (node.incoming, next)))
    tracks = [stage.cast.joints.get((s.strip.key, node.joint.id)) for s in (node.outgoing, node.incoming)]
    looks = [track.look for track in tracks if track is not None and track.look is not None]
    likeness = alike(looks[0], looks[1]) if len(looks) == 2 and a is not None and b is not None else None
    scene = scene_likeness(_filmed(stage, node.outgoing.strip, last), _filmed(stage, node.incoming.strip, next))
    pace = max((_pace(track) for track in tracks if track is not None), default=0.0)
    apart = _apart(a, b) if a is not None and b is not None else float("inf")
    return Meeting(likeness, scene, apart, pace, rate, _steps(stage, blend))


def _steps(stage: Stage, blend: Blend) -> dict[int, float]:
    """The largest step of the face in steady joints of some lengths, in face widths, as far as clips and media reach."""
    node, rate, count, found = blend.morph, stage.plan.rate, len(blend.weights), dict[int, float]()
    cut, both = cut_frame(node, rate), (node.outgoing.strip, node.incoming.strip)
    seen = [[_points(stage, node, strip, blend.first - 1 + i) for i in range(count + 2)] for strip in both]
    for frames in LENGTHS:
        start = cut - frames // 2 - blend.first
        beyond = any(stage.footage[s.key].held(blend.first + start, frames, rate) for s in both)
        sides = [points[start : start + frames + 2] for points in seen]
        if start < 0 or start + frames > count or beyond or any(p is None for side in sides for p in side):
            continue
        out, into = (np.stack([p[::FEW, :2] for p in side if p is not None]) for side in sides)
        first = sides[0][0]
        assert first is not None
        width = max(float(np.linalg.norm(first[234, :2] - first[454, :2])), 1.0)
        weights = np.concatenate([[0.0], steady_weights(out, into), [1.0]])[:, None, None]
        way = np.diff((1 - weights) * out + weights * into, axis=0)
        found[frames] = float(np.linalg.norm(way, axis=2).mean(1).max()) / width
    return found


def _pace(track: FaceTrack) -> float:
    """How far the face of a track moves from frame to frame, the 95th percentile of what was seen, in face widths."""
    steps = [
        _apart(a.points[:468], b.points[:468])
        for a, b in zip(track.faces, track.faces[1:], strict=False)
        if a is not None and b is not None
    ]
    return float(np.percentile(steps, 95)) if steps else 0.0


def scene_likeness(a: Picture, b: Picture) -> float:
    """How alike two pictures are as wholes, 0..1: their planes correlated when small, whatever their light."""
    kinds = []
    for i in range(min(a.format.layout.planes, 3)):
        small = [
            cv2.resize(p.planes[i].astype(np.float32), (SHARED_AT, SHARED_AT), interpolation=cv2.INTER_AREA)
            for p in (a, b)
        ]
        first, second = (cv2.GaussianBlur(s, (0, 0), 1.5) - s.mean() for s in small)
        power = float(np.sqrt((first**2).sum() * (second**2).sum()))
        kinds.append((power, float((first * second).sum())))
    whole = sum(power for power, _ in kinds)
    return max(0.0, sum(shared for _, shared in kinds) / whole) if whole > 0 else 1.0


def steadied(plan: Plan, footage: Mapping[str, Footage], cast: Cast) -> Plan:
    """The plan with the blends of joints that ask for it re-timed by where their faces are."""
    blends = {id: _steadied(b, plan.rate, footage, cast) for id, b in plan.blends.items()}
    return replace(plan, blends=blends)


def _steadied(blend: Blend, rate: Fraction, footage: Mapping[str, Footage], cast: Cast) -> Blend:
    """One blend, re-timed; as it was where it does not ask for that, or a side shows no face."""
    if not blend.crossing.steady:
        return blend
    sides: list[NDArray[np.float64]] = []
    want = _format(footage[blend.morph.outgoing.strip.key])  # one picture for both sides; its size does not count
    for strip in (blend.morph.outgoing.strip, blend.morph.incoming.strip):
        one, track = footage[strip.key], cast.joints.get((strip.key, blend.morph.joint.id))
        at = one.indices(blend.first - 1, len(blend.weights) + 2, rate)
        found = [track.at(int(i)) if track is not None else None for i in at]
        faces = [fitted(f.points[:468:FEW, :2], _format(one), want) for f in found if f is not None]
        if len(faces) < len(found):
            return blend
        sides.append(np.stack(faces))
    return replace(blend, weights=steady_weights(sides[0], sides[1]))


def steady_weights(outgoing: NDArray[np.floating], incoming: NDArray[np.floating]) -> NDArray[np.float64]:
    """The weights, never falling, by which points go over with the smallest largest step.

    Both sides' points, (T + 2, N, xy): those of the frames before and after the joint too. Returns (T,).
    """
    direct = np.linalg.norm(incoming[-1] - outgoing[0], axis=1).mean()
    low, high = float(direct) / (len(outgoing) - 1), 4 * float(direct) / STARTS[0] + 1.0
    starts, least = _limits(outgoing, incoming)
    best = _within(outgoing, incoming, np.maximum(high * starts, least))
    for _ in range(14):
        step = (low + high) / 2
        found = _within(outgoing, incoming, np.maximum(step * starts, least))
        low, high = (low, step) if found[1] else (step, high)
        best = found if found[1] else best
    return best[0] if best[1] else (np.arange(len(outgoing) - 2) + 0.5) / (len(outgoing) - 2)


def _limits(outgoing: NDArray[np.floating], incoming: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much of the largest step each step may be, and how far it may go at least: as far as the side that is shown does."""
    parts, least = np.ones(len(outgoing) - 1), np.zeros(len(outgoing) - 1)
    at = min(len(STARTS), len(parts) // 8)
    if at:
        parts[:at], parts[-at:] = STARTS[-at:], STARTS[-at:][::-1]
        for side, part in ((outgoing[: at + 1], slice(0, at)), (incoming[-at - 1 :], slice(len(parts) - at, None))):
            least[part] = np.linalg.norm(np.diff(side, axis=0), axis=2).mean(1)
    return parts, least


def _within(
    outgoing: NDArray[np.floating], incoming: NDArray[np.floating], limits: NDArray[np.floating]
) -> tuple[NDArray[np.float64], bool]:  # fmt: skip
    """The weights that go as far as each step's limit, (T + 1,), lets them, and whether they arrive.

    Where a shot's own movement is larger than the limit, the weight waits.
    """
    weights, last, weight = np.zeros(len(outgoing) - 2), outgoing[0], 0.0
    for i in range(1, len(outgoing) - 1):
        reach = np.linspace(weight, 1.0, TRIED)
        points = outgoing[i] + reach[:, None, None] * (incoming[i] - outgoing[i])
        steps = np.linalg.norm(points - last, axis=2).mean(1)
        possible = np.flatnonzero(steps <= limits[i - 1])
        chosen = int(possible[-1]) if len(possible) else int(steps.argmin())
        weights[i - 1] = weight = float(reach[chosen])
        last = points[chosen]
    return weights, bool(np.linalg.norm(incoming[-1] - last, axis=1).mean() <= limits[-1])


def describe(stage: Stage, node: Morph, first: int, count: int) -> list[object]:
    """All that decides the pictures of some frames of a joint."""
    blend = stage.plan.blends[node.joint.id]
    weights = [float(w) for w in blend.weights[first - blend.first :][:count]]
    strips = node.outgoing.strip, node.incoming.strip
    shown = [[_shown(stage, node, s, first + i) for i in range(count)] for s in strips]
    sides = [stage.describe_strip(s, f[0], f[-1] - f[0] + 1) for s, f in zip(strips, shown, strict=True)]
    last, next = _meeting_frames(node, stage.plan.rate)
    spans = zip(strips, shown, (last, next), strict=True)
    tracks = [
        [stage.points_digest(stage.footage[s.key], stage.cast.joints.get((s.key, node.joint.id)), start, length)
         for start, length in ((f[0], f[-1] - f[0] + 1), (at, 1))]
        for s, f, at in spans
    ]  # fmt: skip
    at_cut = [int(stage.indices(stage.footage[s.key], at, 1)[0]) for s, at in zip(strips, (last, next), strict=True)]
    held = [[f - fs[0] for f in fs] for fs in shown]
    return ["morph", VERSION, weights, blend.crossing.matches_light, held, at_cut, *sides, *tracks]
