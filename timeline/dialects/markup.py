"""XML project files as text with known places: parsed safely, and patched without touching anything else.

The file's own bytes stay the record. Every element knows where it begins and ends in them, so a change is a splice
and all the rest, to the last blank, comment and attribute quote, is what it was. Entities of a file's own are refused
and nothing is ever fetched.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from lp_editor.errors import ProjectError
from lp_editor.timeline.dialects.encodings import MARKS

DEEPEST = 400
"""Elements inside one another beyond this are no cut."""

MOST_ELEMENTS = 1_000_000
"""A feature film's cut with all its filters has fewer."""

ENCODINGS = re.compile(r"utf|ascii|iso8859|cp\d|mac|shift|euc|gb|big5|koi8")
"""How the names of encodings begin that files are written in. Python knows others: some never end, some are no text."""

STARTS = (*MARKS, (b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"))
"""How a file begins that need not say its encoding: with a byte order mark, or with the signs of a declaration."""

OPEN_TAG = re.compile(rb"<[^\s/>]+(?:\s+[^\s=]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*\s*/?>")

SLASH, CLOSING = b"/>"


@dataclass(eq=False, slots=True)
class Element:
    """One element: its tag, attributes, text and children, and where it lies in the bytes.

    ``start`` and ``end`` hold all of it, ``inner`` and ``close`` what is between its tags.
    """

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    start: int
    inner: int = 0
    close: int = 0
    end: int = 0
    children: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The element's own text, without blanks around it."""
        return "".join(self.texts).strip()

    def find(self, path: str) -> Element | None:
        """The first descendant along a path of tags (``rate/timebase``), or None."""
        here = self
        for tag in path.split("/"):
            for child in here.children:
                if child.tag == tag:
                    here = child
                    break
            else:
                return None
        return here

    def value(self, path: str, default: str = "") -> str:
        """The text at a path of tags."""
        found = self.find(path)
        return default if found is None else found.text

    def all(self, *tags: str) -> list[Element]:
        """The children with one of some tags."""
        return [c for c in self.children if c.tag in tags]

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in file order."""
        waiting = [self]
        while waiting:
            here = waiting.pop()
            yield here
            waiting += reversed(here.children)


@dataclass(frozen=True)
class Splice:
    """New text for a stretch of the bytes (or of an element's own text)."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Markup:
    """A parsed file: its content as UTF-8, the encoding it came in, and its root element."""

    content: bytes
    encoding: str
    root: Element
    elements: Sequence[Element]
    """The root and all below it, in file order."""

    def source(self, element: Element, splices: Sequence[Splice] = ()) -> str:
        """The text of one element, with some stretches of it replaced."""
        return spliced(self.content, splices, element.start, element.end)

    def encoded(self, splices: Sequence[Splice]) -> bytes:
        """The whole file with some stretches replaced, in the encoding it came in."""
        if not splices:
            return self.raw()
        return _encoded(spliced(self.content, splices, 0, len(self.content)), self.encoding)

    def raw(self) -> bytes:
        """The whole file as it came."""
        return _encoded(self.content.decode("utf-8"), self.encoding)

    def indent(self, element: Element) -> str:
        """The line break and blanks before an element, to put another one beside it."""
        line = self.content.rfind(b"\n", 0, element.start)
        blank = self.content[max(line, 0) : element.start]
        if line < 0 or blank.strip():
            return ""
        return ("\r" if self.content[line - 1 : line] == b"\r" else "") + blank.decode()


def spliced(content: bytes, splices: Sequence[Splice], start: int, end: int) -> str:
    """A stretch of some bytes as text, with parts of it replaced."""
    out: list[str] = []
    at = start
    for splice in sorted(splices, key=lambda s: (s.start, s.end)):
        assert at <= splice.start <= splice.end <= end, "changes of one file overlap"
        out += [content[at : splice.start].decode("utf-8"), splice.text]
        at = splice.end
    return "".join([*out, content[at:end].decode("utf-8")])


def parse(raw: bytes, path: Path) -> Markup:
    """Parse a file. Raises `ProjectError` for what is not well formed, declares entities or is nested without end."""
    content, encoding = _decoded(raw, path)
    if content.count(b"<") - content.count(b"</") > 2 * MOST_ELEMENTS:  # before any of them takes time
        raise ProjectError(f"{path} holds more than {MOST_ELEMENTS:,} elements; that is no cut")
    builder = _Builder(content, path)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    builder.parser = parser
    parser.StartElementHandler = builder.opened
    parser.EndElementHandler = builder.closed
    parser.CharacterDataHandler = builder.said
    parser.EntityDeclHandler = builder.entity
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ProjectError(f"{path} is not well-formed XML ({error}); export it again") from None
    assert builder.root is not None
    return Markup(content, encoding, builder.root, builder.elements)


class _Builder:
    """Grows the tree while expat reads."""

    def __init__(self, content: bytes, path: Path) -> None:
        self.content, self.path = content, path
        self.root: Element | None = None
        self.here: Element | None = None
        self.depth = 0
        self.elements: list[Element] = []
        self.parser: expat.XMLParserType | None = None

    @property
    def at(self) -> int:
        assert self.parser is not None
        return self.parser.CurrentByteIndex

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ProjectError(f"{self.path} is nested too deeply to be a cut")
        if len(self.elements) >= MOST_ELEMENTS:
            raise ProjectError(f"{self.path} holds more than {MOST_ELEMENTS:,} elements; that is no cut")
        element = Element(tag, attributes, self.here, self.at)
        element.inner = self._inner(element)
        self.elements.append(element)
        if self.here is None:
            self.root = element
        else:
            self.here.children.append(element)
        self.here = element

    def _inner(self, element: Element) -> int:
        """Where an element's opening tag ends."""
        plain = element.start + len(element.tag) + 1
        if not element.attributes and self.content[plain] == CLOSING and element.tag.isascii():
            return plain + 1
        match = OPEN_TAG.match(self.content, element.start)
        if match is None:
            raise ProjectError(f"{self.path}: the tag <{element.tag[:40]}> cannot be taken apart; export it again")
        return match.end()

    def closed(self, tag: str) -> None:
        assert self.here is not None
        here, at = self.here, self.at
        if self.content[here.inner - 2] == SLASH:
            here.close = here.end = here.inner
        else:
            here.close, here.end = at, self.content.index(b">", at) + 1
        self.here, self.depth = here.parent, self.depth - 1

    def said(self, text: str) -> None:
        if self.here is not None:
            self.here.texts.append(text)

    def entity(self, name: str, *rest: object) -> None:
        raise ProjectError(f"{self.path} declares the entity {name[:40]!r}, which no editing system does; not read")


def _decoded(raw: bytes, path: Path) -> tuple[bytes, str]:
    """The content as UTF-8 and the encoding it had."""
    for start, name in STARTS:
        if raw.startswith(start):
            encoding = name
            break
    else:
        declared = re.match(rb"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)[\"']", raw[:200])
        encoding = declared[1].decode().lower() if declared else "utf-8"
    try:
        known = codecs.lookup(encoding).name
        if known == "utf-7" or not ENCODINGS.match(known):
            raise LookupError("no encoding that projects are written in")
        text = raw.decode(encoding)
        if _encoded(text, encoding) != raw:
            raise ValueError("some bytes would not come back")
    except (LookupError, ValueError) as error:
        raise ProjectError(f"{path} is not text in {encoding} ({error}); export it again") from None
    return text.encode("utf-8"), encoding


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, "xmlcharrefreplace")


def element(tag: str, text: object = "", **attributes: object) -> str:
    """An element without children as text, everything escaped."""
    given = "".join(f" {name.rstrip('_')}={attribute(value)}" for name, value in attributes.items())
    return f"<{tag}{given}>{escape(_clean(str(text)))}</{tag}>" if str(text) else f"<{tag}{given}/>"


def attribute(value: object) -> str:
    """A value in quotes, escaped."""
    return quoteattr(_clean(str(value)), {"\n": "&#10;", "\t": "&#9;"})


def _clean(text: str) -> str:
    """A text without the characters that XML cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def content_of(element: Element, text: object) -> Splice:
    """The splice that gives an element another text."""
    plain = escape(_clean(str(text)))
    if element.inner == element.close and element.close == element.end:
        return Splice(element.start, element.end, f"<{element.tag}>{plain}</{element.tag}>")
    return Splice(element.inner, element.close, plain)


def with_attribute(markup: Markup, element: Element, **values: object) -> Splice:
    """The splice that gives an element's opening tag other attributes; None takes one away."""
    tag = markup.content[element.start : element.inner].decode("utf-8")
    name = re.match(r"<[^\s/>]+", tag)
    assert name is not None
    out, rest = [name[0]], dict(values)
    for blank, key, quoted in re.findall(r"(\s+)([^\s=]+\s*=\s*)(\"[^\"]*\"|'[^']*')", tag):
        plain = key.rstrip("= \t\r\n")
        if plain not in rest:
            out += [blank, key, quoted]
        elif (value := rest.pop(plain)) is not None:
            out += [blank, key, attribute(value)]
    out += [f" {key}={attribute(value)}" for key, value in rest.items() if value is not None]
    return Splice(element.start, element.inner, "".join([*out, "/>" if tag.endswith("/>") else ">"]))
