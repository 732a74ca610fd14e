"""Makes a mouth say something: the clip's own sound, another sound file, a text, or a text that a voice speaks.

The speech is read once into five curves with few keys (how far the lips part, pressed, wide, round, tucked), which lie
in the mark and can be edited. The filmed mouth is stilled first; jaw and cheeks follow the lips.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lp_editor import Curve, Edit, Effect, ParamError, Scene, Signal, Speech, Target, fitted, hookimpl, knob, option

SHAPES: Mapping[str, Mapping[str, float]] = {
    "round": {"ou": 1.0, "oh": 0.6, "CH": 0.55, "RR": 0.4},
    "wide": {"ih": 0.7, "SS": 0.6, "E": 0.5, "DD": 0.25, "TH": 0.2, "nn": 0.2, "aa": 0.15},
    "tuck": {"FF": 1.0},
    "close": {"PP": 1.0},
}
"""How far each viseme takes each curve; those not named leave it at 0."""

MOVES: Mapping[str, Mapping[str, float]] = {
    "open": {"mouth_open": 1.0},
    "round": {"pucker": 0.55, "funnel": 0.35},
    "wide": {"stretch": 0.45, "cheek_left": 0.1, "cheek_right": 0.1},
    "tuck": {"lip_tuck": 0.8},
    "close": {"press": 0.25},
}
"""How far a curve at 1 moves each control."""

WIDEST, FASTEST, BRISK = 0.67, 8.0, 5.0
"""Of real mouths: the widest opening, the greatest speed a second, and the speed that 5 % lie above at most."""

FACE = 1.35
"""The phone table to a face: 5 % of a real speaker's openings lie above 0.56, of the table's curves above 0.41."""

TOLERANCE = 0.05
"""Keys follow the measured curve this closely."""

SHUT = 0.06
"""An opening below that is taken for closed lips, the more the nearer it is to 0."""

RATE = 100
"""Samples of speech a second."""


@dataclass(frozen=True)
class LipSync(Effect):
    """Let the mouth say something: the clip's own sound, another sound=FILE, or text=WORDS at a speaking rate."""

    name = "lip_sync"
    needs = frozenset({"speech"})

    hears: Literal["auto", "clip", "file", "text", "voice"] = option(
        "auto", help="what is said: sound=FILE if given, text by a voice if given, else the clip's sound, else the text"
    )
    sound: str = option("", help="a sound file that takes the place of the clip's sound")
    text: str = option("", help="the words, or a .txt file of them; with sound they make the mouth more exact")
    language: str = option("en", help="the language: en, de, es, fr, cmn, …")
    voice: str = option("", help="a voice of espeak-ng that says the text (en-us, de, …); an extra: lp-editor[voice]")
    pace: float = option(1.0, help="of a text without sound: 1 is about 170 words a minute")
    offset: int = option(0, help="frames by which the mouth, and new sound with it, is later")
    emphasis: str = option("", help="how strongly single words are said: 'never=1.4 maybe=0.6 #3=1.2'")
    strength: Curve = knob(1, low=0, high=1.5, help="how far the mouth goes")
    still: Curve = knob(1, low=0, high=1, help="how much of the filmed mouth is taken away first")
    open: Curve = knob(0, low=0, high=1, help="how far the lips part; keyed by the speech unless keys are given")
    close: Curve = knob(0, low=0, high=1, help="lips pressed on each other: M, B, P")
    wide: Curve = knob(0, low=0, high=1, help="corners out: ee, s")
    round: Curve = knob(0, low=0, high=1, help="lips forward: oo, sh")
    tuck: Curve = knob(0, low=0, high=1, help="lower lip under the teeth: F, V")

    def keyed(self, scene: Scene) -> Mapping[str, Curve]:
        """The five curves, keyed by what is said; none without speech."""
        if scene.speech is None:
            return {}
        speech, late = scene.speech, self.offset / float(scene.rate)
        loud = _loudness(speech, self.emphasis)
        opening, shut = opened(speech, loud, float(1 / scene.rate))
        edges = [t / RATE for a, b in shut for t in (a, b)]
        times = np.arange(len(opening)) / RATE
        curves = {"open": fitted(times + late, opening, TOLERANCE, [t + late for t in edges])}
        for name, shape in SHAPES.items():
            curves[name] = _shaped(speech, shape, shut if name == "close" else None, late)
        return curves

    def edit(self, scene: Scene) -> Edit:
        """The keys of the mark, or those of the speech, as controls; closed lips as a target; the filmed mouth stilled."""
        own = {name: getattr(self, name) for name in MOVES}
        given = any(not curve.is_constant for curve in own.values())
        curves: Mapping[str, Curve] = own if given or scene.speech is None else self.keyed(scene)
        controls: dict[str, Signal] = {}
        for name, moved in MOVES.items():
            for control, weight in moved.items():
                controls[control] = curves[name] * self.strength * weight
        return Edit(
            controls=controls,
            targets={"lip_opening": Target(Signal.constant(0), _shut(curves["open"], curves["close"]) * self.still)},
            neutralise={"mouth": self.still, "cheeks": self.still},
        )


def _shut(opening: Signal, close: Signal) -> Signal:
    """How firmly the lips are held together: fully where the opening is 0, even if they were filmed apart."""
    return Signal(lambda t: np.maximum(np.clip(1 - opening.at(t) / SHUT, 0, 1), close.at(t)))


def opened(
    speech: Speech, loud: NDArray[np.float64], frame: float
) -> tuple[NDArray[np.float64], list[tuple[int, int]]]:
    """The opening of the lips at 100 Hz, (N,), within what real mouths do; and the closures, first and last samples.

    ``loud`` (N,) scales it; a closure is at least a ``frame`` (seconds) long, so that one frame shows it.
    """
    curve = np.clip(speech.openness * loud * FACE, 0, WIDEST)
    shut = _closures(speech, len(curve), frame)
    for a, b in shut:
        curve[a : b + 1] = 0.0
    for speed in np.linspace(FASTEST, BRISK, 4):
        slowed = _slowed(curve, float(speed))
        if len(slowed) < 2 or np.percentile(np.abs(np.diff(slowed)) * RATE, 95) <= BRISK + 1e-6:
            break
    return slowed, shut


def _closures(speech: Speech, count: int, frame: float) -> list[tuple[int, int]]:
    """First and last sample of every closure, those that touch made one."""
    found: list[tuple[int, int]] = []
    for viseme in speech.visemes:
        if viseme.name != "PP" or viseme.opening > 0:
            continue
        middle, half = (viseme.start + viseme.stop) / 2, max(viseme.stop - viseme.start, frame) / 2
        a, b = max(int((middle - half) * RATE), 0), min(int(np.ceil((middle + half) * RATE)), count - 1)
        if found and a <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(b, found[-1][1]))
        elif b >= a:
            found.append((a, b))
    return found


def _slowed(curve: NDArray[np.float64], speed: float) -> NDArray[np.float64]:
    """The greatest curve below this one that never moves faster than ``speed`` a second: closures stay exact."""
    out, step = curve.copy(), speed / RATE
    for i in range(1, len(out)):
        out[i] = min(out[i], out[i - 1] + step)
    for i in range(len(out) - 2, -1, -1):
        out[i] = min(out[i], out[i + 1] + step)
    return out


def _shaped(speech: Speech, shape: Mapping[str, float], shut: list[tuple[int, int]] | None, late: float) -> Curve:
    """A curve through the middles of the visemes: one goes over into the next, as lips do."""
    if shut is not None:
        rise = 1 / FASTEST / 2
        points = [
            (t, v)
            for a, b in shut
            for t, v in ((a / RATE - rise, 0.0), (a / RATE, 1.0), (b / RATE, 1.0), (b / RATE + rise, 0.0))
        ]
    else:
        points = [((v.start + v.stop) / 2, shape.get(v.name, 0.0)) for v in speech.visemes]
    ordered: dict[float, float] = {}
    for time, value in sorted(points):
        moment = round(max(time + late, 0.0), 3)
        ordered[moment] = max(value, ordered.get(moment, 0.0))
    if not any(ordered.values()):
        return Curve.constant(0)
    return fitted(list(ordered), list(ordered.values()), TOLERANCE)


def _loudness(speech: Speech, emphasis: str) -> NDArray[np.float64]:
    """How strongly each hundredth of a second is said, (N,): words' own strengths, gone over into one another."""
    loud = np.ones(len(speech.openness))
    for number, value in _strengths(emphasis, speech.words).items():
        for viseme in speech.visemes:
            if viseme.word == number:
                loud[round(viseme.start * RATE) : round(viseme.stop * RATE)] = value
    if emphasis and len(loud):
        window = np.hanning(13)[1:-1] / np.hanning(13).sum()
        loud = np.convolve(np.pad(loud, 5, mode="edge"), window, "valid")
    return loud


def _strengths(emphasis: str, words: tuple[str, ...]) -> dict[int, float]:
    """The strength of each word by its number, from ``never=1.4 #3=0.5``. Raises `ParamError`."""
    found: dict[int, float] = {}
    for part in emphasis.replace(",", " ").split():
        name, sign, number = part.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not sign or not 0 <= value <= 3:
            raise ParamError(f"emphasis takes WORD=0..3, like 'never=1.4 #3=0.5', got {part!r}")
        at = [i for i, word in enumerate(words) if word.lower() == name.lower() or f"#{i + 1}" == name]
        if not at:
            known = "the words are: " + " ".join(words) if words else "no words are known; say text=WORDS"
            raise ParamError(f"emphasis: no word {name!r}; {known}")
        found |= dict.fromkeys(at, value)
    return found


@hookimpl
def lp_effects() -> Iterable[type[Effect]]:
    """The lip sync."""
    return [LipSync]
