"""Whole renders: what was not asked for is untouched, what was asked for is there."""

import itertools
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from conftest import FRAMES, RATE, seconds, two_clips

from lp_editor import Registry, testing, verbs
from lp_editor.errors import FaceError, MediaError, OutputError
from lp_editor.face import FaceTrack
from lp_editor.faces import analyse_faces
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.media.probe import probe
from lp_editor.media.sink import Codec, encode_chunk, join_chunks
from lp_editor.media.sound import SoundSource
from lp_editor.media.source import VideoSource
from lp_editor.plugins import expression
from lp_editor.render.executor import LocalExecutor
from lp_editor.render.program import Settings
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Gap, Item, Media, ParamValue, Project, Span, Track, Transition

LOSSLESS = Settings(Codec.FFV1)
SOURCE = [*range(30), *range(34, 60)]
"""The source frame of every program frame of `two_clips`."""


def pictures(path: Path) -> list[Picture]:
    with VideoSource(path) as source:
        return list(source.frames(range(source.video.count)))


@pytest.fixture(scope="module")
def original(filmed: Path) -> list[Picture]:
    return pictures(filmed)


def test_an_unmarked_project_renders_to_the_bit_with_every_sample_of_its_sound(
    cut_file: Path, filmed: Path, original: list[Picture], tmp_path: Path
) -> None:
    report = verbs.render(verbs.open_project(cut_file), tmp_path / "out.mkv", LOSSLESS)
    assert report.notes == []
    out = pictures(tmp_path / "out.mkv")
    assert len(out) == len(SOURCE)
    assert all(out[i].equals(original[s]) for i, s in enumerate(SOURCE))
    with SoundSource(filmed) as source, SoundSource(tmp_path / "out.mkv") as made:
        assert (made.info.rate, made.info.sample_format) == (48000, "flt")
        per_frame = made.info.rate // 25
        heard = made.read(0, 56 * per_frame)
        assert np.array_equal(heard[: 30 * per_frame], source.read(0, 30 * per_frame))
        assert np.array_equal(heard[30 * per_frame :], source.read(34 * per_frame, 26 * per_frame))
        assert np.abs(heard).max() > 0.01


def test_one_marked_second_changes_there_and_nowhere_else(
    cut_file: Path, original: list[Picture], tmp_path: Path
) -> None:
    marked = verbs.mark(
        verbs.open_project(cut_file), "expression", at="2f", length="1s", params={"smile": 0.7, "mouth_open": 0.3}
    )
    verbs.render(marked.document, tmp_path / "out.mkv", LOSSLESS, matte=tmp_path / "matte.mkv")
    out, mattes = pictures(tmp_path / "out.mkv"), pictures(tmp_path / "matte.mkv")
    changed = [not picture.equals(original[s]) for picture, s in zip(out, SOURCE, strict=True)]
    assert not any(changed[:2])
    assert not any(changed[27:])
    assert sum(changed[2:27]) >= 0.9 * 25
    for picture, mask, s in zip(out, mattes, SOURCE, strict=True):
        still = mask.planes[0] == 0
        assert np.array_equal(picture.rgb_all()[still], original[s].rgb_all()[still])
    assert all(not mask.planes[0].any() for mask in [*mattes[:2], *mattes[27:]])


def test_the_matte_stays_within_its_area(cut_file: Path, filmed: Path, tmp_path: Path) -> None:
    everything: dict[str, ParamValue] = {
        "smile": 1,
        "mouth_open": 1,
        "brow": 1,
        "blink": 1,
        "pucker": 0.5,
        "cheek": 1,
        "sneer": 1,
        "ease": "0",
    }
    document = verbs.open_project(cut_file)
    document = verbs.mark(document, "expression", clip="opening", at="0f", length="4f", params=everything).document
    turned: dict[str, ParamValue] = {"yaw": 15, "pitch": -10, "roll": 12, "shift_x": 0.2, "scale": 0.2, "ease": "0"}
    document = verbs.mark(document, "expression", clip="opening", at="10f", length="4f", params=turned).document
    verbs.render(document, tmp_path / "out.mkv", LOSSLESS, matte=tmp_path / "matte.mkv")
    mattes = pictures(tmp_path / "matte.mkv")
    with VideoSource(filmed) as source:
        track: FaceTrack = analyse_faces(source, 0, 20, tmp_path / "faces")[0]
    for frames, most in ((range(4), 1.6), (range(10, 14), 5.0)):
        for frame in frames:
            face = track.at(frame)
            assert face is not None
            assert 0 < (mattes[frame].planes[0] > 0).sum() <= most * face.box.area


def test_a_second_render_makes_only_what_changed(cut_file: Path, tmp_path: Path) -> None:
    document = verbs.open_project(cut_file)
    settings = replace(LOSSLESS, cache=tmp_path / "cache")
    assert verbs.render(document, tmp_path / "a.mkv", settings).rendered == 56
    assert verbs.render(document, tmp_path / "b.mkv", settings).rendered == 0
    marked = verbs.mark(document, "gaze", clip="closing", at="2f", length="10f", params={"x": 0.5}).document
    # of the second clip's 26 frames the chunk that holds the mark: a new one begins at the 48th frame of the media
    assert verbs.render(marked, tmp_path / "c.mkv", settings).rendered == 14
    assert verbs.render(document, tmp_path / "d.mkv", settings).rendered == 0
    assert [p.equals(q) for p, q in zip(pictures(tmp_path / "a.mkv"), pictures(tmp_path / "d.mkv"), strict=True)].count(
        False
    ) == 0


def test_workers_do_not_change_the_result(cut_file: Path, tmp_path: Path) -> None:
    document = verbs.mark(
        verbs.open_project(cut_file), "expression", at="2f", length="20f", params={"smile": 0.7}
    ).document
    for workers in (1, 2):
        settings = replace(LOSSLESS, cache=tmp_path / f"cache{workers}", executor=LocalExecutor(workers))
        verbs.render(document, tmp_path / f"{workers}.mkv", settings)
    one, two = pictures(tmp_path / "1.mkv"), pictures(tmp_path / "2.mkv")
    assert all(a.equals(b) for a, b in zip(one, two, strict=True))


def test_a_stitch_changes_only_the_frames_around_its_cut_and_is_closer_to_both_sides(
    cut_file: Path, original: list[Picture], tmp_path: Path
) -> None:
    document = verbs.mark(verbs.open_project(cut_file), "stitch", clip="opening", length="8f").document
    report = verbs.render(document, tmp_path / "out.mkv", LOSSLESS)
    out = pictures(tmp_path / "out.mkv")
    changed = {i for i, s in enumerate(SOURCE) if not out[i].equals(original[s])}
    assert changed == set(range(26, 34))
    assert report.notes == []  # both sides had handles

    def jump(frames: list[Picture]) -> float:
        steps = [np.abs(a.planes[0].astype(int) - b.planes[0]).mean() for a, b in itertools.pairwise(frames)]
        return float(max(steps))

    assert jump(out) < 0.8 * jump([original[s] for s in SOURCE])


def test_missing_handles_of_a_joint_are_held_and_said(filmed: Path, tmp_path: Path) -> None:
    reference = Media("file", "p", str(filmed), available=Span(F(0), seconds(FRAMES)))
    row = tuple(
        Clip("", n, reference, Span(seconds(first), seconds(20)), Span(seconds(at), seconds(20)), RATE)
        for n, at, first in (("a", 0, 40), ("b", 20, 0))
    )
    document = new_document(tmp_path / "c.otio", Project("c", RATE, F(0), (Track("V1", "video", row),)))
    document = verbs.mark(document, "stitch", clip="a", length="8f").document
    report = verbs.render(document, tmp_path / "out.mkv", LOSSLESS)
    assert len([n for n in report.notes if "held" in n]) == 2


def project_of(folder: Path, *rows: tuple[Item, ...]) -> Document:
    tracks = tuple(Track(f"V{i}", "video", row) for i, row in enumerate(rows, 1))
    return new_document(folder / "c.otio", Project("c", RATE, F(0), tracks))


def clip(media: Path, at: int, count: int, first: int, name: str = "x") -> Clip:
    reference = Media("file", "p", str(media), available=Span(F(0), seconds(FRAMES)))
    return Clip("", name, reference, Span(seconds(first), seconds(count)), Span(seconds(at), seconds(count)), RATE)


def test_gaps_are_black_and_dissolves_blend(filmed: Path, original: list[Picture], tmp_path: Path) -> None:
    row = (
        clip(filmed, 0, 10, 0),
        Transition(Span(seconds(8), seconds(4))),
        clip(filmed, 10, 10, 30),
        Gap(Span(seconds(20), seconds(3))),
        clip(filmed, 23, 2, 50),
    )
    verbs.render(project_of(tmp_path, row), tmp_path / "out.mkv", LOSSLESS)
    out = pictures(tmp_path / "out.mkv")
    assert len(out) == 25
    assert out[7].equals(original[7])
    assert out[12].equals(original[32])
    mean = 0.625 * original[9].planes[0].astype(float) + 0.375 * original[29].planes[0]
    assert np.abs(out[9].planes[0] - np.rint(mean)).max() <= 1
    assert out[21].equals(Picture.black(out[21].format))
    assert out[24].equals(original[51])


def test_another_size_is_fitted_with_its_shape_kept_and_said(
    filmed: Path, original: list[Picture], tmp_path: Path
) -> None:
    document = project_of(tmp_path, (clip(filmed, 0, 4, 0),))
    report = verbs.render(document, tmp_path / "out.mkv", replace(LOSSLESS, format="640x480"))
    assert any("fitted into 640x480" in n for n in report.notes)
    luma = pictures(tmp_path / "out.mkv")[0].planes[0]
    assert luma.shape == (480, 640)
    assert (luma[:58] == 16).all()
    assert (luma[62:418].mean(axis=1) > 30).any()


def test_every_missing_file_is_named_at_once(filmed: Path, tmp_path: Path) -> None:
    gone = [tmp_path / f"gone{i}.mov" for i in range(2)]
    document = project_of(tmp_path, (clip(gone[0], 0, 5, 0), clip(filmed, 5, 5, 0), clip(gone[1], 10, 5, 0)))
    with pytest.raises(MediaError) as error:
        verbs.render(document, tmp_path / "out.mkv", LOSSLESS)
    assert all(str(path) in str(error.value) for path in gone)
    assert "V1/1" in str(error.value)
    assert not (tmp_path / "out.mkv").exists()


def test_a_mark_without_any_face_is_an_error_that_names_it(tmp_path: Path) -> None:
    blank = Picture.black(replace(pictures_format(), width=320, height=180))
    encode_chunk(tmp_path / "c", [blank] * 30, blank.format, RATE, Codec.H264)
    join_chunks(tmp_path / "blank.mp4", [tmp_path / "c"], [30], RATE, Codec.H264)
    document = project_of(tmp_path, (clip(tmp_path / "blank.mp4", 0, 30, 0, "empty room"),))
    marked = verbs.mark(document, "gaze", at="0s", params={"x": 0.5}).document
    with pytest.raises(FaceError, match='no face found in clip "empty room"'):
        verbs.render(marked, tmp_path / "out.mkv", LOSSLESS)


def pictures_format() -> VideoFormat:
    return VideoFormat(2, 2, "yuv420p")


def test_the_second_face_of_one_is_an_error(cut_file: Path, tmp_path: Path) -> None:
    document = verbs.mark(verbs.open_project(cut_file), "gaze", at="0s", params={"x": 0.5, "face": "2"}).document
    with pytest.raises(FaceError, match="only 1 face"):
        verbs.render(document, tmp_path / "out.mkv", LOSSLESS)


def test_nothing_is_overwritten_without_force(cut_file: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mkv").write_bytes(b"precious")
    with pytest.raises(OutputError, match="--force"):
        verbs.render(verbs.open_project(cut_file), tmp_path / "out.mkv", LOSSLESS)
    assert (tmp_path / "out.mkv").read_bytes() == b"precious"


def test_ffv1_into_mp4_is_refused_before_any_work(cut_file: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="goes into MKV"):
        verbs.render(verbs.open_project(cut_file), tmp_path / "out.mp4", replace(LOSSLESS, cache=tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_an_h264_render_has_its_frames_sound_and_tags(filmed: Path, tmp_path: Path) -> None:
    verbs.render(two_clips(filmed, tmp_path), tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4")
    assert info.video is not None
    assert (info.video.count, info.video.rate, info.video.codec) == (56, F(25), "h264")
    source = probe(filmed).video
    assert source is not None
    assert info.video.format == source.format
    assert info.audio[0].codec == "aac"
    assert abs(float(info.audio[0].duration) - 56 / 25) < 0.03


def test_a_still_is_the_frame_that_the_render_shows(cut_file: Path, tmp_path: Path) -> None:
    document = verbs.mark(verbs.open_project(cut_file), "gaze", at="2f", length="20f", params={"x": 0.8}).document
    verbs.render(document, tmp_path / "out.mkv", LOSSLESS)
    finished, filmed_frame, _ = verbs.still(document, "01:00:00:12")
    assert finished.equals(pictures(tmp_path / "out.mkv")[12])
    assert not finished.equals(filmed_frame)


def test_a_generator_alone_is_black_and_said(filmed: Path, original: list[Picture], tmp_path: Path) -> None:
    bars = replace(clip(filmed, 0, 3, 0, "bars"), media=Media("generator", "SMPTEBars"))
    document = project_of(tmp_path, (bars, clip(filmed, 3, 3, 10)))
    tree = document.tree["tracks"]["children"][0]["children"][0]
    tree["media_references"]["DEFAULT_MEDIA"] = {"OTIO_SCHEMA": "GeneratorReference.1", "generator_kind": "SMPTEBars"}
    document.save()
    report = verbs.render(verbs.open_project(document.path), tmp_path / "out.mkv", LOSSLESS)
    assert [n for n in report.notes if "bars" in n]
    out = pictures(tmp_path / "out.mkv")
    assert out[0].equals(Picture.black(out[0].format))
    assert out[3].equals(original[10])


def test_stored_patches_give_the_same_bits_as_fresh_ones(cut_file: Path, tmp_path: Path) -> None:
    registry = Registry(expression, testing)
    params: dict[str, ParamValue] = {"smile": 0.333, "mouth_open": 0.217}
    document = verbs.mark(
        verbs.open_project(cut_file), "expression", at="2f", length="10f", params=params, registry=registry
    ).document
    settings = replace(LOSSLESS, cache=tmp_path / "cache", engine="fake")
    assert verbs.render(document, tmp_path / "fresh.mkv", settings, registry=registry).engine == "fake"
    stored = list((tmp_path / "cache" / "patches").rglob("*.patch"))
    assert len(stored) == 10
    written = [p.stat().st_mtime_ns for p in stored]
    rmtree(tmp_path / "cache" / "chunks")
    verbs.render(document, tmp_path / "again.mkv", settings, registry=registry)
    assert [p.stat().st_mtime_ns for p in stored] == written  # read, not made again
    fresh, again = pictures(tmp_path / "fresh.mkv"), pictures(tmp_path / "again.mkv")
    assert all(a.equals(b) for a, b in zip(fresh, again, strict=True))
    assert not fresh[6].equals(pictures_of_source(cut_file)[6])


def pictures_of_source(project: Path) -> list[Picture]:
    (media,) = {c.media.path for c in verbs.open_project(project).project.clips()}
    assert media is not None
    return pictures(media)
