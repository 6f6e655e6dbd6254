"""A WebSocket for text that arrives in pieces, as a chat model writes it: sentences sound as soon as they are complete.

The client sends JSON: `{"type": "start", "voice": …}` with the fields of a speech request but `input`, then
`{"type": "text", "text": …}` as it comes, `{"type": "interrupt"}` to be silent at once and forget what was not spoken,
`{"type": "end"}` when there is no more. The server sends JSON, and the sound of each sentence as binary messages
between its `sentence` and its `spoken`. Every sentence is the sound that `resay speak` makes of it alone.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from ..errors import BadOption, BadText, ResayError
from . import problems
from .encoders import STREAMED, encoder
from .performance import Order, Performance
from .service import Caller, Service, speaking
from .speech import Manner

ENDS = re.compile(r"[。！？!?…\n]+[”’」』\"')）]*|\.+[\"')]*(?=\s)")
"""Where a sentence is surely complete: a full stop only before a space, for 3.14 may still be growing."""


def complete(text: str) -> tuple[list[str], str]:
    """The sentences that have ended in a growing text, and what is left of it. Nothing is lost."""
    sentences, start = [], 0
    for end in ENDS.finditer(text):
        if end.end() == len(text) and text[end.start()] not in "。！？\n":
            break  # the next piece may bring another mark, or the quotation's end
        sentences.append(text[start : end.end()])
        start = end.end()
    return [sentence for sentence in sentences if sentence.strip()], text[start:]


class Talk:
    """One connection: a reader that takes in text, and a speaker that works off sentences."""

    def __init__(self, service: Service, caller: Caller, socket: WebSocket, manner: Manner) -> None:
        self._service, self._caller, self._socket, self._manner = service, caller, socket, manner
        self._rest = ""
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self._waiting_characters = 0
        self._playing: Performance | None = None
        self._said = 0

    async def read(self) -> None:
        """Take in messages until the client has no more text. Raises BadOption, TooMuch, WebSocketDisconnect."""
        while True:
            message = _message(await self._socket.receive_text())
            kind = message.get("type")
            if kind == "text":
                self._take_in(str(message.get("text", "")))
            elif kind == "interrupt":
                await self._interrupt()
            elif kind == "end":
                self._queue(self._rest)
                self._waiting.put_nowait(None)
                return
            else:
                raise BadOption("type must be text, interrupt or end")

    async def speak(self) -> None:
        """Speak sentence after sentence until there are no more."""
        while (sentence := await self._waiting.get()) is not None:
            self._waiting_characters -= len(sentence)
            try:
                await self._say(sentence)
            except BadText:
                continue  # a line of dashes is nothing to speak, and no reason to stop
        await self._socket.send_json({"type": "done", "sentences": self._said})

    def _take_in(self, text: str) -> None:
        sentences, self._rest = complete(self._rest + text)
        for sentence in sentences:
            self._queue(sentence)
        if self._waiting_characters + len(self._rest) > self._service.limits.characters:
            raise problems.TooMuch(f"more than {self._service.limits.characters} characters wait to be spoken")

    def _queue(self, sentence: str) -> None:
        if sentence.strip():
            self._waiting.put_nowait(sentence)
            self._waiting_characters += len(sentence)

    async def _interrupt(self) -> None:
        self._rest, self._waiting_characters = "", 0
        while not self._waiting.empty():
            self._waiting.get_nowait()
        if self._playing is not None:
            self._playing.interrupt()
        await self._socket.send_json({"type": "interrupted"})

    async def _say(self, sentence: str) -> None:
        manner, limits = self._manner, self._service.limits
        request = manner.request(sentence.strip())
        encoding = encoder(manner.format(), request.sample_rate, whole=False)
        order = Order(request, manner.cast(self._caller, limits), encoding, manner.format(), manner.subtitles)
        playing = Performance(self._service, self._caller, order)
        playing.start()
        self._playing, index = playing, self._said
        self._said += 1
        head = {"index": index, "text": sentence.strip(), "seed": request.seed, "manifest": playing.id}
        try:
            await self._socket.send_json({"type": "sentence", **head})
            async for part in playing:
                await self._socket.send_bytes(part)
        finally:
            playing.leave()
            self._playing = None
        if playing.take is not None:
            made = playing.take.manifest.output
            spoken = {"type": "spoken", "index": index, "seconds": made.seconds, "digest": made.digest}
            timed = {} if playing.timed is None else {"subtitles": playing.timed}
            await self._socket.send_json({**spoken, **timed})


def routes(service: Service) -> APIRouter:
    router = APIRouter()

    @router.websocket("/v1/audio/speech/live")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await _converse(service, speaking(socket), socket)
        except WebSocketDisconnect:
            return
        except ResayError as error:
            await socket.send_json({"type": "error", **problems.of_error(error)})
        await socket.close()

    return router


async def _converse(service: Service, caller: Caller, socket: WebSocket) -> None:
    manner = _manner(_message(await socket.receive_text()))
    manner.cast(caller, service.limits)  # what is wrong with it is told before any text comes
    file_format, sample_rate = manner.format(), manner.sample_rate
    if file_format not in STREAMED:
        raise BadOption(f"response_format: {file_format} cannot be sent in pieces; use {', '.join(STREAMED)}")
    await socket.send_json({"type": "started", "response_format": file_format, "sample_rate": sample_rate})
    conversation = Talk(service, caller, socket, manner)
    reading, speaker = asyncio.create_task(conversation.read()), asyncio.create_task(conversation.speak())
    try:
        for done in asyncio.as_completed((reading, speaker)):
            await done
    finally:
        reading.cancel()
        speaker.cancel()
        await asyncio.gather(reading, speaker, return_exceptions=True)


def _message(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadOption("messages must be JSON objects") from error
    if not isinstance(data, dict):
        raise BadOption("messages must be JSON objects")
    return data


def _manner(message: dict[str, Any]) -> Manner:
    if message.get("type") != "start":
        raise BadOption("the first message must be of type start, with a voice")
    try:
        return Manner(**{"response_format": "pcm", **message})
    except ValidationError as error:
        param, text = next(_told(error))
        raise BadOption(f"{param}: {text}") from error


def _told(error: ValidationError) -> Iterator[tuple[str, str]]:
    for problem in error.errors():
        yield ".".join(str(part) for part in problem["loc"]), problem["msg"]
