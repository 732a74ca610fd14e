"""Fakes for the tests of plugins: a scene, a face, an engine whose pictures can be worked out by hand.

Nothing here needs media, a model or a project. The module is itself a plugin with the engine ``fake``:
``Registry(lp_editor.testing, my_plugin)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lp_editor.controls import (
    COLUMN,
    CONTROLS,
    HIGH,
    LOW,
    REGIONS,
    TARGET_COLUMN,
    Controls,
    FloatArray,
    Part,
    Region,
    parts_of,
)
from lp_editor.effect import Edit, Scene, Sound
from lp_editor.engine import Patch, ReadFaces
from lp_editor.face import Box, Face, FacePicture, FaceTrack, Image
from lp_editor.faces.measure import measured
from lp_editor.hooks import hookimpl
from lp_editor.recording import part_of
from lp_editor.utterance import Speech

LEVELS = 100.0
"""Grey levels that `FakeEngine` adds to the middle of a face for a sum of 1 over all changes of its controls."""

IRIS = 0.585
"""Radius of the visible iris in centimetres: half of 11.7 mm, which hardly differs between people."""

_PARTS = np.array([part_of(control.name) for control in CONTROLS])
_REGION = np.array([REGIONS.index(control.region) for control in CONTROLS])


def scene(
    seconds: float = 1.0,
    rate: int | Fraction = 25,
    *,
    faces: Sequence[Face | None] | None = None,
    sound: Sound | None = None,
    speech: Speech | None = None,
    driver: FaceTrack | None = None,
) -> Scene:
    """A stretch of so many record seconds at ``rate`` frames per second, as effects see it.

    ``faces`` defaults to one `synthetic_face` on every frame; a ``driver`` runs at ``rate`` too.
    """
    rate = Fraction(rate)
    if faces is None:
        faces = [synthetic_face()] * round(seconds * rate)
    poses, gazes = measured(faces)
    return Scene(seconds, rate, faces, sound, speech, driver, rate if driver else None, poses, gazes, (1920, 1080))


def sample(edit: Edit, seconds: ArrayLike) -> Controls:
    """What an edit asks for at some times (record seconds from its start), before the host eases and clamps it."""
    times = np.atleast_1d(np.asarray(seconds, np.float64))
    asked = Controls.zeros(len(times))
    for name, signal in edit.controls.items():
        asked.offsets[:, COLUMN[name]] = signal.at(times)
    for name, target in edit.targets.items():
        asked.targets[:, TARGET_COLUMN[name]] = target.value.at(times)
        asked.weights[:, TARGET_COLUMN[name]] = target.weight.at(times)
    for region, strength in edit.neutralise.items():
        asked.neutral[:, REGIONS.index(region)] = strength.at(times)
    return asked


def synthetic_face(center: tuple[float, float] = (256.0, 256.0), width: float = 200.0) -> Face:
    """The average face looking into the camera: ``center`` and ear-to-ear ``width`` in pixels, blendshapes all zero."""
    from lp_editor.faces.canonical import LEFT_EYE, RIGHT_EYE, canonical_face  # brings in video libraries

    head = canonical_face().vertices  # (468, xyz) cm
    irises = [_iris(head[list(eye)].mean(0)) for eye in (RIGHT_EYE, LEFT_EYE)]
    points = np.concatenate([head, *irises])  # (478, xyz) cm
    scale = width / np.linalg.norm(head[234] - head[454])
    points = (points - (head.min(0) + head.max(0)) / 2) * scale + [*center, 0.0]
    names = sorted({name for c in CONTROLS for name in (*c.positive, *c.negative)})
    return Face(points.astype(np.float32), dict.fromkeys(names, 0.0))


def _iris(middle: FloatArray) -> FloatArray:
    """An iris as MediaPipe numbers it: centre, then towards the person's left, up, right, down."""
    around = [(0, 0, 0), (1, 0, 0), (0, -1, 0), (-1, 0, 0), (0, 1, 0)]
    return np.asarray(middle + IRIS * np.array(around, np.float64))


def face_picture(face: Face, frame: Image, margin: float = 0.5) -> FacePicture:
    """A face with the pixels around it, ``margin`` times its width on every side, cut from an RGB frame."""
    height, width = frame.shape[:2]
    room = round(face.width * margin)
    tight = face.box
    box = Box(tight.x0 - room, tight.y0 - room, tight.x1 + room, tight.y1 + room).clipped(width, height)
    return FacePicture(face, frame[box.y0 : box.y1, box.x0 : box.x1], box, (width, height))


@dataclass(frozen=True)
class FakeLook:
    """A study that counted the faces."""

    fingerprint: str


@dataclass(frozen=True)
class FakeMotion:
    """A face as a value for each control, (len(CONTROLS),)."""

    held: FloatArray

    def toward(self, other: FakeMotion, weight: float) -> FakeMotion:
        """The straight line between two faces."""
        return FakeMotion(self.held + weight * (other.held - self.held))


class FakeEngine:
    """An engine that brightens the face by `LEVELS` × the sum of all changes of its controls.

    A face is filmed as its blendshapes say. The change fades to nothing at the edge of the box around the landmarks.
    """

    name = "fake"
    fingerprint = "fake-1"
    keeps_patches = True

    def study(self, track: FaceTrack, read: ReadFaces) -> FakeLook:
        """Counts the faces; reads no pictures."""
        return FakeLook(f"fake-look-{sum(face is not None for face in track.faces)}")

    def analyze(self, look: FakeLook, faces: Sequence[FacePicture]) -> list[FakeMotion]:
        """Reads the controls off the blendshapes."""
        return [FakeMotion(_filmed(picture.face)) for picture in faces]

    def retarget(self, motions: Sequence[FakeMotion], controls: Controls) -> list[FakeMotion]:
        """Neutral, then the offsets, then the targets."""
        rows = zip(controls.offsets, controls.targets, controls.weights, controls.neutral, strict=True)
        return [_retargeted(motion, *row) for motion, row in zip(motions, rows, strict=True)]

    def transfer(
        self,
        source: Sequence[FakeMotion],
        driver: Sequence[FakeMotion],
        reference: FakeMotion | None,
        regions: Sequence[Region | Part],
        strength: Sequence[float],
    ) -> list[FakeMotion]:
        """The driver's controls of some regions; relative ones are added to the face's own."""
        inside = np.isin(_PARTS, parts_of(regions))
        moved = []
        for face, lead, weight in zip(source, driver, strength, strict=True):
            wanted = lead.held if reference is None else face.held + lead.held - reference.held
            moved.append(FakeMotion(face.held + weight * inside * (wanted - face.held)))
        return moved

    def synthesize(
        self,
        look: FakeLook,
        faces: Sequence[FacePicture],
        filmed: Sequence[FakeMotion],
        motions: Sequence[FakeMotion],
    ) -> list[Patch | None]:
        """A tone over each face that changes."""
        trio = zip(faces, filmed, motions, strict=True)
        return [_brightened(picture, motion.held - before.held) for picture, before, motion in trio]

    def analyze_several(self, looks: Sequence[FakeLook], faces: Sequence[FacePicture]) -> list[FakeMotion]:
        """`analyze` of faces with a look each."""
        return self.analyze(looks[0], faces) if faces else []

    def synthesize_several(
        self,
        looks: Sequence[FakeLook],
        faces: Sequence[FacePicture],
        filmed: Sequence[FakeMotion],
        motions: Sequence[FakeMotion],
    ) -> list[Patch | None]:
        """`synthesize` of faces with a look each."""
        return self.synthesize(looks[0], faces, filmed, motions) if faces else []


def _filmed(face: Face) -> FloatArray:
    def read(weights: Mapping[str, float]) -> float:
        return sum(weight * face.blendshapes.get(name, 0.0) for name, weight in weights.items())

    return np.array([read(c.positive) - read(c.negative) for c in CONTROLS], np.float64)


def _retargeted(
    motion: FakeMotion, offsets: FloatArray, targets: FloatArray, weights: FloatArray, neutral: FloatArray
) -> FakeMotion:  # fmt: skip
    held = motion.held * (1 - neutral[_REGION])
    held = np.where(offsets != 0, np.clip(held + offsets, LOW, HIGH), held)
    for target, control, low, high in _MEANT:
        column, weight = COLUMN[control], weights[TARGET_COLUMN[target]]
        wanted = low + (high - low) * targets[TARGET_COLUMN[target]]
        held[column] += weight * (wanted - held[column])
    return replace(motion, held=held)


_MEANT = (
    ("eye_opening_left", "blink_left", 1.0, 0.0),
    ("eye_opening_right", "blink_right", 1.0, 0.0),
    ("lip_opening", "mouth_open", 0.0, 1.0),
    ("eye_ratio_left", "blink_left", 1.0, 1 - 1 / 0.3),
    ("eye_ratio_right", "blink_right", 1.0, 1 - 1 / 0.3),
    ("lip_ratio", "mouth_open", 0.0, 1 / 0.3),
    ("gaze_direction_x", "gaze_x_left", 0.0, 1 / 40),
    ("gaze_direction_x", "gaze_x_right", 0.0, 1 / 40),
    ("gaze_direction_y", "gaze_y_left", 0.0, 1 / 30),
    ("gaze_direction_y", "gaze_y_right", 0.0, 1 / 30),
)
"""What the fake face does for a target: the control, and its values for a target of 0 and of 1."""


def _brightened(picture: FacePicture, change: FloatArray) -> Patch | None:
    if not change.any():
        return None
    box = picture.face.box.clipped(*picture.size)
    mask = np.outer(_feather(box.height), _feather(box.width)).astype(np.float32)
    tone = np.full((*mask.shape, 3), LEVELS * change.sum(), np.float32)
    return Patch(box, mask, tone=tone)


def _feather(length: int) -> NDArray[np.float64]:
    """0 at both ends, 1 in the middle half."""
    return np.asarray(np.clip(2 - np.abs(np.linspace(-2, 2, length)), 0, 1))


def plain_frame(width: int = 640, height: int = 480, level: int = 128) -> Image:
    """A frame of one grey."""
    return np.full((height, width, 3), level, np.uint8)


@hookimpl
def lp_engine(name: str, device: str) -> FakeEngine | None:
    """The engine ``fake``."""
    return FakeEngine() if name == "fake" else None
