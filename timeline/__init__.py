"""The timeline: projects, clips, segments and curves, read from and written to project files."""

from lp_editor.timeline.curve import Curve, Key, Signal

__all__ = ["Curve", "Key", "Signal"]
