"""Builds each network at its published size: the only place that says how large anything is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from lp_editor.liveportrait.nets.appearance import AppearanceExtractor
from lp_editor.liveportrait.nets.generator import Generator
from lp_editor.liveportrait.nets.motion import MotionExtractor
from lp_editor.liveportrait.nets.retargeting import KeypointNet
from lp_editor.liveportrait.nets.warp import WarpingModule

KEYPOINTS = 21
"""Implicit keypoints of a face."""

VOLUME = (32, 16)
"""Channels and depth of the appearance volume."""

FEATURE = 256
"""Channels of the generator's feature map."""

BINS = 66
"""Classes of each head angle."""

POINTS = 3 * KEYPOINTS


def appearance() -> AppearanceExtractor:
    """F: 0.84 M parameters."""
    return AppearanceExtractor(widths=(64, 128, 256), volume=VOLUME, blocks=6)


def motion() -> MotionExtractor:
    """M, ConvNeXt V2 Tiny: 28.1 M parameters."""
    return MotionExtractor(depths=(3, 3, 9, 3), widths=(96, 192, 384, 768), keypoints=KEYPOINTS, bins=BINS)


def warp() -> WarpingModule:
    """W: 45.5 M parameters."""
    return WarpingModule(
        KEYPOINTS, VOLUME, compressed=4, widths=(64, 128, 256, 512, 1024), ends=32, feature=FEATURE
    )  # fmt: skip


def generator() -> Generator:
    """G: 55.4 M parameters."""
    return Generator(seen=FEATURE, widths=(512, 256, 64), blocks=6, hidden=128)


def stitching() -> KeypointNet:
    """S: two sets of keypoints to a change of the second and a shift of all."""
    return KeypointNet((2 * POINTS, 128, 128, 64, POINTS + 2))


def lip() -> KeypointNet:
    """R of the lips: keypoints, the filmed ratio and the wanted one, to a change of the keypoints."""
    return KeypointNet((POINTS + 2, 128, 128, 64, POINTS))


def eye() -> KeypointNet:
    """R of the eyes: keypoints, both filmed ratios and the wanted one, to a change of the keypoints."""
    return KeypointNet((POINTS + 3, 256, 256, 128, 128, 64, POINTS))


FILES: Mapping[str, Mapping[str, Callable[[], nn.Module]]] = MappingProxyType({
    "appearance_feature_extractor": {"": appearance},
    "motion_extractor": {"": motion},
    "warping_module": {"": warp},
    "spade_generator": {"": generator},
    "stitching_retargeting_module": {"retarget_shoulder": stitching, "retarget_mouth": lip, "retarget_eye": eye},
})  # fmt: skip
"""What each published file holds: the networks by the name of their part; one without parts has the name ""."""
