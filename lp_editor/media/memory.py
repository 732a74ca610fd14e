"""Keeps the memory of long renders flat."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from typing import Any

from lp_editor.media.buffers import planes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""glibc's numbers of the options (malloc.h)."""

LARGE = 1 << 21
"""Bytes from which on a block is the system's own, and goes back to it: encoders take such blocks anew for every chunk, and
between them the heap grew by a tenth from 10 seconds of film to 3 minutes (benchmarks/memory.py). What editing a face of 300
pixels takes for a moment is smaller: as the system's own, cleared page by page each time, it cost a tenth to a fifth of a
render's processor time (benchmarks/pipeline.py)."""

PATIENCE = 3
"""Calls of `return_free_pages` to one that does it."""

KEPT = 256 << 20
"""Bytes that may lie free at the end of the heap before they go back to the system by themselves."""


_calls = count(1)


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep memory for the next pictures while a render lasts, and give it all back at its end."""
    keep_memory()
    try:
        yield
    finally:
        planes.clear()
        return_all_free_pages()


def keep_memory() -> None:
    """Let the memory of pictures be used again for the next ones, in one heap for all threads.

    A block fresh from the system is cleared page by page when it is first written to: left alone, that was two fifths of
    what surrounds an engine (benchmarks/pipeline.py). One heap, because each thread's own grows ragged; what lies free in
    it goes back every few chunks (`return_free_pages`). Systems with another C library are left as they are.
    """
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is not None:
        for option, value in ((M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, KEPT), (M_ARENA_MAX, 1)):
            mallopt(option, value)


def return_free_pages() -> None:
    """Give back to the system what lies free between small blocks.

    Analysis and rendering leave about 10 KB of it a frame behind, in every thread's heap: 5 minutes of film peaked 7 %
    higher than 10 seconds (benchmarks/memory.py). All that lies free is cleared anew when it is used again, so it is done
    only every `PATIENCE` calls; call it once a chunk.
    """
    if next(_calls) % PATIENCE == 0:
        return_all_free_pages()


def return_all_free_pages() -> None:
    """Give back all that lies free, now."""
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _libc() -> Any:
    """The C library where it is one with these settings; None elsewhere."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None
