"""The phoneme table: one list of symbols that every network and every file shares.

Mandarin syllables are an initial and a final with tone digit (5 is neutral), English is ARPAbet with stress digit,
after the CMU Pronouncing Dictionary. `^` starts an utterance, `$` ends it, `_` is a word boundary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

VERSION = 1
"""Raised whenever a symbol is added, moved or removed: weights and plans name the version they were made with."""

PADDING, START, END, BOUNDARY = "<pad>", "^", "$", "_"
PUNCTUATION = (",", ".", "!", "?", ";", ":", "—", "…")
INITIALS = tuple("b p m f d t n l g k h j q x zh ch sh r z c s".split())
FINALS = tuple(
    "a o e ê ai ei ao ou an en ang eng ong er i ia io ie iai iao iou ian in iang ing iong "
    "u ua uo uai uei uan uen uang ueng v ve van vn m n ng".split()
)
TONES = "12345"
CONSONANTS = tuple("B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split())
VOWELS = tuple("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
STRESSES = "012"

SYMBOLS: tuple[str, ...] = (
    PADDING,
    START,
    END,
    BOUNDARY,
    *PUNCTUATION,
    *INITIALS,
    *(final + tone for final in FINALS for tone in TONES),
    *CONSONANTS,
    *(vowel + stress for vowel in VOWELS for stress in STRESSES),
)
INDEX = {symbol: index for index, symbol in enumerate(SYMBOLS)}


def ids(phonemes: Sequence[str]) -> np.ndarray:
    """Numbers of the symbols, int64 (P,). Raises KeyError for a symbol that is not in the table."""
    return np.array([INDEX[phoneme] for phoneme in phonemes], dtype=np.int64)


def _split(symbol: str) -> tuple[str, str]:
    """A symbol as what is articulated and how: final and tone, or vowel and stress; consonants carry neither."""
    if len(symbol) > 1 and symbol[-1].isdigit():
        return symbol[:-1], symbol[-1] if symbol[0].islower() or symbol[0] == "ê" else "stress" + symbol[-1]
    return symbol, ""


_BASES = {base: index for index, base in enumerate(dict.fromkeys(_split(symbol)[0] for symbol in SYMBOLS))}
_ACCENTS = {accent: index for index, accent in enumerate(dict.fromkeys(_split(symbol)[1] for symbol in SYMBOLS))}

BASE_OF = np.array([_BASES[_split(symbol)[0]] for symbol in SYMBOLS], dtype=np.int64)
"""For every symbol the number of its tone- and stress-less base: networks share one embedding over a final's tones."""
ACCENT_OF = np.array([_ACCENTS[_split(symbol)[1]] for symbol in SYMBOLS], dtype=np.int64)
"""For every symbol the number of its tone or stress (0: none)."""
BASES, ACCENTS = len(_BASES), len(_ACCENTS)


def is_pause(symbol: str) -> bool:
    """Whether the symbol is silence or punctuation rather than a sound."""
    return symbol in (PADDING, START, END, BOUNDARY) or symbol in PUNCTUATION


IS_SOUND = np.array([not is_pause(symbol) for symbol in SYMBOLS])
"""For every symbol whether it is a sound."""


def language(symbol: str) -> str:
    """`zh`, `en`, or the empty string for symbols of both."""
    if is_pause(symbol):
        return ""
    return "zh" if symbol[0].islower() or symbol[0] == "ê" else "en"


def main_language(symbols: Iterable[str]) -> str:
    """`zh` or `en`: that of most symbols, `zh` where there are as many of both."""
    spoken = [language(symbol) for symbol in symbols]
    return "en" if spoken.count("en") > spoken.count("zh") else "zh"
