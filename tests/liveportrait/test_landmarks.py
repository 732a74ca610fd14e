"""The published landmark network: found where it is, fed as published, and its openings taken over MediaPipe's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_liveportrait
from skimage.data import astronaut

from lp_editor import FacePicture, FaceTrack, testing
from lp_editor.errors import WeightsError
from lp_editor.liveportrait.landmarks import LandmarkNet, landmarks_in, openings


def _field(number: int, content: bytes | int) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_field(1, _field(1, n)) for n in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def onnx_file(path: Path, points: np.ndarray[Any, Any]) -> Path:
    """A network of the published shape that says the same points, (203, xy) in 0..1, of every picture."""
    said = points.astype(np.float32).reshape(1, 406)
    constant = _field(1, 1) + _field(1, 406) + _field(2, 1) + _field(8, b"said") + _field(9, said.tobytes())
    node = _field(1, b"input") + _field(2, b"mean") + _field(4, b"ReduceMean")  # over everything, all dimensions kept
    flat = _field(1, b"mean") + _field(2, b"flat") + _field(4, b"Flatten")
    none = _field(1, b"flat") + _field(1, b"flat") + _field(2, b"none") + _field(4, b"Sub")
    added = _field(1, b"said") + _field(1, b"none") + _field(2, b"points") + _field(4, b"Add")
    graph = b"".join(_field(1, one) for one in (node, flat, none, added)) + _field(2, b"g") + _field(5, constant)
    graph += _field(11, _value("input", (1, 3, 224, 224)))
    graph += b"".join(
        _field(12, _value(n, s)) for n, s in (("mean", (1, 1, 1, 1)), ("flat", (1, 1)), ("points", (1, 406)))
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13)))
    return path


@pytest.fixture(scope="module")
def portrait() -> FacePicture:
    from lp_editor.faces.model import Landmarker

    frame = np.asarray(astronaut(), np.uint8)
    with Landmarker() as landmarker:
        return testing.face_picture(landmarker(frame)[0], frame)


def spread() -> np.ndarray[Any, Any]:
    """Points with a left eye half as open as wide in the picture, a right one a quarter, lips a tenth."""
    points = np.full((203, 2), 0.5, np.float32)
    for (left, top, right, bottom), width, height in (((0, 6, 12, 18), 0.2, 0.1), ((24, 30, 36, 42), 0.2, 0.05),
                                                      ((48, 90, 66, 102), 0.4, 0.04)):  # fmt: skip
        points[[left, right], 0] += [-width / 2, width / 2]
        points[[top, bottom], 1] += [-height / 2, height / 2]
    return points


def test_openings_are_the_persons_left_eye_first() -> None:
    eyes, lips = openings(spread())
    assert eyes == pytest.approx((0.25, 0.5), abs=1e-4)
    assert lips == pytest.approx(0.1, abs=1e-4)


def test_the_network_of_a_folder_is_found_and_run(tmp_path: Path, portrait: FacePicture) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `landmarks` is not installed")
    assert landmarks_in(tmp_path) is None
    onnx_file(tmp_path / "liveportrait" / "landmark.onnx", spread())
    found = landmarks_in(tmp_path)
    assert found is not None
    points = found(portrait)
    assert points.shape == (203, 2)
    middle = portrait.face.points[:468, :2].mean(0)
    assert np.linalg.norm(points.mean(0) - middle) < 0.2 * portrait.face.width
    eyes, lips = openings(points)
    assert eyes == pytest.approx((0.25, 0.5), abs=1e-3)
    assert lips == pytest.approx(0.1, abs=1e-3)


def test_without_onnxruntime_the_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx_file(tmp_path / "landmark.onnx", spread())
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert landmarks_in(tmp_path) is None


def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `landmarks` is not installed")
    (tmp_path / "landmark.onnx").write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"landmark\.onnx: not a landmark network"):
        LandmarkNet(tmp_path / "landmark.onnx")


def test_the_engine_takes_its_openings(portrait: FacePicture) -> None:
    plain = tiny_liveportrait.engine()
    engine = replace(plain, landmarks=lambda picture: spread())
    assert engine.fingerprint != plain.fingerprint
    look = engine.study(FaceTrack(1, 0, [portrait.face] * 3), lambda frames: [portrait] * len(frames))
    [hold] = engine.analyze(look, [portrait])
    assert hold.seen.eyes == pytest.approx((0.25, 0.5), abs=1e-4)
    assert hold.seen.lips == pytest.approx(0.1, abs=1e-4)
    assert look.person.eyes == pytest.approx((0.25, 0.5), abs=1e-4)
