"""The cache as a whole: what is in it, whether it is sound, and that it does not grow without end.

Everything in it can be made again. What was used longest ago goes first; nothing goes that a running render has made or
used: renders say that they run, and since when, by a file that they keep touching.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import time
from uuid import uuid4

from lp_editor.errors import CacheError, OutputError, ParamError
from lp_editor.files import LEFT, abandoned, make_folder, read_sealed, remedy, unbroken
from lp_editor.render.stores import RECENT

KINDS = ("chunks", "patches", "faces", "speech", "voices", "networks")
"""The folders of the cache: encoded pictures, what engines changed, landmarks, what was said, spoken sound, compiled
networks."""

SEALED = ("chunks", "patches", "faces")
"""Those whose entries bear seals."""

RUNNING = "running"

BEAT = 20.0
"""Seconds between two signs of life of a render."""

SILENCE = 10 * BEAT
"""Seconds without one after which a render counts as gone."""

LIMIT = "LP_EDITOR_CACHE_LIMIT"
DEFAULT_LIMIT = "100GB"
UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}

TEMPORARY = re.compile(rf"\..*{LEFT}(\..*)?")


@dataclass(frozen=True)
class Entry:
    """A file of the cache: its size in bytes, and when it was used last, in seconds since 1970."""

    kind: str
    path: Path
    size: int
    used: float


def entries(cache: Path, kinds: Sequence[str] = KINDS) -> Iterator[Entry]:
    """Everything that is kept, but for what is being written."""
    for kind in kinds:
        for path, stat in _files(cache / kind):
            if not TEMPORARY.fullmatch(path.name):
                yield Entry(kind, path, stat.st_size, stat.st_mtime)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        found = list(os.scandir(folder))
    except OSError:
        return
    for one in found:
        with suppress(OSError):  # gone meanwhile
            if one.is_dir(follow_symlinks=False):
                yield from _files(Path(one.path))
            else:
                yield Path(one.path), one.stat()


def limit() -> int | None:
    """Bytes that the cache may hold, from ``LP_EDITOR_CACHE_LIMIT`` (``20GB``, ``500 MB``, ``none``). Raises `ParamError`."""
    text = os.environ.get(LIMIT, "").strip() or DEFAULT_LIMIT
    if text.lower() == "none":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?b?)", text.lower())
    unit = match[2] if match and match[2] in UNITS else f"{match[2]}b" if match else ""
    if match is None or unit not in UNITS:
        raise ParamError(f"{LIMIT} is a size like 20GB, or none, got {text!r}")
    return int(float(match[1]) * UNITS[unit])


@contextmanager
def running(cache: Path) -> Iterator[None]:
    """Say for the time of a ``with`` that what is made and used in a cache from now on must stay."""
    limit()  # what is wrong with it is told before any work
    folder = cache / RUNNING
    make_folder(folder)
    sign = folder / f"{uuid4().hex}.json"
    try:
        sign.write_text(json.dumps({"since": time()}), encoding="utf-8")
    except OSError as error:
        with suppress(OSError):
            sign.unlink()
        raise CacheError(f"{sign} cannot be written ({error.strerror}){remedy(error)}") from error
    stop = Event()
    beating = Thread(target=_beat, args=(sign, stop), daemon=True)
    beating.start()
    try:
        yield
    finally:
        stop.set()
        beating.join()
        with suppress(OSError):
            sign.unlink()


def _beat(sign: Path, stop: Event) -> None:
    while not stop.wait(BEAT):
        with suppress(OSError):
            os.utime(sign)


def oldest_running(cache: Path) -> float | None:
    """Since when the longest of the running renders runs, in seconds since 1970; None where none does."""
    began = []
    for path, stat in _files(cache / RUNNING):
        if time() - stat.st_mtime > SILENCE:
            with suppress(OSError):
                path.unlink()  # killed
            continue
        try:
            began.append(float(json.loads(path.read_text(encoding="utf-8"))["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            began.append(stat.st_mtime - SILENCE)  # just being written
    return min(began, default=None)


def trim(cache: Path) -> int:
    """Delete what was used longest ago until the cache keeps to its limit; bytes that went."""
    most = limit()
    sweep_all(cache)
    if most is None:
        return 0
    found = sorted(entries(cache), key=lambda entry: entry.used)
    over = sum(entry.size for entry in found) - most
    if over <= 0:
        return 0
    return _delete(found, _protected(cache), over)


def clear(cache: Path, kinds: Sequence[str] = KINDS) -> int:
    """Delete everything of some kinds but what running renders have made or used; bytes that went."""
    sweep_all(cache)
    return _delete(list(entries(cache, kinds)), _protected(cache), None)


def _protected(cache: Path) -> float:
    """The time of last use from which on entries stay: those used recently are not marked at every use."""
    since = oldest_running(cache)
    return float("inf") if since is None else since - RECENT


def _delete(found: Sequence[Entry], protected: float, enough: int | None) -> int:
    gone = 0
    for entry in found:
        if enough is not None and gone >= enough:
            break
        if entry.used < protected:
            with suppress(OSError):
                entry.path.unlink()
                gone += entry.size
    return gone


def sweep_all(cache: Path) -> None:
    """Delete what writers that were killed left in the cache."""
    for kind in KINDS:
        for path, _ in _files(cache / kind):
            if (match := TEMPORARY.fullmatch(path.name)) and abandoned(path, match[1], int(match[2])):
                with suppress(OSError):
                    path.unlink()


def damaged(cache: Path) -> Iterator[tuple[Entry, bool]]:
    """Every entry that bears a seal, with whether it is damaged; all of it is read."""
    for entry in entries(cache, SEALED):
        try:
            sound = unbroken(entry.path) if entry.kind == "chunks" else read_sealed(entry.path) is not None
        except OSError:
            sound = False
        yield entry, not sound and entry.path.exists()


def check_folder(cache: Path) -> None:
    """Raise an `OutputError` for a folder that is no cache of ours, before anything is deleted in it."""
    if not cache.is_dir():
        return
    known = {*KINDS, RUNNING, "models", "clipboard.json"}  # the last two are no content: they stay
    strange = sorted(p.name for p in cache.iterdir() if p.name not in known and not p.name.startswith("."))
    if strange and not any((cache / kind).is_dir() for kind in KINDS):
        raise OutputError(f"{cache} does not look like a cache of ours ({strange[0]} lies in it); check LP_EDITOR_CACHE")
