"""Plans: every control of every frame, whatever the order of the segments."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_editor import Curve, Edit, Effect, Performance, Registry, Scene, Signal, Target, hookimpl, knob, testing
from lp_editor.errors import ParamError, UnknownEffectError
from lp_editor.face import FaceTrack
from lp_editor.plan import Driver, Finding, check, plan
from lp_editor.plugins import expression, gaze, stitch
from lp_editor.timeline.model import Clip, Ease, Joint, Media, Project, Segment, Span, Track

RATE = F(25)
HARD = Ease(F(0), F(0))


@dataclass(frozen=True)
class Aim(Effect):
    """Aim lips and neutralise brows."""

    name = "aim"
    lips: Curve = knob(0, low=0, high=1, help="lip opening")
    weight: Curve = knob(1, low=0, high=1, help="of the target")
    calm: Curve = knob(0, low=0, high=1, help="brows")

    def edit(self, scene: Scene) -> Edit:
        return Edit(targets={"lip_opening": Target(self.lips, self.weight)}, neutralise={"brows": self.calm})


@dataclass(frozen=True)
class Follow(Effect):
    """Follow a driver with mouth and pose."""

    name = "follow"
    needs = frozenset({"driver"})
    driver: str = "driver.mp4"

    def edit(self, scene: Scene) -> Edit:
        return Edit(performance=Performance(Signal(lambda t: t), Signal.constant(1), ("mouth", "pose")))


class Extra:
    """A plugin with the two effects above."""

    @hookimpl
    def lp_effects(self) -> Iterable[type[Effect]]:
        return [Aim, Follow]


REGISTRY = Registry(expression, gaze, stitch, Extra())


def sec(frames: float) -> F:
    return F(frames) / RATE


def segment(
    id: str, effect: str, first: float, count: float, ease: Ease | None = HARD, face: str = "largest", **params: object
) -> Segment:
    values = {n: v if isinstance(v, Curve | str) else Curve.constant(float(v)) for n, v in params.items()}  # type: ignore[arg-type]
    return Segment(id, effect, Span(sec(first), sec(count)), values, face, ease)


def clip(
    segments: Sequence[Segment], count: int = 50, source: float = 0, at: int = 0, speed: F = F(1), **more: object
) -> Clip:
    made = Clip(
        f"c{at}", "c", Media("file", "m"), Span(sec(source), sec(count) * abs(speed) if speed else sec(1)), Span(sec(at), sec(count)), RATE,
        speed, True, tuple(segments), place=f"V1/{at + 1}",
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def project(*clips: Clip, rate: F = RATE) -> Project:
    return Project("p", rate, F(0), (Track("V1", "video", clips),))


def smiles(*clips: Clip, rate: F = RATE, place: str = "V1/1") -> np.ndarray:
    shot = plan(project(*clips, rate=rate), REGISTRY).shots[place]
    if not shot.faces:
        return np.zeros(shot.count)
    (face,) = shot.faces
    return face.controls.column("smile_left")


def test_a_segment_acts_on_its_frames_only() -> None:
    values = smiles(clip([segment("a", "expression", 10, 5, smile=0.5)]))
    assert np.flatnonzero(values).tolist() == [10, 11, 12, 13, 14]
    assert set(values[10:15]) == {0.5}


def test_it_eases_in_and_out_unless_told_not_to() -> None:
    values = smiles(clip([segment("a", "expression", 10, 20, ease=None, smile=1)]))[10:30]
    assert 0 < values[0] < 0.05
    assert (np.diff(values[:5]) > 0).all()
    assert set(values[5:15]) == {1.0}
    assert values == pytest.approx(values[::-1])
    short = smiles(clip([segment("a", "expression", 10, 4, ease=None, smile=1)]))[10:14]
    assert short.max() < 1  # the eases are scaled down to meet in the middle
    assert short == pytest.approx(short[::-1])


def test_an_intensity_scales_all_that_an_effect_asks_for_and_takes_keys() -> None:
    fade = Curve.parse("0@0,1@20f", RATE)
    parts = [
        segment("a", "expression", 5, 20, smile=0.5, intensity=fade),
        segment("b", "aim", 5, 20, lips=0.4, weight=0.5, calm=0.6, intensity=fade),
        segment("c", "expression", 30, 5, smile=0.9, neutral=1, intensity=2),
    ]
    (face,) = plan(project(clip(parts)), REGISTRY).shots["V1/1"].faces
    ramp = (np.arange(20) + 0.5) / 20
    assert face.controls.column("smile_left")[5:25] == pytest.approx(0.5 * ramp)
    assert face.controls[:].weights[5:25, 2] == pytest.approx(0.5 * ramp)
    assert face.controls[:].neutral[5:25, 2] == pytest.approx(0.6 * ramp)
    assert set(face.controls.column("smile_left")[30:35]) == {1.0}  # clamped
    assert face.controls[:].neutral.max() == 1


def test_curves_are_sampled_at_frame_centres_in_record_seconds() -> None:
    ramp = Curve.parse("0@0,1@20f", RATE)
    values = smiles(clip([segment("a", "expression", 5, 20, smile=ramp)]))
    assert values[5:25] == pytest.approx((np.arange(20) + 0.5) / 20)


def test_keys_beyond_a_trim_are_kept_but_unused() -> None:
    ramp = Curve.parse("0@0,1@20f", RATE)
    cut_in = smiles(clip([segment("a", "expression", 5, 20, smile=ramp)], count=10, source=10))
    assert cut_in == pytest.approx((np.arange(5, 15) + 0.5) / 20)


def test_a_slip_moves_the_segment_with_the_picture() -> None:
    values = smiles(clip([segment("a", "expression", 105, 5, smile=0.5)], source=100))
    assert np.flatnonzero(values).tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("speed", "frames"),
    [(F(2), range(5, 10)), (F(1, 2), range(20, 40)), (F(-1), range(30, 40)), (F(-2), range(40, 45))],
)
def test_retimes_carry_segments_along(speed: F, frames: range) -> None:
    values = smiles(clip([segment("a", "expression", 10, 10, smile=0.5)], speed=speed))
    assert np.flatnonzero(values).tolist() == list(frames)


def test_a_freeze_inside_a_segment_is_edited_all_along() -> None:
    assert (smiles(clip([segment("a", "expression", 10, 10, smile=0.5)], source=12, speed=F(0))) == 0.5).all()
    assert not smiles(clip([segment("a", "expression", 10, 10, smile=0.5)], source=3, speed=F(0))).any()


def test_a_project_of_another_rate_asks_for_its_own_frames() -> None:
    values = smiles(clip([segment("a", "expression", 10, 10, smile=0.5)]), rate=F(50))
    assert np.flatnonzero(values).tolist() == list(range(20, 40))


@settings(deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_segments_does_not_matter(order: list[int]) -> None:
    parts = [
        segment("a", "expression", 0, 30, smile=0.7),
        segment("b", "expression", 10, 30, smile=0.6, brow=0.3),
        segment("c", "aim", 5, 20, lips=0.2, weight=0.5, calm=0.4),
        segment("d", "aim", 15, 20, lips=0.8, weight=1.0, calm=0.9),
        segment("e", "gaze", 0, 50, x=0.1),
    ]
    one = plan(project(clip(parts)), REGISTRY).shots["V1/1"].faces[0].controls[:]
    other = plan(project(clip([parts[i] for i in order])), REGISTRY).shots["V1/1"].faces[0].controls[:]
    for name in ("offsets", "targets", "weights", "neutral"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_offsets_add_up_and_are_clamped() -> None:
    values = smiles(clip([segment("a", "expression", 0, 20, smile=0.7), segment("b", "expression", 10, 20, smile=0.6)]))
    assert [values[5], values[15], values[25]] == pytest.approx([0.7, 1.0, 0.6])


def test_targets_are_a_weighted_mean_and_neutral_is_the_strongest() -> None:
    parts = [
        segment("c", "aim", 0, 20, lips=0.2, weight=0.5, calm=0.4),
        segment("d", "aim", 10, 20, lips=0.8, weight=1.0, calm=0.9),
    ]
    controls = plan(project(clip(parts)), REGISTRY).shots["V1/1"].faces[0].controls[:]
    assert controls.targets[[5, 15, 25], 2] == pytest.approx([0.2, (0.1 + 0.8) / 1.5, 0.8])
    assert controls.weights[[5, 15, 25], 2] == pytest.approx([0.5, 1.0, 1.0])
    assert controls.neutral[[5, 15, 25], 2] == pytest.approx([0.4, 0.9, 0.9])


def test_faces_are_kept_apart_and_the_largest_is_number_one() -> None:
    parts = [
        segment("a", "expression", 0, 10, smile=0.5),
        segment("b", "gaze", 0, 10, face="1", x=0.5),
        segment("c", "gaze", 0, 10, face="2", x=1),
    ]
    faces = plan(project(clip(parts)), REGISTRY).shots["V1/1"].faces
    assert [(f.face, len(f.segments)) for f in faces] == [("1", 2), ("2", 1)]
    found = {"V1/1#a": Finding("7"), "V1/1#c": Finding("7"), "V1/1#b": Finding("9")}
    resolved = plan(project(clip(parts)), REGISTRY, found).shots["V1/1"].faces
    assert [(f.face, [s.id for s in f.segments]) for f in resolved] == [("7", ["a", "c"]), ("9", ["b"])]


def driver() -> Driver:
    track = FaceTrack(1, 0, [testing.synthetic_face((50, 50), 30)] * 40)
    return Driver("driver.mp4", track, F(30))


def test_a_driver_is_followed_by_its_own_clock_and_two_on_one_region_are_an_error() -> None:
    one = segment("f", "follow", 10, 20)
    shot = plan(project(clip([one])), REGISTRY, {"V1/1#f": Finding("1", driver=driver())}).shots["V1/1"]
    (drive,) = shot.faces[0].drives
    assert drive.frames[[9, 30]].tolist() == [-1, -1]
    assert drive.frames[[10, 20]].tolist() == [0, int(10.5 * 30 / 25)]
    assert shot.faces[0].active.nonzero()[0].tolist() == list(range(10, 30))
    both = [one, segment("g", "follow", 25, 10)]
    found = {f"V1/1#{s}": Finding("1", driver=driver()) for s in "fg"}
    with pytest.raises(ParamError, match="segments f and g both drive mouth, pose"):
        plan(project(clip(both)), REGISTRY, found)
    apart = [one, segment("g", "follow", 30, 10)]
    assert len(plan(project(clip(apart)), REGISTRY, found).shots["V1/1"].faces[0].drives) == 2


def test_a_joint_blends_evenly_from_one_side_to_the_other() -> None:
    a = clip([], joint=Joint("j", "stitch", sec(4), sec(4)))
    made = plan(project(a, clip([], at=50)), REGISTRY)
    assert made.blends["j"].first == 46
    assert made.blends["j"].weights == pytest.approx((np.arange(8) + 0.5) / 8)
    assert (made.shots["V1/1"].count, made.shots["V1/51"].first) == (55, 45)  # and a frame beside it


def test_handles_are_planned_too() -> None:
    shot = plan(project(clip([segment("a", "expression", 40, 30, smile=0.5)])), REGISTRY, handles=10).shots["V1/1"]
    assert (shot.first, shot.count) == (-10, 70)
    assert np.flatnonzero(shot.faces[0].controls.column("smile_left")).tolist() == list(range(50, 70))


@pytest.mark.parametrize(
    ("bad", "error", "text"),
    [
        (segment("a", "nothing", 0, 5), UnknownEffectError, 'no effect .*clip "c", segment a'),
        (segment("a", "expression", 0, 5, smile=2), ParamError, r"-1\.\.1, got 2 .*segment a"),
        (segment("a", "gaze", 0, 5, z=1), ParamError, "no parameter 'z'"),
        (segment("a", "stitch", 0, 5), ParamError, "joins two clips"),
    ],
)
def test_what_an_effect_does_not_take_is_named_with_its_clip(bad: Segment, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        check(project(clip([bad])), REGISTRY)
    with pytest.raises(error, match=text):
        plan(project(clip([bad])), REGISTRY)


def test_planning_twice_gives_the_same() -> None:
    parts = [segment("a", "expression", 0, 30, smile=0.7, ease=None)]
    assert np.array_equal(smiles(clip(parts)), smiles(clip(parts)))


def test_a_segment_beyond_the_trim_asks_for_nothing() -> None:
    beyond = segment("a", "expression", 200, 10, smile=0.5)
    assert plan(project(clip([beyond])), REGISTRY).shots["V1/1"].faces == ()
