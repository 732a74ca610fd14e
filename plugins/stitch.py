"""Hides a jump cut: one face becomes the other over a few frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lp_editor import Edit, Effect, JointEffect, Scene, Signal, hookimpl, option


@dataclass(frozen=True)
class Stitch(JointEffect):
    """Hide a jump cut with a morph: both shots play on into their handles and become one another."""

    name = "stitch"

    pace: Literal["even", "soft"] = option("even", help="even blends at one speed, soft starts and ends gently")

    def edit(self, scene: Scene) -> Edit:
        """From the shot before the cut, 0, to the one after it, 1."""
        if self.pace == "soft":
            return Edit(blend=Signal.window(0.0, 2 * scene.seconds, scene.seconds, scene.seconds))
        return Edit(blend=Signal(lambda t: t / scene.seconds))


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """The stitch."""
    return [Stitch]
