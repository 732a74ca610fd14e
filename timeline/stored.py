"""JSON that strangers may have written, read with limits: how large, of how many values, how deeply nested.

A value costs some hundred bytes of memory once it is read, two bytes in the file: so values are counted before.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from math import isfinite
from pathlib import Path
from typing import Any

from lp_editor.errors import ProjectError

MOST_BYTES = 256 << 20
MOST_VALUES = 3_000_000
"""Lists, objects and what is in them. A feature film's cut, with all that an application keeps beside it, has fewer."""

DEEPEST = 200
"""Lists and objects inside one another: fifty sequences, each in the next."""


def parsed(content: bytes, name: str) -> Any:
    """What some JSON holds. Raises `ProjectError`, beginning with ``name``, for what is none or beyond all sense."""
    if len(content) > MOST_BYTES:
        raise ProjectError(f"{name} is larger than {MOST_BYTES >> 20} MiB; that is no project")
    if sum(content.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES:
        raise ProjectError(f"{name} holds more than {MOST_VALUES:,} values; that is no cut")
    try:
        tree = json.loads(content.decode("utf-8-sig", "surrogatepass"))
    except RecursionError:
        raise ProjectError(f"{name} is nested too deeply to be a cut") from None
    except ValueError as error:
        raise ProjectError(f"{name} is not JSON ({_short(error)}); export it again") from None
    if _deeper_than(tree, DEEPEST):
        raise ProjectError(f"{name} is nested too deeply to be a cut")
    return tree


def written(tree: Any, indent: int | None) -> str:
    """JSON as Python's own `json` writes it, with all signs as they are: indented in a third of the time it takes."""
    if indent is None:
        return json.dumps(tree, ensure_ascii=False)
    out: list[str] = []
    _write(tree, "\n", " " * indent, out)
    return "".join(out)


def _write(node: Any, line: str, step: str, out: list[str]) -> None:
    """One value; ``line`` is a line break, and the blanks of the line that the value begins on."""
    if isinstance(node, str):
        out.append(encode_basestring(node))
    elif isinstance(node, dict) and node:
        inner, sign = line + step, "{"
        for key, value in node.items():
            out += (sign, inner, encode_basestring(key), ": ")
            if type(value) is str:
                out.append(encode_basestring(value))
            else:
                _write(value, inner, step, out)
            sign = ","
        out += (line, "}")
    elif isinstance(node, list) and node:
        inner, sign = line + step, "["
        for value in node:
            out += (sign, inner)
            _write(value, inner, step, out)
            sign = ","
        out += (line, "]")
    else:
        out.append(float.__repr__(node) if type(node) is float and isfinite(node) else json.dumps(node))


def read(path: Path) -> Any:
    """What a file of JSON holds. Raises `OSError`, and `ProjectError` as `parsed` does."""
    with path.open("rb") as file:
        return parsed(file.read(MOST_BYTES + 1), str(path))


def _short(error: ValueError) -> str:
    return str(error)[:200]


def _deeper_than(tree: Any, most: int) -> bool:
    """Whether containers lie in one another more than so many times; level by level, for Python's own stack is short."""
    level, depth = [tree], 0
    while level:
        depth += 1
        inside = (node.values() if isinstance(node, dict) else node for node in level if isinstance(node, dict | list))
        level = [child for children in inside for child in children if isinstance(child, dict | list)]
        if depth > most:
            return True
    return False
