"""What a voice says, moved to where its speaker's own sounds lie.

The acoustic model goes part of the way from everybody's sounds to a stranger's. How far it has come shows in a few
sentences that it rehearses with the voice: for every class of sound the mean frame said is compared with the mean frame
heard in the clip, and what is missing is added wherever that sound is spoken. Recognisers adapt their means to a
speaker in the same way, each by as much as was heard of it (MAP adaptation, Gauvain and Lee 1994). A voice that was
heard for long the model knows by itself, and it is moved by less.

Letters in shapes: P phonemes, T mel frames, M mel bands, K classes of sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .aligner import CLASS_OF, SILENCE
from .audio import running_mean
from .prompt import POINTS
from .prosody import Plan

SENTENCES = {
    "en": (
        "The boy enjoyed watching a yellow bird above the quiet lake while other children sang.",
        "She chose five good books, thought about the measure of pleasure, and joined the southern crew.",
        "Please put the huge zebra picture near my father's oak table before Thursday evening.",
        "How could a young judge hurry through this noisy shop without a word of thanks?",
    ),
    "zh": (
        "春天的阳光照着安静的小河，孩子们在岸边追着蝴蝶跑。",
        "他说昨晚的月亮特别圆，我们吃了两碗热汤面，喝了一杯绿茶。",
        "夏天，一头大熊从破旧的房子里抓走了一块怪味的菠菜。",
        "火车穿过森林和群山，远处传来古老的钟声与儿童的笑声。",
    ),
}
"""What is rehearsed, by language: together nearly all of its sounds."""
PRIOR = 1.0
"""Frames: a sound that was heard for so long is believed by half."""
SHARE = 0.5
"""Of what is missing that is added. A mean is of all contexts: with the whole of it words run into each other;
likeness has little of the second half."""
ENOUGH = 320.0
"""Frames of certain sounds, some twelve seconds of speech. Of a voice that was heard for longer less is added, in
inverse proportion: of a minute's means words suffered most, for little likeness."""
SMOOTHED = 5
"""Frames over which one sound's shift passes into the next one's."""


@dataclass(frozen=True, eq=False)
class Line:
    """A sentence that is rehearsed: phonemes (P,) and how they are said, the same for every voice."""

    ids: np.ndarray
    plan: Plan

    def to_json(self) -> dict[str, Any]:
        """Lists, as `model.json` keeps them."""
        return {
            "ids": self.ids.tolist(),
            "durations": self.plan.durations.tolist(),
            "pitch": np.round(self.plan.pitch.astype(float), 3).tolist(),
            "energy": np.round(self.plan.energy.astype(float), 3).tolist(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Line:
        """Raises KeyError, TypeError or ValueError where the content is none of `to_json`."""
        ids, durations = (np.array(content[name], dtype=np.int64) for name in ("ids", "durations"))
        pitch, energy = (np.array(content[name], dtype=np.float32) for name in ("pitch", "energy"))
        if not (ids.shape == durations.shape == energy.shape and pitch.shape == (*ids.shape, POINTS)):
            raise ValueError("rehearsal")
        if len(ids) == 0 or durations.min() < 1 or ids.min() < 0 or ids.max() >= len(CLASS_OF):
            raise ValueError("rehearsal")
        return cls(ids, Plan(durations, pitch, energy))


def spoken(heard: np.ndarray, rehearsal: Mapping[str, Sequence[Line]]) -> str:
    """The language whose rehearsed sounds were heard longest in `aligner.mean_sounds` (K, M + 1)."""

    def frames(language: str) -> float:
        classes = np.unique(np.concatenate([CLASS_OF[line.ids] for line in rehearsal[language]]))
        return float(heard[classes[classes != SILENCE], -1].sum())

    return max(sorted(rehearsal), key=frames)


def frame_classes(ids: np.ndarray, durations: np.ndarray) -> np.ndarray:
    """The class of sound of every frame, int64 (T,), of phonemes (P,)."""
    return np.repeat(CLASS_OF[ids], durations)


def shifts(heard: np.ndarray, said: Sequence[np.ndarray]) -> np.ndarray:
    """What moves each class towards where the speaker has it, float32 (K, M), in scaled mels.

    It is `SHARE` of the way; less where little was heard of a sound, or more than `ENOUGH` of all of them. `heard` and
    each of `said` are `aligner.mean_sounds` (K, M + 1). Silence is left alone: it is the room's.
    """
    counts = np.sum([one[:, -1] for one in said], axis=0)
    means = np.sum([one[:, :-1] * one[:, -1:] for one in said], axis=0) / np.maximum(counts, 1.0)[:, None]
    trust = heard[:, -1] / (heard[:, -1] + PRIOR) * counts / (counts + PRIOR)
    trust[SILENCE] = 0.0
    frames = heard[:, -1].sum() - heard[SILENCE, -1]
    share = SHARE * min(1.0, ENOUGH / max(frames, 1.0))
    return (share * trust[:, None] * (heard[:, :-1] - means)).astype(np.float32)


def along(shifts: np.ndarray, ids: np.ndarray, durations: np.ndarray) -> np.ndarray:
    """The shift of every frame, float32 (T, M): that of its sound, passing smoothly into the next."""
    return running_mean(shifts[frame_classes(ids, durations)], SMOOTHED, axis=0)
