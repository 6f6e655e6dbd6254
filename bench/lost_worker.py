"""Kill a worker of a Ray cluster with SIGKILL midway through a batch, and compare with a batch on one machine alone.

    python bench/lost_worker.py [--items 200] [--workers 2] [--kills 1] [--write docs/benchmarks.md]

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

import sections
from killed_batch import command, content, finished, table, unlike

from resay.evaluate import tables

SPEAKING = "ray::_perform_there"
"""How Ray names a process while it works on an item."""
STARTS = 4


@dataclass(frozen=True)
class Report:
    """How the batch came out that lost workers."""

    items: int
    killed: int
    """Workers that were killed while they were speaking."""
    differences: tuple[str, ...]
    """Files, manifests and index that are not byte for byte those of the batch on one machine; a failed command."""
    spoken_twice: int
    """Items that had been finished when a worker was killed, and were written again."""

    def section(self) -> str:
        """Markdown."""
        row = (self.items, self.killed, len(self.differences), self.spoken_twice)
        heads = ("items", "workers killed", "files that differ", "finished items spoken again")
        return tables.table(heads, [tuple(map(str, row))])


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
    entry = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "PYTHONUNBUFFERED": "1"}
    environment = {**os.environ, **entry}
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        process, address = _started(Path(place), processors, environment)
        try:
            yield process.pid, {**environment, "RAY_ADDRESS": address}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            process.stdout.close()


def _started(place: Path, processors: int, environment: dict[str, str]) -> tuple[subprocess.Popen[str], str]:
    """A cluster's first process, and its address. Ray gives up after 30 s, which a busy machine may well need."""
    for attempt in range(STARTS):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        start = ["start", "--head", "--block", f"--port={port}", f"--num-cpus={processors}"]
        start += [f"--temp-dir={place / str(attempt)}", "--include-dashboard=false", "--disable-usage-stats"]
        command = [sys.executable, "-m", "ray.scripts.scripts", *start]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        if any("runtime started" in line for line in process.stdout or ()):
            return process, f"127.0.0.1:{port}"
        process.wait()
    raise RuntimeError("the cluster did not start")


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
        ended = () if process.returncode == 0 else (f"exit code {process.returncode}",)
        return Report(items, killed, (*ended, *unlike(content(target), content(folder / "alone"))), twice)


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
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    line = f"python bench/lost_worker.py --items {chosen.items} --workers {chosen.workers} --kills {chosen.kills}"
    made = sections.made_by(line)
    report = measure(chosen.items, chosen.workers, chosen.kills)
    print(report)
    if chosen.write:
        section = f"## A Ray cluster that loses a worker\n\n{made}\n\n{report.section()}"
        sections.write(chosen.write, "lost-worker", section)
    return 0 if not report.differences and report.killed == chosen.kills and not report.spoken_twice else 4


if __name__ == "__main__":
    sys.exit(main())
