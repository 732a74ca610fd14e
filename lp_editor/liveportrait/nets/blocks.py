"""What several networks are made of: convolution, normalisation by running statistics, and a nonlinearity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-5
"""Of batch and instance normalisation."""


class ConvNormRelu2d(nn.Module):
    """3x3 convolution, batch norm, ReLU with a slope for negatives, and an optional 2x2 average pool."""

    def __init__(self, inside: int, outside: int, slope: float = 0.0, pool: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm2d(outside, eps=NORM_EPS)
        self.slope = slope
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W), or half as high and wide."""
        x = self.norm(self.conv(x))
        x = F.leaky_relu(x, self.slope) if self.slope else F.relu(x)
        return F.avg_pool2d(x, 2) if self.pool else x


class ConvNormRelu3d(nn.Module):
    """3x3x3 convolution, batch norm, ReLU."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm3d(outside, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, D, H, W) to (B, outside, D, H, W)."""
        return F.relu(self.norm(self.conv(x)))


def twice_as_large(x: Tensor) -> Tensor:
    """Nearest neighbour upsampling of height and width; of a volume the depth stays."""
    factor = (1.0, 2.0, 2.0) if x.dim() == 5 else (2.0, 2.0)
    return F.interpolate(x, scale_factor=factor, mode="nearest")


def corner_grid(shape: Sequence[int], device: torch.device) -> Tensor:
    """The place of every cell of a volume of ``shape`` (D, H, W), -1 and 1 at its corners: (D, H, W, xyz) float32."""
    axes = [2 * torch.arange(n, device=device, dtype=torch.float32) / (n - 1) - 1 for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z], dim=-1)
