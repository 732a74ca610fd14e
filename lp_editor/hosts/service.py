"""The local service for panels that cannot start programs: an HTTP server that only this machine's user can talk to.

It listens on 127.0.0.1 alone. Every request has to name that address as its host (or a page anywhere could reach it by a
name of its own), come from no web page (``Origin``), and bear the token of this start. Paths it takes lie in one folder.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias, cast
from uuid import uuid4

from lp_editor.errors import LpEditorError, OutputError
from lp_editor.files import make_folder
from lp_editor.hosts.jobs import Jobs, TooMany, results_folder
from lp_editor.marking import check_text
from lp_editor.registry import Registry
from lp_editor.summary import effect_json, preset_json

ADDRESS = "127.0.0.1"

PORTS = (47231, 47232, 47233)
"""Tried in this order; the panel's manifest allows it these and no others."""

MOST_BYTES = 64 << 10
"""Of a request's body."""

MOST_AT_ONCE = 16
"""Connections; more are closed at once."""

PATIENCE = 15.0
"""Seconds that a connection may be silent."""

MOST_TEXT = 4096
"""Characters of any text in a request."""

PROJECTS = (".xml", ".otio")
"""Ends of the names of what is rendered."""

CODECS = ("prores", "dnxhr", "h264", "hevc", "ffv1")
MODES = ("replace", "above")

JOB = re.compile(r"/jobs/(j\d{1,12})(/result|/cancel)?")

Answer: TypeAlias = tuple[int, dict[str, Any]]


class Refused(Exception):
    """A request that is not answered as it wants: the status, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Service:
    """What is answered, whatever brings the requests: ``folder`` holds all projects and renders."""

    folder: Path
    jobs: Jobs
    registry: Registry
    version: str
    options: Sequence[str] = ()
    """Words that every render's command line gets, for example ``--engine mesh``."""

    def answer(self, method: str, path: str, asked: Mapping[str, Any]) -> Answer:
        """The status and JSON for a request. Raises `Refused`."""
        plain: dict[tuple[str, str], Callable[[Mapping[str, Any]], Answer]] = {
            ("GET", "/health"): self._health,
            ("GET", "/catalogue"): self._catalogue,
            ("POST", "/marks"): self._marks,
            ("POST", "/exchanges"): self._exchange,
            ("POST", "/jobs"): self._job,
        }
        if (method, path) in plain:
            return plain[method, path](asked)
        found = JOB.fullmatch(path)
        if found and method == ("POST" if found[2] == "/cancel" else "GET"):
            return self._of_job(found[1], found[2] or "")
        known = bool(found) or any(p == path for _, p in plain)
        raise Refused(405, f"{method} is not for {path}") if known else Refused(404, "there is nothing by that name")

    def _health(self, asked: Mapping[str, Any]) -> Answer:
        taken(asked, {})
        return 200, {
            "name": "lp-editor", "version": self.version, "folder": str(self.folder), "busy": self.jobs.busy(),
        }  # fmt: skip

    def _catalogue(self, asked: Mapping[str, Any]) -> Answer:
        """Every effect and every preset, as ``effects --json`` and ``presets --json`` print them."""
        taken(asked, {})
        return 200, {
            "effects": [effect_json(e) for e in self.registry.effects.values()],
            "presets": [preset_json(p) for p in self.registry.presets.values()],
            "problems": list(self.registry.problems),
        }

    def _marks(self, asked: Mapping[str, Any]) -> Answer:
        """Whether the text of a marker would be understood."""
        given = taken(asked, {"text": str, "rate": str})
        try:
            meaning = check_text(given["text"], self.registry, _rate(given["rate"]))
        except LpEditorError as error:
            return 200, {"error": str(error)}
        params = sorted(meaning.params)
        return 200, {"effect": meaning.effect.name, "joins": meaning.joins, "params": params}

    def _exchange(self, asked: Mapping[str, Any]) -> Answer:
        """A new folder for one export and what comes of it."""
        given = taken(asked, {"project": str, "sequence": str, "format": str})
        suffix = "." + given["format"]
        if suffix not in PROJECTS:
            raise Refused(400, f"format is one of {', '.join(p[1:] for p in PROJECTS)}")
        name = "{} {}".format(given["sequence"][:40], time.strftime("%Y-%m-%d %H%M%S"))
        try:
            folder = results_folder(self.folder, given["project"], name)
        except (OSError, ValueError) as error:
            raise Refused(500, f"{self.folder} cannot be written ({error})") from error
        return 201, {"folder": str(folder), "project": str(folder / f"sequence{suffix}")}

    def _job(self, asked: Mapping[str, Any]) -> Answer:
        """Take a project there and back."""
        given = taken(asked, {"project": str, "mode": str, "codec": str})
        project = self._inside(given["project"])
        words = ["roundtrip", str(project), "-o", str(project.parent / "rendered"), "--json", "--force"]
        words += ["--mode", _one_of(given, "mode", MODES), "--codec", _one_of(given, "codec", CODECS), *self.options]
        try:
            job = self.jobs.add(words)
        except TooMany as error:
            raise Refused(429, str(error)) from None
        return 202, job.told()

    def _inside(self, text: str) -> Path:
        """A project below our folder, wherever links lead; `Refused` for every other path."""
        top = self.folder.resolve()
        try:
            path = Path(text).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            raise Refused(400, "there is no such project; export it first") from None
        if not Path(text).is_absolute() or not path.is_relative_to(top):
            raise Refused(403, f"only projects below {top} are rendered")
        if path.suffix.lower() not in PROJECTS or not path.is_file():
            raise Refused(400, f"a project is one of {', '.join(PROJECTS)}")
        return path

    def _of_job(self, id: str, what: str) -> Answer:
        job = self.jobs.find(id)
        if job is None:
            raise Refused(404, "there is no such job")
        if what == "/cancel":
            self.jobs.cancel(job)
        elif what == "/result":
            if job.report is None:
                raise Refused(409, job.error or f"this job is {job.state}")
            return 200, job.report
        return 200, job.told()


def taken(asked: Mapping[str, Any], fields: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a request, all of them and no others. Raises `Refused`."""
    if set(asked) != set(fields):
        raise Refused(400, f"this takes {', '.join(fields) or 'nothing'}, got {', '.join(map(str, asked))[:200]}")
    for name, kind in fields.items():
        if not isinstance(asked[name], kind):
            raise Refused(400, f"{name} is no text")
        if len(asked[name]) > MOST_TEXT or "\0" in asked[name]:
            raise Refused(400, f"{name} is too long, or no text")
    return dict(asked)


def _one_of(given: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    if given[name] not in choices:
        raise Refused(400, f"{name} is one of {', '.join(choices)}")
    return str(given[name])


def _rate(text: str) -> Fraction:
    plain = re.fullmatch(r"\d{1,9}(/[1-9]\d{0,8})?", text)  # not whatever Fraction takes: 1e999999999 fills the memory
    rate = Fraction(text) if plain else Fraction(0)
    if not 1 <= rate <= 1000:
        raise Refused(400, 'rate is frames per second: "25", "30000/1001"')
    return rate


class Server(ThreadingHTTPServer):
    """Brings requests to a `Service`. ``origins`` are origins that may ask although they name themselves."""

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would let two servers have one port
    request_queue_size = 16

    def __init__(
        self, service: Service, token: str, port: int, origins: Sequence[str], tell: Callable[[str], None]
    ) -> None:
        self.service, self.token, self.origins, self.tell = service, token, tuple(origins), tell
        self._places = threading.Semaphore(MOST_AT_ONCE)
        super().__init__((ADDRESS, port), Handler)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, unless too many are answered already."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is nobody's mistake."""


class Handler(BaseHTTPRequestHandler):
    """One request: checked, answered, closed."""

    timeout = PATIENCE
    server_version, sys_version = "lp-editor", ""

    @property
    def _ours(self) -> Server:
        return cast(Server, self.server)

    def do_GET(self) -> None:
        """Look something up."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Have something done."""
        self._answer("POST")

    def _answer(self, method: str) -> None:
        try:
            self._check()
            asked = self._body() if method == "POST" else {}
            status, told = self._ours.service.answer(method, self.path, asked)
        except Refused as refused:
            status, told = refused.status, {"error": str(refused)}
        except Exception as error:
            self._ours.tell(f"{method} {self.path[:100]!r} failed: {type(error).__name__}: {error}")
            status, told = 500, {"error": "this is our mistake, not yours; what happened is printed where it was started"}
        self._send(status, told)

    def _check(self) -> None:
        """Whether whoever asks may. Raises `Refused`."""
        host, origin = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        if host not in ([f"{ADDRESS}:{self._ours.port}"], [f"localhost:{self._ours.port}"]):
            raise Refused(403, "this service is called by its own address")
        if any(one not in self._ours.origins for one in origin):
            self._ours.tell(f"refused a request from the origin {origin[0][:100]!r}; --origin lets one in")
            raise Refused(403, "web pages may not ask here")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        given = token.strip().encode("utf-8", "replace")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._ours.token.encode()):
            raise Refused(401, "the token is missing, or of another start")

    def _body(self) -> Mapping[str, Any]:
        """The JSON of a request. Raises `Refused`."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        length = self.headers.get_all("Content-Length", [])
        if self.headers.get("Transfer-Encoding") or len(length) != 1 or not re.fullmatch(r"\d{1,9}", length[0]):
            raise Refused(411, "say how long the body is")
        if int(length[0]) > MOST_BYTES:
            raise Refused(413, f"a request has at most {MOST_BYTES} bytes")
        if kind != "application/json":
            raise Refused(415, "a request is application/json")
        try:
            asked = json.loads(self.rfile.read(int(length[0])).decode("utf-8"))
        except (ValueError, RecursionError):
            raise Refused(400, "a request is JSON in UTF-8") from None
        if not isinstance(asked, dict):
            raise Refused(400, "a request is a JSON object")
        return asked

    def _send(self, status: int, told: Mapping[str, Any]) -> None:
        content = json.dumps(told).encode()
        self.close_connection = True
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close",
            "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests come many times a second."""


@dataclass(frozen=True)
class Key:
    """The file that tells a panel of the same user where the service is and its token; only they can read it."""

    path: Path
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def put(self, port: int, version: str) -> None:
        """Write it. Raises `OutputError`."""
        told = {"url": f"http://{ADDRESS}:{port}", "token": self.token, "pid": os.getpid(), "version": version}
        make_folder(self.path.parent)
        temporary = self.path.with_name(f".{self.path.name}.{uuid4().hex[:8]}.part")
        try:
            with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                json.dump(told, file)
            os.replace(temporary, self.path)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror or error})") from error
        finally:
            with suppress(OSError):
                temporary.unlink()

    def take_away(self) -> None:
        """Delete it, unless a later start has put its own there."""
        with suppress(OSError, ValueError):
            if json.loads(self.path.read_text(encoding="utf-8")).get("token") == self.token:
                self.path.unlink()


def key_path(home: Path) -> Path:
    """Where a panel looks for the key."""
    return home / ".lp-editor" / "service.json"


def bound(
    service: Service, token: str, ports: Sequence[int], origins: Sequence[str], tell: Callable[[str], None]
) -> Server:
    """A server on the first of some ports that is free. Raises `OutputError`."""
    for port in ports:
        with suppress(OSError):
            return Server(service, token, port, origins, tell)
    raise OutputError(
        f"no port of {', '.join(map(str, ports))} is free on {ADDRESS}; is lp-editor serve running already?"
    )
