"""F, the appearance feature extractor: a picture of a face to a volume of what it looks like (section 3.1 of the paper)."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from lp_editor.liveportrait.nets.blocks import NORM_EPS, ConvNormRelu2d


class ResidualBlock3d(nn.Module):
    """Two pre-activated 3x3x3 convolutions around which the input is added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm3d(channels, eps=NORM_EPS)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm2 = nn.BatchNorm3d(channels, eps=NORM_EPS)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W), the same shape."""
        y = self.conv1(F.relu(self.norm1(x)))
        out: Tensor = x + self.conv2(F.relu(self.norm2(y)))
        return out


class AppearanceExtractor(nn.Module):
    """Picture to appearance volume; follows face vid2vid (Wang et al. 2021, arXiv 2011.15126, appendix A)."""

    def __init__(self, widths: tuple[int, ...], volume: tuple[int, int], blocks: int) -> None:
        super().__init__()
        self.volume = volume
        self.first = ConvNormRelu2d(3, widths[0])
        self.down_blocks = nn.ModuleList(ConvNormRelu2d(a, b, pool=True) for a, b in pairwise(widths))
        self.second = nn.Conv2d(widths[-1], volume[0] * volume[1], 1)
        self.resblocks_3d = nn.Sequential()
        for i in range(blocks):
            self.resblocks_3d.add_module(f"3dr{i}", ResidualBlock3d(volume[0]))  # the published names

    def forward(self, images: Tensor) -> Tensor:
        """(B, RGB, 256, 256) in 0..1 to (B, 32, 16, 64, 64)."""
        x = self.first(images)
        for block in self.down_blocks:
            x = block(x)
        x = self.second(x)  # (B, C * D, H, W)
        x = x.reshape(x.shape[0], *self.volume, *x.shape[2:])  # (B, C, D, H, W)
        out: Tensor = self.resblocks_3d(x)
        return out
