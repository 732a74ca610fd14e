"""The sound of an output file: clips' sound mixed, or passed through, with a word about whatever cannot stay as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from lp_editor.ahead import ahead
from lp_editor.media.codecs import Delivery
from lp_editor.media.probe import MediaInfo, probe
from lp_editor.media.sink import CopiedSound, EncodedSound, Sound, SoundTrack, encoding
from lp_editor.media.sound import SoundSource
from lp_editor.plan import Plan
from lp_editor.render.footage import media_zero
from lp_editor.render.mix import Samples, SoundFormat, Voice, mix
from lp_editor.render.report import Report
from lp_editor.timeline.cut import Heard
from lp_editor.timeline.model import Span

MIXED = "flt"
"""The sample format of sums: it holds whatever they come to."""


def crossfaded(sounds: Sequence[Heard], planned: Plan) -> list[Heard]:
    """What sounds, gone over from clip to clip where a joint asks for it: only sound that is cut at the joint's own cut."""
    out = list(sounds)
    for blend in planned.blends.values():
        length = Fraction(blend.crossing.crossfade).limit_denominator(10**6)
        if length <= 0:
            continue
        at = blend.morph.outgoing.strip.record.stop
        ends = [i for i, s in enumerate(out) if s.span.stop == at]
        for i in ends:
            after = [j for j, s in enumerate(out) if s.span.start == at and _row(s) == _row(out[i])]
            for j in after[:1]:
                before, next = out[i], out[j]
                half = min(length / 2, before.span.duration, next.span.duration)
                out[i] = replace(before, span=Span.between(before.span.start, at + half), fall=2 * half)
                out[j] = replace(next, span=Span.between(at - half, next.span.stop), rise=2 * half)
    return out


def _row(sound: Heard) -> str:
    """The track that a sound lies on: its clip's place without its number."""
    return sound.strip.key.rpartition("/")[0]


EARLY = {"aac": 1024, "flac": 64}
"""Packets of sound that wait for the pictures, at most: of AAC at 48 kHz 22 seconds, about a megabyte. PCM takes no time to
encode, and much room."""

_FINENESS = ("u8", "s16", "s24", "s32", "flt", "dbl", "s64")
"""Sample formats, coarsest first."""


@contextmanager
def sound_tracks(
    sounds: Sequence[Heard], delivery: Delivery, seconds: Fraction, report: Report, streams: Sequence[int] = (0,)
) -> Iterator[list[Sound]]:
    """A mixed track for each number of a sound stream in the media; none where nothing can sound."""
    with ExitStack() as stack:
        tracks: list[Sound] = []
        infos: dict[Path, MediaInfo] = {}
        for stream in streams:
            voices = list(_voices(sounds, stream, infos, stack, report))
            if voices:
                tracks.append(_track(voices, delivery, seconds, stream, report))
        yield tracks


@contextmanager
def early(tracks: Sequence[Sound], output: Path, delivery: Delivery) -> Iterator[list[Sound]]:
    """The tracks of an output, those whose encoding takes time encoded from now on, in a thread of their own each."""
    depth = EARLY.get(delivery.sound_codec, 0)
    with ExitStack() as stack:
        yield [_early(t, output, delivery, depth, stack) if depth and isinstance(t, SoundTrack) else t for t in tracks]


def _early(track: SoundTrack, output: Path, delivery: Delivery, depth: int, stack: ExitStack) -> Sound:
    encoded = stack.enter_context(encoding(track, output, delivery))
    return EncodedSound(encoded.stream, stack.enter_context(closing(ahead(encoded.packets, depth))))


def _voices(
    sounds: Sequence[Heard], stream: int, infos: dict[Path, MediaInfo], stack: ExitStack, report: Report
) -> Iterator[Voice]:
    for sound in sounds:
        path, clip = sound.strip.clip.media.path, sound.strip.clip
        if path is None or clip.media.kind != "file":
            continue
        info = infos[path] if path in infos else infos.setdefault(path, probe(path))
        if stream >= len(info.audio):
            continue
        source = stack.enter_context(SoundSource(path, stream))
        if clip.speed * sound.strip.pace != 1:
            report.note(f'sound of "{clip.name}" ({sound.strip.key}) is retimed as on tape')
        yield Voice(sound, source, media_zero(clip.media, clip.source.start, info))


def _track(voices: Sequence[Voice], delivery: Delivery, seconds: Fraction, stream: int, report: Report) -> Sound:
    """One track: packets copied where that is exact, else the mix."""
    if delivery.sound_codec == "aac" and (copied := _copied(voices, seconds, stream)):
        return copied
    format = sound_format(voices)
    blocks = watched(mix(voices, format, seconds), delivery, format, report)
    return SoundTrack(format.rate, format.channels, format.sample_format, blocks)


def _copied(voices: Sequence[Voice], seconds: Fraction, stream: int) -> CopiedSound | None:
    """The packets of a file's AAC, where it is all that sounds, from its first packet on, as it is."""
    if len(voices) != 1:
        return None
    (voice,) = voices
    heard, info = voice.heard, voice.source.info
    starts = heard.span.start == 0 and heard.strip.source_time(Fraction(0)) == voice.zero
    plain = heard.strip.clip.speed * heard.strip.pace == 1 and heard.rise == heard.fall == 0
    if info.codec != "aac" or not (starts and plain and heard.span.stop >= seconds):
        return None
    return CopiedSound(voice.source.path, stream, seconds)


def sound_format(voices: Sequence[Voice]) -> SoundFormat:
    """The rate of all sources when they share one, else 48 kHz; the most channels; the finest sample format.

    Where voices sound at once it is floating, so that no sum is cut off.
    """
    infos = [voice.source.info for voice in voices]
    rates = {info.rate for info in infos}
    finest = max((info.sample_format.rstrip("p") for info in infos), key=_FINENESS.index)
    if finest == "s32" and all(info.bits <= 24 for info in infos):
        finest = "s24"
    if _overlap(voices) and finest != "dbl":
        finest = MIXED
    return SoundFormat(rates.pop() if len(rates) == 1 else 48000, max(info.channels for info in infos), finest)


def _overlap(voices: Sequence[Voice]) -> bool:
    spans = sorted((v.heard.span.start, v.heard.span.stop) for v in voices)
    return any(b[0] < a[1] for a, b in pairwise(spans))


def watched(blocks: Iterator[Samples], delivery: Delivery, format: SoundFormat, report: Report) -> Iterator[Samples]:
    """The blocks as they are; a note at the end where they go over full scale."""
    over, peak = 0, 0.0
    for block in blocks:
        loud = np.abs(block)
        over += int((loud > 1).sum())
        peak = max(peak, float(loud.max(initial=0.0)))
        yield block
    if over:
        floating = delivery.sound_codec == "pcm" and format.sample_format in ("flt", "dbl")
        kept = (
            "kept, in floating point"
            if floating
            else "cut off there; turn clips down, or use --sound pcm in MOV or MKV"
        )
        report.note(f"the sound peaks {20 * np.log10(peak):.1f} dB over full scale, {over} samples are {kept}")
