"""An alignment as a file: the subtitle formats of synthesised speech, and JSON with what is sure and what is not."""

from __future__ import annotations

import json
from typing import Any

from .. import subtitles
from ..errors import BadOption
from ..subtitles import Cue, Stretch, TimedWord
from .aligning import Alignment

FORMATS = ("textgrid", "json", "srt", "vtt")


def write(alignment: Alignment, file_format: str) -> str:
    """The content of a file. Raises BadOption for an unknown format."""
    if file_format not in FORMATS:
        raise BadOption(f"unknown format {file_format!r}; choose one of {', '.join(FORMATS)}")
    if file_format == "json":
        return json.dumps(to_json(alignment), ensure_ascii=False, indent=1) + "\n"
    return subtitles.write(cues(alignment), file_format)


def cues(alignment: Alignment) -> list[Cue]:
    """Sentence by sentence, as subtitles want it."""
    found = []
    for first, end in alignment.sentences:
        words = alignment.words[first:end]
        start, stop = words[0].start, words[-1].end
        span = words[0].span[0], words[-1].span[1]
        symbols = tuple(it for it in alignment.phonemes if start <= it.start and it.end <= stop)
        timed = tuple(TimedWord(word.text, word.start, word.end, word.span) for word in words)
        found.append(Cue(alignment.text[slice(*span)], start, stop, span, timed, symbols))
    return found


def to_json(alignment: Alignment) -> dict[str, Any]:
    """Plain values, seconds from the sound's start."""
    return {
        "seconds": alignment.seconds,
        "sentences": [{**_times(cue), "text": cue.text} for cue in cues(alignment)],
        "words": [{**_times(word), "confidence": word.confidence, "span": list(word.span)} for word in alignment.words],
        "characters": [_times(character) for character in alignment.characters],
        "phonemes": [{"phoneme": it.text, "start": it.start, "end": it.end} for it in alignment.phonemes],
        "disagreements": [{"kind": it.kind, **_times(it), "sureness": it.sureness} for it in alignment.disagreements],
    }


def _times(stretch: Stretch) -> dict[str, Any]:
    return {"text": stretch.text, "start": stretch.start, "end": stretch.end}
