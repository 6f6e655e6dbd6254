"""A strong speaker encoder as a teacher: the timbre encoder learns its vectors, its layers hear likeness.

The teacher is ECAPA-TDNN (Desplanques et al. 2020) with SpeechBrain's VoxCeleb weights, the network that
`resay.evaluate.speaker_encoder` computes in numpy; here it is in torch, frozen, and passes gradients on. It is used in
training only: nothing of it ships, and whoever is taught by it must be judged by another.

Letters in shapes: B batch, T frames of 10 ms, C channels, M mel bands, F frames of ours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from ..audio import FORMAT, MEL_SPREAD, mel_filters
from ..errors import BadFile
from .speaker_levels import BANDS, FILE_NAME, FRAME_RATE, SAMPLE_RATE, filters

VECTOR = 192
DILATIONS = (2, 3, 4)
GROUPS = 8


class _Convolution(nn.Module):
    """(B, T, C) -> (B, T, D) over some taps, mirrored at both ends; as one matrix product, the fastest way on a CPU."""

    def __init__(self, weights: dict[str, Tensor], name: str, dilation: int = 1) -> None:
        super().__init__()
        weight = weights[f"{name}.weight"]
        self.taps, self.dilation = weight.shape[2], dilation
        self.register_buffer("weight", weight.permute(0, 2, 1).reshape(len(weight), -1).contiguous(), persistent=False)
        self.register_buffer("bias", weights[f"{name}.bias"], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.taps > 1:
            side, count = (self.taps - 1) * self.dilation // 2, x.shape[1]
            padded = functional.pad(x.transpose(1, 2), (side, side), mode="reflect").transpose(1, 2)
            x = torch.cat([padded[:, tap * self.dilation :][:, :count] for tap in range(self.taps)], dim=-1)
        return functional.linear(x, self.weight, self.bias)


class _Normalisation(nn.Module):
    """Batch normalisation with the stored statistics."""

    def __init__(self, weights: dict[str, Tensor], name: str) -> None:
        super().__init__()
        weight, bias, mean, variance = (
            weights[f"{name}.norm.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / torch.sqrt(variance + 1e-5)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", bias - mean * scale, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.to(x.dtype) + self.shift.to(x.dtype)


class _Tdnn(nn.Module):
    def __init__(self, weights: dict[str, Tensor], name: str, dilation: int = 1) -> None:
        super().__init__()
        self.convolution = _Convolution(weights, f"{name}.conv.conv", dilation)
        self.normalisation = _Normalisation(weights, f"{name}.norm")

    def forward(self, x: Tensor) -> Tensor:
        return self.normalisation(functional.relu(self.convolution(x)))


class _Res2Net(nn.Module):
    """Groups of channels that hear ever wider stretches, gated by what the whole stretch is like."""

    def __init__(self, weights: dict[str, Tensor], name: str, dilation: int) -> None:
        super().__init__()
        self.enter = _Tdnn(weights, f"{name}.tdnn1")
        self.groups = nn.ModuleList(
            _Tdnn(weights, f"{name}.res2net_block.blocks.{number}", dilation) for number in range(GROUPS - 1)
        )
        self.leave = _Tdnn(weights, f"{name}.tdnn2")
        self.squeeze = _Convolution(weights, f"{name}.se_block.conv1.conv")
        self.excite = _Convolution(weights, f"{name}.se_block.conv2.conv")

    def forward(self, x: Tensor) -> Tensor:
        first, *parts = self.enter(x).chunk(GROUPS, dim=-1)
        done = [first]
        for number, (group, part) in enumerate(zip(self.groups, parts, strict=True)):
            done.append(group(part if number == 0 else part + done[-1]))
        y = self.leave(torch.cat(done, dim=-1))
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(y.mean(dim=1, keepdim=True)))))
        return x + y * gate


class SpeakerTeacher(nn.Module):
    """Mel levels in dB (B, T, 80), each band's mean taken off -> unit vectors (B, 192) and the layers' features."""

    def __init__(self, folder: Path) -> None:
        """Raises BadFile where `folder` has no `ecapa.safetensors`; `resay evaluate judges` fetches it."""
        super().__init__()
        found = sorted(folder.rglob(FILE_NAME))
        if not found:
            raise BadFile(f"{folder}: no {FILE_NAME}; fetch it with `resay evaluate judges --into DIR`")
        weights = load_file(found[0])
        self.enter = _Tdnn(weights, "blocks.0")
        self.blocks = nn.ModuleList(_Res2Net(weights, f"blocks.{n}", d) for n, d in enumerate(DILATIONS, start=1))
        self.join = _Tdnn(weights, "mfa")
        self.attend = _Tdnn(weights, "asp.tdnn")
        self.weigh = _Convolution(weights, "asp.conv.conv")
        self.normalisation = _Normalisation(weights, "asp_bn")
        self.leave = _Convolution(weights, "fc.conv")

    def forward(self, level: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = [self.enter(level)]
        for block in self.blocks:
            features.append(block(features[-1]))
        x = self.join(torch.cat(features[1:], dim=-1))
        pooled = self.normalisation(self._pool(x)).unsqueeze(1)
        return functional.normalize(self.leave(pooled)[:, 0].float(), dim=-1), features

    def _pool(self, x: Tensor) -> Tensor:
        """Attentive statistics over time, (B, T, C) -> (B, 2 C)."""
        mean, deviation = x.mean(dim=1, keepdim=True), x.float().std(dim=1, keepdim=True, unbiased=False).to(x.dtype)
        seen = torch.cat([x, mean.expand_as(x), deviation.expand_as(x)], dim=-1)
        weight = torch.softmax(self.weigh(torch.tanh(self.attend(seen))).float(), dim=1)
        x = x.float()
        mean = (weight * x).sum(dim=1)
        variance = (weight * (x - mean.unsqueeze(1)) ** 2).sum(dim=1)
        return torch.cat([mean, variance.clamp(min=1e-8).sqrt()], dim=-1)


class Bridge(nn.Module):
    """Our scaled mels (B, F, M) -> what the teacher reads (B, T, 80), so that gradients reach a mel.

    Linear in time from 80 to 100 frames a second; then a small network over three frames, fitted on recordings.
    """

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.enter = nn.Linear(3 * FORMAT.mel_bands, width)
        self.middle = nn.Linear(width, width)
        self.leave = nn.Linear(width, BANDS)
        self.direct = nn.Linear(FORMAT.mel_bands, BANDS)
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            self.direct.weight.copy_(torch.from_numpy(_between_bands() * MEL_SPREAD * 20.0 / np.log(10.0)))

    def forward(self, mel: Tensor) -> Tensor:
        x = functional.pad(mel.transpose(1, 2), (1, 1), mode="replicate").transpose(1, 2)
        x = torch.cat([x[:, :-2], mel, x[:, 2:]], dim=-1)
        x = self.direct(mel) + self.leave(functional.gelu(self.middle(functional.gelu(self.enter(x)))))
        level = _at_teachers_times(x)
        return level - level.mean(dim=1, keepdim=True)


def _between_bands() -> np.ndarray:
    """Weights (80, M) that read our bands at the centres of the teacher's: where the bridge starts."""
    ours, theirs = mel_filters(), filters().T
    centres = [
        (bands * np.linspace(0.0, rate / 2, bands.shape[1])).sum(axis=1) / bands.sum(axis=1)
        for bands, rate in ((ours, FORMAT.sample_rate), (theirs, SAMPLE_RATE))
    ]
    return np.stack([np.interp(centres[1], centres[0], row) for row in np.eye(len(ours))], axis=1).astype(np.float32)


def _at_teachers_times(x: Tensor) -> Tensor:
    """(B, F, C) at 80 frames a second, the first half a frame in -> (B, T, C) at 100, the first at the start."""
    count = x.shape[1]
    step = FORMAT.frame_rate / FRAME_RATE
    place = torch.arange(int(count / step), device=x.device) * step - 0.5
    place = place.clamp(0, count - 1)
    low = place.floor().long().clamp(max=count - 2)
    share = (place - low).to(x.dtype)[None, :, None]
    return x[:, low] * (1 - share) + x[:, low + 1] * share
