"""Memory of planes, used again."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lp_editor.media.buffers import SMALL, STEP, Pool

SHAPE = (600, 1000)


def test_a_block_is_used_again_only_when_the_last_view_of_it_is_gone() -> None:
    pool = Pool()
    plane = pool.zeros(SHAPE, np.uint8)
    view = plane[10:20, ::2]
    del plane
    gc.collect()
    assert pool.idle == 0
    other = pool.empty(SHAPE, np.uint8)
    other[...] = 7
    assert not view.any()
    view[...] = 9
    del view
    gc.collect()
    assert pool.idle >= np.prod(SHAPE)
    again = pool.zeros(SHAPE, np.uint8)
    assert pool.idle == 0
    assert not again.any()
    assert (other == 7).all()


def test_planes_of_nearly_one_size_share_blocks() -> None:
    pool = Pool()
    pool.empty((601, 1000), np.uint16)[...] = 3
    held = pool.idle
    pool.empty((603, 1000), np.uint16)[...] = 1
    assert pool.idle == held
    assert held % STEP == 0


def test_copies_are_their_own_and_lie_one_behind_the_other() -> None:
    pool = Pool()
    filmed = [np.full((601, 1000), 3, np.uint16), np.arange(150500, dtype=np.uint16).reshape(301, 500)[:, ::-1]]
    plane, small = pool.copies(filmed)
    assert plane.dtype == np.uint16
    assert np.array_equal(plane, filmed[0])
    assert np.array_equal(small, filmed[1])
    assert plane.base is small.base
    plane[...] = 5
    assert (filmed[0] == 3).all()
    assert np.array_equal(small, filmed[1])
    del plane
    gc.collect()
    assert pool.idle == 0  # the block of both
    del small
    gc.collect()
    assert pool.idle > 0


def test_what_lies_idle_is_bounded_and_given_back() -> None:
    pool = Pool(idle=2 * STEP)
    planes = [pool.empty((STEP,), np.uint8) for _ in range(5)]
    planes.clear()
    assert pool.idle == 2 * STEP
    pool.clear()
    assert pool.idle == 0
    assert pool.empty((SMALL - 1,), np.uint8).base is None


def test_threads_never_share_a_block() -> None:
    pool = Pool()

    def fill(value: int) -> bool:
        for _ in range(200):
            plane = pool.empty((300, 400), np.uint8)
            plane.fill(value)
            if not (plane == value).all():
                return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(fill, range(8)))
