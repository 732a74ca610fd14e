"""Where chunks begin."""

from dataclasses import replace
from fractions import Fraction as F

import pytest

from lp_editor.render.chunks import CHUNK, runs
from lp_editor.timeline.cut import Black, Event, Shown, Strip
from lp_editor.timeline.model import Clip, Media, Span

RATE = F(24000, 1001)


def event(source: int, record: int, count: int, speed: F = F(1)) -> Event:
    """A clip from a frame of its media on, at a frame of the program."""
    lasts = F(count) / RATE
    shown, at = Span(source / RATE, lasts * abs(speed)), Span(record / RATE, lasts)
    clip = Clip("c", "c", Media("file", "a.mov"), shown, at, RATE, speed)
    return Event(record, count, Shown(Strip(clip)))


@pytest.mark.parametrize(("source", "record"), [(0, 0), (0, 17), (1, 0), (47, 5), (48, 5), (100, 1000), (1_000_001, 3)])
def test_a_clip_cut_anywhere_has_the_same_frames_of_its_media_in_a_chunk(source: int, record: int) -> None:
    made = list(runs(event(source, record, 150), RATE))
    assert [first for first, _ in made] == [record, *(a + b for a, b in made[:-1])]
    assert sum(count for _, count in made) == 150
    assert all((first - record + source) % CHUNK == 0 for first, _ in made[1:])
    assert all(0 < count <= CHUNK for _, count in made)


def test_what_shows_its_media_otherwise_is_counted_from_its_own_beginning() -> None:
    for one in (event(30, 7, 100, F(1, 2)), event(30, 7, 100, F(-1)), replace(event(30, 7, 100), picture=Black())):
        assert list(runs(one, RATE)) == [(7, 48), (55, 48), (103, 4)]
