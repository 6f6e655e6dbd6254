"""Mandarin syllables: tone marks and digits, and the way to phonemes.

A syllable is written as pypinyin does: letters with `v` for ü, then the tone digit, 5 being neutral (`lv4`, `de5`).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from . import phonemes

MARKS = {"\u0304": "1", "\u0301": "2", "\u030c": "3", "\u0300": "4"}
_INITIALS = sorted(phonemes.INITIALS, key=len, reverse=True)
_SYLLABLE = re.compile(r"([a-zê]+)([1-5])\Z")
_WHOLE = {"yi": "i", "wu": "u", "yu": "v", "ê": "ê", "r": "er", "hng": "ng", "hm": "m"}
_CONTRACTED = {"iu": "iou", "ui": "uei", "un": "uen"}


class UnknownSyllable(ValueError):
    """Not a syllable of Mandarin."""


def syllable(written: str) -> str:
    """One syllable with tone marks or tone digits as letters and digit: `chóng` and `chong2` → `chong2`.

    Raises UnknownSyllable where it is none.
    """
    letters, tone = "", ""
    for character in unicodedata.normalize("NFD", written.strip().lower().replace("u:", "v")):
        if character in MARKS:
            tone = tone or MARKS[character]
        elif character == "\u0308" and letters.endswith("u"):
            letters = letters[:-1] + "v"
        elif character == "\u0302" and letters.endswith("e"):
            letters = letters[:-1] + "ê"
        elif character in "012345" and not tone:
            tone = character if character != "0" else "5"
        else:
            letters += character
    found = letters + (tone or "5")
    symbols(found)
    return found


@lru_cache(maxsize=8192)
def symbols(reading: str) -> tuple[str, ...]:
    """Phonemes of a syllable: `chong2` → `ch`, `ong2`. Raises UnknownSyllable."""
    match = _SYLLABLE.match(reading)
    if not match:
        raise UnknownSyllable(reading)
    letters, tone = match.groups()
    initial, final = _split(letters)
    found = (initial, final + tone) if initial else (final + tone,)
    if not all(symbol in phonemes.INDEX for symbol in found) or not _possible(initial, final):
        raise UnknownSyllable(reading)
    return found


def _split(letters: str) -> tuple[str, str]:
    """Initial and full final, as `jiu` → `j`, `iou`; the initial is empty for syllables that begin with a vowel."""
    if letters in _WHOLE:
        return "", _WHOLE[letters]
    if letters[0] == "y":
        rest = letters[1:]
        if rest.startswith("u"):
            return "", "v" + rest[1:]
        if rest.startswith(("i", "v")):
            return "", rest
        return "", {"ou": "iou"}.get(rest, "i" + rest)
    if letters[0] == "w":
        rest = letters[1:]
        return "", {"ei": "uei", "en": "uen"}.get(rest, rest if rest.startswith("u") else "u" + rest)
    initial = next((head for head in _INITIALS if letters.startswith(head) and len(letters) > len(head)), "")
    if letters in ("m", "n", "ng"):
        initial = ""
    final = letters[len(initial) :]
    final = _CONTRACTED.get(final, final) if initial else final
    if initial in ("j", "q", "x") and final.startswith("u"):
        final = "v" + final[3:] if final == "uen" else "v" + final[1:]
        final = "vn" if final == "v" and letters.endswith("un") else final
    if initial in ("l", "n") and final == "ue":
        final = "ve"
    return initial, final


def _possible(initial: str, final: str) -> bool:
    """Whether the two go together at all: no `j` before `a`, no `zh` before `iang`."""
    narrow = final[0] in "iv" and final != "i"
    if initial in ("j", "q", "x"):
        return final[0] in "iv"
    if initial in ("zh", "ch", "sh", "r", "z", "c", "s", "g", "k", "h"):
        return not narrow and not (initial in ("g", "k", "h") and final == "i")
    return True
