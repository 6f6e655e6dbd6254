"""Mel and pitch to samples: a source-filter vocoder.

A pulse train of the wanted pitch and white noise are each taken apart into short spectra; a network says, for every
frame, which complex filter shapes the pulses and how loud the noise is in every bin; the sum is put together again by
overlap-add. After the harmonic-plus-noise idea of NSF (Wang et al. 2019) and the frame-rate spectral heads of Vocos
(Siuzdak 2023): no network runs at the sample rate.

Letters: T frames, M mel bands, F frequency bins, S samples.
"""

from __future__ import annotations

import numpy as np

from . import audio
from .audio import FORMAT, MEL_CENTRE, MEL_SPREAD, Audio, AudioFormat
from .onnx_graph import OnnxGraph
from .pitch import PITCH_CENTRE, filled_pitch


def pulses(pitch: np.ndarray, audio_format: AudioFormat = FORMAT) -> np.ndarray:
    """The voice source: all harmonics below half the sample rate, in phase, unit power where voiced; (T,) -> (S,)."""
    count = len(pitch) * audio_format.hop
    centres = (np.arange(len(pitch)) + 0.5) * audio_format.hop
    at = np.arange(count)
    hertz = np.interp(at, centres, filled_pitch(pitch))
    # The sum of cos(k x), k = 1…K, is Dirichlet's kernel in closed form. float64 and a phase kept below one turn hold
    # the K-th harmonic steady over minutes.
    phase = 2 * np.pi * np.mod(np.cumsum(hertz / audio_format.sample_rate), 1.0)
    harmonics = np.floor(audio_format.sample_rate / 2 / hertz)
    below = np.sin(phase / 2)
    singular = np.abs(below) < 1e-9
    kernel = np.sin((harmonics + 0.5) * phase) / np.where(singular, 1.0, 2 * below) - 0.5
    kernel = np.where(singular, harmonics, kernel)
    voiced = np.interp(at, centres, (pitch > 0).astype(np.float64))
    return (voiced * kernel * np.sqrt(2.0 / harmonics)).astype(np.float32)


def features(mel: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """What the network reads, float32 (T, M), (T,) -> (T, M + 2): scaled mel, octaves of pitch, voicing."""
    octaves = np.log2(filled_pitch(pitch) / PITCH_CENTRE)
    columns = [(mel - MEL_CENTRE) / MEL_SPREAD, octaves[:, None], (pitch > 0)[:, None]]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _overlap_add(windows: np.ndarray, audio_format: AudioFormat) -> np.ndarray:
    """Sum of overlapping windows (T, window) -> (S,), the inverse of `audio.frames`."""
    steps = audio_format.window // audio_format.hop
    count = len(windows)
    total = np.zeros((count + steps - 1, audio_format.hop), dtype=np.float32)
    for step in range(steps):
        total[step : step + count] += windows[:, step * audio_format.hop : (step + 1) * audio_format.hop]
    side = (audio_format.window - audio_format.hop) // 2
    return total.reshape(-1)[side : side + count * audio_format.hop]


class Vocoder:
    """The exported network between two Fourier transforms."""

    def __init__(self, graph: OnnxGraph, audio_format: AudioFormat = FORMAT) -> None:
        self._graph = graph
        self._format = audio_format

    def noise_shape(self, frames: int) -> int:
        """Samples of standard normal noise that `decode` wants for so many frames."""
        return frames * self._format.hop

    def decode(self, mel: np.ndarray, pitch: np.ndarray, noise: np.ndarray) -> Audio:
        """Samples of (T, M) log mels with pitch (T,) in Hz, 0 where unvoiced, and standard normal noise (S,)."""
        answer = self._graph.run(features=features(mel, pitch)[None])
        window = audio.hann(self._format.window)
        voice = np.fft.rfft(audio.frames(pulses(pitch, self._format), self._format) * window, axis=-1)
        breath = np.fft.rfft(audio.frames(noise.astype(np.float32), self._format) * window, axis=-1)
        shaped = voice * (answer["real"][0] + 1j * answer["imaginary"][0]) + breath * answer["noise"][0]
        windows = np.fft.irfft(shaped, axis=-1).astype(np.float32) * window
        # Squared Hann windows a quarter apart add up to 3/2 everywhere.
        samples = _overlap_add(windows, self._format) / 1.5
        return Audio(np.clip(samples, -1.0, 1.0), self._format.sample_rate)
