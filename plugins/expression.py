"""Changes the expression of a face: every control but the gaze, both sides together or each by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lp_editor import REGIONS, Curve, Edit, Effect, Scene, Signal, Target, hookimpl, knob

PAIRS = {
    "smile": ("smile",),
    "frown": ("frown",),
    "blink": ("blink",),
    "brow": ("brow_inner", "brow_outer"),
    "brow_inner": ("brow_inner",),
    "brow_outer": ("brow_outer",),
}
"""Parameters with two sides, and the controls (without their side) that each of them moves."""

SINGLE = (
    "mouth_open", "funnel", "pucker", "press", "stretch", "lip_tuck", "mouth_x", "mouth_y", "squint", "cheek", "sneer",
    "pitch", "yaw", "roll", "shift_x", "shift_y", "scale",
)  # fmt: skip
"""Parameters that are one control of the same name."""


@dataclass(frozen=True)
class Expression(Effect):
    """Change the expression: smile, brows, lids, mouth, head. Added to what was filmed; 0 leaves it alone."""

    name = "expression"

    smile: Curve = knob(0, low=-1, high=1, help="corners of the mouth up and out")
    smile_left: Curve = knob(0, low=-1, high=1, help="added on the left side")
    smile_right: Curve = knob(0, low=-1, high=1, help="added on the right side")
    frown: Curve = knob(0, low=-1, high=1, help="corners of the mouth down")
    frown_left: Curve = knob(0, low=-1, high=1, help="added on the left side")
    frown_right: Curve = knob(0, low=-1, high=1, help="added on the right side")
    brow: Curve = knob(0, low=-1, high=1, help="brows up, negative down")
    brow_left: Curve = knob(0, low=-1, high=1, help="added on the left side")
    brow_right: Curve = knob(0, low=-1, high=1, help="added on the right side")
    brow_inner: Curve = knob(0, low=-1, high=1, help="inner ends of the brows up, negative down")
    brow_inner_left: Curve = knob(0, low=-1, high=1, help="added on the left side")
    brow_inner_right: Curve = knob(0, low=-1, high=1, help="added on the right side")
    brow_outer: Curve = knob(0, low=-1, high=1, help="outer ends of the brows up, negative down")
    brow_outer_left: Curve = knob(0, low=-1, high=1, help="added on the left side")
    brow_outer_right: Curve = knob(0, low=-1, high=1, help="added on the right side")
    blink: Curve = knob(0, low=-1, high=1, help="lids closed, negative wide open")
    blink_left: Curve = knob(0, low=-1, high=1, help="added on the left side")
    blink_right: Curve = knob(0, low=-1, high=1, help="added on the right side")
    squint: Curve = knob(0, low=0, high=1, help="lower lids tightened")
    cheek: Curve = knob(0, low=0, high=1, help="cheeks raised")
    sneer: Curve = knob(0, low=0, high=1, help="nose wrinkled")
    mouth_open: Curve = knob(0, low=0, high=1, help="jaw dropped")
    funnel: Curve = knob(0, low=0, high=1, help="lips open and pushed out, as in 'oh'")
    pucker: Curve = knob(0, low=0, high=1, help="lips drawn together, as in 'oo'")
    press: Curve = knob(0, low=0, high=1, help="lips pressed on each other")
    stretch: Curve = knob(0, low=0, high=1, help="corners of the mouth straight out")
    lip_tuck: Curve = knob(0, low=0, high=1, help="lower lip under the upper teeth, as in F")
    mouth_x: Curve = knob(0, low=-1, high=1, help="mouth to the person's left")
    mouth_y: Curve = knob(0, low=-1, high=1, help="mouth up")
    pitch: Curve = knob(0, low=-30, high=30, unit="degrees", help="head looks up")
    yaw: Curve = knob(0, low=-30, high=30, unit="degrees", help="head turns to the person's left")
    roll: Curve = knob(0, low=-30, high=30, unit="degrees", help="head tilts to the person's left shoulder")
    shift_x: Curve = knob(0, low=-0.5, high=0.5, unit="face widths", help="face moves right in the picture")
    shift_y: Curve = knob(0, low=-0.5, high=0.5, unit="face widths", help="face moves up in the picture")
    scale: Curve = knob(0, low=-0.3, high=0.3, help="face grows by this part of its size")
    close_mouth: Curve = knob(0, low=0, high=1, help="how firmly the lips are brought together")
    neutral: Curve = knob(0, low=0, high=1, help="first take the filmed expression away, 1 all of it")

    def edit(self, scene: Scene) -> Edit:
        """Offsets for every control, the closed mouth as a target, the neutral face by region."""
        controls: dict[str, Signal] = {name: getattr(self, name) for name in SINGLE}
        for parameter, moved in PAIRS.items():
            both: Signal = getattr(self, parameter)
            for side in ("left", "right"):
                value = both + getattr(self, f"{parameter}_{side}")
                for control in (f"{name}_{side}" for name in moved):
                    controls[control] = controls[control] + value if control in controls else value
        return Edit(
            controls=controls,
            targets={"lip_opening": Target(Signal.constant(0), self.close_mouth)},
            neutralise={region: self.neutral for region in REGIONS if region not in ("gaze", "pose")},
        )


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """The expression."""
    return [Expression]
