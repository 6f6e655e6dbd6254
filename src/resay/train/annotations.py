"""What is known of every clip besides its sound: phonemes, alignment, profile. Kept in the cache, made once.

Letters: P phonemes, T frames, M mel bands.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track as progress

from .. import audio, reference, text
from ..errors import BadFile, BadText
from ..text import phonemes
from .alignment import monotonic_search
from .recordings import Clip, Recordings


def _read_lines(path: Path) -> dict[str, list]:
    if not path.exists():
        return {}
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {row["id"]: row["value"] for row in rows}


def _write_lines(path: Path, values: dict[str, list]) -> None:
    lines = (json.dumps({"id": name, "value": value}) + "\n" for name, value in values.items())
    audio.write_bytes(path, "".join(lines).encode())


def transcribe(recordings: Recordings, cache: Path) -> dict[str, list[str]]:
    """Phonemes of every clip by its id: the source's own where it has them, else read from the transcript.

    A transcript that cannot be read gives an empty list.
    """
    known = _read_lines(cache / "phonemes.jsonl")
    for clip in progress(recordings.clips, "phonemes", transient=True):
        if clip.id in known:
            continue
        if clip.phonemes is not None:
            known[clip.id] = list(clip.phonemes)
            continue
        try:
            known[clip.id] = list(text.sentence(clip.text, clip.language).phonemes)
        except BadText:
            known[clip.id] = []
    _write_lines(cache / "phonemes.jsonl", known)
    return known


@dataclass(frozen=True)
class Profiles:
    """One row a clip, in the order of the recordings."""

    timbre: np.ndarray
    """float32 (N, 192)."""
    statistics: np.ndarray
    """float32 (N, 16), raw."""
    pitch: np.ndarray
    """float32 (N,), Hz."""

    @property
    def style_mean(self) -> np.ndarray:
        return self.statistics.mean(axis=0)

    @property
    def style_spread(self) -> np.ndarray:
        return self.statistics.std(axis=0) + 1e-4

    @property
    def style(self) -> np.ndarray:
        """float32 (N, 16), in standard deviations, at most three either way."""
        return np.clip((self.statistics - self.style_mean) / self.style_spread, -3.0, 3.0).astype(np.float32)


def listen(recordings: Recordings, encoder: reference.Reference, cache: Path) -> Profiles:
    """Timbre, style statistics and middle pitch of every clip, by the reference encoder given."""
    rows = []
    for clip in progress(recordings.clips, "profiles", transient=True):
        mel, track = recordings.mel(clip), recordings.pitch(clip)
        rows.append((encoder.timbre(mel), reference.statistics(mel, track), reference.middle_pitch(track)))
    timbre, statistics, pitch = (np.array(column, dtype=np.float32) for column in zip(*rows, strict=True))
    np.savez(cache / "profiles.npz", timbre=timbre, statistics=statistics, pitch=pitch)
    return Profiles(timbre, statistics, pitch)


def profiles(cache: Path) -> Profiles:
    """The profiles that `listen` left. Raises BadFile where it has not run."""
    path = cache / "profiles.npz"
    if not path.exists():
        raise BadFile(f"{path}: no profiles; train the reference encoder and run `resay train profiles` first")
    with np.load(path) as file:
        return Profiles(file["timbre"], file["statistics"], file["pitch"])


def teacher_durations(recordings: Recordings) -> dict[str, list[int]]:
    """The exact durations that synthetic speech comes with."""
    return {clip.id: list(clip.durations) for clip in recordings.clips if clip.durations is not None}


def durations(recordings: Recordings, cache: Path) -> dict[str, list[int]]:
    """Durations of every clip that has any: exact ones, and those that `align` found."""
    return _read_lines(cache / "durations.jsonl") | teacher_durations(recordings)


def write_durations(cache: Path, found: dict[str, list[int]]) -> None:
    _write_lines(cache / "durations.jsonl", found)


def align(average_mels: list[np.ndarray], mels: list[np.ndarray], rounds: int = 2) -> list[tuple[np.ndarray, float]]:
    """Durations (P,) of each clip from the mel its phonemes have on average (P, M) and its own scaled mel (T, M).

    The score is the log likelihood under a unit Gaussian around the average (Grad-TTS, Popov et al. 2021). After each
    round but the last, the mean difference on the path is taken off every band: microphones and rooms change the
    spectrum by about that much. With each goes the mean squared distance on its path: the lower, the better it fits.
    """
    counts, lengths = (np.array([len(part) for part in parts]) for parts in (average_mels, mels))
    channels = [np.zeros(mel.shape[1], np.float32) for mel in mels]
    for _ in range(rounds):
        score = np.zeros((len(mels), counts.max(), lengths.max()), np.float32)
        adapted = [mel - channel for mel, channel in zip(mels, channels, strict=True)]
        for row, (average, mel) in enumerate(zip(average_mels, adapted, strict=True)):
            # |a - b|² = |a|² - 2ab + |b|², and |b|² is the same for every phoneme of a frame.
            score[row, : len(average), : len(mel)] = average @ mel.T - 0.5 * (average**2).sum(axis=1)[:, None]
        found = monotonic_search(score, counts, lengths)
        owners = [np.repeat(np.arange(count), row[:count]) for row, count in zip(found, counts, strict=True)]
        away = [mel - average[owner] for mel, average, owner in zip(adapted, average_mels, owners, strict=True)]
        channels = [channel + part.mean(axis=0) for channel, part in zip(channels, away, strict=True)]
    return [(row[:count], float((part**2).mean())) for row, count, part in zip(found, counts, away, strict=True)]


def fits(clip: Clip, symbols: list[str]) -> bool:
    """Whether a clip can be aligned at all: neither shorter than its phonemes nor absurdly slow."""
    return (
        bool(symbols)
        and len(symbols) + 2 <= clip.frames <= 60 * len(symbols)
        and all(s in phonemes.INDEX for s in symbols)
    )
