"""S and R, the stitching and retargeting networks: small stacks of linear layers on keypoints (section 3.2)."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class KeypointNet(nn.Module):
    """Linear layers with ReLUs between."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.mlp = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, first width) to (B, last width)."""
        out: Tensor = self.mlp(x)
        return out
