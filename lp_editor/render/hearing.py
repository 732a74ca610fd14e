"""What a segment says: finds its sound or text, has it analysed, and puts new sound in its place in the cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from lp_editor.effect import Effect, Sound
from lp_editor.errors import MediaError, ParamError
from lp_editor.media.probe import probe
from lp_editor.media.sound import SoundSource
from lp_editor.plan import segment_span
from lp_editor.registry import Registry
from lp_editor.render.footage import Footage, media_zero
from lp_editor.render.mix import Samples, SoundFormat, Voice, mix
from lp_editor.render.report import Report
from lp_editor.speech import LONGEST_SECONDS, read_speech, read_text, spoken_file, wave_of
from lp_editor.speech.waveform import to_wave
from lp_editor.timeline.cut import Heard, Strip, heard
from lp_editor.timeline.model import Clip, Media, Project, Segment, Span
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.urls import is_file
from lp_editor.utterance import Speech

FADE = Fraction(1, 100)
"""Seconds over which the clip's own sound gives way to new sound, and comes back."""


@dataclass(frozen=True)
class Line:
    """What a segment is asked to say: see `lp_editor.effect.SPEECH_PARAMETERS`. ``hears`` is never ``auto``."""

    hears: str
    sound: Path | None
    text: str
    language: str
    voice: str
    pace: float
    offset: int


def line_of(segment: Segment, effect: type[Effect], has_sound: bool) -> Line:
    """What a segment says, by its parameters and the effect's defaults. Raises `ParamError`."""
    asked = effect.parse(segment.params)
    sound, voice = str(getattr(asked, "sound", "")), str(getattr(asked, "voice", ""))
    text = _text(str(getattr(asked, "text", "")))
    hears = str(getattr(asked, "hears", "auto"))
    if hears == "auto":
        hears = "file" if sound else "voice" if voice else "clip" if has_sound else "text"
    missing = {
        "file": not sound and "sound=FILE",
        "text": not text and "text=WORDS",
        "voice": not text and "text=WORDS",
    }
    if what := missing.get(hears):
        known = "the clip has no sound; " if hears == "text" and not has_sound else ""
        raise ParamError(f"{known}{effect.name} needs {what} (segment {segment.id})")
    if hears == "clip" and not has_sound:
        raise ParamError(f"the clip has no sound to read; say sound=FILE or text=WORDS (segment {segment.id})")
    language = str(getattr(asked, "language", "en"))
    return Line(
        hears, Path(sound) if sound else None, text, language, voice or language,
        float(getattr(asked, "pace", 1.0)), int(getattr(asked, "offset", 0)),
    )  # fmt: skip


def _text(words: str) -> str:
    """The words themselves, or those in a .txt file."""
    if not words.lower().endswith(".txt") or "\n" in words:
        return words
    path = Path(words)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParamError(f"{path} is not text in UTF-8; save it as that") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParamError(f"{words[:200]} cannot be read ({reason}); text takes words, or a .txt file of them") from error


def new_sound(line: Line, cache: Path) -> Path | None:
    """The sound file that takes the place of the clip's own sound; None where it stays."""
    if line.hears == "file":
        return line.sound
    if line.hears == "voice":
        return spoken_file(line.text, line.voice, line.pace, cache / "voices")
    return None


def speech_of(segment: Segment, effect: type[Effect], footage: Footage, project: Project, cache: Path) -> Speech:
    """What a segment says, in seconds from its start; new sound as much later as its offset says.

    Raises `ParamError` and `MediaError` that name the segment's file or parameter.
    """
    span = segment_span(footage.strip, segment)
    if span.duration > LONGEST_SECONDS:
        raise ParamError(f"segment {segment.id} lasts {float(span.duration) / 60:.0f} minutes; mark an hour at most")
    sounding = clip_sound(footage, project, span)
    line = line_of(segment, effect, sounding is not None)
    if line.hears == "text":
        return read_text(line.text, line.language, line.pace, cache / "speech")
    if line.hears == "clip":
        assert sounding is not None
        wave = to_wave(sounding.samples, sounding.rate)
        return read_speech(wave, line.text, line.language, cache / "speech")
    path = new_sound(line, cache)
    assert path is not None
    if not is_file(path):
        raise MediaError(f"there is no sound file {path} (segment {segment.id})")
    language = line.voice if line.hears == "voice" else line.language
    return read_speech(wave_of(path), line.text, language, cache / "speech")


def clip_sound(footage: Footage, project: Project | None, span: Span) -> Sound | None:
    """What sounds during a span of the program: the clip's own sound, else that of the sound tracks; None if nothing."""
    if footage.info.audio:
        audio = footage.info.audio[0]
        format = SoundFormat(audio.rate, audio.channels, audio.sample_format)
        with SoundSource(footage.info.path) as source:
            at_zero = Heard(_started(footage.strip, span.start), span.moved(-span.start))
            return _sound(mix([Voice(at_zero, source, footage.zero)], format, span.duration), audio.rate)
    return _program_sound(project, span) if project else None


def _program_sound(project: Project, span: Span) -> Sound | None:
    """What the sound tracks hold during a span."""
    total: Samples | None = None
    format = SoundFormat(48000, 1, "flt")
    for one in heard(project):
        shared, path = one.span.intersect(span), one.strip.clip.media.path
        if shared is None or path is None or not is_file(path) or not (info := probe(path)).audio:
            continue
        with SoundSource(path) as source:
            zero = media_zero(one.strip.clip.media, one.strip.clip.source.start, info)
            here = replace(one, strip=_started(one.strip, span.start), span=one.span.moved(-span.start))
            made = np.concatenate(list(mix([Voice(here, source, zero)], format, span.duration)))
            total = made if total is None else total + made
    return None if total is None else Sound(total.astype(np.float32), format.rate)


def _sound(blocks: Iterator[Samples], rate: int) -> Sound | None:
    made = list(blocks)
    return Sound(np.concatenate(made).astype(np.float32), rate) if made else None


def _started(strip: Strip, at: Fraction) -> Strip:
    """The same strip with program time counted from ``at``."""
    return Strip(strip.clip, strip.composition_time(at), strip.pace)


@dataclass(frozen=True)
class Dub:
    """New sound of a segment: the program time in which the clip's own is silent, and the file from ``start`` on."""

    strip: Strip
    span: Span
    start: Fraction
    path: Path
    segment: str

    def heard(self) -> Heard | None:
        """The file in its place; None where it lies outside the segment."""
        duration = max(a.duration for a in probe(self.path).audio)
        span = Span(self.start, duration).intersect(self.span)
        if span is None:
            return None
        media = Media("file", self.path.name, str(self.path), self.path)
        clip = Clip(
            f"{self.strip.key}#{self.segment}", self.path.name, media, Span(Fraction(0), duration),
            Span(self.start, duration), self.strip.clip.rate,
        )  # fmt: skip
        fade = min(FADE, span.duration / 4)
        return Heard(Strip(clip), span, fade, fade)


def dubs(strips: Mapping[str, Strip], registry: Registry, rate: Fraction, cache: Path) -> list[Dub]:
    """The new sounds of all segments. Raises `MediaError` for a file without sound, naming the segment."""
    found: list[Dub] = []
    for strip in strips.values():
        for segment in strip.clip.segments:
            effect = registry.effect(segment.effect)
            if "speech" not in effect.needs:
                continue
            line = line_of(segment, effect, True)
            path = new_sound(line, cache)
            whole = segment_span(strip, segment)
            shown = whole.intersect(strip.record)
            if path is None or shown is None:
                continue
            if not is_file(path) or not probe(path).audio:
                raise MediaError(f"{path} is no file with sound (segment {segment.id})")
            found.append(Dub(strip, shown, whole.start + line.offset / rate, path, segment.id))
    return found


def dubbed(sounds: Sequence[Heard], new: Sequence[Dub], report: Report) -> list[Heard]:
    """The program's sounds with those of segments in the place of their clips' own."""
    out = list(sounds)
    for dub in new:
        mine = dub.strip.clip.media.path
        others = [s for s in out if s.strip.clip.media.path == mine and s.span.intersect(dub.span)]
        if not others:
            report.note(
                f"the sound of segment {dub.segment} is added to what the sound tracks hold there: "
                "none of it is the clip's own; mute that by hand where it is not wanted"
            )
        out = [piece for s in out for piece in (_without(s, dub.span) if s in others else [s])]
        if (said := dub.heard()) is not None:
            out.append(said)
    return out


def _without(sound: Heard, span: Span) -> Iterator[Heard]:
    """A sound with a hole in it."""
    if sound.span.start < span.start:
        yield replace(sound, span=Span.between(sound.span.start, span.start), fall=FADE)
    if sound.span.stop > span.stop:
        yield replace(sound, span=Span.between(span.stop, sound.span.stop), rise=FADE)


def with_sound(rendered: Rendered, project: Project) -> Iterator[Rendered]:
    """The same file in the place of the sound that belongs to a rendered picture: it holds the new sound of a segment."""
    picture = next((c for c in project.clips() if c.place == rendered.place), None)
    if picture is None:
        return
    for clip in (c for track in project.tracks if track.kind == "audio" for c in track.items):
        if not isinstance(clip, Clip) or clip.media.path != picture.media.path or clip.speed != 1:
            continue
        shared = clip.record.intersect(rendered.record)
        if shared is not None:
            start = rendered.source.start + shared.start - rendered.record.start
            yield replace(rendered, place=clip.place, record=shared, source=Span(start, shared.duration))
