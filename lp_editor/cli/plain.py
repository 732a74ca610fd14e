"""Keeps what is printed plain: names come from strangers' files, and a terminal obeys some of their characters.

Control characters, those that turn the direction of writing, and what the stream cannot write are shown by their
numbers, in the way of JSON (``\\u001b``), so that JSON stays JSON.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no terminal is to be sent: control characters but for line breaks and tabs, line and paragraph separators,
overrides of the direction, lone surrogates (which are bytes of names that are no text)."""


def plain(text: str) -> str:
    """A text whose odd characters are shown by their numbers."""
    return ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class Plain(io.TextIOBase):
    """A stream that writes plain texts to another, ``raw``, which escapes of our own go to."""

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write a text, plain, in what the stream can write."""
        encoding = getattr(self.raw, "encoding", None) or "utf-8"
        self.raw.write(plain(text).encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Write out what waits."""
        self.raw.flush()

    def isatty(self) -> bool:
        """Whether somebody sees it."""
        return self.raw.isatty()

    def fileno(self) -> int:
        """The number of the stream."""
        return self.raw.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self.raw, "encoding", None) or "utf-8"


@contextmanager
def plain_streams() -> Iterator[None]:
    """Print plainly, on both streams."""
    out, error = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Plain(out), Plain(error)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, error


def raw(stream: TextIO) -> TextIO:
    """The stream itself, for what we draw with escapes of our own."""
    return stream.raw if isinstance(stream, Plain) else stream
