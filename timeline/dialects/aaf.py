"""AAF, read through the permissive adapter of OpenTimelineIO; an optional extra (``pip install lp-editor[aaf]``).

What it reads is tracks, clips, gaps, dissolves, linear speeds and markers; `aaf_write` says what it writes.
"""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path
from typing import Any

from lp_editor.errors import LpEditorError, ProjectError
from lp_editor.timeline.dialects.otio import Node

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The first bytes of every AAF in a structured storage file."""


def adapter(path: Path, error: type[LpEditorError]) -> Any:
    """OpenTimelineIO with its adapter for AAF. Raises ``error`` where the extra is missing."""
    try:  # by name: the timeline does without either, and is checked to
        importlib.import_module("otio_aaf_adapter")
        return importlib.import_module("opentimelineio")
    except ImportError:
        raise error(f"{path}: AAF needs an extra: pip install 'lp-editor[aaf]'") from None


def tree_of(path: Path) -> Node:
    """The file as an OpenTimelineIO tree. Raises `ProjectError` where the extra is missing or the file cannot be read."""
    opentimelineio = adapter(path, ProjectError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = opentimelineio.adapters.read_from_file(str(path), adapter_name="AAF")
            tree = json.loads(read.to_json_string())
    except Exception as error:  # the adapter and the library below it raise whatever they meet
        raise ProjectError(
            f"{path} cannot be read as AAF ({type(error).__name__}: {error}); export it again"
        ) from error
    if not isinstance(tree, dict):
        raise ProjectError(f"{path} holds no composition")
    return tree
