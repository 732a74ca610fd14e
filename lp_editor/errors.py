"""What can go wrong, as one small tree. The CLI prints these and exits with 2; anything else is a bug."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from itertools import islice

LISTED = 8
"""Names that an error lists; of more, their number."""


class LpEditorError(Exception):
    """Base of every error a user can cause and can fix: says what, where, and what would do."""


class ParamError(LpEditorError):
    """A segment gives an effect a parameter it does not take, or a value out of range."""


class UnknownEffectError(LpEditorError):
    """A segment names an effect that no installed plugin provides."""


class PluginError(LpEditorError):
    """A plugin breaks the rules of the plugin API."""


class ProjectError(LpEditorError):
    """A project file cannot be read, or does not hold what was asked of it."""


class TimeError(LpEditorError):
    """A time cannot be read, or lies outside what it should lie in."""


class MediaError(LpEditorError):
    """Media is missing, broken, or of a kind we cannot read or write."""


class FaceError(LpEditorError):
    """No face, or not the one asked for, where a segment needs one."""


class EngineError(LpEditorError):
    """No engine of that name, or an engine that cannot run here."""


class WeightsError(EngineError):
    """A file of network weights is missing, damaged, or not what its name says."""


class OutputError(LpEditorError):
    """A result cannot be written: it exists already, or the place does not take it."""


class CacheError(LpEditorError):
    """What is kept from earlier work is damaged or gone, where it cannot simply be made again."""


class Cancelled(LpEditorError):
    """The user stopped the work."""


def nearest(word: str, known: Collection[str]) -> str:
    """The name that a word was likely meant to be; empty where none is like it."""
    found = get_close_matches(word[:60], known, 1)
    return found[0] if found else ""


def instead(word: str, known: Collection[str], listed_by: str = "") -> str:
    """What to say where no name is ``word``: the nearest, or else the first few, and the command that lists them all."""
    if near := nearest(word, known):
        return f"did you mean {near}?"
    more = len(known) - LISTED
    rest = f" and {more} more" + (f" (`{listed_by}` lists them)" if listed_by else "") if more > 0 else ""
    return f"there are: {', '.join(islice(known, LISTED))}{rest}"
