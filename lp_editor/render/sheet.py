"""Pictures to compare by: filmed beside finished, and contact sheets with captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from lp_editor.face import Box, Image

PAPER, INK, FAINT = (24, 24, 26), (236, 236, 238), (150, 150, 156)
"""Background, captions, row labels."""

GAP, MARGIN = 8, 24


@dataclass(frozen=True)
class Moment:
    """One column of a contact sheet."""

    caption: str
    filmed: Image
    finished: Image


def side_by_side(filmed: Image, finished: Image) -> Image:
    """Two frames of one size next to each other, labelled."""
    height, width = filmed.shape[:2]
    size = max(14, height // 36)
    sheet = Pillow.new("RGB", (2 * width + GAP, height + 2 * size), PAPER)
    draw = ImageDraw.Draw(sheet)
    for x, label, image in ((0, "as filmed", filmed), (width + GAP, "finished", finished)):
        draw.text((x + size // 2, size // 2), label, INK, ImageFont.load_default(size))
        sheet.paste(Pillow.fromarray(image), (x, 2 * size))
    return np.asarray(sheet)


def contact_sheet(moments: Sequence[Moment], cell: int = 300) -> Image:
    """Moments in columns, filmed above and finished below, (height, width, 3) uint8."""
    top, label = 34, 92
    width = label + len(moments) * (cell + GAP) - GAP + 2 * MARGIN
    height = top + 2 * cell + GAP + 2 * MARGIN
    sheet = Pillow.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for row, text in enumerate(("as filmed", "finished")):
        draw.text((MARGIN, MARGIN + top + row * (cell + GAP) + cell // 2 - 10), text, FAINT, font)
    for column, moment in enumerate(moments):
        x = MARGIN + label + column * (cell + GAP)
        draw.text((x, MARGIN), moment.caption, INK, font)
        for row, image in enumerate((moment.filmed, moment.finished)):
            sheet.paste(Pillow.fromarray(_fitted(image, cell)), (x, MARGIN + top + row * (cell + GAP)))
    return np.asarray(sheet)


def portraits(people: Sequence[tuple[str, Image]], cell: int = 260, columns: int = 5) -> Image:
    """Named square pictures in rows, (height, width, 3) uint8."""
    wide = min(len(people), columns)
    rows = -(-len(people) // columns)
    top = 30
    size = wide * (cell + GAP) - GAP + 2 * MARGIN, rows * (cell + top + GAP) - GAP + 2 * MARGIN
    sheet = Pillow.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for number, (name, image) in enumerate(people):
        x, y = MARGIN + number % columns * (cell + GAP), MARGIN + number // columns * (cell + top + GAP)
        draw.text((x, y), name, INK, font)
        sheet.paste(Pillow.fromarray(_fitted(image, cell)), (x, y + top))
    return np.asarray(sheet)


def _fitted(image: Image, side: int) -> Image:
    way = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=way), np.uint8)


def around(box: Box, size: tuple[int, int], room: float = 1.9) -> Box:
    """A square around a face, ``room`` times its box, moved and shrunk to lie in a frame of ``size``."""
    side = min(round(max(box.width, box.height) * room), *size)
    x = min(max((box.x0 + box.x1 - side) // 2, 0), size[0] - side)
    y = min(max((box.y0 + box.y1 - side) // 2, 0), size[1] - side)
    return Box(x, y, x + side, y + side)
