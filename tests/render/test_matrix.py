"""The matrix: every codec, depth, chroma, rate and container; which frame is where, the sound, what the file says.

A small film whose pictures bear their numbers is cut, rendered and read back, by us and by ffprobe. A part of the
matrix runs every day, all of it with ``-m slow``.
"""

import json
import subprocess
from dataclasses import dataclass, replace
from fractions import Fraction as F
from functools import cache
from itertools import product
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
from films import format_named, noise, number_of, numbered

from lp_editor import verbs
from lp_editor.errors import OutputError
from lp_editor.media.codecs import CONTAINERS, FFV1_TAKES, SOUNDS, Codec, Delivery, delivered
from lp_editor.media.layout import Colour, VideoFormat, named
from lp_editor.media.picture import Picture
from lp_editor.media.probe import probe
from lp_editor.media.sink import SoundTrack, encode_chunk, join_chunks
from lp_editor.media.sound import SoundSource
from lp_editor.media.source import VideoSource
from lp_editor.render.program import Settings
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

FRAMES = 24
CUT = ((3, 9), (15, 6))
"""First source frame and length of each clip."""

SHOWN = [n for first, count in CUT for n in range(first, first + count)]
SOUND_RATE = 48000
CLICK_FRAME = 16
"""The source frame at whose start a click sounds: program frame 10."""

NTSC24, NTSC30, NTSC60 = F(24000, 1001), F(30000, 1001), F(60000, 1001)
RATES = [(NTSC24, False), (F(24), False), (F(25), False), (NTSC30, False), (NTSC30, True), (F(30), False),
         (F(50), False), (NTSC60, True), (NTSC60, False), (F(60), False)]  # fmt: skip
"""Rates, and whether their timecode drops frames."""


@dataclass(frozen=True)
class Case:
    """One field of the matrix."""

    delivery: Delivery
    pix_fmt: str
    rate: F
    drop: bool
    suffix: str

    @property
    def format(self) -> VideoFormat:
        rgb = self.pix_fmt.startswith("gb")
        hdr = self.pix_fmt.endswith("12le") and not rgb
        colour = Colour(0, 1, 1, True) if rgb else Colour(9, 9, 16) if hdr else Colour(1, 1, 1)
        return VideoFormat(256, 144, self.pix_fmt, colour)

    def __str__(self) -> str:
        delivery = self.delivery
        kind = "-".join(str(p) for p in (delivery.codec.value, delivery.profile, delivery.depth, delivery.sound) if p)
        return f"{kind}-{self.pix_fmt}-{float(self.rate):.2f}{'df' if self.drop else ''}{self.suffix}"


def filmed(path: Path, format: VideoFormat, rate: F) -> Path:
    """A lossless film of numbered pictures, with a click."""
    encode_chunk(path.with_suffix(".c"), (numbered(n, format) for n in range(FRAMES)), format, rate, Codec.FFV1)
    samples = np.zeros((round(FRAMES / rate * SOUND_RATE), 2))
    samples[:] = np.random.default_rng(1).normal(0, 1e-3, samples.shape)
    samples[click_at(rate)] = 0.8
    samples = np.rint(samples * 2**23) / 2**23
    sound = SoundTrack(SOUND_RATE, 2, "s24", iter([samples]))
    join_chunks(path, [path.with_suffix(".c")], [FRAMES], rate, Codec.FFV1, sound)
    return path


def click_at(rate: F) -> int:
    return round(CLICK_FRAME / rate * SOUND_RATE)


def project(folder: Path, media: Path, rate: F, start: F, drop: bool) -> Document:
    """The cut `CUT` of a film, picture and sound."""
    reference = Media("file", media.name, str(media), available=Span(F(0), FRAMES / rate))
    rows = []
    for kind in ("video", "audio"):
        at, clips = 0, []
        for first, count in CUT:
            spans = Span(first / rate, count / rate), Span(at / rate, count / rate)
            clips.append(Clip("", f"c{first}", reference, *spans, rate))
            at += count
        rows.append(Track(kind[0].upper() + "1", kind, tuple(clips)))
    document = new_document(folder / "cut.otio", Project("THE REEL", rate, start, tuple(rows), drop))
    return document.save()


def hour_one(rate: F, drop: bool) -> F:
    """01:00:00:00, in seconds."""
    nominal = round(float(rate))
    return (3600 * nominal - (nominal // 15 * 54 if drop else 0)) / rate


def rendered(case: Case, folder: Path) -> tuple[Path, Path]:
    """The film and the file of a case."""
    media = filmed(folder / "film.mkv", case.format, case.rate)
    document = project(folder, media, case.rate, hour_one(case.rate, case.drop), case.drop)
    output = folder / f"out{case.suffix}"
    verbs.render(verbs.open_project(document.path), output, Settings(case.delivery, cache=folder / "cache"))
    return media, output


def check(case: Case, folder: Path) -> None:
    """Everything that must hold of a field of the matrix."""
    media, output = rendered(case, folder)
    with VideoSource(output) as made, VideoSource(media) as source:
        assert (made.video.count, made.video.rate, made.video.variable) == (len(SHOWN), case.rate, False)
        assert [number_of(p) for p in made.frames(range(len(SHOWN)))] == SHOWN
        wanted = delivered(case.format, case.delivery)
        assert made.video.format.colour == wanted.colour
        assert (made.video.format.width, made.video.format.height) == (256, 144)
        assert made.video.format.subsampling == wanted.subsampling
        if case.delivery.codec is Codec.FFV1:
            for i, n in enumerate(SHOWN):
                assert all(
                    np.array_equal(a, b) for a, b in zip(made.picture(i).planes, source.picture(n).planes, strict=True)
                )
    check_sound(case, media, output)
    check_ffprobe(case, output)


def check_sound(case: Case, media: Path, output: Path) -> None:
    """The click where it belongs: to the sample with PCM or FLAC in MOV and MP4, within a tick of 1 ms in MKV and with AAC."""
    at = round((9 + CLICK_FRAME - 15) / case.rate * SOUND_RATE)
    total = round(len(SHOWN) / case.rate * SOUND_RATE)
    with SoundSource(output) as made:
        heard = made.read(0, total)
        assert abs(int(np.abs(heard[:, 0]).argmax()) - at) <= (0 if made.info.codec != "aac" else 48)
        expected = {"pcm": "pcm_s24le"}.get(case.delivery.sound_codec, case.delivery.sound_codec)
        assert made.info.codec == expected
        if made.info.codec != "aac":
            with SoundSource(media) as source:
                begin = round(CUT[1][0] / case.rate * SOUND_RATE)
                count = total - round(9 / case.rate * SOUND_RATE) - 1
                assert np.array_equal(heard[-count:], source.read(begin + 1, count)) or np.array_equal(
                    heard[-count:], source.read(begin, count)
                )


def ffprobe(path: Path) -> dict[str, Any]:
    """What the ffprobe command says of a file; the test skips where there is none."""
    if which("ffprobe") is None:
        pytest.skip("there is no ffprobe command here to read files back with")
    asked = ["ffprobe", "-v", "error", "-print_format", "json", "-show_format", "-show_streams", str(path)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout
    found: dict[str, Any] = json.loads(said)
    return found


def check_ffprobe(case: Case, output: Path) -> None:
    """Timecode, reel, tags and duration as a stranger reads them."""
    said = ffprobe(output)
    tags = [{k.lower(): v for k, v in part.get("tags", {}).items()} for part in [*said["streams"], said["format"]]]
    assert {t["timecode"] for t in tags if "timecode" in t} == {"01:00:00;00" if case.drop else "01:00:00:00"}
    reels = {t["reel_name"] for t in tags if "reel_name" in t}
    assert reels == (set() if case.suffix == ".mp4" else {"THE REEL"})
    video = next(s for s in said["streams"] if s["codec_type"] == "video")
    # 59.94 is beyond the numbers that FFmpeg reads Matroska's frame duration with
    assert abs(F(video["avg_frame_rate"]) / case.rate - 1) < F(1, 10**6)
    slack = 0.03 if case.delivery.sound_codec == "aac" else 0.002
    assert abs(float(said["format"]["duration"]) - len(SHOWN) / float(case.rate)) <= slack
    if case.format.colour.transfer == 16 and case.delivery.codec is not Codec.DNXHR:
        named_so = video["color_space"], video["color_primaries"], video["color_transfer"]
        assert named_so == ("bt2020nc", "bt2020", "smpte2084")
    if case.delivery.codec is not Codec.FFV1 or not case.pix_fmt.startswith("gb"):
        assert video["color_range"] == ("pc" if delivered(case.format, case.delivery).full_range else "tv")


DELIVERIES = [
    *(Delivery(Codec.H264, depth=d, quality=10) for d in (8, 10)),
    *(Delivery(Codec.HEVC, depth=d, quality=12) for d in (8, 10, 12)),
    *(Delivery(Codec.PRORES, p) for p in ("proxy", "lt", "422", "hq", "4444", "4444xq")),
    *(Delivery(Codec.DNXHR, p) for p in ("lb", "sq", "hq", "hqx", "444")),
    Delivery(Codec.FFV1),
]
CHROMAS = ("yuv420p", "yuv422p", "yuv444p")


@cache
def matrix() -> list[Case]:
    """All of it: every delivery with every depth and chroma at 25, and every rate and container at one of each."""
    cases = []
    for delivery in DELIVERIES:
        suffix = delivery.codec.suffix
        for kind, depth in product(CHROMAS, (8, 10, 12)):
            cases.append(Case(delivery, named(kind, depth), F(25), False, suffix))
    for delivery, (rate, drop) in product((*DELIVERIES[::3], DELIVERIES[-1]), RATES):
        for suffix in containers(delivery):
            cases.append(Case(delivery, "yuv422p10le", rate, drop, suffix))
    for delivery in (Delivery(Codec.H264), Delivery(Codec.PRORES, "hq"), Delivery(Codec.FFV1)):
        for suffix in containers(delivery):
            for sound in SOUNDS[CONTAINERS[suffix]]:
                cases.append(Case(replace(delivery, sound=sound), "yuv420p", F(25), False, suffix))
    return list(dict.fromkeys(cases))


def containers(delivery: Delivery) -> tuple[str, ...]:
    return {
        Codec.H264: (".mp4", ".mov", ".mkv"), Codec.HEVC: (".mp4", ".mov", ".mkv"), Codec.PRORES: (".mov", ".mkv"),
        Codec.DNXHR: (".mov",), Codec.FFV1: (".mkv",),
    }[delivery.codec]  # fmt: skip


EVERYDAY = [
    Case(Delivery(Codec.H264), "yuv420p", NTSC30, True, ".mp4"),
    Case(Delivery(Codec.H264, sound="pcm"), "yuv422p10le", NTSC24, False, ".mov"),
    Case(Delivery(Codec.H264, sound="flac"), "gbrp", F(50), False, ".mkv"),
    Case(Delivery(Codec.HEVC), "yuv420p12le", F(25), False, ".mp4"),
    Case(Delivery(Codec.HEVC, depth=10), "yuv420p", NTSC60, True, ".mov"),
    Case(Delivery(Codec.PRORES, "hq"), "yuv422p10le", F(24), False, ".mov"),
    Case(Delivery(Codec.PRORES, "4444"), "yuv444p12le", NTSC24, False, ".mov"),
    Case(Delivery(Codec.PRORES, "lt"), "yuv420p", F(30), False, ".mkv"),
    Case(Delivery(Codec.DNXHR, "hqx"), "yuv422p10le", F(25), False, ".mov"),
    Case(Delivery(Codec.DNXHR, "444"), "gbrp12le", F(60), False, ".mov"),
    Case(Delivery(Codec.FFV1), "yuv422p10le", NTSC30, False, ".mkv"),
    Case(Delivery(Codec.FFV1), "gbrp12le", NTSC60, False, ".mkv"),
]


@pytest.mark.parametrize("case", EVERYDAY, ids=str)
def test_a_cut_comes_out_frame_for_frame_and_says_what_it_is(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", matrix(), ids=str)
def test_the_whole_matrix_comes_out_frame_for_frame_and_says_what_it_is(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


def untouched(pix_fmt: str, folder: Path) -> None:
    """Noise in, noise out, to the bit, through a whole render to FFV1."""
    format = format_named(pix_fmt)
    pictures = [noise(format, seed) for seed in range(6)]
    encode_chunk(folder / "c", pictures, format, F(25), Codec.FFV1)
    join_chunks(folder / "v.mkv", [folder / "c"], [6], F(25), Codec.FFV1)
    reference = Media("file", "v", str(folder / "v.mkv"), available=Span(F(0), F(6, 25)))
    clip = Clip("", "v", reference, Span(F(1, 25), F(5, 25)), Span(F(0), F(5, 25)), F(25))
    document = new_document(folder / "c.otio", Project("c", F(25), F(0), (Track("V1", "video", (clip,)),))).save()
    verbs.render(document, folder / "out.mkv", Settings(Codec.FFV1, cache=folder / "cache"))
    with VideoSource(folder / "out.mkv") as made:
        assert made.video.format == replace(format, colour=made.video.format.colour)
        for i in range(5):
            planes = zip(made.picture(i).planes, pictures[i + 1].planes, strict=True)
            assert all(np.array_equal(a, b) for a, b in planes)


@pytest.mark.parametrize(
    "pix_fmt", ["gray", "yuv422p10le", "yuva444p12le", "gbrap", "gbrp16le", "yuv411p", "gbrpf32le"]
)
def test_untouched_frames_are_equal_to_the_bit_through_ffv1(pix_fmt: str, tmp_path: Path) -> None:
    untouched(pix_fmt, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("pix_fmt", sorted(FFV1_TAKES))
def test_untouched_frames_are_equal_to_the_bit_at_every_depth_and_chroma(pix_fmt: str, tmp_path: Path) -> None:
    untouched(pix_fmt, tmp_path)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [(Codec.PNG, "gbrp"), (Codec.PNG, "yuv420p10le"), (Codec.EXR, "gbrp12le")]
)
def test_a_sequence_has_its_frames_and_a_json_beside_it(codec: Codec, pix_fmt: str, tmp_path: Path) -> None:
    case = Case(Delivery(codec), pix_fmt, NTSC30, True, codec.suffix)
    media = filmed(tmp_path / "film.mkv", case.format, case.rate)
    document = project(tmp_path, media, case.rate, hour_one(case.rate, True), True)
    (tmp_path / "frames").mkdir()
    output = tmp_path / "frames" / f"shot.%05d{codec.suffix}"
    settings = Settings(case.delivery, cache=tmp_path / "cache")
    report = verbs.render(document, output, settings)
    assert [n for n in report.notes if "holds no sound" in n]
    said = json.loads((tmp_path / "frames" / "shot.json").read_text())
    assert (said["timecode"], said["reel"], said["rate"]) == ("01:00:00;00", "THE REEL", "30000/1001")
    assert (said["first"], said["last"], said["files"]) == (1001, 1000 + len(SHOWN), output.name)
    with VideoSource(media) as source:
        for i, n in enumerate(SHOWN):
            with VideoSource(tmp_path / "frames" / f"shot.{1001 + i:05d}{codec.suffix}") as still:
                made = still.picture(0)
                assert number_of(made) == n
                if pix_fmt == "gbrp":
                    assert all(np.array_equal(a, b) for a, b in zip(made.planes, source.picture(n).planes, strict=True))
                if codec is Codec.EXR:
                    code = np.rint(made.planes[0] * source.video.format.peak)
                    assert np.array_equal(code, source.picture(n).planes[0])
    with pytest.raises(OutputError, match=r"shot\.json exists"):
        verbs.render(document, output, settings)
    (tmp_path / "frames" / "shot.json").unlink()
    with pytest.raises(OutputError, match="has files already"):
        verbs.render(document, output, settings)


def test_a_shorter_sequence_over_a_longer_one_leaves_no_stale_files(tmp_path: Path) -> None:
    case = Case(Delivery(Codec.PNG), "gbrp", F(25), False, ".png")
    media = filmed(tmp_path / "film.mkv", case.format, case.rate)
    document = project(tmp_path, media, case.rate, F(0), False)
    (tmp_path / "frames").mkdir()
    settings = Settings(case.delivery, cache=tmp_path / "cache", force=True)
    verbs.render(document, tmp_path / "frames" / "s.png", settings)
    reference = Media("file", "v", str(media), available=Span(F(0), F(1)))
    clip = Clip("", "v", reference, Span(F(0), F(4, 25)), Span(F(0), F(4, 25)), F(25))
    shorter = new_document(tmp_path / "d.otio", Project("c", F(25), F(0), (Track("V1", "video", (clip,)),))).save()
    verbs.render(shorter, tmp_path / "frames" / "s.png", settings)
    assert sorted(p.name for p in (tmp_path / "frames").glob("*.png")) == [f"s.{n}.png" for n in range(1001, 1005)]


def test_a_picture_of_another_depth_is_brought_to_the_first_clips_without_a_shift(tmp_path: Path) -> None:
    ten, eight = (VideoFormat(256, 144, p, Colour(1, 1, 1)) for p in ("yuv422p10le", "yuv422p"))
    grey = Picture(tuple(np.full(eight.plane_shape(i), v, np.uint8) for i, v in enumerate((180, 100, 150))), eight)
    encode_chunk(tmp_path / "c", [grey] * 3, eight, F(25), Codec.FFV1)
    join_chunks(tmp_path / "b.mkv", [tmp_path / "c"], [3], F(25), Codec.FFV1)
    media = [filmed(tmp_path / "a.mkv", ten, F(25)), tmp_path / "b.mkv"]
    clips = [
        Clip(
            "",
            "x",
            Media("file", "v", str(m), available=Span(F(0), F(3, 25))),
            Span(F(0), F(3, 25)),
            Span(F(3 * i, 25), F(3, 25)),
            F(25),
        )
        for i, m in enumerate(media)
    ]
    document = new_document(
        tmp_path / "d.otio", Project("c", F(25), F(0), (Track("V1", "video", tuple(clips)),))
    ).save()
    verbs.render(document, tmp_path / "out.mkv", Settings(Codec.FFV1, cache=tmp_path / "cache"))
    with VideoSource(tmp_path / "out.mkv") as made:
        assert [int(p[70, 60]) for p in made.picture(4).planes] == [180 * 4, 100 * 4, 150 * 4]
    assert probe(tmp_path / "out.mkv").video is not None
