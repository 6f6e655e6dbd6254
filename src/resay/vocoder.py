"""Mel and pitch to samples: a source-filter vocoder.

A pulse train of the wanted pitch and white noise are each taken apart into short spectra; a network says, for every
frame, which complex filter shapes the pulses and how loud the noise is in every bin; the sum is put together again by
overlap-add. After the harmonic-plus-noise idea of NSF (Wang et al. 2019) and the frame-rate spectral heads of Vocos
(Siuzdak 2023): no network runs at the sample rate.

Letters: T frames, M mel bands, F frequency bins, S samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat

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
    # The sum of cos(k x), k = 1…K, is Dirichlet's kernel in closed form. Turns are counted in float64 and kept within
    # half a turn, which holds the K-th harmonic steady over minutes; the sines of that may be of single precision.
    turns = np.cumsum(hertz / audio_format.sample_rate)
    phase = (2 * np.pi * (turns - np.rint(turns))).astype(np.float32)
    count = np.floor(audio_format.sample_rate / 2 / hertz).astype(np.float32)
    below = np.sin(phase / 2)
    singular = np.abs(below) < 1e-9
    kernel = np.sin((count + np.float32(0.5)) * phase) / np.where(singular, 1, 2 * below) - np.float32(0.5)
    return np.where(singular, count, kernel) * np.sqrt(2 / count)


def features(mel: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """What the network reads of log mels (T, M) with a pitch (T,) in Hz, 0 where unvoiced: `_columns`."""
    return _columns(mel, filled_pitch(pitch), pitch > 0)


def _columns(mel: np.ndarray, pitch: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """Scaled mel, octaves of pitch, voicing: float32 (T, M + 2)."""
    columns = [(mel - MEL_CENTRE) / MEL_SPREAD, np.log2(pitch / PITCH_CENTRE)[:, None], voiced[:, None]]
    return np.concatenate(columns, axis=1).astype(np.float32)


WINDOWS = 40, 160, 480
"""Mel frames decoded at once: half a second, so that the first sound comes soon, two seconds, then ever six."""


class Vocoder:
    """The exported network between two Fourier transforms."""

    def __init__(self, graph: OnnxGraph, audio_format: AudioFormat = FORMAT) -> None:
        self._graph = graph
        self._format = audio_format
        # Frames on either side that decide a frame: of the smoothing filter and of every block.
        self._side = (int(graph.note["layers"]) + 1) * (int(graph.note["kernel"]) // 2)

    def stream(
        self, parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], noise: Callable[[int], np.ndarray]
    ) -> Iterator[Audio]:
        """Samples, in parts, of log mels (T, M) that come in parts with which frames are voiced (T,), and a pitch (T,).

        The pitch in Hz goes on where nothing is voiced. `noise` draws so many more standard normal numbers (S,). The
        network sees windows that overlap by what it can look at, always the same ones: whoever takes the parts as they
        come and whoever waits for all of them get the same bits.
        """
        window, hop = audio.hann(self._format.window), self._format.hop
        side = (self._format.window - hop) // 2
        carried, skipped = np.zeros(self._format.window - hop, np.float32), side
        for first, last, ends, seen, sources in self._windows(parts, noise):
            real, imaginary, gain = self._filters(seen, first, last)
            voice, breath = (np.fft.rfft(source[first:last] * window, axis=-1) for source in sources)
            shaped = voice * (real + 1j * imaginary) + breath * gain
            # Squared Hann windows a quarter apart add up to 3/2 everywhere.
            total = overlap_add(np.fft.irfft(shaped, axis=-1).astype(np.float32) * (window / 1.5), carried)
            ready = total[skipped:] if ends else total[skipped : (last - first) * hop]
            carried, skipped = total[(last - first) * hop :], 0
            yield Audio(np.clip(ready[: len(ready) - side] if ends else ready, -1.0, 1.0))

    def _windows(
        self, parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], noise: Callable[[int], np.ndarray]
    ) -> Iterator[tuple[int, int, bool, np.ndarray, list[np.ndarray]]]:
        """Frames that are decoded together: first, past the last, whether nothing comes after them.

        With what has come so far of what the network reads (T, M + 2), and of voice and breath, windows (T, window).
        """
        coming, sizes = iter(parts), chain(WINDOWS, repeat(WINDOWS[-1]))
        known: list[tuple[np.ndarray, ...]] = []
        first = count = 0
        ends = False
        while not ends:
            last = first + next(sizes)
            news = len(known)
            while count < last + self._side and (part := next(coming, None)) is not None:
                known.append((*part, noise(len(part[0]) * self._format.hop)))
                count += len(part[0])
            if len(known) > news:
                mel, voiced, pitch, breath = (np.concatenate(column) for column in zip(*known, strict=True))
                heard = harmonics(pitch, self._format) * voicing(voiced, self._format)
                sources = [audio.frames(of.astype(np.float32), self._format) for of in (heard, breath)]
                seen = _columns(mel, pitch, voiced)
            last, ends = min(last, count), count <= last
            yield first, last, ends, seen, sources
            first = last

    def _filters(self, seen: np.ndarray, first: int, last: int) -> Iterator[np.ndarray]:
        """What the network says of frames `first` to `last`, each (T, F)."""
        before = min(self._side, first)
        answer = self._graph.run(features=seen[None, first - before : last + self._side])
        return (answer[name][0, before : before + last - first] for name in ("real", "imaginary", "noise"))

    def decode(self, mel: np.ndarray, pitch: np.ndarray, noise: Callable[[int], np.ndarray]) -> Audio:
        """The whole sound of log mels (T, M) with a pitch (T,) in Hz, 0 where unvoiced; `noise` is as in `stream`."""
        return Audio.join(self.stream([(mel, pitch > 0, filled_pitch(pitch))], noise))


def overlap_add(windows: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """Sum of windows (T, W) a quarter apart, and of what earlier ones have left, (T + 3) quarters long."""
    hop = windows.shape[1] - len(carried)
    total = np.zeros(len(windows) * hop + len(carried), dtype=np.float32)
    total[: len(carried)] = carried
    for step in range(windows.shape[1] // hop):
        part = total[step * hop : step * hop + len(windows) * hop].reshape(len(windows), hop)
        part += windows[:, step * hop : (step + 1) * hop]
    return total
