"""What every test may use."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lp_editor.demo import film_portrait
from lp_editor.render.report import silent
from lp_editor.timeline.document import Document, new_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

pytest_plugins = ["portrait"]

# a machine with other work is slow: how long an example takes says nothing
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).parent.parent
RATE = Fraction(25)
FRAMES = 60


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' folder of samples beside the checkout; tests that need it skip elsewhere."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the developers' sample folder is not here")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep each test run's caches and models away from the user's."""
    monkeypatch.setenv("LP_EDITOR_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("LP_EDITOR_PRESETS", str(tmp_path_factory.getbasetemp() / "no presets"))
    monkeypatch.setenv("LP_EDITOR_MODELS", str(tmp_path_factory.getbasetemp() / "no models"))


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A moving 720p portrait with sound, 60 frames at 25 a second, H.264 and AAC."""
    path = tmp_path_factory.mktemp("media") / "portrait.mp4"
    film_portrait(path, silent, FRAMES)
    return path


def seconds(frames: float) -> Fraction:
    """Frames at 25 a second in seconds."""
    return Fraction(frames) / RATE


def two_clips(media: Path, folder: Path) -> Document:
    """A saved project of two clips of one medium with a jump cut: frames 0-29, then 34-59; picture and sound."""
    reference = Media("file", media.name, str(media), available=Span(Fraction(0), seconds(FRAMES)))

    def row(kind: str) -> Track:
        clips = [
            Clip("", name, reference, Span(seconds(first), seconds(count)), Span(seconds(at), seconds(count)), RATE)
            for name, at, count, first in (("opening", 0, 30, 0), ("closing", 30, 26, 34))
        ]
        return Track(kind[0].upper() + "1", "audio" if kind == "audio" else "video", tuple(clips))

    project = Project("cut", RATE, Fraction(3600), (row("video"), row("audio")))
    return new_document(folder / "cut.otio", project).save()


@pytest.fixture
def cut_file(filmed: Path, tmp_path: Path) -> Path:
    """`two_clips` as a file in a folder of its own."""
    return two_clips(filmed, tmp_path).path
