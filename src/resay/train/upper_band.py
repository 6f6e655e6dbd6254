"""Training the second head: how loud it is above 12 kHz, from what lies below.

Letters in shapes: B batch, T mel frames, M mel bands, N bands above 12 kHz.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track as progress
from torch import Tensor, nn

from .. import audio, pitch, upper_band, vocoder
from ..audio import FORMAT, Audio
from ..errors import BadAudio, BadFile
from .layers import Block, masked_mean
from .loop import Batch
from .recordings import Clip, is_held_out, real_shards, tar_sounds

CLEAN_FLOOR = -84.0
"""Noise floor in dB that is asked for when speaking."""


@dataclass(frozen=True)
class UpperBandShape:
    width: int = 48
    """The full-band recordings are half an hour: twice the width learns them by heart."""
    layers: int = 3
    kernel: int = 7
    dropout: float = 0.2
    mel_bands: int = FORMAT.mel_bands
    bands: int = upper_band.BANDS


class UpperBandNet(nn.Module):
    """Features (B, T, M + 2) and noise floor (B, 1) -> log levels (B, T, N)."""

    def __init__(self, shape: UpperBandShape) -> None:
        super().__init__()
        self.shape = shape
        self.enter = nn.Linear(shape.mel_bands + 2, shape.width)
        self.floor = nn.Linear(1, shape.width)
        self.blocks = nn.ModuleList(
            Block(shape.width, shape.kernel, 2, dropout=shape.dropout, depth=shape.layers) for _ in range(shape.layers)
        )
        self.norm = nn.LayerNorm(shape.width)
        self.leave = nn.Linear(shape.width, shape.bands)

    def forward(self, features: Tensor, floor: Tensor) -> Tensor:
        x = self.enter(features) + self.floor(floor).unsqueeze(1)
        for block in self.blocks:
            x = block(x)
        return self.leave(self.norm(x)) - 2.0  # near the level of ordinary speech from the start


@dataclass(frozen=True, eq=False)
class WideClip:
    """What is learnt of one full-band recording."""

    clip: Clip
    mel: np.ndarray
    pitch: np.ndarray
    levels: np.ndarray


def read(corpus: Path) -> list[WideClip]:
    """The full-band recordings of a corpus: `wide.tsv`, and the shards that it names.

    Raises BadFile where there are none to learn from, or none of held-out speakers.
    """
    table = corpus / "wide.tsv"
    if not table.exists():
        raise BadFile(f"{table}: no full-band recordings there")
    found = []
    for shard, sources in real_shards(table).items():
        sounds = tar_sounds(corpus / f"{shard}.tar", sources)
        for source, content in progress(sounds, shard, len(sources), transient=True):
            found += _heard(source.clip, content)
    if {is_held_out(one.clip) for one in found} != {True, False}:
        raise BadFile(f"{table}: recordings of both held-out and other speakers are needed")
    return found


def _heard(clip: Clip, content: bytes) -> list[WideClip]:
    try:
        sound = audio.read(content)
    except BadAudio:
        return []  # as with the other recordings, a damaged one among hundreds is left out
    wide, narrow = sound.resampled(upper_band.WIDE.sample_rate), sound.resampled(FORMAT.sample_rate)
    frames = len(narrow.samples) // FORMAT.hop
    if frames < 40:
        return []
    narrow = Audio(narrow.samples[: frames * FORMAT.hop])
    clip = replace(clip, frames=frames)
    levels = upper_band.levels(wide.samples)[:frames]
    return [WideClip(clip, audio.log_mel(narrow.samples)[: len(levels)], pitch.track(narrow)[: len(levels)], levels)]


def batches(clips: list[WideClip], seed: int, size: int = 32, frames: int = 96) -> Iterator[Batch]:
    """Endless batches of stretches: features, noise floor, levels, mask. Held-out speakers are left out."""
    random = np.random.Generator(np.random.Philox(seed))
    clips = [one for one in clips if not is_held_out(one.clip)]
    chances = np.array([len(one.mel) for one in clips], np.float64)
    while True:
        chosen = random.choice(len(clips), size, p=chances / chances.sum())
        yield _batch([clips[place] for place in chosen], random, frames)


def _batch(clips: list[WideClip], random: np.random.Generator, frames: int) -> Batch:
    rows: dict[str, list[np.ndarray]] = {"features": [], "floor": [], "levels": [], "mask": []}
    for one in clips:
        first = int(random.integers(0, max(1, len(one.mel) - frames)))
        part = slice(first, first + frames)
        short = frames - len(one.mel[part])
        gain = random.uniform(-0.7, 0.4)  # louder above by as much as below
        mel = np.maximum(one.mel[part] + gain, np.log(audio.QUIETEST))
        seen = vocoder.features(mel, one.pitch[part])
        rows["features"].append(np.pad(seen, ((0, short), (0, 0))))
        rows["levels"].append(np.pad(one.levels[part] + gain, ((0, short), (0, 0))))
        rows["floor"].append(np.array([scaled_floor(one.clip.floor)]))
        rows["mask"].append((np.arange(frames) < frames - short)[:, None])
    return {name: torch.from_numpy(np.stack(values).astype(np.float32)) for name, values in rows.items()}


def scaled_floor(decibels: float) -> float:
    """A noise floor as the network reads it."""
    return (decibels + 60.0) / 30.0


def losses(net: UpperBandNet, batch: Batch) -> dict[str, Tensor]:
    """Mean distance of log levels, nepers."""
    distance = (net(batch["features"], batch["floor"]).float() - batch["levels"]).abs()
    return {"level": masked_mean(distance, batch["mask"])}


class Check:
    """Distance on held-out speakers, and what it would be with every band at its mean."""

    def __init__(self, clips: list[WideClip]) -> None:
        held_out = [one for one in clips if is_held_out(one.clip)]
        self._batch = _batch(held_out, np.random.Generator(np.random.Philox(0)), 96)
        kept = self._batch["mask"]
        mean = (self._batch["levels"] * kept).sum(dim=(0, 1)) / kept.sum()
        self._flat = float(masked_mean((self._batch["levels"] - mean).abs(), kept))

    def __call__(self, net: UpperBandNet, step: int) -> dict[str, float]:
        with torch.no_grad():
            found = losses(net, self._batch)["level"]
        return {"held_out_level": round(float(found), 4), "held_out_mean_level": round(self._flat, 4)}
