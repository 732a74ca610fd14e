"""Downloading network weights, against a small server here that speaks the hub's protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lp_editor import models

ROOT = Path(__file__).parent.parent
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """A hub with one repository: its files, what it states of them, what it was asked."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.stated = {name: sha256(content).hexdigest() for name, content in files.items()}
        self.asked: list[tuple[str, str, str | None]] = []
        self.cut: set[str] = set()
        """Files whose first download breaks off halfway."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append((self.command, path, self.headers.get("Range")))
        if path in (f"/api/models/{models.REPOSITORY}", f"/api/models/{models.REPOSITORY}/revision/main"):
            self._send(200, json.dumps(self._listing()).encode(), {"Content-Type": "application/json"}, body)
            return
        name = path.removeprefix(f"/{models.REPOSITORY}/resolve/{REVISION}/")
        if name not in self.server.files:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"}, body)
            return
        self._file(name, body)

    def _listing(self) -> dict[str, Any]:
        files = [
            {"rfilename": name, "size": len(content), "blobId": "0" * 40,
             "lfs": {"sha256": self.server.stated[name], "size": len(content), "pointerSize": 130}}
            for name, content in self.server.files.items()
        ]  # fmt: skip
        return {"_id": "1", "id": models.REPOSITORY, "modelId": models.REPOSITORY, "sha": REVISION, "siblings": files,
                "private": False, "tags": [], "downloads": 0, "likes": 0}  # fmt: skip

    def _file(self, name: str, body: bool) -> None:
        content = self.server.files[name]
        headers = {"X-Repo-Commit": REVISION, "ETag": f'"{self.server.stated[name]}"', "Accept-Ranges": "bytes"}
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if body and name in self.server.cut:
            self.server.cut.discard(name)
            self._send(200, content, headers, body, sent=len(content) // 2)
            return
        self._send(206 if start else 200, content[start:], headers, body)

    def _send(self, code: int, content: bytes, headers: dict[str, str], body: bool, sent: int | None = None) -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content if sent is None else content[:sent])
        if sent is not None:
            self.wfile.flush()
            self.close_connection = True


@pytest.fixture
def hub() -> Iterator[Hub]:
    names = models.SETS["human"].files
    made = Hub({name: (f"{i} {name} ".encode() * 40000)[: 900000 + i] for i, name in enumerate(names)})
    thread = Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def lp_editor(hub: Hub, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line as a user runs it: the hub's library reads its settings when it is loaded."""
    environment = {
        **os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hub"), "LP_EDITOR_MODELS": str(folder / "models"),
        "PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "lp_editor", "models", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_set_is_pulled_shown_with_its_licence_and_verified(hub: Hub, tmp_path: Path) -> None:
    done = lp_editor(hub, tmp_path, "pull")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("licence: published by KwaiVGI/LivePortrait")
    for name, content in hub.files.items():
        assert (tmp_path / "models" / name).read_bytes() == content
    checked = lp_editor(hub, tmp_path, "verify", "human")
    assert checked.returncode == 0
    assert checked.stdout.count(": right") == len(hub.files)


def test_a_download_that_broke_off_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    name = models.STITCHING
    hub.files[name] = b"0123456789abcdef" * (3 << 19)  # the hub's library keeps what came in blocks of 10 MB
    hub.stated[name] = sha256(hub.files[name]).hexdigest()
    hub.cut.add(name)
    first = lp_editor(hub, tmp_path, "pull")
    done = first if first.returncode == 0 else lp_editor(hub, tmp_path, "pull")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models" / name).read_bytes() == hub.files[name]
    assert any(
        path.endswith(name) and wanted and wanted != "bytes=0-" for how, path, wanted in hub.asked if how == "GET"
    )


def test_what_is_there_is_not_downloaded_again(hub: Hub, tmp_path: Path) -> None:
    assert lp_editor(hub, tmp_path, "pull").returncode == 0
    hub.asked.clear()
    assert lp_editor(hub, tmp_path, "pull").returncode == 0
    assert [path for how, path, _ in hub.asked if how == "GET" and "/resolve/" in path] == []


def test_a_file_other_than_stated_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.stated[models.STITCHING] = "0" * 64
    done = lp_editor(hub, tmp_path, "pull")
    assert done.returncode == 2
    assert "arrived damaged" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models" / models.STITCHING).exists()


def test_a_damaged_file_fails_verification(hub: Hub, tmp_path: Path) -> None:
    assert lp_editor(hub, tmp_path, "pull").returncode == 0
    (tmp_path / "models" / models.STITCHING).write_bytes(b"something else")
    done = lp_editor(hub, tmp_path, "verify")
    assert done.returncode == 2
    assert f"{models.STITCHING}: damaged" in done.stdout
    assert "models pull human" in done.stderr


def test_a_hub_without_the_files_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    done = lp_editor(hub, tmp_path, "pull", "animals")
    assert done.returncode == 2
    assert "liveportrait_animals" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_no_hub_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    hub.shutdown()
    hub.server_close()
    done = lp_editor(hub, tmp_path, "pull")
    assert done.returncode == 2
    assert "HF_ENDPOINT" in done.stderr
    assert "Traceback" not in done.stderr


def test_files_nobody_pulled_have_no_hash_to_compare(tmp_path: Path) -> None:
    one = models.SETS["landmarks"]
    assert [complaint for _, complaint in models.verify(one, tmp_path)] == ["missing"]
    (tmp_path / one.files[0]).parent.mkdir(parents=True)
    (tmp_path / one.files[0]).write_bytes(b"1")
    assert [complaint.split(":")[0] for _, complaint in models.verify(one, tmp_path)] == ["unknown"]


def test_the_folder_is_the_one_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LP_EDITOR_MODELS", str(tmp_path))
    assert models.folder() == tmp_path
