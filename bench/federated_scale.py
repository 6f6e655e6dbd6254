"""What a secure sum costs: bytes and processor seconds of a client and of the server, by the number of clients.

    python bench/federated_scale.py [--clients 10 100 1000 10000] [--parameters 3840] [--degree 40] [--dropped 0.05]

All clients and the server run one after the other in this process; seconds are processor time, so that other work on
the machine does not count. A twentieth of the clients drops out after the shares, which is what costs the server most.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from resay.federated import wire
from resay.federated.secure_sum import Collector, Member, Round

Value = TypeVar("Value")


@dataclass
class Costs:
    """Sums over all clients, and of the server."""

    seconds: dict[str, float] = field(default_factory=lambda: {"client": 0.0, "server": 0.0})
    up: int = 0
    down: int = 0

    def timed(self, whose: str, work: Callable[[], Value]) -> Value:
        began = time.process_time()
        result = work()
        self.seconds[whose] += time.process_time() - began
        return result


def measured(count: int, parameters: int, degree: int, dropped: float) -> Costs:
    """One round of `count` clients. Raises Refused where it does not end in the sum."""
    costs = Costs()
    names = tuple(range(1, count + 1))
    round_ = Round("scale", 1, names, parameters, max(3, int(count * (1 - dropped) * 0.9)), degree)
    identities = {name: Ed25519PrivateKey.generate() for name in names}
    roster = {name: key.public_key().public_bytes_raw() for name, key in identities.items()}
    collector = Collector(round_, roster)
    members: dict[int, Member] = {}
    announcement = len(round_.to_json())
    # A client computes the ring for itself, in its own process; here it is computed once for all.
    began = time.process_time()
    round_.neighbours(1)
    costs.seconds["client"] += (time.process_time() - began) * count
    for name in names:
        members[name] = Member(round_, name, identities[name])
        keys = costs.timed("client", members[name].keys)
        costs.timed("server", lambda name=name, keys=keys: collector.take_keys(name, keys))
        costs.down, costs.up = costs.down + announcement, costs.up + wire.size([vars(keys)])
    for name in names:
        keys = collector.keys_for(name)
        sealed = costs.timed("client", lambda name=name, keys=keys: members[name].shares(keys, roster))
        collector.take_shares(name, sealed)
        costs.down += wire.size([wire.pack_keys(keys, roster)])
        costs.up += wire.size([wire.pack_pieces("sealed", sealed)])
    vector = np.arange(parameters, dtype=np.int64)
    staying = names[: count - int(count * dropped)]
    for name in staying:
        sealed = collector.shares_for(name)
        masked = costs.timed("client", lambda name=name, sealed=sealed: members[name].masked(vector, sealed))
        collector.take_masked(name, masked)
        costs.down += wire.size([wire.pack_pieces("sealed", sealed)])
        costs.up += len(wire.pack_vector(masked))
    alive, dead = collector.alive, collector.dead
    answers = {}
    for name in staying:
        answers[name] = costs.timed("client", lambda name=name: members[name].unmask(alive, dead))
        costs.down += 8 * count
        costs.up += wire.size([wire.pack_pieces("shares", answers[name])])
    total = costs.timed("server", lambda: collector.total(answers))
    if (total != vector * len(staying)).any():
        raise SystemExit(f"{count} clients: the sum is wrong")
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    parser.add_argument("--parameters", type=int, default=3840)
    parser.add_argument("--degree", type=int, default=40)
    parser.add_argument("--dropped", type=float, default=0.05)
    options = parser.parse_args()
    print("| clients | sent by one, kB | received by one, kB | client, s | received by the server, MB | server, s |")
    print("|-|-|-|-|-|-|", flush=True)
    for count in options.clients:
        costs = measured(count, options.parameters, options.degree, options.dropped)
        up, down, client = costs.up / count / 1e3, costs.down / count / 1e3, costs.seconds["client"] / count
        server = costs.seconds["server"]
        print(f"| {count:,} | {up:.1f} | {down:.1f} | {client:.3f} | {costs.up / 1e6:.1f} | {server:.2f} |", flush=True)


if __name__ == "__main__":
    main()
