"""What words mean to the installed effects and presets: texts of the command line and of markers made into marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lp_editor.effect import Effect, JointEffect, parameters
from lp_editor.errors import LpEditorError, ParamError, ProjectError, instead
from lp_editor.faces import parse_choice
from lp_editor.registry import Registry
from lp_editor.timeline import edit, marks
from lp_editor.timeline.curve import Curve
from lp_editor.timeline.document import Document
from lp_editor.timeline.marks import Request
from lp_editor.timeline.model import Ease, Joint, Marker, ParamValue, Project, Segment, Span
from lp_editor.timeline.timecode import parse_time
from lp_editor.timeline.urls import is_file

JOINT_FRAMES = 8
"""How long a joint is that does not say."""


@dataclass(frozen=True)
class Meaning:
    """An effect with its parameters, how it comes and goes, and on which face."""

    effect: type[Effect]
    params: Mapping[str, ParamValue]
    ease: Ease | None
    face: str

    @property
    def joins(self) -> bool:
        """Whether it sits on a cut."""
        return issubclass(self.effect, JointEffect)


def meant(effect: str, params: Mapping[str, ParamValue | str], registry: Registry, rate: Fraction) -> Meaning:
    """What an effect's name and parameters mean; ``preset``, ``ease`` and ``face`` are understood too.

    Raises `ParamError` and `UnknownEffectError`.
    """
    wanted = dict(params)
    preset = wanted.pop("preset", None)
    if preset is not None:
        found = registry.preset(str(preset))
        if effect and found.effect != effect:
            raise ParamError(f"preset {found.name!r} is one of {found.effect}, not of {effect}")
        effect, wanted = found.effect, {**found.params, **wanted}
    if not effect:
        raise ParamError(f"name an effect ({', '.join(registry.effects)}) or a preset")
    kind = registry.effect(effect)
    ease = _ease(wanted.pop("ease", None), rate)
    face = meant_face(str(wanted.pop("face", "largest")))
    texts = {p.name for p in parameters(kind) if p.kind in ("str", "choice")}
    values = {n: v if n in texts else _value(v, rate) for n, v in wanted.items()}
    if "driver" in kind.needs:
        named = values.get("driver")
        if not isinstance(named, str) or not named:
            raise ParamError(f"{effect} needs driver=FILE: a film, a picture, a template (.npz, .pkl) or a recording (.csv)")
        if "\0" in named:
            raise ParamError(f"driver={named[:200]!r} names no file: a path holds no NUL; name the driver again")
        values["driver"] = str(Path(named).resolve())
    kind.parse(values)
    return Meaning(kind, values, ease, face)


LONGEST_NUMBER = 100
"""Signs of a number: patterns take minutes over longer ones."""


def _value(value: ParamValue | str, rate: Fraction) -> ParamValue:
    """A parameter as a segment stores it, from a value or from a text."""
    if not isinstance(value, str):
        return value
    lowered = value.strip().lower()
    short = len(lowered) <= LONGEST_NUMBER
    if short and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)\s*%", lowered):
        return float(lowered.rstrip("% ")) / 100
    if short and re.fullmatch(r"[+-]?\d*,\d+", lowered):  # as many countries write it; a curve's commas stand between keys
        return float(lowered.replace(",", "."))
    if lowered in ("true", "false", "yes", "no", "on", "off"):
        return lowered in ("true", "yes", "on")
    if "@" in value or _is_number(value):
        return Curve.parse(value, rate)
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _ease(value: object, rate: Fraction) -> Ease | None:
    """``ease=12f`` both ways, ``ease=6f,12f`` in and out, ``ease=0`` none."""
    if value is None:
        return None
    parts = [parse_time(part, rate) for part in str(value).split(",")]
    if len(parts) > 2 or any(p < 0 for p in parts):
        raise ParamError(f"ease is a time, or two: in and out (ease=12f or ease=6f,12f), got {value!r}")
    return Ease(parts[0], parts[-1])


def meant_face(text: str) -> str:
    """A face as a project keeps it: a reference picture by its whole path."""
    wanted = parse_choice(text)
    if wanted.by != "like":
        return text
    if not is_file(wanted.file):
        raise ParamError(f"face={text}: there is no file {wanted.file}")
    return f"like:{wanted.file.resolve()}"


def joint_length(length: str | None, rate: Fraction, name: str) -> tuple[Fraction, Fraction]:
    """How long a joint is before and after its cut, of a length given as a text. Raises `ParamError`."""
    frames = round(parse_time(length, rate) * rate) if length else JOINT_FRAMES
    if frames < 1:
        raise ParamError(f"{name} needs at least one frame, got {length}")
    before = frames // 2
    return Fraction(before) / rate, Fraction(frames - before) / rate


def with_markers(document: Document, registry: Registry) -> Document:
    """The document with the marks that its markers ask for; those it has already, or had taken back, are left out.

    Raises `ProjectError` that names the marker and its timecode for what cannot be understood.
    """
    project = document.project
    known = {*edit.all_ids(project), *document.sidecar.dropped}
    remarks: list[str] = []
    segments: dict[str, list[Segment]] = {}
    placing = marks.Placing(project)
    unseen: dict[str, str] = {}
    seen: set[str] = set()
    loose: set[str] = set()
    for request in marks.requests(project):
        if request.id in known:
            continue
        if lost := _lost_render(request):
            remarks.append(lost)
            continue
        try:
            there = not marks.hidden(request, project)
            if there:
                project, there = _added(project, request, registry, placing, segments)
        except LpEditorError as error:
            text = str(error)
            raise ProjectError(text if request.where in text else f"{request.where}: {text}") from None
        if not there:
            unseen.setdefault(request.id, f"{request.where}: its clip does not show that, so it marks nothing")
        else:
            seen.add(request.id)
            if request.length is None:
                loose.add(request.id)
    loose &= {clip.joint.id for clip in project.clips() if clip.joint}
    remarks += [text for id, text in unseen.items() if id not in seen]
    return document.understood(edit.add_segments(project, segments), remarks, loose)


OUR_FILE = re.compile(r"_[VA]\d+-\d+(-[VA]\d+-\d+)*_\d+\.(mp4|mov|mkv)$")
"""How the files end that a render of stretches writes."""


def _lost_render(request: Request) -> str:
    """A sentence, where a marker came back on a render whose original is not known any more; else nothing.

    Doing again what it says would do it twice.
    """
    clip = request.clip
    if clip is None or not OUR_FILE.search(clip.media.name):
        return ""
    return (
        f'clip "{clip.name}" ({clip.place}) shows {clip.media.name}, a render of ours; what of is not known without '
        "the project's .lp.json or the .lp-renders.json beside it, so it stays as it is"
    )


def _added(
    project: Project, request: Request, registry: Registry, placing: marks.Placing, segments: dict[str, list[Segment]]
) -> tuple[Project, bool]:  # fmt: skip
    """The project with the joint that one marker asks for; segments are put down by the places of their clips. And whether
    it asked for anything that shows."""
    meaning = _understood(request, registry, project.rate)
    if meaning.joins:
        before, after = joint_length(request.length, project.rate, meaning.effect.name)
        joint = Joint(request.id, meaning.effect.name, before, after, meaning.params)
        clip = edit.clip_at_cut(project, request.clip, marks.at_cut(request, project))
        return edit.add_joint(project, clip, joint, meaning.params.get("force") is True), True
    found = placing.placed(request)
    for number, (clip, span) in enumerate(found, 1):
        own = request.id if number == 1 else f"{request.id}-{number}"
        segment = Segment(own, meaning.effect.name, span, meaning.params, meaning.face, meaning.ease)
        segments.setdefault(clip.place, []).append(segment)
    return project, bool(found)


def check_text(text: str, registry: Registry, rate: Fraction) -> Meaning:
    """What the text of a marker would mean. Raises `LpEditorError` for what could not be understood."""
    marker = Marker(text, "", Span(Fraction(0), Fraction(0)))
    project = Project("", rate, Fraction(0), (), markers=(marker,))
    found = marks.requests(project)
    if not found:
        raise ProjectError("the text of a mark begins with lp: lp smile, lp stitch 12f")
    meaning = _understood(found[0], registry, rate)
    if meaning.joins:
        joint_length(found[0].length, rate, meaning.effect.name)
    elif found[0].length is not None:
        parse_time(found[0].length, rate)
    return meaning


def _understood(request: Request, registry: Registry, rate: Fraction) -> Meaning:
    """What a marker's words mean: an effect's name, or a preset's."""
    params: dict[str, ParamValue | str] = dict(request.params)
    word = request.word
    if word in registry.effects:
        return meant(word, params, registry, rate)
    if word in registry.presets:
        return meant("", {**params, "preset": word}, registry, rate)
    hint = instead(word, [*registry.effects, *registry.presets], "lp-editor presets")
    raise ProjectError(f"{request.where}: no effect or preset is called {word!r}; {hint}")
