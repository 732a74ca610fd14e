"""Puts a made face back into its frame as the published code does: through a soft mask, in eight bits, truncated."""

from __future__ import annotations

from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.face import Image
from lp_editor.liveportrait.crop import PICTURE
from lp_editor.liveportrait.keypoints import Array
from lp_editor.liveportrait.resample import landing, warped, warped_box


@cache
def template() -> NDArray[np.uint8]:
    """The published mask over a crop, (512, 512), 0..255."""
    content = resources.files("lp_editor.liveportrait").joinpath("mask.png").read_bytes()
    mask = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    assert mask.shape == (PICTURE, PICTURE)
    return np.asarray(mask, np.uint8)


def mask_in_frame(to_frame: Array, size: tuple[int, int]) -> Array:
    """The mask under a matrix (3, 3) from crop to frame, for a frame of ``size`` (width, height): (h, w), 0..1."""
    return np.asarray(warped(template(), to_frame, size).astype(np.float32) / np.float32(255))


def pasted(face: Image, frame: Image, to_frame: Array) -> Image:
    """A frame with a made face (512, 512, RGB) in its place."""
    out = frame.copy()
    box = landing(PICTURE, PICTURE, to_frame, (frame.shape[1], frame.shape[0]))
    if box.area:  # outside it the mask is 0
        mask = (warped_box(template(), to_frame, box).astype(np.float32) / np.float32(255))[..., None]
        inside = out[box.y0 : box.y1, box.x0 : box.x1]
        inside[:] = np.clip(mask * warped_box(face, to_frame, box) + (1 - mask) * inside, 0, 255).astype(np.uint8)
    return out


def to_image(picture: Array) -> Image:
    """What the generator made, (3, H, W) in 0..1, as pixels (H, W, RGB), truncated as published."""
    return np.clip(np.clip(picture, 0, 1).transpose(1, 2, 0) * 255, 0, 255).astype(np.uint8)
