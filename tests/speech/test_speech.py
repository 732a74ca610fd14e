"""Speech read off sound and text: one short line of flite's voice slt with known phone times, and what is none."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lp_editor.errors import MediaError, ParamError
from lp_editor.speech import Reader, read_speech, read_text, spoken_file, wave_of
from lp_editor.speech import analysis as methods
from lp_editor.speech.activity import voices
from lp_editor.speech.espeak import has_espeak
from lp_editor.speech.openness import closures, filled, openness, visemes
from lp_editor.speech.phones import articulation
from lp_editor.speech.spelling import by_rule, english_words, from_ipa
from lp_editor.speech.waveform import RATE, Wave, to_wave
from lp_editor.utterance import SILENCE, VISEMES, Phone, Speech

HERE = Path(__file__).parent

needs_hama = pytest.mark.skipif(find_spec("hama") is None, reason="hama is an extra: lp-editor[speech]")
needs_espeak = pytest.mark.skipif(not has_espeak(), reason="espeak-ng is an extra: lp-editor[voice]")


@dataclass(frozen=True)
class Line:
    wave: Wave
    text: str
    truth: tuple[Phone, ...]


@pytest.fixture(scope="module")
def line() -> Line:
    told = json.loads((HERE / "line.json").read_text(encoding="utf-8"))
    wave = wave_of(HERE / "line.wav")
    truth = filled([Phone(p, a, b) for p, a, b in told["phones"]], len(wave) / RATE)
    return Line(wave, told["text"], tuple(truth))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def r(speech: Speech, line: Line) -> float:
    return float(np.corrcoef(speech.openness, openness(line.truth, speech.seconds))[0, 1])


def found_closures(speech: Speech, line: Line) -> int:
    have = closures(speech.phones)
    return sum(any(a < stop + 0.04 and b > start - 0.04 for a, b in have) for start, stop in closures(line.truth))


def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("has_hama", "has_espeak", "has_silero"):
        monkeypatch.setattr(methods, name, lambda: False)
    monkeypatch.setattr("lp_editor.speech.activity.has_silero", lambda: False)
    monkeypatch.setattr("lp_editor.speech.spelling.has_espeak", lambda: False)


def test_known_words_are_found_where_they_are_without_any_extra(
    line: Line, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_extras(monkeypatch)
    speech = reader.read(line.wave, line.text, "en")
    assert speech.method == "pocketsphinx alignment with text"
    assert speech.words == ("my", "brother", "bought", "five", "blue", "pianos", "in", "may")
    assert [speech.words[p.word] for p in speech.phones if p.name == "m"] == ["my", "may"]
    assert r(speech, line) > 0.85
    assert found_closures(speech, line) == len(closures(line.truth)) == 6


def test_without_words_and_extras_phones_are_heard(line: Line, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    without_extras(monkeypatch)
    speech = reader.read(line.wave, "", "en")
    assert speech.method == "pocketsphinx phones"
    assert r(speech, line) > 0.6


def test_other_languages_without_extras_fall_back_to_energy_and_bands(
    line: Line, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_extras(monkeypatch)
    speech = reader.read(line.wave, "Bonjour", "fr")
    assert speech.method == "energy and bands"
    assert any("lp-editor[speech,voice]" in note for note in speech.notes)
    assert r(speech, line) > 0.4


@needs_hama
def test_hama_hears_english_and_pocketsphinx_times_it(line: Line, reader: Reader) -> None:
    speech = reader.read(line.wave, "", "en")
    assert speech.method == "hama phonemes, re-timed by pocketsphinx"
    assert r(speech, line) > 0.75
    assert found_closures(speech, line) >= 5


@needs_hama
@needs_espeak
def test_another_language_is_aligned_to_its_ipa(reader: Reader, tmp_path: Path) -> None:
    text = "Guten Morgen, meine Damen. Bitte kommen Sie herein."
    spoken = wave_of(spoken_file(text, "de", 1.0, tmp_path))
    speech = reader.read(spoken, text, "de")
    assert speech.method == "hama alignment with text"
    assert speech.words[:3] == ("Guten", "Morgen", "meine")
    assert sum(articulation(p.name).mouth == "closed" for p in speech.phones) == 5


@needs_hama
@needs_espeak
def test_a_text_that_is_not_said_is_not_believed(line: Line, reader: Reader) -> None:
    speech = reader.read(line.wave, "We should go and see the others at once", "en")
    assert "with text" not in speech.method
    assert any("did not find the words" in note for note in speech.notes)


def test_half_of_the_words_are_not_stretched_over_the_whole(
    line: Line, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_extras(monkeypatch)
    assert "with text" not in reader.read(line.wave, "my", "en").method


@pytest.mark.parametrize("wave", [np.zeros(0), np.zeros(50), np.zeros(RATE), np.full(RATE, 0.5)])
def test_what_holds_no_speech_keeps_the_mouth_closed(
    reader: Reader, wave: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> None:
    speech = reader.read(wave.astype(np.float32), "words", "en")
    assert speech.method == "silence"
    assert speech.notes == ("nothing is heard in the sound; the mouth stays closed",)
    assert len(speech.openness) == round(len(wave) / 160)
    assert not speech.openness.any()


@pytest.mark.parametrize("extras", [True, False], ids=["what is installed", "no extra"])
def test_noise_is_told(line: Line, reader: Reader, monkeypatch: pytest.MonkeyPatch, extras: bool) -> None:
    if not extras:
        without_extras(monkeypatch)
    noise = np.random.default_rng(1).normal(0, 0.08, len(line.wave))  # speech stands 10 dB over it
    speech = reader.read(to_wave((line.wave + noise).astype(np.float32), RATE), "", "en")
    assert any("expect wrong closures" in note for note in speech.notes), speech.notes


def test_a_sound_is_the_same_at_any_rate_and_loudness(line: Line, reader: Reader, tmp_path: Path) -> None:
    once = reader.read(line.wave, line.text, "en")
    quiet = to_wave(np.repeat(line.wave, 3)[:, None].repeat(2, 1) * 0.1, 3 * RATE)
    again = reader.read(quiet, line.text, "en")
    assert again.method == once.method
    assert np.corrcoef(once.openness, again.openness)[0, 1] > 0.95


def test_an_analysis_is_made_once(line: Line, tmp_path: Path) -> None:
    class Broken(Reader):
        def read(self, wave: Wave, text: str, language: str) -> Speech:
            raise AssertionError("read again")

    first = read_speech(line.wave, line.text, "en", tmp_path)
    again = read_speech(line.wave, line.text, "en", tmp_path, Broken())
    assert again == first
    assert np.array_equal(again.openness, first.openness)
    with pytest.raises(AssertionError, match="read again"):
        read_speech(line.wave, "other words", "en", tmp_path, Broken())


def test_a_damaged_cache_is_made_again(line: Line, tmp_path: Path) -> None:
    first = read_speech(line.wave, line.text, "en", tmp_path)
    for file in tmp_path.glob("*.json"):
        file.write_text('{"seconds": 1}')
    assert read_speech(line.wave, line.text, "en", tmp_path) == first


def test_a_text_takes_its_time(tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    without_extras(monkeypatch)
    speech = read_text("Peter, come home.", "en", 1.0, tmp_path, reader)
    faster = read_text("Peter, come home.", "en", 2.0, tmp_path, reader)
    assert speech.method == "text, at a speaking rate"
    assert [p.name for p in speech.phones if p.word == 0] == ["p", "iy", "t", "er"]
    assert speech.words == ("peter", "come", "home")
    assert faster.phones[-1].stop < 0.65 * speech.phones[-1].stop
    with pytest.raises(ParamError, match="no words"):
        read_text("…!", "en", 1.0, tmp_path, reader)


@needs_espeak
def test_espeak_says_a_text_in_its_language(tmp_path: Path) -> None:
    path = spoken_file("Bonjour", "fr", 1.0, tmp_path)
    assert 0.3 < len(wave_of(path)) / RATE < 2
    assert spoken_file("Bonjour", "fr", 1.0, tmp_path) == path
    with pytest.raises(ParamError, match="no language or voice 'xx'"):
        spoken_file("Bonjour", "xx", 1.0, tmp_path)


def test_what_cannot_be_sound_is_told(tmp_path: Path) -> None:
    (tmp_path / "note.wav").write_bytes(b"no sound")
    with pytest.raises(MediaError, match=r"note\.wav"):
        wave_of(tmp_path / "note.wav")
    with pytest.raises(ParamError, match="a language is a code"):
        read_speech(np.zeros(RATE, np.float32), "", "français!", tmp_path)


def test_phones_follow_each_other_from_the_start_to_the_end(line: Line, reader: Reader) -> None:
    for text in (line.text, ""):
        speech = reader.read(line.wave, text, "en")
        edges = [(p.start, p.stop) for p in speech.phones]
        assert edges[0][0] == 0
        assert edges[-1][1] == pytest.approx(speech.seconds)
        assert all(a[1] == pytest.approx(b[0]) for a, b in itertools.pairwise(edges))
        assert {v.name for v in speech.visemes} <= set(VISEMES)


def test_closures_are_exact_and_a_frame_long() -> None:
    phones = filled([Phone("aa", 0.1, 0.5), Phone("b", 0.5, 0.51), Phone("aa", 0.51, 0.9)], 1.0)
    curve = openness(phones, 1.0)
    assert len(curve) == 100
    assert (curve[49:52] == 0).all()
    assert curve[30] > 0.5
    assert curve[47] > 0.2


def test_a_hole_between_phones_is_silence() -> None:
    phones = filled([Phone("aa", 0.2, 0.4), Phone("iy", 0.35, 0.5)], 1.0)
    assert [(p.name, round(p.start, 2), round(p.stop, 2)) for p in phones] == [
        (SILENCE, 0, 0.2), ("aa", 0.2, 0.35), ("iy", 0.35, 0.5), (SILENCE, 0.5, 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("phone", "mouth", "opening"),
    [("b", "closed", (0, 0)), ("f", "teeth", (0.08, 0.08)), ("ay", "open", (0.6, 0.24)), ("uw", "round", (0.15, 0.15)),
     ("ˈuː", "round", (0.15, 0.15)), ("tɕh", "round", (0.18, 0.18)), ("ɔ̃", "round", (0.5, 0.5)), ("ph", "closed", (0, 0)),
     ("aʊ", "open", (0.6, 0.25)), ("", "silence", (0, 0)), ("??", "open", (0.3, 0.3))],
)  # fmt: skip
def test_every_phone_has_a_mouth(phone: str, mouth: str, opening: tuple[float, float]) -> None:
    assert (articulation(phone).mouth, articulation(phone).opening) == (mouth, opening)


def test_a_diphthong_is_two_shapes() -> None:
    assert [v.name for v in visemes([Phone("aw", 0, 0.2), Phone("t", 0.2, 0.3)])] == ["aa", "ou", "DD"]


def test_numbers_signs_and_titles_are_spelt_out() -> None:
    said = " ".join(english_words("Dr. Lee's 25 dogs & 1,200 cats, 3.5% in 1984"))
    assert said.startswith("doctor lee's twenty five dogs and one thousand two hundred cats ")
    assert said.endswith(" three point five percent in nineteen eighty four")


def test_words_without_a_dictionary_have_sounds() -> None:
    assert by_rule("phlumbo") == "F L AH M B AA"
    assert from_ipa(["ˈtʃ", "ɜː", "tʃ"]) == "CH ER CH"


def test_voices_are_told_from_pauses(line: Line) -> None:
    pause = np.zeros(RATE, np.float32)
    found = voices(np.concatenate([pause, line.wave, pause, line.wave, pause]))
    assert len(found) == 2
    assert 0.9 < found[0].start < 1.4
