"""Ready-made parameter sets, one JSON file each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lp_editor import hookimpl


@hookimpl
def lp_presets() -> Iterable[Path]:
    """This folder."""
    return [Path(__file__).parent]
