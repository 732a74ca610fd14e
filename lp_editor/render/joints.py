"""Makes the pictures of a joint: both sides brought to a shared pose by the engine, then one becomes the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lp_editor.engine import Patch
from lp_editor.face import Face, FacePicture
from lp_editor.media.picture import Picture, fit
from lp_editor.render.compositor import apply_patches
from lp_editor.render.footage import face_picture
from lp_editor.render.morph import morph
from lp_editor.timeline.cut import Morph, Strip

if TYPE_CHECKING:
    from lp_editor.render.stage import Stage

FAR = 0.6
"""Face widths between the two sides of a joint from which on a morph shows (seen on the test films)."""


def pictures(stage: Stage, node: Morph, first: int, count: int) -> Iterator[Picture]:
    """The frames of a joint: each side brought to the shared pose, then flow and dissolve."""
    blend = stage.plan.blends[node.joint.id]
    a, b = node.outgoing.strip, node.incoming.strip
    sides = stage.edited(a, first, count), stage.edited(b, first, count)
    for i, ((pa, patches_a), (pb, patches_b)) in enumerate(zip(*sides, strict=True)):
        weight = float(blend.weights[first + i - blend.first])
        face_a, face_b = _held(stage, node, a, pa, first + i), _held(stage, node, b, pb, first + i)
        if face_a and face_b:
            _note_distance(stage, node, face_a[0].face, face_b[0].face)
            patches_a = [*patches_a, *_brought(stage, face_a, face_b[1], weight)]
            patches_b = [*patches_b, *_brought(stage, face_b, face_a[1], 1 - weight)]
        out, into = apply_patches(pa, patches_a), apply_patches(pb, patches_b)
        yield morph(fit(out, stage.format), fit(into, stage.format), weight)


def describe(stage: Stage, node: Morph, first: int, count: int) -> list[object]:
    """All that decides the pictures of some frames of a joint."""
    blend = stage.plan.blends[node.joint.id]
    weights = [float(w) for w in blend.weights[first - blend.first :][:count]]
    strips = node.outgoing.strip, node.incoming.strip
    sides = [stage.describe_strip(strip, first, count) for strip in strips]
    tracks = [
        stage.points_digest(stage.footage[s.key], stage.cast.joints.get((s.key, node.joint.id)), first, count)
        for s in strips
    ]
    return ["morph", weights, stage.engine.fingerprint, *sides, *tracks]


def _note_distance(stage: Stage, node: Morph, a: Face, b: Face) -> None:
    """Tell when two faces are so far apart that no morph will hide it."""
    far = float(np.linalg.norm(a.points[:468, :2].mean(0) - b.points[:468, :2].mean(0))) / max(a.width, 1.0)
    if far > FAR:
        clip = node.outgoing.strip.clip
        stage.report.note(
            f'joint {node.joint.id} at the end of "{clip.name}": the faces lie more than {FAR:g} face widths apart; '
            "the morph will show"
        )


def _held(stage: Stage, node: Morph, strip: Strip, picture: Picture, frame: int) -> tuple[FacePicture, Any, Any] | None:
    """The face of one side of a joint on a program frame, as filmed: picture, motion, look."""
    footage, track = stage.footage[strip.key], stage.cast.joints.get((strip.key, node.joint.id))
    index = int(stage.indices(footage, frame, 1)[0])
    face = track.at(index) if track else None
    if track is None or face is None:
        stage.report.note(f'joint {node.joint.id} at the end of "{node.outgoing.strip.clip.name}": '
                          "a side shows no face on some frames; there it is a morph without it")  # fmt: skip
        return None
    look = stage.look(footage, str(track.id), track)
    seen = face_picture(picture, face)
    return seen, stage.engine.analyze(look, [seen])[0], look


def _brought(stage: Stage, side: tuple[FacePicture, Any, Any], other: Any, weight: float) -> list[Patch]:
    """The patch that takes one side's face ``weight`` of the way to the other's."""
    face, motion, look = side
    made = stage.engine.synthesize(look, [face], [motion], [motion.toward(other, weight)])[0]
    return [made] if made is not None else []
