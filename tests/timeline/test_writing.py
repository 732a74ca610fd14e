"""Projects written from the model into every dialect, read again: every record frame shows the source frame it showed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F
from math import floor
from pathlib import Path

import pytest

from lp_editor.timeline.curve import Curve
from lp_editor.timeline.dialects import markup
from lp_editor.timeline.document import Document, new_document, open_document
from lp_editor.timeline.edit import add_joint, add_segment
from lp_editor.timeline.model import (
    Clip,
    Gap,
    Item,
    Joint,
    Marker,
    Media,
    Nest,
    Project,
    Segment,
    Span,
    Track,
    Transition,
)
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.returned import MANIFEST

RATE = F(24000, 1001)
NAMES = ("a plain one.mov", "with #hash & 100%.mov", "été déjà vu.mov", "中文 片段.mov", "e.mov", 'f\'ive "six".mov')
RATES = (F(24000, 1001), F(25), F(30000, 1001), F(24000, 1001), F(25), F(30000, 1001))
FRAMES = (60, 48, 55, 40, 50, 47)
SPEEDS = (F(1), F(1), F(1), F(1), F(1, 2), F(1))


def medium(folder: Path, number: int) -> Media:
    rate, name = RATES[number], NAMES[number]
    path = folder / "media of mine" / name
    return Media(
        "file", name, str(path), path, Span(F(90_000 + 11 * number) / rate, F(2000) / rate), rate, f"A00{number}"
    )


def row(folder: Path, kind: str) -> Track:
    """Six clips, a gap after the second, a dissolve between the third and the fourth, the fifth at half speed."""
    items: list[Item] = []
    at = F(0)
    for n in range(6):
        media = medium(folder, n)
        assert media.available is not None
        record = Span(at, FRAMES[n] / RATE)
        source = Span(media.available.start + (100 + 7 * n) / RATES[n], record.duration * SPEEDS[n])
        markers = (Marker("check focus", "soft", Span(source.start + 10 / RATES[n], F(0))),) if n == 0 else ()
        place = f"{kind[0].upper()}1/{n + 1}"
        items.append(Clip("", f"shot {n}", media, source, record, RATES[n], SPEEDS[n], place=place, markers=markers))
        at = record.stop
        if n == 1:
            items.append(Gap(Span(at, 10 / RATE)))
            at += 10 / RATE
        if n == 2:
            items.append(Transition(Span(at - 6 / RATE, 12 / RATE), "Cross Dissolve"))
    return Track(f"{kind} of mine", "audio" if kind == "audio" else "video", tuple(items))


def six(folder: Path) -> Document:
    """The cut of the bar: six clips in picture, and two sound tracks."""
    sound = row(folder, "audio")
    second = replace(
        sound,
        items=tuple(
            replace(i, place=i.place.replace("A1", "A2")) if isinstance(i, Clip) else i for i in sound.items[:2]
        ),
    )
    markers = (Marker("act two", "", Span(70 / RATE, F(0))),)
    project = Project(
        "the cut, #1 & more", RATE, F(3600 * 1001, 1000), (row(folder, "video"), sound, second), markers=markers
    )
    return new_document(folder / "cut.otio", project)


def shown(project: Project, kind: str = "V") -> dict[int, tuple[str, int]]:
    """Of every record frame of a project's first track of a kind the clip and the source frame it shows."""
    found = {}
    for clip in project.clips():
        if clip.place.startswith(f"{kind}1/") and ">" not in clip.place:
            frame = -floor(-clip.record.start * project.rate)
            while F(frame) / project.rate < clip.record.stop:
                time = clip.source_time(F(frame) / project.rate)
                found[frame] = (clip.name, floor(time * clip.rate + F(1, 10**6)))
                frame += 1
    return found


@pytest.mark.parametrize("name", ["out.otio", "resolve.otio", "out.xml", "out.fcpxml"])
def test_a_cut_of_six_clips_shows_every_frame_as_before(name: str, tmp_path: Path) -> None:
    document = six(tmp_path)
    again = document.save(tmp_path / name, "resolve" if name.startswith("resolve") else "").project
    assert (again.rate, again.start) == (document.project.rate, document.project.start)
    assert shown(again) == shown(document.project)
    assert len(shown(again)) == sum(FRAMES)
    assert {c.media.path for c in again.clips()} == {c.media.path for c in document.project.clips()}
    assert [c.media.reel for c in again.clips() if c.place.startswith("V1/")] == [f"A00{n}" for n in range(6)]
    fades = [i for i in again.tracks[0].items if isinstance(i, Transition)]
    assert [(round(f.record.start * RATE), round(f.record.duration * RATE)) for f in fades] == [(167, 12)]
    notes = [(m.name, m.note) for c in again.clips() for m in c.markers if c.place.startswith("V")]
    on_clips = [("act two", "")] if name == "out.fcpxml" else []  # which has no markers of a timeline
    assert notes == [("check focus", "soft"), *on_clips]
    assert sum(t.kind == "audio" for t in again.tracks) == 2


@pytest.mark.parametrize("name", ["out.otio", "out.xml", "out.fcpxml"])
def test_the_sound_is_where_it_was(name: str, tmp_path: Path) -> None:
    document = six(tmp_path)
    again = document.save(tmp_path / name).project
    assert shown(again, "A") == shown(document.project, "A")


def test_an_edit_list_keeps_the_cuts_and_says_what_it_loses(tmp_path: Path) -> None:
    document = six(tmp_path)
    saved = document.save(tmp_path / "out.edl")
    again = open_document(tmp_path / "out.edl", rate=RATE).project
    ours, theirs = shown(document.project), shown(again)
    away = [f for f in ours if not 160 <= f < 185]
    assert all(abs(ours[f][1] / RATES[int(ours[f][0][-1])] - theirs[f][1] / RATE) <= 2 / RATE for f in away)
    said = [line for line in saved.losses if "V1" in line or "the cut" in line]
    assert said == [
        'V1/1 shot 0: of the marker "check focus" only the name and the first frame are in the list',
        *(f"V1/{n + 1} shot {n}: its source lies between frames of the program, in which a list counts; it may be a "
          "frame off" for n in (1, 2, 4)),
        'the cut, #1 & more: the marker "act two" of the timeline hangs on the clip under it',
    ]  # fmt: skip
    assert [c.speed for c in again.clips() if c.place.startswith("V")] == [*SPEEDS]
    locators = [line for line in (tmp_path / "out.edl").read_text().splitlines() if "LOC" in line]
    assert [line.split()[-2:] for line in locators] == [["check", "focus"], ["act", "two"]]
    nested = replace(document.project, tracks=(*document.project.tracks[:1], *document.project.tracks))
    lost = replace(document, project=nested).save(tmp_path / "two.edl").losses
    assert [line for line in lost if "one picture track" in line] == [
        "video of mine: an edit list has one picture track and four of sound; this one is left out"
    ]


def test_fcpxml_says_what_becomes_of_tracks_and_markers_and_of_sound_that_is_off(tmp_path: Path) -> None:
    media = Media("file", "a.mov", str(tmp_path / "a.mov"), tmp_path / "a.mov", Span(F(0), F(100)), F(25))

    def row(kind: str, on: bool, *markers: Marker, track: bool = True) -> Track:
        span = Span(F(0), F(2))
        clip = Clip(
            "", "a", media, Span(F(1), F(2)), span, F(25), enabled=on, place=f"{kind[0].upper()}1/1", markers=markers
        )
        return Track(f"{kind} one", "audio" if kind == "audio" else "video", (clip,), track)

    note = Marker("hum", "", Span(F(2), F(0)))
    late = (Marker("here", "", Span(F(1), F(0))), Marker("late", "", Span(F(9), F(0))))
    project = Project("p", F(25), F(0), (row("video", True), row("audio", False, note)), markers=late)
    saved = new_document(tmp_path / "p.otio", project).save(tmp_path / "p.fcpxml", size=(1280, 720))
    assert [(c.place[0], c.enabled) for c in saved.project.clips()] == [("V", True), ("A", False)]
    assert list(saved.losses) == [
        "video one: names of tracks are not in FCPXML", "audio one: names of tracks are not in FCPXML",
        'A1/1 a: the marker "hum" of its sound is not written in FCPXML',
        'p: the marker "here" of the timeline hangs on the clip under it', 'p: the marker "late" lies past the end; left out',
    ]  # fmt: skip
    assert 'width="1280"' in (tmp_path / "p.fcpxml").read_text()
    off = replace(project, tracks=(row("video", True, track=False), row("audio", True, note)), markers=())
    saved = new_document(tmp_path / "q.otio", off).save(tmp_path / "q.fcpxml")
    assert [(c.place[0], c.enabled) for c in saved.project.clips()] == [("V", False), ("A", True)]
    assert "video one: the track is switched off; FCPXML switches each of its clips off" in saved.losses


@pytest.mark.parametrize("speed", [F(1, 3), F(37, 100), F(2), F(-1), F(110, 100)])
@pytest.mark.parametrize("rate", [F(24000, 1001), F(25), F(30000, 1001)])
def test_an_edit_list_keeps_speeds_or_says_what_became_of_them(speed: F, rate: F, tmp_path: Path) -> None:
    media = Media("file", "a.mov", "/m/a.mov", Path("/m/a.mov"), Span(F(0), F(100)), rate, "A001_C002_LONG")
    clip = Clip("", "a", media, Span(24 / rate, 48 * abs(speed) / rate), Span(F(0), 48 / rate), rate, speed, place="V1/1")
    document = new_document(tmp_path / "d.otio", Project("d", rate, 90_000 / rate, (Track("V1", "video", (clip,)),)))
    saved = document.save(tmp_path / "d.edl")
    again = next(open_document(tmp_path / "d.edl", rate=rate).project.clips())
    assert again.speed == speed or any("is written as" in line and "speed" in line for line in saved.losses)
    assert "V1/1 a: its reel A001_C002_LONG is written as A001_C00" in saved.losses


def test_aaf_keeps_cuts_gaps_dissolves_and_sound_and_says_all_else(tmp_path: Path) -> None:
    pytest.importorskip("otio_aaf_adapter", reason="the extra lp-editor[aaf] is not installed")
    document = six(tmp_path)
    saved = document.save(tmp_path / "out.aaf")
    again = saved.project
    assert (again.rate, again.start, again.name) == (RATE, document.project.start, document.project.name)
    for kind in ("V", "A"):
        ours, theirs = shown(document.project, kind), shown(again, kind)
        assert set(ours) == set(theirs)
        plain = [f for f in ours if ours[f][0] != "shot 4"]  # which is retimed
        assert len(plain) == 250
        assert all(abs(ours[f][1] / RATES[int(ours[f][0][-1])] - theirs[f][1] / RATE) < 2 / RATE for f in plain)
        same = [f for f in plain if ours[f][0] in ("shot 0", "shot 3")]  # those of the program's own rate
        assert all(ours[f] == theirs[f] for f in same)
    assert [c.media.path for c in again.clips()] == [c.media.path for c in document.project.clips()]
    fades = [i for i in again.tracks[0].items if isinstance(i, Transition)]
    assert [(round(f.record.start * RATE), round(f.record.duration * RATE)) for f in fades] == [(167, 12)]
    assert sum(t.kind == "audio" for t in again.tracks) == 2
    lines = [line for line in saved.losses if not line.startswith("A")]
    assert lines == [
        'the cut, #1 & more: the marker "act two" is not written in AAF',
        "V1/1 shot 0: its reel A000 is not written in AAF",
        'V1/1 shot 0: the marker "check focus" is not written in AAF',
        *(line for n in (1, 2) for line in (f"V1/{n + 1} shot {n}: its reel A00{n} is not written in AAF", between(n))),
        "V1/4 shot 3: its reel A003 is not written in AAF",
        "V1/5 shot 4: its speed of 50 % is not written in AAF; it plays at its own",
        "V1/5 shot 4: its reel A004 is not written in AAF", between(4),
        "V1/6 shot 5: its reel A005 is not written in AAF",
    ]  # fmt: skip


def between(number: int) -> str:
    return (
        f"V1/{number + 1} shot {number}: its source lies between frames of the program, in which AAF counts; it may be a "
        "frame off"
    )


def test_aaf_shows_renders_in_their_place_and_its_marks_lie_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("otio_aaf_adapter", reason="the extra lp-editor[aaf] is not installed")
    document = six(tmp_path)
    first = next(document.project.clips())
    segment = Segment("s1", "expression", first.source_span(Span(10 / RATE, 20 / RATE)), {"smile": Curve.constant(0.5)})
    marked = document.replace(add_segment(document.project, first, segment))
    again = open_document(marked.save(tmp_path / "marks.aaf").path).project
    assert [[s.id for s in c.segments] for c in again.clips()][:2] == [["s1"], []]
    start = first.source_time(10 / RATE)
    path = tmp_path / "r.mp4"
    one = Rendered("V1/1", Span(10 / RATE, 20 / RATE), path, Span(start - 5 / RATE, 30 / RATE), Span(start, 20 / RATE))
    marked.relinked([one]).save(tmp_path / "out.aaf")
    for ours in (tmp_path / MANIFEST, tmp_path / "out.aaf.lp.json"):
        ours.unlink()
    seen = [c for c in open_document(tmp_path / "out.aaf").project.clips() if c.place.startswith("V")]
    assert [round(c.record.duration * RATE) for c in seen[:3]] == [10, 20, 30]
    assert seen[1].media.path == path


def test_aaf_says_what_of_nests_and_speeds_it_leaves_out(tmp_path: Path) -> None:
    pytest.importorskip("otio_aaf_adapter", reason="the extra lp-editor[aaf] is not installed")
    media = Media("file", "a.mov", "/m/a.mov", Path("/m/a.mov"), None, F(25))
    drawn = Media("generator", "bars")

    def clip(place: str, at: int, count: int, first: int, kind: Media = media, on: bool = True) -> Clip:
        return Clip(
            "", place, kind, Span(F(first, 25), F(count, 25)), Span(F(at, 25), F(count, 25)), F(25), enabled=on, place=place
        )

    inner = Track("V1", "video", (clip("i1", 0, 30, 400), clip("i2", 30, 30, 500)))
    nest = Nest("n", "nested", Span(F(20, 25), F(20, 25)), Span(F(10, 25), F(20, 25)), (inner, inner), F(25), place="V1/2")
    fast = replace(nest, record=Span(F(30, 25), F(10, 25)), speed=F(2), place="V1/3")
    row = Track("V1", "video", (clip("V1/1", 0, 10, 5, on=False), nest, fast, clip("V1/4", 40, 10, 0, drawn)))
    saved = new_document(tmp_path / "n.otio", Project("n", F(25), F(0), (row,))).save(tmp_path / "n.aaf")
    found = [(round(c.record.start * 25), round(c.record.duration * 25), round(c.source.start * 25)) for c in saved.project.clips()]
    assert found == [(0, 10, 5), (10, 10, 420), (20, 10, 500)]
    for words in ("V1/1: it is switched off", "V1/2 nested: the nested sequence is written as the clips that are in it, "
                  "its other 1 tracks", "V1/3 nested: the nested sequence is retimed", "what a generator draws",
                  "does not say how long its media are"):  # fmt: skip
        assert any(words in line for line in saved.losses), (words, saved.losses)


@pytest.mark.parametrize("name", ["out.xml", "out.fcpxml"])
def test_marks_and_renders_go_into_another_dialect(name: str, tmp_path: Path) -> None:
    document = six(tmp_path)
    first = next(document.project.clips())
    segment = Segment("s1", "expression", first.source_span(Span(10 / RATE, 20 / RATE)), {"smile": Curve.constant(0.5)})
    project = add_segment(document.project, first, segment)
    project = add_joint(project, next(project.clips()), Joint("s2", "stitch", 4 / RATE, 4 / RATE))
    start = first.source_time(10 / RATE)
    rendered = Rendered(
        "V1/1",
        Span(10 / RATE, 20 / RATE),
        tmp_path / "r.mp4",
        Span(start - 5 / RATE, 30 / RATE),
        Span(start, 20 / RATE),
    )
    saved = document.replace(project).relinked([rendered]).save(tmp_path / name)
    assert {s.id for c in saved.project.clips() for s in c.segments} == {"s1"}
    for ours in (tmp_path / MANIFEST, tmp_path / f"{name}.lp.json"):
        ours.unlink()  # so that the file is seen as other applications see it
    seen = open_document(tmp_path / name).project
    pieces = [c for c in seen.clips() if c.name == "shot 0" and c.place.startswith("V")]
    assert [round(c.record.duration * RATE) for c in pieces] == [10, 20, 30]
    assert pieces[1].media.path == tmp_path / "r.mp4"
    assert [m.name for m in pieces[1].markers if m.name.startswith("lp")] == ["lp expression smile=0.5 for=20f id=s1"]
    assert [m.name for m in pieces[2].markers if m.name.startswith("lp")] == ["lp stitch 8f id=s2"]
    before, after = shown(document.project), shown(seen)
    assert {f: v for f, v in before.items() if not 10 <= f < 30} == {f: v for f, v in after.items() if not 10 <= f < 30}
    assert [after[f][1] for f in range(10, 30)] == list(range(5, 25))


@pytest.mark.parametrize("name", ["out.xml", "out.fcpxml", "out.otio"])
def test_nests_freezes_reverse_and_higher_tracks_survive(name: str, tmp_path: Path) -> None:
    media = Media("file", "a.mov", str(tmp_path / "a.mov"), tmp_path / "a.mov", Span(F(3600), F(100)), F(25))

    def clip(place: str, at: int, count: int, first: int, speed: F = F(1), on: bool = True) -> Clip:
        length = F(count, 25) * abs(speed) if speed else F(1, 25)
        return Clip(
            "",
            place,
            media,
            Span(3600 + F(first, 25), length),
            Span(F(at, 25), F(count, 25)),
            F(25),
            speed,
            on,
            place=place,
        )

    inner = Track("V1", "video", (clip("V1/2>V1/1", 0, 30, 400), clip("V1/2>V1/2", 30, 30, 500)))
    nest = Nest("n", "nested", Span(F(5, 25), F(20, 25)), Span(F(20, 25), F(20, 25)), (inner,), F(25), place="V1/2")
    low = Track("V1", "video", (clip("V1/1", 0, 20, 50, F(-2)), nest, clip("V1/3", 40, 20, 70, F(0))))
    high = Track("V2", "video", (Gap(Span(F(0), F(10, 25))), clip("V2/1", 10, 15, 90, on=False)))
    document = new_document(tmp_path / "n.otio", Project("n", F(25), F(0), (low, high)))
    again = document.save(tmp_path / name).project
    assert shown(again) == shown(document.project)
    was, now = ([c for c in p.clips() if c.place.startswith("V")] for p in (document.project, again))
    assert [(c.place, c.record, c.enabled, c.speed) for c in now] == [
        (c.place, c.record, c.enabled, c.speed) for c in was
    ]
    assert [c.source for c in now] == [c.source for c in was]
    (found,) = [i for i in again.tracks[0].items if isinstance(i, Nest)]
    assert (found.source, found.record) == (nest.source, nest.record)


@pytest.mark.parametrize("start", [107892, 108000, 0, 5000])
@pytest.mark.parametrize("drop", [True, False])
def test_drop_frame_is_taken_from_the_file_and_goes_out_again(drop: bool, start: int, tmp_path: Path) -> None:
    rate = F(30000, 1001)
    media = Media("file", "a.mov", "/m/a.mov", Path("/m/a.mov"), Span(F(0), F(100)), rate)
    clip = Clip("", "a", media, Span(F(1), 30 / rate), Span(F(0), 30 / rate), rate, place="V1/1")
    project = Project("d", rate, start / rate, (Track("V1", "video", (clip,)),), drop)
    document = new_document(tmp_path / "d.otio", project)
    for name in ("d.xml", "d.fcpxml", "d.edl", "d.otio", "resolve.otio"):
        again = document.save(tmp_path / name, "resolve" if name.startswith("resolve") else "").project
        assert (again.drop_frame, again.rate, again.start) == (drop, rate, project.start), name


@pytest.mark.parametrize("came", [".otio", ".xml", ".fcpxml"])
@pytest.mark.parametrize("goes", [".otio", ".xml", ".fcpxml"])
def test_a_render_can_lie_above_the_untouched_clips(came: str, goes: str, tmp_path: Path) -> None:
    document = open_document(six(tmp_path).save(tmp_path / f"came{came}").path)
    renders = []
    for place, at in (("V1/1", 10), ("V1/3", 130)):
        clip = next(c for c in document.project.clips() if c.place == place)
        start = clip.source_time(at / RATE)
        path = tmp_path / f"r{at}.mp4"
        renders.append(
            Rendered(place, Span(at / RATE, 20 / RATE), path, Span(start - 5 / RATE, 30 / RATE), Span(start, 20 / RATE))
        )
    saved = document.relinked(renders, above=True).save(tmp_path / f"out{goes}")
    for ours in (tmp_path / MANIFEST, tmp_path / f"out{goes}.lp.json"):
        ours.unlink()
    again = open_document(saved.path).project
    assert shown(again) == shown(document.project)
    above = [c for c in again.clips() if c.place.startswith("V2/")]
    assert [(c.media.path, c.record) for c in above] == [(r.path, r.record) for r in renders]
    assert [c.source.start - (c.media.available or c.source).start for c in above] == [5 / RATE, 5 / RATE]
    assert len([c for c in again.clips() if c.place.startswith("V1/")]) == 6


def marked(document: Document) -> Document:
    """The cut of the bar with three marks of a clip, one of them on a slowed clip, and a joint."""
    project = document.project
    for number, at in enumerate((0, 1, 4)):
        clip = next(c for c in project.clips() if c.place == f"V1/{at + 1}")
        span = Span(clip.source.start + 4 / clip.rate, 9 / clip.rate)
        project = add_segment(project, clip, Segment(f"s{number}", "expression", span, {"smile": 0.5}))
    clip = next(c for c in project.clips() if c.place == "V1/1")
    return document.replace(add_joint(project, clip, Joint("j1", "stitch", 4 / RATE, 4 / RATE)))


@pytest.mark.parametrize("render", [False, True])
@pytest.mark.parametrize("name", ["out.otio", "resolve.otio", "out.xml", "out.fcpxml"])
def test_what_an_export_gives_back_is_what_the_file_holds(name: str, render: bool, tmp_path: Path) -> None:
    foreign = six(tmp_path).save(tmp_path / "bare.fcpxml" if name.endswith(".xml") else tmp_path / "bare.xml")
    document = marked(foreign)
    if render:
        clip = next(c for c in document.project.clips() if c.place == "V1/1")
        span = clip.segments[0].span
        path = tmp_path / "render.mov"
        document = document.relinked([Rendered(clip.place, clip.record_span(span), path, span, span)])
    made = document.save(tmp_path / name, "resolve" if name.startswith("resolve") else "")
    again = open_document(tmp_path / name)
    assert (made.project, made.digest) == (again.project, again.digest)
    assert made.source.names == again.source.names
    texts = {m.name.split()[-1]: m for c in again.project.clips() for m in c.markers if m.name.startswith("lp ")}
    if render:  # pieces that are joined again have their marks, not the markers that say them
        return
    assert sorted(texts) == ([] if name == "out.otio" else ["id=j1", "id=s0", "id=s1", "id=s2"])
    slowed = next(c for c in document.project.clips() if c.place == "V1/5")
    if texts:
        assert texts["id=s2"].span.start == slowed.segments[0].span.start


@pytest.mark.parametrize("name", ["out.xml", "out.fcpxml"])
def test_a_cut_that_goes_out_with_marks_is_read_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = marked(six(tmp_path))
    count: list[bytes] = []
    parse = markup.parse

    def counted(raw: bytes, path: Path) -> markup.Markup:
        count.append(raw)
        return parse(raw, path)

    monkeypatch.setattr(markup, "parse", counted)
    made = document.save(tmp_path / name)
    assert count == [(tmp_path / name).read_bytes()]
    assert sum(m.name.startswith("lp ") for c in made.project.clips() for m in c.markers) == 4
