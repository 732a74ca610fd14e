"""Files and texts from strangers: read, or refused in a sentence of ours; nothing else, and nothing written elsewhere."""

import io
import json
import os
import pickle
import struct
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import two_clips
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_editor import apart, recording
from lp_editor.cli import main
from lp_editor.cli.plain import ODD, plain
from lp_editor.errors import LpEditorError, MediaError, ParamError, ProjectError
from lp_editor.faces import parse_choice
from lp_editor.files import write_bytes
from lp_editor.liveportrait.template import read_template
from lp_editor.liveportrait.weights import read_file
from lp_editor.marking import meant
from lp_editor.media.probe import probe
from lp_editor.performing import length_and_rate
from lp_editor.plan import check_length
from lp_editor.recording import read_recording
from lp_editor.registry import Registry
from lp_editor.render.clips import _safe
from lp_editor.render.footage import Footage
from lp_editor.timeline import marks
from lp_editor.timeline.curve import Curve, value_from_json
from lp_editor.timeline.cut import Shown, Strip, cut
from lp_editor.timeline.dialects import aaf as aaf_dialect
from lp_editor.timeline.document import open_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.timecode import exact_number, exact_rate, parse_time, timecode_frames
from lp_editor.verbs import mark, open_project

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))
from fuzz_mutations import places

NUMBERS = st.sampled_from([0, -1, 10**400, float("inf"), float("nan"), 1e300, -0.0, 1e-320, 2**63]) | st.floats() | st.integers()
TEXTS = st.sampled_from(["../../x", "\x1b[2J", "\ud800", "a" * 5000, "file://%00", "\0", "1e99999999", "[/x]", ""]) | st.text(max_size=20)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
JUNK = st.recursive(PLAIN, lambda x: st.lists(x, max_size=3) | st.dictionaries(TEXTS, x, max_size=3), max_leaves=8)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The JSON of a marked project."""
    folder = tmp_path_factory.mktemp("tree")
    document = two_clips(folder / "gone.mp4", folder)
    mark(document, "expression", clip="V1/1", params={"smile": "0@0,0.7@4f"}).document.save()
    return json.loads((folder / "cut.otio").read_bytes())


def opened_or_refused(path: Path) -> bool:
    with suppress(LpEditorError):
        document = open_project(path)
        document.save(path.with_name("saved.otio"))
        return True
    return False


@pytest.fixture
def aaf(tree: Any, tmp_path: Path) -> bytes:
    """An AAF of that project."""
    pytest.importorskip("otio_aaf_adapter", reason="the extra lp-editor[aaf] is not installed")
    (tmp_path / "cut.otio").write_text(json.dumps(tree))
    return open_document(tmp_path / "cut.otio").save(tmp_path / "cut.aaf").path.read_bytes()


@given(data=st.data())
@settings(max_examples=60)
def test_a_project_with_any_value_in_any_place_is_opened_or_refused(
    tree: Any, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed_and_opened(tree, data, tmp_path_factory.getbasetemp() / "any.otio")


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=3000)
def test_thousands_of_damaged_projects_are_opened_or_refused(
    tree: Any, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed_and_opened(tree, data, tmp_path_factory.getbasetemp() / "any.otio")


def changed_and_opened(tree: Any, data: st.DataObject, path: Path) -> None:
    changed = json.loads(json.dumps(tree))
    found = places(changed)
    for _ in range(data.draw(st.integers(1, 3))):
        node, key = found[data.draw(st.integers(0, len(found) - 1))]
        if isinstance(node, dict) or key < len(node):
            node[key] = data.draw(JUNK)
    path.write_bytes(json.dumps(changed).encode("utf-8", "surrogatepass"))
    opened_or_refused(path)


@given(TEXTS | st.text() | st.from_regex(r"[-+]?[0-9.]{1,9}(e[0-9]{1,9})?[sf]?(@[0-9e./-]{1,9}[sf]?)?(,|:|=| )?.{0,9}"))
@settings(max_examples=150)
def test_any_text_is_a_curve_a_time_a_mark_a_face_or_refused(text: str) -> None:
    for work in (
        lambda: Curve.parse(text, F(25)).bounds(),
        lambda: parse_time(text, F(25), F(3600)),
        lambda: timecode_frames(text, F(30000, 1001)),
        lambda: marks.parsed(text, "marker"),
        lambda: parse_choice(text),
    ):
        with suppress(LpEditorError):
            work()


@given(JUNK)
def test_any_json_is_a_parameter_or_refused(stored: Any) -> None:
    with suppress(ParamError):
        value = value_from_json(stored)
        if isinstance(value, Curve):
            value.at([-1.0, 0.0, 0.5, 1e9])
            value.bounds()


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "1/0", "9" * 5000, "0x10", "nan", "1_0", "٣", "", "1e5/3"])
def test_numbers_without_end_are_no_numbers(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="number"):
        exact_number(text)
    assert time.process_time() - began < 1  # 10**999999999 takes minutes


@pytest.mark.parametrize("rate", [0, -25, 1e-9, float("nan"), float("inf"), 1e9])
def test_rates_of_no_sense_are_refused(rate: float) -> None:
    with pytest.raises(LpEditorError, match="not a frame rate"):
        exact_rate(rate)


# --- project files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [201, 1000, 100_000])
def test_deep_nesting_is_refused(depth: int, tree: Any, tmp_path: Path) -> None:
    deep = "[" * depth + "]" * depth
    for i, text in enumerate((deep, json.dumps({**tree, "metadata": 0}).replace('"metadata": 0', f'"metadata": {{"x": {deep}}}'))):
        (tmp_path / f"{i}.otio").write_text(text)
        with pytest.raises(ProjectError, match="nested too deeply"):
            open_document(tmp_path / f"{i}.otio")


def test_a_file_of_millions_of_empty_values_is_refused_before_they_take_memory(tmp_path: Path) -> None:
    (tmp_path / "flat.otio").write_bytes(b'{"OTIO_SCHEMA":"Clip.2","metadata":{"x":[' + b"{}," * 3_000_000 + b"{}]}}")
    with pytest.raises(ProjectError, match="more than 3,000,000 values"):
        open_document(tmp_path / "flat.otio")


XMEML = '<xmeml version="5"><sequence id="s0"><name>a</name><media><video><track>{}</track></video></media></sequence></xmeml>'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><xmeml>&b;</xmeml>", "declares the entity"),
        (b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><xmeml>&a;</xmeml>", "declares the entity"),
        (b"<a>" * 5000 + b"</a>" * 5000, "nested too deeply"),
        (b"<xmeml>" + b"<a/>" * 1_000_001 + b"</xmeml>", "more than 1,000,000 elements"),
        (b'<?xml version="1.0" encoding="punycode"?><xmeml/>', "is not text in punycode"),
        (b'<?xml version="1.0" encoding="utf-7"?><xmeml/>', "is not text in utf-7"),
        (b"<xmeml>\0</xmeml>", "not well-formed"),
    ],
)
def test_hostile_xml_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "cut.xml").write_bytes(content)
    with pytest.raises(ProjectError, match=why):
        open_document(tmp_path / "cut.xml")


def test_sequences_that_multiply_in_one_another_are_refused(tmp_path: Path) -> None:
    item = '<clipitem><start>{0}</start><end>{1}</end><sequence id="s{2}"/></clipitem>'
    levels = "".join(
        f'<clipitem><start>0</start><end>9</end><sequence id="s{level}"><media><video><track>'
        + ("".join(item.format(i, i + 1, level + 1) for i in range(10)) if level < 12 else "")
        + "</track></video></media></sequence></clipitem>"
        for level in range(12, 0, -1)
    )
    (tmp_path / "cut.xml").write_text(XMEML.format(levels + item.format(20, 21, 1)))
    with pytest.raises(ProjectError, match="more than 200000 clips"):
        open_document(tmp_path / "cut.xml")


def test_a_line_of_an_edit_list_without_end_takes_no_time(tmp_path: Path) -> None:
    (tmp_path / "cut.edl").write_text("TITLE: x\n001 a" + " " * 300_000 + "V C\n001 " + "a " * 300_000 + "\n")
    began = time.process_time()
    with pytest.raises(ProjectError):
        open_document(tmp_path / "cut.edl")
    assert time.process_time() - began < 5  # hours before lines were shortened


def archive(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, body in members:
            file.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
    return path


@pytest.mark.parametrize("name", ["../out.mov", "/out.mov", "C:\\out.mov", "a/../../out", "a\\..\\..\\out", "x:y", "/", "", "y" * 2000])
def test_a_member_that_would_lie_elsewhere_is_refused_and_nothing_is_unpacked(name: str, tree: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = archive(tmp_path / "in" / "cut.otioz", ("content.otio", json.dumps(tree).encode()), ("media/fine.mov", b"x"), (name, b"x"))
    with suppress(ProjectError):  # a name of nothing but a slash is a folder, and passed over
        open_document(path)
        assert name == "/"
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file() and p.name not in ("cut.otioz", "fine.mov")) == []
    assert name == "/" or not (tmp_path / "in" / "cut.otioz.media").exists()


def test_an_archive_out_of_all_proportion_is_refused(tree: Any, tmp_path: Path) -> None:
    zeros = ("media/a.mov", bytes(300 << 20))
    with pytest.raises(ProjectError, match="holds more than an archive"):
        open_document(archive(tmp_path / "bomb.otioz", ("content.otio", json.dumps(tree).encode()), zeros))


def test_a_damaged_member_leaves_nothing_behind(tree: Any, tmp_path: Path) -> None:
    path = archive(tmp_path / "cut.otioz", ("content.otio", json.dumps(tree).encode()), ("media/a.mov", os.urandom(5000)))
    content = bytearray(path.read_bytes())
    content[-4000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ProjectError, match="cannot be unpacked"):
        open_document(path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_an_archive_of_many_files_is_unpacked_through_one_folder_aside_and_once(
    tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = [(f"media/reel{i % 3}/shot{i}.mov", bytes([i % 256]) * i) for i in range(600)]
    path = archive(tmp_path / "cut.otioz", ("content.otio", json.dumps(tree).encode()), *media)
    calls: dict[str, int] = {}

    def counted(name: str, work: Any) -> Any:
        def counting(*args: Any, **given: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return work(*args, **given)

        return counting

    for module, name in ((os, "mkdir"), (os, "fsync"), (os, "replace"), (tempfile, "mkdtemp")):
        monkeypatch.setattr(module, name, counted(name, getattr(module, name)))
    open_document(path)
    assert calls.pop("mkdir") < 12
    assert calls == {"replace": 600, "mkdtemp": 1}
    unpacked = tmp_path / "cut.otioz.media"
    assert {p.relative_to(unpacked).as_posix(): p.read_bytes() for p in unpacked.rglob("*.mov")} == dict(media)
    assert sum(p.is_dir() for p in unpacked.rglob("*")) == 4
    calls.clear()
    open_document(path)
    assert calls == {}


def test_a_sidecar_cannot_have_a_list_of_renders_written_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "gone.mp4").write_bytes(b"")
    document = two_clips(tmp_path / "gone.mp4", tmp_path / "mine")
    media = {"name": "gone.mp4", "url": "", "path": "a.mp4", "reel": "", "rate": 25, "available": None}
    render = {"file": "gone.mp4", "path": str(tmp_path / "other" / "gone.mp4"), "clip": "c", "source": [0, 9], "speed": 1,
              "own": [0, 9], "available": [0, 9], "segments": [], "media": media}  # fmt: skip
    write_bytes(tmp_path / "mine" / "cut.otio.lp.json", json.dumps({"clips": [], "renders": [render]}).encode())
    again = open_document(document.path)
    assert again.returned  # it is believed to be a render of ours
    again.relinked([]).save(tmp_path / "mine" / "back.otio")
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["gone.mp4"]


def test_thousands_of_markers_are_placed_at_once(tree: Any, tmp_path: Path) -> None:
    point = {"OTIO_SCHEMA": "TimeRange.1", "start_time": {"OTIO_SCHEMA": "RationalTime.1", "rate": 25, "value": 0}}
    point["duration"] = {"OTIO_SCHEMA": "RationalTime.1", "rate": 25, "value": 1}
    markers = [{"OTIO_SCHEMA": "Marker.2", "name": f"lp smile id=t{i}", "marked_range": point} for i in range(1000)]
    tree = json.loads(json.dumps(tree))
    tree["tracks"]["markers"] = markers
    (tmp_path / "cut.otio").write_text(json.dumps(tree))
    began = time.process_time()
    found = open_project(tmp_path / "cut.otio").project
    assert sum(len(c.segments) for c in found.clips()) == 1001
    assert time.process_time() - began < 20


# --- lengths --------------------------------------------------------------------------------------------------------


def one_clip(seconds: F) -> Project:
    media = Media("file", "a.mov", "a.mov", Path("a.mov"))
    clip = Clip("c", "a", media, Span(F(0), seconds), Span(F(0), seconds), F(25), place="V1/1")
    return Project("p", F(25), F(0), (Track("V1", "video", (clip,)),))


def test_a_program_without_end_is_refused_before_any_frame_is_thought_of() -> None:
    project = one_clip(F(10**8))
    with pytest.raises(ParamError, match="the program has 2,500,000,000 frames"):
        check_length(project, cut(project))


@given(st.fractions(-3, 3, max_denominator=5), st.fractions(-4, 4, max_denominator=30), st.integers(-50, 50), st.integers(0, 60))
def test_held_frames_are_counted_as_one_by_one(speed: F, start: F, first: int, count: int) -> None:
    project = one_clip(F(2))
    clip = replace(next(project.clips()), speed=speed, source=Span(start, F(2)))
    info: Any = type("Info", (), {"video": type("Video", (), {"duration": F(1), "count": 25})()})()
    footage = Footage(Strip(clip), info, F(0))
    times = [footage.strip.source_time(F(f) / 25) for f in range(first, first + count)]
    assert footage.held(first, count, F(25)) == sum(not 0 <= t < 1 for t in times)
    assert Shown(footage.strip)


# --- names ----------------------------------------------------------------------------------------------------------


@given(st.text() | TEXTS)
def test_a_clips_name_never_leads_out_of_a_folder(name: str) -> None:
    part = _safe(name)
    assert part
    assert not part.startswith(".")
    assert not set(part) & set('/\\:\0<>|"?*\n')
    assert len(part.encode()) <= 100


@given(st.text(st.characters()))
def test_what_is_printed_holds_no_control_characters_and_json_stays_json(text: str) -> None:
    shown = plain(text)
    assert not ODD.search(shown)
    assert json.loads(plain(json.dumps(text, ensure_ascii=False))) == text


def test_commands_print_hostile_names_plainly(tree: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("\x1b[2J\x1b]0;owned\x07", "\ud800", "[/bold]", "\u202eexe.txt"):
        changed = json.loads(json.dumps(tree))
        changed["tracks"]["children"][0]["children"][0]["name"] = name
        (tmp_path / "cut.otio").write_bytes(json.dumps(changed).encode())
        smile = ["mark", "--clip", "V1/1", "expression", "smile=0.2"]
        for words in (["inspect"], ["inspect", "--json"], smile, ["unmark", "--clip", "none"]):
            assert main([words[0], str(tmp_path / "cut.otio"), *words[1:]]) in (0, 2)
        out = "".join(capsys.readouterr())
        assert not ODD.search(out)
        assert "mistake" not in out
    assert "[/bold]" in plain("[/bold]")


# --- templates, weights, media --------------------------------------------------------------------------------------


class Runs:
    """A pickle that runs code."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("true",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"motion": Runs()}),
        b"\x80\x02r\xff\xff\xff\x0f].",  # room for 268 million values
        b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"x.",
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        b"cos\nsystem\n(S'true'\ntR.",
        pickle.dumps({"motion": [{"R": [[0] * 9], "exp": [0] * 63, "scale": 1, "t": [0, 0, 0]}]}),
        b"",
    ],
)  # fmt: skip
def test_a_pickle_that_is_no_template_is_refused_and_not_run(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(MediaError):
        read_template(tmp_path / "a.pkl")


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-1,)", "(3, 'x')", "(" * 3000])
def test_an_array_that_claims_to_be_huge_is_refused(shape: str, tmp_path: Path) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    body = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    archive(tmp_path / "a.npz", *((f"{name}.npy", body) for name in ("turn", "exp", "scale", "t", "rate")))
    with pytest.raises(MediaError, match="not a motion template"):
        read_template(tmp_path / "a.npz")


def test_weights_that_unpack_to_far_more_than_their_size_are_refused(tmp_path: Path) -> None:
    archive(tmp_path / "a.pth", ("a/data.pkl", b"\x80\x02}."), ("a/version", b"3\n"), ("a/data/0", bytes(64 << 20)))
    with pytest.raises(LpEditorError, match="unpacks to far more"):
        read_file(tmp_path / "a.pth")
    (tmp_path / "b.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(LpEditorError, match="damaged or not a weight file"):
        read_file(tmp_path / "b.safetensors")


def test_a_picture_larger_than_any_cameras_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    import zlib

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 16, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    content = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(MediaError):
        probe(tmp_path / "a.png")
    if sys.platform == "linux":  # what the whole process ever took; a decoded one would be 7 GB
        import resource

        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20


def test_a_path_that_no_system_takes_is_a_missing_file() -> None:
    for path in (Path("a" * 5000), Path("a\0b"), Path("/" + "x/" * 3000)):
        with pytest.raises(MediaError, match="missing"):
            probe(path)


def test_printing_to_a_stream_that_cannot_write_a_sign_is_no_error(monkeypatch: pytest.MonkeyPatch, tree: Any, tmp_path: Path) -> None:
    (tmp_path / "cut.otio").write_bytes(json.dumps({**tree, "name": "Ω→ü"}).encode())
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["inspect", str(tmp_path / "cut.otio")]) == 0


def zipped(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return path


def test_a_recording_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped(tmp_path / "bomb.npz", shapes=np.zeros((10_000, 52), np.int8), poses=np.zeros((3, 3)))
    monkeypatch.setattr(recording, "LARGEST", 100_000)
    with pytest.raises(MediaError, match="unpacks to more"):
        read_recording(bomb)
    rows = zipped(tmp_path / "rows.npz", shapes=np.zeros((9, 1), np.int8), poses=np.zeros((9, 3)),
                  names=np.array(["jawOpen"]), exact_rate=np.array([25, 1]))  # fmt: skip
    assert len(read_recording(rows) or ()) == 9
    monkeypatch.setattr(recording, "MOST_ROWS", 8)
    with pytest.raises(MediaError, match="more than 8 frames"):
        read_recording(rows)


def test_a_path_with_a_nul_is_one_sentence(tmp_path: Path) -> None:
    registry = Registry.installed()
    with pytest.raises(ParamError, match="no NUL"):
        meant("performance", {"driver": "a\0.csv"}, registry, F(25))
    for name in ("a\0.csv", "a\0.npz", "a\0.pkl"):
        with pytest.raises(MediaError):
            registry.recording(Path(name))


@pytest.mark.parametrize("rate", ["1e999999999", "1/0", "nan"])
def test_a_rate_without_end_is_refused_before_it_takes_memory(rate: str) -> None:
    with pytest.raises(LpEditorError):
        length_and_rate(None, rate)


@pytest.mark.parametrize("text", ["9" * 100_000, "9" * 100_000 + "%", " " * 100_000 + "x", "lp smile" + " " * 100_000 + "x"])
def test_numbers_and_blanks_without_end_are_read_in_one_go(text: str) -> None:
    start = time.process_time()
    with suppress(LpEditorError, ValueError):
        meant("expression", {"smile": text}, Registry.installed(), F(25))
    with suppress(LpEditorError):
        marks.parsed(text, "here")
    assert time.process_time() - start < 2  # squared, it was minutes


def test_titles_on_thousands_of_tracks_are_seen_through() -> None:
    title, film = Media("missing", ""), Media("file", "a.mov", "a.mov", Path("a.mov"))
    span = Span(F(0), F(1))
    rows = [
        Track(f"V{i}", "video", (Clip(f"c{i}", "a", title if i else film, span, span, F(25), place=f"V{i}/1"),))
        for i in range(3000)
    ]
    (event,) = cut(Project("p", F(25), F(0), tuple(rows)))
    assert isinstance(event.picture, Shown)
    assert event.picture.strip.clip.media == film


def test_a_clip_whose_markers_are_no_list_can_be_relinked(tree: Any, tmp_path: Path) -> None:
    made = json.loads(json.dumps(tree))
    made["tracks"]["children"][0]["children"][0]["markers"] = 3.5
    (tmp_path / "cut.otio").write_text(json.dumps(made))
    document = open_document(tmp_path / "cut.otio")
    clip = next(document.project.clips())
    third = clip.record.duration / 3
    part = Span(clip.record.start + third, third)
    start = clip.source_time(part.start)
    one = Rendered(clip.place, part, tmp_path / "r.mp4", Span(start, third), Span(start, third))
    again = document.relinked([one]).save(tmp_path / "again.otio")
    shown = [c.source for c in open_document(again.path).project.clips() if c.media.name == clip.media.name]
    assert clip.source in shown  # the render is known, and what it was made of is shown whole


def with_number(content: bytes, at: int, number: int) -> bytes:
    return content[:at] + number.to_bytes(4, "little") + content[at + 4 :]


def test_an_aaf_that_never_ends_is_refused_in_its_time(
    aaf: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(aaf_dialect, "SECONDS", 1)
    path = tmp_path / "hostile.aaf"
    path.write_bytes(with_number(with_number(aaf, 68, 0), 72, 0xFFFFFFFF))  # tables of sectors that lead to one another
    assert main(["inspect", str(path)]) == 2
    said = capsys.readouterr().err
    assert "is not read to its end in 1 seconds of a core" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("part", [8, 600, 5000, -5000])
def test_an_aaf_that_is_cut_off_is_one_sentence(part: int, aaf: bytes, tmp_path: Path) -> None:
    (tmp_path / "hostile.aaf").write_bytes(aaf[:part])
    with pytest.raises(ProjectError, match=r"cannot be read as AAF \(.*\); export it again$") as error:
        open_document(tmp_path / "hostile.aaf")
    assert "\n" not in str(error.value)


FOUND = "import sys; sys.path[:] = sys.argv[7:]"
"""How a process finds what the tests find."""


@pytest.mark.parametrize(
    ("work", "says"),
    [
        ("import os; os.abort()", "its reader broke down"),
        (f"{FOUND}; from lp_editor.timeline.dialects import aaf; aaf._limit(9, 1 << 28); [0] * 10**9", "broke down"),
        (f"{FOUND}; from lp_editor.timeline.dialects import aaf; aaf.serve(sys.argv[4], '9', str(1 << 24))", "Error"),
        ("print('[' * 100000)", "nested too deeply"),
        ("print('[' + '0,' * 3_000_001 + '0]')", "more than 3,000,000 values"),
        ("print('[]')", "holds no composition"),
    ],
)  # fmt: skip
def test_whatever_becomes_of_the_process_that_reads_an_aaf_is_one_sentence(
    work: str, says: str, aaf: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "PROGRAM", work)
    with pytest.raises(ProjectError, match=says) as error:
        open_document(tmp_path / "cut.aaf")
    assert "\n" not in str(error.value)


def test_an_aaf_is_read_by_what_is_installed_and_not_by_what_lies_around(
    aaf: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("opentimelineio", "json", "lp_editor"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(5)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert len(list(open_document(tmp_path / "cut.aaf").project.clips())) == 4
