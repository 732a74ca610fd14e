"""One edited second in ten minutes of H.264: how long `--smart` takes, and whether players take what it makes.

    python benchmarks/smart.py [--minutes 10] [--gop 250] [--runs 3] [--engine mesh] [--keep FOLDER]

Films ten minutes of 1080p, FFmpeg's test picture with a moving portrait over it, encodes them with x264, marks one second
in the middle, and renders: three seconds around it as usual, then all of it with ``--smart``, each in a process of its own
with nothing in its cache. What is told is the time against three times that of copying the file and once that of the three
seconds (the best of some runs of each), how many packets are the source's, and what `ffmpeg` and `melt` say of the file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import av

from lp_editor import Registry, verbs
from lp_editor.demo import film_portrait
from lp_editor.media.codecs import Codec
from lp_editor.render.program import Settings
from lp_editor.render.report import silent
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

RATE = Fraction(25)
LOOP = 20
"""Seconds that are encoded; they are repeated packet by packet."""


def film(folder: Path, seconds: int, gop: int) -> Path:
    """The film, with AAC sound."""
    path = folder / f"{seconds}-{gop}.mp4"
    if path.exists():
        return path
    portrait, loop, silent_film = folder / "portrait.mp4", folder / f"loop-{gop}.mp4", folder / "silent.mp4"
    film_portrait(portrait, silent, 10 * 25)
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=1920x1080:r=25:d={LOOP}", "-stream_loop", "1", "-i", portrait,
           "-filter_complex", "[0][1]overlay=(W-w)/2:(H-h)/2:shortest=1", "-c:v", "libx264", "-preset", "veryfast",
           "-g", gop, "-pix_fmt", "yuv420p", "-an", loop)  # fmt: skip
    ffmpeg("-stream_loop", seconds // LOOP - 1, "-i", loop, "-c", "copy", silent_film)
    ffmpeg("-i", silent_film, "-f", "lavfi", "-i", f"sine=r=48000:d={seconds}", "-c:v", "copy", "-c:a", "aac", path)
    return path


def ffmpeg(*words: object) -> None:
    """Run it quietly, over whatever is there."""
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, words)], check=True)


def cut(folder: Path, media: Path, seconds: int, first: int, count: int) -> Document:
    """A saved cut of some seconds of the film, of which the one in the film's middle is marked."""
    reference = Media("file", media.name, str(media), available=Span(Fraction(0), Fraction(seconds)))
    source, record = Span(Fraction(first), Fraction(count)), Span(Fraction(0), Fraction(count))
    rows = tuple(
        Track(name, kind, (Clip("", "c", reference, source, record, RATE),))  # type: ignore[arg-type]
        for name, kind in (("V1", "video"), ("A1", "audio"))
    )
    document = new_document(folder / f"{count}s.otio", Project("c", RATE, Fraction(0), rows))
    at = f"{seconds // 2 - first}s"
    params = {"smile": 0.4, "ease": "0"}
    return verbs.mark(document, "expression", at=at, length="1s", params=params).document.save()  # type: ignore[arg-type]


def best(runs: int, work: Callable[[], float]) -> float:
    """The least of some measurements."""
    return min(work() for _ in range(runs))


def copied(media: Path, folder: Path) -> float:
    """Seconds to copy the film, until it lies on the disk as a render does."""
    start = perf_counter()
    with media.open("rb") as source, (folder / "copy.mp4").open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())
    return perf_counter() - start


def rendered(document: Document, folder: Path, engine: str, smart: bool) -> float:
    """Seconds to render a cut, in a process of its own."""
    words = [sys.executable, __file__, "--measure", str(document.path), str(folder), engine, "smart" if smart else ""]
    said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    print("   ", said[0])
    return float(said[1])


def measure(path: Path, folder: Path, engine: str, smart: bool) -> None:
    """Render a cut with nothing in the cache, and tell how long that took."""
    with TemporaryDirectory(dir=folder) as cache:
        settings = Settings(Codec.H264, engine, cache=Path(cache), force=True, smart=smart)
        start = perf_counter()
        report = verbs.render(
            verbs.open_project(path), folder / f"{path.stem}.mp4", settings, registry=Registry.installed()
        )
        took = perf_counter() - start
    steps = ", ".join(
        f"{name} {step.seconds:.2f}" for name, step in report.profile.steps.items() if step.seconds > 0.01
    )
    processor = f"{process_time():.2f} s of the processor"
    print(f"{took:.2f} s ({processor}); {report.copied} copied, {report.rendered} rendered; {steps}; {report.notes}")
    print(took)


def equal_packets(one: Path, other: Path) -> tuple[int, int]:
    """How many packets of two films are the same in the same place, and how many there are."""
    with av.open(str(one)) as a, av.open(str(other)) as b:
        pairs = zip(a.demux(a.streams.video[0]), b.demux(b.streams.video[0]), strict=True)
        same = [bytes(x) == bytes(y) for x, y in pairs if x.pts is not None]
    return sum(same), len(same)


def said_of(path: Path) -> str:
    """What players say while they decode it."""
    players = [["ffmpeg", "-v", "warning", "-nostdin", "-i", str(path), "-f", "null", "-"]]
    if shutil.which("melt"):
        to_nowhere = ["avformat:/dev/null", "f=rawvideo", "vcodec=rawvideo", "an=1", "real_time=0"]  # null asks for no picture
        players.append(["melt", "-quiet", str(path), "-consumer", *to_nowhere])
    made = {words[0]: subprocess.run(words, capture_output=True, text=True, check=False).stderr for words in players}
    return "; ".join(f"{name}: {' '.join(said.split()) or 'nothing'}" for name, said in made.items())


def main() -> None:
    """Read the command line; measure, or be the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--gop", type=int, default=250, help="frames between key frames at most")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--engine", default="mesh")
    parser.add_argument("--keep", type=Path, help="where films are kept for the next time")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        path, folder, engine, smart = asked.measure
        return measure(Path(path), Path(folder), engine, bool(smart))
    with TemporaryDirectory() as name:
        folder = asked.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        seconds = asked.minutes * 60
        media = film(folder, seconds, asked.gop)
        few = cut(folder, media, seconds, seconds // 2 - 1, 3)
        whole = cut(folder, media, seconds, 0, seconds)
        copying = best(asked.runs, lambda: copied(media, folder))
        three = best(asked.runs, lambda: rendered(few, folder, asked.engine, False))
        smart = best(asked.runs, lambda: rendered(whole, folder, asked.engine, True))
        limit = 3 * copying + three
        print(f"{media.stat().st_size >> 20} MB copied in {copying:.2f} s; three seconds rendered in {three:.2f} s; "
              f"smart in {smart:.2f} s: {smart / limit:.2f} times the limit of {limit:.2f} s")  # fmt: skip
        same, count = equal_packets(media, folder / f"{seconds}s.mp4")
        print(f"{same} of {count} packets are the source's; the players say: {said_of(folder / f'{seconds}s.mp4')}")


if __name__ == "__main__":
    main()
