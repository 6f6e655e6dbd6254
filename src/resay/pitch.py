"""The fundamental frequency of speech, on the mel frames' own grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .audio import FORMAT, Audio
from .inference import SwiftF0

LOWEST, HIGHEST = 55.0, 600.0  # Hz; speech outside is rarer than octave errors are
PITCH_CENTRE = 150.0
"""Hz; networks see octaves from here."""


@lru_cache(maxsize=1)
def _detector() -> SwiftF0:
    return SwiftF0(threads=1, spin=False)


def track(audio: Audio) -> np.ndarray:
    """Pitch in Hz of every mel frame, float32 (T,), 0 where unvoiced. `audio` must be in the shared format.

    Found with SwiftF0 (Nieradzik 2025, https://github.com/lars76/swift-f0), whose 16 ms grid is interpolated to ours.
    """
    count = len(audio.samples) // FORMAT.hop
    if count == 0:
        return np.zeros(0, np.float32)
    result = _detector().detect(audio.samples, audio.sample_rate, fmin=LOWEST, fmax=HIGHEST)
    centres = (np.arange(count) + 0.5) * FORMAT.hop / FORMAT.sample_rate
    voiced = result.confidence >= 0.5
    if not voiced.any():
        return np.zeros(count, np.float32)
    # Interpolating in log pitch over voiced frames only keeps a boundary from being dragged towards 0 Hz.
    log_pitch = np.interp(centres, result.timestamps[voiced], np.log(result.pitch_hz[voiced]))
    is_voiced = np.interp(centres, result.timestamps, result.confidence) >= 0.5
    return np.where(is_voiced, np.exp(log_pitch), 0.0).astype(np.float32)


def middle_pitch(track: np.ndarray) -> float:
    """Median of the voiced frames in Hz, the networks' centre where nothing is voiced."""
    voiced = track[track > 0]
    return float(np.exp(np.median(np.log(voiced)))) if len(voiced) else PITCH_CENTRE


def filled_pitch(pitch: np.ndarray) -> np.ndarray:
    """Pitch without gaps, Hz (T,): unvoiced stretches are bridged in log pitch."""
    voiced = np.flatnonzero(pitch > 0)
    if len(voiced) == 0:
        return np.full(len(pitch), PITCH_CENTRE)
    return np.exp(np.interp(np.arange(len(pitch)), voiced, np.log(pitch[voiced].astype(np.float64))))
