"""Readings as people write them: pinyin with tone marks or digits, ARPAbet, IPA.

Alphabets can be told apart by their looks, except that IPA stands between slashes or has a letter that only IPA has.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from . import phonemes, pinyin

ALPHABETS = ("pinyin", "arpabet", "ipa")
_TOKEN = re.compile(r"[^\s|·.,]+")
_IPA_ONLY = re.compile("[ˈˌːəɪʊæɑɒɔɛɜɝɚʌθðʃʒŋɹɡɾʔɫɐ]")
_VOWEL_BASES = frozenset(phonemes.VOWELS)
_ARPABET = frozenset(phonemes.CONSONANTS) | _VOWEL_BASES
_IPA = {
    "tʃ": "CH", "t͡ʃ": "CH", "ʧ": "CH", "dʒ": "JH", "d͡ʒ": "JH", "ʤ": "JH", "θ": "TH", "ð": "DH", "ʃ": "SH",
    "ʒ": "ZH",
    "ŋ": "NG", "b": "B", "d": "D", "f": "F", "ɡ": "G", "g": "G", "h": "HH", "k": "K", "l": "L", "ɫ": "L", "m": "M",
    "n": "N", "p": "P", "ɹ": "R", "r": "R", "s": "S", "t": "T", "ɾ": "T", "v": "V", "w": "W", "ʍ": "W", "j": "Y",
    "z": "Z", "x": "K", "ʔ": "", "eɪ": "EY", "aɪ": "AY", "ɔɪ": "OY", "aʊ": "AW", "oʊ": "OW", "əʊ": "OW", "ɪə": "IH R",
    "eə": "EH R", "ʊə": "UH R", "ɜːr": "ER", "ɜː": "ER", "ɜr": "ER", "ɜ": "ER", "ɝ": "ER", "ɝː": "ER", "ɚ": "ER",
    "ər": "ER",
    "əɹ": "ER", "ɜːɹ": "ER", "ɜɹ": "ER", "iː": "IY", "i": "IY", "ɪ": "IH", "ɛ": "EH", "e": "EH", "æ": "AE", "a": "AA",
    "aː": "AA", "ɑ": "AA", "ɑː": "AA", "ɒ": "AA", "ɔ": "AO", "ɔː": "AO", "o": "OW", "oː": "OW", "ʊ": "UH", "u": "UW",
    "uː": "UW", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "l̩": "AH L", "n̩": "AH N", "m̩": "AH M",
}  # fmt: skip
_LONGEST_IPA = max(map(len, _IPA))


class UnknownSound(ValueError):
    """A reading with something in it that is no phoneme. `place` is its first character in the reading."""

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Pronunciation:
    """A reading: pinyin syllables or ARPAbet symbols as shown to people, the phonemes, and the language."""

    reading: tuple[str, ...]
    symbols: tuple[str, ...]
    language: str


def pronunciation(written: str, alphabet: str = "") -> Pronunciation:
    """The reading that was written. Raises UnknownSound for what no alphabet (or not the one named) has."""
    if not written.strip():
        raise UnknownSound("the reading is empty", 0)
    bare = written.strip()
    if alphabet == "ipa" or not alphabet and (bare[0] == "/" == bare[-1] or _IPA_ONLY.search(bare)):
        return _from_ipa(written)
    reading: list[str] = []
    symbols: list[str] = []
    tokens = list(_TOKEN.finditer(written))
    toneless = not any(_has_tone(match.group()) for match in tokens)
    for match in tokens:
        token = match.group()
        if alphabet != "pinyin" and re.sub("[0-2]$", "", token) in _ARPABET:
            reading.append(token)
            symbols.append(token)
            continue
        if alphabet == "arpabet":
            raise UnknownSound(f"unknown ARPAbet symbol {token!r}", match.start())
        for syllable in _syllables(token, match.start()):
            reading.append(syllable[:-1] + "1" if toneless else syllable)
            symbols += pinyin.symbols(reading[-1])
    if not symbols:
        raise UnknownSound("the reading is empty", 0)
    _stress(reading, symbols)
    english = all(symbol[0].isupper() for symbol in symbols)
    return Pronunciation(tuple(reading), tuple(symbols), "en" if english else "zh")


def _has_tone(token: str) -> bool:
    """Whether a pinyin token says its tone."""
    return token[-1] in "012345" or any(character in pinyin.MARKS for character in unicodedata.normalize("NFD", token))


def _stress(reading: list[str], symbols: list[str]) -> None:
    """Give ARPAbet vowels without a digit one: the first is stressed if no other is."""
    stressed = any(symbol[-1] == "1" and symbol[0].isupper() for symbol in symbols)
    for place, symbol in enumerate(symbols):
        if symbol in _VOWEL_BASES:
            symbols[place] = symbol + ("0" if stressed else "1")
            stressed = True
            if place < len(reading) and reading[place] == symbol:
                reading[place] = symbols[place]


def _syllables(token: str, place: int) -> list[str]:
    """A pinyin token as syllables, also where several are written together: `chóngqìng`, `xī'ān`."""
    try:
        return [pinyin.syllable(token)]
    except pinyin.UnknownSyllable:
        pass
    letters = unicodedata.normalize("NFC", token)
    for length in range(min(7, len(letters) - 1), 0, -1):
        head, rest = letters[:length], letters[length:].lstrip("'’-")
        if not rest or not (rest[0].isalpha()):
            continue
        try:
            first = pinyin.syllable(head)
            return [first, *_syllables(rest, place)]
        except (pinyin.UnknownSyllable, UnknownSound):
            continue
    raise UnknownSound(f"unknown phoneme {token!r}: neither pinyin nor ARPAbet nor IPA", place)


def _from_ipa(written: str) -> Pronunciation:
    """English IPA as ARPAbet; a stress mark goes to the next vowel."""
    text = unicodedata.normalize("NFC", written)
    symbols: list[str] = []
    stress, place = "", 0
    while place < len(text):
        character = text[place]
        if character in "ˈ'":
            stress = "1"
        elif character == "ˌ":
            stress = "2"
        elif character in "/[]. ːˑ‿-" or unicodedata.combining(character):
            pass
        else:
            length = next((n for n in range(_LONGEST_IPA, 0, -1) if text[place : place + n] in _IPA), 0)
            if not length:
                raise UnknownSound(f"unknown IPA symbol {character!r}", place)
            for symbol in _IPA[text[place : place + length]].split():
                if symbol in _VOWEL_BASES:
                    symbols.append(symbol + (stress or ("0" if symbol in ("AH", "ER", "IH", "IY") else "2")))
                    stress = ""
                else:
                    symbols.append(symbol)
            place += length - 1
        place += 1
    vowels = [index for index, symbol in enumerate(symbols) if symbol[-1].isdigit()]
    if vowels and not any(symbols[index][-1] == "1" for index in vowels):
        full = [index for index in vowels if symbols[index] not in ("AH0", "ER0")] or vowels
        symbols[full[0]] = symbols[full[0]][:-1] + "1"
    if not symbols:
        raise UnknownSound("the reading is empty", 0)
    return Pronunciation(tuple(symbols), tuple(symbols), "en")
