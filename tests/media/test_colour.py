"""No shift anywhere: bars and ramps through every format, depth, matrix and range; HDR brought to the eye and back."""

from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from films import EVERY, format_named
from numpy.typing import NDArray

from lp_editor.engine import Patch
from lp_editor.face import Box
from lp_editor.media.codecs import Codec, Delivery, delivered
from lp_editor.media.coding import display_curve
from lp_editor.media.layout import LAYOUTS, Colour, VideoFormat
from lp_editor.media.picture import Picture, recoded, to_frame
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.render.compositor import apply_patches

BARS = np.array(
    [
        (255, 255, 255),
        (235, 235, 16),
        (16, 235, 235),
        (16, 235, 16),
        (235, 16, 235),
        (235, 16, 16),
        (16, 16, 235),
        (0, 0, 0),
    ],
    np.uint8,
)


def bars(width: int = 128, height: int = 64) -> NDArray[np.uint8]:
    """Eight bars over a grey ramp."""
    image = np.repeat(np.repeat(BARS, width // 8, 0)[None], height, 0)
    image[height // 2 :] = (np.arange(width) * 255 // (width - 1)).astype(np.uint8)[None, :, None]
    return np.ascontiguousarray(image)


def inside(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The middle of every bar, and the ramp: off the edges, where chroma of half size cannot be exact."""
    parts = [image[4:28, i * 16 + 5 : i * 16 + 11].reshape(-1, 3) for i in range(8)] + [image[36:, :].reshape(-1, 3)]
    return np.concatenate(parts).astype(np.int64)


def formats(matrix: int, full: bool) -> list[VideoFormat]:
    return [
        VideoFormat(128, 64, name, Colour(0 if LAYOUTS[name].family == "rgb" else matrix, matrix, 1, full))
        for name in EVERY
        if LAYOUTS[name].family != "grey" and not LAYOUTS[name].floating
    ]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
def test_bars_and_ramps_look_the_same_in_every_format(matrix: int, full: bool) -> None:
    image = bars()
    for format in formats(matrix, full):
        picture = Picture.of_rgb(image, format)
        off = np.abs(inside(picture.rgb_all()) - inside(image))
        assert off.max() <= (2 if format.depth == 8 else 1), format
        assert abs((inside(picture.rgb_all()) - inside(image)).mean()) < 0.3, format


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_no_way_between_two_formats_shifts_a_colour(matrix: int, full: bool) -> None:
    image = bars()
    ways = formats(matrix, full)[::3]
    for have in ways:
        picture = Picture.of_rgb(image, have)
        for want in [*ways, *formats(1, not full)[::5]]:
            out = recoded(picture, want)
            off = inside(out.rgb_all()) - inside(picture.rgb_all())
            assert np.abs(off).max() <= 2, (have, want)
            assert np.abs(off.mean(0)).max() < 0.35, (have, want)


@pytest.mark.parametrize("kind", ["yuv420p", "yuv422p", "yuv444p"])
def test_more_bits_and_back_are_the_same_bits(kind: str) -> None:
    eight, twelve = format_named(kind), format_named(f"{kind}12le")
    random = np.random.default_rng(3)
    picture = Picture(tuple(random.integers(0, 256, eight.plane_shape(i)).astype(np.uint8) for i in range(3)), eight)
    wide = recoded(picture, twelve)
    assert np.array_equal(wide.planes[0], picture.planes[0].astype(np.uint16) << 4)  # studio range shifts
    assert recoded(wide, eight).equals(picture)


def test_codecs_of_every_kind_keep_bars_and_ramps() -> None:
    image = bars(256, 128)
    for name in ("yuv420p", "yuv422p10le", "yuv444p12le", "gbrp", "gbrp16le"):
        format = VideoFormat(256, 128, name, Colour(0 if name.startswith("g") else 1, 1, 1))
        picture = Picture.of_rgb(image, format)
        for codec in (Codec.H264, Codec.HEVC, Codec.PRORES, Codec.DNXHR, Codec.FFV1, Codec.PNG, Codec.EXR):
            taken = recoded(picture, delivered(format, Delivery(codec)))
            shown = taken.code_values(Box(0, 0, 256, 128)) * 255  # an EXR of code values is not light
            middle = np.abs(shown - picture.rgb_all())[8:56, 8:24]
            assert middle.max() <= 2.5, (name, codec)
            off = shown[72:] - picture.rgb_all()[72:]
            assert np.abs(off).max() <= 2.5, (name, codec)
            assert abs(off.mean()) < 0.35, (name, codec)


DELIVERIES = [
    Delivery(Codec.H264, quality=4),
    Delivery(Codec.H264, quality=4, depth=10),
    Delivery(Codec.HEVC, quality=4),
    *(Delivery(Codec.PRORES, profile) for profile in ("hq", "4444")),
    *(Delivery(Codec.DNXHR, profile) for profile in ("hq", "hqx", "444")),
    Delivery(Codec.FFV1),
]


@pytest.mark.parametrize("delivery", DELIVERIES, ids=lambda d: f"{d.codec.value}{d.profile}{d.depth or ''}")
@pytest.mark.parametrize(("pix_fmt", "matrix"), [("yuv422p", 5), ("yuv444p10le", 9), ("gbrp", 0), ("yuv420p12le", 1)])
def test_bars_and_ramps_come_back_from_every_codec(
    delivery: Delivery, pix_fmt: str, matrix: int, tmp_path: Path
) -> None:
    image = bars(256, 128)
    format = VideoFormat(256, 128, pix_fmt, Colour(matrix, 1, 1))
    picture = Picture.of_rgb(image, format)
    encode_chunk(tmp_path / "c", [picture], format, F(25), delivery)
    output = tmp_path / f"v{delivery.codec.suffix}"
    join_chunks(output, [tmp_path / "c"], [1], F(25), delivery)
    with VideoSource(output) as source:
        shown = source.picture(0).rgb_all().astype(int)
    for i in range(8):
        bar = (slice(12, 52), slice(i * 32 + 12, i * 32 + 20))
        assert np.abs((shown - picture.rgb_all())[bar].mean((0, 1))).max() <= 1.2
    ramp = (shown - picture.rgb_all())[76:]
    assert np.abs(ramp.mean((0, 1))).max() <= 0.6
    assert np.abs(ramp).max() <= 6


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv444p10le", "yuv420p"])
def test_ffmpeg_sees_the_same_colours(matrix: int, full: bool, pix_fmt: str) -> None:
    image = bars()
    picture = Picture.of_rgb(image, VideoFormat(128, 64, pix_fmt, Colour(matrix, full_range=full)))
    theirs = to_frame(picture).reformat(
        format="rgb24", src_colorspace=matrix, src_color_range=2 if full else 1, dst_color_range=2
    )
    assert np.abs(inside(np.asarray(theirs.to_ndarray(), np.uint8)) - inside(image)).max() <= 4


def of_code(level: float, format: VideoFormat) -> Picture:
    """A grey picture of one code value, 0..1."""
    black, span, _ = format.ranges
    planes = [format.rounded(np.full(format.plane_shape(0), black + level * span))]
    planes += [format.rounded(np.full(format.plane_shape(i), format.grey_chroma)) for i in (1, 2)]
    return Picture(tuple(planes), format)


PQ = VideoFormat(64, 48, "yuv420p10le", Colour(9, 9, 16))
HLG = VideoFormat(64, 48, "yuv420p10le", Colour(9, 9, 18))
EXR = VideoFormat(64, 48, "gbrpf32le", Colour(0, 1, 8, True))


def test_the_engines_see_pq_as_bright_as_people_do_and_hlg_and_log_as_they_are() -> None:
    white = int(of_code(0.5806, PQ).rgb_all()[5, 5, 1])  # 203 cd/m², diffuse white
    skin = int(of_code(0.44, PQ).rgb_all()[5, 5, 1])  # 50 cd/m²
    assert 215 <= white <= 245
    assert 110 <= skin <= 150
    assert abs(int(of_code(0.75, HLG).rgb_all()[5, 5, 1]) - 191) <= 1
    levels = [int(of_code(c, PQ).rgb_all()[5, 5, 0]) for c in np.linspace(0, 1, 60)]
    assert levels == sorted(levels)


@pytest.mark.parametrize("format", [PQ, EXR], ids=["pq", "linear"])
def test_paint_and_tone_land_in_the_footages_own_coding(format: VideoFormat) -> None:
    picture = of_code(0.3, format) if format is PQ else Picture(
        tuple(np.full((48, 64), 0.2, np.float32) for _ in range(3)), format
    )  # fmt: skip
    box, ones = Box(8, 8, 56, 40), np.ones((32, 48), np.float32)
    wanted = np.broadcast_to(np.array([200, 120, 60], np.float32), (32, 48, 3)).copy()
    out = apply_patches(picture, [Patch(box, ones, paint=wanted, alpha=ones)])
    assert np.abs(out.rgb_all()[24, 32].astype(int) - [200, 120, 60]).max() <= 3
    lit = apply_patches(picture, [Patch(box, ones, tone=np.full((32, 48, 3), 30, np.float32))])
    change = lit.rgb_all()[24, 32].astype(int) - picture.rgb_all()[24, 32]
    assert np.abs(change - 30).max() <= 2
    assert np.array_equal(lit.planes[0][:8], picture.planes[0][:8])


def test_light_brighter_than_white_is_kept_where_nothing_is_painted() -> None:
    bright = Picture(tuple(np.full((48, 64), 7.5, np.float32) for _ in range(3)), EXR)
    ones = np.ones((32, 48), np.float32)
    moved = apply_patches(bright, [Patch(Box(8, 8, 56, 40), ones, flow=np.full((32, 48, 2), 2.0, np.float32))])
    assert np.allclose(moved.planes[0], 7.5)
    assert display_curve(EXR) is not None


@pytest.mark.parametrize("kind", ["yuv420p", "yuv422p", "yuv411p", "yuv420p10le"])
def test_chroma_between_its_samples_is_the_same_however_much_of_the_picture_is_asked_for(kind: str) -> None:
    format = VideoFormat(70, 46, kind, Colour(1))
    random = np.random.default_rng(5)
    planes = [np.full(format.plane_shape(0), format.peak // 2, format.layout.dtype)]
    planes += [random.integers(0, format.peak, format.plane_shape(i)).astype(format.layout.dtype) for i in (1, 2)]
    picture = Picture(tuple(planes), format)
    whole = picture.rgb_all()
    for box in (Box(0, 0, 70, 46), Box(1, 1, 2, 2), Box(3, 2, 30, 45), Box(36, 11, 70, 46), Box(69, 45, 70, 46)):
        assert np.array_equal(picture.rgb(box), whole[box.y0 : box.y1, box.x0 : box.x1])
    at = np.arange(70) / format.subsampling[0]  # left-sited across; centred down
    down = np.clip((np.arange(46) + 0.5) / format.subsampling[1] - 0.5, 0, len(planes[1]) - 1)
    columns = [np.interp(down, np.arange(len(planes[1])), c) for c in planes[1].T.astype(float)]
    exact = [np.interp(at, np.arange(len(columns)), row) for row in np.stack(columns, 1)]
    grey = Picture((planes[0], planes[1], np.full_like(planes[2], format.grey_chroma)), format).code_values(
        Box(0, 0, 70, 46)
    )
    seen = (grey[..., 2] - grey[..., 0]) / 1.8556  # blue less red is Pb of the second plane alone (BT.709)
    assert np.abs(seen * 224 / 255 * format.peak + format.grey_chroma - exact).max() <= 2.5 * format.peak / 255
