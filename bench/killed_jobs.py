"""Kill a server with SIGKILL again and again while it works off a job; compare what it made with an undisturbed batch.

    python bench/killed_jobs.py [--items 200] [--kills 10] [--workers 2] [--write docs/benchmarks.md]

Prints what was found; exits with 4 unless every item is there once and every file is equal.
"""

from __future__ import annotations

import argparse
import http.client
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

import sections
from killed_batch import command, content, finished, table, unlike
from soak import serve

from resay.evaluate import tables


@dataclass(frozen=True)
class Report:
    """How the job came out."""

    items: int
    kills: int
    results: int
    """Items that the job tells of, each line once."""
    differences: tuple[str, ...]
    """Files, manifests and index that are not byte for byte those of the undisturbed batch, or lie beside them."""
    spoken_twice: int
    """Items that had been finished when the server was killed, and were written again."""

    @property
    def passed(self) -> bool:
        return self.results == self.items and not self.differences and not self.spoken_twice

    def section(self) -> str:
        """Markdown."""
        row = (self.items, self.kills, self.results, len(self.differences), self.spoken_twice)
        return tables.table(
            ("items", "kills", "items told of, each once", "files that differ", "finished items spoken again"),
            [tuple(map(str, row))],
        )


def ask(port: int, method: str, path: str, body: object = None) -> dict[str, object]:
    """The server's answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=180)
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data: dict[str, object] = json.loads(answer.read())
    if answer.status != http.client.OK:
        raise SystemExit(f"{method} {path}: {answer.status} {data}")
    return data


def job_of(tasks: Path) -> dict[str, object]:
    """The table as the body of a job."""
    lines = [json.loads(line) for line in tasks.read_text(encoding="utf-8").splitlines()]
    return {"name": "killed", "seed": 42, "items": lines}


def measure(items: int, kills: int, workers: int = 1, seed: int = 0) -> Report:
    """A batch that nobody disturbs; then the same as a job, its server killed `kills` times at random moments."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        tasks = table(Path(place) / "tasks.jsonl", items)
        undisturbed = Path(place) / "undisturbed"
        subprocess.run(command(tasks, undisturbed), check=True, capture_output=True)
        options = ["--workers", str(workers), *(["--threads", "1"] if workers == 1 else [])]
        process, port = serve(str(data), options)
        job = str(ask(port, "POST", "/v1/jobs", job_of(tasks))["id"])
        folder = data / "local" / "jobs" / job
        before: dict[str, int] = {}
        killed = twice = 0
        for wanted in sorted(rng.sample(range(1, items), kills)):
            while process.poll() is None and len(finished(folder)) < wanted:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.05))
            os.kill(process.pid, signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            twice += sum(before[name] != at for name, at in finished(folder).items() if name in before)
            before = finished(folder)
            process, port = serve(str(data), options)
        while ask(port, "GET", f"/v1/jobs/{job}")["state"] not in ("done", "failed", "cancelled"):
            time.sleep(0.2)
        results = ask(port, "GET", f"/v1/jobs/{job}/results")["data"]
        process.terminate()
        process.wait(120)
        twice += sum(before[name] != at for name, at in finished(folder).items() if name in before)
        differences = unlike(content(folder), content(undisturbed))
        assert isinstance(results, list)
        return Report(items, killed, len({one["line"] for one in results}), differences, twice)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    line = f"python bench/killed_jobs.py --items {chosen.items} --kills {chosen.kills} --workers {chosen.workers}"
    made = sections.made_by(line)
    report = measure(chosen.items, chosen.kills, chosen.workers)
    print(report)
    if chosen.write:
        section = f"## A job whose server is killed\n\n{made}\n\n{report.section()}"
        sections.write(chosen.write, "killed-jobs", section)
    return 0 if report.passed else 4


if __name__ == "__main__":
    sys.exit(main())
