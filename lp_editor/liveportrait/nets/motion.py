"""M, the motion extractor: a picture of a face to its pose, expression and canonical keypoints (section 3.1).

The trunk is ConvNeXt V2 (Woo et al. 2023, arXiv 2301.00808, sections 3 and 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-6


@dataclass(frozen=True)
class RawMotion:
    """What the heads say: logits of the angles (B, 66), the rest as numbers."""

    pitch: Tensor
    yaw: Tensor
    roll: Tensor
    t: Tensor
    exp: Tensor
    scale: Tensor
    kp: Tensor


class ChannelNorm(nn.Module):
    """Layer norm over the channels of (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), the same shape."""
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, NORM_EPS)
        return x.permute(0, 3, 1, 2)


class ResponseNorm(nn.Module):
    """Global response normalisation of (B, H, W, C): channels compete by their L2 norms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.empty(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C), the same shape."""
        strength = torch.linalg.vector_norm(x.float(), dim=(1, 2), keepdim=True)  # half would overflow
        share = (strength / (strength.mean(dim=-1, keepdim=True) + NORM_EPS)).to(x.dtype)
        out: Tensor = self.gamma * (x * share) + self.beta + x
        return out


class Block(nn.Module):
    """One ConvNeXt V2 block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=NORM_EPS)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = ResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), the same shape."""
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))  # (B, H, W, C)
        y = self.pwconv2(self.grn(F.gelu(self.pwconv1(y))))
        out: Tensor = x + y.permute(0, 3, 1, 2)
        return out


class ConvNeXt(nn.Module):
    """The trunk with its seven heads."""

    def __init__(self, depths: tuple[int, ...], widths: tuple[int, ...], keypoints: int, bins: int) -> None:
        super().__init__()
        self.downsample_layers = nn.ModuleList([nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), ChannelNorm(widths[0]))])
        for a, b in pairwise(widths):
            self.downsample_layers.append(nn.Sequential(ChannelNorm(a), nn.Conv2d(a, b, 2, 2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth))) for depth, width in zip(depths, widths, strict=True)
        )
        last = widths[-1]
        self.norm = nn.LayerNorm(last, eps=NORM_EPS)
        self.fc_kp = nn.Linear(last, 3 * keypoints)
        self.fc_scale = nn.Linear(last, 1)
        self.fc_pitch = nn.Linear(last, bins)
        self.fc_yaw = nn.Linear(last, bins)
        self.fc_roll = nn.Linear(last, bins)
        self.fc_t = nn.Linear(last, 3)
        self.fc_exp = nn.Linear(last, 3 * keypoints)

    def forward(self, x: Tensor) -> RawMotion:
        """(B, RGB, 256, 256) in 0..1 to what the heads say."""
        for down, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(down(x))
        x = self.norm(x.mean(dim=(2, 3)))  # (B, C)
        return RawMotion(
            self.fc_pitch(x), self.fc_yaw(x), self.fc_roll(x), self.fc_t(x), self.fc_exp(x), self.fc_scale(x), self.fc_kp(x)
        )  # fmt: skip


class MotionExtractor(nn.Module):
    """The trunk under the name that the published file gives it."""

    def __init__(self, depths: tuple[int, ...], widths: tuple[int, ...], keypoints: int, bins: int) -> None:
        super().__init__()
        self.detector = ConvNeXt(depths, widths, keypoints, bins)

    def forward(self, images: Tensor) -> RawMotion:
        """(B, RGB, 256, 256) in 0..1 to what the heads say."""
        raw: RawMotion = self.detector(images)
        return raw
