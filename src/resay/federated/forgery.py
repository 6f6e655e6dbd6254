"""A server that cheats: rounds in which the questions to one client are forged on their way, and what it answers.

The clients are the real ones, in one process; everything that any of them sends is kept, to be searched.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ..shared_adapter import SharedAdapter
from .client import Client, Terms, Update
from .ledger import NO_PRIVACY
from .rounds import Server, Settings, State
from .secure_sum import Keys, Refused, Round
from .wire import Table

MEMBERS, VICTIM = 5, 2
Forge = Callable[["Lab", Table], Table]
"""What the server makes of an honest question to the victim."""


@dataclass
class Lab:
    """Clients and a server that talk in one process."""

    adapter: SharedAdapter
    update: Callable[[int], Update]
    """Each client's own local training."""
    members: int = MEMBERS
    sent: list[tuple[int, str, Table]] = field(default_factory=list)
    """Every answer: member, phase, content."""
    asked: dict[str, Table] = field(default_factory=dict)
    """The last honest question to the victim, by phase."""
    refusals: list[str] = field(default_factory=list)
    """Phases in which the victim refused."""
    forge: Mapping[str, Forge] = field(default_factory=dict)
    """By phase; phases without stay honest."""

    def __post_init__(self) -> None:
        terms = Terms(limit=NO_PRIVACY)
        self.identities = {member: Ed25519PrivateKey.generate() for member in range(self.members)}
        self.memories: dict[int, dict[str, Any]] = {member: {} for member in self.identities}
        self.clients = {
            member: Client(member, identity, self.update(member), terms, self.memories[member], {})
            for member, identity in self.identities.items()
        }

    def exchange(self, phase: str, questions: Mapping[int, Table]) -> dict[int, Table]:
        """As a transport: a client that refuses gives no answer."""
        answers = {}
        for member, question in questions.items():
            asked = question
            if member == VICTIM:
                asked = self.forge[phase](self, dict(question)) if phase in self.forge else question
                self.asked[phase] = question
            try:
                answers[member] = self.clients[member].answer(phase, asked)
            except Refused:
                if member == VICTIM:
                    self.refusals.append(phase)
                continue
            self.sent.append((member, phase, answers[member]))
        return answers

    def play(self, rounds: int = 1) -> list[str]:
        """Honest or forged rounds; returns what became of each."""
        with tempfile.TemporaryDirectory(prefix="resay-") as folder:
            settings = Settings(self.members, least=3, limit=None)
            server = Server(Path(folder), State.fresh(settings, self.adapter), self.exchange)
            return [server.play(self.clients).result for _ in range(rounds)]


def _round(lab: Lab, question: Table, **changes: Any) -> Table:
    """An announcement with other fields, and an id that fits them."""
    data = {**json.loads(question["round"]), **changes}
    return {**question, "round": json.dumps(data, sort_keys=True)}


def cohort_of_one(lab: Lab, question: Table) -> Table:
    return _round(lab, question, members=[VICTIM], least=1)


def sum_of_one(lab: Lab, question: Table) -> Table:
    return _round(lab, question, least=1)


def no_noise(lab: Lab, question: Table) -> Table:
    return {**question, "grid": json.dumps({**json.loads(question["grid"]), "noise": 0.0})}


def other_adapter(lab: Lab, question: Table) -> Table:
    other = lab.adapter.moved(np.full(lab.adapter.parameters, 1e-3))
    return {**question, "adapter": other.to_bytes()}


def another_round(lab: Lab, question: Table) -> Table:
    return {**question, "round_id": bytes(32)}


def puppet_keys(lab: Lab, question: Table) -> Table:
    """The server's own keys in the place of a neighbour's, to read its shares."""
    puppet = Ed25519PrivateKey.generate()
    round_ = Round.from_json(json.loads(lab.memories[VICTIM]["announced"])["round"])
    sealing, masking = question["sealing"][:], question["masking"][:]
    signatures, other = question["signature"][:], question["members"][0]
    sealing[0] = masking[0] = bytes(range(32))
    signatures[0] = puppet.sign(Keys.signed_text(round_, other, sealing[0], masking[0]))
    return {**question, "sealing": sealing, "masking": masking, "signature": signatures}


def puppet_identity(lab: Lab, question: Table) -> Table:
    """As above, with the puppet's lasting key as well: a client that has met the neighbour knows better."""
    forged, puppet = puppet_keys(lab, question), Ed25519PrivateKey.generate()
    round_ = Round.from_json(json.loads(lab.memories[VICTIM]["announced"])["round"])
    text = Keys.signed_text(round_, question["members"][0], forged["sealing"][0], forged["masking"][0])
    forged["signature"][0] = puppet.sign(text)
    identities = [puppet.public_key().public_bytes_raw(), *question["identity"][1:]]
    return {**forged, "identity": identities}


def earlier_question(phase: str) -> Forge:
    """What was asked in the round before, with this round's id on it."""

    def forge(lab: Lab, question: Table) -> Table:
        return {**lab.asked.get(phase, question), "round_id": question["round_id"]}

    return forge


def replayed_announcement(lab: Lab, question: Table) -> Table:
    return lab.asked.get("keys", question)


def both_alive_and_dead(lab: Lab, question: Table) -> Table:
    return {**question, "dead": question["alive"][:1] if question["alive"][0] != VICTIM else question["alive"][1:2]}


def only_the_victim(lab: Lab, question: Table) -> Table:
    return {**question, "alive": [VICTIM], "dead": [other for other in question["alive"] if other != VICTIM]}


def somebody_left_out(lab: Lab, question: Table) -> Table:
    return {**question, "alive": [member for member in question["alive"] if member != (VICTIM + 1) % lab.members]}


def asked_before(phase: str) -> Forge:
    """The honest question first, so that this is the second time."""

    def forge(lab: Lab, question: Table) -> Table:
        lab.clients[VICTIM].answer(phase, dict(question))
        return question

    return forge


FORGERIES: dict[str, tuple[str, Forge]] = {
    "a cohort of one": ("keys", cohort_of_one),
    "a sum of one": ("keys", sum_of_one),
    "a round without noise": ("keys", no_noise),
    "another adapter than announced": ("keys", other_adapter),
    "an announcement of an earlier round": ("keys", replayed_announcement),
    "a question of another round": ("shares", another_round),
    "keys that the neighbour has not signed": ("shares", puppet_keys),
    "another lasting key of a known neighbour": ("shares", puppet_identity),
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
    for name, (phase, forge) in FORGERIES.items():
        lab = Lab(adapter, lambda member: lambda _, settings: updates[member])
        with tempfile.TemporaryDirectory(prefix="resay-") as folder:
            settings = Settings(MEMBERS, least=3, limit=None)
            server = Server(Path(folder), State.fresh(settings, adapter), lab.exchange)
            honest = server.play(lab.clients).result
            lab.forge = {phase: forge}
            server.play(lab.clients)
        found[name] = honest == "kept" and lab.refusals == [phase]
    return found


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
