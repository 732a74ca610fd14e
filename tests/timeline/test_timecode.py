"""Times as editors write them."""

from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lp_editor.errors import TimeError
from lp_editor.timeline.timecode import exact_rate, parse_time, rate_text, timecode, timecode_frames

NTSC30, NTSC60 = F(30000, 1001), F(60000, 1001)


@pytest.mark.parametrize(
    ("written", "meant"),
    [(23.976, F(24000, 1001)), (23.98, F(24000, 1001)), (23.976023976, F(24000, 1001)), (29.97, NTSC30),
     (29.97002997, NTSC30), (59.94, NTSC60), (24.0, F(24)), (25, F(25)), (30, F(30)), (12.5, F(25, 2)), (48000, F(48000))],
)  # fmt: skip
def test_a_written_rate_is_the_exact_one(written: float, meant: F) -> None:
    assert exact_rate(written) == meant


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e12])
def test_nonsense_rates_are_refused(rate: float) -> None:
    with pytest.raises(TimeError):
        exact_rate(rate)


@given(st.integers(0, 2589407), st.sampled_from([NTSC30, NTSC60]))
def test_drop_frame_timecode_names_every_frame_of_a_day_once(frame: int, rate: F) -> None:
    assert timecode_frames(timecode(frame / rate, rate, drop_frame=True), rate) == frame


@given(st.integers(0, 24 * 3600 * 24 - 1), st.sampled_from([F(24), F(25), F(24000, 1001), F(50)]))
def test_plain_timecode_names_every_frame(frame: int, rate: F) -> None:
    assert timecode_frames(timecode(frame / rate, rate), rate) == frame


def test_known_drop_frame_times() -> None:
    assert timecode(F(1800) / NTSC30, NTSC30, True) == "00:01:00;02"
    assert timecode(F(17982) / NTSC30, NTSC30, True) == "00:10:00;00"
    assert timecode(F(107892) / NTSC30, NTSC30, True) == "01:00:00;00"


def test_midnight_wraps() -> None:
    assert timecode(F(24 * 3600), F(25)) == "00:00:00:00"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2s", F(2)), ("1.5s", F(3, 2)), ("12f", F(12, 25)), ("3", F(3)), (" 1/2 s", F(1, 2)), ("01:00:02:05", F(2) + F(5, 25))],
)  # fmt: skip
def test_times_are_read(text: str, seconds: F) -> None:
    assert parse_time(text, F(25), origin=F(3600)) == seconds


@pytest.mark.parametrize(
    "text", ["", "x", "1 h", "1:2", "00:00:61:00", "00:00:00:25", "1/0s", "1e9s", "9" * 30 + "s", "00:01:00;00"]
)
def test_wrong_times_are_explained(text: str) -> None:
    with pytest.raises(TimeError):
        parse_time(text, F(25), origin=F(0))


def test_drop_frame_needs_a_rate_that_has_it_and_a_frame_that_exists() -> None:
    with pytest.raises(TimeError, match="leaves it out"):
        timecode_frames("00:01:00;00", NTSC30)
    with pytest.raises(TimeError, match=r"only 29\.97"):
        timecode_frames("00:01:00;02", F(25))


def test_a_length_cannot_be_timecode() -> None:
    with pytest.raises(TimeError, match="not a length"):
        parse_time("00:00:01:00", F(25))


def test_rates_are_written_as_editors_do() -> None:
    assert [rate_text(r) for r in (F(25), F(24000, 1001), NTSC30)] == ["25", "23.976", "29.97"]
