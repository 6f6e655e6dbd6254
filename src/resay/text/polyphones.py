"""Readings of Mandarin characters that have several, by context: what the classifier sees of it."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from . import classifier, tables

PAUSES = frozenset(",，、.。!?;:—…()\n\"' ")
"""All pauses are one sign to the classifier, so that none of them can change a reading."""
EDGE = "|"
DOUBTING = 3.0
"""By how much it has to be surer than the usual readings of the characters of a word that it has never seen."""
OVERRULING = 9.0
"""By how much the classifier has to be surer than the phrase table of a word that the table has."""


def model() -> classifier.Model:
    """The model that is shipped."""
    return classifier.load(tables.FOLDER / "polyphones.npz")


def best(used: classifier.Model, character: str, seen: Sequence[str], proposed: str) -> str:
    """The reading of a character that the model knows; `proposed` is the dictionary's.

    Nothing overrules it for a character that stands alone. The phrase table is overruled only where the very word was
    trained on, and by a wide margin; the usual readings of a word's characters, by a small one.
    """
    if f"e{EDGE}{EDGE}" in seen:
        return proposed
    if seen[0].startswith("p1"):
        return classifier.best(used, character, seen, proposed)
    listed = seen[0].endswith("1")
    trained = any(
        crc32((seen[1] + character + reading).encode()) in used.weights for reading in used.readings[character]
    )
    if listed and not trained:
        return proposed
    return classifier.best(used, character, seen, proposed, OVERRULING if listed else 0.0 if trained else DOUBTING)


def features(
    text: str, position: int, words: Sequence[tuple[str, str]], index: int, offset: int, listed: bool
) -> list[str]:
    """What the classifier sees of the character that is `offset` in word `index`; `words` have parts of speech.

    `listed` says whether the phrase table has the word.
    """
    around = [_character(text, position + step) for step in (-3, -2, -1, 1, 2, 3)]
    third, second, first, one, two, three = around
    word, tag = words[index]
    before = words[index - 1] if index else (EDGE, EDGE)
    after = words[index + 1] if index + 1 < len(words) else (EDGE, EDGE)
    before_word = EDGE if before[0] in PAUSES else before[0]
    after_word = EDGE if after[0] in PAUSES else after[0]
    length = min(len(word), 3)
    return [
        f"p{length}{listed:d}",
        f"w{word}{offset}",
        f"a{first}",
        f"b{one}",
        f"c{second}{first}",
        f"d{one}{two}",
        f"e{first}{one}",
        f"f{third}{second}{first}",
        f"g{one}{two}{three}",
        f"h{second}",
        f"i{two}",
        f"j{before_word}",
        f"k{after_word}",
        f"l{tag}{length}{offset}",
        f"m{before[1]}",
        f"n{after[1]}",
        f"o{before[1]} {tag} {after[1]}",
        f"q{tag}{first}",
        f"r{tag}{one}",
        f"s{third}",
        f"t{three}",
    ]


def _character(text: str, position: int) -> str:
    if not 0 <= position < len(text):
        return EDGE
    character = text[position]
    if character in PAUSES:
        return EDGE
    if character.isdigit() and character.isascii():
        return "0"
    return character.lower() if character.isascii() else character
