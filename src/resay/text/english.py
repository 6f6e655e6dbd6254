"""English words to ARPAbet: the CMU Pronouncing Dictionary, then rules for endings, then letters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from . import classifier, heteronyms, letters, phonemes, tables

if TYPE_CHECKING:
    from .readings import Token

Reading = tuple[str, ...]

ARPABET = (*phonemes.CONSONANTS, *(vowel + stress for vowel in phonemes.VOWELS for stress in phonemes.STRESSES))
_CODES = {symbol: chr(48 + index) for index, symbol in enumerate(ARPABET)}
_SYMBOLS = {code: symbol for symbol, code in _CODES.items()}


def packed(reading: Reading) -> str:
    """A reading as the dictionary file keeps it: one character for each phoneme."""
    return "".join(_CODES[symbol] for symbol in reading)


def unpacked(codes: str) -> Reading:
    """The reading that `packed` wrote."""
    return tuple(_SYMBOLS[code] for code in codes)


LETTERS: dict[str, Reading] = {
    letter: tuple(reading.split())
    for letter, reading in zip(
        "abcdefghijklmnopqrstuvwxyz",
        (
            "EY1,B IY1,S IY1,D IY1,IY1,EH1 F,JH IY1,EY1 CH,AY1,JH EY1,K EY1,EH1 L,EH1 M,EH1 N,OW1,P IY1,K Y UW1,AA1 R,"
            "EH1 S,T IY1,Y UW1,V IY1,D AH1 B AH0 L Y UW0,EH1 K S,W AY1,Z IY1"
        ).split(","),
        strict=True,
    )
}
SPELLED = frozenset(
    "ai ar vr it us uk eu un tv pc id ip os ui ux hr pr cv dj mc dc ac bc ad am pm ok er ct mri gps usb led lcd usa "
    "uae nba nfl cia fbi cbs nbc abc bbc cnn ceo cfo cto coo vip faq diy pdf url api sdk cpu gpu tpu npu ssd hdd "
    "sql css xml html http https sms gdp who wto ipo kpi roi ppt apr rna dna ufo phd mba esg mit nyu ucla asr "
    "tts llm gpt nlp iot nfc rgb ddr ide".split()
)
_SIBILANTS = frozenset("S Z SH ZH CH JH".split())
_VOICELESS = frozenset("P T K F TH".split())


@cache
def dictionary() -> Mapping[str, str]:
    """Word, lower case → its first reading, packed."""
    return tables.read("english")


@lru_cache(maxsize=65536)
def known(word: str) -> Reading | None:
    """Reading of a lower-case word by the dictionary, or by the dictionary and a rule for its ending; else None."""
    codes = dictionary().get(word)
    if codes:
        return unpacked(codes)
    for ending, rule in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 1:
            found = rule(word[: -len(ending)])
            if found:
                return found
    return None


def _stem(stem: str) -> Reading | None:
    codes = dictionary().get(stem)
    return unpacked(codes) if codes else None


def with_s(reading: Reading) -> Reading:
    """A reading with plural or possessive s: `AH0 Z` after a hiss, `S` after a voiceless sound, else `Z`."""
    if reading[-1] in _SIBILANTS:
        return (*reading, "AH0", "Z")
    return (*reading, "S" if reading[-1] in _VOICELESS else "Z")


def _possessive(stem: str) -> Reading | None:
    reading = known(stem)
    return with_s(reading) if reading else None


def _plural(stem: str) -> Reading | None:
    if stem.endswith("s"):
        return None
    for root in (stem, stem[:-2] + "y" if stem.endswith("ie") else "", stem[:-1] if stem.endswith("e") else ""):
        reading = _stem(root)
        if reading and (root == stem or root.endswith("y") or reading[-1] in _SIBILANTS):
            return with_s(reading)
    return None


def _past(stem: str) -> Reading | None:
    for root in _roots(stem):
        reading = _stem(root)
        if reading:
            if reading[-1] in ("T", "D"):
                return (*reading, "AH0", "D")
            return (*reading, "T" if reading[-1] in _VOICELESS | {"S", "SH", "CH"} else "D")
    return None


def _with(*tail: str) -> Callable[[str], Reading | None]:
    def rule(stem: str) -> Reading | None:
        for root in _roots(stem):
            reading = _stem(root)
            if reading:
                return (*reading, *tail)
        return None

    return rule


def _roots(stem: str) -> tuple[str, ...]:
    """What a stem may have been before its ending: hop(p)ed, mak(e)ing, carri(y)ed."""
    doubled = stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem
    return stem, stem + "e", doubled, stem[:-1] + "y" if stem.endswith("i") else stem


def _of_stem(*tail: str) -> Callable[[str], Reading | None]:
    def rule(stem: str) -> Reading | None:
        reading = _stem(stem) or (_stem(stem[:-1] + "y") if stem.endswith("i") else None)
        return (*reading, *tail) if reading else None

    return rule


_ENDINGS: tuple[tuple[str, Callable[[str], Reading | None]], ...] = (
    ("'s", _possessive),
    ("s'", lambda stem: known(stem + "s")),
    ("n't", _of_stem("AH0", "N", "T")),
    ("'ll", _of_stem("AH0", "L")),
    ("'ve", _of_stem("AH0", "V")),
    ("'re", _of_stem("ER0")),
    ("'d", _of_stem("D")),
    ("s", _plural),
    ("ed", _past),
    ("ing", _with("IH0", "NG")),
    ("er", _with("ER0")),
    ("ers", _with("ER0", "Z")),
    ("ly", _of_stem("L", "IY0")),
    ("ness", _of_stem("N", "AH0", "S")),
    ("less", _of_stem("L", "AH0", "S")),
    ("ful", _of_stem("F", "AH0", "L")),
    ("ment", _of_stem("M", "AH0", "N", "T")),
    ("like", _of_stem("L", "AY2", "K")),
)


def spelled(word: str) -> Reading:
    """The letters of a word one by one."""
    return tuple(symbol for letter in word.lower() if letter in LETTERS for symbol in LETTERS[letter])


_HUMP = re.compile("[a-z][A-Z]|[A-Z]{2}[a-z]")
_PLURAL_LETTERS = re.compile("[A-Z]{2,}s|[A-Z]{2,}'s")


def is_one_word(word: str) -> bool:
    """Whether this is not several words in camelCase: written in one case, or in the dictionary as McDonald is."""
    return word.lower() in dictionary() or not _HUMP.search(word) or _PLURAL_LETTERS.fullmatch(word) is not None


def read(word: str) -> tuple[Reading, str]:
    """Reading of a word as written and its source: dictionary, spelling or model."""
    lower = word.lower()
    capitals = word.isupper() and len(word) > 1
    if len(word) == 1:
        return LETTERS.get(lower, ()) if lower != "a" or capitals else (
            "AH0",
        ), "spelling" if lower != "a" else "dictionary"
    if capitals and (lower in SPELLED or (len(word) == 2 and lower not in _SHORT_WORDS)):
        return spelled(lower), "spelling"
    if _PLURAL_LETTERS.fullmatch(word):
        single, source = read(word[:-1].rstrip("'"))
        return with_s(single), source
    found = known(lower)
    if found:
        return found, "dictionary"
    if capitals and (len(word) < 4 or not _PRONOUNCEABLE.fullmatch(lower)) or not set(lower) & set("aeiouy"):
        return spelled(lower), "spelling"
    return letters.sounds(lower.replace("'", "")), "model"


_SHORT_WORDS = frozenset("no so go we me he if in on at to of is as an be by do hi my oh or up".split())
_PRONOUNCEABLE = re.compile(r"(?:[^aeiouy]{0,2}[aeiouy]{1,2}[^aeiouy]{0,2})+")


def in_context(tokens: list[Token], text: str) -> list[Token]:
    """The words of a paragraph with heteronyms read as their neighbours ask for."""
    model = heteronyms.model()
    words = [
        heteronyms.PAUSE if token.pause else text[token.start : token.end] for token in tokens if token.pause != "_"
    ]
    tokens = _together(tokens, text)
    changed = [
        replace(token, reading=LETTERS["a"], symbols=LETTERS["a"], source="spelling")
        if text[token.start : token.end] in ("A", "a") and _is_letter(tokens, place, text)
        else token
        for place, token in enumerate(tokens)
    ]
    spoken = [place for place, token in enumerate(tokens) if token.pause != "_"]
    for index, place in enumerate(spoken):
        token = tokens[place]
        if token.language != "en" or token.source != "dictionary":
            continue
        word = words[index].lower()
        plural = word not in model.readings and word.endswith("s") and word[:-1] in model.readings
        key = word[:-1] if plural else word
        if key not in model.readings:
            continue
        table = heteronyms.readings()
        name = classifier.best(model, key, heteronyms.features(words, index), table["=" + key])
        reading = tuple(table[name].split(" "))
        reading = with_s(reading) if plural else reading
        changed[place] = replace(token, reading=reading, symbols=reading, source="context")
    return changed


_TOGETHER: dict[tuple[str, str], tuple[str, str]] = {
    ("des", "moines"): ("D AH0", "M OY1 N"),
    ("des", "plaines"): ("D AH0 S", "P L EY1 N Z"),
    ("vice", "versa"): ("V AY1 S AH0", "V ER1 S AH0"),
    ("notre", "dame"): ("N OW1 T R AH0", "D EY1 M"),
    ("coup", "d'etat"): ("K UW1", "D EY0 T AA1"),
    ("bon", "appetit"): ("B OW1 N", "AE2 P AH0 T IY1"),
    ("faux", "pas"): ("F OW1", "P AA1"),
    ("terre", "haute"): ("T EH1 R AH0", "HH OW1 T"),
    ("baton", "rouge"): ("B AE1 T AH0 N", "R UW1 ZH"),
}
"""Pairs of words that are read otherwise than each alone."""


def _together(tokens: list[Token], text: str) -> list[Token]:
    """The words of `_TOGETHER` with the readings that they have there."""
    changed = list(tokens)
    for place in range(len(tokens) - 1):
        pair = tokens[place : place + 2]
        key = tuple(text[token.start : token.end].lower() for token in pair)
        for offset, written in enumerate(_TOGETHER.get(key, ()) if len(key) == 2 else ()):
            said = tuple(written.split(" "))
            changed[place + offset] = replace(pair[offset], reading=said, symbols=said)
    return changed


def _is_letter(tokens: list[Token], place: int, text: str) -> bool:
    """Whether A is the letter and not the article: no English word follows, or a single capital is beside it."""
    if place + 1 == len(tokens) or tokens[place + 1].language != "en":
        return True
    beside = [tokens[near] for near in (place - 1, place + 1) if near >= 0]
    return any(token.end - token.start == 1 and text[token.start] in "BCDEFGHJKLMNOPQRSTUVWXYZ" for token in beside)
