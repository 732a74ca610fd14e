"""LivePortrait's networks at a hundredth of their size, with random weights: as an engine, fast enough for every day."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import nn

from lp_editor.liveportrait.engine import Composite, LivePortraitEngine
from lp_editor.liveportrait.nets import build
from lp_editor.liveportrait.nets.appearance import AppearanceExtractor
from lp_editor.liveportrait.nets.generator import Generator, SpectralConv2d
from lp_editor.liveportrait.nets.motion import MotionExtractor
from lp_editor.liveportrait.nets.retargeting import KeypointNet
from lp_editor.liveportrait.nets.warp import WarpingModule
from lp_editor.liveportrait.networks import Networks


def filled(net: nn.Module, seed: int) -> nn.Module:
    """Weights of unit gain, norms that do something, spectral vectors of unit length."""
    random = torch.Generator().manual_seed(seed)
    for name, value in net.state_dict().items():
        leaf = name.rsplit(".", 1)[-1]
        if not value.is_floating_point():
            continue
        noise = torch.randn(value.shape, generator=random)
        if leaf in ("weight_u", "weight_v"):
            value.copy_(noise / noise.norm())
        elif leaf == "weight_orig":
            value.copy_(noise / math.sqrt(value[0].numel()))
        elif leaf == "running_var" or (leaf == "weight" and value.dim() == 1):
            value.copy_(1 + 0.2 * noise.tanh())
        elif leaf == "weight":
            value.copy_(noise * 1.3 / math.sqrt(value[0].numel()))
        else:
            value.copy_(0.05 * noise)
    return net.eval().requires_grad_(False)


@cache
def networks() -> Networks:
    """Small networks; keypoint networks move keypoints by a few hundredths."""
    torch.set_num_threads(1)  # small work on a shared machine
    volume, feature = (4, 2), 16
    F = AppearanceExtractor((4, 8, 8), volume, 1)
    M = MotionExtractor((1, 1, 1, 1), (8, 8, 16, 16), build.KEYPOINTS, build.BINS)
    W = WarpingModule(build.KEYPOINTS, volume, 1, (8, 8, 8, 8, 8), 4, feature)
    G = Generator(feature, (16, 12, 8), 1, 8)
    S, eye, lip = KeypointNet((126, 16, 65)), KeypointNet((66, 16, 63)), KeypointNet((65, 16, 63))
    for seed, net in enumerate((F, M, W, G, S, eye, lip)):
        filled(net, seed)
    # spectral norms divide by a small number where u and v are random: a plain gain instead
    for module in G.modules():
        if isinstance(module, SpectralConv2d):
            u, _, v = torch.linalg.svd(module.weight_orig.flatten(1), full_matrices=False)
            module.get_buffer("weight_u").copy_(u[:, 0])
            module.get_buffer("weight_v").copy_(v[0])
    picture = G.conv_img[0]
    assert isinstance(picture, nn.Conv2d)
    picture.weight.mul_(4)  # so that every small change of keypoints shows
    for head, size in ((M.detector.fc_exp, 0.02), (M.detector.fc_t, 0.05), (M.detector.fc_kp, 0.3)):
        head.weight.mul_(size)
    M.detector.fc_scale.bias.fill_(1.2)
    for net in (S, eye, lip):
        last = net.mlp[-1]
        assert isinstance(last, nn.Linear)
        last.weight.mul_(0.02)
        last.bias.mul_(0.05)
    return Networks(F, M, W, G, S, eye, lip, torch.device("cpu"), torch.float32)


def engine(composite: Composite = "detail") -> LivePortraitEngine:
    """The engine on the small networks."""
    return LivePortraitEngine(networks(), "tiny", composite)
