"""A server that cheats: rounds in which the questions to one client are forged on their way, and what it answers.

The clients are the real ones, in one process; everything that any of them sends is kept, to be searched.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .. import shared_adapter
from ..shared_adapter import SharedAdapter
from .client import Client, Terms, Update, context
from .ledger import NO_PRIVACY
from .rounds import Server, Settings, State
from .secure_sum import Keys, Refused, Round, identity_of
from .wire import Exchange, Table

MEMBERS, VICTIM = 5, 2
Forge = Callable[["Forger", Table], Table]
"""What the server makes of an honest question to the victim."""


@dataclass
class Forger:
    """A transport on which the questions to one member are forged on their way."""

    honest: Exchange
    victim: int
    adapter: SharedAdapter
    forge: Mapping[str, Forge] = field(default_factory=dict)
    """By phase; phases without stay honest."""
    asked: dict[str, Table] = field(default_factory=dict)
    """The last honest question to the victim, by phase."""
    refusals: list[str] = field(default_factory=list)
    """Phases that the victim did not answer."""

    def __call__(self, phase: str, questions: Mapping[int, Table]) -> Mapping[int, Table]:
        if self.victim not in questions:
            return self.honest(phase, questions)
        question = questions[self.victim]
        forged = self.forge[phase](self, dict(question)) if phase in self.forge else question
        self.asked[phase] = question
        answers = self.honest(phase, {**questions, self.victim: forged})
        if self.victim not in answers:
            self.refusals.append(phase)
        return answers

    @property
    def round(self) -> Round:
        """That the victim was asked into last."""
        return Round.from_json(self.asked["keys"]["round"])


@dataclass
class Lab:
    """Clients and a server that talk in one process."""

    adapter: SharedAdapter
    update: Callable[[int], Update]
    """Each client's own local training."""
    members: int = MEMBERS
    sent: list[tuple[int, str, Table]] = field(default_factory=list)
    """Every answer: member, phase, content."""

    def __post_init__(self) -> None:
        terms = Terms(limit=NO_PRIVACY)
        identities = {member: Ed25519PrivateKey.generate() for member in range(self.members)}
        self.clients = {
            member: Client(member, identity, self.update(member), terms, {}, {})
            for member, identity in identities.items()
        }

    def exchange(self, phase: str, questions: Mapping[int, Table]) -> dict[int, Table]:
        """As a transport: a client that refuses gives no answer."""
        answers = {}
        for member, question in questions.items():
            try:
                answers[member] = self.clients[member].answer(phase, question)
            except Refused:
                continue
            self.sent.append((member, phase, answers[member]))
        return answers

    def play(self) -> str:
        """An honest round; returns what became of it."""
        with tempfile.TemporaryDirectory(prefix="resay-") as folder:
            settings = Settings(self.members, least=3, limit=None)
            return Server(Path(folder), State.fresh(settings, self.adapter), self.exchange).play(self.clients).result


def _round(question: Table, **changes: Any) -> Table:
    """An announcement with other fields, and an id that fits them."""
    text = json.dumps({**json.loads(question["round"]), **changes}, sort_keys=True)
    return {**question, "round": text, "round_id": identity_of(text)}


def cohort_of_one(forger: Forger, question: Table) -> Table:
    return _round(question, members=[forger.victim], least=1)


def sum_of_one(forger: Forger, question: Table) -> Table:
    return _round(question, least=1)


def no_noise(forger: Forger, question: Table) -> Table:
    return {**question, "grid": json.dumps({**json.loads(question["grid"]), "noise": 0.0})}


def other_adapter(forger: Forger, question: Table) -> Table:
    other = forger.adapter.moved(np.full(forger.adapter.parameters, 1e-3))
    return {**question, "adapter": other.to_bytes()}


def forgetful_ledger(forger: Forger, question: Table) -> Table:
    """As if nothing had ever been spent; everything that depends on it fits."""
    ledger = json.dumps({**json.loads(question["ledger"]), "releases": []})
    adapter = shared_adapter.parse(question["adapter"])
    agreed = context(adapter, question["grid"], question["training"], ledger)
    return {**_round(question, context=agreed), "ledger": ledger}


def another_round(forger: Forger, question: Table) -> Table:
    return {**question, "round_id": bytes(32)}


def puppet_keys(forger: Forger, question: Table) -> Table:
    """The server's own keys in the place of a neighbour's, to read its shares."""
    puppet = Ed25519PrivateKey.generate()
    sealing, masking = question["sealing"][:], question["masking"][:]
    signatures, other = question["signature"][:], question["members"][0]
    sealing[0] = masking[0] = bytes(range(32))
    signatures[0] = puppet.sign(Keys.signed_text(forger.round, other, sealing[0], masking[0]))
    return {**question, "sealing": sealing, "masking": masking, "signature": signatures}


def puppet_identity(forger: Forger, question: Table) -> Table:
    """As above, with the puppet's lasting key as well: a client that has met the neighbour knows better."""
    forged, puppet = puppet_keys(forger, question), Ed25519PrivateKey.generate()
    text = Keys.signed_text(forger.round, question["members"][0], forged["sealing"][0], forged["masking"][0])
    forged["signature"][0] = puppet.sign(text)
    identities = [puppet.public_key().public_bytes_raw(), *question["identity"][1:]]
    return {**forged, "identity": identities}


def earlier_question(phase: str) -> Forge:
    """What was asked in the round before, with this round's id on it."""

    def forge(forger: Forger, question: Table) -> Table:
        return {**forger.asked.get(phase, question), "round_id": question["round_id"]}

    return forge


def replayed_announcement(forger: Forger, question: Table) -> Table:
    return forger.asked.get("keys", question)


def _other(forger: Forger, question: Table) -> int:
    """A living member that is not the victim."""
    return next(member for member in question["alive"] if member != forger.victim)


def changed_share(forger: Forger, question: Table) -> Table:
    first, *others = question["sealed"]
    return {**question, "sealed": [bytes([first[0] ^ 1]) + first[1:], *others]}


def both_alive_and_dead(forger: Forger, question: Table) -> Table:
    return {**question, "dead": [_other(forger, question)]}


def only_the_victim(forger: Forger, question: Table) -> Table:
    others = [member for member in question["alive"] if member != forger.victim]
    return {**question, "alive": [forger.victim], "dead": others}


def somebody_left_out(forger: Forger, question: Table) -> Table:
    left_out = _other(forger, question)
    return {**question, "alive": [member for member in question["alive"] if member != left_out]}


def asked_before(phase: str) -> Forge:
    """The honest question first, so that this is the second time."""

    def forge(forger: Forger, question: Table) -> Table:
        forger.honest(phase, {forger.victim: question})
        return question

    return forge


FORGERIES: dict[str, tuple[str, Forge]] = {
    "a cohort of one": ("keys", cohort_of_one),
    "a sum of one": ("keys", sum_of_one),
    "a round without noise": ("keys", no_noise),
    "another adapter than announced": ("keys", other_adapter),
    "an announcement of an earlier round": ("keys", replayed_announcement),
    "a ledger that forgets what was spent": ("keys", forgetful_ledger),
    "a question of another round": ("shares", another_round),
    "keys that the neighbour has not signed": ("shares", puppet_keys),
    "another lasting key of a known neighbour": ("shares", puppet_identity),
    "a share with one bit changed": ("masked", changed_share),
    "shares of an earlier round": ("masked", earlier_question("masked")),
    "the masked vector a second time": ("masked", asked_before("masked")),
    "a member both alive and dead": ("unmask", both_alive_and_dead),
    "nobody alive but the victim": ("unmask", only_the_victim),
    "a member left out of both lists": ("unmask", somebody_left_out),
    "the shares of the masks a second time": ("unmask", asked_before("unmask")),
}
"""Name, and the phase in which it must be refused."""


def refused(adapter: SharedAdapter) -> dict[str, bool]:
    """Whether the victim refuses each forgery in its phase, after one honest round in which it took part."""
    random = np.random.default_rng(0)
    updates = random.standard_normal((MEMBERS, adapter.parameters)) * 1e-3
    found = {}
    for name in FORGERIES:
        lab = Lab(adapter, lambda member: lambda _, settings: updates[member])
        with tempfile.TemporaryDirectory(prefix="resay-") as folder:
            state, forger = (
                State.fresh(Settings(MEMBERS, least=3, limit=None), adapter),
                Forger(lab.exchange, VICTIM, adapter),
            )
            server = Server(Path(folder), state, forger)
            found[name] = server.play(lab.clients).result == "kept" and tried(name, server, forger, lab.clients)
    return found


def tried(name: str, server: Server, forger: Forger, available: Iterable[int]) -> bool:
    """Whether the victim refuses one forgery, in its phase, in a round that is honest but for it."""
    phase, forge = FORGERIES[name]
    forger.forge, forger.refusals = {phase: forge}, []
    server.play(available)
    return forger.refusals == [phase]


def contents(sent: list[tuple[int, str, Table]]) -> bytes:
    """Every byte of every answer, whatever its place in the table; numbers as text."""
    parts: list[bytes] = []

    def walk(value: object) -> None:
        if isinstance(value, bytes):
            parts.append(value)
        elif isinstance(value, Mapping):
            for key, entry in value.items():
                walk(key)
                walk(entry)
        elif isinstance(value, list | tuple):
            for entry in value:
                walk(entry)
        else:
            parts.append(str(value).encode())

    for _, _, table in sent:
        walk(table)
    return b"\0".join(parts)


def canaries(name: str, value: object) -> dict[str, bytes]:
    """Byte strings by which a text, or an array of numbers in any usual width, would be found."""
    if isinstance(value, str):
        return {f"{name}, {encoding}": value.encode(encoding) for encoding in ("utf-8", "utf-16-le", "gb18030")}
    array = np.asarray(value).ravel()[:16]
    widths = ("<f2", "<f4", "<f8") if array.dtype.kind == "f" else ("<i2", "<i4", "<i8", "<u4")
    return {f"{name}, {width}": array.astype(width).tobytes() for width in widths}
