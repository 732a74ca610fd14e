"""Memory for the planes of pictures, used again for the next ones.

A render makes and drops some megabytes of planes a frame. Mixed with everything else on the heap they leave holes of all
sizes, so the heap of a long render grew (benchmarks/memory.py); fresh from the system they are cleared page by page each
time. Here a plane whose last view is gone is kept for the next plane of its size.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SMALL = 1 << 16
"""Bytes below which the heap serves."""

STEP = 1 << 18
"""Bytes by which the sizes of blocks differ: faces' boxes differ from frame to frame."""

PRIVATE: dict[str, Any] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if sys.platform != "win32" else {}
"""What tells the system that no other process sees a block."""

IDLE = 128 << 20
"""Bytes that are kept for later, at most."""


class Pool:
    """Blocks of memory by their size. Threads may share it."""

    def __init__(self, idle: int = IDLE) -> None:
        self._limit = idle
        self._blocks: dict[int, deque[mmap.mmap]] = defaultdict(deque)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of arbitrary content."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if size < SMALL:
            return np.empty(shape, kind)
        return np.asarray(_Lease(self, self._taken(-(-size // STEP) * STEP), shape, kind))

    def copies(self, arrays: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        """Copies of arrays of one type, one behind the other in one block, which is the base of all of them."""
        block = self.empty((sum(array.size for array in arrays),), arrays[0].dtype)
        out, at = [], 0
        for array in arrays:
            part = block[at : at + array.size].reshape(array.shape)
            part[...] = array
            out.append(part)
            at += array.size
        return tuple(out)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros."""
        out = self.empty(shape, dtype)
        out.fill(0)
        return out

    @property
    def idle(self) -> int:
        """Bytes that nobody uses now."""
        return sum(size * len(blocks) for size, blocks in tuple(self._blocks.items()))

    def clear(self) -> None:
        """Give back to the system what nobody uses."""
        for size in list(self._blocks):
            while self._pop(size) is not None:
                pass

    def _taken(self, size: int) -> mmap.mmap:
        return self._pop(size) or mmap.mmap(-1, size, **PRIVATE)

    def _pop(self, size: int) -> mmap.mmap | None:
        with suppress(IndexError):
            return self._blocks[size].popleft()
        return None

    def put_back(self, block: mmap.mmap) -> None:
        """Keep a block that nobody uses any more, or let it go where enough is kept. Takes no lock: any thread's
        collector may call it, in the middle of anything."""
        if self.idle + len(block) <= self._limit:
            self._blocks[len(block)].append(block)


class _Lease:
    """Owns a block while an array, or a view of it, is alive."""

    def __init__(self, pool: Pool, block: mmap.mmap, shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
        self._pool, self._block = pool, block
        address = ctypes.addressof(ctypes.c_char.from_buffer(block))
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": kind.str, "data": (address, False)}

    def __del__(self) -> None:
        self._pool.put_back(self._block)


planes = Pool()
"""Of this process."""
