"""The case files: one parametrised test each for how text is written out and how it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from resay.text import sentences

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
