"""Several processes that share one machine's memory of the weights, behind the face of one engine.

The weights are loaded once; then a nursery is forked, which forks the workers, so that all of them read the same pages
(copy on write). The server itself stays one process: one queue, one door, one set of figures. It holds threads, and a
process with threads should not be forked; the nursery has none, so it can bear a worker at any time.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from .. import pitch
from ..audio import FORMAT, Audio
from ..errors import BadOption, ResayError
from ..reference import Profile, Report
from ..synthesis import Engine, Piece, Request, Speech
from ..voices import Voice
from . import memory

LOG = logging.getLogger(__name__)


class Died(ResayError):
    """A worker process ended in the middle of something."""


class Workers(Engine):
    """Engines in processes of their own, used as one. A worker that dies is replaced, and what it was saying said."""

    def __init__(self, engine: Engine, count: int) -> None:
        """Fork now: no thread may use the engine yet. Raises BadOption where the system cannot fork."""
        if not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
            raise BadOption("--workers needs a system that can fork; leave it out")
        self.shape, self.digests, self.reference = engine.shape, engine.digests, engine.reference
        pitch.track(Audio(np.zeros(FORMAT.sample_rate, np.float32)))  # loads its network, to be shared as well
        gc.collect()
        gc.freeze()  # the collector writes into what it looks at, and written pages are shared no longer
        nursery = _found(engine)
        self._lines = [_Line(nursery) for _ in range(count)]

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        return [line.pid for line in self._lines]

    def listen(self, sound: Audio, words: str | None = None, language: str = "auto") -> tuple[Profile, Report]:
        """As the engine's."""
        return self._least_busy().ask("listen", sound, words, language)

    def stream(self, request: Request, voice: Voice, **options: Any) -> Iterator[Piece]:
        """As the engine's, with its options: what it refuses, it refuses now."""
        talk = _Talk(self._least_busy(), request, voice, options)

        def pieces() -> Iterator[Piece]:
            for given in itertools.count():
                piece = talk.next(given)
                if piece is None:
                    return
                yield piece

        return pieces()

    def say(self, request: Request, voice: Voice, **options: Any) -> Speech:
        """As the engine's."""
        pieces = tuple(self.stream(request, voice, **options))
        return Speech(Audio.join(piece.audio for piece in pieces), pieces)

    def relieve(self, voice: Voice) -> None:
        """As the engine's, in every worker."""
        for line in self._lines:
            line.ask("relieve", voice)

    def _least_busy(self) -> _Line:
        return min(self._lines, key=lambda line: len(line.talks))


class _Talk:
    """A stream in a worker."""

    _numbers = itertools.count()

    def __init__(self, line: _Line, request: Request, voice: Voice, options: dict[str, Any]) -> None:
        self._line, self._what = line, (request, voice, options)
        self._number = next(self._numbers)
        line.talks.add(self._number)
        try:
            self._begin(0)
        except Died:
            self._begin(0)

    def next(self, given: int) -> Piece | None:
        """The piece after so many, None behind the last."""
        try:
            return self._line.ask("next", self._number)
        except Died:
            # The same request says the same again: what was heard already is passed over.
            LOG.warning("a worker process died; another goes on behind piece %d", given)
            self._begin(given)
            return self._line.ask("next", self._number)

    def _begin(self, given: int) -> None:
        self._line.ask("stream", self._number, *self._what, given)

    def __del__(self) -> None:
        # Whoever drops a stream, begun or not, need not say so. Only noted here: the collector may call this anywhere,
        # even where the line is in use.
        self._line.talks.discard(self._number)
        self._line.left.append(self._number)


class _Line:
    """To one worker: one question at a time, whichever thread asks."""

    def __init__(self, nursery: socket.socket) -> None:
        self.talks: set[int] = set()
        self.left: deque[int] = deque()
        """Streams that nobody wants any more; told with the next question."""
        self._nursery, self._lock = nursery, threading.Lock()
        self._connect()

    def ask(self, *question: Any) -> Any:
        """The answer. Raises what the engine raised, or Died; then another worker has taken the line over."""
        with self._lock:
            left = [self.left.popleft() for _ in range(len(self.left))]
            try:
                self._connection.send((left, question))
                fine, answer = self._connection.recv()
            except (EOFError, OSError) as error:
                self._connection.close()
                self._connect()
                raise Died("a worker process died (out of memory?); try again") from error
        if not fine:
            raise answer
        return answer

    def _connect(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._nursery, [b"\0"], [theirs.fileno()])
            self._connection = Connection(ours.detach())
            self.pid: int = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ResayError("worker processes cannot be started any more; start the server again") from error


def _found(engine: Engine) -> socket.socket:
    """Fork the nursery; the line on which workers are ordered."""
    ours, theirs = socket.socketpair()
    _fork(lambda: _nurse(ours, theirs, engine))
    theirs.close()
    return ours


def _fork(work: Callable[[], None]) -> None:
    """Run `work` in a new process that ends with it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        return
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        LOG.exception("a worker process failed")
    finally:
        os._exit(status)  # not through what the parent has on its stack and wants to do when it ends


def _nurse(parents: socket.socket, orders: socket.socket, engine: Engine) -> None:
    """Fork a worker for every order, until the server is gone."""
    parents.close()
    # A terminal and systemd tell all processes to stop; the server decides when its workers may.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    while True:
        _, ends, _, _ = socket.recv_fds(orders, 1, 1)
        if not ends:
            return
        line = ends[0]
        _fork(lambda line=line: _work(Connection(line), orders, engine))  # type: ignore[misc]
        os.close(line)


def _work(line: Connection, orders: socket.socket, engine: Engine) -> None:
    """Answer questions until the server is gone."""
    orders.close()
    talks: dict[int, Iterator[Piece]] = {}

    def stream(number: int, request: Request, voice: Voice, options: dict[str, Any], given: int) -> None:
        talks[number] = itertools.islice(engine.stream(request, voice, **options), given, None)

    def following(number: int) -> Piece | None:
        if number not in talks:
            raise Died("its worker process died")  # this one has come in its place
        return next(talks[number], None)

    answers: dict[str, Callable[..., Any]] = {
        "listen": engine.listen,
        "stream": stream,
        "next": following,
        "relieve": lambda voice: memory.free(engine, voice),
    }
    with suppress(EOFError, OSError):
        line.send(os.getpid())
        while True:
            left, (name, *arguments) = line.recv()
            for number in left:
                talks.pop(number, None)
            try:
                line.send((True, answers[name](*arguments)))
            except ResayError as error:
                line.send((False, error))
            except (EOFError, OSError):
                raise
            except Exception as error:  # the worker's edge: the server tells its caller, and the log tells why
                LOG.exception("a worker failed")
                line.send((False, RuntimeError(f"{type(error).__name__}: {error}")))
