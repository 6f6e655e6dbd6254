"""Running a training: the SuperLink as a process of ours, the keys that are let in, the run that goes on."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import audio, shared_adapter
from ..errors import BadFile, BadOption, BadRequest
from .deployment import Link, environment
from .rounds import Settings, State

STARTING = 60.0  # seconds that a SuperLink may need on a busy machine


def begin(link: Link, settings: Settings, models: Path) -> None:
    """Start a training from nothing where there is none yet. Raises BadOption where another one is there."""
    if (link.training / "state.json").exists():
        if State.load(link.training).settings != settings:
            raise BadOption(f"{link.training}: was started with other settings; give the same, or another folder")
        return
    from . import local

    frozen = local.Frozen(models)
    State.fresh(settings, shared_adapter.fresh(frozen.base, frozen.net.shape.width)).save(link.training)


def judging(link: Link, recordings: Path, models: Path) -> Path:
    """Features of the server's own recordings, made once."""
    path = link.folder / "canary.npz"
    if not path.exists():
        from . import features, local

        audio.write_bytes(path, features.to_bytes(features.heard(recordings, models, local.Frozen(models))))
    return path


def admit(link: Link, key: Path) -> None:
    """Keep a client's public key and register it where the server is up. Raises BadFile for anything but such a key."""
    try:
        content = key.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{key}: the key cannot be read ({error})") from error
    if not content.startswith("ecdsa-sha2-nistp384 "):
        raise BadFile(f"{key}: is no node key; the client's is node.key.pub in its membership")
    admitted = link.folder / "admitted"
    admitted.mkdir(parents=True, exist_ok=True)
    # Named by its content, so that a key let in twice is one.
    target = admitted / f"{shared_adapter.digest_of([content])[-16:]}.pub"
    shutil.copy(key, target)
    if listening(link):
        _register(link, target)


def _register(link: Link, key: Path) -> None:
    done = key.with_suffix(".registered")
    if not done.exists():
        link.admit(key)
        done.touch()


def host(link: Link, rounds: int, deadline: float, models: Path, canary: Path | None) -> None:
    """Start the SuperLink, let the admitted keys in, play the rounds that are left, and stop it again."""
    with superlink(link):
        for key in sorted((link.folder / "admitted").glob("*.pub")):
            _register(link, key)
        link.start(rounds, deadline, models, canary)
        state = State.load(link.training)
        if len(state.history) < rounds and state.ledger.allows(state.settings.release):
            raise BadRequest("the run ended early; see what it says above, and start it again to go on")


@contextmanager
def superlink(link: Link) -> Iterator[subprocess.Popen[bytes]]:
    """A SuperLink that accepts connections. Raises BadRequest where it does not come up."""
    if listening(link):
        raise BadOption(f"{link.address}: something is listening there already")
    process = subprocess.Popen(link.superlink(), env=environment(link.folder / "flower"))
    try:
        end = time.monotonic() + STARTING
        while not listening(link):
            if process.poll() is not None or time.monotonic() > end:
                raise BadRequest(f"{link.address}: the SuperLink did not start")
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listening(link: Link) -> bool:
    """Whether something accepts connections at the address."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((link.host, int(link.port))) == 0
