"""Deliveries: what each takes, what is chosen unasked, and what is refused with a remedy."""

from fractions import Fraction as F
from pathlib import Path

import cv2
import numpy as np
import pytest
from films import EVERY, format_named, numbered

from lp_editor.errors import LpEditorError, OutputError
from lp_editor.media.codecs import Codec, Delivery, Mastering, check_delivery, delivered, profile_of
from lp_editor.media.layout import LAYOUTS, Colour, VideoFormat
from lp_editor.media.picture import Picture
from lp_editor.media.probe import probe
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.source import VideoSource


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"codec": Codec.PRORES, "profile": "ultra"}, "prores has no profile ultra: proxy, lt, 422, hq, 4444, 4444xq"),
        ({"codec": Codec.H264, "depth": 12}, "h264 has no depth 12: 8, 10"),
        ({"codec": Codec.FFV1, "depth": 10}, "ffv1 has no depth 10: none to choose"),
        ({"codec": Codec.H264, "quality": 52}, "quality runs from 0"),
        ({"codec": Codec.DNXHR, "quality": 10}, "dnxhr has no --quality"),
        ({"codec": Codec.PRORES, "profile": "hq", "alpha": True}, "holds no alpha"),
        ({"codec": Codec.H264, "sound": "mp3"}, "there is no sound mp3: pcm, aac, flac"),
    ],
)
def test_what_a_codec_does_not_have_is_refused_with_what_it_has(asked: dict[str, object], complaint: str) -> None:
    with pytest.raises(OutputError, match=complaint):
        Delivery(**asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "delivery", "complaint"),
    [
        ("a.mp4", Delivery(Codec.PRORES), "prores goes into MOV or MKV; name it a.mov"),
        ("a.mkv", Delivery(Codec.DNXHR), "dnxhr goes into MOV"),
        ("a.mov", Delivery(Codec.PNG), "png goes into PNG"),
        ("a.mov", Delivery(Codec.PRORES, sound="flac"), "MOV takes pcm or aac, not flac"),
        ("a", Delivery(Codec.H264), "a name without an end"),
    ],
)
def test_names_that_do_not_fit_are_refused(name: str, delivery: Delivery, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=complaint):
        check_delivery(tmp_path / name, delivery)


def test_sizes_that_do_not_fit_are_refused() -> None:
    small, odd = VideoFormat(200, 100, "yuv420p"), VideoFormat(901, 601, "yuv422p")
    with pytest.raises(OutputError, match="at least 256x120"):
        check_delivery(Path("a.mov"), Delivery(Codec.DNXHR), small)
    with pytest.raises(OutputError, match=r"H\.265 takes even sizes, not 901x601; use --format 900x600"):
        check_delivery(Path("a.mp4"), Delivery(Codec.HEVC), odd)
    check_delivery(Path("a.mkv"), Delivery(Codec.FFV1), odd)


@pytest.mark.parametrize(
    ("pix_fmt", "prores", "dnxhr"),
    [
        ("yuv420p", "hq", "hq"), ("yuv422p10le", "hq", "hqx"), ("yuv444p", "4444", "444"), ("gbrp12le", "4444", "444"),
        ("yuva420p", "4444", "444"), ("gray", "hq", "hq"),
    ],
)  # fmt: skip
def test_the_profile_that_loses_least_is_chosen(pix_fmt: str, prores: str, dnxhr: str) -> None:
    format = format_named(pix_fmt)
    assert profile_of(format, Delivery(Codec.PRORES)) == prores
    assert profile_of(format, Delivery(Codec.DNXHR)) == dnxhr


@pytest.mark.parametrize("codec", list(Codec))
def test_every_footage_goes_into_every_codec_or_is_told_where(codec: Codec, tmp_path: Path) -> None:
    for pix_fmt in EVERY:
        format = format_named(pix_fmt, 256, 128)
        try:
            taken = delivered(format, codec)
        except LpEditorError as error:
            assert codec is Codec.FFV1 and "use --codec exr" in str(error)  # noqa: PT017, PT018
            continue
        assert delivered(taken, codec) == taken
        assert codec in (Codec.H264, Codec.HEVC, Codec.DNXHR) or taken.depth >= min(format.depth, 10), pix_fmt
        if LAYOUTS[pix_fmt].depth in (8, 12):
            encode_chunk(tmp_path / "c", [numbered(3, format)], format, F(25), codec)


HDR = Mastering(
    ((F(17, 25), F(8, 25)), (F(53, 200), F(69, 100)), (F(3, 20), F(3, 50)), (F(3127, 10000), F(329, 1000))),
    F(1, 200), F(1000), (1000, 400),
)  # fmt: skip


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_mastering_metadata_goes_out_and_comes_back(codec: Codec, suffix: str, tmp_path: Path) -> None:
    format = VideoFormat(256, 144, "yuv420p10le", Colour(9, 9, 16))
    delivery = Delivery(codec, hdr=HDR)
    encode_chunk(tmp_path / "c", (numbered(n, format) for n in range(3)), format, F(24), delivery)
    join_chunks(tmp_path / f"v{suffix}", [tmp_path / "c"], [3], F(24), delivery)
    video = probe(tmp_path / f"v{suffix}").video
    assert video is not None
    assert video.hdr == HDR
    assert (video.format.colour.primaries, video.format.colour.transfer) == (9, 16)


def test_the_quickest_setting_holds_its_quality_from_lossless_down(tmp_path: Path) -> None:
    format = VideoFormat(320, 240, "yuv420p")
    random = np.random.default_rng(3)
    planes = [cv2.GaussianBlur(random.integers(0, 256, format.plane_shape(i), np.uint8), (0, 0), 2) for i in range(3)]
    pictures = [Picture(tuple(np.roll(p, 2 * n, 1) for p in planes), format) for n in range(12)]
    errors = {}
    for quality in (0, 1, 16, 30):
        delivery = Delivery(Codec.H264, quality=quality, speed="ultrafast")
        encode_chunk(tmp_path / "chunk", pictures, format, F(25), delivery)
        join_chunks(tmp_path / "film.mp4", [tmp_path / "chunk"], [len(pictures)], F(25), delivery)
        with VideoSource(tmp_path / "film.mp4") as source:
            read = list(source.frames(range(len(pictures))))
        gaps = [a.planes[0].astype(float) - b.planes[0] for a, b in zip(read, pictures, strict=True)]
        errors[quality] = max(float(np.mean(gap**2)) for gap in gaps)
    assert errors[0] == 0 < errors[1] < errors[16] < errors[30]
    assert errors[16] < 255**2 / 10**4.4  # 44 dB
