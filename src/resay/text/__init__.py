"""The text frontend: from written text to sentences with words, readings and phonemes."""

from __future__ import annotations

from collections.abc import Iterator

from .lexicon import Lexicon
from .sentence import Sentence, Word

VERSION = 2
"""Raised whenever the same text may give other phonemes; manifests name it."""

__all__ = ["VERSION", "Lexicon", "Sentence", "Word", "forget", "sentence", "sentences"]


def sentences(
    text: str, language: str = "auto", lexicon: Lexicon | None = None, default_language: str = "zh"
) -> Iterator[Sentence]:
    """The pieces to speak, in order, each short enough for a quick first sound: 60 syllables or 25 words at most.

    `language` (zh, en, auto) decides how numbers are read where the text has no letters of its own; with auto it is
    `default_language`. `lexicon` entries win over everything. Raises BadText where there is nothing to speak, a letter
    cannot be spoken, or markup is broken.
    """
    from . import frontend

    return frontend.sentences(text, language, default_language, lexicon)


def sentence(text: str, language: str = "auto", lexicon: Lexicon | None = None) -> Sentence:
    """The whole text as one sentence, however long: for transcripts. Raises BadText as `sentences` does."""
    from . import frontend

    return frontend.sentence(text, language, lexicon)


def forget() -> None:
    """Drop the readings of single words and characters that are kept because they come again."""
    from . import cleaning, english, letters, pinyin

    for kept in (cleaning.plain, english.known, letters.sounds, pinyin.symbols):
        kept.cache_clear()
