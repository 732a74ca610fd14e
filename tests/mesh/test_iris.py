"""Irises found in the pixels: where landmarks miss them, and nowhere else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lp_editor.controls import TARGET_COLUMN, Controls
from lp_editor.face import Face, FacePicture, Image
from lp_editor.faces.canonical import procrustes, to_local
from lp_editor.mesh.engine import MeshEngine, MeshLook
from lp_editor.mesh.iris import AHEAD, CORNERS, Irises, _found, marked, seen
from lp_editor.mesh.shape import MeshMotion, eye_width, retargeted


def eyes_drawn(face: FacePicture, aside: float = 0.0, below: float = 0.0, white: int = 200, dark: int = 40) -> FacePicture:
    """The same face on grey skin, with white eyes and discs that lie so many eye widths off their landmarks."""
    pixels = np.full(face.pixels.shape, 150, np.uint8)
    points = face.face.points[:, :2] - [face.box.x0, face.box.y0]
    for upper, outline, iris in CORNERS.values():
        width = float(np.linalg.norm(points[upper[0]] - points[upper[-1]]))
        inside = np.zeros(pixels.shape[:2], np.uint8)
        cv2.fillPoly(inside, [np.round(points[list(outline)]).astype(np.int32)], 1)
        drawn = np.where(inside[..., None] > 0, np.uint8(white), pixels)
        x, y = points[iris[0]] + np.array([aside, below]) * width
        disc = np.zeros(pixels.shape[:2], np.uint8)
        cv2.circle(disc, (round(float(x)), round(float(y))), round(0.2 * width), 1, -1)
        pixels = np.asarray(np.where((disc & inside)[..., None] > 0, np.uint8(dark), drawn), np.uint8)
    return replace(face, pixels=pixels)


def irises(face: FacePicture) -> Irises:
    points = face.face.points.astype(np.float64)
    return seen(face, points, procrustes(points))


@pytest.mark.parametrize(("aside", "below"), [(0.0, -0.12), (0.08, -0.1), (-0.06, 0.08)])
def test_discs_are_found_where_they_are(face: FacePicture, aside: float, below: float) -> None:
    found = irises(eyes_drawn(face, aside, below))
    for side, (upper, _, iris) in CORNERS.items():
        width = float(np.linalg.norm((face.face.points[upper[0]] - face.face.points[upper[-1]])[:2]))
        off = (found.centres[side] - face.face.points[iris[0], :2]) / width
        assert off == pytest.approx([aside, below], abs=0.05)
    assert found.misread + AHEAD == pytest.approx([aside, below], abs=0.05)


def test_eyes_that_look_ahead_are_not_misread(face: FacePicture) -> None:
    assert np.abs(irises(eyes_drawn(face, *AHEAD)).misread).max() < 0.015


def test_where_nothing_stands_out_the_landmarks_are_believed(face: FacePicture) -> None:
    points = face.face.points.astype(np.float64)
    plain = replace(face, pixels=np.full_like(face.pixels, 128))
    for picture in (plain, eyes_drawn(face, 0, -0.1, white=60, dark=200)):  # a light disc is no iris
        found = irises(picture)
        assert found.misread.tolist() == [0, 0]
        for side, centre in marked(points).centres.items():
            assert found.centres[side] == pytest.approx(centre)


def test_lashes_of_a_closed_eye_are_no_iris(face: FacePicture) -> None:
    points = face.face.points.copy()
    for upper, outline, _ in CORNERS.values():
        line = (points[upper[0], 1] + points[upper[-1], 1]) / 2
        points[list(outline), 1] = line + 0.3 * (points[list(outline), 1] - line)
    shut = replace(face, face=Face(points, face.face.blendshapes))
    assert irises(eyes_drawn(shut, 0, 0)).misread.tolist() == [0, 0]


def test_a_glint_does_not_hide_an_iris(face: FacePicture) -> None:
    picture = eyes_drawn(face, 0, -0.1)
    lit: Image = picture.pixels.copy()
    for side, centre in irises(picture).centres.items():
        upper = CORNERS[side][0]
        width = float(np.linalg.norm((face.face.points[upper[0]] - face.face.points[upper[-1]])[:2]))
        x, y = centre - [face.box.x0, face.box.y0]
        cv2.circle(lit, (round(float(x)), round(float(y + 0.13 * width))), round(0.035 * width), (255, 255, 255), -1)
    points = face.face.points.astype(np.float64)
    for side in CORNERS:
        shares = [_found(one, points, side)[1] for one in (picture, replace(picture, pixels=lit))]
        assert shares[1] == pytest.approx(shares[0], abs=0.05)


def test_a_look_is_led_from_where_the_pixels_show_it(face: FacePicture, look: MeshLook) -> None:
    engine = MeshEngine()
    asked = Controls.zeros(1)
    for name in ("gaze_direction_x", "gaze_direction_y"):
        asked.weights[0, TARGET_COLUMN[name]] = 1

    def down(picture: FacePicture) -> float:
        held: MeshMotion = engine.analyze(look, [picture])[0]
        led = retargeted(held, asked.offsets[0], asked.targets[0], asked.weights[0], asked.neutral[0])
        local = [to_local(m.points, m.pose) for m in (held, led)]
        return float((local[1] - local[0])[468, 1]) / eye_width(local[0], "right")

    assert down(eyes_drawn(face, 0, -0.13)) - down(eyes_drawn(face, 0, AHEAD[1])) == pytest.approx(0.1, abs=0.05)
