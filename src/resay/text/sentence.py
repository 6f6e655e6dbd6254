"""What the text frontend hands on: sentences with words, phonemes, and the way back to the raw text."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from . import phonemes


@dataclass(frozen=True)
class Word:
    """One word or, in Mandarin, one segmented word, as it will be said."""

    text: str
    """As written in the raw text."""
    language: str
    """`zh` or `en`."""
    reading: tuple[str, ...]
    """Pinyin syllables with tone digit (5 neutral, after sandhi) or ARPAbet with stress."""
    source: str
    """Who decided the reading: lexicon, markup, context, dictionary, model, spelling."""
    span: tuple[int, int]
    """Characters of the raw text, end excluded."""
    phonemes: tuple[int, int]
    """Positions in the sentence's phonemes, end excluded."""
    said: str = ""
    """As normalised: letters or characters only, so that 500 is 五百."""


@dataclass(frozen=True)
class Sentence:
    """One piece to speak. `phonemes` starts with `^` and ends with `$`; words are kept apart by `_` or punctuation."""

    text: str
    """As written in the raw text."""
    normalised: str
    """With numbers, units and signs written out."""
    words: tuple[Word, ...]
    phonemes: tuple[str, ...]
    span: tuple[int, int]
    """Characters of the raw text, end excluded."""
    breaks: dict[int, float] = field(default_factory=dict)
    """Seconds of pause asked for by markup, by the phoneme position that carries it."""

    @property
    def language(self) -> str:
        """`zh` or `en`: that of most phonemes."""
        return phonemes.main_language(self.phonemes)

    @property
    def ids(self) -> np.ndarray:
        """Phoneme numbers, int64 (P,)."""
        return phonemes.ids(self.phonemes)
