"""The verbs from Python, with effects that need to see and hear, propose, and follow a driver."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest

from lp_editor import (
    Curve,
    Edit,
    Effect,
    Performance,
    Proposal,
    Registry,
    Scene,
    Signal,
    hookimpl,
    knob,
    mesh,
    option,
    verbs,
)
from lp_editor.errors import FaceError, MediaError, ParamError
from lp_editor.media.sink import Codec
from lp_editor.media.source import VideoSource
from lp_editor.plugins import expression, stitch
from lp_editor.render.program import Settings
from lp_editor.timeline.model import Segment

LOSSLESS = Settings(Codec.FFV1)
SCENES: list[Scene] = []


@dataclass(frozen=True)
class Spot(Effect):
    """Smile where a face is seen and something is heard."""

    name = "spot"
    needs = frozenset({"face", "sound"})
    amount: Curve = knob(0.5, low=0, high=1, help="of the smile")

    def edit(self, scene: Scene) -> Edit:
        return Edit(controls={"smile_left": self.amount, "smile_right": self.amount})

    @classmethod
    def mark(cls, scene: Scene) -> Sequence[Proposal]:
        SCENES.append(scene)
        return [Proposal(0.2, 0.4, {"amount": Curve.constant(0.8)}), Proposal(1.0, 9.0), Proposal(50.0, 1.0)]


@dataclass(frozen=True)
class Follow(Effect):
    """Follow the mouth of a driver."""

    name = "follow"
    needs = frozenset({"driver"})
    driver: str = option("", help="a video of a face")
    relative: bool = option(True, help="as a change, not as it is")

    def edit(self, scene: Scene) -> Edit:
        return Edit(performance=Performance(Signal(lambda t: t + 0.4), Signal.constant(1), ("mouth",), self.relative))


class Extra:
    """Both as a plugin."""

    @hookimpl
    def lp_effects(self) -> Iterable[type[Effect]]:
        return [Spot, Follow]


REGISTRY = Registry(expression, stitch, mesh, Extra())


def test_an_effect_proposes_where_it_applies_from_what_it_sees_and_hears(cut_file: Path) -> None:
    document, made = verbs.propose(verbs.open_project(cut_file), "spot", clip="closing", registry=REGISTRY)
    scene = SCENES.pop()
    assert scene.seconds == pytest.approx(26 / 25)
    assert len(scene.faces) == 26
    assert all(face is not None and 200 < face.width < 260 for face in scene.faces)
    assert scene.sound is not None
    assert scene.sound.samples.shape == (26 * 1920, 2)
    assert np.abs(scene.sound.samples).max() > 0.01
    start = F(34, 25)
    spans = [s.span for s in made if isinstance(s, Segment)]
    assert [(s.start - start, s.duration) for s in spans] == [(F(1, 5), F(2, 5)), (F(1), F(1, 25))]
    closing = next(c for c in document.project.clips() if c.name == "closing")
    assert closing.segments == tuple(made)
    with pytest.raises(ParamError, match="makes no proposals"):
        verbs.propose(document, "expression", clip="closing", registry=REGISTRY)


def test_a_driver_moves_the_mouth_and_nothing_above_it(cut_file: Path, filmed: Path, tmp_path: Path) -> None:
    document = verbs.open_project(cut_file)
    opened = verbs.mark(
        document, "expression", clip="opening", at="0f", length="30f", params={"mouth_open": "0@0,0.9@20f"}
    ).document
    verbs.render(opened, tmp_path / "driver.mp4")
    marked = verbs.mark(
        document,
        "follow",
        clip="opening",
        at="5f",
        length="10f",
        params={"driver": str(tmp_path / "driver.mp4")},
        registry=REGISTRY,
    ).document
    report = verbs.render(marked, tmp_path / "out.mkv", LOSSLESS, matte=tmp_path / "matte.mkv", registry=REGISTRY)
    assert report.engine == "mesh"
    with (
        VideoSource(filmed) as source,
        VideoSource(tmp_path / "out.mkv") as out,
        VideoSource(tmp_path / "matte.mkv") as matte,
    ):
        changed = [not source.picture(i).equals(out.picture(i)) for i in range(20)]
        rows = np.flatnonzero(matte.picture(10).planes[0].any(axis=1))
    assert changed == [False] * 5 + [True] * 10 + [False] * 5
    assert rows[0] > 290  # the eyes lie at about 300
    assert rows[-1] - rows[0] > 60


def test_a_driver_that_is_missing_or_shows_no_face_is_explained(cut_file: Path, tmp_path: Path) -> None:
    document = verbs.open_project(cut_file)
    params = {"driver": str(tmp_path / "none.mp4")}
    marked = verbs.mark(document, "follow", clip="opening", params=params, registry=REGISTRY).document
    with pytest.raises(MediaError, match=r"none\.mp4 is missing"):
        verbs.render(marked, tmp_path / "out.mkv", LOSSLESS, registry=REGISTRY)
    with pytest.raises(ParamError, match="needs driver=FILE"):
        verbs.mark(document, "follow", clip="opening", registry=REGISTRY)
    two = verbs.mark(document, "spot", clip="opening", params={"face": "2"}, registry=REGISTRY).document
    with pytest.raises(FaceError, match="only 1 face"):
        verbs.render(two, tmp_path / "out.mkv", LOSSLESS, registry=REGISTRY)


def test_documents_are_values(cut_file: Path) -> None:
    document = verbs.open_project(cut_file)
    before = cut_file.read_bytes()
    marked = verbs.mark(document, "expression", clip="opening", params={"smile": 0.5}).document
    assert not any(c.segments for c in document.project.clips())
    assert cut_file.read_bytes() == before
    saved = verbs.save(verbs.mark(verbs.save(marked), "gaze", clip="closing", params={"x": 0.5}).document)
    assert [len(c.segments) for c in verbs.open_project(cut_file).project.clips()][:2] == [1, 1]
    without, gone = verbs.unmark(saved)
    assert gone == ["s1", "s2"]
    assert not any(c.segments for c in without.project.clips())


def test_a_plan_can_be_looked_at_without_rendering(cut_file: Path) -> None:
    marked = verbs.mark(
        verbs.open_project(cut_file), "expression", clip="opening", at="2f", length="20f", params={"smile": 0.5}
    )
    (face,) = verbs.plan(marked.document).shots["V1/1"].faces
    assert face.controls.column("smile_left").max() == pytest.approx(0.5)
