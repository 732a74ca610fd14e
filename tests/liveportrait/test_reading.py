"""Templates read as blendshapes, for engines that know nothing of their keypoints."""

from pathlib import Path

import numpy as np
import pytest

from lp_editor.liveportrait.reading import FROWNED, OPENED, SMILED, recording_of
from lp_editor.liveportrait.sliders import Entry
from lp_editor.liveportrait.template import Template, read_template
from lp_editor.recording import SHAPE_COLUMN, Recording

RIGHT_LID, LEFT_LID = 13, 16


def told(*parts: tuple[tuple[Entry, ...], float], count: int = 20) -> Recording:
    """A template without openings that goes from rest to some parts of an expression, read."""
    exp = np.zeros((count, 21, 3), np.float32)
    for entries, strength in parts:
        for point, axis, amount in entries:
            exp[:, point, axis] += strength * amount * np.linspace(0, 1, count)
    one = np.ones((count, 1), np.float32)
    return recording_of(
        Template(25.0, np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)), exp, one, np.zeros((count, 3), np.float32))
    )


def last(recording: Recording, name: str) -> float:
    return float(recording.shapes[-1, SHAPE_COLUMN[name]])


def test_a_laugh_is_read_as_a_smile_with_an_open_mouth() -> None:
    """The jaw takes down what the smile takes up: neither is told by itself."""
    read = told((SMILED, 0.8), (OPENED, 0.6))
    assert last(read, "mouthSmileLeft") == last(read, "mouthSmileRight") == pytest.approx(0.8, abs=0.15)
    assert last(read, "jawOpen") == pytest.approx(0.6, abs=0.15)
    assert last(read, "mouthFrownLeft") < 0.05


def test_a_dropped_jaw_alone_neither_smiles_nor_frowns() -> None:
    read = told((OPENED, 0.8))
    assert last(read, "jawOpen") > 0.6
    assert last(read, "mouthSmileLeft") < 0.05
    assert last(read, "mouthFrownLeft") < 0.25


def test_corners_turned_down_are_a_frown() -> None:
    read = told((FROWNED, 1.0))
    assert last(read, "mouthFrownLeft") > 0.4
    assert last(read, "mouthSmileLeft") < 0.05
    assert last(read, "jawOpen") < 0.1


def test_lids_that_are_hardly_apart_close_alike_and_a_wink_closes_one() -> None:
    both = told((((RIGHT_LID, 1, -0.0040), (LEFT_LID, 1, -0.0030)), 1.0))
    assert last(both, "eyeBlinkRight") == pytest.approx(last(both, "eyeBlinkLeft"), abs=0.02)
    assert last(both, "eyeBlinkLeft") > 0.3
    wink = told((((RIGHT_LID, 1, -0.0080), (LEFT_LID, 1, -0.0010)), 1.0))
    assert last(wink, "eyeBlinkRight") > 0.7
    assert last(wink, "eyeBlinkLeft") < 0.2


def test_the_published_laugh_smiles_with_an_open_mouth_and_both_eyes_narrowed(shared: Path) -> None:
    read = recording_of(read_template(shared / "liveportrait" / "media" / "laugh.pkl"))
    at = len(read) // 2
    smile, jaw, right, left = (
        read.shapes[at, SHAPE_COLUMN[name]] for name in ("mouthSmileLeft", "jawOpen", "eyeBlinkRight", "eyeBlinkLeft")
    )
    assert smile > 0.6
    assert jaw > 0.4
    assert abs(right - left) < 0.1
