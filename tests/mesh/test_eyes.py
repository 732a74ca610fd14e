"""The plates that an eye is taken apart into: what an iris uncovers, and what lids that open show."""

import numpy as np
import pytest

from lp_editor.controls import Controls
from lp_editor.engine import Patch
from lp_editor.face import Box, FacePicture
from lp_editor.mesh.engine import MeshEngine, MeshLook
from lp_editor.mesh.eyes import EYES, UNEVEN, _carried_on, _Lids, _light, _white, change
from lp_editor.mesh.shape import MeshMotion

ENGINE = MeshEngine()
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


def lidded(top: float, bottom: float) -> np.ndarray:
    """Landmarks, (478, 3), of a left eye 72 pixels wide whose lids' middles lie at two heights."""
    points = np.zeros((478, 3))
    for line, middle in ((EYES["left"].upper, top), (EYES["left"].lower, bottom)):
        along = np.linspace(0, 1, len(line))
        points[list(line), 0] = 4 + 72 * along
        points[list(line), 1] = 20 + (middle - 20) * np.sin(np.pi * along)
    return points


def test_shade_goes_with_the_lids_that_throw_it() -> None:
    before, after, box = lidded(6, 34), lidded(14, 38), Box(0, 0, SIZE[1], SIZE[0])
    lids = _Lids.between(before, after, change("left", before, after), box)
    assert lids.rise[14, 40] == pytest.approx(8, abs=0.3)
    assert lids.rise[38, 40] == pytest.approx(4, abs=0.3)
    under = np.where(ROWS < 9, 0.5, 1)[..., None] * np.ones(3, np.float32)
    carried = lids.carried(np.asarray(under, np.float32))
    assert carried[15, 40].max() < 0.6
    assert carried[30, 40].min() == 1
    assert lids.dim[15, 40] < 0.85
    assert lids.dim[34, 40] > lids.dim[15, 40] + 0.1


def test_lids_that_stay_change_no_shade() -> None:
    before, box = lidded(6, 34), Box(0, 0, SIZE[1], SIZE[0])
    lids = _Lids.between(before, before, change("left", before, before), box)
    assert (lids.dim == 1).all()
    assert lids.carried(np.asarray(OPEN[..., None], np.float32)).tolist() == OPEN[..., None].tolist()


def under_the_lid(patch: Patch | None, points: np.ndarray, side: str) -> float:
    """The brightest light just under the middle of an upper lid."""
    assert patch is not None
    assert patch.paint is not None
    upper = points[list(EYES[side].upper), :2]
    off = 0.03 * np.linalg.norm(upper[0] - upper[-1])
    return max(float(patch.paint[int(y + off) - patch.box.y0, int(x) - patch.box.x0].mean()) for x, y in upper[2:-2])


@pytest.mark.parametrize("aside", [-0.9, 0.9])
@pytest.mark.parametrize("side", ["left", "right"])
def test_no_bright_rim_shows_under_a_lid_that_comes_down(
    side: str, aside: float, face: FacePicture, look: MeshLook, held: MeshMotion
) -> None:  # fmt: skip
    light = []
    for y in (0.0, -0.7):
        asked = Controls.of(1, **{f"gaze_x_{side}": aside, f"gaze_y_{side}": y})
        (moved,) = ENGINE.retarget([held], asked)
        light.append(under_the_lid(ENGINE.synthesize(look, [face], [held], [moved])[0], moved.points, side))
    assert light[1] < 1.1 * light[0]
