"""Starts the liveportrait engine: the weights of a folder on the fastest path that a device has."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import torch

from lp_editor import models
from lp_editor.liveportrait.batches import LARGEST_ON_GPU, Batches
from lp_editor.liveportrait.engine import Composite, LivePortraitEngine
from lp_editor.liveportrait.fast import PRECISIONS, best_of_processor, version, with_openvino
from lp_editor.liveportrait.fold import folded
from lp_editor.liveportrait.gpu import Graphed, best_on_gpu
from lp_editor.liveportrait.landmarks import landmarks_in
from lp_editor.liveportrait.networks import load_networks
from lp_editor.liveportrait.places import STEMS, find_file
from lp_editor.render.stores import cache_folder


def started(folder: Path, device: str, composite: Composite) -> LivePortraitEngine:
    """The engine on the weights of a folder. Raises `WeightsError` for wrong files, `EngineError` for no such device."""
    hasher = blake2b(digest_size=8)
    for stem in STEMS:
        file = find_file(folder, stem)
        hasher.update(f"{file.name}:{file.stat().st_size}:{models.hashed(file)}".encode())
    networks, landmarks = hasher.hexdigest(), landmarks_in(folder)
    if landmarks:
        hasher.update(models.hashed(landmarks.path).encode())
    known_as = hasher.hexdigest()
    path = best_of_processor() if device == "cpu" else device
    if path in PRECISIONS:
        kept = cache_folder() / "networks" / f"{networks}-{version()}"
        nets = with_openvino(load_networks(folder), PRECISIONS[path], kept)
        return LivePortraitEngine(nets, known_as, composite, path=path, landmarks=landmarks)
    if path == "cpu-f32":
        return LivePortraitEngine(folded(load_networks(folder)), known_as, composite, landmarks=landmarks)
    nets = best_on_gpu(load_networks(folder, path))
    path += ", half precision" if nets.dtype == torch.float16 else ""
    pictures = Graphed(nets.pictures) if nets.device.type == "cuda" else None
    return LivePortraitEngine(
        nets, known_as, composite, path=path, batches=Batches(LARGEST_ON_GPU), pictures=pictures,
        landmarks=landmarks,
    )  # fmt: skip
