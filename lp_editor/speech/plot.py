"""Draws an analysis: how loud the sound is, what is said, and how far the mouth opens, over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lp_editor.speech.waveform import Wave, loudness
from lp_editor.utterance import RATE, SILENCE, Speech

WIDTH_A_SECOND, NARROWEST, WIDEST = 220, 800, 12000
MARGIN, SOUND, NAMES, CURVE = 46, 90, 60, 240
"""Pixels: left of the plot, and the heights of its rows."""

HIGHEST = 0.8
"""The top of the openness scale."""

PAPER, INK, PALE, LINE, SHUT = (255, 255, 255), (40, 40, 46), (190, 194, 202), (30, 98, 196), (214, 74, 58)


def plotted(speech: Speech, wave: Wave | None = None) -> NDArray[np.uint8]:
    """A picture of an analysis, (H, W, RGB); with its sound where there is one. Closures are red."""
    width = round(min(max(speech.seconds * WIDTH_A_SECOND, NARROWEST), WIDEST))
    height = SOUND + 2 * NAMES + CURVE + 60
    image = Image.new("RGB", (width + MARGIN + 14, height), PAPER)
    draw = ImageDraw.Draw(image)
    scale = width / max(speech.seconds, 1e-6)
    if wave is not None and len(wave):
        _draw_level(draw, wave, scale)
    _draw_names(draw, speech, scale)
    _draw_curve(draw, speech, scale, height)
    draw.text((MARGIN, height - 20), speech.method, INK, ImageFont.load_default(12))
    return np.asarray(image)


def _draw_level(draw: ImageDraw.ImageDraw, wave: Wave, scale: float) -> None:
    """The level of the sound as a grey shape, 60 decibels high."""
    level = np.clip((loudness(wave) + 60) / 60, 0, 1) * (SOUND - 14) / 2
    for i, half in enumerate(level):
        x = MARGIN + (i + 0.5) / RATE * scale
        draw.line([(x, SOUND / 2 - half), (x, SOUND / 2 + half)], PALE, max(1, int(scale / RATE)))
    draw.text((4, SOUND / 2 - 8), "sound", INK, ImageFont.load_default(12))


def _draw_names(draw: ImageDraw.ImageDraw, speech: Speech, scale: float) -> None:
    """Phones with their bounds, visemes below; words where they begin."""
    font = ImageFont.load_default(12)
    rows = ((SOUND, "phones", speech.phones), (SOUND + NAMES, "shapes", speech.visemes))
    for top, title, parts in rows:
        draw.text((2, top + 22), title, INK, font)
        for one in parts:
            x = MARGIN + one.start * scale
            draw.line([(x, top + 18), (x, top + NAMES - 14)], PALE)
            if one.name not in (SILENCE, "sil"):
                draw.text((x + 2, top + 22), one.name, INK, font)
    word = -1
    for phone in speech.phones:
        if phone.word >= 0 and phone.word != word:
            word = phone.word
            draw.text((MARGIN + phone.start * scale, SOUND), speech.words[word], LINE, font)


def _draw_curve(draw: ImageDraw.ImageDraw, speech: Speech, scale: float, height: int) -> None:
    """The openness with a grid of seconds; closures as red bars on the ground."""
    font, top = ImageFont.load_default(12), SOUND + 2 * NAMES
    ground = height - 50
    for value in np.arange(0, HIGHEST + 0.01, 0.2):
        y = ground - value / HIGHEST * (ground - top)
        draw.line([(MARGIN, y), (MARGIN + speech.seconds * scale, y)], (232, 233, 236))
        draw.text((14, y - 8), f"{value:.1f}", INK, font)
    for second in range(int(speech.seconds) + 1):
        draw.line([(MARGIN + second * scale, top), (MARGIN + second * scale, ground)], (232, 233, 236))
        draw.text((MARGIN + second * scale + 2, ground + 4), f"{second} s", INK, font)
    points = [
        (MARGIN + (i / RATE) * scale, ground - v / HIGHEST * (ground - top)) for i, v in enumerate(speech.openness)
    ]
    if len(points) > 1:
        draw.line(points, LINE, 2)
    for one in speech.visemes:
        if one.name == "PP" and one.opening == 0:
            a, b = (MARGIN + t * scale for t in (one.start, one.stop))
            draw.rectangle([a, ground - 3, b, ground + 3], SHUT)
