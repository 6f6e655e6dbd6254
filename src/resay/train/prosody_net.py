"""The prosody language model: a small GPT over phonemes that says duration, pitch and energy of each in turn.

Letters in shapes: B batch, P phonemes, C channels, L steps taken at once, K steps kept in the cache, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..semantic import SEMANTIC
from ..text import phonemes
from .layers import Block, steered


@dataclass(frozen=True)
class ProsodyShape:
    width: int = 256
    text_layers: int = 4
    layers: int = 4
    heads: int = 4
    durations: int = 48
    """Duration tokens."""
    pitches: int = 192
    """Pitch contour tokens; 0 has no pitch of its own."""
    energies: int = 24
    """Energy tokens."""
    timbre: int = 192
    style: int = 16
    semantic: int = SEMANTIC
    dropout: float = 0.15


class ProsodyText(nn.Module):
    """What is said, and by whom -> (B, P, C), looking both ways.

    Reads phonemes (B, P), their words' meaning (B, P, S), timbre (B, 192), style (B, 16).

    A tuned voice moves the condition by an offset (B, C) and the blocks by an adapter (B, layers, 2 C).
    """

    def __init__(self, shape: ProsodyShape) -> None:
        super().__init__()
        self.symbol = nn.Embedding(len(phonemes.SYMBOLS), shape.width)
        self.accent = nn.Embedding(phonemes.ACCENTS, shape.width)
        nn.init.normal_(self.symbol.weight, std=0.3)
        nn.init.normal_(self.accent.weight, std=0.3)
        self.register_buffer("accent_of", torch.from_numpy(phonemes.ACCENT_OF), persistent=False)
        self.speaker = nn.Linear(shape.timbre, shape.width)
        self.style = nn.Linear(shape.style, shape.width)
        self.semantic = nn.Linear(shape.semantic, shape.width, bias=False)
        nn.init.zeros_(self.semantic.weight)
        self.timbre_gain = shape.timbre**0.5
        self.blocks = nn.ModuleList(
            Block(shape.width, 7, 3, shape.width, 1 + layer, shape.dropout, shape.text_layers)
            for layer in range(shape.text_layers)
        )
        self.norm = nn.LayerNorm(shape.width)

    def forward(
        self,
        ids: Tensor,
        semantic: Tensor,
        timbre: Tensor,
        style: Tensor,
        mask: Tensor | None = None,
        offset: Tensor | None = None,
        adapter: Tensor | None = None,
    ) -> Tensor:
        condition = self.speaker(timbre * self.timbre_gain) + self.style(style)
        if offset is not None:
            condition = condition + offset
        x = self.symbol(ids) + self.accent(self.accent_of[ids]) + self.semantic(semantic)
        x = steered(self.blocks, x, condition, mask, adapter)
        return self.norm(x) + condition.unsqueeze(1)


def rotate(x: Tensor, first: Tensor | int) -> Tensor:
    """Rotary position embedding (Su et al. 2021) of (B, H, L, C), whose steps are numbered from `first`."""
    half = x.shape[-1] // 2
    rates = torch.exp(torch.arange(half, device=x.device, dtype=torch.float32) * (-6.0 / half))
    positions = torch.arange(x.shape[2], device=x.device, dtype=torch.float32) + first
    angle = positions[:, None] * rates[None, :]
    cos, sin = torch.cos(angle).to(x.dtype), torch.sin(angle).to(x.dtype)
    left, right = x[..., :half], x[..., half:]
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


class Layer(nn.Module):
    """Causal self-attention and feed-forward, normalised first (GPT-2, Radford et al. 2019)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.norm_feed = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 3 * width)
        self.narrow = nn.Linear(3 * width, width)

    def forward(self, x: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Steps (B, L, C) after the keys and values kept (2, B, H, K, C / H); returns steps and the longer cache."""
        batch, steps, width = x.shape
        query, key, value = self.queries_keys_values(self.norm(x)).chunk(3, dim=-1)
        query, key, value = (
            part.reshape(batch, steps, self.heads, width // self.heads).transpose(1, 2) for part in (query, key, value)
        )
        past = kept.shape[3]
        query, key = rotate(query, past), rotate(key, past)
        kept = torch.cat([kept.to(key.dtype), torch.stack([key, value])], dim=3)
        score = query @ kept[0].transpose(2, 3) * (width // self.heads) ** -0.5
        ahead = (
            torch.arange(past + steps, device=x.device)[None, :] > torch.arange(steps, device=x.device)[:, None] + past
        )
        score = score.float().masked_fill(ahead, -1e9)
        out = (torch.softmax(score, dim=-1).to(value.dtype) @ kept[1]).transpose(1, 2).reshape(batch, steps, width)
        x = x + self.dropout(self.join(out))
        return x + self.narrow(self.dropout(functional.gelu(self.widen(self.norm_feed(x))))), kept


class ProsodySteps(nn.Module):
    """The autoregressive part: text of steps (B, L, C), tokens of the steps before (B, L, 3), cache -> hidden, cache.

    The cache is (layers, 2, B, H, K, C / H). Token 0 of the first step means that nothing came before.
    """

    def __init__(self, shape: ProsodyShape) -> None:
        super().__init__()
        self.duration = nn.Embedding(shape.durations + 1, shape.width)
        self.pitch = nn.Embedding(shape.pitches + 1, shape.width)
        self.energy = nn.Embedding(shape.energies + 1, shape.width)
        self.layers = nn.ModuleList(Layer(shape.width, shape.heads, shape.dropout) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, text: Tensor, before: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        x = text + self.duration(before[..., 0]) + self.pitch(before[..., 1]) + self.energy(before[..., 2])
        longer = []
        for index, layer in enumerate(self.layers):
            x, kept = layer(x, cache[index])
            longer.append(kept)
        return self.norm(x), torch.stack(longer)


class ProsodyHeads(nn.Module):
    """Hidden (B, L, C) and the tokens already chosen for the step -> logits of duration, then pitch, then energy."""

    def __init__(self, shape: ProsodyShape) -> None:
        super().__init__()
        self.chosen_duration = nn.Embedding(shape.durations, shape.width)
        self.chosen_pitch = nn.Embedding(shape.pitches, shape.width)
        self.duration = nn.Linear(shape.width, shape.durations)
        self.pitch = nn.Sequential(
            nn.Linear(shape.width, shape.width), nn.GELU(), nn.Linear(shape.width, shape.pitches)
        )
        self.energy = nn.Sequential(
            nn.Linear(shape.width, shape.width), nn.GELU(), nn.Linear(shape.width, shape.energies)
        )

    def forward(self, hidden: Tensor, duration: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with_duration = hidden + self.chosen_duration(duration)
        with_both = with_duration + self.chosen_pitch(pitch)
        return self.duration(hidden), self.pitch(with_duration), self.energy(with_both)


class ProsodyNet(nn.Module):
    def __init__(self, shape: ProsodyShape) -> None:
        super().__init__()
        self.shape = shape
        self.text = ProsodyText(shape)
        self.steps = ProsodySteps(shape)
        self.heads = ProsodyHeads(shape)

    def empty_cache(self, batch: int) -> Tensor:
        """The cache before the first step, (layers, 2, B, H, 0, C / H)."""
        shape = self.shape
        return torch.zeros(shape.layers, 2, batch, shape.heads, 0, shape.width // shape.heads)


def losses(net: ProsodyNet, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross-entropy in nats of the three tokens of every phoneme, all before it given."""
    tokens, mask = batch["tokens"], batch["phoneme_mask"]
    text = net.text(batch["ids"], batch["semantic"], batch["timbre"], batch["style"], mask)
    before = functional.pad(tokens[:, :-1] + 1, (0, 0, 1, 0))
    hidden, _ = net.steps(text, before, net.empty_cache(len(tokens)).to(text.device))
    logits = net.heads(hidden, tokens[..., 0], tokens[..., 1])
    found = {}
    for column, (name, values) in enumerate(zip(("duration", "pitch", "energy"), logits, strict=True)):
        loss = functional.cross_entropy(values.float().flatten(0, 1), tokens[..., column].flatten(), reduction="none")
        found[name] = (loss * mask.flatten()).sum() / mask.sum()
    return found
