"""How much do two sounds differ, in the units in which a difference is heard?

Letters in shapes: S samples, T mel frames, E envelope steps of a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from . import audio, pictures, pitch
from .audio import FORMAT, Audio
from .pictures import Drawn

OVERLAP = 0.95
"""Two sounds whose waveforms cover each other further than this are one to the eye."""
PAUSE_MS, FINAL_PITCH_HZ, PITCH_HZ, KEY_FRAME_MS = 100.0, 2.0, 2.0, 5.0
"""Differences from which on people hear or measure another performance."""
STEP = 0.001  # seconds: the envelope is finer than the five milliseconds it has to tell apart
SMOOTH = 15  # steps: shorter than a syllable, longer than a low voice's period
SHORTEST_PAUSE = 0.06  # seconds: shorter gaps are the closures of plosives
SILENCE = 3.0  # nepers under the loud tenth (26 dB), as everywhere in resay
FINAL = int(0.1 * FORMAT.frame_rate)  # frames, the last tenth of a second
STRESSES = 8
"""So many of the loudest syllables are followed."""
REACH = 120  # steps that a stressed syllable is looked for to either side


@dataclass(frozen=True)
class Comparison:
    """Differences of a second sound from a first."""

    overlap: float
    """Share of the area under both waveforms that they have in common, 0 to 1."""
    length_ms: float
    """How much longer the second is."""
    level_db: float
    """How much louder the second is."""
    pitch_hz: float
    """Mean absolute difference where both are voiced."""
    final_pitch_hz: float
    """Difference over the last voiced tenth of a second."""
    pauses: tuple[int, int]
    """How many pauses each has."""
    pause_ms: float
    """Largest difference of a pause; where one is missing, its whole length."""
    key_frames_ms: tuple[float, ...]
    """Offsets of the start, the end and the stressed syllables."""
    log_mel_db: float
    """Mean absolute difference of the log mels."""

    @property
    def key_frame_ms(self) -> float:
        """The largest offset of a key frame."""
        return max(map(abs, self.key_frames_ms), default=0.0)

    @property
    def criteria(self) -> dict[str, bool]:
        """The three that make a reproduction: waveforms overlap, nothing is heard, key frames lie where they lay."""
        unheard = self.pauses[0] == self.pauses[1] and self.pause_ms < PAUSE_MS
        unheard = unheard and self.pitch_hz < PITCH_HZ and abs(self.final_pitch_hz) < FINAL_PITCH_HZ
        return {
            "overlap": self.overlap > OVERLAP,
            "prosody": unheard,
            "key_frames": self.key_frame_ms < KEY_FRAME_MS,
        }

    @property
    def reproduces(self) -> bool:
        """Whether all three criteria hold."""
        return all(self.criteria.values())

    def __str__(self) -> str:
        """The figures of the three criteria in one line."""
        heard = (
            f"pitch {self.pitch_hz:.2f} Hz, final pitch {self.final_pitch_hz:+.2f} Hz, pauses {self.pause_ms:.0f} ms"
        )
        return f"overlap {self.overlap:.2%}, {heard}, key frames {self.key_frame_ms:.0f} ms"


def compare(first: Audio, second: Audio) -> Comparison:
    """The differences, at whatever rates the sounds come."""
    first, second = first.resampled(FORMAT.sample_rate), second.resampled(FORMAT.sample_rate)
    one, other = pitch.track(first), pitch.track(second)
    pauses, again = _pauses(first), _pauses(second)
    return Comparison(
        overlap=_overlap(first.samples, second.samples),
        length_ms=1000 * (second.seconds - first.seconds),
        level_db=_level(second.samples) - _level(first.samples),
        pitch_hz=_pitch_difference(one, other),
        final_pitch_hz=_final_difference(one, other),
        pauses=(len(pauses), len(again)),
        pause_ms=_pause_difference(pauses, again),
        key_frames_ms=_key_frames(first, second),
        log_mel_db=_mel_difference(first.samples, second.samples),
    )


def picture(first: tuple[str, Audio], second: tuple[str, Audio]) -> str:
    """Both sounds with their names, as an SVG document."""
    return pictures.picture([drawn(*first), drawn(*second)])


def drawn(name: str, sound: Audio) -> Drawn:
    """A sound with its pitch, ready for a picture."""
    sound = sound.resampled(FORMAT.sample_rate)
    return Drawn(name, sound, pitch.track(sound))


def _padded(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = max(len(first), len(second))
    return np.pad(first, (0, length - len(first))), np.pad(second, (0, length - len(second)))


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    one, other = _padded(first.astype(np.float64), second.astype(np.float64))
    both = np.where(one * other > 0, np.minimum(np.abs(one), np.abs(other)), 0.0).sum()
    either = np.maximum(np.abs(one), np.abs(other)).sum()
    return float(both / either) if either > 0 else 1.0


def _level(samples: np.ndarray) -> float:
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return 10 * float(np.log10(power + 1e-12))


def _pitch_difference(one: np.ndarray, other: np.ndarray) -> float:
    count = min(len(one), len(other))
    both = (one[:count] > 0) & (other[:count] > 0)
    if both.any():
        return float(np.abs(one[:count][both] - other[:count][both]).mean())
    return float(abs(_final(one) - _final(other)))


def _final_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Of (T,) pitch tracks. A last frame that is voiced in only one of them is no difference of pitch."""
    count = min(len(one), len(other))
    both = np.flatnonzero((one[:count] > 0) & (other[:count] > 0))
    voiced = np.flatnonzero(np.pad(one, (0, len(other))) + np.pad(other, (0, len(one))))
    if len(both) and voiced[-1] - both[-1] <= FINAL:
        last = both[-FINAL:]
        return float(np.median(other[last]) - np.median(one[last]))
    return _final(other) - _final(one)


def _final(track: np.ndarray) -> float:
    voiced = track[track > 0][-FINAL:]
    return float(np.median(voiced)) if len(voiced) else 0.0


def envelope(sound: Audio) -> np.ndarray:
    """Smoothed log energy of every millisecond, (S,) -> (E,)."""
    size = int(sound.sample_rate * STEP)
    count = len(sound.samples) // size
    power = (sound.samples[: count * size].astype(np.float64).reshape(count, size) ** 2).mean(axis=1)
    if count == 0:
        return np.zeros(0)
    window = np.hanning(2 * SMOOTH + 1)
    return 0.5 * np.log(np.convolve(power, window / window.sum(), mode="same") + 1e-10)


def _loud(steps: np.ndarray) -> np.ndarray:
    return steps > np.quantile(steps, 0.9) - SILENCE if len(steps) else np.zeros(0, bool)


def _pauses(sound: Audio) -> list[tuple[float, float]]:
    """Start and length in seconds of every silence between two sounds."""
    loud, at, found = _loud(envelope(sound)), 0, []
    for is_loud, run in groupby(loud):
        length = len(list(run))
        inner = at > 0 and at + length < len(loud)
        if not is_loud and inner and length * STEP >= SHORTEST_PAUSE:
            found.append((at * STEP, length * STEP))
        at += length
    return found


def _pause_difference(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> float:
    """In ms. Pauses are told apart by order; where one has more, those that lie nearest to each other are one."""
    fewer, more = sorted((first, second), key=len)
    left = list(more)
    worst = 0.0
    for start, length in fewer:
        # The later ones of the fewer must find a place as well.
        nearest = min(left, key=lambda pause: abs(pause[0] - start))
        left.remove(nearest)
        worst = max(worst, abs(nearest[1] - length))
    return 1000 * max([worst, *(length for _, length in left)], default=0.0)


def _key_frames(first: Audio, second: Audio) -> tuple[float, ...]:
    one, other = envelope(first), envelope(second)
    ends = [np.flatnonzero(_loud(steps)) for steps in (one, other)]
    if not len(ends[0]) or not len(ends[1]):
        return ()
    offsets = [1000 * STEP * float(ends[1][place] - ends[0][place]) for place in (0, -1)]
    return tuple(offsets + [1000 * STEP * _shift(one, other, peak) for peak in _stressed(one)])


def _stressed(steps: np.ndarray) -> list[int]:
    """The loudest peaks, none within a syllable's length of a louder one."""
    inner = np.flatnonzero((steps[1:-1] >= steps[:-2]) & (steps[1:-1] > steps[2:])) + 1
    chosen: list[int] = []
    for peak in sorted(inner, key=lambda place: -steps[place]):
        if len(chosen) < STRESSES and all(abs(peak - other) > REACH for other in chosen):
            chosen.append(int(peak))
    return sorted(chosen)


def _shift(one: np.ndarray, other: np.ndarray, peak: int) -> float:
    """By how many steps the surroundings of a peak of `one` lie elsewhere in `other`."""
    half = REACH // 2
    pattern = one[max(0, peak - half) : peak + half]
    begin = max(0, peak - half)
    apart = {}
    for shift in range(-REACH, REACH + 1):
        start = begin + shift
        if start >= 0 and start + len(pattern) <= len(other):
            # Levels may differ by a constant: only the shape says where a syllable lies.
            apart[shift] = float(np.std(other[start : start + len(pattern)] - pattern))
    if not apart:
        return float(REACH)
    best = min(apart, key=lambda shift: (apart[shift], abs(shift)))
    # A held vowel looks alike everywhere: it has moved only if it fits clearly better elsewhere.
    return 0.0 if apart.get(0, np.inf) < 1.1 * apart[best] + 0.01 else float(best)


def _mel_difference(first: np.ndarray, second: np.ndarray) -> float:
    one, other = (audio.log_mel(samples) for samples in _padded(first, second))
    if len(one) == 0:
        return 0.0
    # What lies 60 dB under the loudest band is not heard beside it.
    floor = max(one.max(), other.max()) - 60 / (20 / np.log(10))
    return float(20 / np.log(10) * np.abs(np.maximum(one, floor) - np.maximum(other, floor)).mean())
