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
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from .. import pitch
from ..audio import FORMAT, Audio
from ..errors import BadOption, ResayError
from ..prosody import Plan
from ..reference import Profile, Report
from ..synthesis import Engine, Piece, Request, Speech
from ..text import Sentence
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
        return _Talk(self._least_busy(), request, voice, options).pieces()

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

    def pieces(self) -> Iterator[Piece]:
        """One after the other; whoever wants the next has the one before made to its end."""
        for index in itertools.count():
            sentence = self._ask("next", index, 0)
            if sentence is None:
                return
            coming = _Coming(self._parts(index))
            yield Piece(index, sentence, coming.plan, coming.sound())
            coming.plan()

    def _parts(self, index: int) -> Iterator[Audio | Plan]:
        """The sound of a piece in the parts in which it is made, then its plan."""
        for heard in itertools.count():
            part = self._ask("part", index, heard)
            yield part
            if isinstance(part, Plan):
                return

    def _ask(self, what: str, index: int, heard: int) -> Any:
        """What comes behind so many pieces and, of the next one, parts."""
        try:
            return self._line.ask(what, self._number)
        except Died:
            # The same request says the same again: what was heard already is passed over.
            LOG.warning("a worker process died; another goes on with piece %d behind part %d", index, heard)
            self._begin(index)
            if what == "part":
                self._line.ask("next", self._number)
                for _ in range(heard):
                    self._line.ask("part", self._number)
            return self._line.ask(what, self._number)

    def _begin(self, given: int) -> None:
        self._line.ask("stream", self._number, *self._what, given)

    def __del__(self) -> None:
        # Whoever drops a stream, begun or not, need not say so. Only noted here: the collector may call this anywhere,
        # even where the line is in use.
        self._line.talks.discard(self._number)
        self._line.left.append(self._number)


class _Coming:
    """A piece that is made in a worker: its parts come one by one, its plan behind them."""

    def __init__(self, answers: Iterator[Audio | Plan]) -> None:
        self._answers = answers
        self._parts: list[Audio] = []
        self._plan: Plan | None = None

    def sound(self) -> Iterator[Audio]:
        """The parts, each as soon as it is there."""
        place = 0
        while place < len(self._parts) or self._plan is None:
            if place < len(self._parts):
                yield self._parts[place]
                place += 1
            else:
                self._take()

    def plan(self) -> Plan:
        """Has the rest made for it."""
        while self._plan is None:
            self._take()
        return self._plan

    def _take(self) -> None:
        answer = next(self._answers)
        if isinstance(answer, Plan):
            self._plan = answer
        else:
            self._parts.append(answer)


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


class _Talks:
    """Streams that a worker speaks, and of each the piece that it is at."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pieces: dict[int, Iterator[Piece]] = {}
        self._parts: dict[int, Iterator[Audio | Plan]] = {}

    def begin(self, number: int, request: Request, voice: Voice, options: dict[str, Any], given: int) -> None:
        """A stream without its first pieces, of which so many were given."""
        self._pieces[number] = itertools.islice(self._engine.stream(request, voice, **options), given, None)

    def next(self, number: int) -> Sentence | None:
        """What the following piece says, None behind the last."""
        if number not in self._pieces:
            raise Died("its worker process died")  # this one has come in its place
        piece = next(self._pieces[number], None)
        if piece is None:
            return None
        self._parts[number] = self._of(piece)
        return piece.sentence

    def part(self, number: int) -> Audio | Plan:
        """The following part of that piece, behind the last its plan."""
        if number not in self._parts:
            raise Died("its worker process died")
        return next(self._parts[number])

    def forget(self, numbers: Iterable[int]) -> None:
        """Streams that nobody wants any more."""
        for number in numbers:
            self._pieces.pop(number, None)
            self._parts.pop(number, None)

    def _of(self, piece: Piece) -> Iterator[Audio | Plan]:
        yield from piece.parts()
        yield piece.plan


def _work(line: Connection, orders: socket.socket, engine: Engine) -> None:
    """Answer questions until the server is gone."""
    orders.close()
    talks = _Talks(engine)
    answers: dict[str, Callable[..., Any]] = {
        "listen": engine.listen,
        "stream": talks.begin,
        "next": talks.next,
        "part": talks.part,
        "relieve": lambda voice: memory.free(engine, voice),
    }
    with suppress(EOFError, OSError):
        line.send(os.getpid())
        while True:
            left, (name, *arguments) = line.recv()
            talks.forget(left)
            try:
                line.send((True, answers[name](*arguments)))
            except ResayError as error:
                line.send((False, error))
            except (EOFError, OSError):
                raise
            except Exception as error:  # the worker's edge: the server tells its caller, and the log tells why
                LOG.exception("a worker failed")
                line.send((False, RuntimeError(f"{type(error).__name__}: {error}")))
