"""``watch``, ``install``: beside an editing application, and inside it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from lp_editor.cli.rendering import add_common, add_return, settings_of
from lp_editor.errors import OutputError


def add(commands: Any) -> None:
    """Add the commands."""
    watch = commands.add_parser(
        "watch", help="render every project that is dropped into a folder",
        description="Takes every project there and back, as roundtrip does: of CUT.otio the folder CUT.lp holds the result, or\n"
        "CUT.otio.error.txt says why there is none. A project is taken when it has stood still for a few seconds;\n"
        "one that changes later is done again, into another folder (CUT.2.lp). Ctrl-C ends it.",
        epilog="examples:\n  lp-editor watch ~/exchange\n  lp-editor watch ~/exchange --for premiere --codec prores\n"
        "  lp-editor watch ~/exchange --once\n",
    )  # fmt: skip
    watch.add_argument("folder", type=Path)
    watch.add_argument(
        "--media", type=Path, metavar="DIR", action="append", default=[], help="also look for media here"
    )
    watch.add_argument("--rate", metavar="FPS", help="frames per second of edit lists, which say none")
    watch.add_argument("--once", action="store_true", help="do what lies there now, and end")
    watch.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="how often to look; 2")
    add_return(watch)
    add_common(watch)
    watch.set_defaults(run=_watch)
    install = commands.add_parser(
        "install", help="put our scripts or our panel into an editing application",
        description="resolve: two entries under Workspace > Scripts, which render the marks of the current timeline\n"
        "into a duplicate of it: as takes of their clips, or on a track above.\n"
        "premiere: a panel under Window > UXP Plugins (25.6 and later), which marks and renders the active sequence\n"
        "through lp-editor serve. With --folder for the UXP Developer Tool: Add Plugin, its manifest.json, Load.",
        epilog="examples:\n  lp-editor install resolve\n  lp-editor install resolve --uninstall\n"
        "  lp-editor install premiere\n  lp-editor install premiere --folder panel\n",
    )  # fmt: skip
    install.add_argument("application", choices=("resolve", "premiere"))
    install.add_argument("--uninstall", action="store_true", help="take them away again")
    install.add_argument("--folder", type=Path, metavar="DIR", help="where to; where the application looks, without")
    install.set_defaults(run=_install)


def _install(asked: argparse.Namespace) -> int:
    files = _resolve(asked) if asked.application == "resolve" else _premiere(asked)
    for path in files:
        print(path)
    if asked.uninstall and not files:
        print("nothing of ours lies there", file=sys.stderr)
    if asked.application == "premiere" and not asked.uninstall:
        how = "load its manifest.json in the UXP Developer Tool" if asked.folder else "start Premiere anew"
        print(f"{how}; the panel is Window > UXP Plugins > lp-editor; it needs lp-editor serve running", file=sys.stderr)
    return 0


def _resolve(asked: argparse.Namespace) -> list[Path]:
    from lp_editor.hosts.install import install_resolve, resolve_folder, uninstall_resolve

    folder = asked.folder or resolve_folder(sys.platform, Path.home(), os.environ)
    return uninstall_resolve(folder) if asked.uninstall else install_resolve(folder)


def _premiere(asked: argparse.Namespace) -> list[Path]:
    from lp_editor.hosts import install

    if asked.folder:
        return install.delete_panel(asked.folder) if asked.uninstall else install.copy_panel(asked.folder)
    adobe = install.adobe_folder(sys.platform, Path.home(), os.environ)
    return install.uninstall_premiere(adobe) if asked.uninstall else install.install_premiere(adobe)


def _watch(asked: argparse.Namespace) -> int:
    from lp_editor.hosts.watch import Watch

    if asked.every <= 0:
        raise OutputError(f"--every takes more than 0 seconds, got {asked.every:g}")
    settings = settings_of(asked)

    def convert(path: Path, folder: Path) -> str:
        return _converted(path, folder, asked, settings)

    watch = Watch(asked.folder, convert, lambda line: print(line, flush=True))
    if asked.once:
        watch.once()
        return 0
    print(f"watching {asked.folder}; Ctrl-C ends it", flush=True)
    watch.run(asked.every)
    return 0


def _converted(path: Path, folder: Path, asked: argparse.Namespace, settings: Any) -> str:
    """Take one project there and back; what to tell of it."""
    from lp_editor import verbs
    from lp_editor.cli.catalogue import installed
    from lp_editor.cli.progress import shown

    registry = installed()
    document = verbs.open_project(path, media=asked.media, rate=asked.rate, registry=registry)
    with shown(asked.quiet, False) as progress:
        made = verbs.roundtrip(
            document, folder, settings, flavour=asked.flavour or "", above=asked.mode == "above", registry=registry,
            progress=progress,
        )  # fmt: skip
    for line in (*document.notes, *made.report.notes, *(f"lost: {loss}" for loss in made.document.losses)):
        print(f"{path.name}: {line}", file=sys.stderr)
    return f"{made.report.frames} frames, {made.path}"
