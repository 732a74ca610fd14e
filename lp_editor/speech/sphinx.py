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

PAUSE = 10
"""Frames of a silence in which pieces may be parted."""

AIR = (0, 8, 20)
"""Frames of sound around a piece, one try after the other."""

SURE = -45.0
"""The mean score of a frame from which on words and sound fit: right words had -14 to -20, -20 to -33 in noise of 15
decibels, wrong ones -63 and less."""

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
        self._aligner: Any = Decoder(lm=None, cmn="batch", loglevel="FATAL")
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
        decoder: Any = Decoder(lm=None, cmn="batch", allphone=model, lw=2.0, beam=1e-20, pbeam=1e-20, loglevel="FATAL")
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
        decoder: Any = Decoder(lm=None, cmn="batch", loglevel="FATAL", **beams)
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
        failed, pieces = 0, _pieces(found)
        for piece in pieces:
            numbers = [n for n, _, _ in piece if n >= 0]
            first, stop = piece[0][1], piece[-1][2]
            at = start + first / FRAMES
            if not numbers:
                phones.append(Phone(SILENCE, at + LATE, start + stop / FRAMES + LATE))
                continue
            inside = self._piece(wave, [names[n] for n in numbers], first, stop, start)
            if inside is None:
                failed += 1
                phones += self._even(piece, names, start)
                continue
            phones += [replace(p, word=numbers[p.word]) if p.word >= 0 else p for p in inside]
        return phones if failed * 3 <= len(pieces) else None

    def _even(self, piece: Sequence[tuple[int, int, int]], names: Sequence[str], start: float) -> list[Phone]:
        """The sounds of words that only the first pass found, as long as each other."""
        phones: list[Phone] = []
        for number, a, b in piece:
            sounds = (self.spelling(names[number]) or "AH").split() if number >= 0 else ["SIL"]
            edges = start + LATE + np.linspace(a, b, len(sounds) + 1) / FRAMES
            phones += [
                Phone(_phone(sound), float(x), float(y), number)
                for sound, x, y in zip(sounds, edges[:-1], edges[1:], strict=True)
            ]
        return phones

    def _piece(self, wave: Wave, names: Sequence[str], first: int, stop: int, start: float) -> list[Phone] | None:
        """Both passes over the frames of some words; where that fails, with more sound around them, or looking wider."""
        for air in AIR:
            low, high = max(first - air, 0), stop + 2 + air
            part = wave[low * RATE // FRAMES : high * RATE // FRAMES]
            for beams in BEAMS:
                decoder = self._wide(names, beams) if beams else self._aligner
                if self._words(decoder, part, names) is not None:
                    found = _states(decoder, part, start + low / FRAMES)
                    if found is not None:
                        return found
        return None


def _states(decoder: Any, wave: Wave, start: float) -> list[Phone] | None:
    """The second pass: the phones of the words that the first one found, numbered by word."""
    decoder.set_alignment()
    if not _decode(decoder, wave):
        return None
    phones, word, score, frames = [], -1, 0.0, 0
    for entry in decoder.get_alignment():
        spoken = entry.name not in NOISES
        word += spoken
        for p in entry:
            a, b = start + p.start / FRAMES + LATE, start + (p.start + p.duration) / FRAMES + LATE
            phones.append(Phone(_phone(p.name), a, b, word if spoken else -1))
            score, frames = score + p.score * spoken, frames + p.duration * spoken
    return phones if frames and score / frames > SURE else None


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
    """Words in runs of at most `LONGEST` seconds, parted in the middle of a silence where there is one."""
    pieces: list[list[tuple[int, int, int]]] = []
    run: list[tuple[int, int, int]] = []
    for part in found:
        run.append(part)
        while run[-1][2] - run[0][1] > LONGEST * FRAMES and len(run) > 1:
            quiet = [i for i, (n, a, b) in enumerate(run[1:-1], 1) if n < 0 and b - a >= PAUSE]
            at = quiet[-1] if quiet else len(run) - 1
            number, a, b = run[at]
            middle = (a + b) // 2 if quiet else a
            before, after = (number, a, middle), (number, middle, b)
            pieces.append(run[:at] + ([before] if middle > a else []))
            run = [after, *run[at + 1 :]]
    return [*pieces, run] if run else pieces


def _phone(name: str) -> str:
    return SILENCE if name in NOISES else name.lower()
