"""A user's own presets: files in a folder of theirs, found on every run beside those of plugins."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from lp_editor.errors import ParamError
from lp_editor.files import make_folder, write_bytes
from lp_editor.timeline.curve import value_to_json
from lp_editor.timeline.model import ParamValue


def folder() -> Path:
    """Where they lie: ``LP_EDITOR_PRESETS``, else in the user's configuration folder."""
    named = os.environ.get("LP_EDITOR_PRESETS")
    return Path(named) if named else Path(platformdirs.user_config_dir("lp-editor", appauthor=False)) / "presets"


def file_of(name: str) -> Path:
    """The file of a preset. Raises `ParamError` for a name that none can have."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or len(name) > 60:
        raise ParamError(f"a preset is called by small letters, digits and hyphens (my-smile), not {name!r}")
    return folder() / f"{name}.json"


def save(name: str, effect: str, help: str, params: Mapping[str, ParamValue]) -> Path:
    """Write a preset, over one of this name. Raises `ParamError` and `OutputError`."""
    path = file_of(name)
    stored = {
        "name": name, "effect": effect, "help": help,
        "params": {parameter: value_to_json(value) for parameter, value in params.items()},
    }  # fmt: skip
    make_folder(path.parent)
    return write_bytes(path, (json.dumps(stored, indent=2, ensure_ascii=False) + "\n").encode())
