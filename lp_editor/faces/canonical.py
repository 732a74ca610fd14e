"""The canonical face mesh that MediaPipe's landmarks are numbered by: its shape, triangles, and named parts.

It lies inside the landmark model as a protocol buffer. Centimetres; y down and z away from the camera, like the
landmarks; the person's left is +x.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.faces.model import model_bytes

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

RIGHT_EYE_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_EYE_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_EYE_UPPER = (263, 466, 388, 387, 386, 385, 384, 398, 362)
LEFT_EYE_LOWER = (263, 249, 390, 373, 374, 380, 381, 382, 362)
RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)
INNER_LIPS_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LIPS_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Landmark numbers of MediaPipe's face mesh, eyes from the outer corner to the inner."""


def ring(upper: tuple[int, ...], lower: tuple[int, ...]) -> tuple[int, ...]:
    """A closed contour from an upper and a lower line that share their corners."""
    return (*upper, *lower[-2:0:-1])


RIGHT_EYE = ring(RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)
LEFT_EYE = ring(LEFT_EYE_UPPER, LEFT_EYE_LOWER)
INNER_LIPS = ring(INNER_LIPS_UPPER, INNER_LIPS_LOWER)


@dataclass(frozen=True)
class CanonicalFace:
    """``vertices`` (468, 3) cm, ``uv`` (468, 2), ``triangles`` (898, 3), ``weights`` (468,) for `procrustes`.

    ``mirror`` (478,) is each landmark's partner on the other side.
    """

    vertices: Array
    uv: Array
    triangles: Indices
    weights: Array
    mirror: Indices


@cache
def canonical_face() -> CanonicalFace:
    """The mesh, read once from the model."""
    with zipfile.ZipFile(io.BytesIO(model_bytes())) as task:
        fields = list(_walk(task.read("geometry_pipeline_metadata_landmarks.binarypb")))
    mesh = list(_walk(_bytes(next(v for n, v in fields if n == 1))))
    floats = [struct.unpack("<f", _bytes(v))[0] for n, v in mesh if n == 3]
    vertices = np.array(floats).reshape(-1, 5)
    triangles = np.array([v for n, v in mesh if n == 4], np.intp).reshape(-1, 3)
    weights = np.zeros(len(vertices))
    for pair in (dict(_walk(_bytes(v))) for n, v in fields if n == 2):
        weights[int(pair.get(1, 0))] = struct.unpack("<f", _bytes(pair[2]))[0]  # type: ignore[call-overload]
    shape = vertices[:, :3] * [1, -1, -1]
    return CanonicalFace(shape, vertices[:, 3:], triangles, weights, _mirror(shape))


def _mirror(shape: Array) -> Indices:
    flipped = shape * [-1, 1, 1]
    partner = np.linalg.norm(flipped[:, None] - shape[None], axis=2).argmin(1)
    # an iris runs: centre, towards +x, up, towards -x, down
    return np.concatenate([partner, [473, 476, 475, 474, 477], [468, 471, 470, 469, 472]])


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _walk(data: bytes) -> Iterator[tuple[int, object]]:
    """The fields of a protocol buffer: number, and an int or bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if size is None:
            size, at = _varint(data, at)
        yield tag >> 3, data[at : at + size]
        at += size


@dataclass(frozen=True)
class Pose:
    """How the canonical mesh lies in the frame: ``points = scale * local @ rotation.T + shift``."""

    scale: float
    rotation: Array
    shift: Array


def procrustes(points: NDArray[np.floating[Any]]) -> Pose:
    """The weighted similarity that takes the canonical mesh to landmarks, (≥ 468, 3) (mesh_engine notes, 2)."""
    face = canonical_face()
    weights = face.weights / face.weights.sum()
    target = np.asarray(points[:468], np.float64)
    from_mean, to_mean = weights @ face.vertices, weights @ target
    centred = face.vertices - from_mean
    left, values, right = np.linalg.svd((target - to_mean).T @ (centred * weights[:, None]))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left @ sign @ right
    scale = float((values * np.diag(sign)).sum() / (weights[:, None] * centred**2).sum())
    return Pose(scale, rotation, to_mean - scale * rotation @ from_mean)


def to_local(points: Array, pose: Pose) -> Array:
    """Landmarks in the head's own frame, centimetres."""
    return np.asarray((points - pose.shift) @ pose.rotation / pose.scale)


def to_frame(local: Array, pose: Pose) -> Array:
    """Points of the head's own frame in the picture."""
    return np.asarray(pose.scale * local @ pose.rotation.T + pose.shift)
