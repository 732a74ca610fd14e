"""G, the generator: a feature map to a picture, normalised by itself at every step (SPADE, Park et al. 2019,
arXiv 1903.07291, section 3; its use here: section 3.1 of the LivePortrait paper)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lp_editor.liveportrait.nets.blocks import NORM_EPS, twice_as_large

SLOPE = 0.2
"""Of the leaky ReLUs."""


class SpectralConv2d(nn.Module):
    """A convolution divided by its largest singular value, by the stored vectors (Miyato et al. 2018, arXiv 1802.05957)."""

    def __init__(self, inside: int, outside: int, size: int, bias: bool = True) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(outside)) if bias else None
        self.weight_orig = nn.Parameter(torch.empty(outside, inside, size, size))
        self.register_buffer("weight_u", torch.empty(outside))
        self.register_buffer("weight_v", torch.empty(inside * size * size))
        self.padding = size // 2

    def weight(self) -> Tensor:
        """The divided kernel, (outside, inside, size, size); always computed in float32."""
        u, v = self.get_buffer("weight_u").float(), self.get_buffer("weight_v").float()
        whole = self.weight_orig.float()
        return (whole / torch.dot(u, whole.flatten(1) @ v)).to(self.weight_orig.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W)."""
        return F.conv2d(x, self.weight(), self.bias, padding=self.padding)


class Spade(nn.Module):
    """Instance norm whose gain and offset are read off the conditioning map."""

    def __init__(self, channels: int, seen: int, hidden: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(seen, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(B, channels, H, W), the same shape; ``seen`` (B, seen, h, w) is resized to it."""
        if seen.shape[2:] != x.shape[2:]:
            seen = F.interpolate(seen, size=x.shape[2:], mode="nearest")
        hidden = self.mlp_shared(seen)
        normal = F.instance_norm(x, eps=NORM_EPS)
        out: Tensor = normal * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)
        return out


class SpadeBlock(nn.Module):
    """Two normalised convolutions and a shortcut."""

    def __init__(self, inside: int, outside: int, seen: int, hidden: int) -> None:
        super().__init__()
        middle = min(inside, outside)
        self.conv_0 = SpectralConv2d(inside, middle, 3)
        self.conv_1 = SpectralConv2d(middle, outside, 3)
        self.norm_0 = Spade(inside, seen, hidden)
        self.norm_1 = Spade(middle, seen, hidden)
        self.changes = inside != outside
        if self.changes:
            self.conv_s = SpectralConv2d(inside, outside, 1, bias=False)
            self.norm_s = Spade(inside, seen, hidden)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W)."""
        y = self.conv_0(F.leaky_relu(self.norm_0(x, seen), SLOPE))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, seen), SLOPE))
        shortcut: Tensor = self.conv_s(self.norm_s(x, seen)) if self.changes else x
        out: Tensor = shortcut + y
        return out


class Generator(nn.Module):
    """Feature map to picture."""

    def __init__(self, seen: int, widths: tuple[int, int, int], blocks: int, hidden: int) -> None:
        super().__init__()
        wide, middle, narrow = widths
        self.blocks = blocks
        self.fc = nn.Conv2d(seen, wide, 3, padding=1)
        for i in range(blocks):
            self.add_module(f"G_middle_{i}", SpadeBlock(wide, wide, seen, hidden))  # the published names
        self.up_0 = SpadeBlock(wide, middle, seen, hidden)
        self.up_1 = SpadeBlock(middle, narrow, seen, hidden)
        self.conv_img = nn.Sequential(nn.Conv2d(narrow, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, feature: Tensor) -> Tensor:
        """(B, 256, 64, 64) to (B, RGB, 512, 512) in 0..1."""
        x = self.fc(feature)
        for i in range(self.blocks):
            x = self.get_submodule(f"G_middle_{i}")(x, feature)
        x = self.up_0(twice_as_large(x), feature)
        x = self.up_1(twice_as_large(x), feature)
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, SLOPE)))
