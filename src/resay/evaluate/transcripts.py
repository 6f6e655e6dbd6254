"""Error rates of words: what was to be said against what a recogniser wrote."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein

if TYPE_CHECKING:
    from opencc import OpenCC
    from wetext import Normalizer

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
# What remains inside an English word after its signs are gone; a hyphen or dash parts words, an apostrophe does not.
_APOSTROPHES = re.compile(r"['’‘`]")
_NO_WORD = re.compile(r"[\W_]+")


@lru_cache(maxsize=2)
def _number_words(language: str) -> Normalizer:
    from wetext import Normalizer  # takes half a second to load

    return Normalizer(lang=language, operator="tn")


@lru_cache(maxsize=1)
def _simplified() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")


def tokens(text: str, language: str) -> list[str]:
    """What errors are counted in: characters for Mandarin (a Latin word is one), words for everything else.

    Both sides of a comparison pass through here: full-width forms become half-width, traditional characters simplified,
    numbers words; letters small, punctuation gone.
    """
    text = unicodedata.normalize("NFKC", text)
    if language == "zh":
        text = _simplified().convert(text)
    if re.search(r"\d|[%$€£¥]", text):
        text = _number_words(language).normalize(text)
    text = _NO_WORD.sub(" ", _APOSTROPHES.sub("", text.lower()))
    if language == "zh":
        text = _HAN.sub(r" \g<0> ", text)
    return text.split()


@dataclass(frozen=True)
class ErrorCount:
    """Errors of one text, or of several added up."""

    errors: int
    """Substitutions, insertions and deletions."""
    length: int
    """Tokens that should have been heard."""

    @property
    def rate(self) -> float:
        """Errors a token: 0 is perfect, above 1 is possible. An empty reference counts as one token."""
        return self.errors / max(self.length, 1)

    def __add__(self, other: ErrorCount) -> ErrorCount:
        return ErrorCount(self.errors + other.errors, self.length + other.length)


def _count(reference: list[str], heard: list[str]) -> ErrorCount:
    return ErrorCount(Levenshtein.distance(reference, heard), len(reference))


def count_errors(said: str, heard: str, language: str) -> ErrorCount:
    """Fewest edits from what was to be said to what was heard: CER for `zh`, WER for `en`."""
    return _count(tokens(said, language), tokens(heard, language))


def count_syllable_errors(said: str, heard: str) -> ErrorCount:
    """Errors of Mandarin in syllables with tone: a name written with other characters of the same sound is right.

    What is left of CER without it says how the recogniser spells, not how the system speaks.
    """
    from pypinyin import Style, lazy_pinyin  # loads its dictionaries

    def syllables(text: str) -> list[str]:
        return lazy_pinyin("".join(tokens(text, "zh")), style=Style.TONE3, neutral_tone_with_five=True)

    return _count(syllables(said), syllables(heard))
