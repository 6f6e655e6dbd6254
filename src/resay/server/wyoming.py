"""The Wyoming protocol, by which Home Assistant and its like find voices and have them speak.

Whole texts (`synthesize`) and texts that arrive in pieces (`synthesize-start`, `-chunk`, `-stop`): sentences of these
sound as soon as they are complete. A voice's speakers are seeds. The protocol knows no keys: on a server with keys, the
one who starts it says as which key's holder everybody speaks who reaches the port.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from pydantic import ValidationError
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.info import Attribution, Describe, Info, TtsProgram, TtsVoice, TtsVoiceSpeaker
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from .. import __version__
from ..audio import FORMAT
from ..errors import BadOption, BadText, ResayError
from . import problems
from .encoders import encoder
from .live import complete
from .performance import Order, Performance
from .problems import NoKey, TooMuch
from .service import Caller, Service
from .speech import Manner
from .voices import HAN, listed

LOG = logging.getLogger(__name__)
SEEDS = (42, 100, 999)
"""Offered as speakers; any other number is understood, too."""
SOUND: dict[str, int] = {"rate": FORMAT.sample_rate, "width": 2, "channels": 1}
LANGUAGES = ["zh", "en"]
"""Every voice speaks both."""
LONGEST_EVENT = 2**20  # bytes


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises BadOption for a port that is taken."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise BadOption(f"--wyoming {port}: the port on {host} cannot be used ({error.strerror})") from error


def require_speaker(service: Service, key: str | None) -> None:
    """Raises BadOption where it would not be known as whom those at the port speak."""
    names = [one.name for one in service.keys.all()]
    if key is not None and key not in names:
        raise BadOption(f"--wyoming-key: no key is called {key[:80]!r}")
    if key is None and not service.unlocked:
        raise BadOption("--wyoming knows no keys: say with --wyoming-key NAME as whose holder everybody speaks there")


def listening(service: Service, door: socket.socket, key: str | None) -> AbstractAsyncContextManager[None]:
    """Answers on a socket as long as the block lasts."""

    @asynccontextmanager
    async def block() -> AsyncIterator[None]:
        guests: set[asyncio.Task[Any]] = set()

        async def guest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None, "asyncio makes a task for every connection"
            guests.add(task)
            try:
                await Guest(service, key, reader, writer).stay()
            finally:
                guests.discard(task)
                writer.close()

        server = await asyncio.start_server(guest, sock=door)
        try:
            yield
        finally:
            server.close()
            for task in guests:
                task.cancel()
            await asyncio.gather(*guests, return_exceptions=True)

    return block()


class _Bounded:
    """A reader that believes no length above a limit."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def readline(self) -> bytes:
        return await self._reader.readline()

    async def readexactly(self, count: int) -> bytes:
        if not 0 <= count <= LONGEST_EVENT:
            raise TooMuch(f"an event says that it has {count} bytes; {LONGEST_EVENT} are taken")
        return await self._reader.readexactly(count)


class Guest:
    """One connection."""

    def __init__(
        self, service: Service, key: str | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._service, self._key, self._writer = service, key, writer
        self._reader: Any = _Bounded(reader)
        self._wanted: SynthesizeVoice | None = None
        self._rest: str | None = None
        """The sentence that is growing; None where no text is arriving in pieces."""
        self._sounding = False

    async def stay(self) -> None:
        """Answer until the other end leaves, or sends what no client would."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                try:
                    event = await async_read_event(self._reader)
                except (ValueError, KeyError, TypeError, ResayError) as error:
                    LOG.info("a Wyoming client sent no event: %s", error)
                    return
                if event is None:
                    return
                await self._answer(event)

    async def _answer(self, event: Event) -> None:
        try:
            await self._obey(event)
        except ResayError as error:
            self._rest = None
            await self._send(Error(" ".join(str(error).split()), problems.code_of(error)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            await self._send(
                Error(f"{event.type}: a field is missing or wrong ({type(error).__name__})", "bad_request")
            )

    async def _obey(self, event: Event) -> None:
        if Describe.is_type(event.type):
            await self._send(described(self._caller()))
        elif Ping.is_type(event.type):
            await self._send(Pong(text=Ping.from_event(event).text))
        elif Synthesize.is_type(event.type):
            # Clients that stream send the whole text as well, for servers that cannot.
            if self._rest is None:
                asked = Synthesize.from_event(event)
                self._wanted = asked.voice
                await self._speak(asked.text)
                await self._end()
        elif SynthesizeStart.is_type(event.type):
            self._wanted, self._rest = SynthesizeStart.from_event(event).voice, ""
        elif SynthesizeChunk.is_type(event.type) and self._rest is not None:
            await self._take_in(SynthesizeChunk.from_event(event).text)
        elif SynthesizeStop.is_type(event.type) and self._rest is not None:
            rest, self._rest = self._rest, None
            if rest.strip():
                await self._speak_sentence(rest)
            await self._end()
            await self._send(SynthesizeStopped())

    async def _take_in(self, text: str) -> None:
        sentences, self._rest = complete((self._rest or "") + text)
        if len(self._rest) > self._service.limits.characters:
            raise TooMuch(f"a sentence has more than {self._service.limits.characters} characters")
        for sentence in sentences:
            await self._speak_sentence(sentence)

    async def _speak_sentence(self, sentence: str) -> None:
        with suppress(BadText):  # a line of dashes is nothing to speak, and no reason to stop
            await self._speak(sentence.strip())

    async def _speak(self, text: str) -> None:
        limits = self._service.limits
        if len(text) > limits.characters:
            raise TooMuch(f"the text has {len(text)} characters; this server speaks {limits.characters}")
        caller = self._caller()
        manner = _manner(caller, self._wanted, text)
        request = manner.request(text)
        encoding = encoder("pcm", request.sample_rate, whole=False)
        performance = Performance(self._service, caller, Order(request, manner.cast(caller, limits), encoding, "pcm"))
        performance.start()
        async for part in performance:
            if not self._sounding:
                self._sounding = True
                await self._send(AudioStart(**SOUND))
            await self._send(AudioChunk(audio=part, **SOUND))

    async def _end(self) -> None:
        if self._sounding:
            self._sounding = False
            await self._send(AudioStop())

    async def _send(self, event: Any) -> None:
        await async_write_event(event.event(), self._writer)

    def _caller(self) -> Caller:
        """Raises NoKey: keys may have come or gone since the start."""
        if self._key is None and self._service.unlocked:
            return self._service.local()
        key = next((one for one in self._service.keys.all() if one.name == self._key), None)
        if key is None:
            raise NoKey("this server wants a key; it has to be started again with --wyoming-key NAME")
        return self._service.keyed(key.id, key.scopes)


def described(caller: Caller) -> Info:
    """What can be spoken with."""
    source = Attribution("resay", "")
    speakers = [TtsVoiceSpeaker(str(seed)) for seed in SEEDS]
    voices = [
        TtsVoice(
            name=voice.name,
            attribution=source,
            installed=True,
            description=voice.description or voice.name,
            version=__version__,
            languages=[voice.language, *(one for one in LANGUAGES if one != voice.language)],
            speakers=speakers,
        )
        for voice in listed(caller)
    ]
    what = "says it again, exactly: speakers are seeds"
    program = TtsProgram("resay", source, True, what, __version__, voices, supports_synthesize_streaming=True)
    return Info(tts=[program])


def _manner(caller: Caller, wanted: SynthesizeVoice | None, text: str) -> Manner:
    """Raises BadOption for a seed that is none, or where nobody can speak."""
    name = None if wanted is None else wanted.name
    if name is None:
        language = (wanted and wanted.language) or ("zh" if HAN.search(text) else "en")
        known = sorted(listed(caller), key=lambda voice: voice.language != language[:2])
        if not known:
            raise BadOption("there is no voice to speak with")
        name = known[0].name
    seed = SEEDS[0] if wanted is None or wanted.speaker is None else wanted.speaker
    try:
        return Manner.model_validate({"voice": name, "seed": int(seed), "response_format": "pcm"})
    except (ValueError, ValidationError) as error:
        raise BadOption(f"speaker {str(seed)[:40]!r} is no seed: give a whole number from 0") from error
