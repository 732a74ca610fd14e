"""Finishing a face: noise and flicker fall and sharpness rises with their knobs, without halos, and only on the face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lp_editor import verbs
from lp_editor.effect import FINISHES
from lp_editor.face import FacePicture, FaceTrack
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.render.compositor import apply_patches
from lp_editor.render.finish import WINDOW, Finishing, Flicker, finished
from lp_editor.render.program import Settings
from lp_editor.timeline.model import ParamValue

STEPS = (0.0, 0.3, 0.6, 1.0)


def asked(face: FacePicture, gain: Any = None, **amounts: float) -> Finishing:
    return Finishing(face.face, {name: amounts.get(name, 0.0) for name in FINISHES}, gain)


def done(picture: Picture, finishing: Finishing) -> Picture:
    patch = finished(picture, finishing)
    return picture if patch is None else apply_patches(picture, [patch])


@pytest.fixture(scope="module")
def clean(frame: Picture) -> Picture:
    soft = cv2.GaussianBlur(frame.rgb_all(), (0, 0), 1.2)
    return Picture.of_rgb(np.asarray(soft, np.uint8), frame.format)


@pytest.fixture(scope="module")
def noisy(clean: Picture) -> Picture:
    grain = np.random.default_rng(3).normal(0, 7, clean.planes[0].shape)
    luma = clean.format.rounded(clean.planes[0] + grain)
    return replace(clean, planes=(luma, *clean.planes[1:]))


def inside(face: FacePicture) -> tuple[slice, slice]:
    """The middle of a face."""
    box = face.face.box
    return slice(box.y0 + box.height // 4, box.y1 - box.height // 4), slice(
        box.x0 + box.width // 4, box.x1 - box.width // 4
    )


def test_noise_falls_with_its_knob_and_edges_stay(clean: Picture, noisy: Picture, face: FacePicture) -> None:
    where = inside(face)
    wanted = clean.planes[0][where].astype(float)
    left = [float((done(noisy, asked(face, denoise=d)).planes[0][where] - wanted).std()) for d in STEPS]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.55 * left[0]


def test_sharpness_rises_with_its_knob_and_no_edge_gets_a_halo(clean: Picture, face: FacePicture) -> None:
    where = inside(face)

    def detail(picture: Picture) -> float:
        luma = picture.planes[0].astype(np.float32)
        return float((luma - cv2.GaussianBlur(luma, (0, 0), 2))[where].std())

    sharp = [detail(done(clean, asked(face, sharpen=s))) for s in STEPS]
    assert sharp == sorted(sharp)
    assert sharp[-1] > 1.25 * sharp[0]
    luma, out = (p.planes[0].astype(np.float32) for p in (clean, done(clean, asked(face, sharpen=1))))
    around = np.ones((9, 9), np.uint8)
    low, high = cv2.erode(luma, around), cv2.dilate(luma, around)
    beyond = np.maximum(out - high, low - out)
    assert beyond.max() <= 0.15 * (high - low).max() + 2
    assert (beyond > 0.2 * (high - low) + 2).sum() == 0


def test_nothing_outside_the_face_is_touched_and_nothing_asked_is_nothing_done(
    noisy: Picture, face: FacePicture
) -> None:
    assert finished(noisy, asked(face)) is None
    out = done(noisy, asked(face, np.array([1.1, 1.0, 0.9]), denoise=1, sharpen=1, deflicker=1))
    changed = np.any([out.planes[0] != noisy.planes[0]], axis=0)
    assert changed.any()
    box = face.face.box
    grown = 0.1 * box.width
    y, x = np.nonzero(changed)
    assert x.min() >= box.x0 - grown
    assert x.max() <= box.x1 + grown
    assert y.min() >= box.y0 - grown
    assert y.max() <= box.y1 + grown


def test_deep_footage_keeps_its_depth(frame: Picture, face: FacePicture) -> None:
    deep = VideoFormat(frame.format.width, frame.format.height, "yuv420p10le", frame.format.colour)
    ramp = Picture.of_rgb(frame.rgb_all(), deep)
    fine = np.random.default_rng(1).integers(0, 4, ramp.planes[0].shape).astype(ramp.planes[0].dtype)
    ramp = replace(ramp, planes=(ramp.planes[0] + fine, *ramp.planes[1:]))
    out = done(ramp, asked(face, sharpen=0.5)).planes[0][inside(face)]
    assert len(np.unique(out % 4)) == 4


class Flickering:
    """A film of one picture whose light flickers: the source of a test."""

    def __init__(self, picture: Picture, light: Sequence[float]) -> None:
        self._picture, self._light = picture, light

    def frames(self, wanted: Sequence[int]) -> Iterator[Picture]:
        for i in wanted:
            luma = self._picture.format.rounded((self._picture.planes[0].astype(float) - 16) * self._light[i] + 16)
            yield replace(self._picture, planes=(luma, *self._picture.planes[1:]))


def test_flicker_falls_with_its_knob_slow_light_stays_and_chunks_do_not_matter(
    clean: Picture, face: FacePicture
) -> None:
    count = 30
    slow = 1 + 0.004 * (np.arange(count) - 15)
    light = slow * np.random.default_rng(5).normal(1, 0.03, count)
    film: Any = Flickering(clean, light.tolist())
    track = FaceTrack(1, 0, [face.face] * count)
    gains = Flicker(track).gains(film, range(count))
    where = inside(face)

    def off(strength: float) -> float:
        shown = [
            done(p, asked(face, gains[i], deflicker=strength)).planes[0][where].mean() - 16
            for i, p in enumerate(film.frames(range(WINDOW, count - WINDOW)), WINDOW)
        ]
        bright = np.array(shown) / slow[WINDOW : count - WINDOW]
        return float(bright.std() / bright.mean())

    left = [off(s) for s in STEPS]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.5 * left[0]
    parts = Flicker(track)
    again = {**parts.gains(film, range(4)), **parts.gains(film, range(4, 17)), **parts.gains(film, range(17, count))}
    assert all(np.array_equal(gains[i], again[i]) for i in range(count))


def test_it_is_rendered_in_one_pass_with_a_smile_and_leaves_the_rest_to_the_bit(cut_file: Path) -> None:
    document = verbs.open_project(cut_file)
    sharp: dict[str, ParamValue] = {"sharpen": 1, "deflicker": 1, "ease": "0"}
    document = verbs.mark(document, "enhance", clip="opening", at="2f", length="6f", params=sharp).document
    smile: dict[str, ParamValue] = {"smile": 0.6, "ease": "0"}
    both = verbs.mark(document, "expression", clip="opening", at="2f", length="6f", params=smile).document
    made = {}
    for name, one in (("plain", verbs.open_project(cut_file)), ("sharp", document), ("both", both)):
        picture, filmed, _ = verbs.still(one, "01:00:00:05", Settings())
        made[name] = picture
        assert picture.equals(filmed) == (name == "plain")
    face_rows = made["plain"].planes[0] != made["sharp"].planes[0]
    assert 0 < face_rows.mean() < 0.2
    smiled = made["both"].planes[0] != made["sharp"].planes[0]
    assert smiled.any()
    kept = face_rows & ~smiled
    assert kept.mean() > 0.3 * face_rows.mean()  # brows and eyes are sharpened, and not moved
