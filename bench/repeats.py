"""Say the same things again and again, in every way there is, and count the different sounds: there must be one each.

    python bench/repeats.py [--repeats 1000]

Prints a table, and exits with 4 where a (text, voice, seed) has had two sounds.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import resay
from resay import batch
from resay.audio import FORMAT, Audio
from resay.cli import casting, sources
from resay.cli.batch import Speaker
from resay.errors import Unreproducible

TEXTS = ("你好。", "Say it again.", "请打开 Wi-Fi。", "早上好。Good morning. 再见！")
SEEDS = (42, 1234)

Key = tuple[str, str, int]
"""Text, voice, seed."""


@dataclass(frozen=True)
class Row:
    """What one way of speaking gave."""

    way: str
    repeats: int
    keys: int
    digests: int
    """Different sounds over all keys: equal to `keys` where every key had one."""


def keys() -> list[Key]:
    """What is said: every text in the first voice of each language, with every seed."""
    voices = {voice.language: voice.name for voice in reversed(list(resay.VoiceLibrary()))}
    return [(text, voice, seed) for text in TEXTS for voice in sorted(voices.values()) for seed in SEEDS]


@lru_cache(maxsize=2)
def engine(threads: int = 1) -> resay.Engine:
    """One for each process and number of threads."""
    return resay.Engine(threads=threads)


def said(key: Key, threads: int = 1) -> tuple[Key, str]:
    """The digest of one key, said at once."""
    text, voice, seed = key
    speech = engine(threads).say(resay.Request(text, seed=seed), resay.VoiceLibrary().get(voice))
    return key, speech.audio.digest()


def streamed(key: Key) -> tuple[Key, str]:
    """The digest of one key, joined from the pieces of a stream."""
    text, voice, seed = key
    pieces = engine().stream(resay.Request(text, seed=seed), resay.VoiceLibrary().get(voice))
    return key, Audio.join(piece.audio for piece in pieces).digest()


def piped(key: Key) -> tuple[Key, str]:
    """The digest of what a new process streams to standard output."""
    text, voice, seed = key
    command = [sys.executable, "-m", "resay", "speak", text, "--voice", voice, "--seed", str(seed)]
    command += ["--stream", "--format", "pcm", "-o", "-", "--threads", "1"]
    content = subprocess.run(command, check=True, capture_output=True).stdout
    samples = np.frombuffer(content, "<i2").astype(np.float32) / 32768.0
    return key, Audio(samples, FORMAT.sample_rate).digest()


def batched(wanted: list[Key], workers: int) -> Iterator[tuple[Key, str]]:
    """Digests of a batch over these keys in their order."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        weights = sources.Weights(threads=1)
        recipe = Speaker(place, place / "table", casting.Names(), casting.Manner(), weights, sources.Shelves())
        tasks = [
            batch.Task(number, text, f"{number}.wav", voice, {"seed": seed})
            for number, (text, voice, seed) in enumerate(wanted, start=1)
        ]
        for result in batch.run(tasks, recipe, place, workers=workers, watch=lambda result: None):
            yield wanted[result.line - 1], str(result.facts["digest"])


def shuffled(count: int, seed: int) -> list[Key]:
    """So many keys, each about equally often, in a random order."""
    everything = keys()
    several = [everything[number % len(everything)] for number in range(count)]
    random.Random(seed).shuffle(several)
    return several


def _in_threads(count: int) -> list[tuple[Key, str]]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(said, shuffled(count, 1)))


def _in_processes(count: int) -> list[tuple[Key, str]]:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return list(pool.map(said, shuffled(count, 2)))


WAYS: dict[str, tuple[float, Callable[[int], list[tuple[Key, str]]]]] = {
    "one after the other": (0.2, lambda count: [said(key) for key in shuffled(count, 0)]),
    "eight threads share an engine": (0.2, _in_threads),
    "two processes": (0.15, _in_processes),
    "two threads in every network": (0.1, lambda count: [said(key, 2) for key in shuffled(count, 3)]),
    "streamed, pieces joined": (0.15, lambda count: [streamed(key) for key in shuffled(count, 4)]),
    "streamed to a pipe by a new process": (0.01, lambda count: [piped(key) for key in shuffled(count, 5)]),
    "batch in table order": (0.065, lambda count: list(batched(sorted(shuffled(count, 6)), 1))),
    "batch in random order": (0.065, lambda count: list(batched(shuffled(count, 7), 1))),
    "batch of two workers": (0.06, lambda count: list(batched(shuffled(count, 8), 2))),
}
"""Name, share of the repeats, how."""


def measure(repeats: int) -> list[Row]:
    """Every way with its share of the repeats. Raises Unreproducible where a key has had two sounds."""
    known = {key: said(key)[1] for key in keys()}
    rows = []
    for way, (share, speak) in WAYS.items():
        results = speak(max(1, round(share * repeats)))
        different = {(key, digest) for key, digest in results}
        for key, digest in different:
            if digest != known[key]:
                raise Unreproducible(f"{way}: {key} had another sound")
        rows.append(Row(way, len(results), len({key for key, _ in results}), len(different)))
    return rows


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| how | repeats | (text, voice, seed) | different sounds |", "|-|-:|-:|-:|"]
    lines += [f"| {row.way} | {row.repeats} | {row.keys} | {row.digests} |" for row in rows]
    total = sum(row.repeats for row in rows)
    return "\n".join([*lines, f"| **together** | **{total}** | **{len(keys())}** | **{len(keys())}** |"])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    try:
        print(table(measure(parser.parse_args().repeats)))
    except Unreproducible as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
