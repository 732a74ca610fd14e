"""Pocketsphinx with its own English model: finds words that are known in a sound, or any phones.

An alignment goes in two passes, words and then phones; the second keeps every state of every frame, so it runs over
pieces that are parted where nobody speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pocketsphinx import Decoder, get_model_path

from lp_editor.speech.waveform import RATE, Wave
from lp_editor.utterance import SILENCE, Phone

FRAMES = 100
"""Pocketsphinx' frames a second."""

LATE = 0.0075
"""Seconds from where its frames begin to where their sound is: measured against flite, festival and espeak-ng."""

LONGEST = 12.0
"""Seconds of a piece whose phones are aligned at once."""

BEAMS: tuple[dict[str, float], ...] = ({}, {"beam": 1e-80, "wbeam": 1e-60, "pbeam": 1e-80})
"""How widely a first pass looks, one try after the other."""

NOISES = ("SIL", "+SPN+", "+NSN+", "<s>", "</s>", "<sil>", "[SPEECH]", "[NOISE]")
"""What the model calls all that is no speech."""


@dataclass(frozen=True)
class Word:
    """A word with its sounds as CMUdict spells them, the likeliest first; ``text`` as it was written."""

    text: str
    spellings: tuple[str, ...]


class Sphinx:
    """The English recogniser; holds its dictionary and models, so one serves many sounds."""

    def __init__(self) -> None:
        self._aligner: Any = Decoder(lm=None, loglevel="FATAL")
        self._added: dict[str, str] = {}

    def known(self, word: str) -> bool:
        """Whether the dictionary has a word."""
        return self._aligner.lookup_word(word) is not None

    def spelling(self, word: str) -> str | None:
        """The sounds of a word of the dictionary (``B OY``), or None."""
        found = self._aligner.lookup_word(word)
        return None if found is None else str(found)

    def align(self, wave: Wave, words: Sequence[Word], start: float = 0.0) -> list[Phone] | None:
        """Where the sounds of some words are, silence between them included, ``start`` added; None where they are not.

        The words number the phones, from 0.
        """
        names = [self._name(word) for word in words]
        short = len(wave) <= LONGEST * RATE
        for beams in BEAMS:
            decoder = self._wide(names, beams) if beams else self._aligner
            if (found := self._words(decoder, wave, names)) is None:
                continue
            phones = _states(decoder, wave, start) if short else self._phones(wave, names, found, start)
            if phones is not None:
                return phones
        return None

    def allphone(self, wave: Wave, start: float = 0.0) -> list[Phone]:
        """The phones of a sound, whatever they are, by a phone grammar."""
        model = get_model_path("en-us/en-us-phone.lm.bin")
        decoder: Any = Decoder(lm=None, allphone=model, lw=2.0, beam=1e-20, pbeam=1e-20, loglevel="FATAL")
        if not _decode(decoder, wave):
            return []
        parts = [(s.word, s.start_frame, s.end_frame + 1) for s in decoder.seg() or ()]
        return [Phone(_phone(name), start + a / FRAMES + LATE, start + b / FRAMES + LATE) for name, a, b in parts]

    def _name(self, word: Word) -> str:
        """What the decoder knows a word by; those that are not in its dictionary are added."""
        if not word.spellings:
            return word.text
        key = " | ".join(word.spellings)
        if key not in self._added:
            name = f"lp{len(self._added)}"
            for i, spelling in enumerate(word.spellings):
                self._aligner.add_word(name if i == 0 else f"{name}({i + 1})", spelling, True)
            self._added[key] = name
        return self._added[key]

    def _words(self, decoder: Any, wave: Wave, names: Sequence[str]) -> list[tuple[int, int, int]] | None:
        """The first pass: words' numbers, first frames and ends, silence as -1; None where they do not fit."""
        decoder.set_align_text(" ".join(names))
        if not _decode(decoder, wave) or decoder.hyp() is None:
            return None
        found, at = [], 0
        for s in decoder.seg():
            spoken = s.word not in NOISES
            found.append((at if spoken else -1, s.start_frame, s.end_frame + 1))
            at += spoken
        return found if at == len(names) else None

    def _wide(self, names: Sequence[str], beams: dict[str, float]) -> Any:
        """Another decoder that gives up later, with the words that were added."""
        decoder: Any = Decoder(lm=None, loglevel="FATAL", **beams)
        for key, name in self._added.items():
            if name in names:
                for i, spelling in enumerate(key.split(" | ")):
                    decoder.add_word(name if i == 0 else f"{name}({i + 1})", spelling, True)
        return decoder

    def _phones(
        self, wave: Wave, names: Sequence[str], found: Sequence[tuple[int, int, int]], start: float
    ) -> list[Phone] | None:
        """The phones of words that were found, a piece at a time."""
        phones: list[Phone] = []
        for piece in _pieces(found):
            numbers = [n for n, _, _ in piece if n >= 0]
            first, stop = piece[0][1], piece[-1][2]
            at = start + first / FRAMES
            if not numbers:
                phones.append(Phone(SILENCE, at + LATE, start + stop / FRAMES + LATE))
                continue
            part = wave[first * RATE // FRAMES : (stop + 2) * RATE // FRAMES]
            of_piece = [names[n] for n in numbers]
            inside = None
            for beams in BEAMS:
                decoder = self._wide(of_piece, beams) if beams else self._aligner
                if inside is None and self._words(decoder, part, of_piece) is not None:
                    inside = _states(decoder, part, at)
            if inside is None:
                return None
            phones += [replace(p, word=numbers[p.word]) if p.word >= 0 else p for p in inside]
        return phones


def _states(decoder: Any, wave: Wave, start: float) -> list[Phone] | None:
    """The second pass: the phones of the words that the first one found, numbered by word."""
    decoder.set_alignment()
    if not _decode(decoder, wave):
        return None
    phones, word = [], -1
    for entry in decoder.get_alignment():
        spoken = entry.name not in NOISES
        word += spoken
        for p in entry:
            a, b = start + p.start / FRAMES + LATE, start + (p.start + p.duration) / FRAMES + LATE
            phones.append(Phone(_phone(p.name), a, b, word if spoken else -1))
    return phones


def _decode(decoder: Any, wave: Wave) -> bool:
    """One pass over a sound, as loud as the model likes it; False where it is lost on the way."""
    peak = float(np.abs(wave).max(initial=0.0))
    samples = wave * (0.5 / peak) if peak > 0 else wave
    dithered = samples * 32767 + np.random.default_rng(0).uniform(-1, 1, len(samples))  # digital silence has no log
    decoder.start_utt()
    decoder.process_raw(dithered.astype(np.int16).tobytes(), full_utt=True)
    try:
        decoder.end_utt()
    except RuntimeError:  # "Failed to stop utterance processing": the states do not reach the end
        return False
    return True


def _pieces(found: Sequence[tuple[int, int, int]]) -> list[list[tuple[int, int, int]]]:
    """Words in runs of at most `LONGEST` seconds, parted in silence where there is some."""
    pieces: list[list[tuple[int, int, int]]] = []
    for part in found:
        run = pieces[-1] if pieces else None
        long = run is not None and part[2] - run[0][1] > LONGEST * FRAMES
        if run is None or long:
            pieces.append([part])
        else:
            run.append(part)
    return pieces


def _phone(name: str) -> str:
    return SILENCE if name in NOISES else name.lower()
