"""Whatever comes in: codecs, depths, layouts, orientations, starts; every sample the number it was coded with."""

from fractions import Fraction as F
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import format_named, noise, number_of, numbered
from PIL import Image as Pillow

from lp_editor.errors import MediaError
from lp_editor.media.codecs import Mastering
from lp_editor.media.frames import EXIF, PACKED, Turn, from_frame, packed
from lp_editor.media.layout import LAYOUTS, Colour, VideoFormat, named
from lp_editor.media.picture import Picture, to_frame
from lp_editor.media.probe import probe
from lp_editor.media.source import VideoSource

CODECS = [
    ("libx264", "yuv420p", ".mp4"),
    ("libx264", "yuv422p10le", ".mov"),
    ("libx265", "yuv420p10le", ".mp4"),
    ("libx265", "yuv444p12le", ".mkv"),
    ("prores_ks", "yuv422p10le", ".mov"),
    ("prores_ks", "yuva444p10le", ".mov"),
    ("dnxhd", "yuv422p", ".mov"),
    ("dnxhd", "yuv422p10le", ".mov"),
    ("mjpeg", "yuvj422p", ".mov"),
    ("mjpeg", "yuvj420p", ".avi"),
    ("libvpx-vp9", "yuv420p", ".mkv"),
    ("libsvtav1", "yuv420p10le", ".mp4"),
    ("ffv1", "gbrp12le", ".mkv"),
    ("v210", "yuv422p10le", ".mov"),
]
OPTIONS = {
    "libx264": {"bf": "3", "g": "12", "crf": "8"},
    "libx265": {"x265-params": "log-level=error:keyint=12:pools=none", "crf": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "b": "4M"},
    "libsvtav1": {"preset": "12", "crf": "10"},
    "dnxhd": {"profile": "dnxhr_hq"},
}


def film(path: Path, encoder: str, pix_fmt: str, count: int = 30, **more: str) -> Path:
    """A film of numbered pictures in some codec."""
    plain = pix_fmt.replace("yuvj", "yuv")
    format = VideoFormat(256, 128, plain, Colour(1, 1, 1, pix_fmt != plain))
    options = {**OPTIONS.get(encoder, {}), **more}
    if encoder == "dnxhd" and "10" in pix_fmt:
        options["profile"] = "dnxhr_hqx"
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(encoder, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 256, 128, pix_fmt
        for i in range(count):
            frame: Any = to_frame(numbered(i, format))
            frame = frame if pix_fmt == plain else frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = i, F(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("encoder", "pix_fmt", "suffix"), CODECS)
def test_every_codec_is_read_frame_by_frame_in_its_own_depth(
    encoder: str, pix_fmt: str, suffix: str, tmp_path: Path
) -> None:
    with VideoSource(film(tmp_path / f"v{suffix}", encoder, pix_fmt)) as source:
        assert (source.video.count, source.video.rate, source.video.variable) == (30, F(25), False)
        wanted = LAYOUTS[pix_fmt.replace("yuvj", "yuv")]
        have = source.video.format.layout
        # FFmpeg decodes ProRes 4444 to 12 bit whatever it was made of
        assert have == wanted or (encoder, have.depth, have.planes) == ("prores_ks", 12, wanted.planes)
        order = [0, 7, 29, 13, 12, 11, 28, 5]
        assert [number_of(source.picture(i)) for i in order] == order


@pytest.mark.parametrize("layout", sorted(n for n in PACKED if n[0] in "rb" and "-" not in PACKED[n][1]))
def test_packed_rgb_is_taken_apart_without_a_change(layout: str) -> None:
    kind, order = PACKED[layout]
    held = named("gbrap" if "A" in order else "gbrp", 8 if kind == "u1" else 16)
    picture = noise(format_named(held, 61, 37))
    assert from_frame(packed(picture, layout)).equals(picture)


@pytest.mark.parametrize(
    ("layout", "held"), [("nv12", "yuv420p"), ("p010le", "yuv420p10le"), ("p210le", "yuv422p10le")]
)
def test_half_planar_layouts_are_taken_apart_without_a_change(layout: str, held: str) -> None:
    picture = noise(format_named(held, 64, 48))
    assert from_frame(to_frame(picture).reformat(format=layout)).equals(picture)


@pytest.mark.parametrize("held", ["gbrp12le", "yuv422p10le", "gray16le"])
def test_big_endian_samples_are_swapped(held: str) -> None:
    picture = noise(format_named(held, 64, 48))
    theirs = to_frame(picture).reformat(format=held.replace("le", "be"))
    assert all(np.array_equal(a, b) for a, b in zip(from_frame(theirs).planes, picture.planes, strict=True))


@pytest.mark.parametrize(
    ("name", "save"), [("s.jpg", {"quality": 98}), ("s.tiff", {}), ("s.png", {}), ("s.webp", {"lossless": True})]
)
@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 2, 5])
def test_stills_stand_upright_by_their_exif(name: str, save: dict[str, Any], orientation: int, tmp_path: Path) -> None:
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20, :30], upright[20:, 30:] = (220, 40, 40), (40, 200, 60)
    turn = EXIF.get(orientation, Turn())
    stored = np.rot90(upright, turn.quarters)  # the other way round, back to how it lies in the file
    stored = stored[:, ::-1] if turn.mirrored else stored
    exif = Pillow.Exif()
    exif[274] = orientation
    Pillow.fromarray(np.ascontiguousarray(stored)).save(tmp_path / name, exif=exif.tobytes(), **save)
    with VideoSource(tmp_path / name) as source:
        assert source.video.count == 1
        read = source.picture(0).rgb_all().astype(int)
    assert read.shape == upright.shape
    assert np.abs(read - upright)[5:15, 5:25].max() <= 12
    assert np.abs(read - upright)[25:35, 35:55].max() <= 12


@pytest.mark.parametrize("suffix", [".tiff", ".png", ".dpx", ".exr"])
def test_deep_stills_keep_their_depth(suffix: str, tmp_path: Path) -> None:
    held, layout, codec = {
        ".tiff": ("gbrp16le", "rgb48le", "tiff"), ".png": ("gbrp16le", "rgb48be", "png"),
        ".dpx": ("gbrp10le", "gbrp10le", "dpx"), ".exr": ("gbrpf32le", "gbrpf32le", "exr"),
    }[suffix]  # fmt: skip
    picture = noise(format_named(held, 64, 48))
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt, context.time_base = 64, 48, layout, F(1, 25)
    frame = packed(picture, layout) if layout in PACKED else to_frame(picture)
    (tmp_path / f"s{suffix}").write_bytes(b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)]))
    with VideoSource(tmp_path / f"s{suffix}") as source:
        read = source.picture(0)
        assert read.format.pix_fmt == held
        assert all(np.array_equal(a, b) for a, b in zip(read.planes, picture.planes, strict=True))
        assert np.array_equal(read.rgb_all(), Picture(picture.planes, read.format).rgb_all())


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p"])
def test_a_film_stored_on_its_side_is_read_upright(quarters: int, pix_fmt: str, tmp_path: Path) -> None:
    path = film(tmp_path / "flat.mp4", "libx264", pix_fmt, 5)
    with VideoSource(path) as source:
        stored = source.picture(3)
    turned_file(path, tmp_path / "turned.mp4", quarters)
    with VideoSource(tmp_path / "turned.mp4") as source:
        read = source.picture(3)
    wanted = [np.rot90(p, -quarters) for p in stored.planes]
    assert all(np.array_equal(a, b) for a, b in zip(read.planes, wanted, strict=True))
    assert read.rgb_all().shape == np.rot90(stored.rgb_all(), -quarters).shape
    if pix_fmt == "yuv422p" and quarters != 2:
        assert read.format.pix_fmt == "yuv440p"


def turned_file(path: Path, out: Path, quarters: int) -> None:
    """Write a rotation into the track header of an MP4: the display matrix, 16.16 numbers."""
    content = bytearray(path.read_bytes())
    one = 1 << 16
    matrix = {1: (0, one, -one, 0), 2: (-one, 0, 0, -one), 3: (0, -one, one, 0)}[quarters]
    a, b, c, d = matrix
    values = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = np.array(values, ">i4").tobytes()
    out.write_bytes(bytes(content))


def test_interlaced_film_is_refused_and_told_what_to_do(tmp_path: Path) -> None:
    path = film(tmp_path / "i.mov", "libx264", "yuv420p", 5, **{"x264-params": "interlaced=1"})
    with pytest.raises(MediaError, match=r"i\.mov is interlaced; deinterlace"):
        probe(path)


def test_a_stream_cut_from_the_middle_starts_at_its_first_key_frame(tmp_path: Path) -> None:
    path = film(
        tmp_path / "v.mkv",
        "libx264",
        "yuv420p",
        40,
        **{"x264-params": "open-gop=1:keyint=12:min-keyint=12:repeat-headers=1"},
    )
    with av.open(str(path)) as whole, av.open(str(tmp_path / "cut.ts"), "w") as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(whole.demux(whole.streams.video[0])):
            if packet.dts is not None and number >= 5:
                packet.stream = stream
                cut.mux(packet)
    with VideoSource(tmp_path / "cut.ts") as source:
        numbers = [number_of(source.picture(i)) for i in range(source.video.count)]
        assert numbers == list(range(numbers[0], 40))
        assert numbers[0] == 12
        again = [number_of(source.picture(i)) for i in (20, 3, 0, 13, 12, 11)]
    assert again == [32, 15, 12, 25, 24, 23]


def test_an_edit_list_hides_what_it_cuts_away(tmp_path: Path) -> None:
    path = film(tmp_path / "v.mp4", "libx264", "yuv420p", 30)
    with av.open(str(path)) as whole, av.open(str(tmp_path / "cut.mp4"), "w") as cut:
        source_stream = whole.streams.video[0]
        stream = cut.add_stream_from_template(source_stream)
        base = source_stream.time_base
        assert base is not None
        shift = round(F(5, 25) / base)
        for packet in whole.demux(source_stream):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = stream
                cut.mux(packet)
    with VideoSource(tmp_path / "cut.mp4") as source:
        numbers = [number_of(source.picture(i)) for i in range(source.video.count)]
    assert numbers == list(range(5, 30))


def test_camera_raw_is_named(tmp_path: Path) -> None:
    (tmp_path / "A001.braw").write_bytes(b"not ours to read" * 9)
    with pytest.raises(MediaError, match=r"A001\.braw is Blackmagic RAW"):
        probe(tmp_path / "A001.braw")


def test_mastering_metadata_is_read(tmp_path: Path) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    params = f"log-level=error:pools=none:hdr10=1:master-display={display}:max-cll=1000,400"
    path = film(tmp_path / "h.mp4", "libx265", "yuv420p10le", 3, **{"x265-params": params})
    video = probe(path).video
    assert video is not None
    red, green, blue, white = (
        (F(17, 25), F(8, 25)),
        (F(53, 200), F(69, 100)),
        (F(3, 20), F(3, 50)),
        (F(3127, 10000), F(329, 1000)),
    )
    assert video.hdr == Mastering((red, green, blue, white), F(1, 200), F(1000), (1000, 400))


def test_pixel_aspect_is_kept_and_turns_with_the_picture(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as file:
        stream: Any = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 144, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = F(16, 15)
        frame = to_frame(Picture.black(VideoFormat(144, 96, "yuv420p")))
        frame.pts = 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    turned_file(tmp_path / "v.mp4", tmp_path / "t.mp4", 1)
    for name, aspect in (("v.mp4", F(16, 15)), ("t.mp4", F(15, 16))):
        video = probe(tmp_path / name).video
        assert video is not None
        assert video.format.sample_aspect == aspect
        with VideoSource(tmp_path / name) as source:
            assert source.picture(0).format == video.format
