"""The network weights that engines may use: where they come from, under which licence, and where they lie here.

Nothing is downloaded unless asked for. Files come from the Hugging Face hub (or whatever ``HF_ENDPOINT`` names), go on
where they stopped, and are checked against the hashes that the hub states for them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import platformdirs

from lp_editor.errors import WeightsError, instead
from lp_editor.files import make_folder, write_bytes

REPOSITORY = "KwaiVGI/LivePortrait"

RECORD = "lp-editor-models.json"
"""Beside the files: the hash and the revision each was downloaded with."""

NETWORKS = ("appearance_feature_extractor", "motion_extractor", "spade_generator", "warping_module")
STITCHING = "liveportrait/retargeting_models/stitching_retargeting_module.pth"


@dataclass(frozen=True)
class ModelSet:
    """Some files that are used together."""

    name: str
    help: str
    files: tuple[str, ...]
    licence: str


_LICENCE = (
    f"published by {REPOSITORY} on Hugging Face; its code is MIT, the weights have no licence text of their own: "
    "read the model card before commercial use"
)

SETS: Mapping[str, ModelSet] = MappingProxyType({
    one.name: one for one in (
        ModelSet("human", "people's faces: what the engine liveportrait needs",
                 (*(f"liveportrait/base_models/{name}.pth" for name in NETWORKS), STITCHING), _LICENCE),
        ModelSet("animals", "animals' faces, with the people's stitching",
                 (*(f"liveportrait_animals/base_models_v1.1/{name}.pth" for name in NETWORKS), STITCHING), _LICENCE),
        ModelSet("landmarks", "the 203 landmarks of the published code; needs onnxruntime",
                 ("liveportrait/landmark.onnx",), _LICENCE),
    )
})  # fmt: skip
"""Everything that can be downloaded. The published face detector is for research only, and is not among it."""


def folder() -> Path:
    """Where models lie: ``LP_EDITOR_MODELS``, else in the user's cache folder."""
    named = os.environ.get("LP_EDITOR_MODELS")
    return Path(named) if named else Path(platformdirs.user_cache_dir("lp-editor", appauthor=False)) / "models"


def chosen(name: str) -> ModelSet:
    """The set of this name. Raises `WeightsError`."""
    try:
        return SETS[name]
    except KeyError:
        raise WeightsError(f"no models {name[:60]!r}; {instead(name, SETS)}") from None


def missing(models: ModelSet, place: Path) -> list[str]:
    """Its files that are not there."""
    return [name for name in models.files if not (place / name).is_file()]


def pull(models: ModelSet, place: Path) -> list[Path]:
    """Download a set, but for files that are there and right. Raises `WeightsError` for whatever goes wrong."""
    make_folder(place)
    stated = _stated(models)
    done = []
    for name in models.files:
        path = place / name
        if not (path.is_file() and hashed(path) == stated.files[name]):
            path = _downloaded(name, place, stated.revision)
            if (found := hashed(path)) != stated.files[name]:
                path.unlink()
                raise WeightsError(
                    f"{name} arrived damaged (hash {found[:12]}, stated {stated.files[name][:12]}); pull again"
                )
        _note(place, name, stated.files[name], stated.revision)
        done.append(path)
    return done


@dataclass(frozen=True)
class _Stated:
    revision: str
    files: Mapping[str, str]


def _stated(models: ModelSet) -> _Stated:
    """What the hub says of a set's files. Raises `WeightsError`."""
    try:
        from huggingface_hub import HfApi

        info: Any = HfApi().model_info(REPOSITORY, files_metadata=True)
    except Exception as error:  # the hub's errors and its transport's share no base
        raise WeightsError(
            f"{REPOSITORY} cannot be reached ({_first_line(error)}); check the network and HF_ENDPOINT"
        ) from None
    hashes = {one.rfilename: one.lfs.sha256 for one in info.siblings or () if one.lfs}
    lost = [name for name in models.files if name not in hashes]
    if lost:
        raise WeightsError(f"{REPOSITORY} has no {', '.join(lost)} with a stated hash; is HF_ENDPOINT a full mirror?")
    return _Stated(str(info.sha), {name: str(hashes[name]) for name in models.files})


def _downloaded(name: str, place: Path, revision: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(REPOSITORY, name, revision=revision, local_dir=place))
    except Exception as error:  # as above
        raise WeightsError(
            f"{name} did not download ({_first_line(error)}); the same command goes on from there"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def hashed(path: Path) -> str:
    """The SHA-256 of a file. Raises `WeightsError` where it cannot be read."""
    hasher = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                hasher.update(block)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror})") from None
    return hasher.hexdigest()


def recorded(place: Path) -> Mapping[str, Mapping[str, str]]:
    """Hash and revision of each file that was pulled, by name; empty where nothing was."""
    try:
        stored = json.loads((place / RECORD).read_text(encoding="utf-8"))
        return {str(name): {str(k): str(v) for k, v in one.items()} for name, one in stored.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _note(place: Path, name: str, hash: str, revision: str) -> None:
    known = {**recorded(place), name: {"sha256": hash, "revision": revision}}
    write_bytes(place / RECORD, json.dumps(known, indent=1, sort_keys=True).encode())


def verify(models: ModelSet, place: Path) -> Iterator[tuple[str, str]]:
    """Each file of a set with what is wrong with it: ``""`` for nothing, ``unknown`` where no hash was recorded."""
    known = recorded(place)
    for name in models.files:
        path = place / name
        if not path.is_file():
            yield name, "missing"
        elif name not in known:
            yield name, "unknown: not downloaded by lp-editor models pull, so there is no hash to compare"
        else:
            yield name, "" if hashed(path) == known[name]["sha256"] else "damaged: pull again"
