"""The aligner: which class of sound each mel frame is, from the frame and its neighbours.

Letters in shapes: B batch, T frames, M mel bands, C channels, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..aligner import CLASSES
from ..audio import FORMAT
from .layers import Block


@dataclass(frozen=True)
class AlignerShape:
    width: int = 256
    layers: int = 8
    kernel: int = 5
    dropout: float = 0.1
    mel_bands: int = FORMAT.mel_bands
    classes: int = CLASSES


class AlignerNet(nn.Module):
    """Scaled mel (B, T, M) -> log posteriors (B, T, K), as if every class were as frequent as any other.

    Balance is what a search needs: silence is a quarter of all frames, and would else be preferred wherever noise makes
    a sound uncertain. The mean of every band is taken off first: microphones and rooms change the spectrum by about
    that much.
    """

    def __init__(self, shape: AlignerShape) -> None:
        super().__init__()
        self.shape = shape
        self.enter = nn.Linear(shape.mel_bands, shape.width)
        self.blocks = nn.ModuleList(
            Block(shape.width, shape.kernel, 2, dilation=1 + layer // 2, dropout=shape.dropout, depth=shape.layers)
            for layer in range(shape.layers)
        )
        self.norm = nn.LayerNorm(shape.width)
        self.leave = nn.Linear(shape.width, shape.classes)
        self.register_buffer("log_prior", torch.zeros(shape.classes), persistent=False)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            x = mel - mel.mean(dim=1, keepdim=True)
        else:
            mean = (mel * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp(min=1.0)
            x = (mel - mean) * mask
        x = self.enter(x)
        for block in self.blocks:
            x = block(x, mask=mask)
        return functional.log_softmax(self.leave(self.norm(x)).float(), dim=-1)

    def expect(self, counts: Tensor) -> None:
        """Say how often each class (K,) occurs in what is trained on."""
        self.log_prior.copy_(torch.log((counts + 1.0) / (counts + 1.0).sum()))


def losses(net: AlignerNet, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross-entropy in nats a frame and the share of frames whose likeliest class is another, under labels (B, T).

    The classes' frequencies are put on after the network (logit adjustment, Menon et al. 2021), so it need not learn
    them.
    """
    found = functional.log_softmax(net(batch["mel"], batch["mask"]) + net.log_prior, dim=-1)
    mask = batch["mask"].squeeze(-1)
    entropy = -found.gather(-1, batch["labels"].unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        wrong = (found.argmax(dim=-1) != batch["labels"]).float()
    total = mask.sum()
    return {"entropy": (entropy * mask).sum() / total, "wrong": (wrong * mask).sum() / total}
