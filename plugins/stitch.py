"""Hides a jump cut, or bridges two shots: one face becomes the other over a few frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Literal

from lp_editor import (
    Crossing,
    Curve,
    Edit,
    Effect,
    JointEffect,
    Meeting,
    ParamError,
    Proposal,
    Scene,
    Signal,
    hookimpl,
    knob,
    option,
)

ANOTHER_PERSON = 0.82
"""Faces that look less alike than this are two people's."""

ONE_PERSON = 0.86
"""From this likeness on they are certainly one person's (see `lp_editor.Meeting`)."""

ANOTHER_SCENE, ONE_SCENE = 0.25, 0.5
"""How alike the pictures are that show two places, and at least where a joint is proposed."""

SMALL, LARGE = 0.008, 0.6
"""Face widths of a jump that is worth hiding, and of one that a stitch hides well."""

SHORTEST, LONGEST = 8, 36
"""Frames of a proposed joint."""

CALM, UNHURRIED = 0.8, 1.15
"""The part of the clips' own pace by which a face may move from one shot to the other; and that by which it may move in all,
the shots' own movement included. Half as much again is seen as a jump."""

NO_BETTER = 0.03
"""A longer joint has to be calmer by this part to be worth its frames."""


def _pace(pace: str, over: Curve, seconds: float) -> Signal:
    """How far over at each time: as keyed, else evenly or softly."""
    if not over.is_constant:
        return Signal(over.at)
    if pace == "soft":
        return Signal.window(0.0, 2 * seconds, seconds, seconds)
    return Signal(lambda t: t / seconds)


def _length(meeting: Meeting) -> int:
    """The frames of the shortest joint that is calm enough, else of the calmest."""
    known = {n: step for n, step in sorted(meeting.steps.items()) if SHORTEST <= n <= LONGEST}
    if not known:
        frames = ceil(meeting.apart / max(CALM * meeting.pace, 1e-4))
        return 2 * ceil(min(max(frames, SHORTEST), LONGEST) / 2)
    best = min(known)
    for frames, step in known.items():
        if known[best] <= UNHURRIED * meeting.pace:
            break
        if step < (1 - NO_BETTER) * known[best]:
            best = frames
    return best


def _seconds(frames: float, scene: Scene) -> float:
    if not 0 <= frames < 1000:
        raise ParamError(f"crossfade is a number of frames from 0, got {frames:g}")
    return frames / float(scene.rate)


@dataclass(frozen=True)
class _AcrossCut(JointEffect):
    """What a stitch and a bridge share: how one shot goes over into the other, and where that is refused."""

    over: Curve = knob(
        0, low=0, high=1, help="how far over to the next shot, keyed from 0 to 1; without keys as pace says"
    )
    light: Literal["match", "keep"] = option("match", help="match leads exposure and colour over too")
    crossfade: float = option(0.0, help="frames over which sound cut at the same place goes over; 0 leaves it alone")
    force: bool = option(False, help="also where person or scene are not the same")

    def refusal(self, meeting: Meeting) -> str:
        """Two people, or two scenes."""
        if self.force:
            return ""
        if meeting.likeness is not None and meeting.likeness < ANOTHER_PERSON:
            return f"the two sides show two people (likeness {meeting.likeness:.2f}, one person from {ONE_PERSON:g}); force=yes"
        if meeting.scene < ANOTHER_SCENE:
            return f"the two sides show two scenes (likeness {meeting.scene:.2f} of 1); force=yes joins them all the same"
        return ""


@dataclass(frozen=True)
class Stitch(_AcrossCut):
    """Hide a jump cut with a morph: both shots play on into their handles and become one another."""

    name = "stitch"

    pace: Literal["even", "soft"] = option("even", help="even moves the face at one speed, soft starts and ends gently")

    def edit(self, scene: Scene) -> Edit:
        """From the shot before the cut, 0, to the one after it, 1."""
        steady = self.pace == "even" and self.over.is_constant
        crossing = Crossing(True, _seconds(self.crossfade, scene), self.light == "match", steady)
        return Edit(blend=_pace(self.pace, self.over, scene.seconds), crossing=crossing)

    @classmethod
    def mark_cut(cls, meeting: Meeting) -> Proposal | None:
        """A jump cut: one person in one scene, a little elsewhere; as long as it takes at the pace of the clips."""
        if meeting.likeness is None or meeting.likeness < ONE_PERSON or meeting.scene < ONE_SCENE:
            return None
        if not max(SMALL, meeting.pace) < meeting.apart <= LARGE:
            return None
        return Proposal(0.0, _length(meeting) / float(meeting.rate))


@dataclass(frozen=True)
class Bridge(_AcrossCut):
    """Make new frames between two shots that do not meet in pose: one moves over into the other.

    Each shot plays to the cut and waits there, so no handles are needed; the frames around the cut become the bridge, and
    the cut stays as long as it is.
    """

    name = "bridge"

    pace: Literal["soft", "even"] = option("soft", help="soft starts and ends gently, even moves at one speed")

    def edit(self, scene: Scene) -> Edit:
        """From the last frames before the cut, 0, to the first after it, 1."""
        crossing = Crossing(False, _seconds(self.crossfade, scene), self.light == "match")
        return Edit(blend=_pace(self.pace, self.over, scene.seconds), crossing=crossing)


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """Stitch and bridge."""
    return [Stitch, Bridge]
