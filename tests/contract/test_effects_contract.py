"""Every effect on every engine over every kind of footage: each cell says which way a face has to go.

On mesh it is measured by MediaPipe in the rendered pictures. On liveportrait, whose networks are random here, it is read off
the keypoints that are handed to the warping module. Effects without a control have a measure of their own. An effect of ours
without a row fails the suite.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut

from lp_editor import CONTROLS, Box, Effect, Engine, JointEffect, Registry, hookimpl, verbs
from lp_editor.controls import TARGET_COLUMN, Controls
from lp_editor.errors import FaceError
from lp_editor.face import Face
from lp_editor.faces.measure import lip_ratio
from lp_editor.faces.model import Landmarker
from lp_editor.media.codecs import Codec
from lp_editor.media.picture import Picture
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.source import VideoSource
from lp_editor.render.program import Settings
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

RATE = Fraction(25)
Array: TypeAlias = NDArray[np.float64]
Moves: TypeAlias = Mapping[tuple[int, int], int]
"""Keypoints of LivePortrait and axes (0 x, 1 y), and the sign of their way."""

KINDS = ("still", "video", "no face", "two faces")
ENGINES = ("mesh", pytest.param("liveportrait", marks=pytest.mark.slow))

UP, DOWN, RIGHT = -1, 1, 1
"""In the picture, whose y runs down."""

STAYS = 0.12
"""A blendshape that nobody asked for moves by no more."""


# --- rows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What an effect is asked for over some frames, and how to see that it came; ``{driver}`` stands for a recording's file.

    ``seen`` judges the rendered pictures of mesh, ``handed`` the keypoints that liveportrait warps to.
    """

    params: Mapping[str, str]
    frames: int
    seen: Callable[[Cell], None]
    handed: Callable[[Cell], None]


@dataclass(frozen=True, repr=False)
class Cell:
    """One render: pictures and faces (None where lost) before and after, of the marked frames; what was asked of the face."""

    filmed: Sequence[Picture]
    made: Sequence[Picture]
    before: Sequence[Face | None]
    after: Sequence[Face | None]
    asked: Controls
    moved: Array
    """Of liveportrait: how far each keypoint is moved on each edited frame, (N, 21, 2)."""

    def change(self, shape: str) -> float:
        """How much a blendshape rises, on average."""
        pairs = [(b, a) for b, a in zip(self.before, self.after, strict=True) if a and b]
        assert pairs
        return float(np.mean([a.blendshapes[shape] - b.blendshapes[shape] for b, a in pairs]))


def rising(shapes: Mapping[str, float], still: Sequence[str]) -> Callable[[Cell], None]:
    """Blendshapes that rise by at least so much, and others that stay."""

    def check(cell: Cell) -> None:
        for shape, least in shapes.items():
            assert cell.change(shape) >= least, shape
        for shape in still:
            assert abs(cell.change(shape)) <= STAYS, shape

    return check


def pushed(moves: Moves, still: Sequence[int]) -> Callable[[Cell], None]:
    """Keypoints that go their way, and others that go less far."""

    def check(cell: Cell) -> None:
        assert len(cell.moved)
        for (point, axis), sign in moves.items():
            assert (sign * cell.moved[:, point, axis] > 0).all(), (point, axis)
        strongest = max(np.abs(cell.moved[:, point, axis]).max() for point, axis in moves)
        assert np.abs(cell.moved[:, list(still)]).max() < 0.5 * strongest

    return check


def speaks(cell: Cell) -> None:
    """The lips follow the asked opening, closures are closed, the brows stay."""
    asked = cell.asked.column("mouth_open")
    there = [i for i, face in enumerate(cell.after) if face]
    lips = np.array([lip_ratio(face.points[None].astype(np.float64))[0] for face in cell.after if face])
    asked = asked[there]
    assert np.corrcoef(asked, lips)[0, 1] > 0.8
    assert lips[asked.argmax()] > lips[asked.argmin()] + 0.05
    assert lips[asked <= 0.01].max(initial=0) < 0.02
    rising({}, ("browInnerUp", "eyeBlinkLeft", "eyeLookOutLeft"))(cell)


def drops_the_lip(cell: Cell) -> None:
    """Where no closed lips are asked for, the lower lip's keypoint follows the opening; the eyes stay."""
    assert len(cell.moved) == len(cell.asked)
    free = cell.asked.weights[:, TARGET_COLUMN["lip_opening"]] == 0  # the network that closes lips is random here
    asked, lip = cell.asked.column("mouth_open")[free], cell.moved[free, 19, 1]
    assert len(asked) >= 3
    assert np.corrcoef(asked, lip)[0, 1] > 0.8
    assert np.ptp(lip) > 2 * np.abs(cell.moved[free][:, [11, 13, 15, 16]]).max()


def sharper(cell: Cell) -> None:
    """The face has more fine detail, and is held as it was."""
    for before, after, face in zip(cell.filmed, cell.made, cell.before, strict=True):
        assert face is not None
        assert detail(after, face.box) > 1.2 * detail(before, face.box)
    rising({}, ("jawOpen", "browInnerUp", "eyeBlinkLeft", "eyeLookOutLeft", "mouthSmileLeft"))(cell)
    assert not len(cell.moved)


def detail(picture: Picture, box: Box) -> float:
    """How strongly neighbouring pixels of a part of a picture differ."""
    part = picture.rgb(box.clipped(picture.format.width, picture.format.height))
    return float(cv2.Laplacian(part.astype(np.float64), cv2.CV_64F).std())


ROWS: Mapping[str, Row] = {
    "expression": Row(
        {"brow": "0.8", "mouth_open": "0.5"}, 5,
        rising({"browInnerUp": 0.15, "jawOpen": 0.08}, ("eyeLookOutLeft", "eyeLookInLeft", "eyeBlinkLeft", "mouthPucker")),
        pushed({(1, 1): DOWN, (2, 1): UP, (19, 1): DOWN}, (11, 15, 4, 8, 9)),
    ),
    "gaze": Row(
        {"x": "0.7"}, 5,
        rising({"eyeLookOutLeft": 0.2, "eyeLookInRight": 0.2}, ("jawOpen", "browInnerUp", "mouthSmileLeft")),
        pushed({(11, 0): RIGHT, (15, 0): RIGHT}, (1, 2, 14, 17, 19, 20)),
    ),
    "lip_sync": Row({"hears": "text", "text": "Mama.", "pace": "1.3"}, 11, speaks, drops_the_lip),
    "performance": Row(
        {"driver": "{driver}", "rest": "first", "motion": "relative"}, 5,
        rising({"browInnerUp": 0.1, "jawOpen": 0.05}, ("eyeLookOutLeft", "eyeLookInLeft", "eyeBlinkLeft", "mouthPucker")),
        pushed({(1, 1): DOWN, (2, 1): UP, (19, 1): DOWN}, (11, 15, 4, 8, 9)),
    ),
    "enhance": Row({"sharpen": "1"}, 5, sharper, sharper),
}  # fmt: skip
"""Effects on a stretch."""


def joins(cell: Cell) -> None:
    """Over the joint the face never jumps nearly as far as over the cut."""
    centres = [face.points[:468, :2].mean(0) for face in cell.after if face]
    hard = [face.points[:468, :2].mean(0) for face in cell.before if face]
    assert len(centres) == len(cell.after)
    assert steps(centres).max() < 0.6 * steps(hard).max()


def steps(points: Sequence[NDArray[Any]]) -> Array:
    return np.asarray(np.linalg.norm(np.diff(np.stack(points), axis=0), axis=1), np.float64)


def nears(cell: Cell) -> None:
    """The side before the cut is moved further with every frame, the other less."""
    size = np.abs(cell.moved).max(axis=(1, 2))
    first, second = size[::2], size[1::2]
    assert (np.diff(first) > 0).all()
    assert (np.diff(second) < 0).all()


JOINTS: Mapping[str, Row] = {"stitch": Row({}, 6, joins, nears), "bridge": Row({}, 6, joins, nears)}
"""Effects where two clips meet."""


def ours() -> dict[str, type[Effect]]:
    """The effects that ship."""
    return {n: e for n, e in Registry.installed().effects.items() if e.__module__.startswith("lp_editor.plugins")}


def test_every_effect_has_a_row() -> None:
    assert set(ours()) <= set(ROWS) | set(JOINTS)
    assert {name for name, effect in ours().items() if issubclass(effect, JointEffect)} <= set(JOINTS)
    assert {name for name, effect in ours().items() if not issubclass(effect, JointEffect)} <= set(ROWS)


# --- engines ----------------------------------------------------------------------------------------------------------


@dataclass
class Recorder:
    """A plugin with liveportrait on small random networks, which notes where keypoints are moved."""

    moved: list[Array] = field(default_factory=list)

    @hookimpl
    def lp_engine(self, name: str) -> Engine[Any, Any] | None:
        if name != "liveportrait":
            return None
        tiny = importlib.import_module("tiny_liveportrait")
        nets = tiny.networks()

        def pictures(volume: Any, at_rest: Any, driving: Any) -> Any:
            change = driving - nets.stitch(at_rest, at_rest)
            self.moved += [np.asarray(one, np.float64) for one in change[..., :2].cpu().numpy()]
            return nets.pictures(volume, at_rest, driving)

        engine: Engine[Any, Any] = replace(tiny.engine("paste"), pictures=pictures, weights=f"recorded {id(self)}")
        return engine


def registry_with(recorder: Recorder) -> Registry:
    """All that is installed, and the recorder."""
    return Registry(*(entry.load() for entry in entry_points(group="lp_editor")), recorder)


# --- footage ----------------------------------------------------------------------------------------------------------


def portrait() -> NDArray[np.uint8]:
    """The public-domain portrait, twice as large, (640, 640, RGB)."""
    return np.asarray(
        cv2.resize(np.asarray(astronaut(), np.uint8)[:320, 64:384], (640, 640), interpolation=cv2.INTER_CUBIC)
    )


def shifted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As if it were taken again: nearer, a little lower, tilted."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 3, 1.04)
    turn[:, 2] += (14, 10)
    return np.asarray(cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


@dataclass(frozen=True)
class Footage:
    """Two takes of something, as files with the first frame of each that is used, and which face is meant."""

    files: tuple[Path, Path]
    first: tuple[int, int] = (0, 0)
    face: str = "largest"
    still: bool = True


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory, filmed: Path) -> Mapping[str, Footage]:
    folder = tmp_path_factory.mktemp("footage")
    two = np.concatenate([portrait(), portrait()[:, ::-1]], axis=1)
    for name, picture in (("one", portrait()), ("two", two)):
        Image.fromarray(picture).save(folder / f"{name} a.png")
        Image.fromarray(shifted(picture)).save(folder / f"{name} b.png")
    with VideoSource(filmed) as source:
        shown = [source.picture(n) for n in range(8)]
    wall = Picture.of_rgb(np.full((720, 1280, 3), 90, np.uint8), shown[0].format)
    encode_chunk(folder / "chunk", iter([*shown, *[wall] * 24]), wall.format, RATE, Codec.FFV1)
    join_chunks(folder / "leaves.mkv", [folder / "chunk"], [32], RATE, Codec.FFV1, None)
    return {
        "still": Footage((folder / "one a.png", folder / "one b.png")),
        "video": Footage((filmed, filmed), (8, 34), still=False),
        "no face": Footage((folder / "leaves.mkv", folder / "leaves.mkv"), (5, 16), still=False),
        "two faces": Footage((folder / "two a.png", folder / "two b.png"), face="2"),
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces are searched once for all cells."""
    return tmp_path_factory.mktemp("cache")


def clip(name: str, file: Path, first: int, at: int, count: int, still: bool) -> Clip:
    available = None if still else Span(Fraction(0), Fraction(32) / RATE)
    media = Media("file", name, str(file), file, available=available)
    length = Fraction(count) / RATE
    return Clip("", name, media, Span(first / RATE, length), Span(at / RATE, length), RATE)


def cut_of(footage: Footage, frames: int, folder: Path) -> Document:
    """Both takes, one after the other, of so many frames each."""
    clips = [
        clip(name, footage.files[i], footage.first[i], i * frames, frames, footage.still)
        for i, name in enumerate(("a", "b"))
    ]
    return new_document(folder / "cut.otio", Project("cut", RATE, Fraction(0), (Track("V1", "video", tuple(clips)),)))


# --- cells ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rendered:
    """What came of a cut."""

    pictures: list[Picture]
    plain: list[Picture]
    notes: str
    asked: Controls
    moved: Array


def rendered(document: Document, plain: Document, folder: Path, cache: Path, engine: str) -> Rendered:
    """A cut rendered with its marks and without any."""
    recorder = Recorder()
    registry = registry_with(recorder)
    settings = Settings(Codec.FFV1, engine, cache=cache)
    report = verbs.render(document, folder / "made.mkv", settings, registry=registry)
    verbs.render(plain, folder / "plain.mkv", settings, registry=registry)
    shots = verbs.plan(document, settings, registry=registry).shots.values()
    asked = next((face.controls[:] for shot in shots for face in shot.faces), Controls.zeros(0))
    moved = np.stack(recorder.moved) if recorder.moved else np.zeros((0, 21, 2))
    return Rendered(shown(folder / "made.mkv"), shown(folder / "plain.mkv"), "\n".join(report.notes), asked, moved)


def shown(film: Path) -> list[Picture]:
    with VideoSource(film) as source:
        return list(source.frames(range(source.video.count)))


def recording(path: Path) -> Path:
    """A Live Link Face recording: at rest, then brows up and jaw open."""
    names = sorted({shape for control in CONTROLS for shape in (*control.positive, *control.negative)})
    up = {"jawOpen": 0.6, "browInnerUp": 0.6, "browOuterUpLeft": 0.6, "browOuterUpRight": 0.6}
    columns = ["Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in names), *HEAD]
    rows = [columns]
    for n in range(40):
        values = [up.get(name, 0.0) if n else 0.0 for name in names] + [0.0] * len(HEAD)
        rows.append([f"00:00:00:{n}.000", "61", *map(str, values)])
    path.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    return path


HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")


def marked(effect: str, row: Row, footage: Footage, folder: Path) -> tuple[Document, Document]:
    """A cut with the effect on its first take, or between the two; and the same cut without."""
    joint = effect in JOINTS
    plain = cut_of(footage, row.frames, folder)
    asked = {
        n: v.format(driver=recording(folder / "driver.csv") if "{driver}" in v else "") for n, v in row.params.items()
    }
    params = asked if joint else {**asked, "face": footage.face, "ease": "0"}
    length = f"{row.frames}f"
    return verbs.mark(plain, effect, clip="a", length=length, params=params).document, plain


def seen_faces(pictures: Iterable[Picture], footage: Footage, landmarker: Landmarker) -> list[Face | None]:
    """The face that is meant, looked for afresh in every picture."""
    out: list[Face | None] = []
    for picture in pictures:
        pixels = picture.rgb_all()
        half = pixels[:, pixels.shape[1] // 2 :] if footage.face == "2" else pixels
        corner = (pixels.shape[1] - half.shape[1], 0)
        out.append(next(iter(landmarker(np.ascontiguousarray(half), corner)), None))
    return out


def cells() -> list[Any]:
    """Every effect over every kind of footage; joints, which render the most, over all but a still among the slow ones."""
    slow = [pytest.mark.slow]
    pairs = [(effect, kind) for effect in (*ROWS, *JOINTS) if effect in ours() for kind in KINDS]
    return [pytest.param(*p, marks=slow if p[0] in JOINTS and p[1] != KINDS[0] else ()) for p in pairs]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("effect", "kind"), cells())
def test_an_effect_goes_its_way(
    effect: str, kind: str, engine: str, footage: Mapping[str, Footage], cache: Path, tmp_path: Path,
    landmarker: Landmarker,
) -> None:  # fmt: skip
    row = {**ROWS, **JOINTS}[effect]
    takes = footage[kind]
    made = rendered(*marked(effect, row, takes, tmp_path), tmp_path, cache, engine)
    if kind == "no face":
        check_lost(made, effect, row)
        return
    where = range(row.frames // 2, row.frames * 3 // 2) if effect in JOINTS else range(row.frames)
    cell = Cell(
        [made.plain[i] for i in where],
        [made.pictures[i] for i in where],
        seen_faces([made.plain[i] for i in where], takes, landmarker),
        seen_faces([made.pictures[i] for i in where], takes, landmarker),
        made.asked,
        made.moved,
    )
    for i in set(range(2 * row.frames)) - set(where):
        assert made.pictures[i].equals(made.plain[i])
    (row.seen if engine == "mesh" else row.handed)(cell)
    if kind == "two faces" and effect not in JOINTS:
        check_other_face(cell)


def check_lost(made: Rendered, effect: str, row: Row) -> None:
    """Where no face is, frames pass through, and the report says how many."""
    if effect in JOINTS:
        assert "shows no face" in made.notes
        return
    gone = row.frames - 3  # the face is there for the first three
    assert f"no usable face on {gone} of {row.frames} frames" in made.notes
    changed = [not a.equals(b) for a, b in zip(made.pictures, made.plain, strict=True)]
    assert not any(changed[3:])
    assert any(changed[:3])


def check_other_face(cell: Cell) -> None:
    """The half of the picture with the other face is what it was, to the bit."""
    for before, after in zip(cell.filmed, cell.made, strict=True):
        half = Box(0, 0, before.format.width // 2, before.format.height)
        assert np.array_equal(before.rgb(half), after.rgb(half))
        assert not after.equals(before)


@pytest.mark.parametrize("effect", [name for name in ROWS if name in ours()])
def test_a_mark_on_nobody_is_refused_with_a_remedy_and_leaves_nothing(
    effect: str, footage: Mapping[str, Footage], cache: Path, tmp_path: Path
) -> None:
    nobody = replace(footage["no face"], first=(10, 20))
    document, _ = marked(effect, ROWS[effect], nobody, tmp_path)
    with pytest.raises(FaceError, match=r"no face found in clip \"a\".*move the segment to where a face shows"):
        verbs.render(document, tmp_path / "made.mkv", Settings(Codec.FFV1, "mesh", cache=cache))
    assert not (tmp_path / "made.mkv").exists()
