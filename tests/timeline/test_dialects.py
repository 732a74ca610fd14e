"""What each dialect means by its numbers, and what is done with files that are broken, hostile or merely odd."""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Callable
from fractions import Fraction as F
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_editor.errors import LpEditorError, OutputError, ProjectError
from lp_editor.timeline import dialects
from lp_editor.timeline.dialects.markup import parse
from lp_editor.timeline.dialects.source import laid
from lp_editor.timeline.document import open_document
from lp_editor.timeline.edit import add_segment
from lp_editor.timeline.media import Search
from lp_editor.timeline.model import Clip, Gap, Nest, Project, Segment, Span, Transition
from lp_editor.timeline.relink import Rendered

RATE = "<rate><timebase>{}</timebase><ntsc>{}</ntsc></rate>"
P25 = RATE.format(25, "FALSE")


def file(key: str = "f1", name: str = "a.mov", zero: int = 90000, rate: str = P25) -> str:
    return (
        f'<file id="{key}"><name>{name}</name><pathurl>file://localhost/m/{name}</pathurl>{rate}<duration>1000</duration>'
        f"<timecode>{rate}<frame>{zero}</frame><displayformat>NDF</displayformat><reel><name>R1</name></reel></timecode>"
        f"<media><video/></media></file>"
    )


def item(key: str, start: int, end: int, first: int, out: int, inside: str, rate: str = P25) -> str:
    return (
        f'<clipitem id="{key}"><name>{key}</name><enabled>TRUE</enabled>{rate}<start>{start}</start><end>{end}</end>'
        f"<in>{first}</in><out>{out}</out>{inside}</clipitem>"
    )


def sequence(track: str, rate: str = P25, more: str = "", name: str = "cut") -> str:
    return f'<sequence id="{name}"><name>{name}</name>{rate}<media><video><track>{track}</track></video></media>{more}</sequence>'


def write(folder: Path, body: str, name: str = "cut.xml", head: str = "<!DOCTYPE xmeml>") -> Path:
    path = folder / name
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n<xmeml version="5">{body}</xmeml>\n', encoding="utf-8"
    )
    return path


def clips(path: Path) -> list[Clip]:
    return list(open_document(path).project.clips())


def time_remap(**values: object) -> str:
    params = "".join(
        f"<parameter><parameterid>{name}</parameterid>{value if name == 'graphdict' else f'<value>{value}</value>'}</parameter>"
        for name, value in values.items()
    )
    return f"<filter><effect><effectid>timeremap</effectid>{params}</effect></filter>"


# --- xmeml ----------------------------------------------------------------------------------------------------------


def test_in_counts_frames_of_the_clips_rate_and_start_those_of_the_sequence(tmp_path: Path) -> None:
    ntsc = RATE.format(30, "TRUE")
    (clip,) = clips(write(tmp_path, sequence(item("a", 25, 50, 300, 330, file(rate=ntsc, zero=107892), ntsc))))
    assert clip.record == Span(F(1), F(1))
    assert clip.source == Span(F(108192 * 1001, 30000), F(1))
    assert (clip.rate, clip.media.reel) == (F(30000, 1001), "R1")


@pytest.mark.parametrize(
    ("alignment", "ticks", "cut"), [("center", "", 50), ("end-black", "", 55), ("start", "", 45), ("center", "25401600000", 45 + 3)]
)  # fmt: skip
def test_a_transition_covers_the_sides_that_say_minus_one(alignment: str, ticks: str, cut: int, tmp_path: Path) -> None:
    point = f"<cutPointTicks>{int(ticks) + 5080320000}</cutPointTicks>" if ticks else ""
    fade = (
        f"<transitionitem><start>45</start><end>55</end><alignment>{alignment}</alignment>{point}{P25}"
        "<effect><name>Cross Dissolve</name></effect></transitionitem>"
    )
    track = item("a", 0, -1, 100, 155, file()) + fade + item("b", -1, 100, 195, 250, '<file id="f1"/>')
    a, fade_read, b = open_document(write(tmp_path, sequence(track))).project.tracks[0].items
    assert isinstance(a, Clip)
    assert isinstance(b, Clip)
    assert isinstance(fade_read, Transition)
    assert (a.record.stop, b.record.start) == (F(cut, 25), F(cut, 25))
    assert (a.source.start, b.source.start) == (F(90100, 25), F(90195 + cut - 45, 25))
    assert (fade_read.record, fade_read.kind) == (Span(F(45, 25), F(10, 25)), "SMPTE_Dissolve")


@pytest.mark.parametrize(
    ("remap", "first", "speed"),
    [
        (time_remap(speed=200, variablespeed=0), 40, F(2)),
        (time_remap(speed=50, variablespeed=0), 10, F(1, 2)),
        (time_remap(speed=100, reverse="TRUE", graphdict="<keyframe><when>0</when><value>999</value></keyframe><keyframe>"
                    "<when>999</when><value>0</value></keyframe>"), 979, F(-1)),
        (time_remap(speed=0, variablespeed=0), 20, F(0)),
        (time_remap(variablespeed=1, graphdict="<keyframe><when>0</when><value>0</value></keyframe><keyframe><when>20</when>"
                    "<value>40</value></keyframe><keyframe><when>70</when><value>65</value></keyframe>"), 40, F(1, 2)),
    ],
)  # fmt: skip
def test_speeds_are_read_from_the_filter(remap: str, first: int, speed: F, tmp_path: Path) -> None:
    (clip,) = clips(write(tmp_path, sequence(item("a", 0, 50, 20, 70, file() + remap))))
    assert clip.speed == speed
    assert clip.source_time(F(0)) == F(90000 + first, 25)


def test_nested_sequences_generators_and_disabled_clips(tmp_path: Path) -> None:
    inner = sequence(item("x", 0, 40, 0, 40, file()), name="inner")
    title = f'<generatoritem id="g"><name>Title</name>{P25}<start>20</start><end>30</end><effect><name>Text</name></effect></generatoritem>'
    off = item("b", 30, 40, 5, 15, '<file id="f1"/>').replace("<enabled>TRUE", "<enabled>FALSE")
    nest, text, last = (
        open_document(write(tmp_path, sequence(item("n", 0, 20, 10, 30, inner) + title + off))).project.tracks[0].items
    )
    assert isinstance(nest, Nest)
    assert (nest.source, nest.name) == (Span(F(10, 25), F(20, 25)), "n")
    assert isinstance(text, Clip)
    assert text.media.kind == "generator"
    assert isinstance(last, Clip)
    assert not last.enabled


def test_a_file_whose_only_definition_is_rendered_away_is_defined_where_it_is_named_next(tmp_path: Path) -> None:
    path = write(
        tmp_path, sequence(item("a", 0, 20, 100, 120, file()) + item("b", 20, 40, 300, 320, '<file id="f1"/>'))
    )
    document = open_document(path)
    first = next(document.project.clips())
    rendered = Rendered("V1/1", first.record, tmp_path / "r.mp4", first.source, first.source)
    text = document.relinked([rendered]).save(tmp_path / "out.xml").path.read_text()
    assert text.count('<file id="f1">') == 1
    assert '<file id="f1"/>' not in text
    for extra in tmp_path.glob("*.lp*.json"):
        extra.unlink()
    assert [c.media.name for c in clips(tmp_path / "out.xml")] == ["r.mp4", "a.mov"]


def test_keyframes_and_markers_move_along_with_a_render_and_links_stay_with_the_first_piece(tmp_path: Path) -> None:
    keys = (
        "<filter><effect><effectid>basic</effectid><parameter><parameterid>scale</parameterid><value>100</value>"
        "<keyframe><when>110</when><value>90</value></keyframe></parameter></effect></filter>"
    )
    marker = "<marker><comment/><name>here</name><in>112</in><out>-1</out></marker>"
    link = "<link><linkclipref>a</linkclipref></link><link><linkclipref>sound</linkclipref></link>"
    path = write(tmp_path, sequence(item("a", 0, 30, 100, 130, file() + keys + marker + link)))
    document = open_document(path)
    (clip,) = document.project.clips()
    record, start = Span(F(10, 25), F(10, 25)), clip.source_time(F(10, 25))
    rendered = Rendered("V1/1", record, tmp_path / "r.mp4", Span(start - F(4, 25), F(18, 25)), Span(start, F(10, 25)))
    root = parse(document.relinked([rendered]).save(tmp_path / "out.xml").path.read_bytes(), path).root
    track = root.find("sequence/media/video/track")
    assert track is not None
    left, middle, right = track.all("clipitem")
    assert [[p.value(t) for t in ("start", "end", "in", "out")] for p in (left, middle, right)] == [
        ["0", "10", "100", "110"], ["10", "20", "4", "14"], ["20", "30", "120", "130"],
    ]  # fmt: skip
    whens = [p.value("filter/effect/parameter/keyframe/when") for p in (left, middle, right)]
    assert whens == ["110", "4", "110"]
    assert [[m.value("in") for m in p.all("marker")] for p in (left, middle, right)] == [[], ["6"], []]
    assert [len(p.all("link")) for p in (left, middle, right)] == [2, 0, 0]
    assert len({p.attributes["id"] for p in (left, middle, right)}) == 3


# --- FCPXML ---------------------------------------------------------------------------------------------------------


def fcpxml(folder: Path, spine: str, more: str = "", rate: str = "1/25s") -> Path:
    path = folder / "cut.fcpxml"
    path.write_text(
        f'<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="1.10"><resources><format id="r1" frameDuration="{rate}"/>'
        '<format id="r3" frameDuration="1/25s"/><asset id="r2" name="a" start="3600s" duration="40s" hasVideo="1" format="r3">'
        f'<media-rep src="./Media/a%20b.mov"/></asset>{more}</resources><library><event><project name="p">'
        f'<sequence format="r1" tcStart="100s"><spine>{spine}</spine></sequence></project></event></library></fcpxml>'
    )
    return path


def test_offsets_count_in_the_parents_time_and_lanes_become_tracks(tmp_path: Path) -> None:
    path = fcpxml(tmp_path, (
        '<gap offset="100s" start="50s" duration="2s"><asset-clip ref="r2" lane="1" offset="51s" start="3610s" duration="2s"/></gap>'
        '<asset-clip ref="r2" offset="102s" start="3605s" duration="4s"><spine lane="2" offset="3606s">'
        '<asset-clip ref="r2" duration="1s"/><asset-clip ref="r2" start="3620s" duration="1s" enabled="0"/></spine></asset-clip>'
    ))  # fmt: skip
    project = open_document(path).project
    one, low, a, b = (next(c for c in project.clips() if c.place == p) for p in ("V2/1", "V1/1", "V3/1", "V3/2"))
    assert (one.record, one.source) == (Span(F(1), F(2)), Span(F(3610), F(2)))
    assert low.record == Span(F(2), F(4))
    assert (a.record, a.source.start) == (Span(F(3), F(1)), F(3600))
    assert (b.record, b.enabled) == (Span(F(4), F(1)), False)
    assert (project.start, project.rate) == (F(100), F(25))
    assert low.media.path == tmp_path / "Media" / "a b.mov"


@pytest.mark.parametrize(
    ("inside", "rate", "speed", "first"),
    [
        ('<timeMap><timept time="0s" value="3600s"/><timept time="80s" value="3640s"/></timeMap>', "1/25s", F(1, 2), F(3605)),
        ('<timeMap><timept time="0s" value="3640s"/><timept time="40s" value="3600s"/></timeMap>', "1/25s", F(-1), F(3630)),
        ('<timeMap><timept time="0s" value="3607s"/><timept time="80s" value="3607s"/></timeMap>', "1/25s", F(0), F(3607)),
        ('<conform-rate srcFrameRate="25"/>', "1001/24000s", F(24000, 25025), F(10)),
        ('<conform-rate scaleEnabled="0" srcFrameRate="25"/>', "1001/24000s", F(1), F(10)),
        ('<conform-rate srcFrameRate="50"/>', "1/25s", F(1), F(10)),
    ],
)  # fmt: skip
def test_time_maps_and_conformed_rates_are_speeds(inside: str, rate: str, speed: F, first: F, tmp_path: Path) -> None:
    (clip,) = clips(
        fcpxml(tmp_path, f'<asset-clip ref="r2" start="10s" duration="2s">{inside}</asset-clip>', rate=rate)
    )
    assert (clip.speed, clip.source_time(F(0))) == (speed, first)


def test_a_multicam_shows_its_active_angle_and_a_synchronised_clip_its_picture(tmp_path: Path) -> None:
    media = (
        '<media id="r9"><multicam format="r1"><mc-angle angleID="A"><asset-clip ref="r2" name="wide" duration="5s"/></mc-angle>'
        '<mc-angle angleID="B"><asset-clip ref="r2" name="close" duration="5s"/></mc-angle></multicam></media>'
    )
    cut = (
        '<mc-clip ref="r9" duration="3s"><mc-source angleID="B" srcEnable="video"/></mc-clip>'
        '<sync-clip duration="2s"><asset-clip ref="r2" name="synced" duration="2s"/></sync-clip>'
    )
    assert [(c.place, c.name) for c in clips(fcpxml(tmp_path, cut, media))] == [
        ("V1/1>V1/1", "close"),
        ("V1/2>V1/1", "synced"),
    ]


def test_a_compound_clip_inside_itself_is_refused(tmp_path: Path) -> None:
    media = '<media id="r9"><sequence format="r1"><spine><ref-clip ref="r9" duration="1s"/></spine></sequence></media>'
    with pytest.raises(ProjectError, match="inside itself"):
        open_document(fcpxml(tmp_path, '<ref-clip ref="r9" duration="1s"/>', media))


def test_a_bundle_is_opened_at_its_project(tmp_path: Path) -> None:
    bundle = tmp_path / "cut.fcpxmld"
    bundle.mkdir()
    fcpxml(bundle, '<asset-clip ref="r2" duration="2s"/>').rename(bundle / "Info.fcpxml")
    (clip,) = clips(bundle)
    assert clip.media.path == bundle / "Media" / "a b.mov"


# --- edit lists -----------------------------------------------------------------------------------------------------


def test_an_edit_list_has_dissolves_speeds_reels_and_sound(tmp_path: Path) -> None:
    (tmp_path / "a.edl").write_text(
        "TITLE: my list\r\nFCM: NON-DROP FRAME\r\n"
        "001  TAPE1    AA/V  C        01:00:00:00 01:00:02:00 10:00:00:00 10:00:02:00\r\n* FROM CLIP NAME: one\r\n"
        "002  TAPE1    V     C        01:00:02:00 01:00:02:00 10:00:02:00 10:00:02:00\r\n"
        "002  TAPE2    V     D    012 02:00:00:00 02:00:02:00 10:00:02:00 10:00:04:00\r\n* TO CLIP NAME: two\r\n"
        "003  BL       V     C        00:00:00:00 00:00:01:00 10:00:04:00 10:00:05:00\r\n"
        "004  TAPE3    V     C        03:00:00:00 03:00:01:00 10:00:05:00 10:00:07:00\r\n"
        "M2   TAPE3    012.5                03:00:00:00\r\n* FROM CLIP: /m/three.mov\r\n"
    )
    document = open_document(tmp_path / "a.edl", rate=F(25))
    one, fade, two, black, three = document.project.tracks[0].items
    assert isinstance(one, Clip)
    assert isinstance(fade, Transition)
    assert isinstance(two, Clip)
    assert isinstance(black, Gap)
    assert isinstance(three, Clip)
    assert (one.name, one.media.reel, two.name, three.speed) == ("one", "TAPE1", "two", F(1, 2))
    assert (fade.record, two.record) == (Span(F(2), F(12, 25)), Span(F(2), F(2)))
    assert three.source == Span(F(10800), F(1))
    assert three.media.path == Path("/m/three.mov")
    assert [t.kind for t in document.project.tracks] == ["video", "audio", "audio"]
    assert (document.project.name, document.project.start) == ("my list", F(36000))


def test_a_drop_frame_list_is_29_97_and_a_bad_time_names_its_line(tmp_path: Path) -> None:
    line = "001  A  V  C  {} 01:00:02;00 00:59:59;28 01:00:00;00\n"
    (tmp_path / "a.edl").write_text("TITLE: t\nFCM: DROP FRAME\n" + line.format("01:00:01;28"))
    project = open_document(tmp_path / "a.edl").project
    assert (project.rate, project.drop_frame) == (F(30000, 1001), True)
    (tmp_path / "a.edl").write_text("TITLE: t\nFCM: NON-DROP FRAME\n" + line.format("01:00:01;40").replace(";", ":"))
    with pytest.raises(ProjectError, match=r"line 3.*--rate"):
        open_document(tmp_path / "a.edl", rate=F(25))


LIST = (
    "TITLE: Déjà vu, die Übersicht\r\nFCM: NON-DROP FRAME\r\n\r\n"
    "001  AX       V     C        01:00:00:00 01:00:02:00 00:00:00:00 00:00:02:00\r\n* FROM CLIP NAME: café – été à Ängelholm.mov\r\n"
)  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("utf-8", ""), ("utf-8-sig", ""), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"),
        ("cp1252", "Windows"), ("mac_roman", "Macintosh"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mark", [b"", b"\xff\xfe", b"\xfe\xff"])
def test_an_edit_list_is_read_in_the_letters_it_was_written_in(mark: bytes, encoding: str, says: str, tmp_path: Path) -> None:
    if mark and encoding != {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}[mark]:
        return
    path = tmp_path / "cut.edl"
    path.write_bytes(mark + LIST.encode(encoding))
    document = open_document(path)
    assert document.project.name == "Déjà vu, die Übersicht"
    assert [c.name for c in document.project.clips()] == ["café – été à Ängelholm.mov"]
    assert [n for n in document.notes if "UTF" in n] == ([n for n in document.notes if says in n] if says else [])
    again = document.save(tmp_path / "again.edl")
    assert (tmp_path / "again.edl").read_bytes().decode("utf-8").count("café") == 1
    assert again.project.name == document.project.name


def test_latin_letters_alone_are_windows_and_a_list_of_noise_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "a.edl").write_bytes(LIST.replace("–", "-").encode("latin-1"))
    assert open_document(tmp_path / "a.edl").project.name == "Déjà vu, die Übersicht"
    (tmp_path / "b.edl").write_bytes(LIST.encode("utf-16") + b"\xd8" + bytes(range(256)))
    assert len(list(open_document(tmp_path / "b.edl").project.clips())) == 1


# --- several sequences, archives, media -----------------------------------------------------------------------------


def test_one_of_several_sequences_is_picked_by_name_or_number_and_the_first_is_the_default(tmp_path: Path) -> None:
    body = "".join(sequence(item(n, 0, 20, 0, 20, file(n, f"{n}.mov")), name=n) for n in ("one", "two"))
    path = write(tmp_path, f"<project><children><bin><children>{body}</children></bin></children></project>")
    assert list(open_document(path).sequences) == ["one", "two"]
    assert [open_document(path, name).project.name for name in (None, "two", "TWO", "2")] == [
        "one",
        "two",
        "two",
        "two",
    ]
    with pytest.raises(ProjectError, match="'one', 'two'"):
        open_document(path, "three")


def packed(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return path


OTIO = (
    b'{"OTIO_SCHEMA": "Clip.2", "name": "a", "media_references": {"DEFAULT_MEDIA": {"OTIO_SCHEMA": "ExternalReference.1", '
    b'"target_url": "media/a.mov", "available_range": {"OTIO_SCHEMA": "TimeRange.1", "start_time": {"OTIO_SCHEMA": '
    b'"RationalTime.1", "rate": 25, "value": 0}, "duration": {"OTIO_SCHEMA": "RationalTime.1", "rate": 25, "value": 50}}}}}'
)


def test_an_otioz_is_unpacked_beside_it_and_an_otiod_read_where_it_is(tmp_path: Path) -> None:
    archive = packed(tmp_path / "cut.otioz", {"content.otio": OTIO, "version.txt": b"1.0.0", "media/a.mov": b"film"})
    (clip,) = clips(archive)
    assert clip.media.path is not None
    assert clip.media.path.read_bytes() == b"film"
    (tmp_path / "elsewhere").mkdir()
    assert clips(open_document(archive).save(tmp_path / "elsewhere" / "cut.otio").path)[0].media.path == clip.media.path
    folder = tmp_path / "cut.otiod"
    (folder / "media").mkdir(parents=True)
    (folder / "content.otio").write_bytes(OTIO)
    assert clips(folder)[0].media.path == folder / "media" / "a.mov"


@pytest.mark.parametrize("name", ["../out.mov", "/etc/out.mov", "media/../../out.mov", "C:/out.mov"])
def test_an_archive_that_reaches_outside_is_refused(name: str, tmp_path: Path) -> None:
    archive = packed(tmp_path / "cut.otioz", {"content.otio": OTIO, name: b"x"})
    with pytest.raises(ProjectError, match="outside its folder"):
        open_document(archive)
    assert not (tmp_path.parent / "out.mov").exists()


@pytest.mark.parametrize(
    ("there", "named", "reel"),
    [
        ("deep/down/a b.mov", "a b.mov", ""), ("A B.MOV", "a b.mov", ""), ("x/a b.mp4", "a b.mov", ""),
        (unicodedata.normalize("NFD", "été.mov"), "été.mov", ""), ("cards/A001C003_240101.mov", "nothing.mov", "A001C003"),
    ],
)  # fmt: skip
def test_media_are_found_by_name_whatever_its_letters_and_by_reel(
    there: str, named: str, reel: str, tmp_path: Path
) -> None:
    (tmp_path / "footage" / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "footage" / there).write_bytes(b"x")
    path = write(tmp_path, sequence(item("clip", 0, 20, 0, 20, file(name=named).replace("R1", reel))))
    (clip,) = open_document(path, media=Search((tmp_path / "footage",))).project.clips()
    assert clip.media.path == tmp_path / "footage" / there


def test_of_several_files_of_one_name_that_with_the_timecode_counts_then_that_with_like_folders(tmp_path: Path) -> None:
    for day in ("day 1", "day 2", "day 3"):
        (tmp_path / "footage" / day).mkdir(parents=True)
        (tmp_path / "footage" / day / "a.mov").write_bytes(b"x")
    named = file().replace("/m/a.mov", "/Volumes/card/day%202/a.mov")
    path = write(tmp_path, sequence(item("clip", 0, 20, 0, 20, named)))

    def found(covers: Callable[[Path, Clip], bool] | None) -> str:
        (clip,) = open_document(path, media=Search((tmp_path / "footage",), covers)).project.clips()
        assert clip.media.path is not None
        return clip.media.path.parent.name

    assert found(None) == "day 2"
    assert found(lambda file, _: "3" in file.parent.name) == "day 3"


# --- broken and hostile files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ('<!DOCTYPE xmeml [<!ENTITY a "b">]>', "declares the entity"),
        ('<!DOCTYPE xmeml [<!ENTITY a SYSTEM "file:///etc/passwd">]>', "declares the entity"),
        ('<!DOCTYPE xmeml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>', "declares the entity"),
        ('<!DOCTYPE xmeml [<!ENTITY % a SYSTEM "http://example.com/x.dtd">%a;]>', "declares the entity"),
    ],
)
def test_entities_are_refused(head: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=says):
        open_document(write(tmp_path, "", head=head))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<xmeml><sequence>", "not well-formed"), (b"<xmeml/>", "no sequence"), (b"<a>" * 500 + b"</a>" * 500, "too deeply"),
        (b"<?xml version='1.0' encoding='nonsense'?><xmeml/>", "not text in nonsense"), (b"\xff\xfe<\x00x\x00", "not"),
        (b"", "no project that can be read"), (b"\x00\x01\x02", "no project"), (b"<html/>", "<html> file"),
        (b"<fcpxml/>", "no sequence"), (b"PK\x03\x04broken", "unpacked"), (b"{}", "OTIO_SCHEMA"), (b"TITLE: x\n", "no event"),
        (b'<fcpxml><project><sequence duration="nan"/></project></fcpxml>', ""),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_sentence_that_names_it(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.xml"
    path.write_bytes(content)
    if not says:
        assert open_document(path).notes == ["'project 1' holds no clips"]
        return
    with pytest.raises(ProjectError, match=says) as error:
        open_document(path)
    assert "broken.xml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["", "x", "1e999", "99999999999999999999", "-5", "1/0", "nan"])
@pytest.mark.parametrize(
    "field", ["<start>0<", "<end>20<", "<in>100<", "<timebase>25<", "<frame>90000<", "<duration>1000<"]
)
def test_hostile_numbers_of_an_xmeml_are_an_error_or_make_sense(value: str, field: str, tmp_path: Path) -> None:
    text = write(tmp_path, sequence(item("a", 0, 20, 100, 120, file()))).read_text()
    tag = field.split(">")[0]
    path = tmp_path / "odd.xml"
    path.write_text(text.replace(field, f"{tag}>{value}<"))
    try:
        project: Project | None = open_document(path).project
    except LpEditorError as error:
        project = None
        said = str(error)
    assert project is not None or "\n" not in said


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=30), st.integers(0, 2000))
def test_a_damaged_file_is_never_a_crash(noise: bytes, at: int) -> None:
    body = sequence(item("a", 0, 20, 100, 120, file()))
    content = f'<?xml version="1.0" encoding="UTF-8"?><xmeml version="5">{body}</xmeml>'.encode()
    try:
        dialects.read(content[:at] + noise + content[at + len(noise) :], Path("x.xml"), dialects.Asked())
    except LpEditorError:
        return


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_fcpxml_in_utf_16_is_read_patched_and_written_in_utf_16(encoding: str, mark: bool, tmp_path: Path) -> None:
    asset = '<resources><asset id="r1" name="é" src="file:///m/a.mov" hasVideo="1" duration="9s"/></resources>'
    clip = '<sequence><spine><asset-clip ref="r1" name="é" offset="0s" duration="4s"/></spine></sequence>'
    text = f'<?xml version="1.0" encoding="UTF-16"?>\n<fcpxml version="1.9">{asset}<project name="p">{clip}</project></fcpxml>\n'
    path = tmp_path / "cut.fcpxml"
    path.write_bytes((("\ufeff" if mark else "") + text).encode(encoding))
    document = open_document(path)
    ((shown,),) = [list(document.project.clips())]
    assert shown.name == "é"
    segment = Segment("s1", "expression", Span(F(1), F(1)), {"smile": 0.5})
    out = document.replace(add_segment(document.project, shown, segment)).save(tmp_path / "out.fcpxml").path
    written = out.read_bytes()
    assert written.startswith(path.read_bytes()[:40])
    assert "lp expression smile=0.5" in written.decode(encoding)
    assert [m.name for c in open_document(out).project.clips() for m in c.markers] == ["lp expression smile=0.5 for=25f id=s1"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso-8859-1", "utf-16-be"])
def test_the_encoding_of_a_file_is_kept(encoding: str, tmp_path: Path) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<xmeml version="5">{sequence(item("é", 0, 20, 0, 20, file()))}</xmeml>\n'
    path = tmp_path / "cut.xml"
    path.write_bytes((b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding))
    document = open_document(path)
    assert [c.name for c in document.project.clips()] == ["é"]
    assert document.save(tmp_path / "out.xml").path.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["out.xml", "out.fcpxml", "out.otio"])
@pytest.mark.parametrize(
    "where", ["file://localhost/D%3a/my%20media/x.mov", "file:///Volumes/a%23b/x.mov", "file://nas/share/x.mov"]
)
def test_media_of_other_systems_go_out_as_they_came(where: str, name: str, tmp_path: Path) -> None:
    path = write(tmp_path, sequence(item("a", 0, 20, 0, 20, file().replace("file://localhost/m/a.mov", where))))
    document = open_document(path)
    plain = document.save(tmp_path / "plain.otio")
    assert clips(plain.save(tmp_path / name).path)[0].media.path == clips(path)[0].media.path


def test_events_of_a_list_that_is_sorted_by_source_are_counted_as_they_are_shown(tmp_path: Path) -> None:
    lines = [f"00{n}  A{n}  V  C  01:00:00:00 01:00:01:00 00:00:0{at}:00 00:00:0{at + 1}:00" for n, at in ((1, 2), (2, 0), (3, 1))]
    (tmp_path / "c.edl").write_text("TITLE: t\n" + "\n".join(lines) + "\n")
    found = clips(open_document(tmp_path / "c.edl", rate=F(25)).path)
    assert [(c.place, c.name, c.record.start) for c in found] == [("V1/1", "A2", F(0)), ("V1/2", "A3", F(1)), ("V1/3", "A1", F(2))]


def test_a_file_that_is_only_read_says_what_it_can_be_saved_as(tmp_path: Path) -> None:
    (tmp_path / "a.edl").write_text("TITLE: t\n001  A  V  C  01:00:00:00 01:00:02:00 00:00:00:00 00:00:02:00\n")
    document = open_document(tmp_path / "a.edl", rate=F(25))
    with pytest.raises(OutputError, match=r"\.otio, \.xml, \.fcpxml"):
        document.save(tmp_path / "a.txt")
    assert len(clips(document.save(tmp_path / "a.otio").path)) == 1


def test_transitions_lie_at_the_nearest_cut_in_order() -> None:
    gaps = [Gap(Span(F(n), F(1))) for n in range(3)]
    across = [Transition(Span(F(4 * n + k, 4) - F(1, 8), F(1, 4))) for n, k in ((0, 0), (1, 0), (1, 1), (3, 0))]
    assert laid([*across, *reversed(gaps)]) == (
        across[0], gaps[0], across[1], across[2], gaps[1], gaps[2], across[3],
    )  # fmt: skip
    assert laid(across[:1]) == (across[0],)
