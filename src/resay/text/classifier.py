"""A linear classifier that chooses among the readings of an ambiguous word or character.

Trained by `resay.train.perceptron` as an averaged perceptron (Collins, EMNLP 2002). Features are text; hashed together
with the word and a reading they have a weight each. A few weights are shared by all words: how far to trust the
dictionary's proposal, and how far the reading that is most usual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np

SHARED = frozenset("KLMNOQR")
"""Features with these letters count for all words whose reading is of one kind, the part of its name after `_`."""


@dataclass(frozen=True)
class Model:
    """Feature hash → weight, and for every word its readings with how usual each is (`shares`, A to E)."""

    weights: dict[int, float]
    readings: dict[str, tuple[str, ...]]
    shares: dict[str, tuple[str, ...]]


@cache
def load(path: Path) -> Model:
    """A model from its file, as `resay.train.perceptron` writes it."""
    with np.load(path) as stored:
        weights = dict(zip(stored["features"].tolist(), (stored["weights"] * stored["scale"]).tolist(), strict=True))
        lines = [line.split(" ") for line in bytes(stored["readings"]).decode().split("\n")]
    readings = {line[0]: tuple(item[:-1] for item in line[1:]) for line in lines}
    return Model(weights, readings, {line[0]: tuple(item[-1] for item in line[1:]) for line in lines})


def share(count: int, total: int) -> str:
    """How usual a reading is that a word has `count` times of `total`, in five steps."""
    if not count:
        return "E"
    part = count / total
    return "A" if part > 0.94 else "B" if part > 0.5 else "C" if part > 0.12 else "D"


def best(used: Model, word: str, features: Sequence[str], proposed: str, least: float = 0.0) -> str:
    """The reading with the highest score; `proposed` is the dictionary's, and a candidate as well.

    Another than the proposed one has to win by `least`.
    """
    candidates, shares = used.readings[word], used.shares[word]
    if proposed not in candidates:
        candidates, shares = (*candidates, proposed), (*shares, "E")
    if len(candidates) == 1:
        return proposed
    scores = score(used.weights, word, features, candidates, shares, proposed)
    first = max(range(len(candidates)), key=scores.__getitem__)
    return candidates[first] if scores[first] - scores[candidates.index(proposed)] >= least else proposed


def score(
    weights: dict[int, float],
    word: str,
    features: Sequence[str],
    candidates: Sequence[str],
    shares: Sequence[str],
    proposed: str,
) -> list[float]:
    """Score of every candidate."""
    return [
        sum(weights.get(key, 0.0) for key in keys(word, features, candidate, usual, candidate == proposed))
        for candidate, usual in zip(candidates, shares, strict=True)
    ]


def keys(word: str, features: Sequence[str], candidate: str, usual: str, is_proposed: bool) -> Iterator[int]:
    """Hashes of the features together with a candidate; the last ones are shared by all words."""
    suffix = word + candidate
    kind = candidate.partition("_")[2]
    if kind:
        for feature in features:
            if feature[0] in SHARED:
                yield crc32((feature + kind).encode())
    for feature in features:
        yield crc32((feature + suffix).encode())
    yield crc32(f"{is_proposed}{usual}{features[0]}".encode())
    yield crc32(f"{is_proposed}{features[0]}".encode())
    yield crc32(usual.encode())
