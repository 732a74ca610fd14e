"""Faces seen in a mirror: left and right change places, in landmarks, blendshapes and pixels."""

from __future__ import annotations

import numpy as np

from lp_editor.face import Box, Face, FacePicture
from lp_editor.faces.canonical import canonical_face


def mirrored_face(face: Face, width: int) -> Face:
    """A face in the mirror image of its frame, ``width`` pixels wide."""
    points = face.points[canonical_face().mirror].copy()
    points[:, 0] = width - 1 - points[:, 0]
    return Face(points, {_other_side(name): value for name, value in face.blendshapes.items()}, face.confidence)


def mirrored_picture(picture: FacePicture) -> FacePicture:
    """The mirror image of a face with the pixels around it."""
    width, box = picture.size[0], picture.box
    turned = Box(width - box.x1, box.y0, width - box.x0, box.y1)
    pixels = np.ascontiguousarray(picture.pixels[:, ::-1])
    return FacePicture(mirrored_face(picture.face, width), pixels, turned, picture.size)


def _other_side(name: str) -> str:
    for a, b in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(a):
            return name.removesuffix(a) + b
    return name
