"""Kill a batch with SIGKILL again and again, resume it, and compare with a batch that nobody disturbed.

    python bench/killed_batch.py [--items 200] [--kills 10]

Prints what was found; exits with 4 unless every file is equal and no finished item was spoken twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import resay

TEXTS = ("早上好。", "Good morning.", "请打开 Wi-Fi。", "再见！")


@dataclass(frozen=True)
class Report:
    """How the killed batch came out."""

    items: int
    kills: int
    equal: bool
    """Whether every file, manifest and index is byte for byte that of the undisturbed batch."""
    spoken_twice: int
    """Items that had been finished when a run was killed, and were written again."""

    @property
    def passed(self) -> bool:
        return self.equal and not self.spoken_twice


def table(path: Path, count: int) -> Path:
    """A table of so many short items in all shipped voices."""
    voices = resay.VoiceLibrary().names()
    lines = [
        {"uttid": f"item-{at:03d}", "voice": voices[at % len(voices)], "syn_text": f"{at}. {TEXTS[at % len(TEXTS)]}"}
        for at in range(count)
    ]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def command(tasks: Path, folder: Path, *options: str) -> list[str]:
    """The command line of a batch."""
    return [sys.executable, "-m", "resay", "batch", str(tasks), "-o", str(folder), "--threads", "1", *options]


def finished(folder: Path) -> dict[str, int]:
    """Manifests by the moment they were written: each is written after its sound."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("item-*.json")} if folder.exists() else {}


def content(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def unlike(found: dict[str, bytes], wanted: dict[str, bytes]) -> tuple[str, ...]:
    """Names of files that only one side has, or that differ."""
    return tuple(sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)))


def measure(items: int, kills: int, seed: int = 0) -> Report:
    """Run undisturbed, then killed `kills` times at random moments, then to the end."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tasks = table(folder / "tasks.jsonl", items)
        subprocess.run(command(tasks, folder / "undisturbed"), check=True, capture_output=True)
        before: dict[str, int] = {}
        killed = twice = 0
        # Moments by what is finished, and some milliseconds more: a slow machine reaches them as well.
        for wanted in sorted(rng.sample(range(1, items), kills)):
            with subprocess.Popen(
                command(tasks, folder / "killed", "--resume", "--workers", "2"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                while process.poll() is None and len(finished(folder / "killed")) < wanted:
                    time.sleep(0.005)
                time.sleep(rng.uniform(0, 0.05))
                os.kill(process.pid, signal.SIGKILL)
            killed += process.returncode == -signal.SIGKILL
            time.sleep(0.5)  # until the workers have found out that they are alone
            twice += sum(before[name] != at for name, at in finished(folder / "killed").items() if name in before)
            before = finished(folder / "killed")
        subprocess.run(command(tasks, folder / "killed", "--resume"), check=True, capture_output=True)
        twice += sum(before[name] != at for name, at in finished(folder / "killed").items() if name in before)
        equal = content(folder / "killed") == content(folder / "undisturbed")
        return Report(items, killed, equal, twice)


def table_of(report: Report) -> str:
    """Markdown."""
    equal = "all" if report.equal else "NOT all"
    head = "| items | kills | files equal to the undisturbed batch's | finished items spoken again |\n|-:|-:|-|-:|\n"
    return head + f"| {report.items} | {report.kills} | {equal} | {report.spoken_twice} |"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    chosen = parser.parse_args()
    report = measure(chosen.items, chosen.kills)
    print(table_of(report))
    return 0 if report.passed else 4


if __name__ == "__main__":
    sys.exit(main())
