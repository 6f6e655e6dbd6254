"""Measures how English is written out against spoken forms made by people and grammars.

    python -m resay.train.normalisation SPOKEN.tsv.gz

SPOKEN has source, written and spoken text. Lines with digits whose CRC-32 (of the written text, UTF-8) leaves 0
modulo 5 are held out: they were never looked at while the rules were written. Case, punctuation, the order of words,
the words "the", "of" and "and", the spaces in spelled letters, and "o" for "zero" do not count. wetext is measured
beside it where it is installed; a line that it fails on is wrong.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from ..errors import BadText
from ..text import cleaning, english_normalisation
from ..text.traced import Traced


def is_held_out(written: str) -> bool:
    """The written rule of what is measured and was not looked at."""
    return crc32(written.encode()) % 5 == 0


def letters(text: str) -> Counter[str]:
    """What counts of a spoken text."""
    plain = text.lower().replace("'", "").replace(" zero", " o")
    plain = re.sub(r"\b(the|of|and)\b", " ", re.sub("[^a-z0-9]", " ", plain))
    return Counter(plain.replace(" ", ""))


def written_out(text: str) -> str:
    """The text as the frontend writes it out; as it is where the frontend refuses it."""
    try:
        cleaned = cleaning.tidy(cleaning.clean(Traced.of(text)))
    except BadText:
        return text
    return english_normalisation.normalise(cleaned).text


def error_rate(rows: list[tuple[str, str]], normalise: Callable[[str], str]) -> float:
    """Share of lines that are not as they are spoken."""
    return sum(letters(normalise(written)) != letters(spoken) for written, spoken in rows) / len(rows)


def main() -> None:
    """Print the share of wrong lines, held out and not."""
    with gzip.open(Path(sys.argv[1]), "rt", encoding="utf-8") as file:
        rows = [tuple(line.split("\t")[1:3]) for line in file.read().splitlines()]
    numbers = [(row[0], row[1]) for row in rows if re.search(r"\d", row[0])]
    parts = {"held out": [row for row in numbers if is_held_out(row[0])]}
    parts["seen"] = [row for row in numbers if not is_held_out(row[0])]
    for name, part in parts.items():
        print(f"{name}: {len(part)} lines, resay {error_rate(part, written_out):.4f}", end="")
        try:
            from wetext import Normalizer
        except ImportError:
            print()
        else:
            normalizer = Normalizer(lang="en", operator="tn")

            def other(text: str, normalizer: Normalizer = normalizer) -> str:
                try:
                    return str(normalizer.normalize(text))
                except AssertionError:
                    return ""

            print(f", wetext {error_rate(part, other):.4f}")


if __name__ == "__main__":
    main()
