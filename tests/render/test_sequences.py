"""Image sequences in: numbered files as an editing system refers to them."""

import json
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import format_named, noise, number_of, numbered

from lp_editor import verbs
from lp_editor.errors import MediaError
from lp_editor.media.codecs import Codec, Delivery
from lp_editor.media.layout import Colour, VideoFormat
from lp_editor.media.picture import Picture
from lp_editor.media.sequence import FIRST, Numbering, SequenceNote, write_sequence
from lp_editor.media.sink import encode_chunk
from lp_editor.media.source import VideoSource
from lp_editor.render.program import Settings

COUNT = 20
SIZE = VideoFormat(256, 144, "gbrp", Colour(0, 1, 1, True))


def sequence(folder: Path, codec: Codec = Codec.PNG, format: VideoFormat = SIZE) -> Path:
    """Files shot.1001 to shot.1020 that bear 0 to 19."""
    folder.mkdir()
    encode_chunk(
        folder / "c",
        (numbered(n, format) for n in range(COUNT)),
        format,
        F(24),
        Delivery(codec, profile="float" if codec is Codec.EXR else ""),
    )
    files = Numbering.of(folder / f"shot.####{codec.suffix}")
    write_sequence(files, [folder / "c"], [COUNT], SequenceNote(format, F(24), COUNT, "", ""))
    (folder / "c").unlink()
    return folder


def time(value: float, rate: float = 24.0) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": value}


def cut_of(folder: Path, suffix: str, start: int, count: int, **more: Any) -> Path:
    """A project with one clip of the sequence; its time 0 is file 1001, or as ``more`` says."""
    window = {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start), "duration": time(count)}
    whole = {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(0), "duration": time(COUNT)}
    reference = {
        "OTIO_SCHEMA": "ImageSequenceReference.1", "name": "shot", "available_range": whole,
        "target_url_base": str(folder), "name_prefix": "shot.", "name_suffix": suffix, "start_frame": FIRST,
        "frame_step": 1, "rate": 24.0, "frame_zero_padding": 4, "missing_frame_policy": "error", **more,
    }  # fmt: skip
    clip = {
        "OTIO_SCHEMA": "Clip.2",
        "name": "shot",
        "source_range": window,
        "media_references": {"DEFAULT_MEDIA": reference},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }
    track = {"OTIO_SCHEMA": "Track.1", "name": "V1", "kind": "Video", "children": [clip]}
    tree = {
        "OTIO_SCHEMA": "Timeline.1",
        "name": "cut",
        "global_start_time": time(86400),
        "tracks": {"OTIO_SCHEMA": "Stack.1", "children": [track]},
    }
    path = folder.parent / "cut.otio"
    path.write_text(json.dumps(tree))
    return path


def shown(project: Path, tmp_path: Path) -> list[int]:
    verbs.render(verbs.open_project(project), tmp_path / "out.mkv", Settings(Codec.FFV1, cache=tmp_path / "cache"))
    with VideoSource(tmp_path / "out.mkv") as source:
        return [number_of(p) for p in source.frames(range(source.video.count))]


@pytest.mark.parametrize("codec", [Codec.PNG, Codec.EXR])
def test_a_clip_shows_the_files_its_reference_means(codec: Codec, tmp_path: Path) -> None:
    folder = sequence(tmp_path / "files", codec)
    assert shown(cut_of(folder, codec.suffix, 5, 8), tmp_path) == list(range(5, 13))


def test_numbers_may_start_later_and_count_in_steps(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "files")
    project = cut_of(folder, ".png", 2, 3, start_frame=1007, frame_step=2)
    assert shown(project, tmp_path) == [10, 12, 14]


def test_files_keep_their_samples(tmp_path: Path) -> None:
    format = format_named("gbrp16le", 64, 48)
    folder = tmp_path / "files"
    folder.mkdir()
    pictures = [noise(format, i) for i in range(3)]
    encode_chunk(folder / "c", pictures, format, F(24), Codec.PNG)
    write_sequence(Numbering.of(folder / "shot.####.png"), [folder / "c"], [3], SequenceNote(format, F(24), 3, "", ""))
    verbs.render(
        verbs.open_project(cut_of(folder, ".png", 0, 3)), tmp_path / "o.mkv", Settings(Codec.FFV1, cache=tmp_path / "k")
    )
    with VideoSource(tmp_path / "o.mkv") as source:
        for i, picture in enumerate(pictures):
            assert all(np.array_equal(a, b) for a, b in zip(source.picture(i).planes, picture.planes, strict=True))


def test_a_missing_file_is_named_before_any_work(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "files")
    (folder / "shot.1008.png").unlink()
    with pytest.raises(MediaError, match=r"1 file is missing \(shot\.1008\.png"):
        shown(cut_of(folder, ".png", 5, 8), tmp_path)
    assert shown(cut_of(folder, ".png", 8, 4), tmp_path) == [8, 9, 10, 11]


def test_missing_files_are_held_or_black_where_the_reference_says_so(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "files")
    (folder / "shot.1008.png").unlink()
    assert shown(cut_of(folder, ".png", 5, 4, missing_frame_policy="hold"), tmp_path) == [5, 6, 6, 8]
    (tmp_path / "out.mkv").unlink()
    shown(cut_of(folder, ".png", 5, 4, missing_frame_policy="black"), tmp_path)
    with VideoSource(tmp_path / "out.mkv") as source:
        black = source.picture(2)
    assert black.equals(Picture.black(black.format))


def test_no_files_at_all_is_a_media_error(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with pytest.raises(MediaError, match=r"shot\.%04d\.png"):
        shown(cut_of(tmp_path / "files", ".png", 0, 3), tmp_path)


def test_a_changed_file_is_rendered_anew(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "files")
    project = cut_of(folder, ".png", 0, 4)
    assert shown(project, tmp_path) == [0, 1, 2, 3]
    (folder / "shot.1003.png").write_bytes((folder / "shot.1010.png").read_bytes())
    (tmp_path / "out.mkv").unlink()
    assert shown(project, tmp_path) == [0, 1, 9, 3]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.%04d.exr", "a.0007.exr"),
        ("a.####.exr", "a.0007.exr"),
        ("a_%d.exr", "a_7.exr"),
        ("a.exr", "a.0007.exr"),
        ("##x.exr", "07x.exr"),
        ("a#1.%04d.exr", "a#1.0007.exr"),
    ],
)
def test_names_of_sequences(name: str, file: str, tmp_path: Path) -> None:
    assert Numbering.of(tmp_path / name).file(7).name == file
