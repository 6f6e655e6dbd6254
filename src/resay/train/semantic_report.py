"""What exported semantic encoders know, as a table.

    python -m resay.train.semantic_report SENTENCES LABELS ENCODER.onnx ... [--cache CACHE]

SENTENCES and LABELS are those of `resay.train.polyphones`, and what its rule holds out is measured: readings by the
shipped classifier, by each encoder alone, and by both together, their log probabilities added; the encoder's size, its
time for a sentence of twenty words on one core, and how like its vectors are to those of the first encoder.

With the cache of aligned recordings also what becomes of prosody where the shipped model is fed with each encoder's
vectors: how badly it foresees durations, pitch contours and energies of held-out recordings, in nats a phoneme. A last
row is without any meaning.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import text
from ..semantic import SEMANTIC, SemanticEncoder
from ..synthesis import SHIPPED
from ..text import classifier, phonemes, polyphones
from . import acoustic_stage, annotations, export, prosody_stage, release, vectors
from . import polyphones as training
from .prosody_net import ProsodyNet, ProsodyShape
from .recordings import Recordings

TWENTY_WORDS = "The old man walked slowly down to the harbour every morning to see whether the small red boat had come."
HEADINGS = ("encoder", "MB", "ms", "classifier", "encoder alone", "both", "likeness")


def main() -> None:
    """Print the table."""
    arguments = sys.argv[1:]
    cache = Path(arguments.pop()) if "--cache" in arguments else None
    sentences, labels, *encoders = (it for it in arguments if it != "--cache")
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
    if cache:
        _print_prosody(cache, [Path(name) for name in encoders])


def _print_prosody(cache: Path, encoders: Sequence[Path]) -> None:
    foresight = Foresight(cache)
    named = [(path.parent.name, SemanticEncoder.open(path)) for path in encoders]
    print("\n| encoder | durations | pitch | energy |\n|-|-|-|-|")
    for name, encoder in [*named, ("none", None)]:
        print("| " + " | ".join([name, *(f"{value:.4f}" for value in foresight.of(encoder))]) + " |")
    print(f"\n{len(foresight.rows)} held-out recordings.")


class Foresight:
    """The shipped prosody model before held-out recordings."""

    def __init__(self, cache: Path, models: Path = SHIPPED, most: int = 400) -> None:
        recordings = Recordings(cache)
        self.collator = Planned(recordings, annotations.profiles(cache))
        held_out = acoustic_stage.examples(recordings, cache, held_out=True)
        self.rows = held_out[:: max(1, len(held_out) // most)]
        self.plans = [prosody_stage.measured(self.collator, row) for row in self.rows]
        self.codes = release.read_codes(models / "model.json")
        self.net = ProsodyNet(export.shape_of(models / "prosody_text.onnx", ProsodyShape))
        export.restore_prosody(self.net, models)

    def of(self, encoder: SemanticEncoder | None) -> list[float]:
        """Nats a phoneme of durations, pitch and energy with an encoder's vectors, or with none."""
        self.collator.encoder = encoder
        check = prosody_stage.Check(self.collator, self.rows, self.plans, self.codes)
        found = check(self.net.eval(), 0)
        return [found[f"held_out_{name}"] for name in ("duration", "pitch", "energy")]


class Planned(acoustic_stage.Collator):
    """Reads meanings from an encoder as they are asked for, and not from the cache."""

    def __init__(self, recordings: Recordings, profiles: annotations.Profiles) -> None:
        self.recordings, self.profiles, self.style = recordings, profiles, profiles.style
        self.encoder: SemanticEncoder | None = None

    def semantic(self, example: acoustic_stage.Example) -> np.ndarray:
        if self.encoder is None:
            return np.zeros((len(example.ids), SEMANTIC), np.float32)
        sentence = text.sentence(example.clip.text, example.clip.language)
        return vectors.fitted(sentence, [phonemes.SYMBOLS[number] for number in example.ids], self.encoder)


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
