"""Borrowing: what a frame does not show comes from another one of the shot, if that one is fit to lend it."""

from dataclasses import replace

import numpy as np
import pytest

from lp_editor.controls import COLUMN, Controls
from lp_editor.engine import Patch
from lp_editor.face import Face, FacePicture, FaceTrack
from lp_editor.faces.measure import lip_ratio
from lp_editor.media.picture import Picture
from lp_editor.mesh.borrowed import repaid, skin_light
from lp_editor.mesh.engine import MeshEngine, MeshLook
from lp_editor.render.compositor import apply_patches
from lp_editor.render.footage import face_picture

ENGINE = MeshEngine()
OTHER = {
    "open": {"mouth_open": 0.6},
    "closed": {"blink_left": 1.0, "blink_right": 1.0},
    "wink": {"blink_left": 1.0},
    "turned": {"mouth_open": 0.6, "yaw": 24.0},
}
"""What the second frame of the shot shows."""


def drawn(look: MeshLook, face: FacePicture, **offsets: float) -> Patch:
    held = ENGINE.analyze(look, [face])
    patch = ENGINE.synthesize(look, [face], held, ENGINE.retarget(held, Controls.of(1, **offsets)))[0]
    assert patch is not None
    return patch


def shot(frame: Picture, face: FacePicture, look: MeshLook, second: str) -> MeshLook:
    """A look at four frames: the portrait three times, and once with another face."""
    picture = apply_patches(frame, [drawn(look, face, **OTHER[second])])
    points = ENGINE.retarget(ENGINE.analyze(look, [face]), Controls.of(1, **OTHER[second]))[0].points
    edited = face_picture(picture, Face(points.astype(np.float32), face.face.blendshapes))
    seen = [face, face, edited, face]
    return ENGINE.study(FaceTrack(1, 0, [one.face for one in seen]), lambda at: [seen[i] for i in at])


def changed(a: Patch, b: Patch) -> float:
    """How many levels two patches' paint differs by where both paint."""
    assert a.box == b.box
    assert a.alpha is not None
    assert b.alpha is not None
    assert a.paint is not None
    assert b.paint is not None
    both = (a.alpha > 0.5) & (b.alpha > 0.5)
    return float(np.abs(a.paint - b.paint)[both].mean())


def test_an_open_mouth_lends_its_inside_and_nothing_else_does(
    frame: Picture, face: FacePicture, look: MeshLook
) -> None:
    studied = shot(frame, face, look, "open")
    assert set(studied.loan) == {"mouth"}
    assert lip_ratio(studied.loan["mouth"].points[None])[0] > 2 * lip_ratio(face.face.points[None])[0]
    painted, borrowed = drawn(replace(studied, loan={}), face, mouth_open=0.8), drawn(studied, face, mouth_open=0.8)
    assert changed(painted, borrowed) > 4


def test_a_mouth_that_does_not_open_borrows_nothing(frame: Picture, face: FacePicture, look: MeshLook) -> None:
    studied = shot(frame, face, look, "open")
    with_loan, without = (drawn(used, face, brow_outer_left=0.5) for used in (studied, replace(studied, loan={})))
    assert with_loan.alpha is None
    assert without.alpha is None
    assert np.array_equal(with_loan.mask, without.mask)


def test_closed_lids_are_lent_in_pairs_only(frame: Picture, face: FacePicture, look: MeshLook) -> None:
    assert set(shot(frame, face, look, "closed").loan) >= {"left", "right"}
    assert not {"left", "right"} & set(shot(frame, face, look, "wink").loan)


def test_a_head_turned_away_lends_nothing(frame: Picture, face: FacePicture, look: MeshLook) -> None:
    lent = shot(frame, face, look, "turned").loan["mouth"]  # the portrait's own smile then
    assert np.array_equal(lent.points, face.face.points.astype(np.float64))


def test_what_is_borrowed_comes_in_the_light_of_the_frame(frame: Picture, face: FacePicture, look: MeshLook) -> None:
    loan = shot(frame, face, look, "open").loan
    darker = replace(face, pixels=(face.pixels * 0.7).astype(np.uint8))
    dark, light = repaid(loan, darker)["mouth"], repaid(loan, face)["mouth"]
    assert dark.pixels.mean() / light.pixels.mean() == pytest.approx(skin_light(darker) / skin_light(face), rel=0.05)
    assert light.trust == 1


def test_trust_falls_as_the_head_turns(frame: Picture, face: FacePicture, look: MeshLook) -> None:
    loan = shot(frame, face, look, "open").loan
    asked = Controls.zeros(3)
    asked.offsets[:, COLUMN["yaw"]] = [5.0, 11.0, 25.0]
    motions = ENGINE.retarget(ENGINE.analyze(look, [face]) * 3, asked)
    turned = [replace(face, face=Face(m.points.astype(np.float32), face.face.blendshapes)) for m in motions]
    trusts = [one["mouth"].trust if (one := repaid(loan, picture)) else 0.0 for picture in turned]
    assert trusts[0] == 1
    assert 0 < trusts[1] < 1
    assert trusts[2] == 0
