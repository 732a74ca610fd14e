"""What a render can be delivered as: codecs with their profiles, depths and containers, and what each takes.

A delivery never changes what a sample means more than it must: a codec that holds the footage's own pixel format gets
it; else the nearest one that loses least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from pathlib import Path

from lp_editor.errors import OutputError
from lp_editor.media.layout import BT709, BT2020, BT2020_CL, KR_KB, LAYOUTS, UNSPECIFIED, Colour, VideoFormat, named


class Codec(Enum):
    """What a render is encoded as."""

    H264 = "h264"
    HEVC = "hevc"
    PRORES = "prores"
    DNXHR = "dnxhr"
    FFV1 = "ffv1"
    PNG = "png"
    EXR = "exr"

    @property
    def suffix(self) -> str:
        """The usual file name's end."""
        return TRAITS[self].suffixes[0]

    @property
    def lossless(self) -> bool:
        """Whether decoding gives back every sample that was delivered."""
        return self in (Codec.FFV1, Codec.PNG, Codec.EXR)

    @property
    def stills(self) -> bool:
        """Whether every frame is a file of its own."""
        return self in (Codec.PNG, Codec.EXR)


@dataclass(frozen=True)
class Traits:
    """What holds for all deliveries in one codec."""

    encoder: str
    suffixes: tuple[str, ...]
    container: str
    """That of a chunk: FFmpeg's name, or ``zip``."""
    reorder: int = 0
    """How many frames at most a packet is decoded ahead of its turn: B-frames with their pyramid."""
    sound: str = "pcm"


TRAITS: Mapping[Codec, Traits] = {
    Codec.H264: Traits("libx264", (".mp4", ".mov", ".mkv"), "mp4", 2, "aac"),
    Codec.HEVC: Traits("libx265", (".mp4", ".mov", ".mkv"), "mp4", 2, "aac"),
    Codec.PRORES: Traits("prores_ks", (".mov", ".mkv"), "mov"),
    Codec.DNXHR: Traits("dnxhd", (".mov",), "mov"),
    Codec.FFV1: Traits("ffv1", (".mkv",), "matroska"),
    Codec.PNG: Traits("png", (".png",), "zip"),
    Codec.EXR: Traits("exr", (".exr",), "zip"),
}

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""The container of each file name's end."""

NAMES = {"mp4": "MP4", "mov": "MOV", "matroska": "MKV", "zip": "a sequence"}

PRORES = {"proxy": 0, "lt": 1, "422": 2, "hq": 3, "4444": 4, "4444xq": 5}
"""ProRes profiles, as the encoder numbers them."""

DNXHR = {"lb": "yuv422p", "sq": "yuv422p", "hq": "yuv422p", "hqx": "yuv422p10le", "444": "yuv444p10le"}
"""DNxHR profiles, and the pixel format of each."""

DNXHR_MATRICES = {BT709: 0, BT2020: 1, BT2020_CL: 2}
"""The matrices that a DNxHR frame's header names, as it numbers them (SMPTE ST 2019-1)."""

WITH_ALPHA = ("4444", "4444xq")

DNXHR_LEAST = (256, 120)
"""The smallest picture DNxHR takes."""

EXR_PROFILES = ("half", "float")

SOUNDS = {"mp4": ("aac", "flac", "pcm"), "mov": ("pcm", "aac"), "matroska": ("pcm", "flac", "aac")}
"""The sound that each container takes."""

DEPTHS = {Codec.H264: (8, 10), Codec.HEVC: (8, 10, 12), Codec.PNG: (8, 16)}
"""The depths to choose from; other codecs' follow from their profile."""

QUALITIES = {Codec.H264: 16, Codec.HEVC: 18}
"""The constant rate factor where none is asked for: visually lossless. 0..51, less is better."""

CALM = 2
"""By how much the quantiser of a film lies below its rate factor."""

SPEEDS = ("ultrafast", "superfast", "veryfast", "fast", "medium", "slow")
"""Presets of x264 and x265, the quickest first."""

HARDWARE = "hardware"

FFV1_TAKES = (
    {n for n, x in LAYOUTS.items() if x.family == "yuv" and n not in ("yuv440p10le", "yuv440p12le")}
    | {n for n in LAYOUTS if n.startswith("gray") and "f" not in n}
    | {n for n, x in LAYOUTS.items() if x.family == "rgb" and x.depth <= 16}
    | {"yuv440p10le", "yuv440p12le", "gbrpf32le"}
)  # fmt: skip


@dataclass(frozen=True)
class Mastering:
    """What HDR footage says of its grading display and of its light (SMPTE ST 2086, CTA-861.3)."""

    primaries: tuple[tuple[Fraction, Fraction], ...]
    """CIE x, y of red, green, blue and white."""
    least: Fraction
    """cd/m²"""
    most: Fraction
    """cd/m²"""
    content_light: tuple[int, int] = (0, 0)
    """The brightest pixel and the brightest frame's average, cd/m²; 0 where not said."""


@dataclass(frozen=True)
class Delivery:
    """How a render is written. ``profile`` and ``depth`` empty or None are chosen by the footage."""

    codec: Codec = Codec.H264
    profile: str = ""
    quality: int | None = None
    depth: int | None = None
    sound: str = ""
    """``pcm``, ``aac`` or ``flac``; empty for what is usual beside the codec."""
    hdr: Mastering | None = None
    alpha: bool = False
    """Whether what was changed is written as alpha."""
    speed: str = ""
    """Of `SPEEDS`: how quickly H.264 and H.265 are encoded, for larger files."""
    parameter_set: int = 0
    """The number that the parameter sets of H.264 bear, where a stream has others too."""
    encoder: str = ""
    """Empty for ours; `HARDWARE` for a graphics processor's, or FFmpeg's name of one that was found to work."""

    def __post_init__(self) -> None:
        """Refuse what the codec does not have."""
        name = self.codec.value
        profiles = {Codec.PRORES: tuple(PRORES), Codec.DNXHR: tuple(DNXHR), Codec.EXR: EXR_PROFILES}.get(self.codec, ())
        _choice(f"{name} has", "profile", self.profile, profiles)
        _choice(f"{name} has", "depth", self.depth or "", DEPTHS.get(self.codec, ()))
        if self.quality is not None and self.codec not in QUALITIES:
            raise OutputError(f"{name} has no --quality; it has profiles, or is lossless")
        if self.quality is not None and not 0 <= self.quality <= 51:
            raise OutputError(f"quality runs from 0 (best) to 51, got {self.quality}")
        if self.alpha and not (self.codec.stills or (self.codec is Codec.PRORES and self.profile in ("", *WITH_ALPHA))):
            raise OutputError(
                f"{name} {self.profile} holds no alpha; use --codec prores --codec-profile 4444, png or exr"
            )
        _choice(f"{name} has", "speed", self.speed, SPEEDS if self.codec in QUALITIES else ())
        _choice("there is", "sound", self.sound, ("pcm", "aac", "flac"))

    @property
    def sound_codec(self) -> str:
        """What sound is written as."""
        return self.sound or TRAITS[self.codec].sound


def _choice(what: str, kind: str, asked: object, known: tuple[object, ...]) -> None:
    if asked and asked not in known:
        listed = ", ".join(map(str, known)) if known else "none to choose"
        raise OutputError(f"{what} no {kind} {asked}: {listed}")


def delivery_of(asked: Codec | Delivery) -> Delivery:
    """A delivery; a codec by itself means its usual one."""
    return asked if isinstance(asked, Delivery) else Delivery(asked)


def delivered(format: VideoFormat, asked: Codec | Delivery) -> VideoFormat:
    """The format that a delivery takes pictures of this format in. Raises `OutputError` where there is none."""
    delivery = delivery_of(asked)
    codec, layout = delivery.codec, format.layout
    alpha = layout.alpha or delivery.alpha
    if codec in (Codec.H264, Codec.HEVC):
        if delivery.encoder:
            return _as_yuv(format, "yuv420p", _near(delivery.depth or layout.depth, _hard(codec)), format.full_range)
        return _as_yuv(format, _chroma(format), delivery.depth or _near(layout.depth, DEPTHS[codec]), format.full_range)
    if codec is Codec.PRORES:
        rich = profile_of(format, delivery) in WITH_ALPHA
        kind = ("yuva444p" if alpha else "yuv444p") if rich else "yuv422p"
        return _as_yuv(format, kind, 10, False)
    if codec is Codec.DNXHR:
        name = DNXHR[profile_of(format, delivery)]
        taken = _as_yuv(format, name.removesuffix("10le"), 10 if name.endswith("10le") else 8, False)
        known = format.matrix if format.matrix in DNXHR_MATRICES else BT709
        return replace(taken, colour=replace(taken.colour, matrix=known))
    if codec is Codec.FFV1:
        if format.pix_fmt not in FFV1_TAKES:
            raise OutputError(f"ffv1 does not hold {format.pix_fmt}; use --codec exr")
        return format
    kind = "gbrap" if alpha else "gray" if layout.family == "grey" else "gbrp"
    colour = Colour(0 if kind != "gray" else UNSPECIFIED, format.colour.primaries, format.colour.transfer, True)
    if codec is Codec.EXR:
        return replace(format, pix_fmt=f"{kind}f32le", colour=colour)
    return replace(format, pix_fmt=named(kind, delivery.depth or _near(layout.depth, DEPTHS[codec])), colour=colour)


def profile_of(format: VideoFormat, delivery: Delivery) -> str:
    """The profile asked for, or the one that loses least of a format."""
    if delivery.profile:
        return delivery.profile
    layout = format.layout
    rich = (
        layout.alpha
        or delivery.alpha
        or layout.family == "rgb"
        or (layout.family == "yuv" and format.subsampling == (1, 1))
    )
    if delivery.codec is Codec.PRORES:
        return "4444" if rich else "hq"
    if delivery.codec is Codec.DNXHR:
        return "444" if rich else ("hqx" if format.depth > 8 else "hq")
    if delivery.codec is Codec.EXR:
        return "float" if format.depth > 10 else "half"
    return ""


def _hard(codec: Codec) -> tuple[int, ...]:
    """The depths of hardware: H.264 of 10 bits is made by hardly any."""
    return (8,) if codec is Codec.H264 else (8, 10)


def _near(depth: int, known: tuple[int, ...]) -> int:
    """The least depth that holds another, or the most there is."""
    return min((d for d in known if d >= depth), default=max(known))


def _chroma(format: VideoFormat) -> str:
    if format.layout.family == "grey":
        return "yuv420p"
    return {(2, 2): "yuv420p", (2, 1): "yuv422p"}.get(format.subsampling, "yuv444p")


def _as_yuv(format: VideoFormat, kind: str, depth: int, full: bool) -> VideoFormat:
    """A format as YUV of a kind and depth; RGB becomes BT.709 in studio range."""
    colour = format.colour
    if format.layout.family != "yuv":
        known = colour.matrix in KR_KB
        full = full and format.layout.family == "grey"
        colour = replace(colour, matrix=colour.matrix if known else BT709)
    return replace(format, pix_fmt=named(kind, depth), colour=replace(colour, full_range=full))


def options_of(format: VideoFormat, delivery: Delivery) -> dict[str, str]:
    """The encoder's settings. x264's macroblock tree is off: with it, equal pictures gave 12 files in 60 runs."""
    codec = delivery.codec
    quality = str(QUALITIES.get(codec, 0) if delivery.quality is None else delivery.quality)
    if codec is Codec.H264:
        numbered = [f"sps-id={delivery.parameter_set}"] if delivery.parameter_set else []
        said = ":".join(["mbtree=0", *numbered, *_hdr(delivery, "mastering-display", "cll")])
        return {**_held(int(quality), delivery), "preset": delivery.speed or "veryfast", "x264-params": said}
    if codec is Codec.HEVC:
        # one thread of everything: more make other bytes
        fixed = ["log-level=error", "pools=none", "frame-threads=1", "open-gop=0", "info=0"]
        said = ":".join([*fixed, *_hdr(delivery, "master-display", "max-cll")])
        return {"crf": quality, "preset": delivery.speed or "fast", "x265-params": said}
    if codec is Codec.PRORES:
        return {"profile": str(PRORES[profile_of(format, delivery)]), "vendor": "apl0"}
    if codec is Codec.DNXHR:
        return {"profile": f"dnxhr_{profile_of(format, delivery)}"}
    if codec is Codec.FFV1:
        floats = {"strict": "experimental", "level": "4"} if format.layout.floating else {"level": "3"}
        return {**floats, "g": "1", "slices": "4", "slicecrc": "1"}
    return {"compression": "zip1", "format": profile_of(format, delivery)} if codec is Codec.EXR else {}


def _held(quality: int, delivery: Delivery) -> dict[str, str]:
    """What x264 holds constant: the rate factor; with its quickest preset the quantiser, which it need not look for.

    That saves a fifth of its time (1080p, one thread: 10.5 to 8.2 ms a frame). On a calm film a rate factor of 16 comes to a
    quantiser of 13, on a livelier one to more. 0 stays lossless.
    """
    if delivery.speed != "ultrafast" or quality == 0:
        return {"crf": str(quality)}
    return {"qp": str(max(quality - CALM, 1))}


def _hdr(delivery: Delivery, display: str, light: str) -> list[str]:
    """Mastering metadata as x264 and x265 take it: chromaticities in 1/50000, light in 1/10000 cd/m²."""
    hdr = delivery.hdr
    if hdr is None:
        return []
    (red, green, blue, white) = ((round(x * 50000), round(y * 50000)) for x, y in hdr.primaries)
    places = "".join(
        f"{n}({x},{y})" for n, (x, y) in zip(("G", "B", "R", "WP"), (green, blue, red, white), strict=True)
    )
    said = [f"{display}={places}L({round(hdr.most * 10000)},{round(hdr.least * 10000)})"]
    return said + ([f"{light}={hdr.content_light[0]},{hdr.content_light[1]}"] if any(hdr.content_light) else [])


def check_delivery(output: Path, asked: Codec | Delivery, format: VideoFormat | None = None) -> None:
    """Refuse a file name or a size that a delivery cannot be written with. Raises `OutputError` with the remedy."""
    delivery = delivery_of(asked)
    codec, suffix = delivery.codec, output.suffix.lower()
    traits = TRAITS[codec]
    if suffix not in CONTAINERS and not codec.stills:
        raise OutputError(f"{output}: write to .mp4, .mov or .mkv, not {output.suffix or 'a name without an end'}")
    if suffix not in traits.suffixes:
        wanted = " or ".join(s.upper().removeprefix(".") for s in traits.suffixes)
        name = output.with_suffix(traits.suffixes[0]).name
        raise OutputError(f"{output}: {codec.value} goes into {wanted}; name it {name}, or use another --codec")
    container = CONTAINERS.get(suffix)
    if container and delivery.sound_codec not in SOUNDS[container]:
        held = " or ".join(SOUNDS[container])
        raise OutputError(f"{output}: {NAMES[container]} takes {held}, not {delivery.sound_codec}; change --sound")
    if format is not None:
        _check_size(format, delivery)


def _check_size(format: VideoFormat, delivery: Delivery) -> None:
    taken, codec = delivered(format, delivery), delivery.codec
    sub_x, sub_y = taken.subsampling
    even = f"{format.width // 2 * 2}x{format.height // 2 * 2}"
    size = f"{format.width}x{format.height}"
    if codec in (Codec.H264, Codec.HEVC, Codec.DNXHR, Codec.PRORES) and (format.width % sub_x or format.height % sub_y):
        name = {"h264": "H.264", "hevc": "H.265", "dnxhr": "DNxHR", "prores": "ProRes"}[codec.value]
        raise OutputError(f"{name} takes even sizes, not {size}; use --format {even} or ffv1")
    if codec is Codec.DNXHR and (format.width < DNXHR_LEAST[0] or format.height < DNXHR_LEAST[1]):
        raise OutputError(f"DNxHR takes at least {DNXHR_LEAST[0]}x{DNXHR_LEAST[1]}, not {size}; use --codec prores")
