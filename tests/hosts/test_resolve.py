"""The script inside Resolve, against a Resolve that has the same calls; and where it is installed."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from conftest import two_clips
from fake_resolve import FakeItem, FakeMedia, FakeProject, FakeResolve, FakeTimeline

from lp_editor import verbs
from lp_editor.cli import main as cli
from lp_editor.hosts import resolve_script
from lp_editor.hosts.install import resolve_folder
from lp_editor.media.probe import probe

HERE = [sys.executable, "-m", "lp_editor"]
START = 86400


@pytest.fixture
def project(filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProject:
    """A timeline of two clips, the first one marked, with more on one control than it gives."""
    monkeypatch.setenv("LP_EDITOR_RENDERS", str(tmp_path / "renders"))
    document = two_clips(filmed, tmp_path).save(tmp_path / "cut.otio")
    for at, value in (("10f", 0.9), ("12f", 0.8)):
        document = verbs.mark(
            document, "expression", clip="opening", at=at, length="6f", params={"smile": value, "ease": "0"}
        ).document.save()
    rate = document.project.rate
    items = [
        FakeItem(FakeMedia(str(filmed), {"Input Color Space": "Rec.709"}, colour="Teal"), START + round(c.record.start * rate),
                 round(c.record.duration * rate), grade="warm")
        for c in document.project.clips() if c.place.startswith("V")
    ]  # fmt: skip
    made = FakeProject()
    made.current = FakeTimeline(made, "my cut", document.path, START, [items])
    made.timelines = [made.current]
    return made


def run(project: FakeProject, mode: str, command: list[str] | None = None) -> str:
    shown: list[tuple[str, int, int]] = []
    said = resolve_script.main(cast(Any, FakeResolve(project)), mode, command or HERE, lambda *step: shown.append(step))
    assert {"faces"} <= {stage for stage, _, _ in shown}
    return said


def test_a_render_is_a_take_of_its_clip_in_a_duplicate(project: FakeProject) -> None:
    original = project.timelines[0]
    assert "1 of 1 renders are in “my cut lp 1”" in run(project, "replace")
    copy = project.current
    assert copy is not None
    assert copy is not original
    item, other = copy.tracks[0]
    assert item.GetTakesCount() == item.selected == 2
    assert not other.takes
    assert not any(i.takes for i in original.tracks[0])
    media, first, last = item.takes[1]
    info = probe(Path(media.path))
    assert info.video is not None
    assert last - first + 1 == item.duration  # the whole clip
    assert 0 <= first <= last < info.video.count
    assert media.properties["Input Color Space"] == "Rec.709"
    assert media.colour == "Teal"
    assert '"opening"' in media.metadata["lp_editor"]
    ((frame, _, name, _, length, _),) = copy.markers
    assert (frame, name, length) == (12, "QC more asked than a control gives", 4)


def test_a_render_lies_above_with_its_clips_grade(project: FakeProject) -> None:
    run(project, "above")
    assert project.current is not None
    below, above = project.current.tracks
    assert not any(i.takes for i in below)
    (item,) = above
    assert (item.start, item.duration, item.grade) == (START + 10, 8, "warm")


def test_every_run_makes_another_timeline(project: FakeProject) -> None:
    first = project.timelines[0]
    run(project, "above")
    project.current = first
    run(project, "above")
    assert [t.name for t in project.timelines] == ["my cut", "my cut lp 1", "my cut lp 2"]


def test_where_resolve_cannot_duplicate_the_project_file_is_imported(project: FakeProject) -> None:
    project.timelines[0].can_duplicate = False
    assert "cannot duplicate" in run(project, "above")
    ((path, options),) = project.imported
    assert path.endswith(".otio")
    assert options == {"timelineName": "my cut lp 1", "importSourceClips": True}


def test_where_resolve_does_not_import_media_the_project_file_is_imported(project: FakeProject) -> None:
    project.refuses = True
    assert "did not import" in run(project, "replace")
    assert len(project.imported) == 1


def test_a_render_in_a_compound_clip_comes_by_the_project_file(project: FakeProject) -> None:
    timeline = project.timelines[0]
    written = str(timeline.otio)
    inside = {"renders": [], "nested": ["/r/inner.mov"], "checks": [], "notes": [], "losses": ["a title"], "output": written}
    made = resolve_script.Return(cast(Any, project), cast(Any, timeline), inside, "replace", lambda *_: None).made()
    assert made.splitlines() == [
        "Imported as a new timeline “my cut lp 1”, for inner.mov lies in a compound clip.", "lost: a title",
    ]  # fmt: skip
    assert [path for path, _ in project.imported] == [written]


def test_what_stops_it_is_one_sentence(project: FakeProject, tmp_path: Path) -> None:
    with pytest.raises(resolve_script.Problem, match="could not be started"):
        resolve_script.main(cast(Any, FakeResolve(project)), "above", [str(tmp_path / "none")], lambda *_: None)
    project.timelines[0].otio.write_text("{")
    with pytest.raises(resolve_script.Problem, match=r"timeline\.otio is not JSON"):
        resolve_script.main(cast(Any, FakeResolve(project)), "above", HERE, lambda *_: None)
    with pytest.raises(resolve_script.Problem, match="no timeline is open"):
        resolve_script.main(cast(Any, FakeResolve(FakeProject())), "above", HERE, lambda *_: None)


@pytest.mark.parametrize(
    ("system", "environment", "ends"),
    [
        ("darwin", {}, "Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion/Scripts/Utility"),
        ("win32", {"APPDATA": "/r"}, "/r/Blackmagic Design/DaVinci Resolve/Support/Fusion/Scripts/Utility"),
        ("linux", {}, ".local/share/DaVinciResolve/Fusion/Scripts/Utility"),
    ],
)
def test_scripts_go_where_resolve_looks(system: str, environment: dict[str, str], ends: str) -> None:
    assert resolve_folder(system, Path("/home/me"), environment).as_posix().endswith(ends)


def test_what_is_installed_runs_as_resolve_runs_it(
    project: FakeProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "Scripts"
    assert cli(["install", "resolve", "--folder", str(folder)]) == 0
    assert sorted(p.name for p in folder.iterdir()) == ["lp-editor above.py", "lp-editor takes.py"]
    runpy.run_path(str(folder / "lp-editor above.py"), {"resolve": FakeResolve(project)})
    assert "1 of 1 renders are in “my cut lp 1”" in capsys.readouterr().out
    assert cli(["install", "resolve", "--folder", str(folder), "--uninstall"]) == 0
    assert list(folder.iterdir()) == []
    assert cli(["install", "resolve", "--folder", str(folder), "--uninstall"]) == 0
    assert "nothing of ours" in capsys.readouterr().err
