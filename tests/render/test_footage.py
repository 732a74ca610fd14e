"""Strips bound to their media: which file time is which source time."""

from fractions import Fraction as F
from pathlib import Path

import cv2
import pytest

from lp_editor.errors import MediaError
from lp_editor.media.picture import VideoFormat
from lp_editor.media.probe import MediaInfo, VideoInfo
from lp_editor.render.clips import merged
from lp_editor.render.executor import _Cores
from lp_editor.render.footage import Sources, check_media, media_zero, runs
from lp_editor.timeline.model import Clip, Media, Span

HOUR = F(3600)


def info(timecode: F | None, seconds: int = 10) -> MediaInfo:
    count = 25 * seconds
    video = VideoInfo(VideoFormat(64, 48, "yuv420p"), F(25), count, F(seconds), "raw", False, (0,), (0,), F(1, 25))
    return MediaInfo(Path("m"), "m", video, (), timecode)


@pytest.mark.parametrize(
    ("available", "timecode", "start", "zero"),
    [
        (HOUR, None, HOUR + 2, HOUR),  # the project says so
        (F(0), HOUR, HOUR + 2, HOUR),  # it says 0, but its clips are in timecode
        (None, HOUR, HOUR + 2, HOUR),
        (None, HOUR, F(2), F(0)),  # a clip counted from the file's beginning
        (None, None, F(2), F(0)),
        (HOUR, None, F(2), F(0)),
        (HOUR, None, F(9999), HOUR),  # outside by any count: the project's word
    ],
)
def test_the_first_frames_source_time_is_the_one_by_which_the_clip_lies_in_the_file(
    available: F | None, timecode: F | None, start: F, zero: F
) -> None:
    media = Media("file", "m", available=None if available is None else Span(available, F(10)))
    assert media_zero(media, start, info(timecode)) == zero


def test_missing_media_are_named_once_with_each_clip_once() -> None:
    def clip(place: str, path: str) -> Clip:
        span = Span(F(0), F(1))
        return Clip("", place, Media("file", path, path, Path(path)), span, span, F(25), place=place)

    one = clip("V1/1", "/gone/a.mov")
    with pytest.raises(MediaError) as caught:
        check_media([one, one, clip("A1/1", "/gone/a.mov")])
    assert str(caught.value).splitlines() == [
        "1 media file is missing; put it back or relink the project:", f"  {Path('/gone/a.mov')} (clips V1/1, A1/1)",
    ]  # fmt: skip
    with pytest.raises(MediaError, match=r"2 media files are missing; put them back .*\n.*a\.mov \(clip V1/1\)"):
        check_media([one, clip("V1/2", "/gone/b.mov")])


def test_frame_numbers_are_named_as_runs() -> None:
    assert runs([3, 4, 5, 9, 9, 9, 7, 5]) == [[3, 3, 1], [9, 3, 0], [7, 2, -2]]
    assert runs([]) == []


def test_stretches_that_touch_are_one() -> None:
    assert merged([(10, 20), (0, 5), (5, 8), (15, 30), (40, 41)]) == [(0, 8), (10, 30), (40, 41)]


def test_of_several_open_files_the_one_that_need_not_seek_is_lent(filmed: Path) -> None:
    with Sources() as sources:
        with sources.lent(filmed) as early, sources.lent(filmed, 8) as late:
            list(early.frames(range(4)))
            list(late.frames([8, 9]))
        for at, meant in ((10, late), (4, early), (5, early), (9, early)):
            with sources.lent(filmed, at) as found:
                assert found is meant
        with sources.lent(filmed, 0) as found:
            assert found is early  # both stand behind it: the nearer one goes back


def test_readers_that_share_the_cores_open_their_files_anew_with_a_part_of_them(
    filmed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lp_editor.render.footage.cpu_count", lambda: 6)
    with Sources() as sources:
        with sources.lent(filmed) as alone:
            assert alone._stream.codec_context.thread_count == 0  # as many as there are
            whole = list(alone.frames(range(4)))
        sources.shared_by(3)
        assert alone._stream is alone._last is None  # closed, and its decoder gone
        with sources.lent(filmed) as shared:
            assert shared._stream.codec_context.thread_count == 2
            assert all(a.equals(b) for a, b in zip(whole, shared.frames(range(4)), strict=True))


def test_opencvs_threads_are_as_before_after_two_renders_at_once() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        cores = _Cores()
        one, other = cores.shared(64), cores.shared(64)
        one.__enter__()
        other.__enter__()
        one.__exit__(None, None, None)
        assert cv2.getNumThreads() == 1  # the other still renders
        other.__exit__(None, None, None)
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)
