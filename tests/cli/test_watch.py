"""``watch``: projects dropped into a folder come back rendered."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import two_clips

from lp_editor.cli import main
from lp_editor.errors import OutputError, ProjectError
from lp_editor.hosts.watch import DONE, Watch, free_folder, read_done
from lp_editor.verbs import open_project


class Made:
    """Stands in for the work: what it was asked for, and what was told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.told: list[str] = []
        self.error = error

    def __call__(self, path: Path, folder: Path) -> str:
        self.asked.append((path.name, folder.name))
        if self.error:
            raise self.error
        folder.mkdir()
        return "done"


def drop(folder: Path, name: str, text: str = "x", at: int = 1_000_000_000) -> Path:
    path = folder / name
    path.write_text(text)
    os.utime(path, ns=(at, at))
    return path


def watch(folder: Path, made: Made) -> Watch:
    return Watch(folder, made, made.told.append, still=3.0)


def test_a_project_is_taken_once_it_has_stood_still(tmp_path: Path) -> None:
    made = Made()
    looks = watch(tmp_path, made)
    drop(tmp_path, "cut.xml", "a")
    drop(tmp_path, "notes.txt")
    drop(tmp_path, ".hidden.xml")
    assert [looks.look(now) for now in (0, 2)] == [0, 0]
    drop(tmp_path, "cut.xml", "ab")  # still being written
    assert [looks.look(now) for now in (3, 5, 6, 9)] == [0, 0, 1, 0]
    assert made.asked == [("cut.xml", "cut.lp")]
    assert made.told == ["cut.xml: taken", "cut.xml: done"]


def test_a_restart_goes_on_where_it_stopped_and_a_change_is_done_again_elsewhere(tmp_path: Path) -> None:
    made = Made()
    drop(tmp_path, "cut.xml")
    first = watch(tmp_path, made)
    assert [first.look(now) for now in (0, 3)] == [0, 1]
    second = watch(tmp_path, made)
    assert [second.look(now) for now in (0, 3, 6)] == [0, 0, 0]
    drop(tmp_path, "cut.xml", at=2_000_000_000)
    assert [second.look(now) for now in (7, 10, 20)] == [0, 1, 0]
    assert made.asked == [("cut.xml", "cut.lp"), ("cut.xml", "cut.2.lp")]


@pytest.mark.parametrize(
    ("error", "says"), [(ProjectError("cut.xml, line 3: no"), "cut.xml, line 3: no"), (KeyError("x"), "KeyError: 'x'")]
)
def test_an_error_lies_beside_the_project_until_it_is_right(error: Exception, says: str, tmp_path: Path) -> None:
    made = Made(error)
    drop(tmp_path, "cut.xml")
    looks = watch(tmp_path, made)
    assert [looks.look(now) for now in (0, 3, 6)] == [0, 1, 0]  # not again and again
    assert (tmp_path / "cut.xml.error.txt").read_text() == f"{says}\n"
    made.error = None
    drop(tmp_path, "cut.xml", "better", at=2_000_000_000)
    assert [looks.look(now) for now in (7, 10)] == [0, 1]
    assert not (tmp_path / "cut.xml.error.txt").exists()


def test_a_folder_project_counts_all_that_is_in_it(tmp_path: Path) -> None:
    made = Made()
    (tmp_path / "cut.fcpxmld").mkdir()
    drop(tmp_path / "cut.fcpxmld", "Info.fcpxml")
    looks = watch(tmp_path, made)
    looks.look(0)
    drop(tmp_path / "cut.fcpxmld", "more")
    assert [looks.look(now) for now in (4, 8)] == [0, 1]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"done": 1}', '{"done": {"a": [1]}}', "[" * 100_000])
def test_a_damaged_list_is_as_good_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / DONE).write_text(content)
    assert read_done(tmp_path) == {}


def test_no_folder_is_written_twice(tmp_path: Path) -> None:
    for name in ("a.lp", "a.2.lp"):
        (tmp_path / name).mkdir()
    assert free_folder(tmp_path / "a.otio").name == "a.3.lp"


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no folder to watch"):
        watch(tmp_path / "none", Made())


def test_a_dropped_project_comes_back_rendered(
    filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lp_editor.hosts.watch.STILL", 0.1)
    folder = tmp_path / "in"
    folder.mkdir()
    path = two_clips(filmed, tmp_path).save(folder / "cut.xml").path
    text = path.read_text(encoding="utf-8")
    marker = "<marker><comment></comment><name>lp expression smile=.6</name><in>10</in><out>14</out></marker>"
    path.write_text(text.replace("</clipitem>", marker + "</clipitem>", 1), encoding="utf-8")
    (folder / "broken.otio").write_text("{")
    assert main(["watch", str(folder), "--once", "--quiet", "--codec", "ffv1"]) == 0
    assert "broken.otio" in (folder / "broken.otio.error.txt").read_text()
    assert any(clip.segments for clip in open_project(folder / "cut.lp" / "cut.xml").project.clips())
    assert len(list((folder / "cut.lp").glob("*.mkv"))) == 1
    assert set(json.loads((folder / DONE).read_text())["done"]) == {"cut.xml", "broken.otio"}
    assert "cut.lp" in capsys.readouterr().out
    assert main(["watch", str(folder), "--once", "--quiet"]) == 0
    assert not (folder / "cut.2.lp").exists()
