"""W with its constants worked in: equal but for rounding, and cheaper.

Batch norms go into the convolutions before them, what stands on an enlarged volume is computed in phases, and the mask's
large kernel runs along the depth as a product of spectra.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lp_editor.liveportrait.nets.warp import Warped, WarpingModule, sparse_moves
from lp_editor.liveportrait.phases import EnlargedConv, FoldedConv, folded_block, without_norm


class DeepConv(nn.Module):
    """A large 3-D convolution, with padding, whose depth is a discrete Fourier transform: each frequency is a 2-D
    convolution of real and imaginary parts. Less than half of the work for 7 taps on a depth of 16."""

    def __init__(self, conv: nn.Conv3d, depth: int) -> None:
        super().__init__()
        assert conv.bias is not None
        taps = conv.kernel_size[0]
        length = depth + taps // 2  # what wraps around meets zeros
        length += 1 - length % 2
        self.waves = length // 2
        self.register_buffer("bias", conv.bias.reshape(1, -1, 1, 1, 1))
        angle = 2 * torch.pi / length * torch.arange(self.waves + 1, dtype=torch.float64)[:, None]
        there = angle * torch.arange(depth)
        forward = torch.stack([torch.cos(there), -torch.sin(there)], 1)  # (frequencies, parts, depth)
        weight = torch.full((self.waves + 1, 1), 2 / length, dtype=torch.float64)
        weight[0] = 1 / length
        back = torch.stack([weight * torch.cos(there), -weight * torch.sin(there)], 1)
        self.register_buffer("there", forward.flatten(0, 1)[[0, *range(2, 2 * self.waves + 2)]].float())
        self.register_buffer("back", back.flatten(0, 1)[[0, *range(2, 2 * self.waves + 2)]].T.contiguous().float())
        at = angle * (torch.arange(taps) - taps // 2)  # a kernel slides forwards: its spectrum is conjugate
        kernel = conv.weight.double()
        real = torch.einsum("oidhw,fd->foihw", kernel, torch.cos(at))
        imaginary = torch.einsum("oidhw,fd->foihw", kernel, torch.sin(at))
        self.register_buffer("level", real[0].float())
        # of a frequency's real part, and of its imaginary part, what they make of both
        self.register_buffer("of_real", torch.cat([real, imaginary], 1)[1:].float())
        self.register_buffer("of_imaginary", torch.cat([-imaginary, real], 1)[1:].float())

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, depth, H, W) to (B, outside, depth, H, W)."""
        batch, channels, depth, height, width = x.shape
        count = 2 * self.waves + 1
        lines = x.permute(0, 2, 3, 4, 1).reshape(batch, depth, height * width * channels)  # channels last, as stored
        spectrum = torch.matmul(self.get_buffer("there"), lines).reshape(batch * count, height, width, channels)
        parts = spectrum.permute(0, 3, 1, 2).reshape(batch, count, channels, height, width).unbind(1)
        level = self.get_buffer("level")
        padding = level.shape[-1] // 2
        made = [F.conv2d(parts[0], level, padding=padding)]
        kernels = zip(self.get_buffer("of_real"), self.get_buffer("of_imaginary"), strict=True)
        for i, (of_real, of_imaginary) in enumerate(kernels):
            real, imaginary = parts[1 + 2 * i], parts[2 + 2 * i]
            made.append(F.conv2d(real, of_real, padding=padding) + F.conv2d(imaginary, of_imaginary, padding=padding))
        lines = torch.cat(made, 1).reshape(batch, count, -1)
        out = torch.matmul(self.get_buffer("back"), lines).reshape(batch, depth, -1, height, width).transpose(1, 2)
        return out + self.get_buffer("bias")


class FlatConv(nn.Module):
    """A large convolution of a whole volume to one picture: what every place gives to each of its neighbours, then the
    sum of what each is given. So the many channels are gone through once."""

    def __init__(self, conv: nn.Conv2d, depth: int) -> None:
        super().__init__()
        size = conv.kernel_size[0]
        kernel = conv.weight[0].reshape(-1, depth, *conv.kernel_size)  # (inside, depth, h, w)
        given = kernel.flatten(2).permute(2, 0, 1)[..., None, None]  # (h * w, inside, depth, 1, 1)
        self.register_buffer("given", given.contiguous())
        self.register_buffer("summed", torch.eye(size * size).reshape(1, size * size, size, size))
        self.register_buffer("bias", conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, depth, H, W) to (B, 1, H, W)."""
        summed = self.get_buffer("summed")
        given = F.conv3d(x, self.get_buffer("given"))[:, :, 0]
        return F.conv2d(given, summed, self.get_buffer("bias"), padding=summed.shape[-1] // 2)


class FoldedHourglass(nn.Module):
    """The hourglass of `DenseMotion` with what reads it, folded: (mask logits, occlusion logits)."""

    def __init__(self, W: WarpingModule, depth: int) -> None:
        super().__init__()
        dense = W.dense_motion_network
        encoder, decoder = dense.hourglass.encoder, dense.hourglass.decoder
        self.down = nn.ModuleList(FoldedConv(*folded_block(block)) for block in encoder.down_blocks)
        self.up = nn.ModuleList(EnlargedConv(*folded_block(block), times=2) for block in decoder.up_blocks)
        self.last = FoldedConv(*without_norm(decoder.conv, decoder.norm))
        self.mask, self.occlusion = DeepConv(dense.mask, depth), FlatConv(dense.occlusion, depth)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 110, D, H, W) to (B, 22, D, H, W) and (B, 1, H, W)."""
        levels = [x]
        for down in self.down:
            levels.append(F.avg_pool3d(F.relu(down(levels[-1])), (1, 2, 2)))
        y = levels[-1]
        for up, skip in zip(self.up, levels[-2::-1], strict=True):
            y = torch.cat([F.relu(up(y)), skip], dim=1)
        y = F.relu(self.last(y))
        return self.mask(y), self.occlusion(y)


class FoldedEnd(nn.Module):
    """`third` and `fourth` of the warping module, folded."""

    def __init__(self, W: WarpingModule) -> None:
        super().__init__()
        self.third, self.slope = FoldedConv(*folded_block(W.third)), W.third.slope
        self.fourth = W.fourth

    def forward(self, x: Tensor) -> Tensor:
        """(B, C * D, H, W) to (B, 256, H, W)."""
        out: Tensor = self.fourth(F.leaky_relu(self.third(x), self.slope))
        return out


class FoldedWarp(nn.Module):
    """`WarpingModule`, folded. What stands between its two samplings, and after them, may be computed by others."""

    def __init__(self, W: WarpingModule, hourglass: nn.Module, end: nn.Module) -> None:
        super().__init__()
        self.dense, self.hourglass, self.end = W.dense_motion_network, hourglass, end

    def forward(self, volume: Tensor, source: Tensor, driving: Tensor) -> Warped:
        """See `WarpingModule`."""
        moves = sparse_moves(volume, source, driving)
        mask, occlusion = self.hourglass(self.dense.seen(volume, source, driving, moves).to(volume.dtype))
        field = (torch.softmax(mask.float(), dim=1).unsqueeze(-1) * moves).sum(dim=1)
        occlusion = torch.sigmoid(occlusion.float())
        moved = F.grid_sample(volume.float(), field, padding_mode="zeros", align_corners=False)
        feature = self.end(moved.flatten(1, 2).to(volume.dtype))
        return Warped(feature * occlusion.to(feature.dtype), occlusion, field)
