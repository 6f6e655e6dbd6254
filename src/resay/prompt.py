"""What was said in a clip, and how: the prosody model begins with it and goes on in the same manner.

Letters in shapes: P phonemes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .semantic import SEMANTIC
from .text import phonemes

_COLUMNS = ("ids", "durations", "energy", "voiced")
POINTS = 3
"""Pitch is held at 1/6, 1/2 and 5/6 of every phoneme, enough for a Mandarin tone."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """The phonemes of a clip with the delivery that was measured of each: nothing here depends on a model's tokens."""

    ids: np.ndarray
    """int64 (P,), from `^` to `$`."""
    durations: np.ndarray
    """int64 (P,), mel frames, at least 1."""
    pitch: np.ndarray
    """float32 (P, 3), octaves from the speaker's middle pitch."""
    energy: np.ndarray
    """float32 (P,), nepers from the speech level."""
    voiced: np.ndarray
    """bool (P,): which phonemes have a pitch of their own."""
    meaning: np.ndarray
    """float32 (P, 64), semantic vectors, rounded to 16 bits, which is what a voice file holds."""

    @property
    def language(self) -> str:
        """`zh` or `en`: that of most phonemes."""
        return phonemes.main_language(phonemes.SYMBOLS[number] for number in self.ids)

    def table(self) -> np.ndarray:
        """All but the meaning, float32 (P, 7)."""
        columns = [getattr(self, name) for name in _COLUMNS]
        return np.column_stack([*columns, self.pitch]).astype(np.float32)

    @classmethod
    def of(cls, table: np.ndarray, meaning: np.ndarray) -> Prompt:
        """The prompt with this `table` and meaning. Raises ValueError where they are none."""
        shapes = (len(table), len(_COLUMNS) + POINTS), (len(table), SEMANTIC)
        if (table.shape, meaning.shape) != shapes or len(table) < 3:
            raise ValueError("table and meaning do not belong together")
        if not (np.isfinite(table).all() and np.isfinite(meaning).all()):
            raise ValueError("a number is none")
        ids, durations, energy, voiced = table[:, : len(_COLUMNS)].T
        whole = ids.astype(np.int64)
        if (whole != ids).any() or whole.min() < 0 or whole.max() >= len(phonemes.SYMBOLS) or durations.min() < 1:
            raise ValueError("a phoneme is none")
        pitch = table[:, len(_COLUMNS) :].copy()
        return cls(whole, durations.astype(np.int64), pitch, energy.copy(), voiced > 0, meaning.astype(np.float32))
