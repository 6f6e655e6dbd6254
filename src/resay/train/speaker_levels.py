"""What ECAPA-TDNN reads of a sound: SpeechBrain's front end, in numpy, for the judge and for the teacher alike.

Letters in shapes: S samples, T frames, M mel bands, F bins.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SAMPLE_RATE = 16_000
FILE_NAME = "ecapa.safetensors"
FRAME_RATE = 100
BANDS = 80
_WINDOW, _HOP = 400, SAMPLE_RATE // FRAME_RATE


@lru_cache(maxsize=1)
def filters() -> np.ndarray:
    """Triangles (F, M) on O'Shaughnessy's mel scale. As in SpeechBrain, each is as wide on its right as on its left."""
    top = 2595.0 * np.log10(1.0 + SAMPLE_RATE / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
    width, centre = np.diff(edges)[:-1], edges[1:-1]
    slope = (np.linspace(0.0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)[:, None] - centre) / width
    return np.maximum(0.0, np.minimum(slope + 1.0, 1.0 - slope)).astype(np.float32)


def levels(samples: np.ndarray) -> np.ndarray:
    """Mel power in dB, floor 80 dB under the peak, each band's mean over time removed: (S,) at 16 kHz -> (M, T)."""
    padded = np.pad(samples, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    hamming = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    power = np.abs(np.fft.rfft(frames * hamming, axis=-1)) ** 2
    level = 10.0 * np.log10(np.maximum(power.astype(np.float32) @ filters(), 1e-10))
    level = np.maximum(level, level.max() - 80.0)
    return np.ascontiguousarray((level - level.mean(axis=0)).T, dtype=np.float32)
