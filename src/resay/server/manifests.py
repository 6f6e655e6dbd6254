"""Manifests of what a caller has had spoken, and their replays."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from .. import audio
from ..audio import FORMAT
from ..errors import UnknownVoice, Unreproducible
from ..manifest import Manifest, parse, voice_input
from ..replay import Replay, replay
from ..takes import Cast
from . import lexicons, problems
from .encoders import MEDIA_TYPES
from .limits import Limits
from .problems import TooMuch
from .service import Caller, Service, managing, speaking

SUBTITLE_TYPES = {
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "textgrid": "text/plain",
    "json": "application/json",
}


class Listed(BaseModel):
    """Ids, the newest first."""

    object: str = "list"
    data: list[str]


def routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1/manifests", tags=["manifests"], responses=problems.REFUSALS)

    @router.get("")
    def listing(caller: Annotated[Caller, Depends(speaking)]) -> Listed:
        """Ids of the manifests that are kept."""
        return Listed(data=caller.records(service.limits).ids())

    @router.get("/{record_id}")
    def show(record_id: str, caller: Annotated[Caller, Depends(speaking)]) -> Response:
        """The manifest of a sound, as `resay replay` takes it."""
        return Response(caller.records(service.limits).get(record_id), media_type="application/json")

    @router.get("/{record_id}/subtitles/{file_format}")
    def timed(
        record_id: str,
        file_format: Literal["srt", "vtt", "textgrid", "json"],
        caller: Annotated[Caller, Depends(speaking)],
    ) -> Response:
        """The subtitles that were asked for with the sound."""
        content = caller.records(service.limits).subtitles(record_id, file_format)
        return Response(content, media_type=SUBTITLE_TYPES[file_format])

    @router.delete("/{record_id}")
    def delete(record_id: str, caller: Annotated[Caller, Depends(managing)]) -> Listed:
        """Forget a manifest; answers with what is left."""
        caller.records(service.limits).remove(record_id)
        return listing(caller)

    @router.post("/{record_id}/replay", response_class=Response, responses=REPLAYED)
    async def again(record_id: str, caller: Annotated[Caller, Depends(speaking)]) -> Response:
        """Make the sound of a manifest again. Refused where it does not reproduce, with the causes."""
        return await _replayed(service, caller, parse(caller.records(service.limits).get(record_id)))

    @router.post("/replay", response_class=Response, responses=REPLAYED)
    async def again_from_outside(http: Request, caller: Annotated[Caller, Depends(speaking)]) -> Response:
        """Make the sound of a manifest, or of a WAV or FLAC file with one inside, again: it is the body."""
        return await _replayed(service, caller, parse(await http.body()))

    return router


REPLAYED: dict[int | str, dict[str, Any]] = {
    200: {"description": "the sound", "content": {media_type: {} for media_type in MEDIA_TYPES.values()}},
    409: {"model": problems.Problems, "description": "it does not reproduce"},
}


LONGEST_PIECE = 120.0  # seconds; the text frontend cuts pieces far shorter
LONGEST_SOUND = 7_200.0  # seconds


async def replayed(service: Service, recorded: Manifest, cast: Cast) -> Replay:
    """A sound made again, in its turn. Raises TooMuch, Unreproducible."""
    _bound(recorded, service.limits)
    return await service.compute(lambda: replay(recorded, service.engine, cast, day=service.clock()))


async def _replayed(service: Service, caller: Caller, recorded: Manifest) -> Response:
    done = await replayed(service, recorded, cast_of(caller, recorded))
    file_format = recorded.output.format if recorded.output.format in MEDIA_TYPES else "wav"
    content = audio.encode(done.sound, file_format)
    return Response(content, media_type=MEDIA_TYPES[file_format], headers=_headers(done))


def _bound(recorded: Manifest, limits: Limits) -> None:
    """Raises TooMuch for a manifest that asks for more than any text could: whoever writes it chooses its durations."""
    if len(recorded.request.text) > limits.characters:
        raise TooMuch(f"the manifest's text is longer than the {limits.characters} characters spoken here")
    seconds = [FORMAT.seconds(int(piece.plan.durations.sum())) for piece in recorded.pieces]
    if max(seconds, default=0.0) > LONGEST_PIECE or sum(seconds) > LONGEST_SOUND:
        raise TooMuch(f"the manifest's plan is longer than {LONGEST_PIECE:.0f} s a piece or {LONGEST_SOUND:.0f} s")


def _headers(done: Replay) -> dict[str, str]:
    made = done.take.manifest
    return {
        "X-Resay-Seed": str(made.request.seed),
        "X-Resay-Digest": made.output.digest,
        "X-Resay-Identical": str(done.identical).lower(),
        "X-Resay-Way": done.way,
    }


def cast_of(caller: Caller, recorded: Manifest) -> Cast:
    """Voice, style and lexicons that a manifest names, as far as they are the caller's. Raises Unreproducible."""
    try:
        voice = caller.voice(recorded.voice.name)
        style = None if recorded.inputs.style is None else caller.voice(recorded.inputs.style.name)
    except UnknownVoice as error:
        raise Unreproducible(f"does not reproduce: voice: {error}") from error
    lexicon, given = lexicons.recalled(caller, recorded.inputs.lexicons)
    cast = Cast(voice, lexicon=lexicon, lexicons=given)
    return cast if style is None else dataclasses.replace(cast, style=style.profile, style_input=voice_input(style))
