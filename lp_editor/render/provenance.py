"""What a rendered file says of itself: which faces were changed by which effect and engine, where, and with whose consent.

The record is made of the plan that was rendered, holds no date and nothing of the machine's folders, and is one text in
the file's metadata, so that equal renders stay equal files. Read back, it is a stranger's text like any other.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from lp_editor.errors import LpEditorError, MediaError, ParamError
from lp_editor.files import write_bytes
from lp_editor.media.probe import RECORD
from lp_editor.plan import FacePlan, Shot, segment_rows
from lp_editor.timeline import stored
from lp_editor.timeline.marks import joint_text, segment_text
from lp_editor.timeline.model import Clip, ParamValue, Segment
from lp_editor.timeline.sidecar import sidecar_path
from lp_editor.timeline.timecode import timecode
from lp_editor.timeline.urls import is_file
from lp_editor.version import VERSION

if TYPE_CHECKING:
    from lp_editor.render.stage import Stage

PREFIX, PACKED = f"{RECORD}1 ", f"{RECORD}1z "
"""How a record begins in a file's metadata: plain JSON, and the same packed (zlib, base64)."""

LONGEST = 30_000
"""Signs of a record in a file's metadata that stays readable; MOV takes 65,535 of them in all."""

LONGEST_TAG = 60_000

LONGEST_NOTE = 10_000
"""Signs of a consent record."""

LONGEST_WHAT = 200
"""Signs of what one mark asks for."""

WRONG = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, zlib.error, LpEditorError)
"""What reading a record of another shape raises."""

MOST_EARLIER = 8
"""Records of footage that was rendered by us before that a file hands on."""


@dataclass(frozen=True)
class Change:
    """One mark as it was rendered. ``source`` and ``record`` are timecodes of its first frame and of the one after its
    last, ``frames`` the first frame in the file and how many."""

    effect: str
    what: str
    mark: str
    clip: str
    place: str
    media: str
    identity: str
    source: tuple[str, str]
    record: tuple[str, str]
    frames: tuple[int, int]
    face: str
    track: str


@dataclass(frozen=True)
class Provenance:
    """The record of one file. ``earlier`` are those of its footage, where that had any."""

    version: str
    engine: str
    fingerprint: str
    weights: str
    project: str
    changes: tuple[Change, ...]
    consent: str = ""
    earlier: tuple[Provenance, ...] = ()
    left_out: int = 0
    """Changes that the file's metadata had no room for."""

    def to_json(self) -> dict[str, Any]:
        """The record as JSON; what is empty is left out."""
        kept = {k: v for k, v in asdict(self).items() if v not in ("", 0, ()) or k == "changes"}
        return kept | ({"earlier": [e.to_json() for e in self.earlier]} if self.earlier else {})

    def text(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))

    def tag(self) -> str:
        """The record as a file's metadata bears it: packed where it is long, the last changes left out where it must be."""
        plain = PREFIX + self.text()
        if len(plain.encode("utf-8", "replace")) <= LONGEST:
            return plain
        packed = PACKED + base64.b64encode(zlib.compress(self.text().encode("utf-8", "replace"), 9)).decode()
        if len(packed) <= LONGEST_TAG:
            return packed
        half = len(self.changes) // 2
        return Provenance(
            self.version, self.engine, self.fingerprint, self.weights, self.project, self.changes[:half],
            self.consent[:1000], (), self.left_out + len(self.changes) - half,
        ).tag()  # fmt: skip


@dataclass(frozen=True)
class Telling:
    """What is to be told of every file of a render, beside what it shows."""

    project: str
    start: Fraction = Fraction(0)
    drop_frame: bool = False
    consent: str = ""


def told(
    stage: Stage, telling: Telling, first: int = 0, count: int | None = None, keys: Sequence[str] = ()
) -> Provenance:  # fmt: skip
    """The record of program frames ``first`` … of a render, of some strips or of all."""
    stop = first + count if count is not None else max((e.stop for e in stage.plan.events), default=first)
    changes = [*_segments(stage, telling, first, stop, keys), *_joints(stage, telling, first, stop, keys)]
    shown = [key for key in stage.plan.shots if not keys or key in keys]
    tags = dict.fromkeys(stage.footage[key].info.provenance for key in shown if stage.footage[key].info.provenance)
    return Provenance(
        VERSION, stage.engine.name, stage.engine.fingerprint, str(getattr(stage.engine, "weights", "")), telling.project,
        tuple(sorted(changes, key=lambda c: (c.frames, c.mark))), telling.consent, tuple(_earlier(tags)),
    )  # fmt: skip


def _earlier(tags: Mapping[str, None]) -> Iterator[Provenance]:
    """The records of footage that bears some; those that cannot be read are passed over."""
    for _, tag in zip(range(MOST_EARLIER), tags, strict=False):
        try:
            yield read(tag, "footage")
        except LpEditorError:
            continue


def _segments(stage: Stage, telling: Telling, first: int, stop: int, keys: Sequence[str]) -> Iterator[Change]:
    for key, shot in stage.plan.shots.items():
        if keys and key not in keys:
            continue
        for plan in shot.faces:
            for segment in plan.segments:
                found = _rows(stage, shot, segment, first, stop)
                if found is not None:
                    yield _change(stage, telling, shot, plan, segment, found, first)


def _rows(stage: Stage, shot: Shot, segment: Segment, first: int, stop: int) -> tuple[int, int] | None:
    """The program frames that a segment covers of those that a file shows: first, and the one after the last."""
    rows = segment_rows(shot.strip, segment, shot.first, shot.count, stage.plan.rate)
    if not len(rows):
        return None
    low, high = max(shot.first + int(rows[0]), first), min(shot.first + int(rows[-1]) + 1, stop)
    return (low, high) if high > low else None


def _change(
    stage: Stage, telling: Telling, shot: Shot, plan: FacePlan, segment: Segment, frames: tuple[int, int], first: int
) -> Change:  # fmt: skip
    rate, clip, info = stage.plan.rate, shot.strip.clip, stage.footage[shot.strip.key].info
    times = [shot.strip.source_time(Fraction(n) / rate) for n in frames]
    return Change(
        segment.effect, _short(segment_text(_homeless(segment), clip, rate)), segment.id, clip.name[:200], clip.place, info.path.name,
        info.identity, _codes(times, clip), _record(frames, rate, telling), (frames[0] - first, frames[1] - frames[0]),
        segment.face if not segment.face.startswith("like:") else "like a picture", str(plan.face),
    )  # fmt: skip


def _joints(stage: Stage, telling: Telling, first: int, stop: int, keys: Sequence[str]) -> Iterator[Change]:
    rate = stage.plan.rate
    for blend in stage.plan.blends.values():
        out, into = blend.morph.outgoing.strip, blend.morph.incoming.strip
        low, high = max(blend.first, first), min(blend.first + len(blend.weights), stop)
        if high <= low or (keys and not {out.key, into.key} & set(keys)):
            continue
        joint, info = blend.morph.joint, stage.footage[out.key].info
        times = [out.source_time(Fraction(n) / rate) for n in (low, high)]
        name = f"{out.clip.name[:100]} into {into.clip.name[:100]}"
        yield Change(
            joint.effect, _short(joint_text(replace(joint, params=_without_folders(joint.params)), rate)), joint.id, name,
            out.clip.place, info.path.name, info.identity, _codes(times, out.clip),
            _record((low, high), rate, telling), (low - first, high - low), "both", "",
        )  # fmt: skip


def _codes(times: Sequence[Fraction], clip: Clip) -> tuple[str, str]:
    return timecode(times[0], clip.rate), timecode(times[1], clip.rate)


def _record(frames: tuple[int, int], rate: Fraction, telling: Telling) -> tuple[str, str]:
    a, b = (timecode(Fraction(n) / rate + telling.start, rate, telling.drop_frame) for n in frames)
    return a, b


def _homeless(segment: Segment) -> Segment:
    """A segment without the folders of the files that it names: they tell of a machine, and of whose it is."""
    kind, sign, rest = segment.face.partition(":")
    face = f"{kind}{sign}{_file_name(rest)}" if sign else segment.face
    return replace(segment, params=_without_folders(segment.params), face=face)


def _without_folders(params: Mapping[str, ParamValue]) -> dict[str, ParamValue]:
    return {name: _file_name(value) if isinstance(value, str) else value for name, value in params.items()}


def _file_name(text: str) -> str:
    """The file name of an absolute path of any system; any other text as it is."""
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(text).is_absolute():
            return kind(text).name or text
    return text


def _short(text: str) -> str:
    text = text.removeprefix("lp ")
    return text if len(text) <= LONGEST_WHAT else text[:LONGEST_WHAT] + "…"


def write_beside(output: Path, record: Provenance) -> None:
    """Keep a film's record beside it too, whole: metadata is often taken away on the way to a viewer."""
    kept = {"version": 1, "provenance": record.to_json()}
    write_bytes(sidecar_path(output), (json.dumps(kept, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace"))


def read_beside(path: Path) -> Provenance | None:
    """The record beside a film; None where there is none. Raises `MediaError` for one that is damaged."""
    beside = sidecar_path(path)
    if not is_file(beside):
        return None
    try:
        kept = stored.read(beside)
        told = kept.get("provenance") if isinstance(kept, dict) else None
        return from_json(told) if isinstance(told, dict) else None
    except (*WRONG, OSError) as error:
        raise MediaError(f"{beside}: its provenance is damaged ({str(error)[:200]})") from None


def consent_note(note: str) -> str:
    """A consent record as it is given: a text, or ``@FILE`` for that of a file. Raises `ParamError`."""
    text = note
    if note.startswith("@"):
        try:
            with Path(note[1:]).open("rb") as file:
                text = file.read(4 * LONGEST_NOTE + 1).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
            raise ParamError(f"--consent {note[:200]}: the file cannot be read ({reason})") from None
    if not text.strip() or len(text) > LONGEST_NOTE or "\0" in text:
        raise ParamError(f"a consent record is a text of at most {LONGEST_NOTE} signs, or @FILE with one")
    return text.strip()


# --- read back ------------------------------------------------------------------------------------------------------


def read(tag: str, name: str) -> Provenance:
    """The record that a text holds, as `Provenance.tag` wrote it. Raises `MediaError` for one that is damaged."""
    try:
        if tag.startswith(PACKED):
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(base64.b64decode(tag[len(PACKED) :], validate=True), 64 << 20)
            if unpacker.unconsumed_tail:
                raise ValueError("it unpacks to more than a record holds")
        else:
            content = tag.removeprefix(PREFIX).encode("utf-8", "replace")
        return from_json(stored.parsed(content, "the record"), 0)
    except WRONG as error:
        raise MediaError(f"{name}: its provenance is damaged ({str(error)[:200]})") from None


def is_record(text: str) -> bool:
    """Whether a tag of a file is a record of ours."""
    return text.startswith((PREFIX, PACKED))


def from_json(kept: Mapping[str, Any], depth: int = 0) -> Provenance:
    """The record that JSON holds. Raises what JSON of another shape gives."""
    version, engine, fingerprint, weights, project = (
        str(kept.get(name, "")) for name in ("version", "engine", "fingerprint", "weights", "project")
    )
    earlier = [] if depth > MOST_EARLIER else [from_json(one, depth + 1) for one in kept.get("earlier", [])]
    changes = tuple(_read_change(one) for one in kept["changes"])
    left_out = int(kept.get("left_out", 0))
    consent = str(kept.get("consent", ""))
    return Provenance(version, engine, fingerprint, weights, project, changes, consent, tuple(earlier), left_out)


def _read_change(kept: Mapping[str, Any]) -> Change:
    (a, b), (c, d), (first, count) = kept["source"], kept["record"], kept["frames"]
    effect, what, mark, clip, place, media, identity, face, track = (
        str(kept[name]) for name in ("effect", "what", "mark", "clip", "place", "media", "identity", "face", "track")
    )
    return Change(
        effect, what, mark, clip, place, media, identity, (str(a), str(b)), (str(c), str(d)), (int(first), int(count)),
        face, track,
    )  # fmt: skip
