"""Fixtures: the portrait that tests of engines edit, found and studied."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import skimage.data

from lp_editor.face import FacePicture, FaceTrack
from lp_editor.faces.model import Landmarker
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.mesh.engine import MeshEngine, MeshLook
from lp_editor.mesh.shape import MeshMotion
from lp_editor.render.footage import face_picture


@pytest.fixture(scope="session")
def landmarker() -> Iterator[Landmarker]:
    with Landmarker() as made:
        yield made


@pytest.fixture(scope="session")
def frame() -> Picture:
    """The portrait, twice as large."""
    image = cv2.resize(np.asarray(skimage.data.astronaut(), np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return Picture.of_rgb(np.asarray(image[:640, :960], np.uint8), VideoFormat(960, 640, "yuv420p"))


@pytest.fixture(scope="session")
def face(frame: Picture, landmarker: Landmarker) -> FacePicture:
    return face_picture(frame, landmarker(frame.rgb_all())[0])


@pytest.fixture(scope="session")
def look(face: FacePicture) -> MeshLook:
    return MeshEngine().study(FaceTrack(1, 0, [face.face]), lambda at: [])


@pytest.fixture(scope="session")
def held(face: FacePicture, look: MeshLook) -> MeshMotion:
    return MeshEngine().analyze(look, [face])[0]
