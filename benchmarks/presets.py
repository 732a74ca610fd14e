"""A contact sheet of every preset, or of some marks, on a portrait or a folder of them, each at its strongest moment.

    python benchmarks/presets.py [--faces DIR] [--columns N] [--mark "expression smile_left=1"]… SHEET

Without a folder the portrait of the demo is used. The sheets in the docs are made by this.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from lp_editor import Preset, Registry, testing
from lp_editor.controls import Controls
from lp_editor.face import Face, FaceTrack, Image
from lp_editor.faces.model import Landmarker
from lp_editor.faces.search import find_faces
from lp_editor.files import write_whole
from lp_editor.marking import meant
from lp_editor.media.picture import Picture, VideoFormat
from lp_editor.media.source import VideoSource
from lp_editor.mesh.engine import MeshEngine
from lp_editor.render.compositor import apply_patches
from lp_editor.render.footage import face_picture
from lp_editor.render.sheet import around

CELL, LABEL, GAP = 220, 24, 6
PAPER, INK = (24, 24, 26), (236, 236, 238)


def strongest(registry: Registry, preset: Preset) -> Controls:
    """What a preset asks for at the moment it asks for most."""
    effect = registry.effect(preset.effect).parse(preset.params)
    asked = testing.sample(effect.edit(testing.scene(seconds=2)), np.arange(0, 2, 0.02))
    size = np.abs(asked.offsets).sum(1) + asked.weights.sum(1)
    return asked[[int(size.argmax())]]


def marked(registry: Registry, words: str) -> Preset:
    """A mark as it would be typed, called by its parameters."""
    effect, *params = words.split()
    meaning = meant(effect, dict(p.split("=", 1) for p in params), registry, Fraction(25))
    return Preset(" ".join(params), meaning.effect.name, "", meaning.params)


def portraits(folder: Path | None) -> Iterator[Picture]:
    """The pictures of a folder (of a film its first one), or the portrait."""
    if folder is None:
        yield Picture.of_rgb(np.asarray(skimage.data.astronaut(), np.uint8), VideoFormat(512, 512, "yuv444p"))
        return
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".mp4", ".mov"):
            with VideoSource(path) as source:
                yield source.picture(0)


def drawn(engine: MeshEngine, picture: Picture, face: Face, asks: list[Controls]) -> list[Image]:
    """A face as filmed, then with each of some controls."""
    seen = face_picture(picture, face)
    look = engine.study(FaceTrack(1, 0, [face]), lambda at: [seen] * len(at))
    box = around(face.box, (picture.format.width, picture.format.height), 1.45)
    out = [picture.rgb(box)]
    for asked in asks:
        filmed = engine.analyze(look, [seen])
        patches = engine.synthesize(look, [seen], filmed, engine.retarget(filmed, asked))
        out.append(apply_patches(picture, [p for p in patches if p]).rgb(box))
    return out


def sheet(rows: list[list[Image]], names: list[str], columns: int) -> Pillow.Image:
    """Named cells: for one face in rows of so many, for several a row each."""
    if len(rows) == 1:
        cells = list(zip(names, rows[0], strict=True))
        grid = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    else:
        grid = [list(zip(names, row, strict=True)) for row in rows]
    width = max(len(row) for row in grid) * (CELL + GAP) + GAP
    out = Pillow.new("RGB", (width, len(grid) * (CELL + LABEL + GAP) + GAP), PAPER)
    draw, font = ImageDraw.Draw(out), ImageFont.load_default(15)
    for j, row in enumerate(grid):
        for i, (name, image) in enumerate(row):
            x, y = GAP + i * (CELL + GAP), GAP + j * (CELL + LABEL + GAP)
            draw.text((x + 2, y + 2), name, INK, font)
            out.paste(Pillow.fromarray(image).resize((CELL, CELL), Pillow.Resampling.LANCZOS), (x, y + LABEL))
    return out


def main() -> None:
    """Read the command line, write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheet", type=Path, help="a .png or .jpg to write")
    parser.add_argument("--faces", type=Path, help="a folder of portraits or films")
    parser.add_argument("--mark", action="append", default=[], help="effect and parameters, instead of the presets")
    parser.add_argument("--columns", type=int, default=7, help="cells in a row, for one face")
    asked = parser.parse_args()
    registry, engine = Registry.installed(), MeshEngine()
    presets = sorted(registry.presets.values(), key=lambda p: (p.effect, p.name))
    if asked.mark:
        presets = [marked(registry, words) for words in asked.mark]
    asks = [strongest(registry, preset) for preset in presets]
    rows = []
    with Landmarker(faces=8) as finder:
        for picture in portraits(asked.faces):
            found = find_faces(picture.rgb_all(), finder)
            if found:
                rows.append(drawn(engine, picture, max(found, key=lambda f: f.width), asks))
    image = sheet(rows, ["as filmed", *(p.name for p in presets)], asked.columns)
    write_whole(asked.sheet, lambda path: image.save(path, quality=88))


if __name__ == "__main__":
    main()
