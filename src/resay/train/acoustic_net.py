"""The acoustic model: phonemes, plan and profile to mel.

A text encoder with a prior, a posterior encoder on the true mel, a coupling flow between the two (VITS, Kim et al.
2021), and a mel decoder with postnet. The decoder also reads the text directly: the latent carries only what text, plan
and profile leave open, and with the latent left out the network is a feed-forward model, the baseline it must beat.

Posterior, flow and decoder step over pairs of frames: half the work, twice the reach, and mel frames 12.5 ms apart
have little to say that their neighbour has not.

Letters in shapes: B batch, P phonemes, T frames (even), H = T / 2 pairs of frames, M mel bands, Z latent 192,
C channels, D condition, K classes of sound, S width of meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..acoustic import KERNEL
from ..aligner import CLASS_OF, CLASSES
from ..audio import FORMAT
from ..semantic import SEMANTIC
from ..text import phonemes
from .layers import Block, masked_mean, rank_parts, steered

PLAN_COLUMNS = 5
EXPANSION = 3
"""How much wider the decoder's blocks are inside."""
CEPSTRA = 20
"""Lowest cepstra of a frame, which hold its envelope: vowels and voices are in them, harmonics are not."""
LATENT_PARTS = ("posterior.", "flow.", "prior.", "enter_latent.")
"""Parameters that the feed-forward path does without."""


@dataclass(frozen=True)
class AcousticShape:
    width: int = 256
    encoder_layers: int = 6
    decoder_width: int = 320
    decoder_layers: int = 6
    postnet_width: int = 128
    postnet_layers: int = 3
    latent: int = 192
    flow_width: int = 128
    flow_layers: int = 3
    flow_steps: int = 4
    posterior_layers: int = 4
    duration_filter_channels: int = 256
    duration_dropout: float = 0.3
    dropout: float = 0.05
    heads: int = 4
    """Of the attention to the speaker's own sounds."""
    semantic: int = SEMANTIC
    timbre: int = 192
    style: int = 16
    condition: int = 256
    mel_bands: int = FORMAT.mel_bands


def ranks(shape: AcousticShape, rank: int) -> tuple[int, int, int]:
    """Shape of a change of the decoder's matrices, of so low a rank: see `layers.Block`."""
    return shape.decoder_layers, rank, sum(rank_parts(shape.decoder_width, EXPANSION * shape.decoder_width))


class Conditioner(nn.Module):
    """Timbre (B, 192), style (B, 16), recording quality (B, 2) -> condition (B, D)."""

    def __init__(self, shape: AcousticShape) -> None:
        super().__init__()
        self.widen = nn.Linear(shape.timbre + shape.style + 2, shape.condition)
        self.mix = nn.Linear(shape.condition, shape.condition)
        self.timbre_gain = shape.timbre**0.5  # a unit vector's entries are small; inputs shall have unit spread

    def forward(self, timbre: Tensor, style: Tensor, quality: Tensor) -> Tensor:
        x = torch.cat([timbre * self.timbre_gain, style, quality], dim=-1)
        return self.mix(functional.gelu(self.widen(x)))


class OwnSounds(nn.Module):
    """How the speaker makes the sounds that a text needs, bases (B, P) and sounds (B, K, M + 1) -> (B, P, C).

    Each phoneme attends to the classes of sound that were heard in the clip, the more the longer they were heard: its
    own class where it is there, others that tell something about it where it is not. What it takes from each is how far
    the speaker's mean frame lies from everybody's. Unlike one vector for a whole speaker this copies, and so reaches
    speakers unlike any in training.
    """

    def __init__(self, shape: AcousticShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query = nn.Embedding(phonemes.BASES, shape.width)
        self.key = nn.Parameter(torch.randn(CLASSES, shape.width))
        self.usual = nn.Parameter(torch.zeros(CLASSES, shape.mel_bands))
        self.value = nn.Linear(shape.mel_bands, shape.width, bias=False)
        self.leave = nn.Linear(shape.width, shape.width, bias=False)
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            # A phoneme looks at its own class first.
            self.query.weight[torch.from_numpy(phonemes.BASE_OF)] = self.key[torch.from_numpy(CLASS_OF)]

    def forward(self, bases: Tensor, sounds: Tensor) -> Tensor:
        batch, classes, _ = sounds.shape
        count = sounds[..., -1:]
        away = (sounds[..., :-1] - self.usual) * (count > 0)
        value = self.value(away).reshape(batch, classes, self.heads, -1).transpose(1, 2)
        # "Nothing" stands beside the classes, as if heard for one frame: a clip without a like sound changes nothing.
        value = functional.pad(value, (0, 0, 0, 1))
        key = functional.pad(self.key, (0, 0, 0, 1)).reshape(classes + 1, self.heads, -1).transpose(0, 1)
        query = self.query(bases).reshape(batch, bases.shape[1], self.heads, -1).transpose(1, 2)
        length = torch.log(functional.pad(count.squeeze(-1), (0, 1), value=1.0) + 1e-4)
        score = query @ key.transpose(1, 2) * (key.shape[-1] ** -0.5) + length[:, None, None]
        out = torch.softmax(score.float(), dim=-1).to(value.dtype) @ value
        return self.leave(out.transpose(1, 2).reshape(batch, bases.shape[1], -1))


class TextEncoder(nn.Module):
    """What is said and by whom -> text (B, P, C) and the mel each phoneme has on average (B, P, M).

    Reads phoneme numbers (B, P), their words' meaning (B, P, S), the speaker's own sounds (B, K, M + 1), a condition.
    """

    def __init__(self, shape: AcousticShape) -> None:
        super().__init__()
        self.base = nn.Embedding(phonemes.BASES, shape.width)
        self.accent = nn.Embedding(phonemes.ACCENTS, shape.width)
        nn.init.normal_(self.base.weight, std=0.3)
        nn.init.normal_(self.accent.weight, std=0.3)
        self.register_buffer("base_of", torch.from_numpy(phonemes.BASE_OF), persistent=False)
        self.register_buffer("accent_of", torch.from_numpy(phonemes.ACCENT_OF), persistent=False)
        self.semantic = nn.Linear(shape.semantic, shape.width, bias=False)
        nn.init.zeros_(self.semantic.weight)
        self.own = OwnSounds(shape)
        self.own_again = OwnSounds(shape)
        self.blocks = nn.ModuleList(
            Block(shape.width, 5, 3, shape.condition, dropout=shape.dropout, depth=shape.encoder_layers)
            for _ in range(shape.encoder_layers)
        )
        self.norm = nn.LayerNorm(shape.width)
        self.average_mel = nn.Linear(shape.width, shape.mel_bands)

    def forward(
        self,
        ids: Tensor,
        semantic: Tensor,
        sounds: Tensor,
        condition: Tensor,
        mask: Tensor | None = None,
        adapter: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        bases = self.base_of[ids]
        x = self.base(bases) + self.accent(self.accent_of[ids]) + self.semantic(semantic) + self.own(bases, sounds)
        x = self.norm(steered(self.blocks, x, condition, mask, adapter)) + self.own_again(bases, sounds)
        return x, self.average_mel(x)


class DurationPredictor(nn.Module):
    """Log duration of every phoneme, (B, P, C) -> (B, P): two convolutions (FastSpeech, Ren et al. 2019).

    Auxiliary: the prosody language model decides durations; this one keeps the encoder aware of time and stands in for
    alignment where nothing else is known.
    """

    def __init__(self, shape: AcousticShape) -> None:
        super().__init__()
        channels = shape.duration_filter_channels
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(shape.width, channels, 3, padding=1), nn.Conv1d(channels, channels, 3, padding=1)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])
        self.dropout = nn.Dropout(shape.duration_dropout)
        self.leave = nn.Linear(channels, 1)

    def forward(self, text: Tensor) -> Tensor:
        x = text
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = self.dropout(norm(functional.relu(convolution(x.transpose(1, 2)).transpose(1, 2))))
        return self.leave(x).squeeze(-1)


class WaveNet(nn.Module):
    """Gated dilated convolutions with skip connections under a condition, (B, T, in) -> (B, T, out)."""

    def __init__(self, entering: int, width: int, leaving: int, layers: int, condition: int) -> None:
        super().__init__()
        self.enter = nn.Linear(entering, width)
        self.gates = nn.ModuleList(
            nn.Conv2d(width, 2 * width, (1, 3), padding=(0, 2**layer), dilation=(1, 2**layer))
            for layer in range(layers)
        )
        self.steer = nn.Linear(condition, 2 * width * layers)
        self.skips = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(layers))
        self.leave = nn.Linear(width, leaving)

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.enter(x)
        steering = self.steer(condition).unsqueeze(1).chunk(len(self.gates), dim=-1)
        total = torch.zeros_like(x)
        for gate, skip, steer in zip(self.gates, self.skips, steering, strict=True):
            masked = x if mask is None else x * mask.to(x.dtype)
            y = gate(masked.transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2) + steer
            signal, valve = y.chunk(2, dim=-1)
            residual, out = skip(torch.tanh(signal) * torch.sigmoid(valve)).chunk(2, dim=-1)
            x, total = x + residual, total + out
        return self.leave(total)


class CouplingFlow(nn.Module):
    """Volume-preserving affine couplings (Dinh et al. 2014) with WaveNets, halves swapped between steps; invertible."""

    def __init__(self, shape: AcousticShape) -> None:
        super().__init__()
        half = shape.latent // 2
        self.nets = nn.ModuleList(
            WaveNet(half, shape.flow_width, half, shape.flow_layers, shape.condition) for _ in range(shape.flow_steps)
        )
        for net in self.nets:
            nn.init.zeros_(net.leave.weight)
            nn.init.zeros_(net.leave.bias)

    def forward(self, z: Tensor, condition: Tensor, mask: Tensor | None = None) -> Tensor:
        """Posterior sample (B, T, Z) into the prior's space."""
        for net in self.nets:
            kept, moved = z.chunk(2, dim=-1)
            z = torch.cat([moved + net(kept, condition, mask), kept], dim=-1)
        return z

    def inverse(self, z: Tensor, condition: Tensor, mask: Tensor | None = None) -> Tensor:
        """Prior sample (B, T, Z) back into the posterior's space."""
        for net in reversed(self.nets):
            moved, kept = z.chunk(2, dim=-1)
            z = torch.cat([kept, moved - net(kept, condition, mask)], dim=-1)
        return z


class AcousticNet(nn.Module):
    """All parts, and the two ways through them: `encode` + `decode` to speak, `losses` to train."""

    def __init__(self, shape: AcousticShape) -> None:
        super().__init__()
        self.shape = shape
        self.conditioner = Conditioner(shape)
        self.text = TextEncoder(shape)
        self.duration = DurationPredictor(shape)
        self.plan = nn.Linear(2 * PLAN_COLUMNS, shape.width)
        self.harmonics = nn.Linear(2 * shape.mel_bands, shape.width, bias=False)
        nn.init.zeros_(self.harmonics.weight)
        self.prior = nn.Linear(shape.width, 2 * shape.latent)
        self.flow = CouplingFlow(shape)
        self.posterior = WaveNet(
            2 * shape.mel_bands, shape.flow_width, 2 * shape.latent, shape.posterior_layers, shape.condition
        )
        self.enter = nn.Linear(shape.width, shape.decoder_width)
        self.enter_latent = nn.Linear(shape.latent, shape.decoder_width, bias=False)
        self.decoder = nn.ModuleList(
            Block(shape.decoder_width, KERNEL, EXPANSION, shape.condition, depth=shape.decoder_layers)
            for _ in range(shape.decoder_layers)
        )
        self.norm = nn.LayerNorm(shape.decoder_width)
        self.leave = nn.Linear(shape.decoder_width, 2 * (shape.mel_bands + 1))
        self.postnet_enter = nn.Linear(shape.mel_bands, shape.postnet_width)
        self.postnet = nn.ModuleList(
            Block(shape.postnet_width, KERNEL, 2, depth=shape.postnet_layers) for _ in range(shape.postnet_layers)
        )
        self.postnet_leave = nn.Linear(shape.postnet_width, shape.mel_bands)
        nn.init.zeros_(self.postnet_leave.weight)
        nn.init.zeros_(self.postnet_leave.bias)

    def frames(self, text: Tensor, owner: Tensor, plan: Tensor) -> Tensor:
        """Text (B, P, C) spread over pairs of frames by their owning phonemes (B, T), the plan (B, T, 5 + M) added.

        A pair that straddles a boundary gets the mean of both phonemes. Returns (B, H, C).
        """
        batch, count = owner.shape
        index = owner.unsqueeze(-1).expand(-1, -1, text.shape[-1])
        both = text.gather(1, index[:, 0::2]) + text.gather(1, index[:, 1::2])
        pairs = [part.reshape(batch, count // 2, -1) for part in plan.split([PLAN_COLUMNS, self.shape.mel_bands], -1)]
        return 0.5 * both + self.plan(pairs[0]) + self.harmonics(pairs[1])

    def decode(
        self,
        x: Tensor,
        latent: Tensor | None,
        condition: Tensor,
        mask: Tensor | None = None,
        adapter: Tensor | None = None,
        ranks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs (B, H, C) and latent (B, H, Z) -> mel before and after the postnet (B, T, M), voicing logit (B, T)."""
        pairs = None if mask is None else mask[:, 0::2]
        x = self.enter(x)
        if latent is not None:
            x = x + self.enter_latent(latent)
        x = steered(self.decoder, x, condition, pairs, adapter, ranks)
        batch, count, _ = x.shape
        out = self.leave(self.norm(x)).reshape(batch, 2 * count, self.shape.mel_bands + 1)
        mel, voicing = out[..., :-1], out[..., -1]
        y = self.postnet_enter(mel)
        for block in self.postnet:
            y = block(y, mask=mask)
        return mel, mel + self.postnet_leave(y), voicing

    def prior_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation (B, T, Z) of the latent in the prior's space."""
        mean, deviation = self.prior(x).chunk(2, dim=-1)
        return mean, deviation.clamp(-4.0, 2.0)


def only_latent(net: AcousticNet) -> None:
    """Let posterior, flow and prior learn, and nothing else."""
    for name, parameter in net.named_parameters():
        parameter.requires_grad = name.startswith(LATENT_PARTS)


def toned(mel: Tensor, tone: Tensor) -> Tensor:
    """Scaled mel (B, T, M) under a voice's own gain and shift of every band (B, 2, M); zeros leave it as it is."""
    return mel * (1 + tone[:, :1]) + tone[:, 1:]


def _latent(net: AcousticNet, mel: Tensor, x: Tensor, condition: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """A posterior sample (B, H, Z) and its divergence from the prior (B, H, Z)."""
    paired = mel.reshape(mel.shape[0], mel.shape[1] // 2, -1)
    mean_q, deviation_q = net.posterior(paired, condition, pairs).float().chunk(2, dim=-1)
    deviation_q = deviation_q.clamp(-4.0, 2.0)
    z = mean_q + torch.randn_like(mean_q) * deviation_q.exp()
    mean_p, deviation_p = (part.float() for part in net.prior_of(x))
    moved = net.flow(z, condition, pairs).float()
    # KL by one sample of the posterior, the flow keeping volume (VITS, equation 4).
    return z, deviation_p - deviation_q - 0.5 + 0.5 * (moved - mean_p) ** 2 * torch.exp(-2.0 * deviation_p)


def envelope(mel: Tensor) -> Tensor:
    """The lowest cepstra of mels, (B, T, M) -> (B, T, 20): a discrete cosine transform that keeps lengths."""
    bands = mel.shape[-1]
    middle, order = torch.arange(bands).to(mel) + 0.5, torch.arange(CEPSTRA).to(mel)
    cosines = torch.cos(torch.pi / bands * middle[:, None] * order) * (2 / bands) ** 0.5
    cosines[:, 0] *= 0.5**0.5
    return mel @ cosines


def losses(net: AcousticNet, batch: dict[str, Tensor], latent_kept: float = 0.0) -> dict[str, Tensor]:
    """Mel before and after the postnet, its envelope, voicing, average mel of phonemes, log duration, divergence."""
    return spoken(net, batch, latent_kept)[0]


def spoken(net: AcousticNet, batch: dict[str, Tensor], latent_kept: float) -> tuple[dict[str, Tensor], Tensor]:
    """What `losses` gives, and the mel that was said (B, T, M).

    `latent_kept` is the share of rows whose decoder sees the latent. The others keep the feed-forward path alive: it
    must speak alone, and shows what the latent adds. At 0 posterior and flow are not run at all.
    """
    mel, mask, phoneme_mask = batch["mel"], batch["mask"], batch["phoneme_mask"]
    condition = net.conditioner(batch["timbre"], batch["style"], batch["quality"])
    text, average = net.text(batch["ids"], batch["semantic"], batch["sounds"], condition, phoneme_mask)
    guess = net.duration(text.detach())
    x = net.frames(text, batch["owner"], batch["plan"])
    found: dict[str, Tensor] = {}
    latent = None
    if latent_kept > 0:
        latent, divergence = _latent(net, mel, x, condition, mask[:, 0::2])
        found["divergence"] = masked_mean(divergence, mask[:, 0::2])
        latent = latent * (torch.rand(len(mel), 1, 1, device=mel.device) < latent_kept).float()
    coarse, fine, voicing = net.decode(x, latent, condition, mask)
    spread = average.float().gather(1, batch["owner"].unsqueeze(-1).expand(-1, -1, mel.shape[-1]))
    target = torch.log(batch["durations"].float().clamp(min=1.0))
    voicing_loss = functional.binary_cross_entropy_with_logits(voicing.float(), batch["voiced"], reduction="none")
    found |= {
        "mel": masked_mean((fine.float() - mel).abs(), mask),
        "envelope": masked_mean(envelope(fine.float() - mel).abs(), mask),
        "coarse": masked_mean((coarse.float() - mel).abs(), mask),
        "voicing": masked_mean(voicing_loss.unsqueeze(-1), mask),
        "average": masked_mean((spread - mel) ** 2, mask),
        "duration": masked_mean(((guess.float() - target) ** 2).unsqueeze(-1), phoneme_mask),
    }
    return found, fine.float()
