"""H.264 and H.265 by the encoder of a graphics processor, where one works: tried on a few frames before it is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec import Codec as Encoder
from av.error import FFmpegError

from lp_editor.errors import OutputError
from lp_editor.media.codecs import HARDWARE, QUALITIES, Codec, Delivery, delivered
from lp_editor.media.layout import VideoFormat
from lp_editor.media.picture import tag

MAKERS: Mapping[str, tuple[str, ...]] = {
    "nvenc": ("h264_nvenc", "hevc_nvenc"),
    "videotoolbox": ("h264_videotoolbox", "hevc_videotoolbox"),
    "qsv": ("h264_qsv", "hevc_qsv"),
    "amf": ("h264_amf", "hevc_amf"),
}
"""FFmpeg's encoders for H.264 and H.265, by the interface they go through, in the order they are tried."""

TAKEN_AS: Mapping[str, tuple[str, ...]] = {"yuv420p": ("yuv420p", "nv12"), "yuv420p10le": ("yuv420p10le", "p010le")}
"""The layouts in which such an encoder may take the same samples, the plainest first."""

TRIED = 4
"""Frames of a trial."""


def with_encoder(delivery: Delivery, format: VideoFormat) -> Delivery:
    """A delivery that asks for hardware, with the name of the encoder that makes this format here, "" where none does.

    Raises `OutputError` for a codec that no hardware makes.
    """
    if delivery.encoder != HARDWARE:
        return delivery
    if delivery.codec not in QUALITIES:
        raise OutputError(f"no hardware encodes {delivery.codec.value}; use --codec h264 or hevc, or drop --encoder")
    for names in MAKERS.values():
        found = replace(delivery, encoder=names[delivery.codec is Codec.HEVC])
        if _works(found, format):
            return found
    return replace(delivery, encoder="")


def layout_for(encoder: str, pix_fmt: str) -> str:
    """The layout in which an encoder takes samples of a pixel format, "" where it does not."""
    try:
        taken = {f.name for f in Encoder(encoder, "w").video_formats or ()}
    except (ValueError, FFmpegError):  # it was not built in
        return ""
    return next((name for name in TAKEN_AS.get(pix_fmt, ()) if name in taken), "")


def hardware_options(delivery: Delivery) -> dict[str, str]:
    """An encoder's settings: constant quality, and no frame decoded out of its turn."""
    quality = QUALITIES[delivery.codec] if delivery.quality is None else delivery.quality
    maker = delivery.encoder.rpartition("_")[2]
    return {
        "nvenc": {"preset": "p5", "rc": "vbr", "cq": str(quality), "b": "0", "bf": "0"},
        # a scale of its own, 1 to 100 and more is better, in units of FFmpeg's lambda
        "videotoolbox": {"flags": "+qscale", "global_quality": str(round((100 - 1.9 * quality) * 118)), "bf": "0"},
        "qsv": {"global_quality": str(quality), "bf": "0"},
        "amf": {"rc": "cqp", "qp_i": str(quality), "qp_p": str(quality), "bf": "0"},
    }.get(maker, {"bf": "0"})


def _works(delivery: Delivery, format: VideoFormat) -> bool:
    """Whether an encoder makes as many packets as it gets frames of a format, the first one a key frame."""
    taken = delivered(format, delivery)
    layout = layout_for(delivery.encoder, taken.pix_fmt)
    if not layout:
        return False
    level = av.logging.get_level()
    av.logging.set_level(None)  # it would tell at length that there is no such device
    try:
        context: Any = av.CodecContext.create(delivery.encoder, "w")
        context.width, context.height, context.pix_fmt = taken.width, taken.height, layout
        context.time_base = Fraction(1, 25)
        context.options = hardware_options(delivery)
        packets = [p for n in range(TRIED) for p in context.encode(_grey(taken, layout, n))] + context.encode(None)
    except (FFmpegError, ValueError):
        return False
    finally:
        av.logging.set_level(level)
    return len(packets) == TRIED and bool(packets[0].is_keyframe)


def _grey(format: VideoFormat, layout: str, number: int) -> av.VideoFrame:
    """A frame of middle grey."""
    frame = av.VideoFrame(format.width, format.height, format.pix_fmt)
    for plane in frame.planes:
        view = np.frombuffer(memoryview(plane), format.layout.dtype)
        view[:] = (format.peak + 1) // 2
    tag(frame, format)
    frame = frame.reformat(format=layout)
    frame.pts, frame.time_base = number, Fraction(1, 25)
    return frame
