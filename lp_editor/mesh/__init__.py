"""The embedded engine: edits faces by warping their landmarks' mesh. No weights, no GPU."""

from __future__ import annotations

from typing import Any

from lp_editor.engine import Engine
from lp_editor.hooks import hookimpl


@hookimpl
def lp_engine(name: str, device: str) -> Engine[Any, Any] | None:
    """The engine ``mesh``, on whatever device: it always computes on the processor."""
    if name != "mesh":
        return None
    from lp_editor.mesh.engine import MeshEngine  # heavy, so only when asked for

    return MeshEngine()
