"""``job``: the template of a render farm, checked and run by its own command; and the parts that its tasks make."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import RATE, seconds
from films import small_head

from lp_editor import verbs
from lp_editor.cli import main
from lp_editor.timeline.document import new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

FRAMES = 120
"""Of two clips: 100 frames are three chunks, 20 are one."""


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_head(tmp_path_factory.mktemp("film") / "head.mp4", FRAMES)


@pytest.fixture
def small_cut(head: Path, tmp_path: Path) -> Path:
    """Two clips with one mark, in a folder of its own; the film lies beside and is named without a folder."""
    shutil.copy(head, tmp_path / "head.mp4")
    media = Media("file", "head.mp4", "head.mp4", tmp_path / "head.mp4", Span(seconds(0), seconds(FRAMES)))
    row = tuple(
        Clip("", name, media, Span(seconds(at), seconds(count)), Span(seconds(at), seconds(count)), RATE)
        for name, at, count in (("long", 0, 100), ("short", 100, 20))
    )
    document = new_document(tmp_path / "cut.otio", Project("cut", RATE, seconds(0), (Track("V1", "video", row),)))
    marked = verbs.mark(document, "expression", at="2s", length="10f", params={"smile": 0.6}).document
    return marked.save().path


def run(*words: object) -> int:
    return main([str(word) for word in words])


def template(folder: Path) -> Any:
    return json.loads((folder / "template.json").read_text(encoding="utf-8"))


def stored(folder: Path) -> int:
    return len([p for p in (folder / "chunks").rglob("*") if p.is_file()])


def test_a_part_makes_its_chunks_and_no_file_and_the_whole_makes_the_rest(
    small_cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LP_EDITOR_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out.mkv"
    words = ("render", small_cut, "-o", out, "--codec", "ffv1", "--engine", "mesh")
    assert run(*words, "--chunks", "none") == 0
    assert (tmp_path / "cache" / "faces").is_dir()
    assert stored(tmp_path / "cache") == 0
    assert run(*words, "--chunks", "2-3") == 0
    assert stored(tmp_path / "cache") == 2
    assert run(*words, "--chunks", "3+5", "--json") == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])["report"]
    assert (report["output"], report["rendered"]) == ("chunks 3+5", 20)
    assert not out.exists()
    assert run(*words, "--json") == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])["report"]
    assert (report["frames"], report["rendered"]) == (120, 48)
    assert run(*words[:3], tmp_path / "again.mkv", *words[4:], "--quiet") == 0
    assert (tmp_path / "again.mkv").read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("which", "why"),
    [("5", "no chunk 5"), ("0", "takes 3, 3-5"), ("3-2", "ends before"), ("all", "takes 3"), ("1-", "takes 3")],
)
def test_parts_that_are_not_there_are_one_sentence(
    small_cut: Path, tmp_path: Path, which: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("render", small_cut, "-o", tmp_path / "out.mkv", "--codec", "ffv1", "--engine", "mesh",
               "--openjd", "--chunks", which) == 2  # fmt: skip
    said = capsys.readouterr()
    assert why in said.err
    assert which in ("0", "3-2", "all", "1-") or "openjd_fail: " in said.out


def test_a_job_is_a_template_and_a_copy_of_the_project(
    small_cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LP_EDITOR_CACHE")
    job = tmp_path / "farm" / "job"
    words = ("job", small_cut, "-o", job, "--codec", "ffv1", "--engine", "mesh", "--consent", "@note.txt")
    (tmp_path / "note.txt").write_text("Anna K.")
    monkeypatch.chdir(tmp_path)
    assert run(*words, "--per-task", "3") == 0
    assert "4 chunks in 2 tasks" in capsys.readouterr().out
    made = template(job)
    assert f"--consent=@{tmp_path / 'note.txt'}" in json.dumps(made)
    assert made["specificationVersion"] == "jobtemplate-2023-09"
    assert [step["name"] for step in made["steps"]] == ["Analyse", "Render", "Join"]
    (space,) = made["steps"][1]["parameterSpace"]["taskParameterDefinitions"]
    assert (space["name"], space["type"], space["range"]) == ("First", "INT", "1-4:3")
    kinds = {p["name"]: (p["type"], p["default"]) for p in made["parameterDefinitions"]}
    assert kinds["Project"] == ("PATH", "cut.otio")
    assert kinds["Output"] == ("PATH", "finished.mkv")
    assert kinds["Cache"] == ("PATH", "cache")
    assert {c.media.path for c in verbs.open_project(job / "cut.otio").project.clips()} == {tmp_path / "head.mp4"}
    assert run(*words) == 2
    assert "--force" in capsys.readouterr().err
    assert run(*words, "--force", "--output", tmp_path / "x.mkv", "--device", "cuda") == 0
    made = template(job)
    assert {p["name"]: p["type"] for p in made["parameterDefinitions"]}["Output"] == "STRING"
    assert made["steps"][1]["hostRequirements"] == {"amounts": [{"name": "amount.worker.gpu", "min": 1}]}
    assert (space := made["steps"][1]["parameterSpace"]["taskParameterDefinitions"][0]["range"]) == "1", space


def openjd(*words: object) -> str:
    """Run the command; what it said."""
    command = Path(sys.executable).with_name("openjd")
    if not command.exists():
        pytest.skip("the command openjd is not installed: pip install 'lp-editor[farm]'")
    done = subprocess.run(
        [command, *map(str, words)], capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("clips", [False, True])
def test_openjd_takes_the_template(clips: bool, small_cut: Path, tmp_path: Path) -> None:
    words = ("--clips", tmp_path / "clips") if clips else ("--sequence", "1", "--media", tmp_path, "--quality", "20")
    assert run("job", small_cut, "-o", tmp_path / "job", *words) == 0
    assert "passes validation" in openjd("check", tmp_path / "job" / "template.json")
    assert "Render" in openjd("summary", tmp_path / "job" / "template.json")


def test_a_text_with_braces_is_left_alone_by_a_template(
    small_cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    braces, job = "signed {{Param.Cache}} and {{ so on", tmp_path / "job"
    document = verbs.open_project(small_cut)
    document.replace(replace(document.project, name="a {{cut}}")).save(tmp_path / "named.xml")
    assert run("job", tmp_path / "named.xml", "-o", job, "--consent", braces, "--reel", "A}}1") == 0
    made = template(job)
    said = {p["name"]: p["default"] for p in made["parameterDefinitions"] if p["name"].startswith("Text")}
    assert sorted(said.values()) == [f"--consent={braces}", "--reel=A}}1"]
    for step in made["steps"]:
        words = step["script"]["actions"]["onRun"]["args"]
        assert [said[w[8:-2]] for w in words if w.startswith("{{Param.Text")] == ["--reel=A}}1", f"--consent={braces}"]
        assert braces not in words
    assert made["name"] == "lp-editor a { {cut} }"
    capsys.readouterr()
    assert run("job", small_cut, "-o", tmp_path / "long", "--consent", braces * 40) == 2
    assert "--consent @FILE" in capsys.readouterr().err
    assert "passes validation" in openjd("check", job / "template.json")


@pytest.mark.slow
def test_openjd_runs_the_job_and_its_file_is_that_of_a_render_here(small_cut: Path, tmp_path: Path) -> None:
    assert run("job", small_cut, "-o", tmp_path / "job", "--engine", "mesh", "--per-task", "2") == 0
    said = openjd("run", tmp_path / "job" / "template.json")
    assert "openjd_progress: 100" in said
    assert run("render", small_cut, "-o", tmp_path / "here.mp4", "--engine", "mesh", "--quiet") == 0
    assert (tmp_path / "job" / "finished.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()


@pytest.mark.slow
def test_openjd_runs_a_job_of_marked_stretches(small_cut: Path, tmp_path: Path) -> None:
    words = ("--engine", "mesh", "--codec", "prores", "--clips", tmp_path / "clips", "--per-task", "1")
    assert run("job", small_cut, "-o", tmp_path / "job", *words) == 0
    openjd("run", tmp_path / "job" / "template.json")
    assert verbs.open_project(tmp_path / "clips" / "cut.otio").project.duration == seconds(120)
    assert len(list((tmp_path / "clips").glob("*.mov"))) == 1
