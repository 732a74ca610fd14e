"""Reads the pages of the documentation: their code blocks, and the files that some of them are."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the line it starts on, and the file it is, if its first line names one."""

    language: str
    text: str
    line: int
    file: str | None


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    return list(parsed(page.read_text(encoding="utf-8")))


def parsed(text: str) -> Iterator[Block]:
    """The fenced blocks of a page's text."""
    fences = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
    for found in fences.finditer(text):
        named = re.match(r"# ([\w./-]+\.\w+)\n", found[2])
        yield Block(found[1].strip(), found[2], text.count("\n", 0, found.start()) + 1, named[1] if named else None)


def write(block: Block, folder: Path) -> None:
    """Put a block that is a file where its first line says."""
    assert block.file is not None
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def install(source: Path, target: Path) -> None:
    """``pip install`` of a folder into a folder of its own, with nothing from the network."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
               "--disable-pip-version-check", "--root-user-action=ignore", "--target", str(target), str(source)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
