"""Several faces in one frame: each follows its own driver in one pass, and an edit of one leaves the others alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from lp_editor import SHAPES, Box, Patch, Recording, testing
from lp_editor.cli import main
from lp_editor.faces import analyse_faces
from lp_editor.media.source import VideoSource
from lp_editor.recording import write_recording
from lp_editor.render.crowd import spared


def whole(box: Box) -> Patch:
    return Patch(box, np.ones((box.height, box.width), np.float32))


def test_a_patch_is_nothing_on_a_neighbours_face_and_whole_away_from_it() -> None:
    own, other = testing.synthetic_face((200, 200), 150), testing.synthetic_face((400, 210), 150)
    patch = spared(whole(Box(50, 50, 420, 400)), own, [own, other])
    assert patch is not None
    box = other.box
    assert not patch.mask[box.y0 - 50 : box.y1 - 50, box.x0 - 50 : 370].any()
    assert patch.mask[100:200, 60:200].min() == 1
    assert 0 < patch.mask[160, box.x0 - 50 - 15] < 1


def test_a_patch_far_from_others_is_the_same_and_one_that_lies_in_another_face_is_gone() -> None:
    own, other = testing.synthetic_face((200, 200), 150), testing.synthetic_face((900, 200), 150)
    patch = whole(Box(100, 100, 300, 300))
    assert spared(patch, own, [other]) is patch
    assert spared(whole(Box(880, 180, 920, 220)), own, [other]) is None


def test_a_face_in_front_keeps_its_own_outline_but_not_the_neighbours() -> None:
    own, other = testing.synthetic_face((200, 200), 150), testing.synthetic_face((310, 300), 150)
    patch = spared(whole(Box(50, 50, 450, 450)), own, [other])
    assert patch is not None
    middle = np.round(other.points[4, :2] - 50).astype(int)
    assert patch.mask[middle[1], middle[0]] == 0
    nose = np.round(own.points[4, :2] - 50).astype(int)
    assert patch.mask[nose[1], nose[0]] > 0.9


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces side by side, close to each other."""
    image = np.asarray(skimage.data.astronaut(), np.uint8)[:300, 110:330]
    path = tmp_path_factory.mktemp("pair") / "pair.png"
    both = np.concatenate([image, image[:, ::-1]], axis=1)
    cv2.imwrite(str(path), cv2.cvtColor(cv2.resize(both, None, fx=1.5, fy=1.5), cv2.COLOR_RGB2BGR))
    return path


def recorded(path: Path, shape: str, yaw: float = 0.0) -> Path:
    shapes = np.zeros((2, 52))
    shapes[1, SHAPES.index(shape)] = 0.8
    return write_recording(path, Recording(Fraction(25), shapes, np.array([[0, 0, 0], [0, yaw, 0]], float), None, 0))


def frames(path: Path) -> list[np.ndarray]:
    with VideoSource(path) as source:
        return [picture.rgb_all() for picture in source.frames(range(source.video.count))]


def animate(pair: Path, out: Path, *drivers: str) -> list[np.ndarray]:
    words = [word for driver in drivers for word in ("--driver", driver)]
    assert main(["animate", str(pair), *words, "-o", str(out), "--engine", "mesh", "--codec", "ffv1", "--quiet"]) == 0
    return frames(out)


def test_each_face_of_a_group_follows_its_own_driver_and_no_other(pair: Path, tmp_path: Path) -> None:
    jaw, smile = recorded(tmp_path / "jaw.npz", "jawOpen", 10), recorded(tmp_path / "kiss.npz", "mouthPucker", -8)
    one = animate(pair, tmp_path / "one.mkv", f"1={jaw}")
    other = animate(pair, tmp_path / "other.mkv", f"2={smile}")
    both = animate(pair, tmp_path / "both.mkv", f"1={jaw}", f"2={smile}")
    with VideoSource(pair) as source:
        filmed = source.picture(0).rgb_all()
        tracks = analyse_faces(source, 0, 1, tmp_path / "faces")
    left, right = sorted((t.faces[0].box for t in tracks if t.faces[0]), key=lambda box: box.x0)
    last = filmed.shape[0]

    def there(image: np.ndarray, box: Box) -> np.ndarray:
        return image[box.y0 : min(box.y1, last), box.x0 : box.x1]

    assert np.array_equal(there(one[1], right), there(filmed, right))
    assert np.array_equal(there(other[1], left), there(filmed, left))
    for alone, box in ((one, left), (other, right)):
        assert not np.array_equal(there(alone[1], box), there(filmed, box))
        assert np.array_equal(there(alone[1], box), there(both[1], box))
