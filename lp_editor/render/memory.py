"""Keeps the memory of long renders flat."""

from __future__ import annotations

import ctypes
import sys

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
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGE)
