"""What an effect is: parameters in, an edit of the face out.

An effect is a frozen dataclass. Its fields are the parameters a segment may set, its docstring is its help text, and
``edit`` is all it does. Curves and signals run in record seconds from the segment's start; the host eases every
signal in and out, adds up what several segments ask of one face, and clamps the sum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self, TypeAlias, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from lp_editor.controls import COLUMN, REGIONS, TARGET_COLUMN, Part, Region
from lp_editor.errors import ParamError, instead
from lp_editor.face import Face, FaceTrack
from lp_editor.recording import Recording
from lp_editor.timeline import Curve, Signal
from lp_editor.timeline.model import ParamValue
from lp_editor.utterance import Speech

Need: TypeAlias = Literal["sound", "speech", "face", "driver"]

SPEECH_PARAMETERS = ("hears", "sound", "text", "language", "voice", "pace", "offset")
"""What the host looks at, where an effect that needs speech takes it, to know what is said.

``sound`` a file instead of the clip's sound; ``text`` the words, or what is said without sound; ``language``;
``voice`` a voice that says the text; ``pace`` of a text; ``offset`` frames that new sound starts late; ``hears`` one of
``auto``, ``clip``, ``file``, ``text`` and ``voice``.
"""

RESERVED = ("ease", "face", "preset")
"""Words that ``mark`` keeps for itself, so no parameter may be called so."""


@dataclass(frozen=True)
class Knob:
    """Bounds, unit and help of one keyframable parameter."""

    low: float
    high: float
    help: str
    unit: str = ""


def knob(default: float | None, *, low: float, high: float, help: str, unit: str = "") -> Any:
    """Declare a keyframable parameter: ``depth: Curve = knob(1, low=0, high=1, help="...")``.

    With None for default it is None unless given: ``opening: Curve | None = knob(None, …)``.
    """
    start = None if default is None else Curve.constant(default)
    return field(default=start, metadata={"knob": Knob(low, high, help, unit)})


def option(default: bool | float | str, *, help: str) -> Any:
    """Declare a parameter that cannot be keyframed: a ``bool``, ``int``, ``float``, ``str`` or ``Literal[...]`` field."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Sound:
    """The sound of a stretch: ``samples`` float32, (N, channels), in -1..1, at ``rate`` samples per second."""

    samples: NDArray[np.float32]
    rate: int


@dataclass(frozen=True)
class Scene:
    """What an effect sees of the stretch it edits.

    ``seconds`` is its length in record time, ``rate`` the record frames per second. The rest is there for effects
    that declare it in ``needs``: ``faces`` one a record frame (None where lost) with ``poses``, (N, 3) pitch, yaw, roll
    of the head, and ``gazes``, (N, 2) where the eyes look past the lens, to the person's left and up, both in degrees and
    NaN where the face is lost, and ``size``, width and height of the picture in pixels; ``sound`` of the stretch;
    ``speech`` what is said, in seconds from its start (see `SPEECH_PARAMETERS`); ``driver`` the face track of the file
    that the parameter ``driver`` names, at ``driver_rate`` frames per second, or, where that file has no picture,
    ``recording``: what it holds.
    """

    seconds: float
    rate: Fraction
    faces: Sequence[Face | None] = ()
    sound: Sound | None = None
    speech: Speech | None = None
    driver: FaceTrack | None = None
    driver_rate: Fraction | None = None
    poses: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)), compare=False)
    gazes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)), compare=False)
    size: tuple[int, int] | None = None
    recording: Recording | None = None

    @property
    def driver_seconds(self) -> float:
        """How long the driver is; 0 without one."""
        if self.recording is not None:
            return len(self.recording) / float(self.recording.rate)
        if self.driver is None or not self.driver_rate:
            return 0.0
        return self.driver.stop / float(self.driver_rate)

    def moments(self) -> NDArray[np.float64]:
        """The seconds that ``faces``, ``poses`` and ``gazes`` belong to, (N,)."""
        return np.asarray((np.arange(len(self.faces)) + 0.5) / float(self.rate), np.float64)

    def window(self, rise: float, fall: float) -> Signal:
        """0 at both ends of the stretch, 1 between, eased over ``rise`` and ``fall`` seconds."""
        return Signal.window(0.0, self.seconds, rise, fall)


@dataclass(frozen=True)
class Target:
    """Where a part of the face should be, and how much that counts (0 not at all, 1 fully)."""

    value: Signal
    weight: Signal


@dataclass(frozen=True)
class Performance:
    """A driver to follow: which moment of it (driver seconds), which regions, how strongly.

    ``relative``: as a change from the driver's rest, added to what was filmed; False: as the driver's face is; None: as
    suits the engine. Its rest is at ``rest`` (driver seconds), or where it is calmest. ``smooth`` seconds of it are
    averaged; ``mirror`` makes its left our right.
    """

    moment: Signal
    strength: Signal
    regions: tuple[Region | Part, ...] = REGIONS
    relative: bool | None = True
    rest: float | None = None
    smooth: float = 0.0
    mirror: bool = False


Finish: TypeAlias = Literal["denoise", "sharpen", "deflicker"]
"""Work on the picture of a face that is not a movement of it."""

FINISHES: tuple[Finish, ...] = get_args(Finish)
"""Every finish, in the order in which they are done: deflicker, then denoise, then sharpen, whatever the order here."""


@dataclass(frozen=True)
class Crossing:
    """How a joint goes from one clip to the next, besides its blend.

    ``plays_on``: both shots play on into their handles; without, each waits at the cut with its own last or first frame.
    ``crossfade``: seconds over which the sound goes over where it is cut at the same place; 0 leaves it as it is.
    ``matches_light``: exposure and colour go over from one side's to the other's too. ``steady``: the blend is re-timed so
    that the face moves over at as even a speed as both shots' own movements allow.
    """

    plays_on: bool = True
    crossfade: float = 0.0
    matches_light: bool = True
    steady: bool = False


@dataclass(frozen=True)
class Edit:
    """What an effect does to a stretch.

    ``controls``: signals added to face controls, by name. ``targets``: where parts of the face should be.
    ``neutralise``: regions taken towards neutral first, 0..1. ``performance``: how to follow the driver; several for
    regions that follow it in other ways. ``finish``: work on the face's picture, 0..1. ``blend``: of a joint, how far over to
    the next clip, 0..1, and ``crossing`` how.
    """

    controls: Mapping[str, Signal] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    neutralise: Mapping[Region, Signal] = field(default_factory=dict)
    performance: Performance | tuple[Performance, ...] = ()
    blend: Signal | None = None
    finish: Mapping[Finish, Signal] = field(default_factory=dict)
    crossing: Crossing = Crossing()

    @property
    def performances(self) -> tuple[Performance, ...]:
        """Every way of following the driver."""
        return self.performance if isinstance(self.performance, tuple) else (self.performance,)

    def __post_init__(self) -> None:
        for kind, names, known in (
            ("control", self.controls, COLUMN),
            ("target", self.targets, TARGET_COLUMN),
            ("region", self.neutralise, REGIONS),
            ("finish", self.finish, FINISHES),
        ):
            for name in names:
                if name not in known:
                    raise ParamError(f"no {kind} {name!r}; there are: {', '.join(known)}")


@dataclass(frozen=True)
class Proposal:
    """Where an effect suggests itself: seconds from the start of the scene, and parameters."""

    start: float
    seconds: float
    params: Mapping[str, ParamValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Effect(ABC):
    """Base of every effect on a segment of a clip. ``intensity`` is the host's: it scales all that the edit asks for."""

    name: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()
    intensity: Curve = field(
        default=Curve.constant(1),
        metadata={"knob": Knob(0, 2, "how much of the whole effect: 0 none, 1 as the parameters say")},
        kw_only=True,
    )

    @classmethod
    def parse(cls, params: Mapping[str, ParamValue]) -> Self:
        """Build the effect from a segment's stored parameters, or say which one is wrong.

        Raises `ParamError` for a name the effect does not take, a value of the wrong kind, or one out of bounds
        anywhere on its curve.
        """
        known = {f.name: f for f in fields(cls)}
        for name in params:
            if name not in known:
                hint = instead(name, [p.name for p in parameters(cls)], f"lp-editor effects {cls.name}")
                raise ParamError(f"{cls.name}: no parameter {name[:60]!r}; {hint}")
        kinds = _kinds(cls)
        return cls(**{n: _checked(cls.name, known[n], kinds[n], v) for n, v in params.items()})

    @abstractmethod
    def edit(self, scene: Scene) -> Edit:
        """Turn the parameters into what happens to the face."""

    def keyed(self, scene: Scene) -> Mapping[str, ParamValue]:
        """Parameters worked out from the scene once, when it is marked, for an editor to change; none by default.

        The scene holds ``speech`` and ``sound`` where the effect needs them, no faces.
        """
        return {}

    @classmethod
    def mark(cls, scene: Scene) -> Sequence[Proposal]:
        """Propose where in a clip this effect applies; nothing unless an effect knows better."""
        return ()


@lru_cache(maxsize=256)
def _kinds(effect: type[Effect]) -> Mapping[str, Any]:
    """The types of an effect's parameters, worked out once."""
    return get_type_hints(effect)


@dataclass(frozen=True)
class Meeting:
    """Two clips at their cut, as the host sees them for a joint effect.

    ``likeness`` of the two faces (-1..1; about .93 and more for one person, .80 at most for two; None where a side shows no
    face, or too little of it), ``scene`` how alike the pictures are as wholes, 0..1, ``apart`` how far the face's landmarks
    lie apart on average, in face widths, ``pace`` how far they move from frame to frame at most (95th percentile) on either
    side, ``rate`` record frames per second. ``steps`` tells of joints of some lengths (frames) how far the face would have
    to move from one frame to the next at most, in face widths, both shots playing on meanwhile; none of lengths that the
    clips or their media do not reach.
    """

    likeness: float | None
    scene: float
    apart: float
    pace: float
    rate: Fraction
    steps: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class JointEffect(Effect):
    """Base of every effect where two clips meet; its edits return a ``blend``, which no intensity scales."""

    intensity: ClassVar[Curve] = Curve.constant(1)  # type: ignore[misc]

    def refusal(self, meeting: Meeting) -> str:
        """Why two clips should not be joined by it, as half a sentence; empty where nothing speaks against it."""
        return ""

    @classmethod
    def mark_cut(cls, meeting: Meeting) -> Proposal | None:
        """Propose a joint for a cut (its ``start`` does not count); none unless an effect knows better."""
        return None


def _checked(effect: str, spec: Field[Any], kind: Any, value: ParamValue) -> Any:
    """One parameter value as its field wants it, or a `ParamError` that says what it takes."""
    where = f"{effect}: {spec.name}"
    if bounds := spec.metadata.get("knob"):
        return _curve(where, bounds, value)
    value = _number(value) if kind in (int, float) else value
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ParamError(f"{where} must be one of {', '.join(map(str, get_args(kind)))}, got {_shown(value)}")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ParamError(f"{where} takes {_article(kind.__name__)}, got {_shown(value)}")
    return value


def _number(value: ParamValue) -> ParamValue:
    """What files and the command line store for a number is a curve of one key; whole numbers are counted in ints."""
    if not (isinstance(value, Curve) and value.is_constant):
        return value
    number = value.keys[0].value
    return int(number) if number.is_integer() else number


def _shown(value: ParamValue) -> str:
    return value.text() if isinstance(value, Curve) else repr(value)


def _curve(where: str, bounds: Knob, value: ParamValue) -> Curve:
    if isinstance(value, bool | str):
        raise ParamError(f"{where} takes a number or a curve, got {value!r}")
    curve = value if isinstance(value, Curve) else Curve.constant(value)
    low, high = curve.bounds()
    if not (bounds.low <= low and high <= bounds.high):
        got = low if not bounds.low <= low else high
        raise ParamError(f"{where} must stay in {bounds.low:g}..{bounds.high:g}, got {got:.6g}")
    return curve


def _article(kind: str) -> str:
    return {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}.get(kind, kind)


@dataclass(frozen=True)
class Parameter:
    """One parameter of an effect, as help pages and forms show it."""

    name: str
    kind: str
    default: ParamValue
    help: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()


def parameters(effect: type[Effect]) -> list[Parameter]:
    """The parameters of an effect, in its own order; those that every effect has come last."""
    kinds, shared = _kinds(effect), [f.name for f in fields(Effect)]
    ordered = sorted(fields(effect), key=lambda f: f.name in shared)
    return [_parameter(f, kinds[f.name]) for f in ordered]


def _parameter(spec: Field[Any], kind: Any) -> Parameter:
    default: Any = None if spec.default is MISSING else spec.default
    if bounds := spec.metadata.get("knob"):
        low, high = bounds.low, bounds.high
        value = default.bounds()[0] if isinstance(default, Curve) else default
        return Parameter(spec.name, "curve", value, bounds.help, low, high, bounds.unit)
    choices = tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()
    name = "choice" if choices else kind.__name__
    return Parameter(spec.name, name, default, spec.metadata.get("help", ""), choices=choices)
