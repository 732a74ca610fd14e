"""The plates that an eye is taken apart into: what an iris uncovers, and what lids that open show."""

import numpy as np
import pytest

from lp_editor.mesh.eyes import UNEVEN, _carried_on, _light, _white

SIZE = (40, 80)
ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]]
OPEN = (np.hypot((COLUMNS - 40) / 36, (ROWS - 20) / 14) < 1).astype(np.float32)
RHO = np.asarray(np.hypot(COLUMNS - 40, ROWS - 20) / 14, np.float32)


def test_an_iris_uncovers_the_shade_that_lies_there() -> None:
    shaded = np.where(COLUMNS > 40, 60, 160)[..., None] * np.ones(3)
    crop = np.asarray(np.where(RHO[..., None] < 1, 30, shaded), np.float32)
    lit = _light(crop, RHO, OPEN, 72.0)
    assert lit[20, 70] < 0.65 * lit[20, 10]
    assert lit.min() >= UNEVEN[0]
    assert lit.max() <= np.float32(UNEVEN[1])
    assert lit[20, 33] > 1.4 * lit[20, 47]  # where the iris is, too: its own dark is no shade


def test_white_has_one_colour_and_is_no_brighter_than_it_shows() -> None:
    seen = (OPEN > 0) & (COLUMNS < 25)
    crop = np.zeros((*SIZE, 3), np.float32)
    crop[..., 0] = 120 + COLUMNS  # redder, and darker in blue, to one side
    crop[..., 1] = 140
    crop[..., 2] = 160 - COLUMNS
    white = _white(crop, seen, OPEN, np.where(COLUMNS < 25, 0.5, 1).astype(np.float32), 72.0)
    hidden = white[20, 35:75]
    assert np.ptp(hidden[:, 0] / hidden[:, 2]) < 0.01
    assert hidden.mean(1).max() <= crop[seen].mean(1).max() + 0.01


def test_what_plates_miss_goes_on_beyond_the_lids() -> None:
    known = (ROWS > 15).astype(np.float32)
    rest = np.full((*SIZE, 3), 20, np.float32) * known[..., None]
    carried = _carried_on(rest, known, 72.0)
    assert carried[20:].tolist() == rest[20:].tolist()
    assert carried[13, 40] == pytest.approx(20, abs=0.5)
    assert np.abs(carried[0]).max() < 1
