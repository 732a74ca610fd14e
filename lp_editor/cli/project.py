"""``inspect``, ``mark``, ``unmark``, ``key``, ``undo``: looking at a project and marking it. None of them needs media."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from lp_editor.cli.catalogue import installed, plain_table, show
from lp_editor.errors import FaceError, MediaError, OutputError, ParamError
from lp_editor.timeline.curve import INTERPOLATIONS
from lp_editor.timeline.document import Document
from lp_editor.timeline.model import Clip, Joint, Segment

TIMES = """TIME is seconds (2s), frames (12f) or timecode (01:00:02:00; a ; before the frames is drop frame).
Without --clip, --at is record time and means the topmost clip there. With it, seconds and frames count from the
clip's first visible frame and timecode is source timecode; put @rec behind it for record timecode.
"""


def add(commands: Any) -> None:
    """Add the commands."""
    _add_inspect(commands)
    _add_mark(commands)
    _add_unmark(commands)
    _add_key(commands)
    undo = commands.add_parser(
        "undo", help="take back the last change of a project", epilog="example:\n  lp-editor undo cut.otio\n"
    )
    undo.add_argument("project", type=Path)
    undo.set_defaults(run=_undo)


def add_source(command: argparse.ArgumentParser, shown_as: str = "project") -> None:
    """The options that say how a project is to be read."""
    command.add_argument(
        "project", type=Path, metavar=shown_as, help="an .otio, .otioz, .otiod, .xml, .fcpxml, .fcpxmld, .edl or .aaf"
    )
    command.add_argument("--sequence", metavar="NAME", help="which sequence of the file (name or number); the first")
    command.add_argument(
        "--media", type=Path, metavar="DIR", action="append", default=[], help="also look for media here"
    )
    command.add_argument("--rate", metavar="FPS", help="frames per second of an edit list, which says none")


def opened(asked: argparse.Namespace) -> Document:
    """The project that is asked for; what could not be taken over is told on the error stream."""
    from lp_editor import verbs

    document = verbs.open_project(
        asked.project, sequence=asked.sequence, media=asked.media, rate=asked.rate, registry=installed()
    )
    if len(document.sequences) > 1 and asked.sequence is None:
        others = ", ".join(document.sequences[1:])
        print(f"note: this is {document.source.name!r}; --sequence picks another: {others}", file=sys.stderr)
    for note in document.notes:
        print(f"note: {note}", file=sys.stderr)
    return document


def tell_losses(document: Document) -> None:
    """Tell on the error stream what the file that was written cannot say."""
    for line in document.losses:
        print(f"lost: {line}", file=sys.stderr)


def _add_inspect(commands: Any) -> None:
    command = commands.add_parser(
        "inspect", help="show tracks, clips, media and marks",
        epilog="examples:\n  lp-editor inspect cut.otio\n  lp-editor inspect cut.otio --json\n",
    )  # fmt: skip
    add_source(command)
    command.add_argument("--json", action="store_true", help="print JSON (schema: docs/formats.md)")
    command.set_defaults(run=_inspect)


def _add_mark(commands: Any) -> None:
    command = commands.add_parser(
        "mark", help="mark a stretch of a clip, or a cut, with an effect", description=TIMES,
        epilog="examples:\n  lp-editor mark cut.otio --at 2s --for 1s expression smile=0.6\n"
        "  lp-editor mark cut.otio --clip A003 --at 12f --for 2s expression smile=0@0,0.7@10f:smooth,0@2s ease=0\n"
        "  lp-editor mark cut.otio --clip V1/3 preset=warm-smile\n"
        "  lp-editor mark cut.otio --at 4s --for 8f stitch\n"
        "  lp-editor mark cut.otio --propose stitch\n"
        "  lp-editor mark cut.otio --clip A003 --for 8f bridge\n"
        "  lp-editor mark cut.otio --clip A003 gaze contact=1\n"
        "  lp-editor mark cut.otio --clip A003 --propose gaze\n"
        "  lp-editor mark cut.otio --clip A003 enhance deflicker=0.8 denoise=0.3\n"
        "  lp-editor mark cut.otio --clip A003 performance driver=talk.mp4 regions=lips,brows\n"
        "  lp-editor mark cut.otio --clip A003 lip_sync sound=dub.wav text=dub.txt\n"
        "  lp-editor mark cut.otio --clip A003 lip_sync text='Never again.' --voice\n"
        "  lp-editor mark cut.otio --everywhere face=like:anna.jpg expression smile=0.3\n"
        "\nease=12f (or ease=6f,12f, in and out) and face=… go with every effect. A face is\n"
        "'largest' (unless told), a number from the left of the picture (face=2), an id that lp-editor faces lists\n"
        "(face=id:3), the nearest to a place (face=at:0.7,0.4) or like a picture (face=like:anna.jpg).\n",
    )  # fmt: skip
    add_source(command)
    command.add_argument("--clip", help="name, place (V1/3) or id; of a joint, the clip before the cut")
    command.add_argument("--at", metavar="TIME", help="where it starts")
    command.add_argument("--for", dest="length", metavar="TIME", help="how long; to the clip's end without it")
    command.add_argument("-o", "--output", type=Path, help="write another file instead of the project itself")
    command.add_argument(
        "--force", action="store_true", help="overwrite the file of -o; a joint: over a dissolve, between two people"
    )  # fmt: skip
    command.add_argument(
        "--everywhere", action="store_true", help="mark every clip that shows the person of face=…, whole; needs the media"
    )  # fmt: skip
    command.add_argument("--propose", action="store_true", help="let the effect find where it applies in --clip (joints: anywhere)")
    command.add_argument("--json", action="store_true", help="print what was marked as JSON")
    command.add_argument("--later", action="store_true", help="lip_sync: make the keys only when it is rendered")
    command.add_argument(
        "--voice", nargs="?", const="", metavar="NAME", help="lip_sync: espeak-ng says text=…, in this voice of its"
    )
    command.add_argument("words", nargs="*", metavar="EFFECT key=value", help="effect, then parameters")
    command.set_defaults(run=_mark)


def _add_unmark(commands: Any) -> None:
    command = commands.add_parser(
        "unmark", help="take marks away",
        epilog="examples:\n  lp-editor unmark cut.otio s2\n  lp-editor unmark cut.otio --clip A003\n"
        "  lp-editor unmark cut.otio --all\n",
    )  # fmt: skip
    add_source(command)
    command.add_argument("segment", nargs="?", help="the id of a segment or joint")
    command.add_argument("--clip", help="all marks of a clip")
    command.add_argument("--at", metavar="TIME", help="all marks of the clip at this record time")
    command.add_argument("--all", action="store_true", help="every mark of the project")
    command.set_defaults(run=_unmark)


def _add_key(commands: Any) -> None:
    command = commands.add_parser(
        "key", help="set, move or delete a key of a parameter",
        epilog="examples (times count from the segment's start):\n"
        "  lp-editor key cut.otio s1 smile set --at 10f 0.7 --as smooth\n"
        "  lp-editor key cut.otio s1 smile move --at 10f --to 15f\n"
        "  lp-editor key cut.otio s1 smile delete --at 15f\n",
    )  # fmt: skip
    add_source(command)
    command.add_argument("segment", help="the id of the segment")
    command.add_argument("param", help="the parameter")
    command.add_argument("action", choices=("set", "move", "delete"))
    command.add_argument("words", nargs="*", metavar="VALUE", help="the value to set")
    command.add_argument("--at", required=True, metavar="TIME", help="the key's time")
    command.add_argument("--to", metavar="TIME", help="where to move it")
    command.add_argument("--as", dest="interpolation", default="linear", choices=INTERPOLATIONS, help="to the next key")
    command.set_defaults(run=_key)


def _inspect(asked: argparse.Namespace) -> int:
    from lp_editor.summary import found, overlaps, segment_text, summary
    from lp_editor.timeline.timecode import rate_text, timecode

    document = opened(asked)
    project = document.project
    if asked.json:
        print(json.dumps(summary(document), indent=2))
        return 0
    start, end = (
        timecode(t, project.rate, project.drop_frame) for t in (project.start, project.start + project.duration)
    )
    for number, name in enumerate(document.sequences, 1) if len(document.sequences) > 1 else ():
        print(f"sequence {number}: {name}{' (this one)' if name == document.source.name else ''}")
    print(f"{project.name}: {rate_text(project.rate)} fps, {start} to {end}, {len(project.tracks)} tracks")
    table = plain_table("place", "clip", "id", "record", "length", "source", "media", "marks")
    for clip in project.clips():
        media = clip.media.kind if clip.media.kind in ("missing", "generator") else clip.media.name
        state = "" if clip.media.kind == "generator" or found(clip.media) else " (missing)"
        marks = [segment_text(s, clip) for s in clip.segments]
        marks += [f"{clip.joint.id} {clip.joint.effect} into the next clip"] if clip.joint else []
        table.add_row(
            clip.place, clip.name + ("" if clip.enabled else " (off)"), clip.id,
            timecode(clip.record.start + project.start, project.rate, project.drop_frame),
            f"{float(clip.record.duration * project.rate):g}f",
            timecode(clip.source.start, clip.rate) + ("" if clip.speed == 1 else f" ×{float(clip.speed):g}"),
            media + state, "\n".join(marks),
        )  # fmt: skip
    show(table)
    for clip in project.clips():
        for one in overlaps(clip):
            first, stop = (
                timecode(t + project.start, project.rate, project.drop_frame) for t in (one.span.start, one.span.stop)
            )
            names = " and ".join(f"{s.id} {s.effect}" for s in one.segments)
            print(f"overlap on {clip.name} ({clip.place}): {names}, {first} to {stop}, rendered once")
    return 0


def params_of(words: list[str]) -> dict[str, str]:
    """Parameters from the words of the command line, where no effect is named."""
    effect, params = _words(words)
    if effect:
        raise ParamError(f"parameters are key=value, got {effect!r}")
    return params


def _words(words: list[str]) -> tuple[str, dict[str, str]]:
    """The effect and its parameters from the words of the command line."""
    effect, params = "", {}
    for word in words:
        name, sign, value = word.partition("=")
        if sign:
            if name in params:
                raise ParamError(f"{name} is given twice")
            params[name] = value
        elif effect:
            raise ParamError(f"parameters are key=value, got {word!r} after the effect {effect!r}")
        else:
            effect = word
    return effect, params


def _mark(asked: argparse.Namespace) -> int:
    from lp_editor import verbs
    from lp_editor.summary import mark_text
    from lp_editor.timeline.metadata import joint_to_json, segment_to_json

    effect, params = _words(asked.words)
    if asked.voice is not None:
        params = {**params, "voice": asked.voice or str(params.get("language", "en-us"))}
    _check_target(asked)
    document = opened(asked)
    if asked.everywhere:
        return _everywhere(asked, document, effect, params)
    if asked.propose:
        return _propose(asked, document, effect)
    made = verbs.mark(
        document, effect, clip=asked.clip, at=asked.at, length=asked.length, params=params, force=asked.force,
        registry=installed(),
    )  # fmt: skip
    document, clip, mark = _with_keys(asked, made.document, made.clip, made.mark)
    tell_losses(verbs.save(document, asked.output))
    if asked.json:
        stored = segment_to_json(mark) if isinstance(mark, Segment) else joint_to_json(mark)
        print(json.dumps({"clip": _named(clip), "mark": stored}))
        return 0
    print(f"marked {clip.name} ({clip.place}): {mark_text(mark, clip, document.project.rate)}")
    hint(asked.project, asked.output)
    return 0


def _everywhere(asked: argparse.Namespace, document: Document, effect: str, params: dict[str, str]) -> int:
    from lp_editor import verbs
    from lp_editor.cli.progress import shown
    from lp_editor.people import mark_everywhere
    from lp_editor.render.stores import cache_folder
    from lp_editor.summary import segment_text
    from lp_editor.timeline.metadata import segment_to_json

    if asked.clip or asked.at or asked.length or asked.propose:
        raise ParamError("--everywhere marks whole clips; leave out --clip, --at, --for and --propose")
    with shown(asked.json, False) as progress:
        made = mark_everywhere(document, effect, params, installed(), cache_folder() / "faces", progress)
    changed, marks = made.document, []
    for clip, segment in made.marks:
        changed, _, mark = _with_keys(asked, changed, clip, segment)
        assert isinstance(mark, Segment)
        marks.append((clip, mark))
    tell_losses(verbs.save(changed, asked.output))
    if asked.json:
        told = [{"clip": _named(clip), "mark": segment_to_json(mark)} for clip, mark in marks]
        print(json.dumps({"marks": told, "without": [{"clip": _named(c), "why": why} for c, why in made.unseen]}))
        return 0
    for clip, mark in marks:
        print(f"marked {clip.name} ({clip.place}): {segment_text(mark, clip)}")
    for clip, why in made.unseen:
        print(f"not marked {clip.name} ({clip.place}): {why}")
    hint(asked.project, asked.output)
    return 0


def _named(clip: Clip) -> dict[str, str]:
    return {"name": clip.name, "id": clip.id, "place": clip.place}


def _with_keys(
    asked: argparse.Namespace, document: Document, clip: Clip, mark: Segment | Joint
) -> tuple[Document, Clip, Segment | Joint]:  # fmt: skip
    """The mark with the keys that its effect works out from the sound, unless they are to wait for the render; a joint
    without a length as long as its faces need."""
    if asked.later:
        return document, clip, mark
    from lp_editor import verbs
    from lp_editor.timeline.find import find_segment

    if isinstance(mark, Joint):
        return _with_length(asked, document, clip, mark)

    try:
        document, notes = verbs.key_by_scene(document, mark.id, registry=installed())
    except MediaError as error:
        notes = [f"{error}; the keys are made when it is rendered"]
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    clip = find_segment(document.project, mark.id)
    return document, clip, next(s for s in clip.segments if s.id == mark.id)


def _with_length(
    asked: argparse.Namespace, document: Document, clip: Clip, joint: Joint
) -> tuple[Document, Clip, Joint]:  # fmt: skip
    """A joint as long as its faces need, where no length was said and its media are at hand."""
    from lp_editor import verbs
    from lp_editor.cli.progress import shown
    from lp_editor.timeline.find import find_clip

    if asked.length is None:
        with suppress(FaceError, MediaError), shown(asked.json, False) as progress:
            document = verbs.fit_joint(document, joint.id, registry=installed(), progress=progress)
        clip = find_clip(document.project, clip.place)
        joint = clip.joint or joint
    return document, clip, joint


def _check_target(asked: argparse.Namespace) -> None:
    """Refuse another file for the project that is there already, or that could not be opened again."""
    if asked.output is None or asked.output.absolute() == asked.project.absolute():
        return
    from lp_editor.render.program import check_output
    from lp_editor.timeline.document import SUFFIXES

    if asked.output.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{asked.output}: a project is written as {', '.join(SUFFIXES)}")
    check_output(asked.output, asked.force)


def _propose(asked: argparse.Namespace, document: Document, effect: str) -> int:
    from lp_editor import verbs
    from lp_editor.cli.progress import shown
    from lp_editor.summary import mark_text
    from lp_editor.timeline.find import find_segment

    if not effect:
        raise ParamError("--propose goes with an effect")
    with shown(asked.json, False) as progress:
        changed, segments = verbs.propose(document, effect, clip=asked.clip, registry=installed(), progress=progress)
    for mark in segments:
        clip = find_segment(changed.project, mark.id)
        print(f"marked {clip.name} ({clip.place}): {mark_text(mark, clip, document.project.rate)}")
    if segments:
        tell_losses(verbs.save(changed, asked.output))
        hint(asked.project, asked.output)
    else:
        print(f"{effect} finds nothing to mark in {asked.clip or document.project.name}")
    return 0


def hint(project: Path, output: Path | None = None) -> None:
    """Tell how a change of a project is taken back."""
    if output is None:
        name = f'"{project}"' if " " in str(project) else project
        print(f"take it back with: lp-editor undo {name}")


def _unmark(asked: argparse.Namespace) -> int:
    from lp_editor import verbs

    if not (asked.segment or asked.clip or asked.at or asked.all):
        raise ParamError("say which marks: an id, --clip, --at or --all; `inspect` lists them")
    document = opened(asked)
    changed, gone = verbs.unmark(document, segment=asked.segment, clip=asked.clip, at=asked.at)
    changed.save()
    print(f"unmarked {', '.join(gone)}")
    hint(asked.project)
    return 0


def _key(asked: argparse.Namespace) -> int:
    from lp_editor import verbs

    document = opened(asked)
    changed = _keyed(verbs, document, asked)
    changed.save()
    print(f"{asked.action} {asked.segment} {asked.param} at {asked.at}")
    hint(asked.project)
    return 0


def _keyed(verbs: Any, document: Document, asked: argparse.Namespace) -> Document:
    made: Document
    if asked.action == "set":
        value = _the_value(asked.words)
        made = verbs.set_key(document, asked.segment, asked.param, asked.at, value, asked.interpolation)
    elif asked.action == "move":
        if asked.to is None:
            raise ParamError("say where to move the key: --to TIME")
        made = verbs.move_key(document, asked.segment, asked.param, asked.at, asked.to)
    else:
        made = verbs.delete_key(document, asked.segment, asked.param, asked.at)
    return made


def _the_value(words: list[str]) -> float:
    try:
        (word,) = words
        return float(word)
    except ValueError:
        raise ParamError(f"set takes one number: … set --at TIME VALUE; got {' '.join(words) or 'none'}") from None


def _undo(asked: argparse.Namespace) -> int:
    from lp_editor.timeline.document import undo

    left = undo(asked.project)
    print(f"took back the last change of {asked.project}; {left} more can be")
    return 0
