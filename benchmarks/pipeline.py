"""What each step of a render costs: milliseconds per frame of decode, faces, engine, composite and encode.

    python benchmarks/pipeline.py [--media VIDEO] [--frames N]

Without a video the demo's portrait is filmed at 720p and at 1080p. Every step is timed by itself, one after the other,
on one worker.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from lp_editor.controls import Controls
from lp_editor.demo import film_portrait
from lp_editor.face import FaceTrack
from lp_editor.faces import analyse_faces, choose
from lp_editor.media.picture import Picture, fit
from lp_editor.media.sink import Codec, encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.mesh.engine import MeshEngine
from lp_editor.render.compositor import apply_patches
from lp_editor.render.footage import face_picture
from lp_editor.render.morph import morph
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
    parser.add_argument("--media", type=Path, help="a video with a face")
    parser.add_argument("--frames", type=int, default=72)
    asked = parser.parse_args()
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
