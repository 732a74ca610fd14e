"""What was said, and how the mouth went: values that the analysis of speech makes and effects read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 100
"""Values of an openness curve a second."""

SILENCE = "pau"
"""The phone of silence, as in ARPAbet."""

VISEMES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
"""The fifteen mouth shapes of the Oculus (OVR) standard."""


@dataclass(frozen=True)
class Phone:
    """A sound of speech from ``start`` to ``stop``, in seconds: ARPAbet in small letters, IPA, or ``pau``.

    ``word`` is the number of the word it belongs to among `Speech.words`, -1 where that is not known.
    """

    name: str
    start: float
    stop: float
    word: int = -1


@dataclass(frozen=True)
class Viseme:
    """One of the `VISEMES` from ``start`` to ``stop``, in seconds; ``opening`` 0..0.8 is how far the lips part."""

    name: str
    start: float
    stop: float
    opening: float
    word: int = -1


@dataclass(frozen=True)
class Speech:
    """The analysis of a sound or a text.

    ``phones`` and ``visemes`` follow each other from 0 to ``seconds``, silence included. ``openness`` float64,
    (seconds × 100,), 0 closed to 0.8: how far the lips part at 100 moments a second from time 0, before any fitting to
    a face. ``method`` says how it was found, ``notes`` what an editor should know of it.
    """

    seconds: float
    phones: tuple[Phone, ...]
    visemes: tuple[Viseme, ...]
    openness: NDArray[np.float64] = field(compare=False)
    method: str
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The analysis as ``lp-editor speech -o`` stores it."""
        return {
            "seconds": self.seconds,
            "method": self.method,
            "notes": list(self.notes),
            "words": list(self.words),
            "phones": [[p.name, round(p.start, 4), round(p.stop, 4)] for p in self.phones],
            "phone_words": [p.word for p in self.phones],
            "visemes": [
                [v.name, round(v.start, 4), round(v.stop, 4), round(v.opening, 4), v.word] for v in self.visemes
            ],
            "openness_rate": RATE,
            "openness": [round(float(value), 4) for value in self.openness],
        }

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> Speech:
        """The analysis that `to_json` stored. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        numbered: Sequence[tuple[list[Any], int]] = list(zip(stored["phones"], stored["phone_words"], strict=True))
        return Speech(
            float(stored["seconds"]),
            tuple(Phone(str(p[0]), float(p[1]), float(p[2]), int(word)) for p, word in numbered),
            tuple(Viseme(str(v[0]), float(v[1]), float(v[2]), float(v[3]), int(v[4])) for v in stored["visemes"]),
            np.array(stored["openness"], np.float64),
            str(stored["method"]),
            tuple(map(str, stored["words"])),
            tuple(map(str, stored["notes"])),
        )
