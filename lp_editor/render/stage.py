"""Makes the finished pictures of a program: reads footage, lets the engine edit the faces, composites, blends.

A stage is made once for a render and used by all its workers; everything it holds is only read, but for the engine's
looks (studied once, under a lock) and the patch store.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import Controls
from lp_editor.effect import FINISHES
from lp_editor.engine import Engine, Look, Patch
from lp_editor.face import Face, FacePicture, FaceTrack
from lp_editor.media.picture import Picture, VideoFormat, fit
from lp_editor.plan import FacePlan, Plan, Shot
from lp_editor.render import finish, joints
from lp_editor.render.ahead import ahead
from lp_editor.render.cast import Cast
from lp_editor.render.compositor import apply_patches, matte
from lp_editor.render.drive import driven
from lp_editor.render.finish import WINDOW, Finishing, Flicker, finished
from lp_editor.render.footage import Footage, Sources, face_picture, runs
from lp_editor.render.morph import dissolve
from lp_editor.render.report import Report
from lp_editor.render.stores import PatchStore, digest
from lp_editor.timeline.cut import Black, Dissolve, Morph, Shown, Strip
from lp_editor.timeline.cut import Picture as Node

BATCH = 8
"""Frames handed to the engine at once, at most."""

BATCH_BYTES = 128 << 20
"""Bytes of the pictures handed over at once, at most."""


@dataclass(frozen=True)
class Finished:
    """One program frame: its picture in the output format, and how much of each pixel was changed, 0..255."""

    picture: Picture
    matte: NDArray[np.uint8]


@dataclass(frozen=True)
class _Seen:
    """One face on some frames of a batch: which, and its pictures there."""

    where: list[int]
    faces: list[FacePicture]


@dataclass(frozen=True)
class _Batch:
    """Neighbouring frames of a strip: their numbers in the media and in the shot, and each planned face on them."""

    pictures: list[Picture]
    at: NDArray[np.intp]
    rows: slice
    seen: list[_Seen]
    finishing: list[list[Finishing]]


@dataclass(frozen=True)
class _Edited:
    """A filmed picture, what engines change in it, and what is done to the faces' picture after that."""

    picture: Picture
    patches: list[Patch]
    finishing: list[Finishing]


@dataclass
class Stage:
    """All that the workers of a render share."""

    plan: Plan
    footage: Mapping[str, Footage]
    cast: Cast
    engine: Engine[Any, Any]
    format: VideoFormat
    sources: Sources
    report: Report
    patches: PatchStore
    _looks: dict[tuple[str, str], Look] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    # --- pictures -------------------------------------------------------------------------------------------------

    def frames(self, node: Node, first: int, count: int) -> Iterator[Finished]:
        """The finished frames of one event, or of a part of it."""
        if isinstance(node, Shown):
            return self._shown(node.strip, first, count)
        if isinstance(node, Dissolve):
            return self._dissolved(node, first, count)
        if isinstance(node, Morph):
            whole = np.full((self.format.height, self.format.width), 255, np.uint8)
            return (Finished(picture, whole) for picture in joints.pictures(self, node, first, count))
        return self._black(count)

    def _black(self, count: int) -> Iterator[Finished]:
        black = Picture.black(self.format)
        nothing = np.zeros((self.format.height, self.format.width), np.uint8)
        for _ in range(count):
            yield Finished(black, nothing)

    def _dissolved(self, node: Dissolve, first: int, count: int) -> Iterator[Finished]:
        sides = self.frames(node.outgoing, first, count), self.frames(node.incoming, first, count)
        for i, (a, b) in enumerate(zip(*sides, strict=True)):
            weight = node.weight(Fraction(first + i) / self.plan.rate, self.plan.rate)
            yield Finished(dissolve(a.picture, b.picture, weight), np.maximum(a.matte, b.matte))

    def _shown(self, strip: Strip, first: int, count: int) -> Iterator[Finished]:
        profile = self.report.profile
        for made, changed in self.made(strip, first, count):
            with profile.step("fit"):
                finished = self._fitted(made, changed)
            yield finished

    def made(self, strip: Strip, first: int, count: int) -> Iterator[tuple[Picture, NDArray[np.uint8]]]:
        """A strip's pictures with all edits in them, in the footage's own format, and how much of each pixel was changed."""
        profile = self.report.profile
        for edited in self._edited(strip, first, count):
            with profile.step("composite"):
                picture, patches = apply_patches(edited.picture, edited.patches), list(edited.patches)
                for asked in edited.finishing:
                    patch = finished(picture, asked)
                    if patch is not None:
                        picture = apply_patches(picture, [patch])
                        patches.append(patch)
                changed = matte(patches, picture.format)
            yield picture, changed

    def _fitted(self, picture: Picture, changed: NDArray[np.uint8]) -> Finished:
        """A picture of the footage and its matte in the output format."""
        if picture.format == self.format:
            return Finished(picture, changed)
        return Finished(fit(picture, self.format), fit_matte(changed, picture.format, self.format))

    def indices(self, footage: Footage, first: int, count: int) -> NDArray[np.intp]:
        """The media frame that each program frame of a strip shows."""
        with self.sources.lent(footage.info.path) as source:
            return footage.indices(first, count, self.plan.rate, source)

    # --- faces ----------------------------------------------------------------------------------------------------

    def _edited(self, strip: Strip, first: int, count: int) -> Iterator[_Edited]:
        """A strip's filmed pictures, each with the patches of all its faces.

        Where the engine leaves the processor free, reading and editing run ahead of it and of what follows.
        """
        read = self._read(strip, first, count)
        if not self._waits:
            return self._edited_batches(strip, read)
        return ahead(self._edited_batches(strip, ahead(read, 1)), self._batch)

    def _read(self, strip: Strip, first: int, count: int) -> Generator[_Batch, None, None]:
        """A strip's filmed pictures with the faces in them, some at a time."""
        footage, shot = self.footage[strip.key], self.plan.shots[strip.key]
        profile = self.report.profile
        flickers = {p.face: Flicker(self.cast.tracks[strip.key, p.face]) for p in shot.faces}
        with self.sources.lent(footage.info.path) as source:
            indices = footage.indices(first, count, self.plan.rate, source)
            pictures = profile.each("decode", source.frames([int(i) for i in indices]))
            for start in range(0, count, self._batch):
                batch = [next(pictures) for _ in range(min(self._batch, count - start))]
                at, row = indices[start : start + len(batch)], first + start - shot.first
                rows = slice(row, row + len(batch))
                with profile.step("face picture", 0):
                    seen = [self._seen(footage, plan, rows, batch, at) for plan in shot.faces]
                profile.count("face picture", sum(len(s.where) for s in seen))
                yield _Batch(batch, at, rows, seen, self._finishing(footage, shot, rows, at, flickers))

    def _finishing(
        self, footage: Footage, shot: Shot, rows: slice, at: NDArray[np.intp], flickers: Mapping[str, Flicker]
    ) -> list[list[Finishing]]:
        """What is asked of each face's picture, for each frame of a batch."""
        found: list[list[Finishing]] = [[] for _ in at]
        for plan in shot.faces:
            asked = plan.finish[rows]
            track, gains = self.cast.tracks[footage.strip.key, plan.face], {}
            flickering = asked[:, FINISHES.index("deflicker")] > 0 if len(asked) else np.zeros(len(at), bool)
            if flickering.any():
                with self.sources.lent(footage.info.path) as source, self.report.profile.step("deflicker"):
                    gains = flickers[plan.face].gains(source, sorted({int(i) for i in at[flickering]}))
            for i in np.flatnonzero(asked.any(1)) if len(asked) else ():
                face = track.at(int(at[i]))
                if face is not None:
                    amounts = dict(zip(FINISHES, asked[i].tolist(), strict=True))
                    found[i].append(Finishing(face, amounts, gains.get(int(at[i]))))
        return found

    def _seen(
        self, footage: Footage, plan: FacePlan, rows: slice, batch: Sequence[Picture], at: NDArray[np.intp]
    ) -> _Seen:
        """One face on the frames of a batch that ask for anything and show it."""
        track = self.cast.tracks[footage.strip.key, plan.face]
        faces = [track.at(int(i)) if busy else None for i, busy in zip(at, plan.moved[rows], strict=True)]
        where = [i for i, face in enumerate(faces) if face is not None]
        return _Seen(where, [face_picture(batch[i], _sure(faces[i])) for i in where])

    def _edited_batches(self, strip: Strip, read: Generator[_Batch, None, None]) -> Iterator[_Edited]:
        footage, shot = self.footage[strip.key], self.plan.shots[strip.key]
        with closing(read):
            for batch in read:
                patches: list[list[Patch]] = [[] for _ in batch.pictures]
                for plan, seen in zip(shot.faces, batch.seen, strict=True):
                    for i, patch in zip(seen.where, self._patches(footage, plan, batch, seen), strict=True):
                        if patch is not None:
                            patches[i].append(patch)
                for picture, own, finishing in zip(batch.pictures, patches, batch.finishing, strict=True):
                    yield _Edited(picture, own, finishing)

    @property
    def _waits(self) -> bool:
        return bool(getattr(self.engine, "waits", False))

    @property
    def _batch(self) -> int:
        """Frames handed to the engine at once: fewer where pictures are large."""
        return max(1, min(BATCH, BATCH_BYTES // self.format.bytes))

    def _patches(self, footage: Footage, plan: FacePlan, batch: _Batch, seen: _Seen) -> list[Patch | None]:
        """One face's patch on each frame that shows it."""
        if not seen.where:
            return []
        look = self.look(footage, plan.face, self.cast.tracks[footage.strip.key, plan.face])
        ask = plan.controls[batch.rows][seen.where]
        at = [int(batch.at[i]) for i in seen.where]
        return self._stored(footage, plan, look, seen.faces, ask, at, batch.rows, seen.where)

    def _stored(
        self, footage: Footage, plan: FacePlan, look: Look, faces: list[FacePicture], ask: Controls,
        at: list[int], rows: slice, where: list[int],
    ) -> list[Patch | None]:  # fmt: skip
        """Patches from the store, the missing ones synthesized in one batch and stored."""
        if not self.engine.keeps_patches or plan.drives:
            return self._synthesized(plan, look, faces, ask, rows, where)
        profile = self.report.profile
        with profile.step("patch store", 0):
            keys = [self._patch_key(footage, look, f, ask[[i]], at[i]) for i, f in enumerate(faces)]
            found = [self.patches.get(key) for key in keys]
        todo = [i for i, patch in enumerate(found) if isinstance(patch, KeyError)]
        if todo:
            made = self._synthesized(plan, look, [faces[i] for i in todo], ask[todo], rows, [where[i] for i in todo])
            with profile.step("patch store", len(todo)):
                for i, patch in zip(todo, made, strict=True):
                    found[i] = self.patches.put(keys[i], patch)
        return [p for p in found if not isinstance(p, KeyError)]

    def _synthesized(
        self, plan: FacePlan, look: Look, faces: list[FacePicture], ask: Controls, rows: slice, where: list[int]
    ) -> list[Patch | None]:  # fmt: skip
        with self.report.profile.step("engine", len(faces)):
            filmed = self.engine.analyze(look, faces)
            motions = driven(self, plan, filmed, [rows.start + i for i in where]) if plan.drives else filmed
            return self.engine.synthesize(look, faces, filmed, self.engine.retarget(motions, ask))

    def _patch_key(self, footage: Footage, look: Look, face: FacePicture, ask: Controls, index: int) -> str:
        return digest(
            "patch", footage.info.identity, index, look.fingerprint, self.engine.fingerprint,
            face.face.points, *_arrays(ask),
        )  # fmt: skip

    def look(self, footage: Footage, face: str, track: FaceTrack) -> Look:
        """What the engine studied about a face of a strip, once."""
        with self._lock:
            key = (footage.strip.key, face)
            if key not in self._looks:
                self._looks[key] = self.engine.study(track, lambda at: self.read_faces(footage, track, at))
            return self._looks[key]

    def read_faces(self, footage: Footage, track: FaceTrack, at: Sequence[int]) -> list[FacePicture]:
        """The pictures of a track at some media frames, in the order asked; frames without the face are left out."""
        wanted = sorted({i for i in at if track.at(i) is not None})
        with self.sources.lent(footage.info.path) as source:
            pictures = zip(wanted, source.frames(wanted), strict=True)
            read = {i: face_picture(picture, _sure(track.at(i))) for i, picture in pictures}
        return [read[i] for i in at if i in read]

    # --- names ----------------------------------------------------------------------------------------------------

    def describe(self, node: Node, first: int, count: int) -> list[object]:
        """All that decides the pictures of some frames of an event, to be hashed."""
        if isinstance(node, Shown):
            return self.describe_strip(node.strip, first, count)
        if isinstance(node, Dissolve):
            weights = [node.weight(Fraction(first + i) / self.plan.rate, self.plan.rate) for i in range(count)]
            sides = [self.describe(side, first, count) for side in (node.outgoing, node.incoming)]
            return ["dissolve", weights, *sides]
        if isinstance(node, Morph):
            return joints.describe(self, node, first, count)
        assert isinstance(node, Black)
        return ["black", count]

    def describe_strip(self, strip: Strip, first: int, count: int) -> list[object]:
        """All that decides a strip's pictures on some program frames."""
        footage, shot = self.footage[strip.key], self.plan.shots[strip.key]
        indices = self.indices(footage, first, count)
        rows = slice(first - shot.first, first - shot.first + count)
        faces = [self._describe_face(footage, f, rows, first, count) for f in shot.faces if f.active[rows].any()]
        return ["strip", footage.info.identity, runs(indices), faces]

    def _describe_face(self, footage: Footage, plan: FacePlan, rows: slice, first: int, count: int) -> list[object]:
        track = self.cast.tracks[footage.strip.key, plan.face]
        drives = [
            [d.driver.path, d.relative, d.regions, digest(d.frames[rows], d.strength[rows], *_track_points(d.driver.track))]
            for d in plan.drives
        ]  # fmt: skip
        engine: list[object] = []
        if plan.moved[rows].any():
            engine = [self.engine.fingerprint, self.look(footage, plan.face, track).fingerprint]
        return [
            *engine, digest(*_arrays(plan.controls[rows])), self.points_digest(footage, track, first, count), drives,
            *self._describe_finish(footage, plan, rows, first, count),
        ]  # fmt: skip

    def _describe_finish(self, footage: Footage, plan: FacePlan, rows: slice, first: int, count: int) -> list[object]:
        """What decides the finish of some frames: with deflickering, where the face is in the frames around, too."""
        asked = plan.finish[rows]
        if not asked.any():
            return []
        around: list[object] = []
        if asked[:, FINISHES.index("deflicker")].any():
            track, indices = self.cast.tracks[footage.strip.key, plan.face], self.indices(footage, first, count)
            window = sorted({i for m in indices.tolist() for i in range(m - WINDOW, m + WINDOW + 1)})
            around = [f.points if (f := track.at(i)) else None for i in window]
        return ["finish", finish.VERSION, digest(asked, *around)]

    def points_digest(self, footage: Footage, track: FaceTrack | None, first: int, count: int) -> str:
        """A name for the landmarks that some program frames of a strip show."""
        if track is None:
            return ""
        indices = self.indices(footage, first, count)
        faces = [track.at(int(i)) for i in indices]
        return digest(*(f.points if f else None for f in faces))


def _track_points(track: FaceTrack) -> list[object]:
    return [f.points if f else None for f in track.faces]


def _arrays(controls: Controls) -> tuple[NDArray[np.float64], ...]:
    return controls.offsets, controls.targets, controls.weights, controls.neutral


def _sure(face: Face | None) -> Face:
    assert face is not None
    return face


def fit_matte(changed: NDArray[np.uint8], have: VideoFormat, want: VideoFormat) -> NDArray[np.uint8]:
    """A matte fitted as its picture is, shape kept, nothing around it."""
    grey = Picture.grey(changed)
    aspects = replace(grey.format, sample_aspect=have.sample_aspect)
    target = VideoFormat(want.width, want.height, "gray", grey.format.colour, want.sample_aspect)
    return np.asarray(fit(replace(grey, format=aspects), target).planes[0])
