"""Runs inside DaVinci Resolve (Workspace > Scripts): renders the marks of the current timeline and lays the result into a
duplicate of it.

``lp-editor install resolve`` copies this file, with the two names below filled in, to where Resolve looks for scripts; so
it needs nothing but Python's own library. Facts about Resolve: its README of scripting, and the nle notes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionscript import MediaPool, MediaPoolItem, Project, Resolve, Timeline, TimelineItem

COMMAND = ["lp-editor"]
MODE = "replace"
"""``replace``: the render is a take of its clip, so the grade stays and the take selector holds the original. ``above``: it
lies on a track of its own, with the clip's grade."""

COLOUR = ("Input Color Space", "Input LUT", "Data Level")
"""Properties of a clip that a render of it has to share, or it would be shown in other colours."""

OURS = "lp_editor"

Show = Callable[[str, int, int], None]


class Problem(Exception):
    """What stopped it, in one sentence."""


def main(resolve: Resolve, mode: str, command: list[str], show: Show) -> str:
    """Render the current timeline's marks into a duplicate of it; returns what to tell. Raises `Problem`."""
    project = resolve.GetProjectManager().GetCurrentProject()
    timeline = project.GetCurrentTimeline() if project else None
    if timeline is None:
        raise Problem("no timeline is open; open one and run this again")
    folder = results_folder(project.GetName(), timeline.GetName())
    exported = folder / "timeline.otio"
    if not timeline.Export(str(exported), resolve.EXPORT_OTIO, resolve.EXPORT_NONE) or not exported.exists():
        raise Problem("Resolve could not export this timeline as OTIO")
    report = run(command, exported, folder, mode, show)
    if not report["renders"] and not report["nested"]:
        return "Nothing new to render: every mark shows its render already."
    return Return(project, timeline, report, mode, show).made()


def results_folder(project: str, timeline: str) -> Path:
    """A new folder for one run, below LP_EDITOR_RENDERS or the user's own."""
    top = Path(os.environ.get("LP_EDITOR_RENDERS") or Path.home() / "lp-editor")
    safe = [
        "".join(c if c.isalnum() or c in "-_ " else "_" for c in name).strip() or "unnamed"
        for name in (project, timeline)
    ]
    name, number = "{} {}".format(safe[1], time.strftime("%Y-%m-%d %H%M%S")), 1
    while (top / safe[0] / (name if number == 1 else f"{name} {number}")).exists():
        number += 1
    folder = top / safe[0] / (name if number == 1 else f"{name} {number}")
    folder.mkdir(parents=True)
    return folder


def run(command: list[str], exported: Path, folder: Path, mode: str, show: Show) -> dict[str, Any]:
    """Run the round trip; returns its report. Raises `Problem` with what it said where it failed."""
    words = [*command, "roundtrip", str(exported), "-o", str(folder), "--for", "resolve", "--mode", mode]
    words += ["--json", "--codec", "prores", "--force", *(["--whole"] if mode == "replace" else [])]
    report = None
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        try:
            process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=errors, universal_newlines=True, encoding="utf-8"
            )
        except OSError as error:
            raise Problem(f"lp-editor could not be started ({error}); run lp-editor install resolve again") from error
        with process:
            for line in process.stdout or ():
                said = _parsed(line)
                if "report" in said:
                    report = said["report"]
                elif "stage" in said:
                    show(said["stage"], said["done"], said["total"])
        if process.returncode == 0 and report is not None:
            found: dict[str, Any] = report
            return found
        errors.seek(0)
        lines = [line for line in errors.read().splitlines() if line.strip()]
    raise Problem(lines[-1] if lines else f"lp-editor ended without a word (code {process.returncode})")


def _parsed(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


class Return:
    """Lays what was rendered into a duplicate of a timeline."""

    def __init__(self, project: Project, timeline: Timeline, report: dict[str, Any], mode: str, show: Show) -> None:
        self.project, self.timeline, self.report, self.mode, self.show = project, timeline, report, mode, show
        self.pool: MediaPool = project.GetMediaPool()
        self.above: int | None = None
        self.notes = [*report["notes"], *(f"lost: {loss}" for loss in report["losses"])]

    def made(self) -> str:
        """Do it; where Resolve refuses, import the project file instead. Returns what to tell."""
        name = self._name()
        if self.report["nested"]:
            inside = ", ".join(Path(file).name for file in self.report["nested"])
            if not self.report["renders"]:
                return self._fallback(name, f"{inside} lies in a compound clip")
            self.notes.append("{} lies in a compound clip: import {} for it".format(inside, self.report["output"]))
        media = self._imported([one["file"] for one in self.report["renders"]])  # before any timeline shows it
        copy = self.timeline.DuplicateTimeline(name)
        if not copy:
            return self._fallback(name, "this version of Resolve cannot duplicate a timeline")
        self.project.SetCurrentTimeline(copy)
        placed = 0
        for number, one in enumerate(self.report["renders"]):
            self.show("laying", number, len(self.report["renders"]))
            placed += self._laid(copy, one, media.get(_plain(one["file"])))
        for check in self.report["checks"]:
            copy.AddMarker(check["first"], "Red", check["name"], check["note"], max(1, check["frames"]), OURS)
        wrong = self._offline(copy)
        if wrong or not placed:
            return self._fallback(name + " otio", "; ".join(wrong) or "no render found its clip")
        told = ["{} of {} renders are in “{}”.".format(placed, len(self.report["renders"]), name), *self.notes]
        return "\n".join(told)

    def _name(self) -> str:
        """A name no timeline has yet."""
        taken = {self.project.GetTimelineByIndex(i + 1).GetName() for i in range(int(self.project.GetTimelineCount()))}
        base, number = self.timeline.GetName() + " lp", 1
        while f"{base} {number}" in taken:
            number += 1
        return f"{base} {number}"

    def _imported(self, files: list[str]) -> dict[str, MediaPoolItem]:
        """The media pool's items of files, by their plain path."""
        items = self.pool.ImportMedia(list(dict.fromkeys(files))) or []
        found = {_plain(str(item.GetClipProperty("File Path"))): item for item in items}
        missing = [f for f in files if _plain(f) not in found]
        if missing:
            self.notes.append("Resolve did not import " + ", ".join(Path(f).name for f in missing))
        return found

    def _laid(self, copy: Timeline, one: dict[str, Any], media: MediaPoolItem | None) -> bool:
        """Put one render where its clip is."""
        item = self._clip(copy, one) if media is not None else None
        if media is None or item is None:
            self.notes.append("{} ({}): its clip was not found".format(one["clip"], one["place"]))
            return False
        self._described(item, media, one)
        first, last = one["offset"], one["offset"] + one["frames"] - 1
        whole = int(item.GetStart(False)) == self._frame(copy, one) and int(item.GetDuration(False)) == one["frames"]
        if self.mode == "replace" and whole:
            return bool(item.AddTake(media, first, last)) and bool(item.SelectTakeByIndex(item.GetTakesCount()))
        if self.mode == "replace":
            self.notes.append("{} ({}): laid above, for it is no whole clip".format(one["clip"], one["place"]))
        info: Any = {
            "mediaPoolItem": media, "startFrame": first, "endFrame": last, "mediaType": 1,
            "trackIndex": self._track(copy), "recordFrame": self._frame(copy, one),
        }  # fmt: skip
        made = self.pool.AppendToTimeline([info])  # type: ignore[arg-type]  # the stubs lack a decorator here
        return bool(made) and bool(item.CopyGrades(list(made)))

    def _frame(self, copy: Timeline, one: dict[str, Any]) -> int:
        return int(copy.GetStartFrame()) + int(one["first"])

    def _clip(self, copy: Timeline, one: dict[str, Any]) -> TimelineItem | None:
        """The timeline's item that a render belongs to."""
        track, at = int(one["place"].split("/")[0][1:]), self._frame(copy, one)
        for item in copy.GetItemListInTrack("video", track) or []:
            if int(item.GetStart(False)) <= at < int(item.GetEnd(False)):
                return item
        return None

    def _track(self, copy: Timeline) -> int:
        """The new track over all others."""
        if self.above is None:
            copy.AddTrack("video", "")
            self.above = int(copy.GetTrackCount("video"))
            copy.SetTrackName("video", self.above, "lp-editor")
        return self.above

    def _described(self, item: TimelineItem, media: MediaPoolItem, one: dict[str, Any]) -> None:
        """Give a render its clip's colour properties, its colour in the pool, and our own id."""
        source = item.GetMediaPoolItem()
        if source and source.GetClipColor():
            media.SetClipColor(source.GetClipColor())
        for name in COLOUR:
            value = source.GetClipProperty(name) if source else None
            if value:
                media.SetClipProperty(name, value)
        known = {"clip": one["clip"], "id": one["id"], "file": Path(one["file"]).name}
        media.SetThirdPartyMetadata({OURS: json.dumps(known)})

    def _offline(self, copy: Timeline) -> list[str]:
        """What is wrong with the media that the duplicate shows of ours."""
        wanted, wrong = {_plain(one["file"]) for one in self.report["renders"]}, []
        for track in range(1, int(copy.GetTrackCount("video")) + 1):
            for item in copy.GetItemListInTrack("video", track) or []:
                media = item.GetMediaPoolItem()
                path = str(media.GetClipProperty("File Path")) if media else ""
                if _plain(path) in wanted and not Path(path).is_file():
                    wrong.append(f"{Path(path).name} is offline")
        return wrong

    def _fallback(self, name: str, why: str) -> str:
        """Import the project file that lp-editor wrote."""
        options: Any = {"timelineName": name, "importSourceClips": True}
        if not self.pool.ImportTimelineFromFile(self.report["output"], options):
            raise Problem(
                "{}, and {} was not imported either; use File > Import > Timeline".format(why, self.report["output"])
            )
        return "\n".join([f"Imported as a new timeline “{name}”, for {why}.", *self.notes])


def _plain(path: str) -> str:
    """A path as two spellings of it compare."""
    return os.path.normcase(os.path.normpath(path))


class Window:
    """A small window with what is being done; where there is none (the free edition), lines on the console."""

    def __init__(self, fusion: Any, bmd: Any) -> None:
        self.items: Any = None
        try:
            ui = fusion.UIManager
            self.dispatcher = bmd.UIDispatcher(ui)
            self.window = self.dispatcher.AddWindow(
                {"ID": "lp", "WindowTitle": "lp-editor", "Geometry": [200, 200, 420, 110]},
                [ui.VGroup([ui.Label({"ID": "what", "Text": "lp-editor", "WordWrap": True})])],
            )
            self.window.Show()
            self.items = self.window.GetItems()
        except Exception:
            self.items = None

    def show(self, stage: str, done: int, total: int) -> None:
        """Say how far it is."""
        self.say("{} {} of {}".format({"faces": "finding faces", "frames": "rendering"}.get(stage, stage), done, total))

    def say(self, text: str) -> None:
        """Show a text."""
        if self.items is None:
            print(text)
            return
        self.items["what"].Text = text
        step = getattr(self.dispatcher, "StepLoop", None)
        if step:
            step()


def start(names: dict[str, Any]) -> None:
    """Run with what Resolve gives its scripts."""
    window = Window(names.get("fusion") or names.get("fu"), names.get("bmd"))
    try:
        window.say(main(names["resolve"], MODE, COMMAND, window.show))
    except Problem as problem:
        window.say(f"lp-editor: {problem}")
        print(problem, file=sys.stderr)


if "resolve" in globals():
    start(globals())
