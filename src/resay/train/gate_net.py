"""The gate's network: what disturbs a voice.

Letters in shapes: B batch, T mel frames, U units of four frames, K kinds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..audio import FORMAT
from .layers import Block


@dataclass(frozen=True)
class GateShape:
    width: int = 96
    layers: int = 6
    kernel: int = 7
    expansion: int = 2
    kinds: int = 3
    mel_bands: int = FORMAT.mel_bands


class GateNet(nn.Module):
    """Scaled log mels (B, T, M) at the shared speech level -> logits of each unit (B, U, K) and of the clip (B, K).

    Four frames are one unit: chords, echo and second voices last longer. The clip is judged by mean, spread and
    loudest of what its units show, so that a long pause does not hide what the words told.
    """

    def __init__(self, shape: GateShape) -> None:
        super().__init__()
        self.shape = shape
        self.enter = nn.Linear(4 * shape.mel_bands, shape.width)
        self.blocks = nn.ModuleList(
            Block(shape.width, shape.kernel, shape.expansion, dilation=(1, 2, 4)[layer % 3], depth=shape.layers)
            for layer in range(shape.layers)
        )
        self.norm = nn.LayerNorm(shape.width)
        self.units = nn.Linear(shape.width, shape.kinds)
        self.clip = nn.Sequential(nn.Linear(3 * shape.width, 48), nn.GELU(), nn.Linear(48, shape.kinds))

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        batch, frames, bands = mel.shape
        x = self.enter(mel[:, : frames // 4 * 4].reshape(batch, frames // 4, 4 * bands))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x).float()
        mean = x.mean(dim=1)
        spread = ((x * x).mean(dim=1) - mean * mean).clamp(min=1e-4).sqrt()
        return self.units(x), self.clip(torch.cat([mean, spread, x.amax(dim=1)], dim=-1))


def losses(net: GateNet, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross entropies of units (where there is sound of the kind) and of whole clips."""
    units, clip = net(batch["mel"])
    return {
        "units": functional.binary_cross_entropy_with_logits(units, batch["units"]),
        "clip": functional.binary_cross_entropy_with_logits(clip, batch["clip"]),
    }
