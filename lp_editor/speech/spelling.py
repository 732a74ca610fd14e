"""Words out of a text, and how English ones sound: CMUdict first, espeak-ng where it is installed, rules at last."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from lp_editor.speech.espeak import has_espeak, speak
from lp_editor.speech.phones import letters

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SIGNS = {"&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "$": "dollars", "€": "euros", "£": "pounds"}
TITLES = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "vs": "versus", "etc": "et cetera"}
WORD = re.compile(r"\d[\d,]*(?:\.\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)*|[&%+=@$€£]")
"""Numbers, words with their apostrophes, and signs that are said."""

FROM_IPA = (
    ("aɪ", "AY"), ("aʊ", "AW"), ("ɔɪ", "OY"), ("eɪ", "EY"), ("oʊ", "OW"), ("əʊ", "OW"), ("tʃ", "CH"), ("dʒ", "JH"), ("eə", "EH R"),
    ("ɪə", "IH R"), ("ʊə", "UH R"), ("ɑɹ", "AA R"), ("p", "P"), ("b", "B"), ("t", "T"), ("d", "D"), ("k", "K"), ("ɡ", "G"), ("g", "G"),
    ("f", "F"), ("v", "V"), ("θ", "TH"), ("ð", "DH"), ("s", "S"), ("z", "Z"), ("ʃ", "SH"), ("ʒ", "ZH"), ("h", "HH"), ("m", "M"),
    ("n", "N"), ("ŋ", "NG"), ("l", "L"), ("ɫ", "L"), ("ɹ", "R"), ("r", "R"), ("j", "Y"), ("w", "W"), ("ɾ", "T"), ("ʔ", "T"), ("x", "K"),
    ("χ", "HH"), ("ç", "HH"), ("ʁ", "R"), ("β", "V"), ("ɲ", "N Y"), ("ʎ", "L Y"), ("i", "IY"), ("ɪ", "IH"), ("e", "EY"), ("ɛ", "EH"),
    ("æ", "AE"), ("a", "AA"), ("ɑ", "AA"), ("ä", "AA"), ("ɐ", "AH"), ("ʌ", "AH"), ("ə", "AH"), ("ɜ", "ER"), ("ɝ", "ER"), ("ɚ", "ER"),
    ("ɔ", "AO"), ("ɒ", "AO"), ("o", "OW"), ("u", "UW"), ("ʊ", "UH"), ("y", "UW"), ("ʏ", "UH"), ("ø", "ER"), ("œ", "ER"), ("ɨ", "IH"),
    ("ɯ", "UW"), ("ɤ", "AH"), ("ɣ", "G"), ("ɕ", "SH"), ("ʑ", "ZH"), ("ʂ", "SH"), ("ʐ", "ZH"), ("c", "K"), ("ɟ", "G"), ("q", "K"),
    ("ɸ", "F"), ("ɥ", "W"), ("ʋ", "V"), ("ɱ", "M"), ("ɬ", "L"), ("ʀ", "R"), ("ɻ", "R"), ("ħ", "HH"), ("ɦ", "HH"), ("ɰ", "W"), ("ᵊ", "AH"),
)  # fmt: skip
"""IPA to the nearest sound of CMUdict; longer ones first."""

RULES = (
    ("tion", "SH AH N"), ("sion", "ZH AH N"), ("ough", "AO"), ("augh", "AO"), ("eigh", "EY"), ("igh", "AY"), ("tch", "CH"), ("dge", "JH"),
    ("sch", "SH"), ("ch", "CH"), ("sh", "SH"), ("th", "TH"), ("ph", "F"), ("wh", "W"), ("ck", "K"), ("ng", "NG"), ("qu", "K W"),
    ("gh", "G"), ("kn", "N"), ("wr", "R"), ("ee", "IY"), ("ea", "IY"), ("oo", "UW"), ("ou", "AW"), ("ow", "OW"), ("oi", "OY"),
    ("oy", "OY"), ("ai", "EY"), ("ay", "EY"), ("ei", "EY"), ("ey", "IY"), ("ie", "IY"), ("au", "AO"), ("aw", "AO"), ("oa", "OW"),
    ("ue", "UW"), ("ew", "UW"), ("er", "ER"), ("ir", "ER"), ("ur", "ER"), ("ar", "AA R"), ("or", "AO R"), ("x", "K S"), ("a", "AE"),
    ("b", "B"), ("c", "K"), ("d", "D"), ("e", "EH"), ("f", "F"), ("g", "G"), ("h", "HH"), ("i", "IH"), ("j", "JH"), ("k", "K"), ("l", "L"),
    ("m", "M"), ("n", "N"), ("o", "AA"), ("p", "P"), ("q", "K"), ("r", "R"), ("s", "S"), ("t", "T"), ("u", "AH"), ("v", "V"), ("w", "W"),
    ("y", "IY"), ("z", "Z"),
)  # fmt: skip
"""English spelling to sound, roughly: enough for a name that no dictionary has."""


def english_words(text: str) -> list[str]:
    """The words of an English text in small letters, numbers and signs spelt out."""
    found: list[str] = []
    for piece in WORD.findall(text.replace("’", "'")):
        if piece[0].isdigit():
            found += _number(piece)
        else:
            word = SIGNS.get(piece, piece.lower())
            found += TITLES.get(word, word).split()
    return found


def _number(piece: str) -> list[str]:
    whole, _, decimals = piece.replace(",", "").partition(".")
    said = _year(int(whole)) if len(whole) == 4 and "," not in piece and not decimals else _cardinal(int(whole[:15]))
    return said + (["point", *(ONES[int(d)] for d in decimals)] if decimals else [])


def _year(n: int) -> list[str]:
    """Four digits as a year is said; thousands as a number."""
    high, low = divmod(n, 100)
    if not 1100 <= n < 2100 or low == 0 or high == 20:
        return _cardinal(n)
    return _cardinal(high) + (["oh"] if low < 10 else []) + _cardinal(low)


def _cardinal(n: int) -> list[str]:
    if n < 20:
        return [ONES[n]]
    if n < 100:
        return [TENS[n // 10 - 2], *([ONES[n % 10]] if n % 10 else [])]
    for size, name in (
        (10**12, "trillion"),
        (10**9, "billion"),
        (10**6, "million"),
        (1000, "thousand"),
        (100, "hundred"),
    ):
        if n >= size:
            return [*_cardinal(n // size), name, *(_cardinal(n % size) if n % size else [])]
    raise AssertionError(n)


def spelt(word: str, known: Callable[[str], bool]) -> tuple[str, ...]:
    """How a word sounds that a dictionary does not have; empty where it has it."""
    if known(word):
        return ()
    if has_espeak():
        sounds = from_ipa([p.name for p in speak(word, "en").phones])
        if sounds:
            return (sounds,)
    return (by_rule(word),)


def from_ipa(phones: list[str]) -> str:
    """IPA sounds as CMUdict would write them."""
    rest, found = "".join(letters(p) for p in phones), []
    while rest:
        key, sound = next(((k, s) for k, s in FROM_IPA if rest.startswith(k)), ("", ""))
        rest = rest[max(len(key), 1) :]
        found += sound.split()
    return " ".join(found)


def by_rule(word: str) -> str:
    """How English spells sounds, undone: without any dictionary."""
    plain = unicodedata.normalize("NFD", word.lower())
    rest = "".join(c for c in plain if "a" <= c <= "z")
    if len(rest) > 3 and rest.endswith("e"):
        rest = rest[:-1]
    found: list[str] = []
    while rest:
        key, sounds = next((k, s) for k, s in RULES if rest.startswith(k))
        rest = rest[len(key) :]
        if not (found and len(key) == 1 and found[-1:] == sounds.split()):  # a doubled letter sounds once
            found += sounds.split()
    return " ".join(found or ["AH"])
