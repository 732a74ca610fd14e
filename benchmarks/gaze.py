"""How well `gaze contact=1` leads eyes into the lens: films of a folder rendered whole, measured again with MediaPipe.

    python benchmarks/gaze.py [DIR] [--engine mesh] [--sheet PNG]

Look-aways and added blinks are off. Angles are those between the look and the lens, head pose included, in degrees.
Shut eyes look nowhere, but the tracker reads them as looking down: the fall is given over all frames, again without those
whose lids are so near to each other that the picture shows closed eyes (`SHUT`; looked at, frame by frame), and without all of
a blink (`BLINKS`: lashes and skin between lids that the tracker still takes for apart; looked at on s32, and no iris is seen).
A tracker remembers: frames that nothing touched are read otherwise when others before them were (d12, frames 96 to 107), so what
happens on the lens is given over touched frames, too. A second line says where what is left of the angle lies.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from lp_editor import Box, Registry, verbs
from lp_editor.faces import analyse_faces, choose
from lp_editor.faces.canonical import LEFT_EYE_UPPER, RIGHT_EYE_UPPER
from lp_editor.faces.measure import eye_ratio, measured
from lp_editor.media.codecs import Codec
from lp_editor.media.probe import probe
from lp_editor.media.source import VideoSource
from lp_editor.render.program import Settings
from lp_editor.timeline.document import new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

FILMS = ("d12.mp4", "d18.mp4", "s32.mp4")
OFF, ON = 8.0, 3.0
"""Degrees: filmed further off the lens than the one, or within the other."""

SHUT = 0.085
"""Lids with less between them than this part of an eye's width show no iris in the films of the notes."""

BLINKS = 0.4
"""The coefficient eyeBlink, mean of both eyes, over which the effect takes eyes for closed."""

EYES, PITCH, YAW = (20.0, 30.0), (15.0, 25.0), (25.0, 30.0)
"""The effect's thresholds: fully led up to the first, not at all from the second."""

ROWS, EYES_SHOWN = 12, (390, 130)
"""Of the sheet: frames of each film, and pixels of their eyes."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A film before and after: looks (N, 2), poses (N, 3), NaN where lost; mean change of each frame's pixels.

    ``lids`` (N,) are the filmed ratios of both eyes' lids, ``blinks`` (N,) how far they close as the tracker has it.
    """

    filmed: Array
    led: Array
    poses: Array
    changed: Array
    lids: Array
    blinks: Array
    eyes: list[Box | None]
    """Around both eyes."""


def looks(path: Path, cache: Path) -> tuple[Array, Array, Array, Array, list[Box | None]]:
    """Poses, gazes, ratios of the lids and blinks of the largest face of a film, and where its eyes are."""
    with VideoSource(path) as source:
        count = source.video.count
        tracks = analyse_faces(source, 0, count, cache, None)
    track = choose(tracks, "largest", 0, count)
    assert track is not None, f"no face in {path}"
    faces = [track.at(i) for i in range(count)]
    lids = [np.mean([eye_ratio(f.points, s) for s in ("left", "right")]) if f else np.nan for f in faces]
    blinks = [np.mean([f.blendshapes[f"eyeBlink{s}"] for s in ("Left", "Right")]) if f else np.nan for f in faces]
    eyes = [around_eyes(f.points) if f else None for f in faces]
    return *measured(faces), np.array(lids, np.float64), np.array(blinks, np.float64), eyes


def around_eyes(points: NDArray[np.float32]) -> Box:
    """Three times as wide as it is high."""
    ends = points[[LEFT_EYE_UPPER[0], RIGHT_EYE_UPPER[0]], :2]
    (x, y), half = ends.mean(0), 0.75 * float(np.linalg.norm(ends[0] - ends[1]))
    return Box(*(round(v) for v in (x - half, y - half / 3, x + half, y + half / 3)))


def measure(media: Path, folder: Path, engine: str) -> tuple[Measured, Path]:
    """Render a film with contact all over it, and measure both."""
    info = probe(media)
    assert info.video is not None
    rate = info.video.rate
    span = Span(Fraction(0), info.video.count / rate)
    clip = Clip("", "c", Media("file", media.name, str(media), available=span), span, span, rate)
    document = new_document(
        folder / f"{media.stem}.otio", Project("c", rate, Fraction(0), (Track("V1", "video", (clip,)),))
    )
    registry = Registry.installed()
    params = {"contact": "1", "look_away": "0", "blinks": "0", "ease": "0"}
    document = verbs.mark(document, "gaze", clip="c", params=params, registry=registry).document
    output = folder / f"{media.stem}.mkv"
    verbs.render(document, output, Settings(Codec.FFV1, engine, cache=folder / "cache"), registry=registry)
    poses, filmed, lids, blinks, eyes = looks(media, folder / "cache" / "faces")
    _, led, _, _, _ = looks(output, folder / "cache" / "faces")
    with VideoSource(media) as a, VideoSource(output) as b:
        n = range(len(filmed))
        changed = [
            float(np.abs(p.planes[0].astype(int) - q.planes[0]).mean())
            for p, q in zip(a.frames(n), b.frames(n), strict=True)
        ]
    return Measured(filmed, led, poses, np.array(changed), lids, blinks, eyes), output


def off(gazes: Array) -> Array:
    """The angle between looks and the lens."""
    x, y = np.radians(gazes).T
    return np.asarray(np.degrees(np.arccos(np.clip(np.cos(x) * np.cos(y), -1, 1))))


def thresholds(m: Measured) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Frames that are led fully, and those that are not led at all, (N,) each."""
    angles = np.abs(np.column_stack([m.filmed, m.poses[:, :2]]))
    limits = np.array([EYES, EYES, PITCH, YAW])
    return np.asarray((angles <= limits[:, 0]).all(1)), np.asarray((angles >= limits[:, 1]).any(1))


def left(m: Measured) -> str:
    """Where the angle that is left of frames within all thresholds lies, in parts of their filmed angle."""
    before, after = off(m.filmed), off(m.led)
    inside = (before > OFF) & thresholds(m)[0] & ~np.isnan(after)
    shut = (m.lids < SHUT) | (m.blinks > BLINKS)
    parts = {"blinks": shut, "open eyes left as filmed": ~shut & (m.changed == 0), "led eyes": ~shut & (m.changed > 0)}
    whole = max(float(before[inside].sum()), 1e-9)
    told = [f"{100 * after[inside & w].sum() / whole:.0f} % {name} ({(inside & w).sum()} frames)" for name, w in parts.items()]
    led = m.led[inside & parts["led eyes"]]
    aside, up = np.abs(led).mean(0) if len(led) else (0.0, 0.0)
    return f"      left: {', '.join(told)}, these {aside:.1f} aside and {up:.1f} up or down on the mean"


def line(name: str, m: Measured) -> str:
    """What the bars ask of a film."""
    full, beyond = thresholds(m)
    before, after = off(m.filmed), off(m.led)
    away, near = before > OFF, before < ON
    inside, partly = away & full, away & ~beyond
    edited = (m.changed > 0) & ~np.isnan(before) & ~np.isnan(after)
    pairs = edited[1:] & edited[:-1]
    steps = [np.linalg.norm(np.diff(g, axis=0), axis=1) for g in (m.filmed, m.led)]
    kept, touched = (np.abs(after - before)[near & ~np.isnan(after) & which] for which in (True, m.changed > 0))

    def fall(which: NDArray[np.bool_]) -> str:
        if not which.any():
            return "   –"
        a, b = np.nanmean(before[which]), np.nanmean(after[which])
        return f"{a:5.1f} to {b:4.1f} ({100 * (1 - b / a):3.0f} %, {which.sum()} frames)"

    return (
        f"{name:<5} full: {fall(inside):<32} eyes open: {fall(inside & (m.lids >= SHUT)):<32}"
        f" no blink: {fall(inside & (m.blinks <= BLINKS)):<32} within: {fall(partly):<32}"
        f" on the lens: {max(kept, default=0):.2f} most, {near.sum()} frames, {max(touched, default=0):.2f} of {len(touched)}"
        f" touched  beyond: {int((m.changed[beyond] > 0).sum())} of"
        f" {beyond.sum()} touched  step {max(steps[1][pairs], default=0):.1f}, filmed {np.nanmax(steps[0]):.1f}"
    )


def sheet(media: Path, output: Path, m: Measured) -> NDArray[np.uint8]:
    """The eyes of some frames that were changed, as filmed to the left, as led to the right."""
    changed = [i for i in np.flatnonzero(m.changed > 0).tolist() if m.eyes[i]]
    at = [changed[i] for i in np.linspace(0, len(changed) - 1, ROWS).astype(int).tolist()] if changed else []
    columns = []
    for path in (media, output):
        with VideoSource(path) as source:
            shown = [cv2.resize(p.rgb(box), EYES_SHOWN, interpolation=cv2.INTER_CUBIC)
                     for i, p in zip(at, source.frames(at), strict=True) if (box := m.eyes[i])]  # fmt: skip
        columns.append(np.concatenate([*shown, *[np.zeros((EYES_SHOWN[1], EYES_SHOWN[0], 3), np.uint8)] * (ROWS - len(shown))]))
    return np.concatenate(columns, axis=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the films of a folder, or those of the notes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", default=Path("../shared/liveportrait/media"))
    parser.add_argument("--engine", default="mesh")
    parser.add_argument("--frames", action="store_true", help="also print every frame")
    parser.add_argument("--sheet", type=Path, metavar="PNG")
    asked = parser.parse_args(arguments)
    films = [asked.folder / n for n in FILMS if (asked.folder / n).exists()] or sorted(asked.folder.glob("*.mp4"))
    if not films:
        print(f"gaze: no films in {asked.folder}", file=sys.stderr)
        return 2
    rows = []
    with TemporaryDirectory() as name:
        for media in [film.resolve() for film in films]:
            found, output = measure(media, Path(name), asked.engine)
            print(line(media.stem, found), left(found), sep="\n", flush=True)
            for i in range(len(found.filmed)) if asked.frames else ():
                values = (*found.filmed[i], *found.led[i], *found.poses[i], found.changed[i])
                print(i, *(f"{v:6.1f}" for v in values))
            rows.append(sheet(media, output, found))
    if asked.sheet:
        cv2.imwrite(str(asked.sheet), cv2.cvtColor(np.concatenate(rows, axis=1), cv2.COLOR_RGB2BGR))
    return 0


if __name__ == "__main__":
    sys.exit(main())
