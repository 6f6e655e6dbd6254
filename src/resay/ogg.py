"""Ogg files that are equal for equal sounds.

Encoders give every Ogg stream a serial number of their own, drawn from the clock. It matters only where several streams
share one file, which they never do here, and it would make every Opus file another one. Pages after RFC 3533.
"""

from __future__ import annotations

import struct
from functools import lru_cache

SERIAL = b"rsay"
_HEAD = struct.Struct("<4sBBqIIIB")  # capture pattern, version, kind, position, serial, number, checksum, segments
_SERIAL, _CHECKSUM = slice(14, 18), slice(22, 26)


def steady(pages: bytes) -> bytes:
    """Whole pages with our serial number instead of the encoder's. What is no page is left as it is."""
    result, at = bytearray(pages), 0
    while at + _HEAD.size <= len(result) and result[at : at + 4] == b"OggS":
        segments = result[at + 26]
        table = at + _HEAD.size
        end = table + segments + sum(result[table : table + segments])
        if end > len(result):
            break
        page = result[at:end]
        page[_SERIAL] = SERIAL
        page[_CHECKSUM] = bytes(4)
        page[_CHECKSUM] = struct.pack("<I", _checksum(page))
        result[at:end] = page
        at = end
    return bytes(result)


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    """Remainders of every byte by the polynomial 0x04c11db7, highest bit first."""
    remainders = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        remainders.append(value & 0xFFFFFFFF)
    return tuple(remainders)


def _checksum(page: bytes | bytearray) -> int:
    table, value = _table(), 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ table[value >> 24 ^ byte]
    return value
