"""Patches in a frame's own planes."""

import films
import numpy as np
import pytest
from films import EVERY, format_named

from lp_editor.engine import FloatImage, Patch
from lp_editor.face import Box
from lp_editor.media.frames import from_frame
from lp_editor.media.picture import Colour, Picture, VideoFormat, to_frame
from lp_editor.render.compositor import apply_patches, matte
from lp_editor.render.morph import dissolve, morph


def noise(pix_fmt: str, width: int = 90, height: int = 62, seed: int = 1) -> Picture:
    """A picture of noise that keeps off both ends, so that bicubic does not ring into them."""
    return films.noise(format_named(pix_fmt, width, height), seed, 0.12, 0.86)


def patch(box: Box, **arrays: object) -> Patch:
    """A patch over a box with a mask of ones but for its border."""
    mask = np.zeros((box.height, box.width), np.float32)
    mask[1:-1, 1:-1] = 1
    return Patch(box, **{"mask": mask, **arrays})  # type: ignore[arg-type]


def flow(box: Box, x: float, y: float) -> FloatImage:
    return np.broadcast_to(np.array([x, y], np.float32), (box.height, box.width, 2)).copy()


BOX = Box(21, 13, 60, 47)


@pytest.mark.parametrize("pix_fmt", EVERY)
def test_no_flow_and_nothing_to_add_is_the_filmed_picture_to_the_bit(pix_fmt: str) -> None:
    picture = noise(pix_fmt)
    assert apply_patches(picture, [patch(BOX, flow=flow(BOX, 0.01, -0.01))]).equals(picture)
    tone = np.zeros((BOX.height, BOX.width, 3), np.float32)
    assert apply_patches(picture, [patch(BOX, tone=tone)]).equals(picture)


@pytest.mark.parametrize("pix_fmt", EVERY)
def test_nothing_changes_where_the_matte_is_zero_not_even_after_conversion_to_rgb(pix_fmt: str) -> None:
    picture = noise(pix_fmt)
    paint = np.full((BOX.height, BOX.width, 3), 250, np.float32)
    changed = patch(BOX, flow=flow(BOX, 4, -3), paint=paint, alpha=np.full((BOX.height, BOX.width), 0.5, np.float32))
    out = apply_patches(picture, [changed])
    still = matte([changed], picture.format) == 0
    assert still.any()
    assert not still.all()
    assert np.array_equal(out.planes[0][still], picture.planes[0][still])
    assert np.array_equal(out.rgb_all()[still], picture.rgb_all()[still])
    assert not np.array_equal(out.rgb_all(), picture.rgb_all())


def test_a_whole_pixel_flow_shows_what_lies_there() -> None:
    picture = noise("yuv444p")
    out = apply_patches(picture, [patch(BOX, flow=flow(BOX, 3, 2))])
    for before, after in zip(picture.planes, out.planes, strict=True):
        assert np.array_equal(after[20:40, 30:50], before[22:42, 33:53])


def test_chroma_moves_with_luma_when_it_is_subsampled() -> None:
    picture = noise("yuv420p")
    out = apply_patches(picture, [patch(BOX, flow=flow(BOX, 4, 2))])
    assert np.array_equal(out.planes[1][12:18, 16:22], picture.planes[1][13:19, 18:24])


def test_full_paint_shows_its_colour() -> None:
    format = VideoFormat(64, 48, "yuv420p", Colour(1, 1, 1))
    picture = Picture.black(format)
    box = Box(8, 8, 56, 40)
    paint = np.broadcast_to(np.array([200, 120, 60], np.float32), (32, 48, 3)).copy()
    out = apply_patches(picture, [patch(box, paint=paint, alpha=np.ones((32, 48), np.float32))])
    assert np.abs(out.rgb_all()[24, 32].astype(int) - [200, 120, 60]).max() <= 2


def test_tone_adds_light_in_the_footages_own_coding() -> None:
    format = VideoFormat(64, 48, "yuv420p", Colour(1, 1, 1))
    picture = Picture.of_rgb(np.full((48, 64, 3), 100, np.uint8), format)
    box = Box(8, 8, 56, 40)
    out = apply_patches(picture, [patch(box, tone=np.full((32, 48, 3), 20, np.float32))])
    assert np.abs(out.rgb_all()[24, 32].astype(int) - 120).max() <= 2
    assert np.array_equal(out.planes[1], picture.planes[1])  # grey light leaves colour alone


def test_a_patch_of_its_own_resolution_and_over_the_frames_edge_is_brought_to_the_frame() -> None:
    picture = noise("yuv420p")
    mask = np.ones((16, 16), np.float32)
    over = Patch(Box(-20, -10, 44, 30), mask, flow=np.ones((16, 16, 2), np.float32))
    out = apply_patches(picture, [over])
    assert not np.array_equal(out.planes[0][:20, :30], picture.planes[0][:20, :30])
    assert np.array_equal(out.planes[0][:, 46:], picture.planes[0][:, 46:])
    outside = Patch(Box(200, 200, 220, 220), np.ones((20, 20), np.float32), flow=flow(Box(0, 0, 20, 20), 1, 1))
    assert apply_patches(picture, [outside]).equals(picture)


def test_a_faint_mask_shows_in_the_matte() -> None:
    faint = Patch(
        BOX, np.full((BOX.height, BOX.width), 0.001, np.float32), tone=np.ones((BOX.height, BOX.width, 3), np.float32)
    )
    assert matte([faint], noise("yuv420p").format)[30, 30] == 1


def test_a_morph_is_exact_at_its_ends_and_between_them_in_the_middle() -> None:
    a, b = noise("yuv420p", seed=1), noise("yuv420p", seed=2)
    assert morph(a, b, 0.0).equals(a)
    assert morph(a, b, 1.0).equals(b)
    assert not morph(a, b, 0.5).equals(a)


def test_a_morph_of_one_picture_moved_lands_half_way_without_a_ghost() -> None:
    y, x = np.mgrid[0:120, 0:160]

    def blob(cx: int) -> Picture:
        level = (40 + 180 * np.exp(-(((x - cx) / 12) ** 2 + ((y - 60) / 12) ** 2))).astype(np.uint8)
        return Picture.grey(level)

    middle = morph(blob(72), blob(84), 0.5).planes[0]
    ghost = dissolve(blob(72), blob(84), 0.5).planes[0]
    wanted = blob(78).planes[0].astype(int)
    assert np.abs(middle - wanted).mean() < 0.5 * np.abs(ghost - wanted).mean()


def test_a_dissolve_is_the_weighted_mean_of_samples() -> None:
    a, b = noise("yuv420p", seed=1), noise("yuv420p", seed=2)
    out = dissolve(a, b, 0.25)
    wanted = np.rint(0.75 * a.planes[0].astype(float) + 0.25 * b.planes[0])
    assert np.abs(out.planes[0] - wanted).max() <= 1


def test_a_changed_picture_goes_to_its_encoder_without_a_copy_and_any_other_by_one() -> None:
    random = np.random.default_rng(0)
    format = VideoFormat(640, 480, "yuv420p")
    filmed = Picture(tuple(random.integers(0, 256, format.plane_shape(i), np.uint8) for i in range(3)), format)
    patch = Patch(Box(10, 10, 90, 90), np.ones((80, 80), np.float32), tone=np.full((80, 80, 3), 9, np.float32))
    changed = apply_patches(filmed, [patch])
    swapped = Picture((changed.planes[0], changed.planes[2], changed.planes[1]), format)
    for picture, shared in ((changed, True), (filmed, False), (swapped, False)):
        frame = to_frame(picture)
        assert from_frame(frame).equals(picture)
        memory = np.frombuffer(memoryview(frame.planes[0]), np.uint8)
        assert np.shares_memory(memory, picture.planes[0]) == shared
    frame = to_frame(changed)
    before = changed.planes[1].copy()
    del changed, swapped, picture
    apply_patches(filmed, [patch])  # which would take the frame's memory, were it free
    assert np.array_equal(from_frame(frame).planes[1], before)


def test_nobody_writes_into_a_decoders_frame() -> None:
    picture = from_frame(to_frame(Picture.black(VideoFormat(64, 48, "yuv420p"))))
    with pytest.raises(ValueError, match="read-only"):
        picture.planes[0][0, 0] = 1
