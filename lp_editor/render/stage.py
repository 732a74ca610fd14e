"""Makes the finished pictures of a program: reads footage, lets the engine edit the faces, composites, blends.

A stage is made once for a render and used by all its workers; everything it holds is only read, but for the engine's
looks (studied once, under a lock) and the patch store.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lp_editor.ahead import ahead
from lp_editor.controls import Controls
from lp_editor.effect import FINISHES
from lp_editor.engine import Engine, Look, Patch
from lp_editor.face import Face, FacePicture, FaceTrack
from lp_editor.media.picture import Picture, VideoFormat, fit
from lp_editor.plan import Drive, FacePlan, Plan, Shot
from lp_editor.recording import Recording
from lp_editor.render import finish, joints
from lp_editor.render.calls import Wish, synthesized
from lp_editor.render.cast import Cast
from lp_editor.render.compositor import apply_patches, matte
from lp_editor.render.crowd import spared
from lp_editor.render.drive import Performers, driven
from lp_editor.render.finish import WINDOW, Finishing, Flicker, finished
from lp_editor.render.footage import Footage, Sources, face_picture, runs
from lp_editor.render.morph import dissolve
from lp_editor.render.report import Report
from lp_editor.render.stores import PatchStore, digest
from lp_editor.timeline.cut import Black, Dissolve, Morph, Shown, Strip
from lp_editor.timeline.cut import Picture as Node

BATCH = 4
"""Faces handed to the engine at once, at most, unless one frame has more. Larger calls let what is around the engine wait
in turns: 8 made a render 4 % longer (benchmarks/pipeline.py)."""

HELD = 24
"""Frames that wait until so many faces have come together, at most."""

HELD_BYTES = 128 << 20
"""Bytes of the pictures that wait, at most."""


Changed: TypeAlias = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class Finished:
    """One program frame: its picture in the output format, and how to find out how much of each pixel was changed."""

    picture: Picture
    changed: Changed

    @property
    def matte(self) -> NDArray[np.uint8]:
        """How much of each pixel was changed, 0..255; few renders ask, so it is made when they do."""
        return self.changed()


@dataclass(frozen=True)
class _Frame:
    """A filmed picture of a strip: its number in the media and in the shot, and the faces in it that something is asked
    of, by their plan's place in the shot."""

    picture: Picture
    at: int
    row: int
    faces: Mapping[int, FacePicture]
    finishing: list[Finishing]


@dataclass(frozen=True)
class _Asked:
    """One face on some frames, given by their places among those that wait together."""

    plan: FacePlan
    look: Look
    where: list[int]
    faces: list[FacePicture]
    at: list[int]
    rows: list[int]

    def some(self, of: Sequence[int]) -> _Asked:
        """Only some of the frames."""
        picked = [[values[i] for i in of] for values in (self.where, self.faces, self.at, self.rows)]
        return _Asked(self.plan, self.look, *picked)  # type: ignore[arg-type]

    @property
    def controls(self) -> Controls:
        """What is asked, a row each."""
        return self.plan.controls[self.rows]


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
    performers: Performers = field(default_factory=Performers)
    again: Callable[[], AbstractContextManager[Stage]] | None = None
    """Opens the same stage in another process; pickles small."""
    _looks: dict[tuple[str, str], Look] = field(default_factory=dict)
    _drivers: dict[int, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    # --- pictures -------------------------------------------------------------------------------------------------

    def frames(self, node: Node, first: int, count: int) -> Generator[Finished, None, None]:
        """The finished frames of one event, or of a part of it."""
        if isinstance(node, Shown):
            return self._shown(node.strip, first, count)
        if isinstance(node, Dissolve):
            return self._dissolved(node, first, count)
        if isinstance(node, Morph):
            whole = np.full((self.format.height, self.format.width), 255, np.uint8)
            return (Finished(picture, lambda: whole) for picture in joints.pictures(self, node, first, count))
        return self._black(count)

    def _black(self, count: int) -> Generator[Finished, None, None]:
        black = Picture.black(self.format)
        nothing = np.zeros((self.format.height, self.format.width), np.uint8)
        for _ in range(count):
            yield Finished(black, lambda: nothing)

    def _dissolved(self, node: Dissolve, first: int, count: int) -> Generator[Finished, None, None]:
        sides = self.frames(node.outgoing, first, count), self.frames(node.incoming, first, count)
        for i, (a, b) in enumerate(zip(*sides, strict=True)):
            weight = node.weight(Fraction(first + i) / self.plan.rate, self.plan.rate)
            yield Finished(dissolve(a.picture, b.picture, weight), partial(_either, a, b))

    def _shown(self, strip: Strip, first: int, count: int) -> Generator[Finished, None, None]:
        profile = self.report.profile
        for made, changed in self.made(strip, first, count):
            with profile.step("fit"):
                finished = self._fitted(made, changed)
            yield finished

    def made(self, strip: Strip, first: int, count: int) -> Iterator[tuple[Picture, Changed]]:
        """A strip's pictures with all edits in them, in the footage's own format, and how much of each pixel was changed."""
        profile = self.report.profile
        for edited in self._edited(strip, first, count):
            with profile.step("composite"):
                picture, patches = apply_patches(edited.picture, edited.patches), list(edited.patches)
                for asked in edited.finishing:
                    whole = finished(picture, asked)
                    patch = spared(whole, asked.face, asked.others) if whole is not None else None
                    if patch is not None:
                        picture = apply_patches(picture, [patch])
                        patches.append(patch)
            yield picture, partial(matte, patches, picture.format)

    def _fitted(self, picture: Picture, changed: Changed) -> Finished:
        """A picture of the footage and its matte in the output format."""
        if picture.format == self.format:
            return Finished(picture, changed)
        return Finished(fit(picture, self.format), lambda: fit_matte(changed(), picture.format, self.format))

    def indices(self, footage: Footage, first: int, count: int) -> NDArray[np.intp]:
        """The media frame that each program frame of a strip shows."""
        return footage.indices(first, count, self.plan.rate)

    def lead(self, node: Node, first: int) -> int:
        """How many frames of a film are decoded before the first that a part of an event shows, where reading begins there."""
        video = self.footage[node.strip.key].info.video if isinstance(node, Shown) else None
        if video is None or video.files is not None or not isinstance(node, Shown):
            return 0
        index = int(self.indices(self.footage[node.strip.key], first, 1)[0])
        return index - video.keyframes[max(bisect_right(video.keyframes, index) - 1, 0)]

    # --- faces ----------------------------------------------------------------------------------------------------

    def _edited(self, strip: Strip, first: int, count: int) -> Iterator[_Edited]:
        """A strip's filmed pictures, each with the patches of all its faces.

        Where the engine leaves the processor free, reading and editing run ahead of it and of what follows.
        """
        read = self._read(strip, first, count)
        if not self._waits:
            return self._edited_frames(strip, read)
        return ahead(self._edited_frames(strip, ahead(read, 1)), min(BATCH, self._held(strip)))

    def _read(self, strip: Strip, first: int, count: int) -> Generator[list[_Frame], None, None]:
        """A strip's filmed pictures, as many at a time as have enough faces for a call of the engine."""
        waiting: list[_Frame] = []
        held = self._held(strip)
        for frame in self._frames(strip, first, count):
            if waiting and _faces(waiting) + len(frame.faces) > BATCH:
                yield waiting
                waiting = []
            waiting.append(frame)
            if _faces(waiting) in (0, BATCH) or len(waiting) == held:
                yield waiting
                waiting = []
        if waiting:
            yield waiting

    def _frames(self, strip: Strip, first: int, count: int) -> Iterator[_Frame]:
        """A strip's filmed pictures with the faces in them."""
        footage, shot = self.footage[strip.key], self.plan.shots[strip.key]
        rows = range(first - shot.first, first - shot.first + count)
        tracks = [self.cast.tracks[strip.key, plan.face] for plan in shot.faces]
        active = [plan.moved[rows.start : rows.stop] for plan in shot.faces]
        profile = self.report.profile
        flickers = {p.face: Flicker(self.cast.tracks[strip.key, p.face]) for p in shot.faces}
        indices = [int(i) for i in self.indices(footage, first, count)]
        with self.sources.lent(footage.info.path, indices[0]) as source:
            pictures = profile.each("decode", source.frames(indices))
            for i, (index, row, picture) in enumerate(zip(indices, rows, pictures, strict=True)):
                asked = {n: track.at(index) for n, track in enumerate(tracks) if active[n][i]}
                with profile.step("face picture", sum(face is not None for face in asked.values())):
                    faces = {n: face_picture(picture, face) for n, face in asked.items() if face is not None}
                yield _Frame(picture, index, row, faces, self._finishing(footage, shot, row, index, flickers))

    def _finishing(
        self, footage: Footage, shot: Shot, row: int, index: int, flickers: Mapping[str, Flicker]
    ) -> list[Finishing]:
        """What is asked of each face's picture in a frame."""
        found = []
        for plan in shot.faces:
            face = self.cast.tracks[footage.strip.key, plan.face].at(index)
            if face is None or not len(plan.finish) or not plan.finish[row].any():
                continue
            amounts, gains = dict(zip(FINISHES, plan.finish[row].tolist(), strict=True)), {}
            if amounts["deflicker"] > 0:
                with self.sources.lent(footage.info.path, index) as source, self.report.profile.step("deflicker"):
                    gains = flickers[plan.face].gains(source, [index])
            others = [f for o in self.cast.others(footage.strip.key, plan.face) if (f := o.at(index))]
            found.append(Finishing(face, amounts, gains.get(index), others))
        return found

    def _edited_frames(self, strip: Strip, read: Generator[list[_Frame], None, None]) -> Iterator[_Edited]:
        footage, shot = self.footage[strip.key], self.plan.shots[strip.key]
        with closing(read):
            for frames in read:
                patches: list[list[Patch]] = [[] for _ in frames]
                asked = [
                    one
                    for n, plan in enumerate(shot.faces)
                    if (one := self._asked(footage, plan, n, frames)) is not None
                ]
                for one, made in zip(asked, self._patches(footage, asked), strict=True):
                    for i, patch in zip(one.where, made, strict=True):
                        if patch is not None:
                            patches[i].append(patch)
                for frame, found in zip(frames, patches, strict=True):
                    yield _Edited(frame.picture, found, frame.finishing)

    def _asked(self, footage: Footage, plan: FacePlan, number: int, frames: Sequence[_Frame]) -> _Asked | None:
        """What some frames ask of one face; None where they do not show it."""
        where = [i for i, frame in enumerate(frames) if number in frame.faces]
        if not where:
            return None
        look = self.look(footage, plan.face, self.cast.tracks[footage.strip.key, plan.face])
        seen = [frames[i] for i in where]
        faces = [frame.faces[number] for frame in seen]
        return _Asked(plan, look, where, faces, [frame.at for frame in seen], [frame.row for frame in seen])

    @property
    def _waits(self) -> bool:
        return bool(getattr(self.engine, "waits", False))

    def _held(self, strip: Strip) -> int:
        """Frames of a strip that wait together, as filmed: fewer where its pictures are large."""
        video = self.footage[strip.key].info.video
        assert video is not None
        return max(1, min(HELD, HELD_BYTES // video.format.bytes))

    def _patches(self, footage: Footage, asked: Sequence[_Asked]) -> list[list[Patch | None]]:
        """Each face's patches: from the store, or all that are missing made in one go and stored."""
        stored = [self._stored(footage, one) for one in asked]
        todo = [[i for i, patch in enumerate(found) if isinstance(patch, KeyError)] for found in stored]
        missing = [one.some(of) for one, of in zip(asked, todo, strict=True)]
        for one, found, of, made in zip(asked, stored, todo, self._synthesized(missing), strict=True):
            for i, patch in zip(of, made, strict=True):
                found[i] = self._kept(footage, one, i, patch)
        made_of = [[patch for patch in found if not isinstance(patch, KeyError)] for found in stored]
        return [self._spared(footage, one, found) for one, found in zip(asked, made_of, strict=True)]

    def _spared(self, footage: Footage, asked: _Asked, made: Sequence[Patch | None]) -> list[Patch | None]:
        """A face's patches without what they would change of other faces."""
        others = self.cast.others(footage.strip.key, asked.plan.face)
        return [
            patch and spared(patch, face.face, [f for o in others if (f := o.at(i))])
            for patch, face, i in zip(made, asked.faces, asked.at, strict=True)
        ]

    def _keeps(self, asked: _Asked) -> bool:
        """Whether a face's patches are stored."""
        return self.engine.keeps_patches and not asked.plan.drives

    def _stored(self, footage: Footage, asked: _Asked) -> list[Patch | KeyError | None]:
        """A face's patches as far as they are in the store."""
        if not self._keeps(asked):
            return [KeyError()] * len(asked.where)
        with self.report.profile.step("patch store", 0):
            return [self.patches.get(self._patch_key(footage, asked, i)) for i in range(len(asked.where))]

    def _kept(self, footage: Footage, asked: _Asked, i: int, patch: Patch | None) -> Patch | None:
        """A new patch as it will be read back, put into the store where it goes there."""
        if not self._keeps(asked):
            return patch
        with self.report.profile.step("patch store"):
            return self.patches.put(self._patch_key(footage, asked, i), patch)

    def _synthesized(self, asked: Sequence[_Asked]) -> list[list[Patch | None]]:
        count = sum(len(one.where) for one in asked)
        if not count:
            return [[] for _ in asked]
        with self.report.profile.step("engine", count):
            return synthesized(self.engine, [self._wish(one) for one in asked])

    def _wish(self, asked: _Asked) -> Wish:
        plan, rows = asked.plan, asked.rows
        drive = (lambda filmed: driven(self, plan, filmed, rows)) if plan.drives else None
        return Wish(asked.look, asked.faces, asked.controls, drive)

    def _patch_key(self, footage: Footage, asked: _Asked, i: int) -> str:
        return digest(
            "patch", footage.info.identity, asked.at[i], asked.look.fingerprint, self.engine.fingerprint,
            asked.faces[i].face.points, *_arrays(asked.plan.controls[[asked.rows[i]]]),
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
        with self.sources.lent(footage.info.path, min(wanted, default=0)) as source:
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
            [d.relative, d.regions, d.rest, d.smooth, d.mirror, self._driver_digest(d), digest(d.frames[rows], d.strength[rows])]
            for d in plan.drives
        ]  # fmt: skip
        engine: list[object] = []
        if plan.moved[rows].any():
            engine = [self.engine.fingerprint, self.look(footage, plan.face, track).fingerprint]
        return [
            *engine, digest(*_arrays(plan.controls[rows])), self.points_digest(footage, track, first, count), drives,
            *(self.points_digest(footage, one, first, count) for one in self.cast.others(footage.strip.key, plan.face)),
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

    def _driver_digest(self, drive: Drive) -> str:
        """A name for all that a driver says, worked out once."""
        driver = drive.driver
        with self._lock:
            if id(driver) not in self._drivers:
                said = _recorded(driver.recording) if driver.recording else _track_points(driver.track)
                self._drivers[id(driver)] = digest(driver.path, *said)
            return self._drivers[id(driver)]

    def points_digest(self, footage: Footage, track: FaceTrack | None, first: int, count: int) -> str:
        """A name for the landmarks that some program frames of a strip show."""
        if track is None:
            return ""
        indices = self.indices(footage, first, count)
        faces = [track.at(int(i)) for i in indices]
        return digest(*(f.points if f else None for f in faces))


def _either(one: Finished, other: Finished) -> NDArray[np.uint8]:
    return np.maximum(one.matte, other.matte)


def _faces(frames: Sequence[_Frame]) -> int:
    """How many faces something is asked of."""
    return sum(len(frame.faces) for frame in frames)


def _recorded(recording: Recording) -> list[object]:
    motions = sorted((recording.motions or {}).items())
    told = [str(recording.rate), recording.rest, [name for name, _ in motions]]
    return [told, recording.shapes, recording.poses, *(rows for _, rows in motions)]


def _track_points(track: FaceTrack | None) -> list[object]:
    return [f.points if f else None for f in track.faces] if track else []


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
