"""The golden data of the published code, where the developers' samples are; by the benchmark that anyone can run."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tiny_liveportrait
import torch

from lp_editor.liveportrait import load_networks
from lp_editor.liveportrait.nets import build
from lp_editor.liveportrait.networks import Networks

ROOT = Path(__file__).parent.parent.parent
LIGHT = ("math", "smoothing", "stitching_retargeting", "motion_extractor", "motion_modes", "expression_sliders", "animals",
         "crop", "paste_back", "face_detect_decode")  # fmt: skip
"""Files that need neither F nor W nor G."""


@pytest.fixture
def parity(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("parity")


@pytest.fixture(scope="module")
def synthetic(shared: Path) -> ModuleType:
    """The developers' generator of weights."""
    sys.path.insert(0, str(shared / "liveportrait"))
    try:
        return importlib.import_module("synthetic_weights")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def light(synthetic: ModuleType) -> Networks:
    """M, S and R with the golden data's weights; the heavy networks small and random."""
    parts = {name.split("_")[1]: _net(make(), state) for (name, make), state in zip(
        build.FILES["stitching_retargeting_module"].items(),
        synthetic.state_dict("stitching_retargeting_module").values(), strict=True,
    )}  # fmt: skip
    M = _net(build.motion(), synthetic.state_dict("motion_extractor"))
    return replace(tiny_liveportrait.networks(), M=M, S=parts["shoulder"], lip=parts["mouth"], eye=parts["eye"])


def _net(net: torch.nn.Module, state: dict[str, torch.Tensor]) -> Any:
    net.load_state_dict({key.replace("module.", ""): value for key, value in state.items()})
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("name", LIGHT)
def test_every_case_is_within_its_limit(parity: Any, light: Networks, shared: Path, name: str) -> None:
    folder = shared / "liveportrait" / "golden"
    golden = parity.Golden.open(folder, name)
    parity.CASES[name](golden, light, folder)
    assert golden.results
    assert [r for r in golden.results if not r.ok] == []


@pytest.mark.slow
def test_every_case_of_every_file_is_within_its_limit(
    parity: Any, synthetic: ModuleType, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = synthetic.write_checkpoints(tmp_path / "weights")
    listed = tmp_path / "parity.json"
    golden = shared / "liveportrait" / "golden"
    assert parity.main(["--golden", str(golden), "--weights", str(weights), "--json", str(listed)]) == 0
    said = capsys.readouterr().out
    assert "FAIL" not in said
    assert "not ported" in said
    assert listed.is_file()


def test_a_wrong_result_is_seen(parity: Any, light: Networks, shared: Path) -> None:
    golden = parity.Golden.open(shared / "liveportrait" / "golden", "math")
    golden.check("kpinfo.x", golden["kpinfo.x"] + 2e-5, 1e-5)
    golden.check("eye_ratio", golden["eye_ratio"][:-1], 1e-5)
    golden.check("lip_ratio", golden["lip_ratio"] * float("nan"), 1e-5)
    assert [r.ok for r in golden.results] == [False, False, False]


def test_a_folder_without_golden_data_is_one_sentence(parity: Any, tmp_path: Path, shared: Path) -> None:
    with pytest.raises(parity.LpEditorError, match="no golden files"):
        parity.run(tmp_path, tiny_liveportrait.networks())


@pytest.mark.slow
def test_auto_takes_liveportrait_where_its_weights_are(
    synthetic: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lp_editor import Registry

    monkeypatch.setenv("LP_EDITOR_MODELS", str(synthetic.write_checkpoints(tmp_path / "liveportrait").parent))
    assert Registry.installed().engine("auto").name == "liveportrait"
    assert isinstance(load_networks(tmp_path), Networks)
