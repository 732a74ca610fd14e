"""The lip sync: keys from speech, within what real mouths do, closures exact; and the same mouth in the picture."""

from __future__ import annotations

import json
import wave as waves
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from lp_editor import Curve, Edit, Effect, Key, ParamError, Registry, Scene, testing, verbs
from lp_editor.controls import REGIONS, TARGET_COLUMN
from lp_editor.errors import MediaError
from lp_editor.faces.measure import lip_ratio
from lp_editor.faces.model import Landmarker
from lp_editor.media.codecs import Codec, Delivery
from lp_editor.media.probe import probe
from lp_editor.media.sound import SoundSource
from lp_editor.media.source import VideoSource
from lp_editor.render.program import Settings
from lp_editor.speech.openness import filled, openness, visemes
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Segment, Span, Track
from lp_editor.utterance import Phone, Speech

LINE = Path(__file__).parents[1] / "speech" / "line.wav"
TEXT = "My brother bought five blue pianos in May."

SAID = (
    ("m", 0.2, 0.28), ("ay", 0.28, 0.45), ("b", 0.45, 0.53), ("ih", 0.53, 0.6), ("f", 0.6, 0.72), ("aa", 0.72, 1.0),
    ("p", 1.0, 1.02), ("uw", 1.02, 1.3), ("s", 1.3, 1.45), ("aa", 1.45, 1.8),
)  # fmt: skip
WORDS = ("my", "big", "far", "poo", "sah")


def spoken() -> Speech:
    words = (0, 0, 1, 1, 2, 2, 3, 3, 4, 4)
    phones = filled([Phone(*said, word) for said, word in zip(SAID, words, strict=True)], 2.0)
    return Speech(2.0, tuple(phones), visemes(phones), openness(phones, 2.0), "a test", WORDS)


@pytest.fixture(scope="module")
def lip_sync() -> type[Effect]:
    return Registry.installed().effect("lip_sync")


@pytest.fixture
def scene() -> Scene:
    return testing.scene(2.0, speech=spoken())


def keyed(effect: type[Effect], scene: Scene, **params: float | str) -> dict[str, Curve]:
    found = effect.parse(params).keyed(scene)
    assert all(isinstance(curve, Curve) for curve in found.values())
    return {name: curve for name, curve in found.items() if isinstance(curve, Curve)}


def test_keys_are_sparse_and_closures_exact(lip_sync: type[Effect], scene: Scene) -> None:
    curves = keyed(lip_sync, scene)
    assert set(curves) == {"open", "close", "wide", "round", "tuck"}
    assert len(curves["open"].keys) <= 12 * 2
    for start, stop in ((0.2, 0.28), (0.45, 0.53), (1.0, 1.02)):
        assert curves["open"].at(np.linspace(start, stop, 9)).max() == 0
        assert curves["close"].at((start + stop) / 2) == pytest.approx(1)
    assert curves["open"].at(0.86) > 0.5
    assert curves["tuck"].at(0.66) == pytest.approx(1)
    assert curves["round"].at(1.16) == pytest.approx(1)


@pytest.mark.parametrize("rate", [24, 25, 30])
def test_every_closure_is_shown_by_a_frame(lip_sync: type[Effect], rate: int) -> None:
    curve = keyed(lip_sync, testing.scene(2.0, rate, speech=spoken()))["open"]
    frames = (np.arange(2 * rate) + 0.5) / rate
    for middle in (0.24, 0.49, 1.01):
        assert curve.at(frames[np.abs(frames - middle) < 0.75 / rate]).min() == 0


def test_no_mouth_is_faster_or_wider_than_real_ones(lip_sync: type[Effect], scene: Scene) -> None:
    loud = replace(spoken(), openness=spoken().openness * 3)
    curve = keyed(lip_sync, replace(scene, speech=loud))["open"].at(np.arange(0, 2, 0.01))
    assert curve.max() <= 0.67 + 1e-9
    speed = np.abs(np.diff(curve)) * 100
    assert speed.max() <= 8.5
    assert np.percentile(speed, 95) <= 6


def test_an_offset_moves_the_mouth_by_frames(lip_sync: type[Effect], scene: Scene) -> None:
    once, late = keyed(lip_sync, scene)["open"], keyed(lip_sync, scene, offset=5)["open"]
    times = np.arange(0.3, 1.7, 0.01)
    assert late.at(times + 0.2) == pytest.approx(once.at(times), abs=0.01)


def test_a_word_can_be_said_more_strongly(lip_sync: type[Effect], scene: Scene) -> None:
    plain = keyed(lip_sync, scene)["open"]
    weak = keyed(lip_sync, scene, emphasis="far=0.4")["open"]
    numbered = keyed(lip_sync, scene, emphasis="#3=0.4")["open"]
    assert weak.at(0.86) < 0.6 * plain.at(0.86)
    assert weak == numbered
    assert weak.at(1.6) == pytest.approx(float(plain.at(1.6)), abs=0.06)
    for wrong, told in (("never=1", "the words are: my big far"), ("far", "WORD=0..3"), ("far=9", "WORD=0..3")):
        with pytest.raises(ParamError, match=told):
            keyed(lip_sync, scene, emphasis=wrong)


def test_given_keys_count_and_speech_is_not_asked(lip_sync: type[Effect], scene: Scene) -> None:
    own = Curve((Key(Fraction(0), 0.0), Key(Fraction(1), 0.5)))
    asks = testing.sample(lip_sync.parse({"open": own}).edit(scene), [0.5, 1.0])
    assert asks.column("mouth_open") == pytest.approx([0.25, 0.5])
    assert asks.column("lip_tuck").tolist() == [0, 0]


def test_the_filmed_mouth_is_stilled_and_lips_close_as_targets(lip_sync: type[Effect], scene: Scene) -> None:
    edit: Edit = lip_sync.parse({}).edit(scene)
    asks = testing.sample(edit, [0.24, 0.86])
    column = TARGET_COLUMN["lip_opening"]
    assert asks.targets[:, column].tolist() == [0, 0]
    assert asks.weights[:, column] == pytest.approx([1, 0])
    assert asks.neutral[:, REGIONS.index("mouth")].tolist() == [1, 1]
    half = testing.sample(lip_sync.parse({"strength": 0.5}).edit(scene), 0.86)
    assert half.column("mouth_open")[0] == pytest.approx(asks.column("mouth_open")[1] / 2)


# --- in a project -----------------------------------------------------------------------------------------------------


def still(folder: Path, seconds: int = 3) -> Document:
    """A project of the portrait, held still, without sound."""
    picture = folder / "portrait.png"
    Image.fromarray(np.asarray(skimage.data.astronaut(), np.uint8)[:320, 60:400]).resize((680, 640)).save(picture)
    span = Span(Fraction(0), Fraction(seconds))
    clip = Clip("", "still", Media("file", "portrait.png", str(picture), picture), span, span, Fraction(25))
    return new_document(
        folder / "cut.otio", Project("cut", Fraction(25), Fraction(0), (Track("V1", "video", (clip,)),))
    ).save()


def marked(document: Document, settings: Settings, **params: str) -> tuple[Document, Segment]:
    made = verbs.mark(document, "lip_sync", clip="still", params={**params, "ease": "0"})
    document, _ = verbs.key_by_scene(made.document, made.mark.id, settings)
    segment = next(c for c in document.project.clips() if c.segments).segments[0]
    return document, segment


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Segment]:
    """The portrait saying the line, lossless."""
    folder = tmp_path_factory.mktemp("said")
    settings = Settings(Delivery(Codec.FFV1), "mesh", cache=folder / "cache")
    document, segment = marked(still(folder), settings, sound=str(LINE), text=TEXT)
    verbs.render(document, folder / "said.mkv", settings)
    return folder / "said.mkv", segment


def test_the_mouth_in_the_picture_follows_its_curve_and_closes_with_it(film: tuple[Path, Segment]) -> None:
    path, segment = film
    curve = segment.params["open"]
    assert isinstance(curve, Curve)
    with Landmarker() as landmarker, VideoSource(path) as source:
        faces = [landmarker(p.rgb_all())[0] for p in source.frames(list(range(75)))]
    lips = np.array([lip_ratio(f.points[None].astype(np.float64))[0] for f in faces])
    asked = curve.at((np.arange(75) + 0.5) / 25)
    assert np.corrcoef(asked, lips)[0, 1] >= 0.9
    shut = np.flatnonzero(asked <= 0.001)
    assert len(shut) >= 6
    assert lips[shut].max() < 0.1 * np.percentile(lips, 95)


def test_new_sound_goes_into_the_cut(film: tuple[Path, Segment]) -> None:
    path, _ = film
    info = probe(path).audio[0]
    with waves.open(str(LINE)) as file:
        said = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    with SoundSource(path) as source:
        heard = source.read(0, info.rate * 3)[:, 0]
    assert info.rate == 16000
    inside = slice(400, len(said) - 400)
    assert np.abs(heard[inside] - said[inside]).max() < 1e-4
    assert not heard[len(said) :].any()


def test_an_offset_moves_new_sound_by_frames(tmp_path: Path) -> None:
    settings = Settings(Delivery(Codec.FFV1), "mesh", cache=tmp_path / "cache")
    document, _ = marked(still(tmp_path, 1), settings, sound=str(LINE), text=TEXT, offset="10", strength="0", still="0")
    verbs.render(document, tmp_path / "late.mkv", settings)
    with SoundSource(tmp_path / "late.mkv") as source:
        heard = source.read(0, 16000)[:, 0]
    with waves.open(str(LINE)) as file:
        said = np.frombuffer(file.readframes(9600), np.int16) / 32768
    assert not heard[:6400].any()
    assert np.abs(heard[6800:15600] - said[400:9200]).max() < 1e-4


def test_a_text_alone_moves_the_mouth_silently(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path)
    _document, segment = marked(still(tmp_path), settings, text="Peter paints a boat.")
    curve = segment.params["close"]
    assert isinstance(curve, Curve)
    times = np.arange(0, 3, 0.005)
    shut = np.flatnonzero(np.diff((curve.at(times) > 0.99).astype(int)) == 1)
    assert len(shut) == 3


def test_bad_input_is_told(tmp_path: Path, lip_sync: type[Effect]) -> None:
    document, settings = still(tmp_path), Settings(cache=tmp_path)
    for params, told in (
        ({}, "the clip has no sound; lip_sync needs text=WORDS"),
        ({"sound": str(tmp_path / "none.wav")}, r"none\.wav"),
        ({"hears": "clip"}, "the clip has no sound to read"),
        ({"text": str(tmp_path / "none.txt")}, r"none\.txt cannot be read"),
        ({"sound": str(tmp_path / "portrait.png"), "text": "x"}, "has no sound"),
    ):
        with pytest.raises((ParamError, MediaError), match=told):
            marked(document, settings, **params)


def with_film(folder: Path, media: Path) -> Document:
    """A project of a film with sound on a picture and a sound track, two seconds."""
    span = Span(Fraction(0), Fraction(2))
    clip = Clip("", "still", Media("file", media.name, str(media), media), span, span, Fraction(25))
    tracks = (Track("V1", "video", (clip,)), Track("A1", "audio", (clip,)))
    return new_document(folder / "cut.otio", Project("cut", Fraction(25), Fraction(0), tracks)).save()


def test_a_project_comes_back_with_the_new_sound(filmed: Path, tmp_path: Path) -> None:
    settings = Settings(engine="mesh", cache=tmp_path / "cache")
    document = with_film(tmp_path, filmed)
    made = verbs.mark(
        document, "lip_sync", clip="still", at="1s", length="0.6s", params={"sound": str(LINE), "text": TEXT}
    )
    document, notes = verbs.key_by_scene(made.document, made.mark.id, settings)
    assert notes == ["speech read by pocketsphinx alignment with text"]
    relinked, report = verbs.render_stretches(document, tmp_path / "rendered", settings)
    assert not any("by hand" in note for note in report.notes)
    saved = relinked.save(tmp_path / "back.otio")
    shown = [c["active_media_reference_key"] for t in _tracks(saved.path) for c in t["children"]]
    assert shown == ["DEFAULT_MEDIA", "lp_editor", "DEFAULT_MEDIA"] * 2
    again = verbs.open_project(tmp_path / "back.otio")
    assert [c.place for c in again.project.clips()] == ["V1/1", "A1/1"]


def test_what_a_dialect_cannot_relink_is_told(filmed: Path, tmp_path: Path) -> None:
    settings = Settings(engine="mesh", cache=tmp_path / "cache")
    with_film(tmp_path, filmed).save(tmp_path / "cut.xml")
    document = verbs.open_project(tmp_path / "cut.xml")
    made = verbs.mark(
        document, "lip_sync", clip="still", at="1s", length="0.4s", params={"sound": str(LINE), "text": TEXT}
    )
    _, report = verbs.render_stretches(made.document, tmp_path / "rendered", settings)
    assert any("lay it there by hand" in note for note in report.notes)


def _tracks(path: Path) -> list[dict[str, list[dict[str, str]]]]:
    tracks: list[dict[str, list[dict[str, str]]]] = json.loads(path.read_text())["tracks"]["children"]
    return tracks


def test_only_the_clips_own_sound_gives_way(filmed: Path, tmp_path: Path) -> None:
    settings = Settings(Delivery(Codec.FFV1), "mesh", cache=tmp_path / "cache")
    document = with_film(tmp_path, filmed)
    params = {"sound": str(LINE), "text": TEXT, "strength": "0", "still": "0"}
    made = verbs.mark(document, "lip_sync", clip="still", at="1s", length="0.6s", params=params)
    verbs.render(document, tmp_path / "before.mkv", settings)
    verbs.render(made.document, tmp_path / "after.mkv", settings)
    sounds = []
    for name in ("before", "after"):
        with SoundSource(tmp_path / f"{name}.mkv") as source:
            rate = source.info.rate
            sounds.append(source.read(0, 2 * rate)[:, 0])
    changed = np.abs(sounds[0] - sounds[1]) > 1e-4
    assert changed[round(1.02 * rate) : round(1.58 * rate)].mean() > 0.5
    assert not changed[: round(0.98 * rate)].any()
    assert not changed[round(1.62 * rate) :].any()
