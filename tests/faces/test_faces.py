"""Faces found, followed and remembered, on a public-domain portrait."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction as F
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from lp_editor.face import Face, FaceTrack, Image
from lp_editor.faces import analyse_faces, windows
from lp_editor.faces.canonical import LEFT_EYE, canonical_face, procrustes, to_frame, to_local
from lp_editor.faces.measure import eye_ratio, head_pose, lip_ratio
from lp_editor.faces.model import Landmarker
from lp_editor.faces.search import find_faces
from lp_editor.faces.track import follow, smoothed
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.media.probe import MediaInfo, VideoInfo

PORTRAIT_FACE = 89.0
"""Width of the portrait's face as it comes, in pixels."""


def portrait(width: float = PORTRAIT_FACE) -> Image:
    """The portrait scaled to a face of some width."""
    image = np.asarray(skimage.data.astronaut(), np.uint8)[:300, 60:400]
    scale = width / PORTRAIT_FACE
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=way), np.uint8)


def somebody_else(image: Image) -> Image:
    """The portrait with the skin of another: broad dark and light patches all over it."""
    noise = np.random.default_rng(3).normal(size=(24, 24)).astype(np.float32)
    patches = cv2.resize(noise, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(image * np.exp(0.3 * patches)[..., None], 0, 255), np.uint8)


def framed(*pasted: tuple[Image, int, int], size: tuple[int, int] = (1920, 1080)) -> Image:
    """Pictures pasted into a grey frame at (x, y)."""
    frame = np.full((size[1], size[0], 3), 90, np.uint8)
    for image, x, y in pasted:
        frame[y : y + image.shape[0], x : x + image.shape[1]] = image
    return frame


@dataclass
class Film:
    """A picture source made of arrays that counts what is read."""

    images: Sequence[Image]
    name: str = "film"
    read: list[int] = field(default_factory=list)

    @property
    def info(self) -> MediaInfo:
        height, width = self.images[0].shape[:2]
        format = VideoFormat(width, height, "yuv420p")
        count = len(self.images)
        video = VideoInfo(format, F(25), count, F(count, 25), "raw", False, tuple(range(count)), (0,), F(1, 25))
        return MediaInfo(Path(self.name), self.name, video, (), None)

    def frames(self, indices: Sequence[int]) -> Iterator[Picture]:
        assert self.info.video is not None
        for index in indices:
            self.read.append(index)
            yield Picture.of_rgb(self.images[index], self.info.video.format)


def moving(frames: int, second: bool = False) -> Film:
    """A portrait that drifts over a 640x360 frame; a second, smaller one beside it if wanted."""
    big, small = portrait(100), portrait(64)
    images = []
    for n in range(frames):
        parts = [(big[:330], 20 + n, 10)]
        if second:
            parts.append((small, 380 - n // 2, 60))
        images.append(framed(*parts, size=(640, 360)))
    return Film(images)


@pytest.fixture(scope="module")
def finder() -> Iterator[Landmarker]:
    with Landmarker(faces=8) as landmarker:
        yield landmarker


@pytest.mark.parametrize("width", [60, 90, 120, 160, 300])
@pytest.mark.parametrize("corner", [(60, 40), (700, 300)])
def test_faces_of_every_size_are_found_in_1080p(width: int, corner: tuple[int, int], finder: Landmarker) -> None:
    image = portrait(width)[: 1080 - corner[1], : 1920 - corner[0]]
    found = find_faces(framed((image, *corner)), finder)
    assert len(found) == 1
    assert found[0].width == pytest.approx(width, rel=0.15)


def test_an_empty_frame_has_no_face(finder: Landmarker) -> None:
    assert find_faces(framed(), finder) == []


def test_two_people_are_two_tracks_that_keep_their_numbers(tmp_path: Path) -> None:
    film = moving(30, second=True)
    tracks = analyse_faces(film, 0, 30, tmp_path)
    assert [(t.first, len(t.faces)) for t in tracks] == [(0, 30), (0, 30)]
    big, small = tracks
    assert all(
        b is not None and s is not None and b.width > 1.2 * s.width for b, s in zip(big.faces, small.faces, strict=True)
    )
    steps = np.diff([f.points[1, 0] for f in big.faces if f])
    assert np.abs(steps[3:] - 1).max() < 1.0  # it drifts a pixel a frame


def test_a_cut_inside_media_keeps_the_person_and_starts_a_new_track_for_another(tmp_path: Path) -> None:
    place = ((20, 10), (250, 20))
    a, b = (framed((portrait(100)[:320], *at), size=(640, 360)) for at in place)
    b = np.asarray(255 - b // 2, np.uint8)
    b[20 : 20 + 320, 250 : 250 + 382] = portrait(100)[:320]
    c = b.copy()
    c[20 : 20 + 320, 250 : 250 + 382] = somebody_else(portrait(100)[:320])
    same_person = analyse_faces(Film([a] * 10 + [b] * 10, "same"), 0, 20, tmp_path)
    assert [(t.first, len(t.faces)) for t in same_person] == [(0, 20)]
    another = analyse_faces(Film([a] * 10 + [c] * 10, "another"), 0, 20, tmp_path)
    assert [(t.first, len(t.faces)) for t in another] == [(0, 10), (10, 10)]


def test_a_person_who_was_away_is_known_again(tmp_path: Path) -> None:
    here, empty = framed((portrait(100)[:320], 20, 10), size=(640, 360)), framed(size=(640, 360))
    there = framed((portrait(100)[:320], 240, 20), size=(640, 360))
    tracks = analyse_faces(Film([here] * 10 + [empty] * 12 + [there] * 20), 0, 42, tmp_path)
    assert len(tracks) == 1
    assert tracks[0].at(15) is None
    assert tracks[0].at(40) is not None


def test_what_was_analysed_is_read_back_and_nothing_decoded_again(tmp_path: Path) -> None:
    film = moving(12)
    first = analyse_faces(film, 0, 12, tmp_path)
    film.read.clear()
    again = analyse_faces(film, 4, 9, tmp_path)
    assert film.read == []
    assert same(first, again)


def same(one: Sequence[FaceTrack], other: Sequence[FaceTrack]) -> bool:
    return len(one) == len(other) and all(
        a.first == b.first
        and all(
            (x is None and y is None) or (x is not None and y is not None and np.array_equal(x.points, y.points))
            for x, y in zip(a.faces, b.faces, strict=True)
        )
        for a, b in zip(one, other, strict=True)
    )


def test_kept_faces_are_those_that_were_there_and_none_between() -> None:
    points = np.arange(2 * 478 * 3, dtype=np.float32).reshape(2, 478, 3)
    shapes = np.array([[0.25, 0.5], [0.75, 1]], np.float32)
    kept = windows.KeptFaces(np.array([True, False, True]), points, ["jawOpen", "mouthClose"], shapes)
    first, gap, last = kept[:]
    assert gap is None
    assert kept[1] is None
    assert first is not None
    assert last is not None
    assert np.array_equal(first.points, points[0])
    assert np.array_equal(last.points, points[1])
    assert last.blendshapes == {"jawOpen": 0.75, "mouthClose": 1}
    with pytest.raises(IndexError):
        kept[3]


def test_a_damaged_entry_is_found_again(tmp_path: Path) -> None:
    film = moving(12)
    first = analyse_faces(film, 0, 12, tmp_path)
    (entry,) = tmp_path.rglob("*.npz")
    for content in (b"", b"PK\x03\x04nonsense", entry.read_bytes()[:200]):
        entry.write_bytes(content)
        assert same(analyse_faces(film, 0, 12, tmp_path), first)


def test_landmarks_do_not_depend_on_where_one_starts_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW", 12)
    monkeypatch.setattr(windows, "PRE_ROLL", 6)
    film = moving(36)
    whole = analyse_faces(film, 0, 36, tmp_path / "a")
    film.read.clear()
    part = analyse_faces(film, 30, 33, tmp_path / "b")
    assert min(film.read) == 24 - 6  # the tracker is given its pre-roll
    assert [(t.first, len(t.faces)) for t in whole] == [(0, 36)]
    for frame in range(24, 36):
        one, other = whole[0].at(frame), part[0].at(frame)
        assert one is not None
        assert other is not None
        assert np.array_equal(one.points, other.points)


def test_landmarks_do_not_jump_where_the_trackers_crop_follows_the_face() -> None:
    image = portrait(150)
    pictures = [
        Picture.of_rgb(framed((image, 40 + 9 * i, 60), size=(900, 600)), VideoFormat(900, 600, "yuv444p"))
        for i in range(30)
    ]
    (tracklet,) = follow(iter(pictures), 0)
    points = np.stack([f.points[:468, :2] for f in tracklet.faces if f is not None])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=2).mean(1)[6:]
    assert len(steps) == 23
    assert steps.max() < 9 + 0.03 * 150  # it moves by 9 pixels; a jump was a seventh of a face's width


def test_landmarks_do_not_lag_behind_a_face_that_swings() -> None:
    image = portrait(150)
    at = [round(200 + 120 * np.sin(i / 2.5)) for i in range(24)]  # up to a third of its width from frame to frame
    pictures = [
        Picture.of_rgb(framed((image, x, 60), size=(1000, 600)), VideoFormat(1000, 600, "yuv444p")) for x in at
    ]
    (tracklet,) = follow(iter(pictures), 0)
    middles = np.array([f.points[:468, 0].mean() for f in smoothed(tracklet.faces) if f is not None])
    off = middles - at
    assert np.abs(off - np.median(off))[6:].max() < 0.03 * 150


def test_smoothing_calms_still_landmarks_and_does_not_bend_steady_motion() -> None:
    random = np.random.default_rng(0)
    base = np.linspace(0, 300, 478 * 3).reshape(478, 3)
    moved = [Face((base + np.array([2.0 * n, 0, 0])).astype(np.float32), {}) for n in range(30)]
    for before, after in zip(moved, smoothed(moved), strict=True):
        assert after is not None
        assert np.abs(after.points - before.points).max() < 1e-2
    noisy = [replace(f, points=(base + random.normal(0, 1, base.shape)).astype(np.float32)) for f in moved]
    gap: list[Face | None] = [*noisy[:15], None, *noisy[16:]]
    calm = smoothed(gap)
    assert calm[15] is None
    rest = np.mean([np.std(f.points - base) for f in calm if f])
    assert rest < 0.75


def test_the_canonical_mesh_is_whole_and_symmetric() -> None:
    face = canonical_face()
    assert (face.vertices.shape, face.triangles.shape, int((face.weights > 0).sum())) == ((468, 3), (898, 3), 33)
    assert np.array_equal(face.mirror[face.mirror], np.arange(478))
    assert face.vertices[list(LEFT_EYE), 0].min() > 0  # the person's left is +x
    flipped = face.vertices[face.mirror[:468]] * [-1, 1, 1]
    assert np.abs(flipped - face.vertices).max() < 0.05


def test_a_pose_is_found_back_from_landmarks() -> None:
    from lp_editor.mesh.shape import rotation

    face = canonical_face()
    for pitch, yaw, roll in ((0, 0, 0), (10, 0, 0), (0, 20, 0), (0, 0, 15), (5, -12, 8)):
        turn = rotation(pitch, yaw, roll)
        points = 7.0 * face.vertices @ turn.T + [400, 300, 20]
        pose = procrustes(points)
        assert pose.scale == pytest.approx(7.0)
        assert np.abs(to_frame(to_local(points, pose), pose) - points).max() < 1e-6
        assert head_pose(points) == pytest.approx((pitch, yaw, roll), abs=1.5)


def test_a_head_that_turns_to_its_left_turns_to_the_pictures_right(finder: Landmarker) -> None:
    nose, left, right = 1, 454, 234
    (found,) = finder(np.asarray(skimage.data.astronaut(), np.uint8))
    assert found.points[left, 0] > found.points[right, 0]
    turned = found.points.copy()
    turned[nose, 0] += 20
    assert eye_ratio(found.points[None], "left")[0] == pytest.approx(0.27, abs=0.1)
    assert 0.03 < lip_ratio(found.points[None])[0] < 0.2
