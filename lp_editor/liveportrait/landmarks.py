"""The published landmark network, 203 points on a face, where its file and onnxruntime are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lp_editor.errors import EngineError, WeightsError
from lp_editor.face import Image
from lp_editor.liveportrait.crop import SCALE_OF_LANDMARKS, UP_OF_DRIVER, cut, inverse, moved_points, square_around
from lp_editor.liveportrait.keypoints import Array

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
        to_crop = square_around(prior, SCALE_OF_LANDMARKS, UP_OF_DRIVER).to_crop(PIXELS)
        seen, to_frame = cut(frame, to_crop, PIXELS), inverse(to_crop)
    blob = (np.asarray(seen, np.float32) / np.float32(255)).transpose(2, 0, 1)[None]
    return np.ascontiguousarray(blob), to_frame


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

    def __call__(self, frame: Image, prior: Array | None) -> Array:
        """The landmarks (203, xy) of the face in a frame near earlier ones."""
        blob, to_frame = network_input(frame, prior)
        outputs = self._session.run(None, {"input": blob})
        return network_output(np.asarray(outputs[2], np.float32), to_frame)
