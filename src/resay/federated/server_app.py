"""The Flower ServerApp: plays the rounds of a training folder over the grid, and goes on where it was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from .grid import FlowerExchange
from .ledger import Spent
from .rounds import Server, State

if TYPE_CHECKING:
    from .rounds import Judge

app = ServerApp()
PATIENCE = 600.0
"""Seconds to wait for the first clients, and for new ones when too few are left."""


@app.main()
def main(grid: Grid, context: Context) -> None:
    """`folder`, `rounds`, `deadline`, `canary` and `models` come from the run's configuration."""
    config = context.run_config
    folder = Path(str(config["folder"]))
    exchange = FlowerExchange(grid, float(config["deadline"]))
    state = State.load(folder)
    server = Server(folder, state, exchange, _judge(str(config["canary"]), str(config["models"])))
    while len(state.history) < int(config["rounds"]):
        available = exchange.wait(state.settings.least, PATIENCE)
        try:
            outcome = server.play(available)
        except Spent as error:
            print(error, flush=True)
            break
        print(f"round {outcome.round}: {outcome}", flush=True)
    published = server.publish()
    print(f"published {published}" if published else "not published: no better than the last version", flush=True)


def _judge(features: str, models: str) -> Judge | None:
    """The loss on the server's own recordings, where it has any."""
    if not features:
        return None
    from . import local
    from .features import from_bytes

    frozen, examples = local.Frozen(Path(models)), from_bytes(Path(features).read_bytes())
    return lambda adapter: local.measure(frozen, adapter, examples)["total"]
