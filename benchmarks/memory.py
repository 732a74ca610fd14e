"""Peak memory of a render by the length of its film: 10 seconds against 10 minutes of 1080p, every frame marked, sound on.

    python benchmarks/memory.py [--seconds 10 600] [--engine sleeper] [--workers 2]

A face of about 300 pixels is filmed for ten seconds and repeated. Every length is rendered in a process of its own with a
cold cache; what is told is the greatest resident size of that process (as the system counts it), and of it together with the
processes it starts to look for faces (looked at fifty times a second; Linux only; what they share is counted twice).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

import numpy as np
from numpy.typing import NDArray
from sleeper import Sleeper, SleeperPlugin

from lp_editor import Registry, testing, verbs
from lp_editor.demo import film_portrait
from lp_editor.media.codecs import Codec, Delivery
from lp_editor.media.picture import Picture, VideoFormat, fit
from lp_editor.media.sink import SoundTrack, encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.render.executor import LocalExecutor
from lp_editor.render.program import Settings
from lp_editor.render.report import silent
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

RATE = Fraction(25)
LOOP = 10
"""Seconds that are filmed."""

LOOK = 0.02
"""Seconds between two looks at the memory of all processes."""

SLEPT = 0.001
"""Seconds a frame that the sleeping engine takes, which is read ahead of, as one on a graphics card."""

INNER = (1344, 756)
"""The part of the picture that shows the portrait, which makes its face about 300 pixels wide."""


def film(folder: Path, seconds: int) -> Path:
    """The film: ten seconds, repeated, with a quiet noise for its sound."""
    loop = folder / "loop.mp4"
    if not loop.exists():
        film_portrait(loop, silent, LOOP * 25)
        with VideoSource(loop) as source:
            format = source.video.format
            large = VideoFormat(1920, 1080, "yuv420p", format.colour)
            pictures = (_placed(p, large) for p in source.frames(range(LOOP * 25)))
            encode_chunk(folder / "loop.c", pictures, large, RATE, Codec.H264)
    times = seconds // LOOP
    sound = SoundTrack(48000, 2, "flt", _noise(seconds))
    path = folder / f"{seconds}.mov"
    mixed = Delivery(Codec.H264, sound="pcm")  # AAC could be copied, PCM is mixed and encoded
    join_chunks(path, [folder / "loop.c"] * times, [LOOP * 25] * times, RATE, mixed, sound)
    return path


def _placed(picture: Picture, large: VideoFormat) -> Picture:
    """A picture in the middle of a larger black one."""
    small = fit(picture, VideoFormat(*INNER, "yuv420p", large.colour))
    out = Picture.black(large)
    for i, (plane, part) in enumerate(zip(out.planes, small.planes, strict=True)):
        top, left = ((large.height - INNER[1]) // 2, (large.width - INNER[0]) // 2)
        top, left = (top // 2, left // 2) if i else (top, left)
        plane[top : top + part.shape[0], left : left + part.shape[1]] = part
    return out


def _noise(seconds: int) -> Iterator[NDArray[np.float64]]:
    random = np.random.default_rng(1)
    for _ in range(seconds):
        yield random.normal(0, 0.02, (48000, 2))


def render(media: Path, folder: Path, seconds: int, engine: str, workers: int) -> dict[str, float]:
    """Render the film with every frame marked; megabytes and seconds."""
    registry = Registry(*_parts(engine))
    document = marked(media, folder, seconds, registry)
    start = perf_counter()
    delivery = Delivery(Codec.H264, speed="ultrafast" if engine == "sleeper" else "")
    settings = Settings(delivery, engine, cache=folder / "cache", force=True, executor=LocalExecutor(workers))
    report = verbs.render(document, folder / "out.mp4", settings, registry=registry)
    assert report.rendered == seconds * 25
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"megabytes": peak, "seconds": perf_counter() - start}


def marked(media: Path, folder: Path, seconds: int, registry: Registry) -> Document:
    """A cut of one film, every frame marked."""
    span = Span(Fraction(0), Fraction(seconds))
    reference = Media("file", media.name, str(media), available=span)
    rows = tuple(
        Track(name, kind, (Clip("", "c", reference, span, span, RATE),))  # type: ignore[arg-type]
        for name, kind in (("V1", "video"), ("A1", "audio"))
    )
    document = new_document(folder / "cut.otio", Project("c", RATE, Fraction(0), rows))
    return verbs.mark(
        document, "expression", at="0s", length=f"{seconds}s", params={"smile": 0.4, "ease": "0"}, registry=registry
    ).document


def _parts(engine: str) -> list[object]:
    from lp_editor.plugins import expression

    if engine == "fake":
        return [expression, testing]
    if engine == "sleeper":
        return [expression, SleeperPlugin(Sleeper(SLEPT))]
    import lp_editor.mesh

    return [expression, lp_editor.mesh]


def main() -> None:
    """Read the command line; measure, or be the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 600])
    parser.add_argument("--engine", default="sleeper", choices=("fake", "mesh", "sleeper"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--measure", nargs=3, metavar=("MEDIA", "FOLDER", "SECONDS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        media, folder, seconds = asked.measure
        print(json.dumps(render(Path(media), Path(folder), int(seconds), asked.engine, asked.workers)))
        return
    with TemporaryDirectory() as name:
        peaks: list[dict[str, float]] = []
        for seconds in asked.seconds:
            path, folder = film(Path(name), seconds), Path(name) / f"cold{seconds}"
            folder.mkdir()
            words = ["--engine", asked.engine, "--workers", str(asked.workers), "--measure", path, folder, str(seconds)]
            found = measured([sys.executable, __file__, *map(str, words)])
            peaks.append(found)
            print(
                f"{seconds:5d} s of film: {found['megabytes']:7.1f} MB at most, {found['together']:7.1f} MB with the processes "
                f"beside it, {found['seconds']:.0f} s", flush=True,
            )  # fmt: skip
        for name, what in (("megabytes", "rendering process"), ("together", "all processes")):
            print(f"the longest over the shortest, {what}: {100 * (peaks[-1][name] / peaks[0][name] - 1):+.1f} %")


def measured(command: list[str]) -> dict[str, float]:
    """What the process that is measured says, and the most megabytes it had together with its own processes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    most = 0.0
    while process.poll() is None:
        most = max(most, sum(resident(one) for one in family(process.pid)))
        sleep(LOOK)
    assert process.stdout is not None
    if process.returncode:
        raise SystemExit(f"the render ended with {process.returncode}")
    return {**json.load(process.stdout), "together": most}


def family(process: int) -> Iterator[int]:
    """A process and all below it, where the system lists them."""
    yield process
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in listed.read_text().split():
                yield from family(int(child))


def resident(process: int) -> float:
    """Megabytes that a process has in memory; 0 where it has gone."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    return 0.0


if __name__ == "__main__":
    main()
