"""The program's sound, to the sample."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction as F
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from numpy.typing import NDArray

from lp_editor.media.codecs import Codec, Delivery
from lp_editor.media.probe import AudioInfo
from lp_editor.media.sink import EncodedSound, SoundTrack
from lp_editor.render.mix import SoundFormat, Voice, mix, to_channels
from lp_editor.render.soundtrack import EARLY, early
from lp_editor.timeline.cut import Heard, Strip
from lp_editor.timeline.model import Clip, Media, Span

RATE = 1000


@dataclass
class Recording:
    """A sound source whose samples are their own numbers, silent outside."""

    samples: NDArray[np.float64]
    rate: int = RATE

    @property
    def info(self) -> AudioInfo:
        return AudioInfo(self.rate, self.samples.shape[1], "flt", "pcm", F(0), F(len(self.samples), self.rate))

    def read(self, start: int, count: int) -> NDArray[np.float64]:
        out = np.zeros((count, self.samples.shape[1]))
        low, high = max(start, 0), min(start + count, len(self.samples))
        if high > low:
            out[low - start : high - start] = self.samples[low:high]
        return out


def voice(samples: NDArray[np.float64], at: F, length: F, source: F = F(0), speed: F = F(1), rate: int = RATE) -> Voice:
    clip = Clip(
        "c", "c", Media("file", "c", "", Path("c")), Span(source, length * abs(speed)), Span(at, length), F(25), speed
    )
    return Voice(Heard(Strip(clip), Span(at, length)), Recording(samples, rate), F(0))  # type: ignore[arg-type]


def mixed(voices: Sequence[Voice], seconds: F, channels: int = 1) -> NDArray[np.float64]:
    return np.concatenate(list(mix(voices, SoundFormat(RATE, channels, "flt"), seconds)))


def ramp(count: int) -> NDArray[np.float64]:
    return np.arange(1, count + 1, dtype=np.float64)[:, None]


def test_a_clip_sounds_at_its_place_sample_for_sample_and_is_silent_elsewhere() -> None:
    out = mixed([voice(ramp(9000), F(1, 2), F(4), source=F(2))], F(6))
    assert len(out) == 6000
    assert np.array_equal(out[500:4500, 0], np.arange(2001, 6001))
    assert not out[:500].any()
    assert not out[4500:].any()


def test_two_clips_add_up() -> None:
    out = mixed([voice(ramp(1000), F(0), F(1)), voice(ramp(1000), F(0), F(1))], F(1))
    assert np.array_equal(out[:, 0], 2 * np.arange(1, 1001))


def test_crossfades_sum_to_one() -> None:
    ones = np.ones((5000, 1))
    a, b = voice(ones, F(0), F(3)), voice(ones, F(2), F(3))
    a = replace(a, heard=replace(a.heard, fall=F(1)))
    b = replace(b, heard=replace(b.heard, rise=F(1)))
    assert np.allclose(mixed([a, b], F(5)), 1)


def test_double_speed_is_an_octave_up_and_reverse_plays_backwards() -> None:
    t = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 200 * t)[:, None]
    fast = np.concatenate(
        list(mix([voice(tone, F(0), F(1, 2), speed=F(2), rate=8000)], SoundFormat(8000, 1, "flt"), F(1, 2)))
    )
    spectrum = np.abs(np.fft.rfft(fast[:, 0]))
    assert np.argmax(spectrum) * 2 == 400  # half a second: 2 Hz a bin
    back = mixed([voice(ramp(1000), F(0), F(1), speed=F(-1))], F(1))[20:-60, 0]
    assert (np.diff(back) < 0).all()


def test_another_rate_is_resampled_without_moving() -> None:
    t = np.arange(48000) / 48000
    tone = np.sin(2 * np.pi * 50 * t)[:, None]
    out = mixed([voice(tone, F(0), F(1), rate=48000)], F(1))[:, 0]
    wanted = np.sin(2 * np.pi * 50 * np.arange(1000) / 1000)
    assert np.abs(out - wanted)[50:-50].max() < 0.01


def test_channels_are_spread_and_folded() -> None:
    stereo = np.array([[1.0, 3.0]])
    assert to_channels(stereo, 1).tolist() == [[2.0]]
    assert to_channels(np.array([[2.0]]), 2).tolist() == [[2.0, 2.0]]
    assert to_channels(stereo, 4).tolist() == [[1.0, 3.0, 0.0, 0.0]]


def test_blocks_meet_without_a_seam_at_rates_that_do_not_divide() -> None:
    strange = voice(ramp(9000), F(1001, 30000), F(5))
    out = mixed([strange], F(6))[:, 0]
    heard = out[out > 0]
    assert np.array_equal(np.diff(heard), np.ones(len(heard) - 1))


@pytest.mark.parametrize("seconds", [F(0), F(1, 3)])
def test_the_mix_has_exactly_the_length_asked_for(seconds: F) -> None:
    blocks = list(mix([voice(ramp(10), F(0), F(1))], SoundFormat(RATE, 1, "flt"), seconds))
    assert sum(len(b) for b in blocks) == round(seconds * RATE)


def test_sound_is_encoded_early_only_where_that_takes_time_and_only_so_much_of_it() -> None:
    made: list[int] = []

    def blocks() -> Iterator[NDArray[np.float64]]:
        for i in range(100):
            made.append(i)
            yield np.zeros((96000, 2))

    track = SoundTrack(48000, 2, "flt", blocks())
    with early([track], Path("film.mov"), Delivery(Codec.PRORES)) as same:
        assert same == [track]
    assert not made
    with early([track], Path("film.mp4"), Delivery(Codec.H264)) as sounding:
        assert isinstance(sounding[0], EncodedSound)
        held = -1
        while len(made) > held:  # until it waits
            held = len(made)
            sleep(1)
        assert 1 <= held <= EARLY["aac"] * 1024 // 96000 + 2
        assert next(sounding[0].packets)[1] <= 0
