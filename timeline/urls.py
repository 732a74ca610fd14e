"""Where a media reference's text points to, in all the forms that editing systems write, and back.

Our own pair, because OpenTimelineIO's cuts plain paths at # and ?, decodes %20 in them and strips drive letters
(nle notes).
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PureWindowsPath
from urllib.parse import quote, unquote


def is_file(path: Path) -> bool:
    """Whether a file is there; no for a path that no system takes (too long, a zero byte), which `Path.is_file` raises of."""
    return os.path.isfile(path)


SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")


def url_to_path(text: str, folder: Path) -> Path | None:
    """The file that a reference means, relative ones from ``folder``; None for what is no file (``http:`` …).

    Plain native paths are taken as they are, ``%``, ``#`` and ``?`` included; ``file:`` URLs are decoded.
    """
    if not text or "\0" in text:
        return None
    if text[:5].lower() == "file:":
        return _from_url(text, folder)
    if re.match(r"^/[A-Za-z]:/", text):  # a Windows path as the path of a URL
        text = text[1:]
    if re.match(r"^[A-Za-z]:[\\/]", text) or text.startswith("\\\\"):
        return Path(text.replace("\\", "/")) if PureWindowsPath(text).is_absolute() else None
    if SCHEME.match(text):
        return None
    return folder / text.replace("\\", "/") if "\\" in text and "/" not in text else folder / text


def _from_url(text: str, folder: Path) -> Path | None:
    """``file:`` in every form seen: one to five slashes, ``//localhost/``, a drive letter, a server, a relative rest."""
    rest = text[5:]
    if not rest.startswith("//"):
        path = _decoded(rest)
        return Path(path) if re.match(r"^[A-Za-z]:/", path) else folder / path
    host, _, path = rest[2:].partition("/")
    if re.match(r"^[A-Za-z](:|%3[Aa]|\|)$", host):
        return Path(_decoded(f"{host[0]}:/{path}"))
    path = _decoded(path)
    if host in (".", ".."):
        return folder / host / path
    if host.lower() not in ("", "localhost", "127.0.0.1"):
        return Path(f"//{host}/{path}")
    if re.match(r"^/*[A-Za-z][:|]/", path):
        return Path(path.lstrip("/").replace("|", ":", 1))
    server = host == "" and path.startswith("/")  # file:////server/share; elsewhere two slashes are as good as one
    return Path(("//" if server else "/") + path.lstrip("/"))


def _decoded(text: str) -> str:
    """Without ``%`` codes: of UTF-8, else of the older Latin-1."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return unquote(text, encoding="latin-1")


def absolute_text(path: Path) -> str:
    """A path from its root on with slashes; one of another system (``D:/…``, ``//server/…``) as it is."""
    text = path.as_posix()
    return text if re.match(r"^([A-Za-z]:/|//)", text) else path.absolute().as_posix()


def path_to_url(path: Path) -> str:
    """An absolute path as a ``file:`` URL, encoded: spaces, ``#``, ``%`` and all that is not plain."""
    text = path.as_posix()
    if text.startswith("//"):  # a server's share
        return "file:" + quoted(text, "/")
    return "file://" + quoted(text if text.startswith("/") else "/" + text, "/:")


def quoted(text: str, safe: str) -> str:
    """A path as part of a URL: its bytes, as the system has them; what are no bytes of a name as question marks."""
    try:
        return quote(text.encode("utf-8", "surrogateescape"), safe=safe)
    except UnicodeEncodeError:
        return quote(text.encode("utf-8", "replace"), safe=safe)


def file_name(text: str) -> str:
    """The last part of a reference, to show."""
    plain = unquote(re.split("[?#]", text[5:])[0]) if text[:5].lower() == "file:" else text
    return re.split(r"[\\/]", plain.rstrip("\\/"))[-1]
