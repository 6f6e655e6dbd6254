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


def lessons(recordings: Recordings, vectors: np.ndarray) -> dict[str, np.ndarray]:
    """What the encoder shall say of every clip that a teacher has heard, by the clip's id: unit vectors (192,).

    Half of it is the teacher's mean over the speaker's clips: what one clip's words and noise do to its vector is
    nobody's voice.
    """
    own: dict[str, list[int]] = {}
    for place, clip in enumerate(recordings.clips):
        if vectors[place].any() and not is_held_out(clip):
            own.setdefault(clip.speaker, []).append(place)
    found = {}
    for places in own.values():
        mean = vectors[places].mean(axis=0)
        for place in places:
            mixed = vectors[place] + mean / np.linalg.norm(mean)
            found[recordings.clips[place].id] = mixed / np.linalg.norm(mixed)
    return found


def turned(vectors: np.ndarray, timbre: np.ndarray) -> np.ndarray:
    """The teacher's vectors (N, 192) turned as a whole to lie near an earlier encoder's (N, 192).

    What was trained on the earlier ones then goes on instead of starting anew. Orthogonal Procrustes (Schönemann 1966);
    angles between vectors, which are what they say, stay.
    """
    heard = vectors.any(axis=1)
    left, _, right = np.linalg.svd(vectors[heard].T @ timbre[heard])
    return (vectors @ (left @ right)).astype(np.float32)


def batches(
    recordings: Recordings,
    seed: int,
    people: int = 36,
    crops: int = 2,
    taught: dict[str, np.ndarray] | None = None,
) -> Iterator[Batch]:
    """Endless batches of `crops` crops of each of `people` speakers: mel (B, T, M), mask (B, T, 1), speaker (B,).

    With `lessons` only clips that have one take part, and `taught` (B, 192) comes with them.
    """
    random = np.random.Generator(np.random.Philox(seed))
    found = speakers(recordings)
    if taught is not None:
        found = {name: [clip for clip in clips if clip.id in taught] for name, clips in found.items()}
        found = {name: clips for name, clips in found.items() if clips}
    names = list(found)
    # A speaker with many clips teaches more than one with a single clip, but not in proportion.
    chances = np.array([min(len(found[name]), 40) ** 0.5 for name in names])
    chances /= chances.sum()
    while True:
        frames = int(random.integers(120, 320))
        rows, numbers, targets = [], [], []
        for number in random.choice(len(names), people, replace=False, p=chances):
            for _ in range(crops):
                clips = found[names[number]]
                clip = clips[int(random.integers(len(clips)))]
                rows.append(scaled(degrade(_crop(recordings, clip, frames, random), random)))
                numbers.append(number)
                if taught is not None:
                    targets.append(taught[clip.id])
        mask = np.zeros((len(rows), frames, 1), np.float32)
        padded = np.zeros((len(rows), frames, rows[0].shape[1]), np.float32)
        for position, row in enumerate(rows):
            padded[position, : len(row)] = row
            mask[position, : len(row)] = 1.0
        batch = {
            "mel": torch.from_numpy(padded),
            "mask": torch.from_numpy(mask),
            "speaker": torch.tensor(np.array(numbers)),
        }
        if targets:
            batch["taught"] = torch.from_numpy(np.array(targets, dtype=np.float32))
        yield batch


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
