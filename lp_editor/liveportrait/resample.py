"""Moves pictures under a matrix with exact bilinear weights.

OpenCV before 5 rounds positions to 1/32 pixel, the published results' version does not; steep pictures differ by
several levels.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from lp_editor.face import Box
from lp_editor.liveportrait.keypoints import Array


def warped(image: NDArray[np.uint8], matrix: Array, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture (h, w) or (h, w, C) under a matrix (3, 3) from its pixels to those of one of ``size`` (width, height).

    0 outside the picture; rounded.
    """
    out = np.zeros((size[1], size[0], *image.shape[2:]), np.uint8)
    box = landing(image.shape[1], image.shape[0], matrix, size)
    if box.area:
        out[box.y0 : box.y1, box.x0 : box.x1] = warped_box(image, matrix, box)
    return out


def landing(width: int, height: int, matrix: Array, size: tuple[int, int]) -> Box:
    """The part of a picture of ``size`` in which one of that width and height comes to lie."""
    corners = np.array([[-1, -1, 1], [width, -1, 1], [width, height, 1], [-1, height, 1]]) @ matrix.T.astype(np.float64)
    return Box.around(corners[:, :2]).clipped(*size)


def warped_box(image: NDArray[np.uint8], matrix: Array, box: Box) -> NDArray[np.uint8]:
    """`warped`, of which only a box is made: (box height, box width, C)."""
    back = np.linalg.inv(matrix.astype(np.float64))
    x, y = np.arange(box.x0, box.x1, dtype=np.float64), np.arange(box.y0, box.y1, dtype=np.float64)[:, None]
    places = [row[0] * x + row[1] * y + row[2] for row in back[:2]]
    height, width = image.shape[:2]
    near = Box(*(int(np.floor(p.min())) for p in places), *(int(np.floor(p.max())) + 2 for p in places))
    near = near.clipped(width, height)
    if near.area == 0:
        return np.zeros((box.height, box.width, *image.shape[2:]), np.uint8)
    part = image[near.y0 : near.y1, near.x0 : near.x1]
    planes = torch.from_numpy(np.array(part if part.ndim == 3 else part[..., None])).permute(2, 0, 1)[None].float()
    grid = torch.from_numpy(
        np.stack([_relative(places[0] - near.x0, near.width), _relative(places[1] - near.y0, near.height)], axis=2)
    )
    moved = F.grid_sample(planes, grid[None].float(), padding_mode="zeros", align_corners=True)
    result = moved[0].permute(1, 2, 0).round_().to(torch.uint8).numpy()
    return np.asarray(result if image.ndim == 3 else result[..., 0])


def _relative(place: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Pixel positions as those of torch: -1 and 1 are the centres of the first and the last."""
    return place * (2 / max(length - 1, 1)) - 1
