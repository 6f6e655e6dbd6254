"""What travels between a client and the server in a round: five questions, and nothing else that could leave a client.

A message is a flat table of numbers, texts and bytes, which a Flower ConfigRecord carries as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .secure_sum import Keys, Refused, Round

Table = dict[str, Any]
Exchange = Callable[[str, Mapping[int, Table]], Mapping[int, Table]]
"""Sends a question of one phase to members and gives back the answers that came before its deadline."""
PHASES = ("enrol", "keys", "shares", "masked", "unmask")
ANSWERS = {
    "enrol": {"identity"},
    "keys": {"sealing", "masking", "signature"},
    "shares": {"members", "sealed"},
    "masked": {"vector"},
    "unmask": {"members", "shares"},
}
"""All that an answer may hold: nothing else leaves a client."""


def checked(phase: str, answer: Table) -> Table:
    """The answer itself. Raises Refused where it holds anything but what its phase asks for."""
    if set(answer) != ANSWERS[phase]:
        raise Refused(f"an answer to {phase} that holds {', '.join(sorted(answer)) or 'nothing'}")
    return answer


def bound(round_: Round, table: Table) -> Table:
    """A question that belongs to one round."""
    return {"round_id": round_.id, **table}


def check_bound(round_: Round, table: Mapping[str, Any]) -> None:
    """Raises Refused for a question of another round."""
    if table.get("round_id") != round_.id:
        raise Refused("this message belongs to another round")


def pack_keys(keys: Mapping[int, Keys], roster: Mapping[int, bytes]) -> Table:
    members = sorted(keys)
    return {
        "members": members,
        "sealing": [keys[member].sealing for member in members],
        "masking": [keys[member].masking for member in members],
        "signature": [keys[member].signature for member in members],
        "identity": [roster[member] for member in members],
    }


def unpack_keys(table: Mapping[str, Any]) -> tuple[dict[int, Keys], dict[int, bytes]]:
    """Keys for the round, and the lasting public keys the server knows these members by."""
    columns = (table["sealing"], table["masking"], table["signature"], table["identity"])
    keys, roster = {}, {}
    for member, sealing, masking, signature, identity in zip(table["members"], *columns, strict=True):
        keys[member], roster[member] = Keys(sealing, masking, signature), identity
    return keys, roster


def pack_pieces(name: str, pieces: Mapping[int, bytes]) -> Table:
    members = sorted(pieces)
    return {"members": members, name: [pieces[member] for member in members]}


def unpack_pieces(name: str, table: Mapping[str, Any]) -> dict[int, bytes]:
    return dict(zip(table["members"], table[name], strict=True))


def pack_vector(vector: np.ndarray) -> bytes:
    """uint32 (D,), 4 bytes a parameter."""
    return vector.astype("<u4").tobytes()


def unpack_vector(content: bytes) -> np.ndarray:
    """Raises Refused where the length is no vector's."""
    if len(content) % 4:
        raise Refused("a vector with a broken number at its end")
    return np.frombuffer(content, dtype="<u4").astype(np.uint32)


def size(tables: Iterable[Table]) -> int:
    """Bytes of content, without the transport's own."""
    return sum(_bytes(value) for table in tables for value in table.values())


def _bytes(value: Any) -> int:
    if isinstance(value, list):
        return sum(_bytes(entry) for entry in value)
    return len(value) if isinstance(value, bytes | str) else 8
