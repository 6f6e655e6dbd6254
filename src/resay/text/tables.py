"""The compressed tables that the package ships: pronouncing dictionaries and the traditional characters.

Each is two columns, keys and values, one entry a line, sorted by key. They stay two strings of bytes in memory, where
dictionaries of 250,000 entries would take 40 MB, and are searched by halves: about 5 µs for a word.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "data"
NEWLINE = ord("\n")


class Column:
    """Lines of UTF-8 by number."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == NEWLINE)
        # Line n lies between starts[n] and the newline before starts[n + 1]; plain integers are quicker to reach here.
        self._starts = array("I", np.concatenate([[0], ends + 1, [len(content) + 1]]).astype(np.uint32).tobytes())

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, line: int) -> bytes:
        return self._content[self._starts[line] : self._starts[line + 1] - 1]


class Table(Mapping[str, str]):
    """Keys to values, both text. The keys must come sorted."""

    def __init__(self, keys: bytes, values: bytes) -> None:
        self._keys, self._values = Column(keys), Column(values)
        if len(self._keys) != len(self._values):
            raise ValueError("a table's two columns must be equally long")

    def __getitem__(self, key: str) -> str:
        line = self._line(key)
        if line is None:
            raise KeyError(key)
        return self._values[line].decode()

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._line(key) is not None

    def _line(self, key: str) -> int | None:
        # UTF-8 keeps the order of code points, so that bytes can be compared without decoding them.
        wanted = key.encode("utf-8", "surrogatepass")
        low, high = 0, len(self._keys)
        while low < high:
            middle = (low + high) // 2
            if self._keys[middle] < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self._keys) and self._keys[low] == wanted else None

    def __iter__(self) -> Iterator[str]:
        return (self._keys[line].decode() for line in range(len(self._keys)))

    def __len__(self) -> int:
        return len(self._keys)


def read(name: str) -> Table:
    """The table `data/NAME.tbl`."""
    packed = (FOLDER / (name + ".tbl")).read_bytes()
    keys, values = zlib.decompress(packed).split(b"\0")
    return Table(keys, values)


def pack(table: Mapping[str, str]) -> bytes:
    """What `read` reads; sorted by key, so that equal tables give equal bytes."""
    ordered = sorted(table.items())
    text = "\n".join(key for key, _ in ordered) + "\0" + "\n".join(value for _, value in ordered)
    return zlib.compress(text.encode(), 9)
