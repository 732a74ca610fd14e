"""``copy``, ``paste``, ``curves``: marks taken from clip to clip, and drawn. None of them needs media."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from lp_editor.cli.catalogue import installed
from lp_editor.cli.project import add_source, opened
from lp_editor.errors import OutputError, ParamError, ProjectError

CLIPBOARD = "clipboard.json"
"""Where ``copy`` keeps marks between two commands, in the cache folder."""


def add(commands: Any) -> None:
    """Add the commands."""
    copy = commands.add_parser(
        "copy", help="copy marks of a clip, to paste them on another",
        epilog="examples:\n  lp-editor copy cut.otio s1 s2\n  lp-editor copy cut.otio --clip A003\n"
        "  lp-editor copy cut.otio --clip A003 -o warm-close-up.json\n",
    )  # fmt: skip
    add_source(copy)
    copy.add_argument("segments", nargs="*", metavar="ID", help="the ids of segments of one clip")
    copy.add_argument("--clip", help="every segment of this clip")
    copy.add_argument("-o", "--output", type=Path, metavar="FILE", help="keep them in a file instead")
    copy.add_argument("--force", action="store_true", help="overwrite that file")
    copy.set_defaults(run=_copy)
    paste = commands.add_parser(
        "paste", help="paste copied marks on a clip, of this project or another",
        description="Every mark lies as far from the clip's first visible frame as it did where it was copied, or from\n"
        "--at on, and lasts as long. Keys, ease and face stay what they were; undo takes it back.",
        epilog="examples:\n  lp-editor paste cut.otio --clip A004\n  lp-editor paste other.otio --clip V1/3 --at 12f --face 2\n"
        "  lp-editor paste cut.otio --clip A004 --from warm-close-up.json\n",
    )  # fmt: skip
    add_source(paste)
    paste.add_argument("--clip", required=True, help="name, place (V1/3) or id")
    paste.add_argument("--at", metavar="TIME", help="where the first of them starts, as for mark")
    paste.add_argument("--face", help="whose face, as for mark; that of the copied marks without it")
    paste.add_argument("--from", dest="file", type=Path, metavar="FILE", help="a file that copy -o wrote")
    paste.set_defaults(run=_paste)
    curves = commands.add_parser(
        "curves", help="draw the curves of a clip's marks, with their keys, as SVG",
        epilog="examples:\n  lp-editor curves cut.otio --clip A003 -o curves.svg\n",
    )  # fmt: skip
    add_source(curves)
    curves.add_argument("--clip", help="name, place (V1/3) or id; the marked one, if there is only one")
    curves.add_argument("-o", "--output", type=Path, required=True, metavar="SVG", help="the file to write")
    curves.add_argument("--force", action="store_true", help="overwrite it")
    curves.set_defaults(run=_curves)


def _clipboard() -> Path:
    from lp_editor.render.stores import cache_folder

    return cache_folder() / CLIPBOARD


def _copy(asked: argparse.Namespace) -> int:
    from lp_editor import verbs
    from lp_editor.files import make_folder, write_bytes
    from lp_editor.render.program import check_output
    from lp_editor.timeline.clipboard import to_text

    if bool(asked.segments) == bool(asked.clip):
        raise ParamError("say what to copy: the ids of segments, or --clip; `inspect` lists them")
    segments = verbs.copy(opened(asked), *asked.segments, clip=asked.clip)
    target = asked.output or _clipboard()
    if asked.output:
        check_output(asked.output, asked.force)
    make_folder(target.absolute().parent)
    write_bytes(target, to_text(segments).encode())
    print(f"copied {', '.join(f'{s.id} {s.effect}' for s in segments)}")
    return 0


def _paste(asked: argparse.Namespace) -> int:
    from lp_editor import verbs
    from lp_editor.cli.project import hint, tell_losses
    from lp_editor.summary import segment_text
    from lp_editor.timeline.clipboard import from_text
    from lp_editor.timeline.find import find_clip

    source = asked.file or _clipboard()
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError:
        named = f"there is no file {source}" if asked.file else "nothing was copied yet"
        raise ProjectError(f"{named}; copy some marks first: lp-editor copy PROJECT ID") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{source} cannot be read ({error}); copy the marks again") from None
    where = str(asked.file) if asked.file else "the clipboard"
    pasted = verbs.paste(
        opened(asked), from_text(text, where), clip=asked.clip, at=asked.at, face=asked.face, registry=installed()
    )
    for note in pasted.notes:
        print(f"note: {note}", file=sys.stderr)
    tell_losses(pasted.document.save())
    clip = find_clip(pasted.document.project, asked.clip)
    for segment in pasted.segments:
        print(f"pasted on {clip.name} ({clip.place}): {segment_text(segment, clip)}")
    hint(asked.project)
    return 0


def _curves(asked: argparse.Namespace) -> int:
    from lp_editor.curves import drawn
    from lp_editor.files import write_bytes
    from lp_editor.render.program import check_output
    from lp_editor.timeline.find import find_clip

    if asked.output.suffix.lower() != ".svg":
        raise OutputError(f"curves are drawn as .svg, not {asked.output}")
    check_output(asked.output, asked.force)
    project = opened(asked).project
    marked = [clip for clip in project.clips() if clip.segments]
    if asked.clip is None and len(marked) != 1:
        names = ", ".join(f"{c.name} ({c.place})" for c in marked) or "no clip is marked"
        raise ParamError(f"say which clip: --clip NAME; {names}")
    clip = find_clip(project, asked.clip) if asked.clip else marked[0]
    write_bytes(asked.output, drawn(project, clip, installed()).encode())
    print(f"drew {len(clip.segments)} marks of {clip.name} ({clip.place}) into {asked.output}")
    return 0
