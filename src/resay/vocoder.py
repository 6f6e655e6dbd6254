"""Mel and pitch to samples: a source-filter vocoder.

A pulse train of the wanted pitch and white noise are each taken apart into short spectra; a network says, for every
frame, which complex filter shapes the pulses and how loud the noise is in every bin; the sum is put together again by
overlap-add. After the harmonic-plus-noise idea of NSF (Wang et al. 2019) and the frame-rate spectral heads of Vocos
(Siuzdak 2023): no network runs at the sample rate.

Letters: T frames, M mel bands, F frequency bins, S samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from . import audio
from .audio import FORMAT, MEL_CENTRE, MEL_SPREAD, Audio, AudioFormat
from .onnx_graph import OnnxGraph
from .pitch import PITCH_CENTRE, filled_pitch


def pulses(pitch: np.ndarray, audio_format: AudioFormat = FORMAT) -> np.ndarray:
    """The voice source of a pitch (T,) in Hz, 0 where unvoiced: `harmonics` where it is voiced, float32 (S,)."""
    return (harmonics(filled_pitch(pitch), audio_format) * voicing(pitch > 0, audio_format)).astype(np.float32)


def voicing(voiced: np.ndarray, audio_format: AudioFormat = FORMAT) -> np.ndarray:
    """How much voice there is at every sample, 0 to 1, of frames that are voiced or not (T,) -> (S,)."""
    return _along(voiced.astype(np.float64), audio_format)


def _along(values: np.ndarray, audio_format: AudioFormat) -> np.ndarray:
    """Values of the frames' middles (T,) at every sample (S,), by straight lines."""
    centres = (np.arange(len(values)) + 0.5) * audio_format.hop
    return np.interp(np.arange(len(values) * audio_format.hop), centres, values)


def harmonics(pitch: np.ndarray, audio_format: AudioFormat = FORMAT) -> np.ndarray:
    """All harmonics below half the sample rate of a pitch in Hz, in phase, unit power; (T,) -> (S,)."""
    hertz = _along(pitch, audio_format)
    # The sum of cos(k x), k = 1…K, is Dirichlet's kernel in closed form. float64 and a phase kept below one turn hold
    # the K-th harmonic steady over minutes.
    phase = 2 * np.pi * np.mod(np.cumsum(hertz / audio_format.sample_rate), 1.0)
    count = np.floor(audio_format.sample_rate / 2 / hertz)
    below = np.sin(phase / 2)
    singular = np.abs(below) < 1e-9
    kernel = np.sin((count + 0.5) * phase) / np.where(singular, 1.0, 2 * below) - 0.5
    return np.where(singular, count, kernel) * np.sqrt(2.0 / count)


def features(mel: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """What the network reads of log mels (T, M) with a pitch (T,) in Hz, 0 where unvoiced: `_columns`."""
    return _columns(mel, filled_pitch(pitch), pitch > 0)


def _columns(mel: np.ndarray, pitch: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """Scaled mel, octaves of pitch, voicing: float32 (T, M + 2)."""
    columns = [(mel - MEL_CENTRE) / MEL_SPREAD, np.log2(pitch / PITCH_CENTRE)[:, None], voiced[:, None]]
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

    def stream(
        self, parts: Iterable[tuple[np.ndarray, np.ndarray]], pitch: np.ndarray, noise: np.ndarray
    ) -> Iterator[Audio]:
        """Samples, in parts, of log mels (T, M) that come in parts, each with which of its frames are voiced (T,).

        `pitch` (T,) in Hz goes on where nothing is voiced; it and the standard normal noise (S,) are of the whole.
        The network sees windows that overlap by what it can look at, always the same ones: whoever takes the parts as
        they come and whoever waits for all of them get the same bits.
        """
        window = audio.hann(self._format.window)
        source, breath = harmonics(pitch, self._format), audio.frames(noise, self._format)
        steps = self._format.window // self._format.hop
        side = (self._format.window - self._format.hop) // 2
        carried, skipped, first = np.zeros((steps - 1) * self._format.hop, np.float32), side, 0
        coming = iter(parts)
        mel, voiced = next(coming)
        seen, voice = self._known(mel, voiced, pitch, source)
        while first < len(pitch):
            last = min(len(pitch), first + (NEXT_FRAMES if first else FIRST_FRAMES))
            while len(seen) < min(len(pitch), last + self._side):
                more, also = next(coming)
                mel, voiced = np.concatenate([mel, more]), np.concatenate([voiced, also])
                seen, voice = self._known(mel, voiced, pitch, source)
            real, imaginary, gain = self._filters(seen, first, last)
            shaped = np.fft.rfft(voice[first:last] * window, axis=-1) * (real + 1j * imaginary)
            shaped += np.fft.rfft(breath[first:last] * window, axis=-1) * gain
            # Squared Hann windows a quarter apart add up to 3/2 everywhere.
            total = overlap_add(np.fft.irfft(shaped, axis=-1).astype(np.float32) * (window / 1.5), carried)
            ready = total[skipped:] if last == len(pitch) else total[skipped : (last - first) * self._format.hop]
            carried, skipped, first = total[(last - first) * self._format.hop :], 0, last
            yield Audio(np.clip(ready[: len(ready) - side] if last == len(pitch) else ready, -1.0, 1.0))

    def _known(
        self, mel: np.ndarray, voiced: np.ndarray, pitch: np.ndarray, source: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the network reads of the frames that have come, and windows of their voice source (T, window)."""
        count = len(mel)
        heard = source[: count * self._format.hop] * voicing(voiced, self._format)
        return _columns(mel, pitch[:count], voiced), audio.frames(heard.astype(np.float32), self._format)

    def _filters(self, seen: np.ndarray, first: int, last: int) -> Iterator[np.ndarray]:
        """What the network says of frames `first` to `last`, each (T, F)."""
        before = min(self._side, first)
        answer = self._graph.run(features=seen[None, first - before : last + self._side])
        return (answer[name][0, before : before + last - first] for name in ("real", "imaginary", "noise"))

    def decode(self, mel: np.ndarray, pitch: np.ndarray, noise: np.ndarray) -> Audio:
        """The whole sound of log mels (T, M) with a pitch (T,) in Hz, 0 where unvoiced, from noise (S,)."""
        return Audio.join(self.stream([(mel, pitch > 0)], filled_pitch(pitch), noise))


def overlap_add(windows: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """Sum of windows (T, W) a quarter apart, and of what earlier ones have left, (T + 3) quarters long."""
    hop = windows.shape[1] - len(carried)
    total = np.zeros(len(windows) * hop + len(carried), dtype=np.float32)
    total[: len(carried)] = carried
    for step in range(windows.shape[1] // hop):
        part = total[step * hop : step * hop + len(windows) * hop].reshape(len(windows), hop)
        part += windows[:, step * hop : (step + 1) * hop]
    return total
