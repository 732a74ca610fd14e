"""Media in and out: exact to the frame and to the sample, lossless where it says so, whole or not at all."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from time import sleep

import av
import cv2
import films
import numpy as np
import pytest
from films import EVERY, format_named, noise, number_of
from numpy.typing import NDArray

from lp_editor.errors import MediaError, OutputError
from lp_editor.face import Box
from lp_editor.media.codecs import FFV1_TAKES, Codec, Delivery
from lp_editor.media.frames import from_frame
from lp_editor.media.picture import Colour, Picture, VideoFormat, fit, to_frame
from lp_editor.media.probe import probe
from lp_editor.media.sink import EncodedSound, Slate, SoundTrack, encode_chunk, encoding, join_chunks, write_still
from lp_editor.media.sound import SoundSource
from lp_editor.media.source import VideoSource

SIZE = VideoFormat(160, 96, "yuv420p", Colour(1, 1, 1))


def numbered(number: int, format: VideoFormat = SIZE) -> Picture:
    return films.numbered(number, format)


def long_gop(
    path: Path, numbers: Sequence[int], rate: F, pts: Sequence[int] | None = None, time_base: F | None = None
) -> Path:
    """An H.264 file with B-frames and key frames far apart; ``pts`` in ``time_base`` for variable rates."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate, options={"bf": "3", "g": "90", "preset": "fast", "crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        if time_base:
            stream.codec_context.time_base = time_base
        for i, number in enumerate(numbers):
            frame = to_frame(numbered(number))
            frame.pts, frame.time_base = (pts[i], time_base) if pts and time_base else (i, 1 / rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("rate", [F(25), F(24000, 1001), F(30000, 1001)])
def test_every_frame_is_found_in_any_order(suffix: str, rate: F, tmp_path: Path) -> None:
    path = long_gop(tmp_path / f"v{suffix}", range(220), rate)
    with VideoSource(path) as source:
        assert (source.video.count, source.video.rate, source.video.variable) == (220, rate, False)
        order = [0, 5, 6, 7, 100, 101, 3, 219, 180, 181, 181, 89, 90, 91, 0]
        assert [number_of(source.picture(i)) for i in order] == order
        assert [number_of(p) for p in source.frames([10, 10, 12, 150, 151])] == [10, 10, 12, 150, 151]


def test_variable_rates_go_by_timestamps(tmp_path: Path) -> None:
    pts = [0, 40, 80, 200, 240, 500, 510, 900]
    path = long_gop(tmp_path / "v.mkv", range(8), F(25), pts, F(1, 1000))
    with VideoSource(path) as source:
        assert source.video.variable
        shown = [source.video.frame_at(F(ms, 1000)) for ms in (0, 39, 40, 199, 200, 499, 505, 899, 2000, -5)]
        assert shown == [0, 0, 1, 2, 3, 4, 5, 6, 7, 0]
        assert number_of(source.picture(5)) == 5
        assert source.time_of(5) == F(1, 2)


def test_frames_of_a_constant_rate_are_counted_exactly_even_in_millisecond_files(tmp_path: Path) -> None:
    rate = F(30000, 1001)
    with VideoSource(long_gop(tmp_path / "v.mkv", range(100), rate)) as source:
        assert [source.video.frame_at(n / rate) for n in range(100)] == list(range(100))
        assert [source.video.frame_at(n / rate - F(1, 10**6)) for n in range(1, 100)] == list(range(99))


@pytest.mark.parametrize("pix_fmt", sorted(FFV1_TAKES))
def test_ffv1_gives_back_every_sample(pix_fmt: str, tmp_path: Path) -> None:
    format = format_named(pix_fmt)
    pictures = [noise(format, seed) for seed in range(3)]
    encode_chunk(tmp_path / "c", pictures, format, F(25), Codec.FFV1)
    join_chunks(tmp_path / "v.mkv", [tmp_path / "c"], [3], F(25), Codec.FFV1)
    with VideoSource(tmp_path / "v.mkv") as source:
        for i, picture in enumerate(pictures):
            read = source.picture(i)
            assert read.format.pix_fmt == pix_fmt
            assert all(np.array_equal(a, b) for a, b in zip(read.planes, picture.planes, strict=True))


def chunks(folder: Path, rate: F, codec: Codec, counts: Sequence[int]) -> list[Path]:
    paths, start = [], 0
    for i, count in enumerate(counts):
        paths.append(folder / f"chunk{i}")
        encode_chunk(paths[-1], (numbered(n) for n in range(start, start + count)), SIZE, rate, codec)
        start += count
    return paths


@pytest.mark.parametrize("rate", [F(25), F(24000, 1001)])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        (Codec.H264, ".mp4"),
        (Codec.H264, ".mkv"),
        (Codec.H264, ".mov"),
        (Codec.HEVC, ".mp4"),
        (Codec.HEVC, ".mkv"),
        (Codec.PRORES, ".mov"),
        (Codec.FFV1, ".mkv"),
    ],
)
def test_chunks_of_any_length_join_into_one_running_film(rate: F, codec: Codec, suffix: str, tmp_path: Path) -> None:
    counts = [48, 1, 2, 48, 7]
    output = tmp_path / f"v{suffix}"
    join_chunks(output, chunks(tmp_path, rate, codec, counts), counts, rate, codec)
    with VideoSource(output) as source:
        assert (source.video.count, source.video.rate, source.video.variable) == (106, rate, False)
        assert [number_of(p) for p in source.frames(range(106))] == list(range(106))
        assert source.video.format.colour == SIZE.colour
        assert source.video.times[0] == 0
    with av.open(str(output)) as file:
        decoding = [p.dts for p in file.demux(file.streams.video[0]) if p.dts is not None]
    assert decoding == sorted(set(decoding))


def test_equal_pictures_give_equal_bytes_whenever_they_are_made(tmp_path: Path) -> None:
    size = replace(SIZE, width=256, height=144)
    made: dict[Codec, set[bytes]] = {codec: set() for codec in Codec}
    for attempt in range(8):
        for codec in Codec:
            encode_chunk(tmp_path / "c", (numbered(n, size) for n in range(10)), size, F(25), codec)
            made[codec].add((tmp_path / "c").read_bytes())
        sleep(1.1 if attempt == 0 else 0)  # a date would show
    assert {codec: len(files) for codec, files in made.items()} == dict.fromkeys(Codec, 1)


def click(rate: int, seconds: float, at: int, channels: int = 2) -> NDArray[np.float64]:
    """Quiet noise with a click at one sample."""
    out = np.random.default_rng(2).normal(0, 0.01, (int(rate * seconds), channels))
    out[at] = 0.9
    return out


def blocks(samples: NDArray[np.float64], size: int = 7001) -> Iterator[NDArray[np.float64]]:
    return (samples[i : i + size] for i in range(0, len(samples), size))


@pytest.mark.parametrize(("kind", "scale"), [("s16", 2**15), ("s32", 2**31), ("flt", None), ("u8", 2**7)])
def test_pcm_is_written_and_read_without_a_rounding(kind: str, scale: int | None, tmp_path: Path) -> None:
    samples = np.clip(click(44100, 1.0, 30000), -0.99, 0.99)
    samples = np.rint(samples * scale) / scale if scale else samples.astype(np.float32).astype(np.float64)
    (chunk,) = chunks(tmp_path, F(25), Codec.FFV1, [25])
    track = SoundTrack(44100, 2, kind, blocks(samples))
    join_chunks(tmp_path / "v.mkv", [chunk], [25], F(25), Codec.FFV1, track)
    with SoundSource(tmp_path / "v.mkv") as source:
        assert source.info.sample_format == kind
        assert np.array_equal(source.read(0, 44100), samples)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_aac_keeps_a_click_in_step_with_the_picture(suffix: str, tmp_path: Path) -> None:
    samples = click(48000, 2.0, 60000)
    (chunk,) = chunks(tmp_path, F(25), Codec.H264, [50])
    join_chunks(tmp_path / f"v{suffix}", [chunk], [50], F(25), Codec.H264, SoundTrack(48000, 2, "flt", blocks(samples)))
    with SoundSource(tmp_path / f"v{suffix}") as source:
        heard = source.read(0, 96000)
    assert abs(int(np.abs(heard[:, 0]).argmax()) - 60000) <= 48  # one millisecond: the tick of MKV


@pytest.mark.parametrize(("name", "sound"), [("v.mp4", "aac"), ("v.mov", "pcm"), ("v.mkv", "aac"), ("v.mkv", "flac")])
def test_sound_encoded_before_its_file_is_open_gives_the_same_file(name: str, sound: str, tmp_path: Path) -> None:
    (chunk,) = chunks(tmp_path, F(25), Codec.H264, [50])
    samples = np.random.default_rng(0).normal(0, 0.1, (96000, 2))
    delivery = Delivery(Codec.H264, sound=sound)
    (tmp_path / "early").mkdir()
    outputs = [tmp_path / name, tmp_path / "early" / name]
    join_chunks(outputs[0], [chunk], [50], F(25), delivery, SoundTrack(48000, 2, "flt", blocks(samples)))
    with encoding(SoundTrack(48000, 2, "flt", blocks(samples)), outputs[1], delivery) as encoded:
        packets = list(encoded.packets)
        join_chunks(outputs[1], [chunk], [50], F(25), delivery, EncodedSound(encoded.stream, iter(packets)))
    assert len(packets) > 1
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_sound_is_the_same_after_any_seek(tmp_path: Path) -> None:
    samples = click(48000, 4.0, 100000)
    (chunk,) = chunks(tmp_path, F(25), Codec.H264, [100])
    join_chunks(tmp_path / "v.mp4", [chunk], [100], F(25), Codec.H264, SoundTrack(48000, 2, "flt", blocks(samples)))
    with SoundSource(tmp_path / "v.mp4") as source:
        whole = source.read(0, 192000)
        for start in (150000, 20, 99990, 48000, 180000, 0):
            assert np.array_equal(source.read(start, 5000), whole[start : start + 5000])
        assert not source.read(-2000, 1500).any()
        assert not source.read(400000, 100).any()
        assert np.array_equal(source.read(-100, 300)[100:], whole[:200])


def test_full_scale_is_held_not_wrapped(tmp_path: Path) -> None:
    (chunk,) = chunks(tmp_path, F(25), Codec.FFV1, [25])
    loud = np.full((48000, 1), 1.7)
    join_chunks(tmp_path / "v.mkv", [chunk], [25], F(25), Codec.FFV1, SoundTrack(48000, 1, "s16", blocks(loud)))
    with SoundSource(tmp_path / "v.mkv") as source:
        assert source.read(100, 10)[:, 0].min() > 0.999


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("full", [False, True])
def test_rgb_and_back_is_the_same_colour(matrix: int, full: bool) -> None:
    random = np.random.default_rng(4)
    patches = random.integers(0, 256, (6, 10, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    format = VideoFormat(80, 48, "yuv444p", Colour(matrix, full_range=full))
    assert np.abs(Picture.of_rgb(patches, format).rgb_all().astype(int) - patches).max() <= 2
    theirs = to_frame(Picture.of_rgb(patches, format)).reformat(
        format="rgb24", src_colorspace={1: 1, 5: 5, 9: 9}[matrix], src_color_range=2 if full else 1, dst_color_range=2
    )
    assert np.abs(theirs.to_ndarray().astype(int) - patches).max() <= 4


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "gray"])
def test_rgb_of_a_box_is_the_crop_of_the_whole(pix_fmt: str) -> None:
    picture = Picture.of_rgb(
        np.random.default_rng(4).integers(0, 256, (62, 90, 3)).astype(np.uint8), VideoFormat(90, 62, pix_fmt)
    )
    whole = picture.rgb_all()
    for box in (Box(0, 0, 90, 62), Box(13, 7, 40, 33), Box(89, 61, 90, 62), Box(0, 30, 5, 62)):
        assert np.array_equal(picture.rgb(box), whole[box.y0 : box.y1, box.x0 : box.x1])


@pytest.mark.parametrize("pix_fmt", EVERY)
def test_frames_survive_the_library_and_back(pix_fmt: str) -> None:
    picture = noise(format_named(pix_fmt, 91, 63))
    assert from_frame(to_frame(picture)).equals(picture)


def test_fitting_keeps_the_shape_and_centres() -> None:
    bright = Picture.of_rgb(np.full((90, 160, 3), 200, np.uint8), VideoFormat(160, 90, "yuv420p"))
    out = fit(bright, VideoFormat(120, 120, "yuv444p"))
    rows = np.flatnonzero(out.planes[0][:, 60] > 100)
    assert (out.planes[0].shape, out.format.pix_fmt) == ((120, 120), "yuv444p")
    assert abs(len(rows) - 67) <= 2
    assert abs(rows[0] + rows[-1] - 119) <= 2
    assert fit(out, out.format) is out


def test_stills_are_one_frame_films(tmp_path: Path) -> None:
    image = np.random.default_rng(6).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    smooth = cv2.GaussianBlur(image, (0, 0), 5)
    for name, content, error in (("s.png", image, 2), ("s.jpg", smooth, 12)):
        write_still(tmp_path / name, np.asarray(content, np.uint8))
        with VideoSource(tmp_path / name) as source:
            assert source.video.count == 1
            assert [source.video.frame_at(F(0)), source.video.frame_at(F(7))] == [0, 0]
            for picture in source.frames([0, 0]):
                assert np.abs(picture.rgb_all().astype(int) - content).max() <= error


def test_a_timecode_tag_is_read(tmp_path: Path) -> None:
    path = long_gop(tmp_path / "a.mp4", range(5), F(25))
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mov"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.metadata["timecode"] = "10:00:00:05"
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert probe(tmp_path / "b.mov").timecode == 36000 + F(1, 5)
    assert probe(path).timecode is None


def test_the_identity_travels_with_the_content_not_with_the_name(tmp_path: Path) -> None:
    a = long_gop(tmp_path / "a.mp4", range(5), F(25))
    (tmp_path / "b.mp4").write_bytes(a.read_bytes())
    assert probe(a).identity == probe(tmp_path / "b.mp4").identity
    assert probe(long_gop(tmp_path / "c.mp4", range(1, 6), F(25))).identity != probe(a).identity


@pytest.mark.parametrize("content", [None, b"", b"not a film " * 99])
def test_bad_media_is_a_media_error_that_names_it(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=r"bad\.mp4"):
        probe(path)
    with pytest.raises(MediaError, match="folder"):
        probe(tmp_path)


def test_a_truncated_film_is_a_media_error(tmp_path: Path) -> None:
    whole = long_gop(tmp_path / "a.mp4", range(60), F(25)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"cut\.mp4"):
        probe(tmp_path / "cut.mp4")


def test_a_failed_join_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    output = tmp_path / "v.mp4"
    output.write_bytes(b"precious")
    (chunk,) = chunks(tmp_path, F(25), Codec.H264, [5])
    with pytest.raises(MediaError, match="holds 5 frames instead of 9"):
        join_chunks(output, [chunk], [9], F(25), Codec.H264)
    assert output.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chunk0", "v.mp4"]


@pytest.mark.parametrize(("name", "codec"), [("v.avi", Codec.H264), ("v", Codec.H264), ("v.mp4", Codec.FFV1)])
def test_names_that_do_not_fit_the_codec_are_refused(name: str, codec: Codec, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        join_chunks(tmp_path / name, [], [], F(25), codec)


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_many_tracks_of_many_channels_keep_every_sample(suffix: str, tmp_path: Path) -> None:
    (chunk,) = chunks(tmp_path, F(25), Codec.H264, [25])
    random = np.random.default_rng(6)
    heard = [np.rint(random.uniform(-0.9, 0.9, (48000, n)) * 2**23) / 2**23 for n in (1, 2, 3, 4, 6, 8, 16)]
    tracks = [SoundTrack(48000, samples.shape[1], "s24", blocks(samples)) for samples in heard]
    join_chunks(tmp_path / f"v{suffix}", [chunk], [25], F(25), Delivery(Codec.H264, sound="pcm"), tracks)
    assert [a.channels for a in probe(tmp_path / f"v{suffix}").audio] == [s.shape[1] for s in heard]
    for stream, samples in enumerate(heard):
        with SoundSource(tmp_path / f"v{suffix}", stream) as source:
            assert np.array_equal(source.read(0, 48000), samples)


def test_a_slate_with_half_a_character_is_written_with_a_question_mark(tmp_path: Path) -> None:
    format = VideoFormat(64, 48, "yuv420p")
    encode_chunk(tmp_path / "c", [Picture.black(format)] * 3, format, F(25), Codec.FFV1)
    slate = Slate("01:00:00:00", "A\ud800", "made of \ud800")
    join_chunks(tmp_path / "v.mkv", [tmp_path / "c"], [3], F(25), Codec.FFV1, None, slate)
    with av.open(str(tmp_path / "v.mkv")) as file:
        assert "made of ?" in file.metadata.values()
