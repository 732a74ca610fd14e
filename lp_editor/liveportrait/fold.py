"""The same networks with their constants worked in: equal but for rounding, and cheaper."""

from __future__ import annotations

from dataclasses import replace

import torch

from lp_editor.liveportrait.fold_generator import FoldedGenerator
from lp_editor.liveportrait.fold_warp import FoldedEnd, FoldedHourglass, FoldedWarp
from lp_editor.liveportrait.nets.generator import Generator
from lp_editor.liveportrait.nets.warp import WarpingModule
from lp_editor.liveportrait.networks import Networks


@torch.no_grad()
def folded(nets: Networks) -> Networks:
    """The networks with W and G folded. Raises TypeError for networks that are folded already."""
    if not (isinstance(nets.W, WarpingModule) and isinstance(nets.G, Generator)):
        raise TypeError("these networks are folded already")
    depth = nets.F.volume[1]
    W = FoldedWarp(nets.W, FoldedHourglass(nets.W, depth), FoldedEnd(nets.W))
    return replace(nets, W=W.eval(), G=FoldedGenerator(nets.G).eval())
