"""What keeps a server's memory from growing with the number of its threads, and what gives it back."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

from ..synthesis import Engine
from ..voices import Voice

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of mallopt(3)
ARENAS = 2
LARGE = 2**18
"""Bytes from which a block is one of its own, which goes back to the system as soon as it is free: where four times as
much lay in the heaps they grew for many minutes; at half of it the pages made anew cost a third of the time."""
SPARE = 2**24
"""Bytes that a heap keeps at its end: to get every page anew costs a tenth of the time."""


def bound() -> None:
    """Let all threads share a few heaps. Call before there are threads; does nothing where the C library is not GNU's.

    GNU's malloc gives every new thread a heap of its own, up to eight a core, and keeps in each what the largest
    sentence ever needed there: a server with many threads then holds that many times over what it can use at once.
    It also puts larger and larger blocks into the heaps, where small ones that live longer keep their pages.
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
