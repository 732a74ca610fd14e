"""How far the lips part over time, and the visemes, from phones: smoothed as muscles do, closures kept exact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lp_editor.speech.phones import articulation
from lp_editor.utterance import RATE, SILENCE, Phone, Viseme

SMOOTH_SECONDS = 0.2
"""Length of the Hann window: sounds colour their neighbours over about that (lip sync notes)."""

FRAME_SECONDS = 0.04
"""A closure is held at least this long, a frame at 25 a second, so that one is seen."""


def openness(phones: Sequence[Phone], seconds: float) -> NDArray[np.float64]:
    """The curve at 100 Hz from time 0, (seconds × 100,), 0..0.8; closures are 0 and at least a frame long."""
    count = round(seconds * RATE)
    times = np.arange(count) / RATE
    steps = np.zeros(count)
    for phone in phones:
        a, b = np.searchsorted(times, [phone.start, phone.stop])
        first, last = articulation(phone.name).opening
        length = max(phone.stop - phone.start, 1e-6)
        steps[a:b] = first + (last - first) * (times[a:b] - phone.start) / length
    curve = smoothed(steps)
    for a, b in closures(phones):
        curve[(times >= a) & (times < b)] = 0.0
    return curve


def smoothed(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve under a Hann window of `SMOOTH_SECONDS`, its ends held; same shape."""
    if not len(steps):
        return steps
    size = round(SMOOTH_SECONDS * RATE)
    window = np.hanning(size + 2)[1:-1]
    padded = np.pad(steps, (size // 2, size - size // 2 - 1), mode="edge")
    return np.convolve(padded, window / window.sum(), "valid")


def closures(phones: Sequence[Phone]) -> list[tuple[float, float]]:
    """Where the lips are shut on an M, B or P: seconds from and to, a frame long at least."""
    found: list[tuple[float, float]] = []
    for phone in phones:
        if articulation(phone.name).mouth == "closed":
            middle, half = (phone.start + phone.stop) / 2, max(phone.stop - phone.start, FRAME_SECONDS) / 2
            found.append((middle - half, middle + half))
    return found


def visemes(phones: Sequence[Phone]) -> tuple[Viseme, ...]:
    """The mouth shapes of phones, neighbours of one shape and word made one; a diphthong is two, its glide last."""
    found: list[Viseme] = []
    for phone in phones:
        for one in _shapes(phone):
            before = found[-1] if found else None
            if before and (before.name, before.word) == (one.name, one.word) and before.opening == one.opening:
                found[-1] = Viseme(one.name, before.start, one.stop, one.opening, one.word)
            else:
                found.append(one)
    return tuple(found)


GLIDES = {"ay": "ih", "ey": "ih", "oy": "ih", "aw": "ou", "ow": "ou"}
"""The shape that a diphthong ends in."""


def _shapes(phone: Phone) -> list[Viseme]:
    made = articulation(phone.name)
    first, last = made.opening
    if first == last:
        return [Viseme(made.viseme, phone.start, phone.stop, first, phone.word)]
    turn = phone.start + 0.6 * (phone.stop - phone.start)
    glide = GLIDES.get(phone.name, "ou" if phone.name[-1:] in ("u", "ʊ", "w") else "ih")
    return [
        Viseme(made.viseme, phone.start, turn, first, phone.word),
        Viseme(glide, turn, phone.stop, last, phone.word),
    ]


def filled(phones: Sequence[Phone], seconds: float) -> list[Phone]:
    """Phones without holes or overlaps from 0 to ``seconds``: holes are silence, overlaps go to the later one."""
    out: list[Phone] = []
    at = 0.0
    for phone in sorted(phones, key=lambda p: p.start):
        start, stop = min(max(phone.start, 0.0), seconds), min(phone.stop, seconds)
        if out and start < at:
            out[-1] = Phone(out[-1].name, out[-1].start, start, out[-1].word)
        elif start > at + 1e-9:
            out.append(Phone(SILENCE, at, start))
        if stop > start:
            out.append(Phone(phone.name, start, stop, phone.word))
            at = stop
    if seconds > at + 1e-9:
        out.append(Phone(SILENCE, at, seconds))
    out = [p for p in out if p.stop > p.start]
    return _one_silence(out)


def _one_silence(phones: Sequence[Phone]) -> list[Phone]:
    out: list[Phone] = []
    for phone in phones:
        if out and out[-1].name == phone.name == SILENCE:
            out[-1] = Phone(SILENCE, out[-1].start, phone.stop)
        else:
            out.append(phone)
    return out
