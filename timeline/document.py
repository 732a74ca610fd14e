"""Opens and saves project files of every dialect. The file's own tree is the record; a project is a view of it.

A document is a value: changing one gives another. Saving writes the whole file under a temporary name and renames it,
and keeps what was there before, so that `undo` takes it back. An ``.otio`` bears its marks itself and is rewritten; of
other dialects the input is never overwritten: a sidecar beside it has the marks.
"""

from __future__ import annotations

import gc
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import wraps
from hashlib import blake2b
from pathlib import Path
from typing import ParamSpec, TypeAlias, TypeVar

from lp_editor.errors import OutputError, ProjectError
from lp_editor.files import write_bytes
from lp_editor.timeline import bundles, dialects
from lp_editor.timeline.dialects import native, otio, resolve
from lp_editor.timeline.dialects.native import NativeFile
from lp_editor.timeline.dialects.otio import Address, Node
from lp_editor.timeline.dialects.source import Source
from lp_editor.timeline.edit import without_marks
from lp_editor.timeline.media import Search, found_media
from lp_editor.timeline.model import Clip, Project, Span
from lp_editor.timeline.relink import Rendered, parts_of
from lp_editor.timeline.returned import MANIFEST, Came, manifest, read_manifest, recognised
from lp_editor.timeline.sidecar import Render, Sidecar, read_sidecar, sidecar_of, sidecar_path

MOST_BYTES = 256 << 20
"""A project file larger than this is refused."""

HISTORY = 50
"""How many earlier versions of a project are kept for `undo`."""

SUFFIXES = {".otio": "otio", ".xml": "xmeml", ".fcpxml": "fcpxml", ".edl": "edl", ".aaf": "aaf"}
"""What a project is written as, by the name it gets."""

KEEPS_NO_MARKS = ("aaf",)
"""What bears no markers, so that a sidecar always goes with it."""


Regain: TypeAlias = Callable[[Project], Sequence[Render]]
"""Tells what the renders of ours are that a project shows as such still."""

ArgsT = ParamSpec("ArgsT")
MadeT = TypeVar("MadeT")


def _collecting_later(work: Callable[ArgsT, MadeT]) -> Callable[ArgsT, MadeT]:
    """Keep Python's collector of cycles waiting meanwhile: it would look through the growing tree of a long cut again and
    again, for a third of the time, and find nothing."""

    @wraps(work)
    def waiting(*args: ArgsT.args, **settings: ArgsT.kwargs) -> MadeT:
        on = gc.isenabled()
        gc.disable()
        try:
            return work(*args, **settings)
        finally:
            if on:
                gc.enable()

    return waiting


@dataclass(frozen=True)
class Document:
    """A project file: its path, what its dialect made of it, and the project that it shows.

    ``notes`` say in words what could not be taken over as it is.
    """

    path: Path
    source: Source
    project: Project
    digest: str
    sidecar: Sidecar = field(default_factory=Sidecar)
    rendered: tuple[Rendered, ...] = ()
    above: bool = False
    """Whether renders lie over their clips instead of in their place."""
    returned: Mapping[str, Came] = field(default_factory=dict)
    """Renders of ours that the clips of some places came with; the project shows their originals."""
    remarks: tuple[str, ...] = ()
    """What was found out about its marks, to be said."""
    loose: frozenset[str] = frozenset()
    """Joints that a marker asks for without saying how long they are."""
    losses: tuple[str, ...] = ()
    """What could not be said in the file that was written last, clip by clip."""

    @property
    def tree(self) -> Node:
        """The JSON of an ``.otio``."""
        return self._native.tree

    @property
    def addresses(self) -> Mapping[str, Address]:
        """Where in the JSON of an ``.otio`` each clip of the project lies, by place."""
        return self._native.addresses

    @property
    def _native(self) -> NativeFile:
        if not isinstance(self.source, NativeFile):
            raise ProjectError(f"{self.path} is no .otio")
        return self.source

    @property
    def sequences(self) -> Sequence[str]:
        """The names of all sequences in the file."""
        return self.source.names

    @property
    def notes(self) -> Sequence[str]:
        """What could not be taken over as it is."""
        empty = [] if any(True for _ in self.project.clips()) else [f"{self.source.name!r} holds no clips"]
        return [*self.source.notes, *dict.fromkeys(self.remarks), *empty]

    @property
    def returned_name(self) -> str:
        """The name of the file that goes back: in the dialect that came in, or ``.otio`` where that is not written."""
        suffix = next((s for s, dialect in SUFFIXES.items() if dialect == self.source.dialect), ".otio")
        return self.path.stem + (suffix if not isinstance(self.source, dialects.ReadOnly) else ".otio")

    def replace(self, project: Project) -> Document:
        """The document with the marks of another version of its project; nothing else of the file moves."""
        return replace(self, source=self.source.marked(self.project, project), project=project)

    def understood(self, project: Project, remarks: Sequence[str] = (), loose: Iterable[str] = ()) -> Document:
        """The document with the marks that its own markers ask for: they are in the file already, nothing changes."""
        source = self.source.understood(project)
        return replace(self, source=source, project=project, remarks=tuple(remarks), loose=frozenset(loose))

    @property
    def unchanged(self) -> Mapping[str, Rendered]:
        """Renders that came back and still show what is asked, by place: they need not be made again."""
        if not self.returned:
            return {}
        clips = {c.place: c for c in self.project.clips() if c.place.split(">")[-1].startswith("V")}
        rate = self.project.rate
        both = ((place, came.still_right(clips[place], rate)) for place, came in self.returned.items() if place in clips)
        return {place: one for place, one in both if one is not None}

    def to_render(self) -> Project:
        """The project with the marks that are still to be rendered: not those that a render that came back shows.

        Nor are they on the clip below, where that render lies above.
        """
        done = self.unchanged
        shown = {s.id for c in self.project.clips() if c.place in done for s in c.segments}
        below = [c.place for c in self.project.clips() if c.place not in self.returned]
        return without_marks(self.project, done, below, shown) if done else self.project

    def relinked(self, rendered: Sequence[Rendered], above: bool = False) -> Document:
        """The document with clips split and linked to what was rendered of them, and to renders that came back.

        ``above``: renders lie on new tracks over all others instead, and every clip stays as it is. Those of clips in
        nested sequences replace theirs all the same.
        """
        clips = {c.place: c for c in self.project.clips()}
        for place, one in self.unchanged.items():  # other files show the renders that they came with as it is
            if isinstance(self.source, NativeFile) or one.record != clips[place].record:
                rendered = [*rendered, one]
        if isinstance(self.source, dialects.ReadOnly):
            return replace(self, rendered=tuple(rendered), above=above)
        high = [r for r in rendered if above and ">" not in r.place]
        low = [r for r in rendered if r not in high]
        if not isinstance(self.source, NativeFile):
            low += [r for place in self.returned for r in self._filmed_again(clips.get(place), low)]
        source = self.source.relinked(self.project, low)
        source = source.layered(self.project, high) if high else source
        return replace(self, source=source, rendered=tuple(rendered), above=above)

    def _filmed_again(self, clip: Clip | None, rendered: Sequence[Rendered]) -> Iterator[Rendered]:
        """What of a clip that came back with a render, and is split anew, shows the original again.

        Its element would go on showing the render, past its end too. Only for media at their own speed and the program's
        rate: the others stay with the render.
        """
        mine = [r for r in rendered if clip is not None and r.place == clip.place]
        available = clip.media.available if clip else None
        if clip is None or not mine or available is None or clip.media.path is None:
            return
        if clip.speed == 1 and clip.media.rate in (None, self.project.rate):
            for span in (span for span, one in parts_of(clip, mine) if one is None):
                shown = Span(clip.source_time(span.start), span.duration)
                yield Rendered(clip.place, span, clip.media.path, available, shown, available.start)

    @_collecting_later
    def save(self, path: Path | None = None, flavour: str = "", size: tuple[int, int] | None = None) -> Document:
        """Write the file, over its own one only if nobody else changed that since; returns the document as it now lies.

        Without a path an ``.otio`` is rewritten, and of other dialects the sidecar. The name of a path says the dialect;
        one that the file did not come in is written from the model. Media references stay right in another folder.
        ``flavour`` ``resolve`` writes an ``.otio`` as Resolve wants it; ``size`` is that of the pictures, which XML written
        from the model has to say. Raises `OutputError`.
        """
        own = path is None or path.absolute() == self.path.absolute()
        if own and not self.source.stores_marks:
            return self._save_sidecar()
        target = path or self.path
        dialect = SUFFIXES.get(target.suffix.lower())
        if dialect is None and not own:
            raise OutputError(f"{target}: a project is written as {', '.join(SUFFIXES)}")
        if dialect != self.source.dialect and not own:
            return self._exported(target, flavour, size)
        source = self.source.moved(self.path.absolute().parent, target.absolute().parent)
        if own and target.exists():
            self._check(target)
            _remember(target)
        content = self._flavoured(source, flavour).content()
        write_bytes(target, content)
        saved = replace(self, path=target, source=source, digest=_digest(content), losses=tuple(self._baked()))
        return saved._with_sidecar() if self.rendered or not source.stores_marks else saved

    def _check(self, target: Path) -> None:
        if self.digest and _digest(target.read_bytes()) != self.digest:
            raise OutputError(f"{target} was changed by another program since it was opened; open it again")

    def _save_sidecar(self) -> Document:
        """Keep the marks beside a file that is not overwritten."""
        beside = sidecar_path(self.path)
        if not beside.exists():
            write_bytes(beside, Sidecar().content())  # so that the first mark too can be taken back
        _remember(beside)
        return self._with_sidecar()

    def _with_sidecar(self) -> Document:
        unchanged = self.unchanged
        same = {place: self.returned[place].render for place, one in unchanged.items() if one in self.rendered}
        made = sidecar_of(self.project, self.rendered, self.sidecar, same)
        write_bytes(sidecar_path(self.path), made.content())
        # renders that came back are listed where they lie already: only the sidecar says where that is, and it may lie
        there = {back.path for back in unchanged.values()}
        made_now = [r for r in self.rendered if r.path not in there]
        for folder in dict.fromkeys(r.path.absolute().parent for r in made_now):
            here = [r for r in made.renders if Path(r.path).parent == folder]
            write_bytes(folder / MANIFEST, manifest(read_manifest(folder), here))
        return replace(self, sidecar=made)

    def _flavoured(self, source: Source, flavour: str) -> Source:
        """An ``.otio`` with what Resolve wants in it, split clips first."""
        if flavour != "resolve" or not isinstance(source, NativeFile):
            return source
        return replace(source, tree=resolve.for_resolve(source.tree, *source.pieces()))

    def _exported(self, target: Path, flavour: str, size: tuple[int, int] | None) -> Document:
        """Write another dialect, from the model."""
        from lp_editor.timeline.dialects.writing import write

        dialect = SUFFIXES[target.suffix.lower()]
        asked = "resolve" if flavour == "resolve" else dialect
        written = write(self.project, self.rendered, asked, target, self.above, size)
        if target.exists():
            _remember(target)
        write_bytes(target, written.content)
        losses = (*written.losses, *self._baked())
        if self.rendered or (dialect in KEEPS_NO_MARKS and any(c.segments or c.joint for c in self.project.clips())):
            replace(self, path=target, sidecar=Sidecar())._with_sidecar()
        # an edit list says no rate, and 29.97 without drop frame looks like 30
        rate = self.project.rate if dialect == "edl" else None
        if written.source is not None:
            return replace(_opened(target, written.content, written.source, target, None), losses=losses)
        return replace(open_document(target, rate=rate), losses=losses)

    def _baked(self) -> Iterator[str]:
        """What renders take with them that an editor had set on the clip."""
        clips = {c.place: c for c in self.project.clips()}
        for one in self.rendered:
            clip = clips[one.place]
            if clip.speed != 1:
                text = f"{float(clip.speed) * 100:g} % speed"
                yield f"{clip.place} {clip.name}: its {text} is baked into {one.path.name}"


@_collecting_later
def open_document(
    path: Path, sequence: str | None = None, media: Search | None = None, rate: Fraction | None = None,
    regain: Regain | None = None,
) -> Document:  # fmt: skip
    """Open a project file of any dialect, or a bundle of one. Raises `ProjectError` saying what is wrong where.

    ``sequence`` picks one of several by name or number (the first without it), ``media`` is where else to look for
    files, ``rate`` is for edit lists, which say none. ``regain`` finds out what renders of ours are that no list has.
    """
    file = bundles.project_file(path)
    content, source, inside = _read(file, dialects.Asked(sequence, rate))
    return _opened(file, content, source, inside, media, regain)


def _opened(
    file: Path, content: bytes, source: Source, inside: Path, media: Search | None, regain: Regain | None = None
) -> Document:
    """A file that was read, its sidecar and renders that came back understood."""
    project = found_media(source.project, media) if media else source.project
    beside = read_sidecar(file)
    back = recognised(project, beside.renders)
    if regain is not None and (more := regain(back.project)):
        back = recognised(project, (*beside.renders, *more))
    if back.places and isinstance(source, NativeFile):
        source = source.restored(back.project, back.places, inside)
    elif back.places:
        source = source.understood(back.project, False)
    own = source.stores_marks and (not back.places or any(c.segments or c.joint for c in source.project.clips()))
    shown = back.project if own else beside.applied(back.project)
    start = source.project if back.places else project
    document = Document(file, source, start, _digest(content), beside, returned=back.places)
    return document if shown is start else document.replace(shown)


def _read(file: Path, asked: dialects.Asked) -> tuple[bytes, Source, Path]:
    """A file's content, what its dialect made of it, and where its relative media are looked for."""
    content = _content(file)
    inside = file
    if bundles.is_archive(content):
        content, folder = bundles.unpacked(file)
        inside = folder / "content.otio"
    try:
        source = dialects.read(content, inside, asked)
    except RecursionError:
        raise ProjectError(f"{file} is nested too deeply to be a cut") from None
    if inside is not file:
        source = dialects.ReadOnly("otioz", source.project, source.names, source.name, source.notes)
    return content, source, inside


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            packed = bundles.is_archive(file.read(4))
            if not packed and path.stat().st_size > MOST_BYTES:
                raise ProjectError(f"{path} is larger than {MOST_BYTES >> 20} MiB; that is no project")
            file.seek(0)
            return file.read(8) if packed else file.read()
    except OSError as error:
        raise ProjectError(f"{path} cannot be opened ({error.strerror}); check the path") from None


def new_document(path: Path, project: Project) -> Document:
    """A new project that is not saved yet; saving it over a file can be undone like any other change."""
    source = native.viewed(otio.new_tree(project), path)
    return Document(path, source, source.project, "")


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _history(path: Path) -> Path:
    return path.with_name(f".{path.name}.lp-undo")


def _versions(path: Path) -> list[Path]:
    return sorted(p for p in _history(path).glob("[0-9]*.*") if re.fullmatch(r"[0-9]{6,9}", p.stem))


def _remember(path: Path) -> None:
    """Keep a file's present content for `undo`."""
    folder = _history(path)
    versions = _versions(path)
    try:
        folder.mkdir(exist_ok=True)
        number = int(versions[-1].stem) + 1 if versions else 1
        shutil.copy2(path, folder / f"{number:06d}{path.suffix}")
        for old in versions[: len(versions) + 1 - HISTORY]:
            old.unlink()
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}), so nothing could be undone") from error


def undo(path: Path) -> int:
    """Take back the last save of a project; returns how many more can be. Raises `ProjectError` when none can."""
    file = bundles.project_file(path)
    beside = sidecar_path(file)
    target = beside if _versions(beside) else file
    versions = _versions(target)
    if not versions:
        raise ProjectError(f"nothing to undo in {path}")
    write_bytes(target, versions[-1].read_bytes())
    versions[-1].unlink()
    if len(versions) == 1:
        with suppress(OSError):
            _history(target).rmdir()
    return len(versions) - 1
