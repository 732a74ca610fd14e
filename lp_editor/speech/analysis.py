"""Chooses how a sound is read: by the best method that language, words and what is installed allow; says which it was.

The order is that of the measured table in the documentation. What a method finds is checked before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from lp_editor.errors import ParamError
from lp_editor.speech.activity import Voice, chunks, has_silero, sounding, voices
from lp_editor.speech.bands import mouths
from lp_editor.speech.espeak import has_espeak, speak
from lp_editor.speech.neural import Hama, has_hama
from lp_editor.speech.openness import filled, openness, visemes
from lp_editor.speech.pace import paced
from lp_editor.speech.phones import letters
from lp_editor.speech.spelling import english_words, from_ipa, spelt
from lp_editor.speech.sphinx import Sphinx, Word
from lp_editor.speech.waveform import RATE, Wave, loudness
from lp_editor.utterance import SILENCE, Phone, Speech

CHUNK = 15.0
"""Seconds of speech that are recognised at once."""

AIR = 0.3
"""Seconds that are kept before the first voice and behind the last: an alignment ends in silence."""

NOISY = 12.0
"""Decibels between speech and what lies below it, under which no method is to be trusted (lip sync notes)."""

RATES = (4.0, 25.0)
"""Phones a second of people who speak; more or less says that words and sound do not belong together."""

LONGEST_PHONE = 0.9
"""Seconds: a sound is held that long by singers, or where words are missing in the text."""

Found = tuple[list[Phone], list[str]]


@dataclass
class Reader:
    """The recognisers, loaded when first needed and kept for the next sound."""

    _notes: list[str] = field(default_factory=list)

    @cached_property
    def sphinx(self) -> Sphinx:
        """Pocketsphinx."""
        return Sphinx()

    @cached_property
    def hama(self) -> Hama:
        """The hama network."""
        return Hama()

    def read(self, wave: Wave, text: str, language: str) -> Speech:
        """The analysis of a sound, with its words where they are known (a text without words is none)."""
        self._notes = []
        seconds = len(wave) / RATE
        spoken = voices(wave)
        if not spoken:
            self._notes.append("nothing is heard in the sound; the mouth stays closed")
            return self._made([], [], seconds, "silence")
        self._note_noise(wave, spoken)
        for method, run in self._ways(wave, spoken, text.strip(), language.lower()):
            found = run()
            if found is not None and found[0]:
                return self._made(*found, seconds, method)
            if text.strip() and "text" in method:
                self._notes.append(f"{method} did not find the words in the sound")
        raise AssertionError("energy and bands always answer")

    def write(self, text: str, language: str, pace: float) -> Speech:
        """The analysis of a text that nobody spoke: at a speaking rate, 1 is about 170 words a minute."""
        self._notes = []
        if has_espeak():
            said = speak(text, language, pace)
            return self._made(
                list(said.phones), list(said.words), len(said.samples) / said.rate, "text, timed by espeak-ng"
            )
        if not is_english(language):
            self._notes.append(
                f"espeak-ng is not installed, so {language!r} was read as English; pip install lp-editor[voice]"
            )
        phones, words = paced(text, self.sphinx.spelling, pace)
        return self._made(phones, words, phones[-1].stop, "text, at a speaking rate")

    def _ways(
        self, wave: Wave, spoken: Sequence[Voice], text: str, language: str
    ) -> Iterator[tuple[str, Callable[[], Found | None]]]:
        """The methods there are for this case, the best first."""
        english, hama = is_english(language), has_hama()
        if text and english:
            yield "pocketsphinx alignment with text", lambda: self._aligned_words(wave, spoken, text)
        if text and hama and has_espeak():
            yield "hama alignment with text", lambda: self._aligned_sounds(wave, spoken, text, language)
        if text and not english and has_espeak() and not hama:
            yield (
                "pocketsphinx alignment with foreign text",
                lambda: self._aligned_foreign(wave, spoken, text, language),
            )
        if text:
            self._notes.append(
                "the text was not used" if english or (hama and has_espeak()) else self._missing(language)
            )
        if hama and english:
            yield "hama phonemes, re-timed by pocketsphinx", lambda: self._retimed(wave, spoken)
        if hama:
            yield "hama phonemes", lambda: (_spoken_only(self._heard(wave, spoken), sounding(wave, spoken)), [])
        if english:
            yield "pocketsphinx phones", lambda: (self._allphone(wave, spoken), [])
        yield "energy and bands", lambda: (mouths(wave, spoken), [])

    def _missing(self, language: str) -> str:
        return (
            f"the text of language {language!r} could not be used: that takes hama and espeak-ng "
            "(pip install lp-editor[speech,voice])"
        )

    # --- methods --------------------------------------------------------------------------------------------------

    def _aligned_words(self, wave: Wave, spoken: Sequence[Voice], text: str) -> Found | None:
        words = [Word(w, spelt(w, self.sphinx.known)) for w in english_words(text)]
        if not words:
            return None
        start, part = _part(wave, spoken)
        phones = self.sphinx.align(part, words, start)
        if phones is None or not self._plausible(phones, spoken):
            return None
        return phones, [w.text for w in words]

    def _aligned_sounds(self, wave: Wave, spoken: Sequence[Voice], text: str, language: str) -> Found | None:
        sounds, words = _spelt_ipa(text, language)
        start, part = _part(wave, spoken)
        phones = self.hama.align(part, sounds, start) if words else None
        if phones is None:
            return None
        phones = _spoken_only(phones, sounding(wave, spoken))
        return (phones, words) if self._plausible(phones, spoken) else None

    def _aligned_foreign(self, wave: Wave, spoken: Sequence[Voice], text: str, language: str) -> Found | None:
        sounds, words = _spelt_ipa(text, language)
        spellings = [from_ipa(list(of)) for of in sounds]
        kept = [(w, s) for w, s in zip(words, spellings, strict=True) if s]
        start, part = _part(wave, spoken)
        phones = self.sphinx.align(part, [Word(w, (s,)) for w, s in kept], start) if kept else None
        if phones is None or not self._plausible(phones, spoken):
            return None
        return phones, [w for w, _ in kept]

    def _heard(self, wave: Wave, spoken: Sequence[Voice]) -> list[Phone]:
        """Hama's phonemes, a chunk at a time; words number on."""
        found: list[Phone] = []
        for chunk in chunks(spoken, CHUNK):
            heard = self.hama.phones(_cut(wave, chunk), chunk.start)
            first = found[-1].word + 1 if found else 0
            found += [replace(p, word=p.word + first) for p in heard]
        return found

    def _retimed(self, wave: Wave, spoken: Sequence[Voice]) -> Found | None:
        """Hama's phonemes as words of their own, aligned by pocketsphinx where that works, else as they are."""
        found: list[Phone] = []
        better = 0
        pieces = chunks(spoken, CHUNK)
        for chunk in pieces:
            heard = [p for p in self.hama.phones(_cut(wave, chunk), chunk.start) if letters(p.name)]
            if not heard:
                continue
            words = [Word("", (s,)) for s in _by_word(heard) if s]
            aligned = self.sphinx.align(_cut(wave, chunk), words, chunk.start) if words else None
            better += aligned is not None
            found += [replace(p, word=-1) for p in aligned or _spoken_only(heard, sounding(wave, spoken))]
        if found and better < len(pieces):
            self._notes.append(
                f"{len(pieces) - better} of {len(pieces)} stretches are not clear speech of one voice (noise, music, "
                "several at once?); expect wrong closures there, and check them"
            )
        return (found, []) if better else None

    def _allphone(self, wave: Wave, spoken: Sequence[Voice]) -> list[Phone]:
        found: list[Phone] = []
        for chunk in chunks(spoken, CHUNK):
            found += self.sphinx.allphone(_cut(wave, chunk), chunk.start)
        return found

    # --- results --------------------------------------------------------------------------------------------------

    def _made(self, phones: Sequence[Phone], words: Sequence[str], seconds: float, method: str) -> Speech:
        known = phones if words else [replace(p, word=-1) for p in phones]
        whole = filled(known, seconds)
        notes = tuple(dict.fromkeys(self._notes))
        return Speech(seconds, tuple(whole), visemes(whole), openness(whole, seconds), method, tuple(words), notes)

    def _plausible(self, phones: Sequence[Phone], spoken: Sequence[Voice]) -> bool:
        """Whether as many phones were said in the time as people can say, none of them for too long."""
        longest = max((p.stop - p.start for p in phones if p.name != SILENCE), default=0.0)
        if longest > LONGEST_PHONE:
            self._notes.append(f"a sound of the text would last {longest:.1f} s; the words are not all that is said")
            return False
        count = sum(p.name != SILENCE for p in phones)
        rate = count / max(sum(v.stop - v.start for v in spoken), 1e-6)
        if not RATES[0] <= rate <= RATES[1]:
            self._notes.append(
                f"the words make {rate:.1f} sounds a second of speech; they are not all that is said, or more"
            )
            return False
        return True

    def _note_noise(self, wave: Wave, spoken: Sequence[Voice]) -> None:
        """Tell when speech hardly stands out."""
        level = loudness(wave)
        at = (np.arange(len(level)) + 0.5) / 100
        inside = np.zeros(len(level), bool)
        for voice in spoken:
            inside |= (at >= voice.start) & (at < voice.stop)
        below = level[~inside] if (~inside).sum() > 20 else np.sort(level)[: max(len(level) // 20, 1)]
        margin = float(np.percentile(level[inside], 80) - np.median(below))
        if margin < NOISY:
            self._notes.append(
                f"speech stands only {margin:.0f} dB over the rest of the sound; expect wrong closures, and check them"
            )


def is_english(language: str) -> bool:
    """Whether a language is one of English."""
    return language.lower().split("-")[0] in ("en", "english")


def installed() -> str:
    """What analyses with: part of the name of what is stored."""
    there = ("hama", has_hama()), ("espeak", has_espeak()), ("silero", has_silero())
    return " ".join(name for name, is_there in there if is_there)


def _part(wave: Wave, spoken: Sequence[Voice]) -> tuple[float, Wave]:
    """The sound from the first voice to the last, with air for the last breath, and when it begins."""
    whole = Voice(max(spoken[0].start - AIR, 0.0), min(spoken[-1].stop + AIR, len(wave) / RATE))
    return whole.start, _cut(wave, whole)


def _cut(wave: Wave, voice: Voice) -> Wave:
    return wave[round(voice.start * RATE) : round(voice.stop * RATE)]


def _spelt_ipa(text: str, language: str) -> tuple[list[list[str]], list[str]]:
    """The IPA sounds of each word of a text, and the words. Raises `ParamError` for a language espeak has not."""
    said = speak(text, language)
    sounds: list[list[str]] = [[] for _ in said.words]
    for phone in said.phones:
        if phone.word >= 0 and letters(phone.name):
            sounds[phone.word].append(phone.name)
    return sounds, list(said.words)


def _by_word(heard: Sequence[Phone]) -> list[str]:
    """CMUdict's sounds of every word that hama heard."""
    numbers = sorted({p.word for p in heard})
    return [from_ipa([p.name for p in heard if p.word == n]) for n in numbers]


def _spoken_only(phones: Sequence[Phone], spoken: Sequence[Voice]) -> list[Phone]:
    """Phones that end where the voice does: what lies in a pause is silence."""
    out: list[Phone] = []
    for phone in phones:
        inside = [v for v in spoken if v.start < phone.stop and v.stop > phone.start]
        if inside:
            start, stop = max(phone.start, inside[0].start), min(phone.stop, inside[0].stop)
            later = inside[-1].start  # a sound that begins in a pause belongs to the voice behind it
            if len(inside) > 1 and inside[0].stop - phone.start < 0.03:
                start, stop = later, phone.stop
            out.append(replace(phone, start=start, stop=stop))
    return [p for p in out if p.stop > p.start]


def check_language(language: str) -> None:
    """Refuse what is no language code. Raises `ParamError`."""
    plain = language.replace("-", "").replace("_", "")
    if not plain.isalnum() or not plain.isascii() or len(language) > 20:
        raise ParamError(f"a language is a code like en, de, fr or cmn, got {language!r}")
