"""One command for a machine with a GPU: parity, half precision, graphs, compilation, and milliseconds of each network.

    python benchmarks/gpu.py --golden DIR --weights DIR [--device cuda]

The line "engine" is what a render takes: half precision where it is sound, W and G recorded as one graph. The others say
whether it should take something else on this card. What does not run here says so and is left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import parity
import torch
from liveportrait import calls, inputs
from torch import Tensor

from lp_editor.errors import LpEditorError
from lp_editor.liveportrait import load_networks
from lp_editor.liveportrait.batches import LARGEST_ON_GPU
from lp_editor.liveportrait.fold import folded
from lp_editor.liveportrait.gpu import HALF_ERROR, Graphed, best_on_gpu, halved, settled
from lp_editor.liveportrait.networks import Networks


def milliseconds(call: Callable[[], Tensor], device: str, rounds: int = 20) -> float:
    """Of one call, when everything is warm."""
    for _ in range(3):
        call()
    _wait(device)
    start = perf_counter()
    for _ in range(rounds):
        call()
    _wait(device)
    return (perf_counter() - start) / rounds * 1000


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def compiled(nets: Networks) -> Networks:
    """W and G through ``torch.compile``, where it works."""
    W, G = (torch.compile(net, mode="reduce-overhead") for net in (nets.W, nets.G))
    return replace(nets, W=W, G=G)  # type: ignore[arg-type]


def report(name: str, nets: Networks, plain: Networks, device: str) -> None:
    """Print one path's milliseconds and its picture's error."""
    try:
        at = inputs(plain)
        wanted = plain.pictures(at.volume, at.source, at.driving)
        made = nets.pictures(at.volume, at.source, at.driving)
        times = "  ".join(f"{n} {milliseconds(call, device):7.2f} ms" for n, call in calls(nets, at).items())
    except RuntimeError as error:  # a card without half precision, a compiler that is not there
        print(f"{name:<22} does not run here: {str(error).splitlines()[0][:120]}")
        return
    print(f"{name:<22} {times}  {errors(made, wanted)}")


def errors(made: Tensor, wanted: Tensor) -> str:
    """How far a picture is from the exact one."""
    apart = (made - wanted).abs()
    sound = "" if torch.isfinite(made).all() else "  NOT FINITE: take float32 on this card"
    return f"error mean {float(apart.mean()):.1e} max {float(apart.max()):.1e} (half: {HALF_ERROR:.0e} mean){sound}"


def engine(plain: Networks, device: str) -> None:
    """Print what a render takes: its milliseconds a picture at each batch size."""
    nets = best_on_gpu(plain)
    pictures = Graphed(nets.pictures)
    at = inputs(plain)
    wanted = plain.pictures(at.volume, at.source, at.driving)
    size = LARGEST_ON_GPU
    while size:
        rows = [x.expand(size, *x.shape[1:]).contiguous() for x in (nets.appearance(at.image), at.source, at.driving)]
        try:
            took = milliseconds(partial(pictures, *rows), device) / size
        except torch.OutOfMemoryError:
            print(f"engine, {size} at once      memory does not hold them: a render halves its batches")
        else:
            print(f"engine, {size} at once      {took:7.2f} ms a picture  {errors(pictures(*rows)[:1], wanted)}")
        size //= 2
    print(f"engine: {nets.dtype}, graphs {'recorded' if pictures.works else 'not possible here'}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    parser.add_argument("--weights", type=Path, required=True, metavar="DIR")
    parser.add_argument("--device", default="cuda")
    asked = parser.parse_args(arguments)
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        plain = load_networks(asked.weights, asked.device)
        results = parity.run(asked.golden, plain)
    except LpEditorError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 2
    failed = [r for r in results if not r.ok]
    for r in failed:
        print(f"FAIL  {r.case}  {r.error:.2e} of {r.limit:.0e}")
    print(f"parity in float32: {len(results)} cases, {len(failed)} failed")
    report("float32", plain, plain, asked.device)
    report("float32 folded", folded(plain), plain, asked.device)
    half = halved(settled(plain))
    report("half", half, plain, asked.device)
    report("half folded", halved(folded(plain)), plain, asked.device)
    report("half compiled", compiled(half), plain, asked.device)
    engine(plain, asked.device)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
