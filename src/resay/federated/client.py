"""A client's side of a round: what it is willing to take part in, and what it answers to each question."""

from __future__ import annotations

import json
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .. import shared_adapter
from ..shared_adapter import SharedAdapter
from . import ledger, wire
from .ledger import Ledger
from .quantise import Grid
from .secure_sum import SMALLEST_COHORT, Member, Refused, Round
from .wire import Table

Update = Callable[[SharedAdapter, dict[str, Any]], np.ndarray]
"""From the adapter as it stands and the settings of the training to a local update, float64 (D,)."""


@dataclass(frozen=True)
class Terms:
    """What the owner of a voice insists on. A round that offers less is refused, whatever the server says."""

    least: int = SMALLEST_COHORT
    """Fewest members in a sum."""
    limit: float = 8.0
    """Largest ε after the round."""
    noise: bool = True
    """Whether every sum must carry noise."""

    def check(self, round_: Round, grid: Grid, spent: Ledger) -> None:
        """Raises Refused."""
        if round_.least < self.least or grid.least < self.least:
            raise Refused(f"a sum of {min(round_.least, grid.least)} members; this client wants at least {self.least}")
        if grid.least > round_.least:
            raise Refused("the noise would be too small for the fewest members of this round")
        if self.noise and grid.noise <= 0:
            raise Refused("this round adds no noise; this client wants some")
        if self.noise and spent.spent() > self.limit:
            raise Refused(f"epsilon would be {spent.spent():.2f}; this client allows {self.limit:g}")


@dataclass(frozen=True)
class Sent:
    """What one answer told the world."""

    round: int
    phase: str
    bytes: int
    spent: str
    """The privacy spent after this round, in words."""

    def to_json(self) -> dict[str, Any]:
        return {"round": self.round, "phase": self.phase, "bytes": self.bytes, "spent": self.spent}


class Client:
    """Answers the server's questions. `memory` lasts from phase to phase, `known` holds identities met before."""

    def __init__(
        self,
        member: int,
        identity: Ed25519PrivateKey,
        update: Update,
        terms: Terms,
        memory: MutableMapping[str, Any],
        known: MutableMapping[int, bytes],
        tell: Callable[[Sent], None] = lambda sent: None,
    ) -> None:
        self._member, self._identity, self._update, self._terms = member, identity, update, terms
        self._memory, self._known, self._tell = memory, known, tell

    def answer(self, phase: str, question: Table) -> Table:
        """Raises Refused, or UselessUpdate, where nothing may leave."""
        if phase == "enrol":
            return {"identity": self._identity.public_key().public_bytes_raw()}
        answers = {"keys": self._keys, "shares": self._shares, "masked": self._masked, "unmask": self._unmask}
        if phase == "keys":
            self._memory["announced"] = json.dumps({name: question[name] for name in ("round", "grid", "ledger")})
        announced = json.loads(self._memory["announced"])
        round_ = Round.from_json(announced["round"])
        wire.check_bound(round_, question)
        answer = wire.checked(phase, answers[phase](round_, question))
        spent = Ledger.from_json(json.loads(announced["ledger"]))
        words = ledger.in_words(spent.spent(), spent.delta) if phase == "masked" else ""
        self._tell(Sent(round_.number, phase, wire.size([answer]), words))
        return answer

    def _keys(self, round_: Round, question: Table) -> Table:
        grid, spent = Grid(**json.loads(question["grid"])), Ledger.from_json(json.loads(question["ledger"]))
        self._terms.check(round_, grid, spent)
        content = question["adapter"]
        adapter = shared_adapter.parse(content)
        if round_.context != context(adapter, question["grid"], question["training"], question["ledger"]):
            raise Refused("adapter, grid, training or ledger are not those that were announced")
        if not grid.parameters == adapter.parameters == round_.parameters:
            raise Refused("the adapter has another number of parameters than was announced")
        self._once(round_, spent)
        self._memory.update(adapter=content, training=question["training"])
        member = Member(round_, self._member, self._identity)
        keys = member.keys()
        self._memory["member"] = member.to_bytes()
        return {"sealing": keys.sealing, "masking": keys.masking, "signature": keys.signature}

    def _once(self, round_: Round, spent: Ledger) -> None:
        """Raises Refused for a round that was announced before, or a ledger that forgets what was sent."""
        last, sums = (self._memory.get(name, 0) for name in (f"last {round_.run}", f"sums {round_.run}"))
        if round_.number <= last:
            raise Refused("this round is over, or was announced before")
        if spent.rounds <= sums:
            raise Refused(f"the ledger counts {spent.rounds} rounds; this client has been in {sums} sums already")
        self._memory[f"last {round_.run}"] = round_.number

    def _restored(self, round_: Round) -> Member:
        return Member.from_bytes(self._memory["member"], round_, self._member, self._identity)

    def _shares(self, round_: Round, question: Table) -> Table:
        keys, roster = wire.unpack_keys(question)
        for other, identity in roster.items():
            # Who was met once is known for ever: the server cannot put another in its place.
            if self._known.setdefault(other, identity) != identity:
                raise Refused(f"member {other} has another lasting key than before")
        member = self._restored(round_)
        sealed = member.shares(keys, roster)
        self._memory["member"] = member.to_bytes()
        return wire.pack_pieces("sealed", sealed)

    def _masked(self, round_: Round, question: Table) -> Table:
        grid = Grid(**json.loads(json.loads(self._memory["announced"])["grid"]))
        adapter = shared_adapter.parse(self._memory["adapter"])
        share = grid.share(self._update(adapter, json.loads(self._memory["training"])))
        member = self._restored(round_)
        masked = member.masked(share, wire.unpack_pieces("sealed", question))
        self._memory["member"] = member.to_bytes()
        return {"vector": wire.pack_vector(masked)}

    def _unmask(self, round_: Round, question: Table) -> Table:
        member = self._restored(round_)
        shares = member.unmask(question["alive"], question["dead"])
        self._memory["member"] = member.to_bytes()
        # Only now can the sum be read.
        sums = f"sums {round_.run}"
        self._memory[sums] = self._memory.get(sums, 0) + 1
        return wire.pack_pieces("shares", shares)


def context(adapter: SharedAdapter, grid: str, training: str, spent: str) -> str:
    """What a round's number alone does not say: what all start from, and on which terms."""
    return shared_adapter.digest_of([adapter.digest, grid, training, spent])
