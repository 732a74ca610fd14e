"""Which frame is shown when: rates mixed in one cut, retimes, freezes, reverse, uneven frames, ten minutes without drift."""

from bisect import bisect_right
from dataclasses import replace
from fractions import Fraction as F
from math import floor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import number_of, numbered

from lp_editor import verbs
from lp_editor.media.codecs import Codec
from lp_editor.media.layout import Colour, VideoFormat
from lp_editor.media.picture import to_frame
from lp_editor.media.probe import probe
from lp_editor.media.sink import Slate, SoundTrack, encode_chunk, join_chunks
from lp_editor.media.sound import SoundSource
from lp_editor.media.source import VideoSource
from lp_editor.render.executor import LocalExecutor
from lp_editor.render.program import Settings
from lp_editor.timeline.document import new_document, open_document
from lp_editor.timeline.model import Clip, Media, Project, Span, Track

SIZE = VideoFormat(96, 48, "gray", Colour(full_range=True))
NTSC24, NTSC30, NTSC60 = F(24000, 1001), F(30000, 1001), F(60000, 1001)


def film(path: Path, rate: F, count: int, sound: SoundTrack | None = None, timecode: str = "") -> Path:
    encode_chunk(path.with_suffix(".c"), (numbered(n, SIZE) for n in range(count)), SIZE, rate, Codec.FFV1)
    join_chunks(path, [path.with_suffix(".c")], [count], rate, Codec.FFV1, sound, Slate(timecode))
    return path


def uneven(path: Path, times: list[int], sound: np.ndarray[Any, Any] | None = None) -> Path:
    """A film whose frames come at some milliseconds."""
    with av.open(str(path), "w") as file:
        video: Any = file.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = SIZE.width, SIZE.height, "gray"
        video.codec_context.time_base = F(1, 1000)
        audio: Any = file.add_stream("pcm_s16le", rate=48000, layout="mono") if sound is not None else None
        heard = 0
        for n, ms in enumerate(times):
            frame = to_frame(numbered(n, SIZE))
            frame.pts, frame.time_base = ms, F(1, 1000)
            file.mux(video.encode(frame))
            upto = (times[n + 1] if n + 1 < len(times) else ms + 40) * 48
            if audio is not None and sound is not None:
                block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, heard:upto]), "s16", "mono")
                block.pts, block.time_base, block.sample_rate = heard, F(1, 48000), 48000
                file.mux(audio.encode(block))
                heard = upto
        file.mux(video.encode(None))
    return path


def clip(media: Path, rate: F, start: F, at: F, length: F, speed: F = F(1)) -> Clip:
    reference = Media("file", media.name, str(media), media)
    source = Span(start, length * abs(speed) if speed else 1 / rate)
    return Clip("", media.stem, reference, source, Span(at, length), rate, speed)


def shown(folder: Path, rate: F, clips: list[Clip]) -> list[int]:
    """The numbers that a cut of some clips shows."""
    tracks = (Track("V1", "video", tuple(replace(c, place=f"V1/{i}") for i, c in enumerate(clips, 1))),)
    document = new_document(folder / "cut.otio", Project("c", rate, F(3600), (Track("V1", "video", ()),)))
    project = replace(document.project, tracks=tracks)
    settings = Settings(Codec.FFV1, cache=folder / "cache", force=True)
    verbs.render(replace(document, project=project), folder / "out.mkv", settings)
    with VideoSource(folder / "out.mkv") as source:
        return [number_of(p) for p in source.frames(range(source.video.count))]


def test_rates_mixed_in_one_cut_show_the_last_frame_that_has_begun(tmp_path: Path) -> None:
    for out in (F(25), NTSC24, NTSC60):
        rates = [NTSC24, F(24), F(25), NTSC30, F(30), F(50), NTSC60, F(60)]
        clips, wanted, first = [], [], 0
        for i, rate in enumerate(rates):
            path = tmp_path / f"{i}.mkv"
            media = path if path.exists() else film(path, rate, 60)
            start, count = 7 / rate, 9
            clips.append(clip(media, rate, start, first / out, count / out))
            wanted += [floor((start + n / out) * rate) for n in range(count)]
            first += count
        assert shown(tmp_path, out, clips) == wanted


@pytest.mark.parametrize(
    ("speed", "wanted"),
    [
        (F(2), [10, 12, 14, 16, 18, 20]), (F(1, 2), [10, 10, 11, 11, 12, 12]), (F(0), [10] * 6),
        (F(-1), [15, 14, 13, 12, 11, 10]), (F(-2), [21, 19, 17, 15, 13, 11]), (F(3, 2), [10, 11, 13, 14, 16, 17]),
    ],
)  # fmt: skip
def test_retimes_freezes_and_reverse_show_their_frames(speed: F, wanted: list[int], tmp_path: Path) -> None:
    media = film(tmp_path / "f.mkv", F(25), 40)
    assert shown(tmp_path, F(25), [clip(media, F(25), F(10, 25), F(0), F(6, 25), speed)]) == wanted


def test_uneven_frames_go_by_their_times(tmp_path: Path) -> None:
    times = [0, 40, 95, 100, 260, 300, 333, 500, 510, 520, 700]
    media = uneven(tmp_path / "v.mkv", times)
    wanted = [bisect_right(times, n * 40) - 1 for n in range(18)]
    assert shown(tmp_path, F(25), [clip(media, F(25), F(0), F(0), F(18, 25))]) == wanted


@pytest.mark.parametrize(
    ("rate", "timecode"),
    [(F(25), "23:59:59:20"), (NTSC30, "23:59:59;25"), (NTSC24, "01:00:00:00"), (NTSC60, "09:59:59:59")],
)
def test_a_clip_in_the_medias_timecode_shows_its_frame(rate: F, timecode: str, tmp_path: Path) -> None:
    media = film(tmp_path / "t.mkv", rate, 30, timecode=timecode)
    info = probe(media)
    assert info.timecode is not None
    assert info.drop_frame == (";" in timecode)
    assert shown(tmp_path, rate, [clip(media, rate, info.timecode + 12 / rate, F(0), 4 / rate)]) == [12, 13, 14, 15]


def test_frames_beyond_the_media_hold_its_last_one(tmp_path: Path) -> None:
    media = film(tmp_path / "f.mkv", F(25), 10)
    assert shown(tmp_path, F(25), [clip(media, F(25), F(7, 25), F(0), F(6, 25))]) == [7, 8, 9, 9, 9, 9]


def written_start(folder: Path, frames: float, rate: float, metadata: dict[str, Any]) -> bool:
    """Whether a timeline that starts at some frame is read as drop frame."""
    document = new_document(folder / "d.otio", Project("c", NTSC30, F(0), (Track("V1", "video", ()),)))
    document.tree["global_start_time"] = {"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": frames}
    document.tree["metadata"] = metadata
    document.save()
    return open_document(folder / "d.otio").project.drop_frame


def test_drop_frame_is_told_by_metadata_then_by_the_start(tmp_path: Path) -> None:
    assert written_start(tmp_path, 107892, 29.97, {})  # 01:00:00;00
    assert not written_start(tmp_path, 108000, 29.97, {})  # 01:00:00:00
    assert written_start(tmp_path, 215784, 59.94005994, {})
    assert written_start(tmp_path, 0, 29.97, {})
    assert not written_start(tmp_path, 107892, 29.97, {"app": {"sequence": {"dropFrame": False}}})
    assert written_start(tmp_path, 108000, 29.97, {"fcp_xml": {"timecode": {"displayformat": "DF"}}})
    assert not written_start(tmp_path, 86400, 24, {"dropFrame": True})  # no such thing


MINUTES = 10
SECONDS = MINUTES * 60


def ticking(total: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Quiet noise: every stretch of it is told from every other."""
    return np.random.default_rng(8).integers(-9000, 9000, total).astype(np.int16)


def check_end(
    folder: Path, media: Path, rate: F, wanted: list[int], sound: np.ndarray[Any, np.dtype[np.int16]]
) -> None:
    """Render all of a film, picture and sound; every frame and every sample is where it belongs, to the end."""
    whole = clip(media, rate, F(0), F(0), len(wanted) / rate)
    rows = [
        Track("V1", "video", (replace(whole, place="V1/1"),)),
        Track("A1", "audio", (replace(whole, place="A1/1"),)),
    ]
    document = new_document(folder / "cut.otio", Project("c", rate, F(0), (Track("V1", "video", ()),)))
    project = replace(document.project, tracks=tuple(rows), drop_frame=rate == NTSC30)
    settings = Settings(Codec.FFV1, cache=folder / "cache", executor=LocalExecutor(2))
    report = verbs.render(replace(document, project=project), folder / "out.mkv", settings)
    assert report.frames == len(wanted)
    with VideoSource(folder / "out.mkv") as made:
        assert (made.video.count, made.video.rate) == (len(wanted), rate)
        assert [number_of(p) for p in made.frames(range(len(wanted)))] == wanted
    with SoundSource(folder / "out.mkv") as heard:
        total = round(len(wanted) / rate * 48000)
        for start in (0, total // 2, total - 480_000):
            assert np.array_equal(heard.read(start, 480_000)[:, 0] * 32768, sound[start : start + 480_000])


@pytest.mark.slow
def test_ten_minutes_of_drop_frame_end_on_their_frame_and_sample(tmp_path: Path) -> None:
    count = 17982  # ten minutes of timecode
    total = round(count / NTSC30 * 48000)
    sound = ticking(total)
    blocks = (sound[i : i + 96000, None] / 32768 for i in range(0, total, 96000))
    media = film(tmp_path / "f.mkv", NTSC30, count, SoundTrack(48000, 1, "s16", blocks), "00:00:00;00")
    check_end(tmp_path, media, NTSC30, list(range(count)), sound)


@pytest.mark.slow
def test_ten_minutes_of_uneven_frames_end_on_their_frame_and_sample(tmp_path: Path) -> None:
    steps = np.random.default_rng(4).integers(18, 63, 25 * SECONDS)
    times = [0, *np.cumsum(steps).tolist()]
    times = [t for t in times if t < SECONDS * 1000]
    sound = ticking((times[-1] + 40) * 48)
    media = uneven(tmp_path / "v.mkv", times, sound)
    count = SECONDS * 25 - 25
    check_end(tmp_path, media, F(25), [bisect_right(times, n * 40) - 1 for n in range(count)], sound)
