"""Motion templates: a performance stored as motions, the published ``.pkl`` files and our own ``.npz``.

Pickles from strangers are code, so only arrays, numbers, strings, lists and dictionaries are built from them.
"""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lp_editor.errors import MediaError
from lp_editor.files import write_bytes
from lp_editor.liveportrait.keypoints import Array

LARGEST = 512 * 2**20
"""Bytes of the largest template file that is read."""

_WRONG = (
    ValueError, KeyError, TypeError, EOFError, AttributeError, IndexError, ImportError, MemoryError, OverflowError,
    ZeroDivisionError, RecursionError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a damaged file may raise."""

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


class _ArraysOnly(pickle.Unpickler):
    """Builds arrays and plain values, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The few functions of numpy that arrays are pickled by. Raises `UnpicklingError` for any other."""
        if (module, name) not in _NUMPY:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_template(path: Path) -> Template:
    """A template file. Raises `MediaError` for anything else, or for one that holds code."""
    content = _content(path)
    try:
        return _from_npz(content) if path.suffix.lower() == ".npz" else _from_pickle(content)
    except pickle.UnpicklingError as error:
        raise MediaError(f"{path}: holds {_short(error)}, which is no motion template, and was not run") from None
    except _WRONG as error:
        raise MediaError(
            f"{path}: not a motion template ({_short(error)}); give a .pkl of LivePortrait or our .npz"
        ) from None


def _from_pickle(content: bytes) -> Template:
    stored = _ArraysOnly(io.BytesIO(content)).load()
    frames: Sequence[Mapping[str, Any]] = stored["motion"]
    turn = "R" if "R" in frames[0] else "R_d"
    eyes = stored.get("c_eyes_lst", stored.get("c_d_eyes_lst"))
    lips = stored.get("c_lip_lst", stored.get("c_d_lip_lst"))
    arrays = [np.stack([np.asarray(frame[key], np.float32) for frame in frames]) for key in (turn, "exp", "scale", "t")]
    ratios = [None if r is None else np.stack([np.asarray(one, np.float32) for one in r]) for r in (eyes, lips)]
    return _checked(float(stored.get("output_fps", 25)), arrays, ratios)


def _from_npz(content: bytes) -> Template:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
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
    arrays = {**arrays_of(template), "rate": np.float64(template.rate)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    return write_bytes(path, buffer.getvalue())


def _content(path: Path) -> bytes:
    """All of a file that is not too large. Raises `MediaError`."""
    try:
        if path.stat().st_size > LARGEST:
            raise MediaError(f"{path}: too large for a motion template; give a .pkl or .npz that holds one")
        return path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror or error})") from None


def _short(error: Exception) -> str:
    """The first line of what went wrong, cut to fit one."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
