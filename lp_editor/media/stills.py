"""Stills: which files are one, how they are turned, and how one is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from lp_editor.errors import OutputError
from lp_editor.face import Image
from lp_editor.files import write_bytes
from lp_editor.media.frames import EXIF, UPRIGHT, Turn

ORIENTATION = 274
"""The EXIF tag of a picture's orientation."""


def is_still(container: Any) -> bool:
    """Whether an open file is one picture: a JPEG, PNG, TIFF, WebP, DPX, EXR."""
    name = container.format.name
    return bool(name.endswith("_pipe") or name == "image2")


def still_turn(path: Path) -> Turn:
    """What brings a still upright, by its EXIF; as it is where it says nothing."""
    try:
        with Pillow.open(path) as image:
            return EXIF.get(int(image.getexif().get(ORIENTATION, 1)), UPRIGHT)
    except (UnidentifiedImageError, OSError, ValueError, TypeError, SyntaxError, Pillow.DecompressionBombError):
        return UPRIGHT


def write_still(path: Path, image: Image) -> None:
    """Write an RGB image, (height, width, 3) uint8, as PNG or JPEG by its name, whole or not at all."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise OutputError(f"{path}: a still is .png or .jpg")
    fine, coded = cv2.imencode(path.suffix.lower(), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not fine:
        raise OutputError(f"{path}: the picture cannot be coded as {path.suffix}")
    write_bytes(path, coded.tobytes())
