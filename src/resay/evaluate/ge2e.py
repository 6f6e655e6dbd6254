"""GE2E as a second judge of likeness, computed in numpy: another network, loss and front end than ECAPA-TDNN's.

Wan, Wang, Papir and Lopez Moreno 2018, "Generalized End-to-End Loss for Speaker Verification"; Resemblyzer's weights
(Apache-2.0) with its front end, its removal of pauses left out. Letters in shapes: S samples, T frames, N windows,
C channels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import audio
from ..audio import Audio, AudioFormat
from ..errors import BadAudio
from .speaker_encoder import weights

FILE_NAME = "ge2e.safetensors"
FORMAT = AudioFormat(sample_rate=16_000, hop=160, window=400, mel_bands=40)
WINDOW, STEP = 160, 77
"""Frames that one vector is taken from, and from one window to the next."""
LAYERS = 3
LEVEL = 10 ** (-30 / 20)  # quieter sound is brought to it
_SHORTEST = 0.5  # seconds


def levels(samples: np.ndarray) -> np.ndarray:
    """Mel power, no logarithm, float32 (T, 40), of samples (S,) at 16 kHz."""
    loudness = np.sqrt(np.mean(samples.astype(np.float64) ** 2))
    samples = samples * max(1.0, LEVEL / max(loudness, 1e-9))
    padded = np.pad(samples, FORMAT.window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FORMAT.window)[:: FORMAT.hop]
    power = np.abs(np.fft.rfft(frames * audio.hann(FORMAT.window), axis=-1)) ** 2
    return (power @ audio.mel_filters(FORMAT).T).astype(np.float32)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


class Ge2eEncoder:
    """A speaker vector from sound, out of a folder with `ge2e.safetensors`."""

    name = "GE2E (Resemblyzer)"

    def __init__(self, folder: Path) -> None:
        """Raises BrokenModel where the file is missing."""
        self._weights = weights(folder, FILE_NAME)

    def embed(self, sound: Audio) -> np.ndarray:
        """Speaker vector, float32 (256,), unit length: the mean over windows of 1.6 s, the last with what is left.

        Raises BadAudio for less than 0.5 s of sound.
        """
        if sound.seconds < _SHORTEST:
            raise BadAudio(f"{sound.seconds:.2f} s is too short to tell a speaker by")
        mel = levels(sound.resampled(FORMAT.sample_rate).samples)
        starts = range(0, max(1, len(mel) - WINDOW // 4), STEP)
        windows = [np.pad(part, ((0, WINDOW - len(part)), (0, 0))) for part in (mel[s : s + WINDOW] for s in starts)]
        vectors = self._vectors(np.stack(windows))
        mean = vectors.mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype(np.float32)

    def _vectors(self, x: np.ndarray) -> np.ndarray:
        """Unit vectors (N, 256) of windows (N, T, 40)."""
        for layer in range(LAYERS):
            x = self._recur(x, layer)
        said = np.maximum(x[:, -1] @ self._weights["linear.weight"].T + self._weights["linear.bias"], 0.0)
        return said / np.linalg.norm(said, axis=1, keepdims=True)

    def _recur(self, x: np.ndarray, layer: int) -> np.ndarray:
        """One LSTM layer (Hochreiter and Schmidhuber 1997) over time, (N, T, C) -> (N, T, C)."""
        entering, again, bias, more = (
            self._weights[f"lstm.{part}_l{layer}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        fed = x @ entering.T + bias + more
        hidden = np.zeros((len(x), again.shape[1]), np.float32)
        cell = np.zeros_like(hidden)
        states = []
        for time in range(x.shape[1]):
            enter, forget, new, leave = np.split(fed[:, time] + hidden @ again.T, 4, axis=1)
            cell = _sigmoid(forget) * cell + _sigmoid(enter) * np.tanh(new)
            hidden = _sigmoid(leave) * np.tanh(cell)
            states.append(hidden)
        return np.stack(states, axis=1)
