"""Is the clone the person? Its nearness to another clip of the same speaker, against nine strangers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import BadOption
from . import intervals
from .intervals import Interval

STRANGERS = 9


@dataclass(frozen=True)
class Case:
    """One held-out speaker. Similarities are cosines of speaker vectors."""

    speaker: str
    language: str
    set: str
    nearest: float
    """Share of the clone's sentences that are nearer to their own speaker than to each of nine others."""
    similarity: float
    """Clone against another clip of the speaker, mean over sentences."""
    same_person: float
    """The reference clip against that other clip."""
    strangers: float
    """Clone against the nine others, mean."""
    judge: str = ""
    """Whose speaker vectors they are."""


@dataclass(frozen=True)
class Likeness:
    """The cases of one language, or all."""

    language: str
    nearest: Interval
    similarity: Interval
    same_person: Interval
    share: Interval
    """Similarity by what two clips of the same person score."""
    strangers: Interval
    judge: str = ""


def strangers_of(speaker: str, language: str, languages: Mapping[str, str]) -> list[str]:
    """Nine other speakers, of the same language as far as there are; the same ones in every run.

    Raises BadOption where there are not nine.
    """

    def order(other: str) -> tuple[bool, str]:
        return languages[other] != language, hashlib.sha256(f"{speaker}|{other}".encode()).hexdigest()

    others = sorted((name for name in languages if name != speaker), key=order)
    if len(others) < STRANGERS:
        raise BadOption(f"nearest of ten needs ten held-out speakers; the corpus has {len(others) + 1}")
    return others[:STRANGERS]


def case(
    speaker: str,
    language: str,
    source: str,
    clones: np.ndarray,
    reference: np.ndarray,
    other: np.ndarray,
    strangers: np.ndarray,
    judge: str = "",
) -> Case:
    """Unit vectors: clones (N, D), one a sentence; the two clips (D,); strangers (9, D)."""
    own, foreign = clones @ other, clones @ strangers.T
    return Case(
        speaker=speaker,
        language=language,
        set=source,
        nearest=float((own > foreign.max(axis=1)).mean()),
        similarity=float(own.mean()),
        same_person=float(reference @ other),
        strangers=float(foreign.mean()),
        judge=judge,
    )


def summary(cases: Sequence[Case], language: str) -> Likeness:
    """All cases as one row. Speakers, not sentences, are resampled: one speaker's sentences are not independent."""
    similarities, same = [case.similarity for case in cases], [case.same_person for case in cases]
    return Likeness(
        language=language,
        nearest=intervals.mean([case.nearest for case in cases]),
        similarity=intervals.mean(similarities),
        same_person=intervals.mean(same),
        share=intervals.ratio(similarities, same),
        strangers=intervals.mean([case.strangers for case in cases]),
        judge=cases[0].judge,
    )


def summaries(cases: Sequence[Case]) -> list[Likeness]:
    """For each judge a row for every language, and one for all where there are several."""
    found = []
    for judge in dict.fromkeys(case.judge for case in cases):
        own = [case for case in cases if case.judge == judge]
        languages = sorted({case.language for case in own}, reverse=True)
        found += [summary([case for case in own if case.language == language], language) for language in languages]
        found += [summary(own, "all")] if len(languages) > 1 else []
    return found
