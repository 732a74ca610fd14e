"""Faces in media: found, followed, measured. MediaPipe is used here and nowhere else, and loaded when first needed."""

from lp_editor.faces.analysis import analyse_faces, choose

__all__ = ["analyse_faces", "choose"]
