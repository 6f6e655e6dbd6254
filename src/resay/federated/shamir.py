"""Shamir's secret sharing (1979): any `threshold` shares give a secret back, fewer say nothing about it.

Written here because the kept libraries share 16 bytes a call and take minutes for hundreds of clients.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache

PRIME = 2**521 - 1
"""A Mersenne prime: room for a secret of 64 bytes in one field element."""
SHARE_BYTES = 66


def split(secret: bytes, holders: Sequence[int], threshold: int) -> dict[int, bytes]:
    """One share for each holder (numbers from 1, all different). Raises ValueError where that cannot be done."""
    if not 1 <= threshold <= len(holders) or len(set(holders)) != len(holders) or min(holders) < 1:
        raise ValueError(f"{threshold} of {len(holders)} shares cannot be made")
    terms = [int.from_bytes(secret), *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]
    shares = {}
    for holder in holders:
        value = 0
        for term in reversed(terms):
            value = (value * holder + term) % PRIME
        shares[holder] = value.to_bytes(SHARE_BYTES)
    return shares


@lru_cache(maxsize=4096)
def _weights(holders: tuple[int, ...]) -> tuple[int, ...]:
    """What each holder's share counts for in the value at 0 (Lagrange)."""
    weights = []
    for holder in holders:
        above = below = 1
        for other in holders:
            if other != holder:
                above = above * other % PRIME
                below = below * (other - holder) % PRIME
        weights.append(above * pow(below, -1, PRIME) % PRIME)
    return tuple(weights)


def join(shares: Mapping[int, bytes], threshold: int, length: int) -> bytes:
    """The secret of `length` bytes. Raises ValueError with too few shares, or where they do not belong together."""
    if len(shares) < threshold:
        raise ValueError(f"{len(shares)} shares are fewer than {threshold}")
    holders = tuple(sorted(shares)[:threshold])
    values = (int.from_bytes(shares[holder]) for holder in holders)
    value = sum(weight * share for weight, share in zip(_weights(holders), values, strict=True)) % PRIME
    try:
        return value.to_bytes(length)
    except OverflowError:
        raise ValueError("the shares do not belong to one secret") from None
