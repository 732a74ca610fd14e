"""The five networks as one value: what they take and give, whatever computes them inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from lp_editor.errors import EngineError
from lp_editor.liveportrait.keypoints import Array
from lp_editor.liveportrait.nets.appearance import AppearanceExtractor
from lp_editor.liveportrait.nets.build import BINS, FILES, KEYPOINTS
from lp_editor.liveportrait.nets.generator import Generator
from lp_editor.liveportrait.nets.motion import MotionExtractor, RawMotion
from lp_editor.liveportrait.nets.retargeting import KeypointNet
from lp_editor.liveportrait.nets.warp import Warped, WarpingModule
from lp_editor.liveportrait.weights import load

DEGREES_A_BIN, DEGREES_AT_0 = 3.0, -97.5
"""What a class of an angle's head means."""


@dataclass(frozen=True)
class MotionInfo:
    """How faces are held, B of them: ``pitch``, ``yaw``, ``roll`` in degrees (B, 1); ``t`` (B, 3); ``exp`` (B, 21, 3);
    ``scale`` (B, 1); ``kp``, the canonical keypoints, (B, 21, 3). All float32."""

    pitch: Tensor
    yaw: Tensor
    roll: Tensor
    t: Tensor
    exp: Tensor
    scale: Tensor
    kp: Tensor


@dataclass(frozen=True)
class Networks:
    """The networks on one device. F, W and G are of one precision, ``dtype``; M and the keypoint networks always compute in
    float32. Everything comes out in float32 but ``warp`` and ``appearance``, whose results feed the next network."""

    F: AppearanceExtractor
    M: MotionExtractor
    W: nn.Module
    G: nn.Module
    S: KeypointNet
    eye: KeypointNet
    lip: KeypointNet
    device: torch.device
    dtype: torch.dtype

    @torch.inference_mode()
    def appearance(self, images: Tensor) -> Tensor:
        """Appearance volumes (B, 32, 16, 64, 64) of RGB pictures (B, 3, 256, 256) in 0..1."""
        out: Tensor = self.F(self._here(images))
        return out

    @torch.inference_mode()
    def motion(self, images: Tensor) -> MotionInfo:
        """How the faces of RGB pictures (B, 3, 256, 256) in 0..1 are held."""
        raw: RawMotion = self.M(self._exact(images))
        return MotionInfo(
            degrees(raw.pitch), degrees(raw.yaw), degrees(raw.roll), raw.t.float(),
            raw.exp.float().reshape(-1, KEYPOINTS, 3), raw.scale.float(), raw.kp.float().reshape(-1, KEYPOINTS, 3),
        )  # fmt: skip

    @torch.inference_mode()
    def warp(self, volume: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Warped:
        """A volume (B, 32, 16, 64, 64) moved from keypoints to keypoints, (B, 21, xyz) each."""
        out: Warped = self.W(self._here(volume), self._exact(kp_source), self._exact(kp_driving))
        return out

    @torch.inference_mode()
    def generate(self, feature: Tensor) -> Tensor:
        """Pictures (B, RGB, 512, 512) in 0..1 of feature maps (B, 256, 64, 64)."""
        picture: Tensor = self.G(self._here(feature)).float()
        return picture

    @torch.inference_mode()
    def pictures(self, volume: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        """Pictures (B, RGB, 512, 512) in 0..1 of volumes moved from keypoints to keypoints: `warp`, then `generate`."""
        return self.generate(self.warp(volume, kp_source, kp_driving).feature)

    @torch.inference_mode()
    def stitch(self, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        """The driving keypoints (B, 21, 3), moved so that the shoulders stay."""
        source, driving = self._exact(kp_source), self._exact(kp_driving)
        change = self.S(torch.cat([source.flatten(1), driving.flatten(1)], dim=1))  # (B, 65)
        moved: Tensor = driving + change[:, :-2].reshape(-1, KEYPOINTS, 3)
        moved[..., :2] += change[:, None, -2:]
        return moved

    @torch.inference_mode()
    def eye_delta(self, kp_source: Tensor, ratios: Tensor) -> Tensor:
        """What to add to keypoints (B, 21, 3) for the eyes to open so far; ``ratios`` (B, filmed left, right, wanted)."""
        return self._delta(self.eye, kp_source, ratios)

    @torch.inference_mode()
    def lip_delta(self, kp_source: Tensor, ratios: Tensor) -> Tensor:
        """What to add to keypoints (B, 21, 3) for the lips to open so far; ``ratios`` (B, filmed, wanted)."""
        return self._delta(self.lip, kp_source, ratios)

    def _delta(self, net: KeypointNet, kp_source: Tensor, ratios: Tensor) -> Tensor:
        change: Tensor = net(torch.cat([self._exact(kp_source).flatten(1), self._exact(ratios)], dim=1))
        return change.reshape(-1, KEYPOINTS, 3)

    def _here(self, x: Tensor) -> Tensor:
        return x.to(self.device, self.dtype)

    def _exact(self, x: Tensor) -> Tensor:
        return x.to(self.device, torch.float32)


@dataclass(frozen=True)
class ArrayHeads:
    """The keypoint networks on float32 arrays, as `modes.Heads` wants them."""

    nets: Networks

    def stitch(self, source: Array, driving: Array) -> Array:
        """See `Networks.stitch`."""
        return as_array(self.nets.stitch(_tensor(source), _tensor(driving)))

    def eye_delta(self, source: Array, ratios: Array) -> Array:
        """See `Networks.eye_delta`."""
        return as_array(self.nets.eye_delta(_tensor(source), _tensor(ratios)))

    def lip_delta(self, source: Array, ratios: Array) -> Array:
        """See `Networks.lip_delta`."""
        return as_array(self.nets.lip_delta(_tensor(source), _tensor(ratios)))


def as_array(x: Tensor) -> Array:
    """A tensor on whatever device as a float32 array."""
    return np.asarray(x.float().cpu().numpy(), np.float32)


def _tensor(x: Array) -> Tensor:
    return torch.from_numpy(np.array(x, np.float32))


def degrees(logits: Tensor) -> Tensor:
    """The expected angle (B, 1) of class logits (B, 66), in degrees; any other width is in degrees already."""
    if logits.shape[1] != BINS:
        return logits.float()
    bins = torch.arange(logits.shape[1], device=logits.device, dtype=torch.float32)
    angle: Tensor = torch.softmax(logits.float(), dim=1) @ bins * DEGREES_A_BIN + DEGREES_AT_0
    return angle.unsqueeze(1)


def load_networks(folder: Path | str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Networks:
    """The networks of a folder of published weights on a device; ``dtype`` is that of F, W and G.

    Raises `WeightsError` for missing, damaged or wrong files, `EngineError` for a device that is not there.
    """
    nets = load(Path(folder))
    try:
        where = torch.device(device)
        torch.zeros(1, device=where)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise EngineError(
            f"no device {device!r} for the liveportrait engine here; --device cpu runs everywhere"
        ) from None
    S, lip, eye = (
        cast(KeypointNet, nets[f"stitching_retargeting_module:{part}"].to(where))
        for part in FILES["stitching_retargeting_module"]
    )
    return Networks(
        cast(AppearanceExtractor, nets["appearance_feature_extractor"].to(where, dtype)),
        cast(MotionExtractor, nets["motion_extractor"].to(where)),
        cast(WarpingModule, nets["warping_module"].to(where, dtype)),
        cast(Generator, nets["spade_generator"].to(where, dtype)),
        S, eye, lip, where, dtype,
    )  # fmt: skip
