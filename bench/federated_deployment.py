"""A real training on this machine: SuperLink and three SuperNodes with TLS and node keys, three speakers' recordings.

Nodes are killed with SIGKILL in each phase of a round and started again, the server is killed once and goes on,
strangers and wrong certificates knock at the door, one client's line is listened to, a hostile server forges questions.
Prints one line for each event, exits 1 where one does not end as it should, and writes the lines down with --page.

    python bench/federated_deployment.py RECORDINGS [--out DIR] [--quick] [--page docs/federated_deployment.md]

RECORDINGS holds three folders, one a speaker, of sound files with a .txt beside each; or the shards of a training
corpus, of which three speakers with six clips each are taken.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from federated_tap import Tap

from resay import audio, shared_adapter
from resay.federated import deployment, features, forgery, local
from resay.federated.hosting import listening
from resay.federated.membership import Membership
from resay.federated.rounds import State
from resay.synthesis import SHIPPED, Engine

PHASES = ("keys", "shares", "masked", "unmask")
PATIENCE = 2400.0  # seconds for anything to happen on a machine that has other things to do
SETS, CLIPS = ("cv_zh", "cv_en_d13", "so762"), 6
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
        time.sleep(1.0)


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
        self.tapped, self._tap_port = self.speakers[1].name, free_port()

    @cached_property
    def tap(self) -> Tap:
        """On the line of the second client, as soon as the server has a certificate."""
        return Tap(self.link.folder, ("127.0.0.1", int(self.link.port)), self._tap_port)

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
        server = f"127.0.0.1:{self._tap_port}" if name == self.tapped else self.address
        options = ["--server", server, "--authority", str(self.link.authority), "--port", str(self.ports[name])]
        command = [sys.executable, "-m", "resay", "federated", "join", "--membership", str(self.home(name)), *options]
        self.processes.start(name, command)

    def features(self, name: str) -> list[local.Example]:
        return features.from_bytes(Membership(self.home(name)).kept(features.FILE))

    def agree_to_no_noise(self) -> None:
        """The owners change their terms: without noise the sum can be computed again and compared."""
        for speaker in self.speakers:
            path = self.home(speaker.name) / "membership.json"
            content = json.loads(path.read_text(encoding="utf-8"))
            content["terms"]["noise"] = False
            path.write_text(json.dumps(content), encoding="utf-8")

    def state(self) -> State:
        return State.load(self.link.training)

    def asked(self, name: str, phase: str) -> int:
        """How many questions of a phase have reached a client's node."""
        return (
            (self.out / f"{name}.log").read_text(encoding="utf-8", errors="replace").count(f"Receiving: query.{phase}")
        )


def chosen(corpus: Path, folder: Path) -> Path:
    """Six clips each of one speaker of three sets of a corpus, as a plain folder. Names say nothing of who it is."""
    with (corpus / "metadata.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for place, set_ in enumerate(SETS):
        groups: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            if row["set"] == set_:
                groups.setdefault(row["speaker"], []).append(row)
        clips = next(found for _, found in sorted(groups.items()) if len(found) >= CLIPS)[:CLIPS]
        home = folder / f"speaker-{place + 1}"
        home.mkdir(parents=True, exist_ok=True)
        for row in clips:
            with tarfile.open(corpus / f"{row['shard']}.tar") as tar:
                sound = tar.extractfile(row["clip"])
                assert sound is not None
                (home / row["clip"]).write_bytes(sound.read())
            (home / row["clip"]).with_suffix(".txt").write_text(row["text"], encoding="utf-8")
    return folder


def knocking(stage: Stage) -> Iterator[tuple[str, bool]]:
    """Nodes that must not get in: a key nobody admitted, and a certificate of somebody else."""
    stranger = stage.out / "clients" / "stranger"
    consent = stage.out / f"{stage.speakers[0].name}.json"
    options = ["--recordings", str(stage.speakers[0]), "--consent", str(consent)]
    if not stranger.exists():
        stage.resay("join", "--membership", str(stranger), *options)
    other = deployment.Link(stage.out / "other", "127.0.0.1:1")
    other.prepare()
    admitted = stage.home(stage.speakers[0].name)
    for what, home, authority, said in (
        ("an unregistered key", stranger, stage.link.authority, "Failed to activate SuperNode"),
        ("a wrong certificate", admitted, other.authority, "CERTIFICATE_VERIFY_FAILED"),
    ):
        log = stage.out / f"{what.replace(' ', '-')}.log"
        command = deployment.supernode(stage.address, authority, Membership(home).node_key, home, free_port())
        stage.processes.start(log.stem, command, deployment.environment(home / "flower"))
        with contextlib.suppress(TimeoutError):
            until(lambda log=log, said=said: said in log.read_text(), "a refusal", 120)
        refused = said in log.read_text()
        stage.processes.kill(log.stem)
        yield f"{what} is refused ({said})" if refused else f"{what}: no refusal in {log}", refused


def listened(stage: Stage) -> Iterator[tuple[str, bool]]:
    """Every byte that left the client whose line is tapped, and what the server says to old and altered requests."""
    name = stage.tapped
    wire, wanted = stage.tap.sent(), private(stage.home(name), stage.speakers[1])
    found = [what for what, canary in wanted.items() if canary in wire]
    planted = b"".join([wire, *wanted.values()])
    well = all(canary in planted for canary in wanted.values())
    told = (
        f"{len(wire):,} bytes left {name} in {len(stage.state().history)} rounds: {len(wanted)} canaries searched for"
    )
    yield f"{told}, {len(found)} found{': ' + ', '.join(found) if found else ''}", well and not found
    last = stage.tap.requests("/v1/fleet/push-messages")[0]
    status = stage.tap.answer_to(last)
    yield f"the first answer of {name}, sent again as it was: HTTP {status}", status == 401
    now = datetime.now(UTC).isoformat().encode()
    dated = re.sub(rb"(?im)^(flwr-timestamp|timestamp):[^\r]*", lambda found: found[1] + b": " + now, last)
    status = stage.tap.answer_to(dated)
    yield f"the same with today's time: HTTP {status}", dated != last and status == 401


def private(home: Path, recordings: Path) -> dict[str, bytes]:
    """What must never leave a client: sound, transcripts, features, keys, names and places, in every usual encoding."""
    membership, engine = Membership(home), Engine(threads=1)
    found = forgery.canaries("name", membership.consent.speaker) | forgery.canaries("place", str(home))
    found["identity key"] = membership.identity.private_bytes_raw()
    found["node key"] = membership.node_key.read_bytes().splitlines()[2]
    for place, path in enumerate(sorted(recordings.glob("*.txt"))):
        found |= forgery.canaries(f"transcript {place}", path.read_text(encoding="utf-8"))
    for place, path in enumerate(sorted(set(recordings.iterdir()) - set(recordings.glob("*.txt")))):
        content, sound = path.read_bytes(), audio.read(path)
        found |= {f"file {place} at {at}": content[at : at + 32] for at in range(0, len(content) - 32, 4096)}
        found |= forgery.canaries(f"sound {place}", sound.samples[len(sound.samples) // 2 :])
        found |= forgery.canaries(f"sound {place}", sound.pcm16()[len(sound.samples) // 2 :])
        profile, _ = engine.listen(sound)
        found |= forgery.canaries(f"timbre {place}", profile.timbre) | forgery.canaries(f"style {place}", profile.style)
    for place, example in enumerate(features.from_bytes(membership.kept(features.FILE))):
        found |= forgery.canaries(f"hidden {place}", example.hidden)
        found |= forgery.canaries(f"tokens {place}", example.tokens)
    return found


def hostile(stage: Stage, noise: float) -> Iterator[tuple[str, bool]]:
    """A server in the operator's hands that forges questions; without noise an honest one, whose sum is checked."""
    folder = stage.out / f"hostile-{noise:g}"
    (folder / "app" / "resay_federated").mkdir(parents=True, exist_ok=True)
    published = stage.link.training / "published"
    latest = json.loads((published / "latest.json").read_text(encoding="utf-8"))
    config = {"folder": str(folder), "adapter": str(published / latest["file"])}
    config = {**config, "deadline": stage.deadline, "noise": noise}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in config.items())
    head = deployment.APP["pyproject.toml"].partition("[tool.flwr.app.config]")[0]
    (folder / "app" / "pyproject.toml").write_text(f"{head}[tool.flwr.app.config]\n{lines}\n", encoding="utf-8")
    for name in ("__init__.py", "client_app.py"):
        path = folder / "app" / "resay_federated" / name
        path.write_text(deployment.APP[f"resay_federated/{name}"], encoding="utf-8")
    source = Path(__file__).with_name("federated_hostile.py")
    shutil.copy(source, folder / "app" / "resay_federated" / "server_app.py")
    before = {speaker.name: len(Membership(stage.home(speaker.name)).refused()) for speaker in stage.speakers}
    (folder / "run.log").write_text(stage.link.flwr(["run", str(folder / "app"), deployment.LINK, "--stream"]))
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    if not noise:
        yield from exact(stage, State.load(folder), Path(config["adapter"]))
        return
    phases = [forgery.FORGERIES[name][0] for name in found if name in forgery.FORGERIES]
    refusals = [Membership(stage.home(name)).refused()[count:] for name, count in before.items()]
    victim = next((lines for lines in refusals if [line["phase"] for line in lines] == phases), None)
    words = iter([] if victim is None else [line["why"] for line in victim])
    for name, refused in found.items():
        why = f': "{next(words, "?")}"' if name in forgery.FORGERIES else ""
        yield f"a hostile server, {name}{why}", refused


def exact(stage: Stage, state: State, start: Path) -> Iterator[tuple[str, bool]]:
    """Whether the sum that came out is, to the last bit, that of what the three clients compute here once more."""
    settings, frozen = state.settings, local.Frozen(SHIPPED)
    before = replace(shared_adapter.load(start), number=0, origin=None)
    grid = settings.grid(before.parameters)
    training = local.Training(**settings.training)
    whole = [
        grid.whole(local.update(frozen, before, stage.features(speaker.name), training)) for speaker in stage.speakers
    ]
    expected = grid.mean(np.sum(whole, axis=0), settings.expected)
    well = state.history[0].result == "kept" and bool((state.momentum == expected).all())
    yield "a round without noise: the sum is that of the three updates, to the last bit", well


def play(stage: Stage, quick: bool) -> Iterator[tuple[str, bool]]:
    phases = PHASES[2:3] if quick else PHASES
    total = len(phases) + 4
    names = [speaker.name for speaker in stage.speakers]
    began = time.monotonic()
    stage.members()
    yield f"three members made ready in {time.monotonic() - began:.0f} s", True
    stage.serve(total)
    admitted = stage.link.folder / "admitted"
    # A node that knocks before its key is registered is sent away for good.
    until(lambda: len(list(admitted.glob("*.registered"))) == len(names), "the keys to be registered")
    stage.tap.start()
    for name in names:
        stage.node(name)
    until(lambda: len(stage.state().history) >= 1 or stage.processes.ended("server"), "the first round")
    if stage.processes.ended("server"):
        yield f"the server ended early, see {stage.out / 'server.log'}", False
        return
    first = stage.state().history[0]
    yield f"round 1: {first.result}, {first.summed} in the sum", first.result == "kept"
    yield from killed_nodes(stage, names[0], phases)
    yield from killed_server(stage, total)
    until(lambda: stage.processes.ended("server"), "the end of the run")
    yield from published(stage, total)
    stage.processes.start("superlink", stage.link.superlink(), deployment.environment(stage.link.folder / "flower"))
    until(lambda: listening(stage.link), "the server to listen again")
    yield from knocking(stage)
    yield from listened(stage)
    if not quick:
        yield from hostile(stage, 4.0)
    stage.agree_to_no_noise()
    yield from hostile(stage, 0.0)


def killed_nodes(stage: Stage, victim: str, phases: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    for phase in phases:
        # The next round may have begun already: the one after it is met at its start.
        round_, before = stage.state().number + 1, stage.asked(victim, phase)
        until(
            lambda round_=round_, before=before, phase=phase: (
                stage.state().number >= round_ and stage.asked(victim, phase) > before
            ),
            f"round {round_} to reach {phase}",
        )
        stage.processes.kill(victim)
        until(lambda round_=round_: len(stage.state().history) >= round_, f"the end of round {round_}")
        stage.node(victim)
        outcome = stage.state().history[round_ - 1]
        ended = outcome.result == "kept" or outcome.result.startswith(("refused", "skipped"))
        yield f"a node killed in {phase}: round {round_} {outcome.result} ({outcome.summed} in the sum)", ended


def killed_server(stage: Stage, total: int) -> Iterator[tuple[str, bool]]:
    """In the worst moment: the privacy of a round is spent, its sum is not yet there."""
    rounds = stage.state().ledger.rounds
    until(lambda: stage.state().ledger.rounds > rounds, "a sum to be about to be read")
    round_ = stage.state().number
    stage.processes.kill("server")
    stage.serve(total)
    until(lambda: stage.state().number > round_, "the server to go on")
    after = stage.state()
    yield (
        (
            f"the server killed in unmask of round {round_}: goes on with round {after.number}, "
            f"{after.ledger.rounds} rounds accounted for"
        ),
        after.ledger.rounds > rounds,
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


def page(lines: list[tuple[float, str, bool]], stage: Stage) -> str:
    """The run as a page of its own."""
    rows = "\n".join(f"| {at:.0f} | {what} | {'ok' if well else '**failed**'} |" for at, what, well in lines)
    outcomes = "\n".join(
        f"| {outcome.round} | {outcome.invited} | {outcome.summed} | {outcome.result} | {outcome.bytes:,} |"
        for outcome in stage.state().history
    )
    return f"""# A live training, killed and attacked

Written by `python bench/federated_deployment.py CORPUS --page docs/federated_deployment.md`: one SuperLink, three
SuperNodes, TLS and node keys on one machine, recordings of three real speakers with six clips each. Seconds are of wall
time, on a machine with other work. Three clients hide each other badly: the run shows the mechanism, not privacy.

With three clients nobody can be spared: two of two neighbours are needed to take a mask off. So whoever dies before
the sum ends the round, cleanly, and the next one has all three again. That sums go on without the dead is shown with
larger cohorts in `tests/federated/test_rounds.py`, in every phase and exactly. The round missing below was cut off with
the server.

| second | what | |
|-|-|-|
{rows}

| round | invited | in the sum | result | bytes from all clients |
|-|-|-|-|-|
{outcomes}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="one phase instead of four, no hostile server")
    parser.add_argument("--deadline", type=float, default=120.0, help="seconds for each phase; more on a busy machine")
    parser.add_argument("--page", type=Path, help="write the run down here")
    options = parser.parse_args()
    out = (options.out or Path(tempfile.mkdtemp(prefix="resay-federated-"))).absolute()
    out.mkdir(parents=True, exist_ok=True)
    corpus = (options.recordings / "metadata.tsv").exists()
    recordings = chosen(options.recordings, out / "recordings") if corpus else options.recordings
    stage, lines = Stage(out, recordings, options.deadline), list[tuple[float, str, bool]]()
    began = time.monotonic()
    try:
        for what, well in play(stage, options.quick):
            lines.append((time.monotonic() - began, what, well))
            print(f"{lines[-1][0]:6.0f} s  {'ok  ' if well else 'FAIL'}  {what}", flush=True)
    finally:
        stage.processes.kill_all()
    if options.page:
        options.page.write_text(page(lines, stage), encoding="utf-8")
    return 0 if all(well for _, _, well in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
