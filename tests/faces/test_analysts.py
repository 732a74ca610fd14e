"""Faces looked for in processes of their own: the same faces, whatever becomes of the processes."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from films import numbered

from lp_editor import apart
from lp_editor.errors import FaceError, MediaError
from lp_editor.faces import analyse_faces, analysts
from lp_editor.faces.analysts import analyse_apart
from lp_editor.faces.windows import WINDOW, Window, windows
from lp_editor.media.codecs import Codec
from lp_editor.media.picture import VideoFormat
from lp_editor.media.probe import MediaInfo, probe
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.media.splice import Film

FRAMES = 2 * WINDOW + 8
"""Of the films: three windows, the last a short one."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small film that shows nobody, so that it is soon looked through."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    format = VideoFormat(128, 96, "yuv420p")
    encode_chunk(path, (numbered(n, format) for n in range(FRAMES)), format, Fraction(25), Codec.H264)
    return path


@pytest.fixture
def missing(film: Path, tmp_path: Path) -> list[Window]:
    """The film's windows, none of them made yet."""
    return windows(probe(film), 0, FRAMES, tmp_path / "faces")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that are started during a test."""
    found: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def noted(*words: Any, **named: Any) -> subprocess.Popen[bytes]:
        found.append(real(*words, **named))
        return found[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    return found


BREAKS_DOWN = "print('{}', flush=True); sys.stdin.buffer.read(9); os.kill(os.getpid(), 9)"
"""What a process does that is there, and breaks down over its first window."""


def unmade(window: Window) -> None:
    raise AssertionError(f"window {window.number} was told")


def code_of(program: str) -> str:
    """A program for processes, in place of their own."""
    return "import sys, os; sys.path[:] = sys.argv[5:]\n" + program


def test_processes_find_what_this_one_finds(filmed: Path, tmp_path: Path) -> None:
    film, count = tmp_path / "twice.mp4", 120
    once = Film.of(probe(filmed)).run(0, 60)
    assert once is not None
    assert count > WINDOW
    join_chunks(film, [once] * 2, [once.count] * 2, Fraction(25), Codec.H264)
    told: list[tuple[int, int]] = []
    with VideoSource(film) as source:
        (track,) = analyse_faces(source, 0, count, tmp_path / "faces", lambda done, total: told.append((done, total)))
        assert len(track.faces) == count
        assert {total for _, total in told} == {count}
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert told[-1][0] == count
        window = windows(source.info, 0, count, tmp_path / "faces")[-1]
        apart = window.path.read_bytes()
        window.path.unlink()
        assert window.made(source)
        assert window.path.read_bytes() == apart


def test_what_looks_for_faces_is_not_loaded_beside_a_render(film: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom lp_editor.faces import analyse_faces\n"
        "from lp_editor.media.source import VideoSource\n"
        "with VideoSource(Path(sys.argv[1])) as source:\n"
        f"    assert analyse_faces(source, 0, {FRAMES}, Path(sys.argv[2])) == []\n"
        "print('mediapipe' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program, film, tmp_path], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False"]


def test_a_process_that_breaks_down_is_followed_by_another(
    missing: list[Window], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    broken = tmp_path / "broken"
    once = f"if not os.path.exists({str(broken)!r}):\n    open({str(broken)!r}, 'w').close(); {BREAKS_DOWN}\n"
    monkeypatch.setattr(apart, "PROGRAM", code_of(once + "from lp_editor.faces.analysts import serve; serve('1')"))
    done: list[int] = []
    analyse_apart(missing, lambda window: done.append(window.number), 1)
    assert done == [0, 1, 2]
    assert len(started) == 2
    assert all(window.kept() == [] for window in missing)


def test_processes_that_break_down_again_are_told_with_their_frames(
    missing: list[Window], monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    monkeypatch.setattr(apart, "PROGRAM", code_of(BREAKS_DOWN))
    with pytest.raises(FaceError, match=rf"film.mp4: .* frames 0 to {WINDOW - 1} broke down 2 times \(SIGKILL\)"):
        analyse_apart(missing, unmade, 1)
    assert len(started) == 2


def test_the_error_of_a_process_is_the_one_it_would_be_here(film: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(film.read_bytes())
    info = probe(copy)
    copy.write_bytes(film.read_bytes()[:5000])
    with pytest.raises(MediaError, match=r"copy\.mp4"):
        analyse_apart(windows(info, 0, FRAMES, tmp_path / "faces"), unmade, 2)


def test_a_defect_in_a_process_is_told_with_its_place(missing: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt = "from lp_editor.faces import analysts, windows\nwindows._analyse = None\nanalysts.serve('1')"
    monkeypatch.setattr(apart, "PROGRAM", code_of(spoilt))
    with pytest.raises(RuntimeError, match="'NoneType' object is not callable"):
        analyse_apart(missing, unmade, 1)


def test_whatever_stops_it_no_process_is_left(
    missing: list[Window], started: list[subprocess.Popen[bytes]]
) -> None:
    def interrupted(window: Window) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyse_apart(missing, interrupted, 2)
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_a_process_ends_with_whoever_started_it() -> None:
    program = "from lp_editor.faces.analysts import serve; serve('1')"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    process.stdin.close()
    assert process.wait(60) == 0
    assert process.stdout
    process.stdout.close()


def test_a_fresh_process_takes_over_in_turn(
    missing: list[Window], monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    monkeypatch.setattr(analysts, "TURN", 1)
    analyse_apart(missing, lambda window: None, 1)
    assert len(started) == len(missing)
    assert all(process.poll() is not None for process in started)


def test_another_program_that_has_python_inside_is_not_started(
    missing: list[Window], monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    program = missing[0].path.parents[2] / "resolve"
    program.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(program))
    analyse_apart(missing, unmade, 1)
    assert not started


@pytest.mark.parametrize("program", ["no-such-folder/python3", ""])
def test_without_processes_faces_are_found_here(
    program: str, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program:
        monkeypatch.setattr(sys, "executable", str(tmp_path / program))
    else:
        monkeypatch.setattr(apart, "PROGRAM", "import a_library_that_this_interpreter_lacks")
    told: list[int] = []
    with VideoSource(film) as source:
        assert analyse_faces(source, 0, FRAMES, tmp_path / "faces", lambda done, total: told.append(done)) == []
    assert told == [WINDOW, 2 * WINDOW, FRAMES]


def test_the_library_is_found_where_this_process_finds_it(
    missing: list[Window], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    done: list[Window] = []
    analyse_apart(missing[2:], done.append, 1)
    assert done == missing[2:]


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 40, 157])
def test_every_window_is_handed_out_once(processes: int, count: int) -> None:
    info = MediaInfo(Path("film"), "film", None, (), None)
    handed = [Window(info, n, Path(f"{n}")) for n in range(count)]
    blocks = list(analysts._blocks(handed, processes))
    assert [window for block in blocks for window in block] == handed
    assert len(blocks) >= min(processes, count)
