"""``roundtrip``: from a marker in an editor's file to the project to import again, and once more."""

from __future__ import annotations

import json
from fractions import Fraction as F
from pathlib import Path

import pytest
from conftest import two_clips

from lp_editor import verbs
from lp_editor.cli import main
from lp_editor.media.probe import probe
from lp_editor.timeline.document import open_document
from lp_editor.timeline.returned import MANIFEST
from lp_editor.verbs import open_project


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def premiere(filmed: Path, tmp_path: Path) -> Path:
    """The cut as Premiere would export it, with a marker on its first clip."""
    path = two_clips(filmed, tmp_path).save(tmp_path / "my cut.xml").path
    marker = "<marker><comment></comment><name>lp expression smile=.6</name><in>10</in><out>18</out></marker>"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("</clipitem>", marker + "</clipitem>", 1), encoding="utf-8")
    return path


def test_a_marker_comes_back_as_a_rendered_piece_and_nothing_is_rendered_twice(
    premiere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = premiere.read_bytes()
    assert run("roundtrip", premiere, "-o", tmp_path / "back", "--quiet") == 0
    assert premiere.read_bytes() == before
    text = (tmp_path / "back" / "my cut.xml").read_text(encoding="utf-8")
    assert text.count("<clipitem ") == before.decode().count("<clipitem ") + 2
    back = open_project(tmp_path / "back" / "my cut.xml")
    pieces = [c for c in back.project.clips() if c.place.startswith("V") and c.name == "opening"]
    assert [(c.source.start * 25, c.record.duration * 25) for c in pieces] == [
        (F(a), F(n)) for a, n in ((0, 10), (10, 8), (18, 12))
    ]
    assert [len(c.segments) for c in pieces] == [0, 1, 0]
    (file,) = (tmp_path / "back").glob("*.mp4")
    info = probe(file)
    assert info.video is not None
    assert info.video.count == 18 + 24  # ten frames are all there are before the stretch
    capsys.readouterr()
    assert run("roundtrip", tmp_path / "back" / "my cut.xml", "-o", tmp_path / "again", "--json") == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])["report"]
    assert (report["rendered"], report["frames"]) == (0, 0)
    again = open_project(tmp_path / "again" / "my cut.xml")
    assert again.project == back.project
    (tmp_path / "again" / "my cut.xml.lp.json").unlink()
    assert open_project(tmp_path / "again" / "my cut.xml").project.tracks == back.project.tracks
    (tmp_path / "back" / MANIFEST).unlink()
    told = open_project(tmp_path / "again" / "my cut.xml")  # by the record in the file
    for one, other in zip(told.project.clips(), back.project.clips(), strict=True):
        assert (one.source, one.record, one.segments, one.media.path) == (
            other.source, other.record, other.segments, other.media.path
        )  # fmt: skip
    file.write_bytes(b"")
    alone = open_project(tmp_path / "again" / "my cut.xml")
    assert not any(c.segments for c in alone.project.clips())
    assert any("a render of ours" in note for note in alone.notes)


@pytest.mark.parametrize(("flavour", "suffix"), [("premiere", ".xml"), ("resolve", ".otio"), ("fcpxml", ".fcpxml")])
def test_a_project_can_be_written_for_another_application(
    flavour: str, suffix: str, cut_file: Path, tmp_path: Path
) -> None:
    assert run("mark", cut_file, "--clip", "V1/2", "--at", "5f", "--for", "8f", "preset=smile") == 0
    assert run("roundtrip", cut_file, "-o", tmp_path / "out", "--for", flavour, "--quiet") == 0
    written = tmp_path / "out" / f"cut{suffix}"
    if suffix != ".otio":
        text = written.read_text(encoding="utf-8")
        assert '<width>1280</width>' in text or 'width="1280"' in text  # as the media say
    clips = [c for c in open_document(written).project.clips() if c.place.startswith("V")]
    assert sum(c.record.duration for c in clips) == F(56, 25)
    assert any(segment.effect == "expression" for clip in clips for segment in clip.segments)
    if flavour == "resolve":
        text = written.read_text(encoding="utf-8")
        assert '"Note": "lp expression smile=0.6' in text
        assert "Link Group ID" in text
        assert "file://" not in text


@pytest.mark.parametrize("suffix", [".xml", ".fcpxml", ".otio"])
def test_a_project_says_the_timecode_that_its_renders_bear(suffix: str, filmed: Path, tmp_path: Path) -> None:
    document = two_clips(filmed, tmp_path).save(tmp_path / f"cut{suffix}")
    marked = verbs.mark(document, "expression", clip="closing", at="6f", length="6f", params={"smile": "0.5"}).document
    marked.save()
    assert run("roundtrip", document.path, "-o", tmp_path / "back", "--quiet", "--codec", "ffv1", "--handles", "9") == 0
    (file,) = (tmp_path / "back").glob("*.mkv")
    written = tmp_path / "back" / f"cut{suffix}"
    written.with_name(written.name + ".lp.json").unlink()
    (tmp_path / "back" / MANIFEST).unlink()
    shown = open_document(as_others_see_it(written)).project
    (piece,) = [c for c in shown.clips() if c.media.path == file and c.place.startswith("V")]
    assert piece.media.available is not None
    assert piece.media.available.start == probe(file).timecode == F(34 + 6 - 9, 25)
    assert piece.source.start - piece.media.available.start == F(9, 25)


def as_others_see_it(path: Path) -> Path:
    """A project whose pieces bear no metadata of ours."""
    path.write_text(path.read_text(encoding="utf-8").replace('"piece"', '"other"'), encoding="utf-8")
    return path


def test_a_project_without_marks_says_so(cut_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("roundtrip", cut_file, "-o", tmp_path / "out") == 2
    assert "no marks" in capsys.readouterr().err


def test_a_render_above_is_not_made_twice_either(
    premiere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("roundtrip", premiere, "-o", tmp_path / "back", "--mode", "above", "--quiet") == 0
    back = open_project(tmp_path / "back" / "my cut.xml")
    assert [c.place for c in back.project.clips() if c.segments] == ["V1/1", "V2/1"]
    capsys.readouterr()
    assert run("roundtrip", tmp_path / "back" / "my cut.xml", "-o", tmp_path / "again", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["report"]["frames"] == 0


def test_a_render_with_alpha_lies_above_and_is_clear_where_nothing_was_changed(premiere: Path, tmp_path: Path) -> None:
    words = ("--alpha", "--codec", "prores", "--quiet", "--handles", "2")
    assert run("roundtrip", premiere, "-o", tmp_path / "back", *words) == 0
    (file,) = (tmp_path / "back").glob("*.mov")
    clips = [c for c in open_document(tmp_path / "back" / "my cut.xml").source.project.clips() if c.place[0] == "V"]
    assert [c.place for c in clips] == ["V1/1", "V1/2", "V2/1"]
    video = probe(file).video
    assert video is not None
    assert video.format.layout.alpha
    assert video.count == 8 + 4


@pytest.mark.parametrize("suffix", [".xml", ".fcpxml", ".otio"])
def test_what_is_to_be_looked_at_comes_back_as_markers_once(suffix: str, filmed: Path, tmp_path: Path) -> None:
    document = two_clips(filmed, tmp_path).save(tmp_path / f"cut{suffix}")
    for at, value in (("10f", 0.9), ("14f", 0.8)):  # together more than there is
        document = verbs.mark(
            document, "expression", clip="opening", at=at, length="8f", params={"smile": value, "ease": "0"}
        ).document.save()
    assert run("roundtrip", document.path, "-o", tmp_path / "back", "--quiet", "--codec", "ffv1") == 0

    def checks(folder: str) -> list[tuple[str, F]]:
        clips = open_document(tmp_path / folder / f"cut{suffix}").source.project.clips()
        return [(m.name, m.span.start * 25) for c in clips for m in c.markers if m.name.startswith("QC")]

    found = checks("back")
    assert [name for name, _ in found] == ["QC more asked than a control gives"]
    assert run("roundtrip", tmp_path / "back" / f"cut{suffix}", "-o", tmp_path / "again", "--quiet") == 0
    assert checks("again") == found
