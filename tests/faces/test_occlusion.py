"""Things in front of the face: found where they differ from it, left alone by edits, never seen where there are none."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lp_editor.controls import Controls
from lp_editor.face import FacePicture, FaceTrack
from lp_editor.faces.canonical import OVAL
from lp_editor.faces.occlusion import LEAST_FRAMES, Usual, covered, open_part, usual
from lp_editor.mesh.engine import MeshEngine
from lp_editor.mesh.layers import polygon

ENGINE = MeshEngine()
CHEEK, NOSE, CHIN = 280, 4, 18


def noisy(face: FacePicture, seed: int) -> FacePicture:
    noise = np.random.default_rng(seed).normal(0, 3, face.pixels.shape)
    return replace(face, pixels=np.clip(face.pixels + noise, 0, 255).astype(np.uint8))


def with_disc(face: FacePicture, landmark: int, colour: tuple[int, int, int]) -> tuple[FacePicture, np.ndarray]:
    """The face with a round thing in front of it, and where on the face that is, (h, w)."""
    x, y = face.face.points[landmark, :2] - [face.box.x0, face.box.y0]
    rows, columns = np.mgrid[: face.box.height, : face.box.width]
    disc = np.hypot(columns - x, rows - y) < 0.2 * face.face.width
    pixels = face.pixels.copy()
    pixels[disc] = colour
    outline = face.face.points[list(OVAL), :2].astype(np.float64)
    return replace(face, pixels=pixels), disc & (polygon(outline, face.box) > 0.5)


@pytest.fixture(scope="module")
def known(face: FacePicture) -> Usual:
    found = usual([noisy(face, n) for n in range(12)])
    assert found is not None
    return found


@pytest.mark.parametrize("landmark", [CHEEK, NOSE, CHIN])
@pytest.mark.parametrize("colour", [(40, 60, 170), (25, 25, 25), (230, 240, 240)])
def test_a_thing_in_front_of_the_face_is_kept_out(
    landmark: int, colour: tuple[int, int, int], face: FacePicture, known: Usual
) -> None:
    hidden, there = with_disc(face, landmark, colour)
    part = open_part(hidden, known, face.box)
    assert part is not None
    assert part[there].mean() < 0.25
    points = np.round(face.face.points[:468, :2] - [face.box.x0, face.box.y0]).astype(int)
    free = ~there[points[:, 1], points[:, 0]]
    assert part[points[free, 1], points[free, 0]].mean() > 0.7


def test_a_clean_face_is_covered_by_nothing_in_whatever_light(face: FacePicture, known: Usual) -> None:
    ramp = np.linspace(0.55, 1.1, face.box.width)[None, :, None]
    for pixels in (face.pixels, face.pixels * 0.5, face.pixels * ramp):
        seen = replace(noisy(face, 77), pixels=pixels.astype(np.uint8))
        assert not covered(seen, known).any()
        assert open_part(seen, known, face.box) is None


def test_a_picture_that_is_strange_all_over_says_nothing(face: FacePicture, known: Usual) -> None:
    static = np.random.default_rng(5).integers(0, 2, (40, 40)).astype(np.float32)
    blotches = cv2.resize(static, face.pixels.shape[1::-1], interpolation=cv2.INTER_NEAREST)[..., None]
    blotched = np.asarray(255 * blotches + (1 - blotches) * face.pixels * 0.1, np.uint8)
    assert not covered(replace(face, pixels=blotched), known).any()


def test_a_few_frames_do_not_tell_what_is_usual(face: FacePicture) -> None:
    assert usual([face] * (LEAST_FRAMES - 1)) is None
    assert open_part(face, None, face.box) is None


def test_an_edit_leaves_the_thing_alone_and_still_shows_beside_it(face: FacePicture) -> None:
    frames = [noisy(face, n) for n in range(20)]
    look = ENGINE.study(FaceTrack(1, 0, [f.face for f in frames]), lambda at: [frames[i] for i in at])
    hidden, there = with_disc(face, CHEEK, (40, 60, 170))
    masks = []
    for picture in (face, hidden):
        held = ENGINE.analyze(look, [picture])
        smile = Controls.of(1, smile_left=1, smile_right=1)
        patch = ENGINE.synthesize(look, [picture], held, ENGINE.retarget(held, smile))[0]
        assert patch is not None
        whole = np.zeros(there.shape, np.float32)
        rows = slice(patch.box.y0 - face.box.y0, patch.box.y1 - face.box.y0)
        columns = slice(patch.box.x0 - face.box.x0, patch.box.x1 - face.box.x0)
        whole[rows, columns] = patch.mask
        masks.append(whole)
    clean, kept = masks
    assert clean[there].mean() > 0.3
    assert kept[there].mean() < 0.05
    assert kept[~there].sum() > 0.6 * clean[~there].sum()
