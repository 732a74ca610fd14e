"""The networks in half precision and as CUDA graphs, each only where it works: what fails here is left out.

F, W and G are halved, M and the keypoint networks, whose errors would show as motion, are not. A half precision picture
that is not finite, or far from the exact one (some cards give black ones), sends everything back to float32.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from threading import Lock
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from lp_editor.liveportrait.nets.build import KEYPOINTS
from lp_editor.liveportrait.nets.generator import Generator, SpectralConv2d
from lp_editor.liveportrait.networks import Networks

Pictures: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Volumes, keypoints at rest and driving keypoints to pictures: `Networks.pictures`."""

HALF_ERROR = 2e-2
"""Mean error of a picture in half precision that is borne (the golden data's tolerance)."""

WARM_UP = 3
"""Runs before a graph is recorded, in which libraries choose their kernels."""


def settled(nets: Networks) -> Networks:
    """The networks with G's spectral norms divided once instead of at every call."""
    assert isinstance(nets.G, Generator)
    G = deepcopy(nets.G)
    for parent in list(G.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SpectralConv2d):
                setattr(parent, name, _plain(child))
    return replace(nets, G=G.eval().requires_grad_(False))


def _plain(child: SpectralConv2d) -> nn.Conv2d:
    weight = child.weight()
    outside, inside, size, _ = weight.shape
    conv = nn.Conv2d(inside, outside, size, padding=child.padding, bias=child.bias is not None, device=weight.device)
    conv.weight.data = weight.detach().clone()
    if child.bias is not None:
        assert conv.bias is not None
        conv.bias.data = child.bias.detach().clone()
    return conv


def halved(nets: Networks) -> Networks:
    """The networks with F, W and G in float16; the ones given stay as they are."""
    return replace(
        nets, F=deepcopy(nets.F).half(), W=deepcopy(nets.W).half(), G=deepcopy(nets.G).half(), dtype=torch.float16
    )


def sound(exact: Networks, half: Networks) -> bool:
    """Whether half precision works on this device: its picture of a trial is finite, and near the exact one."""
    torch.manual_seed(0)
    image = nn.functional.interpolate(torch.rand(1, 3, 16, 16), size=(256, 256), mode="bicubic").clamp(0, 1)
    at_rest = exact.motion(image).kp
    driving = at_rest + 0.02 * torch.randn(1, KEYPOINTS, 3).to(at_rest.device)
    wanted = exact.pictures(exact.appearance(image), at_rest, driving)
    try:
        made = half.pictures(half.appearance(image), at_rest, driving)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # a card or a build without it
        return False
    return bool(torch.isfinite(made).all()) and float((made - wanted).abs().mean()) <= HALF_ERROR


def best_on_gpu(nets: Networks) -> Networks:
    """The networks in half precision where that is sound, else as they are."""
    exact = settled(nets)
    half = halved(exact)
    return half if sound(exact, half) else exact


class Graph:
    """One recording of a function of tensors, for the shapes it was recorded with, replayed on new ones."""

    def __init__(self, function: Pictures, *example: Tensor) -> None:
        self._inputs = [x.clone() for x in example]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = function(*self._inputs)

    def __call__(self, *rows: Tensor) -> Tensor:
        """The function's result, a tensor of its own."""
        for held, given in zip(self._inputs, rows, strict=True):
            held.copy_(given)
        self._graph.replay()
        return self._output.clone()


class Graphed:
    """Pictures through recorded graphs, one for each batch size; without graphs from the first failure on."""

    def __init__(self, pictures: Pictures, record: Callable[..., Any] = Graph) -> None:
        self._pictures, self._record = pictures, record
        self._graphs: dict[tuple[int, ...], Any] = {}
        self._works = True
        self._lock = Lock()  # a graph's tensors are its own: one call at a time

    @property
    def works(self) -> bool:
        """Whether graphs are recorded, as far as is known by now."""
        return self._works

    @torch.inference_mode()
    def __call__(self, volume: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        """See `Networks.pictures`."""
        with self._lock:
            graph = self._graph_of(volume, source, driving) if self._works else None
            return self._pictures(volume, source, driving) if graph is None else graph(volume, source, driving)

    def _graph_of(self, *rows: Tensor) -> Any:
        shape = tuple(rows[0].shape)
        if shape not in self._graphs:
            try:
                self._graphs[shape] = self._record(self._pictures, *rows)
            except torch.OutOfMemoryError:
                self._graphs.clear()
                raise
            except RuntimeError:  # what cannot be recorded here runs as it is
                self._works = False
                self._graphs.clear()
                return None
        return self._graphs[shape]
