"""The acceptance protocol of the reproducibility document: five runs without a seed, five with 42, five with 1234.

    python bench/protocol.py [--text TEXT] [--voice NAME] [--runs 5]

Every run is a new process, as a person would do it. Prints a table; exits with 4 unless every run with a seed gave the
same file, the two seeds differ, and the runs without a seed differ from each other.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import resay
from resay import audio, compare

TEXT = (
    "同学们好，今天我们来学习怎样把一句话说得清楚、说得自然，也说得让人愿意听下去。先听老师读一遍，注意停顿、重音和语气，"
    "再自己读一遍；读错了没有关系，慢慢来，多练几次，你会发现声音越来越好听。"
)
GROUPS = {"A": "random", "B": "42", "C": "1234"}


@dataclass(frozen=True)
class Run:
    """One file."""

    group: str
    seed: int
    file: str
    """Digest of the whole file."""
    sound: audio.Audio


def run(group: str, text: str, voice: str, folder: Path, number: int) -> Run:
    """Speak once in a process of its own."""
    target = folder / f"{group}{number}.wav"
    command = [sys.executable, "-m", "resay", "speak", text, "--voice", voice, "--seed", GROUPS[group]]
    done = subprocess.run([*command, "--json", "-o", str(target)], check=True, capture_output=True)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    return Run(group, json.loads(done.stdout)["seed"], digest, audio.read(target))


def measure(text: str, voice: str, runs: int) -> dict[str, list[Run]]:
    """All runs of all groups."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return {group: [run(group, text, voice, place, number) for number in range(runs)] for group in GROUPS}


def table(groups: dict[str, list[Run]]) -> str:
    """Markdown: files that differ within a group, and how much the others differ from the group's first."""
    lines = ["| group | seeds | runs | different files | overlap with the first | pitch apart |", "|-|-|-:|-:|-:|-:|"]
    for group, runs in groups.items():
        others = [compare.compare(runs[0].sound, other.sound) for other in runs[1:]]
        seeds = ", ".join(dict.fromkeys(str(it.seed) for it in runs))
        overlap = min((found.overlap for found in others), default=1.0)
        pitch = max((found.pitch_hz for found in others), default=0.0)
        files = len({it.file for it in runs})
        lines.append(f"| {group} | {seeds} | {len(runs)} | {files} | {overlap:.1%} | {pitch:.1f} Hz |")
    apart = compare.compare(groups["B"][0].sound, groups["C"][0].sound)
    lines.append(f"| B against C | | | | {apart.overlap:.1%} | {apart.pitch_hz:.1f} Hz |")
    return "\n".join(lines)


def passes(groups: dict[str, list[Run]]) -> bool:
    """Whether the protocol is met."""
    files = {group: {it.file for it in runs} for group, runs in groups.items()}
    same = len(files["B"]) == len(files["C"]) == 1
    return same and files["B"] != files["C"] and len(files["A"]) == len(groups["A"])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--voice", default=next(it.name for it in resay.VoiceLibrary() if it.language == "zh"))
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    groups = measure(chosen.text, chosen.voice, chosen.runs)
    print(table(groups))
    return 0 if passes(groups) else 4


if __name__ == "__main__":
    sys.exit(main())
