"""Renders that no list remembers are known again by the record that they bear, where the original is found."""

from __future__ import annotations

import shutil
from fractions import Fraction as F
from pathlib import Path

import pytest
from conftest import RATE, seconds
from films import small_head

from lp_editor import Registry, hookimpl, testing, verbs
from lp_editor.media.codecs import Codec
from lp_editor.plugins import expression
from lp_editor.render.program import Settings
from lp_editor.timeline.document import new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track
from lp_editor.timeline.returned import MANIFEST

FRAMES = 40


class Engine(testing.FakeEngine):
    """Found by its name."""

    @hookimpl
    def lp_engine(self, name: str, device: str) -> Engine | None:
        return self if name == self.name else None


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_head(tmp_path_factory.mktemp("film") / "head.mp4", FRAMES)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(expression, Engine())


@pytest.fixture(scope="module")
def sent(head: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film, a project with two marks, their renders, and nothing else that tells of them."""
    folder = tmp_path_factory.mktemp("sent")
    shutil.copy(head, folder / "head.mp4")
    media = Media("file", "head.mp4", str(folder / "head.mp4"), folder / "head.mp4", Span(F(0), seconds(FRAMES)), RATE)
    clip = Clip("", "talk", media, Span(seconds(2), seconds(36)), Span(F(0), seconds(36)), RATE)
    document = new_document(folder / "cut.otio", Project("cut", RATE, F(0), (Track("V1", "video", (clip,)),)))
    for at, params in ((4, {"smile": "0.6@0,0.2@5f", "ease": "2f"}), (11, {"brow": "0.3"})):
        document = verbs.mark(
            document, "expression", clip="V1/1", at=f"{at}f", length="8f", params=params, registry=registry
        ).document
    settings = Settings(Codec.FFV1, Engine.name, cache=folder / "cache")
    linked, _ = verbs.render_stretches(document, folder / "renders", settings, registry=registry)
    out = linked.save(folder / "cut.xml", size=(256, 192)).path
    for list_of_ours in (folder / "renders" / MANIFEST, out.with_name("cut.xml.lp.json")):
        list_of_ours.unlink()
    return folder


def moved(sent: Path, folder: Path) -> Path:
    """The folder elsewhere, so that one may spoil it; the project names its media there."""
    shutil.copytree(sent, folder / "there")
    path = folder / "there" / "cut.xml"
    path.write_text(path.read_text().replace(str(sent), str(folder / "there")))
    return path


def test_a_render_that_no_list_remembers_shows_its_original_and_its_marks(
    sent: Path, registry: Registry, tmp_path: Path
) -> None:
    document = verbs.open_project(moved(sent, tmp_path), registry=registry)
    assert {c.media.path for c in document.project.clips()} == {tmp_path / "there" / "head.mp4"}
    for clip in document.project.clips():  # every frame is the one it was
        assert clip.source_time(clip.record.start) == clip.record.start + seconds(2)
    marks = {s.id: s for c in document.project.clips() for s in c.segments}
    assert {i: (s.span.start, s.span.duration) for i, s in marks.items()} == {
        "s1": (seconds(6), seconds(8)), "s2": (seconds(13), seconds(8))
    }  # fmt: skip
    assert marks["s1"].ease is not None
    assert marks["s1"].ease.rise == seconds(2)
    assert list(marks["s2"].params) == ["brow"]
    assert not any(c.segments for c in document.to_render().clips())
    assert document.notes == []


def test_without_its_original_a_render_stays_a_render(sent: Path, registry: Registry, tmp_path: Path) -> None:
    path = moved(sent, tmp_path)
    film = path.parent / "head.mp4"
    content = film.read_bytes()
    film.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # of the same name, and another
    document = verbs.open_project(path, registry=registry)
    assert any(c.media.path and c.media.path.parent.name == "renders" for c in document.project.clips())
    assert [n for n in document.notes if "stays as it is" in n]
    (tmp_path / "archive" / "deep").mkdir(parents=True)
    (tmp_path / "archive" / "deep" / "head.mp4").write_bytes(content)
    again = verbs.open_project(path, media=[tmp_path / "archive"], registry=registry)
    shown = [c for c in again.project.clips() if c.segments]
    assert {c.media.path for c in shown} == {tmp_path / "archive" / "deep" / "head.mp4"}


def test_a_render_whose_record_is_gone_stays_a_render(sent: Path, registry: Registry, tmp_path: Path) -> None:
    path = moved(sent, tmp_path)
    (render,) = (path.parent / "renders").glob("*.mkv")
    assert b"lp-editor provenance" in render.read_bytes()
    render.write_bytes(render.read_bytes().replace(b"lp-editor provenance", b"xx-editor provenance"))
    document = verbs.open_project(path, registry=registry)
    assert any(c.media.path and c.media.path.parent.name == "renders" for c in document.project.clips())
