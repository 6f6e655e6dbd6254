"""One core and 256 MB: speak with the weights for small devices, and see what they need.

    python bench/edge.py [--memory 256] [--models DIR] [--repeats 3]

Every run is the command line itself on one core (sched_setaffinity). Reported is the peak of its resident memory, which
counts libraries and mapped files as well, and so is at least what a container would count. Without --models the shipped
weights are exported first. Exits with 4 where a run fails, needs more, or is slower than real time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from resay.evaluate import about
from resay.evaluate.tables import table
from resay.synthesis import SHIPPED
from resay.train import precision

TEXTS = {
    "ada": "Good morning. The quick brown fox jumps over the lazy dog, and then it sleeps for a while in the warm sun.",
    "lan": "早上好。今天天气很好，我们一起去公园走走，看看湖边的花，再找个地方坐下来喝杯茶。",
}
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Makes glibc give freed memory back to the system instead of keeping it, as docs/edge.md advises."""


@dataclass(frozen=True)
class Run:
    """One command."""

    voice: str
    megabytes: float
    """Peak of resident memory."""
    seconds: float
    """Of sound."""
    factor: float
    """Time for speaking by time of sound, weights loaded."""
    wall: float
    """Seconds of the whole command, from start to files."""
    processor: float
    """Seconds of processor time in it: beside other work less than `wall`."""


def run(voice: str, models: Path, folder: Path) -> Run:
    """Speak once. Raises RuntimeError with what the command said where it fails."""

    def on_one_core() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    out = folder / f"{voice}.wav"
    command = [sys.executable, "-m", "resay", "speak", TEXTS[voice], "--voice", voice, "--models", str(models)]
    command += ["--threads", "1", "-o", str(out), "--json"]
    with (folder / "told").open("w+") as told:
        begun = time.monotonic()
        process = subprocess.Popen(
            command, stdout=told, stderr=subprocess.STDOUT, preexec_fn=on_one_core, env=os.environ | RETURNED
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        told.seek(0)
        said = told.read()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {said.strip()}")
    facts = json.loads(said.splitlines()[-1])
    return Run(
        voice,
        usage.ru_maxrss / 1024,
        facts["seconds"],
        facts["real_time_factor"],
        wall,
        usage.ru_utime + usage.ru_stime,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=int, default=256, help="megabytes that a run may need")
    parser.add_argument("--models", type=Path, help="weights to use, instead of exporting the shipped ones")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = options.models or folder / "models"
        if options.models is None:
            precision.export(SHIPPED, models, "int8", "arm")
        try:
            runs = [run(voice, models, folder) for voice in TEXTS for _ in range(options.repeats)]
        except RuntimeError as error:
            print(f"failed: {error}")
            return 4
    head = ["voice", "peak memory, MB", "sound, s", "real time factor", "whole command, s", "processor, s"]
    figures = [[r.seconds, r.factor, r.wall, r.processor] for r in runs]
    rows = [[r.voice, f"{r.megabytes:.0f}", *(f"{x:.3g}" for x in row)] for r, row in zip(runs, figures, strict=True)]
    print(table(head, rows))
    machine = about.machine()
    print(f"One core of {machine.processor}, load {machine.load:.1f}.")
    return 0 if all(r.megabytes <= options.memory and r.factor < 1 for r in runs) else 4


if __name__ == "__main__":
    sys.exit(main())
