"""Other bodies and other paces: what a recording teaches beside its own speaker at its own speed.

Letters: S samples, T frames, M mel bands, P phonemes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr

from ..audio import FORMAT, log_mel, mel_filters

TRACT, PACE = 0.12, 0.15
"""How far, either way, formants and tempo are moved: a child and a big man lie about that far from the middle."""
HURRIED, HURRY = 0.3, 2.2
"""Share of clips in which a stretch is said faster still, and how many times at most: pace changes in mid-sentence."""


@lru_cache(maxsize=1)
def _centres() -> np.ndarray:
    """Middle frequency of every mel band in Hz, (M,)."""
    filters = mel_filters().astype(np.float64)
    return filters @ np.linspace(0.0, FORMAT.sample_rate / 2, FORMAT.bins) / filters.sum(axis=1)


def formants_moved(mel: np.ndarray, factor: float) -> np.ndarray:
    """Log mels (T, M) whose every frequency is multiplied by `factor`, as a vocal tract shorter by it would.

    Vocal tract length perturbation (Jaitly and Hinton 2013), on the bands. What would come from above the last band is
    that band.
    """
    centres = _centres()
    sources = np.interp(centres / factor, centres, np.arange(len(centres)))
    lower = np.floor(sources).astype(int)
    upper = np.minimum(lower + 1, len(centres) - 1)
    share = (sources - lower).astype(mel.dtype)
    return mel[:, lower] * (1 - share) + mel[:, upper] * share


def at_pace(mel: np.ndarray, labels: np.ndarray, pace: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log mels (T, M) and a label a frame (T,), every frame so many times as fast, (T,)."""
    ends = np.cumsum(1.0 / pace)
    starts = ends - 1.0 / pace
    places = np.interp(np.linspace(0.0, starts[-1], max(1, round(ends[-1]))), starts, np.arange(len(mel)))
    lower = np.floor(places).astype(int)
    upper = np.minimum(lower + 1, len(mel) - 1)
    share = (places - lower)[:, None].astype(mel.dtype)
    return mel[lower] * (1 - share) + mel[upper] * share, labels[np.rint(places).astype(int)]


def paces(frames: int, random: np.random.Generator) -> np.ndarray:
    """How many times as fast every frame is said, (T,): a pace of its own, and now and then a stretch in a hurry."""
    pace = np.full(frames, 1.0 + random.uniform(-PACE, PACE))
    if random.random() < HURRIED:
        first, end = np.sort(random.integers(0, frames + 1, 2))
        pace[first:end] *= random.uniform(1.0, HURRY)
    return pace


def perturbed(mel: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log mels (T, M) and labels (T,) of the same words by another body at another pace."""
    mel = formants_moved(mel, 1.0 + random.uniform(-TRACT, TRACT))
    return at_pace(mel, labels, paces(len(mel), random))


@dataclass(frozen=True, eq=False)
class Sped:
    """A recording played faster or slower: formants, pitch and tempo move together, and nothing is blurred."""

    factor: float
    """How many times as fast."""

    def mel(self, samples: np.ndarray) -> np.ndarray:
        """Log mels (T, M) of what is left of samples (S,)."""
        rate = FORMAT.sample_rate
        return log_mel(soxr.resample(samples, rate * self.factor, rate, quality="MQ"))

    def along(self, values: np.ndarray, frames: int) -> np.ndarray:
        """Values of the recording's frames on so many that are left of them."""
        places = np.rint((np.arange(frames) + 0.5) * self.factor - 0.5).astype(int)
        return values[np.clip(places, 0, len(values) - 1)]

    def durations(self, durations: np.ndarray, frames: int) -> np.ndarray:
        """Frames of every phoneme (P,), of so many in all. Raises ValueError where they are fewer than the phonemes."""
        count = len(durations)
        if frames < count:
            raise ValueError("fewer frames than phonemes")
        places = np.arange(count)
        ends = np.minimum(np.rint(np.cumsum(durations) / self.factor).astype(np.int64), frames)
        ends[-1] = frames
        ends = np.maximum.accumulate(np.maximum(ends - places, 1)) + places  # each a frame at least
        ends = np.minimum(ends, frames - places[::-1])
        return np.diff(ends, prepend=0)
