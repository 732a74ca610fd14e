"""Smart renders: packets copied where nothing was edited, the rest encoded, all of it looked at again."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import FRAMES, RATE, seconds

from lp_editor import MediaError, Registry, testing, verbs
from lp_editor.media import sink
from lp_editor.media.codecs import Codec, Delivery
from lp_editor.media.picture import Picture, VideoFormat, fit, to_frame
from lp_editor.media.probe import probe
from lp_editor.media.sink import encode_chunk
from lp_editor.media.source import VideoSource
from lp_editor.plugins import expression
from lp_editor.render import program
from lp_editor.render.program import Settings
from lp_editor.render.report import Progress, Report
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, ParamValue, Project, Span, Track

SMALL = VideoFormat(320, 180, "yuv420p")
CLOSED = "keyint=10:min-keyint=10:scenecut=0:bframes=3"
OPEN = f"{CLOSED}:open-gop=1"


@pytest.fixture(scope="module")
def portrait(filmed: Path) -> list[Picture]:
    """The portrait, small, 60 frames."""
    with VideoSource(filmed) as source:
        return [fit(picture, SMALL) for picture in source.frames(range(FRAMES))]


@pytest.fixture(scope="module")
def stock(portrait: list[Picture], tmp_path_factory: pytest.TempPathFactory) -> "Stock":
    return Stock(portrait, tmp_path_factory.mktemp("stock"))


class Stock:
    """Small films of the portrait, made once each, and the landmarks found in them."""

    def __init__(self, pictures: list[Picture], folder: Path) -> None:
        self.pictures, self.folder = pictures, folder
        self.registry = Registry(expression, testing)

    def theirs(
        self, name: str, params: str = CLOSED, pictures: list[Picture] | None = None, codec: str = "libx264"
    ) -> Path:
        """Encoded as somebody else would."""
        path = self.folder / name
        if not path.exists():
            with av.open(str(path), "w") as file:
                options = {"crf": "20", f"{codec.removeprefix('lib')}-params": params}
                stream: Any = file.add_stream(codec, rate=RATE, options=options)
                stream.width, stream.height, stream.pix_fmt = SMALL.width, SMALL.height, "yuv420p"
                stream.codec_context.thread_count = 1
                for picture in pictures or self.pictures:
                    file.mux(stream.encode(to_frame(picture)))
                file.mux(stream.encode(None))
        return path

    def ours(self, name: str, delivery: Delivery, format: VideoFormat = SMALL) -> Path:
        """Encoded by us."""
        path = self.folder / name
        if not path.exists():
            encode_chunk(self.folder / "c", [fit(p, format) for p in self.pictures], format, RATE, delivery)
            sink.join_chunks(path, [self.folder / "c"], [FRAMES], RATE, delivery)
        return path

    def cut(self, folder: Path, *shown: tuple[Path, int, int]) -> Document:
        """A cut of some stretches of films: first frame and count of each."""
        clips, at = [], 0
        for number, (path, first, count) in enumerate(shown):
            media = Media("file", path.name, str(path), available=Span(F(0), seconds(FRAMES)))
            source = Span(seconds(first), seconds(count))
            clips.append(Clip("", f"c{number}", media, source, Span(seconds(at), seconds(count)), RATE))
            at += count
        return new_document(folder / "cut.otio", Project("cut", RATE, F(3600), (Track("V1", "video", tuple(clips)),)))

    def marked(self, document: Document, clip: str, at: int, count: int) -> Document:
        """With some frames brightened."""
        params: dict[str, ParamValue] = {"smile": 0.4, "ease": "0"}
        return verbs.mark(
            document, "expression", clip=clip, at=f"{at}f", length=f"{count}f", params=params, registry=self.registry
        ).document

    def render(
        self, document: Document, output: Path, codec: Codec | Delivery = Codec.H264, verify: bool = False
    ) -> Report:
        """Smart, with an engine that brightens."""
        settings = Settings(codec, "fake", cache=self.folder / "cache", smart=True, verify=verify)
        return verbs.render(document, output, settings, registry=self.registry)


def packets(path: Path) -> dict[int, bytes]:
    """The packets of a film by the number of their frame."""
    times = list(probe(path).video.times)  # type: ignore[union-attr]
    with av.open(str(path)) as file:
        found = {p.pts: bytes(p) for p in file.demux(file.streams.video[0]) if p.pts is not None}
    return {number: found[time] for number, time in enumerate(times)}


def pictures(path: Path) -> Iterator[Picture]:
    with VideoSource(path) as source:
        yield from source.frames(range(source.video.count))


def copied(out: Path, shown: list[tuple[Path, int]]) -> set[int]:
    """Which frames' packets are those of the media, each with the picture of the media; all the others differ in packets."""
    sources = {path: (packets(path), list(pictures(path))) for path in {path for path, _ in shown}}
    made, found = packets(out), set()
    assert sorted(made) == list(range(len(shown)))
    for number, (picture, (path, index)) in enumerate(zip(pictures(out), shown, strict=True)):
        theirs, seen = sources[path]
        if made[number] == theirs[index]:
            assert picture.equals(seen[index])
            found.add(number)
        off = np.abs(picture.planes[0].astype(int) - seen[index].planes[0])
        assert off.mean() < 25, f"frame {number} shows something else"
    return found


def quiet(path: Path) -> None:
    """Fail if a player complains; where there is none, nothing is said."""
    if shutil.which("ffmpeg"):
        words = ["ffmpeg", "-v", "warning", "-i", str(path), "-f", "null", "-"]
        said = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.mp4", ".mp4"), ("a.mov", ".mov"), ("a.mkv", ".mkv"), ("a.mp4", ".mkv"), ("a.mkv", ".mov")]
)
def test_only_the_groups_that_an_edit_touches_are_encoded(stock: Stock, tmp_path: Path, name: str, suffix: str) -> None:
    film, out = stock.theirs(name), tmp_path / f"out{suffix}"
    document = stock.marked(stock.cut(tmp_path, (film, 0, FRAMES)), "c0", 24, 3)
    report = stock.render(document, out)
    found = copied(out, [(film, i) for i in range(FRAMES)])
    assert found >= {*range(20), *range(30, FRAMES)}
    assert not found & {24, 25, 26, 27, 28, 29}
    assert (report.copied, report.notes) == (len(found), [])
    assert report.rendered <= FRAMES - len(found)
    quiet(out)


@pytest.mark.parametrize(("speed", "effort"), [("", 1), ("veryfast", 2)])  # x264's presets by their subme
def test_what_is_encoded_is_encoded_quickly_unless_asked_otherwise(
    stock: Stock, tmp_path: Path, speed: str, effort: int
) -> None:
    film, out = stock.theirs("a.mp4"), tmp_path / "out.mp4"
    stock.render(stock.marked(stock.cut(tmp_path, (film, 0, FRAMES)), "c0", 24, 3), out, Delivery(speed=speed))
    told = {int(found) for p in packets(out).values() for found in re.findall(rb"deblock=1:0:0 .* subme=(\d+) ", p)}
    assert told == {7, effort}  # theirs, and ours


@pytest.mark.parametrize(("at", "count", "kept"), [(0, 2, range(10, 60)), (58, 2, range(50)), (29, 2, range(40, 60))])
def test_edits_at_the_ends_and_across_groups(stock: Stock, tmp_path: Path, at: int, count: int, kept: range) -> None:
    film = stock.theirs("a.mp4")
    document = stock.marked(stock.cut(tmp_path, (film, 0, FRAMES)), "c0", at, count)
    stock.render(document, tmp_path / "out.mp4")
    found = copied(tmp_path / "out.mp4", [(film, i) for i in range(FRAMES)])
    assert found >= set(kept)
    assert not found & set(range(at, at + count))
    quiet(tmp_path / "out.mp4")


def test_trims_within_groups_are_encoded_to_the_next_key_frame(stock: Stock, tmp_path: Path) -> None:
    film = stock.theirs("a.mp4")
    document = stock.cut(tmp_path, (film, 5, 20), (film, 33, 27))
    report = stock.render(document, tmp_path / "out.mp4")
    shown = [(film, i) for i in [*range(5, 25), *range(33, 60)]]
    found = copied(tmp_path / "out.mp4", shown)
    assert found >= {*range(5, 15), *range(27, 47)}
    assert not found & {*range(5), *range(20, 27)}
    assert report.copied == len(found)
    quiet(tmp_path / "out.mp4")


def test_an_open_group_is_copied_only_where_decoding_starts_anew(stock: Stock, tmp_path: Path) -> None:
    film = stock.theirs("open.mp4", OPEN)
    document = stock.marked(stock.cut(tmp_path, (film, 0, FRAMES)), "c0", 34, 2)
    stock.render(document, tmp_path / "out.mp4")
    found = copied(tmp_path / "out.mp4", [(film, i) for i in range(FRAMES)])
    assert found >= set(range(30))  # one IDR at the very start: up to the edit all can be copied, behind it nothing
    assert not found & set(range(34, 60))
    quiet(tmp_path / "out.mp4")


def test_films_of_one_cut_are_all_copied_where_their_parameters_agree_and_else_the_longest(
    stock: Stock, tmp_path: Path
) -> None:
    one, other = stock.theirs("a.mp4"), stock.theirs("other.mp4", f"{CLOSED}:ref=1:cabac=0:8x8dct=0")
    twin = stock.theirs("twin.mkv", CLOSED, stock.pictures[::-1])
    document = stock.cut(tmp_path, (one, 0, 40), (twin, 10, 20), (other, 20, 20))
    report = stock.render(document, tmp_path / "out.mp4")
    shown = [(one, i) for i in range(40)] + [(twin, i) for i in range(10, 30)] + [(other, i) for i in range(20, 40)]
    assert copied(tmp_path / "out.mp4", shown) == set(range(60))
    assert report.notes == ["nothing is copied from other.mp4: its H.264 parameters bear the numbers of another film's"]
    quiet(tmp_path / "out.mp4")


@pytest.mark.parametrize(
    ("name", "delivery"),
    [
        ("p.mov", Delivery(Codec.PRORES, "lt")),
        ("d.mov", Delivery(Codec.DNXHR, "sq")),
        ("f.mkv", Delivery(Codec.FFV1)),
        ("h.mp4", Delivery(Codec.HEVC)),
    ],
)
def test_other_codecs_are_copied_too(stock: Stock, tmp_path: Path, name: str, delivery: Delivery) -> None:
    film = stock.ours(name, delivery, replace(SMALL, pix_fmt="yuv422p10le" if name == "p.mov" else "yuv422p"))
    document = stock.marked(stock.cut(tmp_path, (film, 0, FRAMES)), "c0", 20, 3)
    out = tmp_path / f"out{film.suffix}"
    report = stock.render(document, out, delivery.codec)
    found = copied(out, [(film, i) for i in range(FRAMES)])
    touched = set(range(20, 60)) if delivery.codec is Codec.HEVC else {20, 21, 22}
    # ours has one key frame in 60 frames of H.265; the others are key frames all
    assert found >= {*range(16 if delivery.codec is Codec.HEVC else 20)} | set(range(FRAMES)) - touched - set(range(20))
    assert not found & {20, 21, 22}
    assert (report.copied, report.notes) == (len(found), [])
    quiet(out)


def _to(told: list[tuple[str, int, int]]) -> Progress:
    """Listens to a progress."""
    return lambda stage, done, total: told.append((stage, done, total))


def test_verify_decodes_all(stock: Stock, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    film = stock.theirs("a.mp4")
    document = stock.marked(stock.cut(tmp_path, (film, 0, FRAMES)), "c0", 0, 2)
    for verify in (False, True):
        settings = Settings(Codec.H264, "fake", cache=stock.folder / "cache", smart=True, verify=verify, force=True)
        verbs.render(document, tmp_path / "out.mp4", settings, progress=_to(told), registry=stock.registry)
    checked = [total for stage, done, total in told if stage == "check" and done == total]
    assert checked == [20, FRAMES]


@pytest.mark.parametrize(
    ("codec", "suffix", "why"),
    [
        (Codec.HEVC, ".mp4", "a.mp4: it is h264, and hevc was asked for"),
        (Codec.PRORES, ".mov", "a.mp4: it is h264, and prores was asked for"),
        (Delivery(Codec.H264, depth=10), ".mp4", "a.mp4: it has another size or coding than the output"),
    ],
)
def test_what_cannot_be_copied_is_encoded_and_said(
    stock: Stock, tmp_path: Path, codec: Codec | Delivery, suffix: str, why: str
) -> None:
    film, out = stock.theirs("a.mp4"), tmp_path / f"out{suffix}"
    report = stock.render(stock.cut(tmp_path, (film, 0, 12)), out, codec)
    assert report.notes == [f"nothing was copied, every frame is encoded: {why}"]
    assert (report.copied, len(list(pictures(out)))) == (0, 12)


def test_h265_of_other_settings_is_encoded_and_said(stock: Stock, tmp_path: Path) -> None:
    film = stock.theirs("theirs.mp4", "log-level=none:keyint=5:ctu=16", codec="libx265")
    document = stock.marked(stock.cut(tmp_path, (film, 0, 12)), "c0", 8, 2)
    report = stock.render(document, tmp_path / "out.mp4", Codec.HEVC)
    assert report.copied == 0
    assert len(report.notes) == 1
    assert "other settings" in report.notes[0]
    assert len(list(pictures(tmp_path / "out.mp4"))) == 12


def test_a_copy_that_the_check_finds_wrong_is_thrown_away_and_all_is_encoded(
    stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = stock.theirs("a.mp4")
    document = stock.marked(stock.cut(tmp_path, (film, 0, 30)), "c0", 15, 2)
    # a join that forgets our parameters: players would show grey, or nothing
    monkeypatch.setattr(sink, "spliced_header", lambda headers, codec: headers[0])
    report = stock.render(document, tmp_path / "out.mp4")
    assert (report.copied, len(report.notes)) == (0, 1)
    assert report.notes[0].startswith("nothing was copied, every frame is encoded: frame ")
    assert len(list(pictures(tmp_path / "out.mp4"))) == 30
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []
    quiet(tmp_path / "out.mp4")


def test_footage_that_changes_meanwhile_ends_a_smart_render_and_nothing_is_encoded_in_its_place(
    stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(footage: object) -> None:
        raise MediaError("a.mp4 was changed while it was worked on")

    monkeypatch.setattr(program, "check_sources", changed)
    encoded: list[object] = []
    monkeypatch.setattr(program._Job, "whole", lambda job, work: encoded.append(job))
    document = stock.marked(stock.cut(tmp_path, (stock.theirs("a.mp4"), 0, 30)), "c0", 15, 2)
    with pytest.raises(MediaError, match="was changed"):
        stock.render(document, tmp_path / "out.mp4")
    assert not encoded
    assert not (tmp_path / "out.mp4").exists()


def test_a_matte_is_of_every_frame(stock: Stock, tmp_path: Path) -> None:
    settings = Settings(Codec.H264, "fake", cache=stock.folder / "cache", smart=True)
    document = stock.cut(tmp_path, (stock.theirs("a.mp4"), 0, 12))
    report = verbs.render(document, tmp_path / "out.mp4", settings, registry=stock.registry, matte=tmp_path / "m.mkv")
    assert report.notes == ["nothing was copied, every frame is encoded: a matte is of every frame"]
    assert (tmp_path / "m.mkv").exists()


def test_sound_timecode_and_colour_are_as_usual(filmed: Path, cut_file: Path, tmp_path: Path) -> None:
    report = verbs.render(verbs.open_project(cut_file), tmp_path / "out.mp4", Settings(Codec.H264, smart=True))
    assert report.copied >= 25
    made, source = probe(tmp_path / "out.mp4"), probe(filmed)
    assert made.timecode == 3600
    assert made.video is not None
    assert source.video is not None
    assert (made.video.format, made.video.rate, made.video.count) == (source.video.format, RATE, 56)
    assert [(a.codec, a.rate, a.channels) for a in made.audio] == [("aac", 48000, source.audio[0].channels)]
    assert abs(made.audio[0].duration - seconds(56)) < F(1, 20)
    quiet(tmp_path / "out.mp4")
