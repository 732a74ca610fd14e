"""The main engine: LivePortrait's networks move a face's implicit keypoints. Needs its weights; a GPU helps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from lp_editor.liveportrait.networks import Networks


def load_networks(folder: Path | str, device: str = "cpu", dtype: torch.dtype | None = None) -> Networks:
    """The networks of a folder of weights in the published layout; float32 unless another precision is asked for.

    Raises `WeightsError` for missing, damaged or wrong files, `EngineError` for a device that is not there.
    """
    import torch  # heavy, so only when asked for

    from lp_editor.liveportrait import networks

    return networks.load_networks(folder, device, dtype or torch.float32)
