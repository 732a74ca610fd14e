"""The gaze effect: both eyes together, each eye on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lp_editor import CONTROLS, TARGETS, Effect, Face, Registry, Scene, testing
from lp_editor.controls import TARGET_COLUMN
from lp_editor.effect import parameters


@pytest.fixture(scope="module")
def gaze() -> type[Effect]:
    return Registry.installed().effect("gaze")


def test_x_and_y_turn_both_eyes(gaze: type[Effect]) -> None:
    asks = testing.sample(gaze.parse({"x": 0.5, "y": -0.25}).edit(testing.scene()), 0.0)
    assert [asks.column(f"gaze_x_{side}")[0] for side in ("left", "right")] == [0.5, 0.5]
    assert [asks.column(f"gaze_y_{side}")[0] for side in ("left", "right")] == [-0.25, -0.25]
    assert asks.offsets.sum() == 0.5


def test_one_eye_is_added_to_both(gaze: type[Effect]) -> None:
    asks = testing.sample(gaze.parse({"x": 0.5, "left_x": 0.25, "right_y": 0.125}).edit(testing.scene()), 0.0)
    assert [asks.column(f"gaze_x_{side}")[0] for side in ("left", "right")] == [0.75, 0.5]
    assert [asks.column(f"gaze_y_{side}")[0] for side in ("left", "right")] == [0, 0.125]


def test_the_bounds_are_those_of_the_controls(gaze: type[Effect]) -> None:
    known = {p.name: (p.low, p.high) for p in parameters(gaze)}
    offsets = {(c.low, c.high) for c in CONTROLS if c.region == "gaze"}
    targets = {(c.low, c.high) for c in TARGETS if c.region == "gaze"}
    assert {known[n] for n in ("x", "y", "left_x", "left_y", "right_x", "right_y")} == offsets
    assert {known[n] for n in ("contact_x", "contact_y")} == targets


CALM = {"look_away": 0, "blinks": 0}


def filmed(gazes: Sequence[tuple[float, float]], pitch: float = 0, yaw: float = 0, rate: int = 25) -> Scene:
    """A stretch in which the eyes look so, degrees off the lens, the head held still."""
    faces: list[Face | None] = [testing.synthetic_face()] * len(gazes)
    scene = testing.scene(len(gazes) / rate, rate, faces=faces)
    return replace(scene, gazes=np.array(gazes, float), poses=np.array([(pitch, yaw, 0)] * len(gazes), float))


def weights(effect: Effect, scene: Scene) -> NDArray[np.float64]:
    """How much the lens counts on each frame."""
    asked = testing.sample(effect.edit(scene), scene.moments())
    return np.asarray(asked.weights[:, TARGET_COLUMN["gaze_direction_x"]])


def test_contact_is_the_weight_of_a_direction(gaze: type[Effect]) -> None:
    scene = filmed([(15, 0)] * 25)
    effect = gaze.parse({"contact": 0.5, "contact_x": 2, "contact_y": -1, **CALM})
    asks = testing.sample(effect.edit(scene), 0.5)
    at = [TARGET_COLUMN["gaze_direction_x"], TARGET_COLUMN["gaze_direction_y"]]
    assert asks.targets[0, at].tolist() == [2, -1]
    assert asks.weights[0, at].tolist() == [0.5, 0.5]


def test_looks_at_the_aim_are_left_alone_and_those_past_it_led_smoothly(gaze: type[Effect]) -> None:
    led = weights(gaze.parse({"contact": 1, **CALM}), filmed([(i / 10, 0) for i in range(120)]))
    assert (led[:30] == 0).all()
    assert (led[80:] == 1).all()
    assert np.diff(led).min() >= 0
    assert np.diff(led).max() < 0.05


@pytest.mark.parametrize(
    ("look", "pitch", "yaw", "wanted"),
    [((15, 0), 0, 0, 1), ((15, 0), 14, 24, 1), ((31, 0), 0, 0, 0), ((0, -31), 0, 0, 0), ((15, 0), 26, 0, 0), ((15, 0), 0, 31, 0)],
)  # fmt: skip
def test_beyond_the_thresholds_nothing_is_led(
    look: tuple[float, float], pitch: float, yaw: float, wanted: float, gaze: type[Effect]
) -> None:
    assert set(weights(gaze.parse({"contact": 1, **CALM}), filmed([look] * 10, pitch, yaw))) == {wanted}


def test_the_thresholds_can_be_moved(gaze: type[Effect]) -> None:
    scene = filmed([(31, 0)] * 10)
    assert weights(gaze.parse({"contact": 1, "eye_full": 32, "eye_none": 35, **CALM}), scene).min() == 1


def test_before_a_look_goes_too_far_the_eyes_come_back_to_it(gaze: type[Effect]) -> None:
    led = weights(gaze.parse({"contact": 1, **CALM}), filmed([(15, 0)] * 20 + [(40, 0)] * 20))
    assert (led[20:] == 0).all()
    assert led[10] == 1
    assert led[19] == 0  # the filmed jump is the largest there is, so it is not made larger
    assert led[18] == 1


def test_eyes_that_are_led_jump_no_further_than_they_were_filmed_to(gaze: type[Effect]) -> None:
    looks = [(min(i * 1.5, 40.0), 0.0) for i in range(60)] + [(2.0, 0.0)] * 20
    scene = filmed([(0.0, 0.0)] * 5 + [(4.0, 0.0)] + looks)
    led = scene.gazes * (1 - weights(gaze.parse({"contact": 1, **CALM}), scene))[:, None]
    assert (
        np.linalg.norm(np.diff(led, axis=0), axis=1).max() <= np.linalg.norm(np.diff(scene.gazes, axis=0), axis=1).max()
    )
    assert np.abs(led - scene.gazes).max() > 10


def test_jumps_are_planned_with_room_where_there_is_any(gaze: type[Effect]) -> None:
    drift = [(min(15 + 2.5 * i, 40.0), 0.0) for i in range(20)]
    scene = filmed([(5.0, 0.0)] * 10 + [(15.0, 0.0)] * 10 + drift)
    led = scene.gazes * (1 - weights(gaze.parse({"contact": 1, **CALM}), scene))[:, None]
    assert 5 < np.abs(np.diff(led[:, 0])).max() < 0.95 * 10


def test_what_is_read_for_a_few_frames_only_is_no_look(gaze: type[Effect]) -> None:
    brief = filmed([(1, 0)] * 10 + [(14, 0)] * 3 + [(1, 0)] * 10)
    assert weights(gaze.parse({"contact": 1, **CALM}), brief).max() == 0
    assert weights(gaze.parse({"contact": 1, **CALM}), filmed([(1, 0)] * 10 + [(14, 0)] * 6 + [(1, 0)] * 10)).max() == 1


def blinking(scene: Scene, at: slice) -> Scene:
    """The same with both eyes closed on some frames."""
    faces = list(scene.faces)
    shut = replace(testing.synthetic_face(), blendshapes={"eyeBlinkLeft": 0.7, "eyeBlinkRight": 0.7})
    faces[at] = [shut] * len(faces[at])
    return replace(scene, faces=faces)


def test_closed_eyes_are_not_led_and_those_beside_them_are_led_all_the_same(gaze: type[Effect]) -> None:
    looks = [(15.0, 0.0)] * 30
    looks[12:16] = [(9.0, -19.0)] * 4  # what a tracker makes of closed lids
    held = weights(gaze.parse({"contact": 1, **CALM}), blinking(filmed(looks), slice(12, 16)))
    assert (held[11:17] == 0).all()  # the lids are on their way a frame before and after
    assert held[:11] == pytest.approx(1)
    assert held[17:] == pytest.approx(1)


def test_a_blink_while_eyes_look_into_the_lens_is_no_look_away(gaze: type[Effect]) -> None:
    looks = [(0.0, 0.0)] * 30
    looks[10:18] = [(2.0, -12.0)] * 8
    scene = blinking(filmed(looks), slice(10, 18))
    assert not weights(gaze.parse({"contact": 1, **CALM}), scene).any()
    assert not gaze.mark(scene)


def test_a_head_that_swings_is_not_led(gaze: type[Effect]) -> None:
    faces = [testing.synthetic_face((256.0 + 60 * i, 256.0)) for i in range(20)]
    assert weights(gaze.parse({"contact": 1, **CALM}), replace(filmed([(15, 0)] * 20), faces=faces)).max() == 0


def test_a_head_that_moves_with_its_eyes_still_sharp_is_led(gaze: type[Effect]) -> None:
    width = testing.synthetic_face().width
    faces = [testing.synthetic_face((256.0 + 0.115 * width * i, 256.0)) for i in range(20)]
    assert weights(gaze.parse({"contact": 1, **CALM}), replace(filmed([(15, 0)] * 20), faces=faces)).min() == 1


def test_a_head_that_swings_for_a_moment_is_led_through_it(gaze: type[Effect]) -> None:
    at = np.cumsum([0.0] * 10 + [60.0] + [0.0] * 11)
    faces: list[Face | None] = [testing.synthetic_face((256.0 + x, 256.0)) for x in at]
    assert weights(gaze.parse({"contact": 1, **CALM}), replace(filmed([(15, 0)] * 22), faces=faces)).min() == 1


def test_eyes_do_not_dart_to_the_lens_between_looks_that_go_too_far(gaze: type[Effect]) -> None:
    effect = gaze.parse({"contact": 1, **CALM})
    assert weights(effect, filmed([(35, 0)] * 20 + [(12, 0)] * 3 + [(-35, 0)] * 20)).max() == 0
    assert weights(effect, filmed([(35, 0)] * 20 + [(12, 0)] * 12 + [(-35, 0)] * 20)).max() == 1
    assert weights(effect, filmed([(12, 0)] * 3 + [(-35, 0)] * 20))[0] == 1  # they may have rested there before


def test_a_lost_face_is_not_led_and_does_not_spread(gaze: type[Effect]) -> None:
    scene = filmed([(15, 0)] * 10 + [(np.nan, np.nan)] * 3 + [(15, 0)] * 10)
    led = weights(gaze.parse({"contact": 1, **CALM}), scene)
    assert (led[10:13] == 0).all()
    assert (led[[0, -1]] == 1).all()


def test_eyes_led_wander_off_a_little_now_and_then_and_blink(gaze: type[Effect]) -> None:
    scene = filmed([(15, 0)] * 25 * 30)
    asked = testing.sample(gaze.parse({"contact": 1}).edit(scene), scene.moments())
    away = np.hypot(*(asked.targets[:, TARGET_COLUMN[f"gaze_direction_{n}"]] for n in "xy"))
    assert 0.5 < away.max() <= 2.5  # half of five degrees
    assert 0.02 < (away > 0.1).mean() < 0.25
    lids = asked.column("blink_left")
    assert lids.tolist() == asked.column("blink_right").tolist()
    blinks = int(((lids[1:] > 0.5) & (lids[:-1] <= 0.5)).sum())
    assert 5 <= blinks <= 12  # in half a minute
    again = testing.sample(gaze.parse({"contact": 1, "seed": 2}).edit(scene), scene.moments())
    assert again.column("blink_left").tolist() != lids.tolist()


def test_eyes_filmed_blinking_blink_no_more(gaze: type[Effect]) -> None:
    scene = filmed([(15, 0)] * 250)
    shut = replace(testing.synthetic_face(), blendshapes={"eyeBlinkLeft": 0.9})
    scene = replace(scene, faces=[shut if i % 40 < 4 else face for i, face in enumerate(scene.faces)])
    assert testing.sample(gaze.parse({"contact": 1}).edit(scene), scene.moments()).column("blink_left").max() == 0


def test_the_eyes_can_be_led_to_a_place_in_the_picture(gaze: type[Effect]) -> None:
    scene = filmed([(15, 0)] * 10)  # the face is in the upper left of a picture of 1920 by 1080
    ask = testing.sample(gaze.parse({"contact": 1, "toward": 1, "toward_x": 1, "toward_y": 1, **CALM}).edit(scene), 0.2)
    x, y = (ask.targets[0, TARGET_COLUMN[f"gaze_direction_{n}"]] for n in "xy")
    assert 20 < x < 40
    assert -30 <= y < -10


def test_marks_are_proposed_where_the_eyes_leave_the_lens(gaze: type[Effect]) -> None:
    looks = (
        [(1, 0)] * 50 + [(14, 0)] * 25 + [(1, 0)] * 5 + [(14, 0)] * 20 + [(0, 1)] * 50 + [(14, 0)] * 2 + [(50, 0)] * 40
    )
    found = gaze.mark(filmed(looks))
    assert [p.params for p in found] == [{"contact": 1}]
    assert found[0].start == pytest.approx(50 / 25 - 0.2)
    assert found[0].seconds == pytest.approx(50 / 25 + 0.4)


def test_the_help_says_which_way_is_which() -> None:
    text = Registry.installed().effect("gaze").__doc__ or ""
    assert "person's left" in text
    assert "up" in text
