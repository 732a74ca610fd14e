"""The performance: which moment of a driver, which parts of a face; drivers that are no films; photographs that live."""

from __future__ import annotations

import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from lp_editor import PARTS, SHAPES, Curve, Effect, Key, MediaError, ParamError, Recording, Registry, Scene, testing
from lp_editor.cli import main
from lp_editor.controls import COLUMN
from lp_editor.effect import Performance
from lp_editor.face import FaceTrack
from lp_editor.faces import analyse_faces
from lp_editor.media.source import VideoSource
from lp_editor.recording import controls_of, read_recording, shapes_of, write_recording
from lp_editor.render.stage import _recorded
from lp_editor.render.stores import digest

HEADER = ["Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in SHAPES), "HeadYaw", "HeadPitch",
          "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll"]  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.installed()


@pytest.fixture(scope="module")
def effect(registry: Registry) -> type[Effect]:
    return registry.effect("performance")


def lasting(seconds: float, length: float = 4.0) -> Scene:
    """A stretch led by a driver of 25 frames a second."""
    track = FaceTrack(1, 0, [testing.synthetic_face()] * round(length * 25))
    return testing.scene(seconds, driver=track)


def followed(effect: type[Effect], scene: Scene, **params: float | str | bool) -> Performance:
    (made,) = effect.parse({"driver": "d.mp4", **params}).edit(scene).performances
    return made


def moments(effect: type[Effect], scene: Scene, at: list[float], **params: float | str | bool) -> list[float]:
    return [round(float(value), 3) for value in followed(effect, scene, **params).moment.at(np.array(at))]


def test_the_driver_plays_at_its_speed_from_its_start_and_holds_its_end(effect: type[Effect]) -> None:
    assert moments(effect, lasting(6), [0, 1, 5]) == [0, 1, 4]
    assert moments(effect, lasting(6), [0, 1, 5], speed=0.5, start=1.0) == [1, 1.5, 3.5]


def test_it_loops_comes_back_or_is_stretched_to_fit(effect: type[Effect]) -> None:
    assert moments(effect, lasting(10), [1, 5, 9.5], fit="loop") == [1, 1, 1.5]
    assert moments(effect, lasting(10), [1, 5, 9.5], fit="pingpong") == [1, 3, 1.5]
    assert moments(effect, lasting(10), [0, 5, 10], fit="fit") == [0, 2, 4]
    assert moments(effect, lasting(10), [0, 5, 10], fit="fit", start=2.0) == [2, 3, 4]
    assert moments(effect, lasting(10), [0, 5, 10], fit="fit", start=2.0, speed=-1.0) == [4, 3, 2]


def test_a_driver_may_run_backwards(effect: type[Effect]) -> None:
    assert moments(effect, lasting(3), [0, 0.5, 3.5, 9], speed=-1.0) == [4, 3.5, 0.5, 0]
    assert moments(effect, lasting(9), [0, 1, 5, 9], speed=-1.0, fit="loop") == [4, 3, 3, 3]
    assert moments(effect, lasting(3), [0, 1], speed=-1.0, fit="loop", start=2.0) == [4, 3]


def test_a_driver_that_turns_round_plays_on_from_where_it_is(effect: type[Effect]) -> None:
    for first, last, seen in ((1.0, -1.0, [0, 0.5, 0, 0]), (-1.0, 1.0, [4, 3.5, 4, 4])):
        made = effect.parse({"driver": "d", "speed": keyed((0, first), (2, last))}).edit(lasting(4)).performances[0]
        assert made.moment.at(np.array([0.0, 1.0, 2.0, 3.0])) == pytest.approx(seen, abs=0.02)


def test_a_speed_with_keys_is_summed_up(effect: type[Effect]) -> None:
    made = effect.parse({"driver": "d", "speed": keyed((0, 0.0), (2, 2.0))}).edit(lasting(4)).performances[0]
    assert made.moment.at(np.array([2.0]))[0] == pytest.approx(2.0, abs=0.01)
    assert made.moment.at(np.array([1.0]))[0] == pytest.approx(0.5, abs=0.01)


def keyed(*keys: tuple[float, float]) -> Curve:
    return Curve(tuple(Key(Fraction(time), value) for time, value in keys))


@pytest.mark.parametrize(
    ("words", "parts"),
    [("all", PARTS), ("expression", PARTS[:-1]), ("pose", ("pose",)), ("lips", ("mouth",)),
     ("left_eye", ("eye_left", "gaze_left")), ("right_eye,pose", ("eye_right", "gaze_right", "pose"))],
)  # fmt: skip
def test_regions_are_words(effect: type[Effect], words: str, parts: tuple[str, ...]) -> None:
    assert followed(effect, lasting(1), regions=words).regions == parts


def test_what_is_wrong_is_said(effect: type[Effect]) -> None:
    for params, text in (
        ({"regions": "ears"}, "no region 'ears'"),
        ({"start": 9.0}, "the driver lasts 4.00 s"),
        ({"rest": "never"}, "rest is calm, first or seconds"),
        ({"smooth": 9.0}, "smooth must stay in 0..5"),
    ):
        with pytest.raises(ParamError, match=text):
            effect.parse({"driver": "d.mp4", **params}).edit(lasting(1))


def written(path: Path, count: int = 130, **columns: float) -> Path:
    """A Live Link Face recording of 60 frames a second whose jaw opens and closes."""
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(HEADER)
        for i in range(count):
            second, frame = divmod(i, 60)
            row = {name: columns.get(name, 0.0) for name in HEADER[2:]}
            row["JawOpen"] = 0.5 - 0.5 * np.cos(i / 10)
            out.writerow([f"15:59:{12 + second:02d}:{frame:02d}.{i:03d}", 61, *row.values()])
    return path


def test_a_live_link_recording_is_read_as_blendshapes_and_turns(registry: Registry, tmp_path: Path) -> None:
    path = written(tmp_path / "take.csv", HeadYaw=0.1, HeadPitch=0.2, SmileLeft=0, MouthSmileLeft=0.25)
    read = registry.recording(path)
    assert read is not None
    assert (len(read), float(read.rate)) == (130, 60.0)
    assert read.shapes[31, SHAPES.index("jawOpen")] == pytest.approx(0.5 - 0.5 * np.cos(3.1), abs=1e-6)
    assert np.allclose(read.shapes[:, SHAPES.index("mouthSmileLeft")], 0.25)
    assert read.poses[0] == pytest.approx([-np.degrees(0.2), np.degrees(0.1), 0])
    assert read.calm == 0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no frames"),
        (b"Timecode,BlendShapeCount\n1,2\n", "no columns of Live Link Face"),
        (b"\xff\xfe\x00\x01" * 20, "no text"),
        (b'"a\nb', "no .csv"),
    ],
)
def test_a_file_that_is_none_is_named_with_what_would_do(
    tmp_path: Path, registry: Registry, content: bytes, text: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=text) as caught:
        registry.recording(path)
    assert "bad.csv" in str(caught.value)


def test_a_number_that_is_none_is_named_with_its_line(registry: Registry, tmp_path: Path) -> None:
    path = written(tmp_path / "take.csv", 5)
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace(",0.0,", ",nan,", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(MediaError, match=r"line 4: eyeBlinkLeft is no number but 'nan'"):
        registry.recording(path)
    with pytest.raises(MediaError, match="cannot be read"):
        registry.recording(tmp_path / "none.csv")


def test_a_recording_is_stored_mirrored_and_smoothed(tmp_path: Path) -> None:
    shapes = np.zeros((20, 52))
    shapes[10, SHAPES.index("mouthSmileLeft")] = 1
    one = Recording(Fraction(30000, 1001), shapes, np.tile([1.0, 2.0, 3.0], (20, 1)), {"exp": np.ones((20, 2))}, 4)
    again = read_recording(write_recording(tmp_path / "a.npz", one))
    assert again is not None
    assert again.rate == one.rate
    assert again.rest == 4
    assert np.array_equal(again.shapes, one.shapes)
    assert again.motions is not None
    assert np.array_equal(again.motions["exp"], np.ones((20, 2)))
    other = one.mirrored()
    assert other.shapes[10, SHAPES.index("mouthSmileRight")] == 1
    assert other.poses[0].tolist() == [1, -2, -3]
    smooth = one.smoothed(0.1).shapes[:, SHAPES.index("mouthSmileLeft")]
    assert smooth.sum() == pytest.approx(1)
    assert smooth.max() < 0.5


def test_a_damaged_recording_is_named(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for arrays in ({"shapes": np.zeros((3, 5))}, {"x": np.zeros(3)}):
        np.savez(path, **arrays)
        with pytest.raises(MediaError, match=r"a\.npz"):
            registry.recording(path)
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(MediaError, match=r"a\.npz"):
        registry.recording(path)


def test_blendshapes_and_controls_are_read_both_ways() -> None:
    shapes = np.zeros((1, 52))
    for name, value in (("jawOpen", 0.4), ("mouthSmileLeft", 0.5), ("eyeBlinkRight", 0.7), ("eyeLookUpLeft", 0.3)):
        shapes[0, SHAPES.index(name)] = value
    made = controls_of(shapes, np.array([[3.0, -4.0, 5.0]]), PARTS)
    assert made.column("mouth_open")[0] == pytest.approx(0.4)
    assert made.column("blink_right")[0] == pytest.approx(0.7)
    assert [made.column(n)[0] for n in ("pitch", "yaw", "roll")] == [3, -4, 5]
    assert np.allclose(shapes_of(made), shapes)
    eyes = controls_of(shapes, np.zeros((1, 3)), ("eye_right", "gaze_right"))
    assert set(np.flatnonzero(eyes.offsets[0])) == {COLUMN["blink_right"]}


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "portrait.png"
    image = np.asarray(skimage.data.astronaut(), np.uint8)[:320, 60:380]
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


def measured(path: Path, cache: Path) -> list[dict[str, float]]:
    with VideoSource(path) as source:
        (track,) = analyse_faces(source, 0, source.video.count, cache)
    return [dict(face.blendshapes) for face in track.faces if face is not None]


def run(*words: object) -> int:
    return main([*map(str, words)])


def test_a_photograph_comes_alive_by_a_recording(photograph: Path, tmp_path: Path) -> None:
    driver, out = written(tmp_path / "take.csv", 36), tmp_path / "alive.mkv"
    project = tmp_path / "alive.otio"
    code = run("animate", photograph, "--driver", driver, "-o", out, "--engine", "mesh", "--codec", "ffv1", "--quiet",
               "--project", project, "--rate", "12")  # fmt: skip
    assert code == 0
    seen = measured(out, tmp_path / "faces")
    assert len(seen) == 7  # 36 frames of 60 are 0.6 s
    asked = [0.5 - 0.5 * np.cos(int((i + 0.5) * 5) / 10) for i in range(7)]
    assert np.corrcoef([face["jawOpen"] for face in seen], asked)[0, 1] > 0.9
    again = tmp_path / "again.mkv"
    assert run("render", project, "-o", again, "--engine", "mesh", "--codec", "ffv1", "--quiet") == 0
    with VideoSource(out) as a, VideoSource(again) as b:
        assert all(p.equals(q) for p, q in zip(a.frames(range(7)), b.frames(range(7)), strict=True))


def test_what_cannot_drive_is_told_in_one_sentence(
    photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    plain = tmp_path / "plain.png"
    cv2.imwrite(str(plain), np.full((200, 200, 3), 99, np.uint8))
    out = tmp_path / "out.mkv"
    note = tmp_path / "note.txt"
    note.write_text("smile, please")
    for driver, text in (
        (bad, "was not run"),
        (plain, "no face found in the driver"),
        (tmp_path / "no.mp4", f"the driver {tmp_path / 'no.mp4'} is missing; name"),
        (note, "a driver is a film, a picture, a motion template (.npz, .pkl) or a Live Link Face recording (.csv)"),
    ):
        code = run(
            "animate", photograph, "--driver", driver, "-o", out, "--engine", "mesh", "--codec", "ffv1", "--quiet"
        )
        said = capsys.readouterr().err
        assert code == 2
        assert text in said
        assert len(said.strip().splitlines()) == 1
        assert not out.exists()


def test_a_film_is_recorded_and_drives_in_its_own_place(filmed: Path, photograph: Path, tmp_path: Path) -> None:
    template = tmp_path / "talk.npz"
    assert run("template", filmed, "-o", template, "--quiet") == 0
    read = Registry.installed().recording(template)
    assert read is not None
    assert (len(read), float(read.rate)) == (60, 25.0)
    assert read.motions is None
    assert run("template", filmed, "-o", template, "--quiet") == 2  # it is there
    still = tmp_path / "still.png"
    project = tmp_path / "cut.otio"
    assert run("animate", photograph, "--driver", template, "-o", tmp_path / "a.mkv", "--codec", "ffv1", "--quiet",
               "--engine", "mesh", "--length", "2f", "--project", project) == 0  # fmt: skip
    assert run("still", project, "--at", "1f", "-o", still, "--engine", "mesh", "--quiet") == 0


def test_the_driver_of_a_mark_is_kept_by_its_whole_path(
    cut_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "take.csv", 5)
    monkeypatch.chdir(tmp_path)
    assert run("mark", cut_file, "--clip", "opening", "performance", "driver=take.csv") == 0
    from lp_editor import verbs

    (segment,) = next(iter(verbs.open_project(cut_file).project.clips())).segments
    assert segment.params["driver"] == str((tmp_path / "take.csv").resolve())


def test_a_scene_says_how_long_its_driver_is() -> None:
    assert lasting(1).driver_seconds == 4
    recorded = replace(testing.scene(1.0), recording=Recording(Fraction(50), np.zeros((25, 52)), np.zeros((25, 3))))
    assert recorded.driver_seconds == 0.5
    assert testing.scene(1.0).driver_seconds == 0


def test_a_drivers_name_in_the_cache_is_that_of_all_it_says() -> None:
    one = Recording(Fraction(25), np.zeros((3, len(SHAPES))), np.zeros((3, 3)), {"a": np.zeros((3, 2))}, 1)
    others = [
        one, replace(one, rate=Fraction(30)), replace(one, shapes=one.shapes + 0.1), replace(one, poses=one.poses + 1),
        replace(one, motions={"a": np.ones((3, 2))}), replace(one, motions={"b": np.zeros((3, 2))}), replace(one, rest=2),
    ]  # fmt: skip
    assert len({digest(*_recorded(other)) for other in others}) == len(others)
    assert digest(*_recorded(one)) == digest(*_recorded(replace(one, shapes=one.shapes.copy())))
