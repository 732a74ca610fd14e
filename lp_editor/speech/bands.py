"""The fallback that always works: reads a mouth off how loud a sound is, and in which bands.

It tells silence, hiss, closed, narrow, round and open mouths apart, hardly more; in noise it follows the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from lp_editor.speech.activity import Voice
from lp_editor.speech.waveform import HOP, RATE, Wave, loudness
from lp_editor.utterance import SILENCE, Phone

WINDOW = 400
"""Samples of a spectrum: 25 ms."""

SHORTEST = 3
"""Hundredths of a second that a mouth is held at least."""

EDGES = (80, 350, 700, 1100, 1800, 3500, 7800)
"""Hertz between the bands: hum, closed vowels, open vowels, their upper formants, front vowels, hiss."""


def mouths(wave: Wave, spoken: Sequence[Voice]) -> list[Phone]:
    """A sound as phones that stand for kinds of mouths: pau, m, s, iy, uw, ah and aa."""
    level = loudness(wave)
    names = _names(wave, level)
    at = (np.arange(len(level)) + 0.5) / 100
    silent = np.ones(len(level), bool)
    for voice in spoken:
        silent &= (at < voice.start) | (at >= voice.stop)
    names[silent] = SILENCE
    return _runs(names, len(wave) / RATE)


def _names(wave: Wave, level: NDArray[np.float64]) -> NDArray[np.str_]:
    """The likeliest of the phones for every 10 ms, (N,)."""
    power = _bands(wave, len(level))
    share = power / power.sum(1, keepdims=True).clip(1e-12)
    loud = np.percentile(level, 92) if len(level) else 0.0
    names = np.full(len(level), "ah", "<U3")
    hum, low, middle, high, front, hiss = share.T
    names[middle + high > 0.35] = "aa"
    names[(hum + low > 0.75) & (front < 0.05)] = "uw"
    names[(hum + low > 0.6) & (front > 0.06)] = "iy"
    names[(hum > 0.75) & (level < loud - 8)] = "m"
    names[level < loud - 20] = "t"
    names[(level < loud - 24) & (hum + low > 0.4)] = "m"
    names[hiss > 0.45] = "s"
    return names


def _bands(wave: Wave, count: int) -> NDArray[np.float64]:
    """Power in each band for every 10 ms, (count, bands)."""
    padded = np.pad(wave, WINDOW)
    edges = [round(hertz * 512 / RATE) for hertz in EDGES]
    out = np.zeros((count, len(edges) - 1))
    for start in range(0, count, 1000):  # a stretch at a time, so that memory does not grow with the sound
        at = (np.arange(start, min(start + 1000, count)) * HOP + HOP // 2 + WINDOW // 2)[:, None]
        spectrum = np.abs(np.fft.rfft(padded[at + np.arange(WINDOW)] * np.hanning(WINDOW), 512)) ** 2
        for band, (low, high) in enumerate(pairwise(edges)):
            out[start : start + len(at), band] = spectrum[:, low:high].sum(1)
    return out


def _runs(names: NDArray[np.str_], seconds: float) -> list[Phone]:
    """Phones from a name for every 10 ms; what is too short goes to its neighbour."""
    runs: list[tuple[str, int]] = []
    for name, group in groupby(names.tolist()):
        length = sum(1 for _ in group)
        if runs and (length < SHORTEST or runs[-1][0] == name):
            runs[-1] = (runs[-1][0], runs[-1][1] + length)
        else:
            runs.append((name, length))
    phones, at = [], 0
    for name, length in runs:
        phones.append(Phone(name, at / 100, (at + length) / 100))
        at += length
    return phones
