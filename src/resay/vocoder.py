"""Mel and pitch to samples: a source-filter vocoder.

A pulse train of the wanted pitch and white noise are each taken apart into short spectra; a network says, for every
frame, which complex filter shapes the pulses and how loud the noise is in every bin; the sum is put together again by
overlap-add. After the harmonic-plus-noise idea of NSF (Wang et al. 2019) and the frame-rate spectral heads of Vocos
(Siuzdak 2023): no network runs at the sample rate.

Letters: T frames, M mel bands, F frequency bins, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator

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


FIRST_FRAMES, NEXT_FRAMES = 40, 160
"""Mel frames decoded at once: half a second, so that the first sound comes soon, then two seconds."""


class Vocoder:
    """The exported network between two Fourier transforms."""

    def __init__(self, graph: OnnxGraph, audio_format: AudioFormat = FORMAT) -> None:
        self._graph = graph
        self._format = audio_format
        # Frames on either side that decide a frame: of the smoothing filter and of every block.
        self._side = (int(graph.note["layers"]) + 1) * (int(graph.note["kernel"]) // 2)

    def noise_shape(self, frames: int) -> int:
        """Samples of standard normal noise that `stream` and `decode` want for so many frames."""
        return frames * self._format.hop

    def stream(self, mel: np.ndarray, pitch: np.ndarray, noise: np.ndarray) -> Iterator[Audio]:
        """Samples of (T, M) log mels with pitch (T,) in Hz, 0 where unvoiced, and standard normal noise (S,), in parts.

        The network sees windows that overlap by what it can look at, always the same ones: whoever takes the parts as
        they come and whoever waits for all of them get the same bits.
        """
        window = audio.hann(self._format.window)
        seen = features(mel, pitch)
        voice, breath = (audio.frames(source, self._format) for source in (pulses(pitch, self._format), noise))
        steps = self._format.window // self._format.hop
        side = (self._format.window - self._format.hop) // 2
        carried, skipped, first = np.zeros((steps - 1) * self._format.hop, np.float32), side, 0
        while first < len(mel):
            last = min(len(mel), first + (NEXT_FRAMES if first else FIRST_FRAMES))
            real, imaginary, gain = self._filters(seen, first, last)
            shaped = np.fft.rfft(voice[first:last] * window, axis=-1) * (real + 1j * imaginary)
            shaped += np.fft.rfft(breath[first:last] * window, axis=-1) * gain
            # Squared Hann windows a quarter apart add up to 3/2 everywhere.
            total = overlap_add(np.fft.irfft(shaped, axis=-1).astype(np.float32) * (window / 1.5), carried)
            ready = total[skipped:] if last == len(mel) else total[skipped : (last - first) * self._format.hop]
            carried, skipped, first = total[(last - first) * self._format.hop :], 0, last
            yield Audio(np.clip(ready[: len(ready) - side] if last == len(mel) else ready, -1.0, 1.0))

    def _filters(self, seen: np.ndarray, first: int, last: int) -> Iterator[np.ndarray]:
        """What the network says of frames `first` to `last`, each (T, F)."""
        before = min(self._side, first)
        answer = self._graph.run(features=seen[None, first - before : last + self._side])
        return (answer[name][0, before : before + last - first] for name in ("real", "imaginary", "noise"))

    def decode(self, mel: np.ndarray, pitch: np.ndarray, noise: np.ndarray) -> Audio:
        """All that `stream` gives, joined."""
        return Audio.join(self.stream(mel, pitch, noise))


def overlap_add(windows: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """Sum of windows (T, W) a quarter apart, and of what earlier ones have left, (T + 3) quarters long."""
    hop = windows.shape[1] - len(carried)
    total = np.zeros(len(windows) * hop + len(carried), dtype=np.float32)
    total[: len(carried)] = carried
    for step in range(windows.shape[1] // hop):
        part = total[step * hop : step * hop + len(windows) * hop].reshape(len(windows), hop)
        part += windows[:, step * hop : (step + 1) * hop]
    return total
