"""Rehearsals: what a face is seen to do is learned from a few moments of a driver, and asked for the other way."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lp_editor.controls import Controls, Part, Region
from lp_editor.face import FacePicture, FaceTrack
from lp_editor.faces.canonical import INNER_LIPS, LEFT_EYE, Pose, to_local
from lp_editor.faces.measure import pose_angles
from lp_editor.faces.model import Landmarker
from lp_editor.media.picture import Picture
from lp_editor.mesh.bases import Array, measured, measured_names, rest_points
from lp_editor.mesh.engine import MeshEngine, MeshLook
from lp_editor.mesh.rehearsal import (
    CORRECTIONS,
    FEWEST,
    IRISES,
    MOMENTS,
    MOST_ADDED,
    MOST_TURNED,
    ROUNDS,
    SQUINTS,
    Performed,
    Played,
    Rehearsals,
    Response,
    agreeing,
    answered,
    correction,
    counting,
    expressions,
    learned,
    moved_by,
    performed,
    single_expressions,
    usual_answers,
)
from lp_editor.mesh.shape import PITCH_GAIN, MeshMotion, rotation
from lp_editor.recording import SHAPE_COLUMN, SHAPES, Recording
from lp_editor.render.compositor import apply_patches

ENGINE = MeshEngine()
LEVEL = Pose(10.0, np.eye(3), np.zeros(3))
STILL = np.zeros((40, 52))
"""Blendshapes of a driver of whom none are read."""
SMILE, BROW, JAW = (measured()[measured_names().index(name)] for name in ("mouthSmileLeft", "browInnerUp", "jawOpen"))


def acted(count: int = 40) -> Array:
    """Shapes that smile, raise the brows and open the jaw, each on its own time, (count, 478, 3)."""
    t = np.arange(count)[:, None, None]
    parts = ((SMILE, 0.35), (BROW, 0.83), (JAW, 1.31))
    moves = [(0.5 - 0.5 * np.cos(pace * t)) * move for move, pace in parts]
    return np.asarray(rest_points() + np.sum(moves, axis=0))


def misread(shapes: Array) -> Array:
    """What an eye sees that takes a fifth off every move, and a raised brow for half a smile."""
    moves = shapes - rest_points()
    smiled = (moves * SMILE).sum((1, 2)) / (SMILE * SMILE).sum()
    return np.asarray(rest_points() + 0.8 * moves + 0.4 * smiled[:, None, None] * BROW)


def response(shapes: Array) -> Response:
    return learned(shapes, [LEVEL] * len(shapes), misread(shapes), held(shapes))


def held(shapes: Array) -> Array:
    """How a head is read that nobody turned: an open jaw for a nod of four degrees."""
    opened = ((shapes - rest_points()) * JAW).sum((1, 2)) / (JAW * JAW).sum()
    return np.asarray(opened[:, None] * [4.0, 0.0, 0.0])


def test_what_is_anticipated_is_seen_nearer_to_what_was_asked() -> None:
    shapes = acted()
    known, usual = response(shapes), (misread(shapes) - shapes).mean(0)  # the mean stays
    some = shapes[5::7]
    asked = np.array([shape + known.anticipated(shape, LEVEL, None) for shape in some])
    plain, better = (np.linalg.norm(misread(s) - some - usual, axis=(1, 2)) for s in (some, asked))
    assert (better < 0.75 * plain).all()
    assert better.sum() < 0.65 * plain.sum()


def test_an_eye_that_sees_what_is_there_teaches_nothing() -> None:
    shapes = acted()
    known = learned(shapes, [LEVEL] * len(shapes), shapes + 0.1, np.ones((len(shapes), 3)))
    assert np.abs(known.anticipated(shapes[3], LEVEL, None)).max() < 1e-6
    assert np.abs(known.aimed(shapes[3], LEVEL, (shapes[0], LEVEL))).max() < 1e-6


def test_nothing_is_anticipated_where_a_change_begins() -> None:
    shapes = acted()
    assert np.abs(response(shapes).anticipated(shapes[4], LEVEL, (shapes[4], LEVEL))).max() < 1e-9
    assert np.abs(response(shapes).aimed(shapes[4], LEVEL, (shapes[4], LEVEL))).max() < 1e-9


def test_an_opened_jaw_that_is_read_as_a_nod_is_nodded_against() -> None:
    shapes = acted()
    known = response(shapes)
    for shape in (rest_points() + JAW, rest_points() + 0.5 * JAW + SMILE):
        turn = known.aimed(shape, LEVEL, (rest_points(), LEVEL))
        wanted = -held(shape[None])[0]
        assert np.abs(turn - wanted).max() < 0.25 * np.abs(wanted).max()
    far = rest_points() + 10 * JAW
    assert np.abs(known.aimed(far, LEVEL, (rest_points(), LEVEL))).max() <= MOST_TURNED


def test_no_face_is_turned_to_be_seen_right() -> None:
    shapes = acted()
    bent = shapes + np.linspace(0, 0.5, len(shapes))[:, None, None] * [1.0, 0, 0]  # all of it goes to the side
    move = learned(shapes, [LEVEL] * len(shapes), bent, np.zeros((len(shapes), 3))).anticipated(shapes[-1], LEVEL, None)
    assert np.abs(move.mean(0)).max() < 0.05


def test_what_was_right_at_some_moments_is_foretold_at_others() -> None:
    """Faces miss half of one blendshape, which an expression brings, and see another that nobody asked for."""
    random = np.random.default_rng(3)
    driver = np.zeros((60, 52))
    driver[:, [4, 9, 17]] = random.uniform(0, 1, (60, 3))
    brought = np.zeros((52, len(expressions())))
    brought[4, 2], brought[9, 5] = 0.5, -0.3
    some, others = driver[:MOMENTS], driver[MOMENTS:]
    found = correction(some, counting(some), (some - some.mean(0)) @ brought)
    wanted = (others - some.mean(0)) @ brought
    told = np.array([found.amounts(row) for row in others])
    assert np.abs(told - wanted).max() < 0.15 * np.abs(wanted).max()
    assert np.abs(found.amounts(some.mean(0) + 50 * some[0])).max() <= MOST_ADDED


def test_what_trials_show_of_a_face_is_believed_and_the_rest_is_as_usual() -> None:
    random = np.random.default_rng(7)
    strange = usual_answers() + random.normal(0, 0.1, usual_answers().shape)
    tries, amounts = [], np.zeros((MOMENTS, len(expressions())))
    for _ in range(6):
        tries.append((amounts, 0.4 + amounts @ strange))
        amounts = amounts + random.normal(0, 0.2, amounts.shape)
    off, before = np.abs(answered(tries) - strange).mean(), np.abs(usual_answers() - strange).mean()
    assert off < 0.3 * before
    assert np.array_equal(answered(tries[:1]), usual_answers())
    lost = [(amounts, np.full((MOMENTS, 52), np.nan)) for amounts, _ in tries]
    assert np.array_equal(answered(lost), usual_answers())


def test_what_is_missed_is_made_up_for_by_what_answers() -> None:
    """A smile that is missed is added; where nothing is missed, or no face was seen, nothing is."""
    weight, wanted = np.ones(52), np.zeros((MOMENTS, 52))
    wanted[: MOMENTS // 2, [SHAPE_COLUMN["mouthSmileLeft"], SHAPE_COLUMN["mouthSmileRight"]]] = 0.2
    seen = np.full((MOMENTS, 52), 0.1)
    seen[3] = np.nan
    move = moved_by(wanted, weight, seen, usual_answers())
    missed = wanted - wanted[~np.isnan(seen[:, 0])].mean(0)
    left = (missed - move @ usual_answers())[np.arange(MOMENTS) != 3]
    assert np.linalg.norm(left) < 0.7 * np.linalg.norm(missed)
    assert not move[3].any()
    assert np.abs(moved_by(0 * wanted, weight, seen, usual_answers())).max() < 1e-12


def test_a_mouth_that_opens_too_little_is_not_shut_to_smile_wider() -> None:
    wanted, seen = np.zeros((MOMENTS, 52)), np.zeros((MOMENTS, 52))
    wanted[: MOMENTS // 2, SHAPE_COLUMN["jawOpen"]] = 0.2
    wanted -= wanted.mean(0)
    seen[1] = np.nan
    moves = np.zeros((MOMENTS, len(expressions())))
    jaw = single_expressions().index("jawOpen")
    moves[:, jaw], moves[:, jaw + 1], moves[:, -1] = -0.1, 0.1, 0.1
    made = agreeing(moves, wanted, seen)
    assert made[0, jaw] == 0
    assert made[-1, jaw] == -0.1
    assert np.array_equal(made[:, jaw + 1 :], moves[:, jaw + 1 :])
    assert np.array_equal(agreeing(-moves, wanted, seen)[0], -moves[0])


def test_the_usual_answers_know_no_side() -> None:
    """To a smile of the left corner, the left one answers as the right one does to its own."""
    answers, left = usual_answers(), [SHAPE_COLUMN[f"mouthSmile{side}"] for side in ("Left", "Right")]
    assert answers.shape == (len(expressions()), len(SHAPES))
    most = answers[:, left].argmax(0)
    assert most[0] != most[1]
    assert answers[most[0], left].tolist() == pytest.approx(answers[most[1], left[::-1]].tolist())
    assert answers[most[0], left[0]] > 0.3


def test_what_a_driver_shows_little_of_counts_too_and_what_it_never_tells_does_not() -> None:
    driver = np.zeros((30, 52))
    driver[:, 3], driver[:, 8] = np.linspace(0, 1, 30), np.linspace(0, 0.2, 30)
    weight = counting(driver)
    assert weight[8] > 2 * weight[3] > 0
    assert weight[[0, 17]].tolist() == [0, 0]
    assert weight[[3, 8]].mean() == pytest.approx(1)  # few that are told count no more each than many
    assert counting(np.zeros((30, 52))).tolist() == [0] * 52


def test_eyes_of_which_openings_alone_are_told_are_left_as_told() -> None:
    random = np.random.default_rng(5)
    for told in (False, True):
        driver = np.zeros((MOMENTS, 52))
        driver[:, [SHAPE_COLUMN["eyeBlinkLeft"], SHAPE_COLUMN["eyeBlinkRight"]]] = random.uniform(0, 1, (MOMENTS, 2))
        if told:
            driver[:, SQUINTS] = random.uniform(0, 1, (MOMENTS, 2))
        found = correction(driver, counting(driver), random.normal(0, 0.1, (MOMENTS, len(expressions()))))
        move = replace(response(acted()), correction=found).corrected(driver[0], None)
        assert np.abs(move[list(LEFT_EYE)]).max() > 0.001 if told else not move[list(LEFT_EYE)].any()
        assert np.abs(move[list(INNER_LIPS)]).max() > 0.001


def test_no_expression_parts_the_eyes() -> None:
    irises = expressions()[:, IRISES].reshape(-1, 2, 5, 3).mean(2)  # (E, left and right eye, xyz)
    assert np.abs(irises[..., 0]).max() > 0.1
    assert (irises[:, 0, 0] * irises[:, 1, 0] >= 0).all()
    assert (irises[:, 0, 1] * irises[:, 1, 1] >= 0).all()
    assert not expressions()[..., 2].any()


def test_the_moments_tried_are_those_that_differ_most() -> None:
    shapes = np.repeat(rest_points()[None], 100, axis=0)
    shapes[37] += SMILE
    shapes[61] += JAW
    poses = [LEVEL] * 80 + [replace(LEVEL, rotation=rotation(0, 20, 0))] * 20
    read = np.arange(100.0)[:, None] * np.ones(52)
    told = performed(shapes, poses, rest_points(), read)
    assert len(told.shapes) == 4  # at rest, a smile, an open mouth, a turn
    assert any(np.allclose(shape - rest_points(), SMILE) for shape in told.shapes)
    assert any(np.allclose(turn, (0, 20, 0)) for turn in told.turns)
    assert {37, 61} < set(told.blendshapes[:, 0])
    assert len(performed(acted(200), [LEVEL] * 200, rest_points(), np.zeros((200, 52))).shapes) == MOMENTS
    assert told.name != performed(shapes[:50], poses[:50], rest_points(), read[:50]).name
    assert told.name != performed(shapes, poses, rest_points(), 2 * read).name


def test_each_driver_is_rehearsed_once_and_one_that_shows_little_never(face: FacePicture) -> None:
    asked: list[Performed] = []

    def play(picture: FacePicture, driver: Performed, response: Response | None, amounts: Array | None) -> list[Played]:
        asked.append(driver)
        return [Played(picture.pixels, shape, LEVEL, np.zeros(3)) for shape in driver.shapes]

    driver = performed(acted(), [LEVEL] * 40, rest_points(), STILL)
    known = Rehearsals([face], play)
    assert known.of(driver) is known.of(driver) is not None
    assert len(asked) == ROUNDS + CORRECTIONS - 1  # the last one learned from is the first one corrected
    assert sum(len(one.shapes) for one in asked) <= 120  # a trial costs 20 to 30 ms
    few = performed(acted(FEWEST - 1), [LEVEL] * (FEWEST - 1), rest_points(), STILL[: FEWEST - 1])
    assert known.of(few) is known.of(None) is Rehearsals([], play).of(driver) is None


def test_a_face_that_is_lost_learns_nothing(face: FacePicture) -> None:
    driver = performed(acted(), [LEVEL] * 40, rest_points(), STILL)

    def blank(picture: FacePicture, driver: Performed, response: Response | None, amounts: Array | None) -> list[Played]:
        return [
            Played(np.zeros_like(picture.pixels), shape, LEVEL, np.zeros(3)) for shape in driver.shapes
        ]

    assert Rehearsals([face], blank).of(driver) is None


@pytest.fixture(scope="module")
def studied(face: FacePicture) -> MeshLook:
    """The portrait with its pixels at hand: it rehearses each driver once."""
    return ENGINE.study(FaceTrack(1, 0, [face.face]), lambda at: [face] * len(at))


@pytest.fixture(scope="module")
def leader(face: FacePicture) -> list[MeshMotion]:
    """The portrait itself, talking: it smiles, raises its brows, opens its mouth, turns a little."""
    look = ENGINE.study(FaceTrack(1, 0, [face.face]), lambda at: [])
    t = np.arange(24)
    waves = {n: 0.5 - 0.5 * np.cos(p * t) for n, p in (("smile", 0.4), ("brow_inner", 0.9), ("mouth_open", 1.3))}
    asked = Controls.zeros(len(t))
    for name in ("smile_left", "smile_right", "brow_inner_left", "brow_inner_right", "mouth_open"):
        asked.column(name)[:] = 0.8 * waves[name.replace("_left", "").replace("_right", "")]
    asked.column("yaw")[:] = 6 * np.sin(0.7 * t)
    moved = ENGINE.retarget(ENGINE.analyze(look, [face]) * len(t), asked)
    local = np.stack([to_local(m.points, m.pose) for m in moved])
    read = np.zeros((len(t), 52))
    for name, wave in (("mouthSmileLeft", "smile"), ("mouthSmileRight", "smile"), ("browInnerUp", "brow_inner"), ("jawOpen", "mouth_open")):
        read[:, SHAPE_COLUMN[name]] = 0.55 * waves[wave]  # about what such moves are read as
    told = performed(local, [m.pose for m in moved], look.person.at_rest, read)
    person = replace(look.person, performed=told)
    moved = [replace(m, blendshapes=row) for m, row in zip(moved, read, strict=True)]
    return [replace(m, person=person) for m in moved]


def test_a_face_follows_otherwise_once_rehearsed_and_the_same_each_time(
    face: FacePicture, look: MeshLook, studied: MeshLook, leader: list[MeshMotion]
) -> None:
    parts: tuple[Part, ...] = ("mouth", "brows")
    again = ENGINE.study(FaceTrack(1, 0, [face.face]), lambda at: [face] * len(at))
    made = [ENGINE.transfer(ENGINE.analyze(k, [face]), leader[7:8], None, parts, [1.0])[0] for k in (studied, again)]
    plain = ENGINE.transfer(ENGINE.analyze(look, [face]), leader[7:8], None, parts, [1.0])[0]
    assert np.array_equal(made[0].points, made[1].points)
    apart = np.abs(made[0].points - plain.points)[:, :2].max(1) / face.face.width
    assert 0.002 < apart.max() < 0.12
    assert apart[[468, 473, 133, 362]].max() < 0.001  # what does not follow stays


class Told(Rehearsals):
    """Knows one response to whoever is followed."""

    def __init__(self, response: Response) -> None:
        self.response = response

    def of(self, driver: Performed | None) -> Response:
        return self.response


def test_what_is_read_of_a_rehearsed_face_changes_more_as_the_driver_says(
    face: FacePicture, frame: Picture, studied: MeshLook, landmarker: Landmarker
) -> None:
    said = np.zeros((40, len(SHAPES)))
    told = [SHAPE_COLUMN[name] for name in ("mouthSmileLeft", "mouthSmileRight", "jawOpen", "browInnerUp", "mouthPucker")]
    for column, pace in zip(told, (0.4, 0.4, 0.9, 1.3, 0.25), strict=True):
        said[:, column] = 0.3 - 0.3 * np.cos(pace * np.arange(40))
    driver = ENGINE.recorded(Recording(Fraction(25), said, np.zeros((40, 3))))
    assert studied.person.rehearsals is not None
    known = studied.person.rehearsals.of(driver[0].person.performed)
    assert known is not None
    assert known.correction is not None
    filmed = ENGINE.analyze(studied, [face])
    wanted, missed = said[1::3, told] - said[1::3, told].mean(0), []
    for response in (replace(known, correction=None), known):
        source = [replace(filmed[0], person=replace(filmed[0].person, rehearsals=Told(response)))]
        read = []
        for motion in driver[1::3]:
            made = ENGINE.transfer(source, [motion], None, ("mouth", "brows", "cheeks", "nose"), [1.0])
            (patch,) = ENGINE.synthesize(studied, [face], filmed, made)
            seen = landmarker(apply_patches(frame, [patch] if patch else []).rgb(face.box))[0]
            read.append([seen.blendshapes[SHAPES[i]] for i in told])
        missed.append(float(np.sqrt(np.mean((np.array(read) - np.mean(read, axis=0) - wanted) ** 2))))
    assert missed[1] < 0.94 * missed[0]


def test_a_face_answers_an_expression_as_other_faces_do(
    studied: MeshLook, leader: list[MeshMotion], landmarker: Landmarker
) -> None:
    driver, rehearsals = leader[0].person.performed, studied.person.rehearsals
    assert driver is not None
    assert rehearsals is not None
    known = rehearsals.of(driver)
    assert known is not None
    found = rehearsals.answers(driver, 1, replace(known, correction=None), landmarker)
    assert found.shape == usual_answers().shape
    assert np.corrcoef(found.ravel(), usual_answers().ravel())[0, 1] > 0.4
    smile = single_expressions().index("mouthSmileLeft")
    assert found[smile, SHAPE_COLUMN["mouthSmileLeft"]] > 0.15


def test_between_two_moments_a_driver_shows_what_lies_between_them() -> None:
    said = np.zeros((2, len(SHAPES)))
    said[1, SHAPE_COLUMN["jawOpen"]] = 0.8
    one, other = ENGINE.recorded(Recording(Fraction(25), said, np.zeros((2, 3))))
    half = one.toward(other, 0.5).blendshapes
    assert half is not None
    assert half[SHAPE_COLUMN["jawOpen"]] == pytest.approx(0.4)


def test_a_change_of_nothing_stays_nothing_for_a_rehearsed_face(face: FacePicture, studied: MeshLook, leader: list[MeshMotion]) -> None:
    filmed = ENGINE.analyze(studied, [face])
    ways: tuple[tuple[Part | Region, ...], ...] = (("mouth", "brows", "eyes"), ("pose",), ("mouth", "brows", "eyes", "pose"))
    for parts in ways:
        same = ENGINE.transfer(filmed, leader[3:4], leader[3], parts, [1.0])[0]
        assert np.abs(same.points - filmed[0].points)[:, :2].max() < 0.05


def test_a_head_is_aimed_only_where_it_follows_too(face: FacePicture, studied: MeshLook, leader: list[MeshMotion]) -> None:
    filmed = ENGINE.analyze(studied, [face])
    expressions: tuple[Part | Region, ...] = ("mouth", "brows", "eyes")
    alone = ENGINE.transfer(filmed, leader[7:8], None, expressions, [1.0])[0]
    assert np.array_equal(alone.pose.rotation, filmed[0].pose.rotation)
    led = ENGINE.transfer(filmed, leader[7:8], leader[0], ("pose",), [1.0])
    both = ENGINE.transfer(led, leader[7:8], None, expressions, [1.0])[0]
    apart = np.subtract(pose_angles(both.pose), pose_angles(led[0].pose))
    assert 0.05 < np.abs(apart).max() <= MOST_TURNED


def test_who_follows_a_nod_nods_about_the_own_axis(face: FacePicture, look: MeshLook) -> None:
    (held,) = ENGINE.analyze(look, [face])
    start = replace(LEVEL, rotation=rotation(0, 0, 0))
    nod = replace(LEVEL, rotation=rotation(12, 0, 0))
    sideways = replace(held, pose=replace(held.pose, rotation=rotation(0, 30, 0)))
    driver = [MeshMotion(held.points, pose, held.person) for pose in (nod, start)]
    person = replace(held.person, strengths=None)
    (made,) = ENGINE.transfer([replace(sideways, person=person)], driver[:1], driver[1], ("pose",), [1.0])
    turn = np.subtract(pose_angles(made.pose), pose_angles(sideways.pose))
    assert turn == pytest.approx((12 * PITCH_GAIN, 0, 0), abs=0.01)


def test_a_recording_is_rehearsed_in_all_whichever_of_its_frames_are_asked_for() -> None:
    said = np.zeros((40, len(SHAPES)))
    said[:, SHAPE_COLUMN["jawOpen"]] = 0.5 - 0.5 * np.cos(0.6 * np.arange(40))
    whole = Recording(Fraction(25), said, np.zeros((40, 3)))
    engine = MeshEngine()
    (some,) = engine.recorded(whole.some(range(10, 30)).some([3]))
    every = engine.recorded(whole)
    assert np.array_equal(some.points, every[13].points)
    assert some.person.performed is not None
    assert some.person.performed is every[0].person.performed
    (other,) = engine.recorded(Recording(Fraction(25), said[:1], np.zeros((1, 3))))
    assert other.person.performed is not None
    assert other.person.performed.name != some.person.performed.name


def test_a_face_that_follows_a_recording_rehearses_it(face: FacePicture, look: MeshLook, studied: MeshLook) -> None:
    said = np.zeros((40, len(SHAPES)))
    for name, pace in (("jawOpen", 0.6), ("mouthSmileLeft", 0.35), ("mouthSmileRight", 0.35), ("browInnerUp", 0.83)):
        said[:, SHAPE_COLUMN[name]] = 0.5 - 0.5 * np.cos(pace * np.arange(40))
    engine = MeshEngine()
    driver = engine.recorded(Recording(Fraction(25), said, np.zeros((40, 3))))
    parts: tuple[Part, ...] = ("mouth", "brows")
    plain, told = (engine.transfer(engine.analyze(k, [face]), driver[8:9], None, parts, [1.0])[0] for k in (look, studied))
    assert np.abs(plain.points - told.points)[:, :2].max() > 0.002 * face.face.width
