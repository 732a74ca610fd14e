"""W, the warping module: moves an appearance volume from one set of keypoints to another (section 3.1).

The dense motion network is that of face vid2vid (Wang et al. 2021, arXiv 2011.15126) without rotations: every keypoint
proposes a translation of space, a softmax over all of them and the identity makes one field.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lp_editor.liveportrait.nets.blocks import NORM_EPS, ConvNormRelu2d, ConvNormRelu3d, corner_grid, twice_as_large

HEAT_VARIANCE = 0.01
"""Of the Gaussian around a keypoint, in units of the grid."""


FAINT = 1e-12
"""Of each axis's factor of the Gaussian: less is nothing."""


@dataclass(frozen=True)
class Warped:
    """What the warping module gives: the moved ``feature`` (B, 256, 64, 64), the ``occlusion`` (B, 1, 64, 64) it was
    multiplied by, and the ``deformation`` (B, 16, 64, 64, xyz) that moved it."""

    feature: Tensor
    occlusion: Tensor
    deformation: Tensor


class Encoder(nn.Module):
    """Five halvings of height and width; keeps what it passes."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList(ConvNormRelu3d(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        """The input and every level, finest first."""
        levels = [x]
        for block in self.down_blocks:
            levels.append(F.avg_pool3d(block(levels[-1]), (1, 2, 2)))
        return levels


class Decoder(nn.Module):
    """Five doublings, each beside what the encoder kept, and a last convolution."""

    def __init__(self, widths: tuple[int, ...], ends: int) -> None:
        super().__init__()
        inner = widths[1:-1][::-1]  # 512 256 128 64
        inside = (widths[-1], *(2 * w for w in inner))
        outside = (*inner, ends)
        self.up_blocks = nn.ModuleList(ConvNormRelu3d(a, b) for a, b in zip(inside, outside, strict=True))
        self.conv = nn.Conv3d(ends + widths[0], ends + widths[0], 3, padding=1)
        self.norm = nn.BatchNorm3d(ends + widths[0], eps=NORM_EPS)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """(B, ends + first width, D, H, W)."""
        x = levels[-1]
        for block, skip in zip(self.up_blocks, levels[-2::-1], strict=True):
            x = torch.cat([block(twice_as_large(x)), skip], dim=1)
        return F.relu(self.norm(self.conv(x)))


class Hourglass(nn.Module):
    """Encoder and decoder."""

    def __init__(self, widths: tuple[int, ...], ends: int) -> None:
        super().__init__()
        self.encoder = Encoder(widths)
        self.decoder = Decoder(widths, ends)

    def forward(self, x: Tensor) -> Tensor:
        """(B, first width, D, H, W) to (B, ends + first width, D, H, W)."""
        out: Tensor = self.decoder(self.encoder(x))
        return out


class DenseMotion(nn.Module):
    """Keypoints to one dense field and an occlusion map."""

    def __init__(
        self, keypoints: int, volume: tuple[int, int], compressed: int, widths: tuple[int, ...], ends: int
    ) -> None:
        super().__init__()
        slots = keypoints + 1
        first = slots * (compressed + 1)
        self.compress = nn.Conv3d(volume[0], compressed, 1)
        self.norm = nn.BatchNorm3d(compressed, eps=NORM_EPS)
        self.hourglass = Hourglass((first, *widths), ends)
        self.mask = nn.Conv3d(first + ends, slots, 7, padding=3)
        self.occlusion = nn.Conv2d((first + ends) * volume[1], 1, 7, padding=3)

    def forward(self, volume: Tensor, source: Tensor, driving: Tensor) -> tuple[Tensor, Tensor]:
        """Volume (B, C, D, H, W) and keypoints (B, K, xyz) to a field (B, D, H, W, xyz) and an occlusion (B, 1, H, W)."""
        moves = sparse_moves(volume, source, driving)  # (B, S, D, H, W, xyz)
        x = self.seen(volume, source, driving, moves)
        return self.solved(self.hourglass(x.to(volume.dtype)), moves)

    def seen(self, volume: Tensor, source: Tensor, driving: Tensor, moves: Tensor) -> Tensor:
        """What each slot looks like and how near its keypoint is: (B, S * (compressed + 1), D, H, W) float32."""
        small = F.relu(self.norm(self.compress(volume))).float()  # (B, c, D, H, W)
        batch, slots = moves.shape[:2]
        copies = small.unsqueeze(1).expand(-1, slots, -1, -1, -1, -1).flatten(0, 1)
        # the grid is laid corner to corner, sampled as if cell to cell: the published weights were trained so
        moved = F.grid_sample(copies, moves.flatten(0, 1), padding_mode="zeros", align_corners=False)
        moved = moved.reshape(batch, slots, *moved.shape[1:])
        heat = heat_maps(small, source, driving).unsqueeze(2)
        return torch.cat([heat, moved], dim=2).flatten(1, 2)

    def solved(self, x: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
        """The hourglass's output to the field and the occlusion, both float32."""
        share = torch.softmax(self.mask(x).float(), dim=1)  # (B, S, D, H, W)
        field = (share.unsqueeze(-1) * moves).sum(dim=1)
        occlusion = torch.sigmoid(self.occlusion(x.flatten(1, 2)).float())
        return field, occlusion


class WarpingModule(nn.Module):
    """Volume and two sets of keypoints to the generator's feature map."""

    def __init__(
        self, keypoints: int, volume: tuple[int, int], compressed: int, widths: tuple[int, ...], ends: int, feature: int
    ) -> None:
        super().__init__()
        self.dense_motion_network = DenseMotion(keypoints, volume, compressed, widths, ends)
        self.third = ConvNormRelu2d(volume[0] * volume[1], feature, slope=0.01)
        self.fourth = nn.Conv2d(feature, feature, 1)

    def forward(self, volume: Tensor, source: Tensor, driving: Tensor) -> Warped:
        """Volume (B, 32, 16, 64, 64), keypoints (B, 21, xyz) float32 in -1..1."""
        field, occlusion = self.dense_motion_network(volume, source, driving)
        moved = F.grid_sample(volume.float(), field, padding_mode="zeros", align_corners=False)
        feature = self.fourth(self.third(moved.flatten(1, 2).to(volume.dtype)))
        return Warped(feature * occlusion.to(feature.dtype), occlusion, field)


def sparse_moves(volume: Tensor, source: Tensor, driving: Tensor) -> Tensor:
    """Where each slot takes every cell from: (B, 1 + K, D, H, W, xyz), the first being the identity."""
    grid = corner_grid(volume.shape[2:], volume.device)
    shift = (source - driving).float()  # (B, K, xyz)
    shift = torch.cat([torch.zeros_like(shift[:, :1]), shift], dim=1)
    return grid + shift[:, :, None, None, None]


def heat_maps(volume: Tensor, source: Tensor, driving: Tensor) -> Tensor:
    """How much nearer the driving keypoint than the source's is: (B, 1 + K, D, H, W), the first zero."""
    grid = corner_grid(volume.shape[2:], volume.device)
    heat = _bump(grid, driving.float()) - _bump(grid, source.float())
    return torch.cat([torch.zeros_like(heat[:, :1]), heat], dim=1)


def _bump(grid: Tensor, keypoints: Tensor) -> Tensor:
    """exp(-d²/2v); the three axes multiply, so each is computed along its own line. (B, K, D, H, W)."""
    along = []
    for axis, line in enumerate((grid[0, 0, :, 0], grid[0, :, 0, 1], grid[:, 0, 0, 2])):
        along.append(torch.exp(-0.5 * (line - keypoints[..., axis, None]) ** 2 / HEAT_VARIANCE))  # (B, K, n)
    # numbers too small for the processor's fast path would slow every convolution that follows
    x, y, z = (F.threshold(line, FAINT, 0.0) for line in along)
    return z[..., :, None, None] * y[..., None, :, None] * x[..., None, None, :]
