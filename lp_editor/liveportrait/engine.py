"""The liveportrait engine itself: networks run on steady crops, and what they change made into patches.

Every edited frame is made twice, as filmed and as edited, by the same volume, crop and stitching, so that what the
networks get wrong cancels out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lp_editor import models
from lp_editor.controls import Controls, Region
from lp_editor.engine import FloatImage, Patch, ReadFaces
from lp_editor.face import Box, FacePicture, FaceTrack, Image
from lp_editor.liveportrait.crop import NETWORK, PICTURE, Square
from lp_editor.liveportrait.detail import Calibration, Layers, calibrated, composed
from lp_editor.liveportrait.fast import PRECISIONS, with_openvino
from lp_editor.liveportrait.fold import folded
from lp_editor.liveportrait.hold import Hold, Seen, retargeted, transferred
from lp_editor.liveportrait.keypoints import Array, rotation
from lp_editor.liveportrait.look import Look, person_of, shot_square, with_calibration
from lp_editor.liveportrait.networks import ArrayHeads, Networks, as_array, load_networks
from lp_editor.liveportrait.paste import template, to_image
from lp_editor.liveportrait.places import STEMS, find_file

Composite: TypeAlias = Literal["detail", "paste"]

VERSION = 1
"""Raised whenever the same pixels, weights and controls give other patches."""

STUDIED = 40
"""Faces of a track that a study looks at."""

SAME = 1e-6
"""Keypoints nearer than this are not moved."""

ROOM, FEATHER = 1.12, 0.04
"""How much larger than the face's landmarks a mask is, and how softly it ends, of the square."""


@dataclass(frozen=True)
class LivePortraitEngine:
    """See `lp_editor.engine.Engine`. ``weights`` names the weights that the networks were loaded from."""

    nets: Networks
    weights: str
    composite: Composite = "detail"
    keeps_patches: bool = True

    @property
    def name(self) -> str:
        """As in ``--engine``."""
        return "liveportrait" if self.composite == "detail" else "liveportrait-paste"

    @property
    def fingerprint(self) -> str:
        """Version, weights, device, precision, compositor; the libraries' versions count too, for they move pixels."""
        return (
            f"liveportrait-{VERSION}-{self.weights}-{self.nets.device}-{self.nets.dtype}-{self.composite}"
            f"-torch{torch.__version__}-cv{cv2.__version__}"
        )

    # --- study and analysis ---------------------------------------------------------------------------------------

    def study(self, track: FaceTrack, read: ReadFaces) -> Look:
        """The shot's square and the person's openings; one frame goes through the networks to see how soft they are."""
        last = max(len(track.faces) - 1, 0)
        at = np.unique(np.linspace(0, last, STUDIED).astype(int))[: len(track.faces)]
        some = [(track.first + int(i), face) for i in at if (face := track.faces[int(i)]) is not None]
        faces = [face for _, face in some]
        look = Look(shot_square(faces), person_of(faces), None, "none")
        calibration = None
        if some and self.composite == "detail":
            pictures = read([some[len(some) // 2][0]])
            calibration = self._calibration(look, pictures[0]) if pictures else None
        hashed = blake2b(repr((look.square, look.person)).encode(), digest_size=8)
        for array in (calibration.gains, calibration.grain) if calibration else ():
            hashed.update(array.tobytes())
        return with_calibration(look, calibration, hashed.hexdigest())

    def _calibration(self, look: Look, picture: FacePicture) -> Calibration:
        hold = self.analyze(look, [picture])[0]
        [made] = self._pictures(picture, hold, [hold])
        canvas = _Canvas.over(hold.seen.square)
        return calibrated(canvas.cut(picture), canvas.turned_back(made), face_mask(picture, canvas))

    def analyze(self, look: Look, faces: Sequence[FacePicture]) -> list[Hold]:
        """Pose, expression and canonical keypoints of each face, from the motion network."""
        seen = [look.seen(picture.face) for picture in faces]
        crops = [_crop(picture, s.square) for picture, s in zip(faces, seen, strict=True)]
        return [self._hold(crop, s) for crop, s in zip(crops, seen, strict=True)]

    def _hold(self, crop: Image, seen: Seen) -> Hold:
        """One face's motion. One at a time: so a batch equals its faces one by one, to the bit."""
        info = self.nets.motion(_images([crop]))
        pitch, yaw, roll, t, exp, scale, kp = (as_array(v) for v in vars(info).values())
        return Hold(kp[0], rotation(pitch, yaw, roll)[0], exp[0], scale[0], t[0], seen)

    # --- motion ---------------------------------------------------------------------------------------------------

    def retarget(self, motions: Sequence[Hold], controls: Controls) -> list[Hold]:
        """One row of controls for each motion."""
        return retargeted(motions, controls, ArrayHeads(self.nets))

    def transfer(
        self, source: Sequence[Hold], driver: Sequence[Hold], reference: Hold | None, regions: Sequence[Region],
        strength: Sequence[float],
    ) -> list[Hold]:  # fmt: skip
        """Expressions and poses, region by region."""
        trio = zip(source, driver, strength, strict=True)
        return [transferred(s, d, reference, regions, k) for s, d, k in trio]

    # --- pictures -------------------------------------------------------------------------------------------------

    def synthesize(
        self, look: Look, faces: Sequence[FacePicture], filmed: Sequence[Hold], motions: Sequence[Hold]
    ) -> list[Patch | None]:
        """A patch for each face that moves."""
        out: list[Patch | None] = [None] * len(faces)
        busy = [i for i in range(len(faces)) if motions[i] is not filmed[i] and _apart(filmed[i], motions[i]) > SAME]
        for i in busy:  # one at a time: so a batch equals its faces one by one, to the bit, and memory stays flat
            wanted = [motions[i]] if self.composite == "paste" else [filmed[i], motions[i]]
            made = self._pictures(faces[i], filmed[i], wanted)
            out[i] = self._patch(look, faces[i], filmed[i], motions[i], made[0], made[-1])
        return out

    def _pictures(self, picture: FacePicture, filmed: Hold, motions: Sequence[Hold]) -> list[Image]:
        """What the networks make of a face held in several ways; its appearance is computed once."""
        volume = self.nets.appearance(_images([_crop(picture, filmed.seen.square)]))
        at_rest = torch.from_numpy(np.array(filmed.points[None]))
        images = []
        for motion in motions:
            driving = self.nets.stitch(at_rest, torch.from_numpy(np.array(motion.points[None])))
            made = self.nets.generate(self.nets.warp(volume, at_rest, driving).feature)
            images.append(to_image(as_array(made[0])))
        return images

    def _patch(
        self, look: Look, picture: FacePicture, filmed: Hold, motion: Hold, before: Image, after: Image
    ) -> Patch | None:
        canvas = _Canvas.over(filmed.seen.square)
        posed = not (np.array_equal(filmed.turn, motion.turn) and np.array_equal(filmed.scale, motion.scale)
                     and np.array_equal(filmed.t, motion.t))  # fmt: skip
        mask = canvas.mask() if posed else canvas.mask() * face_mask(picture, canvas)
        if self.composite == "paste":
            return _clipped(_painted(canvas, canvas.turned_back(after), mask), canvas, picture)
        assert look.calibration is not None
        layers = composed(
            canvas.cut(picture), canvas.turned_back(before), canvas.turned_back(after), mask, look.calibration
        )
        return _clipped(layers, canvas, picture) if layers else None


def _apart(one: Hold, other: Hold) -> float:
    return float(np.abs(one.points - other.points).max())


@dataclass(frozen=True)
class _Canvas:
    """The upright square of whole pixels of the frame around the networks' square, and its size in their pixels."""

    square: Square
    corner: tuple[int, int]
    size: int
    n: int

    @classmethod
    def over(cls, square: Square) -> _Canvas:
        if square.angle == 0:
            x, y = (round(float(v) - square.size / 2) for v in square.centre)
            return cls(square, (x, y), round(square.size), PICTURE)
        low, high = square.corners.min(0), square.corners.max(0)
        size = int(np.ceil((high - low).max()))
        x, y = (int(np.floor(v)) for v in low)
        return cls(square, (x, y), size, round(PICTURE * size / square.size))

    def cut(self, picture: FacePicture) -> Image:
        """The footage's pixels of it, (size, size, RGB); what lies outside the pixels at hand repeats their edge."""
        box = picture.box
        x = np.clip(np.arange(self.corner[0], self.corner[0] + self.size) - box.x0, 0, box.width - 1)
        y = np.clip(np.arange(self.corner[1], self.corner[1] + self.size) - box.y0, 0, box.height - 1)
        return np.ascontiguousarray(picture.pixels[y[:, None], x[None, :]])

    def turned_back(self, made: Image) -> Image:
        """A picture of the networks (512, 512, RGB) as it lies in the canvas, (n, n, RGB)."""
        if self.square.angle == 0:
            return made
        return np.asarray(
            cv2.warpAffine(made, self._matrix()[:2], (self.n, self.n), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
            np.uint8,
        )  # fmt: skip

    def mask(self) -> FloatImage:
        """The published mask as it lies in the canvas, (n, n) in 0..1."""
        mask = template()
        if self.square.angle != 0:
            mask = np.asarray(cv2.warpAffine(mask, self._matrix()[:2], (self.n, self.n)), np.uint8)
        return np.asarray(mask.astype(np.float32) / np.float32(255))

    def _matrix(self) -> Array:
        """From the networks' picture to the canvas, (3, 3)."""
        ratio = self.n / self.size
        to_frame = np.linalg.inv(self.square.to_crop(PICTURE).astype(np.float64))
        shift = np.array([[ratio, 0, -self.corner[0] * ratio], [0, ratio, -self.corner[1] * ratio], [0, 0, 1]])
        return np.asarray(shift @ to_frame, np.float32)

    def inside(self, points: NDArray[np.float32]) -> NDArray[np.float64]:
        """Points of the frame (N, xy) in the canvas's own pixels."""
        return np.asarray((points[:, :2].astype(np.float64) + 0.5 - self.corner) * (self.n / self.size) - 0.5)


def face_mask(picture: FacePicture, canvas: _Canvas) -> FloatImage:
    """Where the face's own landmarks are, a little larger and feathered inwards, (n, n) in 0..1."""
    hull = cv2.convexHull(canvas.inside(picture.face.points[:468]).astype(np.float32))[:, 0]
    middle = hull.mean(0)
    outline = np.round(middle + (hull - middle) * ROOM).astype(np.int32)
    filled = cv2.fillConvexPoly(np.zeros((canvas.n, canvas.n), np.uint8), outline, 1)
    depth = cv2.distanceTransform(filled, cv2.DIST_L2, 5)
    return np.asarray(np.clip(depth / (FEATHER * canvas.n), 0, 1), np.float32)


def _crop(picture: FacePicture, square: Square) -> Image:
    """What the networks see: 256 pixels square, averaged."""
    canvas = _Canvas.over(square)
    pixels = canvas.cut(picture)
    if square.angle != 0:
        to_crop = square.to_crop(PICTURE) @ np.array(
            [[1, 0, canvas.corner[0]], [0, 1, canvas.corner[1]], [0, 0, 1]], np.float32
        )
        pixels = np.asarray(
            cv2.warpAffine(pixels, to_crop[:2], (PICTURE, PICTURE), borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
    return np.asarray(cv2.resize(pixels, (NETWORK, NETWORK), interpolation=cv2.INTER_AREA), np.uint8)


def _images(crops: Sequence[Image]) -> torch.Tensor:
    """Crops as the networks take them, (B, RGB, 256, 256) in 0..1."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def _painted(canvas: _Canvas, made: Image, mask: FloatImage) -> Layers:
    """The made picture over the canvas, as it is."""
    size = (canvas.size, canvas.size)
    paint = cv2.resize(made.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    alpha = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR), np.float32)
    return Layers(Box(0, 0, *size), (alpha > 1 / 255).astype(np.float32), None, None, np.clip(paint, 0, 255), alpha)


def _clipped(layers: Layers, canvas: _Canvas, picture: FacePicture) -> Patch | None:
    """Layers of the canvas as a patch of the frame: what lies in the pixels at hand, ending in nothing."""
    x, y = canvas.corner
    box, seen = layers.box, picture.box
    whole = Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y)
    kept = Box(max(whole.x0, seen.x0), max(whole.y0, seen.y0), min(whole.x1, seen.x1), min(whole.y1, seen.y1))
    if kept.width < 3 or kept.height < 3:
        return None
    window = slice(kept.y0 - whole.y0, kept.y1 - whole.y0), slice(kept.x0 - whole.x0, kept.x1 - whole.x0)

    def part(array: FloatImage) -> FloatImage:
        return np.array(array[window], np.float32)

    mask = part(layers.mask)
    mask[0], mask[-1], mask[:, 0], mask[:, -1] = 0, 0, 0, 0
    if not mask.any():
        return None
    flow, tone = (None if a is None else part(a) for a in (layers.flow, layers.tone))
    return Patch(kept, mask, flow, tone, part(layers.paint), part(layers.alpha))


def started(folder: Path, device: str, composite: Composite) -> LivePortraitEngine:
    """The engine on the weights of a folder. Raises `WeightsError` for wrong files, `EngineError` for no such device."""
    hasher = blake2b(digest_size=8)
    for stem in STEMS:
        path = find_file(folder, stem)
        known = path.stat()
        hasher.update(f"{path.name}:{known.st_size}:{models.hashed(path)}".encode())
    if device in PRECISIONS:
        nets = with_openvino(load_networks(folder), PRECISIONS[device])
        return LivePortraitEngine(nets, f"{hasher.hexdigest()}-{device}", composite)
    return LivePortraitEngine(folded(load_networks(folder, device)), hasher.hexdigest(), composite)
