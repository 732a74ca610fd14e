"""Compares two versions of a project file node by node, without knowing what wrote them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any
from xml.etree import ElementTree

PIECES = {"xmeml": ("clipitem",), "fcpxml": ("clip", "asset-clip", "video", "audition"), "": ("Clip", "Track")}
"""Nodes that a split clip may be and become, by the root of the file; a clip by itself becomes a track."""


@dataclass(frozen=True)
class Difference:
    """A run of nodes of one parent that became others; ``where`` is the path of the parent."""

    where: str
    gone: tuple[str, ...]
    came: tuple[str, ...]


def differences(before: bytes, after: bytes) -> list[Difference]:
    """Where two files differ: the deepest parents whose children are not the same."""
    if before.lstrip()[:1] in (b"{", b"["):
        return list(_json("", json.loads(before), json.loads(after)))
    parser = [
        ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)) for _ in "ab"
    ]
    old, new = (ElementTree.fromstring(c, p) for c, p in zip((before, after), parser, strict=True))
    return list(_xml(old.tag, old, new))


def _text(node: ElementTree.Element) -> str:
    return ElementTree.tostring(node, encoding="unicode").strip()


def _xml(where: str, old: ElementTree.Element, new: ElementTree.Element) -> list[Difference]:
    if _text(old) == _text(new):
        return []
    own = (old.tag, old.attrib, (old.text or "").strip()) != (new.tag, new.attrib, (new.text or "").strip())
    if own or old.tag in PIECES[where.split("/")[0]]:
        return [Difference(where, (str(old.tag),), (str(new.tag),))]
    found: list[Difference] = []
    for gone, came in _runs([_text(c) for c in old], [_text(c) for c in new]):
        if _tags(old, gone) == _tags(new, came):
            for i, j in zip(gone, came, strict=True):
                found += _xml(f"{where}/{old[i].tag}", old[i], new[j])
        else:
            found.append(Difference(where, _tags(old, gone), _tags(new, came)))
    return found


def _tags(node: ElementTree.Element, numbers: Sequence[int]) -> tuple[str, ...]:
    return tuple(str(node[i].tag) for i in numbers)


def _runs(old: Sequence[str], new: Sequence[str]) -> list[tuple[range, range]]:
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return [(range(a, b), range(c, d)) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"]


def _json(where: str, old: Any, new: Any) -> list[Difference]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict) and _kind(old) == _kind(new) and _kind(old) != "Clip":
        found: list[Difference] = []
        for key in {**old, **new}:
            if key not in old or key not in new:
                found.append(Difference(f"{where}/{key}", (key,) if key in old else (), (key,) if key in new else ()))
            else:
                found += _json(f"{where}/{key}", old[key], new[key])
        return found
    if isinstance(old, list) and isinstance(new, list):
        return _json_lists(where, old, new)
    return [Difference(where, (_kind(old),), (_kind(new),))]


def _json_lists(where: str, old: list[Any], new: list[Any]) -> list[Difference]:
    found: list[Difference] = []
    for gone, came in _runs(*([json.dumps(v, sort_keys=True) for v in values] for values in (old, new))):
        names = tuple(tuple(_kind(values[i]) for i in run) for values, run in ((old, gone), (new, came)))
        if names[0] == names[1]:
            for i, j in zip(gone, came, strict=True):
                found += _json(f"{where}/{i}", old[i], new[j])
        else:
            found.append(Difference(where, *names))
    return found


def _kind(node: Any) -> str:
    return str(node.get("OTIO_SCHEMA", "")).split(".")[0] if isinstance(node, dict) else type(node).__name__


def intended(difference: Difference) -> bool:
    """Whether a difference is what a render of a part of one clip asks for: its pieces, or a new resource."""
    gone, came = set(difference.gone), set(difference.came)
    pieces = set(PIECES[difference.where.split("/")[0]])
    if len(difference.gone) == 1 and gone <= pieces:
        return came <= pieces and len(difference.came) <= 3
    return not gone and came <= {"asset", "format"} and difference.where.endswith("resources")
