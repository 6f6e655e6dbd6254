"""Many streams at once, for minutes: what the server answers, what memory it takes, how soon and how fast it speaks.

    python bench/soak.py [--seconds 600] [--streams 32] [--write docs/benchmarks.md] [-- --workers 2 …]

Options behind `--` go to `resay serve`. One stream is measured first, then all together; each client asks for the next
text as soon as it has the last sound. Exits with 4 where a status other than 200 and 429 came, or where the memory of
the server and its workers left the band of 5 % around what it was after the first minute.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sections

import resay
from resay.audio import FORMAT
from resay.evaluate.sentences import LANGUAGES, unseen
from resay.evaluate.tables import table

ALONE = 20.0  # seconds that one stream is measured
LOOK = 2.0  # seconds between two looks at the memory
SETTLED = 60.0  # seconds after which memory shall not grow
BAND = 0.05
PATIENCE = 300  # seconds that a client waits for the next bytes
PCM_BYTES = 2  # a sample


@dataclass
class Heard:
    """What clients got. Shared by their threads."""

    statuses: Counter[int] = field(default_factory=Counter)
    first_sounds: list[float] = field(default_factory=list)
    """Seconds from asking to the first bytes of sound, of every request that was spoken."""
    seconds: float = 0.0
    """Of sound."""
    broken: int = 0
    """Connections that ended in the middle."""
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Load:
    """One measurement."""

    streams: int
    taken: float
    """Seconds."""
    heard: Heard
    memory: list[tuple[float, int]]
    """Seconds since the start, bytes: the processes' proportional set sizes together."""

    @property
    def throughput(self) -> float:
        """Seconds of speech a second."""
        return self.heard.seconds / self.taken

    def first_sound(self, percentile: float) -> float:
        return float(np.percentile(self.heard.first_sounds, percentile)) if self.heard.first_sounds else float("nan")

    def by_minute(self) -> list[int]:
        """Bytes at the first look of every minute."""
        first = {int(at // 60): taken for at, taken in reversed(self.memory)}
        return [first[minute] for minute in sorted(first)]

    def growth(self, settled: float) -> float:
        """How far memory ever was from what it was at `settled` seconds, as a share of that."""
        later = [taken for at, taken in self.memory if at >= settled]
        return max((abs(taken - later[0]) / later[0] for taken in later), default=float("nan"))


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        if parent == pid:
            found += tree(int(folder.name))
    return found


def memory(pid: int, name: str = "Pss") -> int:
    """Bytes of a process and its descendants: pages that several share are counted once, a part for each."""
    total = 0
    for one in tree(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
    return total


def client(port: int, texts: list[str], voices: list[str], until: float, number: int, heard: Heard) -> None:
    """Ask for one text after the other until the time is over."""
    for turn in itertools.count(number):
        if time.monotonic() >= until:
            return
        text, voice = texts[turn % len(texts)], voices[turn % len(voices)]
        body = {"input": text, "voice": voice, "seed": turn, "response_format": "pcm", "stream_format": "audio"}
        try:
            status, first, size = ask(port, body)
        except (OSError, http.client.HTTPException):
            with heard.lock:
                heard.broken += 1
            continue
        with heard.lock:
            heard.statuses[status] += 1
            if status == http.client.OK:
                heard.first_sounds.append(first)
                heard.seconds += size / PCM_BYTES / FORMAT.sample_rate


def ask(port: int, body: dict[str, object]) -> tuple[int, float, int]:
    """Status, seconds to the first sound, bytes of sound. Waits as a 429 says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    started = time.monotonic()
    try:
        connection.request("POST", "/v1/audio/speech", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        size = len(answer.read1(1024))
        first = time.monotonic() - started
        while part := answer.read1(65_536):
            size += len(part)
        if answer.status == http.client.TOO_MANY_REQUESTS:
            time.sleep(float(answer.headers["Retry-After"]))
        return answer.status, first, size
    finally:
        connection.close()


def load(pid: int, port: int, streams: int, seconds: float) -> Load:
    """So many clients for so long."""
    texts = [text for language in LANGUAGES for text in unseen(language)]
    voices = resay.VoiceLibrary().names()
    heard, started = Heard(), time.monotonic()
    threads = [
        threading.Thread(target=client, args=(port, texts, voices, started + seconds, 7 * at, heard))
        for at in range(streams)
    ]
    for thread in threads:
        thread.start()
    samples = []
    while any(thread.is_alive() for thread in threads):
        time.sleep(LOOK)
        samples.append((time.monotonic() - started, memory(pid)))
    return Load(streams, time.monotonic() - started, heard, samples)


def serve(folder: str, options: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """A server that is ready, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "resay", "serve", "--no-page", "--port", str(port), "--data", folder, *options]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return process, port
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"the server did not start: {' '.join(command)}")


def page(made: str, alone: Load, crowd: Load, settled: float) -> str:
    """The section of docs/benchmarks.md."""
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(crowd.heard.statuses.items()))
    sizes = [taken / 1e6 for at, taken in crowd.memory if at >= settled] or [float("nan")]
    head = ("streams", "requests", "first sound p50, s", "p95, s", "seconds of speech a second")
    rows = [
        (
            *(str(one.streams), str(sum(one.heard.statuses.values()))),
            *(f"{one.first_sound(50):.2f}", f"{one.first_sound(95):.2f}", f"{one.throughput:.1f}"),
        )
        for one in (alone, crowd)
    ]
    return "\n".join(
        [
            "## The server under load\n",
            f"{made} The clients run on the same machine.\n",
            table(head, rows),
            f"Answers to {crowd.streams} streams in {crowd.taken:.0f} s: {statuses}; {crowd.heard.broken} broken.",
            (
                f"Memory of the server with its workers after {settled:.0f} s: {sizes[0]:.0f} MB; from then on between "
                f"{min(sizes):.0f} and {max(sizes):.0f} MB ({crowd.growth(settled):.1%} away at most); "
                f"once a minute: {', '.join(f'{taken / 1e6:.0f}' for taken in crowd.by_minute())}."
            ),
        ]
    )


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--write", type=Path)
    parser.add_argument("options", nargs="*", help="of resay serve, behind --")
    chosen = parser.parse_args()
    options = f" -- {' '.join(chosen.options)}" if chosen.options else ""
    made = sections.made_by(f"python bench/soak.py --seconds {chosen.seconds:g} --streams {chosen.streams}{options}")
    settled = min(SETTLED, chosen.seconds / 2)  # a short trial shows that it works, not that it holds
    with tempfile.TemporaryDirectory() as folder:
        process, port = serve(folder, chosen.options)
        try:
            alone = load(process.pid, port, 1, min(ALONE, chosen.seconds / 3))
            crowd = load(process.pid, port, chosen.streams, chosen.seconds)
        finally:
            process.terminate()
            process.wait(120)
    section = page(made, alone, crowd, settled)
    print(section)
    if chosen.write:
        sections.write(chosen.write, "soak", section)
    fine = set(crowd.heard.statuses) <= {200, 429} and not crowd.heard.broken and crowd.growth(settled) <= BAND
    return 0 if fine else 4


if __name__ == "__main__":
    sys.exit(main())
