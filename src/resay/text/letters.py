"""Letter to sound: readings of English words that no dictionary has.

A small network reads the word letter by letter and says for each which phonemes it stands for (none, one or two), from
the letters around it and what it has said so far; a beam keeps the best few readings. Letters and phonemes of the
dictionary are aligned for training by Viterbi EM (after Bisani and Ney, Joint-sequence models for grapheme-to-phoneme
conversion, Speech Communication 2008). Weights are eight-bit, in `data/letters.npz`; `resay.train.letters` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from . import tables

LETTERS = "abcdefghijklmnopqrstuvwxyz"
BEFORE, AFTER = 5, 6
"""Letters that are seen before and after the one to be read."""
HISTORY = 4
"""Letters whose sounds are seen."""
BEAM = 4
EDGE = len(LETTERS)
_LONGEST = 60


@dataclass(frozen=True)
class Model:
    """`sounds` (L) what a letter can stand for; layers as weights (in, out) and biases (out).

    The input is `width` numbers: one of 27 for each letter in the window, one of L + 1 for each sound in the history,
    whether the main stress is said already, and how many vowel letters follow (0 to 4 or more).
    """

    sounds: tuple[tuple[str, ...], ...]
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    @property
    def width(self) -> int:
        """Length of the input."""
        return input_width(len(self.sounds))


def input_width(sounds: int) -> int:
    """Length of the input for so many sounds."""
    return (BEFORE + AFTER + 1) * (EDGE + 1) + HISTORY * (sounds + 1) + 2 + 5


def load(path: Path) -> Model:
    """A model from its file."""
    with np.load(path) as stored:
        sounds = tuple(tuple(item.split()) for item in bytes(stored["sounds"]).decode().split("\n"))
        layers = []
        for number in range(int(stored["count"])):
            weights = stored[f"weights{number}"].astype(np.float32) * stored[f"scale{number}"]
            layers.append((weights, stored[f"bias{number}"].astype(np.float32)))
    return Model(sounds, tuple(layers))


@cache
def model() -> Model:
    """The model that is shipped."""
    return load(tables.FOLDER / "letters.npz")


def places(letters: Sequence[int], position: int, history: Sequence[int], stressed: bool, sounds: int) -> list[int]:
    """Which inputs are one for letter `position`; `history` are the sounds of the letters before it, from the first."""
    found = []
    for slot, place in enumerate(range(position - BEFORE, position + AFTER + 1)):
        found.append(slot * (EDGE + 1) + (letters[place] if 0 <= place < len(letters) else EDGE))
    base = (BEFORE + AFTER + 1) * (EDGE + 1)
    for slot in range(HISTORY):
        place = position - 1 - slot
        found.append(base + slot * (sounds + 1) + (history[place] if place >= 0 else sounds))
    base += HISTORY * (sounds + 1)
    found.append(base + stressed)
    vowels = sum(letter in _VOWELS for letter in letters[position + 1 :])
    found.append(base + 2 + min(vowels, 4))
    return found


_VOWELS = frozenset(LETTERS.index(letter) for letter in "aeiouy")


@lru_cache(maxsize=8192)
def sounds(word: str) -> tuple[str, ...]:
    """Reading of a word of lower-case letters; very long ones are read in parts."""
    letters = word.replace("'", "")
    if len(letters) > _LONGEST:
        return sounds(letters[:_LONGEST]) + sounds(letters[_LONGEST:])
    return read(model(), letters)


def read(used: Model, word: str) -> tuple[str, ...]:
    """The best reading that the beam finds; exactly one vowel has the main stress if there is a vowel."""
    letters = [LETTERS.index(letter) for letter in word]
    hypotheses: list[tuple[float, tuple[int, ...], bool]] = [(0.0, (), False)]
    for position in range(len(letters)):
        rows = [places(letters, position, history, stressed, len(used.sounds)) for _, history, stressed in hypotheses]
        scores = log_probabilities(used, np.array(rows))
        grown = []
        for (total, history, stressed), row in zip(hypotheses, scores, strict=True):
            for choice in np.argsort(row)[: -BEAM - 1 : -1]:
                main = any(symbol.endswith("1") for symbol in used.sounds[choice])
                if not (main and stressed):
                    grown.append((total + float(row[choice]), (*history, int(choice)), stressed or main))
        hypotheses = sorted(grown, reverse=True)[:BEAM] or hypotheses
    best = max(hypotheses, key=lambda found: (found[2], found[0]))
    reading = [symbol for choice in best[1] for symbol in used.sounds[choice]]
    if not best[2]:
        vowel = next((place for place, symbol in enumerate(reading) if symbol[-1].isdigit()), None)
        if vowel is not None:
            reading[vowel] = reading[vowel][:-1] + "1"
    return tuple(reading)


def log_probabilities(used: Model, rows: np.ndarray) -> np.ndarray:
    """Log probability of every sound, float32 (N, L), for inputs given by the places that are one, int (N, K)."""
    weights, bias = used.layers[0]
    hidden = np.maximum(weights[rows].sum(axis=1) + bias, 0)
    for weights, bias in used.layers[1:-1]:
        hidden = np.maximum(hidden @ weights + bias, 0)
    weights, bias = used.layers[-1]
    scores = hidden @ weights + bias
    scores -= scores.max(axis=1, keepdims=True)
    found: np.ndarray = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return found
