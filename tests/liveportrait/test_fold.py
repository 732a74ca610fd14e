"""Folded networks give what plain ones give."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_liveportrait
import torch
import torch.nn.functional as F

from lp_editor.errors import EngineError
from lp_editor.liveportrait.fast import Compiled, best_of_processor, with_openvino
from lp_editor.liveportrait.fold import folded
from lp_editor.liveportrait.fold_generator import FoldedGenerator
from lp_editor.liveportrait.fold_warp import DeepConv, FlatConv
from lp_editor.liveportrait.phases import Apart, CompactConv, EnlargedConv, Interleave, compact_views


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


def test_a_large_kernel_along_the_depth_is_a_product_of_spectra() -> None:
    torch.manual_seed(0)
    for depth, taps in ((16, 7), (5, 3), (4, 5)):
        conv = torch.nn.Conv3d(3, 4, taps, padding=taps // 2)
        x = torch.randn(2, 3, depth, 9, 10)
        with torch.no_grad():
            torch.testing.assert_close(DeepConv(conv, depth)(x), conv(x), rtol=1e-5, atol=2e-5)


def test_a_large_convolution_to_one_picture_is_a_sum_of_what_is_given() -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3 * 4, 1, 7, padding=3)
    x = torch.randn(2, 3, 4, 9, 10)
    with torch.no_grad():
        torch.testing.assert_close(FlatConv(conv, 4)(x), conv(x.flatten(1, 2)), rtol=1e-5, atol=2e-5)


def test_a_convolution_twice_on_a_picture_enlarged_four_times_is_made_of_compact_ones() -> None:
    torch.manual_seed(0)
    x, first, second = torch.randn(2, 3, 5, 6), torch.randn(4, 3, 3, 3), torch.randn(7, 4, 3, 3)
    bias = torch.randn(4), torch.randn(7)
    big = F.interpolate(x, scale_factor=4.0, mode="nearest")
    wanted = F.conv2d(F.relu(F.conv2d(big, first, bias[0], padding=1)), second, bias[1], padding=1)
    views = compact_views(F.relu(EnlargedConv(first, bias[0], 4, compact=True)(x)))
    conv = CompactConv(second, bias[1])
    phases = [conv(views, row, column) for row in range(4) for column in range(4)]
    torch.testing.assert_close(Interleave(4)(torch.cat(phases, 1)), wanted, rtol=1e-5, atol=5e-5)
    torch.testing.assert_close(Apart(4)(wanted), torch.cat(phases, 1), rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize("small", [False, True])
def test_a_compiled_network_gives_what_the_plain_one_gives(small: bool) -> None:
    pytest.importorskip("openvino", reason="the extra `fast` is not installed")
    plain = tiny_liveportrait.networks()
    with torch.no_grad():
        net = FoldedGenerator(plain.G)  # type: ignore[arg-type]
        made = Compiled(net, (16, 16, 16), "f32", traced=(16, 8, 8) if small else ())
        feature = torch.randn(2, 16, 16, 16)
        torch.testing.assert_close(made(feature), plain.G(feature), rtol=0, atol=1e-4)
        torch.testing.assert_close(made(feature)[1:], made(feature[1:]), rtol=0, atol=0)


@pytest.mark.slow
def test_a_converted_network_is_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino", reason="the extra `fast` is not installed")
    plain = tiny_liveportrait.networks()
    feature, kept = torch.randn(1, 16, 16, 16), tmp_path / "some" / "G.xml"
    with torch.no_grad():
        net = FoldedGenerator(plain.G)  # type: ignore[arg-type]
        first = Compiled(net, (16, 16, 16), "f32", kept=kept)(feature)
        assert sorted(p.name for p in kept.parent.iterdir()) == ["G.bin", "G.xml"]
        with monkeypatch.context() as patched:
            patched.setattr(openvino, "convert_model", None)
            torch.testing.assert_close(Compiled(net, (16, 16, 16), "f32", kept=kept)(feature), first, rtol=0, atol=0)
        kept.write_bytes(b"not a network")
        torch.testing.assert_close(Compiled(net, (16, 16, 16), "f32", kept=kept)(feature), first, rtol=0, atol=0)


def test_the_processors_path_is_chosen_by_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert best_of_processor() in ("openvino", "openvino-f32", "cpu-f32")
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    assert best_of_processor() == "cpu-f32"
