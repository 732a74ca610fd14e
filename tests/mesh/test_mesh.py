"""The embedded engine: what each control does to a face, and what it leaves alone."""

import numpy as np
import pytest

from lp_editor.controls import COLUMN, REGIONS, TARGET_COLUMN, Controls
from lp_editor.engine import Patch
from lp_editor.face import Box, Face, FacePicture
from lp_editor.faces import canonical as mesh
from lp_editor.faces.measure import eye_ratio, head_pose, lip_ratio
from lp_editor.faces.model import Landmarker
from lp_editor.media.picture import Picture
from lp_editor.mesh.engine import MeshEngine, MeshLook
from lp_editor.mesh.shape import MeshMotion
from lp_editor.render.compositor import apply_patches

ENGINE = MeshEngine()


def moved(held: MeshMotion, **offsets: float) -> MeshMotion:
    return ENGINE.retarget([held], Controls.of(1, **offsets))[0]


def patch(look: MeshLook, face: FacePicture, held: MeshMotion, motion: MeshMotion) -> Patch | None:
    return ENGINE.synthesize(look, [face], [held], [motion])[0]


def shift(held: MeshMotion, motion: MeshMotion, landmark: int) -> tuple[float, float]:
    x, y = (motion.points - held.points)[landmark, :2]
    return float(x), float(y)


LEFT_CORNER, RIGHT_CORNER, CHIN, LEFT_BROW, RIGHT_BROW = 291, 61, 152, 334, 105


def test_a_smile_raises_the_corner_of_its_side_outwards_and_leaves_the_other(held: MeshMotion) -> None:
    left = moved(held, smile_left=1)
    x, y = shift(held, left, LEFT_CORNER)
    assert x > 2
    assert y < -5
    assert np.hypot(*shift(held, left, RIGHT_CORNER)) < 0.3 * np.hypot(x, y)
    mirrored = moved(held, smile_right=1)
    assert shift(held, mirrored, RIGHT_CORNER)[0] < -2


def test_opening_drops_the_chin_and_parts_the_lips(held: MeshMotion) -> None:
    opened = moved(held, mouth_open=0.7)
    assert shift(held, opened, CHIN)[1] > 5
    assert lip_ratio(opened.points[None])[0] > lip_ratio(held.points[None])[0] + 0.08


def test_brows_go_up_and_down(held: MeshMotion) -> None:
    assert shift(held, moved(held, brow_outer_left=1), LEFT_BROW)[1] < -3
    assert shift(held, moved(held, brow_outer_right=-1), RIGHT_BROW)[1] > 2
    assert abs(shift(held, moved(held, brow_outer_left=1), RIGHT_BROW)[1]) < 0.5


def test_a_blink_closes_and_a_negative_one_opens(held: MeshMotion) -> None:
    for side in ("left", "right"):
        before = eye_ratio(held.points[None], side)[0]
        assert eye_ratio(moved(held, **{f"blink_{side}": 1.0}).points[None], side)[0] < 0.08
        assert eye_ratio(moved(held, **{f"blink_{side}": -0.6}).points[None], side)[0] > 1.1 * before


def test_the_eyes_turn_to_the_persons_left_and_up(held: MeshMotion) -> None:
    for iris in (mesh.LEFT_IRIS[0], mesh.RIGHT_IRIS[0]):
        assert shift(held, moved(held, gaze_x_left=1, gaze_x_right=1), iris)[0] > 4
        assert shift(held, moved(held, gaze_y_left=1, gaze_y_right=1), iris)[1] < -3


@pytest.mark.parametrize(("control", "axis"), [("pitch", 0), ("yaw", 1), ("roll", 2)])
@pytest.mark.parametrize("degrees", [-10.0, 10.0])
def test_the_head_turns_by_its_degrees(control: str, axis: int, degrees: float, held: MeshMotion) -> None:
    gain = {"pitch": 1.17, "yaw": 1.2, "roll": 1.0}[control]
    turn = np.subtract(head_pose(moved(held, **{control: degrees}).points), head_pose(held.points))
    assert turn[axis] == pytest.approx(gain * degrees, abs=0.8)


def test_zero_controls_are_the_identity(look: MeshLook, face: FacePicture, held: MeshMotion) -> None:
    assert moved(held) is held
    assert patch(look, face, held, held) is None


@pytest.mark.parametrize("control", sorted(COLUMN))
def test_every_control_changes_the_picture_and_its_opposite_differs(
    control: str, frame: Picture, look: MeshLook, face: FacePicture, held: MeshMotion
) -> None:
    amount = {"pitch": 8, "yaw": 8, "roll": 8, "shift_x": 0.1, "shift_y": 0.1, "scale": 0.1}.get(control, 0.8)
    made = patch(look, face, held, moved(held, **{control: amount}))
    assert made is not None
    changed = apply_patches(frame, [made])
    different = np.abs(changed.planes[0].astype(int) - frame.planes[0])
    assert different.max() > 12
    assert made.mask.max() == 1
    border = np.concatenate([made.mask[0], made.mask[-1], made.mask[:, 0], made.mask[:, -1]])
    assert not border.any()
    for array in (made.mask, made.flow, made.tone, made.paint, made.alpha):
        assert array is None or (array.dtype == np.float32 and np.isfinite(array).all())
        assert array is None or array.shape[:2] == (made.box.height, made.box.width)
    assert made.box.clipped(960, 640) == made.box


def test_a_mouth_edit_is_a_mouths_size_and_an_eye_edit_an_eyes(
    look: MeshLook, face: FacePicture, held: MeshMotion
) -> None:
    wink = patch(look, face, held, moved(held, blink_left=1))
    pucker = patch(look, face, held, moved(held, pucker=0.7))
    assert wink is not None
    assert pucker is not None
    whole = face.face.box
    assert wink.box.area < 0.4 * whole.area
    assert pucker.box.y0 + np.flatnonzero(pucker.mask.any(1))[0] > whole.y0 + 0.25 * whole.height


def test_a_wink_leaves_the_other_eye_to_the_bit(
    frame: Picture, look: MeshLook, face: FacePicture, held: MeshMotion
) -> None:
    made = patch(look, face, held, moved(held, blink_left=1))
    assert made is not None
    changed = apply_patches(frame, [made])
    other = Box.around(face.face.points[list(mesh.RIGHT_EYE)])
    window = slice(other.y0, other.y1), slice(other.x0, other.x1)
    assert np.array_equal(changed.planes[0][window], frame.planes[0][window])
    own = Box.around(face.face.points[list(mesh.LEFT_EYE)])
    window = slice(own.y0, own.y1), slice(own.x0, own.x1)
    assert np.abs(changed.planes[0][window].astype(int) - frame.planes[0][window]).mean() > 8


def test_the_landmark_model_sees_the_edit(
    frame: Picture, look: MeshLook, face: FacePicture, held: MeshMotion, landmarker: Landmarker
) -> None:
    def seen(**offsets: float) -> Face:
        made = patch(look, face, held, moved(held, **offsets))
        return landmarker(apply_patches(frame, [made] if made else []).rgb_all())[0]

    plain = seen()
    assert seen(mouth_open=1).blendshapes["jawOpen"] > plain.blendshapes["jawOpen"] + 0.2
    assert (
        seen(brow_inner_left=1, brow_inner_right=1, brow_outer_left=1, brow_outer_right=1).blendshapes["browInnerUp"]
        > 0.2
    )
    shut = seen(blink_left=1, blink_right=1)
    assert max(shut.blendshapes["eyeBlinkLeft"], shut.blendshapes["eyeBlinkRight"]) > 0.4
    left = seen(gaze_x_left=0.8, gaze_x_right=0.8).blendshapes
    assert left["eyeLookOutLeft"] > plain.blendshapes["eyeLookOutLeft"] + 0.2
    roll = head_pose(seen(roll=8).points)[2] - head_pose(plain.points)[2]
    assert roll == pytest.approx(8, abs=1.0)


def test_targets_and_neutral_bring_a_part_to_its_place(held: MeshMotion) -> None:
    def asked(**targets: tuple[float, float]) -> Controls:
        controls = Controls.zeros(1)
        for name, (value, weight) in targets.items():
            controls.targets[0, TARGET_COLUMN[name]] = value
            controls.weights[0, TARGET_COLUMN[name]] = weight
        return controls

    closed = ENGINE.retarget([held], asked(lip_opening=(0.0, 1.0)))[0]
    assert lip_ratio(closed.points[None])[0] < 0.25 * lip_ratio(held.points[None])[0]
    half = ENGINE.retarget([held], asked(eye_opening_left=(0.5, 1.0)))[0]
    before = eye_ratio(held.points[None], "left")[0]
    assert eye_ratio(half.points[None], "left")[0] == pytest.approx(0.5 * before, rel=0.15)
    neutral = Controls.zeros(1)
    neutral.neutral[0, REGIONS.index("mouth")] = 1.0
    smiling = moved(held, smile_left=1, smile_right=1)
    back = ENGINE.retarget([smiling], neutral)[0]
    assert np.abs((back.points - held.points)[LEFT_CORNER, :2]).max() < 2.0


def test_motions_go_toward_each_other_evenly(held: MeshMotion) -> None:
    other = moved(held, roll=10, mouth_open=0.5, shift_x=0.2)
    assert np.allclose(held.toward(other, 0).points, held.points)
    assert np.allclose(held.toward(other, 1).points, other.points)
    half, back = held.toward(other, 0.5), other.toward(held, 0.5)
    assert np.allclose(half.points, back.points)
    assert np.allclose(half.pose.rotation, back.pose.rotation)
    assert head_pose(half.points)[2] == pytest.approx(head_pose(held.points)[2] + 5, abs=1.0)


def test_a_driver_moves_regions_and_strength_zero_moves_nothing(held: MeshMotion) -> None:
    driver = moved(held, mouth_open=0.8, brow_inner_left=1, brow_inner_right=1)
    (none,) = ENGINE.transfer([held], [driver], held, REGIONS, [0.0])
    assert none is held
    (mouth,) = ENGINE.transfer([held], [driver], held, ("mouth",), [1.0])
    assert np.allclose(mouth.points[CHIN], driver.points[CHIN], atol=0.5)
    assert np.abs((mouth.points - held.points)[[LEFT_BROW, RIGHT_BROW], :2]).max() < 0.3


def test_no_patch_depends_on_its_neighbours_and_all_are_repeatable(
    look: MeshLook, face: FacePicture, held: MeshMotion
) -> None:
    motions = [moved(held, smile_left=0.5), moved(held, blink_right=1), moved(held, gaze_x_left=0.5)]
    batch = ENGINE.synthesize(look, [face] * 3, [held] * 3, motions)
    for made, motion in zip(batch, motions, strict=True):
        again = patch(look, face, held, motion)
        assert made is not None
        assert again is not None
        assert made.box == again.box
        assert made.flow is not None
        assert again.flow is not None
        assert np.array_equal(made.flow, again.flow)
