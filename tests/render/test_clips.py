"""Marked stretches as files of their own: their timecode, reel, tracks of sound, matte and alpha."""

import json
import subprocess
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from conftest import RATE, seconds

from lp_editor import Registry, testing, verbs
from lp_editor.errors import OutputError
from lp_editor.media.codecs import Codec, Delivery
from lp_editor.media.probe import probe
from lp_editor.media.sink import Slate, SoundTrack, encode_chunk, join_chunks
from lp_editor.media.sound import SoundSource
from lp_editor.media.source import VideoSource
from lp_editor.plugins import expression
from lp_editor.render.program import Settings
from lp_editor.timeline.document import Document, new_document, open_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

HOUR_TEN = F(36000)
FRAMES = 40


@pytest.fixture(scope="module")
def master(filmed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portrait as a ProRes master of reel A007 from 10:00:00:00, with three tracks of sound."""
    folder = tmp_path_factory.mktemp("master")
    with VideoSource(filmed) as source:
        pictures = list(source.frames(range(FRAMES)))
    encode_chunk(folder / "c", pictures, pictures[0].format, RATE, Codec.PRORES)
    random = np.random.default_rng(3)
    total = 48000 * FRAMES // 25
    tracks = [
        SoundTrack(
            48000, channels, "s24", iter([np.rint(random.uniform(-0.5, 0.5, (total, channels)) * 2**23) / 2**23])
        )
        for channels in (1, 2, 6)
    ]
    slate = Slate("10:00:00:00", "A007")
    join_chunks(folder / "master.mov", [folder / "c"], [FRAMES], RATE, Codec.PRORES, tracks, slate)
    return folder / "master.mov"


def marked(media: Path, folder: Path, registry: Registry, available: F) -> Document:
    """One clip of the master's frames 10 to 36, its frames 5 to 15 marked."""
    reference = Media("file", media.name, str(media), available=Span(available, seconds(FRAMES)))
    clip = Clip("", "A007_C003", reference, Span(available + seconds(10), seconds(26)), Span(F(0), seconds(26)), RATE)
    document = new_document(folder / "cut.otio", Project("cut", RATE, F(3600), (Track("V1", "video", (clip,)),))).save()
    return verbs.mark(
        document, "expression", at="5f", length="10f", params={"smile": 0.5, "ease": "0"}, registry=registry
    ).document


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores for all tests here, so that the faces are looked for once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def registry() -> Registry:
    return Registry(expression, testing)


def test_a_stretch_bears_its_source_timecode_reel_and_every_track_of_sound(
    master: Path, registry: Registry, tmp_path: Path, cache: Path
) -> None:
    settings = Settings(Delivery(Codec.PRORES), engine="fake", cache=cache)
    document, _ = verbs.render_stretches(
        marked(master, tmp_path, registry, HOUR_TEN), tmp_path / "clips", settings, matte=True, registry=registry
    )
    (path,) = [p for p in (tmp_path / "clips").iterdir() if p.suffix == ".mov"]
    info = probe(path)
    assert info.video is not None
    # frames 15 to 25 of the master; 24 frames of handles, but the master has 15 on each side
    assert (info.timecode, info.reel, info.video.count) == (HOUR_TEN, "A007", 15 + 10 + 15)
    assert [(a.channels, a.codec) for a in info.audio] == [(1, "pcm_s24le"), (2, "pcm_s24le"), (6, "pcm_s24le")]
    total = FRAMES * 48000 // 25
    for stream in range(3):
        with SoundSource(master, stream) as filmed_sound, SoundSource(path, stream) as made:
            assert np.array_equal(made.read(0, total), filmed_sound.read(0, total))
    (matte,) = [p for p in (tmp_path / "clips").iterdir() if p.name.endswith("_matte.mkv")]
    with VideoSource(matte) as source:
        changed = [bool(p.planes[0].any()) for p in source.frames(range(FRAMES))]
    assert [i for i, c in enumerate(changed) if c] == list(range(15, 25))
    pieces = document.tree["tracks"]["children"][0]["children"]
    (piece,) = [p for p in pieces if p["active_media_reference_key"] == "lp_editor"]
    start = piece["source_range"]["start_time"]
    assert F(start["value"]) / F(start["rate"]) == HOUR_TEN + seconds(15)


def test_ffprobe_reads_the_stretchs_timecode_and_reel(
    master: Path, registry: Registry, tmp_path: Path, cache: Path
) -> None:
    if which("ffprobe") is None:
        pytest.skip("there is no ffprobe command here to read files back with")
    settings = Settings(Delivery(Codec.DNXHR), engine="fake", cache=cache, reel="B001")
    verbs.render_stretches(
        marked(master, tmp_path, registry, HOUR_TEN), tmp_path / "clips", settings, registry=registry
    )
    (path,) = (tmp_path / "clips").iterdir()
    asked = ["ffprobe", "-v", "error", "-print_format", "json", "-show_streams", str(path)]
    streams = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout)[
        "streams"
    ]
    tags = [s.get("tags", {}) for s in streams]
    assert {t["timecode"] for t in tags if "timecode" in t} == {"10:00:00:00"}
    assert {t["reel_name"] for t in tags if "reel_name" in t} == {"B001"}


def test_alpha_is_opaque_exactly_where_the_picture_was_changed(
    master: Path, registry: Registry, tmp_path: Path, cache: Path
) -> None:
    settings = Settings(Delivery(Codec.PRORES, "4444", alpha=True), engine="fake", cache=cache)
    document = marked(master, tmp_path, registry, HOUR_TEN)
    returned, report = verbs.render_stretches(document, tmp_path / "clips", settings, matte=True, registry=registry)
    assert report.rendered > 0
    back = open_document(returned.save(tmp_path / "back.otio").path).project
    assert len(back.tracks) == len(document.project.tracks) + 1  # the renders lie over the original
    names = sorted(p.name for p in (tmp_path / "clips").iterdir() if not p.name.startswith("."))
    with VideoSource(tmp_path / "clips" / names[0]) as film, VideoSource(tmp_path / "clips" / names[1]) as mattes:
        assert film.video.format.layout.alpha
        for i in (3, 18):
            alpha, matte = film.picture(i).planes[3], mattes.picture(i).planes[0]
            assert np.array_equal(alpha > alpha.max() / 2 if matte.any() else alpha > 0, matte > 0)


@pytest.mark.parametrize("codec", [Codec.PNG, Codec.EXR])
def test_stretches_are_movies(codec: Codec, master: Path, registry: Registry, tmp_path: Path, cache: Path) -> None:
    settings = Settings(codec, engine="fake", cache=cache)
    with pytest.raises(OutputError, match="png and exr go with -o"):
        verbs.render_stretches(
            marked(master, tmp_path, registry, HOUR_TEN), tmp_path / "c", settings, registry=registry
        )


def whole(media: Path, folder: Path, first: int, count: int, **changes: object) -> Document:
    """A cut of one clip, picture and sound."""
    reference = Media("file", media.name, str(media), available=Span(F(0), seconds(60)))
    clip = Clip("", "c", reference, Span(seconds(first), seconds(count)), Span(F(0), seconds(count)), RATE)
    rows = [Track(k[0].upper() + "1", k, (replace(clip, **changes),)) for k in ("video", "audio")]  # type: ignore[arg-type]
    return new_document(folder / "cut.otio", Project("cut", RATE, F(3600), tuple(rows))).save()


def aac_packets(path: Path) -> list[bytes]:
    import av

    with av.open(str(path)) as file:
        return [bytes(p) for p in file.demux(file.streams.audio[0]) if p.dts is not None]


def test_aac_is_copied_from_its_first_packet_and_made_anew_from_anywhere_else(filmed: Path, tmp_path: Path) -> None:
    theirs = aac_packets(filmed)
    for first, copied in ((0, True), (3, False)):
        document = whole(filmed, tmp_path, first, 40)
        verbs.render(document, tmp_path / f"{first}.mp4", Settings(format="256x144", cache=tmp_path / "cache"))
        ours = aac_packets(tmp_path / f"{first}.mp4")
        assert (ours == theirs[: len(ours)]) == copied
        with SoundSource(filmed) as source, SoundSource(tmp_path / f"{first}.mp4") as made:
            length = 40 * 1920 - 2048
            want, have = source.read(first * 1920, length), made.read(0, length)
            if copied:
                assert np.array_equal(want, have)
            else:
                assert np.corrcoef(want[:, 0], have[:, 0])[0, 1] > 0.9  # the same sound, in step


def test_sound_that_adds_up_over_full_scale_is_kept_in_floating_point_and_said(tmp_path: Path, filmed: Path) -> None:
    with VideoSource(filmed) as source:
        pictures = list(source.frames(range(25)))
    encode_chunk(tmp_path / "c", pictures, pictures[0].format, RATE, Codec.H264)
    loud = np.rint(0.8 * np.sin(np.arange(48000) / 20)[:, None] * 32767) / 32768
    sound = SoundTrack(48000, 1, "s16", iter([loud]))
    join_chunks(tmp_path / "a.mkv", [tmp_path / "c"], [25], RATE, Delivery(sound="pcm"), sound)
    reference = Media("file", "a", str(tmp_path / "a.mkv"), available=Span(F(0), F(1)))
    clip = Clip("", "a", reference, Span(F(0), F(1)), Span(F(0), F(1)), RATE)
    rows = (Track("V1", "video", (clip,)), Track("A1", "audio", (clip,)), Track("A2", "audio", (clip,)))
    document = new_document(tmp_path / "cut.otio", Project("cut", RATE, F(0), rows)).save()
    report = verbs.render(document, tmp_path / "o.mov", Settings(Delivery(sound="pcm"), cache=tmp_path / "cache"))
    assert [n for n in report.notes if "4.1 dB over full scale" in n and "kept" in n]
    with SoundSource(tmp_path / "o.mov") as made:
        assert made.info.sample_format == "flt"
        assert np.abs(made.read(0, 48000) - 2 * loud).max() < 1e-6
    report = verbs.render(document, tmp_path / "o.mp4", Settings(cache=tmp_path / "cache"))
    assert [n for n in report.notes if "cut off" in n]
