"""The doors that strangers' files come in by, each as a user opens it: a file and a folder to write into.

A reader that raises one of our own errors refuses the file; any other exception is a fault.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TypeAlias

from fuzz_mutations import (
    Mutate,
    aaf_changed,
    damaged,
    json_changed,
    mp4_changed,
    png_changed,
    safetensors_changed,
    text_changed,
    wav_changed,
    xml_changed,
    zip_changed,
)

from lp_editor import verbs
from lp_editor.cli import main
from lp_editor.errors import LpEditorError, MediaError, ParamError, TimeError
from lp_editor.faces import parse_choice
from lp_editor.hosts.watch import read_done
from lp_editor.liveportrait.template import read_template
from lp_editor.liveportrait.weights import load_one
from lp_editor.media.probe import probe
from lp_editor.media.sequence import Numbering
from lp_editor.media.sound import SoundSource
from lp_editor.media.source import VideoSource
from lp_editor.registry import Registry
from lp_editor.render.program import Settings
from lp_editor.speech import read_text, wave_of
from lp_editor.summary import summary
from lp_editor.timeline import marks
from lp_editor.timeline.curve import Curve, curve_from_json, value_from_json
from lp_editor.timeline.cut import cut, heard
from lp_editor.timeline.document import Document, open_document
from lp_editor.timeline.model import Clip, Span
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.timecode import exact_rate, parse_time, timecode, timecode_frames

Read: TypeAlias = Callable[[Path, Path], None]


class Unclear(Exception):
    """A command printed what no terminal should be sent, or a mistake of ours."""


@dataclass(frozen=True)
class Reader:
    """One door: what it reads (ends of names), how its files are damaged, and the door itself."""

    name: str
    suffixes: tuple[str, ...]
    mutate: Mutate
    read: Read


@cache
def registry() -> Registry:
    """The installed plugins, once."""
    return Registry.installed()


STEP: list[Callable[[], None]] = []
"""Told that one thing a user asks for is over, and the next begins: each has its own ten seconds."""


def step() -> None:
    """One thing is over, the next begins."""
    for told in STEP:
        told()


def attempt(work: Callable[[], object]) -> None:
    """Do something that may well be refused."""
    step()
    with suppress(LpEditorError):
        work()


# --- projects -------------------------------------------------------------------------------------------------------


def project(path: Path, out: Path) -> None:
    """Open, look, mark, save in place and in every dialect, split for renders and written, opened again."""
    document = verbs.open_project(path, rate="25" if path.suffix == ".edl" else None, registry=registry())
    step()
    json.dumps(summary(document))
    attempt(lambda: cut(document.project))
    attempt(lambda: heard(document.project))
    clips = list(islice(document.project.clips(), 3))
    for number, clip in enumerate(clips):
        attempt(lambda clip=clip: marked(document, clip))  # type: ignore[misc]
        attempt(lambda clip=clip, number=number: relinked(document, clip, out / f"{number}"))  # type: ignore[misc]
    attempt(lambda: document.save())
    for name in ("a.otio", "b.xml", "c.fcpxml", "d.edl"):
        attempt(lambda name=name: document.save(out / name))  # type: ignore[misc]
    attempt(lambda: verbs.open_project(path, registry=registry()))
    attempt(lambda: verbs.undo(path))


def marked(document: Document, clip: Clip) -> None:
    """Marks with a smile, a look, and a joint; saved, and opened again."""
    now = document
    for effect, params in (("expression", {"smile": "0.5@0,0.7@1f"}), ("gaze", {"x": "0.3"}), ("", {"preset": "smile"})):
        step()
        with suppress(LpEditorError):
            now = verbs.mark(now, effect, clip=clip.place, params=params, registry=registry()).document
    attempt(lambda: verbs.mark(now, "stitch", clip=clip.place, registry=registry()))
    step()
    now = now.save()
    step()
    open_document(now.path)
    for segment in [s.id for c in now.project.clips() for s in c.segments][:2]:
        attempt(lambda segment=segment: verbs.set_key(now, segment, "smile", "3f", 0.5, "smooth"))  # type: ignore[misc]
        attempt(lambda segment=segment: verbs.unmark(now, segment=segment))  # type: ignore[misc]


def relinked(document: Document, clip: Clip, folder: Path) -> None:
    """The project as if the middle of a clip had been rendered, written as it came and as each dialect."""
    third = clip.record.duration / 3
    part = Span(clip.record.start + third, third)
    shown = clip.source_span(part)
    folder.mkdir(exist_ok=True)
    (folder / "render.mp4").write_bytes(b"")
    rendered = Rendered(clip.place, part, folder / "render.mp4", Span(shown.start, third), Span(shown.start, third))
    for above in (False, True) if clip.place.split(">")[-1].startswith("V") else (False,):  # as the verb does
        step()
        with suppress(LpEditorError):
            made = document.relinked([rendered], above)
            for name in (document.returned_name, "r.otio", "r.xml", "r.fcpxml", "r.edl"):
                target = folder / f"{int(above)}{name}"
                attempt(lambda made=made, target=target: made.save(target))  # type: ignore[misc]


def plan(path: Path, out: Path) -> None:
    """Plan every control of every frame, of a project whose media is there; a still; and what no render is begun for.

    A render that tells how far it is does not hang.
    """
    document = verbs.open_project(path, registry=registry())
    settings = Settings(engine="mesh", force=True)
    verbs.plan(document, settings, registry=registry(), progress=_goes_on)
    attempt(lambda: verbs.still(document, "1f", settings, registry=registry(), progress=_goes_on))
    if document.project.duration > 100:  # nobody waits for it; it is to be refused, or to be begun at once
        return
    folder = out / "clips"
    attempt(lambda: verbs.render_stretches(document, folder, settings, registry=registry(), progress=_goes_on))


def _goes_on(stage: str, done: int, total: int) -> None:
    step()


def sidecar(path: Path, out: Path) -> None:
    """A sound project beside a damaged sidecar or list of renders."""
    open_project = out / "cut.xml"
    name = "cut.xml.lp.json" if b'"clips"' in path.read_bytes()[:4000] else ".lp-renders.json"
    (out / name).write_bytes(path.read_bytes())
    document = verbs.open_project(open_project, registry=registry())
    attempt(lambda: marked(document, next(iter(document.project.clips()))))
    attempt(lambda: document.relinked([]).save(out / "again.xml"))
    attempt(lambda: document.save(out / "again.otio"))


# --- texts ----------------------------------------------------------------------------------------------------------


def texts(path: Path, out: Path) -> None:
    """Every line as a mark, a curve, a time, a timecode, a rate, a face, a sequence's name."""
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines() or [""]
    for line in lines[:50]:
        for work in (
            lambda line=line: marks.parsed(line, "marker"),
            lambda line=line: Curve.parse(line, Fraction(25)).bounds(),
            lambda line=line: Curve.parse(line, Fraction(25)).at([0, 0.5, 1]),
            lambda line=line: parse_time(line, Fraction(25), Fraction(3600)),
            lambda line=line: timecode(parse_time(line, Fraction(30000, 1001)), Fraction(30000, 1001), True),
            lambda line=line: timecode_frames(line, Fraction(30000, 1001)),
            lambda line=line: verbs._rate(line),
            lambda line=line: parse_choice(line),
            lambda line=line: Numbering.of(Path(line.replace("\0", ""))).numbers(),
        ):
            attempt(work)
        with suppress(ValueError, OverflowError):
            attempt(lambda line=line: exact_rate(float(line)))  # type: ignore[misc]
        _marked_with(line, out)


def _marked_with(line: str, out: Path) -> None:
    """A line as each word of a mark."""
    document = verbs.open_project(out / "plain.otio", registry=registry())
    attempt(lambda: verbs.mark(document, "expression", clip="V1/1", at=line, params={"smile": line}, registry=registry()))
    params = {"ease": line, "face": line}
    attempt(lambda: verbs.mark(document, line[:3000], at="1f", length=line, params=params, registry=registry()))


def curve(path: Path, out: Path) -> None:
    """A curve as a project stores it: read, sampled, bounded, written, stored again."""
    try:
        stored = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise ParamError("not JSON") from None
    value = value_from_json(stored)
    made = value if isinstance(value, Curve) else curve_from_json(stored if isinstance(stored, list) else [])
    made.bounds()
    made.at([-1, 0, 0.1, 1, 1e9])
    Curve.parse(made.text(), Fraction(25))


def preset(path: Path, out: Path) -> None:
    """A folder with one preset more, as a plugin brings it; then marked with."""
    folder = out / "presets"
    folder.mkdir()
    (folder / "one.json").write_bytes(path.read_bytes())
    found = Registry(SimpleNamespace(), _Presets(folder), *_effects())
    for name in list(found.presets):
        document = open_document(out / "plain.otio")
        attempt(lambda name=name, document=document: verbs.mark(document, "", at="1f", params={"preset": name}, registry=found))  # type: ignore[misc]


class _Presets:
    """A plugin with presets."""

    def __init__(self, folder: Path) -> None:
        from lp_editor.hooks import hookimpl

        self.lp_presets = hookimpl(lambda: [folder])


def _effects() -> list[object]:
    import lp_editor.plugins.expression
    import lp_editor.plugins.gaze

    return [lp_editor.plugins.expression, lp_editor.plugins.gaze]


def speech_text(path: Path, out: Path) -> None:
    """A text that is to be said, and a text file as the command takes it."""
    attempt(lambda: command(["speech", "--text", str(path), "-o", str(out / "speech.json"), "--force"]))
    text = path.read_text(encoding="utf-8", errors="replace")[:3000]
    read_text(text, "en", 1.0, Path(os.environ["LP_EDITOR_CACHE"]) / "speech")


def done_list(path: Path, out: Path) -> None:
    """The list of what a watched folder has done."""
    (out / ".lp-watch.json").write_bytes(path.read_bytes())
    read_done(out)


# --- media ----------------------------------------------------------------------------------------------------------


def media(path: Path, out: Path) -> None:
    """Look into a file, read its first frames, one from its middle, its last, and its sound."""
    info = probe(path)
    if info.video is not None:
        with VideoSource(path) as source:
            count = source.video.count
            for index in dict.fromkeys((0, 1, 2, count // 2, count - 1)):
                if 0 <= index < count:
                    attempt(lambda index=index, source=source: source.picture(index).luma8())  # type: ignore[misc]
    for number in range(min(len(info.audio), 2)):
        with SoundSource(path, number) as sound:
            sound.read(0, 4800)
            sound.read(round(info.audio[number].duration * info.audio[number].rate) // 2, 4800)


def voice(path: Path, out: Path) -> None:
    """A sound as recognisers take it."""
    wave_of(path)


def template(path: Path, out: Path) -> None:
    """A template of motions."""
    read_template(path)


def weights(path: Path, out: Path) -> None:
    """A file of weights."""
    load_one(path, "stitching_retargeting_module")


# --- commands -------------------------------------------------------------------------------------------------------


def command(words: list[str]) -> None:
    """A command as it is typed; what it prints must be plain. A refusal is raised as one of ours."""
    said, told = io.StringIO(), io.StringIO()
    step()
    with redirect_stdout(said), redirect_stderr(told):
        code = main(words)
    for text in (said.getvalue(), told.getvalue()):
        odd = [c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 or 0x202A <= ord(c) <= 0x202E]
        if odd:
            raise Unclear(f"{words[0]} printed {odd[0]!r}")
        if "Traceback" in text:
            raise Unclear(f"{words[0]} printed a traceback: {text[-400:]}")
    if code == 1:
        raise Unclear(f"{words[0]} called it our mistake: {told.getvalue()[:400]}")
    if code:
        raise ParamError(told.getvalue())


def commands(path: Path, out: Path) -> None:
    """A project from the command line: looked at, marked, rendered in every way up to its missing media."""
    command(["inspect", str(path)])
    for words in (
        ["inspect", str(path), "--json"],
        ["mark", str(path), "--clip", "V1/1", "expression", "smile=0.5"],
        ["mark", str(path), "--at", "1f", "stitch"],
        ["mark", str(path), "--clip", "V1/1", "gaze", "x=0.2", "-o", str(out / "marked.fcpxml"), "--force"],
        ["unmark", str(path), "--all"],
        ["undo", str(path)],
        ["key", str(path), "s1", "smile", "set", "--at", "1f", "0.5"],
    ):
        attempt(lambda words=words: command(words))  # type: ignore[misc]


def told_of(path: Path, out: Path) -> None:
    """What a file says was done to it."""
    command(["provenance", str(path), "--json"])
    command(["provenance", str(path)])


READERS: Mapping[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader("otio", (".otio",), json_changed, project),
        Reader("xmeml", (".xml",), xml_changed, project),
        Reader("fcpxml", (".fcpxml",), xml_changed, project),
        Reader("edl", (".edl",), text_changed, project),
        Reader("otioz", (".otioz",), lambda c, r: zip_changed(c, r, json_changed), project),
        Reader("aaf", (".aaf",), aaf_changed, project),
        Reader("plan", (".plan.otio",), json_changed, plan),
        Reader("sidecar", (".lp.json",), json_changed, sidecar),
        Reader("commands", (".otio", ".xml", ".fcpxml", ".edl"), text_changed, commands),
        Reader("texts", (".marks.txt",), text_changed, texts),
        Reader("provenance", (".told.mp4.lp.json", ".mkv"), json_changed, told_of),
        Reader("curve", (".curve.json",), json_changed, curve),
        Reader("preset", (".preset.json",), json_changed, preset),
        Reader("watched", (".watch.json",), json_changed, done_list),
        Reader("speech text", (".speech.txt",), text_changed, speech_text),
        Reader("template pkl", (".pkl",), damaged, template),
        Reader("template npz", (".npz",), zip_changed, template),
        Reader("weights pth", (".pth",), zip_changed, weights),
        Reader("weights safetensors", (".safetensors",), safetensors_changed, weights),
        Reader("film mp4", (".mp4", ".mov"), mp4_changed, media),
        Reader("film mkv", (".mkv", ".ts", ".avi"), damaged, media),
        Reader("picture", (".png", ".exr", ".jpg", ".tif", ".dpx", ".webp"), png_changed, media),
        Reader("sound", (".wav", ".flac", ".m4a"), wav_changed, media),
        Reader("voice", (".wav",), wav_changed, voice),
    )
}
"""Every door, by name."""

__all__ = ["READERS", "MediaError", "Reader", "TimeError", "Unclear"]
