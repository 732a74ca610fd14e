"""Joints as rendered: heads led to one place, backgrounds still, light matched, sound crossed over, refusals with reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction as F
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import RATE, seconds
from numpy.typing import NDArray

from lp_editor import Registry, verbs
from lp_editor.cli import main
from lp_editor.errors import FaceError, ProjectError
from lp_editor.face import FacePicture
from lp_editor.faces.model import Landmarker
from lp_editor.media.picture import Picture, fit
from lp_editor.media.sink import Codec, encode_chunk, join_chunks
from lp_editor.media.sound import SoundSource
from lp_editor.media.source import VideoSource
from lp_editor.plugins import stitch
from lp_editor.render.joints import meeting, scene_likeness, steady_weights
from lp_editor.render.morph import Tie, match, morph
from lp_editor.render.program import Settings, staged
from lp_editor.render.report import silent
from lp_editor.timeline import edit
from lp_editor.timeline.cut import Morph, cut
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Ease, Joint, Media, Project, Segment, Span, Track, Transition

LOSSLESS = Settings(Codec.FFV1)


def moved(picture: Picture, face: FacePicture, x: int) -> Picture:
    """The portrait's head and what is above it, some pixels to the right, over its own still background."""
    image = picture.rgb_all()
    shifted = np.roll(image, x, axis=1)
    points = face.face.points[:468, :2]
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2 + np.array([x, -0.12 * (high[1] - low[1])]), (high - low) * [0.85, 0.8]
    yy, xx = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    off = np.sqrt(((xx - middle[0]) / half[0]) ** 2 + ((yy - middle[1]) / half[1]) ** 2)
    inside = cv2.GaussianBlur(np.clip((1.15 - off) / 0.15, 0, 1), (0, 0), 3)[..., None]
    return Picture.of_rgb(np.asarray(image + inside * (shifted.astype(float) - image), np.uint8), picture.format)


def test_half_way_the_face_lies_half_way_as_sharp_as_before_and_the_background_stays(
    frame: Picture, face: FacePicture, landmarker: Landmarker
) -> None:
    far = moved(frame, face, 40)
    there = face.face.points[:468, :2].astype(float)
    tie = Tie(there, there + np.array([40, 0]))
    middle = morph(frame, far, 0.45, [tie])
    seen = landmarker(middle.rgb_all())[0].points[:468, :2]
    width = face.face.width
    assert np.linalg.norm(seen - (there + np.array([18, 0])), axis=1).mean() < 0.008 * width

    def detail(picture: Picture, x: int) -> float:
        box = face.face.box
        luma = picture.planes[0][box.y0 : box.y1, box.x0 + x : box.x1 + x].astype(np.float32)
        return float((luma - cv2.GaussianBlur(luma, (0, 0), 1.5)).std())

    assert detail(middle, 18) > 0.7 * detail(frame, 0)
    edge = np.abs(middle.planes[0][:, 860:].astype(int) - frame.planes[0][:, 860:])
    assert edge.mean() < 1.5


def test_light_is_matched_from_what_both_sides_show(frame: Picture, face: FacePicture) -> None:
    planes = list(frame.planes)
    planes[0] = frame.format.rounded((planes[0].astype(float) - 16) * 1.2 + 16 - 4)
    planes[1] = frame.format.rounded(planes[1].astype(float) + 5)
    other = moved(replace(frame, planes=tuple(planes)), face, 24)
    there = face.face.points[:468, :2].astype(float)
    found = match(frame, other, [Tie(there, there + np.array([24, 0]))])
    assert found.gains[0] == pytest.approx(1.2, abs=0.03)
    lit = found.towards(frame, 1.0)
    assert abs(lit.planes[0].mean() - planes[0].mean()) < 1.5
    assert abs(lit.planes[1].mean() - planes[1].mean()) < 1
    back = found.back(lit, 1.0)
    assert np.abs(back.planes[0].astype(int) - frame.planes[0]).mean() < 1
    assert found.towards(frame, 0.0).equals(frame)


def test_a_scene_is_known_in_another_light_and_another_is_not(frame: Picture) -> None:
    darker = replace(frame, planes=(frame.format.rounded(frame.planes[0] * 0.7), *frame.planes[1:]))
    assert scene_likeness(frame, darker) > 0.9
    flipped = replace(frame, planes=tuple(np.ascontiguousarray(p[::-1, ::-1]) for p in frame.planes))
    assert scene_likeness(frame, flipped) < 0.25


def row(media: Path, *shown: tuple[int, int], sound: bool = False) -> Project:
    """Clips of one medium, (first source frame, count) each; with ``sound`` on a sound track too."""
    reference = Media("file", media.name, str(media), available=Span(F(0), seconds(60)))
    tracks = []
    for kind in ("video", "audio") if sound else ("video",):
        at, clips = 0, []
        for i, (first, count) in enumerate(shown):
            span = Span(seconds(at), seconds(count))
            clips.append(Clip("", f"c{i}", reference, Span(seconds(first), seconds(count)), span, RATE))
            at += count
        tracks.append(Track(f"{kind[0].upper()}1", "audio" if kind == "audio" else "video", tuple(clips)))
    return Project("c", RATE, F(0), tuple(tracks))


def pictures(path: Path) -> list[Picture]:
    with VideoSource(path) as source:
        return list(source.frames(range(source.video.count)))


def test_a_bridge_needs_no_handles_and_changes_only_its_own_frames(filmed: Path, tmp_path: Path) -> None:
    document = new_document(tmp_path / "c.otio", row(filmed, (50, 10), (0, 10)))  # neither side has handles
    document = verbs.mark(document, "bridge", clip="c0", length="4f").document
    report = verbs.render(document, tmp_path / "out.mkv", LOSSLESS)
    assert not [n for n in report.notes if "held" in n]
    original, out = pictures(filmed), pictures(tmp_path / "out.mkv")
    source = [*range(50, 60), *range(10)]
    assert {i for i, s in enumerate(source) if not out[i].equals(original[s])} == set(range(8, 12))
    assert len(out) == 20


def test_clips_in_a_row_become_one_performance(filmed: Path, tmp_path: Path) -> None:
    document = new_document(tmp_path / "c.otio", row(filmed, (0, 10), (20, 3), (44, 10)))
    for name in ("c0", "c1"):
        document = verbs.mark(document, "stitch", clip=name, length="4f").document
    events = cut(document.project)
    joints = [e for e in events if isinstance(e.picture, Morph)]
    assert [(e.first, e.count) for e in joints] == [(8, 4), (12, 3)]  # 3 frames between them are shared
    verbs.render(document, tmp_path / "out.mkv", LOSSLESS)
    out = [p.planes[0].astype(int) for p in pictures(tmp_path / "out.mkv")]
    plain = [p.planes[0].astype(int) for p in pictures(filmed)]
    source = [*range(10), *range(20, 23), *range(44, 54)]

    def jump(frames: list[NDArray[np.int_]]) -> float:
        return float(max(np.abs(a - b).mean() for a, b in pairwise(frames)))

    assert jump(out) < 0.8 * jump([plain[i] for i in source])


@pytest.mark.parametrize("sound", [True, False], ids=["sound track", "sound of the picture"])
def test_sound_crosses_over_where_asked_and_is_the_same_to_the_sample_elsewhere(
    filmed: Path, tmp_path: Path, sound: bool
) -> None:
    document = new_document(tmp_path / "c.otio", row(filmed, (0, 10), (14, 10), sound=sound))
    for name, fade in (("untouched", 0), ("crossed", 6)):
        marked = verbs.mark(document, "stitch", clip="c0", length="1f", params={"crossfade": fade}).document
        verbs.render(marked, tmp_path / f"{name}.mkv", LOSSLESS)
    with (
        SoundSource(filmed) as source,
        SoundSource(tmp_path / "untouched.mkv") as plain,
        SoundSource(tmp_path / "crossed.mkv") as crossed,
    ):
        per, count = 1920, 20 * 1920
        first, second = source.read(0, 14 * per), source.read(10 * per, 14 * per)
        hard, soft = plain.read(0, count), crossed.read(0, count)
    cut_at, half = 10 * per, 3 * per
    assert np.array_equal(hard[:cut_at], first[:cut_at])
    assert np.array_equal(hard[cut_at:], second[4 * per :])
    assert np.array_equal(soft[: cut_at - half], hard[: cut_at - half])
    assert np.array_equal(soft[cut_at + half :], hard[cut_at + half :])
    middle = soft[cut_at : cut_at + 1]
    assert middle == pytest.approx((first[cut_at] + second[4 * per])[None] / 2, abs=1e-3)
    assert not np.array_equal(soft[cut_at - half : cut_at], hard[cut_at - half : cut_at])


def test_stitch_finds_the_jump_cuts_and_leaves_through_edits_alone(filmed: Path, tmp_path: Path) -> None:
    document = new_document(tmp_path / "c.otio", row(filmed, (0, 15), (15, 10), (45, 15)))
    marked, made = verbs.propose(document, "stitch", settings=LOSSLESS)
    assert [type(m) for m in made] == [Joint]
    (joined,) = (c for c in marked.project.clips() if c.joint)
    assert joined.name == "c1"
    again, more = verbs.propose(marked, "stitch", settings=LOSSLESS)
    assert (more, again.project) == ([], marked.project)


def test_a_joint_marked_without_a_length_is_made_as_long_as_it_would_be_proposed(
    filmed: Path, tmp_path: Path
) -> None:
    plain = new_document(tmp_path / "c.otio", row(filmed, (0, 15), (45, 15)))
    _, (proposed,) = verbs.propose(plain, "stitch", settings=LOSSLESS)
    marked = verbs.mark(plain, "stitch", clip="c0", length="2f", params={"light": "keep"})
    assert isinstance(marked.mark, Joint)
    fitted = verbs.fit_joint(marked.document, marked.mark.id, LOSSLESS)
    (joint,) = (c.joint for c in fitted.project.clips() if c.joint)
    assert isinstance(proposed, Joint)
    assert (joint.before, joint.after) == (proposed.before, proposed.after)
    assert joint.before + joint.after >= F(8) / RATE
    assert (joint.id, joint.params) == (marked.mark.id, marked.mark.params)
    bridge = verbs.mark(plain, "bridge", clip="c0", length="4f")
    assert isinstance(bridge.mark, Joint)
    assert verbs.fit_joint(bridge.document, bridge.mark.id, LOSSLESS) is bridge.document  # it proposes nothing


def at_the_cut(document: Document, path: Path, text: str) -> Document:
    """The same cut from a file with a timeline marker 15 frames in."""
    document.save(path)
    tree = json.loads(path.read_text())
    span = {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": {"OTIO_SCHEMA": "RationalTime.1", "rate": 25.0, "value": 15.0},
        "duration": {"OTIO_SCHEMA": "RationalTime.1", "rate": 25.0, "value": 0.0},
    }
    tree["tracks"]["markers"] = [{"OTIO_SCHEMA": "Marker.2", "name": text, "marked_range": span, "metadata": {}}]
    path.write_text(json.dumps(tree))
    return verbs.open_project(path)


def test_a_marker_without_a_length_joins_over_as_many_frames_as_the_faces_need_whenever_it_is_rendered(
    filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stitch, "SHORTEST", 12)
    plain = new_document(tmp_path / "c.otio", row(filmed, (0, 15), (45, 15)))
    opened = at_the_cut(plain, tmp_path / "c.otio", "lp stitch light=keep")
    (joint,) = (c.joint for c in opened.project.clips() if c.joint)
    assert joint.before + joint.after == F(8) / RATE, "nothing is looked at when a project is opened"
    (fitted,) = (c.joint for c in verbs.fit_joints(opened, LOSSLESS).project.clips() if c.joint)
    assert fitted == replace(joint, before=F(6) / RATE, after=F(6) / RATE)
    blend = verbs.plan(opened, LOSSLESS).blends[joint.id]
    assert len(blend.weights) == 12
    _, report = verbs.render_stretches(opened, tmp_path / "rendered", LOSSLESS)
    rendered = [r.record.duration * RATE for r in report.renders]
    assert rendered
    assert max(rendered) >= 6
    said = at_the_cut(plain, tmp_path / "said.otio", "lp stitch 10f")
    assert verbs.fit_joints(said, LOSSLESS) is said
    gone = new_document(tmp_path / "l.otio", row(tmp_path / "gone.mp4", (0, 15), (45, 15)))
    lost = at_the_cut(gone, tmp_path / "l.otio", "lp stitch")
    assert verbs.fit_joints(lost, LOSSLESS).project == lost.project


def test_the_command_marks_a_joint_as_long_as_its_faces_need_unless_a_length_is_said(
    filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stitch, "SHORTEST", 12)  # the faces of this film would be served by 8 frames, as nothing is
    lengths = {}
    for said in ((), ("--for", "4f")):
        document = new_document(tmp_path / "c.otio", row(filmed, (0, 15), (45, 15)))
        document.save()
        assert main(["mark", str(document.path), "--clip", "c0", *said, "stitch"]) == 0
        (joint,) = (c.joint for c in verbs.open_project(document.path).project.clips() if c.joint)
        lengths[said] = (joint.before + joint.after) * RATE
    assert lengths == {(): 12, ("--for", "4f"): 4}


def test_two_scenes_are_refused_with_the_reason_unless_forced(filmed: Path, tmp_path: Path) -> None:
    other = tmp_path / "upside.mkv"
    with VideoSource(filmed) as source:
        flipped = [
            replace(p, planes=tuple(np.ascontiguousarray(q[::-1, ::-1]) for q in p.planes))
            for p in source.frames(range(12))
        ]
    encode_chunk(tmp_path / "k", flipped, flipped[0].format, RATE, Codec.FFV1)
    join_chunks(other, [tmp_path / "k"], [12], RATE, Codec.FFV1)
    mixed = two_media(filmed, other, tmp_path)
    marked = verbs.mark(mixed, "stitch", clip="a", length="4f").document
    with pytest.raises(FaceError, match=r'"a".*two (people|scenes).*force=yes'):
        verbs.render(marked, tmp_path / "out.mkv", LOSSLESS)
    assert not (tmp_path / "out.mkv").exists()
    forced = verbs.mark(mixed, "stitch", clip="a", length="2f", force=True).document
    assert verbs.render(forced, tmp_path / "out.mkv", LOSSLESS).frames == 12


def two_media(one: Path, other: Path, folder: Path) -> Document:
    clips = tuple(
        Clip("", n, Media("file", p.name, str(p), available=Span(F(0), seconds(length))), Span(seconds(first), seconds(6)),
             Span(seconds(at), seconds(6)), RATE)
        for n, p, length, first, at in (("a", one, 60, 5, 0), ("b", other, 12, 2, 6))
    )  # fmt: skip
    return new_document(folder / "m.otio", Project("m", RATE, F(0), (Track("V1", "video", clips),)))


def test_pictures_of_a_joint_do_not_depend_on_where_work_begins(filmed: Path, tmp_path: Path) -> None:
    for effect in ("stitch", "bridge"):
        document = new_document(tmp_path / f"{effect}.otio", row(filmed, (0, 20), (35, 20)))
        marked = verbs.mark(document, effect, clip="c0", length="4f").document
        (event,) = (e for e in cut(marked.project) if isinstance(e.picture, Morph))
        with staged(marked.project, Registry.installed(), [event], LOSSLESS, silent) as stage:
            whole = [f.picture for f in stage.frames(event.picture, event.first, event.count)]
            for i in (0, 3):
                (part,) = (f.picture for f in stage.frames(event.picture, event.first + i, 1))
                assert part.equals(whole[i])


def test_a_dissolve_gives_way_only_by_force(filmed: Path, tmp_path: Path) -> None:
    project = row(filmed, (0, 20), (35, 20))
    a, b = project.tracks[0].items
    dissolve = Transition(Span(seconds(15), seconds(10)), "Cross Dissolve")
    project = replace(project, tracks=(replace(project.tracks[0], items=(a, dissolve, b)),))
    document = new_document(tmp_path / "c.otio", project).save()
    with pytest.raises(ProjectError, match=r"Cross Dissolve.*--force"):
        verbs.mark(document, "stitch", clip="c0", length="4f")
    saved = verbs.mark(document, "stitch", clip="c0", length="4f", force=True).document.save()
    back = verbs.open_project(saved.path).project
    (morph_event,) = (e for e in cut(back) if isinstance(e.picture, Morph))
    assert (morph_event.first, morph_event.count) == (15, 10)
    assert [type(i).__name__ for i in back.tracks[0].items] == ["Clip", "Transition", "Clip"]


def test_steady_weights_never_fall_and_make_the_largest_step_smaller_than_even_ones() -> None:
    frames, still = np.arange(14), np.zeros((14, 5, 2), np.float32)
    out, into = still.copy(), still.copy()
    out[..., 0] = (2.0 * frames)[:, None]  # it moves on
    into[..., 0] = (40 + 3 * np.sin(frames))[:, None]
    weights = steady_weights(out, into)
    even = (np.arange(12) + 0.5) / 12

    def largest(w: NDArray[np.float64]) -> float:
        whole = np.concatenate([[0], w, [1]])[:, None, None]
        shown = (1 - whole) * out + whole * into
        return float(np.linalg.norm(np.diff(shown, axis=0), axis=2).mean(1).max())

    assert (np.diff(weights) >= 0).all()
    assert 0 <= weights[0] <= weights[-1] <= 1
    assert largest(weights) < 0.85 * largest(even)
    assert largest(weights) < 1.2 * 43 / 13


def test_a_face_sets_out_and_comes_to_rest_gently_in_a_joint_long_enough_for_it() -> None:
    still = np.zeros((26, 5, 2), np.float32)
    there = still + np.array([50, 0], np.float32)
    steps = np.diff(np.concatenate([[0], steady_weights(still, there), [1]])) * 50
    assert steps[0] < 0.6 * steps.max()
    assert steps[-1] < 0.6 * steps.max()
    assert steps.max() < 1.15 * 50 / 25
    short = np.diff(np.concatenate([[0], steady_weights(still[:8], there[:8]), [1]])) * 50
    assert short.max() < 1.1 * 50 / 7  # no frame to spare


def test_a_meeting_says_how_far_a_face_goes_at_once_in_joints_as_long_as_the_clips_allow(
    filmed: Path, tmp_path: Path
) -> None:
    document = new_document(tmp_path / "c.otio", row(filmed, (10, 12), (30, 20)))
    marked = verbs.mark(document, "stitch", clip="c0", length="24f").document  # half a joint is before the cut
    (event,) = (e for e in cut(marked.project) if isinstance(e.picture, Morph))
    with staged(marked.project, Registry.installed(), [event], LOSSLESS, silent) as stage:
        (blend,) = stage.plan.blends.values()
        found = meeting(stage, blend)
    assert set(found.steps) >= {8, 16, 24}
    assert max(found.steps) == 24
    assert found.steps[8] > found.apart / 20
    assert found.steps[24] < 0.75 * found.steps[8]


@pytest.mark.parametrize("beyond", [0, 5], ids=["up to the cut", "past the cut"])
def test_a_still_of_a_bridge_of_one_frame_is_what_a_render_shows_there(
    filmed: Path, tmp_path: Path, beyond: int
) -> None:
    plain = new_document(tmp_path / "c.otio", row(filmed, (0, 10), (35, 2)))
    smile = Segment("s", "expression", Span(F(0), seconds(10 + beyond)), {"smile": 0.8}, ease=Ease(F(0), F(0)))
    first = next(iter(plain.project.clips()))
    stills = []
    for document in (plain, plain.replace(edit.add_segment(plain.project, first, smile))):
        document = verbs.mark(document, "bridge", clip="c0", length="1f").document
        stills.append(verbs.still(document, "10f", LOSSLESS)[0])
    verbs.render(document, tmp_path / "out.mkv", LOSSLESS)
    assert stills[1].equals(pictures(tmp_path / "out.mkv")[10])
    assert not stills[1].equals(stills[0])


def test_sides_of_two_picture_sizes_are_compared_where_they_lie_in_one(filmed: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.mkv"
    with VideoSource(filmed) as source:
        half = replace(source.video.format, width=640, height=360)
        encode_chunk(tmp_path / "k", [fit(p, half) for p in source.frames(range(12))], half, RATE, Codec.FFV1)
    join_chunks(small, [tmp_path / "k"], [12], RATE, Codec.FFV1)
    marked = verbs.mark(two_media(filmed, small, tmp_path), "stitch", clip="a", length="4f").document
    (event,) = (e for e in cut(marked.project) if isinstance(e.picture, Morph))
    with staged(marked.project, Registry.installed(), [event], LOSSLESS, silent) as stage:
        (blend,) = stage.plan.blends.values()
        assert meeting(stage, blend).apart < 0.1
