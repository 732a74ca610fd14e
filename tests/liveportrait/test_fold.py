"""Folded networks give what plain ones give."""

from __future__ import annotations

import pytest
import tiny_liveportrait
import torch
import torch.nn.functional as F

from lp_editor.errors import EngineError
from lp_editor.liveportrait.fast import with_openvino
from lp_editor.liveportrait.fold import EnlargedConv, folded


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize("deep", [False, True])
def test_a_convolution_of_an_enlarged_picture_is_made_of_phases(times: int, deep: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *([4] if deep else []), 5, 6)
    kernel, bias = torch.randn(7, 3, *([3] if deep else []), 3, 3), torch.randn(7)
    factor = (1.0, float(times), float(times)) if deep else (float(times), float(times))
    big = F.interpolate(x, scale_factor=factor, mode="nearest")
    wanted = F.conv3d(big, kernel, bias, padding=1) if deep else F.conv2d(big, kernel, bias, padding=1)
    torch.testing.assert_close(EnlargedConv(kernel, bias, times)(x), wanted, rtol=1e-5, atol=2e-5)


def test_folded_networks_equal_plain_ones() -> None:
    plain = tiny_liveportrait.networks()
    other = folded(plain)
    torch.manual_seed(0)
    image = torch.rand(1, 3, 256, 256)
    volume, held = plain.appearance(image), plain.motion(image)
    a, b = (nets.warp(volume, held.kp, held.kp + 0.05) for nets in (plain, other))
    for name in ("feature", "occlusion", "deformation"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=0, atol=1e-4)
    torch.testing.assert_close(plain.generate(a.feature), other.generate(a.feature), rtol=0, atol=1e-4)


def test_folding_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="already"):
        folded(folded(tiny_liveportrait.networks()))


def test_openvino_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(EngineError, match="pip install openvino"):
        with_openvino(tiny_liveportrait.networks())
