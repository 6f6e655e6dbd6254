"""What a set of texts makes a speaker say: initials, finals, tones, ARPAbet, questions; and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..quality import Finding, finding
from ..text import Sentence
from ..text.phonemes import CONSONANTS, INITIALS, TONES, VOWELS, is_pause, language

COMMON_FINALS = tuple(
    "a o e ai ei ao ou an en ang eng ong i ia ie iao iou ian in iang ing iong "
    "u ua uo uai uei uan uen uang v ve van vn er".split()
)
"""Finals that ordinary speech has; the rest occurs in a handful of characters."""
ENOUGH = 20
"""Sentences from which on gaps are worth telling: a single one cannot hold every sound."""
SHOWN = 12


@dataclass(frozen=True)
class Coverage:
    """How often each sound occurs, of those that were looked for."""

    sentences: int
    questions: int
    counts: dict[str, dict[str, int]]
    """By group (`initials`, `finals`, `tones`, `consonants`, `vowels`): sound to number of occurrences."""

    @property
    def missing(self) -> dict[str, list[str]]:
        """By group: the sounds that never occur."""
        return {group: [sound for sound, count in row.items() if not count] for group, row in self.counts.items()}


def coverage(sentences: Sequence[Sentence]) -> Coverage:
    """Count the sounds of all sentences. Groups of a language that nothing is written in are left out."""
    symbols = Counter(symbol for sentence in sentences for symbol in sentence.phonemes)
    spoken = {language(symbol) for symbol in symbols if not is_pause(symbol)}
    bare: Counter[str] = Counter()
    tones: Counter[str] = Counter()
    for symbol, count in symbols.items():
        if is_pause(symbol):
            continue
        stem = symbol.rstrip("012345")
        bare[f"{language(symbol)}:{stem}"] += count
        if language(symbol) == "zh" and stem != symbol:
            tones[symbol[-1]] += count
    groups: dict[str, dict[str, int]] = {}
    if "zh" in spoken:
        groups["initials"] = {sound: bare[f"zh:{sound}"] for sound in INITIALS}
        groups["finals"] = {sound: bare[f"zh:{sound}"] for sound in COMMON_FINALS}
        groups["tones"] = {tone: tones[tone] for tone in TONES}
    if "en" in spoken:
        groups["consonants"] = {sound: bare[f"en:{sound}"] for sound in CONSONANTS if sound != "DX"}
        groups["vowels"] = {sound: bare[f"en:{sound}"] for sound in VOWELS}
    questions = sum("?" in sentence.phonemes for sentence in sentences)
    return Coverage(len(sentences), questions, groups)


def findings(covered: Coverage) -> list[Finding]:
    """What the speaker never says, worth telling once there are some sentences. Always advice: it spoils nothing."""
    if covered.sentences < ENOUGH:
        return []
    found = []
    for group, sounds in covered.missing.items():
        if sounds:
            what = f"{group} that never occur: {' '.join(sounds[:SHOWN])}" + (" …" if len(sounds) > SHOWN else "")
            effect = "these sounds come from other speakers and may be less like this one"
            found.append(finding("coverage", "advice", what, effect, "record a few sentences that have them"))
    if not covered.questions:
        what, effect = "no question among the texts", "questions may end like statements"
        found.append(finding("no_questions", "advice", what, effect, "record a few questions"))
    return found
