"""What is to be looked at again: which frames, and why."""

from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from conftest import FRAMES, two_clips

import lp_editor.plugins.expression
from lp_editor import Registry, testing, verbs
from lp_editor.media.codecs import Codec
from lp_editor.media.picture import Picture
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.render.checks import runs, with_checks
from lp_editor.render.program import Settings
from lp_editor.timeline.document import Document
from lp_editor.timeline.model import Marker, Span


@pytest.fixture
def cut(filmed: Path, tmp_path: Path) -> Document:
    return two_clips(filmed, tmp_path)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(lp_editor.plugins.expression, testing)


@pytest.mark.parametrize(
    ("flags", "found"),
    [("", []), ("0000", []), ("0110", [(1, 3)]), ("1001", [(0, 4)]), ("100001", [(0, 1), (5, 6)]), ("1111", [(0, 4)])],
)
def test_runs_that_lie_near_each_other_are_one(flags: str, found: list[tuple[int, int]]) -> None:
    assert runs(np.array([f == "1" for f in flags], bool), near=3) == found


def test_a_sum_over_what_a_control_gives_is_told_with_its_frames(
    cut: Document, registry: Registry, tmp_path: Path
) -> None:
    document = cut
    for at, value in (("4f", 0.6), ("8f", 0.6)):
        document = verbs.mark(
            document,
            "expression",
            clip="V1/1",
            at=at,
            length="8f",
            params={"smile": value, "ease": "0"},
            registry=registry,
        ).document
    settings = Settings(Codec.FFV1, engine="fake", cache=tmp_path / "cache")
    _, report = verbs.render_stretches(document, tmp_path / "clips", settings, registry=registry)
    (marker,) = report.checks["V1/1"]
    assert (marker.name, marker.note) == ("QC more asked than a control gives", "4 frames")
    clip = next(c for c in document.project.clips() if c.place == "V1/1")
    assert marker.span == Span(clip.source.start + F(8, 25), F(4, 25))


def hand_over(film: Path, folder: Path, first: int, count: int) -> Path:
    """The film with a green disc over the person's cheek in some of its frames."""
    with VideoSource(film) as source:
        pictures = list(source.frames(range(FRAMES)))
    format = pictures[0].format

    def covered(number: int, picture: Picture) -> Picture:
        if not first <= number < first + count:
            return picture
        rows, columns = np.mgrid[: format.height, : format.width]
        disc = np.hypot(columns - 0.51 * format.width, rows - 0.53 * format.height) < 45
        rgb = picture.rgb_all().copy()
        rgb[disc] = (20, 160, 40)
        return Picture.of_rgb(rgb, format)

    chunk, path = folder / "chunk.mkv", folder / "covered.mp4"
    encode_chunk(chunk, (covered(n, p) for n, p in enumerate(pictures)), format, F(25), Codec.H264)
    join_chunks(path, [chunk], [len(pictures)], F(25), Codec.H264, None)
    return path


def test_something_in_front_of_the_face_is_told_with_its_frames(
    filmed: Path, registry: Registry, tmp_path: Path
) -> None:
    document = two_clips(hand_over(filmed, tmp_path, 20, 6), tmp_path)
    document = verbs.mark(
        document, "expression", clip="V1/1", at="4f", length="24f", params={"smile": 0.3}, registry=registry
    ).document
    settings = Settings(Codec.FFV1, engine="fake", cache=tmp_path / "cache")
    _, report = verbs.render_stretches(document, tmp_path / "clips", settings, registry=registry)
    (marker,) = report.checks["V1/1"]
    assert (marker.name, marker.note) == ("QC something in front of the face", "6 frames")
    clip = next(c for c in document.project.clips() if c.place == "V1/1")
    assert marker.span == Span(clip.source.start + F(20, 25), F(6, 25))


def test_a_marker_that_stands_there_already_is_not_made_twice(cut: Document) -> None:
    clip = next(c for c in cut.project.clips() if c.place == "V1/1")
    marker = Marker("QC x", "", Span(clip.source.start, F(1, 25)))
    once = with_checks(cut.project, {"V1/1": (marker,)})
    assert next(c for c in once.clips() if c.place == "V1/1").checks == (marker,)
    assert with_checks(cut.project, {}) is cut.project
