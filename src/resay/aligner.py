"""When each phoneme is spoken: a classifier says which sound every frame may be, a search finds the way through.

Letters in shapes: B batch, P phonemes, T mel frames, M mel bands, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .audio import FORMAT, scaled
from .onnx_graph import OnnxGraph
from .text import phonemes

SILENCE = 0
"""The class of everything that makes no sound: pauses, punctuation, word boundaries, both ends."""
_SOUNDING = phonemes.BASE_OF[phonemes.IS_SOUND].tolist()
_BASES = {base: 1 + index for index, base in enumerate(dict.fromkeys(_SOUNDING))}
CLASS_OF = np.zeros(len(phonemes.SYMBOLS), dtype=np.int64)
"""For every symbol its class: silence, or what is articulated whatever the tone or stress."""
CLASS_OF[phonemes.IS_SOUND] = [_BASES[base] for base in _SOUNDING]
CLASSES = 1 + len(_BASES)
SOUNDS = (CLASSES, FORMAT.mel_bands + 1)
"""Shape of `mean_sounds`."""


class Aligner:
    """The exported frame classifier, and from which probability on it is `certain` enough to give examples."""

    def __init__(self, graph: OnnxGraph, certain: float) -> None:
        self._graph = graph
        self.certain = certain

    def log_posteriors(self, mel: np.ndarray) -> np.ndarray:
        """Log probability of every class at every frame, float32 (T, K), of log mels (T, M)."""
        return self._graph.run(mel=scaled(mel)[None])["log_posteriors"][0]

    def sounds(self, mel: np.ndarray) -> np.ndarray:
        """`mean_sounds` of log mels (T, M), by what is heard in them."""
        return mean_sounds(scaled(mel), self.heard(mel))

    def heard(self, mel: np.ndarray) -> np.ndarray:
        """`heard`, uint8 (T,), of log mels (T, M)."""
        return heard(self.log_posteriors(mel), self.certain)

    def align(self, mel: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """`laid`, of phonemes (P,) in log mels (T, M). Raises ValueError where there are fewer frames than phonemes."""
        return laid(self.log_posteriors(mel), ids)


def laid(log_posteriors: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Frames of every phoneme, int64 (P,), of phonemes (P,) along log posteriors (T, K).

    Raises ValueError where there are fewer frames than phonemes.
    """
    score = log_posteriors[:, CLASS_OF[ids]].T
    return monotonic_search(score[None], np.array([len(ids)]), np.array([len(log_posteriors)]))[0]


MARGIN = 0.02
"""Probability below which no class is thought to fall: one frame that is heard wrong shall not decide a whole word."""


def floored(log_posteriors: np.ndarray) -> np.ndarray:
    """Log posteriors (T, K) with a little of every class in each: what is heard wrong costs no more than that."""
    return np.logaddexp(log_posteriors, np.log(MARGIN / log_posteriors.shape[1])).astype(np.float32)


LEFT_OUT = 0.4
"""Share of training frames that are no example of their likeliest class, those between sounds above all: how a speaker
makes a sound shows in its middle. Each aligner's own probability follows from it, since a better one is surer."""
UNCERTAIN = 255


def certainty(shape: Mapping[str, Any]) -> float:
    """From which probability on the aligner beside a `model.json` is certain; before it was told, one half."""
    return float(shape.get("certain", 0.5))


def heard(log_posteriors: np.ndarray, certain: float) -> np.ndarray:
    """The class heard in every frame, uint8 (T,), of log posteriors (T, K); `UNCERTAIN` where none is so probable."""
    return sure(log_posteriors.argmax(axis=1), log_posteriors.max(axis=1), certain)


def sure(classes: np.ndarray, log_probabilities: np.ndarray, certain: float) -> np.ndarray:
    """Classes (T,), uint8, as far as they are more probable than `certain`; `UNCERTAIN` in the other frames."""
    return np.where(log_probabilities > np.log(certain), classes, UNCERTAIN).astype(np.uint8)


def mean_sounds(mel: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """How a speaker makes each sound, float32 (K, M + 1), from scaled mels (T, M) and the class heard in each (T,).

    The mean frame of every class, and in the last column how many frames it is the mean of; zeros where it is not
    heard. Rounded to 16 bits, which is what a voice file holds.
    """
    members = (classes[None, :] == np.arange(CLASSES)[:, None]).astype(np.float32)
    counts = members.sum(axis=1, keepdims=True)
    # As in `log_mel`: a matrix product's last bits would follow from the number of cores.
    means = np.einsum("kt,tm->km", members, mel) / np.maximum(counts, 1.0)
    return np.concatenate([means, counts], axis=1).astype(np.float16).astype(np.float32)


def monotonic_search(score: np.ndarray, phoneme_counts: np.ndarray, frame_counts: np.ndarray) -> np.ndarray:
    """Frames of every phoneme, int64 (B, P), on the path with the highest total score (B, P, T).

    Paths start at the first phoneme, end at the last, never go back and never skip (Glow-TTS, Kim et al. 2020). Time is
    a loop, batch and phonemes are vectors: the search costs a few microseconds a frame for a whole batch.
    Raises ValueError where a clip has fewer frames than phonemes.
    """
    if (frame_counts < phoneme_counts).any():
        raise ValueError("a clip has fewer frames than phonemes")
    batch, phoneme_count, frame_count = score.shape
    by_time = np.ascontiguousarray(score.transpose(2, 0, 1), dtype=np.float32)
    best = np.full((batch, phoneme_count + 1), -np.inf, dtype=np.float32)
    best[:, 1] = by_time[0, :, 0]
    moved = np.zeros((frame_count, batch, phoneme_count), dtype=bool)
    for frame in range(1, frame_count):
        stay, step = best[:, 1:], best[:, :-1]
        np.greater(step, stay, out=moved[frame])
        best[:, 1:] = np.where(moved[frame], step, stay) + by_time[frame]
    durations = np.zeros((batch, phoneme_count), dtype=np.int64)
    rows = np.arange(batch)
    at = phoneme_counts - 1
    for frame in range(frame_count - 1, -1, -1):
        inside = frame < frame_counts
        durations[rows[inside], at[inside]] += 1
        at = at - (moved[frame, rows, at] & inside)
    return durations
