"""Puts our scripts and our panel where editing applications look for them, and takes them away again.

Premiere reads panels from Adobe's folder of UXP plugins, and only those that a list beside it names (what Adobe's own
installer writes). For any other folder nothing is listed: Adobe's UXP Developer Tool loads the panel from there.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

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


PANEL = "lp-editor.panel"
"""The id of the panel in its manifest."""


def adobe_folder(system: str, home: Path, environment: Mapping[str, str]) -> Path:
    """Adobe's folder of UXP plugins for one user. Raises `OutputError` where Premiere does not run."""
    if system == "darwin":
        return home / "Library" / "Application Support" / "Adobe" / "UXP"
    if system == "win32":
        return Path(environment.get("APPDATA") or home / "AppData" / "Roaming") / "Adobe" / "UXP"
    raise OutputError(
        "Premiere does not run on this system; --folder DIR puts the panel where you want it, to be carried elsewhere"
    )


def install_premiere(adobe: Path) -> list[Path]:
    """Put the panel into Adobe's folder and onto its list, an older one of ours out; returns what was written."""
    listed = _listed(adobe)  # what cannot be read stops it before anything is written
    manifest = json.loads(_panel().joinpath("manifest.json").read_text(encoding="utf-8"))
    name = f"{PANEL}_{manifest['version']}"
    folder = adobe / "Plugins" / "External" / name
    files = copy_panel(folder)
    _delete([old for old in _panels(adobe) if old != folder])
    entry = {
        "hostMinVersion": manifest["host"]["minVersion"], "name": manifest["name"],
        "path": f"$localPlugins/External/{name}", "pluginId": PANEL, "status": "enabled", "type": "uxp",
        "versionString": manifest["version"],
    }  # fmt: skip
    make_folder(_list(adobe).parent)
    return [*files, _write_list(adobe, {**listed, "plugins": [*_others(listed), entry]})]


def uninstall_premiere(adobe: Path) -> list[Path]:
    """Take the panel off Adobe's list and out of its folder; returns what was there."""
    listed = _listed(adobe)
    gone = _panels(adobe)
    _delete(gone)
    if len(_others(listed)) < len(listed["plugins"]):
        gone.append(_write_list(adobe, {**listed, "plugins": _others(listed)}))
    return gone


def copy_panel(folder: Path) -> list[Path]:
    """Copy the panel's files into a folder of its own; returns them."""
    made = []
    for inside, content in panel_files():
        make_folder((folder / inside).parent)
        made.append(write_bytes(folder / inside, content))
    return made


def delete_panel(folder: Path) -> list[Path]:
    """Delete the panel's files from a folder, and the folder where nothing else lies in it; returns those that were there."""
    gone = [folder / inside for inside, _ in panel_files() if (folder / inside).is_file()]
    try:
        for path in gone:
            path.unlink()
        for empty in (folder / "icons", folder):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
    except OSError as error:
        raise OutputError(f"{folder} cannot be deleted ({error.strerror})") from error
    return gone


def panel_files() -> Iterator[tuple[Path, bytes]]:
    """The files of the panel, by their place in its folder."""
    for part in (_panel(), _panel().joinpath("icons")):
        for file in part.iterdir():
            if file.is_file():
                yield Path("icons" if part.name == "icons" else "", file.name), file.read_bytes()


def _panel() -> Any:
    return resources.files("lp_editor.hosts").joinpath("premiere")


def _panels(adobe: Path) -> list[Path]:
    """Our panels in Adobe's folder, of whatever version."""
    return sorted(p for p in (adobe / "Plugins" / "External").glob(f"{PANEL}_*") if p.is_dir())


def _delete(folders: list[Path]) -> None:
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise OutputError(f"{folder} cannot be deleted ({error.strerror}); close Premiere and try again") from error


def _list(adobe: Path) -> Path:
    return adobe / "PluginsInfo" / "v1" / "premierepro.json"


def _listed(adobe: Path) -> dict[str, Any]:
    """The list of Premiere's panels; an empty one where there is none. Raises `OutputError` for one that is no such list."""
    path = _list(adobe)
    try:
        listed = json.loads(path.read_text(encoding="utf-8-sig")) if path.exists() else {"plugins": []}
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(f"{path} cannot be read ({error}); nothing was changed, --folder DIR does without it") from None
    if not isinstance(listed, dict) or not isinstance(listed.get("plugins"), list):
        raise OutputError(f"{path} is no list of plugins as we know it; nothing was changed, --folder DIR does without it")
    return listed


def _others(listed: Mapping[str, Any]) -> list[Any]:
    return [p for p in listed["plugins"] if not (isinstance(p, dict) and p.get("pluginId") == PANEL)]


def _write_list(adobe: Path, listed: Mapping[str, Any]) -> Path:
    return write_bytes(_list(adobe), json.dumps(listed, indent=1, ensure_ascii=False).encode())
