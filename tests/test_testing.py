"""The fakes that plugin authors test with keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from lp_editor import Controls, Edit, Face, FaceTrack, Signal, Target, testing
from lp_editor.faces.measure import eye_ratio, head_pose, lip_ratio


def test_the_synthetic_face_has_the_place_and_width_asked_for() -> None:
    face = testing.synthetic_face((320, 240), 150)
    assert face.points.shape == (478, 3)
    assert face.points.dtype == np.float32
    assert face.width == pytest.approx(150)
    assert (face.points[:, :2].min(0) + face.points[:, :2].max(0)) / 2 == pytest.approx([320, 240], abs=0.01)


def test_the_synthetic_face_looks_into_the_camera_with_open_eyes_and_a_closed_mouth() -> None:
    points = testing.synthetic_face().points.astype(np.float64)
    assert head_pose(points) == pytest.approx((0, 0, 0), abs=0.01)
    assert eye_ratio(points, "left") == pytest.approx(eye_ratio(points, "right"), abs=0.01)
    assert eye_ratio(points, "left") > 0.15
    assert lip_ratio(points) < 0.05


def test_the_synthetic_irises_are_numbered_as_mediapipe_numbers_them() -> None:
    points = testing.synthetic_face().points
    for centre, outer, inner in ((468, 33, 133), (473, 263, 362)):
        assert min(points[[outer, inner], 0]) < points[centre, 0] < max(points[[outer, inner], 0])
        assert points[centre + 1, 0] > points[centre, 0] > points[centre + 3, 0]
        assert points[centre + 2, 1] < points[centre, 1] < points[centre + 4, 1]


def test_a_scene_has_a_face_on_every_frame() -> None:
    made = testing.scene(seconds=1.2, rate=25)
    assert made.seconds == 1.2
    assert made.rate == 25
    assert len(made.faces) == 30
    assert all(isinstance(face, Face) for face in made.faces)


def test_a_scene_runs_its_driver_at_its_own_rate() -> None:
    driver = FaceTrack(1, 0, [testing.synthetic_face()])
    assert testing.scene(driver=driver).driver_rate == 25
    assert testing.scene().driver_rate is None


def test_a_sample_shows_all_that_an_edit_asks_for() -> None:
    ramp = Signal(lambda t: t)
    edit = Edit({"cheek_left": ramp}, {"lip_opening": Target(ramp * 2, Signal.constant(0.5))}, {"brows": ramp})
    asked = testing.sample(edit, [0.25, 1])
    assert asked.column("cheek_left").tolist() == [0.25, 1]
    assert asked.targets[:, 2].tolist() == [0.5, 2]
    assert asked.weights[:, 2].tolist() == [0.5, 0.5]
    assert asked.neutral[:, 2].tolist() == [0.25, 1]


def test_the_pixels_of_a_face_are_those_of_its_box() -> None:
    frame = np.arange(480 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(480, 640, 3)
    picture = testing.face_picture(testing.synthetic_face((600, 240), 100), frame)
    box = picture.box
    assert box.x1 == 640  # cut off by the frame
    assert np.array_equal(picture.pixels, frame[box.y0 : box.y1, box.x0 : box.x1])
    assert picture.size == (640, 480)


def test_the_fake_engine_brightens_the_middle_of_a_face_by_a_hundred_levels_a_unit() -> None:
    engine = testing.FakeEngine()
    picture = testing.face_picture(testing.synthetic_face(), testing.plain_frame())
    look = engine.study(FaceTrack(1, 0, [picture.face]), lambda frames: [])
    filmed = engine.analyze(look, [picture])
    [patch] = engine.synthesize(look, [picture], filmed, engine.retarget(filmed, Controls.of(1, blink_left=0.5)))
    assert patch is not None
    assert patch.tone is not None
    middle = patch.box.height // 2, patch.box.width // 2
    assert patch.tone[middle].tolist() == [50, 50, 50]
    assert patch.mask[middle] == 1


def test_the_fake_engine_films_a_face_as_its_blendshapes_say() -> None:
    engine = testing.FakeEngine()
    face = testing.synthetic_face()
    smiling = Face(face.points, {**face.blendshapes, "mouthSmileLeft": 0.4, "eyeWideRight": 0.3})
    picture = testing.face_picture(smiling, testing.plain_frame())
    [motion] = engine.analyze(testing.FakeLook("x"), [picture])
    assert np.array_equal(motion.held, Controls.of(1, smile_left=0.4, blink_right=-0.3).offsets[0])
