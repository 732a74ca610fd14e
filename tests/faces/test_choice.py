"""Which face a segment means, by size, place, number and looks; and who is who."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from lp_editor.errors import FaceError
from lp_editor.face import Box, Face, FaceTrack, Image
from lp_editor.faces.choice import choose, parse_choice, reference_look
from lp_editor.faces.identity import alike, appearance, unit
from lp_editor.faces.model import Landmarker
from lp_editor.media.sink import write_still
from lp_editor.testing import synthetic_face


def at(x: float, y: float, width: float) -> Face:
    """A face somewhere in the picture."""
    face = synthetic_face()
    points = face.points.astype(np.float64)
    points = (points - points.mean(0)) * (width / face.width) + [x, y, 0]
    return Face(points.astype(np.float32), face.blendshapes)


def look(*values: float) -> np.ndarray:
    return unit(np.array(values))


LEFT = FaceTrack(1, 0, [at(100, 200, 80)] * 10, look(1, 0.1, 0))
MIDDLE = FaceTrack(2, 0, [at(400, 220, 150)] * 10, look(0, 1, 0.1))
RIGHT = FaceTrack(5, 4, [at(700, 180, 120)] * 6, look(0.1, 0, 1))
TRACKS = [MIDDLE, RIGHT, LEFT]
SIZE = (800, 400)


def chosen(text: str, first: int = 0, stop: int = 10) -> FaceTrack | None:
    return choose(TRACKS, text, first, stop, SIZE, lambda path: look(0, 0.2, 1))


@pytest.mark.parametrize(
    ("text", "who"),
    [("largest", MIDDLE), ("1", LEFT), ("2", MIDDLE), ("3", RIGHT), ("id:5", RIGHT), ("id:1", LEFT),
     ("at:0.9,0.5", RIGHT), ("at:0,0", LEFT), ("at:0.45,0.9", MIDDLE), ("like:somebody.png", RIGHT)],
)  # fmt: skip
def test_a_face_is_meant_by_size_place_number_or_looks(text: str, who: FaceTrack) -> None:
    assert chosen(text) is who


def test_numbers_count_those_who_are_there() -> None:
    assert chosen("2", 0, 4) is MIDDLE
    assert chosen("largest", 0, 4) is MIDDLE
    with pytest.raises(FaceError, match="face 3 was asked for, but only 2 faces"):
        chosen("3", 0, 4)
    with pytest.raises(FaceError, match=r"id:5 cannot be seen there; the faces there are id 2, 1"):
        chosen("id:5", 0, 4)


def test_where_there_is_no_face_none_is_chosen() -> None:
    assert choose([], "largest", 0, 10) is None
    assert chosen("largest", 20, 30) is None


def test_somebody_unlike_everyone_is_not_chosen() -> None:
    with pytest.raises(FaceError, match=r"nobody there looks like who.png; the nearest, face id \d, by 0\.\d\d"):
        choose(TRACKS, "like:who.png", 0, 10, SIZE, lambda path: look(1, 1, 1.2) * [0.5, 0.5, 0.5])


@pytest.mark.parametrize(
    "text", ["", "left", "0", "-1", "id:", "id:x", "at:", "at:2,0", "at:0.5", "at:a,b", "like:", "at:nan,0"]
)
def test_other_texts_are_refused_with_what_may_stand_there(text: str) -> None:
    with pytest.raises(FaceError, match="face") as error:
        parse_choice(text)
    assert "at:" in str(error.value)


# --- looks -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finder() -> Landmarker:
    return Landmarker()


def seen(image: Image, finder: Landmarker) -> np.ndarray:
    face = finder(image)[0]
    return appearance(image, Box(0, 0, image.shape[1], image.shape[0]), face)


def test_a_person_looks_alike_in_other_light_at_another_size_and_place(finder: Landmarker) -> None:
    image = np.asarray(skimage.data.astronaut(), np.uint8)[:300, 60:400]
    x = np.linspace(0.6, 1.2, image.shape[1])[None, :, None]
    lit = np.asarray(np.clip(image * x, 0, 255), np.uint8)
    large = np.asarray(cv2.resize(image, None, fx=1.7, fy=1.7, interpolation=cv2.INTER_CUBIC), np.uint8)
    own = seen(image, finder)
    assert own @ own == pytest.approx(1, abs=1e-5)
    assert alike(own, seen(lit, finder)) > 0.85
    assert alike(own, seen(large, finder)) > 0.85


def test_two_people_do_not(shared: Path, finder: Landmarker) -> None:
    people = []
    for name in ("s42.jpg", "d30.jpg", "s12.jpg", "s11.jpg"):
        image = cv2.imread(str(shared / "liveportrait" / "media" / name))
        assert image is not None
        people.append(seen(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), finder))
    assert max(alike(a, b) for i, a in enumerate(people) for b in people[:i]) < 0.8


def test_a_reference_picture_gives_its_largest_face(tmp_path: Path, finder: Landmarker) -> None:
    image = np.asarray(skimage.data.astronaut(), np.uint8)
    write_still(tmp_path / "her.png", image)
    assert alike(reference_look(tmp_path / "her.png"), seen(image, finder)) > 0.9
    write_still(tmp_path / "nobody.png", np.full((90, 120, 3), 128, np.uint8))
    with pytest.raises(FaceError, match=r"no face in .*nobody.png"):
        reference_look(tmp_path / "nobody.png")
