"""The server's side: who is asked, what is done with the sum, what is kept, and what is published.

Nothing here knows Flower: questions go out and answers come in through one function.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import audio, shared_adapter
from ..errors import BadFile, BadOption
from ..shared_adapter import SharedAdapter
from . import wire
from .client import context
from .ledger import NO_PRIVACY, Ledger, Release, usual_delta
from .quantise import Grid
from .secure_sum import SMALLEST_COHORT, Collector, Keys, Refused, Round
from .wire import Exchange

Judge = Callable[[SharedAdapter], float]
"""Loss of an adapter on speech that the server has itself, lower is better."""


@dataclass(frozen=True)
class Settings:
    """How a training is run. Written down once, when it starts from nothing."""

    population: int
    """Clients that may take part."""
    sampling: float = 1.0
    """Chance of each client to be asked in a round."""
    least: int = SMALLEST_COHORT
    """Fewest updates in a sum."""
    most: int = 0
    """Most clients in a round; 0 is four deviations above the expected number."""
    clip: float = 0.1
    noise: float = 1.0
    limit: float | None = 8.0
    """Largest ε; None has none."""
    rate: float = 1.0
    """Step of the server along the mean update."""
    momentum: float = 0.9
    degree: int = 40
    tolerance: float = 0.01
    """A round that raises the judge's loss by more than this share is taken back."""
    training: dict[str, Any] = field(default_factory=dict)
    """What clients are told of the local training."""

    def __post_init__(self) -> None:
        if not 0.0 < self.sampling <= 1.0 or self.least < SMALLEST_COHORT or self.population < self.least:
            raise BadOption(f"a round needs {SMALLEST_COHORT} clients or more, drawn with a chance of at most 1")
        if self.clip <= 0 or self.noise < 0 or self.rate <= 0 or not 0 <= self.momentum < 1:
            raise BadOption("clip and rate must be above 0, noise not below it, momentum from 0 to below 1")

    @property
    def expected(self) -> float:
        return self.sampling * self.population

    @property
    def largest(self) -> int:
        """Most clients that a round can have."""
        return self.most or min(self.population, int(self.expected + 4 * self.expected**0.5) + 1)

    def grid(self, parameters: int) -> Grid:
        return Grid(self.clip, self.noise, self.least, self.largest, parameters)

    @property
    def release(self) -> Release:
        return Release(self.sampling, self.noise)


@dataclass(frozen=True)
class Outcome:
    """What became of one round."""

    round: int
    invited: int
    summed: int
    lost: int
    result: str
    """`kept`, `taken back`, `refused: …` or `skipped: …`."""
    epsilon: float
    loss: float | None = None
    bytes: int = 0
    """That clients sent in all."""


@dataclass
class State:
    """All that a server needs to go on after it was killed."""

    settings: Settings
    adapter: SharedAdapter
    momentum: np.ndarray
    ledger: Ledger
    run: str
    number: int = 0
    """Rounds begun: a number is never used twice."""
    roster: dict[int, bytes] = field(default_factory=dict)
    """Lasting public keys of the clients that were met."""
    best: float | None = None
    """The judge's loss of the adapter as it stands."""
    published: float | None = None
    history: list[Outcome] = field(default_factory=list)

    @classmethod
    def fresh(cls, settings: Settings, adapter: SharedAdapter) -> State:
        limit = NO_PRIVACY if settings.limit is None else settings.limit
        ledger = Ledger(usual_delta(settings.population), limit)
        return cls(settings, adapter, np.zeros(adapter.parameters), ledger, secrets.token_hex(16))

    def save(self, folder: Path) -> None:
        """Write the checkpoint whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "settings": asdict(self.settings),
            "adapter": self.adapter.to_bytes().hex(),
            "momentum": self.momentum.astype("<f8").tobytes().hex(),
            "ledger": self.ledger.to_json(),
            "run": self.run,
            "number": self.number,
            "roster": {str(member): identity.hex() for member, identity in self.roster.items()},
            "best": self.best,
            "published": self.published,
            "history": [asdict(outcome) for outcome in self.history],
        }
        audio.write_bytes(folder / "state.json", json.dumps(content).encode())

    @classmethod
    def load(cls, folder: Path) -> State:
        """The state that `save` left. Raises BadFile where there is none or it is damaged."""
        try:
            data = json.loads((folder / "state.json").read_bytes())
            return cls(
                Settings(**data["settings"]),
                shared_adapter.parse(bytes.fromhex(data["adapter"])),
                np.frombuffer(bytes.fromhex(data["momentum"]), dtype="<f8"),
                Ledger.from_json(data["ledger"]),
                data["run"],
                data["number"],
                {int(member): bytes.fromhex(identity) for member, identity in data["roster"].items()},
                data["best"],
                data["published"],
                [Outcome(**entry) for entry in data["history"]],
            )
        except OSError as error:
            raise BadFile(f"{folder}: no training was started there ({error.strerror})") from error
        except (KeyError, TypeError, ValueError) as error:
            raise BadFile(f"{folder / 'state.json'}: damaged ({error})") from error


@dataclass(frozen=True, eq=False)
class Summed:
    """What came out of a round's secure sum."""

    total: np.ndarray
    """int64 (D,)."""
    count: int
    """Clients in it."""
    bytes: int
    """That they sent in all."""


class Server:
    """Plays rounds. Every change of its state is on disk before anybody hears of it."""

    def __init__(self, folder: Path, state: State, exchange: Exchange, judge: Judge | None = None) -> None:
        self.folder, self.state, self._exchange, self._judge = folder, state, exchange, judge
        if judge is not None and state.best is None:
            state.best = state.published = judge(state.adapter)
        state.save(folder)

    def play(self, available: Iterable[int]) -> Outcome:
        """One round with some of the clients that are there. Raises Spent when the privacy budget is used up."""
        state, settings = self.state, self.state.settings
        random = secrets.SystemRandom()
        invited = sorted(member for member in available if random.random() < settings.sampling)
        state.number += 1
        state.save(self.folder)
        if len(invited) < settings.least:
            return self._closed(invited, None, f"skipped: {len(invited)} of at least {settings.least} clients")
        if len(invited) > settings.largest:
            # More than the whole numbers leave room for; as rare as four deviations.
            return self._closed(invited, None, f"skipped: more than {settings.largest} clients")
        try:
            summed = self._summed(self._enrolled(invited))
        except Refused as error:
            return self._closed(invited, None, f"refused: {error}")
        return self._used(invited, summed)

    def _enrolled(self, invited: list[int]) -> list[int]:
        """Those whose lasting key is known; new ones are asked for it once, and it never changes."""
        new = [member for member in invited if member not in self.state.roster]
        for member, answer in self._exchange("enrol", {member: {} for member in new}).items() if new else ():
            self.state.roster[member] = wire.checked("enrol", answer)["identity"]
        return [member for member in invited if member in self.state.roster]

    def _announced(self, invited: list[int]) -> tuple[Round, wire.Table]:
        state, settings = self.state, self.state.settings
        after = Ledger(state.ledger.delta, state.ledger.limit, list(state.ledger.releases))
        after.spend(settings.release)
        grid = json.dumps(asdict(settings.grid(state.adapter.parameters)))
        training, spent = json.dumps(settings.training), json.dumps(after.to_json())
        round_ = Round(
            state.run,
            state.number,
            tuple(invited),
            state.adapter.parameters,
            settings.least,
            settings.degree,
            context(state.adapter, grid, training, spent),
        )
        table = {"round": round_.to_json(), "adapter": state.adapter.to_bytes(), "grid": grid}
        return round_, table | {"training": training, "ledger": spent}

    def _summed(self, invited: list[int]) -> Summed:
        round_, announcement = self._announced(invited)
        collector, sent = Collector(round_, self.state.roster), 0

        def ask(phase: str, tables: dict[int, wire.Table]) -> Iterable[tuple[int, wire.Table]]:
            nonlocal sent
            bound = {member: wire.bound(round_, table) for member, table in tables.items()}
            for member, answer in self._exchange(phase, bound).items():
                sent += wire.size([answer])
                yield member, wire.checked(phase, answer)

        for member, answer in ask("keys", dict.fromkeys(invited, announcement)):
            collector.take_keys(member, Keys(**answer))
        keys = {member: collector.keys_for(member) for member in collector.keys}
        for member, answer in ask("shares", {m: wire.pack_keys(k, self.state.roster) for m, k in keys.items()}):
            collector.take_shares(member, wire.unpack_pieces("sealed", answer))
        sealed = {member: wire.pack_pieces("sealed", collector.shares_for(member)) for member in collector.sharing}
        for member, answer in ask("masked", sealed):
            collector.take_masked(member, wire.unpack_vector(answer["vector"]))
        collector.enough()
        self._spend()
        lists = {"alive": collector.alive, "dead": collector.dead}
        answers = {
            member: wire.unpack_pieces("shares", answer)
            for member, answer in ask("unmask", dict.fromkeys(collector.alive, lists))
        }
        return Summed(collector.total(answers), len(collector.alive), sent)

    def _spend(self) -> None:
        """Write the privacy down before the sum can be read: a server that is killed here has spent it all the same."""
        self.state.ledger.spend(self.state.settings.release)
        self.state.save(self.folder)

    def _used(self, invited: list[int], summed: Summed) -> Outcome:
        state, settings = self.state, self.state.settings
        grid = settings.grid(state.adapter.parameters)
        if not grid.plausible(summed.total, summed.count):
            return self._closed(invited, summed, "refused: the sum is longer than honest clients can make it")
        # Over the expected number, not the true one: how many took part then changes nothing (McMahan et al. 2018).
        momentum = settings.momentum * state.momentum + grid.mean(summed.total, settings.expected)
        moved = state.adapter.moved(settings.rate * momentum)
        loss = None if self._judge is None else self._judge(moved)
        if loss is not None and not loss <= (state.best or 0.0) * (1 + settings.tolerance):
            state.momentum = np.zeros_like(state.momentum)
            return self._closed(invited, summed, "taken back", loss)
        state.adapter, state.momentum, state.best = moved, momentum, loss
        return self._closed(invited, summed, "kept", loss)

    def _closed(self, invited: list[int], summed: Summed | None, result: str, loss: float | None = None) -> Outcome:
        state = self.state
        count, sent = (0, 0) if summed is None else (summed.count, summed.bytes)
        lost = 0 if summed is None else len(invited) - count
        outcome = Outcome(state.number, len(invited), count, lost, result, state.ledger.spent(), loss, sent)
        state.history.append(outcome)
        state.save(self.folder)
        return outcome

    def publish(self) -> Path | None:
        """Write the adapter as a new version, unless the judge finds it no better than the last. Returns its path."""
        state = self.state
        if state.best is not None and state.published is not None and not state.best < state.published:
            return None
        rounds = sum(outcome.result == "kept" for outcome in state.history)
        limit = None if state.ledger.spent() == NO_PRIVACY else round(state.ledger.spent(), 4)
        origin = {"run": state.run, "rounds": rounds, "epsilon": limit, "delta": state.ledger.delta}
        adapter = replace(state.adapter, number=state.adapter.number + 1, origin=origin)
        path = self.folder / "published" / f"{adapter.number:04d}.adapter"
        path.parent.mkdir(parents=True, exist_ok=True)
        adapter.save(path)
        latest = {"file": path.name, "digest": adapter.digest, "number": adapter.number, **origin}
        audio.write_bytes(path.parent / "latest.json", json.dumps(latest, indent=1).encode())
        state.adapter, state.published = adapter, state.best
        state.save(self.folder)
        return path
