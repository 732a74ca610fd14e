"""Brings sound into the one form that recognisers take, and measures it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE = 16000
"""Samples a second that every recogniser here was made for."""

HOP = RATE // 100
"""Samples between two measurements: a hundred a second."""

Wave: TypeAlias = NDArray[np.float32]
"""Mono sound at `RATE`, (N,), -1..1."""


def to_wave(samples: NDArray[np.float32], rate: int) -> Wave:
    """Sound of any rate, (N, channels) or (N,), as one channel at `RATE`; what is not a number is silence."""
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    clean: NDArray[np.float64] = np.nan_to_num(np.asarray(mono, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if rate != RATE and len(clean):
        clean = _resampled(clean, rate)
    return np.asarray(np.clip(clean, -1, 1), np.float32)


def _resampled(mono: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """By a windowed sinc, low-passed to the lower of the two rates, a stretch at a time."""
    count = round(len(mono) * RATE / rate)
    cutoff = min(1.0, RATE / rate)
    half = int(np.ceil(16 / cutoff))
    padded = np.pad(mono, half)
    out = np.empty(count)
    for start in range(0, count, RATE):
        positions = np.arange(start, min(start + RATE, count)) * (rate / RATE)
        whole = np.floor(positions).astype(np.intp)
        taps = np.arange(-half + 1, half + 1)
        x = (taps[None, :] - (positions - whole)[:, None]) * cutoff
        weight = np.sinc(x) * (0.5 + 0.5 * np.cos(np.pi * np.clip(x / 16, -1, 1)))
        at = np.clip(whole[:, None] + taps[None, :] + half, 0, len(padded) - 1)
        out[start : start + len(positions)] = (padded[at] * weight).sum(1) / weight.sum(1)
    return out


def loudness(wave: Wave) -> NDArray[np.float64]:
    """The level of every 10 ms, decibels below full scale, over a Hann window of 25 ms, (N // 160,)."""
    if len(wave) < HOP:
        return np.zeros(0)
    size = RATE // 40
    power = np.convolve(np.square(wave, dtype=np.float64), np.hanning(size) / np.hanning(size).sum(), "same")
    count = len(wave) // HOP
    centres = np.arange(count) * HOP + HOP // 2
    return np.asarray(10 * np.log10(power[centres] + 1e-10))
