"""How sure a word is, and how sure it is that something else is said: logistic models over what the search found.

Letters in shapes: T frames, K classes, S states, W words, F features.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..aligner import SILENCE
from ..errors import BrokenModel

SHIPPED = Path(__file__).parent.parent / "models" / "alignment" / "doubts.json"
WORD_FEATURES = ("gain", "gain_each", "gap", "gap_here", "heard", "pace", "sounds", "gap_elsewhere")
PLACE_FEATURES = ("gain", "gain_each", "gain_strict", "sounds", "frames", "clear", "gap_elsewhere", "edge")
LINE = 0.5
"""Probability above which a departure from the text is told; the models are shifted so that this is the right one."""
PASSED_OVER = 0.8
"""Nats that a frame outside the text costs above the mean gap: without it any word would be heard as no word."""
STRICT = 0.7
"""Nats more a frame, for the same sound judged strictly."""
LOOSEST_REPEAT = 1.3
"""Nats a frame that a repeated word may fall behind the likeliest sounds."""
_FEWEST = 1e-3


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted logistic model."""

    weights: np.ndarray
    bias: float

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Of the departure, (N,), from features (N, F)."""
        logit = features @ self.weights + self.bias
        return 1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0)))


@lru_cache(maxsize=2)
def _models(path: Path = SHIPPED) -> dict[str, Model]:
    try:
        fitted = json.loads(path.read_text(encoding="utf-8"))
        models = {}
        for name, wanted in (("words", WORD_FEATURES), ("places", PLACE_FEATURES)):
            weights = np.array([float(fitted[name]["weights"][it]) for it in wanted])
            models[name] = Model(weights, float(fitted[name]["bias"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenModel(f"{path}: missing or damaged ({error}); reinstall resay") from error
    return models


def sureness_of_words(features: np.ndarray) -> np.ndarray:
    """Probability that each word is said, (W,)."""
    return 1.0 - _models()["words"].probability(features)


def sureness_of_places(features: np.ndarray) -> np.ndarray:
    """Probability that something is said in each place that the text does not have, (W + 1,)."""
    return _models()["places"].probability(features)


def gaps(score: np.ndarray, classes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How far the way found falls behind the likeliest class in every frame, nats (T,)."""
    owner = np.repeat(classes, np.diff(edges))
    return score.max(axis=1) - score[np.arange(len(score)), owner]


def free_score(score: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """What each frame scores outside the text, (T,), from log posteriors (T, K) and the gaps (T,) of the way found.

    Where a voice or a room is hard to hear, true words fall behind too; being outside the text costs more there.
    """
    return score.max(axis=1) - PASSED_OVER - float(gap.mean())


def _squeezed(gain: float) -> float:
    """A gain on a scale on which ten and twenty nats differ as much as a hundred and two hundred."""
    return float(np.arcsinh(gain / 3.0))


def word_features(
    score: np.ndarray,
    gap: np.ndarray,
    classes: np.ndarray,
    edges: np.ndarray,
    spans: Sequence[tuple[int, int]],
    skip: np.ndarray,
) -> np.ndarray:
    """Evidence on every word, (W, F), from the way found: states begin at frames `edges` (S + 1,)."""
    sounding = np.repeat(classes, np.diff(edges)) != SILENCE
    everywhere = float(gap[sounding].mean()) if sounding.any() else 0.0
    pace = np.log(max(_FEWEST, float(np.median(np.diff(edges)[classes != SILENCE]))))
    rows = []
    for (first, end), gain in zip(spans, skip, strict=True):
        states = [at for at in range(first, end) if classes[at] != SILENCE]
        gaps = [float(gap[edges[at] : edges[at + 1]].mean()) for at in states if edges[at + 1] > edges[at]] or [0.0]
        best = [float(gap[edges[at] : edges[at + 1]].min()) for at in states if edges[at + 1] > edges[at]] or [0.0]
        frames = int(edges[end] - edges[first])
        count = max(1, len(states))
        heard = float(np.mean(np.array(best) < np.log(2.0)))
        slow = np.log(max(1, frames) / count) - pace
        rows.append(
            [_squeezed(gain), _squeezed(gain / count), np.mean(gaps), max(gaps), heard, slow, np.log(count), everywhere]
        )
    return np.array(rows, dtype=np.float32)


def place_features(
    score: np.ndarray, extra: np.ndarray, starts: np.ndarray, ends: np.ndarray, words: np.ndarray
) -> np.ndarray:
    """Evidence on every place between words, (W + 1, F)."""
    likeliest, clear = score.argmax(axis=1), score.max(axis=1)
    everywhere = words[0, WORD_FEATURES.index("gap_elsewhere")]
    rows = []
    for place, (gain, start, end) in enumerate(zip(extra, starts, ends, strict=True)):
        inside = likeliest[start:end]
        sounding = inside != SILENCE
        changes = int((np.diff(inside) != 0).sum()) + 1 if len(inside) else 0
        sounds = changes * float(sounding.mean()) if len(inside) else 0.0
        clearness = float(clear[start:end][sounding].mean()) if sounding.any() else -3.0
        each, strict = gain / max(1, len(inside)), gain - STRICT * len(inside)
        edge = float(place in (0, len(extra) - 1))
        evidence = [_squeezed(gain), _squeezed(each), _squeezed(strict), np.log1p(sounds), np.log1p(sounding.sum())]
        rows.append([*evidence, clearness, everywhere, edge])
    return np.array(rows, dtype=np.float32)
