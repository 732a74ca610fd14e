"""Faces and short segments near each other go into few calls of an engine, and come out as they do alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RATE, seconds

from lp_editor import FacePicture, Patch, Registry, hookimpl, testing, verbs
from lp_editor.media.codecs import Codec
from lp_editor.media.picture import Picture, VideoFormat, fit
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.plugins import expression
from lp_editor.render import stage
from lp_editor.render.executor import LocalExecutor
from lp_editor.render.program import Settings
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, ParamValue, Project, Span, Track

FRAMES = 18


class Counting(testing.FakeEngine):
    """Notes how many faces each call has, and how many looks."""

    name = "counting"
    keeps_patches = False

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def synthesize_several(
        self, looks: Sequence[Any], faces: Sequence[FacePicture], filmed: Sequence[Any], motions: Sequence[Any]
    ) -> list[Patch | None]:
        self.calls.append((len(faces), len({id(look) for look in looks})))
        return super().synthesize_several(looks, faces, filmed, motions)


@dataclass(frozen=True)
class Offered:
    """A plugin with one engine."""

    engine: Counting

    @hookimpl
    def lp_engine(self, name: str, device: str) -> Counting | None:
        return self.engine if name == "counting" else None


@pytest.fixture(scope="module")
def pair(filmed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portrait twice in one picture, 18 frames."""
    folder, small = tmp_path_factory.mktemp("pair"), VideoFormat(640, 360, "yuv420p")
    with VideoSource(filmed) as source:
        halves = [fit(picture, small) for picture in source.frames(range(FRAMES))]
    format = replace(small, width=1280)
    both = [Picture(tuple(np.hstack([plane, plane]) for plane in half.planes), format) for half in halves]
    encode_chunk(folder / "c", both, format, RATE, Codec.FFV1)
    join_chunks(folder / "pair.mkv", [folder / "c"], [FRAMES], RATE, Codec.FFV1)
    return folder / "pair.mkv"


def marked(media: Path, folder: Path, registry: Registry, marks: Sequence[tuple[str, int, int]]) -> Document:
    """A cut of the film with marks: face, first frame, count."""
    span = Span(F(0), seconds(FRAMES))
    clip = Clip("", "c", Media("file", media.name, str(media), available=span), span, span, RATE)
    document = new_document(folder / "cut.otio", Project("cut", RATE, F(0), (Track("V1", "video", (clip,)),)))
    for face, at, count in marks:
        params: dict[str, ParamValue] = {"smile": 0.4, "ease": "0", "face": face}
        document = verbs.mark(
            document, "expression", clip="c", at=f"{at}f", length=f"{count}f", params=params, registry=registry
        ).document
    return document


def pictures(path: Path) -> Iterator[Picture]:
    with VideoSource(path) as source:
        yield from source.frames(range(source.video.count))


SHORT = (("1", 1, 2), ("2", 6, 1), ("1", 9, 1), ("2", 15, 3))
LONG = (("1", 0, 8), ("2", 2, 6))


@pytest.mark.parametrize(
    ("marks", "calls"),
    [(SHORT, [(7, 2)]), (LONG, [(8, 2), (6, 2)])],
    ids=["short segments of two faces fill one call", "both faces of four frames fill one call"],
)
def test_faces_come_together(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marks: Sequence[tuple[str, int, int]],
    calls: list[tuple[int, int]],
) -> None:  # fmt: skip
    monkeypatch.setattr(stage, "BATCH", 8)
    engine = Counting()
    registry = Registry(expression, Offered(engine))
    document = marked(pair, tmp_path, registry, marks)
    cache = pair.parent / "cache"
    settings = Settings(Codec.FFV1, "counting", cache=cache, executor=LocalExecutor(1))
    verbs.render(document, tmp_path / "together.mkv", settings, registry=registry)
    assert engine.calls == calls
    monkeypatch.setattr(stage, "BATCH", 1)
    engine.fingerprint = "alone"
    verbs.render(document, tmp_path / "alone.mkv", settings, registry=registry)
    assert len(engine.calls) > 2 * len(calls)
    both = zip(pictures(tmp_path / "together.mkv"), pictures(tmp_path / "alone.mkv"), pictures(pair), strict=True)
    equal, changed = zip(*((a.equals(b), not a.equals(filmed)) for a, b, filmed in both), strict=True)
    assert all(equal)
    busy = {i for _, at, count in marks for i in range(at, at + count)}
    assert {i for i, one in enumerate(changed) if one} == busy
