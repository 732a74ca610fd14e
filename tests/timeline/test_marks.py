"""Marks made in an NLE as the texts of markers, in every dialect, and our marks written out as markers."""

from __future__ import annotations

import json
from contextlib import suppress
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_editor import verbs
from lp_editor.errors import ProjectError
from lp_editor.marking import meant
from lp_editor.registry import Registry
from lp_editor.timeline import marks
from lp_editor.timeline.curve import Curve
from lp_editor.timeline.document import open_document, undo
from lp_editor.timeline.marks import parsed
from lp_editor.timeline.model import Clip, Ease, Joint, Media, Segment, Span

REGISTRY = Registry.installed()


def xmeml(folder: Path, clip_markers: str = "", program_markers: str = "") -> Path:
    """Two clips that meet at frame 50, of media whose timecode starts at one hour."""
    rate = "<rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate>"
    file = (
        f'<file id="f1"><name>a b#1.mov</name><pathurl>file://localhost/m/a%20b%231.mov</pathurl>{rate}<duration>500</duration>'
        f"<timecode>{rate}<string>01:00:00:00</string><frame>90000</frame></timecode><media><video/></media></file>"
    )
    clips = (
        f'<clipitem id="c1"><name>first</name>{rate}<start>0</start><end>50</end><in>100</in><out>150</out>{file}'
        f'{clip_markers}</clipitem>\n<clipitem id="c2"><name>second</name>{rate}<start>50</start><end>100</end><in>200</in>'
        f'<out>250</out><file id="f1"/></clipitem>'
    )
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n<xmeml version="4"><sequence id="s"><name>cut</name>{rate}'
        f"<media><video><track>{clips}</track></video></media>{program_markers}</sequence></xmeml>\n"
    )
    path = folder / "cut.xml"
    path.write_text(text, encoding="utf-8")
    return path


def marker(name: str, start: int, stop: int = -1, note: str = "") -> str:
    return f"<marker><comment>{note}</comment><name>{name}</name><in>{start}</in><out>{stop}</out></marker>"


def opened(path: Path) -> verbs.Document:
    return verbs.open_project(path, registry=REGISTRY)


def clips(path: Path) -> list[Clip]:
    return list(opened(path).project.clips())


def test_a_marker_with_a_length_becomes_a_segment_over_it(tmp_path: Path) -> None:
    (segment,) = clips(xmeml(tmp_path, marker("lp expression smile=.6 ease=12f", 110, 130)))[0].segments
    assert segment.span == Span(F(90110, 25), F(20, 25))
    assert segment.params == {"smile": Curve.constant(0.6)}
    assert segment.ease == Ease(F(12, 25), F(12, 25))


def test_a_point_marker_reaches_to_the_next_marker_or_the_clips_end(tmp_path: Path) -> None:
    two = marker("lp smile", 110) + marker("check focus", 125)
    assert clips(xmeml(tmp_path, two))[0].segments[0].span == Span(F(90110, 25), F(15, 25))
    assert clips(xmeml(tmp_path, marker("lp smile", 110)))[0].segments[0].span == Span(F(90110, 25), F(40, 25))


def test_the_note_of_a_marker_counts_as_its_name_does_and_may_say_several_things(tmp_path: Path) -> None:
    path = xmeml(tmp_path, marker("notes", 110, 130, "nice take\nlp smile\nLP: gaze x=0.3, face 2"))
    smile, gaze = clips(path)[0].segments
    assert (smile.effect, smile.params) == ("expression", REGISTRY.preset("smile").params)
    assert (gaze.effect, gaze.face, gaze.params) == ("gaze", "2", {"x": Curve.constant(0.3)})


def test_a_timeline_marker_across_a_cut_marks_both_clips(tmp_path: Path) -> None:
    first, second = clips(xmeml(tmp_path, "", marker("lp expression smile=.5", 40, 60)))
    assert [s.span for s in first.segments] == [Span(F(90140, 25), F(10, 25))]
    assert [s.span for s in second.segments] == [Span(F(90200, 25), F(10, 25))]
    assert first.segments[0].id != second.segments[0].id


def test_a_timeline_point_goes_to_the_end_of_its_clip(tmp_path: Path) -> None:
    first, second = clips(xmeml(tmp_path, "", marker("lp smile", 40)))
    assert [s.span for s in first.segments] == [Span(F(90140, 25), F(10, 25))]
    assert second.segments == ()


@pytest.mark.parametrize(("clip_marker", "at"), [(False, 52), (True, 149), (False, 49)])
def test_stitch_at_a_cut_becomes_a_joint(clip_marker: bool, at: int, tmp_path: Path) -> None:
    text = marker("lp stitch 12f", at)
    first = clips(xmeml(tmp_path, text) if clip_marker else xmeml(tmp_path, "", text))[0]
    assert first.joint is not None
    assert (first.joint.effect, first.joint.before, first.joint.after) == ("stitch", F(6, 25), F(6, 25))


@pytest.mark.parametrize(
    ("text", "word", "params", "length"),
    [
        ("expression smile=.6 ease=12f", "expression", {"smile": ".6", "ease": "12f"}, None),
        ("Expression  smile = .6 ; ease = 6f,12f", "expression", {"smile": ".6", "ease": "6f,12f"}, None),
        ("stitch 12 frames", "stitch", {}, "12f"), ("stitch 12F", "stitch", {}, "12f"), ("stitch .5s", "stitch", {}, ".5s"),
        ("smile for 2 seconds", "smile", {}, "2s"), ("smile ease 12 frames face 2", "smile", {"ease": "12f", "face": "2"}, None),
        ("smile.", "smile", {}, None),
        ("preset=warm-smile", "warm-smile", {}, None), ('say text="good morning"', "say", {"text": "good morning"}, None),
        ("gaze x=0@0,0.7@6f:smooth,0@20f", "gaze", {"x": "0@0,0.7@6f:smooth,0@20f"}, None),
    ],
)  # fmt: skip
def test_texts_are_read_kindly(text: str, word: str, params: dict[str, str], length: str | None) -> None:
    read = parsed(text, "here")
    assert (read.word, read.params, read.length) == (word, params, length)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_is_a_project_error(text: str) -> None:
    with suppress(ProjectError):
        assert parsed(text, "marker x").word


@pytest.mark.parametrize(
    ("text", "says"),
    [("lp", "not what"), ("lp smlie", "did you mean smile"), ("lp expression smile=9", "must stay in"),
     ("lp expression smile=.5 whoops", "neither"), ("lp expression grin=1", "no parameter 'grin'"),
     ("lp expression smile=1 smile=2", "twice"), ("lp smile face=0", "face is"), ("lp smile for=0f", "some length")],
)  # fmt: skip
def test_an_error_names_the_marker_and_its_timecode(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=says) as error:
        opened(xmeml(tmp_path, marker(text, 110, 130)))
    assert f'marker "{text}" at source 01:00:04:10 of clip "first" (V1/1)' in str(error.value)


@pytest.mark.parametrize("text", ["60%", "60 %", "0,6", ".6", "0.6"])
def test_numbers_are_read_as_people_write_them(text: str) -> None:
    assert meant("expression", {"smile": text}, REGISTRY, F(25)).params["smile"] in (0.6, Curve.constant(0.6))


def test_an_error_of_a_timeline_marker_names_its_record_timecode(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r'marker "lp nothing" at 00:00:01:15: no effect or preset'):
        opened(xmeml(tmp_path, "", marker("lp nothing", 40)))


def test_a_marker_on_media_that_the_clip_does_not_show_marks_nothing_there(tmp_path: Path) -> None:
    both = marker("lp smile", 210, 220) + marker("lp wink", 150) + marker("lp gaze x=.3 for 1s", 90)
    text = xmeml(tmp_path, both).read_text(encoding="utf-8")
    (tmp_path / "cut.xml").write_text(text.replace('<file id="f1"/></clipitem>', f'<file id="f1"/>{both}</clipitem>'))
    first, second = clips(tmp_path / "cut.xml")
    assert [(s.effect, s.span.start - 3600, s.span.duration) for s in first.segments] == [("gaze", F(4), F(15, 25))]
    assert [(s.effect, s.span.start - 3600, s.span.duration) for s in second.segments] == [("expression", F(210, 25), F(10, 25))]
    (note,) = opened(tmp_path / "cut.xml").notes
    assert note == 'marker "lp wink" at source 01:00:06:00 of clip "first" (V1/1): its clip does not show that, so it marks nothing'
    (tmp_path / "cut.xml").unlink()
    assert clips(xmeml(tmp_path, marker("lp stitch", 300)))[0].joint is None


def test_markers_that_are_not_ours_say_nothing(tmp_path: Path) -> None:
    assert not any(c.segments for c in clips(xmeml(tmp_path, marker("lpx", 110) + marker("help smile", 120))))


def test_a_mark_taken_back_stays_away_though_its_marker_is_still_in_the_file(tmp_path: Path) -> None:
    path = xmeml(tmp_path, marker("lp smile", 110))
    before = path.read_bytes()
    changed, gone = verbs.unmark(opened(path))
    changed.save()
    assert len(gone) == 1
    assert path.read_bytes() == before
    assert clips(path)[0].segments == ()
    assert undo(path) == 0
    assert len(clips(path)[0].segments) == 1


def test_marks_made_here_are_kept_beside_the_file_and_survive_a_new_export_of_it(tmp_path: Path) -> None:
    path = xmeml(tmp_path)
    made = verbs.mark(opened(path), "expression", clip="second", params={"smile": ".5"}, registry=REGISTRY)
    made.document.save()
    assert clips(path)[1].segments == (made.mark,)
    path.write_text(path.read_text().replace("<in>200</in>", "<in>205</in>").replace("<start>50<", "<start>55<"))
    assert clips(path)[1].segments == (made.mark,)


def test_a_mark_is_written_as_a_marker_and_read_from_it_alone(tmp_path: Path) -> None:
    path = xmeml(tmp_path)
    document = verbs.mark(opened(path), "expression", clip="first", at="10f", length="20f", params={
        "smile": "0@0,0.7@6f:smooth,0@20f", "ease": "2f,3f", "face": "2"}, registry=REGISTRY).document  # fmt: skip
    document = verbs.mark(document, "stitch", clip="first", length="6f", registry=REGISTRY).document
    out = document.save(tmp_path / "out.xml").path
    (tmp_path / "out.xml.lp.json").unlink()
    was, now = (next(d.project.clips()) for d in (document, opened(out)))
    assert now.segments == was.segments
    assert now.joint == was.joint
    taken, _ = verbs.unmark(opened(out))
    taken.save(tmp_path / "clean.xml")
    assert b"lp " not in (tmp_path / "clean.xml").read_bytes()
    assert (tmp_path / "clean.xml").read_bytes() == path.read_bytes()


def test_a_timeline_marker_goes_with_its_marks_and_stays_while_they_are_right(tmp_path: Path) -> None:
    path = xmeml(tmp_path, "", marker("lp expression smile=.5", 40, 60))
    document = opened(path)
    document.save(tmp_path / "same.xml")
    assert (tmp_path / "same.xml").read_bytes() == path.read_bytes()
    changed = verbs.set_key(document, next(document.project.clips()).segments[0].id, "smile", "0f", 0.9, "linear")
    changed.save(tmp_path / "more.xml")
    (tmp_path / "more.xml.lp.json").unlink()
    first, second = clips(tmp_path / "more.xml")
    assert first.segments[0].params == {"smile": Curve.constant(0.9)}
    assert second.segments[0].params == {"smile": Curve.constant(0.5)}


def otio_file(folder: Path, clip_marker: dict[str, Any] | None, stack_marker: dict[str, Any] | None) -> Path:
    def time(value: float) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "value": value, "rate": 25}

    def span(start: float, count: float) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start), "duration": time(count)}

    def node(given: dict[str, Any] | None) -> list[dict[str, Any]]:
        if given is None:
            return []
        kept = {k: v for k, v in given.items() if k not in ("start", "count")}
        return [{"OTIO_SCHEMA": "Marker.2", "marked_range": span(given["start"], given["count"]), "name": "", **kept}]

    media = {"OTIO_SCHEMA": "ExternalReference.1", "target_url": "a.mov", "available_range": span(90000, 500)}
    clip = {"OTIO_SCHEMA": "Clip.1", "name": "a", "source_range": span(90100, 50), "media_reference": media,
            "markers": node(clip_marker)}  # fmt: skip
    stack = {"OTIO_SCHEMA": "Stack.1", "markers": node(stack_marker),
             "children": [{"OTIO_SCHEMA": "Track.1", "kind": "Video", "children": [clip]}]}  # fmt: skip
    tree = {"OTIO_SCHEMA": "Timeline.1", "name": "t", "global_start_time": time(90000), "tracks": stack}
    path = folder / "t.otio"
    path.write_text(json.dumps(tree))
    return path


@pytest.mark.parametrize(
    ("given", "on_clip"),
    [
        ({"name": "lp expression smile=.6", "start": 90110, "count": 20}, True),
        ({"comment": "lp expression smile=.6", "start": 90110, "count": 20}, True),
        ({"metadata": {"Resolve_OTIO": {"Note": "lp expression smile=.6"}}, "start": 90110, "count": 20}, True),
        ({"name": "lp expression smile=.6 for=20f", "start": 90110, "count": 1}, True),
        ({"name": "lp expression smile=.6", "start": 10, "count": 20}, False),
        ({"name": "lp expression smile=.6", "start": 90010, "count": 20}, False),
    ],
)
def test_markers_of_an_otio_are_read_where_each_application_keeps_them(
    given: dict[str, Any], on_clip: bool, tmp_path: Path
) -> None:
    path = otio_file(tmp_path, given if on_clip else None, None if on_clip else given)
    document = opened(path)
    (segment,) = next(document.project.clips()).segments
    assert segment.span == Span(F(90110, 25), F(20, 25))
    before = json.loads(path.read_text())
    document.save()
    assert json.loads(path.read_text()) == before
    changed, _ = verbs.unmark(opened(path))
    changed.save()
    assert "lp expression" not in path.read_text()
    assert next(opened(path).project.clips()).segments == ()


def test_fcpxml_and_edit_lists_bear_marks_too(tmp_path: Path) -> None:
    (tmp_path / "a.fcpxml").write_text(
        '<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="1.10"><resources><format id="r1" frameDuration="1/25s"/>'
        '<asset id="r2" start="3600s" duration="20s" hasVideo="1" format="r1"><media-rep src="file:///a.mov"/></asset>'
        '</resources><project name="p"><sequence format="r1" tcStart="0s"><spine><asset-clip ref="r2" offset="0s" '
        'start="3604s" duration="2s"><marker start="18022/5s" duration="1/25s" value="lp smile for=20f"/></asset-clip>'
        "</spine></sequence></project></fcpxml>"
    )
    (tmp_path / "a.edl").write_text(
        "TITLE: t\n001  A001 V C 01:00:04:00 01:00:06:00 10:00:00:00 10:00:02:00\n"
        "* FROM CLIP NAME: a\n* LOC: 10:00:00:10 RED lp smile for 20f\n"
    )
    for name, rate in (("a.fcpxml", None), ("a.edl", "25")):
        document = verbs.open_project(tmp_path / name, rate=rate, registry=REGISTRY)
        (segment,) = next(c for c in document.project.clips()).segments
        assert segment.span == Span(F(18022, 5), F(20, 25)), name


@settings(deadline=None)
@given(
    st.integers(0, 30), st.integers(1, 30), st.dictionaries(
        st.sampled_from(["smile", "frown", "blink", "yaw"]), st.floats(-1, 1).map(lambda v: round(v, 6)), max_size=3),
    st.none() | st.tuples(st.integers(0, 20), st.integers(0, 20)),
)  # fmt: skip
def test_a_segment_survives_its_text(
    first: int, count: int, params: dict[str, float], ease: tuple[int, int] | None
) -> None:
    rate = F(24000, 1001)
    clip = Clip("c", "c", Media("file", "a"), Span(F(100), F(70) / rate), Span(F(0), F(70) / rate), rate)
    eased = Ease(F(ease[0]) / rate, F(ease[1]) / rate) if ease else None
    curves = {n: Curve.constant(v) for n, v in params.items()}
    segment = Segment("s7", "expression", Span(F(100) + first / rate, count / rate), curves, "3", eased)
    read = parsed(marks.segment_text(segment, clip, rate).removeprefix("lp "), "here")
    assert read.params.pop("id") == "s7"
    meaning = meant(read.word, dict(read.params), REGISTRY, rate)
    assert (meaning.params, meaning.face, meaning.ease) == (curves, "3", eased)
    assert read.length == f"{count}f"
    joint = Joint("j", "stitch", F(3) / rate, F(4) / rate)
    assert parsed(marks.joint_text(joint, rate).removeprefix("lp "), "here").length == "7f"


def test_without_the_words_understood_markers_are_left_alone(tmp_path: Path) -> None:
    path = xmeml(tmp_path, marker("lp no-such-thing", 110))
    open_document(path).save(tmp_path / "same.xml")
    assert (tmp_path / "same.xml").read_bytes() == path.read_bytes()
