"""Motion templates: a performance stored as motions, the published ``.pkl`` files and our own ``.npz``.

Pickles from strangers are code, so only arrays, numbers, strings, lists and dictionaries are built from them.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lp_editor.errors import MediaError
from lp_editor.files import write_bytes
from lp_editor.liveportrait.keypoints import Array

LARGEST = 128 * 2**20
"""Bytes of the largest template that is read: an hour at 25 frames a second, packed or not."""

MOST_FRAMES = 500_000

_NUMPY = {("numpy", "ndarray"), ("numpy", "dtype")} | {
    (f"numpy.{package}.multiarray", name)
    for package in ("core", "_core")
    for name in ("_reconstruct", "scalar")
} | {(f"numpy.{package}.numeric", "_frombuffer") for package in ("core", "_core")}  # fmt: skip


@dataclass(frozen=True)
class Template:
    """A performance of N frames: ``turn`` (N, 3, 3), ``exp`` (N, 21, 3), ``scale`` (N, 1), ``t`` (N, 3), and where the
    file has them the openings of ``eyes`` (N, 2) and ``lips`` (N, 1). All float32. ``rate`` is in frames a second."""

    rate: float
    turn: Array
    exp: Array
    scale: Array
    t: Array
    eyes: Array | None = None
    lips: Array | None = None

    def __len__(self) -> int:
        return len(self.exp)


class _Forbidden(pickle.UnpicklingError):
    """A pickle wants something built that is no data."""


class _ArraysOnly(pickle._Unpickler):
    """Builds arrays and plain values, nothing else.

    Python's own: the one in C makes room for as many values as any four bytes of a file say.
    """

    def find_class(self, module: str, name: str) -> Any:
        """The few functions of numpy that arrays are pickled by. Raises `UnpicklingError` for any other."""
        if (module, name) not in _NUMPY:
            raise _Forbidden(f"{module[:60]}.{name[:60]}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_template(path: Path) -> Template:
    """A template file. Raises `MediaError` for anything else, or for one that holds code."""
    try:
        if path.stat().st_size > LARGEST:
            raise MediaError(f"{path}: too large for a motion template; give a .pkl or .npz that holds one")
        return _from_npz(path) if path.suffix.lower() == ".npz" else _from_pickle(path)
    except _Forbidden as error:
        raise MediaError(f"{path}: holds {error}, which is no motion template, and was not run") from None
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror or error})") from None
    except MediaError:
        raise
    except Exception as error:  # what pickle, zipfile and NumPy raise for damage depends on where it is
        reason = f"{type(error).__name__}: {str(error)[:120]}"
        raise MediaError(f"{path}: not a motion template ({reason}); give a .pkl of LivePortrait or our .npz") from None


def _from_pickle(path: Path) -> Template:
    stored = _ArraysOnly(io.BytesIO(path.read_bytes())).load()
    frames: Sequence[Mapping[str, Any]] = stored["motion"]
    if not isinstance(frames, list) or len(frames) > MOST_FRAMES:
        raise ValueError(f"its motion should be a list of at most {MOST_FRAMES} frames")
    turn = "R" if "R" in frames[0] else "R_d"
    eyes = stored.get("c_eyes_lst", stored.get("c_d_eyes_lst"))
    lips = stored.get("c_lip_lst", stored.get("c_d_lip_lst"))
    arrays = [
        _stacked([frame[key] for frame in frames], size)
        for key, size in ((turn, 9), ("exp", 63), ("scale", 1), ("t", 3))
    ]
    ratios = [None if r is None else _stacked(r, size) for r, size in ((eyes, 2), (lips, 1))]
    return _checked(float(stored.get("output_fps", 25)), arrays, ratios)


def _stacked(values: Sequence[Any], size: int) -> Array:
    """Arrays of ``size`` numbers each as one, (N, size). Raises ValueError before anything larger takes memory."""
    if len(values) > MOST_FRAMES:
        raise ValueError(f"more than {MOST_FRAMES} frames")
    for value in values:
        single = isinstance(value, int | float | np.number) and size == 1
        if not (single or (isinstance(value, np.ndarray) and value.size == size and value.dtype.kind in "fiu")):
            raise ValueError(f"a frame holds {type(value).__name__} where {size} numbers should be")
    return np.stack([np.asarray(value, np.float32).reshape(size) for value in values])


def _from_npz(path: Path) -> Template:
    with zipfile.ZipFile(path) as archive:  # before NumPy makes room for what the file says it holds
        if sum(member.file_size for member in archive.infolist()) > LARGEST:
            raise ValueError("it unpacks to more than a template holds")
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        arrays = [np.asarray(stored[key], np.float32) for key in ("turn", "exp", "scale", "t")]
        ratios = [np.asarray(stored[key], np.float32) if key in stored else None for key in ("eyes", "lips")]
        return _checked(float(stored["rate"]), arrays, ratios)


def _checked(rate: float, arrays: Sequence[Array], ratios: Sequence[Array | None]) -> Template:
    """The arrays (turn, exp, scale, t; eyes, lips) in their shapes. Raises ValueError for what does not fit."""
    count = len(arrays[1])
    if not (count and np.isfinite(rate) and rate > 0):
        raise ValueError("it has no frames or no rate")
    turn, exp, scale, t = (
        a.reshape(count, *shape) for a, shape in zip(arrays, ((3, 3), (21, 3), (1,), (3,)), strict=True)
    )
    eyes, lips = (None if r is None else r.reshape(count, width) for r, width in zip(ratios, (2, 1), strict=True))
    if not all(np.isfinite(a).all() for a in (turn, exp, scale, t, eyes, lips) if a is not None):
        raise ValueError("it holds numbers that are not finite")
    return Template(rate, turn, exp, scale, t, eyes, lips)


def arrays_of(template: Template) -> dict[str, Array]:
    """The arrays of a template by name, as a recording keeps them."""
    return {name: value for name, value in vars(template).items() if value is not None and name != "rate"}


def template_of(arrays: Mapping[str, Any], rate: float) -> Template | None:
    """The template whose arrays a recording keeps; None for another engine's."""
    if not {"turn", "exp", "scale", "t"} <= arrays.keys():
        return None
    four = [np.asarray(arrays[key], np.float32) for key in ("turn", "exp", "scale", "t")]
    ratios = [np.asarray(arrays[key], np.float32) if key in arrays else None for key in ("eyes", "lips")]
    return _checked(rate, four, ratios)


def write_template(path: Path, template: Template) -> Path:
    """Store a template as ``.npz``. Raises `OutputError`."""
    buffer = io.BytesIO()
    arrays = {name: value for name, value in vars(template).items() if value is not None}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return write_bytes(path, buffer.getvalue())
