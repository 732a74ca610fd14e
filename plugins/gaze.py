"""Turns the eyes: offsets to where they were filmed looking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lp_editor import Curve, Edit, Effect, Scene, hookimpl, knob


@dataclass(frozen=True)
class Gaze(Effect):
    """Turn the eyes away from where they were filmed looking: x to the person's left, y up; 1 is as far as they go."""

    name = "gaze"

    x: Curve = knob(0, low=-1, high=1, help="both eyes, to the person's left (the picture's right)")
    y: Curve = knob(0, low=-1, high=1, help="both eyes, up")
    left_x: Curve = knob(0, low=-1, high=1, help="added for the left eye")
    left_y: Curve = knob(0, low=-1, high=1, help="added for the left eye")
    right_x: Curve = knob(0, low=-1, high=1, help="added for the right eye")
    right_y: Curve = knob(0, low=-1, high=1, help="added for the right eye")

    def edit(self, scene: Scene) -> Edit:
        """Both eyes' offsets."""
        return Edit(
            controls={
                "gaze_x_left": self.x + self.left_x,
                "gaze_y_left": self.y + self.left_y,
                "gaze_x_right": self.x + self.right_x,
                "gaze_y_right": self.y + self.right_y,
            }
        )


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """The gaze."""
    return [Gaze]
