"""G with its constants worked in: equal but for rounding, and cheaper.

Spectral norms go into their kernels; gain and offset of a norm are read off hidden maps computed once; the offset of a
shortcut's norm goes through the shortcut's kernel; and what stands on an enlarged picture is computed in phases.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lp_editor.liveportrait.nets.blocks import NORM_EPS
from lp_editor.liveportrait.nets.generator import SLOPE, Generator, Spade, SpadeBlock, SpectralConv2d
from lp_editor.liveportrait.phases import Apart, CompactConv, EnlargedConv, FoldedConv, Interleave, compact_views


def _parts(spade: Spade) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Kernel and bias of the gain (with its 1) and of the offset of a norm."""
    gamma, beta = spade.mlp_gamma, spade.mlp_beta
    assert gamma.bias is not None
    assert beta.bias is not None
    return (gamma.weight, 1 + gamma.bias), (beta.weight, beta.bias)


def _shortcut(block: SpadeBlock) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The same of a shortcut's norm, the offset already through the shortcut: nothing stands between the two."""
    gain, (kernel, bias) = _parts(block.norm_s)
    across = block.conv_s.weight()[..., 0, 0]  # (outside, inside)
    return gain, (torch.einsum("oc,cihw->oihw", across, kernel), across @ bias)


def _kernel(module: SpectralConv2d) -> FoldedConv:
    return FoldedConv(module.weight().clone(), module.bias)


def _hidden(spade: Spade) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a norm's hidden map."""
    conv = spade.mlp_shared[0]
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    return conv.weight, conv.bias


class FoldedSpade(nn.Module):
    """Gain and offset of a `Spade`; the hidden map comes from outside."""

    def __init__(self, gain: tuple[Tensor, Tensor], offset: tuple[Tensor, Tensor]) -> None:
        super().__init__()
        self.gain, self.offset = FoldedConv(*gain), FoldedConv(*offset)

    def forward(self, normal: Tensor, hidden: Tensor) -> Tensor:
        """The normalised (B, C, H, W) with its gain and offset."""
        out: Tensor = self.offset(hidden) + self.gain(hidden) * normal
        return out


class FoldedSpadeBlock(nn.Module):
    """`SpadeBlock` of hidden maps instead of the conditioning map."""

    def __init__(self, block: SpadeBlock) -> None:
        super().__init__()
        self.norm_0, self.norm_1 = (FoldedSpade(*_parts(norm)) for norm in (block.norm_0, block.norm_1))
        self.conv_0, self.conv_1 = _kernel(block.conv_0), _kernel(block.conv_1)
        self.changes = block.changes
        if block.changes:
            self.shortcut, self.conv_s = FoldedSpade(*_shortcut(block)), _kernel(block.conv_s)

    def forward(self, x: Tensor, hidden: Sequence[Tensor]) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W)."""
        normal = F.instance_norm(x, eps=NORM_EPS)
        y = self.conv_0(F.leaky_relu(self.norm_0(normal, hidden[0]), SLOPE))
        y = self.norm_1(F.instance_norm(y, eps=NORM_EPS), hidden[1])
        y = self.conv_1(F.leaky_relu(y, SLOPE))
        if self.changes:
            x = self.shortcut.offset(hidden[2]) + self.conv_s(self.shortcut.gain(hidden[2]) * normal)
        out: Tensor = x + y
        return out


class PhasedSpade(nn.Module):
    """Gain and offset of a `Spade` on a picture four times as large as the conditioning map, phase by phase."""

    def __init__(
        self, hidden: tuple[Tensor, Tensor], gain: tuple[Tensor, Tensor], offset: tuple[Tensor, Tensor]
    ) -> None:
        super().__init__()
        self.hidden = EnlargedConv(*hidden, times=4, compact=True)
        self.gain, self.offset = CompactConv(*gain), CompactConv(*offset)

    def views(self, seen: Tensor) -> list[Tensor]:
        """What the phases are read off."""
        return compact_views(F.relu(self.hidden(seen)))


class PhasedSpadeBlock(nn.Module):
    """The last `SpadeBlock`: on a picture enlarged twice, and four times as large as the conditioning map."""

    def __init__(self, block: SpadeBlock) -> None:
        super().__init__()
        self.norm_0, self.norm_1 = (
            PhasedSpade(_hidden(norm), *_parts(norm)) for norm in (block.norm_0, block.norm_1)
        )  # fmt: skip
        self.shortcut = PhasedSpade(_hidden(block.norm_s), *_shortcut(block))
        self.conv_0, self.conv_1, self.conv_s = (_kernel(conv) for conv in (block.conv_0, block.conv_1, block.conv_s))
        self.halves, self.quarters, self.together = Apart(2), Apart(4), Interleave(4)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(B, inside, 2 H, 2 W), not yet enlarged, and (B, seen, H, W), to (B, outside, 4 H, 4 W)."""
        views_0, views_1, views_s = (n.views(seen) for n in (self.norm_0, self.norm_1, self.shortcut))
        # mean and variance of an enlarged picture are the picture's
        normals = self.halves(F.instance_norm(x, eps=NORM_EPS)).chunk(4, dim=1)
        inner, shortcut = [], []
        for row in range(4):
            for column in range(4):
                normal = normals[row // 2 * 2 + column // 2]
                y = self.norm_0.offset(views_0, row, column) + self.norm_0.gain(views_0, row, column) * normal
                inner.append(F.leaky_relu(y, SLOPE))
                s = self.conv_s(self.shortcut.gain(views_s, row, column) * normal)
                shortcut.append(self.shortcut.offset(views_s, row, column) + s)
        y = F.instance_norm(self.conv_0(self.together(torch.cat(inner, dim=1))), eps=NORM_EPS)
        inner = []
        for phase, normal in enumerate(self.quarters(y).chunk(16, dim=1)):
            place = phase // 4, phase % 4
            inner.append(
                F.leaky_relu(self.norm_1.offset(views_1, *place) + self.norm_1.gain(views_1, *place) * normal, SLOPE)
            )
        out: Tensor = self.conv_1(self.together(torch.cat(inner, dim=1))) + self.together(torch.cat(shortcut, dim=1))
        return out


class FoldedGenerator(nn.Module):
    """`Generator`, folded."""

    def __init__(self, G: Generator) -> None:
        super().__init__()
        middle = [G.get_submodule(f"G_middle_{i}") for i in range(G.blocks)]
        blocks = [block for block in middle if isinstance(block, SpadeBlock)]
        self.fc = G.fc
        self.middle = nn.ModuleList(FoldedSpadeBlock(block) for block in blocks)
        norms = [norm for block in blocks for norm in (block.norm_0, block.norm_1)]
        self.seen = nn.ModuleList(FoldedConv(*_hidden(norm)) for norm in norms)
        self.up_0, self.up_1 = FoldedSpadeBlock(G.up_0), PhasedSpadeBlock(G.up_1)
        self.seen_0 = nn.ModuleList(
            EnlargedConv(*_hidden(norm), times=2) for norm in (G.up_0.norm_0, G.up_0.norm_1, G.up_0.norm_s)
        )
        self.conv_img = G.conv_img

    def forward(self, feature: Tensor) -> Tensor:
        """(B, 256, 64, 64) to (B, RGB, 512, 512) in 0..1."""
        x = self.fc(feature)
        for i, block in enumerate(self.middle):
            x = block(x, [F.relu(seen(feature)) for seen in self.seen[2 * i : 2 * i + 2]])
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = self.up_0(x, [F.relu(seen(feature)) for seen in self.seen_0])
        x = self.up_1(x, feature)
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, SLOPE)))
