"""English words of one spelling and several readings, by context: what the classifier sees of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from . import classifier, tables

PAUSE = ","
EDGE = "|"
_SUFFIXES = ("ing", "ed", "ly", "s", "tion", "er", "al", "ous", "ive", "ment", "ity")
_CLASSES = {
    word: name
    for name, words in {
        "D": "the a an this that these those his her its their my your our every each some any no another what which",
        "M": "will would can could may might must shall should to did do does don't didn't won't can't cannot couldn't",
        "B": "is are was were be been being am isn't aren't wasn't weren't 's 're",
        "H": "has have had having hasn't haven't hadn't",
        "P": "i you he she it we they who",
        "O": "me him us them myself himself themselves itself",
        "I": "of in on at by for with from into about over under between through during as than like",
        "A": "very more most so too quite rather extremely highly almost",
        "C": "and or but nor",
    }.items()
    for word in words.split()
}


@cache
def model() -> classifier.Model:
    """The model that is shipped."""
    return classifier.load(tables.FOLDER / "heteronyms.npz")


@cache
def readings() -> Mapping[str, str]:
    """Reading id, as the model calls it → ARPAbet, kept apart by spaces."""
    return tables.read("heteronyms")


def features(words: Sequence[str], index: int) -> list[str]:
    """What is seen around word `index`; `words` are as written, pauses are all `PAUSE`."""
    around = [_word(words, index + step) for step in (-3, -2, -1, 1, 2, 3)]
    third, second, first, one, two, three = around
    written = words[index]
    case = "U" if written.isupper() and len(written) > 1 else "C" if written[:1].isupper() else "l"
    classes = [_class(word) for word in around]
    near = {f"x{word}" for word in (*_clause(words, index, -1), *_clause(words, index, 1))}
    return [
        "p",
        "w",
        f"a{first}",
        f"b{one}",
        f"c{second} {first}",
        f"d{one} {two}",
        f"e{first} {one}",
        f"f{second}",
        f"g{two}",
        f"h{third}",
        f"i{three}",
        f"j{case}{first == EDGE}",
        f"K{classes[2]}",
        f"L{classes[3]}",
        f"M{classes[2]}{classes[3]}",
        f"N{classes[1]}{classes[2]}",
        f"O{classes[3]}{classes[4]}",
        f"Q{classes[1]}{classes[2]}{classes[3]}",
        f"R{classes[0]}{classes[1]}{classes[2]}",
        f"s{first[:3]}",
        f"t{first[-3:]}",
        f"u{one[-3:]}",
        *sorted(near),
    ]


def _word(words: Sequence[str], index: int) -> str:
    if not 0 <= index < len(words):
        return EDGE
    return words[index].lower()


def _clause(words: Sequence[str], index: int, step: int) -> list[str]:
    """Up to six words in one direction, to the next pause."""
    found: list[str] = []
    for distance in range(1, 7):
        word = _word(words, index + step * distance)
        if word in (PAUSE, EDGE):
            break
        found.append(word)
    return found


def _class(word: str) -> str:
    """A word as what it does in the sentence, or how it ends."""
    if word in _CLASSES:
        return _CLASSES[word]
    if word in (PAUSE, EDGE):
        return word
    return next((suffix for suffix in _SUFFIXES if word.endswith(suffix)), "w")
