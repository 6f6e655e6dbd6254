"""One utterance before the judges, and many of them as one row of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .. import measure
from ..audio import Audio
from . import intervals
from .intervals import Interval
from .judges import Judges
from .transcripts import ErrorCount, count_errors, count_syllable_errors


@dataclass(frozen=True, eq=False)
class Utterance:
    """Finished audio and what it should say."""

    system: str
    """Whose row it belongs to."""
    language: str
    speaker: str
    text: str
    audio: Audio


@dataclass(frozen=True)
class Hearing:
    """What was heard. None where the judge was not there."""

    system: str
    language: str
    speaker: str
    text: str
    sound: measure.Sound
    heard: str | None = None
    errors: ErrorCount | None = None
    syllable_errors: ErrorCount | None = None
    """Mandarin only."""
    quality: float | None = None
    """DNSMOS overall."""


def hear(utterance: Utterance, judges: Judges) -> Hearing:
    """Every judge that is there listens once. Raises BadAudio where one cannot."""
    heard = errors = syllable_errors = quality = None
    if judges.recogniser:
        heard = judges.transcribed(utterance.audio, utterance.language)
        errors = count_errors(utterance.text, heard, utterance.language)
        syllable_errors = count_syllable_errors(utterance.text, heard) if utterance.language == "zh" else None
    if judges.dnsmos:
        quality = judges.quality(utterance.audio)
    return Hearing(
        system=utterance.system,
        language=utterance.language,
        speaker=utterance.speaker,
        text=utterance.text,
        sound=measure.sound(utterance.audio),
        heard=heard,
        errors=errors,
        syllable_errors=syllable_errors,
        quality=quality,
    )


@dataclass(frozen=True)
class Row:
    """One system in one language. None where no judge said anything."""

    system: str
    language: str
    count: int
    speakers: int
    error_rate: Interval | None
    """CER for Mandarin, WER for English; 1.0 is as many errors as tokens."""
    syllable_error_rate: Interval | None
    quality: Interval | None
    pitch_hz: float
    """Median over utterances."""
    pitch_spread: float
    """Mean over utterances, semitones."""
    seconds: float
    """All utterances together."""


def _rate(counts: Sequence[ErrorCount | None]) -> Interval | None:
    found = [count for count in counts if count is not None]
    if not found or not sum(count.length for count in found):
        return None
    return intervals.ratio([count.errors for count in found], [count.length for count in found])


def rows(hearings: Sequence[Hearing], key: Callable[[Hearing], tuple[str, str]] | None = None) -> list[Row]:
    """One row for each system and language (or what `key` makes of a hearing), in the order of first appearance."""
    groups: dict[tuple[str, str], list[Hearing]] = {}
    for hearing in hearings:
        groups.setdefault(key(hearing) if key else (hearing.system, hearing.language), []).append(hearing)
    return [_row(*names, group) for names, group in groups.items()]


def _row(system: str, language: str, group: list[Hearing]) -> Row:
    qualities = [hearing.quality for hearing in group if hearing.quality is not None]
    pitches = [hearing.sound.pitch_hz for hearing in group if hearing.sound.pitch_hz > 0]
    return Row(
        system=system,
        language=language,
        count=len(group),
        speakers=len({hearing.speaker for hearing in group}),
        error_rate=_rate([hearing.errors for hearing in group]),
        syllable_error_rate=_rate([hearing.syllable_errors for hearing in group]),
        quality=intervals.mean(qualities) if qualities else None,
        pitch_hz=float(np.median(pitches)) if pitches else 0.0,
        pitch_spread=float(np.mean([hearing.sound.pitch_spread for hearing in group])),
        seconds=float(sum(hearing.sound.seconds for hearing in group)),
    )
