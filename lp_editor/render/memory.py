"""Keeps the memory of long renders flat."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any

M_MMAP_THRESHOLD = -3
"""glibc's number of the option (malloc.h)."""

LARGE = 1 << 20
"""Bytes from which on a block is the system's own: a plane of a picture."""


def return_large_blocks() -> None:
    """Let the memory of pictures go back to the system as soon as they are dropped.

    glibc raises its threshold for that with every large block that is freed, and from then on keeps pictures in heaps,
    one for each thread, that grow ragged: a render of 5 minutes peaked a fifth higher than one of 10 seconds
    (benchmarks/memory.py). Systems with another C library are left as they are.
    """
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)


def return_free_pages() -> None:
    """Give back to the system what lies free between small blocks.

    Analysis and rendering leave about 10 KB of it a frame behind, in every thread's heap: 5 minutes of film peaked 7 %
    higher than 10 seconds (benchmarks/memory.py). It costs a few milliseconds: once a chunk, not once a frame.
    """
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _libc() -> Any:
    """The C library where it is one with these settings; None elsewhere."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None
