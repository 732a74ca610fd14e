"""Packets of a film beside ours in one stream, and the check that finds whatever is wrong with them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import av
import pytest
from films import numbered

from lp_editor.media.codecs import Codec, Delivery
from lp_editor.media.picture import VideoFormat, to_frame
from lp_editor.media.probe import probe
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.splice import Configuration, CopiedPictures, Film, SpliceError, header_of, sets_of, spliced_header
from lp_editor.media.splice_check import Pieces

RATE = F(25)
FORMAT = VideoFormat(160, 96, "yuv420p")
FRAMES = 40
CLOSED = "keyint=10:min-keyint=10:scenecut=0:bframes=3"


def film(path: Path, params: str = CLOSED, codec: str = "libx264") -> Path:
    """Numbered pictures, encoded as somebody else would."""
    with av.open(str(path), "w") as file:
        name = "x265-params" if codec == "libx265" else "x264-params"
        stream: Any = file.add_stream(codec, rate=RATE, options={name: params})
        stream.width, stream.height, stream.pix_fmt = FORMAT.width, FORMAT.height, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(FRAMES):
            file.mux(stream.encode(to_frame(numbered(number, FORMAT))))
        file.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("splice") / "closed.mp4")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("splice") / "other.mp4", f"{CLOSED}:8x8dct=0:qp=30")


@dataclass(frozen=True)
class Packet:
    """One packet as it is to be written."""

    content: bytes
    pts: int
    dts: int
    key: bool


@dataclass(frozen=True)
class Mixed:
    """A film of which some frames up to 19 were encoded anew, with what it is made of."""

    path: Path
    pieces: Pieces
    chunk: Path

    def changed(self, change: Callable[[list[Packet]], list[Packet]], header: bytes | None = None) -> Path:
        """The same film with its packets changed, or with another header."""
        with av.open(str(self.path)) as file:
            stream: Any = file.streams.video[0]
            unit = stream.time_base * RATE
            packets = [
                Packet(bytes(p), round(p.pts * unit), round(p.dts * unit), p.is_keyframe)
                for p in file.demux(stream)
                if p.pts is not None
            ]
            out = self.path.with_name("changed.mp4")
            with av.open(str(out), "w") as made:
                to: Any = made.add_stream_from_template(stream)
                to.codec_context.extradata = header or stream.codec_context.extradata
                to.time_base = 1 / RATE
                for packet in change(packets):
                    written: Any = av.Packet(packet.content)
                    written.pts, written.dts, written.duration = packet.pts, packet.dts, 1
                    written.time_base, written.stream, written.is_keyframe = 1 / RATE, to, packet.key
                    made.mux(written)
        return out

    def check(self, path: Path, thorough: bool = False) -> None:
        """Look at a film again."""
        self.pieces.check(path, thorough, lambda done, total: None)


@pytest.fixture
def mixed(closed: Path, tmp_path: Path) -> Mixed:
    known = Film.of(probe(closed))
    chunk = tmp_path / "chunk"
    encoded = Delivery(Codec.H264, parameter_set=Configuration.of(known.header).free_id())
    before, behind = known.run(0, 14), known.run(20, FRAMES)
    assert before is not None
    assert behind is not None
    assert (before.first, behind.first, behind.count) == (0, 20, 20)
    assert 10 < before.count <= 14
    ours = range(before.count, 20)
    encode_chunk(chunk, [numbered(n, FORMAT) for n in ours], FORMAT, RATE, encoded)
    counts = [before.count, len(ours), 20]
    join_chunks(tmp_path / "mixed.mp4", [before, chunk, behind], counts, RATE, encoded)
    return Mixed(tmp_path / "mixed.mp4", Pieces(list(zip([before, chunk, behind], counts, strict=True)), RATE), chunk)


def test_a_sound_splice_passes_its_check(mixed: Mixed) -> None:
    told: list[tuple[int, int]] = []
    for thorough in (False, True):
        mixed.pieces.check(mixed.path, thorough, lambda *x: told.append(x))
    assert told[-1] == (FRAMES, FRAMES)
    assert (20, 20) in told  # frames 10 to 29: the encoded ones, the group before and the group behind
    mixed.check(mixed.changed(lambda packets: packets))


def flipped(at: int) -> Callable[[list[Packet]], list[Packet]]:
    """One bit of one packet wrong."""

    def change(packets: list[Packet]) -> list[Packet]:
        content = bytearray(packets[at].content)
        content[len(content) * 3 // 4] ^= 0x10
        return [*packets[:at], replace(packets[at], content=bytes(content)), *packets[at + 1 :]]

    return change


def exchanged(packets: list[Packet]) -> list[Packet]:
    """Two copied packets in each other's place."""
    one, two = packets[22], packets[24]
    packets[22], packets[24] = replace(one, content=two.content), replace(two, content=one.content)
    return packets


def retimed(packets: list[Packet]) -> list[Packet]:
    """Two pictures shown in the wrong order."""
    pairs = ((i, i + 1) for i in range(22, 39))
    i, j = next((i, j) for i, j in pairs if packets[i].pts >= packets[j].dts and packets[j].pts >= packets[i].dts)
    packets[i], packets[j] = replace(packets[i], pts=packets[j].pts), replace(packets[j], pts=packets[i].pts)
    return packets


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (flipped(3), "was not copied right"),
        (flipped(30), "was not copied right"),
        (flipped(15), "was not copied right"),
        (exchanged, "was not copied right"),
        (retimed, "is not at its time"),
        (lambda packets: packets[:-1], "lacks 1 packets"),
        (lambda packets: [*packets, replace(packets[-1], pts=FRAMES, dts=FRAMES)], "packets too many"),
    ],
)
def test_the_check_finds_every_packet_that_is_wrong(
    mixed: Mixed, change: Callable[[list[Packet]], list[Packet]], why: str
) -> None:
    with pytest.raises(SpliceError, match=why):
        mixed.check(mixed.changed(change))


def test_the_check_finds_parameters_that_are_missing_or_another_films(mixed: Mixed, closed: Path, other: Path) -> None:
    for header in (header_of(closed), spliced_header([header_of(other), header_of(mixed.chunk)], "h264")):
        path = mixed.changed(lambda packets: packets, header)
        with pytest.raises(SpliceError, match="decode"):
            mixed.check(path)


def test_a_run_begins_where_decoding_starts_anew_and_ends_where_all_before_is_shown(
    closed: Path, tmp_path: Path
) -> None:
    known = Film.of(probe(closed))
    assert known.run(1, 10) is None
    assert known.run(11, 30) == CopiedPictures(closed, 20, 10, 2)
    ends = {run.first + run.count for stop in range(1, 11) if (run := known.run(0, stop))}
    assert ends < set(range(1, 11))  # not within a run of B-frames
    open_groups = Film.of(probe(film(tmp_path / "open.mp4", f"{CLOSED}:open-gop=1")))
    assert len(open_groups.video.keyframes) == 4
    assert open_groups.run(1, FRAMES) is None
    whole = open_groups.run(0, FRAMES)
    assert whole is not None
    assert whole.count == FRAMES
    part = open_groups.run(0, 25)
    assert part is not None
    assert 20 < part.count <= 25
    join_chunks(tmp_path / "part.mp4", [part], [part.count], RATE, Codec.H264)
    Pieces([(part, part.count)], RATE).check(tmp_path / "part.mp4", True, lambda done, total: None)


def test_parameters_of_several_films_lie_in_one_header_unless_one_number_means_two(closed: Path, other: Path) -> None:
    one, two = header_of(closed), header_of(other)
    assert spliced_header([one, one], "h264") == one
    with pytest.raises(SpliceError, match="numbers of another film"):
        spliced_header([one, two], "h264")
    free = Configuration.of(one).free_id()
    assert free == 1
    assert Configuration.of(one).ids == {0}


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_damaged_headers_are_refused(tmp_path: Path, codec: str) -> None:
    kind = {"libx264": "h264", "libx265": "hevc"}[codec]
    header = header_of(film(tmp_path / "a.mp4", "keyint=10" if codec == "libx264" else "log-level=none", codec))
    assert sets_of(header, kind)
    assert spliced_header([header, header + b"\0"], kind)[: len(header)]
    for length in range(23 if kind == "hevc" else 7, len(header) - 8, 3):
        with pytest.raises(SpliceError):
            sets_of(header[:length], kind)
    with pytest.raises(SpliceError, match="broadcast"):
        sets_of(b"\0\0\0\1" + header, kind)


def test_media_without_packets_of_known_codecs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpliceError, match="mpeg4"):
        Film.of(probe(film(tmp_path / "a.mp4", "", "mpeg4")))
    with pytest.raises(SpliceError, match="broadcast"):
        Film.of(probe(film(tmp_path / "a.ts")))
