"""How to say it: duration, pitch contour and energy of every phoneme, sampled with a seed.

Letters in shapes: P phonemes, T mel frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import adapter, semantic
from .errors import BadOption
from .onnx_graph import OnnxGraph
from .prompt import POINTS, Prompt
from .reference import Profile
from .shared_adapter import HEADS, SharedAdapter


@dataclass(frozen=True, eq=False)
class Plan:
    """Duration, pitch and energy of every phoneme of a sentence."""

    durations: np.ndarray
    """int64 (P,), mel frames, at least 1."""
    pitch: np.ndarray
    """float32 (P, 3), octaves from the speaker's middle pitch, bridged where nothing is voiced."""
    energy: np.ndarray
    """float32 (P,), nepers from the speech level."""

    def to_json(self) -> dict[str, Any]:
        """Plain lists of the shortest decimals that give the same float32 back: a plan read back is the spoken one."""
        return {
            "durations": self.durations.tolist(),
            "pitch": [[float(str(value)) for value in row] for row in self.pitch.astype(np.float32)],
            "energy": [float(str(value)) for value in self.energy.astype(np.float32)],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Plan:
        """The plan of `to_json`. Raises KeyError, TypeError or ValueError where it is none."""
        plan = cls(
            np.array(data["durations"], dtype=np.int64),
            np.array(data["pitch"], dtype=np.float32).reshape(-1, POINTS),
            np.array(data["energy"], dtype=np.float32),
        )
        if not len(plan.durations) == len(plan.pitch) == len(plan.energy) or (plan.durations < 1).any():
            raise ValueError("durations, pitch and energy do not belong together")
        return plan


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. The defaults of `ras` are those of its paper (VALL-E 2, Chen et al. 2024)."""

    method: str = "ras"
    """`ras` (repetition-aware), `topk`, or `greedy` (always the likeliest)."""
    temperature: float = 0.8
    """Below 1 keeps nearer to the likeliest, above 1 strays further."""
    top_k: int = 25
    """`topk` draws from this many likeliest tokens."""
    top_p: float = 0.8
    """`ras` draws from the fewest likeliest tokens that together have this probability."""
    window: int = 10
    """`ras` looks back this many tokens for repetition."""
    repetition: float = 0.1
    """Share of the window above which `ras` draws again, from all tokens."""

    def __post_init__(self) -> None:
        if self.method not in SAMPLERS:
            raise BadOption(f"unknown sampling {self.method!r}; choose one of {', '.join(SAMPLERS)}")
        if not 0.05 <= self.temperature <= 2.0:
            raise BadOption(f"temperature {self.temperature:g} is outside 0.05 to 2")
        if not 1 <= self.top_k <= 1000:
            raise BadOption(f"top-k {self.top_k} is outside 1 to 1000")
        if not 0.0 < self.top_p <= 1.0:
            raise BadOption(f"top-p {self.top_p:g} is outside 0 to 1")


def _likelihood(logits: np.ndarray, temperature: float) -> np.ndarray:
    # Rounding first: last-bit differences between machines then rarely change which token is drawn.
    values = np.round(logits.astype(np.float64) * 64.0) / 64.0 / temperature
    values = np.exp(values - values.max())
    return values / values.sum()


def _draw(chances: np.ndarray, uniform: float) -> int:
    """The token whose share of the cumulated chances holds `uniform`, 0 ≤ uniform < 1."""
    cumulated = np.cumsum(chances)
    return int(min(np.searchsorted(cumulated, uniform * cumulated[-1], side="right"), len(chances) - 1))


def _ranked(chances: np.ndarray) -> np.ndarray:
    """Tokens from likeliest to least likely; equal ones in order of number."""
    return np.argsort(-chances, kind="stable")


def _greedy(logits: np.ndarray, history: list[int], uniforms: np.ndarray, sampling: Sampling) -> int:
    return int(_likelihood(logits, 1.0).argmax())


def _top_k(logits: np.ndarray, history: list[int], uniforms: np.ndarray, sampling: Sampling) -> int:
    chances = _likelihood(logits, sampling.temperature)
    best = _ranked(chances)[: sampling.top_k]
    return int(best[_draw(chances[best], uniforms[0])])


def _repetition_aware(logits: np.ndarray, history: list[int], uniforms: np.ndarray, sampling: Sampling) -> int:
    chances = _likelihood(logits, sampling.temperature)
    ranked = _ranked(chances)
    nucleus = ranked[: int(np.searchsorted(np.cumsum(chances[ranked]), sampling.top_p)) + 1]
    token = int(nucleus[_draw(chances[nucleus], uniforms[0])])
    recent = history[-sampling.window :]
    if recent.count(token) / sampling.window > sampling.repetition:
        return _draw(chances, uniforms[1])
    return token


SAMPLERS = {"ras": _repetition_aware, "topk": _top_k, "greedy": _greedy}


@dataclass(frozen=True, eq=False)
class Codes:
    """What the tokens stand for."""

    durations: np.ndarray
    """float32, mel frames of each duration token, rising."""
    pitch: np.ndarray
    """float32 (tokens, 3), octaves from the middle pitch; token 0 has no pitch of its own."""
    energy: np.ndarray
    """float32, nepers from the speech level of each energy token, rising."""

    def tokens(self, plan: Plan, voiced: np.ndarray) -> np.ndarray:
        """Nearest tokens of a plan, int64 (P, 3); `voiced` (P,) says which phonemes have a pitch of their own."""
        durations = np.abs(np.log(plan.durations)[:, None] - np.log(self.durations)[None]).argmin(axis=1)
        energy = np.abs(plan.energy[:, None] - self.energy[None]).argmin(axis=1)
        distance = ((plan.pitch[:, None] - self.pitch[None, 1:]) ** 2).sum(axis=2)
        pitch = np.where(voiced, 1 + distance.argmin(axis=1), 0)
        return np.stack([durations, pitch, energy], axis=1).astype(np.int64)

    def plan(self, tokens: np.ndarray) -> Plan:
        """What tokens (P, 3) stand for. Pitch is bridged over phonemes that have none."""
        durations = np.maximum(1, np.rint(self.durations[tokens[:, 0]])).astype(np.int64)
        pitch = self.pitch[tokens[:, 1]].copy()
        own = np.repeat(tokens[:, 1] > 0, POINTS)
        flat = pitch.reshape(-1)
        if own.any():
            # Bridging over point numbers rather than seconds is near enough: voiced phonemes lie close together.
            at = np.arange(len(flat))
            flat[~own] = np.interp(at[~own], at[own], flat[own])
        return Plan(
            durations, flat.reshape(-1, POINTS).astype(np.float32), self.energy[tokens[:, 2]].astype(np.float32)
        )


class ProsodyModel:
    """The exported language model: text once, then a step for every phoneme with the keys and values kept."""

    def __init__(
        self,
        text: OnnxGraph,
        steps: OnnxGraph,
        heads: OnnxGraph,
        codes: Codes,
        cache: tuple[int, ...],
        shared: SharedAdapter | None = None,
    ) -> None:
        self._text, self._steps, self._heads = text, steps, heads
        self._codes = codes
        self._cache = cache
        self._shared = shared

    def tokens(
        self,
        ids: np.ndarray,
        profile: Profile,
        random: np.random.Generator,
        sampling: Sampling,
        meaning: np.ndarray | None = None,
        prompt: Prompt | None = None,
    ) -> Iterator[list[int]]:
        """Sample the tokens (3,) of each phoneme of a sentence (P,) as this speaker would say it, one after the other.

        The generator is the sentence's own. `meaning` holds its semantic vectors (P, 64), for weights that take them.
        With a `prompt` the sentence goes on from it, as if both were one text whose first part had been said already
        (VALL-E, Wang et al. 2023).
        """
        # All numbers are drawn first, two for each of three tokens: what a sampler does with them moves nobody else's.
        uniforms = random.random((len(ids), 3, 2))
        given = np.zeros((0, 3), dtype=np.int64) if prompt is None else self._given(prompt)
        if prompt is not None:
            # One text has one start and one end: the prompt's start stands for both.
            meaning = None if meaning is None else np.concatenate([prompt.meaning[:-1], meaning[1:]])
            ids, uniforms = np.concatenate([prompt.ids[:-1], ids[1:]]), uniforms[1:]
        own = adapter.inputs(self._text, "prosody_text", profile.adapter) | semantic.inputs(self._text, meaning)
        text = self._text.run(ids=ids[None], timbre=profile.timbre[None], style=profile.style[None], **own)["text"]
        yield from given[:1].tolist()
        yield from self._tokens(text, uniforms, sampling, given)

    def _given(self, prompt: Prompt) -> np.ndarray:
        """Tokens of a prompt, int64 (P - 1, 3), without those of its end."""
        plan = Plan(prompt.durations, prompt.pitch, prompt.energy)
        return self._codes.tokens(plan, prompt.voiced)[:-1]

    def _tokens(
        self, text: np.ndarray, uniforms: np.ndarray, sampling: Sampling, given: np.ndarray
    ) -> Iterator[list[int]]:
        """Tokens of the steps after those given (G, 3)."""
        sampler = SAMPLERS[sampling.method]
        cache = np.zeros(self._cache, dtype=np.float32)
        before = np.zeros((1, 1, 3), dtype=np.int64)
        history = given.T.tolist()
        if len(given):
            seen = np.concatenate([before[0], given + 1])[None]
            cache = self._steps.run(text=text[:, : len(given)], before=seen[:, :-1], cache=cache)["longer"]
            before, text = seen[:, -1:], text[:, len(given) :]
        for step in range(text.shape[1]):
            answer = self._steps.run(text=text[:, step : step + 1], before=before, cache=cache)
            cache = answer["longer"]
            chosen = [0, 0, 0]
            for column, name in enumerate(HEADS):
                logits = self._heads.run(
                    [name],
                    hidden=answer["hidden"] if self._shared is None else self._shared.hidden(answer["hidden"], name),
                    duration=np.array([[chosen[0]]]),
                    pitch=np.array([[chosen[1]]]),
                )[name][0, 0]
                chosen[column] = sampler(logits, history[column], uniforms[step, column], sampling)
                history[column].append(chosen[column])
            before = np.array([[chosen]], dtype=np.int64) + 1
            yield chosen
