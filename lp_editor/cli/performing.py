"""``animate``: a photograph follows a performance. ``template``: a performance is recorded."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from lp_editor.cli.project import params_of
from lp_editor.cli.rendering import add_common, add_delivery, settings_of


def add(commands: Any) -> None:
    """Add the commands."""
    animate = commands.add_parser(
        "animate", help="let a photograph (or a film) follow a performance",
        description="Makes a living clip of a photograph: its face follows a driver, a film, a picture, a motion template\n"
        "(.pkl, .npz) or a Live Link Face recording (.csv). In a group each face may follow another driver.",
        epilog="examples:\n  lp-editor animate portrait.jpg --driver talk.mp4 -o alive.mp4\n"
        "  lp-editor animate portrait.jpg --driver talk.mp4 -o alive.mp4 regions=expression strength=0.8\n"
        "  lp-editor animate family.jpg --driver 1=anna.mp4 --driver 2=ben.mp4 -o family.mp4\n"
        "  lp-editor animate family.jpg --driver like:anna.jpg=anna.mp4 -o family.mp4 --project family.otio\n"
        "\nkey=value are parameters of the effect performance: lp-editor effects performance\n",
    )  # fmt: skip
    animate.add_argument("picture", type=Path, help="a photograph, a painting, or a film")
    animate.add_argument(
        "--driver", action="append", required=True, metavar="[FACE=]FILE",
        help="what leads, and which face follows: largest (unless told), 1 from the left, id:N, at:X,Y, like:FILE",
    )  # fmt: skip
    animate.add_argument("-o", "--output", type=Path, required=True, help="the clip (.mp4, .mov, .mkv)")
    animate.add_argument("--length", metavar="TIME", help="how long; as the longest driver without it")
    animate.add_argument("--rate", metavar="FPS", help="frames per second; the first driver's without it")
    animate.add_argument("--no-sound", action="store_true", help="leave the first driver's sound out")
    animate.add_argument(
        "--project", type=Path, metavar="OTIO", help="also keep the project, to go on editing what the face does"
    )
    add_delivery(animate)
    animate.add_argument("--format", metavar="WxH", help="size of the output; without it that of the picture")
    animate.add_argument("--workers", type=int, metavar="N", help="how many chunks at a time; a core each by default")
    animate.add_argument("--json", action="store_true", help="progress and report as lines of JSON")
    add_common(animate)
    animate.add_argument("words", nargs="*", metavar="key=value", help="parameters of the performance")
    animate.set_defaults(run=_animate)
    template = commands.add_parser(
        "template", help="record the performance of a film as a motion template",
        description="Stores what a face does in a film as a small .npz that drives other faces without the film. It always\n"
        "holds blendshapes and head turns; with the weights of the engine liveportrait its full motions too.",
        epilog="examples:\n  lp-editor template talk.mp4 -o talk.npz\n  lp-editor template duo.mp4 --face 2 -o ben.npz\n"
        "  lp-editor animate portrait.jpg --driver talk.npz -o alive.mp4\n",
    )  # fmt: skip
    template.add_argument("video", type=Path, help="a film of a face")
    template.add_argument("-o", "--output", type=Path, required=True, metavar="NPZ", help="the template")
    template.add_argument(
        "--face", default="largest", help="which face: largest, 1 from the left, id:N, at:X,Y, like:FILE"
    )
    add_common(template)
    template.set_defaults(run=_template)


def _animate(asked: argparse.Namespace) -> int:
    from lp_editor import performing
    from lp_editor.cli.catalogue import installed
    from lp_editor.cli.progress import shown, tell
    from lp_editor.render.program import check_output

    registry = installed()
    seconds, rate = performing.length_and_rate(asked.length, asked.rate)
    check_output(asked.output, asked.force)
    if asked.project is not None:
        performing.check_project(asked.project, asked.force)
    document = performing.living(
        asked.picture, [performing.Lead.parse(text) for text in asked.driver], dict(params_of(asked.words)), registry,
        seconds=seconds, rate=rate, sound=not asked.no_sound, path=asked.project,
    )  # fmt: skip
    if asked.project is not None:
        document.save()
    with shown(asked.quiet, asked.json) as progress:
        report = performing.animate(document, asked.output, settings_of(asked), registry, progress)
    tell(report, str(asked.output), asked.quiet, asked.json, {})
    return 0


def _template(asked: argparse.Namespace) -> int:
    from lp_editor import performing
    from lp_editor.cli.catalogue import installed
    from lp_editor.cli.progress import shown

    with shown(asked.quiet, False) as progress:
        made = performing.record(asked.video, asked.output, installed(), settings_of(asked), asked.face, progress)
    if made.lost:
        print(f"note: no face on {made.lost} frames; there the last one is held", file=sys.stderr)
    count, rate = len(made.recording), float(made.recording.rate)
    held = "blendshapes, head turns and the motions of liveportrait" if made.engine else (
        "blendshapes and head turns; the full motions need the weights of liveportrait (lp-editor models pull)"
    )  # fmt: skip
    print(f"{asked.output}: {count} frames at {rate:g} a second, {held}")
    return 0
