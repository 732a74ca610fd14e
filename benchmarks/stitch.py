"""How well `stitch` hides jump cuts: a piece is cut out of each film, the cut stitched, and the joint measured again.

    python benchmarks/stitch.py [DIR] [--sheet PNG] [--length FRAMES] [--light] [--bridge]

Error: landmarks of the middle frames against those of both sides blended, each picture looked at by itself, in percent of the
face's width. Jump: the largest
step of the landmarks inside the joint, against the 95th percentile of the film's own. Sharp: fine detail of the face in the
middle frames against that of both sides. ``--light`` shifts exposure and colour after the cut first.
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
from lp_editor.face import FaceTrack
from lp_editor.faces import analyse_faces, choose
from lp_editor.faces.model import Landmarker
from lp_editor.media.codecs import Codec
from lp_editor.media.picture import Picture
from lp_editor.media.probe import probe
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.render.program import Settings
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Joint, Media, Project, Span, Track

FILMS = {"d12.mp4": (60, 120), "d18.mp4": (70, 145), "s32.mp4": (60, 120), "s13.mp4": (40, 78)}
"""The last frame before the cut, and the first after it; of other films a third is cut out of the middle."""

SIDE = 30
"""Frames shown on each side of the cut, at most."""

GAINS = ((1.18, -6.0), (0.92, 4.0), (1.10, -3.0))
"""What ``--light`` does to R, G and B after the cut: a gain and an offset in levels."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Joined:
    """A film cut and joined: the project, the joint, and media frames shown at the first program frame of both sides."""

    document: Document
    joint: Joint
    first: int
    at: int
    next: int


def lit(media: Path, folder: Path, after: int) -> Path:
    """The film with another light from a frame on, lossless."""
    info = probe(media).video
    assert info is not None
    path = folder / f"{media.stem}_lit.mkv"

    def shifted(i: int, picture: Picture) -> Picture:
        if i < after:
            return picture
        gains, offsets = (np.array(v, np.float32) for v in zip(*GAINS, strict=True))
        image = picture.rgb_all().astype(np.float32) * gains + offsets
        return Picture.of_rgb(np.asarray(np.clip(np.rint(image), 0, 255), np.uint8), picture.format)

    with VideoSource(media) as source:
        pictures = (shifted(i, p) for i, p in enumerate(source.frames(range(info.count))))
        encode_chunk(folder / "lit", pictures, info.format, info.rate, Codec.FFV1)
    join_chunks(path, [folder / "lit"], [info.count], info.rate, Codec.FFV1)
    return path


def joined(media: Path, cut: tuple[int, int], folder: Path, effect: str, length: int | None, cache: Path) -> Joined:
    """The film with what lies between two frames cut out, and its cut marked; as long as proposed without a length."""
    info = probe(media).video
    assert info is not None
    last, next = cut
    rate, whole = info.rate, Span(Fraction(0), info.count / info.rate)
    before, after = min(SIDE, last + 1), min(SIDE, info.count - next)
    reference = Media("file", media.name, str(media), available=whole)

    def clip(name: str, first: int, count: int, at: int) -> Clip:
        return Clip("", name, reference, Span(first / rate, count / rate), Span(at / rate, count / rate), rate)

    row = (clip("a", last + 1 - before, before, 0), clip("b", next, after, before))
    document = new_document(
        folder / f"{media.stem}.otio", Project("c", rate, Fraction(0), (Track("V1", "video", row),))
    )
    settings = Settings(Codec.FFV1, "mesh", cache=cache)
    if length is None and effect == "stitch":
        proposed, made = verbs.propose(document, effect, clip="a", settings=settings)
        if made and isinstance(made[0], Joint):
            return Joined(proposed, made[0], last + 1 - before, before, next)
    marked = verbs.mark(document, effect, clip="a", length=f"{length or (24 if effect == 'bridge' else 12)}f")
    assert isinstance(marked.mark, Joint)
    return Joined(marked.document, marked.mark, last + 1 - before, before, next)


def faces(path: Path, cache: Path) -> FaceTrack:
    """The track of the largest face of a film."""
    with VideoSource(path) as source:
        count = source.video.count
        track = choose(analyse_faces(source, 0, count, cache, None), "largest", 0, count)
    assert track is not None, f"no face in {path}"
    return track


def points(track: FaceTrack, frame: int) -> Array:
    """The landmarks of a frame, (468, xy), NaN where lost."""
    face = track.at(frame)
    return np.full((468, 2), np.nan) if face is None else face.points[:468, :2].astype(np.float64)


def detail(picture: Picture, at: Array) -> float:
    """How strong fine detail is inside a face: RMS of luma less its blur."""
    luma = picture.luma8().astype(np.float32)
    inside = np.zeros(luma.shape, np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.rint(at).astype(np.int32)), 1)
    fine = luma - cv2.GaussianBlur(luma, (0, 0), 1.5)
    return float(np.sqrt((fine[inside > 0] ** 2).mean()))


@dataclass(frozen=True)
class Measured:
    """A joint of ``frames``: how far the faces lay apart (face widths), the landmarks' error of the middle frames and of all
    (percent of the face's width), the largest step inside against the film's own, that in percent, and middle sharpness."""

    frames: int
    apart: float
    error: float
    worst: float
    jump: float
    own: float
    sharp: float

    def line(self, name: str) -> str:
        """As the table shows it."""
        return (
            f"{name:<8} {self.frames:>3}f  apart {self.apart:4.2f}  error {self.error:4.2f} % (all {self.worst:4.2f})"
            f"  jump {self.jump:4.2f} of own p95 ({self.own:.1f} %)  sharp {100 * self.sharp:3.0f} %"
        )


def still_points(finder: Landmarker, picture: Picture, near: Array) -> Array:
    """The landmarks of one picture by itself, (468, xy), looked for around a face known to be near."""
    low, high = near.min(0), near.max(0)
    room = 0.5 * (high - low)
    box = Box.around(np.stack([low - room, high + room])).clipped(picture.format.width, picture.format.height)
    found = finder(picture.rgb(box), (box.x0, box.y0))
    return max((f.points[:468, :2] for f in found), key=np.ptp, default=np.full((468, 2), np.nan)).astype(np.float64)


def errors(
    film: Sequence[Picture], film_at: Sequence[Array], out: Sequence[Picture], weights: Sequence[float]
) -> list[float]:
    """How far the landmarks of each frame of a joint lie from those of both its sides blended, pixels on average.

    ``film`` holds the outgoing sides, then the incoming ones; every picture is looked at by itself, alike.
    """
    count, found = len(weights), []
    with Landmarker() as finder:
        seen = [still_points(finder, p, at) for p, at in zip(film, film_at, strict=True)]
        for i, (picture, weight) in enumerate(zip(out, weights, strict=True)):
            want = (1 - weight) * seen[i] + weight * seen[count + i]
            found.append(float(np.linalg.norm(still_points(finder, picture, want) - want, axis=1).mean()))
    return found


def measure(
    media: Path, cut: Joined, output: Path, cache: Path, plays_on: bool
) -> tuple[Measured, list[Picture]]:  # fmt: skip
    """What the bars ask of one joint, and its frames with one on each side."""
    film, out, rate = faces(media, cache), faces(output, cache), cut.document.project.rate
    before, after = int(cut.joint.before * rate), int(cut.joint.after * rate)
    inside = range(cut.at - before, cut.at + after)
    settings = Settings(Codec.FFV1, "mesh", cache=cache.parent)
    weights = verbs.plan(cut.document, settings).blends[cut.joint.id].weights.tolist()
    sides = [cut.first + (i if plays_on else min(i, cut.at - 1)) for i in inside]
    sides += [cut.next + (i - cut.at if plays_on else max(i - cut.at, 0)) for i in inside]
    with VideoSource(media) as source:
        filmed = {i: p for i, p in zip(sorted(set(sides)), source.frames(sorted(set(sides))), strict=True)}
    with VideoSource(output) as source:
        pictures = list(source.frames(range(inside.start - 1, inside.stop + 1)))
    off = errors([filmed[i] for i in sides], [points(film, i) for i in sides], pictures[1:-1], weights)
    width = float(np.nanmedian([f.width for f in film.faces if f is not None]))
    own = float(np.nanpercentile(moves(film, range(film.first, film.stop)), 95))
    sharp = [detail(p, points(out, i)) for i, p in enumerate(pictures, inside.start - 1)]
    near = sorted(range(len(inside)), key=lambda i: abs(weights[i] - 0.5))[:2]
    apart = float(np.linalg.norm(points(film, cut.first + cut.at - 1) - points(film, cut.next), axis=1).mean())
    return Measured(
        len(inside), apart / width, 100 * max(off[i] for i in near) / width, 100 * max(off) / width,
        max(moves(out, range(inside.start - 1, inside.stop + 1))) / own, 100 * own / width,
        min(sharp[i + 1] for i in near) / ((sharp[0] + sharp[-1]) / 2),
    ), pictures  # fmt: skip


def moves(track: FaceTrack, frames: range) -> list[float]:
    """How far landmarks go from frame to frame on average, pixels."""
    return [float(np.linalg.norm(points(track, i + 1) - points(track, i), axis=1).mean()) for i in frames[:-1]]


def sheet(pictures: Sequence[Picture], height: int = 260, most: int = 10) -> NDArray[np.uint8]:
    """The frames of a joint in a row."""
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, min(most, len(pictures))).round().astype(int)]
    cells = [
        cv2.resize(p.rgb_all(), (p.format.width * height // p.format.height, height), interpolation=cv2.INTER_AREA)
        for p in chosen
    ]
    return np.asarray(np.concatenate(cells, axis=1), np.uint8)


def stacked(rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Rows of one width."""
    width = max(r.shape[1] for r in rows)
    return np.concatenate([np.pad(r, [(0, 8), (0, width - r.shape[1]), (0, 0)]) for r in rows])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the films of a folder, or those of the notes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", default=Path("../shared/liveportrait/media"))
    parser.add_argument("--film", action="append", metavar="NAME", help="only this one; more than once for several")
    parser.add_argument("--length", type=int, metavar="FRAMES", help="of the joint; as proposed without it, else 12")
    parser.add_argument("--light", action="store_true", help="shift exposure and colour after the cut first")
    parser.add_argument("--bridge", action="store_true", help="bridge instead of stitch")
    parser.add_argument("--sheet", type=Path, metavar="PNG")
    asked = parser.parse_args(arguments)
    asked.folder = asked.folder.resolve()  # a project lies elsewhere
    films = [asked.folder / n for n in FILMS if (asked.folder / n).exists()] or sorted(asked.folder.glob("*.mp4"))
    films = [f for f in films if not asked.film or f.name in asked.film or f.stem in asked.film]
    if not films:
        print(f"stitch: no films in {asked.folder}", file=sys.stderr)
        return 2
    rows, effect = [], "bridge" if asked.bridge else "stitch"
    with TemporaryDirectory() as name:
        folder = Path(name)
        for media in films:
            info = probe(media).video
            assert info is not None
            cut = FILMS.get(media.name, (info.count // 3, 2 * info.count // 3))
            film = lit(media, folder, (cut[0] + cut[1]) // 2) if asked.light else media
            made = joined(film, cut, folder, effect, asked.length, folder / "cache")
            output = folder / f"{media.stem}_out.mkv"
            settings = Settings(Codec.FFV1, "mesh", cache=folder / "cache")
            report = verbs.render(made.document, output, settings, registry=Registry.installed())
            found, pictures = measure(film, made, output, folder / "cache" / "faces", not asked.bridge)
            print(found.line(media.stem), *report.notes, sep="\n         ", flush=True)
            rows.append(sheet(pictures))
    if asked.sheet:
        cv2.imwrite(str(asked.sheet), cv2.cvtColor(stacked(rows), cv2.COLOR_RGB2BGR))
    return 0


if __name__ == "__main__":
    sys.exit(main())
