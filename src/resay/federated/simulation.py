"""Thousands of clients on one machine, on Flower's simulation engine: does a shared adapter help people it never heard?

Every client does what a real one does (its own steps, clipping, its share of the noise, whole numbers), but sends its
share openly: the secure sum changes no bit of the total, and its price is measured apart.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from .. import shared_adapter
from ..errors import BadRequest
from . import local, wire
from .client_app import RECORD
from .ledger import NO_PRIVACY, Spent
from .population import Population
from .quantise import Grid as WholeNumbers
from .rounds import Server, Settings, State, Summed
from .secure_sum import Refused

WARMTH = 60.0  # seconds that a new process may need before its first answer


@dataclass(frozen=True)
class Plan:
    """One simulated training."""

    population: Path
    models: Path
    rounds: int
    settings: Settings
    flipped: float = 0.0
    """Share of the clients that send five times their update, the wrong way round."""


class OpenServer(Server):
    """A server that adds up shares which clients send openly."""

    def _summed(self, invited: list[int]) -> Summed:
        state = self.state
        grid = state.settings.grid(state.adapter.parameters)
        table = {"adapter": state.adapter.to_bytes(), "grid": json.dumps(asdict(grid))}
        answers = self._exchange("share", dict.fromkeys(invited, table))
        if len(answers) < state.settings.least:
            raise Refused(f"only {len(answers)} of {state.settings.least} members have sent their vector")
        self._spend()
        vectors = (wire.unpack_vector(answer["vector"]) for answer in answers.values())
        total = sum(vectors, start=np.zeros(grid.parameters, np.uint32)).astype(np.int32).astype(np.int64)
        return Summed(total, len(answers), wire.size(answers.values()))

    def _enrolled(self, invited: list[int]) -> list[int]:
        return invited


_loaded: dict[Path, local.Frozen] = {}
"""The frozen model of this process: Flower's engine gives one process thousands of clients in turn."""


def share(plan: Plan, number: int, question: Mapping[str, Any]) -> wire.Table:
    """What one client of the population sends."""
    if plan.models not in _loaded:
        _loaded[plan.models] = local.Frozen(plan.models)
    adapter = shared_adapter.parse(question["adapter"])
    examples = Population(plan.population).client(number)
    update = local.update(_loaded[plan.models], adapter, examples, local.Training(**plan.settings.training))
    if plan.flipped and number % round(1 / plan.flipped) == 0:
        update = -5.0 * update
    vector = WholeNumbers(**json.loads(question["grid"])).share(update).astype(np.uint32)
    return {"vector": wire.pack_vector(vector)}


def client_app(plan: Plan) -> ClientApp:
    """Every client of the population in one app; which one it is, the engine says."""
    app = ClientApp()

    @app.query("share")
    def answer(message: Message, context: Context) -> Message:
        found = share(plan, int(context.node_config["partition-id"]), message.content[RECORD])
        return Message(RecordDict({RECORD: ConfigRecord(found)}), reply_to=message)

    return app


def simulate(plan: Plan, folder: Path, engine: str = "flower") -> dict[str, Any]:
    """Play a whole training; returns its figures. The folder then holds the server's state.

    `engine` is `flower` (Flower's simulation engine on Ray) or `local` (one client after the other in this process: the
    same numbers, without what two hundred processes a round cost on a small machine).
    """
    frozen = local.Frozen(plan.models)
    own, others = Population(plan.population).held_out()
    canary = [clip for person in own for clip in person]
    start = shared_adapter.fresh(frozen.base, frozen.net.shape.width)
    seconds: list[float] = []

    def play(exchange: wire.Exchange, available: Callable[[], list[int]]) -> None:
        judge = lambda adapter: local.measure(frozen, adapter, canary)["total"]  # noqa: E731
        server = OpenServer(folder, State.fresh(plan.settings, start), exchange, judge)
        for _ in range(plan.rounds):
            began = time.monotonic()
            try:
                server.play(available())
            except Spent:
                break
            seconds.append(time.monotonic() - began)
        server.publish()

    if engine == "flower":
        _on_flower(plan, play)
    else:
        everybody = list(range(len(Population(plan.population))))
        play(lambda phase, questions: {n: share(plan, n, q) for n, q in questions.items()}, lambda: everybody)
    state = State.load(folder)
    return _figures(plan, state, frozen, others) | {"seconds_per_round": round(float(np.mean(seconds)), 2)}


def _on_flower(plan: Plan, play: Callable[[wire.Exchange, Callable[[], list[int]]], None]) -> None:
    os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ |= {"OMP_NUM_THREADS": "1"}
    from flwr.simulation import run_simulation

    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        from .grid import FlowerExchange

        exchange = FlowerExchange(grid, WARMTH + plan.settings.largest)
        play(exchange, exchange.available)

    cores = os.cpu_count() or 1
    resources = {"client_resources": {"num_cpus": 1.0}, "init_args": {"num_cpus": cores, "include_dashboard": False}}
    try:
        run_simulation(app, client_app(plan), len(Population(plan.population)), "ray", resources)
    except RuntimeError as error:  # all that Flower says when its engine has failed, whatever the cause
        raise BadRequest("Flower's engine failed, see above; --engine local does without it") from error


def _figures(plan: Plan, state: State, frozen: local.Frozen, others: list[list[local.Example]]) -> dict[str, Any]:
    start = shared_adapter.fresh(frozen.base, frozen.net.shape.width)
    clips = [clip for person in others for clip in person]
    before, after = (
        local.measure(frozen, adapter, clips) | local.fit(frozen, adapter, clips) for adapter in (start, state.adapter)
    )
    gains = [
        local.measure(frozen, start, person)["total"] - local.measure(frozen, state.adapter, person)["total"]
        for person in others
    ]
    spent = {method: state.ledger.spent(method) for method in ("rdp", "pld")}
    return {
        "clients": len(Population(plan.population)),
        "held_out_speakers": len(others),
        "noise": plan.settings.noise,
        "rounds": len(state.history),
        "delta": state.ledger.delta,
        "epsilon": {name: None if value == NO_PRIVACY else round(value, 3) for name, value in spent.items()},
        "before": before,
        "after": after,
        "gain": before["total"] - after["total"],
        "gains": gains,
        "history": [asdict(outcome) for outcome in state.history],
    }


def pictures(figures: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Loss of the server's own speakers and ε over the rounds, and the gain of each speaker who was no client."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (losses, spent, gains) = pyplot.subplots(1, 3, figsize=(14, 4))
    for name, found in figures.items():
        rounds = [entry["round"] for entry in found["history"]]
        losses.plot(rounds, [entry["loss"] for entry in found["history"]], label=name)
        if found["noise"]:
            spent.plot(rounds, [entry["epsilon"] for entry in found["history"]], label=name)
        gains.hist(found["gains"], bins=30, histtype="step", label=name)
    losses.set(xlabel="round", ylabel="nats a phoneme", title="loss of the server's own speakers")
    spent.set(xlabel="round", ylabel="ε", title="privacy spent")
    gains.set(xlabel="nats a phoneme", ylabel="speakers", title="gain of speakers who were no clients")
    for axis in (losses, gains):
        axis.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
