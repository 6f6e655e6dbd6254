"""Does the engine say every word once? It speaks sentences and aligns its own sound with its plan.

    python bench/self_check.py [--sentences 100] [--voice NAME]

Prints a table.
"""

from __future__ import annotations

import argparse
import sys

from rich.progress import track as progress

import resay
from resay.evaluate import sentences, spoken_words
from resay.evaluate.spoken_words import SpokenWords


def measure(engine: resay.Engine, voices: dict[str, resay.Voice], count: int) -> dict[str, SpokenWords]:
    """Half of the sentences in each language, each with a seed of its own, in a voice of the language."""
    found = {}
    for language, voice in voices.items():
        texts = sentences.unseen(language)
        total = SpokenWords()
        for number in progress(range(count // len(voices)), language, transient=True):
            request = resay.Request(texts[number % len(texts)], seed=number)
            total += spoken_words.check(engine.stream(request, voice), engine.aligner)
        found[language] = total
    return found


def table(found: dict[str, SpokenWords]) -> str:
    """Markdown."""
    names = ("words", "skipped", "repeated", "added", "swallowed", "moved")
    lines = [f"| | {' | '.join(names)} |", "|-" + "|-:" * len(names) + "|"]
    lines += [f"| {name} | " + " | ".join(str(getattr(row, it)) for it in names) + " |" for name, row in found.items()]
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--voice")
    options = parser.parse_args()
    library = resay.VoiceLibrary()
    chosen = [library.get(options.voice)] if options.voice else list(library)
    voices = {voice.language: voice for voice in reversed(chosen)}
    print(table(measure(resay.Engine(threads=1), voices, options.sentences)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
