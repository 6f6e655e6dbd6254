"""Normalised text to words with readings and phonemes, and pauses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from . import english, mandarin, phonemes, pinyin
from .notation import Pronunciation
from .traced import Traced

PINYIN = re.compile(r"[\s_]*(?:[a-zê:]{1,6}[1-5][\s_,.!?;]*)+")
"""A text that is nothing but numbered pinyin, as lists of syllables are."""

_TOKEN = re.compile(
    rf"(?P<han>[{mandarin.HAN}]+)|(?P<latin>[A-Za-z]+(?:'[A-Za-z]+)*)|(?P<mark>[\ue000-\uf8ff])"
    r"|(?P<pause>[,，、.。!?;:—…()\n])"
)
_PAUSES = {"，": ",", "。": ".", "、": ",", "(": ",", ")": ",", "\n": "."}
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+(?:'[A-Za-z]+)*|[A-Z]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")


@dataclass(frozen=True)
class Decided:
    """What markup or the lexicon says, for the text that was written."""

    pronunciation: Pronunciation
    source: str
    shown: str


@dataclass(frozen=True)
class SayAs:
    """Text to be normalised as one `kind` of thing."""

    kind: str
    text: Traced


Mark = Decided | SayAs | float
"""A float is a pause in seconds."""


@dataclass(frozen=True)
class Token:
    """A word or a pause of the normalised paragraph, `start:end` in its characters."""

    start: int
    end: int
    language: str = ""
    reading: tuple[str, ...] = ()
    source: str = ""
    symbols: tuple[str, ...] = ()
    pause: str = ""
    seconds: float | None = None
    shown: str = ""


def pinyin_tokens(text: str) -> list[Token] | None:
    """Words and pauses of a text that is nothing but syllables; None for other text, such as mp3."""
    if not PINYIN.fullmatch(text):
        return None
    found: list[Token] = []
    for match in re.finditer(r"[a-zê:]+[1-5]|[,.!?;]", text):
        if match.group() in phonemes.PUNCTUATION:
            found.append(Token(match.start(), match.end(), pause=match.group()))
            continue
        try:
            reading = pinyin.syllable(match.group())
        except pinyin.UnknownSyllable:
            return None
        found.append(Token(match.start(), match.end(), "zh", (reading,), "spelling", pinyin.symbols(reading)))
    return found


def tokens(text: Traced, marks: Sequence[Mark]) -> list[Token]:
    """Words and pauses of a normalised paragraph."""
    shouted = _is_shouted(text.text)
    characters = mandarin.to_simplified(text.text)
    found: list[Token] = []
    for match in _TOKEN.finditer(text.text):
        start, end, kind = match.start(), match.end(), match.lastgroup
        if kind == "han":
            for word in mandarin.read(text.text, characters, start, end, _cuts(text, start, end)):
                found.append(Token(word.start, word.end, "zh", word.reading, word.source))
        elif kind == "latin":
            found += _latin(match.group(), start, shouted)
        elif kind == "mark":
            decided = marks[ord(match.group()) - 0xE000]
            if isinstance(decided, float):
                found.append(Token(start, end, pause="," if decided else "_", seconds=decided))
            elif isinstance(decided, Decided):
                said = decided.pronunciation
                found.append(
                    Token(start, end, said.language, said.reading, decided.source, said.symbols, shown=decided.shown)
                )
        else:
            found.append(Token(start, end, pause=_PAUSES.get(match.group(), match.group())))
    return _with_sandhi(english.in_context(found, text.text), characters)


def _cuts(text: Traced, start: int, end: int) -> list[int]:
    """Places in a run of characters where a number begins or ends that was written in digits."""
    places: list[int] = []
    for place in range(start + 1, end):
        left, right = place - 1, place
        written_out = text.ends[left] - text.starts[left] != 1 or text.ends[right] - text.starts[right] != 1
        if written_out and text.ends[left] <= text.starts[right] and text.text[left] != "第":
            places.append(place)
    return places


def _latin(written: str, start: int, shouted: bool) -> Iterator[Token]:
    """One English word, or the parts of one that is written in camelCase."""
    if shouted:
        reading, source = english.read(written.lower())
        yield Token(start, start + len(written), "en", reading, source, reading)
        return
    if english.is_one_word(written):
        reading, source = english.read(written)
        yield Token(start, start + len(written), "en", reading, source, reading)
        return
    for part in _CAMEL.finditer(written):
        reading, source = english.read(part.group())
        yield Token(start + part.start(), start + part.end(), "en", reading, source, reading)


def _is_shouted(text: str) -> bool:
    """Whether the text is in capitals throughout and made of words, so that capitals do not mean letters."""
    if re.search("[a-z]", text):
        return False
    latin = _LATIN_WORD.findall(text)
    ordinary = sum(word.lower() in english.dictionary() and word.lower() not in english.SPELLED for word in latin)
    return len(latin) > 1 and ordinary * 3 >= len(latin) * 2


def _with_sandhi(found: list[Token], characters: str) -> list[Token]:
    """Mandarin words with their tones changed by their neighbours, up to the next pause or English word."""
    done: list[Token] = []
    group: list[Token] = []
    for token in [*found, Token(0, 0)]:
        if token.language == "zh":
            group.append(token)
            continue
        if group:
            done += _group_with_sandhi(group, characters)
            group = []
        done.append(token)
    return done[:-1]


def _group_with_sandhi(group: list[Token], characters: str) -> list[Token]:
    """Words that follow each other without a pause. What markup or the lexicon decided stays as it is."""
    syllables = [list(token.reading) for token in group]
    fixed = [bool(token.symbols) for token in group]
    texts = [characters[token.start : token.end] for token in group]
    mandarin.sandhi(texts, syllables, fixed)
    return [
        token
        if token.symbols
        else replace(
            token,
            reading=tuple(reading),
            symbols=tuple(symbol for syllable in reading for symbol in pinyin.symbols(syllable)),
        )
        for token, reading in zip(group, syllables, strict=True)
    ]
