"""Project files: opened, marked, relinked, saved; what is not ours stays as it was."""

import json
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from conftest import two_clips
from hypothesis import given
from hypothesis import strategies as st

from lp_editor.errors import OutputError, ProjectError
from lp_editor.timeline.curve import Curve
from lp_editor.timeline.document import open_document, undo
from lp_editor.timeline.edit import add_joint, add_segment, remove_marks
from lp_editor.timeline.model import Clip, Ease, Gap, Joint, Nest, Segment, Span, Transition
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.urls import path_to_url, url_to_path


def time(value: float, rate: float = 25) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "value": value, "rate": rate}


def span(start: float, count: float, rate: float = 25) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start, rate), "duration": time(count, rate)}


def clip(name: str, start: float, count: float, rate: float = 25, **more: Any) -> dict[str, Any]:
    media = {"OTIO_SCHEMA": "ExternalReference.1", "target_url": f"{name}.mov", "available_range": span(0, 1000, rate)}
    return {
        "OTIO_SCHEMA": "Clip.1",
        "name": name,
        "source_range": span(start, count, rate),
        "media_reference": media,
        **more,
    }


def track(*children: Any, kind: str = "Video", **more: Any) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "Track.1", "kind": kind, "children": list(children), **more}


def write(folder: Path, *tracks: Any, **more: Any) -> Path:
    tree = {
        "OTIO_SCHEMA": "Timeline.1",
        "name": "t",
        "tracks": {"OTIO_SCHEMA": "Stack.1", "children": list(tracks)},
        **more,
    }
    path = folder / "t.otio"
    path.write_text(json.dumps(tree))
    return path


def items(path: Path, index: int = 0) -> Any:
    return open_document(path).project.tracks[index].items


SAMPLES = (
    "ayon_hiero_timeline", "ayon_img_seq_2x_speed_resolve", "ayon_img_seq_2x_time_warp", "ayon_img_seq_reverse_speed_no_tc",
    "ayon_movie_with_handles", "ayon_multiple_review_clips", "ayon_qt_23.976_embedded_long_tc", "ayon_qt_embedded_tc",
    "premiere_example", "resolve_picchu_effects",
)  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_open_and_save_is_equal_as_json_to_the_input_and_so_is_mark_and_unmark(
    name: str, shared: Path, tmp_path: Path
) -> None:
    original = (shared / "nle_samples" / f"{name}.otio").read_bytes()
    path = tmp_path / "project.otio"
    path.write_bytes(original)
    document = open_document(path).save()
    assert json.loads(path.read_bytes()) == json.loads(original)
    shown = next(c for c in document.project.clips() if "V" in c.place)
    segment = Segment(
        "s1", "expression", Span(shown.source.start, shown.source.duration / 2), {"smile": Curve.constant(0.5)}
    )
    document.replace(add_segment(document.project, shown, segment)).save()
    again = open_document(path)
    assert next(c for c in again.project.clips() if c.place == shown.place).segments == (segment,)
    again.replace(remove_marks(again.project, ["s1"])).save()
    assert json.loads(path.read_bytes()) == json.loads(original)


def test_the_sample_list_is_whole(shared: Path) -> None:
    assert sorted(SAMPLES) == sorted(p.stem for p in (shared / "nle_samples").glob("*.otio"))


@pytest.mark.parametrize("name", ["ayon_hiero_timeline", "resolve_picchu_effects", "ayon_multiple_review_clips"])
def test_record_ranges_agree_with_opentimelineio(name: str, shared: Path) -> None:
    path = shared / "nle_samples" / f"{name}.otio"
    theirs = otio.adapters.read_from_file(str(path))
    tracks = list(theirs.tracks) if hasattr(theirs, "tracks") else [theirs]
    ours = open_document(path).project.tracks
    compared = 0
    for track_theirs, track_ours in zip(tracks, ours, strict=True):
        clips = [i for i in track_ours.items if isinstance(i, Clip)]
        for mine, other in zip(clips, track_theirs.find_clips(), strict=True):
            placed = other.range_in_parent()
            assert float(mine.record.start) == pytest.approx(placed.start_time.to_seconds(), abs=2e-3)
            assert float(mine.record.duration) == pytest.approx(placed.duration.to_seconds(), abs=2e-3)
            trimmed = other.trimmed_range()
            assert float(mine.source.start) == pytest.approx(trimmed.start_time.to_seconds(), abs=2e-3)
            compared += 1
    assert compared >= 5


def test_mixed_rates_accumulate_exactly(tmp_path: Path) -> None:
    a, b, c = items(write(tmp_path, track(clip("a", 0, 24, 23.976), clip("b", 10.5, 30, 29.97), clip("c", 0, 25))))
    assert a.record == Span(F(0), F(24 * 1001, 24000))
    assert b.record.start == F(1001, 1000)
    assert b.source.start == F(21, 2) * F(1001, 30000)
    assert c.record.start == F(1001, 1000) * 2


def test_a_tracks_own_range_trims_its_clips(tmp_path: Path) -> None:
    a, b = items(write(tmp_path, track(clip("a", 100, 20), clip("b", 0, 20), source_range=span(5, 20))))
    assert (a.record, a.source) == (Span(F(0), F(15, 25)), Span(F(105, 25), F(15, 25)))
    assert (b.record, b.source) == (Span(F(15, 25), F(5, 25)), Span(F(0), F(5, 25)))


def test_speed_freeze_and_disabled_are_read(tmp_path: Path) -> None:
    warp = {"OTIO_SCHEMA": "LinearTimeWarp.1", "time_scalar": 2.0}
    freeze = {"OTIO_SCHEMA": "FreezeFrame.1", "time_scalar": 0.0}
    other = {"OTIO_SCHEMA": "Effect.1", "effect_name": "blur"}
    path = write(
        tmp_path,
        track(
            clip("a", 10, 20, effects=[other, warp, warp]),
            clip("b", 7, 9, effects=[freeze]),
            clip("c", 0, 5, enabled=False),
        ),
    )
    a, b, c = items(path)
    assert (a.speed, a.record.duration, a.source) == (4, F(20, 25), Span(F(10, 25), F(80, 25)))
    assert (b.speed, b.record.duration, b.source.duration) == (0, F(9, 25), F(1, 25))
    assert c.enabled is False


def test_nested_sequences_transitions_gaps_and_unknown_schemas_keep_their_place(tmp_path: Path) -> None:
    inner = {
        "OTIO_SCHEMA": "Stack.1",
        "name": "inner",
        "source_range": span(5, 10),
        "children": [track(clip("x", 0, 20))],
    }
    cross = {
        "OTIO_SCHEMA": "Transition.1",
        "in_offset": time(2),
        "out_offset": time(3),
        "transition_type": "SMPTE_Dissolve",
    }
    gap = {"OTIO_SCHEMA": "Gap.1", "source_range": span(0, 4)}
    alien = {"OTIO_SCHEMA": "Hologram.7", "source_range": span(0, 6)}
    path = write(tmp_path, track(clip("a", 0, 10), cross, inner, gap, alien, clip("b", 0, 5)))
    a, t, n, g, _, b = items(path)
    assert isinstance(t, Transition)
    assert t.record == Span(F(8, 25), F(5, 25))
    assert isinstance(n, Nest)
    assert (n.record, n.source) == (Span(F(10, 25), F(10, 25)), Span(F(5, 25), F(10, 25)))
    assert isinstance(g, Gap)
    assert (a.place, n.place, b.place, b.record.start) == ("V1/1", "V1/2", "V1/3", F(30, 25))
    assert [c.place for c in open_document(path).project.clips()] == ["V1/1", "V1/2>V1/1", "V1/3"]


@pytest.mark.parametrize(
    "top", [clip("a", 3, 9), track(clip("a", 3, 9)), {"OTIO_SCHEMA": "Stack.1", "children": [track(clip("a", 3, 9))]}]
)
def test_a_bare_clip_track_or_stack_is_a_project_and_can_be_marked(top: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "bare.otio"
    path.write_text(json.dumps(top))
    document = open_document(path)
    (only,) = document.project.clips()
    segment = Segment("s1", "gaze", Span(only.source.start, F(1, 5)), ease=Ease(F(0), F(1, 7)), face="2")
    document.replace(add_segment(document.project, only, segment)).save()
    (again,) = open_document(path).project.clips()
    assert (again.segments, again.record) == ((segment,), only.record)


def test_a_segment_sticks_to_the_picture_when_its_clip_is_trimmed_or_slipped(tmp_path: Path) -> None:
    path = write(tmp_path, track(clip("a", 100, 50)))
    document = open_document(path)
    (only,) = document.project.clips()
    segment = Segment("s1", "gaze", Span(F(110, 25), F(10, 25)))
    document.replace(add_segment(document.project, only, segment)).save()
    tree = json.loads(path.read_text())
    tree["tracks"]["children"][0]["children"][0]["source_range"] = span(105, 20)
    path.write_text(json.dumps(tree))
    (trimmed,) = open_document(path).project.clips()
    assert trimmed.segments == (segment,)
    assert trimmed.record_span(trimmed.segments[0].span) == Span(F(5, 25), F(10, 25))


def test_a_joint_counts_only_while_its_clips_are_neighbours(tmp_path: Path) -> None:
    path = write(tmp_path, track(clip("a", 0, 10), clip("b", 50, 10), clip("c", 90, 10)))
    document = open_document(path)
    first = next(document.project.clips())
    joint = Joint("s1", "stitch", F(4, 25), F(4, 25))
    document.replace(add_joint(document.project, first, joint)).save()
    assert [c.joint for c in open_document(path).project.clips()] == [joint, None, None]
    tree = json.loads(path.read_text())
    children = tree["tracks"]["children"][0]["children"]
    children[1], children[2] = children[2], children[1]
    path.write_text(json.dumps(tree))
    assert [c.joint for c in open_document(path).project.clips()] == [None, None, None]


def test_undo_brings_back_the_bytes(filmed: Path, tmp_path: Path) -> None:
    document = two_clips(filmed, tmp_path)
    before = document.path.read_bytes()
    first = next(document.project.clips())
    document.replace(add_segment(document.project, first, Segment("s1", "gaze", first.source))).save()
    assert document.path.read_bytes() != before
    assert undo(document.path) == 0
    assert document.path.read_bytes() == before
    with pytest.raises(ProjectError, match="nothing to undo"):
        undo(document.path)


def test_a_file_changed_by_another_program_is_not_overwritten(filmed: Path, tmp_path: Path) -> None:
    document = two_clips(filmed, tmp_path)
    document.path.write_text(document.path.read_text().replace("opening", "changed"))
    with pytest.raises(OutputError, match="another program"):
        document.save()
    assert "changed" in document.path.read_text()


def piece(document: Any, place: str, first: int, count: int, path: Path) -> Rendered:
    """A rendered stretch of a clip with two frames of handles."""
    (found,) = [c for c in document.project.clips() if c.place == place]
    record = Span(found.record.start + F(first, 25), F(count, 25))
    source = found.source_span(record)
    start = source.start if found.speed > 0 else F(0)
    return Rendered(place, record, path, Span(start - F(2, 25), F(count + 4, 25)), Span(start, record.duration))


@pytest.mark.parametrize(
    "stretches", [[(5, 10)], [(0, 10)], [(20, 10)], [(0, 30)], [(2, 5), (10, 5)], [(2, 5), (7, 5)]], ids=str
)
def test_a_relinked_clip_is_split_and_is_whole_again_when_opened(
    stretches: list[tuple[int, int]], filmed: Path, tmp_path: Path
) -> None:
    document = two_clips(filmed, tmp_path)
    first = next(document.project.clips())
    document = document.replace(add_segment(document.project, first, Segment("s1", "gaze", first.source)))
    rendered = [piece(document, "V1/1", a, n, tmp_path / f"r{a}.mp4") for a, n in stretches]
    document.relinked(rendered).save(tmp_path / "finished.otio")
    theirs = otio.adapters.read_from_file(str(tmp_path / "finished.otio"))
    pieces = list(theirs.tracks[0])
    assert sum(p.duration().value for p in pieces) == 56
    ours = [p for p in pieces if p.active_media_reference_key == "lp_editor"]
    assert len(ours) == len(stretches)
    for p in pieces:
        available, trimmed = p.available_range(), p.trimmed_range()
        assert available.start_time <= trimmed.start_time
        assert trimmed.end_time_exclusive() <= available.end_time_exclusive()
        assert "DEFAULT_MEDIA" in p.media_references()
    assert len({p.metadata["lp_editor"]["id"] for p in pieces if p.name == "opening"}) == 1
    assert open_document(tmp_path / "finished.otio").project.tracks[0].items == document.project.tracks[0].items


def test_a_retime_is_baked_into_the_rendered_piece_and_comes_back(tmp_path: Path) -> None:
    warp = {"OTIO_SCHEMA": "LinearTimeWarp.1", "name": "", "metadata": {}, "effect_name": "", "time_scalar": 2.0}
    path = write(tmp_path, track(clip("a", 100, 30, effects=[warp])))
    document = open_document(path)
    before = document.project.tracks[0].items
    document.relinked([piece(document, "V1/1", 10, 5, tmp_path / "r.mp4")]).save(tmp_path / "f.otio")
    left, middle, right = json.loads((tmp_path / "f.otio").read_text())["tracks"]["children"][0]["children"]
    assert (left["source_range"]["start_time"]["value"], left["effects"]) == (100, [warp])
    assert middle["effects"] == []
    assert (right["source_range"]["start_time"]["value"], right["effects"]) == (130, [warp])
    assert open_document(tmp_path / "f.otio").project.tracks[0].items == before


def test_a_trimmed_rendered_piece_shows_its_own_part_of_the_original(filmed: Path, tmp_path: Path) -> None:
    document = two_clips(filmed, tmp_path)
    document.relinked([piece(document, "V1/1", 5, 10, tmp_path / "r.mp4")]).save(tmp_path / "f.otio")
    tree = json.loads((tmp_path / "f.otio").read_text())
    middle = tree["tracks"]["children"][0]["children"][1]
    middle["source_range"]["start_time"]["value"] += 3
    middle["source_range"]["duration"]["value"] -= 3
    (tmp_path / "f.otio").write_text(json.dumps(tree))
    pieces = [i for i in items(tmp_path / "f.otio") if isinstance(i, Clip)]
    assert [(p.source.start * 25, p.source.duration * 25) for p in pieces[:3]] == [
        (F(0), F(5)),
        (F(8), F(7)),
        (F(15), F(15)),
    ]
    assert {p.media.path for p in pieces} == {filmed}


MALFORMED: list[dict[str, Any]] = [
    {"segments": 7}, {"segments": [7]}, {"segments": [{"id": "x"}]},
    {"segments": [{"id": "x", "effect": "gaze", "start": "1/0", "duration": 1}]},
    {"segments": [{"id": "x", "effect": "gaze", "start": 0, "duration": -1}]},
    {"segments": [{"id": "x", "effect": "gaze", "start": 0, "duration": 1, "params": {"x": {}}}]},
    {"segments": [{"id": "x", "effect": "gaze", "start": 0, "duration": 1, "params": {"x": float("nan")}}]},
    {"segments": [{"id": "x", "effect": "gaze", "start": 10**30, "duration": 1}]},
    {"segments": [{"id": "x", "effect": "gaze", "start": 0, "duration": 1, "ease": "long"}]},
    {"piece": "x", "rendered": 4, "written": []}, {"piece": [0, 10**9], "whole": 3},
]  # fmt: skip


@pytest.mark.parametrize("stored", MALFORMED, ids=str)
def test_malformed_marks_are_a_clear_error_or_ignored_never_a_crash(stored: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path, track(clip("a", 0, 10, metadata={"lp_editor": stored})))
    if "segments" in stored:
        with pytest.raises(ProjectError, match='clip "a"'):
            open_document(path)
    else:
        assert len(list(open_document(path).project.clips())) == 1


HOSTILE_TIMES: list[Any] = [None, "1", float("nan"), 1e308, 10**400, {}, []]


@pytest.mark.parametrize("value", HOSTILE_TIMES, ids=str)
def test_hostile_times_are_a_project_error(value: Any, tmp_path: Path) -> None:
    bad = clip("a", 0, 10)
    bad["source_range"]["duration"]["value"] = value
    with pytest.raises(ProjectError, match=r"t\.otio"):
        open_document(write(tmp_path, track(bad)))


def test_two_clips_that_are_alike_have_ids_of_their_own_that_stay(tmp_path: Path) -> None:
    path = write(tmp_path, track(clip("a", 0, 10), clip("a", 0, 10)), track(clip("a", 0, 10), kind="Audio"))
    ids = [c.id for c in open_document(path).project.clips()]
    assert len(set(ids)) == 3
    document = open_document(path)
    first = next(document.project.clips())
    document.replace(add_segment(document.project, first, Segment("s1", "gaze", first.source))).save()
    assert [c.id for c in open_document(path).project.clips()] == ids


@pytest.mark.parametrize(
    ("text", "path"),
    [("file:///a/b%20c.mov", "/a/b c.mov"), ("file://localhost/a/b.mov", "/a/b.mov"), ("file:/a/b.mov", "/a/b.mov"),
     ("file:///D%3a/media/x.mov", "D:/media/x.mov"), ("file://localhost/D%3a/x.mov", "D:/x.mov"),
     ("C:\\media\\x y.mov", "C:/media/x y.mov"), ("/a/100%20#1?.mov", "/a/100%20#1?.mov"), ("sub/x.mov", "/base/sub/x.mov"),
     ("file:sub/x.mov", "/base/sub/x.mov"), ("file://./sub/x.mov", "/base/sub/x.mov"), ("file:C:/x.mov", "C:/x.mov"),
     ("file:///C|/x.mov", "C:/x.mov"), ("/C:/x.mov", "C:/x.mov"), ("file://localhost//Volumes/x.mov", "/Volumes/x.mov"),
     ("file://server/share/x.mov", "//server/share/x.mov"), ("file:////server/share/x.mov", "//server/share/x.mov"),
     ("file:///a/caf%C3%A9.mov", "/a/café.mov"), ("file:///a/caf%E9.mov", "/a/café.mov"), ("file:///a/1%2523.mov", "/a/1%23.mov"),
     ("http://example.com/x.mov", None), ("", None), ("a\0b", None)],
)  # fmt: skip
def test_media_urls_are_read_in_every_form(text: str, path: str | None) -> None:
    found = url_to_path(text, Path("/base"))
    assert (None if found is None else found.as_posix()) == path


@given(
    st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1).filter(
        lambda n: n not in (".", "..")
    )
)
def test_a_path_survives_its_url(name: str) -> None:
    path = Path("/media") / name
    assert url_to_path(path_to_url(path), Path("/other")) == path


def test_saving_into_another_folder_keeps_relative_media_right(tmp_path: Path) -> None:
    document = open_document(write(tmp_path, track(clip("a", 0, 10))))
    (tmp_path / "sub").mkdir()
    document.save(tmp_path / "sub" / "t.otio")
    (moved,) = open_document(tmp_path / "sub" / "t.otio").project.clips()
    assert moved.media.path == tmp_path / "a.mov"


def test_a_new_project_over_an_old_file_can_be_taken_back(filmed: Path, tmp_path: Path) -> None:
    old = b'{"OTIO_SCHEMA": "Timeline.1", "tracks": {"OTIO_SCHEMA": "Stack.1", "children": []}}'
    (tmp_path / "cut.otio").write_bytes(old)
    document = two_clips(filmed, tmp_path)
    assert len(list(open_document(document.path).project.clips())) == 4
    undo(document.path)
    assert document.path.read_bytes() == old
