"""What keeps a server's memory from growing with the number of its threads, and what gives it back."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

from ..synthesis import Engine
from ..voices import Voice

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of mallopt(3)
ARENAS = 1
"""Heaps: two of them grow more under load, and are no quicker."""
LARGE = 2**17
"""Bytes from which a block is one of its own, which goes back to the system as soon as it is free: where larger ones
lay in the heap it grew for many minutes."""
SPARE = 2**21
"""Bytes that a heap keeps at its end: blocks of one page after the other shall not come and go."""


def bound() -> None:
    """Let all threads share one heap. Call before there are threads; does nothing where the C library is not GNU's.

    GNU's malloc gives every new thread a heap of its own, up to eight a core, and keeps in each what the largest
    sentence ever needed there: a server with many threads then holds that many times over what it can use at once.
    It also puts larger and larger blocks into heaps, where small ones that live longer keep their pages. What networks
    need inside they keep by themselves (see `OnnxGraph`), and take it once.
    """
    for setting, value in ((M_ARENA_MAX, ARENAS), (M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, SPARE)):
        _of_gnu("mallopt", setting, value)


def free(engine: Engine, voice: Voice) -> None:
    """Give back all memory that is kept for speed only; `voice` says a word for it. What is said stays the same."""
    engine.relieve(voice)
    gc.collect()
    _of_gnu("malloc_trim", 0)


def _of_gnu(name: str, *arguments: Any) -> None:
    """Call a function that only GNU's C library has: musl's malloc needs neither of ours."""
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
    if function is not None:
        function(*arguments)
