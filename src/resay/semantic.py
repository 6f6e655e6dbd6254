"""What a sentence means, phoneme by phoneme: vectors of a small bilingual language model over subwords.

Mandarin is taken character by character, English in pieces of words, pauses as signs. The model's layers are mixed with
learnt weights and projected to 64 numbers a subword; a span mask says which subwords each phoneme is said for, and the
phoneme gets their mean. How a word happens to be split therefore never moves a vector to another word.

Letters in shapes: P phonemes, T subwords, C readings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from .errors import BrokenModel
from .onnx_graph import OnnxGraph
from .text import mandarin, phonemes, pinyin
from .text.sentence import Sentence, Word

SEMANTIC = 64
"""Numbers of a phoneme's vector."""
LONGEST_CONTEXT = 48
"""Subwords of the sentence before that are seen, its last ones."""
PADDING, START, END, MASK, UNKNOWN, PAUSE = "<padding>", "<start>", "<end>", "<mask>", "<unknown>", "<pause>"
SPECIAL = (PADDING, START, END, MASK, UNKNOWN, PAUSE, *phonemes.PUNCTUATION)
"""What stands first in every vocabulary, in this order."""
INSIDE = "##"
"""Goes before a piece that continues an English word."""


WRITTEN = re.compile(
    rf"(?P<han>[{mandarin.HAN}]+)|(?P<latin>[A-Za-z]+(?:['’][A-Za-z]+)*)|(?P<pause>[,，、.。!！?？;；:：—…()（）])"
)
"""What is taken from text that is not yet a sentence: words and pauses."""
SEEN_BESIDE = 40
"""Characters on either side that are looked at to decide a reading."""


class Subwords:
    """The vocabulary, and how words are cut into it: characters, and the longest known pieces from left to right.

    The cutting is that of BERT's word pieces (Devlin et al. 2019): no randomness, no state, no library.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        """Raises ValueError where `pieces` does not start with the special ones, or has one twice."""
        self.pieces = tuple(pieces)
        self._index = {piece: number for number, piece in enumerate(self.pieces)}
        if self.pieces[: len(SPECIAL)] != SPECIAL or len(self._index) != len(self.pieces):
            raise ValueError("no vocabulary: the special pieces come first, and no piece comes twice")

    def __len__(self) -> int:
        return len(self.pieces)

    def number(self, piece: str) -> int:
        """The number of a piece, that of the unknown one where the vocabulary has it not."""
        return self._index.get(piece, self._index[UNKNOWN])

    def cut(self, said: str) -> list[int]:
        """Numbers of the pieces of one word: of each Han character, or of a word in letters."""
        if not said.isascii():
            return [self.number(character) for character in mandarin.to_simplified(said)]
        word = said.lower()
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = INSIDE if start else ""
            for end in range(len(word), start, -1):
                number = self._index.get(prefix + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [self.number(UNKNOWN)]
        return found


@dataclass(frozen=True, eq=False)
class Spans:
    """A sentence as subwords, and the phonemes each is said for."""

    ids: np.ndarray
    """int64 (T,), with start and end."""
    owned: tuple[tuple[int, int], ...]
    """For every subword the phonemes `start:end` it is said for; an empty range for signs."""

    def mask(self, length: int) -> np.ndarray:
        """float32 (P, T): 1 over the number of a phoneme's subwords where it is one of them, else 0."""
        mask = np.zeros((length, len(self.ids)), dtype=np.float32)
        for place, (start, end) in enumerate(self.owned):
            mask[start:end, place] = 1.0
        return mask / np.maximum(mask.sum(axis=1, keepdims=True), 1.0)


def spans(sentence: Sentence, subwords: Subwords) -> Spans:
    """The subwords of a sentence with their phonemes."""
    ids: list[int] = [subwords.number(START)]
    owned: list[tuple[int, int]] = [(0, 0)]
    for word in sentence.words:
        pieces = subwords.cut(word.said)
        ids += pieces
        owned += _owned(word, len(pieces))
        after = sentence.phonemes[word.phonemes[1]]
        if after in phonemes.PUNCTUATION:
            ids.append(subwords.number(after))
            owned.append((0, 0))
    return Spans(np.array([*ids, subwords.number(END)], dtype=np.int64), (*owned, (0, 0)))


def _owned(word: Word, pieces: int) -> list[tuple[int, int]]:
    """Phonemes of each subword of a word: a character's own syllable, and of other subwords all of the word's."""
    start, end = word.phonemes
    if word.language == "zh" and pieces == len(word.reading):
        lengths = [len(pinyin.symbols(syllable)) for syllable in word.reading]
        if sum(lengths) == end - start:
            bounds = np.cumsum([start, *lengths]).tolist()
            return list(pairwise(bounds))
    return [(start, end)] * pieces


def inputs(graph: OnnxGraph, vectors: np.ndarray | None) -> dict[str, np.ndarray]:
    """What a graph is fed of the vectors (P, 64): nothing where it takes none.

    Raises BrokenModel where it takes them and there are none: `model.json` and the graphs do not belong together.
    """
    if "semantic" not in graph.inputs:
        return {}
    if vectors is None:
        raise BrokenModel("a graph wants semantic vectors, model.json names no encoder; reinstall resay")
    return {"semantic": vectors[None]}


class SemanticEncoder:
    """The exported encoder with its vocabulary, both in one file. Threads may share it."""

    def __init__(self, graph: OnnxGraph) -> None:
        """Raises BrokenModel where the graph carries no vocabulary."""
        self._graph = graph
        self.digest = graph.digest
        try:
            self.subwords = Subwords(graph.note["pieces"].split("\n"))
            lines = [line.split(" ") for line in graph.note["reading_names"].split("\n") if line]
        except (KeyError, ValueError) as error:
            raise BrokenModel(f"the semantic encoder has no vocabulary ({error}); reinstall resay") from error
        self.readings: dict[str, dict[str, int]] = {}
        """Readings of every ambiguous character that is known, and their numbers."""
        for number, (character, reading) in enumerate(lines):
            self.readings.setdefault(character, {})[reading] = number

    @classmethod
    def open(cls, path: Path, threads: int = 1, small: bool = False) -> SemanticEncoder:
        """The encoder of an `.onnx` file; `small` as in `OnnxGraph`."""
        return cls(OnnxGraph(path, threads, small=small))

    def chances(self, text: str, position: int) -> dict[str, float]:
        """Log probability of each reading of the character at a place of a text; empty where it is not known.

        All pauses are alike to it, so that a comma made a full stop moves no reading.
        """
        known = self.readings.get(mandarin.to_simplified(text[position]), {})
        if not known:
            return {}
        first = max(0, position - SEEN_BESIDE)
        ids, at = [self.subwords.number(START)], 0
        for match in WRITTEN.finditer(text[first : position + SEEN_BESIDE]):
            if match.start() <= position - first < match.end():
                at = len(ids) + position - first - match.start()
            pause = match.lastgroup == "pause"
            ids += [self.subwords.number(PAUSE)] if pause else self.subwords.cut(match.group().replace("’", "'"))
        ids.append(self.subwords.number(END))
        scores = self._graph.run(["readings"], ids=np.array([ids]))["readings"][0, at, list(known.values())]
        scores -= scores.max()
        return dict(zip(known, (scores - np.log(np.exp(scores).sum())).tolist(), strict=True))

    def vectors(self, sentence: Sentence, previous: Sentence | None = None) -> np.ndarray:
        """One row a phoneme, float32 (P, 64), of unit spread; zeros where nothing is written: ends and pauses.

        With `previous`, the sentence before it is seen as well, its last 48 subwords.
        """
        seen = spans(sentence, self.subwords)
        before = spans(previous, self.subwords).ids[1:-1][-LONGEST_CONTEXT:] if previous else seen.ids[:0]
        ids = np.concatenate([before, seen.ids])[None]
        answer = self._graph.run(["vectors"], ids=ids)["vectors"][0, len(before) :]
        # As in `log_mel`: a matrix product's last bits would follow from the number of cores.
        return np.einsum("ps,sc->pc", seen.mask(len(sentence.phonemes)), answer)
