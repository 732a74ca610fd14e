"""Keyframed curves, and signals: any function of time that effects make from them.

A curve is keys only, so that it can be stored, drawn, edited and hashed; times are exact fractions of a second. A
signal is whatever can be sampled; every curve is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lp_editor.errors import ParamError
from lp_editor.timeline.timecode import exact_number

if TYPE_CHECKING:
    from lp_editor.timeline.model import ParamValue

Samples: TypeAlias = NDArray[np.float64]
Interpolation: TypeAlias = Literal["hold", "linear", "smooth", "bezier"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)

MOST_SECONDS = 10**9
"""A time further off is taken for a broken or hostile file."""

LARGEST = 1e12
"""So is a greater value, whatever it stands for."""

MOST_KEYS = 100_000
"""More keys than this in one curve is taken for a broken or hostile file."""


class Signal:
    """A value over time: any function from seconds to values, sampled in whole arrays."""

    def __init__(self, sample: Callable[[Samples], Samples]) -> None:
        self._sample = sample

    def at(self, seconds: ArrayLike) -> Samples:
        """The value at each time; the shape of ``seconds``, float64."""
        return np.asarray(self._sample(np.asarray(seconds, dtype=np.float64)), dtype=np.float64)

    @staticmethod
    def constant(value: float) -> Signal:
        """The same value always."""
        return Signal(lambda t: np.full_like(t, value))

    @staticmethod
    def window(start: float, stop: float, rise: float, fall: float) -> Signal:
        """0 outside ``start``..``stop``, 1 inside, eased by a smoothstep over ``rise`` and ``fall`` seconds.

        Eases that do not fit are scaled down together; an ease of 0 is a hard edge.
        """
        length = max(stop - start, 0.0)
        scale = min(1.0, length / (rise + fall)) if rise + fall > 0 else 1.0
        up, down = rise * scale, fall * scale

        def sample(t: Samples) -> Samples:
            inside = (t >= start) & (t <= stop)
            into = np.clip((t - start) / up, 0, 1) if up > 0 else np.ones_like(t)
            out = np.clip((stop - t) / down, 0, 1) if down > 0 else np.ones_like(t)
            return np.asarray(inside * _smoothstep(into) * _smoothstep(out))

        return Signal(sample)

    def shifted(self, by: float) -> Signal:
        """The same signal, ``by`` seconds later."""
        return Signal(lambda t: self.at(t - by))

    def clipped(self, low: float, high: float) -> Signal:
        """The same signal, never outside ``low``..``high``."""
        return Signal(lambda t: np.clip(self.at(t), low, high))

    def __add__(self, other: Signal | float) -> Signal:
        rhs = as_signal(other)
        return Signal(lambda t: self.at(t) + rhs.at(t))

    def __radd__(self, other: float) -> Signal:
        return self + other

    def __sub__(self, other: Signal | float) -> Signal:
        return self + (-as_signal(other))

    def __rsub__(self, other: float) -> Signal:
        return (-self) + other

    def __mul__(self, other: Signal | float) -> Signal:
        rhs = as_signal(other)
        return Signal(lambda t: self.at(t) * rhs.at(t))

    def __rmul__(self, other: float) -> Signal:
        return self * other

    def __neg__(self) -> Signal:
        return Signal(lambda t: -self.at(t))


def as_signal(value: Signal | float) -> Signal:
    """A number as a constant signal; a signal as it is."""
    return value if isinstance(value, Signal) else Signal.constant(float(value))


def _smoothstep(u: Samples) -> Samples:
    return u * u * (3 - 2 * u)


@dataclass(frozen=True)
class Handle:
    """A bezier handle, as an offset from its key: seconds and value."""

    seconds: float
    value: float


@dataclass(frozen=True)
class Key:
    """A value at a time (seconds from the start); ``interpolation`` shapes the stretch from here to the next key.

    ``right`` belongs to this key's stretch, ``left`` to the one before, where that is a bezier; without handles a
    bezier's are a third of the way, level.
    """

    time: Fraction
    value: float
    interpolation: Interpolation = "linear"
    left: Handle | None = None
    right: Handle | None = None

    def __post_init__(self) -> None:
        numbers = [self.value] + [n for h in (self.left, self.right) if h for n in (h.seconds, h.value)]
        if not all(math.isfinite(n) and abs(n) <= LARGEST for n in numbers):
            raise ParamError(f"a key's value must be a number of sense, got {self.value!r} at {self.time}s")
        if self.interpolation not in INTERPOLATIONS:
            raise ParamError(f"no interpolation {str(self.interpolation)[:40]!r}; there are: {', '.join(INTERPOLATIONS)}")
        if (self.left and self.left.seconds > 0) or (self.right and self.right.seconds < 0):
            raise ParamError(f"the handles of the key at {self.time}s point the wrong way in time")


@dataclass(frozen=True)
class Curve(Signal):
    """A value over time from keys, in order of time; held before the first and after the last."""

    keys: tuple[Key, ...] = field(default_factory=lambda: (Key(Fraction(0), 0.0),))

    def __post_init__(self) -> None:
        if not self.keys:
            raise ParamError("a curve needs at least one key")
        if len(self.keys) > MOST_KEYS:
            raise ParamError(f"a curve takes at most {MOST_KEYS} keys, got {len(self.keys)}")
        ordered = tuple(sorted(self.keys, key=lambda k: k.time))
        for a, b in pairwise(ordered):
            if a.time == b.time:
                raise ParamError(f"two keys lie at {_seconds_text(a.time)}; move or delete one")
        object.__setattr__(self, "keys", ordered)

    @staticmethod
    def constant(value: float) -> Curve:
        """A curve of one key at 0."""
        return Curve((Key(Fraction(0), float(value)),))

    @property
    def is_constant(self) -> bool:
        """Whether it is one key at 0, stored and shown as a number."""
        return len(self.keys) == 1 and self.keys[0] == Key(Fraction(0), self.keys[0].value)

    def at(self, seconds: ArrayLike) -> Samples:
        """The value at each time; the shape of ``seconds``, float64."""
        t = np.asarray(seconds, dtype=np.float64)
        times, values = self._arrays
        out = np.full(t.shape, values[-1])
        out = np.where(t < times[0], values[0], out)
        index = np.searchsorted(times, t, side="right") - 1
        for i in np.unique(index[(index >= 0) & (index < len(times) - 1)]):
            here = index == i
            out = np.where(here, _between(self.keys[i], self.keys[i + 1], t), out)
        return np.asarray(out, dtype=np.float64)

    @cached_property
    def _arrays(self) -> tuple[Samples, Samples]:
        return np.array([float(k.time) for k in self.keys]), np.array([k.value for k in self.keys])

    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value anywhere, from the analytic extrema of every stretch."""
        values = [k.value for k in self.keys]
        for a, b in pairwise(self.keys):
            if a.interpolation == "bezier":
                values += _bezier_extrema(a, b)
        return min(values), max(values)

    def with_key(self, key: Key) -> Curve:
        """The curve with one more key, or with that key in the place of one at the same time."""
        return Curve((*(k for k in self.keys if k.time != key.time), key))

    def without_key(self, time: Fraction) -> Curve:
        """The curve without the key at a time. Raises `ParamError` when there is none, or no other."""
        self.key_at(time)
        if len(self.keys) == 1:
            raise ParamError("a curve keeps at least one key; set its value instead of deleting it")
        return Curve(tuple(k for k in self.keys if k.time != time))

    def moved_key(self, time: Fraction, to: Fraction) -> Curve:
        """The curve with the key of one time at another, which must be free."""
        key = self.key_at(time)
        return Curve((*(k for k in self.keys if k is not key), replace(key, time=to)))

    def key_at(self, time: Fraction) -> Key:
        """The key at a time. Raises `ParamError` that lists where keys are."""
        for key in self.keys:
            if key.time == time:
                return key
        there = ", ".join(_seconds_text(k.time) for k in self.keys[:20])
        raise ParamError(f"no key at {_seconds_text(time)}; keys lie at {there}")

    @staticmethod
    def parse(text: str, rate: Fraction) -> Curve:
        """Read ``0.6`` or ``0@0,0.7@10f:smooth,0@2s``: VALUE@TIME[:INTERPOLATION], frames counted at ``rate``."""
        parts = [p.strip() for p in text.split(",")]
        if len(parts) == 1 and "@" not in parts[0]:
            return Curve.constant(_number(parts[0]))
        return Curve(tuple(_parse_key(part, rate) for part in parts))

    def text(self) -> str:
        """The curve as `parse` reads it, exactly; bezier handles do not show."""
        if self.is_constant:
            return repr(self.keys[0].value)
        return ",".join(
            f"{k.value!r}@{_seconds_text(k.time)}" + (f":{k.interpolation}" if k.interpolation != "linear" else "")
            for k in self.keys
        )


def _between(a: Key, b: Key, t: Samples) -> Samples:
    """The stretch between two keys; only right for times inside it."""
    start, length = float(a.time), float(b.time - a.time)
    u = np.clip((t - start) / length, 0, 1)
    if a.interpolation == "hold":
        return np.full_like(t, a.value)
    if a.interpolation == "smooth":
        u = _smoothstep(u)
    elif a.interpolation == "bezier":
        return _bezier(a, b, u)
    return np.asarray(a.value + (b.value - a.value) * u)


def _bezier_points(a: Key, b: Key) -> tuple[tuple[float, float, float, float], tuple[float, float, float, float]]:
    """Control points of a stretch: times as parts of its length, held inside it so that time runs on; and values."""
    length = float(b.time - a.time)
    right = a.right or Handle(length / 3, 0.0)
    left = b.left or Handle(-length / 3, 0.0)
    x1, x2 = min(right.seconds / length, 1.0), max(1.0 + left.seconds / length, 0.0)
    return (0.0, x1, x2, 1.0), (a.value, a.value + right.value, b.value + left.value, b.value)


def _cubic(p: tuple[float, float, float, float], s: Samples) -> Samples:
    m = 1 - s
    return np.asarray(m**3 * p[0] + 3 * m * m * s * p[1] + 3 * m * s * s * p[2] + s**3 * p[3])


def _bezier(a: Key, b: Key, u: Samples) -> Samples:
    """Values of a bezier stretch at parts of its length: time is monotone, so bisection finds the parameter."""
    xs, ys = _bezier_points(a, b)
    low, high = np.zeros_like(u), np.ones_like(u)
    for _ in range(52):
        middle = (low + high) / 2
        after = _cubic(xs, middle) > u
        low, high = np.where(after, low, middle), np.where(after, middle, high)
    return _cubic(ys, (low + high) / 2)


def _bezier_extrema(a: Key, b: Key) -> list[float]:
    """Values where a bezier stretch turns: the roots of its derivative inside it."""
    _, (p0, p1, p2, p3) = _bezier_points(a, b)
    roots = np.roots([-p0 + 3 * p1 - 3 * p2 + p3, 2 * (p0 - 2 * p1 + p2), p1 - p0])
    inside = [float(r.real) for r in roots if abs(r.imag) < 1e-9 and 0 < r.real < 1]
    return [float(v) for v in _cubic((p0, p1, p2, p3), np.array(inside))]


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ParamError(f"not a number: {text[:40]!r}") from None
    if not math.isfinite(value):
        raise ParamError(f"not a finite number: {text[:40]!r}")
    return value


def _parse_key(text: str, rate: Fraction) -> Key:
    value, at, rest = text.partition("@")
    if not at:
        raise ParamError(f"a key is VALUE@TIME[:INTERPOLATION], like 0.7@10f:smooth; got {text[:40]!r}")
    time, _, interpolation = rest.partition(":")
    kind: Any = interpolation.strip() or "linear"
    return Key(_key_time(time.strip(), rate), _number(value.strip()), kind)


def _key_time(text: str, rate: Fraction) -> Fraction:
    """``2s``, ``12f`` or bare seconds, decimals and fractions exact."""
    try:
        time = exact_number(text[:-1]) / rate if text.endswith("f") else exact_number(text.removesuffix("s"))
    except ValueError:
        raise ParamError(f"a key's time is seconds (2s) or frames (12f), got {text[:40]!r}") from None
    if abs(time) > MOST_SECONDS:
        raise ParamError(f"a time beyond all sense: {text[:40]!r}")
    return time


def _seconds_text(time: Fraction) -> str:
    """Seconds, exact: decimals where they can be, a fraction where not."""
    decimal = f"{float(time):.9f}".rstrip("0").rstrip(".")
    return f"{decimal}s" if Fraction(decimal) == time else f"{time}s"


def fraction_to_json(value: Fraction) -> int | str:
    """An exact number as JSON: a whole number, or ``"p/q"``."""
    return value.numerator if value.denominator == 1 else f"{value.numerator}/{value.denominator}"


def fraction_from_json(stored: object) -> Fraction:
    """The exact number that JSON holds. Raises `ParamError` for anything that is not one, or beyond all sense."""
    try:
        if isinstance(stored, bool) or not isinstance(stored, int | float | str) or len(str(stored)) > 80:
            raise ValueError
        if isinstance(stored, str) and ("e" in stored or "E" in stored):
            raise ValueError
        value = Fraction(stored)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ParamError(f"not a number of seconds: {str(stored)[:40]!r}") from None
    if abs(value) > MOST_SECONDS:
        raise ParamError(f"a time beyond all sense: {str(stored)[:40]!r}")
    return value


def value_to_json(value: ParamValue) -> Any:
    """A parameter as a project file stores it: a constant curve as its number, another as a list of keys."""
    if not isinstance(value, Curve):
        return value
    return value.keys[0].value if value.is_constant else [_key_to_json(k) for k in value.keys]


def _key_to_json(key: Key) -> dict[str, Any]:
    stored: dict[str, Any] = {"time": fraction_to_json(key.time), "value": key.value}
    if key.interpolation != "linear":
        stored["interpolation"] = key.interpolation
    for side in ("left", "right"):
        handle: Handle | None = getattr(key, side)
        if handle:
            stored[side] = [handle.seconds, handle.value]
    return stored


def value_from_json(stored: Any) -> ParamValue:
    """The parameter that a project file stores. Raises `ParamError` for what is none."""
    if isinstance(stored, bool | str):
        return stored
    if isinstance(stored, int | float):
        return Curve.constant(_finite(stored))
    if isinstance(stored, list):
        return curve_from_json(stored)
    raise ParamError(f"a parameter is a number, a list of keys, true, false or a text; got {str(stored)[:60]!r}")


def curve_from_json(stored: Sequence[Any]) -> Curve:
    """A curve from its list of keys: ``{"time", "value", "interpolation"}`` or ``[time, value]``."""
    return Curve(tuple(_key_from_json(k) for k in stored[: MOST_KEYS + 1]))


def _key_from_json(stored: Any) -> Key:
    if isinstance(stored, list) and len(stored) == 2:
        return Key(fraction_from_json(stored[0]), _finite(stored[1]))
    if not isinstance(stored, dict) or "time" not in stored or "value" not in stored:
        raise ParamError(f'a key is {{"time": …, "value": …}}, got {str(stored)[:60]!r}')
    kind: Any = stored.get("interpolation", "linear")
    handles = (_handle_from_json(stored.get(side)) for side in ("left", "right"))
    return Key(fraction_from_json(stored["time"]), _finite(stored["value"]), kind, *handles)


def _handle_from_json(stored: Any) -> Handle | None:
    if stored is None:
        return None
    if not isinstance(stored, list) or len(stored) != 2:
        raise ParamError(f"a handle is [seconds, value], got {str(stored)[:60]!r}")
    return Handle(_finite(stored[0]), _finite(stored[1]))


def _finite(stored: Any) -> float:
    if isinstance(stored, bool) or not isinstance(stored, int | float):
        raise ParamError(f"not a number: {str(stored)[:60]!r}")
    try:
        value = float(stored)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ParamError(f"not a finite number: {str(stored)[:60]!r}")
    return value
