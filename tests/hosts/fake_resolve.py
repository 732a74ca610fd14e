"""DaVinci Resolve as far as our script calls it: the same names, the same arguments, nothing behind them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class FakeMedia:
    path: str
    properties: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    colour: str = ""

    def GetClipColor(self) -> str:
        return self.colour

    def SetClipColor(self, colorName: str) -> bool:
        self.colour = colorName
        return True

    def GetClipProperty(self, name: str) -> str:
        return self.path if name == "File Path" else self.properties.get(name, "")

    def SetClipProperty(self, name: str, value: str) -> bool:
        self.properties[name] = value
        return True

    def SetThirdPartyMetadata(self, metadata: dict[str, str]) -> bool:
        self.metadata.update(metadata)
        return True


@dataclass
class FakeItem:
    media: FakeMedia
    start: int
    duration: int
    takes: list[tuple[FakeMedia, int, int]] = field(default_factory=list)
    selected: int = 0
    grade: str = "plain"

    def GetStart(self, subframe_precision: bool) -> int:
        return self.start

    def GetEnd(self, subframe_precision: bool) -> int:
        return self.start + self.duration

    def GetDuration(self, subframe_precision: bool) -> int:
        return self.duration

    def GetMediaPoolItem(self) -> FakeMedia:
        return self.takes[self.selected - 1][0] if self.selected > 1 else self.media

    def AddTake(self, media: FakeMedia, startFrame: int, endFrame: int) -> bool:
        self.takes = self.takes or [(self.media, 0, self.duration - 1)]
        self.takes.append((media, startFrame, endFrame))
        return True

    def GetTakesCount(self) -> int:
        return len(self.takes)

    def SelectTakeByIndex(self, index: int) -> bool:
        self.selected = index
        return 1 <= index <= len(self.takes)

    def CopyGrades(self, items: list[FakeItem]) -> bool:
        for item in items:
            item.grade = self.grade
        return True


@dataclass
class FakeTimeline:
    project: FakeProject
    name: str
    otio: Path
    start: int
    tracks: list[list[FakeItem]]
    markers: list[tuple[Any, ...]] = field(default_factory=list)
    can_duplicate: bool = True

    def GetName(self) -> str:
        return self.name

    def GetStartFrame(self) -> int:
        return self.start

    def Export(self, path: str, kind: object, subtype: object) -> bool:
        assert (kind, subtype) == (FakeResolve.EXPORT_OTIO, FakeResolve.EXPORT_NONE)
        shutil.copy(self.otio, path)
        return True

    def DuplicateTimeline(self, name: str) -> FakeTimeline | None:
        if not self.can_duplicate:
            return None
        tracks = [[FakeItem(i.media, i.start, i.duration, grade=i.grade) for i in track] for track in self.tracks]
        made = FakeTimeline(self.project, name, self.otio, self.start, tracks)
        self.project.timelines.append(made)
        return made

    def GetTrackCount(self, kind: str) -> int:
        assert kind == "video"
        return len(self.tracks)

    def GetItemListInTrack(self, kind: str, index: int) -> list[FakeItem]:
        assert kind == "video"
        return self.tracks[index - 1]

    def AddTrack(self, kind: str, more: str) -> bool:
        self.tracks.append([])
        return True

    def SetTrackName(self, kind: str, index: int, name: str) -> bool:
        return True

    def AddMarker(self, frame: int, color: str, name: str, note: str, duration: int, custom: str) -> bool:
        self.markers.append((frame, color, name, note, duration, custom))
        return True


@dataclass
class FakeProject:
    timelines: list[FakeTimeline] = field(default_factory=list)
    current: FakeTimeline | None = None
    media: list[FakeMedia] = field(default_factory=list)
    imported: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuses: bool = False

    def GetName(self) -> str:
        return "A film: part 1"

    def GetCurrentTimeline(self) -> FakeTimeline | None:
        return self.current

    def SetCurrentTimeline(self, timeline: FakeTimeline) -> bool:
        self.current = timeline
        return True

    def GetTimelineCount(self) -> int:
        return len(self.timelines)

    def GetTimelineByIndex(self, index: int) -> FakeTimeline:
        return self.timelines[index - 1]

    def GetMediaPool(self) -> FakeProject:  # the pool is no object of its own here
        return self

    def ImportMedia(self, files: list[str]) -> list[FakeMedia]:
        made = [] if self.refuses else [FakeMedia(f) for f in files if Path(f).is_file()]
        self.media += made
        return made

    def AppendToTimeline(self, clips: list[dict[str, Any]]) -> list[FakeItem]:
        made = []
        for clip in clips:
            assert clip["mediaType"] == 1
            item = FakeItem(clip["mediaPoolItem"], clip["recordFrame"], clip["endFrame"] - clip["startFrame"] + 1)
            assert self.current is not None
            self.current.tracks[clip["trackIndex"] - 1].append(item)
            made.append(item)
        return made

    def ImportTimelineFromFile(self, path: str, options: dict[str, Any]) -> FakeTimeline | None:
        assert Path(path).is_file()
        self.imported.append((path, options))
        return self.current


@dataclass
class FakeResolve:
    project: FakeProject
    EXPORT_OTIO = "otio"
    EXPORT_NONE = "none"

    def GetProjectManager(self) -> FakeResolve:
        return self

    def GetCurrentProject(self) -> FakeProject:
        return self.project
