"""An engine for benchmarks that sleeps as long as one on a graphics card computes, and hands out a patch of the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from time import sleep
from typing import Any

import cv2
import numpy as np

from lp_editor import hookimpl, testing
from lp_editor.engine import Patch
from lp_editor.face import Box, FacePicture

STEP = 32
"""Pixels by which the sizes of patches differ."""


class Sleeper(testing.FakeEngine):
    """Sleeps instead of computing, one call at a time as on one graphics card; its patch moves, tones and paints."""

    name = "sleeper"
    keeps_patches = False
    waits = True

    def __init__(self, seconds: float) -> None:
        self.fingerprint = f"sleeper-{seconds}"
        self._seconds, self._card, self.slept = seconds, Lock(), 0.0
        self._made: dict[tuple[int, int], Patch] = {}

    def synthesize(
        self, look: testing.FakeLook, faces: Sequence[FacePicture], filmed: Sequence[Any], motions: Sequence[Any]
    ) -> list[Patch | None]:
        """A patch for each face, after a while."""
        with self._card:
            sleep(self._seconds * len(faces))
            self.slept += self._seconds * len(faces)
        return [self._patch(picture) for picture in faces]

    def synthesize_several(
        self,
        looks: Sequence[testing.FakeLook],
        faces: Sequence[FacePicture],
        filmed: Sequence[Any],
        motions: Sequence[Any],
    ) -> list[Patch | None]:
        """The same for several looks."""
        return self.synthesize(looks[0], faces, filmed, motions)

    def _patch(self, picture: FacePicture) -> Patch:
        box = picture.face.box.clipped(*picture.size)
        size = (-(-box.height // STEP) * STEP, -(-box.width // STEP) * STEP)  # few sizes: drawing them is not timed
        if size not in self._made:
            self._made[size] = _oval(*size)
        return replace(self._made[size], box=Box(box.x0, box.y0, box.x0 + size[1], box.y0 + size[0]))


def _oval(height: int, width: int) -> Patch:
    """A patch with everything a patch can hold, under a soft oval."""
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, (width // 2, height // 2), (width * 9 // 20, height * 9 // 20), 0, 0, 360, 1.0, -1)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), width / 30), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    flow = np.stack([np.sin(y / 40), np.cos(x / 40)], -1) * mask[..., None] * 6
    tone = np.full((height, width, 3), 6, np.float32) * mask[..., None]
    paint, alpha = np.full((height, width, 3), 120, np.float32), (mask > 0.99).astype(np.float32) * 0.3
    return Patch(testing.synthetic_face().box, mask, np.asarray(flow, np.float32), tone, paint, alpha)


@dataclass(frozen=True)
class SleeperPlugin:
    """Offers one `Sleeper`."""

    engine: Sleeper

    @hookimpl
    def lp_engine(self, name: str, device: str) -> Sleeper | None:
        """The engine, by its name."""
        return self.engine if name == "sleeper" else None
