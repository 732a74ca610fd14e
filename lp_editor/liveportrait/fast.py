"""The heavy networks through OpenVINO in bfloat16: on processors with its instructions about three times as fast.

An extra: without the package ``openvino`` nothing here is used. The result differs by a few hundredths at most; M and F,
whose errors would show as motion, stay as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lp_editor.errors import EngineError
from lp_editor.liveportrait.fold import FoldedEnd, FoldedGenerator, FoldedHourglass, FoldedWarp
from lp_editor.liveportrait.nets.build import FEATURE, KEYPOINTS, VOLUME
from lp_editor.liveportrait.nets.generator import Generator
from lp_editor.liveportrait.nets.warp import WarpingModule
from lp_editor.liveportrait.networks import Networks

PRECISIONS: Mapping[str, str] = MappingProxyType({"openvino": "bf16", "openvino-f32": "f32"})
"""What ``--device`` may say, and the precision it means: the first is faster, the second exact."""

SIDE = 64
"""Of the appearance volume and the feature map."""


class Compiled(nn.Module):
    """A network compiled for the processor; tensors in, tensors out."""

    def __init__(self, net: nn.Module, example: Tensor, precision: str) -> None:
        super().__init__()
        import openvino

        with warnings.catch_warnings(action="ignore"), torch.no_grad():  # of the tracer
            model = openvino.convert_model(net.eval(), example_input=example)
        settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        self._run: Any = openvino.Core().compile_model(model, "CPU", settings)

    def forward(self, x: Tensor) -> Any:
        """One tensor, or as many as the network gives."""
        request = self._run.create_infer_request()  # one a call: threads share the model, not the request
        made = [torch.from_numpy(np.array(value)) for value in request.infer([x.contiguous().numpy()]).values()]
        return made[0] if len(made) == 1 else tuple(made)


def with_openvino(nets: Networks, precision: str = "bf16") -> Networks:
    """The networks with W and G compiled by OpenVINO. ``precision`` is ``bf16`` or ``f32``.

    Raises `EngineError` where the package is not installed.
    """
    try:
        import openvino  # noqa: F401
    except ImportError:
        raise EngineError("--device openvino needs the package openvino; pip install openvino, or take cpu") from None
    if not (isinstance(nets.W, WarpingModule) and isinstance(nets.G, Generator)):
        raise TypeError("these networks are folded already")
    slots = KEYPOINTS + 1
    seen = torch.zeros(1, slots * (nets.W.dense_motion_network.compress.out_channels + 1), VOLUME[1], SIDE, SIDE)
    hourglass = Compiled(FoldedHourglass(nets.W), seen, precision)
    end = Compiled(FoldedEnd(nets.W), torch.zeros(1, VOLUME[0] * VOLUME[1], SIDE, SIDE), precision)
    generator = Compiled(FoldedGenerator(nets.G), torch.zeros(1, FEATURE, SIDE, SIDE), precision)
    return replace(nets, W=FoldedWarp(nets.W, hourglass, end).eval(), G=generator)
