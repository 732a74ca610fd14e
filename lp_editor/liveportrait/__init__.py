"""The main engine: LivePortrait's networks move a face's implicit keypoints. Needs its weights; a GPU helps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lp_editor import models
from lp_editor.engine import Engine
from lp_editor.hooks import hookimpl
from lp_editor.liveportrait.places import has_weights

if TYPE_CHECKING:
    import torch

    from lp_editor.liveportrait.networks import Networks
    from lp_editor.recording import Recording


def load_networks(folder: Path | str, device: str = "cpu", dtype: torch.dtype | None = None) -> Networks:
    """The networks of a folder of weights in the published layout; float32 unless another precision is asked for.

    Raises `WeightsError` for missing, damaged or wrong files, `EngineError` for a device that is not there.
    """
    import torch  # heavy, so only when asked for

    from lp_editor.liveportrait import networks

    return networks.load_networks(folder, device, dtype or torch.float32)


@hookimpl
def lp_engine(name: str, device: str) -> Engine[Any, Any] | None:
    """The engine ``liveportrait``, or ``liveportrait-paste``, where its weights are; None elsewhere."""
    if name not in ("liveportrait", "liveportrait-paste") or not has_weights(models.folder()):
        return None
    from lp_editor.liveportrait.start import started  # heavy, so only when asked for

    return started(models.folder(), device, "paste" if name.endswith("paste") else "detail")


@hookimpl
def lp_recording(path: Path) -> Recording | None:
    """Motion templates: the published ``.pkl``, our own ``.npz``."""
    if path.suffix.lower() not in (".pkl", ".npz"):
        return None
    from lp_editor.liveportrait.reading import recording_in

    return recording_in(path)
