"""Which letters the bytes of a plain text mean, where no header says so: edit lists come from every system and decade.

A byte order mark counts, then zeros in every other byte, then whether it is UTF-8. What is left is one of the two sets
of western letters that editing systems wrote, Windows' or the Macintosh's: that in which more of the text reads as words.
"""

from __future__ import annotations

import codecs

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

LOOKED_AT = 4000
"""Bytes by which zeros are judged."""

WESTERN = {"cp1252": "Windows' western letters", "mac_roman": "the Macintosh's western letters"}


def encoding_of(content: bytes) -> str:
    """Python's name of the encoding that some text is in."""
    for mark, name in MARKS:
        if content.startswith(mark):
            return name
    head = content[:LOOKED_AT]
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        high, low = head[start::2], head[1 - start :: 2]
        if high.count(0) > len(high) * 0.6 and low.count(0) < len(low) * 0.1:
            return name
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return max(WESTERN, key=lambda name: _sense(content, name))  # of equals the first
    return "utf-8"


def decoded(content: bytes) -> tuple[str, str]:
    """A text, and a sentence on its encoding where that is not UTF-8; else nothing."""
    encoding = encoding_of(content)
    text = content.decode(encoding, "replace").removeprefix("\ufeff")
    if encoding.startswith("utf-16"):
        return text, "it is in UTF-16; an edit list that is written is UTF-8"
    if encoding in WESTERN:
        return text, f"its letters are not UTF-8; they are read as {WESTERN[encoding]}, so look at names with accents"
    return text, ""


def _sense(content: bytes, encoding: str) -> int:
    """How much like words the signs beyond ASCII make a text: letters do, capitals and other signs inside words do not."""
    text = content.decode(encoding, "replace")
    score = 0
    for at, sign in enumerate(text):
        if sign.isascii():
            continue
        before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
        if not sign.isalpha():
            score -= 2 if sign == "\ufffd" or (before.isalpha() and after.isalpha() and sign != "’") else 0
        else:
            score += -1 if sign.isupper() and before.islower() else 1
    return score
