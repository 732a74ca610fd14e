"""Strengths: a control reads on a face as the table says, and nothing but the frames decides how."""

import numpy as np
import pytest

from lp_editor.controls import COLUMN, Controls
from lp_editor.face import Face, FacePicture, FaceTrack
from lp_editor.faces.measure import head_pose
from lp_editor.faces.model import Landmarker
from lp_editor.media.picture import Picture
from lp_editor.mesh.calibration import TRIALS, Strengths, Trial, _better, reduced
from lp_editor.mesh.engine import MeshEngine, MeshLook
from lp_editor.mesh.shape import Person
from lp_editor.render.compositor import apply_patches

ENGINE = MeshEngine()


@pytest.fixture(scope="module")
def tried(face: FacePicture) -> MeshLook:
    """The portrait studied with its pixels at hand."""
    return ENGINE.study(FaceTrack(1, 0, [face.face]), lambda at: [face] * len(at))


def edited(frame: Picture, face: FacePicture, look: MeshLook, finder: Landmarker, offsets: np.ndarray) -> Face:
    held = ENGINE.analyze(look, [face])
    asked = Controls.zeros(1)
    asked.offsets[0] = offsets
    patch = ENGINE.synthesize(look, [face], held, ENGINE.retarget(held, asked))[0]
    assert patch is not None
    return finder(apply_patches(frame, [patch]).rgb(face.box), (face.box.x0, face.box.y0))[0]


def trial(name: str, sign: int = 1) -> Trial:
    return next(t for t in TRIALS if name in t.controls and t.sign == sign)


@pytest.mark.parametrize(("control", "sign"), [("brow_inner_left", 1), ("mouth_open", 1), ("yaw", -1), ("pitch", 1)])
def test_a_control_reads_nearer_to_what_is_wanted(
    control: str, sign: int, frame: Picture, face: FacePicture, look: MeshLook, tried: MeshLook, landmarker: Landmarker
) -> None:
    asked = trial(control, sign)
    start = asked.read(landmarker(frame.rgb(face.box), (face.box.x0, face.box.y0))[0])
    plain, calibrated = (
        asked.read(edited(frame, face, used, landmarker, asked.row(1.0))) - start for used in (look, tried)
    )
    assert abs(calibrated - asked.wants) < max(0.75 * abs(plain - asked.wants), 0.12 * asked.wants)


def test_strengths_stay_in_bounds_and_do_not_depend_on_the_order_of_asking(tried: MeshLook, face: FacePicture) -> None:
    again = ENGINE.study(FaceTrack(1, 0, [face.face]), lambda at: [face] * len(at))
    found: dict[Trial, float] = {}
    for looked, order in ((tried, TRIALS), (again, TRIALS[::-1])):
        assert looked.person.strengths is not None
        for one in order:
            strength = looked.person.strengths.applied(one.row(1.0)) / np.where(one.row(1.0), one.row(1.0), 1)
            value = float(strength[COLUMN[one.controls[0]]])
            assert one.least <= value <= one.most
            assert found.setdefault(one, value) == value
    assert len(set(found.values())) > 3


def test_a_sign_that_is_not_asked_for_is_not_touched(tried: MeshLook) -> None:
    assert tried.person.strengths is not None
    asked = np.zeros(len(COLUMN))
    asked[[COLUMN["smile_left"], COLUMN["frown_left"], COLUMN["roll"]]] = -0.5, 0.3, 7
    assert np.array_equal(tried.person.strengths.applied(asked), asked)


def test_without_frames_every_strength_is_one() -> None:
    asked = TRIALS[0].row(0.7)
    assert np.array_equal(Strengths([], lambda face, row: face.pixels).applied(asked), asked)


def test_an_edit_that_does_nothing_is_asked_for_at_its_most_and_one_that_loses_the_face_at_one(
    face: FacePicture,
) -> None:
    blank = np.zeros_like(reduced(face).pixels)
    smile = trial("brow_inner_left")
    still = Strengths([face], lambda picture, row: picture.pixels).applied(smile.row(1.0))
    lost = Strengths([face], lambda picture, row: blank).applied(smile.row(1.0))
    assert still.max() in (1.0, smile.most)  # a first reading of nothing at 1 is as good as any
    assert lost.max() == 1.0


def test_where_readings_no_longer_rise_the_next_strength_is_the_bound_on_the_side_of_what_is_wanted() -> None:
    aside = trial("gaze_x_left")
    assert _better([(0.0, 0.0), (1.0, 0.85), (aside.least, 0.83)], 0.65, aside) == aside.least  # the line leads below nothing
    assert _better([(0.0, 0.0), (1.0, 0.81), (aside.least, 0.83)], 0.65, aside) == aside.least
    assert _better([(0.0, 0.0), (1.0, 0.4), (1.2, 0.4)], 0.65, aside) == aside.most
    assert _better([(0.0, 0.0), (1.0, 0.6)], 0.65, aside) == pytest.approx(0.65 / 0.6, abs=0.01)


def test_eyes_led_aside_go_hardly_further_than_geometry_says_however_little_one_picture_reads(face: FacePicture) -> None:
    deaf = Strengths([face], lambda picture, row: picture.pixels)
    assert all(0.8 <= deaf.aimed(0, left) <= 1.25 for left in (True, False))
    assert all(0.8 <= deaf.aimed(1, up) <= most for up, most in ((True, 2.0), (False, 3.5)))


def test_a_reduced_face_lies_on_its_pixels(face: FacePicture, landmarker: Landmarker) -> None:
    small = reduced(face)
    assert small.box.x0 == small.box.y0 == 0
    assert small.pixels.shape[:2] == (small.box.height, small.box.width)
    found = landmarker(small.pixels)[0]
    assert np.abs(found.points - small.face.points)[:, :2].mean() < 0.012 * small.face.width
    assert head_pose(small.face.points) == pytest.approx(head_pose(face.face.points), abs=0.5)


def test_a_person_needs_no_strengths() -> None:
    assert Person({"left": 0.3, "right": 0.3}, 0.1, np.zeros((478, 3))).strengths is None
