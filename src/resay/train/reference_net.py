"""The timbre encoder: any stretch of speech to one vector that says who speaks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..audio import FORMAT
from .layers import Block


@dataclass(frozen=True)
class ReferenceShape:
    width: int = 256
    layers: int = 5
    kernel: int = 7
    expansion: int = 2
    timbre: int = 192
    mel_bands: int = FORMAT.mel_bands


class ReferenceNet(nn.Module):
    """Scaled log mels (B, T, M) at the shared speech level, with mask (B, T, 1) -> timbre (B, 192) of unit length.

    Convolutions with growing reach, then attentive statistics pooling (Okabe et al. 2018): the mean and spread of what
    was heard, weighted by how much each frame tells.
    """

    def __init__(self, shape: ReferenceShape) -> None:
        super().__init__()
        self.shape = shape
        self.enter = nn.Linear(2 * shape.mel_bands, shape.width)
        self.blocks = nn.ModuleList(
            Block(shape.width, shape.kernel, shape.expansion, dilation=1 + layer % 3, depth=shape.layers)
            for layer in range(shape.layers)
        )
        self.norm = nn.LayerNorm(shape.width)
        self.attend = nn.Sequential(nn.Linear(shape.width, 64), nn.Tanh(), nn.Linear(64, shape.width))
        self.leave = nn.Linear(2 * shape.width, shape.timbre)

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        # Two frames as one halve the work; timbre does not live in single frames.
        batch, frames, bands = mel.shape
        mel = mel[:, : frames // 2 * 2].reshape(batch, frames // 2, 2 * bands)
        mask = mask[:, : frames // 2 * 2 : 2]
        x = self.enter(mel)
        for block in self.blocks:
            x = block(x, mask=mask)
        x = self.norm(x).float()
        weight = torch.softmax(self.attend(x).float().masked_fill(mask == 0, -1e4), dim=1)
        mean = (weight * x).sum(dim=1)
        spread = ((weight * x * x).sum(dim=1) - mean * mean).clamp(min=1e-4).sqrt()
        return functional.normalize(self.leave(torch.cat([mean, spread], dim=-1)).float(), dim=-1)


class SpeakerHead(nn.Module):
    """Additive angular margin softmax (ArcFace, Deng et al. 2019) over the training speakers."""

    def __init__(self, timbre: int, speakers: int, margin: float = 0.2, scale: float = 24.0) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(speakers, timbre) * timbre**-0.5)
        self.margin, self.scale = margin, scale

    def forward(self, timbre: Tensor, speaker: Tensor) -> Tensor:
        """Loss of timbre vectors (B, 192) whose speakers are numbered (B,)."""
        cosine = timbre @ functional.normalize(self.centres, dim=-1).T
        own = functional.one_hot(speaker, cosine.shape[1]).bool()
        angle = torch.acos(cosine.clamp(-1 + 1e-4, 1 - 1e-4))
        with_margin = torch.where(own, torch.cos(angle + self.margin), cosine)
        return functional.cross_entropy(self.scale * with_margin, speaker)


class ReferenceTraining(nn.Module):
    """The encoder together with what only training needs."""

    def __init__(self, shape: ReferenceShape, speakers: int) -> None:
        super().__init__()
        self.encoder = ReferenceNet(shape)
        self.head = SpeakerHead(shape.timbre, speakers)


def losses(net: ReferenceTraining, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Speaker classification, and crops of one speaker nearer to each other than to the rest of the batch.

    With a teacher's vectors `taught` (B, 192) in the batch also the distance from them, and each crop nearer to its own
    teacher's vector than to those of the others.
    """
    timbre = net.encoder(batch["mel"], batch["mask"])
    with torch.autocast(timbre.device.type, enabled=False):
        same = batch["speaker"][:, None] == batch["speaker"][None, :]
        same.fill_diagonal_(False)
        pairs = _nearest(timbre, timbre, same)
        found = {"speaker": net.head(timbre, batch["speaker"]), "pairs": pairs}
        if "taught" in batch:
            taught = batch["taught"]
            found["taught"] = 1.0 - (timbre * taught).sum(dim=-1).mean()
            found["found"] = _nearest(timbre, taught, same)
    return found


def _nearest(vectors: Tensor, others: Tensor, same: Tensor) -> Tensor:
    """How surprising it is that vectors (B, 192) lie near those of `others` that are of the `same` (B, B) speaker."""
    likeness = 15.0 * vectors @ others.T
    likeness = likeness.masked_fill(torch.eye(len(vectors), dtype=torch.bool, device=vectors.device), -1e4)
    log_share = likeness - likeness.logsumexp(dim=1, keepdim=True)
    return -((log_share * same).sum(dim=1) / same.sum(dim=1).clamp(min=1)).mean()
