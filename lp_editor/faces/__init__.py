"""Faces in media: found, followed, measured. MediaPipe is used here and nowhere else, and loaded when first needed."""

from lp_editor.faces.analysis import analyse_ahead, analyse_faces
from lp_editor.faces.choice import choose, parse_choice

__all__ = ["analyse_ahead", "analyse_faces", "choose", "parse_choice"]
