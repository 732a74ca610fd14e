"""The command line: a thin layer over `lp_editor.verbs`. Errors of the user end with one sentence and exit code 2."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from lp_editor.cli.plain import plain_streams
from lp_editor.errors import LpEditorError, nearest

USER_ERROR, STOPPED, BUG = 2, 130, 1
"""Exit codes."""


class Parser(argparse.ArgumentParser):
    """A parser whose help keeps its examples as they are written, and whose unknown words come with the nearest."""

    def __init__(self, **settings: object) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **settings)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """One sentence and where help is, exit code 2."""
        self.exit(USER_ERROR, f"{self.prog}: {message}{_near(message)}\ntry: {self.prog} --help\n")


def _near(message: str) -> str:
    """``; did you mean …?`` where argparse names a choice it does not have and one like it."""
    wrong, sign, choices = message.partition("(choose from ")
    found = re.search(r"invalid choice: '?([^' ]+)'?", wrong)
    if not (sign and found):
        return ""
    near = nearest(found[1], re.findall(r"[\w-]+", choices))
    return f"; did you mean {near}?" if near else ""


def parser() -> Parser:
    """The whole command line."""
    from lp_editor import __version__
    from lp_editor.cli import (
        cache,
        catalogue,
        demo,
        editing,
        farm,
        hosts,
        models,
        people,
        performing,
        project,
        provenance,
        rendering,
        serve,
        speech,
    )

    top = Parser(
        prog="lp-editor",
        description="Edit faces on a timeline: mark stretches of clips, render them, get the same cut back.",
        epilog="examples:\n  lp-editor demo --out demo\n  lp-editor inspect cut.otio\n"
        "  lp-editor mark cut.otio --at 2s --for 1s expression smile=0.6\n  lp-editor render cut.otio -o finished.mp4\n",
    )
    top.add_argument("--version", action="version", version=f"lp-editor {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for module in (
        demo,
        project,
        editing,
        rendering,
        farm,
        provenance,
        hosts,
        serve,
        people,
        performing,
        speech,
        catalogue,
        models,
        cache,
    ):
        module.add(commands)
    return top


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line taken apart; words may stand before, between and behind options."""
    top = parser()
    asked, rest = top.parse_known_args(arguments)
    unknown = [word for word in rest if word.startswith("--") or not hasattr(asked, "words")]
    if unknown:
        top.error(f"{asked.command} does not know {' '.join(unknown)}")
    if rest:
        asked.words = [*asked.words, *rest]
    return asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Whatever names it prints, a terminal is sent nothing but text."""
    with plain_streams():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    try:
        try:
            asked = parsed(arguments)
        except SystemExit as stop:
            return int(stop.code or 0)
        code: int = asked.run(asked)
        sys.stdout.flush()  # here, where a reader that has gone is no error
        return code
    except LpEditorError as error:
        print(f"lp-editor: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("\nlp-editor: stopped; run the same command again to go on from there", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("LP_EDITOR_DEBUG"):
            raise
        print(
            f"lp-editor: this is our mistake, not yours: {type(error).__name__}: {error}\n"
            "please report it with what LP_EDITOR_DEBUG=1 prints",
            file=sys.stderr,
        )
        return BUG
