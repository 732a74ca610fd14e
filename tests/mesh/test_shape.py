"""Shapes of a face that an edit must keep to: lids, lips, brows, eyes that meet the lens."""

from dataclasses import replace

import numpy as np
import pytest

from lp_editor.controls import TARGET_COLUMN, Controls
from lp_editor.engine import strongest
from lp_editor.face import FacePicture
from lp_editor.faces import canonical as mesh
from lp_editor.faces.canonical import to_frame, to_local
from lp_editor.faces.measure import eye_ratio, gaze_angles, lip_ratio, pose_angles
from lp_editor.faces.occlusion import soft
from lp_editor.mesh import field
from lp_editor.mesh.bases import measured, measured_names, rest_points
from lp_editor.mesh.engine import MeshEngine, MeshLook
from lp_editor.mesh.layers import swatches
from lp_editor.mesh.shape import BROWS, EYES, MOST_OPEN, MeshMotion, _followed, rotation

ENGINE = MeshEngine()
BROW_DOWN = {f"{name}_{side}": -1.0 for name in ("brow_inner", "brow_outer") for side in ("left", "right")}


def moved(held: MeshMotion, **offsets: float) -> MeshMotion:
    return ENGINE.retarget([held], Controls.of(1, **offsets))[0]


def turned(held: MeshMotion, pitch: float, yaw: float) -> MeshMotion:
    """The same face as if it had been filmed with the head turned."""
    pose = replace(held.pose, rotation=rotation(pitch, yaw, 0))
    return MeshMotion(to_frame(to_local(held.points, held.pose), pose), pose, held.person)


def test_a_nod_of_a_turned_head_neither_turns_nor_tilts_it(held: MeshMotion) -> None:
    start = turned(held, 0, 20)
    nodded = moved(start, pitch=10)
    assert np.subtract(pose_angles(nodded.pose), pose_angles(start.pose)) == pytest.approx([11.7, 0, 0], abs=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_upper_lid_goes_down_and_up_with_the_eye(side: str, held: MeshMotion) -> None:
    before = eye_ratio(held.points[None], side)[0]
    down, up = (eye_ratio(moved(held, **{f"gaze_y_{side}": v}).points[None], side)[0] for v in (-0.8, 0.8))
    assert 0.15 * before < down < 0.92 * before
    assert 1.05 * before < up < 1.6 * before


@pytest.mark.parametrize("side", ["left", "right"])
def test_lids_go_down_with_the_eye_as_far_as_those_of_the_measured_film(side: str, held: MeshMotion) -> None:
    look = measured()[measured_names().index(f"eyeLookDown{side.capitalize()}")]
    down = moved(held, **{f"gaze_y_{side}": -0.8}).points - held.points
    middle = [list(line[4:-4]) for line in EYES[side][:2]]  # where lids go furthest
    went, filmed = ([float(move[lid, 1].mean()) for lid in middle] for move in (down, look))
    assert went[1] / went[0] == pytest.approx(filmed[1] / filmed[0], abs=0.1)


def test_however_far_the_eye_looks_down_a_slit_stays(held: MeshMotion) -> None:
    for side in ("left", "right"):
        almost = moved(held, **{f"blink_{side}": 0.7})
        assert eye_ratio(moved(almost, **{f"gaze_y_{side}": -1}).points[None], side)[0] > 0.01


def test_pressed_lips_close_as_far_as_they_are_pressed(held: MeshMotion) -> None:
    before = lip_ratio(held.points[None])[0]
    half, whole = (lip_ratio(moved(held, press=v).points[None])[0] for v in (0.5, 1.0))
    assert before > 0.03
    assert whole < 0.1 * before < 0.3 * before < half < 0.9 * before


def test_no_mouth_opens_wider_than_mouths_do(held: MeshMotion) -> None:
    once = moved(held, mouth_open=1)
    twice = moved(once, mouth_open=1)
    assert lip_ratio(once.points[None])[0] < MOST_OPEN
    assert lip_ratio(twice.points[None])[0] == pytest.approx(MOST_OPEN, rel=0.1)


def test_brows_stop_over_the_eyes(held: MeshMotion) -> None:
    for side, brow in BROWS.items():
        lid = EYES[side][0][4]

        def height(motion: MeshMotion, lid: int = lid, brow: tuple[int, ...] = brow) -> float:
            local = to_local(motion.points, motion.pose)
            return float(local[lid, 1] - local[list(brow), 1].mean())

        once = moved(held, **BROW_DOWN)
        assert 0.4 * height(held) < height(once) < height(held)
        assert height(moved(once, **BROW_DOWN)) > 0.4 * height(once)


@pytest.mark.parametrize(("pitch", "yaw"), [(0, 0), (0, 14), (6, -12)])
def test_eyes_that_look_into_the_lens_do_so_however_the_head_is_turned(
    pitch: float, yaw: float, held: MeshMotion
) -> None:
    asked = Controls.zeros(1)
    for name in ("gaze_direction_x", "gaze_direction_y"):
        asked.weights[0, TARGET_COLUMN[name]] = 1
    start = turned(held, pitch, yaw)
    before = to_local(start.points, start.pose)
    local = to_local(ENGINE.retarget([start], asked)[0].points, start.pose)
    parts = [
        (local - before)[iris[0], :2] / np.linalg.norm(local[upper[0]] - local[upper[-1]])
        for upper, _, iris in EYES.values()
    ]
    assert parts[0] == pytest.approx(parts[1], abs=1e-3)  # both eyes by the same: they do not fall apart
    assert gaze_angles(to_frame(local, start.pose)) == pytest.approx((0, 0), abs=1.5)


def test_lids_nearly_shut_lead_no_look(held: MeshMotion) -> None:
    shut = moved(held, blink_left=0.9, blink_right=0.9)
    asked = Controls.zeros(1)
    asked.targets[0, TARGET_COLUMN["gaze_direction_x"]] = 20
    asked.weights[0, TARGET_COLUMN["gaze_direction_x"]] = 1
    iris = mesh.LEFT_IRIS[0]

    def shift(motion: MeshMotion) -> float:
        return float(abs(ENGINE.retarget([motion], asked)[0].points - motion.points)[iris, 0])

    assert shift(shut) < 0.1 * shift(held)


def test_half_a_weight_goes_half_the_way(held: MeshMotion) -> None:
    iris = mesh.LEFT_IRIS[0]

    def shift(weight: float) -> float:
        asked = Controls.zeros(1)
        asked.targets[0, TARGET_COLUMN["gaze_direction_x"]] = 12
        asked.weights[0, TARGET_COLUMN["gaze_direction_x"]] = weight
        return float((ENGINE.retarget([held], asked)[0].points - held.points)[iris, 0])

    assert shift(0.5) == pytest.approx(0.5 * shift(1.0), rel=1e-3)


def test_an_edit_of_the_mouth_costs_a_mouth(look: MeshLook, face: FacePicture, held: MeshMotion) -> None:
    eyes = held.points[list(mesh.LEFT_EYE_LOWER), 1].max()
    for offsets in ({"smile_left": 1.0, "smile_right": 1.0}, {"mouth_open": 1.0}, {"pucker": 1.0}, {"press": 1.0}):
        made = ENGINE.synthesize(look, [face], [held], [moved(held, **offsets)])[0]
        assert made is not None
        share = np.count_nonzero(made.mask) / face.face.box.area
        assert share < (0.9 if "mouth_open" in offsets else 0.6)  # a dropped jaw takes the chin along
        rows = np.flatnonzero(made.mask.any(1)) + made.box.y0
        assert rows.min() > eyes - 0.02 * face.face.width


@pytest.mark.parametrize("wider", [0.6, 1.6])
def test_lids_that_follow_close_by_the_same_part_of_their_own_opening(held: MeshMotion, wider: float) -> None:
    base = rest_points()
    start = base.copy()
    for upper, lower in ((mesh.LEFT_EYE_UPPER, mesh.LEFT_EYE_LOWER), (mesh.RIGHT_EYE_UPPER, mesh.RIGHT_EYE_LOWER)):
        middle = (base[list(upper)] + base[list(lower)]) / 2
        for lid in (upper, lower):
            start[list(lid)] = middle + wider * (base[list(lid)] - middle)
    blink = measured()[measured_names().index("eyeBlinkLeft")]
    for amount in (0.3, 0.7):
        made = _followed(start, base, base + amount * blink)
        theirs = eye_ratio((base + amount * blink)[None], "left")[0] / eye_ratio(base[None], "left")[0]
        assert eye_ratio(made[None], "left")[0] / eye_ratio(start[None], "left")[0] == pytest.approx(theirs, abs=0.08)
    assert eye_ratio(made[None], "right")[0] == pytest.approx(eye_ratio(start[None], "right")[0], rel=0.02)
    assert np.array_equal(_followed(base, base, base + blink), base + blink)


def test_each_blink_closes_its_own_eye_alone() -> None:
    rest = rest_points()
    for side, other in (("left", "right"), ("right", "left")):
        blink = measured()[measured_names().index(f"eyeBlink{side.capitalize()}")]
        assert eye_ratio((rest + 0.7 * blink)[None], side)[0] < 0.25 * eye_ratio(rest[None], side)[0]
        assert eye_ratio((rest + 0.7 * blink)[None], other)[0] == pytest.approx(eye_ratio(rest[None], other)[0], rel=0.05)


def test_a_triangle_seen_edge_on_moves_as_its_corners_do() -> None:
    after = np.array([[10.0, 10.0], [30.0, 10.01], [50.0, 10.0], [30.0, 40.0]])
    before = after + np.array([[0, 0], [0, 9], [0, 0], [0, 0]])
    flat, healthy = field._affines(after, before, np.array([[0, 1, 2], [0, 2, 3]]))[:2]
    assert flat[:2] == pytest.approx(0)
    assert flat[2] == pytest.approx([0, 3])
    assert np.array([30.0, 40.0, 1]) @ healthy == pytest.approx([0, 0], abs=1e-4)


def test_a_wide_blur_looks_like_a_gaussian_one() -> None:
    image = np.zeros((120, 160), np.float32)
    image[30:70, 40:110] = 100
    ramp = soft(image, 1.0)
    assert np.abs(soft(image, 12.0) - soft(soft(image, 2.9), 11.6)).max() < 3
    assert np.abs(ramp - image).max() > 10
    assert soft(image, 12.0).shape == image.shape


def test_swatches_are_means_around_points_even_at_the_edge(face: FacePicture) -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.float32).reshape(5, 7, 3)
    box = face.box.__class__(100, 50, 107, 55)
    inner, corner = swatches(pixels, box, np.array([[103.0, 52.0], [90.0, 40.0]]), 1)
    assert inner == pytest.approx(pixels[1:4, 2:5].mean((0, 1)))
    assert corner == pytest.approx(pixels[:2, :2].mean((0, 1)))


def test_the_strongest_channel_is_the_largest_magnitude() -> None:
    image = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)
    assert np.array_equal(strongest(image), np.abs(image).max(2))
