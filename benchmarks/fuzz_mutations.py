"""Damages files as a careless program or a clever stranger would: their bytes, and what the bytes mean."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from xml.etree import ElementTree

Mutate: TypeAlias = Callable[[bytes, random.Random], bytes]

NUMBERS = (
    "0", "-0", "-1", "1", "1e999", "-1e999", "NaN", "Infinity", "1e-9", "1e308", "5e-324", "0.1", "1/0", "0/0", "1/3", "1e99999999",
    "1000000000000", "100000000000000000000", "9223372036854775807", "-9223372036854775808", "4294967296", "2147483648",
    "1" * 400, "9" * 5000, "0x10", "1_0", "٣", "1,5", "--1", "1e", "100000000", "86400", "23.976", "29.97",
)  # fmt: skip
"""Numbers as texts, some of which are none."""

TEXTS = (
    "", " ", "\0", "\x1b[2J\x1b[31mred", "\u202egnp.exe", "\ud800", "a" * 300, "b" * 70_000, "../../outside", "/outside", "..\\..\\outside",
    "C:\\outside", "//server/outside", "file:///etc/passwd%00.mov", "file://%00", "%s%n%d", "{0}{x}", "[/bold]", "[link=x]", "CON", ".", "..",
    "/dev/zero", "/dev/stdin", "file:///proc/self/mem", "Ω≈ç√∫", "\r\n", "<![CDATA[", "&amp;", "]]>", "-rf", "~", "$HOME", "V1/1", "film.mp4", "./" * 2000,
    "lp smile", "lp expression smile=1e999", "lp stitch", "lp " + "a=1 " * 4000, "lp gaze x=0@0,1@1e99999999s", "00:00:00;00", "99:99:99:99", "x" * 5000 + "/y",
)  # fmt: skip
"""Texts that somebody would put where a name, a place, a path or a mark belongs."""

INTEGERS = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)

WHERE_HEADERS_ARE = 600
"""Bytes at the start of a file that are damaged as often as all the others."""


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A file with one to six places of its bytes changed."""
    out = bytearray(content or b"\0")
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        _damage(out, rng)
    return bytes(out)


def _damage(out: bytearray, rng: random.Random) -> None:
    if not out:
        out += b"\0"
    end = len(out) if rng.random() < 0.5 else min(len(out), WHERE_HEADERS_ARE)
    at = rng.randrange(end)
    length = min(rng.choice((1, 2, 4, 8, 64, 1000, len(out) // 2 + 1)), len(out) - at)
    kind = rng.randrange(9)
    if kind == 0:
        out[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    elif kind == 2:
        out[at : at + length] = b""
    elif kind == 3:
        out[at:at] = bytes(out[at : at + length]) * rng.choice((1, 1, 2, 20))
    elif kind == 4:
        out[at:at] = rng.randbytes(length)
    elif kind == 5:
        del out[at:]
    elif kind == 6:
        size = rng.choice((1, 2, 4, 8))
        value = (rng.choice(INTEGERS) + rng.randrange(-1, 2)) % 2 ** (8 * size)
        out[at : at + size] = value.to_bytes(size, rng.choice(("big", "little")))
    elif kind == 7:
        out[at : at + length] = bytes([rng.choice((0, 32, 255))]) * length
    else:
        out[:] = _numbers_changed(bytes(out), rng)


def _numbers_changed(content: bytes, rng: random.Random) -> bytes:
    """One number written in a text made another."""
    found = [m for _, m in zip(range(4000), re.finditer(rb"-?\d+(?:\.\d+)?", content), strict=False)]
    if not found:
        return content
    match = rng.choice(found)
    return content[: match.start()] + rng.choice(NUMBERS).encode() + content[match.end() :]


# --- JSON -----------------------------------------------------------------------------------------------------------

RAW = "\ue000raw:"
"""How a text begins that stands for JSON to be written as it is."""


def json_changed(content: bytes, rng: random.Random) -> bytes:
    """JSON with one to four of its nodes changed; what is none has its bytes changed."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return damaged(content, rng)
    for _ in range(rng.choice((1, 1, 2, 4))):
        tree = _json_change(tree, rng)
    text = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
    text = re.sub(r'"(?:\\ue000|\ue000)raw:(.*?)"', lambda m: m[1], text)
    text = text.replace("\ue001", '"').replace("\\ue001", '"')
    return text.encode("utf-8", "surrogatepass")


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        found += [(node, key) for key, _ in pairs]
        waiting += [value for _, value in pairs]
    return found


def _json_value(rng: random.Random) -> Any:
    kind = rng.randrange(6)
    if kind == 0:
        return RAW + rng.choice([n for n in NUMBERS if re.fullmatch(r"-?[\d.e]+|NaN|-?Infinity", n)] or ["0"])
    if kind == 1:
        return rng.choice(TEXTS)
    if kind == 2:
        return rng.choice((None, True, False, [], {}, [[]], {"OTIO_SCHEMA": "Clip.2"}, {"OTIO_SCHEMA": "Stack.1", "children": []}))
    if kind == 3:
        depth = rng.choice((50, 300, 3000, 100_000))
        opening, closing = rng.choice((("[", "]"), ("{\ue001a\ue001:", "}")))
        return RAW + opening * depth + "1" + closing * depth
    if kind == 4:
        return rng.choice((0, -1, 1, 0.5, -1e9, 1e12, 1e300, 2**53, -0.0))
    return {"OTIO_SCHEMA": rng.choice(("RationalTime.1", "TimeRange.1", "Marker.2", "Gap.1", "Transition.1", "Foo.9")), "rate": 0, "value": 1}


def _json_change(tree: Any, rng: random.Random) -> Any:
    found = places(tree)
    if not found:
        return _json_value(rng)
    node, key = rng.choice(found)
    kind = rng.randrange(7)
    if kind <= 2:
        node[key] = _json_value(rng)
    elif kind == 3:
        del node[key]
    elif kind == 4 and isinstance(node[key], list):
        node[key] = (node[key] * rng.choice((2, 20, 500)))[:20_000]
    elif kind == 5:
        other, name = rng.choice(found)
        if isinstance(other, dict) or (isinstance(name, int) and name < len(other)):
            node[key] = json.loads(json.dumps(other.get(name) if isinstance(other, dict) else other[name]))
    elif isinstance(node, dict):
        node[rng.choice(("", "OTIO_SCHEMA", "children", "metadata", "rate", "value", "\0"))] = node.pop(key)
    return tree


# --- XML ------------------------------------------------------------------------------------------------------------


def xml_changed(content: bytes, rng: random.Random) -> bytes:
    """XML with one to four of its elements changed, sometimes in another encoding or with entities."""
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError):
        return damaged(content, rng)
    for _ in range(rng.choice((1, 1, 2, 4))):
        _xml_change(root, rng)
    try:
        text = ElementTree.tostring(root, encoding="unicode")
    except RecursionError:  # elements put into one another twice over: deeper than Python writes
        return damaged(content, rng)
    kind = rng.randrange(12)
    if kind == 0:
        text = f'<?xml version="1.0" encoding="UTF-16"?>{text}'
        return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-8")), "replace")
    if kind == 1:
        inner = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
        text = f'<!DOCTYPE x [<!ENTITY e0 "lol">{inner}]>{text.replace("</", "&e9;</", 1)}'
    elif kind == 2:
        code = rng.choice(("utf-7", "idna", "punycode", "unicode_escape", "zlib", "rot13", "cp037", "latin-1", "shift_jis", "../x"))
        text = f'<?xml version="1.0" encoding="{code}"?>{text}'
    return text.encode("utf-8", "replace")


def _xml_change(root: ElementTree.Element, rng: random.Random) -> None:
    elements = list(root.iter())
    element = rng.choice(elements)
    kind = rng.randrange(8)
    if kind <= 1 and element.attrib:
        element.set(rng.choice(list(element.attrib)), _plain(rng))
    elif kind <= 3:
        element.text = _plain(rng)
    elif kind == 4 and len(element):
        element.remove(rng.choice(list(element)))
    elif kind == 5 and len(element):
        child = rng.choice(list(element))
        for _ in range(rng.choice((1, 3, 200)) if sum(1 for _ in child.iter()) < 200 else 1):
            element.append(child)
    elif kind == 6:
        other = rng.choice(elements)
        if element not in list(other.iter()):
            element.append(other)
    elif rng.random() < 0.3:
        inner = element
        for _ in range(rng.choice((30, 150, 390, 1000))):
            inner = ElementTree.SubElement(inner, element.tag, dict(element.attrib))
    else:
        element.tag = rng.choice(elements).tag


def _plain(rng: random.Random) -> str:
    text = rng.choice((rng.choice(NUMBERS), rng.choice(TEXTS), rng.choice(NUMBERS) + "s", "1/" + rng.choice(NUMBERS) + "s"))
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "?", text)


# --- archives -------------------------------------------------------------------------------------------------------

MEMBERS = ("../../outside.mov", "/outside.mov", "C:/outside.mov", "a\\..\\..\\outside", "", "content.otio", "x/" * 300, "y" * 300, "media", "media/film.mp4/a",
           "./", "\0", "content.otio/", "media/\x1b[31m.mov")  # fmt: skip


def zip_changed(content: bytes, rng: random.Random, inside: Mutate = damaged) -> bytes:
    """An archive with a member changed, renamed, doubled, made a bomb or a link; sometimes its bytes."""
    if rng.random() < 0.3:
        return damaged(content, rng)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(i.filename, archive.read(i)) for i in archive.infolist()]
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, zlib.error):
        return damaged(content, rng)
    made = io.BytesIO()
    chosen = rng.randrange(max(len(members), 1))
    kind = rng.randrange(6)
    with zipfile.ZipFile(made, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for number, (name, body) in enumerate(members):
            info = zipfile.ZipInfo(name)
            if number == chosen and kind == 0:
                info.filename = rng.choice(MEMBERS)
            if number == chosen and kind == 1:
                body = b"\0" * (64 << 20)
                info.compress_type = zipfile.ZIP_DEFLATED
            if number == chosen and kind == 2:
                info.external_attr, body = 0o120777 << 16, b"/etc/passwd"
            if number == chosen and kind >= 3:
                body = inside(body, rng)
            _write(archive, info, body)
            if number == chosen and kind == 2 and rng.random() < 0.5:
                _write(archive, zipfile.ZipInfo(name), body)
    return made.getvalue()


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, body: bytes) -> None:
    import warnings

    with warnings.catch_warnings():  # of names that are there twice
        warnings.simplefilter("ignore")
        archive.writestr(info, body)


# --- AAF ------------------------------------------------------------------------------------------------------------


def aaf_changed(content: bytes, rng: random.Random) -> bytes:
    """An AAF with a number of its container changed that leads elsewhere, or with its bytes changed.

    The container is a small file system: a table of sectors that follow one another, folders as trees of entries, and in
    each folder a stream that lists properties with their sizes, and indexes that count what is in a set.
    """
    if rng.random() < 0.25 or len(content) < 8192:
        return damaged(content, rng)
    out = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        rng.choice((_header_changed, _sector_changed, _entry_changed, _entry_changed, _stream_changed, _stream_changed))(out, rng)
    return bytes(out)


def _number_of(rng: random.Random, most: int, size: int = 4) -> bytes:
    """A number that may be one of ``most`` things, or beyond all of them."""
    value = rng.choice((rng.randrange(max(most, 1)), rng.choice(INTEGERS), rng.choice((0xFFFFFFFC, 0xFFFFFFFE, 0xFFFFFFFF))))
    return (value % (1 << 8 * size)).to_bytes(size, "little")


def _header_changed(out: bytearray, rng: random.Random) -> None:
    at = rng.choice((30, 40, 44, 48, 56, 60, 64, 68, 72, *range(76, 100, 4)))
    out[at : at + 4] = _number_of(rng, len(out) >> 9)


def _sector_changed(out: bytearray, rng: random.Random) -> None:
    """A sector followed by another one than it was."""
    size = 1 << min(int.from_bytes(out[30:32], "little"), 12)
    table = (int.from_bytes(out[76:80], "little") + 1) * size
    count = len(out) // size
    at = table + 4 * rng.randrange(max(count, 1))
    if at + 4 <= len(out):
        out[at : at + 4] = _number_of(rng, count)


def entries(content: bytes | bytearray) -> list[int]:
    """Where the entries of an AAF's folders lie that bear a name."""
    return [at for at in range(512, len(content) - 128, 128) if content[at + 66] in (1, 2, 5) and content[at + 67] in (0, 1) and 2 < content[at + 64] <= 64 and not content[at + 65]]


def _entry_changed(out: bytearray, rng: random.Random) -> None:
    """An entry with another left, right or inner one, another start, size, kind or name."""
    found = entries(out)
    if found:
        at = rng.choice(found)
        field, size = rng.choice(((0, 2), (64, 2), (66, 1), (68, 4), (72, 4), (76, 4), (76, 4), (80, 4), (116, 4), (120, 4), (124, 4)))
        out[at + field : at + field + size] = _number_of(rng, len(found), size)


def _stream_changed(out: bytearray, rng: random.Random) -> None:
    """A list of properties (it begins with 0x4c, 0x20 and a count) with another count, id, kind or size; or an index."""
    found = [m.start() for _, m in zip(range(4000), re.finditer(rb"\x4c\x20[\x01-\x30]\x00", out), strict=False)]
    if found:
        at = rng.choice(found) + rng.choice((0, 2, 2, *range(4, 60, 2)))
        out[at : at + 2] = _number_of(rng, 64, 2)
        if rng.random() < 0.5:
            at += rng.randrange(2, 400)
            out[at : at + 4] = _number_of(rng, 1000)


# --- sound and pictures ---------------------------------------------------------------------------------------------


def wav_changed(content: bytes, rng: random.Random) -> bytes:
    """A WAV with a field of its header changed, or its bytes."""
    if rng.random() < 0.4 or len(content) < 44:
        return damaged(content, rng)
    out = bytearray(content)
    at, size = rng.choice(((4, 4), (16, 4), (20, 2), (22, 2), (24, 4), (28, 4), (32, 2), (34, 2), (40, 4)))
    out[at : at + size] = ((rng.choice(INTEGERS) + rng.randrange(-1, 2)) % 2 ** (8 * size)).to_bytes(size, "little")
    return bytes(out)


def boxes(content: bytes, start: int = 0, stop: int | None = None, depth: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """The boxes of an MP4 or MOV, (start, end, kind), those inside others among them."""
    at, end = start, len(content) if stop is None else stop
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        size = size if 8 <= size <= end - at else end - at
        yield at, at + size, kind
        if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"mvex", b"moof", b"traf") and depth < 8:
            yield from boxes(content, at + 8, at + size, depth + 1)
        at += size


def mp4_changed(content: bytes, rng: random.Random) -> bytes:
    """An MP4 with a box of its index changed: a count, a size, an entry, the whole of it."""
    found = [b for b in boxes(content) if b[2] != b"mdat"]
    if rng.random() < 0.3 or not found:
        return damaged(content, rng)
    out = bytearray(content)
    for _ in range(rng.choice((1, 1, 2))):
        start, end, kind = rng.choice(found)
        what = rng.randrange(6)
        if what == 0:
            out[start : start + 4] = (rng.choice(INTEGERS) % 2**32).to_bytes(4, "big")
        elif what == 1 and end - start >= 16:
            out[start + 12 : start + 16] = (rng.choice(INTEGERS) % 2**32).to_bytes(4, "big")
        elif what == 2:
            out[start + 4 : start + 8] = rng.choice((b"free", b"moov", b"trak", kind[::-1], rng.choice(found)[2]))
        elif end > start + 8:
            at = rng.randrange(start + 8, end)
            out[at : at + 4] = (rng.choice(INTEGERS) % 2**32).to_bytes(4, "big")
    return bytes(out)


def png_changed(content: bytes, rng: random.Random) -> bytes:
    """A PNG of another size or depth, its checksum right; or with its bytes changed."""
    if rng.random() < 0.5 or content[12:16] != b"IHDR":
        return damaged(content, rng)
    header = bytearray(content[16:29])
    at, size = rng.choice(((0, 4), (4, 4), (8, 1), (9, 1), (12, 1)))
    header[at : at + size] = (rng.choice((*INTEGERS, 4000, 9000, 16000, 20000)) % 2 ** (8 * size)).to_bytes(size, "big")
    return content[:16] + bytes(header) + zlib.crc32(b"IHDR" + header).to_bytes(4, "big") + content[33:]


def safetensors_changed(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file with its header changed as JSON, or its bytes."""
    size = int.from_bytes(content[:8], "little")
    if rng.random() < 0.4 or size > len(content):
        return damaged(content, rng)
    header = json_changed(content[8 : 8 + size], rng)
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def text_changed(content: bytes, rng: random.Random) -> bytes:
    """A text with a word, a number or a sign changed, made long, or its bytes."""
    if rng.random() < 0.3:
        return damaged(content, rng)
    text = content.decode("utf-8", "replace")
    words = re.findall(r"[\w.]+|\W", text) or [""]
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(words))
        words[at] = rng.choice((rng.choice(NUMBERS), rng.choice(TEXTS), rng.choice(words), words[at][:1000] * rng.choice((2, 3000)), "", "=", "@", ":", ";", "\n"))
    return "".join(words)[: 1 << 21].encode("utf-8", "surrogatepass")

