"""Who computes when: a bounded house, and a strict queue for the processor in it.

A turn is one piece of speech, not one request, so that a book does not keep a greeting waiting.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from ..synthesis import Piece
from .problems import Busy


class Turns:
    """Hands out turns first come, first served. Shared by all threads."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._lock = threading.Lock()
        self._free = at_once
        self._at_once = at_once
        self._places = at_once + waiting
        self._queue: deque[threading.Event] = deque()
        self._patient: deque[threading.Event] = deque()
        self._mean_seconds = 1.0  # of a request, computing and waiting in the queue left out
        self.inside = 0
        """Requests in the house."""

    @property
    def places(self) -> int:
        """Requests that the house holds."""
        return self._places

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the house for one request. Raises Busy where there is none left."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def enter(self) -> None:
        with self._lock:
            if self.inside >= self._places:
                raise Busy(max(1, math.ceil(self.inside * self._mean_seconds / self._at_once)))
            self.inside += 1

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1

    def by_turns(
        self, pieces: Iterable[Piece], check: Callable[[], None] | None = None, patient: bool = False
    ) -> Iterator[Piece]:
        """The pieces, each made in a turn of its own. `check` may raise before one is begun."""
        source = iter(pieces)
        while True:
            with self.turn(patient):
                if check is not None:
                    check()
                piece = next(source, None)
            if piece is None:
                return
            yield piece

    @contextmanager
    def turn(self, patient: bool = False) -> Iterator[None]:
        """Wait for the processor, then have it. The patient are served when nobody else waits."""
        self._wait(self._patient if patient else self._queue)
        started = time.perf_counter()
        try:
            yield
        finally:
            self._hand_on(time.perf_counter() - started)

    def _wait(self, queue: deque[threading.Event]) -> None:
        with self._lock:
            if self._free and not self._queue:
                self._free -= 1
                return
            mine = threading.Event()
            queue.append(mine)
        mine.wait()

    def _hand_on(self, seconds: float) -> None:
        with self._lock:
            self._mean_seconds += 0.1 * (seconds - self._mean_seconds)
            # Straight to the next in line: a freed turn that anybody could take would let the quickest jump the queue.
            if self._queue or self._patient:
                (self._queue or self._patient).popleft().set()
            else:
                self._free += 1
