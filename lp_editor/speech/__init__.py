"""What is said in a sound, and when: phones, visemes and how far the mouth opens, with the method always told.

One analysis is kept in a folder by what it was made of, so that marking, rendering and rendering again read a sound
once. Recognisers and voice activity are met only in here.
"""

from __future__ import annotations

import json
import wave as waves
from hashlib import blake2b
from pathlib import Path

import numpy as np

from lp_editor.errors import MediaError, ParamError
from lp_editor.files import write_bytes, write_whole
from lp_editor.media.probe import probe
from lp_editor.media.sound import SoundSource
from lp_editor.speech.analysis import Reader, check_language, installed
from lp_editor.speech.espeak import speak
from lp_editor.speech.waveform import RATE, Wave, to_wave
from lp_editor.utterance import Speech

VERSION = 1
"""Raised whenever the same sound and text give another analysis."""

LONGEST_SECONDS = 3600
"""Sound longer than that is not analysed in one go."""

LONGEST_TEXT = 100_000
"""Signs of a text."""

BLOCK_SECONDS = 30

__all__ = [
    "LONGEST_SECONDS", "Reader", "check_language", "check_text", "read_speech", "read_text", "spoken_file", "wave_of", "write_speech",
]  # fmt: skip


def wave_of(path: Path) -> Wave:
    """The sound of a file as recognisers take it. Raises `MediaError` where it has none, or too much."""
    info = probe(path)
    if not info.audio:
        raise MediaError(f"{path} has no sound; name a file with speech in it (.wav, .mp3, .m4a, .mov, …)")
    audio = info.audio[0]
    seconds = float(audio.duration)
    if seconds > LONGEST_SECONDS:
        raise MediaError(f"{path} lasts {seconds / 60:.0f} minutes; cut it into pieces of an hour at most")
    parts: list[Wave] = []
    with SoundSource(path) as source:
        count, block = round(audio.duration * audio.rate), BLOCK_SECONDS * audio.rate
        for start in range(0, count, block):
            # a little of the neighbours on both sides, so that the pieces meet without a seam
            margin = audio.rate // 10
            samples = source.read(start - margin, min(block, count - start) + 2 * margin)
            piece = to_wave(samples.astype(np.float32), audio.rate)
            parts.append(piece[RATE // 10 : len(piece) - RATE // 10])
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def read_speech(wave: Wave, text: str, language: str, cache: Path, reader: Reader | None = None) -> Speech:
    """The analysis of a sound, with its words where they are known; from the cache where it was made before.

    Raises `ParamError` for a language or text that cannot be meant.
    """
    check_language(language)
    check_text(text)
    sound = np.asarray(wave * 32767, np.int16).tobytes()
    key = _key("sound", sound, text.encode(), language.encode())
    return _kept(cache / f"{key}.json") or _keep(cache / f"{key}.json", (reader or Reader()).read(wave, text, language))


def read_text(text: str, language: str, pace: float, cache: Path, reader: Reader | None = None) -> Speech:
    """The analysis of a text that nobody spoke, at a speaking rate. Raises `ParamError`."""
    check_language(language)
    check_text(text)
    if not any(c.isalnum() for c in text):
        raise ParamError("the text has no words")
    key = _key("text", text.encode(), language.encode(), str(pace).encode())
    return _kept(cache / f"{key}.json") or _keep(
        cache / f"{key}.json", (reader or Reader()).write(text, language, pace)
    )


def check_text(text: str) -> None:
    """Refuse what is no text to be said. Raises `ParamError`."""
    if len(text) > LONGEST_TEXT:
        raise ParamError(f"the text has {len(text)} signs, {LONGEST_TEXT} at most; give the words of this sound only")
    if "\0" in text:
        raise ParamError("the text has a zero byte in it; it is no text file")


def spoken_file(text: str, voice: str, pace: float, folder: Path) -> Path:
    """A sound file of espeak-ng saying a text, made once. Raises `ParamError`."""
    check_text(text)
    path = folder / f"{_key('voice', text.encode(), voice.encode(), str(pace).encode())}.wav"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        said = speak(text, voice, pace)
        pcm = np.asarray(said.samples * 32767, np.int16).tobytes()
        write_whole(path, lambda temporary: _write_wave(temporary, pcm, said.rate))
    return path


def write_speech(speech: Speech, path: Path) -> Path:
    """Write an analysis as JSON."""
    return write_bytes(path, (json.dumps(speech.to_json(), ensure_ascii=False) + "\n").encode())


def _write_wave(path: Path, pcm: bytes, rate: int) -> None:
    with waves.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)


def _key(*parts: str | bytes) -> str:
    made = blake2b(f"{VERSION} {installed()}".encode(), digest_size=16)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        made.update(len(content).to_bytes(8, "big") + content)
    return made.hexdigest()


def _kept(path: Path) -> Speech | None:
    """An analysis from the cache; None where there is none, or none that can be read."""
    try:
        return Speech.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _keep(path: Path, speech: Speech) -> Speech:
    """Store an analysis; as it will be read again, so that a kept one and a fresh one are equal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_speech(speech, path)
    return Speech.from_json(speech.to_json())
