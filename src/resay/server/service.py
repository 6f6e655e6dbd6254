"""What all routes share: the engine, the limits, the queue; and who calls, with what is theirs."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from starlette.requests import HTTPConnection

from .. import voices
from ..errors import UnknownVoice
from ..gate import Gate
from ..jobs import store
from ..jobs.store import Store
from ..seeds import SeedLibrary
from ..synthesis import Engine
from ..voices import Voice, VoiceLibrary
from .keys import MANAGE, SCOPES, SPEAK, Keys
from .limits import Limits
from .metrics import Metrics
from .problems import NoKey, NotAllowed, NotThere
from .records import Records
from .turns import Turns

LOCAL = "local"
"""The caller on a server without keys: whoever sits at this machine."""
T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """Somebody with a key, or the person at this machine. Nobody sees what is another's."""

    id: str
    scopes: tuple[str, ...]
    home: Path
    """Folder of all that is theirs."""
    own_voices: Path

    @property
    def voices(self) -> VoiceLibrary:
        """The shipped voices and their own."""
        return VoiceLibrary([voices.SHIPPED, self.own_voices])

    @property
    def seeds(self) -> SeedLibrary:
        return SeedLibrary(None if self.id == LOCAL else self.home / "seeds.jsonl")

    @property
    def lexicons(self) -> Path:
        return self.home / "lexicons"

    @property
    def consents(self) -> Path:
        return self.home / "consents"

    @property
    def jobs(self) -> Path:
        """Folder of their jobs' folders."""
        return self.home / "jobs"

    def records(self, limits: Limits) -> Records:
        return Records(self.home / "records", limits.records)

    def voice(self, name_or_id: str) -> Voice:
        """A voice by name or id, never by path. Raises UnknownVoice."""
        library = self.voices
        named = name_or_id in library
        if not named and name_or_id.startswith("voice_"):
            name_or_id = next((name for name in library.names() if voice_id(name) == name_or_id), name_or_id)
        return library.get(name_or_id)

    def own_voice(self, name_or_id: str) -> Voice:
        """As `voice`. Raises NotThere instead, for routes that name a voice in their address."""
        try:
            return self.voice(name_or_id)
        except UnknownVoice as error:
            raise NotThere(str(error)) from error


def voice_id(name: str) -> str:
    """What OpenAI's clients keep of a voice: follows from its name, so it needs no index."""
    return "voice_" + hashlib.sha256(name.encode()).hexdigest()[:24]


@dataclass(frozen=True, eq=False)
class Service:
    """One server's things. The engine keeps no state, so all threads share it."""

    engine: Engine
    folder: Path
    """Where what callers bring and get is kept."""
    voices: Path
    """The user's own voices, which are the local caller's."""
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], date] = date.today
    open_to_all: bool = True
    """Whether somebody without a key is let in while there are no keys: on loopback only."""
    database: str | None = None
    """URL of the database of jobs, instead of the usual file in `folder`."""
    closing: threading.Event = field(default_factory=threading.Event)
    """Set when the server stops: threads shall not wait for anybody any more."""
    metrics: Metrics = field(default_factory=Metrics)
    turns: Turns = field(init=False)
    threads: ThreadPoolExecutor = field(init=False)
    keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        turns = Turns(self.limits.at_once, self.limits.waiting)
        object.__setattr__(self, "turns", turns)
        object.__setattr__(self, "threads", ThreadPoolExecutor(turns.places, "resay"))
        object.__setattr__(self, "keys", Keys(self.folder / "keys.json"))

    def caller(self, secret: str | None) -> Caller | None:
        """Who holds this secret; without any keys, the person at this machine. None for a stranger."""
        if self.unlocked:
            return self.local()  # OpenAI's clients always send a key, if only "none"
        key = None if secret is None else self.keys.find(secret)
        return None if key is None else self.keyed(key.id, key.scopes)

    @property
    def unlocked(self) -> bool:
        """Whether whoever sits at this machine needs no key."""
        return self.open_to_all and not self.keys.all()

    @cached_property
    def jobs(self) -> Store:
        """Everybody's jobs. Raises BadFile, BadOption where the database cannot be used."""
        return Store(self.database or store.default_url(self.folder))

    @cached_property
    def gate(self) -> Gate:
        """What hears music, echo and other people in a clip; loaded for the first one."""
        return Gate(self.engine.reference)

    def local(self) -> Caller:
        return local_caller(self.folder, self.voices)

    def keyed(self, key_id: str, scopes: tuple[str, ...]) -> Caller:
        home = self.folder / "keys" / key_id
        return Caller(key_id, scopes, home, home / "voices")

    async def compute(self, work: Callable[[], T]) -> T:
        """Do something that needs the processor, in a thread, when it is this request's turn. Raises Busy."""

        def in_turn() -> T:
            with self.turns.turn():
                return work()

        with self.turns.place():
            return await asyncio.get_running_loop().run_in_executor(self.threads, in_turn)


def local_caller(folder: Path, own_voices: Path) -> Caller:
    """Whoever sits at this machine, with what is theirs in a server's folder."""
    return Caller(LOCAL, SCOPES, folder / LOCAL, own_voices)


def speaking(connection: HTTPConnection) -> Caller:
    """For routes of whoever may speak. Raises NoKey, NotAllowed."""
    return _allowed(connection, SPEAK)


def managing(connection: HTTPConnection) -> Caller:
    """For routes that change what is kept. Raises NoKey, NotAllowed."""
    return _allowed(connection, MANAGE)


def _allowed(connection: HTTPConnection, scope: str) -> Caller:
    caller: Caller | None = connection.scope.get("resay.caller")
    if caller is None:
        raise NoKey
    if scope not in caller.scopes:
        raise NotAllowed(f"this key may not {scope}; ask for one with the scope {scope}")
    return caller
