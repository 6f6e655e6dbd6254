"""One core and 256 MB: speak with the weights for small devices, and see what they need.

    python bench/edge.py [--memory 256] [--models DIR] [--repeats 3] [--contained] [--write docs/edge.md]

Every run is the command line itself on one core (sched_setaffinity). Reported is the peak of its resident memory, which
counts libraries and mapped files as well, and so is at least what a container would count. --contained puts every run
into a memory cgroup of that size without swap, as a container does, and needs the rights for it. Without --models the
shipped weights are exported first. Exits with 4 where a run fails, needs more, or is slower than real time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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
BEGIN, END = "<!-- edge:begin -->", "<!-- edge:end -->"
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


@contextmanager
def container(megabytes: int) -> Iterator[Path]:
    """A memory cgroup, of either version, of so many MB and without swap; who joins it and needs more is killed."""
    root = Path("/sys/fs/cgroup")
    unified = (root / "cgroup.controllers").exists()
    place = (root if unified else root / "memory") / f"resay-edge-{os.getpid()}"
    place.mkdir()
    try:
        size = str(megabytes << 20)
        limits = {"memory.max": size, "memory.swap.max": "0"} if unified else {"memory.limit_in_bytes": size}
        for name, value in limits.items():
            (place / name).write_text(value)
        yield place
    finally:
        place.rmdir()


def run(voice: str, models: Path, folder: Path, contained: Path | None) -> Run:
    """Speak once, in a cgroup where one is given. Raises RuntimeError with what the command said where it fails."""

    def on_one_core() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        if contained is not None:
            (contained / "cgroup.procs").write_text(str(os.getpid()))

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


def between(page: str, found: str) -> str:
    """The page with what was found between its markers. Raises ValueError where it has none."""
    before, _, rest = page.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError(f"no {BEGIN} … {END} in the page")
    return f"{before}{BEGIN}\n{found}{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=int, default=256, help="megabytes that a run may need")
    parser.add_argument("--models", type=Path, help="weights to use, instead of exporting the shipped ones")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--contained", action="store_true", help="in a memory cgroup of that size, without swap")
    parser.add_argument("--write", type=Path, help="put the table between the markers of this page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = options.models or folder / "models"
        if options.models is None:
            precision.export(SHIPPED, models, "int8", "arm")
        try:
            with container(options.memory) if options.contained else nullcontext() as place:
                runs = [run(voice, models, folder, place) for voice in TEXTS for _ in range(options.repeats)]
        except RuntimeError as error:
            print(f"failed: {error}")
            return 4
    head = ["voice", "peak memory, MB", "sound, s", "real time factor", "whole command, s", "processor, s"]
    figures = [[r.seconds, r.factor, r.wall, r.processor] for r in runs]
    rows = [[r.voice, f"{r.megabytes:.0f}", *(f"{x:.3g}" for x in row)] for r, row in zip(runs, figures, strict=True)]
    machine = about.machine()
    where = f"in a cgroup of {options.memory} MB without swap" if options.contained else "peak of resident memory"
    found = f"{table(head, rows)}\nOne core of {machine.processor}, load {machine.load:.1f}; {where}.\n"
    print(found)
    if options.write:
        options.write.write_text(between(options.write.read_text(encoding="utf-8"), found), encoding="utf-8")
    return 0 if all(r.megabytes <= options.memory and r.factor < 1 for r in runs) else 4


if __name__ == "__main__":
    sys.exit(main())
