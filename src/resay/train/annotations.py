"""What is known of every clip besides its sound: phonemes, alignment, profile. Kept in the cache, made once.

Letters: P phonemes, T frames.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from rich.progress import track as progress

from .. import audio, reference, text
from ..aligner import UNCERTAIN
from ..errors import BadFile, BadText
from ..onnx_graph import OnnxGraph
from ..reference import UsualRate
from ..text import phonemes
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
    rate: np.ndarray | None = None
    """float32 (N,), `reference.pace` of the clips. None: nothing is aligned yet."""
    usual: np.ndarray | None = None
    """float32, mean log duration of every symbol, which rates are measured against. None: it was not kept."""

    @property
    def style_mean(self) -> np.ndarray:
        return self.statistics.mean(axis=0)

    @property
    def style_spread(self) -> np.ndarray:
        return self.statistics.std(axis=0) + 1e-4

    @property
    def rate_weights(self) -> np.ndarray:
        """What the statistics tell of the rate where the words are not known, float32 (16,), by ridge regression."""
        plain = self._plain()
        if self.rate is None:
            return np.eye(plain.shape[1], dtype=np.float32)[reference.RATE]
        known = np.isfinite(self.rate)
        rows, wanted = plain[known], self._wanted_rate()[known]
        ridge = rows.T @ rows + 10.0 * np.eye(rows.shape[1])
        return np.linalg.solve(ridge, rows.T @ wanted).astype(np.float32)

    @property
    def usual_rate(self) -> UsualRate | None:
        """What the rate of other clips is measured against. None where it is not known."""
        if self.rate is None or self.usual is None:
            return None
        return UsualRate(self.usual, float(np.nanmean(self.rate)), float(np.nanstd(self.rate)))

    @cached_property
    def style(self) -> np.ndarray:
        """float32 (N, 16), in standard deviations, at most three either way; the rate as measured where it was."""
        style = self._plain()
        guessed = style @ self.rate_weights
        style[:, reference.RATE] = guessed
        if self.rate is not None:
            known = np.isfinite(self.rate)
            style[known, reference.RATE] = self._wanted_rate()[known]
        return np.clip(style, -3.0, 3.0).astype(np.float32)

    def _plain(self) -> np.ndarray:
        return np.clip((self.statistics - self.style_mean) / self.style_spread, -3.0, 3.0)

    def _wanted_rate(self) -> np.ndarray:
        """The rate in standard deviations, NaN where it is not known."""
        return (self.rate - np.nanmean(self.rate)) / np.nanstd(self.rate)


def listen(recordings: Recordings, encoder: OnnxGraph, cache: Path) -> Profiles:
    """Timbre, style statistics and middle pitch of every clip, by the exported reference encoder given."""
    rows = []
    for clip in progress(recordings.clips, "profiles", transient=True):
        mel, track = recordings.mel(clip), recordings.pitch(clip)
        timbre = encoder.run(mel=reference.scaled(mel)[None])["timbre"][0]
        rows.append((timbre, reference.statistics(mel, track), reference.middle_pitch(track)))
    timbre, statistics, pitch = (np.array(column, dtype=np.float32) for column in zip(*rows, strict=True))
    np.savez(cache / "profiles.npz", timbre=timbre, statistics=statistics, pitch=pitch)
    return Profiles(timbre, statistics, pitch)


def profiles(cache: Path) -> Profiles:
    """The profiles that `listen` left. Raises BadFile where it has not run."""
    path = cache / "profiles.npz"
    if not path.exists():
        raise BadFile(f"{path}: no profiles; train the reference encoder and run `resay train profiles` first")
    rate, usual = (np.load(cache / name) if (cache / name).exists() else None for name in (RATES, USUAL_LENGTHS))
    with np.load(path) as file:
        return Profiles(file["timbre"], file["statistics"], file["pitch"], rate, usual)


def teacher_durations(recordings: Recordings) -> dict[str, list[int]]:
    """The exact durations that synthetic speech comes with."""
    return {clip.id: list(clip.durations) for clip in recordings.clips if clip.durations is not None}


def durations(recordings: Recordings, cache: Path) -> dict[str, list[int]]:
    """Durations of every clip that has any: those that the aligner found, before it has run those of the source."""
    return _read_lines(cache / "durations.jsonl") or teacher_durations(recordings)


def are_aligned(cache: Path) -> bool:
    """Whether an aligner has been over the recordings."""
    return (cache / "durations.jsonl").exists()


def write_durations(cache: Path, found: dict[str, list[int]]) -> None:
    _write_lines(cache / "durations.jsonl", found)


def write_rates(recordings: Recordings, cache: Path, found: dict[str, list[int]]) -> None:
    """Keep the `reference.pace` of every clip, float32 (N,), NaN where it is not aligned, and what is usual."""
    known = transcribe(recordings, cache)
    spoken = {name: (phonemes.ids(known[name]), np.array(frames)) for name, frames in found.items()}
    total, count = np.zeros(len(phonemes.SYMBOLS)), np.zeros(len(phonemes.SYMBOLS))
    for ids, frames in spoken.values():
        np.add.at(total, ids, np.log(frames))
        np.add.at(count, ids, 1)
    # A symbol that nobody said is thought as long as all together.
    usual = np.where(count > 0, total / np.maximum(count, 1), total.sum() / max(count.sum(), 1)).astype(np.float32)
    rates = [reference.pace(*spoken[clip.id], usual) if clip.id in spoken else np.nan for clip in recordings.clips]
    np.save(cache / RATES, np.array(rates, np.float32))
    np.save(cache / USUAL_LENGTHS, usual)


RATES, USUAL_LENGTHS, CERTAIN = "rates.npy", "usual_lengths.npy", "certain.npy"


class Heard:
    """Which class of sound is heard in every frame of every clip, as the aligner says."""

    def __init__(self, recordings: Recordings, cache: Path) -> None:
        """Raises BadFile where the aligner has not run on these recordings."""
        path = cache / "heard.npy"
        self._ends = np.cumsum([clip.frames for clip in recordings.clips])
        if not path.exists():
            raise BadFile(f"{path}: nothing is aligned; run `resay train aligner` first")
        self._classes = np.load(path, mmap_mode="r")
        self.certain = float(np.load(cache / CERTAIN)) if (cache / CERTAIN).exists() else None
        """Probability from which on a class was certain; None where none was asked for."""
        if len(self._classes) != self._ends[-1]:
            raise BadFile(f"{path}: made from other recordings; run `resay train aligner` again")

    def of(self, position: int) -> np.ndarray:
        """Classes of the clip at this place of the recordings, uint8 (T,), `aligner.UNCERTAIN` among them."""
        first = self._ends[position - 1] if position else 0
        return self._classes[first : self._ends[position]]


def write_heard(
    recordings: Recordings, cache: Path, classes: dict[str, np.ndarray], certain: float | None = None
) -> None:
    """Keep what `Heard` reads; clips without classes count as uncertain throughout."""
    unknown = [classes.get(clip.id, np.full(clip.frames, UNCERTAIN, np.uint8)) for clip in recordings.clips]
    np.save(cache / "heard.npy", np.concatenate(unknown))
    if certain is not None:
        np.save(cache / CERTAIN, certain)


def fits(clip: Clip, symbols: list[str]) -> bool:
    """Whether a clip can be aligned at all: neither shorter than its phonemes nor absurdly slow."""
    return (
        bool(symbols)
        and len(symbols) + 2 <= clip.frames <= 60 * len(symbols)
        and all(s in phonemes.INDEX for s in symbols)
    )
