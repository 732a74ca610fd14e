"""What other programs show of a cut that was written and read again: MLT's melt and GStreamer Editing Services.

The writers here are for tests only: just enough of each program's own format to play the model.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from shutil import which
from typing import Any
from xml.sax.saxutils import quoteattr

import av
import pytest
from films import number_of, numbered
from test_writing import RATE, RATES, shown, six

from lp_editor.media.layout import Colour, VideoFormat
from lp_editor.media.picture import to_frame
from lp_editor.media.source import VideoSource
from lp_editor.timeline.document import Document
from lp_editor.timeline.model import Clip, Item, Project, Span, Track, Transition

SIZE = VideoFormat(256, 144, "yuvj420p", Colour(1, 1, 1, True))
LONG = 260
"""Frames of every film."""

PROBES = (3, 31, 59, 60, 100, 120, 150, 190, 240, 300)
"""Record frames, in every clip and on both sides of a cut, away from the dissolve at 167 to 178 and the gap at 108 to 117."""


def film(path: Path, rate: F) -> None:
    """Numbered pictures as Motion JPEG, which every player decodes."""
    path.parent.mkdir(exist_ok=True)
    plain = replace(SIZE, pix_fmt="yuv420p")
    with av.open(str(path), "w", format="mov") as file:
        stream: Any = file.add_stream("mjpeg", rate=rate, options={"q:v": "2"})
        stream.width, stream.height, stream.pix_fmt = SIZE.width, SIZE.height, "yuvj420p"
        for n in range(LONG):
            frame = to_frame(numbered(n, plain)).reformat(format="yuvj420p")
            frame.pts, frame.time_base = n, 1 / rate
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@pytest.fixture(scope="module")
def filmed_cut(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """The cut of six clips, its media made."""
    document = six(tmp_path_factory.mktemp("players"))
    for clip in document.project.clips():
        if clip.media.path and not clip.media.path.exists():
            film(clip.media.path, clip.media.rate or RATE)

    def item(one: Item) -> Item:
        if not isinstance(one, Clip) or one.media.available is None:
            return one
        available = Span(one.media.available.start, F(LONG) / one.rate)
        return replace(one, media=replace(one.media, available=available))

    tracks = tuple(replace(t, items=tuple(map(item, t.items))) for t in document.project.tracks)
    return replace(document, project=replace(document.project, tracks=tracks))


def pieces(track: Track, rate: F) -> Iterator[tuple[Clip | None, int, int]]:
    """A track's clips and gaps in order with their first record frame and their length; dissolves become cuts."""
    at = 0
    for one in track.items:
        if isinstance(one, Transition):
            continue
        first, stop = round(one.record.start * rate), round(one.record.stop * rate)
        yield (one if isinstance(one, Clip) else None), first, stop - first
        at = stop
    assert at


def in_file(clip: Clip) -> F:
    """Seconds from a clip's first media frame to the first that it shows."""
    assert clip.media.available is not None
    return clip.source.start - clip.media.available.start


def mlt(project: Project) -> str:
    """The first picture track as MLT: entries count frames of the profile, a retime is a producer of its own."""
    producers, entries = [], []
    for number, (clip, _, count) in enumerate(pieces(project.tracks[0], project.rate)):
        if clip is None:
            entries.append(f'<blank length="{count}"/>')
            continue
        speed = clip.speed
        name = str(clip.media.path) if speed == 1 else f"{float(speed)}:{clip.media.path}"
        kind = "avformat" if speed == 1 else "timewarp"
        producers.append(
            f'<producer id="p{number}"><property name="mlt_service">{kind}</property>'
            f'<property name="resource">{quoteattr(name)[1:-1]}</property></producer>'
        )
        first = round(in_file(clip) / speed * project.rate)
        entries.append(f'<entry producer="p{number}" in="{first}" out="{first + count - 1}"/>')
    rate = project.rate
    return (
        f'<mlt><profile width="{SIZE.width}" height="{SIZE.height}" progressive="1" sample_aspect_num="1" '
        f'sample_aspect_den="1" display_aspect_num="16" display_aspect_den="9" colorspace="709" '
        f'frame_rate_num="{rate.numerator}" frame_rate_den="{rate.denominator}"/>'
        f'{"".join(producers)}<playlist id="v">{"".join(entries)}</playlist></mlt>'
    )


def played_by_melt(project: Project, folder: Path) -> Path:
    cut, out = folder / "cut.mlt", folder / "melt.mkv"
    cut.write_text(mlt(project), encoding="utf-8")
    consumer = ["-consumer", f"avformat:{out}", "vcodec=ffv1", "an=1", "real_time=-1"]
    for last in (False, False, True):  # now and then melt stands still at its end, whatever it plays
        try:
            subprocess.run(["melt", str(cut), *consumer], check=True, capture_output=True, timeout=120)
            break
        except subprocess.TimeoutExpired:
            if last:
                raise
    return out


def played_by_ges(project: Project, folder: Path) -> Path:
    """Clips at their own speed, one after the other, each on its place; retimed ones are left black."""
    out = folder / "ges.mkv"
    words = ["ges-launch-1.0", "--track-types=video"]
    for clip, first, count in pieces(project.tracks[0], project.rate):
        if clip is not None and clip.speed == 1 and clip.media.path is not None:
            plain = folder / f"{first}.mov"  # its command line cannot bear quotes in names
            plain.symlink_to(clip.media.path)
            start, lasts, inpoint = (float(x) for x in (first / project.rate, count / project.rate, in_file(clip)))
            words += ["+clip", plain.as_uri(), f"start={start}", f"duration={lasts}", f"inpoint={inpoint}"]
    caps = f"video/x-raw,width={SIZE.width},height={SIZE.height},framerate={project.rate}"
    words += [f"--video-caps={caps}", "--outputuri", out.as_uri(), "--format=video/x-matroska:image/jpeg"]
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    return out


def probed(path: Path) -> list[int]:
    with VideoSource(path) as source:
        return [number_of(source.picture(at)) for at in PROBES]


def wanted(project: Project) -> list[tuple[int, bool]]:
    """The frame of its file that each probe should show, and whether that file has the timeline's rate."""
    clips = {c.name: c for c in project.clips()}
    found = []
    for at in PROBES:
        name, frame = shown(project)[at]
        clip = clips[name]
        assert clip.media.available is not None
        found.append((frame - round(clip.media.available.start * clip.rate), clip.rate == project.rate))
    return found


def check(played: list[int], project: Project, skip: tuple[int, ...] = ()) -> None:
    for at, number, (frame, same) in zip(PROBES, played, wanted(project), strict=True):
        if at not in skip:
            assert abs(number - frame) <= (0 if same else 1), (at, number, frame)


@pytest.mark.slow
@pytest.mark.skipif(which("melt") is None, reason="there is no melt command here to play the cut with")
@pytest.mark.parametrize("name", ["out.otio", "resolve.otio", "out.xml", "out.fcpxml"])
def test_melt_shows_the_frames_that_we_say(name: str, filmed_cut: Document, tmp_path: Path) -> None:
    again = filmed_cut.save(tmp_path / name, "resolve" if name.startswith("resolve") else "").project
    assert {c.rate for c in again.clips()} == set(RATES)
    check(probed(played_by_melt(again, tmp_path)), again)


@pytest.mark.slow
@pytest.mark.skipif(
    which("ges-launch-1.0") is None, reason="there is no ges-launch-1.0 command here to play the cut with"
)
@pytest.mark.parametrize("name", ["out.otio", "out.fcpxml"])
def test_gstreamer_editing_services_show_the_frames_that_we_say(
    name: str, filmed_cut: Document, tmp_path: Path
) -> None:
    again = filmed_cut.save(tmp_path / name).project
    retimed = next(c for c in again.clips() if c.speed != 1).record
    skip = tuple(at for at in PROBES if retimed.start <= at / RATE < retimed.stop)
    assert len(skip) <= 2
    check(probed(played_by_ges(again, tmp_path)), again, skip)
