"""espeak-ng through its C library: the sounds of a text in any language, how long they take, and a voice to say them.

espeak-ng is under the GPL, so it is never needed: the extra ``voice`` brings it (espeakng-loader), or a system has it.
The library has one state for the whole process, so calls are made one at a time.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lp_editor.errors import ParamError
from lp_editor.speech.phones import articulation
from lp_editor.utterance import SILENCE, Phone

PHONEME_EVENTS, PHONEME_IPA, DO_NOT_EXIT = 0x01, 0x02, 0x8000
RETRIEVAL, UTF8, RATE_PARAMETER = 1, 1, 1
END_OF_LIST, WORD, PHONEME = 0, 1, 7
"""Numbers of speak_lib.h."""

STOPS = "pbtdkɡgcq"
STOP_SECONDS = 0.06
"""espeak tells a stop at its burst: its closure before is given back to it, at most so long (lip sync notes)."""

GAP_SECONDS = 0.06
"""A silence no longer than that is none."""

WORDS_A_MINUTE = 175
"""espeak's own pace."""

_LOCK = Lock()


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Id),
    )  # fmt: skip


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Spoken:
    """A text as espeak says it: ``samples`` float32, (N,), at ``rate``; its phones; its words as they are written."""

    samples: NDArray[np.float32]
    rate: int
    phones: tuple[Phone, ...]
    words: tuple[str, ...]


def has_espeak() -> bool:
    """Whether the library is there, by the extra or in the system."""
    return find_spec("espeakng_loader") is not None or ctypes.util.find_library("espeak-ng") is not None


@cache
def _library() -> tuple[Any, int]:
    """The library, ready, and its sample rate."""
    if find_spec("espeakng_loader") is not None:
        import espeakng_loader

        library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        folder = str(espeakng_loader.get_data_path()).encode()
    else:
        library, folder = ctypes.CDLL(ctypes.util.find_library("espeak-ng")), None
    options = PHONEME_EVENTS | PHONEME_IPA | DO_NOT_EXIT
    rate = int(library.espeak_Initialize(RETRIEVAL, 0, folder, options))
    if rate <= 0:
        raise ParamError("espeak-ng is installed but does not start; install lp-editor[voice] again")
    return library, rate


def speak(text: str, language: str, pace: float = 1.0) -> Spoken:
    """Say a text in a language or a voice of espeak's (``en``, ``en-gb``, ``fr``, ``cmn``); ``pace`` 1 is its own.

    Raises `ParamError` for a language it does not have, or where espeak-ng is not installed.
    """
    if not has_espeak():
        raise ParamError("espeak-ng is not installed; pip install lp-editor[voice], or take a sound file")
    with _LOCK:
        library, rate = _library()
        if library.espeak_SetVoiceByName(_voice(language).encode()) != 0:
            raise ParamError(f"espeak-ng has no language or voice {language!r}; en, de, es, fr, cmn are some it has")
        library.espeak_SetParameter(RATE_PARAMETER, round(min(max(WORDS_A_MINUTE * pace, 80), 450)), 0)
        blocks, events = _synthesized(library, text)
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    phones, words = _read(events, text, len(samples) / rate, rate)
    return Spoken((samples / 32768).astype(np.float32), rate, tuple(phones), tuple(words))


def _voice(language: str) -> str:
    return {"zh": "cmn", "en": "en-us"}.get(language.lower(), language.lower())


def _synthesized(library: Any, text: str) -> tuple[list[NDArray[np.int16]], list[tuple[int, int, int, int, str]]]:
    """The sound in blocks, and the events: (type, sample, position in the text, length, IPA)."""
    blocks: list[NDArray[np.int16]] = []
    events: list[tuple[int, int, int, int, str]] = []

    def take(sound: Any, count: int, told: Any) -> int:
        if count > 0:
            blocks.append(np.ctypeslib.as_array(sound, (count,)).copy())
        i = 0
        while told[i].type != END_OF_LIST:
            one = told[i]
            # the string is eight bytes, ended early by a zero unless it fills them
            name = bytes(one.id.string).decode("utf-8", "ignore") if one.type == PHONEME else ""
            events.append((one.type, one.sample, one.text_position, one.length, name))
            i += 1
        return 0

    callback = _Callback(take)
    library.espeak_SetSynthCallback(callback)
    content = text.encode("utf-8")
    library.espeak_Synth(content, len(content) + 1, 0, 0, 0, UTF8, None, None)
    library.espeak_Synchronize()
    return blocks, events


def _read(
    events: list[tuple[int, int, int, int, str]], text: str, seconds: float, rate: int
) -> tuple[list[Phone], list[str]]:
    """Phones with their words, from events."""
    words: list[str] = []
    phones: list[Phone] = []
    for kind, sample, position, _, name in events:
        if kind == WORD:
            words.append(_word(text, position - 1))
        elif kind == PHONEME:
            silent = articulation(name).mouth == "silence"
            phones.append(Phone(SILENCE if silent else name, sample / rate, seconds, -1 if silent else len(words) - 1))
    return _closed(_joined(phones)), words


def _word(text: str, start: int) -> str:
    """The word that begins somewhere in a text; a sign of Chinese or Japanese is one by itself."""
    if text[start : start + 1] >= "\u2e80":
        return text[start]
    found = re.match(r"[\w'’-]+", text[start:])
    return found[0].strip("'’-") if found else text[start : start + 1]


def _joined(phones: list[Phone]) -> list[Phone]:
    """Phones that end where the next begins, those of no length dropped, silences in a row made one."""
    out: list[Phone] = []
    for phone in phones:
        if out:
            out[-1] = replace(out[-1], stop=phone.start)
            if out[-1].stop <= out[-1].start:
                out.pop()
        if out and out[-1].name == phone.name == SILENCE:
            phone = replace(phone, start=out.pop().start)
        out.append(phone)
    return [p for p in out if p.stop > p.start]


def _closed(phones: list[Phone]) -> list[Phone]:
    """The same phones, with stops from their closure on; what is too short for a pause belongs to what follows."""
    out: list[Phone] = []
    for phone in phones:
        before = out[-1] if out else None
        stop = phone.name.lstrip("ˈˌ")[:1] in tuple(STOPS)
        if before and before.name == SILENCE and before.stop - before.start <= GAP_SECONDS:
            phone = replace(phone, start=out.pop().start)
        elif before and stop:
            taken = min(STOP_SECONDS, (before.stop - before.start) / 2)
            out[-1] = replace(before, stop=before.stop - taken)
            phone = replace(phone, start=phone.start - taken)
        out.append(phone)
    return out
