"""``lp-editor faces``: who is in a film."""

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from lp_editor import verbs
from lp_editor.cli import main
from lp_editor.timeline.document import new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track


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


RATE = Fraction(25)


def still(path: Path, image: np.ndarray) -> Path:
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A cut of a portrait, a picture of nobody, the portrait darker and nearer, another face, and a file that is gone."""
    image = np.asarray(skimage.data.astronaut(), np.uint8)[:300, 60:360]
    files = {
        "her": still(tmp_path / "her.png", image),
        "nobody": still(tmp_path / "nobody.png", np.full_like(image, 120)),
        "again": still(tmp_path / "again.png", np.asarray(0.7 * cv2.resize(image[10:250, 40:290], None, fx=1.4, fy=1.4), np.uint8)),
        "other": still(tmp_path / "other.png", np.ascontiguousarray(image[:, ::-1])),
        "gone": tmp_path / "gone.png",
    }
    length = Span(Fraction(0), 4 / RATE)
    clips = tuple(
        Clip("", name, Media("file", path.name, str(path), path, length), length, length.moved(4 * i / RATE), RATE)
        for i, (name, path) in enumerate(files.items())
    )
    project = Project("scenes", RATE, Fraction(0), (Track("V1", "video", clips),))
    return new_document(tmp_path / "scenes.otio", project).save().path


def marked(path: Path) -> dict[str, list[str]]:
    return {c.name: [f"{s.effect} {s.face}" for s in c.segments] for c in verbs.open_project(path).project.clips()}


def test_a_person_is_marked_in_every_clip_that_shows_them_in_one_step(
    scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    like = scenes.parent / "her.png"
    words = ["mark", str(scenes), "--everywhere", f"face=like:{like}", "expression", "smile=0.4"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["clip"]["name"] for one in told["marks"]] == ["her", "again"]
    assert [one["clip"]["name"] for one in told["without"]] == ["nobody", "other", "gone"]
    expected = [f"expression like:{like}"]
    assert marked(scenes) == {"her": expected, "again": expected, "nobody": [], "other": [], "gone": []}
    ids = [s.id for c in verbs.open_project(scenes).project.clips() for s in c.segments]
    assert len(set(ids)) == 2
    assert main(["undo", str(scenes)]) == 0
    assert not any(marked(scenes).values())
    capsys.readouterr()
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in lines[:5]] == [
        "marked her", "marked again", "not marked nobody", "not marked other", "not marked gone",
    ]  # fmt: skip


def test_who_is_nowhere_marks_nothing(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = scenes.read_bytes()
    assert main(["mark", str(scenes), "--everywhere", "face=7", "expression", "smile=0.4"]) == 2
    assert "seen in no clip" in capsys.readouterr().err
    assert main(["mark", str(scenes), "--everywhere", "--clip", "her", "expression", "smile=0.4"]) == 2
    assert main(["mark", str(scenes), "--everywhere", "stitch"]) == 2
    nobody = scenes.parent / "nobody.png"
    assert main(["mark", str(scenes), "--everywhere", f"face=like:{nobody}", "expression", "smile=0.4"]) == 2
    assert scenes.read_bytes() == before
