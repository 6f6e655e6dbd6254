"""What the networks are built of. Letters in shapes: B batch, T frames or phonemes, C channels, D condition width."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional


class Depthwise(nn.Module):
    """One filter over time for each channel, (B, T, C) -> (B, T, C)."""

    def __init__(self, channels: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, 1, 1, kernel) * kernel**-0.5)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.dilation = dilation
        self.side = (kernel - 1) // 2 * dilation

    def forward(self, x: Tensor) -> Tensor:
        # As an image of height one, the transposed view is already "channels last": a CPU runs it some thirty times
        # faster than a one-dimensional convolution.
        image = x.transpose(1, 2).unsqueeze(2)
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        image = functional.conv2d(
            image, weight, bias, padding=(0, self.side), dilation=(1, self.dilation), groups=x.shape[2]
        )
        return image.squeeze(2).transpose(1, 2)


def rank_parts(outer: int, inner: int) -> list[int]:
    """How a row of `ranks` is divided: what reads and what writes of the widening matrix, then of the narrowing one."""
    return [outer, inner, inner, outer]


class Block(nn.Module):
    """ConvNeXt block (Liu et al. 2022) over time, optionally steered by a condition (B, D) through scale and shift.

    An adapter (B, 2 C) moves scale and shift for one voice, and `ranks` (B, R, 2 C + 2 E), E being the inner width, add
    a change of low rank to both matrices (LoRA, Hu et al. 2022), divided by `rank_parts`. Zeros leave the block as it
    is.
    """

    def __init__(
        self,
        channels: int,
        kernel: int = 7,
        expansion: int = 3,
        condition: int = 0,
        dilation: int = 1,
        dropout: float = 0.0,
        depth: int = 8,
    ) -> None:
        super().__init__()
        self.depthwise = Depthwise(channels, kernel, dilation)
        self.norm = nn.LayerNorm(channels)
        self.steer = nn.Linear(condition, 2 * channels) if condition else None
        self.widen = nn.Linear(channels, expansion * channels)
        self.narrow = nn.Linear(expansion * channels, channels)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        # A small start keeps a deep stack close to the identity, as the paper's layer scale does.
        self.scale = nn.Parameter(torch.full((channels,), 1.0 / depth))
        if self.steer is not None:
            nn.init.zeros_(self.steer.weight)
            nn.init.zeros_(self.steer.bias)

    def forward(
        self,
        x: Tensor,
        condition: Tensor | None = None,
        mask: Tensor | None = None,
        adapter: Tensor | None = None,
        ranks: Tensor | None = None,
    ) -> Tensor:
        y = self.norm(self.depthwise(x if mask is None else x * mask))
        if self.steer is not None:
            steering = self.steer(condition) if adapter is None else self.steer(condition) + adapter
            gain, shift = steering.unsqueeze(1).chunk(2, dim=-1)
            y = y * (1 + gain) + shift
        if ranks is None:
            y = self.narrow(self.dropout(functional.gelu(self.widen(y))))
        else:
            parts = rank_parts(self.widen.in_features, self.widen.out_features)
            into, widened, back, narrowed = ranks.split(parts, dim=-1)
            y = functional.gelu(self.widen(y) + (y @ into.transpose(1, 2)) @ widened)
            y = self.narrow(y) + (y @ back.transpose(1, 2)) @ narrowed
        return x + y * self.scale


def steered(
    blocks: Iterable[nn.Module],
    x: Tensor,
    condition: Tensor,
    mask: Tensor | None,
    adapter: Tensor | None,
    ranks: Tensor | None = None,
) -> Tensor:
    """(B, T, C) through a stack of blocks, each with its row of the adapter (B, layers, 2 C) and of the ranks."""
    for layer, block in enumerate(blocks):
        own = (None if part is None else part[:, layer] for part in (adapter, ranks))
        x = block(x, condition, mask, *own)
    return x


def lengths_mask(lengths: Tensor, longest: int) -> Tensor:
    """1.0 where a row has content, (B,) -> (B, T, 1)."""
    return (torch.arange(longest, device=lengths.device)[None, :] < lengths[:, None]).float().unsqueeze(-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B, T, C) over the positions that the mask (B, T, 1) keeps."""
    return (values * mask).sum() / (mask.sum() * values.shape[-1]).clamp(min=1.0)
