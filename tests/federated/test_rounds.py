"""Whole rounds: dying clients, poison, a killed server, messages of another round, clients that insist on their terms.

Clients and server are in one process: what travels between them is what would travel over the network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cryptography")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from resay import shared_adapter
from resay.errors import BadFile, ResayError
from resay.federated import wire
from resay.federated.client import Client, Terms
from resay.federated.rounds import Server, Settings, State
from resay.federated.secure_sum import Refused
from resay.federated.wire import Table

START = shared_adapter.fresh("sha256:base", 8, rank=3)
TARGET = np.random.default_rng(0).standard_normal(START.parameters)
"""What all honest clients would like the adapter to become."""
OPEN = Terms(limit=float("inf"), noise=False)


def loss(adapter: shared_adapter.SharedAdapter) -> float:
    return float(np.square(adapter.up.ravel() - TARGET).mean())


def towards(adapter: shared_adapter.SharedAdapter, training: object) -> np.ndarray:
    """An honest update."""
    return 0.2 * (TARGET - adapter.up.ravel())


@dataclass
class World:
    """Clients by number, what they refused, and who answers nothing from which phase on."""

    clients: dict[int, Client]
    dies: dict[int, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    seen: list[tuple[str, int, Table]] = field(default_factory=list)
    """Every question, as it went out."""

    def exchange(self, phase: str, questions: Mapping[int, Table]) -> dict[int, Table]:
        answers = {}
        for member, question in questions.items():
            self.seen.append((phase, member, question))
            if self.dies.get(member) == phase:
                continue
            try:
                answers[member] = self.clients[member].answer(phase, question)
            except ResayError as error:
                self.refusals.append(str(error))
        return answers


def client(member: int, update=towards, terms: Terms = OPEN) -> Client:
    return Client(member, Ed25519PrivateKey.generate(), update, terms, {}, {})


@pytest.fixture
def world() -> Callable[..., World]:
    def made(count: int = 8, **updates: Callable[..., np.ndarray]) -> World:
        """`count` clients; `c3=update` gives the third another update."""
        return World({n: client(n, updates.get(f"c{n}", towards)) for n in range(1, count + 1)})

    return made


SETTINGS = Settings(8, least=5, clip=100.0, noise=0.0, limit=None, momentum=0.0)


def server(folder: Path, world: World, settings: Settings = SETTINGS, judge=loss) -> Server:
    return Server(folder, State.fresh(settings, START), world.exchange, judge)


def test_rounds_lead_where_the_clients_want_to_go(tmp_path, world) -> None:
    training = server(tmp_path, world())
    outcomes = [training.play(range(1, 9)) for _ in range(5)]
    assert all(outcome.result == "kept" and outcome.summed == 8 for outcome in outcomes)
    assert loss(training.state.adapter) < 0.2 * loss(START)


def test_the_sum_is_the_mean_of_what_clients_computed(tmp_path, world) -> None:
    training = server(tmp_path, world())
    training.play(range(1, 9))
    assert np.allclose(training.state.adapter.up.ravel(), towards(START, None), atol=1e-6)


@pytest.mark.parametrize("phase", ["enrol", "keys", "shares", "masked", "unmask"])
def test_a_client_that_dies_in_any_phase_costs_only_its_own_update(tmp_path, world, phase) -> None:
    everybody = world()
    everybody.dies[3] = phase
    training = server(tmp_path, everybody)
    outcome = training.play(range(1, 9))
    assert outcome.result == "kept"
    assert outcome.summed == (8 if phase == "unmask" else 7)
    share = outcome.summed / 8
    assert np.allclose(training.state.adapter.up.ravel(), share * towards(START, None), atol=1e-6)


def test_too_many_deaths_end_the_round_cleanly(tmp_path, world) -> None:
    everybody = world()
    everybody.dies |= dict.fromkeys((1, 2, 3, 4), "masked")
    training = server(tmp_path, everybody)
    outcome = training.play(range(1, 9))
    assert outcome.result.startswith("refused: only 4 of 5")
    assert training.state.adapter.digest == START.digest
    assert training.state.ledger.rounds == 0
    everybody.dies.clear()
    assert training.play(range(1, 9)).result == "kept"


BAD = {
    "nan": lambda adapter, training: np.full(adapter.parameters, np.nan),
    "zero": lambda adapter, training: np.zeros(adapter.parameters),
    "huge": lambda adapter, training: np.full(adapter.parameters, 1e300),
    "flipped": lambda adapter, training: -5.0 * towards(adapter, training),
}


@pytest.mark.parametrize("kind", BAD)
def test_one_poisoner_in_eight_costs_at_most_a_quarter(tmp_path, world, kind) -> None:
    clip = float(np.linalg.norm(towards(START, None)))
    settings = replace(SETTINGS, clip=clip)
    clean, poisoned = (
        server(tmp_path / "clean", world(), settings),
        server(tmp_path / "bad", world(c3=BAD[kind]), settings),
    )
    for training in (clean, poisoned):
        for _ in range(12):
            training.play(range(1, 9))
    gains = [loss(START) - loss(training.state.adapter) for training in (clean, poisoned)]
    assert gains[1] >= 0.75 * gains[0]


def test_a_client_that_lies_about_its_clip_is_found_out(tmp_path, world) -> None:
    """Whole numbers of any size can be masked: the sum tells."""
    everybody = world()

    class Liar(Client):
        def _masked(self, round_, question):
            grid = json.loads(json.loads(self._memory["announced"])["grid"])
            vector = wire.unpack_vector(super()._masked(round_, question)["vector"])
            return {"vector": wire.pack_vector(vector + np.uint32(2**29 if grid else 0))}

    liar = client(3)
    liar.__class__ = Liar
    everybody.clients[3] = liar
    training = server(tmp_path, everybody, replace(SETTINGS, clip=1.0))
    outcome = training.play(range(1, 9))
    assert outcome.result.startswith("refused: the sum is longer")
    assert training.state.adapter.digest == START.digest


def test_harm_is_taken_back_and_not_published(tmp_path, world) -> None:
    away = {f"c{n}": lambda adapter, training: -towards(adapter, training) for n in range(1, 9)}
    training = server(tmp_path, world(**away))
    assert training.play(range(1, 9)).result == "taken back"
    assert training.state.adapter.digest == START.digest
    assert training.publish() is None


def test_a_killed_server_goes_on_and_has_spent_what_it_had_spent(tmp_path, world) -> None:
    everybody = world()
    settings = replace(SETTINGS, noise=6.0, limit=50.0)
    training = server(tmp_path, everybody, settings, judge=None)
    training.play(range(1, 9))
    # Killed between the masked vectors and the sum: the privacy is spent, the adapter has not moved.
    everybody.dies |= dict.fromkeys(range(1, 9), "unmask")
    training.play(range(1, 9))
    everybody.dies.clear()
    again = Server(tmp_path, State.load(tmp_path), everybody.exchange)
    assert again.state.ledger.rounds == 2
    assert again.state.number == 2
    assert again.state.adapter.digest == training.state.adapter.digest
    outcome = again.play(range(1, 9))
    assert (outcome.round, outcome.result) == (3, "kept")


def test_a_damaged_checkpoint_is_told(tmp_path, world) -> None:
    server(tmp_path, world())
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(BadFile, match="damaged"):
        State.load(tmp_path)


def test_messages_of_another_round_are_refused(tmp_path, world) -> None:
    everybody = world()
    training = server(tmp_path, everybody)
    training.play(range(1, 9))
    old = {phase: question for phase, member, question in everybody.seen if member == 3}
    training.play(range(1, 9))
    for phase in ("shares", "masked", "unmask"):
        with pytest.raises(Refused, match="another round"):
            everybody.clients[3].answer(phase, old[phase])
    with pytest.raises(Refused, match="over, or was announced before"):
        everybody.clients[3].answer("keys", old["keys"])


def test_an_altered_announcement_is_refused(tmp_path, world) -> None:
    everybody = world()
    training = server(tmp_path, everybody)
    training.play(range(1, 9))
    question = next(question for phase, member, question in everybody.seen if (phase, member) == ("keys", 3))
    for name, value in (
        ("adapter", START.moved(np.ones(START.parameters)).to_bytes()),
        ("grid", question["grid"].replace('"clip": 100.0', '"clip": 900.0')),
        ("training", '{"steps": 999}'),
    ):
        assert value != question[name]
        with pytest.raises(Refused, match="announced"):
            client(3).answer("keys", {**question, name: value})


@pytest.mark.parametrize(
    ("terms", "reason"),
    [(Terms(least=50, noise=False), "at least 50"), (Terms(), "adds no noise")],
)
def test_clients_insist_on_their_terms(tmp_path, world, terms, reason) -> None:
    everybody = world()
    everybody.clients[3] = client(3, terms=terms)
    outcome = server(tmp_path, everybody).play(range(1, 9))
    assert outcome.summed == 7
    assert any(reason in refusal for refusal in everybody.refusals)


def test_a_client_stops_at_its_own_limit(tmp_path, world) -> None:
    pytest.importorskip("dp_accounting")
    everybody = world()
    everybody.clients[3] = client(3, terms=Terms(limit=0.5))
    training = server(tmp_path, everybody, replace(SETTINGS, noise=1.0, limit=None), judge=None)
    outcome = training.play(range(1, 9))
    assert outcome.summed == 7
    assert "epsilon would be" in everybody.refusals[0]


def test_a_ledger_that_forgets_is_refused(tmp_path, world) -> None:
    everybody = world()
    training = server(tmp_path, everybody)
    training.play(range(1, 9))
    training.state.ledger.releases.clear()
    assert training.play(range(1, 9)).summed == 0
    assert any("been in 1 sums already" in refusal for refusal in everybody.refusals)


def test_a_member_with_another_lasting_key_than_before_is_refused(tmp_path, world) -> None:
    everybody = world()
    training = server(tmp_path, everybody)
    training.play(range(1, 9))
    everybody.clients[3] = client(3)
    training.state.roster.pop(3)
    outcome = training.play(range(1, 9))
    assert outcome.summed == 0
    assert any("another lasting key" in refusal for refusal in everybody.refusals)


def test_nothing_but_the_five_answers_leaves_a_client(tmp_path) -> None:
    """A client whose update is full of a mark sends no byte of it."""
    mark = np.frombuffer(b"PRIVATE!" * START.parameters, dtype=np.float64)
    heard: list[bytes] = []
    everybody = World({n: client(n, lambda adapter, training: mark) for n in range(1, 9)})

    def listening(phase, questions):
        answers = everybody.exchange(phase, questions)
        for answer in answers.values():
            assert set(answer) == wire.ANSWERS[phase]
            heard.extend(part for value in answer.values() for part in (value if isinstance(value, list) else [value]))
        return answers

    Server(tmp_path, State.fresh(SETTINGS, START), listening).play(range(1, 9))
    sent = b"".join(part for part in heard if isinstance(part, bytes))
    assert len(sent) > 8 * 4 * START.parameters
    assert b"PRIVATE!" not in sent


def test_published_versions_count_and_name_themselves(tmp_path, world) -> None:
    training = server(tmp_path, world())
    paths = []
    for _ in range(2):
        training.play(range(1, 9))
        paths.append(training.publish())
    latest = json.loads((tmp_path / "published" / "latest.json").read_text())
    adapters = [shared_adapter.load(path) for path in paths]
    assert [adapter.number for adapter in adapters] == [1, 2]
    assert latest["digest"] == adapters[1].digest
    assert adapters[1].origin["run"] == training.state.run
