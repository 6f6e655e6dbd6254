"""What rivals read: our phonemes in the symbols that Kokoro-82M and Piper's voices were trained on.

Kokoro's are those of misaki (hexgrad, "Misaki English Phonemes"): one letter for each English diphthong, and for
Mandarin IPA after Duanmu 2007, "The Phonology of Standard Chinese", with an arrow for the tone behind its vowel.
Piper's are the IPA that espeak-ng writes for American English. Both put the stress right before the vowel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadText
from ..text import Sentence
from ..text.phonemes import BOUNDARY, END, INITIALS, PUNCTUATION, START, STRESSES, TONES

_KOKORO_RUNS = {
    1: ";:,.!?", 9: "—…", 16: " ", 20: "ʦʨ", 23: "ꭧAI", 31: "O", 36: "T", 39: "W", 41: "Y", 43: "abcdef",
    50: "hijklmnopqrstuvwxyzɑ", 72: "æ", 76: "ɔɕ", 81: "ðʤə", 85: "ɚɛɜ", 92: "ɡ", 99: "ɥ", 101: "ɨɪ", 112: "ŋ",
    119: "θ", 123: "ɹ", 126: "ɻ", 130: "ʂʃ", 133: "ʧ", 135: "ʊ", 138: "ʌ", 140: "ɤ", 147: "ʒ", 156: "ˈˌ", 162: "ʰ",
    169: "↓", 171: "→↗↘",
}  # fmt: skip
KOKORO_IDS = {symbol: first + place for first, run in _KOKORO_RUNS.items() for place, symbol in enumerate(run)}
"""Kokoro v1.0's numbers, 1 to 177, of the symbols written here; 0 pads both ends."""


@dataclass(frozen=True)
class Alphabet:
    """How one rival writes English, and Mandarin where it can."""

    vowels: Mapping[str, str]
    """By ARPAbet without stress."""
    weak: Mapping[str, str]
    """Those that are another sound where the stress is 0."""
    consonants: Mapping[str, str]
    flap: str
    """The T of American `water`."""
    punctuation: Mapping[str, str]
    """What is written for a mark that the rival does not know."""
    mandarin: bool


_CONSONANTS = {
    "B": "b", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ",
    "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
KOKORO = Alphabet(
    vowels={
        "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AY": "I", "EH": "ɛ", "ER": "ɜɹ", "EY": "A", "IH": "ɪ",
        "IY": "i", "OW": "O", "OY": "Y", "UH": "ʊ", "UW": "u",
    },
    weak={"AH": "ə", "ER": "əɹ"},
    consonants=_CONSONANTS | {"CH": "ʧ", "JH": "ʤ"},
    flap="T",
    punctuation={},
    mandarin=True,
)  # fmt: skip
PIPER = Alphabet(
    vowels={
        "AA": "ɑː", "AE": "æ", "AH": "ʌ", "AO": "ɔː", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɜː", "EY": "eɪ",
        "IH": "ɪ", "IY": "iː", "OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "uː",
    },
    weak={"AH": "ə", "ER": "ɚ", "IY": "i"},
    consonants=_CONSONANTS | {"CH": "tʃ", "JH": "dʒ"},
    flap="ɾ",
    punctuation={"—": ",", "…": "."},
    mandarin=False,
)  # fmt: skip

_STRESSES = {"1": "ˈ", "2": "ˌ"}
_UNSTRESSED = frozenset(
    "a am an and are as at be been but by can could did do does for from had has have he her him his i if in is it "
    "its me my of on or our shall she should so than that the their them there they this to us was we were will "
    "with would you your".split()
)
"""Words of one syllable that a dictionary stresses, as if said alone, and both rivals' own readers do not."""

_INITIALS = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k", "k": "kʰ", "h": "x",
    "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "r": "ɻ", "z": "ʦ", "c": "ʦʰ", "s": "s",
}  # fmt: skip
_FINALS = {
    "a": "a", "o": "ɔ", "e": "ɤ", "ê": "ɛ", "ai": "ai", "ei": "ei", "ao": "au", "ou": "ou", "an": "an", "en": "ən",
    "ang": "aŋ", "eng": "əŋ", "ong": "ʊŋ", "er": "ɚ", "i": "i", "ia": "ja", "io": "jɔ", "ie": "je", "iai": "jai",
    "iao": "jau", "iou": "jou", "ian": "jɛn", "in": "in", "iang": "jaŋ", "ing": "iŋ", "iong": "jʊŋ", "u": "u",
    "ua": "wa", "uo": "wo", "uai": "wai", "uei": "wei", "uan": "wan", "uen": "wən", "uang": "waŋ", "ueng": "wəŋ",
    "v": "y", "ve": "ɥe", "van": "ɥɛn", "vn": "yn", "m": "m", "n": "n", "ng": "ŋ",
}  # fmt: skip
_TONES = dict(zip(TONES, ("→", "↗", "↓", "↘", ""), strict=True))
_SIBILANTS = frozenset("zh ch sh r z c s".split())


def spell(sentence: Sentence, alphabet: Alphabet) -> str:
    """A sentence in a rival's symbols, words apart by spaces. Raises BadText for a sound that it cannot write."""
    return "".join(spelled(sentence, alphabet))


def spelled(sentence: Sentence, alphabet: Alphabet) -> list[str]:
    """`spell`, phoneme by phoneme; some are written as nothing."""
    unstressed = {
        place
        for word in sentence.words
        if (word.said or word.text).lower() in _UNSTRESSED
        for place in range(*word.phonemes)
    }
    written = [
        _written(sentence.phonemes, place, alphabet, place in unstressed) for place in range(len(sentence.phonemes))
    ]
    found, apart = [], True
    for symbols in written:
        kept = ""
        for symbol in symbols:
            kept += "" if symbol == " " and apart else symbol
            apart = symbol == " "
        found.append(kept)
    last = max((place for place, kept in enumerate(found) if kept), default=0)
    found[last] = found[last].rstrip(" ")
    return found


def symbols(alphabet: Alphabet) -> set[str]:
    """Every symbol that `spell` may write in English."""
    english = (*alphabet.vowels.values(), *alphabet.weak.values(), *alphabet.consonants.values(), alphabet.flap)
    marks = (alphabet.punctuation.get(mark, mark) for mark in PUNCTUATION)
    return set("".join((*english, *marks, "ˈˌ ")))


def _written(phonemes: tuple[str, ...], place: int, alphabet: Alphabet, unstressed: bool) -> str:
    symbol = phonemes[place]
    if symbol in (START, END):
        return ""
    if symbol == BOUNDARY:
        return " "
    if symbol in PUNCTUATION:
        return alphabet.punctuation.get(symbol, symbol) + " "
    if symbol in alphabet.consonants:
        return alphabet.flap if _is_flap(phonemes, place) else alphabet.consonants[symbol]
    base, accent = symbol[:-1], symbol[-1]
    if base in alphabet.vowels:
        if accent == "0":
            return alphabet.weak.get(base, alphabet.vowels[base])
        return ("" if unstressed else _STRESSES[accent]) + alphabet.vowels[base]
    if not alphabet.mandarin:
        raise BadText(f"the sound {symbol!r} is not English, and this rival speaks nothing else")
    return _INITIALS[symbol] if symbol in _INITIALS else _final(phonemes[place - 1], base, accent)


def _is_flap(phonemes: tuple[str, ...], place: int) -> bool:
    """Whether this is a T between a vowel (or R) and a vowel without stress, and not the held one of `button`."""
    before, symbol, *after = phonemes[place - 1 : place + 3]
    return symbol == "T" and (before[-1] in STRESSES or before == "R") and after[0][-1] == "0" and after != ["AH0", "N"]


def _final(initial: str, final: str, tone: str) -> str:
    """A Mandarin final with its tone behind the vowel. `initial` is the phoneme before it, whatever that is."""
    written = _FINALS[final]
    if final == "i" and initial in _SIBILANTS:
        written = "ɨ"
    if final == "o" and initial in INITIALS:
        written = "wo"
    coda = written[-1] if len(written) > 1 and written[-1] in "nŋ" else ""
    return written.removesuffix(coda) + _TONES[tone] + coda
