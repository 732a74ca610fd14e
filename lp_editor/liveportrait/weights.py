"""Reads the published weight files, strictly: every tensor that belongs there, of the right shape, and nothing else.

Two formats: ``.pth``, of which only tensors and dictionaries are unpickled, never code; and safetensors. Two layouts:
the published folders (``base_models/``, ``retargeting_models/``), and the community's one flat folder.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lp_editor.errors import WeightsError
from lp_editor.liveportrait.nets.build import FILES
from lp_editor.liveportrait.places import REMEDY, find_file

State: TypeAlias = Mapping[str, Tensor]

SOME = 3
"""How many keys an error names."""


def load(folder: Path) -> dict[str, nn.Module]:
    """Every network in evaluation mode on the processor in float32, by the name of its file, parts as ``file:part``.

    Raises `WeightsError` for whatever is not exactly as published.
    """
    made: dict[str, nn.Module] = {}
    for stem in FILES:
        for part, net in load_one(find_file(folder, stem), stem).items():
            made[f"{stem}:{part}" if part else stem] = net
    return made


def load_one(path: Path, stem: str) -> dict[str, nn.Module]:
    """The networks of one file, which is called ``stem`` where it is published, by part. Raises `WeightsError`."""
    stored = read_file(path)
    made: dict[str, nn.Module] = {}
    for part, build in FILES[stem].items():
        with torch.device("meta"):  # no memory, no random numbers: the file's own tensors become the network's
            net = build()
        _fill(net, _part(stored, part, path), path, part)
        made[part] = net.eval().requires_grad_(False)
    return made


def read_file(path: Path) -> Mapping[str, Any]:
    """What a weight file holds. Raises `WeightsError` for damage, and for a pickle that wants anything but tensors."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _check_size(path)
        with warnings.catch_warnings(action="ignore"):  # of pickles that are refused a line later
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "weights_only" in str(error).lower() or "GLOBAL" in str(error):
            raise WeightsError(
                f"{path}: holds something other than tensors, and was not run; take the file from its publisher"
            ) from None
        raise WeightsError(f"{path}: damaged or not a weight file; {REMEDY}") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error}); {REMEDY}") from None
    except WeightsError:
        raise
    except Exception:  # what torch and safetensors raise for damage depends on where it is
        raise WeightsError(f"{path}: damaged or not a weight file; {REMEDY}") from None
    if not isinstance(stored, Mapping):
        raise WeightsError(f"{path}: holds a {type(stored).__name__} instead of named tensors; {REMEDY}")
    return stored


def _check_size(path: Path) -> None:
    """Raise `WeightsError` for an archive that unpacks to far more than itself: torch packs nothing."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > 2 * path.stat().st_size + (1 << 20):
            raise WeightsError(f"{path}: unpacks to far more than its size, as no weight file does; {REMEDY}")


def _part(stored: Mapping[str, Any], part: str, path: Path) -> State:
    """One network's tensors: the file itself, a dictionary in it, or (flat files) the keys that begin with its name."""
    if not part:
        return stored
    if isinstance(inside := stored.get(part), Mapping):
        return {str(key).replace("module.", ""): value for key, value in inside.items()}
    beginning = f"{part}_"
    flat = {str(key).removeprefix(beginning).replace("module.", ""): value
            for key, value in stored.items() if str(key).startswith(beginning)}  # fmt: skip
    if not flat:
        raise WeightsError(f"{path}: has no part {part!r}; {REMEDY}")
    return flat


def _fill(net: nn.Module, state: State, path: Path, part: str) -> None:
    """Put the tensors into the network. Raises `WeightsError` unless keys, shapes and kinds are exactly its own."""
    where = f"{path}, part {part}" if part else str(path)
    wanted = net.state_dict()
    for complaint, keys in (("lacks", wanted.keys() - state.keys()), ("has unknown", state.keys() - wanted.keys())):
        if keys:
            raise WeightsError(f"{where}: {complaint} {_named(keys)}; not this network's file: {REMEDY}")
    for key, meant in wanted.items():
        value = state[key]
        if not isinstance(value, Tensor) or value.is_floating_point() != meant.is_floating_point():
            raise WeightsError(f"{where}: {key} is not a tensor of {meant.dtype}; {REMEDY}")
        if value.shape != meant.shape:
            raise WeightsError(f"{where}: {key} is {_shape(value)}, must be {_shape(meant)}; {REMEDY}")
        if not torch.isfinite(value).all():
            raise WeightsError(f"{where}: {key} holds numbers that are not finite; {REMEDY}")
    exact = {key: state[key].to(meant.dtype).contiguous() for key, meant in wanted.items()}
    net.load_state_dict(exact, strict=True, assign=True)


def _named(keys: set[str]) -> str:
    some = sorted(map(str, keys))
    return ", ".join(some[:SOME]) + (f" and {len(some) - SOME} more" if len(some) > SOME else "")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
