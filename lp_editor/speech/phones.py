"""What the mouth does for each sound of speech: one table for ARPAbet, one for the letters of IPA.

Openness 0 is closed, 0.6 a wide "ah"; the values are those the methods were measured with, so that curves of one
method can be held against those of another. A sound with two values glides from one to the other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

Mouth: TypeAlias = Literal["silence", "closed", "teeth", "narrow", "open", "round"]
MOUTHS: tuple[Mouth, ...] = ("silence", "closed", "teeth", "narrow", "open", "round")
"""What kinds of mouth are told apart when methods are measured; teeth is the lower lip on them, F and V."""


@dataclass(frozen=True)
class Articulation:
    """A mouth: its kind, how far it opens at the start and at the end of the sound, and its viseme."""

    mouth: Mouth
    opening: tuple[float, float]
    viseme: str


def _table(rows: str) -> Mapping[str, Articulation]:
    """``mouth viseme opening[-opening] : phones`` on each line."""
    found: dict[str, Articulation] = {}
    for row in rows.strip().splitlines():
        head, phones = row.split(":")
        mouth, viseme, opening = head.split()
        first, _, last = opening.partition("-")
        kind = next(m for m in MOUTHS if m == mouth)
        for phone in phones.split():
            found[phone] = Articulation(kind, (float(first), float(last or first)), viseme)
    return found


ARPABET = _table(
    """
silence sil 0       : pau sil sp h#
closed  PP  0       : m b p em
teeth   FF  .08     : f v
narrow  SS  .12     : s z
narrow  TH  .18     : th dh
narrow  DD  .18     : t d dx
narrow  nn  .18     : n l nx en el
narrow  kk  .25     : k g ng hh
narrow  ih  .20     : iy
narrow  ih  .22     : y
narrow  ih  .28     : ih ix
open    E   .30     : ax axr
open    E   .35-.24 : ey
open    E   .45     : eh
open    aa  .45     : ah
open    aa  .60     : ae aa
open    aa  .60-.24 : ay
open    aa  .55-.20 : aw
round   oh  .50     : ao
round   oh  .50-.24 : oy
round   oh  .40-.20 : ow
round   RR  .25     : er r
round   ou  .25     : uh
round   ou  .15     : uw w
round   CH  .18     : ch jh sh zh
"""
)
"""The sounds of American English, as in CMUdict, without stress."""

IPA = _table(
    """
closed  PP  0   : p b m ɓ ʙ
teeth   FF  .08 : f v ɱ ʋ
narrow  PP  .08 : ɸ β
narrow  SS  .12 : s z
narrow  TH  .18 : θ ð
narrow  DD  .18 : t d ʈ ɖ ɗ ɾ ɽ
narrow  nn  .18 : n l ɳ ɲ ɭ ʎ ɫ ɮ ɬ
narrow  kk  .25 : k ɡ g ŋ x ɣ h ɦ χ q ɢ ħ ʕ ɴ c ɟ ç ʝ ʁ ʀ ɰ ʔ
narrow  ih  .20 : i
narrow  ih  .22 : j
narrow  ih  .28 : ɪ ɨ
open    E   .30 : ə ɘ ɯ ɤ ᵊ
open    E   .35 : e
open    E   .45 : ɛ ɜ
open    aa  .45 : ʌ ɐ
open    aa  .60 : a æ ɑ ä
round   oh  .50 : ɔ ɒ œ ɶ
round   oh  .40 : o ø ɵ ɞ
round   ou  .15 : u w y ʉ ɥ
round   ou  .25 : ʊ ʏ
round   RR  .25 : r ɹ ɻ ɝ ɚ
round   CH  .18 : ʃ ʒ ɕ ʑ ʂ ʐ
"""
)
"""The letters of IPA; a sound of several is made of theirs."""


VOWELS = "iɪɨjəɘɯɤᵊeɛɜʌɐaæɑäɔɒœɶoøɵɞuwyʉɥʊʏɝɚ"
"""Vowels and the glides that make diphthongs with them."""


def letters(phone: str) -> str:
    """The letters of an IPA sound that the mouth shows: without stress, length, tone, ties and other diacritics."""
    plain = unicodedata.normalize("NFD", phone)
    return "".join(c for c in plain if c in IPA)


@cache
def articulation(phone: str) -> Articulation:
    """What the mouth does for an ARPAbet sound (small letters) or an IPA one; a sound unknown to both is a schwa."""
    if phone in ARPABET:
        return ARPABET[phone]
    plain = letters(phone)
    if len(plain) > 1 and plain[0] not in VOWELS:
        plain = plain.rstrip("hɦj") or plain[:1]  # breath and palate do not show on the lips
    found = [IPA[letter] for letter in plain]
    if not found:
        return ARPABET["pau"] if not phone.strip() else ARPABET["ax"]
    vowels = [IPA[letter] for letter in plain if letter in VOWELS]
    if len(vowels) == len(found):
        return Articulation(found[0].mouth, (found[0].opening[0], found[-1].opening[0]), found[0].viseme)
    # an affricate shows its release: tɕ and dʒ are sh and zh
    return vowels[0] if vowels else found[-1]
