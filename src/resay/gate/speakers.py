"""Whether one person speaks all the time: the stretch of a clip that is least like the rest of it.

Letters in shapes: T mel frames, M mel bands, W windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import audio
from ..audio import FORMAT

WINDOW, STEP = 112, 24
"""Frames of speech that one vector is taken from (1.4 s), and from one window to the next (0.3 s)."""
FEATURES = 6


@dataclass(frozen=True, eq=False)
class Change:
    """The stretch that stands out most, in seconds, and how it differs from the rest."""

    start: float
    end: float
    features: np.ndarray
    """float32 (FEATURES,): cosine of the timbres, spread of each side, octaves between the middle pitches, distance of
    the mean spectra, distance of the noise between the words, seconds of the shorter side."""


def change(
    mel: np.ndarray, track: np.ndarray, speech: np.ndarray, timbre: Callable[[np.ndarray], np.ndarray]
) -> Change | None:
    """Compare every stretch of a clip with all the rest of it; None where there is too little speech to compare.

    Takes log mels (T, M), pitch (T,) and which frames hold speech (T,). Only these frames are compared, so that a
    pause is nobody's voice.
    """
    frames = np.flatnonzero(speech)
    starts = range(0, len(frames) - WINDOW + 1, STEP)
    if len(starts) < 1 + WINDOW // STEP:
        return None
    vectors = np.stack([timbre(mel[frames[at : at + WINDOW]]) for at in starts])
    first, end = _apart(vectors)
    inside = np.zeros(len(frames), bool)
    inside[first * STEP : (end - 1) * STEP + WINDOW] = True
    inside_windows = np.zeros(len(vectors), bool)
    inside_windows[first:end] = True
    features = _features(mel, track, speech, frames, inside, vectors, inside_windows)
    there = frames[inside]
    return Change(FORMAT.seconds(int(there[0])), FORMAT.seconds(int(there[-1]) + 1), features)


def _apart(vectors: np.ndarray) -> tuple[int, int]:
    """First and past the last window of the stretch least like the others (W, D); windows that lie across count not."""
    count, overlap = len(vectors), -(-WINDOW // STEP) - 1
    sums = np.concatenate([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0)])
    best, found = 2.0, (0, 1)
    for first in range(count):
        for end in range(first + 2, count + 1):
            left, right = max(0, first - overlap), min(count, end + overlap)
            outside = sums[left] + sums[count] - sums[right]
            if left + count - right < 2:
                continue
            inside = sums[end] - sums[first]
            norm = float(np.linalg.norm(inside) * np.linalg.norm(outside))
            cosine = float(inside @ outside) / max(norm, 1e-9)
            if cosine < best:
                best, found = cosine, (first, end)
    return found


def _features(
    mel: np.ndarray,
    track: np.ndarray,
    speech: np.ndarray,
    frames: np.ndarray,
    inside: np.ndarray,
    vectors: np.ndarray,
    inside_windows: np.ndarray,
) -> np.ndarray:
    sides = [frames[inside], frames[~inside]]
    means = [vectors[inside_windows].mean(axis=0), vectors[~inside_windows].mean(axis=0)]
    lengths = [float(np.linalg.norm(mean)) for mean in means]
    cosine = float(means[0] @ means[1]) / max(lengths[0] * lengths[1], 1e-9)
    pitches = [np.log2(track[side][track[side] > 0]) for side in sides]
    both = min(map(len, pitches)) >= 20
    apart = abs(float(np.median(pitches[0]) - np.median(pitches[1]))) if both else 0.0
    spectra = [mel[side].mean(axis=0) for side in sides]
    shapes = [spectrum - spectrum.mean() for spectrum in spectra]
    distance = float(np.sqrt(((shapes[0] - shapes[1]) ** 2).mean()))
    quiet = [_floor(mel, side) for side in sides]
    shorter = min(map(len, sides)) / FORMAT.frame_rate
    return np.array([cosine, min(lengths), apart, distance, abs(quiet[0] - quiet[1]), shorter], dtype=np.float32)


def _floor(mel: np.ndarray, side: np.ndarray) -> float:
    """Loudness of the quietest tenth of a side's frames and of what lies between them, nepers."""
    return float(np.percentile(audio.energy(mel[side[0] : side[-1] + 1]), 10))
