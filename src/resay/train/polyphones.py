"""Trains the readings of ambiguous Mandarin characters.

    python -m resay.train.polyphones SENTENCES LABELS OUT.npz [TEXT.gz ...]

SENTENCES and LABELS are in the form of the CPP data set (Park and Lee, Interspeech 2020): a sentence a line, one
character between U+2581 signs, and its reading. Lines whose CRC-32 (of the sentence, UTF-8) leaves 0 modulo 5 are held
out: they are measured, never trained on. TEXT is more text; in it, characters of words that the phrase table reads, and
that have one reading in it wherever the word stands, are labelled by that table.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from ..text import classifier, mandarin, polyphones
from .perceptron import Example, counted, save, train

_MARKED = re.compile("\u2581\\s*(.)\\s*\u2581")


def is_held_out(line: str) -> bool:
    """The written rule of what is measured and not trained on."""
    return crc32(line.encode()) % 5 == 0


def examples(sentences: Iterable[str], labels: Iterable[str]) -> list[tuple[str, Example]]:
    """Lines and what is marked in them."""
    found = []
    for line, label in zip(sentences, labels, strict=True):
        match = _MARKED.search(line)
        if not match:
            raise ValueError(f"no character is marked: {line}")
        text = mandarin.to_simplified(line[: match.start()] + match.group(1) + line[match.end() :])
        seen = mandarin.context(text, match.start())
        found.append((line, Example(match.group(1), seen.features, seen.proposed, label.replace("u:e", "ve").replace("u:", "v"))))
    return found


def labelled(text: Iterable[str], characters: set[str], most: int = 60) -> list[Example]:
    """Characters of longer words in running text, read by the phrase table; at most so many of one word."""
    counts: dict[tuple[str, int], int] = defaultdict(int)
    found = []
    for line in text:
        position = 0
        line = mandarin.to_simplified(line)
        for word in mandarin.words(line):
            for offset, character in enumerate(word):
                if len(word) < 2 or character not in characters or word not in mandarin.phrases():
                    continue
                counts[word, offset] += 1
                if counts[word, offset] <= most:
                    reading = mandarin.phrases()[word].split(" ")[offset]
                    seen = mandarin.context(line, position + offset)
                    found.append(Example(character, seen.features, seen.proposed, reading))
            position += len(word)
    return found


def measure(path: Path, held_out: Iterable[Example]) -> list[tuple[Example, str]]:
    """What a written model reads for each example."""
    model = classifier.load(path)
    return [
        (
            example,
            polyphones.best(model, example.word, example.features, example.proposed)
            if example.word in model.readings
            else example.proposed,
        )
        for example in held_out
    ]


def main() -> None:
    """Train, write, and print the share of held-out characters that are read right."""
    sentences, labels, out, *texts = sys.argv[1:]
    lines = Path(sentences).read_text(encoding="utf-8").splitlines()
    found = examples(lines, Path(labels).read_text(encoding="utf-8").split())
    training = [example for line, example in found if not is_held_out(line)]
    held_out = [example for line, example in found if is_held_out(line)]
    counts = counted(training)
    for name in texts:
        with gzip.open(name, "rt", encoding="utf-8") as file:
            training += labelled(file.read().splitlines(), set(counts))
    for example in training:
        counts[example.word][example.reading] += 0
    save(train(training, counts), counts, Path(out))
    proposed = sum(example.proposed == example.reading for example in held_out)
    read = measure(Path(out), held_out)
    right = sum(reading == example.reading for example, reading in read)
    print(f"{len(training)} trained on, {len(held_out)} held out: dictionary {proposed / len(held_out):.4f}, ", end="")
    print(f"model {right / len(held_out):.4f}; {Path(out).stat().st_size} bytes")


if __name__ == "__main__":
    main()
