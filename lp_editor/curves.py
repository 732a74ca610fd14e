"""Draws the curves of a clip's marks as SVG: a panel for each mark and unit, record timecode below, keys as dots, a legend.

Constant parameters are dashed; the shape below the curves is how the mark comes and goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape

import numpy as np

from lp_editor.effect import Parameter, parameters
from lp_editor.errors import ProjectError
from lp_editor.plan import DEFAULT_EASE
from lp_editor.registry import Registry
from lp_editor.timeline.curve import Curve, Signal
from lp_editor.timeline.model import Clip, Project, Segment, Span
from lp_editor.timeline.timecode import timecode

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#5e3c99", "#4d4d4d")
"""Told apart by the colour-blind too (Okabe and Ito 2008, the yellow darkened for white paper)."""

WIDTH, LEFT, RIGHT, TOP, PANEL, BETWEEN = 1280, 74, 250, 76, 170, 66
"""Pixels: the sheet, its margins, a panel's least height, and what lies between two."""

ROW = 20
"""Pixels of a line of a legend."""

STEPS = (1, 2, 5, 10)
SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
MOST_TICKS = 8

SAMPLES = 400


@dataclass(frozen=True)
class Line:
    """One parameter of a mark: its curve, and what the effect says of it."""

    curve: Curve
    parameter: Parameter


@dataclass(frozen=True)
class Panel:
    """Those parameters of a mark that share a unit."""

    segment: Segment
    unit: str
    lines: tuple[Line, ...]

    @property
    def height(self) -> int:
        """Pixels: its legend has room."""
        return max(PANEL, ROW * len(self.lines) + 10)


@dataclass(frozen=True)
class Axis:
    """From values to pixels."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        """A value's place."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)


def drawn(project: Project, clip: Clip, registry: Registry) -> str:
    """The curves of every mark on a clip. Raises `ProjectError` where nothing is marked."""
    panels = [p for segment in sorted(clip.segments, key=lambda s: s.span.start) for p in _panels(segment, registry)]
    if not panels:
        raise ProjectError(f'no stretch of "{clip.name}" ({clip.place}) is marked, so there are no curves')
    height = TOP + sum(panel.height + BETWEEN for panel in panels)
    time = Axis(float(clip.record.start), float(clip.record.stop), LEFT, WIDTH - RIGHT)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="Inter, Helvetica, Arial, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 32, f"{clip.name}  ({clip.place})", size=19, weight="600"),
        _text(LEFT, 52, _shown(project, clip), fill="#666666"),
    ]
    top = TOP + 24
    for panel in panels:
        parts += _panel(project, clip, panel, time, top)
        top += panel.height + BETWEEN
    return "\n".join([*parts, "</svg>", ""])


def _shown(project: Project, clip: Clip) -> str:
    start, stop = (_timecode(project, t) for t in (clip.record.start, clip.record.stop))
    return f"record {start} to {stop}, source from {timecode(clip.source.start, clip.rate)}"


def _timecode(project: Project, record: Fraction) -> str:
    return timecode(record + project.start, project.rate, project.drop_frame)


def _panels(segment: Segment, registry: Registry) -> list[Panel]:
    """A mark's parameters by their units, those without one first; one empty panel where no number is set."""
    lines = _lines(segment, registry)
    units = sorted({line.parameter.unit for line in lines}) or [""]
    return [Panel(segment, unit, tuple(x for x in lines if x.parameter.unit == unit)) for unit in units]


def _lines(segment: Segment, registry: Registry) -> list[Line]:
    """The numbers of a mark, in its effect's own order."""
    known = parameters(registry.effect(segment.effect))
    found = []
    for parameter in known:
        value = segment.params.get(parameter.name)
        if isinstance(value, bool) or not isinstance(value, Curve | int | float) or parameter.kind != "curve":
            continue
        found.append(Line(value if isinstance(value, Curve) else Curve.constant(value), parameter))
    return found


def _panel(project: Project, clip: Clip, panel: Panel, time: Axis, top: int) -> Iterator[str]:
    """One panel: title, frame, grid, the shape of its ease, its curves and keys, its legend."""
    segment, ground = panel.segment, top + panel.height
    span = clip.record_span(segment.span)
    low, high = _range(panel.lines)
    value = Axis(low, high, ground - 8, top + 8)
    unit = f", {panel.unit}" if panel.unit else ""
    yield _text(LEFT, top - 9, f"{segment.id}  {segment.effect}{unit}", weight="600")
    yield _text(WIDTH - RIGHT, top - 9, _words(segment), fill="#666666", anchor="end")
    yield _box(LEFT, top, time.stop - LEFT, panel.height, "#fafafa")
    a, b = (max(min(time.at(float(t)), time.stop), time.start) for t in (span.start, span.stop))
    yield _box(a, top, b - a, panel.height, "#eef3f8")
    yield _ease(segment, span, time, ground)
    yield from _grid(project, clip, time, value, top, ground)
    for number, line in enumerate(panel.lines):
        colour = COLOURS[number % len(COLOURS)]
        yield from _curve(line, span, time, value, colour)
        yield from _legend(line, number, top, colour)
    if not panel.lines:
        yield _text((a + b) / 2, (top + ground) / 2, "no numbers are set", fill="#666666", anchor="middle")
    yield f'<rect x="{LEFT}" y="{top}" width="{time.stop - LEFT:.1f}" height="{panel.height}" fill="none" stroke="#999999"/>'


def _words(segment: Segment) -> str:
    """What of a mark is no number."""
    words = [f"{n}={str(v).lower() if isinstance(v, bool) else v}" for n, v in segment.params.items() if _is_word(v)]
    if segment.face != "largest":
        words.append(f"face={segment.face}")
    text = "  ".join(words)
    return text if len(text) < 110 else text[:107] + "…"


def _is_word(value: object) -> bool:
    return isinstance(value, bool | str)


def _range(lines: Sequence[Line]) -> tuple[float, float]:
    """The values a panel shows: all of its curves, and 0."""
    bounds = [edge for line in lines for edge in line.curve.bounds()]
    low, high = min([0.0, *bounds]), max([0.0, *bounds])
    return (low, high) if high - low > 1e-9 else (0.0, 1.0)


def _ease(segment: Segment, span: Span, time: Axis, ground: int) -> str:
    """How the mark comes and goes, as a low shape on the panel's ground."""
    ease, length = segment.ease or DEFAULT_EASE, float(span.duration)
    seconds = np.linspace(0, length, 120)
    weight = Signal.window(0.0, length, float(ease.rise), float(ease.fall)).at(seconds)
    inside = (seconds + float(span.start) >= time.low) & (seconds + float(span.start) <= time.high)
    points = [
        (time.at(float(span.start) + s), ground - 22 * w)
        for s, w in zip(seconds[inside], weight[inside], strict=True)
    ]  # fmt: skip
    if not points:
        return ""
    closed = [(points[0][0], ground), *points, (points[-1][0], ground)]
    return f'<polygon points="{_points(closed)}" fill="#c9d8e6"/>'


def _grid(project: Project, clip: Clip, time: Axis, value: Axis, top: int, ground: int) -> Iterator[str]:
    for level in _ticks(value.low, value.high):
        y = value.at(level)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{time.stop:.1f}" y2="{y:.1f}" stroke="{"#999999" if level == 0 else "#dddddd"}"/>'
        yield _text(LEFT - 8, y + 4, f"{level:g}", anchor="end")
    for moment in _moments(project, clip):
        x = time.at(float(moment))
        yield f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{ground + 5}" stroke="#dddddd"/>'
        yield _text(x, ground + 19, _timecode(project, moment), anchor="middle", size=11)


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two, about four of them."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(s * power for s in STEPS if s * power >= rough)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(k * step, 10) for k in range(first, last + 1)]


def _moments(project: Project, clip: Clip) -> list[Fraction]:
    """Record times that get a timecode: whole frames or seconds, few enough to be read."""
    span, rate = clip.record, project.rate
    steps = [Fraction(n) / rate for n in STEPS if n < rate] + [Fraction(s) for s in SECONDS]
    step = next((s for s in steps if span.duration / s <= MOST_TICKS), steps[-1])
    first = -(-span.start // step)
    return [k * step for k in range(int(first), int(span.stop // step) + 1)]


def _curve(line: Line, span: Span, time: Axis, value: Axis, colour: str) -> Iterator[str]:
    """A curve over its mark, and its keys; what a trim hides is not drawn."""
    start, length = float(span.start), float(span.duration)
    keys = [float(k.time) for k in line.curve.keys]
    seconds = np.unique(np.concatenate([np.linspace(0, length, SAMPLES), keys, np.array(keys) - 1e-6]))
    seconds = seconds[(seconds >= max(0.0, time.low - start)) & (seconds <= min(length, time.high - start))]
    points = [(time.at(start + s), value.at(v)) for s, v in zip(seconds, line.curve.at(seconds), strict=True)]
    dashed = ' stroke-dasharray="6 4"' if line.curve.is_constant else ""
    yield f'<polyline points="{_points(points)}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'
    for key in line.curve.keys if not line.curve.is_constant else ():
        at = start + float(key.time)
        if time.low <= at <= time.high and 0 <= key.time <= span.duration:
            yield (
                f'<circle cx="{time.at(at):.1f}" cy="{value.at(key.value):.1f}" r="4" fill="#ffffff" stroke="{colour}" '
                f'stroke-width="2"><title>{escape(line.parameter.name)} {key.value:g} at {float(key.time):g}s, '
                f"{key.interpolation}</title></circle>"
            )


def _legend(line: Line, number: int, top: int, colour: str) -> Iterator[str]:
    x, y = WIDTH - RIGHT + 22, top + 14 + number * ROW
    dashed = ' stroke-dasharray="6 4"' if line.curve.is_constant else ""
    yield f'<line x1="{x}" y1="{y}" x2="{x + 26}" y2="{y}" stroke="{colour}" stroke-width="2"{dashed}/>'
    keys = f"{line.curve.keys[0].value:g}, constant" if line.curve.is_constant else f"{len(line.curve.keys)} keys"
    yield _text(x + 34, y + 4, f"{line.parameter.name} {keys}")


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _box(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" fill="{fill}"/>'


def _text(
    x: float, y: float, text: str, *, size: int = 13, weight: str = "400", fill: str = "#222222", anchor: str = "start"
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}" text-anchor="{anchor}">'
        f"{escape(_plain(text))}</text>"
    )


def _plain(text: str) -> str:
    """A text without the control characters that XML forbids."""
    return "".join(c if c >= " " and c not in "\ufffe\uffff" else " " for c in text)
