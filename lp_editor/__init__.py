"""Edit faces on a timeline: what plugin authors and scripts import.

Effects, engines and presets are written with these names. The verbs of an editor (open, mark, plan, render, save) are
in `lp_editor.verbs`, apart, so that importing this package stays light.
"""

from __future__ import annotations

from lp_editor.controls import CONTROLS, PARTS, REGIONS, TARGETS, Control, Controls, Part, Region
from lp_editor.effect import (
    FINISHES,
    Crossing,
    Edit,
    Effect,
    Finish,
    JointEffect,
    Meeting,
    Performance,
    Proposal,
    Scene,
    Sound,
    Target,
    knob,
    option,
)
from lp_editor.engine import Engine, Look, Motion, Patch, ReadFaces
from lp_editor.errors import LpEditorError, MediaError, ParamError
from lp_editor.face import Box, Face, FacePicture, FaceTrack
from lp_editor.hooks import hookimpl
from lp_editor.recording import SHAPES, Recording
from lp_editor.registry import Preset, Registry
from lp_editor.timeline import Curve, Key, Signal
from lp_editor.timeline.fit import fitted
from lp_editor.utterance import Phone, Speech, Viseme
from lp_editor.version import VERSION

__version__ = VERSION

__all__ = [
    "CONTROLS", "FINISHES", "PARTS", "REGIONS", "SHAPES", "TARGETS", "Box", "Control", "Controls", "Crossing", "Curve", "Edit",
    "Effect", "Engine", "Face", "FacePicture", "FaceTrack", "Finish", "JointEffect", "Key", "Look", "LpEditorError", "MediaError",
    "Meeting", "Motion", "ParamError", "Part", "Patch",
    "Performance", "Phone", "Preset", "Proposal", "ReadFaces", "Recording", "Region", "Registry", "Scene", "Signal", "Sound", "Speech",
    "Target", "Viseme", "fitted", "hookimpl", "knob", "option",
]  # fmt: skip
