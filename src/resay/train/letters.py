"""Trains letter to sound on the pronouncing dictionary that is shipped.

    python -m resay.train.letters OUT.npz [EPOCHS]

Words whose CRC-32 leaves 0 modulo 20 are held out: they are measured, never trained on.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np

from ..text import english, letters
from .heteronyms import distance

SHAPE = (512, 256)
BATCH = 512
RATE = 1.5e-3
_IMPOSSIBLE = -30.0


def is_held_out(word: str) -> bool:
    """The written rule of what is measured and not trained on."""
    return crc32(word.encode()) % 20 == 0


def words() -> dict[str, tuple[str, ...]]:
    """Words of letters alone, and their readings."""
    return {
        word: english.unpacked(codes)
        for word, codes in english.dictionary().items()
        if word.isascii() and word.isalpha() and len(word) > 1 and len(codes) <= 2 * len(word)
    }


def align(table: dict[str, tuple[str, ...]], rounds: int = 4) -> dict[str, list[tuple[str, ...]]]:
    """For each word what each letter stands for: no, one or two phonemes; by Viterbi EM."""
    scores: dict[tuple[str, tuple[str, ...]], float] = {}
    for _ in range(rounds):
        counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        paths = {word: _path(word, reading, scores) for word, reading in table.items()}
        for word, path in paths.items():
            counts.update(zip(word, path, strict=True))
        totals: Counter[str] = Counter()
        for (letter, _), count in counts.items():
            totals[letter] += count
        scores = {pair: math.log(count / totals[pair[0]]) for pair, count in counts.items() if count > 2}
    return paths


def _path(
    word: str, reading: tuple[str, ...], scores: dict[tuple[str, tuple[str, ...]], float]
) -> list[tuple[str, ...]]:
    """The best alignment of one word; before there are scores, the one nearest to the diagonal."""
    size = len(reading)
    best: list[list[float]] = [[-math.inf] * (size + 1) for _ in range(len(word) + 1)]
    back = [[0] * (size + 1) for _ in range(len(word) + 1)]
    best[0][0] = 0.0
    for row, letter in enumerate(word):
        for column in range(size + 1):
            if best[row][column] == -math.inf:
                continue
            for length in range(min(2, size - column) + 1):
                chunk = reading[column : column + length]
                if scores:
                    cost = scores.get((letter, chunk), _IMPOSSIBLE + (-10 if length == 2 else 0))
                else:
                    off = (row + 1) / len(word) - (column + length) / size
                    cost = -abs(off) * 4 - (length != 1) - (length == 2) - 3 * _unlike(letter, chunk)
                total = best[row][column] + cost
                if total > best[row + 1][column + length]:
                    best[row + 1][column + length] = total
                    back[row + 1][column + length] = length
    path: list[tuple[str, ...]] = []
    column = size
    for row in range(len(word), 0, -1):
        length = back[row][column]
        path.append(reading[column - length : column])
        column -= length
    return path[::-1]


def _unlike(letter: str, chunk: tuple[str, ...]) -> float:
    """Whether a vowel letter is given a consonant or the other way round, to begin with."""
    if not chunk:
        return 0.0
    return float((letter in "aeiouy") != chunk[0][-1].isdigit())


def rows(word: str, choices: list[int], main: frozenset[int], sounds: int) -> list[list[int]]:
    """Inputs of every letter of a word, with the right sounds as its history."""
    codes = [letters.LETTERS.index(letter) for letter in word]
    found = []
    stressed = False
    for position in range(len(word)):
        found.append(letters.places(codes, position, choices, stressed, sounds))
        stressed = stressed or choices[position] in main
    return found


def train(inputs: np.ndarray, targets: np.ndarray, sounds: int, epochs: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Adam on cross entropy; `inputs` int32 (N, K) places that are one, `targets` (N)."""
    random = np.random.default_rng(1)
    sizes = [letters.input_width(sounds), *SHAPE, sounds]
    layers = []
    for number, (wide, narrow) in enumerate(pairwise(sizes)):
        fan = inputs.shape[1] if number == 0 else wide
        layers.append(
            (random.normal(0, math.sqrt(2 / fan), (wide, narrow)).astype(np.float32), np.zeros(narrow, np.float32))
        )
    parameters = [part for layer in layers for part in layer]
    first = [np.zeros_like(part) for part in parameters]
    second = [np.zeros_like(part) for part in parameters]
    steps = epochs * (len(inputs) // BATCH)
    step = 0
    for epoch in range(epochs):
        order = random.permutation(len(inputs))
        loss, begun = 0.0, time.time()
        for start in range(0, len(order) - BATCH + 1, BATCH):
            step += 1
            chosen = order[start : start + BATCH]
            found, gradients = _gradients(layers, inputs[chosen], targets[chosen])
            loss += found
            rate = RATE * min(1.0, step / 500) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            for part, gradient, one, two in zip(parameters, gradients, first, second, strict=True):
                one += 0.1 * (gradient - one)
                two += 0.01 * (gradient * gradient - two)
                part -= rate * one / (np.sqrt(two) + 1e-6)
        print(f"epoch {epoch}: loss {loss / (len(order) // BATCH):.4f}, {time.time() - begun:.0f} s", flush=True)
    return layers


def _gradients(
    layers: list[tuple[np.ndarray, np.ndarray]], inputs: np.ndarray, targets: np.ndarray
) -> tuple[float, list[np.ndarray]]:
    """Loss of a batch and its gradient, weights and bias of each layer in turn."""
    hidden = [np.maximum(layers[0][0][inputs].sum(axis=1) + layers[0][1], 0)]
    for weights, bias in layers[1:-1]:
        hidden.append(np.maximum(hidden[-1] @ weights + bias, 0))
    scores = hidden[-1] @ layers[-1][0] + layers[-1][1]
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    chances /= chances.sum(axis=1, keepdims=True)
    each = np.arange(len(targets))
    loss = float(-np.log(chances[each, targets] + 1e-9).mean())
    chances[each, targets] -= 1
    error = chances / len(targets)
    gradients: list[np.ndarray] = []
    for number in range(len(layers) - 1, 0, -1):
        gradients = [hidden[number - 1].T @ error, error.sum(axis=0), *gradients]
        error = (error @ layers[number][0].T) * (hidden[number - 1] > 0)
    dense = np.zeros_like(layers[0][0])
    for slot in range(inputs.shape[1]):
        used, where = np.unique(inputs[:, slot], return_inverse=True)
        picked = np.zeros((len(used), len(targets)), np.float32)
        picked[where, each] = 1
        dense[used] += picked @ error
    return loss, [dense, error.sum(axis=0), *gradients]


def save(layers: list[tuple[np.ndarray, np.ndarray]], sounds: list[tuple[str, ...]], path: Path) -> None:
    """The file that `letters` reads: eight bits a weight, one scale for each output."""
    arrays: dict[str, np.ndarray] = {
        "count": np.array(len(layers)),
        "sounds": np.frombuffer("\n".join(" ".join(sound) for sound in sounds).encode(), dtype=np.uint8),
    }
    for number, (weights, bias) in enumerate(layers):
        scale = np.abs(weights).max(axis=0) / 127 + 1e-9
        arrays[f"weights{number}"] = np.round(weights / scale).astype(np.int8)
        arrays[f"scale{number}"] = scale.astype(np.float32)
        arrays[f"bias{number}"] = bias.astype(np.float32)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def error_rate(model: letters.Model, table: dict[str, tuple[str, ...]], most: int = 6000) -> tuple[float, float]:
    """Phoneme error rate with stress, and without, over at most so many words."""
    with_stress = without = total = 0.0
    for word, reading in list(table.items())[:most]:
        found = letters.read(model, word)
        bare = tuple(symbol.rstrip("012") for symbol in reading)
        without += distance(tuple(symbol.rstrip("012") for symbol in found), bare)
        with_stress += _edits(found, reading)
        total += len(reading)
    return with_stress / total, without / total


def _edits(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    row = list(range(len(other) + 1))
    for place, symbol in enumerate(one, start=1):
        previous, row[0] = row[0], place
        for column, target in enumerate(other, start=1):
            previous, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, previous + (symbol != target)),
            )
    return row[-1]


def main() -> None:
    """Train, write, and print the phoneme error rate on held-out words."""
    out = Path(sys.argv[1])
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    table = words()
    training = {word: reading for word, reading in table.items() if not is_held_out(word)}
    paths = align(training)
    counts = Counter(chunk for path in paths.values() for chunk in path)
    sounds = [chunk for chunk, count in counts.most_common() if count >= 15]
    numbers = {chunk: number for number, chunk in enumerate(sounds)}
    main_stress = frozenset(number for chunk, number in numbers.items() if any(symbol[-1] == "1" for symbol in chunk))
    inputs, targets = [], []
    for word, path in paths.items():
        if all(chunk in numbers for chunk in path):
            choices = [numbers[chunk] for chunk in path]
            inputs += rows(word, choices, main_stress, len(sounds))
            targets += choices
    print(f"{len(training)} words, {len(targets)} letters, {len(sounds)} sounds", flush=True)
    save(train(np.array(inputs, np.int32), np.array(targets), len(sounds), epochs), sounds, out)
    rates = error_rate(letters.load(out), {word: table[word] for word in table if is_held_out(word)})
    print(f"held out: phoneme error rate {rates[0]:.4f}, without stress {rates[1]:.4f}; {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
