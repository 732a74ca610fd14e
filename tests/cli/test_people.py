"""``lp-editor faces``: who is in a film."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lp_editor.cli import main


def test_the_people_of_a_film_are_listed_with_a_picture_of_each(
    filmed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "people.png"
    assert main(["faces", str(filmed), "--json", "--sheet", str(sheet)]) == 0
    (person,) = json.loads(capsys.readouterr().out)["faces"]
    assert (person["id"], person["first"], person["frames"], person["lost"]) == (1, 0.0, 60, 0)
    assert person["last"] == pytest.approx(2.4)
    assert person["narrowest"] <= person["width"] <= person["widest"]
    assert abs(person["yaw"]) < 15
    assert abs(person["gaze_x"]) < 10
    assert 0.15 < person["eye_opening_left"] < 0.45
    shown = cv2.imread(str(sheet))
    assert shown is not None
    assert np.ptp(shown) > 100


def test_the_table_names_each_face_as_a_mark_does(filmed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faces", str(filmed), "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "id:1" in text
    assert "2.40 s" in text


def test_media_without_a_face_or_a_picture_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((200, 300, 3), 120, np.uint8))
    assert main(["faces", str(grey), "--quiet"]) == 2
    assert "no face found" in capsys.readouterr().err
    assert main(["faces", str(tmp_path / "missing.mp4")]) == 2
    assert "missing.mp4" in capsys.readouterr().err
    assert main(["faces", str(grey), "--sheet", str(tmp_path / "people.txt")]) == 2
    assert not (tmp_path / "people.txt").exists()
