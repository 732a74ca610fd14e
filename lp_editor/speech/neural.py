"""The hama network: phonemes of any language out of sound, and IPA that is known aligned to it. An optional extra.

Its network gives a chance for every phoneme each 20 ms (a CTC output: mostly "blank", a phoneme where it is surest);
where a sound begins is read from that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.speech.phones import articulation, letters
from lp_editor.speech.waveform import HOP, RATE, Wave, loudness
from lp_editor.utterance import Phone

FRAME = 0.02
"""Seconds of one of the network's frames."""

SAMPLES = round(FRAME * RATE)

EARLY: Mapping[str, float] = {
    "PP": 0.075, "FF": 0.085, "CH": 0.085, "SS": 0.07, "TH": 0.07, "kk": 0.065, "DD": 0.056, "nn": 0.05, "RR": 0.057,
}  # fmt: skip
VOWELS_EARLY = 0.062
"""Seconds between where a sound begins and where the network is surest of it, by viseme: medians over espeak-ng, flite
and festival, which agree to a hundredth in seven languages."""

SURE = -1.3
"""The median log probability of aligned sounds from which on words and sound fit: right words of seven languages had
-0.8 and more, wrong ones -1.8 and less."""

LONGEST = 20.0
"""Seconds the network is given at once."""


def has_hama() -> bool:
    """Whether hama is installed."""
    return find_spec("hama") is not None


class Hama:
    """The network, loaded once. Raises `ImportError` where hama is not installed."""

    def __init__(self) -> None:
        import hama

        self._model: Any = hama.ASRModel()
        self._tokens: list[str] = list(self._model.decoder_tokens)
        self._number = {token: i for i, token in enumerate(self._tokens)}
        self._blank, self._gap = self._number["<blank>"], self._number["<wb>"]

    def scores(self, wave: Wave) -> NDArray[np.float64]:
        """Log probabilities of a sound, (frames, tokens); a long one goes in pieces that part where it is quiet."""
        cuts = _cuts(wave)
        return np.concatenate([self._piece(wave[a:b]) for a, b in pairwise(cuts)])

    def _piece(self, wave: Wave) -> NDArray[np.float64]:
        if len(wave) < RATE // 10:
            quiet = np.full((len(wave) // SAMPLES, len(self._tokens)), -30.0)
            quiet[:, self._blank] = 0.0
            return quiet
        model = self._model
        given = {model._waveform_input_name: wave[None], model._waveform_lengths_input_name: np.array([len(wave)])}
        scores, _ = model.session.run([model._log_probs_output_name, model._out_lengths_output_name], given)
        count = len(wave) // SAMPLES
        found = np.asarray(scores[0], np.float64)
        return np.concatenate([found, np.repeat(found[-1:], max(count - len(found), 0), axis=0)])[:count]

    def phones(self, wave: Wave, start: float = 0.0) -> list[Phone]:
        """The phonemes of a sound, in hama's IPA, numbered by the words it hears; ``start`` is added to times."""
        best = self.scores(wave).argmax(1)
        emitted = [i for i in range(len(best)) if best[i] != self._blank and (i == 0 or best[i] != best[i - 1])]
        found: list[Phone] = []
        word = 0
        for here, following in zip(emitted, [*emitted[1:], len(best)], strict=True):
            if best[here] == self._gap:
                word += 1
                continue
            name = self._tokens[best[here]]
            if found:
                found[-1] = replace(found[-1], stop=start + _onset(name, here))
            found.append(Phone(name, start + _onset(name, here), start + following * FRAME, word))
        return found

    def align(self, wave: Wave, sounds: Sequence[Sequence[str]], start: float = 0.0) -> list[Phone] | None:
        """Where the IPA sounds of some words are, phones numbered by word; None where they are not what is said."""
        scores = self.scores(wave)
        flat = [(sound, word) for word, of in enumerate(sounds) for sound in of]
        if not flat or len(scores) < len(flat):
            return None
        columns = [self._columns(sound) for sound, _ in flat]
        merged = np.stack([np.logaddexp.reduce(scores[:, c], axis=1) for c in columns], axis=1)
        rest = np.logaddexp(scores[:, self._blank], scores[:, self._gap])
        twice = np.array([i > 0 and columns[i] == columns[i - 1] for i in range(len(columns))])
        onsets = _onsets(merged, rest, twice)
        heard = [merged[max(t - 1, 0) : t + 2, i].max() for i, t in enumerate(onsets)]
        if np.median(heard) < SURE:
            return None
        times = [_onset(sound, i) for (sound, _), i in zip(flat, onsets, strict=True)]
        ends = [*times[1:], len(scores) * FRAME]
        return [Phone(sound, start + a, start + b, word) for (sound, word), a, b in zip(flat, times, ends, strict=True)]

    def _columns(self, sound: str) -> list[int]:
        """The tokens that a sound of espeak's may come out as."""
        wanted = [c for c in (sound, *nearest(sound)) if c in self._number]
        return [self._number[c] for c in dict.fromkeys(wanted)] or [self._number["ə"]]


NEAR = {
    "a": "a ɑ æ ä aɪ ʌ", "ɑ": "ɑ a ɔ ʌ ɒ", "æ": "æ a ɛ", "e": "e eɪ ɛ ɪ", "ɛ": "ɛ e æ eɪ", "i": "i ɪ", "ɪ": "ɪ i ə",
    "o": "o oʊ ɔ", "ɔ": "ɔ o oʊ ɑ", "u": "u ʊ", "ʊ": "ʊ u", "y": "y u i ju", "ʏ": "ʏ y ʊ ɪ", "ø": "ø œ ə ɝ oʊ",
    "œ": "œ ø ə ɝ", "ə": "ə ʌ ɐ ɪ", "ɐ": "ɐ ɝ ə a", "ɜ": "ɝ ɜ ə", "ʌ": "ʌ ə a", "ɤ": "ʌ ə ɤ", "ɯ": "ɯ u ɨ",
    "ɨ": "ɨ ɪ i", "g": "g ɡ k", "ɡ": "g ɡ k", "k": "k kʰ g", "p": "p pʰ b", "b": "b p", "t": "t tʰ d", "d": "d t",
    "r": "r ɹ ɾ", "ɹ": "ɹ r ɝ", "ɾ": "ɾ ɹ t d r", "ʁ": "ʁ ɹ h r ɣ", "ʀ": "ʀ ɹ r h", "x": "x h k χ", "χ": "χ h x k", "ɣ": "ɣ g h",
    "ç": "ç ʃ h", "h": "h x", "β": "β b v w", "ð": "ð d θ", "θ": "θ s f", "v": "v w f b", "w": "w v u", "f": "f v",
    "ʎ": "ʎ l j", "ɲ": "ɲ n j", "ŋ": "ŋ n", "n": "n ŋ", "m": "m", "l": "l ɫ", "ɫ": "ɫ l", "j": "j i", "ɥ": "ɥ w j",
    "ʃ": "ʃ t͡ʃ ʒ", "ʒ": "ʒ d͡ʒ ʃ", "ɕ": "ɕ ʃ t͡ʃ t͡ɕ", "ʂ": "ʂ ʃ", "ʐ": "ʐ ɹ ʒ", "ʑ": "ʑ ʒ", "s": "s z", "z": "z s",
    "c": "c t͡ʃ k", "ʋ": "ʋ v w", "ʔ": "ʔ t",
}  # fmt: skip
"""What hama may hear for a letter of IPA, likeliest first: it was taught with English above all."""

TOGETHER = {
    "aɪ": "aɪ", "ai": "aɪ", "aʊ": "aʊ", "au": "aʊ", "ɑu": "aʊ oʊ", "ɔø": "ɔɪ", "ɔɪ": "ɔɪ", "oi": "ɔɪ", "eɪ": "eɪ", "ei": "eɪ",
    "oʊ": "oʊ", "ou": "oʊ", "əʊ": "oʊ", "tʃ": "t͡ʃ ʃ", "dʒ": "d͡ʒ ʒ t͡ʃ", "ts": "s t", "tɕ": "t͡ɕ t͡ʃ t", "dʑ": "d͡ʒ t͡ʃ",
    "tʂ": "t͡ʃ t", "pf": "f p",
}  # fmt: skip
"""The same for sounds of two letters."""


def nearest(sound: str) -> tuple[str, ...]:
    """Hama's tokens that an IPA sound may come out as."""
    plain = letters(sound)
    if len(plain) > 1:
        pair = TOGETHER.get(plain[:2], "").split()
        return (*pair, *NEAR.get(plain[0], plain[0]).split()[:3])
    return tuple(NEAR.get(plain, plain or "ə").split())


def _onset(sound: str, emitted: int) -> float:
    """The second in which a sound begins that the network tells at a frame."""
    return max(emitted * FRAME - EARLY.get(articulation(sound).viseme, VOWELS_EARLY), 0.0)


def _cuts(wave: Wave) -> list[int]:
    """Sample numbers that part a sound into pieces of at most `LONGEST`, each at the quietest moment of its last third."""
    cuts, most = [0], round(LONGEST * RATE)
    while len(wave) - cuts[-1] > most:
        first = cuts[-1] + most * 2 // 3
        quiet = int(loudness(wave[first : cuts[-1] + most]).argmin())
        cuts.append((first + quiet * HOP) // SAMPLES * SAMPLES)
    return [*cuts, len(wave)]


def _onsets(scores: NDArray[np.float64], rest: NDArray[np.float64], twice: NDArray[np.bool_]) -> list[int]:
    """The first frame of every sound on the best path through a CTC output: rest, sound, rest, sound, …, rest.

    ``scores`` (frames, sounds) and ``rest`` (frames,) are log probabilities, ``twice`` (sounds,) says which sound is
    the one before it again, so that a rest must lie between. Viterbi (Graves et al. 2006, section 4).
    """
    frames, count = scores.shape
    states = 2 * count + 1
    emit = np.empty((frames, states))
    emit[:, 0::2], emit[:, 1::2] = rest[:, None], scores
    best = np.full(states, -np.inf)
    best[:2] = emit[0, :2]
    back = np.zeros((frames, states), np.int8)
    for t in range(1, frames):
        one = np.concatenate([[-np.inf], best[:-1]])
        two = np.concatenate([[-np.inf, -np.inf], best[:-2]])
        two[0::2] = -np.inf  # only a rest may be skipped
        two[1::2][twice] = -np.inf
        choices = np.stack([best, one, two])
        back[t] = choices.argmax(0)
        best = choices.max(0) + emit[t]
    at = states - 1 if best[-1] >= best[-2] else states - 2
    first = [0] * count
    for t in range(frames - 1, -1, -1):
        if at % 2:
            first[at // 2] = t
        at -= int(back[t, at])
    return first
