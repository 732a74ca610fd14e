"""Projects that come back: our renders are recognised whatever an editor and an application did to them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path

import pytest

from lp_editor.timeline.curve import Curve
from lp_editor.timeline.document import Document, new_document, open_document
from lp_editor.timeline.edit import add_segment
from lp_editor.timeline.model import Clip, Item, Media, Project, Segment, Span, Track
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.returned import MANIFEST

RATE = F(25)


def frames(count: float) -> F:
    return F(count) / RATE


def rendered_cut(folder: Path) -> tuple[Document, list[Rendered]]:
    """Five clips, the middle of each marked and as if rendered, the fourth at half speed."""
    items: list[Item] = []
    for n in range(5):
        speed = F(1, 2) if n == 3 else F(1)
        media = Media(
            "file", f"A {n}.mov", str(folder / f"A {n}.mov"), folder / f"A {n}.mov", Span(F(3600), F(40)), RATE
        )
        source = Span(3600 + frames(100 + n), frames(60) * speed)
        items.append(
            Clip("", f"shot {n}", media, source, Span(frames(60 * n), frames(60)), RATE, speed, place=f"V1/{n + 1}")
        )
    document = new_document(folder / "cut.otio", Project("cut", RATE, F(3600), (Track("V1", "video", tuple(items)),)))
    project, rendered = document.project, []
    for n, clip in enumerate(document.project.clips()):
        record = Span(clip.record.start + frames(20), frames(20))
        span = clip.source_span(record)
        project = add_segment(project, clip, Segment(f"s{n}", "expression", span, {"smile": Curve.constant(0.1 * n)}))
        start = clip.source_time(record.start)
        path = folder / "renders" / f"shot-{n}.mp4"
        rendered.append(
            Rendered(clip.place, record, path, Span(start - frames(8), frames(36)), Span(start, frames(20)))
        )
    (folder / "renders").mkdir()
    return document.replace(project).relinked(rendered), rendered


def edited(clip: Clip, chance: random.Random) -> list[Clip]:
    """What an editor makes of one clip: trimmed, slipped, split, doubled, retimed; its place comes later."""
    kind = chance.choice(["trim", "slip", "split", "double", "retime", "none"])
    by = frames(chance.randint(1, 6))
    if kind == "trim":
        return [
            replace(
                clip,
                source=Span(clip.source.start + by, clip.source.duration - by),
                record=Span(F(0), clip.record.duration - by),
            )
        ]
    if kind == "slip":
        return [replace(clip, source=clip.source.moved(chance.choice([by, -by])))]
    if kind == "split":
        whole, cut = clip.record.duration, frames(chance.randint(3, 10))
        left = replace(clip, source=Span(clip.source.start, cut), record=Span(F(0), cut))
        return [left, replace(clip, source=Span(clip.source.start + cut, whole - cut), record=Span(F(0), whole - cut))]
    if kind == "double":
        return [clip, clip]
    if kind == "retime":
        return [replace(clip, speed=F(1, 2), source=Span(clip.source.start, clip.record.duration / 2))]
    return [clip]


def came_back(sent: Path, chance: random.Random, folder: Path, keep_sidecar: bool) -> tuple[Document, list[Clip]]:
    """A project read as another application would, edited, and exported by it with losses; and the renders in it."""
    for extra in (folder / "renders" / MANIFEST, sent.with_name(sent.name + ".lp.json")):
        extra.rename(extra.with_suffix(".away"))
    plain = open_document(sent).project
    items: list[Item] = []
    at = F(0)
    clips = [e for c in plain.clips() for e in edited(replace(c, markers=(), segments=(), joint=None), chance)]
    chance.shuffle(clips)
    for number, clip in enumerate(clips, 1):
        record = Span(at, clip.record.duration)
        items.append(replace(clip, record=record, place=f"V1/{number}", id="", name=f"item {number}"))
        at = record.stop
    project = Project("Sequence 01 Copy", RATE, F(0), (Track("V1", "video", tuple(items)),))
    out = folder / f"back{sent.suffix}"
    new_document(folder / "x.otio", project).save(out)
    if sent.suffix == ".xml":
        out.write_text(out.read_text().replace("file://localhost/", "file:///"))
    for extra in (folder / "renders" / MANIFEST, sent.with_name(sent.name + ".lp.json")):
        extra.with_suffix(".away").rename(extra)
    if keep_sidecar:
        (folder / f"back{sent.suffix}.lp.json").write_bytes(sent.with_name(sent.name + ".lp.json").read_bytes())
        (folder / "renders" / MANIFEST).unlink()
    document = open_document(out)
    return document, [c for c in clips_of(items) if c.media.path and c.media.path.suffix == ".mp4"]


def clips_of(items: list[Item]) -> list[Clip]:
    return [i for i in items if isinstance(i, Clip)]


def recognised(suffix: str, keep_sidecar: bool, rounds: int, tmp_path: Path) -> tuple[int, int]:
    """How many of all edited renders are known as what they show, after so many exports."""
    chance = random.Random(11)
    right = total = 0
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        document, rendered = rendered_cut(folder)
        sent = document.save(folder / f"sent{suffix}").path
        if suffix == ".otio":
            sent.write_text(json.dumps(without_ours(json.loads(sent.read_text()))))
        back, renders = came_back(sent, chance, folder, keep_sidecar)
        now = {c.place: c for c in back.project.clips()}
        for clip in renders:
            total += 1
            right += shows_the_original(now[clip.place], clip, document, rendered)
    return right, total


EVERY_WAY = pytest.mark.parametrize(
    ("suffix", "keep_sidecar"),
    [(s, k) for s in (".xml", ".fcpxml", ".otio") for k in (True, False)],
    ids=lambda value: {True: "sidecar", False: "renders-list"}.get(value, value) if isinstance(value, bool) else value,
)


@EVERY_WAY
def test_segments_are_recognised_after_random_edits_and_a_lossy_export(
    suffix: str, keep_sidecar: bool, tmp_path: Path
) -> None:
    right, total = recognised(suffix, keep_sidecar, 2, tmp_path)
    assert total >= 12
    assert right / total >= 0.99


@pytest.mark.slow
@EVERY_WAY
def test_segments_are_recognised_after_two_hundred_random_edits(
    suffix: str, keep_sidecar: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, total = recognised(suffix, keep_sidecar, 34, tmp_path)
    with capsys.disabled():
        print(f"\n{suffix}, {'sidecar' if keep_sidecar else 'list of renders'}: {right} of {total} recognised")
    assert total >= 200
    assert right / total >= 0.99


def without_ours(node: object) -> object:
    """JSON without our metadata and without comments, as applications leave it; media references keep their keys."""
    if isinstance(node, dict):
        ours = {"comment"} | ({"lp_editor"} if "OTIO_SCHEMA" not in node.get("lp_editor", {}) else set())
        return {k: without_ours(v) for k, v in node.items() if k not in ours}
    return [without_ours(v) for v in node] if isinstance(node, list) else node


def shows_the_original(now: Clip, clip: Clip, document: Document, rendered: list[Rendered]) -> bool:
    """Whether a clip shows, frame for frame, the moments of the original that its render shows."""
    assert clip.media.path is not None
    (one,) = [r for r in rendered if r.path.name == clip.media.path.name]
    original = next(c for c in document.project.clips() if c.place == one.place)
    zero = clip.media.available.start if clip.media.available else F(0)
    for step in range(int(clip.record.duration * RATE)):
        record = clip.record.start + frames(step)
        into = clip.source_time(record) - zero - (one.source.start - one.available.start)
        wanted = original.source_time(one.record.start + into)
        if abs(now.source_time(record) - wanted) > F(1, 10**6):
            return False
    inside = original.segments[0].span.intersect(now.source) is not None
    return now.media.path == original.media.path and (
        [s.id for s in now.segments] == [original.segments[0].id] or not inside
    )


@pytest.mark.parametrize("number", [1, 3])  # the second shot, and the fourth, which plays at half speed
@pytest.mark.parametrize("suffix", [".xml", ".fcpxml", ".otio"])
def test_a_clip_drawn_out_past_its_render_shows_the_original_there_and_nothing_is_rendered(
    suffix: str, number: int, tmp_path: Path
) -> None:
    document, rendered = rendered_cut(tmp_path)
    (tmp_path / "renders" / f"shot-{number}.mp4").touch()
    document.save(tmp_path / f"sent{suffix}")
    one = rendered[number]
    media = Media("file", one.path.name, str(one.path), one.path, Span(F(0), one.available.duration), RATE)
    drawn = Span(F(0), frames(70))  # from 5 frames into the file on: 3 of its handle, 20 marked, 8, and 39 more
    items = (Clip("", "back", media, Span(frames(5), drawn.duration), drawn, RATE, place="V1/1"),)
    edited = new_document(tmp_path / "x.otio", Project("copy", RATE, F(0), (Track("V1", "video", items),)))
    edited.save(tmp_path / f"edited{suffix}")
    back = open_document(tmp_path / f"edited{suffix}")
    original = next(c for c in document.project.clips() if c.place == one.place)
    (clip,) = (c for c in back.project.clips() if c.place == "V1/1")
    assert clip.source_time(frames(3)) == original.source_time(one.record.start)
    assert not any(c.segments for c in back.to_render().clips())
    out = back.relinked([]).save(tmp_path / f"again{suffix}").path
    again = open_document(out)
    assert [s.id for c in again.project.clips() for s in c.segments if c.place[0] == "V"][:1] == [f"s{number}"]
    for ours in (tmp_path / "renders" / MANIFEST, tmp_path / f"again{suffix}.lp.json"):
        ours.unlink(missing_ok=True)
    if suffix == ".otio":
        out.write_text(json.dumps(without_ours(json.loads(out.read_text()))))
    pieces = [c for c in open_document(out).project.clips() if c.place.startswith("V")]
    assert [(round(c.record.start * RATE), round(c.record.duration * RATE)) for c in pieces] == [(0, 3), (3, 20), (23, 47)]
    if number == 3 and suffix != ".otio":  # XML goes on with the render around a retime that was baked
        assert [c.media.path for c in pieces] == [one.path] * 3
        return
    assert [c.media.path and c.media.path.name for c in pieces] == [f"A {number}.mov", one.path.name, f"A {number}.mov"]
    zero = pieces[1].media.available.start if pieces[1].media.available else F(0)
    assert (pieces[1].source.start - zero) * RATE == 8
    for piece, first in ((pieces[0], -3), (pieces[2], 20)):
        assert piece.source_time(piece.record.start) == original.source_time(one.record.start + frames(first))


@pytest.mark.parametrize("suffix", [".xml", ".fcpxml"])
def test_what_came_back_can_be_rendered_again_into_the_same_file(suffix: str, tmp_path: Path) -> None:
    document, _ = rendered_cut(tmp_path)
    sent = document.save(tmp_path / f"sent{suffix}").path
    back = open_document(sent)
    assert sum(place.startswith("V") for place in back.returned) == 5
    clip = next(c for c in back.project.clips() if c.place == list(back.returned)[1])
    start = clip.source_time(clip.record.start)
    again = Rendered(
        clip.place,
        clip.record,
        tmp_path / "renders" / "new.mp4",
        Span(start, clip.record.duration),
        Span(start, clip.record.duration),
    )
    out = back.relinked([again]).save(tmp_path / f"again{suffix}").path
    shown = [c.media.path for c in open_document(out).project.clips()]
    (tmp_path / f"again{suffix}.lp.json").unlink()
    (tmp_path / "renders" / MANIFEST).unlink()
    raw = [c.media.path.name for c in open_document(out).project.clips() if c.media.path and c.place.startswith("V")]
    assert raw.count("new.mp4") == 1
    assert "shot-1.mp4" not in raw
    assert raw.count("shot-2.mp4") == 1
    assert all(path and path.suffix == ".mov" for path in shown)
