"""The vocoder's network and its spectral losses. The numpy side of it is `resay.vocoder`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..audio import FORMAT, mel_filters
from .layers import Block, Depthwise


@dataclass(frozen=True)
class VocoderShape:
    width: int = 384
    layers: int = 6
    kernel: int = 7
    expansion: int = 3
    mel_bands: int = FORMAT.mel_bands
    bins: int = FORMAT.bins


class VocoderNet(nn.Module):
    """Features (B, T, M + 2) -> filter of the pulses (real, imaginary) and gain of the noise, each (B, T, F)."""

    def __init__(self, shape: VocoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.enter = nn.Linear(shape.mel_bands + 2, shape.width)
        self.smooth = Depthwise(shape.width, shape.kernel)
        self.blocks = nn.ModuleList(
            Block(shape.width, shape.kernel, shape.expansion, depth=shape.layers) for _ in range(shape.layers)
        )
        self.norm = nn.LayerNorm(shape.width)
        self.leave = nn.Linear(shape.width, 3 * shape.bins)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.enter(features)
        x = x + self.smooth(x)
        for block in self.blocks:
            x = block(x)
        level, phase, noise = self.leave(self.norm(x)).float().chunk(3, dim=-1)
        # Both gains start near the level of ordinary speech; the bound keeps a wild start from overflowing.
        level = torch.exp((level - 4.0).clamp(max=4.0))
        return level * torch.cos(phase), level * torch.sin(phase), torch.exp((noise - 4.0).clamp(max=4.0))


def windows(samples: Tensor) -> Tensor:
    """Overlapping Hann windows (B, S) -> (B, T, window), the twin of `resay.audio.frames`."""
    side = (FORMAT.window - FORMAT.hop) // 2
    padded = functional.pad(samples.unsqueeze(1), (side, side), mode="reflect").squeeze(1)
    return padded.unfold(1, FORMAT.window, FORMAT.hop) * torch.hann_window(FORMAT.window, device=samples.device)


def synthesise(net: VocoderNet, features: Tensor, source: Tensor, noise: Tensor) -> Tensor:
    """Samples (B, S) from features (B, T, M + 2), pulses (B, S) and standard normal noise (B, S)."""
    real, imaginary, gain = net(features)
    shaped = torch.fft.rfft(windows(source)) * torch.complex(real, imaginary)
    shaped = shaped + torch.fft.rfft(windows(noise)) * gain
    pieces = torch.fft.irfft(shaped) * torch.hann_window(FORMAT.window, device=source.device)
    count = pieces.shape[1]
    total = functional.fold(
        pieces.transpose(1, 2),
        output_size=(1, (count - 1) * FORMAT.hop + FORMAT.window),
        kernel_size=(1, FORMAT.window),
        stride=(1, FORMAT.hop),
    )[:, 0, 0]
    side = (FORMAT.window - FORMAT.hop) // 2
    return total[:, side : side + count * FORMAT.hop] / 1.5


RESOLUTIONS = (256, 512, 1024, 2048)


def spectral_loss(said: Tensor, meant: Tensor) -> dict[str, Tensor]:
    """Spectral convergence and log magnitude at several resolutions (Yamamoto et al. 2020), and log mel distance."""
    convergence, logarithmic = said.new_zeros(()), said.new_zeros(())
    for size in RESOLUTIONS:
        window = torch.hann_window(size, device=said.device)
        spectra = [
            torch.stft(sound, size, size // 4, window=window, return_complex=True).abs().clamp(min=1e-5)
            for sound in (said, meant)
        ]
        convergence = convergence + torch.linalg.norm(spectra[0] - spectra[1]) / torch.linalg.norm(spectra[1])
        logarithmic = logarithmic + (spectra[0].log() - spectra[1].log()).abs().mean()
    filters = torch.from_numpy(mel_filters()).to(said.device)
    mels = [(torch.fft.rfft(windows(sound)).abs() @ filters.T).clamp(min=1e-5).log() for sound in (said, meant)]
    return {
        "convergence": convergence / len(RESOLUTIONS),
        "magnitude": logarithmic / len(RESOLUTIONS),
        "mel": (mels[0] - mels[1]).abs().mean(),
    }
