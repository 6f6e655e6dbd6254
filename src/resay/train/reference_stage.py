"""Training the timbre encoder: crops of the same speaker in different words and through different microphones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .. import audio
from ..reference import scaled
from .loop import Batch
from .recordings import Clip, Recordings, is_held_out

SHORTEST = 60  # frames; below there is hardly a syllable


def speakers(recordings: Recordings) -> dict[str, list[Clip]]:
    """Training clips of every speaker. Isolated words are joined to crops, so even short clips count."""
    found: dict[str, list[Clip]] = {}
    for clip in recordings.clips:
        if not is_held_out(clip) and clip.frames >= SHORTEST:
            found.setdefault(clip.speaker, []).append(clip)
    return found


def degrade(mel: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Another microphone, in log mels (T, M): a smooth tilt of the spectrum, noise, a lost top.

    Timbre is what stays the same under these, so the encoder cannot lean on the recording to tell speakers apart.
    """
    bands = mel.shape[1]
    if random.random() < 0.7:
        points = random.normal(0.0, 0.35, 5)
        mel = mel + np.interp(np.arange(bands), np.linspace(0, bands - 1, 5), points)
    if random.random() < 0.5:
        floor = (
            mel.max()
            - random.uniform(3.5, 8.0)
            + np.interp(np.arange(bands), np.linspace(0, bands - 1, 3), random.normal(0.0, 0.7, 3))
        )
        mel = np.logaddexp(mel, floor + random.normal(0.0, 0.3, mel.shape))
    if random.random() < 0.3:
        mel = mel.copy()
        mel[:, int(random.integers(bands * 5 // 8, bands)) :] = np.log(audio.QUIETEST)
    return mel


def _crop(recordings: Recordings, clip: Clip, frames: int, random: np.random.Generator) -> np.ndarray:
    mel = recordings.mel(clip)
    first = int(random.integers(0, max(1, len(mel) - frames)))
    return mel[first : first + frames]


def batches(recordings: Recordings, seed: int, people: int = 36, crops: int = 2) -> Iterator[Batch]:
    """Endless batches of `crops` crops of each of `people` speakers: mel (B, T, M), mask (B, T, 1), speaker (B,)."""
    random = np.random.Generator(np.random.Philox(seed))
    found = speakers(recordings)
    names = list(found)
    # A speaker with many clips teaches more than one with a single clip, but not in proportion.
    chances = np.array([min(len(found[name]), 40) ** 0.5 for name in names])
    chances /= chances.sum()
    while True:
        frames = int(random.integers(120, 320))
        rows, numbers = [], []
        for number in random.choice(len(names), people, replace=False, p=chances):
            for _ in range(crops):
                clips = found[names[number]]
                mel = _crop(recordings, clips[int(random.integers(len(clips)))], frames, random)
                rows.append(scaled(degrade(mel, random)))
                numbers.append(number)
        mask = np.zeros((len(rows), frames, 1), np.float32)
        padded = np.zeros((len(rows), frames, rows[0].shape[1]), np.float32)
        for position, row in enumerate(rows):
            padded[position, : len(row)] = row
            mask[position, : len(row)] = 1.0
        yield {
            "mel": torch.from_numpy(padded),
            "mask": torch.from_numpy(mask),
            "speaker": torch.tensor(np.array(numbers)),
        }


def retrieval(encode: torch.nn.Module, recordings: Recordings) -> dict[str, float]:
    """How often two clips of a held-out speaker find each other among ten: chance is 0.1."""
    found: dict[str, list[Clip]] = {}
    for clip in recordings.clips:
        if is_held_out(clip) and clip.set not in ("synthetic", "cv_en_v1dev") and clip.frames >= 160:
            found.setdefault(clip.speaker, []).append(clip)
    pairs = [clips[:2] for clips in found.values() if len(clips) >= 2]
    vectors = []
    with torch.no_grad():
        for clip in (clip for pair in pairs for clip in pair):
            mel = torch.from_numpy(scaled(recordings.mel(clip)[:480]))[None]
            vectors.append(encode(mel, torch.ones(1, mel.shape[1], 1)).float().numpy()[0])
    stacked = np.array(vectors).reshape(len(pairs), 2, -1)
    hits = []
    for index in range(len(pairs)):
        others = [(index + step) % len(pairs) for step in range(1, 10)]
        scores = stacked[[index, *others], 1] @ stacked[index, 0]
        hits.append(scores.argmax() == 0)
    same = float(np.einsum("pd,pd->p", stacked[:, 0], stacked[:, 1]).mean())
    return {"retrieval": float(np.mean(hits)), "same": same, "speakers_checked": len(pairs)}
