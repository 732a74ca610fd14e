"""Puts our scripts where editing applications look for them, and takes them away again."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from lp_editor.errors import OutputError
from lp_editor.files import make_folder, write_bytes

RESOLVE = {"lp-editor takes.py": "replace", "lp-editor above.py": "above"}
"""Resolve's menu entries, and the mode of each."""


def resolve_folder(system: str, home: Path, environment: Mapping[str, str]) -> Path:
    """Where Resolve looks for a user's own scripts (its README of scripting): ``system`` as ``sys.platform`` has it."""
    end = Path("Fusion", "Scripts", "Utility")
    if system == "darwin":
        return home / "Library" / "Application Support" / "Blackmagic Design" / "DaVinci Resolve" / end
    if system == "win32":
        roaming = Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
        return roaming / "Blackmagic Design" / "DaVinci Resolve" / "Support" / end
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    return data / "DaVinciResolve" / end


def install_resolve(folder: Path) -> list[Path]:
    """Write Resolve's scripts, which start this very installation; returns them."""
    text = resources.files("lp_editor.hosts").joinpath("resolve_script.py").read_text(encoding="utf-8")
    make_folder(folder)
    made = []
    for name, mode in RESOLVE.items():
        filled = _filled(text, "COMMAND", [sys.executable, "-m", "lp_editor"])
        made.append(write_bytes(folder / name, _filled(filled, "MODE", mode).encode()))
    return made


def _filled(text: str, name: str, value: object) -> str:
    return re.sub(rf"^{name} = .*$", lambda _: f"{name} = {value!r}", text, count=1, flags=re.M)


def uninstall_resolve(folder: Path) -> list[Path]:
    """Take Resolve's scripts away; returns those that were there."""
    gone = [folder / name for name in RESOLVE if (folder / name).is_file()]
    for path in gone:
        try:
            path.unlink()
        except OSError as error:
            raise OutputError(f"{path} cannot be deleted ({error.strerror})") from error
    return gone
