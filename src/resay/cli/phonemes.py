"""`resay phonemes`: how a text will be read, and who decided it."""

from __future__ import annotations

import json
from typing import Any

from .. import text as frontend
from ..errors import BadText
from ..text import Lexicon
from . import options, sources
from .messages import message


def phonemes(
    text: options.Text = None,
    file: options.File = None,
    language: options.InLanguage = "auto",
    lexicon: options.Lexicons = None,
    phoneme: options.Phoneme = False,
    as_json: options.Json = False,
) -> None:
    """Show the normalised text, the words with their readings, and the phonemes. A file is read line by line."""
    readings, _ = sources.lexicon(sources.lexicons(lexicon, phoneme))
    raw = sources.raw_text(text, file)
    if file is None:
        _print(_analysis(raw, language, readings), as_json)
        return
    problems = []
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            analysis = _analysis(line, language, readings) if line.strip() else _empty()
        except BadText as error:
            # Every line keeps its place in the output: who reads it counts lines.
            analysis = {**_empty(), "error": str(error)}
            problems.append(message("line_failed", line=number, problem=error))
        _print(analysis, as_json)
    if problems:
        raise BadText(problems[0])


def _empty() -> dict[str, Any]:
    return {"normalised": "", "words": [], "phonemes": []}


def _analysis(raw: str, language: str, lexicon: Lexicon | None) -> dict[str, Any]:
    sentences = list(frontend.sentences(raw, language, lexicon))
    return {
        "normalised": " ".join(sentence.normalised for sentence in sentences),
        "words": [
            {
                "text": word.text,
                "language": word.language,
                "reading": list(word.reading),
                "source": word.source,
                "span": list(word.span),
            }
            for sentence in sentences
            for word in sentence.words
        ],
        "phonemes": [symbol for sentence in sentences for symbol in sentence.phonemes],
    }


def _print(analysis: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(analysis, ensure_ascii=False))
        return
    print(analysis["normalised"])
    for word in analysis["words"]:
        print(f"  {word['text']}  {' '.join(word['reading'])}  ({word['source']}, {word['span'][0]}–{word['span'][1]})")
    print(" ".join(analysis["phonemes"]))
