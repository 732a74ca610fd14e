"""The published landmark network, 203 points on a face, where its file and onnxruntime are at hand.

The engine reads the openings of eyes and lips off them: the retargeting networks were trained on these. Where the square
lies is still said by the head's rigid pose, for these points move with every smile.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lp_editor.errors import EngineError, WeightsError
from lp_editor.face import FacePicture, Image
from lp_editor.liveportrait.crop import (
    SCALE_OF_LANDMARKS,
    UP_OF_DRIVER,
    Square,
    cut,
    inverse,
    moved_points,
    square_along,
    square_around,
)
from lp_editor.liveportrait.keypoints import Array, eye_ratios, lip_ratios
from lp_editor.liveportrait.look import head_points
from lp_editor.liveportrait.places import HUMANS

NAME = "landmark.onnx"

PIXELS = 224
POINTS = 203


def network_input(frame: Image, prior: Array | None) -> tuple[Array, Array]:
    """What the network sees of a face near earlier landmarks (N, xy): (1, RGB, 224, 224) in 0..1; and the matrix
    (3, 3) from there to the frame. Without a prior it sees the whole frame, which is right for square ones."""
    if prior is None:
        seen = cv2.resize(frame, (PIXELS, PIXELS))
        factor = max(frame.shape[:2]) / PIXELS
        to_frame = np.diag([factor, factor, 1]).astype(np.float32)
    else:
        return input_of(frame, square_around(prior, SCALE_OF_LANDMARKS, UP_OF_DRIVER))
    return _blob(np.asarray(seen, np.uint8)), to_frame


def input_of(frame: Image, square: Square) -> tuple[Array, Array]:
    """`network_input` of one square of the frame."""
    to_crop = square.to_crop(PIXELS)
    return _blob(cut(frame, to_crop, PIXELS)), inverse(to_crop)


def _blob(seen: Image) -> Array:
    return np.ascontiguousarray((seen.astype(np.float32) / np.float32(255)).transpose(2, 0, 1)[None])


def network_output(raw: Array, to_frame: Array) -> Array:
    """The points (203, xy) in the frame of what the network's third output says, (1, 406) in 0..1."""
    return moved_points(raw.reshape(POINTS, 2) * np.float32(PIXELS), to_frame)


class LandmarkNet:
    """The published ``landmark.onnx``. Raises `WeightsError` for another file, `EngineError` without onnxruntime."""

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise EngineError(
                "landmark.onnx needs onnxruntime; pip install onnxruntime, or leave the file out"
            ) from None
        self.path = path
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )  # fmt: skip
        except Exception as error:  # onnxruntime's errors share no base
            raise WeightsError(
                f"{path}: not a landmark network ({type(error).__name__}); run `lp-editor models pull`"
            ) from None

    def __call__(self, picture: FacePicture) -> Array:
        """The landmarks (203, xy) of a face, in pixels of its frame."""
        corner = np.array([picture.box.x0, picture.box.y0], np.float32)
        points, down = head_points(picture.face)
        blob, to_frame = input_of(picture.pixels, square_along(points - corner, down, SCALE_OF_LANDMARKS, UP_OF_DRIVER))
        outputs = self._session.run(None, {"input": blob})
        return np.asarray(network_output(np.asarray(outputs[2], np.float32), to_frame) + corner, np.float32)


def landmarks_in(folder: Path) -> LandmarkNet | None:
    """The network of a folder of weights; None where there is no file of it, or no onnxruntime to run it."""
    places = (folder / HUMANS / NAME, folder / NAME, folder.parent / HUMANS / NAME)
    path = next((place for place in places if place.is_file()), None)
    return LandmarkNet(path) if path is not None and find_spec("onnxruntime") is not None else None


def openings(points: Array) -> tuple[tuple[float, float], float]:
    """Opening over width of the person's left and right eye, and of the lips, of landmarks (203, xy)."""
    in_picture_left, in_picture_right = eye_ratios(points[None])[0]
    return (float(in_picture_right), float(in_picture_left)), float(lip_ratios(points[None])[0, 0])
