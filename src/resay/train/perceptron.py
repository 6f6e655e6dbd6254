"""Trains `resay.text.classifier`: an averaged perceptron (Collins, EMNLP 2002) with a margin."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..text import classifier

EPOCHS = 8


@dataclass(frozen=True)
class Example:
    """One ambiguous word in its sentence: what is seen around it, what the dictionary proposes, what is right."""

    word: str
    features: list[str]
    proposed: str
    reading: str


def counted(found: Iterable[Example]) -> dict[str, Counter[str]]:
    """How often each word has each reading."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in found:
        counts[example.word][example.reading] += 1
    return counts


def train(found: list[Example], counts: dict[str, Counter[str]], own: bool = True, seed: int = 1) -> dict[int, float]:
    """Averaged perceptron weights by feature hash. With `own`, how usual a reading is leaves out the example itself."""
    weights: dict[int, float] = defaultdict(float)
    sums: dict[int, float] = defaultdict(float)
    order = random.Random(seed)
    step = 0
    for _ in range(EPOCHS):
        order.shuffle(found)
        for example in found:
            step += 1
            usual = counts[example.word] - Counter([example.reading] if own else [])
            total = sum(usual.values())
            choices = list(dict.fromkeys([*counts[example.word], example.proposed]))
            if len(choices) < 2:
                continue
            shares = [classifier.share(usual[choice], total) for choice in choices]
            scores = classifier.score(weights, example.word, example.features, choices, shares, example.proposed)
            right = choices.index(example.reading)
            wrong = max((place for place in range(len(choices)) if place != right), key=scores.__getitem__)
            if scores[right] - scores[wrong] > 1:
                continue
            for place, change in ((right, 1.0), (wrong, -1.0)):
                proposed = choices[place] == example.proposed
                for key in classifier.keys(example.word, example.features, choices[place], shares[place], proposed):
                    weights[key] += change
                    sums[key] += change * step
    return {key: weight - sums[key] / step for key, weight in weights.items()}


def save(weights: dict[int, float], counts: dict[str, Counter[str]], path: Path, least: float = 0.02) -> None:
    """The file that `classifier.load` reads; weights of next to nothing are left out, the others kept in eight bits."""
    kept = sorted((key, weight) for key, weight in weights.items() if abs(weight) >= least)
    values = np.array([weight for _, weight in kept], dtype=np.float32)
    scale = np.float32(np.abs(values).max() / 127)
    lines = []
    for word, readings in sorted(counts.items()):
        total = sum(readings.values())
        shares = [reading + classifier.share(count, total) for reading, count in readings.most_common()]
        lines.append(" ".join([word, *shares]))
    np.savez_compressed(
        path,
        features=np.array([key for key, _ in kept], dtype=np.uint32),
        weights=np.round(values / scale).astype(np.int8),
        scale=scale,
        readings=np.frombuffer("\n".join(lines).encode(), dtype=np.uint8),
    )
