"""Whether synthesised speech says every word of its text once: it is aligned with what it was planned to say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .. import audio
from ..aligner import Aligner
from ..alignment import align
from ..errors import BadAudio
from ..synthesis import Piece

MOVED = 0.1
"""Seconds: a word heard farther from its planned place counts as moved."""


@dataclass(frozen=True)
class SpokenWords:
    """Words of some speech, and how many of them went wrong."""

    words: int = 0
    skipped: int = 0
    """In the text, not heard."""
    repeated: int = 0
    added: int = 0
    """Stretches with something that the text does not have."""
    swallowed: int = 0
    """Heard in less than half of the time that was planned for them."""
    moved: int = 0

    def __add__(self, other: SpokenWords) -> SpokenWords:
        names = ("words", "skipped", "repeated", "added", "swallowed", "moved")
        return SpokenWords(*(getattr(self, name) + getattr(other, name) for name in names))


def check(pieces: Iterable[Piece], aligner: Aligner) -> SpokenWords:
    """Align every piece with its own text and compare with its plan."""
    total = SpokenWords()
    for piece in pieces:
        total += _piece(piece, aligner)
    return total


def _piece(piece: Piece, aligner: Aligner) -> SpokenWords:
    words = piece.sentence.words
    try:
        found = align(audio.log_mel(piece.audio.samples), piece.sentence, aligner)
    except BadAudio:
        # Less sound than sounds: nothing of it can have been said as planned.
        return SpokenWords(len(words), skipped=len(words))
    kinds = [it.kind for it in found.disagreements]
    edges = np.concatenate([[0], np.cumsum(piece.plan.durations)]) * audio.FORMAT.seconds(1)
    planned = {word.span: [edges[at] for at in word.phonemes] for word in words}
    swallowed = moved = 0
    for word in found.words:
        start, end = planned[word.span]
        swallowed += word.end - word.start < 0.5 * (end - start) - audio.FORMAT.seconds(2)
        moved += abs((word.start + word.end) / 2 - (start + end) / 2) > MOVED + 0.25 * (end - start)
    skipped, repeated, added = (kinds.count(kind) for kind in ("missing", "repeated", "extra"))
    return SpokenWords(len(words), skipped, repeated, added, swallowed, moved)
