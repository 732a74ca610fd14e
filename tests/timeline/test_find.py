"""What an editor's words mean: which clip, which stretch of it."""

from fractions import Fraction as F

import pytest

from lp_editor.errors import ProjectError, TimeError
from lp_editor.timeline.edit import clip_before_cut, cuts, new_id
from lp_editor.timeline.find import find_clip, find_segment, marked_span, topmost_clip_at
from lp_editor.timeline.model import Clip, Gap, Media, Nest, Project, Segment, Span, Track

RATE = F(25)


def sec(frames: float) -> F:
    return F(frames) / RATE


def clip(
    name: str, at: int, count: int, source: int, place: str, speed: F = F(1), segments: tuple[Segment, ...] = ()
) -> Clip:
    span = Span(sec(source), sec(count) * abs(speed))
    record = Span(sec(at), sec(count))
    return Clip(f"id-{place}", name, Media("file", name), span, record, RATE, speed, True, segments, place=place)


HOUR = 25 * 3600
LOW = (clip("a", 0, 50, HOUR, "V1/1"), clip("b", 50, 50, 100, "V1/2"), clip("twin", 100, 10, 0, "V1/3"))
HIGH = (
    Gap(Span(F(0), sec(20))),
    clip("title", 20, 10, 7, "V2/1"),
    Gap(Span(sec(30), sec(70))),
    clip("twin", 100, 10, 0, "V2/2"),
)
PROJECT = Project("p", RATE, F(3600), (Track("V1", "video", LOW), Track("V2", "video", HIGH)))


def test_clips_are_found_by_name_place_and_id() -> None:
    assert find_clip(PROJECT, "b").place == "V1/2"
    assert find_clip(PROJECT, "v2/1").name == "title"
    assert find_clip(PROJECT, "id-V1/1").name == "a"
    assert find_clip(PROJECT, "TITLE").name == "title"


def test_an_ambiguous_or_unknown_name_is_explained() -> None:
    with pytest.raises(ProjectError, match=r"V1/3.*V2/2"):
        find_clip(PROJECT, "twin")
    with pytest.raises(ProjectError, match="near: title"):
        find_clip(PROJECT, "titel")


def test_without_a_clip_a_time_is_record_time_and_means_the_topmost_one() -> None:
    assert topmost_clip_at(PROJECT, sec(10)).name == "a"
    assert topmost_clip_at(PROJECT, sec(25)).name == "title"
    assert topmost_clip_at(PROJECT, sec(30)).name == "a"
    with pytest.raises(TimeError, match="no picture"):
        topmost_clip_at(PROJECT, sec(500))


@pytest.mark.parametrize(
    ("name", "at", "length", "start", "count"),
    [
        (None, "1s", "10f", 7 + 5, 5 + 0),  # the title ends after ten frames: see below
        (None, "60f", "1s", 110, 25),
        (None, "01:00:02:10", "2f", 110, 2),
        (None, "01:00:02:10@rec", "2f", 110, 2),
        ("b", "4f", "2f", 104, 2),
        ("b", None, "2f", 100, 2),
        ("b", "4f", None, 104, 46),
        ("b", "00:00:04:10", "5f", 110, 5),
        ("b", "01:00:02:10@rec", "5f", 110, 5),
        ("a", "01:00:00:05", "5f", HOUR + 5, 5),
    ],
)
def test_stretches_are_found_as_the_page_for_editors_says(
    name: str | None, at: str | None, length: str | None, start: int, count: int
) -> None:
    if name is None and at == "1s":
        with pytest.raises(TimeError, match=r"at most 0\.200s, 5f"):
            marked_span(PROJECT, name, at, length)
        length = "5f"
    _, span = marked_span(PROJECT, name, at, length)
    assert span == Span(sec(start), sec(count))


def test_a_retimed_clip_is_marked_in_record_time_and_stored_in_source_time() -> None:
    fast = Project("p", RATE, F(0), (Track("V1", "video", (clip("f", 0, 20, 100, "V1/1", F(2)),)),))
    assert marked_span(fast, "f", "5f", "4f")[1] == Span(sec(110), sec(8))
    back = Project("p", RATE, F(0), (Track("V1", "video", (clip("r", 0, 20, 100, "V1/1", F(-1)),)),))
    assert marked_span(back, "r", "5f", "4f")[1] == Span(sec(111), sec(4))
    assert marked_span(back, "r", "00:00:04:19", "1f")[1] == Span(sec(119), sec(1))


@pytest.mark.parametrize(
    ("name", "at", "length"),
    [
        ("b", "60f", "1f"),
        ("b", "-1f", "1f"),
        ("b", "0f", "0f"),
        ("b", "45f", "10f"),
        ("b", "01:00:00:00", "1f"),
        (None, None, "1s"),
        ("b", "0f", "00:00:01:00"),
    ],
)
def test_a_stretch_outside_its_clip_is_refused(name: str | None, at: str | None, length: str | None) -> None:
    with pytest.raises(TimeError):
        marked_span(PROJECT, name, at, length)


def test_a_clip_in_a_nested_sequence_is_marked_where_it_is_seen() -> None:
    inner = Track("V1", "video", (clip("x", 0, 40, 0, "V1/1>V1/1"),))
    nest = Nest("n", "n", Span(sec(10), sec(20)), Span(F(0), sec(20)), (inner,), RATE, place="V1/1")
    nested = Project("p", RATE, F(0), (Track("V1", "video", (nest,)),))
    found, span = marked_span(nested, None, "5f", "3f")
    assert (found.name, span) == ("x", Span(sec(15), sec(3)))


def test_cuts_are_found_near_a_time() -> None:
    assert clip_before_cut(PROJECT, sec(48)).name == "a"
    met = [(cut.before, cut.after) for cut in cuts(LOW)]
    assert (LOW[0], LOW[1]) in met
    assert LOW[2] not in [before for before, _ in met]
    with pytest.raises(TimeError, match="no cut"):
        clip_before_cut(PROJECT, sec(10))


def test_ids_are_new_and_found_back() -> None:
    marked = clip("m", 0, 10, 0, "V1/1", segments=(Segment("s1", "gaze", Span(F(0), F(1))),))
    one = Project("p", RATE, F(0), (Track("V1", "video", (marked,)),))
    assert new_id(one) == "s2"
    assert find_segment(one, "s1") == marked
    with pytest.raises(ProjectError, match="there are: s1"):
        find_segment(one, "s9")
