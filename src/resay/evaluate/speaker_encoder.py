"""ECAPA-TDNN as a judge of likeness, computed in numpy.

Desplanques, Thienpondt and Demuynck 2020, "ECAPA-TDNN: Emphasized Channel Attention, Propagation and Aggregation in
TDNN Based Speaker Verification"; SpeechBrain's VoxCeleb weights (Apache-2.0) with SpeechBrain's own front end.
Letters in shapes: S samples, T frames, M mel bands, C and D channels, K taps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from ..audio import Audio
from ..errors import BadAudio, BrokenModel
from ..train.speaker_levels import FILE_NAME, SAMPLE_RATE, levels

_SCALE = 8  # Res2Net groups
_DILATIONS = (2, 3, 4)
_SHORTEST = 0.3  # seconds


def _convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, dilation: int = 1) -> np.ndarray:
    """(C, T), (D, C, K) -> (D, T), mirrored at both ends so that the length stays."""
    taps = weight.shape[2]
    side = (taps - 1) * dilation // 2
    padded = np.pad(x, ((0, 0), (side, side)), mode="reflect") if side else x
    length = x.shape[1]
    total = weight[:, :, 0] @ padded[:, :length]
    for tap in range(1, taps):
        total += weight[:, :, tap] @ padded[:, tap * dilation : tap * dilation + length]
    return total + bias[:, None]


def weights(folder: Path, name: str) -> dict[str, np.ndarray]:
    """The arrays of a judge's file somewhere below a folder. Raises BrokenModel where it is missing."""
    found = sorted(folder.rglob(name))
    if not found:
        raise BrokenModel(f"{folder}: no {name}; fetch it with `resay evaluate judges --into DIR`")
    return load_file(found[0])


class SpeakerEncoder:
    """A speaker vector from sound, out of a folder with `ecapa.safetensors`."""

    name = "ECAPA-TDNN (VoxCeleb)"

    def __init__(self, folder: Path) -> None:
        """Raises BrokenModel where the file is missing."""
        self._weights = weights(folder, FILE_NAME)

    def embed(self, audio: Audio) -> np.ndarray:
        """Speaker vector, float32 (192,), unit length: the dot product of two is their cosine similarity.

        Raises BadAudio for less than 0.3 s of sound.
        """
        if audio.seconds < _SHORTEST:
            raise BadAudio(f"{audio.seconds:.2f} s is too short to tell a speaker by")
        x = self._tdnn("blocks.0", levels(audio.resampled(SAMPLE_RATE).samples))
        layers = []
        for number, dilation in enumerate(_DILATIONS, start=1):
            x = self._res2net(f"blocks.{number}", x, dilation)
            layers.append(x)
        pooled = self._normalise("asp_bn", self._pool(self._tdnn("mfa", np.concatenate(layers))))
        vector = self._conv("fc", pooled)[:, 0]
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def _conv(self, name: str, x: np.ndarray, dilation: int = 1) -> np.ndarray:
        return _convolve(x, self._weights[f"{name}.conv.weight"], self._weights[f"{name}.conv.bias"], dilation)

    def _normalise(self, name: str, x: np.ndarray) -> np.ndarray:
        """Batch normalisation with the stored statistics, (C, T) -> (C, T)."""
        weight, bias, mean, variance = (
            self._weights[f"{name}.norm.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + 1e-5)
        return x * scale[:, None] + (bias - mean * scale)[:, None]

    def _tdnn(self, name: str, x: np.ndarray, dilation: int = 1) -> np.ndarray:
        return self._normalise(f"{name}.norm", np.maximum(self._conv(f"{name}.conv", x, dilation), 0.0))

    def _res2net(self, name: str, x: np.ndarray, dilation: int) -> np.ndarray:
        """Squeeze-and-excitation Res2Net block with a shortcut, (C, T) -> (C, T)."""
        parts = np.split(self._tdnn(f"{name}.tdnn1", x), _SCALE)
        done = [parts[0]]
        for number, part in enumerate(parts[1:]):
            fed = part if number == 0 else part + done[-1]
            done.append(self._tdnn(f"{name}.res2net_block.blocks.{number}", fed, dilation))
        y = self._tdnn(f"{name}.tdnn2", np.concatenate(done))
        squeezed = np.maximum(self._conv(f"{name}.se_block.conv1", y.mean(axis=1, keepdims=True)), 0.0)
        gate = 1.0 / (1.0 + np.exp(-self._conv(f"{name}.se_block.conv2", squeezed)))
        return x + y * gate

    def _pool(self, x: np.ndarray) -> np.ndarray:
        """Attentive statistics over time, (C, T) -> (2 C, 1)."""
        mean, deviation = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
        seen = np.concatenate([x, np.broadcast_to(mean, x.shape), np.broadcast_to(deviation, x.shape)])
        scores = self._conv("asp.conv", np.tanh(self._tdnn("asp.tdnn", seen)))
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * x).sum(axis=1, keepdims=True)
        variance = (weights * (x - mean) ** 2).sum(axis=1, keepdims=True)
        return np.concatenate([mean, np.sqrt(np.maximum(variance, 1e-12))])
