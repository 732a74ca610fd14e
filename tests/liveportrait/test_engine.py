"""What the liveportrait engine promises beyond the contract: controls, crops, compositing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny_liveportrait
from skimage.data import astronaut

from lp_editor import CONTROLS, Controls, Face, FacePicture, FaceTrack, Registry, testing
from lp_editor.errors import EngineError
from lp_editor.liveportrait import retarget
from lp_editor.liveportrait.detail import Calibration, calibrated, composed
from lp_editor.liveportrait.hold import Hold, retargeted
from lp_editor.liveportrait.look import eye_openings, shot_square, square_on
from lp_editor.liveportrait.networks import ArrayHeads
from lp_editor.liveportrait.places import has_weights

PICTURE = np.asarray(astronaut(), np.uint8)


@pytest.fixture(scope="module")
def portrait() -> FacePicture:
    from lp_editor.faces.model import Landmarker

    with Landmarker() as landmarker:
        return testing.face_picture(landmarker(PICTURE)[0], PICTURE, margin=0.8)


def held(portrait: FacePicture) -> Hold:
    engine = tiny_liveportrait.engine("paste")
    look = engine.study(FaceTrack(1, 0, [portrait.face]), lambda frames: [portrait] * len(frames))
    return engine.analyze(look, [portrait])[0]


def shifted(face: Face, x: float, y: float) -> Face:
    return Face(face.points + np.array([x, y, 0], np.float32), face.blendshapes)


# --- controls -----------------------------------------------------------------------------------------------------------


def test_the_table_names_every_control_that_is_not_pose() -> None:
    assert set(retarget.TABLE) == {c.name for c in CONTROLS if c.region != "pose"}


def test_every_region_has_entries_and_none_is_shared() -> None:
    total = np.sum([retarget.region_mask(region) for region in retarget.REGION_OF], axis=0)
    assert total.max() == 1
    assert total.min() == 1


def test_zero_controls_are_the_same_objects(portrait: FacePicture) -> None:
    hold = held(portrait)
    assert retargeted([hold, hold], Controls.zeros(2), ArrayHeads(tiny_liveportrait.networks())) == [hold, hold]


def test_both_sides_of_a_smile_are_the_published_smile() -> None:
    from lp_editor.liveportrait.sliders import change

    both = retarget.changes(Controls.of(1, smile_left=1.0, smile_right=1.0).offsets)[0]
    np.testing.assert_allclose(both, change({"smile": 1.0}), atol=1e-7)


def test_an_eye_by_itself_leaves_the_other_ones_keypoints() -> None:
    for side, other in (("left", retarget.RIGHT_EYE), ("right", retarget.LEFT_EYE)):
        for control in (f"blink_{side}", f"gaze_x_{side}", f"gaze_y_{side}"):
            moved = retarget.changes(Controls.of(1, **{control: 1.0}).offsets)[0]
            assert not moved[list(other)].any()
            assert moved.any()


def test_no_sum_of_controls_leaves_the_bounds() -> None:
    everything = Controls.of(1, **{c.name: c.high for c in CONTROLS}).offsets
    assert (np.abs(retarget.changes(everything * 3)[0]) <= retarget.bounds() + 1e-7).all()


def test_gaze_to_the_persons_left_goes_right_in_the_picture_and_up_goes_up() -> None:
    left = retarget.changes(Controls.of(1, gaze_x_left=1.0, gaze_x_right=1.0).offsets)[0]
    up = retarget.changes(Controls.of(1, gaze_y_left=1.0, gaze_y_right=1.0).offsets)[0]
    assert (left[[11, 15], 0] > 0).all()
    assert (up[[11, 15], 1] < 0).all()


def test_a_target_for_one_eye_moves_that_eyes_keypoints_alone(portrait: FacePicture) -> None:
    hold, heads = held(portrait), ArrayHeads(tiny_liveportrait.networks())
    controls = Controls.zeros(1)
    controls.weights[0, 0] = 1
    shift = retargeted([hold], controls, heads)[0].shift
    assert set(np.flatnonzero(shift.any(axis=1))) == {15, 16, 18}
    half = Controls.zeros(1)
    half.weights[0, 0] = 0.5
    np.testing.assert_allclose(retargeted([hold], half, heads)[0].shift, shift / 2, atol=1e-7)


def test_shift_is_in_face_widths_of_the_crop(portrait: FacePicture) -> None:
    hold = held(portrait)
    moved = retargeted([hold], Controls.of(1, shift_x=0.5, shift_y=0.5), ArrayHeads(tiny_liveportrait.networks()))[0]
    pixels = (moved.points - hold.points)[:, :2] * hold.seen.square.size / 2
    np.testing.assert_allclose(pixels, np.tile([portrait.face.width / 2, -portrait.face.width / 2], (21, 1)), rtol=1e-3)


# --- crops --------------------------------------------------------------------------------------------------------------


def test_one_square_serves_a_shot_whose_face_stays(portrait: FacePicture) -> None:
    engine = tiny_liveportrait.engine("paste")
    faces = [shifted(portrait.face, x, -x) for x in (-3.0, -1.0, 0.0, 1.0, 3.0)]
    look = engine.study(FaceTrack(1, 0, faces), lambda frames: [])
    assert all(look.seen(face).square is look.square for face in faces)


def test_a_face_that_left_the_shots_square_gets_its_own(portrait: FacePicture) -> None:
    engine = tiny_liveportrait.engine("paste")
    look = engine.study(FaceTrack(1, 0, [portrait.face] * 3), lambda frames: [])
    far = shifted(portrait.face, portrait.face.width, 0)
    assert look.square is not None
    assert look.seen(far).square.centre[0] - look.square.centre[0] > 0.9 * portrait.face.width


def test_a_face_that_wanders_has_no_square_for_the_shot(portrait: FacePicture) -> None:
    assert shot_square([shifted(portrait.face, 60.0 * i, 0) for i in range(8)]) is None


def test_a_square_lies_on_whole_pixels_and_holds_the_face(portrait: FacePicture) -> None:
    square = square_on(portrait.face)
    corner = square.centre - square.size / 2
    assert square.angle == 0
    assert np.array_equal(corner, np.round(corner))
    points = portrait.face.points[:, :2]
    assert (points > corner).all()
    assert (points < corner + square.size).all()


def test_a_tilted_head_is_cropped_tilted(portrait: FacePicture) -> None:
    angle, middle = np.radians(40), portrait.face.points.mean(0)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    points = ((portrait.face.points - middle) @ turn.T + middle).astype(np.float32)
    assert square_on(Face(points, {})).angle == pytest.approx(angle, abs=np.radians(6))


def test_open_eyes_have_the_ratio_of_the_published_landmarks(portrait: FacePicture) -> None:
    assert all(0.2 < ratio < 0.6 for ratio in eye_openings(portrait.face.points))


# --- compositing --------------------------------------------------------------------------------------------------------


def soft(picture: Any, n: int = 128) -> Any:
    import cv2

    return cv2.GaussianBlur(cv2.resize(picture, (n, n), interpolation=cv2.INTER_AREA), (0, 0), 0.7)


@pytest.fixture(scope="module")
def square() -> Any:
    """A 256 pixel square with the face in it, and what a soft network makes of it."""
    return np.ascontiguousarray(PICTURE[10:266, 100:356])


def calibration(square: Any) -> Calibration:
    return calibrated(square, soft(square), np.ones((128, 128), np.float32))


def test_no_change_is_no_layer(square: Any) -> None:
    made = soft(square)
    assert composed(square, made, made, np.ones((128, 128), np.float32), calibration(square)) is None


def test_noise_of_one_level_is_no_change(square: Any) -> None:
    made = soft(square)
    noisy = np.clip(made.astype(int) + np.random.default_rng(0).integers(-1, 2, made.shape), 0, 255).astype(np.uint8)
    assert composed(square, made, noisy, np.ones((128, 128), np.float32), calibration(square)) is None


def test_a_change_outside_the_mask_is_no_layer(square: Any) -> None:
    made = soft(square)
    other = made.copy()
    other[:20, :20] = 255
    mask = np.zeros((128, 128), np.float32)
    mask[40:90, 40:90] = 1
    assert composed(square, made, other, mask, calibration(square)) is None


def test_what_moves_is_moved_in_the_pictures_own_pixels(square: Any) -> None:
    moved = np.roll(square, 4, axis=1)
    layers = composed(square, soft(square), soft(moved), np.ones((128, 128), np.float32), calibration(square))
    assert layers is not None
    assert layers.flow is not None
    inside = (layers.mask > 0) & (layers.alpha < 0.2)
    assert np.median(layers.flow[inside][:, 0]) == pytest.approx(-4, abs=0.5)
    assert abs(float(np.median(layers.flow[inside][:, 1]))) < 0.3


def test_something_new_is_painted_where_it_is(square: Any) -> None:
    made = soft(square)
    other = made.copy()
    other[50:70, 50:70] = (250, 240, 20)
    layers = composed(square, made, other, np.ones((128, 128), np.float32), calibration(square))
    assert layers is not None
    y, x = 120 - layers.box.y0, 120 - layers.box.x0
    assert layers.alpha[y, x] > 0.5
    np.testing.assert_allclose(layers.paint[y - 5 : y + 5, x - 5 : x + 5].mean((0, 1)), (250, 240, 20), atol=25)


def test_paste_shows_the_networks_picture_and_detail_the_footages(portrait: FacePicture) -> None:
    controls = Controls.of(1, smile_left=0.8, smile_right=0.8)
    patches = {}
    for composite in ("paste", "detail"):
        engine = tiny_liveportrait.engine(composite)
        look = engine.study(FaceTrack(1, 0, [portrait.face]), lambda frames: [portrait] * len(frames))
        filmed = engine.analyze(look, [portrait])
        [patches[composite]] = engine.synthesize(look, [portrait], filmed, engine.retarget(filmed, controls))
    pasted, detailed = patches["paste"], patches["detail"]
    assert pasted is not None
    assert detailed is not None
    assert pasted.flow is None
    assert pasted.alpha is not None
    assert pasted.alpha.max() == 1
    assert detailed.flow is not None


@pytest.mark.parametrize("composite", ["paste", "detail"])
def test_a_thing_in_front_of_the_face_is_left_alone(portrait: FacePicture, composite: Any) -> None:
    random = np.random.default_rng(0)

    def noisy() -> FacePicture:
        noise = random.normal(0, 3, portrait.pixels.shape)
        return replace(portrait, pixels=np.clip(portrait.pixels + noise, 0, 255).astype(np.uint8))

    engine = tiny_liveportrait.engine(composite)
    look = engine.study(FaceTrack(1, 0, [portrait.face] * 12), lambda frames: [noisy() for _ in frames])
    x, y = portrait.face.points[280, :2] - [portrait.box.x0, portrait.box.y0]  # the left cheek
    rows, columns = np.mgrid[: portrait.box.height, : portrait.box.width]
    there = np.hypot(columns - x, rows - y) < 0.15 * portrait.face.width
    pixels = portrait.pixels.copy()
    pixels[there] = (40, 60, 170)
    shown = []
    for picture in (portrait, replace(portrait, pixels=pixels)):
        filmed = engine.analyze(look, [picture])
        smile = Controls.of(1, smile_left=1.0, smile_right=1.0, mouth_open=0.7)
        [patch] = engine.synthesize(look, [picture], filmed, engine.retarget(filmed, smile))
        assert patch is not None
        whole = np.zeros(there.shape, np.float32)
        inside = patch.box.y0 - portrait.box.y0, patch.box.x0 - portrait.box.x0
        whole[inside[0] : inside[0] + patch.box.height, inside[1] : inside[1] + patch.box.width] = patch.mask
        shown.append(whole)
    assert shown[0][there].mean() > 0.1
    assert shown[1][there].mean() < 0.05 * max(shown[0][there].mean(), 1e-3) + 0.01
    assert shown[1][~there].sum() > 0.5 * shown[0][~there].sum()


def test_without_weights_there_is_no_engine_and_auto_takes_mesh() -> None:
    registry = Registry.installed()
    assert registry.engine("auto").name == "mesh"
    with pytest.raises(EngineError, match="lp-editor models pull"):
        registry.engine("liveportrait")


def test_a_folder_that_is_not_there_has_no_weights(tmp_path: Any) -> None:
    assert not has_weights(tmp_path / "none")
