"""A Flower ServerApp that cheats its clients, for `federated_deployment.py`: it is packed and run on a real SuperLink.

It plays an honest round, then one round for each forgery below, in which the question to one client is forged. Where
`noise` is 0 it plays the honest round alone: its sum can be computed again by whoever has all clients' features.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from resay import shared_adapter
from resay.federated import forgery
from resay.federated.grid import FlowerExchange
from resay.federated.rounds import Server, Settings, State

FORGERIES = (
    "an announcement of an earlier round",
    "a round without noise",
    "another adapter than announced",
    "a ledger that forgets what was spent",
    "a question of another round",
    "keys that the neighbour has not signed",
    "a share with one bit changed",
    "the masked vector a second time",
    "a member both alive and dead",
)
"""One or more for each phase."""
PATIENCE = 600.0  # seconds until all clients have connected
app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """`folder`, `adapter`, `deadline` and `noise` come from the run's configuration."""
    config = context.run_config
    folder, noise = Path(str(config["folder"])), float(config["noise"])
    exchange = FlowerExchange(grid, float(config["deadline"]))
    members = exchange.wait(3, PATIENCE)
    adapter = replace(shared_adapter.load(str(config["adapter"])), number=0, origin=None)
    settings = Settings(3, least=3, noise=noise, limit=None, momentum=0.0, training={"steps": 10})
    forger = forgery.Forger(exchange, members[0], adapter)
    server = Server(folder, State.fresh(settings, adapter), forger)
    found = {"an honest round": server.play(members).result == "kept"}
    for name in FORGERIES if noise else ():
        found[name] = forgery.tried(name, server, forger, exchange.wait(3, PATIENCE))
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
    print(json.dumps(found), flush=True)
