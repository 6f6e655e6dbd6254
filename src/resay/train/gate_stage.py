"""Training the gate's network: training clips, spoiled on purpose in many ways at once.

Letters: U units of four frames, K kinds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track as progress

from .. import audio, pitch, quality, reference
from ..audio import FORMAT
from ..gate import speakers
from ..gate.ears import KINDS
from ..onnx_graph import OnnxGraph
from . import spoiling
from .logistic import logistic
from .loop import Batch
from .recordings import Clip, Recordings, is_held_out

FRAMES = 288
"""Frames of one example, 3.6 s."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Spoiled crops with what was done to them."""

    mel: np.ndarray
    """Scaled, float16 (N, FRAMES, M)."""
    units: np.ndarray
    """float32 (N, U, K): where each kind is."""
    clip: np.ndarray
    """float32 (N, K): whether it is anywhere."""


def is_checked(clip: Clip) -> bool:
    """One training speaker in ten fits the thresholds and nothing else."""
    return hashlib.sha256(f"gate:{clip.speaker}".encode()).digest()[0] < 26


def clips(recordings: Recordings, checked: bool) -> list[Clip]:
    """Training clips long enough for an example, of the speakers of one side."""
    long = [clip for clip in recordings.clips if clip.frames >= 200 and not is_held_out(clip)]
    return [clip for clip in long if is_checked(clip) == checked]


class Spoiler:
    """Draws examples. It keeps some music and rooms, because making them takes longer than using them."""

    def __init__(self, recordings: Recordings, pool: list[Clip], seed: int, stock: int = 60) -> None:
        self.random = np.random.Generator(np.random.Philox(seed))
        self.recordings, self.pool = recordings, pool
        self.by_set: dict[str, list[Clip]] = {}
        for clip in pool:
            self.by_set.setdefault(clip.set, []).append(clip)
        self.chances = np.array([len(found) ** 0.5 for found in self.by_set.values()])
        self.chances /= self.chances.sum()
        self.tracks = [spoiling.music(8.0, self.random) for _ in range(stock)]
        self.rooms = [spoiling.room(seconds, self.random) for seconds in self.random.uniform(0.4, 1.2, stock)]
        self.small = [spoiling.room(t, self.random, 6.0) for t in self.random.uniform(0.1, 0.25, stock // 4)]

    def crop(self) -> tuple[np.ndarray, Clip]:
        """Speech of one example's length, and whose."""
        found = list(self.by_set.values())[int(self.random.choice(len(self.by_set), p=self.chances))]
        clip = found[int(self.random.integers(len(found)))]
        frames = min(FRAMES, clip.frames)
        first = int(self.random.integers(0, clip.frames - frames + 1))
        samples = self.recordings.samples(clip, first, frames)
        return np.pad(samples, (0, (FRAMES - frames) * FORMAT.hop)), clip

    def example(self) -> tuple[np.ndarray, np.ndarray]:
        """Scaled mel (FRAMES, M) of a crop with what was done to it, and where (U, K)."""
        random = self.random
        sound, clip = self.crop()
        where = np.zeros((FRAMES // 4, len(KINDS)), np.float32)
        if random.random() < 0.35:
            sound, where[:, 2] = self._second_voice(sound, clip)
        if random.random() < 0.4:
            sound = spoiling.convolved(sound, self.rooms[int(random.integers(len(self.rooms)))])
            where[:, 1] = 1.0
        elif random.random() < 0.2:
            sound = spoiling.convolved(sound, self.small[int(random.integers(len(self.small)))])
        if random.random() < 0.4:
            track = self.tracks[int(random.integers(len(self.tracks)))]
            sound = spoiling.mixed(sound, spoiling.stretch(track, len(sound), random), random.uniform(0.0, 18.0))
            where[:, 0] = 1.0
        return reference.scaled(audio.log_mel(self._blemished(sound))), where

    def _second_voice(self, sound: np.ndarray, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
        other, whose = self.crop()
        while whose.speaker == clip.speaker:
            other, whose = self.crop()
        mask = np.ones(FRAMES // 4, np.float32)
        if self.random.random() < 0.4:
            length = int(self.random.integers(20, FRAMES // 4 - 8))
            first = int(self.random.integers(0, FRAMES // 4 - length))
            mask[:first] = mask[first + length :] = 0.0
        both = spoiling.mixed(sound, other, self.random.uniform(-6.0, 8.0))
        return np.where(np.repeat(mask, 4 * FORMAT.hop) > 0, both, sound).astype(np.float32), mask

    def _blemished(self, sound: np.ndarray) -> np.ndarray:
        """Faults that other measures find: the network must not take them for its own."""
        random = self.random
        if random.random() < 0.3:
            hiss = random.standard_normal(len(sound)).astype(np.float32)
            sound = spoiling.mixed(sound, spoiling.lowpass(hiss, random.uniform(1000, 12_000)), random.uniform(10, 40))
        if random.random() < 0.25:
            sound = spoiling.lowpass(sound, random.uniform(3400, 9000))
        if random.random() < 0.1:
            top = float(np.abs(sound).max()) * random.uniform(0.1, 0.6)
            sound = np.clip(sound, -top, top)
        if random.random() < 0.15:
            sound = sound * spoiling.decibel(-random.uniform(15, 45))
        if random.random() < 0.1:
            first = int(random.integers(0, len(sound) // 2))
            sound = sound.copy()
            sound[first : first + int(random.uniform(0.5, 2.0) * FORMAT.sample_rate)] *= 1e-4
        return sound


def _drawn(cache: Path, checked: bool, seed: int, count: int) -> Examples:
    torch.set_num_threads(1)
    recordings = Recordings(cache)
    spoiler = Spoiler(recordings, clips(recordings, checked), seed)
    rows = [spoiler.example() for _ in range(count)]
    units = np.stack([where for _, where in rows])
    return Examples(np.stack([mel for mel, _ in rows]).astype(np.float16), units, units.max(axis=1))


def examples(cache: Path, checked: bool, seed: int, count: int, workers: int = 2, share: int = 2500) -> Examples:
    """So many spoiled crops. The same seed gives the same ones on any number of workers."""
    jobs = [min(share, count - first) for first in range(0, count, share)]
    with ProcessPoolExecutor(workers) as pool:
        found = [pool.submit(_drawn, cache, checked, seed * 1000 + at, size) for at, size in enumerate(jobs)]
        parts = [job.result() for job in progress(found, "spoiling", transient=True)]
    return Examples(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("mel", "units", "clip")))


def batches(rows: Examples, seed: int, size: int = 32) -> Iterator[Batch]:
    """Endless batches: mel (B, FRAMES, M), units (B, U, K), clip (B, K)."""
    random = np.random.Generator(np.random.Philox(seed))
    while True:
        for group in np.array_split(random.permutation(len(rows.mel)), max(1, len(rows.mel) // size)):
            yield {
                "mel": torch.from_numpy(rows.mel[group].astype(np.float32)),
                "units": torch.from_numpy(rows.units[group]),
                "clip": torch.from_numpy(rows.clip[group]),
            }


def separation(net: torch.nn.Module, rows: Examples) -> dict[str, float]:
    """How well clips with and without each kind are told apart: found at 3 % false alarms."""
    with torch.no_grad():
        logits = np.concatenate(
            [net(torch.from_numpy(part.astype(np.float32)))[1].numpy() for part in np.array_split(rows.mel, 16)]
        )
    figures = {}
    for kind, name in enumerate(KINDS):
        there = rows.clip[:, kind] > 0
        figures[name] = float((logits[there, kind] > np.quantile(logits[~there, kind], 0.97)).mean())
    return figures


CLEAN_ALARMS = {"music": 0.01, "echo": 0.003, "voices": 0.005, "change": 0.032}
"""Share of unspoiled recordings of the corpus, faulty ones among them, in which each kind may be heard; together one in
twenty. A voice behind another is the hardest to hear, so it has most of them."""


def _whole(recordings: Recordings, count: int, random: np.random.Generator) -> list[Clip]:
    """Whole clips of the speakers that fit thresholds, each set in proportion to the root of its size."""
    sets: dict[str, list[Clip]] = {}
    for clip in clips(recordings, checked=True):
        sets.setdefault(clip.set, []).append(clip)
    chances = np.array([len(found) ** 0.5 for found in sets.values()])
    picks = random.choice(len(sets), count, p=chances / chances.sum())
    return [found[int(random.integers(len(found)))] for found in (list(sets.values())[at] for at in picks)]


def _line(values: np.ndarray, kind: str) -> float:
    return round(float(np.quantile(values, 1 - CLEAN_ALARMS[kind])), 4)


def _two_people(recordings: Recordings, one: Clip, other: Clip, random: np.random.Generator) -> audio.Audio:
    """One clip with a part of another put behind it or into it, mostly as loud as the first."""
    first, second = recordings.samples(one), recordings.samples(other)
    if random.random() < 0.6:
        second = second * float(np.sqrt((first**2).mean() / ((second**2).mean() + 1e-12)))
    second = second[: int(random.uniform(1.6, 6.0) * FORMAT.sample_rate) // FORMAT.hop * FORMAT.hop]
    at = len(first) if random.random() < 0.5 else int(random.integers(one.frames)) * FORMAT.hop
    return audio.Audio(np.concatenate([first[:at], second, first[at:]])[: 25 * FORMAT.sample_rate])


def _change(sound: audio.Audio, encoder: reference.Reference) -> np.ndarray | None:
    mel = audio.log_mel(sound.samples)
    speech = quality.speech_frames(audio.energy(mel), audio.speech_level(mel))
    found = speakers.change(mel, pitch.track(sound), speech, encoder.timbre)
    return None if found is None else found.features


def thresholds(
    recordings: Recordings, graph: OnnxGraph, encoder: reference.Reference, seed: int = 0, count: int = 1200
) -> dict[str, Any]:
    """Where to draw the lines, fitted on training speakers whose clips the network has not learnt from."""
    random = np.random.Generator(np.random.Philox(seed))
    whole = _whole(recordings, count, random)
    logits = np.stack(
        [graph.run(["clip"], mel=reference.scaled(recordings.mel(clip))[None])["clip"][0] for clip in whole]
    )
    rows: list[tuple[np.ndarray, bool]] = []
    for at, clip in enumerate(progress(whole, "speakers", transient=True)):
        other = whole[at - 1]
        alone = audio.Audio(recordings.samples(clip))
        pairs = [(alone, False)]
        if other.speaker != clip.speaker:
            pairs.append((_two_people(recordings, clip, other, random), True))
        rows += [(found, two) for sound, two in pairs if (found := _change(sound, encoder)) is not None]
    features, two = np.stack([found for found, _ in rows]), np.array([float(two) for _, two in rows])
    weights = logistic(features, two)
    return {
        "kinds": {kind: _line(logits[:, number], kind) for number, kind in enumerate(KINDS)},
        "change": {
            "weights": [round(float(weight), 5) for weight in weights],
            "threshold": _line(features[two == 0] @ weights, "change"),
        },
    }
