"""AAF, read through the permissive adapter of OpenTimelineIO; an optional extra (``pip install lp-editor[aaf]``).

What it reads is tracks, clips, gaps, dissolves, linear speeds and markers; `aaf_write` says what it writes. Adapter and
library know no limits: a file whose parts name one another in a circle, or that claims sizes it has not, would keep them
busy for ever. So they read in a process of their own, with so much time and memory for each byte of the file.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from lp_editor.apart import command
from lp_editor.errors import LpEditorError, ProjectError
from lp_editor.timeline import stored
from lp_editor.timeline.dialects.otio import Node

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The first bytes of every AAF in a structured storage file."""

SECONDS, SECONDS_A_MEGABYTE, MOST_SECONDS = 6, 2, 120
"""Of a core; real files take less than half a second for each megabyte."""

BUSY = 20
"""How much longer than its seconds of a core a file may take where other work has the machine."""

BYTES, BYTES_A_BYTE = 1 << 30, 32
"""Of memory, what Python and its libraries reserve included."""

REFUSED = 3
"""The exit code of the reading process for a file that the adapter refuses."""

OUT_OF_TIME = (-24, -9)
"""How a process ends that used up its seconds of a core: by SIGXCPU, or by SIGKILL a second later."""


def adapter(path: Path, error: type[LpEditorError]) -> Any:
    """OpenTimelineIO with its adapter for AAF. Raises ``error`` where the extra is missing."""
    try:  # by name: the timeline does without either, and is checked to
        importlib.import_module("otio_aaf_adapter")
        return importlib.import_module("opentimelineio")
    except ImportError:
        raise error(f"{path}: AAF needs an extra: pip install 'lp-editor[aaf]'") from None


def tree_of(path: Path) -> Node:
    """The file as an OpenTimelineIO tree. Raises `ProjectError` where the extra is missing or the file cannot be read."""
    adapter(path, ProjectError)
    size = path.stat().st_size
    seconds = min(SECONDS + size * SECONDS_A_MEGABYTE // 10**6, MOST_SECONDS)
    told = _read_apart(path, seconds, BYTES + size * BYTES_A_BYTE)
    tree = stored.parsed(told, str(path))
    if not isinstance(tree, dict):
        raise ProjectError(f"{path} holds no composition")
    return tree


def _read_apart(path: Path, seconds: int, memory: int) -> bytes:
    """What the reading process says of a file, as JSON."""
    try:
        words = command(serve, str(path.absolute()), str(seconds), str(memory))
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds * BUSY, check=False)
    except subprocess.TimeoutExpired:
        raise ProjectError(_endless(path, seconds)) from None
    except OSError as error:
        raise ProjectError(f"{path}: no process can be started to read it in ({error.strerror or error})") from None
    if done.returncode == REFUSED:
        why = " ".join(done.stdout.decode("utf-8", "replace").split())[:300]
        raise ProjectError(f"{path} cannot be read as AAF ({why}); export it again")
    if done.returncode in OUT_OF_TIME:
        raise ProjectError(_endless(path, seconds))
    if done.returncode:
        raise ProjectError(f"{path} cannot be read as AAF (its reader broke down); export it again")
    return done.stdout


def _endless(path: Path, seconds: int) -> str:
    return f"{path} is not read to its end in {seconds} seconds of a core, as an AAF of its size is; export it again"


def serve(path: str, seconds: str, memory: str) -> None:
    """Read a file and print its tree; the whole work of the reading process."""
    _limit(int(seconds), int(memory))
    out, sys.stdout = sys.stdout.buffer, sys.stderr  # libraries may print
    try:
        opentimelineio = adapter(Path(path), ProjectError)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = opentimelineio.adapters.read_from_file(path, adapter_name="AAF").to_json_string()
        out.write(text.encode("utf-8", "surrogatepass"))
        code = 0
    except Exception as error:  # the adapter and the library below it raise whatever they meet
        out.write(f"{type(error).__name__}: {str(error)[:1000]}".encode("utf-8", "replace"))
        code = REFUSED
    out.flush()
    os._exit(code)  # what was read in a circle need not be taken apart


def _limit(seconds: int, memory: int) -> None:
    """Have the system end this process at its limits, where it can."""
    with suppress(ImportError, ValueError, OSError):
        resource = importlib.import_module("resource")  # not on Windows, where the clock alone counts
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
