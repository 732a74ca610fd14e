"""Exact rates, and times as editors write them: seconds, frames, timecode."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

from lp_editor.errors import TimeError

NTSC = {n: Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)}
"""The rates that are 1000/1001 of a whole number, by that number."""

DAY_HOURS = 24

SLOWEST = Fraction(1, 1000)
"""Frames a second."""

REMEMBERED = 4096
"""Numbers that are known for the next time: a cut says the same ones thousands of times."""

EXACT = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:/[0-9]{1,40}|[eE][+-]?[0-9]{1,2})?")
"""A number in a text: longer ones, and exponents without end, cost a machine minutes and mean nothing."""


def exact_number(text: str) -> Fraction:
    """The number that a text says, exactly: ``12``, ``0.5``, ``1/3``, ``2.5e-5``. Raises `ValueError` for any other."""
    if len(text) > 100:
        raise ValueError(f"not a number: {text[:40]!r}")
    return _exact(text)


@lru_cache(REMEMBERED)
def _exact(text: str) -> Fraction:
    if not EXACT.fullmatch(text.strip()):
        raise ValueError(f"not a number: {text[:40]!r}")
    try:
        return Fraction(text.strip())
    except ZeroDivisionError:
        raise ValueError(f"a number by zero: {text[:40]!r}") from None


@lru_cache(REMEMBERED)
def exact_rate(rate: float | Fraction) -> Fraction:
    """The exact rate that a file's number means: 23.976, 23.98 and 24000/1001 are one.

    Raises `TimeError` for what is no frame rate.
    """
    if not math.isfinite(rate) or not 0 < rate <= 1_000_000:
        raise TimeError(f"not a frame rate: {rate}")
    if rate < SLOWEST:
        raise TimeError(f"not a frame rate: {rate}; the slowest is one frame in {1 / SLOWEST} seconds")
    for ntsc in NTSC.values():
        if abs(float(rate) / float(ntsc) - 1) < 2.5e-4 and abs(float(rate) - round(float(rate))) > 1e-3:
            return ntsc
    return Fraction(rate).limit_denominator(1001)


def is_ntsc(rate: Fraction) -> bool:
    """Whether a rate is one of the 1000/1001 family."""
    return rate in NTSC.values()


def nominal(rate: Fraction) -> int:
    """How many frames a second of timecode counts."""
    return math.ceil(rate)


def timecode_seconds(text: str, rate: Fraction) -> Fraction:
    """Seconds of ``HH:MM:SS:FF`` (``;`` or ``.`` before the frames: drop frame) at a rate. Raises `TimeError`."""
    return Fraction(timecode_frames(text, rate)) / rate


def timecode_frames(text: str, rate: Fraction) -> int:
    """The frame number that a timecode names. Raises `TimeError` where no frame bears it."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2}):(\d{2})([:;.])(\d{2,3})", text.strip())
    if not match:
        raise TimeError(f"timecode is HH:MM:SS:FF, or HH:MM:SS;FF for drop frame; got {text[:40]!r}")
    hours, minutes, seconds, frames = (int(match[i]) for i in (1, 2, 3, 5))
    base = nominal(rate)
    if hours >= DAY_HOURS or minutes >= 60 or seconds >= 60 or frames >= base:
        raise TimeError(f"no frame bears {text}: at {rate_text(rate)} it goes to 23:59:59:{base - 1:02d}")
    number = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if match[4] == ":":
        return number
    if not drops(rate):
        raise TimeError(f"{text} is drop frame, which only 29.97 and 59.94 have, not {rate_text(rate)}; use ':'")
    drop, total = base // 15, hours * 60 + minutes
    if minutes % 10 and seconds == 0 and frames < drop:
        raise TimeError(f"no frame bears {text}: drop-frame timecode leaves it out; the next is ;{drop:02d}")
    return number - drop * (total - total // 10)


def drops(rate: Fraction) -> bool:
    """Whether drop-frame timecode exists at a rate."""
    return rate in (NTSC[30], NTSC[60])


def timecode(seconds: Fraction, rate: Fraction, drop_frame: bool = False) -> str:
    """The timecode of the frame shown at a time, wrapped at midnight."""
    count = seconds * rate
    base, frame = nominal(rate), (count.numerator * 10**6 + count.denominator) // (count.denominator * 10**6)
    if not (drop_frame and drops(rate)):
        frame %= base * 3600 * DAY_HOURS
        return _digits(frame, base, ":")
    drop = base // 15
    per_ten = base * 600 - drop * 9
    frame %= per_ten * 6 * DAY_HOURS
    tens, rest = divmod(frame, per_ten)
    minutes = max(0, (rest - drop) // (base * 60 - drop))
    return _digits(frame + drop * (9 * tens + minutes), base, ";")


def _digits(frame: int, base: int, mark: str) -> str:
    seconds, frames = divmod(frame, base)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{frames:02d}"


def parse_time(text: str, rate: Fraction, origin: Fraction | None = None) -> Fraction:
    """Seconds of a TIME: ``2s``, ``1.5s``, ``12f``, a bare number (seconds), or timecode less ``origin``.

    ``origin`` is the timecode of time 0 in seconds; None where timecode makes no sense (a length). Raises `TimeError`.
    """
    text = text.strip()
    if ":" in text:
        if origin is None:
            raise TimeError(f"{text[:40]!r} is a place, not a length; use seconds (2s) or frames (12f)")
        return timecode_seconds(text, rate) - origin
    match = re.fullmatch(r"([+-]?(?:\d{1,9}(?:\.\d{0,12})?|\.\d{1,12}|\d{1,9}/\d{1,9}))\s*([sf]?)", text)
    try:
        number = Fraction(match[1]) if match else None
    except ZeroDivisionError:
        number = None
    if match is None or number is None:
        raise TimeError(f"a time is seconds (2s), frames (12f) or timecode (01:00:00:00), got {text[:40]!r}")
    return number / rate if match[2] == "f" else number


def rate_text(rate: Fraction) -> str:
    """A rate as editors write it: 25, 23.976, 29.97."""
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")
