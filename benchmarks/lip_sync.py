"""How well speech is read off sound, and how well a mouth follows it.

    python benchmarks/lip_sync.py [DIR] [--portraits DIR]

DIR holds sounds (``*.wav``) with their truth beside them (``*.json``: ``text``, ``lang``, ``phones`` as [phone, start,
stop]). Each is read with and without its text. *acc*: part of frames, 25 a second, whose mouth is of the right kind of
six; *r* and *MAE*: the openness curve against that of the true phones; *F1*: closures (M, B, P) found within a frame;
*lag*: by how much the curve is late. Bars are for clean speech. With --portraits each picture there says the first
sentence on the mesh engine, and the lips in the picture are measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lp_editor import verbs
from lp_editor.errors import LpEditorError
from lp_editor.faces.measure import lip_ratio
from lp_editor.faces.model import Landmarker
from lp_editor.media.codecs import Codec, Delivery
from lp_editor.media.probe import probe
from lp_editor.media.source import VideoSource
from lp_editor.render.program import Settings
from lp_editor.speech import Reader, wave_of
from lp_editor.speech.openness import closures, filled, openness
from lp_editor.speech.phones import articulation
from lp_editor.timeline import Curve
from lp_editor.timeline.document import new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track
from lp_editor.utterance import Phone, Speech

FRAME = 0.04
LAGS = range(-15, 16)
"""Hundredths of a second."""

BARS = {
    "English + text": (82, 0.88, 0.04, 95, 20, 12),
    "English, no text": (72, 0.78, 0.06, 88, 20, 5),
    "other + text": (72, 0.78, 0.06, 92, 20, 5),
    "other, no text": (58, 0.65, 0.09, 72, 30, 5),
}
"""acc %, r, MAE, F1 %, lag ms, times real time (lip sync notes)."""


@dataclass(frozen=True)
class Score:
    """The measures of one sound."""

    acc: float
    r: float
    mae: float
    f1: float
    lag: float
    speed: float


def scored(speech: Speech, truth: Sequence[Phone], speed: float) -> Score:
    """An analysis against the true phones."""
    times = np.asarray((np.arange(int(speech.seconds / FRAME)) + 0.5) * FRAME, np.float64)
    acc = float(np.mean([a == b for a, b in zip(_mouths(speech.phones, times), _mouths(truth, times), strict=True)]))
    wanted, have = openness(truth, speech.seconds), speech.openness
    room = LAGS.stop
    middle = wanted[room:-room]
    fits = [np.corrcoef(np.roll(have, -lag)[room:-room], middle)[0, 1] for lag in LAGS]
    r, mae = float(np.corrcoef(have, wanted)[0, 1]), float(np.abs(have - wanted).mean())
    return Score(100 * acc, r, mae, _f1(speech.phones, truth), 10.0 * LAGS[int(np.argmax(fits))], speed)


def _mouths(phones: Sequence[Phone], times: NDArray[np.float64]) -> list[str]:
    """The kind of mouth at some times."""
    starts = np.array([p.start for p in phones])
    at = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, len(phones) - 1)
    return [articulation(phones[i].name).mouth for i in at]


def _f1(found: Sequence[Phone], truth: Sequence[Phone]) -> float:
    """Closures that lie within a frame of a true one, each counted once, in per cent."""
    free, wanted, hits = closures(found), closures(truth), 0
    total = len(free) + len(wanted)
    for start, stop in wanted:
        near = next((c for c in free if c[0] < stop + FRAME and c[1] > start - FRAME), None)
        if near is not None:
            free.remove(near)
            hits += 1
    return 200 * hits / total if total else 100.0


def read_all(folder: Path) -> tuple[dict[str, list[Score]], dict[str, set[str]]]:
    """The scores of every sound of a folder by case, and the methods that ran."""
    scores: dict[str, list[Score]] = {case: [] for case in BARS}
    methods: dict[str, set[str]] = {case: set() for case in BARS}
    reader = Reader()
    reader.read(np.zeros(16000, np.float32), "", "en")
    for path in sorted(folder.glob("*.wav")):
        told: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        wave, language = wave_of(path), str(told["lang"])
        for text in (str(told["text"]), ""):
            who = "English" if language.startswith("en") else "other"
            case = f"{who} + text" if text else f"{who}, no text"
            began = perf_counter()
            speech = reader.read(wave, text, language)
            speed = speech.seconds / (perf_counter() - began)
            truth = filled([Phone(p or "pau", float(a), float(b)) for p, a, b in told["phones"]], speech.seconds)
            scores[case].append(scored(speech, truth, speed))
            methods[case].add(speech.method)
            print(f"  {path.name:16} {case:17} {speech.method} {'; '.join(speech.notes)}", file=sys.stderr)
    return scores, methods


def shown(scores: dict[str, list[Score]], methods: dict[str, set[str]]) -> bool:
    """Print the table; whether all bars are met."""
    table = Table("case", "files", "acc %", "r", "MAE", "F1 %", "lag ms", "× real time", "method")
    good = True
    for case, found in scores.items():
        if not found:
            continue
        mean = [float(np.mean([getattr(s, name) for s in found])) for name in ("acc", "r", "mae", "f1", "lag", "speed")]
        bars = BARS[case]
        met = (
            mean[0] >= bars[0], mean[1] >= bars[1], mean[2] <= bars[2], mean[3] >= bars[3], abs(mean[4]) <= bars[4],
            mean[5] >= bars[5],
        )  # fmt: skip
        good &= all(met)
        signs, digits = "≥≥≤≥≤≥", (1, 3, 3, 1, 0, 1)
        cells = [
            f"{value:.{d}f}{'' if ok else ' !'} ({sign}{bar})"
            for value, d, ok, sign, bar in zip(mean, digits, met, signs, bars, strict=True)
        ]
        table.add_row(case, str(len(found)), *cells, "; ".join(sorted(methods[case])))
    Console(width=170).print(table)
    return good


def rendered(picture: Path, sound: Path, text: str, folder: Path) -> tuple[float, int, int]:
    """A still that says a line on the mesh engine: r of lips and curve, closures, and how many were seen."""
    seconds = Fraction(6)
    media = Media("file", picture.name, str(picture), picture)
    clip = Clip("", "still", media, Span(Fraction(0), seconds), Span(Fraction(0), seconds), Fraction(25))
    document = new_document(
        folder / "cut.otio", Project("cut", Fraction(25), Fraction(0), (Track("V1", "video", (clip,)),))
    )
    made = verbs.mark(document, "lip_sync", clip="still", params={"sound": str(sound), "text": text, "ease": "0"})
    settings = Settings(Delivery(Codec.FFV1), "mesh", cache=folder / "cache")
    document, _ = verbs.key_by_scene(made.document, made.mark.id, settings)
    film = folder / f"{picture.stem}.mkv"
    verbs.render(document, film, settings)
    curve = next(c for c in document.project.clips() if c.segments).segments[0].params["open"]
    assert isinstance(curve, Curve)
    return measured(film, curve)


def measured(film: Path, curve: Curve) -> tuple[float, int, int]:
    """Lips in a film against an opening curve; a closure is seen if within a frame the lips are as good as shut."""
    with Landmarker() as landmarker, VideoSource(film) as source:
        info = probe(film)
        assert info.video is not None
        faces = [landmarker(p.rgb_all()) for p in source.frames(list(range(info.video.count)))]
    lips = np.array([lip_ratio(f[0].points[None].astype(np.float64))[0] if f else np.nan for f in faces])
    asked = curve.at((np.arange(len(lips)) + 0.5) / 25)
    there = ~np.isnan(lips)
    shut = np.flatnonzero((asked[1:-1] <= 0.005) & (np.maximum(asked[:-2], asked[2:]) > 0.02)) + 1
    limit = 0.1 * np.nanpercentile(lips, 95)
    seen = sum(bool(np.nanmin(lips[max(i - 1, 0) : i + 2]) <= limit) for i in shut)
    return float(np.corrcoef(asked[there], lips[there])[0, 1]), len(shut), seen


def main() -> int:
    """Read, print, and return 1 where a bar is not met."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "speech")
    asked.add_argument("--portraits", type=Path, help="a folder of pictures that are to speak")
    options = asked.parse_args()
    if not sorted(options.folder.glob("*.wav")):
        asked.error(f"no .wav in {options.folder}")
    good = shown(*read_all(options.folder))
    if options.portraits:
        sound = sorted(options.folder.glob("*.wav"))[-1]
        text = str(json.loads(sound.with_suffix(".json").read_text(encoding="utf-8"))["text"])
        for picture in sorted(p for p in options.portraits.iterdir() if p.suffix in (".jpg", ".png")):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    r, shut, seen = rendered(picture, sound, text, Path(folder))
                except LpEditorError as error:
                    print(f"{picture.name}: {error}")
                    continue
            good &= r >= 0.9 and seen == shut
            print(f"{picture.name}: lips follow the curve with r {r:.3f} (≥.9), {seen} of {shut} closed frames closed")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
