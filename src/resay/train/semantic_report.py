"""What exported semantic encoders know, as a table.

    python -m resay.train.semantic_report SENTENCES LABELS ENCODER.onnx ...

SENTENCES and LABELS are those of `resay.train.polyphones`, and what its rule holds out is measured: readings by the
shipped classifier, by each encoder alone, and by both together, their log probabilities added; the encoder's size, its
time for a sentence of twenty words on one core, and how like its vectors are to those of the first encoder.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from .. import text
from ..semantic import SemanticEncoder
from ..text import classifier, polyphones
from . import polyphones as training

TWENTY_WORDS = "The old man walked slowly down to the harbour every morning to see whether the small red boat had come."
HEADINGS = ("encoder", "MB", "ms", "classifier", "encoder alone", "both", "likeness")


def main() -> None:
    """Print the table."""
    sentences, labels, *encoders = sys.argv[1:]
    lines = Path(sentences).read_text(encoding="utf-8").splitlines()
    found = training.examples(lines, Path(labels).read_text(encoding="utf-8").split())
    held_out = [(line, example) for line, example in found if training.is_held_out(line)]
    print("| " + " | ".join(HEADINGS) + " |\n|" + "-|" * len(HEADINGS))
    first = SemanticEncoder.open(Path(encoders[0]))
    for name in encoders:
        encoder = SemanticEncoder.open(Path(name))
        figures = [f"{share:.4f}" for share in shares_right(encoder, held_out)]
        size = Path(name).stat().st_size / 1e6
        like = likeness(first, encoder, [line for line, _ in held_out[:300]])
        cells = [Path(name).parent.name, f"{size:.2f}", f"{1000 * seconds(encoder):.1f}", *figures, f"{like:.3f}"]
        print("| " + " | ".join(cells) + " |")
    print(f"\n{len(held_out)} held-out sentences.")


def shares_right(encoder: SemanticEncoder, held_out: list[tuple[str, training.Example]]) -> tuple[float, float, float]:
    """Share of readings right: by the classifier, by the encoder where it knows any, by both together."""
    model = polyphones.model()
    right = np.zeros(3)
    for line, example in held_out:
        before, character, after = line.split("\u2581")
        written = before + character.strip() + after
        alone = encoder.chances(written, len(before))
        usual = example.proposed
        if example.word in model.readings:
            usual = polyphones.best(model, example.word, example.features, example.proposed)
        own = max(alone, key=alone.__getitem__) if alone else example.proposed
        both = together(model, example, alone, usual)
        right += [answer == example.reading for answer in (usual, own, both)]
    return tuple(right / len(held_out))


def together(model: classifier.Model, example: training.Example, chances: dict[str, float], usual: str) -> str:
    """What classifier and encoder read together, both scores added; `usual` where one of them knows nothing."""
    readings, shares = model.readings.get(example.word, ()), model.shares.get(example.word, ())
    if not usual or usual not in chances or usual not in readings:
        return usual
    known = classifier.score(model.weights, example.word, example.features, readings, shares, example.proposed)
    scores = {it: own + chances[it] for it, own in zip(readings, known, strict=True) if it in chances}
    return max(scores, key=scores.__getitem__)


def likeness(first: SemanticEncoder, second: SemanticEncoder, lines: list[str]) -> float:
    """Mean cosine between the vectors that two encoders give the same phonemes."""
    cosines = []
    for line in lines:
        sentence = text.sentence(line.replace("\u2581", ""), "zh")
        one, other = first.vectors(sentence), second.vectors(sentence)
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        cosines.append(((one * other).sum(axis=1)[lengths > 0] / lengths[lengths > 0]).mean())
    return float(np.mean(cosines))


def seconds(encoder: SemanticEncoder, rounds: int = 50) -> float:
    """Shortest time for the vectors of a sentence of twenty words."""
    sentence = text.sentence(TWENTY_WORDS, "en")
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        encoder.vectors(sentence)
        taken.append(time.perf_counter() - begun)
    return min(taken)


if __name__ == "__main__":
    main()
