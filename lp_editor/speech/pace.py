"""A text without sound: its phones at a speaking rate, by espeak-ng's durations or by a table of them."""

from __future__ import annotations

import re
from collections.abc import Callable

from lp_editor.speech.phones import articulation
from lp_editor.speech.spelling import by_rule, english_words
from lp_editor.utterance import SILENCE, Phone

SECONDS = {
    "silence": 0.1, "closed": 0.075, "teeth": 0.085, "narrow": 0.07, "open": 0.105, "round": 0.1
}  # fmt: skip
"""How long a sound of each kind of mouth takes in clear English speech: medians of flite's and festival's voices."""

PAUSES = {",": 0.2, ";": 0.25, ":": 0.25, "—": 0.25, "–": 0.2, ".": 0.4, "!": 0.4, "?": 0.4, "…": 0.5, "\n": 0.3}
"""Seconds of silence behind a sign."""

LEAST = 0.05
"""Seconds of silence before the first word, in which the mouth gets ready."""


def paced(text: str, spelling: Callable[[str], str | None], pace: float = 1.0) -> tuple[list[Phone], list[str]]:
    """The phones of an English text from 0 on, and its words. ``spelling`` gives CMUdict's sounds of a word.

    ``pace`` 1 is about 170 words a minute. Languages other than English go by their letters, roughly.
    """
    phones = [Phone(SILENCE, 0.0, LEAST)]
    words: list[str] = []
    at = LEAST
    for part in re.findall(r"[^,;:—–.!?…\n]+|[,;:—–.!?…\n]", text):
        if part in PAUSES:
            phones.append(Phone(SILENCE, at, at + PAUSES[part] / pace))
            at = phones[-1].stop
            continue
        for word in english_words(part):
            sounds = (spelling(word) or by_rule(word)).lower().split()
            for sound in sounds:
                length = SECONDS[articulation(sound).mouth] / pace
                phones.append(Phone(sound, at, at + length, len(words)))
                at += length
            words.append(word)
    return phones, words
