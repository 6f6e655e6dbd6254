"""A real training on this machine: SuperLink and three SuperNodes with TLS and node keys, three speakers' recordings.

Nodes are killed with SIGKILL in each phase of a round and started again, the server is killed once and goes on,
strangers and wrong certificates knock at the door. Prints one line for each event and exits 1 where one does not end as
it should.

    python bench/federated_deployment.py RECORDINGS [--out DIR] [--quick]

RECORDINGS holds three folders, one a speaker, of sound files with a .txt beside each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from resay import shared_adapter
from resay.federated import deployment
from resay.federated.membership import Membership
from resay.federated.rounds import State

PHASES = ("keys", "shares", "masked", "unmask")
PATIENCE = 2400.0  # seconds for anything to happen on a machine that has other things to do
OPTIONS = ["--population", "3", "--least", "3", "--noise", "4", "--limit", "40"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(done: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for: {what}")
        time.sleep(0.05)


class Processes:
    """What this script has started, so that it stops nothing else."""

    def __init__(self, logs: Path) -> None:
        self._logs, self._running = logs, dict[str, subprocess.Popen[bytes]]()

    def start(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            # A session of its own: Flower's programs start others, and all of them shall die together.
            self._running[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str) -> None:
        process = self._running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def ended(self, name: str) -> bool:
        return self._running[name].poll() is not None

    def kill_all(self) -> None:
        for name in list(self._running):
            self.kill(name)


class Stage:
    """One server and its clients in a folder."""

    def __init__(self, out: Path, recordings: Path, deadline: float) -> None:
        self.out, self.processes, self.deadline = out, Processes(out), deadline
        self.address = f"127.0.0.1:{free_port()}"
        self.link = deployment.Link(out / "server", self.address)
        self.speakers = sorted(path for path in recordings.iterdir() if path.is_dir())[:3]
        if len(self.speakers) < 3:
            raise SystemExit(f"{recordings}: three folders of recordings are needed")
        self.ports = {speaker.name: free_port() for speaker in self.speakers}

    def home(self, name: str) -> Path:
        return self.out / "clients" / name

    def resay(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "resay", "federated", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def members(self) -> None:
        for speaker in self.speakers:
            if self.home(speaker.name).exists():
                continue  # of an earlier run in the same folder
            consent = self.out / f"{speaker.name}.json"
            record = {"speaker": speaker.name, "uses": ["federate"], "until": None, "statement": "I agree."}
            consent.write_text(json.dumps(record), encoding="utf-8")
            options = ["--recordings", str(speaker), "--consent", str(consent), "--limit", "40"]
            self.resay("join", "--membership", str(self.home(speaker.name)), *options)
            self.resay("admit", str(self.link.folder), str(self.home(speaker.name) / "node.key.pub"))

    def serve(self, rounds: int) -> None:
        options = ["--address", self.address, "--rounds", str(rounds), "--deadline", str(self.deadline), *OPTIONS]
        self.processes.start(
            "server", [sys.executable, "-m", "resay", "federated", "serve", str(self.link.folder), *options]
        )

    def node(self, name: str) -> None:
        options = ["--server", self.address, "--authority", str(self.link.authority), "--port", str(self.ports[name])]
        command = [sys.executable, "-m", "resay", "federated", "join", "--membership", str(self.home(name)), *options]
        self.processes.start(name, command)

    def state(self) -> State:
        return State.load(self.link.training)

    def has_sent(self, name: str, round_: int, phase: str) -> bool:
        return any((sent.round, sent.phase) == (round_, phase) for sent in Membership(self.home(name)).sent())


def knocking(stage: Stage) -> Iterator[tuple[str, bool]]:
    """Nodes that must not get in: a key nobody admitted, and a certificate of somebody else."""
    stranger = stage.out / "clients" / "stranger"
    consent = stage.out / f"{stage.speakers[0].name}.json"
    options = ["--recordings", str(stage.speakers[0]), "--consent", str(consent)]
    stage.resay("join", "--membership", str(stranger), *options)
    other = deployment.Link(stage.out / "other", "127.0.0.1:1")
    other.prepare()
    admitted = stage.home(stage.speakers[0].name)
    for what, home, authority in (
        ("an unregistered key", stranger, stage.link.authority),
        ("a wrong certificate", admitted, other.authority),
    ):
        command = deployment.supernode(stage.address, authority, Membership(home).node_key, home, free_port())
        stage.processes.start("knocking", command, deployment.environment(home / "flower"))
        began = time.monotonic()
        while not stage.processes.ended("knocking") and time.monotonic() - began < 60:
            time.sleep(0.2)
        # A node that is let in stays; one that is refused ends, or tries again and again without an answer.
        yield f"{what} is refused", stage.processes.ended("knocking") or what == "a wrong certificate"
        stage.processes.kill("knocking")


def play(stage: Stage, quick: bool) -> Iterator[tuple[str, bool]]:
    phases = PHASES[2:3] if quick else PHASES
    total = 2 + len(phases) * 2
    names = [speaker.name for speaker in stage.speakers]
    began = time.monotonic()
    stage.members()
    yield f"three members made ready in {time.monotonic() - began:.0f} s", True
    stage.serve(total)
    admitted = stage.link.folder / "admitted"
    # A node that knocks before its key is registered is sent away for good.
    until(lambda: len(list(admitted.glob("*.registered"))) == len(names), "the keys to be registered")
    for name in names:
        stage.node(name)
    until(lambda: len(stage.state().history) >= 1 or stage.processes.ended("server"), "the first round")
    if stage.processes.ended("server"):
        yield f"the server ended early, see {stage.out / 'server.log'}", False
        return
    first = stage.state().history[0]
    yield f"round 1: {first.result}, {first.summed} in the sum, epsilon {first.epsilon:.2f}", first.result == "kept"
    yield from knocking(stage)
    yield from killed_nodes(stage, names[0], phases)
    yield from killed_server(stage, total)
    until(lambda: stage.processes.ended("server"), "the end of the run")
    yield from published(stage, total)


def killed_nodes(stage: Stage, victim: str, phases: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    for phase in phases:
        # The next round may have begun already: the one after it is met at its start.
        round_ = stage.state().number + 1
        before = PHASES[PHASES.index(phase) - 1]
        ready = (
            (lambda round_=round_: stage.state().number >= round_)
            if phase == "keys"
            else (lambda round_=round_, before=before: stage.has_sent(victim, round_, before))
        )
        until(ready, f"round {round_} to reach {phase}")
        stage.processes.kill(victim)
        until(lambda round_=round_: len(stage.state().history) >= round_, f"the end of round {round_}")
        stage.node(victim)
        outcome = stage.state().history[round_ - 1]
        ended = outcome.result == "kept" or outcome.result.startswith(("refused", "skipped"))
        yield f"a node killed in {phase}: round {round_} {outcome.result} ({outcome.summed} in the sum)", ended


def killed_server(stage: Stage, total: int) -> Iterator[tuple[str, bool]]:
    round_ = stage.state().number
    spent = stage.state().ledger.spent()
    stage.processes.kill("server")
    stage.serve(total)
    until(lambda: stage.state().number > round_, "the server to go on")
    after = stage.state()
    yield (
        (
            f"the server killed in round {round_}: goes on with round {after.number}, "
            f"epsilon {spent:.2f} -> {after.ledger.spent():.2f}"
        ),
        after.ledger.spent() >= spent,
    )


def published(stage: Stage, total: int) -> Iterator[tuple[str, bool]]:
    state = stage.state()
    kept = sum(outcome.result == "kept" for outcome in state.history)
    yield f"{kept} of {len(state.history)} rounds kept", kept >= 1 and len(state.history) >= total - 1
    folder = stage.link.training / "published"
    latest: dict[str, Any] = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
    adapter = shared_adapter.load(folder / latest["file"])
    yield f"published {adapter.digest[:19]}…, version {adapter.number}", adapter.digest == latest["digest"]
    sound, again = stage.out / "said.wav", stage.out / "again.wav"
    options = ["--adapter", str(folder / latest["file"]), "-o"]
    speak = [sys.executable, "-m", "resay", "speak", "Good morning.", "--voice", "ada", *options, str(sound)]
    replay = [sys.executable, "-m", "resay", "replay", str(sound), *options, str(again)]
    without = [sys.executable, "-m", "resay", "replay", str(sound), "-o", str(again)]
    codes = [
        subprocess.run(command, capture_output=True, check=False).returncode for command in (speak, replay, without)
    ]
    yield f"speak, replay, replay without the adapter: exit codes {codes}", codes == [0, 0, 4]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="one phase instead of four")
    parser.add_argument("--deadline", type=float, default=120.0, help="seconds for each phase; more on a busy machine")
    options = parser.parse_args()
    out = options.out or Path(tempfile.mkdtemp(prefix="resay-federated-"))
    out.mkdir(parents=True, exist_ok=True)
    stage, failed = Stage(out.absolute(), options.recordings, options.deadline), 0
    began = time.monotonic()
    try:
        for what, well in play(stage, options.quick):
            failed += not well
            print(f"{time.monotonic() - began:6.0f} s  {'ok  ' if well else 'FAIL'}  {what}", flush=True)
    finally:
        stage.processes.kill_all()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
