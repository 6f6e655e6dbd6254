"""What keeps a server's memory from growing with the number of its threads."""

from __future__ import annotations

import ctypes
import sys

M_ARENA_MAX = -8  # of mallopt(3)
ARENAS = 2


def bound() -> None:
    """Let all threads share a few heaps. Call before there are threads; does nothing where the C library is not GNU's.

    GNU's malloc gives every new thread a heap of its own, up to eight a core, and keeps in each what the largest
    sentence ever needed there: a server with many threads then holds that many times over what it can use at once.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and needs none
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)
