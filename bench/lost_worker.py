"""Kill a worker of a Ray cluster with SIGKILL midway through a batch, and compare with a batch on one machine alone.

    python bench/lost_worker.py [--items 200] [--workers 2] [--kills 1]

Starts a cluster of this machine only and ends it afterwards. Prints what was found; exits with 4 unless every file is
equal and no finished item was spoken again. Needs Linux and `pip install 'resay[cluster]'`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from killed_batch import command, content, finished, table

SPEAKING = "ray::_perform_there"
"""How Ray names a process while it works on an item."""


@dataclass(frozen=True)
class Report:
    """How the batch came out that lost workers."""

    items: int
    killed: int
    """Workers that were killed while they were speaking."""
    equal: bool
    """Whether every file, manifest and index is byte for byte that of the batch on one machine."""
    spoken_twice: int
    """Items that had been finished when a worker was killed, and were written again."""


def processes_below(parent: int) -> dict[int, str]:
    """Command lines of a process' children and theirs."""
    parents, names = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, line = (place / "stat").read_text(), (place / "cmdline").read_text()
        except OSError:
            continue  # it has ended meanwhile
        parents[int(place.name)] = int(state.rpartition(")")[2].split()[1])
        names[int(place.name)] = line.replace("\0", " ").strip()
    found = {parent}
    while more := {child for child, above in parents.items() if above in found} - found:
        found |= more
    return {process: names[process] for process in found - {parent} if process in names}


@contextmanager
def cluster(processors: int) -> Iterator[tuple[int, dict[str, str]]]:
    """A Ray cluster of this machine alone, with a token of its own: its first process, and how programs find it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        start = ["start", "--head", "--block", f"--port={port}", f"--num-cpus={processors}", f"--temp-dir={place}"]
        ray = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            *start,
            "--include-dashboard=false",
            "--disable-usage-stats",
        ]
        entry = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
        environment = {**os.environ, **entry, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(ray, stdout=subprocess.PIPE, text=True, env=environment) as process:
            try:
                if not any("runtime started" in line for line in process.stdout or ()):
                    raise RuntimeError("the cluster did not start")
                yield process.pid, {**environment, "RAY_ADDRESS": f"127.0.0.1:{port}"}
            finally:
                process.send_signal(signal.SIGTERM)


def measure(items: int, workers: int, kills: int) -> Report:
    """A batch on one machine, then one on a cluster that loses workers at even distances."""
    with tempfile.TemporaryDirectory() as name, cluster(workers) as (head, environment):
        folder = Path(name)
        tasks = table(folder / "tasks.jsonl", items)
        subprocess.run(command(tasks, folder / "alone"), check=True, capture_output=True)
        target, before = folder / "cluster", dict[str, int]()
        options = ("--engine", "ray", "--address", environment["RAY_ADDRESS"], "--workers", str(workers))
        ray = command(tasks, target, *options)
        with subprocess.Popen(ray, stdout=subprocess.DEVNULL, env=environment) as process:
            killed = 0
            for at in range(1, kills + 1):
                while process.poll() is None and len(finished(target)) < items * at // (kills + 1):
                    time.sleep(0.005)
                killed += kill_one(head)
                before |= finished(target)
            process.wait()
        now = finished(target)
        twice = sum(now[name] != written for name, written in before.items() if name in now)
        return Report(items, killed, process.returncode == 0 and content(target) == content(folder / "alone"), twice)


def kill_one(head: int, patience: float = 10.0) -> bool:
    """Kill a worker that is speaking. False where none was seen."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        for process, line in processes_below(head).items():
            if line.startswith(SPEAKING):
                os.kill(process, signal.SIGKILL)
                return True
    return False


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=1)
    chosen = parser.parse_args()
    report = measure(chosen.items, chosen.workers, chosen.kills)
    print(report)
    return 0 if report.equal and report.killed == chosen.kills and not report.spoken_twice else 4


if __name__ == "__main__":
    sys.exit(main())
