"""One command for a machine with a GPU: parity, half precision, compilation, and milliseconds of each network.

python benchmarks/gpu.py --golden DIR --weights DIR [--device cuda]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import parity
import torch
from liveportrait import calls, inputs

from lp_editor.errors import LpEditorError
from lp_editor.liveportrait import load_networks
from lp_editor.liveportrait.fold import folded
from lp_editor.liveportrait.networks import Networks

HALF = 2e-2
"""Of the picture in half precision (golden/README.md)."""


def milliseconds(nets: Networks, device: str, rounds: int = 20) -> dict[str, float]:
    """Of each network, a batch of one."""
    found = {}
    for name, call in calls(nets, inputs(nets)).items():
        for _ in range(3):
            call()
        _wait(device)
        start = perf_counter()
        for _ in range(rounds):
            call()
        _wait(device)
        found[name] = (perf_counter() - start) / rounds * 1000
    return found


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
        wanted = plain.generate(plain.warp(at.volume, at.source, at.driving).feature)
        made = nets.generate(nets.warp(at.volume, at.source, at.driving).feature)
        apart = float((made - wanted).abs().mean()), float((made - wanted).abs().max())
        times = "  ".join(f"{n} {ms:7.2f} ms" for n, ms in milliseconds(nets, device).items())
    except RuntimeError as error:  # a card without half precision, a compiler that is not there
        print(f"{name:<22} does not run here: {str(error).splitlines()[0][:120]}")
        return
    sound = "" if torch.isfinite(made).all() else "  NOT FINITE: take float32 on this card"
    print(f"{name:<22} {times}  error mean {apart[0]:.1e} max {apart[1]:.1e} (half: {HALF:.0e}){sound}")


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
        half = folded(load_networks(asked.weights, asked.device, torch.float16))
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
    report("half folded", half, plain, asked.device)
    report("half folded compiled", compiled(half), plain, asked.device)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
