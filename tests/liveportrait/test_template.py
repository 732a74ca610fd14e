"""Motion templates: the published files, our own, and what is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lp_editor import Controls
from lp_editor.errors import MediaError
from lp_editor.liveportrait.retarget import LEFT_EYE, RIGHT_EYE, changes
from lp_editor.liveportrait.template import Template, read_template, write_template


def frames(count: int) -> list[dict[str, np.ndarray[Any, Any]]]:
    random = np.random.default_rng(0)
    return [
        {"R_d": np.eye(3, dtype=np.float32)[None], "exp": random.normal(size=(1, 21, 3)).astype(np.float32),
         "scale": np.ones((1, 1), np.float32), "t": np.zeros((1, 3), np.float32)}
        for _ in range(count)
    ]  # fmt: skip


def pickled(path: Path, content: Any) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.mark.parametrize(("name", "count", "rate", "ratios"), [("d1", 16, 30, True), ("d5", 148, 30, True),
                                                               ("laugh", 54, 25, False), ("wink", 57, 25, False)])  # fmt: skip
def test_published_templates_are_read(shared: Path, name: str, count: int, rate: int, ratios: bool) -> None:
    read = read_template(shared / "liveportrait" / "media" / f"{name}.pkl")
    assert (len(read), read.rate) == (count, rate)
    assert (read.eyes is not None, read.lips is not None) == (ratios, ratios)
    np.testing.assert_allclose(read.turn @ read.turn.transpose(0, 2, 1), np.tile(np.eye(3), (count, 1, 1)), atol=1e-4)


def test_our_own_file_gives_back_what_was_written(tmp_path: Path) -> None:
    read = read_template(pickled(tmp_path / "a.pkl", {"motion": frames(3), "output_fps": 24}))
    again = read_template(write_template(tmp_path / "a.npz", read))
    for name, value in vars(read).items():
        assert np.array_equal(value, getattr(again, name)) if value is not None else getattr(again, name) is None


class Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_code_in_a_template_is_not_run(tmp_path: Path) -> None:
    path = pickled(tmp_path / "a.pkl", {"motion": frames(2), "output_fps": Harm(tmp_path / "done")})
    with pytest.raises(MediaError, match=r"posix.mkdir.*not run|nt.mkdir.*not run"):
        read_template(path)
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("content", [{}, {"motion": []}, {"motion": [{"exp": 1}]}, [1], "x",
                                     {"motion": [{**frames(1)[0], "exp": np.full((1, 21, 3), np.nan)}]},
                                     {"motion": [{**frames(1)[0], "t": np.zeros((1, 4))}]}])  # fmt: skip
def test_anything_else_is_refused_in_one_sentence(tmp_path: Path, content: Any) -> None:
    path = pickled(tmp_path / "a.pkl", content)
    with pytest.raises(MediaError, match="not a motion template") as caught:
        read_template(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"not a pickle", b"PK\x03\x04"])
@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(MediaError):
        read_template(tmp_path / f"a{suffix}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be read"):
        read_template(tmp_path / "none.pkl")


def test_a_template_knows_its_length() -> None:
    zero = np.zeros
    made = Template(25, zero((4, 3, 3), np.float32), zero((4, 21, 3), np.float32), zero((4, 1), np.float32),
                    zero((4, 3), np.float32))  # fmt: skip
    assert len(made) == 4


def test_each_eyes_keypoints_follow_that_eyes_opening_in_a_real_performance(shared: Path) -> None:
    """The first ratio is the eye on the left of the picture, the person's right: turned by a quarter, the way from it to the
    second points down the face (spec 7.1)."""
    read = read_template(shared / "liveportrait" / "media" / "d1.pkl")
    assert read.eyes is not None
    right, left = read.eyes[:, 0], read.eyes[:, 1]
    for (gaze, lid), own, other in ((RIGHT_EYE, right, left), (LEFT_EYE, left, right)):
        for point in (gaze, lid):
            moves = read.exp[:, point, 1]
            assert abs(np.corrcoef(moves, own)[0, 1]) > 0.85
            assert abs(np.corrcoef(moves, own)[0, 1]) > abs(np.corrcoef(moves, other)[0, 1]) + 0.05
        # as our own blink: the first goes down, the second up
        assert np.corrcoef(read.exp[:, gaze, 1], own)[0, 1] < 0
        assert np.corrcoef(read.exp[:, lid, 1], own)[0, 1] > 0


def test_the_published_wink_closes_the_right_eye_as_ours_does(shared: Path) -> None:
    read = read_template(shared / "liveportrait" / "media" / "wink.pkl")
    change = read.exp - read.exp[0]
    peak = change[change[:, 11, 1].argmax()]
    assert peak[RIGHT_EYE[0], 1] > 2.5 * abs(peak[LEFT_EYE[0], 1])
    wink = changes(Controls.of(1, blink_right=1.0).offsets)[0]
    assert np.sign(wink[list(RIGHT_EYE), 1]).tolist() == np.sign(peak[list(RIGHT_EYE), 1]).tolist()
