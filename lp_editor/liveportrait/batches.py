"""Batches of a fixed few sizes, halved when memory runs out.

A batch is filled up to a power of two, so that a device sees few shapes and a face's result does not depend on how many
others happen to be computed beside it by more than rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from threading import Lock

import torch
from torch import Tensor

from lp_editor.errors import EngineError

LARGEST_ON_GPU = 8
"""Pictures made at once where there is a GPU; halved where its memory does not hold them."""


def filled(count: int) -> int:
    """The power of two that a batch of so many is filled up to."""
    return 1 << (count - 1).bit_length()


class Batches:
    """Runs a network over rows of tensors, as many at once as the device's memory holds."""

    def __init__(self, largest: int = 1) -> None:
        if filled(largest) != largest:
            raise ValueError(f"a batch is a power of two, got {largest}")
        self._largest = largest
        self._lock = Lock()

    @property
    def largest(self) -> int:
        """How many at once, as far as is known by now."""
        return self._largest

    def __call__(self, network: Callable[..., Tensor], *rows: Tensor) -> Tensor:
        """The network's results of rows (N, …), (N, …). Raises `EngineError` where even one is too many."""
        made: list[Tensor] = []
        at, count = 0, len(rows[0])
        while at < count:
            size = min(self._largest, count - at)
            try:
                made.append(_run(network, [row[at : at + size] for row in rows]))
            except torch.OutOfMemoryError:
                self._back_off(filled(size))
                continue
            at += size
        return made[0] if len(made) == 1 else torch.cat(made)

    def _back_off(self, tried: int) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        with self._lock:
            if tried == 1:
                raise EngineError(
                    "the GPU's memory does not hold one picture of the liveportrait engine; "
                    "close other programs that use it, or take --device cpu"
                ) from None
            self._largest = min(self._largest, tried // 2)


def _run(network: Callable[..., Tensor], rows: list[Tensor]) -> Tensor:
    count = len(rows[0])
    extra = filled(count) - count
    whole = [torch.cat(list(chain([row], [row[-1:]] * extra))) if extra else row for row in rows]
    return network(*whole)[:count]
