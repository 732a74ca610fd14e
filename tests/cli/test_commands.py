"""The command line as an editor meets it: what it prints, what it leaves, how it ends."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from conftest import two_clips

from lp_editor import Registry
from lp_editor.cli import main, parsed, parser
from lp_editor.cli.catalogue import LONG, plain_table, show
from lp_editor.demo import FILES
from lp_editor.effect import RESERVED, parameters
from lp_editor.faces import analyse_faces
from lp_editor.hosts.watch import ERROR
from lp_editor.media.picture import BT709, Colour, Picture, VideoFormat
from lp_editor.media.probe import probe
from lp_editor.media.sink import Codec, encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.timeline.document import open_document

COMMANDS = ("demo", "inspect", "mark", "unmark", "key", "undo", "still", "render", "roundtrip", "effects", "presets")


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def offline(tmp_path: Path) -> Path:
    """A project whose media is not there."""
    return two_clips(tmp_path / "gone.mp4", tmp_path).path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert f"lp-editor {command}" in capsys.readouterr().out.split("example", 1)[1]


EXAMPLES = (
    *((command,) for command in (*COMMANDS, "animate", "template", "watch", "install", "job", "copy", "paste", "curves")),
    ("models",), ("models", "pull"), ("models", "verify"),
)  # fmt: skip


@pytest.mark.parametrize("words", EXAMPLES, ids=" ".join)
def test_every_example_of_a_help_page_is_understood(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words, "--help") == 0
    lines = capsys.readouterr().out.split("example", 1)[1].splitlines()
    examples = [shlex.split(line)[1:] for line in lines if line.startswith("  lp-editor ")]
    assert any(example[: len(words)] == list(words) for example in examples)
    for example in examples:
        parsed(example)


def test_the_help_of_mark_shows_every_effect_with_parameters_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("mark", "--help") == 0
    lines = [shlex.split(line)[1:] for line in capsys.readouterr().out.splitlines() if line.startswith("  lp-editor ")]
    registry, shown = Registry.installed(), set()
    for asked in map(parsed, lines):
        effect, *params = sorted(asked.words, key=lambda word: "=" in word)
        if "=" not in effect:
            takes = {one.name for one in parameters(registry.effect(effect))} | set(RESERVED)
            assert {word.partition("=")[0] for word in params} <= takes
            shown.add(effect)
    assert shown == set(registry.effects)


def test_a_living_picture_has_no_handles_and_a_folder_under_watch_says_what_its_files_are_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("animate", "--help") == 0
    assert "--handles" not in capsys.readouterr().out
    assert run("watch", "--help") == 0
    assert f"CUT.otio{ERROR}" in capsys.readouterr().out


def test_help_and_effects_load_nothing_heavy() -> None:
    code = (
        "import sys; from lp_editor.cli import main; main(['--help']); main(['effects']);"
        "print([m for m in ('torch', 'av', 'cv2', 'mediapipe') if m in sys.modules])"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert out.strip().endswith("[]")


@pytest.mark.parametrize("words", [("effects",), ("presets", "--json")])
def test_a_reader_that_has_gone_is_no_error(words: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "lp_editor", *words], stdout=gone, stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_effects_and_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("effects") == 0
    assert run("effects", "gaze") == 0
    assert run("presets") == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("expression", "gaze", "stitch", "left_x", "-1 … 1", "warm-smile"))
    assert run("effects", "--json") == 0
    effects = json.loads(capsys.readouterr().out)
    assert {"expression", "gaze", "stitch"} <= {e["name"] for e in effects}
    assert run("presets", "--json") == 0
    assert all({"name", "effect", "help", "params"} == p.keys() for p in json.loads(capsys.readouterr().out))


def test_inspect_works_without_media_and_says_what_is_missing(
    offline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("mark", offline, "--clip", "opening", "preset=warm-smile") == 0
    capsys.readouterr()
    assert run("inspect", offline) == 0
    out = capsys.readouterr().out
    assert "(missing)" in out
    assert "smile=0.7" in out
    assert run("inspect", offline, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(t["name"], t["kind"], len(t["clips"])) for t in told["tracks"]] == [("V1", "video", 2), ("A1", "audio", 2)]
    clip = told["tracks"][0]["clips"][0]
    assert {"name", "id", "place", "media", "segments", "record", "source", "joint"} <= clip.keys()
    assert clip["media"]["found"] is False
    assert clip["segments"][0]["effect"] == "expression"
    assert clip["record"]["timecode"] == "01:00:00:00"


def test_marks_keys_and_undo_round_trip_through_the_file(offline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = offline.read_bytes()
    assert (
        run(
            "mark",
            offline,
            "--clip",
            "V1/2",
            "--at",
            "2f",
            "--for",
            "20f",
            "expression",
            "smile=0@0,0.7@10f:smooth",
            "ease=6f,4f",
        )
        == 0
    )
    assert run("key", offline, "s1", "smile", "set", "--at", "15f", "0.5", "--as", "hold") == 0
    assert run("key", offline, "s1", "smile", "move", "--at", "15f", "--to", "18f") == 0
    segment = next(c for c in open_document(offline).project.clips() if c.segments).segments[0]
    assert [(float(k.time), k.value, k.interpolation) for k in segment.params["smile"].keys] == [  # type: ignore[union-attr]
        (0.0, 0.0, "linear"), (0.4, 0.7, "smooth"), (0.72, 0.5, "hold"),
    ]  # fmt: skip
    assert float(segment.span.start) == 36 / 25
    assert run("key", offline, "s1", "smile", "delete", "--at", "18f") == 0
    assert run("unmark", offline, "s1") == 0
    assert not any(c.segments for c in open_document(offline).project.clips())
    for _ in range(5):
        assert run("undo", offline) == 0
    assert offline.read_bytes() == before
    assert run("undo", offline) == 2
    assert "nothing to undo" in capsys.readouterr().err


WRONG: Sequence[tuple[Sequence[str], str]] = (
    (("--clip", "opening", "smiel"), "no effect 'smiel'"),
    (("--clip", "opening", "expression", "smlie=1"), "no parameter 'smlie'"),
    (("--clip", "opening", "expression", "smile=3"), "must stay in -1..1, got 3"),
    (("--clip", "opening", "expression", "smile=0@0,nan@1s"), "finite"),
    (("--clip", "opneing", "gaze"), "near: opening"),
    (("--at", "9s", "gaze"), "no picture is shown at 01:00:09:00"),
    (("--clip", "opening", "--at", "2x", "gaze"), "a time is seconds"),
    (("--clip", "opening", "--at", "1s", "--for", "9s", "gaze"), "reaches past the end"),
    (("--clip", "opening", "--at", "01:00:00:29", "gaze"), "no frame bears"),
    (("gaze", "x=0.5"), "say where"),
    (("--clip", "opening", "preset=grin"), "no preset 'grin'"),
    (("--clip", "opening", "gaze", "face=0"), "face is"),
    (("--clip", "opening", "gaze", "ease=x"), "a time is seconds"),
    (("--clip", "closing", "stitch"), "no clip follows"),
    (("--clip", "opening"), "name an effect"),
)


@pytest.mark.parametrize(("words", "complaint"), WRONG, ids=[w[1] for w in WRONG])
def test_a_wrong_mark_is_explained_and_changes_nothing(
    words: Sequence[str], complaint: str, offline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = offline.read_bytes()
    assert run("mark", offline, *words) == 2
    err = capsys.readouterr().err
    assert complaint in err
    assert "Traceback" not in err
    assert offline.read_bytes() == before


def test_a_mark_into_another_file_overwrites_nothing_unasked(
    offline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, other = offline.read_bytes(), tmp_path / "other.otio"
    other.write_text("precious")
    words = ("mark", offline, "--clip", "opening", "gaze", "x=0.5", "-o")
    assert run(*words, other) == 2
    assert "exists already" in capsys.readouterr().err
    assert other.read_text() == "precious"
    assert run(*words, tmp_path / "other.mp4") == 2
    assert "written as .otio" in capsys.readouterr().err
    assert run(*words, other, "--force") == 0
    assert [len(c.segments) for c in open_document(other).project.clips() if c.place.startswith("V1")] == [1, 0]
    assert offline.read_bytes() == before


def test_an_ambiguous_name_lists_the_clips(offline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = offline.read_text().replace('"closing"', '"opening"')
    offline.write_text(text)
    assert run("mark", offline, "--clip", "opening", "gaze") == 2
    err = capsys.readouterr().err
    assert "V1/1" in err
    assert "V1/2" in err


def test_render_and_still_name_missing_media(offline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("render", offline, "-o", tmp_path / "x.mp4") == 2
    assert str(tmp_path / "gone.mp4") in capsys.readouterr().err
    assert run("still", offline, "--at", "1s", "-o", tmp_path / "x.png") == 2
    assert str(tmp_path / "gone.mp4") in capsys.readouterr().err


def test_all_missing_media_are_named_at_once(offline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = json.loads(offline.read_text())
    second = tree["tracks"]["children"][0]["children"][1]
    reference = second["media_references"][second["active_media_reference_key"]]
    reference["target_url"] = "away.mov"
    offline.write_text(json.dumps(tree))
    assert run("render", offline, "-o", tmp_path / "x.mp4", "--quiet") == 2
    err = capsys.readouterr().err
    assert str(tmp_path / "gone.mp4") in err
    assert str(tmp_path / "away.mov") in err


@pytest.fixture(scope="module")
def faceless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty-two frames of a plain wall at 25 a second."""
    folder = tmp_path_factory.mktemp("wall")
    wall = VideoFormat(640, 360, "yuv420p", Colour(BT709, BT709, BT709))
    frames = (Picture.of_rgb(np.full((360, 640, 3), 90 + n, np.uint8), wall) for n in range(62))
    encode_chunk(folder / "chunk", frames, wall, Fraction(25), Codec.H264)
    join_chunks(folder / "wall.mp4", [folder / "chunk"], [62], Fraction(25), Codec.H264, None)
    return folder / "wall.mp4"


def test_a_mark_where_no_face_is_ends_with_2_and_leaves_no_output(
    faceless: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = two_clips(faceless, tmp_path).path
    assert run("mark", project, "--clip", "opening", "gaze", "x=0.5") == 0
    assert run("render", project, "-o", tmp_path / "x.mp4", "--quiet") == 2
    assert 'no face found in clip "opening"' in capsys.readouterr().err
    assert not (tmp_path / "x.mp4").exists()


def test_a_demo_of_media_without_a_face_says_so_and_can_be_tried_again(
    faceless: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert run("demo", "--out", tmp_path / "demo", "--media", faceless, "--quiet") == 2
        assert "shows no face" in capsys.readouterr().err
    assert not any((tmp_path / "demo").iterdir())
    (tmp_path / "demo" / "contact.png").write_text("precious")
    assert run("demo", "--out", tmp_path / "demo", "--media", faceless, "--quiet") == 2
    assert "contact.png exists already" in capsys.readouterr().err
    assert (tmp_path / "demo" / "contact.png").read_text() == "precious"


def test_a_demo_of_a_face_that_leaves_keeps_no_half_made_project(
    filmed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with VideoSource(filmed) as source:
        shown = [source.picture(n) for n in range(36)]
    wall = Picture.of_rgb(np.full((720, 1280, 3), 90, np.uint8), shown[0].format)
    encode_chunk(tmp_path / "chunk", iter([*shown, *[wall] * 30]), wall.format, Fraction(25), Codec.H264)
    join_chunks(tmp_path / "left.mp4", [tmp_path / "chunk"], [66], Fraction(25), Codec.H264, None)
    assert run("demo", "--out", tmp_path / "demo", "--media", tmp_path / "left.mp4", "--quiet") == 2
    assert "shows no face in a clip" in capsys.readouterr().err
    assert not any((tmp_path / "demo").glob("*.otio"))


@pytest.mark.slow
def test_a_demo_of_a_film_jumps_where_the_face_changes_least(filmed: Path, tmp_path: Path) -> None:
    assert run("demo", "--out", tmp_path / "demo", "--media", filmed, "--quiet") == 0
    assert all((tmp_path / "demo" / name).is_file() for name in FILES)
    clips = [c for c in open_document(tmp_path / "demo" / "project.otio").project.clips() if c.place.startswith("V1")]
    leaves, enters = (round(t * 25) for t in (clips[0].record.duration, clips[1].source.start - clips[0].source.start))
    with VideoSource(filmed) as source:
        (track,) = analyse_faces(source, 0, 60, tmp_path / "faces")

    def apart(a: int, b: int) -> float:
        before, after = track.at(a), track.at(b)
        assert before is not None
        assert after is not None
        return float(np.abs(before.points[:, :2] - after.points[:, :2]).mean())

    assert 17 <= leaves < 23
    assert 26 <= enters < 32
    assert apart(leaves, enters) < np.mean([apart(a, b) for a in range(17, 23) for b in range(26, 32)]) / 2


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(
    offline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*asked: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("lp_editor.verbs.open_document", stopped)
    assert run("inspect", offline) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_our_own_mistake_is_no_traceback_unless_asked_for(
    offline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*asked: object) -> NoReturn:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("lp_editor.verbs.open_document", broken)
    assert run("inspect", offline) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: a bug" in err
    assert "LP_EDITOR_DEBUG=1" in err
    monkeypatch.setenv("LP_EDITOR_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("inspect", offline)


@pytest.mark.parametrize(
    "content", [b"", b"not json", b"[]", b'{"OTIO_SCHEMA": "Timeline.1", "tracks": 7}', b'{"a": ' * 5000]
)
def test_a_broken_project_is_one_sentence(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.otio"
    path.write_bytes(content)
    assert run("inspect", path) == 2
    err = capsys.readouterr().err
    assert "broken.otio" in err
    assert "Traceback" not in err
    assert path.read_bytes() == content


def test_broken_media_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"this is no film" * 100)
    project = two_clips(tmp_path / "bad.mp4", tmp_path).path
    assert run("render", project, "-o", tmp_path / "x.mp4", "--quiet") == 2
    assert "bad.mp4 cannot be read as media" in capsys.readouterr().err


def test_a_compared_still_shows_both(cut_file: Path, tmp_path: Path) -> None:
    assert run("mark", cut_file, "--at", "5f", "--for", "10f", "gaze", "x=0.8", "ease=0") == 0
    assert run("still", cut_file, "--at", "10f", "-o", tmp_path / "both.png", "--compare", "--quiet") == 0
    with VideoSource(tmp_path / "both.png") as picture:
        image = picture.picture(0).rgb_all()
    assert image.shape[1] > 2 * 1280
    left, right = image[-720:, :1280].astype(int), image[-720:, -1280:].astype(int)
    assert 0 < (abs(left - right).max(2) > 8).mean() < 0.05
    assert run("still", cut_file, "--at", "10f", "-o", tmp_path / "both.png") == 2


def test_rendering_clips_writes_them_with_handles_and_a_relinked_project(
    cut_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("mark", cut_file, "--clip", "closing", "--at", "10f", "--for", "8f", "gaze", "x=0.6") == 0
    assert run("render", cut_file, "--clips", tmp_path / "out", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {"stage", "done", "total", "fps", "left"} == lines[0].keys()
    assert lines[-1]["report"]["engine"] == "mesh"
    (file,) = (tmp_path / "out").glob("*.mp4")
    info = probe(file).video
    assert info is not None
    assert info.count == 24 + 8 + 8  # the media ends 8 frames after the mark
    relinked, plain = (open_document(p).project for p in (tmp_path / "out" / "cut.otio", cut_file))
    assert [t.items for t in relinked.tracks] == [t.items for t in plain.tracks]
    assert run("render", cut_file, "--clips", tmp_path / "out", "--quiet") == 2


def test_an_unknown_command_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rendr") == 2
    assert "did you mean render?" in capsys.readouterr().err
    assert run("zzz") == 2
    assert "did you mean" not in capsys.readouterr().err
    assert parser().prog == "lp-editor"


def test_a_render_tells_where_its_time_went(cut_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("mark", cut_file, "--clip", "closing", "--at", "10f", "--for", "4f", "expression", "smile=0.6") == 0
    words = ["render", cut_file, "--speed", "ultrafast", "--quiet", "--profile"]
    assert run(*words, "-o", tmp_path / "out.mp4", "--timings", tmp_path / "steps.json") == 0
    table = capsys.readouterr().err
    assert all(step in table for step in ("faces", "decode", "engine", "composite", "encode", "by the clock"))
    events = json.loads((tmp_path / "steps.json").read_text(encoding="utf-8"))["traceEvents"]
    assert {"faces", "engine", "encode"} <= {event["name"] for event in events}
    assert run(*words, "-o", tmp_path / "again.mp4", "--json") == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])["report"]
    assert report["profile"]["encode"] == {"seconds": 0, "times": 0}  # everything was kept
    assert report["profile"]["write"]["times"] == 56


def test_a_long_table_has_a_line_for_each_row_and_all_its_cells(capsys: pytest.CaptureFixture[str]) -> None:
    table = plain_table("place", "marks")
    for number in range(LONG + 1):
        table.add_row(f"V1/{number}", f"[a] {number}\nb")
    show(table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["place", "marks"]
    assert [line.split() for line in lines[1:]] == [[f"V1/{n}", "[a]", f"{n};", "b"] for n in range(LONG + 1)]
