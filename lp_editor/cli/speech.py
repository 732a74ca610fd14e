"""``speech``: what is said in a sound, when, and how the mouth goes; as a table, JSON, or a picture."""

from __future__ import annotations

import argparse
import json
import sys
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lp_editor.cli.catalogue import plain_table, show
from lp_editor.errors import OutputError, ParamError

if TYPE_CHECKING:
    from lp_editor.speech.waveform import Wave
    from lp_editor.utterance import Speech


LONGEST_WORD = 40
"""Signs of a word that are shown, for it is shown at each of its sounds."""


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "speech", help="read what is said in a sound, for lip_sync",
        description="Finds the phones of a sound, the visemes and how far the mouth opens, and says by which method.\n"
        "Without SOUND it times a text, at a speaking rate.",
        epilog="examples:\n  lp-editor speech line.wav --text line.txt\n  lp-editor speech line.wav -o curves.json --plot curves.png\n"
        "  lp-editor speech --text zeile.txt --language de --voice zeile.wav\n",
    )  # fmt: skip
    command.add_argument("sound", type=Path, nargs="?", metavar="SOUND", help="a sound or a film with sound")
    command.add_argument("--text", type=Path, metavar="FILE", help="a text file of the words that are said")
    command.add_argument("--language", default="en", metavar="L", help="en (unless told), de, es, fr, cmn, …")
    command.add_argument(
        "--pace", type=float, default=1.0, help="of a text without sound: 1 is about 170 words a minute"
    )
    command.add_argument("--voice", type=Path, metavar="WAV", help="write the text as espeak-ng says it; without SOUND")
    command.add_argument("-o", "--output", type=Path, metavar="JSON", help="store the analysis")
    command.add_argument("--plot", type=Path, metavar="PNG", help="draw it")
    command.add_argument("--json", action="store_true", help="print the JSON instead of the table")
    command.add_argument("--force", action="store_true", help="overwrite what is there")
    command.set_defaults(run=_speech)


def _speech(asked: argparse.Namespace) -> int:
    from lp_editor.media.stills import write_still
    from lp_editor.speech import write_speech
    from lp_editor.speech.plot import plotted

    _check(asked)
    text = _text(asked.text) if asked.text else ""
    speech, wave = _analysed(asked, text)
    if asked.output:
        write_speech(speech, asked.output)
    if asked.plot:
        write_still(asked.plot, plotted(speech, wave))
    if asked.json:
        print(json.dumps(speech.to_json(), ensure_ascii=False))
    else:
        _table(speech)
    for note in speech.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _check(asked: argparse.Namespace) -> None:
    """Refuse what cannot work before any work is done."""
    if asked.sound is None and asked.text is None:
        raise ParamError("name a SOUND, or --text FILE, or both")
    if asked.sound is not None and asked.voice is not None:
        raise ParamError("--voice says the text, so it goes without SOUND")
    if asked.voice is not None and asked.voice.suffix.lower() != ".wav":
        raise OutputError(f"--voice writes a .wav, not {asked.voice}")
    if not 0.3 <= asked.pace <= 3:
        raise ParamError(f"--pace takes 0.3..3, got {asked.pace:g}")
    if asked.plot is not None and asked.plot.suffix.lower() not in (".png", ".jpg"):
        raise OutputError(f"--plot writes a .png, not {asked.plot}")
    for path in (asked.output, asked.plot, asked.voice):
        if path is not None and path.exists() and not asked.force:
            raise OutputError(f"{path} exists already; choose another name or pass --force")
        if path is not None and not path.absolute().parent.is_dir():
            raise OutputError(f"no folder {path.absolute().parent} to write {path.name} into; make it first")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ParamError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ParamError(f"{path} is not text in UTF-8; save it as that") from error


def _analysed(asked: argparse.Namespace, text: str) -> tuple[Speech, Wave | None]:
    from lp_editor.files import write_bytes
    from lp_editor.render.stores import cache_folder
    from lp_editor.speech import read_speech, read_text, spoken_file, wave_of

    cache = cache_folder()
    if asked.sound is not None:
        wave = wave_of(asked.sound)
        return read_speech(wave, text, asked.language, cache / "speech"), wave
    if asked.voice is None:
        return read_text(text, asked.language, asked.pace, cache / "speech"), None
    spoken = spoken_file(text, asked.language, asked.pace, cache / "voices")
    write_bytes(asked.voice, spoken.read_bytes())
    wave = wave_of(spoken)
    return read_speech(wave, text, asked.language, cache / "speech"), wave


def _table(speech: Speech) -> None:
    table = plain_table("from", "to", "phone", "viseme", "opening", "word")
    starts, first = [v.start for v in speech.visemes], 0
    for phone in speech.phones:
        while first < len(starts) and speech.visemes[first].stop <= phone.start:
            first += 1
        at = speech.visemes[first : bisect_left(starts, phone.stop)]
        values = speech.openness[round(phone.start * 100) : max(round(phone.stop * 100), round(phone.start * 100) + 1)]
        word = speech.words[phone.word][:LONGEST_WORD] if phone.word >= 0 else ""
        opening = f"{values.mean():.2f}" if len(values) else ""
        table.add_row(
            f"{phone.start:.3f} s", f"{phone.stop:.3f} s", phone.name, "→".join(dict.fromkeys(v.name for v in at)), opening, word
        )  # fmt: skip
    show(table)
    said = f"{sum(p.name != 'pau' for p in speech.phones)} sounds in {speech.seconds:.2f} s"
    print(f"{said}, read by {speech.method}")
