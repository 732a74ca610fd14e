"""Seconds a frame of each LivePortrait network on each path, against plain eager float32 in the same run, with errors.

    python benchmarks/liveportrait.py --weights DIR [--rounds N] [--threads N] [--paths folded openvino-f32 openvino-bf16]

Paths are timed pair by pair with the plain one, the best of ``--rounds``, so that a busy machine hurts both alike. Errors are
those of the network alone on equal input: largest, and PSNR against the range of the plain result.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor

from lp_editor.errors import LpEditorError
from lp_editor.liveportrait import load_networks
from lp_editor.liveportrait.fast import with_openvino
from lp_editor.liveportrait.fold import folded
from lp_editor.liveportrait.networks import Networks

PATHS: Mapping[str, Callable[[Networks], Networks]] = {
    "folded": folded,
    "openvino-f32": lambda nets: with_openvino(nets, "f32"),
    "openvino-bf16": lambda nets: with_openvino(nets, "bf16"),
}


@dataclass(frozen=True)
class Inputs:
    """What the networks are timed on."""

    image: Tensor
    volume: Tensor
    source: Tensor
    driving: Tensor
    feature: Tensor


def inputs(nets: Networks) -> Inputs:
    """A smooth picture, and what the networks make of it."""
    torch.manual_seed(0)
    image = torch.nn.functional.interpolate(torch.rand(1, 3, 16, 16), size=(256, 256), mode="bicubic").clamp(0, 1)
    volume, held = nets.appearance(image), nets.motion(image)
    driving = held.kp + 0.02 * torch.randn(held.kp.shape)
    return Inputs(image, volume, held.kp, driving, nets.warp(volume, held.kp, driving).feature)


def calls(nets: Networks, at: Inputs) -> dict[str, Callable[[], Tensor]]:
    """What is timed."""
    return {
        "F": lambda: nets.appearance(at.image),
        "M": lambda: nets.motion(at.image).exp,
        "W": lambda: nets.warp(at.volume, at.source, at.driving).feature,
        "G": lambda: nets.generate(at.feature),
    }


def timed(call: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Seconds, and the result."""
    start = perf_counter()
    result = call()
    return perf_counter() - start, result


def compare(path: str, plain: Networks, other: Networks, at: Inputs, rounds: int) -> None:
    """Print one path's lines."""
    ours, base = calls(other, at), calls(plain, at)
    total = {"plain": 0.0, path: 0.0}
    for name in ("F", "M", "W", "G"):
        shared = getattr(other, name) is getattr(plain, name)
        best = [float("inf"), float("inf")]
        for _ in range(rounds):
            seconds, wanted = timed(base[name])
            best[0] = min(best[0], seconds)
            seconds, made = (seconds, wanted) if shared else timed(ours[name])
            best[1] = min(best[1], seconds)
        if name != "F":  # of a still source F runs once
            total["plain"] += best[0]
            total[path] += best[1]
        error = float((made.float() - wanted.float()).abs().max())
        mse = float(((made.float() - wanted.float()) ** 2).mean())
        psnr = 10 * float(torch.log10((wanted.max() - wanted.min()) ** 2 / mse)) if mse else float("inf")
        print(
            f"{path:<14} {name}  plain {best[0]:7.3f} s  {best[1]:7.3f} s  x{best[0] / best[1]:5.2f}  max {error:.1e}  {psnr:6.1f} dB"
        )
    print(f"{path:<14} M+W+G  x{total['plain'] / total[path]:.2f} a frame of a driven still")
    end_to_end(path, plain, other, at)


def end_to_end(path: str, plain: Networks, other: Networks, at: Inputs) -> None:
    """Print how far the pictures are apart when W feeds G on each path."""
    pictures = [nets.generate(nets.warp(at.volume, at.source, at.driving).feature) for nets in (plain, other)]
    apart = pictures[0] - pictures[1]
    mse = float((apart**2).mean())
    psnr = 10 * float(torch.log10(torch.tensor(1 / mse))) if mse else float("inf")
    print(f"{path:<14} pictures: max {float(apart.abs().max()):.1e}, {psnr:.1f} dB of full range")


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the paths asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--paths", nargs="+", choices=PATHS, default=list(PATHS))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    try:
        plain = load_networks(asked.weights)
        at = inputs(plain)
        for path in asked.paths:
            compare(path, plain, PATHS[path](plain), at, asked.rounds)
    except LpEditorError as error:
        print(f"liveportrait: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
