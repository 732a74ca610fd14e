"""The embedded engine itself: landmarks moved, a field made of them, eyes and mouth drawn, and all of it a patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import REGIONS, TARGETS, Controls, Part, Region
from lp_editor.engine import FloatImage, Patch, ReadFaces, strongest
from lp_editor.face import Box, Face, FacePicture, FaceTrack, Image
from lp_editor.faces.canonical import procrustes, to_local
from lp_editor.faces.measure import eye_ratio, head_pose, lip_ratio
from lp_editor.faces.occlusion import WATCHED, Usual, uncovered, usual
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.mesh import eyes, field, iris, mouth
from lp_editor.mesh.bases import Array, bases, rest_points
from lp_editor.mesh.borrowed import PARTS, Loan, borrow, repaid
from lp_editor.mesh.calibration import Strengths
from lp_editor.mesh.layers import Canvas
from lp_editor.mesh.rehearsal import Performed, Played, Rehearsals, Response, performed
from lp_editor.mesh.shading import creases
from lp_editor.mesh.shape import MeshMotion, Person, at_rest, played, recorded, retargeted, transferred
from lp_editor.recording import SHAPES, Recording
from lp_editor.render.compositor import apply_patches

VERSION = 23
"""Raised whenever the same landmarks and controls give other pixels."""

STUDIED = 40
"""Faces of a track that a study looks at."""

LOOKED_AT = 300
"""Faces of a track that are looked at, spread over it."""

REMEMBERED = 8
"""Recordings of which it is kept in mind what they say."""

TRIED = 4
"""Frames of a track, spread over it, that the strength of controls may be tried on."""

STILL = 0.02
"""Flow below this many pixels is none (mesh_engine notes, 6)."""


@dataclass(frozen=True)
class MeshLook:
    """What a shot says about a person."""

    person: Person
    fingerprint: str
    loan: Loan
    usual: Usual | None = None


class MeshEngine:
    """See `lp_editor.engine.Engine`. Any number of threads may share one."""

    name = "mesh"
    keeps_patches = False
    knows_rest = True

    def __init__(self) -> None:
        self._recordings: dict[int, tuple[Recording, Performed]] = {}

    @property
    def fingerprint(self) -> str:
        """Version and bases; OpenCV's own version counts too, for it moves the pixels."""
        return f"mesh-{VERSION}-{bases().fingerprint}-cv{cv2.__version__}"

    def study(self, track: FaceTrack, read: ReadFaces) -> MeshLook:
        """Percentiles of the person's openings and the median shape, from landmarks alone."""
        seen = _faces_of(track)
        if not seen:
            person = Person({"left": 0.3, "right": 0.3}, 0.1, rest_points())
            return MeshLook(person, "none", {})
        at = [seen[i] for i in np.unique(np.linspace(0, len(seen) - 1, STUDIED).astype(int))]
        some = [face for i in at if (face := track.faces[i]) is not None]
        points = np.stack([face.points for face in some]).astype(np.float64)
        openings = {side: float(np.percentile(eye_ratio(points, side), 90)) for side in ("left", "right")}
        lips = max(float(np.percentile(lip_ratio(points), 90)), 0.04)
        local = np.stack([to_local(p, procrustes(p)) for p in points])
        neutral = np.median(local, axis=0)
        hashed = blake2b(np.array([*openings.values(), lips], np.float32).tobytes(), digest_size=8)
        hashed.update(neutral.astype(np.float32).tobytes())
        calm = _calm(points)
        tried = [at[calm[i]] for i in np.unique(np.linspace(0, len(calm) - 1, TRIED).astype(int))]
        hashed.update(str(tried).encode())
        rest = at_rest(some)
        plain = Person(openings, lips, neutral, rest=rest, performed=_performed(track, seen, rest))
        frames = read([track.first + i for i in tried])
        strengths = Strengths(frames, lambda f, row: _tried(plain, f, row))
        calibrated = replace(plain, strengths=strengths)
        rehearsals = Rehearsals(frames, lambda f, *moments: _played(calibrated, f, *moments))
        loan = borrow(track, seen, openings, read)
        seldom = [at[i] for i in np.unique(np.linspace(0, len(at) - 1, WATCHED).astype(int))]
        known = usual(read([track.first + i for i in seldom])) if len(at) >= WATCHED else None
        return MeshLook(replace(calibrated, rehearsals=rehearsals), hashed.hexdigest(), loan, known)

    def analyze(self, look: MeshLook, faces: Sequence[FacePicture]) -> list[MeshMotion]:
        """Landmarks and pose of each face."""
        return [_filmed(look.person, picture) for picture in faces]

    def retarget(self, motions: Sequence[MeshMotion], controls: Controls) -> list[MeshMotion]:
        """One row of controls for each motion."""
        rows = zip(controls.offsets, controls.targets, controls.weights, controls.neutral, strict=True)
        return [retargeted(motion, *row) for motion, row in zip(motions, rows, strict=True)]

    def transfer(
        self, source: Sequence[MeshMotion], driver: Sequence[MeshMotion], reference: MeshMotion | None,
        regions: Sequence[Region | Part], strength: Sequence[float],
    ) -> list[MeshMotion]:  # fmt: skip
        """Shapes in the head's frame, region by region."""
        trio = zip(source, driver, strength, strict=True)
        return [transferred(s, d, reference, tuple(regions), k) for s, d, k in trio]

    def recorded(self, recording: Recording) -> list[MeshMotion]:
        """The average face held as a recording says."""
        return recorded(recording.shapes, recording.poses, SHAPES, self._told(recording.whole or recording))

    def _told(self, recording: Recording) -> Performed:
        """What a recording says in all, worked out once for each of the last few."""
        known = self._recordings.get(id(recording))
        if known is None or known[0] is not recording:
            known = recording, _told(recording)
            if len(self._recordings) >= REMEMBERED:
                self._recordings.clear()
            self._recordings[id(recording)] = known
        return known[1]

    def synthesize(
        self, look: MeshLook, faces: Sequence[FacePicture], filmed: Sequence[MeshMotion], motions: Sequence[MeshMotion]
    ) -> list[Patch | None]:  # fmt: skip
        """A patch each, as large as what changes."""
        made = (_patch(*one, _eyes(*one[:2]), look.loan) for one in zip(faces, filmed, motions, strict=True))
        return [uncovered(patch, face, look.usual) for patch, face in zip(made, faces, strict=True)]


def _faces_of(track: FaceTrack) -> list[int]:
    """Numbers of frames with a face, spread over a track: at most `LOOKED_AT`, unless those show none."""
    some = np.unique(np.linspace(0, max(len(track.faces) - 1, 0), LOOKED_AT).astype(int))[: len(track.faces)]
    found = [int(i) for i in some if track.faces[int(i)] is not None]
    return found or [i for i in range(len(track.faces)) if track.faces[i] is not None]


def _calm(points: Array) -> NDArray[np.intp]:
    """The half of some faces, (N, 478, 3), whose heads are turned most like their median, in order."""
    turns = np.array([head_pose(p) for p in points])
    away = np.abs(turns - np.median(turns, axis=0)).max(1)
    return np.sort(np.argsort(away, kind="stable")[: (len(away) + 1) // 2])


def _performed(track: FaceTrack, seen: Sequence[int], rest: Array) -> Performed:
    """What a track shows a person do."""
    points = [face.points.astype(np.float64) for i in seen if (face := track.faces[i]) is not None]
    poses = [procrustes(p) for p in points]
    blendshapes = np.stack([_blendshapes(face) for i in seen if (face := track.faces[i]) is not None])
    return performed(np.stack([to_local(p, q) for p, q in zip(points, poses, strict=True)]), poses, rest, blendshapes)


def _tried(person: Person, picture: FacePicture, offsets: Array) -> Image:
    """A small picture of a face with one row of offsets, uncalibrated."""
    filmed = _filmed(person, picture)
    nothing = np.zeros(len(TARGETS))
    motion = retargeted(filmed, offsets, nothing, nothing, np.zeros(len(REGIONS)))
    return _drawn(picture, _whole(picture), filmed, motion, _eyes(picture, filmed))


def _told(recording: Recording) -> Performed:
    """What a recording says, from some of its frames."""
    at = np.unique(np.linspace(0, len(recording) - 1, LOOKED_AT).astype(int))
    made = recorded(recording.shapes[at], recording.poses[at], SHAPES)
    local, poses = np.stack([to_local(m.points, m.pose) for m in made]), [m.pose for m in made]
    return performed(local, poses, rest_points(), recording.shapes[at])


def _played(
    person: Person, picture: FacePicture, driver: Performed, response: Response | None, amounts: Array | None
) -> list[Played]:  # fmt: skip
    """Small pictures of a face at a driver's moments."""
    filmed = _filmed(person, picture)
    moments, whole, seen = played(filmed, driver, response, amounts), _whole(picture), _eyes(picture, filmed)
    return [
        Played(_drawn(picture, whole, filmed, m, seen), to_local(m.points, m.pose), m.pose, meant) for m, meant in moments
    ]


def _filmed(person: Person, picture: FacePicture) -> MeshMotion:
    points = picture.face.points.astype(np.float64)
    pose = procrustes(points)
    return MeshMotion(points, pose, person, None, _blendshapes(picture.face), iris.seen(picture, points, pose))


def _blendshapes(face: Face) -> Array:
    """What was read of a face, (52,)."""
    return np.array([face.blendshapes.get(name, 0.0) for name in SHAPES])


def _whole(picture: FacePicture) -> Picture:
    """The pixels around a face as a picture of their own."""
    return Picture.of_rgb(picture.pixels, VideoFormat(picture.box.width, picture.box.height, "yuv444p"))


def _eyes(picture: FacePicture, filmed: MeshMotion) -> dict[str, eyes.FilmedEye]:
    """Both eyes as filmed, by side."""
    pixels, irises = picture.pixels.astype(np.float32), filmed.irises or iris.marked(filmed.points)
    return {
        side: eyes.FilmedEye(eye, pixels, picture.box, filmed.points, (irises.centres[side], irises.radii[side]))
        for side, eye in eyes.EYES.items()
    }


def _drawn(
    picture: FacePicture, whole: Picture, filmed: MeshMotion, motion: MeshMotion, seen: Mapping[str, eyes.FilmedEye]
) -> Image:  # fmt: skip
    """The pixels of a face that moves, nothing borrowed; ``whole`` and ``seen`` are what `_whole` and `_eyes` make of it."""
    patch = _patch(picture, filmed, motion, seen, {})
    return apply_patches(whole, [patch] if patch else []).rgb_all()


def _patch(
    picture: FacePicture, filmed: MeshMotion, motion: MeshMotion, seen: Mapping[str, eyes.FilmedEye], loan: Loan
) -> Patch | None:  # fmt: skip
    if motion is filmed or np.abs(motion.points - filmed.points)[:, :2].max() <= field.NEAR:
        return None
    made = field.net(filmed, motion)
    box = _box(made, picture)
    if box is None:
        return None
    changes = {side: eyes.change(side, made.before, made.after) for side in PARTS if side != "mouth"}
    skinned = field.opened_lids(made, {side: max(c.closing, 0.0) for side, c in changes.items()})
    flow = field.flow(skinned, box)
    pixels = seen["left"].pixels
    moved = _moved(pixels, picture.box, box, flow)
    canvas = Canvas.over(box)
    lent = repaid(loan, picture)
    mouth.draw(canvas, pixels, picture.box, made.before, made.after, made.face_width, lent.get("mouth"))
    for side, change in changes.items():
        eyes.draw(canvas, seen[side], moved, change, made.before, made.after, lent.get(side))
    tone = creases(filmed, motion, made.after, pixels, picture.box, box, made.face_width)
    return _assembled(box, flow, tone, canvas)


def _box(made: field.Net, picture: FacePicture) -> Box | None:
    """What moves, inside the pixels at hand."""
    reach = field.reach(made, picture.size)
    if reach is None:
        return None
    seen = picture.box
    box = Box(max(reach.x0, seen.x0), max(reach.y0, seen.y0), min(reach.x1, seen.x1), min(reach.y1, seen.y1))
    return box if box.width > 3 and box.height > 3 else None


def _moved(pixels: FloatImage, seen: Box, box: Box, flow: FloatImage) -> FloatImage:
    """The RGB pixels of a box moved by the field."""
    x = np.arange(box.x0 - seen.x0, box.x1 - seen.x0, dtype=np.float32)
    y = np.arange(box.y0 - seen.y0, box.y1 - seen.y0, dtype=np.float32)
    out = cv2.remap(
        pixels, flow[..., 0] + x[None, :], flow[..., 1] + y[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(out, np.float32)


def _assembled(box: Box, flow: FloatImage, tone: FloatImage | None, canvas: Canvas) -> Patch | None:
    """The patch of all parts; its mask is where any of them acts, and nothing at the edge of the box."""
    alpha = np.where(canvas.alpha >= 1 / 255, canvas.alpha, 0).astype(np.float32)
    acts = (strongest(flow) >= STILL) | (alpha > 0)
    if tone is not None:
        acts |= strongest(tone) >= 0.5
    acts[0], acts[-1], acts[:, 0], acts[:, -1] = False, False, False, False
    if not acts.any():
        return None
    painted = bool(alpha.any())
    return Patch(
        box, acts.astype(np.float32), flow, tone,
        canvas.paint() if painted else None, alpha if painted else None,
    )  # fmt: skip
