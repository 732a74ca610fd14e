"""The demo: a small real project, made on the spot, marked with every effect there is, rendered and shown.

The portrait is scikit-image's ``astronaut`` (NASA, public domain). It is filmed as a hand-held camera would: drift, a
slow push-in, a swaying head, changing light, grain; so that tracking, morphing and compositing have real work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor import verbs
from lp_editor.effect import JointEffect
from lp_editor.errors import FaceError, LpEditorError, MediaError, OutputError
from lp_editor.face import Face, Image
from lp_editor.faces import analyse_faces, choose
from lp_editor.files import make_folder
from lp_editor.media.picture import BT709, Colour, Picture, VideoFormat
from lp_editor.media.probe import MediaInfo, probe
from lp_editor.media.sink import Codec, SoundTrack, encode_chunk, join_chunks, write_still
from lp_editor.media.source import VideoSource
from lp_editor.registry import Registry
from lp_editor.render.footage import Footage
from lp_editor.render.program import Settings
from lp_editor.render.report import Progress
from lp_editor.render.sheet import Moment, around, contact_sheet
from lp_editor.timeline.cut import Morph, Shown, cut, strips_of
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track
from lp_editor.timeline.timecode import timecode

RATE = Fraction(25)
FRAMES = 230
WIDTH, HEIGHT = 1280, 720
SOUND_RATE = 48_000

HOUR = Fraction(3600)
"""Source timecode of the demo's clip, and record timecode of its cut."""

FILES = ("project.otio", "finished.mp4", "finished.otio", "contact.png")


@dataclass(frozen=True)
class Made:
    """What the demo left, and what there was to tell."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def make_demo(
    folder: Path, media: Path | None, registry: Registry, engine: str, force: bool, progress: Progress
) -> Made:  # fmt: skip
    """Make it all in a folder. Raises `OutputError` where files of it exist already and ``force`` is not set.

    Raises `FaceError` where the given media shows no face to mark, and leaves no project of it then.
    """
    files = tuple(folder / name for name in FILES)
    for path in files:
        if path.exists() and not force:
            raise OutputError(f"{path} exists already; choose another folder or pass --force")
    make_folder(folder)
    settings = Settings(Codec.H264, engine, force=True)
    if media is None:
        media = folder / "portrait.mp4"
        film_portrait(media, progress)
        info = probe(media)
        project = _project(info, lambda used: (_part(used, 0.33), _part(used, 0.46)))
    else:
        info = probe(media)
        project = _project(info, lambda used: _nearest_jump(info, used, settings.cache / "faces", progress))
    document, notes = _marked(new_document(files[0], project), registry)
    document = document.save()
    try:
        report = verbs.render(document, files[1], settings, registry=registry, progress=progress)
    except FaceError as error:
        files[0].unlink()
        raise FaceError(
            f"{media} shows no face in a clip that the demo cuts from it; choose a video with a face all through"
        ) from error
    relinked, more = verbs.render_stretches(document, folder / "clips", settings, registry=registry, progress=progress)
    relinked.save(files[2])
    write_still(files[3], contact_sheet(_moments(document.project, info, files[1], settings)))
    return Made(files, tuple(dict.fromkeys([*notes, *report.notes, *more.notes])))


# --- the clip -----------------------------------------------------------------------------------------------------


def film_portrait(path: Path, progress: Progress, frames: int = FRAMES) -> None:
    """Film the portrait into an H.264 file of some frames, with sound."""
    import skimage.data

    format = VideoFormat(WIDTH, HEIGHT, "yuv420p", Colour(BT709, BT709, BT709))
    chunk = path.with_name(f".{path.stem}.pictures")
    try:
        filmed = _filmed(_portrait(skimage.data), frames)
        pictures = _counted((Picture.of_rgb(f, format) for f in filmed), frames, progress)
        encode_chunk(chunk, pictures, format, RATE, Codec.H264)
        sound = SoundTrack(SOUND_RATE, 2, "flt", iter([_music(Fraction(frames) / RATE)]))
        join_chunks(path, [chunk], [frames], RATE, Codec.H264, sound)
    finally:
        chunk.unlink(missing_ok=True)


def _portrait(data: Any) -> Image:
    """The public-domain portrait, (512, 512, 3)."""
    return np.asarray(data.astronaut(), np.uint8)


def _counted(pictures: Iterator[Picture], total: int, progress: Progress) -> Iterator[Picture]:
    for done, picture in enumerate(pictures, 1):
        yield picture
        progress("filming", done, total)


def _filmed(portrait: Image, frames: int) -> Iterator[Image]:
    """The frames: the portrait enlarged to the width, seen by a moving camera."""
    noise = np.random.default_rng(7)
    large = cv2.resize(portrait, None, fx=2.6, fy=2.6, interpolation=cv2.INTER_LANCZOS4)
    soft = cv2.GaussianBlur(large, (0, 0), 1.4)
    large = cv2.addWeighted(large, 1.5, soft, -0.5, 0)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    for n in range(frames):
        t = n / float(RATE)
        map_x, map_y = _camera(t, x, y)
        frame = cv2.remap(large, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        light = 1 + 0.025 * np.sin(0.9 * t) + 0.01 * np.sin(2.3 * t + 1)
        grain = cv2.resize(noise.normal(0, 2.6, (HEIGHT // 2, WIDTH // 2)).astype(np.float32), (WIDTH, HEIGHT))
        yield np.clip(frame * light + grain[..., None], 0, 255).astype(np.uint8)


def _camera(
    t: float, x: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel looks in the enlarged portrait: drift, push-in and tilt, and a head that sways by itself."""
    zoom = 1.0 + 0.006 * t + 0.004 * np.sin(0.7 * t)
    turn = np.radians(0.5 * np.sin(0.6 * t) + 0.2 * np.sin(1.7 * t))
    cx, cy = 640 + 7 * np.sin(0.8 * t) + 3 * np.sin(2.1 * t), 330 + 5 * np.sin(1.1 * t + 0.5)
    u, v = (x - WIDTH / 2) / zoom, (y - HEIGHT / 2) / zoom
    px = cx + np.cos(turn) * u - np.sin(turn) * v
    py = cy + np.sin(turn) * u + np.cos(turn) * v
    head = np.exp(-(((px - 585) / 300) ** 2 + ((py - 300) / 330) ** 2))
    sway, nod = 14 * np.sin(1.3 * t), 8 * np.sin(0.9 * t + 1.2)
    tilt = np.radians(2.2 * np.sin(1.0 * t + 0.4)) * head
    dx, dy = px - 585, py - 420
    return (
        (px - sway * head - tilt * dy).astype(np.float32),
        (py - nod * head + tilt * dx).astype(np.float32),
    )


def _music(seconds: Fraction) -> NDArray[np.float64]:
    """A soft chord under slow plucked notes, (N, 2)."""
    t = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    out = np.zeros((len(t), 2))
    for i, note in enumerate((130.81, 196.00, 261.63, 329.63)):
        swell = 0.035 * (0.7 + 0.3 * np.sin(2 * np.pi * (0.11 + 0.03 * i) * t + i))
        for side, detune in ((0, 0.999), (1, 1.001)):
            out[:, side] += swell * np.sin(2 * np.pi * note * detune * t)
    for i, note in enumerate((523.25, 659.26, 783.99, 659.26, 587.33, 523.25, 493.88, 523.25) * 2):
        since = t - 0.6 * i
        pluck = np.where(since >= 0, np.exp(-3.2 * np.maximum(since, 0)), 0) * np.sin(2 * np.pi * note * since)
        out += 0.08 * pluck[:, None] * np.array([0.6 + 0.05 * i % 0.4, 1.0 - 0.05 * i % 0.4])
    fade = np.clip(np.minimum(t / 0.4, (t[-1] - t) / 0.8), 0, 1)
    return np.asarray(out * fade[:, None])


# --- the project --------------------------------------------------------------------------------------------------


def _project(info: MediaInfo, jump: Callable[[int], tuple[int, int]]) -> Project:
    """Three clips of one medium, a jump cut between the first two; picture and sound.

    ``jump`` gives the frame to leave the used frames at, and that to go on from.
    """
    if info.video is None:
        raise MediaError(f"{info.path} has no picture")
    rate, count = info.video.rate, info.video.count
    if count < 2 * rate:
        raise MediaError(f"{info.path} is shorter than two seconds; the demo needs a little more")
    used = min(count, round(9 * rate))
    (a, b), c, d = jump(used), _part(used, 0.72), used
    start = info.timecode if info.timecode is not None else HOUR
    media = Media("file", info.path.name, str(info.path.absolute()), available=Span(start, Fraction(count) / rate))
    spans = [(0, a), (b, c), (c, d)]
    rows = [_row(kind, spans, media, start, rate) for kind in ("video", *(("audio",) if info.audio else ()))]
    return Project("lp-editor demo", rate, HOUR, tuple(rows))


def _part(frames: int, part: float) -> int:
    return round(frames * part)


def _nearest_jump(info: MediaInfo, used: int, cache: Path, progress: Progress) -> tuple[int, int]:
    """The jump in the second fifth of the frames over which the largest face changes least."""
    with VideoSource(info.path) as source:
        tracks = analyse_faces(source, 0, used, cache, lambda done, total: progress("faces", done, total))
    track = choose(tracks, "largest", 0, used)
    if track is None:
        raise FaceError(f"{info.path} shows no face in its first {used} frames; choose a video of a person")
    jumps = (
        (_apart(before, after), a, b)
        for a in range(_part(used, 0.28), _part(used, 0.38))
        for b in range(_part(used, 0.44), _part(used, 0.54))
        if (before := track.at(a)) and (after := track.at(b))
    )
    _, a, b = min(jumps, default=(0.0, _part(used, 0.33), _part(used, 0.46)))
    return a, b


def _apart(one: Face, other: Face) -> float:
    """How far apart the landmarks of two faces lie, in face widths."""
    return float(np.linalg.norm(one.points[:, :2] - other.points[:, :2], axis=1).mean() / one.width)


def _row(kind: str, spans: Sequence[tuple[int, int]], media: Media, start: Fraction, rate: Fraction) -> Track:
    clips, at = [], Fraction(0)
    for name, (first, stop) in zip(("opening", "middle", "closing"), spans, strict=True):
        length = Fraction(stop - first) / rate
        source = Span(start + Fraction(first) / rate, length)
        clips.append(Clip("", name, media, source, Span(at, length), rate))
        at += length
    return Track("V1" if kind == "video" else "A1", "video" if kind == "video" else "audio", tuple(clips))


SHOWN: Mapping[str, tuple[tuple[str, Mapping[str, str]], ...]] = {
    "V1/1": (("expression", {"preset": "surprise"}),),
    "V1/2": (("gaze", {"x": "0@0,0.75@20%,0.75@45%,-0.75@62%,-0.75@82%,0@100%"}),),
    "V1/3": (("expression", {"preset": "wink"}),),
}
"""What the demo marks on each clip; times in keys are parts of the segment."""


def _marked(document: Document, registry: Registry) -> tuple[Document, list[str]]:
    """The project with every installed effect on it, and what could not be marked."""
    notes: list[str] = []
    done: set[str] = set()
    for place, marks in SHOWN.items():
        clip = next(c for c in document.project.clips() if c.place == place)
        length = float(clip.record.duration)
        for effect, params in marks:
            at, span = 0.12 * length, 0.76 * length
            timed = {name: _timed(text, span) for name, text in params.items()}
            document = verbs.mark(
                document, effect, clip=place, at=f"{at:.3f}s", length=f"{span:.3f}s", params=timed, registry=registry
            ).document
            done.add(effect)
    for name, effect_class in registry.effects.items():
        if name in done:
            continue
        preset = next((p.name for p in registry.presets.values() if p.effect == name), None)
        params = {"preset": preset} if preset else {}
        if "driver" in effect_class.needs:  # the film leads itself: there is no other at hand
            params["driver"] = str(next(clip.media.path for clip in document.project.clips()))
        joint = issubclass(effect_class, JointEffect)
        place, length_text = ("V1/1" if name == "stitch" else "V1/2", "10f") if joint else ("V1/3", "1s")
        try:
            document = verbs.mark(
                document, name, clip=place, at=None, length=length_text, params=params, registry=registry
            ).document
        except LpEditorError as error:
            notes.append(f"effect {name} was left out of the demo: {error}")
    return document, notes


def _timed(text: str, seconds: float) -> str:
    """Keys at parts of a segment as keys at seconds."""
    if "%" not in text:
        return text
    parts = (part.removesuffix("%").split("@") for part in text.split(","))
    return ",".join(f"{value}@{float(at) / 100 * seconds:.4f}s:smooth" for value, at in parts)


# --- the contact sheet --------------------------------------------------------------------------------------------


def _moments(project: Project, info: MediaInfo, finished: Path, settings: Settings) -> list[Moment]:
    """Columns of the contact sheet: moments inside every marked stretch."""
    with VideoSource(info.path) as source, VideoSource(finished) as result:
        return [
            moment
            for frame, what in _frames(project)
            if (moment := _moment(project, info, source, result, frame, what, settings))
        ]


def _frames(project: Project) -> Iterator[tuple[int, str]]:
    """Program frames worth showing, with what happens there."""
    shown = {s.key: s for e in cut(project) if isinstance(e.picture, Shown) for s in strips_of(e.picture)}
    joints = [e for e in cut(project) if isinstance(e.picture, Morph)]
    for strip in shown.values():
        for segment in strip.clip.segments[:1]:
            span = strip.clip.record_span(segment.span)
            for part in {"gaze": (0.33, 0.72), "expression": (0.22, 0.5)}.get(segment.effect, (0.5,)):
                if strip.key == "V1/3":
                    part = 0.24 / float(span.duration) if part < 0.3 else 0.5
                frame = int(
                    (strip.program_time(span.start) + span.duration * Fraction(part).limit_denominator(1000))
                    * project.rate
                )
                yield frame, segment.effect
        for event in joints:
            if isinstance(event.picture, Morph) and event.picture.outgoing.strip.key == strip.key:
                yield event.first + event.count // 2, event.picture.joint.effect


def _moment(
    project: Project, info: MediaInfo, source: VideoSource, result: VideoSource, frame: int, what: str,
    settings: Settings,
) -> Moment | None:  # fmt: skip
    """One column: the filmed and the finished frame around the face; None where no face is."""
    event = next(e for e in cut(project) if e.first <= frame < e.stop)
    strip = next(iter(strips_of(event.picture)))
    zero = strip.clip.media.available.start if strip.clip.media.available else Fraction(0)
    index = int(Footage(strip, info, zero).indices(frame, 1, project.rate)[0])
    tracks = analyse_faces(source, index, index + 1, settings.cache / "faces")
    try:
        track = choose(tracks, "largest", index, index + 1)
    except FaceError:
        track = None
    face = track.at(index) if track else None
    if face is None:
        return None
    filmed, made = source.picture(index), result.picture(frame)
    part = around(face.box, (filmed.format.width, filmed.format.height))
    caption = f"{timecode(project.start + Fraction(frame) / project.rate, project.rate)}  {what}"
    return Moment(caption, filmed.rgb(part), made.rgb(part))
