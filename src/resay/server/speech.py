"""`POST /v1/audio/speech`, as OpenAI defines it, with our fields beside theirs."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ..audio import FILE_FORMATS, FORMAT
from ..errors import BadOption, BadText, ResayError
from ..manifest import voice_input
from ..prosody import Sampling
from ..synthesis import FASTEST, HIGHEST_SEED, SLOWEST, STRONGEST_STYLE
from ..synthesis import Request as SpeechRequest
from ..takes import Cast
from ..text import Lexicon
from ..voices import Voice
from . import lexicons, problems
from .encoders import MEDIA_TYPES, STREAMED, encoder
from .limits import Limits
from .performance import LOOK, Gone, Order, Performance
from .service import Caller, Service, speaking

DRAWN_SEEDS = 1_000_000  # a drawn seed shall be short enough to be passed on by word of mouth


class VoiceId(BaseModel):
    """A voice as newer clients of OpenAI's name it."""

    id: str = Field(max_length=200)


class Manner(BaseModel):
    """How something is to be said: everything but the text. Fields that we do not know are passed over."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    voice: str | VoiceId = Field(description="name or id of a voice; `GET /v1/audio/voices` lists them")
    model: str = Field("resay", max_length=200, description="any name: there is one model")
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(1.0, ge=SLOWEST, le=FASTEST)
    seed: int | Literal["random"] = Field(42, description="the same seed gives the same speech")
    sampling: Literal["ras", "topk", "greedy"] = "ras"
    top_k: int | None = Field(None, ge=1, le=1000)
    temperature: float | None = Field(None, ge=0.05, le=2.0)
    style: str | None = Field(None, max_length=200, description="name or id of the voice to say it like")
    style_strength: float = Field(1.0, ge=0.0, le=STRONGEST_STYLE)
    lexicon: str | dict[str, str] | None = Field(None, description="name of a stored lexicon, or readings by grapheme")
    accent: float = Field(0.0, ge=0.0, le=1.0, description="how far the speaker's own accent is kept")
    context: bool = Field(False, description="plan each sentence with the one before it in sight")
    language: Literal["auto", "zh", "en"] = "auto"
    sample_rate: int = Field(FORMAT.sample_rate, description="24000 or 32000 samples a second")
    subtitles: Literal["srt", "vtt", "textgrid", "json"] | None = None

    def request(self, text: str) -> SpeechRequest:
        """Raises BadOption, BadText."""
        if not text.strip():
            raise BadText("input: there is nothing to speak")
        if isinstance(self.seed, int) and not 0 <= self.seed <= HIGHEST_SEED:
            raise BadOption(f"seed: choose a whole number from 0 to {HIGHEST_SEED}, or random")
        return SpeechRequest(
            text=text,
            seed=self.seed if isinstance(self.seed, int) else secrets.randbelow(DRAWN_SEEDS),
            language=self.language,
            speed=self.speed,
            sampling=self._drawn(),
            style_strength=self.style_strength,
            accent=self.accent,
            context=self.context,
            sample_rate=self.sample_rate,
        )

    def cast(self, caller: Caller, limits: Limits, speaker: Voice | None = None) -> Cast:
        """Who speaks: `speaker`, or who is named here. Raises UnknownVoice, BadLexicon."""
        cast = Cast(speaker or caller.voice(self.voice if isinstance(self.voice, str) else self.voice.id))
        if self.style is not None:
            style = caller.voice(self.style)
            cast = replace(cast, style=style.profile, style_input=voice_input(style))
        if self.lexicon is None:
            return cast
        lexicon, name = self._lexicon(caller, limits)
        return replace(cast, lexicon=lexicon, lexicons=(lexicons.input_of(name, lexicon),))

    def format(self) -> str:
        """Raises BadOption for what we cannot encode."""
        if self.response_format not in FILE_FORMATS:
            raise BadOption(f"response_format: {self.response_format} is not offered; use {', '.join(FILE_FORMATS)}")
        return self.response_format

    def _drawn(self) -> Sampling:
        if self.top_k is not None and self.sampling != "topk":
            raise BadOption(f"top_k has no meaning with sampling {self.sampling}; leave it out")
        if self.temperature is not None and self.sampling == "greedy":
            raise BadOption("temperature has no meaning with sampling greedy; leave it out")
        chosen = Sampling(method=self.sampling)
        chosen = chosen if self.top_k is None else replace(chosen, top_k=self.top_k)
        return chosen if self.temperature is None else replace(chosen, temperature=self.temperature)

    def _lexicon(self, caller: Caller, limits: Limits) -> tuple[Lexicon, str]:
        if isinstance(self.lexicon, dict):
            return lexicons.checked(self.lexicon, limits), "request"
        return lexicons.load(caller, str(self.lexicon)), str(self.lexicon)


class SpeechBody(Manner):
    """The body of a speech request."""

    input: str = Field(description="the text to speak")
    stream_format: Literal["audio", "sse"] | None = Field(
        None, description="audio streams from the first piece on; without it short texts are sent in one part"
    )

    def order(self, caller: Caller, limits: Limits) -> Order:
        """All that decides the response. Raises TooMuch and what its parts raise."""
        if len(self.input) > limits.characters:
            raise problems.TooMuch(f"input: {len(self.input)} characters; this server speaks {limits.characters}")
        file_format = self.format()
        request = self.request(self.input)
        encoding = encoder(file_format, request.sample_rate, self.whole(limits))
        return Order(request, self.cast(caller, limits), encoding, file_format, self.subtitles)

    def whole(self, limits: Limits) -> bool:
        """Whether the sound is sent in one part, with a head that is right."""
        if self.response_format not in STREAMED:
            return self.stream_format != "sse"
        return self.stream_format is None and len(self.input) <= limits.whole_characters


def routes(service: Service) -> APIRouter:
    router = APIRouter(tags=["speech"], responses=problems.REFUSALS)

    @router.post("/v1/audio/speech", response_class=Response, responses=_ANSWERS)
    async def speech(body: SpeechBody, http: Request, caller: Annotated[Caller, Depends(speaking)]) -> Response:
        """Speak a text. The head names seed and manifest; where the sound comes in one part, its digest too."""
        performance = Performance(service, caller, body.order(caller, service.limits))
        performance.start()
        if body.stream_format == "sse":
            first, rest = await begun(http, performance)
            return _Patient(_events(performance, first, rest), service.limits, headers=_SSE_HEADERS)
        if body.whole(service.limits):
            return await _whole(http, performance, body)
        first, rest = await begun(http, performance)
        headers = _headers(performance, body)
        media_type = MEDIA_TYPES[body.format()]
        return _Patient(_joined(first, rest), service.limits, media_type=media_type, headers=headers)

    return router


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the sound",
        "content": {media_type: {} for media_type in (*MEDIA_TYPES.values(), "text/event-stream")},
    }
}
_SSE_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}


class _Patient(StreamingResponse):
    """A stream to a reader who may be slow, but not for ever."""

    def __init__(self, content: AsyncIterator[bytes], limits: Limits, **options: Any) -> None:
        super().__init__(content, **options)
        self._seconds = limits.request_seconds
        self._content = content

    async def stream_response(self, send: Any) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await super().stream_response(send)
        finally:
            # A client that went away leaves the iterator hanging where it stood; closing it stops the work.
            await self._content.aclose()  # type: ignore[attr-defined]


async def begun(http: Request, performance: Performance) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes, and the rest: all that can be refused is, before a head says 200. Raises Gone, ResayError."""
    parts = aiter(performance)
    waiting = asyncio.ensure_future(anext(parts, b""))
    try:
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=LOOK)
            if not waiting.done() and await http.is_disconnected():
                raise Gone
    finally:
        if not waiting.done():
            performance.leave()
            waiting.cancel()
    return await waiting, parts


async def _whole(http: Request, performance: Performance, body: SpeechBody) -> Response:
    first, rest = await begun(http, performance)
    content = first + b"".join([part async for part in rest])
    return Response(content, media_type=MEDIA_TYPES[body.format()], headers=_headers(performance, body))


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for part in rest:
            yield part
    finally:
        await rest.aclose()  # type: ignore[attr-defined]


async def _events(performance: Performance, first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """OpenAI's events. An error after the first of them is an event, too: the head has said 200 already."""
    try:
        async for part in _joined(first, rest):
            yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()})
    except ResayError as error:
        yield _event({"type": "error", **problems.of_error(error)})
        return
    made = performance.take
    if made is None:
        return
    characters, frames = len(made.manifest.request.text), round(made.manifest.output.seconds * FORMAT.frame_rate)
    # We have no tokens: characters went in and mel frames came out, which is as near as it gets.
    usage = {"input_tokens": characters, "output_tokens": frames, "total_tokens": characters + frames}
    ours = {"seed": made.manifest.request.seed, "manifest": performance.id, "digest": made.manifest.output.digest}
    timed = {} if performance.timed is None else {"subtitles": performance.timed}
    yield _event({"type": "speech.audio.done", "usage": usage, **ours, **timed})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _headers(performance: Performance, body: SpeechBody) -> dict[str, str]:
    headers = {"X-Resay-Seed": str(performance.seed), "X-Resay-Manifest": performance.id}
    if performance.take is not None and body.whole(performance.limits):
        headers["X-Resay-Digest"] = performance.take.manifest.output.digest
    if body.subtitles is not None:
        headers["X-Resay-Subtitles"] = f"/v1/manifests/{performance.id}/subtitles/{body.subtitles}"
    return headers
