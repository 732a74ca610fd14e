"""The plugin of the documentation, as a stranger would write it: its own distribution, installed, found, planned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pages import ROOT, blocks, install, write

from lp_editor import Registry
from lp_editor.plan import plan
from lp_editor.timeline.document import open_document
from lp_editor.verbs import mark

PAGE = ROOT / "docs" / "plugins.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin's distribution installed in it."""
    folder = tmp_path_factory.mktemp("nod")
    for block in blocks(PAGE):
        if block.file in ("nod/pyproject.toml", "nod/lp_nod.py"):
            write(block, folder)
    install(folder / "nod", folder / "site")
    return folder / "site"


def test_it_is_about_25_lines() -> None:
    [module] = [b for b in blocks(PAGE) if b.file == "nod/lp_nod.py"]
    written = [line for line in module.text.splitlines()[1:] if line.strip()]
    assert len(written) <= 25


def test_it_is_a_distribution_of_its_own(site: Path) -> None:
    assert (site / "lp_nod.py").is_file()
    assert "nod = lp_nod" in next(site.glob("lp_nod-*.dist-info/entry_points.txt")).read_text()


def test_it_is_found_marked_and_planned(site: Path, cut_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "lp_nod", raising=False)
    registry = Registry.installed()
    assert "expression" in registry.effects
    marked = mark(
        open_document(cut_file), "nod", clip="opening", at="0f", length="30f",
        params={"depth": "10", "times": "1", "ease": "0"}, registry=registry,
    )  # fmt: skip
    [face] = plan(marked.document.project, registry).shots[marked.clip.place].faces
    pitch = face.controls.column("pitch")
    centres = (np.arange(30) + 0.5) / 30
    assert pitch[:30] == pytest.approx(-10 * np.sin(np.pi * centres) ** 2, abs=1e-9)


def test_the_command_line_lists_it_beside_ours(site: Path) -> None:
    inside = os.pathsep.join([str(site), str(ROOT)])
    script = "import sys; from lp_editor.cli import main; sys.exit(main(['effects', '--json']))"
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": inside}, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    effects = {effect["name"]: effect for effect in json.loads(done.stdout)}
    assert {"nod", "expression", "gaze", "stitch"} <= set(effects)
    assert [p["name"] for p in effects["nod"]["parameters"]] == ["depth", "times", "intensity"]


def test_without_its_distribution_it_is_not_there() -> None:
    assert "nod" not in Registry.installed().effects
