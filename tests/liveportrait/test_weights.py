"""Weight files: only what was published is taken, and nothing in them is ever run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lp_editor.errors import WeightsError
from lp_editor.liveportrait import load_networks
from lp_editor.liveportrait.nets.build import FILES
from lp_editor.liveportrait.places import find_file, has_weights
from lp_editor.liveportrait.weights import load_one

STITCHING, APPEARANCE = "stitching_retargeting_module", "appearance_feature_extractor"


def state(stem: str, part: str = "", prefix: str = "") -> dict[str, Tensor]:
    """Tensors of the published names and shapes, with some numbers in them."""
    torch.manual_seed(0)
    net = FILES[stem][part]()
    return {prefix + key: value.clone() for key, value in net.state_dict().items()}


def stitching(prefix: str = "module.") -> dict[str, dict[str, Tensor]]:
    return {part: state(STITCHING, part, prefix) for part in FILES[STITCHING]}


def saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def fails(path: Path, stem: str, *words: str) -> None:
    with pytest.raises(WeightsError) as caught:
        load_one(path, stem)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    for word in words:
        assert word in message


def same(net: torch.nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    own = net.state_dict()
    return own.keys() == tensors.keys() and all(torch.equal(own[k], tensors[k]) for k in own)


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_the_stitching_file_loads_with_and_without_its_prefix(tmp_path: Path, prefix: str) -> None:
    nets = load_one(saved({**stitching(prefix), "something else": {}}, tmp_path / "s.pth"), STITCHING)
    assert all(same(nets[part], state(STITCHING, part)) for part in FILES[STITCHING])


def test_the_communitys_flat_safetensors_load(tmp_path: Path) -> None:
    flat = {f"{part}_{k}": v for part, inner in stitching().items() for k, v in inner.items()}
    save_file(flat, tmp_path / "s.safetensors")
    nets = load_one(tmp_path / "s.safetensors", STITCHING)
    assert all(same(nets[part], state(STITCHING, part)) for part in FILES[STITCHING])


def test_a_plain_file_loads_in_either_format(tmp_path: Path) -> None:
    tensors = state(APPEARANCE)
    save_file(tensors, tmp_path / "f.safetensors")
    for path in (saved(tensors, tmp_path / "f.pth"), tmp_path / "f.safetensors"):
        assert same(load_one(path, APPEARANCE)[""], tensors)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    tensors = state(APPEARANCE)
    del tensors["first.conv.bias"]
    fails(saved(tensors, tmp_path / "f.pth"), APPEARANCE, "lacks", "first.conv.bias")


def test_an_extra_key_is_named(tmp_path: Path) -> None:
    fails(saved({**state(APPEARANCE), "first.more": torch.zeros(1)}, tmp_path / "f.pth"), APPEARANCE, "first.more")


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    parts = stitching()
    del parts["retarget_eye"]
    fails(saved(parts, tmp_path / "s.pth"), STITCHING, "retarget_eye")


def test_a_wrong_shape_is_named(tmp_path: Path) -> None:
    tensors = {**state(APPEARANCE), "second.bias": torch.zeros(511)}
    fails(saved(tensors, tmp_path / "f.pth"), APPEARANCE, "second.bias", "511", "512")


def test_a_value_that_is_no_tensor_is_named(tmp_path: Path) -> None:
    fails(saved({**state(APPEARANCE), "second.bias": 3.0}, tmp_path / "f.pth"), APPEARANCE, "second.bias")


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    tensors = state(APPEARANCE)
    tensors["second.bias"][3] = torch.nan
    fails(saved(tensors, tmp_path / "f.pth"), APPEARANCE, "second.bias", "finite")


class Harm:
    """Pickles to a call."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, zipped: bool) -> None:
    done, path = tmp_path / "done", tmp_path / "f.pth"
    content = {**state(APPEARANCE), "second.bias": Harm(done)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    fails(path, APPEARANCE, "other than tensors", "not run")
    assert not done.exists()


def test_a_plain_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.pth").write_bytes(pickle.dumps(Harm(tmp_path / "done")))
    fails(tmp_path / "f.pth", APPEARANCE)
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.9, 0.9999])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_cut_short_is_refused(tmp_path: Path, kept: float, suffix: str) -> None:
    path = tmp_path / f"f{suffix}"
    if suffix == ".pth":
        torch.save(state(APPEARANCE), path)
    else:
        save_file(state(APPEARANCE), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    fails(path, APPEARANCE)


@pytest.mark.parametrize("content", [b"not weights at all", b"PK\x03\x04" + b"\0" * 200, b"version https://git-lfs\n"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_any_other_file_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / f"f{suffix}").write_bytes(content)
    fails(tmp_path / f"f{suffix}", APPEARANCE)


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    fails(saved([1, 2, 3], tmp_path / "f.pth"), APPEARANCE, "list")


def test_a_folder_without_weights_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no appearance_feature_extractor.*lp-editor models pull"):
        load_networks(tmp_path)
    assert not has_weights(tmp_path)


def test_files_are_found_in_every_layout(tmp_path: Path) -> None:
    for name in (
        "liveportrait/base_models/warping_module.pth", "liveportrait/retargeting_models/stitching_retargeting_module.pth",
        "liveportrait_animals/base_models/warping_module.pth", "liveportrait_animals/base_models_v1.1/warping_module.pth",
        "liveportrait_animals/retargeting_models/stitching_retargeting_module.pth", "flat/warping_module.safetensors",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {
        folder: find_file(tmp_path / folder, "warping_module").relative_to(tmp_path).as_posix()
        for folder in ("", "liveportrait", "liveportrait_animals", "flat")
    }
    assert found == {
        "": "liveportrait/base_models/warping_module.pth",
        "liveportrait": "liveportrait/base_models/warping_module.pth",
        "liveportrait_animals": "liveportrait_animals/base_models_v1.1/warping_module.pth",
        "flat": "flat/warping_module.safetensors",
    }
    stitching_of_animals = find_file(tmp_path / "liveportrait_animals", STITCHING)
    assert stitching_of_animals.parent.parent.name == "liveportrait"
