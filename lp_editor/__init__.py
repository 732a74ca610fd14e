"""Edit faces on a timeline: what plugin authors and scripts import.

Effects, engines and presets are written with the names listed first; the verbs of an editor (`open_project`, `mark`,
`plan`, `render`, `save`, …) are loaded when first used, so that importing this package stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lp_editor.controls import CONTROLS, REGIONS, TARGETS, Control, Controls, Region
from lp_editor.effect import (
    Edit,
    Effect,
    JointEffect,
    Performance,
    Proposal,
    Scene,
    Sound,
    Target,
    knob,
    option,
)
from lp_editor.engine import Engine, Look, Motion, Patch, ReadFaces
from lp_editor.errors import LpEditorError, ParamError
from lp_editor.face import Box, Face, FacePicture, FaceTrack
from lp_editor.hooks import hookimpl
from lp_editor.registry import Preset, Registry
from lp_editor.timeline import Curve, Key, Signal

if TYPE_CHECKING:
    from lp_editor.verbs import (
        Codec,
        Settings,
        mark,
        open_project,
        plan,
        render,
        render_stretches,
        save,
        still,
        undo,
        unmark,
    )

__version__ = "0.1.0"

VERBS = (
    "Codec", "Settings", "mark", "open_project", "plan", "render", "render_stretches", "save", "still", "undo", "unmark",
)  # fmt: skip
"""What is loaded when first used."""


def __getattr__(name: str) -> Any:
    if name in VERBS:
        return getattr(import_module("lp_editor.verbs"), name)
    raise AttributeError(f"module 'lp_editor' has no attribute {name!r}")


__all__ = [
    "CONTROLS", "REGIONS", "TARGETS", "Box", "Codec", "Control", "Controls", "Curve", "Edit", "Effect", "Engine", "Face",
    "FacePicture", "FaceTrack", "JointEffect", "Key", "Look", "LpEditorError", "Motion", "ParamError", "Patch",
    "Performance", "Preset", "Proposal", "ReadFaces", "Region", "Registry", "Scene", "Settings", "Signal", "Sound",
    "Target", "hookimpl", "knob", "mark", "open_project", "option", "plan", "render", "render_stretches", "save",
    "still", "undo", "unmark",
]  # fmt: skip
