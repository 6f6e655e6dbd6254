"""Training the vocoder on stretches of real and synthetic speech."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from .. import vocoder
from ..audio import FORMAT
from .loop import Batch
from .recordings import NEVER, Clip, Recordings, is_held_out
from .vocoder_net import VocoderNet, spectral_loss, synthesise

CLEAN_FLOOR = -55.0  # dB
FULL_BAND = 10_500.0  # Hz


def chosen(recordings: Recordings) -> list[tuple[Clip, float]]:
    """Clips the vocoder learns from, each with how often it is drawn, relative to a second of it.

    Clean and full-band speech is what shall come out, so it is drawn most; every other voice appears so that pitch and
    timbre beyond the few clean speakers are not strange to the network.
    """
    clips = []
    for clip in recordings.clips:
        if is_held_out(clip) or clip.frames < 40:
            continue
        clean = clip.set == "synthetic" or (clip.bandwidth >= FULL_BAND and clip.floor <= CLEAN_FLOOR)
        clips.append((clip, 1.0 if clean else 0.25))
    return clips


def batches(
    recordings: Recordings, seed: int, size: int = 16, frames: int = 64, repeated: Mapping[str, int] = NEVER
) -> Iterator[Batch]:
    """Endless batches: features (B, T, M + 2), pulses, noise and the samples that were meant, each (B, S).

    `repeated` tells of speakers how many times as often as others they are drawn.
    """
    random = np.random.Generator(np.random.Philox(seed))
    clips, weights = zip(*chosen(recordings), strict=True)
    often = [repeated.get(clip.speaker, 1) for clip in clips]
    chances = np.array([clip.frames for clip in clips]) * np.array(weights) * often
    chances = np.cumsum(chances / chances.sum())
    while True:
        rows: dict[str, list[np.ndarray]] = {"features": [], "source": [], "meant": []}
        for position in np.searchsorted(chances, random.random(size)):
            clip = clips[min(position, len(clips) - 1)]
            first = int(random.integers(0, max(1, clip.frames - frames)))
            mel = recordings.mel(clip)[first : first + frames]
            pitch = recordings.pitch(clip)[first : first + frames]
            samples = recordings.samples(clip, first, len(mel))
            # Level varies from speaker to speaker; a shift in log mel is exactly a gain on the samples.
            gain = float(np.exp(random.uniform(-0.7, 0.4)))
            short = frames - len(mel)
            mel = np.pad(mel + np.log(gain), ((0, short), (0, 0)), constant_values=-11.5)
            pitch = np.pad(pitch, (0, short))
            rows["features"].append(vocoder.features(np.maximum(mel, -11.513), pitch))
            rows["source"].append(vocoder.pulses(pitch))
            rows["meant"].append(np.pad(samples * gain, (0, short * FORMAT.hop)))
        batch = {name: torch.from_numpy(np.stack(values).astype(np.float32)) for name, values in rows.items()}
        batch["noise"] = torch.from_numpy(random.standard_normal(batch["source"].shape, dtype=np.float32))
        yield batch


def losses(net: VocoderNet, batch: Batch) -> dict[str, Tensor]:
    said = synthesise(net, batch["features"], batch["source"], batch["noise"])
    with torch.autocast(said.device.type, enabled=False):
        return spectral_loss(said.float(), batch["meant"])
