"""What every engine promises, tried on all of them with the same face."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import tiny_liveportrait
from skimage.data import astronaut

from lp_editor import (
    CONTROLS,
    REGIONS,
    Box,
    Control,
    Controls,
    Engine,
    Face,
    FacePicture,
    FaceTrack,
    Patch,
    Registry,
    testing,
)
from lp_editor.render.calls import Wish, synthesized

AnyEngine: TypeAlias = Engine[Any, Any]

ASKED = (
    {"smile_left": 0.7, "smile_right": 0.7}, {"blink_left": 1.0}, {"mouth_open": 0.6},
    {"brow_inner_left": -0.5, "brow_outer_right": 0.8}, {"gaze_x_left": 0.6, "gaze_x_right": 0.6}, {"roll": 6.0},
    {"frown_left": 0.5, "blink_right": -0.5}, {"pucker": 0.8, "yaw": -5.0},
)  # fmt: skip
"""Controls that every engine must turn into a change."""


def started(name: str) -> AnyEngine:
    """A new engine; those that ship are found as a render finds them."""
    if name == "liveportrait":
        return tiny_liveportrait.engine()
    return Registry(testing).engine(name) if name == "fake" else Registry.installed().engine(name)


@pytest.fixture(scope="module", params=["fake", "mesh", pytest.param("liveportrait", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> AnyEngine:
    return started(request.param)


@pytest.fixture(scope="module")
def portrait() -> FacePicture:
    """A public-domain portrait, its face found by the landmark model."""
    from lp_editor.faces.model import Landmarker

    frame = np.asarray(astronaut(), np.uint8)
    with Landmarker() as landmarker:
        face = landmarker(frame)[0]
    return testing.face_picture(face, frame)


@pytest.fixture(scope="module")
def look(engine: AnyEngine, portrait: FacePicture) -> Any:
    return engine.study(FaceTrack(1, 0, [portrait.face] * 3), lambda frames: [portrait] * len(frames))


def edited(engine: AnyEngine, look: Any, faces: Sequence[FacePicture], controls: Controls) -> list[Patch | None]:
    filmed = engine.analyze(look, faces)
    return engine.synthesize(look, faces, filmed, engine.retarget(filmed, controls))


def rows(*asked: dict[str, float]) -> Controls:
    parts = [Controls.of(1, **one) for one in asked]
    return Controls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Controls)))


def assert_same(one: Patch | None, other: Patch | None) -> None:
    """The same change, to the bit."""
    if one is None or other is None:
        assert one is other
        return
    assert one.box == other.box
    for name in ("mask", "flow", "tone", "paint", "alpha"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        assert a is None or np.array_equal(a, b), name


def moved(picture: FacePicture, x: float, y: float) -> FacePicture:
    """The same pixels with the landmarks a little elsewhere: another face of the same batch."""
    points = picture.face.points + np.array([x, y, 0], np.float32)
    return FacePicture(Face(points, picture.face.blendshapes), picture.pixels, picture.box, picture.size)


def cropped(picture: FacePicture) -> FacePicture:
    """The same face, of which only the upper left part is in the picture."""
    box, middle = picture.box, picture.face.points.mean(0).round().astype(int)
    part = Box(box.x0, box.y0, int(middle[0]) + 20, int(middle[1]) + 30)
    return FacePicture(picture.face, picture.pixels[: part.height, : part.width], part, (part.x1, part.y1))


def test_zero_controls_change_nothing(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    faces = [portrait, moved(portrait, 3, -2)]
    assert edited(engine, look, faces, Controls.zeros(2)) == [None, None]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "+".join(asked))
def test_every_control_asked_for_shows(
    engine: AnyEngine, look: Any, portrait: FacePicture, asked: dict[str, float]
) -> None:
    [patch] = edited(engine, look, [portrait], rows(asked))
    assert patch is not None
    assert (patch.mask > 0).sum() > 50


def test_a_patch_is_finite_float32_and_of_one_size(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    for patch in edited(engine, look, [portrait] * len(ASKED), rows(*ASKED)):
        assert patch is not None
        height, width = patch.mask.shape
        for name, shape in {"flow": (2,), "tone": (3,), "paint": (3,), "alpha": ()}.items():
            array = getattr(patch, name)
            if array is not None:
                assert array.shape == (height, width, *shape), name
                assert array.dtype == np.float32, name
                assert np.isfinite(array).all(), name
        assert (patch.paint is None) == (patch.alpha is None)


def test_a_mask_lies_in_0_to_1_and_is_zero_on_the_edge_of_its_box(
    engine: AnyEngine, look: Any, portrait: FacePicture
) -> None:
    for picture in (portrait, cropped(portrait)):
        for patch in edited(engine, look, [picture] * len(ASKED), rows(*ASKED)):
            if patch is None and picture is not portrait:
                continue  # what was asked for lies outside the pixels at hand
            assert patch is not None
            mask = patch.mask
            assert mask.dtype == np.float32
            assert mask.min() >= 0
            assert 0 < mask.max() <= 1
            assert not np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any()


def test_a_mask_stays_near_the_face(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    pose = {"pitch", "yaw", "roll", "shift_x", "shift_y", "scale"}
    for asked, patch in zip(ASKED, edited(engine, look, [portrait] * len(ASKED), rows(*ASKED)), strict=True):
        assert patch is not None
        shown = float((patch.mask > 0).mean()) * patch.box.area
        assert shown <= (5 if pose & set(asked) else 1.6) * portrait.face.box.area, asked


def test_a_batch_equals_its_faces_one_by_one(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    faces = [moved(portrait, i, -i) for i in range(4)]
    batch = edited(engine, look, faces, rows(*ASKED[:4]))
    for i, face in enumerate(faces):
        [single] = edited(engine, look, [face], rows(ASKED[i]))
        assert_same(batch[i], single)


def test_the_order_of_a_batch_does_not_matter(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    faces = [moved(portrait, i, -i) for i in range(4)]
    forwards = edited(engine, look, faces, rows(*ASKED[:4]))
    backwards = edited(engine, look, faces[::-1], rows(*ASKED[3::-1]))
    for one, other in zip(forwards, backwards[::-1], strict=True):
        assert_same(one, other)


def test_the_same_request_gives_the_same_bits(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    again = engine.study(FaceTrack(1, 0, [portrait.face] * 3), lambda frames: [portrait] * len(frames))
    for asked in ASKED[:3]:
        assert_same(edited(engine, look, [portrait], rows(asked))[0], edited(engine, again, [portrait], rows(asked))[0])


def test_toward_0_stays_and_toward_1_arrives(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    filmed = engine.analyze(look, [portrait])
    wanted = engine.retarget(filmed, rows({**ASKED[0], **ASKED[2]}))
    stays, arrives = filmed[0].toward(wanted[0], 0.0), filmed[0].toward(wanted[0], 1.0)
    assert engine.synthesize(look, [portrait], filmed, [stays]) == [None]
    [there] = engine.synthesize(look, [portrait], filmed, [arrives])
    [asked] = engine.synthesize(look, [portrait], filmed, wanted)
    assert there is not None
    assert asked is not None
    assert_close(there, asked)


def test_halfway_toward_is_less_than_all_the_way(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    filmed = engine.analyze(look, [portrait])
    wanted = engine.retarget(filmed, rows(ASKED[0]))[0]
    halfway = engine.synthesize(look, [portrait], filmed, [filmed[0].toward(wanted, 0.5)])[0]
    whole = engine.synthesize(look, [portrait], filmed, [wanted])[0]
    assert 0 < strength(halfway) < strength(whole)


def test_transfer_of_strength_0_is_the_source(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    filmed = engine.analyze(look, [portrait])
    driver = engine.retarget(filmed, rows(ASKED[2]))
    for reference in (None, filmed[0]):
        kept = engine.transfer(filmed, driver, reference, REGIONS, [0.0])
        assert engine.synthesize(look, [portrait], filmed, kept) == [None]


def test_transfer_moves_only_the_regions_asked_for(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    filmed = engine.analyze(look, [portrait])
    driver = engine.retarget(filmed, rows({"mouth_open": 0.8}))
    mouth = engine.transfer(filmed, driver, filmed[0], ("mouth",), [1.0])
    brows = engine.transfer(filmed, driver, filmed[0], ("brows",), [1.0])
    opened, still = (engine.synthesize(look, [portrait], filmed, m)[0] for m in (mouth, brows))
    assert strength(opened) > 0
    assert strength(still) < 0.05 * strength(opened)


def test_a_relative_driver_at_its_reference_changes_nothing(
    engine: AnyEngine, look: Any, portrait: FacePicture
) -> None:
    filmed = engine.analyze(look, [portrait])
    driver = engine.retarget(filmed, rows(ASKED[0]))
    kept = engine.transfer(filmed, driver, driver[0], ("mouth", "eyes", "brows"), [1.0])
    assert strength(engine.synthesize(look, [portrait], filmed, kept)[0]) < 1.0


def test_targets_of_weight_0_count_for_nothing(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    controls = Controls.zeros(1)
    controls.targets[:] = 1
    assert edited(engine, look, [portrait], controls) == [None]


def test_a_target_closes_the_eyes(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    controls = Controls.zeros(1)
    controls.weights[:, :2] = 1
    assert strength(edited(engine, look, [portrait], controls)[0]) > 0


def test_every_control_at_its_ends_gives_a_sound_patch(engine: AnyEngine, look: Any, portrait: FacePicture) -> None:
    ends = [{c.name: end} for c in CONTROLS for end in (c.low, c.high) if end]
    if engine.name == "liveportrait":
        ends = ends[::7]  # networks take their time: all of them are slow tests
    assert_sound(engine, look, portrait, ends)


@pytest.mark.slow
@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: c.name)
def test_every_control_of_liveportrait_at_its_ends_gives_a_sound_patch(control: Control, portrait: FacePicture) -> None:
    engine = started("liveportrait")
    look = engine.study(FaceTrack(1, 0, [portrait.face]), lambda frames: [portrait] * len(frames))
    assert_sound(engine, look, portrait, [{control.name: end} for end in (control.low, control.high) if end])


@pytest.mark.slow
def test_liveportrait_at_its_full_size_keeps_the_contract(shared: Path, tmp_path: Path, portrait: FacePicture) -> None:
    """Its networks as large as published, with the developers' synthetic weights, on the path that ``--device cpu`` takes."""
    engine = full_size(shared, tmp_path)
    look = engine.study(FaceTrack(1, 0, [portrait.face] * 3), lambda frames: [portrait] * len(frames))
    assert edited(engine, look, [portrait], Controls.zeros(1)) == [None]
    faces = [portrait, moved(portrait, 3, -2)]
    batch = edited(engine, look, faces, rows(*ASKED[:2]))
    for i, face in enumerate(faces):
        patch = batch[i]
        assert patch is not None
        assert_same(patch, edited(engine, look, [face], rows(ASKED[i]))[0])
        assert not np.concatenate([patch.mask[0], patch.mask[-1], patch.mask[:, 0], patch.mask[:, -1]]).any()
        assert all(np.isfinite(a).all() for a in (patch.mask, patch.flow, patch.tone, patch.paint) if a is not None)
        assert float((patch.mask > 0).mean()) * patch.box.area <= 1.6 * portrait.face.box.area


def full_size(shared: Path, folder: Path) -> AnyEngine:
    """The engine on synthetic weights, started as a render starts it."""
    from lp_editor.liveportrait.start import started as started_on

    sys.path.insert(0, str(shared / "liveportrait"))
    try:
        weights = importlib.import_module("synthetic_weights").write_checkpoints(folder)
    finally:
        sys.path.pop(0)
    return started_on(Path(weights), "cpu", "detail")


def assert_sound(engine: AnyEngine, look: Any, portrait: FacePicture, ends: Sequence[dict[str, float]]) -> None:
    """Whatever a patch shows is finite and lies in the frame."""
    for asked, patch in zip(ends, edited(engine, look, [portrait] * len(ends), rows(*ends)), strict=True):
        if patch is not None:
            assert np.isfinite(patch.mask).all(), asked
            assert patch.box == patch.box.clipped(*portrait.size), asked


def test_fingerprints_name_the_engine_and_the_look_and_stay(
    engine: AnyEngine, look: Any, portrait: FacePicture
) -> None:
    again = engine.study(FaceTrack(1, 0, [portrait.face] * 3), lambda frames: [portrait] * len(frames))
    assert engine.fingerprint
    assert engine.fingerprint == started(engine.name).fingerprint
    assert look.fingerprint
    assert look.fingerprint == again.fingerprint


def strength(patch: Patch | None) -> float:
    """How much a patch changes, by its own arrays."""
    if patch is None:
        return 0.0
    total = 0.0
    for array, weight in ((patch.flow, 1.0), (patch.tone, 0.01), (patch.alpha, 1.0)):
        if array is not None:
            shown = patch.mask[..., None] if array.ndim == 3 else patch.mask
            total += weight * float(np.abs(array * shown).sum())
    return total


def assert_close(one: Patch, other: Patch) -> None:
    """The same change but for rounding."""
    assert strength(one) == pytest.approx(strength(other), rel=0.01)
    assert np.abs(np.array([one.box.x0, one.box.y0, one.box.x1, one.box.y1])
                  - [other.box.x0, other.box.y0, other.box.x1, other.box.y1]).max() <= 2  # fmt: skip


def test_faces_of_several_looks_in_one_call_get_what_each_gets_alone(
    engine: AnyEngine, look: Any, portrait: FacePicture
) -> None:
    other = engine.study(FaceTrack(2, 0, [portrait.face, None]), lambda frames: [portrait] * len(frames))
    pictures = [moved(portrait, 2 * i, -i) for i in range(3)]
    wishes = [
        Wish(look, pictures, rows(*ASKED[:3])),
        Wish(other, pictures[:1], rows(ASKED[2])),
        Wish(look, pictures[1:2], rows(ASKED[0])),
    ]
    for wish, together in zip(wishes, synthesized(engine, wishes), strict=True):
        for face, row, patch in zip(wish.faces, range(len(wish.faces)), together, strict=True):
            [alone] = edited(engine, wish.look, [face], wish.controls[[row]])
            if engine.name == "liveportrait":
                assert_near(alone, patch)
            else:
                assert_same(alone, patch)


def assert_near(one: Patch | None, other: Patch | None) -> None:
    """The same change, but for a level of any colour and a hundredth of a pixel."""
    assert one is not None
    assert other is not None
    assert one.box == other.box
    for name, most in (("mask", 1 / 255), ("flow", 0.01), ("tone", 1.0), ("paint", 1.0), ("alpha", 1 / 255)):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        assert a is None or np.abs(a - b).max() <= most, name
