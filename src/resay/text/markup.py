"""Inline markup: `[[reading]]`, `[[words|reading]]`, and a small part of SSML 1.1.

`<phoneme alphabet="pinyin|arpabet|ipa" ph="…">`, `<break time="300ms"/>` or `strength`, `<say-as interpret-as="…">`,
`<sub alias="…">`, and the plain containers `<speak>`, `<p>`, `<s>`. Other tags that look like HTML are dropped. Markup
that is not closed, or says what cannot be done, is BadText with its line and column.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import BadText
from . import notation
from .notation import Pronunciation

LONGEST_BREAK = 60.0
"""Seconds."""

STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.2}
SAY_AS = frozenset("characters spell-out verbatim digits cardinal number ordinal telephone date time".split())
_NAMES = ("phoneme", "break", "say-as", "sub")
_TAG = re.compile(r"""<(/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(/?)>""")
_ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_OPENING = re.compile(rf"\[\[|</?(?:{'|'.join(_NAMES)}|speak)(?![\w-])|{_TAG.pattern}|<!--.*?-->", re.DOTALL)
_TIME = re.compile(r"\+?(\d+(?:\.\d+)?|\.\d+)(ms|s)\Z")


@dataclass(frozen=True)
class Spoken:
    """Raw characters `start:end`, of which `inner` is the text that is spoken, read as `pronunciation` says."""

    start: int
    end: int
    inner: tuple[int, int]
    pronunciation: Pronunciation


@dataclass(frozen=True)
class Break:
    """A pause of so many seconds."""

    start: int
    end: int
    seconds: float


@dataclass(frozen=True)
class Replaced:
    """Raw characters `inner` spoken as other text, normalised in the way `kind` says (empty: as any text)."""

    start: int
    end: int
    inner: tuple[int, int]
    text: str
    kind: str = ""


@dataclass(frozen=True)
class Dropped:
    """A tag without a meaning here."""

    start: int
    end: int


Instruction = Spoken | Break | Replaced | Dropped


def instructions(text: str) -> list[Instruction]:
    """All markup of a text in its order. Raises BadText with line and column where it is broken."""
    if "[[" not in text and "<" not in text:
        return []
    return list(_instructions(text))


def _instructions(text: str) -> Iterator[Instruction]:
    position = 0
    while match := _OPENING.search(text, position):
        start = match.start()
        if match.group() == "[[":
            found: Instruction = _bracketed(text, start)
        else:
            tag = _TAG.match(text, start)
            if tag:
                found = _element(text, tag)
            elif match.group().startswith("<!--"):
                found = Dropped(start, match.end())
            else:
                raise _broken(text, start, f"the tag {match.group()} is not closed with >")
        yield found
        position = found.end


def _bracketed(text: str, start: int) -> Spoken:
    """`[[reading]]` or `[[words|reading]]`."""
    end = text.find("]]", start)
    following = text.find("[[", start + 2)
    if end < 0 or 0 <= following < end:
        raise _broken(text, start, "[[ is not closed with ]]")
    words, bar, reading = text[start + 2 : end].rpartition("|")
    inner = (start + 2, start + 2 + len(words)) if bar and words.strip() else (start, end + 2)
    return Spoken(start, end + 2, inner, _pronunciation(text, start + 2 + len(words) + len(bar), reading, ""))


def _pronunciation(text: str, place: int, written: str, alphabet: str) -> Pronunciation:
    try:
        return notation.pronunciation(written, alphabet)
    except notation.UnknownSound as error:
        raise _broken(text, place + error.place, str(error)) from error


def _element(text: str, tag: re.Match[str]) -> Instruction:
    """What a tag asks for, up to the end of its element."""
    closing, name, written, empty = tag.groups()
    if name not in _NAMES:
        return Dropped(tag.start(), tag.end())
    if closing:
        raise _broken(text, tag.start(), f"</{name}> closes nothing")
    attributes = {key: html.unescape(one or other) for key, one, other in _ATTRIBUTE.findall(written)}
    if name == "break":
        seconds = _seconds(text, tag.start(), attributes)
        closed = 0 if empty else len("</break>") * text.startswith("</break>", tag.end())
        return Break(tag.start(), tag.end() + closed, seconds)
    inner, end = (tag.end(), tag.end()), tag.end()
    if not empty:
        close = text.find(f"</{name}>", tag.end())
        if close < 0:
            raise _broken(text, tag.start(), f"<{name}> is not closed with </{name}>")
        inner, end = (tag.end(), close), close + len(name) + 3
        nested = _OPENING.search(text, *inner)
        if nested:
            raise _broken(text, nested.start(), f"markup inside <{name}> is not possible")
    return _container(text, tag.start(), end, inner, name, attributes)


def _container(
    text: str, start: int, end: int, inner: tuple[int, int], name: str, attributes: dict[str, str]
) -> Instruction:
    """`<phoneme>`, `<sub>` or `<say-as>`."""
    needed = {"phoneme": "ph", "sub": "alias", "say-as": "interpret-as"}[name]
    if needed not in attributes:
        raise _broken(text, start, f"<{name}> needs {needed}=")
    value = attributes[needed]
    shown = inner if inner[0] < inner[1] else (start, end)
    if name == "sub":
        return Replaced(start, end, shown, value)
    if name == "phoneme":
        alphabet = attributes.get("alphabet", "").lower().removeprefix("x-")
        if alphabet not in ("", *notation.ALPHABETS):
            raise _broken(text, start, f"unknown alphabet {alphabet!r}; there are {', '.join(notation.ALPHABETS)}")
        place = text.find(value, start, end) if value else start
        return Spoken(start, end, shown, _pronunciation(text, max(place, start), value, alphabet))
    if value not in SAY_AS:
        raise _broken(text, start, f"unknown interpret-as {value!r}; there are {', '.join(sorted(SAY_AS))}")
    return Replaced(start, end, shown, html.unescape(text[inner[0] : inner[1]]), value)


def _seconds(text: str, start: int, attributes: dict[str, str]) -> float:
    """Length of a `<break>`: its time, else that of its strength, else of a medium one."""
    if "time" in attributes:
        match = _TIME.match(attributes["time"].strip())
        if not match:
            raise _broken(text, start, f"{attributes['time']!r} is no time; write 300ms or 1.5s")
        seconds = float(match.group(1)) / (1000 if match.group(2) == "ms" else 1)
        if seconds > LONGEST_BREAK:
            raise _broken(text, start, f"a break is {LONGEST_BREAK:g} s at most")
        return seconds
    strength = attributes.get("strength", "medium")
    if strength not in STRENGTHS:
        raise _broken(text, start, f"unknown strength {strength!r}; there are {', '.join(STRENGTHS)}")
    return STRENGTHS[strength]


def _broken(text: str, position: int, message: str) -> BadText:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return BadText(f"line {line}, column {column}: {message}")
