"""The local service: who may ask, what is answered, and jobs that come one after another."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lp_editor import Registry
from lp_editor.errors import OutputError
from lp_editor.hosts.jobs import MOST_NAME, MOST_WAITING, Job, Jobs, TooMany, results_folder
from lp_editor.hosts.service import MOST_BYTES, PORTS, Key, Server, Service, bound, key_path

TOKEN = "t" * 43


def program(folder: Path, text: str) -> list[str]:
    """A command that stands in for lp-editor."""
    path = folder / "stand_in.py"
    path.write_text("import json, sys, time\n" + textwrap.dedent(text))
    return [sys.executable, str(path)]


@dataclass
class Asking:
    """A running service and a client of it."""

    server: Server
    told: list[str] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str | None] | None = None,
        raw: bytes | None = None,
    ) -> tuple[int, dict[str, Any], dict[str, str]]:  # fmt: skip
        content = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
        sent: dict[str, str | None] = {
            "Host": f"127.0.0.1:{self.server.port}", "Authorization": f"Bearer {TOKEN}",
            "Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {}),
        }  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(content)
        answer = connection.getresponse()
        text = answer.read()
        found = json.loads(text) if answer.headers.get_content_type() == "application/json" else {}
        return answer.status, found, dict(answer.headers)

    def ended(self, id: str) -> dict[str, Any]:
        for _ in range(400):
            _, job, _ = self.ask("GET", f"/jobs/{id}")
            if job["state"] not in ("waiting", "running"):
                return job
            time.sleep(0.05)
        raise AssertionError(f"{id} does not end")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.installed()


@pytest.fixture
def asking(tmp_path: Path, registry: Registry) -> Iterator[Asking]:
    """A service whose renders say at once that they are done, and what they were called with."""
    command = program(tmp_path, 'print(json.dumps({"report": {"output": sys.argv[1:]}}))')
    folder = tmp_path / "renders"
    folder.mkdir()
    jobs = Jobs(command)
    told: list[str] = []
    service = Service(folder, jobs, registry, "1.2", ("--engine", "mesh"))
    server = Server(service, TOKEN, 0, ["uxp://let.in"], told.append)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield Asking(server, told)
    server.shutdown()
    server.server_close()
    jobs.close()


def test_only_this_machine_can_reach_it(asking: Asking) -> None:
    assert asking.server.server_address[0] == "127.0.0.1"
    status, told, headers = asking.ask("GET", "/health")
    assert status == 200
    assert told == {"name": "lp-editor", "version": "1.2", "folder": str(asking.server.service.folder), "busy": 0}
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": None}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Host": None}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:47231"}, 403),
        ({"Origin": "uxp://let.in"}, 200),
    ],
)
def test_who_asks_is_checked(asking: Asking, headers: dict[str, str | None], status: int) -> None:
    found, told, _ = asking.ask("GET", "/health", headers=headers)
    assert found == status
    assert ("error" in told) == (status != 200)
    assert not (status != 200 and "folder" in told)


def test_a_name_that_leads_here_is_no_way_in(asking: Asking) -> None:
    assert asking.ask("GET", "/health", headers={"Host": f"rebound.example:{asking.server.port}"})[0] == 403
    assert asking.ask("GET", "/health", headers={"Host": f"localhost:{asking.server.port}"})[0] == 200


def test_an_origin_that_is_refused_is_told_to_who_started_it(asking: Asking) -> None:
    asking.ask("GET", "/health", headers={"Origin": "uxp://other"})
    assert asking.told == ["refused a request from the origin 'uxp://other'; --origin lets one in"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/../health", 404), ("GET", "/health?x=1", 404), ("POST", "/health", 405),
     ("GET", "/jobs", 405), ("GET", "/jobs/j1/cancel", 405), ("GET", "/jobs/j99", 404), ("GET", "/jobs/../j1", 404),
     ("OPTIONS", "/health", 501), ("PUT", "/jobs", 501)],
)  # fmt: skip
def test_nothing_else_is_there(asking: Asking, method: str, path: str, status: int) -> None:
    assert asking.ask(method, path, {})[0] == status


@pytest.mark.parametrize(
    ("raw", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"\xff{}", {}, 400),
        (b"[" * 60_000, {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Type": None}, 415),
        (b"{}", {"Content-Length": None}, 411),
        (b"{}", {"Content-Length": "-1"}, 411),
        (b"{}", {"Content-Length": "2, 2"}, 411),
        (b"0\r\n\r\n", {"Content-Length": None, "Transfer-Encoding": "chunked"}, 411),
        (b"", {"Content-Length": str(MOST_BYTES + 1)}, 413),
        (b'{"text": "lp smile"}', {}, 400),
        (b'{"text": "lp smile", "rate": "25", "more": "x"}', {}, 400),
        (b'{"text": 1, "rate": "25"}', {}, 400),
        (b'{"text": "lp smile", "rate": "1e400000000"}', {}, 400),
        (b'{"text": "lp smile", "rate": "0"}', {}, 400),
        (json.dumps({"text": "lp " + "x" * 5000, "rate": "25"}).encode(), {}, 400),
    ],
)
def test_a_hostile_body_is_refused(
    asking: Asking, raw: bytes, headers: dict[str, str | None], status: int
) -> None:  # fmt: skip
    assert asking.ask("POST", "/marks", raw=raw, headers=headers)[0] == status
    assert asking.ask("GET", "/health")[0] == 200
    assert asking.told == []  # none of them is our mistake


def test_silent_connections_take_no_places_for_ever(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lp_editor.hosts.service.Handler.timeout", 0.3)
    silent = [socket.create_connection(("127.0.0.1", asking.server.port)) for _ in range(16)]
    time.sleep(1)
    assert asking.ask("GET", "/health")[0] == 200
    for one in silent:
        one.close()


def test_the_catalogue_has_every_effect_and_preset(asking: Asking) -> None:
    _, told, _ = asking.ask("GET", "/catalogue")
    assert {"expression", "gaze", "stitch"} <= {e["name"] for e in told["effects"]}
    assert "wink" in {p["name"] for p in told["presets"]}


@pytest.mark.parametrize(
    ("text", "says"),
    [("lp smile", None), ("lp expression smile=.6 ease=12f", None), ("lp stitch 12f", None), ("smile", "begins with lp"),
     ("lp smlie", "did you mean smile"), ("lp expression smile=9", "must stay in"), ("lp", "not what"),
     ("lp stitch 0f", "at least one frame"), ("lp smile for=x", "x")],
)  # fmt: skip
def test_a_marks_text_is_checked(asking: Asking, text: str, says: str | None) -> None:
    status, told, _ = asking.ask("POST", "/marks", {"text": text, "rate": "25"})
    assert status == 200
    if says is None:
        assert "error" not in told
        assert told["joins"] == ("stitch" in text)
    else:
        assert says in told["error"]


def exchange(asking: Asking, project: str = "my film.prproj", sequence: str = "cut/../1", end: str = "xml") -> Path:
    status, told, _ = asking.ask("POST", "/exchanges", {"project": project, "sequence": sequence, "format": end})
    assert status == 201
    return Path(told["project"])


def test_a_project_is_rendered_where_it_was_exported_to(asking: Asking) -> None:
    path = exchange(asking)
    assert path.is_relative_to(asking.server.service.folder)
    path.write_text("<xmeml/>")
    status, job, _ = asking.ask("POST", "/jobs", {"project": str(path), "mode": "above", "codec": "prores"})
    assert (status, job["state"]) in {(202, "waiting"), (202, "running"), (202, "done")}
    assert asking.ended(job["id"])["state"] == "done"
    _, report, _ = asking.ask("GET", f"/jobs/{job['id']}/result")
    assert report["output"] == [
        "roundtrip", str(path), "-o", str(path.parent / "rendered"), "--json", "--force", "--mode", "above", "--codec",
        "prores", "--engine", "mesh",
    ]  # fmt: skip


def test_every_export_has_a_folder_of_its_own(asking: Asking) -> None:
    paths = [exchange(asking, "../../etc", "长" * 300 + "\ud800") for _ in range(3)]
    assert len({p.parent for p in paths}) == 3
    assert all(p.is_relative_to(asking.server.service.folder) and p.parent.is_dir() for p in paths)
    assert asking.ask("POST", "/exchanges", {"project": "a", "sequence": "b", "format": "../x"})[0] == 400


def test_only_projects_below_its_folder_are_rendered(asking: Asking, tmp_path: Path) -> None:
    inside, outside = exchange(asking), tmp_path / "outside.xml"
    inside.write_text("x")
    outside.write_text("x")
    link, text = inside.with_name("link.xml"), inside.with_name("notes.txt")
    link.symlink_to(outside)
    text.write_text("x")

    def status(project: str, **other: str) -> int:
        asked = {"project": project, "mode": "replace", "codec": "prores", **other}
        return asking.ask("POST", "/jobs", asked)[0]

    assert status(str(inside)) == 202
    assert status(str(outside)) == 403
    assert status(f"{inside.parent}/../../../{outside.name}") == 403
    assert status(str(link)) == 403
    assert status(str(text)) == 400
    assert status(str(inside.parent)) == 400
    assert status(str(inside.with_name("none.xml"))) == 400
    assert status("\ud800") == 400
    assert status("a\0b") == 400
    assert status(str(inside), mode="--force") == 400
    assert status(str(inside), codec="exr") == 400
    assert asking.told == []


def test_jobs_come_one_after_another_and_say_how_far_they_are(tmp_path: Path) -> None:
    command = program(
        tmp_path,
        """
        print(json.dumps({"stage": "frames", "done": 3, "total": 7}), flush=True)
        print("no JSON\\n[1]", flush=True)
        go = sys.argv[1]
        import os
        while not os.path.exists(go):
            time.sleep(0.02)
        if go.endswith("bad"):
            sys.exit("\\nlp-editor: V1/2 has no media\\n")
        print(json.dumps({"report": {"output": go}}))
        """,
    )
    jobs = Jobs(command)
    first, second = jobs.add([str(tmp_path / "one")]), jobs.add([str(tmp_path / "two.bad")])
    assert until(lambda: first.done == 3)
    assert (first.state, first.stage, first.total, second.state, jobs.busy()) == ("running", "frames", 7, "waiting", 2)
    (tmp_path / "one").touch()
    assert until(lambda: second.state == "running")
    assert (first.state, first.report) == ("done", {"output": str(tmp_path / "one")})
    (tmp_path / "two.bad").touch()
    assert until(lambda: second.state == "failed")
    assert second.error == "V1/2 has no media"
    jobs.close()


def until(true: Any, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(true())


def test_a_job_is_stopped_at_once_and_one_that_waits_never_starts(tmp_path: Path) -> None:
    jobs = Jobs(program(tmp_path, "open(sys.argv[1], 'w').close(); time.sleep(600)"))
    first, second = jobs.add([str(tmp_path / "a")]), jobs.add([str(tmp_path / "b")])
    assert until((tmp_path / "a").exists)
    jobs.cancel(second)
    jobs.cancel(first)
    assert (first.state, second.state) == ("cancelled", "cancelled")
    assert until(lambda: first.process is None)
    jobs.cancel(first)
    third = jobs.add([str(tmp_path / "c")])
    assert until((tmp_path / "c").exists)
    process = third.process
    jobs.close()
    assert process is not None
    assert process.poll() is not None
    assert not (tmp_path / "b").exists()


def test_what_cannot_be_started_fails_and_a_queue_has_an_end(tmp_path: Path) -> None:
    jobs = Jobs([str(tmp_path / "none")])
    job = jobs.add([])
    assert until(lambda: job.state == "failed")
    assert "could not be started" in job.error
    jobs.close()
    slow = Jobs(program(tmp_path, "time.sleep(600)"))
    running = slow.add([])
    assert until(lambda: running.state == "running")
    waiting: list[Job] = [slow.add([]) for _ in range(MOST_WAITING)]
    with pytest.raises(TooMany, match="wait already"):
        slow.add([])
    slow.cancel(waiting[0])
    slow.add([])
    slow.close()


def test_folders_of_results_have_names_that_every_system_takes(tmp_path: Path) -> None:
    for name in ("a/b", "..", "", "é" * 300, "𠀀" * 300, 'x"<>|:*?\\'):
        made = results_folder(tmp_path, name, name)
        assert made.parent.parent == tmp_path
        assert len(made.name.encode()) <= MOST_NAME


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a user's folder to them by other means than these bits")
def test_the_key_can_be_read_by_its_user_alone(tmp_path: Path) -> None:
    path = key_path(tmp_path)
    old, new = Key(path), Key(path)
    old.put(1, "0")
    path.chmod(0o644)
    new.put(PORTS[0], "1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stored = json.loads(path.read_text())
    assert stored["url"] == "http://127.0.0.1:47231"
    assert stored["token"] == new.token != old.token
    assert len(new.token) >= 43
    old.take_away()  # is not its own any more
    assert path.exists()
    new.take_away()
    assert list(path.parent.iterdir()) == []


def test_a_port_that_is_taken_is_passed_over(asking: Asking) -> None:
    service, tell = asking.server.service, asking.told.append
    with pytest.raises(OutputError, match="is lp-editor serve running already"):
        bound(service, TOKEN, [asking.server.port], [], tell)
    other = bound(service, TOKEN, [asking.server.port, 0], [], tell)
    assert other.port not in (0, asking.server.port)
    other.server_close()
