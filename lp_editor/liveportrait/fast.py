"""The networks through OpenVINO, the fastest there is on a processor. An extra: without the package nothing here is used.

In bfloat16, for processors with its instructions, W and G differ by a few hundredths at most; F and M, whose errors would
show as motion, always stay in float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from lp_editor.errors import EngineError, OutputError
from lp_editor.files import make_folder
from lp_editor.liveportrait.fold_generator import FoldedGenerator
from lp_editor.liveportrait.fold_warp import FoldedEnd, FoldedHourglass, FoldedWarp
from lp_editor.liveportrait.nets.appearance import AppearanceExtractor
from lp_editor.liveportrait.nets.build import FEATURE, KEYPOINTS, VOLUME
from lp_editor.liveportrait.nets.generator import Generator
from lp_editor.liveportrait.nets.motion import MotionExtractor, RawMotion
from lp_editor.liveportrait.nets.warp import WarpingModule
from lp_editor.liveportrait.networks import Networks
from lp_editor.liveportrait.phases import Apart, Interleave

PRECISIONS: Mapping[str, str] = MappingProxyType({"openvino": "bf16", "openvino-f32": "f32"})
"""What ``--device`` may say, and the precision it means: the first is faster, the second exact."""

CONVERTED = 1
"""Raised whenever folding gives other networks."""

IMAGE, SIDE, TRACED = 256, 64, 8
"""Sides of the pictures, of the volume and the feature map, and of a feature map large enough to trace G on."""


def best_of_processor() -> str:
    """What ``--device cpu`` means here: ``openvino`` where the package is and the processor has bfloat16, else
    ``openvino-f32`` with the package, ``cpu-f32`` (folded networks in torch) without.

    By benchmarks/liveportrait.py on two cores: 3.4, 1.9 and 1.2 times as fast as the plain networks.
    """
    if find_spec("openvino") is None:
        return "cpu-f32"
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "openvino" if "BF16" in able else "openvino-f32"


def _own_steps(net: nn.Module) -> list[Any]:
    """Phases taken apart and put together by OpenVINO's own steps: what tracing makes of them takes longer."""
    from openvino import opset13
    from openvino.frontend.pytorch import ConversionExtension, ModuleExtension

    steps = {Interleave: opset13.depth_to_space, Apart: opset13.space_to_depth}
    found: dict[str, Any] = {}
    extensions = []
    for module in net.modules():
        if isinstance(module, Interleave | Apart):
            name = f"{type(module).__name__}{module.times}"
            extensions.append(ModuleExtension(module, name, evaluate=lambda m, x: m(x), convert=lambda _, to, x: to(x)))
            found[name] = ConversionExtension(name, _step(steps[type(module)], module.times))
    return [*extensions, *found.values()]


def _step(step: Any, times: int) -> Any:
    return lambda context: [step(context.get_input(0), "blocks_first", times).output(0)]


def _read(kept: Path) -> Any | None:
    """A converted network that was kept; None where there is none, or where it cannot be read."""
    import openvino

    if not kept.is_file():
        return None
    try:
        return openvino.Core().read_model(kept)
    except RuntimeError:
        return None


def _keep(model: Any, kept: Path) -> None:
    """Keep a converted network, its weights before its description; where that is not possible the next start converts again."""
    import openvino

    try:
        make_folder(kept.parent)
        with TemporaryDirectory(dir=kept.parent) as folder:
            made = Path(folder) / kept.name
            openvino.save_model(model, made, compress_to_fp16=False)
            for suffix in (".bin", ".xml"):
                made.with_suffix(suffix).replace(kept.with_suffix(suffix))
    except (OSError, RuntimeError, OutputError):
        return


class Compiled(nn.Module):
    """A network compiled for the processor, for inputs (1, *shape); tensors in, tensors out. A batch goes through one by
    one: it is as fast, and no result depends on its neighbours. ``kept`` is where the converted network is kept (.xml):
    converting takes much longer than reading."""

    def __init__(
        self,
        net: nn.Module,
        shape: tuple[int, ...],
        precision: str,
        traced: tuple[int, ...] = (),
        kept: Path | None = None,
    ) -> None:
        super().__init__()
        import openvino

        model = _read(kept) if kept else None
        if model is None:
            with warnings.catch_warnings(action="ignore"), torch.no_grad():  # of the tracer
                model = openvino.convert_model(
                    net.eval(), example_input=torch.zeros(1, *(traced or shape)),
                    input=openvino.PartialShape([1, *shape]), extension=_own_steps(net) or None,
                )  # fmt: skip
            if kept:
                _keep(model, kept)
        settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        self._run: Any = openvino.Core().compile_model(model, "CPU", settings)

    def forward(self, x: Tensor) -> Any:
        """One tensor, or as many as the network gives."""
        made = list(zip(*(self._one(one) for one in x.contiguous().chunk(len(x))), strict=True))
        whole = [torch.cat(parts) if len(parts) > 1 else parts[0] for parts in made]
        return whole[0] if len(whole) == 1 else tuple(whole)

    def _one(self, x: Tensor) -> list[Tensor]:
        request = self._run.create_infer_request()  # one a call: threads share the model, not the request
        return [torch.from_numpy(np.array(value)) for value in request.infer([x.numpy()]).values()]


class _Heads(nn.Module):
    """`MotionExtractor` with a tuple for its heads."""

    def __init__(self, M: MotionExtractor) -> None:
        super().__init__()
        self.M = M

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        raw = self.M(images)
        return tuple(getattr(raw, field.name) for field in fields(RawMotion))


class CompiledMotion(nn.Module):
    """`MotionExtractor`, compiled."""

    def __init__(self, M: MotionExtractor, kept: Path | None = None) -> None:
        super().__init__()
        self.heads = Compiled(_Heads(M), (3, IMAGE, IMAGE), "f32", kept=kept)

    def forward(self, images: Tensor) -> RawMotion:
        """See `MotionExtractor`."""
        return RawMotion(*self.heads(images))


def with_openvino(nets: Networks, precision: str = "bf16", kept: Path | None = None) -> Networks:
    """The networks compiled by OpenVINO. ``precision``, that of W and G, is ``bf16`` or ``f32``; ``kept`` a folder of these
    weights where converted networks are kept.

    Raises `EngineError` where the package is not installed.
    """
    _required()
    if not (isinstance(nets.W, WarpingModule) and isinstance(nets.G, Generator)):
        raise TypeError("these networks are folded already")
    seen = (KEYPOINTS + 1) * (nets.W.dense_motion_network.compress.out_channels + 1)
    at = {name: kept / f"{name}.xml" if kept else None for name in ("F", "M", "hourglass", "end", "G")}
    with torch.no_grad():
        hourglass = Compiled(
            FoldedHourglass(nets.W, VOLUME[1]), (seen, VOLUME[1], SIDE, SIDE), precision, kept=at["hourglass"]
        )
        end = Compiled(FoldedEnd(nets.W), (VOLUME[0] * VOLUME[1], SIDE, SIDE), precision, kept=at["end"])
        G = Compiled(
            FoldedGenerator(nets.G), (FEATURE, SIDE, SIDE), precision, traced=(FEATURE, TRACED, TRACED), kept=at["G"]
        )
    return replace(
        nets, W=FoldedWarp(nets.W, hourglass, end).eval(), G=G,
        F=cast(AppearanceExtractor, Compiled(nets.F, (3, IMAGE, IMAGE), "f32", kept=at["F"])),
        M=cast(MotionExtractor, CompiledMotion(nets.M, at["M"])),
    )  # fmt: skip


def version() -> str:
    """What a converted network depends on beside its weights. Raises `EngineError` where the package is not installed."""
    _required()
    import openvino

    return f"{CONVERTED}-{openvino.__version__}-{torch.__version__}".replace("+", "-")


def _required() -> None:
    if find_spec("openvino") is None:
        raise EngineError("--device openvino needs the package openvino; pip install openvino, or take cpu")
