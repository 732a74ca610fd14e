"""Windows of faces analysed in processes of their own, several at a time, which end before anything is rendered.

What looks for faces takes hundreds of megabytes and leaves the heap in pieces: a render in the same process peaked 8 %
higher after 10 minutes of film than after 10 seconds (benchmarks/memory.py). A process that breaks down in native code
takes no render with it, and as many as there are cores look at different windows.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from os import cpu_count
from queue import Empty, Queue
from threading import Lock, Thread

import cv2

from lp_editor import errors
from lp_editor.apart import command
from lp_editor.errors import FaceError, LpEditorError
from lp_editor.faces.windows import Window
from lp_editor.media.memory import keep_memory, return_all_free_pages
from lp_editor.media.source import VideoSource, open_video

MOST = 8
"""Processes that look at the same time, at most: each takes about 300 MB."""

BLOCK = 4
"""Windows next to each other that one process takes in a row, at most: it reads their file straight on."""

TURN = 8
"""Windows after which a process is followed by a fresh one: with each its memory grows by about a megabyte."""

TRIES = 2
"""Processes that may break down over one window; the first may have been ended by somebody else."""

NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Keeps Windows from showing a console for each process of a program that has none."""

POLL = 0.2
"""Seconds between two looks for Ctrl-C, which on Windows does not wake a thread that waits."""


def analyse_apart(missing: Sequence[Window], done: Callable[[Window], None], most: int | None = None) -> None:
    """Have windows of files made, in ``most`` processes (as many as there are cores; `MOST` at most).

    ``done`` is told of each. Where no process can be started, nothing is done. Raises what a window's media or the cache
    raise, and `FaceError` where processes break down.
    """
    processes = max(1, min(most or cpu_count() or 1, MOST, len(missing)))
    blocks = deque(_blocks(missing, processes))
    answers: Queue[Window | BaseException | None] = Queue()
    analysts = [_Analyst(max(1, (cpu_count() or 1) // processes)) for _ in range(processes)]
    threads = [Thread(target=_work, args=(analyst, blocks, answers), daemon=True) for analyst in analysts]
    try:
        for thread in threads:
            thread.start()
        for answer in _until_all_end(answers, len(threads)):
            if isinstance(answer, BaseException):
                raise answer
            done(answer)
    finally:
        blocks.clear()
        for analyst in analysts:
            analyst.close()
        for thread in threads:
            thread.join()


def _blocks(missing: Sequence[Window], processes: int) -> Iterator[Sequence[Window]]:
    size = max(1, min(BLOCK, len(missing) // processes))
    return (missing[at : at + size] for at in range(0, len(missing), size))


def _work(analyst: _Analyst, blocks: deque[Sequence[Window]], answers: Queue[Window | BaseException | None]) -> None:
    """One thread's work: hand windows to a process as long as there are any, and tell of each; None at the end."""
    try:
        while True:
            for window in blocks.popleft():
                analyst.make(window)
                answers.put(window)
    except (IndexError, OSError):
        pass  # no block is left, or no process can be started
    except BaseException as error:
        answers.put(error)
    answers.put(None)


def _until_all_end(answers: Queue[Window | BaseException | None], threads: int) -> Iterator[Window | BaseException]:
    while threads:
        with suppress(Empty):
            answer = answers.get(timeout=POLL)
            if answer is None:
                threads -= 1
            else:
                yield answer


class _Analyst:
    """A process that makes windows, every `TURN` of them followed by a fresh one. One thread uses it, any may close it."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = Lock()
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._left = 0

    def make(self, window: Window) -> None:
        """Have it made. Raises `OSError` where no process can be started, `FaceError` where they break down."""
        code = 0
        for _ in range(TRIES):
            process = self._started()
            answer = _asked(process, window)
            self._left -= 1
            if answer:
                _raise(json.loads(answer))
                return
            code = process.wait()
            self._end()
        raise FaceError(
            f"{window.info.path}: what looks for faces in frames {window.first} to {window.stop - 1} broke down "
            f"{TRIES} times ({_ended(code)}); free some memory, or use fewer --workers"
        )

    def _started(self) -> subprocess.Popen[bytes]:
        """The process to ask next. Raises `OSError`."""
        if self._left <= 0:
            self._end()
        with self._lock:
            if self._closed:
                raise OSError("closed")
            fresh = self._process is None
            if self._process is None:
                self._process, self._left = _start(self._threads), TURN
            process = self._process
        if fresh and not _line(process):
            raise OSError("an interpreter that does not find what this one finds")
        return process

    def _end(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                for pipe in (self._process.stdin, self._process.stdout):
                    with suppress(OSError):  # what was not read any more
                        pipe.close() if pipe else None
                self._process = None

    def close(self) -> None:
        """End it, whatever it does."""
        self._closed = True
        self._end()


def _start(threads: int) -> subprocess.Popen[bytes]:
    """A process that decodes and resizes by so many threads. Raises `OSError`."""
    return subprocess.Popen(
        command(serve, str(threads)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, creationflags=NO_WINDOW,
        stderr=None if os.environ.get("LP_EDITOR_DEBUG") else subprocess.DEVNULL,
    )  # fmt: skip


def _asked(process: subprocess.Popen[bytes], window: Window) -> bytes:
    """What a process answers to a window: a line of JSON; nothing where it broke down."""
    assert process.stdin
    with suppress(OSError, ValueError):  # it has ended, or was closed
        pickle.dump(window, process.stdin)
        process.stdin.flush()
    return _line(process)


def _line(process: subprocess.Popen[bytes]) -> bytes:
    """The next line that a process says; nothing where it has ended."""
    assert process.stdout
    try:
        return process.stdout.readline()
    except (OSError, ValueError):  # closed meanwhile
        return b""


def _raise(answer: dict[str, str]) -> None:
    """Raise the error that a process met, if any."""
    if not answer:
        return
    kind = getattr(errors, answer["kind"], None)
    if kind is None:
        raise RuntimeError(f"the search for faces failed:\n{answer['said']}")
    raise kind(answer["said"])


def _ended(code: int) -> str:
    """How a process ended, by its exit code."""
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"


def serve(words: str) -> None:
    """The whole work of a process: say that it is there, make the windows that it reads, and answer each with a line of
    JSON, empty or the error it met; until its input ends. ``words``: how many threads decode and resize."""
    threads = int(words)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started it
    out = os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)  # libraries may print
    out.write(b"{}\n")  # here I am
    cv2.setNumThreads(threads)
    keep_memory()
    tasks: Queue[Window] = Queue()
    Thread(target=_listen, args=(tasks,), daemon=True).start()
    source: VideoSource | None = None
    while True:
        window = tasks.get()
        try:
            if source is None or source.info.path != window.info.path:
                if source:
                    source.close()
                source = open_video(window.info, threads)
            window.made(source)
            return_all_free_pages()
            answer = {}
        except LpEditorError as error:
            answer = {"kind": type(error).__name__, "said": str(error)}
        except Exception:
            answer = {"kind": "", "said": traceback.format_exc()}
        out.write(json.dumps(answer).encode() + b"\n")


def _listen(tasks: Queue[Window]) -> None:
    """Take tasks; when whoever gives them has gone, go at once, in the middle of one too."""
    while True:
        try:
            tasks.put(pickle.load(sys.stdin.buffer))
        except Exception:
            os._exit(0)
