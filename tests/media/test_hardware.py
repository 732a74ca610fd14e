"""Encoders of graphics processors. None is here, so a software encoder stands in for one."""

from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest
from films import format_named, number_of, numbered

from lp_editor.errors import OutputError
from lp_editor.media import hardware
from lp_editor.media.codecs import HARDWARE, Codec, Delivery, delivered
from lp_editor.media.hardware import layout_for, with_encoder
from lp_editor.media.sink import encode_chunk, join_chunks
from lp_editor.media.source import VideoSource

ASKED = Delivery(Codec.H264, quality=10, encoder=HARDWARE)


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose only working encoder is the third that is tried, and takes half-planar frames only."""
    makers = {
        "none": ("h264_of_nobody", "hevc_of_nobody"),
        "qsv": ("h264_qsv", "hevc_qsv"),
        "x": ("libx264", "libx265"),
    }
    monkeypatch.setattr(hardware, "MAKERS", makers)
    monkeypatch.setattr(hardware, "TAKEN_AS", {"yuv420p": ("nv12",)})


@pytest.mark.usefixtures("standin")
def test_the_first_that_works_is_taken() -> None:
    assert with_encoder(ASKED, format_named("yuv420p", 320, 240)).encoder == "libx264"


def test_where_none_works_ours_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "MAKERS", {"none": ("h264_of_nobody", "hevc_of_nobody")})
    assert with_encoder(ASKED, format_named("yuv420p", 320, 240)).encoder == ""


def test_a_codec_that_no_hardware_makes_is_refused() -> None:
    with pytest.raises(OutputError, match="no hardware encodes prores"):
        with_encoder(Delivery(Codec.PRORES, encoder=HARDWARE), format_named("yuv422p10le"))


def test_an_encoder_that_was_not_built_in_takes_nothing() -> None:
    assert layout_for("h264_of_nobody", "yuv420p") == ""


@pytest.mark.usefixtures("standin")
def test_chunks_of_it_join_frame_for_frame(tmp_path: Path) -> None:
    format = format_named("yuv422p10le", 320, 240)
    delivery = with_encoder(ASKED, format)
    assert delivered(format, delivery).pix_fmt == "yuv420p"
    chunks = [tmp_path / "a", tmp_path / "b"]
    for first, path in zip((0, 7), chunks, strict=True):
        encode_chunk(path, (numbered(n, format) for n in range(first, first + 7)), format, F(25), delivery)
    join_chunks(tmp_path / "out.mp4", chunks, [7, 7], F(25), delivery)
    with VideoSource(tmp_path / "out.mp4") as made:
        assert [number_of(p) for p in made.frames(range(14))] == list(range(14))
        shown, wanted = made.picture(9).luma8(), numbered(9, format).luma8()
        assert np.abs(shown.astype(int) - wanted).mean() < 2
