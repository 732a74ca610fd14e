"""What is stored is what is read back, whole or not at all."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lp_editor.engine import Patch
from lp_editor.errors import OutputError
from lp_editor.face import Box
from lp_editor.render.packing import LARGEST, pack, quantised
from lp_editor.render.stores import ChunkStore, PatchStore, digest


def some_patch() -> Patch:
    random = np.random.default_rng(3)
    shape = (20, 30)
    return Patch(
        Box(4, 5, 34, 25),
        random.random(shape, np.float32),
        (random.random((*shape, 2), np.float32) - 0.5) * 20,
        (random.random((*shape, 3), np.float32) - 0.5) * 90,
        random.random((*shape, 3), np.float32) * 255,
        random.random(shape, np.float32),
    )


def test_a_stored_patch_reads_back_equal_to_the_quantised_fresh_one(tmp_path: Path) -> None:
    store, fresh = PatchStore(tmp_path), some_patch()
    store.put("ab12", fresh)
    read, expected = store.get("ab12"), quantised(fresh)
    assert isinstance(read, Patch)
    assert isinstance(expected, Patch)
    assert read.box == expected.box
    for name in ("mask", "flow", "tone", "paint", "alpha"):
        assert np.array_equal(getattr(read, name), getattr(expected, name))
        assert np.abs(getattr(read, name) - getattr(fresh, name)).max() < 0.6


def test_quantising_twice_changes_nothing() -> None:
    once = quantised(some_patch())
    twice = quantised(once)
    assert once is not None
    assert twice is not None
    assert once.flow is not None
    assert np.array_equal(once.flow, twice.flow if twice.flow is not None else 0)


def test_no_change_is_stored_too_and_what_is_not_there_is_said(tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    store.put("cd34", None)
    assert store.get("cd34") is None
    assert isinstance(store.get("ef56"), KeyError)


def test_a_damaged_entry_counts_as_missing(tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    store.put("ab12", some_patch())
    (tmp_path / "ab" / "ab12.patch").write_bytes(b"PK\x03\x04 not a zip")
    assert isinstance(store.get("ab12"), KeyError)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    store = ChunkStore(tmp_path)
    with pytest.raises(OutputError, match="No space left"):
        store.put("ab12", ".mkv", fail)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not store.has("ab12", ".mkv")


def test_names_depend_on_every_part_and_on_their_borders() -> None:
    names = {
        digest("a", "bc"),
        digest("ab", "c"),
        digest("abc"),
        digest(["a"]),
        digest(np.zeros(3)),
        digest(np.zeros((3, 1))),
    }
    assert len(names) == 6
    assert digest("a", {"x": 1, "y": 2}) == digest("a", {"y": 2, "x": 1})


def large_patch(height: int, width: int) -> Patch:
    """A patch of a large face: smooth motion, a wrinkled tone, grainy paint on a part of it."""
    random = np.random.default_rng(4)
    y, x = np.mgrid[:height, :width].astype(np.float32) / height
    mask = np.zeros((height, width), np.float32)
    mask[5:-5, 5:-5] = 1
    flow = np.stack([6 * np.sin(5 * y + x), 4 * np.cos(3 * x - y)], -1).astype(np.float32)
    tone = (10 * np.sin(40 * x * y)[..., None] * np.ones(3)).astype(np.float32)
    paint = 120 + 60 * np.sin(12 * x + 7 * y)[..., None] + random.normal(0, 2, (height, width, 3))
    alpha = np.clip(1.5 - 4 * np.hypot(x - 0.5, y - 0.6), 0, 1).astype(np.float32)
    return Patch(Box(10, 20, 10 + width, 20 + height), mask, flow, tone, paint.astype(np.float32), alpha)


@pytest.mark.parametrize("size", [(300, 250), (900, 800), (1800, 1500)])
def test_a_patch_of_a_large_face_is_made_small_and_stays_true(size: tuple[int, int]) -> None:
    fresh = large_patch(*size)
    assert len(pack(fresh)) <= LARGEST
    kept = quantised(fresh)
    assert kept is not None
    assert kept.box == fresh.box
    assert np.array_equal(kept.mask, fresh.mask)
    for name, most in (("flow", 0.1), ("tone", 3.0), ("paint", 3.0), ("alpha", 0.02)):
        array, wanted = getattr(kept, name), getattr(fresh, name)
        if array.shape != wanted.shape:
            array = cv2.resize(array, wanted.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        assert float(np.sqrt(((array - wanted) ** 2).mean())) < most, name


def test_a_small_patch_is_kept_whole() -> None:
    fresh = large_patch(80, 60)
    kept = quantised(fresh)
    assert kept is not None
    assert kept.tone is not None
    assert kept.tone.shape == (80, 60, 3)
