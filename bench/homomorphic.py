"""The price of adding up under encryption: processor time and bytes of each part, beside the secure sum's.

python bench/homomorphic.py [--members 5] [--rounds 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from resay.federated import homomorphic, secure_sum
from resay.federated.quantise import Grid

PARAMETERS = (3_000, 13_056, 20_000)


def timed(work: Callable[[], object]) -> float:
    # The processor's seconds, not the clock's: other work on the machine shall not count.
    began = time.process_time()
    work()
    return time.process_time() - began


def encrypted(parameters: int, members: int, random: np.random.Generator) -> list[float]:
    """Seconds of key, one member, the server's sum, opening; bytes of key and message; largest error, in clips."""
    grid = Grid(0.1, 0.0, 3, 16, parameters)
    updates = [random.standard_normal(parameters) / parameters**0.5 for _ in range(members)]
    keeper = homomorphic.KeyKeeper()
    making = timed(homomorphic.KeyKeeper)
    key = keeper.public_key()
    side = homomorphic.Member(key, grid)
    messages = [side.encrypted(update) for update in updates]
    encrypting = timed(lambda: side.encrypted(updates[0]))
    server = homomorphic.Adder(key, parameters)
    adding = sum(timed(lambda message=message: server.take(message)) for message in messages)
    total = server.total()
    opening = timed(lambda: keeper.open_sum(total, parameters, 3))
    found = keeper.open_sum(total, parameters, 3)[0]
    error = np.abs(found - np.sum([grid.clipped(update) / grid.clip for update in updates], axis=0)).max()
    return [making, encrypting, adding, opening, len(key), len(messages[0]), float(error)]


def masked(parameters: int, members: int, random: np.random.Generator) -> float:
    """Seconds of a secure sum in one process, everybody's work together."""
    identities = {member: Ed25519PrivateKey.generate() for member in range(members)}
    round_ = secure_sum.Round("bench", 1, tuple(range(members)), parameters, members)
    vectors = {member: random.integers(-(2**20), 2**20, parameters) for member in range(members)}
    return timed(lambda: secure_sum.run(round_, vectors, identities))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    print(f"{options.members} members, medians of {options.rounds} rounds, processor time\n")
    print(
        "| parameters | new key | encrypt | add all | open | key | message up | plain (float32) | largest error | "
        "secure sum: vector up | secure sum: all parts |"
    )
    print("|-|-|-|-|-|-|-|-|-|-|-|")
    for parameters in PARAMETERS:
        rows = [encrypted(parameters, options.members, random) for _ in range(options.rounds)]
        *seconds, key, message, error = np.median(rows, axis=0)
        parts, plain = " | ".join(f"{value * 1000:.0f} ms" for value in seconds), f"{parameters * 4 / 1e3:.0f} kB"
        other = np.median([masked(parameters, options.members, random) for _ in range(options.rounds)])
        print(
            f"| {parameters:,} | {parts} | {key / 1e3:.0f} kB | {message / 1e3:.0f} kB | {plain} | {error:.0e} "
            f"| {plain} | {other * 1000:.0f} ms |"
        )


if __name__ == "__main__":
    main()
