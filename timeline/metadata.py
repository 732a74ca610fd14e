"""Segments and joints as a project file stores them, in our own metadata. Hostile input is told where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

from lp_editor.errors import ParamError, ProjectError
from lp_editor.timeline.curve import (
    fraction_from_json,
    fraction_to_json,
    value_from_json,
    value_to_json,
)
from lp_editor.timeline.model import Ease, Joint, ParamValue, Segment, Span

MarkT = TypeVar("MarkT", Segment, Joint)

VERSION = 1
"""Of our metadata."""


def segment_to_json(segment: Segment) -> dict[str, Any]:
    """A segment as JSON: exact times, parameters as numbers, keys, texts."""
    stored: dict[str, Any] = {
        "id": segment.id,
        "effect": segment.effect,
        "start": fraction_to_json(segment.span.start),
        "duration": fraction_to_json(segment.span.duration),
        "params": {name: value_to_json(value) for name, value in segment.params.items()},
        "face": segment.face,
    }
    if segment.ease:
        stored["ease"] = [fraction_to_json(segment.ease.rise), fraction_to_json(segment.ease.fall)]
    return stored


def joint_to_json(joint: Joint) -> dict[str, Any]:
    """A joint as JSON."""
    return {
        "id": joint.id,
        "effect": joint.effect,
        "before": fraction_to_json(joint.before),
        "after": fraction_to_json(joint.after),
        "params": {name: value_to_json(value) for name, value in joint.params.items()},
    }


def segment_from_json(stored: Any, where: str) -> Segment:
    """The segment that JSON holds. Raises `ProjectError` naming ``where`` and the field."""
    return _read(stored, where, "segment", _segment)


def joint_from_json(stored: Any, where: str) -> Joint:
    """The joint that JSON holds. Raises `ProjectError` naming ``where`` and the field."""
    return _read(stored, where, "joint", _joint)


def _read(stored: Any, where: str, what: str, make: Callable[[Mapping[str, Any]], MarkT]) -> MarkT:
    if not isinstance(stored, dict):
        raise ProjectError(f"{where}: a {what} should be an object, not {type(stored).__name__}")
    try:
        return make(stored)
    except KeyError as error:
        raise ProjectError(f"{where}: {what} {stored.get('id', '?')!r} has no field {error}") from None
    except (ParamError, ValueError) as error:
        raise ProjectError(f"{where}: {what} {stored.get('id', '?')!r}: {error}") from None


def _segment(stored: Mapping[str, Any]) -> Segment:
    span = Span(fraction_from_json(stored["start"]), fraction_from_json(stored["duration"]))
    if span.duration <= 0:
        raise ParamError(f"duration must be more than 0, got {stored['duration']!r}")
    ease = stored.get("ease")
    return Segment(
        _text(stored, "id"), _text(stored, "effect"), span, _params(stored),
        str(stored.get("face", "largest")), None if ease is None else _ease(ease),
    )  # fmt: skip


def _joint(stored: Mapping[str, Any]) -> Joint:
    before, after = (fraction_from_json(stored[name]) for name in ("before", "after"))
    if before < 0 or after < 0 or before + after == 0:
        raise ParamError("before and after must not be negative, nor both 0")
    return Joint(_text(stored, "id"), _text(stored, "effect"), before, after, _params(stored))


def _text(stored: Mapping[str, Any], name: str) -> str:
    value = stored[name]
    if not isinstance(value, str) or not value or len(value) > 200:
        raise ParamError(f"{name} should be a short text, got {str(value)[:40]!r}")
    return value


def _params(stored: Mapping[str, Any]) -> dict[str, ParamValue]:
    params = stored.get("params", {})
    if not isinstance(params, dict):
        raise ParamError("params should be an object")
    return {str(name): value_from_json(value) for name, value in params.items()}


def _ease(stored: Any) -> Ease:
    if not isinstance(stored, list) or len(stored) != 2:
        raise ParamError("ease should be [in, out]")
    rise, fall = (fraction_from_json(part) for part in stored)
    if rise < 0 or fall < 0:
        raise ParamError("ease must not be negative")
    return Ease(Fraction(rise), Fraction(fall))
