"""What arithmetic alone can say of finished speech: length, level, pauses, pitch.

Letters in shapes: T mel frames, P phonemes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import audio, pitch
from .audio import FORMAT, Audio

SILENCE = 3.0  # nepers under the loud tenth's level (26 dB): quieter frames count as pause


@dataclass(frozen=True)
class Sound:
    """One finished utterance in numbers."""

    seconds: float
    speech_seconds: float
    """Without outer silence; inner pauses count."""
    level_db: float
    """Root mean square of what is not pause, relative to full scale."""
    peak: float
    """Largest sample, full scale at 1.0."""
    pauses: float
    """Share of silent frames between the first and the last sound."""
    voiced: float
    """Share of voiced frames among those that are not silent."""
    pitch_hz: float
    """Median over voiced frames, 0 where there is none."""
    pitch_spread: float
    """Standard deviation of voiced frames in semitones: a monotone is below 1, lively speech above 3."""


def sound(finished: Audio) -> Sound:
    """The numbers of one utterance, at whatever rate it comes."""
    finished = finished.resampled(FORMAT.sample_rate)
    peak = float(np.abs(finished.samples).max(initial=0.0))
    mel = audio.log_mel(finished.samples)
    loud = np.zeros(len(mel), bool)
    if peak > 0 and len(mel):
        energy = audio.energy(mel)
        loud = energy > np.quantile(energy, 0.9) - SILENCE
    if not loud.any():
        return Sound(finished.seconds, 0.0, -np.inf, peak, 0.0, 0.0, 0.0, 0.0)
    places = np.flatnonzero(loud)
    spoken = places[-1] - places[0] + 1
    frames = finished.samples[: len(mel) * FORMAT.hop].reshape(len(mel), FORMAT.hop)[loud]
    track = pitch.track(finished)
    voiced = track[track > 0].astype(np.float64)
    semitones = 12 * np.log2(voiced) if len(voiced) else np.zeros(1)
    return Sound(
        seconds=finished.seconds,
        speech_seconds=FORMAT.seconds(int(spoken)),
        level_db=float(10 * np.log10(np.mean(frames.astype(np.float64) ** 2) + 1e-12)),
        peak=peak,
        pauses=float(1 - loud.sum() / spoken),
        voiced=float((track[loud] > 0).mean()),
        pitch_hz=float(np.median(voiced)) if len(voiced) else 0.0,
        pitch_spread=float(semitones.std()),
    )


def is_monotonic(durations: np.ndarray, phonemes: int, frames: int) -> bool:
    """Whether a plan, int64 (P,) mel frames, gives each of `phonemes` its own stretch within the `frames` of sound.

    Explicit durations can neither skip nor repeat: every phoneme has a frame or more, in order. A pause may follow.
    """
    return bool(len(durations) == phonemes > 0 and (durations >= 1).all() and int(durations.sum()) <= frames)
