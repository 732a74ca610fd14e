"""What goes wrong around a render: it says so in one sentence, leaves no half file, and the same command goes on from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction as F
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any, ClassVar

import av
import counting
import pytest
from conftest import RATE, ROOT, seconds
from films import small_head

from lp_editor import SHAPES, Effect, FacePicture, Patch, Registry, hookimpl, testing, verbs
from lp_editor.cli import main
from lp_editor.errors import CacheError, EngineError, LpEditorError, MediaError, OutputError, ParamError, PluginError
from lp_editor.faces import analyse_faces
from lp_editor.files import LEFT, read_sealed, seal, sealed, sweep, unbroken, write_bytes, write_whole
from lp_editor.media.codecs import Codec
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.media.probe import probe
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.plugins import expression, performance
from lp_editor.render import cache as caches
from lp_editor.render.executor import LocalExecutor
from lp_editor.render.program import Settings
from lp_editor.render.stage import BATCH
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

FRAMES, EACH = 60, 12  # chunks of a clip begin at every 48th frame of its media, so each clip is one


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_head(tmp_path_factory.mktemp("film") / "head.mp4", FRAMES)


@pytest.fixture(scope="module")
def analysed(head: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The face tracks of the film, found once for all tests."""
    with VideoSource(head) as source:
        analyse_faces(source, 0, FRAMES, tmp_path_factory.getbasetemp() / "analysed")
    return tmp_path_factory.getbasetemp() / "analysed"


@pytest.fixture
def film(head: Path, analysed: Path, tmp_path: Path) -> Path:
    """A film of one's own, to be spoilt, in a folder with a cache that knows its faces."""
    path = tmp_path / "film.mp4"
    path.write_bytes(head.read_bytes())
    copytree(analysed, tmp_path / "cache" / "faces")
    return path


class Engine(testing.FakeEngine):
    """Calls somebody each time before it makes faces; ``most`` of them at once."""

    name = "spoilt"
    fingerprint = "spoilt-1"
    keeps_patches = False

    def __init__(self, before: Callable[[int], object], most: int = 99) -> None:
        self.calls = 0
        self._before, self._most = before, most

    def synthesize(
        self, look: Any, faces: Sequence[FacePicture], filmed: Sequence[Any], motions: Sequence[Any]
    ) -> list[Patch | None]:
        self.calls += 1
        self._before(self.calls)
        if len(faces) > self._most:
            raise MemoryError
        return super().synthesize(look, faces, filmed, motions)

    @hookimpl
    def lp_engine(self, name: str, device: str) -> Engine | None:
        return self if name == self.name else None


def nothing(call: int) -> None:
    """Nothing happens."""


@dataclass(frozen=True)
class Work:
    """A cut of a film in clips of ten frames, every frame marked, and what renders it."""

    document: Document
    registry: Registry
    settings: Settings

    def render(self, output: Path) -> bytes:
        verbs.render(self.document, output, self.settings, registry=self.registry)
        return output.read_bytes()


def work(film: Path, folder: Path, engine: Engine, workers: int = 1, frames: int = FRAMES) -> Work:
    registry = Registry(expression, engine)
    media = Media("file", film.name, str(film), available=Span(F(0), seconds(frames)))
    spans = [Span(seconds(at), seconds(min(EACH, frames - at))) for at in range(0, frames, EACH)]
    row = tuple(Clip("", f"c{i}", media, s, s, RATE) for i, s in enumerate(spans))
    document = new_document(folder / "cut.otio", Project("cut", RATE, F(0), (Track("V1", "video", row),)))
    for i in range(len(spans)):
        document = verbs.mark(
            document, "expression", clip=f"V1/{i + 1}", params={"smile": 0.6, "ease": "0"}, registry=registry
        ).document
    settings = Settings(Codec.FFV1, "spoilt", cache=folder / "cache", executor=LocalExecutor(workers))
    return Work(document, registry, settings)


def half_files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if ".part" in p.name or (p.name == "out.mkv" and not p.stat().st_size)]


# --- sources ------------------------------------------------------------------------------------------------------


def test_a_source_that_changes_during_the_render_stops_it_and_nothing_of_both_is_kept(
    film: Path, head: Path, tmp_path: Path
) -> None:
    other = small_head(tmp_path / "other.mp4", FRAMES, sound=True)

    def change(call: int) -> None:
        if call == 3:
            film.write_bytes(other.read_bytes())

    spoilt = work(film, tmp_path, Engine(change))
    with pytest.raises(MediaError, match=r"film\.mp4 was changed while it was worked on; run the same command again"):
        spoilt.render(tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()
    copytree(tmp_path / "cache" / "faces", tmp_path / "apart" / "cache" / "faces")
    afterwards = spoilt.render(tmp_path / "out.mkv")
    alone = work(film, tmp_path / "apart", Engine(nothing)).render(tmp_path / "apart" / "out.mkv")
    assert afterwards == alone


@pytest.mark.parametrize("kind", ["film", "recording"])
def test_a_driver_that_changes_during_the_render_stops_it(kind: str, film: Path, head: Path, tmp_path: Path) -> None:
    driver = tmp_path / ("driver.mp4" if kind == "film" else "driver.csv")
    if kind == "film":
        driver.write_bytes(head.read_bytes())
        other = small_head(tmp_path / "other.mp4", FRAMES, sound=True).read_bytes()
    else:
        turns = [f"{side}{turn}" for side in ("Head", "LeftEye", "RightEye") for turn in ("Yaw", "Pitch", "Roll")]
        names = ["Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in SHAPES), *turns]
        rows = [[f"00:00:{i // 60:02d}:{i % 60:02d}.0", "61", *["0.5"] * (len(names) - 2)] for i in range(2 * FRAMES)]
        driver.write_text("\n".join(",".join(row) for row in (names, *rows)))
        other = driver.read_bytes().replace(b"0.5", b"0.7")

    def change(call: int) -> None:
        if call == 3:
            driver.write_bytes(other)

    spoilt = work(film, tmp_path, Engine(change))
    registry = Registry(performance, Engine(change))
    document = spoilt.document
    for place in [c.place for c in document.project.clips()]:
        document = verbs.unmark(document, clip=place)[0]
        document = verbs.mark(
            document, "performance", clip=place, params={"driver": str(driver), "ease": "0"}, registry=registry
        ).document
    driven = replace(spoilt, document=document, registry=registry)
    with pytest.raises(MediaError, match=r"the driver .*driver\.(mp4|csv) was changed while it was worked on; run the same"):
        driven.render(tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()
    driven.render(tmp_path / "out.mkv")  # of the changed one alone


def test_a_source_that_is_deleted_during_the_render_stops_it_and_put_back_it_goes_on(
    film: Path, head: Path, tmp_path: Path
) -> None:
    engine = Engine(lambda call: film.unlink() if call == 3 else None)
    spoilt = work(film, tmp_path, engine)
    with pytest.raises(MediaError, match=r"film\.mp4 is gone .* put it back"):
        spoilt.render(tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()
    assert half_files(tmp_path) == []
    film.write_bytes(head.read_bytes())
    spoilt.render(tmp_path / "out.mkv")
    assert probe(tmp_path / "out.mkv").video is not None


def test_a_source_that_was_only_touched_is_no_fault(film: Path, tmp_path: Path) -> None:
    work(film, tmp_path, Engine(lambda call: os.utime(film, (call, call)))).render(tmp_path / "out.mkv")


def test_a_file_of_a_sequence_that_changes_is_named(tmp_path: Path) -> None:
    from lp_editor.media.probe import probe_sequence
    from lp_editor.media.source import open_video
    from lp_editor.media.stills import write_still
    from lp_editor.timeline.model import Numbers

    for number in (1, 2):
        write_still(tmp_path / f"s.{number:04d}.png", testing.plain_frame(64, 48, 40 * number))
    info = probe_sequence(tmp_path / "s.%04d.png", Numbers(1, 1, RATE))
    with open_video(info) as source:
        source.picture(0)
        write_still(tmp_path / "s.0002.png", testing.plain_frame(64, 48, 9))
        with pytest.raises(MediaError, match=r"s\.0002\.png was changed"):
            source.picture(1)


# --- engines and effects ------------------------------------------------------------------------------------------


def test_an_engine_that_fails_is_named_and_what_was_finished_is_kept(film: Path, tmp_path: Path) -> None:
    calls_a_clip = -(-EACH // BATCH)

    def fail(call: int) -> None:
        if call == 2 * calls_a_clip + 1:
            raise ZeroDivisionError("no such\nface")

    engine = Engine(fail)
    spoilt = work(film, tmp_path, engine)
    with pytest.raises(EngineError, match="the engine spoilt failed when it made a face: ZeroDivisionError: no such face"):
        spoilt.render(tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()
    report = verbs.render(spoilt.document, tmp_path / "out.mkv", spoilt.settings, registry=spoilt.registry)
    assert report.rendered == FRAMES - 2 * EACH  # two clips were finished


def test_faces_are_handed_over_in_halves_where_memory_runs_out(film: Path, tmp_path: Path) -> None:
    whole = work(film, tmp_path, Engine(nothing)).render(tmp_path / "whole.mkv")
    copytree(tmp_path / "cache" / "faces", tmp_path / "b" / "cache" / "faces")
    assert work(film, tmp_path / "b", Engine(nothing, most=3)).render(tmp_path / "b" / "out.mkv") == whole
    copytree(tmp_path / "cache" / "faces", tmp_path / "c" / "cache" / "faces")
    with pytest.raises(EngineError, match="does not hold one face for the engine spoilt"):
        work(film, tmp_path / "c", Engine(nothing, most=0)).render(tmp_path / "c" / "out.mkv")


@dataclass(frozen=True)
class Broken(Effect):
    """Divides by nothing."""

    name: ClassVar[str] = "broken"

    def edit(self, scene: Any) -> Any:
        return 1 / 0

    @hookimpl
    def lp_effects(self) -> list[type[Effect]]:
        return [Broken]


def test_an_effect_that_fails_is_named_with_its_clip(film: Path, tmp_path: Path) -> None:
    spoilt = work(film, tmp_path, Engine(nothing))
    registry = Registry(expression, Engine(nothing), Broken())
    document = verbs.mark(spoilt.document, "broken", clip="V1/2", registry=registry).document
    with pytest.raises(PluginError, match=r'the effect failed: ZeroDivisionError.*clip "c1", segment'):
        verbs.render(document, tmp_path / "out.mkv", spoilt.settings, registry=registry)


def test_ctrl_c_stops_all_workers_soon_and_the_same_command_goes_on(film: Path, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what they start behind them ignore it
    try:
        _interrupted(film, tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupted(film: Path, tmp_path: Path) -> None:
    def slowly(call: int) -> None:
        if call == 2:  # in the middle of the work, however fast the machine is
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)

    engine = Engine(slowly)
    spoilt = work(film, tmp_path, engine, workers=2)
    verbs.plan(spoilt.document, spoilt.settings, registry=spoilt.registry)  # the faces are known
    with pytest.raises(KeyboardInterrupt):
        spoilt.render(tmp_path / "out.mkv")
    stopped = engine.calls
    time.sleep(0.5)
    assert engine.calls == stopped  # nobody goes on
    assert not (tmp_path / "out.mkv").exists()
    assert half_files(tmp_path) == []
    spoilt.render(tmp_path / "out.mkv")


# --- stores -------------------------------------------------------------------------------------------------------


def a_chunk(folder: Path, codec: Codec) -> Path:
    format = VideoFormat(64, 48, "gbrpf32le" if codec is Codec.EXR else "yuv420p")
    path = folder / "chunk"
    encode_chunk(path, [Picture.black(format)] * 4, format, RATE, codec)
    return path


@pytest.mark.parametrize("codec", [Codec.H264, Codec.FFV1, Codec.PRORES, Codec.PNG])
def test_a_seal_shows_every_changed_byte_and_players_pass_it_over(codec: Codec, tmp_path: Path) -> None:
    path = a_chunk(tmp_path, codec)
    before = path.read_bytes()
    seal(path)
    assert unbroken(path)
    content = path.read_bytes()
    assert content.startswith(before)
    for at in range(0, len(content), max(len(content) // 40, 1)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert not unbroken(path)
    for short in (content[:-1], content[: len(content) // 2], b"", before):
        path.write_bytes(short)
        assert not unbroken(path)
    path.write_bytes(content)
    if codec is not Codec.PNG:
        with VideoSource(path) as source:
            assert len(list(source.frames(range(4)))) == 4
        ffmpeg = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "null", "-"]
        assert subprocess.run(ffmpeg, capture_output=True, check=True).stderr == b""


def test_sealed_bytes_read_back_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"", b"some bytes"):
        path.write_bytes(sealed(content))
        assert read_sealed(path) == content
        path.write_bytes(sealed(content)[:-1] + b"?")
        assert read_sealed(path) is None
    assert read_sealed(tmp_path / "none") is None


def test_damaged_face_tracks_are_found_again(film: Path, tmp_path: Path) -> None:
    first = work(film, tmp_path, Engine(nothing))
    expected = first.render(tmp_path / "a.mkv")
    (window,) = (tmp_path / "cache" / "faces").rglob("*.npz")
    content = bytearray(window.read_bytes())
    content[len(content) // 2] ^= 1
    window.write_bytes(content)
    assert first.render(tmp_path / "b.mkv") == expected
    assert read_sealed(window) is not None


def test_a_damaged_chunk_is_made_again_and_told_of(film: Path, tmp_path: Path) -> None:
    first = work(film, tmp_path, Engine(nothing))
    expected = first.render(tmp_path / "a.mkv")
    chunk = next((tmp_path / "cache" / "chunks").rglob("*.mkv"))
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    report = verbs.render(first.document, tmp_path / "b.mkv", first.settings, registry=first.registry)
    assert (report.rendered, report.notes) == (EACH, ["a chunk in the cache was damaged and is made again"])
    assert (tmp_path / "b.mkv").read_bytes() == expected


def test_a_cache_that_is_deleted_during_the_render_is_one_sentence(film: Path, tmp_path: Path) -> None:
    def delete(call: int) -> None:
        if call == 5:
            for path in (tmp_path / "cache" / "chunks").rglob("??*[0-9a-f].mkv"):
                path.unlink()
        if call == 20:
            rmtree(tmp_path / "cache" / "chunks")

    spoilt = work(film, tmp_path, Engine(delete))
    with pytest.raises(CacheError, match="was deleted while it was needed; run the same command again"):
        spoilt.render(tmp_path / "out.mkv")
    rmtree(tmp_path / "cache" / "chunks")
    with pytest.raises(OutputError, match=r"cannot be written .*its folder was deleted meanwhile"):
        spoilt.render(tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()
    spoilt.render(tmp_path / "out.mkv")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that may not be written to; root may write to any but one of a disk that is mounted so."""
    folder = tmp_path / "read only"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    command = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("root that may not mount: there is no folder it may not write to")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_folder_that_may_not_be_written_to_is_one_sentence(film: Path, tmp_path: Path, read_only: Path) -> None:
    spoilt = work(film, tmp_path, Engine(nothing))
    with pytest.raises(OutputError, match=r"read only.*cannot be written .*choose a folder that you may write to"):
        spoilt.render(read_only / "out.mkv")
    there = replace(spoilt, settings=replace(spoilt.settings, cache=read_only / "cache"))
    with pytest.raises(OutputError, match=r"cannot be made .*LP_EDITOR_CACHE"):
        there.render(tmp_path / "out.mkv")


def test_what_killed_writers_left_is_deleted_and_what_others_write_is_not(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    names: list[Path] = []

    def fill(path: Path) -> None:
        names.append(path)
        path.write_bytes(b"x")

    write_whole(tmp_path / "film.mp4", fill)
    (mine,) = names
    assert f"-{os.getpid()}.part" in mine.name
    dead = tmp_path / mine.name.replace(f"-{os.getpid()}.", f"-{child.pid}.")
    elsewhere = tmp_path / ".film.00000000-00000000-1.part.mp4"
    for path in (mine, dead, elsewhere, tmp_path / ".other.part.mp4"):
        path.write_bytes(b"half")
    sweep(tmp_path / "film.mp4")
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"film.mp4", mine.name, elsewhere.name, ".other.part.mp4"}
    os.utime(elsewhere, (1, 1))
    sweep(tmp_path / "film.mp4")
    assert not elsewhere.exists()
    assert LEFT in caches.TEMPORARY.pattern


# --- the cache ----------------------------------------------------------------------------------------------------


def aged(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, sealed(bytes(1000 - len(sealed(b"")))))
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_what_was_used_longest_ago_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [aged(tmp_path / kind / "ab" / f"{i}.x", i + 1) for i, kind in enumerate(("chunks", "patches", "faces"))]
    monkeypatch.setenv("LP_EDITOR_CACHE_LIMIT", "2.5 KB")
    assert caches.trim(tmp_path) == 1000
    assert [p.exists() for p in paths] == [True, True, False]
    monkeypatch.setenv("LP_EDITOR_CACHE_LIMIT", "none")
    assert caches.trim(tmp_path) == 0
    monkeypatch.setenv("LP_EDITOR_CACHE_LIMIT", "0")
    assert caches.trim(tmp_path) == 2000


def test_nothing_goes_that_a_running_render_made_or_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LP_EDITOR_CACHE_LIMIT", "0")
    old = aged(tmp_path / "chunks" / "ab" / "old.x", 3)
    with caches.running(tmp_path):
        mine = aged(tmp_path / "chunks" / "ab" / "mine.x", 0)
        assert caches.trim(tmp_path) == 1000
        assert caches.clear(tmp_path) == 0
        assert mine.exists()
        assert not old.exists()
    assert caches.clear(tmp_path) == 1000


def test_a_killed_render_protects_nothing_after_a_while(tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    sign = tmp_path / "running" / "dead.json"
    sign.write_text(json.dumps({"since": 0}))
    aged(tmp_path / "chunks" / "ab" / "x.x", 1)
    assert caches.clear(tmp_path) == 0
    os.utime(sign, (1, 1))
    assert caches.clear(tmp_path) == 1000
    assert not sign.exists()


def test_a_render_keeps_to_the_limit_and_what_it_used_goes_last(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = aged(tmp_path / "cache" / "chunks" / "ab" / "old.x", 3)
    monkeypatch.setenv("LP_EDITOR_CACHE_LIMIT", "1 KB")
    once = work(film, tmp_path, Engine(nothing))
    once.render(tmp_path / "out.mkv")
    assert not old.exists()
    monkeypatch.setenv("LP_EDITOR_CACHE_LIMIT", "a lot")
    with pytest.raises(ParamError, match="LP_EDITOR_CACHE_LIMIT is a size like 20GB"):
        once.render(tmp_path / "again.mkv")


def test_the_cache_is_shown_checked_and_cleared(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LP_EDITOR_CACHE", str(tmp_path / "cache"))
    work(film, tmp_path, Engine(nothing)).render(tmp_path / "out.mkv")
    assert main(["cache", "show", "--json"]) == 0
    kinds = json.loads(capsys.readouterr().out)["kinds"]
    assert (kinds["chunks"]["entries"], kinds["faces"]["entries"]) == (FRAMES // EACH, 1)
    assert main(["cache", "show"]) == 0
    assert "of 100.0 GB" in capsys.readouterr().out
    assert main(["cache", "verify"]) == 0
    assert f"{FRAMES // EACH + 1} entries, 0 damaged" in capsys.readouterr().out
    chunk = next((tmp_path / "cache" / "chunks").rglob("*.mkv"))
    chunk.write_bytes(chunk.read_bytes()[:-9])
    assert main(["cache", "verify"]) == 0
    assert "1 damaged" in capsys.readouterr().out
    assert not chunk.exists()
    assert main(["cache", "clear", "--only", "chunks"]) == 0
    assert not list((tmp_path / "cache" / "chunks").rglob("*.mkv"))
    assert list((tmp_path / "cache" / "faces").rglob("*.npz"))
    assert main(["cache", "clear"]) == 0
    assert not list((tmp_path / "cache" / "faces").rglob("*.npz"))
    (tmp_path / "copied" / "networks" / "one").mkdir(parents=True)
    (tmp_path / "copied" / "networks" / "one" / "eyes.bin").write_bytes(bytes(9))
    (tmp_path / "copied" / "clipboard.json").write_text("{}")
    monkeypatch.setenv("LP_EDITOR_CACHE", str(tmp_path / "copied"))
    assert main(["cache", "clear"]) == 0
    assert [p.name for p in (tmp_path / "copied").rglob("*") if p.is_file()] == ["clipboard.json"]
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "letter.txt").write_text("dear")
    monkeypatch.setenv("LP_EDITOR_CACHE", str(tmp_path / "precious"))
    assert main(["cache", "clear"]) == 2
    assert "does not look like a cache" in capsys.readouterr().err


def test_the_same_output_written_by_two_renders_is_not_overwritten(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    spoilt = work(film, tmp_path, Engine(lambda call: out.write_bytes(b"theirs") if call == 4 else None))
    with pytest.raises(OutputError, match="exists already"):
        spoilt.render(out)
    assert out.read_bytes() == b"theirs"


# --- broken media -------------------------------------------------------------------------------------------------


def cut_short(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


def holed(content: bytes, start: float, share: float) -> bytes:
    at, size = int(len(content) * start), int(len(content) * share)
    return content[:at] + bytes(size) + content[at + size :]


def refusal(spoilt: Work, output: Path) -> str | None:
    """The sentence that a render ends with; None where it ends well."""
    try:
        spoilt.render(output)
    except LpEditorError as error:
        return str(error)
    return None


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "a header alone": lambda content: content[:600],
    "text": lambda content: b"not a film\n" * 300,
    "cut at a third": lambda content: cut_short(content, 0.33),
    "cut near its end": lambda content: cut_short(content, 0.97),
    "a hole in its middle": lambda content: holed(content, 0.5, 0.05),
    "a hole near its end": lambda content: holed(content, 0.9, 0.05),
    "noise in its middle": lambda content: content[:20000] + os.urandom(3000) + content[23000:],
}


@pytest.mark.parametrize("suffix", [".mp4", pytest.param(".mkv", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_film_is_rendered_or_refused_in_one_sentence(kind: str, suffix: str, head: Path, tmp_path: Path) -> None:
    film = tmp_path / f"film{suffix}"
    if suffix == ".mp4":
        film.write_bytes(head.read_bytes())
    else:
        with VideoSource(head) as source:
            encode_chunk(tmp_path / "c", source.frames(range(FRAMES)), source.video.format, RATE, Codec.H264)
        join_chunks(film, [tmp_path / "c"], [FRAMES], RATE, Codec.H264)
    spoilt = work(film, tmp_path, Engine(nothing))
    film.write_bytes(SPOILT[kind](film.read_bytes()))
    out = tmp_path / "out.mkv"
    error = refusal(spoilt, out)
    assert half_files(tmp_path) == []
    if error:
        assert "film" in error or "face" in error
        assert not out.exists()
    else:
        video = probe(out).video
        assert video is not None
        assert video.count == FRAMES
    if kind in ("empty", "a header alone", "text"):
        assert not out.exists()


def remuxed(head: Path, path: Path, first: int, stamp: Callable[[int], int]) -> Path:
    """The packets of a film from one on, with other times."""
    with av.open(str(head)) as source, av.open(str(path), "w") as target:
        like = source.streams.video[0]
        stream = target.add_stream_from_template(like)
        for number, packet in enumerate(p for p in source.demux(like) if p.pts is not None):
            if number >= first:
                packet.pts, packet.dts = stamp(packet.pts or 0), stamp(packet.dts or 0)
                packet.stream = stream
                target.mux(packet)
    return path


def test_a_film_without_a_key_frame_is_refused_in_one_sentence(head: Path, tmp_path: Path) -> None:
    path = remuxed(head, tmp_path / "film.mkv", 1, lambda time: time)
    with pytest.raises(MediaError, match=r"film\.mkv"):
        work(path, tmp_path, Engine(nothing)).render(tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()


def test_a_film_that_is_far_shorter_than_it_says_is_held_and_told_of(head: Path, tmp_path: Path) -> None:
    path = remuxed(head, tmp_path / "film.mkv", 0, lambda time: time)
    spoilt = work(path, tmp_path, Engine(nothing))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    error = refusal(spoilt, tmp_path / "out.mkv")
    assert error is None or "film.mkv" in error or "no face found in clip" in error  # a clip lies behind the end


@pytest.mark.parametrize("size", [(255, 191), (34, 2), (4098, 18), (16, 4200)])
def test_odd_sizes_are_rendered_in_their_own(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    format = VideoFormat(width, height, "yuv444p")
    encode_chunk(tmp_path / "c", [Picture.black(format)] * 3, format, RATE, Codec.FFV1)
    join_chunks(tmp_path / "film.mkv", [tmp_path / "c"], [3], RATE, Codec.FFV1)
    media = Media("file", "film.mkv", str(tmp_path / "film.mkv"), available=Span(F(0), seconds(3)))
    row = Clip("", "c", media, Span(F(0), seconds(3)), Span(F(0), seconds(3)), RATE)
    document = new_document(tmp_path / "cut.otio", Project("cut", RATE, F(0), (Track("V1", "video", (row,)),)))
    verbs.render(document, tmp_path / "out.mkv", Settings(Codec.FFV1, "mesh", cache=tmp_path / "cache"))
    made = probe(tmp_path / "out.mkv").video
    assert made is not None
    assert (made.format.width, made.format.height, made.count) == (width, height, 3)


# --- killed -------------------------------------------------------------------------------------------------------


def stormed(*words: str) -> dict[str, Any]:
    """What ``benchmarks/faults.py`` found, by fault."""
    if not hasattr(os, "fork"):
        pytest.skip("renders are killed in forked processes, which this system has none of")
    inside = os.pathsep.join([str(ROOT), str(Path(counting.__file__).parent)])
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "faults.py", "--json", *words], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": inside}, timeout=3600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {row["fault"]: row for row in json.loads(done.stdout)}


def test_killed_at_random_moments_the_file_is_the_same_and_no_finished_chunk_is_made_twice() -> None:
    found = stormed("--kills", "3", "--full", "1", "--seed", "4")
    assert found["killed at a random moment"]["times"] == 3
    assert found["damaged chunks"]["times"] == 6


@pytest.mark.slow
def test_killed_a_hundred_times_and_out_of_disk_at_ten_points() -> None:
    found = stormed("--kills", "100", "--full", "10")
    assert found["killed at a random moment"]["times"] == 100
    assert found["disk full"]["times"] in (0, 10)
