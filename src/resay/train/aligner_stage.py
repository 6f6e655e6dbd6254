"""Training the aligner by repeated search: it learns from where sounds are, then says anew where they are.

The first labels are the durations that synthetic speech comes with, or, without any, equal shares. After that every
clip takes part with the path found last (Viterbi training, Juang and Rabiner 1990).

Letters: P phonemes, T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track as progress

from .. import audio, reference
from ..aligner import CLASS_OF, CLASSES, LEFT_OUT, SILENCE, monotonic_search, sure
from ..text import phonemes
from . import annotations
from .aligner_net import AlignerNet, losses
from .loop import Batch, mixed_precision
from .perturbation import perturbed
from .recordings import Clip, Recordings, batches_by_length, is_held_out
from .reference_stage import degrade

HUSH = 3.5  # nepers under the speech level: no sound of speech is as quiet for long


@dataclass(frozen=True, eq=False)
class Labelled:
    """A clip whose sounds have a place. Arrays are read when a batch is made."""

    clip: Clip
    ids: np.ndarray
    durations: np.ndarray


def labelled(
    recordings: Recordings, cache: Path, found: dict[str, list[int]], longest: int = 1600
) -> tuple[list[Labelled], list[Labelled]]:
    """Clips with durations `found`, at most `longest` frames: those to train on, those held out."""
    known = annotations.transcribe(recordings, cache)
    sides: tuple[list[Labelled], list[Labelled]] = ([], [])
    for clip in recordings.clips:
        frames = found.get(clip.id)
        if frames is not None and clip.frames <= longest and sum(frames) == clip.frames:
            row = Labelled(clip, phonemes.ids(known[clip.id]), np.array(frames))
            sides[is_held_out(clip)].append(row)
    return sides


def equal_shares(recordings: Recordings, cache: Path) -> dict[str, list[int]]:
    """Durations for a start from nothing: every phoneme of a clip gets the same time."""
    known = annotations.transcribe(recordings, cache)
    found = {}
    for clip in recordings.clips:
        if annotations.fits(clip, known[clip.id]):
            ends = np.linspace(0, clip.frames, len(known[clip.id]) + 1).round().astype(int)
            found[clip.id] = np.diff(ends).tolist()
    return found


def _labels(row: Labelled, mel: np.ndarray) -> np.ndarray:
    """Class of every frame, int64 (T,). Sounds beside a pause end where the sound does: the teacher's labels do not."""
    classes = CLASS_OF[row.ids]
    labels = np.repeat(classes, row.durations)
    if row.clip.durations is None:
        return labels
    quiet = audio.energy(mel) < audio.speech_level(mel) - HUSH
    starts = np.cumsum(row.durations) - row.durations
    for place in np.flatnonzero(classes == SILENCE):
        for step, first in ((-1, starts[place] - 1), (1, starts[place] + row.durations[place])):
            frame = int(first)
            while 0 <= frame < len(labels) and quiet[frame]:
                labels[frame] = SILENCE
                frame += step
    return labels


def _row(recordings: Recordings, row: Labelled, random: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
    mel = recordings.mel(row.clip)
    labels = _labels(row, mel)
    if random is not None:
        mel, labels = perturbed(mel, labels, random)
        mel = degrade(mel, random)
    return reference.scaled(mel), labels


def _batch(rows: list[tuple[np.ndarray, np.ndarray]]) -> Batch:
    longest = max(len(mel) for mel, _ in rows)
    mels = np.stack([np.pad(mel, ((0, longest - len(mel)), (0, 0))) for mel, _ in rows])
    labels = np.stack([np.pad(label, (0, longest - len(label))) for _, label in rows])
    mask = np.arange(longest)[None] < np.array([len(mel) for mel, _ in rows])[:, None]
    return {
        "mel": torch.from_numpy(mels.astype(np.float32)),
        "labels": torch.from_numpy(labels),
        "mask": torch.from_numpy(mask.astype(np.float32)[..., None]),
    }


def batches(recordings: Recordings, rows: list[Labelled], seed: int, budget: int = 12_000) -> Iterator[Batch]:
    """Endless epochs of batches of at most `budget` padded frames, each clip by another body and microphone."""
    random = np.random.Generator(np.random.Philox(seed))
    lengths = np.array([row.clip.frames for row in rows])
    while True:
        for group in batches_by_length(lengths, budget, random):
            yield _batch([_row(recordings, rows[index], random) for index in group])


def frequencies(rows: list[Labelled]) -> torch.Tensor:
    """Frames of every class, float32 (K,)."""
    counts = np.zeros(CLASSES)
    for row in rows:
        np.add.at(counts, CLASS_OF[row.ids], row.durations)
    return torch.from_numpy(counts.astype(np.float32))


class Check:
    """Losses on held-out clips."""

    def __init__(self, recordings: Recordings, rows: list[Labelled]) -> None:
        chosen = rows[:: max(1, len(rows) // 64)]
        self._batch = _batch([_row(recordings, row, None) for row in chosen])

    def __call__(self, net: AlignerNet, step: int) -> dict[str, float]:
        with torch.no_grad():
            found = losses(net, self._batch)
        return {f"held_out_{name}": round(float(value), 4) for name, value in found.items()}


def align_all(net: AlignerNet, recordings: Recordings, cache: Path, left_out: int = 20) -> dict[str, float]:
    """Align every clip and keep what fits: of each set all but one in `left_out`, the least likely.

    Keeps beside it what was heard in every frame, and from which probability on that is certain. Returns the mean log
    posterior a frame of each set.
    """
    known = annotations.transcribe(recordings, cache)
    waiting = [clip for clip in recordings.clips if annotations.fits(clip, known[clip.id])]
    found: dict[str, list[int]] = {}
    likeliest: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    likelihoods: dict[str, list[tuple[float, str]]] = {}
    lengths = np.array([clip.frames for clip in waiting])
    groups = list(batches_by_length(lengths, 20_000, np.random.Generator(np.random.Philox(0))))
    for group in progress(groups, "alignment", transient=True):
        clips = [waiting[index] for index in group]
        for clip, it in zip(clips, _align(net, recordings, clips, known), strict=True):
            found[clip.id], likeliest[clip.id] = it.durations.tolist(), (it.classes, it.log_probabilities)
            likelihoods.setdefault(clip.set, []).append((it.likelihood, clip.id))
    for pairs in likelihoods.values():
        pairs.sort()
        for _, clip_id in pairs[: len(pairs) // left_out]:
            del found[clip_id]
    annotations.write_durations(cache, found)
    annotations.write_rates(recordings, cache, found)
    certain = float(np.exp(np.quantile(np.concatenate([logs for _, logs in likeliest.values()]), LEFT_OUT)))
    classes = {name: sure(heard, logs, certain) for name, (heard, logs) in likeliest.items()}
    annotations.write_heard(recordings, cache, classes, certain)
    return {name: float(np.mean([value for value, _ in pairs])) for name, pairs in likelihoods.items()}


@dataclass(frozen=True, eq=False)
class _Found:
    """What was found in a clip."""

    durations: np.ndarray
    """(P,)."""
    classes: np.ndarray
    """The likeliest of every frame, uint8 (T,)."""
    log_probabilities: np.ndarray
    """Of these classes, float32 (T,)."""
    likelihood: float
    """Mean log posterior a frame on the path."""


def _align(net: AlignerNet, recordings: Recordings, clips: list[Clip], known: dict[str, list[str]]) -> list[_Found]:
    batch = _batch([(reference.scaled(recordings.mel(clip)), np.zeros(clip.frames, np.int64)) for clip in clips])
    with torch.no_grad(), mixed_precision("cpu"):
        posteriors = net(batch["mel"], batch["mask"]).numpy()
    classes = [CLASS_OF[phonemes.ids(known[clip.id])] for clip in clips]
    counts, lengths = np.array([len(row) for row in classes]), np.array([clip.frames for clip in clips])
    score = np.zeros((len(clips), counts.max(), lengths.max()), np.float32)
    for row, (sounds, length) in enumerate(zip(classes, lengths, strict=True)):
        score[row, : len(sounds), :length] = posteriors[row, :length, sounds]
    paths = monotonic_search(score, counts, lengths)
    answer = []
    for row, count in enumerate(counts):
        owner = np.repeat(np.arange(count), paths[row, :count])
        likelihood = float(score[row, owner, np.arange(len(owner))].mean())
        own = posteriors[row, : lengths[row]]
        found = _Found(paths[row, :count], own.argmax(axis=1).astype(np.uint8), own.max(axis=1), likelihood)
        answer.append(found)
    return answer
