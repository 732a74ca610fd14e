"""Sparse keys from a dense curve: as few as follow it closely, so that a person can edit what a machine measured."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from lp_editor.timeline.curve import Curve, Key, Samples

FINENESS = 1000
"""Key times are whole parts of a second this fine."""


def fitted(seconds: ArrayLike, values: ArrayLike, tolerance: float, pinned: Iterable[float] = ()) -> Curve:
    """A curve of linear keys that stays within ``tolerance`` of some values at their times, (N,) both, rising times.

    Ramer, Douglas and Peucker's algorithm, by height. ``pinned`` are times at which there is to be a key, with the
    value that the samples have there. Times are rounded to a thousandth of a second.
    """
    times, samples = np.asarray(seconds, np.float64), np.asarray(values, np.float64)
    if not len(times):
        return Curve.constant(0)
    marks = {0, len(times) - 1} | {int(np.abs(times - t).argmin()) for t in pinned}
    ordered = sorted(marks)
    kept = set(ordered)
    stack = list(pairwise(ordered))
    while stack:
        a, b = stack.pop()
        if b - a > 1 and (middle := _farthest(times, samples, a, b, tolerance)) is not None:
            kept.add(middle)
            stack += [(a, middle), (middle, b)]
    keys = {Fraction(round(times[i] * FINENESS), FINENESS): round(float(samples[i]), 4) for i in sorted(kept)}
    return Curve(tuple(Key(time, value) for time, value in keys.items()))


def _farthest(times: Samples, samples: Samples, a: int, b: int, tolerance: float) -> int | None:
    """The sample between two keys that the line between them misses most, if by more than the tolerance."""
    inside = np.arange(a + 1, b)
    line = np.interp(times[inside], [times[a], times[b]], [samples[a], samples[b]])
    missed = np.abs(samples[inside] - line)
    worst = int(missed.argmax())
    return int(inside[worst]) if missed[worst] > tolerance else None
