"""When every sentence, word and phoneme sounds, from the plan that made it: SRT, WebVTT, TextGrid and JSON.

All times are seconds from the start of the whole sound.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from .errors import BadOption
from .synthesis import Piece
from .text import phonemes


@dataclass(frozen=True)
class Stretch:
    """Something that sounds from `start` to `end`."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class TimedWord(Stretch):
    """A word as written: "500" is one word, however many are said for it."""

    span: tuple[int, int]
    """Characters of the raw text, end excluded."""


@dataclass(frozen=True)
class Cue(Stretch):
    """One piece of the text with its words and phonemes."""

    span: tuple[int, int]
    words: tuple[TimedWord, ...]
    phonemes: tuple[Stretch, ...]


def cue(piece: Piece, offset: float = 0.0) -> Cue:
    """Times of one piece that starts `offset` seconds into the sound."""
    sentence, seconds = piece.sentence, piece.audio.seconds
    ends = np.cumsum(piece.plan.durations.astype(np.float64))
    # Durations are counted in frames; the sound is what was really rendered of them.
    edges = offset + np.concatenate([[0.0], ends]) * (seconds / max(float(ends[-1]), 1.0))
    times = [float(edge) for edge in edges]
    symbols = tuple(
        Stretch(symbol, times[at], times[at + 1])
        for at, symbol in enumerate(sentence.phonemes)
        if times[at + 1] > times[at]
    )
    words = []
    for span, said in groupby(sentence.words, key=lambda word: word.span):
        parts = list(said)
        start, end = parts[0].phonemes[0], parts[-1].phonemes[1]
        words.append(TimedWord(parts[0].text, times[start], times[end], span))
    return Cue(sentence.text.strip(), offset, offset + seconds, sentence.span, tuple(words), symbols)


def cues(pieces: Iterable[Piece]) -> Iterator[Cue]:
    """Times of all pieces of one sound, in order."""
    offset = 0.0
    for piece in pieces:
        yield cue(piece, offset)
        offset += piece.audio.seconds


def write(timed: Sequence[Cue], file_format: str) -> str:
    """The content of a subtitle file. Raises BadOption for an unknown format."""
    if file_format not in FORMATS:
        raise BadOption(f"unknown subtitle format {file_format!r}; choose one of {', '.join(FORMATS)}")
    return FORMATS[file_format](timed)


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _srt(timed: Sequence[Cue]) -> str:
    blocks = [
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_one_line(cue.text)}\n"
        for number, cue in enumerate(timed, start=1)
    ]
    return "\n".join(blocks)


def _vtt(timed: Sequence[Cue]) -> str:
    blocks = ["WEBVTT\n"]
    for cue in timed:
        text = _one_line(cue.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{text}\n")
    return "\n".join(blocks)


def _text_grid(timed: Sequence[Cue]) -> str:
    end = timed[-1].end if timed else 0.0
    tiers: dict[str, list[Stretch]] = {
        "sentences": list(timed),
        "words": [word for cue in timed for word in cue.words],
        "phonemes": [symbol for cue in timed for symbol in cue.phonemes if not phonemes.is_pause(symbol.text)],
    }
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", f"xmin = 0\nxmax = {end:.6f}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, stretches) in enumerate(tiers.items(), start=1):
        whole = _without_gaps(stretches, end)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end:.6f}", f"        intervals: size = {len(whole)}"]
        for place, part in enumerate(whole, start=1):
            text = _one_line(part.text).replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {part.start:.6f}"]
            lines += [f"            xmax = {part.end:.6f}", f'            text = "{text}"']
    return "\n".join(lines) + "\n"


def _without_gaps(stretches: Sequence[Stretch], end: float) -> list[Stretch]:
    """Praat wants every moment of a tier covered: silence becomes an interval without text."""
    whole: list[Stretch] = []
    at = 0.0
    for part in stretches:
        if part.start - at > 1e-9:
            whole.append(Stretch("", at, part.start))
        whole.append(part)
        at = part.end
    if end - at > 1e-9:
        whole.append(Stretch("", at, end))
    return whole


def _json(timed: Sequence[Cue]) -> str:
    def stretch(part: Stretch) -> dict[str, object]:
        return {"text": part.text, "start": round(part.start, 6), "end": round(part.end, 6)}

    sentences = [
        {
            **stretch(cue),
            "span": list(cue.span),
            "words": [{**stretch(word), "span": list(word.span)} for word in cue.words],
            "phonemes": [stretch(symbol) for symbol in cue.phonemes],
        }
        for cue in timed
    ]
    return json.dumps({"sentences": sentences}, ensure_ascii=False, indent=1) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


FORMATS = {"srt": _srt, "vtt": _vtt, "textgrid": _text_grid, "json": _json}
ENDINGS = {"srt": ".srt", "vtt": ".vtt", "textgrid": ".TextGrid", "json": ".words.json"}
"""What a subtitle file's name ends with. `.json` alone is the manifest's."""
