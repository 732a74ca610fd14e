"""The same networks with their constants worked in: equal but for rounding, and cheaper.

Batch norms go into the convolutions before them, spectral norms into their kernels, convolutions of one input become
one; and a convolution of an enlarged picture becomes several small ones of the picture itself (phases), for most of the
pixels it would look at are the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lp_editor.liveportrait.nets.blocks import NORM_EPS, ConvNormRelu2d, ConvNormRelu3d
from lp_editor.liveportrait.nets.generator import SLOPE, Generator, Spade, SpadeBlock, SpectralConv2d
from lp_editor.liveportrait.nets.warp import Warped, WarpingModule, sparse_moves
from lp_editor.liveportrait.networks import Networks

Conv: TypeAlias = nn.Conv2d | nn.Conv3d
Norm: TypeAlias = nn.BatchNorm2d | nn.BatchNorm3d


def without_norm(conv: Conv, norm: Norm) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution with the batch norm that follows it."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    assert conv.bias is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    kernel = conv.weight * gain.reshape(-1, *[1] * (conv.weight.dim() - 1))
    return kernel, (conv.bias - norm.running_mean) * gain + norm.bias


def phase_taps(times: int) -> list[Tensor]:
    """For each phase of an axis enlarged so many times: which taps of a 3-tap kernel fall on the cell before, itself,
    and the cell after, (3 cells, 3 taps)."""
    found = []
    for phase in range(times):
        taps = torch.zeros(3, 3)
        for tap in range(3):
            taps[1 + (phase + tap - 1) // times, tap] = 1
        found.append(taps)
    return found


class EnlargedConv(nn.Module):
    """A 3-tap convolution, with padding, of a picture (B, C, H, W) or volume (B, C, D, H, W) enlarged by repetition in
    height and width: computed at the small size."""

    def __init__(self, kernel: Tensor, bias: Tensor, times: int) -> None:
        super().__init__()
        self.times = times
        self.outside = len(bias)
        self.deep = kernel.dim() == 5
        self.register_buffer("bias", bias)
        taps = phase_taps(times)
        kinds = [self._kind(t) for t in taps]
        self.distinct = sorted(set(kinds), key=kinds.index)
        """The different phases of an axis, each as (first cell, cells) it sees: -1 is the cell before."""
        self.phases = [self.distinct.index(kind) for kind in kinds]
        self.groups: list[tuple[int, int, list[tuple[int, int]]]] = []
        for tall in (1, 2):
            for wide in (1, 2):
                pairs = [(r, c) for r, (_, h) in enumerate(self.distinct) for c, (_, w) in enumerate(self.distinct)
                         if (h, w) == (tall, wide)]  # fmt: skip
                if pairs:
                    parts = [self._folded(kernel, taps, kinds, *pair) for pair in pairs]
                    self.register_buffer(f"kernel_{tall}{wide}", torch.cat(parts))
                    self.groups.append((tall, wide, pairs))

    @staticmethod
    def _kind(taps: Tensor) -> tuple[int, int]:
        cells = [i for i in range(3) if taps[i].any()]
        return cells[0] - 1, len(cells)

    def _folded(
        self, kernel: Tensor, taps: Sequence[Tensor], kinds: Sequence[tuple[int, int]], row: int, column: int
    ) -> Tensor:
        """The kernel of one pair of phases, on the cells it sees only."""
        sides = []
        for which in (row, column):
            first, count = self.distinct[which]
            fold = taps[kinds.index(self.distinct[which])][first + 1 : first + 1 + count]  # (cells, taps)
            sides.append(fold.to(kernel))
        return torch.einsum("...hw,ih,jw->...ij", kernel, sides[0], sides[1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, [D,] H, W) to (B, outside, [D,] times * H, times * W)."""
        height, width = x.shape[-2:]
        padded = F.pad(x, (1, 1, 1, 1))
        made: dict[tuple[int, int], Tensor] = {}
        for tall, wide, pairs in self.groups:
            kernel = self.get_buffer(f"kernel_{tall}{wide}")
            bias = self.get_buffer("bias").repeat(len(pairs))
            whole = F.conv3d(padded, kernel, bias, padding=(1, 0, 0)) if self.deep else F.conv2d(padded, kernel, bias)
            for part, (row, column) in zip(whole.chunk(len(pairs), dim=1), pairs, strict=True):
                top, left = self.distinct[row][0] + 1, self.distinct[column][0] + 1
                made[row, column] = part[..., top : top + height, left : left + width]
        rows = [torch.stack([made[r, c] for c in self.phases], dim=-1).flatten(-2) for r in self.phases]
        return torch.stack(rows, dim=-2).flatten(-3, -2)


def conv(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution that keeps the size."""
    padding = kernel.shape[-1] // 2
    return (
        F.conv3d(x, kernel, bias, padding=padding) if kernel.dim() == 5 else F.conv2d(x, kernel, bias, padding=padding)
    )


class FoldedConv(nn.Module):
    """A convolution by a fixed kernel, and what follows it."""

    def __init__(self, kernel: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, …, H, W) to (B, outside, …, H, W)."""
        return conv(x, self.get_buffer("kernel"), self.bias)  # type: ignore[arg-type]


class FoldedSpade(nn.Module):
    """Gain and offset of a `Spade` as one convolution; the hidden map comes from outside."""

    def __init__(self, spade: Spade) -> None:
        super().__init__()
        gamma, beta = spade.mlp_gamma, spade.mlp_beta
        assert gamma.bias is not None
        assert beta.bias is not None
        self.both = FoldedConv(torch.cat([gamma.weight, beta.weight]), torch.cat([1 + gamma.bias, beta.bias]))

    def forward(self, normal: Tensor, hidden: Tensor) -> Tensor:
        """The normalised (B, C, H, W) with its gain and offset."""
        gain, offset = self.both(hidden).chunk(2, dim=1)
        return torch.addcmul(offset, normal, gain)


def _kernel(module: SpectralConv2d) -> FoldedConv:
    return FoldedConv(module.weight().clone(), module.bias)


def _shared(block: SpadeBlock) -> tuple[Tensor, Tensor]:
    """The hidden maps of all norms of a block as one convolution: kernel, bias."""
    norms = [block.norm_0, block.norm_1, *([block.norm_s] if block.changes else [])]
    convs = [norm.mlp_shared[0] for norm in norms]
    kernels, biases = [], []
    for one in convs:
        assert isinstance(one, nn.Conv2d)
        assert one.bias is not None
        kernels.append(one.weight)
        biases.append(one.bias)
    return torch.cat(kernels), torch.cat(biases)


class FoldedSpadeBlock(nn.Module):
    """`SpadeBlock` of hidden maps instead of the conditioning map."""

    def __init__(self, block: SpadeBlock) -> None:
        super().__init__()
        self.norm_0, self.norm_1 = FoldedSpade(block.norm_0), FoldedSpade(block.norm_1)
        self.conv_0, self.conv_1 = _kernel(block.conv_0), _kernel(block.conv_1)
        self.changes = block.changes
        if block.changes:
            self.norm_s, self.conv_s = FoldedSpade(block.norm_s), _kernel(block.conv_s)

    def forward(self, x: Tensor, hidden: Sequence[Tensor]) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W)."""
        normal = F.instance_norm(x, eps=NORM_EPS)
        y = self.conv_0(F.leaky_relu(self.norm_0(normal, hidden[0]), SLOPE))
        y = self.norm_1(F.instance_norm(y, eps=NORM_EPS), hidden[1])
        y = self.conv_1(F.leaky_relu(y, SLOPE))
        shortcut: Tensor = self.conv_s(self.norm_s(normal, hidden[2])) if self.changes else x
        out: Tensor = shortcut + y
        return out


class FoldedGenerator(nn.Module):
    """`Generator`, folded."""

    def __init__(self, G: Generator) -> None:
        super().__init__()
        middle = [G.get_submodule(f"G_middle_{i}") for i in range(G.blocks)]
        blocks = [block for block in middle if isinstance(block, SpadeBlock)]
        self.fc = G.fc
        shared = [_shared(block) for block in blocks]
        self.seen = FoldedConv(torch.cat([k for k, _ in shared]), torch.cat([b for _, b in shared]))
        self.seen_0, self.seen_1 = EnlargedConv(*_shared(G.up_0), times=2), EnlargedConv(*_shared(G.up_1), times=4)
        self.middle = nn.ModuleList(FoldedSpadeBlock(block) for block in blocks)
        self.up_0, self.up_1 = FoldedSpadeBlock(G.up_0), FoldedSpadeBlock(G.up_1)
        self.conv_img = G.conv_img

    def forward(self, feature: Tensor) -> Tensor:
        """(B, 256, 64, 64) to (B, RGB, 512, 512) in 0..1."""
        x = self.fc(feature)
        hidden = F.relu(self.seen(feature)).chunk(2 * len(self.middle), dim=1)
        for i, block in enumerate(self.middle):
            x = block(x, hidden[2 * i : 2 * i + 2])
        for block, seen in ((self.up_0, self.seen_0), (self.up_1, self.seen_1)):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, F.relu(seen(feature)).chunk(3 if block.changes else 2, dim=1))
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, SLOPE)))


class FoldedHourglass(nn.Module):
    """The hourglass of `DenseMotion` with what reads it, folded: (mask logits, occlusion logits)."""

    def __init__(self, W: WarpingModule) -> None:
        super().__init__()
        dense = W.dense_motion_network
        encoder, decoder = dense.hourglass.encoder, dense.hourglass.decoder
        self.down = nn.ModuleList(FoldedConv(*_of(block)) for block in encoder.down_blocks)
        self.up = nn.ModuleList(EnlargedConv(*_of(block), times=2) for block in decoder.up_blocks)
        self.last = FoldedConv(*without_norm(decoder.conv, decoder.norm))
        self.mask, self.occlusion = dense.mask, dense.occlusion

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 110, D, H, W) to (B, 22, D, H, W) and (B, 1, H, W)."""
        levels = [x]
        for down in self.down:
            levels.append(F.avg_pool3d(F.relu(down(levels[-1])), (1, 2, 2)))
        y = levels[-1]
        for up, skip in zip(self.up, levels[-2::-1], strict=True):
            y = torch.cat([F.relu(up(y)), skip], dim=1)
        y = F.relu(self.last(y))
        return self.mask(y), self.occlusion(y.flatten(1, 2))


class FoldedEnd(nn.Module):
    """`third` and `fourth` of the warping module, folded."""

    def __init__(self, W: WarpingModule) -> None:
        super().__init__()
        self.third, self.slope = FoldedConv(*_of(W.third)), W.third.slope
        self.fourth = W.fourth

    def forward(self, x: Tensor) -> Tensor:
        """(B, C * D, H, W) to (B, 256, H, W)."""
        out: Tensor = self.fourth(F.leaky_relu(self.third(x), self.slope))
        return out


class FoldedWarp(nn.Module):
    """`WarpingModule`, folded. What stands between its two samplings, and after them, may be computed by others."""

    def __init__(self, W: WarpingModule, hourglass: nn.Module | None = None, end: nn.Module | None = None) -> None:
        super().__init__()
        self.dense = W.dense_motion_network
        self.hourglass = hourglass or FoldedHourglass(W)
        self.end = end or FoldedEnd(W)

    def forward(self, volume: Tensor, source: Tensor, driving: Tensor) -> Warped:
        """See `WarpingModule`."""
        moves = sparse_moves(volume, source, driving)
        mask, occlusion = self.hourglass(self.dense.seen(volume, source, driving, moves).to(volume.dtype))
        field = (torch.softmax(mask.float(), dim=1).unsqueeze(-1) * moves).sum(dim=1)
        occlusion = torch.sigmoid(occlusion.float())
        moved = F.grid_sample(volume.float(), field, padding_mode="zeros", align_corners=False)
        feature = self.end(moved.flatten(1, 2).to(volume.dtype))
        return Warped(feature * occlusion.to(feature.dtype), occlusion, field)


@torch.no_grad()
def folded(nets: Networks) -> Networks:
    """The networks with W and G folded. Raises TypeError for networks that are folded already."""
    if not (isinstance(nets.W, WarpingModule) and isinstance(nets.G, Generator)):
        raise TypeError("these networks are folded already")
    return replace(nets, W=FoldedWarp(nets.W).eval(), G=FoldedGenerator(nets.G).eval())


def _of(block: nn.Module) -> tuple[Tensor, Tensor]:
    assert isinstance(block, ConvNormRelu2d | ConvNormRelu3d)
    return without_norm(block.conv, block.norm)
