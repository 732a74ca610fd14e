"""Keeps what an engine does wrong from looking like our mistake, and tries again with less where memory runs out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from lp_editor.controls import Controls, Part, Region
from lp_editor.engine import Engine, Patch, ReadFaces, SeveralLooks
from lp_editor.errors import EngineError, LpEditorError
from lp_editor.face import FacePicture, FaceTrack
from lp_editor.recording import Recording

MadeT = TypeVar("MadeT")


class GuardedEngine:
    """An engine whose errors are `EngineError`. Faces are handed to it in halves where it raises ``MemoryError``.

    That changes no result: an engine's faces do not depend on each other.
    """

    def __init__(self, engine: Engine[Any, Any]) -> None:
        self._engine = engine
        self.name = engine.name
        self.keeps_patches = engine.keeps_patches
        self.path = str(getattr(engine, "path", ""))
        self.waits = bool(getattr(engine, "waits", False))
        self.weights = str(getattr(engine, "weights", ""))
        self.knows_rest = bool(getattr(engine, "knows_rest", False))

    @property
    def fingerprint(self) -> str:
        """The engine's own."""
        return self._engine.fingerprint

    def study(self, track: FaceTrack, read: ReadFaces) -> Any:
        """See `Engine`."""
        with self._named("studied a face"):
            return self._engine.study(track, read)

    def analyze(self, look: Any, faces: Sequence[FacePicture]) -> list[Any]:
        """See `Engine`."""
        return self._halved("analyzed a face", len(faces), lambda part: self._engine.analyze(look, faces[part]))

    def retarget(self, motions: Sequence[Any], controls: Controls) -> list[Any]:
        """See `Engine`."""
        with self._named("retargeted a motion"):
            return self._engine.retarget(motions, controls)

    def transfer(
        self, source: Sequence[Any], driver: Sequence[Any], reference: Any, regions: Sequence[Region | Part],
        strength: Sequence[float],
    ) -> list[Any]:  # fmt: skip
        """See `Engine`."""
        with self._named("took a motion over"):
            return self._engine.transfer(source, driver, reference, regions, strength)

    def synthesize(
        self, look: Any, faces: Sequence[FacePicture], filmed: Sequence[Any], motions: Sequence[Any]
    ) -> list[Patch | None]:  # fmt: skip
        """See `Engine`."""
        return self._halved(
            "made a face", len(faces),
            lambda part: self._engine.synthesize(look, faces[part], filmed[part], motions[part]),
        )  # fmt: skip

    def recorded(self, recording: Recording) -> list[Any] | None:
        """The engine's motions of a recording; None where it follows one by controls."""
        read = getattr(self._engine, "recorded", None)
        if read is None:
            return None
        with self._named("read a recording"):
            motions: list[Any] | None = read(recording)
            return motions

    def _halved(self, what: str, count: int, make: Callable[[slice], list[MadeT]]) -> list[MadeT]:
        """What an engine makes of some faces, in as large parts as memory holds."""
        made: list[MadeT] = []
        size = count
        while len(made) < count:
            part = slice(len(made), min(len(made) + size, count))
            try:
                with self._named(what):
                    new = make(part)
            except MemoryError:
                if size == 1:
                    raise EngineError(
                        f"the memory does not hold one face for the engine {self.name}; use fewer --workers, or another "
                        "--device"
                    ) from None
                size = max(size // 2, 1)
                continue
            if len(new) != part.stop - part.start:
                raise EngineError(
                    f"the engine {self.name} gave {len(new)} results for {part.stop - part.start} faces when it {what}; "
                    "report that to its makers, or take --engine mesh"
                )
            made += new
        return made

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Say of every error whose it is."""
        try:
            yield
        except (LpEditorError, MemoryError):
            raise
        except Exception as error:  # a stranger's code may raise anything
            if os.environ.get("LP_EDITOR_DEBUG"):
                raise
            said = " ".join(str(error).split()) or "no words"
            raise EngineError(
                f"the engine {self.name} failed when it {what}: {type(error).__name__}: {said}; what was finished is "
                "kept, another --engine may do the rest"
            ) from error


class GuardedSeveral(GuardedEngine):
    """The same of an engine that takes faces of several looks in one call."""

    def __init__(self, engine: Engine[Any, Any], several: SeveralLooks[Any, Any]) -> None:
        super().__init__(engine)
        self._several = several

    def analyze_several(self, looks: Sequence[Any], faces: Sequence[FacePicture]) -> list[Any]:
        """See `SeveralLooks`."""
        return self._halved(
            "analyzed a face", len(faces), lambda part: self._several.analyze_several(looks[part], faces[part])
        )

    def synthesize_several(
        self, looks: Sequence[Any], faces: Sequence[FacePicture], filmed: Sequence[Any], motions: Sequence[Any]
    ) -> list[Patch | None]:
        """See `SeveralLooks`."""
        return self._halved(
            "made a face", len(faces),
            lambda part: self._several.synthesize_several(looks[part], faces[part], filmed[part], motions[part]),
        )  # fmt: skip


def guarded(engine: Engine[Any, Any]) -> GuardedEngine:
    """An engine under guard, with what it can do besides."""
    return GuardedSeveral(engine, engine) if isinstance(engine, SeveralLooks) else GuardedEngine(engine)
