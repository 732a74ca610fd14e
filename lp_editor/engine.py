"""What a rendering engine is: it studies a face once, holds it differently, and says which pixels change.

Engines are shared by all effects, segments and faces of a render, one instance a device. They never see files, time
or video formats: faces with RGB pixels come in, patches go out, and one compositor puts every engine's patches into
the footage's own planes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import Controls, Part, Region
from lp_editor.face import Box, FacePicture, FaceTrack

FloatImage: TypeAlias = NDArray[np.float32]


def strongest(image: FloatImage) -> FloatImage:
    """The largest magnitude of any channel, (h, w) of (h, w, C). A reduction over so short an axis takes NumPy far longer."""
    out = np.abs(image[..., 0])
    for channel in range(1, image.shape[2]):
        np.maximum(out, np.abs(image[..., channel]), out=out)
    return np.asarray(out, np.float32)


@dataclass(frozen=True)
class Patch:
    """What an engine changes in a frame, inside ``box`` (pixels of the frame).

    Every array covers the whole box at a resolution of the engine's choice, (h, w), and is resampled to the box by
    the compositor; give them at the box's own size for exact control. Where patches are stored, those of large faces are
    made coarser (`lp_editor.render.packing`); the mask never is.

    - ``mask`` (h, w) float32, 0..1: how much of the change shows. 0 leaves the pixel as filmed, to the bit.
    - ``flow`` (h, w, xy) float32 or None: each pixel shows what was filmed at its place + flow, in frame pixels.
    - ``tone`` (h, w, RGB) float32 or None: added to the moved pixels, in 0..255 levels.
    - ``paint`` (h, w, RGB) float32 and ``alpha`` (h, w) float32, 0..1, or both None: new pixels, in 0..255 levels,
      over the moved and toned ones.
    """

    box: Box
    mask: FloatImage
    flow: FloatImage | None = None
    tone: FloatImage | None = None
    paint: FloatImage | None = None
    alpha: FloatImage | None = None


class Motion(Protocol):
    """How a face is held: pose and expression. Engines choose what is inside."""

    def toward(self, other: Self, weight: float) -> Self:
        """This motion moved ``weight`` (0..1) of the way to ``other``."""
        ...


class Look(Protocol):
    """What an engine studied once about a face in a shot. Engines choose what is inside."""

    @property
    def fingerprint(self) -> str:
        """A hash of all that the study found, part of the name of every stored result."""
        ...


LookT = TypeVar("LookT", bound=Look)
MotionT = TypeVar("MotionT", bound=Motion)

GivenLookT = TypeVar("GivenLookT", bound=Look, contravariant=True)

ReadFaces: TypeAlias = Callable[[Sequence[int]], Sequence[FacePicture]]
"""Reads the pictures of a face track at some media frames where it has a face; decodes only what is asked for."""


class Engine(Protocol[LookT, MotionT]):
    """Edits faces. All sequences of one call have one length, a frame each; calls never depend on each other.

    An engine that can compute in several ways may say which in a string ``path``; it is printed beside the name.
    One that leaves the processor free while it computes (on a graphics card, on another machine) says so in a bool
    ``waits``: pictures are then read, finished and encoded meanwhile. Its calls still come one after the other for each
    stretch, but from several threads. One that gains from many faces in a call has the methods of `SeveralLooks` too.
    One that can tell a face's rest from its expression in a single picture says so in
    a bool ``knows_rest``: performances are then followed as they are, not as changes, unless an editor says otherwise. One
    that can follow a `Recording` has a method ``recorded(recording)`` that returns a motion for each of its frames, or
    None for one that it follows by controls; ``record(motions, rate)`` gives the arrays that such a one keeps.
    """

    @property
    def name(self) -> str:
        """As in ``--engine``."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of code version, weights, device and precision: equal means equal pixels."""
        ...

    @property
    def keeps_patches(self) -> bool:
        """Whether a patch costs more to make than to store and read back."""
        ...

    def study(self, track: FaceTrack, read: ReadFaces) -> LookT:
        """Learn what stays the same about a face in a shot: calibration, things to borrow from other frames."""
        ...

    def analyze(self, look: LookT, faces: Sequence[FacePicture]) -> list[MotionT]:
        """The motion of each face as filmed."""
        ...

    def retarget(self, motions: Sequence[MotionT], controls: Controls) -> list[MotionT]:
        """Apply one row of controls to each motion. Zero controls return motions that synthesize to nothing."""
        ...

    def transfer(
        self,
        source: Sequence[MotionT],
        driver: Sequence[MotionT],
        reference: MotionT | None,
        regions: Sequence[Region | Part],
        strength: Sequence[float],
    ) -> list[MotionT]:
        """Let a driver's motion move a face: absolute, or relative to the driver's ``reference`` where given.

        ``regions`` may name parts of them: one eye's lids, one eye's gaze.
        """
        ...

    def synthesize(
        self,
        look: LookT,
        faces: Sequence[FacePicture],
        filmed: Sequence[MotionT],
        motions: Sequence[MotionT],
    ) -> list[Patch | None]:
        """The change that takes each face from its filmed motion to the new one; None where that is no change."""
        ...


@runtime_checkable
class SeveralLooks(Protocol[GivenLookT, MotionT]):
    """What an engine may have besides: calls over the faces of several people and shots, a look for each face.

    Where it is there, the faces of a frame and of segments near each other are handed over together. A result may not
    depend on its neighbours by more than the last bit that the device rounds; as a picture, by at most one level.
    """

    def analyze_several(self, looks: Sequence[GivenLookT], faces: Sequence[FacePicture]) -> list[MotionT]:
        """`Engine.analyze`, a look each."""
        ...

    def synthesize_several(
        self,
        looks: Sequence[GivenLookT],
        faces: Sequence[FacePicture],
        filmed: Sequence[MotionT],
        motions: Sequence[MotionT],
    ) -> list[Patch | None]:
        """`Engine.synthesize`, a look each."""
        ...
