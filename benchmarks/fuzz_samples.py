"""Sound samples of every kind of file that is read, made on the spot; and files that are hostile as they stand."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import wave
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from fuzz_mutations import entries
from PIL import Image as Pillow
from safetensors.torch import save_file

from lp_editor import verbs
from lp_editor.demo import film_portrait
from lp_editor.liveportrait.nets.build import FILES
from lp_editor.liveportrait.template import Template, write_template
from lp_editor.media.codecs import Codec, Delivery
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.media.sink import Slate, SoundTrack, encode_chunk, join_chunks
from lp_editor.registry import Registry
from lp_editor.render.provenance import Change, Provenance
from lp_editor.render.report import silent
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Marker, Media, Project, Span, Track
from lp_editor.timeline.relink import Rendered

RATE = Fraction(25)
FRAMES = 24
ZERO = Fraction(0)

COMPANIONS = ("film.mp4", "plain.otio", "cut.xml")
"""Sound files that lie beside every file under test."""

MARKS = (
    "lp expression smile=.6 ease=12f", "lp smile", "lp: gaze x=0@0,0.7@10f:smooth,0@2s for=2s", "lp stitch 12f", 'lp lip_sync text="Never again" later=1',
    "lp warm-smile id=m1 face=2", "0@0,0.7@10f:smooth,0@2s", "0.25@1/3s:bezier,-1@2s:hold", "01:00:02:00", "01:00:00;02", "12f", "1.5s", "23.976", "30000/1001",
    "at:0.7,0.4", "like:anna.jpg", "id:3", "largest", "shot.%04d.exr", "shot.####.exr",
)  # fmt: skip


def samples(folder: Path) -> None:
    """Fill a folder with a sound sample of every kind."""
    folder.mkdir(parents=True, exist_ok=True)
    film_portrait(folder / "film.mp4", silent, FRAMES)
    _projects(folder)
    _texts(folder)
    _told(folder)
    _media(folder)
    _weights(folder)


def _projects(folder: Path) -> None:
    reference = Media("file", "film.mp4", "film.mp4", available=Span(ZERO, FRAMES / RATE))
    document = new_document(folder / "plain.otio", Project("cut", RATE, Fraction(3600), (_row("video", reference), _row("audio", reference)))).save()
    registry = Registry.installed()
    verbs_marked = verbs.mark(document, "expression", clip="V1/1", params={"smile": "0@0,0.7@4f:smooth,0.2@8f"}, registry=registry).document
    verbs_marked = verbs.mark(verbs_marked, "stitch", clip="V1/1", length="4f", registry=registry).document
    for name in ("marked.otio", "cut.xml", "cut.fcpxml", "cut.edl", "marked.plan.otio"):
        verbs_marked.save(folder / name)
    if find_spec("otio_aaf_adapter") is not None:
        verbs_marked.save(folder / "cut.aaf")
    _returned(document.replace(verbs_marked.project), folder)
    with zipfile.ZipFile(folder / "packed.otioz", "w") as archive:
        archive.writestr("version.txt", "1.0.0")
        archive.writestr("content.otio", (folder / "marked.otio").read_bytes())
        archive.write(folder / "film.mp4", "media/film.mp4")
    (folder / "two.watch.json").write_text(json.dumps({"version": 1, "done": {"a.xml": [12, 34]}}))


def _row(kind: str, reference: Media) -> Track:
    note = Marker("lp smile", "lp gaze x=.3 for=3f", Span(Fraction(2) / RATE, ZERO))
    clips = [
        Clip("", name, reference, Span(Fraction(first) / RATE, Fraction(12) / RATE), Span(Fraction(at) / RATE, Fraction(12) / RATE), RATE,
             markers=(note,) if name == "opening" and kind == "video" else ())
        for name, at, first in (("opening", 0, 0), ("closing", 12, 12))
    ]  # fmt: skip
    return Track(kind[0].upper() + "1", "audio" if kind == "audio" else "video", tuple(clips))


def _returned(document: Document, folder: Path) -> None:
    """A sidecar and a list of renders, as a round trip leaves them."""
    work = folder / "returned"
    work.mkdir()
    clip = next(document.project.clips())
    rendered = Rendered(clip.place, clip.record, work / "render.mp4", clip.source, clip.source)
    (work / "render.mp4").write_bytes(b"")
    document.relinked([rendered]).save(work / "cut.xml")
    shutil.copy(work / "cut.xml.lp.json", folder / "cut.lp.json")
    shutil.copy(work / ".lp-renders.json", folder / "renders.lp.json")
    shutil.rmtree(work)


def _told(folder: Path) -> None:
    """What lies beside a rendered film."""
    change = Change("expression", "smile=0.5", "s1", "A003", "V1/1", "a.mov", "00ff", ("00:00:00:04", "00:00:00:12"),
                    ("01:00:00:04", "01:00:00:12"), (4, 8), "largest", "1")  # fmt: skip
    record = Provenance("0.1.0", "mesh", "mesh-8", "", "cut", (change,), "signed")
    kept = {"version": 1, "provenance": replace(record, earlier=(record,)).to_json()}
    (folder / "a.told.mp4.lp.json").write_text(json.dumps(kept))


def _texts(folder: Path) -> None:
    (folder / "all.marks.txt").write_text("\n".join(MARKS))
    (folder / "words.speech.txt").write_text("Never again. I said it twice: never, ever again!")
    keys: list[Any] = [{"time": 0, "value": 0.0}, {"time": "1/3", "value": 0.5, "interpolation": "bezier", "right": [0.1, 0.2]}, [1, 0.2]]
    (folder / "keys.curve.json").write_text(json.dumps(keys))
    stored = {"name": "mine", "effect": "expression", "help": "mine", "params": {"smile": keys, "cheek": 0.5}}
    (folder / "mine.preset.json").write_text(json.dumps(stored))


def _media(folder: Path) -> None:
    random = np.random.default_rng(1)
    small = VideoFormat(96, 64, "yuv420p")
    wide = VideoFormat(96, 64, "yuv422p10le")
    for name, codec, format in (("a.mp4", Codec.H264, small), ("b.mov", Codec.PRORES, wide), ("c.mkv", Codec.FFV1, small), ("d.mp4", Codec.HEVC, small)):
        pictures = [Picture(tuple(format.rounded(random.uniform(0.1, 0.9, format.plane_shape(i)) * format.peak) for i in range(3)), format) for _ in range(8)]
        encode_chunk(folder / "chunk", pictures, format, RATE, codec)
        sound = SoundTrack(48000, 2, "s16", iter([random.uniform(-0.5, 0.5, (15360, 2))]))
        delivery = Delivery(codec, sound="pcm" if codec in (Codec.PRORES, Codec.FFV1) else "")
        join_chunks(folder / name, [folder / "chunk"], [8], RATE, delivery, sound, Slate("01:00:00:00", "A001"))
    (folder / "chunk").unlink()
    picture = random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    for name in ("a.png", "a.jpg", "a.tif", "a.webp"):
        Pillow.fromarray(picture).save(folder / name)
    for name, encoder, layout in (("a.exr", "exr", "gbrpf32le"), ("a.dpx", "dpx", "rgb24")):
        context: Any = av.CodecContext.create(encoder, "w")
        context.width, context.height, context.pix_fmt, context.time_base = 64, 48, layout, Fraction(1, 25)
        frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=layout)
        (folder / name).write_bytes(b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)]))
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((random.uniform(-0.3, 0.3, 8000) * 32767).astype(np.int16).tobytes())


def _weights(folder: Path) -> None:
    count = 4
    one = Template(25.0, np.zeros((count, 3, 3), np.float32), np.zeros((count, 21, 3), np.float32), np.ones((count, 1), np.float32), np.zeros((count, 3), np.float32))
    write_template(folder / "a.npz", one)
    frames = [{"R": np.eye(3, dtype=np.float32)[None], "exp": np.zeros((1, 21, 3), np.float32), "scale": np.ones((1, 1), np.float32), "t": np.zeros((1, 3), np.float32)}] * count
    (folder / "a.pkl").write_bytes(pickle.dumps({"motion": frames, "output_fps": 25, "c_eyes_lst": [np.zeros((1, 2), np.float32)] * count, "c_lip_lst": [np.zeros((1, 1), np.float32)] * count}))
    states = {part: build().state_dict() for part, build in FILES["stitching_retargeting_module"].items()}
    torch.save(states, folder / "a.pth")
    save_file({f"{part}_{key}": value.contiguous() for part, state in states.items() for key, value in state.items()}, folder / "a.safetensors")


# --- hostile as they stand ------------------------------------------------------------------------------------------


def each_hostile(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Files that are hostile as they stand, made one after the other from a folder of samples: name and content."""
    yield from _hostile_json(json.loads((folder / "marked.otio").read_bytes()))
    yield from _hostile_xml((folder / "cut.xml").read_text(), (folder / "cut.fcpxml").read_text())
    yield from _hostile_lists()
    if (folder / "cut.aaf").exists():
        yield from _hostile_aaf((folder / "cut.aaf").read_bytes())
    yield from _hostile_archives((folder / "marked.otio").read_bytes())
    yield from _hostile_arrays()
    yield from _hostile_media(folder)
    yield from _hostile_texts()


def _deep(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


def _with(tree: Any, **changes: Any) -> bytes:
    """The project with the fields of its first picture clip changed."""
    copy = json.loads(json.dumps(tree))
    copy["tracks"]["children"][0]["children"][0].update(changes)
    return json.dumps(copy).encode()


def _hostile_json(tree: Any) -> Iterator[tuple[str, bytes]]:
    text = json.dumps(tree)
    for depth in (190, 300, 900, 100_000, 3_000_000):
        yield f"deep{depth}.otio", _deep(depth)
        yield f"metadata{depth}.otio", text.replace('"metadata": {', '"metadata": {"x": ' + _deep(depth).decode() + ",", 1).replace(",}", "}").encode()
    yield "metadata10mb.otio", _with(tree, metadata={f"k{i}": "v" * 1000 for i in range(10_000)})
    yield "flat.otio", b"[" + b"[]," * 8_000_000 + b"[]]"
    yield "flat-clip.otio", _with(tree, metadata={"x": 1}).replace(b'"x": 1', b'"x": [' + b"{}," * 8_000_000 + b"{}]", 1)
    for number in ("1e999", "-1e999", "NaN", "1" * 400, "1" * 5000, "-0", "1e-320", "1e300", "1e12", "-5"):
        for field in ('"rate": 25.0', '"value": 0.0', '"value": 12.0', '"time": 0', '"value": 0.7'):
            yield f"number-{number[:6]}-{len(number)}-{field[1:6]}{field[-2:]}.otio".replace('"', ""), text.replace(field, field.split(":")[0] + ": " + number).encode()
    nest: Any = {"OTIO_SCHEMA": "Stack.1", "name": "s", "children": []}
    for _ in range(40):
        nest = {"OTIO_SCHEMA": "Stack.1", "name": "s", "children": [{"OTIO_SCHEMA": "Track.1", "kind": "Video", "children": [nest]}]}
    yield "nested40.otio", json.dumps(nest).encode()
    clip = json.loads(json.dumps(tree["tracks"]["children"][0]["children"][0]))
    for count in (2000, 20_000):
        yield f"clips{count}.otio", json.dumps({"OTIO_SCHEMA": "Track.1", "kind": "Video", "children": [{**clip, "name": f"c{i}", "markers": [], "metadata": {}} for i in range(count)]}).encode()
    yield "dissolves.otio", json.dumps({"OTIO_SCHEMA": "Track.1", "kind": "Video", "children": [x for i in range(4000) for x in ({**clip, "markers": [], "metadata": {}}, _dissolve())]}).encode()
    marker = {"OTIO_SCHEMA": "Marker.2", "name": "lp smile", "marked_range": clip["source_range"]}
    yield "markers.otio", _with(tree, markers=[{**marker, "name": f"lp smile id=m{i}"} for i in range(5000)])
    timeline = json.loads(text)
    point = {**marker["marked_range"], "duration": {"OTIO_SCHEMA": "RationalTime.1", "rate": 25.0, "value": 1.0}}
    timeline["tracks"]["markers"] = [{**marker, "name": f"lp smile id=t{i}", "marked_range": point} for i in range(3000)]
    yield "timeline-markers.otio", json.dumps(timeline).encode()
    for name, words in (("spaces", "lp " + " " * 1_000_000 + ";"), ("quotes", "lp " + '"' * 1_000_001), ("words", "lp smile " + "a=1 " * 250_000), ("keys", "lp smile " + " ".join(f"k{i}=1" for i in range(100_000))),
                        ("equals", "lp smile " + "= " * 500_000), ("digits", "lp expression smile=" + "9" * 1_000_000), ("letters", "lp " + "a" * 1_000_000)):  # fmt: skip
        yield f"marker-{name}.otio", _with(tree, markers=[{**marker, "name": words}])
    for i, name in enumerate(("../../outside", "/outside", "..", "\x1b[2J\x1b]0;owned\x07", "a" * 100_000, "\ud800", "[/]", "[bold]x", "\u202ename", "nul\0byte", "x\ny")):
        yield f"name{i}.otio", _with(tree, name=name)
        yield f"name{i}.plan.otio", _with(tree, name=name)
    for i, url in enumerate(("file://%00", "a" * 5000, "x" * 300, "file:///dev/zero", "/dev/stdin", "\ud800", "../" * 3000, "file:///proc/self/mem", "http://[::1", "file://[bad/x")):
        references = {"DEFAULT_MEDIA": {"OTIO_SCHEMA": "ExternalReference.1", "target_url": url, "name": url, "available_range": None}}
        yield f"url{i}.otio", _with(tree, media_references=references)
        yield f"url{i}.plan.otio", _with(tree, media_references=references)
    for seconds in (1e4, 1e6, 1e8, 4e10):
        span = {"OTIO_SCHEMA": "TimeRange.1", "start_time": _time(0), "duration": _time(seconds * 25)}
        segment = {"id": "s9", "effect": "expression", "start": 0, "duration": int(min(seconds, 9e8)), "params": {"smile": 0.5}}
        yield f"long{seconds:g}.otio", _with(tree, source_range=span)
        yield f"long{seconds:g}.plan.otio", _with(tree, source_range=span, metadata={"lp_editor": {"version": 1, "segments": [segment]}})
    sequence = {"OTIO_SCHEMA": "ImageSequenceReference.1", "target_url_base": "./", "name_prefix": "shot.", "name_suffix": ".png", "start_frame": 1, "frame_step": 1, "rate": 25, "frame_zero_padding": 4, "missing_frame_policy": "hold"}
    given: list[dict[str, Any]] = [{"frame_zero_padding": 10**9}, {"start_frame": 10**18}, {"frame_step": 10**18}, {"rate": 1e-7}, {"name_prefix": "../" * 9}, {"name_suffix": "%n%s"}]
    for i, changes in enumerate(given):
        yield f"sequence{i}.plan.otio", _with(tree, media_references={"DEFAULT_MEDIA": {**sequence, **changes}})


def _time(frames: float) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": 25.0, "value": frames}


def _dissolve() -> dict[str, Any]:
    return {"OTIO_SCHEMA": "Transition.1", "transition_type": "SMPTE_Dissolve", "in_offset": _time(2), "out_offset": _time(2)}


def _hostile_xml(xmeml: str, fcpxml: str) -> Iterator[tuple[str, bytes]]:
    laughs = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">' + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)) + "]>"
    for kind, text in (("xml", xmeml), ("fcpxml", fcpxml)):
        body = text[text.index("<", text.index("?>") + 2) :]
        body = body[body.index(">") + 1 :].lstrip() if body.startswith("<!DOCTYPE") else body
        yield f"laughs.{kind}", (laughs + body.replace("</", "&j;</", 1)).encode()
        yield f"external.{kind}", ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + body.replace("</", "&a;</", 1)).encode()
        yield f"remote.{kind}", ('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + body).encode()
        yield f"parameter.{kind}", ('<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]>' + body).encode()
        for code in ("utf-16", "utf-16-be", "utf-32"):
            yield f"{code}.{kind}", (f'<?xml version="1.0" encoding="{code}"?>' + body).encode(code)
        for code in ("utf-7", "punycode", "idna", "unicode_escape", "zlib", "undefined", "mbcs", "nonsense"):
            yield f"claims-{code}.{kind}", (f'<?xml version="1.0" encoding="{code}"?>' + body + " " * 2_000_000).encode()
        yield f"deep.{kind}", b"<a>" * 100_000 + b"</a>" * 100_000
        yield f"flat.{kind}", f"<{'xmeml' if kind == 'xml' else 'fcpxml'}>".encode() + b"<a/>" * 5_000_000 + f"</{'xmeml' if kind == 'xml' else 'fcpxml'}>".encode()
        yield f"attributes.{kind}", b"<xmeml " + b" ".join(b"a%d='1'" % i for i in range(300_000)) + b"/>"
        yield f"long-attribute.{kind}", b"<xmeml a='" + b"x" * 20_000_000 + b"'/>"
        yield f"nul.{kind}", body.replace("cut", "c\0t", 1).encode()
        for number in ("1e99999999", "9" * 5000, "-25", "0", "NaN", "1e-9", "1/0"):
            yield f"timebase-{number[:6]}{len(number)}.{kind}".replace("/", "over"), text.replace("<timebase>25</timebase>", f"<timebase>{number}</timebase>").replace('frameDuration="1/25s"', f'frameDuration="{number}s"').encode()
            yield f"start-{number[:6]}{len(number)}.{kind}".replace("/", "over"), text.replace("<start>12</start>", f"<start>{number}</start>").replace('duration="12/25s"', f'duration="{number}/25s"').encode()
    head = '<xmeml version="5"><sequence id="s0"><name>a</name><rate><timebase>25</timebase></rate><media><video><track>'
    tail = "</track></video></media></sequence></xmeml>"
    item = '<clipitem id="c{0}"><name>n</name><start>{0}</start><end>{1}</end><in>0</in><out>1</out><sequence id="s{2}"/></clipitem>'
    yield "inside-itself.xml", (head + item.format(0, 1, 0) + tail).encode()
    levels = ""
    for level in range(12, 0, -1):
        inner = "".join(item.format(i, i + 1, level + 1) for i in range(10)) if level < 12 else ""
        levels += f'<clipitem><start>0</start><end>9</end><sequence id="s{level}"><rate><timebase>25</timebase></rate><media><video><track>{inner}</track></video></media></sequence></clipitem>'
    yield "sequences-explode.xml", (head + levels + item.format(20, 21, 1) + tail).encode()
    media = "".join(
        f'<media id="m{i}"><sequence duration="100s"><spine>' + "".join(f'<ref-clip ref="m{i + 1}" offset="{j}s" duration="1s"/>' for j in range(10)) + "</spine></sequence></media>" for i in range(12)
    )
    wrap = '<fcpxml version="1.10"><resources>{0}</resources><library><event><project name="p"><sequence duration="100s"><spine>{1}</spine></sequence></project></event></library></fcpxml>'
    yield "media-explode.fcpxml", wrap.format(media, '<ref-clip ref="m0" duration="100s"/>').encode()
    loop = '<media id="r"><sequence duration="9s"><spine><ref-clip ref="r" duration="9s"/></spine></sequence></media><media id="q"><multicam><mc-angle angleID="1"><mc-clip ref="q" duration="9s"/></mc-angle></multicam></media>'
    for kind in ("ref-clip", "mc-clip"):
        yield f"loop-{kind}.fcpxml", wrap.format(loop, f'<{kind} ref="{kind[0]}" duration="9s"/>'.replace('"m"', '"q"')).encode()
    yield "long.fcpxml", wrap.format('<asset id="a" hasVideo="1" src="film.mp4" duration="99999999s"/>', '<asset-clip ref="a" duration="99999999s"/>').encode()
    yield "lanes.fcpxml", wrap.format("", "<gap duration='9s'>" + "".join(f"<video lane='{i}' offset='0s' duration='9s' name='v'/>" for i in range(1, 4000)) + "</gap>").encode()
    yield "overlaps.fcpxml", wrap.format("", "<gap duration='9s'>" + "".join(f"<video lane='1' offset='{i}/1000s' duration='9s' name='v'/>" for i in range(1, 4000)) + "</gap>").encode()


def _hostile_lists() -> Iterator[tuple[str, bytes]]:
    event = "{0:03d}  AX       V     C        00:00:00:00 00:00:01:00 01:00:{1:02d}:00 01:00:{2:02d}:00\n"
    yield "spaces.edl", ("TITLE: x\n001 " + "a " * 500_000 + "\n").encode()
    yield "blanks.edl", ("TITLE:" + " " * 1_000_000 + "x\n001 a" + " " * 1_000_000 + "V C\n").encode()
    yield "speed.edl", ("TITLE: x\n" + event.format(1, 0, 1) + "M2 AX " + "9" * 5000 + ".0 00:00:00:00\n").encode()
    yield "drop.edl", b"TITLE: x\nFCM: DROP FRAME\n001  AX V C 00:01:00;00 00:01:01;00 01:00:00;00 01:00:01;00\n"
    yield "backwards.edl", b"TITLE: x\n001  AX V C 00:00:02:00 00:00:01:00 01:00:02:00 01:00:01:00\n"
    yield "digits.edl", ("TITLE: x\n" + event.format(1, 0, 1) + "|C:x |M:a |D:" + "9" * 6000 + "\n").encode()
    yield "channels.edl", b"TITLE: x\n001  AX V99999999999999999999999 C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n"
    yield "events.edl", ("TITLE: x\n" + "".join(event.format(i % 1000, 0, 1) for i in range(60_000))).encode()
    dissolve = "001  AX       V     D    010 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n"
    yield "dissolves.edl", ("TITLE: x\n" + dissolve * 20_000).encode()
    yield "escape.edl", ("TITLE: \x1b[2J\x07owned\n" + event.format(1, 0, 1) + "* FROM CLIP NAME: \x1b]0;x\x07\u202e\n").encode()


def _hostile_aaf(content: bytes) -> Iterator[tuple[str, bytes]]:
    def with_numbers(*changes: tuple[int, int]) -> bytes:
        out = bytearray(content)
        for at, number in changes:
            out[at : at + 4] = number.to_bytes(4, "little")
        return bytes(out)

    found, size = entries(content), 1 << content[30]
    table = (int.from_bytes(content[76:80], "little") + 1) * size
    yield "empty.aaf", content[:8]
    for part in (600, len(content) // 3, len(content) - size - 1):
        yield f"cut-off{part}.aaf", content[:part]
    yield "circle-of-sectors.aaf", with_numbers(*((table + 4 * i, i) for i in range(size // 4)))
    yield "sectors-lead-back.aaf", with_numbers(*((table + 4 * i, 1) for i in range(size // 4)))
    yield "tables-without-end.aaf", with_numbers((68, 0), (72, 0xFFFFFFFF))
    yield "sectors-of-2-to-the-63.aaf", content[:30] + b"\x3f\0\x3f\0" + content[34:]
    for name, field in (("left", 68), ("right", 72), ("inner", 76)):
        yield f"every-entry-is-its-own-{name}.aaf", with_numbers(*((at + field, i) for i, at in enumerate(found)))
        yield f"every-{name}-is-the-root.aaf", with_numbers(*((at + field, 0) for at in found))
        yield f"every-{name}-is-the-next.aaf", with_numbers(*((at + field, i + 1) for i, at in enumerate(found)))
    yield "streams-without-end.aaf", with_numbers(*((at + 120 + half, 0xFFFFFFFF) for at in found for half in (0, 4)))
    yield "counts-without-end.aaf", content.replace(b"\x4c\x20", b"\x4c\x20\xff\xff\xff\x7f")[: len(content)]
    yield "zeros.aaf", content[:512] + bytes(64 << 20)


def _zip(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    import warnings

    with zipfile.ZipFile(made, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, body in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if name.endswith("link"):
                info.external_attr = 0o120777 << 16
            archive.writestr(info, body)
    return made.getvalue()


def _bomb(members: list[tuple[str, bytes]], name: str, head: bytes, zeros: int) -> bytes:
    """An archive with one more member that is ``head`` and many zeros, packed to a thousandth."""
    block = bytes(1 << 24)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    middle = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    count = zeros // len(block)
    body = start + middle * count + b"\x03\x00"
    crc = zlib.crc32(head)
    for _ in range(count):
        crc = zlib.crc32(block, crc)
    made = io.BytesIO(_zip(members))
    with zipfile.ZipFile(made, "a") as archive:
        info = zipfile.ZipInfo(name)
        archive.writestr(info, body)  # stored, then told to be packed
    content = bytearray(made.getvalue())
    encoded = name.encode()
    for sign, method, sizes in ((b"PK\x03\x04", 8, 14), (b"PK\x01\x02", 10, 16)):
        at = content.rindex(encoded) if sign == b"PK\x01\x02" else content.index(encoded)
        at = content.rindex(sign, 0, at)
        content[at + method : at + method + 2] = struct.pack("<H", 8)
        content[at + sizes : at + sizes + 12] = struct.pack("<III", crc, len(body), len(head) + count * len(block))
    return bytes(content)


def _hostile_archives(content: bytes) -> Iterator[tuple[str, bytes]]:
    mine = ("content.otio", content)
    for i, name in enumerate(("../outside.mov", "../../outside.mov", "/outside.mov", "C:\\outside.mov", "a/../../outside", "\\outside", "\\\\server\\share", "", "/", "./", "x/" * 20_000, "y" * 60_000, "content.otio/x", "media/\x1b[2J")):
        yield f"member{i}.otioz", _zip([mine, (name, b"x")])
    yield "link.otioz", _zip([mine, ("media/link", b"/etc"), ("media/link/outside", b"x")])
    yield "twice.otioz", _zip([mine, ("media/a", b"1"), ("media/a", b"2"), ("content.otio", b"{}")])
    yield "bomb-content.otioz", _bomb([], "content.otio", content, 1 << 31)
    yield "bomb-media.otioz", _bomb([mine], "media/film.mov", b"", 3 << 30)
    yield "many.otioz", _zip([mine, *((f"media/{i}", b"") for i in range(60_000))])
    yield "empty.otioz", _zip([])
    lying = bytearray(_zip([mine, ("media/a", b"x" * 1000)], zipfile.ZIP_STORED))
    at = lying.rindex(b"PK\x01\x02")
    lying[at + 24 : at + 28] = (2**31).to_bytes(4, "little")
    yield "lying.otioz", bytes(lying)


def _hostile_arrays() -> Iterator[tuple[str, bytes]]:
    def npy(header: str, body: bytes = b"") -> bytes:
        text = header.encode() + b"\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body

    for i, header in enumerate((
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)" + "," * 9000 + "}", "(" * 5000, "__import__('os').system('true')", "{'descr': '<U1000000000', 'fortran_order': False, 'shape': (1,), }",
    )):  # fmt: skip
        yield f"header{i}.npz", _zip([(f"{n}.npy", npy(header)) for n in ("turn", "exp", "scale", "t", "rate")])
    yield "bomb.npz", _bomb([], "turn.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (536870912,), }"), 1 << 31)
    yield "reduce.pkl", b"cos\nsystem\n(S'touch /tmp/outside'\ntR."
    yield "builtins.pkl", b"c__builtin__\neval\n(S'1'\ntR."
    yield "memo.pkl", b"\x80\x02r\xff\xff\xff\x0f]."
    yield "memo-large.pkl", b"\x80\x02Nr\xff\xff\xff\x07."
    yield "memo-list.pkl", b"\x80\x04]q\x00" + b"".join(b"]" + b"(" + b"h%c" % i * 10 + b"eq%c" % (i + 1) for i in range(30)) + b"."
    laugh = b"\x80\x04(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01lq\x00"
    for i in range(12):
        laugh += b"(" + b"h" + bytes([i]) * 1 + (b"h" + bytes([i])) * 9 + b"lq" + bytes([i + 1])
    yield "laughs.pkl", b"\x80\x04}(X\x06\x00\x00\x00motion](}(X\x01\x00\x00\x00R" + laugh[2:] + b"X\x03\x00\x00\x00exph\x0cX\x05\x00\x00\x00scaleh\x0cX\x01\x00\x00\x00th\x0cueuu."
    yield "array.pkl", b"\x80\x02}(X\x06\x00\x00\x00motion](}(" + b"".join(
        b"X" + struct.pack("<I", len(n)) + n + b"cnumpy\nndarray\n(J\x00\x00\x00\x40\x85tR" for n in (b"R", b"exp", b"scale", b"t")
    ) + b"ueu."  # fmt: skip
    yield "deep.pkl", b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    yield "bytes.pkl", b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"x."
    yield "big.pkl", b"\x80\x02\x8b" + (2**31 - 1).to_bytes(4, "little") + b"\x01."
    for size in (0, 8, 2**20, 10**8, 2**62, 2**64 - 1):
        yield f"header{size}.safetensors", size.to_bytes(8, "little") + b"{}" + b" " * 100
    for i, entry in enumerate(('{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}', '{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', "[" * 100_000, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}')):
        yield f"entry{i}.safetensors", len(entry).to_bytes(8, "little") + entry.encode() + b"\0" * 16
    yield "code.pth", b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03."
    yield "code2.pth", _zip([("archive/data.pkl", b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."), ("archive/version", b"3\n")], zipfile.ZIP_STORED)
    yield "bomb.pth", _bomb([("archive/data.pkl", b"\x80\x02}."), ("archive/version", b"3\n")], "archive/data/0", b"", 1 << 31)
    yield "deep.pth", b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."


def _hostile_media(folder: Path) -> Iterator[tuple[str, bytes]]:
    def png(width: int, height: int, depth: int = 8, colour: int = 2, rows: int = 0) -> bytes:
        header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
        bits = {0: 1, 2: 3, 6: 4}[colour] * depth
        packer = zlib.compressobj(9)
        data = b"".join(packer.compress(b"\0" * (1 + width * bits // 8)) for _ in range(rows)) + packer.flush()
        parts = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)

    yield "huge.png", png(100_000, 100_000, rows=10)
    yield "wide.png", png(2_000_000_000, 1)
    yield "large.png", png(16_000, 16_000, 8, 2, rows=16_000)
    yield "deep.png", png(16_000, 16_000, 16, 6, rows=50)
    yield "largest.png", png(8190, 8190, 8, 2, rows=8190)
    jpeg = bytearray((folder / "a.jpg").read_bytes())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = b"\xfe\xff\xfe\xff"
    yield "huge.jpg", bytes(jpeg)
    exr = (folder / "a.exr").read_bytes()
    for side in (16_000, 60_000, 2**31 - 2):
        window = struct.pack("<4i", 0, 0, side, side)
        yield f"window{side}.exr", exr.replace(struct.pack("<4i", 0, 0, 63, 47), window)
    wav = (folder / "a.wav").read_bytes()
    for place, size, numbers in ((4, 4, (0, 2**32 - 1)), (22, 2, (0, 255, 65535)), (24, 4, (0, 1, 2**31, 2**32 - 1)), (32, 2, (0, 65535)), (34, 2, (0, 1, 7, 65535)), (40, 4, (0, 1, 2**31, 2**32 - 1))):
        for value in numbers:
            yield f"field{place}-{value}.wav", wav[:place] + value.to_bytes(size, "little") + wav[place + size :]
    slow = wav[:24] + (1).to_bytes(4, "little") + wav[28:]
    yield "one-a-second.wav", slow[:40] + (10_000_000).to_bytes(4, "little") + wav[44:] + bytes(10_000_000)
    mp4 = (folder / "a.mp4").read_bytes()
    fields: tuple[tuple[bytes, int, tuple[int, ...]], ...] = ((b"stsz", 8, (1, 0x7FFFFFFF)), (b"stsz", 12, (50_000_000, 0x3FFFFFFF, 0xFFFFFFFF)), (b"stts", 12, (0xFFFFFFFF, 100_000_000)), (b"stts", 16, (0, 0xFFFFFFFF)),
                            (b"stsc", 16, (0x7FFFFFFF,)), (b"stco", 8, (0xFFFFFFFF,)), (b"mdhd", 16, (0, 1, 0xFFFFFFFF)), (b"mdhd", 20, (0xFFFFFFFF,)), (b"elst", 12, (0xFFFFFFFF,)))  # fmt: skip
    for box, at, values in fields:
        for value in values:
            start = mp4.find(box)
            if start >= 0:
                place = start + at
                yield f"{box.decode()}{at}-{value}.mp4", mp4[:place] + value.to_bytes(4, "big") + mp4[place + 4 :]
    yield "samples.mp4", _many_samples(mp4)
    yield "empty.mp4", b""
    yield "zeros.mp4", bytes(1 << 20)


def _many_samples(mp4: bytes) -> bytes:
    """A film that says it has half a milliard samples of one byte, all in one chunk."""
    out = bytearray(mp4)
    at = out.find(b"stsz")
    out[at + 8 : at + 16] = struct.pack(">II", 1, 500_000_000)
    at = out.find(b"stts")
    out[at + 8 : at + 20] = struct.pack(">III", 1, 500_000_000, 1)
    at = out.find(b"stsc")
    out[at + 8 : at + 24] = struct.pack(">IIII", 1, 1, 500_000_000, 1)
    return bytes(out)


def _hostile_texts() -> Iterator[tuple[str, bytes]]:
    yield "exponents.marks.txt", b"\n".join((b"0@1e99999999", b"1e99999999", b"0@1e99999999f,1@2", b"1e99999999/3", b"0@1/0", b"1e400@0", b"nan@0", b"0@nan", b"1@" + b"9" * 100_000, b"9" * 100_000, b"1e-99999999", b"0@0,1e308@1:bezier,-1e308@2", b"0@1e-400"))
    yield "long.marks.txt", b"\n".join((b"lp " + b"a" * 1_000_000, b"0@0," * 300_000, b"=" * 1_000_000, b"lp " + b'"' * 999_999, b" " * 1_000_000 + b"x", b"#" * 100_000 + b".exr", b"at:" + b"9" * 100_000))
    yield "controls.marks.txt", b"lp \x1b[2J smile\nlp \xff\xfe smile=\x00\n\x1b]0;x\x07@0\nface=\xed\xa0\x80\nlike:\x00\nid:" + b"9" * 5000 + b"\nat:nan,nan\nat:1e999,0"
    for depth in (100, 100_000):
        yield f"deep{depth}.curve.json", _deep(depth)
        yield f"deep{depth}.preset.json", b'{"name":"x","effect":"expression","params":' + _deep(depth, '{"a":', "}") + b"}"
        yield f"deep{depth}.watch.json", b'{"done":' + _deep(depth) + b"}"
        yield f"deep{depth}.lp.json", b'{"clips":[],"renders":' + _deep(depth) + b"}"
    yield "values.curve.json", json.dumps([{"time": 0, "value": 1e308, "interpolation": "bezier", "right": [1e308, 1e308]}, {"time": 1, "value": -1e308, "left": [-1e308, -1e308]}]).encode()
    yield "near.curve.json", json.dumps([{"time": f"1/{10**70 + i}", "value": i, "interpolation": "bezier"} for i in range(3)]).encode()
    yield "keys.curve.json", json.dumps([[i, 0.5] for i in range(200_000)]).encode()
    yield "whole.curve.json", b"[[0," + b"1" * 400 + b"],[1e999,0],[NaN,1]]"
    outside: dict[str, Any] = {"name": "x", "url": "x", "path": "film.mp4"}
    render: dict[str, Any] = {"file": "film.mp4", "path": "/etc/hostname", "media": outside, "clip": "c", "source": [0, 1], "speed": 1, "own": [0, 1], "available": [0, 1], "segments": []}
    given: list[dict[str, Any]] = [{}, {"path": "../../outside"}, {"speed": 0}, {"speed": "1/1000000000"}, {"own": [-1, 0]}, {"source": [0, -5]}, {"media": {**outside, "path": "\0"}}, {"media": {**outside, "rate": 0}}, {"file": "x" * 9000}, {"media": {**outside, "rate": -25}}]
    for i, changes in enumerate(given):
        yield f"render{i}.lp.json", json.dumps({"version": 1, "clips": [], "renders": [{**render, **changes}]}).encode()
        yield f"list{i}.lp.json", json.dumps({"version": 1, "renders": [{**render, **changes}]}).encode()
    yield "long.speech.txt", b"never again " * 200_000
    yield "word.speech.txt", b"a" * 90_000
    yield "controls.speech.txt", b"\x1b[2J\x00never\xff\xfe"
    yield "numbers.speech.txt", b"9" * 50_000
