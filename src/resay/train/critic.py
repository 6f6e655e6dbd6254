"""Adversarial training of the acoustic model: a critic that tells recorded mels from made ones.

A mean error alone is smallest for the mean of all ways to say something, which is a blur, and a blurred spectrum
belongs to nobody. The critic knows the speaker, the recording's quality and where the harmonics should be, so that
sharp is not enough: it must be the right voice.

Letters in shapes: B batch, N stretches, T frames, M mel bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from .acoustic_net import PLAN_COLUMNS, AcousticNet, AcousticShape, spoken
from .aligner_net import AlignerNet
from .teaching import Ears, Listener, likeness, misheard

STRETCH = 64
"""Frames of each stretch: 0.8 s, a few syllables."""


@dataclass(frozen=True)
class CriticShape:
    channels: tuple[int, ...] = (96, 192, 256)
    stretches: int = 32


class Critic(nn.Module):
    """Stretches of mel (N, T, M) with harmonics (N, T, M) of a speaker (N, D) -> scores (N, T', M'), and features.

    Convolutions over patches, as in pix2pix (Isola et al. 2017); the speaker enters by projection (Miyato and Koyama
    2018).
    """

    def __init__(self, shape: CriticShape, speaker: int, bands: int) -> None:
        super().__init__()
        widths = (3, *shape.channels)
        self.layers = nn.ModuleList(
            nn.Conv2d(entering, leaving, 3, stride=2, padding=1) for entering, leaving in pairwise(widths)
        )
        self.score = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.speaker = nn.Linear(speaker, widths[-1])
        self.register_buffer("height", torch.linspace(-1.0, 1.0, bands), persistent=False)

    def forward(self, mel: Tensor, harmonics: Tensor, speaker: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = torch.stack([mel, harmonics, self.height.expand_as(mel)], dim=1)
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.2)
            features.append(x)
        known = (self.speaker(speaker)[:, :, None, None] * x).mean(dim=1)
        return self.score(x).squeeze(1) + known, features


class AcousticTraining(nn.Module):
    """The acoustic model with its critic; only the model is exported."""

    def __init__(self, shape: AcousticShape) -> None:
        super().__init__()
        self.inner = AcousticNet(shape)
        self.stretches = CriticShape().stretches
        self.critic = Critic(CriticShape(), shape.timbre + 2, shape.mel_bands)


WEIGHTS = {
    "divergence": 0.3,
    "average": 0.5,
    "duration": 0.5,
    "voicing": 0.3,
    "coarse": 0.5,
    "critic": 1.0,
    "steep": 0.2,
    "fooled": 0.25,
    "matched": 1.0,
    "misheard": 0.15,
    "heard": 0.6,
    "likeness": 0.8,
}
"""Factors of the model's own losses, of the contest's, and of what those hear who listen."""
STEEPNESS_STRETCHES = 6
"""Stretches of a batch that hold the critic's slope down."""
UNDERSTOOD = 0.5
"""Share of a batch's rows that the aligner hears: it costs as much as half of the model."""
LISTENED, LISTENED_FRAMES, LISTENED_SHARE = 6, 128, 1 / 2
"""Stretches of a batch that the listener hears, their length, 1.6 s, and the share of batches: it costs more than all
the rest."""


def without_contest(training: AcousticTraining, batch: dict[str, Tensor], latent_kept: float) -> dict[str, Tensor]:
    """The acoustic model's losses alone."""
    return spoken(training.inner, batch, latent_kept)[0]


def _stretches(
    batch: dict[str, Tensor], said: Tensor, count: int, frames: int = STRETCH
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Real mels, said mels and harmonics (N, T, M) of stretches from random places, and their speakers (N, D).

    Of what was recorded as it is: the critic shall not learn what playing a recording faster does to it.
    """
    lengths = (batch["mask"].sum(dim=(1, 2)) * batch["natural"].squeeze(1)).long()
    rows = torch.nonzero(lengths >= frames).squeeze(1)
    rows = rows[torch.randint(len(rows), (count,), device=rows.device)] if len(rows) else rows
    first = (torch.rand(len(rows), device=rows.device) * (lengths[rows] - frames + 1)).long()
    at = first[:, None] + torch.arange(frames, device=rows.device)
    harmonics = batch["plan"][..., PLAN_COLUMNS:]
    speaker = torch.cat([batch["timbre"] * batch["timbre"].shape[1] ** 0.5, batch["quality"]], dim=1)
    real, made, comb = (values[rows[:, None], at] for values in (batch["mel"], said, harmonics))
    return real, made, comb, speaker[rows]


def _misheard(aligner: AlignerNet, batch: dict[str, Tensor], said: Tensor) -> Tensor:
    """What `teaching.misheard` says of some of the rows."""
    count = len(said)
    rows = torch.randperm(count, device=said.device)[: max(1, round(UNDERSTOOD * count))]
    longest = int(batch["mask"][rows].sum(dim=1).max())
    parts = (said, batch["mel"], batch["mask"])
    return misheard(aligner, *(part[rows, :longest] for part in parts))


def _heard(listener: Listener, batch: dict[str, Tensor], said: Tensor) -> dict[str, Tensor]:
    """What `teaching.likeness` says of stretches from random places; nothing where no row is long enough."""
    real, made = _stretches(batch, said, LISTENED, LISTENED_FRAMES)[:2]
    return likeness(listener, made, real) if len(real) else {}


def steepness(critic: Critic, real: Tensor, harmonics: Tensor, speaker: Tensor) -> Tensor:
    """Squared slope of the scores of recorded mels, for each patch that is scored (R1, Mescheder et al. 2018).

    A critic that grows ever steeper throws the model about instead of leading it.
    """
    real = real.detach().requires_grad_()
    score, _ = critic(real, harmonics, speaker)
    (slope,) = torch.autograd.grad(score.float().sum(), real, create_graph=True)
    return slope.float().square().sum() / score.numel()


def losses(
    training: AcousticTraining, batch: dict[str, Tensor], latent_kept: float = 0.0, ears: Ears | None = None
) -> dict[str, Tensor]:
    """Those of the acoustic model, and of the contest: `critic` teaches the critic, `fooled` and `matched` the model.

    Hinge losses (Lim and Ye 2017), the critic's steepness, and the distance of its features (Larsen et al.
    2016). With ears also `misheard`, and where they have a listener `heard` and `likeness`.
    """
    found, said = spoken(training.inner, batch, latent_kept)
    if ears is not None:
        found["misheard"] = _misheard(ears.aligner, batch, said)
        if ears.listener is not None and torch.rand(()) < LISTENED_SHARE:
            found |= _heard(ears.listener, batch, said)
    real, made, harmonics, speaker = _stretches(batch, said, training.stretches)
    if not len(real):
        return found
    score_real, seen_real = training.critic(real, harmonics, speaker)
    score_made, _ = training.critic(made.detach(), harmonics, speaker)
    found["critic"] = functional.relu(1 - score_real).float().mean() + functional.relu(1 + score_made).float().mean()
    if torch.is_grad_enabled():
        few = (part[:STEEPNESS_STRETCHES] for part in (real, harmonics, speaker))
        found["steep"] = steepness(training.critic, *few)
    # The same critic once more, its own parameters held: what moves here is the model.
    held = {name: value.detach() for name, value in training.critic.state_dict(keep_vars=True).items()}
    score, seen = functional_call(training.critic, held, (made, harmonics, speaker))
    found["fooled"] = -score.float().mean()
    pairs = zip(seen, seen_real, strict=True)
    found["matched"] = torch.stack([(a.float() - b.detach().float()).abs().mean() for a, b in pairs]).mean()
    return found
