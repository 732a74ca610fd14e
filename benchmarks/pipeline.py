"""What surrounds an engine: a whole render around one that only sleeps, and each step by itself.

    python benchmarks/pipeline.py [--seconds 20] [--sleep 12.8] [--workers N]
    python benchmarks/pipeline.py --steps [--media VIDEO] [--frames N]

The first renders 1080p with a face of about 300 pixels, every frame marked, landmarks known beforehand, with an engine
that sleeps as long as one on a graphics card computes, one call at a time, and hands out a patch of the face. What is
told is the render's time over the time slept, and where a core's milliseconds went. The second times every step by
itself on one worker.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import TypeVar

import memory
import numpy as np
from rich.console import Console
from rich.table import Table
from sleeper import Sleeper, SleeperPlugin

from lp_editor import Registry, verbs
from lp_editor.cli.progress import costs_table
from lp_editor.controls import Controls
from lp_editor.demo import film_portrait
from lp_editor.face import FaceTrack
from lp_editor.faces import analyse_faces, choose
from lp_editor.media.picture import Picture, fit
from lp_editor.media.sink import Codec, Delivery, encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.mesh.engine import MeshEngine
from lp_editor.plugins import expression
from lp_editor.render.compositor import apply_patches
from lp_editor.render.executor import LocalExecutor
from lp_editor.render.footage import face_picture
from lp_editor.render.morph import morph
from lp_editor.render.program import Settings
from lp_editor.render.report import silent

MadeT = TypeVar("MadeT")

EDITS: dict[str, dict[str, float]] = {
    "engine: smile": {"smile_left": 0.7, "smile_right": 0.7},
    "engine: blink and gaze": {"blink_left": 0.5, "blink_right": 0.5, "gaze_x_left": 0.5, "gaze_x_right": 0.5},
    "engine: everything": {
        "smile_left": 0.5, "smile_right": 0.5, "mouth_open": 0.4, "brow_inner_left": 0.5, "brow_inner_right": 0.5,
        "blink_left": 0.3, "blink_right": 0.3, "gaze_x_left": 0.4, "gaze_x_right": 0.4, "roll": 5.0, "yaw": 5.0,
    },
}  # fmt: skip


def around_a_sleeper(seconds: int, slept: float, workers: int | None) -> None:
    """Render with an engine that sleeps; print how much longer than the sleep that took, and why."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        media = memory.film(folder, seconds)
        with VideoSource(media) as source:
            analyse_faces(source, 0, seconds * 25, folder / "cache" / "faces")
        engine = Sleeper(slept)
        registry = Registry(expression, SleeperPlugin(engine))
        document = memory.marked(media, folder, seconds, registry)
        settings = Settings(
            Delivery(Codec.H264, speed="ultrafast"), "sleeper", cache=folder / "cache", executor=LocalExecutor(workers)
        )
        start, worked = perf_counter(), process_time()
        report = verbs.render(document, folder / "out.mp4", settings, registry=registry)
        took, worked = perf_counter() - start, process_time() - worked
    assert report.rendered == seconds * 25
    Console(width=100).print(costs_table(report))
    print(
        f"{took:.2f} s for {report.rendered} frames; slept {engine.slept:.2f} s: {took / engine.slept:.2f} times that"
    )
    each = 1000 * worked / report.rendered
    print(f"the processor worked {worked:.2f} s, {each:.1f} ms a frame: on two cores to itself {worked / 2:.2f} s")


def timed(table: dict[str, float], name: str, frames: int, work: Callable[[], MadeT]) -> MadeT:
    """Run some work and note its milliseconds per frame."""
    start = perf_counter()
    made = work()
    table[name] = 1000 * (perf_counter() - start) / frames
    return made


def measured(path: Path, frames: int, folder: Path) -> dict[str, float]:
    """The cost of every step on the first frames of a film with a face."""
    costs: dict[str, float] = {}
    with VideoSource(path) as source:
        frames = min(frames, source.video.count)
        pictures = timed(costs, "decode", frames, lambda: list(source.frames(range(frames))))
        tracks = timed(costs, "faces", frames, lambda: analyse_faces(source, 0, frames, folder / "faces"))
    track = choose(tracks, "largest", 0, frames)
    if track is None:
        raise SystemExit(f"no face in {path}")
    for name, edit in EDITS.items():
        edited(costs, name, pictures, track, edit)
    timed(costs, "joint", frames // 4, lambda: [morph(pictures[0], p, 0.5) for p in pictures[: frames // 4]])
    for codec in Codec:
        timed(costs, f"encode {codec.value}", frames, lambda codec=codec: encode_chunk(  # type: ignore[misc]
            folder / "chunk", pictures, pictures[0].format, Fraction(25), codec))  # fmt: skip
    return costs


def edited(
    costs: dict[str, float], name: str, pictures: Sequence[Picture], track: FaceTrack, edit: dict[str, float]
) -> None:
    """Time one edit: the engine, and the compositor behind it."""
    engine = MeshEngine()
    look = engine.study(track, lambda at: [])
    pairs = [(p, f) for i, p in enumerate(pictures) if (f := track.at(i)) is not None]

    def synthesize() -> list[list[object]]:
        out = []
        for picture, face in pairs:
            seen = face_picture(picture, face)
            filmed = engine.analyze(look, [seen])
            out.append(engine.synthesize(look, [seen], filmed, engine.retarget(filmed, Controls.of(1, **edit))))
        return out  # type: ignore[return-value]

    patches = timed(costs, name, len(pairs), synthesize)
    timed(
        costs, name.replace("engine", "composite"), len(pairs),
        lambda: [apply_patches(p, [x for x in made if x]) for (p, _), made in zip(pairs, patches, strict=True)],  # type: ignore[misc]
    )  # fmt: skip


def enlarged(path: Path, width: int, height: int, folder: Path) -> Path:
    """A film in another size, without sound."""
    with VideoSource(path) as source:
        format = source.video.format.__class__(width, height, "yuv420p", source.video.format.colour)
        frames = range(source.video.count)
        encode_chunk(
            folder / "large", (fit(p, format) for p in source.frames(frames)), format, source.video.rate, Codec.H264
        )
        join_chunks(folder / "large.mp4", [folder / "large"], [len(frames)], source.video.rate, Codec.H264)
    return folder / "large.mp4"


def main() -> None:
    """Read the command line, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--sleep", type=float, default=12.8, help="milliseconds a frame")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--steps", action="store_true", help="each step by itself instead")
    parser.add_argument("--media", type=Path, help="a video with a face")
    parser.add_argument("--frames", type=int, default=72)
    asked = parser.parse_args()
    if not asked.steps and not asked.media:
        return around_a_sleeper(asked.seconds, asked.sleep / 1000, asked.workers)
    with TemporaryDirectory() as name:
        folder = Path(name)
        films = {}
        if asked.media:
            films[asked.media.name] = asked.media
        else:
            film_portrait(folder / "720p.mp4", silent, asked.frames)
            films = {"720p": folder / "720p.mp4", "1080p": enlarged(folder / "720p.mp4", 1920, 1080, folder)}
        columns = {}
        for title, path in films.items():
            (folder / title).mkdir()
            columns[title] = measured(path, asked.frames, folder / title)
    table = Table("ms per frame", *columns)
    for step in next(iter(columns.values())):
        table.add_row(step, *(f"{np.round(costs[step], 1)}" for costs in columns.values()))
    Console(width=80).print(table)


if __name__ == "__main__":
    main()
