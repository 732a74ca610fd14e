"""Reads golden files: whole arrays, sampled ones, pictures, formulas; and measures how far ours are from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor.errors import LpEditorError

Floats = NDArray[np.floating[Any]]

SAMPLED = ("sample", "head", "tail", "stats")


@dataclass(frozen=True)
class Result:
    """One case: how far ours is from the golden value at most, and how far it may be."""

    case: str
    error: float
    limit: float

    @property
    def ok(self) -> bool:
        """Whether it is near enough; a number that is none never is."""
        return bool(self.error <= self.limit)


@dataclass
class Golden:
    """One golden file and the results of comparing with it."""

    name: str
    stored: Mapping[str, NDArray[Any]]
    results: list[Result] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, name: str) -> Golden | None:
        """The file of this name, None where the folder has none. Raises `LpEditorError` for a damaged one."""
        path = folder / f"{name}.npz"
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(name, {key: stored[key] for key in stored.files})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise LpEditorError(f"{path}: not a golden file ({error})") from None

    def __getitem__(self, key: str) -> NDArray[Any]:
        if key not in self.stored:
            raise LpEditorError(f"{self.name}.npz has no {key!r}")
        return self.stored[key]

    def has(self, key: str) -> bool:
        """Whether a value of this name is stored, whole or sampled."""
        return key in self.stored or f"{key}.sample" in self.stored

    def names(self, suffix: str) -> Iterator[str]:
        """What stands before a suffix, over all keys, in order."""
        return (key.removesuffix(suffix) for key in self.stored if key.endswith(suffix))

    def index(self, key: str = "index_json") -> Any:
        """A JSON value."""
        return json.loads(str(self[key][0]))

    def number(self, key: str) -> float:
        """A value of one number."""
        return float(self[key].reshape(-1)[0])

    def picture(self, key: str) -> NDArray[np.uint8]:
        """A stored PNG, RGB or grey."""
        return decoded(self[key])

    def wave(self, case: str) -> NDArray[np.float32]:
        """The formula's tensor of a case (README, conventions)."""
        shape = tuple(int(n) for n in self[f"{case}.feature.shape"])
        weights, (amplitude, phase) = self[f"{case}.weights"], self[f"{case}.amp_phase"]
        straight, curved = np.full(shape, float(phase)), np.full(shape, float(phase))
        for axis, (count, weight) in enumerate(zip(shape, weights, strict=True)):
            g = np.arange(count, dtype=np.float64).reshape([-1 if i == axis else 1 for i in range(len(shape))])
            straight += weight * g
            curved += 0.37 * weight * g * g / (1 + count)
        return np.asarray(amplitude * np.sin(straight) + 0.5 * amplitude * np.cos(curved), np.float32)

    def check(self, key: str, ours: NDArray[Any], limit: float, note: str = "") -> None:
        """Compare one value with the stored one, whole or sampled."""
        if key in self.stored:
            self.add(key + note, _apart(ours, self.stored[key]), limit)
        else:
            self.add(key + note, self._sampled(key, np.asarray(ours)), limit)

    def add(self, case: str, error: float, limit: float) -> None:
        """Note a result."""
        self.results.append(Result(f"{self.name}: {case}", error, limit))

    def _sampled(self, key: str, ours: NDArray[Any]) -> float:
        shape = tuple(int(n) for n in self[f"{key}.shape"])
        if ours.shape != shape:
            return float("inf")
        picked = ours[tuple(slice(None, None, int(step)) for step in self[f"{key}.step"])]
        flat = ours.reshape(-1)
        whole = flat.astype(np.float64)
        stats = np.array([whole.mean(), whole.std(), whole.min(), whole.max()])
        pairs = zip(SAMPLED, (picked, flat[:64], flat[-64:], stats), strict=True)
        return max(_apart(value, self[f"{key}.{part}"]) for part, value in pairs)


def _apart(ours: NDArray[Any], golden: NDArray[Any]) -> float:
    """The largest difference; infinite where sizes differ or something is not finite."""
    ours, golden = np.asarray(ours, np.float64), np.asarray(golden, np.float64)
    if ours.size != golden.size or not np.isfinite(ours).all():
        return float("inf")
    return float(np.abs(ours.reshape(-1) - golden.reshape(-1)).max(initial=0.0))


def decoded(content: NDArray[Any]) -> NDArray[np.uint8]:
    """A PNG's pixels, RGB or grey."""
    image = cv2.imdecode(np.asarray(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise LpEditorError("a golden picture cannot be decoded")
    return np.asarray(image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
