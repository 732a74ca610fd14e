"""What is done on a GPU, and what is done instead where that fails: on the processor, with stand-ins that fail."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import pytest
import tiny_liveportrait
import torch
from torch import Tensor, nn

from lp_editor.errors import EngineError
from lp_editor.liveportrait.batches import Batches, filled
from lp_editor.liveportrait.gpu import Graphed, best_on_gpu, halved, settled, sound


def twice(x: Tensor) -> Tensor:
    return 2 * x


class Holding:
    """A network on a device that holds so many at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.seen: list[int] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 2 * x


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 20])
@pytest.mark.parametrize("largest", [1, 2, 8])
def test_batches_give_what_one_call_gives(count: int, largest: int) -> None:
    x = torch.arange(3.0 * count).reshape(count, 3)
    torch.testing.assert_close(Batches(largest)(twice, x), 2 * x, rtol=0, atol=0)


def test_a_batch_is_filled_up_to_a_power_of_two() -> None:
    net = Holding(8)
    Batches(8)(net, torch.zeros(21, 1))
    assert net.seen == [8, 8, 8]
    assert [filled(n) for n in (1, 2, 3, 4, 5, 8)] == [1, 2, 4, 4, 8, 8]


def test_a_batch_that_memory_does_not_hold_is_halved_and_stays_so() -> None:
    net, batches = Holding(2), Batches(8)
    x = torch.arange(10.0)[:, None]
    torch.testing.assert_close(batches(net, x), 2 * x, rtol=0, atol=0)
    assert net.seen == [8, 4, 2, 2, 2, 2, 2]
    assert batches.largest == 2
    net.seen.clear()
    batches(net, x)
    assert max(net.seen) == 2


def test_too_little_memory_for_one_is_one_sentence() -> None:
    with pytest.raises(EngineError, match=r"^the GPU's memory does not hold .* take --device cpu$"):
        Batches(4)(Holding(0), torch.zeros(3, 1))


def test_an_engine_whose_memory_runs_out_gives_the_same_patches() -> None:
    import numpy as np
    from skimage.data import astronaut

    from lp_editor import Controls, FaceTrack, testing
    from lp_editor.faces.model import Landmarker

    frame = np.asarray(astronaut(), np.uint8)
    with Landmarker() as landmarker:
        portrait = testing.face_picture(landmarker(frame)[0], frame)
    nets = tiny_liveportrait.networks()

    def pictures(volume: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        if len(volume) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return nets.pictures(volume, source, driving)

    one = tiny_liveportrait.engine()
    other = replace(one, batches=Batches(8), pictures=pictures)
    controls = Controls.of(3, smile_left=0.7, smile_right=0.7)
    made = []
    for engine in (one, other):
        look = engine.study(FaceTrack(1, 0, [portrait.face]), lambda frames: [portrait] * len(frames))
        filmed = engine.analyze(look, [portrait] * 3)
        made.append(engine.synthesize(look, [portrait] * 3, filmed, engine.retarget(filmed, controls)))
    assert other.batches.largest == 2
    for a, b in zip(*made, strict=True):
        assert a is not None
        assert b is not None
        assert a.box == b.box
        assert a.tone is not None
        assert b.tone is not None
        assert np.abs(a.tone - b.tone).mean() < 0.1


def test_settled_networks_give_what_they_gave() -> None:
    nets = tiny_liveportrait.networks()
    feature = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(settled(nets).generate(feature), nets.generate(feature), rtol=0, atol=1e-6)
    assert any("weight_orig" in name for name, _ in nets.G.named_parameters())


def test_half_precision_leaves_motion_and_keypoints_exact() -> None:
    half = halved(settled(tiny_liveportrait.networks()))
    assert {p.dtype for net in (half.F, half.W, half.G) for p in net.parameters()} == {torch.float16}
    assert {p.dtype for net in (half.M, half.S, half.eye, half.lip) for p in net.parameters()} == {torch.float32}


class Wrong(nn.Module):
    """A generator in half precision on a card that cannot."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "refused":
            raise RuntimeError("not implemented for 'Half'")
        return torch.full((len(x), 3, 512, 512), {"black": 0.0, "not finite": float("nan")}[self.how])


@pytest.mark.parametrize("how", ["black", "not finite", "refused"])
def test_half_precision_that_does_not_work_is_seen(how: str) -> None:
    exact = settled(tiny_liveportrait.networks())
    shape = tuple(exact.generate(torch.zeros(1, 16, 64, 64)).shape)
    assert shape == (1, 3, 512, 512)
    assert sound(exact, exact)
    assert not sound(exact, replace(exact, G=Wrong(how)))


def test_the_best_of_a_gpu_is_half_or_exact_networks() -> None:
    nets = best_on_gpu(tiny_liveportrait.networks())
    assert nets.dtype in (torch.float16, torch.float32)


class Recorder:
    """Records what would be recorded as graphs."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, function: Any, *rows: Tensor) -> Any:
        self.shapes.append(tuple(rows[0].shape))
        if self.error is not None:
            raise self.error
        return function


def added(volume: Tensor, source: Tensor, driving: Tensor) -> Tensor:
    return volume + source + driving


def test_a_graph_is_recorded_once_for_each_batch_size() -> None:
    recorder = Recorder()
    graphed = Graphed(added, recorder)
    for count in (1, 4, 1, 4, 4):
        x = torch.ones(count, 2)
        torch.testing.assert_close(graphed(x, x, x), 3 * x)
    assert recorder.shapes == [(1, 2), (4, 2)]


def test_where_no_graph_can_be_recorded_the_pictures_are_made_without() -> None:
    recorder = Recorder(RuntimeError("operation not permitted when stream is capturing"))
    graphed = Graphed(added, recorder)
    x = torch.ones(2, 2)
    for _ in range(3):
        torch.testing.assert_close(graphed(x, x, x), 3 * x)
    assert len(recorder.shapes) == 1


def test_memory_that_runs_out_while_recording_is_not_hidden() -> None:
    graphed = Graphed(added, Recorder(torch.OutOfMemoryError("CUDA out of memory")))
    x = torch.ones(2, 2)
    with pytest.raises(torch.OutOfMemoryError):
        graphed(x, x, x)


class Watched(nn.Module):
    """An appearance network that knows which of its volumes are still held by anyone."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.made: list[weakref.ref[Tensor]] = []
        self.most = 0

    def forward(self, images: Tensor) -> Tensor:
        self.most = max(self.most, sum(one() is not None for one in self.made))
        volume: Tensor = self.net(images)
        self.made.append(weakref.ref(volume))
        return volume


@pytest.mark.parametrize("largest", [1, 4])
def test_no_appearance_volume_outlives_its_batch(largest: int) -> None:
    import numpy as np
    from skimage.data import astronaut

    from lp_editor import Controls, FaceTrack, testing
    from lp_editor.faces.model import Landmarker

    frame = np.asarray(astronaut(), np.uint8)
    with Landmarker() as landmarker:
        portrait = testing.face_picture(landmarker(frame)[0], frame)
    nets = tiny_liveportrait.networks()
    watched = Watched(nets.F)
    engine = replace(
        tiny_liveportrait.engine(), nets=replace(nets, F=watched), batches=Batches(largest)  # type: ignore[arg-type]
    )  # fmt: skip
    look = engine.study(FaceTrack(1, 0, [portrait.face]), lambda frames: [portrait] * len(frames))
    filmed = engine.analyze(look, [portrait] * 8)
    controls = Controls.of(8, smile_left=0.7)
    assert all(engine.synthesize(look, [portrait] * 8, filmed, engine.retarget(filmed, controls)))
    assert len(watched.made) >= 8 // largest
    assert watched.most <= 1  # the one of the batch before, at the very moment the next is made
    assert not [one for one in watched.made if one() is not None]
