"""How well faces follow performances on the mesh engine: stills led by films and templates, measured again with MediaPipe.

    python benchmarks/performance.py [DIR] [--stills s12.jpg,s9.jpg] [--drivers d12.mp4,d5.pkl] [--seconds 4] [--sheet PNG]
    python benchmarks/performance.py [DIR] --group [--seconds 2] [--sheet PNG]
    python benchmarks/performance.py --shown JPG

A signal is a blendshape, measured on the rendered frames as on the driver's at the same seconds. One counts as *led* when it
spans at least .2 in the driver, from its 5th to its 95th percentile.

- *follow*: how many of the led signals correlate with the driver by .8 or more, of how many; then those that do not
- *moved*: signals the driver holds still (it spans less than .2 there) that span more than .1 on the picture; in brackets
  how many of those span more than in the driver by over .1
- *pose*: 95th percentile and largest error of pitch, yaw and roll in degrees, against the driver's turns from its rest
- templates with openings: the correlation of lid and lip openings
- *wink*: where a template's eyes are furthest apart, by how much (right less left), and what each eye then reads; how far
  each blinks in all says nothing of it, for a template may close both eyes before it winks

With ``--shown`` the picture of the docs is made instead: the portrait of scikit-image acts what `ACTED` says, and is the
driver of the same portrait mirrored and toned as an old photograph.

The astronaut of scikit-image is always among the stills. With ``--group`` the stills are pasted into one picture, in which
each follows another driver in one pass; each is judged where it stands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image as Pillow

from lp_editor import Registry
from lp_editor.errors import FaceError
from lp_editor.face import FaceTrack
from lp_editor.faces import analyse_faces, choose
from lp_editor.faces.measure import eye_ratio, head_pose, lip_ratio
from lp_editor.files import write_whole
from lp_editor.liveportrait.template import read_template
from lp_editor.media.codecs import Codec
from lp_editor.media.sink import write_still
from lp_editor.media.source import VideoSource
from lp_editor.performing import Lead, animate, living
from lp_editor.recording import SHAPE_COLUMN, SHAPES, Recording, write_recording
from lp_editor.render.drive import calmest
from lp_editor.render.program import Settings
from lp_editor.render.sheet import around

STILLS = ("s12.jpg", "s9.jpg", "s11.jpg", "s6.jpg", "s0.jpg", "d30.jpg", "s42.jpg", "s39.jpg")
DRIVERS = ("d12.mp4", "d18.mp4", "s13.mp4", "s32.mp4", "d5.pkl", "d1.pkl", "wink.pkl", "laugh.pkl")
LED, FOLLOWS, STILL = 0.2, 0.8, 0.1
WINK = 0.5
"""Eyes of a template that part by less do not wink."""

SHOWN = 8
"""Moments of each pair on the sheet."""

GROUP_STILLS = ("s12.jpg", "s9.jpg", "s6.jpg", "s0.jpg")
GROUP_DRIVERS = ("d12.mp4", "d18.mp4", "s32.mp4", "laugh.pkl")
GROUP_HEIGHT = 640
"""Pixels of a group picture; its members are as high."""

ACTED: tuple[Mapping[str, float], ...] = (
    {},
    {"mouthSmileLeft": 1, "mouthSmileRight": 1, "yaw": 10},
    {"jawOpen": 0.8, "browInnerUp": 0.9, "browOuterUpLeft": 0.9, "browOuterUpRight": 0.9, "pitch": 5},
    {"mouthPucker": 1, "mouthFunnel": 0.4, "yaw": -12},
    {"eyeBlinkLeft": 1, "eyeSquintLeft": 1, "mouthSmileLeft": 0.9, "mouthSmileRight": 0.3, "roll": 6},
    {"eyeLookOutLeft": 1, "eyeLookInRight": 1, "mouthFrownLeft": 0.8, "mouthFrownRight": 0.8, "yaw": 6},
)
"""What the portrait acts, a moment a second: blendshapes 0..1, and degrees of the head."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """A face of N frames as measured: blendshapes (N, 52), poses (N, 3), openings of right eye, left eye, lips (N, 3)."""

    shapes: Array
    poses: Array
    openings: Array
    there: NDArray[np.bool_]

    def at(self, rate: float, times: Array) -> Seen:
        """The same at some seconds, its frames following at a rate."""
        shapes, poses, openings = (at_times(v, rate, times) for v in (self.shapes, self.poses, self.openings))
        there = at_times(self.there[:, None].astype(np.float64), rate, times)[:, 0] == 1
        return Seen(shapes, poses, openings, there)


@dataclass(frozen=True)
class Film:
    """A film's frames a second and how many there are, and one face in it."""

    rate: float
    count: int
    face: FaceTrack | None

    @property
    def times(self) -> Array:
        """The seconds at which the frames are shown, (count,)."""
        return np.arange(self.count) / self.rate


def tracked(path: Path, cache: Path) -> Film:
    """A film and the largest face of it."""
    with VideoSource(path) as source:
        count = source.video.count
        tracks = analyse_faces(source, 0, count, cache, None)
        return Film(float(source.video.rate), count, choose(tracks, "largest", 0, count))


def at_times(values: Array, rate: float, times: Array) -> Array:
    """Rows that follow at a rate, as they are at some seconds: between two of them, part of each."""
    rows = np.arange(len(values))
    return np.stack([np.interp(times * rate, rows, column) for column in values.T], axis=1)


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


def by_film(driver: Path, follower: Film, cache: Path) -> str:
    """How a face followed a film."""
    leader = tracked(driver, cache)
    if leader.face is None or follower.face is None:
        return "no face"
    times = follower.times[follower.times < leader.count / leader.rate]
    filmed = seen(leader.face, leader.count).at(leader.rate, times)
    made = seen(follower.face, len(times))
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
    calm = leader.face.at(calmest(leader.face))
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


def by_template(driver: Path, follower: Film) -> str:
    """How a face followed a template."""
    template = read_template(driver)
    if follower.face is None:
        return "no face"
    times = follower.times[follower.times < len(template) / template.rate]
    made = seen(follower.face, len(times))
    text = []
    pairs = [("right eye", template.eyes, 0, 0), ("left eye", template.eyes, 1, 1), ("lips", template.lips, 0, 2)]
    for name, ratios, column, own in pairs:
        if ratios is None:
            continue
        asked = at_times(ratios[:, [column]].astype(np.float64), template.rate, times)
        if span(asked)[0] > 0.02:
            r = np.corrcoef(asked[:, 0], made.openings[:, own])[0, 1]
            text.append(f"{name} {r:.2f}")
    jaw, blink, smile = (made.shapes[:, [SHAPES.index(n) for n in names]] for names in (
        ["jawOpen"], ["eyeBlinkRight", "eyeBlinkLeft"], ["mouthSmileRight", "mouthSmileLeft"]))  # fmt: skip
    if (told := Registry.installed().recording(driver)) is not None:
        lids = [SHAPES.index(name) for name in ("eyeBlinkRight", "eyeBlinkLeft")]
        winks = at_times(told.shapes, float(told.rate), times)[:, lids] @ [1, -1]
        at = int(np.abs(winks).argmax())
        if abs(winks[at]) > WINK:
            text.append(f"wink {winks[at]:+.2f} seen right {blink[at, 0]:.2f} left {blink[at, 1]:.2f}")
    text.append(f"jaw {np.ptp(jaw):.2f}  blink right {np.ptp(blink[:, 0]):.2f} left {np.ptp(blink[:, 1]):.2f}"
                f"  smile {np.ptp(smile.mean(1)):.2f}")  # fmt: skip
    return "  ".join(text)


def judge(driver: Path, follower: Film, cache: Path) -> str:
    """How a face followed a driver of any kind."""
    return by_film(driver, follower, cache) if driver.suffix == ".mp4" else by_template(driver, follower)


def family(stills: Sequence[Path], out: Path) -> list[float]:
    """Paste pictures side by side into one of even size; returns where each one's middle stands, a part of the width."""
    members = []
    for still in stills:
        image = cv2.imread(str(still))
        assert image is not None
        width = round(image.shape[1] * GROUP_HEIGHT / image.shape[0]) // 2 * 2
        members.append(cv2.resize(image, (width, GROUP_HEIGHT), interpolation=cv2.INTER_AREA))
    whole = np.concatenate(members, axis=1)
    write_still(out, np.ascontiguousarray(whole[:, :, ::-1], np.uint8))
    edges = np.cumsum([0, *(member.shape[1] for member in members)])
    return [float(middle) for middle in (edges[:-1] + edges[1:]) / 2 / whole.shape[1]]


def group(
    stills: Sequence[Path], drivers: Sequence[Path], folder: Path, seconds: float | None, cache: Path, registry: Registry
) -> tuple[list[str], Path]:
    """Render one picture of several people, each led by another driver; say how each followed."""
    picture, out = folder / "family.png", folder / "family.mkv"
    middles = family(stills, picture)
    leads = [Lead(driver, f"at:{x:.4f},0.4") for driver, x in zip(drivers, middles, strict=True)]
    length = None if seconds is None else Fraction(seconds).limit_denominator(100)
    document = living(picture, leads, {}, registry, seconds=length, sound=False, path=folder / "family.otio")
    start = perf_counter()
    animate(document, out, Settings(Codec.FFV1, "mesh", cache=cache, force=True), registry)
    took = perf_counter() - start
    with VideoSource(out) as source:
        video = source.video
        tracks = analyse_faces(source, 0, video.count, cache / "faces", None)
    size = (video.format.width, video.format.height)
    lines = [f"{len(leads)} faces in one pass, {size[0]}x{size[1]}: {1000 * took / video.count:.0f} ms a frame"]
    for still, lead in zip(stills, leads, strict=True):
        follower = Film(float(video.rate), video.count, choose(tracks, lead.face, 0, video.count, size))
        lines.append(f"{still.stem:>10} < {lead.driver.stem:<9} {judge(lead.driver, follower, cache / 'faces')}")
    return lines, out


def moments(path: Path, width: int = 1000) -> NDArray[np.uint8]:
    """Some moments of a whole film, one below the other."""
    with VideoSource(path) as source:
        at = np.linspace(0, source.video.count - 1, SHOWN // 2).astype(int).tolist()
        pictures = [picture.rgb_all() for picture in source.frames(at)]
    height = round(pictures[0].shape[0] * width / pictures[0].shape[1])
    small = [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.asarray(np.concatenate(small), np.uint8)


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
    follower = tracked(out, cache / "faces")
    judged = judge(driver, follower, cache / "faces")
    return f"{still.stem:>10} < {driver.stem:<6} {1000 * took / follower.count:4.0f} ms  {judged}", out


def acting(rate: int = 25) -> Recording:
    """What `ACTED` says, each moment gone to and left smoothly."""
    shapes, poses = np.zeros((len(ACTED), len(SHAPES))), np.zeros((len(ACTED), 3))
    for row, moment in enumerate(ACTED):
        for name, value in moment.items():
            if name in SHAPE_COLUMN:
                shapes[row, SHAPE_COLUMN[name]] = value
            else:
                poses[row, ("pitch", "yaw", "roll").index(name)] = value
    times = np.arange((len(ACTED) - 1) * rate + 1) / rate
    part = times % 1
    eased = np.floor(times) + part * part * (3 - 2 * part)
    at = np.arange(len(ACTED))
    shapes, poses = (np.stack([np.interp(eased, at, c) for c in rows.T], axis=1) for rows in (shapes, poses))
    return Recording(Fraction(rate), shapes, poses, rest=0)


def picture(folder: Path, portrait: Path, cache: Path, registry: Registry, out: Path) -> None:
    """The picture of the docs: a face that acts, and below it another one that follows its film."""
    photograph = cv2.imread(str(portrait), cv2.IMREAD_GRAYSCALE)
    assert photograph is not None
    old = folder / "old.png"
    toned = np.clip(photograph[:, ::-1, None] * [1.04, 0.95, 0.8], 0, 255)
    write_still(old, np.ascontiguousarray(toned, np.uint8))
    leader, films = write_recording(folder / "acted.npz", acting()), []
    for still in (portrait, old):
        film = folder / f"{still.stem}.mkv"
        document = living(still, [Lead(leader)], {}, registry, sound=False, path=folder / f"{still.stem}.otio")
        animate(document, film, Settings(Codec.FFV1, "mesh", cache=cache, force=True), registry)
        films.append(film)
        leader = film
    sheet = Pillow.fromarray(np.concatenate([strip(film, cache / "faces", count=len(ACTED)) for film in films]))
    write_whole(out, lambda path: sheet.save(path, quality=88))


def strip(path: Path, cache: Path, size: int = 200, count: int = SHOWN) -> NDArray[np.uint8]:
    """Some moments of a film's largest face."""
    track = tracked(path, cache).face
    assert track is not None
    with VideoSource(path) as source:
        at = np.linspace(0, source.video.count - 1, count).astype(int).tolist()
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
    parser.add_argument("--group", action="store_true", help="all stills in one picture, each led by another driver")
    parser.add_argument("--seconds", type=float, help="only so much of each driver")
    parser.add_argument("--sheet", type=Path, metavar="PNG")
    parser.add_argument("--shown", type=Path, metavar="JPG", help="make the picture of the docs, and nothing else")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the drivers' faces here, so that it is quick again")
    asked = parser.parse_args(arguments)
    registry, rows = Registry.installed(), []
    with TemporaryDirectory() as name:
        folder = Path(name)
        cache = asked.cache or folder / "cache"
        portrait = folder / "astronaut.png"
        write_still(portrait, np.asarray(skimage.data.astronaut(), np.uint8))
        if asked.shown:
            picture(folder, portrait, cache, registry, asked.shown)
            return 0
        usual = GROUP_STILLS if asked.group else ("astronaut", *STILLS)
        wanted = asked.stills.split(",") if asked.stills else usual
        stills = [portrait if still == "astronaut" else asked.folder / still for still in wanted]
        led_by = asked.drivers.split(",") if asked.drivers else GROUP_DRIVERS if asked.group else DRIVERS
        drivers = [asked.folder / d for d in led_by]
        if missing := [path for path in (*stills, *drivers) if not path.exists()]:
            print(f"performance: there is no {missing[0]}", file=sys.stderr)
            return 2
        if asked.group:
            lines, out = group(stills, drivers[: len(stills)], folder, asked.seconds, cache, registry)
            print("\n".join(lines))
            if asked.sheet:
                write_still(asked.sheet, moments(out))
            return 0
        for driver in drivers:
            made = []
            for still in stills:
                try:
                    text, out = pair(still, driver, folder, asked.seconds, cache, registry)
                except FaceError as error:
                    print(f"{still.stem:>10} < {driver.stem:<6} {error}", flush=True)
                    continue
                print(text, flush=True)
                made.append(out)
            if asked.sheet:
                shown = [driver, *made] if driver.suffix == ".mp4" else made
                rows += [strip(path, cache / "faces") for path in shown]
    if asked.sheet and rows:
        write_still(asked.sheet, np.concatenate(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
