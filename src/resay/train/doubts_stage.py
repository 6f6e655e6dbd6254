"""Fitting how sure an alignment may be: texts with a word too many or too few, laid along training recordings.

Letters: N words or places, F features, K classes of sound.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track as progress
from torch import nn
from torch.nn import functional

from .. import audio, text
from ..aligner import CLASS_OF, CLASSES, SILENCE, Aligner
from ..alignment import aligning, doubts
from ..errors import BadAudio, BadText
from ..text import Sentence, phonemes
from . import annotations
from .recordings import Clip, Recordings, is_held_out

SETS = frozenset("cv_zh omni_zh-CN cv_en_d13 cv_en_v1dev cv_en_shubhra17 cv_en_shubhra18 libri_tc100".split())
"""Sets whose speakers read their text fluently."""
FALSE_ALARMS = {"words": 0.017, "places": 0.027}
"""Share of true texts in which each model may find something that is not there. Some of these texts were misread, and
words that a reader added are found by the second: it may tell more than it may be wrong."""
PARTS = 4
"""Into which clips are divided to judge those that were not learnt from."""
CLEAN = 0.7
"""Share of clips that are heard as they are; the others in noise."""


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


def changes(clips: list[Clip], random: np.random.Generator, each: int = 1) -> Iterator[tuple[Clip, list[Changed]]]:
    """Of every clip: the text as it is, and `each` texts one word shorter and one longer by a word of another clip."""
    spare: dict[str, list[str]] = {}
    for clip in clips:
        try:
            sentence = text.sentence(clip.text, clip.language)
        except BadText:
            continue
        count = len(sentence.words)
        words = spare.get(clip.language, [])
        spare[clip.language] = [sentence.words[int(at)].text for at in random.integers(count, size=each)]
        if count < 3 or len(words) < each:
            continue
        found = [Changed(sentence)]
        for word in words:
            try:
                shorter = without(clip.text, sentence, int(random.integers(count)), clip.language)
                longer = with_another(clip.text, sentence, int(random.integers(count)), word, clip.language)
            except BadText:
                continue
            if len(shorter.sentence.words) == count - 1 and longer.added != -1:
                found += [shorter, longer]
        yield clip, found


def usual_lengths(recordings: Recordings, cache: Path, count: int = 4000) -> doubts.Lengths:
    """How long each class of sound is in aligned training clips, each at its own pace."""
    known, durations = annotations.transcribe(recordings, cache), annotations.durations(recordings, cache)
    rows = []
    for clip in recordings.clips:
        if clip.set in SETS and not is_held_out(clip) and clip.id in durations and known.get(clip.id):
            classes = CLASS_OF[phonemes.ids(known[clip.id])]
            sounding = classes != SILENCE
            rows.append((classes[sounding], np.log(np.array(durations[clip.id])[sounding])))
    rows = rows[:: max(1, len(rows) // count)]
    classes = np.concatenate([row[0] for row in rows])
    mean = _by_class(classes, np.concatenate([row[1] for row in rows]), np.log(6.0))
    paced = np.concatenate([logs - np.median(logs - mean[own]) for own, logs in rows])
    mean = _by_class(classes, paced, np.log(6.0))
    return doubts.Lengths(mean, np.sqrt(_by_class(classes, (paced - mean[classes]) ** 2, 0.25)))


def _by_class(classes: np.ndarray, values: np.ndarray, usual: float) -> np.ndarray:
    """Mean of the values of each class, (K,); `usual` counts as some occurrences of each."""
    counts = np.bincount(classes, minlength=CLASSES)
    return (np.bincount(classes, values, minlength=CLASSES) + 5.0 * usual) / (counts + 5.0)


@dataclass(frozen=True, eq=False)
class Rows:
    """Words or places of many texts."""

    features: np.ndarray
    """float32 (N, F)."""
    labels: np.ndarray
    """1.0 where the text departs from the sound there, (N,)."""
    clips: np.ndarray
    """Number of the clip, (N,)."""
    true: np.ndarray
    """Whether it is the clip's own text, bool (N,)."""

    @classmethod
    def joined(cls, parts: list[tuple[np.ndarray, np.ndarray, int, bool]]) -> Rows:
        """Of features, labels (below 0: leave out), clip and truth of each text."""
        keep = [labels >= 0 for _, labels, _, _ in parts]
        return cls(
            np.concatenate([part[0][kept] for part, kept in zip(parts, keep, strict=True)]),
            np.concatenate([part[1][kept] for part, kept in zip(parts, keep, strict=True)]),
            np.concatenate([np.full(kept.sum(), part[2]) for part, kept in zip(parts, keep, strict=True)]),
            np.concatenate([np.full(kept.sum(), part[3]) for part, kept in zip(parts, keep, strict=True)]),
        )

    def part(self, chosen: np.ndarray) -> Rows:
        return Rows(self.features[chosen], self.labels[chosen], self.clips[chosen], self.true[chosen])


def gather(
    recordings: Recordings, clips: list[Clip], aligner: Aligner, lengths: doubts.Lengths, seed: int, each: int = 2
) -> tuple[Rows, Rows]:
    """Words and places of true and changed texts, some of them under noise."""
    random = np.random.Generator(np.random.Philox(seed))
    words, places = [], []
    rows = list(changes(clips, random, each))
    for number, (clip, texts) in enumerate(progress(rows, "doubts", transient=True)):
        mel = recordings.mel(clip)
        noisy = mel if random.random() < CLEAN else _noisy(mel, random)
        score = aligning.floored(aligner.log_posteriors(noisy))
        for changed in texts:
            try:
                evidence = aligning.gathered(score, changed.sentence, lengths)
            except (ValueError, BadAudio):
                continue
            true = changed.added is None and changed.removed is None
            count = len(changed.sentence.words)
            wrong, extra = np.zeros(count), np.zeros(count + 1)
            if changed.added is not None:
                wrong[changed.added] = 1.0
                extra[max(0, changed.added - 1) : changed.added + 3] = -1.0
            if changed.removed is not None:
                extra[max(0, changed.removed - 1) : changed.removed + 2] = -1.0
                extra[changed.removed] = 1.0
                wrong[max(0, changed.removed - 1) : changed.removed + 1] = -1.0
            words.append((evidence.words, wrong, number, true))
            places.append((evidence.places, extra, number, true))
    return Rows.joined(words), Rows.joined(places)


def _noisy(mel: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Hiss some 10 to 25 dB under the speech, in log mels."""
    below = random.uniform(10.0, 25.0) * np.log(10) / 20
    tilt = np.linspace(-1.0, 1.0, mel.shape[1]) * random.uniform(-0.5, 1.0)
    return np.logaddexp(mel, audio.speech_level(mel) - below + tilt + random.normal(0.0, 0.3, mel.shape))


def fit(rows: Rows, alarms: float, seed: int = 0, hidden: int = 24, steps: int = 2500) -> doubts.Model:
    """A network of one hidden layer, shifted so that the share `alarms` of the true texts reaches one half.

    The line is drawn on texts that were not learnt from: each part of the clips is judged by a network of the others.
    """
    logits = np.zeros(len(rows.labels))
    for part in range(PARTS):
        away = rows.clips % PARTS == part
        logits[away] = _fitted(rows.part(~away), seed, hidden, steps).logits(rows.features[away])
    model = _fitted(rows, seed, hidden, steps)
    return replace(model, bias=model.bias - line(logits[rows.true], rows.clips[rows.true], alarms))


def _fitted(rows: Rows, seed: int, hidden: int, steps: int) -> doubts.Model:
    torch.manual_seed(seed)
    centre, spread = rows.features.mean(axis=0), rows.features.std(axis=0) + 1e-3
    scaled = torch.from_numpy(np.clip((rows.features - centre) / spread, -4.0, 4.0).astype(np.float32))
    labels = torch.from_numpy(rows.labels.astype(np.float32))
    net = nn.Sequential(nn.Linear(scaled.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        batch = torch.randint(len(scaled), (4096,))
        loss = functional.binary_cross_entropy_with_logits(net(scaled[batch]).squeeze(1), labels[batch])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        rate.step()
    into, into_bias, out, bias = (parameter.detach().double().numpy() for parameter in net.parameters())
    return doubts.Model(centre, spread, into.T, into_bias, out[0], float(bias[0]))


def line(logits: np.ndarray, clips: np.ndarray, alarms: float) -> float:
    """What the highest logit of a true text exceeds in the share `alarms` of them; both arrays (N,)."""
    worst = [logits[clips == clip].max() for clip in np.unique(clips)]
    return float(np.quantile(worst, 1 - alarms))


def write(found: doubts.Doubts, path: Path) -> None:
    """As JSON."""
    audio.write_bytes(path, (json.dumps(found.to_json()) + "\n").encode())
