"""The compressed tables that the package ships: pronouncing dictionaries and the traditional characters.

Each is two columns, keys and values, kept apart so that reading one is two splits and a zip: about 30 ms.
"""

from __future__ import annotations

import zlib
from pathlib import Path

FOLDER = Path(__file__).parent / "data"


def read(name: str) -> dict[str, str]:
    """The table `data/NAME.tbl`, keys to values, both as text."""
    packed = (FOLDER / (name + ".tbl")).read_bytes()
    keys, values = zlib.decompress(packed).decode().split("\0")
    return dict(zip(keys.split("\n"), values.split("\n"), strict=True))


def pack(table: dict[str, str]) -> bytes:
    """What `read` reads; sorted by key, so that equal tables give equal bytes."""
    ordered = sorted(table.items())
    text = "\n".join(key for key, _ in ordered) + "\0" + "\n".join(value for _, value in ordered)
    return zlib.compress(text.encode(), 9)
