"""``still`` and ``render``: pictures out of a project."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lp_editor.cli.farm import add_cluster, add_part, executor_of, part_of, render_part, watched
from lp_editor.cli.project import add_source, opened, tell_losses
from lp_editor.errors import OutputError

if TYPE_CHECKING:
    from lp_editor.render.program import Settings
    from lp_editor.render.report import Report


def add(commands: Any) -> None:
    """Add the commands."""
    _add_still(commands)
    render = commands.add_parser(
        "render", help="render the whole cut, or each marked stretch",
        epilog="examples:\n  lp-editor render cut.otio -o finished.mp4\n"
        "  lp-editor render cut.otio -o finished.mkv --codec ffv1 --matte matte.mkv\n"
        "  lp-editor render cut.otio --clips rendered/\n"
        "  lp-editor render cut.otio -o finished.mp4 --speed ultrafast --profile\n"
        "  lp-editor render cut.otio -o finished.mp4 --ray head:6379\n"
        "  lp-editor render cut.otio -o finished.mov --smart\n"
        "\nWhat was rendered before is kept: only what changed is rendered again.\n",
    )  # fmt: skip
    add_source(render)
    where = render.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", type=Path, help="one file for the whole cut (.mp4, .mov, .mkv)")
    where.add_argument(
        "--clips", type=Path, metavar="DIR", help="a file for each marked stretch, and the project relinked"
    )
    add_handles(render)
    add_delivery(render)
    render.add_argument("--alpha", action="store_true", help="prores 4444, png, exr: opaque only where changed")
    render.add_argument("--format", metavar="WxH", help="size of the output; without it that of the first clip")
    render.add_argument(
        "--matte", type=Path, metavar="FILE", nargs="?", const=Path(),
        help="also write what was changed, grey, FFV1 in MKV; with --clips beside each file, without a name",
    )  # fmt: skip
    render.add_argument(
        "--smart", action="store_true",
        help="with -o: copy packets where nothing is edited and the footage has the output's codec; checked before the "
        "file gets its name",
    )  # fmt: skip
    render.add_argument("--verify", action="store_true", help="with --smart: check by decoding all of it")
    render.add_argument("--workers", type=int, metavar="N", help="how many chunks at a time; a core each by default")
    add_cluster(render)
    add_part(render)
    render.add_argument("--json", action="store_true", help="progress and report as lines of JSON")
    render.add_argument("--profile", action="store_true", help="print where each millisecond went")
    render.add_argument(
        "--timings", type=Path, metavar="FILE", help="write every step into a .json for a trace viewer (Perfetto)"
    )
    add_common(render)
    render.set_defaults(run=_render)
    _add_roundtrip(commands)


def _add_still(commands: Any) -> None:
    still = commands.add_parser(
        "still", help="render one frame",
        epilog="examples:\n  lp-editor still cut.otio --at 2s -o still.png\n"
        "  lp-editor still cut.otio --at 01:00:02:00 -o both.png --compare\n",
    )  # fmt: skip
    add_source(still)
    still.add_argument("--at", required=True, metavar="TIME", help="record time")
    still.add_argument("-o", "--output", type=Path, required=True, help="a .png or .jpg")
    still.add_argument("--compare", action="store_true", help="the frame as filmed on the left, finished on the right")
    add_common(still)
    still.set_defaults(run=_still)


def _add_roundtrip(commands: Any) -> None:
    command = commands.add_parser(
        "roundtrip", help="render what is marked in a project of an editor, and write the project to import again",
        epilog="examples:\n  lp-editor roundtrip CUT.xml\n  lp-editor roundtrip CUT.fcpxml -o back/ --media /footage\n"
        "  lp-editor roundtrip CUT.otio -o back/ --for premiere\n"
        "\nMarks are markers whose name begins with lp (docs/markers.md), and what `mark` made.\n",
    )  # fmt: skip
    add_source(command, "CUT.xml")
    command.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="where to; NAME.lp beside the project without it"
    )
    add_return(command)
    add_cluster(command)
    command.add_argument("--json", action="store_true", help="progress and report as lines of JSON")
    add_common(command)
    command.set_defaults(run=_roundtrip)


def add_return(command: argparse.ArgumentParser) -> None:
    """How a project goes back: for whom, where its renders lie, and what they are written as."""
    command.add_argument(
        "--for", dest="flavour", choices=("premiere", "resolve", "fcpxml", "otio", "edl", "aaf"),
        help="write for it; as the project came, without",
    )  # fmt: skip
    command.add_argument(
        "--mode", choices=("replace", "above"), default="replace", help="in the clips' place, or on a track above"
    )
    command.add_argument(
        "--whole", action="store_true", help="each marked clip as one file, from end to end: for take selectors"
    )
    command.add_argument(
        "--alpha",
        action="store_true",
        help="with --codec prores: 4444, opaque only where changed; lies on a track above",
    )
    add_handles(command)
    add_delivery(command)


def _roundtrip(asked: argparse.Namespace) -> int:
    from lp_editor import verbs
    from lp_editor.cli.catalogue import installed
    from lp_editor.cli.progress import shown, tell
    from lp_editor.summary import returned

    document = opened(asked)
    folder = asked.output or document.path.with_name(document.path.stem + ".lp")
    with shown(asked.quiet, asked.json) as progress:
        made = verbs.roundtrip(
            document, folder, settings_of(asked), flavour=asked.flavour or "", above=asked.mode == "above",
            registry=installed(), progress=progress,
        )  # fmt: skip
    tell_losses(made.document)
    tell(
        made.report,
        str(made.path),
        asked.quiet,
        asked.json,
        returned(document.project, made.report, made.document.losses),
    )
    return 0


def add_handles(command: argparse.ArgumentParser) -> None:
    """How much longer the files of marked stretches are."""
    command.add_argument(
        "--handles", type=int, default=24, metavar="N", help="of single files: frames past either end, for trims; 24"
    )


def add_delivery(command: argparse.ArgumentParser) -> None:
    """What is written: codec, profile and the like."""
    command.add_argument(
        "--codec", choices=("h264", "hevc", "prores", "dnxhr", "ffv1", "png", "exr"), default="h264",
        help="ffv1 is lossless, in MKV; png and exr are sequences: -o frames/shot.%%04d.exr",
    )  # fmt: skip
    command.add_argument(
        "--codec-profile", metavar="NAME", default="",
        help="prores: proxy lt 422 hq 4444 4444xq; dnxhr: lb sq hq hqx 444; exr: half float",
    )  # fmt: skip
    command.add_argument("--quality", type=int, metavar="CRF", help="h264 and hevc: 0 (best) to 51")
    command.add_argument(
        "--speed", choices=("ultrafast", "superfast", "veryfast", "fast", "medium", "slow"), default="",
        help="h264 and hevc: the quicker the larger (veryfast for h264, superfast with --smart, and fast for hevc without it)",
    )  # fmt: skip
    command.add_argument("--depth", type=int, metavar="BITS", help="h264: 8, 10; hevc: 8, 10, 12; png: 8, 16")
    command.add_argument(
        "--encoder", choices=("hardware",), default="",
        help="h264 and hevc by the graphics processor where that works; faster, not equal to the bit from run to run",
    )  # fmt: skip
    command.add_argument("--sound", choices=("pcm", "aac", "flac"), default="", help="what sound is written as")
    command.add_argument(
        "--consent", metavar="NOTE",
        help="your record of whose consent you have, kept in every file: a text, or @FILE; lp-editor provenance reads it",
    )  # fmt: skip
    command.add_argument("--reel", metavar="NAME", help="the reel that files bear; without it the project's or media's")


def add_common(command: argparse.ArgumentParser) -> None:
    """The engine, and what goes with every render."""
    command.add_argument(
        "--engine", default="auto", metavar="NAME", help="auto (the best that runs here), liveportrait or mesh"
    )
    command.add_argument(
        "--device",
        default="cpu",
        help="where the engine runs: cpu (the fastest way there), cuda, cuda:1, openvino, openvino-f32, cpu-f32",
    )
    command.add_argument(
        "--composite", choices=("detail", "paste"), default="detail",
        help="liveportrait: keep the footage's own detail, or paste its picture as it is",
    )  # fmt: skip
    command.add_argument("--force", action="store_true", help="overwrite what is there")
    command.add_argument("--quiet", action="store_true", help="no progress")


def settings_of(asked: argparse.Namespace) -> Settings:
    """The settings of a render as the command line asks for them."""
    from lp_editor.media.codecs import Codec, Delivery
    from lp_editor.render.program import Settings
    from lp_editor.render.provenance import consent_note

    asked_for = vars(asked)
    handles = asked_for.get("handles", 24)
    if not 0 <= handles <= 10_000:
        raise OutputError(f"--handles takes 0 to 10000 frames, got {handles}")
    delivery = Delivery(
        Codec(asked_for.get("codec", "h264")), asked_for.get("codec_profile", ""), asked_for.get("quality"),
        asked_for.get("depth"), asked_for.get("sound", ""), alpha=asked_for.get("alpha", False),
        speed=asked_for.get("speed", ""),
        encoder=asked_for.get("encoder", ""),
    )  # fmt: skip
    return Settings(
        delivery, _engine(asked), asked.device, getattr(asked, "format", None), asked.force,
        executor_of(asked), reel=getattr(asked, "reel", None), whole=getattr(asked, "whole", False),
        timings=getattr(asked, "timings", None), part=part_of(asked), smart=asked_for.get("smart", False),
        verify=asked_for.get("verify", False),
        consent="" if getattr(asked, "consent", None) is None else consent_note(asked.consent),
        handles=handles,
    )  # fmt: skip


def _engine(asked: argparse.Namespace) -> str:
    """The engine's name; to paste is another engine than to keep detail, for its results are stored apart."""
    if asked.composite == "detail":
        return str(asked.engine)
    if asked.engine not in ("auto", "liveportrait"):
        raise OutputError(f"--composite paste goes with --engine liveportrait, not {asked.engine}")
    return "liveportrait-paste"


def _still(asked: argparse.Namespace) -> int:
    from lp_editor import verbs
    from lp_editor.cli.catalogue import installed
    from lp_editor.cli.progress import shown
    from lp_editor.media.stills import write_still
    from lp_editor.render.program import check_output
    from lp_editor.render.sheet import side_by_side

    check_output(asked.output, asked.force)
    document = opened(asked)
    with shown(asked.quiet, False) as progress:
        finished, filmed, report = verbs.still(
            document, asked.at, settings_of(asked), registry=installed(), progress=progress
        )
    image = finished.rgb_all()
    write_still(asked.output, side_by_side(filmed.rgb_all(), image) if asked.compare else image)
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{asked.output}: {image.shape[1]}x{image.shape[0]}, engine {report.engine}")
    return 0


def _render(asked: argparse.Namespace) -> int:
    from lp_editor import verbs
    from lp_editor.cli.catalogue import installed
    from lp_editor.cli.progress import tell
    from lp_editor.render.program import check_output

    if asked.verify and not asked.smart:
        raise OutputError("--verify checks what --smart copies; give both, or neither")
    document = opened(asked)
    settings, registry = settings_of(asked), installed()
    if settings.part is not None:
        return render_part(asked, document, settings, registry)
    if asked.clips is None:
        if asked.matte == Path():
            raise OutputError("--matte needs a file name beside -o: --matte matte.mkv")
        with watched(asked) as progress:
            report = verbs.render(
                document, asked.output, settings, matte=asked.matte, registry=registry, progress=progress
            )
        tell(report, str(asked.output), asked.quiet, asked.json, _profile(asked, report))
        return 0
    if asked.smart:
        raise OutputError("--smart copies into one file; use it with -o, not with --clips")
    if asked.format or asked.matte not in (None, Path()):
        raise OutputError("--clips writes each stretch in its clip's own format, mattes beside; drop --format and FILE")
    target = asked.clips / document.returned_name
    if target.exists():
        check_output(target, asked.force)
    with watched(asked) as progress:
        relinked, report = verbs.render_stretches(
            document, asked.clips, settings, matte=asked.matte is not None, registry=registry, progress=progress
        )
    tell_losses(relinked.save(target))
    tell(report, str(target), asked.quiet, asked.json, _profile(asked, report))
    return 0


def _profile(asked: argparse.Namespace, report: Report) -> dict[str, object]:
    """Where the time went, where that is asked for: printed as a table, or for JSON as seconds by step."""
    from lp_editor.cli.progress import print_costs

    if not asked.profile:
        return {}
    if not asked.json:
        print_costs(report)
    steps = {name: {"seconds": round(s.seconds, 4), "times": s.times} for name, s in report.profile.steps.items()}
    return {"profile": steps, "seconds": round(report.profile.seconds, 3)}
