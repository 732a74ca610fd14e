"""Renders a whole cut: media bound, faces cast, everything planned, chunks made or found, sound mixed, one file written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from lp_editor.errors import LpEditorError, MediaError, OutputError, TimeError
from lp_editor.media.codecs import Codec, Delivery, check_delivery, delivered, delivery_of
from lp_editor.media.hardware import with_encoder
from lp_editor.media.layout import UNSPECIFIED, VideoFormat
from lp_editor.media.memory import memory_kept, return_all_free_pages
from lp_editor.media.sequence import Numbering, SequenceNote, write_sequence
from lp_editor.media.sink import Slate, Sound, join_chunks
from lp_editor.media.splice import CopiedPictures, SpliceError
from lp_editor.media.splice_check import Pieces
from lp_editor.plan import Plan, check, check_length, plan, unmarked
from lp_editor.registry import Registry
from lp_editor.render import joints, provenance
from lp_editor.render.cache import running, trim
from lp_editor.render.cast import Cast, Casting
from lp_editor.render.chunks import MATTE_SUFFIX, SUFFIX, Chunk, ChunkWork, chunk_paths, chunked
from lp_editor.render.drive import check_drivers
from lp_editor.render.executor import Executor, LocalExecutor, Part, make_missing
from lp_editor.render.footage import Footage, Sources, bind, check_media, check_sources
from lp_editor.render.guard import guarded
from lp_editor.render.hearing import dubbed, dubs
from lp_editor.render.report import Progress, Report, silent
from lp_editor.render.smart import smart_parts
from lp_editor.render.soundtrack import crossfaded, early, sound_tracks
from lp_editor.render.stage import Finished, Stage
from lp_editor.render.stores import ChunkStore, PatchStore, cache_folder
from lp_editor.render.unmarked import Unmarked
from lp_editor.timeline.cut import Event, Heard, Morph, Shown, cut, heard, strips, strips_of, unrendered
from lp_editor.timeline.cut import Picture as Node
from lp_editor.timeline.model import Project
from lp_editor.timeline.timecode import timecode


@dataclass(frozen=True)
class Settings:
    """How to render. ``format`` is None for that of the first picture clip, or like ``1920x1080``.

    ``codec`` may be a whole `Delivery`; ``reel`` is what files say they are, None for the project's or the media's own.
    """

    codec: Codec | Delivery = Codec.H264
    engine: str = "auto"
    device: str = "cpu"
    format: str | None = None
    force: bool = False
    executor: Executor = field(default_factory=LocalExecutor)
    cache: Path = field(default_factory=cache_folder)
    reel: str | None = None
    whole: bool = False
    """Of marked stretches: each marked clip as one file, from end to end."""
    part: Part | None = None
    """Make only these chunks, and no file."""
    consent: str = ""
    """The editor's record of whose faces were changed with whose consent; every file bears it."""
    handles: int = 24
    """Of marked stretches: frames past either end, as far as the media go, so that an editor can trim them."""
    smart: bool = False
    """Copy packets where nothing was touched and the codec is the footage's; of whole programs only."""
    verify: bool = False
    """Decode all of a smart render before it gets its name, not only what was encoded and its neighbours."""
    timings: Path | None = None
    """Where to write every step of the work, for a trace viewer."""

    @property
    def delivery(self) -> Delivery:
        """What is written."""
        return delivery_of(self.codec)

    def copies_beside(self, matte: Path | None) -> bool:
        """Whether this machine encodes parts of a film whose other packets are copied."""
        return self.smart and matte is None and self.part is None and isinstance(self.executor, LocalExecutor)

    def elsewhere(self) -> Settings:
        """The same for another process, which makes chunks of it."""
        return replace(self, executor=LocalExecutor(1), timings=None)


def render_program(
    project: Project,
    registry: Registry,
    output: Path,
    settings: Settings,
    matte: Path | None = None,
    progress: Progress = silent,
) -> Report:
    """Render a cut into one file, and its matte into another. Raises before any work for whatever cannot work."""
    delivery = settings.delivery
    for path, codec in ((output, delivery), (matte, Delivery(Codec.FFV1))):
        if path is not None:
            check_delivery(path, codec)
        if path is not None and settings.part is None:
            check_output(path, settings.force, codec.codec)
    events = cut(project)
    if not events:
        raise MediaError(f'project "{project.name}" is empty: there is nothing to render')
    sounds = heard(project)
    check_media([s.strip.clip for s in sounds] + [s.clip for s in strips(events).values()])
    store = ChunkStore(settings.cache / "chunks")
    beside = Unmarked(events, store, partial(settled, delivery)) if settings.copies_beside(matte) else None
    with opened(project, registry, events, settings, progress, beside=beside) as stage:
        check_delivery(output, delivery, stage.format)
        work = ChunkWork(stage, store, settled(delivery, stage), matte is not None, 0, progress, stage.report)
        stage.report.frames = sum(e.count for e in events)
        sounds = crossfaded(sounds, stage.plan)
        sounds = dubbed(sounds, dubs(strips(events), registry, project.rate, settings.cache), stage.report)
        told = provenance.told(stage, provenance.Telling(project.name, project.start, project.drop_frame, settings.consent))
        slate = Slate(_timecode(project), project.name if settings.reel is None else settings.reel, told.tag())
        job = _Job(project, events, settings, output, matte, sounds, slate, beside)
        if not (settings.smart and job.smart(work)):
            job.whole(work)
        if settings.part is None and not delivery.codec.stills:  # a sequence's own JSON has it
            provenance.write_beside(output, told)
    trim(settings.cache)
    return stage.report


@dataclass(frozen=True)
class _Job:
    """One file to make of a program."""

    project: Project
    events: Sequence[Event]
    settings: Settings
    output: Path
    matte: Path | None
    sounds: Sequence[Heard]
    slate: Slate
    unmarked: Unmarked | None = None

    def whole(self, work: ChunkWork) -> None:
        """Every frame encoded."""
        chunks = chunked(work.stage, self.events, work.delivery)
        with self._sounding(work) as tracks:
            self._make(work, chunks)
            if self.settings.part is not None:
                return
            self._check(work)
            _finish(self.output, work, chunks, tracks, self.slate)
        if self.matte is not None:
            paths, counts = chunk_paths(work.store, chunks, MATTE_SUFFIX), [chunk.count for chunk in chunks]
            join_chunks(self.matte, paths, counts, self.project.rate, Codec.FFV1, None, self.slate)

    def smart(self, work: ChunkWork) -> bool:
        """Packets copied where nothing was touched; False, with a note why, where that is not to be had."""
        report = work.report
        try:
            if self.matte is not None:
                raise SpliceError("a matte is of every frame")
            with report.profile.step("copy"):
                smart = smart_parts(work.stage, self.events, work.delivery)
        except (SpliceError, MediaError) as error:
            return _not_copied(report, error)
        work = replace(work, delivery=smart.delivery)
        pieces: list[Chunk | CopiedPictures] = []
        for part in smart.parts:
            pieces += [part] if isinstance(part, CopiedPictures) else chunked(work.stage, [part], smart.delivery)
        with self._sounding(work) as tracks:
            self._make(work, [p for p in pieces if isinstance(p, Chunk)])
            if self.settings.part is not None:
                return True
            self._check(work)
            try:
                _finish(self.output, work, pieces, tracks, self.slate, self.settings.verify)
            except (SpliceError, MediaError) as error:
                return _not_copied(report, error)
        report.copied = smart.copied
        return True

    @contextmanager
    def _sounding(self, work: ChunkWork) -> Iterator[list[Sound]]:
        """The tracks of the file, whose sound is mixed and encoded beside the pictures; none where it holds no sound."""
        stills = work.delivery.codec.stills
        if stills and self.sounds:
            work.report.note("a sequence holds no sound; render it once more to a .mov for that")
        if stills or self.settings.part is not None:
            yield []
            return
        seconds = Fraction(sum(e.count for e in self.events)) / self.project.rate
        with (
            sound_tracks(self.sounds, work.delivery, seconds, work.report) as tracks,
            early(tracks, self.output, work.delivery) as sounding,
        ):
            yield sounding

    def _make(self, work: ChunkWork, chunks: Sequence[Chunk]) -> None:
        """Render what is not there yet: what is marked first, then what is left of the rest."""
        if self.unmarked is None:
            return make_missing(work, chunks, self.settings.executor, self.settings.part)
        wanted = self.unmarked.wanted
        self._make_some(work, [chunk for chunk in chunks if chunk.key not in wanted])
        making = self.unmarked.last()
        self._make_some(work, [chunk for chunk in chunks if chunk.key in wanted - {making}])
        self.unmarked.finish()
        self._make_some(work, [chunk for chunk in chunks if chunk.key == making])
        return None

    def _make_some(self, work: ChunkWork, chunks: Sequence[Chunk]) -> None:
        assert self.unmarked is not None
        work.report.add_rendered(self.unmarked.newly_made())
        make_missing(work, chunks, self.settings.executor)

    def _check(self, work: ChunkWork) -> None:
        """Before a file is written: that the footage is what it was, and that no other render wrote one meanwhile."""
        check_sources(work.stage.footage.values())
        check_drivers(work.stage.cast.drivers.values())
        for path, codec in ((self.output, work.delivery.codec), (self.matte, None)):
            if path is not None:
                check_output(path, self.settings.force, codec)


def _not_copied(report: Report, error: LpEditorError) -> bool:
    """False, once the report says why."""
    report.note(f"nothing was copied, every frame is encoded: {error}")
    return False


def _timecode(project: Project) -> str:
    return timecode(project.start, project.rate, project.drop_frame)


def settled(delivery: Delivery, stage: Stage) -> Delivery:
    """A delivery that says what the first footage says of its mastering display, its encoder found; tells where a
    graphics processor was asked for and none works."""
    found = with_encoder(delivery, stage.format)
    if found.encoder != delivery.encoder:
        stage.report.note(
            f"encoded by {found.encoder}" if found.encoder else "no hardware encoder works here: ours did it"
        )
    infos = (footage.info.video for footage in stage.footage.values())
    first = next((video for video in infos if video is not None), None)
    same = first is not None and first.format.colour.transfer == stage.format.colour.transfer
    return replace(found, hdr=first.hdr) if first is not None and same else found


def _finish(
    output: Path, work: ChunkWork, pieces: Sequence[Chunk | CopiedPictures], tracks: Sequence[Sound], slate: Slate,
    verify: bool = False,
) -> None:  # fmt: skip
    """Join the pieces of a program into its file, or unpack them into a sequence.

    Copied pictures are looked at again before the file gets its name. Raises `SpliceError` for what is wrong with them.
    """
    rate, report, delivery = work.stage.plan.rate, work.stage.report, work.delivery
    counts = [piece.count for piece in pieces]
    made = chunk_paths(work.store, [p for p in pieces if isinstance(p, Chunk)], SUFFIX)
    lying = iter(made)
    paths = [p if isinstance(p, CopiedPictures) else next(lying) for p in pieces]
    if delivery.codec.stills:
        taken = delivered(work.stage.format, delivery)
        note = SequenceNote(taken, rate, sum(counts), slate.timecode, slate.reel, slate.provenance)
        write_sequence(Numbering.of(output), made, counts, note)
        return
    together = Pieces(list(zip(paths, counts, strict=True)), rate)

    with ExitStack() as writing:
        writing.enter_context(report.profile.step("write", sum(counts)))

        def check(path: Path) -> None:
            writing.close()
            with report.profile.step("check"):
                together.check(path, verify, partial(work.progress, "check"))

        join_chunks(output, paths, counts, rate, delivery, tracks, slate, None if len(made) == len(paths) else check)


def check_output(path: Path, force: bool, codec: Codec | None = None) -> None:
    """Refuse to overwrite, or to write where no folder is. Of a sequence no file may be there."""
    files = Numbering.of(path) if codec is not None and codec.stills else None
    path = files.note if files else path
    if os.path.exists(path) and not force:
        raise OutputError(f"{path} exists already; choose another name or pass --force")
    if files and not force and files.numbers():
        raise OutputError(f"{files.pattern} has files already; choose another name or pass --force")
    if os.path.isdir(path):
        raise OutputError(f"{path} is a folder; name a file in it")
    if not os.path.isdir(path.absolute().parent):
        raise OutputError(f"no folder {path.absolute().parent} to write {path.name} into; make it first")


@contextmanager
def opened(
    project: Project,
    registry: Registry,
    events: Sequence[Event],
    settings: Settings,
    progress: Progress,
    handles: int = 0,
    beside: Unmarked | None = None,
) -> Iterator[Stage]:
    """A stage for some events of a project, whose joints their effects do not refuse. Raises `FaceError` for one refused."""
    with staged(project, registry, events, settings, progress, handles, beside) as stage:
        joints.judge(stage, registry)
        yield stage


@contextmanager
def staged(
    project: Project,
    registry: Registry,
    events: Sequence[Event],
    settings: Settings,
    progress: Progress,
    handles: int = 0,
    beside: Unmarked | None = None,
) -> Iterator[Stage]:
    """A stage for some events of a project: media open, faces analysed, everything planned. ``beside``: makes what nobody
    marks from the moment the media are open."""
    report = Report()
    check(project, registry)  # parameters are judged before minutes of analysis
    check_length(project, events, handles)
    footage = bind(strips(events))
    engine = guarded(registry.engine(settings.engine, settings.device))
    report.engine = f"{engine.name} ({engine.path})" if engine.path else engine.name
    opening = Sources(one.info for one in footage.values())
    format, patches = output_format(events, footage, settings.format), PatchStore(settings.cache / "patches")
    with ExitStack() as until:
        until.enter_context(memory_kept())
        until.enter_context(running(settings.cache))
        sources = until.enter_context(opening)
        until.enter_context(report.profile.traced(settings.timings))
        if beside is not None:
            plain = unmarked(project.rate, events, handles)
            bare = Stage(plain, footage, Cast({}, {}, {}), engine, format, sources, report, patches)
            until.enter_context(beside.beside(bare))
        casting = Casting(
            footage, sources, registry, project.rate, settings.cache / "faces", progress, report, project,
            processes=getattr(settings.executor, "workers", None),
        )  # fmt: skip
        cast = casting.cast(events, handles)
        return_all_free_pages()  # analysis leaves more the longer the film is
        planned = joints.steadied(plan(project, registry, cast.findings, handles, events), footage, cast)
        for clip in unrendered(project):
            report.note(f'"{clip.name}" ({clip.place}) cannot be rendered: black there, or the picture below it')
        _note_held(events, footage, planned, report)
        _note_fits(footage, format, report)
        again = partial(opened, project, registry, events, settings.elsewhere(), silent, handles)
        yield Stage(planned, footage, cast, engine, format, sources, report, patches, again=again)


def output_format(events: Sequence[Event], footage: Mapping[str, Footage], wanted: str | None) -> VideoFormat:
    """The format of the output: that of the first picture clip, in the size asked for."""
    first = next((footage[s.key] for e in events for s in strips_of(e.picture)), None)
    if first is None or first.info.video is None:
        raise MediaError("nothing in this cut can be rendered: it shows no media file")
    format = first.info.video.format
    if wanted is None:
        return format
    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", wanted)
    if not match:
        raise OutputError(f"format must look like 1920x1080, got {wanted!r}")
    return replace(format, width=int(match[1]), height=int(match[2]), sample_aspect=Fraction(1))


def _note_held(events: Sequence[Event], footage: Mapping[str, Footage], planned: Plan, report: Report) -> None:
    """Tell where media ends before its clip does."""
    rate = planned.rate
    for event in events:
        if isinstance(event.picture, Morph) and not planned.blends[event.picture.joint.id].crossing.plays_on:
            continue  # its sides wait at the cut
        for strip in strips_of(event.picture):
            held = footage[strip.key].held(event.first, event.count, rate)
            if held:
                what = "handle for a joint or dissolve" if not isinstance(event.picture, Shown) else "media"
                report.note(
                    f'clip "{strip.clip.name}" ({strip.key}): {what} ends {held} frames early; the last one is held'
                )


def _note_fits(footage: Mapping[str, Footage], format: VideoFormat, report: Report) -> None:
    for key, one in footage.items():
        have = one.info.video.format if one.info.video else format
        if have != format:
            report.note(
                f'clip "{one.strip.clip.name}" ({key}) is {have.width}x{have.height} {have.pix_fmt}: '
                f"fitted into {format.width}x{format.height} {format.pix_fmt}"
            )
        meant = [(f.colour.transfer, f.colour.primaries) for f in (have, format)]
        if meant[0] != meant[1] and UNSPECIFIED not in (*meant[0], *meant[1]):
            report.note(
                f'clip "{one.strip.clip.name}" ({key}) has another transfer or other primaries than the output: '
                "its colours are taken over, not converted; convert it before the cut"
            )


def render_still(
    project: Project, registry: Registry, at: Fraction, settings: Settings, progress: Progress = silent
) -> tuple[Finished, Finished, Report]:
    """One finished program frame, the same frame unedited, and the report."""
    events = cut(project)
    frame = int(at * project.rate // 1)
    event = next((e for e in events if e.first <= frame < e.stop), None)
    if event is None:
        raise TimeError(f"nothing is shown there; the program has {sum(e.count for e in events)} frames")
    with opened(project, registry, [event], settings, progress) as stage:
        finished = next(iter(stage.frames(event.picture, frame, 1)))
        filmed = next(iter(unedited(stage).frames(_incoming(event.picture), frame, 1)))
        return finished, filmed, stage.report


def _incoming(picture: Node) -> Node:
    """Of a joint, the side that plays past the cut; anything else as it is."""
    return picture.incoming if isinstance(picture, Morph) else picture


def unedited(stage: Stage) -> Stage:
    """The same stage with nothing asked of any face."""
    shots = {key: replace(shot, faces=()) for key, shot in stage.plan.shots.items()}
    return replace(stage, plan=replace(stage.plan, shots=shots))
