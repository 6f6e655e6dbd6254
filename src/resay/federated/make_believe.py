"""People who do not exist, to try attacks on: voices drawn as people's voices differ, sentences, and habits of speech.

No recording is needed, so that anybody can run the audit, and nobody's speech is attacked.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from .. import blurring, text
from ..reference import Profile
from ..semantic import SEMANTIC
from ..text import phonemes
from ..voices import SHIPPED, VoiceLibrary
from .local import Frozen, Spoken

NAMES = "My sister|The old doctor|Our teacher|A young farmer|The captain|Their neighbour|The tall singer|Nobody".split(
    "|"
)
DEEDS = "bought|painted|forgot|carried|found|sold|described|hid".split("|")
THINGS = "a green bicycle|the broken clock|seven letters|an empty suitcase|the garden door|two oranges".split("|")
PLACES = "at the station|before dawn|in Chongqing|without a word|on Tuesday|near the river".split("|")
ANOTHER_CLIP = 0.3
"""How far two clips of one person lie apart, in units of how far people do: timbre, pitch and style are never heard
quite the same twice."""
HEARD = 3
"""Clips that the attacker has of everybody from elsewhere."""


@dataclass(frozen=True, eq=False)
class Person:
    """What a client has, and what somebody who knows this person has heard of them elsewhere."""

    clips: tuple[Spoken, ...]
    texts: tuple[str, ...]
    elsewhere: tuple[Profile, ...]
    """From other clips."""


class World:
    """Makes people, one after the other, from one source of chance."""

    def __init__(self, frozen: Frozen, seed: int = 0, models: Path | None = None) -> None:
        self._random = np.random.Generator(np.random.Philox(seed))
        self._axes = blurring.shipped_axes(models)
        shipped = [voice.profile for voice in VoiceLibrary([SHIPPED])]
        timbre = np.mean([profile.timbre for profile in shipped], axis=0)
        self._middle = Profile(timbre / np.linalg.norm(timbre), np.zeros_like(shipped[0].style), 170.0)
        codes = frozen.codes
        self._limits = np.array([len(codes.durations), len(codes.pitch), len(codes.energy)])
        # What is usual of each phoneme: everybody shares it.
        self._usual = self._random.uniform(0.15, 0.6, (len(phonemes.SYMBOLS), 3))
        sentences = list(product(NAMES, DEEDS, THINGS, PLACES))
        self._sentences = [sentences[place] for place in self._random.permutation(len(sentences))]

    def people(self, count: int, clips: int = 2) -> list[Person]:
        """So many, each with clips of its own; no two say the same sentence."""
        return [self._person(clips) for _ in range(count)]

    def _person(self, clips: int) -> Person:
        profile = blurring.blurred_profile(self._middle, 1.0, self._axes, self._random)
        elsewhere = tuple(
            blurring.blurred_profile(profile, ANOTHER_CLIP, self._axes, self._random) for _ in range(HEARD)
        )
        habit = self._random.normal(0.0, 0.06, 3)
        texts = tuple(f"{' '.join(self._sentences.pop())}." for _ in range(clips))
        said = [self._spoken(line, profile, habit) for line in texts]
        return Person(tuple(said), texts, elsewhere)

    def _spoken(self, line: str, profile: Profile, habit: np.ndarray) -> Spoken:
        ids = identities(line)
        level = self._usual[ids] + habit + self._random.normal(0.0, 0.08, (len(ids), 3))
        tokens = np.clip(level * self._limits, 0, self._limits - 1).astype(np.int64)
        meaning = np.zeros((len(ids), SEMANTIC), np.float32)
        return Spoken(ids, tokens, meaning, profile.timbre, profile.style)


def identities(line: str) -> np.ndarray:
    """Phoneme numbers of a text, int64 (P,)."""
    return np.concatenate([sentence.ids for sentence in text.sentences(line, "en")])
