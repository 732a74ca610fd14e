"""What is stored is what is read back, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from lp_editor.engine import Patch
from lp_editor.errors import OutputError
from lp_editor.face import Box
from lp_editor.render.stores import ChunkStore, PatchStore, digest, quantised


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
