"""The liveportrait engine itself: networks run on steady crops, and what they change made into patches.

Every edited frame is made twice, as filmed and as edited, by the same volume, crop and stitching, so that what the
networks get wrong cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Literal, TypeAlias

import cv2
import numpy as np
import torch

from lp_editor.controls import Controls, Part, Region
from lp_editor.engine import Patch, ReadFaces
from lp_editor.face import FacePicture, FaceTrack, Image
from lp_editor.faces.occlusion import WATCHED, uncovered, usual
from lp_editor.liveportrait.batches import Batches
from lp_editor.liveportrait.canvas import Canvas, clipped, face_mask, images_of, network_crop, painted
from lp_editor.liveportrait.detail import Calibration, calibrated, composed
from lp_editor.liveportrait.gpu import Pictures
from lp_editor.liveportrait.hold import Hold, Seen, holds_of, retargeted, transferred
from lp_editor.liveportrait.keypoints import Array, rotation
from lp_editor.liveportrait.landmarks import openings
from lp_editor.liveportrait.look import Look, person_from, person_of, shot_square
from lp_editor.liveportrait.networks import ArrayHeads, Networks, as_array
from lp_editor.liveportrait.paste import to_image
from lp_editor.liveportrait.template import Template, arrays_of, template_of
from lp_editor.recording import Recording

Composite: TypeAlias = Literal["detail", "paste"]

VERSION = 3
"""Raised whenever the same pixels, weights and controls give other patches."""

STUDIED = 40
"""Faces of a track that a study looks at."""

SAME = 1e-6
"""Keypoints nearer than this are not moved."""


@dataclass(frozen=True)
class LivePortraitEngine:
    """See `lp_editor.engine.Engine`. ``weights`` names the weights that the networks were loaded from, ``path`` what they
    are computed by, ``pictures`` stands in for `Networks.pictures` where there is something faster, and ``landmarks`` finds
    the published 203 points (xy, of the frame) on a face; without it openings are read off MediaPipe's."""

    nets: Networks
    weights: str
    composite: Composite = "detail"
    keeps_patches: bool = True
    path: str = "cpu-f32"
    batches: Batches = field(default_factory=Batches)
    pictures: Pictures | None = None
    landmarks: Callable[[FacePicture], Array] | None = None

    @property
    def name(self) -> str:
        """As in ``--engine``."""
        return "liveportrait" if self.composite == "detail" else "liveportrait-paste"

    @property
    def waits(self) -> bool:
        """Whether the networks run on a graphics card."""
        return torch.device(self.nets.device).type != "cpu"

    @property
    def fingerprint(self) -> str:
        """Version, weights, device, precision, compositor; the libraries' versions count too, for they move pixels."""
        return (
            f"liveportrait-{VERSION}-{self.weights}-{self.path}-{self.nets.dtype}-{self.composite}-{'203' if self.landmarks else 'mesh'}"
            f"-torch{torch.__version__}-cv{cv2.__version__}"
        )

    # --- study and analysis ---------------------------------------------------------------------------------------

    def study(self, track: FaceTrack, read: ReadFaces) -> Look:
        """The shot's square and the person's openings; one frame goes through the networks to see how soft they are."""
        some = [(track.first + i, face) for i in _spread(track, STUDIED) if (face := track.faces[i]) is not None]
        faces = [face for _, face in some]
        watched = (
            read([track.first + i for i in _spread(track, WATCHED)])
            if self.landmarks or len(track.faces) >= WATCHED
            else []
        )
        person = person_of(faces)
        if self.landmarks and watched:
            person = replace(
                person_from([openings(self.landmarks(picture)) for picture in watched]), ratios=person.ratios
            )
        look = Look(shot_square(faces), person, None, "none")
        calibration = None
        if some and self.composite == "detail":
            pictures = read([some[len(some) // 2][0]])
            calibration = self._calibration(look, pictures[0]) if pictures else None
        known = usual(watched) if len(track.faces) >= WATCHED else None
        hashed = blake2b(repr((look.square, look.person)).encode(), digest_size=8)
        for array in (
            *((calibration.gains, calibration.grain) if calibration else ()),
            *((known.level, known.spread) if known else ()),
        ):
            hashed.update(array.tobytes())
        return replace(look, calibration=calibration, usual=known, fingerprint=hashed.hexdigest())

    def _calibration(self, look: Look, picture: FacePicture) -> Calibration:
        hold = self.analyze(look, [picture])[0]
        [[made]] = self._pictures([picture], [hold], [[hold]])
        canvas = Canvas.over(hold.seen.square)
        return calibrated(canvas.cut(picture), canvas.turned_back(made), face_mask(picture, canvas))

    def analyze(self, look: Look, faces: Sequence[FacePicture]) -> list[Hold]:
        """Pose, expression and canonical keypoints of each face, from the motion network."""
        return self.analyze_several([look] * len(faces), faces)

    def analyze_several(self, looks: Sequence[Look], faces: Sequence[FacePicture]) -> list[Hold]:
        """The same for faces of several shots."""
        seen = [self._seen(look, picture) for look, picture in zip(looks, faces, strict=True)]
        crops = [network_crop(picture, s.square) for picture, s in zip(faces, seen, strict=True)]
        if not crops:
            return []
        parts = self.batches(self._motion, images_of(crops))
        return [_hold(part, s) for part, s in zip(as_array(parts), seen, strict=True)]

    def _seen(self, look: Look, picture: FacePicture) -> Seen:
        seen = look.seen(picture.face)
        if self.landmarks is None:
            return seen
        eyes, lips = openings(self.landmarks(picture))
        return replace(seen, eyes=eyes, lips=lips)

    def _motion(self, images: torch.Tensor) -> torch.Tensor:
        """All that the motion network says, side by side, (B, numbers)."""
        return torch.cat([value.flatten(1) for value in vars(self.nets.motion(images)).values()], dim=1)

    # --- motion ---------------------------------------------------------------------------------------------------

    def retarget(self, motions: Sequence[Hold], controls: Controls) -> list[Hold]:
        """One row of controls for each motion."""
        return retargeted(motions, controls, ArrayHeads(self.nets))

    def transfer(
        self, source: Sequence[Hold], driver: Sequence[Hold], reference: Hold | None,
        regions: Sequence[Region | Part], strength: Sequence[float],
    ) -> list[Hold]:  # fmt: skip
        """Expressions and poses, region by region."""
        trio = zip(source, driver, strength, strict=True)
        return [transferred(s, d, reference, regions, k) for s, d, k in trio]

    def recorded(self, recording: Recording) -> list[Hold] | None:
        """The holds of a motion template; None for a recording of another kind."""
        template = template_of(recording.motions or {}, float(recording.rate))
        return None if template is None else holds_of(template)

    def record(self, motions: Sequence[Hold], rate: float) -> dict[str, Array]:
        """The arrays that a recording keeps of motions: those of a motion template."""
        turn, exp, scale, t = (np.stack([getattr(hold, n) for hold in motions]) for n in ("turn", "exp", "scale", "t"))
        eyes = np.array([hold.seen.eyes[::-1] for hold in motions], np.float32)  # the left in the picture first
        lips = np.array([[hold.seen.lips] for hold in motions], np.float32)
        return arrays_of(Template(rate, turn, exp, scale, t, eyes, lips))

    # --- pictures -------------------------------------------------------------------------------------------------

    def synthesize(
        self, look: Look, faces: Sequence[FacePicture], filmed: Sequence[Hold], motions: Sequence[Hold]
    ) -> list[Patch | None]:
        """A patch for each face that moves."""
        return self.synthesize_several([look] * len(faces), faces, filmed, motions)

    def synthesize_several(
        self, looks: Sequence[Look], faces: Sequence[FacePicture], filmed: Sequence[Hold], motions: Sequence[Hold]
    ) -> list[Patch | None]:
        """The same for faces of several shots."""
        out: list[Patch | None] = [None] * len(faces)
        busy = [i for i in range(len(faces)) if motions[i] is not filmed[i] and _apart(filmed[i], motions[i]) > SAME]
        wanted = 1 if self.composite == "paste" else 2
        room = max(self.batches.largest // wanted, 1)
        for some in (busy[at : at + room] for at in range(0, len(busy), room)):
            held = [[motions[i]] if wanted == 1 else [filmed[i], motions[i]] for i in some]
            made = self._pictures([faces[i] for i in some], [filmed[i] for i in some], held)
            for i, pictures in zip(some, made, strict=True):
                patch = self._patch(looks[i], faces[i], filmed[i], motions[i], pictures[0], pictures[-1])
                out[i] = uncovered(patch, faces[i], looks[i].usual)
        return out

    def _pictures(
        self, faces: Sequence[FacePicture], filmed: Sequence[Hold], motions: Sequence[Sequence[Hold]]
    ) -> list[list[Image]]:
        """What the networks make of faces, each held in several ways; an appearance is computed once, and not kept."""
        crops = [network_crop(picture, hold.seen.square) for picture, hold in zip(faces, filmed, strict=True)]
        volumes = self.batches(self.nets.appearance, images_of(crops))
        of = [i for i, several in enumerate(motions) for _ in several]
        at_rest = torch.from_numpy(np.stack([filmed[i].points for i in of]))
        driving = torch.from_numpy(np.stack([motion.points for several in motions for motion in several]))
        stitched = torch.cat(
            [self.nets.stitch(a, b) for a, b in zip(at_rest.chunk(len(of)), driving.chunk(len(of)), strict=True)]
        )
        rows = volumes[of], at_rest.to(self.nets.device), stitched
        made = iter(to_image(as_array(one)) for one in self.batches(self.pictures or self.nets.pictures, *rows))
        return [[next(made) for _ in several] for several in motions]

    def _patch(
        self, look: Look, picture: FacePicture, filmed: Hold, motion: Hold, before: Image, after: Image
    ) -> Patch | None:
        canvas = Canvas.over(filmed.seen.square)
        posed = not (np.array_equal(filmed.turn, motion.turn) and np.array_equal(filmed.scale, motion.scale)
                     and np.array_equal(filmed.t, motion.t))  # fmt: skip
        mask = canvas.mask() if posed else canvas.mask() * face_mask(picture, canvas)
        if self.composite == "paste":
            return clipped(painted(canvas, canvas.turned_back(after), mask), canvas, picture)
        assert look.calibration is not None
        layers = composed(
            canvas.cut(picture), canvas.turned_back(before), canvas.turned_back(after), mask, look.calibration
        )
        return clipped(layers, canvas, picture) if layers else None


def _spread(track: FaceTrack, count: int) -> list[int]:
    """Numbers of frames with a face among so many that lie spread over a track."""
    at = np.unique(np.linspace(0, max(len(track.faces) - 1, 0), count).astype(int))[: len(track.faces)]
    return [int(i) for i in at if track.faces[int(i)] is not None]


def _hold(numbers: Array, seen: Seen) -> Hold:
    """One face's motion, of the numbers that the motion network says of it."""
    pitch, yaw, roll, t, exp, scale, kp = np.split(numbers, np.cumsum([1, 1, 1, 3, 63, 1]))
    turn = rotation(pitch[None], yaw[None], roll[None])[0]
    return Hold(kp.reshape(21, 3), turn, exp.reshape(21, 3), scale, t, seen)


def _apart(one: Hold, other: Hold) -> float:
    return float(np.abs(one.points - other.points).max())
