"""One take on its way to a client: made in a thread, handed to the event loop piece by piece.

It is the take that `resay speak` makes, so that one request is one sound whoever asks.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from .. import subtitles, takes
from ..audio import Audio
from ..synthesis import Piece
from ..synthesis import Request as SpeechRequest
from ..takes import Cast, Take
from . import records
from .encoders import Encoder
from .limits import Limits
from .service import Caller, Service

AHEAD = 4  # parts of sound that wait for a slow reader before the thread waits with them
LOOK = 0.2  # seconds between two looks whether the client is still there


class Gone(Exception):
    """The client went away, or nobody wants the sound any more."""


@dataclass(frozen=True, eq=False)
class Order:
    """All that decides a response."""

    request: SpeechRequest
    cast: Cast
    encoder: Encoder
    file_format: str
    subtitles: str | None = None


class Performance:
    """A take being made. Iterate over it for the bytes; leave it, and the work stops at the next piece."""

    def __init__(self, service: Service, caller: Caller, order: Order) -> None:
        self.id = records.new_id()
        self.take: Take | None = None
        """There when all bytes are."""
        self._service, self._caller, self._order = service, caller, order
        self._loop = asyncio.get_running_loop()
        self._parts: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(AHEAD)
        self._gone = threading.Event()

    @property
    def seed(self) -> int:
        return self._order.request.seed

    @property
    def limits(self) -> Limits:
        return self._service.limits

    @property
    def timed(self) -> str | None:
        """The subtitles that were asked for, when all is spoken."""
        wanted = self._order.subtitles
        return None if self.take is None or wanted is None else subtitles.write(self.take.cues, wanted)

    def start(self) -> None:
        """Begin in a thread. Raises Busy where the house is full."""
        self._service.turns.enter()
        self._loop.run_in_executor(self._service.threads, self._perform)

    def leave(self) -> None:
        """Nobody listens any more: stop at the next piece."""
        self._gone.set()
        while not self._parts.empty():
            self._parts.get_nowait()  # the thread may be waiting for room

    def interrupt(self) -> None:
        """Whoever iterates shall get no more, at once."""
        self.leave()
        self._parts.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes, as they are made. Raises what the engine raised."""
        try:
            while (part := await self._parts.get()) is not None:
                if isinstance(part, BaseException):
                    raise part
                yield part
        finally:
            self.leave()

    def _perform(self) -> None:
        """In the thread."""
        try:
            sink = _Sink(self._order.encoder, self._hand_over)
            made = takes.take(
                self._service.engine,
                self._order.request,
                self._order.cast,
                sink,
                day=self._service.clock(),
                file_format=self._order.file_format,
                watch=self._in_turn,
            )
            self._keep(made)
            self._hand_over(None)
        except Gone:
            pass
        except BaseException as error:
            self._fail(error)
        finally:
            self._service.turns.leave()

    def _in_turn(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        return self._service.turns.by_turns(pieces, self._stay)

    def _stay(self) -> None:
        if self._unheard():
            raise Gone

    def _keep(self, made: Take) -> None:
        self.take = made
        timed = self.timed
        kept = None if timed is None else (str(self._order.subtitles), timed)
        self._caller.records(self._service.limits).add(self.id, made.manifest.to_bytes(), kept)
        self._service.metrics.spoken(made.manifest.output.seconds, made.first_sound, made.seconds_taken)

    def _hand_over(self, part: bytes | None) -> None:
        if part is None or part:
            self._put(part)

    def _fail(self, error: BaseException) -> None:
        with suppress(Gone):
            self._put(error)

    def _unheard(self) -> bool:
        return self._gone.is_set() or self._service.closing.is_set()

    def _put(self, part: bytes | BaseException | None) -> None:
        """Wait for room in the queue. Raises Gone when nobody will make any."""
        self._stay()
        waiting = asyncio.run_coroutine_threadsafe(self._parts.put(part), self._loop)
        while not self._unheard():
            try:
                waiting.result(LOOK)
                return
            except TimeoutError:
                continue
        waiting.cancel()
        raise Gone


class _Sink:
    """Encodes and hands over."""

    def __init__(self, encoder: Encoder, hand_over: Callable[[bytes], None]) -> None:
        self._encoder, self._hand_over = encoder, hand_over

    def write(self, piece: Audio) -> None:
        self._hand_over(self._encoder.encode(piece))

    def finish(self) -> None:
        self._hand_over(self._encoder.rest())
