"""The case files: one parametrised test each for how text is written out and how it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from resay.text import phonemes, sentences

CASES = Path(__file__).parent / "cases"


def rows(pattern: str) -> list[tuple[str, ...]]:
    """Lines of the case files of a name, split at tabs, without comments."""
    lines = [line for path in sorted(CASES.glob(pattern)) for line in path.read_text(encoding="utf-8").splitlines()]
    return [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(("text", "part", "reading"), rows("*_readings.tsv"))
def test_reading(text: str, part: str, reading: str) -> None:
    """The part of the text is read as the case says."""
    start = text.index(part)
    end = start + len(part)
    found: list[str] = []
    for sentence in sentences(text):
        for word in sentence.words:
            if word.language == "zh" and len(word.reading) == word.span[1] - word.span[0]:
                inside = range(max(start, word.span[0]), min(end, word.span[1]))
                found += [word.reading[place - word.span[0]] for place in inside]
            elif word.span[0] < end and word.span[1] > start:
                found += word.reading if not found or word.language == "zh" or word.span[0] == start else ()
                break
    assert " ".join(found) == reading


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [(path.name[:2], *row) for path in sorted(CASES.glob("*_spoken.tsv")) for row in rows(path.name)],
)
def test_spoken(language: str, text: str, spoken: str) -> None:
    """The text is written out as the case says; space around signs does not count."""
    said = " ".join(sentence.normalised for sentence in sentences(text, default_language=language))
    squeezed = "".join(said.split()) if language == "zh" else " ".join(said.split()).replace(" ,", ",")
    assert squeezed == spoken


def spoken(text: str) -> list[str]:
    """Every phoneme of a text without pauses and boundaries."""
    return [symbol for found in sentences(text) for symbol in found.phonemes if not phonemes.is_pause(symbol)]


def comma_and_stop() -> list[tuple[str, str]]:
    """Every case sentence joined to the next by a comma and by a full stop; and those that have commas themselves."""
    pairs = []
    for pattern, comma, stop in (("mandarin_r*", "，", "。"), ("zh_*", "，", "。"), ("en*", ", ", ". ")):
        texts = [row[0].rstrip("。.！!？?") for row in rows(f"{pattern}.tsv")]
        joined = [text + comma + following for text, following in zip(texts, texts[1:] + texts[:1], strict=True)]
        joined += [text for text in texts if comma in text]
        pairs += [(text, text.replace(comma, stop)) for text in joined]
    return pairs


def test_a_comma_made_a_full_stop_moves_no_phoneme() -> None:
    """R35: such a change may move pauses only."""
    pairs = comma_and_stop()
    assert len(pairs) > 600
    assert [text for text, stopped in pairs if spoken(text) != spoken(stopped)] == []
