"""Every code block of the documentation is run, page by page, in order, in a folder with the project ``cut.otio``.

A block whose first line is a comment with a path is that file. The README's two commands are run by ``.ci/run``, and are
the only ones left out.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import PAGES, README, ROOT, Block, blocks, install, parsed, write

from lp_editor import Registry
from lp_editor.cli import main
from lp_editor.timeline.curve import value_from_json
from lp_editor.timeline.metadata import segment_from_json, segment_to_json


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_blocks_of_a_page_run(
    page: Path, cut_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(cut_file.parent)
    monkeypatch.syspath_prepend(cut_file.parent / "site")
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page)[2 if page == README else 0 :]:
        where = f"{page.name}:{block.line}"
        if block.file:
            write(block, cut_file.parent)
        elif block.language == "python":
            exec(compile(block.text, where, "exec", dont_inherit=True), names)
        elif block.language == "bash":
            for command in commands(block.text):
                assert run(command, cut_file.parent) == 0, f"{where}: {command}\n{capsys.readouterr().err}"
        elif block.language == "text":
            continue
        elif block.language == "json":
            check_json(json.loads(block.text))
        else:
            pytest.fail(f"{where}: nothing runs a block of {block.language or 'no language'}")


def commands(text: str) -> list[str]:
    """The commands of a shell block; a backslash at a line's end goes on."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def run(command: str, folder: Path) -> int:
    """Run one command as the page's reader would, but here: the command line in this process, pip into a folder."""
    program, *words = shlex.split(command)
    if program == "lp-editor":
        return main(words)
    if program == "pip" and words[:1] == ["install"]:
        install(folder / words[1], folder / "site")
        return 0
    if program == "python":
        inside = os.pathsep.join([str(folder / "site"), str(ROOT)])
        done = subprocess.run(
            [sys.executable, *words], cwd=folder, env={**os.environ, "PYTHONPATH": inside}, timeout=300, check=False
        )
        return done.returncode
    if program == "mkdir":
        (folder / words[0]).mkdir()
        return 0
    if program == "cp":
        shutil.copy(folder / words[0], folder / words[1])
        return 0
    raise AssertionError(f"nothing here runs {program}")


def check_json(stored: Any) -> None:
    """A segment or a preset as the page shows it is one that the editor reads."""
    if "start" in stored:
        assert segment_to_json(segment_from_json(stored, "the page")) == stored
    else:
        assert set(stored) == {"name", "effect", "help", "params"}
        params = {name: value_from_json(value) for name, value in stored["params"].items()}
        known = Registry.installed().effects
        assert stored["effect"] in known, "install the effect earlier on the page"
        known[stored["effect"]].parse(params)


def test_the_readme_starts_with_the_two_commands_that_ci_runs() -> None:
    first, second = (b for b in blocks(README)[:2])
    assert (first.language, second.language) == ("bash", "bash")
    assert "pip install" in first.text
    assert "lp-editor demo --out demo" in first.text
    assert "pytest" in second.text
    assert blocks(README)[2:] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_fences_are_told_apart() -> None:
    page = "text\n```bash\na\nb\n```\n\n```python\n# x/y.py\n1\n```\n"
    assert list(parsed(page)) == [Block("bash", "a\nb\n", 2, None), Block("python", "# x/y.py\n1\n", 7, "x/y.py")]
