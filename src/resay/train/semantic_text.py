"""Text that the semantic encoder learns from: lines as subwords, with what can be said of each for nothing.

Readings come from sentences labelled by hand (the CPP form, see `polyphones`) and from words that the phrase table
reads; parts of speech from jieba; pauses from the punctuation. Lines that a check is made on are never learnt from.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from tokenizers import Tokenizer, models, trainers

from ..semantic import INSIDE, SPECIAL, UNKNOWN, WRITTEN, Subwords
from ..text import mandarin, polyphones
from . import polyphones as labelled_polyphones
from .semantic_net import IGNORED

SIGNS = dict(zip("，、。！？；：（）()", ",,.!?;:,,,,", strict=True))
PAUSE_KINDS = {",": 1, ";": 1, ":": 1, "—": 1, ".": 2, "…": 2, "?": 3, "!": 4}
"""Kind of pause that a sign after a subword makes; 0 is none."""
TAGS = "nvadrmqpcutfsijlzyeohkgx"
LATIN_TAG = 2 * len(TAGS)
MARK = "\u2581"
LONGEST = 96
"""Subwords of a line; longer ones are cut."""


@dataclass
class Line:
    """One line as subwords, each with its labels; signs are subwords too."""

    ids: list[int] = field(default_factory=list)
    readings: list[int] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    """Of a sign its kind of pause, of a word 0."""

    def add(self, number: int, reading: int = IGNORED, tag: int = IGNORED, kind: int = 0) -> None:
        self.ids.append(number)
        self.readings.append(reading)
        self.tags.append(tag)
        self.kind.append(kind)

    def cut(self, most: int = LONGEST) -> Line:
        return Line(self.ids[:most], self.readings[:most], self.tags[:most], self.kind[:most])


def lines(path: Path) -> Iterator[str]:
    """Lines of a text file, gzip or plain, without those that hold digits: they are not read as they are written."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            if not re.search("[0-9]", line):
                yield line.strip()


def is_held_out(line: str) -> bool:
    """The written rule for text without labels: one line in fifty is measured and never trained on."""
    return crc32(line.encode()) % 50 == 0


def vocabulary(text: Iterable[str], english: int = 1600, least: int = 8, needed: Iterable[str] = ()) -> Subwords:
    """Characters that come `least` times or are needed, and so many pieces of English words."""
    characters: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for line in text:
        for match in WRITTEN.finditer(line):
            if match.lastgroup == "han":
                characters.update(mandarin.to_simplified(match.group()))
            elif match.lastgroup == "latin":
                words[plain(match.group())] += 1
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN, continuing_subword_prefix=INSIDE))
    trainer = trainers.WordPieceTrainer(
        vocab_size=english,
        show_progress=False,
        continuing_subword_prefix=INSIDE,
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz'"),
    )
    tokenizer.train_from_iterator((word for word, count in words.items() for _ in range(count)), trainer)
    letters = set("abcdefghijklmnopqrstuvwxyz'")
    pieces = set(tokenizer.get_vocab()) | letters | {INSIDE + letter for letter in letters}
    kept = {character for character, count in characters.items() if count >= least} | set(needed)
    return Subwords([*SPECIAL, *sorted(kept), *sorted(piece for piece in pieces if piece.isascii())])


def plain(word: str) -> str:
    """An English word as the vocabulary has it."""
    return word.replace("’", "'").lower()


@dataclass(frozen=True)
class Readings:
    """Numbers of the readings of ambiguous characters."""

    numbers: dict[tuple[str, str], int]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Readings:
        return cls({pair: number for number, pair in enumerate(sorted(set(pairs)))})

    def number(self, character: str, reading: str) -> int:
        return self.numbers.get((character, reading), IGNORED)

    def text(self) -> str:
        """As the exported graph carries them: a line each, in order."""
        return "\n".join(f"{character} {reading}" for character, reading in self.numbers)


def reading_table(examples: Iterable[tuple[str, str]], phrases: bool = True) -> Readings:
    """The readings that the labelled characters have in the labels, in the phrase table and in the shipped model."""
    pairs = set(examples)
    wanted = {character for character, _ in pairs}
    pairs |= {(it, reading) for it, known in polyphones.model().readings.items() for reading in known if it in wanted}
    if phrases:
        used: Counter[tuple[str, str]] = Counter()
        for word, reading in mandarin.phrases().items():
            used.update(zip(word, reading.split(" "), strict=False))
        pairs |= {pair for pair, count in used.items() if pair[0] in wanted and count >= 5}
    return Readings.of(pairs)


def gold(sentences: Path, labels: Path) -> list[tuple[str, str, int, str]]:
    """Hand-labelled sentences: as in the file, without marks, where the labelled character is, its reading."""
    found = []
    rows = zip(
        sentences.read_text(encoding="utf-8").splitlines(), labels.read_text(encoding="utf-8").split(), strict=True
    )
    for line, label in rows:
        before, character, after = line.split(MARK)
        position = len(before)
        text = mandarin.to_simplified(before + character.strip() + after)
        found.append((line, text, position, label.replace("u:e", "ve").replace("u:", "v")))
    return found


def analysed(text: str, subwords: Subwords, readings: Readings, marked: dict[int, str] | None = None) -> Line:
    """A line as subwords with labels. `marked` readings, by place in the text, win over those of the phrase table."""
    import rjieba

    found = Line()
    for match in WRITTEN.finditer(text):
        if match.lastgroup == "pause":
            sign = SIGNS.get(match.group(), match.group())
            found.add(subwords.number(sign), kind=PAUSE_KINDS[sign])
        elif match.lastgroup == "latin":
            first, capital = not found.ids, match.group()[0].isupper()
            for place, number in enumerate(subwords.cut(plain(match.group()))):
                found.add(number, tag=IGNORED if first else LATIN_TAG + 2 * capital + (place > 0))
        else:
            position = match.start()
            for word, tag in rjieba.tag(mandarin.to_simplified(match.group())):
                _add_word(found, word, tag, position, subwords, readings, marked or {})
                position += len(word)
    return found


def _add_word(
    line: Line, word: str, tag: str, position: int, subwords: Subwords, readings: Readings, marked: dict[int, str]
) -> None:
    known = mandarin.phrases().get(word, "").split(" ") if len(word) > 1 else []
    said = known if len(known) == len(word) else [""] * len(word)
    letter = TAGS.find(tag[0])
    for offset, character in enumerate(word):
        reading = marked.get(position + offset, said[offset])
        label = 2 * (letter if letter >= 0 else len(TAGS) - 1) + (offset > 0)
        line.add(subwords.number(character), readings.number(character, reading), label)


def hand_written() -> list[tuple[str, str, int, str]]:
    """The plain daily sentences that `polyphones` adds to its labels, in the form of `gold`."""
    found = []
    for line in labelled_polyphones.HAND_WRITTEN.strip().split("\n"):
        sentence, label = line.rsplit(" ", 1)
        before, character, after = sentence.split(MARK)
        found.append((sentence, before + character + after, len(before), label))
    return found
