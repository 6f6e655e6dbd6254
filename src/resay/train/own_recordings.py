"""One speaker's recordings with their words, read into memory to tune a voice. Nothing of them is kept on disk.

Letters: P phonemes, T mel frames.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import aligner, audio, pitch, reference, text
from ..audio import FORMAT, Audio
from ..errors import BadAudio, BadFile, BadText
from ..prosody import Codes
from ..reference import Profile
from ..synthesis import Engine
from ..text import Sentence
from . import annotations, prosody_stage
from .acoustic_stage import Collator, Example
from .recordings import SOUND_FILES, Clip

SHORTEST = 50.0
"""Seconds of sound that tuning needs: a minute, and some patience with who stopped early."""
LONGEST_SENTENCE, SHORTEST_SENTENCE = 1600, 60  # mel frames


@dataclass(frozen=True)
class Source:
    """A sound file and its transcript."""

    sound: Path
    words: str


@dataclass(frozen=True, eq=False)
class Own:
    """Recordings cut into sentences, each aligned; stands where training has its corpus."""

    clips: list[Clip]
    mels: list[np.ndarray]
    tracks: list[np.ndarray]
    sounds: list[Audio]
    meanings: list[np.ndarray]
    """What the words of each sentence's phonemes mean, float32 (P, S)."""
    examples: list[Example]
    profile: Profile
    language: str
    seconds: float
    digest: str
    """SHA-256 over all sound and all words, in order."""
    quality: dict[str, Any]

    def mel(self, clip: Clip) -> np.ndarray:
        """Log mel of a sentence, float32 (T, M)."""
        return self.mels[clip.start]

    def pitch(self, clip: Clip) -> np.ndarray:
        """Pitch of a sentence in Hz, float32 (T,), 0 where unvoiced."""
        return self.tracks[clip.start]


class OwnCollator(Collator):
    """Batches of one speaker's sentences, all in the one profile that the voice will speak with."""

    def __init__(self, own: Own, codes: Codes) -> None:
        count = len(own.clips)
        profile = own.profile
        profiles = annotations.Profiles(
            np.repeat(profile.timbre[None], count, axis=0),
            np.zeros((count, len(profile.style)), np.float32),
            np.full(count, profile.pitch, np.float32),
        )
        self.recordings, self.profiles, self.siblings = own, profiles, {}
        self.style = np.repeat(profile.style[None], count, axis=0)
        self._codes = codes
        self._sounds = np.zeros(aligner.SOUNDS, np.float32) if profile.sounds is None else profile.sounds

    def sounds(self, whose: list[int], random: np.random.Generator, unheard: float) -> np.ndarray:
        return self._sounds

    def semantic(self, example: Example) -> np.ndarray:
        return self.recordings.meanings[example.position]

    def row(self, example: Example, random: np.random.Generator) -> dict[str, np.ndarray]:
        """What both models learn from: with the tokens of duration, pitch and energy, int64 (P, 3)."""
        plan, voiced = prosody_stage.measured(self, example)
        return super().row(example, random) | {"tokens": self._codes.tokens(plan, voiced)}


def sources(recordings: Path, words: str | None = None) -> list[Source]:
    """What there is to hear: a folder of sound files, or one, each with a `.txt` of the same stem beside it.

    `words` is the transcript of a single file. Raises BadFile where something is missing.
    """
    if recordings.is_dir():
        if words is not None:
            raise BadFile(f"{recordings}: a folder has a .txt beside every recording; leave out --text")
        paths = sorted(path for path in recordings.iterdir() if path.suffix.lower() in SOUND_FILES)
    else:
        paths = [recordings]
    if not paths or not all(path.is_file() for path in paths):
        raise BadFile(f"{recordings}: no recordings there ({', '.join(SOUND_FILES)})")
    return [Source(path, _words(path) if words is None else words) for path in paths]


def _words(path: Path) -> str:
    beside = path.with_suffix(".txt")
    try:
        return beside.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise BadFile(f"{path}: no transcript {beside.name} beside it") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"{beside}: the text is not UTF-8 (byte {error.start})") from error


def read(found: Iterable[Source], engine: Engine) -> Own:
    """Hear all recordings, find every phoneme in them, and take the speaker's profile.

    Raises BadAudio for a recording that is no use or too little sound in all, BadText for a transcript that cannot be
    read, each naming the file.
    """
    clips: list[Clip] = []
    mels: list[np.ndarray] = []
    tracks: list[np.ndarray] = []
    sounds: list[Audio] = []
    meanings: list[np.ndarray] = []
    examples: list[Example] = []
    whole: list[np.ndarray] = []
    reports = []
    digest = hashlib.sha256()
    for source in found:
        sound = audio.read(source.sound)
        digest.update(sound.digest().encode() + source.words.encode() + b"\0")
        report = reference.check(sound)
        for finding in report.findings:
            if finding.severity == "refusal":
                raise BadAudio(f"{source.sound}: {finding.message}")
        reports.append(report)
        samples = sound.resampled(FORMAT.sample_rate)
        mel, track = audio.log_mel(samples.samples), pitch.track(samples)
        whole.append(mel)
        for sentence, durations, first, last in _sentences(source, mel, engine):
            position = len(clips)
            # Band and noise floor are those that the model is asked to speak with, whatever the recording has: what the
            # two differ by belongs to the voice as it was recorded.
            name, frames = f"{source.sound.stem}-{position}", last - first
            facts = (name, "own", sentence.language, "own", "", sentence.text, 12_000.0, -84.0, "")
            clips.append(Clip(*facts, start=position, frames=frames))
            mels.append(mel[first:last])
            tracks.append(track[first:last])
            sounds.append(Audio(samples.samples[first * FORMAT.hop : last * FORMAT.hop]))
            meanings.append(engine.semantic.vectors(sentence))
            examples.append(Example(position, clips[-1], sentence.ids, durations))
    seconds = sum(report.seconds for report in reports)
    if seconds < SHORTEST:
        raise BadAudio(f"{seconds:.0f} s of recordings; tuning needs a minute. Add more, or use `resay voice add`")
    profile = _profile(mels, tracks, whole, engine)
    languages = [clip.language for clip in clips]
    spoken = "zh" if languages.count("zh") >= languages.count("en") else "en"
    worst = min(reports, key=lambda report: report.level_db - report.noise_floor_db)
    return Own(
        clips,
        mels,
        tracks,
        sounds,
        meanings,
        examples,
        profile,
        spoken,
        seconds,
        "sha256:" + digest.hexdigest(),
        asdict(worst),
    )


def _sentences(source: Source, mel: np.ndarray, engine: Engine) -> Iterable[tuple[Sentence, np.ndarray, int, int]]:
    """Every sentence with the durations of its phonemes and the frames it lies in."""
    try:
        read_out = list(text.sentences(source.words))
    except BadText as error:
        raise BadText(f"{source.sound}: its transcript cannot be read ({error})") from error
    ids = np.concatenate([sentence.ids for sentence in read_out])
    if len(ids) + 2 > len(mel):
        raise BadAudio(f"{source.sound}: too short for the {len(ids)} phonemes of its transcript")
    durations = engine.aligner.align(mel, ids)
    at = first = 0
    for sentence in read_out:
        own = durations[at : at + len(sentence.ids)]
        at, last = at + len(own), first + int(own.sum())
        if SHORTEST_SENTENCE <= last - first <= LONGEST_SENTENCE:
            yield sentence, own, first, last
        first = last


def _profile(mels: list[np.ndarray], tracks: list[np.ndarray], whole: list[np.ndarray], engine: Engine) -> Profile:
    """The speaker over all sentences: one sentence's mood does not become the voice."""
    timbre = np.mean([engine.reference.timbre(mel) for mel in mels], axis=0)
    style = np.mean([engine.reference.style(mel, track) for mel, track in zip(mels, tracks, strict=True)], axis=0)
    middle = float(np.exp(np.mean([np.log(reference.middle_pitch(track)) for track in tracks])))
    scaled = [reference.scaled(mel) for mel in whole]
    classes = [engine.aligner.heard(mel) for mel in whole]
    sounds = aligner.mean_sounds(np.concatenate(scaled), np.concatenate(classes))
    unit = (timbre / np.linalg.norm(timbre)).astype(np.float32)
    return Profile(unit, style.astype(np.float32), round(middle, 2), sounds)
