"""Smooths a sequence as a random walk seen through noise: a Kalman filter forwards, Rauch-Tung-Striebel backwards.

Everything is a multiple of the identity, so one scalar recursion serves every coordinate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WALK = 1e-5
"""Variance of a step from frame to frame."""

NOISE = 3e-7
"""Variance of an observation: the published default."""


def smoothed(sequence: NDArray[Any], noise: float = NOISE) -> NDArray[np.float32]:
    """The sequence (N, …) smoothed along its first axis; one frame stays as it is. Larger ``noise`` smooths more."""
    seen = np.asarray(sequence, np.float64)
    if len(seen) < 2:
        return np.asarray(sequence, np.float32)
    filtered = np.empty_like(seen)
    kept, predicted = np.empty(len(seen)), np.empty(len(seen))
    state, variance = seen[0], 1.0
    for i, z in enumerate(seen):  # a recursion: nothing to batch over
        gain = variance / (variance + noise)
        state = state + gain * (z - state)
        filtered[i], predicted[i], kept[i] = state, variance, (1 - gain) * variance
        variance = kept[i] + WALK
    for i in range(len(seen) - 2, -1, -1):
        filtered[i] += kept[i] / predicted[i + 1] * (filtered[i + 1] - filtered[i])
    return filtered.astype(np.float32)
