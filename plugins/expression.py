"""Changes the expression of a face: every control but the gaze, both sides together or each by itself.

In this order: the filmed expression is taken away as far as asked (all of it or by region), the parameters are added, and
last eyes and lips are drawn to the openings that are given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lp_editor import Curve, Edit, Effect, Region, Scene, Signal, Target, hookimpl, knob

PAIRS = {
    "smile": ("smile",),
    "frown": ("frown",),
    "blink": ("blink",),
    "brow": ("brow_inner", "brow_outer"),
    "brow_inner": ("brow_inner",),
    "brow_outer": ("brow_outer",),
    "squint": ("squint",),
    "cheek": ("cheek",),
    "sneer": ("sneer",),
}
"""Parameters with two sides, and the controls (without their side) that each of them moves."""

SINGLE = (
    "mouth_open", "funnel", "pucker", "press", "stretch", "lip_tuck", "mouth_x", "mouth_y",
    "pitch", "yaw", "roll", "shift_x", "shift_y", "scale",
)  # fmt: skip
"""Parameters that are one control of the same name."""

CALMED: tuple[Region, ...] = ("mouth", "eyes", "brows", "cheeks", "nose")
"""What is neutralised: the look and the head are no expression."""


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
    squint_left: Curve = knob(0, low=0, high=1, help="added on the left side")
    squint_right: Curve = knob(0, low=0, high=1, help="added on the right side")
    cheek: Curve = knob(0, low=0, high=1, help="cheeks raised")
    cheek_left: Curve = knob(0, low=0, high=1, help="added on the left side")
    cheek_right: Curve = knob(0, low=0, high=1, help="added on the right side")
    sneer: Curve = knob(0, low=0, high=1, help="nose wrinkled")
    sneer_left: Curve = knob(0, low=0, high=1, help="added on the left side")
    sneer_right: Curve = knob(0, low=0, high=1, help="added on the right side")
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
    eyes_open: Curve | None = knob(
        None, low=0, high=1.5, help="how open the eyes are: 0 closed, 0.5 half, 1 wide awake for this person"
    )
    eyes_open_left: Curve | None = knob(None, low=0, high=1.5, help="the left eye, if not as the other")
    eyes_open_right: Curve | None = knob(None, low=0, high=1.5, help="the right eye, if not as the other")
    eyes_ratio: Curve | None = knob(
        None, low=0, high=0.6, unit="eye widths", help="the same as a measured gap, as `faces --json` has it"
    )
    eyes_weight: Curve = knob(1, low=0, high=1, help="how much the openings of the eyes count")
    lips_open: Curve | None = knob(
        None, low=0, high=1.5, help="how open the lips are: 0 closed, 1 as wide as this person opens them"
    )
    lips_ratio: Curve | None = knob(
        None, low=0, high=0.4, unit="face widths", help="the same as a measured gap, as `faces --json` has it"
    )
    lips_weight: Curve = knob(1, low=0, high=1, help="how much the opening of the lips counts")
    close_mouth: Curve = knob(
        0, low=0, high=1, help="how firmly the lips are brought together, short for the two above"
    )
    neutral: Curve = knob(0, low=0, high=1, help="first take the filmed expression away, 1 all of it")
    neutral_mouth: Curve = knob(0, low=-1, high=1, help="added for the mouth; -1 leaves it as filmed")
    neutral_eyes: Curve = knob(0, low=-1, high=1, help="added for the lids")
    neutral_brows: Curve = knob(0, low=-1, high=1, help="added for the brows")
    neutral_cheeks: Curve = knob(0, low=-1, high=1, help="added for the cheeks")
    neutral_nose: Curve = knob(0, low=-1, high=1, help="added for the nose")

    def edit(self, scene: Scene) -> Edit:
        """Offsets for every control, openings as targets, the neutral face by region."""
        controls: dict[str, Signal] = {name: getattr(self, name) for name in SINGLE}
        for parameter, moved in PAIRS.items():
            both: Signal = getattr(self, parameter)
            for side in ("left", "right"):
                value = both + getattr(self, f"{parameter}_{side}")
                for control in (f"{name}_{side}" for name in moved):
                    controls[control] = controls[control] + value if control in controls else value
        return Edit(
            controls=controls,
            targets={**self._eyes(), **self._lips()},
            neutralise={r: (self.neutral + getattr(self, f"neutral_{r}")).clipped(0, 1) for r in CALMED},
        )

    def _eyes(self) -> dict[str, Target]:
        """The openings of the eyes that are given, each side its own or that of both."""
        sides = (("left", self.eyes_open_left), ("right", self.eyes_open_right))
        asked = {f"eye_opening_{side}": own or self.eyes_open for side, own in sides}
        asked |= {f"eye_ratio_{side}": self.eyes_ratio for side, _ in sides}
        return {name: Target(value, self.eyes_weight) for name, value in asked.items() if value is not None}

    def _lips(self) -> dict[str, Target]:
        """The opening of the lips; closing the mouth draws it to 0."""
        found: dict[str, Target] = {"lip_opening": Target(Signal.constant(0), self.close_mouth)}
        if self.lips_open is not None:
            shut, weight = self.close_mouth, self.lips_weight
            firm = Signal(lambda t: 1 - (1 - weight.at(t)) * (1 - shut.at(t)))
            found["lip_opening"] = Target(self.lips_open * (1 - shut), firm)
        if self.lips_ratio is not None:
            found["lip_ratio"] = Target(self.lips_ratio, self.lips_weight)
        return found


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """The expression."""
    return [Expression]
