"""The fuzzer finds what it is there to find: faults that are planted in readers of its own."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

PLANTED = '''
import os, socket, subprocess, time
from pathlib import Path
from types import SimpleNamespace
from lp_editor.errors import ProjectError

STEP = []

def stuck():
    while True:
        pass

def greedy(held=[]):
    held.append(b"x" * (300 << 20))
    time.sleep(60)

def in_steps():
    for _ in range(6):
        STEP[0]()
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass

def refuses():
    raise ProjectError("no project")

WORK = {
    "sound": lambda file, out: (out / "made.txt").write_text(file.read_text()),
    "refuses": lambda file, out: refuses(),
    "stumbles": lambda file, out: {}["nothing"],
    "stuck": lambda file, out: stuck(),
    "in steps": lambda file, out: in_steps(),
    "greedy": lambda file, out: greedy(),
    "breaks": lambda file, out: os.abort(),
    "elsewhere": lambda file, out: (out.parent.parent.parent / "elsewhere.txt").write_text("x"),
    "removes": lambda file, out: os.rename(file, out.parent.parent / "moved.txt"),
    "starts": lambda file, out: subprocess.run(["true"]),
    "calls": lambda file, out: socket.socket().connect(("127.0.0.1", 9)),
}
READERS = {name: SimpleNamespace(name=name, suffixes=(".x",), mutate=None, read=work) for name, work in WORK.items()}
'''


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A campaign whose readers are planted; a second of a core and 200 MiB are its limits."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "fuzz_readers.py").write_text(PLANTED)
    (folder / "root").mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(BENCHMARKS)
        patched.syspath_prepend(folder)
        for name in ("fuzz", "fuzz_readers"):
            patched.delitem(sys.modules, name, raising=False)
        module = importlib.import_module("fuzz")
        patched.setattr(module, "MOST_SECONDS", 1.0)
        patched.setattr(module, "MOST_BYTES", 200 << 20)
        made = module.Fuzz(folder / "root", folder / "faults", random.Random(1), ())
        yield made
        made.worker.stop()
        for name in ("fuzz", "fuzz_readers"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("reader", "kind", "name"),
    [
        ("sound", "clean", ""),
        ("refuses", "refused", ""),
        ("stumbles", "fault", "KeyError"),
        ("stuck", "fault", "hang"),
        ("in steps", "clean", ""),
        ("greedy", "fault", "memory"),
        ("breaks", "fault", "crash"),
        ("elsewhere", "fault", "outside"),
        ("removes", "fault", "outside"),
        ("starts", "fault", "outside: subprocess.Popen"),
        ("calls", "fault", "outside: socket.connect"),
    ],
)
def test_what_a_reader_does_wrong_is_found(
    reader: str, kind: str, name: str, fuzz: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = fuzz.try_file(reader, "a.x", b"sound")
    assert (outcome.kind, outcome.name[: len(name)]) == (kind, name)
    score = fuzz.scores[reader]
    assert (score.runs, score.faults.total()) == (1, int(kind == "fault"))
    said = capsys.readouterr().out
    if kind == "fault":  # told once, with the file and how to see it again
        kept = fuzz.faults / f"{reader.replace(' ', '-')}-1.x"
        assert kept.read_bytes() == b"sound"
        assert f"--again {kept} --only {reader!r}" in said
        for left in fuzz.root.parent.glob("**/elsewhere.txt"):
            left.unlink()
    else:
        assert said == ""
