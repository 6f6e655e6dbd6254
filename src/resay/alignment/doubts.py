"""How sure a word is, and how sure it is that something else is said: small networks over what the search found.

Letters in shapes: T frames, K classes, S states, W words, F features, H hidden units, N rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..aligner import CLASSES, SILENCE
from ..errors import BrokenModel

SHIPPED = Path(__file__).parent.parent / "models" / "alignment" / "doubts.json"
WORD_FEATURES = (
    "gain gain_each gap gap_worst heard sounds gap_elsewhere length length_least length_most heard_near heard_least "
    "silent lost gap_before gap_after gain_before gain_after extra_before extra_after edge mandarin"
).split()
PLACE_FEATURES = (
    "gain gain_cheap gain_dear gain_each sounds frames clear gap_elsewhere lost lost_each pause length_before "
    "length_after length_most gap_before gap_after gap_worst skip_before skip_after edge mandarin"
).split()
LINE = 0.5
"""Probability above which a departure from the text is told; the models are shifted so that this is the right one."""
PRICES = (0.8, 0.3, 1.6)
"""Nats that a frame outside the text costs above the mean gap, usual, cheap and dear: at none any word would be heard
as no word."""
LOOSEST_REPEAT = 1.3
"""Nats a frame that a repeated word may fall behind the likeliest sounds."""
NEAR = 4
"""Frames around a sound in which it may be heard as well: 50 ms."""


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted network of one hidden layer."""

    centre: np.ndarray
    """(F,), taken off the features, which are then divided by `spread`."""
    spread: np.ndarray
    hidden: np.ndarray
    """(F, H)."""
    hidden_bias: np.ndarray
    weights: np.ndarray
    """(H,)."""
    bias: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Of the departure, (N,), from features (N, F)."""
        scaled = np.clip((features - self.centre) / self.spread, -4.0, 4.0)
        return np.tanh(scaled @ self.hidden + self.hidden_bias) @ self.weights + self.bias

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Of the departure, (N,), from features (N, F)."""
        return 1.0 / (1.0 + np.exp(-np.clip(self.logits(features), -30.0, 30.0)))


@dataclass(frozen=True, eq=False)
class Lengths:
    """How long each class of sound usually is beside the others of a clip: mean and spread of log frames, (K,)."""

    mean: np.ndarray
    spread: np.ndarray

    def deviations(self, classes: np.ndarray, durations: np.ndarray) -> np.ndarray:
        """How unusual the length of every state (S,) is at the clip's own pace, in spreads; silence has no length."""
        away = np.log(np.maximum(durations, 0.5)) - self.mean[classes]
        sounding = classes != SILENCE
        pace = float(np.median(away[sounding])) if sounding.any() else 0.0
        return np.where(sounding, np.clip((away - pace) / self.spread[classes], -5.0, 5.0), 0.0)


@dataclass(frozen=True, eq=False)
class Doubts:
    """All that is fitted."""

    words: Model
    places: Model
    lengths: Lengths

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded to what makes no difference."""
        content = {}
        for name, part in (("words", self.words), ("places", self.places), ("lengths", self.lengths)):
            values = {key: np.round(np.asarray(value, dtype=float), 4).tolist() for key, value in asdict(part).items()}
            content[name] = values
        content["words"]["features"], content["places"]["features"] = list(WORD_FEATURES), list(PLACE_FEATURES)
        return content


def read(path: Path) -> Doubts:
    """What `Doubts.to_json` says. Raises BrokenModel where it is missing, damaged or of other features."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        models = []
        for name, wanted in (("words", WORD_FEATURES), ("places", PLACE_FEATURES)):
            stored = content[name]
            if stored.pop("features") != list(wanted):
                raise ValueError("made for another version")
            bias = float(stored.pop("bias"))
            models.append(Model(**{key: np.array(value, dtype=np.float64) for key, value in stored.items()}, bias=bias))
        lengths = Lengths(**{key: np.array(value, dtype=np.float64) for key, value in content["lengths"].items()})
        if lengths.mean.shape != (CLASSES,):
            raise ValueError("made for other sounds")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenModel(f"{path}: missing or damaged ({error}); reinstall resay") from error
    return Doubts(models[0], models[1], lengths)


@lru_cache(maxsize=1)
def shipped() -> Doubts:
    """What ships."""
    return read(SHIPPED)


def gaps(score: np.ndarray, classes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How far the way found falls behind the likeliest class in every frame, nats (T,)."""
    owner = np.repeat(classes, np.diff(edges))
    return score.max(axis=1) - score[np.arange(len(score)), owner]


def free_score(score: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """What each frame scores outside the text at each price, (F, T), from log posteriors (T, K) and gaps (T,).

    Where a voice or a room is hard to hear, true words fall behind too; being outside the text costs more there.
    """
    return score.max(axis=1) - np.array(PRICES)[:, None] - float(gap.mean())


def _squeezed(gain: np.ndarray | float) -> np.ndarray:
    """A gain on a scale on which ten and twenty nats differ as much as a hundred and two hundred."""
    return np.arcsinh(np.asarray(gain) / 3.0)


@dataclass(frozen=True, eq=False)
class Way:
    """The way found through a sound, and what its states met there."""

    score: np.ndarray
    """Log posteriors (T, K)."""
    classes: np.ndarray
    """(S,)."""
    edges: np.ndarray
    """States begin at these frames, (S + 1,)."""
    spans: Sequence[tuple[int, int]]
    """States of every word."""
    mandarin: np.ndarray
    """Of every word 1.0 where it is Mandarin, (W,)."""
    lengths: Lengths

    def of_words(self) -> dict[str, np.ndarray]:
        """Figures of every word, (W,) each."""
        gap = gaps(self.score, self.classes, self.edges)
        likeliest = self.score.argmax(axis=1)
        unusual = self.lengths.deviations(self.classes, np.diff(self.edges))
        rows = []
        for first, end in self.spans:
            states = [at for at in range(first, end) if self.classes[at] != SILENCE] or [first]
            inside = [gap[self.edges[at] : max(self.edges[at] + 1, self.edges[at + 1])] for at in states]
            near = [self._heard_near(at) for at in states]
            frames = slice(int(self.edges[first]), max(int(self.edges[first]) + 1, int(self.edges[end])))
            rows.append(
                {
                    "gap": np.mean([part.mean() for part in inside]),
                    "gap_worst": max(part.mean() for part in inside),
                    "heard": np.mean([part.min() < np.log(2.0) for part in inside]),
                    "sounds": np.log(len(states)),
                    "length": unusual[states].mean(),
                    "length_least": unusual[states].min(),
                    "length_most": unusual[states].max(),
                    "heard_near": np.mean(near),
                    "heard_least": min(near),
                    "silent": (likeliest[frames] == SILENCE).mean(),
                    "lost": _squeezed(gap[frames].sum()),
                }
            )
        return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}

    def _heard_near(self, state: int) -> float:
        """The most that its own class is heard around a state."""
        first, end = max(0, int(self.edges[state]) - NEAR), int(self.edges[state + 1]) + NEAR
        return float(self.score[first:end, self.classes[state]].max())

    def everywhere(self) -> float:
        """Mean gap of all sounds."""
        sounding = np.repeat(self.classes, np.diff(self.edges)) != SILENCE
        gap = gaps(self.score, self.classes, self.edges)
        return float(gap[sounding].mean()) if sounding.any() else 0.0


def _before(values: np.ndarray) -> np.ndarray:
    """Of every place between words what the word before it has, (W + 1,) from (W,); 0 before the first."""
    return np.concatenate([[0.0], values])


def _after(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, [0.0]])


def word_features(way: Way, skip: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """Of every word, float32 (W, F), from gains of leaving it out (W,) and of passing over sound (W + 1, 3)."""
    found = way.of_words()
    count = len(skip)
    each = _squeezed(skip / np.exp(found["sounds"]))
    passed = _squeezed(extra[:, 0])
    edge = np.zeros(count)
    edge[[0, -1]] = 1.0
    found |= {
        "gain": _squeezed(skip),
        "gain_each": each,
        "gap_elsewhere": np.full(count, way.everywhere()),
        "gap_before": _before(found["gap"])[:-1],
        "gap_after": _after(found["gap"])[1:],
        "gain_before": _before(each)[:-1],
        "gain_after": _after(each)[1:],
        "extra_before": passed[:-1],
        "extra_after": passed[1:],
        "edge": edge,
        "mandarin": way.mandarin,
    }
    return np.stack([found[name] for name in WORD_FEATURES], axis=1).astype(np.float32)


def place_features(way: Way, skip: np.ndarray, extra: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Evidence on every place between words, float32 (W + 1, F); sound from `starts` to `ends` would be passed over."""
    words = way.of_words()
    likeliest, clear = way.score.argmax(axis=1), way.score.max(axis=1)
    gap = gaps(way.score, way.classes, way.edges)
    owner = np.repeat(way.classes, np.diff(way.edges))
    rows = []
    for start, end in zip(starts, ends, strict=True):
        inside = likeliest[start:end]
        sounding = inside != SILENCE
        changes = int((np.diff(inside) != 0).sum()) + 1 if len(inside) else 0
        lost = float(gap[start:end].sum())
        rows.append(
            {
                "sounds": np.log1p(changes * float(sounding.mean()) if len(inside) else 0.0),
                "frames": np.log1p(sounding.sum()),
                "clear": float(clear[start:end][sounding].mean()) if sounding.any() else -3.0,
                "lost": _squeezed(lost),
                "lost_each": lost / max(1, len(inside)),
                "pause": np.log1p((owner[start:end] == SILENCE).sum()),
            }
        )
    found = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}
    most = np.maximum(_before(words["length_most"]), _after(words["length_most"]))
    worst = np.maximum(_before(words["gap_worst"]), _after(words["gap_worst"]))
    edge = np.zeros(len(starts))
    edge[[0, -1]] = 1.0
    found |= {
        "gain": _squeezed(extra[:, 0]),
        "gain_cheap": _squeezed(extra[:, 1]),
        "gain_dear": _squeezed(extra[:, 2]),
        "gain_each": _squeezed(extra[:, 0] / np.maximum(1, ends - starts)),
        "gap_elsewhere": np.full(len(starts), way.everywhere()),
        "length_before": _before(words["length"]),
        "length_after": _after(words["length"]),
        "length_most": most,
        "gap_before": _before(words["gap"]),
        "gap_after": _after(words["gap"]),
        "gap_worst": worst,
        "skip_before": _before(_squeezed(skip)),
        "skip_after": _after(_squeezed(skip)),
        "edge": edge,
        "mandarin": np.maximum(_before(way.mandarin), _after(way.mandarin)),
    }
    return np.stack([found[name] for name in PLACE_FEATURES], axis=1).astype(np.float32)
