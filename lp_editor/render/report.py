"""What a render has to tell: everything that did not go exactly as the cut asked, once each, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

from lp_editor.render.profile import Profile
from lp_editor.timeline.model import Marker
from lp_editor.timeline.relink import Rendered

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage ("faces", "frames", "sound"), how much of it is done, and how much there is."""


def silent(stage: str, done: int, total: int) -> None:
    """A `Progress` that shows nothing."""


@dataclass
class Report:
    """Notes of a render, in order, each once; written to from several threads."""

    notes: list[str] = field(default_factory=list)
    frames: int = 0
    rendered: int = 0
    """Frames that were made anew; the others came from the store."""
    found: int = 0
    """Frames that were to be made, but that another render of the same made meanwhile."""
    copied: int = 0
    """Frames whose packets were copied from the footage."""
    engine: str = ""
    checks: dict[str, tuple[Marker, ...]] = field(default_factory=dict)
    """What to look at again, by the place of the clip."""
    renders: list[Rendered] = field(default_factory=list)
    """The files of single stretches."""
    profile: Profile = field(default_factory=Profile, repr=False)
    """Where the time went."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def note(self, text: str) -> None:
        """Add a note unless it is there already."""
        with self._lock:
            if text not in self.notes:
                self.notes.append(text)

    def add_rendered(self, frames: int) -> int:
        """Count frames made anew; returns how many are done by now."""
        with self._lock:
            self.rendered += frames
            return self.rendered + self.found

    def add_found(self, frames: int) -> int:
        """Count frames that another render made meanwhile; returns how many are done by now."""
        with self._lock:
            self.found += frames
            return self.rendered + self.found
