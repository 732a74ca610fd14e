"""Makes the picture of a face better: steadier in light, freer of noise, sharper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lp_editor import Curve, Edit, Effect, Finish, Scene, Signal, hookimpl, knob


@dataclass(frozen=True)
class Enhance(Effect):
    """Take flicker and noise off a face, and sharpen it; nothing else of the picture is touched."""

    name = "enhance"

    denoise: Curve = knob(0, low=0, high=1, help="how much noise goes; edges stay")
    sharpen: Curve = knob(0, low=0, high=1, help="how much crisper skin, hair and eyes get, without halos")
    deflicker: Curve = knob(
        0, low=0, high=1, help="how much of the flicker of its light goes, told from the frames around"
    )

    def edit(self, scene: Scene) -> Edit:
        """Each as strong as asked for."""
        asked: dict[Finish, Curve] = {
            "denoise": self.denoise, "sharpen": self.sharpen, "deflicker": self.deflicker,
        }  # fmt: skip
        return Edit(finish={name: Signal(curve.at) for name, curve in asked.items() if curve.bounds() != (0, 0)})


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """The enhancer."""
    return [Enhance]
