"""``serve``: the local service that panels inside editing applications render through."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from lp_editor.errors import OutputError


def add(commands: Any) -> None:
    """Add the command."""
    serve = commands.add_parser(
        "serve", help="render for a panel inside an editing application (Premiere)",
        description="Waits on 127.0.0.1 for what the panel in Premiere asks for; put it there with\n"
        "lp-editor install premiere. The panel finds the service by itself: its address and the token of this\n"
        "start lie in .lp-editor/service.json in your home folder, which only you can read. Ctrl-C ends it.",
        epilog="examples:\n  lp-editor serve\n  lp-editor serve --folder /renders --engine liveportrait --device cuda\n",
    )  # fmt: skip
    serve.add_argument(
        "--folder", type=Path, metavar="DIR",
        help="where exports and renders lie; lp-editor in your home folder, or LP_EDITOR_RENDERS, without",
    )  # fmt: skip
    serve.add_argument("--port", type=int, metavar="N", help="the panel reaches 47231 to 47233 only; the first free one")
    serve.add_argument(
        "--origin", metavar="TEXT", action="append", default=[], help="let requests in that name this as their origin"
    )
    serve.add_argument("--media", type=Path, metavar="DIR", action="append", default=[], help="also look for media here")
    serve.add_argument("--engine", default="auto", metavar="NAME", help="auto, liveportrait or mesh")
    serve.add_argument("--device", default="cpu", help="where the engine runs: cpu, cuda, openvino, …")
    serve.set_defaults(run=_serve)


def _serve(asked: argparse.Namespace) -> int:
    from lp_editor import __version__
    from lp_editor.cli.catalogue import installed
    from lp_editor.files import make_folder
    from lp_editor.hosts.jobs import Jobs
    from lp_editor.hosts.service import PORTS, Key, Service, bound, key_path

    if asked.port is not None and not 0 <= asked.port < 65536:
        raise OutputError(f"--port takes 0 to 65535, got {asked.port}")
    folder = (asked.folder or Path(os.environ.get("LP_EDITOR_RENDERS") or Path.home() / "lp-editor")).absolute()
    make_folder(folder)
    options = ["--engine", asked.engine, "--device", asked.device]
    options += [word for media in asked.media for word in ("--media", str(media.absolute()))]
    jobs = Jobs([sys.executable, "-m", "lp_editor"])
    key = Key(key_path(Path.home()))
    service = Service(folder, jobs, installed(), __version__, options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what is running ends and the key goes
    try:
        server = bound(service, key.token, PORTS if asked.port is None else (asked.port,), asked.origin, _tell)
        try:
            key.put(server.port, __version__)
            print(f"waiting at http://127.0.0.1:{server.port}; renders go to {folder}; Ctrl-C ends it", flush=True)
            print(f"should the panel not find it, paste there: http://127.0.0.1:{server.port}#{key.token}", flush=True)
            server.serve_forever()
        finally:
            server.server_close()
            key.take_away()
    finally:
        jobs.close()
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
