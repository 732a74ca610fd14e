"""The pieces that folded networks are made of: norms inside kernels, and convolutions of enlarged pictures in phases.

A picture enlarged by repetition holds few different pixels: its convolution becomes several small ones of the picture
itself, one for each phase (place inside an enlarged cell), equal but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lp_editor.liveportrait.nets.blocks import ConvNormRelu2d, ConvNormRelu3d

Conv: TypeAlias = nn.Conv2d | nn.Conv3d
Norm: TypeAlias = nn.BatchNorm2d | nn.BatchNorm3d

TAPS = 3
"""Of the kernels that are folded."""


def without_norm(conv: Conv, norm: Norm) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution with the batch norm that follows it."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    assert conv.bias is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    kernel = conv.weight * gain.reshape(-1, *[1] * (conv.weight.dim() - 1))
    return kernel, (conv.bias - norm.running_mean) * gain + norm.bias


def folded_block(block: nn.Module) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a `ConvNormRelu2d` or `ConvNormRelu3d`."""
    assert isinstance(block, ConvNormRelu2d | ConvNormRelu3d)
    return without_norm(block.conv, block.norm)


def convolved(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution that keeps the size."""
    padding = kernel.shape[-1] // 2
    return (
        F.conv3d(x, kernel, bias, padding=padding) if kernel.dim() == 5 else F.conv2d(x, kernel, bias, padding=padding)
    )


class FoldedConv(nn.Module):
    """A convolution by a fixed kernel."""

    def __init__(self, kernel: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, …, H, W) to (B, outside, …, H, W)."""
        return convolved(x, self.get_buffer("kernel"), self.bias)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Phase:
    """What one phase of an axis looks at: cells from ``first`` on (0 is its own, -1 the one before), and which of the
    kernel's taps fall on each, (cells, taps)."""

    first: int
    fold: Tensor

    @property
    def kind(self) -> tuple[int, int]:
        """Phases of one kind are equal where the kernel's taps are."""
        return self.first, len(self.fold)


def phases_of(cells: Sequence[int]) -> Phase:
    """The phase whose taps fall on these cells."""
    fold = torch.zeros(max(cells) - min(cells) + 1, len(cells))
    for tap, cell in enumerate(cells):
        fold[cell - min(cells), tap] = 1
    return Phase(min(cells), fold)


def enlarged_phases(times: int) -> list[Phase]:
    """Of an axis enlarged so many times, under a kernel of three taps."""
    return [phases_of([(phase + tap - 1) // times for tap in range(TAPS)]) for phase in range(times)]


def folded_kernel(kernel: Tensor, row: Phase, column: Phase) -> Tensor:
    """The kernel of a pair of phases, on the cells that it sees."""
    return torch.einsum("...hw,ih,jw->...ij", kernel, row.fold.to(kernel), column.fold.to(kernel))


class Interleave(nn.Module):
    """Puts the phases of an enlarged picture together."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """(B, phases * C, H, W), the phases row by row, to (B, C, times * H, times * W)."""
        batch, channels, height, width = x.shape
        n = self.times
        x = x.reshape(batch, n, n, channels // n**2, height, width).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(batch, channels // n**2, n * height, n * width)


class Apart(nn.Module):
    """Takes the phases of an enlarged picture apart."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, times * H, times * W) to (B, phases * C, H, W), the phases row by row."""
        batch, channels, height, width = x.shape
        n = self.times
        x = x.reshape(batch, channels, height // n, n, width // n, n).permute(0, 3, 5, 1, 2, 4)
        return x.reshape(batch, n**2 * channels, height // n, width // n)


def deep_interleaved(parts: Sequence[Tensor], times: int) -> Tensor:
    """The phases of a volume enlarged in height and width, each (B, C, D, H, W), put together."""
    rows = [torch.stack(list(parts[i : i + times]), dim=-1).flatten(-2) for i in range(0, len(parts), times)]
    return torch.stack(rows, dim=-2).flatten(-3, -2)


class EnlargedConv(nn.Module):
    """A 3-tap convolution, with padding, of a picture (B, C, H, W) or volume (B, C, D, H, W) enlarged by repetition in
    height and width: computed at the small size. ``compact`` leaves out phases that repeat others, of each axis."""

    def __init__(self, kernel: Tensor, bias: Tensor, times: int, compact: bool = False) -> None:
        super().__init__()
        self.deep = kernel.dim() == 5
        self.register_buffer("bias", bias)
        every = enlarged_phases(times)
        kinds = [phase.kind for phase in every]
        self.distinct = [phase for i, phase in enumerate(every) if kinds.index(phase.kind) == i]
        shown = self.distinct if compact else every
        self.shown = [[phase.kind for phase in self.distinct].index(phase.kind) for phase in shown]
        """The phases of an axis that come out, as places in ``distinct``."""
        self.interleave = Interleave(len(self.shown))
        self.groups: list[tuple[int, int, list[tuple[int, int]]]] = []
        for tall in (1, 2):
            for wide in (1, 2):
                pairs = [(r, c) for r, row in enumerate(self.distinct) for c, column in enumerate(self.distinct)
                         if (len(row.fold), len(column.fold)) == (tall, wide)]  # fmt: skip
                if pairs:
                    parts = [folded_kernel(kernel, self.distinct[r], self.distinct[c]) for r, c in pairs]
                    self.register_buffer(f"kernel_{tall}{wide}", torch.cat(parts))
                    self.groups.append((tall, wide, pairs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, [D,] H, W) to (B, outside, [D,] n * H, n * W), of n phases an axis."""
        height, width = x.shape[-2:]
        padded = F.pad(x, (1, 1, 1, 1))
        made: dict[tuple[int, int], Tensor] = {}
        for tall, wide, pairs in self.groups:
            kernel = self.get_buffer(f"kernel_{tall}{wide}")
            bias = self.get_buffer("bias").repeat(len(pairs))
            whole = F.conv3d(padded, kernel, bias, padding=(1, 0, 0)) if self.deep else F.conv2d(padded, kernel, bias)
            for part, (row, column) in zip(whole.chunk(len(pairs), dim=1), pairs, strict=True):
                top, left = self.distinct[row].first + 1, self.distinct[column].first + 1
                made[row, column] = part[..., top : top + height, left : left + width]
        parts = [made[r, c] for r in self.shown for c in self.shown]
        if self.deep:
            return deep_interleaved(parts, len(self.shown))
        out: Tensor = self.interleave(torch.cat(parts, dim=1))
        return out


CELLS = 3
"""Of a compact axis of a picture enlarged four times: the first place, the two in the middle, the last."""


def compact_phases() -> list[Phase]:
    """Of an axis enlarged four times, convolved, made compact, and convolved again."""
    at = [phase.kind for phase in enlarged_phases(4)]
    place = [sorted(set(at), key=at.index).index(kind) for kind in at]  # 0 1 1 2
    taps = [[phase + tap - 1 for tap in range(TAPS)] for phase in range(4)]
    return [phases_of([CELLS * (p // 4) + place[p % 4] for p in seen]) for seen in taps]


def compact_views(x: Tensor) -> list[Tensor]:
    """A compact picture (B, C, 3 H, 3 W) from its first cell on and from its second on, down and across: what the phases
    of `CompactConv` read."""
    lower = F.pad(x[:, :, 1:], (0, 0, 0, 1))
    return [x, F.pad(x[..., 1:], (0, 1)), lower, F.pad(lower[..., 1:], (0, 1))]


class CompactConv(nn.Module):
    """A 3-tap convolution of a picture whose compact form is given: every phase of it at the small size."""

    def __init__(self, kernel: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("bias", bias)
        self.phases = compact_phases()
        for r, row in enumerate(self.phases):
            for c, column in enumerate(self.phases):
                self.register_buffer(f"kernel_{r}{c}", folded_kernel(kernel, row, column))

    def forward(self, views: Sequence[Tensor], row: int, column: int) -> Tensor:
        """One phase, (B, outside, H, W), of `compact_views`."""
        first = self.phases[row].first, self.phases[column].first  # each -1, 0 or 1
        view = views[2 * max(first[0], 0) + max(first[1], 0)]
        padding = max(-first[0], 0), max(-first[1], 0)
        return F.conv2d(
            view, self.get_buffer(f"kernel_{row}{column}"), self.get_buffer("bias"), stride=CELLS, padding=padding
        )
