"""The program that a project's tracks make."""

from dataclasses import replace
from fractions import Fraction as F
from random import Random

import pytest

from lp_editor.timeline.cut import (
    Black,
    Dissolve,
    Event,
    Morph,
    Shown,
    Strip,
    _Spans,
    cut,
    frame_count,
    heard,
    unrendered,
)
from lp_editor.timeline.model import (
    Clip,
    Gap,
    Item,
    Joint,
    Media,
    Nest,
    Project,
    Span,
    Track,
    Transition,
)

RATE = F(25)


def sec(frames: float) -> F:
    return F(frames) / RATE


def clip(name: str, start: int, frames: int, source: int = 0, **changes: object) -> Clip:
    """A clip of a project at 25: record start and length in frames, source start in frames."""
    made = Clip(
        id=name, name=name, media=Media("file", f"{name}.mov"), source=Span(sec(source), sec(frames)),
        record=Span(sec(start), sec(frames)), rate=RATE, place=name,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def project(*tracks: tuple[Item, ...], audio: tuple[tuple[Item, ...], ...] = ()) -> Project:
    lanes = [Track(f"V{i}", "video", t) for i, t in enumerate(tracks, 1)]
    lanes += [Track(f"A{i}", "audio", t) for i, t in enumerate(audio, 1)]
    return Project("p", RATE, F(0), tuple(lanes))


def names(events: list[Event]) -> list[tuple[str, int, int]]:
    """Events as (what, first, count)."""

    def name(event: Event) -> str:
        picture = event.picture
        if isinstance(picture, Shown):
            return picture.strip.clip.name
        return type(picture).__name__.lower()

    return [(name(e), e.first, e.count) for e in events]


def test_clips_follow_each_other_and_gaps_are_black() -> None:
    a, b = clip("a", 0, 10), clip("b", 15, 5)
    row = (a, Gap(Span(sec(10), sec(5))), b)
    assert names(cut(project(row))) == [("a", 0, 10), ("black", 10, 5), ("b", 15, 5)]


def test_the_topmost_enabled_clip_wins() -> None:
    low, high, off = clip("low", 0, 20), clip("high", 5, 5), clip("off", 12, 4, enabled=False)
    upper = (Gap(Span(sec(0), sec(5))), high, Gap(Span(sec(10), sec(2))), off)
    assert names(cut(project((low,), upper))) == [("low", 0, 5), ("high", 5, 5), ("low", 10, 10)]


def test_a_disabled_track_shows_nothing() -> None:
    p = project((clip("low", 0, 10),), (clip("high", 0, 10),))
    p = replace(p, tracks=(p.tracks[0], replace(p.tracks[1], enabled=False)))
    assert names(cut(p)) == [("low", 0, 10)]


def test_a_dissolve_lies_across_the_cut_and_moves_evenly() -> None:
    a, b = clip("a", 0, 10), clip("b", 10, 10, source=100)
    events = cut(project((a, Transition(Span(sec(8), sec(4))), b)))
    assert names(events) == [("a", 0, 8), ("dissolve", 8, 4), ("b", 12, 8)]
    node = events[1].picture
    assert isinstance(node, Dissolve)
    assert [node.weight(sec(f), RATE) for f in range(8, 12)] == [0.125, 0.375, 0.625, 0.875]
    incoming = node.incoming
    assert isinstance(incoming, Shown)
    assert incoming.strip.source_time(sec(8)) == sec(98)  # plays ahead of its in point


def test_a_fade_to_nothing_goes_over_into_what_lies_below() -> None:
    low, high = clip("low", 0, 20), clip("high", 0, 10)
    upper = (high, Transition(Span(sec(8), sec(2))), Gap(Span(sec(10), sec(10))))
    node = cut(project((low,), upper))[1].picture
    assert isinstance(node, Dissolve)
    assert isinstance(node.incoming, Shown)
    assert node.incoming.strip.clip.name == "low"


def test_a_joint_takes_the_frames_around_its_cut() -> None:
    joint = Joint("j", "stitch", sec(3), sec(3))
    a, b = clip("a", 0, 10, joint=joint), clip("b", 10, 10, source=50)
    events = cut(project((a, b)))
    assert names(events) == [("a", 0, 7), ("morph", 7, 6), ("b", 13, 7)]
    node = events[1].picture
    assert isinstance(node, Morph)
    assert node.incoming.strip.source_time(sec(7)) == sec(47)
    assert node.outgoing.strip.source_time(sec(12)) == sec(12)


@pytest.mark.parametrize("media", [Media("generator", "SMPTEBars"), Media("missing", "")])
def test_a_joint_with_what_has_no_media_is_none(media: Media) -> None:
    joint = Joint("j", "stitch", sec(3), sec(3))
    for a, b in ((media, None), (None, media)):
        one, other = clip("a", 0, 10, joint=joint), clip("b", 10, 10)
        one, other = replace(one, media=a or one.media), replace(other, media=b or other.media)
        events = cut(project((one, other)))
        assert [(first, count) for _, first, count in names(events)] == [(0, 10), (10, 10)]
        assert {type(event.picture) for event in events} == {Shown, Black}


def test_a_generator_or_title_alone_is_black_and_says_so_over_a_picture_it_lets_it_through() -> None:
    bars = clip("bars", 0, 5, media=Media("generator", "SMPTEBars"))
    title = clip("title", 5, 5, media=Media("missing", ""))
    events = cut(project((bars, title)))
    assert names(events) == [("black", 0, 5), ("black", 5, 5)]
    for event, name in zip(events, ("bars", "title"), strict=True):
        assert isinstance(event.picture, Black)
        assert name in event.picture.reason
    over = project((clip("low", 0, 10),), (bars, title))
    assert names(cut(over)) == [("low", 0, 10)]
    assert {c.name for c in unrendered(over)} == {"bars", "title"}
    slug = clip("slug", 0, 5, media=Media("generator", "Black"))
    assert names(cut(project((clip("low", 0, 10),), (slug,)))) == [("black", 0, 5), ("low", 5, 5)]


def test_a_nested_sequence_is_seen_through_with_its_own_trim() -> None:
    inside = Track("V1", "video", (clip("x", 0, 10, source=100), clip("y", 10, 10)))
    nest = Nest("n", "n", Span(sec(5), sec(10)), Span(sec(2), sec(10)), (inside,), RATE)
    events = cut(project((Gap(Span(sec(0), sec(2))), nest)))
    assert names(events) == [("black", 0, 2), ("x", 2, 5), ("y", 7, 5)]
    x = events[1].picture
    assert isinstance(x, Shown)
    assert x.strip.source_time(sec(2)) == sec(105)
    assert x.strip.record == Span(sec(-3), sec(10))


def test_retimed_and_reversed_clips_show_the_right_source_time() -> None:
    fast = clip("f", 0, 10, speed=F(2), source=0)
    assert fast.source_time(sec(3)) == sec(6)
    back = clip("b", 0, 10, source=100, speed=F(-1))
    assert back.source_time(sec(0)) == sec(109)
    assert back.source_time(sec(9)) == sec(100)
    freeze = clip("z", 0, 10, source=7, speed=F(0))
    assert {freeze.source_time(sec(f)) for f in range(10)} == {sec(7)}


def test_source_and_record_spans_are_each_others_inverse() -> None:
    for speed in (F(1), F(2), F(1, 3), F(-1), F(-2)):
        c = clip("c", 10, 20, source=40, speed=speed)
        span = Span(sec(13), sec(4))
        assert c.record_span(c.source_span(span)) == span


def test_clips_between_frames_start_on_the_next_one() -> None:
    a = clip("a", 0, 10)
    b = replace(clip("b", 0, 10), record=Span(sec(10) - F(1, 1000), sec(10)))
    a = replace(a, record=Span(F(0), sec(10) - F(1, 1000)))
    assert names(cut(project((a, b)))) == [("a", 0, 10), ("b", 10, 10)]


def test_sound_that_outlasts_the_picture_by_a_frame_is_kept_under_black() -> None:
    p = project((clip("a", 0, 10),), audio=((clip("s", 0, 13),),))
    assert frame_count(p) == 13
    assert names(cut(p)) == [("a", 0, 10), ("black", 10, 3)]
    a_bit = replace(clip("s", 0, 10), record=Span(F(0), sec(10) + F(1, 100)))
    assert frame_count(project((clip("a", 0, 10),), audio=((a_bit,),))) == 10


def test_without_sound_tracks_the_pictures_own_sound_is_heard() -> None:
    p = project((clip("a", 0, 10), clip("b", 10, 10)))
    assert [(h.strip.clip.name, h.span) for h in heard(p)] == [
        ("a", Span(sec(0), sec(10))),
        ("b", Span(sec(10), sec(10))),
    ]


def test_with_sound_tracks_only_they_are_heard_and_crossfades_overlap() -> None:
    row: tuple[Item, ...] = (clip("s", 0, 10), Transition(Span(sec(8), sec(4))), clip("t", 10, 10))
    sounds = heard(project((clip("a", 0, 20),), audio=(row,)))
    assert [(h.strip.clip.name, h.span, h.rise, h.fall) for h in sounds] == [
        ("s", Span(sec(0), sec(12)), 0, sec(4)),
        ("t", Span(sec(8), sec(12)), sec(4), 0),
    ]


def test_every_frame_is_in_exactly_one_event() -> None:
    low = (clip("a", 0, 33), Transition(Span(sec(30), sec(6))), clip("b", 33, 40))
    events = cut(project(low, (Gap(Span(F(0), sec(50))), clip("t", 50, 7))))
    assert [e.first for e in events] == [0, *[e.stop for e in events][:-1]]
    assert events[-1].stop == 73


def test_a_strip_maps_program_time_through_its_nest() -> None:
    strip = Strip(clip("a", 4, 10), origin=sec(2), pace=F(2))
    assert strip.program_time(strip.composition_time(sec(5))) == sec(5)
    assert strip.record == Span(sec(1), sec(5))


def test_of_spans_that_overlap_the_first_given_is_found_as_a_search_of_all_finds_it() -> None:
    random = Random(3)
    spans = [Span(F(random.randrange(60)), F(random.randrange(9))) for _ in range(40)]
    found = _Spans(spans)
    for time in (F(n, 2) for n in range(-2, 150)):
        held = [i for i, span in enumerate(spans) if span.start <= time < span.stop]
        assert found.at(time) == (held[0] if held else None)
