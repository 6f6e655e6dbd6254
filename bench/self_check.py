"""Does the engine say every word once? It speaks sentences and aligns its own sound with its plan.

    python bench/self_check.py [--sentences 2000] [--corpus DIR] [--voice NAME] [--workers 2] [--write PAGE]

Half of the sentences are in each language, shipped voices take turns, every sentence has a seed of its own. With a
corpus its transcripts are said, each once; without, the unseen sentences of the evaluation with ever new seeds.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path

import sections
from rich.progress import track as progress

import resay
from resay.errors import BadText
from resay.evaluate import about, sentences, spoken_words
from resay.evaluate.report import LANGUAGE_NAMES
from resay.evaluate.spoken_words import SpokenWords
from resay.evaluate.tables import table
from resay.train.recordings import WORD_LISTS, tsv

KINDS = ("skipped", "repeated", "added", "swallowed", "moved")
SHARE = 25
"""Sentences that a worker takes at once."""
PAGE = """# Every word once

Written by `python bench/self_check.py --sentences {sentences}{corpus} --write docs/self_check.md`; do not edit.
{said} sentences, {voices} voices taking turns, a seed for each. The engine aligns its own sound with its text and
compares with its plan. What the aligner tells wrongly is in the figures too: see the false alarms in
[alignment.md](alignment.md).

{table}
Skipped: in the text, not heard. Repeated: heard twice. Added: a stretch that the text has not. Swallowed: heard in
less than half of the time planned. Moved: more than 0.1 s, and a quarter of its length, from where it was planned.
Clean: sentences without any of these.

Measured on {machine.processor}, {machine.cores} cores, onnxruntime {runtime}.
"""

Task = tuple[str, str, int]
"""Text, voice, seed."""


def texts(corpus: Path | None, language: str, count: int) -> list[str]:
    """What is said: distinct transcripts in an order that their digests give, or the unseen sentences again."""
    if corpus is None:
        return list(islice(cycle(sentences.unseen(language)), count))
    spoken = (row for row in tsv(corpus / "metadata.tsv") if row["language"] == language)
    known = {row["text"] for row in spoken if row["set"] not in WORD_LISTS}
    return sorted(known, key=lambda text: hashlib.sha256(text.encode()).digest())[:count]


@lru_cache(maxsize=1)
def engine() -> resay.Engine:
    """One a process."""
    return resay.Engine(threads=1)


def check(tasks: Sequence[Task]) -> tuple[SpokenWords, int, int]:
    """Say and align; what was found in all, of how many sentences, how many of them without a fault."""
    library, total, said, clean = resay.VoiceLibrary(), SpokenWords(), 0, 0
    for text, voice, seed in tasks:
        try:
            pieces = list(engine().stream(resay.Request(text, seed=seed), library.get(voice)))
        except BadText:
            continue  # a transcript with nothing to say
        found = spoken_words.check(pieces, engine().aligner)
        total, said = total + found, said + 1
        clean += not any(getattr(found, kind) for kind in KINDS)
    return total, said, clean


def measure(options: argparse.Namespace) -> dict[str, tuple[SpokenWords, int, int]]:
    """By language."""
    library = resay.VoiceLibrary()
    chosen = [library.get(options.voice)] if options.voice else list(library)
    found = {}
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        for language in sorted({voice.language for voice in chosen}):
            names = cycle(voice.name for voice in chosen if voice.language == language)
            said = texts(options.corpus, language, options.sentences // 2)
            tasks = [(text, next(names), seed) for seed, text in enumerate(said)]
            shares = [tasks[first : first + SHARE] for first in range(0, len(tasks), SHARE)]
            parts = progress(pool.map(check, shares), language, total=len(shares), transient=True)
            totals, counts, clean = zip(*parts, strict=True)
            found[language] = sum(totals, SpokenWords()), sum(counts), sum(clean)
    return found


def rows(found: dict[str, tuple[SpokenWords, int, int]]) -> list[list[str]]:
    cells = []
    for language, (total, said, clean) in found.items():
        figures = asdict(total)
        faults = [f"{figures[kind]} ({figures[kind] / max(total.words, 1):.2%})" for kind in KINDS]
        cells.append([LANGUAGE_NAMES[language], str(said), f"{clean / max(said, 1):.1%}", str(total.words), *faults])
    return cells


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--voice")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    found = measure(options)
    machine = about.machine()
    written = PAGE.format(
        sentences=options.sentences,
        corpus=" --corpus DIR" if options.corpus else "",
        said=sum(said for _, said, _ in found.values()),
        voices=1 if options.voice else len(resay.VoiceLibrary().names()),
        table=table(["language", "sentences", "clean", "words", *KINDS], rows(found)),
        machine=machine,
        runtime=machine.packages["onnxruntime"],
    )
    sections.publish(written, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
