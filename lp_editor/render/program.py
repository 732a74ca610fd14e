"""Renders a whole cut: media bound, faces cast, everything planned, chunks made or found, sound mixed, one file written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from lp_editor.engine import Engine
from lp_editor.errors import MediaError, OutputError, TimeError
from lp_editor.media.picture import VideoFormat
from lp_editor.media.probe import MediaInfo, probe
from lp_editor.media.sink import Codec, SoundTrack, check_delivery, join_chunks
from lp_editor.media.sound import SoundSource
from lp_editor.plan import check, plan
from lp_editor.registry import Registry
from lp_editor.render.cast import Casting
from lp_editor.render.chunks import MATTE_SUFFIX, SUFFIX, ChunkWork, chunk_paths, chunked
from lp_editor.render.executor import Executor, LocalExecutor
from lp_editor.render.footage import Footage, Sources, bind, check_media, media_zero
from lp_editor.render.mix import SoundFormat, Voice, mix
from lp_editor.render.report import Progress, Report, silent
from lp_editor.render.stage import Finished, Stage
from lp_editor.render.stores import ChunkStore, PatchStore, cache_folder
from lp_editor.timeline.cut import Event, Heard, Morph, Shown, cut, heard, strips, strips_of, unrendered
from lp_editor.timeline.cut import Picture as Node
from lp_editor.timeline.model import Project


@dataclass(frozen=True)
class Settings:
    """How to render. ``format`` is None for that of the first picture clip, or like ``1920x1080``."""

    codec: Codec = Codec.H264
    engine: str = "auto"
    device: str = "cpu"
    format: str | None = None
    force: bool = False
    executor: Executor = field(default_factory=LocalExecutor)
    cache: Path = field(default_factory=cache_folder)


def render_program(
    project: Project,
    registry: Registry,
    output: Path,
    settings: Settings,
    matte: Path | None = None,
    progress: Progress = silent,
) -> Report:
    """Render a cut into one file, and its matte into another. Raises before any work for whatever cannot work."""
    for path, codec in ((output, settings.codec), (matte, Codec.FFV1)):
        if path is not None:
            check_delivery(path, codec)
            check_output(path, settings.force)
    events = cut(project)
    if not events:
        raise MediaError(f'project "{project.name}" is empty: there is nothing to render')
    sounds = heard(project)
    check_media([s.strip.clip for s in sounds] + [s.clip for s in strips(events).values()])
    with opened(project, registry, events, settings, progress) as stage:
        report = stage.report
        check_delivery(output, settings.codec, stage.format)
        work = _work(stage, settings, matte is not None, progress)
        chunks = chunked(stage, events, settings.codec)
        todo = [chunk for chunk in chunks if work.missing(chunk)]
        report.frames = sum(e.count for e in events)
        work = replace(work, total=sum(c.count for c in todo))
        settings.executor.run(work.make, todo)
        counts = [chunk.count for chunk in chunks]
        seconds = Fraction(report.frames) / project.rate
        with sound_track(sounds, settings.codec, seconds, report) as track:
            join_chunks(output, chunk_paths(work.store, chunks, SUFFIX), counts, project.rate, settings.codec, track)
        if matte is not None:
            paths = chunk_paths(work.store, chunks, MATTE_SUFFIX)
            join_chunks(matte, paths, counts, project.rate, Codec.FFV1, None)
    return report


def _work(stage: Stage, settings: Settings, with_matte: bool, progress: Progress) -> ChunkWork:
    store = ChunkStore(settings.cache / "chunks")
    return ChunkWork(stage, store, settings.codec, with_matte, 0, progress, stage.report)


def check_output(path: Path, force: bool) -> None:
    """Refuse to overwrite, or to write where no folder is."""
    if path.exists() and not force:
        raise OutputError(f"{path} exists already; choose another name or pass --force")
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"no folder {path.absolute().parent} to write {path.name} into; make it first")


@contextmanager
def opened(
    project: Project,
    registry: Registry,
    events: Sequence[Event],
    settings: Settings,
    progress: Progress,
    handles: int = 0,
) -> Iterator[Stage]:
    """A stage for some events of a project: media open, faces analysed, everything planned."""
    report = Report()
    check(project, registry)  # parameters are judged before minutes of analysis
    footage = bind(strips(events))
    engine: Engine[Any, Any] = registry.engine(settings.engine, settings.device)
    report.engine = engine.name
    with Sources() as sources:
        casting = Casting(footage, sources, registry, project.rate, settings.cache / "faces", progress, report)
        cast = casting.cast(events, handles)
        planned = plan(project, registry, cast.findings, handles, events)
        format = output_format(events, footage, settings.format)
        patches = PatchStore(settings.cache / "patches")
        for clip in unrendered(project):
            report.note(f'"{clip.name}" ({clip.place}) cannot be rendered: black there, or the picture below it')
        _note_held(events, footage, project.rate, report)
        _note_fits(footage, format, report)
        yield Stage(planned, footage, cast, engine, format, sources, report, patches)


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


def _note_held(events: Sequence[Event], footage: Mapping[str, Footage], rate: Fraction, report: Report) -> None:
    """Tell where media ends before its clip does."""
    for event in events:
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


@contextmanager
def sound_track(
    sounds: Sequence[Heard], codec: Codec, seconds: Fraction, report: Report
) -> Iterator[SoundTrack | None]:
    """The mixed sound of a program, ready to be written; None when nothing in it can sound."""
    with ExitStack() as stack:
        voices: list[Voice] = []
        infos: dict[Path, MediaInfo] = {}
        for sound in sounds:
            path = sound.strip.clip.media.path
            if path is None:
                continue
            info = infos[path] if path in infos else infos.setdefault(path, probe(path))
            if not info.audio:
                continue
            source = stack.enter_context(SoundSource(path))
            zero = media_zero(sound.strip.clip.media, sound.strip.clip.source.start, info)
            voices.append(Voice(sound, source, zero))
            if sound.strip.clip.speed * sound.strip.pace != 1:
                report.note(f'sound of "{sound.strip.clip.name}" ({sound.strip.key}) is retimed as on tape')
        if not voices:
            yield None
            return
        format = sound_format(voices)
        yield SoundTrack(format.rate, format.channels, format.sample_format, mix(voices, format, seconds))


def sound_format(voices: Sequence[Voice]) -> SoundFormat:
    """The rate of all sources when they share one, else 48 kHz; the most channels; the finest sample format."""
    infos = [voice.source.info for voice in voices]
    rates = {info.rate for info in infos}
    finest = max((info.sample_format.rstrip("p") for info in infos), key=_FINENESS.index)
    return SoundFormat(rates.pop() if len(rates) == 1 else 48000, max(info.channels for info in infos), finest)


_FINENESS = ("u8", "s16", "s24", "s32", "flt", "dbl", "s64")
"""Sample formats, coarsest first."""


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
