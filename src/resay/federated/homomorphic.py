"""For a few organisations: updates are added up under encryption, and nobody who sees them one by one has the key.

CKKS (Cheon et al. 2017) by TenSEAL. Three parts: members encrypt with the public key; the server adds ciphertexts,
which it cannot read; a key keeper, who is neither, decrypts the sum and only the sum. There is no protection from the
server and the keeper together: they can open every single update. Members need not trust each other.

Letters in shapes: D parameters, N members.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import tenseal

from ..errors import BadFile, BadOption
from .quantise import Grid

RING = 8192
"""Degree of the polynomials: half as many numbers lie in one ciphertext."""
MODULI = (40, 40)
"""Bits. One level is enough for sums; 80 bits in all at this ring are far above 128 bits of security (218 would do)."""
SCALE = 2.0**30
SLOTS = RING // 2
HEAD = b"resay ckks 1\\0"
LARGEST = 2**28
"""Bytes of a message that are read at all."""
SMALLEST_COHORT = 3


class KeyKeeper:
    """Holds the secret key. It is to be run by somebody who is not the server, and to be sent sums only."""

    def __init__(self) -> None:
        self._context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, RING, coeff_mod_bit_sizes=list(MODULI))
        self._context.global_scale = SCALE

    def public_key(self) -> bytes:
        """For members and server: it encrypts and adds, and opens nothing."""
        return bytes(
            self._context.serialize(
                save_public_key=True, save_secret_key=False, save_galois_keys=False, save_relin_keys=False
            )
        )

    def open_sum(self, total: bytes, parameters: int, least: int) -> tuple[np.ndarray, int]:
        """Sum of the members' updates, float64 (D,), and how many there are. Raises BadOption for fewer than `least`.

        Every member adds one to a last number, so that an honest server cannot have a single update opened by mistake.
        """
        if least < SMALLEST_COHORT:
            raise BadOption(f"a sum of {least} hides nobody; ask for {SMALLEST_COHORT} or more")
        values = np.concatenate([np.array(part.decrypt()) for part in _vectors(self._context, total, parameters + 1)])
        count = float(values[parameters])
        if not np.isfinite(values).all() or abs(count - round(count)) > 0.01:
            raise BadFile("this is no sum of this round: it does not decrypt to anything sensible")
        if round(count) < least:
            raise BadOption(f"a sum of {round(count)} members; it is opened for {least} or more")
        return values[:parameters], round(count)


class Member:
    """One organisation: clips, noises and encrypts its update."""

    def __init__(self, public_key: bytes, grid: Grid) -> None:
        self._context, self._grid = _context(public_key), grid

    def encrypted(self, update: np.ndarray) -> bytes:
        """The message to the server, of an update (D,). Raises UselessUpdate where it is not finite.

        The update goes through the same clipping and noise as in the secure sum; in units of the clipping norm its
        numbers fit the scheme's precision of about 1e-6.
        """
        shared = self._grid.mean(self._grid.share(update), 1) / self._grid.clip
        content = np.append(shared, 1.0)
        parts = [content[start : start + SLOTS] for start in range(0, len(content), SLOTS)]
        return _packed([tenseal.ckks_vector(self._context, part.tolist()) for part in parts])


class Adder:
    """The server: adds messages without opening them."""

    def __init__(self, public_key: bytes, parameters: int) -> None:
        self._context, self._parameters = _context(public_key), parameters
        self._total: list[tenseal.CKKSVector] = []

    def take(self, message: bytes) -> None:
        """Add one member's message. Raises BadFile for what is none, or of another length."""
        parts = _vectors(self._context, message, self._parameters + 1)
        self._total = parts if not self._total else [one + other for one, other in zip(self._total, parts, strict=True)]

    def total(self) -> bytes:
        """For the key keeper. Raises BadOption where nothing was taken."""
        if not self._total:
            raise BadOption("nobody has sent an update")
        return _packed(self._total)


def add_up(updates: Sequence[np.ndarray], grid: Grid) -> np.ndarray:
    """The whole protocol in one process: mean of updates, float64 (D,), as `Grid.mean` gives it of a secure sum."""
    keeper = KeyKeeper()
    key = keeper.public_key()
    server = Adder(key, grid.parameters)
    for update in updates:
        server.take(Member(key, grid).encrypted(update))
    total, count = keeper.open_sum(server.total(), grid.parameters, grid.least)
    return total * (grid.clip / count)


def _context(public_key: bytes) -> tenseal.Context:
    """Raises BadFile for bytes that are no public key, or hold a secret one."""
    try:
        context = tenseal.context_from(public_key)
    except Exception as error:  # the library raises whatever its C++ side does
        raise BadFile("this is no public key of a homomorphic round") from error
    if context.is_private():
        raise BadFile("this key holds the secret half; only the key keeper may have it")
    return context


def _packed(parts: Sequence[tenseal.CKKSVector]) -> bytes:
    contents = [bytes(part.serialize()) for part in parts]
    lengths = struct.pack(f"<{len(contents) + 1}I", len(contents), *map(len, contents))
    return HEAD + lengths + b"".join(contents)


def _vectors(context: tenseal.Context, message: bytes, numbers: int) -> list[tenseal.CKKSVector]:
    """The ciphertexts of a message that holds so many numbers. Raises BadFile."""
    expected = -(-numbers // SLOTS)
    try:
        if not message.startswith(HEAD) or len(message) > LARGEST:
            raise ValueError("not a message of this scheme")
        (count,) = struct.unpack_from("<I", message, len(HEAD))
        lengths = struct.unpack_from(f"<{expected}I", message, len(HEAD) + 4)
        if count != expected or len(message) != len(HEAD) + 4 * (count + 1) + sum(lengths):
            raise ValueError("of another length")
        parts, at = [], len(HEAD) + 4 * (count + 1)
        for length in lengths:
            parts.append(tenseal.ckks_vector_from(context, message[at : at + length]))
            at += length
        if sum(part.size() for part in parts) != numbers:
            raise ValueError("of another length")
    except Exception as error:  # as above
        raise BadFile(f"this is no encrypted update of this round ({error})") from error
    return parts
