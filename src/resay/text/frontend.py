"""Text to sentences: markup, cleaning, normalisation, readings.

The text is worked on in paragraphs. Everything that decides a reading looks at the paragraph with all its pauses alike,
so that a comma made a full stop moves pauses and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import BadText
from . import cleaning, english_normalisation, mandarin, mandarin_normalisation, markup, pieces, readings
from .lexicon import Lexicon
from .markup import Break, Replaced, Spoken
from .sentence import Sentence
from .traced import Traced

HAN = mandarin.HAN
_LONGEST_PARAGRAPH = 4000
_NOTHING = "there is nothing to speak in the text: it has no letters and no digits"

_CLAUSE_END = re.compile(rf"[,.!?;:—…](?=\s|[{HAN}]|\Z)|[，。、()\n]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
_HAN = re.compile(rf"[{HAN}]")
_RUNS = re.compile(rf"[{HAN}]+|[^{HAN}]+")
_ADDRESS = re.compile(r"[\w@.:/-]*(?:@|://|www\.|\.\w)[^\s]*", re.ASCII)
_MARK = re.compile("[\ue000-\uf8ff]")
_SOFT_LINE_END = re.compile(r"(?<=[A-Za-z,;-])\n(?=[a-z])")


@dataclass(frozen=True)
class Paragraph:
    """Cleaned text; private-use characters stand for what markup and lexicon decided: `marks[code - 0xE000]`."""

    text: Traced
    marks: Sequence[readings.Mark]

    def everything(self) -> str:
        """All that will be read, with what `<say-as>` holds."""
        return self.text.text + "".join(mark.text.text for mark in self.marks if isinstance(mark, readings.SayAs))


def sentences(text: str, language: str, default_language: str, entries: Lexicon | None) -> Iterator[Sentence]:
    """The pieces of a text one after the other; see `resay.text.sentences`.

    Nothing of what has been handed on is kept, and whatever can be refused is refused before the first piece.
    """
    bare = default_language if language == "auto" else language
    instructions = markup.instructions(text)
    _refuse_unspeakable(text, instructions, entries)
    spoken = False
    for paragraph in _paragraphs(text, instructions, entries):
        normalised, tokens = analysed(paragraph, bare)
        for piece in pieces.cut(tokens, normalised):
            spoken = True
            yield pieces.sentence(piece, normalised, text)
    if not spoken:
        raise BadText(_NOTHING)


def sentence(text: str, language: str, entries: Lexicon | None) -> Sentence:
    """The whole text as one sentence; see `resay.text.sentence`."""
    plain = text.replace("\n", " ")
    instructions = markup.instructions(plain)
    _refuse_unspeakable(plain, instructions, entries)
    paragraph = _paragraph(plain, 0, len(plain), instructions, entries)
    normalised, tokens = analysed(paragraph, "zh" if language == "auto" else language)
    if not any(token.symbols for token in tokens):
        raise BadText(_NOTHING)
    return pieces.sentence(tokens, normalised, text)


def _refuse_unspeakable(text: str, instructions: Sequence[markup.Instruction], entries: Lexicon | None) -> None:
    """Raise BadText for letters that cannot be spoken, wherever they are, before anything is spoken."""
    if text.isascii() and "&" not in text:
        return
    parts = []
    position = 0
    for instruction in instructions:
        parts.append(text[position : instruction.start])
        parts.append(instruction.text if isinstance(instruction, Replaced) else "")
        position = instruction.end
    remaining = "".join([*parts, text[position:]])
    strange = "".join(dict.fromkeys(remaining + cleaning.entities(remaining)))
    cleaned = cleaning.clean(Traced.of(strange)).text
    unread = _unread(cleaned)
    if unread and entries and not entries.characters.isdisjoint(unread):
        # Whether an entry covers them is known only where they stand.
        unread = [it for found in _paragraphs(text, instructions, entries) for it in _unread(found.everything())]
    if unread:
        raise BadText(f"no reading is known for {' '.join(unread[:20])}; give one in a lexicon or as [[…]]")


def _unread(text: str) -> list[str]:
    """Han characters of a cleaned text that have no reading."""
    return [character for character in text if cleaning.is_han(character) and not mandarin.has_reading(character)]


def _paragraphs(text: str, instructions: Sequence[markup.Instruction], entries: Lexicon | None) -> Iterator[Paragraph]:
    """Cleaned paragraphs: lines, and lines without end cut after a pause; never inside markup."""
    start, first = 0, 0
    while start < len(text):
        end = _line_end(text, start)
        if end - start > _LONGEST_PARAGRAPH:
            pause = _CLAUSE_END.search(text, start + _LONGEST_PARAGRAPH // 2, end)
            end = min(pause.end() if pause else end, start + _LONGEST_PARAGRAPH)
        last = first
        while last < len(instructions) and instructions[last].start < end:
            end = max(end, instructions[last].end)
            last += 1
        yield _paragraph(text, start, end, instructions[first:last], entries)
        start, first = end, last


def _line_end(text: str, start: int) -> int:
    """End of the line, taking lines together that were only broken for their width."""
    end = start
    while True:
        end = text.find("\n", end) + 1
        if not end:
            return len(text)
        if end - start > _LONGEST_PARAGRAPH or not _SOFT_LINE_END.match(text, end - 1):
            return end


def _paragraph(
    text: str, start: int, end: int, instructions: Sequence[markup.Instruction], entries: Lexicon | None
) -> Paragraph:
    """One paragraph cleaned, with markup and lexicon entries behind marks."""
    marks: list[readings.Mark] = []
    parts: list[Traced] = []

    def mark(decided: readings.Mark, span: tuple[int, int]) -> None:
        parts.append(Traced(chr(0xE000 + len(marks)), [span[0]], [span[1]]))
        marks.append(decided)

    def plain(written: Traced) -> None:
        cleaned = cleaning.tidy(cleaning.clean(written))
        done = 0
        for first, last, found in entries.matches(cleaned.text) if entries else ():
            parts.append(cleaned.cut(done, first))
            mark(readings.Decided(found, "lexicon", cleaned.text[first:last]), cleaned.span(first, last))
            done = last
        parts.append(cleaned.cut(done, len(cleaned)))

    position = start
    for instruction in instructions:
        plain(Traced.of(text[position : instruction.start], position))
        position = instruction.end
        if isinstance(instruction, Spoken):
            shown = text[instruction.inner[0] : instruction.inner[1]]
            mark(readings.Decided(instruction.pronunciation, "markup", shown), instruction.inner)
        elif isinstance(instruction, Break):
            mark(instruction.seconds, (instruction.start, instruction.end))
        elif isinstance(instruction, Replaced):
            first, last = instruction.inner
            said = Traced(instruction.text, [first] * len(instruction.text), [last] * len(instruction.text))
            if instruction.kind:
                mark(readings.SayAs(instruction.kind, cleaning.clean(said)), instruction.inner)
            else:
                plain(said)
    plain(Traced.of(text[position:end], position))
    joined = Traced.join(parts).replace(_SOFT_LINE_END, " ")
    return Paragraph(joined, marks)


def analysed(paragraph: Paragraph, bare: str) -> tuple[Traced, list[readings.Token]]:
    """A paragraph normalised, and its words and pauses. `bare` is the language of numbers without letters."""
    text = paragraph.text
    syllables = readings.pinyin_tokens(text.text)
    if syllables:
        return text, syllables
    parts = []
    for start, end, language in _stretches(text.text, bare):
        normaliser = mandarin_normalisation if language == "zh" else english_normalisation
        position = start
        for match in _MARK.finditer(text.text, start, end):
            said = paragraph.marks[ord(match.group()) - 0xE000]
            if isinstance(said, readings.SayAs):
                parts.append(normaliser.normalise(text.cut(position, match.start())))
                parts.append(normaliser.say_as(said.kind, said.text))
                position = match.end()
        parts.append(normaliser.normalise(text.cut(position, end)))
    normalised = Traced.join(parts)
    return normalised, readings.tokens(normalised, paragraph.marks)


def _stretches(text: str, bare: str) -> list[tuple[int, int, str]]:
    """The text cut into stretches whose numbers are read in one language: that of the clause, or the nearest one's."""
    clauses: list[tuple[int, int, str]] = []
    start = 0
    for end in [*(match.end() for match in _CLAUSE_END.finditer(text)), len(text)]:
        if end > start:
            clauses += _clause_stretches(text, start, end)
        start = end
    language = next((language for _, _, language in clauses if language), bare)
    merged: list[tuple[int, int, str]] = []
    for start, end, found in clauses:
        language = found or language
        if merged and merged[-1][2] == language:
            merged[-1] = (merged[-1][0], end, language)
        else:
            merged.append((start, end, language))
    return merged


def _clause_stretches(text: str, start: int, end: int) -> list[tuple[int, int, str]]:
    """One clause: Mandarin if it has a Han character, but for a quotation of three English words or more in it."""
    clause = text[start:end]
    if not _HAN.search(clause):
        return [(start, end, "en" if re.search("[A-Za-z]", clause) else "")]
    stretches: list[tuple[int, int, str]] = []
    for match in _RUNS.finditer(clause):
        words = _LATIN_WORD.findall(_ADDRESS.sub(" ", match.group()))
        quotation = not _HAN.match(match.group()) and len(words) >= 3
        found = "en" if quotation else "zh"
        if stretches and stretches[-1][2] == found:
            stretches[-1] = (stretches[-1][0], start + match.end(), found)
        else:
            stretches.append((start + match.start(), start + match.end(), found))
    return stretches
