"""Every real project file of the samples: the clips that are in it are read, counted from the file itself, or it is refused."""

from __future__ import annotations

import json
import re
from fractions import Fraction as F
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from trees import differences, intended

from lp_editor.errors import OutputError, ProjectError
from lp_editor.timeline.cut import cut, frame_count
from lp_editor.timeline.document import Document, open_document
from lp_editor.timeline.model import Clip, Project, Span
from lp_editor.timeline.relink import Rendered
from lp_editor.timeline.returned import MANIFEST

REFUSED = {
    "premiere_filter.xml": "it holds a <filter>",
    "kdenlive_example.kdenlive": "Kdenlive", "kdenlive_mixes_markers.kdenlive": "Kdenlive",
    "xges_example.xges": "Pitivi", "xges_timing_example.xges": "Pitivi",
}  # fmt: skip
"""The samples that are not read, as the page of formats lists them."""

WRITTEN_BACK = (".otio", ".xml", ".fcpxml")


def samples(*suffixes: str) -> list[str]:
    """The names of the samples, where they are."""
    folder = Path(__file__).parent.parent.parent.parent / "shared" / "nle_samples"
    return sorted(p.name for p in folder.glob("*") if p.suffix in suffixes) or ["(no samples here)"]


def pictures(project: Project) -> int:
    return sum(clip.place.split(">")[-1].startswith("V") for clip in project.clips())


def sounds(project: Project) -> int:
    return sum(clip.place.split(">")[-1].startswith("A") for clip in project.clips())


@pytest.fixture
def folder(shared: Path) -> Path:
    return shared / "nle_samples"


@pytest.mark.parametrize("name", samples(".otio"))
def test_every_clip_of_an_otio_is_read(name: str, folder: Path) -> None:
    def count(node: Any) -> int:
        if isinstance(node, list):
            return sum(map(count, node))
        if not isinstance(node, dict):
            return 0
        own = str(node.get("OTIO_SCHEMA", "")).startswith("Clip.")
        return own + sum(count(node[key]) for key in ("tracks", "children") if key in node)

    assert len(list(open_document(folder / name).project.clips())) == count(json.loads((folder / name).read_text()))


@pytest.mark.parametrize("name", [n for n in samples(".xml") if n not in REFUSED])
def test_every_clip_item_of_an_xmeml_is_read(name: str, folder: Path) -> None:
    root = ElementTree.parse(folder / name).getroot()
    full = {s.get("id"): s for s in root.iter("sequence") if len(s)}

    def count(sequence: ElementTree.Element, kind: str) -> int:
        total = 0
        for item in sequence.findall(f"media/{kind}/track/*"):
            inner = item.find("sequence")
            if inner is not None:
                total += count(full[inner.get("id")], kind)
            elif item.tag in ("clipitem", "generatoritem"):
                total += 1
        return total

    (top,) = root.findall("sequence")
    project = open_document(folder / name).project
    assert (pictures(project), sounds(project)) == (count(top, "video"), count(top, "audio"))


@pytest.mark.parametrize("name", samples(".fcpxml"))
def test_every_clip_of_an_fcpxml_is_read_in_every_project_of_the_file(name: str, folder: Path) -> None:
    root = ElementTree.parse(folder / name).getroot()
    shelf = {e.get("id"): e for e in root.find("resources") or []}

    def seen(element: ElementTree.Element) -> int:
        """How many pictures an element of a storyline and what hangs on it show."""
        resource = shelf.get(element.get("ref"))
        hung = [c for c in element if c.get("lane") or element.tag in ("spine", "sequence", "sync-clip")]
        if element.tag == "audition":
            return seen(element[0])
        if element.get("srcEnable") == "audio":
            return sum(map(seen, hung))
        if element.tag in ("title", "video") or (element.tag == "clip" and element.find("video") is not None):
            return 1 + sum(map(seen, [c for c in hung if element.tag != "video"]))
        if element.tag == "asset-clip":
            return int(resource is not None and resource.get("hasVideo") == "1") + sum(map(seen, hung))
        if element.tag == "ref-clip" and resource is not None:
            return sum(map(seen, resource.findall("sequence"))) + sum(map(seen, hung))
        return sum(map(seen, hung))

    tops = [(p.get("name"), p.find("sequence")) for p in root.iter("project")]
    tops = tops[:4] or [(e.get("name"), e) for e in root if e.tag in ("ref-clip", "asset-clip", "clip")]
    document = open_document(folder / name)
    assert len(document.sequences) == (len(list(root.iter("project"))) or len(tops))
    for number, (_, top) in enumerate(tops, 1):
        assert top is not None
        assert pictures(open_document(folder / name, str(number)).project) == seen(top), number


@pytest.mark.parametrize("name", samples(".edl"))
def test_every_event_of_an_edit_list_is_read(name: str, folder: Path) -> None:
    lines = (folder / name).read_text().splitlines()
    events = [re.findall(r"\d\d:\d\d:\d\d:\d\d", line) for line in lines if re.match(r"\d{3} ", line)]
    assert pictures(open_document(folder / name).project) == sum(times[2] != times[3] for times in events)


@pytest.mark.parametrize("name", samples(".aaf"))
def test_aaf_is_read_as_far_as_its_adapter_carries_or_asks_for_it(name: str, folder: Path) -> None:
    if find_spec("otio_aaf_adapter") is None:
        with pytest.raises(ProjectError, match=r"pip install 'lp-editor\[aaf\]'"):
            open_document(folder / name)
        return
    (known,) = [e for e in json.loads((folder / "INDEX.json").read_text())["files"] if e["file"] == name]
    clips = list(open_document(folder / name).project.clips())
    assert len(clips) == known["read_with_otio_0_18_1_plugins"]["clips"]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_read_is_refused_in_one_sentence_and_listed(name: str, folder: Path) -> None:
    with pytest.raises(ProjectError, match=REFUSED[name]) as error:
        open_document(folder / name)
    assert "\n" not in str(error.value)
    page = (Path(__file__).parent.parent.parent / "docs" / "formats.md").read_text(encoding="utf-8")
    assert {"filter": "fragment", "Kdenlive": "Kdenlive", "Pitivi": "Pitivi"}[
        "filter" if name.endswith(".xml") else REFUSED[name]
    ] in page  # fmt: skip


def test_a_clip_of_the_browser_cannot_be_split_and_says_what_would_do(folder: Path, tmp_path: Path) -> None:
    document = open_document(folder / "fcpx_clips.fcpxml", "IMG_0857")
    clip = next(document.project.clips())
    with pytest.raises(OutputError, match="put it into one"):
        document.relinked([middle(clip, document.project, tmp_path / "r.mov")]).save(tmp_path / "x.fcpxml")


def test_a_sequence_without_clips_says_so(folder: Path) -> None:
    assert open_document(folder / "fcp7_just_track.xml").notes == ["'sc01_sh010_layerA' holds no clips"]


@pytest.mark.parametrize("name", [n for n in samples(*WRITTEN_BACK) if n not in REFUSED])
def test_every_program_can_be_resolved_and_its_sources_lie_in_their_media(name: str, folder: Path) -> None:
    project = open_document(folder / name).project
    assert sum(event.count for event in cut(project)) == frame_count(project)
    outside = [
        (c.place, c.source, c.media.available) for c in project.clips()
        if c.media.available and c.media.available.duration * c.rate > 1 and c.media.kind == "file"
        and not (c.media.available.start - 1 <= c.source.start and c.source.stop <= c.media.available.stop + 1)
    ]  # fmt: skip
    known = {"premiere_example.otio": 1, "ayon_hiero_timeline.otio": 3}  # as they came: retimed past their media
    assert len(outside) <= known.get(name, 0), outside


@pytest.mark.parametrize("name", [n for n in samples(*WRITTEN_BACK) if n not in REFUSED])
def test_open_and_save_is_equal_to_the_byte_for_xml(name: str, folder: Path, tmp_path: Path) -> None:
    document = open_document(folder / name)
    document.save(tmp_path / name)
    if not name.endswith(".otio"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def middle(clip: Clip, project: Project, path: Path) -> Rendered:
    """As if the middle third of a clip had been rendered, with ten frames of handles."""
    rate = project.rate
    count = int(clip.record.duration * rate)
    record = Span(clip.record.start + F(count // 3) / rate, F(max(1, count // 3)) / rate)
    start = clip.source_time(record.start)
    return Rendered(
        clip.place, record, path, Span(start - 10 / rate, record.duration + 20 / rate), Span(start, record.duration)
    )


def filmed(document: Document, most: int) -> list[Clip]:
    """Picture clips long enough to be split, about so many of them spread over the cut."""
    found = [
        c for c in document.project.clips()
        if c.place.split(">")[-1].startswith("V") and c.media.kind == "file" and c.record.duration * document.project.rate >= 3
    ]  # fmt: skip
    return found[:: max(1, -(-len(found) // most))]


@pytest.mark.parametrize("name", [n for n in samples(*WRITTEN_BACK) if n not in REFUSED])
def test_a_render_changes_the_nodes_of_its_clip_and_no_other(name: str, folder: Path, tmp_path: Path) -> None:
    split_and_compare(folder / name, None, 2, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in samples(*WRITTEN_BACK) if n not in REFUSED and n != "fcpx_clips.fcpxml"])
def test_a_render_changes_no_other_node_in_any_sequence(name: str, folder: Path, tmp_path: Path) -> None:
    for sequence in dict.fromkeys(open_document(folder / name).sequences):
        split_and_compare(folder / name, sequence, 12, tmp_path)


def split_and_compare(path: Path, sequence: str | None, most: int, tmp_path: Path) -> None:
    """Split some clips of a file, one at a time, and look at what came of the rest."""
    name = path.name
    document = open_document(path, sequence)
    for clip in filmed(document, most):
        rendered = middle(clip, document.project, tmp_path / "a render, #1 é.mov")
        document.relinked([rendered]).save(tmp_path / name)
        found = differences(path.read_bytes(), (tmp_path / name).read_bytes())
        assert found
        assert [d for d in found if not intended(d)] == [], clip.place
        for ours in (tmp_path / f"{name}.lp.json", tmp_path / MANIFEST):
            ours.unlink()  # so that the file is seen as other applications see it
        again = open_document(tmp_path / name, sequence).project
        if not name.endswith(".otio"):
            shows_the_render(again, document.project, clip, rendered)


def shows_the_render(again: Project, before: Project, clip: Clip, rendered: Rendered) -> None:
    """The record frames of the render show it, all others what they showed."""
    assert frame_count(again) == frame_count(before)
    piece = next(
        c for c in again.clips() if c.media.path == rendered.path.absolute() and c.place.split(">")[-1].startswith("V")
    )
    frame = 1 / before.rate
    assert abs(piece.record.start - rendered.record.start) < frame
    assert abs(piece.record.duration - rendered.record.duration) < frame
    assert abs(piece.source.start - 10 * frame) < frame / 2
    assert piece.speed == 1
    track = clip.place.rsplit("/", 1)[0]
    row = [c for c in again.clips() if c.place.rsplit("/", 1)[0] == track]
    for at in (clip.record.start, rendered.record.stop):
        shown = next((c for c in row if c.record.start <= at + frame / 4 < c.record.stop), None)
        if shown is not None and shown is not piece and at < clip.record.stop:
            assert abs(shown.source_time(at) - clip.source_time(at)) <= 1 / clip.rate
