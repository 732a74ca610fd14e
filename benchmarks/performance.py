"""How well faces follow performances on the mesh engine: stills led by films and templates, measured again with MediaPipe.

    python benchmarks/performance.py [DIR] [--stills s12.jpg,s9.jpg] [--drivers d12.mp4,d5.pkl] [--seconds 4] [--sheet PNG]

A signal is a blendshape, measured on the rendered frames as on the driver's. One counts as *led* when it spans at least .2
in the driver, from its 5th to its 95th percentile.

- *follow*: how many of the led signals correlate with the driver by .8 or more, of how many; then those that do not
- *moved*: signals the driver holds still (it spans less than .2 there) that span more than .1 on the picture; in brackets
  how many of those span more than in the driver by over .1
- *pose*: 95th percentile and largest error of pitch, yaw and roll in degrees, against the driver's turns from its rest
- templates with openings: the correlation of lid and lip openings

The astronaut of scikit-image is always among the stills.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from lp_editor import Registry
from lp_editor.errors import FaceError
from lp_editor.face import FaceTrack
from lp_editor.faces import analyse_faces, choose
from lp_editor.faces.measure import eye_ratio, head_pose, lip_ratio
from lp_editor.liveportrait.template import read_template
from lp_editor.media.codecs import Codec
from lp_editor.media.sink import write_still
from lp_editor.media.source import VideoSource
from lp_editor.performing import Lead, animate, living
from lp_editor.recording import SHAPES
from lp_editor.render.drive import calmest
from lp_editor.render.program import Settings
from lp_editor.render.sheet import around

STILLS = ("s12.jpg", "s9.jpg", "s11.jpg", "s6.jpg", "s0.jpg", "d30.jpg", "s42.jpg", "s39.jpg")
DRIVERS = ("d12.mp4", "d18.mp4", "s13.mp4", "s32.mp4", "d5.pkl", "d1.pkl", "wink.pkl", "laugh.pkl")
LED, FOLLOWS, STILL = 0.2, 0.8, 0.1
SHOWN = 8
"""Moments of each pair on the sheet."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """A face of N frames as measured: blendshapes (N, 52), poses (N, 3), openings of right eye, left eye, lips (N, 3)."""

    shapes: Array
    poses: Array
    openings: Array
    there: NDArray[np.bool_]


def tracked(path: Path, cache: Path) -> FaceTrack | None:
    """The largest face of a film."""
    with VideoSource(path) as source:
        tracks = analyse_faces(source, 0, source.video.count, cache, None)
        return choose(tracks, "largest", 0, source.video.count)


def seen(track: FaceTrack, count: int) -> Seen:
    """What is measured of a track on the first frames of a film."""
    faces = [track.at(i) for i in range(count)]
    there = np.array([face is not None for face in faces])
    shapes = np.array([[f.blendshapes.get(n, 0.0) for n in SHAPES] if f else [0.0] * 52 for f in faces])
    poses = np.array([head_pose(f.points) if f else (0.0,) * 3 for f in faces])
    points = [f.points[None].astype(np.float64) if f else None for f in faces]
    openings = np.array(
        [
            (eye_ratio(p, "right")[0], eye_ratio(p, "left")[0], lip_ratio(p)[0]) if p is not None else (0.0,) * 3
            for p in points
        ]
    )
    return Seen(shapes, poses, openings, there)


def span(values: Array) -> Array:
    """From the 5th to the 95th percentile, by column."""
    low, high = np.percentile(values, (5, 95), axis=0)
    return np.asarray(high - low)


def by_film(driver: Path, out: Path, count: int, cache: Path) -> str:
    """How a picture followed a film."""
    leader, follower = tracked(driver, cache), tracked(out, cache)
    if leader is None or follower is None:
        return "no face"
    filmed, made = seen(leader, count), seen(follower, count)
    both = filmed.there & made.there
    a, b = filmed.shapes[both], made.shapes[both]
    spans, found = span(a), span(b)
    led = [i for i in range(len(SHAPES)) if spans[i] >= LED]
    follows = {i: float(np.corrcoef(a[:, i], b[:, i])[0, 1]) if b[:, i].std() > 0 else 0.0 for i in led}
    weak = ", ".join(
        f"{SHAPES[i]} {r:.2f}" for i, r in sorted(follows.items(), key=lambda pair: pair[1]) if r < FOLLOWS
    )
    moved = [i for i in range(len(SHAPES)) if spans[i] < LED and found[i] > STILL]
    beyond = [i for i in moved if found[i] > spans[i] + STILL]
    calm = leader.at(calmest(leader))
    assert calm is not None
    at_rest = np.asarray(head_pose(calm.points), np.float64)
    asked = np.clip(filmed.poses[both] - at_rest, -30, 30)
    turns = made.poses[both] - np.median(made.poses[both] - asked, axis=0)
    off = np.abs(turns - asked)
    return (
        f"follow {len(led) - sum(r < FOLLOWS for r in follows.values()):2d} of {len(led):2d}  moved {len(moved):2d} ({len(beyond)})"
        f"  pose {' '.join(f'{v:.1f}' for v in np.percentile(off, 95, axis=0))}, most {off.max():.1f}  lost {(~both).sum()}"
        + (f"\n{'':24}{weak}" if weak else "")
    )


def by_template(driver: Path, out: Path, count: int, cache: Path) -> str:
    """How a picture followed a template."""
    template, follower = read_template(driver), tracked(out, cache)
    if follower is None:
        return "no face"
    made = seen(follower, count)
    count = min(count, len(template))
    text = []
    pairs = [("right eye", template.eyes, 0, 0), ("left eye", template.eyes, 1, 1), ("lips", template.lips, 0, 2)]
    for name, ratios, column, own in pairs:
        if ratios is not None and span(ratios[:count, [column]].astype(np.float64))[0] > 0.02:
            r = np.corrcoef(ratios[:count, column], made.openings[:count, own])[0, 1]
            text.append(f"{name} {r:.2f}")
    jaw, blink, smile = (made.shapes[:, [SHAPES.index(n) for n in names]] for names in (
        ["jawOpen"], ["eyeBlinkRight", "eyeBlinkLeft"], ["mouthSmileRight", "mouthSmileLeft"]))  # fmt: skip
    text.append(f"jaw {np.ptp(jaw):.2f}  blink right {np.ptp(blink[:, 0]):.2f} left {np.ptp(blink[:, 1]):.2f}"
                f"  smile {np.ptp(smile.mean(1)):.2f}")  # fmt: skip
    return "  ".join(text)


def pair(
    still: Path, driver: Path, folder: Path, seconds: float | None, cache: Path, registry: Registry
) -> tuple[str, Path]:
    """Render one picture led by one driver, and say how it followed."""
    out = folder / f"{still.stem}-{driver.stem}.mkv"
    length = None if seconds is None else Fraction(seconds).limit_denominator(100)
    document = living(still, [Lead(driver)], {}, registry, seconds=length, sound=False, path=folder / "c.otio")
    start = perf_counter()
    animate(document, out, Settings(Codec.FFV1, "mesh", cache=cache, force=True), registry)
    took = perf_counter() - start
    with VideoSource(out) as source:
        count = source.video.count
    judged = (by_film if driver.suffix == ".mp4" else by_template)(driver, out, count, cache / "faces")
    return f"{still.stem:>10} < {driver.stem:<6} {1000 * took / count:4.0f} ms  {judged}", out


def strip(path: Path, cache: Path, size: int = 200) -> NDArray[np.uint8]:
    """Some moments of a film's largest face."""
    track = tracked(path, cache)
    assert track is not None
    with VideoSource(path) as source:
        at = np.linspace(0, source.video.count - 1, SHOWN).astype(int).tolist()
        first = next(f for f in track.faces if f is not None)
        format = source.video.format
        box = around(first.box, (format.width, format.height), 2.0)
        cells = [cv2.resize(p.rgb(box), (size, size), interpolation=cv2.INTER_AREA) for p in source.frames(at)]
    return np.asarray(np.concatenate(cells, axis=1), np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Lead every still by every driver, or by those named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", default=Path("../shared/liveportrait/media"))
    parser.add_argument("--stills", help="names in the folder, or astronaut, with commas")
    parser.add_argument("--drivers", help="names in the folder, with commas")
    parser.add_argument("--seconds", type=float, help="only so much of each driver")
    parser.add_argument("--sheet", type=Path, metavar="PNG")
    asked = parser.parse_args(arguments)
    registry, rows = Registry.installed(), []
    with TemporaryDirectory() as name:
        folder = Path(name)
        portrait = folder / "astronaut.png"
        write_still(portrait, np.asarray(skimage.data.astronaut(), np.uint8))
        wanted = asked.stills.split(",") if asked.stills else ("astronaut", *STILLS)
        stills = [portrait if still == "astronaut" else asked.folder / still for still in wanted]
        drivers = [asked.folder / d for d in (asked.drivers.split(",") if asked.drivers else DRIVERS)]
        if missing := [path for path in (*stills, *drivers) if not path.exists()]:
            print(f"performance: there is no {missing[0]}", file=sys.stderr)
            return 2
        for driver in drivers:
            made = []
            for still in stills:
                try:
                    text, out = pair(still, driver, folder, asked.seconds, folder / "cache", registry)
                except FaceError as error:
                    print(f"{still.stem:>10} < {driver.stem:<6} {error}", flush=True)
                    continue
                print(text, flush=True)
                made.append(out)
            if asked.sheet:
                shown = [driver, *made] if driver.suffix == ".mp4" else made
                rows += [strip(path, folder / "cache" / "faces") for path in shown]
    if asked.sheet and rows:
        write_still(asked.sheet, np.concatenate(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
