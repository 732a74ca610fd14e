"""Where weight files lie in a folder, in each of the layouts that people have; found without loading anything heavy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lp_editor import models
from lp_editor.errors import WeightsError

STEMS = tuple(Path(name).stem for name in models.SETS["human"].files)
"""What the published files are called."""

SUFFIXES = (".pth", ".safetensors")
ANIMALS = "liveportrait_animals"
HUMANS = "liveportrait"
"""The published folders of the two sets. The animals' own stitching is not used: the published code takes the humans'."""

REMEDY = "run `lp-editor models pull`, or download the file again"


def find_file(folder: Path, stem: str) -> Path:
    """The file of this name in a folder of weights, in whichever layout. Raises `WeightsError` where there is none."""
    for place in _places(folder, stem):
        for suffix in SUFFIXES:
            if (path := place / f"{stem}{suffix}").is_file():
                return path
    raise WeightsError(f"{folder}: no {stem}.pth or .safetensors there; {REMEDY}")


def _places(folder: Path, stem: str) -> Iterator[Path]:
    if stem == "stitching_retargeting_module":
        if folder.name == ANIMALS:
            yield folder.parent / HUMANS / "retargeting_models"
        yield folder / "retargeting_models"
    else:
        yield folder / "base_models_v1.1"
        yield folder / "base_models"
    yield folder
    if folder.name not in (HUMANS, ANIMALS) and (folder / HUMANS).is_dir():
        yield from _places(folder / HUMANS, stem)


def has_weights(folder: Path) -> bool:
    """Whether every file is there, whatever is in it."""
    try:
        return all(find_file(folder, stem) for stem in STEMS)
    except WeightsError:
        return False
