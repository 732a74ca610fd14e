"""Work in a Python process of its own that finds what this one finds, and nothing in the folder it happens to run in."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

PROGRAM = (
    "import sys; from importlib import import_module; words = sys.argv[4 : 4 + int(sys.argv[3])]; "
    "sys.path[:] = sys.argv[4 + len(words) :]; getattr(import_module(sys.argv[1]), sys.argv[2])(*words)"
)
"""What the process does: it calls a function of a module with some words."""

PYTHON = re.compile(r"(python|pypy)", re.IGNORECASE)
"""What an interpreter is called. Another program that has Python inside would start itself once more."""

HERE = str(Path(__file__).parents[1])
"""Where this library lies, in case it was found by the folder that Python was started in."""


def command(work: Callable[..., object], *words: str) -> list[str]:
    """What starts a process that calls ``work``, a function of a module, with some words.

    Raises `OSError` where this is another program that has Python inside.
    """
    if not PYTHON.match(Path(sys.executable or "").name):
        raise OSError("no interpreter is known")
    found = [entry for entry in sys.path if entry]
    called = [work.__module__, work.__qualname__, str(len(words)), *words]
    return [sys.executable, "-I", "-c", PROGRAM, *called, *found, HERE]
