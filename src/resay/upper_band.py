"""The second head: what lies between 12 and 16 kHz, for sound at 32 kHz.

Up there speech is breath: fricatives, and the edges of bursts. A small network says for every frame how loud it is in
each of a few bands, and white noise is shaped accordingly, as the vocoder's own noise is. It begins where the
resampler ends.

Letters: T mel frames, M mel bands, N bands, F frequency bins, S samples at 32 kHz.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import audio, vocoder
from .audio import FORMAT, Audio, AudioFormat
from .onnx_graph import OnnxGraph

WIDE = AudioFormat(sample_rate=32_000, hop=400, window=1_600)
"""As long a hop and window as the networks' own."""
LOWEST, HIGHEST = FORMAT.sample_rate / 2, WIDE.sample_rate / 2
BANDS = 8
WIDTH = (HIGHEST - LOWEST) / BANDS
"""Hz of a band."""
FADES = 11_150.0, 11_600.0
"""Hz between which soxr's best resampler fades out on its way from 24 to 32 kHz, and noise of equal power fades in."""
_HERTZ = np.linspace(0.0, HIGHEST, WIDE.bins)
_ABOVE = _HERTZ >= LOWEST
_SAID = FADES[0] <= _HERTZ
_FADE = np.sin(np.pi / 2 * np.minimum((_HERTZ[_SAID] - FADES[0]) / (FADES[1] - FADES[0]), 1.0))
_PLACE = np.clip((_HERTZ[_SAID] - LOWEST) / WIDTH - 0.5, 0, BANDS - 1)
_BELOW = np.minimum(_PLACE.astype(np.int64), BANDS - 2)
_NEXT = (_PLACE - _BELOW).astype(np.float32)
"""Between the middles of which two bands each bin lies, and how far on the way to the upper one."""
_NOISE = float(np.sqrt(np.square(audio.hann(WIDE.window)).sum()))
"""Root mean square magnitude of windowed white noise."""


def levels(samples: np.ndarray) -> np.ndarray:
    """Natural logarithm of the root mean square magnitude in each band, (S,) at 32 kHz -> float32 (T, N)."""
    windows = audio.frames(samples.astype(np.float32), WIDE) * audio.hann(WIDE.window)
    power = np.square(np.abs(np.fft.rfft(windows, axis=-1)))
    band = np.minimum((_HERTZ[_ABOVE] - LOWEST) // WIDTH, BANDS - 1).astype(np.int64)
    mean = np.add.reduceat(power[:, _ABOVE], np.searchsorted(band, np.arange(BANDS)), axis=1) / np.bincount(band)
    return (0.5 * np.log(np.maximum(mean, audio.QUIETEST**2))).astype(np.float32)


class UpperBand:
    """The exported network, and the noise that it shapes."""

    def __init__(self, graph: OnnxGraph) -> None:
        self._graph = graph

    def noise_shape(self, frames: int) -> int:
        """Samples of standard normal noise that `samples` wants for so many frames."""
        return frames * WIDE.hop

    def samples(self, mel: np.ndarray, pitch: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """What is to be added to (T, M) log mels' sound at 32 kHz, float32 (S,), from standard normal noise (S,)."""
        found = self._graph.run(features=vocoder.features(mel, pitch)[None])["levels"][0]
        gain = _FADE * np.exp(found[:, _BELOW] * (1 - _NEXT) + found[:, _BELOW + 1] * _NEXT) / _NOISE
        window = audio.hann(WIDE.window)
        spectra = np.fft.rfft(audio.frames(noise, WIDE) * window, axis=-1)
        spectra[:, ~_SAID] = 0.0
        spectra[:, _SAID] *= gain
        windows = np.fft.irfft(spectra, axis=-1).astype(np.float32) * (window / 1.5)
        side = WIDE.window - WIDE.hop
        return vocoder.overlap_add(windows, np.zeros(side, np.float32))[side // 2 :][: len(noise)]


def added(parts: Iterator[Audio], above: np.ndarray) -> Iterator[Audio]:
    """Sound at 32 kHz, in parts, with what lies above 12 kHz (S,)."""
    first = 0
    for part in parts:
        last = first + len(part.samples)
        own = np.pad(above[first:last], (0, max(0, last - max(first, len(above)))))
        yield Audio(np.clip(part.samples + own, -1.0, 1.0), part.sample_rate)
        first = last
