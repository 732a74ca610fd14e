"""Copying and pasting marks, a user's own presets, drawn curves, overlaps: as an editor meets them."""

from __future__ import annotations

import itertools
import json
import re
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import two_clips

from lp_editor import Registry, verbs
from lp_editor.cli import main
from lp_editor.curves import drawn
from lp_editor.errors import ProjectError
from lp_editor.timeline.find import find_clip
from lp_editor.timeline.model import Segment


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def offline(tmp_path: Path) -> Path:
    """A project whose media is not there: none of this needs it."""
    return two_clips(tmp_path / "gone.mp4", tmp_path).path


@pytest.fixture
def marked(offline: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    run(
        "mark",
        offline,
        "--clip",
        "opening",
        "--at",
        "4f",
        "--for",
        "10f",
        "expression",
        "smile=0@0,0.6@8f:smooth",
        "ease=2f",
    )
    run("mark", offline, "--clip", "opening", "--at", "10f", "--for", "10f", "gaze", "x=0.4", "face=2")
    capsys.readouterr()
    return offline


def segments(path: Path, clip: str) -> tuple[Segment, ...]:
    return find_clip(verbs.open_project(path).project, clip).segments


def frames(path: Path, clip: str) -> list[tuple[str, float, float]]:
    """Effect, first frame and length of every mark, from the clip's first visible frame."""
    found = find_clip(verbs.open_project(path).project, clip)
    spans = [(s.effect, found.record_span(s.span)) for s in found.segments]
    return [(effect, float(span.start - found.record.start) * 25, float(span.duration) * 25) for effect, span in spans]


@pytest.mark.parametrize("command", ["copy", "paste", "curves"])
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert f"lp-editor {command}" in capsys.readouterr().out.split("example", 1)[1]


def test_marks_are_pasted_as_far_from_the_start_as_they_lay_and_undo_takes_them_back(marked: Path) -> None:
    assert run("copy", marked, "--clip", "opening") == 0
    assert run("paste", marked, "--clip", "closing") == 0
    assert frames(marked, "closing") == [("expression", 4, 10), ("gaze", 10, 10)]
    pasted, source = segments(marked, "closing"), segments(marked, "opening")
    assert [(s.params, s.ease, s.face) for s in pasted] == [(s.params, s.ease, s.face) for s in source]
    assert len({s.id for s in (*pasted, *source)}) == 4
    assert run("undo", marked) == 0
    assert segments(marked, "closing") == ()
    assert segments(marked, "opening") == source


def test_one_mark_is_pasted_at_a_time_and_on_a_face_of_its_own(marked: Path) -> None:
    assert run("copy", marked, "s2") == 0
    assert run("paste", marked, "--clip", "closing", "--at", "3f", "--face", "1") == 0
    assert frames(marked, "closing") == [("gaze", 3, 10)]
    assert segments(marked, "closing")[0].face == "1"


def test_marks_go_to_another_project_of_another_rate_through_a_file(marked: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = tmp_path / "b" / "other.edl"
    other.write_text(
        "TITLE: b\nFCM: NON-DROP FRAME\n\n001  AX V C 01:00:00:00 01:00:02:00 01:00:00:00 01:00:02:00\n* FROM CLIP NAME: x\n"
    )
    assert run("copy", marked, "--clip", "opening", "-o", tmp_path / "marks.json") == 0
    assert run("paste", other, "--rate", "50", "--clip", "V1/1", "--from", tmp_path / "marks.json") == 0
    document = verbs.open_project(other, rate="50")
    (clip,) = document.project.clips()
    assert [clip.record_span(s.span).duration for s in clip.segments] == [Fraction(2, 5), Fraction(2, 5)]


def test_what_has_no_room_is_shortened_or_left_out_and_said(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("copy", marked, "--clip", "opening")
    assert run("paste", marked, "--clip", "closing", "--at", "21f") == 0
    err = capsys.readouterr().err
    assert "expression (s1) is 0.200s longer than closing has room for: shortened" in err
    assert "gaze (s2) lies outside closing, so it was left out" in err
    assert frames(marked, "closing") == [("expression", 21, 5)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("copy", "{}", "s9"), "no segment 's9'"),
        (("copy", "{}"), "say what to copy"),
        (("copy", "{}", "--clip", "closing"), 'no stretch of "closing" (V1/2) is marked'),
        (("paste", "{}", "--clip", "closing"), "nothing was copied yet"),
        (("paste", "{}", "--clip", "closing", "--from", "{}"), "holds no copied marks"),
        (("paste", "{}", "--clip", "closing", "--from", "no.json"), "there is no file no.json"),
        (("curves", "{}", "--clip", "closing", "-o", "x.svg"), "is marked, so there are no curves"),
        (("curves", "{}", "-o", "x.png"), "drawn as .svg"),
        (("presets", "save", "{}", "s1", "Meins"), "small letters, digits and hyphens"),
        (("presets", "save", "{}", "s1", "smile"), "not one of yours"),
        (("presets", "save", "{}", "s7", "mine"), "no segment 's7'"),
        (("presets", "remove", "mine"), "you have no preset 'mine'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(
    words: tuple[str, ...], says: str, marked: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LP_EDITOR_CACHE", str(marked.parent / "cache"))
    monkeypatch.chdir(marked.parent)
    before = marked.read_bytes()
    assert run(*(word.format(marked) for word in words)) == 2
    _out, err = capsys.readouterr()
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert marked.read_bytes() == before
    assert not (marked.parent / "x.svg").exists()


def test_a_joint_stays_at_its_cut(offline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("mark", offline, "--clip", "opening", "stitch")
    assert run("copy", offline, "s1") == 2
    assert "belongs to its cut" in capsys.readouterr().err


def test_a_mark_saved_as_a_preset_is_there_on_the_next_run(
    marked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LP_EDITOR_PRESETS", str(tmp_path / "mine"))
    assert run("presets", "save", marked, "s1", "slow-grin", "--about", "a grin that takes its time") == 0
    assert run("presets", "save", marked, "s1", "slow-grin") == 2  # not over one of this name
    preset = Registry.installed().presets["slow-grin"]
    assert (preset.effect, preset.help) == ("expression", "a grin that takes its time")
    assert run("mark", marked, "--clip", "closing", "--for", "12f", "preset=slow-grin", "intensity=0.5") == 0
    made = segments(marked, "closing")[0]
    assert made.params["smile"] == segments(marked, "opening")[0].params["smile"]
    assert "intensity" in made.params
    capsys.readouterr()
    assert run("presets") == 0
    assert "slow-grin" in capsys.readouterr().out
    assert run("presets", "remove", "slow-grin") == 0
    assert "slow-grin" not in Registry.installed().presets


def test_curves_are_drawn_with_their_keys_timecode_and_names(marked: Path, tmp_path: Path) -> None:
    assert run("key", marked, "s1", "smile", "set", "--at", "4f", "0.3") == 0
    assert run("curves", marked, "--clip", "opening", "-o", tmp_path / "c.svg") == 0
    assert run("curves", marked, "--clip", "opening", "-o", tmp_path / "c.svg") == 2  # it is there
    assert run("curves", marked, "-o", tmp_path / "c.svg", "--force") == 0  # the only marked clip
    root = ElementTree.parse(tmp_path / "c.svg").getroot()
    name = "{http://www.w3.org/2000/svg}"
    texts = ["".join(t.itertext()) for t in root.iter(f"{name}text")]
    assert {"smile 3 keys", "x 0.4, constant", "01:00:00:05", "s1  expression", "face=2"} <= set(texts)
    assert len(list(root.iter(f"{name}circle"))) == 3
    keys = sorted((float(c.get("cx", "0")), float(c.get("cy", "0"))) for c in root.iter(f"{name}circle"))
    steps = [b[0] - a[0] for a, b in itertools.pairwise(keys)]
    assert steps[0] == pytest.approx(steps[1], abs=0.2)  # keys at 0, 4 and 8 frames
    assert keys[0][1] > keys[1][1] > keys[2][1]  # up is more


def test_a_trimmed_mark_draws_what_shows(marked: Path) -> None:
    project = verbs.open_project(marked).project
    svg = drawn(project, find_clip(project, "opening"), Registry.installed())
    xs = [float(x) for x in re.findall(r"([\d.]+),[\d.]+ ", svg)]
    assert min(xs) >= 74
    assert max(xs) <= 1280 - 250
    with pytest.raises(ProjectError):
        drawn(project, find_clip(project, "closing"), Registry.installed())


def test_inspect_shows_where_effects_overlap(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("inspect", marked)
    assert "overlap" not in capsys.readouterr().out  # two faces
    run("mark", marked, "--clip", "opening", "--at", "8f", "--for", "22f", "gaze", "y=0.2")
    capsys.readouterr()
    assert run("inspect", marked) == 0
    out = capsys.readouterr().out
    assert "overlap on opening (V1/1): s1 expression and s3 gaze, 01:00:00:08 to 01:00:00:14" in out
    assert run("inspect", marked, "--json") == 0
    clip = json.loads(capsys.readouterr().out)["tracks"][0]["clips"][0]
    assert clip["overlaps"] == [
        {"segments": ["s1", "s3"], "face": "largest", "start": pytest.approx(0.32), "duration": pytest.approx(0.24)}
    ]


def test_units_that_differ_have_panels_of_their_own(offline: Path) -> None:
    run("mark", offline, "--clip", "opening", "expression", "smile=0.5", "yaw=-6@0:bezier,8@1s", "scale=0.1")
    document = verbs.open_project(offline)
    svg = drawn(document.project, find_clip(document.project, "opening"), Registry.installed())
    assert svg.count("s1  expression<") == 1
    assert svg.count("s1  expression, degrees<") == 1
