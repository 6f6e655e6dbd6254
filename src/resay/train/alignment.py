"""Which phoneme is spoken when: monotonic alignment search.

Letters: B batch, P phonemes, T frames.
"""

from __future__ import annotations

import numpy as np


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
