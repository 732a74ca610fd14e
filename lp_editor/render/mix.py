"""The sound of the program: what every clip sounds like at its place, added up sample by sample.

At speed 1 samples are passed through where they are; sums stay in float64 and are clipped only by the file's own
format. Retimed clips sound at their speed, higher or lower, as on tape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lp_editor.media.sound import SoundSource
from lp_editor.timeline.cut import Heard

Samples: TypeAlias = NDArray[np.float64]

TAPS = 32
"""Length of the resampling filter in samples of the slower rate."""

BLOCKS = 4
"""Blocks a second is mixed in: what is mixed at a time lies there several times over, beside the pictures."""


@dataclass(frozen=True)
class SoundFormat:
    """What the mix is made in."""

    rate: int
    channels: int
    sample_format: str


@dataclass(frozen=True)
class Voice:
    """One clip's sound and the source time of its first sample."""

    heard: Heard
    source: SoundSource
    zero: Fraction


def mix(voices: Sequence[Voice], format: SoundFormat, seconds: Fraction) -> Iterator[Samples]:
    """The program's sound in blocks, (N, channels) float64, ``seconds`` in all."""
    total = round(seconds * format.rate)
    block = -(-format.rate // BLOCKS)
    for start in range(0, total, block):
        count = min(block, total - start)
        out = np.zeros((count, format.channels))
        for voice in voices:
            _add(out, start, voice, format)
        yield out


def _add(out: Samples, start: int, voice: Voice, format: SoundFormat) -> None:
    """Add what one voice sounds in a block that starts at program sample ``start``."""
    span = voice.heard.span
    first = max(start, round(span.start * format.rate))
    stop = min(start + len(out), round(span.stop * format.rate))
    if stop <= first:
        return
    samples = to_channels(_played(voice, first, stop - first, format.rate), format.channels)
    out[first - start : stop - start] += samples * _fade(voice.heard, first, stop, format.rate)


def _fade(heard: Heard, first: int, stop: int, rate: int) -> Samples:
    """The gain of a voice for some program samples, (N, 1)."""
    gain = np.ones(stop - first)
    seconds = (np.arange(first, stop) + 0.5) / rate
    if heard.rise > 0:
        gain *= np.clip((seconds - float(heard.span.start)) / float(heard.rise), 0, 1)
    if heard.fall > 0:
        gain *= np.clip((float(heard.span.stop) - seconds) / float(heard.fall), 0, 1)
    return gain[:, None]


def _played(voice: Voice, first: int, count: int, rate: int) -> Samples:
    """A voice's own samples for some program samples at the mix's rate, (count, its channels)."""
    strip, own = voice.heard.strip, voice.source.info.rate
    speed = strip.pace * strip.clip.speed
    begin = strip.source_time(Fraction(first, rate)) - voice.zero
    if speed == 1 and own == rate:
        # one rounding for the whole clip, so that blocks meet without a seam
        offset = floor((strip.source_time(Fraction(0)) - voice.zero) * own + Fraction(1, 2))
        return voice.source.read(first + offset, count)
    if speed == 0:
        return np.zeros((count, voice.source.info.channels))
    positions = float(begin * own) + np.arange(count) * float(speed * own / rate)
    if speed < 0:
        positions += float(own / strip.clip.rate)  # from the end of the last frame backwards
    return _interpolated(voice.source, positions)


def _interpolated(source: SoundSource, positions: NDArray[Any]) -> Samples:
    """Samples at evenly spaced fractional positions, (N, channels), by a Hann-windowed sinc of `TAPS` samples.

    Positions further apart than one sample are low-passed first, so that nothing folds back.
    """
    step = abs(positions[-1] - positions[0]) / max(len(positions) - 1, 1)
    cutoff = 1.0 / max(step, 1.0)
    half = int(np.ceil(TAPS / 2 / cutoff))
    low = int(np.floor(positions.min())) - half
    samples = source.read(low, int(np.ceil(positions.max())) + half + 1 - low)
    whole = np.floor(positions).astype(np.intp)
    part = positions - whole
    out, total = np.zeros((len(positions), samples.shape[1])), np.zeros(len(positions))
    for tap in range(-half + 1, half + 1):
        x = (tap - part) * cutoff
        weight = np.sinc(x) * (0.5 + 0.5 * np.cos(np.pi * np.clip(x / (TAPS / 2), -1, 1)))
        out += samples[whole - low + tap] * weight[:, None]
        total += weight
    return np.asarray(out / total[:, None])


def to_channels(samples: Samples, channels: int) -> Samples:
    """Samples in another number of channels: mono goes to all, more than there are places is averaged to mono."""
    have = samples.shape[1]
    if have == channels:
        return samples
    if have == 1:
        return np.repeat(samples, channels, axis=1)
    if channels == 1:
        return np.asarray(samples.mean(axis=1, keepdims=True))
    out = np.zeros((len(samples), channels))
    out[:, : min(have, channels)] = samples[:, : min(have, channels)]
    return out
