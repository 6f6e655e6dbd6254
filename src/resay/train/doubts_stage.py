"""Fitting how sure an alignment may be: texts with a word too many or too few, laid along training recordings.

Letters: F features.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track as progress

from .. import audio, text
from ..aligner import Aligner
from ..alignment import aligning, doubts
from ..errors import BadAudio, BadText
from ..text import Sentence
from .logistic import logistic
from .recordings import Clip, Recordings, is_held_out

SETS = frozenset("cv_zh omni_zh-CN cv_en_d13 cv_en_v1dev cv_en_shubhra17 cv_en_shubhra18 libri_tc100".split())
"""Sets whose speakers read their text fluently."""
FALSE_ALARMS = 0.02
"""Share of true texts in which each of the two models may find something that is not there."""


@dataclass(frozen=True)
class Changed:
    """A text with one word changed, and where."""

    sentence: Sentence
    added: int | None = None
    """The word that is not in the sound."""
    removed: int | None = None
    """The place between words where the sound has one more."""


def without(said: str, sentence: Sentence, number: int, language: str) -> Changed:
    """The text without one of its words, read anew."""
    first, end = sentence.words[number].span
    rest = said[:first].rstrip() + (" " if language == "en" else "") + said[end:].lstrip()
    return Changed(text.sentence(rest, language), removed=number)


def with_another(said: str, sentence: Sentence, number: int, word: str, language: str) -> Changed:
    """The text with a foreign word before one of its own, read anew."""
    first = sentence.words[number].span[0]
    longer = said[:first] + word + (" " if language == "en" else "") + said[first:]
    read = text.sentence(longer, language)
    there = [at for at, it in enumerate(read.words) if first <= it.span[0] < first + len(word)]
    return Changed(read, added=there[0] if len(there) == 1 else -1)


def chosen(recordings: Recordings, count: int, seed: int, held_out: bool = False) -> list[Clip]:
    """Clips of continuous speech with transcripts as read, half of them Mandarin, of one side."""
    random = np.random.Generator(np.random.Philox(seed))
    found: dict[str, list[Clip]] = {"zh": [], "en": []}
    for clip in recordings.clips:
        if clip.set in SETS and is_held_out(clip) == held_out and 160 <= clip.frames <= 800:
            found[clip.language].append(clip)
    picks = [[side[at] for at in random.permutation(len(side))[: count // 2]] for side in found.values()]
    return [clip for pair in zip(*picks, strict=False) for clip in pair]


def changes(clips: list[Clip], random: np.random.Generator) -> Iterator[tuple[Clip, list[Changed]]]:
    """Of every clip: the text as it is, one word shorter, one word longer with a word of another clip."""
    spare: dict[str, str] = {}
    for clip in clips:
        try:
            sentence = text.sentence(clip.text, clip.language)
        except BadText:
            continue
        count = len(sentence.words)
        word = spare.get(clip.language)
        spare[clip.language] = sentence.words[int(random.integers(count))].text
        if count < 3 or word is None:
            continue
        try:
            shorter = without(clip.text, sentence, int(random.integers(count)), clip.language)
            longer = with_another(clip.text, sentence, int(random.integers(count)), word, clip.language)
        except BadText:
            continue
        fits = len(shorter.sentence.words) == count - 1 and longer.added != -1
        yield clip, [Changed(sentence), *([shorter, longer] if fits else [])]


@dataclass(eq=False)
class _Collected:
    features: list[np.ndarray]
    labels: list[np.ndarray]
    groups: list[np.ndarray]

    def add(self, features: np.ndarray, labels: np.ndarray, group: int) -> None:
        keep = labels >= 0
        self.features.append(features[keep])
        self.labels.append(labels[keep])
        # Texts that are as they should be tell how often something is found in vain.
        self.groups.append(np.full(int(keep.sum()), group))


def gather(
    recordings: Recordings, clips: list[Clip], aligner: Aligner, seed: int
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Features, labels and groups (the clip's number where the text is true, else -1) of words and of places."""
    random = np.random.Generator(np.random.Philox(seed))
    words, places = _Collected([], [], []), _Collected([], [], [])
    rows = list(changes(clips, random))
    for number, (clip, texts) in enumerate(progress(rows, "doubts", transient=True)):
        mel = recordings.mel(clip)
        noisy = mel if random.random() < 0.7 else _noisy(mel, random)
        score = aligning.floored(aligner.log_posteriors(noisy))
        for changed in texts:
            states = aligning.states_of(changed.sentence)
            try:
                durations = aligning.search.path(score, states)
                evidence = aligning.gathered(score, states, durations, changed.sentence)
            except (ValueError, BadAudio):
                continue
            true = changed.added is None and changed.removed is None
            group = number if true else -1
            count = len(changed.sentence.words)
            wrong, extra = np.zeros(count), np.zeros(count + 1)
            if changed.added is not None:
                wrong[changed.added] = 1.0
                extra[max(0, changed.added - 1) : changed.added + 3] = -1.0
            if changed.removed is not None:
                extra[max(0, changed.removed - 1) : changed.removed + 2] = -1.0
                extra[changed.removed] = 1.0
                wrong[max(0, changed.removed - 1) : changed.removed + 1] = -1.0
            words.add(evidence.words, wrong, group)
            places.add(evidence.places, extra, group)
    return tuple(
        tuple(np.concatenate(getattr(it, name)) for name in ("features", "labels", "groups")) for it in (words, places)
    )


def _noisy(mel: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Hiss some 10 to 25 dB under the speech, in log mels."""
    below = random.uniform(10.0, 25.0) * np.log(10) / 20
    tilt = np.linspace(-1.0, 1.0, mel.shape[1]) * random.uniform(-0.5, 1.0)
    return np.logaddexp(mel, audio.speech_level(mel) - below + tilt + random.normal(0.0, 0.3, mel.shape))


def fit(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> doubts.Model:
    """A logistic model, shifted so that `FALSE_ALARMS` of the true texts reach one half."""
    weights = logistic(features, labels, decay=1e-4)
    logits = features @ weights
    worst = [logits[groups == group].max() for group in np.unique(groups[groups >= 0])]
    return doubts.Model(weights, -float(np.quantile(worst, 1 - FALSE_ALARMS)))


def write(words: doubts.Model, places: doubts.Model, path: Path) -> None:
    """Both models as JSON, every figure under its feature's name."""
    content = {}
    for name, model, features in (
        ("words", words, doubts.WORD_FEATURES),
        ("places", places, doubts.PLACE_FEATURES),
    ):
        named = {it: round(float(value), 5) for it, value in zip(features, model.weights, strict=True)}
        content[name] = {"weights": named, "bias": round(float(model.bias), 5)}
    audio.write_bytes(path, (json.dumps(content, indent=1) + "\n").encode())
