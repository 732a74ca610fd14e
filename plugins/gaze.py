"""Turns the eyes: away from where they were filmed looking, or to where they should look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lp_editor import Curve, Edit, Effect, Scene, Target, hookimpl, knob


@dataclass(frozen=True)
class Gaze(Effect):
    """Turn the eyes: x to the person's left, y up, 1 is as far as they go; or, by contact, into the lens."""

    name = "gaze"

    x: Curve = knob(0, low=-1, high=1, help="both eyes, to the person's left (the picture's right)")
    y: Curve = knob(0, low=-1, high=1, help="both eyes, up")
    left_x: Curve = knob(0, low=-1, high=1, help="added for the left eye")
    left_y: Curve = knob(0, low=-1, high=1, help="added for the left eye")
    right_x: Curve = knob(0, low=-1, high=1, help="added for the right eye")
    right_y: Curve = knob(0, low=-1, high=1, help="added for the right eye")
    contact: Curve = knob(0, low=0, high=1, help="how much of the way the eyes go to where contact_x and contact_y say")
    contact_x: Curve = knob(0, low=-40, high=40, unit="degrees", help="0 into the lens, + past it to the person's left")
    contact_y: Curve = knob(0, low=-30, high=30, unit="degrees", help="0 into the lens, + over it")

    def edit(self, scene: Scene) -> Edit:
        """Both eyes' offsets, and the lens as a target."""
        return Edit(
            controls={
                "gaze_x_left": self.x + self.left_x,
                "gaze_y_left": self.y + self.left_y,
                "gaze_x_right": self.x + self.right_x,
                "gaze_y_right": self.y + self.right_y,
            },
            targets={
                "gaze_direction_x": Target(self.contact_x, self.contact),
                "gaze_direction_y": Target(self.contact_y, self.contact),
            },
        )


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """The gaze."""
    return [Gaze]
