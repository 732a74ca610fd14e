"""What rendered files say of themselves: in every container, the same every time, read back whole, and never trusted."""

import json
import subprocess
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from shutil import which

import cv2
import pytest
import skimage.data
from conftest import two_clips
from hypothesis import given
from hypothesis import strategies as st

from lp_editor import Registry, testing, verbs
from lp_editor.cli import main
from lp_editor.errors import MediaError, ParamError
from lp_editor.media.codecs import Codec
from lp_editor.plugins import expression, stitch
from lp_editor.render import provenance
from lp_editor.render.program import Settings
from lp_editor.render.provenance import Change, Provenance, consent_note, read
from lp_editor.render.records import records_of
from lp_editor.timeline.document import Document, open_document
from lp_editor.timeline.model import ParamValue, Segment, Span

REGISTRY = Registry(testing, expression, stitch)
CONSENT = "Anna K., release of 3 May; “all takes”"

CHANGE = Change("expression", "smile=0.5", "s1", "A003", "V1/1", "a.mov", "00ff", ("00:00:00:04", "00:00:00:12"),
                ("01:00:00:04", "01:00:00:12"), (4, 8), "largest", "1")  # fmt: skip


@pytest.fixture
def marked(filmed: Path, tmp_path: Path) -> Document:
    """Two clips, eight frames of the first from its fourth on marked, and the cut between them joined over four."""
    document = two_clips(filmed, tmp_path)
    made = verbs.mark(document, "expression", clip="opening", at="4f", length="8f", params={"smile": 0.5, "ease": "0"}, registry=REGISTRY)
    return verbs.mark(made.document, "stitch", clip="opening", length="4f", registry=REGISTRY).document.save()


def settings(codec: Codec, folder: Path) -> Settings:
    return Settings(codec, engine="fake", cache=folder / "cache", consent=CONSENT)


def the_change(record: Provenance) -> Change:
    (change,) = [c for c in record.changes if c.effect == "expression"]
    return change


@pytest.mark.parametrize(("name", "codec"), [("out.mp4", Codec.H264), ("out.mov", Codec.PRORES), ("out.mkv", Codec.FFV1)])
def test_a_film_bears_what_was_changed_where_by_what_and_the_consent(
    name: str, codec: Codec, marked: Document, tmp_path: Path
) -> None:
    verbs.render(marked, tmp_path / name, settings(codec, tmp_path), registry=REGISTRY)
    ((file, record),) = records_of(tmp_path / name)
    assert (file, record.engine, record.consent, record.project) == (name, "fake", CONSENT, "cut")
    change = the_change(record)
    assert (change.clip, change.place, change.media, change.frames) == ("opening", "V1/1", "portrait.mp4", (4, 8))
    assert change.source == ("00:00:00:04", "00:00:00:12")
    assert change.record == ("01:00:00:04", "01:00:00:12")
    (joint,) = [c for c in record.changes if c.effect == "stitch"]
    assert (joint.frames, joint.record) == ((28, 4), ("01:00:01:03", "01:00:01:07"))


@pytest.mark.skipif(which("ffprobe") is None, reason="ffprobe is not installed")
def test_other_programs_show_the_record_as_the_comment_and_copies_keep_it(marked: Document, tmp_path: Path) -> None:
    verbs.render(marked, tmp_path / "out.mp4", settings(Codec.H264, tmp_path), registry=REGISTRY)
    subprocess.run(["ffmpeg", "-v", "error", "-i", "out.mp4", "-c", "copy", "copy.mov"], cwd=tmp_path, check=True)
    for name in ("out.mp4", "copy.mov"):
        words = ["ffprobe", "-v", "error", "-show_entries", "format_tags=comment", "-of", "json", name]
        shown = json.loads(subprocess.check_output(words, cwd=tmp_path))["format"]["tags"]["comment"]
        assert read(shown, name) == records_of(tmp_path / name)[0][1]


def test_two_renders_are_equal_files(marked: Document, tmp_path: Path) -> None:
    for name in ("a.mkv", "b.mkv"):
        verbs.render(marked, tmp_path / name, settings(Codec.FFV1, tmp_path), registry=REGISTRY)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_a_film_whose_metadata_was_taken_away_is_told_of_by_the_file_beside_it(marked: Document, tmp_path: Path) -> None:
    verbs.render(marked, tmp_path / "out.mkv", settings(Codec.FFV1, tmp_path), registry=REGISTRY)
    ((_, before),) = records_of(tmp_path / "out.mkv")
    content = (tmp_path / "out.mkv").read_bytes()
    (tmp_path / "out.mkv").write_bytes(content.replace(b"lp-editor provenance 1 ", b"                       "))
    assert records_of(tmp_path / "out.mkv") == [("out.mkv", before)]
    (tmp_path / "out.mkv.lp.json").unlink()
    assert records_of(tmp_path / "out.mkv") == []


def test_each_stretch_bears_its_own_changes_and_the_sidecar_all_of_them(marked: Document, tmp_path: Path) -> None:
    relinked, _ = verbs.render_stretches(marked, tmp_path / "clips", settings(Codec.FFV1, tmp_path), registry=REGISTRY)
    relinked.save(tmp_path / "clips" / "cut.otio")
    found = dict(records_of(tmp_path / "clips" / "cut.otio"))
    assert sorted(found) == sorted(p.name for p in (tmp_path / "clips").glob("*.mkv"))
    for name, record in found.items():
        assert records_of(tmp_path / "clips" / name) == [(name, record)]
    change = the_change(found["opening_V1-1_1.mkv"])
    assert change.frames == (4, 8)  # the clip begins with its media, so there are four frames of handle
    assert change.source == ("00:00:00:04", "00:00:00:12")
    assert [c.effect for c in found["closing_V1-2_1.mkv"].changes] == ["stitch"]
    again = open_document(tmp_path / "clips" / "cut.otio")
    assert {render.file: read(render.provenance, "sidecar") for render in again.sidecar.renders} == found


def test_a_sequence_bears_it_in_its_json_and_any_frame_leads_there(marked: Document, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    small = replace(settings(Codec.PNG, tmp_path), format="96x54")
    verbs.render(marked, tmp_path / "f" / "s.%04d.png", small, registry=REGISTRY)
    found = [records_of(tmp_path / "f" / name)[0][1] for name in ("s.json", "s.%04d.png", "s.1002.png")]
    assert found[0] == found[1] == found[2]
    assert the_change(found[0]).frames == (4, 8)


def test_footage_that_we_rendered_hands_its_record_on(marked: Document, tmp_path: Path) -> None:
    verbs.render(marked, tmp_path / "first.mkv", settings(Codec.FFV1, tmp_path), registry=REGISTRY)
    (tmp_path / "second").mkdir()
    document = two_clips(tmp_path / "first.mkv", tmp_path / "second")
    plain = replace(settings(Codec.FFV1, tmp_path), consent="")
    verbs.render(document, tmp_path / "second.mkv", plain, registry=REGISTRY)
    ((_, record),) = records_of(tmp_path / "second.mkv")
    assert record.changes == ()
    assert record.consent == ""
    assert record.earlier == (records_of(tmp_path / "first.mkv")[0][1],)


@given(st.lists(st.text(max_size=40), max_size=40), st.text(max_size=200))
def test_every_record_comes_back_from_its_tag(names: list[str], consent: str) -> None:
    changes = tuple(replace(CHANGE, clip=name.encode("utf-8", "replace").decode(), frames=(i, 2)) for i, name in enumerate(names))
    record = Provenance("0.1.0", "mesh", "mesh-8", "", "cut", changes, consent.encode("utf-8", "replace").decode())
    assert read(record.tag(), "x") == record


def test_a_long_record_is_packed_and_one_without_end_says_how_much_it_left_out() -> None:
    many = tuple(replace(CHANGE, mark=f"s{i}", frames=(i, 1)) for i in range(800))
    record = Provenance("0.1.0", "mesh", "mesh-8", "", "cut", many)
    assert record.tag().startswith(provenance.PACKED)
    assert len(record.tag()) <= provenance.LONGEST_TAG
    assert read(record.tag(), "x") == record
    noise = tuple(replace(c, what=str(hash((i, "seed")) ** 9)) for i, c in enumerate(many * 4))
    cut = read(replace(record, changes=noise).tag(), "x")
    assert 0 < len(cut.changes) < len(noise)
    assert cut.left_out == len(noise) - len(cut.changes)


KEYS = st.sampled_from(["changes", "earlier", "source", "frames", "x"])
TREES = st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(KEYS, x))
PACKED = st.binary().map(lambda b: provenance.PACKED + b.decode("latin-1"))


@given(st.text() | PACKED | TREES.map(lambda tree: provenance.PREFIX + json.dumps(tree)))
def test_a_damaged_record_is_refused_in_a_sentence(tag: str) -> None:
    with suppress(MediaError):  # anything else is a bug
        assert isinstance(read(tag, "film.mp4"), Provenance)


def test_a_record_that_unpacks_without_end_is_refused() -> None:
    import base64
    import zlib

    bomb = provenance.PACKED + base64.b64encode(zlib.compress(b"[" + b" " * (80 << 20))).decode()
    with pytest.raises(MediaError, match="unpacks to more"):
        read(bomb, "film.mp4")


def test_consent_is_a_text_or_that_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("signed\n", encoding="utf-8")
    assert consent_note("signed") == consent_note(f"@{tmp_path / 'note.txt'}") == "signed"
    for wrong in ("", "  ", f"@{tmp_path / 'none.txt'}", "a" * 20_000, "a\0b"):
        with pytest.raises(ParamError):
            consent_note(wrong)


def test_the_command_tells_a_table_json_and_plainly_that_there_is_none(
    marked: Document, filmed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verbs.render(marked, tmp_path / "out.mkv", settings(Codec.FFV1, tmp_path), registry=REGISTRY)
    assert main(["provenance", str(tmp_path / "out.mkv")]) == 0
    out = capsys.readouterr().out
    assert CONSENT in out
    assert "opening (V1/1)" in out
    assert main(["provenance", str(tmp_path / "out.mkv"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [c["effect"] for c in told["renders"][0]["provenance"]["changes"]] == ["expression", "stitch"]
    assert main(["provenance", str(filmed)]) == 0
    assert "bears no provenance of lp-editor" in capsys.readouterr().out
    assert main(["provenance", str(tmp_path / "gone.mov")]) == 2


def test_what_is_told_names_files_without_the_folders_of_a_machine() -> None:
    named: dict[str, ParamValue] = {"driver": "/home/anna/take.csv", "sound": "D:\\voices\\one.wav", "note": "soft/warm", "smile": 0.5}
    segment = Segment("s1", "lip-sync", Span(F(0), F(1)), named, "like:/home/anna/face.png")
    told = provenance._homeless(segment)
    assert told.params == {"driver": "take.csv", "sound": "one.wav", "note": "soft/warm", "smile": 0.5}
    assert told.face == "like:face.png"


def test_a_file_that_is_delivered_names_no_folder(filmed: Path, tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "face.png"), skimage.data.astronaut()[..., ::-1])
    params: dict[str, ParamValue] = {"smile": 0.5, "face": f"like:{tmp_path / 'face.png'}"}
    made = verbs.mark(two_clips(filmed, tmp_path), "expression", clip="opening", length="4f", params=params, registry=REGISTRY)
    verbs.render(made.document.save(), tmp_path / "out.mkv", settings(Codec.FFV1, tmp_path), registry=REGISTRY)
    ((_, record),) = records_of(tmp_path / "out.mkv")
    assert "face=like:face.png" in the_change(record).what
    assert str(tmp_path) not in json.dumps(record.to_json())
