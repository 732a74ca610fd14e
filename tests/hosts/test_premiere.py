"""The panel inside Premiere: its logic in Node, its types, its page, the whole way through the service, and its place."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, two_clips

import lp_editor
from lp_editor.cli import main as cli
from lp_editor.errors import OutputError
from lp_editor.hosts import install
from lp_editor.hosts.service import PORTS
from lp_editor.verbs import open_project

PANEL = ROOT / "lp_editor" / "hosts" / "premiere"
HERE = Path(__file__).parent / "premiere"


def tool(*names: str) -> str:
    """A program of this machine; the test skips where there is none."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"there is no {' or '.join(names)} here")


def node() -> str:
    """Node, new enough for ``node --test``."""
    found = tool("node")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60).stdout
    if int(re.sub(r"\D.*", "", said.lstrip("v")) or 0) < 18:
        pytest.skip(f"node {said.strip()} is too old; its tests need 18")
    return found


def test_the_panels_logic_passes_its_own_tests() -> None:
    done = subprocess.run(
        [node(), "--test", str(HERE / "panel.test.js")], capture_output=True, text=True, timeout=120,
        env={**os.environ, "LP_PANEL": str(PANEL)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^\S+ pass (\d+)$", done.stdout, re.M)
    assert passed, done.stdout
    assert int(passed[1]) == (HERE / "panel.test.js").read_text(encoding="utf-8").count('\ntest("')


@pytest.mark.slow
def test_the_panels_calls_are_those_of_the_published_types(tmp_path: Path) -> None:
    for path in (*PANEL.glob("*.js"), HERE / "package.json", HERE / "tsconfig.json", HERE / "uxp.d.ts"):
        shutil.copy(path, tmp_path)
    installed = os.environ.get("LP_EDITOR_NODE_MODULES")  # .ci/run slow: what it installed
    if installed:
        (tmp_path / "node_modules").symlink_to(installed)
    else:
        words = [tool("npm"), "install", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"npm could not install the types: {done.stderr[-200:]}")
    check = [node(), "node_modules/typescript/bin/tsc", "-p", "."]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.returncode) == ("", 0)
    wrong = (tmp_path / "premiere.js").read_text(encoding="utf-8").replace("exportAsFinalCutProXML(", "exportAsXML(")
    (tmp_path / "premiere.js").write_text(wrong, encoding="utf-8")
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "exportAsXML" in done.stdout  # so types are looked at


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Path]:
    """``lp-editor serve`` of a user whose home is a folder of ours; its key."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "out").mkdir()
    words = [sys.executable, "-m", "lp_editor", "serve", "--folder", str(home / "renders"), "--engine", "mesh"]
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home)}
    with (home / "said.txt").open("w") as said:
        process = subprocess.Popen(words, env=environment, stdout=said, stderr=said)
    key = home / ".lp-editor" / "service.json"
    for _ in range(600):
        if key.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    assert key.exists(), (home / "said.txt").read_text()
    yield key
    process.terminate()
    assert process.wait(30) == 0
    assert not key.exists()


def test_a_sequence_goes_there_and_back_through_the_service(filmed: Path, tmp_path: Path, serving: Path) -> None:
    exported = two_clips(filmed, tmp_path).save(tmp_path / "cut.xml").path
    text = exported.read_text(encoding="utf-8")
    marks = "".join(
        f"<marker><comment>{note}</comment><name>{name}</name><in>{first}</in><out>{first + 4}</out></marker>"
        for name, note, first in (("lp expression smile=.9", "", 10), ("B roll", "mine\nlp expression smile=.8", 10))
    )
    exported.write_text(text.replace("</clipitem>", marks + "</clipitem>", 1), encoding="utf-8")
    words = [node(), str(HERE / "trip.js"), str(PANEL), str(serving), str(exported)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["version"] == lp_editor.__version__
    assert {"faces", "frames"} <= set(said["stages"])
    assert said["presets"] > 3
    ((taken,),) = [one["paths"] for one in said["imported"]]
    assert said["imported"][0]["where"] == "lp-editor"
    assert (said["name"], said["opened"]) == ("cut lp 1", ["cut lp 1"])
    (first,) = [m for m in said["markers"] if m[0].startswith("QC")]
    assert first[2] == 1
    assert said["told"][0] == {"kind": "done", "text": "1 render is in “cut lp 1” (engine mesh)"}
    back = open_project(taken)
    assert [c.place for c in back.project.clips() if c.segments] == ["V1/2"]
    assert len(list(Path(taken).parent.glob("*.mkv"))) == 1


def test_what_cannot_be_rendered_is_told_in_the_panel(filmed: Path, tmp_path: Path, serving: Path) -> None:
    exported = two_clips(filmed, tmp_path).save(tmp_path / "cut.xml").path
    words = [node(), str(HERE / "trip.js"), str(PANEL), str(serving), str(exported)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "has no marks" in done.stderr


def test_the_manifest_is_what_premiere_reads() -> None:
    manifest = json.loads((PANEL / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["manifestVersion"] == 5
    assert manifest["version"] == lp_editor.__version__
    assert manifest["id"] == install.PANEL
    assert manifest["host"]["app"] == "premierepro"
    assert manifest["requiredPermissions"]["network"]["domains"] == [f"http://127.0.0.1:{port}" for port in PORTS]
    icons = [*manifest["icons"], *manifest["entrypoints"][0]["icons"]]
    for path in (manifest["main"], *(icon["path"] for icon in icons)):
        assert (PANEL / path).is_file()
    page = (PANEL / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == ["panel.css", "panel.js"]
    used = set(re.findall(r'(?:at|on|show)\("(\w+)"', (PANEL / "panel.js").read_text(encoding="utf-8")))
    assert used <= set(re.findall(r'id="(\w+)"', page))


@pytest.mark.parametrize(
    ("system", "environment", "ends"),
    [("darwin", {}, "/home/me/Library/Application Support/Adobe/UXP"), ("win32", {"APPDATA": "/r"}, "/r/Adobe/UXP")],
)
def test_the_panel_goes_where_premiere_looks(system: str, environment: dict[str, str], ends: str) -> None:
    assert install.adobe_folder(system, Path("/home/me"), environment).as_posix() == ends


def test_where_premiere_does_not_run_a_folder_is_asked_for() -> None:
    with pytest.raises(OutputError, match="--folder"):
        install.adobe_folder("linux", Path("/home/me"), {})


def panel_files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_panel_is_put_on_adobes_list_and_taken_off_again(tmp_path: Path) -> None:
    listed = tmp_path / "PluginsInfo" / "v1" / "premierepro.json"
    other = {"pluginId": "other", "name": "é", "more": 1}
    old = tmp_path / "Plugins" / "External" / "lp-editor.panel_0.0.1"
    for folder in (listed.parent, old, old.with_name("other_1")):
        folder.mkdir(parents=True)
    listed.write_text(json.dumps({"plugins": [other, {"pluginId": "lp-editor.panel"}], "kept": True}))
    install.install_premiere(tmp_path)
    install.install_premiere(tmp_path)
    stored = json.loads(listed.read_text(encoding="utf-8"))
    assert stored["kept"] is True
    assert stored["plugins"][0] == other
    (entry,) = stored["plugins"][1:]
    assert (entry["pluginId"], entry["type"], entry["status"]) == ("lp-editor.panel", "uxp", "enabled")
    folder = tmp_path / "Plugins" / entry["path"].removeprefix("$localPlugins/")
    assert panel_files(folder) == panel_files(PANEL)
    assert not old.exists()
    gone = install.uninstall_premiere(tmp_path)
    assert gone == [folder, listed]
    assert json.loads(listed.read_text(encoding="utf-8")) == {"plugins": [other], "kept": True}
    assert [p.name for p in folder.parent.iterdir()] == ["other_1"]
    assert install.uninstall_premiere(tmp_path) == []


@pytest.mark.parametrize("content", ["{", "[]", '{"plugins": {}}'])
def test_a_list_that_is_not_understood_stays_as_it_is(content: str, tmp_path: Path) -> None:
    listed = tmp_path / "PluginsInfo" / "v1" / "premierepro.json"
    listed.parent.mkdir(parents=True)
    listed.write_text(content)
    for act in (install.install_premiere, install.uninstall_premiere):
        with pytest.raises(OutputError, match="nothing was changed"):
            act(tmp_path)
    assert listed.read_text() == content
    assert not (tmp_path / "Plugins").exists()


def test_a_folder_holds_the_panel_for_the_developer_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "panel"
    assert cli(["install", "premiere", "--folder", str(folder)]) == 0
    assert panel_files(folder) == panel_files(PANEL)
    assert "UXP Developer Tool" in capsys.readouterr().err
    (folder / "mine.txt").write_text("x")
    assert cli(["install", "premiere", "--folder", str(folder), "--uninstall"]) == 0
    assert list(folder.iterdir()) == [folder / "mine.txt"]
    (folder / "mine.txt").unlink()
    assert cli(["install", "premiere", "--folder", str(folder), "--uninstall"]) == 0
    assert "nothing of ours" in capsys.readouterr().err


def staged(folder: Path, does: str, **stage: bool) -> Path:
    """The panel's own page with stand-ins for UXP, Premiere and the service around it; ``does`` is run a while after."""
    page = (PANEL / "index.html").read_text(encoding="utf-8")
    modules = {"./logic.js": PANEL / "logic.js", "./premiere.js": PANEL / "premiere.js", "panel": PANEL / "panel.js",
               "./fake_premiere.js": HERE / "fake_premiere.js"}  # fmt: skip
    scripts = "".join(
        f'<script type="text/plain" id="{name}">{path.read_text(encoding="utf-8")}</script>\n'
        for name, path in modules.items()
    )
    scripts += f"<script>window.stage = {json.dumps({'running': True, **stage})};</script>\n"
    scripts += f"<script>{(HERE / 'stage.js').read_text(encoding='utf-8')}\nsetTimeout(() => {{ {does} }}, 500);</script>"
    page = page.replace('<link rel="stylesheet" href="panel.css">', f"<style>{(PANEL / 'panel.css').read_text()}</style>")
    page = page.replace('<script src="panel.js"></script>', scripts)
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return path


def browsed(page: Path, *words: str) -> str:
    """What a browser makes of a page, after five of its seconds."""
    browser = tool("chromium", "chromium-browser", "google-chrome")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'browser'}",
               "--window-size=340,900", "--virtual-time-budget=5000", *words, page.as_uri()]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout


def seen(html: str) -> str:
    """The text of a page as it was drawn, without scripts, styles and what is hidden."""
    html = re.sub(r"<(script|style|option)\b.*?</\1>", "", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.slow
def test_the_page_shows_marks_makes_them_and_tells_what_came_of_a_render(tmp_path: Path) -> None:
    does = (
        "sequence.selection = [sequence.tracks[0][0]]; fake.listeners[1][1]();"
        "document.getElementById('mark').click(); setTimeout(() => document.getElementById('render').click(), 300);"
    )
    text = seen(browsed(staged(tmp_path, does), "--dump-dom"))
    assert "lp-editor 0.1.0" in text
    assert "goes on A003_C012_0415 Interview Zoë 采访.mov at 00:00:06:00, 60 frames" in text
    assert "00:00:20:00 lp stitch 12f on the sequence" in text
    assert "00:00:06:00 lp warm-smile A003" in text  # the one that was made
    for told in ("2 renders are in “Interview cut 04 lp 1” (engine mesh)", "QC head turned too far: 41", "lost: V2/1"):
        assert told in text


@pytest.mark.slow
def test_the_page_says_what_to_do_where_no_service_runs(tmp_path: Path) -> None:
    html = browsed(staged(tmp_path, "", running=False), "--dump-dom")
    assert "lp-editor serve is not running" in seen(html)
    assert re.search(r'id="work" class="hidden"', html)
    assert re.search(r'id="paste" class="block"', html)


@pytest.mark.slow
def test_a_text_that_is_not_understood_cannot_be_marked(tmp_path: Path) -> None:
    does = "const t = document.getElementById('text'); t.value = 'lp smlie'; t.dispatchEvent(new Event('input'));"
    html = browsed(staged(tmp_path, does), "--dump-dom")
    assert "did you mean smile?" in seen(html)
    assert re.search(r'<button id="mark"[^>]* disabled', html)
