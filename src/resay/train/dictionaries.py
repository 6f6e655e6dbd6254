"""Makes the tables of `resay/text/data` from their published sources.

    python -m resay.train.dictionaries CMUDICT.dict TRADITIONAL_TO_SIMPLE.fst FOLDER

CMUDICT.dict is `cmudict.dict` of the CMU Pronouncing Dictionary (BSD), TRADITIONAL_TO_SIMPLE.fst the file of that name
in wetext (Apache-2.0); the Mandarin readings are those of the installed pypinyin (MIT).
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..text import english, pinyin, tables


def english_table(dictionary: Path) -> dict[str, str]:
    """Word → phonemes, one character each; the dictionary's first reading of each word."""
    table: dict[str, str] = {}
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word, _, reading = line.partition("#")[0].strip().partition(" ")
        if word and "(" not in word and "." not in word:
            table[word.lower()] = english.packed(tuple(reading.split()))
    return table


def character_table() -> dict[str, str]:
    """Character → its readings, the most usual first."""
    from pypinyin.constants import PINYIN_DICT

    table: dict[str, str] = {}
    for code, readings in PINYIN_DICT.items():
        known = [found for written in readings.split(",") if (found := _syllable(written))]
        if known:
            table[chr(code)] = " ".join(dict.fromkeys(known))
    return table


def phrase_table() -> dict[str, str]:
    """Phrase → one reading a character."""
    from pypinyin.constants import PHRASES_DICT

    table: dict[str, str] = {}
    for phrase, readings in PHRASES_DICT.items():
        known = [_syllable(reading[0]) for reading in readings]
        if all(known) and len(known) == len(phrase):
            table[phrase] = " ".join(found for found in known if found)
    return table


def _syllable(written: str) -> str | None:
    try:
        return pinyin.syllable(written)
    except pinyin.UnknownSyllable:
        return None


def simplified_table(transducer: Path) -> dict[str, str]:
    """Traditional character → simplified character, where one stands for one."""
    import kaldifst

    normaliser = kaldifst.TextNormalizer(str(transducer))
    table: dict[str, str] = {}
    for code in [*range(0x3400, 0xA000), *range(0xF900, 0xFB00)]:
        written = normaliser(chr(code))
        if written != chr(code) and len(written) == 1:
            table[chr(code)] = written
    return table


def main() -> None:
    """Write the four tables."""
    dictionary, transducer, folder = map(Path, sys.argv[1:4])
    made = {
        "english": english_table(dictionary),
        "mandarin_characters": character_table(),
        "mandarin_phrases": phrase_table(),
        "mandarin_simplified": simplified_table(transducer),
    }
    for name, table in made.items():
        packed = tables.pack(table)
        (folder / (name + ".tbl")).write_bytes(packed)
        print(f"{name}: {len(table)} entries, {len(packed)} bytes")


if __name__ == "__main__":
    main()
